//! One-time tokens: the first caller has it, and the same caller again if its answer was lost.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::store::{
    Id, Once, Stored,
    embedded::{
        disk::{Table, Write},
        journal::{Ack, Journal},
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

/// Scope and token as one key; the scope's length goes first so that no two pairs read alike.
fn joined(scope: &str, token: &Id) -> Id {
    let digest = Sha256::new()
        .chain_update((scope.len() as u64).to_be_bytes())
        .chain_update(scope)
        .chain_update(token)
        .finalize();
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    id
}

impl Claims {
    pub(super) fn new(max: usize) -> Self {
        Self { shards: Sharded::default(), room: Room::of(max) }
    }

    pub(super) fn load(&self, key: &[u8], value: &[u8]) -> Result<(), Torn> {
        let mut at = Fields(key);
        let key = at.id()?;
        at.end()?;
        let mut row = Fields(value);
        let entry = Entry { nonce: row.id()?, expires_ms: row.i64()? };
        row.end()?;
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
        let key = joined(scope, token);
        let mut shard = self.shards.of(&key);
        // Expired, or the same caller again: the longer of both times counts.
        let expires_ms = match shard.get(&key) {
            Some(entry) if entry.expires_ms > now_ms && entry.nonce != nonce => return Ok((Once::Replay, None)),
            Some(entry) => expires_ms.max(entry.expires_ms),
            None => self.room.take(1).map(|()| expires_ms)?,
        };
        shard.insert(key, Entry { nonce, expires_ms });
        let row = Row::default().id(&nonce).i64(expires_ms).done();
        Ok((Once::First, Some(journal.durably(Write { table: Table::Claims, key: key.to_vec(), value: Some(row) }))))
    }

    /// Forgets what expired before a moment, in one piece of the map.
    pub(super) fn sweep(&self, journal: &Journal, number: usize, expired_before_ms: i64) {
        let mut shard = self.shards.at(number);
        let dead: Vec<_> = shard.extract_if(|_, entry| entry.expires_ms <= expired_before_ms).map(|it| it.0).collect();
        self.room.give(dead.len());
        journal.later(dead.iter().map(|key| Write { table: Table::Claims, key: key.to_vec(), value: None }));
    }
}
