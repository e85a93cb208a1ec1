//! How things stand with a request: one call to the store, then the loop of asking the core and fetching.

use std::{sync::Arc, time::Duration};

use stepward_core::{
    decide::{self, Answer},
    decision::{Decision, LockOut, Outcome, Reason, Scope},
    event,
    facts::{Facts, Reading, SlotId},
    policy::{Origin, Policy},
    request::{self, Request},
};
use tokio::time::Instant;

use crate::{
    journey::{
        Parts, STATE_WAIT_MAX,
        choose::Choice,
        record,
        seam::Decided,
        visit::Visit,
    },
    signals::{self, Who, free},
    store::{Begin, Counted, Kind, Standing, StateError, StateStore, Stored, Touch},
};

/// The store did not answer; the event gets its strict action.
#[derive(Debug)]
pub struct Loss {
    /// The policy that was being decided, where one was chosen already.
    pub policy: Option<Arc<Policy>>,
    /// What the store said.
    pub error: StateError,
}

/// Whether deciding counts as a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touching {
    /// It does: counters of tries rise before anything is decided.
    Hit,
    /// It does not: a recheck, a shadow, an explanation.
    Look,
}

/// One decision and what it was made of.
pub struct Ruled {
    /// The decision.
    pub decision: Decision,
    /// The event with its facts.
    pub decided: Decided,
}

/// Decides one event of a request and records it.
pub async fn decide(parts: &Parts, visit: &mut Visit, event: &Choice, touching: Touching) -> Result<Ruled, Loss> {
    let started = Instant::now();
    let policy = event.policy.clone();
    let mut facts = Facts::unasked(visit.now_ms, policy.slots.len());
    read_request(&policy, &event.parameters, &event.request, &mut facts);
    let locked_until = learn_standing(parts, visit, event, &mut facts, touching)
        .await
        .map_err(|error| Loss { policy: Some(policy.clone()), error })?;
    let decision = match locked_until {
        Some(until_ms) => locked_out(until_ms - visit.now_ms),
        None => settle(parts, visit, event, &mut facts).await,
    };
    let decision_id = record::decision(parts, visit, event, &facts, &decision, started.elapsed());
    let decided = Decided { index: event.index, policy, facts, decision_id };
    Ok(Ruled { decision, decided })
}

/// The strictest of several decisions, with everything they were made of.
pub fn strictest(rulings: Vec<Ruled>) -> (Decision, Vec<Decided>) {
    let mut decided = Vec::with_capacity(rulings.len());
    let mut strictest: Option<Decision> = None;
    for ruled in rulings {
        // The event that decides comes first: it is the one whose challenge is shown.
        strictest = Some(match strictest.take() {
            None => {
                decided.push(ruled.decided);
                ruled.decision
            }
            Some(before) => {
                let stricter = ruled.decision.outcome.verb() > before.outcome.verb();
                let at = if stricter { 0 } else { decided.len() };
                decided.insert(at, ruled.decided);
                decide::strictest(before, ruled.decision)
            }
        });
    }
    (strictest.unwrap_or_else(|| Decision::refused(Reason::Internal)), decided)
}

/// The loop: ask the core, fetch what it needs, ask again. Ends because whatever was asked for becomes a reading.
async fn settle(parts: &Parts, visit: &Visit, event: &Choice, facts: &mut Facts) -> Decision {
    let policy = &event.policy;
    let deadline = Instant::now() + Duration::from_millis(policy.budget.time_ms);
    let mut paid_calls_left = policy.budget.paid_calls;
    for _ in 0..=policy.slots.len() {
        let wanted = match decide::decide(policy, facts) {
            Answer::Decided(decision) => return decision,
            Answer::Needs(wanted) => wanted,
        };
        let asked: Vec<_> = wanted.iter().filter_map(|id| Some((id, policy.slots.get(usize::from(id.0))?))).collect();
        let ask = signals::Ask { known: known(parts, visit, policy, &event.request), policy, facts };
        for (slot, reading, provenance) in parts.signals.collect(&ask, &asked, deadline, &mut paid_calls_left).await {
            facts.learn(slot, reading, provenance);
        }
        decide::over_budget(facts, wanted);
    }
    // The core promises to end within as many rounds as there are slots; if it ever did not, nobody gets in.
    Decision::refused(Reason::Internal)
}

/// Reads facts and `where` values from the request.
pub fn read_request(policy: &Policy, parameters: &[(Arc<str>, Arc<str>)], request: &Request, facts: &mut Facts) {
    for (at, slot) in policy.slots.iter().enumerate() {
        let source = match &slot.origin {
            Origin::Fact(index) => policy.facts.get(*index).map(|fact| &fact.source),
            Origin::Request(source) => Some(source),
            Origin::Catalogue | Origin::Remembered(_) | Origin::Response(_) => None,
        };
        if let Some(source) = source {
            let reading = request::read(request, source, slot.kind, parameters);
            facts.learn(SlotId(at as u16), reading, Some(signals::from("request")));
        }
    }
}

/// Reads a session that a predicate needs, before the event is known.
pub async fn read_session(parts: &Parts, visit: &mut Visit) -> Result<(), Loss> {
    let begin = Begin { session: visit.session.wanted(), ..Begin::default() };
    let standing = within(parts.store.begin(visit.now_ms, begin)).await.map_err(|error| Loss { policy: None, error })?;
    parts.sessions.receive(&mut visit.session, standing.session, visit.now_ms);
    Ok(())
}

/// One call to the store: session, counters, entries, lock-outs. Returns until when the request is locked out.
async fn learn_standing(
    parts: &Parts, visit: &mut Visit, event: &Choice, facts: &mut Facts, touching: Touching,
) -> Stored<Option<i64>> {
    let policy = &event.policy;
    let release = visit.seen.release.clone();
    let Some(plan) = release.plans.get(event.index) else { return Err(StateError::Unavailable) };
    let who = who(parts, visit, policy, facts);
    let mut touches = plan.touches(&who, &parts.keys);
    if touching == Touching::Look {
        touches.iter_mut().for_each(|(_, _, touch)| *touch = Touch::Look);
    }
    let questions = plan.questions(&who, facts, policy, &parts.keys);
    let entries = plan.entries(&questions);
    let locks = locks(&who, parts);
    let begin = Begin { session: visit.session.wanted(), meters: &touches, locks: &locks, entries: &entries };
    let standing: Standing = within(parts.store.begin(visit.now_ms, begin)).await?;
    parts.sessions.receive(&mut visit.session, standing.session.clone(), visit.now_ms);
    facts.proofs = visit.proofs(parts);
    facts.units = visit.units(parts);
    free::learn(&known(parts, visit, policy, &event.request), policy, facts);
    plan.read(&standing, &questions, &who, facts, policy, &parts.keys);
    Ok(standing.locked_until_ms.into_iter().flatten().filter(|until| *until > visit.now_ms).max())
}

/// What is known without asking anybody.
pub fn known<'a>(parts: &'a Parts, visit: &'a Visit, policy: &'a Policy, request: &'a Request) -> free::Known<'a> {
    let record = visit.session.record();
    free::Known {
        now_ms: visit.now_ms,
        request,
        client: visit.arrival.client,
        identified: &visit.identified,
        subject: visit.subject(parts),
        record,
        is_new_session: visit.session.is_new(),
        proofs: visit.proofs(parts),
        out_of_order: policy.after.iter().any(|event| !record.succeeded.iter().any(|(it, _)| it == event)),
    }
}

/// Who a request is counted as.
pub fn who(parts: &Parts, visit: &Visit, policy: &Policy, facts: &Facts) -> Who {
    let tenant = &visit.arrival.route.tenant;
    let claimed = policy.facts.iter().position(|fact| fact.identifies_subject).and_then(|index| {
        let slot = policy.slots.iter().position(|slot| slot.origin == Origin::Fact(index))?;
        match facts.reading(SlotId(slot as u16)) {
            Reading::Known(stepward_core::value::Value::Text(name)) => Some(parts.keys.account(tenant, name)),
            Reading::Known(_) | Reading::Pending | Reading::Unknown(_) => None,
        }
    });
    let account = visit.subject(parts).map(|subject| subject.account).or_else(|| visit.session.claimed_account());
    Who {
        tenant: tenant.clone(),
        event: policy.event.clone(),
        account,
        claimed,
        device: visit.device,
        session: visit.session.kept_id(),
        ip: visit.arrival.request.client_ip,
        place: parts.signals.place(visit.arrival.request.client_ip),
        now_ms: visit.now_ms,
    }
}

/// Whose lock-outs hold for this request. A claimed subject is locked only as a pair with address or device, so that
/// nobody can lock somebody else out (security.md G8).
pub fn locks(who: &Who, parts: &Parts) -> Vec<Counted> {
    let mut locks: Vec<Counted> = who.account.map(|id| Counted { kind: Kind::Account, id }).into_iter().collect();
    locks.push(signals::counted_ip(who, &parts.keys));
    locks.extend(who.device.map(|id| Counted { kind: Kind::Device, id }));
    locks.extend(who.session.map(|id| Counted { kind: Kind::Session, id }));
    locks.extend(signals::counted_pairs(who, &parts.keys));
    locks
}

/// A store call within its wait; later is as good as never.
pub async fn within<T>(call: impl Future<Output = Stored<T>>) -> Stored<T> {
    tokio::time::timeout(STATE_WAIT_MAX, call).await.unwrap_or(Err(StateError::Indeterminate))
}

fn locked_out(for_ms: i64) -> Decision {
    let lock = LockOut { what: Scope::Subject, for_ms: for_ms.max(0).unsigned_abs() };
    Decision { outcome: Outcome::LockOut(lock), ..Decision::refused(Reason::LockedOut) }
}

/// The candidate of an event that is decided again (a resume, a recheck).
pub fn candidate_of(visit: &Visit, event: &str) -> Option<event::matcher::Candidate> {
    let policies = &visit.seen.release.policies;
    visit.seen.candidates.iter().find(|it| policies.get(it.policy).is_some_and(|policy| &*policy.event == event)).cloned()
}
