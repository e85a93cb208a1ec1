use std::net::SocketAddr;

use stepward_core::{attribute::Catalogue, connector::compile::source::Source};
use tokio::net::TcpListener;

use super::*;

const ACME: &str = r#"
connector: acme
capability: ip_reputation
data: { sends: [ip] }
secrets: { key: {} }
inputs: { ip: { required: true } }
auth: { type: api_key, in: header, name: X-Key, value: "${secret.key}" }
operations:
  lookup:
    request: { method: GET, url: "https://api.acme.example/v1/ip/${input.ip}", query: { full: "1" } }
    response:
      map: { ip.risk_score: "score(body.risk, 0, 10)" }
      required: [ip.risk_score]
tests:
  - name: too many
    input: { ip: 62.4.31.9 }
    response: { status: 429, body: { slow: down } }
    expect: { outcome: rate_limited }
  - name: risky
    input: { ip: 62.4.31.7 }
    response: { status: 200, body: { risk: 8, nested: { list: [{ a: 1 }] } } }
    expect: { outcome: success }
  - name: calm
    input: { ip: 62.4.31.8 }
    response: { status: 200, body: { risk: 1 } }
    expect: { outcome: success }
  - name: the same address, broken
    input: { ip: 62.4.31.8 }
    response: { status: 200, text: "<html>" }
    expect: { outcome: contract_error }
"#;

fn acme() -> Mock {
    mock(ACME)
}

fn mock(text: &str) -> Mock {
    let source = Source::read(&"acme.yaml".into(), text, &|_| None).unwrap();
    Mock::of(&[source], &Catalogue::builtin()).unwrap()
}

async fn served(mock: &Mock) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = mock.clone().routes();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap()
}

async fn ask(at: SocketAddr, path: &str) -> (u16, String) {
    let answer = client().get(format!("http://{at}{path}")).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn a_request_gets_the_answer_that_was_recorded_for_it_and_else_the_first_success() {
    let at = served(&acme()).await;
    for (path, status, body) in [
        ("/acme/v1/ip/62.4.31.8?full=1", 200, r#"{"risk":1}"#),
        ("/acme/v1/ip/62.4.31.7?full=1", 200, r#"{"risk":8,"nested":{"list":[{"a":1}]}}"#),
        ("/acme/v1/ip/62.4.31.9?full=1", 429, r#"{"slow":"down"}"#),
        ("/acme/v1/ip/62.4.31.8", 200, r#"{"risk":1}"#),
        ("/acme/v1/ip/9.9.9.9?full=1", 200, r#"{"risk":8,"nested":{"list":[{"a":1}]}}"#),
        ("/acme", 200, r#"{"risk":8,"nested":{"list":[{"a":1}]}}"#),
    ] {
        assert_eq!(ask(at, path).await, (status, body.to_owned()), "{path}");
    }
    let (status, told) = ask(at, "/acmee/v1").await;
    assert!(status == 404 && told.contains("acme"), "{told}");
}

#[tokio::test]
async fn whoever_asks_for_a_token_gets_one_that_is_worth_nothing() {
    let at = served(&acme()).await;
    let form = "grant_type=client_credentials&scope=all";
    let answer = client().post(format!("http://{at}/acme/oauth/token")).body(form).send().await.unwrap();
    let told: Json = answer.json().await.unwrap();
    assert_eq!((&told["access_token"], &told["expires_in"]), (&"mock".into(), &3600.into()));
}

#[tokio::test]
async fn each_fault_is_what_its_word_says() {
    let mock = acme();
    let at = served(&mock).await;
    let path = "/acme/v1/ip/62.4.31.8?full=1";
    for (order, status, part) in [
        ("acme=error:503", 503, "injected"),
        ("error", 500, "injected"),
        ("rate_limited", 429, "slow"),
        ("wrong_schema", 200, r#"{"risk_v2":1}"#),
        ("acme=fixture:risky", 200, r#""risk":8"#),
    ] {
        mock.clear(None);
        mock.inject(order.parse().unwrap()).unwrap();
        let (came, text) = ask(at, path).await;
        assert!(came == status && text.contains(part), "{order}: {came} {text}");
        assert!(mock.is_faulty("acme"), "{order}");
    }
    mock.inject("garbage".parse().unwrap()).unwrap();
    mock.clear(Some("acme"));
    let bytes = client().get(format!("http://{at}{path}")).send().await.unwrap().bytes().await.unwrap();
    assert!(std::str::from_utf8(&bytes).is_err(), "garbage is no text");
    mock.clear(None);
    mock.inject("half_close".parse().unwrap()).unwrap();
    let half = client().get(format!("http://{at}{path}")).send().await.unwrap();
    assert!(half.status().is_success() && half.bytes().await.is_err(), "the head comes whole, the body does not");
    mock.clear(None);
    mock.inject("acme=stall".parse().unwrap()).unwrap();
    let stalled = client().get(format!("http://{at}{path}")).timeout(Duration::from_millis(200)).send().await;
    assert!(stalled.unwrap_err().is_timeout());
    mock.clear(None);
    assert_eq!(ask(at, path).await.0, 200, "and well again");
    assert_eq!(mock.calls("acme"), 9);
}

#[tokio::test(start_paused = true)]
async fn a_fault_ends_when_its_time_is_up_and_a_vendors_own_goes_before_that_of_all() {
    let mock = acme();
    mock.inject("all=error:500".parse().unwrap()).unwrap();
    mock.inject("acme=stall@30s".parse().unwrap()).unwrap();
    mock.inject("acme=latency:2s@10s".parse().unwrap()).unwrap();
    let wrong = mock.wrong("acme");
    assert_eq!((wrong.fault, wrong.latency), (Some(Fault::Stall), Some(Duration::from_secs(2))));
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(mock.wrong("acme").latency, None);
    tokio::time::advance(Duration::from_secs(20)).await;
    assert_eq!(mock.wrong("acme").fault, Some(Fault::Error(500)));
    mock.inject("all=garbage".parse().unwrap()).unwrap();
    assert_eq!(mock.wrong("acme").fault, Some(Fault::Garbage), "the later order takes the place of the earlier");
}

#[tokio::test]
async fn faults_are_ordered_told_and_taken_back_over_http_in_the_same_words() {
    let at = served(&acme()).await;
    let control = format!("http://{at}{CONTROL}");
    let ordered = client().put(&control).body("acme=stall@30s\nlatency:5ms\n").send().await.unwrap();
    let told: Json = ordered.json().await.unwrap();
    assert_eq!(told["faults"][0]["fault"], "stall");
    assert!(told["faults"][0]["left_ms"].as_u64().unwrap() > 29_000, "{told}");
    assert_eq!(told["faults"][1]["connector"], Json::Null);
    let refused = client().put(&control).body("acne=stall").send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 400);
    assert!(refused.text().await.unwrap().contains("did you mean `acme`?"));
    let refused = client().put(&control).body("acme=fixture:calmer").send().await.unwrap().text().await.unwrap();
    assert!(refused.contains("`calm`"), "{refused}");
    client().delete(&control).body("acme").send().await.unwrap();
    let told: Json = client().get(&control).send().await.unwrap().json().await.unwrap();
    assert_eq!(told["faults"].as_array().unwrap().len(), 1, "{told}");
    client().delete(&control).send().await.unwrap();
    assert_eq!(ask(at, "/acme/v1/ip/62.4.31.8?full=1").await.0, 200);
}

#[tokio::test]
async fn an_answer_that_is_keyed_by_what_was_asked_about_is_keyed_by_what_is_asked_about_now() {
    let keyed = ACME
        .replace("body: { risk: 8, nested: { list: [{ a: 1 }] } }", "body: { status: ok, 62.4.31.7: { risk: 8 } }")
        .replace("- name: too many", "- name: too many\n    config: { path: v2 }")
        .replace("example/v1/", "example/${config.path}/")
        .replace("secrets:", "config: { path: { default: v1 } }\nsecrets:");
    let at = served(&mock(&keyed)).await;
    for (asked, key) in [("/acme/v1/ip/9.9.9.9?full=1", "9.9.9.9"), ("/acme/v1/ip/%3A%3A1?full=1", "::1")] {
        let told: Json = serde_json::from_str(&ask(at, asked).await.1).unwrap();
        assert_eq!(told[key]["risk"], 8, "{asked}: {told}");
    }
    let elsewhere = ask(at, "/acme/other").await.1;
    assert!(elsewhere.contains("62.4.31.7"), "nothing stands in its place: {elsewhere}");
    assert_eq!(ask(at, "/acme/v2/ip/62.4.31.9?full=1").await.0, 429, "a fixture with settings of its own");
}
