//! YAML as a tree whose every node knows where it stands, so that one pass can tell everything that is wrong.
//!
//! Anchors, tags, duplicate keys and other traps end the reading with one finding at their place.

use std::{fmt, ops::Range, sync::Arc};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;
use serde_saphyr::Spanned;
use stepward_core::diagnostic::Diagnostic;

/// Largest file that is read, in bytes.
const FILE_BYTES_MAX: usize = 1024 * 1024;

/// A value and where it is written.
#[derive(Clone, Debug)]
pub struct Node {
    /// What is written.
    pub shape: Shape,
    /// Its bytes; of a mapping or list, its beginning.
    pub span: Range<usize>,
}

/// What is written.
#[derive(Clone, Debug)]
pub enum Shape {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Number(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in order.
    Map(Vec<Entry>),
}

/// One key of a mapping and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key is written.
    pub key_span: Range<usize>,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// The tree of a text, or the one finding that keeps it from being read.
    pub fn read(file: &Arc<str>, text: &str) -> Result<Node, Diagnostic> {
        if text.len() > FILE_BYTES_MAX {
            return Err(Diagnostic::error("yaml.too_large", file, 0..0, "the file is larger than 1 MiB"));
        }
        let options = serde_saphyr::options! {
            with_snippet: false,
            strict_booleans: true,
            reject_unsupported_tags: true,
            budget: serde_saphyr::budget! { max_events: 50_000, max_aliases: 0, max_anchors: 0, max_depth: 24 }
        };
        serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let at = error.location().map_or(0, |location| start(&location.span()));
            Diagnostic::error("yaml.syntax", file, at..at, first_line(&error.to_string()))
        })
    }

    /// The value under a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.shape {
            Shape::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            Shape::Null | Shape::Bool(_) | Shape::Int(_) | Shape::Number(_) | Shape::Text(_) | Shape::List(_) => None,
        }
    }

    /// Where a value is written, by its path (`routes`, `0`, `upstream`); of what is not there, the nearest above it.
    pub fn span_at(&self, path: &[&str]) -> Range<usize> {
        let Some((first, rest)) = path.split_first() else { return self.span.clone() };
        let child = match &self.shape {
            Shape::List(items) => first.parse().ok().and_then(|at: usize| items.get(at)),
            _ => self.get(first),
        };
        child.map_or_else(|| self.span.clone(), |child| child.span_at(rest))
    }

    /// The same without places.
    pub fn to_json(&self) -> Value {
        match &self.shape {
            Shape::Null => Value::Null,
            Shape::Bool(it) => Value::Bool(*it),
            Shape::Int(it) => Value::from(*it),
            Shape::Number(it) => Value::from(*it),
            Shape::Text(it) => Value::String(it.clone()),
            Shape::List(items) => items.iter().map(Node::to_json).collect(),
            Shape::Map(entries) => {
                Value::Object(entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect())
            }
        }
    }
}

fn start(span: &serde_saphyr::Span) -> usize {
    span.byte_offset().map_or(0, |at| usize::try_from(at).unwrap_or(0))
}

fn range(span: &serde_saphyr::Span) -> Range<usize> {
    let length = span.byte_len().map_or(0, |length| usize::try_from(length).unwrap_or(0));
    start(span)..start(span) + length
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or("this is not YAML").to_string()
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Shape>::deserialize(deserializer)?;
        Ok(Node { shape: spanned.value, span: range(&spanned.referenced.span()) })
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_none<E>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_bool<E>(self, it: bool) -> Result<Shape, E> {
        Ok(Shape::Bool(it))
    }

    fn visit_i64<E>(self, it: i64) -> Result<Shape, E> {
        Ok(Shape::Int(it))
    }

    fn visit_u64<E>(self, it: u64) -> Result<Shape, E> {
        Ok(i64::try_from(it).map_or(Shape::Number(it as f64), Shape::Int))
    }

    fn visit_f64<E>(self, it: f64) -> Result<Shape, E> {
        Ok(Shape::Number(it))
    }

    fn visit_str<E>(self, it: &str) -> Result<Shape, E> {
        Ok(Shape::Text(it.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Shape, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Shape::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<Spanned<String>, Node>()? {
            entries.push(Entry { key_span: range(&key.referenced.span()), key: key.value, value });
        }
        Ok(Shape::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Node, Diagnostic> {
        Node::read(&"stepward.yaml".into(), text)
    }

    #[test]
    fn every_scalar_knows_its_bytes() {
        let text = "routes:\n  - { host: a.example, upstream: \"bank\" }\nn: 3\n";
        let tree = read(text).unwrap();
        assert_eq!(&text[tree.span_at(&["routes", "0", "host"])], "a.example");
        assert_eq!(&text[tree.span_at(&["routes", "0", "upstream"])], "\"bank\"");
        assert_eq!(tree.to_json(), serde_json::json!({"routes": [{"host": "a.example", "upstream": "bank"}], "n": 3}));
    }

    #[test]
    fn traps_of_yaml_are_refused_at_their_place() {
        for (text, why) in [
            ("a: 1\na: 2\n", "a key twice"),
            ("a: &x 1\nb: *x\n", "an anchor"),
            ("a: !secret x\n", "a tag"),
            ("a: [1\n", "an open list"),
            ("a: 1\n---\nb: 2\n", "two documents"),
        ] {
            assert!(read(text).is_err(), "{why} must be refused: {text}");
        }
    }

    #[test]
    fn an_empty_file_is_nothing() {
        assert!(matches!(read("").unwrap().shape, Shape::Null));
    }
}
