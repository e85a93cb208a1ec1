//! What loading costs: texts to policies and a matcher, as `run`, a reload and `check` do it.
//!
//! `cargo bench --bench load`. The bar is 10,000 rules in at most 1 s (DESIGN §8); 100,000 events are for seeing that
//! the cost grows with the size of the set, and not with its square.

#![expect(clippy::panic, reason = "a benchmark that cannot build its set should stop")]

use std::{fmt::Write, hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use stepward_core::{
    attribute::Catalogue,
    event::matcher::Matcher,
    policy::{
        Policy,
        compile::{self, Options, Source},
    },
};

/// Conditions as policies have them; `{}` makes those of one policy differ.
const CONDITIONS: [&str; 5] = [
    "ip.risk_score >= {} && !device.is_known",
    "subject.kind == \"agent\" && request.method != \"GET\" && event.amount > {}",
    "event.amount >= 10000 + {} && !(payee.is_known && device.is_known)",
    "ip.country in [\"KP\", \"IR\", \"SY\"] && subject.failures_10m > {}",
    "fraud.risk_score >= {} || (fraud.risk_score >= 50 && event.amount > 500)",
];

fn source(name: &str, text: String) -> Source {
    Source { file: format!("policies/{name}.yaml").into(), text: text.into() }
}

/// Policies of 20 rules each.
fn rules(count: usize) -> Vec<Source> {
    let policy = |at: usize| {
        let mut text = format!("event: transfer {at}\ncovers:\n  - POST /area{}/transfer{at}/{{id}}\n", at % 977);
        text.push_str("succeeded: response.status == 200\nwhen_unsure: block\notherwise: block\nfacts:\n");
        text.push_str("  amount: { from: body.amount, type: number }\n");
        text.push_str("  payee: { from: body.payee, type: text, remember: subject }\nsteps:\n");
        for rule in 0..20 {
            if rule % 5 == 0 {
                let _ = write!(text, "  - decide: step {rule}\n    rules:\n");
            }
            let when = CONDITIONS.get(rule % 5).map_or(String::new(), |it| it.replace("{}", &(rule + 1).to_string()));
            let _ = write!(text, "      - rule: rule {rule}\n        when: '{when}'\n        then: block\n");
        }
        source(&format!("t{at}"), text)
    };
    (0..count / 20).map(policy).collect()
}

/// Policies of up to 100 covers each, as `benches/e2e.sh` makes them.
fn covers(count: usize) -> Vec<Source> {
    let policy = |first: usize| {
        let mut text = format!("event: e{first}\ncovers:\n");
        for at in first..(first + 100).min(count) {
            let _ = writeln!(text, "  - POST /area{}/item{at}/{{id}}", at % 977);
        }
        text.push_str("when_unsure: block\notherwise: block\nsteps:\n  - finish: no\n    then: block\n");
        source(&format!("e{first}"), text)
    };
    (0..count).step_by(100).map(policy).collect()
}

/// Policies of one cover each.
fn events(count: usize) -> Vec<Source> {
    let policy = |at: usize| {
        let head = format!("event: e{at}\ncovers:\n  - POST /area{}/item{at}/{{id}}\n", at % 977);
        let rest = "when_unsure: block\notherwise: block\nsteps:\n  - finish: no\n    then: block\n";
        source(&format!("e{at}"), head + rest)
    };
    (0..count).map(policy).collect()
}

fn load(sources: &[Source]) -> (Vec<Policy>, Matcher) {
    let (policies, found) = compile::compile(sources, &Catalogue::builtin(), &Options::default());
    if policies.len() != sources.len() {
        panic!("{:#?}", found.first());
    }
    let matcher = Matcher::build(policies.iter().map(Policy::recognised));
    (policies, matcher)
}

fn loading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("load");
    group.sample_size(10).warm_up_time(Duration::from_millis(500));
    let sets = [
        ("1000 rules in policies of 20", rules(1_000)),
        ("10000 rules in policies of 20", rules(10_000)),
        ("10000 covers in policies of 100", covers(10_000)),
        ("100000 covers in policies of 100", covers(100_000)),
        ("10000 events in policies of their own", events(10_000)),
    ];
    for (name, sources) in &sets {
        group.bench_function(*name, |bench| bench.iter(|| black_box(load(sources))));
    }
    group.finish();
}

criterion_group!(benches, loading);
criterion_main!(benches);
