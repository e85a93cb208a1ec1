//! Sessions: written behind, read from memory, void the moment they are revoked.
//!
//! A session never comes back: a change names the version it saw, and one that was begun before a revocation of
//! itself or of its account is not written, however late the write arrives.

use std::{
    collections::{BTreeMap, HashMap, hash_map},
    mem,
    sync::{PoisonError, RwLock},
};

use crate::store::{
    Amended, Counted, Id, Kind, REPLACED_KNOWN_MS, Revocation, Session, SessionRef, Stored,
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

/// The version of a new session.
const FIRST: u64 = 1;

pub(super) struct Sessions {
    /// By home, so that the sessions of an account are found together.
    shards: Sharded<HashMap<Id, Kept>>,
    /// Accounts and sessions revoked or ended lately.
    marks: RwLock<HashMap<(Kind, Id), Mark>>,
    /// Sessions that were replaced lately, and until when that is known. Only in memory: it keeps an answer from taking a
    /// browser's fresh ticket away, and who starts anew has no answer under way.
    replaced: Sharded<HashMap<Id, i64>>,
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

/// The sessions of one home: nearly always one, and then nothing lies between the map and the session.
enum Kept {
    One(Entry),
    #[expect(clippy::box_collection, reason = "seldom there, and must not make the room of the one larger")]
    Many(Box<BTreeMap<Id, Entry>>),
}

impl Kept {
    fn get(&self, id: &Id) -> Option<&Entry> {
        match self {
            Kept::One(entry) => Some(entry).filter(|entry| entry.is(id)),
            Kept::Many(entries) => entries.get(id),
        }
    }

    fn get_mut(&mut self, id: &Id) -> Option<&mut Entry> {
        match self {
            Kept::One(entry) => Some(entry).filter(|entry| entry.is(id)),
            Kept::Many(entries) => entries.get_mut(id),
        }
    }

    /// Adds one that is not there yet.
    fn add(&mut self, id: Id, entry: Entry) {
        let mut entries = match mem::replace(self, Kept::Many(Box::default())) {
            Kept::One(first) => Box::new(first.fields().map(|it| *it.id).map(|id| (id, first)).into_iter().collect()),
            Kept::Many(entries) => entries,
        };
        entries.insert(id, entry);
        *self = Kept::Many(entries);
    }

    /// The ids and the fields of all.
    fn each(&self) -> impl Iterator<Item = Seen<'_>> {
        let (one, many) = match self {
            Kept::One(entry) => (Some(entry), None),
            Kept::Many(entries) => (None, Some(entries.values())),
        };
        one.into_iter().chain(many.into_iter().flatten()).filter_map(Entry::fields)
    }
}

/// One session in one piece of memory, because most of what a read costs is the way to it: id, version, times, ciphertext.
/// INVARIANT: whole, for only [`Entry::new`] makes one that is kept.
struct Entry(Box<[u8]>);

/// What an [`Entry`] holds.
struct Seen<'a> {
    id: &'a Id,
    version: u64,
    begun_ms: i64,
    expires_ms: i64,
    sealed: &'a [u8],
}

impl Entry {
    fn new(id: &Id, version: u64, begun_ms: i64, expires_ms: i64, sealed: &[u8]) -> Self {
        Entry(Row::default().id(id).u64(version).i64(begun_ms).i64(expires_ms).rest(sealed).into())
    }

    fn fields(&self) -> Option<Seen<'_>> {
        let (id, rest) = self.0.split_first_chunk()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (begun_ms, rest) = rest.split_first_chunk()?;
        let (expires_ms, sealed) = rest.split_first_chunk()?;
        Some(Seen {
            id,
            version: u64::from_be_bytes(*version),
            begun_ms: i64::from_be_bytes(*begun_ms),
            expires_ms: i64::from_be_bytes(*expires_ms),
            sealed,
        })
    }

    fn is(&self, id: &Id) -> bool {
        self.0.starts_with(id)
    }

    /// What it holds, unless it has expired.
    fn at(&self, now_ms: i64) -> Option<Seen<'_>> {
        self.fields().filter(|it| it.expires_ms > now_ms)
    }
}

impl Seen<'_> {
    fn session(&self) -> Session {
        Session { version: self.version, sealed: self.sealed.to_vec() }
    }
}

fn key(session: &SessionRef) -> Vec<u8> {
    Row::default().id(&session.home).id(&session.id).done()
}

fn removed(session: &SessionRef) -> Write {
    Write { table: Table::Sessions, key: key(session), value: None }
}

/// A session as a row.
pub(super) fn row(session: &SessionRef, version: u64, begun_ms: i64, expires_ms: i64, sealed: &[u8]) -> Write {
    let row = Row::default().u64(version).i64(begun_ms).i64(expires_ms).rest(sealed);
    Write { table: Table::Sessions, key: key(session), value: Some(row) }
}

/// A row as what is carried. Revoked sessions have none: the row goes before the revocation is acknowledged.
pub(super) fn carried(key: &[u8], value: &[u8]) -> Result<Carried, Torn> {
    let mut at = Fields(key);
    let session = SessionRef { home: at.id()?, id: at.id()? };
    at.end()?;
    let mut row = Fields(value);
    let (version, begun_ms, expires_ms) = (row.u64()?, row.i64()?, row.i64()?);
    Ok(Carried::Session { session, begun_ms, expires_ms, version, sealed: row.rest().into() })
}

impl Sessions {
    pub(super) fn new(max: usize) -> Self {
        Self { shards: Sharded::default(), marks: RwLock::default(), replaced: Sharded::default(), room: Room::of(max) }
    }

    pub(super) fn load(&self, key: &[u8], value: &[u8]) -> Result<(), Torn> {
        if let Carried::Session { session, begun_ms, expires_ms, version, sealed } = carried(key, value)? {
            let entry = Entry::new(&session.id, version, begun_ms, expires_ms, &sealed);
            put(&mut self.shards.of(&session.home), &session, entry);
            self.room.take_anyway(1);
        }
        Ok(())
    }

    pub(super) fn read(&self, now_ms: i64, session: &SessionRef) -> Option<Session> {
        let shard = self.shards.of(&session.home);
        let entry = shard.get(&session.home)?.get(&session.id)?;
        entry.at(now_ms).map(|it| it.session())
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
            let mut shard = self.shards.of(&session.home);
            // Run twice or late, it must not undo a change made since.
            if shard.get(&session.home).and_then(|kept| kept.get(&session.id)).is_none() {
                self.room.take(1)?;
                journal.later([row(&session, FIRST, now_ms, expires_ms, &sealed)]);
                put(&mut shard, &session, Entry::new(&session.id, FIRST, now_ms, expires_ms, &sealed));
            }
        }
        if let Some(old) = replaces.filter(|old| *old != session) {
            self.replaced.of(&old.id).insert(old.id, now_ms.saturating_add(REPLACED_KNOWN_MS));
            self.remove(journal, &old);
        }
        Ok(!void)
    }

    pub(super) fn was_replaced(&self, now_ms: i64, session: &SessionRef) -> bool {
        self.replaced.of(&session.id).get(&session.id).is_some_and(|until_ms| *until_ms > now_ms)
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
        let mut shard = self.shards.of(&session.home);
        let Some(entry) = shard.get_mut(&session.home).and_then(|kept| kept.get_mut(&session.id)) else {
            return Amended::Stale(None);
        };
        let (version, begun_ms) = match entry.at(now_ms) {
            None => return Amended::Stale(None),
            Some(it) if it.version != seen => return Amended::Stale(Some(it.session())),
            Some(it) => (seen.saturating_add(1), it.begun_ms),
        };
        *entry = Entry::new(&session.id, version, begun_ms, expires_ms, &sealed);
        journal.later([row(session, version, begun_ms, expires_ms, &sealed)]);
        Amended::Done(version)
    }

    pub(super) fn end(&self, journal: &Journal, now_ms: i64, session: &SessionRef) -> Ack {
        let over_ms = now_ms.saturating_add(END_KEPT_MS);
        let mut marks = self.marks.write().unwrap_or_else(PoisonError::into_inner);
        marks.entry((Kind::Session, session.id)).or_insert(Mark::NONE).raise(over_ms, over_ms);
        drop(marks);
        // The row is queued under the lock under which it leaves the map.
        let mut shard = self.shards.of(&session.home);
        self.room.give(usize::from(take_out(&mut shard, session)));
        journal.durably(removed(session))
    }

    fn remove(&self, journal: &Journal, session: &SessionRef) {
        let mut shard = self.shards.of(&session.home);
        if take_out(&mut shard, session) {
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
                let mut shard = self.shards.of(&id);
                let begun = |it: &Seen<'_>| it.begun_ms <= revocation.before_ms;
                let all = shard.get(&id).into_iter().flat_map(Kept::each).filter(begun);
                let void: Vec<_> = all.map(|it| SessionRef { home: id, id: *it.id }).collect();
                self.void_now(journal, &mut shard, &void);
            }
            Kind::Session => {
                marks.entry((kind, id)).or_insert(Mark::NONE).revoke(revocation.before_ms);
                // Its home is not known: all are looked through, some at a time.
                for number in self.shards.numbers() {
                    let mut shard = self.shards.at(number);
                    let homes = shard.iter().filter(|(_, kept)| kept.get(&id).is_some());
                    let void: Vec<_> = homes.map(|(home, _)| SessionRef { home: *home, id }).collect();
                    self.void_now(journal, &mut shard, &void);
                }
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

    fn void_now(&self, journal: &Journal, shard: &mut HashMap<Id, Kept>, void: &[SessionRef]) {
        for session in void {
            take_out(shard, session);
        }
        self.room.give(void.len());
        journal.ahead(void.iter().map(removed));
    }

    /// Forgets some of what expired before a moment, in one piece of the map; how many.
    pub(super) fn sweep(&self, journal: &Journal, number: usize, expired_before_ms: i64) -> usize {
        let mut shard = self.shards.at(number);
        let all = shard.iter().flat_map(|(home, kept)| kept.each().map(|it| (*home, it)));
        let expired = all.filter(|(_, it)| it.expires_ms <= expired_before_ms);
        let expired = expired.map(|(home, it)| SessionRef { home, id: *it.id });
        let dead: Vec<_> = expired.take(SWEPT_AT_ONCE).collect();
        for session in &dead {
            take_out(&mut shard, session);
        }
        self.room.give(dead.len());
        journal.later(dead.iter().map(removed));
        if shard.capacity() > 4 * shard.len() + 64 {
            shard.shrink_to_fit();
        }
        drop(shard);
        self.replaced.at(number).retain(|_, until_ms| *until_ms > expired_before_ms);
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

/// Adds a session that is not there yet.
fn put(shard: &mut HashMap<Id, Kept>, session: &SessionRef, entry: Entry) {
    match shard.entry(session.home) {
        hash_map::Entry::Occupied(kept) => kept.into_mut().add(session.id, entry),
        hash_map::Entry::Vacant(place) => drop(place.insert(Kept::One(entry))),
    }
}

/// Removes a session; whether it was there.
fn take_out(shard: &mut HashMap<Id, Kept>, session: &SessionRef) -> bool {
    let hash_map::Entry::Occupied(mut home) = shard.entry(session.home) else { return false };
    let (was_there, is_empty) = match home.get_mut() {
        Kept::One(entry) => (entry.is(&session.id), entry.is(&session.id)),
        Kept::Many(entries) => (entries.remove(&session.id).is_some(), entries.is_empty()),
    };
    if is_empty {
        home.remove();
    }
    was_there
}

#[cfg(test)]
mod tests {
    use super::{Entry, Id, Kept, SessionRef, put, take_out};

    /// Of a million sessions every byte between them counts (DESIGN §8).
    #[test]
    fn a_place_in_the_map_is_as_small_as_two_ids() {
        assert_eq!(size_of::<(Id, Kept)>(), 32);
    }

    #[test]
    fn an_account_has_as_many_sessions_as_it_likes() {
        let mut shard = Default::default();
        let session = |id: u8| SessionRef { home: [9; 16], id: [id; 16] };
        for id in 0..5 {
            put(&mut shard, &session(id), Entry::new(&[id; 16], 1, 2, 3, &[id; 20]));
        }
        for id in 0..5 {
            assert_eq!(shard[&[9; 16]].each().count(), usize::from(5 - id));
            assert_eq!(shard[&[9; 16]].get(&[id; 16]).unwrap().at(2).unwrap().sealed, [id; 20]);
            assert!(take_out(&mut shard, &session(id)), "{id}");
            assert!(!take_out(&mut shard, &session(id)), "{id} is gone");
        }
        assert!(shard.is_empty());
    }

    #[test]
    fn another_session_of_the_same_home_is_not_taken_for_it() {
        let mut shard = Default::default();
        put(&mut shard, &SessionRef { home: [9; 16], id: [1; 16] }, Entry::new(&[1; 16], 1, 2, 3, b"sealed"));
        assert!(shard[&[9; 16]].get(&[2; 16]).is_none());
        assert!(!take_out(&mut shard, &SessionRef { home: [9; 16], id: [2; 16] }));
        assert_eq!(shard.len(), 1);
    }
}
