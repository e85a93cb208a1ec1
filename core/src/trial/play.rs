//! Playing one case: a request is decided round by round, and what it asks for is answered from the case.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    attribute::Cost,
    decide::{self, Answer},
    decision::{Decision, Outcome, Reason},
    diagnostic::{self, Diagnostic},
    expr::{SlotSet, Truth},
    facts::{Facts, Reading, SlotId, Units, Why},
    policy::{Policy, Split, StepKind},
    session::{Method, Proof},
    split,
    trial::{
        document::{Case, Scalar},
        expect,
        given::Names,
        moment,
    },
    yaml::{Entries, Spanned},
};

/// How many made-up units are tried before an arm counts as one that nobody gets.
const UNITS_MAX: usize = 100_000;

/// What came of a case.
pub(super) struct Played {
    /// The decision; `None` where `only_if` left the request to another policy.
    pub(super) decision: Option<Decision>,
    /// Everything that was asked for, free attributes aside.
    pub(super) asked: SlotSet,
    /// What was known in the end.
    pub(super) facts: Facts,
}

/// A proof as a case writes it.
enum Stated {
    /// Made at this time, in milliseconds since the Unix epoch.
    At(i64),
    /// Its attempts are spent.
    Failed,
}

/// Plays a case, or says everything that is wrong with it.
pub(super) fn play(names: &Names, usually: &Entries<Spanned<Scalar>>, case: &Case) -> Result<Played, Vec<Diagnostic>> {
    let mut faults = Vec::new();
    let mut noted = |fault: Result<(), Diagnostic>| faults.extend(fault.err());
    noted(expect::check(names, &case.expect));
    for name in case.asked.iter().flatten().chain(&case.not_asked) {
        noted(names.known(name));
    }
    let now_ms = now(names, case).map_err(|fault| noted(Err(fault))).unwrap_or(moment::USUAL_NOW_MS);
    let units = units(names, case).map_err(|fault| noted(Err(fault))).unwrap_or_default();
    let proofs: Vec<(Method, Stated)> = case
        .proofs
        .0
        .iter()
        .filter_map(|it| proof(names, it, now_ms).map_err(|fault| noted(Err(fault))).ok())
        .collect();
    match names.world(&[usually, &case.given], now_ms) {
        Ok(mut world) if faults.is_empty() => {
            world.units = units;
            record(names.policy, &mut world, &proofs);
            Ok(run(names.policy, &world, &proofs))
        }
        Ok(_) => Err(faults),
        Err(more) => {
            // What is wrong with `usually` is told once, not with every case.
            faults.extend(more.into_iter().filter(|it| case.given.0.iter().any(|given| concerns(it, given))));
            Err(faults)
        }
    }
}

fn concerns(fault: &Diagnostic, (name, value): &(Spanned<String>, Spanned<Scalar>)) -> bool {
    fault.span == name.span || fault.span == value.span
}

fn run(policy: &Policy, world: &Facts, proofs: &[(Method, Stated)]) -> Played {
    let mut facts = Facts {
        proofs: world.proofs.clone(),
        units: world.units.clone(),
        ..Facts::unasked(world.now_ms, policy.slots.len())
    };
    for (at, slot) in (0u16..).map(SlotId).zip(&policy.slots) {
        if slot.cost == Cost::Free {
            facts.learn(at, world.reading(at).clone(), None);
        }
    }
    if let Some(only_if) = &policy.only_if
        && only_if.eval(&facts, &mut SlotSet::default()) == Truth::False
    {
        return Played { decision: None, asked: SlotSet::default(), facts };
    }
    let (decision, asked) = rounds(policy, world, &mut facts);
    let spent = match &decision.outcome {
        Outcome::Challenge(challenge) => {
            proofs.iter().any(|(method, stated)| matches!(stated, Stated::Failed) && challenge.methods.contains(method))
        }
        _ => false,
    };
    Played { decision: Some(if spent { decision.attempts_spent() } else { decision }), asked, facts }
}

/// Decides, learns and decides again. Calls that are paid for are counted by what stands before the first dot of their
/// attributes' names, as one call answers for all of those.
fn rounds(policy: &Policy, world: &Facts, facts: &mut Facts) -> (Decision, SlotSet) {
    let mut asked = SlotSet::default();
    let mut paid: BTreeSet<&str> = BTreeSet::new();
    let most = usize::try_from(policy.budget.paid_calls).unwrap_or(usize::MAX);
    for _ in 0..=policy.slots.len() {
        let slots = match decide::decide(policy, facts) {
            Answer::Decided(decision) => return (decision, asked),
            Answer::Needs(slots) => slots,
        };
        for (at, slot) in slots.iter().filter_map(|at| Some((at, policy.slots.get(usize::from(at.0))?))) {
            let group = slot.name.split('.').next().unwrap_or_default();
            if slot.cost == Cost::Paid && !paid.contains(group) && paid.len() >= most {
                facts.learn(at, Reading::Unknown(Why::OverBudget), None);
                continue;
            }
            if slot.cost == Cost::Paid {
                paid.insert(group);
            }
            if slot.cost != Cost::Free {
                asked.insert(at);
            }
            facts.learn(at, world.reading(at).clone(), None);
        }
    }
    (Decision::refused(Reason::Internal), asked)
}

/// Records each proof as if it had been made for just this request: bound to whatever the policy binds.
fn record(policy: &Policy, world: &mut Facts, proofs: &[(Method, Stated)]) {
    let mut bindings = vec![None];
    let gates = policy.gates().map(|gate| (&gate.bind_to, gate.approvers.as_deref()));
    for (slots, approvers) in gates.chain([(&policy.binds, None)]) {
        let Ok(binding) = decide::binding(policy, slots, world) else { continue };
        let bound = Some(&binding).filter(|_| !slots.is_empty());
        bindings.extend(approvers.map(|group| Some(decide::approval(policy, group, bound))));
        bindings.push(Some(binding.digest));
    }
    for (method, stated) in proofs {
        match stated {
            Stated::At(at_ms) => world.proofs.extend(bindings.iter().map(|bound_to| Proof {
                method: *method,
                at_ms: *at_ms,
                event: policy.event.clone(),
                bound_to: *bound_to,
                by: None,
            })),
            Stated::Failed => {}
        }
    }
}

fn proof(
    names: &Names,
    (method, stated): &(Spanned<String>, Spanned<String>),
    now_ms: i64,
) -> Result<(Method, Stated), Diagnostic> {
    let Some(named) = Method::named(method) else { return Err(expect::no_such_method(names, method, &method.span)) };
    match stated.value.as_str() {
        "failed" => Ok((named, Stated::Failed)),
        text => match moment::read(text, now_ms) {
            Some(at_ms) => Ok((named, Stated::At(at_ms))),
            None => Err(names
                .fault("value.type", &stated.span, format!("`{text}` does not say how old a proof is"))
                .help("write `20s ago`, `now` or `failed`")),
        },
    }
}

fn now(names: &Names, case: &Case) -> Result<i64, Diagnostic> {
    match &case.now {
        None => Ok(moment::USUAL_NOW_MS),
        Some(written) => moment::rfc3339(written).ok_or_else(|| {
            names
                .fault("value.type", &written.span, format!("`{}` is no moment", written.value))
                .help("write it as `2026-11-22T09:30:00Z`")
        }),
    }
}

fn units(names: &Names, case: &Case) -> Result<Units, Diagnostic> {
    let shared = |it: &Option<String>| it.as_deref().map(Arc::from);
    if let Some(units) = &case.units {
        return Ok(Units {
            subject: shared(&units.subject),
            device: shared(&units.device),
            session: shared(&units.session),
        });
    }
    let unit = match &case.arm {
        None => usual_unit(names.policy),
        Some(arm) => unit_in(names, arm)?,
    };
    let unit: Arc<str> = unit.into();
    Ok(Units { subject: Some(unit.clone()), device: Some(unit.clone()), session: Some(unit) })
}

/// A made-up unit that is in the first arm of every experiment that has anybody in it.
fn usual_unit(policy: &Policy) -> String {
    let in_first = |split: &Split, unit: &str| match split.arms.iter().find(|arm| arm.share > 0) {
        Some(first) => is_in(split, &first.name, unit),
        None => true,
    };
    let splits = splits(policy);
    made_up().find(|unit| splits.iter().all(|split| in_first(split, unit))).unwrap_or_else(|| "someone".to_string())
}

fn made_up() -> impl Iterator<Item = String> {
    (0..UNITS_MAX).map(|nr| format!("someone {nr}"))
}

fn splits(policy: &Policy) -> Vec<&Split> {
    let splits = policy.steps.iter().filter_map(|step| match &step.kind {
        StepKind::Split(split) => Some(split),
        StepKind::Decide(_) | StepKind::Require(_) | StepKind::Finish(..) => None,
    });
    splits.collect()
}

/// A made-up unit that every experiment with an arm of this name puts into it.
fn unit_in(names: &Names, arm: &Spanned<String>) -> Result<String, Diagnostic> {
    let splits = splits(names.policy);
    let arms: Vec<&str> = splits.iter().flat_map(|split| &split.arms).map(|arm| &*arm.name).collect();
    if !arms.contains(&arm.as_str()) {
        let fault = names.fault("arm.unknown", &arm.span, format!("no experiment has an arm `{}`", arm.value));
        return Err(match diagnostic::nearest(arm, arms.iter().copied()) {
            Some(near) => fault.help(format!("did you mean `{near}`?")),
            None => fault,
        });
    }
    let fits = |unit: &String| splits.iter().all(|split| is_in(split, arm, unit));
    made_up().find(fits).ok_or_else(|| {
        names
            .fault("arm.unreachable", &arm.span, format!("nobody gets the arm `{}`", arm.value))
            .help("give it a share")
    })
}

fn is_in(split: &Split, arm: &str, unit: &str) -> bool {
    let Some(wanted) = split.arms.iter().position(|it| *it.name == *arm) else { return true };
    split::assign(&split.experiment, unit, split.arms.iter().map(|arm| arm.share)) == Some(wanted)
}
