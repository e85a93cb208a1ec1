//! A request that asks for a parked one to be sent now: decided again by the live release, with fresh facts.
//!
//! Method, target and body are the parked ones; `Cookie` and `Authorization` come from the request that resumes.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use stepward_core::{
    decision::Reason,
    policy::Mode,
    request::{Body, Request, content, head},
};

use crate::{
    arrival::{Arrival, Parked, Spooled, Withheld, restored},
    bodies,
    challenges::parking::spool::Whereabouts,
    journey::{
        Journeys, asked,
        choose::Choice,
        conclude,
        seam::{Ruling, Seen, Sighting},
        stand::{self, Loss},
        visit::Visit,
    },
    sessions::SessionHandle,
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
    // One wait for the store; what is fetched stays sealed until it is known whose it must be.
    let fetched = async { parts.challenges.fetch(id).await.map_err(Loss) };
    let ((), sealed) = tokio::try_join!(stand::read_session(parts, &mut visit), fetched)?;
    let (Some(session), Some(sealed)) = (&visit.session, sealed) else {
        return Ok(Ruling::Answer(journeys.gone(live)));
    };
    let subject = visit.own_subject(parts);
    let Some(parked) = parts.challenges.opened(live, session, subject.as_ref(), id, &sealed) else {
        return Ok(Ruling::Answer(journeys.gone(live)));
    };
    match parts.challenges.whereabouts(id, &parked).await {
        Whereabouts::Here => {}
        Whereabouts::Elsewhere => return Ok(Ruling::Answer(journeys.elsewhere(live))),
        Whereabouts::Nowhere => return Ok(Ruling::Answer(journeys.gone(live))),
    }
    let kept = parked.spooled.map(|spooled| Kept { id, session, spooled });
    let arrival = match revived(journeys, live, &parked, kept).await {
        Ok(arrival) => Arc::new(arrival),
        Err(refused) => return Ok(Ruling::Answer(journeys.refusal(live, refused.0, refused.1))),
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
    let parked = Arc::new(parked);
    visit.parked = Some(parked.clone());
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

/// A parked body that lies in a file, and by what right it may be read.
struct Kept<'a> {
    id: &'a str,
    session: &'a SessionHandle,
    spooled: Spooled,
}

/// Why a parked request cannot be read any more, and how that is answered.
struct Unreadable(Reason, StatusCode);

/// The parked request in the place of the one that resumes it.
async fn revived(
    journeys: &Journeys,
    live: &Arrival,
    parked: &Parked,
    kept: Option<Kept<'_>>,
) -> Result<Arrival, Unreadable> {
    let gone = || Unreadable(Reason::ResumeGone, StatusCode::GONE);
    let headers = headers(live, parked);
    let (path, query) = match parked.target.split_once('?') {
        Some((path, query)) => (Arc::from(path), Some(Arc::from(query))),
        None => (parked.target.clone(), None),
    };
    let wanted = wanted(journeys, live, parked, &path, &headers);
    let body = match kept {
        None => Some(Bytes::from(data_encoding::BASE64.decode(parked.body.as_bytes()).map_err(|_| gone())?)),
        Some(kept) => match wanted {
            // Nothing reads it, as nothing did when it came.
            None => None,
            Some(bytes_max) if kept.spooled.bytes > bytes_max as u64 => {
                return Err(Unreadable(Reason::BodyTooLarge, StatusCode::PAYLOAD_TOO_LARGE));
            }
            Some(_) => {
                let read = journeys.0.challenges.look_into(live, kept.session, kept.id, kept.spooled);
                Some(Box::pin(read).await.ok_or_else(gone)?)
            }
        },
    };
    let fields = match &body {
        None => Body::Unread,
        Some(body) if body.is_empty() => Body::Empty,
        // Kept by an event that does not read bodies: its fields are unknown, as they were when it came.
        Some(body) => match bodies::parse(&headers, body).await {
            Ok(fields) => fields,
            Err(_) => bodies::disguise(&headers, body).unwrap_or(Body::Unread),
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
    Ok(Arrival { request, headers, body, upload: None, ..live.clone() })
}

/// How much of a body in a file the live release reads: where an event of its path reads bodies, or where a field in it
/// could ask for the method of another event. Everything else about it was told by its head.
fn wanted(journeys: &Journeys, live: &Arrival, parked: &Parked, path: &str, headers: &HeaderMap) -> Option<usize> {
    let host = &live.request.host;
    let seen = match journeys.see(&[&parked.method], host, path) {
        Sighting::Event(seen) => Some(seen),
        Sighting::Nothing(_) | Sighting::Ambiguous => None,
    };
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let may_disguise = &*parked.method == "POST" && content::may_name_method(content_type);
    let disguise = may_disguise.then(|| journeys.disguise(host, path, seen.as_ref())).flatten();
    seen.and_then(|seen| seen.reads_body).max(disguise)
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
