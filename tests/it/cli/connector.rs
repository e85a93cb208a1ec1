//! `stepward connector …` from the outside, and a gateway whose vendors are the mock.

use super::*;

const ACME: &str = r#"
connector: acme
name: Acme
about: What is known of an address.
docs: https://acme.example/docs
capability: ip_reputation
maturity: documented
price: 0.002
data: { sends: [ip], regions: [eu] }
secrets: { key: {} }
inputs: { ip: { required: true } }
auth: { type: api_key, in: header, name: X-Key, value: "${secret.key}" }
operations:
  lookup:
    request: { method: GET, url: "https://api.acme.example/ip/${input.ip}" }
    timeout: 300ms
    response:
      outcome: [{ when: status == 404, then: not_found }]
      map: { ip.risk_score: body.risk, ip.is_tor: body.tor }
      required: [ip.risk_score]
tests:
  - name: risky
    input: { ip: 62.4.31.7 }
    expect_request: { url: "https://api.acme.example/ip/62.4.31.7", headers: { X-Key: "***key***" } }
    response: { status: 200, body: { risk: 90, tor: false, who: "62.4.31.7" } }
    expect: { outcome: success, attributes: { ip.risk_score: 90 } }
  - { name: nobody, input: { ip: 62.4.31.8 }, response: { status: 404 }, expect: { outcome: not_found } }
  - { name: many, input: { ip: 62.4.31.7 }, response: { status: 429 }, expect: { outcome: rate_limited } }
  - { name: page, input: { ip: 62.4.31.7 }, response: { status: 200, text: x }, expect: { outcome: contract_error } }
"#;

const ROUTE: &str = "capability: ip_reputation\nconnectors:\n  - { connector: acme, timeout: 200ms }\n  - { connector: beta, timeout: 200ms }\non_unavailable: unknown\n";

const LOGIN: &str = "event: login\ncovers: [POST /login]\nbudget: { time: 2s, paid_calls: 2 }\nwhen_unsure: block\notherwise: forward\nsteps:\n  - decide: by address\n    rules:\n      - rule: hostile\n        when: ip.risk_score >= 80\n        then: block\n";

/// A folder with two vendors; the second says 10 where the first says 90.
fn vendors() -> tempfile::TempDir {
    let folder = folder();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("connectors/acme/connector.yaml", ACME);
    let beta =
        ACME.replace("acme", "beta").replace("risk: 90", "risk: 10").replace("ip.risk_score: 90", "ip.risk_score: 10");
    write("connectors/beta/connector.yaml", &beta);
    write("connectors/routes/ip_reputation.yaml", ROUTE);
    write("policies/login.yaml", LOGIN);
    let settings = fs::read_to_string(folder.path().join("stepward.yaml")).unwrap();
    let more = "connectors: connectors\nsecrets: { acme.key: { env: NOT_SET_A }, beta.key: { env: NOT_SET_B } }\n";
    write("stepward.yaml", &(settings + more));
    folder
}

fn mock(folder: &tempfile::TempDir, more: &[&str]) -> (Serving, String) {
    let arguments = [&["connector", "mock", "--listen", "127.0.0.1:0"], more].concat();
    let mut mock = Serving::start(&arguments, folder.path());
    let address = mock.told("mock on http://");
    (mock, address)
}

fn within(folder: &tempfile::TempDir, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = stepward().current_dir(folder.path()).args(arguments).output().unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn json(folder: &tempfile::TempDir, arguments: &[&str]) -> Value {
    let (_, told, talk) = within(folder, &[arguments, &["--format", "json"]].concat());
    serde_json::from_str(&told).unwrap_or_else(|error| panic!("{arguments:?}: {error}\n{told}\n{talk}"))
}

/// Who told the score of each login, as the decision log has it.
fn sources(folder: &tempfile::TempDir, count: usize) -> Vec<String> {
    let begun = Instant::now();
    loop {
        let log = fs::read_to_string(folder.path().join("decisions.jsonl")).unwrap_or_default();
        let lines = log.lines().filter_map(|it| serde_json::from_str::<Value>(it).ok());
        let logins = lines.filter(|it| it["event"] == "login");
        let told: Vec<_> = logins
            .map(|it| it["attributes"]["ip.risk_score"]["source"].as_str().unwrap_or("nobody").to_string())
            .collect();
        if told.len() >= count {
            return told;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{told:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_stalled_vendor_is_stood_in_for_by_the_next_and_no_key_was_needed() {
    let folder = vendors();
    let (_mock, vendors) = mock(&folder, &[]);
    let mut gateway = Serving::start(&["run", "--mock", &vendors], folder.path());
    let data = gateway.told("listening on ");
    let login = || http(&data, "POST", "/login", &[], "user=ada").0;
    assert_eq!(login(), 403, "the first vendor says 90");
    let order = |method: &str, text: &str| http(&vendors, method, "/_mock/faults", &[], text);
    assert_eq!(order("PUT", "acme=stall").0, 200);
    assert_eq!(login(), 200, "the second says 10");
    assert_eq!(order("PUT", "beta=garbage").0, 200);
    assert_eq!(login(), 403, "nobody answers: `when_unsure` is block");
    assert_eq!(sources(&folder, 3), ["acme", "beta", "nobody"]);
    let report = json(&folder, &["connector", "report", "--log", "decisions.jsonl"]);
    let told = report["report"]["vendors"].as_array().unwrap_or_else(|| panic!("{report}"));
    let of = |id: &str| told.iter().find(|it| it["connector"] == id).unwrap_or_else(|| panic!("no {id}: {report}"));
    assert_eq!((&of("acme")["calls"]["made"], &of("beta")["calls"]["made"]), (&3.into(), &2.into()), "{report}");
    // Without the first, `when_unsure` had blocked all the same; without the second it had not been let through.
    assert_eq!(
        (&of("acme")["effect"]["changed"], &of("beta")["effect"]["changed"]),
        (&0.into(), &1.into()),
        "{report}"
    );
    let told = order("DELETE", "").1;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["calls"]["acme"], &told["calls"]["beta"]), (&3.into(), &2.into()), "{told}");
    gateway.signal("-TERM");
    assert!(
        gateway
            .heard
            .iter()
            .chain(&gateway.said.try_iter().collect::<Vec<_>>())
            .any(|it| it.contains("NO VENDOR IS CALLED"))
    );
}

#[test]
fn a_mock_is_never_another_machine() {
    let folder = vendors();
    for arguments in [&["run", "--mock", "192.0.2.1:80"][..], &["connector", "mock", "--listen", "0.0.0.0:0"]] {
        let (code, _, talk) = within(&folder, arguments);
        assert_eq!(code, Some(5), "{arguments:?}: {talk}");
    }
    let (code, _, talk) = within(&folder, &["connector", "mock", "--fault", "acme=stal"]);
    assert_eq!(code, Some(2), "{talk}");
    assert!(talk.contains("did you mean `stall`?"), "{talk}");
}

#[test]
fn connectors_are_listed_described_tested_and_linted_in_every_shape() {
    let folder = vendors();
    let list = json(&folder, &["connector", "list"]);
    assert_eq!(list["connectors"][1]["routes"][0]["place"], 2, "{list}");
    assert!(within(&folder, &["connector", "list"]).1.contains("ip_reputation: acme, then beta"));
    let (code, told, talk) = within(&folder, &["connector", "describe", "acme"]);
    assert_eq!(code, Some(0), "{talk}");
    for part in [
        "operation lookup",
        "https://api.acme.example, within 300 ms",
        "header `X-Key`",
        "ip to eu",
        "0.002 a call",
        "acme.key",
        "ip.is_tor (bool)  from body.tor",
        "1 of 2",
    ] {
        assert!(told.contains(part), "{part} is missing from\n{told}");
    }
    assert_eq!(json(&folder, &["connector", "describe", "acme"])["operations"][0]["timeout_ms"], 300);
    let (code, _, talk) = within(&folder, &["connector", "describe", "acmee"]);
    assert!(code == Some(2) && talk.contains("did you mean `acme`?"), "{talk}");
    let (code, _, talk) = within(&folder, &["connector", "test"]);
    assert_eq!((code, talk.trim()), (Some(0), "8 passed, 0 failed, 2 connectors"));
    assert_eq!(json(&folder, &["connector", "test", "--only", "acme"])["connectors"].as_array().unwrap().len(), 1);
    assert!(within(&folder, &["connector", "test", "-f", "junit"]).1.contains("failures=\"0\""));
    let lint = ["connector", "lint", "--deny", "warnings"];
    assert_eq!(within(&folder, &lint).0, Some(0), "{}", within(&folder, &lint).2);
    let acme = folder.path().join("connectors/acme/connector.yaml");
    fs::write(&acme, ACME.replace("docs: https://acme.example/docs\n", "").replace("risk: 90", "risk: 91")).unwrap();
    let policy = LOGIN.replace("ip.risk_score >= 80", "ip.risk_score >= 80 && raw.acme.risk != 5");
    fs::write(folder.path().join("policies/login.yaml"), policy).unwrap();
    let (code, _, talk) = within(&folder, &lint);
    assert_eq!(code, Some(1), "{talk}");
    for part in [
        "warning[lint.docs]",
        "connectors/acme/connector.yaml:2:12",
        "warning[lint.raw]",
        "`beta` answers instead of `acme`",
        "login.yaml:10:",
    ] {
        assert!(talk.contains(part), "{part} is missing from\n{talk}");
    }
    let (code, told, _) = within(&folder, &["connector", "test"]);
    assert!(code == Some(1) && told.contains("FAIL  acme: risky"), "{told}");
}

#[test]
fn a_word_that_is_no_folder_of_connectors_is_told_apart_and_what_was_meant_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, message, help) in [
        (&["connector", "list"][..], "there is no folder `connectors`", "--shipped"),
        (&["connector", "test", "onfido-workflow"], "`onfido-workflow` is a connector", "--shipped"),
    ] {
        let (code, told, talk) = within(&folder, arguments);
        assert_eq!((code, told.as_str()), (Some(3), ""), "{talk}");
        assert!(talk.contains(message) && talk.contains(help), "{talk}");
    }
    let folder = vendors();
    let (code, _, talk) = within(&folder, &["connector", "test", "connectors/acme"]);
    assert_eq!(code, Some(3), "{talk}");
    assert!(talk.contains("one connector") && talk.contains("name `connectors`"), "{talk}");
    for (inputs, expected) in [
        (&["--input", "ipp=192.0.2.7"][..], "no input `ipp`; did you mean `ip`?"),
        (&["--input", "format=json"], "ipquery` has no input `format`"),
    ] {
        let arguments = [&["connector", "drift", "ipquery"], inputs].concat();
        let (code, _, talk) = within(&folder, &arguments);
        assert_eq!(code, Some(2), "{talk}");
        assert!(talk.contains(expected), "{talk}");
    }
    let (code, _, talk) = within(&folder, &["connector", "compare", "acme", "acme", "--input", "q"]);
    assert_eq!(code, Some(2), "{talk}");
    assert!(talk.contains("compared with itself"), "{talk}");
    let (_, _, talk) = within(&folder, &["connector", "describe", "onfido"]);
    assert!(talk.contains("did you mean `onfido-workflow`?"), "{talk}");
}

#[test]
fn a_connector_that_is_told_things_says_where_and_how_the_vendor_proves_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (code, told, talk) = within(&folder, &["connector", "describe", "onfido-workflow"]);
    assert_eq!(code, Some(0), "{talk}");
    assert!(told.contains("hears        POST /.stepward/inbound/onfido-workflow"), "{told}");
    assert!(told.contains("a keyed hash in the header `X-SHA2-Signature`"), "{told}");
    assert!(told.contains("https://api.eu.onfido.com/v3.6/applicants"), "{told}");
}

#[test]
fn what_is_recorded_names_nobody_and_what_has_changed_is_told() {
    let folder = vendors();
    let (_mock, vendors) = mock(&folder, &[]);
    let call = |arguments: &[&str]| {
        within(&folder, &[arguments, &["--mock", &vendors, "--input", "ip=198.51.100.23"]].concat())
    };
    let (code, told, talk) = call(&["connector", "record", "acme", "--name", "as it is today"]);
    assert_eq!(code, Some(0), "{talk}");
    assert!(told.contains("\"outcome\":\"success\"") && !told.contains("198.51.100"), "{told}");
    let (code, _, talk) = call(&["connector", "record", "acme", "--append"]);
    assert_eq!(code, Some(0), "{talk}");
    let (code, _, talk) = within(&folder, &["connector", "test", "--only", "acme"]);
    assert_eq!((code, talk.trim()), (Some(0), "5 passed, 0 failed, 1 connector"));
    assert_eq!(call(&["connector", "drift", "acme"]).0, Some(0));
    let order = |text: &str| assert_eq!(http(&vendors, "PUT", "/_mock/faults", &[], text).0, 200);
    order("acme=wrong_schema");
    let (code, told, _) = call(&["connector", "drift", "acme"]);
    assert_eq!(code, Some(1), "{told}");
    for part in ["contract_error", "missing  body.risk", "new      body.risk_v2", "silent   ip.risk_score"] {
        assert!(told.contains(part), "{part} is missing from\n{told}");
    }
    order("acme=stall");
    let (code, _, talk) = call(&["connector", "drift", "acme"]);
    assert!(code == Some(4) && talk.contains("no answer in time"), "{talk}");
}

#[test]
fn two_vendors_are_compared_over_the_same_questions() {
    let folder = vendors();
    let (_mock, vendors) = mock(&folder, &[]);
    let questions = "{\"ip\": \"62.4.31.7\"}\n{\"ip\": \"62.4.31.8\"}\n\n{\"ip\": \"62.4.31.9\"}\n";
    fs::write(folder.path().join("questions.jsonl"), questions).unwrap();
    let compare = ["connector", "compare", "acme", "beta", "--input", "questions.jsonl", "--mock", &vendors];
    let told = json(&folder, &compare);
    let comparison = &told["comparison"];
    assert_eq!((&comparison["questions"], &comparison["first_calls"]["classes"]["not_found"]), (&3.into(), &1.into()));
    let attribute = |at: usize| &comparison["attributes"][at];
    assert_eq!((&attribute(0)["attribute"], &attribute(0)["agreement"]), (&"ip.is_tor".into(), &1.0.into()), "{told}");
    assert_eq!(attribute(1)["scores"]["mean_distance"], 80.0, "{told}");
    assert!((comparison["first_calls"]["cost"].as_f64().unwrap() - 0.006).abs() < 1e-9, "three calls at 0.002");
    let (code, told, _) = within(&folder, &compare);
    assert!(code == Some(0) && told.contains("acme against beta, 3 questions"), "{told}");
}

#[test]
fn a_report_tells_what_each_vendor_changed() {
    let folder = vendors();
    let line = |id: u32, outcome: &str, risk: u32| {
        let mut line = serde_json::json!({
            "schema": "stepward.decision/1", "id": id.to_string(), "time": "2026-11-22T07:00:00.000Z", "event": "login",
            "outcome": outcome, "calls": [{ "connector": "acme", "outcome": "success", "ms": 40 }],
            "attributes": { "ip.risk_score": { "value": risk, "source": "acme", "age_ms": 0, "path": "live" } },
        })
        .to_string();
        line.push('\n');
        line
    };
    let log = line(1, "forward", 10) + &line(2, "forward", 10) + &line(3, "block", 95) + "not a line\n";
    fs::write(folder.path().join("log.jsonl"), log).unwrap();
    let told = json(&folder, &["connector", "report", "--log", "log.jsonl"]);
    let acme = &told["report"]["vendors"][0];
    assert_eq!((&told["report"]["decisions"], &told["report"]["unread_lines"]), (&3.into(), &1.into()), "{told}");
    assert_eq!((&acme["effect"]["changed"], &acme["effect"]["made_looser"]), (&2.into(), &2.into()), "{told}");
    assert!((acme["cost_per_changed"].as_f64().unwrap() - 0.003).abs() < 1e-9, "{told}");
    let (code, told, _) = within(&folder, &["connector", "report", "--log", "log.jsonl"]);
    assert!(code == Some(0) && told.contains("changed 2 (66.7 %)"), "{told}");
    fs::write(folder.path().join("log.jsonl"), line(1, "forward", 95)).unwrap();
    let (code, told, talk) = within(&folder, &["connector", "report", "--log", "log.jsonl"]);
    assert!(code == Some(1) && told.contains("1 not repeated"), "{told}{talk}");
}

#[test]
fn a_connector_is_begun_from_an_openapi_document_and_never_overwritten() {
    let folder = vendors();
    let api = "openapi: 3.0.0\ninfo: { title: Gamma }\nservers: [{ url: https://gamma.example }]\npaths:\n  /score:\n    get:\n      operationId: score\n      parameters: [{ name: ip, in: query, required: true, schema: { type: string } }]\n      responses:\n        '200': { description: ok, content: { application/json: { example: { isTor: false } } } }\n";
    fs::write(folder.path().join("api.yaml"), api).unwrap();
    let new =
        ["connector", "new", "gamma", "--from", "api.yaml", "--operation", "score", "--capability", "ip_reputation"];
    let (code, _, talk) = within(&folder, &new);
    assert_eq!(code, Some(0), "{talk}");
    let (code, told, talk) = within(&folder, &["connector", "test", "--only", "gamma"]);
    assert_eq!((code, talk.trim()), (Some(0), "3 passed, 0 failed, 1 connector"), "{told}");
    assert_eq!(within(&folder, &new).0, Some(5), "what is there stays as it is");
}
