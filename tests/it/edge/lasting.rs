//! What stays open or goes wrong: WebSockets, event streams, draining, dead apps.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use stepward::registry::Origin;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    edge::world,
    origin::{App, Recorder, answer, exchange},
};

/// A WebSocket app that says everything back.
async fn websocket_app() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(socket) = tokio_tungstenite::accept_async(tcp).await else { return };
                let (mut out, mut inward) = socket.split();
                while let Some(Ok(message)) = inward.next().await {
                    if message.is_close() || out.send(message).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

async fn open_websocket(address: std::net::SocketAddr) -> tokio_tungstenite::WebSocketStream<TcpStream> {
    let tcp = TcpStream::connect(address).await.unwrap();
    tokio_tungstenite::client_async("ws://a.test/ws", tcp).await.unwrap().0
}

#[tokio::test]
async fn a_websocket_passes_messages_both_ways_also_to_an_http2_app() {
    let mut settings = world::settings(websocket_app().await);
    settings.upstreams.get_mut("app").unwrap().http2 = true;
    let edge = world::start(&settings).await;
    let mut socket = open_websocket(edge.addresses[0]).await;
    for size in [1, 70_000] {
        let message = Message::text("x".repeat(size));
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
}

/// Every GET is an event that is decided again so often.
fn watched(otherwise: &str) -> String {
    format!("event: stream\ncovers: [GET /**]\nrecheck: 1s\nwhen_unsure: block\notherwise: {otherwise}\n")
}

#[tokio::test]
async fn an_open_websocket_is_closed_when_it_is_no_longer_allowed_though_nothing_flows() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stream.yaml");
    std::fs::write(&file, watched("forward")).unwrap();
    let settings = world::settings(websocket_app().await);
    let edge = world::start_with(&settings, Origin::Folder(folder.path().into())).await;
    let mut socket = open_websocket(edge.addresses[0]).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    socket.send(Message::text("still here")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("still here"));
    std::fs::write(&file, watched("block")).unwrap();
    edge.gateway.reload();
    let next = tokio::time::timeout(Duration::from_secs(20), socket.next()).await.expect("closed by the edge");
    assert!(!matches!(next, Some(Ok(Message::Text(_)))), "{next:?}");
}

/// A stream over HTTP/2 that has said one thing and is silent now, and its connection.
async fn open_h2_stream(
    address: std::net::SocketAddr,
    accept: &str,
) -> (h2::client::SendRequest<bytes::Bytes>, h2::RecvStream) {
    let tcp = TcpStream::connect(address).await.unwrap();
    let (client, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let request = http::Request::get("http://a.test/stream").header("accept", accept).body(()).unwrap();
    let response = client.send_request(request, true).unwrap().0.await.unwrap();
    assert_eq!(response.status(), 200);
    let mut stream = response.into_body();
    assert_eq!(stream.data().await.unwrap().unwrap(), "data: 0\n\n");
    (client, stream)
}

/// An app whose stream says one thing and stays open without another word.
async fn silent_app() -> crate::world::App {
    let app = crate::world::App::start().await;
    app.answers("GET /stream", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 0\n\n");
    app
}

#[tokio::test]
async fn a_silent_stream_of_events_over_http2_is_closed_alone_when_it_is_no_longer_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stream.yaml");
    std::fs::write(&file, watched("forward")).unwrap();
    let app = silent_app().await;
    let mut settings = world::settings(app.address);
    settings.upstreams.get_mut("app").unwrap().read = Duration::from_secs(60);
    let edge = world::start_with(&settings, Origin::Folder(folder.path().into())).await;
    let (client, mut stream) = open_h2_stream(edge.addresses[0], "text/event-stream").await;
    let early = tokio::time::timeout(Duration::from_millis(2500), stream.data()).await;
    assert!(early.is_err(), "allowed twice by now, and silent: it stays open, not {early:?}");
    std::fs::write(&file, watched("block")).unwrap();
    edge.gateway.reload();
    let next = tokio::time::timeout(Duration::from_secs(20), stream.data()).await.expect("closed by the edge");
    assert!(!matches!(next, Some(Ok(_))), "{next:?}");
    let mut client = client.ready().await.expect("the connection is open for others");
    let other = http::Request::get("http://a.test/other").body(()).unwrap();
    assert_eq!(client.send_request(other, true).unwrap().0.await.unwrap().status(), 403);
}

#[tokio::test]
async fn any_other_silent_stream_over_http2_ends_when_a_recheck_would_come() {
    let app = silent_app().await;
    let mut settings = world::settings(app.address);
    settings.upstreams.get_mut("app").unwrap().read = Duration::from_secs(60);
    let edge = world::judged(&settings, &watched("forward")).await;
    let (_client, mut stream) = open_h2_stream(edge.addresses[0], "*/*").await;
    let next = tokio::time::timeout(Duration::from_secs(20), stream.data()).await.expect("closed by the edge");
    assert!(!matches!(next, Some(Ok(_))), "{next:?}");
}

#[tokio::test]
async fn a_watched_answer_that_ends_leaves_its_connection_open() {
    let app = App::start().await;
    let edge = world::judged(&world::settings(app.address), &watched("forward")).await;
    let mut tcp = TcpStream::connect(edge.addresses[0]).await.unwrap();
    for _ in 0..2 {
        tcp.write_all(b"GET /events HTTP/1.1\r\nHost: a.test\r\n\r\n").await.unwrap();
        assert!(answer(&mut tcp).await.contains("data: 2"));
    }
}

#[tokio::test]
async fn events_arrive_as_they_are_sent() {
    let app = App::start().await;
    let edge = world::start(&world::settings(app.address)).await;
    let mut tcp = TcpStream::connect(edge.addresses[0]).await.unwrap();
    tcp.write_all(b"GET /events HTTP/1.1\r\nHost: a.test\r\n\r\n").await.unwrap();
    let mut got = String::new();
    let mut buffer = [0; 4096];
    while !got.contains("data: 0") {
        let more = tcp.read(&mut buffer).await.unwrap();
        got.push_str(&String::from_utf8_lossy(&buffer[..more]));
    }
    assert!(!got.contains("data: 2"), "the first event waited for the last: {got}");
}

#[tokio::test]
async fn draining_closes_idle_connections_at_once_and_lets_open_requests_finish() {
    let app = App::start().await;
    let edge = world::start(&world::settings(app.address)).await;
    let address = edge.addresses[0];
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await.unwrap();
    answer(&mut idle).await;
    let open = tokio::spawn(async move { exchange(address, b"GET /slow HTTP/1.1\r\nHost: a.test\r\n\r\n").await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let began = Instant::now();
    let stopping = tokio::spawn(edge.edge.stop(Duration::from_secs(20)));
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.ok();
    let idle_open = began.elapsed();
    assert!(open.await.unwrap().ends_with("slow"), "the open request was answered");
    stopping.await.unwrap();
    assert!(idle_open < Duration::from_millis(700), "idle for {idle_open:?}");
    assert!(began.elapsed() < Duration::from_secs(15), "stopped once the last request was done");
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn stopping_without_grace_ends_open_requests() {
    let app = App::start().await;
    let edge = world::start(&world::settings(app.address)).await;
    let address = edge.addresses[0];
    let open = tokio::spawn(async move { exchange(address, b"GET /slow HTTP/1.1\r\nHost: a.test\r\n\r\n").await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let began = Instant::now();
    edge.edge.stop(Duration::ZERO).await;
    assert!(began.elapsed() < Duration::from_millis(700), "took {:?}", began.elapsed());
    assert_eq!(open.await.unwrap(), "");
}

#[tokio::test]
async fn a_dead_address_is_skipped_whatever_the_method() {
    let app = Recorder::start().await;
    let mut settings = world::settings(app.address);
    let upstream = world::upstream("app", &[world::dead_address().await, app.address]);
    settings.upstreams.insert("app".into(), upstream);
    let edge = world::start(&settings).await;
    for _ in 0..6 {
        let request = b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi";
        let answer = exchange(edge.addresses[0], request).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    assert_eq!(app.seen().len(), 6);
}

#[tokio::test]
async fn a_dead_or_silent_app_is_told_apart_as_page_and_as_problem() {
    let edge = world::start(&world::settings(world::dead_address().await)).await;
    let page = exchange(edge.addresses[0], b"GET / HTTP/1.1\r\nHost: a.test\r\nAccept: text/html\r\n\r\n").await;
    assert!(page.starts_with("HTTP/1.1 502 ") && page.contains("<h1>") && page.contains("app.unreachable"), "{page}");
    let problem = exchange(edge.addresses[0], b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert!(problem.contains("application/problem+json") && problem.contains("\"status\":502"), "{problem}");

    let app = App::start().await;
    let mut settings = world::settings(app.address);
    settings.upstreams.get_mut("app").unwrap().read = Duration::from_millis(200);
    let edge = world::start(&settings).await;
    let late = exchange(edge.addresses[0], b"GET /slow HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert!(late.starts_with("HTTP/1.1 504 ") && late.contains("app.silent"), "{late}");
}

#[tokio::test]
async fn hosts_and_path_prefixes_lead_to_their_apps() {
    let (site, bank, admin) = (Recorder::start().await, Recorder::start().await, Recorder::start().await);
    let mut settings = world::settings(site.address);
    settings.upstreams.insert("bank".into(), world::upstream("bank", &[bank.address]));
    settings.upstreams.insert("admin".into(), world::upstream("admin", &[admin.address]));
    settings.routes.insert(0, world::route(Some("a.test"), "/admin", "admin"));
    settings.routes.push(world::route(Some("*.bank.test"), "/", "bank"));
    let edge = world::start(&settings).await;
    let get = |host: &str, path: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    for (host, path) in [("a.test", "/"), ("a.test", "/administrator"), ("a.test", "/admin/x"), ("x.bank.test", "/")] {
        exchange(edge.addresses[0], get(host, path).as_bytes()).await;
    }
    assert_eq!((site.seen().len(), admin.seen().len(), bank.seen().len()), (2, 1, 1));
    for path in ["/public/../admin/x", "/%61dmin/x", "/public/..%2fadmin", "/x;y/../admin"] {
        let answer = exchange(edge.addresses[0], get("a.test", path).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("path.ambiguous"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn d2_bytes_behind_an_upgrade_that_is_refused_are_no_request() {
    let app = Recorder::start().await;
    let edge = world::start(&world::settings(app.address)).await;
    let request = "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\
                   GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";
    exchange(edge.addresses[0], request.as_bytes()).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let seen = app.seen().concat();
    let seen = String::from_utf8_lossy(&seen);
    assert!(!seen.contains("GET /smuggled"), "{seen}");
}
