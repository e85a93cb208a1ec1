//! How things stand with a request: one call to the store, then the loop of asking the core and fetching.

use std::{sync::Arc, time::Duration};

use stepward_core::{
    decide::{self, Answer},
    decision::{Decision, LockOut, Outcome, Reason, Scope},
    facts::{Facts, SlotId},
    policy::{OnStateLoss, Origin, Policy},
    request::{Request, read},
    session::Method,
};
use tokio::time::Instant;

use crate::{
    actions,
    challenges::{begin, issued::OnFail},
    clock,
    journey::{Parts, choose::Choice, record, seam::Decided, spare, visit::Visit},
    sessions::cookies,
    signals::{
        self, Who, free,
        free::Free,
        plan::{Asked, Plan},
    },
    store::{Begin, Counted, Kind, Standing, StateError, StateStore, Stored, Touch},
};

/// The store did not answer; the event gets its strict action.
#[derive(Debug)]
pub struct Loss(pub StateError);

/// Whether deciding counts as a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touching {
    /// It does: counters of tries rise before anything is decided.
    Hit,
    /// It does not: a recheck, a shadow, a second look after the app's answer.
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
///
/// # Errors
/// When the state store is lost and the policy does not say that the event goes on without it.
pub async fn decide(parts: &Parts, visit: &mut Visit, event: &Choice, touching: Touching) -> Result<Ruled, Loss> {
    let started = Instant::now();
    let ruled = weigh(parts, visit, event, touching).await?;
    record::decision(parts, visit, &ruled.decided, &ruled.decision, started.elapsed());
    Ok(ruled)
}

/// Decides one event of a request, and nobody hears of it.
///
/// # Errors
/// When the state store is lost and the policy does not say that the event goes on without it.
pub async fn weigh(parts: &Parts, visit: &mut Visit, event: &Choice, touching: Touching) -> Result<Ruled, Loss> {
    let (mut decided, locked) = meet(parts, visit, event, touching).await?;
    let decision = match locked {
        Some(decision) => decision,
        None => settle(parts, visit, &mut decided).await,
    };
    let is_let_through = matches!(decision.outcome, Outcome::Forward(_));
    let decision = match visit.spare.is_used() && !is_let_through {
        true => confirm(parts, visit, event, &mut decided).await?,
        false => decision,
    };
    Ok(Ruled { decision, decided })
}

/// Decides again, on what the store says and on the signals that are there: a snapshot may let through and nothing else.
async fn confirm(parts: &Parts, visit: &mut Visit, event: &Choice, decided: &mut Decided) -> Result<Decision, Loss> {
    visit.spare.refuse();
    let policy = &event.policy;
    let release = visit.seen.release.clone();
    let Some(plan) = release.plans.get(event.index) else { return Err(Loss(StateError::Unavailable)) };
    let tenant = visit.tenant();
    let who = visit.who(parts, &tenant, policy, &decided.facts);
    // Such an event asks for no counter and no entry.
    let asked = Asked::default();
    let standing = read_standing(parts, visit, &who, policy, plan, &asked, Touching::Look).await.map_err(Loss)?;
    let who = visit.who_now(parts, who);
    let facts = &mut decided.facts;
    facts.proofs = visit.proofs(who.account);
    facts.units = visit.units(parts);
    learn_free_of(parts, visit, &who, policy, facts);
    decided.whom = actions::locks(&who);
    match held_until(&standing, visit.now_ms) {
        Some(until_ms) => Ok(locked_out(until_ms - visit.now_ms)),
        None => Ok(settle(parts, visit, decided).await),
    }
}

/// Until when a lock-out holds, if one does.
fn held_until(standing: &Standing, now_ms: i64) -> Option<i64> {
    standing.locked_until_ms.iter().flatten().copied().filter(|until| *until > now_ms).max()
}

/// Counts the try of an event that is decided only after the app has answered: nobody is asked and nothing is paid for
/// before the password was right. `Err` of the inner result is a lock-out that holds already, recorded.
///
/// # Errors
/// As [`decide`].
pub async fn count(parts: &Parts, visit: &mut Visit, event: &Choice) -> Result<Result<Decided, Ruled>, Loss> {
    met(parts, visit, event, Touching::Hit).await
}

async fn met(
    parts: &Parts,
    visit: &mut Visit,
    event: &Choice,
    touching: Touching,
) -> Result<Result<Decided, Ruled>, Loss> {
    let started = Instant::now();
    let (decided, locked) = meet(parts, visit, event, touching).await?;
    Ok(match locked {
        None => Ok(decided),
        Some(decision) => {
            record::decision(parts, visit, &decided, &decision, started.elapsed());
            Err(Ruled { decision, decided })
        }
    })
}

/// An event with everything that is known of it for nothing or from the store, and the lock-out that holds, if any.
async fn meet(
    parts: &Parts,
    visit: &mut Visit,
    event: &Choice,
    touching: Touching,
) -> Result<(Decided, Option<Decision>), Loss> {
    let (facts, whom, locked_until_ms) = stand(parts, visit, event, touching).await?;
    let (index, policy) = (event.index, event.policy.clone());
    let locked = locked_until_ms.map(|until_ms| locked_out(until_ms - visit.now_ms));
    let decision_id = clock::fresh_name();
    let (calls, trials, owed) = (Vec::new(), Vec::new(), Vec::new());
    let decided = Decided { index, policy, facts, whom, decision_id, calls, trials, owed, ways: None };
    Ok((decided, locked))
}

/// The same event decided again on what is known now, without asking the store: after the app's answer.
pub async fn decide_again(parts: &Parts, visit: &Visit, decided: &mut Decided) -> Decision {
    let started = Instant::now();
    let facts = &mut decided.facts;
    let tenant = visit.tenant();
    facts.proofs = visit.proofs(visit.who(parts, &tenant, &decided.policy, facts).account);
    facts.units = visit.units(parts);
    learn_free(parts, visit, &decided.policy, facts);
    decided.decision_id = clock::fresh_name();
    // Another line of the log, which tells of its own calls only.
    decided.calls.clear();
    decided.trials.clear();
    let decision = settle(parts, visit, decided).await;
    record::decision(parts, visit, decided, &decision, started.elapsed());
    decision
}

/// How things stand with an event that was counted before, without counting it again. `Err` of the inner result is a
/// lock-out that has begun in the meantime, recorded.
///
/// # Errors
/// When the state store is lost.
pub async fn look(parts: &Parts, visit: &mut Visit, event: Choice) -> Result<Result<Decided, Ruled>, Loss> {
    met(parts, visit, &event, Touching::Look).await
}

/// The strictest of several decisions, with everything they were made of; the event that decides comes first.
pub fn strictest(rulings: Vec<Ruled>) -> (Decision, Vec<Decided>) {
    let mut all = Vec::with_capacity(rulings.len());
    let mut strictest: Option<Decision> = None;
    for Ruled { decision, decided } in rulings {
        let is_stricter = strictest.as_ref().is_none_or(|before| decision.outcome.verb() > before.outcome.verb());
        all.insert(if is_stricter { 0 } else { all.len() }, decided);
        strictest = Some(match strictest {
            Some(before) => decide::strictest(before, decision),
            None => decision,
        });
    }
    (strictest.unwrap_or_else(|| Decision::refused(Reason::Internal)), all)
}

/// The loop: ask the core, fetch what it needs, ask again. Ends because whatever was asked for becomes a reading.
async fn settle(parts: &Parts, visit: &Visit, decided: &mut Decided) -> Decision {
    let policy = decided.policy.clone();
    let deadline = Instant::now() + Duration::from_millis(policy.budget.time_ms);
    let mut paid_calls_left = policy.budget.paid_calls;
    for _ in 0..=policy.slots.len() {
        let wanted = match decide::decide(&policy, &decided.facts) {
            Answer::Decided(decision) => {
                let decision = possible(parts, visit, &policy, decision);
                return unspent(parts, visit, decided, decision).await;
            }
            Answer::Needs(wanted) => wanted,
        };
        let asked: Vec<_> = wanted.iter().filter_map(|id| Some((id, policy.slots.get(usize::from(id.0))?))).collect();
        let answers = {
            let ask = ask(parts, visit, &policy, &decided.facts);
            Box::pin(parts.signals.collect(&ask, &asked, deadline, &mut paid_calls_left)).await
        };
        for (slot, reading, provenance) in answers.readings {
            decided.facts.learn(slot, reading, provenance);
        }
        decided.calls.extend(answers.calls);
        decided.trials.extend(answers.trials);
        decided.owed.extend(answers.owed);
        decide::over_budget(&mut decided.facts, wanted);
    }
    // The core promises to end within as many rounds as there are slots; if it ever did not, nobody gets in.
    Decision::refused(Reason::Internal)
}

/// A challenge that no step of a policy made, as far as it can be asked for here.
pub async fn within_reach(parts: &Parts, visit: &Visit, decided: &mut Decided, decision: Decision) -> Decision {
    let decision = possible(parts, visit, &decided.policy, decision);
    unspent(parts, visit, decided, decision).await
}

/// What cannot be asked for here is not offered; a challenge of which nothing is left, or that this client cannot be
/// given, is a block, in the log as for the client.
fn possible(parts: &Parts, visit: &Visit, policy: &Policy, mut decision: Decision) -> Decision {
    let Outcome::Challenge(challenge) = &mut decision.outcome else { return decision };
    let runnable = parts.challenges.runnable_at(&visit.arrival.request.host);
    let (group, requester) = (challenge.approval.as_ref().map(|it| &*it.group), visit.subject(parts));
    let is_approvable = parts.challenges.is_approvable(&visit.tenant(), group, requester.map(|it| it.account));
    let can_be_asked = |it: &Method| runnable.contains(it) && (*it != Method::Approval || is_approvable);
    challenge.methods.retain(can_be_asked);
    let is_kept = visit.resuming.is_some() || visit.is_withheld;
    let impossible = if cookies::Scope::of(&visit.arrival.request).is_none() {
        // What the policy has to say is about the challenge; this is about the operator's address.
        decision.obligations.tell = None;
        Reason::TransportInsecure
    } else if challenge.methods.is_empty() {
        Reason::ChallengeImpossible
    } else if begin::is_foreign(&visit.arrival, policy, is_kept) {
        Reason::CrossSite
    } else {
        return decision;
    };
    Decision { outcome: Outcome::Block, reason: impossible, ..decision }
}

/// A challenge whose wrong answers are spent is what its `on_fail` says, in the log as for the client. Only challenges ask
/// the store for that; one that does not answer is found out when the challenge begins.
async fn unspent(parts: &Parts, visit: &Visit, decided: &mut Decided, decision: Decision) -> Decision {
    decided.ways = None;
    let Outcome::Challenge(challenge) = &decision.outcome else { return decision };
    let tenant = visit.tenant();
    let who = visit.who(parts, &tenant, &decided.policy, &decided.facts);
    let account = who.account.or(who.claimed);
    let is_verified = visit.subject(parts).is_some_and(|subject| Some(subject.account) == account);
    let asker = begin::Asker { arrival: &visit.arrival, session: visit.session.as_ref(), account, is_verified };
    let Ok(ways) = parts.challenges.ways(&asker, &challenge.methods).await else { return decision };
    if !ways.are_spent() {
        // The challenge begins on what is known by now.
        decided.ways = Some(ways);
        return decision;
    }
    let outcome = OnFail::of(&challenge.on_fail).outcome();
    Decision { outcome, reason: Reason::AttemptsSpent, ..decision }
}

fn ask<'a>(parts: &Parts, visit: &'a Visit, policy: &'a Policy, facts: &'a Facts) -> signals::Ask<'a> {
    let request = &visit.arrival.request;
    signals::Ask {
        tenant: &visit.arrival.route.tenant,
        event: &policy.event,
        ip: request.client_ip,
        email: signals::email_of(policy, facts, visit.identified.email.as_deref()),
        user: visit.identified.subject.as_ref().map(|subject| &*subject.name),
        subject: visit.subject(parts).map(|subject| (subject.account, subject.name)),
        device: visit.device.map(|device| device.id),
        user_agent: request.header("user-agent"),
        now_ms: visit.now_ms,
        asks_vendors: visit.supposed.as_ref().is_none_or(|supposed| supposed.asks_vendors),
    }
}

/// Reads facts and `where` values from the request.
pub fn read_request(policy: &Policy, parameters: &[(Arc<str>, Arc<str>)], request: &Request, facts: &mut Facts) {
    for (at, slot) in policy.slots.iter().enumerate() {
        let source = match &slot.origin {
            Origin::Fact(index) => policy.facts.get(*index).map(|fact| &fact.source),
            Origin::Request(source) => Some(source),
            Origin::Catalogue | Origin::Remembered(_) | Origin::Response(_) => None,
        };
        if let (Some(source), Ok(at)) = (source, u16::try_from(at)) {
            let reading = read::read(request, source, parameters, slot.kind);
            signals::learn(facts, policy, SlotId(at), reading, "request");
        }
    }
}

/// Reads a session that a predicate needs, before the event is known; a snapshot of it will do.
///
/// # Errors
/// When the state store is lost.
pub async fn glance_at_session(parts: &Parts, visit: &mut Visit) -> Result<(), Loss> {
    if let Some(session) = visit.unread_session().filter(|_| visit.resuming.is_none() && visit.supposed.is_none())
        && let Some(copy) = spare::holds(parts, visit, &session).await
        && visit.receive_copy(parts, &copy)
    {
        return Ok(());
    }
    read_session(parts, visit).await
}

/// Reads a session from the store.
///
/// # Errors
/// When the state store is lost.
pub async fn read_session(parts: &Parts, visit: &mut Visit) -> Result<(), Loss> {
    let Some(session) = visit.unconfirmed_session() else { return Ok(()) };
    let begin = Begin { session: Some(session), ..Begin::default() };
    let standing = parts.store.begin(visit.now_ms, begin).await.map_err(Loss)?;
    visit.receive(parts, &standing);
    Ok(())
}

/// Everything that is known before the core is asked, whose lock-outs hold for the request, and until when one does.
async fn stand(
    parts: &Parts,
    visit: &mut Visit,
    event: &Choice,
    touching: Touching,
) -> Result<(Facts, Vec<Counted>, Option<i64>), Loss> {
    let policy = &event.policy;
    let mut facts = Facts::unasked(visit.now_ms, policy.slots.len());
    read_request(policy, &event.parameters, event.request(&visit.arrival.request), &mut facts);
    visit.suppose(policy, &mut facts);
    let release = visit.seen.release.clone();
    let Some(plan) = release.plans.get(event.index) else { return Err(Loss(StateError::Unavailable)) };
    let tenant = visit.tenant();
    let who = visit.who(parts, &tenant, policy, &facts);
    let asked = plan.ask(&who, &facts, policy, &parts.keys);
    let standing = read_standing(parts, visit, &who, policy, plan, &asked, touching).await.map_err(Loss)?;
    // With the session read it may have turned out that the cookie's account was not to be believed.
    let who = visit.who_now(parts, who);
    facts.proofs = visit.proofs(who.account);
    facts.units = visit.units(parts);
    learn_free_of(parts, visit, &who, policy, &mut facts);
    asked.learn(plan, &standing, &who, &mut facts, policy, &parts.keys);
    visit.suppose(policy, &mut facts);
    if let Some(supposed) = &visit.supposed {
        supposed.bind(policy, &mut facts);
    }
    let locked = held_until(&standing, visit.now_ms);
    Ok((facts, actions::locks(&who), locked))
}

/// One call to the store: session, counters, entries, lock-outs. None where a snapshot answers for it.
async fn read_standing(
    parts: &Parts,
    visit: &mut Visit,
    who: &Who<'_>,
    policy: &Policy,
    plan: &Plan,
    asked: &Asked,
    touching: Touching,
) -> Stored<Standing> {
    let mut locks = actions::locks(who);
    locks.extend(visit.unread_session().map(|session| Counted { kind: Kind::Session, id: session.id }));
    if spare::answers(parts, visit, policy, plan, &locks).await {
        return Ok(Standing::default());
    }
    let look = |(counted, meter, _): &(_, _, Touch)| (*counted, *meter, Touch::Look);
    let looked: Vec<_>;
    let meters = match touching {
        Touching::Hit => &asked.meters,
        Touching::Look => {
            looked = asked.meters.iter().map(look).collect();
            &looked
        }
    };
    let session = visit.unconfirmed_session();
    let begin = Begin { session, meters, locks: &locks, entries: &asked.entries };
    // A store that answers from memory but can keep nothing is lost too: what follows could not be written down.
    let (trouble, standing) = match (parts.store.health().await, parts.store.begin(visit.now_ms, begin).await) {
        (Ok(()), Ok(standing)) => (None, standing),
        (Err(error), Ok(standing)) => (Some(error), standing),
        (_, Err(error)) => (Some(error), Standing::default()),
    };
    parts.store_answered(visit.now_ms, trouble.is_none());
    if let Some(error) = trouble {
        if !goes_on_without_state(parts, policy, visit.now_ms) {
            return Err(error);
        }
        tracing::warn!(%error, event = %policy.event, "deciding without the state store, as the policy says");
    }
    visit.receive(parts, &standing);
    match standing.locked_until_ms.len() == locks.len() && standing.locked_until_ms.iter().all(Option::is_none) {
        true => spare::take(visit, &locks),
        false => spare::take_none(visit),
    }
    Ok(standing)
}

/// Whether the policy says that its event is decided without state. Degrading ends after a minute (DESIGN §6).
fn goes_on_without_state(parts: &Parts, policy: &Policy, now_ms: i64) -> bool {
    match policy.on_state_loss {
        OnStateLoss::Allow => true,
        OnStateLoss::Degrade => parts.store_lost_for_ms(now_ms) <= 60_000,
        OnStateLoss::Deny => false,
    }
}

/// What is known without asking anybody.
pub fn learn_free(parts: &Parts, visit: &Visit, policy: &Policy, facts: &mut Facts) {
    let tenant = visit.tenant();
    let who = visit.who(parts, &tenant, policy, facts);
    learn_free_of(parts, visit, &who, policy, facts);
}

fn learn_free_of(parts: &Parts, visit: &Visit, who: &Who<'_>, policy: &Policy, facts: &mut Facts) {
    let proofs = visit.proofs(who.account);
    let free = Free {
        arrival: &visit.arrival,
        who,
        identified: &visit.identified,
        kind: visit.subject(parts).map(|subject| subject.kind),
        session: visit.session.as_ref().map(|session| &session.record),
        proofs: &proofs,
        device_since_ms: visit.device.map(|device| device.since_ms),
        keys: &parts.keys,
    };
    free::learn_all(facts, policy, &free);
    visit.suppose(policy, facts);
}

fn locked_out(for_ms: i64) -> Decision {
    let lock = LockOut { what: Scope::Subject, for_ms: for_ms.max(0).unsigned_abs() };
    Decision { outcome: Outcome::LockOut(lock), ..Decision::refused(Reason::LockedOut) }
}
