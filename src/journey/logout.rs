//! The app ends its session by an answer that takes its session cookie back, whatever the request was.
//!
//! Then ours is over too, with its proofs and all that waits for one (DESIGN §9). A visitor who is not signed in keeps
//! hers: apps clear their cookie on many a page that strangers see. When the store is lost the app's cookie is gone all
//! the same, and without it the session names nobody.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use crate::{
    arrival::Arrival,
    journey::{
        Parts,
        seam::Seen,
        stand::{self, Loss},
        visit::Visit,
    },
    sessions::{SessionHandle, cookies::Scope, record::Record},
    subject::app_session,
};

/// Whether an answer may be a sign-out; cheap, because it is asked of every answer.
pub fn may_be_one(parts: &Parts, headers: &HeaderMap) -> bool {
    app_session::is_over(headers, |name| parts.is_app_session(name), parts.clock.now_ms())
}

/// Whether an answer takes back the cookie that a session's subject was bound to.
pub fn takes_back(record: &Record, headers: &HeaderMap, now_ms: i64) -> bool {
    let is_bound = |name: &str| record.app_cookies.iter().any(|(bound, _)| **bound == *name);
    app_session::is_over(headers, is_bound, now_ms)
}

/// Ends the session of a request that was no event, if the app's answer ends it; the lines returned are added to that
/// answer.
pub async fn of(parts: &Parts, arrival: &Arc<Arrival>, headers: &HeaderMap) -> Vec<HeaderValue> {
    let seen = Seen { release: parts.registry.current(), reads_body: None, keeps_body: 0, candidates: Vec::new() };
    let mut visit = Visit::begin(parts, arrival, seen).await;
    match end(parts, &mut visit, headers).await {
        Ok(cookie) => cookie.into_iter().collect(),
        Err(Loss(error)) => {
            tracing::warn!(%error, "a session could not be ended; without the app's cookie it names nobody");
            Vec::new()
        }
    }
}

async fn end(parts: &Parts, visit: &mut Visit, headers: &HeaderMap) -> Result<Option<HeaderValue>, Loss> {
    stand::read_session(parts, visit).await?;
    let now_ms = visit.now_ms;
    let Some(session) = visit.session.as_mut().filter(|session| takes_back(&session.record, headers, now_ms)) else {
        return Ok(None);
    };
    session.end(&*parts.store).await.map_err(Loss)?;
    let scope = Scope::of(&visit.arrival.request);
    Ok(scope.and_then(|scope| SessionHandle::forget_cookie(scope).parse().ok()))
}
