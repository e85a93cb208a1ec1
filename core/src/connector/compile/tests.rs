use super::*;
use crate::{
    connector::{
        Class, Named, Prepared,
        answer::{Interpreted, Reply},
        request::{Asked, Moment},
    },
    value::Value,
};

const GOOD: &str = r#"
connector: acme
capability: ip_reputation
price: 0.001
data: { sends: [ip, email] }
config:
  base: { default: "https://api.acme.example/v1" }
secrets:
  key: {}
inputs:
  ip: { required: true, skip_when: is_private_ip(input.ip) }
  email: {}
auth: { type: api_key, in: header, name: X-Key, value: "${secret.key}" }
operations:
  lookup:
    request:
      method: GET
      url: "${config.base}/check/${input.ip}"
      query: { mail: "${input.email}", fixed: "1" }
    timeout: 300ms
    cache: { key: "${input.ip} ${input.email}", ttl: 1h, negative_ttl: 5m }
    response:
      outcome:
        - { when: "status == 404", then: not_found }
        - { when: "has(body.error)", then: config_error }
      map:
        ip.risk_score: score(body.score, 0, 50)
        ip.country: body.country
        ip.is_tor: truthy(body.tor)
        ip.tags: body.tags
        idp.risk_level: "pick(body.level, {'LOW': 'low', 'BAD': 'nonsense'})"
      required: [ip.risk_score]
"#;

fn compile(text: &str) -> Result<Connector, Vec<Diagnostic>> {
    connector(&"acme.yaml".into(), text, &Catalogue::builtin())
}

/// The request for what is given, with these secrets.
fn prepare(connector: &Connector, inputs: &Named, secrets: &Named) -> Option<Prepared> {
    let moment = Moment { now_ms: 1_767_225_600_000, uuid: "00000000-0000-4000-8000-000000000000".into() };
    connector.operations[0].prepare(Asked { inputs, secrets, state: &[], token: None, moment: &moment })
}

fn asked(connector: &Connector, given: &Named) -> Option<Vec<(Arc<str>, Arc<str>)>> {
    connector.operations[0].inputs(given, 0)
}

fn interpret(connector: &Connector, status: u16, body: &[u8]) -> Interpreted {
    connector.operations[0].interpret(&Reply { status, headers: &[], body }, &[], 1_767_225_600_000)
}

fn named(pairs: &[(&str, &str)]) -> Vec<(Arc<str>, Arc<str>)> {
    pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

#[test]
fn a_request_is_made_of_the_declared_inputs_only() {
    let connector = compile(GOOD).unwrap();
    assert!(connector.is_paid);
    let given = named(&[("ip", "198.18.0.1"), ("user_id", "ada")]);
    assert_eq!(asked(&connector, &given), None, "a private address stays in the house");
    let inputs = asked(&connector, &named(&[("ip", "8.8.8.8"), ("user_id", "ada")])).unwrap();
    let sent = prepare(&connector, &inputs, &named(&[("key", "s3cret")])).unwrap();
    assert_eq!(
        sent.url, "https://api.acme.example/v1/check/8.8.8.8?fixed=1",
        "a missing input leaves its parameter out"
    );
    assert_eq!(sent.headers, [("X-Key".into(), "s3cret".to_owned())]);
    let inputs = asked(&connector, &named(&[("ip", "8.8.8.8"), ("email", "a&b=c@example.com")])).unwrap();
    let sent = prepare(&connector, &inputs, &named(&[("key", "k")])).unwrap();
    assert!(sent.url.ends_with("?mail=a%26b%3Dc%40example.com&fixed=1"), "{}", sent.url);
    assert_eq!(asked(&connector, &named(&[("email", "a@b.c")])), None, "a required input is missing");
}

#[test]
fn answers_mean_what_their_classes_say() {
    let connector = compile(GOOD).unwrap();
    for (status, body, class) in [
        (200, r#"{"score": 25}"#, Class::Success),
        (200, r#"{"score": null}"#, Class::ContractError),
        (200, r#"{"scor"#, Class::ContractError),
        (200, "", Class::ContractError),
        (200, r#"{"error": "quota", "score": 1}"#, Class::ConfigError),
        (204, r#"{"score": "7"}"#, Class::Success),
        (404, "not json", Class::NotFound),
        (401, "{}", Class::ConfigError),
        (429, "{}", Class::RateLimited),
        (503, "<html>", Class::Unavailable),
        (302, "{}", Class::ContractError),
    ] {
        let told = interpret(&connector, status, body.as_bytes());
        assert_eq!(told.class, class, "{status} {body}");
        assert!(class == Class::Success || told.values.iter().all(Option::is_none), "{status} {body}");
    }
    let deep = format!(r#"{{"score": 1, "x": {}{}}}"#, "[".repeat(100), "]".repeat(100));
    assert_eq!(interpret(&connector, 200, deep.as_bytes()).class, Class::ContractError);
}

#[test]
fn what_is_missing_null_mistyped_or_out_of_range_is_unknown() {
    let connector = compile(GOOD).unwrap();
    let values = |body: &str| interpret(&connector, 200, body.as_bytes()).values;
    let told = values(r#"{"score": 25, "country": "NL", "tor": "yes", "tags": ["a", null, "b"], "level": "LOW"}"#);
    let tags = Value::List([Value::text("a"), Value::text("b")].into());
    let expected = [Value::Number(50.0), Value::text("NL"), Value::Bool(true), tags, Value::text("low")];
    assert_eq!(told, expected.map(Some));
    for body in [
        r#"{"score": 25}"#,
        r#"{"score": 25, "country": null, "tor": null, "tags": null, "level": null}"#,
        r#"{"score": 25, "country": 7, "tor": "maybe", "tags": "a", "level": "BAD"}"#,
        r#"{"score": 25, "country": {}, "tor": [], "tags": {}, "level": []}"#,
    ] {
        assert_eq!(values(body), [Some(Value::Number(50.0)), None, None, None, None], "{body}");
    }
    assert_eq!(values(r#"{"score": 999}"#).first().unwrap(), &Some(Value::Number(100.0)), "scores are cut off at 100");
}

#[test]
fn whole_numbers_are_ints_so_that_arithmetic_works() {
    let text = GOOD.replace("score(body.score, 0, 50)", "100 - body.score * 2");
    let told = interpret(&compile(&text).unwrap(), 200, br#"{"score": 10}"#);
    assert_eq!(told.values.first().unwrap(), &Some(Value::Number(80.0)));
}

#[test]
fn i1_no_input_chooses_the_host_and_private_ones_need_a_word() {
    for (url, code) in [
        ("https://${input.ip}/", "url.host"),
        ("${input.ip}", "url.host"),
        ("https://api.example${input.ip}/", "url.host"),
        ("https://a@api.example/", "url.host"),
        ("http://api.example/", "url.insecure"),
        ("ftp://api.example/", "url.scheme"),
        ("https://127.0.0.1/", "url.private"),
        ("https://[::ffff:127.0.0.1]/", "url.private"),
        ("https://0x7f.1/", "url.host"),
        ("https://127.1/", "url.host"),
        ("https://2130706433/", "url.host"),
        ("https://169.254.169.254/", "url.private"),
        ("https://[fd00:ec2::254]/", "url.private"),
        ("https://10.0.0.1/", "url.private"),
        ("https://[64:ff9b::7f00:1]/", "url.private"),
        ("https://host:0/", "url.host"),
        ("https:///x", "url.host"),
    ] {
        let text = GOOD.replace("${config.base}/check/${input.ip}", url);
        let found = compile(&text).unwrap_err();
        assert!(found.iter().any(|it| it.code == code), "{url}: {found:?}");
    }
    let inside = GOOD.replace("https://api.acme.example/v1", "http://10.0.0.1:8080");
    assert!(compile(&inside.replace("price:", "network: internal\nprice:")).is_ok());
}

#[test]
fn f16_a_cache_key_that_leaves_out_an_input_is_refused() {
    let found = compile(&GOOD.replace("\"${input.ip} ${input.email}\"", "\"${input.ip}\"")).unwrap_err();
    assert_eq!(found.first().unwrap().code, "cache.incomplete");
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (from, to, code) in [
        ("ip.country: body.country", "ip.cuntry: body.country", "attribute.unknown"),
        ("ip.country: body.country", "subject.is_known: 'true'", "attribute.owned"),
        ("ip.country: body.country", "ip.country: secret.key", "expression"),
        ("ip.country: body.country", "ip.country: body.(", "expression"),
        ("ip.country: body.country", "ip.country: getenv('HOME')", "expression"),
        ("sends: [ip, email]", "sends: [ip]", "data.unsaid"),
        ("value: \"${secret.key}\"", "value: \"${secret.kye}\"", "secret.undeclared"),
        ("  email: {}", "  emial: {}", "input.unknown"),
        ("required: [ip.risk_score]", "required: [ip.asn]", "attribute.unmapped"),
        ("timeout: 300ms", "timeuot: 300ms", "key.unknown"),
        ("name: X-Key, ", "", "key.missing"),
        ("connector: acme", "connector: ../acme", "connector.id"),
    ] {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD, "{from} is not in the example");
        let found = compile(&text).unwrap_err();
        assert!(found.iter().any(|it| it.code == code && !it.span.is_empty()), "{to}: {found:?}");
    }
}

#[test]
fn an_expression_that_could_run_long_is_refused() {
    let answers = Names { has_answer: true, ..Names::default() };
    let nested = |depth: usize| format!("{}body{}", "(".repeat(depth), ")".repeat(depth));
    for text in
        ["x".repeat(3000), "body.map(a, body.map(b, body.map(c, body.map(d, d))))".into(), nested(33), nested(500)]
    {
        assert!(Expression::parse(&text, &answers).is_err(), "{text:.60}");
    }
    assert!(Expression::parse(&nested(30), &answers).is_ok(), "the deepest that is taken fits a small stack");
    assert!(Expression::parse("body.items.filter(i, i.bad).map(i, i.name)", &answers).is_ok());
}
