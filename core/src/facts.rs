//! Everything known about one request so far, time included. A missing value is a reading that says why.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{session::Proof, value::Value};

/// The place of an attribute in one policy's table; see [`crate::policy::Policy::slots`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(pub u16);

/// What is known of one attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// Nobody has asked yet; a decision that turns on it answers `Needs`.
    Pending,
    /// It has this value.
    Known(Value),
    /// It was asked for and has no value. Never false, never 0, never lets anyone in.
    Unknown(Why),
}

/// Why an attribute has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The request, session or vendor simply does not say.
    Absent,
    /// The value is there but not of the declared type.
    Mistyped,
    /// Every source failed or timed out.
    Unavailable,
    /// The event's budget in time or paid calls was spent.
    OverBudget,
    /// No connector or local source provides it on this gateway.
    NotProvided,
}

/// Where a known value came from, for `explain` and the decision log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// `request`, `session`, `local`, the id of a connector, `max(a, b)` of several, or `route` for its own default.
    pub source: Arc<str>,
    /// How old the value was when it was used, in milliseconds.
    pub age_ms: u64,
    /// By which way it came.
    pub path: Path,
}

/// By which way a value came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// Asked now, first choice.
    Live,
    /// From a cache.
    Cache,
    /// Asked now, from a later choice of the route because an earlier one failed.
    FailOver,
    /// Asked now, from a later choice because an earlier one was slow.
    Hedge,
    /// Asked now, from a later choice because an earlier one answered without it.
    Fill,
    /// Made of the answers of several; `source` says of which and how.
    Combined,
    /// An answer past its time, because nobody answered now.
    Stale,
    /// The route's stated value for when nobody answers.
    Default,
}

impl Path {
    /// The word for logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Path::Live => "live",
            Path::Cache => "cache",
            Path::FailOver => "fail_over",
            Path::Hedge => "hedge",
            Path::Fill => "fill",
            Path::Combined => "combined",
            Path::Stale => "stale",
            Path::Default => "default",
        }
    }
}

/// The ids an experiment may stick to; all are pseudonyms, stable for as long as the thing they name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Units {
    /// The verified subject, if there is one.
    pub subject: Option<Arc<str>>,
    /// The device cookie's id, if there is one.
    pub device: Option<Arc<str>>,
    /// The session id; a request without a session gets one before an experiment can touch it.
    pub session: Option<Arc<str>>,
}

/// All that a decision may depend on.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Milliseconds since the Unix epoch, by the gateway's clock.
    pub now_ms: i64,
    /// One reading for each of the policy's slots, in the same order.
    pub readings: Vec<Reading>,
    /// Where each known reading came from; same length as `readings`, `None` where there is nothing to tell.
    pub provenance: Vec<Option<Provenance>>,
    /// Proofs recorded in this session for this subject.
    pub proofs: Vec<Proof>,
    /// What `split` may stick to.
    pub units: Units,
}

impl Facts {
    /// Facts for a policy with `slots` attributes, all of them still unasked.
    pub fn unasked(now_ms: i64, slots: usize) -> Self {
        Facts { now_ms, readings: vec![Reading::Pending; slots], provenance: vec![None; slots], ..Facts::default() }
    }

    /// The reading of a slot; a slot outside the table is absent, so that a mistake cannot let anyone in.
    pub fn reading(&self, slot: SlotId) -> &Reading {
        self.readings.get(usize::from(slot.0)).unwrap_or(&Reading::Unknown(Why::Absent))
    }

    /// The value of a slot, if it is known.
    pub fn value(&self, slot: SlotId) -> Option<&Value> {
        match self.reading(slot) {
            Reading::Known(value) => Some(value),
            Reading::Pending | Reading::Unknown(_) => None,
        }
    }

    /// Takes in what was learnt about one attribute.
    pub fn learn(&mut self, slot: SlotId, reading: Reading, provenance: Option<Provenance>) {
        let at = usize::from(slot.0);
        if let (Some(place), Some(origin)) = (self.readings.get_mut(at), self.provenance.get_mut(at)) {
            *place = reading;
            *origin = provenance;
        }
    }
}
