//! Apps to put behind the edge: one that keeps every byte it got, and one on hyper that speaks HTTP/1, HTTP/2 and TLS.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// An app that keeps the bytes of every request and answers `200` with `app`.
#[derive(Clone)]
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Recorder {
    pub(crate) async fn start() -> Self {
        Recorder::answering(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\napp").await
    }

    /// Every request gets these bytes.
    pub(crate) async fn answering(answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let recorder = Recorder { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let seen = recorder.seen.clone();
        tokio::spawn(async move {
            while let Ok((mut tcp, _)) = listener.accept().await {
                let seen = seen.clone();
                tokio::spawn(async move {
                    while let Some(request) = read_message(&mut tcp).await {
                        seen.lock().unwrap().push(request);
                        if tcp.write_all(answer).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        recorder
    }

    /// Every request so far, byte for byte.
    pub(crate) fn seen(&self) -> Vec<Vec<u8>> {
        self.seen.lock().unwrap().clone()
    }

    /// The only request so far, as text.
    pub(crate) fn only(&self) -> String {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "the app should have seen one request");
        String::from_utf8(seen.into_iter().next().unwrap()).unwrap()
    }
}

/// One whole HTTP/1 message, byte for byte; `None` when the other side closes.
pub(crate) async fn read_message(stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    if head.contains("transfer-encoding: chunked") {
        while !bytes.ends_with(b"0\r\n\r\n") {
            bytes.push(stream.read_u8().await.ok()?);
        }
    } else if let Some(length) = head.split("content-length: ").nth(1) {
        let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        bytes.extend(body);
    }
    Some(bytes)
}

type Body = BoxBody<Bytes, Infallible>;

/// An app on hyper. `/echo` gives the body back as it comes, with trailers; `/headers` what it was told; `/slow`
/// answers after a second; `/events` sends three events, 50 ms apart.
pub(crate) struct App {
    pub(crate) address: SocketAddr,
}

impl App {
    pub(crate) async fn start() -> Self {
        App::serve(None).await
    }

    pub(crate) async fn with_tls(config: rustls::ServerConfig) -> Self {
        App::serve(Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn serve(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let tls = tls.clone();
                tokio::spawn(async move {
                    match tls {
                        None => speak(tcp).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(tcp).await {
                                speak(stream).await;
                            }
                        }
                    }
                });
            }
        });
        App { address }
    }
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let builder = auto::Builder::new(TokioExecutor::new());
    // A client that breaks off is part of many tests.
    let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service_fn(app)).await;
}

async fn app(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let response = Response::builder().header("x-version", format!("{:?}", request.version()));
    let body: Body = match path.as_str() {
        "/echo" => echo(request.into_body()),
        "/headers" => text(format!("{:?} {:?}", request.uri(), request.headers())),
        "/slow" => {
            tokio::time::sleep(Duration::from_secs(1)).await;
            text("slow".into())
        }
        "/events" => {
            let events = stream::unfold(0, |sent| async move {
                if sent == 3 {
                    return None;
                }
                if sent > 0 {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Some((Ok(Frame::data(Bytes::from(format!("data: {sent}\n\n")))), sent + 1))
            });
            BodyExt::boxed(StreamBody::new(events))
        }
        _ => text(format!("{} {path}", request.method())),
    };
    Ok(response.body(body).unwrap())
}

fn text(text: String) -> Body {
    http_body_util::Full::new(Bytes::from(text)).boxed()
}

/// The body as it comes, then `grpc-status` as a trailer.
fn echo(body: Incoming) -> Body {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let data = body.into_data_stream().filter_map(|chunk| async { chunk.ok().map(|bytes| Ok(Frame::data(bytes))) });
    let last = stream::once(async move { Ok(Frame::trailers(trailers)) });
    BodyExt::boxed(StreamBody::new(data.chain(last)))
}

/// Sends bytes on a connection of their own and reads one whole answer; empty where there is none.
pub(crate) async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(request).await.unwrap();
    answer(&mut tcp).await
}

/// One whole answer, or nothing where the other side closes.
pub(crate) async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let answer = tokio::time::timeout(Duration::from_secs(10), read_message(stream)).await;
    String::from_utf8_lossy(&answer.ok().flatten().unwrap_or_default()).into_owned()
}
