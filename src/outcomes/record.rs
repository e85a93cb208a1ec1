//! One decision with everything it was made from, and the line it becomes.
//!
//! Values of slots marked as personal leave here as pseudonyms, addresses cut to their network, never as they are.

use std::{net::IpAddr, sync::Arc, time::Duration};

use serde_json::{Map, Value as Json, json};
use stepward_core::{
    decision::{Decision, Outcome, Reason},
    facts::{Facts, Provenance, Reading},
    policy::{Mode, Policy, Slot},
    value::Value,
};

/// One decision with everything it was made from.
#[derive(Clone, Debug)]
pub struct Record {
    /// The decision's id, as in headers and problem documents.
    pub id: Arc<str>,
    /// The tenant.
    pub tenant: Arc<str>,
    /// The policy; `None` where the request was refused before any policy.
    pub policy: Option<Arc<Policy>>,
    /// Number of the release it belongs to.
    pub release: u64,
    /// Hash of that release.
    pub release_hash: Arc<str>,
    /// The mode it was decided in; a shadow decision caused nothing.
    pub mode: Mode,
    /// What was known; its `now_ms` is the time of the decision.
    pub facts: Facts,
    /// What was decided.
    pub decision: Decision,
    /// Place in a batch, where there was one.
    pub element: Option<usize>,
    /// From recognised to decided.
    pub took: Duration,
}

impl Record {
    /// A refusal before any policy was asked.
    pub fn refused(id: Arc<str>, tenant: Arc<str>, reason: Reason, now_ms: i64) -> Self {
        Record {
            id,
            tenant,
            policy: None,
            release: 0,
            release_hash: Arc::from(""),
            mode: Mode::Enforce,
            facts: Facts { now_ms, ..Facts::default() },
            decision: Decision::refused(reason),
            element: None,
            took: Duration::ZERO,
        }
    }

    /// The line it becomes; `pseudonym` is given tenant and value.
    pub fn line(&self, pseudonym: &dyn Fn(&str, &str) -> [u8; 16]) -> Json {
        let policy = self.policy.as_deref();
        let decision = &self.decision;
        let mut line = json!({
            "schema": "stepward.decision/1",
            "id": self.id,
            "time": time(self.facts.now_ms),
            "tenant": self.tenant,
            "event": policy.map(|it| &it.event),
            "journey": policy.and_then(|it| it.journey.as_ref()),
            "release": self.release,
            "release_hash": self.release_hash,
            "mode": self.mode,
            "outcome": decision.outcome.verb(),
            "reason": decision.reason,
            "step": decision.step,
            "rule": decision.rule,
            "details": details(&decision.outcome),
            "trace": decision.trace,
            "attributes": self.attributes(pseudonym),
            "proofs": self.proofs(),
            "units": { "subject": self.facts.units.subject, "device": self.facts.units.device, "session": self.facts.units.session },
            "arms": decision.arms.iter().map(|(experiment, arm)| json!({ "experiment": experiment, "arm": arm })).collect::<Vec<_>>(),
            "tags": decision.obligations.tag,
            "latency_us": u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX),
        });
        if let (Some(element), Some(line)) = (self.element, line.as_object_mut()) {
            line.insert("element".into(), element.into());
        }
        line
    }

    fn attributes(&self, pseudonym: &dyn Fn(&str, &str) -> [u8; 16]) -> Json {
        let slots = self.policy.as_deref().map_or(&[][..], |policy| &policy.slots);
        let known = slots.iter().zip(&self.facts.readings).enumerate();
        let mut attributes = Map::new();
        for (at, (slot, reading)) in known {
            let origin = self.facts.provenance.get(at).and_then(Option::as_ref);
            let told = match reading {
                // Nobody asked: that it was not needed is told by its absence.
                Reading::Pending => continue,
                Reading::Unknown(why) => json!({ "unknown": why }),
                Reading::Known(value) => self.known(slot, value, origin, pseudonym),
            };
            attributes.insert(slot.name.to_string(), told);
        }
        Json::Object(attributes)
    }

    fn known(
        &self,
        slot: &Slot,
        value: &Value,
        origin: Option<&Provenance>,
        pseudonym: &dyn Fn(&str, &str) -> [u8; 16],
    ) -> Json {
        let mut told = match slot.pii {
            true => json!({ "pseudonym": hex(&pseudonym(&self.tenant, &plain(value))) }),
            false => json!({ "value": shown(value) }),
        };
        if let (Some(origin), Some(told)) = (origin, told.as_object_mut()) {
            told.insert("source".into(), json!(origin.source));
            told.insert("age_ms".into(), json!(origin.age_ms));
            told.insert("path".into(), json!(origin.path));
        }
        told
    }

    fn proofs(&self) -> Vec<Json> {
        let proofs = self.facts.proofs.iter();
        let told = proofs.map(|proof| {
            let age_ms = self.facts.now_ms.saturating_sub(proof.at_ms);
            let bound_to = proof.bound_to.as_ref().map(|digest| hex(digest));
            json!({ "method": proof.method, "age_ms": age_ms, "event": proof.event, "bound_to": bound_to })
        });
        told.collect()
    }
}

/// What an outcome says beyond its word.
fn details(outcome: &Outcome) -> Json {
    match outcome {
        Outcome::Forward(forward) => match &forward.max_rate {
            Some(rate) => json!({ "max_rate": rate }),
            None => Json::Null,
        },
        Outcome::Throttle(throttle) => json!({ "rate": throttle.rate, "per": throttle.per }),
        Outcome::Challenge(challenge) => json!({
            "methods": challenge.methods,
            "fresh_for_ms": challenge.fresh_for_ms,
            "bound_to": challenge.binding.as_ref().map(|it| hex(&it.digest)),
        }),
        Outcome::Reroute(stepward_core::decision::Reroute::Path(path)) => json!({ "path": path }),
        Outcome::Reroute(stepward_core::decision::Reroute::Upstream(upstream)) => json!({ "upstream": upstream }),
        Outcome::Block => Json::Null,
        Outcome::LockOut(lock) => json!({ "what": lock.what, "for_ms": lock.for_ms }),
    }
}

/// RFC 3339 in UTC, to the millisecond.
pub fn time(now_ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(now_ms) {
        Ok(moment) => format!("{moment:.3}"),
        // Outside the years -9999 to 9999 no clock of ours can be.
        Err(_) => String::from("1970-01-01T00:00:00.000Z"),
    }
}

/// A value as JSON that reads back as the same value.
fn shown(value: &Value) -> Json {
    match value {
        Value::Bool(it) => json!(it),
        Value::Int(it) => json!(it),
        Value::Number(it) => json!(it),
        Value::Text(it) => json!(it),
        Value::Time(ms) => json!(time(*ms)),
        Value::Duration(ms) => json!(format!("{ms}ms")),
        Value::Ip(it) => json!(network_of(*it)),
        Value::List(items) => items.iter().map(shown).collect(),
    }
}

/// The text that a pseudonym is made of.
fn plain(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        other => other.to_string(),
    }
}

/// An address is personal data (GDPR, C-582/14): the log keeps its network, /24 or /48.
pub fn network_of(address: IpAddr) -> String {
    let net = match address {
        IpAddr::V4(_) => ipnet::IpNet::new(address, 24),
        IpAddr::V6(_) => ipnet::IpNet::new(address, 48),
    };
    net.map_or_else(|_| String::new(), |net| net.trunc().to_string())
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
