//! Stops asking a connector that fails or is slow, and tries again now and then: a state machine, time given from
//! outside.
//!
//! While it is open a route goes on to the next connector at once, so a dead vendor costs nobody a time-out. It opens
//! after failures in a row, or when too many of the newest calls failed or were slow; one call tells whether it closes.

use stepward_core::connector::route;

/// How long a probe may be out before another is let through, in milliseconds.
const PROBE_MS_MAX: i64 = 30_000;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Well, and in time.
    Well,
    /// Well, but late.
    Slow,
    /// Nobody knows: another connector was faster, and it was cancelled.
    Overtaken,
    /// Nothing was sent after all.
    Unsaid,
    /// Not at all, or not as agreed.
    Failed,
    /// The key was refused: the next call will be, too.
    Refused,
}

/// A breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    state: State,
    recent: Recent,
}

/// Whether calls go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// They do.
    Closed {
        /// Failures since the last success.
        failures: u32,
    },
    /// None does.
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

impl Default for State {
    fn default() -> Self {
        State::Closed { failures: 0 }
    }
}

/// The newest calls, newest in the lowest bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Recent {
    failed: u64,
    slow: u64,
    calls: u32,
}

impl Recent {
    fn add(&mut self, failed: bool, slow: bool) {
        self.failed = self.failed << 1 | u64::from(failed);
        self.slow = self.slow << 1 | u64::from(slow);
        self.calls = (self.calls + 1).min(u64::BITS);
    }

    /// Whether too many of the last `window` calls were bad; never while there were fewer.
    fn is_bad(&self, rules: &route::Breaker) -> bool {
        let window = rules.window.clamp(1, u64::BITS);
        let newest = u64::MAX >> (u64::BITS - window);
        let reaches = |bits: u64, millionths: u32| {
            u64::from((bits & newest).count_ones()) * 1_000_000 >= u64::from(window) * u64::from(millionths)
        };
        self.calls >= window
            && (reaches(self.failed, rules.failure_millionths)
                || (self.slow & newest != 0 && reaches(self.slow | self.failed, rules.slow_millionths)))
    }
}

impl Breaker {
    /// Whether calls go through.
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether a call could be made now.
    pub fn would_admit(&self, now_ms: i64) -> bool {
        match self.state {
            State::Closed { .. } => true,
            State::Open { until_ms, .. } => now_ms >= until_ms,
            State::HalfOpen { since_ms, .. } => now_ms.saturating_sub(since_ms) >= PROBE_MS_MAX,
        }
    }

    /// Whether a call may be made now, and is. From an open breaker whose time is over, one is.
    pub fn admits(&mut self, now_ms: i64) -> bool {
        if !self.would_admit(now_ms) {
            return false;
        }
        if let State::Open { for_ms, .. } | State::HalfOpen { for_ms, .. } = self.state {
            self.state = State::HalfOpen { since_ms: now_ms, for_ms };
        }
        true
    }

    /// A call ended so.
    pub fn ended(&mut self, ending: Ending, rules: &route::Breaker, now_ms: i64) {
        let failed = matches!(ending, Ending::Failed | Ending::Refused);
        match self.state {
            // A call that was out when it opened says nothing new.
            State::Open { .. } => return,
            State::HalfOpen { for_ms, .. } if failed => {
                self.open(for_ms.saturating_mul(2).clamp(rules.open_ms, rules.open_ms_max), now_ms);
                return;
            }
            // The probe told nothing: the next call is one.
            State::HalfOpen { for_ms, .. } if matches!(ending, Ending::Overtaken | Ending::Unsaid) => {
                self.state = State::Open { until_ms: now_ms, for_ms };
                return;
            }
            State::Closed { .. } if ending == Ending::Unsaid => return,
            State::HalfOpen { .. } => *self = Breaker::default(),
            State::Closed { failures } => {
                self.state = State::Closed { failures: if failed { failures.saturating_add(1) } else { 0 } };
            }
        }
        self.recent.add(failed, matches!(ending, Ending::Slow | Ending::Overtaken));
        let too_often = matches!(self.state, State::Closed { failures } if failures >= rules.failures);
        if ending == Ending::Refused || too_often || self.recent.is_bad(rules) {
            self.open(rules.open_ms, now_ms);
        }
    }

    fn open(&mut self, for_ms: i64, now_ms: i64) {
        *self = Breaker {
            state: State::Open { until_ms: now_ms.saturating_add(for_ms), for_ms },
            recent: Recent::default(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: route::Breaker = route::Breaker {
        failures: 5,
        window: 10,
        failure_millionths: 500_000,
        slow_call_ms: Some(200),
        slow_millionths: 800_000,
        open_ms: 10_000,
        open_ms_max: 300_000,
    };

    fn after(endings: &[Ending]) -> Breaker {
        let mut breaker = Breaker::default();
        endings.iter().for_each(|ending| breaker.ended(*ending, &RULES, 0));
        breaker
    }

    fn is_open(breaker: Breaker) -> bool {
        matches!(breaker.state, State::Open { .. })
    }

    #[test]
    fn it_opens_after_failures_in_a_row() {
        let mut four = [Ending::Failed; 5];
        four[3] = Ending::Well;
        assert!(!is_open(after(&four)), "a success in between counts");
        let mut breaker = after(&[Ending::Failed; 5]);
        assert!(!breaker.admits(0) && !breaker.admits(RULES.open_ms - 1));
        assert!(breaker.admits(RULES.open_ms));
    }

    #[test]
    fn it_opens_for_one_that_flaps_or_is_slow_but_not_for_one_that_stumbles() {
        use Ending::{Failed, Slow, Well};
        let times = |endings: &[Ending]| is_open(after(&endings.repeat(20)));
        for (name, endings, opens) in [
            ("every second fails", &[Well, Failed][..], true),
            ("every third fails", &[Well, Well, Failed], false),
            ("all are slow", &[Slow], true),
            ("four of five are slow", &[Slow, Slow, Well, Slow, Slow], true),
            ("half are slow", &[Slow, Well], false),
            ("two of three slow, the others well", &[Slow, Slow, Well], false),
            ("slow or failed, four of five", &[Slow, Failed, Slow, Well, Slow], true),
            ("always overtaken", &[Ending::Overtaken], true),
            ("never asked", &[Ending::Unsaid], false),
        ] {
            assert_eq!(times(endings), opens, "{name}");
        }
        assert!(!is_open(after(&[Slow; 9])), "fewer calls than the window say nothing");
    }

    #[test]
    fn a_key_that_is_refused_opens_it_at_once() {
        assert!(is_open(after(&[Ending::Refused])));
    }

    #[test]
    fn one_probe_decides_whether_it_closes_or_stays_open_for_longer() {
        let mut breaker = after(&[Ending::Failed; 5]);
        assert!(breaker.admits(10_000), "the probe");
        assert!(!breaker.admits(10_001), "and no other");
        breaker.ended(Ending::Failed, &RULES, 10_100);
        assert!(!breaker.admits(10_100 + 2 * RULES.open_ms - 1));
        assert!(breaker.admits(10_100 + 2 * RULES.open_ms));
        breaker.ended(Ending::Slow, &RULES, 40_000);
        assert_eq!(breaker.state(), State::Closed { failures: 0 }, "late is better than never");
        assert!(breaker.admits(0) && breaker.admits(0));
    }

    #[test]
    fn a_probe_that_tells_nothing_leaves_it_to_the_next_call() {
        for ending in [Ending::Overtaken, Ending::Unsaid] {
            let mut breaker = after(&[Ending::Refused]);
            assert!(breaker.admits(RULES.open_ms));
            breaker.ended(ending, &RULES, RULES.open_ms + 5);
            assert!(is_open(breaker), "{ending:?} is no success");
            assert!(breaker.admits(RULES.open_ms + 5) && !breaker.admits(RULES.open_ms + 6), "{ending:?}");
        }
    }

    #[test]
    fn a_lost_probe_and_endless_failure_do_not_shut_it_for_ever() {
        let mut breaker = after(&[Ending::Refused]);
        assert!(breaker.admits(RULES.open_ms));
        assert!(breaker.admits(RULES.open_ms + PROBE_MS_MAX), "the first probe never came back");
        let mut now_ms = RULES.open_ms + PROBE_MS_MAX;
        for _ in 0..20 {
            breaker.ended(Ending::Failed, &RULES, now_ms);
            now_ms += RULES.open_ms_max;
            assert!(breaker.admits(now_ms), "never open for longer than {} ms", RULES.open_ms_max);
        }
    }
}
