//! The only writer of responses that are ours.
//!
//! Keeps the connection open where the request was read to its end; an upload that was not read closes it.

use bytes::Bytes;
use http::{Method, StatusCode, Version, header};
use pingora::{Error, ErrorType, Result, http::ResponseHeader, proxy::Session};

use crate::{
    edge::{passage::Passage, relay},
    reply::Reply,
};

/// Writes a whole answer.
pub(crate) async fn write(session: &mut Session, reply: Reply) -> Result<()> {
    let mut head = ResponseHeader::build(reply.status, Some(reply.headers.len() + 1))?;
    for (name, value) in reply.headers {
        head.append_header(name, value)?;
    }
    let bodiless = matches!(reply.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if !bodiless {
        head.insert_header(header::CONTENT_LENGTH, reply.body.len())?;
    }
    let silent = bodiless || session.req_header().method == Method::HEAD || reply.body.is_empty();
    session.write_response_header(Box::new(head), silent).await?;
    if !silent {
        session.write_response_body(Some(reply.body), true).await?;
    }
    Ok(())
}

/// Passes on an answer of the app as it comes.
pub(crate) async fn pass_on(session: &mut Session, passage: &mut Passage, mut answer: relay::Answer) -> Result<()> {
    let mut head = answer.head.clone();
    let bodiless = matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || session.req_header().method == Method::HEAD;
    if !bodiless && !head.headers.contains_key(header::CONTENT_LENGTH) {
        // HTTP/1.0 and HTTP/2 have no chunks; Pingora leaves them out there.
        if session.req_header().version == Version::HTTP_11 {
            head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
        }
    }
    session.write_response_header(Box::new(head), bodiless).await?;
    if bodiless {
        return Ok(());
    }
    while let Some(bytes) = next(session, passage, &mut answer).await? {
        passage.still_open()?;
        if let Some(bytes) = passage.weave(Some(bytes), false) {
            session.write_response_body(Some(bytes), false).await?;
        }
    }
    if let Some(rest) = passage.weave(None, true) {
        session.write_response_body(Some(rest), false).await?;
    }
    match answer.trailers().await.map_err(|error| error.into_up())? {
        Some(trailers) => session.as_downstream_mut().write_response_trailers(trailers).await,
        None => session.write_response_body(None, true).await,
    }
}

/// The next piece of the app's answer, unless the stream is no longer allowed or, over HTTP/2, the client has left it.
async fn next(session: &mut Session, passage: &Passage, answer: &mut relay::Answer) -> Result<Option<Bytes>> {
    let is_shared = session.is_http2();
    tokio::select! {
        biased;
        chunk = answer.chunk() => chunk.map_err(|error| error.into_up()),
        () = passage.closed() => Error::e_explain(ErrorType::ConnectionClosed, "no longer allowed"),
        _ = session.as_downstream_mut().read_body_or_idle(true), if is_shared => {
            Error::e_explain(ErrorType::ConnectionClosed, "the client has left")
        }
    }
}
