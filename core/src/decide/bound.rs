//! What a proof is bound to, as one digest. Two different sets of values never share one: everything is prefixed with
//! its type and length before it is hashed.

use sha2::{Digest, Sha256};

use crate::{
    decide::Unbound,
    decision::Binding,
    expr::SlotSet,
    facts::{Facts, Reading, SlotId},
    policy::Policy,
    value::Value,
};

/// See [`crate::decide::binding`].
pub(super) fn binding(policy: &Policy, slots: &[SlotId], facts: &Facts) -> Result<Binding, Unbound> {
    let mut pending = SlotSet::default();
    let mut bound: Vec<(&str, &Value)> = Vec::with_capacity(slots.len());
    for slot in slots {
        let name = policy.slots.get(usize::from(slot.0)).map(|it| &*it.name);
        match (name, facts.reading(*slot)) {
            (Some(name), Reading::Known(value)) => bound.push((name, value)),
            (Some(_), Reading::Pending) => pending.insert(*slot),
            (Some(_), Reading::Unknown(_)) | (None, _) => return Err(Unbound::Unknown(*slot)),
        }
    }
    if !pending.is_empty() {
        return Err(Unbound::Pending(pending));
    }
    bound.sort_by_key(|(name, _)| *name);
    bound.dedup_by_key(|(name, _)| *name);
    Ok(Binding { digest: digest(&policy.event, &bound), slots: slots.to_vec() })
}

/// See [`crate::decide::approval`].
pub(super) fn approval(policy: &Policy, group: &str, binding: Option<&Binding>) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(b"stepward approval 1\0");
    text(&mut hash, group);
    text(&mut hash, &policy.event);
    if let Some(binding) = binding {
        hash.update(binding.digest);
    }
    hash.finalize().into()
}

fn digest(event: &str, bound: &[(&str, &Value)]) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(b"stepward binding 1\0");
    text(&mut hash, event);
    length(&mut hash, bound.len());
    for (name, bound_value) in bound {
        text(&mut hash, name);
        value(&mut hash, bound_value);
    }
    hash.finalize().into()
}

/// A value as a byte for its type and its content, in one spelling: 100 and 100.0 are two types, 0.0 and -0.0 one value.
fn value(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Bool(it) => hash.update([1, u8::from(*it)]),
        Value::Int(it) => number(hash, 2, it.to_be_bytes()),
        Value::Number(it) => number(hash, 3, (it + 0.0).to_bits().to_be_bytes()),
        Value::Text(it) => {
            hash.update([4]);
            text(hash, it);
        }
        Value::Time(it) => number(hash, 5, it.to_be_bytes()),
        Value::Duration(it) => number(hash, 6, it.to_be_bytes()),
        Value::Ip(std::net::IpAddr::V4(it)) => {
            hash.update([7]);
            hash.update(it.octets());
        }
        Value::Ip(std::net::IpAddr::V6(it)) => {
            hash.update([8]);
            hash.update(it.octets());
        }
        Value::List(it) => {
            hash.update([9]);
            length(hash, it.len());
            it.iter().for_each(|element| self::value(hash, element));
        }
    }
}

fn number(hash: &mut Sha256, kind: u8, bytes: [u8; 8]) {
    hash.update([kind]);
    hash.update(bytes);
}

fn text(hash: &mut Sha256, text: &str) {
    length(hash, text.len());
    hash.update(text);
}

fn length(hash: &mut Sha256, length: usize) {
    hash.update((length as u64).to_be_bytes());
}
