//! The tests that a route file carries: they run without a network, and a route that is not as they say fails them.

use stepward::vendors::fixtures;

use super::*;

const FIXTURES: &str = "tests:
  - { name: a bad one, input: { ip: 62.4.31.7 }, response: { status: 200, body: { score: 90, tor: true } }, expect: { outcome: success } }
  - { name: nobody, input: { ip: 62.4.31.7 }, response: { status: 404, body: {} }, expect: { outcome: not_found } }
  - { name: half, input: { ip: 62.4.31.7 }, response: { status: 200, body: { country: NL } }, expect: { outcome: success } }
";

/// The problems of the only test of a route.
async fn problems(more: &str, given: &str, expect: &str) -> Vec<String> {
    // An address where nobody listens: nothing may be sent.
    let mut nobody = Vendor::scoring(0).await;
    nobody.address = "127.0.0.1:1".parse().unwrap();
    let more = format!(
        "{more}\ntests:\n  - {{ name: it, input: {{ ip: 62.4.31.7 }}, given: {{ {given} }}, expect: {{ {expect} }} }}"
    );
    let folder = tempfile::tempdir().unwrap();
    Plan { top: &[FIXTURES; 2], ..Plan::of(&[&nobody, &nobody], &more) }.write(folder.path());
    let report = fixtures::run(folder.path()).unwrap_or_else(|found| panic!("{found:#?}"));
    let route = report.connectors.iter().find(|it| &*it.connector == "routes/ip_reputation").unwrap();
    route.cases[0].problems.clone()
}

#[tokio::test]
async fn a_route_that_is_as_its_tests_say_passes_them() {
    for (more, given, expect) in [
        (
            "",
            "a: { fixture: a bad one }",
            "attributes: { ip.risk_score: 90 }, paths: { ip.risk_score: live }, asked: [a]",
        ),
        (
            "",
            "a: { fail: contract_error }, b: { fixture: a bad one }",
            "attributes: { ip.risk_score: 90 }, paths: { ip.risk_score: fail_over }, asked: [a, b]",
        ),
        ("", "a: { fixture: nobody }", "attributes: { ip.risk_score: null }, asked: [a]"),
        (
            "hedge: { after: 20ms }",
            "a: { fail: stalled }, b: { fixture: a bad one }",
            "paths: { ip.risk_score: hedge }, asked: [a, b]",
        ),
        (
            "hedge: { after: 20ms }",
            "a: { fixture: a bad one, after: 60ms }, b: { fail: unavailable }",
            "paths: { ip.risk_score: live }",
        ),
        (
            "strategy: fill_missing",
            "a: { fixture: half }, b: { fixture: a bad one }",
            "attributes: { ip.country: NL, ip.is_tor: true }, paths: { ip.country: live, ip.is_tor: fill }",
        ),
        (
            "strategy: all\ncombine: { ip.is_tor: any }",
            "a: { fixture: a bad one }, b: { fixture: a bad one }",
            "paths: { ip.is_tor: combined, ip.risk_score: live }",
        ),
    ] {
        assert_eq!(problems(more, given, expect).await, Vec::<String>::new(), "{more} {given}");
    }
}

#[tokio::test]
async fn a_route_that_is_not_as_its_tests_say_fails_them_and_says_why() {
    for (given, expect, problem) in [
        ("a: { fixture: a bad one }", "attributes: { ip.risk_score: 89 }", "`ip.risk_score` is 90.0, not 89"),
        (
            "a: { fixture: a bad one }",
            "paths: { ip.risk_score: fail_over }",
            "`ip.risk_score` came live, not `fail_over`",
        ),
        (
            "a: { fail: stalled }, b: { fail: stalled }",
            "paths: { ip.risk_score: live }",
            "`ip.risk_score` came by no way, not `live`",
        ),
        ("a: { fixture: a bad one }, b: { fixture: half }", "asked: [a, b]", "asked were a, not a, b"),
        (
            "a: { fail: unavailable }",
            "attributes: { ip.risk_score: null }",
            "`b` was asked, and `given` does not say what it does",
        ),
    ] {
        assert_eq!(problems("", given, expect).await, [problem], "{given}");
    }
}
