//! Every vendor on this machine: the recorded answers of connectors, served on loopback under `/<connector id>/<path>`.
//!
//! For showing and testing fail-over without a contract with anybody. It answers from fixtures only, knows no secret,
//! and does wrong what it is told to ([`fault`]), from the command line or at run time under [`CONTROL`]. A request
//! that no fixture fits gets the first recorded success; a connector that records none answers 404.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::StreamExt as _;
use serde_json::{Value as Json, json};
use stepward_core::{
    attribute::Catalogue,
    connector::compile::source::Source,
    diagnostic::{self, Diagnostic},
};
use tokio::time::Instant;

use crate::vendors::mock::{
    exchange::{Asked, Exchange, Service},
    fault::{Fault, Order},
};

pub mod detour;
pub mod exchange;
pub mod fault;

/// Where faults are injected at run time. No connector's id has an underscore, so this is never a vendor's path.
pub const CONTROL: &str = "/_mock/faults";

/// Longest body of a request that is looked at, in bytes.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// Most faults at work at the same time.
const FAULTS_MAX: usize = 1_000;

/// All vendors of a folder; clones are the same vendors.
#[derive(Clone)]
pub struct Mock {
    services: Arc<BTreeMap<Arc<str>, (Service, AtomicU64)>>,
    faults: Arc<Mutex<Vec<Active>>>,
}

#[derive(Clone)]
struct Active {
    order: Order,
    until: Option<Instant>,
}

impl Active {
    fn is_over(&self) -> bool {
        self.until.is_some_and(|until| until <= Instant::now())
    }

    fn concerns(&self, connector: &str) -> bool {
        self.order.connector.as_deref().is_none_or(|it| it == connector)
    }
}

/// What is to go wrong with one request.
#[derive(Default)]
struct Wrong {
    latency: Option<Duration>,
    fault: Option<Fault>,
}

impl Mock {
    /// The vendors of these connectors.
    ///
    /// # Errors
    /// Everything that is wrong with their files.
    pub fn of(sources: &[Source], catalogue: &Catalogue) -> Result<Mock, Vec<Diagnostic>> {
        let (mut services, mut faults) = (BTreeMap::new(), Vec::new());
        for source in sources {
            match Service::of(source, catalogue) {
                Ok(service) => drop(services.insert(source.id().into(), (service, AtomicU64::new(0)))),
                Err(found) => faults.extend(found),
            }
        }
        if faults.is_empty() { Ok(Mock { services: Arc::new(services), faults: Arc::default() }) } else { Err(faults) }
    }

    /// Ids of the vendors, with how many answers each has recorded.
    pub fn services(&self) -> impl Iterator<Item = (&Arc<str>, usize)> {
        self.services.iter().map(|(id, (service, _))| (id, service.exchanges.len()))
    }

    /// Lets something go wrong from now on. A later order for the same vendor takes the place of an earlier one; only
    /// latency goes together with another fault.
    ///
    /// # Errors
    /// There is no such vendor, or no such fixture of it.
    pub fn inject(&self, order: Order) -> Result<(), String> {
        self.known(&order)?;
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let is_latency = |it: &Order| matches!(it.fault, Fault::Latency(_));
        let replaced =
            |it: &Active| it.order.connector == order.connector && is_latency(&it.order) == is_latency(&order);
        faults.retain(|it| !it.is_over() && !replaced(it));
        if faults.len() >= FAULTS_MAX {
            return Err(format!("more than {FAULTS_MAX} faults at the same time"));
        }
        faults.push(Active { until: order.lasting.map(|it| Instant::now() + it), order });
        Ok(())
    }

    /// Takes back every fault of a vendor, or all there are.
    pub fn clear(&self, connector: Option<&str>) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.retain(|it| connector.is_some() && it.order.connector.as_deref() != connector);
    }

    /// Whether something goes wrong with this vendor now.
    pub fn is_faulty(&self, connector: &str) -> bool {
        let wrong = self.wrong(connector);
        wrong.fault.is_some() || wrong.latency.is_some()
    }

    /// How often a vendor was asked.
    pub fn calls(&self, connector: &str) -> u64 {
        self.services.get(connector).map_or(0, |(_, calls)| calls.load(Ordering::Relaxed))
    }

    /// The vendors and the control endpoint.
    pub fn routes(self) -> Router {
        let control = get(told).put(inject).post(inject).delete(clear);
        Router::new().route(CONTROL, control).fallback(serve).with_state(self)
    }

    fn known(&self, order: &Order) -> Result<(), String> {
        let Some(id) = &order.connector else { return Ok(()) };
        let Some((service, _)) = self.services.get(id) else {
            let near = diagnostic::nearest(id, self.services.keys().map(|it| &**it));
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return Err(format!("there is no connector `{id}`{near}"));
        };
        match &order.fault {
            Fault::Fixture(name) if service.named(name).is_none() => {
                let names: Vec<_> = service.exchanges.iter().map(|it| format!("`{}`", it.name)).collect();
                Err(format!("`{id}` records no answer `{name}`; it has {}", names.join(", ")))
            }
            _ => Ok(()),
        }
    }

    /// What is said of one vendor goes before what is said of all.
    fn wrong(&self, connector: &str) -> Wrong {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let mine: Vec<_> = faults.iter().filter(|it| !it.is_over() && it.concerns(connector)).collect();
        let mut wrong = Wrong::default();
        for active in mine
            .iter()
            .filter(|it| it.order.connector.is_none())
            .chain(mine.iter().filter(|it| it.order.connector.is_some()))
        {
            match &active.order.fault {
                Fault::Latency(by) => wrong.latency = Some(*by),
                other => wrong.fault = Some(other.clone()),
            }
        }
        wrong
    }

    fn state(&self) -> Json {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let told = faults.iter().filter(|it| !it.is_over()).map(|it| {
            let left_ms = it.until.map(|until| u64::try_from((until - now).as_millis()).unwrap_or(u64::MAX));
            json!({ "connector": it.order.connector, "fault": it.order.fault.to_string(), "left_ms": left_ms })
        });
        let calls: serde_json::Map<String, Json> = self
            .services
            .iter()
            .map(|(id, (_, calls))| (id.to_string(), calls.load(Ordering::Relaxed).into()))
            .collect();
        json!({ "schema": "stepward.mock/1", "faults": told.collect::<Vec<_>>(), "calls": calls })
    }
}

async fn told(State(mock): State<Mock>) -> Response {
    axum::Json(mock.state()).into_response()
}

/// An order a line, in the words of the command line.
async fn inject(State(mock): State<Mock>, text: String) -> Response {
    let mut refused = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Err(why) = line.parse::<Order>().and_then(|order| mock.inject(order)) {
            // Writing to a String cannot fail.
            let _ = writeln!(refused, "{why}");
        }
    }
    match refused.as_str() {
        "" => axum::Json(mock.state()).into_response(),
        _ => (StatusCode::BAD_REQUEST, refused).into_response(),
    }
}

/// Without a text all faults end, else those of the connector it names.
async fn clear(State(mock): State<Mock>, text: String) -> Response {
    mock.clear(Some(text.trim()).filter(|text| !text.is_empty()));
    axum::Json(mock.state()).into_response()
}

async fn serve(State(mock): State<Mock>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let whole = parts.uri.path_and_query().map_or("/", |it| it.as_str());
    let (id, rest) = whole.trim_start_matches('/').split_once('/').unwrap_or((whole.trim_matches('/'), ""));
    let Some((service, calls)) = mock.services.get(id) else { return nobody(&mock, id) };
    calls.fetch_add(1, Ordering::Relaxed);
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let asked = Asked { method: parts.method.as_str(), target: format!("/{rest}"), body: &body };
    let wrong = mock.wrong(id);
    if let Some(latency) = wrong.latency {
        tokio::time::sleep(latency).await;
    }
    match wrong.fault {
        Some(fault) => faulty(service, &asked, &fault).await,
        None if asked.wants_token() => token(),
        None => service.answer_to(&asked).map_or_else(|| unrecorded(id), |it| it.response_to(&asked)),
    }
}

fn nobody(mock: &Mock, id: &str) -> Response {
    let ids: Vec<_> = mock.services.keys().map(|it| &**it).collect();
    let told = format!("there is no connector `{id}` here; there are: {}\n", ids.join(", "));
    (StatusCode::NOT_FOUND, told).into_response()
}

fn unrecorded(id: &str) -> Response {
    (StatusCode::NOT_FOUND, format!("`{id}` has no fixture with a response\n")).into_response()
}

/// Whoever asks for a token (RFC 6749 §4.4) gets one; what it is good for is nothing.
fn token() -> Response {
    axum::Json(json!({ "access_token": "mock", "token_type": "Bearer", "expires_in": 3600 })).into_response()
}

async fn faulty(service: &Service, asked: &Asked<'_>, fault: &Fault) -> Response {
    let recorded = service.answer_to(asked);
    match fault {
        Fault::Latency(_) => recorded.map_or_else(|| StatusCode::NOT_FOUND.into_response(), Exchange::response),
        Fault::Error(status) => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, axum::Json(json!({ "error": "injected" }))).into_response()
        }
        Fault::Stall => std::future::pending().await,
        Fault::Garbage => {
            let bytes: Vec<u8> = (0..=255_u8).map(|it| it.wrapping_mul(167).wrapping_add(0x80)).collect();
            ([(header::CONTENT_TYPE, "application/json")], bytes).into_response()
        }
        Fault::HalfClose => {
            half(recorded.map_or_else(|| Bytes::from_static(b"{\"half\": true}"), |it| it.body.clone()))
        }
        Fault::WrongSchema => recorded.map_or_else(|| StatusCode::NOT_FOUND.into_response(), Exchange::renamed),
        Fault::RateLimited => service.rate_limited().map_or_else(
            || (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "5")]).into_response(),
            Exchange::response,
        ),
        Fault::Fixture(name) => {
            service.named(name).map_or_else(|| StatusCode::NOT_FOUND.into_response(), Exchange::response)
        }
    }
}

/// Says how much there is, sends half of it and hangs up: not at once, so that the half does leave.
fn half(whole: Bytes) -> Response {
    const HANG_UP_AFTER: Duration = Duration::from_millis(20);
    let length = HeaderValue::from(whole.len().max(2));
    let first: Result<Bytes, std::io::Error> = Ok(whole.slice(..whole.len() / 2));
    let hung_up = async {
        tokio::time::sleep(HANG_UP_AFTER).await;
        Err(std::io::ErrorKind::BrokenPipe.into())
    };
    let parts = futures_util::stream::once(async { first }).chain(futures_util::stream::once(hung_up));
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_LENGTH, length), (header::CONTENT_TYPE, json)], Body::from_stream(parts)).into_response()
}

#[cfg(test)]
mod tests;
