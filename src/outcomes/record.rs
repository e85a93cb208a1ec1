//! One decision with everything it was made from, and the line it becomes.
//!
//! Values of slots marked as personal leave here as pseudonyms, addresses cut to their network, never as they are.

use std::{net::IpAddr, sync::Arc, time::Duration};

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use stepward_core::{
    attribute,
    decision::{Decision, Outcome, Rate, Reason, Reroute, Scope, Trace, Verb},
    facts::{Facts, Provenance, Reading, Why},
    policy::{Mode, Policy},
    session::Method,
    value::Value,
};

use crate::vendors::{Call, shadow::Tried};

/// What the line of a decision is marked with.
pub const SCHEMA: &str = "stepward.decision/1";

/// One decision with everything it was made from.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The decision's id, as in headers and problem documents.
    pub id: &'a str,
    /// The tenant.
    pub tenant: &'a str,
    /// The policy; `None` where the request was refused before any policy.
    pub policy: Option<&'a Policy>,
    /// Number of the release it belongs to.
    pub release: u64,
    /// Hash of that release.
    pub release_hash: &'a str,
    /// The mode it was decided in; a shadow decision caused nothing.
    pub mode: Mode,
    /// What was known; its `now_ms` is the time of the decision.
    pub facts: &'a Facts,
    /// What was decided.
    pub decision: &'a Decision,
    /// The vendors that were asked.
    pub calls: &'a [Call],
    /// From recognised to decided.
    pub took: Duration,
}

impl<'a> Record<'a> {
    /// Writes the line it becomes, without its end; `pseudonym` is given tenant and value.
    pub fn write(&self, pseudonym: &dyn Fn(&str, &str) -> [u8; 16], into: &mut Vec<u8>) {
        let begun = into.len();
        if let Err(error) = serde_json::to_writer(&mut *into, &self.line(pseudonym)) {
            // Text, numbers and enums always serialise; half a line would be worse than none.
            tracing::error!(%error, decision = %self.id, "a decision could not be written down");
            into.truncate(begun);
        }
    }

    fn line(&'a self, pseudonym: &'a dyn Fn(&str, &str) -> [u8; 16]) -> Line<'a> {
        let policy = self.policy;
        let (decision, units) = (self.decision, &self.facts.units);
        Line {
            schema: SCHEMA,
            id: self.id,
            time: time(self.facts.now_ms),
            tenant: self.tenant,
            event: policy.map(|it| &*it.event),
            journey: policy.and_then(|it| it.journey.as_deref()),
            release: self.release,
            release_hash: self.release_hash,
            mode: self.mode,
            outcome: decision.outcome.verb(),
            reason: decision.reason,
            step: decision.step.as_deref(),
            rule: decision.rule.as_deref(),
            details: Details::of(&decision.outcome),
            trace: &decision.trace,
            attributes: Attributes { record: self, pseudonym },
            calls: self.calls.iter().map(Called::of).collect(),
            proofs: self.proofs(),
            units: Units {
                subject: units.subject.as_deref(),
                device: units.device.as_deref(),
                session: units.session.as_deref(),
            },
            arms: decision.arms.iter().map(|(experiment, arm)| Arm { experiment, arm }).collect(),
            tags: &decision.obligations.tag,
            latency_us: u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX),
        }
    }

    fn proofs(&self) -> Vec<Proven<'_>> {
        let proofs = self.facts.proofs.iter();
        let told = proofs.map(|proof| Proven {
            method: proof.method,
            age_ms: self.facts.now_ms.saturating_sub(proof.at_ms),
            event: &proof.event,
            bound_to: proof.bound_to.as_ref().map(|digest| hex(digest)),
        });
        told.collect()
    }
}

/// The line of a decision, field by field in the order in which it is written; DESIGN §5 says what must be in it.
#[derive(Serialize)]
struct Line<'a> {
    schema: &'static str,
    id: &'a str,
    time: String,
    tenant: &'a str,
    event: Option<&'a str>,
    journey: Option<&'a str>,
    release: u64,
    release_hash: &'a str,
    mode: Mode,
    outcome: Verb,
    reason: Reason,
    step: Option<&'a str>,
    rule: Option<&'a str>,
    details: Option<Details<'a>>,
    trace: &'a [Trace],
    attributes: Attributes<'a>,
    calls: Vec<Called<'a>>,
    proofs: Vec<Proven<'a>>,
    units: Units<'a>,
    arms: Vec<Arm<'a>>,
    tags: &'a [Arc<str>],
    latency_us: u64,
}

/// A vendor that was asked.
#[derive(Serialize)]
struct Called<'a> {
    connector: &'a str,
    outcome: &'static str,
    ms: u64,
}

impl<'a> Called<'a> {
    fn of(call: &'a Call) -> Self {
        let ms = u64::try_from(call.took.as_millis()).unwrap_or(u64::MAX);
        Called { connector: &call.connector, outcome: call.outcome, ms }
    }
}

/// What a vendor that is tried out said beside what counted.
#[derive(Serialize)]
struct TrialLine<'a> {
    schema: &'static str,
    decision: &'a str,
    time: String,
    tenant: &'a str,
    capability: &'a str,
    connector: &'a str,
    outcome: &'static str,
    ms: u64,
    attributes: Vec<Compared<'a>>,
}

#[derive(Serialize)]
struct Compared<'a> {
    attribute: &'a str,
    live: Option<Said<'a>>,
    shadow: Option<Said<'a>>,
}

/// A value, or a pseudonym of one that is personal.
#[derive(Serialize)]
#[serde(untagged)]
enum Said<'a> {
    Pseudonym { pseudonym: String },
    Value(Shown<'a>),
}

/// Writes the line of a vendor that was tried out after the decision of this id.
pub fn write_trial(
    decision: &str,
    tried: &Tried,
    now_ms: i64,
    pseudonym: &dyn Fn(&str, &str) -> [u8; 16],
    into: &mut Vec<u8>,
) {
    let begun = into.len();
    if let Err(error) = serde_json::to_writer(&mut *into, &trial(decision, tried, now_ms, pseudonym)) {
        tracing::error!(%error, %decision, "a trial could not be written down");
        into.truncate(begun);
    }
}

fn trial<'a>(
    decision: &'a str,
    tried: &'a Tried,
    now_ms: i64,
    pseudonym: &dyn Fn(&str, &str) -> [u8; 16],
) -> TrialLine<'a> {
    let said = |name: &str, value: &'a Value| match attribute::is_personal(name) {
        true => Said::Pseudonym { pseudonym: hex(&pseudonym(&tried.tenant, &plain(value))) },
        false => Said::Value(Shown(value)),
    };
    let attributes = tried.attributes.iter().map(|(name, live, shadow)| Compared {
        attribute: name,
        live: live.as_ref().map(|value| said(name, value)),
        shadow: shadow.as_ref().map(|value| said(name, value)),
    });
    TrialLine {
        schema: "stepward.shadow-signal/1",
        decision,
        time: time(now_ms),
        tenant: &tried.tenant,
        capability: &tried.capability,
        connector: &tried.connector,
        outcome: tried.outcome,
        ms: u64::try_from(tried.took.as_millis()).unwrap_or(u64::MAX),
        attributes: attributes.collect(),
    }
}

#[derive(Serialize)]
struct Proven<'a> {
    method: Method,
    age_ms: i64,
    event: &'a str,
    bound_to: Option<String>,
}

#[derive(Serialize)]
struct Units<'a> {
    subject: Option<&'a str>,
    device: Option<&'a str>,
    session: Option<&'a str>,
}

#[derive(Serialize)]
struct Arm<'a> {
    experiment: &'a str,
    arm: &'a str,
}

/// What an outcome says beyond its word.
#[derive(Serialize)]
#[serde(untagged)]
enum Details<'a> {
    Forward { max_rate: Rate },
    Throttle { rate: Rate, per: Scope },
    Challenge { methods: &'a [Method], fresh_for_ms: i64, bound_to: Option<String> },
    Path { path: &'a str },
    Upstream { upstream: &'a str },
    LockOut { what: Scope, for_ms: u64 },
}

impl<'a> Details<'a> {
    fn of(outcome: &'a Outcome) -> Option<Self> {
        Some(match outcome {
            Outcome::Forward(forward) => Details::Forward { max_rate: forward.max_rate? },
            Outcome::Throttle(throttle) => Details::Throttle { rate: throttle.rate, per: throttle.per },
            Outcome::Challenge(challenge) => Details::Challenge {
                methods: &challenge.methods,
                fresh_for_ms: challenge.fresh_for_ms,
                bound_to: challenge.binding.as_ref().map(|it| hex(&it.digest)),
            },
            Outcome::Reroute(Reroute::Path(path)) => Details::Path { path },
            Outcome::Reroute(Reroute::Upstream(upstream)) => Details::Upstream { upstream },
            Outcome::Block => return None,
            Outcome::LockOut(lock) => Details::LockOut { what: lock.what, for_ms: lock.for_ms },
        })
    }
}

/// What was known, by name. What nobody asked for is not there: that it was not needed is told by its absence.
struct Attributes<'a> {
    record: &'a Record<'a>,
    pseudonym: &'a dyn Fn(&str, &str) -> [u8; 16],
}

#[derive(Serialize)]
#[serde(untagged)]
enum Told<'a> {
    Unknown {
        unknown: Why,
    },
    Pseudonym {
        pseudonym: String,
        #[serde(flatten)]
        origin: Option<&'a Provenance>,
    },
    Value {
        value: Shown<'a>,
        #[serde(flatten)]
        origin: Option<&'a Provenance>,
    },
}

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let facts = self.record.facts;
        let slots = self.record.policy.map_or(&[][..], |policy| &policy.slots);
        let mut attributes = serializer.serialize_map(None)?;
        for (at, (slot, reading)) in slots.iter().zip(&facts.readings).enumerate() {
            let origin = facts.provenance.get(at).and_then(Option::as_ref);
            let told = match reading {
                Reading::Pending => continue,
                Reading::Unknown(why) => Told::Unknown { unknown: *why },
                Reading::Known(value) if slot.pii => {
                    let pseudonym = hex(&(self.pseudonym)(self.record.tenant, &plain(value)));
                    Told::Pseudonym { pseudonym, origin }
                }
                Reading::Known(value) => Told::Value { value: Shown(value), origin },
            };
            attributes.serialize_entry(&slot.name, &told)?;
        }
        attributes.end()
    }
}

/// A value as JSON that reads back as the same value, but for addresses.
struct Shown<'a>(&'a Value);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Bool(it) => serializer.serialize_bool(*it),
            Value::Int(it) => serializer.serialize_i64(*it),
            Value::Number(it) => serializer.serialize_f64(*it),
            Value::Text(it) => serializer.serialize_str(it),
            Value::Time(ms) => serializer.serialize_str(&time(*ms)),
            Value::Duration(ms) => serializer.collect_str(&format_args!("{ms}ms")),
            Value::Ip(it) => serializer.serialize_str(&network_of(*it)),
            Value::List(items) => serializer.collect_seq(items.iter().map(Shown)),
        }
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
