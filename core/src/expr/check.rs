//! Types a parsed condition against the names it may use, and folds what is constant. Everything that could go
//! wrong at request time is a fault here; all faults are found at once.

use std::sync::Arc;

use crate::{
    diagnostic::{self, Severity},
    expr::{
        Fault, Named, Names, SlotSet, emit, print,
        syntax::{self, Ast, Call, Expr, Literal},
        tree::{Node, Op, Relation, Sign},
    },
    facts::{Facts, SlotId},
    value::{Type, Value},
};

mod call;

/// Longest list that may be written in a condition.
const LIST_MAX: usize = 256;

/// Types a condition; `None` with at least one fault, or a node of type bool.
pub(crate) fn check(root: &Ast, names: &mut dyn Names) -> (Option<Node>, Vec<Fault>) {
    let mut checker = Checker { names, item: None, hint: None, slots: Vec::new(), faults: Vec::new() };
    let node = checker.truth(root);
    (node.filter(|_| checker.faults.iter().all(|fault| fault.severity != Severity::Error)), checker.faults)
}

struct Checker<'a> {
    names: &'a mut dyn Names,
    /// The variable of the enclosing `exists` or `all`.
    item: Option<(String, Type)>,
    /// The type of what the next name is compared with; settles the type of `raw` values.
    hint: Option<Type>,
    /// What is known of the slots met so far.
    slots: Vec<Met>,
    faults: Vec<Fault>,
}

/// A slot and the values it can have.
struct Met {
    slot: SlotId,
    name: String,
    one_of: Vec<Arc<str>>,
    range: Option<(f64, f64)>,
}

impl Checker<'_> {
    /// Notes a fault; `None`, so that callers can return it.
    fn fault<T>(&mut self, fault: Fault) -> Option<T> {
        self.faults.push(fault);
        None
    }

    fn error<T>(&mut self, code: &'static str, at: &Ast, message: impl Into<String>) -> Option<T> {
        let span = at.span.clone();
        self.fault(Fault::error(code, span, message))
    }

    fn error_with_help<T>(&mut self, code: &'static str, at: &Ast, message: String, help: String) -> Option<T> {
        let span = at.span.clone();
        self.fault(Fault::error(code, span, message).help(help))
    }

    /// A sub-expression that has to come to true or false.
    fn truth(&mut self, of: &Ast) -> Option<Node> {
        let node = self.node(of)?;
        match node.kind {
            Type::Bool => Some(Node { text: print::print(of).into(), ..node }),
            Type::Int | Type::Number => {
                let message = format!("a condition comes to true or false, `{}` is {}", print::print(of), node.kind);
                self.error_with_help("condition.not_bool", of, message, "compare it, as in `>= 70`".into())
            }
            Type::Text | Type::Time | Type::Duration | Type::Ip | Type::List => {
                let message = format!("a condition comes to true or false, `{}` is {}", print::print(of), node.kind);
                self.error("condition.not_bool", of, message)
            }
        }
    }

    /// Any sub-expression.
    fn node(&mut self, of: &Ast) -> Option<Node> {
        match &of.expr {
            Expr::Literal(literal) => self.literal(of, literal),
            Expr::Ident(name) if self.item.as_ref().is_some_and(|(item, _)| item == name) => {
                let kind = self.item.as_ref().map_or(Type::Text, |(_, kind)| *kind);
                Some(Node { op: Op::Item, kind, text: Arc::default() })
            }
            Expr::Ident(name) if name == "now" => Some(Node { op: Op::Now, kind: Type::Time, text: Arc::default() }),
            Expr::Ident(_) | Expr::Select(..) => self.name(of),
            Expr::List(elements) => self.list(of, elements),
            Expr::Map(_) => self.error("condition.syntax", of, "maps and structures are not part of the language"),
            Expr::Maybe(..) => self.error("condition.syntax", of, "`.?` is not part of the language"),
            Expr::Call(call) => self.call(of, call).and_then(|node| self.folded(of, node)),
        }
    }

    fn literal(&mut self, of: &Ast, literal: &Literal) -> Option<Node> {
        let value = match literal {
            Literal::Bool(it) => Value::Bool(*it),
            Literal::Int(it) => Value::Int(*it),
            Literal::Number(it) => Value::Number(*it),
            Literal::Text(it) => Value::text(it.as_str()),
            Literal::Null => {
                let help = "`has(attribute)` tells whether there is a value".to_owned();
                return self.error_with_help("type.mismatch", of, "there is no `null`".into(), help);
            }
        };
        Some(Node::constant(value))
    }

    fn list(&mut self, of: &Ast, list: &[Ast]) -> Option<Node> {
        if list.len() > LIST_MAX {
            return self.error("list.too_long", of, format!("a list of more than {LIST_MAX} elements"));
        }
        let elements: Vec<Option<Node>> = list.iter().map(|element| self.node(element)).collect();
        let mut values: Vec<Value> = Vec::with_capacity(elements.len());
        for (node, at) in elements.into_iter().zip(list) {
            let node = node?;
            let Some(value) = node.as_constant() else {
                return self.error("list.not_constant", at, "a list holds constants and settings only");
            };
            if let Some(first) = values.first()
                && !comparable(first.kind(), value.kind())
            {
                let message =
                    format!("a list holds values of one type, this is {} among {}", value.kind(), first.kind());
                return self.error("type.mismatch", at, message);
            }
            values.push(value.clone());
        }
        Some(Node::constant(Value::List(values.into())))
    }

    /// A dotted name: an attribute or a setting.
    fn name(&mut self, of: &Ast) -> Option<Node> {
        let Some(path) = syntax::path(of) else {
            return self.error("condition.syntax", of, "only names have members, as in `ip.country`");
        };
        match self.names.resolve(&path, self.hint) {
            Ok(Named::Constant(value)) => Some(Node::constant(value)),
            Ok(Named::Slot { slot, kind, one_of, range, caution }) => {
                if let Some(caution) = caution {
                    let fault = Fault::error(caution.code, of.span.clone(), caution.message);
                    self.faults.push(Fault { severity: Severity::Warning, help: caution.help, ..fault });
                }
                if !self.slots.iter().any(|met| met.slot == slot) {
                    self.slots.push(Met { slot, name: path.join("."), one_of, range });
                }
                Some(Node { op: Op::Slot(slot), kind, text: Arc::default() })
            }
            Err(unresolved) => {
                let span = of.span.clone();
                let fault = Fault::error(unresolved.code, span, unresolved.message);
                self.fault(Fault { help: unresolved.help, ..fault })
            }
        }
    }

    /// The slot that an argument of `has` names.
    fn slot(&mut self, of: &Ast) -> Option<SlotId> {
        match self.node(of)?.op {
            Op::Slot(slot) => Some(slot),
            _ => self.error("type.mismatch", of, "`has` takes the name of an attribute"),
        }
    }

    fn met(&self, slot: SlotId) -> Option<&Met> {
        self.slots.iter().find(|met| met.slot == slot)
    }

    /// The node, or the constant it always comes to.
    fn folded(&mut self, of: &Ast, node: Node) -> Option<Node> {
        let children = node.children();
        let constant = !children.is_empty() && children.iter().all(|child| child.as_constant().is_some());
        if !constant {
            return Some(simplified(node));
        }
        let nothing = Facts::default();
        let look = emit::Look { facts: &nothing, item: None };
        let value = emit::read(&node)(&look, &mut SlotSet::default()).ok().map(|value| value.into_owned());
        match value {
            Some(value) => Some(Node::constant(value)),
            None => self.error("condition.no_value", of, format!("`{}` never has a value", print::print(of))),
        }
    }

    /// Text that can never occur where an attribute has only a few values.
    fn check_one_of(&mut self, node: &Node, value: &Value, at: &Ast) -> Option<()> {
        let (Op::Slot(slot), Value::Text(text)) = (&node.op, value) else { return Some(()) };
        let Some(met) = self.met(*slot) else { return Some(()) };
        if met.one_of.is_empty() || met.one_of.contains(text) {
            return Some(());
        }
        let message = format!("`{}` is never {text:?}; it is one of {}", met.name, met.one_of.join(", "));
        let help =
            diagnostic::nearest(text, met.one_of.iter().map(|it| &**it)).map(|it| format!("did you mean {it:?}?"));
        let span = at.span.clone();
        let fault = Fault::error("comparison.impossible", span, message);
        self.fault(Fault { help, ..fault })
    }

    /// A comparison that a bounded attribute settles whatever its value.
    fn check_range(&mut self, node: &Node, relation: Relation, value: &Value, at: &Ast) -> Option<()> {
        let (Op::Slot(slot), Some(bound)) = (&node.op, number(value)) else { return Some(()) };
        let Some((met, (low, high))) = self.met(*slot).and_then(|met| Some((met, met.range?))) else { return Some(()) };
        let outcome = |end: f64| end.partial_cmp(&bound).map(|order| relation.holds(order));
        let settled = match relation {
            Relation::Equal | Relation::NotEqual => bound < low || bound > high,
            Relation::Less | Relation::AtMost | Relation::Greater | Relation::AtLeast => outcome(low) == outcome(high),
        };
        if !settled {
            return Some(());
        }
        let always = if outcome(low) == Some(true) { "always" } else { "never" };
        let message = format!("`{}` is between {low} and {high}, so this is {always} true", met.name);
        self.error("comparison.impossible", at, message)
    }

    fn both(&mut self, call: &Call) -> Option<[Node; 2]> {
        let [left, right] = call.args.as_slice() else { return None };
        let (left, right) = if is_raw(left) {
            let right = self.node(right);
            (self.hinted(left, right.as_ref()), right)
        } else {
            let left = self.node(left);
            let right = self.hinted(right, left.as_ref());
            (left, right)
        };
        Some([left?, right?])
    }

    /// A sub-expression that is compared with another.
    fn hinted(&mut self, of: &Ast, with: Option<&Node>) -> Option<Node> {
        self.hint = with.map(|node| node.kind).filter(|_| is_raw(of));
        let node = self.node(of);
        self.hint = None;
        node
    }

    fn compare(&mut self, of: &Ast, relation: Relation, call: &Call) -> Option<Node> {
        let [mut left, mut right] = self.both(call)?;
        let [left_at, right_at] = call.args.as_slice() else { return None };
        adapt(&mut left, right.kind);
        adapt(&mut right, left.kind);
        if !comparable(left.kind, right.kind) || left.kind == Type::List {
            let message = format!("{} cannot be compared with {}", left.kind, right.kind);
            let help = advice(left.kind, right.kind);
            let fault = Fault::error("type.mismatch", of.span.clone(), message);
            return self.fault(Fault { help, ..fault });
        }
        if !relation.is_equality() && matches!(left.kind, Type::Bool | Type::Ip) {
            return self.error("type.mismatch", of, format!("{} has no order; compare with `==` or `!=`", left.kind));
        }
        for (node, other, at, relation) in
            [(&left, &right, right_at, relation), (&right, &left, left_at, relation.mirrored())]
        {
            if let Some(value) = other.as_constant() {
                if relation.is_equality() {
                    self.check_one_of(node, value, at)?;
                }
                self.check_range(node, relation, value, of)?;
            }
        }
        Some(truth(Op::Compare(relation, Box::new([left, right]))))
    }

    fn arithmetic(&mut self, of: &Ast, sign: Sign, call: &Call) -> Option<Node> {
        let [left, right] = self.both(call)?;
        let kind = match (left.kind, sign, right.kind) {
            (Type::Int, _, Type::Int) => Type::Int,
            (
                Type::Int | Type::Number,
                Sign::Plus | Sign::Minus | Sign::Times | Sign::Divide,
                Type::Int | Type::Number,
            ) => Type::Number,
            (Type::Time, Sign::Minus, Type::Time) => Type::Duration,
            (Type::Time, Sign::Plus | Sign::Minus, Type::Duration) => Type::Time,
            (Type::Duration, Sign::Plus, Type::Time) => Type::Time,
            (Type::Duration, Sign::Plus | Sign::Minus, Type::Duration) => Type::Duration,
            (Type::Text, Sign::Plus, Type::Text) => Type::Text,
            (left, _, right) => {
                let message = format!("`{}` cannot join {left} and {right}", sign.symbol());
                return self.error("type.mismatch", of, message);
            }
        };
        Some(Node { op: Op::Arithmetic(sign, Box::new([left, right])), kind, text: Arc::default() })
    }
}

/// Whether it is the name of a vendor's own value, whose type nobody declared.
fn is_raw(of: &Ast) -> bool {
    syntax::path(of).is_some_and(|path| path.first() == Some(&"raw"))
}

fn truth(op: Op) -> Node {
    Node { op, kind: Type::Bool, text: Arc::default() }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(whole) => Some(*whole as f64),
        Value::Number(number) => Some(*number),
        Value::Bool(_) | Value::Text(_) | Value::Time(_) | Value::Duration(_) | Value::Ip(_) | Value::List(_) => None,
    }
}

fn comparable(left: Type, right: Type) -> bool {
    left == right || matches!((left, right), (Type::Int, Type::Number) | (Type::Number, Type::Int))
}

/// Constant text that is compared with an address becomes one.
fn adapt(node: &mut Node, to: Type) {
    if to == Type::Ip
        && let Some(address) = node.as_constant().cloned().and_then(|value| value.cast(Type::Ip))
    {
        *node = Node::constant(address);
    }
}

fn advice(left: Type, right: Type) -> Option<String> {
    let text = match (left, right) {
        (Type::Int | Type::Number, Type::Text) | (Type::Text, Type::Int | Type::Number) => {
            "write the number without quotes"
        }
        (Type::Duration, _) | (_, Type::Duration) => "write a length of time as `duration(\"5m\")`",
        (Type::Time, _) | (_, Type::Time) => "compare a time with `now - duration(\"5m\")`",
        (Type::Bool, Type::Text) | (Type::Text, Type::Bool) => "write `true` and `false` without quotes",
        (Type::List, _) => "`\"x\" in list` and `list.exists(item, …)` look into lists",
        _ => return None,
    };
    Some(text.to_owned())
}

/// Flattens `a && (b && c)`, and drops constant parts that settle nothing.
fn simplified(node: Node) -> Node {
    let (parts, stop) = match &node.op {
        Op::All(parts) => (parts, false),
        Op::Any(parts) => (parts, true),
        _ => return node,
    };
    let mut flat = Vec::with_capacity(parts.len());
    for part in parts {
        match (&part.op, stop) {
            (Op::Constant(Value::Bool(holds)), _) if *holds == stop => return Node::constant(Value::Bool(stop)),
            (Op::Constant(_), _) => {}
            (Op::All(inner), false) | (Op::Any(inner), true) => flat.extend(inner.iter().cloned()),
            _ => flat.push(part.clone()),
        }
    }
    match (flat.len(), flat.pop()) {
        (1, Some(only)) => only,
        (_, Some(last)) => {
            flat.push(last);
            Node { op: if stop { Op::Any(flat) } else { Op::All(flat) }, ..node }
        }
        (_, None) => Node::constant(Value::Bool(!stop)),
    }
}

/// Joins conditions by `&&`.
pub(crate) fn all_of(parts: Vec<Node>, text: Arc<str>) -> Node {
    let joined = simplified(truth(Op::All(parts)));
    Node { text, ..joined }
}

/// Joins conditions by `||`.
pub(crate) fn any_of(parts: Vec<Node>, text: Arc<str>) -> Node {
    let joined = simplified(truth(Op::Any(parts)));
    Node { text, ..joined }
}

/// None of the conditions.
pub(crate) fn none_of(parts: Vec<Node>, text: Arc<str>) -> Node {
    let any = any_of(parts, Arc::default());
    match any.as_constant() {
        Some(Value::Bool(holds)) => Node::constant(Value::Bool(!holds)),
        _ => Node { text, ..truth(Op::Not(Box::new(any))) },
    }
}
