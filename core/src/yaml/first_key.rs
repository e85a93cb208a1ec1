//! "The first key says what it is": how steps, rules and outcomes are read. Serde's own ways of telling variants apart
//! (untagged, internally tagged, flatten) buffer the document, lose every place, and explain nothing.

use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, value::StringDeserializer};

use crate::diagnostic;

/// Parts the fields of a refusal; no YAML scalar that is read as a name contains it.
const PART: char = '\u{1f}';

/// An error with a code and advice, to be returned from a `Deserialize` or a `Visitor`.
pub fn refuse<E: de::Error>(code: &'static str, message: impl fmt::Display, help: impl fmt::Display) -> E {
    E::custom(format!("{PART}{code}{PART}{message}{PART}{help}{PART}"))
}

/// The code, message and advice of a refusal, if the text is one. The code is one of those in use, so that
/// what is written in a file can never name one.
pub(super) fn refusal(text: &str) -> Option<(&'static str, &str, &str)> {
    let mut parts = text.split(PART).skip(1);
    let (code, message, help) = (parts.next()?, parts.next()?, parts.next()?);
    CODES.into_iter().find(|known| *known == code).map(|code| (code, message, help))
}

/// The codes of refusals.
const CODES: [&str; 8] = [
    "key.first",
    "key.misplaced",
    "key.empty",
    "step.reserved",
    "value.unknown",
    "value.unit",
    "value.type",
    "secret.plain",
];

/// Refuses a first key that is none of the known ones.
pub fn unknown<E: de::Error>(what: &str, key: &str, known: &[&str]) -> E {
    let message = match known {
        [only] => format!("{what} begins with `{only}`, not `{key}`"),
        _ => format!("{what} begins with one of {}, not `{key}`", known.join(", ")),
    };
    match diagnostic::nearest(key, known.iter().copied()) {
        Some(near) => refuse("key.first", message, format!("did you mean `{near}`?")),
        None => refuse("key.first", message, ""),
    }
}

/// The first key of a mapping.
pub fn first<'de, M: MapAccess<'de>>(what: &str, map: &mut M) -> Result<String, M::Error> {
    map.next_key::<String>()?.ok_or_else(|| refuse("key.empty", format!("an empty mapping; {what} is needed here"), ""))
}

/// Refuses any further key.
pub fn nothing_else<'de, M: MapAccess<'de>>(beside: &str, map: &mut M) -> Result<(), M::Error> {
    match map.next_key::<String>()? {
        Some(key) => Err(refuse("key.misplaced", format!("`{key}` does not go with `{beside}`"), "")),
        None => Ok(()),
    }
}

/// A mapping whose first key was read already, put back in front.
pub struct PutBack<M> {
    key: Option<String>,
    rest: M,
}

impl<M> PutBack<M> {
    /// Puts a key back.
    pub fn new(key: String, rest: M) -> Self {
        PutBack { key: Some(key), rest }
    }
}

impl<'de, M: MapAccess<'de>> MapAccess<'de> for PutBack<M> {
    type Error = M::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, M::Error> {
        match self.key.take() {
            Some(key) => seed.deserialize(StringDeserializer::new(key)).map(Some),
            None => self.rest.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, M::Error> {
        self.rest.next_value_seed(seed)
    }
}

/// Implements `Deserialize` for a type that is read from a mapping by its first key and, optionally, from a word.
///
/// ```ignore
/// first_key!(Step, "a step", |key, map| { … }, |word| { … });
/// ```
#[macro_export]
macro_rules! first_key {
    ($type:ty, $what:literal, |$key:ident, $map:ident| $read:expr $(, |$word:ident| $named:expr)?) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;

                impl<'de> serde::de::Visitor<'de> for Visitor {
                    type Value = $type;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($what)
                    }

                    fn visit_map<M: serde::de::MapAccess<'de>>(self, mut $map: M) -> Result<$type, M::Error> {
                        let $key = $crate::yaml::first_key::first($what, &mut $map)?;
                        $read
                    }

                    $(fn visit_str<E: serde::de::Error>(self, $word: &str) -> Result<$type, E> {
                        $named
                    })?
                }

                deserializer.deserialize_any(Visitor)
            }
        }
    };
}
