use stepward_core::{attribute::Catalogue, decision::Verb, policy::compile::Options};

use super::*;
use crate::registry::{self, METHODS_BUILT, Target, folder};

const NOW_MS: i64 = 1_800_000_000_000;

/// The policies that are shipped.
fn shipped() -> Release {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let options =
        Options { methods: METHODS_BUILT.into_iter().collect(), upstreams: None, approvers: None, can_mail: true };
    let target = Target { catalogue: Catalogue::builtin(), options, lacking: Default::default() };
    registry::load(folder::read(&folder), &target, 1, NOW_MS).unwrap()
}

fn transfer(amount: &str) -> Question {
    serde_json::from_value(serde_json::json!({
        "method": "POST",
        "url": "https://bank.example/transfer",
        "headers": { "content-type": "application/x-www-form-urlencoded" },
        "body": format!("payee=DE02120300000000202051&amount={amount}"),
        "given": { "subject.kind": "human", "device.is_known": true, "payee.is_known": true, "ip.is_listed": false, "ip.risk_score": 5 },
    }))
    .unwrap()
}

fn event(question: &Question) -> Box<Concluded> {
    match answer(&shipped(), question, NOW_MS).unwrap() {
        Conclusion::Event(concluded) => concluded,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_is_read_recognised_and_decided_by_the_same_core() {
    let concluded = event(&transfer("120"));
    assert_eq!((&*concluded.policy.event, concluded.decision.outcome.verb()), ("transfer money", Verb::Forward));
    assert!(concluded.explanation.text().contains("everyday payment"), "{}", concluded.explanation.text());
}

#[test]
fn a_proof_that_is_given_counts_for_this_very_request() {
    let mut question = transfer("900");
    assert_eq!(event(&question).decision.outcome.verb(), Verb::Challenge);
    question.proofs = BTreeMap::from([(Method::Totp, "20s".into())]);
    assert_eq!(event(&question).decision.outcome.verb(), Verb::Forward, "{}", event(&question).explanation.text());
}

#[test]
fn what_nobody_gives_is_unknown_and_never_lets_in() {
    let mut question = transfer("120");
    question.given.remove("device.is_known");
    assert_eq!(event(&question).decision.outcome.verb(), Verb::Challenge);
}

#[test]
fn a_request_that_is_no_event_is_said_to_be_none() {
    let question =
        Question { url: "https://bank.example/static/logo.svg".into(), method: "GET".into(), ..transfer("1") };
    assert!(matches!(answer(&shipped(), &question, NOW_MS).unwrap(), Conclusion::NoEvent));
}

#[test]
fn a_path_without_a_safe_reading_is_refused_as_at_the_edge() {
    let question = Question { url: "https://bank.example/transfer%00".into(), ..transfer("1") };
    assert!(matches!(answer(&shipped(), &question, NOW_MS).unwrap(), Conclusion::Refused(_)));
}

#[test]
fn a_slip_in_a_name_or_a_value_of_the_wrong_type_is_told() {
    for (name, value, part) in [
        ("device.is_knwon", serde_json::json!(true), "did you mean `device.is_known`?"),
        ("device.is_known", serde_json::json!(3), "`device.is_known` is bool"),
    ] {
        let mut question = transfer("1");
        question.given.insert(name.into(), value);
        let why = answer(&shipped(), &question, NOW_MS).unwrap_err().to_string();
        assert!(why.contains(part), "{why}");
    }
}
