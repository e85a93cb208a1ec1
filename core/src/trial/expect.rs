//! What a case expects, and in what it was disappointed.

use std::ops::Range;

use crate::{
    decision::{Outcome, Scope, Verb},
    diagnostic::{self, Diagnostic},
    expr::SlotSet,
    facts::SlotId,
    policy::{Policy, Slot},
    session::Method,
    trial::{document::Case, given::Names, play::Played},
    yaml::{Spanned, units},
};

/// What is expected where `only_if` leaves the request to another policy.
const NOT_THIS_EVENT: &str = "not this event";

const VERBS: [Verb; 6] = [Verb::Forward, Verb::Throttle, Verb::Challenge, Verb::Reroute, Verb::Block, Verb::LockOut];

const SCOPES: [Scope; 5] = [Scope::Subject, Scope::Session, Scope::Ip, Scope::Device, Scope::Pair];

/// Refuses an expectation that nothing could meet.
pub(super) fn check(names: &Names, expect: &Spanned<String>) -> Result<(), Diagnostic> {
    let (word, rest) = parted(expect);
    let Some(verb) = verb(word) else {
        return if expect.trim() == NOT_THIS_EVENT { Ok(()) } else { Err(no_such_outcome(names, expect, word)) };
    };
    let misfit = |message: String, help: &str| Err(names.fault("expect.unknown", &expect.span, message).help(help));
    match (verb, rest) {
        (_, "") => Ok(()),
        (Verb::Challenge, methods) => match methods.split(" or ").find(|it| Method::named(it.trim()).is_none()) {
            Some(method) => Err(no_such_method(names, method.trim(), &expect.span)),
            None => Ok(()),
        },
        (Verb::LockOut, what) => {
            let what = what.split_whitespace().next().unwrap_or_default();
            match SCOPES.iter().any(|scope| scope.name() == what) {
                true => Ok(()),
                false => misfit(format!("nothing can lock out `{what}`"), "one of subject, session, ip, device, pair"),
            }
        }
        (Verb::Throttle, rate) if units::rate(rate.split_whitespace().next().unwrap_or_default()).is_none() => {
            misfit(format!("`{rate}` is no rate"), "write `throttle` or `throttle 5/min`")
        }
        (Verb::Block, _) => misfit("nothing follows `block`".to_string(), "write just `block`"),
        (Verb::Forward | Verb::Throttle | Verb::Reroute, _) => Ok(()),
    }
}

/// What came, in the words of an expectation.
pub(super) fn got(played: &Played) -> String {
    match &played.decision {
        Some(decision) => decision.outcome.to_string(),
        None => NOT_THIS_EVENT.to_string(),
    }
}

/// Everything that did not come as the case expects, one sentence each.
pub(super) fn faults(policy: &Policy, case: &Case, played: &Played) -> Vec<String> {
    let mut faults = Vec::new();
    if !came(&case.expect, played) {
        faults.push(format!("expected {}, got {}", case.expect.trim(), got(played)));
    }
    faults.extend(case.because.as_ref().and_then(|expected| not_because(expected, played)));
    faults.extend(case.asked.as_deref().and_then(|expected| asked_otherwise(policy, expected, played)));
    let asked = asked(policy, played.asked);
    let in_vain = case.not_asked.iter().filter(|name| asked.iter().any(|slot| *slot.name == *name.value));
    faults.extend(in_vain.map(|name| format!("{} was asked for", name.value)));
    if let (Some(arm), Some(decision)) = (&case.arm, &played.decision)
        && !decision.arms.iter().any(|(_, assigned)| **assigned == **arm)
    {
        faults.push(format!("arm `{}` was not assigned", arm.value));
    }
    faults
}

/// Whether the outcome is the expected one. An expectation may leave out the details, but a list of methods is whole.
fn came(expect: &str, played: &Played) -> bool {
    let Some(decision) = &played.decision else { return expect.trim() == NOT_THIS_EVENT };
    let (word, rest) = parted(expect);
    if verb(word) != Some(decision.outcome.verb()) {
        return false;
    }
    match (&decision.outcome, rest) {
        (_, "") => true,
        (Outcome::Challenge(challenge), methods) => {
            challenge.methods.iter().map(|it| it.name()).eq(methods.split(" or ").map(str::trim))
        }
        (outcome, rest) => {
            let phrase = outcome.to_string();
            let details = phrase.strip_prefix(word).map(str::trim_start).unwrap_or_default();
            details.strip_prefix(rest).is_some_and(|more| more.is_empty() || more.starts_with(' '))
        }
    }
}

fn not_because(expected: &str, played: &Played) -> Option<String> {
    let Some(decision) = &played.decision else {
        return Some(format!("expected because {expected}, but the policy does not apply"));
    };
    let (rule, step) = (decision.rule.as_deref(), decision.step.as_deref());
    let code = decision.reason.code();
    if [rule, step, Some(code)].contains(&Some(expected)) {
        return None;
    }
    let by = rule.or(step).map(|by| format!(" (`{by}`)")).unwrap_or_default();
    Some(format!("expected because {expected}, it was {code}{by}"))
}

fn asked_otherwise(policy: &Policy, expected: &[Spanned<String>], played: &Played) -> Option<String> {
    let asked = asked(policy, played.asked);
    let outside = asked.iter().filter(|slot| !slot.is_own()).map(|slot| &*slot.name);
    let surplus: Vec<&str> = outside.filter(|name| !expected.iter().any(|it| it.value == *name)).collect();
    let was_asked = |name: &str| asked.iter().any(|slot| *slot.name == *name);
    let missing: Vec<&str> = expected.iter().map(|it| it.value.as_str()).filter(|name| !was_asked(name)).collect();
    match (missing.is_empty(), surplus.is_empty()) {
        (true, true) => None,
        (false, true) => Some(format!("did not ask for {}", missing.join(", "))),
        (true, false) => Some(format!("also asked for {}", surplus.join(", "))),
        (false, false) => Some(format!("asked for {} instead of {}", surplus.join(", "), missing.join(", "))),
    }
}

fn asked(policy: &Policy, slots: SlotSet) -> Vec<&Slot> {
    slots.iter().filter_map(|at: SlotId| policy.slots.get(usize::from(at.0))).collect()
}

/// The first word and the rest.
fn parted(expect: &str) -> (&str, &str) {
    let expect = expect.trim();
    let (word, rest) = expect.split_once(' ').unwrap_or((expect, ""));
    (word, rest.trim())
}

fn verb(word: &str) -> Option<Verb> {
    VERBS.into_iter().find(|verb| verb.name() == word)
}

fn no_such_outcome(names: &Names, expect: &Spanned<String>, word: &str) -> Diagnostic {
    let fault = names.fault("expect.unknown", &expect.span, format!("`{word}` is no outcome"));
    match diagnostic::nearest(word, VERBS.map(Verb::name)) {
        Some(near) => fault.help(format!("did you mean `{near}`?")),
        None => fault.help(format!("one of {}, or `{NOT_THIS_EVENT}`", VERBS.map(Verb::name).join(", "))),
    }
}

pub(super) fn no_such_method(names: &Names, word: &str, span: &Range<usize>) -> Diagnostic {
    let fault = names.fault("method.unknown", span, format!("`{word}` is no method"));
    match diagnostic::nearest(word, Method::ALL.map(Method::name)) {
        Some(near) => fault.help(format!("did you mean `{near}`?")),
        None => fault.help(format!("one of {}", Method::ALL.map(Method::name).join(", "))),
    }
}
