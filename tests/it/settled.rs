//! Sentences of DESIGN §9 that nothing else held to, the dangerous ones first.

use http::StatusCode;

use crate::{
    visitor::Visitor,
    world::{LOGIN, Town, World, post_office, request, status},
};

const JSON: &str = "Content-Type: application/json";

/// A payment that needs a code.
const PAY: &str = "
event: pay
covers: [POST /pay]
facts:
  amount: { from: body.amount, type: number }
succeeded: response.status == 200
failed: response.status == 402
when_unsure: block
otherwise: block
steps:
  - require: a code
    proof: [totp, email_code]
    bind_to: [event.amount]
    attempts: 3
  - finish: pay
    then: forward
";

async fn ada(town: &Town) -> (Visitor, Vec<u8>) {
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    (ada, town.totp("ada").await)
}

/// *An unknown `only_if` or `where` counts as true.*
#[tokio::test]
async fn an_event_is_not_dodged_by_leaving_out_what_tells_it_apart() {
    let by_where = "event: transfer\ncovers: [{ request: POST /graphql, where: 'body.operationName == \"Transfer\"' }]\nwhen_unsure: block\notherwise: block\n";
    let by_kind = "event: people\ncovers: [GET /people]\nonly_if: subject.kind == \"human\"\nwhen_unsure: block\notherwise: block\n";
    let town = World::new().policy(LOGIN).policy(by_where).policy(by_kind).start().await;
    for body in [
        r#"{"operationName":"Transfer"}"#,
        r#"{"query":"mutation Transfer { x }"}"#,
        r#"{"operationName":null}"#,
        r#"{"operationName":["Transfer"]}"#,
        r#"{"operationName":1}"#,
        "{}",
    ] {
        assert_eq!(status(&town.raw(&request("POST /graphql", &[JSON], body)).await), 403, "{body}");
    }
    let other = town.raw(&request("POST /graphql", &[JSON], r#"{"operationName":"Balance"}"#)).await;
    assert_eq!(status(&other), 200, "what is certainly another one goes");
    assert_eq!(status(&town.raw(&request("GET /people", &[], "")).await), 403, "nobody knows what kind it is");
    assert_eq!(town.app.seen().len(), 1);
}

/// *A response that is neither, or both, is unknown and counts as a failed try.*
#[tokio::test]
async fn an_answer_that_is_neither_success_nor_failure_or_both_counts_as_a_failed_try() {
    let login = LOGIN
        .replace("response.status == 401", "response.status in [401, 303]")
        .replace("otherwise: forward", "otherwise: forward\nsteps:\n  - decide: pace\n    rules:\n      - rule: three failures\n        when: subject.failures_10m >= 3\n        then: block");
    for answer in [500, 200, 303, 418] {
        let town = World::new().policy(&login).start().await;
        town.app.says("POST /login", answer, "");
        let mut visitor = town.visitor();
        for attempt in 0..4 {
            let seen = visitor.post("/login", &[("username", "ada"), ("password", "guess")]).await;
            let expected = if attempt < 3 { answer } else { 403 };
            assert_eq!(seen.status.as_u16(), expected, "{answer}, try {attempt}: {}", seen.text);
            assert!(!visitor.cookies.contains_key("stepward"), "nobody is signed in by {answer}");
        }
    }
}

/// *Addresses … never from the challenged request.*
#[tokio::test]
async fn a_code_never_goes_where_the_challenged_request_says() {
    let mailbox = post_office().await;
    let change = "event: change e-mail\ncovers: [POST /email]\nfacts:\n  email: { from: body.email, type: text, pii: true }\nsucceeded: response.status == 200\nfailed: response.status == 402\nwhen_unsure: block\notherwise: block\nsteps:\n  - require: a code\n    proof: [email_code]\n    attempts: 3\n  - finish: change\n    then: forward\n";
    let town = World::new().policy(LOGIN).policy(change).mail(mailbox.address).start().await;
    town.email("ada", "ada@example.com").await;
    town.wait_ms(25 * 3_600_000);
    let (mut ada, _) = ada(&town).await;
    let mut bob = town.visitor();
    town.sign_in(&mut bob, "bob").await;
    for visitor in [&mut bob, &mut ada] {
        visitor.headers.push(("x-email", "evil@example.com".into()));
        let asked = visitor.post("/email?email=evil@example.com", &[("email", "evil@example.com")]).await;
        let challenge = asked.location().to_string();
        visitor.get(&challenge).await;
        town.wait_ms(31_000);
        let form = [("method", "email_code"), ("send", "1"), ("email", "evil@example.com")];
        visitor.post(&challenge, &form).await;
    }
    let letters = mailbox.wait_for(2).await;
    assert!(letters.iter().all(|letter| letter.to == "ada@example.com"), "{letters:?}");
    assert_eq!(town.app.count("POST /email"), 0);
}

/// *Cross-site unsafe requests are not parked (403) unless the route allows the origin.*
#[tokio::test]
async fn a_page_of_another_site_cannot_have_a_request_kept_for_its_victim() {
    let open = PAY
        .replace("event: pay", "event: shop")
        .replace("POST /pay", "POST /shop")
        .replace("when_unsure:", "allow_origins: [https://shop.example]\nwhen_unsure:");
    let town = World::new().policy(LOGIN).policy(PAY).policy(&open).start().await;
    let (mut ada, _) = ada(&town).await;
    let mut from = async |path: &str, site: &str, origin: &str| {
        let request = ada.client().post(ada.url(path)).header("sec-fetch-site", site.to_string());
        let request =
            request.header("origin", origin.to_string()).header("content-type", "application/x-www-form-urlencoded");
        ada.send(request.body("amount=900")).await
    };
    for (site, origin) in
        [("cross-site", "https://evil.example"), ("same-site", "https://evil.bank.example"), ("cross-site", "null")]
    {
        let seen = from("/pay", site, origin).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{site} {origin}: {}", seen.text);
        let line = town.decisions().pop().unwrap_or_default();
        assert_eq!((&line["outcome"], &line["reason"]), (&"block".into(), &"request.cross_site".into()), "{line}");
        let seen = from("/shop", site, origin).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{site} {origin}: {}", seen.text);
    }
    let numbers = town.gateway.journeys.parts().metrics.text();
    let counted = |line: &&str| line.contains("event=\"pay\"") && line.contains("outcome=\"block\"");
    assert!(numbers.lines().any(|line| counted(&line) && line.ends_with(" 3")), "{numbers}");
    let asked = from("/shop", "cross-site", "https://shop.example").await;
    assert!(asked.location().starts_with("/.stepward/c/"), "{} {}", asked.status, asked.text);
    assert_eq!(town.app.count("POST /pay") + town.app.count("POST /shop"), 0);
}

/// *A resume is decided by the live release with fresh facts; … other refusals drop it.*
#[tokio::test]
async fn what_waits_is_resumed_under_the_policy_of_now() {
    for (policy, expected) in [
        (PAY.replace("finish: pay\n    then: forward", "finish: pay\n    then: block"), StatusCode::FORBIDDEN),
        (PAY.replace("event.amount]", "event.amount]\n    fresh_for: 1s"), StatusCode::SEE_OTHER),
        (PAY.replace("mode: enforce", "mode: off").replace("event: pay", "event: pay\nmode: off"), StatusCode::OK),
    ] {
        let town = World::new().policy(LOGIN).policy(PAY).start().await;
        let (mut ada, secret) = ada(&town).await;
        let asked = ada.post("/pay", &[("amount", "900")]).await;
        let resume = town.prove(&mut ada, &asked, &secret).await;
        town.wait_ms(5_000);
        town.write_policy(1, &policy);
        town.gateway.reload();
        assert_eq!(town.release().number, 2, "the new policy is live");
        let seen = ada.post(&resume, &[]).await;
        assert_eq!(seen.status, expected, "{policy} {}", seen.text);
        assert_eq!(town.app.count("POST /pay"), usize::from(expected == StatusCode::OK));
        if expected == StatusCode::FORBIDDEN {
            town.write_policy(1, PAY);
            town.gateway.reload();
            assert_eq!(ada.post(&resume, &[]).await.status, StatusCode::GONE, "a refusal drops it");
        }
    }
}

/// *For a merely claimed subject `lock_out: subject` locks the pair of subject and device or IP.*
#[tokio::test]
async fn nobody_can_lock_somebody_else_out_by_guessing() {
    let login = LOGIN.replace("otherwise: forward", "otherwise: forward\nsteps:\n  - decide: guessing\n    rules:\n      - rule: three failures\n        when: subject.failures_10m >= 3\n        then: { lock_out: subject, for: 30m }");
    let town = World::new().policy(&login).settings("trusted_proxies: [127.0.0.0/8]").start().await;
    town.app.says("POST /login", 401, "no");
    let from = |ip: &'static str| {
        let mut visitor = town.visitor();
        visitor.headers.push(("x-forwarded-for", ip.into()));
        visitor
    };
    let mut mallory = from("203.0.113.66");
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(mallory.post("/login", &[("username", "ada"), ("password", "guess")]).await.status.as_u16());
    }
    assert_eq!(seen, [401, 401, 401, 403, 403], "the guesser is locked out");
    // The failures are out of their window, the lock is not over.
    town.wait_ms(10 * 60_000 + 1_000);
    let guess = mallory.post("/login", &[("username", "ada"), ("password", "guess")]).await;
    assert_eq!(guess.status, StatusCode::FORBIDDEN, "the guesser still is");
    let mut ada = from("198.51.100.7");
    let own = ada.post("/login", &[("username", "ada"), ("password", "x")]).await;
    assert_eq!(own.status, StatusCode::UNAUTHORIZED, "Ada, from where she is, may try: {}", own.text);
}

/// *Plain `stepward` only on loopback http; elsewhere events that need a session get 403 `transport.insecure`.*
#[tokio::test]
async fn no_session_is_begun_or_read_over_plain_http_from_elsewhere() {
    let town = World::new().policy(LOGIN).policy(PAY).start().await;
    let (ada, _) = ada(&town).await;
    let cookies =
        format!("Cookie: sid=ada; stepward={}; __Host-stepward={}", ada.cookies["stepward"], ada.cookies["stepward"]);
    let form = "Content-Type: application/x-www-form-urlencoded";
    let bank = |line: &str, body: &str| {
        let bytes = request(line, &[form, &cookies, "Accept: application/json"], body);
        bytes.replace("Host: a.test", "Host: bank.example")
    };
    let answer = town.raw(&bank("POST /pay", "amount=900")).await;
    assert_eq!(status(&answer), 403, "{answer}");
    assert!(!answer.to_lowercase().contains("set-cookie"), "{answer}");
    let line = town.decisions().pop().unwrap_or_default();
    assert_eq!((&line["outcome"], &line["reason"]), (&"block".into(), &"transport.insecure".into()), "{line}");
    let page = town.raw(&bank("GET /.stepward/methods", "")).await;
    assert!(status(&page) >= 400 && !page.to_lowercase().contains("set-cookie"), "{page}");
    assert_eq!(town.app.count("POST /pay"), 0);
}

/// *The assertion is EdDSA, `aud` the upstream's name, `exp` 60 s, with tenant, event, decision, method, target hash.*
#[tokio::test]
async fn an_app_can_check_by_the_published_keys_that_it_was_us_and_what_we_said() {
    let look = "event: look\ncovers: [GET /look]\nwhen_unsure: block\notherwise: forward\n";
    let town = World::new().policy(LOGIN).policy(look).start().await;
    let (mut ada, _) = ada(&town).await;
    ada.get("/look?at=this").await;
    let seen = town.app.last("GET /look");
    let header =
        |name: &str| seen.split(&format!("{name}: ")).nth(1).and_then(|it| it.split("\r\n").next()).unwrap_or_default();
    let token = header("stepward-assertion");
    let keys = ada.get("/.stepward/jwks.json").await.json();
    let set: jsonwebtoken::jwk::JwkSet = serde_json::from_value(keys).unwrap();
    let head = jsonwebtoken::decode_header(token).unwrap();
    let key = set.find(head.kid.as_deref().unwrap()).unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(key).unwrap();
    let mut wanted = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    wanted.set_audience(&["app"]);
    wanted.validate_exp = false;
    let claims = jsonwebtoken::decode::<serde_json::Value>(token, &key, &wanted).unwrap().claims;
    let text = |name: &str| claims[name].as_str().unwrap_or_default().to_string();
    assert_eq!(
        (text("event"), text("tenant"), text("method"), text("sub")),
        ("look".into(), "default".into(), "GET".into(), "ada".into())
    );
    assert_eq!(text("decision"), header("stepward-decision"));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
    let target = <sha2::Sha256 as sha2::Digest>::digest(b"/look?at=this");
    assert_eq!(text("target_sha256"), data_encoding::BASE64URL_NOPAD.encode(&target));
    wanted.set_audience(&["other"]);
    assert!(jsonwebtoken::decode::<serde_json::Value>(token, &key, &wanted).is_err(), "it is for one app only");
}

/// *The replay carries the parked method, target, body, `Origin`, `Referer` and `Sec-Fetch-*`; `Cookie` and
/// `Authorization` come from the resuming request.*
#[tokio::test]
async fn what_is_resumed_is_the_parked_request_with_the_credentials_of_now() {
    let town = World::new().policy(LOGIN).policy(PAY).start().await;
    let (mut ada, secret) = ada(&town).await;
    ada.headers.extend([
        ("referer", ada.url("/form")),
        ("authorization", "Basic then".into()),
        ("x-note", "then".into()),
        ("sec-fetch-dest", "document".into()),
    ]);
    ada.cookies.insert("theme".into(), "then".into());
    let asked = ada.post("/pay?via=form", &[("amount", "900")]).await;
    let resume = town.prove(&mut ada, &asked, &secret).await;
    ada.headers.retain(|(name, _)| !["referer", "authorization", "x-note", "sec-fetch-dest"].contains(name));
    ada.headers.extend([
        ("authorization", "Basic now".into()),
        ("x-note", "now".into()),
        ("referer", ada.url("/other")),
    ]);
    ada.cookies.insert("theme".into(), "now".into());
    let done = ada.post(&resume, &[("amount", "1")]).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text);
    let seen = town.app.last("POST /pay");
    assert!(seen.starts_with("POST /pay?via=form HTTP/1.1\r\n") && seen.ends_with("\r\n\r\namount=900"), "{seen}");
    let lower = seen.to_lowercase();
    for (there, gone) in [
        ("/form\r\n", "/other\r\n"),
        ("authorization: basic now\r\n", "basic then"),
        ("x-note: then\r\n", "x-note: now"),
        ("theme=now", "theme=then"),
        ("sec-fetch-dest: document\r\n", "stepward_resume"),
    ] {
        assert!(lower.contains(there) && !lower.contains(gone), "{there:?} and not {gone:?}: {seen}");
    }
}

/// *An app cookie never seen has an unknown subject*; *`bind_to` with an unknown value: `block`, `binding.unknown`.*
#[tokio::test]
async fn a_stranger_with_an_app_cookie_and_a_sum_that_nobody_can_read_are_refused() {
    let town = World::new().policy(LOGIN).policy(PAY).start().await;
    let (mut ada, _) = ada(&town).await;
    for sum in ["", "9e2", "0900", "900 ", "nine", "900,00", "+900", "0x384", "\u{666}"] {
        let seen = ada.post("/pay", &[("amount", sum)]).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{sum:?}: {}", seen.text);
        let line = town.decisions().pop().unwrap_or_default().to_string();
        assert!(line.contains("binding.unknown"), "{sum:?}: {line}");
    }
    let missing = ada.post("/pay", &[("note", "x")]).await;
    assert_eq!(missing.status, StatusCode::FORBIDDEN);
    let known = "event: area\ncovers: [GET /area]\nwhen_unsure: block\notherwise: block\nsteps:\n  - decide: who\n    rules:\n      - rule: somebody\n        when: subject.is_known\n        then: forward\n";
    let town = World::new().policy(LOGIN).policy(known).start().await;
    let mut stranger = town.visitor();
    stranger.cookies.insert("sid".into(), "never-seen".into());
    assert_eq!(stranger.get("/area").await.status, StatusCode::FORBIDDEN);
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    assert_eq!(ada.get("/area").await.status, StatusCode::OK);
    assert_eq!(town.app.count("GET /area"), 1);
}

/// Counters are per account, however its name is written; dots and `+` count unless the operator says otherwise.
#[tokio::test]
async fn spellings_of_a_mailbox_are_one_account_where_the_operator_says_so() {
    let login = LOGIN.replace("otherwise: forward", "otherwise: forward\nsteps:\n  - decide: guessing\n    rules:\n      - rule: three failures\n        when: subject.failures_10m >= 3\n        then: block");
    let spellings = ["a.da@mail.example", "A.D.A@Mail.example", "ada+x@mail.example", "ＡＤＡ@mail.example"];
    for (accounts, last) in [
        ("accounts: { dots_ignored_at: [Mail.Example], plus_ignored_at: [mail.example] }", 403),
        ("unmatched: forward", 401),
    ] {
        let town = World::new().policy(&login).settings(accounts).start().await;
        town.app.says("POST /login", 401, "no");
        let mut seen = Vec::new();
        for name in spellings {
            seen.push(
                town.visitor().post("/login", &[("username", name), ("password", "guess")]).await.status.as_u16(),
            );
        }
        assert_eq!(seen, [401, 401, 401, last], "{accounts}");
    }
}
