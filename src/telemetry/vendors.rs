//! The numbers about vendors: calls, answers that were kept, breakers, limits, hedges, money, shadows.
//!
//! Labels are connectors and capabilities by their configured names, and words of closed lists.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::telemetry::{Name, SIGNAL_BUCKETS};

/// All numbers about vendors; clones share them.
#[derive(Clone, Debug)]
pub struct Numbers {
    calls: Family<OutcomeLabels, Counter>,
    call_seconds: Family<ConnectorLabels, Histogram, fn() -> Histogram>,
    breaker: Family<ConnectorLabels, Gauge>,
    cache: Family<ResultLabels, Counter>,
    limited: Family<LimitLabels, Counter>,
    hedges: Family<ResultLabels, Counter>,
    spend: Family<ConnectorLabels, Counter<f64, AtomicU64>>,
    shadows: Family<ResultLabels, Counter>,
    readings: Family<PathLabels, Counter>,
    sink_delivered: Family<ConnectorLabels, Counter>,
    sink_dropped: Family<DropLabels, Counter>,
    feedback: Family<ResultLabels, Counter>,
}

/// How a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls go through.
    Closed,
    /// One call is out to see.
    HalfOpen,
    /// No call goes through.
    Open,
}

/// What a look into the answers that are kept came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// An answer that is as good as asked now.
    Hit,
    /// None.
    Miss,
    /// An answer past its time, because nobody answered.
    Stale,
    /// A call was under way that asks the same.
    Shared,
}

/// What became of a call that overtook another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hedged {
    /// It answered first.
    Won,
    /// The other did, or it failed.
    Lost,
}

/// What a shadow's answer was beside the one that counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shadowed {
    /// The same in every attribute that both know.
    Agreed,
    /// Another in at least one.
    Differed,
    /// Nothing that both know.
    Incomparable,
    /// None.
    Failed,
    /// It was not asked: its money, its time or its places were used up.
    Dropped,
}

/// The numbers of one connector that are counted where a request waits; found once.
#[derive(Clone, Debug)]
pub struct Meter {
    numbers: Numbers,
    connector: Arc<str>,
    hits: Counter,
}

impl Default for Numbers {
    fn default() -> Self {
        Numbers {
            calls: Family::default(),
            call_seconds: Family::new_with_constructor(|| Histogram::new(SIGNAL_BUCKETS)),
            breaker: Family::default(),
            cache: Family::default(),
            limited: Family::default(),
            hedges: Family::default(),
            spend: Family::default(),
            shadows: Family::default(),
            readings: Family::default(),
            sink_delivered: Family::default(),
            sink_dropped: Family::default(),
            feedback: Family::default(),
        }
    }
}

impl Numbers {
    pub(super) fn register(&self, all: &mut Registry) {
        all.register("vendor_calls", "Calls to a vendor by what they came to", self.calls.clone());
        let seconds = self.call_seconds.clone();
        all.register_with_unit("vendor_call", "Time a call to a vendor took", Unit::Seconds, seconds);
        let breaker = self.breaker.clone();
        all.register(
            "vendor_breaker",
            "Whether a vendor is left alone: 0 no, 1 one call is out to see, 2 yes",
            breaker,
        );
        all.register("vendor_cache", "Looks into the answers that are kept", self.cache.clone());
        all.register("vendor_limited", "Calls that were not made, by the limit that was reached", self.limited.clone());
        all.register("vendor_hedges", "Calls that overtook a slow one", self.hedges.clone());
        all.register("vendor_spend", "Money for paid calls, in your currency", self.spend.clone());
        all.register(
            "vendor_shadow",
            "Vendors that are tried out, beside the answer that counted",
            self.shadows.clone(),
        );
        all.register("vendor_readings", "Attributes by the way in which they came", self.readings.clone());
        all.register("sink_delivered", "Decisions that a sink has taken", self.sink_delivered.clone());
        all.register("sink_dropped", "Decisions that a sink has not been given, by why", self.sink_dropped.clone());
        all.register("vendor_feedback", "Outcomes that were told to a vendor", self.feedback.clone());
    }

    /// The numbers of one connector.
    pub fn meter(&self, connector: &Arc<str>) -> Meter {
        let labels = ResultLabels { connector: Name(connector.clone()), result: "hit" };
        let hits = self.cache.get_or_create(&labels).clone();
        Meter { numbers: self.clone(), connector: connector.clone(), hits }
    }

    /// How often attributes of a capability came this way.
    pub fn readings(&self, capability: &Arc<str>, path: &'static str) -> Counter {
        let labels = PathLabels { capability: Name(capability.clone()), path };
        self.readings.get_or_create(&labels).clone()
    }
}

impl Meter {
    fn connector(&self) -> ConnectorLabels {
        ConnectorLabels { connector: Name(self.connector.clone()) }
    }

    fn result(&self, result: &'static str) -> ResultLabels {
        ResultLabels { connector: Name(self.connector.clone()), result }
    }

    /// A call came to this; `outcome` is a word of a closed list.
    pub fn call(&self, outcome: &'static str, took: Duration) {
        let labels = OutcomeLabels { connector: Name(self.connector.clone()), outcome };
        self.numbers.calls.get_or_create(&labels).inc();
        self.numbers.call_seconds.get_or_create(&self.connector()).observe(took.as_secs_f64());
    }

    /// The breaker stands so now.
    pub fn breaker(&self, state: BreakerState) {
        let number = match state {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open => 2,
        };
        self.numbers.breaker.get_or_create(&self.connector()).set(number);
    }

    /// A look into the answers that are kept.
    pub fn kept(&self, kept: Kept) {
        let word = match kept {
            Kept::Hit => {
                self.hits.inc();
                return;
            }
            Kept::Miss => "miss",
            Kept::Stale => "stale",
            Kept::Shared => "shared",
        };
        self.numbers.cache.get_or_create(&self.result(word)).inc();
    }

    /// A call was not made; `limit` is a word of a closed list.
    pub fn limited(&self, limit: &'static str) {
        self.numbers.limited.get_or_create(&LimitLabels { connector: Name(self.connector.clone()), limit }).inc();
    }

    /// A call overtook another.
    pub fn hedged(&self, hedged: Hedged) {
        let word = match hedged {
            Hedged::Won => "won",
            Hedged::Lost => "lost",
        };
        self.numbers.hedges.get_or_create(&self.result(word)).inc();
    }

    /// A call was paid for, in millionths.
    pub fn paid(&self, micros: u64) {
        self.numbers.spend.get_or_create(&self.connector()).inc_by(micros as f64 / 1e6);
    }

    /// A sink took so many decisions.
    pub fn delivered(&self, decisions: u64) {
        self.numbers.sink_delivered.get_or_create(&self.connector()).inc_by(decisions);
    }

    /// A sink was not given so many decisions; `reason` is a word of a closed list.
    pub fn dropped(&self, reason: &'static str, decisions: u64) {
        let labels = DropLabels { connector: Name(self.connector.clone()), reason };
        self.numbers.sink_dropped.get_or_create(&labels).inc_by(decisions);
    }

    /// It was told an outcome, or not; `result` is a word of a closed list.
    pub fn feedback(&self, result: &'static str) {
        self.numbers.feedback.get_or_create(&self.result(result)).inc();
    }

    /// It was asked as a shadow.
    pub fn shadowed(&self, shadowed: Shadowed) {
        let word = match shadowed {
            Shadowed::Agreed => "agreed",
            Shadowed::Differed => "differed",
            Shadowed::Incomparable => "incomparable",
            Shadowed::Failed => "failed",
            Shadowed::Dropped => "dropped",
        };
        self.numbers.shadows.get_or_create(&self.result(word)).inc();
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConnectorLabels {
    connector: Name,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    connector: Name,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    connector: Name,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    connector: Name,
    limit: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PathLabels {
    capability: Name,
    path: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DropLabels {
    connector: Name,
    reason: &'static str,
}
