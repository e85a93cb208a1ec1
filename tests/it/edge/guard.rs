//! What may not enter, sent as raw bytes; named by the advisory rows of `research/security.md` §1.

use crate::{
    edge::world,
    origin::{Recorder, exchange},
};

/// Each of these must end here with the status, and the app must see nothing of it.
async fn refused(status: u16, vectors: &[&str]) {
    let app = Recorder::start().await;
    let edge = world::start(&world::settings(app.address)).await;
    for vector in vectors {
        let answer = exchange(edge.addresses[0], vector.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{vector:?} got {answer:?}");
        assert_eq!(app.seen().len(), 0, "{vector:?} reached the app");
    }
}

#[tokio::test]
async fn a_targets_without_one_reading_are_refused() {
    let targets =
        ["a", "x.test/a", "?q", "*", "/a\\b", "/a#frag", " /a", "/caf\u{e9}", "/a\u{7f}", "http://a.test\\@b/"];
    let vectors = targets.map(|target| format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
    refused(400, &vectors.each_ref().map(String::as_str)).await;
}

#[tokio::test]
async fn c6_hosts_without_one_reading_are_refused() {
    let hosts = ["", "a.test,b.test", "a.test b.test", "a.test/x", "a%2etest", "a.test:x", "a.test:99999", "[::zz]"];
    let vectors = hosts.map(|host| format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    refused(400, &vectors.each_ref().map(String::as_str)).await;
    refused(400, &["GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n\r\n"]).await;
}

#[tokio::test]
async fn c1_c2_a_host_is_known_in_any_case_with_port_or_trailing_dot_and_others_get_421() {
    let app = Recorder::start().await;
    let edge = world::start(&world::settings(app.address)).await;
    for host in ["A.TeSt", "a.test:8080", "a.test.", "A.TEST.:1"] {
        let answer = exchange(edge.addresses[0], format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{host} got {answer}");
    }
    for host in ["b.test", "a.test.evil", "127.0.0.1", "xa.test"] {
        let answer = exchange(edge.addresses[0], format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 421 "), "{host} got {answer}");
        assert!(answer.contains("application/problem+json") && answer.contains("\"reason\":\"host.unknown\""));
    }
}

#[tokio::test]
async fn d3_d4_bodies_of_ambiguous_length_are_refused() {
    let framings = [
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: 0x5",
        "Content-Length: ",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity",
        "Expect: y 100-continue\r\nContent-Length: 5",
    ];
    let app = Recorder::start().await;
    let edge = world::start(&world::settings(app.address)).await;
    for framing in framings {
        let vector = format!("POST / HTTP/1.1\r\nHost: a.test\r\n{framing}\r\n\r\nhello");
        let answer = exchange(edge.addresses[0], vector.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{framing:?} got {answer:?}");
        assert_eq!(app.seen().len(), 0, "{framing:?} reached the app");
    }
    refused(400, &["POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"]).await;
}

#[tokio::test]
async fn b6_a_client_cannot_nominate_fields_away() {
    let options = ["Cookie", "Authorization", "stepward-subject", "STEPWARD-EVENT", "close, X-User", "\"cookie\""];
    let vectors = options.map(|option| {
        format!(
            "GET / HTTP/1.1\r\nHost: a.test\r\nCookie: a=1\r\nConnection: keep-alive\r\nConnection: {option}\r\n\r\n"
        )
    });
    refused(400, &vectors.each_ref().map(String::as_str)).await;
}

#[tokio::test]
async fn methods_that_apps_read_differently_are_refused() {
    let methods = ["get", "Post", "TRACE", "TRACK", "G3T"];
    let vectors = methods.map(|method| format!("{method} / HTTP/1.1\r\nHost: a.test\r\n\r\n"));
    refused(400, &vectors.each_ref().map(String::as_str)).await;
}

#[tokio::test]
async fn b7_two_authorizations_are_refused() {
    refused(400, &["GET / HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n"])
        .await;
}

#[tokio::test]
async fn absolute_form_is_forwarded_in_origin_form() {
    let app = Recorder::start().await;
    let edge = world::start(&world::settings(app.address)).await;
    let answer = exchange(edge.addresses[0], b"GET http://a.test/x?y=1 HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(app.only().starts_with("GET /x?y=1 HTTP/1.1\r\n"), "{}", app.only());
}

#[tokio::test]
async fn b1_b4_b12_what_clients_say_in_our_name_never_reaches_the_app() {
    let app = Recorder::start().await;
    let edge = world::start(&world::settings(app.address)).await;
    let request = "GET / HTTP/1.1\r\nHost: a.test\r\nStepward-Subject: admin\r\nSTEPWARD_SUBJECT: admin\r\n\
                   Stepward-Event: x\r\nX_Forwarded_For: 1.1.1.1\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n\
                   X-Forwarded-Uri: /public\r\nForwarded: for=6.6.6.6\r\nX-Original-URL: /admin\r\n\r\n";
    exchange(edge.addresses[0], request.as_bytes()).await;
    let seen = app.only().to_ascii_lowercase();
    for trace in ["stepward", "admin", "6.6.6.6", "1.1.1.1", "x-forwarded-uri", "x-forwarded-proto: https"] {
        assert!(!seen.contains(trace), "{trace} in {seen}");
    }
    assert!(seen.contains("x-forwarded-for: 127.0.0.1\r\n"), "{seen}");
}
