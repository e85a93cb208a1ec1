//! What a vendor said, as data that borrows from the bytes it came in.
//!
//! Depth and length are bounded while it is read, and a name that stands twice in a mapping refuses the whole: two
//! readers would not agree about it.

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value as Json;

/// Most elements of a list.
pub const ELEMENTS_MAX: usize = 10_000;
/// Deepest nesting.
pub const DEPTH_MAX: usize = 64;
/// A mapping of more names is looked through for double ones by sorting them.
const FEW: usize = 16;

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Data<'a> {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number that fits 64 bits.
    Int(i64),
    /// Any other number; never NaN or infinite.
    Number(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Data<'a>>),
    /// A mapping, in the order written.
    Map(Vec<(Cow<'a, str>, Data<'a>)>),
}

impl<'a> Data<'a> {
    /// Reads JSON; `None` where it is not JSON, too deep, too long, or says a thing twice.
    pub fn json(text: &'a str) -> Option<Data<'a>> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let data = Reading { depth: 0 }.deserialize(&mut reader).ok()?;
        reader.end().ok()?;
        Some(data)
    }

    /// Text.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Data::Text(text.into())
    }

    /// A finite number, else nothing.
    pub fn number(number: f64) -> Self {
        if number.is_finite() { Data::Number(number) } else { Data::Null }
    }

    /// The field of a mapping.
    pub fn field(&self, name: &str) -> Option<&Data<'a>> {
        match self {
            Data::Map(fields) => fields.iter().find(|(it, _)| it == name).map(|(_, value)| value),
            Data::Null | Data::Bool(_) | Data::Int(_) | Data::Number(_) | Data::Text(_) | Data::List(_) => None,
        }
    }

    /// What a JSON pointer names (RFC 6901).
    pub fn pointer(self, pointer: &str) -> Option<Data<'a>> {
        let mut data = self;
        for part in pointer.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            data = match data {
                Data::Map(fields) => fields.into_iter().find(|(name, _)| *name == part)?.1,
                Data::List(items) => items.into_iter().nth(part.parse().ok()?)?,
                Data::Null | Data::Bool(_) | Data::Int(_) | Data::Number(_) | Data::Text(_) => return None,
            };
        }
        Some(data)
    }

    /// Makes nothing of every value that is one of these, however deep.
    pub fn forget(&mut self, meaningless: &[Data<'a>]) {
        match self {
            Data::List(items) => items.iter_mut().for_each(|item| item.forget(meaningless)),
            Data::Map(fields) => fields.iter_mut().for_each(|(_, value)| value.forget(meaningless)),
            _ if meaningless.iter().any(|it| it == self) => *self = Data::Null,
            Data::Null | Data::Bool(_) | Data::Int(_) | Data::Number(_) | Data::Text(_) => {}
        }
    }

    /// The same as JSON.
    pub fn to_json(&self) -> Json {
        match self {
            Data::Null => Json::Null,
            Data::Bool(it) => (*it).into(),
            Data::Int(it) => (*it).into(),
            Data::Number(it) => (*it).into(),
            Data::Text(it) => it.as_ref().into(),
            Data::List(items) => items.iter().map(Data::to_json).collect(),
            Data::Map(fields) => {
                Json::Object(fields.iter().map(|(name, value)| (name.to_string(), value.to_json())).collect())
            }
        }
    }

    /// A JSON value as data: whole numbers are `Int` where they fit, else `Number`.
    pub fn of(json: &Json) -> Data<'static> {
        match json {
            Json::Null => Data::Null,
            Json::Bool(it) => Data::Bool(*it),
            Json::Number(it) => match it.as_i64() {
                Some(whole) => Data::Int(whole),
                None => it.as_f64().map_or(Data::Null, Data::number),
            },
            Json::String(it) => Data::text(it.clone()),
            Json::Array(items) => Data::List(items.iter().map(Data::of).collect()),
            Json::Object(fields) => {
                Data::Map(fields.iter().map(|(name, value)| (name.clone().into(), Data::of(value))).collect())
            }
        }
    }
}

/// Whether no name stands twice.
pub fn is_distinct<V>(fields: &[(Cow<'_, str>, V)]) -> bool {
    if fields.len() <= FEW {
        return fields.iter().enumerate().all(|(at, (name, _))| fields.iter().take(at).all(|(it, _)| it != name));
    }
    let mut names: Vec<&str> = fields.iter().map(|(name, _)| &**name).collect();
    names.sort_unstable();
    names.windows(2).all(|two| two.first() != two.last())
}

/// One value at a depth.
struct Reading {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Reading {
    type Value = Data<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Data<'de>, D::Error> {
        if self.depth > DEPTH_MAX {
            return Err(D::Error::custom("too deep"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reading {
    type Value = Data<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Data<'de>, E> {
        Ok(Data::Null)
    }

    fn visit_bool<E>(self, it: bool) -> Result<Data<'de>, E> {
        Ok(Data::Bool(it))
    }

    fn visit_i64<E>(self, it: i64) -> Result<Data<'de>, E> {
        Ok(Data::Int(it))
    }

    fn visit_u64<E>(self, it: u64) -> Result<Data<'de>, E> {
        Ok(i64::try_from(it).map_or(Data::Number(it as f64), Data::Int))
    }

    fn visit_f64<E>(self, it: f64) -> Result<Data<'de>, E> {
        Ok(Data::number(it))
    }

    fn visit_borrowed_str<E>(self, it: &'de str) -> Result<Data<'de>, E> {
        Ok(Data::text(it))
    }

    fn visit_str<E>(self, it: &str) -> Result<Data<'de>, E> {
        Ok(Data::text(it.to_owned()))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Data<'de>, S::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(Reading { depth: self.depth + 1 })? {
            if items.len() == ELEMENTS_MAX {
                return Err(S::Error::custom("too long"));
            }
            items.push(item);
        }
        Ok(Data::List(items))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Data<'de>, M::Error> {
        let mut fields = Vec::new();
        while let Some(name) = map.next_key_seed(Name)? {
            fields.push((name, map.next_value_seed(Reading { depth: self.depth + 1 })?));
        }
        if is_distinct(&fields) { Ok(Data::Map(fields)) } else { Err(M::Error::custom("a name stands twice")) }
    }
}

/// The name of a field, borrowed where it holds no escape.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E: de::Error>(self, it: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(it))
    }

    fn visit_str<E: de::Error>(self, it: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(it.to_owned()))
    }
}
