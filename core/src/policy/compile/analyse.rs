//! What is wrong with a policy that reads well: steps nobody reaches, demands that add nothing, doors that a missing
//! signal opens.

use std::collections::BTreeMap;

use crate::{
    attribute::Cost,
    decision::{Challenge, Outcome, Verb},
    diagnostic::Diagnostic,
    expr::SlotSet,
    facts::SlotId,
    policy::{
        Apply, Gate, OnStateLoss, Policy, Rule, Step, StepKind, Then,
        compile::{
            Place, event,
            steps::{self, StepPlace},
        },
    },
    session::Method,
};

/// Everything found.
pub(super) fn analyse(policy: &Policy, when_unsure: &Place, places: &[StepPlace]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    found.extend(weak_when_unsure(policy, when_unsure));
    // A `go_to` counts steps as written; with a step missing, which has its own error, the rest would be guesses.
    if places.len() == policy.steps.len() {
        found.extend(unreachable(policy, places));
        found.extend(unreachable_rules(policy, places));
        found.extend(adds_nothing(policy, places));
        found.extend(opened_by_unknown(policy, places));
        found.extend(weak_proofs(policy, when_unsure));
        found.extend(met_by_no_stranger(policy, places));
        found.extend(when_unsure_adds_nothing(policy, when_unsure));
        found.extend(opened_by_state_loss(policy, when_unsure));
    }
    found
}

fn weak_when_unsure(policy: &Policy, place: &Place) -> Option<Diagnostic> {
    let verb = policy.when_unsure.verb();
    (verb < Verb::Challenge).then(|| {
        let message = format!("`when_unsure: {}` would let in whoever makes a signal fail", verb.name());
        place.error("when_unsure.weak", message).help("use `challenge` or stricter")
    })
}

/// Which steps can be reached when `without` is taken out of the flow.
fn reached(policy: &Policy, without: Option<usize>) -> Vec<bool> {
    let mut reached = vec![false; policy.steps.len()];
    if let Some(first) = reached.first_mut() {
        *first = without != Some(0);
    }
    for (at, step) in policy.steps.iter().enumerate() {
        if !reached.get(at).copied().unwrap_or(false) {
            continue;
        }
        for next in successors(step, at) {
            if let Some(place) = reached.get_mut(next).filter(|_| without != Some(next)) {
                *place = true;
            }
        }
    }
    reached
}

/// The steps that may follow. One in shadow has no effect, so the next follows whatever it says.
fn successors(step: &Step, at: usize) -> Vec<usize> {
    if !steps::is_live(step) {
        return vec![at + 1];
    }
    match &step.kind {
        StepKind::Decide(rules) => {
            let mut next = Vec::new();
            for rule in rules {
                let settled = rule.when.constant();
                if settled != Some(false) {
                    next.extend(go_to(&rule.then));
                }
                if settled == Some(true) {
                    return next;
                }
            }
            next.push(at + 1);
            next
        }
        StepKind::Require(_) => vec![at + 1],
        StepKind::Split(split) => split.arms.iter().map(|arm| arm.go_to.unwrap_or(at + 1)).collect(),
        StepKind::Finish(then, _) => go_to(then).into_iter().collect(),
    }
}

fn ended_by(then: &Then) -> Option<&Outcome> {
    match then {
        Then::Outcome(outcome) => Some(outcome),
        Then::GoTo(_) => None,
    }
}

fn go_to(then: &Then) -> Option<usize> {
    match then {
        Then::GoTo(step) => Some(*step),
        Then::Outcome(_) => None,
    }
}

fn unreachable(policy: &Policy, places: &[StepPlace]) -> Vec<Diagnostic> {
    let reached = reached(policy, None);
    let steps = policy.steps.iter().zip(places).zip(reached);
    steps
        .filter(|(_, reached)| !reached)
        .map(|((step, place), _)| {
            let message = format!("the step `{}` is never reached", step.label);
            place.name.error("step.unreachable", message).help("nothing falls through to it, and no `go_to` names it")
        })
        .collect()
}

/// Rules behind one that always fires, or that ask the same as an earlier one.
fn unreachable_rules(policy: &Policy, places: &[StepPlace]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (step, place) in policy.steps.iter().zip(places) {
        let StepKind::Decide(rules) = &step.kind else { continue };
        let mut always: Option<&Rule> = None;
        let mut asked: BTreeMap<&str, &Rule> = BTreeMap::new();
        for (rule, place) in rules.iter().zip(&place.rules) {
            if let Some(cause) = always.or_else(|| asked.get(&*rule.when.text).copied()) {
                let message =
                    format!("the rule `{}` never fires: `{}` fires whenever it would", rule.label, cause.label);
                found.push(place.name.error("rule.unreachable", message));
            }
            asked.entry(&rule.when.text).or_insert(rule);
            always = always.or((rule.when.constant() == Some(true)).then_some(rule));
        }
    }
    found
}

/// A rule's challenge that whoever gets there has met already.
fn adds_nothing(policy: &Policy, places: &[StepPlace]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (at, (step, place)) in policy.steps.iter().zip(places).enumerate() {
        for (challenge, place) in challenges(step, place) {
            if let Some(gate) = passed_before(policy, at).into_iter().find(|(_, gate)| met_by(challenge, gate)) {
                let message = format!("this challenge adds nothing: `{}` required the same before", gate.0);
                found.push(place.warning("challenge.adds_nothing", message).help("name a stronger method, or block"));
            }
        }
    }
    found
}

/// The challenges that a step's rules or end decide, with their places.
fn challenges<'a>(step: &'a Step, place: &'a StepPlace) -> Vec<(&'a Challenge, &'a Place)> {
    let of = |then: &'a Then| match ended_by(then)? {
        Outcome::Challenge(challenge) => Some(challenge),
        Outcome::Forward(_) | Outcome::Throttle(_) | Outcome::Reroute(_) | Outcome::Block | Outcome::LockOut(_) => None,
    };
    match &step.kind {
        StepKind::Decide(rules) => {
            let rules = rules.iter().zip(&place.rules);
            rules.filter_map(|(rule, place)| of(&rule.then).map(|challenge| (challenge, &place.then))).collect()
        }
        StepKind::Finish(then, _) => of(then).map(|challenge| (challenge, &place.name)).into_iter().collect(),
        StepKind::Require(_) | StepKind::Split(_) => Vec::new(),
    }
}

/// The `require` steps that every way to this step leads through.
fn passed_before(policy: &Policy, at: usize) -> Vec<(&str, &Gate)> {
    let before = policy.steps.iter().enumerate().take(at).filter(|(_, step)| steps::is_live(step));
    before
        .filter_map(|(earlier, step)| match &step.kind {
            StepKind::Require(gate) => {
                let avoidable = reached(policy, Some(earlier)).get(at).copied().unwrap_or(false);
                (!avoidable).then_some((&*step.label, gate))
            }
            StepKind::Decide(_) | StepKind::Split(_) | StepKind::Finish(..) => None,
        })
        .collect()
}

/// Whether every proof that opens the gate meets the challenge.
fn met_by(challenge: &Challenge, gate: &Gate) -> bool {
    gate.fresh_for_ms <= challenge.fresh_for_ms && gate.methods.iter().all(|method| challenge.methods.contains(method))
}

/// A `when_unsure` that whoever passed an earlier `require` has met: a signal that fails would then let them in.
fn when_unsure_adds_nothing(policy: &Policy, place: &Place) -> Option<Diagnostic> {
    let Outcome::Challenge(challenge) = &policy.when_unsure else { return None };
    let asked_for = signals(policy);
    let refuses = |rule: &&Rule| {
        let stricter = ended_by(&rule.then).is_some_and(|outcome| outcome.verb() > Verb::Challenge);
        stricter && rule.when.uses.iter().any(|slot| asked_for.contains(slot))
    };
    for (at, step) in policy.steps.iter().enumerate().filter(|(_, step)| steps::is_live(step)) {
        let StepKind::Decide(rules) = &step.kind else { continue };
        let rule = rules.iter().find(refuses);
        let gate = passed_before(policy, at).into_iter().find(|(_, gate)| met_by(challenge, gate));
        if let (Some(rule), Some((gate, _))) = (rule, gate) {
            let message = format!(
                "if the signals of `{}` fail, this adds nothing: `{gate}` required the same before",
                rule.label
            );
            return Some(place.warning("when_unsure.adds_nothing", message).help("name a stronger method, or block"));
        }
    }
    None
}

/// Proofs that nobody is asked for while the store is lost.
fn opened_by_state_loss(policy: &Policy, place: &Place) -> Option<Diagnostic> {
    let allows = policy.on_state_loss == OnStateLoss::Allow;
    let demands = policy.steps.iter().any(|step| !event::gates(step).is_empty());
    (allows && demands).then(|| {
        let message = "`on_state_loss: allow` lets everybody past the `require` steps while the store is lost";
        place.warning("state_loss.opens", message).help("use `deny`")
    })
}

/// Demands on whoever merely says who they are: their proof is about a subject that nobody has verified, and so counts for
/// nothing when the request is decided again.
fn met_by_no_stranger(policy: &Policy, places: &[StepPlace]) -> Vec<Diagnostic> {
    let is_claimed = policy.facts.iter().any(|fact| fact.identifies_subject);
    if !is_claimed || policy.apply == Apply::AfterSuccess {
        return Vec::new();
    }
    let mut found = Vec::new();
    let live = policy.steps.iter().zip(places).filter(|(step, _)| steps::is_live(step));
    for (step, place) in live {
        let gates = event::gates(step).into_iter().map(|gate| (&gate.methods, &place.name));
        let challenges = challenges(step, place).into_iter().map(|(challenge, place)| (&challenge.methods, place));
        for (methods, place) in gates.chain(challenges) {
            if !methods.is_empty() && methods.iter().all(|method| method.strength() > 0) {
                let message = "nobody can meet this who is not signed in as the subject that the request names";
                found.push(place.warning("proof.strangers", message).help(
                    "`apply: after_success` asks once the app has verified the subject; before that, `pow` can be asked for",
                ));
            }
        }
    }
    found
}

/// The slots that a vendor or a look-up may fail to give.
fn signals(policy: &Policy) -> SlotSet {
    let mut asked_for = SlotSet::default();
    let slots = policy.slots.iter().zip(0..).filter(|(slot, _)| slot.cost != Cost::Free);
    slots.for_each(|(_, at)| asked_for.insert(SlotId(at)));
    asked_for
}

/// Rules that let somebody in because a signal is missing: `default` and `!has` turn unknown into known.
fn opened_by_unknown(policy: &Policy, places: &[StepPlace]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let asked_for = signals(policy);
    for (step, place) in policy.steps.iter().zip(places) {
        let StepKind::Decide(rules) = &step.kind else { continue };
        for (rule, place) in rules.iter().zip(&place.rules) {
            let lets_in = matches!(&rule.then, Then::Outcome(Outcome::Forward(_) | Outcome::Throttle(_)));
            let opened = rule.when.opened_by_absence(asked_for);
            if let (true, Some(slot)) = (lets_in, opened) {
                let name = policy.slots.get(usize::from(slot.0)).map_or("a signal", |slot| &*slot.name);
                let message = format!("`{}` lets in whoever makes `{name}` fail", rule.label);
                let help = "let an unknown signal stay unknown: drop `default` or `has`, so that `when_unsure` applies";
                found.push(place.name.warning("signal.opens", message).help(help));
            }
        }
    }
    found
}

/// An event that refuses some and lets others in for a code to a mailbox or a telephone.
fn weak_proofs(policy: &Policy, place: &Place) -> Option<Diagnostic> {
    let mut methods: Vec<Method> =
        policy.steps.iter().flat_map(event::gates).flat_map(|gate| gate.methods.clone()).collect();
    let mut refuses = false;
    let ends = policy.steps.iter().flat_map(outcomes).chain([&policy.when_unsure, &policy.otherwise]);
    for outcome in ends {
        match outcome {
            Outcome::Challenge(challenge) => methods.extend(&challenge.methods),
            Outcome::Block | Outcome::LockOut(_) => refuses = true,
            Outcome::Forward(_) | Outcome::Throttle(_) | Outcome::Reroute(_) => {}
        }
    }
    let is_by_phone = |method: &Method| matches!(method, Method::SmsCode | Method::VoiceCode);
    let codes_only = !methods.is_empty() && methods.iter().all(|it| *it == Method::EmailCode || is_by_phone(it));
    (codes_only && refuses).then(|| {
        if methods.iter().any(is_by_phone) {
            let message =
                "a code by telephone is the strongest proof at an event that refuses people; it is restricted";
            let help =
                "add `passkey` or `totp`: numbers are ported and SIMs swapped (NIST SP 800-63B §5.1.3.3, §5.2.10)";
            return place.warning("proof.weak", message).help(help);
        }
        let message = "a code to a mailbox is the only proof at an event that refuses people; it gives no assurance";
        place.warning("proof.weak", message).help("add `passkey` or `totp` (NIST SP 800-63B §5.1.3.1)")
    })
}

fn outcomes(step: &Step) -> Vec<&Outcome> {
    match &step.kind {
        StepKind::Decide(rules) => rules.iter().filter_map(|rule| ended_by(&rule.then)).collect(),
        StepKind::Finish(then, _) => ended_by(then).into_iter().collect(),
        StepKind::Require(_) | StepKind::Split(_) => Vec::new(),
    }
}
