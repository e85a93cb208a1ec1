//! From a session that passed the guard to an [`Arrival`]: what the journey is given, made once for an event.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use data_encoding::BASE32_NOPAD;
use http::{HeaderMap, header};
use ipnet::IpNet;
use pingora::http::RequestHeader;
use stepward_core::request::{Body, Request};

use crate::{
    arrival::{Arrival, Client},
    clock,
    edge::{accept, connection::Connection, guard},
    settings::Route,
};

/// The arrival of a cleaned request; `body` is there where it was read.
pub(crate) fn arrival(
    request: &RequestHeader,
    connection: &Connection,
    trusted_proxies: &[IpNet],
    route: Arc<Route>,
    body: Option<(Bytes, Body)>,
) -> Arrival {
    let (bytes, fields) = body.map_or((None, Body::Unread), |(bytes, fields)| (Some(bytes), fields));
    let headers = request.headers.clone();
    let (path, query) = path_and_query(request);
    let view = Request {
        method: request.method.as_str().into(),
        host: guard::host(request).unwrap_or_default().to_ascii_lowercase().trim_end_matches('.').into(),
        path: path.into(),
        query: query.map(Arc::from),
        headers: texts(&headers),
        cookies: cookies(&headers),
        client_ip: client_ip(&headers, connection, trusted_proxies),
        secure: secure(&headers, connection),
        body: fields,
    };
    let client = Client::of(&headers);
    Arrival { id: BASE32_NOPAD.encode(&clock::random_id()).into(), route, request: view, headers, body: bytes, client }
}

/// The target's two halves, as received. The guard let only ASCII through.
pub(crate) fn path_and_query(request: &RequestHeader) -> (&str, Option<&str>) {
    let target = std::str::from_utf8(request.raw_path()).unwrap_or_default();
    target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)))
}

fn texts(headers: &HeaderMap) -> Vec<(Arc<str>, Arc<str>)> {
    let readable = |value: &http::HeaderValue| std::str::from_utf8(value.as_bytes()).ok().map(Arc::from);
    headers.iter().filter_map(|(name, value)| Some((name.as_str().into(), readable(value)?))).collect()
}

fn cookies(headers: &HeaderMap) -> Vec<(Arc<str>, Arc<str>)> {
    let fields = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.map(|(name, value)| (name.trim().into(), value.trim().into())).collect()
}

/// The last address in the chain that is no trusted proxy; the peer where there is no chain or it is unreadable.
fn client_ip(headers: &HeaderMap, connection: &Connection, trusted_proxies: &[IpNet]) -> IpAddr {
    let peer = connection.peer.ip().to_canonical();
    if !connection.trusted {
        return peer;
    }
    let mut nearest = peer;
    let fields: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|it| it.to_str().ok()).collect();
    for hop in fields.iter().rev().flat_map(|field| field.rsplit(',')) {
        let Some(address) = address(hop.trim()) else { break };
        nearest = address;
        if !accept::trusts(trusted_proxies, SocketAddr::new(address, 0)) {
            break;
        }
    }
    nearest
}

/// An address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let plain = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    plain.or_else(|| text.parse::<SocketAddr>().ok().map(|it| it.ip())).map(|it| it.to_canonical())
}

fn secure(headers: &HeaderMap, connection: &Connection) -> bool {
    let told = connection.trusted.then(|| headers.get("x-forwarded-proto")).flatten();
    told.map_or(connection.secure, |scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(peer: &str, chain: &[&str]) -> String {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        let peer: SocketAddr = peer.parse().unwrap();
        let connection = Connection::new(peer, accept::trusts(&trusted, peer), false).unwrap();
        let mut headers = HeaderMap::new();
        for field in chain {
            headers.append("x-forwarded-for", field.parse().unwrap());
        }
        client_ip(&headers, &connection, &trusted).to_string()
    }

    #[test]
    fn b8_the_client_is_the_nearest_address_no_trusted_proxy_has() {
        for (peer, chain, expected) in [
            ("192.0.2.1:1", vec!["198.51.100.7"], "192.0.2.1"),
            ("10.0.0.1:1", vec!["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1:1", vec!["6.6.6.6, 198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            ("10.0.0.1:1", vec!["6.6.6.6", "198.51.100.7:4711"], "198.51.100.7"),
            ("10.0.0.1:1", vec!["[2001:db8::7]"], "2001:db8::7"),
            ("10.0.0.1:1", vec!["::ffff:198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1:1", vec!["1.2.3.4, a"], "10.0.0.1"),
            ("10.0.0.1:1", vec![""], "10.0.0.1"),
            ("10.0.0.1:1", vec![], "10.0.0.1"),
        ] {
            assert_eq!(ip(peer, &chain), expected, "{peer} {chain:?}");
        }
    }
}
