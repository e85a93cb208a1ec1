//! Decisions for others and outcomes for vendors, over real sockets: what arrives, what waits, what is lost and counted.

use std::{path::Path, time::Duration};

use serde_json::Value as Json;
use stepward::{
    clock::Clock,
    outcomes::export::Sinks,
    settings::{self, Presence},
    telemetry::Metrics,
};
use tokio::time::Instant;

use crate::world::{App, LOGIN, Town, World, request, status};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
const DOWN: &str = "HTTP/1.1 503 Down\r\nContent-Length: 2\r\n\r\n{}";
const NO: &str = "HTTP/1.1 422 No\r\nContent-Length: 2\r\n\r\n{}";

/// A connector with this id whose operation takes lists.
fn sink(id: &str, app: &App) -> String {
    format!(
        r#"
connector: {id}
capability: event_sink
network: internal
data: {{ sends: [decisions] }}
secrets: {{ key: {{}} }}
inputs: {{ decisions: {{ required: true }} }}
auth: {{ type: hmac, algorithm: sha256, key: "${{secret.key}}", string_to_sign: "${{req.body}}", encoding: hex, in: header, name: X-Signature, value: "${{signature}}" }}
operations:
  take:
    kind: sink
    request: {{ method: POST, url: "http://{}/{id}", json: "${{input.decisions}}" }}
    timeout: 400ms
    response: {{ format: text, outcome: [{{ when: status == 422, then: invalid_input }}] }}
"#,
        app.address
    )
}

fn world(sinks: &[(&str, &App)], how: &str) -> World {
    let mut world = World::new().policy(LOGIN).file("key", "k3y-of-the-sink");
    let (mut named, mut secrets) = (Vec::new(), Vec::new());
    for (id, app) in sinks {
        world = world.file(&format!("connectors/{id}/connector.yaml"), &sink(id, app));
        named.push(format!("{{ connector: {id}, {how} }}"));
        secrets.push(format!("{id}.key: {{ file: key }}"));
    }
    let lines = format!("sinks: [{}]\nsecrets: {{ {} }}\nconnectors: connectors", named.join(", "), secrets.join(", "));
    world.settings(&lines)
}

async fn login(town: &Town, name: &str) -> u16 {
    let fields = ["Content-Type: application/x-www-form-urlencoded"];
    status(&town.raw(&request("POST /login", &fields, &format!("username={name}&password=x"))).await)
}

/// The lists that this sink was sent.
fn batches(app: &App, id: &str) -> Vec<Vec<Json>> {
    let sent = app.seen().into_iter().filter(|it| it.starts_with(&format!("POST /{id} ")));
    sent.map(|it| serde_json::from_str(it.split_once("\r\n\r\n").unwrap().1).unwrap()).collect()
}

/// The ids of all decisions that it was sent, as often as they were.
fn ids(app: &App, id: &str) -> Vec<String> {
    batches(app, id).into_iter().flatten().map(|line| line["id"].as_str().unwrap().to_owned()).collect()
}

fn logged(town: &Town) -> Vec<String> {
    town.decisions().into_iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect()
}

fn metrics(town: &Town) -> String {
    town.gateway.journeys.parts().metrics.text()
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(20), "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn every_decision_arrives_once_in_batches_signed_and_names_nobody() {
    let app = App::start().await;
    app.answers("POST", OK);
    let town = world(&[("a", &app)], "batch: 3, wait: 300ms").start().await;
    for at in 0..7 {
        assert_eq!(login(&town, &format!("mallory-{at}@secret.example")).await, 200);
    }
    until("seven decisions", || ids(&app, "a").len() == 7).await;
    assert_eq!(ids(&app, "a"), logged(&town));
    assert!(batches(&app, "a").iter().all(|batch| batch.len() <= 3), "a batch is too large");
    assert!(batches(&app, "a").iter().any(|batch| batch.len() > 1), "nothing was sent together");
    for sent in app.seen() {
        assert!(!sent.contains("secret.example") && !sent.contains("k3y-of-the-sink"), "{sent}");
        assert!(sent.to_lowercase().contains("x-signature: "), "{sent}");
    }
    // The sink has them a moment before its answer is counted.
    let counted = "stepward_sink_delivered_total{connector=\"a\"} 7";
    until("seven that were delivered", || metrics(&town).contains(counted)).await;
}

#[tokio::test]
async fn a_sink_that_was_down_gets_what_waited_and_one_that_is_dead_stops_no_other() {
    let (down, dead) = (App::start().await, App::start().await);
    down.answers("POST", DOWN);
    dead.stop();
    let town = world(&[("b", &dead), ("a", &down)], "wait: 50ms").start().await;
    let began = Instant::now();
    for at in 0..5 {
        assert_eq!(login(&town, &format!("user-{at}")).await, 200);
    }
    assert!(began.elapsed() < Duration::from_secs(5), "decisions waited for a sink: {:?}", began.elapsed());
    until("a try", || down.count("POST /a") > 1).await;
    let tried = down.seen().len();
    down.answers("POST", OK);
    until("the decisions", || metrics(&town).contains("stepward_sink_delivered_total{connector=\"a\"} 5")).await;
    let taken: Vec<String> = down.seen()[tried..]
        .iter()
        .flat_map(|it| {
            let list: Vec<Json> = serde_json::from_str(it.split_once("\r\n\r\n").unwrap().1).unwrap();
            list.into_iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(taken.iter().filter(|id| logged(&town).contains(id)).count(), taken.len());
    assert!(!metrics(&town).contains("stepward_sink_delivered_total{connector=\"b\"}"), "nobody was there");
}

#[tokio::test]
async fn a_sink_that_stalls_slows_no_decision_and_what_it_has_not_taken_at_the_end_is_counted() {
    let app = App::start().await;
    app.hangs("POST");
    let town = world(&[("a", &app)], "wait: 10ms").start().await;
    let began = Instant::now();
    for at in 0..20 {
        assert_eq!(login(&town, &format!("user-{at}")).await, 200);
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    logged(&town);
    let numbers = town.gateway.journeys.parts().metrics.clone();
    let began = Instant::now();
    town.gateway.stop(Duration::from_millis(500)).await;
    assert!(began.elapsed() < Duration::from_secs(4), "the stop waited for a sink: {:?}", began.elapsed());
    let text = numbers.text();
    assert!(text.contains("stepward_sink_dropped_total{connector=\"a\",reason=\"stopped\"} 20"), "{text}");
}

#[tokio::test]
async fn a_stop_sends_what_still_waits_for_company() {
    let app = App::start().await;
    app.answers("POST", OK);
    let town = world(&[("a", &app)], "wait: 60s").start().await;
    for at in 0..4 {
        login(&town, &format!("user-{at}")).await;
    }
    assert_eq!(app.count("POST"), 0, "it waits for others");
    let log = logged(&town);
    town.gateway.stop(Duration::from_secs(5)).await;
    assert_eq!(ids(&app, "a"), log);
}

#[tokio::test]
async fn only_what_is_asked_for_is_given() {
    let app = App::start().await;
    app.answers("POST", OK);
    let town = world(&[("a", &app)], "wait: 20ms, only: \"decision.event == 'pay'\"")
        .policy("event: pay\ncovers: [GET /pay]\nwhen_unsure: block\notherwise: block\n")
        .start()
        .await;
    login(&town, "ada").await;
    assert_eq!(status(&town.raw(&request("GET /pay", &[], "")).await), 403);
    login(&town, "ada").await;
    until("the payment", || !ids(&app, "a").is_empty()).await;
    town.gateway.stop(Duration::from_secs(2)).await;
    let events: Vec<Json> = batches(&app, "a").into_iter().flatten().map(|line| line["event"].clone()).collect();
    assert_eq!(events, ["pay"]);
}

#[tokio::test]
async fn a_file_of_a_sink_is_read_again_and_a_broken_one_leaves_the_good_one_at_work() {
    let app = App::start().await;
    app.answers("POST", OK);
    let town = world(&[("a", &app)], "wait: 20ms").start().await;
    let file = town.folder.path().join("connectors/a/connector.yaml");
    let elsewhere = sink("a", &app).replace("/a\", json", "/elsewhere\", json");
    std::fs::write(&file, &elsewhere).unwrap();
    assert!(town.gateway.journeys.parts().reload().connectors.is_none());
    login(&town, "ada").await;
    until("a decision at the new address", || app.count("POST /elsewhere") == 1).await;
    std::fs::write(&file, elsewhere.replace("kind: sink", "kind: sunk")).unwrap();
    let refused = town.gateway.journeys.parts().reload().connectors.unwrap();
    assert!(refused.found.iter().any(|it| it.message.contains("sunk")), "{:?}", refused.found);
    login(&town, "bob").await;
    until("a decision by the good text", || app.count("POST /elsewhere") == 2).await;
    assert_eq!(app.count("POST /a "), 0);
    town.gateway.stop(Duration::from_secs(2)).await;
}

#[test]
fn what_cannot_be_a_sink_is_told_by_check() {
    let folder = tempfile::tempdir().unwrap();
    let text = "listen: [{ address: \"127.0.0.1:0\" }]\nupstreams: { app: { url: http://127.0.0.1:1 } }\nroutes: [{ upstream: app }]\nsinks: [{ connector: ip-api }, { connector: nobody }]\n";
    std::fs::create_dir(folder.path().join("policies")).unwrap();
    std::fs::write(folder.path().join("policies/login.yaml"), LOGIN).unwrap();
    std::fs::write(folder.path().join("stepward.yaml"), text).unwrap();
    let mut check = std::process::Command::new(env!("CARGO_BIN_EXE_stepward"));
    let said = check.arg("check").arg(folder.path().join("stepward.yaml")).output().unwrap();
    let said = String::from_utf8([said.stdout, said.stderr].concat()).unwrap();
    assert!(said.contains("operation.missing") && said.contains("connector.unknown"), "{said}");
}

/// Sinks by themselves over one connector.
fn alone(app: &App, how: &str) -> (Sinks, Metrics, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in [("connectors/a/connector.yaml", sink("a", app).as_str()), ("key", "k")] {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    std::fs::create_dir(folder.path().join("policies")).unwrap();
    let text = format!(
        "listen: [{{ address: \"127.0.0.1:0\" }}]\nupstreams: {{ app: {{ url: http://127.0.0.1:1 }} }}\n\
        routes: [{{ upstream: app }}]\nsecrets: {{ a.key: {{ file: key }} }}\nsinks: [{{ connector: a, {how} }}]\n"
    );
    let settings = read(folder.path(), &text).unwrap();
    let metrics = Metrics::new();
    let sinks = Sinks::open(&settings, &Clock::System, &metrics).unwrap();
    (sinks, metrics, folder)
}

fn read(base: &Path, text: &str) -> Result<settings::Settings, Vec<String>> {
    let loaded = settings::read(&"stepward.yaml".into(), text, base, Presence::Required);
    loaded.map(|it| it.settings).map_err(|it| it.found.into_iter().map(|it| it.message).collect())
}

#[tokio::test]
async fn the_oldest_make_way_when_too_many_wait_and_are_counted() {
    let app = App::start().await;
    app.answers("POST", OK);
    let (sinks, metrics, _folder) = alone(&app, "wait: 10ms");
    for at in 0..10_050 {
        sinks.take(format!("{{\"id\":\"{at}\"}}\n").as_bytes());
    }
    sinks.take(format!("{{\"id\":\"{}\"}}\n", "x".repeat(300_000)).as_bytes());
    sinks.start();
    sinks.drain(Duration::from_secs(60)).await;
    let ids = ids(&app, "a");
    assert_eq!(
        (ids.len(), ids.first().map(String::as_str), ids.last().map(String::as_str)),
        (10_000, Some("50"), Some("10049"))
    );
    let text = metrics.text();
    assert!(text.contains("stepward_sink_dropped_total{connector=\"a\",reason=\"queue_full\"} 50"), "{text}");
    assert!(text.contains("stepward_sink_dropped_total{connector=\"a\",reason=\"too_long\"} 1"), "{text}");
}

#[tokio::test]
async fn a_list_that_is_refused_is_tried_line_by_line_and_given_up() {
    let app = App::start().await;
    app.answers("POST", NO);
    let (sinks, metrics, _folder) = alone(&app, "wait: 10ms");
    for at in 0..4 {
        sinks.take(format!("{{\"id\":\"{at}\"}}\n").as_bytes());
    }
    sinks.start();
    sinks.drain(Duration::from_secs(20)).await;
    let sizes: Vec<usize> = batches(&app, "a").iter().map(Vec::len).collect();
    assert_eq!(sizes, [4, 2, 1, 1, 2, 1, 1]);
    let text = metrics.text();
    assert!(text.contains("stepward_sink_dropped_total{connector=\"a\",reason=\"refused\"} 4"), "{text}");
}

#[test]
fn what_cannot_be_a_sink_is_told_when_the_settings_are_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("policies")).unwrap();
    let around = "listen: [{ address: \"127.0.0.1:0\" }]\nupstreams: { app: { url: http://127.0.0.1:1 } }\nroutes: [{ upstream: app }]\n";
    for (sinks, expected) in [
        ("[{ connector: a, only: \"outcome == 'block'\" }]", "decision.outcome"),
        ("[{ connector: a, only: \"decision.outcome ==\" }]", ""),
        ("[{ connector: a }, { connector: a }]", "already"),
        ("[{ connector: a, batch: 101 }]", ""),
    ] {
        let found = read(folder.path(), &format!("{around}sinks: {sinks}\n")).unwrap_err();
        assert!(found.iter().any(|it| it.contains(expected)), "{sinks}: {found:?}");
    }
    for (id, expected) in [("no-such", "there is no connector"), ("pwned-passwords", "kind `sink`")] {
        let settings = read(folder.path(), &format!("{around}sinks: [{{ connector: {id} }}]\n")).unwrap();
        let found = Sinks::open(&settings, &Clock::System, &Metrics::new()).err().unwrap();
        assert!(found.iter().any(|it| it.message.contains(expected)), "{found:?}");
    }
}

/// A policy that asks a vendor, which wants to hear how it came out.
const RISKY: &str = "
event: login
covers: [POST /login]
facts:
  username: { from: body.username, type: text, pii: true, identifies: subject }
succeeded: response.status == 303
failed: response.status == 401
budget: { time: 3s, paid_calls: 1 }
when_unsure: block
otherwise: forward
steps:
  - decide: risk
    rules:
      - { rule: bad, when: idp.risk_score > 80, then: block }
";

async fn told_town(vendor: &App) -> Town {
    told_town_of(vendor, &[RISKY]).await
}

async fn told_town_of(vendor: &App, policies: &[&str]) -> Town {
    let connector = format!(
        r#"
connector: risk
capability: idp_risk
network: internal
price: 1
data: {{ sends: [ip, outcome] }}
inputs: {{ ip: {{ required: true }}, outcome: {{}} }}
operations:
  lookup:
    request: {{ method: GET, url: "http://{0}/ask/${{input.ip}}" }}
    timeout: 2s
    cache: {{ ttl: 1h }}
    response: {{ keep_state: {{ id: body.id }}, map: {{ idp.risk_score: body.score }}, required: [idp.risk_score] }}
  feedback:
    kind: feedback
    request: {{ method: PUT, url: "http://{0}/told/${{state.id}}", json: {{ outcome: "${{input.outcome}}" }} }}
    timeout: 500ms
"#,
        vendor.address
    );
    let world = policies.iter().fold(World::new(), |world, policy| world.policy(policy));
    world
        .settings("connectors: connectors\ntrusted_proxies: [127.0.0.0/8]")
        .file("connectors/risk/connector.yaml", &connector)
        .file("connectors/routes/idp_risk.yaml", "capability: idp_risk\nconnectors: [{ connector: risk }]\n")
        .start()
        .await
}

async fn login_from(town: &Town, ip: &str) -> u16 {
    let address = format!("X-Forwarded-For: {ip}");
    let fields = ["Content-Type: application/x-www-form-urlencoded", &address];
    status(&town.raw(&request("POST /login", &fields, "username=ada&password=x")).await)
}

fn told(vendor: &App) -> Vec<(String, String)> {
    let mut told: Vec<_> = vendor
        .seen()
        .into_iter()
        .filter_map(|it| {
            let id = it.strip_prefix("PUT /told/")?.split(' ').next()?.to_owned();
            let body: Json = serde_json::from_str(it.split_once("\r\n\r\n")?.1).ok()?;
            Some((id, body["outcome"].as_str()?.to_owned()))
        })
        .collect();
    told.sort();
    told
}

#[tokio::test]
async fn a_vendor_hears_how_each_of_its_own_answers_came_out_and_of_no_other() {
    let vendor = App::start().await;
    for (ip, id, score) in [("62.4.31.1", "e1", 10), ("62.4.31.2", "e2", 10), ("62.4.31.3", "e3", 99)] {
        vendor.says(&format!("GET /ask/{ip} "), 200, &format!(r#"{{"id":"{id}","score":{score}}}"#));
    }
    vendor.says("PUT /told/e2", 503, "{}");
    vendor.says("PUT", 200, "{}");
    let town = told_town(&vendor).await;
    town.app.says("POST /login", 303, "");
    login_from(&town, "62.4.31.1").await;
    town.app.says("POST /login", 401, "");
    login_from(&town, "62.4.31.2").await;
    assert_eq!(login_from(&town, "62.4.31.3").await, 403);
    until("three outcomes", || told(&vendor).len() >= 3).await;
    // Out of the cache: that evaluation was another decision's, which has been told of already.
    assert_eq!(login_from(&town, "62.4.31.1").await, 401);
    vendor.says("PUT /told/e2", 200, "{}");
    let numbers = || metrics(&town);
    until("the second try", || {
        numbers().contains("stepward_vendor_feedback_total{connector=\"risk\",result=\"told\"} 3")
    })
    .await;
    let mut told = told(&vendor);
    told.dedup();
    let expected = [("e1", "succeeded"), ("e2", "failed"), ("e3", "blocked")];
    assert_eq!(told, expected.map(|(id, outcome)| (id.to_owned(), outcome.to_owned())));
    assert!(vendor.seen().iter().all(|it| !it.contains("ada")), "only what `data.sends` names");
    let log = town.decisions().iter().map(Json::to_string).collect::<String>();
    assert!(!log.contains("\"e1\"") && !log.contains("\"e3\""), "what is kept for feedback is in no log");
}

#[tokio::test]
async fn an_event_whose_end_nobody_knows_is_told_to_nobody_and_a_vendor_that_is_gone_costs_nothing() {
    let vendor = App::start().await;
    vendor.says("GET", 200, r#"{"id":"e1","score":1}"#);
    vendor.hangs("PUT");
    let town = told_town(&vendor).await;
    town.app.says("POST /login", 500, "");
    assert_eq!(login_from(&town, "62.4.31.1").await, 500);
    town.app.says("POST /login", 303, "");
    let began = Instant::now();
    assert_eq!(login_from(&town, "62.4.31.2").await, 303);
    assert!(began.elapsed() < Duration::from_millis(400), "{:?}", began.elapsed());
    until("a try", || vendor.count("PUT") == 1).await;
}

#[tokio::test]
async fn a_vendor_whose_answer_led_to_a_challenge_hears_that_it_was_met_and_that_its_tries_were_spent() {
    let vendor = App::start().await;
    vendor.says("GET", 200, r#"{"id":"e1","score":60}"#);
    vendor.says("PUT", 200, "{}");
    let pay = "
event: pay
covers: [POST /pay]
budget: { time: 3s, paid_calls: 1 }
when_unsure: block
otherwise: forward
steps:
  - decide: risk
    rules:
      - { rule: doubtful, when: idp.risk_score > 50, then: { challenge: [totp] } }
";
    for (is_met, expected) in [(true, "challenge_passed"), (false, "challenge_failed")] {
        let before = told(&vendor).len();
        let town = told_town_of(&vendor, &[LOGIN, pay]).await;
        let mut ada = town.visitor();
        town.sign_in(&mut ada, "ada").await;
        let secret = town.totp("ada").await;
        let asked = ada.post("/pay", &[("amount", "1")]).await;
        assert_eq!(asked.status, 303, "{}", asked.text);
        assert_eq!(told(&vendor).len(), before, "nothing has come out yet");
        if is_met {
            town.prove(&mut ada, &asked, &secret).await;
        } else {
            let challenge = asked.location().to_string();
            for _ in 0..10 {
                ada.post(&challenge, &[("method", "totp"), ("code", "000000")]).await;
            }
        }
        until("the outcome", || told(&vendor).len() > before).await;
        assert!(told(&vendor).iter().any(|(_, outcome)| outcome == expected), "{:?}", told(&vendor));
    }
}
