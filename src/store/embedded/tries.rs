//! Tries at what somebody guards: counted in their windows, then for ever, before any answer is looked at.
//!
//! Each counter is raised under its own lock, and every caller sees its own hit: of many at once exactly as many are let
//! through as there is room for. When the disk takes nothing, nothing is counted and no answer is looked at.

use crate::store::{
    Attempt, Ever, Stored, Touch, Tried, Trying,
    embedded::{
        Shelves,
        journal::{Ack, Journal},
    },
};

impl Shelves {
    /// The answer, and the promise to wait for before it is given.
    pub(super) fn count_try(
        &self,
        journal: &Journal,
        now_ms: i64,
        trying: &Trying<'_>,
    ) -> Stored<(Tried, Option<Ack>)> {
        if let Some(until_ms) = self.locks.until(now_ms, &trying.who) {
            return Ok((Tried::Closed(until_ms), None));
        }
        let hit = |meter| self.meters.touch(journal, now_ms, trying.who, meter, Touch::Hit);
        let [(in_first, first), (in_second, second)] = trying.windows.each_ref().map(hit);
        let (_, own) = hit(&trying.own);
        // Rows reach the disk in order: the last one there means all of them.
        let counted = own.or(second).or(first);
        let in_windows = [in_first, in_second];
        if in_windows.iter().zip(&trying.windows).any(|(count, window)| *count > window.bound()) {
            return self.closed(journal, trying);
        }
        match trying.ever {
            Ever::Unbounded => Ok((Tried::Counted { in_windows, ever: 0 }, counted)),
            Ever::SetUp(lasting) => match self.drawers.count(journal, trying.who.id, lasting)? {
                Some((ever, ack)) => Ok((Tried::Counted { in_windows, ever }, Some(ack))),
                None => self.closed(journal, trying),
            },
            Ever::Nobody { most, expires_ms } => {
                let place = (trying.who.id, trying.who.id);
                let tries = u32::try_from(most).unwrap_or(u32::MAX);
                self.challenges.issue(journal, place, tries, Vec::new(), expires_ms)?;
                match self.challenges.attempt(journal, now_ms, place) {
                    (Attempt::Granted { left, .. }, ack) => {
                        let ever = most.saturating_sub(u64::from(left));
                        Ok((Tried::Counted { in_windows, ever }, ack))
                    }
                    (Attempt::Exhausted, _) => self.closed(journal, trying),
                    // Over, and not forgotten yet. There is nothing to guess: the windows are enough.
                    (Attempt::Gone, _) => Ok((Tried::Counted { in_windows, ever: 0 }, counted)),
                }
            }
        }
    }

    /// The promise to wait for, if anything has to last.
    pub(super) fn forgive_try(
        &self,
        journal: &Journal,
        now_ms: i64,
        trying: &Trying<'_>,
        slips_max: u64,
    ) -> Stored<Option<Ack>> {
        trying.windows.iter().for_each(|window| self.meters.refund(journal, now_ms, trying.who, window));
        let Ever::SetUp(lasting) = trying.ever else { return Ok(None) };
        let (slips, _) = self.meters.touch(journal, now_ms, trying.who, &trying.own, Touch::Look);
        self.drawers.forgive(journal, trying.who.id, lasting, slips.min(slips_max)).map(Some)
    }

    fn closed(&self, journal: &Journal, trying: &Trying<'_>) -> Stored<(Tried, Option<Ack>)> {
        let ack = self.locks.lock(journal, trying.who, trying.closed_until_ms)?;
        Ok((Tried::Closed(trying.closed_until_ms), Some(ack)))
    }
}
