//! An app that asks for a proof in place of an answer, by `Stepward-Require`.

use http::StatusCode;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    visitor::{Seen, Visitor},
    world::{LOGIN, Town, World},
};

/// Who is told so need not ask.
const PROVEN: &str = "stepward-assurance: aal2";
const ASKS: &str =
    "HTTP/1.1 401 Unauthorized\r\nStepward-Require: totp;max-age=300\r\nX-App: asks\r\nContent-Length: 4\r\n\r\nasks";
const DONE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone";

/// A payment that a policy always lets through, so that only the app asks.
const PAY: &str = "
event: pay
covers: [ANY /pay]
succeeded: response.status == 200
failed: response.status == 402
when_unsure: block
otherwise: forward
";

async fn town() -> Town {
    let routes = "routes: [{ path: /elsewhere, upstream: app }, { upstream: app, app_may_ask: true }]";
    World::new().policy(LOGIN).policy(PAY).settings(routes).start().await
}

/// Ada, signed in, with an authenticator app.
async fn ada(town: &Town) -> (Visitor, Vec<u8>) {
    let mut ada = town.visitor();
    let secret = town.totp("ada").await;
    town.sign_in(&mut ada, "ada").await;
    (ada, secret)
}

/// The same browser, now calling by script.
fn calls(visitor: &mut Visitor) {
    let accept = "application/json, text/plain, */*".to_string();
    visitor.headers = vec![("sec-fetch-mode", "cors".into()), ("accept", accept)];
}

async fn call(visitor: &mut Visitor, method: Method, path: &str, body: &str, resume: Option<&str>) -> Seen {
    let request = visitor
        .client()
        .request(method, visitor.url(path))
        .header("content-type", "application/json")
        .header("origin", visitor.url(""))
        .header("sec-fetch-site", "same-origin")
        .body(body.to_string());
    let request = match resume {
        Some(id) => request.header("stepward-resume", id),
        None => request,
    };
    visitor.send(request).await
}

/// Answers the challenge of a problem document as a program does.
async fn meet(town: &Town, visitor: &mut Visitor, problem: &Value, secret: &[u8]) {
    let challenge = problem["challenge_url"].as_str().unwrap_or_else(|| panic!("no challenge: {problem}"));
    let open = visitor.get(challenge).await.json();
    assert_eq!(open["status"], "open", "{open}");
    let code = town.code(secret);
    let met = visitor.post(challenge, &[("method", "totp"), ("code", &code)]).await;
    assert_eq!(met.json()["status"], "passed", "{}", met.text);
    let passed = visitor.get(challenge).await.json();
    assert_eq!(passed["status"], "passed", "{passed}");
}

/// The newest line of the decision log with this outcome: event and reason.
fn logged(town: &Town, outcome: &str) -> (Value, String) {
    let lines = town.decisions();
    let line = lines.iter().rfind(|line| line["outcome"] == outcome).unwrap_or_else(|| panic!("{outcome}: {lines:?}"));
    (line["event"].clone(), line["reason"].as_str().unwrap().to_string())
}

fn body_of(request: &str) -> &str {
    request.split_once("\r\n\r\n").unwrap().1
}

#[tokio::test]
async fn a_form_that_the_app_asks_about_comes_again_once_with_the_proof() {
    let town = town().await;
    let (mut ada, secret) = ada(&town).await;
    town.app.asks("POST /settings", PROVEN, ASKS, DONE);
    let asked = ada.post("/settings", &[("theme", "dark & light")]).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.text);
    assert!(!asked.headers.contains_key("x-app"), "nothing of the app's answer is seen: {:?}", asked.headers);
    assert!(asked.headers.keys().all(|name| name != "stepward-require"));
    assert_eq!(logged(&town, "challenge"), (json!("app"), "app.asked".into()));
    let resume = town.prove(&mut ada, &asked, &secret).await;
    assert_eq!(town.app.count("POST /settings"), 1, "nothing is sent before the user says so");
    let done = ada.post(&resume, &[]).await;
    assert_eq!((done.status, &*done.text), (StatusCode::OK, "done"));
    let seen: Vec<String> = town.app.seen().into_iter().filter(|it| it.starts_with("POST /settings")).collect();
    assert_eq!(seen.len(), 2);
    assert_eq!(body_of(&seen[0]), body_of(&seen[1]));
    assert!(!seen[0].contains("stepward-event") && seen[1].contains("stepward-event: app"), "{}", seen[1]);
    let again = ada.post(&resume, &[]).await;
    assert_eq!(again.status, StatusCode::GONE);
    assert_eq!(town.app.count("POST /settings"), 2, "a resumed request is sent once");
}

#[tokio::test]
async fn calls_of_any_method_are_kept_and_resumed_with_their_body() {
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let town = town().await;
        let (mut ada, secret) = ada(&town).await;
        calls(&mut ada);
        let line = format!("{method} /api/users/7");
        town.app.asks(&line, PROVEN, ASKS, DONE);
        let body = r#"{"name": "Ada",  "admin": true}"#;
        let asked = call(&mut ada, method.clone(), "/api/users/7", body, None).await;
        assert_eq!(asked.status, StatusCode::UNAUTHORIZED);
        assert_eq!(asked.headers["content-type"], "application/problem+json");
        assert_eq!(asked.headers["stepward-outcome"], "challenge");
        let problem = asked.json();
        assert_eq!(problem["methods"], json!(["totp"]));
        meet(&town, &mut ada, &problem, &secret).await;
        let done = call(&mut ada, method.clone(), "/api/users/7", "", problem["resume"].as_str()).await;
        assert_eq!((done.status, &*done.text), (StatusCode::OK, "done"), "{method}");
        assert_eq!(body_of(&town.app.last(&line)), body, "{method}");
        assert_eq!(town.app.count(&line), 2, "{method}");
    }
}

#[tokio::test]
async fn who_has_proven_it_just_now_is_not_asked_again() {
    let town = town().await;
    let (mut ada, secret) = ada(&town).await;
    calls(&mut ada);
    town.app.asks("GET /report", PROVEN, ASKS, DONE);
    let asked = call(&mut ada, Method::GET, "/report", "", None).await;
    let problem = asked.json();
    assert_eq!(problem["resume"], Value::Null, "what is safe is simply asked for again");
    meet(&town, &mut ada, &problem, &secret).await;
    for _ in 0..2 {
        let before = town.app.count("GET /report");
        let done = call(&mut ada, Method::GET, "/report", "", None).await;
        assert_eq!((done.status, &*done.text), (StatusCode::OK, "done"));
        assert_eq!(town.app.count("GET /report"), before + 2, "asked, told, answered");
    }
    town.app.asks("POST /api/large", PROVEN, ASKS, DONE);
    let large = "x".repeat(200_000);
    let done = call(&mut ada, Method::POST, "/api/large", &large, None).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text);
    assert_eq!(body_of(&town.app.last("POST /api/large")), large);
    town.wait_ms(301_000);
    let asked = call(&mut ada, Method::GET, "/report", "", None).await;
    assert_eq!(asked.status, StatusCode::UNAUTHORIZED, "a proof grows old");
}

#[tokio::test]
async fn an_app_that_asks_although_it_was_told_is_refused() {
    let town = town().await;
    let (mut ada, secret) = ada(&town).await;
    calls(&mut ada);
    town.app.answers("PUT /stubborn", ASKS);
    let problem = call(&mut ada, Method::PUT, "/stubborn", "{}", None).await.json();
    meet(&town, &mut ada, &problem, &secret).await;
    let refused = call(&mut ada, Method::PUT, "/stubborn", "", problem["resume"].as_str()).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    assert_eq!(logged(&town, "block").1, "app.asked_again");
    assert_eq!(town.app.count("PUT /stubborn"), 2);
    let refused = call(&mut ada, Method::PUT, "/stubborn", "{}", None).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    assert_eq!(town.app.count("PUT /stubborn"), 4, "asked, told, asked again, refused");
    town.app.answers("PUT /pay", ASKS);
    let refused = call(&mut ada, Method::PUT, "/pay", "{}", None).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    assert_eq!(town.app.count("PUT /pay"), 1, "an event is told at once");
}

#[tokio::test]
async fn at_an_event_the_challenge_is_the_events() {
    let town = town().await;
    let (mut ada, secret) = ada(&town).await;
    town.app.asks("POST /pay", PROVEN, ASKS, DONE);
    let asked = ada.post("/pay", &[("amount", "900")]).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.text);
    assert_eq!(logged(&town, "challenge"), (json!("pay"), "app.asked".into()));
    let resume = town.prove(&mut ada, &asked, &secret).await;
    let done = ada.post(&resume, &[]).await;
    assert_eq!((done.status, &*done.text), (StatusCode::OK, "done"));
    assert!(town.app.last("POST /pay").contains("stepward-event: pay"));
    assert_eq!(town.app.count("POST /pay"), 2);
}

#[tokio::test]
async fn a_page_that_the_app_asks_about_is_opened_after_the_proof() {
    let town = town().await;
    let (mut ada, secret) = ada(&town).await;
    town.app.asks("GET /vault", PROVEN, ASKS, DONE);
    let asked = ada.get("/vault?shelf=2").await;
    let back = town.prove(&mut ada, &asked, &secret).await;
    assert_eq!(back, "/vault?shelf=2");
    let done = ada.get(&back).await;
    assert_eq!((done.status, &*done.text), (StatusCode::OK, "done"));
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_and_nothing_of_it_forwarded() {
    for asks in ["password", "totp passkey", "totp;max-age=0", "\"totp\"", ""] {
        let town = town().await;
        let (mut ada, _) = ada(&town).await;
        calls(&mut ada);
        let answer =
            format!("HTTP/1.1 200 OK\r\nStepward-Require: {asks}\r\nX-App: asks\r\nContent-Length: 4\r\n\r\nasks");
        town.app.answers("POST /settings", &answer);
        let refused = call(&mut ada, Method::POST, "/settings", "{}", None).await;
        assert_eq!(refused.status, StatusCode::BAD_GATEWAY, "{asks}: {}", refused.text);
        assert_eq!(refused.json()["reason"], "app.malformed", "{asks}");
        assert!(!refused.headers.contains_key("x-app") && !refused.text.contains("asks"), "{asks}: {refused:?}");
        assert_eq!(logged(&town, "block").1, "app.malformed", "{asks}");
    }
}

#[tokio::test]
async fn where_the_operator_has_not_said_that_it_may_the_answer_becomes_401() {
    let town = town().await;
    let (mut ada, _) = ada(&town).await;
    for path in ["/elsewhere", "/elsewhere/page"] {
        town.app.answers(&format!("POST {path}"), ASKS);
        let refused = ada.post(path, &[]).await;
        assert_eq!((refused.status, refused.location()), (StatusCode::UNAUTHORIZED, ""));
        assert!(!refused.text.contains("asks"), "{}", refused.text);
    }
    calls(&mut ada);
    let refused = call(&mut ada, Method::POST, "/elsewhere", "{}", None).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    assert_eq!(refused.headers["www-authenticate"], "Stepward");
    assert_eq!(refused.json()["challenge_url"], Value::Null);
    assert!(refused.headers.keys().all(|name| name != "stepward-require" && name != "x-app"));
    assert_eq!(logged(&town, "block").1, "app.asked");
}

#[tokio::test]
async fn a_body_that_is_not_kept_is_sent_again_by_its_sender_only() {
    let town = town().await;
    let (mut ada, secret) = ada(&town).await;
    calls(&mut ada);
    town.app.asks("PUT /upload", PROVEN, ASKS, DONE);
    let large = "x".repeat(2 * 1024 * 1024);
    let asked = call(&mut ada, Method::PUT, "/upload", &large, None).await;
    assert_eq!(asked.status, StatusCode::UNAUTHORIZED, "{}", asked.text);
    let problem = asked.json();
    assert_eq!(problem["resume"], Value::Null, "{problem}");
    meet(&town, &mut ada, &problem, &secret).await;
    let refused = call(&mut ada, Method::PUT, "/upload", &large, None).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", refused.text);
    assert_eq!(logged(&town, "block").1, "body.too_large");
}

#[tokio::test]
async fn the_header_reaches_no_client_on_any_way() {
    let town = town().await;
    let mut visitor = town.visitor();
    let loud = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nStepward-Require: totp\r\nStepward-Other: x\r\n\r\n";
    town.app.answers("GET /socket", loud);
    let upgrade = "GET /socket HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let answer = town.raw(upgrade).await.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 101") && !answer.contains("stepward-"), "{answer}");
    town.app.answers("GET /plain", "HTTP/1.1 200 OK\r\nStepward-Event: x\r\nContent-Length: 2\r\n\r\nok");
    let plain = visitor.get("/plain").await;
    assert_eq!((plain.status, &*plain.text), (StatusCode::OK, "ok"));
    assert!(plain.headers.keys().all(|name| !name.as_str().starts_with("stepward-")), "{:?}", plain.headers);
}

#[tokio::test]
async fn another_site_cannot_have_a_request_kept_that_the_app_asks_about() {
    let town = town().await;
    let (mut ada, _) = ada(&town).await;
    town.app.asks("POST /settings", PROVEN, ASKS, DONE);
    let request = ada
        .client()
        .post(ada.url("/settings"))
        .header("origin", "https://evil.example")
        .header("sec-fetch-site", "cross-site")
        .body("a=1");
    let refused = ada.send(request).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    assert_eq!(logged(&town, "block"), (json!("app"), "request.cross_site".into()));
}
