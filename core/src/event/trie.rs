//! Where the patterns of all events are looked up: hosts first, then a tree of path segments.
//!
//! The children of every node stand in one open-addressed table ([`names`]), so that a step costs one probe however many
//! events there are. Names are found without regard to case, and the last one also without its suffix. What a node has
//! lies beside what the next one has, in a few flat lists: a large release is built fast and stays in the caches.

use std::{borrow::Cow, ops::Range};

use crate::event::{
    Host, Segment,
    trie::{build::Builder, names::Names},
};

mod build;
mod names;

/// Suffixes that frameworks take off a path before they look for a handler.
const SUFFIXES: [&str; 3] = [".json", ".html", ".xml"];

const EXACT_HOSTS: u32 = 0;
const HOSTS_UNDER: u32 = 1;
const ANY_HOST: u32 = 2;

/// The tree; a pattern is known by its place in the list it was built from.
#[derive(Debug, Default)]
pub struct Trie {
    /// One more than there are, so that each has a next one.
    nodes: Vec<Node>,
    names: Names,
    /// Children for segments with text and a parameter.
    affixed: Vec<(Segment, u32)>,
    /// Patterns, by the node at which they end.
    ends: Vec<u32>,
}

/// Where the things of a node begin; they end where those of the next node begin.
#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// Whether it has children in [`Names`].
    named: bool,
    /// The child for any one segment. No child is node 0, which stands for none.
    any: u32,
    /// In [`Trie::affixed`].
    affixed: u32,
    /// In [`Trie::ends`]: patterns that end here.
    here: u32,
    /// In [`Trie::ends`]: patterns that go on with `**`.
    rest: u32,
}

/// A node with what it has.
#[derive(Clone, Copy)]
struct Seen<'t> {
    named: bool,
    any: Option<u32>,
    affixed: &'t [(Segment, u32)],
    here: &'t [u32],
    rest: &'t [u32],
}

impl Trie {
    /// A tree of these patterns.
    pub fn build<'a>(patterns: impl IntoIterator<Item = (&'a Host, &'a [Segment])>) -> Self {
        let mut builder = Builder::default();
        for (rank, (host, path)) in patterns.into_iter().enumerate() {
            builder.add(rank as u32, host, path);
        }
        builder.finish()
    }

    fn node(&self, at: u32) -> Option<Seen<'_>> {
        let node = self.nodes.get(at as usize)?;
        let next = self.nodes.get(at as usize + 1)?;
        Some(Seen {
            named: node.named,
            any: (node.any != 0).then_some(node.any),
            affixed: self.affixed.get(places(node.affixed, next.affixed))?,
            here: self.ends.get(places(node.here, node.rest))?,
            rest: self.ends.get(places(node.rest, next.here))?,
        })
    }

    /// The patterns that cover these segments on this host, in no order and some of them twice.
    pub fn find<'p>(&self, host: &str, segments: impl Iterator<Item = &'p str> + Clone) -> Vec<u32> {
        let mut found = Vec::new();
        if let Some(root) = self.child(EXACT_HOSTS, host) {
            self.walk(root, segments.clone(), &mut found);
        }
        if self.node(HOSTS_UNDER).is_some_and(|it| it.named) {
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
        let Some(node) = self.node(at) else { return };
        found.extend(node.rest);
        let Some(segment) = segments.next() else {
            found.extend(node.here);
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
            for (affixed, child) in node.affixed {
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
        let Some(node) = self.node(at) else { return };
        found.extend(node.rest);
        let Some((segment, path)) = path.split_first() else {
            found.extend(node.here);
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

fn places(start: u32, end: u32) -> Range<usize> {
    start as usize..end as usize
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
        Segment::Affixed(it) => between(text, &it.prefix, &it.suffix).is_some_and(|middle| {
            let start = text.get(..it.prefix.len()).unwrap_or_default();
            let end = text.get(it.prefix.len() + middle.len()..).unwrap_or_default();
            equal(&it.prefix, start) && equal(&it.suffix, end)
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
        (Segment::Affixed(own), Segment::Affixed(other)) => {
            other.prefix.starts_with(&*own.prefix) && other.suffix.ends_with(&*own.suffix)
        }
        (Segment::Affixed(own), Segment::Literal(text)) => {
            let rest = text.strip_prefix(&*own.prefix).and_then(|rest| rest.strip_suffix(&*own.suffix));
            rest.is_some_and(|middle| !middle.is_empty())
        }
        (Segment::Affixed(_), Segment::Parameter(_) | Segment::One | Segment::Rest) => false,
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
