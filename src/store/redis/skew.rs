//! How far this node's clock is from the servers': every moment in Redis is by the servers' clock.
//!
//! Else a node whose clock is behind would revoke less than it says. Differences below half a second are left alone: they
//! are the clock's own noise, and a moment that is read back must be the one that was written.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::clock::Clock;

const NOISE_MS: i64 = 500;

/// What has to be added to this node's time.
#[derive(Debug, Default)]
pub(super) struct Skew {
    add_ms: AtomicI64,
}

impl Skew {
    /// Looks at a server's clock.
    pub(super) fn learn(&self, server_ms: i64) {
        let now = server_ms.saturating_sub(Clock::System.now_ms());
        let before = self.add_ms.load(Ordering::Relaxed);
        let better = settled(before, now);
        if better != before {
            tracing::warn!(milliseconds = better, "this machine's clock differs from Redis' clock; using the latter");
            self.add_ms.store(better, Ordering::Relaxed);
        }
    }

    pub(super) fn add_ms(&self) -> i64 {
        self.add_ms.load(Ordering::Relaxed)
    }
}

fn settled(before_ms: i64, now_ms: i64) -> i64 {
    match (now_ms.saturating_sub(before_ms).abs() < NOISE_MS, now_ms.abs() < NOISE_MS) {
        (true, _) => before_ms,
        (false, true) => 0,
        (false, false) => now_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::settled;

    #[test]
    fn noise_is_left_alone_and_a_wrong_clock_is_not() {
        for (before, now, expected) in
            [(0, 20, 0), (0, -499, 0), (0, 30_000, 30_000), (30_000, 30_200, 30_000), (30_000, 4, 0)]
        {
            assert_eq!(settled(before, now), expected, "{before} {now}");
        }
    }
}
