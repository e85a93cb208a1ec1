//! How many calls a connector may make: in a short time, in a long time, at once, and as the vendor's own headers say.
//!
//! What is over a limit is not sent; the route goes on. Counts are this process's own and begin anew with it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stepward_core::{
    connector::{self, Class},
    yaml::units::Rate,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Calls to one connector that may be out at once if its file does not say.
pub const CALLS_MAX: u32 = 256;
/// The same at most, whatever its file says.
const CALLS_MAX_MAX: u32 = 1024;
/// How long a connector rests after it said that there were too many questions and not when to ask again.
const REST_MS: i64 = 1_000;
/// How long it rests at most, whatever it says.
const REST_MS_MAX: i64 = 24 * 3_600_000;

/// Which limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Calls in a short time.
    Rate,
    /// Calls in a long time.
    Quota,
    /// Calls at once.
    Concurrency,
    /// The vendor's own, as it told.
    Told,
}

impl Over {
    /// The word for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Over::Rate => "rate",
            Over::Quota => "quota",
            Over::Concurrency => "concurrency",
            Over::Told => "told",
        }
    }
}

/// The limits of one connector, and how much of them is used.
#[derive(Debug)]
pub struct Limits {
    rules: connector::Limits,
    slots: Arc<Semaphore>,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    rate: Sliding,
    quota: Sliding,
    rests_until_ms: i64,
}

/// Calls in the window that is running and in the one before.
#[derive(Clone, Copy, Debug, Default)]
struct Sliding {
    window: i64,
    now: u32,
    before: u32,
}

impl Sliding {
    /// Moves on to the window of this moment.
    fn at(&mut self, now_ms: i64, window_ms: i64) {
        let window = now_ms.div_euclid(window_ms);
        // A clock that was set back keeps what was counted.
        if window > self.window {
            self.before = if window == self.window + 1 { self.now } else { 0 };
            (self.window, self.now) = (window, 0);
        }
    }

    /// Calls in the `window_ms` up to now: those of the window before count by the part of it that still reaches in.
    fn slid(&self, now_ms: i64, window_ms: i64) -> f64 {
        let into = now_ms.saturating_sub(self.window.saturating_mul(window_ms)).clamp(0, window_ms);
        f64::from(self.now) + f64::from(self.before) * (window_ms - into) as f64 / window_ms as f64
    }
}

impl Limits {
    /// Limits of which nothing is used yet.
    pub fn new(rules: &connector::Limits) -> Self {
        let slots = rules.concurrency.unwrap_or(CALLS_MAX).clamp(1, CALLS_MAX_MAX);
        Limits { rules: rules.clone(), slots: Arc::new(Semaphore::new(slots as usize)), used: Mutex::default() }
    }

    /// Takes one call from every limit, or from none. What is returned is held for as long as the call is out.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn take(&self, now_ms: i64) -> Result<OwnedSemaphorePermit, Over> {
        let mut used = self.used();
        if now_ms < used.rests_until_ms {
            return Err(Over::Told);
        }
        let window_ms = |rate: &Rate| i64::try_from(rate.window_ms).unwrap_or(i64::MAX).max(1);
        if let Some(rate) = &self.rules.rate {
            used.rate.at(now_ms, window_ms(rate));
            if used.rate.slid(now_ms, window_ms(rate)) + 1.0 > f64::from(rate.count) {
                return Err(Over::Rate);
            }
        }
        // Vendors count days of UTC, and so does this: the window begins where the epoch's multiples do.
        if let Some(quota) = &self.rules.quota {
            used.quota.at(now_ms, window_ms(quota));
            if used.quota.now >= quota.count {
                return Err(Over::Quota);
            }
        }
        let slot = self.slots.clone().try_acquire_owned().map_err(|_| Over::Concurrency)?;
        used.rate.now = used.rate.now.saturating_add(1);
        used.quota.now = used.quota.now.saturating_add(1);
        Ok(slot)
    }

    /// What an answer says about calls that are left.
    pub fn heard(&self, class: Class, headers: &[(Arc<str>, String)], now_ms: i64) {
        let text = |name: &str| headers.iter().find(|(it, _)| **it == *name).map(|(_, value)| value.trim());
        let reset_ms = || self.rules.reset_header.as_deref().and_then(text).and_then(|it| moment(it, now_ms));
        let left = self.rules.remaining_header.as_deref().and_then(text).and_then(|it| it.parse::<f64>().ok());
        let until_ms = match class {
            Class::RateLimited => {
                let retry_ms = text("retry-after").and_then(|it| moment(it, now_ms));
                Some(retry_ms.or_else(reset_ms).unwrap_or(now_ms.saturating_add(REST_MS)))
            }
            // Zero left, and it is known when there are more: then nothing has to be refused first.
            Class::Success
            | Class::NotFound
            | Class::Pending
            | Class::InvalidInput
            | Class::Unavailable
            | Class::ConfigError
            | Class::ContractError => left.filter(|left| *left < 1.0).and_then(|_| reset_ms()),
        };
        if let Some(until_ms) = until_ms {
            let mut used = self.used();
            let until_ms = until_ms.clamp(now_ms, now_ms.saturating_add(REST_MS_MAX));
            used.rests_until_ms = used.rests_until_ms.max(until_ms);
        }
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A moment as vendors tell it, in milliseconds since the Unix epoch: seconds from now, seconds or milliseconds since
/// the epoch, or a date (RFC 9110 §10.2.3).
pub(super) fn moment(text: &str, now_ms: i64) -> Option<i64> {
    if let Ok(number) = text.parse::<f64>() {
        let number = number.is_finite().then_some(number).filter(|it| *it >= 0.0)?;
        // 10⁹ seconds are 31 years: no wait. 10¹² of them are no date, so those are milliseconds.
        return Some(match number {
            ..1e9 => now_ms.saturating_add((number * 1000.0) as i64),
            1e9..1e12 => (number * 1000.0) as i64,
            _ => number as i64,
        });
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(date.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_700_000_000_000;

    fn limits(rate: Option<(u32, u64)>, quota: Option<(u32, u64)>, concurrency: Option<u32>) -> Limits {
        let of = |it: Option<(u32, u64)>| it.map(|(count, window_ms)| Rate { count, window_ms });
        let header = |name: &str| Some(name.into());
        Limits::new(&connector::Limits {
            rate: of(rate),
            quota: of(quota),
            concurrency,
            remaining_header: header("x-left"),
            reset_header: header("x-reset"),
        })
    }

    fn headers(pairs: &[(&str, &str)]) -> Vec<(Arc<str>, String)> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_rate_holds_over_any_window() {
        let limits = limits(Some((10, 1000)), None, None);
        let mut taken = Vec::new();
        for at in 0..5000 {
            if limits.take(NOW_MS + at).is_ok() {
                taken.push(at);
            }
        }
        let most = taken.iter().map(|from| taken.iter().filter(|at| (*from..from + 1000).contains(*at)).count()).max();
        assert!(most <= Some(11), "{most:?} in one second");
        assert!((45..=51).contains(&taken.len()), "{} in five seconds", taken.len());
    }

    #[test]
    fn a_quota_is_of_its_day_and_is_not_earned_back_by_the_clock() {
        let limits = limits(None, Some((3, 86_400_000)), None);
        let midnight = NOW_MS.div_euclid(86_400_000) * 86_400_000 + 86_400_000;
        let over = |now_ms| limits.take(now_ms).err();
        assert_eq!([over(NOW_MS), over(NOW_MS), over(NOW_MS)], [None; 3]);
        assert_eq!(over(midnight - 1), Some(Over::Quota));
        assert_eq!(over(midnight), None);
        assert_eq!([over(NOW_MS), over(NOW_MS), over(NOW_MS)], [None, None, Some(Over::Quota)]);
    }

    #[test]
    fn calls_at_once_are_counted_while_they_are_out() {
        let limits = limits(None, None, Some(2));
        let (first, second) = (limits.take(NOW_MS).unwrap(), limits.take(NOW_MS).unwrap());
        assert_eq!(limits.take(NOW_MS).err(), Some(Over::Concurrency));
        drop(first);
        assert!(limits.take(NOW_MS).is_ok());
        drop(second);
    }

    #[test]
    fn what_the_vendor_says_about_its_limits_is_kept_to() {
        for (class, told, rests_ms) in [
            (Class::RateLimited, &[][..], 1_000),
            (Class::RateLimited, &[("retry-after", "7")], 7_000),
            (Class::RateLimited, &[("retry-after", "Tue, 14 Nov 2023 22:13:30 GMT")], 10_000),
            (Class::RateLimited, &[("x-reset", "1700000003")], 3_000),
            (Class::RateLimited, &[("x-reset", "1700000004000")], 4_000),
            (Class::RateLimited, &[("retry-after", "99999999")], 24 * 3_600_000),
            (Class::RateLimited, &[("retry-after", "never")], 1_000),
            (Class::RateLimited, &[("retry-after", "-5")], 1_000),
            (Class::Success, &[("x-left", "0"), ("x-reset", "60")], 60_000),
            (Class::Success, &[("x-left", "1"), ("x-reset", "60")], 0),
            (Class::Success, &[("x-left", "0")], 0),
            (Class::Success, &[("retry-after", "60")], 0),
            (Class::Unavailable, &[("retry-after", "60")], 0),
        ] {
            let limits = limits(None, None, None);
            limits.heard(class, &headers(told), NOW_MS);
            if rests_ms > 0 {
                assert_eq!(limits.take(NOW_MS + rests_ms - 1).err(), Some(Over::Told), "{class:?} {told:?}");
            }
            assert!(limits.take(NOW_MS + rests_ms).is_ok(), "{class:?} {told:?}");
        }
    }
}
