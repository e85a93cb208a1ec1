//! What operators do to a running gateway, and what they see of it.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    origin::Recorder,
    plane::{
        evaluate::{CONNECTOR, RISKY, ROUTE},
        world::{Plan, World, payment, write},
    },
    visitor::Visitor,
};

/// Large payments want a mailed code, one amount locks its payer out.
const PAY: &str = "
event: pay
covers: [POST /pay]
facts:
  amount: { from: body.amount, type: number }
when_unsure: { challenge: [email_code] }
otherwise: forward
steps:
  - decide: size
    rules:
      - rule: cursed
        when: event.amount == 666
        then: { lock_out: subject, for: 1h }
      - rule: listed
        when: ip.is_listed
        then: block
      - rule: large
        when: event.amount > 100
        then: { challenge: [email_code] }
";

/// A login after which codes can be mailed.
const LOGIN: &str = "
event: login
covers: [POST /login]
facts:
  username: { from: body.username, type: text, pii: true, identifies: subject, contact: email }
succeeded: response.status == 200
when_unsure: block
otherwise: forward
";

const ADA: &str = "ada@bank.example";

/// Ada, who has signed in.
async fn ada(world: &World) -> Visitor {
    let mut ada = world.visitor(ADA, "198.51.100.7");
    assert_eq!(ada.post("/login", &[("username", ADA)]).await.status, StatusCode::OK);
    ada
}

fn with_a_list() -> Plan {
    let lists = "lists: { bad: { kind: ip, file: bad.txt } }\n";
    Plan::default().policy(PAY).policy(LOGIN).settings(lists).file("bad.txt", "203.0.113.9\n")
}

#[tokio::test]
async fn a_revoked_session_has_no_proofs_any_more() {
    let world = with_a_list().mail().start().await;
    let mut ada = ada(&world).await;
    let asked = ada.post("/pay", &[("amount", "500")]).await;
    let paid = world.prove_by_mail(&mut ada, &asked, 1).await;
    assert_eq!(paid.status, StatusCode::OK, "{}", paid.text);
    let again = ada.post("/pay", &[("amount", "501")]).await;
    assert_eq!(again.status, StatusCode::OK, "the proof is fresh enough: {}", again.text);
    world.ask("sessions/revoke", json!({ "subject": ADA })).await;
    let asked = ada.post("/pay", &[("amount", "502")]).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.text);
    assert!(asked.location().starts_with("/.stepward/c/"), "{}", asked.location());
}

#[tokio::test]
async fn an_unlocked_subject_is_let_in_again() {
    let world = with_a_list().start().await;
    let mut ada = world.visitor("ada", "198.51.100.7");
    assert_eq!(ada.post("/pay", &[("amount", "666")]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(ada.post("/pay", &[("amount", "1")]).await.status, StatusCode::FORBIDDEN, "locked out");
    world.ask("sessions/unlock", json!({ "subject": "ada" })).await;
    assert_eq!(ada.post("/pay", &[("amount", "1")]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_cannot_be_asked_here_is_not_offered_and_where_nothing_is_left_the_request_is_blocked() {
    let both = PAY.replace("then: { challenge: [email_code] }", "then: { challenge: [email_code, pow] }");
    let both = both.replace("event: pay\n", "event: pay twice\n").replace("POST /pay", "POST /both");
    let world = with_a_list().policy(&both).start().await;
    let mut api = world.visitor("ada", "198.51.100.7");
    api.headers.retain(|(name, _)| !matches!(*name, "sec-fetch-mode" | "accept"));
    let refused = api.post("/pay", &[("amount", "500")]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    assert_eq!(refused.headers["stepward-outcome"], "block", "{}", refused.text);
    let told = world.ask("evaluate", payment(500, "198.51.100.7")).await;
    assert_eq!((&told["outcome"], &told["reason"]), (&json!("block"), &json!("challenge.impossible")), "{told:#}");
    let asked = api.post("/both", &[("amount", "500")]).await;
    assert_eq!((asked.status, &asked.json()["methods"]), (StatusCode::UNAUTHORIZED, &json!(["pow"])), "{}", asked.text);
}

#[tokio::test]
async fn what_the_edge_refuses_stands_in_the_decision_log_with_its_reason() {
    let world = with_a_list().settings("unmatched: forward\n").start().await;
    let mut api = world.visitor("", "198.51.100.7");
    api.headers.retain(|(name, _)| !matches!(*name, "sec-fetch-mode" | "accept"));
    let large = "9".repeat(300 * 1024);
    let refused = api.post("/pay", &[("amount", &large)]).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    let broken = api.client().post(api.url("/pay")).header("content-type", "application/json").body("{");
    assert_eq!(api.send(broken).await.status, StatusCode::BAD_REQUEST);
    let odd = api.client().post(api.url("/pay")).header("content-type", "image/png").body("x");
    assert_eq!(api.send(odd).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let decisions = world.decisions(3).await;
    let reasons: Vec<&str> = decisions.iter().rev().filter_map(|it| it["reason"].as_str()).collect();
    assert_eq!(reasons, ["body.too_large", "body.malformed", "body.unsupported"]);
    assert_eq!(decisions[2]["id"], refused.json()["decision_id"], "whoever was refused can be helped");
}

#[tokio::test]
async fn connectors_are_read_again_and_bad_ones_leave_the_last_good_ones_at_work() {
    let vendor = Recorder::answering(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{\"score\":90}",
    )
    .await;
    let good = CONNECTOR.replace("{vendor}", &vendor.address.to_string());
    let plan = Plan::default().policy(RISKY).settings("connectors: connectors\n");
    let plan = plan.file("connectors/routes/ip_reputation.yaml", ROUTE);
    let world = plan.file("connectors/acme/connector.yaml", &good).start().await;
    let folder = world.folder.path();
    let outcome = async |ip: &str| {
        let mut question = payment(1, ip);
        question["ask_vendors"] = json!(true);
        world.ask("evaluate", question).await["outcome"].as_str().unwrap().to_string()
    };
    assert_eq!(outcome("8.8.8.8").await, "block");

    write(folder, "connectors/acme/connector.yaml", "connector: acme\n");
    let (status, told) = world.call("reload", json!({})).await;
    assert_eq!((status, &told["code"]), (409, &json!("connectors.refused")), "{told:#}");
    assert!(world.health("readyz?verbose").await.contains("[-] connectors: "), "it is told");
    assert_eq!(outcome("8.8.4.4").await, "block", "the last good ones are at work");

    write(folder, "connectors/acme/connector.yaml", &good.replace("body.score, 0, 100", "body.score, 0, 1000"));
    world.ask("reload", json!({})).await;
    assert!(world.health("readyz?verbose").await.contains("[+] connectors: ok"));
    assert_eq!(outcome("1.1.1.1").await, "forward", "90 of 1000 is not risky");

    write(folder, "connectors/acme/connector.yaml", &good);
    let mut waited = 0;
    while outcome(&format!("9.9.9.{waited}")).await != "block" {
        waited += 1;
        assert!(waited < 150, "a changed file was not noticed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Every refusal is a problem document, also of what no call gets to see; it repeats no value.
#[tokio::test]
async fn what_cannot_be_read_is_refused_by_a_problem_document() {
    let world = with_a_list().start().await;
    let admin = format!("http://{}", world.gateway.api.admin.unwrap());
    let token = std::fs::read_to_string(world.folder.path().join("data/admin-token")).unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |method: &str, path: &str, kind: &str, body: &'static str| {
        let request = client.request(method.parse().unwrap(), format!("{admin}/api/v1/{path}"));
        let answer = request.bearer_auth(token.trim()).header("content-type", kind).body(body).send().await.unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_string();
        assert_eq!(kind, "application/problem+json", "{method} {path}");
        let status = answer.status().as_u16();
        let told: Value = answer.json().await.unwrap();
        assert_eq!(told["status"], status, "{told:#}");
        (status, told["code"].as_str().unwrap().to_string(), told["detail"].as_str().unwrap().to_string())
    };
    let json = "application/json";
    for (method, path, kind, body, status, code, part) in [
        ("GET", "sessions?ip=1.2.3", "", "", 400, "query.unreadable", "ip"),
        ("GET", "decisions?limit=many", "", "", 400, "query.unreadable", "limit"),
        ("POST", "sessions/revoke", json, "{\"subject\": \"ada", 400, "body.unreadable", "line 1"),
        ("POST", "sessions/revoke", json, "{\"subjct\": \"ada\"}", 422, "body.unreadable", "`subjct`"),
        ("POST", "sessions/revoke", json, "{\"ip\": \"ada-s3cret\"}", 422, "body.unreadable", "ip"),
        ("POST", "sessions/revoke", "text/plain", "{}", 415, "body.unreadable", "application/json"),
        ("DELETE", "sessions/revoke", json, "{}", 405, "method.unknown", "openapi"),
        ("GET", "session", "", "", 404, "route.unknown", "openapi"),
    ] {
        let (came, said, detail) = ask(method, path, kind, body).await;
        assert_eq!((came, &*said), (status, code), "{method} {path}: {detail}");
        assert!(detail.contains(part) && !detail.contains("s3cret"), "{method} {path}: {detail}");
    }
}

/// Every number that the reference names, moved by what happens to a gateway on a bad day.
#[tokio::test]
async fn every_number_moves_when_its_cause_happens() {
    let world = with_a_list().mail().log("/dev/full").checked().start().await;
    stepward::telemetry::panics::tell(&world.gateway.journeys.parts().metrics);
    assert!(std::thread::spawn(|| panic!("a fault of ours")).join().is_err());
    // What this test finds wrong is told in the usual words.
    drop(std::panic::take_hook());
    let mut ada = ada(&world).await;
    assert_eq!(ada.get("/elsewhere").await.status, StatusCode::OK);
    assert_eq!(ada.post("/pay", &[("amount", "1")]).await.status, StatusCode::OK);
    let large = "9".repeat(300 * 1024);
    assert_eq!(ada.post("/pay", &[("amount", &large)]).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    // The connection of a refused body is closed; this is a new one.
    let asked = ada.post("/pay", &[("amount", "500")]).await;
    let challenge = asked.location().to_string();
    ada.post(&challenge, &[("method", "email_code"), ("code", "000000")]).await;
    world.prove_by_mail(&mut ada, &asked, 1).await;
    write(world.folder.path(), "policies/p0.yaml", "event: pay\n");
    assert_eq!(world.call("reload", json!({})).await.0, 409);

    let reference = include_str!("../../../docs/reference/metrics.md");
    let names: Vec<&str> = reference.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert!(names.len() >= 13, "{names:?}");
    // Only over Redis are there any snapshots (`redis::snapshots`), only with vendors any of theirs (`routes::gateway`,
    // `feedback`), and only with sinks any delivery (`export`).
    let elsewhere = ["stepward_session_snapshots_total", "stepward_vendor_", "stepward_sink_"];
    for name in names.into_iter().filter(|name| !elsewhere.iter().any(|prefix| name.starts_with(prefix))) {
        wait_until_moved(&world, name).await;
    }
    for series in [
        "stepward_challenges_total{method=\"email_code\",result=\"shown\"}",
        "stepward_challenges_total{method=\"email_code\",result=\"failed\"}",
        "stepward_challenges_total{method=\"email_code\",result=\"passed\"}",
        "stepward_refusals_total{reason=\"body.too_large\"}",
    ] {
        assert!(world.metric(series).await >= 1.0, "{series} in\n{}", world.health("metrics").await);
    }
    drop(ada);
    for _ in 0..200 {
        if world.metric("stepward_connections_open").await == 0.0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("a closed connection counts as open");
}

/// Logs are written by a thread of their own.
async fn wait_until_moved(world: &World, name: &str) {
    let mut text = String::new();
    for _ in 0..100 {
        text = world.health("metrics").await;
        let samples = text.lines().filter(|line| line.starts_with(name) && !line.starts_with('#'));
        let values = samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        if values.into_iter().any(|value| value > 0.0) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("`{name}` did not move:\n{text}");
}

#[tokio::test]
async fn readiness_is_told_before_the_first_request() {
    let world = with_a_list().start().await;
    assert_eq!(world.metric("stepward_state_store_up").await, 1.0, "the store answered at start");
    let found: Value = world.ask("policies", Value::Null).await;
    let codes = found["warnings"].as_array().unwrap().iter().map(|it| &it["code"]);
    assert_eq!(codes.filter(|code| **code == "method.needs_mail").count(), 2, "where it is named: {found:#}");
}
