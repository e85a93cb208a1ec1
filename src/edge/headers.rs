//! Header fields on their way: what is taken away before anyone looks, and what is set towards the app.
//!
//! What a client says about itself is removed on every request, event or not, in any spelling that an app could read
//! as the same name. What we say is set last, after Pingora has dropped what the client nominated.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use pingora::{
    ErrorType, OrErr, Result,
    http::{RequestHeader, ResponseHeader},
};

use stepward_core::request::names;

use crate::{edge::connection::Connection, sessions::cookies};

/// By which an app asks for a proof.
static STEPWARD_REQUIRE: HeaderName = HeaderName::from_static("stepward-require");

/// Removes what the client may not say, and joins cookie crumbs (RFC 9113 §8.2.3) so that everyone sees one field.
/// Never touches framing: Pingora reads it lazily from the same fields.
///
/// `ours` are the headers that policies set towards the app: where one of them is not set, the client's own must not
/// stand in its place (APISIX CVE-2026-39998, Caddy CVE-2026-30851).
pub(crate) fn clean(request: &mut RequestHeader, trusted: bool, ours: &[Arc<str>]) -> Result<()> {
    let unwanted = |name: &&HeaderName| {
        names::is_forbidden_header(name.as_str(), trusted)
            || ours.iter().any(|it| it.eq_ignore_ascii_case(name.as_str()))
    };
    if request.headers.keys().any(|name| unwanted(&name)) {
        let names = request.headers.keys().filter(unwanted).cloned();
        for name in names.collect::<Vec<_>>() {
            request.remove_header(&name);
        }
    }
    join(request, header::COOKIE, b"; ")
}

fn join(request: &mut RequestHeader, name: HeaderName, between: &[u8]) -> Result<()> {
    if request.headers.get_all(&name).iter().nth(1).is_none() {
        return Ok(());
    }
    let values: Vec<&[u8]> = request.headers.get_all(&name).iter().map(HeaderValue::as_bytes).collect();
    let joined = values.join(between);
    request.insert_header(name, joined)
}

/// Takes our own cookies out of what goes to the app: a ticket in its logs would be a session in its logs. Its own stay
/// as they were, byte for byte and in order; a name that merely begins alike is its own.
fn keep_own_cookies(request: &mut RequestHeader) -> Result<()> {
    let Some(value) = request.headers.get(header::COOKIE).map(HeaderValue::as_bytes) else { return Ok(()) };
    // INVARIANT: every name of ours holds these bytes, so that a request without them is not read any further.
    const MARK: &[u8] = b"stepward";
    if !value.windows(MARK.len()).any(|bytes| bytes == MARK) {
        return Ok(());
    }
    let is_apps = |pair: &&[u8]| {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        !cookies::is_ours(name.trim_ascii())
    };
    let pairs = || value.split(|byte| *byte == b';');
    if pairs().all(|pair| is_apps(&pair)) {
        return Ok(());
    }
    let kept = pairs().filter(is_apps).collect::<Vec<_>>().join(&b';');
    match kept.trim_ascii_start() {
        [] => drop(request.remove_header(&header::COOKIE)),
        kept => request.insert_header(header::COOKIE, kept)?,
    }
    Ok(())
}

/// What every request tells the app about its client. What is between the client and us stays here.
pub(crate) fn tell_app(request: &mut RequestHeader, connection: &Connection, host: HeaderValue) -> Result<()> {
    let forwarded_for = match chain(&request.headers, connection) {
        Some(chain) => chain,
        None => connection.forwarded_for.clone(),
    };
    request.insert_header("X-Forwarded-For", forwarded_for)?;
    if !(connection.trusted && request.headers.contains_key("x-forwarded-proto")) {
        let scheme = if connection.secure { "https" } else { "http" };
        request.insert_header("X-Forwarded-Proto", HeaderValue::from_static(scheme))?;
    }
    if !(connection.trusted && request.headers.contains_key("x-forwarded-host")) {
        request.insert_header("X-Forwarded-Host", host)?;
    }
    // We have answered it ourselves.
    request.remove_header(&header::EXPECT);
    keep_own_cookies(request)
}

/// What the client called us, as sent.
pub(crate) fn host(request: &RequestHeader) -> Result<HeaderValue> {
    if let Some(host) = request.headers.get(header::HOST) {
        return Ok(host.clone());
    }
    let authority = request.uri.authority().map_or("", |authority| authority.as_str());
    HeaderValue::from_str(authority).or_err(ErrorType::InvalidHTTPHeader, "authority")
}

/// What a trusted proxy reported, with that proxy added.
fn chain(headers: &HeaderMap, connection: &Connection) -> Option<HeaderValue> {
    if !connection.trusted {
        return None;
    }
    let mut chain = Vec::new();
    for value in headers.get_all("x-forwarded-for") {
        chain.extend_from_slice(value.as_bytes());
        chain.extend_from_slice(b", ");
    }
    chain.extend_from_slice(connection.forwarded_for.as_bytes());
    HeaderValue::from_bytes(&chain).ok()
}

/// What the app asks for in place of an answer, as one list (RFC 9110 §5.3); bytes that are no text stay unreadable.
pub(crate) fn asked(response: &ResponseHeader) -> Option<Box<str>> {
    let mut lines = response.headers.get_all(&STEPWARD_REQUIRE).iter().peekable();
    lines.peek()?;
    Some(lines.map(|line| String::from_utf8_lossy(line.as_bytes())).collect::<Vec<_>>().join(", ").into())
}

/// What the app may not tell the client: fields in our name are between the app and us.
pub(crate) fn clean_answer(response: &mut ResponseHeader) {
    if response.headers.keys().any(|name| name.as_str().starts_with("stepward-")) {
        let ours = response.headers.keys().filter(|name| name.as_str().starts_with("stepward-")).cloned();
        for name in ours.collect::<Vec<_>>() {
            response.remove_header(&name);
        }
    }
}

/// The same of what follows a body.
pub(crate) fn clean_trailers(trailers: &mut HeaderMap) {
    let ours = trailers.keys().filter(|name| name.as_str().starts_with("stepward-")).cloned();
    for name in ours.collect::<Vec<_>>() {
        trailers.remove(&name);
    }
}

/// Fields that belong to one connection (RFC 9110 §7.6.1) and are never passed on.
pub(crate) fn hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(fields: &[(&str, &str)], trusted: bool) -> Vec<String> {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for (name, value) in fields {
            request.append_header(name.to_string(), *value).unwrap();
        }
        clean(&mut request, trusted, &["X-Risk".into()]).unwrap();
        let mut left: Vec<String> =
            request.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        left.sort();
        left
    }

    #[test]
    fn b3_b4_b12_names_in_our_name_or_with_odd_bytes_never_pass() {
        let spellings = ["Stepward-Subject", "STEPWARD-EVENT", "stepward_subject", "Stepward.Subject", "Stepward-X_Y"];
        for name in spellings {
            assert_eq!(cleaned(&[(name, "admin"), ("Accept", "*/*")], true), ["accept: */*"], "{name}");
        }
        assert_eq!(cleaned(&[("X_Forwarded_For", "1.2.3.4"), ("Transfer_Encoding", "chunked")], true), [""; 0]);
    }

    #[test]
    fn b1_b2_claims_about_the_client_pass_only_from_a_trusted_proxy() {
        let names = [
            "X-Forwarded-For",
            "X-Forwarded-Proto",
            "X-Forwarded-Host",
            "X-Forwarded-Uri",
            "X-Forwarded-Prefix",
            "Forwarded",
            "X-Real-IP",
            "X-Original-URL",
            "X-Rewrite-URL",
            "True-Client-IP",
            "CF-Connecting-IP",
            "X-Client-IP",
            "X-Envoy-External-Address",
        ];
        for name in names {
            assert_eq!(cleaned(&[(name, "1.2.3.4")], false), [""; 0], "{name}");
            assert_eq!(cleaned(&[(name, "1.2.3.4")], true).len(), 1, "{name} from a trusted proxy");
        }
    }

    #[test]
    fn b4_what_a_policy_tells_the_app_no_client_tells_it() {
        assert_eq!(cleaned(&[("x-risk", "reviewed"), ("X-RISK", "low"), ("x-risky", "1")], true), ["x-risky: 1"]);
    }

    #[test]
    fn httpoxy_never_passes() {
        assert_eq!(cleaned(&[("Proxy", "http://evil")], true), [""; 0]);
    }

    #[test]
    fn the_apps_cookies_stay_as_they_were_and_ours_stay_here() {
        for (sent, kept) in [
            ("a=1; b=2", Some("a=1; b=2")),
            ("stepward=t", None),
            ("stepward=t; a=1", Some("a=1")),
            ("a=1; stepward=t; b=2", Some("a=1; b=2")),
            ("a=1;stepward-device=d;b=2;  c=\"3\" ;", Some("a=1;b=2;  c=\"3\" ;")),
            ("a=1; stepward-park=p", Some("a=1")),
            ("__Host-stepward=t; __Host-stepward-device=d; __Host-stepward-park=p; a=b=c", Some("a=b=c")),
            ("stepward =t; stepward; a", Some("a")),
            (
                "stepward-theme=dark; xstepward=1; Stepward=1; a=stepward",
                Some("stepward-theme=dark; xstepward=1; Stepward=1; a=stepward"),
            ),
            ("stepward-theme=dark; stepward=t; stepward=u", Some("stepward-theme=dark")),
        ] {
            let mut request = RequestHeader::build("GET", b"/", None).unwrap();
            request.append_header("Cookie", sent).unwrap();
            keep_own_cookies(&mut request).unwrap();
            let left = request.headers.get("cookie").map(|it| it.to_str().unwrap());
            assert_eq!(left, kept, "{sent}");
        }
    }

    #[test]
    fn cookie_crumbs_become_one_field() {
        let crumbs = [("cookie", "a=1"), ("cookie", "b=2")];
        assert_eq!(cleaned(&crumbs, false), ["cookie: a=1; b=2"]);
    }
}
