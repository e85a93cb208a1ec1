//! The only dynamic type: what an attribute can hold. Never converts silently; a value of the wrong type is unknown.

use std::{fmt, net::IpAddr, sync::Arc};

/// The type of an attribute, as policies and the catalogue name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// `true` or `false`.
    Bool,
    /// A whole number, 64 bits.
    Int,
    /// A number with a fraction, IEEE 754 double.
    Number,
    /// UTF-8 text.
    Text,
    /// A moment: milliseconds since the Unix epoch.
    Time,
    /// A length of time in milliseconds.
    Duration,
    /// An IPv4 or IPv6 address.
    Ip,
    /// A list of values, usually text.
    List,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Number => "number",
            Type::Text => "text",
            Type::Time => "time",
            Type::Duration => "duration",
            Type::Ip => "ip address",
            Type::List => "list",
        })
    }
}

/// A known value. What is not known is a [`crate::facts::Reading`], never a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// See [`Type::Bool`].
    Bool(bool),
    /// See [`Type::Int`].
    Int(i64),
    /// See [`Type::Number`]; never NaN (a NaN read from outside is unknown).
    Number(f64),
    /// See [`Type::Text`].
    Text(Arc<str>),
    /// See [`Type::Time`].
    Time(i64),
    /// See [`Type::Duration`].
    Duration(i64),
    /// See [`Type::Ip`].
    Ip(IpAddr),
    /// See [`Type::List`]; at most 256 elements, longer lists are cut by whoever reads them.
    List(Arc<[Value]>),
}

impl Value {
    /// Text from anything that can become shared text.
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Value::Text(text.into())
    }

    /// The type this value has.
    pub fn kind(&self) -> Type {
        match self {
            Value::Bool(_) => Type::Bool,
            Value::Int(_) => Type::Int,
            Value::Number(_) => Type::Number,
            Value::Text(_) => Type::Text,
            Value::Time(_) => Type::Time,
            Value::Duration(_) => Type::Duration,
            Value::Ip(_) => Type::Ip,
            Value::List(_) => Type::List,
        }
    }

    /// This value as `wanted`, where that loses nothing: an int is a number, text that parses as an address is one.
    /// Anything else is `None`, and so unknown to a policy.
    pub fn cast(self, wanted: Type) -> Option<Self> {
        match (self, wanted) {
            (Value::Int(whole), Type::Number) => Some(Value::Number(whole as f64)),
            (Value::Number(number), Type::Int) if number.fract() == 0.0 && number.abs() < 9e15 => {
                Some(Value::Int(number as i64))
            }
            (Value::Text(text), Type::Ip) => text.parse().ok().map(Value::Ip),
            (Value::Number(number), _) if number.is_nan() => None,
            (value, wanted) => (value.kind() == wanted).then_some(value),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(it) => write!(f, "{it}"),
            Value::Int(it) => write!(f, "{it}"),
            Value::Number(it) => write!(f, "{it}"),
            Value::Text(it) => write!(f, "{it:?}"),
            Value::Time(it) => write!(f, "{it} ms since 1970"),
            Value::Duration(it) => write!(f, "{it}ms"),
            Value::Ip(it) => write!(f, "{it}"),
            Value::List(it) => {
                f.write_str("[")?;
                for (at, value) in it.iter().enumerate() {
                    let comma = if at == 0 { "" } else { ", " };
                    write!(f, "{comma}{value}")?;
                }
                f.write_str("]")
            }
        }
    }
}
