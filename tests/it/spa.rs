//! Apps of one page: our script in their pages, and what a call is told where it is not.

use http::StatusCode;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    visitor::{Seen, Visitor},
    world::{LOGIN, Town, World},
};

const TAG: &str = "<script src=\"/.stepward/stepward.js\"></script>";

const PAY: &str = "
event: pay
covers: [ANY /api/pay]
succeeded: response.status == 200
failed: response.status == 402
when_unsure: block
otherwise: block
steps:
  - require: a code
    proof: [totp]
  - finish: pay
    then: forward
";

async fn town() -> Town {
    let routes = "routes: [{ path: /plain, upstream: app }, { upstream: app, inject_script: true }]";
    World::new().policy(LOGIN).policy(PAY).settings(routes).start().await
}

fn html(fields: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_page_gets_our_script_and_a_call_for_the_same_gets_the_apps_own_bytes() {
    let town = town().await;
    let page = "<!doctype html><head><title>App</title></head><body>Hi</body>";
    let etag = "ETag: \"1\"\r\n";
    town.app.answers("GET /", &html(etag, page));
    let mut browser = town.visitor();
    browser.headers.push(("accept-encoding", "gzip, br".into()));
    let seen = browser.get("/").await;
    assert_eq!(seen.text, page.replacen("<head>", &format!("<head>{TAG}"), 1));
    assert_eq!(seen.headers["etag"], "W/\"1\"");
    assert!(!seen.headers.contains_key("content-length"), "{:?}", seen.headers);
    assert!(town.app.last("GET / ").to_ascii_lowercase().contains("accept-encoding: identity\r\n"));
    let plain = browser.get("/plain").await;
    assert_eq!((&*plain.text, &plain.headers["etag"]), (page, &"\"1\"".parse().unwrap()), "not on this route");
    assert!(town.app.last("GET /plain").contains("gzip, br"));
    browser.headers = vec![("sec-fetch-mode", "cors".into()), ("accept", "text/html".into())];
    let fragment = browser.get("/").await;
    assert_eq!((&*fragment.text, &fragment.headers["etag"]), (page, &"\"1\"".parse().unwrap()));
    assert_eq!(fragment.headers["content-length"], page.len().to_string());
}

#[tokio::test]
async fn what_is_no_whole_page_passes_byte_for_byte() {
    let town = town().await;
    let page = "<head></head>";
    for (name, answer) in [
        ("gzip", html("Content-Encoding: gzip\r\n", page)),
        ("unheard-of", html("Content-Encoding: x-zip\r\n", page)),
        ("download", html("Content-Disposition: attachment\r\n", page)),
        ("no-transform", html("Cache-Control: no-transform\r\n", page)),
        ("json", html("", page).replace("text/html", "application/json")),
        ("no script", html("Content-Security-Policy: default-src 'none'\r\n", page)),
        ("error", html("", page).replace("200 OK", "404 Not Found")),
        ("part", html("Content-Range: bytes 0-12/20\r\n", page).replace("200 OK", "206 Partial Content")),
    ] {
        town.app.answers("GET /it", &answer);
        let raw = "GET /it HTTP/1.1\r\nHost: a.test\r\nAccept: text/html\r\nConnection: close\r\n\r\n";
        let seen = town.raw(raw).await;
        assert!(seen.ends_with(&format!("\r\n\r\n{page}")), "{name}: {seen}");
        let length = format!("content-length: {}", page.len());
        assert!(seen.to_ascii_lowercase().contains(&length), "{name}: {seen}");
    }
    town.app.answers("HEAD /it", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n");
    let mut browser = town.visitor();
    let head = browser.send(browser.client().head(browser.url("/it"))).await;
    assert_eq!((head.status, &head.headers["content-length"]), (StatusCode::OK, &"13".parse().unwrap()));
    town.app.answers("GET /same", "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n");
    let same = town.raw("GET /same HTTP/1.1\r\nHost: a.test\r\nAccept: text/html\r\nConnection: close\r\n\r\n").await;
    assert!(same.starts_with("HTTP/1.1 304") && same.contains("\"1\"") && same.ends_with("\r\n\r\n"), "{same}");
}

#[tokio::test]
async fn the_first_piece_of_a_page_does_not_wait_for_the_rest() {
    let town = town().await;
    let page = "<head><title>x</title><p>slow";
    town.app.drips("GET /slow", &html("", page));
    let mut tcp = tokio::net::TcpStream::connect(town.address()).await.unwrap();
    tcp.write_all(b"GET /slow HTTP/1.1\r\nHost: a.test\r\nAccept: text/html\r\n\r\n").await.unwrap();
    let mut seen = String::new();
    let mut bytes = [0; 512];
    // The app takes three seconds for what follows its head; ours is there with the head.
    while !seen.contains("<head>") {
        let count = tcp.read(&mut bytes).await.unwrap();
        assert!(count > 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    assert!(seen.contains(TAG) && !seen.contains("<p>slow"), "{seen}");
}

#[tokio::test]
async fn a_page_over_http2_and_one_that_the_relay_brings_get_it_too() {
    let town = town().await;
    let page = "<head></head><body>paid</body>";
    town.app.answers("POST /api/pay", &html("", page));
    let (mut ada, secret) = signed_in(&town).await;
    let asked = ada.post("/api/pay", &[("amount", "5")]).await;
    let resume = town.prove(&mut ada, &asked, &secret).await;
    let paid = ada.post(&resume, &[]).await;
    assert_eq!(paid.text, page.replacen("<head>", &format!("<head>{TAG}"), 1));
    town.app.answers("GET /", &html("", page));
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let answer = client.get(ada.url("/")).header("accept", "text/html").send().await.unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_2);
    assert_eq!(answer.text().await.unwrap(), page.replacen("<head>", &format!("<head>{TAG}"), 1));
}

#[tokio::test]
async fn the_script_that_a_page_is_told_to_load_is_there_as_its_hash_says() {
    let town = town().await;
    let policy = "Content-Security-Policy: script-src 'strict-dynamic' 'sha256-AAAA'\r\n";
    town.app.answers("GET /", &html(policy, "<head></head>"));
    let mut browser = town.visitor();
    let page = browser.get("/").await;
    let integrity = page.after("integrity=\"");
    let script = browser.get("/.stepward/stepward.js").await;
    let digest = ring::digest::digest(&ring::digest::SHA256, script.text.as_bytes());
    assert_eq!(integrity, format!("sha256-{}", data_encoding::BASE64.encode(digest.as_ref())));
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert_eq!(policy, format!("script-src 'strict-dynamic' 'sha256-AAAA' '{integrity}'"));
}

async fn signed_in(town: &Town) -> (Visitor, Vec<u8>) {
    let mut ada = town.visitor();
    let secret = town.totp("ada").await;
    town.sign_in(&mut ada, "ada").await;
    (ada, secret)
}

async fn call(visitor: &mut Visitor, method: &Method, body: &str, fields: &[(&str, &str)]) -> Seen {
    let mut request = visitor.client().request(method.clone(), visitor.url("/api/pay"));
    request = request.header("content-type", "application/json").body(body.to_string());
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    visitor.send(request).await
}

/// Asks how a challenge stands until it is met, as a program does while its user meets it elsewhere.
async fn polled(visitor: &mut Visitor, challenge: &str) -> Value {
    let asked = visitor.get(challenge).await;
    assert_eq!((asked.status, &asked.headers["content-type"]), (StatusCode::OK, &"application/json".parse().unwrap()));
    asked.json()
}

#[tokio::test]
async fn without_the_script_a_call_is_told_where_to_go_polls_and_resumes() {
    let body = r#"{"amount": 5,  "to": "Bob"}"#;
    for method in [Method::PUT, Method::PATCH, Method::DELETE, Method::POST] {
        let town = town().await;
        let (mut ada, secret) = signed_in(&town).await;
        let mut page = town.visitor();
        ada.headers = vec![("sec-fetch-mode", "cors".into()), ("accept", "application/json".into())];
        let origin = ada.url("");
        let own = [("origin", origin.as_str()), ("sec-fetch-site", "same-origin")];
        let asked = call(&mut ada, &method, body, &own).await;
        assert_eq!(asked.status, StatusCode::UNAUTHORIZED, "{method}");
        let problem = asked.json();
        let (challenge, resume) =
            (problem["challenge_url"].as_str().unwrap(), problem["resume"].as_str().expect("kept").to_string());
        assert_eq!(polled(&mut ada, challenge).await["status"], "open", "{method}");
        // The same person meets it on a page, in another tab.
        page.cookies = ada.cookies.clone();
        let code = town.code(&secret);
        let met = page.post(challenge, &[("method", "totp"), ("code", &code)]).await;
        assert_eq!(met.status, StatusCode::SEE_OTHER, "{method}");
        ada.cookies = page.cookies.clone();
        let passed = polled(&mut ada, challenge).await;
        assert_eq!((&passed["status"], &passed["resume"]), (&json!("passed"), &json!(resume)), "{method}");
        let resuming = [own[0], own[1], ("stepward-resume", resume.as_str())];
        let paid = call(&mut ada, &method, "", &resuming).await;
        assert_eq!(paid.status, StatusCode::OK, "{method}: {}", paid.text);
        let line = format!("{method} /api/pay");
        assert!(town.app.last(&line).ends_with(body), "{method}: {}", town.app.last(&line));
        let again = call(&mut ada, &method, "", &resuming).await;
        assert_eq!(again.status, StatusCode::GONE, "{method}");
        assert_eq!(town.app.count(&line), 1, "{method}");
    }
}

#[tokio::test]
async fn a_program_repeats_its_call_by_itself_once_the_proof_is_there() {
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let town = town().await;
        let (mut ada, secret) = signed_in(&town).await;
        ada.headers = vec![("accept", "application/json".into())];
        let origin = ada.url("");
        let asked = call(&mut ada, &method, "{}", &[("origin", &*origin)]).await;
        let problem = asked.json();
        assert_eq!((asked.status, &problem["resume"]), (StatusCode::UNAUTHORIZED, &Value::Null), "{method}");
        let challenge = problem["challenge_url"].as_str().unwrap();
        let code = town.code(&secret);
        let met = ada.post(challenge, &[("method", "totp"), ("code", &code)]).await;
        assert_eq!(met.json()["status"], "passed", "{method}: {}", met.text);
        let paid = call(&mut ada, &method, "{}", &[("origin", &*origin)]).await;
        assert_eq!(paid.status, StatusCode::OK, "{method}: {}", paid.text);
    }
}
