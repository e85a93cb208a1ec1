//! What is asked for, when, and what never is.

use crate::{
    decide::{self, tests::build::*},
    decision::Outcome,
    expr::{Condition, SlotSet, Truth},
    facts::{Reading, SlotId, Why},
    policy::{Rule, Then},
    session::Method,
};

#[test]
fn a_step_asks_at_once_for_everything_its_open_rules_could_use() {
    let policy = policy(vec![
        rules("first", [rule("a", is(TOR), Outcome::Block), rule("b", is(HOSTING), throttle())]),
        rules("second", [rule("c", is(DEVICE), forward())]),
    ]);
    assert_eq!(needs(&policy, &facts(&[])), [TOR, HOSTING], "and not for what a later step could use");
}

#[test]
fn what_is_paid_for_waits_until_no_cheap_one_is_left() {
    let policy = policy(vec![rules(
        "only",
        [
            rule("a", is(FRAUD), Outcome::Block),
            rule("b", Test::All(vec![is(TOR), is(EMAIL)]), Outcome::Block),
            rule("c", is(HOSTING), throttle()),
        ],
    )]);
    assert_eq!(needs(&policy, &facts(&[])), [TOR, HOSTING]);
    assert_eq!(needs(&policy, &facts(&[(TOR, false), (HOSTING, false)])), [FRAUD], "e-mail cannot matter any more");
    assert_eq!(needs(&policy, &facts(&[(TOR, true), (HOSTING, true)])), [FRAUD, EMAIL]);
}

#[test]
fn nobody_outside_is_asked_while_our_own_lists_may_settle_it() {
    let policy = policy(vec![rules(
        "only",
        [
            rule("calm", Test::Not(Box::new(is(LISTED))), forward()),
            rule("risky", Test::Any(vec![is(LISTED), is(TOR)]), Outcome::Block),
        ],
    )]);
    assert_eq!(needs(&policy, &facts(&[])), [LISTED]);
    assert_eq!(said(&policy, &facts(&[(LISTED, false)])), "forward (rule: calm)");
    assert_eq!(said(&policy, &facts(&[(LISTED, true)])), "block (rule: risky)");
    assert_eq!(needs(&policy, &without(facts(&[]), &[LISTED])), [TOR]);
}

#[test]
fn nobody_is_asked_for_what_can_no_longer_change_the_outcome() {
    let and = policy(vec![rules("only", [rule("a", Test::All(vec![is(DEVICE), is(FRAUD)]), Outcome::Block)])]);
    assert_eq!(said(&and, &facts(&[(DEVICE, false)])), "forward (otherwise: -)");
    let or = policy(vec![rules("only", [rule("a", Test::Any(vec![is(DEVICE), is(FRAUD)]), Outcome::Block)])]);
    assert_eq!(said(&or, &facts(&[(DEVICE, true)])), "block (rule: a)");
}

#[test]
fn rules_after_one_that_is_true_are_not_open() {
    let policy = policy(vec![rules("only", [rule("a", is(DEVICE), forward()), rule("b", is(FRAUD), Outcome::Block)])]);
    assert_eq!(said(&policy, &facts(&[(DEVICE, true)])), "forward (rule: a)");
    assert_eq!(needs(&policy, &facts(&[(DEVICE, false)])), [FRAUD]);
}

#[test]
fn rules_before_one_that_is_true_are_asked_about_only_where_they_would_do_something_else() {
    let with = |first: Rule| policy(vec![rules("only", [first, rule("b", is(DEVICE), Outcome::Block)])]);
    let known = facts(&[(DEVICE, true)]);
    assert_eq!(said(&with(rule("a", is(FRAUD), Outcome::Block)), &known), "block (rule: b)");
    assert_eq!(needs(&with(rule("a", is(FRAUD), lock_out())), &known), [FRAUD]);
    assert_eq!(needs(&with(rule("a", is(FRAUD), forward())), &known), [FRAUD]);
    let told = telling(rule("a", is(FRAUD), Outcome::Block), "transfer.refused");
    assert_eq!(needs(&with(told), &known), [FRAUD], "the user would be told something else");
}

#[test]
fn an_undecided_rule_in_between_keeps_an_earlier_one_worth_asking_about() {
    let mut policy = policy(vec![rules(
        "only",
        [rule("a", is(FRAUD), Outcome::Block), rule("u", is(TOR), lock_out()), rule("b", is(DEVICE), Outcome::Block)],
    )]);
    policy.when_unsure = lock_out();
    let now = || without(facts(&[(DEVICE, true)]), &[TOR]);
    assert_eq!(needs(&policy, &now()), [FRAUD], "if `a` holds, `u` is never reached");
    assert_eq!(said(&policy, &without(now(), &[FRAUD])), "lock_out (when_unsure: u)");
}

#[test]
fn a_gate_comes_before_what_stands_below_it() {
    let policy = policy(vec![require("gate", &[Method::Totp]), rules("paid", [rule("a", is(FRAUD), Outcome::Block)])]);
    assert_eq!(said(&policy, &facts(&[])), "challenge totp (proof.required: gate)");
    assert_eq!(needs(&policy, &proved(facts(&[]), Method::Totp, 0, None)), [FRAUD]);
}

#[test]
fn a_shadow_step_asks_along_with_the_others_and_never_pays() {
    let policy = policy(vec![
        shadow(rules("trial", [rule("a", is(TOR), Outcome::Block), rule("b", is(FRAUD), Outcome::Block)])),
        rules("real", [rule("c", is(HOSTING), throttle())]),
    ]);
    assert_eq!(needs(&policy, &facts(&[])), [TOR, HOSTING], "one round for both");
    assert_eq!(said(&policy, &facts(&[(TOR, false), (HOSTING, false)])), "forward (otherwise: -)");
    assert_eq!(needs(&policy, &facts(&[(HOSTING, true)])), [TOR], "the trace is worth a cheap question");
}

#[test]
fn a_condition_that_waits_for_nothing_is_unknown_rather_than_waited_for() {
    let stuck = |slot: Option<u16>| {
        let mut wanted_by_mistake = SlotSet::default();
        slot.into_iter().for_each(|it| wanted_by_mistake.insert(SlotId(it)));
        let run = move |_: &_, wanted: &mut SlotSet| {
            wanted.extend(wanted_by_mistake);
            Truth::Pending
        };
        let when = Condition::new("stuck", SlotSet::default(), Box::new(run));
        let rule = Rule { when, ..rule("u", is(TOR), Then::Outcome(Outcome::Block)) };
        policy(vec![rules("only", [rule])])
    };
    for slot in [None, Some(DEVICE), Some(200)] {
        let said = said(&stuck(slot), &facts(&[(DEVICE, true)]));
        assert_eq!(said, "challenge id_document (when_unsure: u)", "waiting for {slot:?}");
    }
}

#[test]
fn what_nobody_answered_in_time_is_unknown_and_what_is_known_stays() {
    let mut facts = facts(&[(DEVICE, true)]);
    let mut slots = SlotSet::default();
    [DEVICE, FRAUD].into_iter().for_each(|it| slots.insert(SlotId(it)));
    decide::over_budget(&mut facts, slots);
    assert_eq!(*facts.reading(SlotId(FRAUD)), Reading::Unknown(Why::OverBudget));
    assert!(facts.value(SlotId(DEVICE)).is_some());
    assert_eq!(*facts.reading(SlotId(EMAIL)), Reading::Pending);
}
