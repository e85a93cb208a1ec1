//! The attributes that every gateway knows: the researched vocabulary of signals, and what the gateway itself sees.

use std::sync::Arc;

use serde::Deserialize;

use crate::{
    attribute::{Attribute, Cost},
    session::Method,
    value::Type,
};

/// Vendor-neutral signals; `research/connectors.md` tells where each comes from.
pub(super) const RESEARCHED: &str = include_str!("attributes.json");

/// Groups whose sources are paid for by the call.
const PAID: [&str; 5] = ["fraud", "idv", "sanctions", "phone", "behavior"];

/// Attributes of the vocabulary that the gateway sees for itself, without asking anybody.
const SEEN: [&str; 2] = ["device.is_known", "device.age_days"];

#[derive(Deserialize)]
struct Entry {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    meaning: String,
}

/// All of them.
pub(super) fn attributes() -> Vec<Attribute> {
    // A test holds the list to its 207 entries, so this reads or the build is red.
    let researched: Vec<Entry> = serde_json::from_str(RESEARCHED).unwrap_or_default();
    let mut all: Vec<Attribute> = researched.iter().filter_map(signal).collect();
    all.extend(OWN.iter().map(|(name, kind, cost, meaning)| own(name, *kind, *cost, meaning)));
    all.extend(ENUMERATIONS.iter().map(|(name, one_of, meaning)| enumeration(name, one_of, meaning)));
    all.extend(Method::ALL.iter().map(|method| {
        let meaning = format!("how long ago this subject proved itself by {method} in this session");
        own(&format!("proof.{method}.age"), Type::Duration, Cost::Free, &meaning)
    }));
    all
}

/// Whether the gateway sees it for itself, or was told it unasked; counters are another matter.
pub(super) fn is_own(name: &str) -> bool {
    SEEN.contains(&name)
        || name.starts_with("push_event.")
        || OWN.iter().any(|it| it.0 == name)
        || ENUMERATIONS.iter().any(|it| it.0 == name)
}

fn signal(entry: &Entry) -> Option<Attribute> {
    let (kind, one_of) = type_of(&entry.kind)?;
    let range = (entry.kind == "score").then_some((0.0, 100.0));
    let name = match entry.name.strip_prefix("event.") {
        Some(rest) => format!("push_event.{rest}"),
        None => entry.name.clone(),
    };
    let group = name.split('.').next().unwrap_or("");
    let cost = if SEEN.contains(&name.as_str()) {
        Cost::Free
    } else if PAID.contains(&group) {
        Cost::Paid
    } else {
        Cost::Cheap
    };
    let meaning = match entry.meaning.as_str() {
        "" => in_words(&name).into(),
        said => said.into(),
    };
    Some(Attribute { name: name.into(), kind, meaning, cost, one_of, range })
}

/// What a name says by itself, for those whose meaning the vocabulary leaves to it.
fn in_words(name: &str) -> String {
    let (group, rest) = name.split_once('.').unwrap_or(("", name));
    format!("{group}: {}", rest.replace('_', " "))
}

/// The type that the vocabulary's word stands for, and the only values it can have; a map is reached through `raw` only.
fn type_of(word: &str) -> Option<(Type, Vec<Arc<str>>)> {
    let plain = |kind| Some((kind, Vec::new()));
    match word {
        "bool" => plain(Type::Bool),
        "int" => plain(Type::Int),
        "float" | "score" => plain(Type::Number),
        "string" | "country" => plain(Type::Text),
        "list" => plain(Type::List),
        "level" => Some((Type::Text, words("none|low|medium|high|critical"))),
        _ => word.strip_prefix("enum:").map(|values| (Type::Text, words(values))),
    }
}

fn words(joined: &str) -> Vec<Arc<str>> {
    joined.split('|').map(Arc::from).collect()
}

fn own(name: &str, kind: Type, cost: Cost, meaning: &str) -> Attribute {
    Attribute { name: name.into(), kind, meaning: meaning.into(), cost, one_of: Vec::new(), range: bounds(name) }
}

fn enumeration(name: &str, one_of: &str, meaning: &str) -> Attribute {
    Attribute { one_of: words(one_of), ..own(name, Type::Text, Cost::Free, meaning) }
}

fn bounds(name: &str) -> Option<(f64, f64)> {
    match name {
        "time.hour" => Some((0.0, 23.0)),
        "session.assurance" => Some((0.0, 3.0)),
        _ => None,
    }
}

/// What the gateway sees for itself.
const OWN: [(&str, Type, Cost, &str); 41] = [
    ("request.method", Type::Text, Cost::Free, "upper-case method"),
    ("request.host", Type::Text, Cost::Free, "lower-case host, without port"),
    ("request.path", Type::Text, Cost::Free, "path as it was matched"),
    ("request.query", Type::Text, Cost::Free, "query as received, without `?`"),
    ("request.ip", Type::Ip, Cost::Free, "the client's address, through trusted proxies only"),
    ("request.user_agent", Type::Text, Cost::Free, "the `User-Agent` header"),
    ("request.content_type", Type::Text, Cost::Free, "the `Content-Type` header, lower case, without parameters"),
    ("request.is_secure", Type::Bool, Cost::Free, "whether the client reached us over TLS"),
    ("subject.id", Type::Text, Cost::Free, "pseudonym of who the request is for"),
    ("subject.is_known", Type::Bool, Cost::Free, "whether somebody is signed in or named by a verified token"),
    ("subject.is_verified", Type::Bool, Cost::Free, "whether who it is was verified, not merely claimed"),
    ("subject.age_days", Type::Number, Cost::Cheap, "whole days since an event of the subject first succeeded here"),
    ("actor.id", Type::Text, Cost::Free, "pseudonym of who acts for the subject (RFC 8693)"),
    ("token.scopes", Type::List, Cost::Free, "scopes of the verified bearer token"),
    ("token.age_days", Type::Number, Cost::Free, "days since the token was issued"),
    ("token.issued_at", Type::Time, Cost::Free, "when the token was issued"),
    ("token.expires_at", Type::Time, Cost::Free, "when the token expires"),
    ("token.acr", Type::Text, Cost::Free, "authentication context class of the token (OpenID Connect `acr`)"),
    ("token.auth_time", Type::Time, Cost::Free, "when the subject last signed in (OpenID Connect `auth_time`)"),
    ("token.client", Type::Text, Cost::Free, "client that the token was issued to"),
    ("token.issuer", Type::Text, Cost::Free, "who issued the token"),
    ("token.has_actor", Type::Bool, Cost::Free, "whether the token names an actor (RFC 8693 `act`)"),
    ("session.age", Type::Duration, Cost::Free, "how long ago the session began"),
    ("session.is_new", Type::Bool, Cost::Free, "whether the session began with this request"),
    ("session.assurance", Type::Int, Cost::Free, "assurance level reached, 1 to 3 (NIST SP 800-63B); 0 for none"),
    ("session.proof_age", Type::Duration, Cost::Free, "how long ago the latest proof of the session was given"),
    (
        "session.impossible_travel",
        Type::Bool,
        Cost::Cheap,
        "whether nobody can have travelled here since the last request",
    ),
    ("session.travel_speed_kmh", Type::Number, Cost::Cheap, "speed needed to get here since the last request, in km/h"),
    ("journey.out_of_order", Type::Bool, Cost::Free, "whether an event of `after` has not succeeded in this session"),
    ("time.now", Type::Time, Cost::Free, "the moment of the request"),
    ("time.hour", Type::Int, Cost::Free, "hour of the day in UTC, 0 to 23"),
    ("ip.is_listed", Type::Bool, Cost::Cheap, "whether the address is in any of the operator's lists"),
    ("ip.lists", Type::List, Cost::Cheap, "names of the operator's lists that the address is in"),
    (
        "email.is_listed",
        Type::Bool,
        Cost::Cheap,
        "whether the e-mail address or its domain is in any of the operator's lists",
    ),
    (
        "email.lists",
        Type::List,
        Cost::Cheap,
        "names of the operator's lists that the e-mail address or its domain is in",
    ),
    ("subject.is_listed", Type::Bool, Cost::Cheap, "whether the subject is in any of the operator's lists"),
    ("subject.lists", Type::List, Cost::Cheap, "names of the operator's lists that the subject is in"),
    ("device.is_listed", Type::Bool, Cost::Cheap, "whether the device is in any of the operator's lists"),
    ("device.lists", Type::List, Cost::Cheap, "names of the operator's lists that the device is in"),
    ("push_event.age", Type::Duration, Cost::Cheap, "how long ago the newest of these events was issued"),
    (
        "push_event.types",
        Type::List,
        Cost::Cheap,
        "types of the security events about the subject that were pushed here and are still remembered",
    ),
];

/// What the gateway sees for itself and can only be one of a few words.
const ENUMERATIONS: [(&str, &str, &str); 4] = [
    ("request.client", "page|fetch|api", "whether a browser page, a script in one, or an API client asks"),
    ("subject.kind", "human|service|agent", "what kind of subject the request is for"),
    ("actor.kind", "human|service|agent", "what kind of actor acts for the subject"),
    ("time.weekday", "monday|tuesday|wednesday|thursday|friday|saturday|sunday", "day of the week in UTC"),
];
