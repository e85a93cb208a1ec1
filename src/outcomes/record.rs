//! One decision with everything it was made from, and the line it becomes.
//!
//! Values of slots marked as personal leave here as pseudonyms, addresses cut to their network, never as they are.

use std::{net::IpAddr, time::Duration};

use serde::{Serialize, Serializer};
use stepward_core::{
    attribute,
    decision::{Decision, Outcome, Rate, Reroute, Scope, Trace},
    facts::{Facts, Provenance, Reading},
    policy::{Mode, Policy},
    session::Method,
    value::Value,
};

use crate::{
    outcomes::line::Object,
    vendors::{Call, shadow::Tried},
};

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

impl Record<'_> {
    /// Writes the line it becomes, without its end; `pseudonym` is given tenant and value.
    pub fn write(&self, pseudonym: &dyn Fn(&str, &str) -> [u8; 16], into: &mut Vec<u8>) {
        let begun = into.len();
        if let Err(error) = self.try_write(pseudonym, into) {
            // Text, numbers and enums always serialise; half a line would be worse than none.
            tracing::error!(%error, decision = %self.id, "a decision could not be written down");
            into.truncate(begun);
        }
    }

    /// Field by field in the order in which it is read; DESIGN §5 says what must be in it.
    fn try_write(&self, pseudonym: &dyn Fn(&str, &str) -> [u8; 16], into: &mut Vec<u8>) -> serde_json::Result<()> {
        let (policy, decision, units) = (self.policy, self.decision, &self.facts.units);
        let mut line = Object::begin(into);
        line.text("schema", SCHEMA);
        line.text("id", self.id);
        line.text("time", &time(self.facts.now_ms));
        line.text("tenant", self.tenant);
        line.maybe("event", policy.map(|it| &*it.event));
        line.maybe("journey", policy.and_then(|it| it.journey.as_deref()));
        line.value("release", &self.release)?;
        line.text("release_hash", self.release_hash);
        line.value("mode", &self.mode)?;
        line.text("outcome", decision.outcome.verb().name());
        line.text("reason", decision.reason.code());
        line.maybe("step", decision.step.as_deref());
        line.maybe("rule", decision.rule.as_deref());
        line.value("details", &Details::of(&decision.outcome))?;
        line.list("trace", &decision.trace, |step, Trace { step: name, label, came }| {
            step.text("step", name);
            step.maybe("label", label.as_deref());
            step.value("came", came)
        })?;
        self.write_attributes(pseudonym, Object::begin(line.field("attributes")))?;
        line.list("calls", self.calls, |told, call| {
            told.text("connector", &call.connector);
            told.text("outcome", call.outcome);
            told.value("ms", &u64::try_from(call.took.as_millis()).unwrap_or(u64::MAX))
        })?;
        line.list("proofs", &self.facts.proofs, |told, proof| {
            told.value("method", &proof.method)?;
            told.value("age_ms", &self.facts.now_ms.saturating_sub(proof.at_ms))?;
            told.text("event", &proof.event);
            told.maybe("bound_to", proof.bound_to.as_ref().map(|digest| hex(digest)).as_deref());
            told.maybe("by", proof.by.as_ref().map(|account| hex(account)).as_deref());
            Ok(())
        })?;
        let mut sticky = Object::begin(line.field("units"));
        sticky.maybe("subject", units.subject.as_deref());
        sticky.maybe("device", units.device.as_deref());
        sticky.maybe("session", units.session.as_deref());
        sticky.end();
        line.list("arms", &decision.arms, |told, (experiment, arm)| {
            told.text("experiment", experiment);
            told.text("arm", arm);
            Ok(())
        })?;
        line.value("tags", &decision.obligations.tag)?;
        line.value("latency_us", &u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX))?;
        line.end();
        Ok(())
    }

    /// What was known, by name. What nobody asked for is not there: that it was not needed is told by its absence.
    fn write_attributes(
        &self,
        pseudonym: &dyn Fn(&str, &str) -> [u8; 16],
        mut attributes: Object<'_>,
    ) -> serde_json::Result<()> {
        let slots = self.policy.map_or(&[][..], |policy| &policy.slots);
        for (at, (slot, reading)) in slots.iter().zip(&self.facts.readings).enumerate() {
            let known = match reading {
                Reading::Pending => continue,
                Reading::Unknown(why) => {
                    let mut told = Object::begin(attributes.named(&slot.name));
                    told.value("unknown", why)?;
                    told.end();
                    continue;
                }
                Reading::Known(value) => value,
            };
            let mut told = Object::begin(attributes.named(&slot.name));
            match slot.pii {
                true => told.text("pseudonym", &hex(&pseudonym(self.tenant, &plain(known)))),
                false => told.value("value", &Shown(known))?,
            }
            if let Some(Provenance { source, age_ms, path }) = self.facts.provenance.get(at).and_then(Option::as_ref) {
                told.text("source", source);
                told.value("age_ms", age_ms)?;
                told.value("path", path)?;
            }
            told.end();
        }
        attributes.end();
        Ok(())
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
