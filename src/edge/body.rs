//! The body of a request, read to its end and within bounds, and what its fields are.
//!
//! Read once: what was read is what is forwarded. Too much, too slow or unreadable is a refusal, never an absent
//! field.

use std::{convert::Infallible, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderMap, HeaderValue, header};
use pingora::{Error, ErrorType, proxy::Session};
use stepward_core::{
    decision::Reason,
    request::{
        Body,
        content::{self, Kind},
        fields, head, json,
    },
};
use tokio::time::timeout;

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
    if announced(session).is_some_and(|length| length > bytes_max) {
        return Ok(Read::TooLarge);
    }
    invite(session).await?;
    // Before the first read: Pingora then sends the same bytes on by itself, up to 64 KiB.
    session.enable_retry_buffering();
    match timeout(deadline, collect(session, bytes_max)).await {
        Ok(Ok(Some(body))) => Ok(Read::Whole(body)),
        Ok(Ok(None)) => Ok(Read::TooLarge),
        Ok(Err(error)) if matches!(error.etype(), ErrorType::ReadTimedout) => Ok(Read::TooSlow),
        Ok(Err(error)) => Err(error),
        Err(_) => Ok(Read::TooSlow),
    }
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

fn announced(session: &Session) -> Option<usize> {
    session.get_header(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The fields of a body, by its media type; refused where two parsers could read it differently.
pub(crate) async fn fields(headers: &HeaderMap, bytes: &Bytes) -> Result<Body, head::Refusal> {
    let unsupported = |detail| head::Refusal { reason: Reason::BodyUnsupported, detail };
    let text = |name| headers.get(name).map(|it: &HeaderValue| it.to_str()).transpose();
    let (Ok(media_type), Ok(coding)) = (text(header::CONTENT_TYPE), text(header::CONTENT_ENCODING)) else {
        return Err(unsupported("content type is not ASCII"));
    };
    if bytes.is_empty() {
        return Ok(Body::Empty);
    }
    match content::kind(media_type, coding)? {
        Kind::Json => json::parse(bytes),
        Kind::Form => fields::form(bytes),
        Kind::Multipart => fields::from_parts(parts(media_type.unwrap_or_default(), bytes).await?),
        Kind::Untyped => Err(unsupported("the body has no content type")),
    }
}

/// Names and texts of a multipart form. A file counts by its size, for its bytes are no field a policy could read.
async fn parts(media_type: &str, bytes: &Bytes) -> Result<Vec<(String, String)>, head::Refusal> {
    let malformed = |detail| head::Refusal { reason: Reason::BodyMalformed, detail };
    let boundary = multer::parse_boundary(media_type).map_err(|_| malformed("multipart without a boundary"))?;
    let whole = stream::once(std::future::ready(Ok::<_, Infallible>(bytes.clone())));
    let mut form = multer::Multipart::new(whole, boundary);
    let mut parts = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|_| malformed("multipart is malformed"))? {
        let name = field.name().ok_or(malformed("a part has no name"))?.to_owned();
        let file = field.file_name().is_some();
        let value = field.bytes().await.map_err(|_| malformed("multipart is malformed"))?;
        let text = match file {
            true => value.len().to_string(),
            false => String::from_utf8(value.into()).map_err(|_| malformed("a field is not UTF-8"))?,
        };
        parts.push((name, text));
        if parts.len() > fields::FIELDS_MAX {
            return Err(malformed("form has too many fields"));
        }
    }
    Ok(parts)
}
