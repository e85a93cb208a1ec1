//! `/livez`, `/readyz` and `/metrics`, for any host and without a token: they tell nothing about people.

use std::{sync::atomic::Ordering, time::Duration};

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::{
    api::Desk,
    store::StateStore,
    telemetry::{Standing, lines::AccessLog},
};

/// How long the store may take to say that it is well.
const STORE_WAIT_MAX: Duration = Duration::from_millis(250);

pub(super) fn routes(desk: Desk) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(desk)
}

/// One thing that is looked at.
struct Finding {
    what: &'static str,
    /// Whether requests should go elsewhere because of it.
    stops: bool,
    trouble: Option<String>,
}

async fn readyz(State(desk): State<Desk>, RawQuery(query): RawQuery) -> Response {
    let findings = look(&desk).await;
    let ready = findings.iter().all(|it| it.trouble.is_none() || !it.stops);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = if ready { "ready" } else { "not ready" };
    let verbose = query.is_some_and(|query| query.split('&').any(|it| it == "verbose" || it.starts_with("verbose=")));
    let mut text = String::new();
    for finding in findings.iter().filter(|_| verbose) {
        match &finding.trouble {
            None => text.push_str(&format!("[+] {}: ok\n", finding.what)),
            Some(trouble) => text.push_str(&format!("[-] {}: {trouble}\n", finding.what)),
        }
    }
    text.push_str(word);
    text.push('\n');
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")], text)
        .into_response()
}

/// A bad set of policies, a log that loses lines and an app that is down are told and do not stop traffic: the last
/// good set is at work, turning requests away would do what a full disk should not be able to, and every other node has
/// the same apps behind it.
async fn look(desk: &Desk) -> Vec<Finding> {
    let parts = desk.journeys.parts();
    let store = tokio::time::timeout(STORE_WAIT_MAX, parts.store.health()).await;
    let store = match store {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(parts.store.trouble().unwrap_or_else(|| error.to_string())),
        Err(_) => Some(format!("no answer within {} ms", STORE_WAIT_MAX.as_millis())),
    };
    parts.metrics.state_store(store.is_none());
    let refused = parts.registry.refused().map(|refusal| {
        let lines: Vec<_> = refusal.lines().collect();
        format!(
            "release {} keeps running, for the newest set is bad: {}",
            parts.registry.current().number,
            lines.join(" | ")
        )
    });
    let connectors = parts.signals.refused_connectors().map(|found| {
        let lines: Vec<_> = found.lines().collect();
        format!("what was good before keeps running, for some files are refused: {}", lines.join(" | "))
    });
    let down: Vec<_> = parts.metrics.upstreams().into_iter().filter(|(_, standing)| standing.down > 0).collect();
    let down = (!down.is_empty()).then(|| {
        let each = down
            .iter()
            .map(|(app, Standing { up, down })| format!("{down} of {} addresses of `{app}` are down", up + down));
        each.collect::<Vec<_>>().join(" | ")
    });
    let draining = desk.draining.load(Ordering::Acquire).then(|| "the process is stopping".to_string());
    vec![
        Finding { what: "draining", stops: true, trouble: draining },
        Finding { what: "state store", stops: true, trouble: store },
        Finding { what: "policies", stops: false, trouble: refused },
        Finding { what: "connectors", stops: false, trouble: connectors },
        Finding { what: "upstreams", stops: false, trouble: down },
        Finding { what: "decision log", stops: false, trouble: parts.log.trouble() },
        Finding { what: "access log", stops: false, trouble: parts.access_log.as_ref().and_then(AccessLog::trouble) },
    ]
}

async fn metrics(State(desk): State<Desk>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], desk.journeys.parts().metrics.text()).into_response()
}
