//! Events: what is read, what is forwarded in which form, and what becomes of the answer.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    edge::world,
    origin::{Recorder, answer, exchange},
};

/// Every POST and PUT is a payment whose amount is read from its body; large ones are blocked.
const PAY: &str = "
event: pay
covers: [POST /**, PUT /**]
facts:
  amount: { from: body.amount, type: number }
succeeded: response.status == 200
when_unsure: block
otherwise: forward
steps:
  - decide: size
    rules:
      - rule: large
        when: event.amount > 1000
        then: block
";

/// A login whose answer is held until it is decided on.
const LOGIN: &str = "
event: login
covers: [POST /login]
apply: after_success
park_max: 1KiB
succeeded: response.status == 303
failed: response.status == 200
when_unsure: block
otherwise: forward
";

/// A payment that goes through.
const SMALL: &str = "{\"amount\":1}";

fn post(path: &str, media_type: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: a.test\r\nStepward-Subject: mallory\r\nContent-Type: {media_type}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_body_that_was_read_is_forwarded_byte_for_byte_small_or_large() {
    for size in [10, 60_000, 70_000, 200_000] {
        let app = Recorder::start().await;
        let edge = world::judged(&world::settings(app.address), PAY).await;
        let body = format!("{{\"amount\": 1,   \"note\": \"{}\"}}", "x".repeat(size));
        let answer = exchange(edge.addresses[0], post("/pay?x=%20", "application/json", &body).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("app"), "{size}: {answer}");
        let seen = app.only();
        assert!(seen.starts_with("POST /pay?x=%20 HTTP/1.1\r\n"), "{size}: {}", &seen[..200]);
        assert!(seen.ends_with(&format!("\r\n\r\n{body}")), "{size}: the body changed on its way");
        let head = seen[..seen.len() - body.len()].to_lowercase();
        assert!(head.contains("stepward-event: pay\r\n") && head.contains("stepward-decision: "), "{size}: {head}");
        assert!(!head.contains("mallory"), "{size}: {head}");
        assert!(head.contains("x-forwarded-for: 127.0.0.1\r\n"), "{size}: {head}");
    }
}

#[tokio::test]
async fn e1_a_field_is_read_alike_by_length_by_chunks_and_as_a_form() {
    let chunked = |body: &str| {
        let chunks: String = body.chars().map(|it| format!("1;x=y\r\n{it}\r\n")).collect();
        format!(
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
             {chunks}0\r\n\r\n"
        )
    };
    let part = "--b\r\nContent-Disposition: form-data; name=\"amount\"\r\n\r\n{}\r\n--b\r\n\
                Content-Disposition: form-data; name=\"scan\"; filename=\"x.png\"\r\n\r\n\x01\x02\r\n--b--\r\n";
    let app = Recorder::start().await;
    let edge = world::judged(&world::settings(app.address), PAY).await;
    for (amount, status) in [("5", 200), ("5000", 403)] {
        let json = format!("{{\"amount\":{amount}}}");
        let requests = [
            post("/", "application/json", &json),
            chunked(&json),
            post("/", "application/x-www-form-urlencoded", &format!("amount={amount}")),
            post("/", "multipart/form-data; boundary=b", &part.replace("{}", amount)),
        ];
        for request in requests {
            let answer = exchange(edge.addresses[0], request.as_bytes()).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request} got {answer}");
        }
    }
    assert_eq!(app.seen().len(), 4, "only the small ones reached the app");
}

#[tokio::test]
async fn e2_e3_bodies_that_cannot_be_read_are_refused_and_never_forwarded() {
    let app = Recorder::start().await;
    let edge = world::judged(&world::settings(app.address), PAY).await;
    for (media_type, body, status) in [
        ("application/json", "{\"a\":1,\"a\":2}", 400),
        ("application/json", "{\"a\":", 400),
        ("application/x-www-form-urlencoded", "a=1&a=2", 400),
        ("multipart/form-data", "--b", 400),
        ("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1", 400),
        ("text/plain", "a=1", 415),
        ("application/json; charset=utf-16", "{}", 415),
        ("application/json\r\nContent-Encoding: gzip", "{}", 415),
    ] {
        let answer = exchange(edge.addresses[0], post("/", media_type, body).as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{media_type} {body}: {answer}");
    }
    assert_eq!(app.seen().len(), 0);
}

#[tokio::test]
async fn d1_a_body_over_the_limit_gets_413_and_the_connection_is_not_used_again() {
    let app = Recorder::start().await;
    let edge = world::judged(&world::settings(app.address), PAY).await;
    let mut tcp = TcpStream::connect(edge.addresses[0]).await.unwrap();
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let request = format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 999999\r\n\r\n{smuggled}");
    tcp.write_all(request.as_bytes()).await.unwrap();
    let first = answer(&mut tcp).await;
    assert!(first.starts_with("HTTP/1.1 413 ") && first.contains("body.too_large"), "{first}");
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(10), tcp.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty(), "answered the smuggled request: {}", String::from_utf8_lossy(&rest));
    assert_eq!(app.seen().len(), 0);
}

/// What used to be called our own fault (500): found by the wire fuzz.
#[tokio::test]
async fn chunks_that_are_none_are_the_clients_fault() {
    let app = Recorder::start().await;
    let edge = world::judged(&world::settings(app.address), PAY).await;
    for body in [
        "8\r\namou\rnt=1\r\n0\r\n\r\n",
        "zz\r\nx\r\n0\r\n\r\n",
        "-1\r\n",
        "ffffffffffffffffff\r\nx\r\n",
        "1\r\nxy\r\n0\r\n\r\n",
    ] {
        let head =
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        let answer = exchange(edge.addresses[0], format!("{head}{body}").as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{body:?}: {answer}");
    }
    assert_eq!(app.seen().len(), 0);
}

#[tokio::test]
async fn d1_an_early_answer_does_not_make_the_body_the_next_request() {
    let app = Recorder::start().await;
    let edge = world::judged(&world::settings(app.address), PAY).await;
    let mut tcp = TcpStream::connect(edge.addresses[0]).await.unwrap();
    let body = "amount=5000&x=GET /smuggled HTTP/1.1";
    tcp.write_all(post("/", "application/x-www-form-urlencoded", body).as_bytes()).await.unwrap();
    assert!(answer(&mut tcp).await.starts_with("HTTP/1.1 403 "));
    tcp.write_all(b"GET /next HTTP/1.1\r\nHost: a.test\r\n\r\n").await.unwrap();
    assert!(answer(&mut tcp).await.starts_with("HTTP/1.1 200 "), "the connection is kept after our own answer");
    assert!(app.only().starts_with("GET /next "), "{}", app.only());
}

#[tokio::test]
async fn a_body_that_does_not_come_in_time_is_not_waited_for() {
    let app = Recorder::start().await;
    let mut settings = world::settings(app.address);
    settings.limits.body_deadline = Duration::from_millis(300);
    let edge = world::judged(&settings, PAY).await;
    let head = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    let answer = exchange(edge.addresses[0], head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(app.seen().len(), 0);
}

#[tokio::test]
async fn expect_is_answered_here_and_never_forwarded() {
    let app = Recorder::start().await;
    let edge = world::judged(&world::settings(app.address), PAY).await;
    for method in ["POST", "PATCH"] {
        let mut tcp = TcpStream::connect(edge.addresses[0]).await.unwrap();
        let head = format!(
            "{method} / HTTP/1.1\r\nHost: a.test\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n\
             Content-Length: 12\r\n\r\n"
        );
        tcp.write_all(head.as_bytes()).await.unwrap();
        assert!(answer(&mut tcp).await.starts_with("HTTP/1.1 100 "), "{method}");
        tcp.write_all(SMALL.as_bytes()).await.unwrap();
        assert!(answer(&mut tcp).await.starts_with("HTTP/1.1 200 "), "{method}");
    }
    for seen in app.seen() {
        let seen = String::from_utf8(seen).unwrap();
        assert!(!seen.to_lowercase().contains("expect") && seen.ends_with(SMALL), "{seen}");
    }
}

#[tokio::test]
async fn an_answer_that_was_held_and_let_go_is_the_apps_own() {
    for (app, status) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nSet-Cookie: sid=1\r\nX-Own: 1\r\n\r\nfailed"[..], 200),
        (
            &b"HTTP/1.1 303 See Other\r\nContent-Length: 2\r\nLocation: /\r\nSet-Cookie: sid=1\r\nX-Own: 1\r\n\r\nin"[..],
            303,
        ),
    ] {
        let app = Recorder::answering(app).await;
        let edge = world::judged(&world::settings(app.address), LOGIN).await;
        let request = post("/login", "application/x-www-form-urlencoded", "username=a&password=b");
        let answer = exchange(edge.addresses[0], request.as_bytes()).await.to_lowercase();
        assert!(answer.starts_with(&format!("http/1.1 {status} ")), "{answer}");
        assert!(answer.contains("set-cookie: sid=1\r\n") && answer.contains("x-own: 1\r\n"), "{answer}");
        assert_eq!(answer.matches("content-length").count(), 1, "{answer}");
        assert!(app.only().ends_with("username=a&password=b"), "the app was asked once: {}", app.only());
    }
}

#[tokio::test]
async fn an_answer_too_large_to_hold_is_not_let_through() {
    let body = "s".repeat(2000);
    let app = format!("HTTP/1.1 303 See Other\r\nContent-Length: 2000\r\nSet-Cookie: sid=1\r\n\r\n{body}").leak();
    let app = Recorder::answering(app.as_bytes()).await;
    let edge = world::judged(&world::settings(app.address), LOGIN).await;
    let answer = exchange(edge.addresses[0], post("/login", "application/json", SMALL).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("outcome.unknown"), "{answer}");
    assert!(!answer.contains("sid=1") && !answer.contains("ssss"), "{answer}");
}

#[tokio::test]
async fn an_event_whose_app_is_dead_is_told_so_and_was_never_sent() {
    let settings = world::settings(world::dead_address().await);
    for policy in [PAY, LOGIN] {
        let edge = world::judged(&settings, policy).await;
        let answer = exchange(edge.addresses[0], post("/login", "application/json", SMALL).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("app.unreachable"), "{answer}");
    }
}

#[tokio::test]
async fn an_event_can_go_to_another_upstream() {
    let (app, restricted) = (Recorder::start().await, Recorder::start().await);
    let mut settings = world::settings(app.address);
    settings.upstreams.insert("restricted".into(), world::upstream("restricted", &[restricted.address]));
    let policy = PAY.replace("otherwise: forward", "otherwise: { reroute: restricted }");
    let edge = world::judged(&settings, &policy).await;
    exchange(edge.addresses[0], post("/", "application/json", SMALL).as_bytes()).await;
    assert_eq!((app.seen().len(), restricted.seen().len()), (0, 1));
}

#[tokio::test]
async fn the_bodies_of_our_own_pages_are_bounded() {
    let app = Recorder::start().await;
    let edge = world::start(&world::settings(app.address)).await;
    let unknown = exchange(edge.addresses[0], post("/.stepward/nothing", "text/plain", "x").as_bytes()).await;
    assert!(unknown.starts_with("HTTP/1.1 404 "), "{unknown}");
    let large = post("/.stepward/answer", "text/plain", &"x".repeat(65 * 1024));
    let mut tcp = TcpStream::connect(edge.addresses[0]).await.unwrap();
    let _ = tcp.write_all(large.as_bytes()).await;
    assert!(answer(&mut tcp).await.starts_with("HTTP/1.1 413 "));
    assert_eq!(app.seen().len(), 0, "nothing of ours reaches an app");
}

#[tokio::test]
async fn a_method_override_cannot_dodge_an_event() {
    let app = Recorder::start().await;
    let policy = "event: remove\ncovers: [DELETE /**]\nwhen_unsure: block\notherwise: block\n";
    let edge = world::judged(&world::settings(app.address), policy).await;
    for request in [
        "POST /x?_method=DELETE HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "POST /x HTTP/1.1\r\nHost: a.test\r\nX-HTTP-Method-Override: DELETE\r\nContent-Length: 0\r\n\r\n".to_owned(),
        post("/x", "application/x-www-form-urlencoded", "a=1&_method=delete"),
    ] {
        let answer = exchange(edge.addresses[0], request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{request} got {answer}");
    }
    assert_eq!(app.seen().len(), 0);
    let plain = exchange(edge.addresses[0], post("/x", "application/x-www-form-urlencoded", "a=1").as_bytes()).await;
    assert!(plain.starts_with("HTTP/1.1 200 "), "{plain}");
}
