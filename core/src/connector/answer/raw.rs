//! What of an answer stays readable in the vendor's own terms: taken out before anything is kept, logged or decided.

use serde_json::Value as Json;

use crate::{connector::mapping::data::Data, value::Value};

/// What is kept.
#[derive(Debug)]
pub struct Raw {
    pub(crate) keep: Vec<Vec<Step>>,
    pub(crate) drop: Vec<Vec<Step>>,
    pub(crate) bytes_max: usize,
    /// For how long, in milliseconds; as long as the attributes if `None`.
    pub ttl_ms: Option<u64>,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Field(String),
    /// `[]`: into every element.
    Each,
}

/// Reads `data.reports[].comment`; `None` where it is no path.
pub(crate) fn path(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for part in text.split('.') {
        let name = part.trim_end_matches("[]");
        if name.is_empty() || name.contains(['[', ']']) {
            return None;
        }
        steps.push(Step::Field(name.to_owned()));
        steps.extend((0..(part.len() - name.len()) / 2).map(|_| Step::Each));
    }
    Some(steps)
}

impl Raw {
    /// What is kept of it; nothing where it is too large.
    pub(crate) fn take(&self, body: &Data<'_>) -> Option<Json> {
        let mut kept = self.keep.iter().fold(None, |kept, path| match pruned(body, path) {
            Some(more) => Some(merged(kept, more)),
            None => kept,
        })?;
        self.drop.iter().for_each(|path| remove(&mut kept, path));
        (kept.to_string().len() <= self.bytes_max).then_some(kept)
    }
}

/// What a path of names names in it, where a condition can compare it; a whole number counts into a list.
pub(crate) fn value(kept: &Json, path: &str) -> Option<Value> {
    let found = path.split('.').try_fold(kept, |json, name| match json {
        Json::Object(fields) => fields.get(name),
        Json::Array(items) => items.get(name.parse::<usize>().ok()?),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => None,
    })?;
    plain(found)
}

/// A scalar, or a list of them.
pub(crate) fn plain(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Bool(it) => Value::Bool(*it),
        Json::Number(it) => it.as_i64().map(Value::Int).or_else(|| it.as_f64().map(Value::Number))?,
        Json::String(it) => Value::text(it.as_str()),
        Json::Array(items) => Value::List(items.iter().map(plain).collect::<Option<_>>()?),
        Json::Null | Json::Object(_) => return None,
    })
}

/// The data with nothing beside the path.
fn pruned(data: &Data<'_>, path: &[Step]) -> Option<Json> {
    match (path, data) {
        ([], data) => Some(data.to_json()),
        ([Step::Field(name), rest @ ..], Data::Map(_)) => {
            let inner = pruned(data.field(name)?, rest)?;
            Some(Json::Object([(name.clone(), inner)].into_iter().collect()))
        }
        ([Step::Each, rest @ ..], Data::List(items)) => {
            // What an element lacks is null, so that elements of several paths stay side by side.
            Some(items.iter().map(|item| pruned(item, rest).unwrap_or(Json::Null)).collect())
        }
        _ => None,
    }
}

fn merged(one: Option<Json>, two: Json) -> Json {
    match (one, two) {
        (Some(Json::Object(mut fields)), Json::Object(more)) => {
            for (name, value) in more {
                let before = fields.remove(&name);
                fields.insert(name, merged(before, value));
            }
            Json::Object(fields)
        }
        (Some(Json::Array(one)), Json::Array(two)) if one.len() == two.len() => {
            one.into_iter().zip(two).map(|(one, two)| merged(Some(one), two)).collect()
        }
        (Some(one), Json::Null) => one,
        (_, two) => two,
    }
}

fn remove(json: &mut Json, path: &[Step]) {
    match (path, json) {
        ([Step::Field(name)], Json::Object(fields)) => drop(fields.shift_remove(name)),
        ([Step::Field(name), rest @ ..], Json::Object(fields)) => {
            if let Some(inner) = fields.get_mut(name) {
                remove(inner, rest);
            }
        }
        ([Step::Each], Json::Array(items)) => items.clear(),
        ([Step::Each, rest @ ..], Json::Array(items)) => items.iter_mut().for_each(|item| remove(item, rest)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_kept_and_not_dropped_stays() {
        let body =
            Data::json(r#"{"a": {"b": 1, "c": 2}, "list": [{"x": 1, "y": "secret"}, {"x": 2}], "z": 3}"#).unwrap();
        let take = |keep: &[&str], drop: &[&str], bytes_max| {
            let paths = |of: &[&str]| of.iter().map(|it| path(it).unwrap()).collect();
            Raw { keep: paths(keep), drop: paths(drop), bytes_max, ttl_ms: None }.take(&body).map(|it| it.to_string())
        };
        for (keep, drop, expected) in [
            (&["a"][..], &[][..], r#"{"a":{"b":1,"c":2}}"#),
            (&["a.b", "a.c"], &[], r#"{"a":{"b":1,"c":2}}"#),
            (&["a", "list"], &["a.b", "list[].y"], r#"{"a":{"c":2},"list":[{"x":1},{"x":2}]}"#),
            (&["list[].x"], &[], r#"{"list":[{"x":1},{"x":2}]}"#),
            (&["list"], &["list[]"], r#"{"list":[]}"#),
            (&["z", "missing"], &["nothing.there"], r#"{"z":3}"#),
        ] {
            assert_eq!(take(keep, drop, 1000).as_deref(), Some(expected), "{keep:?} {drop:?}");
        }
        assert_eq!(take(&["a"], &[], 10), None, "what is too large is not kept in part");
        assert_eq!(take(&["missing"], &[], 1000), None);
        for wrong in ["", ".", "a..b", "a[0]", "[]"] {
            assert_eq!(path(wrong), None, "{wrong}");
        }
    }
}
