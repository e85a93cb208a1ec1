//! When a proof is good enough, and what it is bound to.

use crate::{
    decide::{self, Unbound, tests::build::*},
    decision::{Binding, Decision, Outcome, Reason},
    expr::SlotSet,
    facts::{Facts, Reading, SlotId},
    policy::{Gate, Policy, StepKind},
    session::Method,
    value::Value,
};

const PASSKEY_OR_TOTP: &[Method] = &[Method::Passkey, Method::Totp];

fn bound_payment() -> Policy {
    let mut policy = policy(vec![require_bound("fresh proof", PASSKEY_OR_TOTP)]);
    policy.binds = vec![SlotId(AMOUNT), SlotId(PAYEE)];
    policy
}

fn binding(facts: &Facts) -> Binding {
    decide::binding(&bound_payment(), &[SlotId(AMOUNT), SlotId(PAYEE)], facts).unwrap()
}

#[test]
fn a_gate_opens_to_any_listed_method_that_is_fresh_enough() {
    let policy = policy(vec![require("gate", PASSKEY_OR_TOTP)]);
    let shut = "challenge passkey totp (proof.required: gate)";
    let open = "forward (otherwise: -)";
    for (method, age_ms, expected) in [
        (Method::Passkey, 0, open),
        (Method::Totp, 120_000, open),
        (Method::Totp, 120_001, shut),
        (Method::EmailCode, 0, shut),
        (Method::Passkey, -60_000, shut),
    ] {
        let said = said(&policy, &proved(facts(&[]), method, age_ms, None));
        assert_eq!(said, expected, "{method} {age_ms} ms old");
    }
    assert_eq!(said(&policy, &facts(&[])), shut);
}

#[test]
fn a_change_of_any_bound_value_voids_the_proof() {
    let now = paying(facts(&[]), 250.0, "DE89");
    let proof = binding(&now);
    let with = |facts: Facts, bound_to| said(&bound_payment(), &proved(facts, Method::Totp, 0, bound_to));
    assert_eq!(with(now.clone(), Some(&proof)), "forward (otherwise: -)");
    let shut = "challenge passkey totp (proof.required: fresh proof)";
    assert_eq!(with(now.clone(), None), shut, "a proof bound to nothing");
    assert_eq!(with(paying(facts(&[]), 251.0, "DE89"), Some(&proof)), shut, "another amount");
    assert_eq!(with(paying(facts(&[]), 250.0, "DE88"), Some(&proof)), shut, "another payee");
}

#[test]
fn an_approval_counts_for_its_group_its_event_and_its_values_alone() {
    let gated = |group: &str, bind_to: Vec<SlotId>| {
        let gate = Gate { approvers: Some(group.into()), bind_to, ..gate(&[Method::Approval]) };
        policy(vec![step("approved", StepKind::Require(gate))])
    };
    let slots = || vec![SlotId(AMOUNT), SlotId(PAYEE)];
    let now = paying(facts(&[]), 250.0, "DE89");
    let asked = |policy: &Policy, facts: &Facts| match decided(policy, facts).outcome {
        Outcome::Challenge(challenge) => challenge.approval.unwrap(),
        other => panic!("{other:?}"),
    };
    let approved = |policy: &Policy, now: Facts, digest: [u8; 32]| {
        let bound = Binding { digest, slots: Vec::new() };
        said(policy, &proved(now, Method::Approval, 0, Some(&bound)))
    };
    let (ours, unbound) = (gated("payments", slots()), gated("payments", Vec::new()));
    let digest = asked(&ours, &now).digest;
    let (open, shut) = ("forward (otherwise: -)", "challenge approval (proof.required: approved)");
    assert_eq!(asked(&ours, &now).group, "payments".into());
    assert_eq!(approved(&ours, now.clone(), digest), open);
    assert_eq!(approved(&ours, paying(facts(&[]), 251.0, "DE89"), digest), shut, "another amount");
    assert_eq!(approved(&gated("board", slots()), now.clone(), digest), shut, "another group");
    assert_eq!(approved(&unbound, now.clone(), digest), shut, "nothing in particular");
    assert_eq!(said(&ours, &proved(now.clone(), Method::Approval, 0, Some(&binding(&now)))), shut, "no approval's");
    assert_eq!(said(&unbound, &proved(now.clone(), Method::Approval, 0, None)), shut, "of nothing");
    assert_eq!(approved(&unbound, now.clone(), asked(&unbound, &now).digest), open);
    let elsewhere = Policy { event: "another".into(), ..gated("payments", Vec::new()) };
    assert_eq!(approved(&elsewhere, now.clone(), asked(&unbound, &now).digest), shut, "another event");
}

#[test]
fn a_shut_gate_says_what_the_proof_will_be_bound_to_and_what_happens_when_it_fails() {
    let now = paying(facts(&[]), 250.0, "DE89");
    let decision = decided(&bound_payment(), &now);
    let Outcome::Challenge(challenge) = &decision.outcome else { panic!("{decision:?}") };
    assert_eq!(challenge.binding, Some(binding(&now)));
    assert_eq!((challenge.fresh_for_ms, challenge.attempts), (120_000, 3));
    let spent = decision.attempts_spent();
    assert_eq!((spent.outcome, spent.reason), (lock_out(), Reason::AttemptsSpent));
    let forwarded = Decision { outcome: forward(), ..Decision::refused(Reason::Rule) };
    assert_eq!(forwarded.clone().attempts_spent(), forwarded, "only a challenge can be failed");
}

#[test]
fn a_bound_value_that_is_unknown_blocks() {
    let mut now = paying(facts(&[]), 250.0, "DE89");
    let proof = binding(&now);
    now = proved(without(now, &[PAYEE]), Method::Passkey, 0, Some(&proof));
    let decision = decided(&bound_payment(), &now);
    assert!(refused_for(Reason::BindingUnknown, &decision), "{decision:?}");
    assert_eq!(decision.step.as_deref(), Some("fresh proof"));
}

#[test]
fn a_bound_value_that_was_not_asked_for_is_asked_for() {
    let now = without(facts(&[]), &[]);
    assert_eq!(needs(&bound_payment(), &now), [AMOUNT, PAYEE]);
    let mut wanted = SlotSet::default();
    wanted.insert(SlotId(AMOUNT));
    wanted.insert(SlotId(PAYEE));
    let slots = [SlotId(AMOUNT), SlotId(PAYEE)];
    assert_eq!(decide::binding(&bound_payment(), &slots, &now), Err(Unbound::Pending(wanted)));
    let half = without(now, &[AMOUNT]);
    assert_eq!(decide::binding(&bound_payment(), &slots, &half), Err(Unbound::Unknown(SlotId(AMOUNT))));
}

#[test]
fn different_values_never_share_a_digest() {
    let digest = |amount: Value, payee: Value| {
        let mut facts = facts(&[]);
        facts.learn(SlotId(AMOUNT), Reading::Known(amount), None);
        facts.learn(SlotId(PAYEE), Reading::Known(payee), None);
        binding(&facts).digest
    };
    let values = [
        Value::Bool(false),
        Value::Bool(true),
        Value::Int(0),
        Value::Int(1),
        Value::Number(0.0),
        Value::Number(1.0),
        Value::text(""),
        Value::text("1"),
        Value::text("\u{1}"),
        Value::Time(1),
        Value::Duration(1),
        Value::Ip("0.0.0.1".parse().unwrap()),
        Value::Ip("::1".parse().unwrap()),
        Value::List([].into()),
        Value::List([Value::text("1")].into()),
        Value::List([Value::text("1"), Value::text("")].into()),
        Value::List([Value::List([Value::text("1")].into())].into()),
    ];
    let mut seen = std::collections::BTreeSet::new();
    for one in &values {
        for two in &values {
            assert!(seen.insert(digest(one.clone(), two.clone())), "{one} and {two} collide");
        }
    }
    assert_eq!(digest(Value::Number(-0.0), Value::text("x")), digest(Value::Number(0.0), Value::text("x")));
}

#[test]
fn a_digest_depends_on_the_event_and_not_on_the_order_or_the_repetition_of_names() {
    let now = paying(facts(&[]), 250.0, "DE89");
    let mut other_event = bound_payment();
    other_event.event = "standing order".into();
    let (amount, payee) = (SlotId(AMOUNT), SlotId(PAYEE));
    let of = |policy: &Policy, slots: &[SlotId]| decide::binding(policy, slots, &now).unwrap();
    let usual = of(&bound_payment(), &[amount, payee]);
    assert_eq!(of(&bound_payment(), &[payee, amount]).digest, usual.digest);
    assert_eq!(of(&bound_payment(), &[payee, amount]).slots, [payee, amount], "shown in the order given");
    assert_eq!(of(&bound_payment(), &[amount, payee, amount]).digest, usual.digest);
    assert_ne!(of(&bound_payment(), &[amount]).digest, usual.digest);
    assert_ne!(of(&other_event, &[amount, payee]).digest, usual.digest);
}

#[test]
fn a_rules_challenge_is_met_by_a_proof_whoever_asked_for_it_and_counts_as_forward() {
    let policy = policy(vec![
        rules("only", [telling(rule("r", is(TOR), challenge(&[Method::Totp])), "why.tor")]),
        finish("end", Outcome::Block),
    ]);
    let tor = || facts(&[(TOR, true)]);
    assert_eq!(said(&policy, &tor()), "challenge totp (rule: r)");
    assert_eq!(said(&policy, &proved(tor(), Method::Totp, 300_000, None)), "forward (proof.accepted: r)");
    assert_eq!(said(&policy, &proved(tor(), Method::Totp, 300_001, None)), "challenge totp (rule: r)");
    assert_eq!(said(&policy, &proved(tor(), Method::Passkey, 0, None)), "challenge totp (rule: r)");
}

#[test]
fn a_rules_challenge_is_bound_where_the_event_binds() {
    let mut policy = policy(vec![rules("only", [rule("r", is(TOR), challenge(&[Method::Totp]))])]);
    policy.binds = vec![SlotId(AMOUNT), SlotId(PAYEE)];
    let tor = || facts(&[(TOR, true)]);
    assert_eq!(needs(&policy, &tor()), [AMOUNT, PAYEE]);
    let now = paying(tor(), 250.0, "DE89");
    let proof = binding(&now);
    let Outcome::Challenge(challenge) = decided(&policy, &now).outcome else { panic!("a challenge") };
    assert_eq!(challenge.binding.as_ref(), Some(&proof));
    assert_eq!(said(&policy, &proved(now.clone(), Method::Totp, 0, None)), "challenge totp (rule: r)");
    assert_eq!(said(&policy, &proved(now.clone(), Method::Totp, 0, Some(&proof))), "forward (proof.accepted: r)");
    let unknown = decided(&policy, &without(now, &[PAYEE]));
    assert!(refused_for(Reason::BindingUnknown, &unknown), "{unknown:?}");
}

#[test]
fn the_challenges_of_otherwise_and_finish_are_met_alike() {
    let mut otherwise = policy(Vec::new());
    otherwise.otherwise = challenge(&[Method::Passkey]);
    let finish = policy(vec![finish("end", challenge(&[Method::Passkey]))]);
    let proof = || proved(facts(&[]), Method::Passkey, 0, None);
    assert_eq!(said(&otherwise, &facts(&[])), "challenge passkey (otherwise: -)");
    assert_eq!(said(&otherwise, &proof()), "forward (proof.accepted: -)");
    assert_eq!(said(&finish, &facts(&[])), "challenge passkey (finish: end)");
    assert_eq!(said(&finish, &proof()), "forward (proof.accepted: end)");
}

#[test]
fn the_challenge_of_when_unsure_is_met_by_its_own_proof_only() {
    let policy = policy(vec![rules("only", [rule("u", is(TOR), Outcome::Block)])]);
    let unsure = || without(facts(&[]), &[TOR]);
    assert_eq!(said(&policy, &proved(unsure(), Method::Totp, 0, None)), "challenge id_document (when_unsure: u)");
    assert_eq!(said(&policy, &proved(unsure(), Method::IdDocument, 0, None)), "forward (proof.accepted: -)");
}

#[test]
fn a_spoken_challenge_and_an_unsure_one_must_both_be_met() {
    let policy = policy(vec![rules(
        "only",
        [rule("u", is(TOR), Outcome::Block), rule("r", is(DEVICE), challenge(&[Method::Totp]))],
    )]);
    let now = || without(facts(&[(DEVICE, true)]), &[TOR]);
    let totp = |facts| proved(facts, Method::Totp, 0, None);
    let id = |facts| proved(facts, Method::IdDocument, 0, None);
    assert_eq!(said(&policy, &now()), "challenge totp (rule: r)");
    assert_eq!(said(&policy, &id(now())), "challenge totp (rule: r)");
    assert_eq!(said(&policy, &totp(now())), "challenge id_document (when_unsure: u)");
    assert_eq!(said(&policy, &id(totp(now()))), "forward (proof.accepted: r)");
}

#[test]
fn meeting_a_challenge_does_not_carry_past_a_stricter_rule_that_is_true() {
    let policy =
        policy(vec![rules("first", [rule("r", is(TOR), Outcome::Block)]), finish("end", challenge(&[Method::Totp]))]);
    assert_eq!(said(&policy, &proved(facts(&[(TOR, true)]), Method::Totp, 0, None)), "block (rule: r)");
}
