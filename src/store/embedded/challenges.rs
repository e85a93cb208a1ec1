//! Challenges: so many tries, counted on disk before the answer is looked at; met once.

use std::collections::{HashMap, hash_map};

use crate::store::{
    Attempt, Id, Once, Stored,
    embedded::{
        disk::{Table, Write},
        journal::{Ack, Journal},
        keeper::SWEPT_AT_ONCE,
        row::{Fields, Row, Torn},
        sharded::{Room, Sharded},
    },
};

pub(super) struct Challenges {
    shards: Sharded<HashMap<(Id, Id), Entry>>,
    room: Room,
}

struct Entry {
    left: u32,
    expires_ms: i64,
    /// The nonce of the caller that met it.
    spent: Option<Id>,
    sealed: Box<[u8]>,
}

impl Entry {
    fn write(&self, key: &(Id, Id)) -> Write {
        let row = Row::default().u32(self.left).i64(self.expires_ms).maybe_id(self.spent.as_ref()).rest(&self.sealed);
        Write { table: Table::Challenges, key: Row::default().id(&key.0).id(&key.1).done(), value: Some(row) }
    }

    fn is_open(&self, now_ms: i64) -> bool {
        self.spent.is_none() && self.expires_ms > now_ms
    }
}

impl Challenges {
    pub(super) fn new(max: usize) -> Self {
        Self { shards: Sharded::default(), room: Room::of(max) }
    }

    pub(super) fn load(&self, key: &[u8], value: &[u8]) -> Result<(), Torn> {
        let mut at = Fields(key);
        let key = (at.id()?, at.id()?);
        at.end()?;
        let mut row = Fields(value);
        let (left, expires_ms, spent) = (row.u32()?, row.i64()?, row.maybe_id()?);
        self.shards.of(&key.1).insert(key, Entry { left, expires_ms, spent, sealed: row.rest() });
        self.room.take_anyway(1);
        Ok(())
    }

    pub(super) fn issue(
        &self,
        journal: &Journal,
        key: (Id, Id),
        attempts: u32,
        sealed: Vec<u8>,
        expires_ms: i64,
    ) -> Stored<()> {
        let mut shard = self.shards.of(&key.1);
        // The same id again replaces nothing: fresh tries for an old challenge would be free tries.
        if let hash_map::Entry::Vacant(place) = shard.entry(key) {
            self.room.take(1)?;
            let entry = Entry { left: attempts, expires_ms, spent: None, sealed: sealed.into() };
            journal.later([entry.write(&key)]);
            place.insert(entry);
        }
        Ok(())
    }

    pub(super) fn peek(&self, now_ms: i64, key: (Id, Id)) -> Option<Vec<u8>> {
        let shard = self.shards.of(&key.1);
        shard.get(&key).filter(|entry| entry.is_open(now_ms)).map(|entry| entry.sealed.to_vec())
    }

    /// The answer, and the promise to wait for before it is given.
    pub(super) fn attempt(&self, journal: &Journal, now_ms: i64, key: (Id, Id)) -> (Attempt, Option<Ack>) {
        let mut shard = self.shards.of(&key.1);
        let Some(entry) = shard.get_mut(&key).filter(|entry| entry.is_open(now_ms)) else {
            return (Attempt::Gone, None);
        };
        let Some(left) = entry.left.checked_sub(1) else { return (Attempt::Exhausted, None) };
        entry.left = left;
        let granted = Attempt::Granted { left, sealed: entry.sealed.to_vec() };
        (granted, Some(journal.durably(entry.write(&key))))
    }

    /// `First` also for the nonce that was first before; it waits again, for the first answer may not have been given.
    pub(super) fn spend(&self, journal: &Journal, now_ms: i64, key: (Id, Id), nonce: Id) -> (Once, Option<Ack>) {
        let mut shard = self.shards.of(&key.1);
        let Some(entry) = shard.get_mut(&key).filter(|entry| entry.expires_ms > now_ms) else {
            return (Once::Replay, None);
        };
        match entry.spent {
            Some(first) if first != nonce => return (Once::Replay, None),
            Some(_) => {}
            None => {
                entry.spent = Some(nonce);
                entry.sealed = Box::default();
            }
        }
        (Once::First, Some(journal.durably(entry.write(&key))))
    }

    /// Forgets some of what expired before a moment, in one piece of the map; how many.
    pub(super) fn sweep(&self, journal: &Journal, number: usize, expired_before_ms: i64) -> usize {
        let mut shard = self.shards.at(number);
        let expired = shard.extract_if(|_, entry| entry.expires_ms <= expired_before_ms);
        let dead: Vec<_> = expired.take(SWEPT_AT_ONCE).map(|it| it.0).collect();
        self.room.give(dead.len());
        journal.later(dead.iter().map(|(home, id)| Write {
            table: Table::Challenges,
            key: Row::default().id(home).id(id).done(),
            value: None,
        }));
        dead.len()
    }
}
