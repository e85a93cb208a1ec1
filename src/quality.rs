//! What signals are worth: which decisions each vendor changed, what it cost, and how two of them compare.
//!
//! Told from recorded decisions by the engine that made them: a decision is made again with one attribute unknown, and
//! what comes out is what the attribute was good for. A line that does not come out the same with everything known, as
//! when policies have changed or a pseudonym stands where a value was, is counted apart and says nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use stepward_core::{
    decide::{self, Answer},
    decision::Verb,
    facts::{Facts, Reading, SlotId, Why},
    policy::Policy,
};

use crate::quality::{
    calls::Calls,
    compare::{Comparison, Prices},
    line::{Line, Log},
};

pub mod calls;
pub mod compare;
pub mod line;
pub mod statistics;
#[cfg(test)]
mod tests;

/// What a log says about the vendors behind it.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Report {
    /// Decisions that were made again with the same outcome; all shares are of these.
    pub decisions: u64,
    /// Decisions that these policies would not make again as they were made.
    pub not_repeated: u64,
    /// Decisions about events that no policy here is about.
    pub other_events: u64,
    /// Lines that are neither decisions nor shadow answers.
    pub unread_lines: u64,
    /// Each vendor, by name.
    pub vendors: Vec<Vendor>,
}

/// What one vendor was good for.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Vendor {
    /// Its connector.
    pub connector: Arc<str>,
    /// What all it said changed.
    pub effect: Effect,
    /// What each of its attributes changed.
    pub attributes: Vec<Attribute>,
    /// Its calls, where the log tells of them.
    pub calls: Calls,
    /// Money a changed decision cost, in the operator's currency.
    pub cost_per_changed: Option<f64>,
    /// Against each vendor that was asked in its shadow, or in whose shadow it was.
    pub shadows: Vec<Comparison>,
}

/// What one attribute of one vendor was good for.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Attribute {
    /// Its name.
    pub attribute: Arc<str>,
    /// What it changed.
    pub effect: Effect,
}

/// How decisions would have come out without something.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Effect {
    /// Decisions in which it was known.
    pub known: u64,
    /// Of these, how many would have come out otherwise.
    pub changed: u64,
    /// The share of all decisions that it changed.
    pub share: Option<f64>,
    /// Changed to a stricter outcome by it.
    pub made_stricter: u64,
    /// Changed to a less strict one by it.
    pub made_looser: u64,
    /// Would have come out the same, but only after asking for something else.
    pub would_ask: u64,
}

impl Effect {
    fn add(&mut self, with: Verb, without: Verb, asked: bool) {
        self.known += 1;
        self.changed += u64::from(with != without);
        self.made_stricter += u64::from(with > without);
        self.made_looser += u64::from(with < without);
        self.would_ask += u64::from(with == without && asked);
    }

    fn of(mut self, decisions: u64) -> Effect {
        self.share = statistics::share(self.changed, decisions);
        self
    }
}

/// Sums up a log under these policies and prices.
pub fn report(log: &Log, policies: &[Arc<Policy>], prices: &Prices) -> Report {
    let mut tally = Tally::default();
    for line in &log.decisions {
        tally.calls(line, prices);
        let Some(event) = &line.event else { continue };
        match policies.iter().find(|policy| policy.event == *event) {
            Some(policy) => tally.decision(line, policy),
            None => tally.other_events += 1,
        }
    }
    tally.told(log, prices)
}

/// What each attribute changed.
type Effects = BTreeMap<Arc<str>, Effect>;

#[derive(Default)]
struct Tally {
    decisions: u64,
    not_repeated: u64,
    other_events: u64,
    vendors: BTreeMap<Arc<str>, (Effect, Effects)>,
    calls: BTreeMap<Arc<str>, Calls>,
}

impl Tally {
    fn calls(&mut self, line: &Line, prices: &Prices) {
        for call in &line.calls {
            let price_micros = prices.get(&call.connector).copied().unwrap_or(0);
            self.calls.entry(call.connector.clone()).or_default().add(call, price_micros);
        }
    }

    fn decision(&mut self, line: &Line, policy: &Policy) {
        let Some(facts) = line.facts(policy) else {
            self.not_repeated += 1;
            return;
        };
        if again(policy, facts.clone()).0 != line.outcome {
            self.not_repeated += 1;
            return;
        }
        self.decisions += 1;
        let told = told_by(line, policy);
        for (vendor, slots) in &told {
            let (effect, attributes) = self.vendors.entry(vendor.clone()).or_default();
            let (without, asked) = again(policy, unknowing(&facts, slots));
            effect.add(line.outcome, without, asked);
            for slot in slots {
                let Some(name) = policy.slots.get(usize::from(slot.0)).map(|it| &it.name) else { continue };
                let (without, asked) = again(policy, unknowing(&facts, &[*slot]));
                attributes.entry(name.clone()).or_default().add(line.outcome, without, asked);
            }
        }
    }

    fn told(self, log: &Log, prices: &Prices) -> Report {
        let decisions = self.decisions;
        let names: BTreeSet<Arc<str>> = self.vendors.keys().chain(self.calls.keys()).cloned().collect();
        let vendor = |connector: &Arc<str>| {
            let (effect, attributes) = self.vendors.get(connector).cloned().unwrap_or_default();
            let calls = self.calls.get(connector).cloned().unwrap_or_default().summed();
            let told = |(attribute, effect): (Arc<str>, Effect)| Attribute { attribute, effect: effect.of(decisions) };
            let cost_per_changed = (effect.changed > 0 && calls.made > 0).then(|| calls.cost / effect.changed as f64);
            Vendor {
                connector: connector.clone(),
                effect: effect.of(decisions),
                attributes: attributes.into_iter().map(told).collect(),
                calls,
                cost_per_changed,
                shadows: compare::shadows(log, connector, prices),
            }
        };
        Report {
            decisions,
            not_repeated: self.not_repeated,
            other_events: self.other_events,
            unread_lines: log.unread as u64,
            vendors: names.iter().map(vendor).collect(),
        }
    }
}

/// The slots that each vendor told.
fn told_by(line: &Line, policy: &Policy) -> BTreeMap<Arc<str>, Vec<SlotId>> {
    let mut told: BTreeMap<Arc<str>, Vec<SlotId>> = BTreeMap::new();
    for (slot, it) in (0u16..).map(SlotId).zip(&policy.slots).filter(|(_, it)| !it.is_own()) {
        let source = line.attributes.get(&it.name).filter(|seen| seen.is_known()).and_then(|seen| seen.source.clone());
        if let Some(source) = source {
            told.entry(source).or_default().push(slot);
        }
    }
    told
}

fn unknowing(facts: &Facts, slots: &[SlotId]) -> Facts {
    let mut facts = facts.clone();
    slots.iter().for_each(|slot| facts.learn(*slot, Reading::Unknown(Why::Unavailable), None));
    facts
}

/// Decides again; what the log does not know is unknown. Whether something was asked for that the log does not know.
fn again(policy: &Policy, mut facts: Facts) -> (Verb, bool) {
    let mut asked = false;
    for _ in 0..=policy.slots.len() {
        match decide::decide(policy, &facts) {
            Answer::Decided(decision) => return (decision.outcome.verb(), asked),
            Answer::Needs(slots) => {
                asked = true;
                slots.iter().for_each(|slot| facts.learn(slot, Reading::Unknown(Why::NotProvided), None));
            }
        }
    }
    // INVARIANT: every round leaves fewer slots pending, so this is never reached; if it were, it would be a refusal.
    (Verb::Block, asked)
}
