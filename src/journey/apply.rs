//! From a decision to a ruling: what the edge does with the request.

use std::time::{Duration, Instant};

use http::StatusCode;
use stepward_core::decision::{Decision, Forward, Notified, Outcome, Reason, Verb};

use crate::{
    actions::{self, Carried, Scene, identity},
    arrival::{Withheld, restored},
    challenges::{
        notice::{Became, Notice},
        parking,
    },
    journey::{
        Journeys, Parts, consent,
        seam::{Decided, Forwarding, Pending, Recheck, Ruling},
        stand::Loss,
        visit::{self, Visit},
    },
    reply::Reply,
    store::{Begin, Counted, Kind, StateStore},
    vendors::feedback,
};

/// Carries the decision out and rules on the request.
///
/// # Errors
/// When the state store is lost on the way.
pub async fn apply(
    journeys: &Journeys,
    mut visit: Box<Visit>,
    decision: &Decision,
    mut decided: Vec<Decided>,
) -> Result<Ruling, Loss> {
    let parts = &*journeys.0;
    let is_kept = decision.outcome.verb() == Verb::Challenge;
    match carry(parts, &mut visit, decision, &decided, None).await? {
        Carried::Onward(forward) => onward(journeys, visit, decided, &forward, None).await,
        Carried::Elsewhere(upstream) => onward(journeys, visit, decided, &Forward::default(), Some(upstream)).await,
        Carried::Answer(reply) => {
            tell_refusal(parts, &mut decided, decision, &reply);
            if let (Some(id), false) = (&visit.resuming, is_kept) {
                // A refusal other than a challenge drops what was parked (DESIGN §9).
                Box::pin(parts.challenges.discard(id)).await.map_err(Loss)?;
            }
            Ok(Ruling::Answer(reply))
        }
    }
}

/// Vendors that were asked hear that the request went no further; of a challenge they hear when it is met or spent.
pub fn tell_refusal(parts: &Parts, decided: &mut [Decided], decision: &Decision, reply: &Reply) {
    let outcome = match &decision.outcome {
        // A challenge whose tries are spent is a refusal.
        Outcome::Challenge(_) if reply.status == StatusCode::FORBIDDEN => feedback::Outcome::Blocked,
        Outcome::Challenge(_) => {
            let Some(id) = decided.first().map(|first| first.decision_id.clone()) else { return };
            let owed = decided.iter_mut().flat_map(|it| std::mem::take(&mut it.owed)).collect();
            return parts.promises.keep(id, owed, Instant::now());
        }
        Outcome::LockOut(_) => feedback::Outcome::LockedOut,
        Outcome::Block => feedback::Outcome::Blocked,
        // Nobody is told of a request that has yet to come out.
        Outcome::Forward(_) | Outcome::Throttle(_) | Outcome::Reroute(_) => return,
    };
    decided.iter_mut().for_each(|event| feedback::tell(std::mem::take(&mut event.owed), outcome));
}

/// Carries a decision out on the first of its events, the one that decides, with what accompanies it.
///
/// # Errors
/// When the state store is lost on the way.
pub async fn carry(
    parts: &Parts,
    visit: &mut Visit,
    decision: &Decision,
    decided: &[Decided],
    withheld: Option<&Withheld>,
) -> Result<Carried, Loss> {
    let Some(first) = decided.first() else {
        return Ok(Carried::Answer(parts.actions.refuse(&visit.arrival, Reason::Internal, StatusCode::FORBIDDEN)));
    };
    count(parts, visit, decision, first).await;
    if let Outcome::Forward(forward) = &decision.outcome
        && forward.max_rate.is_none()
    {
        let carried = Carried::Onward(forward.clone());
        notify(parts, visit, decision, first, &carried);
        return Ok(carried);
    }
    let subject = visit.subject(parts);
    let arrival = visit.arrival.clone();
    let resuming = visit.resuming.clone();
    let asked = visit.asked.clone();
    let tenant = visit.tenant();
    let who = visit.who(parts, &tenant, &first.policy, &first.facts);
    let claimed = visit::claimed_subject(&first.policy, &first.facts).zip(who.claimed);
    if let Outcome::Challenge(_) = decision.outcome {
        visit.need_session(parts);
    }
    let mut scene = Scene {
        arrival: &arrival,
        policy: &first.policy,
        facts: &first.facts,
        who: &who,
        subject: subject.as_ref(),
        claimed,
        session: visit.session.as_mut(),
        decision_id: &first.decision_id,
        withheld,
        resuming: resuming.as_deref(),
        asked: asked.as_ref(),
        ways: first.ways.as_ref(),
        speaker: actions::speaker(&first.policy, decision),
    };
    let carried = Box::pin(parts.actions.carry(&mut scene, decision)).await.map_err(Loss)?;
    notify(parts, visit, decision, first, &carried);
    Ok(carried)
}

/// The obligation `notify`: the verified subject is told what became of it, in the background.
fn notify(parts: &Parts, visit: &Visit, decision: &Decision, first: &Decided, carried: &Carried) {
    if !decision.obligations.notify.contains(&Notified::Subject) {
        return;
    }
    let Some(subject) = visit.subject(parts) else { return };
    let became = match carried {
        Carried::Onward(_) | Carried::Elsewhere(_) => Became::PassedOn,
        // A challenge whose tries are spent, or that another site wanted, is a refusal.
        Carried::Answer(reply) if reply.status == StatusCode::FORBIDDEN => Became::Refused,
        Carried::Answer(_) if decision.outcome.verb() == Verb::Challenge => Became::Asked,
        Carried::Answer(_) => Became::Refused,
    };
    parts.challenges.notify(Notice {
        tenant: visit.tenant(),
        account: subject.account,
        event: first.policy.event.clone(),
        became,
        decision_id: first.decision_id.clone(),
        at_ms: visit.now_ms,
    });
}

/// The obligation `count`. A counter that could not be raised is an operator's loss, not the user's.
async fn count(parts: &Parts, visit: &Visit, decision: &Decision, first: &Decided) {
    if decision.obligations.count.is_empty() {
        return;
    }
    let Some(plan) = visit.seen.release.plans.get(first.index) else { return };
    let tenant = visit.tenant();
    let who = visit.who(parts, &tenant, &first.policy, &first.facts);
    let raised = plan.count(&who, &decision.obligations.count);
    let begin = Begin { meters: &raised.meters, ..Begin::default() };
    if let Err(error) = parts.store.begin(visit.now_ms, begin).await {
        tracing::warn!(%error, event = %first.policy.event, "a counter of `count` was not raised");
    }
}

/// The request goes to the app.
async fn onward(
    journeys: &Journeys,
    mut visit: Box<Visit>,
    decided: Vec<Decided>,
    forward: &Forward,
    upstream: Option<std::sync::Arc<str>>,
) -> Result<Ruling, Loss> {
    let forwarding = forwarding(journeys, &visit, &decided, forward, upstream);
    let parts = &*journeys.0;
    if !consent::spend(parts, &mut visit, &decided).await? {
        return Ok(Ruling::Answer(parts.actions.refuse(&visit.arrival, Reason::ResumeGone, StatusCode::GONE)));
    }
    send(journeys, visit, decided, forwarding).await
}

/// An event that applies after success goes to the app at once; the answer is held.
///
/// # Errors
/// When the state store is lost on the way.
pub async fn hold(journeys: &Journeys, visit: Box<Visit>, decided: Vec<Decided>) -> Result<Ruling, Loss> {
    let mut forwarding = forwarding(journeys, &visit, &decided, &Forward::default(), None);
    forwarding.hold = decided.first().map(|first| first.policy.park_bytes_max.min(parking::WITHHELD_BYTES_MAX));
    send(journeys, visit, decided, forwarding).await
}

/// Sends the request, or the parked one that it resumes.
///
/// INVARIANT: every way to the app ends here, so that a request that resumes another is never sent in its place.
///
/// # Errors
/// When the state store is lost on the way.
pub async fn send(
    journeys: &Journeys,
    mut visit: Box<Visit>,
    decided: Vec<Decided>,
    mut forwarding: Forwarding,
) -> Result<Ruling, Loss> {
    let parts = &*journeys.0;
    if let Some(id) = visit.resuming.clone() {
        // Taken just before the first byte to the app, by one request only: it is never sent again.
        let session = visit.need_session(parts).clone();
        let subject = visit.own_subject(parts);
        let found = visit.parked.as_deref();
        let taken = parts.challenges.take(&visit.arrival, &session, subject.as_ref(), &id, found);
        let Some(parked) = Box::pin(taken).await.map_err(Loss)? else {
            return Ok(Ruling::Answer(parts.actions.refuse(&visit.arrival, Reason::ResumeGone, StatusCode::GONE)));
        };
        if let Some(spooled) = parked.spooled {
            let body = Box::pin(parts.challenges.unspool(&visit.arrival, &session, &id, spooled)).await;
            if body.is_none() {
                return Ok(Ruling::Answer(parts.actions.refuse(&visit.arrival, Reason::ResumeGone, StatusCode::GONE)));
            }
            forwarding.spooled = body;
        }
        forwarding.replay = Some(parked);
    }
    if !decided.is_empty() {
        forwarding.pending = Some(Box::new(Pending { visit, decided }));
    }
    Ok(Ruling::Forward(Box::new(forwarding)))
}

fn forwarding(
    journeys: &Journeys,
    visit: &Visit,
    decided: &[Decided],
    forward: &Forward,
    upstream: Option<std::sync::Arc<str>>,
) -> Forwarding {
    let parts = &*journeys.0;
    let Some(first) = decided.first() else { return Forwarding::default() };
    let subject = visit.subject(parts);
    let proofs = visit.proofs(subject.as_ref().map(|subject| subject.account));
    // Also where the event names somebody else.
    let account = subject.as_ref().map(|it| Counted { kind: Kind::Account, id: it.account });
    let upstream_name = upstream.as_deref().unwrap_or(&visit.arrival.route.upstream);
    let told = identity::Told {
        arrival: &visit.arrival,
        event: &first.policy.event,
        decision_id: &first.decision_id,
        subject: subject.as_ref(),
        proofs: &proofs,
        upstream: upstream_name,
        is_signed: parts.settings.upstreams.get(upstream_name).is_none_or(|it| it.assertion),
        now_ms: visit.now_ms,
    };
    Forwarding {
        headers: identity::headers(&parts.keys, &told, forward),
        recheck: Some(Recheck {
            every: Duration::from_millis(first.policy.recheck_ms),
            journeys: journeys.clone(),
            arrival: visit.arrival.clone(),
            whom: decided.iter().flat_map(|it| &it.whom).copied().chain(account).collect(),
            told: visit.told,
        }),
        upstream,
        ..Forwarding::default()
    }
}

/// The app's answer as it was, with cookies of ours added.
pub fn released(answer: &Withheld, cookies: Vec<http::HeaderValue>) -> Option<Reply> {
    let body = data_encoding::BASE64.decode(answer.body.as_bytes()).ok()?;
    let mut headers = Vec::with_capacity(answer.headers.len() + cookies.len());
    for (name, value) in &answer.headers {
        headers.push((name.parse().ok()?, restored(value)?));
    }
    headers.extend(cookies.into_iter().map(|cookie| (http::header::SET_COOKIE, cookie)));
    Some(Reply { status: StatusCode::from_u16(answer.status).ok()?, headers, body: body.into() })
}
