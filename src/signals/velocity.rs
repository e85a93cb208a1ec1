//! Counters as attributes: how often, how many, in a sliding window.
//!
//! `{subject|ip|device|pair|session}.{tries|failures|successes}_{N}{s|m|h|d}` count at this event;
//! `{ip|device}.subjects_…` and `subject.{ips|devices}_…` count different ones at this event;
//! `{scope}.counted.<name>_…` count what `count: [<name>]` raised at any event.
//!
//! Failures are durable before they are told; other counters may lose their last second in a crash.
//! Every try counts before anything is decided, so nobody sees a count without their own try. A counter about someone
//! who is not there (no device cookie, no subject) is unknown, never 0.

use std::{collections::BTreeMap, time::Duration};

use sha2::{Digest, Sha256};
use stepward_core::{
    attribute::counter::{Counted, Counter},
    decision::Scope,
    facts::SlotId,
    policy::{Policy, StepKind},
    value::Value,
};

use crate::store::{Kind, Meter, Shape};

/// Moments kept by an exact counter: one more than the largest limit it serves. The same for every limit, so that a
/// policy whose limit is turned finds its counters as they are.
const EXACT_KEEP: u16 = 33;
/// Largest limit for which an exact counter is enough.
const EXACT_LIMIT_MAX: u64 = 32;

/// The kind of thing a counter is kept under.
pub fn kind(scope: Scope) -> Kind {
    match scope {
        Scope::Subject => Kind::Account,
        Scope::Ip => Kind::Ip,
        Scope::Device => Kind::Device,
        Scope::Pair => Kind::Pair,
        Scope::Session => Kind::Session,
    }
}

/// How a counter is kept. A limit up to 32 is exact. Where a policy's limit is not seen in its text, or is higher, a
/// second counter of sub-buckets goes on where the exact one is full, so that no limit is ever out of reach.
pub fn meters(counter: &Counter, event: &str, limit: Option<u64>) -> Vec<Meter> {
    let event = if matches!(counter.counted, Counted::Named(_)) { "" } else { event };
    let shapes: &[Shape] = match counter.counted {
        Counted::Subjects | Counted::Ips | Counted::Devices => &[Shape::Distinct],
        // Failures are guesses: they are on disk before whoever failed hears of it (DESIGN §6).
        Counted::Failures => match limit.and_then(|limit| u16::try_from(limit).ok()) {
            Some(limit) if u64::from(limit) <= EXACT_LIMIT_MAX => &[Shape::Guarded { keep: EXACT_KEEP, limit }],
            // Of a limit that is not seen, nothing is known but that it may be the smallest.
            Some(_) | None => &[Shape::Guarded { keep: EXACT_KEEP, limit: EXACT_KEEP - 1 }, Shape::Buckets],
        },
        Counted::Tries | Counted::Successes | Counted::Named(_) => match limit {
            Some(0..=EXACT_LIMIT_MAX) => &[Shape::Exact { keep: EXACT_KEEP }],
            Some(_) | None => &[Shape::Exact { keep: EXACT_KEEP }, Shape::Buckets],
        },
    };
    let window = Duration::from_millis(counter.window_ms);
    shapes.iter().map(|shape| Meter { name: digest(counter, event, *shape), window, shape: *shape }).collect()
}

/// Names a counter among those of one counted thing. Length-prefixed, so that no two names run together.
fn digest(counter: &Counter, event: &str, shape: Shape) -> u64 {
    let (what, name) = match &counter.counted {
        Counted::Tries => ("tries", ""),
        Counted::Failures => ("failures", ""),
        Counted::Successes => ("successes", ""),
        Counted::Subjects => ("subjects", ""),
        Counted::Ips => ("ips", ""),
        Counted::Devices => ("devices", ""),
        Counted::Named(name) => ("counted", &**name),
    };
    let shape = match shape {
        Shape::Exact { .. } => "exact",
        Shape::Guarded { .. } => "guarded",
        Shape::Buckets => "buckets",
        Shape::Distinct => "distinct",
    };
    let mut hash = Sha256::new();
    for part in [event, what, name, shape] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.update(counter.window_ms.to_le_bytes());
    let digest = hash.finalize();
    digest.first_chunk::<8>().map_or(0, |first| u64::from_le_bytes(*first))
}

/// The counter of a `throttle` or `max_rate` at an event: every request counts, let through or not. `speaker` names what
/// asked for it, so that two rules with the same rate count apart.
pub fn pace(event: &str, speaker: [&str; 3], window: Duration, count: u32) -> Meter {
    let shape = match u16::try_from(count) {
        Ok(count) if u64::from(count) <= EXACT_LIMIT_MAX => Shape::Exact { keep: count + 1 },
        Ok(_) | Err(_) => Shape::Buckets,
    };
    let mut hash = Sha256::new();
    let [reason, step, rule] = speaker.map(str::as_bytes);
    let (window_ms, limit) = (window.as_millis().to_le_bytes(), count.to_le_bytes());
    for part in [b"pace", event.as_bytes(), reason, step, rule, &window_ms, &limit] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let name = digest.first_chunk::<8>().map_or(0, |first| u64::from_le_bytes(*first));
    Meter { name, window, shape }
}

/// One counter among a policy's slots.
#[derive(Clone, Debug)]
pub struct Read {
    /// Where its value goes.
    pub slot: SlotId,
    /// Which it is.
    pub counter: Counter,
    /// How it is kept.
    pub meters: Vec<Meter>,
}

impl Read {
    /// The count, given what each meter says: the exact one until it is full, then whichever says more.
    pub fn value(&self, counts: &[u64]) -> Option<u64> {
        let first = *counts.first()?;
        match self.meters.first()?.shape {
            Shape::Exact { keep } | Shape::Guarded { keep, .. } if first < u64::from(keep) => Some(first),
            Shape::Exact { .. } | Shape::Guarded { .. } | Shape::Buckets | Shape::Distinct => {
                counts.iter().copied().max()
            }
        }
    }
}

/// Every counter that a policy reads.
pub fn read_by(policy: &Policy) -> Vec<Read> {
    let texts = conditions(policy);
    let slots = policy.slots.iter().enumerate();
    slots
        .filter_map(|(at, slot)| {
            let counter = Counter::named(&slot.name)?;
            let meters = meters(&counter, &policy.event, limit(&slot.name, &texts, &policy.settings));
            Some(Read { slot: SlotId(u16::try_from(at).ok()?), counter, meters })
        })
        .collect()
}

/// The text of every condition of a policy.
fn conditions(policy: &Policy) -> Vec<&str> {
    let mut texts: Vec<&str> = policy.only_if.iter().map(|condition| &*condition.text).collect();
    for step in &policy.steps {
        match &step.kind {
            StepKind::Decide(rules) => texts.extend(rules.iter().map(|rule| &*rule.when.text)),
            StepKind::Require(_) | StepKind::Split(_) | StepKind::Finish(..) => {}
        }
    }
    texts
}

/// The largest number that an attribute is compared with, if each mention of it is such a comparison.
fn limit(name: &str, texts: &[&str], settings: &BTreeMap<String, Value>) -> Option<u64> {
    let mut largest = None;
    for (text, at) in texts.iter().flat_map(|text| text.match_indices(name).map(move |(at, _)| (text, at))) {
        let after = text.get(at + name.len()..)?.trim_start();
        let number = after.trim_start_matches(['<', '>', '=', '!']).trim_start();
        if number.len() == after.len() {
            return None;
        }
        let end = number.find(|it: char| !is_of_a_number_or_name(it)).unwrap_or(number.len());
        // Arithmetic after the number would move the limit: `> 5 * settings.factor`.
        let then = number.get(end..)?.trim_start();
        if !(then.is_empty() || [")", "&&", "||", "\n", "]", ","].iter().any(|it| then.starts_with(it))) {
            return None;
        }
        let number = number.get(..end)?;
        largest = largest.max(Some(match number.strip_prefix("settings.") {
            Some(name) => whole(settings.get(name)?)?,
            None => number.parse().ok()?,
        }));
    }
    largest
}

fn is_of_a_number_or_name(symbol: char) -> bool {
    symbol.is_ascii_alphanumeric() || matches!(symbol, '_' | '.')
}

/// A setting as a limit; a count is above 4.5 when it is above 4.
fn whole(setting: &Value) -> Option<u64> {
    match setting {
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::Number(number) if (0.0..1e9).contains(number) => Some(number.ceil() as u64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_taken_from_the_text_only_where_it_is_plain() {
        let name = "ip.tries_5m";
        let settings = [("limit", Value::Int(7)), ("half", Value::Number(2.5)), ("word", Value::Bool(true))];
        let settings = settings.map(|(name, value)| (name.to_string(), value)).into();
        for (text, expected) in [
            ("ip.tries_5m > 5", Some(5)),
            ("ip.tries_5m >= 5 && ip.tries_5m < 40", Some(40)),
            ("(ip.tries_5m == 3)", Some(3)),
            ("ip.tries_5m > settings.limit", Some(7)),
            ("ip.tries_5m >= settings.limit && ip.tries_5m < 40", Some(40)),
            ("ip.tries_5m > settings.half", Some(3)),
            ("ip.tries_5m > settings.other", None),
            ("ip.tries_5m > settings.word", None),
            ("ip.tries_5m > 5 * settings.factor", None),
            ("5 < ip.tries_5m", None),
            ("ip.tries_5m > 5.5", None),
            ("ip.tries_5m - 3 > 2", None),
        ] {
            assert_eq!(limit(name, &[text], &settings), expected, "{text}");
        }
    }

    #[test]
    fn an_unseen_or_large_limit_is_never_out_of_reach_of_the_counter() {
        let counter = Counter::named("ip.tries_5m").unwrap();
        assert_eq!(meters(&counter, "login", Some(5)).len(), 1);
        for limit in [None, Some(33), Some(10_000)] {
            let shapes: Vec<_> = meters(&counter, "login", limit).iter().map(|meter| meter.shape).collect();
            assert_eq!(shapes, [Shape::Exact { keep: 33 }, Shape::Buckets], "limit {limit:?}");
        }
    }

    #[test]
    fn the_exact_counter_is_believed_until_it_is_full() {
        let counter = Counter::named("ip.tries_5m").unwrap();
        let read = Read { slot: SlotId(0), meters: meters(&counter, "login", None), counter };
        for (counts, expected) in [(&[5, 6][..], Some(5)), (&[33, 70], Some(70)), (&[33, 31], Some(33)), (&[], None)] {
            assert_eq!(read.value(counts), expected, "{counts:?}");
        }
    }

    #[test]
    fn counters_of_different_events_windows_and_names_never_share_a_meter() {
        let mut names = std::collections::BTreeSet::new();
        for event in ["login", "transfer"] {
            for name in ["ip.tries_5m", "ip.failures_5m", "ip.tries_300s", "ip.tries_1h", "ip.subjects_5m"] {
                names.extend(meters(&Counter::named(name).unwrap(), event, None).iter().map(|meter| meter.name));
            }
        }
        assert_eq!(names.len(), 14, "tries_5m and tries_300s are one; the others are two each but the distinct one");
        let counted = Counter::named("ip.counted.odd_1h").unwrap();
        assert_eq!(
            meters(&counted, "login", None),
            meters(&counted, "transfer", None),
            "`count` is heard at every event"
        );
    }
}
