//! Two made-up vendors of address reputation, so that fail-over can be seen without a contract with anybody.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use serde_json::json;

/// What the vendors say, and whether the first one answers at all.
#[derive(Clone, Debug, Default)]
pub struct Vendors {
    broken: Arc<AtomicBool>,
}

impl Vendors {
    /// Whether vendor A is down.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Takes vendor A down, or brings it back.
    pub fn toggle(&self) {
        self.broken.fetch_xor(true, Ordering::Relaxed);
    }

    /// Their two services: `/a/…` with a score from 0 to 100, `/b/…` with a trust from 0 to 1.
    pub fn routes(self) -> Router {
        Router::new().route("/a/reputation", get(vendor_a)).route("/b/check", get(vendor_b)).with_state(self)
    }
}

async fn vendor_a(State(vendors): State<Vendors>) -> impl IntoResponse {
    if vendors.is_broken() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    Json(json!({ "ok": true, "fraud_score": 12, "country": "NL" })).into_response()
}

async fn vendor_b() -> impl IntoResponse {
    Json(json!({ "result": { "trust": 0.85 } }))
}
