//! What breaks around a gateway, one fault a test: nobody is let in by it, and nothing else stops.

use std::time::{Duration, Instant};

use http::StatusCode;

use crate::{
    visitor::Visitor,
    world::{App, LOGIN, Town, World, request, status},
};

/// Time that a loaded machine may add to any answer.
const MARGIN: Duration = Duration::from_millis(1500);

const VENDOR: &str = "
connector: vendor
name: Vendor
capability: ip_reputation
docs: http://@vendor@/
about: A vendor that breaks.
network: internal
data: { sends: [ip] }
inputs:
  ip: { required: true }
operations:
  lookup:
    request:
      method: GET
      url: \"http://@vendor@/score\"
      query: { ip: \"${input.ip}\" }
    timeout: 400ms
    response:
      map:
        ip.risk_score: score(body.score, 0.0, 100.0)
      required: [ip.risk_score]
tests:
  - name: a calm address
    input: { ip: 62.4.31.7 }
    response: { status: 200, body: { score: 12 } }
    expect: { outcome: success, attributes: { ip.risk_score: 12 } }
";

const ROUTE: &str =
    "capability: ip_reputation\nconnectors:\n  - { connector: vendor, timeout: 400ms }\non_unavailable: unknown\n";

const RISKY: &str = "
event: act
covers: [GET /act]
budget: { time: 500ms, paid_calls: 1 }
when_unsure: block
otherwise: forward
steps:
  - decide: network
    rules:
      - rule: risky
        when: ip.risk_score > 80
        then: block
";

async fn with_vendor() -> (Town, App) {
    let vendor = App::start().await;
    let address = vendor.address.to_string();
    let town = World::new()
        .policy(RISKY)
        .file("connectors/vendor/connector.yaml", &VENDOR.replace("@vendor@", &address))
        .file("connectors/routes/ip_reputation.yaml", ROUTE)
        .settings("connectors: connectors\ntrusted_proxies: [127.0.0.0/8]")
        .start()
        .await;
    (town, vendor)
}

async fn act(town: &Town, ip: &str) -> (u16, Duration) {
    let began = Instant::now();
    let answer = town.raw(&request("GET /act", &[&format!("X-Forwarded-For: {ip}")], "")).await;
    (status(&answer), began.elapsed())
}

fn json(vendor: &App, body: &str) {
    let answer =
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    vendor.answers("GET /score", &answer);
}

#[tokio::test]
async fn a_vendor_that_answers_is_believed() {
    let (town, vendor) = with_vendor().await;
    json(&vendor, "{\"score\":12}");
    assert_eq!(act(&town, "62.4.31.1").await.0, 200);
    json(&vendor, "{\"score\":99}");
    assert_eq!(act(&town, "62.4.31.2").await.0, 403);
    assert_eq!(vendor.count("GET /score"), 2);
}

#[tokio::test]
async fn a_vendor_that_hangs_costs_its_budget_and_lets_nobody_in() {
    let (town, vendor) = with_vendor().await;
    vendor.hangs("GET /score");
    let (status, took) = act(&town, "62.4.31.1").await;
    assert_eq!(status, 403);
    assert!(took < Duration::from_millis(500) + MARGIN, "{took:?}");
    assert!(town.decisions().iter().any(|it| it.to_string().contains("when_unsure")), "{:?}", town.decisions());
    let began = Instant::now();
    assert_eq!(crate::world::status(&town.raw(&request("GET /no-event", &[], "")).await), 200);
    assert!(began.elapsed() < MARGIN, "other traffic does not wait");
}

#[tokio::test]
async fn a_vendor_that_answers_byte_by_byte_costs_its_budget_and_lets_nobody_in() {
    let (town, vendor) = with_vendor().await;
    vendor.drips(
        "GET /score",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"score\":1}",
    );
    let (status, took) = act(&town, "62.4.31.1").await;
    assert_eq!(status, 403);
    assert!(took < Duration::from_millis(500) + MARGIN, "{took:?}");
}

#[tokio::test]
async fn a_vendor_that_fails_or_talks_nonsense_lets_nobody_in() {
    let (town, vendor) = with_vendor().await;
    let big = format!("{{\"score\":1,\"x\":\"{}\"}}", "y".repeat(8 << 20));
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    for (at, body) in
        ["", "{", "null", "[]", "{\"score\":\"low\"}", "{\"score\":null}", "{\"other\":1}", "\u{0}\u{1}", &big, &deep]
            .iter()
            .enumerate()
    {
        json(&vendor, body);
        assert_eq!(act(&town, &format!("62.4.31.{at}")).await.0, 403, "{}", &body[..body.len().min(40)]);
    }
    for answer in [
        "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 302 Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        "garbage\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{",
    ] {
        vendor.breaks_off_after("GET /score", answer);
        assert_eq!(act(&town, "62.4.32.1").await.0, 403, "{answer}");
    }
    vendor.stop();
    assert_eq!(act(&town, "62.4.33.1").await.0, 403, "a dead vendor");
    assert_eq!(town.app.count("GET /act"), 0);
}

/// A payment that needs a proof.
const PAY: &str = "
event: pay
covers: [POST /pay]
succeeded: response.status == 200
failed: response.status == 402
when_unsure: block
otherwise: block
steps:
  - require: a code
    proof: [totp, email_code]
    attempts: 3
  - finish: pay
    then: forward
";

async fn bank() -> (Town, Visitor, Vec<u8>) {
    let town = World::new().policy(LOGIN).policy(PAY).start().await;
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    let secret = town.totp("ada").await;
    (town, ada, secret)
}

#[tokio::test]
async fn an_app_that_dies_over_a_resumed_request_leaves_the_outcome_unknown_and_is_never_asked_again() {
    let (town, mut ada, secret) = bank().await;
    let asked = ada.post("/pay", &[("amount", "900")]).await;
    let resume = town.prove(&mut ada, &asked, &secret).await;
    town.app.breaks_off_after("POST /pay", "");
    let told = ada.post(&resume, &[]).await;
    assert_eq!(told.status, StatusCode::BAD_GATEWAY, "{}", told.text);
    assert!(told.text.contains("unknown whether your request was carried out"), "{}", told.text);
    town.app.says("POST /pay", 200, "paid");
    assert_eq!(ada.post(&resume, &[]).await.status, StatusCode::GONE);
    assert_eq!(town.app.count("POST /pay"), 1);
}

#[tokio::test]
async fn an_app_that_dies_in_the_middle_of_its_answer_breaks_that_answer_only() {
    let (town, mut ada, _) = bank().await;
    town.app.breaks_off_after("GET /page", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf");
    let cut = town.raw(&request("GET /page", &[], "")).await;
    assert!(!cut.contains("1000") || cut.len() < 1000, "{cut}");
    assert_eq!(ada.get("/other").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_dead_app_is_told_as_such_and_counts_nobody_in() {
    let (town, mut ada, secret) = bank().await;
    let asked = ada.post("/pay", &[("amount", "900")]).await;
    let resume = town.prove(&mut ada, &asked, &secret).await;
    town.app.stop();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(ada.get("/page").await.status, StatusCode::BAD_GATEWAY);
    let login = town.visitor().post("/login", &[("username", "bob"), ("password", "x")]).await;
    assert_eq!(login.status, StatusCode::BAD_GATEWAY, "{}", login.text);
    assert!(!login.headers.contains_key("set-cookie"), "nobody is signed in by it: {:?}", login.headers);
    let told = ada.post(&resume, &[]).await;
    assert_eq!(told.status, StatusCode::BAD_GATEWAY, "{}", told.text);
    assert!(!told.text.contains("unknown whether"), "nothing was sent, and that is known: {}", told.text);
}

#[tokio::test]
async fn a_mail_server_that_is_dead_or_stalls_proves_nobody() {
    let dead = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let stalling = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    for server in [dead, stalling.local_addr().unwrap()] {
        let policy = PAY.replace("[totp, email_code]", "[email_code]");
        let town = World::new().policy(LOGIN).policy(&policy).mail(server).start().await;
        let mut ada = town.visitor();
        town.sign_in(&mut ada, "ada").await;
        town.email("ada", "ada@example.com").await;
        town.wait_ms(25 * 60_000);
        let began = Instant::now();
        let asked = ada.post("/pay", &[("amount", "900")]).await;
        assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.text);
        let challenge = asked.location().to_string();
        let page = ada.get(&challenge).await;
        assert!(began.elapsed() < Duration::from_secs(5), "the page does not wait for the mail: {:?}", began.elapsed());
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        for code in ["000000", "123456"] {
            let wrong = ada.post(&challenge, &[("method", "email_code"), ("code", code)]).await;
            assert!(!wrong.location().contains("done"), "{}", wrong.text);
        }
        assert_eq!(town.app.count("POST /pay"), 0);
    }
}

#[tokio::test]
async fn a_clock_that_jumps_makes_proofs_old_and_never_young() {
    let (town, mut ada, secret) = bank().await;
    let asked = ada.post("/pay", &[("amount", "1")]).await;
    let resume = town.prove(&mut ada, &asked, &secret).await;
    assert_eq!(ada.post(&resume, &[]).await.status, StatusCode::OK);
    assert_eq!(ada.post("/pay", &[("amount", "1")]).await.status, StatusCode::OK, "fresh");
    town.wait_ms(-2 * 3_600_000);
    let seen = ada.post("/pay", &[("amount", "1")]).await;
    assert_ne!(seen.status, StatusCode::OK, "a proof from the future is no proof: {}", seen.text);
    assert!(!seen.status.is_server_error(), "{}", seen.text);
    town.wait_ms(4 * 3_600_000);
    let seen = ada.post("/pay", &[("amount", "1")]).await;
    assert_ne!(seen.status, StatusCode::OK, "two hours later it is an old one: {}", seen.text);
    assert!(!seen.status.is_server_error(), "{}", seen.text);
    let mut bob = town.visitor();
    town.sign_in(&mut bob, "bob").await;
}

#[tokio::test]
async fn a_full_disk_under_the_decision_log_is_told_and_stops_nothing() {
    let town = World::new()
        .policy(LOGIN)
        .policy("event: page\ncovers: [GET /page]\nwhen_unsure: block\notherwise: forward\n")
        .settings("decision_log: { file: /dev/full }\nhealth: { address: \"127.0.0.1:0\" }")
        .start()
        .await;
    let mut visitor = town.visitor();
    for _ in 0..50 {
        assert_eq!(visitor.get("/page").await.status, StatusCode::OK);
    }
    let health = town.gateway.api.health.unwrap_or_else(|| panic!("no health address"));
    for _ in 0..100 {
        let said = Visitor::of(health).get("/readyz?verbose").await;
        assert_eq!(said.status, StatusCode::OK, "traffic is not turned away for it: {}", said.text);
        if said.text.lines().any(|line| line.starts_with("[-]") && line.contains("log")) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("readyz does not tell of the log");
}

#[tokio::test]
async fn a_header_of_a_mebibyte_is_refused_and_the_next_client_is_served() {
    let (town, _, _) = bank().await;
    let mut tcp = tokio::net::TcpStream::connect(town.address()).await.unwrap();
    let long = request("GET /x", &[&format!("X-Long: {}", "y".repeat(1 << 20))], "");
    // The gateway may stop reading before the end.
    let _ = tokio::io::AsyncWriteExt::write_all(&mut tcp, long.as_bytes()).await;
    let answer = crate::origin::answer(&mut tcp).await;
    assert!(answer.is_empty() || status(&answer) / 100 == 4, "{answer}");
    assert_eq!(town.app.count("GET /x"), 0);
    assert_eq!(status(&town.raw(&request("GET /y", &[], "")).await), 200);
}

/// Words that must never be written down or shown.
const CANARIES: [&str; 5] =
    ["pw-canary-1", "ada.canary@example.com", "cookie-canary-2", "token-canary-3", "payee-canary-4"];

/// The access log is a process's: `logs::a_line_about_a_request_holds_nothing_of_its_secrets`.
#[tokio::test]
async fn what_is_secret_or_personal_stands_in_no_log_metric_or_error_page() {
    let mailbox = crate::world::post_office().await;
    let pay = PAY.replace("succeeded:", "facts:\n  payee: { from: body.payee, type: text, pii: true }\nsucceeded:");
    let town = World::new()
        .policy(LOGIN)
        .policy(&pay.replace("[totp, email_code]", "[email_code]"))
        .mail(mailbox.address)
        .settings("health: { address: \"127.0.0.1:0\" }")
        .start()
        .await;
    let (mut ada, name) = (town.visitor(), CANARIES[1]);
    town.app.answers(
        "POST /login",
        "HTTP/1.1 303 So\r\nSet-Cookie: sid=cookie-canary-2; Path=/\r\nContent-Length: 0\r\n\r\n",
    );
    ada.headers.push(("authorization", "Bearer token-canary-3".into()));
    ada.post("/login", &[("username", name), ("password", CANARIES[0])]).await;
    town.email(name, name).await;
    let asked = ada.post("/pay?x=token-canary-3", &[("payee", CANARIES[4]), ("amount", "900")]).await;
    let challenge = asked.location().to_string();
    let mut said = ada.get(&challenge).await.text;
    let code = mailbox.code(1).await;
    said.push_str(&ada.post(&challenge, &[("method", "email_code"), ("code", "000000")]).await.text);
    ada.post(&challenge, &[("method", "email_code"), ("code", &code)]).await;
    said.push_str(
        &town
            .raw(&request("POST /pay", &["Content-Type: text/plain", "Cookie: sid=cookie-canary-2"], "payee-canary-4"))
            .await,
    );
    town.app.stop();
    said.push_str(&ada.get("/page?x=token-canary-3").await.text);
    let health = town.gateway.api.health.unwrap_or_else(|| panic!("no health address"));
    said.push_str(&Visitor::of(health).get("/metrics").await.text);
    let logged: String = town.decisions().iter().map(|line| format!("{line}\n")).collect();
    for canary in CANARIES.iter().copied().chain([&*code, &*ada.cookies["stepward"]]) {
        assert!(!logged.contains(canary), "{canary} in the decision log:\n{logged}");
        assert!(!said.contains(canary), "{canary} on a page or in a metric:\n{said}");
    }
    assert!(logged.contains("\"event\":\"pay\""), "{logged}");
}

#[tokio::test]
async fn an_open_tunnel_is_closed_by_a_lock_out_within_its_recheck() {
    let stream = "event: stream\ncovers: [GET /ws]\nrecheck: 1s\nwhen_unsure: block\notherwise: forward\n";
    let lock = "event: lock\ncovers: [GET /lock]\nwhen_unsure: block\notherwise: { lock_out: subject, for: 10m }\n";
    let town = World::new().policy(LOGIN).policy(stream).policy(lock).start().await;
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    town.app.opens_a_tunnel("GET /ws");
    let cookies = format!("Cookie: sid=ada; stepward={}", ada.cookies["stepward"]);
    let mut tcp = tokio::net::TcpStream::connect(town.address()).await.unwrap();
    let open = format!(
        "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{cookies}\r\n\r\n"
    );
    tokio::io::AsyncWriteExt::write_all(&mut tcp, open.as_bytes()).await.unwrap();
    let head = crate::origin::answer(&mut tcp).await;
    assert_eq!(status(&head), 101, "{head}");
    tokio::time::sleep(Duration::from_millis(2500)).await;
    tokio::io::AsyncWriteExt::write_all(&mut tcp, b"ping").await.unwrap();
    let mut echo = [0; 4];
    tokio::io::AsyncReadExt::read_exact(&mut tcp, &mut echo).await.unwrap();
    assert_eq!(&echo, b"ping", "open while she may");
    assert_eq!(ada.get("/lock").await.status, StatusCode::FORBIDDEN);
    let mut rest = Vec::new();
    let closed =
        tokio::time::timeout(Duration::from_secs(6), tokio::io::AsyncReadExt::read_to_end(&mut tcp, &mut rest)).await;
    assert!(closed.is_ok(), "still open six seconds after the lock-out");
}
