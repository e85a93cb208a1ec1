//! Streams that stay open: asked again, now and then, whether they may.
//!
//! Over HTTP/1 the connection is cut, even while nothing flows. Over HTTP/2, where others share the connection, the
//! stream passes not one byte more in either direction. Without an answer the stream is closed.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use tokio::task::AbortHandle;

use crate::{edge::connection::Connection, journey::seam::Recheck};

const OPEN: u8 = 0;
const FINISHED: u8 = 1;
const CLOSED: u8 = 2;

/// Watches one stream until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    state: Arc<AtomicU8>,
    task: AbortHandle,
}

impl Watch {
    /// Begins to watch. `alone` is the connection, where nothing else runs on it.
    pub(crate) fn begin(recheck: Recheck, alone: Option<Arc<Connection>>) -> Self {
        let state = Arc::new(AtomicU8::new(OPEN));
        if let Some(connection) = &alone {
            connection.watch();
        }
        let close = Close { alone, state: state.clone() };
        let task = tokio::spawn(watch(recheck, close)).abort_handle();
        Watch { state, task }
    }

    /// Whether the stream may no longer pass anything.
    pub(crate) fn over(&self) -> bool {
        self.state.load(Ordering::Acquire) == CLOSED
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.state.compare_exchange(OPEN, FINISHED, Ordering::AcqRel, Ordering::Acquire);
        self.task.abort();
    }
}

async fn watch(recheck: Recheck, close: Close) {
    loop {
        tokio::time::sleep(recheck.every).await;
        if !recheck.still_allowed().await {
            drop(close);
            return;
        }
    }
}

/// INVARIANT: whatever ends the watching but the end of the stream closes the stream, a panic included.
struct Close {
    alone: Option<Arc<Connection>>,
    state: Arc<AtomicU8>,
}

impl Drop for Close {
    fn drop(&mut self) {
        let closed = self.state.compare_exchange(OPEN, CLOSED, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if let (true, Some(connection)) = (closed, &self.alone) {
            connection.cut();
        }
    }
}
