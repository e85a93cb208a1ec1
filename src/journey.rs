//! THE LINE: recognise, decide, collect, decide, record, apply.
//!
//! It asks the core and fetches what the core needs. It never writes a response and never lets a request through by
//! omission: whatever stops it (a lost store, a bug of ours) ends in a refusal with a reason.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, StatusCode};
use stepward_core::decision::Reason;

use crate::{
    actions::Actions,
    arrival::{Arrival, Withheld},
    challenges::Challenges,
    clock::Clock,
    keys::Keys,
    outcomes::DecisionLog,
    registry::Registry,
    reply::Reply,
    sessions::Sessions,
    settings::Settings,
    signals::Signals,
    store::AnyStore,
    subject::Subjects,
    telemetry::Metrics,
};

pub mod choose;
pub mod conclude;
pub mod own;
pub mod record;
pub mod resume;
pub mod seam;
pub mod stand;
pub mod visit;

use seam::{Forwarding, Pending, Ruling, Seen, Sighting};
use visit::Visit;

/// How long a sensitive request waits for the state store before its strict action (DESIGN §6).
pub const STATE_WAIT_MAX: Duration = Duration::from_millis(250);

/// The parts a journey runs over; one of each per process.
pub struct Parts {
    /// Time.
    pub clock: Clock,
    /// Process settings.
    pub settings: Arc<Settings>,
    /// Policies.
    pub registry: Arc<Registry>,
    /// State.
    pub store: Arc<AnyStore>,
    /// Keys.
    pub keys: Arc<Keys>,
    /// Cookies and session records.
    pub sessions: Sessions,
    /// Who asks.
    pub subjects: Subjects,
    /// What else is known.
    pub signals: Signals,
    /// Proofs.
    pub challenges: Arc<Challenges>,
    /// The record of decisions.
    pub log: DecisionLog,
    /// Counters of this process.
    pub metrics: Arc<Metrics>,
}

/// Every journey of a process. Cheap to clone.
#[derive(Clone)]
pub struct Journeys(pub(crate) Arc<Parts>);

impl Journeys {
    /// Journeys over these parts.
    pub fn new(parts: Parts) -> Self {
        Journeys(Arc::new(parts))
    }

    /// Whether a request may be an event. Allocates nothing when it is none.
    ///
    /// `methods` are all that an app may take it for: its own, and one from an override header.
    pub fn recognise(&self, methods: &[&str], host: &str, path: &str) -> Sighting {
        let release = self.0.registry.current();
        match release.matcher.candidates(methods, host, path) {
            Err(stepward_core::event::matcher::Ambiguous) => Sighting::Ambiguous,
            Ok(candidates) if candidates.is_empty() => Sighting::Nothing(self.0.settings.unmatched),
            Ok(candidates) => {
                let policies = candidates.iter().filter_map(|it| release.policies.get(it.policy));
                let reads_body = policies.filter(|it| it.reads_body).map(|it| it.inspect_bytes_max).max();
                Sighting::Event(Seen { release, reads_body, candidates })
            }
        }
    }

    /// Decides a request that may be an event.
    pub async fn judge(&self, arrival: &Arc<Arrival>, seen: Seen) -> Ruling {
        let mut visit = Visit::begin(&self.0, arrival, seen).await;
        match self.line(&mut visit).await {
            Ok(ruling) => ruling,
            Err(loss) => Ruling::Answer(Actions::of(&self.0).state_lost(&visit, &loss)),
        }
    }

    /// The line itself: which event, what is known, what is decided, what is done.
    async fn line(&self, visit: &mut Visit) -> Result<Ruling, stand::Loss> {
        let chosen = choose::choose(&self.0, visit).await?;
        let Some(event) = chosen.enforced.first() else {
            self.observe(visit, &chosen.shadows).await;
            return Ok(self.unmatched(visit));
        };
        let policy = event.policy.clone();
        let mut rulings = Vec::new();
        for event in &chosen.enforced {
            rulings.push(stand::decide(&self.0, visit, event, stand::Touching::Hit).await?);
        }
        self.observe(visit, &chosen.shadows).await;
        let (decision, decided) = stand::strictest(rulings);
        let waits = policy.apply == stepward_core::policy::Apply::AfterSuccess && decision.reason != Reason::LockedOut;
        let actions = Actions::of(&self.0);
        Ok(match waits {
            true => actions.hold(visit, &policy, decided),
            false => actions.apply(visit, decision, decided).await?,
        })
    }

    /// Decides shadow policies beside the one that counts: they cause log lines and nothing else.
    async fn observe(&self, visit: &mut Visit, shadows: &[choose::Choice]) {
        for event in shadows {
            // A shadow that cannot be decided is a missing log line, never a refusal.
            let _ = stand::decide(&self.0, visit, event, stand::Touching::Look).await;
        }
    }

    fn unmatched(&self, visit: &Visit) -> Ruling {
        match self.0.settings.unmatched {
            crate::settings::Unmatched::Forward => Ruling::Forward(Box::new(Forwarding::default())),
            crate::settings::Unmatched::Block => {
                Ruling::Answer(Actions::of(&self.0).refuse(&visit.arrival, Reason::Otherwise, StatusCode::FORBIDDEN))
            }
        }
    }

    /// A request for Stepward's own pages.
    pub async fn own(&self, arrival: &Arc<Arrival>) -> Ruling {
        own::serve(&self.0, arrival).await
    }

    /// A request that asks for a parked one to be sent now.
    pub async fn resume(&self, arrival: &Arc<Arrival>, id: &str) -> Ruling {
        resume::resume(self, arrival, id).await
    }

    /// The app answered a forwarded event: senses the outcome. The lines returned are added to the answer.
    pub async fn concluded(&self, pending: Pending, status: StatusCode, headers: &HeaderMap) -> Vec<HeaderValue> {
        conclude::concluded(&self.0, pending, status, headers).await
    }

    /// The app did not answer: nobody knows whether the event happened, so it counts as a failed try.
    pub async fn lost(&self, pending: Pending) {
        conclude::lost(&self.0, pending).await;
    }

    /// The app's whole answer to a held event: what goes to the client.
    pub async fn answered(&self, pending: Pending, answer: Withheld) -> Reply {
        conclude::answered(self, pending, answer).await
    }

    /// A refusal that no policy made, for what the edge finds wrong with a request.
    pub fn refusal(&self, arrival: &Arrival, reason: Reason, status: StatusCode) -> Reply {
        Actions::of(&self.0).refuse(arrival, reason, status)
    }
}
