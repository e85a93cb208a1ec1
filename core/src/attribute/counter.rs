//! Counters over sliding windows: a family of names, `<scope>.<what>_<window>`, such as `ip.failures_10m`.

use std::sync::Arc;

use crate::{
    attribute::{Attribute, Cost},
    decision::Scope,
    diagnostic,
    value::Type,
};

/// Longest window, in milliseconds: 30 days.
pub const WINDOW_MS_MAX: u64 = 30 * 86_400_000;

/// What a counter's name asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Whose occurrences are counted together.
    pub scope: Scope,
    /// What is counted.
    pub counted: Counted,
    /// How far back, in milliseconds; 1 second to 30 days.
    pub window_ms: u64,
}

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Occurrences of this event, whatever came of them.
    Tries,
    /// Those that failed.
    Failures,
    /// Those that succeeded.
    Successes,
    /// Different subjects seen.
    Subjects,
    /// Different addresses seen.
    Ips,
    /// Different devices seen.
    Devices,
    /// Times that a rule said `count: <name>`.
    Named(Arc<str>),
}

impl Counter {
    /// What a name asks for, if it is a counter's.
    pub fn named(name: &str) -> Option<Counter> {
        let (scope, rest) = name.split_once('.')?;
        let (counted, window) = rest.rsplit_once('_')?;
        let scope = scope_named(scope)?;
        let counted = counted_named(scope, counted)?;
        Some(Counter { scope, counted, window_ms: window_ms(window)? })
    }

    /// The attribute that it is.
    pub(super) fn attribute(&self, name: &str) -> Attribute {
        let meaning = match &self.counted {
            Counted::Tries => "occurrences of this event in the window".to_owned(),
            Counted::Failures => "failed occurrences of this event in the window".to_owned(),
            Counted::Successes => "successful occurrences of this event in the window".to_owned(),
            Counted::Subjects => "different subjects seen in the window".to_owned(),
            Counted::Ips => "different addresses seen in the window".to_owned(),
            Counted::Devices => "different devices seen in the window".to_owned(),
            Counted::Named(name) => format!("times that a rule said `count: {name}` in the window"),
        };
        Attribute {
            name: name.into(),
            kind: Type::Int,
            meaning: meaning.into(),
            cost: Cost::Cheap,
            one_of: Vec::new(),
            range: Some((0.0, f64::from(u32::MAX))),
        }
    }
}

fn scope_named(word: &str) -> Option<Scope> {
    Some(match word {
        "subject" => Scope::Subject,
        "session" => Scope::Session,
        "ip" => Scope::Ip,
        "device" => Scope::Device,
        "pair" => Scope::Pair,
        _ => return None,
    })
}

fn counted_named(scope: Scope, word: &str) -> Option<Counted> {
    if let Some(name) = word.strip_prefix("counted.") {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        return (!name.is_empty() && name.chars().all(plain)).then(|| Counted::Named(name.into()));
    }
    match (scope, word) {
        (_, "tries") => Some(Counted::Tries),
        (_, "failures") => Some(Counted::Failures),
        (_, "successes") => Some(Counted::Successes),
        (Scope::Ip | Scope::Device, "subjects") => Some(Counted::Subjects),
        (Scope::Subject, "ips") => Some(Counted::Ips),
        (Scope::Subject, "devices") => Some(Counted::Devices),
        _ => None,
    }
}

fn window_ms(text: &str) -> Option<u64> {
    let unit_ms = match text.chars().last()? {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    let number = text.get(..text.len() - 1)?;
    let canonical = number.bytes().all(|digit| digit.is_ascii_digit()) && !number.starts_with('0');
    let window = number.parse::<u64>().ok().filter(|_| canonical)?.checked_mul(unit_ms)?;
    (1..=WINDOW_MS_MAX).contains(&window).then_some(window)
}

/// The counter whose name is nearest to one that is almost right.
pub(super) fn nearest(written: &str) -> Option<String> {
    let (scope_word, rest) = written.split_once('.')?;
    let (counted, window) = rest.rsplit_once('_')?;
    window_ms(window)?;
    let scope_near = diagnostic::nearest(scope_word, ["subject", "session", "ip", "device", "pair"])?;
    let scope = scope_named(scope_near)?;
    if counted_named(scope, counted).is_some() {
        return Some(format!("{scope_near}.{rest}"));
    }
    let known = ["tries", "failures", "successes", "subjects", "ips", "devices"];
    let possible = known.into_iter().filter(|word| counted_named(scope, word).is_some());
    diagnostic::nearest(counted, possible).map(|near| format!("{scope_near}.{near}_{window}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_counted() {
        let found = Counter::named("ip.failures_10m").unwrap();
        assert_eq!(found, Counter { scope: Scope::Ip, counted: Counted::Failures, window_ms: 600_000 });
        assert_eq!(Counter::named("device.subjects_1d").unwrap().counted, Counted::Subjects);
        assert_eq!(Counter::named("pair.tries_30d").unwrap().window_ms, WINDOW_MS_MAX);
        let counted = Counter::named("subject.counted.new_payee_24h").unwrap().counted;
        assert_eq!(counted, Counted::Named("new_payee".into()));
    }

    #[test]
    fn what_is_no_counter_is_none() {
        for name in ["ip.ips_1h", "ip.failures_0m", "ip.failures_07m", "ip.failures", "ip.failures_", "x.tries_1m"] {
            assert_eq!(Counter::named(name), None, "{name}");
        }
    }

    #[test]
    fn near_misses_are_found() {
        assert_eq!(nearest("ip.failure_10m").as_deref(), Some("ip.failures_10m"));
        assert_eq!(nearest("subjct.tries_1h").as_deref(), Some("subject.tries_1h"));
        assert_eq!(nearest("ip.risk_score"), None);
    }
}
