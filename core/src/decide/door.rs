//! Whether a recorded proof answers a demand.

use std::sync::Arc;

use crate::{
    decide::{Unbound, bound},
    decision::{Approval, Binding},
    expr::SlotSet,
    facts::{Facts, SlotId},
    policy::Policy,
    session::{Method, Proof},
};

/// What a demand for a proof comes to.
pub(super) enum Door {
    /// Met by a proof of this method, the first listed that is there.
    Open(Method),
    /// Not met; a proof would have to be bound to this, and an approval to that.
    Shut(Option<Binding>, Option<Approval>),
    /// A value it must be bound to is unknown, so it cannot be met.
    Unbindable,
}

/// Looks for a proof by one of `methods` that is fresh enough and bound to the values `bind_to` have now. An approval counts
/// only as one by this group of `approvers`, and for this event, whether or not any values are bound.
/// `Err` names values to bind that nobody has asked for yet.
pub(super) fn look(
    policy: &Policy,
    facts: &Facts,
    methods: &[Method],
    fresh_for_ms: i64,
    bind_to: &[SlotId],
    approvers: Option<&Arc<str>>,
) -> Result<Door, SlotSet> {
    let binding = match bind_to {
        [] => None,
        slots => match bound::binding(policy, slots, facts) {
            Ok(binding) => Some(binding),
            Err(Unbound::Pending(slots)) => return Err(slots),
            Err(Unbound::Unknown(_)) => return Ok(Door::Unbindable),
        },
    };
    let approval = approvers
        .map(|group| Approval { group: group.clone(), digest: bound::approval(policy, group, binding.as_ref()) });
    let is_for_this = |proof: &Proof| match proof.method {
        Method::Approval => approval.as_ref().is_some_and(|wanted| proof.bound_to == Some(wanted.digest)),
        _ => binding.as_ref().is_none_or(|wanted| proof.bound_to == Some(wanted.digest)),
    };
    let answers = |method: &&Method| {
        facts
            .proofs
            .iter()
            .any(|proof| proof.method == **method && proof.is_fresh(facts.now_ms, fresh_for_ms) && is_for_this(proof))
    };
    Ok(match methods.iter().find(answers) {
        Some(method) => Door::Open(*method),
        None => Door::Shut(binding, approval),
    })
}
