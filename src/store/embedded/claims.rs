//! One-time tokens: the first caller has it, and the same caller again if its answer was lost.

use std::collections::HashMap;

use crate::store::{
    Id, Once, Stored,
    carried::{Carried, one_time},
    embedded::{
        disk::{Table, Write},
        journal::{Ack, Journal},
        keeper::SWEPT_AT_ONCE,
        row::{Fields, Row, Torn},
        sharded::{Room, Sharded},
    },
};

pub(super) struct Claims {
    shards: Sharded<HashMap<Id, Entry>>,
    room: Room,
}

struct Entry {
    nonce: Id,
    expires_ms: i64,
}

fn read(key: &[u8], value: &[u8]) -> Result<(Id, Entry), Torn> {
    let mut at = Fields(key);
    let key = at.id()?;
    at.end()?;
    let mut row = Fields(value);
    let entry = Entry { nonce: row.id()?, expires_ms: row.i64()? };
    row.end().map(|()| (key, entry))
}

/// A row as what is carried.
pub(super) fn carried(key: &[u8], value: &[u8]) -> Result<Carried, Torn> {
    let (token, Entry { nonce, expires_ms }) = read(key, value)?;
    Ok(Carried::Claim { token, nonce, expires_ms })
}

/// A used token as a row.
pub(super) fn row(token: &Id, nonce: Id, expires_ms: i64) -> Write {
    let row = Row::default().id(&nonce).i64(expires_ms).done();
    Write { table: Table::Claims, key: token.to_vec(), value: Some(row) }
}

impl Claims {
    pub(super) fn new(max: usize) -> Self {
        Self { shards: Sharded::default(), room: Room::of(max) }
    }

    pub(super) fn load(&self, key: &[u8], value: &[u8]) -> Result<(), Torn> {
        let (key, entry) = read(key, value)?;
        self.shards.of(&key).insert(key, entry);
        self.room.take_anyway(1);
        Ok(())
    }

    pub(super) fn claim(
        &self,
        journal: &Journal,
        now_ms: i64,
        scope: &str,
        token: &Id,
        nonce: Id,
        expires_ms: i64,
    ) -> Stored<(Once, Option<Ack>)> {
        let key = one_time(scope, token);
        let mut shard = self.shards.of(&key);
        // Expired, or the same caller again: the longer of both times counts.
        let expires_ms = match shard.get(&key) {
            Some(entry) if entry.expires_ms > now_ms && entry.nonce != nonce => return Ok((Once::Replay, None)),
            Some(entry) => expires_ms.max(entry.expires_ms),
            None => self.room.take(1).map(|()| expires_ms)?,
        };
        shard.insert(key, Entry { nonce, expires_ms });
        Ok((Once::First, Some(journal.durably(row(&key, nonce, expires_ms)))))
    }

    /// Forgets some of what expired before a moment, in one piece of the map; how many.
    pub(super) fn sweep(&self, journal: &Journal, number: usize, expired_before_ms: i64) -> usize {
        let mut shard = self.shards.at(number);
        let expired = shard.extract_if(|_, entry| entry.expires_ms <= expired_before_ms);
        let dead: Vec<_> = expired.take(SWEPT_AT_ONCE).map(|it| it.0).collect();
        self.room.give(dead.len());
        journal.later(dead.iter().map(|key| Write { table: Table::Claims, key: key.to_vec(), value: None }));
        dead.len()
    }
}
