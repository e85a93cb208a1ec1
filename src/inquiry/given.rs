//! Values that a person or a script gives for attributes.

use std::sync::Arc;

use serde_json::Value as Json;
use stepward_core::{
    facts::{Reading, Why},
    value::{Type, Value},
    yaml::units,
};

/// A given value as a reading of this type; `None` where it is none.
pub fn reading(given: &Json, kind: Type, now_ms: i64) -> Option<Reading> {
    match (given, kind) {
        (Json::String(word), _) if word == "unavailable" => Some(Reading::Unknown(Why::Unavailable)),
        (Json::Null, _) => Some(Reading::Unknown(Why::Absent)),
        (Json::String(text), Type::Duration) => units::duration_ms(text).map(Value::Duration).map(Reading::Known),
        (Json::String(text), Type::Time) => moment(text, now_ms).map(Value::Time).map(Reading::Known),
        (given, kind) => plain(given)?.cast(kind).map(Reading::Known),
    }
}

/// What `name=value` on a command line gives: JSON where it is JSON, else text.
pub fn from_word(word: &str) -> Json {
    serde_json::from_str(word).unwrap_or_else(|_| Json::String(word.to_string()))
}

/// `20s`, or `20s ago`.
pub fn age_ms(text: &str) -> Option<i64> {
    units::duration_ms(text.strip_suffix(" ago").unwrap_or(text))
}

fn moment(text: &str, now_ms: i64) -> Option<i64> {
    match text.strip_suffix(" ago") {
        Some(age) => now_ms.checked_sub(units::duration_ms(age)?),
        None => text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond),
    }
}

fn plain(given: &Json) -> Option<Value> {
    match given {
        Json::Bool(it) => Some(Value::Bool(*it)),
        Json::Number(it) => it.as_i64().map(Value::Int).or_else(|| it.as_f64().map(Value::Number)),
        Json::String(it) => Some(Value::Text(Arc::from(it.as_str()))),
        Json::Array(items) => Some(Value::List(items.iter().map(plain).collect::<Option<_>>()?)),
        Json::Null | Json::Object(_) => None,
    }
}
