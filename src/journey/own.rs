//! Requests for Stepward's own pages: the key set, what vendors send, and everything that challenges show.

use std::sync::Arc;

use http::StatusCode;
use stepward_core::decision::{LockOut, Outcome, Reason, Verb};

use crate::{
    actions,
    arrival::Arrival,
    challenges::{Refused, Served},
    journey::{
        Parts,
        seam::{Ruling, Seen},
        stand::{self, Loss},
        visit::Visit,
    },
    reply::Reply,
    signals::Who,
    telemetry::ChallengeResult,
    vendors::feedback,
};

/// Where apps may read the keys that assertions are signed with.
const KEY_SET: &str = "/.stepward/jwks.json";

/// Answers a request for one of our own pages.
pub async fn serve(parts: &Parts, arrival: &Arc<Arrival>) -> Ruling {
    if &*arrival.request.path == KEY_SET {
        return Ruling::Answer(Reply::new(StatusCode::OK, "application/json", parts.keys.jwks().to_string()));
    }
    // Vendors have no session, and are never given one.
    if let Some(reply) = parts.challenges.receive(arrival).await {
        return Ruling::Answer(reply);
    }
    let seen = Seen { release: parts.registry.current(), reads_body: None, keeps_body: 0, candidates: Vec::new() };
    let mut visit = Visit::begin(parts, arrival, seen).await;
    Ruling::Answer(match answer(parts, &mut visit).await {
        Ok(reply) => reply,
        Err(Loss(error)) => {
            tracing::warn!(%error, "a page of our own is refused because the state store is lost");
            parts.actions.state_lost(arrival)
        }
    })
}

async fn answer(parts: &Parts, visit: &mut Visit) -> Result<Reply, Loss> {
    let arrival = visit.arrival.clone();
    let account = visit.ticket_account();
    let ahead = async { parts.challenges.look_ahead(&arrival, account).await.map_err(Loss) };
    let ((), ahead) = tokio::try_join!(stand::read_session(parts, visit), ahead)?;
    let subject = visit.own_subject(parts);
    let session = visit.need_session(parts);
    let served = parts.challenges.serve(&arrival, session, subject.as_ref(), ahead).await.map_err(Loss)?;
    Ok(match served {
        Served::Answer(reply) => reply,
        Served::Passed { method, decision_id, reply, .. } => {
            parts.promises.settle(&decision_id, feedback::Outcome::ChallengePassed);
            parts.metrics.challenge(method, ChallengeResult::Passed);
            reply
        }
        Served::Failed { method, reply, .. } => {
            parts.metrics.challenge(method, ChallengeResult::Failed);
            reply
        }
        Served::Spent { method, on_fail, decision_id, .. } => {
            parts.metrics.challenge(method, ChallengeResult::Spent);
            parts.promises.settle(&decision_id, feedback::Outcome::ChallengeFailed);
            spent(parts, visit, &on_fail, &decision_id).await?
        }
    })
}

/// The last wrong answer was given: what the policy says happens now. Whatever it says, nobody is let through.
async fn spent(parts: &Parts, visit: &Visit, on_fail: &Outcome, decision_id: &str) -> Result<Reply, Loss> {
    let (outcome, retry_after) = match on_fail {
        Outcome::LockOut(lock) => {
            lock_out(parts, visit, lock).await?;
            (Verb::LockOut, Some(lock.for_ms.div_ceil(1000)))
        }
        Outcome::Forward(_) | Outcome::Throttle(_) | Outcome::Challenge(_) | Outcome::Reroute(_) | Outcome::Block => {
            (Verb::Block, None)
        }
    };
    let refused = Refused {
        status: StatusCode::FORBIDDEN,
        outcome,
        reason: Reason::AttemptsSpent,
        tell: None,
        decision_id,
        retry_after,
    };
    Ok(parts.challenges.refusal(&visit.arrival, &refused))
}

async fn lock_out(parts: &Parts, visit: &Visit, lock: &LockOut) -> Result<(), Loss> {
    let until = visit.now_ms.saturating_add(i64::try_from(lock.for_ms).unwrap_or(i64::MAX));
    let tenant = visit.tenant();
    if let Some(counted) = actions::locked(lock.what, &who(parts, visit, &tenant)) {
        parts.actions.lock_out(counted, until).await.map_err(Loss)?;
    }
    Ok(())
}

/// Whom an answer to a challenge is counted as: no event names anybody here, so only what the session proves counts.
fn who<'t>(parts: &Parts, visit: &Visit, tenant: &'t str) -> Who<'t> {
    let account = visit.session.as_ref().and_then(|it| it.record.subject.as_ref()).map(|it| it.account);
    Who {
        device: visit.device.map(|device| device.id),
        session: visit.session.as_ref().map(|session| session.reference().id),
        counted_already: true,
        ..Who::at(tenant, visit.arrival.request.client_ip, visit.now_ms, &parts.keys)
    }
    .with_subject(account, None, &parts.keys)
}
