//! HTTP/2 clients that do what HTTP/1 cannot: other lengths, other authorities, many streams, gRPC.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request, StatusCode};
use tokio::net::TcpStream;

use crate::{
    edge::world,
    origin::{App, Recorder},
};

async fn client(address: SocketAddr) -> SendRequest<Bytes> {
    let tcp = TcpStream::connect(address).await.unwrap();
    let (client, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    client.ready().await.unwrap()
}

/// The status of an answer, or nothing where the stream was reset.
async fn status(address: SocketAddr, request: Request<()>, body: Option<&'static str>) -> Option<StatusCode> {
    let mut client = client(address).await;
    let (response, mut send) = client.send_request(request, body.is_none()).ok()?;
    if let Some(body) = body {
        let _ = send.send_data(Bytes::from_static(body.as_bytes()), true);
    }
    let response = tokio::time::timeout(Duration::from_secs(10), response).await.expect("an answer or a reset");
    response.ok().map(|response| response.status())
}

#[tokio::test]
async fn c6_c7_heads_without_one_reading_never_reach_the_app() {
    let app = Recorder::start().await;
    let edge = world::start(&world::settings(app.address)).await;
    let refused = [
        Request::get("http://a.test/").header("host", "b.test"),
        Request::get("http://a.test,b.test/"),
        Request::get("http://a.test/").header("authorization", "a").header("authorization", "b"),
        Request::builder().method("get").uri("http://a.test/"),
        Request::builder().method("TRACE").uri("http://a.test/"),
        Request::get("http://a.test/").header("expect", "y 100-continue"),
    ];
    for request in refused {
        let text = format!("{request:?}");
        let Ok(request) = request.body(()) else { continue };
        let status = status(edge.addresses[0], request, None).await;
        assert!(status.is_none_or(|status| status.is_client_error()), "{text} got {status:?}");
    }
    assert_eq!(app.seen().len(), 0);
}

#[tokio::test]
async fn an_unknown_authority_gets_421() {
    let app = Recorder::start().await;
    let edge = world::start(&world::settings(app.address)).await;
    let request = Request::get("http://b.test/").body(()).unwrap();
    assert_eq!(status(edge.addresses[0], request, None).await, Some(StatusCode::MISDIRECTED_REQUEST));
}

#[tokio::test]
async fn d5_a_stream_that_ends_before_its_length_is_no_request() {
    let app = Recorder::start().await;
    let edge = world::start(&world::settings(app.address)).await;
    let short = Request::post("http://a.test/").header("content-length", "10").body(()).unwrap();
    let status = status(edge.addresses[0], short, Some("five!")).await;
    assert!(status.is_none_or(|status| !status.is_success()), "{status:?}");
    assert_eq!(app.seen().len(), 0, "no whole request reached the app");
}

#[tokio::test]
async fn b3_b4_what_clients_say_in_our_name_is_removed_over_http2_too() {
    let app = Recorder::start().await;
    let edge = world::start(&world::settings(app.address)).await;
    let request = Request::get("http://a.test/x")
        .header("stepward-subject", "mallory")
        .header("stepward_subject", "mallory")
        .header("x_forwarded_for", "6.6.6.6")
        .header("x-forwarded-for", "6.6.6.6");
    assert_eq!(status(edge.addresses[0], request.body(()).unwrap(), None).await, Some(StatusCode::OK));
    let seen = app.only();
    assert!(!seen.contains("mallory") && !seen.contains("6.6.6.6"), "{seen}");
    assert!(seen.contains("Host: a.test\r\n"), "{seen}");
}

#[tokio::test]
async fn many_streams_share_one_connection_to_an_http2_app() {
    let app = App::start().await;
    let mut settings = world::settings(app.address);
    settings.upstreams.get_mut("app").unwrap().http2 = true;
    let edge = world::start(&settings).await;
    let mut client = client(edge.addresses[0]).await;
    let mut answers = Vec::new();
    for number in 0..50 {
        client = client.ready().await.unwrap();
        let request = Request::get(format!("http://a.test/{number}")).body(()).unwrap();
        answers.push((number, client.send_request(request, true).unwrap().0));
    }
    for (number, answer) in answers {
        let mut body = answer.await.unwrap().into_body();
        let chunk = body.data().await.unwrap().unwrap();
        assert_eq!(chunk, format!("GET /{number}"), "each stream gets its own answer");
    }
}

#[tokio::test]
async fn a_grpc_like_call_streams_both_ways_and_ends_in_trailers() {
    let app = App::start().await;
    let mut settings = world::settings(app.address);
    settings.upstreams.get_mut("app").unwrap().http2 = true;
    let edge = world::start(&settings).await;
    let mut client = client(edge.addresses[0]).await;
    let request =
        Request::post("http://a.test/echo").header("te", "trailers").header("content-type", "application/grpc");
    let (response, mut send) = client.send_request(request.body(()).unwrap(), false).unwrap();
    send.send_data(Bytes::from_static(b"ping 0"), false).unwrap();
    let mut body = response.await.unwrap().into_body();
    for number in 0..3 {
        let chunk = body.data().await.unwrap().unwrap();
        assert_eq!(chunk, format!("ping {number}"), "answered before the next is sent");
        let _ = body.flow_control().release_capacity(chunk.len());
        if number < 2 {
            send.send_data(Bytes::from(format!("ping {}", number + 1)), false).unwrap();
        }
    }
    send.send_trailers(HeaderMap::new()).unwrap();
    while body.data().await.transpose().unwrap().is_some() {}
    assert_eq!(body.trailers().await.unwrap().unwrap()["grpc-status"], "0");
}

#[tokio::test]
async fn a_header_list_over_the_limit_is_refused() {
    let app = Recorder::start().await;
    let edge = world::start(&world::settings(app.address)).await;
    for (count, size) in [(20, 4000), (150, 10)] {
        let mut request = Request::get("http://a.test/");
        for number in 0..count {
            request = request.header(format!("x-{number}"), "a".repeat(size));
        }
        let status = status(edge.addresses[0], request.body(()).unwrap(), None).await;
        assert!(status.is_none_or(|status| status.is_client_error()), "{count} of {size}: {status:?}");
    }
    assert_eq!(app.seen().len(), 0);
}

#[tokio::test]
async fn d6_answers_of_different_users_never_mix_while_others_break_off() {
    let app = App::start().await;
    let edge = world::start(&world::settings(app.address)).await;
    let address = edge.addresses[0];
    let mut users = tokio::task::JoinSet::new();
    for user in 0..8 {
        users.spawn(async move {
            for turn in 0..40 {
                let path = format!("/{user}-{turn}");
                let request = format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n");
                if turn % 4 == 3 {
                    // Breaks off in the middle of an upload: that connection to the app must not be used again.
                    let upload = b"POST /echo HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100\r\n\r\nGET /foreign";
                    let mut tcp = TcpStream::connect(address).await.unwrap();
                    tokio::io::AsyncWriteExt::write_all(&mut tcp, upload).await.unwrap();
                    continue;
                }
                let answer = crate::origin::exchange(address, request.as_bytes()).await;
                assert!(answer.ends_with(&format!("GET {path}")), "{path} got {answer}");
            }
        });
    }
    while let Some(user) = users.join_next().await {
        user.unwrap();
    }
}
