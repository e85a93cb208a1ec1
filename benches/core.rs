//! What deciding costs (DESIGN §8: a condition at most 60 ns, a policy of 20 rules at most 1.5 µs).
//!
//! Everything is known beforehand, so what is measured is the engine and nothing it waits for.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a benchmark that cannot be set up should stop")]

use std::{fmt::Write, hint::black_box};

use criterion::{Criterion, criterion_group, criterion_main};
use stepward_core::{
    attribute::Catalogue,
    decide,
    expr::SlotSet,
    facts::{Facts, Reading, SlotId, Units},
    policy::{
        Policy, StepKind,
        compile::{self, Options, Source},
    },
    session::{Method, Proof},
    value::{Type, Value},
};

const NOW_MS: i64 = 1_800_000_000_000;

/// Conditions as policies have them; none holds for [`known`].
const CONDITIONS: [&str; 10] = [
    "ip.risk_score >= 70 && !device.is_known",
    "ip.is_tor || ip.risk_score >= 95",
    "subject.kind == \"agent\" && request.method != \"GET\"",
    "event.amount >= 10000 && !(payee.is_known && device.is_known)",
    "ip.country in [\"KP\", \"IR\", \"SY\"]",
    "subject.failures_10m > 8",
    "session.travel_speed_kmh > 900 && !device.is_known",
    "request.path.startsWith(\"/admin\")",
    "fraud.risk_score >= 80 || (fraud.risk_score >= 50 && event.amount > 500)",
    "session.age < duration(\"30s\") && event.amount > 250",
];

/// A policy with so many rules, five to a step; the last one fires.
fn policy(rules: usize, gate: &str) -> Policy {
    let mut text = String::from(
        "event: transfer money\ncovers: [POST /transfer]\nsucceeded: response.status == 200\nfailed: response.status == 400\n\
         facts:\n  amount: { from: body.amount, type: number }\n  payee: { from: body.payee, type: text, remember: subject }\n\
         when_unsure: { challenge: [passkey] }\notherwise: block\nsteps:\n",
    );
    text.push_str(gate);
    for rule in 0..rules {
        if rule % 5 == 0 {
            writeln!(text, "  - decide: step {rule}\n    rules:").unwrap();
        }
        let (when, then) = match rule + 1 == rules {
            true => ("payee.is_known && event.amount < 250", "forward"),
            false => (CONDITIONS[rule % CONDITIONS.len()], "block"),
        };
        writeln!(text, "      - rule: rule {rule}\n        when: '{when}'\n        then: {then}").unwrap();
    }
    let source = Source { file: "transfer.yaml".into(), text: text.into() };
    let (policies, diagnostics) = compile::compile(&[source], &Catalogue::builtin(), &Options::default());
    policies.into_iter().next().unwrap_or_else(|| panic!("{diagnostics:#?}"))
}

/// An everyday payment.
fn known(policy: &Policy) -> Facts {
    let mut facts = Facts::unasked(NOW_MS, policy.slots.len());
    facts.units = Units { subject: Some("alice".into()), device: None, session: Some("s".into()) };
    for (at, slot) in (0u16..).map(SlotId).zip(&policy.slots) {
        let value = match (&*slot.name, slot.kind) {
            ("subject.kind", _) => Value::text("human"),
            ("request.method", _) => Value::text("POST"),
            ("ip.country", _) => Value::text("DE"),
            (_, Type::Bool) => Value::Bool(!slot.name.contains("tor")),
            (_, Type::Int) => Value::Int(1),
            (_, Type::Number) => Value::Number(12.0),
            (_, Type::Duration) => Value::Duration(3_600_000),
            (_, Type::Text | Type::Time | Type::Ip | Type::List) => Value::text("/transfer"),
        };
        facts.learn(at, Reading::Known(value), None);
    }
    facts
}

fn conditions(c: &mut Criterion) {
    let mut group = c.benchmark_group("condition");
    let policy = policy(CONDITIONS.len() + 1, "");
    let facts = known(&policy);
    let rules = policy.steps.iter().filter_map(|step| match &step.kind {
        StepKind::Decide(rules) => Some(rules),
        StepKind::Require(_) | StepKind::Split(_) | StepKind::Finish(..) => None,
    });
    for rule in rules.flatten() {
        group.bench_function(&*rule.when.text, |b| {
            b.iter(|| {
                let mut wanted = SlotSet::default();
                rule.when.eval(black_box(&facts), &mut wanted)
            });
        });
    }
    group.finish();
}

fn policies(c: &mut Criterion) {
    let mut group = c.benchmark_group("decide");
    for rules in [1, 20, 200] {
        let policy = policy(rules, "");
        let facts = known(&policy);
        group.bench_function(format!("{rules} rules, everything known"), |b| {
            b.iter(|| decide::decide(black_box(&policy), black_box(&facts)));
        });
    }
    let first = policy(20, "");
    let unasked = Facts::unasked(NOW_MS, first.slots.len());
    group.bench_function("20 rules, nothing known", |b| {
        b.iter(|| decide::decide(black_box(&first), black_box(&unasked)));
    });
    let gate = "  - require: fresh proof\n    proof: [passkey, totp]\n    fresh_for: 2m\n    bind_to: [event.amount, event.payee]\n    on_fail: block\n";
    let bound = policy(20, gate);
    let mut facts = known(&bound);
    let slots: Vec<SlotId> = bound.binds.clone();
    let digest = decide::binding(&bound, &slots, &facts).unwrap().digest;
    facts.proofs.push(Proof {
        method: Method::Totp,
        at_ms: NOW_MS,
        event: bound.event.clone(),
        bound_to: Some(digest),
        by: None,
    });
    group.bench_function("20 rules behind a bound proof", |b| {
        b.iter(|| decide::decide(black_box(&bound), black_box(&facts)));
    });
    group.finish();
}

criterion_group!(benches, conditions, policies);
criterion_main!(benches);
