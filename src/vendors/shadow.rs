//! Connectors that are tried out: asked after the decision, beside it, and never for it.
//!
//! They have places and money of their own. What they say goes to the decision log and the numbers, nowhere else.

use std::{sync::Arc, time::Duration};

use stepward_core::{connector::route, value::Value};
use tokio::time::Instant;

use crate::{
    clock::Clock,
    telemetry::{Metrics, vendors::Shadowed},
    vendors::{
        Question,
        runner::{Begun, Purse, Runner},
        spend::Spend,
    },
};

/// Calls of all shadows that may be out at once.
pub const CALLS_MAX: usize = 16;

/// A connector that is tried out.
pub struct Candidate {
    /// The connector.
    pub runner: Arc<Runner>,
    /// How often, for how long, for how much.
    pub rules: route::Shadow,
    /// The capability it is tried out for.
    pub capability: Arc<str>,
    /// What it cost today.
    pub spend: Arc<Spend>,
    /// The time.
    pub clock: Clock,
}

/// A question that will be put to one.
#[derive(Clone)]
pub struct Trial {
    runner: Arc<Runner>,
    rules: route::Shadow,
    capability: Arc<str>,
    spend: Arc<Spend>,
    metrics: Metrics,
    tenant: Arc<str>,
    inputs: Arc<[(Arc<str>, Arc<str>)]>,
    live: Arc<[(Arc<str>, Option<Value>)]>,
}

/// What a shadow said beside what counted.
pub struct Tried {
    /// Its id.
    pub connector: Arc<str>,
    /// The capability.
    pub capability: Arc<str>,
    /// The tenant.
    pub tenant: Arc<str>,
    /// What the call came to.
    pub outcome: &'static str,
    /// How long it took.
    pub took: Duration,
    /// For each attribute that was asked for and that it gives: what counted, and what it says.
    pub attributes: Vec<(Arc<str>, Option<Value>, Option<Value>)>,
}

impl Candidate {
    /// A trial, if the lot falls on this question.
    pub fn drawn(&self, question: &Question<'_>, live: &[(&str, Option<Value>)], metrics: &Metrics) -> Option<Trial> {
        let is_over = self.clock.now_ms() >= self.rules.until_ms;
        if is_over || rand::random::<u32>() % 1_000_000 >= self.rules.sample_millionths {
            return None;
        }
        let gives = |name: &str| self.runner.connector.provides().iter().any(|it| &*it.name == name);
        let live: Arc<[_]> =
            live.iter().filter(|(name, _)| gives(name)).map(|(name, it)| ((*name).into(), it.clone())).collect();
        (!live.is_empty()).then(|| Trial {
            runner: self.runner.clone(),
            rules: self.rules.clone(),
            capability: self.capability.clone(),
            spend: self.spend.clone(),
            metrics: metrics.clone(),
            tenant: question.tenant.into(),
            inputs: question.inputs.into(),
            live,
        })
    }
}

impl Trial {
    /// Asks; `None` where nothing was asked.
    pub async fn run(self) -> Option<Tried> {
        let meter = self.runner.meter(&self.metrics).clone();
        let limit = Duration::from_millis(self.runner.connector.timeout_ms());
        let deadline = Instant::now() + limit;
        let purse = Purse { calls_left: None, spend: &self.spend, cap_micros: self.rules.spend_micros_per_day };
        let paid_left = Default::default();
        let question = Question { tenant: &self.tenant, inputs: &self.inputs, deadline, paid_left: &paid_left };
        let (answer, outcome, took) = match self.runner.begin(&question, purse, limit, &self.metrics) {
            Begun::Skipped => return None,
            Begun::Refused(_) => {
                meter.shadowed(Shadowed::Dropped);
                return None;
            }
            Begun::Found(answer, _) => {
                let word = answer.class.name();
                (Arc::new(answer), word, Duration::ZERO)
            }
            Begun::Kept(answer, _) => (answer, "cached", Duration::ZERO),
            Begun::Flying(mut flying) => {
                let answer = flying.answer().await;
                let word = answer.class.name();
                (answer, word, flying.since.elapsed())
            }
        };
        let provides = self.runner.connector.provides();
        let said = |name: &Arc<str>| {
            let at = provides.iter().position(|it| it.name == *name)?;
            answer.values.get(at).cloned().flatten()
        };
        let attributes: Vec<_> =
            self.live.iter().map(|(name, live)| (name.clone(), live.clone(), said(name))).collect();
        meter.shadowed(if answer.class.falls_over() { Shadowed::Failed } else { compared(&attributes) });
        Some(Tried {
            connector: self.runner.connector.id.clone(),
            capability: self.capability,
            tenant: self.tenant,
            outcome,
            took,
            attributes,
        })
    }
}

fn compared(attributes: &[(Arc<str>, Option<Value>, Option<Value>)]) -> Shadowed {
    let both: Vec<_> = attributes.iter().filter_map(|(_, live, said)| live.as_ref().zip(said.as_ref())).collect();
    match both.iter().all(|(live, said)| live == said) {
        _ if both.is_empty() => Shadowed::Incomparable,
        true => Shadowed::Agreed,
        false => Shadowed::Differed,
    }
}
