//! Whether a request comes from our own pages, and paths that stay on our own site.
//!
//! It trusts nothing that a foreign page can set: `Sec-Fetch-Site` and `Origin` are written by the browser. A browser
//! that sends neither is refused; programs send neither and carry no one else's cookies.

use std::sync::Arc;

use crate::arrival::{Arrival, Client};

/// Whether a request that changes something comes from a page of this very origin.
pub fn is_own(arrival: &Arrival) -> bool {
    let header = |name: &str| arrival.request.header(name);
    if arrival.headers.contains_key("sec-fetch-site") {
        return header("sec-fetch-site") == Some("same-origin");
    }
    match (arrival.headers.contains_key("origin"), header("origin")) {
        (true, Some(origin)) => names_us(arrival, origin),
        (true, None) => false,
        (false, _) => match header("referer") {
            Some(referer) => names_us(arrival, referer),
            None => arrival.client == Client::Api,
        },
    }
}

/// Whether a page of one of these origins sent it, as a browser tells.
pub fn is_one_of(arrival: &Arrival, allowed: &[Arc<str>]) -> bool {
    arrival.request.header("origin").is_some_and(|origin| allowed.iter().any(|it| **it == *origin))
}

/// Whether scheme, host and port of this URL are the ones the request was sent to.
fn names_us(arrival: &Arrival, url: &str) -> bool {
    let scheme = if arrival.request.secure { "https://" } else { "http://" };
    let Some(authority) = url.strip_prefix(scheme).and_then(|rest| rest.split('/').next()) else { return false };
    let ours = arrival.request.header("host").unwrap_or(&arrival.request.host);
    authority.eq_ignore_ascii_case(ours)
}

/// A target as received, so that a browser cannot read it as another site: `//evil.example` stays a path. `None` for
/// bytes that URL parsers drop or change (WHATWG URL: tab and newline vanish, a backslash is a slash).
pub fn local(target: &str) -> Option<String> {
    let odd = |it: u8| it <= b' ' || it >= 0x7f || it == b'\\' || it == b'#';
    if !target.starts_with('/') || target.bytes().any(odd) {
        return None;
    }
    // `/.` is removed again by every URL parser (RFC 3986 §5.2.4), which leaves the path as it was.
    Some(if target.starts_with("//") { format!("/.{target}") } else { target.to_string() })
}

/// The same with a parameter added to its query.
pub fn with_parameter(target: &str, name: &str, value: &str) -> Option<String> {
    let joint = if target.contains('?') { '&' } else { '?' };
    local(&format!("{target}{joint}{name}={value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i4_a_target_never_leads_to_another_site() {
        let hostile = [
            "//evil.example",
            "//evil.example/%2e%2e",
            "///evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "https://evil.example",
            "https:/evil.example",
            "javascript:alert(1)",
            "\\\\evil.example",
            " //evil.example",
            "",
            "/ok#//evil.example",
            "/\u{ff0f}evil.example",
        ];
        for target in hostile {
            if let Some(path) = local(target) {
                assert!(path.starts_with("/./"), "{target:?} became {path:?}");
            }
        }
        assert_eq!(local("/a/b?c=%2F%2Fx").as_deref(), Some("/a/b?c=%2F%2Fx"));
        assert_eq!(with_parameter("/a?b=1", "r", "x").as_deref(), Some("/a?b=1&r=x"));
        assert_eq!(with_parameter("/a", "r", "x").as_deref(), Some("/a?r=x"));
    }
}
