//! A route in one line for people, and as data for programs.

use std::{fmt, sync::Arc};

use serde::Serialize;

use crate::connector::route::{Route, document::Strategy};

/// A route as `stepward connector list` shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The capability.
    pub capability: Arc<str>,
    /// How the connectors work together: `priority`, `fill_missing`, `all`.
    pub strategy: &'static str,
    /// Their ids, best first.
    pub connectors: Vec<Arc<str>>,
    /// After how many milliseconds a slow one is overtaken.
    pub hedge_after_ms: Option<u64>,
    /// Time for all of it, in milliseconds.
    pub time_ms: Option<u64>,
    /// Money a day, in millionths of the operator's currency.
    pub spend_micros_per_day: Option<u64>,
    /// How long an answer past its time still serves, in milliseconds.
    pub stale_if_error_ms: Option<u64>,
    /// Attributes with a stated value for when nobody answers.
    pub assumed: Vec<Arc<str>>,
    /// Connectors that are tried out.
    pub shadows: Vec<Arc<str>>,
}

impl Route {
    /// What it comes to.
    pub fn summary(&self) -> Summary {
        Summary {
            capability: self.capability.clone(),
            strategy: match self.strategy {
                Strategy::Priority => "priority",
                Strategy::FillMissing => "fill_missing",
                Strategy::All => "all",
            },
            connectors: self.members.iter().map(|it| it.connector.clone()).collect(),
            hedge_after_ms: self.hedge.map(|it| it.after_ms),
            time_ms: self.time_ms,
            spend_micros_per_day: self.spend_micros_per_day,
            stale_if_error_ms: self.stale_if_error_ms,
            assumed: self.assumed.keys().cloned().collect(),
            shadows: self.shadows.iter().map(|it| it.connector.clone()).collect(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let between = match self.strategy {
            "all" => " and ",
            "fill_missing" => ", what is missing from ",
            _ => ", then ",
        };
        write!(f, "{}: {}", self.capability, self.connectors.join(between))?;
        if let Some(ms) = self.hedge_after_ms {
            write!(f, "; the next as well after {ms}ms")?;
        }
        if let Some(ms) = self.time_ms {
            write!(f, "; {ms}ms in all")?;
        }
        if let Some(micros) = self.spend_micros_per_day {
            write!(f, "; at most {} a day", micros as f64 / 1e6)?;
        }
        if !self.assumed.is_empty() {
            write!(f, "; assumes {}", self.assumed.join(", "))?;
        }
        if !self.shadows.is_empty() {
            write!(f, "; tries out {}", self.shadows.join(", "))?;
        }
        Ok(())
    }
}
