//! One client connection: what is known about it, and the deadline for each request's header.
//!
//! Wraps whatever Pingora would read from. It never looks into the bytes; it only counts, times and cuts. A header
//! that is not complete in time, or a stream that is no longer allowed, ends the connection with an I/O error.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU16, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use async_trait::async_trait;
use bytes::{Buf as _, BytesMut};
use futures_util::task::AtomicWaker;
use http::HeaderValue;
use pingora::{
    http::ResponseHeader,
    protocols::{
        ALPN, Digest, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream,
        TimingDigest, UniqueID, UniqueIDType,
        raw_connect::ProxyDigest,
        tls::{SslDigest, TlsRef},
    },
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

/// How an HTTP/2 client that knows begins (RFC 9113 §3.4).
pub(crate) const H2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What is written is gathered up to this many bytes, so that the head and the body of a small answer leave in one call
/// to the system. Pingora does the same to connections that its own listeners accept.
const GATHER_BYTES_MAX: usize = 16 * 1024;

const IDLE: u8 = 0;
const HEADER: u8 = 1;
const BODY: u8 = 2;

/// What every request on a connection may know about it.
#[derive(Debug)]
pub(crate) struct Connection {
    phase: AtomicU8,
    cut: AtomicBool,
    unread: AtomicU16,
    watched: AtomicBool,
    waker: AtomicWaker,
    /// Who connected; behind a PROXY protocol header, who it names.
    pub(crate) peer: SocketAddr,
    /// Whether that is a trusted proxy.
    pub(crate) trusted: bool,
    /// Whether our listener terminated TLS.
    pub(crate) secure: bool,
    /// The peer's address as a header value, made once.
    pub(crate) forwarded_for: HeaderValue,
}

impl Connection {
    /// A connection whose first header is still to come.
    pub(crate) fn new(peer: SocketAddr, trusted: bool, secure: bool) -> io::Result<Self> {
        let forwarded_for = HeaderValue::from_str(&peer.ip().to_canonical().to_string()).map_err(io::Error::other)?;
        Ok(Connection {
            phase: AtomicU8::new(HEADER),
            cut: AtomicBool::new(false),
            unread: AtomicU16::new(0),
            watched: AtomicBool::new(false),
            waker: AtomicWaker::new(),
            peer,
            trusted,
            secure,
            forwarded_for,
        })
    }

    /// The connection behind a request.
    pub(crate) fn of(digest: Option<&Digest>) -> Option<&Arc<Connection>> {
        digest?.proxy_digest.as_ref()?.user_data.as_ref()?.downcast_ref::<Arc<Connection>>()
    }

    /// A request's header is complete: the deadline no longer counts.
    pub(crate) fn header_done(&self) {
        self.phase.store(BODY, Ordering::Relaxed);
    }

    /// A request is over: the next byte begins another.
    pub(crate) fn request_done(&self) {
        self.phase.store(IDLE, Ordering::Relaxed);
    }

    /// The status with which Pingora answered what it could not read as a request, if it did; such a connection ends.
    pub(crate) fn unread(&self) -> Option<u16> {
        Some(self.unread.load(Ordering::Acquire)).filter(|status| *status != 0)
    }

    /// Pingora answers by itself what it could not read.
    fn cannot_be_read(&self, answer: &[u8]) {
        let status = answer.get(9..12).and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
        self.unread.store(status.unwrap_or(400), Ordering::Release);
        self.request_done();
    }

    /// From now on [`Connection::cut`] takes effect even while nothing is read.
    pub(crate) fn watch(&self) {
        self.watched.store(true, Ordering::Release);
    }

    /// Ends the connection at its next read or write, and wakes it for that.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// The stream that Pingora reads from.
#[derive(Debug)]
pub(crate) struct Guarded {
    io: Stream,
    /// Written but not yet given to `io`; empty, and without memory of its own, between answers.
    gathered: BytesMut,
    connection: Arc<Connection>,
    digest: Arc<ProxyDigest>,
    limit: Duration,
    deadline: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    protocol: Protocol,
}

/// What the client speaks, as far as the deadline needs to know.
#[derive(Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    /// HTTP/2, and how many bytes of its opening are still missing.
    Http2 {
        opening_left: usize,
    },
}

impl Guarded {
    /// `preface` is whether a clear-text client began with the HTTP/2 preface (already seen, put back into `io`).
    pub(crate) fn new(io: Stream, connection: Arc<Connection>, limit: Duration, preface: bool) -> io::Result<Self> {
        let protocol = match preface || matches!(io.selected_alpn_proto(), Some(ALPN::H2)) {
            true => Protocol::Http2 { opening_left: H2_PREFACE.len() },
            false => Protocol::Http1,
        };
        let head = ResponseHeader::build(200, Some(0)).map_err(|error| io::Error::other(error.to_string()))?;
        let digest = Arc::new(ProxyDigest::new(Box::new(head), Some(Box::new(connection.clone()))));
        Ok(Guarded {
            io,
            gathered: BytesMut::new(),
            connection,
            digest,
            limit,
            deadline: Instant::now() + limit,
            timer: None,
            protocol,
        })
    }

    /// Whether the header's time is up; arms the timer where it is not.
    fn late(&mut self, cx: &mut Context<'_>) -> bool {
        let deadline = self.deadline;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(cx).is_ready()
    }

    /// So many bytes came in: the first of a request starts its clock.
    fn received(&mut self, bytes: usize) {
        match &mut self.protocol {
            Protocol::Http2 { opening_left: 0 } => {}
            Protocol::Http2 { opening_left } => {
                *opening_left = opening_left.saturating_sub(bytes);
                if *opening_left == 0 {
                    self.connection.header_done();
                }
            }
            Protocol::Http1 if self.connection.phase.load(Ordering::Relaxed) == IDLE => {
                self.connection.phase.store(HEADER, Ordering::Relaxed);
                self.deadline = Instant::now() + self.limit;
            }
            Protocol::Http1 => {}
        }
    }

    /// Gives `io` what was gathered.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.gathered.is_empty() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, &self.gathered))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.gathered.advance(written),
            }
        }
        self.gathered = BytesMut::new();
        Poll::Ready(Ok(()))
    }

    /// Something is answered. While a header is still to come our hooks have seen nothing of it, so that it is no answer
    /// of ours. HTTP/2 writes before it reads.
    fn answers(&self, bytes: &[u8]) {
        if self.protocol == Protocol::Http1 && self.connection.phase.load(Ordering::Relaxed) == HEADER {
            self.connection.cannot_be_read(bytes);
        }
    }

    fn severed(&self) -> Option<io::Error> {
        let cut = self.connection.cut.load(Ordering::Acquire);
        cut.then(|| io::Error::new(io::ErrorKind::ConnectionAborted, "no longer allowed"))
    }
}

impl AsyncRead for Guarded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.connection.watched.load(Ordering::Acquire) {
            self.connection.waker.register(cx.waker());
        }
        if let Some(error) = self.severed() {
            return Poll::Ready(Err(error));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        match &read {
            Poll::Ready(Ok(())) if buf.filled().len() > before => self.received(buf.filled().len() - before),
            Poll::Ready(_) => {}
            Poll::Pending if self.connection.phase.load(Ordering::Relaxed) == HEADER && self.late(cx) => {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "request header deadline")));
            }
            Poll::Pending => {}
        }
        read
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(error) = self.severed() {
            return Poll::Ready(Err(error));
        }
        self.answers(bytes);
        if self.gathered.len() + bytes.len() <= GATHER_BYTES_MAX {
            self.gathered.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for Guarded {
    async fn shutdown(&mut self) {
        // A client that is gone loses what it did not wait for.
        let _ = std::future::poll_fn(|cx| self.poll_drain(cx)).await;
        self.io.shutdown().await;
    }
}

#[async_trait]
impl Peek for Guarded {
    /// Answers from what was seen when the connection was accepted: Pingora's own peek waits for 24 bytes without a
    /// deadline, which hangs on shorter requests and on silent clients.
    async fn try_peek(&mut self, buf: &mut [u8]) -> io::Result<bool> {
        match self.protocol {
            Protocol::Http2 { .. } if buf.len() == H2_PREFACE.len() => buf.copy_from_slice(H2_PREFACE),
            Protocol::Http2 { .. } | Protocol::Http1 => buf.fill(0),
        }
        Ok(true)
    }
}

impl UniqueID for Guarded {
    fn id(&self) -> UniqueIDType {
        self.io.id()
    }
}

impl Ssl for Guarded {
    fn get_ssl(&self) -> Option<&TlsRef> {
        self.io.get_ssl()
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.io.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.io.selected_alpn_proto()
    }
}

impl GetTimingDigest for Guarded {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.io.get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.io.get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.io.get_write_pending_time()
    }
}

impl GetProxyDigest for Guarded {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(self.digest.clone())
    }
}

impl GetSocketDigest for Guarded {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.io.get_socket_digest()
    }
}

#[cfg(test)]
mod tests {
    use pingora::protocols::l4::stream::Stream as TcpStream;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net,
    };

    use super::*;

    async fn pair() -> (Guarded, net::TcpStream) {
        let listener = net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (served, peer) = listener.accept().await.unwrap();
        let connection = Arc::new(Connection::new(peer, false, false).unwrap());
        let stream: Stream = Box::new(TcpStream::from(served));
        (Guarded::new(stream, connection, Duration::from_secs(5), false).unwrap(), client)
    }

    fn is_silent(client: &net::TcpStream) -> bool {
        matches!(client.try_read(&mut [0; 1]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    #[tokio::test]
    async fn head_and_body_of_a_small_answer_leave_together() {
        let (mut guarded, mut client) = pair().await;
        guarded.write_all(b"head ").await.unwrap();
        guarded.write_all(b"body").await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(is_silent(&client), "nothing leaves before it is flushed");
        guarded.flush().await.unwrap();
        let mut read = [0; 64];
        let got = client.read(&mut read).await.unwrap();
        assert_eq!(&read[..got], b"head body");
        assert_eq!(guarded.gathered.capacity(), 0, "an idle connection holds no memory for it");
    }

    #[tokio::test]
    async fn a_large_answer_arrives_whole_and_in_order() {
        let (mut guarded, mut client) = pair().await;
        let answer: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8).collect();
        let sent = answer.clone();
        let writing = tokio::spawn(async move {
            for piece in sent.chunks(7_001) {
                guarded.write_all(piece).await.unwrap();
            }
            Shutdown::shutdown(&mut guarded).await;
        });
        let mut read = Vec::new();
        client.read_to_end(&mut read).await.unwrap();
        writing.await.unwrap();
        assert_eq!(read.len(), answer.len());
        assert!(read == answer, "in order");
    }

    #[tokio::test]
    async fn a_connection_that_is_cut_sends_nothing_more() {
        let (mut guarded, client) = pair().await;
        guarded.connection.cut();
        assert_eq!(guarded.write(b"late").await.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        assert!(is_silent(&client));
    }
}
