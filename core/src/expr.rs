//! Conditions: three-valued (a fourth state, pending, drives fetching), compiled to closures over slots.

use std::sync::Arc;

use crate::facts::{Facts, SlotId};

/// What a condition comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// An attribute it turns on has no value. Never false, never true.
    Unknown,
    /// An attribute it turns on has not been asked for.
    Pending,
}

/// A set of slots, without allocation. A policy has at most [`SlotSet::MAX`] slots, held by `compile`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotSet([u64; 4]);

impl SlotSet {
    /// How many slots a policy may have.
    pub const MAX: usize = 256;

    /// Adds a slot; one past [`SlotSet::MAX`] is ignored.
    pub fn insert(&mut self, slot: SlotId) {
        if let Some(word) = self.0.get_mut(usize::from(slot.0 / 64)) {
            *word |= 1 << (slot.0 % 64);
        }
    }

    /// Whether the slot is in it.
    pub fn contains(&self, slot: SlotId) -> bool {
        self.0.get(usize::from(slot.0 / 64)).is_some_and(|word| word & (1 << (slot.0 % 64)) != 0)
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }

    /// Adds every slot of another set.
    pub fn extend(&mut self, other: SlotSet) {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
    }

    /// The slots, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = SlotId> + '_ {
        (0..Self::MAX as u16).map(SlotId).filter(|slot| self.contains(*slot))
    }
}

/// The closure a condition compiles to. It adds what it would need to know to the set.
pub type Run = Box<dyn Fn(&Facts, &mut SlotSet) -> Truth + Send + Sync>;

/// A compiled condition.
pub struct Condition {
    /// The text as written, for people; `all`, `any` and `none` lists are joined.
    pub text: Arc<str>,
    /// Every slot it mentions.
    pub uses: SlotSet,
    run: Run,
}

impl Condition {
    /// A condition from its parts; `expr` and tests make them.
    pub fn new(text: impl Into<Arc<str>>, uses: SlotSet, run: Run) -> Self {
        Condition { text: text.into(), uses, run }
    }

    /// What it comes to, adding to `wanted` the slots that keep it pending.
    pub fn eval(&self, facts: &Facts, wanted: &mut SlotSet) -> Truth {
        (self.run)(facts, wanted)
    }
}

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Condition({})", self.text)
    }
}
