//! What the app is told about a request that was decided: headers, and a short-lived signed assertion of the same.
//!
//! Set on every forwarded event; headers of these names that come from outside are gone before anything is decided.
//! Names that ASCII cannot write arrive percent-encoded; the assertion carries them plain.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use sha2::{Digest, Sha256};
use stepward_core::{decision::Forward, session::Proof};

use crate::{arrival::Arrival, keys::Keys, sessions::record::Subject};

/// Seconds that an assertion is good for (DESIGN §9).
const ASSERTION_S: i64 = 60;

/// What is asserted; the JWT claims that an app pins our keys for.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'static str,
    aud: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    iat: i64,
    exp: i64,
    tenant: &'a str,
    event: &'a str,
    decision: &'a str,
    assurance: &'a str,
    method: &'a str,
    /// SHA-256 of path and query as forwarded, base64url.
    target_sha256: String,
}

/// What an app is told.
pub struct Told<'a> {
    /// The request that is forwarded.
    pub arrival: &'a Arrival,
    /// The event.
    pub event: &'a str,
    /// The decision's id.
    pub decision_id: &'a str,
    /// The verified subject.
    pub subject: Option<&'a Subject>,
    /// The proofs that count.
    pub proofs: &'a [Proof],
    /// The upstream's name: the audience.
    pub upstream: &'a str,
    /// Whether it is signed as well.
    pub is_signed: bool,
    /// Now, in milliseconds.
    pub now_ms: i64,
}

/// The headers for one forwarded event, then those that the policy adds.
pub fn headers(keys: &Keys, told: &Told<'_>, forward: &Forward) -> Vec<(HeaderName, HeaderValue)> {
    let assurance = assurance(told.subject.is_some(), told.proofs);
    let mut headers = Vec::with_capacity(6 + forward.headers.len());
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(&in_ascii(value)) {
            headers.push((HeaderName::from_static(name), value));
        }
    };
    set("stepward-event", told.event);
    set("stepward-decision", told.decision_id);
    set("stepward-assurance", assurance);
    if let Some(subject) = told.subject {
        set("stepward-subject", &subject.name);
    }
    if !forward.narrow_scopes.is_empty() {
        set("stepward-scopes", &forward.narrow_scopes.join(" "));
    }
    if told.is_signed {
        match assertion(keys, told, assurance) {
            Ok(assertion) => set("stepward-assertion", &assertion),
            // Plain text and numbers always serialise; an app that asks for the assertion refuses what lacks it.
            Err(error) => tracing::error!(%error, "an assertion could not be signed"),
        }
    }
    for (name, value) in &forward.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            headers.push((name, value));
        }
    }
    headers
}

/// A name as a header can carry it, and nothing but that name: bytes outside printable ASCII, spaces at the ends and `%`
/// become `%XX` of their UTF-8 (RFC 3986 §2.1, as RFC 8187 §3.2 does); everything else stays as it is.
///
/// UTF-8 as it is would be read as Latin-1 by servlets and WSGI, and as whatever by CGI; what parsers trim at the ends
/// would be another name. `%` is always encoded, also where nothing else is, so that two names are never told alike: else
/// whoever registers as `%C3%A9va` would be `éva` to an app that decodes.
fn in_ascii(name: &str) -> Cow<'_, str> {
    const ENCODED: AsciiSet = CONTROLS.add(b'%');
    let inner = name.trim_matches(' ');
    if inner.len() == name.len() {
        return utf8_percent_encode(name, &ENCODED).into();
    }
    let (before, after) =
        (name.len() - name.trim_start_matches(' ').len(), name.len() - name.trim_end_matches(' ').len());
    let after = if inner.is_empty() { 0 } else { after };
    let encoded = utf8_percent_encode(inner, &ENCODED);
    format!("{}{encoded}{}", "%20".repeat(before), "%20".repeat(after)).into()
}

fn assertion(keys: &Keys, told: &Told<'_>, assurance: &str) -> Result<String, serde_json::Error> {
    let request = &told.arrival.request;
    let mut target = Sha256::new();
    target.update(request.path.as_bytes());
    if let Some(query) = &request.query {
        target.update(b"?");
        target.update(query.as_bytes());
    }
    keys.sign(&Claims {
        iss: "stepward",
        aud: told.upstream,
        sub: told.subject.map(|subject| &*subject.name),
        iat: told.now_ms / 1000,
        exp: told.now_ms / 1000 + ASSERTION_S,
        tenant: &told.arrival.route.tenant,
        event: told.event,
        decision: told.decision_id,
        assurance,
        method: &request.method,
        target_sha256: data_encoding::BASE64URL_NOPAD.encode(&target.finalize()),
    })
}

/// The assurance level in words: none without a subject, `aal1` for a session that the app's own login made, more
/// with proofs (NIST SP 800-63B §4). E-mail codes and proof of work lift nothing.
fn assurance(is_verified: bool, proofs: &[Proof]) -> &'static str {
    match (is_verified, proofs.iter().filter_map(|proof| proof.method.assurance()).max()) {
        (false, _) => "none",
        (true, None | Some(0 | 1)) => "aal1",
        (true, Some(2)) => "aal2",
        (true, Some(_)) => "aal3",
    }
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;

    use super::*;

    #[test]
    fn every_name_can_be_carried_and_no_two_look_alike() {
        for (name, told) in [
            ("ada@example.com", "ada@example.com"),
            ("transfer money", "transfer money"),
            ("Åsa Öberg", "%C3%85sa %C3%96berg"),
            ("éva", "%C3%A9va"),
            ("%C3%A9va", "%25C3%25A9va"),
            ("100%", "100%25"),
            ("ألف", "%D8%A3%D9%84%D9%81"),
            (" ada ", "%20ada%20"),
            ("  ", "%20%20"),
            ("a\tb\r\nc\u{7f}", "a%09b%0D%0Ac%7F"),
            ("", ""),
        ] {
            assert_eq!(in_ascii(name), told);
            assert!(HeaderValue::from_str(told).is_ok());
            assert_eq!(percent_decode_str(told).decode_utf8().unwrap(), name);
        }
    }
}
