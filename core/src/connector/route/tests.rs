use super::*;
use crate::connector::{compile as connector_file, route::document::OnUnavailable};

const CONNECTOR: &str = r#"
connector: {id}
capability: {capability}
price: {price}
data: { sends: [{sends}] }
inputs: { ip: { required: true }, email: {} }
operations:
  lookup:
    request: { method: GET, url: "https://{id}.example/${input.ip}", query: { {query} } }
    timeout: 300ms
    response:
      map: { {map} }
tests:
  - { name: a bad one, input: { ip: 8.8.8.8 }, response: { status: 200, body: { s: 9 } }, expect: { outcome: success } }
"#;

fn connector(id: &str, price: &str, sends_email: bool, map: &str) -> Connector {
    let text = CONNECTOR.replace("{id}", id).replace("{price}", price).replace("{map}", map);
    let text = text.replace("{capability}", if id == "mail" { "email_risk" } else { "ip_reputation" });
    let (sends, query) = if sends_email { ("ip, email", r#"m: "${input.email}""#) } else { ("ip", "") };
    let text = text.replace("{sends}", sends).replace("{query}", query);
    connector_file::connector(&"c.yaml".into(), &text, &Catalogue::builtin()).unwrap()
}

fn made(text: &str) -> Result<Route, Vec<Diagnostic>> {
    let score =
        "ip.risk_score: body.s, ip.is_tor: body.t, ip.country: body.c, ip.abuse_reports: body.n, ip.tags: body.l";
    let all = [
        connector("acme", "0", false, score),
        connector("bolt", "0.0003", false, score),
        connector("core", "0", true, score),
        connector("mail", "0", false, "email.risk_score: body.s"),
        connector("phones", "0", false, "phone.risk_score: body.s"),
    ];
    compile(&"connectors/routes/ip_reputation.yaml".into(), text, &all, &Catalogue::builtin())
}

const SHORT: &str =
    "capability: ip_reputation\nconnectors:\n  - { connector: acme, timeout: 200ms }\n  - { connector: bolt }\n";

#[test]
fn a_short_route_says_nothing_and_gets_what_is_usual() {
    let route = made(SHORT).unwrap();
    assert_eq!(route.members.iter().map(|it| it.timeout_ms).collect::<Vec<_>>(), [Some(200), None]);
    assert_eq!((route.strategy, route.breaker, route.hedge), (Strategy::Priority, Breaker::default(), None));
    assert!(route.assumed.is_empty() && route.warnings.is_empty() && route.shadows.is_empty());
}

#[test]
fn everything_that_can_be_said_is_read() {
    let route = made(&format!(
        "{SHORT}{}",
        r#"
strategy: all
budget: { time: 350ms, spend_per_day: 2.5 }
breaker: { failures: 3, slow_call: 240ms, slow_rate: 60%, open_for: 5s, open_at_most: 1m, window: 10, failure_rate: 40% }
combine: { ip.risk_score: weighted_average, ip.is_tor: any, ip.tags: union, ip.abuse_reports: max, "*": majority }
stale_if_error: 24h
on_unavailable: assume
assume: { because: a block list must not fail open, values: { ip.is_tor: true, ip.risk_score: 60 } }
shadow:
  - { connector: core, sample: 5%, until: 2027-01-31, may_send_more: true }
tests:
  - name: the first fails
    given: { acme: { fail: stalled }, bolt: { fixture: a bad one, after: 10ms } }
    expect: { attributes: { ip.risk_score: 9 }, paths: { ip.risk_score: fail_over }, asked: [acme, bolt] }
"#
    ))
    .unwrap();
    assert_eq!((route.time_ms, route.spend_micros_per_day), (Some(350), Some(2_500_000)));
    let breaker = Breaker {
        failures: 3,
        window: 10,
        failure_millionths: 400_000,
        slow_call_ms: Some(240),
        slow_millionths: 600_000,
        open_ms: 5_000,
        open_ms_max: 60_000,
    };
    assert_eq!(route.breaker, breaker);
    assert_eq!((route.combine("ip.is_tor"), route.combine("ip.country")), (Combine::Any, Combine::Majority));
    assert_eq!(route.stale_if_error_ms, Some(86_400_000));
    assert_eq!(route.assumed.get("ip.risk_score"), Some(&Value::Number(60.0)));
    let shadow = route.shadows.first().unwrap();
    assert_eq!((&*shadow.connector, shadow.sample_millionths), ("core", 50_000));
    assert_eq!(shadow.until_ms, 20_850 * 86_400_000, "to the end of its last day");
}

#[test]
fn a_stated_value_is_never_silent() {
    let text = format!("{SHORT}on_unavailable: assume\nassume: {{ because: x, values: {{ ip.is_tor: false }} }}\n");
    let warnings = made(&text).unwrap().warnings;
    assert_eq!(warnings.iter().map(|it| it.code).collect::<Vec<_>>(), ["route.assumes"]);
    assert!(warnings[0].message.contains("`ip.is_tor` is taken to be `false`"), "{warnings:?}");
    assert!(OnUnavailable::default() == OnUnavailable::Unknown);
}

#[test]
fn what_is_wrong_with_a_route_has_a_code_and_a_place() {
    let hedge = "hedge: { after: 80ms }\n";
    let shadow =
        |more: &str| format!("{SHORT}shadow:\n  - {{ connector: core, sample: 5%, until: 2027-01-31{more} }}\n");
    let assume =
        |values: &str| format!("{SHORT}on_unavailable: assume\nassume: {{ because: x, values: {{ {values} }} }}\n");
    let test = |given: &str| {
        format!("{SHORT}tests:\n  - {{ name: x, input: {{ ip: 8.8.8.8 }}, given: {{ {given} }}, expect: {{}} }}\n")
    };
    for (text, code) in [
        (SHORT.replace("acme", "acmee"), "connector.unknown"),
        (SHORT.replace("acme", "mail"), "connector.capability"),
        (SHORT.replace("acme", "bolt"), "connector.twice"),
        ("capability: ip_reputation\nconnectors: []\n".into(), "route.empty"),
        (format!("{SHORT}on_unavailable: allow\n"), "value.unknown"),
        (format!("{SHORT}strategy: alll\n"), "value.unknown"),
        (format!("{SHORT}hegde: {{ after: 80ms }}\n"), "key.unknown"),
        (format!("{SHORT}strategy: all\n{hedge}"), "route.hedge"),
        (format!("capability: ip_reputation\nconnectors: [{{ connector: acme }}]\n{hedge}"), "route.hedge"),
        (format!("{SHORT}combine: {{ ip.risk_score: max }}\n"), "route.combine"),
        (format!("{SHORT}strategy: all\ncombine: {{ ip.is_tor: max }}\n"), "route.combine"),
        (format!("{SHORT}strategy: all\ncombine: {{ \"*\": max }}\n"), "route.combine"),
        (format!("{SHORT}strategy: all\ncombine: {{ ip.is_torr: any }}\n"), "attribute.unknown"),
        (format!("{SHORT}strategy: all\ncombine: {{ ip.is_vpn: any }}\n"), "route.attribute"),
        (format!("{SHORT}on_unavailable: assume\n"), "route.assume"),
        (format!("{SHORT}assume: {{ because: x, values: {{ ip.is_tor: true }} }}\n"), "route.assume"),
        (assume("ip.risk_score: 101"), "route.assume"),
        (assume("ip.is_tor: 1"), "route.assume"),
        (assume("ip.is_vpn: true"), "route.attribute"),
        (format!("{SHORT}breaker: {{ window: 100 }}\n"), "route.breaker"),
        (format!("{SHORT}breaker: {{ failures: 0 }}\n"), "route.breaker"),
        (format!("{SHORT}breaker: {{ slow_rate: 50% }}\n"), "route.breaker"),
        (format!("{SHORT}breaker: {{ slow_call: 50 }}\n"), "value.unit"),
        (SHORT.replace("{ connector: bolt }", "{ connector: bolt, weight: 0 }"), "route.weight"),
        (shadow(""), "shadow.sends"),
        (shadow(", may_send_more: true").replace("connector: core", "connector: acme"), "connector.twice"),
        (
            shadow("").replace("bolt", "mail").replace("connector: core", "connector: bolt").replace("mail", "core"),
            "shadow.spend",
        ),
        (shadow("").replace("2027-01-31", "2027-02-31"), "value.unit"),
        (
            format!(
                "{SHORT}levels: {{ ip.country: {{ from: ip.risk_score, low: 1, medium: 2, high: 3, critical: 4 }} }}\n"
            ),
            "route.level",
        ),
        (
            format!(
                "{SHORT}levels: {{ phone.risk_level: {{ from: ip.risk_score, low: 9, medium: 2, high: 3, critical: 4 }} }}\n"
            ),
            "route.level",
        ),
        (
            format!(
                "{SHORT}levels: {{ phone.risk_level: {{ from: ip.is_tor, low: 1, medium: 2, high: 3, critical: 4 }} }}\n"
            ),
            "route.level",
        ),
        (test("zebra: { fail: stalled }"), "route.test"),
        (test("acme: { fixture: no such }"), "route.test"),
        (test("acme: {}"), "route.test"),
        (test("acme: { fail: stalled }").replace("input: { ip: 8.8.8.8 }, ", ""), "route.test"),
    ] {
        let found = made(&text).map(|it| it.warnings).unwrap_err();
        assert_eq!(found.first().unwrap().code, code, "{text}\n{found:#?}");
    }
}

#[test]
fn a_route_whose_time_is_over_before_the_last_is_asked_says_so() {
    let codes = |time: &str| {
        let route = made(&format!("{SHORT}budget: {{ time: {time} }}\n")).unwrap();
        route.warnings.iter().map(|it| it.code).collect::<Vec<_>>()
    };
    assert_eq!(codes("200ms"), ["route.time"]);
    assert_eq!(codes("201ms"), Vec::<&str>::new());
}

#[test]
fn a_level_is_made_from_a_score() {
    let level = Level { from: "phone.risk_score".into(), low: 25.0, medium: 50.0, high: 75.0, critical: 90.0 };
    for (score, word) in
        [(0.0, "none"), (24.9, "none"), (25.0, "low"), (50.0, "medium"), (89.9, "high"), (90.0, "critical")]
    {
        assert_eq!(level.of(&Value::Number(score)), Some(Value::text(word)), "{score}");
    }
    assert_eq!(level.of(&Value::text("x")), None);
}

#[test]
fn a_connector_that_is_asked_about_a_secret_is_never_tried_out() {
    let text = "connector: {id}\ncapability: breach_password\ndata: { sends: [sha1] }\n\
        inputs: { password: { required: true } }\nderived: { sha1: sha1_hex(input.password) }\n\
        operations: { lookup: { timeout: 300ms, request: { method: GET, url: \"https://x.example/${derived.sha1}\" }, \
        response: { map: { credential.password_breached: body.b } } } }\n";
    let made = |id: &str| {
        let text = text.replace("{id}", id);
        connector_file::connector(&"c.yaml".into(), &text, &Catalogue::builtin()).unwrap_or_else(|it| panic!("{it:#?}"))
    };
    let all = [made("one"), made("two")];
    let route = "capability: breach_password\nconnectors: [{ connector: one }]\n";
    let compiled = |text: &str| compile(&"r.yaml".into(), text, &all, &Catalogue::builtin());
    assert!(all[1].asks_secrets() && compiled(route).is_ok());
    let found =
        compiled(&format!("{route}shadow: [{{ connector: two, sample: 5%, until: 2027-01-31 }}]\n")).unwrap_err();
    assert_eq!(found.iter().map(|it| it.code).collect::<Vec<_>>(), ["shadow.secret"]);
}

#[test]
fn a_route_goes_on_without_a_refused_connector_and_ends_when_none_is_left() {
    let score = "ip.risk_score: body.s";
    let catalogue = Catalogue::builtin();
    let file = "connectors/routes/ip_reputation.yaml".into();
    let all = [connector("acme", "0", false, score)];
    let text = "capability: ip_reputation\nconnectors: [{ connector: acme }, { connector: bolt }]\nstrategy: all\n\
        combine: { ip.risk_score: max, ip.is_tor: any }\n\
        levels: { phone.risk_level: { from: ip.abuse_reports, low: 1, medium: 2, high: 3, critical: 4 } }\n";
    let refused = ["bolt".into()];
    let route = compile_without(&file, text, &all, &refused, &catalogue).unwrap_or_else(|it| panic!("{it:#?}"));
    assert_eq!((route.members.len(), route.levels.len()), (1, 0), "a level of what nobody tells is none");
    let at = &route.warnings.iter().find(|it| it.code == WITHOUT).unwrap().span;
    assert!(text[at.clone()].contains("bolt"), "{:?}", &text[at.clone()]);
    let refused = ["acme".into(), "bolt".into()];
    let found = compile_without(&file, text, &[], &refused, &catalogue).unwrap_err();
    assert!(found.iter().any(|it| it.code == "route.lost"), "{found:?}");
    assert!(compile_without(&file, text, &all, &[], &catalogue).is_err(), "who is merely not there is a slip");
}
