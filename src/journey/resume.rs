//! A request that asks for a parked one to be sent now: decided again by the live release, with fresh facts.
//!
//! Method, target and body are the parked ones; `Cookie` and `Authorization` come from the request that resumes.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use stepward_core::{
    decision::Reason,
    policy::Mode,
    request::{Body, Request, head},
};

use crate::{
    arrival::{Arrival, Parked, Withheld, restored},
    bodies,
    journey::{
        Journeys, asked,
        choose::Choice,
        conclude,
        seam::{Ruling, Seen, Sighting},
        stand::{self, Loss},
        visit::Visit,
    },
};

/// Resumes a parked request.
pub async fn resume(journeys: &Journeys, arrival: &Arc<Arrival>, id: &str) -> Ruling {
    match try_resume(journeys, arrival, id).await {
        Ok(ruling) => ruling,
        Err(Loss(error)) => {
            tracing::warn!(%error, "a parked request is not resumed because the state store is lost");
            Ruling::Answer(journeys.0.actions.state_lost(arrival))
        }
    }
}

async fn try_resume(journeys: &Journeys, live: &Arc<Arrival>, id: &str) -> Result<Ruling, Loss> {
    let parts = &*journeys.0;
    let nothing = Seen { release: parts.registry.current(), reads_body: None, keeps_body: 0, candidates: Vec::new() };
    let mut visit = Visit::begin(parts, live, nothing).await;
    stand::read_session(parts, &mut visit).await?;
    let Some(session) = &visit.session else { return Ok(Ruling::Answer(journeys.gone(live))) };
    let subject = visit.own_subject(parts);
    let Some(parked) = parts.challenges.peek(live, session, subject.as_ref(), id).await.map_err(Loss)? else {
        return Ok(Ruling::Answer(journeys.gone(live)));
    };
    let arrival = match revived(live, &parked).await {
        Ok(arrival) => Arc::new(arrival),
        Err(reason) => return Ok(Ruling::Answer(parts.actions.refuse(live, reason, StatusCode::BAD_REQUEST))),
    };
    let request = &arrival.request;
    if !is_same_path(&live.request.path, &request.path) {
        // Its route, and so its app, would be another one than the parked request's.
        return Ok(Ruling::Answer(journeys.gone(live)));
    }
    let methods = head::methods(request);
    let methods: Vec<&str> = methods.iter().map(String::as_str).collect();
    let sighting = journeys.recognise(&methods, &request.host, &request.path);
    let seen = match sighting {
        Sighting::Event(seen) => seen,
        // It was held at an event that is still there: whatever hides that now, it is not let through by it.
        Sighting::Nothing(_)
            if parts.registry.current().policy(&parked.event).is_some_and(|it| it.mode == Mode::Enforce) =>
        {
            return Ok(Ruling::Answer(journeys.gone(live)));
        }
        // A release that no longer knows the event lets the request go its way, as it would let any such request.
        Sighting::Nothing(_) => {
            Seen { release: parts.registry.current(), reads_body: None, keeps_body: 0, candidates: Vec::new() }
        }
        Sighting::Ambiguous => {
            return Ok(Ruling::Answer(parts.actions.refuse(live, Reason::PathAmbiguous, StatusCode::BAD_REQUEST)));
        }
    };
    visit.arrival = arrival.clone();
    visit.seen = seen;
    visit.resuming = Some(id.into());
    match &parked.answer {
        Some(answer) => Ok(Ruling::Answer(release(journeys, visit, &parked, answer).await?)),
        None if parked.asked.is_some() => asked::resumed(journeys, Box::new(visit), &parked).await,
        None => journeys.line(Box::new(visit)).await,
    }
}

/// Whether a parked request is resumed where it was sent; our own pages write `//x` as `/.//x`.
fn is_same_path(live: &str, parked: &str) -> bool {
    live == parked || live.strip_prefix("/.") == Some(parked)
}

/// Lets a withheld answer go, if the live policy of its event says so.
async fn release(
    journeys: &Journeys,
    mut visit: Visit,
    parked: &Parked,
    answer: &Withheld,
) -> Result<crate::reply::Reply, Loss> {
    let parts = &*journeys.0;
    let release = visit.seen.release.clone();
    let found = visit.seen.candidates.iter().find_map(|candidate| {
        let policy = release.policies.get(candidate.policy)?;
        (policy.event == parked.event).then(|| (candidate.clone(), policy.clone()))
    });
    let Some((candidate, policy)) = found else { return Ok(journeys.gone(&visit.arrival)) };
    visit.is_withheld = true;
    let event = Choice::of(candidate.policy, policy, candidate.parameters);
    match stand::look(parts, &mut visit, event).await? {
        Ok(decided) => conclude::release(journeys, &mut visit, &mut [decided], answer).await,
        Err(locked) => conclude::refuse(parts, &mut visit, &locked).await,
    }
}

/// The parked request in the place of the one that resumes it.
async fn revived(live: &Arrival, parked: &Parked) -> Result<Arrival, Reason> {
    let body: Bytes = data_encoding::BASE64.decode(parked.body.as_bytes()).map_err(|_| Reason::ResumeGone)?.into();
    let headers = headers(live, parked);
    let (path, query) = match parked.target.split_once('?') {
        Some((path, query)) => (Arc::from(path), Some(Arc::from(query))),
        None => (parked.target.clone(), None),
    };
    let fields = match body.is_empty() {
        true => Body::Empty,
        // Kept by an event that does not read bodies: its fields are unknown, as they were when it came.
        false => match bodies::parse(&headers, &body).await {
            Ok(fields) => fields,
            Err(_) => bodies::disguise(&headers, &body).unwrap_or(Body::Unread),
        },
    };
    let text = |value: &HeaderValue| std::str::from_utf8(value.as_bytes()).ok().map(Arc::from);
    let told = headers.iter().filter_map(|(name, value)| Some((name.as_str().into(), text(value)?)));
    let request = Request {
        method: parked.method.clone(),
        host: live.request.host.clone(),
        path,
        query,
        headers: told.collect(),
        cookies: live.request.cookies.clone(),
        client_ip: live.request.client_ip,
        secure: live.request.secure,
        body: fields,
    };
    Ok(Arrival { request, headers, body: Some(body), ..live.clone() })
}

/// Header fields of the parked request, with the credentials of the live one.
fn headers(live: &Arrival, parked: &Parked) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &parked.headers {
        if let (Ok(name), Some(value)) = (name.parse::<HeaderName>(), restored(value)) {
            headers.append(name, value);
        }
    }
    for name in [header::COOKIE, header::AUTHORIZATION] {
        headers.remove(&name);
        for value in live.headers.get_all(&name) {
            headers.append(name.clone(), value.clone());
        }
    }
    headers
}
