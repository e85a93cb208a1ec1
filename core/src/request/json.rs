//! Reads a JSON body so that no two parsers could disagree about it: a key given twice at any depth, also in another
//! case, is refused, and so are numbers that lose digits, a byte order mark, and whatever stands behind the value.

use std::{cell::Cell, collections::BTreeSet, fmt};

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value as Json};

use crate::{
    decision::Reason,
    event::trie,
    request::{Body, head::Refusal},
};

/// Deepest nesting.
pub const DEPTH_MAX: u8 = 64;

/// Most keys and list elements in one body.
pub const ITEMS_MAX: usize = 10_000;

/// Most elements of a batch, each of which is decided.
pub const BATCH_MAX: usize = 64;

/// Reads a body. A list with elements is a batch; without any it has no fields.
pub fn parse(bytes: &[u8]) -> Result<Body, Refusal> {
    let malformed = |detail| Refusal { reason: Reason::BodyMalformed, detail };
    let items = Cell::new(0);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let seed = Seed { depth: 0, items: &items };
    let read = seed.deserialize(&mut reader).and_then(|json| reader.end().map(|()| json));
    match read.map_err(|_| malformed("body is not JSON that every parser reads alike"))? {
        Json::Array(list) if list.len() > BATCH_MAX => Err(malformed("batch has too many elements")),
        Json::Array(list) if !list.is_empty() => Ok(Body::Batch(list)),
        fields => Ok(Body::Fields(fields)),
    }
}

/// One value, with what was counted so far.
#[derive(Clone, Copy)]
struct Seed<'c> {
    depth: u8,
    items: &'c Cell<usize>,
}

impl Seed<'_> {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        match self.depth {
            DEPTH_MAX.. => Err(E::custom("too deep")),
            depth => Ok(Seed { depth: depth + 1, ..self }),
        }
    }

    fn count<E: de::Error>(self) -> Result<(), E> {
        self.items.set(self.items.get() + 1);
        if self.items.get() > ITEMS_MAX { Err(E::custom("too many items")) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, it: bool) -> Result<Json, E> {
        Ok(Json::Bool(it))
    }

    fn visit_i64<E>(self, it: i64) -> Result<Json, E> {
        Ok(Json::Number(it.into()))
    }

    fn visit_u64<E>(self, it: u64) -> Result<Json, E> {
        Ok(Json::Number(it.into()))
    }

    fn visit_f64<E: de::Error>(self, it: f64) -> Result<Json, E> {
        // A whole number this large has lost digits on the way here.
        let exact = it.is_finite() && it.abs() < 9_007_199_254_740_992.0;
        Number::from_f64(it).filter(|_| exact).map(Json::Number).ok_or_else(|| E::custom("number is too large"))
    }

    fn visit_str<E>(self, it: &str) -> Result<Json, E> {
        Ok(Json::String(it.to_owned()))
    }

    fn visit_string<E>(self, it: String) -> Result<Json, E> {
        Ok(Json::String(it))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(element) = access.next_element_seed(inner)? {
            self.count()?;
            list.push(element);
        }
        Ok(Json::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        let mut taken = BTreeSet::new();
        while let Some(key) = access.next_key::<String>()? {
            self.count()?;
            // Go, .NET and others take `Amount` for `amount`.
            if !taken.insert(trie::folded(&key).into_owned()) {
                return Err(de::Error::custom("a key stands twice"));
            }
            map.insert(key, access.next_value_seed(inner)?);
        }
        Ok(Json::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_whole_and_exactly() {
        let read = |text: &str| match parse(text.as_bytes()) {
            Ok(Body::Fields(json)) => json.to_string(),
            Ok(Body::Batch(list)) => format!("batch of {}", list.len()),
            Ok(Body::Empty | Body::Unread) | Err(_) => "refused".into(),
        };
        for (text, wanted) in [
            (r#" {"a": {"b": [1, 2.5, null, true, "x\u00e9"]}} "#, r#"{"a":{"b":[1,2.5,null,true,"xé"]}}"#),
            (r#"{"a": 9007199254740993}"#, r#"{"a":9007199254740993}"#),
            (r#"{"a": 18446744073709551615}"#, r#"{"a":18446744073709551615}"#),
            (r#"[{"a":1},{"a":2}]"#, "batch of 2"),
            ("[]", "[]"),
            ("1", "1"),
        ] {
            assert_eq!(read(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_refused() {
        let cases: [&[u8]; 22] = [
            br#"{"amount":1,"amount":9999}"#,
            br#"{"a":{"b":1,"b":2}}"#,
            br#"[{"b":1,"b":2}]"#,
            br#"{"amount":1,"Amount":9999}"#,
            br#"{"amount":1,"\u0061mount":9999}"#,
            "{\"kasse\":1,\"\u{212A}asse\":2}".as_bytes(),
            br#"{"a":1e400}"#,
            br#"{"a":-1e400}"#,
            br#"{"a":18446744073709551617}"#,
            br#"{"a":NaN}"#,
            br#"{"a":Infinity}"#,
            br#"{"a":01}"#,
            br#"{"a":1}x"#,
            br#"{"a":1}{"a":2}"#,
            br#"{"a":1,}"#,
            br#"{"a":1"#,
            br#"{'a':1}"#,
            br#"{"a":1/**/}"#,
            b"\xef\xbb\xbf{\"a\":1}",
            b"{\"a\":\"\xff\"}",
            br#"{"a":"\ud800"}"#,
            b"",
        ];
        for bytes in cases {
            let refused = parse(bytes).map_err(|it| it.reason);
            assert_eq!(refused, Err(Reason::BodyMalformed), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn json_is_bounded() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(63).as_bytes()).is_ok());
        assert!(parse(nested(64).as_bytes()).is_err(), "deeper than {DEPTH_MAX}");
        assert!(parse(nested(100_000).as_bytes()).is_err());
        let wide = |count| format!("{{\"a\":[{}0]}}", "0,".repeat(count));
        assert!(parse(wide(9_000).as_bytes()).is_ok());
        assert!(parse(wide(10_000).as_bytes()).is_err(), "more than {ITEMS_MAX} items");
        assert!(parse(format!("[{}0]", "0,".repeat(64)).as_bytes()).is_err(), "more than {BATCH_MAX} elements");
    }
}
