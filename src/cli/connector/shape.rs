//! The shape of an answer: which paths it has and of which types, and how one answer differs from recorded ones.
//!
//! Pure. Null has every type; elements of a list share a path; a key that is what was asked about stands as its input.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value as Json;
use stepward_core::connector::Named;

/// Paths beyond this many are left out: nobody maps them all.
const PATHS_MAX: usize = 10_000;

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Bool,
    Number,
    Text,
    List,
    Fields,
}

/// Every path with the types found there; none for a path that was only ever null.
pub(super) type Shape = BTreeMap<String, BTreeSet<Kind>>;

/// How an answer differs from recorded ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Difference {
    /// Paths that every recording has and the answer has not.
    pub(super) missing: Vec<String>,
    /// Paths that no recording has.
    pub(super) extra: Vec<String>,
    /// Paths of another type than any recording has.
    pub(super) retyped: Vec<Retyped>,
}

/// A path of another type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Retyped {
    pub(super) path: String,
    pub(super) was: Vec<Kind>,
    pub(super) is: Vec<Kind>,
}

/// The shape of a document.
pub(super) fn of(json: &Json, inputs: &Named) -> Shape {
    let mut shape = Shape::new();
    walk(json, "body", inputs, &mut shape);
    shape
}

fn walk(json: &Json, path: &str, inputs: &Named, shape: &mut Shape) {
    if shape.len() >= PATHS_MAX {
        return;
    }
    let kinds = shape.entry(path.to_owned()).or_default();
    match json {
        Json::Null => {}
        Json::Bool(_) => drop(kinds.insert(Kind::Bool)),
        Json::Number(_) => drop(kinds.insert(Kind::Number)),
        Json::String(_) => drop(kinds.insert(Kind::Text)),
        Json::Array(items) => {
            kinds.insert(Kind::List);
            items.iter().for_each(|it| walk(it, &format!("{path}[]"), inputs, shape));
        }
        Json::Object(fields) => {
            kinds.insert(Kind::Fields);
            for (name, value) in fields {
                let asked = inputs.iter().find(|(_, value)| **value == **name);
                let below = match asked {
                    Some((input, _)) => format!("{path}[input.{input}]"),
                    None => format!("{path}.{name}"),
                };
                walk(value, &below, inputs, shape);
            }
        }
    }
}

/// How `live` differs from the recordings. Of a missing part only its root is told.
pub(super) fn difference(recorded: &[Shape], live: &Shape) -> Difference {
    let mut known = Shape::new();
    for (path, kinds) in recorded.iter().flatten() {
        known.entry(path.clone()).or_default().extend(kinds);
    }
    let always = |path: &String| recorded.iter().all(|shape| shape.contains_key(path));
    let missing = known.keys().filter(|path| always(path) && !live.contains_key(*path) && !below_empty(live, path));
    let extra = live.keys().filter(|path| !known.contains_key(*path));
    let retyped = live.iter().filter_map(|(path, is)| {
        let was = known.get(path)?;
        let differs = !was.is_empty() && !is.is_empty() && is.is_disjoint(was);
        differs.then(|| Retyped {
            path: path.clone(),
            was: was.iter().copied().collect(),
            is: is.iter().copied().collect(),
        })
    });
    Difference { missing: roots(missing), extra: roots(extra), retyped: retyped.collect() }
}

/// Whether a path would stand in a list that happens to be empty, or under something that is null.
fn below_empty(live: &Shape, path: &str) -> bool {
    let parents = path.char_indices().filter(|(_, it)| *it == '[' || *it == '.').map(|(at, _)| path.get(..at));
    parents.flatten().any(|parent| {
        let kinds = live.get(parent);
        let is_empty_list =
            kinds.is_some_and(|it| it.contains(&Kind::List)) && !live.contains_key(&format!("{parent}[]"));
        kinds.is_some_and(BTreeSet::is_empty) || is_empty_list
    })
}

fn roots<'a>(paths: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut roots: Vec<String> = Vec::new();
    for path in paths {
        let is_below = |root: &String| {
            path.strip_prefix(root.as_str()).is_some_and(|rest| rest.starts_with('.') || rest.starts_with('['))
        };
        if !roots.iter().any(is_below) {
            roots.push(path.clone());
        }
    }
    roots
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_changed_answer_is_told_by_what_is_missing_new_or_of_another_type() {
        let recorded = [
            json!({ "risk": 8, "tags": [{ "a": 1 }], "geo": { "cc": "NL" }, "note": null, "sometimes": 1 }),
            json!({ "risk": 2, "tags": [], "geo": { "cc": null }, "note": "x" }),
        ];
        let shapes = recorded.each_ref().map(|it| of(it, &[]));
        for (live, missing, extra, retyped) in [
            (json!({ "risk": 1, "tags": [], "geo": { "cc": "DE" }, "note": null }), vec![], vec![], vec![]),
            (json!({ "risk": 1, "tags": [], "geo": null, "note": 1 }), vec![], vec![], vec!["body.note"]),
            (json!({ "risk": "1", "tags": [{ "a": 1 }], "note": "" }), vec!["body.geo"], vec![], vec!["body.risk"]),
            (
                json!({ "risk": 1, "tags": [], "geo": { "cc": "DE", "city": { "name": "x" } }, "note": "" }),
                vec![],
                vec!["body.geo.city"],
                vec![],
            ),
            (json!([]), vec![], vec![], vec!["body"]),
        ] {
            let found = difference(&shapes, &of(&live, &[]));
            assert_eq!(found.missing, missing, "{live}");
            assert_eq!(found.extra, extra, "{live}");
            let paths: Vec<_> = found.retyped.iter().map(|it| it.path.as_str()).collect();
            assert_eq!(paths, retyped, "{live}");
        }
    }

    #[test]
    fn a_key_that_was_asked_about_is_the_same_whoever_was() {
        let named = |ip: &str| vec![("ip".into(), ip.into())];
        let recorded = of(&json!({ "1.1.1.1": { "risk": 1 } }), &named("1.1.1.1"));
        let live = of(&json!({ "9.9.9.9": { "risk": 2 } }), &named("9.9.9.9"));
        assert_eq!(difference(&[recorded], &live), Difference::default());
        assert!(live.contains_key("body[input.ip].risk"), "{live:?}");
    }
}
