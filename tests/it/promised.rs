//! Promises of DESIGN §9 about who may enrol, what a claim is worth, devices, addresses, and what the app is told.

use bytes::Bytes;
use http::StatusCode;
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;

use crate::{
    visitor::{Seen, Visitor},
    world::{LOGIN, Town, World, post_office, request, status},
};

const ENROL: &str = "/.stepward/methods/totp";

/// A page that wants a proof.
fn confirm(method: &str) -> String {
    format!(
        "event: confirm\ncovers: [GET /confirm]\nwhen_unsure: block\notherwise: block\nsteps:\n  - require: a code\n    proof: [{method}]\n    attempts: 3\n  - finish: on\n    then: forward\n"
    )
}

/// A page for known devices.
const KNOWN: &str = "
event: known
covers: [GET /known]
when_unsure: block
otherwise: block
steps:
  - decide: device
    rules:
      - rule: a known one
        when: device.is_known
        then: forward
";

fn is_asked(seen: &Seen) -> bool {
    seen.location().starts_with("/.stepward/c/")
}

/// Answers the challenge of [`confirm`] by an app's code.
async fn confirmed(town: &Town, visitor: &mut Visitor, asked: &Seen, secret: &[u8]) {
    assert!(is_asked(asked), "no challenge: {} {}", asked.status, asked.text);
    let challenge = asked.location().to_string();
    visitor.get(&challenge).await;
    let proven = visitor.post(&challenge, &[("method", "totp"), ("code", &town.code(secret))]).await;
    assert_eq!(proven.status, StatusCode::SEE_OTHER, "{}", proven.text);
}

/// *An e-mail code alone never enrols.*
#[tokio::test]
async fn an_e_mailed_code_enrols_neither_a_first_authenticator_nor_another() {
    let mailbox = post_office().await;
    let town = World::new().policy(LOGIN).policy(&confirm("email_code")).mail(mailbox.address).start().await;
    town.email("ada", "ada@example.com").await;
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    let challenge = ada.get("/confirm").await.location().to_string();
    ada.get(&challenge).await;
    let code = mailbox.code(1).await;
    let proven = ada.post(&challenge, &[("method", "email_code"), ("code", &code)]).await;
    assert_eq!(proven.status, StatusCode::SEE_OTHER, "{}", proven.text);
    assert_eq!(ada.get("/confirm").await.status, StatusCode::OK, "where it is asked for it counts");
    assert!(!ada.cookies.contains_key("stepward-device"), "it makes no device known");
    let first = ada.post(ENROL, &[]).await;
    assert_eq!(first.status, StatusCode::FORBIDDEN, "{}", first.text);
    town.totp("ada").await;
    let another = ada.post(ENROL, &[]).await;
    assert!(is_asked(&another), "{} {}", another.status, another.text);
    let challenge = another.location().to_string();
    town.wait_ms(31_000);
    ada.post(&challenge, &[("method", "email_code"), ("send", "1")]).await;
    ada.post(&challenge, &[("method", "email_code"), ("code", &code)]).await;
    assert!(is_asked(&ada.post(ENROL, &[]).await), "an app has to confirm it");
    assert_eq!(mailbox.letters().len(), 1, "no code is offered for it");
}

/// *Later ones need an existing one of equal or higher strength.*
#[tokio::test]
async fn another_authenticator_needs_a_fresh_proof_by_the_one_that_is_there() {
    let town = World::new().policy(LOGIN).policy(&confirm("totp")).start().await;
    let secret = town.totp("ada").await;
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    assert!(is_asked(&ada.post(ENROL, &[]).await), "a fresh login is not enough");
    let asked = ada.get("/confirm").await;
    confirmed(&town, &mut ada, &asked, &secret).await;
    let begun = ada.post(ENROL, &[]).await;
    assert!(begun.location().starts_with("/.stepward/methods/totp/"), "{} {}", begun.status, begun.text);
    town.wait_ms(5 * 60_000 + 1_000);
    town.sign_in(&mut ada, "ada").await;
    let stale = ada.post(ENROL, &[]).await;
    assert!(is_asked(&stale), "nor is a login on a known device with an older proof: {} {}", stale.status, stale.text);
    confirmed(&town, &mut ada, &stale, &secret).await;
    let begun = ada.post(ENROL, &[]).await;
    assert!(begun.location().starts_with("/.stepward/methods/totp/"), "{} {}", begun.status, begun.text);
}

/// *A claimed subject: usable for counters and throttling, never for `subject.*`, enrolment or earlier proofs.*
#[tokio::test]
async fn who_merely_names_somebody_has_neither_their_proofs_nor_their_name() {
    let reset = "
event: reset
covers: [POST /reset]
facts:
  username: { from: body.username, type: text, pii: true, identifies: subject }
when_unsure: block
otherwise: block
steps:
  - decide: somebody
    rules:
      - rule: known
        when: subject.is_known
        then: { reroute: /known }
  - require: a code
    proof: [totp]
    attempts: 3
  - finish: on
    then: forward
";
    let town = World::new().policy(LOGIN).policy(&confirm("totp")).policy(reset).start().await;
    let mut signed_in = Vec::new();
    for name in ["ada", "bob"] {
        let secret = town.totp(name).await;
        let mut visitor = town.visitor();
        town.sign_in(&mut visitor, name).await;
        let asked = visitor.get("/confirm").await;
        confirmed(&town, &mut visitor, &asked, &secret).await;
        assert_eq!(visitor.get("/confirm").await.status, StatusCode::OK);
        let own = visitor.post("/reset", &[("username", name)]).await;
        assert_eq!(own.location(), "/known", "{name} is {name}: {} {}", own.status, own.text);
        signed_in.push(visitor);
    }
    let mut bob = signed_in.pop().unwrap();
    let mut ada = signed_in.pop().unwrap();
    // Her browser, proof and all, but without the app's own session.
    ada.cookies.remove("sid");
    let mut stranger = town.visitor();
    for (who, visitor) in [("bob", &mut bob), ("a browser of hers", &mut ada), ("a stranger", &mut stranger)] {
        let seen = visitor.post("/reset", &[("username", "ada")]).await;
        assert!(is_asked(&seen), "{who}: {} {}", seen.status, seen.location());
    }
    assert_eq!(stranger.post(ENROL, &[]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(town.app.count("POST /reset"), 0);
}

/// *The device cookie is a sealed random id bound to tenant and host …; never a proof; revocable.*
#[tokio::test]
async fn a_device_is_known_at_its_host_and_tenant_until_an_operator_forgets_it() {
    let routes = "routes:\n  - { host: a.localhost, upstream: app, tenant: one }\n  - { host: b.localhost, upstream: app, tenant: one }\n  - { host: c.localhost, upstream: app, tenant: two }\nadmin: { address: \"127.0.0.1:0\" }";
    let town = World::new().policy(LOGIN).policy(&confirm("totp")).policy(KNOWN).settings(routes).start().await;
    let parts = town.gateway.journeys.parts();
    let secret = parts.challenges.provision_totp("one", parts.sessions.account("one", "ada")).await.unwrap();
    let mut ada = town.visitor();
    ada.headers.push(("host", "a.localhost".into()));
    town.sign_in(&mut ada, "ada").await;
    let asked = ada.get("/confirm").await;
    confirmed(&town, &mut ada, &asked, &secret).await;
    assert_eq!(ada.get("/known").await.status, StatusCode::OK);
    let device = ada.cookies["stepward-device"].clone();
    for (host, expected) in [
        ("a.localhost", StatusCode::OK),
        ("b.localhost", StatusCode::FORBIDDEN),
        ("c.localhost", StatusCode::FORBIDDEN),
    ] {
        let mut copy = town.visitor();
        copy.headers.push(("host", host.into()));
        copy.cookies.insert("stepward-device".into(), device.clone());
        town.sign_in(&mut copy, "ada").await;
        assert_eq!(copy.get("/known").await.status, expected, "{host}");
        assert!(!copy.get("/confirm").await.status.is_success(), "{host}: a device is no proof");
    }
    let tokens = std::fs::read_to_string(town.folder.path().join("state/admin-token")).unwrap();
    let url = format!("http://{}/api/v1/sessions/revoke", town.gateway.api.admin.unwrap());
    let call = ada.client().post(url).bearer_auth(tokens.split_whitespace().next().unwrap());
    let told = call.json(&json!({ "subject": "ada", "tenant": "one" })).send().await.unwrap();
    assert_eq!(told.status(), StatusCode::OK);
    town.wait_ms(1_000);
    town.sign_in(&mut ada, "ada").await;
    assert_eq!(ada.cookies.get("stepward-device"), Some(&device));
    assert_eq!(ada.get("/known").await.status, StatusCode::FORBIDDEN, "revoked");
    let asked = ada.get("/confirm").await;
    confirmed(&town, &mut ada, &asked, &secret).await;
    assert_eq!(ada.get("/known").await.status, StatusCode::OK, "known again by a new proof");
}

/// *A new address gets no code for 24 h; the old one is told.*
#[tokio::test]
async fn a_new_address_gets_no_code_for_a_day_and_the_old_one_is_told() {
    let mailbox = post_office().await;
    let login = LOGIN
        .replace("\nsucceeded:", "\n  email: { from: body.email, type: text, pii: true, contact: email }\nsucceeded:");
    let town = World::new().policy(&login).policy(&confirm("email_code")).mail(mailbox.address).start().await;
    let sign_in = async |email: &str, status: u16| {
        let answer = format!("HTTP/1.1 {status} So\r\nSet-Cookie: sid=ada; Path=/\r\nContent-Length: 0\r\n\r\n");
        town.app.answers("POST /login", &answer);
        let mut ada = town.visitor();
        let seen = ada.post("/login", &[("username", "ada"), ("email", email)]).await;
        assert_eq!(seen.status.as_u16(), status, "{}", seen.text);
        ada
    };
    let sent_to = async |visitor: &mut Visitor, count: usize| {
        let asked = visitor.get("/confirm").await;
        assert!(is_asked(&asked), "{} {}", asked.status, asked.text);
        mailbox.wait_for(count).await[count - 1].to.clone()
    };
    sign_in("evil@example.com", 401).await;
    sign_in("old@example.com", 303).await;
    let mut ada = sign_in("new@example.com", 303).await;
    assert_eq!(mailbox.wait_for(1).await[0].to, "old@example.com", "the old one is told");
    assert_eq!(sent_to(&mut ada, 2).await, "old@example.com");
    town.wait_ms(24 * 3_600_000 - 60_000);
    let mut ada = sign_in("new@example.com", 303).await;
    assert_eq!(sent_to(&mut ada, 3).await, "old@example.com");
    town.wait_ms(2 * 60_000);
    let mut ada = sign_in("new@example.com", 303).await;
    assert_eq!(sent_to(&mut ada, 4).await, "new@example.com");
}

fn cookies_of(seen: &str) -> Vec<&str> {
    seen.lines()
        .filter(|line| line.to_lowercase().starts_with("cookie: "))
        .map(|line| &line["cookie: ".len()..])
        .collect()
}

/// What used to leave: our ticket, in every request to the app, and so in its logs.
#[tokio::test]
async fn our_cookies_stay_here_and_the_apps_arrive_as_they_were() {
    let look = "event: look\ncovers: [GET /look]\nwhen_unsure: block\notherwise: forward\n";
    let pay = confirm("totp").replace("confirm", "pay").replace("GET /pay", "POST /pay");
    let town = World::new().policy(LOGIN).policy(look).policy(&pay).start().await;
    let secret = town.totp("ada").await;
    let mut ada = town.visitor();
    ada.cookies.insert("stepward-theme".into(), "dark".into());
    town.sign_in(&mut ada, "ada").await;
    let asked = ada.post("/pay", &[("amount", "9")]).await;
    let resume = town.prove(&mut ada, &asked, &secret).await;
    assert!(["stepward", "stepward-device", "stepward-park"].iter().all(|name| ada.cookies.contains_key(*name)));
    assert_eq!(ada.post(&resume, &[]).await.status, StatusCode::OK);
    assert_eq!(cookies_of(&town.app.last("POST /pay")), ["sid=ada; stepward-theme=dark"], "by the relay");
    ada.get("/look").await;
    let seen = town.app.last("GET /look");
    assert_eq!(cookies_of(&seen), ["sid=ada; stepward-theme=dark"], "by Pingora");
    assert!(seen.to_lowercase().contains("stepward-subject: ada\r\n"), "the journey saw them: {seen}");

    let ticket = &ada.cookies["stepward"];
    let mine = format!("Cookie: a=\"1\";b=2;  stepward={ticket}; __Host-stepward-park=x;c=a=b ; stepward-theme=dark");
    let kept = ["a=\"1\";b=2;c=a=b ; stepward-theme=dark"];
    for path in ["/none", "/look"] {
        assert_eq!(status(&town.raw(&request(&format!("GET {path}"), &[&mine], "")).await), 200);
        assert_eq!(cookies_of(&town.app.last(&format!("GET {path}"))), kept, "HTTP/1.1 {path}");
        assert_eq!(
            status(&town.raw(&request(&format!("GET {path}"), &[&format!("Cookie: stepward={ticket}")], "")).await),
            200
        );
        assert_eq!(cookies_of(&town.app.last(&format!("GET {path}"))), [""; 0], "HTTP/1.1 {path}, none of the app's");
        let tcp = tokio::net::TcpStream::connect(town.address()).await.unwrap();
        let (mut client, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tcp)).await.unwrap();
        tokio::spawn(connection);
        // Crumbs, as browsers send them (RFC 9113 §8.2.3).
        let crumbs = http::Request::get(format!("http://a.test{path}"))
            .header("cookie", "a=1")
            .header("cookie", format!("stepward={ticket}"))
            .header("cookie", "stepward-theme=dark");
        let answer = client.send_request(crumbs.body(Full::<Bytes>::default()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(cookies_of(&town.app.last(&format!("GET {path}"))), ["a=1; stepward-theme=dark"], "h2c {path}");
    }
}

#[tokio::test]
async fn a_name_beyond_ascii_arrives_in_a_form_that_is_no_other_name() {
    let look = "event: look\ncovers: [GET /look]\nwhen_unsure: block\notherwise: forward\n";
    let town = World::new().policy(LOGIN).policy(look).start().await;
    let answer = "HTTP/1.1 303 So\r\nLocation: /\r\nSet-Cookie: sid=1; Path=/\r\nContent-Length: 0\r\n\r\n";
    town.app.answers("POST /login", answer);
    for (name, told) in
        [("Åsa Öberg", "%C3%85sa %C3%96berg"), ("%C3%85sa", "%25C3%2585sa"), ("ada@b.example", "ada@b.example")]
    {
        let mut visitor = town.visitor();
        visitor.post("/login", &[("username", name)]).await;
        visitor.get("/look").await;
        let seen = town.app.last("GET /look").to_lowercase();
        assert!(seen.contains(&format!("stepward-subject: {}\r\n", told.to_lowercase())), "{name}: {seen}");
    }
}
