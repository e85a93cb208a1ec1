//! What is told before a gateway runs: what its policies name and nothing there provides.

use std::{path::Path, process::Command};

use serde_json::Value;

use crate::plane::world::write;

const POLICY: &str = "event: pay
covers: [POST /pay]
when_unsure: { challenge: [totp, email_code] }
otherwise: forward
steps:
  - decide: risk
    rules:
      - rule: listed
        when: ip.is_listed
        then: block
      - rule: risky
        when: ip.risk_score > 50 || (has(ip.country) && ip.country == \"XX\")
        then: { challenge: [totp] }
";

const SETTINGS: &str = "listen: [{ address: 127.0.0.1:0 }]
upstreams: { app: { url: \"http://127.0.0.1:1\" } }
routes: [{ upstream: app }]
state: { path: data, wait: 60s }
policies: policies
";

fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stepward"));
    let output = command.current_dir(folder).args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn findings(folder: &Path, path: &str) -> Vec<(String, u64, u64)> {
    let (code, told) = run(folder, &["check", "--format", "json", path]);
    assert_eq!(code, Some(0), "warnings do not fail: {told}");
    let report: Value = serde_json::from_str(&told).unwrap();
    let found = report["findings"].as_array().unwrap().iter().map(|it| {
        let at = |part: &str| it[part].as_u64().unwrap_or_else(|| panic!("no {part} in {it}"));
        (it["code"].as_str().unwrap().to_string(), at("line"), at("column"))
    });
    let mut found: Vec<_> =
        found.filter(|it| it.0 == "method.needs_mail" || it.0 == "attribute.not_provided").collect();
    found.sort_unstable();
    found
}

#[test]
fn check_tells_where_a_policy_names_what_nothing_here_provides() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "stepward.yaml", SETTINGS);
    write(folder.path(), "policies/pay.yaml", POLICY);
    let expected = vec![
        ("attribute.not_provided".to_string(), 9, 15),
        ("attribute.not_provided".to_string(), 12, 15),
        ("method.needs_mail".to_string(), 3, 34),
    ];
    assert_eq!(findings(folder.path(), "stepward.yaml"), expected, "what is guarded by `has` is left alone");
    assert_eq!(findings(folder.path(), "policies"), expected, "the settings beside the folder count");

    let mail = "mail: { smtp: \"smtp://127.0.0.1:25\", from: no-reply@bank.example }\n";
    let lists = "lists: { bad: { kind: ip, file: bad.txt } }\n";
    write(folder.path(), "bad.txt", "203.0.113.9\n");
    write(folder.path(), "stepward.yaml", &format!("{SETTINGS}{mail}{lists}"));
    assert_eq!(findings(folder.path(), "stepward.yaml"), [("attribute.not_provided".to_string(), 12, 15)]);
}

#[test]
fn editors_get_a_schema_of_connectors_and_routes_that_accepts_those_that_are_shipped() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (kind, files) in [
        ("connector", vec!["connectors/abuseipdb/connector.yaml", "connectors/ip-api/connector.yaml"]),
        ("route", vec!["connectors/routes/ip_reputation.yaml"]),
    ] {
        let (code, text) = run(root, &["schema", kind]);
        assert_eq!(code, Some(0));
        let validator = jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap();
        for file in files {
            let text = std::fs::read_to_string(root.join(file)).unwrap();
            let document = stepward_core::yaml::parse::<Value>(&file.into(), &text).unwrap();
            let told: Vec<_> = validator.iter_errors(&document).map(|it| it.to_string()).collect();
            assert_eq!(told, Vec::<String>::new(), "{file}");
            let mut misspelt = document;
            misspelt["connnector"] = true.into();
            assert!(!validator.is_valid(&misspelt), "an unknown key is underlined");
        }
    }
}
