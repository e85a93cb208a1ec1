//! Turns a checked tree into closures over slots. Nothing here allocates on comparisons, and nothing can fail:
//! a value that is not there, or not of its declared type, is a gap.

use std::{borrow::Cow, cmp::Ordering, sync::Arc};

use crate::{
    expr::{
        SlotSet,
        tree::{Node, Op, Relation, Sign, TextTest},
    },
    facts::{Facts, Reading, SlotId},
    value::Value,
};

/// How many elements of a list are looked at.
const LIST_MAX: usize = 256;

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gap {
    /// It was asked for and there is none.
    Unknown,
    /// It has not been asked for.
    Pending,
}

/// What a closure looks at.
pub(crate) struct Look<'f> {
    pub(crate) facts: &'f Facts,
    /// The element that the enclosing `exists` or `all` looks at.
    pub(crate) item: Option<&'f Value>,
}

/// Comes to true or false; adds to the set what keeps it pending.
pub(crate) type Test = Box<dyn Fn(&Look<'_>, &mut SlotSet) -> Result<bool, Gap> + Send + Sync>;

/// Comes to a value; slots are borrowed, not copied.
pub(crate) type Read = Box<dyn for<'f> Fn(&Look<'f>, &mut SlotSet) -> Result<Cow<'f, Value>, Gap> + Send + Sync>;

/// The closure of a node that comes to true or false.
pub(crate) fn test(node: &Node) -> Test {
    match &node.op {
        Op::Constant(Value::Bool(always)) => {
            let always = *always;
            Box::new(move |_, _| Ok(always))
        }
        Op::Slot(slot) => bool_slot(*slot),
        Op::Has(slot) => has(*slot),
        Op::Not(inner) => {
            let inner = test(inner);
            Box::new(move |look, wanted| inner(look, wanted).map(|holds| !holds))
        }
        Op::All(parts) => absorbing(parts, false),
        Op::Any(parts) => absorbing(parts, true),
        Op::Choose(three) => {
            let [condition, first, second] = &**three;
            let (condition, first, second) = (test(condition), test(first), test(second));
            Box::new(
                move |look, wanted| {
                    if condition(look, wanted)? { first(look, wanted) } else { second(look, wanted) }
                },
            )
        }
        Op::Compare(relation, two) => compare(*relation, two),
        Op::In(two) => element_of(two),
        Op::InNetworks(address, networks) => {
            let networks = networks.clone();
            seen(address, move |value| match value {
                Value::Ip(address) => Ok(networks.iter().any(|network| network.contains(address))),
                _ => Err(Gap::Unknown),
            })
        }
        Op::Default(two) => {
            let [value, instead] = &**two;
            let (value, instead) = (test(value), test(instead));
            Box::new(move |look, wanted| match value(look, wanted) {
                Err(Gap::Unknown) => instead(look, wanted),
                known_or_pending => known_or_pending,
            })
        }
        Op::Text(by, two) => text_test(*by, two),
        Op::Matches(text, pattern) => {
            let pattern = pattern.clone();
            seen(text, move |text| Ok(pattern.is_match(as_text(text)?)))
        }
        Op::Exists(two) => over_list(two, true),
        Op::Every(two) => over_list(two, false),
        Op::Constant(_)
        | Op::Item
        | Op::Now
        | Op::Arithmetic(..)
        | Op::Negate(_)
        | Op::Lower(_)
        | Op::Size(_)
        | Op::Index(_) => seen(node, |value| match value {
            Value::Bool(holds) => Ok(*holds),
            _ => Err(Gap::Unknown),
        }),
    }
}

/// A test of one value. That of an attribute, the commonest by far, is looked at where it is.
fn seen(node: &Node, holds: impl Fn(&Value) -> Result<bool, Gap> + Send + Sync + 'static) -> Test {
    if let Op::Slot(slot) = node.op {
        return Box::new(move |look, wanted| holds(slot_value(look.facts, slot, wanted)?));
    }
    let value = read(node);
    Box::new(move |look, wanted| holds(&*value(look, wanted)?))
}

/// The closure of any node.
pub(crate) fn read(node: &Node) -> Read {
    match &node.op {
        Op::Constant(value) => {
            let value = value.clone();
            Box::new(move |_, _| Ok(Cow::Owned(value.clone())))
        }
        Op::Slot(slot) => {
            let slot = *slot;
            Box::new(move |look, wanted| slot_value(look.facts, slot, wanted).map(Cow::Borrowed))
        }
        Op::Item => Box::new(|look, _| look.item.map(Cow::Borrowed).ok_or(Gap::Unknown)),
        Op::Now => Box::new(|look, _| Ok(Cow::Owned(Value::Time(look.facts.now_ms)))),
        Op::Choose(three) => {
            let [condition, first, second] = &**three;
            let (condition, first, second) = (test(condition), read(first), read(second));
            Box::new(
                move |look, wanted| {
                    if condition(look, wanted)? { first(look, wanted) } else { second(look, wanted) }
                },
            )
        }
        Op::Default(two) => {
            let [value, instead] = &**two;
            let (value, instead) = (read(value), read(instead));
            Box::new(move |look, wanted| match value(look, wanted) {
                Err(Gap::Unknown) => instead(look, wanted),
                known_or_pending => known_or_pending,
            })
        }
        Op::Arithmetic(sign, two) => {
            let sign = *sign;
            strict(two, move |left, right| arithmetic(sign, left, right))
        }
        Op::Negate(inner) => {
            let inner = read(inner);
            Box::new(move |look, wanted| match &*inner(look, wanted)? {
                Value::Int(whole) => whole.checked_neg().map(Value::Int).map(Cow::Owned).ok_or(Gap::Unknown),
                Value::Number(number) => Ok(Cow::Owned(Value::Number(-number))),
                Value::Duration(span) => span.checked_neg().map(Value::Duration).map(Cow::Owned).ok_or(Gap::Unknown),
                _ => Err(Gap::Unknown),
            })
        }
        Op::Lower(text) => {
            let text = read(text);
            Box::new(move |look, wanted| {
                let value = text(look, wanted)?;
                let lower = as_text(&value)?;
                let changes = lower.bytes().any(|byte| byte.is_ascii_uppercase());
                Ok(if changes { Cow::Owned(Value::text(lower.to_ascii_lowercase())) } else { value })
            })
        }
        Op::Size(of) => {
            let of = read(of);
            Box::new(move |look, wanted| match &*of(look, wanted)? {
                Value::Text(text) => Ok(Cow::Owned(Value::Int(text.chars().count() as i64))),
                Value::List(list) => Ok(Cow::Owned(Value::Int(list.len().min(LIST_MAX) as i64))),
                _ => Err(Gap::Unknown),
            })
        }
        Op::Index(two) => strict(two, |list, at| match (list, at) {
            (Value::List(list), Value::Int(at)) => list.get(usize::try_from(*at).ok()?).cloned(),
            _ => None,
        }),
        Op::Has(_) | Op::Not(_) | Op::All(_) | Op::Any(_) | Op::Compare(..) | Op::In(_) | Op::InNetworks(..) => {
            as_read(node)
        }
        Op::Text(..) | Op::Matches(..) | Op::Exists(_) | Op::Every(_) => as_read(node),
    }
}

fn as_read(node: &Node) -> Read {
    let test = test(node);
    Box::new(move |look, wanted| test(look, wanted).map(|holds| Cow::Owned(Value::Bool(holds))))
}

#[inline]
fn slot_value<'f>(facts: &'f Facts, slot: SlotId, wanted: &mut SlotSet) -> Result<&'f Value, Gap> {
    match facts.reading(slot) {
        Reading::Known(value) => Ok(value),
        Reading::Unknown(_) => Err(Gap::Unknown),
        Reading::Pending => {
            wanted.insert(slot);
            Err(Gap::Pending)
        }
    }
}

fn bool_slot(slot: SlotId) -> Test {
    Box::new(move |look, wanted| match slot_value(look.facts, slot, wanted)? {
        Value::Bool(holds) => Ok(*holds),
        _ => Err(Gap::Unknown),
    })
}

fn has(slot: SlotId) -> Test {
    Box::new(move |look, wanted| match slot_value(look.facts, slot, wanted) {
        Ok(_) => Ok(true),
        Err(Gap::Unknown) => Ok(false),
        Err(Gap::Pending) => Err(Gap::Pending),
    })
}

/// `&&` (which stops at false) and `||` (which stops at true). What stops it decides, whatever the others lack;
/// else something pending may still decide, so it outranks what is unknown.
fn absorbing(parts: &[Node], stop: bool) -> Test {
    let parts: Vec<Test> = parts.iter().map(test).collect();
    Box::new(move |look, wanted| {
        let before = *wanted;
        let mut gap = None;
        for part in &parts {
            match part(look, wanted) {
                Ok(holds) if holds == stop => {
                    *wanted = before;
                    return Ok(stop);
                }
                Ok(_) => {}
                Err(Gap::Pending) => gap = Some(Gap::Pending),
                Err(Gap::Unknown) => gap = gap.or(Some(Gap::Unknown)),
            }
        }
        gap.map_or(Ok(!stop), Err)
    })
}

/// An operation that needs both values. One that is unknown settles it: the other is not worth asking for.
fn both<'f>(
    left: &Read,
    right: &Read,
    look: &Look<'f>,
    wanted: &mut SlotSet,
) -> Result<(Cow<'f, Value>, Cow<'f, Value>), Gap> {
    let before = *wanted;
    match (left(look, wanted), right(look, wanted)) {
        (Ok(left), Ok(right)) => Ok((left, right)),
        (Err(Gap::Unknown), _) | (_, Err(Gap::Unknown)) => {
            *wanted = before;
            Err(Gap::Unknown)
        }
        (Err(Gap::Pending), _) | (_, Err(Gap::Pending)) => Err(Gap::Pending),
    }
}

fn strict(two: &[Node; 2], apply: impl Fn(&Value, &Value) -> Option<Value> + Send + Sync + 'static) -> Read {
    let (left, right) = (read(&two[0]), read(&two[1]));
    Box::new(move |look, wanted| {
        let (left, right) = both(&left, &right, look, wanted)?;
        apply(&left, &right).map(Cow::Owned).ok_or(Gap::Unknown)
    })
}

fn compare(relation: Relation, two: &[Node; 2]) -> Test {
    match (&two[0].op, &two[1].op) {
        (_, Op::Constant(constant)) => compare_constant(relation, &two[0], constant.clone()),
        (Op::Constant(constant), _) => compare_constant(relation.mirrored(), &two[1], constant.clone()),
        _ => {
            let (left, right) = (read(&two[0]), read(&two[1]));
            Box::new(move |look, wanted| {
                let (left, right) = both(&left, &right, look, wanted)?;
                order(&left, &right).map(|order| relation.holds(order)).ok_or(Gap::Unknown)
            })
        }
    }
}

/// A value compared with a constant. What type the constant has is settled here and not at every request.
fn compare_constant(relation: Relation, node: &Node, constant: Value) -> Test {
    match constant {
        Value::Text(constant) if relation.is_equality() => {
            let wanted = relation == Relation::Equal;
            seen(node, move |value| Ok((as_text(value)? == &*constant) == wanted))
        }
        Value::Int(constant) => seen(node, move |value| {
            let order = match value {
                Value::Int(value) => Some(value.cmp(&constant)),
                Value::Number(value) => value.partial_cmp(&(constant as f64)),
                _ => None,
            };
            order.map(|order| relation.holds(order)).ok_or(Gap::Unknown)
        }),
        constant => {
            seen(node, move |value| order(value, &constant).map(|order| relation.holds(order)).ok_or(Gap::Unknown))
        }
    }
}

/// Whether two values are the same; `false` for values of different kinds.
fn is_same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        // Of most texts the length tells.
        (Value::Text(left), Value::Text(right)) => left == right,
        _ => order(left, right).is_some_and(Ordering::is_eq),
    }
}

/// The order of two values of one kind; a whole number and a fraction compare as numbers.
#[inline]
pub(crate) fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.partial_cmp(right),
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        (Value::Int(left), Value::Number(right)) => (*left as f64).partial_cmp(right),
        (Value::Number(left), Value::Int(right)) => left.partial_cmp(&(*right as f64)),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Time(left), Value::Time(right)) => Some(left.cmp(right)),
        (Value::Duration(left), Value::Duration(right)) => Some(left.cmp(right)),
        (Value::Ip(left), Value::Ip(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

/// Arithmetic as CEL defines it, where an overflow or a division by zero has no value.
fn arithmetic(sign: Sign, left: &Value, right: &Value) -> Option<Value> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => whole(sign, *left, *right).map(Value::Int),
        (Value::Number(left), Value::Number(right)) => fraction(sign, *left, *right),
        (Value::Int(left), Value::Number(right)) => fraction(sign, *left as f64, *right),
        (Value::Number(left), Value::Int(right)) => fraction(sign, *left, *right as f64),
        (Value::Time(left), Value::Time(right)) => whole(sign, *left, *right).map(Value::Duration),
        (Value::Time(left), Value::Duration(right)) => whole(sign, *left, *right).map(Value::Time),
        (Value::Duration(left), Value::Time(right)) => whole(sign, *left, *right).map(Value::Time),
        (Value::Duration(left), Value::Duration(right)) => whole(sign, *left, *right).map(Value::Duration),
        (Value::Text(left), Value::Text(right)) => Some(Value::text(format!("{left}{right}"))),
        _ => None,
    }
}

fn whole(sign: Sign, left: i64, right: i64) -> Option<i64> {
    match sign {
        Sign::Plus => left.checked_add(right),
        Sign::Minus => left.checked_sub(right),
        Sign::Times => left.checked_mul(right),
        Sign::Divide => left.checked_div(right),
        Sign::Remainder => left.checked_rem(right),
    }
}

fn fraction(sign: Sign, left: f64, right: f64) -> Option<Value> {
    let number = match sign {
        Sign::Plus => left + right,
        Sign::Minus => left - right,
        Sign::Times => left * right,
        Sign::Divide => left / right,
        Sign::Remainder => return None,
    };
    number.is_finite().then_some(Value::Number(number))
}

fn element_of(two: &[Node; 2]) -> Test {
    if let Op::Constant(Value::List(list)) = &two[1].op {
        let list = list.clone();
        return seen(&two[0], move |element| Ok(list.iter().any(|it| is_same(element, it))));
    }
    if let Op::Constant(element) = &two[0].op {
        let element = element.clone();
        return seen(&two[1], move |list| {
            let Value::List(list) = list else { return Err(Gap::Unknown) };
            Ok(list.iter().take(LIST_MAX).any(|it| is_same(&element, it)))
        });
    }
    let (element, list) = (read(&two[0]), read(&two[1]));
    Box::new(move |look, wanted| {
        let (element, list) = both(&element, &list, look, wanted)?;
        let Value::List(list) = &*list else { return Err(Gap::Unknown) };
        Ok(list.iter().take(LIST_MAX).any(|it| is_same(&element, it)))
    })
}

fn text_test(by: TextTest, two: &[Node; 2]) -> Test {
    let holds = move |text: &str, part: &str| match by {
        TextTest::StartsWith => text.starts_with(part),
        TextTest::EndsWith => text.ends_with(part),
        TextTest::Contains => text.contains(part),
    };
    if let Op::Constant(Value::Text(part)) = &two[1].op {
        let part = Arc::clone(part);
        return seen(&two[0], move |text| Ok(holds(as_text(text)?, &part)));
    }
    let (text, part) = (read(&two[0]), read(&two[1]));
    Box::new(move |look, wanted| {
        let (text, part) = both(&text, &part, look, wanted)?;
        Ok(holds(as_text(&text)?, as_text(&part)?))
    })
}

/// `exists` (which stops at true) and `all` (which stops at false), absorbing as `||` and `&&` do.
fn over_list(two: &[Node; 2], stop: bool) -> Test {
    let (list, body) = (read(&two[0]), test(&two[1]));
    Box::new(move |look, wanted| {
        let list = list(look, wanted)?;
        let Value::List(list) = &*list else { return Err(Gap::Unknown) };
        let before = *wanted;
        let mut gap = None;
        for item in list.iter().take(LIST_MAX) {
            match body(&Look { facts: look.facts, item: Some(item) }, wanted) {
                Ok(holds) if holds == stop => {
                    *wanted = before;
                    return Ok(stop);
                }
                Ok(_) => {}
                Err(Gap::Pending) => gap = Some(Gap::Pending),
                Err(Gap::Unknown) => gap = gap.or(Some(Gap::Unknown)),
            }
        }
        gap.map_or(Ok(!stop), Err)
    })
}

fn as_text(value: &Value) -> Result<&str, Gap> {
    match value {
        Value::Text(text) => Ok(text),
        _ => Err(Gap::Unknown),
    }
}
