//! Whether a signed sign-in is the one that was asked for (OpenID Connect Core §3.1.3.7): whose it is, from whom, for whom,
//! when, how strong, and in answer to what.
//!
//! The signature was checked before. It decides purely: time and what was asked for are arguments. What is missing is
//! never taken for granted.

use std::{sync::Arc, time::Duration};

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256, Sha512};
use stepward_core::session::CLOCK_SKEW_MS;
use subtle::ConstantTimeEq;

use crate::{
    settings::oidc::Oidc,
    subject::jwt::{LEEWAY_SECONDS, seconds, text, texts},
};

/// What a sign-in has to be.
pub struct Expected<'a> {
    /// The provider's settings.
    pub settings: &'a Oidc,
    /// What was sent as `nonce`.
    pub nonce: &'a str,
    /// When the challenge was issued, in milliseconds since the Unix epoch.
    pub issued_ms: i64,
    /// When the user was sent away.
    pub sent_ms: i64,
    /// What came with it.
    pub access_token: Option<&'a str>,
}

/// Why a sign-in proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not what it should be; a code for the log.
    Invalid(&'static str),
    /// It is weaker than what was asked for.
    Weak,
    /// The user signed in too long ago.
    Old,
}

/// Whom a sign-in names.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check(
    claims: &Map<String, Json>,
    algorithm: Algorithm,
    expected: &Expected<'_>,
    now_ms: i64,
) -> Result<Arc<str>, Fault> {
    let settings = expected.settings;
    if text(claims, "iss").as_deref() != Some(&*settings.issuer) {
        return Err(Fault::Invalid("oidc.issuer"));
    }
    audience(claims, &settings.client_id)?;
    if !text(claims, "nonce").is_some_and(|nonce| bool::from(nonce.as_bytes().ct_eq(expected.nonce.as_bytes()))) {
        return Err(Fault::Invalid("oidc.nonce"));
    }
    if let (Some(hash), Some(token)) = (claims.get("at_hash"), expected.access_token)
        && hash.as_str() != Some(&half_hash(algorithm, token))
    {
        return Err(Fault::Invalid("oidc.at_hash"));
    }
    moments(claims, expected, now_ms)?;
    let acr = text(claims, "acr");
    if !settings.acr_values.is_empty() && !acr.is_some_and(|acr| settings.acr_values.contains(&acr)) {
        return Err(Fault::Weak);
    }
    sign_in(claims, expected, now_ms)?;
    // An address that the provider itself does not vouch for is nobody's.
    if &*settings.subject_claim == "email" && claims.get("email_verified").is_some_and(|it| *it != Json::Bool(true)) {
        return Err(Fault::Invalid("oidc.email_unverified"));
    }
    text(claims, &settings.subject_claim).filter(|it| !it.trim().is_empty()).ok_or(Fault::Invalid("oidc.subject_claim"))
}

/// For us; where it is for others too, made out to us.
fn audience(claims: &Map<String, Json>, client_id: &str) -> Result<(), Fault> {
    let audiences = texts(claims.get("aud"));
    let is_ours = |it: &Arc<str>| **it == *client_id;
    if !audiences.iter().any(is_ours) {
        return Err(Fault::Invalid("oidc.audience"));
    }
    match claims.get("azp") {
        None if audiences.iter().all(is_ours) => Ok(()),
        Some(Json::String(party)) if party == client_id => Ok(()),
        None | Some(_) => Err(Fault::Invalid("oidc.authorized_party")),
    }
}

/// Not expired, and made since the user was sent away.
fn moments(claims: &Map<String, Json>, expected: &Expected<'_>, now_ms: i64) -> Result<(), Fault> {
    let now = now_ms.div_euclid(1000);
    let moment = |name| seconds(claims, name).map_err(|_| Fault::Invalid("oidc.time"));
    let expires = moment("exp")?.ok_or(Fault::Invalid("oidc.no_expiry"))?;
    let made = moment("iat")?.ok_or(Fault::Invalid("oidc.no_date"))?;
    if expires <= now - LEEWAY_SECONDS {
        return Err(Fault::Invalid("oidc.expired"));
    }
    if moment("nbf")?.is_some_and(|not_before| not_before > now + LEEWAY_SECONDS) || made > now + LEEWAY_SECONDS {
        return Err(Fault::Invalid("oidc.from_the_future"));
    }
    if made < expected.sent_ms.div_euclid(1000) - LEEWAY_SECONDS {
        return Err(Fault::Invalid("oidc.made_before"));
    }
    Ok(())
}

/// When the user signed in: it was asked for by `max_age`, so it has to be told (OpenID Connect Core §2). The clocks of the
/// provider and of this node may differ by as much as those of two nodes.
fn sign_in(claims: &Map<String, Json>, expected: &Expected<'_>, now_ms: i64) -> Result<(), Fault> {
    let at = seconds(claims, "auth_time").map_err(|_| Fault::Invalid("oidc.time"))?;
    let at_ms = at.ok_or(Fault::Invalid("oidc.no_auth_time"))? * 1000;
    if at_ms > now_ms + LEEWAY_SECONDS * 1000 {
        return Err(Fault::Invalid("oidc.from_the_future"));
    }
    let max_age = expected.settings.max_age;
    let oldest_ms = match max_age {
        Duration::ZERO => expected.issued_ms,
        _ => expected.sent_ms.saturating_sub(i64::try_from(max_age.as_millis()).unwrap_or(i64::MAX)),
    };
    // It is told in whole seconds.
    if at_ms + 999 < oldest_ms - CLOCK_SKEW_MS { Err(Fault::Old) } else { Ok(()) }
}

/// The left half of the hash that goes with the signature (OpenID Connect Core §3.1.3.6).
fn half_hash(algorithm: Algorithm, token: &str) -> String {
    match algorithm {
        Algorithm::EdDSA => BASE64URL_NOPAD.encode(&Sha512::digest(token.as_bytes())[..32]),
        // Every other one that `jwks::is_allowed` lets through hashes with SHA-256.
        _ => BASE64URL_NOPAD.encode(&Sha256::digest(token.as_bytes())[..16]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SENT_MS: i64 = 1_780_000_000_000;
    const SENT: i64 = SENT_MS / 1000;

    fn settings(max_age: u64, acr_values: &[&str]) -> Oidc {
        Oidc {
            issuer: "https://idp.example".into(),
            client_id: "stepward".into(),
            client_secret: None,
            acr_values: acr_values.iter().map(|it| Arc::from(*it)).collect(),
            max_age: Duration::from_secs(max_age),
            asks_login: false,
            tells_subject: false,
            subject_claim: "sub".into(),
            scopes: vec!["openid".into()],
        }
    }

    fn whole() -> Json {
        json!({
            "iss": "https://idp.example", "aud": "stepward", "sub": "alice", "nonce": "n", "acr": "phr",
            "exp": SENT + 300, "iat": SENT + 20, "auth_time": SENT + 15,
        })
    }

    /// What is said of a sign-in where one claim is another, twenty seconds after the user was sent away.
    fn checked(settings: &Oidc, change: Json) -> Result<Arc<str>, Fault> {
        let mut claims = whole();
        for (name, value) in change.as_object().unwrap() {
            match value {
                Json::Null => claims.as_object_mut().unwrap().shift_remove(name),
                value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
            };
        }
        let expected = Expected {
            settings,
            nonce: "n",
            issued_ms: SENT_MS - 5_000,
            sent_ms: SENT_MS,
            access_token: Some("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"),
        };
        check(claims.as_object().unwrap(), Algorithm::RS256, &expected, SENT_MS + 20_000)
    }

    #[test]
    fn a_sign_in_as_it_was_asked_for_names_its_subject() {
        let settings = settings(0, &["phr", "mfa"]);
        for change in [
            json!({}),
            json!({ "aud": ["stepward"] }),
            json!({ "aud": ["stepward", "other"], "azp": "stepward" }),
            json!({ "acr": "mfa" }),
            json!({ "auth_time": SENT - 5 }),
            // The example of OpenID Connect Core §A.3.
            json!({ "at_hash": "77QmUPtjPfzWtF2AnpK9RQ" }),
        ] {
            assert_eq!(checked(&settings, change.clone()).as_deref(), Ok("alice"), "{change}");
        }
    }

    #[test]
    fn whatever_else_it_is_proves_nothing() {
        let settings = settings(0, &["phr", "mfa"]);
        let invalid = Fault::Invalid;
        for (change, why) in [
            (json!({ "iss": "https://evil.example" }), invalid("oidc.issuer")),
            (json!({ "iss": "https://idp.example/" }), invalid("oidc.issuer")),
            (json!({ "iss": null }), invalid("oidc.issuer")),
            (json!({ "aud": "other" }), invalid("oidc.audience")),
            (json!({ "aud": null }), invalid("oidc.audience")),
            (json!({ "aud": ["stepward", "other"] }), invalid("oidc.authorized_party")),
            (json!({ "azp": "other" }), invalid("oidc.authorized_party")),
            (json!({ "azp": 7 }), invalid("oidc.authorized_party")),
            (json!({ "nonce": "m" }), invalid("oidc.nonce")),
            (json!({ "nonce": "" }), invalid("oidc.nonce")),
            (json!({ "nonce": null }), invalid("oidc.nonce")),
            (json!({ "at_hash": "77QmUPtjPfzWtF2AnpK9RR" }), invalid("oidc.at_hash")),
            (json!({ "at_hash": 7 }), invalid("oidc.at_hash")),
            (json!({ "exp": SENT - 41 }), invalid("oidc.expired")),
            (json!({ "exp": null }), invalid("oidc.no_expiry")),
            (json!({ "exp": "soon" }), invalid("oidc.time")),
            (json!({ "iat": null }), invalid("oidc.no_date")),
            (json!({ "iat": SENT - 61 }), invalid("oidc.made_before")),
            (json!({ "iat": SENT + 81 }), invalid("oidc.from_the_future")),
            (json!({ "nbf": SENT + 81 }), invalid("oidc.from_the_future")),
            (json!({ "auth_time": SENT + 81 }), invalid("oidc.from_the_future")),
            (json!({ "auth_time": null }), invalid("oidc.no_auth_time")),
            (json!({ "auth_time": "now" }), invalid("oidc.time")),
            (json!({ "auth_time": SENT - 36 }), Fault::Old),
            (json!({ "acr": "pwd" }), Fault::Weak),
            (json!({ "acr": null }), Fault::Weak),
            (json!({ "acr": ["phr"] }), Fault::Weak),
            (json!({ "sub": "" }), invalid("oidc.subject_claim")),
            (json!({ "sub": 7 }), invalid("oidc.subject_claim")),
            (json!({ "sub": null }), invalid("oidc.subject_claim")),
        ] {
            assert_eq!(checked(&settings, change.clone()), Err(why), "{change}");
        }
    }

    #[test]
    fn a_sign_in_may_be_as_old_as_the_settings_say() {
        let settings = settings(300, &[]);
        assert!(checked(&settings, json!({ "auth_time": SENT - 329, "acr": null })).is_ok());
        assert_eq!(checked(&settings, json!({ "auth_time": SENT - 331 })), Err(Fault::Old));
    }
}
