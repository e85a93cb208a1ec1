//! Holds a tree to the schema of `document` and tells everything that does not fit, at its place, with a suggestion.
//!
//! The schema is the one that editors complete from, so that the two cannot say different things. What passes here
//! deserialises.

use std::{ops::Range, sync::Arc};

use serde_json::Value;
use stepward_core::diagnostic::{self, Diagnostic};

use crate::settings::{
    format,
    tree::{Node, Shape},
};

/// Everything in `tree` that does not fit `schema`.
pub fn check(file: &Arc<str>, schema: &Value, tree: &Node) -> Vec<Diagnostic> {
    let mut checker = Checker { file, root: schema, found: Vec::new() };
    checker.value("the file", schema, tree);
    checker.found
}

struct Checker<'a> {
    file: &'a Arc<str>,
    root: &'a Value,
    found: Vec<Diagnostic>,
}

impl<'a> Checker<'a> {
    fn value(&mut self, name: &str, schema: &'a Value, node: &Node) {
        let (schema, optional) = self.resolve(schema);
        if optional && matches!(node.shape, Shape::Null) {
            return;
        }
        if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
            return self.choice(name, choices, node);
        }
        if let Some(words) = schema.get("enum").and_then(Value::as_array) {
            return self.choice(name, words, node);
        }
        match (kind(schema), &node.shape) {
            (Some("object"), Shape::Map(_)) => self.mapping(schema, node),
            (Some("array"), Shape::List(items)) => {
                let inner = schema.get("items").unwrap_or(&Value::Null);
                for item in items {
                    self.value(name, inner, item);
                }
            }
            (Some("string"), Shape::Text(text)) => self.format(name, schema, text, &node.span),
            (Some("integer"), Shape::Int(number)) => self.range(name, schema, *number, &node.span),
            (Some("boolean"), Shape::Bool(_)) | (None, _) => {}
            (Some(_), shape) => self.mistyped(name, schema, shape, &node.span),
        }
    }

    /// What a schema says behind references, and whether nothing may be written instead.
    fn resolve(&self, schema: &'a Value) -> (&'a Value, bool) {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|it| it.strip_prefix("#/$defs/")) {
            return self.root.get("$defs").and_then(|it| it.get(name)).map_or((schema, false), |it| self.resolve(it));
        }
        let is_null = |it: &Value| it.get("type").and_then(Value::as_str) == Some("null");
        match schema.get("anyOf").and_then(Value::as_array) {
            Some(either) if either.iter().any(is_null) => {
                let other = either.iter().find(|it| !is_null(it)).unwrap_or(schema);
                (self.resolve(other).0, true)
            }
            _ => (schema, schema.get("type").is_some_and(Value::is_array)),
        }
    }

    fn mapping(&mut self, schema: &'a Value, node: &Node) {
        let Shape::Map(entries) = &node.shape else { return };
        let properties = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties").filter(|it| it.is_object());
        let is_open = schema.get("additionalProperties") == Some(&Value::Bool(true));
        for entry in entries {
            match properties.and_then(|it| it.get(&entry.key)).or(others) {
                Some(inner) if not_built(inner) => self.not_built(&entry.key, &entry.key_span),
                Some(inner) => self.value(&entry.key, inner, &entry.value),
                None if is_open => {}
                None => {
                    let known: Vec<_> = properties.into_iter().flatten().map(|(key, _)| key.as_str()).collect();
                    self.unknown_key(&entry.key, &entry.key_span, &known);
                }
            }
        }
        for key in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if node.get(key).is_none() {
                self.error("key.missing", &node.span, format!("`{key}` is missing here"), None);
            }
        }
    }

    /// One of several words, or a mapping whose only key says what it is.
    fn choice(&mut self, name: &str, choices: &'a [Value], node: &Node) {
        let words: Vec<_> = choices.iter().flat_map(words).collect();
        let kinds: Vec<_> = choices.iter().filter_map(|it| it.get("properties")?.as_object()?.iter().next()).collect();
        match &node.shape {
            Shape::Text(text) if words.contains(&text.as_str()) => {
                if choices.iter().any(|it| not_built(it) && words_of(it, text)) {
                    self.not_built(text, &node.span);
                }
            }
            Shape::Map(entries) if !kinds.is_empty() => match entries.as_slice() {
                [only] => match kinds.iter().find(|(key, _)| **key == only.key) {
                    Some((key, inner)) => self.value(key, inner, &only.value),
                    None => {
                        let known: Vec<_> = kinds.iter().map(|(key, _)| key.as_str()).collect();
                        self.unknown_key(&only.key, &only.key_span, &known);
                    }
                },
                _ => {
                    let kinds = kinds.iter().map(|(key, _)| format!("`{key}`")).collect::<Vec<_>>().join(", ");
                    self.error("value.type", &node.span, format!("`{name}` takes exactly one of {kinds}"), None);
                }
            },
            shape => {
                let kinds = kinds.iter().map(|(key, _)| format!("`{{ {key}: … }}`"));
                let all = words.iter().map(|it| format!("`{it}`")).chain(kinds).collect::<Vec<_>>().join(", ");
                let written = match shape {
                    Shape::Text(text) => format!("`{text}`"),
                    other => noun(other).to_string(),
                };
                let near = match shape {
                    Shape::Text(text) => suggestion(text, &words),
                    _ => None,
                };
                self.error("value.not_one_of", &node.span, format!("{written} is not one of {all}"), near);
            }
        }
    }

    fn format(&mut self, name: &str, schema: &Value, text: &str, span: &Range<usize>) {
        let Some(wanted) = schema.get("format").and_then(Value::as_str) else { return };
        if let Err(why) = format::check(wanted, text) {
            self.error("value.malformed", span, format!("`{text}` cannot be `{name}`"), Some(why));
        }
    }

    fn range(&mut self, name: &str, schema: &Value, number: i64, span: &Range<usize>) {
        let bound = |key: &str, otherwise| schema.get(key).and_then(Value::as_i64).unwrap_or(otherwise);
        let (low, high) = (bound("minimum", i64::MIN), bound("maximum", i64::MAX));
        if number < low || number > high {
            self.error("value.range", span, format!("`{name}` is {number}, outside {low} to {high}"), None);
        }
    }

    fn mistyped(&mut self, name: &str, schema: &Value, found: &Shape, span: &Range<usize>) {
        let wanted = kind(schema).unwrap_or_default();
        let form = schema.get("format").and_then(Value::as_str).and_then(|form| format::check(form, "").err());
        let wanted_noun = match wanted {
            "object" => "a mapping",
            "array" => "a list",
            "string" => "text",
            "integer" => "a whole number",
            "boolean" => "`true` or `false`",
            other => other,
        };
        let help = match (wanted, found) {
            ("string", Shape::Int(_) | Shape::Number(_) | Shape::Bool(_)) => {
                form.or_else(|| Some("put it in quotes".to_string()))
            }
            ("array", _) => Some("write `[…]`, or begin each item with `- `".to_string()),
            _ => None,
        };
        self.error("value.type", span, format!("`{name}` takes {wanted_noun}, not {}", noun(found)), help);
    }

    fn unknown_key(&mut self, key: &str, span: &Range<usize>, known: &[&str]) {
        let help = suggestion(key, known).unwrap_or_else(|| format!("one of {}", known.join(", ")));
        self.error("key.unknown", span, format!("unknown key `{key}`"), Some(help));
    }

    fn not_built(&mut self, what: &str, span: &Range<usize>) {
        let message = format!("`{what}` is not built yet");
        self.error("setting.not_built", span, message, Some("leave it out for now".to_string()));
    }

    fn error(&mut self, code: &'static str, span: &Range<usize>, message: String, help: Option<String>) {
        let finding = Diagnostic::error(code, self.file, span.clone(), message);
        self.found.push(Diagnostic { help, ..finding });
    }
}

fn kind(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(kind) => Some(kind),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        _ => None,
    }
}

/// The words a choice stands for: itself, its `const` or its `enum`.
fn words(choice: &Value) -> Vec<&str> {
    let listed = choice.get("enum").and_then(Value::as_array).into_iter().flatten();
    listed.chain(choice.get("const")).chain(Some(choice)).filter_map(Value::as_str).collect()
}

fn words_of(choice: &Value, word: &str) -> bool {
    words(choice).contains(&word)
}

fn not_built(schema: &Value) -> bool {
    schema.get("not_built").is_some()
}

fn suggestion(written: &str, known: &[&str]) -> Option<String> {
    diagnostic::nearest(written, known.iter().copied()).map(|near| format!("did you mean `{near}`?"))
}

fn noun(shape: &Shape) -> &'static str {
    match shape {
        Shape::Null => "nothing",
        Shape::Bool(_) => "`true` or `false`",
        Shape::Int(_) | Shape::Number(_) => "a number",
        Shape::Text(_) => "text",
        Shape::List(_) => "a list",
        Shape::Map(_) => "a mapping",
    }
}
