//! A line of the decision log, as far as quality can be told from it, and the facts it was decided from.
//!
//! What the log keeps as a pseudonym comes back as that pseudonym: whether a decision can be made again from such a line
//! is found out by making it, never assumed.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;
use serde_json::Value as Json;
use stepward_core::{
    decision::Verb,
    facts::{Facts, Reading, SlotId, Units, Why},
    policy::Policy,
    session::{Method, Proof},
    value::{Type, Value},
};

use crate::inquiry::given;

/// A decision, as its line tells it.
#[derive(Debug, Deserialize)]
pub struct Line {
    /// The decision's id.
    pub id: Arc<str>,
    /// When, RFC 3339.
    pub time: String,
    /// The event; `None` where no policy was asked.
    pub event: Option<Arc<str>>,
    /// Hash of the release that decided.
    #[serde(default)]
    pub release_hash: String,
    /// What was decided.
    pub outcome: Verb,
    /// What was known, by name.
    #[serde(default)]
    pub attributes: BTreeMap<Arc<str>, Seen>,
    /// Proofs there were.
    #[serde(default)]
    pub proofs: Vec<Proven>,
    /// What experiments stick to.
    #[serde(default)]
    pub units: Stuck,
    /// Calls that were made for it.
    #[serde(default)]
    pub calls: Vec<Call>,
}

/// What a vendor that was tried out said beside a decision: a line of its own, because it comes later.
#[derive(Debug, Deserialize)]
pub struct Shadow {
    /// The decision it belongs to.
    pub decision: Arc<str>,
    /// The vendor.
    pub connector: Arc<str>,
    /// What came of asking it: an outcome class, or `cached`.
    pub outcome: Arc<str>,
    /// How long it took, in milliseconds.
    #[serde(default)]
    pub ms: f64,
    /// For each attribute that was asked for and that it gives.
    #[serde(default)]
    pub attributes: Vec<Beside>,
}

/// What counted and what the shadow said.
#[derive(Debug, Deserialize)]
pub struct Beside {
    /// The attribute.
    pub attribute: Arc<str>,
    /// What the shadow said.
    pub shadow: Option<Json>,
}

/// A value as it was seen.
#[derive(Debug, Deserialize)]
pub struct Seen {
    /// The value.
    pub value: Option<Json>,
    /// What stands for a personal value.
    pub pseudonym: Option<Arc<str>>,
    /// Why there is none.
    pub unknown: Option<Why>,
    /// Who told it.
    pub source: Option<Arc<str>>,
}

/// Somebody who was asked.
#[derive(Clone, Debug, Deserialize)]
pub struct Call {
    /// The vendor.
    pub connector: Arc<str>,
    /// What came of it: an outcome class, or why no call was made (`cached`, `breaker_open`, …).
    pub outcome: Arc<str>,
    /// How long it took, in milliseconds.
    #[serde(default)]
    pub ms: f64,
}

/// A proof.
#[derive(Debug, Deserialize)]
pub struct Proven {
    method: Method,
    age_ms: i64,
    event: Arc<str>,
    bound_to: Option<String>,
}

/// What experiments stick to.
#[derive(Debug, Default, Deserialize)]
pub struct Stuck {
    subject: Option<Arc<str>>,
    device: Option<Arc<str>>,
    session: Option<Arc<str>>,
}

/// A log, read.
#[derive(Debug, Default)]
pub struct Log {
    /// Its decisions, in order.
    pub decisions: Vec<Line>,
    /// What shadow vendors said.
    pub shadows: Vec<Shadow>,
    /// How many lines are neither.
    pub unread: usize,
}

impl Log {
    /// Reads JSON lines; a line that is none, such as the last one of a file that is being written, is counted.
    pub fn read(text: &str) -> Log {
        let mut log = Log::default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            log.take(line);
        }
        log
    }

    /// Another log behind this one.
    pub fn extend(&mut self, more: Log) {
        self.decisions.extend(more.decisions);
        self.shadows.extend(more.shadows);
        self.unread += more.unread;
    }

    fn take(&mut self, line: &str) {
        #[derive(Deserialize)]
        struct Kind {
            schema: Option<String>,
        }
        let kind = serde_json::from_str::<Kind>(line).ok().and_then(|it| it.schema);
        let taken = match kind.as_deref() {
            Some("stepward.decision/1") => serde_json::from_str(line).map(|it| self.decisions.push(it)).is_ok(),
            Some("stepward.shadow-signal/1") => serde_json::from_str(line).map(|it| self.shadows.push(it)).is_ok(),
            Some(_) | None => false,
        };
        self.unread += usize::from(!taken);
    }
}

impl Line {
    /// What was known when it was decided, for this policy; `None` where its time cannot be read.
    pub fn facts(&self, policy: &Policy) -> Option<Facts> {
        let now_ms = self.time.parse::<jiff::Timestamp>().ok()?.as_millisecond();
        let mut facts = Facts::unasked(now_ms, policy.slots.len());
        for (slot, it) in (0u16..).map(SlotId).zip(&policy.slots) {
            if let Some(seen) = self.attributes.get(&it.name) {
                facts.learn(slot, seen.reading(it.kind, now_ms), None);
            }
        }
        facts.proofs = self.proofs.iter().map(|it| it.proof(now_ms)).collect();
        let Stuck { subject, device, session } = &self.units;
        facts.units = Units { subject: subject.clone(), device: device.clone(), session: session.clone() };
        Some(facts)
    }
}

impl Seen {
    /// Whether there is a value.
    pub fn is_known(&self) -> bool {
        self.value.is_some() || self.pseudonym.is_some()
    }

    fn reading(&self, kind: Type, now_ms: i64) -> Reading {
        match (&self.value, &self.pseudonym, self.unknown) {
            (Some(Json::String(text)), ..) if kind == Type::Text => Reading::Known(Value::Text(text.as_str().into())),
            (Some(Json::String(text)), ..) if kind == Type::Ip => network(text),
            (Some(value), ..) => given::reading(value, kind, now_ms).unwrap_or(Reading::Unknown(Why::Mistyped)),
            (None, Some(pseudonym), _) if kind == Type::Text => Reading::Known(Value::Text(pseudonym.clone())),
            (None, Some(_), _) => Reading::Unknown(Why::Mistyped),
            (None, None, why) => Reading::Unknown(why.unwrap_or(Why::Absent)),
        }
    }
}

/// The log keeps the network of an address; its first address stands for it.
fn network(text: &str) -> Reading {
    let address = text.split('/').next().unwrap_or_default();
    address.parse().map_or(Reading::Unknown(Why::Mistyped), |it| Reading::Known(Value::Ip(it)))
}

impl Proven {
    fn proof(&self, now_ms: i64) -> Proof {
        let digest = |hex: &String| data_encoding::HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok();
        Proof {
            method: self.method,
            at_ms: now_ms.saturating_sub(self.age_ms),
            event: self.event.clone(),
            // A digest that cannot be read binds to nothing there is, not to nothing at all.
            bound_to: self.bound_to.as_ref().map(|hex| digest(hex).unwrap_or([0; 32])),
            by: None,
        }
    }
}
