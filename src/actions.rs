//! Carries a decision out: lock-outs, throttles and challenges towards the store, and the ruling for the edge.
//!
//! It decides nothing. A store that does not answer stops it, and the request is refused.

use std::{sync::Arc, time::Duration};

use http::{StatusCode, header};
use stepward_core::{
    decision::{self, Challenge, Decision, Forward, LockOut, Outcome, Rate, Reason, Reroute, Throttle, Verb},
    facts::{Facts, SlotId},
    policy::{Apply, Policy, StepKind},
    session::required::Required,
    value::Value,
};

use crate::{
    arrival::{Arrival, Client, Withheld},
    challenges::{Begun, Challenges, Demand, Refused, begin::Ways},
    reply::Reply,
    sessions::{SessionHandle, cookies::Scope, record::Subject},
    signals::{Who, velocity},
    store::{AnyStore, Begin, Counted, Id, Kind, StateError, StateStore, Stored, Touch},
    telemetry::{ChallengeResult, Metrics},
};

pub mod identity;

/// What a lost store tells clients to wait, in seconds: it is back within two, or an operator is awake.
const STATE_RETRY_S: u64 = 2;

/// How often, and after which pause, it is tried again to announce a lock-out: for longer than any snapshot lives.
const ANNOUNCED_AGAIN: usize = 240;
const ANNOUNCE_AGAIN: Duration = Duration::from_millis(500);

/// What decisions are carried out with; one per process.
pub struct Actions {
    /// State.
    pub store: Arc<AnyStore>,
    /// Proofs.
    pub challenges: Arc<Challenges>,
    /// Counters of this process.
    pub metrics: Metrics,
}

/// A decision and what it is carried out on.
pub struct Scene<'a> {
    /// The request.
    pub arrival: &'a Arrival,
    /// The event's policy.
    pub policy: &'a Policy,
    /// What was known.
    pub facts: &'a Facts,
    /// Whom it is counted as.
    pub who: &'a Who<'a>,
    /// The verified subject.
    pub subject: Option<&'a Subject>,
    /// The name that the request claims, and its account, where nobody is verified.
    pub claimed: Option<(Arc<str>, Id)>,
    /// The session that has to prove something; there is one wherever a challenge is carried out.
    pub session: Option<&'a mut SessionHandle>,
    /// Names the decision.
    pub decision_id: &'a str,
    /// The app's withheld answer, where the decision is about that.
    pub withheld: Option<&'a Withheld>,
    /// The parked request that is being resumed.
    pub resuming: Option<&'a str>,
    /// What the app asked for, where it was the app that asked.
    pub asked: Option<&'a Required>,
    /// What the decision has found out of the ways to meet a challenge.
    pub ways: Option<&'a Ways>,
    /// What spoke, by ids that outlive a rename: [`speaker`]. A throttle counts for it alone.
    pub speaker: [&'a str; 3],
}

/// What a decision came to.
#[derive(Debug)]
pub enum Carried {
    /// The request goes on.
    Onward(Forward),
    /// The request goes on, to this upstream.
    Elsewhere(Arc<str>),
    /// It is answered here.
    Answer(Reply),
}

impl Actions {
    /// Carries a decision out.
    ///
    /// # Errors
    /// When the state store does not answer; the request must then be refused with [`Actions::state_lost`].
    pub async fn carry(&self, scene: &mut Scene<'_>, decision: &Decision) -> Stored<Carried> {
        self.outcome(scene, &decision.outcome, decision.reason, decision.obligations.tell.as_deref()).await
    }

    async fn outcome(
        &self,
        scene: &mut Scene<'_>,
        outcome: &Outcome,
        reason: Reason,
        tell: Option<&str>,
    ) -> Stored<Carried> {
        match outcome {
            Outcome::Forward(forward) => self.forward(scene, forward, tell).await,
            Outcome::Throttle(throttle) => self.throttle(scene, throttle, Forward::default(), tell).await,
            Outcome::Challenge(challenge) => self.challenge(scene, challenge, tell).await,
            Outcome::Reroute(Reroute::Upstream(name)) => Ok(Carried::Elsewhere(name.clone())),
            Outcome::Reroute(Reroute::Path(path)) => Ok(Carried::Answer(self.reroute(scene, path))),
            Outcome::Block => Ok(self.refused(scene, Verb::Block, reason, tell, None)),
            Outcome::LockOut(lock) => {
                if reason != Reason::LockedOut {
                    self.lock(scene, lock).await?;
                }
                let seconds = lock.for_ms.div_ceil(1000);
                Ok(self.refused(scene, Verb::LockOut, reason, tell, Some(seconds)))
            }
        }
    }

    async fn forward(&self, scene: &Scene<'_>, forward: &Forward, tell: Option<&str>) -> Stored<Carried> {
        match forward.max_rate {
            Some(rate) => {
                self.throttle(scene, &Throttle { rate, per: decision::Scope::Subject }, forward.clone(), tell).await
            }
            None => Ok(Carried::Onward(forward.clone())),
        }
    }

    /// Within the rate the request goes on, over it 429. Every request counts, also those that are refused.
    async fn throttle(
        &self,
        scene: &Scene<'_>,
        throttle: &Throttle,
        forward: Forward,
        tell: Option<&str>,
    ) -> Stored<Carried> {
        let Rate { count, window_ms } = throttle.rate;
        let window = Duration::from_millis(window_ms);
        let counted = counted(throttle.per, scene.who);
        let touch = if scene.who.counted_already { Touch::Look } else { Touch::Hit };
        let meters = [(counted, velocity::pace(&scene.policy.event, scene.speaker, window, count), touch)];
        let begin = Begin { meters: &meters, ..Begin::default() };
        let standing = self.store.begin(scene.who.now_ms, begin).await?;
        let seen = standing.counts.first().copied().ok_or(StateError::Indeterminate)?;
        if seen <= u64::from(count) {
            return Ok(Carried::Onward(forward));
        }
        let wait = window_ms.div_ceil(1000).max(1);
        Ok(self.refused(scene, Verb::Throttle, Reason::RateExceeded, tell, Some(wait)))
    }

    async fn challenge(&self, scene: &mut Scene<'_>, challenge: &Challenge, tell: Option<&str>) -> Stored<Carried> {
        if Scope::of(&scene.arrival.request).is_none() {
            return Ok(self.refused(scene, Verb::Block, Reason::TransportInsecure, None, None));
        }
        let Some(session) = scene.session.as_deref_mut() else {
            return Ok(self.refused(scene, Verb::Block, Reason::Internal, None, None));
        };
        let demand = Demand {
            arrival: scene.arrival,
            policy: scene.policy,
            challenge,
            decision_id: scene.decision_id,
            tell,
            shown: shown(scene.policy, scene.facts, challenge),
            session,
            subject: scene.subject,
            claimed: scene.claimed.clone(),
            withheld: scene.withheld.cloned(),
            resuming: scene.resuming,
            asked: scene.asked,
            ways: scene.ways,
        };
        match self.challenges.begin(demand).await? {
            Begun::Asked(reply) => {
                let runnable = self.challenges.runnable();
                // Counted by the method that the policy likes best, so that one challenge is one.
                if let Some(method) = challenge.methods.iter().find(|method| runnable.contains(method)) {
                    self.metrics.challenge(*method, ChallengeResult::Shown);
                }
                Ok(Carried::Answer(reply))
            }
            Begun::Refused(reason) => Ok(self.refused(scene, Verb::Block, reason, tell, None)),
            Begun::Spent(Outcome::Challenge(_)) => {
                // A policy cannot ask again for what is spent: that would be a way round `attempts`.
                Ok(self.refused(scene, Verb::Block, Reason::AttemptsSpent, tell, None))
            }
            Begun::Spent(outcome) => Box::pin(self.outcome(scene, &outcome, Reason::AttemptsSpent, tell)).await,
        }
    }

    fn reroute(&self, scene: &Scene<'_>, path: &str) -> Reply {
        match scene.arrival.client {
            Client::Page => Reply::see_other(path),
            Client::Fetch | Client::Api => {
                let mut reply = self.challenges.refusal(
                    scene.arrival,
                    &Refused {
                        status: StatusCode::FORBIDDEN,
                        outcome: Verb::Reroute,
                        reason: Reason::Rule,
                        tell: None,
                        decision_id: scene.decision_id,
                        retry_after: None,
                    },
                );
                reply.set(header::LOCATION, path);
                reply
            }
        }
    }

    /// Locks out, durably, before anybody is told.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn lock(&self, scene: &Scene<'_>, lock: &LockOut) -> Stored<()> {
        let until = scene.who.now_ms.saturating_add(i64::try_from(lock.for_ms).unwrap_or(i64::MAX));
        if let Some(counted) = locked(lock.what, scene.who) {
            self.lock_out(counted, until).await?;
        }
        Ok(())
    }

    /// The same of somebody who is known already; what is open of theirs is asked again, on every node.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn lock_out(&self, counted: Counted, until_ms: i64) -> Stored<()> {
        self.store.lock(counted, until_ms).await?;
        if let Err(error) = self.store.announce(counted).await {
            tracing::warn!(%error, "a lock-out holds but could not be announced yet; until it is, others may not know");
            tokio::spawn(announce_late(self.store.clone(), counted));
        }
        Ok(())
    }

    fn refused(
        &self,
        scene: &Scene<'_>,
        outcome: Verb,
        reason: Reason,
        tell: Option<&str>,
        retry_after: Option<u64>,
    ) -> Carried {
        let status = match outcome {
            Verb::Throttle => StatusCode::TOO_MANY_REQUESTS,
            Verb::Forward | Verb::Challenge | Verb::Reroute | Verb::Block | Verb::LockOut => StatusCode::FORBIDDEN,
        };
        let refused = Refused { status, outcome, reason, tell, decision_id: scene.decision_id, retry_after };
        Carried::Answer(self.challenges.refusal(scene.arrival, &refused))
    }

    /// The strict action where the store is lost.
    pub fn state_lost(&self, arrival: &Arrival) -> Reply {
        let refused = Refused {
            status: StatusCode::SERVICE_UNAVAILABLE,
            outcome: Verb::Block,
            reason: Reason::StateUnavailable,
            tell: None,
            decision_id: &arrival.id,
            retry_after: Some(STATE_RETRY_S),
        };
        self.challenges.refusal(arrival, &refused)
    }

    /// A refusal that no policy made.
    pub fn refuse(&self, arrival: &Arrival, reason: Reason, status: StatusCode) -> Reply {
        let refused =
            Refused { status, outcome: Verb::Block, reason, tell: None, decision_id: &arrival.id, retry_after: None };
        self.challenges.refusal(arrival, &refused)
    }
}

/// Announces a lock-out as soon as it can be; after a minute nothing is left that would have to hear of it at once.
async fn announce_late(store: Arc<AnyStore>, counted: Counted) {
    for _ in 0..ANNOUNCED_AGAIN {
        tokio::time::sleep(ANNOUNCE_AGAIN).await;
        if store.announce(counted).await.is_ok() {
            return;
        }
    }
}

/// What spoke: the reason, and the step and rule where they did. `when_unsure` and `otherwise` speak with one voice,
/// whichever rule was in doubt.
pub fn speaker<'a>(policy: &'a Policy, decision: &Decision) -> [&'a str; 3] {
    let named = |label: &Option<Arc<str>>, of: &Arc<str>| label.as_ref() == Some(of);
    let step = policy.steps.iter().find(|step| named(&decision.step, &step.label));
    let rule = step.and_then(|step| match &step.kind {
        StepKind::Decide(rules) => rules.iter().find(|rule| named(&decision.rule, &rule.label)),
        StepKind::Require(_) | StepKind::Split(_) | StepKind::Finish(..) => None,
    });
    let ids = (step.map_or("", |step| &*step.id), rule.map_or("", |rule| &*rule.id));
    match decision.reason {
        Reason::WhenUnsure | Reason::Otherwise => [decision.reason.code(), "", ""],
        reason => [reason.code(), ids.0, ids.1],
    }
}

/// Whose requests count together. By subject, else by address (DESIGN §9).
fn counted(scope: decision::Scope, who: &Who<'_>) -> Counted {
    let ip = Counted { kind: Kind::Ip, id: who.ip };
    match scope {
        decision::Scope::Subject => who.account.or(who.claimed).map_or(ip, |id| Counted { kind: Kind::Account, id }),
        decision::Scope::Session => who.session.map_or(ip, |id| Counted { kind: Kind::Session, id }),
        decision::Scope::Device => who.device.map_or(ip, |id| Counted { kind: Kind::Device, id }),
        decision::Scope::Pair => who.pair.map_or(ip, |id| Counted { kind: Kind::Pair, id }),
        decision::Scope::Ip => ip,
    }
}

/// What a lock-out holds. A merely claimed subject is locked only together with the address it came from, so that
/// nobody can lock somebody else out by naming them. Who or what is not there cannot be locked; it is refused all the
/// same, now and whenever the rule fires again.
pub fn locked(what: decision::Scope, who: &Who<'_>) -> Option<Counted> {
    let pair = || who.pair.map(|id| Counted { kind: Kind::Pair, id });
    match what {
        decision::Scope::Subject => who.account.map(|id| Counted { kind: Kind::Account, id }).or_else(pair),
        decision::Scope::Pair => pair(),
        decision::Scope::Session => who.session.map(|id| Counted { kind: Kind::Session, id }),
        decision::Scope::Device => who.device.map(|id| Counted { kind: Kind::Device, id }),
        decision::Scope::Ip => Some(Counted { kind: Kind::Ip, id: who.ip }),
    }
}

/// Whose lock-outs hold for a request.
pub fn locks(who: &Who<'_>) -> Vec<Counted> {
    let mut locks = vec![Counted { kind: Kind::Ip, id: who.ip }];
    locks.extend(who.account.map(|id| Counted { kind: Kind::Account, id }));
    locks.extend(who.pair.map(|id| Counted { kind: Kind::Pair, id }));
    locks.extend(who.device.map(|id| Counted { kind: Kind::Device, id }));
    locks.extend(who.session.map(|id| Counted { kind: Kind::Session, id }));
    locks
}

/// The bound values as the user sees them.
fn shown(policy: &Policy, facts: &Facts, challenge: &Challenge) -> Vec<(String, String)> {
    let slots = challenge.binding.as_ref().map_or(&[][..], |binding| &binding.slots);
    let one = |slot: &SlotId| {
        let name = &policy.slots.get(usize::from(slot.0))?.name;
        let value = match facts.value(*slot)? {
            Value::Text(text) => text.to_string(),
            other => other.to_string(),
        };
        Some((name.strip_prefix("event.").unwrap_or(name).to_string(), value))
    };
    slots.iter().filter_map(one).collect()
}

/// Whether a request of this policy is sent to the app before the flow runs.
pub fn waits_for_answer(policy: &Policy) -> bool {
    match policy.apply {
        Apply::Before => false,
        Apply::AfterSuccess => true,
    }
}
