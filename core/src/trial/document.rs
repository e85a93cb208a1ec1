//! Test files as people type them. Nothing is judged here; the descriptions below are what editors show.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};

use crate::yaml::{Entries, Spanned};

/// Tests of one event's policy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Stepward policy tests")]
pub struct Document {
    /// The event whose policy is tested, such as `transfer money`.
    pub tests: Spanned<String>,
    /// What is true in every case that does not say otherwise: values of attributes, `unavailable` for one that nobody
    /// answers. An attribute that is not mentioned anywhere is unknown.
    #[serde(default)]
    pub usually: Entries<Spanned<Scalar>>,
    /// The cases.
    pub cases: Vec<Spanned<Case>>,
}

/// One case.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What the policy does, so that it reads after "it": `asks for a proof first`.
    pub it: Spanned<String>,
    /// What is true here, besides and instead of `usually`.
    #[serde(default)]
    pub given: Entries<Spanned<Scalar>>,
    /// Proofs by method: how old each is (`20s ago`, `now`), or `failed` where its attempts are spent. They are bound
    /// to just what this request is about.
    #[serde(default)]
    pub proofs: Entries<Spanned<String>>,
    /// The outcome: `forward`, `challenge passkey or totp`, `reroute /reset`, `throttle`, `lock_out subject`, `block`,
    /// or `not this event` where `only_if` leaves it to another policy.
    pub expect: Spanned<String>,
    /// What decided: the label of a rule or a step, or the code of a reason such as `when_unsure` or `otherwise`.
    pub because: Option<Spanned<String>>,
    /// Exactly these attributes were asked for; what the gateway knows by itself need not be listed.
    pub asked: Option<Vec<Spanned<String>>>,
    /// None of these attributes was asked for.
    #[serde(default)]
    pub not_asked: Vec<Spanned<String>>,
    /// The arm of an experiment that this request is in; else the first.
    pub arm: Option<Spanned<String>>,
    /// Who and what experiments stick to, instead of someone made up.
    pub units: Option<Units>,
    /// When this happens: `2026-11-22T09:30:00Z`; else the first second of 2026.
    pub now: Option<Spanned<String>>,
}

/// What experiments stick to; what is not there is unknown.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Units {
    /// The subject's id.
    pub subject: Option<String>,
    /// The device's id.
    pub device: Option<String>,
    /// The session's id.
    pub session: Option<String>,
}

/// A value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Number(f64),
    /// Anything else.
    Text(String),
    /// Several.
    List(Vec<Scalar>),
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Scalars)
    }
}

struct Scalars;

impl<'de> Visitor<'de> for Scalars {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value: true, 12, 2.5, text, or a list of them")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Scalar, E> {
        Ok(Scalar::Int(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Scalar, E> {
        i64::try_from(value).map(Scalar::Int).map_err(|_| E::custom(format!("{value} is too large a whole number")))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Scalar, E> {
        Ok(Scalar::Number(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(value.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Scalar, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Scalar::List(values))
    }
}

impl JsonSchema for Scalar {
    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A value, or `unavailable` where nobody answers.",
            "type": ["boolean", "number", "string", "array"]
        })
    }
}
