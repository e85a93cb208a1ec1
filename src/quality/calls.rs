//! How a vendor answers: how often it fails, how long it takes, what it costs.

use std::{collections::BTreeMap, sync::Arc};

use crate::quality::{line::Call, statistics};

/// The calls to one vendor.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Calls {
    /// Calls that were made.
    pub made: u64,
    /// Answers that were remembered instead.
    pub cached: u64,
    /// Calls that were not made: too late, too dear, or the vendor was left alone.
    pub refused: u64,
    /// What came of them, by outcome class.
    pub classes: BTreeMap<Arc<str>, u64>,
    /// The share that failed, so that the next of the route was asked.
    pub error_rate: Option<f64>,
    /// How long they took, in milliseconds.
    pub latency_ms: Option<Latency>,
    /// What they cost, in the operator's currency.
    pub cost: f64,
    #[serde(skip)]
    took_ms: Vec<f64>,
    #[serde(skip)]
    micros: u64,
}

/// How long calls took, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Latency {
    /// Half of them.
    pub p50: f64,
    /// 95 of a hundred.
    pub p95: f64,
    /// 99 of a hundred.
    pub p99: f64,
}

impl Calls {
    /// Counts somebody who was asked; a call that was made costs so much, in millionths of the currency.
    pub fn add(&mut self, call: &Call, price_micros: u64) {
        match &*call.outcome {
            "cached" => self.cached += 1,
            outcome if is_answer(outcome) || is_failure(outcome) => self.made(outcome, call.ms, price_micros),
            _ => self.refused += 1,
        }
    }

    /// Counts a call that was made.
    pub fn made(&mut self, outcome: &str, ms: f64, price_micros: u64) {
        self.made += 1;
        *self.classes.entry(outcome.into()).or_default() += 1;
        self.took_ms.push(ms);
        self.micros = self.micros.saturating_add(price_micros);
    }

    /// The same with shares and quantiles.
    pub fn summed(mut self) -> Calls {
        let failed = self.classes.iter().filter(|(class, _)| is_failure(class)).map(|(_, count)| count).sum();
        let at = |share| statistics::quantile(&self.took_ms, share);
        let latency = at(0.5).zip(at(0.95)).zip(at(0.99));
        self.error_rate = statistics::share(failed, self.made);
        self.latency_ms = latency.map(|((p50, p95), p99)| Latency { p50, p95, p99 });
        self.cost = self.micros as f64 / 1e6;
        self
    }
}

/// Whether it is an outcome class that counts as an answer; see `Class::falls_over`.
pub fn is_answer(outcome: &str) -> bool {
    matches!(outcome, "success" | "not_found" | "pending" | "invalid_input")
}

/// Whether it is an outcome class for which a route asks the next one; see `Class::falls_over`.
pub fn is_failure(outcome: &str) -> bool {
    matches!(outcome, "rate_limited" | "unavailable" | "config_error" | "contract_error")
}
