//! Where clients connect and apps are called: Pingora as a library behind our own accept loop.
//!
//! Only this module writes responses and forwards requests. It decides nothing: it guards, asks the journey and does
//! what it rules. What cannot be read safely is refused, and so is what the journey could not rule on.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use ipnet::IpNet;
use pingora::{
    apps::{HttpServerOptions, ServerApp},
    protocols::http::v2::server::default_h2_options,
    proxy::{HttpProxy, http_proxy},
    server::configuration::ServerConf,
};
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time};

use crate::{
    edge::{
        accept::{Door, Phase},
        callers::Callers,
        proxy::Proxy,
        relay::Relay,
        route::Routes,
        tls::{Store, TlsError},
        upstream::Upstreams,
        visits::Visits,
    },
    journey::Journeys,
    settings::{Listen, Settings},
    sockets::{Held, Sockets},
};

mod accept;
mod access_log;
mod arrive;
mod body;
mod callers;
mod connection;
mod guard;
mod headers;
mod health;
mod inject;
mod passage;
mod proxy;
mod proxy_protocol;
mod refuse;
mod relay;
mod respond;
mod route;
mod timing;
pub mod tls;
mod tunnel;
mod upload;
mod upstream;
mod visits;

/// Connections kept open to all apps together, for each worker.
const POOLED_MAX: usize = 512;
/// An HTTP/2 connection without a stream is closed after this long.
const H2_IDLE: Duration = Duration::from_secs(60);
/// Before a hand-over, connections without a request may bring one for this long; its answer asks them to close.
const LINGER: Duration = Duration::from_millis(300);

/// Why the edge cannot start.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// An address cannot be listened on.
    #[error("cannot listen on `{address}`: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An app cannot be set up.
    #[error("cannot set up the upstreams: {0}")]
    Upstream(#[source] io::Error),
    /// A route names an upstream that does not exist.
    #[error("a route names the upstream `{0}`, which does not exist")]
    Route(Arc<str>),
}

/// The edge of one process; a process may run many.
pub struct Edge;

/// An edge that serves. Dropping it stops it at once.
pub struct RunningEdge {
    /// Where it listens, in the order of `listen`; port 0 has become a real one.
    pub addresses: Vec<SocketAddr>,
    stores: Vec<Arc<Store>>,
    held: Vec<Held>,
    app: Arc<HttpProxy<Proxy>>,
    visits: Visits,
    phase: watch::Sender<Phase>,
    closing: watch::Sender<bool>,
    listeners: JoinSet<()>,
    /// Resolves and checks, and ends with this.
    background: JoinSet<()>,
}

impl Edge {
    /// Whether the certificates of every listener can be used.
    ///
    /// # Errors
    /// The first that cannot.
    pub fn rehearse(settings: &Settings) -> Result<(), TlsError> {
        settings.listen.iter().try_for_each(|listen| open_store(listen).map(drop))
    }

    /// Takes or binds a socket for every address and begins to serve on the current runtime.
    ///
    /// # Errors
    /// Where an address, a certificate, a CA bundle or a route cannot be used; nothing is left running then.
    pub async fn start(settings: &Settings, journeys: Journeys, sockets: &Sockets) -> Result<RunningEdge, EdgeError> {
        let metrics = journeys.parts().metrics.clone();
        let upstreams = Upstreams::new(&settings.upstreams, &metrics).await.map_err(EdgeError::Upstream)?;
        let upstreams = Arc::new(upstreams);
        let trusted_proxies: Arc<[IpNet]> = settings.trusted_proxies.clone().into();
        let routes = Routes::new(&settings.routes, &upstreams).map_err(EdgeError::Route)?;
        let visits = Visits::default();
        let tenant = routes.only_tenant().cloned();
        let app = Arc::new(engine(Proxy {
            journeys: journeys.clone(),
            visits: visits.clone(),
            routes,
            upstreams: upstreams.clone(),
            relay: Relay::default(),
            body_deadline: settings.limits.body_deadline,
            head_limits: guard::limits(&settings.limits),
            trusted_proxies: trusted_proxies.clone(),
        }));
        let callers = Arc::new(Callers::new(settings.limits.connections_per_ip_max));
        let (phase, _) = watch::channel(Phase::Running);
        let (closing, _) = watch::channel(false);

        let mut doors = Vec::new();
        let mut held = Vec::new();
        let mut stores = Vec::new();
        for listen in &settings.listen {
            let store = open_store(listen)?;
            let door = Door {
                app: app.clone(),
                journeys: journeys.clone(),
                tenant: tenant.clone(),
                tls: store.as_ref().map(Store::acceptor).transpose()?,
                proxy_protocol: listen.proxy_protocol,
                trusted_proxies: trusted_proxies.clone(),
                header_deadline: settings.limits.header_deadline,
                callers: callers.clone(),
                metrics: metrics.clone(),
            };
            stores.extend(store);
            let (socket, accepting) = open(listen, sockets)?;
            held.push(socket);
            doors.push((Arc::new(door), accepting));
        }
        let addresses = doors.iter().filter_map(|(_, listener)| listener.local_addr().ok()).collect();
        let mut listeners = JoinSet::new();
        for (door, listener) in doors {
            listeners.spawn(accept::run(door, listener, phase.subscribe(), closing.subscribe()));
        }
        let mut background = JoinSet::new();
        background.spawn(health::watch(upstreams.clone()));
        background.spawn(upstreams.keep_resolved());
        Ok(RunningEdge { addresses, stores, held, app, visits, phase, closing, listeners, background })
    }
}

impl RunningEdge {
    /// Its listening sockets, once more: they stay open for as long as either is kept.
    ///
    /// # Errors
    /// No descriptors are left.
    pub fn sockets(&self) -> io::Result<Vec<Held>> {
        self.held.iter().map(Held::try_clone).collect()
    }

    /// Stops accepting and waits until no request needs state any more, at most `wait`; whether it came to that.
    ///
    /// Who connects meanwhile waits in the queue of the socket. Whoever is connected is asked to close with the next
    /// answer (HTTP/1) or told to open no more streams (HTTP/2). Streams that are open stay open.
    pub async fn quiesce(&self, wait: Duration) -> bool {
        let until = time::Instant::now() + wait;
        self.phase.send_replace(Phase::Paused);
        self.closing.send_replace(true);
        time::sleep(LINGER.min(wait)).await;
        self.app.cleanup().await;
        time::timeout_at(until, self.visits.over()).await.is_ok()
    }

    /// Reads every certificate again.
    ///
    /// # Errors
    /// The first that cannot be used; its listener keeps the old ones.
    pub fn reload_certificates(&self) -> Result<(), TlsError> {
        self.stores.iter().try_for_each(|store| store.reload())
    }

    /// Stops accepting, closes idle connections at once, and lets open requests take up to `grace`.
    pub async fn stop(mut self, grace: Duration) {
        self.held.clear();
        self.closing.send_replace(true);
        self.phase.send_replace(Phase::Draining(grace));
        while self.listeners.join_next().await.is_some() {}
        self.background.shutdown().await;
    }
}

/// Pingora with our hooks, HTTP/2 with and without TLS.
fn engine(proxy: Proxy) -> HttpProxy<Proxy> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let conf = ServerConf { threads, upstream_keepalive_pool_size: POOLED_MAX, ..ServerConf::default() };
    let header_bytes_max = u32::try_from(proxy.head_limits.fields_bytes_max).unwrap_or(u32::MAX);
    let mut app = http_proxy(&Arc::new(conf), proxy);
    let mut options = HttpServerOptions::default();
    options.h2c = true;
    options.h2_idle_timeout = Some(H2_IDLE);
    app.server_options = Some(options);
    let mut h2 = default_h2_options();
    h2.max_header_list_size(header_bytes_max);
    app.h2_options = Some(h2);
    app
}

fn open_store(listen: &Listen) -> Result<Option<Arc<Store>>, TlsError> {
    match listen.tls.is_empty() {
        true => Ok(None),
        false => Store::open(&listen.tls).map(|store| Some(Arc::new(store))),
    }
}

/// The socket of one entry, and the same for the accept loop.
fn open(listen: &Listen, sockets: &Sockets) -> Result<(Held, TcpListener), EdgeError> {
    let open = || {
        let held = match &listen.socket {
            Some(name) => sockets.named(name)?,
            None => sockets.listen(listen.address)?,
        };
        let accepting = TcpListener::from_std(held.listener.try_clone()?)?;
        Ok((held, accepting))
    };
    open().map_err(|source| EdgeError::Listen { address: listen.address, source })
}
