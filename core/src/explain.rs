//! Why a decision came out as it did: every step, every rule with what each of its parts came to, where each attribute
//! came from, and what was not asked.
//!
//! It runs the same [`crate::decide::decide`] as the gateway does and adds to it, so it can never tell another story.
//! Values marked as personal are not in it.

use std::sync::Arc;

use serde::Serialize;

use crate::{
    attribute::Cost,
    decide::{self, Answer},
    decision::{Came, Decision, Trace},
    expr::{Truth, explain::Explained},
    facts::{Facts, Provenance, Reading, SlotId, Why},
    policy::{Gate, Mode, Origin, Policy, Rule, Step, StepKind, Then},
    session::Method,
};

#[cfg(test)]
mod tests;
mod text;

/// Everything about one decision, for people and for the API.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The event.
    pub event: Arc<str>,
    /// The flow, top to bottom, also where it was not reached.
    pub steps: Vec<StepExplained>,
    /// Every attribute that the policy's steps can read.
    pub attributes: Vec<AttributeExplained>,
    /// What has to be asked before there is a decision; empty once there is one.
    pub needs: Vec<Arc<str>>,
    /// The decision, once there is one.
    pub decision: Option<Concluded>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepExplained {
    /// Its label.
    pub label: Arc<str>,
    /// `decide`, `require`, `split` or `finish`.
    pub kind: &'static str,
    /// Enforced, in shadow or off.
    pub mode: Mode,
    /// Whether the flow came here.
    pub reached: bool,
    /// What came of it, in order.
    pub came: Vec<Trace>,
    /// The rules of a `decide` step, in order.
    pub rules: Vec<RuleExplained>,
    /// The demand of a `require` step, or of the arm that was assigned, in words.
    pub demand: Option<String>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleExplained {
    /// Its label.
    pub label: Arc<str>,
    /// What follows where it holds, in words.
    pub then: String,
    /// Whether it was read: its step was reached, and no rule before it had spoken.
    pub read: bool,
    /// Its condition.
    pub when: Part,
}

/// A condition or a part of one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// As written.
    pub text: Arc<str>,
    /// `true`, `false`, `unknown` or `not_asked`.
    pub truth: &'static str,
    /// The attributes it turns on, where it has no parts.
    pub attributes: Vec<Arc<str>>,
    /// What it is made of.
    pub parts: Vec<Part>,
}

/// One attribute.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AttributeExplained {
    /// Its name.
    pub name: Arc<str>,
    /// What asking for it costs.
    pub cost: Cost,
    /// Its value, in words: `12`, `"human"`, `(personal)`; `None` where there is none.
    pub value: Option<String>,
    /// Why it has no value although it was asked for.
    pub unknown: Option<Why>,
    /// Whether nobody asked for it.
    pub not_asked: bool,
    /// Where the value came from.
    pub provenance: Option<Provenance>,
}

/// The decision, in words.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Concluded {
    /// The outcome: `challenge passkey or totp`.
    pub outcome: String,
    /// The reason's code.
    pub reason: &'static str,
    /// The step that decided.
    pub step: Option<Arc<str>>,
    /// The rule that decided.
    pub rule: Option<Arc<str>>,
    /// Experiments and arms.
    pub arms: Vec<(Arc<str>, Arc<str>)>,
    /// A sentence that says why.
    pub because: String,
}

/// Explains what this policy makes of these facts.
pub fn explain(policy: &Policy, facts: &Facts) -> Explanation {
    let (needs, decision) = match decide::decide(policy, facts) {
        Answer::Needs(slots) => (slots.iter().map(|slot| name(policy, slot)).collect(), None),
        Answer::Decided(decision) => (Vec::new(), Some(decision)),
    };
    let trace = decision.as_ref().map(|it| it.trace.as_slice()).unwrap_or_default();
    Explanation {
        event: policy.event.clone(),
        steps: policy.steps.iter().map(|it| step(policy, facts, it, trace)).collect(),
        attributes: readable(policy).map(|it| attribute(policy, facts, it)).collect(),
        needs,
        decision: decision.as_ref().map(|it| concluded(policy, it)),
    }
}

impl Explanation {
    /// The explanation as text for a terminal, one line for each thing that matters.
    pub fn text(&self) -> String {
        text::text(self)
    }
}

/// Every slot but those of the response, which comes after the decision.
fn readable(policy: &Policy) -> impl Iterator<Item = SlotId> {
    let slots = (0u16..).map(SlotId).zip(&policy.slots);
    slots.filter(|(_, slot)| !matches!(slot.origin, Origin::Response(_))).map(|(at, _)| at)
}

fn step(policy: &Policy, facts: &Facts, step: &Step, trace: &[Trace]) -> StepExplained {
    let came: Vec<Trace> = trace.iter().filter(|it| it.step == step.label).cloned().collect();
    let (kind, rules, demand) = match &step.kind {
        StepKind::Decide(rules) => ("decide", explained(policy, facts, rules, &came), None),
        StepKind::Require(gate) => ("require", Vec::new(), Some(demand(policy, gate))),
        StepKind::Split(split) => {
            let assigned = split.arms.iter().find(|arm| came.iter().any(|it| it.label.as_ref() == Some(&arm.name)));
            ("split", Vec::new(), assigned.and_then(|arm| arm.gate.as_ref()).map(|gate| demand(policy, gate)))
        }
        StepKind::Finish(..) => ("finish", Vec::new(), None),
    };
    StepExplained { label: step.label.clone(), kind, mode: step.mode, reached: !came.is_empty(), came, rules, demand }
}

fn explained(policy: &Policy, facts: &Facts, rules: &[Rule], came: &[Trace]) -> Vec<RuleExplained> {
    let spoke =
        came.iter().find(|it| matches!(it.came, Came::Fired | Came::WouldHave)).and_then(|it| it.label.as_ref());
    let mut read = !came.is_empty();
    let mut explained = Vec::with_capacity(rules.len());
    for rule in rules {
        explained.push(RuleExplained {
            label: rule.label.clone(),
            then: leads_to(policy, &rule.then),
            read,
            when: part(policy, rule.when.explain(facts)),
        });
        read = read && spoke != Some(&rule.label);
    }
    explained
}

fn leads_to(policy: &Policy, then: &Then) -> String {
    match then {
        Then::Outcome(outcome) => outcome.to_string(),
        Then::GoTo(later) => match policy.steps.get(*later) {
            Some(step) => format!("go to `{}`", step.label),
            None => "go nowhere".to_string(),
        },
    }
}

fn demand(policy: &Policy, gate: &Gate) -> String {
    let methods: Vec<&str> = gate.methods.iter().map(|it: &Method| it.name()).collect();
    let bound: Vec<Arc<str>> = gate.bind_to.iter().map(|slot| name(policy, *slot)).collect();
    match bound.as_slice() {
        [] => methods.join(" or "),
        bound => format!("{}, bound to {}", methods.join(" or "), bound.join(", ")),
    }
}

fn part(policy: &Policy, explained: Explained) -> Part {
    Part {
        text: explained.text,
        truth: match explained.truth {
            Truth::True => "true",
            Truth::False => "false",
            Truth::Unknown => "unknown",
            Truth::Pending => "not_asked",
        },
        attributes: explained.slots.into_iter().map(|slot| name(policy, slot)).collect(),
        parts: explained.parts.into_iter().map(|it| part(policy, it)).collect(),
    }
}

fn attribute(policy: &Policy, facts: &Facts, at: SlotId) -> AttributeExplained {
    let slot = policy.slots.get(usize::from(at.0));
    let reading = facts.reading(at);
    AttributeExplained {
        name: name(policy, at),
        cost: slot.map_or(Cost::Free, |it| it.cost),
        value: match reading {
            Reading::Known(_) if slot.is_some_and(|it| it.pii) => Some("(personal)".to_string()),
            Reading::Known(value) => Some(value.to_string()),
            Reading::Pending | Reading::Unknown(_) => None,
        },
        unknown: match reading {
            Reading::Unknown(why) => Some(*why),
            Reading::Pending | Reading::Known(_) => None,
        },
        not_asked: *reading == Reading::Pending,
        provenance: facts.provenance.get(usize::from(at.0)).cloned().flatten(),
    }
}

fn concluded(policy: &Policy, decision: &Decision) -> Concluded {
    Concluded {
        outcome: decision.outcome.to_string(),
        reason: decision.reason.code(),
        step: decision.step.clone(),
        rule: decision.rule.clone(),
        arms: decision.arms.clone(),
        because: text::because(policy, decision),
    }
}

fn name(policy: &Policy, slot: SlotId) -> Arc<str> {
    policy.slots.get(usize::from(slot.0)).map_or_else(|| Arc::from("?"), |it| it.name.clone())
}
