//! Clients that take their time, and how many of them there may be.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    edge::world,
    origin::{Recorder, answer, exchange},
};

const DEADLINE: Duration = Duration::from_millis(400);

/// Sends the bytes one by one, then nothing; how long until the other side closed.
async fn until_closed(address: std::net::SocketAddr, bytes: &[u8], pause: Duration) -> Duration {
    let began = Instant::now();
    let mut tcp = TcpStream::connect(address).await.unwrap();
    let (mut read, mut write) = tcp.split();
    let dribble = async {
        for byte in bytes {
            if write.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        std::future::pending::<()>().await;
    };
    let mut got = Vec::new();
    tokio::select! {
        () = dribble => {}
        _ = read.read_to_end(&mut got) => {}
        () = tokio::time::sleep(Duration::from_secs(20)) => panic!("still open after 20 s"),
    }
    began.elapsed()
}

#[tokio::test]
async fn k3_a_header_has_a_deadline_in_all_however_its_bytes_trickle_in() {
    let app = Recorder::start().await;
    let mut settings = world::settings(app.address);
    settings.limits.header_deadline = DEADLINE;
    let edge = world::start(&settings).await;
    let endless = [b"GET / HTTP/1.1\r\nHost: a.test\r\nX: ".as_slice(), &[b'a'; 2000]].concat();
    for (what, bytes, pause) in [
        ("silent", &b""[..], Duration::ZERO),
        ("half a header", &endless[..40], Duration::ZERO),
        ("one byte after the other", &endless, Duration::from_millis(30)),
        ("half an HTTP/2 preface", b"PRI * HTTP/2", Duration::ZERO),
    ] {
        let open = until_closed(edge.addresses[0], bytes, pause).await;
        assert!(open >= DEADLINE / 2, "{what}: closed after {open:?}, before the deadline");
        assert!(open < Duration::from_secs(10), "{what}: open for {open:?}");
    }
    assert_eq!(app.seen().len(), 0);
}

#[tokio::test]
async fn k3_a_second_request_has_the_deadline_of_the_first() {
    let app = Recorder::start().await;
    let mut settings = world::settings(app.address);
    settings.limits.header_deadline = DEADLINE;
    let edge = world::start(&settings).await;
    let mut tcp = TcpStream::connect(edge.addresses[0]).await.unwrap();
    for _ in 0..2 {
        tcp.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await.unwrap();
        assert!(answer(&mut tcp).await.starts_with("HTTP/1.1 200 "));
        // Idle between requests is not slow.
        tokio::time::sleep(DEADLINE * 2).await;
    }
    tcp.write_all(b"GET / HT").await.unwrap();
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(10), tcp.read_to_end(&mut rest)).await.unwrap().ok();
    assert_eq!(app.seen().len(), 2);
}

#[tokio::test]
async fn k3_a_tls_handshake_that_stalls_is_closed() {
    let app = Recorder::start().await;
    let folder = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(vec!["a.test".into()]).unwrap();
    let certificate =
        stepward::settings::Certificate { certificate: folder.path().join("a.pem"), key: folder.path().join("a.key") };
    std::fs::write(&certificate.certificate, certified.cert.pem()).unwrap();
    std::fs::write(&certificate.key, certified.signing_key.serialize_pem()).unwrap();
    let mut settings = world::settings(app.address);
    settings.limits.header_deadline = DEADLINE;
    settings.listen[0].tls = vec![certificate];
    let edge = world::start(&settings).await;
    let open = until_closed(edge.addresses[0], b"\x16\x03\x01", Duration::ZERO).await;
    assert!(open < Duration::from_secs(10), "open for {open:?}");
}

#[tokio::test]
async fn short_http1_requests_are_not_taken_for_an_http2_preface() {
    let app = Recorder::start().await;
    let edge = world::start(&world::settings(app.address)).await;
    // 18 bytes: Pingora's own peek waits for 24.
    let answer = exchange(edge.addresses[0], b"GET / HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.") && answer.contains(" 400 "), "no host, but an answer: {answer}");
}

#[tokio::test]
async fn one_address_gets_so_many_connections() {
    let app = Recorder::start().await;
    let mut settings = world::settings(app.address);
    settings.limits.connections_per_ip_max = 2;
    let edge = world::start(&settings).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut tcp = TcpStream::connect(edge.addresses[0]).await.unwrap();
        tcp.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await.unwrap();
        assert!(answer(&mut tcp).await.starts_with("HTTP/1.1 200 "));
        open.push(tcp);
    }
    let request = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    assert_eq!(try_exchange(edge.addresses[0], request).await, "", "the third is closed at once");
    open.clear();
    for _ in 0..50 {
        if try_exchange(edge.addresses[0], request).await.starts_with("HTTP/1.1 200 ") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no place became free");
}

async fn try_exchange(address: std::net::SocketAddr, request: &[u8]) -> String {
    let Ok(mut tcp) = TcpStream::connect(address).await else { return String::new() };
    match tcp.write_all(request).await {
        Ok(()) => answer(&mut tcp).await,
        Err(_) => String::new(),
    }
}

#[tokio::test]
async fn a_proxy_protocol_header_names_the_client_only_from_a_trusted_proxy() {
    let app = Recorder::start().await;
    let mut settings = world::settings(app.address);
    settings.listen[0].proxy_protocol = true;
    settings.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    let edge = world::start(&settings).await;
    let request = "PROXY TCP4 192.0.2.7 10.0.0.1 4711 80\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\
                   X-Forwarded-For: 6.6.6.6\r\n\r\n";
    assert!(exchange(edge.addresses[0], request.as_bytes()).await.starts_with("HTTP/1.1 200 "));
    let seen = app.only();
    assert!(seen.contains("X-Forwarded-For: 192.0.2.7\r\n") && !seen.contains("6.6.6.6"), "{seen}");
    let without = try_exchange(edge.addresses[0], b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(without, "", "the header is demanded");

    settings.trusted_proxies.clear();
    let edge = world::start(&settings).await;
    assert_eq!(try_exchange(edge.addresses[0], request.as_bytes()).await, "", "nobody is trusted");
}

#[tokio::test]
async fn a_trusted_proxy_may_say_who_the_client_is_and_how_it_came() {
    let app = Recorder::start().await;
    let mut settings = world::settings(app.address);
    settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let edge = world::start(&settings).await;
    let request = "GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n\r\n";
    exchange(edge.addresses[0], request.as_bytes()).await;
    let seen = app.only();
    assert!(seen.contains("X-Forwarded-For: 192.0.2.7, 127.0.0.1\r\n"), "{seen}");
    assert!(seen.contains("X-Forwarded-Proto: https\r\n"), "{seen}");
}
