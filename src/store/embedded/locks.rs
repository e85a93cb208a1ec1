//! Lock-outs: they only ever grow longer, until an administrator ends one.

use std::collections::HashMap;

use crate::store::{
    Counted, Kind, Stored,
    carried::Carried,
    embedded::{
        disk::{Table, Write},
        journal::{Ack, Journal},
        keeper::SWEPT_AT_ONCE,
        row::{Fields, Row, Torn},
        sharded::{Room, Sharded},
    },
};

pub(super) struct Locks {
    shards: Sharded<HashMap<Counted, i64>>,
    room: Room,
}

/// The byte a kind has on disk; never reused.
pub(super) fn number(kind: Kind) -> u8 {
    match kind {
        Kind::Account => 1,
        Kind::Ip => 2,
        Kind::Device => 3,
        Kind::Pair => 4,
        Kind::Session => 5,
    }
}

/// The kind a byte stands for.
pub(super) fn numbered(number: u8) -> Result<Kind, Torn> {
    match number {
        1 => Ok(Kind::Account),
        2 => Ok(Kind::Ip),
        3 => Ok(Kind::Device),
        4 => Ok(Kind::Pair),
        5 => Ok(Kind::Session),
        _ => Err(Torn),
    }
}

fn row_key(who: &Counted) -> Vec<u8> {
    Row::default().u8(number(who.kind)).id(&who.id).done()
}

fn read(key: &[u8], value: &[u8]) -> Result<(Counted, i64), Torn> {
    let mut at = Fields(key);
    let who = Counted { kind: numbered(at.u8()?)?, id: at.id()? };
    at.end()?;
    let mut row = Fields(value);
    let until_ms = row.i64()?;
    row.end().map(|()| (who, until_ms))
}

/// A row as what is carried.
pub(super) fn carried(key: &[u8], value: &[u8]) -> Result<Carried, Torn> {
    read(key, value).map(|(who, until_ms)| Carried::Lock { who, until_ms })
}

/// A lock-out as a row.
pub(super) fn row(who: &Counted, until_ms: i64) -> Write {
    Write { table: Table::Locks, key: row_key(who), value: Some(Row::default().i64(until_ms).done()) }
}

impl Locks {
    pub(super) fn new(max: usize) -> Self {
        Self { shards: Sharded::default(), room: Room::of(max) }
    }

    pub(super) fn load(&self, key: &[u8], value: &[u8]) -> Result<(), Torn> {
        let (who, until_ms) = read(key, value)?;
        self.shards.of(&who.id).insert(who, until_ms);
        self.room.take_anyway(1);
        Ok(())
    }

    pub(super) fn until(&self, now_ms: i64, who: &Counted) -> Option<i64> {
        self.shards.of(&who.id).get(who).copied().filter(|until_ms| *until_ms > now_ms)
    }

    pub(super) fn lock(&self, journal: &Journal, who: Counted, until_ms: i64) -> Stored<Ack> {
        let mut shard = self.shards.of(&who.id);
        let until_ms = match shard.get(&who) {
            Some(longer) => until_ms.max(*longer),
            None => self.room.take(1).map(|()| until_ms)?,
        };
        shard.insert(who, until_ms);
        Ok(journal.durably(row(&who, until_ms)))
    }

    pub(super) fn unlock(&self, journal: &Journal, who: Counted) -> Ack {
        let mut shard = self.shards.of(&who.id);
        self.room.give(usize::from(shard.remove(&who).is_some()));
        journal.durably(Write { table: Table::Locks, key: row_key(&who), value: None })
    }

    /// Forgets some of what expired before a moment, in one piece of the map; how many.
    pub(super) fn sweep(&self, journal: &Journal, number: usize, expired_before_ms: i64) -> usize {
        let mut shard = self.shards.at(number);
        let expired = shard.extract_if(|_, until_ms| *until_ms <= expired_before_ms);
        let dead: Vec<_> = expired.take(SWEPT_AT_ONCE).map(|it| it.0).collect();
        self.room.give(dead.len());
        journal.later(dead.iter().map(|who| Write { table: Table::Locks, key: row_key(who), value: None }));
        dead.len()
    }
}
