//! What holds for every policy and all facts.

use proptest::{collection::vec, prelude::*};

use crate::{
    decide::{self, Answer, tests::build::*},
    decision::{Decision, Outcome, Reason, Verb},
    expr::SlotSet,
    facts::{Facts, Reading, SlotId, Units, Why},
    policy::{Arm, Gate, Mode, Policy, Rule, Split, Step, StepKind, Then},
    session::Method,
    value::Value,
};

/// The boolean slots of [`TABLE`]; the others are bound values.
const BOOLEANS: u16 = 5;

/// A policy that can be built more than once.
#[derive(Clone, Debug)]
struct Plan {
    steps: Vec<(Mode, PlannedStep)>,
    otherwise: Outcome,
    when_unsure: Outcome,
    binds: bool,
}

#[derive(Clone, Debug)]
enum PlannedStep {
    Decide(Vec<(Test, Next, bool)>),
    Require(Vec<Method>, bool),
    Split(Vec<(u8, Vec<Method>, Option<usize>)>),
    Finish(Next),
}

/// An outcome, or so many steps further on.
#[derive(Clone, Debug)]
enum Next {
    Outcome(Outcome),
    Skip(usize),
}

impl Plan {
    /// The policy, with shadow steps as they are or switched off.
    fn policy(&self, shadow: Mode) -> Policy {
        let count = self.steps.len();
        let steps = self.steps.iter().enumerate().map(|(at, (mode, planned))| Step {
            mode: if *mode == Mode::Shadow { shadow } else { *mode },
            ..step(&format!("step {at}"), planned.kind(at, count))
        });
        let mut policy = policy(steps.collect());
        policy.otherwise = self.otherwise.clone();
        policy.when_unsure = self.when_unsure.clone();
        policy.binds = if self.binds { vec![SlotId(AMOUNT), SlotId(PAYEE)] } else { Vec::new() };
        policy
    }
}

impl PlannedStep {
    fn kind(&self, at: usize, count: usize) -> StepKind {
        let gated = |methods: &[Method]| (!methods.is_empty()).then(|| gate(methods));
        match self {
            PlannedStep::Decide(planned) => StepKind::Decide(
                planned
                    .iter()
                    .enumerate()
                    .map(|(nr, (when, next, tells))| {
                        let rule: Rule = rule(&format!("rule {at}.{nr}"), when.clone(), next.then(at, count));
                        if *tells { telling(rule, "told") } else { rule }
                    })
                    .collect(),
            ),
            PlannedStep::Require(methods, bound) => StepKind::Require(Gate {
                bind_to: if *bound { vec![SlotId(AMOUNT), SlotId(PAYEE)] } else { Vec::new() },
                ..gate(methods)
            }),
            PlannedStep::Split(arms) => StepKind::Split(Split {
                experiment: format!("experiment {at}").into(),
                stick_to: crate::decision::Scope::Subject,
                goal: None,
                guardrails: Vec::new(),
                arms: arms
                    .iter()
                    .enumerate()
                    .map(|(nr, (share, methods, skip))| Arm {
                        name: format!("arm {nr}").into(),
                        share: *share,
                        gate: gated(methods),
                        go_to: skip.map(|it| at + 1 + it).filter(|it| *it < count),
                    })
                    .collect(),
            }),
            PlannedStep::Finish(next) => {
                StepKind::Finish(next.then(at, count), crate::decision::Obligations::default())
            }
        }
    }
}

impl Next {
    fn then(&self, at: usize, count: usize) -> Then {
        match self {
            Next::Outcome(outcome) => Then::Outcome(outcome.clone()),
            Next::Skip(steps) if at + 1 + steps < count => Then::GoTo(at + 1 + steps),
            Next::Skip(_) => Then::Outcome(Outcome::Block),
        }
    }
}

fn a_test() -> impl Strategy<Value = Test> {
    prop_oneof![6 => 0..BOOLEANS, 1 => Just(LISTED)].prop_map(Test::Is).prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|it| Test::Not(Box::new(it))),
            vec(inner.clone(), 1..4).prop_map(Test::All),
            vec(inner, 1..4).prop_map(Test::Any),
        ]
    })
}

fn some_methods(at_least: usize) -> impl Strategy<Value = Vec<Method>> {
    let method = prop_oneof![Just(Method::Passkey), Just(Method::Totp), Just(Method::IdDocument)];
    vec(method, at_least..3)
}

fn a_strict_outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![some_methods(1).prop_map(|it| challenge(&it)), Just(reroute()), Just(Outcome::Block), Just(lock_out())]
}

fn an_outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![Just(forward()), Just(throttle()), a_strict_outcome()]
}

fn a_next() -> impl Strategy<Value = Next> {
    prop_oneof![3 => an_outcome().prop_map(Next::Outcome), 1 => (0usize..4).prop_map(Next::Skip)]
}

fn a_step() -> impl Strategy<Value = (Mode, PlannedStep)> {
    let mode = prop_oneof![6 => Just(Mode::Enforce), 2 => Just(Mode::Shadow), 1 => Just(Mode::Off)];
    let arm = (0u8..100, some_methods(0), proptest::option::of(0usize..4));
    let kind = prop_oneof![
        6 => vec((a_test(), a_next(), any::<bool>()), 0..5).prop_map(PlannedStep::Decide),
        2 => (some_methods(1), any::<bool>()).prop_map(|(methods, bound)| PlannedStep::Require(methods, bound)),
        1 => vec(arm, 0..3).prop_map(PlannedStep::Split),
        1 => a_next().prop_map(PlannedStep::Finish),
    ];
    (mode, kind)
}

fn a_plan() -> impl Strategy<Value = Plan> {
    (vec(a_step(), 0..7), an_outcome(), a_strict_outcome(), any::<bool>())
        .prop_map(|(steps, otherwise, when_unsure, binds)| Plan { steps, otherwise, when_unsure, binds })
}

/// What would be learnt of every slot, in the order of [`TABLE`].
fn a_world() -> impl Strategy<Value = Vec<Reading>> {
    let boolean = prop_oneof![
        Just(Reading::Known(Value::Bool(true))),
        Just(Reading::Known(Value::Bool(false))),
        Just(Reading::Unknown(Why::Unavailable)),
    ];
    let amount = prop_oneof![4 => Just(Reading::Known(Value::Number(250.0))), 1 => Just(Reading::Unknown(Why::Absent))];
    (vec(boolean, usize::from(BOOLEANS)), amount).prop_map(|(mut all, amount)| {
        let listed = all[0].clone();
        all.extend([amount, Reading::Known(Value::text("DE89")), listed]);
        all
    })
}

/// Facts with nothing asked yet, for someone who has proved some things.
fn some_facts() -> impl Strategy<Value = Facts> {
    let unit = || proptest::option::of((0u32..50).prop_map(|it| it.to_string().into()));
    (unit(), unit(), vec((some_methods(1), any::<bool>()), 0..3)).prop_map(|(subject, session, proofs)| {
        let mut facts = Facts { units: Units { subject, device: None, session }, ..facts(&[]) };
        let known = paying(facts.clone(), 250.0, "DE89");
        let bound = decide::binding(&policy(Vec::new()), &[SlotId(AMOUNT), SlotId(PAYEE)], &known).unwrap();
        for (methods, is_bound) in proofs {
            facts = proved(facts, methods[0], 1_000, is_bound.then_some(&bound));
        }
        facts
    })
}

fn knowing(mut facts: Facts, world: &[Reading]) -> Facts {
    facts.readings = world.to_vec();
    facts
}

/// Asks, learns only what is needed, and asks again. Also tells which slots were asked for, and in how many rounds.
fn one_by_one(policy: &Policy, mut facts: Facts, world: &[Reading]) -> (Decision, SlotSet, usize) {
    let mut asked = SlotSet::default();
    for round in 1..=TABLE.len() + 1 {
        match decide::decide(policy, &facts) {
            Answer::Decided(decision) => return (decision, asked, round),
            Answer::Needs(slots) => {
                assert!(!slots.is_empty(), "a question about nothing");
                for slot in slots.iter() {
                    assert_eq!(*facts.reading(slot), Reading::Pending, "{slot:?} was asked for twice");
                    facts.learn(slot, world[usize::from(slot.0)].clone(), None);
                }
                asked.extend(slots);
            }
        }
    }
    panic!("more rounds than slots");
}

fn effect(decision: &Decision) -> (&Outcome, Reason, &crate::decision::Obligations) {
    (&decision.outcome, decision.reason, &decision.obligations)
}

fn verb(policy: &Policy, facts: &Facts) -> Verb {
    decided(policy, facts).outcome.verb()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn learning_round_by_round_ends_and_decides_as_knowing_everything(
        plan in a_plan(), world in a_world(), facts in some_facts()
    ) {
        let policy = plan.policy(Mode::Shadow);
        let (lazily, _, rounds) = one_by_one(&policy, facts.clone(), &world);
        let at_once = decided(&policy, &knowing(facts, &world));
        prop_assert!(rounds <= TABLE.len() + 1);
        prop_assert_eq!(effect(&lazily), effect(&at_once));
        prop_assert_eq!(lazily.arms, at_once.arms);
    }

    #[test]
    fn shadow_steps_change_nothing_and_pay_for_nothing(plan in a_plan(), world in a_world(), facts in some_facts()) {
        let (beside, asked, _) = one_by_one(&plan.policy(Mode::Shadow), facts.clone(), &world);
        let (without, asked_without, _) = one_by_one(&plan.policy(Mode::Off), facts, &world);
        prop_assert_eq!(effect(&beside), effect(&without));
        prop_assert_eq!(&beside.step, &without.step);
        prop_assert_eq!(&beside.arms, &without.arms);
        for paid in [FRAUD, EMAIL].map(SlotId) {
            prop_assert!(!asked.contains(paid) || asked_without.contains(paid), "paid for {:?}", paid);
        }
    }

    #[test]
    fn one_missing_value_is_never_milder_than_every_value_or_when_unsure(
        plan in a_plan(), world in a_world(), slot in 0..BOOLEANS
    ) {
        let policy = plan.policy(Mode::Shadow);
        let mut facts = knowing(facts(&[]), &world);
        // With one value missing; what else is missing at the same time is another property's matter.
        facts.learn(SlotId(AMOUNT), Reading::Known(Value::Number(250.0)), None);
        for known in (0..BOOLEANS).chain([LISTED]).map(SlotId) {
            if let Reading::Unknown(_) = facts.reading(known) {
                facts.learn(known, Reading::Known(Value::Bool(true)), None);
            }
        }
        let mut with = |reading| {
            facts.learn(SlotId(slot), reading, None);
            verb(&policy, &facts)
        };
        let mildest = with(Reading::Known(Value::Bool(true))).min(with(Reading::Known(Value::Bool(false))));
        let missing = with(Reading::Unknown(Why::Unavailable));
        prop_assert!(
            missing >= mildest.min(policy.when_unsure.verb()),
            "{missing:?} without it, {mildest:?} with the value that is best for the client"
        );
    }

    #[test]
    fn more_missing_values_never_let_through_what_an_undecided_stricter_rule_stands_against(
        plan in a_plan(), world in a_world()
    ) {
        let mut policy = plan.policy(Mode::Off);
        // Without jumps the rank of every rule is written beside it.
        for step in &mut policy.steps {
            match &mut step.kind {
                StepKind::Decide(rules) => {
                    rules.iter_mut().for_each(|rule| if let Then::GoTo(_) = rule.then { rule.then = Outcome::Block.into() });
                }
                StepKind::Split(split) => split.arms.iter_mut().for_each(|arm| arm.go_to = None),
                StepKind::Require(_) | StepKind::Finish(..) => {}
            }
        }
        let decision = decided(&policy, &knowing(facts(&[]), &world));
        for trace in decision.trace.iter().filter(|it| it.came == crate::decision::Came::Undecided) {
            let rules = policy.steps.iter().filter_map(|it| match &it.kind {
                StepKind::Decide(rules) => Some(rules),
                StepKind::Require(_) | StepKind::Split(_) | StepKind::Finish(..) => None,
            });
            let undecided = rules.flatten().find(|it| Some(&it.label) == trace.label.as_ref()).unwrap();
            let Then::Outcome(outcome) = &undecided.then else { panic!("no jumps here") };
            let least = outcome.verb().min(policy.when_unsure.verb());
            prop_assert!(decision.outcome.verb() >= least, "{:?} against {:?}", decision, undecided);
        }
    }
}
