//! How the process talks about itself: log lines ([`lines`]), and the numbers at `/metrics` in OpenMetrics text.
//!
//! Label values come from bounded lists only: events and connectors by their configured names, methods, outcomes and
//! reasons by their closed enums. Never an address, user or path. Counting cannot fail.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use stepward_core::{decision::Reason, decision::Verb, policy::Mode, session::Method};

pub mod lines;
pub mod panics;
pub mod vendors;
pub mod writer;

/// Buckets for a decision, in seconds: 20 µs to 5 s.
const DECISION_BUCKETS: [f64; 12] = [2e-5, 5e-5, 1e-4, 2.5e-4, 1e-3, 5e-3, 2e-2, 0.1, 0.25, 0.5, 1.0, 5.0];
/// Buckets for a signal, in seconds: 100 µs to 5 s.
const SIGNAL_BUCKETS: [f64; 10] = [1e-4, 1e-3, 5e-3, 2e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 5.0];

/// All numbers of one gateway; clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    decisions: Family<DecisionLabels, Counter>,
    decision_seconds: Histogram,
    signal_seconds: Family<SignalLabels, Histogram, fn() -> Histogram>,
    challenges: Family<ChallengeLabels, Counter>,
    refusals: Family<ReasonLabels, Counter>,
    reloads: Counter,
    reload_failures: Counter,
    release: Gauge,
    connections: Counter,
    connections_open: Gauge,
    requests_unmatched: Counter,
    state_store_up: Gauge,
    session_snapshots: Family<SnapshotLabels, Counter>,
    log_drops: Family<LogLabels, Counter>,
    upstream_addresses: Family<UpstreamLabels, Gauge>,
    upstream_failures: Family<AppLabels, Counter>,
    panics: Counter,
    security_events: Family<SecurityEventLabels, Counter>,
    security_events_refused: Family<RefusedEventLabels, Counter>,
    vendors: vendors::Numbers,
    upstreams: Arc<Mutex<BTreeMap<Arc<str>, Standing>>>,
    logged: Arc<AtomicU64>,
}

/// What a process tells about itself.
#[derive(Clone, Default)]
pub struct Telemetry {
    /// Its numbers.
    pub metrics: Metrics,
    /// Its log of requests, if there is one.
    pub access_log: Option<lines::AccessLog>,
}

/// How many addresses of an app are up and down, by its checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Up, or not asked yet.
    pub up: usize,
    /// Down.
    pub down: usize,
}

/// An open connection; counted until it is dropped.
#[derive(Debug)]
pub struct OpenConnection(Metrics);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connections_open.dec();
    }
}

/// How a signal came to be known, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalOutcome {
    /// It answered.
    Answered,
    /// It was found in a cache.
    Cached,
    /// It answered that it does not know.
    Absent,
    /// It failed or ran out of time.
    Failed,
}

/// What became of a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeResult {
    /// It was issued.
    Shown,
    /// It was met.
    Passed,
    /// An answer was wrong.
    Failed,
    /// Its attempts are spent.
    Spent,
}

/// How an event stood that a snapshot of its session could answer for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Snapshots {
    /// A snapshot answered.
    Used,
    /// The store was asked.
    Asked,
}

/// Which log lost a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// The decision log.
    Decisions,
    /// The access log.
    Access,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

impl Metrics {
    /// Numbers that all begin at nothing.
    pub fn new() -> Self {
        let mut metrics = Metrics {
            registry: Arc::new(Registry::default()),
            decisions: Family::default(),
            decision_seconds: Histogram::new(DECISION_BUCKETS),
            signal_seconds: Family::new_with_constructor(|| Histogram::new(SIGNAL_BUCKETS)),
            challenges: Family::default(),
            refusals: Family::default(),
            reloads: Counter::default(),
            reload_failures: Counter::default(),
            release: Gauge::default(),
            connections: Counter::default(),
            connections_open: Gauge::default(),
            requests_unmatched: Counter::default(),
            state_store_up: Gauge::default(),
            session_snapshots: Family::default(),
            log_drops: Family::default(),
            upstream_addresses: Family::default(),
            upstream_failures: Family::default(),
            panics: Counter::default(),
            security_events: Family::default(),
            security_events_refused: Family::default(),
            vendors: vendors::Numbers::default(),
            upstreams: Arc::default(),
            logged: Arc::default(),
        };
        metrics.registry = Arc::new(metrics.register());
        metrics
    }

    fn register(&self) -> Registry {
        let mut registry = Registry::with_prefix("stepward");
        let all = &mut registry;
        all.register("decisions", "Decisions by event, outcome and mode", self.decisions.clone());
        all.register_with_unit(
            "decision",
            "Time from recognised to decided",
            Unit::Seconds,
            self.decision_seconds.clone(),
        );
        all.register_with_unit("signal", "Time a signal took", Unit::Seconds, self.signal_seconds.clone());
        all.register("challenges", "Challenges by method and what became of them", self.challenges.clone());
        all.register("refusals", "Requests refused before any policy, by reason", self.refusals.clone());
        all.register("policy_reload", "Policy sets that were put to work", self.reloads.clone());
        all.register("policy_reload_failed", "Policy sets that were refused", self.reload_failures.clone());
        all.register("policy_release", "Number of the release at work", self.release.clone());
        all.register("connections", "Connections accepted", self.connections.clone());
        all.register("connections_open", "Connections open now", self.connections_open.clone());
        all.register("requests_unmatched", "Requests that were no event", self.requests_unmatched.clone());
        all.register("state_store_up", "Whether the state store answers: 1 or 0", self.state_store_up.clone());
        let snapshots = self.session_snapshots.clone();
        all.register("session_snapshots", "Events that a snapshot of the session could answer for", snapshots);
        all.register("log_lines_dropped", "Log lines that could not be written", self.log_drops.clone());
        all.register(
            "upstream_addresses",
            "Addresses of an app by what its checks say",
            self.upstream_addresses.clone(),
        );
        let failures = self.upstream_failures.clone();
        all.register("upstream_connect_failures", "Connections to an app that failed", failures);
        all.register("panics", "Faults of ours that ended one task", self.panics.clone());
        all.register("security_events", "Security events by what became of them", self.security_events.clone());
        let refused = self.security_events_refused.clone();
        all.register("security_events_refused", "Security events that were refused, by reason", refused);
        self.vendors.register(all);
        registry
    }

    /// A decision was made.
    pub fn decided(&self, event: &Arc<str>, outcome: Verb, mode: Mode, took: Duration) {
        let labels = DecisionLabels { event: Name(event.clone()), outcome: outcome.name(), mode: mode_name(mode) };
        self.decisions.get_or_create(&labels).inc();
        self.decision_seconds.observe(took.as_secs_f64());
    }

    /// A signal was asked for. `source` is `local` or a connector's id.
    pub fn signal(&self, source: &Arc<str>, outcome: SignalOutcome, took: Duration) {
        let outcome = match outcome {
            SignalOutcome::Answered => "answered",
            SignalOutcome::Cached => "cached",
            SignalOutcome::Absent => "absent",
            SignalOutcome::Failed => "failed",
        };
        let labels = SignalLabels { source: Name(source.clone()), outcome };
        self.signal_seconds.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// The numbers about vendors.
    pub fn vendors(&self) -> &vendors::Numbers {
        &self.vendors
    }

    /// Something became of a challenge.
    pub fn challenge(&self, method: Method, result: ChallengeResult) {
        let result = match result {
            ChallengeResult::Shown => "shown",
            ChallengeResult::Passed => "passed",
            ChallengeResult::Failed => "failed",
            ChallengeResult::Spent => "spent",
        };
        self.challenges.get_or_create(&ChallengeLabels { method: method.name(), result }).inc();
    }

    /// A request was refused before any policy saw it.
    pub fn refused(&self, reason: Reason) {
        self.refusals.get_or_create(&ReasonLabels { reason: reason.code() }).inc();
    }

    /// A policy set was put to work.
    pub fn reloaded(&self, release: u64) {
        self.reloads.inc();
        self.release.set(i64::try_from(release).unwrap_or(i64::MAX));
    }

    /// A policy set was refused; the last good one keeps running.
    pub fn reload_failed(&self) {
        self.reload_failures.inc();
    }

    /// A connection was accepted; it ends when what is returned is dropped.
    pub fn connected(&self) -> OpenConnection {
        self.connections.inc();
        self.connections_open.inc();
        OpenConnection(self.clone())
    }

    /// A request was no event.
    pub fn unmatched(&self) {
        self.requests_unmatched.inc();
    }

    /// Whether the state store answers.
    pub fn state_store(&self, up: bool) {
        self.state_store_up.set(i64::from(up));
    }

    /// An event came that a snapshot could answer for.
    pub fn snapshot(&self, result: Snapshots) {
        let result = match result {
            Snapshots::Used => "used",
            Snapshots::Asked => "asked",
        };
        self.session_snapshots.get_or_create(&SnapshotLabels { result }).inc();
    }

    /// So many addresses of an app are up, and so many down.
    pub fn upstream(&self, app: &Arc<str>, up: usize, down: usize) {
        for (state, count) in [("up", up), ("down", down)] {
            let labels = UpstreamLabels { upstream: Name(app.clone()), state };
            self.upstream_addresses.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let mut upstreams = self.upstreams.lock().unwrap_or_else(PoisonError::into_inner);
        upstreams.insert(app.clone(), Standing { up, down });
    }

    /// What the checks say of every app that is checked.
    pub fn upstreams(&self) -> BTreeMap<Arc<str>, Standing> {
        self.upstreams.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An address of an app refused a connection.
    pub fn unreachable(&self, app: &Arc<str>) {
        self.upstream_failures.get_or_create(&AppLabels { upstream: Name(app.clone()) }).inc();
    }

    /// A fault of ours ended one task.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// A security event was taken. `event` is a configured or known type, or `other`; `outcome` of a closed list.
    pub fn security_event(&self, transmitter: &Arc<str>, event: &Arc<str>, outcome: &'static str) {
        let labels =
            SecurityEventLabels { transmitter: Name(transmitter.clone()), event: Name(event.clone()), outcome };
        self.security_events.get_or_create(&labels).inc();
    }

    /// A security event was refused. `transmitter` is a configured name, or `unknown`; `reason` of a closed list.
    pub fn security_event_refused(&self, transmitter: &Arc<str>, reason: &'static str) {
        let labels = RefusedEventLabels { transmitter: Name(transmitter.clone()), reason };
        self.security_events_refused.get_or_create(&labels).inc();
    }

    /// A log line could not be written.
    pub fn dropped(&self, log: Log, lines: u64) {
        self.log_drops.get_or_create(&LogLabels { log: log.name() }).inc_by(lines);
        self.logged.fetch_add(lines, Ordering::Relaxed);
    }

    /// How many lines all logs have lost.
    pub fn lines_dropped(&self) -> u64 {
        self.logged.load(Ordering::Relaxed)
    }

    /// OpenMetrics text, to be served as `application/openmetrics-text; version=1.0.0; charset=utf-8`.
    pub fn text(&self) -> String {
        let mut written = String::new();
        match text::encode(&mut written, &self.registry) {
            Ok(()) => written,
            // Writing to a String does not fail; should it ever, half a page is worse than none.
            Err(_) => String::from("# EOF\n"),
        }
    }
}

impl Log {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Log::Decisions => "decisions",
            Log::Access => "access",
        }
    }
}

fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "enforce",
        Mode::Shadow => "shadow",
        Mode::Off => "off",
    }
}

/// A configured name as a label value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Name(Arc<str>);

impl EncodeLabelValue for Name {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.write_str(&self.0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    event: Name,
    outcome: &'static str,
    mode: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SignalLabels {
    source: Name,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChallengeLabels {
    method: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SecurityEventLabels {
    transmitter: Name,
    event: Name,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusedEventLabels {
    transmitter: Name,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SnapshotLabels {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LogLabels {
    log: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpstreamLabels {
    upstream: Name,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AppLabels {
    upstream: Name,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_at_metrics_under_its_documented_name() {
        let metrics = Metrics::new();
        metrics.decided(&"login".into(), Verb::Challenge, Mode::Enforce, Duration::from_micros(30));
        metrics.signal(&"acme-ip".into(), SignalOutcome::Failed, Duration::from_millis(40));
        metrics.challenge(Method::Totp, ChallengeResult::Passed);
        metrics.refused(Reason::PathAmbiguous);
        metrics.reloaded(7);
        metrics.reload_failed();
        let _open = metrics.connected();
        metrics.state_store(true);
        metrics.snapshot(Snapshots::Used);
        metrics.dropped(Log::Decisions, 3);
        metrics.upstream(&"bank".into(), 1, 2);
        metrics.unreachable(&"bank".into());
        metrics.security_event(&"idp".into(), &"session-revoked".into(), "revoked");
        metrics.security_event_refused(&"idp".into(), "audience");
        let text = metrics.text();
        for line in [
            "stepward_decisions_total{event=\"login\",outcome=\"challenge\",mode=\"enforce\"} 1",
            "stepward_decision_seconds_count 1",
            "stepward_signal_seconds_count{source=\"acme-ip\",outcome=\"failed\"} 1",
            "stepward_challenges_total{method=\"totp\",result=\"passed\"} 1",
            "stepward_refusals_total{reason=\"path.ambiguous\"} 1",
            "stepward_policy_reload_total 1",
            "stepward_policy_reload_failed_total 1",
            "stepward_policy_release 7",
            "stepward_connections_open 1",
            "stepward_state_store_up 1",
            "stepward_session_snapshots_total{result=\"used\"} 1",
            "stepward_upstream_addresses{upstream=\"bank\",state=\"down\"} 2",
            "stepward_upstream_connect_failures_total{upstream=\"bank\"} 1",
            "stepward_security_events_total{transmitter=\"idp\",event=\"session-revoked\",outcome=\"revoked\"} 1",
            "stepward_security_events_refused_total{transmitter=\"idp\",reason=\"audience\"} 1",
            "stepward_log_lines_dropped_total{log=\"decisions\"} 3",
        ] {
            assert!(text.contains(line), "{line} is missing from:\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn a_name_cannot_break_out_of_its_label() {
        let metrics = Metrics::new();
        metrics.decided(&"a\"b\nc".into(), Verb::Block, Mode::Shadow, Duration::ZERO);
        assert!(metrics.text().lines().all(|line| !line.starts_with('c')), "{}", metrics.text());
    }
}
