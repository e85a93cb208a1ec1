//! Streams that stay open: asked again whether they may, now and then, and at once when somebody is revoked or locked out
//! whom they belong to.
//!
//! Over HTTP/1 the connection is cut, even while nothing flows. Over HTTP/2, where others share the connection, a stream
//! of events ends alone; what Pingora carries passes not one byte more in either direction, and ends when the app has
//! been silent for as long as a recheck takes to come. Without an answer the stream is closed.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use tokio::{sync::Notify, task::AbortHandle};

use crate::{edge::connection::Connection, journey::seam::Recheck, recalls::Listener};

const OPEN: u8 = 0;
const FINISHED: u8 = 1;
const CLOSED: u8 = 2;

/// Watches one stream until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    stream: Arc<Stream>,
    task: AbortHandle,
}

#[derive(Debug, Default)]
struct Stream {
    state: AtomicU8,
    closed: Notify,
}

impl Watch {
    /// Begins to watch. `alone` is the connection, where nothing else runs on it.
    pub(crate) fn begin(recheck: Recheck, alone: Option<Arc<Connection>>) -> Self {
        let stream = Arc::<Stream>::default();
        if let Some(connection) = &alone {
            connection.watch();
        }
        let close = Close { alone, stream: stream.clone() };
        let listener = recheck.listen();
        let task = tokio::spawn(watch(recheck, listener, close)).abort_handle();
        Watch { stream, task }
    }

    /// Whether the stream may no longer pass anything.
    pub(crate) fn over(&self) -> bool {
        self.stream.state.load(Ordering::Acquire) == CLOSED
    }

    /// Waits until it may not.
    pub(crate) async fn closed(&self) {
        // One waits, and a notification that came before is kept for it.
        while !self.over() {
            self.stream.closed.notified().await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.stream.state.compare_exchange(OPEN, FINISHED, Ordering::AcqRel, Ordering::Acquire);
        self.task.abort();
    }
}

async fn watch(recheck: Recheck, listener: Listener, close: Close) {
    loop {
        let _turn = tokio::select! {
            () = tokio::time::sleep(recheck.every) => None,
            turn = listener.recalled() => turn,
        };
        if !recheck.still_allowed().await {
            drop(close);
            return;
        }
    }
}

/// INVARIANT: whatever ends the watching but the end of the stream closes the stream, a panic included.
struct Close {
    alone: Option<Arc<Connection>>,
    stream: Arc<Stream>,
}

impl Drop for Close {
    fn drop(&mut self) {
        let closed = self.stream.state.compare_exchange(OPEN, CLOSED, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if closed {
            self.stream.closed.notify_one();
        }
        if let (true, Some(connection)) = (closed, &self.alone) {
            connection.cut();
        }
    }
}
