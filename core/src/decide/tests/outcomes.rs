//! Which outcome it is: order of steps and rules, what is undecided, jumps, experiments, shadow, batches.

use crate::{
    decide::{self, tests::build::*},
    decision::{Came, Decision, Forward, Outcome, Rate, Reason, Verb},
    facts::Units,
    policy::{Arm, Mode, Then},
    session::Method,
};

#[test]
fn the_first_rule_that_is_true_speaks_and_steps_are_taken_top_to_bottom() {
    let policy = policy(vec![
        rules("first", [rule("a", is(DEVICE), forward()), rule("b", is(TOR), Outcome::Block)]),
        rules("second", [rule("c", is(HOSTING), throttle())]),
        finish("end", reroute()),
    ]);
    for (device, tor, hosting, expected) in [
        (true, true, true, "forward (rule: a)"),
        (false, true, true, "block (rule: b)"),
        (false, false, true, "throttle (rule: c)"),
        (false, false, false, "reroute (finish: end)"),
    ] {
        assert_eq!(said(&policy, &facts(&[(DEVICE, device), (TOR, tor), (HOSTING, hosting)])), expected);
    }
}

#[test]
fn otherwise_is_what_happens_when_no_step_spoke() {
    let mut policy = policy(vec![rules("only", [rule("a", is(DEVICE), Outcome::Block)])]);
    policy.otherwise = throttle();
    assert_eq!(said(&policy, &facts(&[(DEVICE, false)])), "throttle (otherwise: -)");
}

#[test]
fn strictness_is_ordered_as_published() {
    let order = [forward(), throttle(), challenge(&[Method::Totp]), reroute(), Outcome::Block, lock_out()];
    assert!(order.iter().map(Outcome::verb).is_sorted_by(|one, two| one < two));
}

#[test]
fn an_undecided_rule_stricter_than_the_outcome_brings_in_when_unsure() {
    let id = || challenge(&[Method::IdDocument]);
    for (undecided, otherwise, when_unsure, expected) in [
        (Outcome::Block, forward(), id(), "challenge id_document (when_unsure: u)"),
        (Outcome::Block, forward(), Outcome::Block, "block (when_unsure: u)"),
        (throttle(), forward(), id(), "challenge id_document (when_unsure: u)"),
        (Outcome::Block, throttle(), id(), "challenge id_document (when_unsure: u)"),
        (forward(), forward(), Outcome::Block, "forward (otherwise: -)"),
        (forward(), throttle(), Outcome::Block, "throttle (otherwise: -)"),
        (throttle(), throttle(), Outcome::Block, "throttle (otherwise: -)"),
        (reroute(), Outcome::Block, lock_out(), "block (otherwise: -)"),
        (lock_out(), Outcome::Block, id(), "block (otherwise: -)"),
        (lock_out(), Outcome::Block, lock_out(), "lock_out (when_unsure: u)"),
        (lock_out(), challenge(&[Method::Totp]), id(), "challenge totp (otherwise: -)"),
    ] {
        let mut policy = policy(vec![rules("only", [rule("u", is(TOR), undecided.clone())])]);
        (policy.otherwise, policy.when_unsure) = (otherwise.clone(), when_unsure.clone());
        let said = said(&policy, &without(facts(&[]), &[TOR]));
        assert_eq!(said, expected, "undecided {undecided:?}, otherwise {otherwise:?}, when_unsure {when_unsure:?}");
    }
}

#[test]
fn a_rule_that_is_unknown_does_not_fire_and_a_milder_one_changes_nothing() {
    let policy = policy(vec![rules("only", [rule("u", is(DEVICE), forward()), rule("t", is(TOR), Outcome::Block)])]);
    assert_eq!(said(&policy, &without(facts(&[(TOR, true)]), &[DEVICE])), "block (rule: t)");
}

#[test]
fn undecided_before_the_rule_that_fired_counts_and_after_it_does_not() {
    let before = policy(vec![rules("only", [rule("u", is(TOR), Outcome::Block), rule("f", is(DEVICE), forward())])]);
    let after = policy(vec![rules("only", [rule("f", is(DEVICE), forward()), rule("u", is(TOR), Outcome::Block)])]);
    let facts = without(facts(&[(DEVICE, true)]), &[TOR]);
    assert_eq!(said(&before, &facts), "challenge id_document (when_unsure: u)");
    assert_eq!(said(&after, &facts), "forward (rule: f)");
}

#[test]
fn a_step_that_was_not_reached_does_not_count() {
    let policy = policy(vec![
        rules("first", [rule("jump", is(DEVICE), Then::GoTo(2))]),
        rules("jumped over", [rule("u", is(TOR), Outcome::Block)]),
        finish("end", forward()),
    ]);
    assert_eq!(said(&policy, &without(facts(&[(DEVICE, true)]), &[TOR])), "forward (finish: end)");
    assert_eq!(said(&policy, &without(facts(&[(DEVICE, false)]), &[TOR])), "challenge id_document (when_unsure: u)");
}

#[test]
fn an_undecided_jump_ranks_as_the_strictest_outcome_reachable_from_its_target() {
    let to_gate = policy(vec![
        rules("first", [rule("u", is(TOR), Then::GoTo(2))]),
        finish("pay", forward()),
        require("show an ID", &[Method::IdDocument]),
        finish("pay after ID", forward()),
    ]);
    let to_forward = policy(vec![
        rules("first", [rule("u", is(TOR), Then::GoTo(2))]),
        finish("pay", forward()),
        finish("pay quickly", forward()),
    ]);
    let to_otherwise = || {
        policy(vec![
            rules("first", [rule("u", is(TOR), Then::GoTo(2))]),
            finish("pay", forward()),
            shadow(finish("hidden", Outcome::Block)),
        ])
    };
    let facts = without(facts(&[]), &[TOR]);
    assert_eq!(said(&to_gate, &facts), "challenge id_document (when_unsure: u)", "a gate ranks as challenge");
    assert_eq!(said(&to_forward, &facts), "forward (finish: pay)");
    assert_eq!(said(&to_otherwise(), &facts), "forward (finish: pay)", "shadow steps do not count");
    let mut strict = to_otherwise();
    strict.otherwise = Outcome::Block;
    assert_eq!(said(&strict, &facts), "challenge id_document (when_unsure: u)", "the end of the steps is `otherwise`");
}

#[test]
fn an_undecided_rule_that_leads_where_the_fired_one_leads_changes_nothing() {
    let policy = policy(vec![
        rules("first", [rule("u", is(TOR), Then::GoTo(2)), rule("f", is(DEVICE), Then::GoTo(2))]),
        finish("never", forward()),
        require("gate", &[Method::Totp]),
    ]);
    let facts = without(facts(&[(DEVICE, true)]), &[TOR]);
    assert_eq!(said(&policy, &facts), "challenge totp (proof.required: gate)");
    assert_eq!(said(&policy, &proved(facts, Method::Totp, 0, None)), "forward (otherwise: -)");
}

#[test]
fn a_jump_that_no_policy_should_contain_is_refused() {
    for target in [0, 1, 7, usize::MAX] {
        let policy = policy(vec![
            finish("jump", Then::GoTo(1)),
            rules("bad", [rule("b", is(DEVICE), Then::GoTo(target)), rule("u", is(TOR), Then::GoTo(target))]),
        ]);
        let decision = decided(&policy, &facts(&[(DEVICE, true)]));
        assert!(refused_for(Reason::Internal, &decision), "go to {target}: {decision:?}");
        let unsure = said(&policy, &without(facts(&[(DEVICE, false)]), &[TOR]));
        assert_eq!(unsure, "challenge id_document (when_unsure: u)", "go to {target}");
    }
}

#[test]
fn shadow_steps_are_traced_and_have_no_effect() {
    let policy = policy(vec![
        shadow(rules("trial rules", [rule("t", is(TOR), Outcome::Block)])),
        shadow(require("trial gate", &[Method::Passkey])),
        shadow(split("trial split", [arm("only", 100, &[Method::Totp])])),
        shadow(finish("trial end", Outcome::Block)),
        finish("end", forward()),
    ]);
    let decision = decided(&policy, &facts(&[(TOR, true)]));
    assert_eq!(decision.outcome, forward());
    assert!(decision.arms.is_empty(), "nobody takes part in an experiment in shadow");
    let came: Vec<_> = decision.trace.iter().map(|it| (it.label.as_deref(), it.came)).collect();
    let would = Came::WouldHave;
    let expected = [(Some("t"), would), (None, would), (Some("only"), would), (None, would), (None, Came::Fired)];
    assert_eq!(came, expected);
    let unknown = decided(&policy, &without(facts(&[]), &[TOR]));
    assert_eq!(unknown.outcome, forward(), "undecided in shadow brings in nothing");
}

#[test]
fn a_step_that_is_off_is_skipped() {
    let mut off = finish("off", Outcome::Block);
    off.mode = Mode::Off;
    let decision = decided(&policy(vec![off, finish("end", forward())]), &facts(&[]));
    assert_eq!(decision.outcome, forward());
    assert_eq!(decision.trace.len(), 1);
}

#[test]
fn a_split_assigns_records_and_carries_on() {
    let trial = || {
        policy(vec![
            split("trial", [arm("passkey", 0, &[Method::Passkey]), arm("mail", 100, &[Method::EmailCode])]),
            finish("end", throttle()),
        ])
    };
    let decision = decided(&trial(), &facts(&[]));
    assert_eq!(decision.arms, [("second-factor".into(), "mail".into())]);
    assert_eq!(said(&trial(), &facts(&[])), "challenge email_code (proof.required: trial)");
    let after = proved(facts(&[]), Method::EmailCode, 1_000, None);
    assert_eq!(said(&trial(), &after), "throttle (finish: end)");
    let came: Vec<_> = decided(&trial(), &after).trace.into_iter().map(|it| it.came).collect();
    assert_eq!(came, [Came::Assigned, Came::Passed, Came::Fired]);
}

#[test]
fn an_arm_may_carry_on_at_a_later_step() {
    let jump = Arm { go_to: Some(2), ..arm("jump", 100, &[]) };
    let policy = policy(vec![split("trial", [jump]), finish("next", Outcome::Block), finish("later", forward())]);
    assert_eq!(said(&policy, &facts(&[])), "forward (finish: later)");
}

#[test]
fn a_split_sticks_to_the_session_where_the_subject_is_unknown() {
    let trial = policy(vec![split("trial", [arm("a", 50, &[]), arm("b", 50, &[])])]);
    for session in ["s-1", "s-2", "s-3", "s-4"] {
        let arms_of = |units: Units| decided(&trial, &crate::facts::Facts { units, ..facts(&[]) }).arms;
        let only_session = arms_of(Units { session: Some(session.into()), ..Units::default() });
        let as_subject = arms_of(Units { subject: Some(session.into()), ..Units::default() });
        assert_eq!(only_session, as_subject, "the session stands in for the subject");
    }
}

#[test]
fn with_nothing_to_stick_to_the_strictest_arm_is_taken_and_nobody_is_counted() {
    let trial = policy(vec![split(
        "trial",
        [arm("none", 60, &[]), arm("code", 40, &[Method::Totp]), arm("off", 0, &[Method::Passkey])],
    )]);
    let nobody = crate::facts::Facts { units: Units::default(), ..facts(&[]) };
    let decision = decided(&trial, &nobody);
    assert_eq!(decision.outcome.verb(), Verb::Challenge);
    assert!(decision.arms.is_empty());
}

#[test]
fn obligations_come_with_the_rule_that_spoke_and_not_with_when_unsure() {
    let policy = policy(vec![rules(
        "only",
        [
            telling(rule("u", is(TOR), Outcome::Block), "transfer.refused"),
            telling(rule("f", is(DEVICE), forward()), "welcome"),
        ],
    )]);
    let told = |facts| decided(&policy, &facts).obligations.tell;
    assert_eq!(told(facts(&[(TOR, true)])).as_deref(), Some("transfer.refused"));
    assert_eq!(told(facts(&[(TOR, false), (DEVICE, true)])).as_deref(), Some("welcome"));
    assert_eq!(told(without(facts(&[(DEVICE, true)]), &[TOR])), None);
}

#[test]
fn of_a_batch_the_strictest_counts_and_what_narrows_is_kept() {
    let decision = |outcome| Decision { outcome, ..Decision::refused(Reason::Rule) };
    let narrow = |scopes: &[&str]| {
        Outcome::Forward(Forward {
            narrow_scopes: scopes.iter().map(|it| (*it).into()).collect(),
            ..Forward::default()
        })
    };
    let of = |one, two| decide::strictest(decision(one), decision(two)).outcome;
    assert_eq!(of(forward(), Outcome::Block), Outcome::Block);
    assert_eq!(of(lock_out(), Outcome::Block), lock_out());
    assert_eq!(of(forward(), narrow(&["read"])), narrow(&["read"]), "all scopes and one scope is one scope");
    assert_eq!(of(narrow(&["read", "pay"]), narrow(&["pay"])), narrow(&["pay"]));
    assert_eq!(of(narrow(&["read"]), narrow(&["pay"])), Outcome::Block, "no scope is not every scope");
    let Outcome::Forward(paced) = of(narrow(&["read"]), throttle()) else { panic!("let through, narrowed and paced") };
    assert_eq!(paced.max_rate, Some(Rate { count: 5, window_ms: 60_000 }));
    assert_eq!(paced.narrow_scopes, ["read".into()]);
}

#[test]
fn a_policy_without_steps_or_slots_still_answers() {
    let mut empty = policy(Vec::new());
    empty.slots.clear();
    assert_eq!(said(&empty, &crate::facts::Facts::default()), "forward (otherwise: -)");
    let mut bare = policy(vec![rules("only", [rule("u", is(TOR), Outcome::Block)])]);
    bare.slots.clear();
    let said = said(&bare, &crate::facts::Facts::default());
    assert_eq!(said, "challenge id_document (when_unsure: u)", "a slot outside the table is unknown");
}

#[test]
fn a_split_without_arms_is_passed_over_and_hides_nothing_behind_it() {
    let behind = |split| {
        policy(vec![
            rules("first", [rule("u", is(TOR), Then::GoTo(2))]),
            finish("pay", forward()),
            split,
            finish("end", Outcome::Block),
        ])
    };
    for empty in [split("empty", []), split("empty", [arm("nobody", 0, &[Method::Totp])])] {
        let policy = behind(empty);
        assert_eq!(said(&policy, &facts(&[(TOR, true)])), "block (finish: end)");
        assert_eq!(said(&policy, &without(facts(&[]), &[TOR])), "challenge id_document (when_unsure: u)");
    }
}
