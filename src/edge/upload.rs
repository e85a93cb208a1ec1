//! A body that is read only if somebody wants to keep it: while the journey decides, the client is left waiting; where the
//! request is parked, its body is drawn from the connection piece by piece.
//!
//! What was drawn is gone from the connection, so such a request is never forwarded as well. A client that is too slow,
//! leaves, or sends less than it announced ends the drawing with an error, never with a shorter body.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use pingora::{Error, ErrorType, proxy::Session};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use crate::{
    arrival::{Broken, Drawn, Upload, Wish},
    edge::body,
};

/// A body may take its deadline for each of these, begun or whole.
const STRETCH_BYTES: u64 = 1 << 20;

/// The connection's end of an [`Upload`].
pub(crate) struct Tap {
    wishes: mpsc::Receiver<Wish>,
    announced: Option<u64>,
    deadline: Duration,
    began: Option<Instant>,
    bytes: u64,
    is_over: bool,
    gone: Option<Box<Error>>,
}

impl Tap {
    /// For the body of this request.
    pub(crate) fn new(session: &Session, deadline: Duration) -> (Upload, Tap) {
        let announced = body::announced(session).map(|bytes| bytes as u64);
        let (upload, wishes) = Upload::new(announced);
        (upload, Tap { wishes, announced, deadline, began: None, bytes: 0, is_over: false, gone: None })
    }

    /// Draws from the connection what this work asks for, until it is done.
    ///
    /// # Errors
    /// The client is gone.
    pub(crate) async fn serve<T>(
        &mut self,
        session: &mut Session,
        work: impl Future<Output = T>,
    ) -> pingora::Result<T> {
        let mut work = std::pin::pin!(work);
        let done = loop {
            tokio::select! {
                biased;
                done = &mut work => break done,
                Some(wish) = self.wishes.recv() => {
                    let drawn = self.draw(session).await;
                    // Whoever wished may have given up.
                    let _ = wish.send(drawn);
                }
            }
        };
        match self.gone.take() {
            Some(error) => Err(error.into_down()),
            None => {
                if self.is_touched() && !self.is_over {
                    body::discard(session).await;
                }
                Ok(done)
            }
        }
    }

    /// Whether any of it was drawn, so that the request cannot be forwarded any more.
    pub(crate) fn is_touched(&self) -> bool {
        self.began.is_some()
    }

    async fn draw(&mut self, session: &mut Session) -> Drawn {
        if self.is_over || self.gone.is_some() {
            return Err(Broken);
        }
        match self.piece(session).await {
            Ok(Some(piece)) => {
                self.bytes += piece.len() as u64;
                Ok(Some(piece))
            }
            Ok(None) => {
                self.is_over = true;
                // HTTP/2 lets a client end the stream early (CVE-2026-33555).
                if self.announced.is_some_and(|bytes| bytes != self.bytes) { Err(Broken) } else { Ok(None) }
            }
            Err(error) => {
                self.gone = error;
                Err(Broken)
            }
        }
    }

    /// The next bytes; without an error inside, the client was only too slow.
    async fn piece(&mut self, session: &mut Session) -> Result<Option<Bytes>, Option<Box<Error>>> {
        if self.began.is_none() {
            self.began = Some(Instant::now());
            body::invite(session).await.map_err(Some)?;
        }
        let stretches = u32::try_from(self.bytes / STRETCH_BYTES + 1).unwrap_or(u32::MAX);
        let until = self.began.unwrap_or_else(Instant::now) + self.deadline.saturating_mul(stretches);
        match timeout_at(until, session.read_request_body()).await {
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(error)) if matches!(error.etype(), ErrorType::ReadTimedout) => Err(None),
            Ok(Err(error)) => Err(Some(error)),
            Err(_) => Err(None),
        }
    }
}
