//! The way to the mock instead of to a vendor: every URL of a connector becomes one on this machine.
//!
//! A testing aid. Only loopback is taken; whoever asks for it gets no secret to send, and the log says so at start.

use std::{net::SocketAddr, sync::Arc};

use stepward_core::connector::Origin;

/// Where a connector's requests go instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detour {
    address: SocketAddr,
    connector: Arc<str>,
}

/// An address that other machines answer on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a mock is only used on this machine: `{0}` is no loopback address")]
pub struct Elsewhere(pub SocketAddr);

impl Detour {
    /// The way to the mock at this address.
    ///
    /// # Errors
    /// The address is not this machine's own.
    pub fn to(address: SocketAddr, connector: &Arc<str>) -> Result<Detour, Elsewhere> {
        match address.ip().to_canonical().is_loopback() {
            true => Ok(Detour { address, connector: connector.clone() }),
            false => Err(Elsewhere(address)),
        }
    }

    /// The mock's own origin.
    pub fn origin(&self) -> Origin {
        Origin { secure: false, host: self.address.ip().to_string().into(), port: self.address.port() }
    }

    /// The URL to call instead of a vendor's: `http://<mock>/<connector id>/<path and query>`.
    pub fn instead_of(&self, url: &str) -> String {
        let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
        let from_path = after_scheme.find(['/', '?']).and_then(|at| after_scheme.get(at..)).unwrap_or("/");
        let slash = if from_path.starts_with('/') { "" } else { "/" };
        format!("{}/{}{slash}{from_path}", self.origin(), self.connector)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_url_becomes_one_on_this_machine() {
        let detour = Detour::to("127.0.0.1:7310".parse().unwrap(), &"acme".into()).unwrap();
        for (url, instead) in [
            ("https://api.acme.example/v1/ip?x=1", "http://127.0.0.1:7310/acme/v1/ip?x=1"),
            ("https://api.acme.example:8443/", "http://127.0.0.1:7310/acme/"),
            ("https://api.acme.example", "http://127.0.0.1:7310/acme/"),
            ("https://api.acme.example?a=/b", "http://127.0.0.1:7310/acme/?a=/b"),
            ("http://[fd00::1]:80/x", "http://127.0.0.1:7310/acme/x"),
        ] {
            assert_eq!(detour.instead_of(url), instead);
        }
        let six = Detour::to("[::1]:7310".parse().unwrap(), &"acme".into()).unwrap();
        assert_eq!(six.instead_of("https://a.example/x"), "http://[::1]:7310/acme/x");
    }

    #[test]
    fn no_other_machine_is_taken_for_a_mock() {
        for address in ["192.0.2.1:80", "0.0.0.0:80", "[2001:db8::1]:80", "10.0.0.1:80"] {
            assert!(Detour::to(address.parse().unwrap(), &"acme".into()).is_err(), "{address}");
        }
    }
}
