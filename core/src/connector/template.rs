//! Texts with `${input.x}`, `${config.x}` and `${secret.x}` in them.
//!
//! They are taken apart once, at load, and filled in one pass: what a value contains is never looked at again, so a
//! value that contains `${…}` stays what it is. Each place encodes values for itself.

use std::{fmt::Write as _, sync::Arc};

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Plain text; settings are already in it.
    Text(String),
    /// The value of an input.
    Input(Arc<str>),
    /// The value of a secret.
    Secret(Arc<str>),
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
    /// Not `input.x`, `config.x` or `secret.x`.
    Strange(String),
    /// There is no such setting.
    NoSetting(String),
}

impl Template {
    /// Takes a text apart. `config` gives the value of a setting.
    pub fn parse(text: &str, config: &dyn Fn(&str) -> Option<String>) -> Result<Template, Fault> {
        let mut template = Template::default();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            template.text(before);
            let (name, after) = after.split_once('}').ok_or(Fault::Open)?;
            match name.split_once('.') {
                Some(("input", name)) => template.parts.push(Part::Input(name.into())),
                Some(("secret", name)) => template.parts.push(Part::Secret(name.into())),
                Some(("config", name)) => template.text(&config(name).ok_or_else(|| Fault::NoSetting(name.into()))?),
                Some(_) | None => return Err(Fault::Strange(name.into())),
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
            Some(Part::Input(_) | Part::Secret(_)) | None => self.parts.push(Part::Text(text.into())),
        }
    }

    /// The inputs it mentions.
    pub fn inputs(&self) -> impl Iterator<Item = &Arc<str>> {
        self.parts.iter().filter_map(|part| match part {
            Part::Input(name) => Some(name),
            Part::Text(_) | Part::Secret(_) => None,
        })
    }

    /// The secrets it mentions.
    pub fn secrets(&self) -> impl Iterator<Item = &Arc<str>> {
        self.parts.iter().filter_map(|part| match part {
            Part::Secret(name) => Some(name),
            Part::Text(_) | Part::Input(_) => None,
        })
    }

    /// Fills it in; `None` where a value is missing or cannot stand in this place.
    pub fn fill<'a>(
        &self,
        input: &dyn Fn(&str) -> Option<&'a str>,
        secret: &dyn Fn(&str) -> Option<&'a str>,
        place: Place,
    ) -> Option<String> {
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Input(name) => place.write(input(name)?, &mut filled)?,
                Part::Secret(name) => place.write(secret(name)?, &mut filled)?,
            }
        }
        Some(filled)
    }
}

/// Where a value is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A path, a query or a form: everything but unreserved letters is percent-encoded (RFC 3986 §2.3).
    Url,
    /// A header field: no control characters.
    Header,
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
            Place::Header | Place::Plain => out.push_str(value),
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str, value: &'static str, place: Place) -> Option<String> {
        let template = Template::parse(text, &|name| (name == "base").then(|| "https://a.example".into())).unwrap();
        template.fill(&|_| Some(value), &|_| Some("s3cret"), place)
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
            ("1.2.3.4", Some("/1.2.3.4/x")),
            ("2001:db8::1", Some("/2001%3Adb8%3A%3A1/x")),
            ("../admin?x=1#y", Some("/..%2Fadmin%3Fx%3D1%23y/x")),
            ("é\r\n", Some("/%C3%A9%0D%0A/x")),
            ("..", None),
            (".", None),
        ] {
            assert_eq!(fill("/${input.ip}/x", value, Place::Url).as_deref(), expected, "{value:?}");
        }
        assert_eq!(fill("k ${input.ip}", "a\r\nX: y", Place::Header), None, "no header is smuggled in");
    }

    #[test]
    fn faults_are_named() {
        let parse = |text| Template::parse(text, &|_| None).unwrap_err();
        assert_eq!(parse("${input.ip"), Fault::Open);
        assert_eq!(parse("${env.HOME}"), Fault::Strange("env.HOME".into()));
        assert_eq!(parse("${config.x}"), Fault::NoSetting("x".into()));
    }
}
