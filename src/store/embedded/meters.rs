//! Velocity counters: in memory, written once a second, and never reset for free.
//!
//! After a crash an exact counter starts at half of its limit for one window: otherwise crashing us would be a way to
//! get fresh tries. When the map is full, newcomers share a sketch that counts too much rather than too little, and
//! whoever is already counted stays counted.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, OnceLock},
};

use crate::store::{
    Counted, Meter, Touch,
    embedded::{
        disk::{Table, Write},
        gauge::{self, Gauge},
        journal::Journal,
        locks,
        row::{Fields, Row, Torn},
        sharded::{Room, Sharded, held},
        sketch::Sketches,
    },
};

/// How many bytes of counters make one row.
const ROW_BYTES: usize = 64 << 10;
/// Below this many bytes of changes, rewriting everything is not worth it.
const REWRITE_BYTES_MIN: usize = 4 << 20;

pub(super) struct Meters {
    shards: Sharded<Shelf>,
    room: Room,
    overflow: Sketches,
    /// Counters that lost their newest hits in a crash: `Some` with the caller's first moment after it.
    crashed: Option<OnceLock<i64>>,
    saved: Mutex<Saved>,
}

#[derive(Default)]
struct Shelf {
    gauges: HashMap<Key, Slot>,
    changed: Vec<Key>,
}

type Key = (Counted, u64);

struct Slot {
    gauge: Gauge,
    /// Named in `changed` already.
    is_changed: bool,
    /// Read from disk and not looked at since.
    is_restored: bool,
}

/// What lies on disk: rows of changes one after another, now and then replaced by rows of everything.
#[derive(Default)]
struct Saved {
    oldest_row: u64,
    next_row: u64,
    bytes: usize,
    bytes_when_rewritten: usize,
}

impl Meters {
    pub(super) fn new(max: usize) -> Self {
        Self {
            shards: Sharded::default(),
            room: Room::of(max),
            overflow: Sketches::default(),
            crashed: None,
            saved: Mutex::default(),
        }
    }

    /// The newest hits may be missing.
    pub(super) fn presume_crash(&mut self) {
        self.crashed = Some(OnceLock::new());
    }

    /// Rows come in the order in which they were written, so later values win.
    pub(super) fn load(&self, key: &[u8], value: &[u8]) -> Result<(), Torn> {
        let mut at = Fields(key);
        let number = at.u64()?;
        at.end()?;
        let mut saved = held(&self.saved);
        if saved.bytes == 0 {
            saved.oldest_row = number;
        }
        saved.next_row = number.saturating_add(1);
        saved.bytes = saved.bytes.saturating_add(value.len());
        let mut row = Fields(value);
        while !row.is_empty() {
            let who = Counted { kind: locks::numbered(row.u8()?)?, id: row.id()? };
            let key = (who, row.u64()?);
            let slot = Slot { gauge: Gauge::read(&mut row)?, is_changed: false, is_restored: true };
            if self.shards.of(&who.id).gauges.insert(key, slot).is_none() {
                self.room.take_anyway(1);
            }
        }
        Ok(())
    }

    /// Raises what the touch raises, then reads.
    pub(super) fn touch(&self, now_ms: i64, who: Counted, meter: &Meter, touch: Touch) -> u64 {
        let crash = self.crash_within(now_ms, meter);
        let key = (who, meter.name);
        let mut shard = self.shards.of(&who.id);
        let Shelf { gauges, changed } = &mut *shard;
        if let Some(slot) = gauges.get_mut(&key) {
            if mem::take(&mut slot.is_restored)
                && let Some(at_ms) = crash
            {
                slot.gauge.presume(at_ms, meter);
            }
            if touch != Touch::Look && !mem::replace(&mut slot.is_changed, true) {
                changed.push(key);
            }
            let counted = slot.gauge.touch(now_ms, meter, touch);
            return counted.saturating_add(self.sketched(now_ms, &who, meter, Touch::Look));
        }
        if touch == Touch::Look {
            let presumed = crash.map_or(0, |_| gauge::presumed(meter));
            return presumed.saturating_add(self.sketched(now_ms, &who, meter, Touch::Look));
        }
        if self.room.take(1).is_err() {
            let presumed = crash.map_or(0, |_| gauge::presumed(meter));
            return presumed.saturating_add(self.sketched(now_ms, &who, meter, touch));
        }
        let mut gauge = Gauge::new(meter);
        if let Some(at_ms) = crash {
            gauge.presume(at_ms, meter);
        }
        let counted = gauge.touch(now_ms, meter, touch);
        gauges.insert(key, Slot { gauge, is_changed: true, is_restored: false });
        changed.push(key);
        counted.saturating_add(self.sketched(now_ms, &who, meter, Touch::Look))
    }

    pub(super) fn refund(&self, now_ms: i64, who: Counted, meter: &Meter) {
        let key = (who, meter.name);
        let mut shard = self.shards.of(&who.id);
        let Shelf { gauges, changed } = &mut *shard;
        if let Some(slot) = gauges.get_mut(&key) {
            slot.gauge.refund(now_ms);
            if !mem::replace(&mut slot.is_changed, true) {
                changed.push(key);
            }
        }
    }

    /// What the sketch shared by those who found no room says; nothing as long as nobody needed it.
    fn sketched(&self, now_ms: i64, who: &Counted, meter: &Meter, touch: Touch) -> u64 {
        let subject = (*who, meter.name);
        let window_ms = gauge::window_ms(meter);
        match touch {
            Touch::Look if !self.overflow.is_used() => 0,
            Touch::Look => self.overflow.look(now_ms, window_ms, &subject),
            Touch::Hit | Touch::Add(_) => self.overflow.hit(now_ms, window_ms, &subject),
        }
    }

    /// The moment of the restart after a crash, while a hit lost in it could still count.
    fn crash_within(&self, now_ms: i64, meter: &Meter) -> Option<i64> {
        let at_ms = *self.crashed.as_ref()?.get_or_init(|| now_ms);
        (now_ms < at_ms.saturating_add(gauge::window_ms(meter))).then_some(at_ms)
    }

    /// Queues what changed since the last time; now and then everything, in place of all rows before.
    pub(super) fn save(&self, journal: &Journal) {
        let mut saved = held(&self.saved);
        let rewrite = saved.bytes > REWRITE_BYTES_MIN.max(saved.bytes_when_rewritten.saturating_mul(2));
        let mut writes = Vec::new();
        let first_row = saved.next_row;
        let mut row = Vec::new();
        let mut bytes = 0;
        for number in self.shards.numbers() {
            let mut shard = self.shards.at(number);
            let Shelf { gauges, changed } = &mut *shard;
            let keys = if rewrite { gauges.keys().copied().collect() } else { mem::take(changed) };
            changed.clear();
            for key in keys {
                // Swept since it was changed: nothing is left to save.
                let Some(slot) = gauges.get_mut(&key) else { continue };
                slot.is_changed = false;
                let entry = Row::default().u8(locks::number(key.0.kind)).id(&key.0.id).u64(key.1);
                row.extend(slot.gauge.write(entry).done());
                if row.len() >= ROW_BYTES {
                    bytes += row.len();
                    writes.push(saved.row(mem::take(&mut row)));
                }
            }
        }
        bytes += row.len();
        if !row.is_empty() {
            writes.push(saved.row(row));
        }
        if rewrite {
            writes.extend((saved.oldest_row..first_row).map(removed));
            saved.oldest_row = first_row;
            saved.bytes_when_rewritten = bytes;
            saved.bytes = 0;
        }
        saved.bytes = saved.bytes.saturating_add(bytes);
        journal.later(writes);
    }

    /// Forgets counters in which nothing counted at a moment, in one piece of the map.
    pub(super) fn sweep(&self, number: usize, spent_at_ms: i64) {
        let mut shard = self.shards.at(number);
        let before = shard.gauges.len();
        shard.gauges.retain(|_, slot| !slot.gauge.is_spent(spent_at_ms));
        self.room.give(before - shard.gauges.len());
        drop(shard);
        self.overflow.sweep(spent_at_ms);
    }
}

impl Saved {
    fn row(&mut self, value: Vec<u8>) -> Write {
        let number = self.next_row;
        self.next_row = number.saturating_add(1);
        Write { table: Table::Counters, key: Row::default().u64(number).done(), value: Some(value) }
    }
}

fn removed(number: u64) -> Write {
    Write { table: Table::Counters, key: Row::default().u64(number).done(), value: None }
}
