//! Routes: which connectors serve a capability, in what order, within what time and money, and what is true when none
//! of them answers.
//!
//! A route is data. The shell walks it; nothing here asks anybody. What is wrong with a file is a diagnostic at load.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    attribute::{Attribute, Catalogue},
    connector::{
        Connector,
        route::document::{Combine, Document, Level, Strategy, Test},
    },
    diagnostic::Diagnostic,
    value::{Type, Value},
    yaml,
};

pub mod combine;
mod compile;
pub mod document;
pub mod summary;

/// A route: who serves a capability.
#[derive(Clone, Debug)]
pub struct Route {
    /// The capability.
    pub capability: Arc<str>,
    /// How the connectors work together.
    pub strategy: Strategy,
    /// Connectors, best first; never empty.
    pub members: Vec<Member>,
    /// Time for the whole route, in milliseconds.
    pub time_ms: Option<u64>,
    /// Money a day for its paid calls, in millionths of the operator's currency.
    pub spend_micros_per_day: Option<u64>,
    /// When a slow connector is overtaken.
    pub hedge: Option<Hedge>,
    /// When a connector is left alone.
    pub breaker: Breaker,
    /// How several answers become one, by attribute.
    pub combine: BTreeMap<Arc<str>, Combine>,
    /// The same for attributes that are not in `combine`.
    pub combine_others: Combine,
    /// Attributes that are levels made from scores.
    pub levels: Vec<(Attribute, Level)>,
    /// How long an answer past its time still serves, in milliseconds; `None` leaves it to each connector.
    pub stale_if_error_ms: Option<u64>,
    /// Values for when nobody answers.
    pub assumed: BTreeMap<Arc<str>, Value>,
    /// Connectors that are tried out.
    pub shadows: Vec<Shadow>,
    /// What must come of it.
    pub tests: Vec<Test>,
    /// What is probably a mistake.
    pub warnings: Vec<Diagnostic>,
}

/// A connector's place in a route.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its id.
    pub connector: Arc<str>,
    /// How long it may take here, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// What it weighs in `weighted_average`; above 0.
    pub weight: f64,
}

/// When a slow connector is overtaken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hedge {
    /// After so many milliseconds.
    pub after_ms: u64,
    /// For at most this share of its calls, in millionths.
    pub extra_millionths: u32,
}

/// When a connector is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// Failures in a row that open it.
    pub failures: u32,
    /// How many of the newest calls are looked at for rates, 4 to 64.
    pub window: u32,
    /// Share of them that failed at which it opens, in millionths.
    pub failure_millionths: u32,
    /// From when on a call is slow, in milliseconds.
    pub slow_call_ms: Option<u64>,
    /// Share of them that were slow or failed at which it opens, in millionths.
    pub slow_millionths: u32,
    /// How long it stays open at first, in milliseconds.
    pub open_ms: i64,
    /// How long it stays open at most, in milliseconds.
    pub open_ms_max: i64,
}

impl Default for Breaker {
    fn default() -> Self {
        Breaker {
            failures: 5,
            window: 20,
            failure_millionths: 500_000,
            slow_call_ms: None,
            slow_millionths: 800_000,
            open_ms: 10_000,
            open_ms_max: 5 * 60_000,
        }
    }
}

/// A connector that is tried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadow {
    /// Its id.
    pub connector: Arc<str>,
    /// The share of decisions after which it is asked, in millionths.
    pub sample_millionths: u32,
    /// Money a day it may cost, in millionths of the operator's currency.
    pub spend_micros_per_day: Option<u64>,
    /// From when on it is no longer asked, in milliseconds since the Unix epoch.
    pub until_ms: i64,
}

impl Route {
    /// How the answers about an attribute become one.
    pub fn combine(&self, attribute: &str) -> Combine {
        self.combine.get(attribute).copied().unwrap_or(self.combine_others)
    }

    /// The level that this route makes from a score, if the attribute is one.
    pub fn level(&self, attribute: &str) -> Option<&Level> {
        self.levels.iter().find(|(level, _)| &*level.name == attribute).map(|(_, level)| level)
    }
}

impl Level {
    /// The level of a score.
    pub fn of(&self, score: &Value) -> Option<Value> {
        let Some(Value::Number(score)) = score.clone().cast(Type::Number) else { return None };
        let steps = [(self.critical, "critical"), (self.high, "high"), (self.medium, "medium"), (self.low, "low")];
        let word = steps.into_iter().find(|(from, _)| score >= *from).map_or("none", |(_, word)| word);
        Some(Value::text(word))
    }
}

/// Compiles a route's file; `connectors` are those that were loaded.
///
/// # Errors
/// Everything that is wrong with it; what is probably a mistake is in [`Route::warnings`].
pub fn compile(
    file: &Arc<str>,
    text: &str,
    connectors: &[Connector],
    catalogue: &Catalogue,
) -> Result<Route, Vec<Diagnostic>> {
    compile_without(file, text, connectors, &[], catalogue)
}

/// The code of a warning that a route goes on without a connector.
pub const WITHOUT: &str = "route.without";

/// The same, where the files of some connectors are refused: the route goes on without them, and says so with
/// [`WITHOUT`]; what only they tell is left out of it.
///
/// # Errors
/// Everything that is wrong with it, and that nothing is left of it.
pub fn compile_without(
    file: &Arc<str>,
    text: &str,
    connectors: &[Connector],
    refused: &[Arc<str>],
    catalogue: &Catalogue,
) -> Result<Route, Vec<Diagnostic>> {
    let document: Document = yaml::parse(file, text)?;
    compile::route(file, document, connectors, refused, catalogue)
}

#[cfg(test)]
mod tests;
