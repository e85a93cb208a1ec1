//! Policies and facts by hand, small enough to read in a test.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    attribute::Cost,
    decide::{self, Answer},
    decision::{
        Binding, Challenge, Decision, Forward, LockOut, Obligations, Outcome, Rate, Reason, Reroute, Scope, Throttle,
    },
    expr::{Condition, SlotSet, Truth},
    facts::{Facts, Reading, SlotId, Units, Why},
    policy::{Apply, Arm, Budget, Gate, Mode, OnStateLoss, Origin, Policy, Rule, Slot, Split, Step, StepKind, Then},
    session::{Method, Proof},
    value::{Type, Value},
};

pub(super) const NOW: i64 = 1_800_000_000_000;

/// The table of every policy here: name, type and cost.
pub(super) const TABLE: [(&str, Type, Cost); 8] = [
    ("device.is_known", Type::Bool, Cost::Free),
    ("ip.is_tor", Type::Bool, Cost::Cheap),
    ("ip.is_hosting", Type::Bool, Cost::Cheap),
    ("fraud.is_bad", Type::Bool, Cost::Paid),
    ("email.is_disposable", Type::Bool, Cost::Paid),
    ("event.amount", Type::Number, Cost::Free),
    ("event.payee", Type::Text, Cost::Free),
    ("ip.is_listed", Type::Bool, Cost::Cheap),
];
pub(super) const DEVICE: u16 = 0;
pub(super) const TOR: u16 = 1;
pub(super) const HOSTING: u16 = 2;
pub(super) const FRAUD: u16 = 3;
pub(super) const EMAIL: u16 = 4;
pub(super) const AMOUNT: u16 = 5;
pub(super) const PAYEE: u16 = 6;
pub(super) const LISTED: u16 = 7;

/// A condition over the boolean slots.
#[derive(Clone, Debug)]
pub(super) enum Test {
    Is(u16),
    Not(Box<Test>),
    All(Vec<Test>),
    Any(Vec<Test>),
}

impl Test {
    pub(super) fn condition(self) -> Condition {
        let mut uses = SlotSet::default();
        self.mentions(&mut uses);
        let text = format!("{self:?}");
        Condition::new(text, uses, Box::new(move |facts, wanted| self.truth(facts, wanted)))
    }

    fn mentions(&self, uses: &mut SlotSet) {
        match self {
            Test::Is(slot) => uses.insert(SlotId(*slot)),
            Test::Not(inner) => inner.mentions(uses),
            Test::All(inner) | Test::Any(inner) => inner.iter().for_each(|it| it.mentions(uses)),
        }
    }

    fn truth(&self, facts: &Facts, wanted: &mut SlotSet) -> Truth {
        match self {
            Test::Is(slot) => match facts.reading(SlotId(*slot)) {
                Reading::Known(Value::Bool(true)) => Truth::True,
                Reading::Known(Value::Bool(false)) => Truth::False,
                Reading::Known(_) | Reading::Unknown(_) => Truth::Unknown,
                Reading::Pending => {
                    wanted.insert(SlotId(*slot));
                    Truth::Pending
                }
            },
            Test::Not(inner) => match inner.truth(facts, wanted) {
                Truth::True => Truth::False,
                Truth::False => Truth::True,
                other => other,
            },
            Test::All(inner) => absorb(inner, Truth::False, facts, wanted),
            Test::Any(inner) => absorb(inner, Truth::True, facts, wanted),
        }
    }
}

fn absorb(inner: &[Test], stop: Truth, facts: &Facts, wanted: &mut SlotSet) -> Truth {
    let mut asked = SlotSet::default();
    let all: Vec<Truth> = inner.iter().map(|it| it.truth(facts, &mut asked)).collect();
    if all.contains(&stop) {
        return stop;
    }
    if all.contains(&Truth::Pending) {
        wanted.extend(asked);
        return Truth::Pending;
    }
    match (all.contains(&Truth::Unknown), stop) {
        (true, _) => Truth::Unknown,
        (false, Truth::True) => Truth::False,
        (false, _) => Truth::True,
    }
}

pub(super) fn is(slot: u16) -> Test {
    Test::Is(slot)
}

pub(super) fn policy(steps: Vec<Step>) -> Policy {
    Policy {
        event: "transfer money".into(),
        file: "transfer.yaml".into(),
        journey: None,
        after: Vec::new(),
        about: None,
        owner: None,
        mode: Mode::Enforce,
        apply: Apply::Before,
        covers: Vec::new(),
        only_if: None,
        facts: Vec::new(),
        settings: BTreeMap::new(),
        succeeded: None,
        failed: None,
        ends_session: false,
        budget: Budget { time_ms: 900, paid_calls: 1 },
        when_unsure: challenge(&[Method::IdDocument]),
        otherwise: forward(),
        steps,
        slots: TABLE
            .into_iter()
            .map(|(name, kind, cost)| Slot { name: name.into(), kind, cost, origin: Origin::Catalogue, pii: false })
            .collect(),
        binds: Vec::new(),
        recheck_ms: 300_000,
        on_state_loss: OnStateLoss::Deny,
        reads_body: false,
        inspect_bytes_max: 262_144,
        park_bytes_max: 1_048_576,
        park_ms: 600_000,
        allowed_origins: Vec::new(),
    }
}

pub(super) fn step(label: &str, kind: StepKind) -> Step {
    Step { label: label.into(), id: label.into(), mode: Mode::Enforce, kind }
}

pub(super) fn shadow(step: Step) -> Step {
    Step { mode: Mode::Shadow, ..step }
}

pub(super) fn rules<const N: usize>(label: &str, rules: [Rule; N]) -> Step {
    step(label, StepKind::Decide(rules.into()))
}

pub(super) fn rule(label: &str, when: Test, then: impl Into<Then>) -> Rule {
    Rule {
        label: label.into(),
        id: label.into(),
        when: when.condition(),
        then: then.into(),
        obligations: Obligations::default(),
    }
}

pub(super) fn telling(rule: Rule, key: &str) -> Rule {
    Rule { obligations: Obligations { tell: Some(key.into()), ..Obligations::default() }, ..rule }
}

pub(super) fn require(label: &str, methods: &[Method]) -> Step {
    step(label, StepKind::Require(gate(methods)))
}

pub(super) fn require_bound(label: &str, methods: &[Method]) -> Step {
    let bind_to = vec![SlotId(AMOUNT), SlotId(PAYEE)];
    step(label, StepKind::Require(Gate { bind_to, ..gate(methods) }))
}

pub(super) fn gate(methods: &[Method]) -> Gate {
    Gate {
        methods: methods.to_vec(),
        fresh_for_ms: 120_000,
        bind_to: Vec::new(),
        attempts: 3,
        on_fail: lock_out(),
        enrol_allowed: false,
        approvers: None,
    }
}

pub(super) fn split<const N: usize>(label: &str, arms: [Arm; N]) -> Step {
    let experiment = "second-factor".into();
    let arms = arms.into();
    step(
        label,
        StepKind::Split(Split { experiment, stick_to: Scope::Subject, goal: None, guardrails: Vec::new(), arms }),
    )
}

pub(super) fn arm(name: &str, share: u8, methods: &[Method]) -> Arm {
    let gate = (!methods.is_empty()).then(|| gate(methods));
    Arm { name: name.into(), share, gate, go_to: None }
}

pub(super) fn finish(label: &str, then: impl Into<Then>) -> Step {
    step(label, StepKind::Finish(then.into(), Obligations::default()))
}

impl From<Outcome> for Then {
    fn from(outcome: Outcome) -> Self {
        Then::Outcome(outcome)
    }
}

pub(super) fn forward() -> Outcome {
    Outcome::Forward(Forward::default())
}

pub(super) fn throttle() -> Outcome {
    Outcome::Throttle(Throttle { rate: Rate { count: 5, window_ms: 60_000 }, per: Scope::Subject })
}

pub(super) fn challenge(methods: &[Method]) -> Outcome {
    Outcome::Challenge(Challenge {
        methods: methods.to_vec(),
        fresh_for_ms: 300_000,
        binding: None,
        attempts: 3,
        on_fail: Box::new(Outcome::Block),
        enrol_allowed: false,
        approval: None,
    })
}

pub(super) fn reroute() -> Outcome {
    Outcome::Reroute(Reroute::Path("/sorry".into()))
}

pub(super) fn lock_out() -> Outcome {
    Outcome::LockOut(LockOut { what: Scope::Subject, for_ms: 900_000 })
}

/// Facts where the named slots are known to be true or false and the others not asked for.
pub(super) fn facts(known: &[(u16, bool)]) -> Facts {
    let mut facts = Facts::unasked(NOW, TABLE.len());
    facts.units = Units { subject: Some("alice".into()), device: None, session: Some("s-1".into()) };
    for (slot, value) in known {
        facts.learn(SlotId(*slot), Reading::Known(Value::Bool(*value)), None);
    }
    facts
}

pub(super) fn without(mut facts: Facts, slots: &[u16]) -> Facts {
    for slot in slots {
        facts.learn(SlotId(*slot), Reading::Unknown(Why::Unavailable), None);
    }
    facts
}

pub(super) fn paying(mut facts: Facts, amount: f64, payee: &str) -> Facts {
    facts.learn(SlotId(AMOUNT), Reading::Known(Value::Number(amount)), None);
    facts.learn(SlotId(PAYEE), Reading::Known(Value::text(payee)), None);
    facts
}

pub(super) fn proved(mut facts: Facts, method: Method, age_ms: i64, bound_to: Option<&Binding>) -> Facts {
    facts.proofs.push(Proof {
        method,
        at_ms: NOW - age_ms,
        event: "login".into(),
        bound_to: bound_to.map(|it| it.digest),
        by: None,
    });
    facts
}

/// What is asked for, by slot.
pub(super) fn needs(policy: &Policy, facts: &Facts) -> Vec<u16> {
    match decide::decide(policy, facts) {
        Answer::Needs(slots) => slots.iter().map(|slot| slot.0).collect(),
        Answer::Decided(decision) => panic!("decided {decision:?}"),
    }
}

pub(super) fn decided(policy: &Policy, facts: &Facts) -> Decision {
    match decide::decide(policy, facts) {
        Answer::Needs(slots) => panic!("needs {:?}", slots.iter().collect::<Vec<_>>()),
        Answer::Decided(decision) => decision,
    }
}

/// The decision in a line: outcome, reason, and what spoke.
pub(super) fn said(policy: &Policy, facts: &Facts) -> String {
    let decision = decided(policy, facts);
    let methods = match &decision.outcome {
        Outcome::Challenge(it) => it.methods.iter().map(|it| format!(" {it}")).collect::<String>(),
        _ => String::new(),
    };
    let by = decision.rule.or(decision.step).unwrap_or_else(|| Arc::from("-"));
    format!("{}{methods} ({}: {by})", decision.outcome.verb().name(), decision.reason.code())
}

pub(super) fn refused_for(reason: Reason, decision: &Decision) -> bool {
    decision.outcome == Outcome::Block && decision.reason == reason
}
