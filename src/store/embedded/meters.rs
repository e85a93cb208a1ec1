//! Counters: in memory, and never reset for free.
//!
//! A counter that guards guessing has a row of its own, which is on disk before whoever raised it is answered. Plain
//! velocity counters are written once a second, and a crash takes what was not written: presuming more would slow everybody
//! down for a window, and gain nothing against guessing. When the map is full, newcomers share a sketch that counts too much rather than too little, and
//! whoever is already counted stays counted.

use std::{
    collections::{HashMap, hash_map::Entry},
    mem,
    sync::Mutex,
};

use crate::store::{
    Counted, Meter, Shape, Touch,
    carried::STRICT_MS,
    embedded::{
        disk::{Table, Write},
        gauge::{self, Gauge},
        journal::{Ack, Journal},
        keeper::SWEPT_AT_ONCE,
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
    /// When a backup was put back: hits since it was made are not known.
    restored_ms: Option<i64>,
    saved: Mutex<Saved>,
}

#[derive(Default)]
struct Shelf {
    gauges: HashMap<Key, Slot>,
    changed: Vec<Key>,
}

pub(super) type Key = (Counted, u64);

struct Slot {
    gauge: Gauge,
    /// Kept in a row of its own, and so in none of those that are written once a second.
    is_guarded: bool,
    /// Named in `changed` already.
    is_changed: bool,
}

impl Slot {
    fn new(meter: &Meter) -> Self {
        Slot { gauge: Gauge::new(meter), is_guarded: is_guarded(meter), is_changed: false }
    }

    /// Its row, where it has one of its own.
    fn write(&self, key: &Key) -> Write {
        guard_row(key, &self.gauge)
    }
}

fn is_guarded(meter: &Meter) -> bool {
    match meter.shape {
        Shape::Guarded { .. } => true,
        Shape::Exact { .. } | Shape::Buckets | Shape::Distinct => false,
    }
}

fn row_key((who, name): &Key) -> Vec<u8> {
    Row::default().u8(locks::number(who.kind)).id(&who.id).u64(*name).done()
}

/// Counters of one row that many share, in the order in which they were written: later ones replace earlier ones.
pub(super) fn read_row(value: &[u8]) -> Result<Vec<(Key, Gauge)>, Torn> {
    let mut row = Fields(value);
    let mut all = Vec::new();
    while !row.is_empty() {
        let who = Counted { kind: locks::numbered(row.u8()?)?, id: row.id()? };
        let key = (who, row.u64()?);
        all.push((key, Gauge::read(&mut row)?));
    }
    Ok(all)
}

/// A counter with a row of its own.
pub(super) fn read_guard(key: &[u8], value: &[u8]) -> Result<(Key, Gauge), Torn> {
    let mut at = Fields(key);
    let who = Counted { kind: locks::numbered(at.u8()?)?, id: at.id()? };
    let key = (who, at.u64()?);
    at.end()?;
    let mut row = Fields(value);
    let gauge = Gauge::read(&mut row)?;
    row.end().map(|()| (key, gauge))
}

/// A counter as a row of its own.
pub(super) fn guard_row(key: &Key, gauge: &Gauge) -> Write {
    Write { table: Table::Guards, key: row_key(key), value: Some(gauge.write(Row::default()).done()) }
}

/// A counter as a row that holds nothing else.
pub(super) fn lone_row(number: u64, key: &Key, gauge: &Gauge) -> Write {
    let value = gauge.write(Row::default().u8(locks::number(key.0.kind)).id(&key.0.id).u64(key.1)).done();
    Write { table: Table::Counters, key: Row::default().u64(number).done(), value: Some(value) }
}

/// What lies on disk of the others: rows of changes one after another, now and then replaced by rows of everything.
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
            restored_ms: None,
            saved: Mutex::default(),
        }
    }

    /// Hits between a backup and that moment are missing, those of what guards guessing too.
    pub(super) fn presume_restored(&mut self, at_ms: i64) {
        self.restored_ms = Some(at_ms);
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
        for (key, gauge) in read_row(value)? {
            let slot = Slot { gauge, is_guarded: false, is_changed: false };
            if self.shards.of(&key.0.id).gauges.insert(key, slot).is_none() {
                self.room.take_anyway(1);
            }
        }
        Ok(())
    }

    /// A row of a counter that guards guessing; read after all others, so that it is the one that counts.
    pub(super) fn load_guard(&self, key: &[u8], value: &[u8]) -> Result<(), Torn> {
        let (key, gauge) = read_guard(key, value)?;
        let slot = Slot { gauge, is_guarded: true, is_changed: false };
        if self.shards.of(&key.0.id).gauges.insert(key, slot).is_none() {
            self.room.take_anyway(1);
        }
        Ok(())
    }

    /// Raises what the touch raises, then reads. The promise is to be waited for before the count is told.
    pub(super) fn touch(
        &self,
        journal: &Journal,
        now_ms: i64,
        who: Counted,
        meter: &Meter,
        touch: Touch,
    ) -> (u64, Option<Ack>) {
        let (counted, ack) = self.count(journal, now_ms, who, meter, touch);
        let strict_ms = gauge::window_ms(meter).min(STRICT_MS);
        let is_strict = self.restored_ms.is_some_and(|at_ms| now_ms < at_ms.saturating_add(strict_ms));
        (if is_strict { gauge::presumed_restored(meter, counted) } else { counted }, ack)
    }

    fn count(&self, journal: &Journal, now_ms: i64, who: Counted, meter: &Meter, touch: Touch) -> (u64, Option<Ack>) {
        let key = (who, meter.name);
        let mut shard = self.shards.of(&who.id);
        let Shelf { gauges, changed } = &mut *shard;
        let slot = match gauges.entry(key) {
            Entry::Occupied(place) => place.into_mut(),
            Entry::Vacant(place) if touch != Touch::Look && self.room.take(1).is_ok() => place.insert(Slot::new(meter)),
            Entry::Vacant(_) => return (self.sketched(now_ms, &who, meter, touch), None),
        };
        let counted = slot.gauge.touch(now_ms, meter, touch);
        let ack = match touch {
            Touch::Look => None,
            // The shard is still held, so that rows of one counter are queued in the order of its hits.
            Touch::Hit | Touch::Add(_) if slot.is_guarded || is_guarded(meter) => {
                slot.is_guarded = true;
                Some(journal.durably(slot.write(&key)))
            }
            Touch::Hit | Touch::Add(_) => {
                if !mem::replace(&mut slot.is_changed, true) {
                    changed.push(key);
                }
                None
            }
        };
        (counted.saturating_add(self.sketched(now_ms, &who, meter, Touch::Look)), ack)
    }

    /// Takes back one hit. Lost in a crash, it counts after all: nobody waits for it to be on disk.
    pub(super) fn refund(&self, journal: &Journal, now_ms: i64, who: Counted, meter: &Meter) {
        let key = (who, meter.name);
        let mut shard = self.shards.of(&who.id);
        let Shelf { gauges, changed } = &mut *shard;
        let Some(slot) = gauges.get_mut(&key) else { return };
        slot.gauge.refund(now_ms);
        if slot.is_guarded {
            journal.later([slot.write(&key)]);
        } else if !mem::replace(&mut slot.is_changed, true) {
            changed.push(key);
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
                // Swept since it was changed, or kept in a row of its own: nothing is left to save.
                let Some(slot) = gauges.get_mut(&key).filter(|slot| !slot.is_guarded) else { continue };
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

    /// Forgets some counters in which nothing counted at a moment, in one piece of the map; how many.
    pub(super) fn sweep(&self, journal: &Journal, number: usize, spent_at_ms: i64) -> usize {
        let mut shard = self.shards.at(number);
        let spent = shard.gauges.extract_if(|_, slot| slot.gauge.is_spent(spent_at_ms));
        let swept = spent.take(SWEPT_AT_ONCE).map(|(key, slot)| {
            self.room.give(1);
            if slot.is_guarded {
                journal.later([Write { table: Table::Guards, key: row_key(&key), value: None }]);
            }
        });
        let swept = swept.count();
        drop(shard);
        self.overflow.sweep(spent_at_ms);
        swept
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
