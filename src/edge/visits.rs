//! How many requests are on their way that may still read or write state.
//!
//! Requests that are no event are not counted, and neither is an answer that only streams: they need no store. Counting
//! cannot fail; a request that ends in a panic is counted off as well.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// The count of one edge; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Visits(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    open: AtomicUsize,
    ended: Notify,
}

/// One such request; counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Visiting(Visits);

impl Visits {
    /// One more.
    pub(crate) fn begin(&self) -> Visiting {
        self.0.open.fetch_add(1, Ordering::AcqRel);
        Visiting(self.clone())
    }

    /// Waits until there is none.
    pub(crate) async fn over(&self) {
        loop {
            let ended = self.0.ended.notified();
            tokio::pin!(ended);
            // Before the count is read, so that an end in between is not missed.
            ended.as_mut().enable();
            if self.0.open.load(Ordering::Acquire) == 0 {
                return;
            }
            ended.await;
        }
    }
}

impl Drop for Visiting {
    fn drop(&mut self) {
        if self.0.0.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.0.ended.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn it_is_over_when_the_last_has_ended() {
        let visits = Visits::default();
        visits.over().await;
        let (one, other) = (visits.begin(), visits.begin());
        drop(one);
        assert!(timeout(Duration::from_millis(20), visits.over()).await.is_err(), "one is still on its way");
        let waiting = tokio::spawn({
            let visits = visits.clone();
            async move { visits.over().await }
        });
        drop(other);
        timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
    }
}
