//! A checked condition as a typed tree. Every node has the type its operation needs: `check` builds nothing else.

use std::sync::Arc;

use ipnet::IpNet;
use regex::Regex;

use crate::{
    facts::SlotId,
    value::{Type, Value},
};

/// One sub-expression.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// What it computes.
    pub(crate) op: Op,
    /// The type of what comes out.
    pub(crate) kind: Type,
    /// Its source, normalised; only where it comes to true or false, for `explain`.
    pub(crate) text: Arc<str>,
}

/// What a node computes.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Constant(Value),
    Slot(SlotId),
    /// The element that the enclosing `exists` or `all` looks at.
    Item,
    Now,
    /// `has(slot)`.
    Has(SlotId),
    Not(Box<Node>),
    All(Vec<Node>),
    Any(Vec<Node>),
    /// `condition ? first : second`.
    Choose(Box<[Node; 3]>),
    Compare(Relation, Box<[Node; 2]>),
    Arithmetic(Sign, Box<[Node; 2]>),
    Negate(Box<Node>),
    /// `element in list`.
    In(Box<[Node; 2]>),
    InNetworks(Box<Node>, Arc<[IpNet]>),
    /// `default(value, instead)`.
    Default(Box<[Node; 2]>),
    Text(TextTest, Box<[Node; 2]>),
    Matches(Box<Node>, Regex),
    Lower(Box<Node>),
    Size(Box<Node>),
    Index(Box<[Node; 2]>),
    /// `list.exists(item, test)`.
    Exists(Box<[Node; 2]>),
    /// `list.all(item, test)`.
    Every(Box<[Node; 2]>),
}

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Relation {
    /// Whether values in this order stand in the relation.
    pub(crate) fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Relation::Equal => order.is_eq(),
            Relation::NotEqual => order.is_ne(),
            Relation::Less => order.is_lt(),
            Relation::AtMost => order.is_le(),
            Relation::Greater => order.is_gt(),
            Relation::AtLeast => order.is_ge(),
        }
    }

    /// The same relation with its sides swapped.
    pub(crate) fn mirrored(self) -> Self {
        match self {
            Relation::Equal | Relation::NotEqual => self,
            Relation::Less => Relation::Greater,
            Relation::AtMost => Relation::AtLeast,
            Relation::Greater => Relation::Less,
            Relation::AtLeast => Relation::AtMost,
        }
    }

    /// Whether it asks for sameness only.
    pub(crate) fn is_equality(self) -> bool {
        matches!(self, Relation::Equal | Relation::NotEqual)
    }
}

/// An arithmetic operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    Plus,
    Minus,
    Times,
    Divide,
    Remainder,
}

impl Sign {
    /// As written.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Sign::Plus => "+",
            Sign::Minus => "-",
            Sign::Times => "*",
            Sign::Divide => "/",
            Sign::Remainder => "%",
        }
    }
}

/// A test of one text by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextTest {
    StartsWith,
    EndsWith,
    Contains,
}

impl Node {
    /// A constant.
    pub(crate) fn constant(value: Value) -> Self {
        Node { kind: value.kind(), op: Op::Constant(value), text: Arc::default() }
    }

    /// The value of a constant.
    pub(crate) fn as_constant(&self) -> Option<&Value> {
        match &self.op {
            Op::Constant(value) => Some(value),
            _ => None,
        }
    }

    /// The nodes right below, in the order they are written.
    pub(crate) fn children(&self) -> Vec<&Node> {
        match &self.op {
            Op::Constant(_) | Op::Slot(_) | Op::Item | Op::Now | Op::Has(_) => Vec::new(),
            Op::Not(one) | Op::Negate(one) | Op::InNetworks(one, _) => vec![one],
            Op::Matches(one, _) | Op::Lower(one) | Op::Size(one) => vec![one],
            Op::All(parts) | Op::Any(parts) => parts.iter().collect(),
            Op::Choose(three) => three.iter().collect(),
            Op::Compare(_, two) | Op::Arithmetic(_, two) | Op::In(two) | Op::Default(two) => two.iter().collect(),
            Op::Text(_, two) | Op::Index(two) | Op::Exists(two) | Op::Every(two) => two.iter().collect(),
        }
    }

    /// Every slot it mentions, once, in the order of mention.
    pub(crate) fn slots(&self) -> Vec<SlotId> {
        let mut found = Vec::new();
        let mut pending = vec![self];
        while let Some(node) = pending.pop() {
            if let Op::Slot(slot) | Op::Has(slot) = node.op
                && !found.contains(&slot)
            {
                found.push(slot);
            }
            pending.extend(node.children().into_iter().rev());
        }
        found
    }
}
