//! Sessions: written behind, read from memory, void the moment they are revoked.
//!
//! A session never comes back: a change names the version it saw, and one that was begun before a revocation of
//! itself or of its account is not written, however late the write arrives.

use std::{
    collections::{BTreeMap, HashMap, btree_map},
    mem,
    sync::{PoisonError, RwLock},
};

use crate::store::{
    Amended, Counted, Id, Kind, Revocation, Session, SessionRef, Stored,
    carried::Carried,
    embedded::{
        disk::{Table, Write},
        journal::{Ack, Journal},
        keeper::SWEPT_AT_ONCE,
        row::{Fields, Row, Torn},
        sharded::{Room, Sharded},
    },
};

/// How long a revocation is remembered against sessions written late: far longer than a request may take.
const MARK_KEPT_MS: i64 = 24 * 3_600_000;
/// The same for a session that has ended; requests that began until then cannot bring it back.
const END_KEPT_MS: i64 = 3_600_000;

pub(super) struct Sessions {
    shards: Sharded<BTreeMap<SessionRef, Entry>>,
    /// Accounts and sessions revoked or ended lately.
    marks: RwLock<HashMap<(Kind, Id), Mark>>,
    room: Room,
}

/// What is void, and until when that is remembered.
struct Mark {
    /// Whatever began before this moment.
    before_ms: i64,
    forget_ms: i64,
}

impl Mark {
    const NONE: Mark = Mark { before_ms: i64::MIN, forget_ms: i64::MIN };

    fn raise(&mut self, before_ms: i64, forget_ms: i64) {
        self.before_ms = self.before_ms.max(before_ms);
        self.forget_ms = self.forget_ms.max(forget_ms);
    }

    fn revoke(&mut self, before_ms: i64) {
        self.raise(before_ms, before_ms.saturating_add(MARK_KEPT_MS));
    }
}

struct Entry {
    version: u64,
    begun_ms: i64,
    expires_ms: i64,
    sealed: Box<[u8]>,
}

impl Entry {
    fn session(&self) -> Session {
        Session { version: self.version, sealed: self.sealed.to_vec() }
    }

    fn write(&self, session: &SessionRef) -> Write {
        let row = Row::default().u64(self.version).i64(self.begun_ms).i64(self.expires_ms).rest(&self.sealed);
        Write { table: Table::Sessions, key: key(session), value: Some(row) }
    }
}

fn key(session: &SessionRef) -> Vec<u8> {
    Row::default().id(&session.home).id(&session.id).done()
}

fn removed(session: &SessionRef) -> Write {
    Write { table: Table::Sessions, key: key(session), value: None }
}

fn read(key: &[u8], value: &[u8]) -> Result<(SessionRef, Entry), Torn> {
    let mut at = Fields(key);
    let session = SessionRef { home: at.id()?, id: at.id()? };
    at.end()?;
    let mut row = Fields(value);
    let (version, begun_ms, expires_ms) = (row.u64()?, row.i64()?, row.i64()?);
    Ok((session, Entry { version, begun_ms, expires_ms, sealed: row.rest() }))
}

/// A row as what is carried. Revoked sessions have none: the row goes before the revocation is acknowledged.
pub(super) fn carried(key: &[u8], value: &[u8]) -> Result<Carried, Torn> {
    let (session, Entry { version, begun_ms, expires_ms, sealed }) = read(key, value)?;
    Ok(Carried::Session { session, begun_ms, expires_ms, version, sealed: sealed.into() })
}

/// A session as a row.
pub(super) fn row(session: &SessionRef, version: u64, begun_ms: i64, expires_ms: i64, sealed: Vec<u8>) -> Write {
    Entry { version, begun_ms, expires_ms, sealed: sealed.into() }.write(session)
}

impl Sessions {
    pub(super) fn new(max: usize) -> Self {
        Self { shards: Sharded::default(), marks: RwLock::default(), room: Room::of(max) }
    }

    pub(super) fn load(&self, key: &[u8], value: &[u8]) -> Result<(), Torn> {
        let (session, entry) = read(key, value)?;
        self.shards.of(&session.id).insert(session, entry);
        self.room.take_anyway(1);
        Ok(())
    }

    pub(super) fn read(&self, now_ms: i64, session: &SessionRef) -> Option<Session> {
        let shard = self.shards.of(&session.id);
        shard.get(session).filter(|entry| entry.expires_ms > now_ms).map(Entry::session)
    }

    pub(super) fn establish(
        &self,
        journal: &Journal,
        now_ms: i64,
        replaces: Option<SessionRef>,
        session: SessionRef,
        sealed: Vec<u8>,
        expires_ms: i64,
    ) -> Stored<bool> {
        // Held over check and insertion, so that no revocation slips in between.
        let marks = self.marks.read().unwrap_or_else(PoisonError::into_inner);
        let void_at = |of: &SessionRef| {
            let mark = |kind, id| marks.get(&(kind, id)).map(|it| it.before_ms);
            mark(Kind::Account, of.home).max(mark(Kind::Session, of.id))
        };
        let void = void_at(&session).is_some_and(|before_ms| now_ms < before_ms)
            || replaces.is_some_and(|old| void_at(&old).is_some_and(|before_ms| now_ms <= before_ms));
        if !void {
            let mut shard = self.shards.of(&session.id);
            // Run twice or late, it must not undo a change made since.
            if let btree_map::Entry::Vacant(place) = shard.entry(session) {
                self.room.take(1)?;
                let entry = Entry { version: 1, begun_ms: now_ms, expires_ms, sealed: sealed.into() };
                journal.later([entry.write(&session)]);
                place.insert(entry);
            }
        }
        if let Some(old) = replaces.filter(|old| *old != session) {
            self.remove(journal, &old);
        }
        Ok(!void)
    }

    pub(super) fn amend(
        &self,
        journal: &Journal,
        now_ms: i64,
        session: &SessionRef,
        seen: u64,
        sealed: Vec<u8>,
        expires_ms: i64,
    ) -> Amended {
        let mut shard = self.shards.of(&session.id);
        match shard.get_mut(session).filter(|entry| entry.expires_ms > now_ms) {
            None => Amended::Stale(None),
            Some(entry) if entry.version != seen => Amended::Stale(Some(entry.session())),
            Some(entry) => {
                entry.version = seen.saturating_add(1);
                entry.sealed = sealed.into();
                entry.expires_ms = expires_ms;
                journal.later([entry.write(session)]);
                Amended::Done(entry.version)
            }
        }
    }

    pub(super) fn end(&self, journal: &Journal, now_ms: i64, session: &SessionRef) -> Ack {
        let over_ms = now_ms.saturating_add(END_KEPT_MS);
        let mut marks = self.marks.write().unwrap_or_else(PoisonError::into_inner);
        marks.entry((Kind::Session, session.id)).or_insert(Mark::NONE).raise(over_ms, over_ms);
        drop(marks);
        let mut shard = self.shards.of(&session.id);
        self.room.give(usize::from(shard.remove(session).is_some()));
        journal.durably(removed(session))
    }

    fn remove(&self, journal: &Journal, session: &SessionRef) {
        let mut shard = self.shards.of(&session.id);
        if shard.remove(session).is_some() {
            self.room.give(1);
            journal.later([removed(session)]);
        }
    }

    /// Removes what a revocation voids, and remembers it against late writes.
    pub(super) fn void(&self, journal: &Journal, revocation: &Revocation) {
        let Counted { kind, id } = revocation.target;
        let mut marks = self.marks.write().unwrap_or_else(PoisonError::into_inner);
        match kind {
            Kind::Account => {
                marks.entry((kind, id)).or_insert(Mark::NONE).revoke(revocation.before_ms);
                let all = SessionRef { home: id, id: [0; 16] }..=SessionRef { home: id, id: [0xff; 16] };
                for number in self.shards.numbers() {
                    let mut shard = self.shards.at(number);
                    let begun = |entry: &Entry| entry.begun_ms <= revocation.before_ms;
                    let void: Vec<_> = shard.range(all.clone()).filter(|it| begun(it.1)).map(|it| *it.0).collect();
                    self.take_out(journal, &mut shard, &void);
                }
            }
            Kind::Session => {
                marks.entry((kind, id)).or_insert(Mark::NONE).revoke(revocation.before_ms);
                let mut shard = self.shards.of(&id);
                let void: Vec<_> = shard.keys().filter(|session| session.id == id).copied().collect();
                self.take_out(journal, &mut shard, &void);
            }
            // These are no part of a session's name: their callers read the revocation log.
            Kind::Ip | Kind::Device | Kind::Pair => {}
        }
    }

    /// After a restart: what the log says is remembered again.
    pub(super) fn remember(&self, revocation: &Revocation) {
        let Counted { kind, id } = revocation.target;
        let mut marks = self.marks.write().unwrap_or_else(PoisonError::into_inner);
        marks.entry((kind, id)).or_insert(Mark::NONE).revoke(revocation.before_ms);
    }

    fn take_out(&self, journal: &Journal, shard: &mut BTreeMap<SessionRef, Entry>, gone: &[SessionRef]) {
        gone.iter().for_each(|session| drop(shard.remove(session)));
        self.room.give(gone.len());
        journal.later(gone.iter().map(removed));
    }

    /// Forgets some of what expired before a moment, in one piece of the map; how many.
    pub(super) fn sweep(&self, journal: &Journal, number: usize, expired_before_ms: i64) -> usize {
        let mut shard = self.shards.at(number);
        let expired = shard.iter().filter(|it| it.1.expires_ms <= expired_before_ms);
        let dead: Vec<_> = expired.take(SWEPT_AT_ONCE).map(|it| *it.0).collect();
        self.take_out(journal, &mut shard, &dead);
        drop(shard);
        if dead.len() == SWEPT_AT_ONCE {
            return dead.len();
        }
        let mut marks = self.marks.write().unwrap_or_else(PoisonError::into_inner);
        marks.retain(|_, mark| mark.forget_ms > expired_before_ms);
        if marks.capacity() > 4 * marks.len() + 64 {
            let small = mem::take(&mut *marks).into_iter().collect();
            *marks = small;
        }
        dead.len()
    }
}
