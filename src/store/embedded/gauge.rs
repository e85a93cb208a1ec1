//! One counter: the arithmetic of sliding windows, without a clock and without a lock.
//!
//! A clock that steps back never makes a count smaller: what lies in the future counts.

use crate::store::{
    Id, Meter, Shape, Touch,
    carried::Hits,
    embedded::row::{Fields, Row, Torn},
};

/// Sub-buckets of a window; one more is kept for the part of the oldest that still counts.
const PARTS: i64 = 10;
const SLOTS: usize = PARTS as usize + 1;
/// How many moments an exact counter keeps at most.
const EXACT_MAX: usize = 32;
/// How many different values are told apart at most.
const DISTINCT_MAX: usize = 64;

/// A counter.
#[derive(Debug, PartialEq)]
pub(super) struct Gauge {
    pub(super) window_ms: i64,
    kept: Kept,
}

#[derive(Debug, PartialEq)]
enum Kept {
    /// Moments of hits, unordered.
    Exact(Vec<i64>),
    /// Hits by slot of a tenth of the window; `newest` is the number of the newest slot.
    Buckets { newest: i64, counts: [u32; SLOTS] },
    /// Values seen (the front of an HMAC tells them apart) and when last.
    Distinct(Vec<(u64, i64)>),
}

/// A window in milliseconds: at least one a slot, and within reach of plain arithmetic.
pub(super) fn window_ms(meter: &Meter) -> i64 {
    i64::try_from(meter.window.as_millis()).unwrap_or(i64::MAX).clamp(PARTS, 1 << 45)
}

fn limit(keep: u16) -> usize {
    usize::from(keep).clamp(1, EXACT_MAX + 1)
}

/// What a counter is presumed to hold after a backup was put back: all but one of the limit, where it guards guessing.
pub(super) fn presumed_restored(meter: &Meter, counted: u64) -> u64 {
    match meter.shape {
        Shape::Guarded { keep, limit: allowed } => {
            let presumed = counted.saturating_add(u64::from(allowed).saturating_sub(1));
            presumed.min(limit(keep) as u64).max(counted)
        }
        // What is missing of them slows nobody down who guesses.
        Shape::Exact { .. } | Shape::Buckets | Shape::Distinct => counted,
    }
}

impl Gauge {
    pub(super) fn new(meter: &Meter) -> Self {
        let kept = match meter.shape {
            Shape::Exact { .. } | Shape::Guarded { .. } => Kept::Exact(Vec::new()),
            Shape::Buckets => Kept::Buckets { newest: i64::MIN, counts: [0; SLOTS] },
            Shape::Distinct => Kept::Distinct(Vec::new()),
        };
        Self { window_ms: window_ms(meter), kept }
    }

    /// Raises what the touch raises, then reads. A counter whose shape or window was changed starts again.
    pub(super) fn touch(&mut self, now_ms: i64, meter: &Meter, touch: Touch) -> u64 {
        let same_shape = matches!(
            (&self.kept, meter.shape),
            (Kept::Exact(_), Shape::Exact { .. } | Shape::Guarded { .. })
                | (Kept::Buckets { .. }, Shape::Buckets)
                | (Kept::Distinct(_), Shape::Distinct)
        );
        if !same_shape || self.window_ms != window_ms(meter) {
            *self = Gauge::new(meter);
        }
        match touch {
            Touch::Look => {}
            Touch::Hit => self.hit(now_ms, meter),
            Touch::Add(value) => self.add(now_ms, meter, &value),
        }
        self.count(now_ms)
    }

    /// What it says now.
    pub(super) fn count(&self, now_ms: i64) -> u64 {
        match &self.kept {
            Kept::Exact(moments) => moments.iter().filter(|moment| self.is_live(**moment, now_ms)).count() as u64,
            Kept::Distinct(values) => {
                values.iter().filter(|(_, last_ms)| self.is_live(*last_ms, now_ms)).count() as u64
            }
            Kept::Buckets { newest, counts } => self.weighed(now_ms, *newest, counts),
        }
    }

    fn is_live(&self, moment: i64, now_ms: i64) -> bool {
        moment.saturating_add(self.window_ms) > now_ms
    }

    /// The last ten slots, and of the eleventh the part that the window still covers, rounded up.
    fn weighed(&self, now_ms: i64, newest: i64, counts: &[u32; SLOTS]) -> u64 {
        let slot_ms = self.window_ms / PARTS;
        let now_slot = now_ms.div_euclid(slot_ms).max(newest);
        let mut sum: u64 = 0;
        for back in 0..=PARTS {
            let slot = now_slot.saturating_sub(back);
            if slot > newest || newest.saturating_sub(slot) > PARTS {
                continue;
            }
            let count = u64::from(counts[place(slot)]);
            let gone_ms = if back == PARTS { now_ms.rem_euclid(slot_ms) } else { 0 };
            sum = sum.saturating_add((count * (slot_ms - gone_ms) as u64).div_ceil(slot_ms as u64));
        }
        sum
    }

    fn hit(&mut self, now_ms: i64, meter: &Meter) {
        match &mut self.kept {
            Kept::Exact(moments) => {
                moments.retain(|moment| moment.saturating_add(self.window_ms) > now_ms);
                if let Shape::Exact { keep } | Shape::Guarded { keep, .. } = meter.shape {
                    while moments.len() >= limit(keep) {
                        forget_oldest(moments, |moment| *moment);
                    }
                }
                moments.push(now_ms);
            }
            Kept::Buckets { newest, counts } => {
                let slot = now_ms.div_euclid(self.window_ms / PARTS);
                if slot > *newest {
                    let passed = slot.saturating_sub(*newest).min(SLOTS as i64);
                    (0..passed).for_each(|back| counts[place(slot - back)] = 0);
                    *newest = slot;
                }
                let count = &mut counts[place(*newest)];
                *count = count.saturating_add(1);
            }
            // There is no value to add.
            Kept::Distinct(_) => {}
        }
    }

    fn add(&mut self, now_ms: i64, meter: &Meter, value: &Id) {
        let Kept::Distinct(values) = &mut self.kept else { return self.hit(now_ms, meter) };
        let (front, _) = value.split_at(8);
        let tag = front.iter().fold(0, |tag: u64, byte| tag << 8 | u64::from(*byte));
        values.retain(|(_, last_ms)| last_ms.saturating_add(self.window_ms) > now_ms);
        match values.iter_mut().find(|(seen, _)| *seen == tag) {
            Some((_, last_ms)) => *last_ms = now_ms.max(*last_ms),
            None => {
                if values.len() >= DISTINCT_MAX {
                    forget_oldest(values, |(_, last_ms)| *last_ms);
                }
                values.push((tag, now_ms));
            }
        }
    }

    /// Takes back the newest hit.
    pub(super) fn refund(&mut self, now_ms: i64) {
        match &mut self.kept {
            Kept::Exact(moments) => {
                let newest = moments.iter().enumerate().max_by_key(|(_, moment)| **moment).map(|(at, _)| at);
                newest.map(|at| moments.swap_remove(at));
            }
            Kept::Buckets { newest, counts } => {
                let now_slot = now_ms.div_euclid(self.window_ms / PARTS);
                let live = (0..SLOTS as i64)
                    .map(|back| newest.saturating_sub(back))
                    .filter(|slot| now_slot.saturating_sub(*slot) <= PARTS);
                if let Some(slot) = live.map(place).find(|slot| counts[*slot] > 0) {
                    counts[slot] -= 1;
                }
            }
            // A value seen stays seen.
            Kept::Distinct(_) => {}
        }
    }

    /// Whether nothing in it counts any more.
    pub(super) fn is_spent(&self, now_ms: i64) -> bool {
        self.count(now_ms) == 0
    }

    /// What it holds, to be carried.
    pub(super) fn hits(self, is_guarded: bool) -> Hits {
        match self.kept {
            Kept::Exact(moments) if is_guarded => Hits::Guarded(moments),
            Kept::Exact(moments) => Hits::Exact(moments),
            Kept::Buckets { newest, counts } => {
                let slots = (0..SLOTS as i64).map(|back| newest.saturating_sub(back));
                Hits::Buckets(slots.map(|slot| (slot, counts[place(slot)])).filter(|(_, count)| *count > 0).collect())
            }
            Kept::Distinct(values) => Hits::Distinct(values),
        }
    }

    /// A counter that holds what was carried; what is more than it can keep is left out, the oldest first.
    pub(super) fn holding(window_ms: i64, hits: Hits) -> Self {
        let kept = match hits {
            Hits::Exact(mut moments) | Hits::Guarded(mut moments) => {
                moments.sort_unstable();
                Kept::Exact(moments.split_off(moments.len().saturating_sub(EXACT_MAX + 1)))
            }
            Hits::Buckets(slots) => {
                let newest = slots.iter().map(|(slot, _)| *slot).max().unwrap_or(i64::MIN);
                let mut counts = [0; SLOTS];
                for (slot, count) in slots.iter().filter(|(slot, _)| newest.saturating_sub(*slot) <= PARTS) {
                    counts[place(*slot)] = *count;
                }
                Kept::Buckets { newest, counts }
            }
            Hits::Distinct(mut values) => {
                values.sort_unstable_by_key(|(_, last_ms)| *last_ms);
                Kept::Distinct(values.split_off(values.len().saturating_sub(DISTINCT_MAX)))
            }
        };
        Self { window_ms: window_ms.clamp(PARTS, 1 << 45), kept }
    }

    pub(super) fn write(&self, row: Row) -> Row {
        let row = row.i64(self.window_ms);
        match &self.kept {
            Kept::Exact(moments) => moments.iter().fold(row.u8(1).u8(moments.len() as u8), |row, at| row.i64(*at)),
            Kept::Buckets { newest, counts } => {
                counts.iter().fold(row.u8(2).i64(*newest), |row, count| row.u32(*count))
            }
            Kept::Distinct(values) => {
                values.iter().fold(row.u8(3).u8(values.len() as u8), |row, (tag, last_ms)| row.u64(*tag).i64(*last_ms))
            }
        }
    }

    pub(super) fn read(row: &mut Fields<'_>) -> Result<Self, Torn> {
        let window_ms = row.i64()?;
        if window_ms < PARTS {
            return Err(Torn);
        }
        let kept = match row.u8()? {
            1 => Kept::Exact((0..row.u8()?).map(|_| row.i64()).collect::<Result<_, _>>()?),
            2 => {
                let newest = row.i64()?;
                let mut counts = [0; SLOTS];
                for count in &mut counts {
                    *count = row.u32()?;
                }
                Kept::Buckets { newest, counts }
            }
            3 => Kept::Distinct((0..row.u8()?).map(|_| Ok((row.u64()?, row.i64()?))).collect::<Result<_, Torn>>()?),
            _ => return Err(Torn),
        };
        Ok(Self { window_ms, kept })
    }
}

fn place(slot: i64) -> usize {
    slot.rem_euclid(SLOTS as i64) as usize
}

fn forget_oldest<T>(entries: &mut Vec<T>, moment: impl Fn(&T) -> i64) {
    let oldest = entries.iter().enumerate().min_by_key(|(_, entry)| moment(entry)).map(|(at, _)| at);
    oldest.map(|at| entries.swap_remove(at));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{Fields, Gauge, Meter, Row, Shape, Touch};

    const MINUTE: Duration = Duration::from_secs(60);

    fn meter(shape: Shape) -> Meter {
        Meter { name: 1, window: MINUTE, shape }
    }

    #[test]
    fn an_exact_counter_forgets_each_hit_one_window_later() {
        let meter = meter(Shape::Exact { keep: 6 });
        let mut gauge = Gauge::new(&meter);
        for (now_ms, expected) in [(0, 1), (1_000, 2), (59_999, 3), (60_000, 3), (61_000, 3), (200_000, 1)] {
            assert_eq!(gauge.touch(now_ms, &meter, Touch::Hit), expected, "at {now_ms}");
        }
    }

    #[test]
    fn an_exact_counter_keeps_its_newest_hits_only() {
        let meter = meter(Shape::Exact { keep: 4 });
        let mut gauge = Gauge::new(&meter);
        let counts: Vec<u64> = (0..10).map(|now_ms| gauge.touch(now_ms, &meter, Touch::Hit)).collect();
        assert_eq!(counts, [1, 2, 3, 4, 4, 4, 4, 4, 4, 4]);
        assert_eq!(gauge.count(60_006), 3, "the four newest hits were at 6 to 9");
    }

    #[test]
    fn a_clock_that_steps_back_never_lowers_a_count() {
        for shape in [Shape::Exact { keep: 33 }, Shape::Buckets] {
            let meter = meter(shape);
            let mut gauge = Gauge::new(&meter);
            for step in 0..20 {
                gauge.touch(1_000_000 + step, &meter, Touch::Hit);
            }
            assert_eq!(gauge.touch(1_000, &meter, Touch::Hit), 21, "{shape:?}");
        }
    }

    #[test]
    fn a_refund_takes_back_one_hit_and_never_goes_below_zero() {
        for shape in [Shape::Exact { keep: 10 }, Shape::Buckets] {
            let meter = meter(shape);
            let mut gauge = Gauge::new(&meter);
            for now_ms in 0..3 {
                gauge.touch(now_ms, &meter, Touch::Hit);
            }
            gauge.refund(3);
            assert_eq!(gauge.count(3), 2, "{shape:?}");
            (0..9).for_each(|_| gauge.refund(3));
            assert_eq!(gauge.count(3), 0, "{shape:?}");
        }
    }

    #[test]
    fn distinct_values_count_once_each_up_to_sixty_four() {
        let meter = meter(Shape::Distinct);
        let mut gauge = Gauge::new(&meter);
        let count = |gauge: &mut Gauge, value: u8| gauge.touch(5, &meter, Touch::Add([value; 16]));
        assert_eq!([count(&mut gauge, 1), count(&mut gauge, 1), count(&mut gauge, 2)], [1, 1, 2]);
        for value in 0..200 {
            count(&mut gauge, value);
        }
        assert_eq!(count(&mut gauge, 1), 64);
    }

    #[test]
    fn a_counter_whose_shape_was_changed_starts_again() {
        let (exact, buckets) = (meter(Shape::Exact { keep: 5 }), meter(Shape::Buckets));
        let mut gauge = Gauge::new(&exact);
        gauge.touch(0, &exact, Touch::Hit);
        assert_eq!(gauge.touch(0, &buckets, Touch::Hit), 1);
    }

    proptest! {
        #[test]
        fn buckets_never_count_less_than_the_hits_of_the_window_and_never_more_than_those_of_eleven_tenths(
            mut moments in prop::collection::vec(0i64..200_000, 1..200),
        ) {
            moments.sort_unstable();
            let meter = meter(Shape::Buckets);
            let mut gauge = Gauge::new(&meter);
            for (at, now_ms) in moments.iter().enumerate() {
                let counted = gauge.touch(*now_ms, &meter, Touch::Hit);
                let within = |window: i64| moments[..=at].iter().filter(|moment| **moment + window > *now_ms).count() as u64;
                prop_assert!(counted <= within(66_001), "{counted} counted, {} there", within(66_001));
                prop_assert!(counted >= within(54_000), "{counted} counted, {} there", within(54_000));
            }
        }

        #[test]
        fn a_counter_reads_back_as_it_was_written(
            hits in prop::collection::vec((0i64..100_000, any::<u8>()), 0..100),
            shape in prop::sample::select(vec![Shape::Exact { keep: 33 }, Shape::Buckets, Shape::Distinct]),
        ) {
            let meter = meter(shape);
            let mut gauge = Gauge::new(&meter);
            for (now_ms, value) in &hits {
                gauge.touch(*now_ms, &meter, Touch::Add([*value; 16]));
            }
            let row = gauge.write(Row::default()).done();
            let mut fields = Fields(&row);
            prop_assert_eq!(Gauge::read(&mut fields), Ok(gauge));
            prop_assert!(fields.is_empty());
        }
    }
}
