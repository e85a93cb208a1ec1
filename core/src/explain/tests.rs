//! What an explanation tells, and what it keeps to itself.

use crate::{
    attribute::Catalogue,
    explain,
    facts::{Facts, Path, Provenance, Reading, SlotId, Why},
    policy::{
        Policy,
        compile::{self, Options, Source},
    },
    value::Value,
};

const POLICY: &str = "event: transfer money
covers: [POST /transfer]
succeeded: response.status == 200
facts:
  amount: { from: body.amount, type: number }
  payee: { from: body.payee, type: text, pii: true, remember: subject }
when_unsure: { challenge: [passkey] }
otherwise: forward
steps:
  - decide: watched
    mode: shadow
    rules:
      - { rule: any amount, when: event.amount > 0, then: block }
  - decide: real
    rules:
      - { rule: to a stranger, when: 'event.payee == \"DE89\" && !payee.is_known', then: { go_to: strong } }
      - { rule: risky address, when: ip.risk_score >= 90, then: block }
      - { rule: tor, when: ip.is_tor, then: { throttle: { rate: 5/min, per: subject } } }
  - finish: pay
    then: forward
  - require: strong
    proof: [passkey]
    bind_to: [event.amount, event.payee]
    on_fail: block
";

fn policy() -> Policy {
    let source = Source { file: "transfer.yaml".into(), text: POLICY.into() };
    let (policies, diagnostics) = compile::compile(&[source], &Catalogue::builtin(), &Options::default());
    policies.into_iter().next().unwrap_or_else(|| panic!("{diagnostics:#?}"))
}

fn facts(policy: &Policy, known: &[(&str, Reading)]) -> Facts {
    let mut facts = Facts::unasked(1_800_000_000_000, policy.slots.len());
    for (name, reading) in known {
        let at = policy.slots.iter().position(|slot| *slot.name == **name).unwrap();
        let path = if *name == "ip.risk_score" { Path::FailOver } else { Path::Live };
        let from = Provenance { source: "second-opinion".into(), age_ms: 12, path };
        let from = (name.starts_with("ip.") && *reading != Reading::Pending).then_some(from);
        facts.learn(SlotId(u16::try_from(at).unwrap()), reading.clone(), from);
    }
    facts
}

fn payment(risk: Reading) -> Vec<(&'static str, Reading)> {
    vec![
        ("event.amount", Reading::Known(Value::Number(900.0))),
        ("event.payee", Reading::Known(Value::text("GB33SECRET"))),
        ("payee.is_known", Reading::Known(Value::Bool(false))),
        ("ip.risk_score", risk),
        ("ip.is_tor", Reading::Known(Value::Bool(false))),
    ]
}

#[test]
fn before_there_is_a_decision_it_tells_what_is_needed() {
    let policy = policy();
    let explanation = explain::explain(&policy, &facts(&policy, &payment(Reading::Pending)));
    assert_eq!(explanation.decision, None);
    assert_eq!(explanation.needs, ["ip.risk_score".into()]);
    let text = explanation.text();
    assert!(text.contains("… needs ip.risk_score\n"), "{text}");
    assert!(text.contains("  not asked: ip.risk_score\n"), "{text}");
}

#[test]
fn it_tells_which_rule_decided_what_was_not_read_and_where_values_came_from() {
    let policy = policy();
    let explanation = explain::explain(&policy, &facts(&policy, &payment(Reading::Known(Value::Number(91.0)))));
    let text = explanation.text();
    for line in [
        "decide watched (shadow)",
        "  ~ would have spoken any amount",
        "  · to a stranger",
        "  ✔ risky address → block  [ip.risk_score 91]",
        "  - tor",
        "- finish pay: not reached",
        "- require strong: not reached",
        "⇒ block (rule)",
        "  rule `risky address` in `real` is the first that holds",
        "  ip.risk_score 91 from second-opinion, 12ms old, by fail-over",
    ] {
        assert!(text.lines().any(|it| it == line), "no line {line:?} in\n{text}");
    }
}

#[test]
fn it_tells_what_could_not_be_decided_and_why_that_counts() {
    let policy = policy();
    let missing = Reading::Unknown(Why::OverBudget);
    let explanation = explain::explain(&policy, &facts(&policy, &payment(missing)));
    let text = explanation.text();
    for line in [
        "  ? risky address  [ip.risk_score over budget]",
        "⇒ challenge passkey (when_unsure)",
        "  `risky address` could not be decided and is stricter, so `when_unsure` applies: challenge passkey",
    ] {
        assert!(text.lines().any(|it| it == line), "no line {line:?} in\n{text}");
    }
}

#[test]
fn personal_values_are_in_neither_form() {
    let policy = policy();
    let explanation = explain::explain(&policy, &facts(&policy, &payment(Reading::Known(Value::Number(91.0)))));
    let json = serde_json::to_string(&explanation).unwrap();
    assert!(!json.contains("GB33SECRET") && !explanation.text().contains("GB33SECRET"), "{json}");
    assert!(json.contains("\"name\":\"event.payee\",\"cost\":\"free\",\"value\":\"(personal)\""), "{json}");
}
