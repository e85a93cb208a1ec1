//! Requests that are no event: streamed both ways, over HTTP/1.1 and HTTP/2.

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::{
    edge::world,
    origin::{App, Recorder, exchange},
};

#[tokio::test]
async fn a_request_reaches_the_app_byte_for_byte_and_tells_it_about_its_client() {
    let app = Recorder::start().await;
    let edge = world::start(&world::settings(app.address)).await;
    let request =
        "POST /a%20b/;v=1?q=%2F&q=2 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\nX-Own: 1\r\n\r\n\0\x01\r\n";
    let answer = exchange(edge.addresses[0], request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\napp"), "{answer}");
    let seen = app.only();
    assert!(seen.starts_with("POST /a%20b/;v=1?q=%2F&q=2 HTTP/1.1\r\n"), "{seen}");
    assert!(seen.ends_with("\r\n\r\n\0\x01\r\n"), "{seen}");
    for field in ["X-Own: 1", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: a.test"] {
        assert!(seen.contains(&format!("{field}\r\n")), "{field} in {seen}");
    }
}

#[tokio::test]
async fn h2c_clients_are_served_and_stream_trailers_end_to_end_to_an_http2_app() {
    let app = App::start().await;
    let mut settings = world::settings(app.address);
    settings.upstreams.get_mut("app").unwrap().http2 = true;
    let edge = world::start(&settings).await;
    let tcp = TcpStream::connect(edge.addresses[0]).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tcp)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post("http://a.test/echo").body(Full::new(Bytes::from_static(b"ping"))).unwrap();
    let response = client.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.version(), Version::HTTP_2);
    assert_eq!(response.headers()["x-version"], "HTTP/2.0");
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0", "trailers are what gRPC is answered with");
    assert_eq!(body.to_bytes(), "ping");
}

#[tokio::test]
async fn several_requests_use_one_connection() {
    let app = Recorder::start().await;
    let edge = world::start(&world::settings(app.address)).await;
    let tcp = TcpStream::connect(edge.addresses[0]).await.unwrap();
    let (mut client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tcp)).await.unwrap();
    tokio::spawn(connection);
    for path in ["/1", "/2", "/3"] {
        let request = Request::get(path).header("host", "a.test").body(Full::<Bytes>::default()).unwrap();
        let response = client.send_request(request).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "app");
    }
    assert_eq!(app.seen().len(), 3);
}
