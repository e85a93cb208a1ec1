//! `/api/v1/policies` and `/api/v1/reload`: what is at work, and what was refused.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};

use crate::{
    api::{Desk, input::Path, problem::Problem},
    outcomes::record,
    registry::{Refusal, Release},
    render,
};

/// The release at work, its policies, and the newest set that was refused, if any.
#[utoipa::path(get, path = "/api/v1/policies", responses((status = 200, description = "The release at work", body = Object)))]
pub(super) async fn list(State(desk): State<Desk>) -> Json<Value> {
    let registry = &desk.journeys.parts().registry;
    let mut told = release(&registry.current());
    if let (Some(told), Some(refusal)) = (told.as_object_mut(), registry.refused()) {
        told.insert("refused".into(), refused(&refusal));
    }
    Json(told)
}

/// One policy with its text.
#[utoipa::path(
    get,
    path = "/api/v1/policies/{event}",
    params(("event" = String, Path, description = "Name of the event")),
    responses((status = 200, description = "The policy", body = Object), (status = 404, description = "There is none"))
)]
pub(super) async fn one(State(desk): State<Desk>, Path(event): Path<String>) -> Result<Json<Value>, Problem> {
    let release = desk.journeys.parts().registry.current();
    let policy = release
        .policy(&event)
        .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "event.unknown", "no policy is about this event"))?;
    Ok(Json(json!({
        "event": policy.event,
        "file": policy.file,
        "mode": policy.mode,
        "text": release.texts.get(&policy.file),
        "release": release.number,
    })))
}

/// Reads the policies again; a bad set changes nothing and is answered with its findings.
#[utoipa::path(
    post,
    path = "/api/v1/reload",
    responses(
        (status = 200, description = "The release at work", body = Object),
        (status = 409, description = "The set has errors; the last good release keeps running")
    )
)]
pub(super) async fn reload(State(desk): State<Desk>) -> Result<Json<Value>, Problem> {
    let reloaded = tokio::task::spawn_blocking(move || desk.journeys.parts().reload()).await;
    let reloaded = reloaded.map(|it| (it.policies, it.connectors));
    match reloaded {
        Ok((Ok(now), None)) => Ok(Json(release(&now))),
        Ok((Ok(_), Some(refused))) => {
            let detail = "some connectors are refused; what was good keeps running";
            let told = refused.found.iter().map(|it| render::value(it, &refused.texts)).collect();
            Err(Problem::new(StatusCode::CONFLICT, "connectors.refused", detail).with(told))
        }
        Ok((Err(refusal), _)) => {
            let detail = "the set has errors; the last good release keeps running";
            Err(Problem::new(StatusCode::CONFLICT, "policies.refused", detail).with(findings(&refusal)))
        }
        Err(_) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "reading the policies failed")),
    }
}

fn release(release: &Release) -> Value {
    let policies = release.policies.iter().map(|policy| {
        json!({
            "event": policy.event,
            "journey": policy.journey,
            "file": policy.file,
            "mode": policy.mode,
            "owner": policy.owner,
            "about": policy.about,
            "covers": policy.covers.iter().map(|cover| cover.text.clone()).collect::<Vec<_>>(),
        })
    });
    json!({
        "release": release.number,
        "hash": release.hash,
        "since": record::time(release.since_ms),
        "policies": policies.collect::<Vec<_>>(),
        "warnings": release.found.iter().map(|it| render::value(it, &release.texts)).collect::<Vec<_>>(),
    })
}

fn refused(refusal: &Refusal) -> Value {
    json!({ "hash": refusal.hash, "at": record::time(refusal.at_ms), "findings": findings(refusal) })
}

fn findings(refusal: &Refusal) -> Value {
    refusal.found.iter().map(|it| render::value(it, &refusal.texts)).collect()
}
