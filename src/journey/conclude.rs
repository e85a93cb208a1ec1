//! What came of a forwarded event: sensed from the app's answer, it drives counters, the subject and what is remembered.
//!
//! The user has the app's answer already or is about to; a store that is lost here loses a counter, never an answer.
//! An answer that is held is different: it is let go only by a decision.

use futures_util::future::try_join_all;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use stepward_core::{
    decision::Reason,
    expr::{Condition, SlotSet, Truth},
    facts::{Facts, Reading, SlotId, Why},
    policy::{Origin, Policy, ResponseSource, document::Contact},
    value::Value,
};

use crate::{
    actions::Carried,
    arrival::{Withheld, restored},
    challenges::contacts::Reach,
    journey::{
        Journeys, Parts, apply, consent, logout,
        seam::{Decided, Pending},
        spare,
        stand::{self, Loss, Ruled},
        visit::{self, Visit},
    },
    reply::Reply,
    sessions::{
        Committed, SessionHandle,
        cookies::Scope,
        record::{Subject, SubjectKind, VerifiedBy},
    },
    signals::{self, Who, known},
    store::{Begin, Id, Standing, StateStore, Stored},
    subject::{self, app_session},
    vendors::feedback,
};

/// The app answered; the lines returned are added to its answer.
pub async fn concluded(parts: &Parts, pending: Pending, status: StatusCode, headers: &HeaderMap) -> Vec<HeaderValue> {
    let Pending { mut visit, decided } = pending;
    // One answer to several tries does not tell whose succeeded: nobody is signed in by it.
    let is_batch = decided.len() > 1;
    for mut event in decided {
        let names_subject = event.policy.facts.iter().any(|fact| fact.identifies_subject);
        let success = sense(&mut event, status, headers).filter(|_| !(is_batch && names_subject));
        if let Err(Loss(error)) = settle(parts, &mut visit, &mut event, success, headers).await {
            tracing::warn!(%error, event = %event.policy.event, "the end of an event could not be recorded");
        }
        tell(&mut event, success);
    }
    cookies(parts, &mut visit).await
}

/// Vendors that were asked hear how the event came out, where that is known.
fn tell(event: &mut Decided, success: Option<bool>) {
    let outcome = match success {
        Some(true) => feedback::Outcome::Succeeded,
        Some(false) => feedback::Outcome::Failed,
        None => return,
    };
    feedback::tell(std::mem::take(&mut event.owed), outcome);
}

/// The app did not answer: nobody knows whether the event happened, so it counts as a failed try.
pub async fn lost(parts: &Parts, pending: Pending) {
    let Pending { mut visit, decided } = pending;
    for mut event in decided {
        if let Err(Loss(error)) = settle(parts, &mut visit, &mut event, None, &HeaderMap::new()).await {
            tracing::warn!(%error, event = %event.policy.event, "the end of an event could not be recorded");
        }
    }
}

/// The app's whole answer to a held event. A failed try goes back to the client as it is; a success is decided on.
pub async fn answered(journeys: &Journeys, pending: Pending, answer: Withheld) -> Reply {
    let Pending { mut visit, mut decided } = pending;
    let arrival = visit.arrival.clone();
    match answer_held(journeys, &mut visit, &mut decided, &answer).await {
        Ok(reply) => reply,
        Err(Loss(error)) => {
            tracing::warn!(%error, "a held answer is refused because the state store is lost");
            journeys.0.actions.state_lost(&arrival)
        }
    }
}

async fn answer_held(
    journeys: &Journeys,
    visit: &mut Visit,
    decided: &mut [Decided],
    answer: &Withheld,
) -> Result<Reply, Loss> {
    let parts = &*journeys.0;
    let headers = header_map(answer);
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let Some(event) = decided.first_mut() else { return Ok(journeys.broken(&visit.arrival)) };
    let success = sense(event, status, &headers);
    settle(parts, visit, event, success, &headers).await?;
    if success != Some(true) {
        let cookies = cookies(parts, visit).await;
        return Ok(apply::released(answer, cookies).unwrap_or_else(|| journeys.broken(&visit.arrival)));
    }
    release(journeys, visit, decided, answer).await
}

/// Decides whether the app's answer to a success is let go.
///
/// # Errors
/// When the state store is lost; the answer is not let go then.
pub async fn release(
    journeys: &Journeys,
    visit: &mut Visit,
    decided: &mut [Decided],
    answer: &Withheld,
) -> Result<Reply, Loss> {
    let parts = &*journeys.0;
    visit.is_withheld = true;
    let Some(event) = decided.first_mut() else { return Ok(journeys.broken(&visit.arrival)) };
    let decision = stand::decide_again(parts, visit, event).await;
    let carried = apply::carry(parts, visit, &decision, decided, Some(answer)).await?;
    match carried {
        Carried::Onward(_) => {
            if !consent::spend(parts, visit, decided).await? {
                return Ok(journeys.gone(&visit.arrival));
            }
            if let (Some(id), Some(session)) = (visit.resuming.clone(), visit.session.clone()) {
                let subject = visit.own_subject(parts);
                let found = visit.parked.as_deref();
                let taken = parts.challenges.take(&visit.arrival, &session, subject.as_ref(), &id, found);
                if taken.await.map_err(Loss)?.is_none() {
                    return Ok(journeys.gone(&visit.arrival));
                }
            }
            decided.iter_mut().for_each(|event| tell(event, Some(true)));
            let cookies = cookies(parts, visit).await;
            Ok(apply::released(answer, cookies).unwrap_or_else(|| journeys.broken(&visit.arrival)))
        }
        // The app has answered already: there is no other upstream to ask.
        Carried::Elsewhere(_) => Ok(journeys.broken(&visit.arrival)),
        Carried::Answer(mut reply) => {
            apply::tell_refusal(parts, decided, &decision, &reply);
            reply.headers.extend(cookies(parts, visit).await.into_iter().map(|it| (header::SET_COOKIE, it)));
            Ok(reply)
        }
    }
}

/// Refuses what is withheld, for a lock-out that began while it was; nothing waits any more.
///
/// # Errors
/// When the state store is lost.
pub async fn refuse(parts: &Parts, visit: &mut Visit, locked: &Ruled) -> Result<Reply, Loss> {
    if let Some(id) = visit.resuming.clone() {
        parts.challenges.discard(&id).await.map_err(Loss)?;
    }
    match apply::carry(parts, visit, &locked.decision, std::slice::from_ref(&locked.decided), None).await? {
        Carried::Answer(reply) => Ok(reply),
        Carried::Onward(_) | Carried::Elsewhere(_) => {
            Ok(parts.actions.refuse(&visit.arrival, Reason::Internal, StatusCode::FORBIDDEN))
        }
    }
}

/// Whether the event succeeded: `Some` only where exactly one of `succeeded` and `failed` holds.
fn sense(event: &mut Decided, status: StatusCode, headers: &HeaderMap) -> Option<bool> {
    read_response(&event.policy, status, headers, &mut event.facts);
    let holds = |condition: &Option<Condition>| {
        let truth = condition.as_ref().map(|it| it.eval(&event.facts, &mut SlotSet::default()));
        match truth {
            Some(Truth::True) => true,
            Some(Truth::False | Truth::Unknown | Truth::Pending) | None => false,
        }
    };
    match (holds(&event.policy.succeeded), holds(&event.policy.failed)) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        (true, true) | (false, false) => None,
    }
}

fn read_response(policy: &Policy, status: StatusCode, headers: &HeaderMap, facts: &mut Facts) {
    for (at, slot) in policy.slots.iter().enumerate() {
        let (Origin::Response(source), Ok(at)) = (&slot.origin, u16::try_from(at)) else { continue };
        let reading = match source {
            ResponseSource::Status => Reading::Known(Value::Int(i64::from(status.as_u16()))),
            ResponseSource::Header(name) => headers
                .get(&**name)
                .and_then(|value| value.to_str().ok())
                .map_or(Reading::Unknown(Why::Absent), |text| Reading::Known(Value::text(text))),
        };
        signals::learn(facts, policy, SlotId(at), reading, "response");
    }
}

/// Takes in how an event ended: subject, session, counters, what is remembered.
async fn settle(
    parts: &Parts,
    visit: &mut Visit,
    event: &mut Decided,
    success: Option<bool>,
    headers: &HeaderMap,
) -> Result<(), Loss> {
    if success == Some(true) {
        sign_in(parts, visit, event, headers).await.map_err(Loss)?;
        let is_awaited = visit.seen.release.policies.iter().any(|policy| policy.after.contains(&event.policy.event));
        if is_awaited && parts.can_keep(&visit.arrival) {
            let now_ms = visit.now_ms;
            visit.need_session(parts).change().succeed(event.policy.event.clone(), now_ms);
        }
    }
    let settled = afterwards(parts, visit, event, success).await;
    if is_signed_out(visit, &event.policy, success, headers)
        && let Some(session) = &mut visit.session
    {
        session.end(&*parts.store).await.map_err(Loss)?;
    }
    settled.map_err(Loss)
}

/// Whether the subject has signed out: the policy says so of its event, or the app ends the cookie of its session.
fn is_signed_out(visit: &Visit, policy: &Policy, success: Option<bool>, headers: &HeaderMap) -> bool {
    let Some(session) = &visit.session else { return false };
    // An event that may have happened has: whoever signed out must not find proofs of theirs alive.
    (policy.ends_session && success != Some(false)) || logout::takes_back(&session.record, headers, visit.now_ms)
}

/// The claimed subject is the session's subject now: under a new ticket, bound to the app's session cookie.
async fn sign_in(parts: &Parts, visit: &mut Visit, event: &Decided, headers: &HeaderMap) -> Stored<()> {
    let Some(name) = visit::claimed_subject(&event.policy, &event.facts) else { return Ok(()) };
    if !parts.can_keep(&visit.arrival) {
        return Ok(());
    }
    let tenant = visit.arrival.route.tenant.clone();
    let now_ms = visit.now_ms;
    let account = parts.sessions.account(&tenant, &name);
    let subject = Subject { name, account, kind: SubjectKind::Human, verified_by: VerifiedBy::Login, since_ms: now_ms };
    let is_still_in = visit.subject(parts).is_some_and(|before| before.account == account);
    let app_cookies = app_session::begun(headers, |name| parts.is_app_session(name), now_ms);
    let session = visit.need_session(parts);
    session.sign_in(&parts.sessions, now_ms, subject, is_still_in);
    for (name, value) in app_cookies {
        session.bind_app(&parts.sessions, name, value);
    }
    for (at, fact) in event.policy.facts.iter().enumerate() {
        let Some(kind) = fact.contact else { continue };
        let Some(address) = visit::fact_text(&event.policy, &event.facts, at) else { continue };
        let reach = match kind {
            Contact::Email if subject::is_email(&address) => Reach::Mail,
            Contact::Email => continue,
            Contact::Phone => Reach::Phone,
        };
        parts.challenges.contacts().learn_of(reach, &tenant, account, &address).await?;
    }
    Ok(())
}

/// Counters of failures and successes, remembered values, the last place, the first day.
async fn afterwards(parts: &Parts, visit: &Visit, event: &mut Decided, success: Option<bool>) -> Stored<()> {
    let is_sensed = event.policy.succeeded.is_some() || event.policy.failed.is_some();
    let Some(plan) = visit.seen.release.plans.get(event.index).filter(|_| is_sensed) else { return Ok(()) };
    let tenant = visit.tenant();
    let who = visit.who(parts, &tenant, &event.policy, &event.facts);
    let who = match signed_in(visit, &who).filter(|_| success == Some(true)) {
        Some(account) => who.with_subject(Some(account), who.claimed, &parts.keys),
        None => who,
    };
    let after = plan.conclude(&who, success, &event.facts, &event.policy, &parts.keys);
    let is_written = |account: &Id| !plan.wants_age() && parts.signals.noted.holds(account);
    let first_seen = after.first_seen.filter(|(account, ..)| !is_written(account));
    // Of who was only claimed before, it is read now who has signed in.
    let heard = plan.heard_entry(&who, &parts.keys).filter(|_| success == Some(true));
    let entries: Vec<_> = first_seen.into_iter().chain(heard).collect();
    let mut standing = Standing::default();
    if !after.meters.is_empty() || !entries.is_empty() {
        let begin = Begin { meters: &after.meters, entries: &entries, ..Begin::default() };
        standing = parts.store.begin(visit.now_ms, begin).await?;
    }
    if let (Some((account, drawer, id)), Some(before)) = (first_seen, standing.entries.first()) {
        if plan.wants_age() {
            plan.learn_age(before.as_deref(), &who, &mut event.facts, &event.policy, &parts.keys);
        }
        if before.is_none() {
            let today = known::today(&account, &who, &parts.keys);
            parts.store.enrol(account, drawer, id, today).await?;
        }
        parts.signals.noted.note(account);
    }
    if let (Some(_), Some(sealed)) = (heard, standing.entries.last()) {
        plan.learn_heard(sealed.as_deref(), &who, &mut event.facts, &event.policy, &parts.keys);
    }
    // At once: all of them wait for the disk, and it takes them in one go.
    let entries =
        after.entries.into_iter().map(|(account, drawer, id, sealed)| parts.store.enrol(account, drawer, id, sealed));
    try_join_all(entries).await.map(drop)
}

/// The account of whoever has just signed in: the request came before the app's cookie that would tell it.
fn signed_in(visit: &Visit, who: &Who<'_>) -> Option<Id> {
    let subject = visit.session.as_ref()?.record.subject.as_ref()?;
    Some(subject.account).filter(|account| who.claimed == Some(*account))
}

/// Writes the session and gives the browser its new ticket, or a new snapshot.
async fn cookies(parts: &Parts, visit: &mut Visit) -> Vec<HeaderValue> {
    let (Some(session), Some(scope)) = (&mut visit.session, Scope::of(&visit.arrival.request)) else {
        return Vec::new();
    };
    if !session.is_changed() {
        let forget = session.is_over().then(|| SessionHandle::forget_cookie(scope));
        let forget = forget.and_then(|cookie| cookie.parse().ok());
        return forget.or_else(|| spare::cookie(parts, visit, scope, None)).into_iter().collect();
    }
    let is_new = session.is_new();
    match session.commit(&parts.sessions, &*parts.store).await {
        Ok(Committed::Done) if is_new => session.set_cookie(&parts.sessions, scope).parse().into_iter().collect(),
        Ok(written @ Committed::Done) => spare::cookie(parts, visit, scope, Some(written)).into_iter().collect(),
        Ok(Committed::Gone) => Vec::new(),
        Err(error) => {
            tracing::warn!(%error, "a session could not be written; its owner signs in again");
            Vec::new()
        }
    }
}

fn header_map(answer: &Withheld) -> HeaderMap {
    let pairs = answer
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.parse::<http::HeaderName>().ok()?, restored(value)?)));
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name, value);
    }
    headers
}
