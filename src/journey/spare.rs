//! When a snapshot of the session answers for the store, and when one is made.
//!
//! **Which events.** Those of which the store would be told nothing, and would tell nothing but what a snapshot holds: the
//! policy reads no counter (so none has to be raised before it is decided, or durably), no known device, no remembered
//! value, no travel and no age ([`crate::signals::plan::Plan::reads_nothing`]); it is decided before the app is asked; it
//! names no subject, so that nobody signs in, and ends no session; it takes no approval, which is used up; it resumes nothing. What is left of the one call to the
//! store is the session, which is in the snapshot, and lock-outs. Those held for none of the same address, account, device,
//! pair and session when the snapshot was made, and whoever locks out since says so in the log.
//!
//! **What it may do.** Let through. Whatever else is decided on a snapshot is decided again on what the store says, so that
//! an older copy can at most forgo what has been proved since. What an event writes afterwards (its place in the journey,
//! `count`, `max_rate`, the day an account was first seen) is written as ever: none of it is read by an event of this kind.
//!
//! **When.** All six: it opens under a key of the ring with this tenant, host and ticket; it is not too old; the log names
//! nobody it rests on at a later place; the log was read to its end at most 800 ms ago; its place is reached here, in the
//! same life of the log, and so is what this node has said itself; the same are asked about as when it was made. If not,
//! the store is asked, which refuses what was revoked: a mark is there before the log tells of it. While the store is known
//! to be lost a snapshot answers nothing, so that an event gets its strict action.

use std::sync::Arc;

use http::HeaderValue;
use stepward_core::policy::{Apply, Policy};

use crate::{
    journey::{Parts, visit::Visit},
    sessions::{
        Committed, SessionHandle,
        cookies::Scope,
        snapshot::{self, Snapshot, Taken},
    },
    signals::plan::Plan,
    store::{Counted, SessionRef, StateStore},
    telemetry::Snapshots,
};

/// How a request stands with snapshots.
#[derive(Debug, Default)]
pub struct Spare {
    /// The one that came with it, if it is genuine.
    snapshot: Option<Arc<Snapshot>>,
    /// What one that is made now would say.
    taken: Option<Taken>,
    /// Whether the store was asked only because there was none.
    is_wanted: bool,
    /// Whether an event of this request was decided on one.
    is_used: bool,
    /// Whether none counts any more: the store decides.
    is_refused: bool,
}

/// Whether an event of this policy can do without the store.
pub fn is_of_the_kind(policy: &Policy, plan: &Plan) -> bool {
    let is_sent_first = match policy.apply {
        Apply::Before => false,
        Apply::AfterSuccess => true,
    };
    let names_subject = policy.facts.iter().any(|fact| fact.identifies_subject);
    let takes_approval = policy.gates().any(|gate| gate.approvers.is_some());
    plan.reads_nothing() && !is_sent_first && !names_subject && !policy.ends_session && !takes_approval
}

/// Looks at the snapshot that came with a ticket.
pub fn of(parts: &Parts, visit: &Visit, session: &SessionRef) -> Spare {
    let (tenant, request) = (&visit.arrival.route.tenant, &visit.arrival.request);
    let snapshot = parts.sessions.snapshot(visit.now_ms, tenant, request, session);
    Spare { snapshot: snapshot.map(Arc::new), ..Spare::default() }
}

impl Spare {
    /// Whether an event of this request was decided on a snapshot.
    pub fn is_used(&self) -> bool {
        self.is_used
    }

    /// From now on the store decides.
    pub fn refuse(&mut self) {
        self.is_refused = true;
        self.is_used = false;
    }
}

/// Whether the session may be taken from the snapshot, as far as it itself goes: which event it is may turn on it.
pub async fn holds(parts: &Parts, visit: &Visit, session: &SessionRef) -> Option<Arc<Snapshot>> {
    let spare = &visit.spare;
    let snapshot = spare.snapshot.as_ref().filter(|_| !spare.is_refused)?;
    let is_vouched = vouches(parts, snapshot, &snapshot::rests_on(session));
    (is_vouched && parts.store.health().await.is_ok()).then(|| snapshot.clone())
}

/// Whether an event needs no call to the store: its session is taken from the snapshot then.
pub async fn answers(parts: &Parts, visit: &mut Visit, policy: &Policy, plan: &Plan, locks: &[Counted]) -> bool {
    // What is resumed, or only asked about, is taken from the store as it is now.
    if visit.resuming.is_some() || visit.supposed.is_some() || !visit.has_ticket() {
        return false;
    }
    if !parts.sessions.has_snapshots() || !is_of_the_kind(policy, plan) {
        return false;
    }
    let held = match visit.unconfirmed_session() {
        Some(session) => holds(parts, visit, &session).await,
        // The store has told of it, and is asked for the rest.
        None => None,
    };
    let is_about_the_same = |it: &Arc<Snapshot>| it.taken.whom == snapshot::digest(locks) && vouches(parts, it, locks);
    let held = held.filter(is_about_the_same);
    let is_taken = held.as_ref().is_some_and(|held| visit.receive_copy(parts, held));
    match held.filter(|_| is_taken) {
        Some(held) => {
            visit.spare.taken = Some(held.taken);
            visit.spare.is_used = true;
            parts.metrics.snapshot(Snapshots::Used);
        }
        None => {
            visit.spare.is_wanted = true;
            parts.metrics.snapshot(Snapshots::Asked);
        }
    }
    is_taken
}

/// The store has told of the session and that nobody of these is locked out: a snapshot can be made of that.
pub fn take(visit: &mut Visit, locks: &[Counted]) {
    let place = visit.place.filter(|_| visit.is_confirmed());
    visit.spare.is_used = false;
    visit.spare.taken = place.map(|place| Taken { place, read_ms: visit.now_ms, whom: snapshot::digest(locks) });
}

/// The store has told of somebody who is locked out, or nothing.
pub fn take_none(visit: &mut Visit) {
    visit.spare.is_used = false;
    visit.spare.taken = None;
}

/// The snapshot for the browser, if it needs one: the store was asked for want of it, or it tells of less than there is.
pub fn cookie(parts: &Parts, visit: &Visit, scope: Scope, written: Option<Committed>) -> Option<HeaderValue> {
    let session: &SessionHandle = visit.session.as_ref()?;
    let is_behind = written == Some(Committed::Done) && visit.spare.snapshot.is_some();
    let taken = visit.spare.taken.filter(|_| is_behind || visit.spare.is_wanted)?;
    session.snapshot_cookie(&parts.sessions, scope, taken)?.parse().ok()
}

fn vouches(parts: &Parts, snapshot: &Snapshot, whom: &[Counted]) -> bool {
    parts.recalls.vouches(snapshot.taken.place, parts.store.log_added(), whom)
}
