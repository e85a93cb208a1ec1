//! What was spent today (UTC), so that a cap holds. Counted by this process from its start; it asks nobody.

use std::sync::{Mutex, PoisonError};

const DAY_MS: i64 = 86_400_000;

/// Money spent in the day that is running, in millionths of the operator's currency.
#[derive(Debug, Default)]
pub struct Spend(Mutex<Today>);

#[derive(Debug, Default)]
struct Today {
    day: i64,
    micros: u64,
}

impl Spend {
    /// Spends so much if it fits under the cap; without a cap it always does.
    pub fn take(&self, micros: u64, cap_micros: Option<u64>, now_ms: i64) -> bool {
        let mut today = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let day = now_ms.div_euclid(DAY_MS);
        // A clock that was set back does not make yesterday's money available again.
        if day > today.day {
            *today = Today { day, micros: 0 };
        }
        let after = today.micros.saturating_add(micros);
        let fits = cap_micros.is_none_or(|cap| after <= cap);
        if fits {
            today.micros = after;
        }
        fits
    }

    /// What was not spent after all.
    pub fn give_back(&self, micros: u64) {
        let mut today = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        today.micros = today.micros.saturating_sub(micros);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_holds_for_a_day_of_utc() {
        let spend = Spend::default();
        let noon = 20_000 * DAY_MS + DAY_MS / 2;
        assert!(spend.take(6, Some(10), noon));
        assert!(!spend.take(6, Some(10), noon), "over the cap");
        assert!(spend.take(4, Some(10), noon), "exactly the cap");
        assert!(!spend.take(1, Some(10), noon + DAY_MS / 2 - 1));
        assert!(spend.take(10, Some(10), noon + DAY_MS / 2), "midnight");
        assert!(!spend.take(1, Some(10), noon), "a clock that is set back earns nothing");
        spend.give_back(3);
        assert!(spend.take(3, Some(10), noon) && spend.take(1_000_000, None, noon), "without a cap there is none");
    }
}
