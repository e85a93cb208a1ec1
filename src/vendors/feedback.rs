//! What became of a question: a vendor that was asked, and wants to be told, hears how it came out.
//!
//! Nobody waits for it and nothing depends on it. It is told only by the decision that made the call, with what that very
//! call's answer kept; an answer out of the cache, or one that somebody else's call brought, is told about by nobody. What
//! is too much, too late or over the money is dropped and counted; a restart forgets what was not told yet.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use stepward_core::connector::{Class, Operation};
use tokio::sync::Semaphore;

use crate::{
    clock::Clock,
    telemetry::vendors::Meter,
    vendors::{client::Ask, runner::Runner, spend::Spend},
};

/// How many outcomes may wait to be told.
const WAITING_MAX: usize = 1024;
/// How many are told at once.
const TELLING_MAX: usize = 8;
/// How often one is tried.
const TRIES_MAX: u32 = 4;
/// How long to wait before the second try; five times as long before each further one.
const BACKOFF: Duration = Duration::from_secs(1);
/// For how many challenges it is remembered who is to be told.
const PROMISES_MAX: usize = 4096;
/// For how long.
const PROMISED_FOR: Duration = Duration::from_secs(30 * 60);

/// How an event came out, as `input.outcome` of a connector tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The app said that it succeeded.
    Succeeded,
    /// The app said that it failed.
    Failed,
    /// The challenge was met.
    ChallengePassed,
    /// The tries of the challenge are spent.
    ChallengeFailed,
    /// It was refused, with a lock-out.
    LockedOut,
    /// It was refused.
    Blocked,
}

impl Outcome {
    /// The word that a connector is given.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Succeeded => "succeeded",
            Outcome::Failed => "failed",
            Outcome::ChallengePassed => "challenge_passed",
            Outcome::ChallengeFailed => "challenge_failed",
            Outcome::LockedOut => "locked_out",
            Outcome::Blocked => "blocked",
        }
    }
}

/// A vendor that is to be told how an event came out.
pub struct Owed {
    pub(super) runner: Arc<Runner>,
    pub(super) operation: Arc<Operation>,
    /// What it was asked about, but for what is secret.
    pub(super) inputs: Vec<(Arc<str>, Arc<str>)>,
    /// What its answer kept.
    pub(super) state: Vec<(Arc<str>, Arc<str>)>,
    pub(super) price_micros: u64,
    pub(super) spend: Arc<Spend>,
    pub(super) cap_micros: Option<u64>,
    pub(super) meter: Meter,
    pub(super) desk: Desk,
    pub(super) clock: Clock,
}

/// Where outcomes wait to be told; clones share it.
#[derive(Clone)]
pub struct Desk {
    waiting: Arc<Semaphore>,
    telling: Arc<Semaphore>,
}

impl Default for Desk {
    fn default() -> Self {
        Desk { waiting: Arc::new(Semaphore::new(WAITING_MAX)), telling: Arc::new(Semaphore::new(TELLING_MAX)) }
    }
}

/// Tells them all in the background how it came out.
pub fn tell(owed: Vec<Owed>, outcome: Outcome) {
    for owed in owed {
        let Ok(place) = owed.desk.waiting.clone().try_acquire_owned() else {
            owed.meter.feedback("queue_full");
            continue;
        };
        tokio::spawn(async move {
            let result = owed.tell(outcome).await;
            owed.meter.feedback(result);
            drop(place);
        });
    }
}

impl Owed {
    /// Tells it, some times if need be; what came of it, as a word for the numbers.
    async fn tell(&self, outcome: Outcome) -> &'static str {
        let mut inputs = self.inputs.clone();
        inputs.retain(|(name, _)| &**name != "outcome");
        inputs.push(("outcome".into(), outcome.name().into()));
        let mut pause = BACKOFF;
        for left in (0..TRIES_MAX).rev() {
            let Ok(turn) = self.desk.telling.acquire().await else { return "failed" };
            let now_ms = self.clock.now_ms();
            if !self.spend.take(self.price_micros, self.cap_micros, now_ms) {
                return "no_money";
            }
            let limit = Duration::from_millis(self.operation.timeout_ms);
            let deadline = tokio::time::Instant::now() + limit;
            let ask = Ask { operation: &self.operation, inputs: &inputs, state: &self.state, now_ms, deadline };
            let heard = self.runner.tell(&ask).await;
            drop(turn);
            match heard.sent {
                0 => self.spend.give_back(self.price_micros),
                _ if self.price_micros > 0 => self.meter.paid(self.price_micros),
                _ => {}
            }
            match heard.answer.class {
                Class::Success | Class::Pending => return "told",
                Class::NotFound | Class::InvalidInput | Class::ConfigError | Class::ContractError => {
                    let why = heard.answer.why.as_deref().unwrap_or("by its answer");
                    let class = heard.answer.class.name();
                    tracing::warn!(connector = %self.operation.connector, class, why, "a vendor does not take an outcome");
                    return "refused";
                }
                Class::RateLimited | Class::Unavailable if left > 0 => {
                    let asked = heard.again_in_ms.map_or(Duration::ZERO, Duration::from_millis);
                    tokio::time::sleep(pause.max(asked.min(BACKOFF * 60))).await;
                    pause *= 5;
                }
                Class::RateLimited | Class::Unavailable => {}
            }
        }
        "failed"
    }
}

/// Whom to tell how a challenge came out, by the decision that asked for it. Kept in memory only, for a while.
#[derive(Default)]
pub struct Promises(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    owed: HashMap<Arc<str>, Vec<Owed>>,
    order: VecDeque<(Arc<str>, Instant)>,
}

impl Promises {
    /// Remembers them until [`Promises::settle`], or until it is too long ago; the oldest make way.
    pub fn keep(&self, decision: Arc<str>, owed: Vec<Owed>, now: Instant) {
        if owed.is_empty() {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = |at: &Instant| now.duration_since(*at) > PROMISED_FOR;
        while kept.order.len() >= PROMISES_MAX || kept.order.front().is_some_and(|(_, at)| is_old(at)) {
            let Some((oldest, _)) = kept.order.pop_front() else { break };
            for forgotten in kept.owed.remove(&oldest).into_iter().flatten() {
                forgotten.meter.feedback("forgotten");
            }
        }
        kept.order.push_back((decision.clone(), now));
        kept.owed.insert(decision, owed);
    }

    /// Tells those who wait for this decision's challenge, once.
    pub fn settle(&self, decision: &str, outcome: Outcome) {
        let owed = self.0.lock().unwrap_or_else(PoisonError::into_inner).owed.remove(decision);
        tell(owed.unwrap_or_default(), outcome);
    }
}
