//! The one place where YAML text becomes typed data: strict, bounded, every failure a [`Diagnostic`] with a place.
//!
//! What YAML parsers quietly misread is refused here, not read: a leading `!` (a tag that swallows the "not"), `no` as
//! a boolean, duplicate keys, anchors, aliases and merge keys. Reading stops at the first fault of form; what is wrong
//! with the meaning is found afterwards, all at once, by whoever asked.

use std::{borrow::Cow, ops::Range, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};

use crate::diagnostic::Diagnostic;

mod fault;
pub mod first_key;
pub mod units;

/// Largest text that is read, in bytes.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// Deepest nesting of mappings and lists.
const DEPTH_MAX: usize = 24;

/// Most parser events, about one for each scalar, mapping and list.
const EVENTS_MAX: usize = 400_000;

/// Reads one document.
pub fn parse<T: DeserializeOwned>(file: &Arc<str>, text: &str) -> Result<T, Vec<Diagnostic>> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("the file has {} bytes; at most {TEXT_BYTES_MAX} are read", text.len());
        return Err(vec![Diagnostic::error("yaml.too_large", file, 0..0, message).help("split it into several files")]);
    }
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| vec![fault::diagnostic(file, text, &error)])
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        with_snippet: false,
        strict_booleans: true,
        reject_unsupported_tags: true,
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        budget: serde_saphyr::budget! {
            max_events: EVENTS_MAX,
            max_aliases: 0,
            max_anchors: 0,
            max_depth: DEPTH_MAX,
        },
    }
}

/// A value and where it stands: a scalar's bytes, or the first byte of a mapping or list.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Byte range in the text.
    pub span: Range<usize>,
}

impl<T> std::ops::Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = serde_saphyr::Spanned::<T>::deserialize(deserializer)?;
        Ok(Spanned { value: found.value, span: bytes(&found.referenced) })
    }
}

impl<T: JsonSchema> JsonSchema for Spanned<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}

/// A mapping with free names, in the order written, each name with its place.
#[derive(Clone, Debug)]
pub struct Entries<T>(pub Vec<(Spanned<String>, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Entries(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for Visitor<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a mapping of names")
            }

            fn visit_map<M: serde::de::MapAccess<'de>>(self, mut map: M) -> Result<Entries<T>, M::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Visitor(std::marker::PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Entries<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("MapOf{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<std::collections::BTreeMap<String, T>>()
    }
}

/// The bytes of a place; the first byte where the parser does not tell.
fn bytes(location: &serde_saphyr::Location) -> Range<usize> {
    let span = location.span();
    let start = span.byte_offset().map_or(0, |at| usize::try_from(at).unwrap_or(0));
    let length = span.byte_len().map_or(0, |length| usize::try_from(length).unwrap_or(0));
    start..start + length
}

/// The place in the file of a part of a scalar, given where the scalar stands and what it was read as. Quotes,
/// escapes, folding and indentation are in the file and not in the value, so the two are walked side by side.
pub fn inside(text: &str, scalar: &Range<usize>, value: &str, part: &Range<usize>) -> Range<usize> {
    let Some(raw) = text.get(scalar.clone()) else { return scalar.clone() };
    let mut letters = raw.char_indices().filter(|(_, letter)| !letter.is_whitespace()).peekable();
    let mut start = None;
    let mut end = scalar.end;
    for (at, letter) in value.char_indices() {
        if letter.is_whitespace() {
            continue;
        }
        let Some((place, _)) = letters.find(|(_, raw)| *raw == letter) else { return scalar.clone() };
        if at >= part.start && start.is_none() {
            start = Some(scalar.start + place);
            end = scalar.start + place + letter.len_utf8();
        } else if start.is_some() && at < part.end {
            end = scalar.start + place + letter.len_utf8();
        }
    }
    start.map_or(scalar.end..scalar.end, |start| start..end.max(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Small {
        name: Spanned<String>,
        on: Option<bool>,
        when: Option<String>,
        list: Option<Vec<String>>,
    }

    fn fault(text: &str) -> (String, &str) {
        let file: Arc<str> = "a.yaml".into();
        let found = parse::<Small>(&file, text).unwrap_err().remove(0);
        let place = text.get(found.span.clone()).unwrap();
        (
            format!("{}: {}{}", found.code, found.message, found.help.map(|it| format!(" | {it}")).unwrap_or_default()),
            place,
        )
    }

    #[test]
    fn a_leading_bang_is_refused_and_not_read_as_nothing() {
        let (message, place) = fault("name: a\nwhen: !subject.known\n");
        assert!(message.starts_with("yaml.bang: YAML reads a leading `!` as a tag, not as \"not\""), "{message}");
        assert!(message.contains("'!subject.known'"), "{message}");
        assert_eq!(place, "!subject.known");
        assert!(fault("name: a\nwhen: !subject.known token.age > 3\n").0.starts_with("yaml.bang"));
        assert!(fault("name: a\nlist:\n  - x\n  - !y\n").0.starts_with("yaml.bang"));
        assert!(fault("name: a\nlist: [x, !y z]\n").0.starts_with("yaml.bang"));
    }

    #[test]
    fn norway_is_neither_true_nor_false() {
        let (message, place) = fault("name: a\non: no\n");
        assert_eq!((message.as_str(), place), ("value.boolean: `no` is neither `true` nor `false`", "no"));
        let file: Arc<str> = "a.yaml".into();
        assert_eq!(parse::<Small>(&file, "name: NO\n").unwrap().name.value, "NO", "text stays text");
    }

    #[test]
    fn an_unknown_key_is_reported_at_its_own_line() {
        let (message, place) = fault("name: a\nwehn: x\n");
        assert_eq!((message.as_str(), place), ("key.unknown: unknown key `wehn` | did you mean `when`?", "wehn"));
    }

    #[test]
    fn duplicate_keys_anchors_aliases_and_merges_are_refused() {
        assert!(fault("name: a\nname: b\n").0.starts_with("key.duplicate: `name` is given twice"));
        for text in ["name: &x a\n", "name: *x\n", "name: a\n<<: {on: true}\n"] {
            assert!(fault(text).0.starts_with("yaml."), "{text}: {}", fault(text).0);
        }
        assert!(fault("name: &x a\n").0.starts_with("yaml.anchor"), "{}", fault("name: &x a\n").0);
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let file: Arc<str> = "a.yaml".into();
        let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse::<serde_json::Value>(&file, &deep(20)).is_ok());
        let found = parse::<serde_json::Value>(&file, &deep(40)).unwrap_err();
        assert_eq!(found[0].code, "yaml.too_deep", "{found:?}");
        let large = format!("name: {}", "a".repeat(TEXT_BYTES_MAX));
        assert!(fault(&large).0.starts_with("yaml.too_large"));
    }

    #[test]
    fn a_missing_key_and_a_wrong_type_say_so() {
        assert_eq!(fault("on: true\n").0, "key.missing: `name` is missing");
        assert!(fault("name: [a]\n").0.starts_with("value.type"), "{}", fault("name: [a]\n").0);
    }

    #[test]
    fn a_part_of_a_scalar_is_found_behind_quotes_and_folds() {
        for (text, value) in [
            ("when: a.b && c.d\n", "a.b && c.d"),
            ("when: 'a.b && c.d'\n", "a.b && c.d"),
            ("when: \"a.b && c.d\"\n", "a.b && c.d"),
            ("when: >\n  a.b\n  && c.d\n", "a.b && c.d\n"),
            ("when: 'it''s' + c.d", "it's + c.d"),
        ] {
            let at = value.find("c.d").unwrap();
            let found = inside(text, &(6..text.len()), value, &(at..at + 3));
            assert_eq!(&text[found], "c.d", "{text}");
        }
    }
}
