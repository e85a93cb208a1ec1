//! `begin`: everything a sensitive request needs to know, as one pipeline a server.
//!
//! Every key is read by a command of its own: while a slot moves to another master, one on several keys would have to wait
//! until it has. A session counts only if nothing has revoked it: the marks of its account
//! and of itself are read beside it, so that no late write brings it back.

use tokio::time::Instant;

use crate::store::{
    Begin, Counted, Id, Kind, Session, SessionRef, Standing, Stored,
    redis::{
        fleet::{Fleet, Order},
        link::Manner,
        meters,
        names::{Key, Names},
        reply,
    },
};

/// How long a revocation is remembered. No session counts for longer.
pub(super) const MARK_KEPT_MS: i64 = 31 * 24 * 3_600_000;

/// Bytes before a session's ciphertext: version, beginning, end.
pub(super) const HEAD_BYTES: usize = 24;

/// Tenths of a counter that can be removed.
pub(super) struct Stale {
    pub(super) key: Key,
    pub(super) tenths: Vec<i64>,
}

/// What revokes a session: its own mark, and its account's.
pub(super) fn marks(names: &Names, session: &SessionRef) -> [Key; 2] {
    let mark = |kind, id: Id| names.mark(&Counted { kind, id });
    [mark(Kind::Session, session.id), mark(Kind::Account, session.home)]
}

/// Whether it raises a counter that guards guessing.
pub(super) fn is_durable(begin: &Begin<'_>) -> bool {
    begin.meters.iter().any(|(_, meter, touch)| meters::is_durable(meter, *touch))
}

/// Reads, raises and reads again, all in one round trip; moments by the servers' clock.
pub(super) async fn read(
    fleet: &Fleet,
    names: &Names,
    now_ms: i64,
    begin: &Begin<'_>,
    until: Instant,
) -> Stored<(Standing, Vec<Stale>)> {
    let mut orders = Vec::new();
    for (who, meter, touch) in begin.meters {
        orders.extend(meters::orders(names, now_ms, who, meter, *touch));
    }
    if let Some(session) = &begin.session {
        orders.push(Order::get(&names.session(session)));
        orders.extend(marks(names, session).iter().map(Order::get));
    }
    orders.extend(begin.locks.iter().map(|who| Order::get(&names.lock(who))));
    for (account, drawer, id) in begin.entries {
        orders.push(Order::new(&names.drawer(account, *drawer), "HGET", |cmd| cmd.arg(id)));
    }
    if orders.is_empty() {
        return Ok((Standing::default(), Vec::new()));
    }
    let manner = if is_durable(begin) { Manner::Durable } else { Manner::Swift };
    let mut answers = fleet.run(orders, manner, until).await?.into_iter();

    let mut standing = Standing::default();
    let mut stale = Vec::new();
    for (who, meter, touch) in begin.meters {
        let (count, tenths) = meters::read(now_ms, meter, *touch, &mut answers)?;
        let key = meters::key(names, who, meter);
        let lossy = fleet.may_have_lost(key.slot, meter.window);
        standing.counts.push(if lossy { meters::presumed(meter, count) } else { count });
        if !tenths.is_empty() {
            stale.push(Stale { key, tenths });
        }
    }
    if begin.session.is_some() {
        let there = reply::maybe_bytes(reply::next(&mut answers)?)?;
        let mut void_ms = i64::MIN;
        for _ in 0..2 {
            void_ms = void_ms.max(reply::maybe_number(&reply::next(&mut answers)?)?.unwrap_or(i64::MIN));
        }
        if let Some(kept) = there.map(Kept::read).transpose()? {
            standing.was_replaced = kept.was_replaced(now_ms);
            standing.session = kept.live(now_ms, void_ms);
        }
    }
    for _ in begin.locks {
        let until_ms = reply::maybe_number(&reply::next(&mut answers)?)?;
        standing.locked_until_ms.push(until_ms.filter(|until_ms| *until_ms > now_ms));
    }
    for _ in begin.entries {
        standing.entries.push(reply::maybe_bytes(reply::next(&mut answers)?)?);
    }
    Ok((standing, stale))
}

/// A session as it lies in Redis: version, beginning and end (8 bytes each, the highest first), ciphertext.
pub(super) struct Kept {
    pub(super) begun_ms: i64,
    pub(super) expires_ms: i64,
    pub(super) session: Session,
}

impl Kept {
    pub(super) fn read(bytes: Vec<u8>) -> Stored<Kept> {
        let fields = || {
            let (version, rest) = bytes.split_first_chunk()?;
            let (begun, rest) = rest.split_first_chunk()?;
            let (expires, sealed) = rest.split_first_chunk()?;
            Some(Kept {
                begun_ms: i64::from_be_bytes(*begun),
                expires_ms: i64::from_be_bytes(*expires),
                session: Session { version: u64::from_be_bytes(*version), sealed: sealed.to_vec() },
            })
        };
        fields().ok_or_else(|| reply::odd("a session"))
    }

    /// What lies in the place of a session that was replaced, until that moment: no session, for it is over.
    pub(super) fn replaced(until_ms: i64) -> Kept {
        Kept { begun_ms: until_ms, expires_ms: 0, session: Session { version: 0, sealed: Vec::new() } }
    }

    /// Whether it tells that a session was replaced lately. A session's version is 1 or more.
    pub(super) fn was_replaced(&self, now_ms: i64) -> bool {
        self.session.version == 0 && self.begun_ms > now_ms
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + self.session.sealed.len());
        bytes.extend(self.session.version.to_be_bytes());
        bytes.extend(self.begun_ms.to_be_bytes());
        bytes.extend(self.expires_ms.to_be_bytes());
        bytes.extend(&self.session.sealed);
        bytes
    }

    /// The session, unless it is over, or void because it began at or before that moment.
    pub(super) fn live(self, now_ms: i64, void_ms: i64) -> Option<Session> {
        // INVARIANT: a mark outlives every session it voids.
        let is_live =
            self.expires_ms > now_ms && self.begun_ms.saturating_add(MARK_KEPT_MS) > now_ms && self.begun_ms > void_ms;
        is_live.then_some(self.session)
    }
}

#[cfg(test)]
mod tests {
    use super::Kept;
    use crate::store::Session;

    #[test]
    fn a_session_reads_back_and_counts_only_while_it_is_neither_over_nor_void() {
        let session = Session { version: 3, sealed: vec![1, 2, 3] };
        let kept = Kept { begun_ms: 100, expires_ms: 200, session: session.clone() };
        let read = || Kept::read(kept.write()).unwrap();
        assert_eq!(read().live(199, 99), Some(session));
        for (now_ms, void_ms) in [(200, 0), (150, 100), (i64::MAX, 0)] {
            assert_eq!(read().live(now_ms, void_ms), None, "{now_ms} {void_ms}");
        }
        assert!(Kept::read(vec![0; 23]).is_err());
        assert!(!read().was_replaced(99));
    }

    #[test]
    fn what_was_replaced_is_no_session_and_is_known_for_a_while() {
        let read = || Kept::read(Kept::replaced(500).write()).unwrap();
        assert_eq!(read().live(1, i64::MIN), None);
        assert!(read().was_replaced(499) && !read().was_replaced(500));
    }
}
