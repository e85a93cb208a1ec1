//! What operators and back ends ask and tell: the admin API, the health endpoints and the decisions address, on
//! listeners of their own.
//!
//! Every call to the API carries a token with the scope it needs; unknown hosts and foreign origins are refused before
//! anything is looked at. Nothing here changes how a request is decided, and its failure does not stop the proxy.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router, middleware,
    routing::{MethodRouter, get, post},
};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use utoipa::OpenApi;

use crate::{
    api::{
        security_events::Receiver,
        token::{Scope, Tokens},
    },
    journey::Journeys,
    settings::Settings,
    sockets::{Held, Sockets},
    subject::SourceError,
};

mod decisions;
mod enrolments;
mod evaluate;
mod guard;
mod health;
mod input;
mod policies;
mod problem;
mod security_events;
mod sessions;
mod state;
pub mod token;

/// Largest body of a call, in bytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// How long calls may finish when the process stops.
const GRACE: Duration = Duration::from_secs(2);

/// Why the admin or health address cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The address cannot be listened on.
    #[error("cannot listen on `{address}`: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The token file cannot be used.
    #[error("the admin token `{path}` cannot be used: {why}")]
    Token {
        /// Which.
        path: String,
        /// Why.
        why: String,
    },
    /// Whoever may push security events cannot be verified.
    #[error("security_events: {0}")]
    SecurityEvents(#[from] SourceError),
    /// The API needs a folder for its token.
    #[error("`admin` needs `state.path`, where its token is kept")]
    NoFolder,
}

/// The listeners.
pub struct Running {
    /// The admin address; port 0 has become a real one.
    pub admin: Option<SocketAddr>,
    /// The health address; port 0 has become a real one.
    pub health: Option<SocketAddr>,
    /// The decisions address; port 0 has become a real one.
    pub decisions: Option<SocketAddr>,
    draining: Arc<AtomicBool>,
    held: Vec<Held>,
    stopping: watch::Sender<bool>,
    servers: JoinSet<()>,
}

/// What every call works with.
#[derive(Clone)]
struct Desk {
    journeys: Journeys,
    draining: Arc<AtomicBool>,
}

/// Begins to serve what the settings ask for.
///
/// # Errors
/// An address is taken, or the token cannot be kept.
pub async fn start(settings: &Settings, journeys: Journeys, sockets: &Sockets) -> Result<Running, ApiError> {
    let draining = Arc::<AtomicBool>::default();
    let desk = Desk { journeys, draining: draining.clone() };
    let (stopping, stop) = watch::channel(false);
    let mut running = Running {
        admin: None,
        health: None,
        decisions: None,
        draining,
        held: Vec::new(),
        stopping,
        servers: JoinSet::new(),
    };
    let receiver = settings.security_events.as_ref().map(|it| Receiver::new(it, &desk)).transpose()?;
    if let Some(address) = settings.admin {
        let folder = settings.state.path.as_deref().ok_or(ApiError::NoFolder)?;
        let tokens = Tokens::open(&token::path(folder))
            .map_err(|why| ApiError::Token { path: token::path(folder).display().to_string(), why: why.to_string() })?;
        running.admin = Some(running.serve(address, sockets, admin(desk.clone(), tokens), stop.clone())?);
    }
    if let Some(address) = settings.health {
        running.health = Some(running.serve(address, sockets, health::routes(desk.clone()), stop.clone())?);
    }
    if let (Some(address), Some(receiver)) = (settings.decisions, receiver) {
        let router = security_events::routes(desk, Arc::new(receiver));
        running.decisions = Some(running.serve(address, sockets, router, stop)?);
    }
    Ok(running)
}

impl Running {
    /// From now on `/readyz` says that nothing new should be sent here.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Their listening sockets, once more: they stay open for as long as either is kept.
    ///
    /// # Errors
    /// No descriptors are left.
    pub fn sockets(&self) -> io::Result<Vec<Held>> {
        self.held.iter().map(Held::try_clone).collect()
    }

    /// Stops all of them.
    pub async fn stop(mut self) {
        self.held.clear();
        // Nobody listening any more is what is wanted.
        let _ = self.stopping.send(true);
        let finished = async { while self.servers.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, finished).await.is_err() {
            self.servers.shutdown().await;
        }
    }

    fn serve(
        &mut self,
        address: SocketAddr,
        sockets: &Sockets,
        router: Router,
        mut stop: watch::Receiver<bool>,
    ) -> Result<SocketAddr, ApiError> {
        let unusable = |source| ApiError::Listen { address, source };
        let held = sockets.listen(address).map_err(unusable)?;
        let address = held.listener.local_addr().map_err(unusable)?;
        let listener = held.listener.try_clone().and_then(TcpListener::from_std).map_err(unusable)?;
        self.held.push(held);
        let stopped = async move {
            // The sender lives as long as the process serves; its end is a stop too.
            let _ = stop.wait_for(|stop| *stop).await;
        };
        self.servers.spawn(async move {
            if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
                tracing::error!(%error, "the admin, health or decisions listener ended");
            }
        });
        Ok(address)
    }
}

/// Every route of the API: method, path, the scope it needs, and what serves it.
fn routes() -> Vec<(&'static str, &'static str, Scope, MethodRouter<Desk>)> {
    vec![
        ("post", "/api/v1/evaluate", Scope::Evaluate, post(evaluate::evaluate)),
        ("post", "/api/v1/explain", Scope::Evaluate, post(evaluate::explain)),
        ("get", "/api/v1/decisions", Scope::Read, get(decisions::list)),
        ("get", "/api/v1/decisions/{id}", Scope::Read, get(decisions::one)),
        ("get", "/api/v1/policies", Scope::Read, get(policies::list)),
        ("get", "/api/v1/policies/{event}", Scope::Read, get(policies::one)),
        ("post", "/api/v1/reload", Scope::Operate, post(policies::reload)),
        ("get", "/api/v1/sessions", Scope::Read, get(sessions::show)),
        ("post", "/api/v1/sessions/revoke", Scope::Operate, post(sessions::revoke)),
        ("post", "/api/v1/sessions/unlock", Scope::Operate, post(sessions::unlock)),
        ("post", "/api/v1/sessions/invite", Scope::Operate, post(sessions::invite)),
        ("get", "/api/v1/enrolments", Scope::Read, get(enrolments::list)),
        ("post", "/api/v1/enrolments/reset", Scope::Operate, post(enrolments::reset)),
        ("post", "/api/v1/enrolments/import", Scope::Operate, post(enrolments::import)),
        ("post", "/api/v1/state/backup", Scope::Operate, post(state::backup)),
        ("get", "/api/v1/openapi.json", Scope::Read, get(openapi)),
    ]
}

fn admin(desk: Desk, tokens: Tokens) -> Router {
    let tokens = Arc::new(tokens);
    let mut router = Router::new();
    for (_, path, scope, served) in routes() {
        let gate = guard::Gate { tokens: tokens.clone(), scope };
        router = router.route(path, served.layer(middleware::from_fn_with_state(gate, guard::needs_scope)));
    }
    router
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::wrong_method)
        .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(guard::own_hosts_only))
        .with_state(desk)
}

/// The description of the API, from which clients are made.
#[derive(OpenApi)]
#[openapi(
    info(title = "Stepward admin API", description = "Every call carries `Authorization: Bearer <token>`."),
    paths(
        evaluate::evaluate,
        evaluate::explain,
        decisions::list,
        decisions::one,
        policies::list,
        policies::one,
        policies::reload,
        sessions::show,
        sessions::revoke,
        sessions::unlock,
        sessions::invite,
        enrolments::list,
        enrolments::reset,
        enrolments::import,
        state::backup,
        openapi,
    )
)]
struct Description;

/// This description.
#[utoipa::path(get, path = "/api/v1/openapi.json", responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
async fn openapi() -> Json<serde_json::Value> {
    Json(serde_json::to_value(Description::openapi()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let document = serde_json::to_value(Description::openapi()).unwrap();
        let described: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(move |it| (it.clone(), path.clone())))
            .collect();
        let served: BTreeSet<_> =
            routes().iter().map(|(method, path, ..)| ((*method).into(), (*path).into())).collect();
        assert_eq!(described, served);
    }
}
