//! The heart: a policy and what is known so far, in; a decision or a question, out.
//!
//! It never fetches, waits, counts or writes, and it cannot fail: what no policy should contain (a jump backwards, a
//! condition that never settles) refuses or tightens. Missing data can tighten a decision, never loosen it (DESIGN §9).

use crate::{
    decision::{Binding, Decision},
    expr::SlotSet,
    facts::{Facts, Reading, SlotId, Why},
    policy::Policy,
};

mod batch;
mod bound;
mod door;
mod rules;
mod strictness;
#[cfg(test)]
mod tests;
mod walk;

/// What the engine says to what is known so far.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "made once a round and taken apart at once; a box would cost more")]
pub enum Answer {
    /// The decision turns on these attributes, each of them still pending. Learn them, in parallel, and ask again.
    Needs(SlotSet),
    /// This is what happens.
    Decided(Decision),
}

/// Decides one request at one event.
///
/// Pure and total. Asking again after learning what was needed ends after at most as many rounds as the policy has
/// slots, because every slot in [`Answer::Needs`] is pending and learning only ever makes fewer of them so.
pub fn decide(policy: &Policy, facts: &Facts) -> Answer {
    walk::Walk::new(policy, facts).run()
}

/// Why values cannot be bound to a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unbound {
    /// A value is unknown: nothing can be shown to the user, so nothing can be proved (`binding.unknown`).
    Unknown(SlotId),
    /// These values have not been asked for yet.
    Pending(SlotSet),
}

/// What a proof for this event must be bound to: SHA-256 over the event and the named values, length-prefixed.
///
/// The digest does not depend on the order of `slots`; the order in which the user sees them does.
pub fn binding(policy: &Policy, slots: &[SlotId], facts: &Facts) -> Result<Binding, Unbound> {
    bound::binding(policy, slots, facts)
}

/// What an approval by this group for this event must be bound to, with the values that every proof is bound to here.
pub fn approval(policy: &Policy, group: &str, binding: Option<&Binding>) -> [u8; 32] {
    bound::approval(policy, group, binding)
}

/// The decision for a batch of two: the stricter one, with what both of them oblige to. Of equals the first speaks,
/// narrowed by what the second would have narrowed.
pub fn strictest(first: Decision, second: Decision) -> Decision {
    batch::strictest(first, second)
}

/// Gives up on attributes that nobody answered in time: those of `slots` that are still pending become unknown.
pub fn over_budget(facts: &mut Facts, slots: SlotSet) {
    for slot in slots.iter() {
        if *facts.reading(slot) == Reading::Pending {
            facts.learn(slot, Reading::Unknown(Why::OverBudget), None);
        }
    }
}
