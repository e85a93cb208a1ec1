//! Who may call: a host of ours, no foreign origin, and a token with the scope. Checked before anything else, also on
//! loopback, for a browser on the same machine is a way in (Caddy CVE-2026-27589).

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::api::{
    problem::Problem,
    token::{Scope, Tokens},
};

/// What a route asks for.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) tokens: Arc<Tokens>,
    pub(super) scope: Scope,
}

/// Refuses hosts that are names of someone else (DNS rebinding) and requests that another site's page sent.
pub(super) async fn own_hosts_only(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let host = request.uri().authority().map(|it| it.as_str()).or_else(|| only(headers, header::HOST.as_str()));
    let Some(host) = host.filter(|host| is_own(host)) else {
        return Problem::new(StatusCode::MISDIRECTED_REQUEST, "host.unknown", "call the admin address itself")
            .into_response();
    };
    let foreign_origin = headers.get(header::ORIGIN).is_some_and(|origin| *origin != format!("http://{host}"));
    let foreign_site = match headers.get("sec-fetch-site").map(|it| it.as_bytes()) {
        None | Some(b"same-origin" | b"none") => false,
        Some(_) => true,
    };
    match foreign_origin || foreign_site {
        true => {
            Problem::new(StatusCode::FORBIDDEN, "request.cross_site", "another site may not call this").into_response()
        }
        false => next.run(request).await,
    }
}

/// Refuses calls without a token that has the scope.
pub(super) async fn needs_scope(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    match bearer(request.headers()).map(|token| gate.tokens.allows(token, gate.scope)) {
        Some(Some(true)) => next.run(request).await,
        Some(Some(false)) => {
            let detail = format!("this token lacks the scope `{}`", gate.scope.name());
            Problem::new(StatusCode::FORBIDDEN, "token.scope", detail).into_response()
        }
        Some(None) => unauthorized("token.unknown", "no such token: they are in `<state.path>/admin-token`"),
        None => unauthorized("token.missing", "send `Authorization: Bearer <token>`"),
    }
}

fn unauthorized(code: &'static str, detail: &str) -> Response {
    let problem = Problem::new(StatusCode::UNAUTHORIZED, code, detail);
    ([(header::WWW_AUTHENTICATE, "Bearer")], problem).into_response()
}

/// The token that is sent (RFC 6750 §2.1). What follows it is left aside, so that a line of the file may be sent as it is.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut words = only(headers, header::AUTHORIZATION.as_str())?.split_ascii_whitespace();
    words.next().filter(|scheme| scheme.eq_ignore_ascii_case("bearer"))?;
    words.next()
}

/// The value of a header that is there exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// An address, or `localhost`: no name that someone else's DNS could point here.
fn is_own(host: &str) -> bool {
    let bare = match host.strip_prefix('[').and_then(|it| it.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(bare, _)| bare),
    };
    bare == "localhost" || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_localhost_are_hosts_of_ours() {
        for host in ["127.0.0.1:7300", "localhost:7300", "[::1]:7300", "10.1.2.3"] {
            assert!(is_own(host), "{host}");
        }
        for host in ["rebind.example:7300", "localhost.example", "127.0.0.1.example:7300", ""] {
            assert!(!is_own(host), "{host}");
        }
    }
}
