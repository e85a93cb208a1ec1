//! The accept loop: from a TCP connection to a stream that Pingora serves.
//!
//! Order of one connection: counted, PROXY protocol, TLS or HTTP/2 sniff, header deadline, Pingora. Each wait has a
//! deadline; whoever misses one is dropped without an answer. A panic ends its own connection, never the loop.

use std::{io, net::SocketAddr, os::fd::AsRawFd, sync::Arc, time::Duration};

use ipnet::IpNet;
use pingora::{
    apps::ServerApp,
    listeners::tls::Acceptor,
    protocols::{
        GetSocketDigest, SocketDigest, Stream,
        l4::{socket::SocketAddr as PeerAddress, stream::Stream as TcpStream},
    },
    proxy::HttpProxy,
};
use stepward_core::{decision::Reason, request::names};
use tokio::{io::AsyncReadExt, net::TcpListener, sync::watch, task::JoinSet, time::timeout};

use crate::{
    edge::{
        access_log,
        callers::{Call, Callers},
        connection::{Connection, Guarded, H2_PREFACE},
        proxy::Proxy,
        proxy_protocol,
    },
    journey::Journeys,
    telemetry::Metrics,
};

/// After an accept error (no descriptors left) the loop rests this long instead of spinning.
const REST: Duration = Duration::from_millis(50);

/// What every connection of one listener is given.
pub(crate) struct Door {
    /// Pingora with our hooks.
    pub(crate) app: Arc<HttpProxy<Proxy>>,
    /// Where refusals are written down.
    pub(crate) journeys: Journeys,
    /// The tenant that every route has, if there is only one.
    pub(crate) tenant: Option<Arc<str>>,
    /// TLS, if this listener speaks it.
    pub(crate) tls: Option<Acceptor>,
    /// Whether each connection begins with a PROXY protocol header.
    pub(crate) proxy_protocol: bool,
    /// Peers that may say who the client is.
    pub(crate) trusted_proxies: Arc<[IpNet]>,
    /// For PROXY header, TLS handshake and each request's header.
    pub(crate) header_deadline: Duration,
    /// Who has how many connections.
    pub(crate) callers: Arc<Callers>,
    /// Counters of this process.
    pub(crate) metrics: Metrics,
}

/// How a running listener is told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Accepting.
    Running,
    /// Not accepting: whoever connects waits in the queue of the socket.
    Paused,
    /// No longer accepting; open requests may take this long.
    Draining(Duration),
}

/// Serves until told to stop, then until every connection is done or the grace period is over.
pub(crate) async fn run(
    door: Arc<Door>,
    listener: TcpListener,
    mut phase: watch::Receiver<Phase>,
    closing: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let serve = |tcp, peer| serve(door.clone(), tcp, peer, closing.clone());
    let grace = attend(&listener, &mut phase, &mut connections, serve).await;
    drop(listener);
    door.app.cleanup().await;
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(grace, drained).await.is_err() {
        connections.shutdown().await;
    }
}

/// Serves each connection in a task of its own until told to stop; how long they may then take.
async fn attend<S: Future<Output = ()> + Send + 'static>(
    listener: &TcpListener,
    phase: &mut watch::Receiver<Phase>,
    connections: &mut JoinSet<()>,
    serve: impl Fn(tokio::net::TcpStream, SocketAddr) -> S,
) -> Duration {
    loop {
        let is_running = match *phase.borrow_and_update() {
            Phase::Running => true,
            Phase::Paused => false,
            Phase::Draining(grace) => return grace,
        };
        tokio::select! {
            accepted = listener.accept(), if is_running => match accepted {
                Ok((tcp, peer)) => { connections.spawn(serve(tcp, peer)); }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(REST).await;
                }
            },
            // A panic ended its own connection and was told by the hook of `telemetry::panics`.
            _ = connections.join_next(), if !connections.is_empty() => {}
            changed = phase.changed() => if changed.is_err() {
                return Duration::ZERO;
            },
        }
    }
}

async fn serve(door: Arc<Door>, tcp: tokio::net::TcpStream, address: SocketAddr, closing: watch::Receiver<bool>) {
    let _open = door.metrics.connected();
    match prepare(&door, tcp, address).await {
        Ok((stream, connection, _call)) => {
            door.app.process_new(stream, &closing).await;
            if let Some(status) = connection.unread() {
                door.journeys.refused(Reason::RequestMalformed, door.tenant.as_ref());
                access_log::unread(status);
            }
        }
        // Health checks, scanners and port probes end here all the time: nothing to warn about.
        Err(error) => tracing::debug!(%error, "connection dropped"),
    }
}

async fn prepare(
    door: &Door,
    tcp: tokio::net::TcpStream,
    address: SocketAddr,
) -> io::Result<(Stream, Arc<Connection>, Call)> {
    tcp.set_nodelay(true)?;
    let mut tcp = TcpStream::from(tcp);
    let trusts = |address: SocketAddr| names::is_trusted(address.ip().to_canonical(), &door.trusted_proxies);
    let peer = match (door.proxy_protocol, trusts(address)) {
        (false, _) => address,
        (true, true) => within(door, proxy_protocol::read(&mut tcp)).await?.unwrap_or(address),
        (true, false) => return Err(io::Error::new(io::ErrorKind::PermissionDenied, "not a trusted proxy")),
    };
    let refused = || io::Error::new(io::ErrorKind::QuotaExceeded, "too many connections from one address");
    let call = door.callers.admit(peer.ip()).ok_or_else(refused)?;
    let digest = SocketDigest::from_raw_fd(tcp.as_raw_fd());
    // Known already: spares a getpeername per connection, and is the client behind a balancer.
    let _ = digest.peer_addr.set(Some(PeerAddress::Inet(peer)));
    tcp.set_socket_digest(digest);

    let connection = Arc::new(Connection::new(peer, trusts(peer), door.tls.is_some())?);
    let (stream, preface): (Stream, bool) = match &door.tls {
        Some(tls) => {
            let handshake = async { tls.tls_handshake(tcp).await.map_err(|error| io::Error::other(error.to_string())) };
            (Box::new(within(door, handshake).await?), false)
        }
        None => {
            let preface = within(door, sniff(&mut tcp)).await?;
            (Box::new(tcp), preface)
        }
    };
    let stream = Guarded::new(stream, connection.clone(), door.header_deadline, preface)?;
    Ok((Box::new(stream), connection, call))
}

/// Whether a clear-text client begins with the HTTP/2 preface. Reads only as long as it still can be one, and puts
/// everything back.
async fn sniff(tcp: &mut TcpStream) -> io::Result<bool> {
    let mut start = [0; H2_PREFACE.len()];
    let mut length = 0;
    while length < start.len() && start[..length] == H2_PREFACE[..length] {
        match tcp.read(&mut start[length..]).await? {
            0 => break,
            more => length += more,
        }
    }
    if length == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    tcp.rewind(&start[..length]);
    Ok(&start == H2_PREFACE)
}

async fn within<T>(door: &Door, wait: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(door.header_deadline, wait).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn said(address: SocketAddr) -> String {
        let mut tcp = tokio::net::TcpStream::connect(address).await.unwrap();
        let mut text = String::new();
        // A reset is an end too.
        let _ = tcp.read_to_string(&mut text).await;
        text
    }

    #[tokio::test]
    async fn k5_a_panic_ends_its_own_connection_and_neither_another_nor_the_loop() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (phase, mut told) = watch::channel(Phase::Running);
        let turn = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let serve = move |mut tcp: tokio::net::TcpStream, _| {
            let turn = turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            async move {
                assert!(turn.is_multiple_of(2), "every second connection panics");
                tcp.write_all(b"served").await.unwrap();
            }
        };
        let running = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            attend(&listener, &mut told, &mut connections, serve).await
        });
        for expected in ["served", "", "served", "", "served"] {
            assert_eq!(said(address).await, expected);
        }
        phase.send_replace(Phase::Draining(Duration::from_secs(3)));
        assert_eq!(running.await.unwrap(), Duration::from_secs(3), "the loop ends only when it is told");
    }

    #[tokio::test]
    async fn who_connects_during_a_pause_is_served_after_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (phase, mut told) = watch::channel(Phase::Paused);
        let serve = |mut tcp: tokio::net::TcpStream, _| async move { tcp.write_all(b"served").await.unwrap() };
        tokio::spawn(async move {
            let mut connections = JoinSet::new();
            attend(&listener, &mut told, &mut connections, serve).await
        });
        let mut waiting = tokio::spawn(said(address));
        assert!(timeout(Duration::from_millis(100), &mut waiting).await.is_err(), "nobody is served in a pause");
        phase.send_replace(Phase::Running);
        assert_eq!(waiting.await.unwrap(), "served");
    }
}
