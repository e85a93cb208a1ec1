//! How strict something that did not happen could have been.

use crate::{
    decision::Verb,
    policy::{Arm, Mode, Policy, Split, Step, StepKind, Then},
};

/// An outcome ranks as itself, `go_to` as the strictest outcome reachable from its target.
pub(super) fn of_then(policy: &Policy, then: &Then) -> Verb {
    match then {
        Then::Outcome(outcome) => outcome.verb(),
        Then::GoTo(later) => from(policy, *later),
    }
}

/// The arm whose path can become the strictest, the first of equals; arms that nobody gets do not count.
pub(super) fn strictest_arm<'a>(policy: &Policy, at: usize, split: &'a Split) -> Option<&'a Arm> {
    let mut strictest: Option<(Verb, &Arm)> = None;
    for arm in split.arms.iter().filter(|arm| arm.share > 0) {
        let gate = if arm.gate.is_some() { Verb::Challenge } else { Verb::Forward };
        let rank = gate.max(from(policy, arm.go_to.unwrap_or(at + 1)));
        if strictest.is_none_or(|(known, _)| known < rank) {
            strictest = Some((rank, arm));
        }
    }
    strictest.map(|(_, arm)| arm)
}

/// The strictest outcome of any path that starts at this step. Linear, as every path goes forward.
fn from(policy: &Policy, start: usize) -> Verb {
    let end = policy.steps.len();
    let mut strictest = Verb::Forward;
    let mut reached = vec![false; end + 1];
    reach(&mut reached, start, &mut strictest);
    for (at, step) in policy.steps.iter().enumerate().skip(start) {
        if reached.get(at) == Some(&true) {
            leave(step, at, &mut reached, &mut strictest);
        }
    }
    if reached.get(end) == Some(&true) { strictest.max(policy.otherwise.verb()) } else { strictest }
}

/// Every way out of a step.
fn leave(step: &Step, at: usize, reached: &mut [bool], strictest: &mut Verb) {
    let next = at + 1;
    match (step.mode, &step.kind) {
        (Mode::Shadow | Mode::Off, _) => reach(reached, next, strictest),
        (Mode::Enforce, StepKind::Decide(rules)) => {
            for rule in rules {
                follow(&rule.then, at, reached, strictest);
            }
            reach(reached, next, strictest);
        }
        (Mode::Enforce, StepKind::Require(_)) => {
            *strictest = Verb::Challenge.max(*strictest);
            reach(reached, next, strictest);
        }
        (Mode::Enforce, StepKind::Split(split)) => {
            let mut arms = split.arms.iter().filter(|arm| arm.share > 0).peekable();
            if arms.peek().is_none() {
                // Nobody can be assigned, so the walk carries on.
                reach(reached, next, strictest);
            }
            for arm in arms {
                if arm.gate.is_some() {
                    *strictest = Verb::Challenge.max(*strictest);
                }
                follow(&Then::GoTo(arm.go_to.unwrap_or(next)), at, reached, strictest);
            }
        }
        (Mode::Enforce, StepKind::Finish(then, _)) => follow(then, at, reached, strictest),
    }
}

fn follow(then: &Then, at: usize, reached: &mut [bool], strictest: &mut Verb) {
    match then {
        Then::Outcome(outcome) => *strictest = outcome.verb().max(*strictest),
        Then::GoTo(later) if *later > at => reach(reached, *later, strictest),
        Then::GoTo(_) => *strictest = Verb::Block.max(*strictest),
    }
}

/// Marks a step as reached; a jump out of the policy is refused by the walk, and so ranks as `block`.
fn reach(reached: &mut [bool], at: usize, strictest: &mut Verb) {
    match reached.get_mut(at) {
        Some(place) => *place = true,
        None => *strictest = Verb::Block.max(*strictest),
    }
}
