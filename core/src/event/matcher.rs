//! Which events a request may be, most specific first.
//!
//! Every plausible reading of the path ([`crate::event::readings`]) is looked up without regard to case, trailing slash
//! and suffix. Readings that name different events make the request [`Ambiguous`]: it is refused, never guessed at.
//! Nothing is allocated for a plain path that no event covers. Conditions are not evaluated here: whoever asks tries
//! the candidates in order and takes the next one where `only_if` or `where` is false.

use std::{borrow::Cow, cmp::Ordering, sync::Arc};

use crate::event::{
    Cover, Host, Method, Segment,
    readings::{self, Form},
    trie::{self, Trie},
};

pub mod shadowing;

/// What the matcher knows of one event; its place in the list is its index.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Requests that are this event.
    pub covers: &'a [Cover],
    /// What being recognised means for it.
    pub standing: Standing,
}

/// What it means for an event to be recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It decides.
    Decides,
    /// It decides if its `only_if` holds.
    Conditional,
    /// It is decided beside the event that counts, and can neither win nor make a request ambiguous.
    Shadow,
    /// It is never recognised.
    Off,
}

/// An event that a request may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Index of the event.
    pub policy: usize,
    /// Index of the pattern in its `covers`.
    pub cover: usize,
    /// The path's parameters. One that plausible readings disagree about is left out, and so is unknown.
    pub parameters: Vec<(Arc<str>, Arc<str>)>,
}

/// The request reads as different events, or has no safe reading: 400, `path.ambiguous`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous;

/// All events of a release, ready to be recognised. Built once, shared by every request.
#[derive(Debug, Default)]
pub struct Matcher {
    /// Most specific first, so that an index is a rank.
    entries: Vec<Entry>,
    trie: Trie,
}

/// One pattern of one event.
#[derive(Debug)]
struct Entry {
    policy: u32,
    cover: u32,
    method: Option<Method>,
    host: Host,
    path: Arc<[Segment]>,
    /// Whether nothing can make it pass to the next candidate.
    certain: bool,
    shadow: bool,
}

/// An entry that a reading names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hit {
    entry: u32,
    /// The text differs in case from the pattern.
    case: bool,
    /// The text has a suffix that the pattern has not.
    suffix: bool,
    /// The reading, by index.
    form: u32,
}

impl Matcher {
    /// A matcher for these events.
    pub fn build<'a>(events: impl IntoIterator<Item = Event<'a>>) -> Self {
        let mut found: Vec<(usize, usize, &Cover, Standing)> = Vec::new();
        for (policy, event) in events.into_iter().enumerate() {
            if event.standing != Standing::Off {
                found.extend(event.covers.iter().enumerate().map(|(at, cover)| (policy, at, cover, event.standing)));
            }
        }
        found.sort_by(|(p, c, one, its), (q, d, other, theirs)| {
            by_pattern(one, other)
                .then_with(|| predicates(other, *theirs).cmp(&predicates(one, *its)))
                .then((p, c).cmp(&(q, d)))
        });
        let trie = Trie::build(found.iter().map(|(_, _, cover, _)| (&cover.host, &*cover.path)));
        let entries = found.into_iter().map(|(policy, at, cover, standing)| Entry {
            policy: policy as u32,
            cover: at as u32,
            method: cover.method.clone(),
            host: cover.host.clone(),
            path: cover.path.clone(),
            certain: standing == Standing::Decides && cover.matches.is_none(),
            shadow: standing == Standing::Shadow,
        });
        Matcher { entries: entries.collect(), trie }
    }

    /// The events that a request may be, most specific first.
    ///
    /// `methods` are all methods an app may take the request for (one, unless an override header is there),
    /// `host` is lower case without port or trailing dot, `path` is the raw path of the canonical head.
    pub fn candidates(&self, methods: &[&str], host: &str, path: &str) -> Result<Vec<Candidate>, Ambiguous> {
        let (forms, mut reached) = if readings::is_plain(path) {
            let reached = self.trie.find(host, readings::plain(path));
            if reached.is_empty() {
                return Ok(Vec::new());
            }
            let form: Form<'_> = readings::plain(path).map(Cow::Borrowed).collect();
            if let ([rank], [method]) = (&reached[..], methods) {
                // One pattern of one reading contradicts nobody.
                let hits: Vec<Hit> = self.hit(*rank, method, &form, 0).into_iter().collect();
                return Ok(self.candidate(&hits, &[form]).into_iter().collect());
            }
            (vec![form], vec![reached])
        } else {
            let forms = readings::forms(path).ok_or(Ambiguous)?;
            let reached = forms.iter().map(|form| self.trie.find(host, form.iter().map(|it| &**it))).collect();
            (forms, reached)
        };
        let mut named: Vec<Vec<Hit>> = Vec::new();
        for (at, (form, ranks)) in forms.iter().zip(&mut reached).enumerate() {
            ranks.sort_unstable();
            ranks.dedup();
            for method in methods {
                let hits = ranks.iter().filter_map(|rank| self.hit(*rank, method, form, at as u32)).collect();
                self.name(hits, &mut named);
            }
        }
        if self.agree(&named) { Ok(self.merged(&named, &forms)) } else { Err(Ambiguous) }
    }

    /// Whether any event covers this path under any method. Where one does, the body of a form must be read, because
    /// its field `_method` may name that method.
    pub fn covers_path(&self, host: &str, path: &str) -> bool {
        if readings::is_plain(path) {
            return !self.trie.find(host, readings::plain(path)).is_empty();
        }
        let forms = readings::forms(path).unwrap_or_default();
        forms.iter().any(|form| !self.trie.find(host, form.iter().map(|it| &**it)).is_empty())
    }

    fn hit(&self, rank: u32, method: &str, form: &Form<'_>, at: u32) -> Option<Hit> {
        let entry = self.entries.get(rank as usize)?;
        let covered = match entry.method.as_deref() {
            None => true,
            // A HEAD request runs the handler of GET and tells what it would say.
            Some("GET") => matches!(method, "GET" | "HEAD"),
            Some(own) => own == method,
        };
        if !covered {
            return None;
        }
        let (mut case, mut suffix) = (false, false);
        for (segment, text) in entry.path.iter().zip(form) {
            if trie::fits(segment, text, str::eq) {
                continue;
            }
            let exact_without = trie::without_suffix(text).is_some_and(|bare| trie::fits(segment, bare, str::eq));
            let loose_with = trie::fits(segment, text, trie::same);
            case |= !exact_without;
            suffix |= exact_without || !loose_with;
        }
        Some(Hit { entry: rank, case, suffix, form: at })
    }

    /// Adds what one reading names, and apart from it what it names to a back end that does not mind case or suffix.
    ///
    /// A pattern that writes out what the request says is taken at its word: looser ones stand behind it.
    fn name(&self, hits: Vec<Hit>, named: &mut Vec<Vec<Hit>>) {
        let tight: Vec<Hit> = hits.iter().copied().filter(|it| !it.case && !it.suffix).collect();
        let head = tight.iter().find_map(|it| self.entries.get(it.entry as usize).filter(|it| !it.shadow));
        let all = match head {
            None => hits,
            Some(head) => {
                let written = |it: &Segment| matches!(it, Segment::Literal(_));
                let all_written = head.path.iter().all(written);
                let end_written = head.path.last().is_some_and(|it| written(it) || matches!(it, Segment::Affixed(_)));
                let behind =
                    |it: &Hit| (it.case || it.suffix) && (!it.case || all_written) && (!it.suffix || end_written);
                let (behind, beside): (Vec<Hit>, Vec<Hit>) = hits.into_iter().partition(behind);
                named.push(tight.into_iter().chain(behind).collect());
                beside
            }
        };
        named.push(all);
    }

    /// Whether the same event decides by all lists, whatever the conditions on the way say. A list that names
    /// nothing contradicts nobody.
    fn agree(&self, named: &[Vec<Hit>]) -> bool {
        let deciding = |hits: &Vec<Hit>| {
            let entries = hits.iter().filter_map(|it| self.entries.get(it.entry as usize));
            entries.filter(|it| !it.shadow).map(|it| (it.policy, it.certain)).collect::<Vec<_>>()
        };
        let mut lists: Vec<_> = named.iter().map(deciding).filter(|it| !it.is_empty()).collect();
        lists.sort_unstable();
        lists.dedup();
        lists.iter().enumerate().all(|(at, one)| lists.iter().skip(at + 1).all(|other| decide_alike(one, other)))
    }

    /// One list of all that was named: patterns that write out the request's text first, then by rank.
    fn merged(&self, named: &[Vec<Hit>], forms: &[Form<'_>]) -> Vec<Candidate> {
        let mut hits: Vec<Hit> = named.iter().flatten().copied().collect();
        hits.sort_by_key(|it| (it.entry, it.case || it.suffix, it.form));
        let mut groups: Vec<&[Hit]> = hits.chunk_by(|one, other| one.entry == other.entry).collect();
        groups.sort_by_key(|group| group.first().map(|it| (it.case || it.suffix, it.entry)));
        groups.into_iter().filter_map(|group| self.candidate(group, forms)).collect()
    }

    /// The candidate that these hits, all of one entry, come to.
    fn candidate(&self, hits: &[Hit], forms: &[Form<'_>]) -> Option<Candidate> {
        let entry = self.entries.get(hits.first()?.entry as usize)?;
        let mut readings = hits.iter().filter_map(|it| forms.get(it.form as usize)).map(|form| entry.parameters(form));
        let mut parameters = readings.next()?;
        for other in readings {
            // An undecoded reading says the same in other words.
            let same = |own: &str, text: &str| own == text || readings::decoded(text).is_some_and(|text| text == own);
            parameters.retain(|(name, own)| other.iter().any(|(its, text)| its == name && same(own, text)));
        }
        Some(Candidate { policy: entry.policy as usize, cover: entry.cover as usize, parameters })
    }
}

impl Entry {
    fn parameters(&self, form: &Form<'_>) -> Vec<(Arc<str>, Arc<str>)> {
        let found = self.path.iter().zip(form).filter_map(|(segment, text)| match segment {
            Segment::Parameter(name) => Some((name.clone(), Arc::from(&**text))),
            Segment::Affixed(it) => {
                let whole = || trie::between(text, &it.prefix, &it.suffix);
                let bare = || trie::between(trie::without_suffix(text)?, &it.prefix, &it.suffix);
                let middle = if trie::fits(segment, text, trie::same) { whole() } else { bare() };
                middle.map(|middle| (it.name.clone(), Arc::from(middle)))
            }
            Segment::Literal(_) | Segment::One | Segment::Rest => None,
        });
        found.collect()
    }
}

/// Whether two lists of events, each with whether it is certain to decide, come to the same event.
fn decide_alike(one: &[(u32, bool)], other: &[(u32, bool)]) -> bool {
    match one.iter().zip(other).find(|(one, other)| one.0 != other.0 || (one.1 && other.1)) {
        Some((one, other)) => one.0 == other.0,
        None => one.len() == other.len(),
    }
}

/// Which of two patterns is more specific (`Less`): by path, segment by segment; then host; then method.
fn by_pattern(one: &Cover, other: &Cover) -> Ordering {
    by_path(&one.path, &other.path)
        .then_with(|| by_host(&one.host, &other.host))
        .then_with(|| one.method.is_none().cmp(&other.method.is_none()))
}

/// How many conditions must hold for the event to be the one: `where` and `only_if`.
fn predicates(cover: &Cover, standing: Standing) -> u8 {
    u8::from(cover.matches.is_some()) + u8::from(standing == Standing::Conditional)
}

/// Literal before affixed (the one with more text first) before parameter before `*` before `**`.
fn by_path(one: &[Segment], other: &[Segment]) -> Ordering {
    let rank = |segment: &Segment| match segment {
        Segment::Literal(_) => (1, 0),
        Segment::Affixed(it) => (2, usize::MAX - it.prefix.len() - it.suffix.len()),
        Segment::Parameter(_) => (3, 0),
        Segment::One => (4, 0),
        Segment::Rest => (5, 0),
    };
    one.iter().map(rank).cmp(other.iter().map(rank))
}

/// An exact name before a suffix (the longest first) before any.
fn by_host(one: &Host, other: &Host) -> Ordering {
    let rank = |host: &Host| match host {
        Host::Exactly(_) => (0, 0),
        Host::Under(name) => (1, usize::MAX - name.len()),
        Host::Any => (2, 0),
    };
    rank(one).cmp(&rank(other))
}

#[cfg(test)]
mod tests;
