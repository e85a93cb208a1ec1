//! What accounts have enrolled, kept until it is retired. Counters move forward only.

use std::collections::BTreeMap;

use crate::store::{
    Drawer, Enrolment, Id, Lasting, Stored,
    carried::Carried,
    embedded::{
        disk::{Table, Write},
        journal::{Ack, Journal},
        row::{Fields, Row, Torn},
        sharded::{Room, Sharded},
    },
};

pub(super) struct Drawers {
    shards: Sharded<BTreeMap<(Id, Drawer, Id), Entry>>,
    room: Room,
}

struct Entry {
    counter: u64,
    sealed: Box<[u8]>,
}

/// The byte a drawer has on disk; never reused.
fn number(drawer: Drawer) -> u8 {
    match drawer {
        Drawer::Authenticators => 1,
        Drawer::Contacts => 2,
        Drawer::Devices => 3,
        Drawer::Remembered => 4,
        Drawer::Traces => 5,
    }
}

fn numbered(number: u8) -> Result<Drawer, Torn> {
    match number {
        1 => Ok(Drawer::Authenticators),
        2 => Ok(Drawer::Contacts),
        3 => Ok(Drawer::Devices),
        4 => Ok(Drawer::Remembered),
        5 => Ok(Drawer::Traces),
        _ => Err(Torn),
    }
}

fn row_key(account: &Id, drawer: Drawer, id: &Id) -> Vec<u8> {
    Row::default().id(account).u8(number(drawer)).id(id).done()
}

fn read(key: &[u8], value: &[u8]) -> Result<((Id, Drawer, Id), Entry), Torn> {
    let mut at = Fields(key);
    let key = (at.id()?, numbered(at.u8()?)?, at.id()?);
    at.end()?;
    let mut row = Fields(value);
    let counter = row.u64()?;
    Ok((key, Entry { counter, sealed: row.rest() }))
}

/// A row as what is carried.
pub(super) fn carried(key: &[u8], value: &[u8]) -> Result<Carried, Torn> {
    let ((account, drawer, id), entry) = read(key, value)?;
    Ok(Carried::Entry { account, drawer, id, counter: entry.counter, sealed: entry.sealed.into() })
}

/// An entry as a row.
pub(super) fn row(account: &Id, drawer: Drawer, id: &Id, counter: u64, sealed: &[u8]) -> Write {
    let row = Row::default().u64(counter).rest(sealed);
    Write { table: Table::Drawers, key: row_key(account, drawer, id), value: Some(row) }
}

impl Drawers {
    pub(super) fn new(max: usize) -> Self {
        Self { shards: Sharded::default(), room: Room::of(max) }
    }

    pub(super) fn load(&self, key: &[u8], value: &[u8]) -> Result<(), Torn> {
        let (key, entry) = read(key, value)?;
        self.shards.of(&key.0).insert(key, entry);
        self.room.take_anyway(1);
        Ok(())
    }

    pub(super) fn entry(&self, account: Id, drawer: Drawer, id: Id) -> Option<Vec<u8>> {
        self.shards.of(&account).get(&(account, drawer, id)).map(|entry| entry.sealed.to_vec())
    }

    pub(super) fn all(&self, account: Id, drawer: Drawer) -> Vec<Enrolment> {
        let shard = self.shards.of(&account);
        let lies = shard.range((account, drawer, [0; 16])..=(account, drawer, [0xff; 16]));
        lies.map(|(key, entry)| Enrolment { id: key.2, counter: entry.counter, sealed: entry.sealed.to_vec() })
            .collect()
    }

    pub(super) fn enrol(&self, journal: &Journal, account: Id, drawer: Drawer, id: Id, sealed: Vec<u8>) -> Stored<Ack> {
        let mut shard = self.shards.of(&account);
        let key = (account, drawer, id);
        let counter = match shard.get(&key) {
            Some(entry) => entry.counter,
            None => self.room.take(1).map(|()| 0)?,
        };
        let ack = journal.durably(row(&account, drawer, &id, counter, &sealed));
        shard.insert(key, Entry { counter, sealed: sealed.into() });
        Ok(ack)
    }

    pub(super) fn retire(&self, journal: &Journal, account: Id, drawer: Drawer, id: Id) -> (bool, Ack) {
        let mut shard = self.shards.of(&account);
        let there = shard.remove(&(account, drawer, id)).is_some();
        self.room.give(usize::from(there));
        (there, journal.durably(Write { table: Table::Drawers, key: row_key(&account, drawer, &id), value: None }))
    }

    /// Counts one more try for as long as what is guessed at is set up; how many there are that are not forgiven. `None`:
    /// there may be no more.
    pub(super) fn count(&self, journal: &Journal, home: Id, lasting: &Lasting) -> Stored<Option<(u64, Ack)>> {
        let mut shard = self.shards.of(&home);
        let key = |id| (home, Drawer::Traces, id);
        let there = |id| shard.get(&key(id)).map(|entry| entry.counter);
        let (made, forgiven) = (there(lasting.made), there(lasting.forgiven).unwrap_or(0));
        let counter = made.unwrap_or(0).saturating_add(lasting.by);
        let left_over = counter.saturating_sub(forgiven);
        if left_over > lasting.most {
            return Ok(None);
        }
        if made.is_none() {
            self.room.take(1)?;
        }
        let ack = journal.durably(row(&home, Drawer::Traces, &lasting.made, counter, &[]));
        shard.insert(key(lasting.made), Entry { counter, sealed: Box::default() });
        Ok(Some((left_over, ack)))
    }

    /// Forgives so many tries, as many as were made at most.
    pub(super) fn forgive(&self, journal: &Journal, home: Id, lasting: &Lasting, slips: u64) -> Stored<Ack> {
        let mut shard = self.shards.of(&home);
        let key = |id| (home, Drawer::Traces, id);
        let there = |id| shard.get(&key(id)).map(|entry| entry.counter);
        let (made, before) = (there(lasting.made).unwrap_or(0), there(lasting.forgiven));
        let more = slips.saturating_mul(lasting.by);
        let counter = before.unwrap_or(0).saturating_add(more).min(made).max(before.unwrap_or(0));
        if before.is_none() {
            self.room.take(1)?;
        }
        let ack = journal.durably(row(&home, Drawer::Traces, &lasting.forgiven, counter, &[]));
        shard.insert(key(lasting.forgiven), Entry { counter, sealed: Box::default() });
        Ok(ack)
    }

    /// `None`: no step forward, or nothing there to move.
    pub(super) fn advance(&self, journal: &Journal, account: Id, drawer: Drawer, id: Id, to: u64) -> Option<Ack> {
        let mut shard = self.shards.of(&account);
        let entry = shard.get_mut(&(account, drawer, id)).filter(|entry| entry.counter < to)?;
        entry.counter = to;
        Some(journal.durably(row(&account, drawer, &id, to, &entry.sealed)))
    }
}
