//! What each part of a condition came to. Runs the same closures as a decision does; only ever for people.

use std::sync::Arc;

use crate::{
    expr::{
        SlotSet, Truth,
        emit::{self, Look},
        tree::{Node, Op},
    },
    facts::{Facts, SlotId},
};

/// A part of a condition and what it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The part, as CEL.
    pub text: Arc<str>,
    /// What it came to; `Pending` reads "not asked".
    pub truth: Truth,
    /// The attributes it turns on, where it has no parts of its own.
    pub slots: Vec<SlotId>,
    /// Its parts, where it joins several by `&&`, `||`, `!` or `? :`.
    pub parts: Vec<Explained>,
}

/// Explains a checked condition.
pub(crate) fn explain(node: &Node, facts: &Facts) -> Explained {
    let look = Look { facts, item: None };
    let truth = Truth::from(emit::test(node)(&look, &mut SlotSet::default()));
    let joins = matches!(node.op, Op::All(_) | Op::Any(_) | Op::Not(_));
    Explained {
        text: node.text.clone(),
        truth,
        slots: if joins { Vec::new() } else { node.slots() },
        parts: if joins { node.children().into_iter().map(|part| explain(part, facts)).collect() } else { Vec::new() },
    }
}
