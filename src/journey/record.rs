//! Writes decisions down: the log, the numbers, and nothing else.

use std::time::Duration;

use stepward_core::decision::{Decision, Reason};

use crate::{
    arrival::Arrival,
    journey::{Parts, seam::Decided, visit::Visit},
    outcomes::record::Record,
    signals::Signals,
};

/// One decision.
pub fn decision(parts: &Parts, visit: &Visit, decided: &Decided, decision: &Decision, took: Duration) {
    let policy = &decided.policy;
    parts.metrics.decided(&policy.event, decision.outcome.verb(), policy.mode, took);
    parts.log.record(&Record {
        id: &decided.decision_id,
        tenant: &visit.arrival.route.tenant,
        policy: Some(policy),
        release: visit.seen.release.number,
        release_hash: &visit.seen.release.hash,
        mode: policy.mode,
        facts: &decided.facts,
        decision,
        calls: &decided.calls,
        took,
    });
    if !decided.trials.is_empty() {
        let (log, id, now_ms) = (parts.log.clone(), decided.decision_id.clone(), visit.now_ms);
        Signals::try_out(decided.trials.clone(), move |tried| log.tried(&id, tried, now_ms));
    }
}

/// A refusal before there was an arrival; an empty tenant where none is known.
pub fn refused_early(parts: &Parts, id: &str, reason: Reason, tenant: &str) {
    parts.metrics.refused(reason);
    parts.log.refused(id, tenant, reason, parts.clock.now_ms());
}

/// A refusal before any policy was asked.
pub fn refusal(parts: &Parts, arrival: &Arrival, reason: Reason) {
    parts.metrics.refused(reason);
    parts.log.refused(&arrival.id, &arrival.route.tenant, reason, parts.clock.now_ms());
}
