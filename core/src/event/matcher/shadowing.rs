//! Finds events that can never be recognised, because another one takes every request first. Used by `check`.

use crate::event::{
    Segment,
    matcher::{Entry, Matcher},
};

impl Matcher {
    /// Pairs of an event that is never reached and one that stands before it, by index, lowest first.
    ///
    /// An event counts only if each of its patterns is taken by one that is tried earlier, accepts everything that it
    /// accepts, and never passes on (it is enforced and has neither `only_if` nor `where`).
    pub fn shadowed(&self) -> Vec<(usize, usize)> {
        let mut fates: Vec<(u32, Option<u32>)> = Vec::new();
        for (rank, entry) in self.entries.iter().enumerate().filter(|(_, it)| !it.shadow) {
            fates.push((entry.policy, self.taken_by(rank, entry)));
        }
        fates.sort_unstable();
        let events = fates.chunk_by(|one, other| one.0 == other.0);
        let dead = events.filter(|fates| fates.iter().all(|(_, by)| by.is_some())).filter_map(|fates| fates.first());
        dead.filter_map(|(policy, by)| Some((*policy as usize, (*by)? as usize))).collect()
    }

    fn taken_by(&self, rank: usize, entry: &Entry) -> Option<u32> {
        let wider = self.trie.covering(&entry.host, &entry.path);
        let earlier = wider.into_iter().filter(|it| (*it as usize) < rank);
        earlier.filter_map(|it| self.entries.get(it as usize)).find(|it| it.takes_all_of(entry)).map(|it| it.policy)
    }
}

impl Entry {
    fn takes_all_of(&self, other: &Entry) -> bool {
        let methods = match (self.method.as_deref(), other.method.as_deref()) {
            (None, _) | (Some("GET"), Some("GET" | "HEAD")) => true,
            (Some(own), Some(its)) => own == its,
            (Some(_), None) => false,
        };
        // The tree does not mind case; patterns that differ in it are told apart where the request writes one out.
        let same_text = self.path.iter().zip(&*other.path).all(|pair| match pair {
            (Segment::Literal(own), Segment::Literal(its)) => own == its,
            _ => true,
        });
        self.certain && self.policy != other.policy && methods && same_text
    }
}
