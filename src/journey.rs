//! THE LINE: recognise, decide, collect, decide, record, apply.
//!
//! It asks the core and fetches what the core needs. It never writes a response and never lets a request through by
//! omission: whatever stops it (a lost store, a bug of ours) ends in a refusal with a reason.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use http::{HeaderMap, HeaderValue, StatusCode};
use stepward_core::{
    decision::{Outcome, Reason, Verb},
    request::head,
};

use crate::{
    actions::{self, Actions},
    arrival::{Arrival, Withheld},
    challenges::{self, Challenges},
    clock::{self, Clock},
    inquiry::{Conclusion, Question},
    keys::Keys,
    outcomes::{DecisionLog, export::Sinks},
    recalls::Recalls,
    registry::{Refusal, Registry, Release, Target},
    reply::Reply,
    sessions::{Sessions, cookies::Scope},
    settings::{Settings, SubjectSource, Unmatched},
    signals::Signals,
    store::AnyStore,
    subject::Subjects,
    telemetry::{Metrics, lines::AccessLog},
    vendors::{feedback::Promises, salvage::Refused},
};

pub mod apply;
pub mod asked;
pub mod choose;
pub mod conclude;
pub mod consent;
pub mod inquire;
pub mod logout;
pub mod own;
pub mod record;
pub mod resume;
pub mod seam;
pub mod spare;
pub mod stand;
pub mod visit;

use inquire::Unanswered;
use seam::{Forwarding, Pending, Ruling, Seen, Sighting};
use stand::{Loss, Touching};
use visit::Visit;

/// Methods that a body may ask for in its field `_method`; Rack's and Symfony's override go as far as `GET`.
const DISGUISES: [&str; 4] = ["DELETE", "GET", "PATCH", "PUT"];
/// Such a body is read up to this where no event of the path reads its body.
const DISGUISE_BYTES_MAX: usize = 1024 * 1024;
/// After so many seconds another node may get the request.
const ELSEWHERE_RETRY_S: u64 = 1;

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
    pub keys: Keys,
    /// Cookies and session records.
    pub sessions: Sessions,
    /// Who asks.
    pub subjects: Subjects,
    /// What else is known.
    pub signals: Signals,
    /// Proofs.
    pub challenges: Arc<Challenges>,
    /// What carries decisions out.
    pub actions: Actions,
    /// The record of decisions.
    pub log: DecisionLog,
    /// Who else is given them.
    pub sinks: Sinks,
    /// Vendors that wait to hear how a challenge came out.
    pub promises: Promises,
    /// What is open, by whom it would have to be asked about again.
    pub recalls: Recalls,
    /// Counters of this process.
    pub metrics: Metrics,
    /// The log of requests, if there is one.
    pub access_log: Option<AccessLog>,
    /// Since when the store has not answered, in milliseconds since the Unix epoch; 0 while it answers.
    pub store_lost_since_ms: AtomicI64,
}

/// What came of reading connectors and policies again.
pub struct Reloaded {
    /// The release at work, or why the newest set is not.
    pub policies: Result<Arc<Release>, Arc<Refusal>>,
    /// What is wrong with the newest connectors.
    pub connectors: Option<Refused>,
}

impl Parts {
    /// Reads connectors and policies again; what cannot be used leaves the last good one at work, and is logged once.
    /// Blocks on the disk.
    pub fn reload(&self) -> Reloaded {
        if self.signals.reload_connectors(&self.settings, &self.clock) {
            let routed = self.signals.live().now().methods();
            let told = |name: &str| self.signals.tells(name);
            let target = Target::of(&self.settings, self.signals.catalogue(), told, &routed);
            self.registry.retarget(target.without(&self.settings, &self.signals.lost()));
        }
        self.challenges.reload_pages(&self.settings.pages);
        let of_sinks = self.sinks.reload(&self.settings);
        let of_others = self.signals.refused_connectors().unwrap_or_default();
        let found = [&*of_others.found, &of_sinks].concat();
        let connectors = (!found.is_empty()).then(|| Refused::of(found, of_others.texts));
        Reloaded { policies: self.registry.reload(), connectors }
    }

    /// Takes note whether the store answered.
    fn store_answered(&self, now_ms: i64, is_there: bool) {
        let since = if is_there { 0 } else { now_ms };
        let before = self.store_lost_since_ms.load(Ordering::Relaxed);
        if is_there != (before == 0) {
            self.store_lost_since_ms.store(since, Ordering::Relaxed);
            self.metrics.state_store(is_there);
        }
    }

    /// For how long the store has not answered.
    fn store_lost_for_ms(&self, now_ms: i64) -> i64 {
        match self.store_lost_since_ms.load(Ordering::Relaxed) {
            0 => 0,
            since => now_ms.saturating_sub(since),
        }
    }

    /// Whether a session can be kept with this client: over TLS, or in plain text on this machine.
    fn can_keep(&self, arrival: &Arrival) -> bool {
        Scope::of(&arrival.request).is_some()
    }

    /// Whether a cookie is one by which the app knows its sessions.
    fn is_app_session(&self, name: &str) -> bool {
        self.settings.subject.iter().any(|source| match source {
            SubjectSource::AppSession { cookie } => **cookie == *name,
            SubjectSource::Jwt(_) | SubjectSource::Header { .. } => false,
        })
    }
}

/// Every journey of a process. Cheap to clone.
#[derive(Clone)]
pub struct Journeys(pub(crate) Arc<Parts>);

impl Journeys {
    /// Journeys over these parts.
    pub fn new(parts: Parts) -> Self {
        Journeys(Arc::new(parts))
    }

    /// What they run over, for the API.
    pub fn parts(&self) -> &Parts {
        &self.0
    }

    /// Whether a request may be an event. Allocates nothing when it is none.
    ///
    /// `methods` are all that an app may take it for: its own, and one from an override header.
    pub fn recognise(&self, methods: &[&str], host: &str, path: &str) -> Sighting {
        let sighting = self.see(methods, host, path);
        if let Sighting::Nothing(_) = sighting {
            self.0.metrics.unmatched();
        }
        sighting
    }

    /// The same, and nobody counts it.
    fn see(&self, methods: &[&str], host: &str, path: &str) -> Sighting {
        let release = self.0.registry.current();
        match release.matcher.candidates(methods, host, path) {
            Err(stepward_core::event::matcher::Ambiguous) => Sighting::Ambiguous,
            Ok(candidates) if candidates.is_empty() => Sighting::Nothing(self.0.settings.unmatched),
            Ok(candidates) => {
                let policies = || candidates.iter().filter_map(|it| release.policies.get(it.policy));
                let reads_body = policies().filter(|it| it.reads_body).map(|it| it.inspect_bytes_max).max();
                let keeps_body = policies().map(|it| it.park_bytes_max).max().unwrap_or_default();
                Sighting::Event(Seen { release, reads_body, keeps_body, candidates })
            }
        }
    }

    /// How much of a body to read because its field `_method` may make it an event that `seen` does not tell of.
    pub fn disguise(&self, host: &str, path: &str, seen: Option<&Seen>) -> Option<usize> {
        let release = seen.map_or_else(|| self.0.registry.current(), |seen| seen.release.clone());
        if !release.matcher.covers_path(host, path) {
            return None;
        }
        let is_told = |policy: usize| seen.is_some_and(|seen| seen.candidates.iter().any(|it| it.policy == policy));
        let inspected = |policy: usize| release.policies.get(policy).filter(|it| it.reads_body);
        let mut bytes_max = None;
        for method in DISGUISES {
            match release.matcher.candidates(&[method], host, path) {
                // Refused once the body does ask for it.
                Err(stepward_core::event::matcher::Ambiguous) => bytes_max = bytes_max.max(Some(DISGUISE_BYTES_MAX)),
                Ok(others) => {
                    for other in others.iter().filter(|it| !is_told(it.policy)) {
                        let wanted = inspected(other.policy).map_or(DISGUISE_BYTES_MAX, |it| it.inspect_bytes_max);
                        bytes_max = bytes_max.max(Some(wanted));
                    }
                }
            }
        }
        bytes_max
    }

    /// Decides a request that may be an event.
    pub async fn judge(&self, arrival: &Arc<Arrival>, seen: Seen) -> Ruling {
        let visit = Box::new(Visit::begin(&self.0, arrival, seen).await);
        match self.line(visit).await {
            Ok(ruling) => ruling,
            Err(Loss(error)) => {
                tracing::warn!(%error, "a request is refused because the state store is lost");
                record::refusal(&self.0, arrival, Reason::StateUnavailable);
                Ruling::Answer(self.0.actions.state_lost(arrival))
            }
        }
    }

    /// The line itself: which event, what is known, what is decided, what is done.
    pub(crate) async fn line(&self, mut visit: Box<Visit>) -> Result<Ruling, Loss> {
        let chosen = choose::choose(&self.0, &mut visit).await?;
        self.observe(&mut visit, &chosen.shadows).await;
        if let Some((reason, status)) = choose::indivisible(&visit.arrival.request, &chosen) {
            return Ok(Ruling::Answer(self.refusal(&visit.arrival, reason, status)));
        }
        let Some(first) = chosen.enforced.first() else { return Box::pin(self.unmatched(visit)).await };
        if actions::waits_for_answer(&first.policy) {
            return Box::pin(self.wait(visit, first)).await;
        }
        let mut rulings = Vec::with_capacity(chosen.enforced.len());
        for event in &chosen.enforced {
            rulings.push(stand::decide(&self.0, &mut visit, event, Touching::Hit).await?);
        }
        let (decision, decided) = stand::strictest(rulings);
        apply::apply(self, visit, &decision, decided).await
    }

    /// An event that applies after success goes to the app first, unless it is locked out.
    async fn wait(&self, mut visit: Box<Visit>, event: &choose::Choice) -> Result<Ruling, Loss> {
        match stand::count(&self.0, &mut visit, event).await? {
            Ok(decided) => apply::hold(self, visit, vec![decided]).await,
            Err(locked) => apply::apply(self, visit, &locked.decision, vec![locked.decided]).await,
        }
    }

    /// Decides shadow policies beside the one that counts: they cause log lines and nothing else.
    async fn observe(&self, visit: &mut Visit, shadows: &[choose::Choice]) {
        for event in shadows {
            // A shadow that cannot be decided is a missing log line, never a refusal.
            let _ = Box::pin(stand::decide(&self.0, visit, event, Touching::Look)).await;
        }
    }

    async fn unmatched(&self, visit: Box<Visit>) -> Result<Ruling, Loss> {
        match self.0.settings.unmatched {
            Unmatched::Forward => apply::send(self, visit, Vec::new(), Forwarding::default()).await,
            Unmatched::Block => {
                Ok(Ruling::Answer(self.refusal(&visit.arrival, Reason::Otherwise, StatusCode::FORBIDDEN)))
            }
        }
    }

    /// Whether a request that is open would be let through now; it does not count as a try.
    pub(crate) async fn look(&self, arrival: &Arc<Arrival>) -> bool {
        let request = &arrival.request;
        let methods = head::methods(request);
        let methods: Vec<&str> = methods.iter().map(String::as_str).collect();
        let seen = match self.recognise(&methods, &request.host, &request.path) {
            Sighting::Event(seen) => seen,
            Sighting::Nothing(Unmatched::Forward) => return true,
            Sighting::Nothing(Unmatched::Block) | Sighting::Ambiguous => return false,
        };
        let mut visit = Visit::begin(&self.0, arrival, seen).await;
        let Ok(chosen) = choose::choose(&self.0, &mut visit).await else { return false };
        for event in &chosen.enforced {
            let ruled = stand::decide(&self.0, &mut visit, event, Touching::Look).await;
            if !ruled.is_ok_and(|ruled| matches!(ruled.decision.outcome, Outcome::Forward(_))) {
                return false;
            }
        }
        true
    }

    /// What would be decided about a request that somebody describes. Counts, records and changes nothing.
    ///
    /// # Errors
    /// The question makes no sense, or the state store is lost.
    pub async fn inquire(&self, question: &Question) -> Result<Conclusion, Unanswered> {
        inquire::inquire(self, question).await
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

    /// Whether an answer of the app ends its session, and so ours.
    pub fn ends_session(&self, headers: &HeaderMap) -> bool {
        logout::may_be_one(&self.0, headers)
    }

    /// Ends the session of a request that was no event. The lines returned are added to the answer.
    pub async fn signed_out(&self, arrival: &Arc<Arrival>, headers: &HeaderMap) -> Vec<HeaderValue> {
        logout::of(&self.0, arrival, headers).await
    }

    /// Names of the headers that some policy sets towards the app: no client may send them.
    pub fn sets_headers(&self) -> Arc<[Arc<str>]> {
        self.0.registry.current().sets_headers.clone()
    }

    /// The app asked for a proof instead of answering: what happens now. `Ruling::Forward` sends the same request once
    /// more, with what the app is told of the proofs that are there.
    pub async fn asked(&self, asking: asked::Asking) -> Ruling {
        asked::asked(self, asking).await
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
        record::refusal(&self.0, arrival, reason);
        self.0.actions.refuse(arrival, reason, status)
    }

    /// Writes down a refusal by the edge before there was an arrival; the id it is known by. No `tenant` where it is
    /// not known whose route it would have been.
    pub fn refused(&self, reason: Reason, tenant: Option<&Arc<str>>) -> Arc<str> {
        let id = clock::fresh_name();
        record::refused_early(&self.0, &id, reason, tenant.map_or("", |tenant| tenant));
        id
    }

    /// What was to be resumed is gone, used, or someone else's.
    fn gone(&self, arrival: &Arrival) -> Reply {
        self.refusal(arrival, Reason::ResumeGone, StatusCode::GONE)
    }

    /// What was to be resumed waits, but its body is in the folder of another node: nothing is sent, nothing is lost.
    fn elsewhere(&self, arrival: &Arrival) -> Reply {
        record::refusal(&self.0, arrival, Reason::ResumeElsewhere);
        let refused = challenges::Refused {
            status: StatusCode::SERVICE_UNAVAILABLE,
            outcome: Verb::Block,
            reason: Reason::ResumeElsewhere,
            tell: None,
            decision_id: &arrival.id,
            retry_after: Some(ELSEWHERE_RETRY_S),
        };
        self.0.challenges.refusal(arrival, &refused)
    }

    /// Something of ours broke.
    fn broken(&self, arrival: &Arrival) -> Reply {
        tracing::error!(request = %arrival.id, "a withheld answer does not read back; it is refused");
        self.refusal(arrival, Reason::Internal, StatusCode::INTERNAL_SERVER_ERROR)
    }
}
