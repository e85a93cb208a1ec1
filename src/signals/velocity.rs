//! Counters as attributes: how often, how many, in a sliding window.
//!
//! `{subject|ip|device|pair|session}.{tries|failures|successes}_{N}{s|m|h|d}` count at this event;
//! `{ip|device}.subjects_…` and `subject.{ips|devices}_…` count different ones at this event;
//! `{scope}.counted.<name>_…` count what `count: [<name>]` raised at any event.
//!
//! Every try counts before anything is decided, so nobody sees a count without their own try. A counter about someone
//! who is not there (no device cookie, no subject) is unknown, never 0.

use std::{sync::Arc, time::Duration};

use sha2::{Digest, Sha256};
use stepward_core::{
    decision::Scope,
    facts::SlotId,
    policy::{Policy, StepKind},
};

use crate::store::{Kind, Meter, Shape};

/// Longest window: 90 days.
const WINDOW_MAX: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Moments kept by an exact counter: one more than the largest limit it serves.
const EXACT_KEEP: u16 = 33;
/// Largest limit for which an exact counter is enough.
const EXACT_LIMIT_MAX: u64 = 32;

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Every try, raised before the decision.
    Tries,
    /// Tries that the app refused, or whose end is unknown.
    Failures,
    /// Tries that the app accepted.
    Successes,
    /// Different accounts.
    Subjects,
    /// Different addresses.
    Ips,
    /// Different devices.
    Devices,
    /// Raised by the obligation `count` of this name.
    Counted(Arc<str>),
}

/// A counter that a policy reads as an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Whose.
    pub scope: Scope,
    /// What.
    pub what: What,
    /// In how long.
    pub window: Duration,
}

impl Counter {
    /// The counter that an attribute's name stands for; `None` for any other attribute.
    pub fn named(name: &str) -> Option<Self> {
        let (scope, rest) = name.split_once('.')?;
        let scope = match scope {
            "subject" => Scope::Subject,
            "ip" => Scope::Ip,
            "device" => Scope::Device,
            "pair" => Scope::Pair,
            "session" => Scope::Session,
            _ => return None,
        };
        let (what, window) = rest.rsplit_once('_')?;
        let what = match (what, scope) {
            ("tries", _) => What::Tries,
            ("failures", _) => What::Failures,
            ("successes", _) => What::Successes,
            ("subjects", Scope::Ip | Scope::Device) => What::Subjects,
            ("ips", Scope::Subject) => What::Ips,
            ("devices", Scope::Subject) => What::Devices,
            (other, _) => What::Counted(other.strip_prefix("counted.").filter(|it| !it.is_empty())?.into()),
        };
        Some(Counter { scope, what, window: window_of(window)? })
    }

    /// The kind of thing it is kept under.
    pub fn kind(&self) -> Kind {
        match self.scope {
            Scope::Subject => Kind::Account,
            Scope::Ip => Kind::Ip,
            Scope::Device => Kind::Device,
            Scope::Pair => Kind::Pair,
            Scope::Session => Kind::Session,
        }
    }

    /// How it is kept. A limit up to 32 is exact. Where a policy's limit is not seen in its text, or is higher, a
    /// second counter of sub-buckets goes on where the exact one is full, so that no limit is ever out of reach.
    pub fn meters(&self, event: &str, limit: Option<u64>) -> Vec<Meter> {
        let event = if matches!(self.what, What::Counted(_)) { "" } else { event };
        let shapes: &[Shape] = match self.what {
            What::Subjects | What::Ips | What::Devices => &[Shape::Distinct],
            What::Tries | What::Failures | What::Successes | What::Counted(_) => match limit {
                Some(0..=EXACT_LIMIT_MAX) => &[Shape::Exact { keep: EXACT_KEEP }],
                Some(_) | None => &[Shape::Exact { keep: EXACT_KEEP }, Shape::Buckets],
            },
        };
        let meter = |shape: &Shape| Meter { name: self.digest(event, *shape), window: self.window, shape: *shape };
        shapes.iter().map(meter).collect()
    }

    /// Names a counter among those of one counted thing. Length-prefixed, so that no two names run together.
    fn digest(&self, event: &str, shape: Shape) -> u64 {
        let (what, counted) = match &self.what {
            What::Tries => ("tries", ""),
            What::Failures => ("failures", ""),
            What::Successes => ("successes", ""),
            What::Subjects => ("subjects", ""),
            What::Ips => ("ips", ""),
            What::Devices => ("devices", ""),
            What::Counted(name) => ("counted", &**name),
        };
        let shape = match shape {
            Shape::Exact { .. } => "exact",
            Shape::Buckets => "buckets",
            Shape::Distinct => "distinct",
        };
        let mut hash = Sha256::new();
        for part in [event, what, counted, shape] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.update(self.window.as_millis().to_le_bytes());
        let digest = hash.finalize();
        digest.first_chunk::<8>().map_or(0, |first| u64::from_le_bytes(*first))
    }
}

/// `30s`, `5m`, `1h`, `7d`: a number without a leading zero, at most 90 days.
fn window_of(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let number = text.strip_suffix(unit).filter(|it| it.bytes().all(|it| it.is_ascii_digit()) && !it.starts_with('0'))?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return None,
    };
    let window = Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?);
    (!window.is_zero() && window <= WINDOW_MAX).then_some(window)
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
            Shape::Exact { keep } if first < u64::from(keep) => Some(first),
            Shape::Exact { .. } | Shape::Buckets | Shape::Distinct => counts.iter().copied().max(),
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
            let meters = counter.meters(&policy.event, limit(&slot.name, &texts));
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
fn limit(name: &str, texts: &[&str]) -> Option<u64> {
    let mut largest = None;
    for (text, at) in texts.iter().flat_map(|text| text.match_indices(name).map(move |(at, _)| (text, at))) {
        let after = text.get(at + name.len()..)?.trim_start();
        let number = after.trim_start_matches(['<', '>', '=', '!']).trim_start();
        if number.len() == after.len() {
            return None;
        }
        let end = number.find(|it: char| !it.is_ascii_digit()).unwrap_or(number.len());
        // Arithmetic after the number would move the limit: `> 5 * settings.factor`.
        let then = number.get(end..)?.trim_start();
        if !(then.is_empty() || [")", "&&", "||", "\n", "]", ","].iter().any(|it| then.starts_with(it))) {
            return None;
        }
        largest = largest.max(Some(number.get(..end)?.parse().ok()?));
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_counter_or_nothing() {
        let counter = |scope, what, seconds| Some(Counter { scope, what, window: Duration::from_secs(seconds) });
        for (name, expected) in [
            ("subject.tries_5m", counter(Scope::Subject, What::Tries, 300)),
            ("ip.failures_90s", counter(Scope::Ip, What::Failures, 90)),
            ("pair.successes_7d", counter(Scope::Pair, What::Successes, 604_800)),
            ("ip.subjects_1h", counter(Scope::Ip, What::Subjects, 3600)),
            ("subject.devices_1d", counter(Scope::Subject, What::Devices, 86_400)),
            ("session.counted.odd_form_1h", counter(Scope::Session, What::Counted("odd_form".into()), 3600)),
            ("subject.subjects_1h", None),
            ("ip.ips_1h", None),
            ("ip.tries_0m", None),
            ("ip.tries_05m", None),
            ("ip.tries_91d", None),
            ("ip.tries_99999999999999999999s", None),
            ("ip.tries_5", None),
            ("ip.counted._1h", None),
            ("ip.risk_score", None),
            ("ip", None),
        ] {
            assert_eq!(Counter::named(name), expected, "{name}");
        }
    }

    #[test]
    fn a_limit_is_taken_from_the_text_only_where_it_is_plain() {
        let name = "ip.tries_5m";
        for (text, expected) in [
            ("ip.tries_5m > 5", Some(5)),
            ("ip.tries_5m >= 5 && ip.tries_5m < 40", Some(40)),
            ("(ip.tries_5m == 3)", Some(3)),
            ("ip.tries_5m > settings.limit", None),
            ("ip.tries_5m > 5 * settings.factor", None),
            ("5 < ip.tries_5m", None),
            ("ip.tries_5m > 5.5", None),
            ("ip.tries_5m - 3 > 2", None),
        ] {
            assert_eq!(limit(name, &[text]), expected, "{text}");
        }
    }

    #[test]
    fn an_unseen_or_large_limit_is_never_out_of_reach_of_the_counter() {
        let counter = Counter::named("ip.tries_5m").unwrap();
        assert_eq!(counter.meters("login", Some(5)).len(), 1);
        for limit in [None, Some(33), Some(10_000)] {
            let shapes: Vec<_> = counter.meters("login", limit).iter().map(|meter| meter.shape).collect();
            assert_eq!(shapes, [Shape::Exact { keep: 33 }, Shape::Buckets], "limit {limit:?}");
        }
    }

    #[test]
    fn the_exact_counter_is_believed_until_it_is_full() {
        let counter = Counter::named("ip.tries_5m").unwrap();
        let read = Read { slot: SlotId(0), meters: counter.meters("login", None), counter };
        for (counts, expected) in [(&[5, 6][..], Some(5)), (&[33, 70], Some(70)), (&[33, 31], Some(33)), (&[], None)] {
            assert_eq!(read.value(counts), expected, "{counts:?}");
        }
    }

    #[test]
    fn counters_of_different_events_windows_and_names_never_share_a_meter() {
        let mut names = std::collections::BTreeSet::new();
        for event in ["login", "transfer"] {
            for name in ["ip.tries_5m", "ip.failures_5m", "ip.tries_300s", "ip.tries_1h", "ip.subjects_5m"] {
                names.extend(Counter::named(name).unwrap().meters(event, None).iter().map(|meter| meter.name));
            }
        }
        assert_eq!(names.len(), 14, "tries_5m and tries_300s are one; the others are two each but the distinct one");
        let counted = Counter::named("ip.counted.odd_1h").unwrap();
        assert_eq!(counted.meters("login", None), counted.meters("transfer", None), "`count` is heard at every event");
    }
}
