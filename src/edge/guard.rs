//! What may enter at all: the checks on a request's head that come before anything is matched.
//!
//! Pingora frames requests soundly but repairs and forwards much that two parsers read differently (measured in
//! `research/security.md` §0). Here that is refused, never repaired. Allocates nothing for a request that passes.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, Method, Version, header};
use pingora::http::RequestHeader;

use crate::edge::refuse::Refusal;

/// Longest request target, in bytes.
const TARGET_BYTES_MAX: usize = 8192;

/// Limits on a head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Names and values together, in bytes.
    pub(crate) header_bytes_max: usize,
    /// How many fields.
    pub(crate) header_fields_max: usize,
}

/// Refuses a head that has no single reading. `line` is the head as received, where HTTP/1 gives it.
pub(crate) fn check(request: &RequestHeader, line: Option<&[u8]>, limits: Limits) -> Result<(), Refusal> {
    size(&request.headers, limits)?;
    method(&request.method)?;
    match line {
        Some(line) => request_line(line, request)?,
        None => target(request.raw_path())?,
    }
    authority(request)?;
    framing(&request.headers)?;
    nominations(&request.headers)?;
    fields(&request.headers)
}

fn size(headers: &HeaderMap, limits: Limits) -> Result<(), Refusal> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    match bytes <= limits.header_bytes_max && headers.len() <= limits.header_fields_max {
        true => Ok(()),
        false => Err(Refusal::too_large("the header is larger than this server accepts")),
    }
}

/// Case matters (RFC 9110 §9.1): an app that folds it would run what no event matched. TRACE echoes secrets.
fn method(method: &Method) -> Result<(), Refusal> {
    let text = method.as_str();
    let plain = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    match plain && !matches!(text, "TRACE" | "TRACK" | "CONNECT") {
        true => Ok(()),
        false => Err(Refusal::malformed("the method is not accepted")),
    }
}

/// The line as sent, for Pingora escapes what does not belong in a target and cuts fragments off.
fn request_line(head: &[u8], request: &RequestHeader) -> Result<(), Refusal> {
    let refused = || Refusal::malformed("the request line is not accepted");
    let line =
        head.split(|byte| *byte == b'\n').next().and_then(|line| line.strip_suffix(b"\r")).ok_or_else(refused)?;
    let mut parts = line.split(|byte| *byte == b' ');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(method), Some(asked), Some(_version), None) if method == request.method.as_str().as_bytes() => {
            target(origin_form(asked).unwrap_or(asked))
        }
        _ => Err(refused()),
    }
}

/// The path and query of an absolute-form target; Pingora has compared its authority with `Host`.
pub(crate) fn origin_form(target: &[u8]) -> Option<&[u8]> {
    let rest = target.strip_prefix(b"http://").or_else(|| target.strip_prefix(b"https://"))?;
    let slash = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'))?;
    rest.get(slash..)
}

/// Origin form only: one slash, then printable ASCII (RFC 9112 §3.2.1). No backslash, no fragment.
fn target(target: &[u8]) -> Result<(), Refusal> {
    let form = target.starts_with(b"/") && !target.starts_with(b"//");
    let bytes = target.iter().all(|byte| matches!(byte, b'!'..=b'~') && !matches!(byte, b'\\' | b'#'));
    match form && bytes && target.len() <= TARGET_BYTES_MAX {
        true => Ok(()),
        false => Err(Refusal::malformed("the request target is not accepted")),
    }
}

/// Exactly one host, by `:authority` or `Host`, made of the bytes a host is made of.
fn authority(request: &RequestHeader) -> Result<(), Refusal> {
    let mut hosts = request.headers.get_all(header::HOST).iter();
    let named = (request.uri.authority().is_some(), hosts.next(), hosts.next());
    let single = match (request.version, named) {
        (_, (_, Some(_), Some(_))) => false,
        (Version::HTTP_2, (true, None, None)) => true,
        (_, (_, Some(host), None)) => !host.is_empty(),
        (_, (_, None, _)) => false,
    };
    match single && host(request).is_some() {
        true => Ok(()),
        false => Err(Refusal::malformed("the host is not accepted")),
    }
}

/// The host of a request without its port, as sent; `None` if it has no safe reading.
pub(crate) fn host(request: &RequestHeader) -> Option<&str> {
    let text = match request.headers.get(header::HOST) {
        Some(host) => host.to_str().ok()?,
        None => request.uri.authority()?.as_str(),
    };
    let (name, port) = match text.rfind(']') {
        Some(end) => text.split_at(end + 1),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let fits = match address {
        Some(six) => six.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')),
    };
    (port && fits && !name.is_empty() && name.len() <= 253).then_some(name)
}

/// The host in lower case, without port and trailing dot; copied only where it was not so already.
pub(crate) fn lower_host(request: &RequestHeader) -> Option<Cow<'_, str>> {
    let host = host(request)?;
    let host = host.strip_suffix('.').unwrap_or(host);
    Some(match host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(host.to_ascii_lowercase()),
        false => Cow::Borrowed(host),
    })
}

/// Puts an absolute-form target into origin form, so that what is matched is what is forwarded.
pub(crate) fn to_origin_form(request: &mut RequestHeader) -> Result<(), Refusal> {
    let Some(target) = origin_form(request.raw_path()).map(<[u8]>::to_vec) else { return Ok(()) };
    request.set_raw_path(&target).map_err(|_| Refusal::malformed("the request target is not accepted"))
}

/// One length, one coding (RFC 9112 §6): two of either is how smuggling begins.
fn framing(headers: &HeaderMap) -> Result<(), Refusal> {
    let length = |value: &HeaderValue| !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit);
    let coding = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
    match once(headers, header::CONTENT_LENGTH, length) && once(headers, header::TRANSFER_ENCODING, coding) {
        true => Ok(()),
        false => Err(Refusal::malformed("the body's length is ambiguous")),
    }
}

fn once(headers: &HeaderMap, name: header::HeaderName, fits: impl Fn(&HeaderValue) -> bool) -> bool {
    let mut values = headers.get_all(name).iter();
    values.next().is_none_or(fits) && values.next().is_none()
}

/// A client may not nominate fields that are then dropped after the policy saw them (RFC 9110 §7.6.1).
fn nominations(headers: &HeaderMap) -> Result<(), Refusal> {
    let harmless = |option: &[u8]| {
        let names: [&[u8]; 5] = [b"close", b"keep-alive", b"upgrade", b"te", b"http2-settings"];
        option.is_empty() || names.iter().any(|name| option.eq_ignore_ascii_case(name))
    };
    let mut options = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii));
    match options.all(harmless) {
        true => Ok(()),
        false => Err(Refusal::malformed("a connection option is not accepted")),
    }
}

/// Fields of which two would be read differently, and expectations nobody meets.
fn fields(headers: &HeaderMap) -> Result<(), Refusal> {
    if !once(headers, header::AUTHORIZATION, |_| true) {
        return Err(Refusal::malformed("more than one Authorization"));
    }
    match once(headers, header::EXPECT, |value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        true => Ok(()),
        false => Err(Refusal::expectation()),
    }
}
