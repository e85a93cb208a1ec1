//! `/api/v1/decisions`: the newest decisions of this node, as they stand in its log.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{
    Desk,
    input::{Path, Query},
    problem::Problem,
};

/// How many are listed where no limit is given, and at most.
const LIMIT: usize = 50;
const LIMIT_MAX: usize = 1_000;

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Only of this event.
    event: Option<String>,
    /// Only with this outcome, such as `block`.
    outcome: Option<String>,
    /// Only for this reason, such as `when_unsure`.
    reason: Option<String>,
    /// Only in this mode: `enforce` or `shadow`.
    mode: Option<String>,
    /// At most so many, 1 to 1000; 50 if left out.
    limit: Option<usize>,
}

/// The newest decisions of this node, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/decisions",
    params(Wanted),
    responses((status = 200, description = "Decisions, newest first", body = Object))
)]
pub(super) async fn list(State(desk): State<Desk>, Query(wanted): Query<Wanted>) -> Json<Value> {
    let limit = wanted.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let is = |line: &Value, field: &str, value: &Option<String>| {
        value.as_deref().is_none_or(|value| line.get(field).and_then(Value::as_str) == Some(value))
    };
    let found = desk.journeys.parts().log.recent(limit, |line| {
        is(line, "event", &wanted.event)
            && is(line, "outcome", &wanted.outcome)
            && is(line, "reason", &wanted.reason)
            && is(line, "mode", &wanted.mode)
    });
    Json(json!({ "decisions": found }))
}

/// One of the newest decisions.
#[utoipa::path(
    get,
    path = "/api/v1/decisions/{id}",
    params(("id" = String, Path, description = "Id of the decision")),
    responses((status = 200, description = "The decision", body = Object), (status = 404, description = "Not among the newest"))
)]
pub(super) async fn one(State(desk): State<Desk>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let found = desk.journeys.parts().log.recent(1, |line| line.get("id").and_then(Value::as_str) == Some(&id));
    match found.into_iter().next() {
        Some(line) => Ok(Json(line)),
        None => {
            let detail = "it is not among the newest decisions of this node; look into its log";
            Err(Problem::new(StatusCode::NOT_FOUND, "decision.unknown", detail))
        }
    }
}
