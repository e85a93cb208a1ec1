//! Parked requests: on disk before the caller goes on, taken by exactly one nonce.
//!
//! Their bytes are counted against one limit, because they are the largest thing anybody can make us keep.

use std::collections::HashMap;

use crate::store::{
    Id, Stored,
    embedded::{
        disk::{Table, Write},
        journal::{Ack, Journal},
        keeper::SWEPT_AT_ONCE,
        row::{Fields, Row, Torn},
        sharded::{Room, Sharded},
    },
};

pub(super) struct Parked {
    shards: Sharded<HashMap<(Id, Id), Entry>>,
    /// In bytes.
    room: Room,
}

struct Entry {
    expires_ms: i64,
    /// The nonce of the caller that took it.
    taken: Option<Id>,
    sealed: Box<[u8]>,
}

fn row_key(key: &(Id, Id)) -> Vec<u8> {
    Row::default().id(&key.0).id(&key.1).done()
}

impl Entry {
    fn write(&self, key: &(Id, Id)) -> Write {
        let row = Row::default().i64(self.expires_ms).maybe_id(self.taken.as_ref()).rest(&self.sealed);
        Write { table: Table::Parked, key: row_key(key), value: Some(row) }
    }
}

impl Parked {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { shards: Sharded::default(), room: Room::of(bytes_max) }
    }

    pub(super) fn load(&self, key: &[u8], value: &[u8]) -> Result<(), Torn> {
        let mut at = Fields(key);
        let key = (at.id()?, at.id()?);
        at.end()?;
        let mut row = Fields(value);
        let (expires_ms, taken) = (row.i64()?, row.maybe_id()?);
        let entry = Entry { expires_ms, taken, sealed: row.rest() };
        self.room.take_anyway(entry.sealed.len());
        self.shards.of(&key.1).insert(key, entry);
        Ok(())
    }

    pub(super) fn park(
        &self,
        journal: &Journal,
        key: (Id, Id),
        sealed: Vec<u8>,
        expires_ms: i64,
    ) -> Stored<Option<Ack>> {
        let mut shard = self.shards.of(&key.1);
        // Parking the same id late or twice must not bring back a request that was taken.
        if shard.contains_key(&key) {
            return Ok(None);
        }
        self.room.take(sealed.len())?;
        let entry = Entry { expires_ms, taken: None, sealed: sealed.into() };
        let ack = journal.durably(entry.write(&key));
        shard.insert(key, entry);
        Ok(Some(ack))
    }

    pub(super) fn peek(&self, now_ms: i64, key: (Id, Id)) -> Option<Vec<u8>> {
        let shard = self.shards.of(&key.1);
        let there = shard.get(&key).filter(|entry| entry.taken.is_none() && entry.expires_ms > now_ms);
        there.map(|entry| entry.sealed.to_vec())
    }

    pub(super) fn take(&self, journal: &Journal, now_ms: i64, key: (Id, Id), nonce: Id) -> Option<(Vec<u8>, Ack)> {
        let mut shard = self.shards.of(&key.1);
        let entry = shard.get_mut(&key).filter(|entry| entry.expires_ms > now_ms)?;
        if *entry.taken.get_or_insert(nonce) != nonce {
            return None;
        }
        let ack = journal.durably(entry.write(&key));
        Some((entry.sealed.to_vec(), ack))
    }

    pub(super) fn remove(&self, journal: &Journal, key: (Id, Id)) {
        if let Some(entry) = self.shards.of(&key.1).remove(&key) {
            self.room.give(entry.sealed.len());
            journal.later([Write { table: Table::Parked, key: row_key(&key), value: None }]);
        }
    }

    /// Forgets some of what expired before a moment, in one piece of the map; how many.
    pub(super) fn sweep(&self, journal: &Journal, number: usize, expired_before_ms: i64) -> usize {
        let mut shard = self.shards.at(number);
        let expired = shard.extract_if(|_, entry| entry.expires_ms <= expired_before_ms);
        let dead = expired.take(SWEPT_AT_ONCE).map(|(key, entry)| {
            self.room.give(entry.sealed.len());
            journal.later([Write { table: Table::Parked, key: row_key(&key), value: None }]);
        });
        dead.count()
    }
}
