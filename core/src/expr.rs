//! Conditions: three-valued (a fourth state, pending, drives fetching), compiled to closures over slots.
//!
//! The text is CEL. `parse` reads it, `check` types it against [`Names`] and folds what is constant, `emit` turns it
//! into closures. All that can be wrong is a [`Fault`] at load; evaluating cannot fail, it can only lack a value.

use std::{ops::Range, sync::Arc};

use crate::{
    diagnostic::Severity,
    expr::tree::{Node, Op},
    facts::{Facts, Reading, SlotId, Why},
    value::{Type, Value},
};

mod check;
mod emit;
pub mod explain;
mod lex;
pub(crate) mod parse;
mod print;
pub(crate) mod syntax;
pub(crate) mod tree;

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
    /// What `explain` walks; `None` for a condition made of a closure.
    tree: Option<Box<Node>>,
}

impl Condition {
    /// A condition from a closure, for tests of what uses conditions.
    pub fn new(text: impl Into<Arc<str>>, uses: SlotSet, run: Run) -> Self {
        Condition { text: text.into(), uses, run, tree: None }
    }

    /// What it comes to, adding to `wanted` the slots that keep it pending.
    pub fn eval(&self, facts: &Facts, wanted: &mut SlotSet) -> Truth {
        (self.run)(facts, wanted)
    }

    /// What it and each of its parts come to.
    pub fn explain(&self, facts: &Facts) -> explain::Explained {
        match &self.tree {
            Some(tree) => explain::explain(tree, facts),
            None => {
                let truth = self.eval(facts, &mut SlotSet::default());
                let slots = self.uses.iter().collect();
                explain::Explained { text: self.text.clone(), truth, slots, parts: Vec::new() }
            }
        }
    }

    /// The signal whose absence makes a part of it hold, as `default` and `!has` can: among the slots of `asked_for`,
    /// those that a vendor or a look-up may fail to give. Parts are what `&&` and `||` join.
    pub fn opened_by_absence(&self, asked_for: SlotSet) -> Option<SlotId> {
        let mut facts = Facts::unasked(0, SlotSet::MAX);
        for slot in asked_for.iter() {
            facts.learn(slot, Reading::Unknown(Why::Unavailable), None);
        }
        let mut parts: Vec<&Node> = self.tree.as_deref().into_iter().collect();
        while let Some(part) = parts.pop() {
            if let Op::All(inner) | Op::Any(inner) = &part.op {
                parts.extend(inner);
                continue;
            }
            let signal = part.slots().into_iter().find(|slot| asked_for.contains(*slot));
            let look = emit::Look { facts: &facts, item: None };
            if signal.is_some() && emit::test(part)(&look, &mut SlotSet::default()) == Ok(true) {
                return signal;
            }
        }
        None
    }

    /// What it always comes to, where no fact can change it.
    pub fn constant(&self) -> Option<bool> {
        match self.tree.as_deref().and_then(Node::as_constant) {
            Some(Value::Bool(always)) => Some(*always),
            _ => None,
        }
    }
}

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Condition({})", self.text)
    }
}

impl From<Result<bool, emit::Gap>> for Truth {
    fn from(came: Result<bool, emit::Gap>) -> Self {
        match came {
            Ok(true) => Truth::True,
            Ok(false) => Truth::False,
            Err(emit::Gap::Unknown) => Truth::Unknown,
            Err(emit::Gap::Pending) => Truth::Pending,
        }
    }
}

/// What conditions may speak of. Whoever implements it hands out the slots.
pub trait Names {
    /// What a dotted name stands for. `compared_with` is the type it would have to have, where nobody declared one.
    fn resolve(&mut self, path: &[&str], compared_with: Option<Type>) -> Result<Named, Unresolved>;
}

/// What a name stands for.
pub enum Named {
    /// A setting.
    Constant(Value),
    /// An attribute.
    Slot {
        /// Its place.
        slot: SlotId,
        /// Its type.
        kind: Type,
        /// The only values it can have; empty for any.
        one_of: Vec<Arc<str>>,
        /// Its lowest and highest value.
        range: Option<(f64, f64)>,
        /// Why it had better not be used.
        caution: Option<Unresolved>,
    },
}

/// Why a name stands for nothing that can be used here.
pub struct Unresolved {
    /// The diagnostic's code.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to try.
    pub help: Option<String>,
}

/// What is wrong with a condition, and where in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The diagnostic's code.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Byte range in the condition's text.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to try.
    pub help: Option<String>,
}

impl Fault {
    pub(crate) fn error(code: &'static str, span: Range<usize>, message: impl Into<String>) -> Self {
        Fault { code, severity: Severity::Error, span, message: message.into(), help: None }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Fault { help: Some(help.into()), ..self }
    }
}

/// A condition that was found right, still to be joined with others or compiled.
#[derive(Clone, Debug)]
pub struct Checked {
    text: Arc<str>,
    node: Node,
}

/// Reads and types a condition. Without a value there is at least one fault of severity error; with one there may
/// still be warnings.
pub fn check(text: &str, names: &mut dyn Names) -> (Option<Checked>, Vec<Fault>) {
    let parsed = match parse::parse(text) {
        Ok(parsed) => parsed,
        Err(fault) => return (None, vec![fault]),
    };
    let (node, faults) = check::check(&parsed, names);
    (node.map(|node| Checked { text: text.trim().into(), node }), faults)
}

impl Checked {
    /// Whether it always comes to the same.
    pub fn constant(&self) -> Option<bool> {
        match self.node.as_constant() {
            Some(Value::Bool(always)) => Some(*always),
            _ => None,
        }
    }

    /// Every one of these holds.
    pub fn all(parts: Vec<Checked>) -> Self {
        let text = joined(&parts, " && ");
        Checked { node: check::all_of(nodes(parts), text.clone()), text }
    }

    /// At least one of these holds.
    pub fn any(parts: Vec<Checked>) -> Self {
        let text = joined(&parts, " || ");
        Checked { node: check::any_of(nodes(parts), text.clone()), text }
    }

    /// Not one of these holds.
    pub fn none(parts: Vec<Checked>) -> Self {
        let text: Arc<str> = format!("!({})", joined(&parts, " || ")).into();
        Checked { node: check::none_of(nodes(parts), text.clone()), text }
    }

    /// The condition, ready to run.
    pub fn compile(self) -> Condition {
        let mut uses = SlotSet::default();
        self.node.slots().into_iter().for_each(|slot| uses.insert(slot));
        let test = emit::test(&self.node);
        let run: Run = Box::new(move |facts, wanted| Truth::from(test(&emit::Look { facts, item: None }, wanted)));
        Condition { text: self.text, uses, run, tree: Some(Box::new(self.node)) }
    }
}

fn nodes(parts: Vec<Checked>) -> Vec<Node> {
    parts.into_iter().map(|part| part.node).collect()
}

/// The texts side by side, in parentheses where they join something themselves.
fn joined(parts: &[Checked], sign: &str) -> Arc<str> {
    let texts = parts.iter().map(|part| {
        let negated = matches!(part.node.op, Op::Not(_));
        let compound = !negated && ["&&", "||", " ? "].iter().any(|sign| part.text.contains(sign));
        if compound && parts.len() > 1 { format!("({})", part.text) } else { part.text.to_string() }
    });
    texts.collect::<Vec<_>>().join(sign).into()
}

#[cfg(test)]
mod tests;
