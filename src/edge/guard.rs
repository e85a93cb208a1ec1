//! What may enter at all: a request's head as Pingora parsed it, handed to the core's strict reading.
//!
//! Pingora frames requests soundly but cuts fragments off, drops a length beside a transfer coding and forwards much
//! that two parsers read differently (measured in `research/security.md` §0). Here that is refused, never repaired.
//! Allocates nothing for an ordinary request.

use http::{HeaderMap, HeaderValue, Version, header};
use pingora::http::RequestHeader;
use stepward_core::{
    decision::Reason,
    request::head::{self, Head, Limits, Parts, Underscores},
};

use crate::settings;

/// The core's limits, with those of this process.
pub(crate) fn limits(settings: &settings::Limits) -> Limits {
    Limits {
        fields_max: settings.header_fields_max,
        fields_bytes_max: settings.header_bytes_max,
        underscores: Underscores::Drop,
        ..Limits::default()
    }
}

/// Reads a head. `received` is the head's bytes, where HTTP/1 gives them.
pub(crate) fn read<'a>(
    request: &'a RequestHeader,
    received: Option<&'a [u8]>,
    limits: &Limits,
) -> Result<Head<'a>, head::Refusal> {
    let refused = |detail| head::Refusal { reason: Reason::RequestMalformed, detail };
    let target = match received {
        Some(received) => {
            if two_lengths(&request.headers, received) {
                return Err(refused("content length beside transfer encoding"));
            }
            target(received).ok_or(refused("the request line is odd"))?
        }
        None => request.raw_path(),
    };
    let parts = Parts {
        method: request.method.as_str().as_bytes(),
        target,
        version: version(request.version),
        authority: request.uri.authority().map(|it| it.as_str().as_bytes()),
        fields: fields(&request.headers),
    };
    Head::of(parts, limits)
}

/// The line of a head that [`read`] has let pass, as it is now: without what was taken away since.
pub(crate) fn passed(request: &RequestHeader) -> Result<Head<'_>, head::Refusal> {
    let refused = |detail| head::Refusal { reason: Reason::RequestMalformed, detail };
    let target = std::str::from_utf8(request.raw_path()).map_err(|_| refused("target is not ASCII"))?;
    let by_field = || request.headers.get(header::HOST).map(HeaderValue::as_bytes);
    let host = request.uri.authority().map(|it| it.as_str().as_bytes()).or_else(by_field);
    Head::passed(request.method.as_str(), target, host.ok_or(refused("host is missing"))?)
}

/// Name and value of every field, in order.
pub(crate) fn fields(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()))
}

/// The path and query of a request that was read, for its log line.
pub(crate) fn path(request: &RequestHeader) -> &str {
    let target = std::str::from_utf8(request.raw_path()).unwrap_or("-");
    target.split_once('?').map_or(target, |(path, _)| path)
}

fn version(version: Version) -> head::Version {
    match version {
        Version::HTTP_2 => head::Version::Http2,
        Version::HTTP_10 => head::Version::Http10,
        _ => head::Version::Http11,
    }
}

/// The target with its fragment, which Pingora's parsed request no longer has.
fn target(received: &[u8]) -> Option<&[u8]> {
    let line = received.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty())?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut parts = line.split(|byte| *byte == b' ');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(_method), Some(target), Some(_version), None) => Some(target),
        _ => None,
    }
}

/// Whether a length came with a transfer coding: Pingora has dropped it by now, another server might not have.
fn two_lengths(headers: &HeaderMap, received: &[u8]) -> bool {
    let length = |line: &[u8]| {
        line.get(..14).is_some_and(|name| name.eq_ignore_ascii_case(header::CONTENT_LENGTH.as_str().as_bytes()))
    };
    headers.contains_key(header::TRANSFER_ENCODING) && received.split(|byte| *byte == b'\n').any(length)
}
