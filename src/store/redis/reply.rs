//! Reading what Redis answered. What does not fit is corruption, never a default.

use ::redis::Value;

use crate::store::{StateError, Stored};

/// A number, also one written as text.
pub(super) fn number(value: &Value) -> Stored<i64> {
    let text = match value {
        Value::Int(number) => return Ok(*number),
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text.as_str()),
        _ => None,
    };
    text.and_then(|text| text.parse().ok()).ok_or_else(|| odd("a number"))
}

/// A number that may not be there.
pub(super) fn maybe_number(value: &Value) -> Stored<Option<i64>> {
    match value {
        Value::Nil => Ok(None),
        there => number(there).map(Some),
    }
}

/// Bytes that may not be there.
pub(super) fn maybe_bytes(value: Value) -> Stored<Option<Vec<u8>>> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(bytes)),
        _ => Err(odd("bytes")),
    }
}

/// Bytes.
pub(super) fn bytes(value: Value) -> Stored<Vec<u8>> {
    maybe_bytes(value)?.ok_or_else(|| odd("bytes"))
}

/// A list; nothing is an empty one.
pub(super) fn list(value: Value) -> Stored<Vec<Value>> {
    match value {
        Value::Nil => Ok(Vec::new()),
        Value::Array(values) => Ok(values),
        _ => Err(odd("a list")),
    }
}

/// Names and values of a hash, in whatever order.
pub(super) fn pairs(value: Value) -> Stored<Vec<(Value, Value)>> {
    let values = match value {
        Value::Map(pairs) => return Ok(pairs),
        other => list(other)?,
    };
    let mut pairs = Vec::with_capacity(values.len() / 2);
    let mut values = values.into_iter();
    while let (Some(name), Some(value)) = (values.next(), values.next()) {
        pairs.push((name, value));
    }
    Ok(pairs)
}

/// The next of several answers.
pub(super) fn next(values: &mut impl Iterator<Item = Value>) -> Stored<Value> {
    values.next().ok_or_else(|| odd("one answer more"))
}

/// Something is not what was expected.
pub(super) fn odd(expected: &str) -> StateError {
    StateError::Corrupt(format!("redis answered with something else than {expected}"))
}
