//! What is known with the request, the session and the clock: `request.*`, `subject.*`, `actor.*`, `token.*`,
//! `session.*`, `proof.*`, `journey.*`, `time.*`. It costs nothing and is all there before anything is decided.
//!
//! It never asks anyone. What is not there is unknown, and a free attribute that nothing here provides is
//! `NotProvided`, so that no decision waits for it.

use data_encoding::HEXLOWER;
use stepward_core::{
    attribute::Cost,
    facts::{Facts, Reading, SlotId, Why},
    policy::{Origin, Policy},
    session::{Method, Proof},
    value::Value,
};

use crate::{
    arrival::Arrival,
    keys::Keys,
    sessions::record::{Record, SubjectKind},
    signals::{Who, learn},
    subject::Identified,
};

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What a policy can know for nothing.
pub struct Free<'a> {
    /// The request.
    pub arrival: &'a Arrival,
    /// Whom it is about; its account is the verified one.
    pub who: &'a Who<'a>,
    /// What its tokens and headers say.
    pub identified: &'a Identified,
    /// What kind the verified subject is, from a token or from the session.
    pub kind: Option<SubjectKind>,
    /// The session it comes with; `None` where it brings none.
    pub session: Option<&'a Record>,
    /// Proofs of this session and subject.
    pub proofs: &'a [Proof],
    /// When its device was first given a cookie, in milliseconds since the Unix epoch; `None` without one.
    pub device_since_ms: Option<i64>,
    /// Pseudonyms.
    pub keys: &'a Keys,
}

/// Fills every free attribute of the policy but facts and what the store answers (`device.is_known`, remembered values).
pub fn learn_all(facts: &mut Facts, policy: &Policy, free: &Free<'_>) {
    for (at, slot) in policy.slots.iter().enumerate() {
        let Ok(id) = u16::try_from(at).map(SlotId) else { continue };
        if slot.origin != Origin::Catalogue || slot.cost != Cost::Free || &*slot.name == "device.is_known" {
            continue;
        }
        let source = if slot.name.starts_with("request.") { "request" } else { "session" };
        learn(facts, policy, id, free.reading(&slot.name, policy), source);
    }
}

impl Free<'_> {
    fn reading(&self, name: &str, policy: &Policy) -> Reading {
        let Some((group, rest)) = name.split_once('.') else { return Reading::Unknown(Why::NotProvided) };
        let value = match group {
            "request" => self.request(rest),
            "subject" => self.subject(rest),
            "actor" => self.actor(rest),
            "token" => self.token(rest),
            "session" => self.session(rest),
            "proof" => self.proof(rest),
            "device" => self.device(rest),
            "journey" => (rest == "out_of_order").then(|| Some(Value::Bool(self.out_of_order(policy)))),
            "time" => self.time(rest).map(Some),
            _ => None,
        };
        match value {
            Some(Some(value)) => Reading::Known(value),
            Some(None) => Reading::Unknown(Why::Absent),
            None => Reading::Unknown(Why::NotProvided),
        }
    }

    fn request(&self, name: &str) -> Option<Option<Value>> {
        let request = &self.arrival.request;
        Some(match name {
            "method" => Some(Value::Text(request.method.clone())),
            "host" => Some(Value::Text(request.host.clone())),
            "path" => Some(Value::Text(request.path.clone())),
            "query" => request.query.clone().map(Value::Text),
            "ip" => Some(Value::Ip(request.client_ip)),
            "user_agent" => request.header("user-agent").map(Value::text),
            "content_type" => request.header("content-type").map(media_type),
            "is_secure" => Some(Value::Bool(request.secure)),
            "client" => Some(Value::text(self.arrival.client.name())),
            _ => return None,
        })
    }

    /// A claimed subject is never told here: `subject.*` speaks of verified ones only.
    fn subject(&self, name: &str) -> Option<Option<Value>> {
        let account = self.who.account;
        Some(match name {
            "id" => account.map(|id| Value::text(HEXLOWER.encode(&id))),
            "is_known" | "is_verified" => Some(Value::Bool(account.is_some())),
            "kind" => self.kind.filter(|_| account.is_some()).map(|kind| Value::text(kind.name())),
            _ => return None,
        })
    }

    fn actor(&self, name: &str) -> Option<Option<Value>> {
        let actor = self.identified.token.as_ref().and_then(|token| token.actor.as_ref());
        Some(match name {
            "id" => actor.map(|actor| Value::text(HEXLOWER.encode(&self.keys.account(self.who.tenant, &actor.name)))),
            "kind" => actor.and_then(|actor| actor.kind).map(|kind| Value::text(kind.name())),
            _ => return None,
        })
    }

    fn token(&self, name: &str) -> Option<Option<Value>> {
        let token = self.identified.token.as_ref();
        Some(match name {
            "scopes" => token.map(|it| Value::List(it.scopes.iter().take(256).cloned().map(Value::Text).collect())),
            "age_days" => {
                token.and_then(|it| it.issued_ms).map(|at| Value::Number(self.since(at) as f64 / DAY_MS as f64))
            }
            "issued_at" => token.and_then(|it| it.issued_ms).map(Value::Time),
            "expires_at" => token.map(|it| Value::Time(it.expires_ms)),
            "acr" => token.and_then(|it| it.acr.clone()).map(Value::Text),
            "auth_time" => token.and_then(|it| it.auth_time_ms).map(Value::Time),
            "client" => token.and_then(|it| it.client.clone()).map(Value::Text),
            "issuer" => token.map(|it| Value::Text(it.issuer.clone())),
            "has_actor" => token.map(|it| Value::Bool(it.actor.is_some())),
            _ => return None,
        })
    }

    fn session(&self, name: &str) -> Option<Option<Value>> {
        let latest = self.proofs.iter().map(|proof| proof.at_ms).max();
        Some(match name {
            "age" => self.session.map(|session| Value::Duration(self.since(session.started_ms))),
            "is_new" => Some(Value::Bool(self.session.is_none())),
            "assurance" => Some(Value::Int(self.assurance())),
            "proof_age" => latest.map(|at| Value::Duration(self.since(at))),
            _ => return None,
        })
    }

    /// NIST SP 800-63B: a signed-in subject is at level 1, proofs lift it.
    fn assurance(&self) -> i64 {
        let lifted = self.proofs.iter().filter_map(|proof| proof.method.assurance()).max().map_or(0, i64::from);
        lifted.max(i64::from(self.who.account.is_some()))
    }

    fn proof(&self, name: &str) -> Option<Option<Value>> {
        let method = Method::named(name.strip_suffix(".age")?)?;
        let latest = self.proofs.iter().filter(|proof| proof.method == method).map(|proof| proof.at_ms).max();
        Some(latest.map(|at| Value::Duration(self.since(at))))
    }

    fn device(&self, name: &str) -> Option<Option<Value>> {
        let days = |since_ms| Value::Number((self.since(since_ms) / DAY_MS) as f64);
        (name == "age_days").then(|| self.device_since_ms.map(days))
    }

    fn out_of_order(&self, policy: &Policy) -> bool {
        policy.after.iter().any(|event| !self.session.is_some_and(|session| session.has_succeeded(event)))
    }

    fn time(&self, name: &str) -> Option<Value> {
        let now_ms = self.who.now_ms;
        Some(match name {
            "now" => Value::Time(now_ms),
            "hour" => Value::Int(now_ms.rem_euclid(DAY_MS) / (60 * 60 * 1000)),
            "weekday" => Value::text(weekday(now_ms)),
            _ => return None,
        })
    }

    /// How long ago, never negative: a clock that went back makes nothing look younger than now.
    fn since(&self, at_ms: i64) -> i64 {
        self.who.now_ms.saturating_sub(at_ms).max(0)
    }
}

/// The media type without parameters, in lower case.
fn media_type(value: &str) -> Value {
    Value::text(value.split(';').next().unwrap_or("").trim().to_ascii_lowercase())
}

/// The day of the week in UTC; the first day of the epoch was a Thursday.
fn weekday(now_ms: i64) -> &'static str {
    match now_ms.div_euclid(DAY_MS).rem_euclid(7) {
        0 => "thursday",
        1 => "friday",
        2 => "saturday",
        3 => "sunday",
        4 => "monday",
        5 => "tuesday",
        _ => "wednesday",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_the_week_agree_with_the_calendar() {
        for (now_ms, expected) in
            [(0, "thursday"), (-1, "wednesday"), (1_700_000_000_000, "tuesday"), (1_795_305_600_000, "sunday")]
        {
            assert_eq!(weekday(now_ms), expected, "{now_ms}");
        }
    }
}
