//! What is open when somebody is revoked or locked out: decided again at once, long before its `recheck` of five minutes.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use http::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    origin,
    visitor::Visitor,
    world::{LOGIN, Town, World, status},
};

/// Only for people who are signed in.
pub(crate) const STREAM: &str = "
event: stream
covers: [GET /ws, GET /events]
when_unsure: block
otherwise: forward
steps:
  - decide: people only
    rules:
      - rule: no machines
        when: subject.kind != \"human\"
        then: block
";
/// For everybody.
const OPEN: &str = "event: open\ncovers: [GET /ws]\nwhen_unsure: block\notherwise: forward\n";
/// Locks out whoever comes.
pub(crate) const LOCK: &str =
    "event: lock\ncovers: [GET /lock]\nwhen_unsure: block\notherwise: { lock_out: subject, for: 10m }\n";
const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 0\n\n";
/// What the issue allows.
const CLOSED_WITHIN: Duration = Duration::from_secs(5);

/// A WebSocket of this visitor, whose app says everything back.
pub(crate) struct Tunnel(TcpStream);

impl Tunnel {
    pub(crate) async fn open(address: SocketAddr, visitor: &Visitor) -> Tunnel {
        let mut tcp = TcpStream::connect(address).await.unwrap();
        let open = format!(
            "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nCookie: {}\r\n\r\n",
            cookies(visitor),
        );
        tcp.write_all(open.as_bytes()).await.unwrap();
        let head = origin::answer(&mut tcp).await;
        assert_eq!(status(&head), 101, "{head}");
        let mut tunnel = Tunnel(tcp);
        tunnel.says_back().await;
        tunnel
    }

    pub(crate) async fn says_back(&mut self) {
        self.0.write_all(b"ping").await.unwrap();
        let mut echo = [0; 4];
        timeout(Duration::from_secs(10), self.0.read_exact(&mut echo)).await.expect("an echo").unwrap();
        assert_eq!(&echo, b"ping");
    }

    /// How long it took to be closed, though nothing flows.
    pub(crate) async fn closes(mut self) -> Duration {
        let began = Instant::now();
        let mut rest = Vec::new();
        let closed = timeout(CLOSED_WITHIN, self.0.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "still open after {CLOSED_WITHIN:?}");
        assert_eq!(rest, b"", "nothing came any more");
        began.elapsed()
    }
}

fn cookies(visitor: &Visitor) -> String {
    let cookies: Vec<_> = visitor.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    cookies.join("; ")
}

async fn town(stream: &str) -> Town {
    let town = World::new().policy(LOGIN).policy(stream).policy(LOCK);
    let town = town.settings("admin: { address: \"127.0.0.1:0\" }").start().await;
    town.app.opens_a_tunnel("GET /ws");
    town.app.answers("GET /events", EVENTS);
    town
}

async fn signed_in(town: &Town, name: &str) -> Visitor {
    let mut visitor = town.visitor();
    town.sign_in(&mut visitor, name).await;
    visitor
}

/// An operator ends the sessions of this subject.
async fn revoke(town: &Town, name: &str) {
    let token = std::fs::read_to_string(town.folder.path().join("state/admin-token")).unwrap();
    let token = token.split_whitespace().find(|it| it.starts_with("sw_")).unwrap();
    let url = format!("http://{}/api/v1/sessions/revoke", town.gateway.api.admin.unwrap());
    let body = serde_json::json!({ "subject": name });
    let answer = reqwest::Client::new().post(url).json(&body).bearer_auth(token).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

/// How often this event was decided.
fn decided(town: &Town, event: &str) -> usize {
    town.decisions().iter().filter(|it| it["event"] == event).count()
}

async fn until_decided(town: &Town, event: &str, count: usize) {
    let began = Instant::now();
    while decided(town, event) < count {
        assert!(began.elapsed() < CLOSED_WITHIN, "{event} was not decided {count} times");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_open_websocket_of_a_revoked_session_is_closed_and_nobody_elses() {
    let town = town(STREAM).await;
    let (ada, bob) = (signed_in(&town, "ada").await, signed_in(&town, "bob").await);
    let hers = Tunnel::open(town.address(), &ada).await;
    let mut his = Tunnel::open(town.address(), &bob).await;
    revoke(&town, "ada").await;
    hers.closes().await;
    his.says_back().await;
    assert_eq!(decided(&town, "stream"), 3, "his was not even asked about");
}

#[tokio::test]
async fn a_revocation_closes_nothing_that_is_still_forwarded() {
    let town = town(OPEN).await;
    let ada = signed_in(&town, "ada").await;
    let mut tunnel = Tunnel::open(town.address(), &ada).await;
    revoke(&town, "ada").await;
    until_decided(&town, "open", 2).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    tunnel.says_back().await;
}

#[tokio::test]
async fn a_lock_out_at_another_request_closes_what_is_open_of_the_same_subject() {
    let town = town(OPEN).await;
    let (mut ada, bob) = (signed_in(&town, "ada").await, signed_in(&town, "bob").await);
    let hers = Tunnel::open(town.address(), &ada).await;
    let mut his = Tunnel::open(town.address(), &bob).await;
    assert_eq!(ada.get("/lock").await.status, StatusCode::FORBIDDEN);
    hers.closes().await;
    his.says_back().await;
}

#[tokio::test]
async fn silent_streams_of_events_of_a_revoked_session_are_closed_over_http1_and_http2() {
    let town = town(STREAM).await;
    let ada = signed_in(&town, "ada").await;

    let mut first = TcpStream::connect(town.address()).await.unwrap();
    let request = format!("GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {}\r\n\r\n", cookies(&ada));
    first.write_all(request.as_bytes()).await.unwrap();
    let mut got = Vec::new();
    while !got.ends_with(b"data: 0\n\n") && !got.ends_with(b"data: 0\n\n\r\n") {
        assert!(timeout(CLOSED_WITHIN, first.read_buf(&mut got)).await.expect("an event").unwrap() > 0);
    }

    let tcp = TcpStream::connect(town.address()).await.unwrap();
    let (client, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let request = http::Request::get("http://127.0.0.1/events").header("accept", "text/event-stream");
    let request = request.header("cookie", cookies(&ada)).body(()).unwrap();
    let mut second = client.send_request(request, true).unwrap().0.await.unwrap().into_body();
    assert_eq!(second.data().await.unwrap().unwrap(), "data: 0\n\n");

    revoke(&town, "ada").await;
    let mut rest = Vec::new();
    // How it is closed does not matter here.
    let _ = timeout(CLOSED_WITHIN, first.read_to_end(&mut rest)).await.expect("closed over HTTP/1");
    let next = timeout(CLOSED_WITHIN, second.data()).await.expect("closed over HTTP/2");
    assert!(!matches!(next, Some(Ok(_))), "{next:?}");
    client.ready().await.expect("the connection is open for others");
}
