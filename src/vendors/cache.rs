//! What vendors answered a moment ago, by everything that was asked.
//!
//! A key is a digest of length-prefixed tenant, connector and every input, so two questions share an answer only if
//! all of it is the same. It never keeps failures, and never more than so many answers.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use sha2::{Digest, Sha256};
use stepward_core::connector::{Named, answer::Interpreted};

/// Most answers kept for one connector.
pub const ANSWERS_MAX: usize = 10_000;

/// Names a question.
pub type Key = [u8; 32];

/// The key of a question.
pub fn key(tenant: &str, connector: &str, inputs: &Named) -> Key {
    let mut hash = Sha256::new();
    let fields = inputs.iter().flat_map(|(name, value)| [&**name, &**value]);
    for field in [tenant, connector].into_iter().chain(fields) {
        hash.update((field.len() as u64).to_le_bytes());
        hash.update(field);
    }
    hash.finalize().into()
}

/// Answers of one connector.
#[derive(Default)]
pub struct Answers {
    by_key: HashMap<Key, Kept>,
    /// Oldest first.
    order: VecDeque<(Key, i64)>,
}

struct Kept {
    answer: Arc<Interpreted>,
    at_ms: i64,
    until_ms: i64,
}

impl Answers {
    /// The answer to a question and how old it is, in milliseconds.
    pub fn find(&self, key: &Key, now_ms: i64) -> Option<(Arc<Interpreted>, u64)> {
        let kept = self.by_key.get(key).filter(|kept| (kept.at_ms..kept.until_ms).contains(&now_ms))?;
        Some((kept.answer.clone(), now_ms.abs_diff(kept.at_ms)))
    }

    /// Keeps an answer; the oldest makes room.
    pub fn keep(&mut self, key: Key, answer: Arc<Interpreted>, now_ms: i64, ttl_ms: u64) {
        let until_ms = now_ms.saturating_add_unsigned(ttl_ms);
        self.by_key.insert(key, Kept { answer, at_ms: now_ms, until_ms });
        self.order.push_back((key, now_ms));
        while self.order.len() > ANSWERS_MAX {
            if let Some((oldest, at_ms)) = self.order.pop_front()
                && self.by_key.get(&oldest).is_some_and(|kept| kept.at_ms == at_ms)
            {
                self.by_key.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use stepward_core::connector::Class;

    use super::*;

    fn named(pairs: &[(&str, &str)]) -> Vec<(Arc<str>, Arc<str>)> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
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
    }

    #[test]
    fn answers_grow_old_and_make_room() {
        let answer = Arc::new(Interpreted::nothing(Class::Success, 0, None));
        let of = |at: usize| key("t", "c", &named(&[("ip", &at.to_string())]));
        let mut answers = Answers::default();
        answers.keep(of(0), answer.clone(), 1000, 500);
        assert_eq!(answers.find(&of(0), 1400).unwrap().1, 400);
        assert!(answers.find(&of(0), 1500).is_none() && answers.find(&of(0), 999).is_none(), "nor from the future");
        (1..=ANSWERS_MAX).for_each(|at| answers.keep(of(at), answer.clone(), 1000, 500));
        assert!(answers.find(&of(0), 1000).is_none() && answers.find(&of(1), 1000).is_some());
        assert_eq!(answers.by_key.len(), ANSWERS_MAX);
    }
}
