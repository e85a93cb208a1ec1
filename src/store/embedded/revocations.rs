//! The revocation log: numbered without gaps, so that a reader who fell behind what is kept can see it.

use std::{collections::VecDeque, sync::Mutex, time::Duration};

use tokio::{sync::watch, time};

use crate::store::{
    Counted, LOG_READ_MAX, LogPosition, Revocation,
    embedded::{
        disk::{Table, Write},
        journal::{Ack, Journal},
        locks,
        row::{Fields, Row, Torn},
        sharded::held,
    },
};

/// How many entries are kept.
const KEPT: usize = 100_000;

pub(super) struct Revocations {
    entries: Mutex<VecDeque<(LogPosition, Revocation)>>,
    newest: watch::Sender<LogPosition>,
}

/// A row as its place and its entry.
pub(super) fn read(key: &[u8], value: &[u8]) -> Result<(LogPosition, Revocation), Torn> {
    let mut at = Fields(key);
    let position = at.u64()?;
    at.end()?;
    let mut row = Fields(value);
    let target = Counted { kind: locks::numbered(row.u8()?)?, id: row.id()? };
    let revocation = Revocation { target, before_ms: row.i64()? };
    row.end().map(|()| (position, revocation))
}

/// An entry as a row.
pub(super) fn row(position: LogPosition, revocation: &Revocation) -> Write {
    let Revocation { target, before_ms } = revocation;
    let row = Row::default().u8(locks::number(target.kind)).id(&target.id).i64(*before_ms).done();
    Write { table: Table::Revocations, key: Row::default().u64(position).done(), value: Some(row) }
}

impl Revocations {
    pub(super) fn new() -> Self {
        Self { entries: Mutex::default(), newest: watch::Sender::new(0) }
    }

    /// Rows come in order, because their keys are big-endian.
    pub(super) fn load(&self, key: &[u8], value: &[u8]) -> Result<Revocation, Torn> {
        let (position, revocation) = read(key, value)?;
        held(&self.entries).push_back((position, revocation));
        self.newest.send_replace(position);
        Ok(revocation)
    }

    pub(super) fn add(&self, journal: &Journal, revocation: Revocation) -> (LogPosition, Ack) {
        let mut entries = held(&self.entries);
        let position = self.newest.borrow().saturating_add(1);
        let ack = journal.durably(row(position, &revocation));
        entries.push_back((position, revocation));
        if entries.len() > KEPT
            && let Some((oldest, _)) = entries.pop_front()
        {
            let key = Row::default().u64(oldest).done();
            journal.later([Write { table: Table::Revocations, key, value: None }]);
        }
        // Under the lock: whoever comes next takes the next position.
        self.newest.send_replace(position);
        drop(entries);
        (position, ack)
    }

    pub(super) fn newest(&self) -> LogPosition {
        *self.newest.borrow()
    }

    pub(super) async fn after(&self, position: LogPosition, wait: Duration) -> Vec<(LogPosition, Revocation)> {
        let mut newest = self.newest.subscribe();
        // Either there is something, or the time is over, or the store is going away: the entries tell.
        let _ = time::timeout(wait, newest.wait_for(|newest| *newest > position)).await;
        let entries = held(&self.entries);
        let from = entries.partition_point(|(at, _)| *at <= position);
        entries.range(from..).take(LOG_READ_MAX).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;
    use crate::store::Kind;

    #[test]
    fn no_two_revocations_have_one_position() {
        let log = Arc::new(Revocations::new());
        let add = |who: u8| {
            let log = log.clone();
            move || {
                let revocation = Revocation { target: Counted { kind: Kind::Account, id: [who; 16] }, before_ms: 1 };
                (0..2_000).map(|_| log.add(&Journal::in_memory(), revocation).0).collect::<Vec<_>>()
            }
        };
        let writers: Vec<_> = (0..8).map(|who| thread::spawn(add(who))).collect();
        let mut positions: Vec<_> = writers.into_iter().flat_map(|it| it.join().unwrap()).collect();
        positions.sort_unstable();
        assert!(positions.into_iter().eq(1..=16_000));
    }
}
