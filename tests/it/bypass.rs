//! Ways round a policy, as attackers try them: each is a request that must not get through (security.md, classes A–F).

use http::StatusCode;

use crate::{
    visitor::{Seen, Visitor},
    world::{LOGIN, Town, World, request, status},
};

/// Payments need a code that is bound to the amount.
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
    then: forward
";

/// Orders may not be deleted, whoever asks; it reads no body by itself.
const NO_DELETE: &str = "
event: delete order
covers: ['DELETE /orders/{id}']
when_unsure: block
otherwise: block
";

/// Deleting needs a code; kept and resumed.
const PROVEN_DELETE: &str = "
event: delete order
covers: ['DELETE /orders/{id}']
when_unsure: block
otherwise: block
steps:
  - require: a code
    proof: [totp]
    attempts: 3
  - finish: delete
    then: forward
";

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";
const FORM_TYPE: &str = "application/x-www-form-urlencoded";
const JSON: &str = "Content-Type: application/json";

async fn bank() -> Town {
    World::new().policy(LOGIN).policy(PAY).start().await
}

/// Ada, signed in, with an authenticator app.
async fn ada(town: &Town) -> (Visitor, Vec<u8>) {
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    (ada, town.totp("ada").await)
}

async fn pays(visitor: &mut Visitor, amount: &str) -> Seen {
    visitor.post("/pay", &[("amount", amount)]).await
}

#[tokio::test]
async fn a_form_cannot_ask_for_a_method_that_is_an_event_by_its_body() {
    let town = World::new().policy(NO_DELETE).start().await;
    let multipart = "--b\r\nContent-Disposition: form-data; name=\"_method\"\r\n\r\nDELETE\r\n--b--\r\n";
    for (field, body) in [
        (FORM, "_method=DELETE"),
        (FORM, "_method=delete&x=1"),
        (FORM, "x=1&%5fmethod=DELETE"),
        (FORM, "_METHOD=DELETE"),
        ("Content-Type: multipart/form-data; boundary=b", multipart),
    ] {
        let answer = town.raw(&request("POST /orders/7", &[field], body)).await;
        assert_eq!(status(&answer), 403, "{body}: {answer}");
    }
    assert_eq!(town.app.seen().len(), 0, "{:?}", town.app.seen());
    let harmless = town.raw(&request("POST /orders/7", &[FORM], "note=hello")).await;
    assert_eq!(status(&harmless), 200, "a form that asks for nothing goes on");
    assert!(town.app.last("POST /orders/7").ends_with("\r\n\r\nnote=hello"), "byte for byte");
}

#[tokio::test]
async fn a_form_that_is_one_event_cannot_ask_to_be_another() {
    let comment = "event: comment\ncovers: [\"POST /orders/{id}\"]\nwhen_unsure: block\notherwise: forward\n";
    let town = World::new().policy(NO_DELETE).policy(comment).start().await;
    let plain = town.raw(&request("POST /orders/7", &[FORM], "note=hello")).await;
    assert_eq!(status(&plain), 200);
    let disguised = town.raw(&request("POST /orders/7", &[FORM], "note=hello&_method=DELETE")).await;
    assert_eq!(status(&disguised), 400, "two events at once: {disguised}");
    assert!(disguised.contains("path.ambiguous"), "{disguised}");
    assert_eq!(town.app.seen().len(), 1);
}

#[tokio::test]
async fn forms_go_on_where_two_other_methods_are_two_events() {
    let put = "event: change order\ncovers: [\"PUT /orders/{id}\"]\nwhen_unsure: block\notherwise: block\n";
    let town = World::new().policy(NO_DELETE).policy(put).start().await;
    assert_eq!(status(&town.raw(&request("POST /orders/7", &[FORM], "note=hello")).await), 200);
    for method in ["PUT", "DELETE"] {
        let answer = town.raw(&request("POST /orders/7", &[FORM], &format!("_method={method}"))).await;
        assert_eq!(status(&answer), 403, "{method}: {answer}");
    }
    assert_eq!(town.app.seen().len(), 1);
}

#[tokio::test]
async fn override_headers_and_queries_name_the_event_too() {
    let town = World::new().policy(NO_DELETE).start().await;
    for name in ["X-HTTP-Method-Override", "X-Http-Method", "x-method-override"] {
        let answer = town.raw(&request("POST /orders/7", &[&format!("{name}: DELETE")], "")).await;
        assert_eq!(status(&answer), 403, "{name}: {answer}");
    }
    for query in ["_method=DELETE", "a=1&_method=delete", "%5Fmethod=DELETE"] {
        let answer = town.raw(&request(&format!("POST /orders/7?{query}"), &[], "")).await;
        assert_eq!(status(&answer), 403, "{query}: {answer}");
    }
    assert_eq!(town.app.seen().len(), 0);
}

#[tokio::test]
async fn a_disguised_request_is_resumed_as_the_event_it_was_held_at() {
    let town = World::new().policy(LOGIN).policy(PROVEN_DELETE).start().await;
    let (mut ada, secret) = ada(&town).await;
    let asked = ada.post("/orders/7", &[("_method", "DELETE")]).await;
    let challenge = asked.location().to_string();
    assert!(challenge.starts_with("/.stepward/c/"), "{} {}", asked.status, asked.text);
    let resume = town.prove(&mut ada, &asked, &secret).await;
    let done = ada.post(&resume, &[]).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text);
    let seen = town.app.last("POST /orders/7");
    assert!(seen.ends_with("_method=DELETE") && seen.contains("stepward-event: delete order"), "{seen}");
}

/// The request that used to get through: something parked under a disguise, never proven, resumed as another request.
#[tokio::test]
async fn a_resume_token_is_no_pass_for_another_request() {
    let town = World::new().policy(LOGIN).policy(PAY).policy(PROVEN_DELETE).start().await;
    let (mut ada, _) = ada(&town).await;
    for disguise in ["/orders/7", "/orders/7?_method=DELETE"] {
        let body = if disguise.contains('?') { "x=y" } else { "_method=DELETE" };
        let request = ada.client().post(ada.url(disguise)).header("sec-fetch-site", "same-origin");
        let request = request.header("sec-fetch-mode", "cors").header("content-type", FORM_TYPE).body(body);
        ada.headers.clear();
        let asked = ada.send(request).await;
        assert_eq!(asked.status, StatusCode::UNAUTHORIZED, "{}", asked.text);
        let id = asked.json()["resume"].as_str().map(str::to_string).unwrap_or_else(|| panic!("{}", asked.text));
        for target in [
            format!("/pay?stepward_resume={id}"),
            format!("/orders/7?stepward_resume={id}"),
            format!("/x?stepward_resume={id}"),
        ] {
            let seen = ada.post(&target, &[("amount", "900")]).await;
            assert!(!seen.status.is_success(), "{target}: {} {}", seen.status, seen.text);
        }
        let by_header = ada.client().post(ada.url("/pay")).header("stepward-resume", &id);
        let by_header = by_header.header("content-type", FORM_TYPE).body("amount=900");
        let seen = ada.send(by_header.header("sec-fetch-site", "same-origin")).await;
        assert!(!seen.status.is_success(), "{} {}", seen.status, seen.text);
    }
    assert_eq!(town.app.count("POST /pay") + town.app.count("POST /orders") + town.app.count("POST /x"), 0);
}

#[tokio::test]
async fn b4_nobody_else_says_who_the_subject_is() {
    let pass = "event: read\ncovers: [GET /read]\nwhen_unsure: block\notherwise: forward\n";
    let town = World::new().policy(LOGIN).policy(PAY).policy(pass).start().await;
    let spoofs = [
        "Stepward-Subject: root",
        "stepward-subject: root",
        "STEPWARD_SUBJECT: root",
        "Stepward.Subject: root",
        "Stepward_Assertion: root",
        "Stepward-Assurance: root",
        "stepward-Anything-New: root",
    ];
    for path in ["/read", "/no-event"] {
        let answer = town.raw(&request(&format!("GET {path}"), &spoofs, "")).await;
        assert_eq!(status(&answer), 200, "{answer}");
        let seen = town.app.last(&format!("GET {path}"));
        assert!(!seen.contains("root"), "{seen}");
        let ours = seen.to_lowercase().matches("\r\nstepward-").count();
        assert_eq!(ours > 0, path == "/read", "ours on events and nowhere else: {seen}");
    }

    let (mut ada, secret) = ada(&town).await;
    let clean = ada.headers.clone();
    ada.headers.extend([("stepward-subject", "root".to_string()), ("stepward_assertion", "root".to_string())]);
    let asked = pays(&mut ada, "900").await;
    assert_eq!(town.app.count("POST /pay"), 0, "a challenged request never reaches the app");
    ada.headers = clean;
    let resume = town.prove(&mut ada, &asked, &secret).await;
    ada.headers.extend([("stepward-subject", "root".to_string()), ("stepward_assertion", "root".to_string())]);
    let done = ada.post(&resume, &[]).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text);
    let seen = town.app.last("POST /pay").to_lowercase();
    assert!(!seen.contains("root") && seen.contains("stepward-subject: ada\r\n"), "{seen}");
    assert_eq!(seen.matches("stepward-subject").count(), 1, "{seen}");
    assert_eq!(seen.matches("stepward-assertion").count(), 1, "{seen}");
}

#[tokio::test]
async fn b1_b2_only_a_trusted_proxy_says_where_the_client_is() {
    let policy = "
event: read
covers: [GET /read]
when_unsure: block
otherwise: forward
steps:
  - decide: pace
    rules:
      - rule: every address once a minute
        when: 'true'
        then: { throttle: { rate: 1/min, per: ip } }
";
    let policy = policy.replace("'true'", "request.method == \"GET\"");
    let fields = ["X-Forwarded-For: 203.0.113.9", "Forwarded: for=203.0.113.9", "X-Real-IP: 203.0.113.9"];
    let other = ["X-Forwarded-For: 203.0.113.10", "Forwarded: for=203.0.113.10", "X-Real-IP: 203.0.113.10"];

    let town = World::new().policy(&policy).start().await;
    assert_eq!(status(&town.raw(&request("GET /read", &fields, "")).await), 200);
    let again = town.raw(&request("GET /read", &other, "")).await;
    assert_eq!(status(&again), 429, "a claimed address is no other address: {again}");
    assert!(!town.app.last("GET /read").contains("203.0.113"), "nor is the app told so");

    let town = World::new().policy(&policy).settings("trusted_proxies: [127.0.0.0/8]").start().await;
    assert_eq!(status(&town.raw(&request("GET /read", &fields[..1], "")).await), 200);
    assert_eq!(status(&town.raw(&request("GET /read", &other[..1], "")).await), 200, "behind a trusted proxy it is");
    assert_eq!(status(&town.raw(&request("GET /read", &other[..1], "")).await), 429);
}

#[tokio::test]
async fn a_proof_for_one_sum_pays_no_other() {
    let town = bank().await;
    let (mut ada, secret) = ada(&town).await;
    let asked = pays(&mut ada, "900").await;
    town.prove(&mut ada, &asked, &secret).await;
    let other = pays(&mut ada, "901").await;
    assert!(other.location().starts_with("/.stepward/c/"), "901 was let through: {} {}", other.status, other.text);
    assert_eq!(town.app.count("POST /pay"), 0);
    let same = pays(&mut ada, "900").await;
    assert_eq!(same.status, StatusCode::OK, "the proven sum goes on: {}", same.text);
    assert_eq!(town.app.count("POST /pay"), 1);
}

#[tokio::test]
async fn a_bound_proof_of_one_event_does_not_count_at_another() {
    let refund = PAY.replace("event: pay", "event: refund").replace("POST /pay", "POST /refund");
    let town = World::new().policy(LOGIN).policy(PAY).policy(&refund).start().await;
    let (mut ada, secret) = ada(&town).await;
    let asked = pays(&mut ada, "900").await;
    town.prove(&mut ada, &asked, &secret).await;
    let other = ada.post("/refund", &[("amount", "900")]).await;
    assert!(other.location().starts_with("/.stepward/c/"), "{} {}", other.status, other.text);
    assert_eq!(town.app.count("POST /refund"), 0);
}

#[tokio::test]
async fn c_a_resume_token_is_worth_nothing_to_anybody_else() {
    let town = World::new().policy(LOGIN).policy(PAY).start().await;
    let (mut ada, secret) = ada(&town).await;
    let asked = pays(&mut ada, "900").await;
    let resume = town.prove(&mut ada, &asked, &secret).await;

    let mut stranger = town.visitor();
    assert_eq!(stranger.post(&resume, &[]).await.status, StatusCode::GONE, "without any cookie");

    let mut bob = town.visitor();
    town.sign_in(&mut bob, "bob").await;
    bob.cookies.extend(ada.cookies.clone().into_iter().filter(|(name, _)| name != "stepward" && name != "sid"));
    assert_eq!(bob.post(&resume, &[]).await.status, StatusCode::GONE, "another subject with Ada's parking cookie");

    let mut thief = town.visitor();
    thief.cookies.insert("stepward".into(), ada.cookies["stepward"].clone());
    thief.cookies.insert("sid".into(), "ada".into());
    assert_eq!(thief.post(&resume, &[]).await.status, StatusCode::GONE, "a session without the parking cookie");

    let foreign = ada.client().post(ada.url(&resume)).header("sec-fetch-site", "cross-site");
    let foreign = ada.send(foreign.header("origin", "https://evil.example")).await;
    assert_eq!(foreign.status, StatusCode::GONE, "from another site: {}", foreign.text);

    let host = ada.client().post(ada.url(&resume)).header("sec-fetch-site", "same-origin").header("host", "b.test");
    let host = ada.send(host).await;
    assert!(host.status.is_client_error(), "on another host: {}", host.text);

    assert_eq!(town.app.count("POST /pay"), 0);
    let paid = ada.post(&resume, &[]).await;
    assert_eq!(paid.status, StatusCode::OK, "none of them used it up: {}", paid.text);
    assert_eq!(town.app.count("POST /pay"), 1);
}

#[tokio::test]
async fn sixty_four_clicks_at_once_pay_once() {
    let town = bank().await;
    let (mut ada, secret) = ada(&town).await;
    let asked = pays(&mut ada, "900").await;
    let resume = town.prove(&mut ada, &asked, &secret).await;
    let mut clicks = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let mut tab = town.visitor();
        tab.cookies = ada.cookies.clone();
        let resume = resume.clone();
        clicks.spawn(async move { tab.post(&resume, &[]).await.status });
    }
    let statuses = clicks.join_all().await;
    assert_eq!(statuses.iter().filter(|it| it.is_success()).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|it| it.is_success() || *it == StatusCode::GONE), "{statuses:?}");
    assert_eq!(town.app.count("POST /pay"), 1, "the app saw it exactly once");
}

#[tokio::test]
async fn h7_a_challenged_request_never_reaches_the_app_however_it_is_repeated() {
    let town = bank().await;
    let (mut ada, _) = ada(&town).await;
    for _ in 0..3 {
        let asked = pays(&mut ada, "900").await;
        assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.text);
        let challenge = asked.location().to_string();
        ada.get(&challenge).await;
        let wrong = ada.post(&challenge, &[("method", "totp"), ("code", "000000")]).await;
        assert!(!wrong.location().contains("resume"), "{}", wrong.text);
        for page in ["continue", "done", "passed"] {
            ada.get(&format!("{challenge}/{page}")).await;
        }
    }
    assert_eq!(town.app.count("POST /pay"), 0);
}

#[tokio::test]
async fn a_session_that_was_planted_is_not_the_one_after_login() {
    let town = bank().await;
    let (mallory, _) = ada(&town).await;
    let planted = mallory.cookies["stepward"].clone();
    let mut victim = town.visitor();
    victim.cookies.insert("stepward".into(), planted.clone());
    town.sign_in(&mut victim, "victim").await;
    assert_ne!(victim.cookies["stepward"], planted, "the ticket is a new one");
    let mut thief = town.visitor();
    thief.cookies.insert("stepward".into(), planted);
    thief.cookies.insert("sid".into(), "victim".into());
    town.totp("victim").await;
    let seen = pays(&mut thief, "1").await;
    assert!(!seen.status.is_success(), "{}", seen.text);
    assert_eq!(town.app.count("POST /pay"), 0);
}

#[tokio::test]
async fn somebody_elses_app_cookie_beside_ones_own_session_names_nobody() {
    let who = "
event: who
covers: [GET /who]
when_unsure: block
otherwise: forward
steps:
  - decide: people only
    rules:
      - rule: not a person
        when: subject.kind != \"human\"
        then: block
";
    let town = World::new().policy(LOGIN).policy(who).start().await;
    let (mut mallory, mut victim) = (town.visitor(), town.visitor());
    town.sign_in(&mut mallory, "mallory").await;
    town.sign_in(&mut victim, "victim").await;
    let own = mallory.get("/who").await;
    assert_eq!(own.status, StatusCode::OK, "{}", own.text);
    assert!(town.app.last("GET /who").to_lowercase().contains("stepward-subject: mallory\r\n"));
    mallory.cookies.insert("sid".into(), "victim".into());
    let seen = mallory.get("/who").await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN, "an unknown subject is no person: {}", seen.text);
    assert_eq!(town.app.count("GET /who"), 1);
}

#[tokio::test]
async fn a_batch_is_as_strict_as_its_strictest_element() {
    let policy = "
event: pay
covers: [POST /pay]
facts:
  amount: { from: body.amount, type: number }
when_unsure: block
otherwise: forward
steps:
  - decide: size
    rules:
      - rule: large
        when: event.amount > 1000
        then: block
";
    let town = World::new().policy(policy).start().await;
    for (body, expected) in [
        ("[{\"amount\":1},{\"amount\":2}]".to_string(), 200),
        ("[{\"amount\":1},{\"amount\":9999}]".to_string(), 403),
        ("[{\"amount\":9999},{\"amount\":1}]".to_string(), 403),
        ("[{\"amount\":1},{\"note\":\"no amount\"}]".to_string(), 403),
    ] {
        let answer = town.raw(&request("POST /pay", &[JSON], &body)).await;
        assert_eq!(status(&answer), expected, "{} {answer}", &body[..body.len().min(60)]);
    }
    assert_eq!(town.app.seen().len(), 1);
}

/// The requests that used to get through: elements beyond the last one looked at, and events behind one that waits.
#[tokio::test]
async fn nothing_hides_in_a_batch_behind_what_is_looked_at() {
    let login = "event: sign in\ncovers: [{ request: POST /graphql, where: 'body.op == \"login\"' }]\napply: after_success\nsucceeded: response.status == 200\nwhen_unsure: block\notherwise: forward\n";
    let pay = "event: pay\ncovers: [{ request: POST /graphql, where: 'body.op == \"pay\"' }]\nwhen_unsure: block\notherwise: block\n";
    let town = World::new().policy(login).policy(pay).start().await;
    let (login, pay) = ("{\"op\":\"login\"}", "{\"op\":\"pay\"}");
    for body in [
        format!("[{login},{pay}]"),
        format!("[{pay},{login}]"),
        format!("[{login},{login}]"),
        format!("[{}{pay}]", "{\"op\":\"x\"},".repeat(100)),
    ] {
        let answer = town.raw(&request("POST /graphql", &[JSON], &body)).await;
        assert_eq!(status(&answer) / 100, 4, "{} {answer}", &body[..body.len().min(60)]);
    }
    assert_eq!(town.app.seen().len(), 0);
    assert_eq!(status(&town.raw(&request("POST /graphql", &[JSON], "[{\"op\":\"x\"},{\"op\":\"y\"}]")).await), 200);
    assert_eq!(status(&town.raw(&request("POST /graphql", &[JSON], login)).await), 200);
}

#[tokio::test]
async fn what_the_app_gave_a_right_password_is_no_use_before_the_proof() {
    let login = "
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
    let area = "
event: area
covers: [GET /area]
when_unsure: block
otherwise: forward
steps:
  - decide: people only
    rules:
      - rule: not a person
        when: subject.kind != \"human\"
        then: block
";
    let town = World::new().policy(login).policy(area).start().await;
    let secret = town.totp("ada").await;
    let right =
        "HTTP/1.1 303 See Other\r\nLocation: /\r\nSet-Cookie: sid=secret-cookie; Path=/\r\nContent-Length: 0\r\n\r\n";
    town.app.answers("POST /login", right);
    let mut ada = town.visitor();
    let asked = ada.post("/login", &[("username", "ada"), ("password", "right")]).await;
    assert!(asked.location().starts_with("/.stepward/c/"), "{} {}", asked.status, asked.text);
    let said = format!("{:?} {}", asked.headers, asked.text);
    assert!(!said.contains("secret-cookie") && !ada.cookies.contains_key("sid"), "{said}");
    let early = ada.get("/area").await;
    assert_eq!(early.status, StatusCode::FORBIDDEN, "half signed in is not signed in: {}", early.text);

    let resume = town.prove(&mut ada, &asked, &secret).await;
    let released = ada.get(&resume).await;
    assert_eq!((released.status, released.location()), (StatusCode::SEE_OTHER, "/"), "{}", released.text);
    assert_eq!(ada.cookies.get("sid").map(String::as_str), Some("secret-cookie"));
    assert_eq!(town.app.count("POST /login"), 1, "the login was not repeated");
    let again = ada.get(&resume).await;
    assert_eq!(again.status, StatusCode::GONE);
    let later = ada.get("/area").await;
    assert_eq!(later.status, StatusCode::OK, "{}", later.text);
}

#[tokio::test]
async fn ten_thousand_broken_cookies_let_nobody_in_and_break_nothing() {
    let town = bank().await;
    let (mut ada, secret) = ada(&town).await;
    let asked = pays(&mut ada, "900").await;
    town.prove(&mut ada, &asked, &secret).await;
    let cookie = ada.cookies["stepward"].clone();
    let mut bytes = cookie.clone().into_bytes();
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~!";
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % 1_000_003).unwrap_or_default()
    };
    let mut lanes = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let mutated: Vec<String> = (0..1250)
            .map(|_| {
                bytes.clear();
                bytes.extend(cookie.bytes());
                match random() % 4 {
                    0 => bytes.truncate(random() % bytes.len()),
                    1 => bytes.extend(cookie.bytes().take(random() % 64)),
                    _ => {
                        for _ in 0..=random() % 3 {
                            let at = random() % bytes.len();
                            bytes[at] = alphabet[random() % alphabet.len()];
                        }
                    }
                }
                String::from_utf8_lossy(&bytes).into_owned()
            })
            .filter(|it| *it != cookie)
            .collect();
        let address = town.address();
        lanes.spawn(async move {
            let mut tcp = tokio::net::TcpStream::connect(address).await.unwrap();
            for cookie in mutated {
                let line = format!("Cookie: stepward={cookie}; sid=ada");
                let text = request("POST /pay", &[FORM, &line], "amount=900");
                tokio::io::AsyncWriteExt::write_all(&mut tcp, text.as_bytes()).await.unwrap();
                let answer = crate::origin::answer(&mut tcp).await;
                assert!(!answer.is_empty(), "no answer to {cookie}");
                assert_ne!(status(&answer), 200, "{cookie} was let in");
                assert_ne!(status(&answer), 500, "{cookie}: {answer}");
                if answer.to_lowercase().contains("connection: close") {
                    tcp = tokio::net::TcpStream::connect(address).await.unwrap();
                }
            }
        });
    }
    while let Some(lane) = lanes.join_next().await {
        lane.unwrap();
    }
    assert_eq!(town.app.count("POST /pay"), 0);
    assert_eq!(pays(&mut ada, "900").await.status, StatusCode::OK, "the real one still works");
}
