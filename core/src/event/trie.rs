//! Where the patterns of all events are looked up: hosts first, then a tree of path segments.
//!
//! The children of every node stand in one open-addressed table, so that a step costs one probe however many events
//! there are. Names are found without regard to case, and the last one also without its suffix.

use std::{borrow::Cow, collections::BTreeMap};

use crate::event::{Host, Segment};

/// Suffixes that frameworks take off a path before they look for a handler.
const SUFFIXES: [&str; 3] = [".json", ".html", ".xml"];

const EXACT_HOSTS: u32 = 0;
const HOSTS_UNDER: u32 = 1;
const ANY_HOST: u32 = 2;

/// The tree; a pattern is known by its place in the list it was built from.
#[derive(Debug, Default)]
pub struct Trie {
    nodes: Vec<Node>,
    names: Names,
}

#[derive(Debug, Default)]
struct Node {
    /// Whether it has children in [`Names`].
    named: bool,
    affixed: Vec<(Segment, u32)>,
    /// The child for any one segment.
    any: Option<u32>,
    /// Patterns that end here.
    here: Vec<u32>,
    /// Patterns that go on with `**`.
    rest: Vec<u32>,
}

impl Trie {
    /// A tree of these patterns.
    pub fn build<'a>(patterns: impl IntoIterator<Item = (&'a Host, &'a [Segment])>) -> Self {
        let mut builder = Builder { nodes: Vec::new(), names: BTreeMap::new() };
        builder.nodes.resize_with(ANY_HOST as usize + 1, Node::default);
        for (rank, (host, path)) in patterns.into_iter().enumerate() {
            builder.add(rank as u32, host, path);
        }
        Trie { nodes: builder.nodes, names: Names::of(&builder.names) }
    }

    /// The patterns that cover these segments on this host, in no order and some of them twice.
    pub fn find<'p>(&self, host: &str, segments: impl Iterator<Item = &'p str> + Clone) -> Vec<u32> {
        let mut found = Vec::new();
        if let Some(root) = self.child(EXACT_HOSTS, host) {
            self.walk(root, segments.clone(), &mut found);
        }
        if self.nodes.get(HOSTS_UNDER as usize).is_some_and(|it| it.named) {
            for (at, _) in host.match_indices('.') {
                if let Some(root) = host.get(at + 1..).and_then(|name| self.child(HOSTS_UNDER, name)) {
                    self.walk(root, segments.clone(), &mut found);
                }
            }
        }
        self.walk(ANY_HOST, segments, &mut found);
        found
    }

    /// Goes as deep as the deepest pattern, never as deep as the path.
    fn walk<'p>(&self, at: u32, mut segments: impl Iterator<Item = &'p str> + Clone, found: &mut Vec<u32>) {
        let Some(node) = self.nodes.get(at as usize) else { return };
        found.extend(&node.rest);
        let Some(segment) = segments.next() else {
            found.extend(&node.here);
            return;
        };
        if !node.named && node.affixed.is_empty() && node.any.is_none() {
            return;
        }
        let last = segments.clone().next().is_none();
        let bare = if last { without_suffix(segment) } else { None };
        for text in std::iter::once(segment).chain(bare) {
            if node.named
                && let Some(child) = self.child(at, text)
            {
                self.walk(child, segments.clone(), found);
            }
            for (affixed, child) in &node.affixed {
                if fits(affixed, text, same) {
                    self.walk(*child, segments.clone(), found);
                }
            }
        }
        if let Some(child) = node.any.filter(|_| !segment.is_empty()) {
            self.walk(child, segments, found);
        }
    }

    /// The patterns, in no order, that cover every request that this one covers; itself among them. Those whose text
    /// differs only in case are among them too.
    pub fn covering(&self, host: &Host, path: &[Segment]) -> Vec<u32> {
        let mut found = Vec::new();
        self.walk_pattern(ANY_HOST, path, &mut found);
        if let Host::Exactly(name) = host
            && let Some(root) = self.child(EXACT_HOSTS, name)
        {
            self.walk_pattern(root, path, &mut found);
        }
        for root in wider_names(host).filter_map(|name| self.child(HOSTS_UNDER, name)) {
            self.walk_pattern(root, path, &mut found);
        }
        found
    }

    fn walk_pattern(&self, at: u32, path: &[Segment], found: &mut Vec<u32>) {
        let Some(node) = self.nodes.get(at as usize) else { return };
        found.extend(&node.rest);
        let Some((segment, path)) = path.split_first() else {
            found.extend(&node.here);
            return;
        };
        if let Segment::Literal(text) = segment
            && let Some(child) = self.child(at, text)
        {
            self.walk_pattern(child, path, found);
        }
        for (_, child) in node.affixed.iter().filter(|(own, _)| fits_all_of(own, segment)) {
            self.walk_pattern(*child, path, found);
        }
        if let Some(child) = node.any.filter(|_| *segment != Segment::Rest) {
            self.walk_pattern(child, path, found);
        }
    }

    fn child(&self, parent: u32, text: &str) -> Option<u32> {
        if text.is_ascii() { self.names.find(parent, text) } else { self.names.find(parent, &folded(text)) }
    }
}

/// Text as names are compared: upper and lower case are one, also where Unicode maps a letter to ASCII (`K` to `k`).
pub fn folded(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return if text.bytes().any(|it| it.is_ascii_uppercase()) {
            text.to_ascii_lowercase().into()
        } else {
            text.into()
        };
    }
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// Whether two names are one to a back end that does not mind case.
pub fn same(one: &str, other: &str) -> bool {
    one == other || folded(one) == folded(other)
}

/// A name without the suffix that a framework may take off.
pub fn without_suffix(name: &str) -> Option<&str> {
    SUFFIXES.iter().find_map(|suffix| {
        let (bare, end) = name.split_at_checked(name.len().checked_sub(suffix.len())?)?;
        (!bare.is_empty() && end.eq_ignore_ascii_case(suffix)).then_some(bare)
    })
}

/// Whether the text that a pattern's segment writes out is in `text`; segments without text fit everything.
pub fn fits(segment: &Segment, text: &str, equal: fn(&str, &str) -> bool) -> bool {
    match segment {
        Segment::Literal(own) => equal(own, text),
        Segment::Affixed { prefix, suffix, .. } => between(text, prefix, suffix).is_some_and(|middle| {
            let start = text.get(..prefix.len()).unwrap_or_default();
            let end = text.get(prefix.len() + middle.len()..).unwrap_or_default();
            equal(prefix, start) && equal(suffix, end)
        }),
        Segment::Parameter(_) | Segment::One | Segment::Rest => true,
    }
}

/// What stands in `text` where the parameter of an affixed segment is; never empty.
pub fn between<'t>(text: &'t str, prefix: &str, suffix: &str) -> Option<&'t str> {
    let end = text.len().checked_sub(suffix.len())?;
    text.get(prefix.len()..end).filter(|it| !it.is_empty())
}

/// Whether every text that fits `other` fits `own`.
fn fits_all_of(own: &Segment, other: &Segment) -> bool {
    match (own, other) {
        (Segment::Parameter(_) | Segment::One, Segment::Rest) | (Segment::Literal(_), _) => false,
        (Segment::Parameter(_) | Segment::One | Segment::Rest, _) => true,
        (Segment::Affixed { prefix, suffix, .. }, Segment::Affixed { prefix: its, suffix: end, .. }) => {
            its.starts_with(&**prefix) && end.ends_with(&**suffix)
        }
        (Segment::Affixed { prefix, suffix, .. }, Segment::Literal(text)) => {
            text.len() > prefix.len() + suffix.len() && text.starts_with(&**prefix) && text.ends_with(&**suffix)
        }
        (Segment::Affixed { .. }, Segment::Parameter(_) | Segment::One | Segment::Rest) => false,
    }
}

/// The names under which hosts that are wider than this one stand: itself, and every suffix.
fn wider_names(host: &Host) -> impl Iterator<Item = &str> {
    let name = match host {
        Host::Any => "",
        Host::Under(name) | Host::Exactly(name) => name,
    };
    let own = matches!(host, Host::Under(_)).then_some(name);
    own.into_iter().chain(name.match_indices('.').filter_map(|(at, _)| name.get(at + 1..)))
}

struct Builder {
    nodes: Vec<Node>,
    names: BTreeMap<(u32, String), u32>,
}

impl Builder {
    fn add(&mut self, rank: u32, host: &Host, path: &[Segment]) {
        let mut at = match host {
            Host::Any => ANY_HOST,
            Host::Under(name) => self.named(HOSTS_UNDER, name),
            Host::Exactly(name) => self.named(EXACT_HOSTS, name),
        };
        for segment in path {
            at = match segment {
                Segment::Literal(text) => self.named(at, text),
                Segment::Affixed { prefix, suffix, .. } => self.affixed(at, segment, prefix, suffix),
                Segment::Parameter(_) | Segment::One => self.any(at),
                Segment::Rest => return self.change(at, |node| node.rest.push(rank)),
            };
        }
        self.change(at, |node| node.here.push(rank));
    }

    fn change(&mut self, at: u32, change: impl FnOnce(&mut Node)) {
        if let Some(node) = self.nodes.get_mut(at as usize) {
            change(node);
        }
    }

    fn grow(&mut self) -> u32 {
        self.nodes.push(Node::default());
        self.nodes.len() as u32 - 1
    }

    fn named(&mut self, at: u32, text: &str) -> u32 {
        let key = (at, folded(text).into_owned());
        if let Some(child) = self.names.get(&key) {
            return *child;
        }
        let child = self.grow();
        self.change(at, |node| node.named = true);
        self.names.insert(key, child);
        child
    }

    fn affixed(&mut self, at: u32, segment: &Segment, prefix: &str, suffix: &str) -> u32 {
        let alike = |it: &Segment| match it {
            Segment::Affixed { prefix: own, suffix: end, .. } => **own == *prefix && **end == *suffix,
            Segment::Literal(_) | Segment::Parameter(_) | Segment::One | Segment::Rest => false,
        };
        let known = self.nodes.get(at as usize).and_then(|node| node.affixed.iter().find(|(it, _)| alike(it)));
        if let Some((_, child)) = known {
            return *child;
        }
        let child = self.grow();
        self.change(at, |node| node.affixed.push((segment.clone(), child)));
        child
    }

    fn any(&mut self, at: u32) -> u32 {
        if let Some(child) = self.nodes.get(at as usize).and_then(|node| node.any) {
            return child;
        }
        let child = self.grow();
        self.change(at, |node| node.any = Some(child));
        child
    }
}

/// The named children of all nodes, open-addressed with linear probing and at most half full.
#[derive(Debug, Default)]
struct Names {
    /// Upper half of the hash, and one more than the index in `edges`; 0 is a free slot.
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
    fn of(names: &BTreeMap<(u32, String), u32>) -> Self {
        let size = (names.len() * 2).next_power_of_two();
        let mut made = Names { slots: vec![(0, 0); size], edges: Vec::with_capacity(names.len()), text: String::new() };
        for ((parent, name), child) in names {
            let start = made.text.len() as u32;
            made.text.push_str(name);
            made.edges.push(Edge { parent: *parent, child: *child, start, end: made.text.len() as u32 });
            let hash = hash(*parent, name);
            let mut at = hash as usize & (size - 1);
            while made.slots.get(at).is_some_and(|(_, edge)| *edge != 0) {
                at = (at + 1) & (size - 1);
            }
            if let Some(slot) = made.slots.get_mut(at) {
                *slot = ((hash >> 32) as u32, made.edges.len() as u32);
            }
        }
        made
    }

    /// `name` is ASCII in any case, or folded.
    fn find(&self, parent: u32, name: &str) -> Option<u32> {
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
    fn names_are_found_without_regard_to_case() {
        assert!(same("Admin", "aDMIN"));
        assert!(same("kasse", "\u{212A}a\u{17F}\u{17F}e"), "the Kelvin sign is a k and the long s an s");
        assert!(!same("admin", "admi"));
    }

    #[test]
    fn only_a_known_suffix_is_taken_off_and_never_the_whole_name() {
        assert_eq!(without_suffix("transfer.JSON"), Some("transfer"));
        assert_eq!(without_suffix("transfer.csv"), None);
        assert_eq!(without_suffix(".json"), None);
        assert_eq!(without_suffix("é"), None);
    }

    #[test]
    fn an_affix_leaves_at_least_one_character() {
        assert_eq!(between("report-7.pdf", "report-", ".pdf"), Some("7"));
        assert_eq!(between("report-.pdf", "report-", ".pdf"), None);
        assert_eq!(between("aba", "ab", "ba"), None);
    }
}
