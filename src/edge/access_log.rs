//! One line for each request, under the target `access`; one for each failure towards an app.
//!
//! Never holds query values, addresses, cookies or names of people; costs nothing while nobody listens.

use pingora::{Error, proxy::Session};

use crate::edge::{guard, passage::Passage};

/// A request is over.
pub(crate) fn request(session: &Session, passage: &Passage) {
    if !tracing::enabled!(target: "access", tracing::Level::INFO) {
        return;
    }
    let request = session.req_header();
    let took = passage.began.map_or(0.0, |began| began.elapsed().as_secs_f64() * 1000.0);
    tracing::info!(
        target: "access",
        method = request.method.as_str(),
        host = request.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("-"),
        path = guard::path(request),
        status = session.response_written().map_or(0, |response| response.status.as_u16()),
        bytes = session.body_bytes_sent(),
        ms = took,
        upstream = passage.upstream.as_deref().map_or("-", |upstream| &*upstream.settings.name),
        event = passage.forwarding.is_some(),
    );
}

/// Pingora answered what it could not read as a request: there is nothing of it to tell but that.
pub(crate) fn unread(status: u16) {
    tracing::info!(
        target: "access",
        method = "-",
        host = "-",
        path = "-",
        status,
        bytes = 0,
        ms = 0.0,
        upstream = "-",
        event = false,
    );
}

/// The app did not answer, or something of ours broke.
pub(crate) fn failure(error: &Error, passage: &Passage) {
    tracing::warn!(
        upstream = passage.upstream.as_deref().map_or("-", |upstream| &*upstream.settings.name),
        kind = error.etype().as_str(),
        source = error.esource().as_str(),
        tried = passage.tried,
        "a request failed",
    );
}
