//! How far this node has read the log, what the newest entries were about, and since when nothing newer was there.
//!
//! It answers one question: whether something that was known at a place of the log can still be relied on here. It never
//! says yes about another life of the log, about a place that this node has not reached, about anybody whom a later entry
//! names, or while the log is silent. What it has forgotten counts as named.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use crate::store::{Counted, Id, LogPlace, LogPosition};

/// How long after it was last known that this node has read everything it goes by that (`state.md` §4.2).
const CURRENT_FOR: Duration = Duration::from_millis(800);
/// How many entries are remembered.
const ENTRIES_MAX: usize = 10_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Feed {
    life: Option<Id>,
    position: LogPosition,
    /// A moment at which nothing was in the log that is not applied here.
    current_at: Option<Instant>,
    /// The place of the newest entry about each.
    newest: HashMap<Counted, LogPosition>,
    /// The newest entries, the newest last.
    entries: VecDeque<(LogPosition, Counted)>,
    /// The newest entry that is no longer among them.
    forgotten: LogPosition,
}

impl Feed {
    /// From now on the log of another life is read, from its beginning.
    pub(super) fn begin(&mut self, life: Id) {
        *self = Feed { life: Some(life), ..Feed::default() };
    }

    /// Takes in an entry.
    pub(super) fn apply(&mut self, position: LogPosition, target: Counted) {
        if self.entries.len() == ENTRIES_MAX
            && let Some((oldest, whose)) = self.entries.pop_front()
        {
            self.forgotten = oldest;
            if self.newest.get(&whose) == Some(&oldest) {
                self.newest.remove(&whose);
            }
        }
        self.entries.push_back((position, target));
        self.newest.insert(target, position);
        self.position = position;
    }

    /// Everything that was in the log at that moment is applied.
    pub(super) fn was_current(&mut self, at: Instant) {
        self.current_at = Some(at);
    }

    /// Nothing is known of what is in the log.
    pub(super) fn lose(&mut self) {
        self.current_at = None;
    }

    /// Where this node stands, unless nothing is known of what is in the log.
    pub(super) fn place(&self) -> Option<LogPlace> {
        self.life.filter(|_| self.current_at.is_some()).map(|life| LogPlace { life, position: self.position })
    }

    /// Whether what was known of these at that place still holds. `added` is what this process has itself added.
    pub(super) fn vouches(&self, now: Instant, place: LogPlace, added: LogPosition, whom: &[Counted]) -> bool {
        let is_current = self.current_at.is_some_and(|at| now.saturating_duration_since(at) <= CURRENT_FOR);
        let is_reached = self.forgotten <= place.position && place.position.max(added) <= self.position;
        let is_named = |who: &Counted| self.newest.get(who).is_some_and(|at| *at > place.position);
        self.life == Some(place.life) && is_current && is_reached && !whom.iter().any(is_named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Kind;

    fn account(number: u8) -> Counted {
        Counted { kind: Kind::Account, id: [number; 16] }
    }

    #[tokio::test(start_paused = true)]
    async fn it_vouches_for_nothing_that_any_of_its_conditions_speaks_against() {
        let mut feed = Feed::default();
        assert_eq!(feed.place(), None);
        feed.begin([1; 16]);
        feed.apply(10, account(1));
        feed.apply(20, account(2));
        let now = Instant::now();
        let at = |position| LogPlace { life: [1; 16], position };
        assert!(!feed.vouches(now, at(20), 0, &[]) && feed.place().is_none(), "nobody has said yet that this is all");
        feed.was_current(now);
        assert_eq!(feed.place(), Some(at(20)));
        for (place, added, whom, expected) in [
            (at(20), 0, account(1), true),
            (at(20), 20, account(2), true),
            (at(10), 0, account(1), true),
            (at(10), 0, account(2), false),
            (at(9), 0, account(1), false),
            (at(0), 0, account(3), true),
            (at(21), 0, account(3), false),
            (at(20), 21, account(3), false),
            (LogPlace { life: [2; 16], ..at(20) }, 0, account(3), false),
        ] {
            assert_eq!(feed.vouches(now, place, added, &[account(9), whom]), expected, "{place:?} {added} {whom:?}");
        }
        assert!(feed.vouches(now + CURRENT_FOR, at(20), 0, &[]));
        assert!(!feed.vouches(now + CURRENT_FOR + Duration::from_millis(1), at(20), 0, &[]), "silent");
        feed.lose();
        assert!(!feed.vouches(now, at(20), 0, &[]) && feed.place().is_none(), "lost");
    }

    #[tokio::test(start_paused = true)]
    async fn another_life_is_begun_from_nothing() {
        let mut feed = Feed::default();
        feed.begin([1; 16]);
        feed.apply(10, account(1));
        feed.was_current(Instant::now());
        feed.begin([2; 16]);
        let before = LogPlace { life: [1; 16], position: 10 };
        let after = LogPlace { life: [2; 16], position: 0 };
        assert!(!feed.vouches(Instant::now(), after, 0, &[]), "not read yet");
        feed.was_current(Instant::now());
        assert!(feed.vouches(Instant::now(), after, 0, &[account(1)]));
        assert!(!feed.vouches(Instant::now(), before, 0, &[]));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_forgotten_counts_as_named() {
        let mut feed = Feed::default();
        feed.begin([1; 16]);
        feed.was_current(Instant::now());
        let max = LogPosition::try_from(ENTRIES_MAX).unwrap();
        (1..=max + 5).for_each(|position| feed.apply(position, account((position % 7) as u8)));
        let vouched = |position| feed.vouches(Instant::now(), LogPlace { life: [1; 16], position }, 0, &[account(9)]);
        assert!(vouched(5) && !vouched(4));
        assert_eq!((feed.entries.len(), feed.newest.len()), (ENTRIES_MAX, 7));
    }
}
