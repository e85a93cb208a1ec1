//! One decision for several: a batch is let through only as far as each of its elements is.

use std::sync::Arc;

use crate::decision::{Decision, Forward, LockOut, Obligations, Outcome, Rate, Throttle};

/// See [`crate::decide::strictest`].
pub(super) fn strictest(first: Decision, second: Decision) -> Decision {
    let second_is_stricter = second.outcome.verb() > first.outcome.verb();
    let (winner, other) = if second_is_stricter { (second, first) } else { (first, second) };
    let mut trace = winner.trace;
    trace.extend(other.trace);
    Decision {
        outcome: narrower(winner.outcome, other.outcome),
        reason: winner.reason,
        step: winner.step,
        rule: winner.rule,
        obligations: both(winner.obligations, other.obligations),
        arms: union(winner.arms, other.arms),
        trace,
    }
}

/// The winner's outcome, with every restriction of the other that would otherwise be lost by letting the batch through.
fn narrower(winner: Outcome, other: Outcome) -> Outcome {
    match (winner, other) {
        (Outcome::Forward(one), Outcome::Forward(two)) => forward(one, two),
        (Outcome::Throttle(pace), Outcome::Forward(plain)) if plain != Forward::default() => {
            forward(Forward { max_rate: Some(pace.rate), ..Forward::default() }, plain)
        }
        (Outcome::Throttle(one), Outcome::Throttle(two)) => {
            let rate = slower(one.rate, two.rate);
            Outcome::Throttle(Throttle { per: if rate == one.rate { one.per } else { two.per }, rate })
        }
        (Outcome::LockOut(one), Outcome::LockOut(two)) if one.what == two.what => {
            Outcome::LockOut(LockOut { what: one.what, for_ms: one.for_ms.max(two.for_ms) })
        }
        (winner, _) => winner,
    }
}

/// Both ways of letting through at once. Two lists of scopes that share none leave nothing to do: refused, as an empty
/// list would mean all of them.
fn forward(one: Forward, two: Forward) -> Outcome {
    let narrow_scopes = match (one.narrow_scopes, two.narrow_scopes) {
        (all, narrow) if all.is_empty() => narrow,
        (narrow, all) if all.is_empty() => narrow,
        (narrow, other) => {
            let shared: Vec<Arc<str>> = narrow.into_iter().filter(|scope| other.contains(scope)).collect();
            if shared.is_empty() {
                return Outcome::Block;
            }
            shared
        }
    };
    let max_rate = match (one.max_rate, two.max_rate) {
        (Some(one), Some(two)) => Some(slower(one, two)),
        (one, two) => one.or(two),
    };
    Outcome::Forward(Forward { headers: union(one.headers, two.headers), narrow_scopes, max_rate })
}

fn slower(one: Rate, two: Rate) -> Rate {
    let pace = |it: Rate, other: Rate| u128::from(it.count) * u128::from(other.window_ms);
    if pace(two, one) < pace(one, two) { two } else { one }
}

fn both(one: Obligations, two: Obligations) -> Obligations {
    Obligations {
        tell: one.tell.or(two.tell),
        notify: union(one.notify, two.notify),
        tag: union(one.tag, two.tag),
        count: union(one.count, two.count),
    }
}

fn union<T: PartialEq>(mut one: Vec<T>, two: Vec<T>) -> Vec<T> {
    for item in two {
        if !one.contains(&item) {
            one.push(item);
        }
    }
    one
}
