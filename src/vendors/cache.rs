//! What vendors answered a moment ago, by everything that was asked; whole answers, by what their file says they are about.
//!
//! A key is a digest, keyed anew in every process, of length-prefixed tenant, connector and every input: two questions
//! share an answer only if all of it is the same, and what was asked about (a password among it) cannot be guessed from
//! a key. It never keeps failures, and never more than so many answers or bytes; the oldest make room.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, LazyLock},
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use stepward_core::{
    connector::{Named, answer::Interpreted},
    value::Value,
};

use crate::{clock, vendors::client};

/// Most answers kept for one connector.
pub const ANSWERS_MAX: usize = 10_000;
/// Most memory for the answers of one connector, in bytes, by estimate.
pub const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Names a question.
pub type Key = [u8; 32];

/// The key of a question.
pub fn key(tenant: &str, connector: &str, inputs: &Named) -> Key {
    static BEGUN: LazyLock<Option<Hmac<Sha256>>> =
        LazyLock::new(|| Hmac::new_from_slice(&clock::random_bytes::<32>()).ok());
    // HMAC takes keys of any length; there is always one.
    let Some(begun) = &*BEGUN else { return clock::random_bytes() };
    let mut digest = begun.clone();
    let fields = inputs.iter().flat_map(|(name, value)| [&**name, &**value]);
    for field in [tenant, connector].into_iter().chain(fields) {
        digest.update(&(field.len() as u64).to_le_bytes());
        digest.update(field.as_bytes());
    }
    digest.finalize().into_bytes().into()
}

/// What can be kept.
pub trait Weighs {
    /// About how much memory it takes, in bytes.
    fn bytes(&self) -> usize;
}

/// Answers of one connector.
pub struct Answers<T = Interpreted> {
    by_key: HashMap<Key, Kept<T>>,
    /// Oldest first.
    order: VecDeque<(Key, i64)>,
    bytes: usize,
}

impl<T> Default for Answers<T> {
    fn default() -> Self {
        Answers { by_key: HashMap::new(), order: VecDeque::new(), bytes: 0 }
    }
}

struct Kept<T> {
    answer: Arc<T>,
    at_ms: i64,
    until_ms: i64,
    stale_until_ms: i64,
    bytes: usize,
}

/// How long an answer serves, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// As good as asked now.
    pub fresh_ms: u64,
    /// After that, when nobody answers.
    pub stale_ms: u64,
}

impl<T: Weighs> Answers<T> {
    /// The answer to a question and how old it is, in milliseconds.
    pub fn find(&self, key: &Key, now_ms: i64) -> Option<(Arc<T>, u64)> {
        self.kept(key, now_ms, |kept| kept.until_ms)
    }

    /// The same, also where it is past its time.
    pub fn find_stale(&self, key: &Key, now_ms: i64) -> Option<(Arc<T>, u64)> {
        self.kept(key, now_ms, |kept| kept.stale_until_ms)
    }

    fn kept(&self, key: &Key, now_ms: i64, until_ms: impl Fn(&Kept<T>) -> i64) -> Option<(Arc<T>, u64)> {
        let kept = self.by_key.get(key).filter(|kept| (kept.at_ms..until_ms(kept)).contains(&now_ms))?;
        Some((kept.answer.clone(), now_ms.abs_diff(kept.at_ms)))
    }

    /// Keeps an answer; the oldest make room.
    pub fn keep(&mut self, key: Key, answer: Arc<T>, now_ms: i64, times: Times) {
        let until_ms = now_ms.saturating_add_unsigned(times.fresh_ms);
        let bytes = size_of::<(Key, Kept<T>)>() + size_of::<(Key, i64)>() + size_of::<T>() + answer.bytes();
        let kept = Kept {
            answer,
            at_ms: now_ms,
            until_ms,
            stale_until_ms: until_ms.saturating_add_unsigned(times.stale_ms),
            bytes,
        };
        self.bytes += bytes;
        if let Some(before) = self.by_key.insert(key, kept) {
            self.bytes -= before.bytes;
        }
        self.order.push_back((key, now_ms));
        while self.order.len() > ANSWERS_MAX || self.bytes > ANSWER_BYTES_MAX {
            let Some((oldest, at_ms)) = self.order.pop_front() else { break };
            if self.by_key.get(&oldest).is_some_and(|kept| kept.at_ms == at_ms)
                && let Some(gone) = self.by_key.remove(&oldest)
            {
                self.bytes -= gone.bytes;
            }
        }
    }
}

impl Weighs for Interpreted {
    fn bytes(&self) -> usize {
        fn of(value: &Value) -> usize {
            size_of::<Value>()
                + match value {
                    Value::Text(text) => text.len() + 16,
                    Value::List(items) => 16 + items.iter().map(of).sum::<usize>(),
                    Value::Bool(_)
                    | Value::Int(_)
                    | Value::Number(_)
                    | Value::Time(_)
                    | Value::Duration(_)
                    | Value::Ip(_) => 0,
                }
        }
        fn raw(json: &serde_json::Value) -> usize {
            size_of::<serde_json::Value>()
                + match json {
                    serde_json::Value::String(text) => text.len(),
                    serde_json::Value::Array(items) => items.iter().map(raw).sum(),
                    serde_json::Value::Object(fields) => {
                        fields.iter().map(|(name, value)| 2 * size_of::<String>() + name.len() + raw(value)).sum()
                    }
                    serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => 0,
                }
        }
        let none = size_of::<Option<Value>>();
        let values: usize = self.values.iter().map(|value| value.as_ref().map_or(none, of)).sum();
        values + self.raw.as_deref().map_or(0, raw)
    }
}

impl Weighs for client::Answer {
    fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| 2 * size_of::<String>() + name.len() + value.len());
        self.body.capacity() + headers.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use stepward_core::connector::Class;

    use super::*;

    const TIMES: Times = Times { fresh_ms: 500, stale_ms: 1000 };

    fn named(pairs: &[(&str, &str)]) -> Vec<(Arc<str>, Arc<str>)> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    fn saying(values: Vec<Option<Value>>) -> Arc<Interpreted> {
        Arc::new(Interpreted { values, ..Interpreted::nothing(Class::Success, 0, None) })
    }

    #[test]
    fn f16_questions_share_a_key_only_if_all_of_them_is_equal() {
        let long = "a".repeat(4095);
        let mut questions = Vec::new();
        for tenant in ["t", "ta"] {
            for connector in ["b", "ab"] {
                for inputs in [
                    &[][..],
                    &[("ip", "1")],
                    &[("ip", "12")],
                    &[("ip1", "")],
                    &[("i", "p1")],
                    &[("ip", "1"), ("x", "")],
                    &[("ip", "1\u{0}x")],
                    &[("email", "1")],
                ] {
                    questions.push((tenant, connector, named(inputs)));
                }
            }
        }
        for last in ["x", "y"] {
            questions.push(("t", "b", named(&[("user_id", &format!("{long}{last}"))])));
        }
        let keys: HashSet<Key> =
            questions.iter().map(|(tenant, connector, inputs)| key(tenant, connector, inputs)).collect();
        assert_eq!(keys.len(), questions.len(), "F18: also where only the last of 4,096 bytes differs");
        let again = |(tenant, connector, inputs): &(&str, &str, Vec<_>)| keys.contains(&key(tenant, connector, inputs));
        assert!(questions.iter().all(again), "and the same question has the same key");
    }

    #[test]
    fn what_was_asked_about_cannot_be_guessed_from_a_key() {
        use sha2::Digest as _;
        let mut plain = Sha256::new();
        for field in ["t", "c", "password", "hunter2"] {
            plain.update((field.len() as u64).to_le_bytes());
            plain.update(field);
        }
        let plain: Key = plain.finalize().into();
        assert_ne!(key("t", "c", &named(&[("password", "hunter2")])), plain, "a digest that anybody could make");
    }

    #[test]
    fn answers_grow_old_and_make_room() {
        let answer = saying(Vec::new());
        let of = |at: usize| key("t", "c", &named(&[("ip", &at.to_string())]));
        let mut answers = Answers::<Interpreted>::default();
        answers.keep(of(0), answer.clone(), 1000, TIMES);
        assert_eq!(answers.find(&of(0), 1400).unwrap().1, 400);
        assert!(answers.find(&of(0), 1500).is_none() && answers.find(&of(0), 999).is_none(), "nor from the future");
        assert_eq!(answers.find_stale(&of(0), 2499).unwrap().1, 1499, "past its time, but not past all");
        assert!(answers.find_stale(&of(0), 2500).is_none());
        (1..=ANSWERS_MAX).for_each(|at| answers.keep(of(at), answer.clone(), 1000, TIMES));
        assert!(answers.find(&of(0), 1000).is_none() && answers.find(&of(1), 1000).is_some());
        assert_eq!(answers.by_key.len(), ANSWERS_MAX);
    }

    #[test]
    fn large_answers_make_room_sooner() {
        let mut answers = Answers::<Interpreted>::default();
        let of = |at: usize| key("t", "c", &named(&[("ip", &at.to_string())]));
        for at in 0..1000 {
            answers.keep(of(at), saying(vec![Some(Value::text("x".repeat(64 << 10)))]), 1000, TIMES);
            assert!(answers.bytes <= ANSWER_BYTES_MAX, "{} bytes", answers.bytes);
        }
        assert!((200..=256).contains(&answers.by_key.len()), "{}", answers.by_key.len());
        assert!(answers.find(&of(999), 1000).is_some(), "the newest stays");
        for _ in 0..1000 {
            answers.keep(of(0), saying(Vec::new()), 1000, TIMES);
        }
        let sum: usize = answers.by_key.values().map(|kept| kept.bytes).sum();
        assert_eq!(answers.bytes, sum, "nothing is counted twice");
    }
}
