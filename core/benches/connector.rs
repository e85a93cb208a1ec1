//! What reading a vendor's answer costs, from its bytes to attributes: bars are 20 µs for 2 KB and 150 µs for 20 KB.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot run should say so")]

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, criterion_group, criterion_main};
use stepward_core::{
    attribute::Catalogue,
    connector::{Operation, answer::Reply, compile},
};

/// Twelve attributes as vendors' files have them: paths, one function of a path, and a few that compare and loop.
const FILE: &str = r#"
connector: acme
capability: ip_reputation
data: { sends: [ip] }
inputs: { ip: { required: true } }
operations:
  lookup:
    request: { method: GET, url: "https://api.acme.example/${input.ip}" }
    response:
      max_bytes: 64KiB
      outcome: [{ when: has(body.error), then: config_error }]
      map:
        ip.risk_score: score(body.risk.score, 0, 100)
        ip.country: body.location.country
        ip.city: body.location.city
        ip.isp: body.network.isp
        ip.asn: asn(body.network.asn)
        ip.is_tor: body.flags.tor
        ip.is_vpn: truthy(body.flags.vpn)
        ip.is_proxy: body.flags.proxy
        ip.is_hosting: body.network.kind == 'hosting'
        ip.is_mobile_network: "pick(body.network.kind, {'mobile': true, 'hosting': false})"
        ip.abuse_reports: body.reports_total
        ip.tags: body.tags
        ip.recent_abuse: body.reports.exists(r, r.category == 'scan' && r.weight > 90)
      required: [ip.risk_score]
"#;

fn operation() -> Arc<Operation> {
    let made = compile::connector(&"acme.yaml".into(), FILE, &Catalogue::builtin());
    let connector = made.unwrap_or_else(|found| panic!("{found:?}"));
    connector.asked().unwrap().clone()
}

/// An answer of about so many bytes: reports fill it.
fn answer(bytes: usize) -> Vec<u8> {
    let head = r#"{"risk": {"score": 82.5}, "location": {"country": "NL", "city": "Amsterdam", "lat": 52.3, "lon": 4.9},
        "network": {"isp": "Example Hosting BV", "asn": "AS64500", "kind": "hosting"},
        "flags": {"tor": false, "vpn": "yes", "proxy": null}, "reports_total": 47, "tags": ["a", "b", "c"], "reports": ["#;
    let report = |at: usize| {
        format!(
            r#"{{"id": {at}, "category": "spam", "weight": {}, "at": "2026-01-01T00:00:00Z", "by": "reporter-{at}"}}"#,
            at % 90
        )
    };
    let mut text = head.to_owned();
    let mut at = 0;
    while text.len() < bytes {
        text.push_str(&report(at));
        text.push(',');
        at += 1;
    }
    format!("{}]}}", text.trim_end_matches(',')).into_bytes()
}

fn mapping(criterion: &mut Criterion) {
    let operation = operation();
    let inputs: Vec<(Arc<str>, Arc<str>)> = vec![("ip".into(), "62.4.31.7".into())];
    let (simple, all) = operation.fast_lane();
    assert_eq!((simple, all), (11, 13), "paths and single functions");
    for (name, bytes) in [("2 KB", 2_000), ("20 KB", 20_000)] {
        let body = answer(bytes);
        let reply = Reply { status: 200, headers: &[], body: &body };
        let told = operation.interpret(&reply, &inputs, 0);
        assert!(told.values.iter().filter(|it| it.is_some()).count() >= 12, "{told:?}");
        criterion.bench_function(&format!("mapping of a {name} answer, 13 attributes"), |bencher| {
            bencher.iter(|| operation.interpret(black_box(&reply), black_box(&inputs), 0));
        });
    }
}

criterion_group!(benches, mapping);
criterion_main!(benches);
