//! A security event token (SET, RFC 8417) as the profile of OpenID Shared Signals has it: verified, then read.
//!
//! Nothing of it is believed before its signature fits a key of the configured issuer; `iss` is looked at before only to
//! know whose keys those are. A type that nobody configured is an event without effect.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value as Json};

use crate::{
    api::security_events::{self, refusal::Refusal},
    settings::security_events::{Action, Transmitter},
    subject::{jwks::KeySet, jwt},
};

/// Most events of one token; the profile has one.
const EVENTS_MAX: usize = 8;
/// Longest `jti`.
const ID_BYTES_MAX: usize = 256;
/// Longest text that is kept of what a transmitter says in its own words.
const WORDS_BYTES_MAX: usize = 128;
/// About the stream itself (OpenID SSF 1.0 §8.1.4).
const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";
const STREAM_UPDATED: &str = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated";

/// What a token says that holds.
#[derive(Debug)]
pub(super) struct Claims {
    pub(super) issuer: Arc<str>,
    /// `jti`.
    pub(super) id: Arc<str>,
    pub(super) issued_ms: i64,
    /// `sub_id`: whom all of its events are about.
    pub(super) subject: Option<Json>,
    pub(super) events: Vec<Named>,
}

/// One event of a token.
#[derive(Debug)]
pub(super) struct Named {
    /// Its short name, fit for logs.
    pub(super) name: Arc<str>,
    pub(super) meaning: Meaning,
    /// Whom it is about, where it says so itself, as transmitters did before `sub_id`.
    pub(super) subject: Option<Json>,
    /// One of none, low, medium, high and critical.
    pub(super) risk: Option<Arc<str>>,
    pub(super) reason: Option<Arc<str>>,
}

/// What an event is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A type that is known or configured.
    Kind(Action),
    /// The transmitter makes sure that the stream works.
    Verification,
    /// The transmitter paused, stopped or resumed the stream.
    Stream,
    /// Nobody configured it.
    Unknown,
}

impl Named {
    /// Whether its name comes from a list of ours.
    pub(super) fn is_known(&self) -> bool {
        match self.meaning {
            Meaning::Kind(_) | Meaning::Verification | Meaning::Stream => true,
            Meaning::Unknown => false,
        }
    }
}

/// Whose token this says it is.
pub(super) fn issuer_unverified(token: &str) -> Result<Arc<str>, Refusal> {
    let mut parts = token.split('.');
    let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(Refusal::MALFORMED);
    };
    let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).map_err(|_| Refusal::MALFORMED)?;
    let claims: Map<String, Json> = serde_json::from_slice(&claims).map_err(|_| Refusal::MALFORMED)?;
    jwt::text(&claims, "iss").ok_or(Refusal::ISSUER)
}

/// What the token says, if it is this transmitter's, signed, for us, and of the right age.
pub(super) async fn verify(
    token: &str,
    from: &Transmitter,
    keys: &Arc<KeySet>,
    now_ms: i64,
    age_ms_max: i64,
) -> Result<Claims, Refusal> {
    let header = jsonwebtoken::decode_header(token);
    let (_, claims) = jwt::signed(token, keys).await.map_err(|code| match (code, algorithm(token)) {
        // The library knows no `none`, which is still an algorithm to whoever reads the answer.
        ("token.malformed", Some(_)) => Refusal::ALGORITHM,
        (code, _) => Refusal::of_token(code),
    })?;
    let kind = header.ok().and_then(|header| header.typ).unwrap_or_default();
    let kind = kind.to_ascii_lowercase();
    if !["secevent+jwt", "application/secevent+jwt"].contains(&kind.as_str()) {
        return Err(Refusal::TYPE);
    }
    read(&claims, from, now_ms, age_ms_max)
}

/// `alg` of a token whose header is JSON.
fn algorithm(token: &str) -> Option<String> {
    let head = BASE64URL_NOPAD.decode(token.split('.').next()?.as_bytes()).ok()?;
    let head: Map<String, Json> = serde_json::from_slice(&head).ok()?;
    head.get("alg").and_then(Json::as_str).map(str::to_owned)
}

fn read(claims: &Map<String, Json>, from: &Transmitter, now_ms: i64, age_ms_max: i64) -> Result<Claims, Refusal> {
    if jwt::text(claims, "iss").as_deref() != Some(&*from.issuer) {
        return Err(Refusal::ISSUER);
    }
    if !jwt::texts(claims.get("aud")).contains(&from.audience) {
        return Err(Refusal::AUDIENCE);
    }
    // Both would make it look like a token of another kind (OpenID SSF 1.0 §4.1).
    if claims.contains_key("sub") || claims.contains_key("exp") {
        return Err(Refusal::CLAIMS);
    }
    let issued_ms = jwt::seconds(claims, "iat").ok().flatten().ok_or(Refusal::CLAIMS)? * 1000;
    if issued_ms > now_ms.saturating_add(security_events::LEEWAY_MS) {
        return Err(Refusal::FUTURE);
    }
    if issued_ms <= now_ms.saturating_sub(age_ms_max) {
        return Err(Refusal::STALE);
    }
    let id = jwt::text(claims, "jti").filter(|id| !id.is_empty() && id.len() <= ID_BYTES_MAX).ok_or(Refusal::CLAIMS)?;
    let events = claims.get("events").and_then(Json::as_object).ok_or(Refusal::CLAIMS)?;
    if events.is_empty() || events.len() > EVENTS_MAX {
        return Err(Refusal::CLAIMS);
    }
    let events = events.iter().map(|(uri, payload)| named(uri, payload, from)).collect::<Result<_, _>>()?;
    Ok(Claims { issuer: from.issuer.clone(), id, issued_ms, subject: claims.get("sub_id").cloned(), events })
}

fn named(uri: &str, payload: &Json, from: &Transmitter) -> Result<Named, Refusal> {
    let payload = payload.as_object().ok_or(Refusal::CLAIMS)?;
    let (name, meaning) = match (uri, from.kinds.get(uri)) {
        (VERIFICATION, _) => ("verification".into(), Meaning::Verification),
        (STREAM_UPDATED, _) => ("stream-updated".into(), Meaning::Stream),
        (_, Some(kind)) => (kind.name.clone(), Meaning::Kind(kind.action)),
        (_, None) => (printable(uri), Meaning::Unknown),
    };
    let level = jwt::text(payload, "current_level").map(|it| it.to_ascii_lowercase());
    let is_level = |it: &String| ["none", "low", "medium", "high", "critical"].contains(&it.as_str());
    // A risk of the account, not of one of its devices or sessions (CAEP 1.0 §3.8).
    let is_of_user = jwt::text(payload, "principal").is_none_or(|it| it.eq_ignore_ascii_case("user"));
    let is_risk = &*name == "risk-level-change" && is_of_user;
    Ok(Named {
        risk: level.filter(|it| is_risk && is_level(it)).map(Arc::from),
        reason: jwt::text(payload, "risk_reason").filter(|_| is_risk).map(|it| printable(&it)),
        subject: payload.get("subject").cloned(),
        name,
        meaning,
    })
}

/// What a stranger wrote, short and without anything that a terminal or a log would take for its own.
fn printable(text: &str) -> Arc<str> {
    let plain = text.chars().map(|it| if it.is_ascii_graphic() || it == ' ' { it } else { '?' });
    plain.take(WORDS_BYTES_MAX).collect::<String>().into()
}
