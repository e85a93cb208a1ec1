//! Grows a tree pattern by pattern, and lays it out flat when all are in.

use std::{collections::BTreeMap, sync::Arc};

use crate::event::{
    Host, Segment,
    trie::{ANY_HOST, EXACT_HOSTS, HOSTS_UNDER, Node, Trie, folded, names::Names},
};

/// A tree that still grows.
#[derive(Debug)]
pub(super) struct Builder {
    branches: Vec<Branch>,
    names: Names,
    /// By parent, prefix and suffix: the segment and the child.
    affixed: BTreeMap<Affixes, (Segment, u32)>,
    ends: Vec<End>,
}

/// A parent, and what its child's segment begins and ends with.
type Affixes = (u32, Arc<str>, Arc<str>);

/// A node whose lists are not laid out yet.
#[derive(Clone, Copy, Debug, Default)]
struct Branch {
    named: bool,
    any: u32,
}

/// Where a pattern ends. In the order in which they are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    node: u32,
    /// With `**`.
    rest: bool,
    rank: u32,
}

impl Default for Builder {
    /// The three nodes under which hosts stand.
    fn default() -> Self {
        Builder {
            branches: vec![Branch::default(); ANY_HOST as usize + 1],
            names: Names::default(),
            affixed: BTreeMap::new(),
            ends: Vec::new(),
        }
    }
}

impl Builder {
    /// Adds the pattern of this rank.
    pub(super) fn add(&mut self, rank: u32, host: &Host, path: &[Segment]) {
        let mut at = match host {
            Host::Any => ANY_HOST,
            Host::Under(name) => self.named(HOSTS_UNDER, name),
            Host::Exactly(name) => self.named(EXACT_HOSTS, name),
        };
        for segment in path {
            at = match segment {
                Segment::Literal(text) => self.named(at, text),
                Segment::Affixed(it) => self.affixed(at, segment, &it.prefix, &it.suffix),
                Segment::Parameter(_) | Segment::One => self.any(at),
                Segment::Rest => return self.ends.push(End { node: at, rest: true, rank }),
            };
        }
        self.ends.push(End { node: at, rest: false, rank });
    }

    /// The tree.
    pub(super) fn finish(mut self) -> Trie {
        self.ends.sort_unstable();
        let mut ends = self.ends.iter().peekable();
        let mut affixed = self.affixed.into_iter().peekable();
        let mut trie = Trie {
            nodes: Vec::with_capacity(self.branches.len() + 1),
            ends: Vec::with_capacity(self.ends.len()),
            ..Trie::default()
        };
        for (at, branch) in (0u32..).zip(self.branches.iter().copied().chain([Branch::default()])) {
            let mut node = Node { named: branch.named, any: branch.any, ..Node::default() };
            node.affixed = trie.affixed.len() as u32;
            while let Some((_, child)) = affixed.next_if(|((parent, ..), _)| *parent == at) {
                trie.affixed.push(child);
            }
            node.here = trie.ends.len() as u32;
            while let Some(end) = ends.next_if(|end| end.node == at && !end.rest) {
                trie.ends.push(end.rank);
            }
            node.rest = trie.ends.len() as u32;
            while let Some(end) = ends.next_if(|end| end.node == at) {
                trie.ends.push(end.rank);
            }
            trie.nodes.push(node);
        }
        self.names.shrink();
        Trie { names: self.names, ..trie }
    }

    fn grow(&mut self) -> u32 {
        self.branches.push(Branch::default());
        self.branches.len() as u32 - 1
    }

    fn named(&mut self, at: u32, text: &str) -> u32 {
        let name = folded(text);
        if let Some(child) = self.names.find(at, &name) {
            return child;
        }
        let child = self.grow();
        self.names.add(at, &name, child);
        if let Some(branch) = self.branches.get_mut(at as usize) {
            branch.named = true;
        }
        child
    }

    fn affixed(&mut self, at: u32, segment: &Segment, prefix: &Arc<str>, suffix: &Arc<str>) -> u32 {
        let key = (at, prefix.clone(), suffix.clone());
        if let Some((_, child)) = self.affixed.get(&key) {
            return *child;
        }
        let child = self.grow();
        self.affixed.insert(key, (segment.clone(), child));
        child
    }

    fn any(&mut self, at: u32) -> u32 {
        if let Some(branch) = self.branches.get(at as usize).filter(|branch| branch.any != 0) {
            return branch.any;
        }
        let child = self.grow();
        if let Some(branch) = self.branches.get_mut(at as usize) {
            branch.any = child;
        }
        child
    }
}
