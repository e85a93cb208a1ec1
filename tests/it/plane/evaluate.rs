//! Questions are answered by the journey, over the state that requests leave.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    origin::Recorder,
    plane::world::{Plan, payment},
};

const PAY: &str = "
event: pay
covers: [POST /pay]
facts:
  amount: { from: body.amount, type: number }
when_unsure: block
otherwise: forward
steps:
  - decide: who asks
    rules:
      - rule: hammering
        when: ip.tries_10m > 3
        then: { lock_out: ip, for: 10m }
      - rule: listed
        when: ip.is_listed
        then: block
      - rule: not signed in
        when: event.amount > 100 && !has(subject.id)
        then: block
      - rule: large
        when: event.amount > 1000
        then: { challenge: [pow] }
";

fn with_a_list() -> Plan {
    let lists = "lists: { bad: { kind: ip, file: bad.txt } }\n";
    Plan::default().policy(PAY).settings(lists).file("bad.txt", "203.0.113.9\n")
}

fn outcome(told: &Value) -> (&str, &str) {
    (told["outcome"].as_str().unwrap_or(""), told["reason"].as_str().unwrap_or(""))
}

#[tokio::test]
async fn evaluate_sees_live_counters_and_lock_outs_and_moves_none() {
    let world = with_a_list().start().await;
    let mut ada = world.visitor("", "198.51.100.7");
    let question = payment(10, "198.51.100.7");
    for _ in 0..8 {
        assert_eq!(outcome(&world.ask("evaluate", question.clone()).await).0, "forward", "asking is no try");
    }
    for _ in 0..3 {
        assert_eq!(ada.post("/pay", &[("amount", "10")]).await.status, StatusCode::OK);
    }
    assert_eq!(ada.post("/pay", &[("amount", "10")]).await.status, StatusCode::FORBIDDEN, "the fourth try");
    let locked = world.ask("evaluate", question.clone()).await;
    assert_eq!(outcome(&locked), ("lock_out", "locked_out"));
    let explained = world.ask("explain", question.clone()).await;
    assert_eq!(outcome(&explained), ("lock_out", "locked_out"));
    assert!(explained["text"].as_str().unwrap().contains("hammering"), "{explained:#}");
    assert_eq!(outcome(&world.ask("evaluate", payment(10, "198.51.100.8")).await).0, "forward", "someone else");

    world.ask("sessions/unlock", json!({ "ip": "198.51.100.7" })).await;
    let told = world.ask("evaluate", question.clone()).await;
    assert_eq!((outcome(&told).0, told["rule"].as_str()), ("lock_out", Some("hammering")), "its counter still stands");
    let mut supposed = question;
    supposed["given"] = json!({ "ip.tries_10m": 0 });
    assert_eq!(outcome(&world.ask("evaluate", supposed).await).0, "forward", "what is given counts more");
    assert_eq!(world.decisions(4).await.len(), 4, "questions are not recorded");
    assert_eq!(world.metric("stepward_requests_unmatched_total").await, 0.0);
}

#[tokio::test]
async fn evaluate_takes_the_callers_word_for_the_subject_and_a_proof() {
    let world = with_a_list().start().await;
    let large = payment(5000, "198.51.100.7");
    assert_eq!(outcome(&world.ask("evaluate", large.clone()).await).0, "block", "nobody is known");
    let mut signed_in = large.clone();
    signed_in["subject"] = json!("ada");
    let told = world.ask("evaluate", signed_in.clone()).await;
    assert_eq!((outcome(&told).0, &told["methods"]), ("challenge", &json!(["pow"])));
    signed_in["proofs"] = json!({ "pow": "20s" });
    assert_eq!(outcome(&world.ask("evaluate", signed_in.clone()).await).0, "forward");
    signed_in["client_ip"] = json!("203.0.113.9");
    assert_eq!(outcome(&world.ask("evaluate", signed_in).await).0, "block", "the operator's list counts");
    let mut senseless = large.clone();
    senseless["given"] = json!({ "event.amount": "much" });
    assert_eq!(world.call("evaluate", senseless).await.0, 422);
    let mut broken = large;
    broken["body"] = json!("{\"amount\": 1, \"amount\": 2}");
    assert_eq!(world.ask("evaluate", broken).await["reason"], "body.malformed", "as the edge would refuse it");
}

/// A connector to a vendor at `{vendor}`.
pub(crate) const CONNECTOR: &str = r#"
connector: acme
capability: ip_reputation
network: internal
data: { sends: [ip] }
inputs: { ip: { required: true } }
operations:
  lookup:
    request: { method: GET, url: "http://{vendor}/check/${input.ip}" }
    timeout: 2s
    response:
      map: { ip.risk_score: "score(body.score, 0, 100)" }
      required: [ip.risk_score]
"#;

/// A route over it.
pub(crate) const ROUTE: &str = "capability: ip_reputation\nconnectors:\n  - { connector: acme }\n";

/// Turns on what it tells.
pub(crate) const RISKY: &str = "
event: pay
covers: [POST /pay]
when_unsure: { challenge: [pow] }
otherwise: forward
steps:
  - decide: risk
    rules:
      - rule: risky
        when: ip.risk_score > 50
        then: block
";

#[tokio::test]
async fn vendors_are_asked_only_when_the_question_says_so() {
    let vendor = Recorder::answering(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{\"score\":90}",
    )
    .await;
    let plan = Plan::default().policy(RISKY).settings("connectors: connectors\n");
    let plan = plan.file("connectors/acme/connector.yaml", &CONNECTOR.replace("{vendor}", &vendor.address.to_string()));
    let world = plan.file("connectors/routes/ip_reputation.yaml", ROUTE).start().await;
    let mut question = payment(1, "8.8.8.8");
    assert_eq!(outcome(&world.ask("evaluate", question.clone()).await), ("challenge", "when_unsure"));
    assert_eq!(vendor.seen().len(), 0, "nobody was asked");
    question["ask_vendors"] = json!(true);
    let told = world.ask("explain", question).await;
    assert_eq!(outcome(&told).0, "block", "{told:#}");
    assert_eq!(vendor.seen().len(), 1);
}
