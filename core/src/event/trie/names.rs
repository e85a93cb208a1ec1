//! The named children of all nodes of the tree: one table, open-addressed with linear probing and at most half full.

/// Children by parent and name. Names are folded ([`crate::event::trie::folded`]).
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Upper half of the hash, and one more than the index in `edges`; 0 is a free slot. A power of two of them.
    slots: Vec<(u32, u32)>,
    edges: Vec<Edge>,
    text: String,
}

#[derive(Debug)]
struct Edge {
    parent: u32,
    child: u32,
    start: u32,
    end: u32,
}

impl Names {
    /// The child of this name, which is ASCII in any case, or folded.
    pub(super) fn find(&self, parent: u32, name: &str) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let hash = hash(parent, name);
        let mut at = hash as usize & mask;
        loop {
            let (tag, edge) = *self.slots.get(at)?;
            let edge = self.edges.get(edge.checked_sub(1)? as usize)?;
            if tag == (hash >> 32) as u32 && edge.parent == parent && self.text_of(edge).eq_ignore_ascii_case(name) {
                return Some(edge.child);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a child under a folded name that its parent has not yet.
    pub(super) fn add(&mut self, parent: u32, name: &str, child: u32) {
        let start = self.text.len() as u32;
        self.text.push_str(name);
        self.edges.push(Edge { parent, child, start, end: self.text.len() as u32 });
        if self.edges.len() * 2 > self.slots.len() {
            self.slots = vec![(0, 0); (self.edges.len() * 2).next_power_of_two()];
            for edge in 0..self.edges.len() {
                self.place(edge);
            }
        } else {
            self.place(self.edges.len() - 1);
        }
    }

    /// Gives back what was kept for further names.
    pub(super) fn shrink(&mut self) {
        self.edges.shrink_to_fit();
        self.text.shrink_to_fit();
    }

    fn place(&mut self, edge: usize) {
        let Some(it) = self.edges.get(edge) else { return };
        let hash = hash(it.parent, self.text_of(it));
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots.get(at).is_some_and(|(_, taken)| *taken != 0) {
            at = (at + 1) & mask;
        }
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = ((hash >> 32) as u32, edge as u32 + 1);
        }
    }

    fn text_of(&self, edge: &Edge) -> &str {
        self.text.get(edge.start as usize..edge.end as usize).unwrap_or_default()
    }
}

/// FNV-1a over the parent and the lower-case text. The table never changes, so nobody can fill a slot by asking.
fn hash(parent: u32, name: &str) -> u64 {
    const PRIME: u64 = 0x100_0000_01b3;
    let start = (0xcbf2_9ce4_8422_2325 ^ u64::from(parent)).wrapping_mul(PRIME);
    let hash = name.bytes().fold(start, |hash, it| (hash ^ u64::from(it.to_ascii_lowercase())).wrapping_mul(PRIME));
    hash ^ (hash >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_under_its_own_parent_and_nothing_else_is() {
        let mut names = Names::default();
        assert_eq!(names.find(0, "a"), None);
        for child in 1..5_000 {
            names.add(child % 7, &format!("name-{child}"), child);
        }
        for child in 1..5_000 {
            assert_eq!(names.find(child % 7, &format!("Name-{child}")), Some(child));
            assert_eq!(names.find(child % 7 + 1, &format!("name-{child}")), None);
        }
        assert!(names.slots.len() >= 2 * names.edges.len(), "a look-up ends at a free slot");
    }
}
