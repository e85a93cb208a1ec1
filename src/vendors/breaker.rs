//! Stops asking a connector that fails, and tries again now and then: a state machine, time given from outside.
//!
//! While it is open a route goes on to the next connector at once, so a dead vendor costs nobody a time-out.

/// Failures in a row that open it.
pub const FAILURES_MAX: u32 = 5;
/// How long it stays open at first, in milliseconds; twice as long after each failed probe.
pub const OPEN_MS: i64 = 10_000;
/// How long it stays open at most, in milliseconds.
pub const OPEN_MS_MAX: i64 = 5 * 60_000;
/// How long a probe may be out before another is let through, in milliseconds.
const PROBE_MS_MAX: i64 = 30_000;

/// A breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// Calls go through.
    Closed {
        /// Failures since the last success.
        failures: u32,
    },
    /// No call goes through.
    Open {
        /// Until then.
        until_ms: i64,
        /// How long it was opened for.
        for_ms: i64,
    },
    /// One call is out to see.
    HalfOpen {
        /// Since then.
        since_ms: i64,
        /// How long it was open before.
        for_ms: i64,
    },
}

impl Default for Breaker {
    fn default() -> Self {
        Breaker::Closed { failures: 0 }
    }
}

impl Breaker {
    /// Whether a call may be made now. From an open breaker whose time is over, one is.
    pub fn admits(&mut self, now_ms: i64) -> bool {
        match *self {
            Breaker::Closed { .. } => true,
            Breaker::Open { until_ms, .. } if now_ms < until_ms => false,
            Breaker::HalfOpen { since_ms, .. } if now_ms.saturating_sub(since_ms) < PROBE_MS_MAX => false,
            Breaker::Open { for_ms, .. } | Breaker::HalfOpen { for_ms, .. } => {
                *self = Breaker::HalfOpen { since_ms: now_ms, for_ms };
                true
            }
        }
    }

    /// A call ended well.
    pub fn succeeded(&mut self) {
        *self = Breaker::default();
    }

    /// A call failed.
    pub fn failed(&mut self, now_ms: i64) {
        *self = match *self {
            Breaker::Closed { failures } if failures + 1 < FAILURES_MAX => Breaker::Closed { failures: failures + 1 },
            Breaker::Closed { .. } => Breaker::Open { until_ms: now_ms.saturating_add(OPEN_MS), for_ms: OPEN_MS },
            // A call that was out when it opened says nothing new.
            open @ Breaker::Open { .. } => open,
            Breaker::HalfOpen { for_ms, .. } => {
                let for_ms = (for_ms * 2).min(OPEN_MS_MAX);
                Breaker::Open { until_ms: now_ms.saturating_add(for_ms), for_ms }
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES_MAX - 1 {
            breaker.failed(0);
        }
        breaker.succeeded();
        for _ in 0..FAILURES_MAX - 1 {
            breaker.failed(0);
        }
        assert!(breaker.admits(0), "a success in between counts");
        breaker.failed(0);
        assert!(!breaker.admits(0) && !breaker.admits(OPEN_MS - 1));
    }

    #[test]
    fn one_probe_decides_whether_it_closes_or_stays_open_for_longer() {
        let mut breaker = Breaker::Open { until_ms: 100, for_ms: OPEN_MS };
        assert!(breaker.admits(100), "the probe");
        assert!(!breaker.admits(101), "and no other");
        breaker.failed(200);
        assert!(!breaker.admits(200 + 2 * OPEN_MS - 1));
        assert!(breaker.admits(200 + 2 * OPEN_MS));
        breaker.succeeded();
        assert!(breaker.admits(0) && breaker.admits(0));
    }

    #[test]
    fn a_lost_probe_and_endless_failure_do_not_shut_it_for_ever() {
        let mut breaker = Breaker::Open { until_ms: 0, for_ms: OPEN_MS };
        assert!(breaker.admits(0));
        assert!(breaker.admits(PROBE_MS_MAX), "the first probe never came back");
        for at in 0..20 {
            breaker.failed(at);
            assert!(breaker.admits(at + OPEN_MS_MAX), "never open for longer than {OPEN_MS_MAX} ms");
        }
    }
}
