//! Refusals of security events, in the words of RFC 8935 §2.3: a code, and a sentence for whoever set the stream up.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

/// How long a transmitter should wait before it sends an event again that could not be taken, in seconds.
const RETRY_AFTER_SECONDS: &str = "10";

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    err: &'static str,
    description: &'static str,
    /// A label of the metrics.
    pub(super) reason: &'static str,
}

impl Refusal {
    pub(super) const CONTENT_TYPE: Refusal =
        invalid("content_type", "the body has to be application/secevent+jwt, and nothing else");
    pub(super) const TOO_LARGE: Refusal =
        Refusal { status: StatusCode::PAYLOAD_TOO_LARGE, ..invalid("too_large", "the token is longer than 8 KiB") };
    pub(super) const SLOW: Refusal =
        Refusal { status: StatusCode::REQUEST_TIMEOUT, ..invalid("slow", "the body did not arrive in time") };
    pub(super) const MALFORMED: Refusal = invalid("malformed", "the body is no signed token (RFC 7515, RFC 8417)");
    pub(super) const TYPE: Refusal = invalid("type", "`typ` has to be secevent+jwt");
    pub(super) const CLAIMS: Refusal = invalid(
        "claims",
        "a security event token has `jti`, `iat` and `events` and neither `sub` nor `exp` (RFC 8417, OpenID SSF 1.0)",
    );
    pub(super) const FUTURE: Refusal = invalid("future", "`iat` lies in the future");
    pub(super) const STALE: Refusal = invalid("stale", "`iat` is too long ago");
    pub(super) const ISSUER: Refusal =
        refused("invalid_issuer", "issuer", "nobody with this `iss` may push events here");
    pub(super) const AUDIENCE: Refusal = refused("invalid_audience", "audience", "the event is for somebody else");
    pub(super) const ALGORITHM: Refusal =
        refused("invalid_key", "algorithm", "tokens are signed with RS256, PS256, ES256 or EdDSA");
    pub(super) const KEY: Refusal = refused("invalid_key", "key", "the key is not, or no longer, among the issuer's");
    pub(super) const SIGNATURE: Refusal =
        refused("authentication_failed", "signature", "the signature does not fit the key");
    pub(super) const AUTHENTICATION: Refusal =
        refused("authentication_failed", "token", "the token in `Authorization` is not the stream's");
    pub(super) const KEYS_UNAVAILABLE: Refusal = later("keys_unavailable", "the issuer's keys cannot be had now");
    pub(super) const STATE: Refusal = later("state", "the event cannot be kept now");

    /// The refusal that a code of [`crate::subject::jwt::signed`] stands for.
    pub(super) fn of_token(code: &str) -> Refusal {
        match code {
            "token.too_large" => Refusal::TOO_LARGE,
            "token.algorithm" => Refusal::ALGORITHM,
            "token.key_unknown" | "token.key_ambiguous" => Refusal::KEY,
            "token.keys_unavailable" => Refusal::KEYS_UNAVAILABLE,
            "token.signature" => Refusal::SIGNATURE,
            _ => Refusal::MALFORMED,
        }
    }
}

const fn refused(err: &'static str, reason: &'static str, description: &'static str) -> Refusal {
    Refusal { status: StatusCode::BAD_REQUEST, err, description, reason }
}

const fn invalid(reason: &'static str, description: &'static str) -> Refusal {
    refused("invalid_request", reason, description)
}

/// None of RFC 8935's codes: the event may be good, and has to be sent again.
const fn later(reason: &'static str, description: &'static str) -> Refusal {
    Refusal { status: StatusCode::SERVICE_UNAVAILABLE, err: "temporarily_unavailable", description, reason }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "err": self.err, "description": self.description }).to_string();
        let headers = [
            (header::CONTENT_TYPE, "application/json"),
            (header::CONTENT_LANGUAGE, "en"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        let mut response = (self.status, headers, body).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            let again = header::HeaderValue::from_static(RETRY_AFTER_SECONDS);
            response.headers_mut().insert(header::RETRY_AFTER, again);
        }
        response
    }
}
