//! From a session that passed the guard to an [`Arrival`]: what the journey is given, made once for an event.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use ipnet::IpNet;
use pingora::http::RequestHeader;
use stepward_core::request::{Body, head, names};

use crate::{
    arrival::{Arrival, Client},
    clock,
    edge::{connection::Connection, guard},
    settings::Route,
};

/// The arrival of a cleaned request; `body` is there where it was read.
pub(crate) fn arrival(
    request: &RequestHeader,
    connection: &Connection,
    trusted_proxies: &[IpNet],
    route: Arc<Route>,
    body: Option<(Bytes, Body)>,
) -> Result<Arrival, head::Refusal> {
    // Only a trusted proxy has left any of these.
    let told = |name| {
        let lines = connection.trusted.then(|| request.headers.get_all(name).iter());
        lines.into_iter().flatten().map(HeaderValue::as_bytes)
    };
    let client_ip = names::client_ip(connection.peer.ip(), told("x-forwarded-for"), trusted_proxies);
    let secure = names::is_secure(connection.secure, connection.trusted, told("x-forwarded-proto"));
    let head = guard::passed(request)?;
    let mut view = head.request(guard::fields(&request.headers), client_ip, secure, connection.trusted);
    let (body, fields) = body.map_or((None, Body::Unread), |(bytes, fields)| (Some(bytes), fields));
    view.body = fields;
    Ok(Arrival {
        id: clock::fresh_name(),
        route,
        request: view,
        headers: request.headers.clone(),
        body,
        upload: None,
        client: Client::of(&request.headers),
        trusted_peer: connection.trusted,
    })
}
