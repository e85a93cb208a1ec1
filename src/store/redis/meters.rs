//! Counters in Redis: native commands only, all of one counter in one pipeline.
//!
//! Exact counters and distinct values are sorted sets trimmed to what is kept, scored by moment; large limits are hashes of
//! tenths of a window. Every caller sees its own hit. What lies in the future counts: a clock that steps back, or a node
//! whose clock is behind, never sees less.

use ::redis::Value;

use crate::{
    clock,
    store::{
        Counted, Meter, Shape, Stored, Touch,
        redis::{
            fleet::Order,
            names::{Key, Names},
            reply,
        },
    },
};

/// Sub-buckets of a window.
const PARTS: i64 = 10;
/// How many moments an exact counter keeps at most.
const EXACT_MAX: u16 = 32;
/// How many different values are told apart at most.
const DISTINCT_MAX: u16 = 64;
/// How much longer than needed things are kept: nodes' clocks may differ so much.
pub(super) const SKEW_MS: i64 = 60_000;
/// So many tenths that no longer count may lie in a hash before they are removed.
const STALE_MAX: usize = 6;

/// A window in milliseconds: at least one a tenth, and within reach of plain arithmetic.
pub(super) fn window_ms(meter: &Meter) -> i64 {
    i64::try_from(meter.window.as_millis()).unwrap_or(i64::MAX).clamp(PARTS, 1 << 45)
}

/// How many moments are kept.
pub(super) fn keep(keep: u16) -> u16 {
    keep.clamp(1, EXACT_MAX + 1)
}

pub(super) fn key(names: &Names, who: &Counted, meter: &Meter) -> Key {
    names.meter(who, meter, window_ms(meter))
}

/// What raises a counter, if the touch does, and reads it.
pub(super) fn orders(names: &Names, now_ms: i64, who: &Counted, meter: &Meter, touch: Touch) -> Vec<Order> {
    let key = key(names, who, meter);
    let window_ms = window_ms(meter);
    let expiry = || Order::new(&key, "PEXPIRE", |cmd| cmd.arg(window_ms + window_ms / 5 + SKEW_MS));
    let trim = |most: u16| Order::new(&key, "ZREMRANGEBYRANK", |cmd| cmd.arg(0).arg(-i64::from(most) - 1));
    let mut orders = match (meter.shape, touch) {
        (Shape::Exact { keep: most } | Shape::Guarded { keep: most, .. }, Touch::Hit | Touch::Add(_)) => {
            // A name of its own: run twice, the hit still counts once.
            let name = clock::random_bytes::<8>();
            let add = Order::new(&key, "ZADD", |cmd| cmd.arg(now_ms).arg(&name));
            let hit = vec![add, trim(keep(most)), expiry()];
            if is_durable(meter, touch) { hit.into_iter().map(Order::kept).collect() } else { hit }
        }
        (Shape::Distinct, Touch::Add(value)) => {
            // The front of an HMAC tells values apart.
            let add = Order::new(&key, "ZADD", |cmd| cmd.arg("GT").arg(now_ms).arg(&value[..8]));
            vec![add, trim(DISTINCT_MAX), expiry()]
        }
        (Shape::Buckets, Touch::Hit | Touch::Add(_)) => {
            vec![Order::new(&key, "HINCRBY", |cmd| cmd.arg(slot(now_ms, window_ms)).arg(1)), expiry()]
        }
        // There is no value to add.
        (Shape::Distinct, Touch::Hit) | (_, Touch::Look) => Vec::new(),
    };
    orders.push(match meter.shape {
        Shape::Exact { .. } | Shape::Guarded { .. } | Shape::Distinct => {
            Order::new(&key, "ZCOUNT", |cmd| cmd.arg(format!("({}", now_ms - window_ms)).arg("+inf"))
        }
        Shape::Buckets => Order::new(&key, "HGETALL", |cmd| cmd),
    });
    orders
}

/// Whether a touch has to last before it is answered.
pub(super) fn is_durable(meter: &Meter, touch: Touch) -> bool {
    match (meter.shape, touch) {
        (Shape::Guarded { .. }, Touch::Hit | Touch::Add(_)) => true,
        (Shape::Exact { .. } | Shape::Buckets | Shape::Distinct, _) | (Shape::Guarded { .. }, Touch::Look) => false,
    }
}

/// What a counter says, from the answers to its orders, and tenths of it that can be removed.
pub(super) fn read(
    now_ms: i64,
    meter: &Meter,
    touch: Touch,
    answers: &mut impl Iterator<Item = Value>,
) -> Stored<(u64, Vec<i64>)> {
    let raised = match (meter.shape, touch) {
        (Shape::Buckets, Touch::Hit | Touch::Add(_)) => {
            let raised = reply::number(&reply::next(answers)?)?;
            reply::next(answers)?;
            Some((slot(now_ms, window_ms(meter)), raised))
        }
        (Shape::Exact { .. } | Shape::Guarded { .. }, Touch::Hit | Touch::Add(_))
        | (Shape::Distinct, Touch::Add(_)) => {
            for _ in 0..3 {
                reply::next(answers)?;
            }
            None
        }
        (Shape::Distinct, Touch::Hit) | (_, Touch::Look) => None,
    };
    let answer = reply::next(answers)?;
    match meter.shape {
        Shape::Exact { .. } | Shape::Guarded { .. } | Shape::Distinct => {
            Ok((reply::number(&answer)?.unsigned_abs(), Vec::new()))
        }
        Shape::Buckets => {
            let mut tenths = Vec::new();
            for (slot, hits) in reply::pairs(answer)? {
                tenths.push((reply::number(&slot)?, reply::number(&hits)?));
            }
            // Callers that came in between saw their own hits; this one sees its own.
            if let Some((own, raised)) = raised {
                tenths.iter_mut().filter(|(slot, _)| *slot == own).for_each(|it| it.1 = raised);
            }
            Ok(weighed(now_ms, window_ms(meter), &tenths))
        }
    }
}

/// The last ten tenths and all later ones, and of the eleventh the part that the window still covers, rounded up.
fn weighed(now_ms: i64, window_ms: i64, tenths: &[(i64, i64)]) -> (u64, Vec<i64>) {
    let slot_ms = window_ms / PARTS;
    let oldest = oldest_slot(now_ms, window_ms);
    let count = tenths.iter().filter(|(slot, _)| *slot >= oldest).map(|(slot, hits)| {
        let hits = u64::try_from(*hits).unwrap_or(0);
        let part_ms = if *slot == oldest { slot_ms - now_ms.rem_euclid(slot_ms) } else { slot_ms };
        (hits.saturating_mul(part_ms.unsigned_abs())).div_ceil(slot_ms.unsigned_abs())
    });
    let count = count.fold(0, u64::saturating_add);
    let behind = (SKEW_MS / slot_ms + 1).min(PARTS);
    let stale: Vec<i64> = tenths.iter().map(|it| it.0).filter(|slot| *slot < oldest - behind).collect();
    (count, if stale.len() > STALE_MAX { stale } else { Vec::new() })
}

fn slot(now_ms: i64, window_ms: i64) -> i64 {
    now_ms.div_euclid(window_ms / PARTS)
}

/// The oldest tenth of which a part still counts.
pub(super) fn oldest_slot(now_ms: i64, window_ms: i64) -> i64 {
    slot(now_ms, window_ms) - PARTS
}

/// What a counter is presumed to hold after a fail-over that may have lost hits: all but one of the limit, where it guards
/// guessing. What others lost is the tail of a second, and to presume more would slow everybody down.
pub(super) fn presumed(meter: &Meter, counted: u64) -> u64 {
    match meter.shape {
        Shape::Guarded { keep: most, limit } => {
            let presumed = counted.saturating_add(u64::from(limit).saturating_sub(1));
            presumed.min(u64::from(keep(most))).max(counted)
        }
        Shape::Exact { .. } | Shape::Buckets | Shape::Distinct => counted,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{presumed, weighed};
    use crate::store::{Meter, Shape};

    #[test]
    fn tenths_count_for_one_window_and_then_no_more() {
        let tenths = [(0, 5), (3, 2), (10, 1)];
        assert_eq!(weighed(100, 100, &tenths).0, 8, "all within the window");
        assert_eq!(weighed(105, 100, &tenths).0, 6, "half of the oldest tenth, rounded up");
        assert_eq!(weighed(110, 100, &tenths).0, 3);
        assert_eq!(weighed(220, 100, &tenths).0, 0);
    }

    #[test]
    fn hits_by_a_clock_that_is_ahead_count() {
        assert_eq!(weighed(100, 100, &[(10, 1), (14, 7)]).0, 8);
    }

    #[test]
    fn what_no_clock_within_a_minute_counts_any_more_is_removed() {
        let tenths: Vec<_> = (0..40).map(|slot| (slot, 1)).collect();
        let (count, stale) = weighed(39 * 60_000, 600_000, &tenths);
        assert_eq!(count, 11);
        assert_eq!(stale, (0..27).collect::<Vec<_>>());
    }

    #[test]
    fn after_a_fail_over_one_hit_is_left_of_a_limit_on_guesses() {
        let meter = |shape| Meter { name: 1, window: Duration::from_secs(60), shape };
        let presumed = |shape| [0, 1, 2, 9].map(|counted| presumed(&meter(shape), counted));
        assert_eq!(presumed(Shape::Guarded { keep: 6, limit: 5 }), [4, 5, 6, 9]);
        assert_eq!(presumed(Shape::Guarded { keep: 33, limit: 3 }), [2, 3, 4, 11], "whatever is kept");
        assert_eq!(presumed(Shape::Exact { keep: 33 }), [0, 1, 2, 9], "velocity is what was seen");
    }
}
