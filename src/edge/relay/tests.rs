use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::{edge::upstream, settings};

/// An app that answers one connection with these bytes and gives back what it was sent.
async fn app(answer: &'static [u8]) -> (Upstream, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        while !seen.ends_with(b"}") {
            let more = tcp.read(&mut buffer).await.unwrap();
            assert_ne!(more, 0, "{}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&buffer[..more]);
        }
        tcp.write_all(answer).await.unwrap();
        // Nothing more may come: a request is never sent twice.
        let more = tokio::time::timeout(Duration::from_millis(500), listener.accept()).await;
        assert!(more.is_err(), "a second connection");
        String::from_utf8(seen).unwrap()
    });
    (upstream::tests::at(&[&address.to_string()]).await, seen)
}

fn resumed() -> (RequestHeader, Load) {
    let parked = Parked {
        event: "transfer".into(),
        subject: None,
        method: "PUT".into(),
        host: "a.test".into(),
        target: "/a%2Fb/../c?x=1&y".into(),
        headers: [
            ("Content-Type", "application/json"),
            ("Cookie", "old=1"),
            ("Authorization", "old"),
            ("Host", "evil.test"),
            ("Transfer-Encoding", "chunked"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec(),
        body: BASE64.encode(b"{\"amount\":  5}"),
        spooled: None,
        answer: None,
        asked: None,
    };
    let mut live = RequestHeader::build("GET", b"/done?stepward_resume=x", None).unwrap();
    for (name, value) in [("Host", "a.test"), ("Cookie", "live=1"), ("Authorization", "live")] {
        live.append_header(name, value).unwrap();
    }
    let load = Load::Whole(parked_body(&parked).unwrap());
    (super::parked(&parked, &live, &load).unwrap(), load)
}

#[tokio::test]
async fn a_parked_request_is_sent_as_it_came_with_the_live_credentials() {
    let (upstream, seen) =
        app(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nStepward-Require: passkey\r\nX-Own: 1\r\n\r\nok").await;
    let (request, body) = resumed();
    let mut answer = Relay::default().send(&upstream, request, body, None).await.unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "ok");
    assert!(answer.head.headers.contains_key("x-own") && !answer.head.headers.contains_key("stepward-require"));
    let seen = seen.await.unwrap();
    assert!(seen.starts_with("PUT /a%2Fb/../c?x=1&y HTTP/1.1\r\n"), "{seen}");
    assert!(seen.ends_with("\r\n\r\n{\"amount\":  5}"), "{seen}");
    let seen = seen.to_lowercase();
    for field in ["host: a.test", "cookie: live=1", "authorization: live", "content-length: 14"] {
        assert!(seen.contains(&format!("{field}\r\n")), "{field} in {seen}");
    }
    for trace in ["old", "evil", "chunked", "stepward"] {
        assert!(!seen.contains(trace), "{trace} in {seen}");
    }
}

#[tokio::test]
async fn an_app_that_breaks_off_leaves_the_outcome_unknown_and_is_not_asked_again() {
    let (upstream, seen) = app(b"").await;
    let (request, body) = resumed();
    let lost = Relay::default().send(&upstream, request, body, None).await;
    assert!(matches!(lost, Err(Lost::Unknown(_))));
    seen.await.unwrap();
}

#[tokio::test]
async fn an_app_that_is_not_there_was_never_asked() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let upstream = upstream::tests::at(&[&address, &address]).await;
    let (request, body) = resumed();
    assert!(matches!(Relay::default().send(&upstream, request, body, None).await, Err(Lost::Unsent(_))));
}

#[tokio::test]
async fn a_dead_address_is_skipped() {
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (alive, seen) = app(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    let mut addresses = vec![("127.0.0.1".into(), dead.port())];
    addresses.extend(alive.settings.addresses.clone());
    let both = upstream::tests::of(settings::Upstream { addresses, ..alive.settings.clone() }).await;
    let (request, body) = resumed();
    let answer = Relay::default().send(&both, request, body, None).await.unwrap();
    assert_eq!(answer.head.status, 204);
    seen.await.unwrap();
}

#[tokio::test]
async fn informational_answers_are_skipped_and_hop_by_hop_fields_stay_behind() {
    let (upstream, seen) = app(
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: X-Hop\r\n\
          X-Hop: 1\r\nKeep-Alive: timeout=5\r\nSet-Cookie: sid=1\r\n\r\nsecret",
    )
    .await;
    let (request, body) = resumed();
    let answer = Relay::default().send(&upstream, request, body, None).await.unwrap();
    let withheld = answer.withhold(6).await.unwrap().unwrap();
    assert_eq!((withheld.status, withheld.body.as_str()), (200, BASE64.encode(b"secret").as_str()));
    let names: Vec<&str> = withheld.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["content-length", "set-cookie"]);
    seen.await.unwrap();
}

#[tokio::test]
async fn an_answer_over_the_limit_is_not_held() {
    let (upstream, _seen) = app(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret").await;
    let (request, body) = resumed();
    let answer = Relay::default().send(&upstream, request, body, None).await.unwrap();
    assert!(answer.withhold(5).await.unwrap().is_none());
}
