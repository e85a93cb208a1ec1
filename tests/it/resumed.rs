//! What an attacker may try while a request waits for its proof, and when it is resumed: other people's cookies, headers
//! in our name, sessions that are over, hosts and tenants that are others (DESIGN §9 *Parking and resuming*).

use http::StatusCode;

use crate::{
    visitor::{Seen, Visitor},
    world::{LOGIN, Town, World, request, status},
};

const PAY: &str = "
event: pay
covers: [POST /pay]
facts:
  amount: { from: body.amount, type: number }
succeeded: response.status in [200, 303]
failed: response.status in [400, 402]
when_unsure: block
otherwise: block
steps:
  - require: a code for this very sum
    proof: [totp]
    fresh_for: 5m
    bind_to: [event.amount]
    attempts: 3
  - finish: pay
    then: { forward: { headers: { X-Risk: reviewed } } }
";

const LOCK: &str = "event: lock\ncovers: [GET /lock]\nwhen_unsure: block\notherwise: { lock_out: subject, for: 10m }\n";

/// The right password is not enough: the app's answer waits for a code.
const GUARDED_LOGIN: &str = "
event: login
covers: [POST /login]
apply: after_success
facts:
  username: { from: body.username, type: text, pii: true, identifies: subject }
succeeded: response.status == 303
failed: response.status == 401
when_unsure: block
otherwise: block
steps:
  - require: a code
    proof: [totp]
    attempts: 3
  - finish: in
    then: forward
";

/// Signs in by [`GUARDED_LOGIN`] up to the code; the challenge.
async fn half_signed_in(town: &Town, visitor: &mut Visitor, answer: &str) -> Seen {
    town.app.answers("POST /login", answer);
    let asked = visitor.post("/login", &[("username", "ada"), ("password", "right")]).await;
    assert!(asked.location().starts_with("/.stepward/c/"), "{} {}", asked.status, asked.text);
    asked
}

async fn ada(town: &Town) -> (Visitor, Vec<u8>) {
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    (ada, town.totp("ada").await)
}

/// Where Ada may resume a payment of 900 that she has proven.
async fn proven(town: &Town, ada: &mut Visitor, secret: &[u8]) -> String {
    let asked = ada.post("/pay", &[("amount", "900")]).await;
    town.prove(ada, &asked, secret).await
}

/// Names by which apps are told who asks, from where and by which way, each in spellings that CGI takes for one.
fn spoofs() -> Vec<(&'static str, String)> {
    let names = [
        "stepward-subject",
        "stepward_subject",
        "stepward.subject",
        "Stepward-Event",
        "STEPWARD-DECISION",
        "stepward-assurance",
        "stepward-assertion",
        "stepward_assertion",
        "stepward-anything",
        "stepward",
        "x-risk",
        "X_Risk",
        "x-forwarded-for",
        "x_forwarded_for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-prefix",
        "x-forwarded-uri",
        "x-forwarded-method",
        "x-forwarded-user",
        "x-forwarded-server",
        "forwarded",
        "x-real-ip",
        "x-original-url",
        "x-original-uri",
        "x-original-method",
        "x-original-host",
        "x-rewrite-url",
        "x-client-ip",
        "x-cluster-client-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "cf-ipcountry",
        "x-envoy-external-address",
        "x-remote-user",
        "fastly-client-ip",
        "client-ip",
        "x-host",
        "proxy",
    ];
    names.into_iter().map(|name| (name, "spoofed-9.9.9.9".to_string())).collect()
}

#[tokio::test]
async fn b4_nothing_that_is_said_while_a_request_waits_or_resumes_reaches_the_app_in_our_name() {
    let town = World::new().policy(LOGIN).policy(PAY).start().await;
    let (mut ada, secret) = ada(&town).await;
    let clean = ada.headers.clone();
    for (while_held, while_resumed) in [(true, false), (false, true), (true, true)] {
        let before = town.app.count("POST /pay");
        ada.headers.extend(spoofs().into_iter().filter(|_| while_held));
        let asked = ada.post("/pay", &[("amount", "900")]).await;
        ada.headers = clean.clone();
        // A proof that is fresh lets the second round through without asking; both ways must be clean.
        if asked.location().starts_with("/.stepward/c/") {
            let resume = town.prove(&mut ada, &asked, &secret).await;
            ada.headers.extend(spoofs().into_iter().filter(|_| while_resumed));
            let done = ada.post(&resume, &[]).await;
            ada.headers = clean.clone();
            assert_eq!(done.status, StatusCode::OK, "{}", done.text);
        }
        assert_eq!(town.app.count("POST /pay"), before + 1);
        let seen = town.app.last("POST /pay").to_lowercase();
        assert!(!seen.contains("spoofed"), "{seen}");
        for ours in ["stepward-subject: ada\r\n", "x-risk: reviewed\r\n", "x-forwarded-for: 127.0.0.1\r\n"] {
            assert_eq!(seen.matches(ours).count(), 1, "{ours}: {seen}");
        }
        town.wait_ms(6 * 60_000);
    }
}

/// The request that used to get through: a header that a policy sets on one way through it, sent by a client that is
/// let through on another (APISIX CVE-2026-39998, Caddy CVE-2026-30851).
#[tokio::test]
async fn b4_what_one_policy_tells_the_app_no_client_tells_it_on_any_way_to_it() {
    let look = "event: look\ncovers: [GET /look]\nwhen_unsure: block\notherwise: forward\n";
    let stream = "event: stream\ncovers: [GET /ws]\nwhen_unsure: block\notherwise: forward\n";
    let shadow = "event: shade\nmode: shadow\ncovers: [GET /shade]\nwhen_unsure: block\notherwise: block\n";
    let town = World::new().policy(LOGIN).policy(PAY).policy(look).policy(stream).policy(shadow).start().await;
    town.app.opens_a_tunnel("GET /ws");
    let upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x"];
    for (line, more) in [
        ("GET /look", &[][..]),
        ("GET /no-event", &[]),
        ("OPTIONS /pay", &["Origin: https://evil.example", "Access-Control-Request-Method: POST"]),
        ("GET /shade", &[]),
        ("GET /ws", &upgrade),
    ] {
        let mut fields: Vec<String> = spoofs().iter().map(|(name, value)| format!("{name}: {value}")).collect();
        fields.extend(more.iter().map(|it| it.to_string()));
        let fields: Vec<&str> = fields.iter().map(|it| &**it).collect();
        let answer = town.raw(&request(line, &fields, "")).await;
        assert!([101, 200].contains(&status(&answer)), "{line}: {answer}");
        let seen = town.app.last(line).to_lowercase();
        assert!(!seen.contains("spoofed"), "{line}: {seen}");
    }
}

#[tokio::test]
async fn another_subject_in_the_same_browser_resumes_nothing() {
    let town = World::new().policy(LOGIN).policy(PAY).start().await;
    let (mut ada, secret) = ada(&town).await;
    let resume = proven(&town, &mut ada, &secret).await;
    // Bob signs in where Ada was, with every cookie of hers still there.
    town.sign_in(&mut ada, "bob").await;
    town.totp("bob").await;
    let seen = ada.post(&resume, &[]).await;
    assert_eq!(seen.status, StatusCode::GONE, "{}", seen.text);
    let pays = ada.post("/pay", &[("amount", "900")]).await;
    assert!(pays.location().starts_with("/.stepward/c/"), "nor does Ada's proof count: {} {}", pays.status, pays.text);
    assert_eq!(town.app.count("POST /pay"), 0);
}

#[tokio::test]
async fn after_logout_nothing_is_resumed_and_no_proof_counts() {
    let bye = "event: bye\ncovers: [POST /bye]\nsucceeded: response.status == 200\nfailed: response.status == 500\nwhen_unsure: block\notherwise: forward\n";
    for (path, ending) in [
        ("/logout", "sid=; Path=/"),
        ("/logout", "sid=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT; Max-Age=0; path=/"),
        ("/bye", "sid=\"\"; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/"),
    ] {
        let town = World::new().policy(LOGIN).policy(PAY).policy(bye).start().await;
        let (mut ada, secret) = ada(&town).await;
        let resume = proven(&town, &mut ada, &secret).await;
        let kept = ada.cookies.clone();
        let answer = format!("HTTP/1.1 200 OK\r\nSet-Cookie: {ending}\r\nContent-Length: 0\r\n\r\n");
        town.app.answers(&format!("POST {path}"), &answer);
        let left = ada.post(path, &[]).await;
        assert_eq!(left.status, StatusCode::OK, "{}", left.text);
        assert!(!ada.cookies.contains_key("stepward"), "our cookie is taken back too: {:?}", left.headers);
        // Somebody who kept every cookie has nothing but strings.
        ada.cookies = kept;
        let seen = ada.post(&resume, &[]).await;
        assert_eq!(seen.status, StatusCode::GONE, "{path} {ending}: {}", seen.text);
        let pays = ada.post("/pay", &[("amount", "900")]).await;
        assert!(!pays.status.is_success(), "{path} {ending}: {}", pays.text);
        assert_eq!(town.app.count("POST /pay"), 0);
        // And she can come back.
        town.sign_in(&mut ada, "ada").await;
        let pays = ada.post("/pay", &[("amount", "900")]).await;
        assert!(pays.location().starts_with("/.stepward/c/"), "with a proof of her own again: {}", pays.status);
    }
}

#[tokio::test]
async fn an_app_that_clears_its_cookie_for_a_stranger_ends_no_strangers_session() {
    let puzzle = "event: puzzle\ncovers: [GET /puzzle]\nwhen_unsure: block\notherwise: { challenge: [totp] }\n";
    let town = World::new().policy(LOGIN).policy(puzzle).start().await;
    let mut stranger = town.visitor();
    let asked = stranger.get("/puzzle").await;
    let challenge = asked.location().to_string();
    town.app.answers("GET /login", "HTTP/1.1 200 OK\r\nSet-Cookie: sid=; Max-Age=0\r\nContent-Length: 0\r\n\r\n");
    stranger.get("/login").await;
    assert_eq!(stranger.get(&challenge).await.status, StatusCode::OK, "the challenge is still there");
}

#[tokio::test]
async fn a_session_that_expired_resumes_nothing() {
    for (sessions, minutes) in [("{ idle: 4m, absolute: 12h }", 5), ("{ idle: 4m, absolute: 4m }", 5)] {
        let settings = format!("sessions: {sessions}");
        let town = World::new().policy(LOGIN).policy(PAY).settings(&settings).start().await;
        let (mut ada, secret) = ada(&town).await;
        let resume = proven(&town, &mut ada, &secret).await;
        town.wait_ms(minutes * 60_000);
        let seen = ada.post(&resume, &[]).await;
        assert_eq!(seen.status, StatusCode::GONE, "{sessions}: {}", seen.text);
        assert_eq!(town.app.count("POST /pay"), 0);
    }
}

#[tokio::test]
async fn the_parking_cookie_of_another_browser_opens_nothing_also_for_the_same_person() {
    let town = World::new().policy(LOGIN).policy(PAY).start().await;
    let (mut ada, secret) = ada(&town).await;
    let resume = proven(&town, &mut ada, &secret).await;
    let mut phone = town.visitor();
    town.sign_in(&mut phone, "ada").await;
    phone.post("/pay", &[("amount", "7")]).await;
    let park = phone.cookies.get("stepward-park").unwrap_or_else(|| panic!("{:?}", phone.cookies)).clone();
    let own = ada.cookies.insert("stepward-park".into(), park).unwrap();
    assert_eq!(ada.post(&resume, &[]).await.status, StatusCode::GONE, "the phone's cookie in the browser's session");
    phone.cookies.insert("stepward-park".into(), own.clone());
    assert_eq!(phone.post(&resume, &[]).await.status, StatusCode::GONE, "the browser's cookie in the phone's session");
    ada.cookies.insert("stepward-park".into(), own);
    assert_eq!(ada.post(&resume, &[]).await.status, StatusCode::OK, "none of it used it up");
    assert_eq!(town.app.count("POST /pay"), 1);
}

#[tokio::test]
async fn a_resume_token_is_worth_nothing_on_another_host_or_tenant() {
    let routes = "routes:\n  - { host: a.localhost, upstream: app, tenant: one }\n  - { host: b.localhost, upstream: app, tenant: one }\n  - { host: c.localhost, upstream: app, tenant: two }\n";
    let town = World::new().policy(LOGIN).policy(PAY).settings(routes).start().await;
    let parts = town.gateway.journeys.parts();
    let mut secrets = Vec::new();
    for tenant in ["one", "two"] {
        let account = parts.sessions.account(tenant, "ada");
        secrets.push(parts.challenges.provision_totp(tenant, account).await.unwrap());
    }
    let at = |visitor: &mut Visitor, host: &str| {
        visitor.headers.retain(|(name, _)| *name != "host");
        visitor.headers.push(("host", host.to_string()));
    };
    let mut ada = town.visitor();
    at(&mut ada, "a.localhost");
    town.sign_in(&mut ada, "ada").await;
    let resume = proven(&town, &mut ada, &secrets[0]).await;
    for host in ["b.localhost", "c.localhost"] {
        // All cookies of one host, carried over to another.
        at(&mut ada, host);
        assert_eq!(ada.post(&resume, &[]).await.status, StatusCode::GONE, "{host}");
        let mut there = town.visitor();
        at(&mut there, host);
        town.sign_in(&mut there, "ada").await;
        there.cookies.insert("stepward-park".into(), ada.cookies["stepward-park"].clone());
        assert_eq!(there.post(&resume, &[]).await.status, StatusCode::GONE, "{host}, signed in there");
        let pays = there.post("/pay", &[("amount", "900")]).await;
        assert!(!pays.status.is_success(), "{host}: a proof does not cross: {}", pays.text);
    }
    at(&mut ada, "d.localhost");
    assert_eq!(ada.post(&resume, &[]).await.status, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(town.app.count("POST /pay"), 0);
    at(&mut ada, "a.localhost");
    assert_eq!(ada.post(&resume, &[]).await.status, StatusCode::OK);
    assert_eq!(town.app.count("POST /pay"), 1);
}

#[tokio::test]
async fn a_lock_out_that_comes_while_a_request_waits_holds_when_it_resumes() {
    let town = World::new().policy(LOGIN).policy(PAY).policy(LOCK).start().await;
    let (mut ada, secret) = ada(&town).await;
    let resume = proven(&town, &mut ada, &secret).await;
    assert_eq!(ada.get("/lock").await.status, StatusCode::FORBIDDEN);
    let seen = ada.post(&resume, &[]).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN, "{}", seen.text);
    assert_eq!(seen.headers["stepward-outcome"], "lock_out");
    town.wait_ms(11 * 60_000);
    assert_eq!(ada.post(&resume, &[]).await.status, StatusCode::GONE, "what was refused does not wait any longer");
    assert_eq!(town.app.count("POST /pay"), 0);
}

/// The answer that used to get through: withheld before the lock-out, let go after it.
#[tokio::test]
async fn a_lock_out_that_comes_while_the_apps_answer_is_withheld_holds_when_it_would_be_let_go() {
    let town = World::new().policy(GUARDED_LOGIN).policy(LOCK).start().await;
    let secret = town.totp("ada").await;
    let right = "HTTP/1.1 303 So\r\nLocation: /\r\nSet-Cookie: sid=secret-sid; Path=/\r\nContent-Length: 0\r\n\r\n";
    let mut earlier = town.visitor();
    let asked = half_signed_in(&town, &mut earlier, right).await;
    let resume = town.prove(&mut earlier, &asked, &secret).await;
    assert_eq!(earlier.get(&resume).await.status, StatusCode::SEE_OTHER, "she is signed in at another place");

    let mut ada = town.visitor();
    let asked = half_signed_in(&town, &mut ada, right).await;
    let resume = town.prove(&mut ada, &asked, &secret).await;
    assert_eq!(earlier.get("/lock").await.status, StatusCode::FORBIDDEN);
    let seen = ada.get(&resume).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN, "{:?} {}", seen.headers, seen.text);
    assert!(!ada.cookies.contains_key("sid") && !format!("{:?}", seen.headers).contains("secret-sid"));
    town.wait_ms(11 * 60_000);
    assert_eq!(ada.get(&resume).await.status, StatusCode::GONE);
}

/// What used to be lost: a header value beyond ASCII in a request that was kept, and the whole answer that held one.
#[tokio::test]
async fn header_values_beyond_ascii_survive_being_kept() {
    let town = World::new().policy(GUARDED_LOGIN).policy(&PAY.replace("body.amount", "query.amount")).start().await;
    let secret = town.totp("ada").await;
    let mut ada = town.visitor();
    let right = "HTTP/1.1 303 So\r\nLocation: /\r\nX-Greeting: Grüß dich\r\nSet-Cookie: sid=ada; Path=/\r\nContent-Length: 0\r\n\r\n";
    let asked = half_signed_in(&town, &mut ada, right).await;
    let resume = town.prove(&mut ada, &asked, &secret).await;
    let seen = ada.get(&resume).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
    assert_eq!(seen.headers["x-greeting"].as_bytes(), "Grüß dich".as_bytes());
    ada.headers.push(("x-note", "für Ångström".into()));
    let asked = ada.post("/pay?amount=900", &[]).await;
    ada.headers.pop();
    let resume = town.prove(&mut ada, &asked, &secret).await;
    assert_eq!(ada.post(&resume, &[]).await.status, StatusCode::OK);
    let seen = town.app.last("POST /pay");
    assert!(seen.contains("x-note: für Ångström\r\n"), "{seen}");
}
