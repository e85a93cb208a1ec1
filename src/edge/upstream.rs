//! The apps behind: their addresses, which of them is alive, and how each is spoken to.
//!
//! Names are resolved in the background and never on a request. An address that refuses a connection is skipped for
//! a while, one that its checks call down until they call it up; where all are dead they are tried all the same, for
//! one may be back.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use pingora::{
    protocols::{ALPN, tls::CaType},
    upstreams::peer::HttpPeer,
    utils::tls::{WrappedX509, parse_x509},
};
use rustls::pki_types::{CertificateDer, pem::PemObject};

use crate::{
    settings::{self, Health},
    telemetry::Metrics,
};

/// An address that could not be reached is left alone this long.
const DEAD_FOR: Duration = Duration::from_secs(5);
/// How often names are resolved again.
const RESOLVE_EVERY: Duration = Duration::from_secs(30);
/// How often while a name has no address.
const RESOLVE_AGAIN: Duration = Duration::from_secs(2);
/// A pooled connection is closed after this long without a request.
const POOLED: Duration = Duration::from_secs(60);
/// Requests that share one HTTP/2 connection; Pingora's default is one.
const H2_STREAMS: usize = 100;
/// An open WebSocket may be silent this long.
const TUNNEL_SILENCE: Duration = Duration::from_secs(3600);

/// Every app by name.
#[derive(Debug)]
pub(crate) struct Upstreams(BTreeMap<Arc<str>, Arc<Upstream>>);

/// One app.
pub(crate) struct Upstream {
    /// As configured.
    pub(crate) settings: settings::Upstream,
    group: u64,
    authorities: Option<Arc<CaType>>,
    places: ArcSwap<Vec<Arc<Place>>>,
    turn: AtomicUsize,
    began: Instant,
    metrics: Metrics,
}

/// One address of an app.
#[derive(Debug)]
pub(crate) struct Place {
    address: SocketAddr,
    /// Milliseconds since the upstream was set up until which it is left alone.
    dead_until_ms: AtomicU64,
    /// Whether its checks call it down.
    down: AtomicBool,
    /// How many checks in a row said the other thing.
    against: AtomicU32,
}

/// What a request needs of the connection to its app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    /// A request and an answer.
    Answer,
    /// An upgraded connection: HTTP/1.1, and silence for as long as a tunnel may be silent.
    Tunnel,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream").field("name", &self.settings.name).field("places", &self.places).finish()
    }
}

impl Upstreams {
    /// Reads CA bundles and resolves names once; a name without an address yet is tried again in the background.
    pub(crate) async fn new(settings: &BTreeMap<Arc<str>, settings::Upstream>, metrics: &Metrics) -> io::Result<Self> {
        let mut found = BTreeMap::new();
        for (group, (name, upstream)) in settings.iter().enumerate() {
            let upstream = Upstream::new(upstream.clone(), group as u64, metrics.clone())?;
            upstream.resolve().await;
            found.insert(name.clone(), Arc::new(upstream));
        }
        Ok(Upstreams(found))
    }

    /// The app of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Upstream>> {
        self.0.get(name)
    }

    /// Every app.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Upstream> {
        self.0.values().map(|upstream| &**upstream)
    }

    /// Keeps names resolved, until dropped.
    pub(crate) async fn keep_resolved(self: Arc<Self>) {
        loop {
            let unresolved = self.0.values().any(|upstream| upstream.places.load().is_empty());
            tokio::time::sleep(if unresolved { RESOLVE_AGAIN } else { RESOLVE_EVERY }).await;
            for upstream in self.0.values() {
                upstream.resolve().await;
            }
        }
    }
}

impl Upstream {
    fn new(settings: settings::Upstream, group: u64, metrics: Metrics) -> io::Result<Self> {
        let bundle = settings.tls.as_ref().and_then(|tls| tls.ca.as_deref());
        let authorities = bundle.map(read_authorities).transpose()?;
        let places = ArcSwap::default();
        let (turn, began) = (AtomicUsize::new(0), Instant::now());
        Ok(Upstream { settings, group, authorities, places, turn, began, metrics })
    }

    /// Looks every name up. An address that stays keeps its mark; a name that gives nothing keeps its addresses.
    async fn resolve(&self) {
        let before = self.places.load_full();
        let mut places: Vec<Arc<Place>> = Vec::new();
        for (host, port) in &self.settings.addresses {
            match tokio::net::lookup_host((&**host, *port)).await {
                Ok(found) => {
                    for address in found {
                        let known = before.iter().find(|place| place.address == address).cloned();
                        places.push(known.unwrap_or_else(|| Arc::new(Place::new(address))));
                    }
                }
                Err(error) => {
                    tracing::warn!(upstream = &*self.settings.name, host = &**host, %error, "cannot resolve a name");
                    if self.settings.addresses.len() == 1 {
                        return;
                    }
                }
            }
        }
        if !places.is_empty() {
            self.places.store(Arc::new(places));
        }
    }

    /// The next address in turn that is not known to be dead or down; where every one is, the next that is not down;
    /// where every one is that, the next at all.
    pub(crate) fn pick(&self) -> Option<Arc<Place>> {
        let places = self.places.load();
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let in_turn = (0..places.len()).filter_map(|step| places.get(first.wrapping_add(step) % places.len()));
        let now_ms = self.now_ms();
        let up = |place: &&Arc<Place>| !place.down.load(Ordering::Relaxed);
        let alive = |place: &&Arc<Place>| up(place) && place.dead_until_ms.load(Ordering::Relaxed) <= now_ms;
        let found = in_turn.clone().find(alive).or_else(|| in_turn.clone().find(up));
        found.or_else(|| in_turn.clone().next()).cloned()
    }

    /// How many addresses there are to try.
    pub(crate) fn places(&self) -> usize {
        self.places.load().len()
    }

    /// Its addresses.
    pub(crate) fn addresses(&self) -> Arc<Vec<Arc<Place>>> {
        self.places.load_full()
    }

    /// Tells how many of its addresses are up.
    pub(crate) fn tell(&self) {
        let places = self.places.load();
        let down = places.iter().filter(|place| place.down.load(Ordering::Relaxed)).count();
        self.metrics.upstream(&self.settings.name, places.len() - down, down);
    }

    /// This address refused a connection.
    pub(crate) fn dead(&self, place: &Place) {
        let until_ms = self.now_ms() + DEAD_FOR.as_millis() as u64;
        place.dead_until_ms.store(until_ms, Ordering::Relaxed);
        self.metrics.unreachable(&self.settings.name);
        tracing::warn!(upstream = &*self.settings.name, address = %place.address, "upstream address unreachable");
    }

    /// How to connect to one of its addresses.
    pub(crate) fn peer(&self, place: &Place, wants: Wants) -> HttpPeer {
        let name = self.settings.tls.as_ref().map_or_else(String::new, |tls| tls.name.to_string());
        let mut peer = HttpPeer::new(place.address, self.settings.tls.is_some(), name);
        // Pingora's pool ignores CA and ALPN when it compares peers; this key keeps them apart.
        peer.group_key = self.group * 2 + u64::from(wants == Wants::Tunnel);
        let options = &mut peer.options;
        options.alpn = match (wants, self.settings.http2, self.settings.tls.is_some()) {
            (Wants::Tunnel, _, _) | (Wants::Answer, false, _) => ALPN::H1,
            (Wants::Answer, true, true) => ALPN::H2H1,
            (Wants::Answer, true, false) => ALPN::H2,
        };
        options.max_h2_streams = H2_STREAMS;
        options.ca = self.authorities.clone();
        options.connection_timeout = Some(self.settings.connect);
        options.total_connection_timeout = Some(self.settings.connect * 2);
        options.idle_timeout = Some(POOLED);
        options.read_timeout = Some(match wants {
            Wants::Answer => self.settings.read,
            Wants::Tunnel => TUNNEL_SILENCE,
        });
        options.write_timeout = options.read_timeout;
        peer
    }

    fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }
}

impl Place {
    fn new(address: SocketAddr) -> Self {
        Place { address, dead_until_ms: AtomicU64::new(0), down: AtomicBool::new(false), against: AtomicU32::new(0) }
    }

    /// A check came to this; whether that changes what is thought of the address.
    pub(crate) fn checked(&self, is_well: bool, health: &Health) -> Option<bool> {
        let down = self.down.load(Ordering::Relaxed);
        if is_well != down {
            self.against.store(0, Ordering::Relaxed);
            return None;
        }
        let against = self.against.fetch_add(1, Ordering::Relaxed) + 1;
        if against < if down { health.up_after } else { health.down_after } {
            return None;
        }
        self.against.store(0, Ordering::Relaxed);
        self.down.store(!is_well, Ordering::Relaxed);
        Some(is_well)
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.address.fmt(f)
    }
}

fn read_authorities(bundle: &Path) -> io::Result<Arc<CaType>> {
    let unusable =
        |why: String| io::Error::new(io::ErrorKind::InvalidData, format!("cannot use `{}`: {why}", bundle.display()));
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(bundle)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(error.to_string()))?;
    if certificates.is_empty() {
        return Err(unusable("it holds no certificate".into()));
    }
    let mut roots = rustls::RootCertStore::empty();
    for certificate in &certificates {
        roots.add(certificate.clone()).map_err(|error| unusable(error.to_string()))?;
    }
    // `parse_x509` panics on what is no certificate; the store above has refused that by now.
    let wrapped = certificates.into_iter().map(|it| WrappedX509::new(it.to_vec(), parse_x509));
    Ok(wrapped.collect::<Vec<_>>().into())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An upstream at these addresses.
    pub(crate) async fn at(addresses: &[&str]) -> Upstream {
        let addresses = addresses.iter().map(|it| it.rsplit_once(':').unwrap());
        of(settings::Upstream {
            name: "app".into(),
            addresses: addresses.map(|(host, port)| (host.into(), port.parse().unwrap())).collect(),
            tls: None,
            http2: false,
            assertion: true,
            connect: Duration::from_secs(1),
            read: Duration::from_secs(1),
            health: None,
        })
        .await
    }

    pub(crate) async fn of(settings: settings::Upstream) -> Upstream {
        let upstream = Upstream::new(settings, 0, Metrics::new()).unwrap();
        upstream.resolve().await;
        upstream
    }

    #[tokio::test]
    async fn addresses_take_turns_and_a_dead_one_is_skipped() {
        let upstream = at(&["127.0.0.1:1", "127.0.0.1:2"]).await;
        let ports = |upstream: &Upstream| {
            let mut ports: Vec<u16> = (0..4).map(|_| upstream.pick().unwrap().address.port()).collect();
            ports.sort();
            ports
        };
        assert_eq!(ports(&upstream), [1, 1, 2, 2]);
        let dead = upstream.places.load().iter().find(|place| place.address.port() == 1).cloned().unwrap();
        upstream.dead(&dead);
        assert_eq!(ports(&upstream), [2, 2, 2, 2]);
        let other = upstream.pick().unwrap();
        upstream.dead(&other);
        assert_eq!(ports(&upstream), [1, 1, 2, 2], "all dead: all are tried");
    }

    #[tokio::test]
    async fn so_many_checks_in_a_row_take_an_address_out_and_bring_it_back() {
        let upstream = at(&["127.0.0.1:1", "127.0.0.1:2"]).await;
        let health = Health {
            path: "/".into(),
            host: "app".into(),
            every: Duration::from_secs(1),
            within: Duration::from_secs(1),
            down_after: 3,
            up_after: 2,
            status: Vec::new(),
        };
        let places = upstream.addresses();
        let told = |words: &[bool]| -> Vec<Option<bool>> {
            words.iter().map(|is_well| places[0].checked(*is_well, &health)).collect()
        };
        let ports = || (0..2).map(|_| upstream.pick().unwrap().address.port()).collect::<Vec<_>>();
        assert_eq!(told(&[false, false, true, false, false]), [None; 5], "never three in a row");
        assert!(ports().contains(&1));
        assert_eq!(told(&[false]), [Some(false)]);
        assert_eq!(ports(), [2, 2]);
        assert_eq!(told(&[false, true, false, true]), [None; 4], "never two in a row");
        assert_eq!(ports(), [2, 2]);
        assert_eq!(told(&[true]), [Some(true)]);
        assert!(ports().contains(&1));

        told(&[false; 3]);
        upstream.dead(&places[1]);
        assert_eq!(ports(), [2, 2], "an address that may be back goes before one that is known to be down");
        let told = [(); 3].map(|()| places[1].checked(false, &health));
        assert_eq!(told, [None, None, Some(false)]);
        assert!(ports().contains(&1), "all down: all are tried");
    }

    #[tokio::test]
    async fn connections_under_another_ca_or_protocol_are_never_shared() {
        let one = at(&["127.0.0.1:1"]).await;
        let place = one.pick().unwrap();
        assert_ne!(one.peer(&place, Wants::Answer).group_key, one.peer(&place, Wants::Tunnel).group_key);
        let other = Upstream::new(one.settings.clone(), 1, Metrics::new()).unwrap();
        assert_ne!(one.peer(&place, Wants::Answer).group_key, other.peer(&place, Wants::Answer).group_key);
    }
}
