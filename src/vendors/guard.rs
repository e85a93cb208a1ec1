//! Keeps connectors out of places that only we can reach (SSRF).
//!
//! Names are resolved here, by the very look-up whose answer is connected to, so nothing can change in between. One
//! forbidden address among the answers refuses them all. Our own listeners are never a vendor.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::Arc,
};

use stepward_core::connector::{self, Origin, document::Network};

/// What one connector may connect to.
#[derive(Clone, Debug)]
pub struct Guard {
    network: Network,
    port: u16,
    own: Arc<[SocketAddr]>,
    lookup: Lookup,
}

/// The addresses of a name, told beforehand.
pub type Answers = dyn Fn(&str) -> Vec<IpAddr> + Send + Sync;

/// Who is asked for the addresses of a name.
#[derive(Clone)]
pub enum Lookup {
    /// The machine's own resolver.
    System,
    /// Somebody whose answers are told beforehand: a name server that changes its mind cannot be had on demand.
    Told(Arc<Answers>),
}

impl std::fmt::Debug for Lookup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Lookup::System => "System",
            Lookup::Told(_) => "Told",
        })
    }
}

impl Lookup {
    async fn find(&self, name: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        match self {
            Lookup::System => Ok(tokio::net::lookup_host((name, port)).await?.collect()),
            Lookup::Told(answer) => Ok(answer(name).into_iter().map(|ip| SocketAddr::new(ip, port)).collect()),
        }
    }
}

/// A place that a connector may not connect to. It does not say which: that would tell what is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the address is not allowed")]
pub struct Forbidden;

impl Guard {
    /// The guard of a connector's origin. `own` are the addresses on which this process listens.
    pub fn new(origin: &Origin, network: Network, own: &Arc<[SocketAddr]>, lookup: Lookup) -> Self {
        Guard { network, port: origin.port, own: own.clone(), lookup }
    }

    /// Whether an address may be connected to.
    pub fn allows(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let reachable = match self.network {
            Network::Internet => !connector::is_private(ip),
            Network::Internal => !is_never(ip),
        };
        reachable && !self.is_own(ip)
    }

    /// Whether a host may be connected to, where it is an address already; a name is told when it is resolved.
    pub fn allows_host(&self, host: &str) -> bool {
        host.parse::<IpAddr>().map_or(true, |ip| self.allows(ip))
    }

    fn is_own(&self, ip: IpAddr) -> bool {
        self.own.iter().any(|own| {
            own.port() == self.port && (own.ip().to_canonical() == ip || (own.ip().is_unspecified() && is_here(ip)))
        })
    }
}

/// Addresses that are nobody's service even inside: link-local ones (cloud metadata among them) and groups.
fn is_never(ip: IpAddr) -> bool {
    const METADATA: [IpAddr; 2] =
        [IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)), IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200))];
    let of_kind = match ip {
        IpAddr::V4(four) => four.is_link_local() || four.is_broadcast() || four.octets().first() == Some(&0),
        IpAddr::V6(six) => six.is_unicast_link_local(),
    };
    of_kind || ip.is_unspecified() || ip.is_multicast() || METADATA.contains(&ip)
}

/// Whether an address is one of this machine's: only those can be bound.
fn is_here(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

impl reqwest::dns::Resolve for Guard {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = guard.lookup.find(name.as_str(), guard.port).await?;
            if found.is_empty() || !found.iter().all(|address| guard.allows(address.ip())) {
                return Err(Forbidden.into());
            }
            Ok(Box::new(found.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(network: Network, own: &[&str]) -> Guard {
        let own: Arc<[SocketAddr]> = own.iter().map(|it| it.parse().unwrap()).collect();
        Guard::new(&Origin { secure: true, host: "x".into(), port: 443 }, network, &own, Lookup::System)
    }

    #[test]
    fn i1_addresses_inside_are_not_the_internet() {
        let internet = guard(Network::Internet, &[]);
        for ip in [
            "127.0.0.1",
            "::1",
            "::ffff:127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "192.0.0.8",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "::7f00:1",
            "fd00:ec2::254",
        ] {
            assert!(!internet.allows(ip.parse().unwrap()), "{ip}");
        }
        for ip in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111"] {
            assert!(internet.allows(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn inside_metadata_and_our_own_listeners_stay_out_of_reach() {
        let internal = guard(Network::Internal, &["127.0.0.1:443", "10.0.0.1:80"]);
        for (ip, allowed) in [
            ("10.0.0.1", true),
            ("192.168.1.1", true),
            ("127.0.0.2", true),
            ("fd00::1", true),
            ("127.0.0.1", false),
            ("::ffff:127.0.0.1", false),
            ("169.254.169.254", false),
            ("fe80::1", false),
            ("0.0.0.0", false),
            ("fd00:ec2::254", false),
        ] {
            assert_eq!(internal.allows(ip.parse().unwrap()), allowed, "{ip}");
        }
        let everywhere = guard(Network::Internal, &["0.0.0.0:443"]);
        assert!(!everywhere.allows("127.0.0.1".parse().unwrap()), "a listener on every address is also this one");
        assert!(!everywhere.allows_host("127.0.0.1") && everywhere.allows_host("vendor.internal"));
    }

    #[tokio::test]
    async fn a_name_that_points_inside_does_not_resolve() {
        use reqwest::dns::Resolve as _;
        let resolved = guard(Network::Internet, &[]).resolve("localhost".parse().unwrap()).await;
        assert!(resolved.err().unwrap().to_string().contains("not allowed"));
        assert!(guard(Network::Internal, &[]).resolve("localhost".parse().unwrap()).await.is_ok());
    }
}
