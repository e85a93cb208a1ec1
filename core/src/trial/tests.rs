//! Tests of tests: the sample of DESIGN §3, the policies we ship, and files with slips in them.

use std::sync::Arc;

use crate::{
    attribute::Catalogue,
    diagnostic,
    policy::{
        Policy,
        compile::{self, Options, Source},
    },
    trial::{self, Report},
};

const TRANSFER: &str = include_str!("tests/transfer.yaml");

fn catalogue() -> Catalogue {
    Catalogue::builtin()
}

fn compiled(text: &str) -> Vec<Arc<Policy>> {
    let source = Source { file: "policy.yaml".into(), text: text.into() };
    let (policies, diagnostics) = compile::compile(&[source], &catalogue(), &Options::default());
    let errors: Vec<_> = diagnostics.iter().filter(|it| it.severity == diagnostic::Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    policies.into_iter().map(Arc::new).collect()
}

fn report(policy: &str, tests: &str) -> Report {
    trial::run(&compiled(policy), &catalogue(), &"policy.test.yaml".into(), tests)
}

fn all_pass(report: &Report) {
    assert!(report.diagnostics.is_empty(), "{:#?}", report.diagnostics);
    for case in &report.cases {
        assert!(case.passed, "{}: {}\n{}", case.name, case.faults.join("; "), case.explanation.text());
    }
}

#[test]
fn the_sample_of_the_design_behaves_as_its_tests_say() {
    let report = report(TRANSFER, include_str!("tests/transfer.test.yaml"));
    all_pass(&report);
    assert_eq!(report.cases.len(), 14);
    assert!(report.passed());
    assert_eq!((report.rules, report.never_fired.len()), (3, 0));
}

macro_rules! shipped {
    ($($name:ident: $file:literal,)*) => {$(
        #[test]
        fn $name() {
            let report = report(
                include_str!(concat!("../../../policies/", $file, ".yaml")),
                include_str!(concat!("../../../policies/", $file, ".test.yaml")),
            );
            all_pass(&report);
            assert!(!report.cases.is_empty());
        }
    )*};
}

shipped! {
    the_shipped_login_behaves_as_its_tests_say: "login",
    the_shipped_sign_up_behaves_as_its_tests_say: "sign-up",
    the_shipped_password_reset_behaves_as_its_tests_say: "password-reset",
    the_shipped_change_of_contact_behaves_as_its_tests_say: "change-contact",
    the_shipped_transfer_behaves_as_its_tests_say: "transfer",
    the_shipped_agent_api_behaves_as_its_tests_say: "agent-api",
    the_shipped_refusal_of_people_behaves_as_its_tests_say: "machines-only",
    the_shipped_admin_area_behaves_as_its_tests_say: "admin-area",
    the_shipped_logout_behaves_as_its_tests_say: "logout",
}

#[test]
fn a_case_that_fails_says_in_what_and_why() {
    let report = report(
        TRANSFER,
        "tests: transfer money
usually: { subject.kind: human, event.amount: 900, event.payee: DE89, payee.is_known: false, device.is_known: true, ip.is_tor: false, fraud.risk_score: 10 }
cases:
  - it: is wrong in every way
    proofs: { passkey: 20s ago }
    arm: e-mail code
    expect: forward
    because: plainly hostile
    asked: [ip.is_tor, email.is_disposable]
    not_asked: [fraud.risk_score]
",
    );
    assert!(report.diagnostics.is_empty(), "{:#?}", report.diagnostics);
    assert!(!report.passed());
    let [case] = report.cases.as_slice() else { panic!("one case") };
    assert_eq!(
        case.faults,
        [
            "expected forward, got challenge email_code",
            "expected because plainly hostile, it was proof.required (`second factor trial`)",
            "asked for fraud.risk_score instead of email.is_disposable",
            "fraud.risk_score was asked for",
        ]
    );
    let text = case.explanation.text();
    for line in [
        "require fresh proof for this very payment",
        "  ✔ passkey",
        "  · everyday payment",
        "      false     event.amount < settings.small  [event.amount 900]",
        "  · doubtful or very large",
        "      false     fraud.risk_score >= settings.doubtful_score  [fraud.risk_score 10]",
        "  ⑂ arm `e-mail code`",
        "- finish pay: not reached",
        "⇒ challenge email_code (proof.required)",
    ] {
        assert!(text.lines().any(|it| it == line), "no line {line:?} in\n{text}");
    }
    assert!(!text.contains("DE89"), "personal data stays out of explanations:\n{text}");
}

#[test]
fn every_slip_in_a_file_is_told_with_its_place_and_what_to_try() {
    let head = "tests: transfer money\nusually: { subject.kind: human, event.amount: 10, event.payee: DE89 }\ncases:\n";
    for (case, place, expected) in [
        (
            "given: { ip.is_torr: true }, expect: block",
            "ip.is_torr",
            "attribute.unknown: unknown attribute `ip.is_torr` | did you mean `ip.is_tor`?",
        ),
        (
            "given: { event.amount: much }, expect: block",
            "much",
            "value.type: `event.amount` is number, not `much` | write `unavailable` where nobody answers",
        ),
        (
            "given: { event.payee: 12 }, expect: block",
            "12",
            "value.type: `event.payee` is text, not `12` | put it in quotes",
        ),
        (
            "given: { device.is_known: \"true\" }, expect: block",
            "\"true\"",
            "value.type: `device.is_known` is bool, not `true` | write `unavailable` where nobody answers",
        ),
        (
            "given: { subject.kind: humann }, expect: block",
            "humann",
            "value.impossible: `subject.kind` is never `humann` | did you mean `human`?",
        ),
        (
            "given: { fraud.risk_score: 101 }, expect: block",
            "101",
            "value.impossible: `fraud.risk_score` is 0 to 100, never 101 | ",
        ),
        ("expect: blok", "blok", "expect.unknown: `blok` is no outcome | did you mean `block`?"),
        (
            "expect: block everything",
            "block everything",
            "expect.unknown: nothing follows `block` | write just `block`",
        ),
        (
            "expect: challenge passkey or topt",
            "challenge passkey or topt",
            "method.unknown: `topt` is no method | did you mean `totp`?",
        ),
        (
            "expect: lock_out planet",
            "lock_out planet",
            "expect.unknown: nothing can lock out `planet` | one of subject, session, ip, device, pair",
        ),
        (
            "expect: throttle often",
            "throttle often",
            "expect.unknown: `often` is no rate | write `throttle` or `throttle 5/min`",
        ),
        (
            "proofs: { passkey: yesterday }, expect: block",
            "yesterday",
            "value.type: `yesterday` does not say how old a proof is | write `20s ago`, `now` or `failed`",
        ),
        (
            "proofs: { paskey: now }, expect: block",
            "paskey",
            "method.unknown: `paskey` is no method | did you mean `passkey`?",
        ),
        (
            "arm: e-mail cod, expect: block",
            "e-mail cod",
            "arm.unknown: no experiment has an arm `e-mail cod` | did you mean `e-mail code`?",
        ),
        (
            "asked: [ip.is_to], expect: block",
            "ip.is_to",
            "attribute.unknown: unknown attribute `ip.is_to` | did you mean `ip.is_tor`?",
        ),
        (
            "not_asked: [fraud.score], expect: block",
            "fraud.score",
            "attribute.unknown: unknown attribute `fraud.score` | ",
        ),
        ("now: noon, expect: block", "noon", "value.type: `noon` is no moment | write it as `2026-11-22T09:30:00Z`"),
    ] {
        let text = format!("{head}  - {{ it: slips, {case} }}\n  - {{ it: is fine, expect: challenge }}\n");
        let report = report(TRANSFER, &text);
        let [fault] = report.diagnostics.as_slice() else { panic!("{case}: {:#?}", report.diagnostics) };
        let said = format!("{}: {} | {}", fault.code, fault.message, fault.help.as_deref().unwrap_or_default());
        assert!(said.starts_with(expected), "{case}: {said}");
        assert_eq!(&text[fault.span.clone()], place, "{case}");
        assert_eq!(report.cases.len(), 1, "the case without a slip is run: {case}");
        assert!(report.cases[0].passed && !report.passed(), "{case}");
    }
}

#[test]
fn an_unknown_event_or_key_is_refused() {
    let near = report(TRANSFER, "tests: transfer mony\ncases: []\n");
    assert_eq!(near.diagnostics[0].code, "event.unknown");
    assert_eq!(near.diagnostics[0].help.as_deref(), Some("did you mean `transfer money`?"));
    let key = report(TRANSFER, "tests: transfer money\ncases:\n  - { it: x, expects: block }\n");
    assert_eq!(key.diagnostics.len(), 1, "{:#?}", key.diagnostics);
    assert!(key.cases.is_empty() && !key.passed());
}

#[test]
fn a_slip_in_usually_is_told_once() {
    let report = report(
        TRANSFER,
        "tests: transfer money\nusually: { ip.is_torr: true }\ncases:\n  - { it: a, expect: block }\n  - { it: b, expect: block }\n",
    );
    assert_eq!(report.diagnostics.len(), 1, "{:#?}", report.diagnostics);
    assert!(!report.passed());
}

#[test]
fn calls_over_the_budget_are_not_made() {
    let jump = "        then: { go_to: show an ID }\n";
    let second = "      - rule: fresh number\n        when: phone.sim_swap_age_days < 7\n        then: block\n";
    let policy = TRANSFER.replace(jump, &format!("{jump}{second}"));
    let tests = "tests: transfer money
usually: { subject.kind: human, event.amount: 900, event.payee: DE89, payee.is_known: false, device.is_known: true, ip.is_tor: false, fraud.risk_score: 10, phone.sim_swap_age_days: 900 }
cases:
  - it: has money for one vendor only
    proofs: { passkey: 20s ago }
    expect: challenge id_document
    because: when_unsure
";
    let slots: Vec<String> = compiled(&policy)[0].slots.iter().map(|it| format!("{} {:?}", it.name, it.cost)).collect();
    assert!(slots.iter().filter(|it| it.ends_with("Paid")).count() == 2, "{slots:?}");
    let report = report(&policy, tests);
    all_pass(&report);
}

#[test]
fn tests_have_a_schema_with_a_sentence_for_every_key() {
    let schema = serde_json::to_value(trial::schema()).unwrap();
    for key in ["tests", "usually", "cases"] {
        assert!(schema["properties"][key]["description"].is_string(), "{key}: {schema:#}");
    }
    assert_eq!(schema["additionalProperties"], false);
}
