//! The body of a request, read to its end and within bounds.
//!
//! Read once: what was read is what is forwarded. Too much, too slow or unreadable is a refusal, never an absent
//! field.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header;
use pingora::{Error, ErrorType, proxy::Session};
use tokio::time::timeout;

/// What is read of a body beyond its limit, only to be forgotten.
const DISCARDED_BYTES_MAX: usize = 64 * 1024;
/// For how long that goes on at most.
const DISCARDED_FOR: Duration = Duration::from_secs(1);

/// What came of reading a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// All of it.
    Whole(Bytes),
    /// It is larger than allowed; the rest was left unread.
    TooLarge,
    /// It did not come in time.
    TooSlow,
}

/// Reads the whole body, at most `bytes_max`, from first byte to last within `deadline`.
pub(crate) async fn read(session: &mut Session, bytes_max: usize, deadline: Duration) -> pingora::Result<Read> {
    let announced = announced(session);
    if announced.is_some_and(|length| length > bytes_max) {
        return Ok(Read::TooLarge);
    }
    invite(session).await?;
    // Less than was announced is told below.
    if matches!(announced, None | Some(0)) && session.is_body_empty() {
        return Ok(Read::Whole(Bytes::new()));
    }
    // Before the first read: Pingora then sends the same bytes on by itself, up to 64 KiB.
    session.enable_retry_buffering();
    match timeout(deadline, collect(session, bytes_max)).await {
        Ok(Ok(Some(body))) => Ok(Read::Whole(body)),
        Ok(Ok(None)) => {
            discard(session).await;
            Ok(Read::TooLarge)
        }
        Ok(Err(error)) if matches!(error.etype(), ErrorType::ReadTimedout) => Ok(Read::TooSlow),
        // The client's doing, whatever Pingora calls it: chunks that are none are 400, not 500.
        Ok(Err(error)) => Err(error.into_down()),
        Err(_) => Ok(Read::TooSlow),
    }
}

/// Whether a body is known to be no larger than this before any of it is read.
pub(crate) fn fits(session: &mut Session, bytes_max: usize) -> bool {
    session.is_body_empty() || announced(session).is_some_and(|length| length <= bytes_max)
}

/// Asks a client that waits for `100 Continue` to go on. `Expect` never reaches the app.
pub(crate) async fn invite(session: &mut Session) -> pingora::Result<()> {
    match session.req_header().headers.contains_key(header::EXPECT) {
        true => session.write_continue_response().await,
        false => Ok(()),
    }
}

async fn collect(session: &mut Session, bytes_max: usize) -> pingora::Result<Option<Bytes>> {
    let mut body = BytesMut::new();
    while let Some(chunk) = session.read_request_body().await? {
        if body.len() + chunk.len() > bytes_max {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    // HTTP/2 lets a client end the stream early (CVE-2026-33555): nothing goes upstream on less than was announced.
    match announced(session) {
        Some(length) if length != body.len() => Error::e_explain(ErrorType::ReadError, "body shorter than announced"),
        Some(_) | None => Ok(Some(body.freeze())),
    }
}

/// Reads on for a moment and forgets it: while a client is still sending, closing would reset the connection, and our
/// answer would be lost on its way (RFC 9112 §9.6).
pub(crate) async fn discard(session: &mut Session) {
    let mut left = DISCARDED_BYTES_MAX;
    let reading = async {
        while let Ok(Some(chunk)) = session.read_request_body().await {
            match left.checked_sub(chunk.len()) {
                Some(less) => left = less,
                None => break,
            }
        }
    };
    // Whoever is still not done by then sees the connection close.
    let _ = timeout(DISCARDED_FOR, reading).await;
}

/// How long the client says that the body is.
pub(crate) fn announced(session: &Session) -> Option<usize> {
    session.get_header(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
