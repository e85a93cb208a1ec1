//! Texts with `${input.x}`, `${config.x}`, `${secret.x}` and the like in them.
//!
//! They are taken apart once, at load, and filled in one pass: what a value contains is never looked at again, so a
//! value that contains `${…}` stays what it is. Each place encodes values for itself.

use std::{borrow::Cow, fmt::Write as _, sync::Arc};

use crate::connector::mapping::text;

/// A value that a template names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// An input.
    Input(Arc<str>),
    /// A secret.
    Secret(Arc<str>),
    /// Something derived of the inputs.
    Derived(Arc<str>),
    /// Something an earlier operation kept.
    State(Arc<str>),
    /// The token of a session or of OAuth 2.
    Token,
    /// The hash that was just made.
    Signature,
    /// The time of the call.
    Now(Clock),
    /// A random id, the same throughout one call.
    Uuid,
    /// A part of the request that is about to be signed.
    Request(Piece),
}

/// How the time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// `Tue, 20 Apr 2021 02:07:55 GMT` (RFC 9110 §5.6.7).
    Http,
    /// `2021-04-20T02:07:55Z`.
    Iso,
    /// Seconds since 1970.
    Unix,
    /// Milliseconds since 1970.
    UnixMs,
}

/// Parts of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// `POST`.
    Method,
    /// The host, with its port where that is not the usual one.
    Host,
    /// The path as it is sent.
    Path,
    /// The query as it is sent, without `?`.
    Query,
    /// Path and query as they are sent.
    PathQuery,
    /// Parameters of query and form, sorted by name, percent-encoded.
    Params,
    /// The body's bytes.
    Body,
    /// A header field; empty where it is not sent.
    Header(Arc<str>),
    /// When a message that came in says it was sent.
    Timestamp,
}

/// What a value goes through before it is put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Through {
    /// MD5 in hexadecimal.
    Md5,
    /// SHA-1 in hexadecimal.
    Sha1,
    /// SHA-256 in hexadecimal.
    Sha256,
    /// SHA-512 in hexadecimal.
    Sha512,
    /// Lower case.
    Lower,
    /// Upper case.
    Upper,
    /// Base64.
    Base64,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Plain text; settings are already in it.
    Text(String),
    /// A value, and what it goes through.
    Value(Name, Option<Through>),
}

/// A template whose settings are filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// Its pieces, in order.
    pub parts: Vec<Part>,
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `${` without `}`.
    Open,
    /// Nothing that can be named here.
    Strange(String),
    /// There is no such setting.
    NoSetting(String),
}

/// Why a template cannot be filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfilled {
    /// A value is not there.
    Missing,
    /// A value cannot stand in its place.
    Refused,
}

impl Template {
    /// Takes a text apart. `config` gives the value of a setting.
    pub fn parse(text: &str, config: &dyn Fn(&str) -> Option<String>) -> Result<Template, Fault> {
        let mut template = Template::default();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            template.text(before);
            let (written, after) = after.split_once('}').ok_or(Fault::Open)?;
            let (name, through) = through(written.trim());
            match name.strip_prefix("config.") {
                Some(setting) if through.is_none() => {
                    template.text(&config(setting).ok_or_else(|| Fault::NoSetting(setting.into()))?);
                }
                _ => {
                    let name = named(name).ok_or_else(|| Fault::Strange(written.into()))?;
                    template.parts.push(Part::Value(name, through));
                }
            }
            rest = after;
        }
        template.text(rest);
        Ok(template)
    }

    fn text(&mut self, text: &str) {
        match self.parts.last_mut() {
            _ if text.is_empty() => {}
            Some(Part::Text(before)) => before.push_str(text),
            Some(Part::Value(..)) | None => self.parts.push(Part::Text(text.into())),
        }
    }

    /// The values it names.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.parts.iter().filter_map(|part| match part {
            Part::Value(name, _) => Some(name),
            Part::Text(_) => None,
        })
    }

    /// The one value that it is, if it is nothing else.
    pub fn alone(&self) -> Option<&Name> {
        match self.parts.as_slice() {
            [Part::Value(name, None)] => Some(name),
            _ => None,
        }
    }

    /// Fills it in.
    pub fn fill<'a>(&self, value: &dyn Fn(&Name) -> Option<Cow<'a, str>>, place: Place) -> Result<String, Unfilled> {
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Value(name, through) => {
                    let value = value(name).ok_or(Unfilled::Missing)?;
                    let value = through.map_or(value.clone(), |through| through.apply(&value).into());
                    place.write(&value, &mut filled).ok_or(Unfilled::Refused)?;
                }
            }
        }
        Ok(filled)
    }
}

/// The name inside `function(…)`, and the function.
fn through(written: &str) -> (&str, Option<Through>) {
    let Some((function, rest)) = written.split_once('(') else { return (written, None) };
    let function = match function {
        "md5_hex" => Through::Md5,
        "sha1_hex" => Through::Sha1,
        "sha256_hex" => Through::Sha256,
        "sha512_hex" => Through::Sha512,
        "lower" => Through::Lower,
        "upper" => Through::Upper,
        "b64" => Through::Base64,
        _ => return (written, None),
    };
    rest.strip_suffix(')').map_or((written, None), |name| (name.trim(), Some(function)))
}

fn named(written: &str) -> Option<Name> {
    let word = |name: &str| {
        let plain = name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_' || it == b'-');
        (plain && !name.is_empty()).then(|| Arc::from(name))
    };
    Some(match written.split_once('.') {
        Some(("input", name)) => Name::Input(word(name)?),
        Some(("secret", name)) => Name::Secret(word(name)?),
        Some(("derived", name)) => Name::Derived(word(name)?),
        Some(("state", name)) => Name::State(word(name)?),
        Some(("now", "http")) => Name::Now(Clock::Http),
        Some(("now", "iso")) => Name::Now(Clock::Iso),
        Some(("now", "unix")) => Name::Now(Clock::Unix),
        Some(("now", "unix_ms")) => Name::Now(Clock::UnixMs),
        Some(("req", piece)) => Name::Request(match piece.split_once('.') {
            Some(("header", name)) => Piece::Header(word(name)?),
            Some(_) => return None,
            None => match piece {
                "method" => Piece::Method,
                "host" => Piece::Host,
                "path" => Piece::Path,
                "query" => Piece::Query,
                "path_query" => Piece::PathQuery,
                "params" => Piece::Params,
                "body" => Piece::Body,
                "timestamp" => Piece::Timestamp,
                _ => return None,
            },
        }),
        None if written == "token" => Name::Token,
        None if written == "signature" => Name::Signature,
        None if written == "uuid" => Name::Uuid,
        Some(_) | None => return None,
    })
}

impl Through {
    fn apply(self, value: &str) -> String {
        match self {
            Through::Md5 => text::md5_hex(value.as_bytes()),
            Through::Sha1 => text::sha1_hex(value.as_bytes()),
            Through::Sha256 => text::sha256_hex(value.as_bytes()),
            Through::Sha512 => text::sha512_hex(value.as_bytes()),
            Through::Lower => value.to_lowercase(),
            Through::Upper => value.to_uppercase(),
            Through::Base64 => text::base64(value.as_bytes()),
        }
    }
}

/// Where a value is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A path: everything but unreserved letters is percent-encoded (RFC 3986 §2.3).
    Url,
    /// A header field: no control characters.
    Header,
    /// XML: what would be markup is escaped; control characters cannot be written at all.
    Xml,
    /// A text inside a structure that does its own encoding.
    Plain,
}

impl Place {
    fn write(self, value: &str, out: &mut String) -> Option<()> {
        match self {
            // `.` and `..` would be segments of their own, however they are encoded.
            Place::Url if matches!(value, "." | "..") => return None,
            Place::Url => value.bytes().for_each(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
                // Writing to a String cannot fail.
                other => drop(write!(out, "%{other:02X}")),
            }),
            Place::Header if value.chars().any(char::is_control) => return None,
            Place::Xml if value.chars().any(|it| it.is_control() && !matches!(it, '\n' | '\r' | '\t')) => return None,
            Place::Xml => value.chars().for_each(|letter| match letter {
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '&' => out.push_str("&amp;"),
                '"' => out.push_str("&quot;"),
                '\'' => out.push_str("&apos;"),
                other => out.push(other),
            }),
            Place::Header | Place::Plain => out.push_str(value),
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str, value: &'static str, place: Place) -> Result<String, Unfilled> {
        let template = Template::parse(text, &|name| (name == "base").then(|| "https://a.example".into())).unwrap();
        template.fill(&|_| Some(value.into()), place)
    }

    #[test]
    fn i2_what_a_value_contains_is_never_expanded() {
        for value in ["${secret.key}", "${config.base}", "${input.ip}", "$${secret.key}}", "{{env.HOME}}"] {
            assert_eq!(fill("<${input.ip}>", value, Place::Plain).unwrap(), format!("<{value}>"));
        }
        let settings = |_: &str| Some("${secret.key}".to_owned());
        let template = Template::parse("${config.a}", &settings).unwrap();
        assert_eq!(template.parts, [Part::Text("${secret.key}".into())], "nor what a setting contains");
    }

    #[test]
    fn values_are_encoded_for_their_place() {
        for (value, expected) in [
            ("1.2.3.4", Ok("/1.2.3.4/x")),
            ("2001:db8::1", Ok("/2001%3Adb8%3A%3A1/x")),
            ("../admin?x=1#y", Ok("/..%2Fadmin%3Fx%3D1%23y/x")),
            ("é\r\n", Ok("/%C3%A9%0D%0A/x")),
            ("..", Err(Unfilled::Refused)),
            (".", Err(Unfilled::Refused)),
        ] {
            assert_eq!(fill("/${input.ip}/x", value, Place::Url).as_deref(), expected.as_deref(), "{value:?}");
        }
        assert_eq!(
            fill("k ${input.ip}", "a\r\nX: y", Place::Header),
            Err(Unfilled::Refused),
            "no header is smuggled in"
        );
        assert_eq!(fill("<a>${input.ip}</a>", "<b>&'\"", Place::Xml).unwrap(), "<a>&lt;b&gt;&amp;&apos;&quot;</a>");
        assert_eq!(fill("<a>${input.ip}</a>", "\u{0}", Place::Xml), Err(Unfilled::Refused));
    }

    #[test]
    fn faults_are_named() {
        let parse = |text: &str| Template::parse(text, &|_| None).unwrap_err();
        assert_eq!(parse("${input.ip"), Fault::Open);
        for strange in ["env.HOME", "input.", "input.a b", "req.cookies", "now", "sha3(req.body)", "signature.x"] {
            assert_eq!(parse(&format!("${{{strange}}}")), Fault::Strange(strange.into()));
        }
        assert_eq!(parse("${config.x}"), Fault::NoSetting("x".into()));
    }

    #[test]
    fn a_value_can_go_through_a_hash() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(fill("${sha256_hex(req.body)}\n", "", Place::Plain).unwrap(), format!("{empty}\n"));
        assert_eq!(fill("${lower(req.method)} ${b64(input.x)}", "GET", Place::Plain).unwrap(), "get R0VU");
    }
}
