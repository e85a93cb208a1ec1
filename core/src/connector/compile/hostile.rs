//! Answers that a vendor, or whoever sits in between, could send to do harm; and files that an operator could get
//! wrong. Both as tables.

use super::*;
use crate::{
    connector::{Class, answer::Reply},
    value::Value,
};

const FILE: &str = r#"
connector: acme
capability: ip_reputation
data: { sends: [ip], regions: [eu] }
config:
  base: { type: url, default: "https://api.acme.example" }
  days: { type: int, default: 90, min: 1, max: 365 }
  region: { type: enum, values: [eu, us], default: eu }
secrets:
  key: { about: The key. }
inputs:
  ip: { required: true }
  password: {}
derived:
  sha1: sha1_hex(input.password)
  prefix: slice(derived.sha1, 0, 5)
auth: { type: api_key, in: header, name: X-Key, value: "${secret.key}" }
operations:
  lookup:
    request:
      method: POST
      url: "${config.base}/v1"
      json: { ip: "${input.ip}", days: "${config.days}" }
    timeout: 500ms
    response:
      format: json
      outcome:
        - { when: has(body.error), then: config_error, message: the account is closed }
      map:
        ip.risk_score: score(body.score, 0, 100)
        ip.country: body.country
        ip.tags: body.tags
      required: [ip.risk_score]
"#;

fn compile(text: &str) -> Result<Connector, Vec<Diagnostic>> {
    connector(&"acme.yaml".into(), text, &Catalogue::builtin())
}

fn with_format(format: &str) -> Connector {
    compile(&FILE.replace("format: json", &format!("format: {format}"))).unwrap_or_else(|found| panic!("{found:?}"))
}

#[test]
fn hostile_answers_are_an_outcome_class_and_a_reason_to_log() {
    let long_text = format!(r#"{{"score": 1, "country": "{}"}}"#, "x".repeat(200_000));
    let bomb = format!(r#"{{"score": 1, "x": {}1{}}}"#, "[".repeat(50_000), "]".repeat(50_000));
    let wide = format!(r#"{{"score": 1, "x": [{}1]}}"#, "1,".repeat(20_000));
    let cases: [(&str, &str, Vec<u8>, Class); 33] = [
        ("truncated", "json", br#"{"score": 25, "coun"#.to_vec(), Class::ContractError),
        ("truncated number", "json", br#"{"score": 2"#.to_vec(), Class::ContractError),
        ("empty", "json", Vec::new(), Class::ContractError),
        ("blank", "json", b"  \r\n".to_vec(), Class::ContractError),
        ("a page", "json", b"<!doctype html><title>Sign in to the Wi-Fi</title>".to_vec(), Class::ContractError),
        ("two documents", "json", br#"{"score": 1}{"score": 99}"#.to_vec(), Class::ContractError),
        ("a name twice", "json", br#"{"score": 99, "score": 1}"#.to_vec(), Class::ContractError),
        ("a name twice by escapes", "json", br#"{"score": 99, "\u0073core": 1}"#.to_vec(), Class::ContractError),
        ("nested too deep", "json", bomb.into_bytes(), Class::ContractError),
        ("too many elements", "json", wide.into_bytes(), Class::ContractError),
        ("Latin-1", "json", b"{\"score\": 1, \"country\": \"\xe9\"}".to_vec(), Class::ContractError),
        ("UTF-16", "json", "{\"score\": 1}".encode_utf16().flat_map(u16::to_le_bytes).collect(), Class::ContractError),
        ("overlong UTF-8", "json", b"{\"score\": 1, \"x\": \"\xc0\xaf\"}".to_vec(), Class::ContractError),
        ("a lone surrogate", "json", br#"{"score": 1, "country": "\ud800"}"#.to_vec(), Class::ContractError),
        ("a byte of nothing", "json", b"{\"score\": 1}\0".to_vec(), Class::ContractError),
        ("not a number", "json", br#"{"score": NaN}"#.to_vec(), Class::ContractError),
        ("an infinite number", "json", br#"{"score": 1e999}"#.to_vec(), Class::ContractError),
        ("required is null", "json", br#"{"score": null}"#.to_vec(), Class::ContractError),
        ("required is missing", "json", br#"{"country": "NL"}"#.to_vec(), Class::ContractError),
        ("required is of another type", "json", br#"{"score": {"value": 1}}"#.to_vec(), Class::ContractError),
        ("a list instead of an object", "json", br#"[{"score": 1}]"#.to_vec(), Class::ContractError),
        ("a text instead of an object", "json", br#""score""#.to_vec(), Class::ContractError),
        ("a rule fires", "json", br#"{"error": "x", "score": 1}"#.to_vec(), Class::ConfigError),
        ("a byte order mark is no harm", "json", b"\xef\xbb\xbf{\"score\": 1}".to_vec(), Class::Success),
        ("a long text is one value", "json", long_text.into_bytes(), Class::Success),
        ("XML with a document type", "xml", b"<!DOCTYPE r [<!ENTITY a 'b'>]><r>&a;</r>".to_vec(), Class::ContractError),
        ("XML not closed", "xml", b"<r><score>1</score>".to_vec(), Class::ContractError),
        (
            "XML in another charset",
            "xml",
            b"<?xml version='1.0' encoding='utf-16'?><r/>".to_vec(),
            Class::ContractError,
        ),
        ("JSON for XML", "xml", br#"{"score": 1}"#.to_vec(), Class::ContractError),
        ("half a line of JSON", "jsonl", b"{\"score\": 1}\n{\"sc".to_vec(), Class::ContractError),
        ("a row too short", "csv", b"a,b\n1".to_vec(), Class::ContractError),
        ("a line without its separator", "kv_lines", b"score:1\nx".to_vec(), Class::ContractError),
        ("a form with a name twice", "form", b"score=1&score=2".to_vec(), Class::ContractError),
    ];
    for (what, format, body, class) in cases {
        let connector = with_format(format);
        let told = connector.operations[0].interpret(&Reply { status: 200, headers: &[], body: &body }, &[], 0);
        assert_eq!(told.class, class, "{what}");
        let silent = told.values.iter().all(Option::is_none) && told.raw.is_none() && told.state.is_empty();
        assert!(class == Class::Success || silent, "{what}: nothing of it counts");
        assert!(class == Class::Success || told.why.is_some(), "{what}: the log can say why");
    }
}

#[test]
fn what_is_wrongly_typed_is_unknown_and_named_in_the_log_and_never_quoted() {
    let connector = compile(FILE).unwrap();
    let body = br#"{"score": 25, "country": {"iso": "NL"}, "tags": ["a", {"b": "s3cret"}]}"#;
    let told = connector.operations[0].interpret(&Reply { status: 200, headers: &[], body }, &[], 0);
    assert_eq!(told.values, [Some(Value::Number(25.0)), None, None], "a list is taken whole or not at all");
    let why = told.why.unwrap();
    assert_eq!(&*why, "not as agreed, so unknown: ip.country, ip.tags");
    let told =
        connector.operations[0].interpret(&Reply { status: 200, headers: &[], body: br#"{"error": 1}"# }, &[], 0);
    assert_eq!(told.why.as_deref(), Some("the account is closed"));
}

#[test]
fn every_mistake_in_a_file_is_told_at_its_place() {
    let operation = |from: &str, to: &str| FILE.replace(from, to);
    for (from, to, code, place) in [
        ("connector: acme", "connector: Acme", "connector.id", "Acme"),
        ("capability: ip_reputation\n", "", "capability.missing", "acme"),
        ("data: { sends: [ip], regions: [eu] }\n", "", "data.missing", "acme"),
        ("sends: [ip]", "sends: []", "data.unsaid", "${config.base}/v1"),
        ("sends: [ip]", "sends: [ip, emial]", "data.unknown", "emial"),
        ("timeout: 500ms", "timeuot: 500ms", "key.unknown", "timeuot"),
        ("timeout: 500ms", "timeout: 500", "value.unit", "500"),
        ("timeout: 500ms", "timeout: 5m", "operation.timeout", "request"),
        ("format: json", "format: jsn", "value.unknown", "jsn"),
        ("type: api_key", "type: api_kye", "value.unknown", ""),
        ("type: api_key, in: header", "in: header, type: api_key", "key.first", ""),
        ("name: X-Key, ", "", "key.missing", ""),
        ("in: header", "in: body", "data.none", ""),
        ("in: header", "in: basic", "auth.place", "X-Key"),
        ("${secret.key}", "${secret.kye}", "secret.undeclared", "${secret.kye}"),
        ("${secret.key}", "${secret.key", "template", "${secret.key"),
        ("${config.base}", "${config.bse}", "template", "${config.bse}"),
        ("${config.base}/v1", "${config.base}/${input.password}", "input.secret", "${config.base}/${input.password}"),
        ("${config.base}/v1", "${config.base}/${derived.sha1}", "data.unsaid", "${config.base}/${derived.sha1}"),
        ("${config.base}/v1", "${config.base}/${state.id}", "state.unkept", "${config.base}/${state.id}"),
        ("${config.base}/v1", "${config.base}/${token}", "template.place", "${config.base}/${token}"),
        ("${config.base}/v1", "https://${input.ip}/", "url.host", "https://${input.ip}/"),
        ("default: 90", "default: 900", "config.default", ""),
        ("default: 90", "default: many", "config.default", ""),
        ("default: eu", "default: ch", "config.default", ""),
        ("values: [eu, us], ", "", "config.values", ""),
        ("type: int, default: 90", "type: strnig, default: x", "value.unknown", "strnig"),
        ("  password: {}", "  passwrod: {}", "input.unknown", ""),
        ("sha1_hex(input.password)", "sha1_hx(input.password)", "expression", "sha1_hx"),
        ("slice(derived.sha1, 0, 5)", "slice(derived.sha2, 0, 5)", "expression", "derived.sha2"),
        ("ip.country: body.country", "ip.cuntry: body.country", "attribute.unknown", "body.country"),
        ("ip.country: body.country", "subject.kind: body.country", "attribute.owned", "body.country"),
        ("ip.country: body.country", "ip.country: input.password", "expression", "input.password"),
        ("ip.country: body.country", "ip.country: secret.key", "expression", "secret"),
        ("ip.country: body.country", "ip.country: boddy.country", "expression", "boddy"),
        ("ip.country: body.country", "ip.country: \"body.country ==\"", "expression", ""),
        ("when: has(body.error)", "when: has(body)", "expression", "body"),
        ("then: config_error", "then: config_eror", "value.unknown", "config_eror"),
        ("required: [ip.risk_score]", "required: [ip.asn]", "attribute.unmapped", "ip.asn"),
        (
            "      required:",
            "      calibration: { ip.risk_score: [[0, 0]] }\n      required:",
            "calibration.points",
            "",
        ),
        (
            "      required:",
            "      calibration: { ip.country: [[0, 0], [1, 1]] }\n      required:",
            "calibration.type",
            "",
        ),
        ("      required:", "      select: data\n      required:", "response.select", "data"),
        ("      required:", "      headers: [Set-Cookie]\n      required:", "response.header", "Set-Cookie"),
        ("      required:", "      raw: { keep: ['a[0]'] }\n      required:", "raw.path", "'a[0]'"),
        ("      required:", "      raw: { keep: [a], max_bytes: 1MiB }\n      required:", "raw.too_large", "1MiB"),
        ("      required:", "      max_bytes: 1MiB\n      required:", "response.too_large", "1MiB"),
        ("      required:", "      separator: ':'\n      required:", "response.separator", "':'"),
        ("      required:", "      keep_state: { id: derived.sha1 }\n      required:", "expression", "derived.sha1"),
        ("    timeout:", "    retry: { max: 1 }\n    timeout:", "retry.twice", ""),
        ("    timeout:", "    retry: { max: 9, on: [connect_error] }\n    timeout:", "retry.max", ""),
        ("    timeout:", "    cache: { ttl: 1h }\n    timeout:", "cache.secret", ""),
        ("    timeout:", "    cache: { ttl: 1h, scope: response }\n    timeout:", "cache.key", ""),
        (
            "    timeout:",
            "    cache: { ttl: 1h, scope: response, key: '${secret.key}' }\n    timeout:",
            "cache.secret",
            "",
        ),
        (
            "    timeout:",
            "    cache: { ttl: 1h, scope: response, key: '${input.password}' }\n    timeout:",
            "input.secret",
            "",
        ),
        ("    timeout:", "    kind: sned\n    timeout:", "value.unknown", "sned"),
        (
            "    timeout:",
            "    kind: feedback\n    cache: { ttl: 1h, scope: response, key: x }\n    timeout:",
            "cache.kind",
            "",
        ),
        ("      method: POST", "      method: GTE", "value.unknown", "GTE"),
        ("      method: POST", "      form: { a: b }\n      method: POST", "request.body", ""),
        ("      method: POST", "      headers: { Host: x }\n      method: POST", "header.name", "x"),
        ("      method: POST", "      headers: { Content-Type: x }\n      method: POST", "header.name", "x"),
        ("operations:\n  lookup:", "operations:\n  lookup:\n    request: 1\n  other:", "", ""),
    ] {
        let text = operation(from, to);
        assert_ne!(text, FILE, "{from} is not in the example");
        if code == "data.none" {
            assert!(compile(&text).is_ok(), "a JSON object takes a key");
            continue;
        }
        let found = compile(&text).expect_err(to);
        let fault = found.iter().find(|it| code.is_empty() || it.code == code);
        let fault = fault.unwrap_or_else(|| panic!("{to}: {found:#?}"));
        let at = text.get(fault.span.clone()).unwrap_or("");
        assert!(
            at.contains(place) || place.contains(at.trim_matches(['"', '\''])),
            "{to}: {:?} is told at {at:?}",
            fault
        );
        assert!(fault.span.start > 0, "{to}: {fault:?} stands nowhere");
    }
}

#[test]
fn hosts_that_settings_choose_are_listed_and_required_settings_are_missed() {
    let listed = FILE.replace("config:", "hosts: [\"*.acme.example\"]\nconfig:");
    assert!(compile(&listed).is_ok());
    let other = listed.replace("https://api.acme.example", "https://evil.example");
    assert!(compile(&other).unwrap_err().iter().any(|it| it.code == "url.not_listed"));
    let bare =
        listed.replace("\"*.acme.example\"", "\"*.example\"").replace("https://api.acme.example", "https://example");
    assert!(compile(&bare).is_err(), "a host under it is not the host itself");
    let required = FILE.replace("default: \"https://api.acme.example\"", "required: true");
    let connector = compile(&required).unwrap();
    assert_eq!(connector.unset, ["base".into()], "it can be tested, and not run");
    let source = source::Source::read(&"acme.yaml".into(), &required, &|_| None).unwrap();
    let given = |value: &str| Config::from([("base".to_owned(), value.into())]);
    let connector = source.compile(&Catalogue::builtin(), &given("https://eu.acme.example")).unwrap();
    assert_eq!((connector.unset.len(), &*connector.operations[0].origin().unwrap().host), (0, "eu.acme.example"));
    for (value, code) in
        [("http://eu.acme.example", "url.insecure"), ("ftp://x", "config.value"), ("https://10.0.0.1", "url.private")]
    {
        let found = source.compile(&Catalogue::builtin(), &given(value)).unwrap_err();
        assert!(found.iter().any(|it| it.code == code), "{value}: {found:?}");
    }
    let strange = Config::from([("bass".to_owned(), "x".into())]);
    assert_eq!(source.compile(&Catalogue::builtin(), &strange).unwrap_err()[0].code, "config.unknown");
}

#[test]
fn a_file_that_extends_another_says_where_its_mistakes_are() {
    let parent = FILE.replace("capability:", "about: The one.\ncapability:");
    let read = |text: &str| {
        let find = |id: &str| (id == "acme").then(|| (Arc::from("acme/connector.yaml"), parent.clone()));
        source::Source::read(&"mine.yaml".into(), text, &find)
    };
    let child = "connector: mine\nextends: acme\nconfig:\n  base: { default: \"https://mine.example\" }\n";
    let made = read(child).unwrap().compile(&Catalogue::builtin(), &Config::new()).unwrap();
    assert_eq!(
        (&*made.id, &*made.capability, &*made.operations[0].origin().unwrap().host),
        ("mine", "ip_reputation", "mine.example")
    );
    let own = format!("{child}data: {{ sends: [] }}\n");
    let found = read(&own).unwrap().compile(&Catalogue::builtin(), &Config::new()).unwrap_err();
    let fault = found.iter().find(|it| it.code == "data.unsaid").unwrap();
    assert_eq!(&*fault.file, "acme/connector.yaml");
    assert!(parent[fault.span.clone()].contains("${config.base}"), "the place is in the file that was extended");
    for (text, told) in [
        ("connector: mine\nextends: acmee\n", "there is no connector `acmee` to extend"),
        ("connector: mine\nextends: acme\ncapabilty: x\n", "capabilty"),
    ] {
        assert!(read(text).unwrap_err()[0].message.contains(told), "{text}");
    }
}

#[test]
fn what_is_looked_up_lies_where_it_may_and_goes_together() {
    let file = |local: &str, extra: &str| {
        format!(
            "connector: a\ncapability: ip_reputation\ndata: {{ sends: [] }}\nconfig: {{ mine: {{ type: path, required: true }}, \
             theirs: {{ default: /etc/passwd }} }}\ninputs: {{ ip: {{ required: true }} }}\noperations:\n  lookup:\n    \
             local: {{ {local} }}\n    {extra}\n    response: {{ map: {{ ip.is_tor: body }} }}\n"
        )
    };
    let key = "key: \"${input.ip}\"";
    for (local, extra, code) in [
        ("type: list, path: lists/a.txt", "", None),
        ("type: list, path: \"${config.mine}\"", "", None),
        ("type: cidr, url: \"https://a.example/x\", refresh: 12h, stale_after: 3d", "", None),
        ("type: list, path: /etc/passwd", "", Some("local.path")),
        ("type: list, path: ../../etc/passwd", "", Some("local.path")),
        ("type: list, path: \"${config.theirs}\"", "", Some("local.path")),
        ("type: list, path: \"${config.mine}/../x\"", "", Some("local.path")),
        ("type: list", "", Some("local.home")),
        ("type: list, path: a, url: \"https://a.example/x\"", "", Some("local.home")),
        ("type: list, url: \"http://a.example/x\"", "", Some("url.insecure")),
        ("type: list, url: \"https://127.0.0.1/x\"", "", Some("url.private")),
        ("type: list, url: \"https://a.example/${input.ip}\"", "", Some("template.place")),
        ("type: list, url: \"https://a.example/x\", refresh: 3d, stale_after: 1d", "", Some("local.stale")),
        ("type: list, url: \"https://a.example/x\", refresh: 1s", "", Some("local.refresh")),
        ("type: list, url: \"https://a.example/x\", refresh: soon", "", Some("local.time")),
        ("type: list, path: a, refresh: 1h", "", Some("local.form")),
        ("type: table, path: a", "", Some("local.form")),
        ("type: cidr, path: a, entries: ip", "", Some("local.form")),
        ("type: list, path: a, parents: true", "", Some("local.form")),
        ("type: list, path: a, format: jsonl", "", Some("local.form")),
        ("type: list, path: a, pattern: \"^x\"", "", Some("local.pattern")),
        ("type: list, path: a, pattern: \"(\"", "", Some("local.pattern")),
        ("type: list, path: a", "cache: { ttl: 1h }", Some("local.operation")),
        ("type: list, path: a", "kind: send", Some("local.operation")),
        ("type: list, path: a", "request: { method: GET, url: \"https://a.example\" }", Some("operation.means")),
        ("type: list, path: a", "auth: { type: bearer, token: x }", Some("local.auth")),
    ] {
        let text = file(&format!("{local}, {key}"), extra);
        let made = super::connector(&"a.yaml".into(), &text, &Catalogue::builtin());
        let found = made.err().and_then(|found| found.first().map(|it| it.code));
        assert_eq!(found, code, "{local} {extra}");
    }
}
