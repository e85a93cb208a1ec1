//! The section `security_events`: who may push security events here (Shared Signals), whom they mean, what they do.
//!
//! Only what is written and what it means; whether a transmitter's keys can be had is found out when they are needed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::settings::{self, document};

/// Where the types of an issuer of event types begin, and the types that are known here.
type Family = (&'static str, &'static [(&'static str, Action)]);

/// The types of events that are known, by specification, with what they do unless the settings say otherwise. Whatever
/// says that somebody else may be in ends sessions; the rest is remembered for policies.
const FAMILIES: [Family; 3] = [
    // CAEP 1.0 §3.
    (
        "https://schemas.openid.net/secevent/caep/event-type/",
        &[
            ("session-revoked", Action::RevokeSessions),
            ("token-claims-change", Action::Note),
            ("credential-change", Action::Note),
            ("assurance-level-change", Action::Note),
            ("device-compliance-change", Action::Note),
            ("session-established", Action::Ignore),
            ("session-presented", Action::Ignore),
            ("risk-level-change", Action::Note),
        ],
    ),
    // RISC 1.0 §2.
    (
        "https://schemas.openid.net/secevent/risc/event-type/",
        &[
            ("account-credential-change-required", Action::Note),
            ("account-purged", Action::RevokeSessions),
            ("account-disabled", Action::RevokeSessions),
            ("account-enabled", Action::Note),
            ("identifier-changed", Action::Note),
            ("identifier-recycled", Action::Note),
            ("credential-compromise", Action::RevokeSessions),
            ("opt-in", Action::Ignore),
            ("opt-out-initiated", Action::Ignore),
            ("opt-out-cancelled", Action::Ignore),
            ("opt-out-effective", Action::Ignore),
            ("recovery-activated", Action::Note),
            ("recovery-information-changed", Action::Note),
            ("sessions-revoked", Action::RevokeSessions),
        ],
    ),
    // OAuth Event Types 1.0, as Google's Cross-Account Protection sends them.
    (
        "https://schemas.openid.net/secevent/oauth/event-type/",
        &[("token-revoked", Action::Note), ("tokens-revoked", Action::RevokeSessions)],
    ),
];

/// Security events that others push here: `POST /ssf/events` on the decisions address.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SecurityEvents")]
pub struct Document {
    /// For how long what was heard about an account can be read as `push_event.*`; an older event is refused.
    #[serde(default = "Document::remember_for")]
    #[schemars(extend("format" = "duration"))]
    pub remember_for: String,
    /// Who may push events.
    pub transmitters: Vec<From>,
}

impl Document {
    fn remember_for() -> String {
        "30d".into()
    }
}

/// Someone who may push events: told apart by issuer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Transmitter")]
pub struct From {
    /// What logs and metrics call it.
    #[schemars(extend("format" = "name"))]
    pub name: String,
    /// `iss` of its events must be this.
    #[schemars(extend("format" = "issuer"))]
    pub issuer: String,
    /// `aud` must contain this: what the stream was set up with.
    pub audience: String,
    /// Where its keys are: an https URL, or a file.
    pub jwks: String,
    /// What it sends as `Authorization: Bearer`, besides its signature, where the stream was set up so.
    #[serde(default)]
    pub token: Option<document::Secret>,
    /// The tenant whose accounts it speaks about.
    #[serde(default = "From::tenant")]
    #[schemars(extend("format" = "name"))]
    pub tenant: String,
    /// Which ways of naming somebody (RFC 9493) name an account of your app; others name nobody.
    #[serde(default = "From::subject")]
    pub subject: Vec<Format>,
    /// `iss` of an `iss_sub` must be this; the transmitter's issuer if left out.
    #[serde(default)]
    pub subject_issuer: Option<String>,
    /// What events do, by their type (`credential-change`), or by its whole URI where it is none of CAEP or RISC.
    #[serde(default)]
    pub on: BTreeMap<String, Action>,
}

impl From {
    fn tenant() -> String {
        "default".into()
    }

    fn subject() -> Vec<Format> {
        vec![Format::IssSub]
    }
}

/// A way of naming a subject (RFC 9493 §3), and what of it is the name by which your app knows the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// `sub`, of the right issuer.
    IssSub,
    /// The e-mail address.
    Email,
    /// `id`.
    Opaque,
    /// What follows `acct:`.
    Account,
}

/// What an event does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Ends the account's sessions that began before the event, on every node, forgets its devices, and is remembered.
    RevokeSessions,
    /// Is remembered: policies read it as `push_event.*`.
    Note,
    /// Nothing; it is counted.
    Ignore,
}

/// Who may push events, and for how long they are remembered.
#[derive(Clone, Debug)]
pub struct SecurityEvents {
    /// For how long.
    pub remember_for: Duration,
    /// Who; no two of one issuer.
    pub transmitters: Vec<Transmitter>,
}

/// Someone who may push events.
#[derive(Clone, Debug)]
pub struct Transmitter {
    /// What logs and metrics call it.
    pub name: Arc<str>,
    /// `iss`, exactly.
    pub issuer: Arc<str>,
    /// `aud` contains it.
    pub audience: Arc<str>,
    /// A file, or a URL.
    pub jwks: Arc<str>,
    /// What it proves itself with besides its signature.
    pub token: Option<settings::Secret>,
    /// The tenant of the accounts.
    pub tenant: Arc<str>,
    /// Ways of naming an account.
    pub subjects: Vec<Format>,
    /// `iss` of an `iss_sub`.
    pub subject_issuer: Arc<str>,
    /// What each type of event does, by its URI.
    pub kinds: BTreeMap<Arc<str>, Kind>,
}

/// A type of event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its short name: the end of its URI.
    pub name: Arc<str>,
    /// What it does.
    pub action: Action,
}

impl Document {
    /// The settings that this text means; `jwks` and `token` are those of each transmitter, ready to use.
    pub(super) fn ready(
        &self,
        remember_for: Duration,
        ready: impl IntoIterator<Item = (Arc<str>, Option<settings::Secret>)>,
    ) -> SecurityEvents {
        let transmitters = self.transmitters.iter().zip(ready).map(|(from, (jwks, token))| Transmitter {
            name: from.name.as_str().into(),
            issuer: from.issuer.as_str().into(),
            audience: from.audience.as_str().into(),
            jwks,
            token,
            tenant: from.tenant.as_str().into(),
            subjects: from.subject.clone(),
            subject_issuer: from.subject_issuer.as_deref().unwrap_or(&from.issuer).into(),
            kinds: kinds(&from.on),
        });
        SecurityEvents { remember_for, transmitters: transmitters.collect() }
    }
}

/// The short name that the end of a type's URI is.
fn short(uri: &str) -> &str {
    uri.trim_end_matches('/').rsplit('/').next().unwrap_or(uri)
}

/// Every known type, and those that are named by their URI, with what they do.
fn kinds(on: &BTreeMap<String, Action>) -> BTreeMap<Arc<str>, Kind> {
    let known = FAMILIES.iter().flat_map(|(base, types)| {
        types.iter().map(move |(name, usual)| {
            let action = on.get(*name).copied().unwrap_or(*usual);
            (Arc::from(format!("{base}{name}")), Kind { name: (*name).into(), action })
        })
    });
    let others = on.iter().filter(|(key, _)| is_uri(key));
    let others =
        others.map(|(uri, action)| (Arc::from(uri.as_str()), Kind { name: short(uri).into(), action: *action }));
    known.chain(others).collect()
}

/// The short names of all types that are known.
pub fn known() -> Vec<&'static str> {
    FAMILIES.iter().flat_map(|(_, types)| types.iter().map(|(name, _)| *name)).collect()
}

/// Whether this is a type's whole URI with an end that can be a name.
pub fn is_uri(text: &str) -> bool {
    let name = short(text);
    let is_name =
        (1..=64).contains(&name.len()) && name.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.".contains(&it));
    text.starts_with("https://") && is_name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_does_what_is_written_and_else_what_its_specification_calls_for() {
        let on = [
            ("credential-change".to_owned(), Action::RevokeSessions),
            ("https://schemas.acme.example/event-type/user-risk-change".to_owned(), Action::Note),
        ];
        let kinds = kinds(&on.into());
        let of = |uri: &str| kinds.get(uri).map(|kind| (&*kind.name, kind.action));
        let caep = |name: &str| format!("https://schemas.openid.net/secevent/caep/event-type/{name}");
        assert_eq!(of(&caep("session-revoked")), Some(("session-revoked", Action::RevokeSessions)));
        assert_eq!(of(&caep("credential-change")), Some(("credential-change", Action::RevokeSessions)));
        assert_eq!(of(&caep("device-compliance-change")), Some(("device-compliance-change", Action::Note)));
        let other = of("https://schemas.acme.example/event-type/user-risk-change");
        assert_eq!(other, Some(("user-risk-change", Action::Note)));
        assert_eq!(of("credential-change"), None, "a URI is compared, not its end");
        assert_eq!(of("https://evil.example/session-revoked"), None);
    }

    #[test]
    fn no_two_types_have_one_short_name() {
        let mut names = known();
        names.sort_unstable();
        let before = names.len();
        names.dedup();
        assert_eq!(names.len(), before);
    }

    const SMALL: &str = "listen: [{ address: 127.0.0.1:8080 }]\nupstreams: { bank: { url: http://127.0.0.1:8081 } }\nroutes: [{ upstream: bank }]\n";
    const GOOD: &str = "name: idp, issuer: \"https://idp.example\", audience: bank, jwks: \"https://idp.example/jwks\"";

    fn found(rest: &str) -> Vec<String> {
        let text = format!("{SMALL}{rest}\n");
        let read = settings::read(
            &"stepward.yaml".into(),
            &text,
            std::path::Path::new("/nowhere"),
            settings::Presence::Advised,
        );
        let (found, texts) = match read {
            Ok(loaded) => (loaded.found, loaded.texts),
            Err(rejected) => (rejected.found, rejected.texts),
        };
        // The folder of policies is nobody's business here.
        let found = found.iter().filter(|it| it.code != "file.missing");
        found.map(|it| crate::render::line(it, &texts)).collect()
    }

    #[test]
    fn what_is_wrong_is_told_at_its_place_with_what_to_write() {
        let plane = "decisions: { address: 127.0.0.1:7302 }\n";
        let with = |more: &str| format!("{plane}security_events: {{ transmitters: [{{ {GOOD}{more} }}] }}");
        assert_eq!(found(&with("")), Vec::<String>::new());
        for (text, expected) in [
            (format!("security_events: {{ transmitters: [{{ {GOOD} }}] }}"), "nobody can bring events here"),
            (plane.to_owned(), "`decisions` is not built yet but for `/ssf/events`"),
            (format!("{plane}security_events: {{ transmitters: [] }}"), "nobody may push events"),
            (
                format!("{plane}security_events: {{ transmitters: [{{ {GOOD} }}, {{ {GOOD} }}] }}"),
                "is told apart by its issuer, and another has this one",
            ),
            (
                format!(
                    "{plane}security_events: {{ transmitters: [{{ {} }}] }}",
                    GOOD.replace("https://idp.example/jwks", "http://idp.example/jwks")
                ),
                "could be changed on its way",
            ),
            (with(", subject: []"), "its events are about nobody"),
            (with(", subject: [iss-sub]"), "did you mean `iss_sub`?"),
            (with(", subject: [email], subject_issuer: x"), "`subject_issuer` goes with `iss_sub`"),
            (with(", tenant: shop"), "no route has the tenant `shop`"),
            (with(", on: { session-revokd: note }"), "did you mean `session-revoked`?"),
            (with(", on: { session-revoked: lock }"), "`lock` is not one of `revoke_sessions`, `note`, `ignore`"),
            (with(", token: { env: NO_SUCH_VARIABLE }"), "there is no secret at"),
            (with(", audiense: x"), "did you mean `audience`?"),
        ] {
            let all = found(&text);
            assert!(all.iter().any(|it| it.contains(expected)), "{expected} is missing from {all:#?}");
        }
    }
}
