//! What a connector is told and asked: settings, inputs, what is derived of them, and what of it may leave the house.

use std::{borrow::Cow, ops::Range, sync::Arc};

use serde_json::Value as Json;

use crate::{
    connector::{
        DECISION, DECISIONS, DECISIONS_BYTES_MAX, INPUTS, Needed,
        compile::{Compiler, Config},
        document::settings::{Input, InputKind, Setting, SettingKind},
        mapping::{Expression, data::Data},
    },
    diagnostic,
    yaml::Spanned,
};

/// Longest input if the file does not say, in bytes.
const INPUT_BYTES_MAX: u32 = 4096;
/// Longest input that a file can ask for, in bytes.
const INPUT_BYTES_LIMIT: u32 = 64 * 1024;

/// The type an input has.
fn kind_of(name: &str, input: &Input) -> Option<InputKind> {
    input.kind.or_else(|| INPUTS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind))
}

/// Whether an input is never kept.
pub(super) fn is_secret(name: &str, input: &Input) -> bool {
    kind_of(name, input) == Some(InputKind::SecretString)
}

impl<'a> Compiler<'a> {
    /// Every setting gets the operator's value, else its default, else a stand-in that is never run with.
    pub(super) fn settings(&mut self, given: &Config) {
        let document = self.document;
        for name in given.keys().filter(|name| !document.config.contains_key(*name)) {
            let near = diagnostic::nearest(name, document.config.keys().map(String::as_str)).map(str::to_owned);
            let message = format!("`{}` has no setting `{name}`", document.connector.value);
            self.unknown("config.unknown", &document.connector.span, message, near);
        }
        for (name, setting) in &document.config {
            let kind = self.kind(name, setting);
            let default = setting.default.as_ref();
            if let Some(fault) = default.and_then(|value| misfit(kind, setting, value)) {
                self.fault("config.default", &setting.span, format!("the default of `{name}` {fault}"));
            }
            if let Some(fault) = given.get(name).and_then(|value| misfit(kind, setting, value)) {
                self.fault("config.value", &setting.span, format!("the value given for `{name}` {fault}"));
            }
            let value = match given.get(name).or(default) {
                Some(value) => value.clone(),
                None if setting.required => {
                    self.unset.push(name.as_str().into());
                    stand_in(kind, setting)
                }
                None => continue,
            };
            self.config.insert(name, value);
        }
    }

    fn kind(&mut self, name: &str, setting: &Spanned<Setting>) -> SettingKind {
        let told = setting.default.as_ref().map(|value| match value {
            Json::Bool(_) => SettingKind::Bool,
            Json::Number(_) => SettingKind::Int,
            Json::Array(_) => SettingKind::List,
            Json::String(it) if it.starts_with("https://") || it.starts_with("http://") => SettingKind::Url,
            Json::String(_) | Json::Null | Json::Object(_) => SettingKind::String,
        });
        let kind = setting.kind.or(told).unwrap_or(SettingKind::String);
        if setting.required && setting.default.is_some() {
            self.fault("config.required", &setting.span, format!("`{name}` is required and has a default"));
        }
        if (kind == SettingKind::Enum) == setting.values.is_empty() {
            self.fault("config.values", &setting.span, "`values` belong to `type: enum`, and an `enum` has some");
        }
        if kind != SettingKind::Int && (setting.min.is_some() || setting.max.is_some()) {
            self.fault("config.range", &setting.span, "`min` and `max` belong to `type: int`");
        }
        kind
    }

    pub(super) fn config_data(&self) -> Data<'static> {
        Data::Map(self.config.iter().map(|(name, value)| (Cow::Owned((*name).to_owned()), Data::of(value))).collect())
    }

    pub(super) fn inputs(&mut self) -> Vec<Needed> {
        let mut needed = Vec::new();
        for (name, input) in &self.document.inputs {
            let kind = kind_of(name, input).unwrap_or_else(|| {
                let near = diagnostic::nearest(name, INPUTS.map(|(known, _)| known)).map(str::to_owned);
                let message = format!("`{name}` is no input that has a type of its own; say its `type`");
                self.unknown("input.unknown", &input.span, message, near);
                InputKind::String
            });
            let is_decisions = matches!(name.as_str(), DECISION | DECISIONS) && input.max_len.is_none();
            let bytes_max = input.max_len.unwrap_or(INPUT_BYTES_MAX);
            if !(1..=INPUT_BYTES_LIMIT).contains(&bytes_max) {
                self.fault("input.length", &input.span, format!("`max_len` is 1 to {INPUT_BYTES_LIMIT}"));
            }
            let names = self.names_before();
            let skip_when = input.skip_when.as_ref().and_then(|text| self.expression(text, &names));
            needed.push(Needed {
                name: name.as_str().into(),
                kind,
                required: input.required,
                bytes_max: if is_decisions { DECISIONS_BYTES_MAX } else { bytes_max as usize },
                skip_when,
            });
        }
        needed
    }

    /// Each may use what was derived before it, and secret inputs too.
    pub(super) fn derived(&mut self) -> Vec<(Arc<str>, Expression)> {
        let mut names = self.names_before();
        names.inputs = self.document.inputs.keys().map(|name| Arc::from(name.as_str())).collect();
        names.derived.clear();
        let mut made = Vec::new();
        for (name, text) in &self.document.derived {
            if let Some(expression) = self.expression(text, &names) {
                made.push((Arc::from(name.as_str()), expression));
            }
            names.derived.push(name.as_str().into());
        }
        made
    }

    pub(super) fn sends(&self) -> &'a [Spanned<String>] {
        self.document.data.as_ref().map_or(&[], |data| data.sends.as_slice())
    }

    /// What is said to be sent exists.
    pub(super) fn manifest(&mut self) {
        let document = self.document;
        if document.data.is_none() {
            let message = "a connector says what leaves the house: `data: { sends: […] }`";
            self.fault("data.missing", &document.connector.span, message);
        }
        for sent in self.sends() {
            let known = || document.inputs.keys().chain(document.derived.keys()).map(String::as_str);
            if !known().any(|name| name == sent.value) {
                let near = diagnostic::nearest(sent, known()).map(str::to_owned);
                let message = format!("`{}` is neither an input nor derived of one", sent.value);
                self.unknown("data.unknown", &sent.span, message, near);
            }
        }
    }

    /// A value that leaves the house is listed: an input by its name; what is derived by its own name, or by those of
    /// all inputs it is made of.
    pub(super) fn is_sent(&self, name: &str) -> bool {
        let listed = |name: &str| self.sends().iter().any(|sent| sent.value == name);
        if listed(name) {
            return true;
        }
        let Some(text) = self.document.derived.get(name) else { return false };
        let mut names = self.names_before();
        names.inputs = self.document.inputs.keys().map(|name| Arc::from(name.as_str())).collect();
        let Ok(expression) = Expression::parse(text, &names) else { return true };
        let reads = expression.reads();
        // What it reads stands before it, so this ends.
        reads.iter().all(|read| *read != name && *read != "*" && self.is_sent(read))
    }

    /// An input or something derived of one that is secret.
    pub(super) fn is_secret_input(&self, name: &str) -> bool {
        self.document.inputs.get(name).is_some_and(|input| is_secret(name, input))
    }

    /// The text of a setting in a template; a list is joined by commas.
    pub(super) fn setting_text(&self, name: &str) -> Option<String> {
        Some(match self.config.get(name) {
            Some(Json::String(text)) => text.clone(),
            Some(Json::Array(items)) => items
                .iter()
                .map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned))
                .collect::<Vec<_>>()
                .join(","),
            Some(other) => other.to_string(),
            // Declared, optional and without a value.
            None => self.document.config.get(name).map(|_| String::new())?,
        })
    }

    /// A text of public settings alone.
    pub(super) fn public_text(&mut self, text: &Spanned<String>) -> Option<String> {
        self.text_of_settings(text, true)
    }

    /// A text of settings alone.
    pub(super) fn own_text(&mut self, text: &Spanned<String>) -> Option<String> {
        self.text_of_settings(text, false)
    }

    fn text_of_settings(&mut self, text: &Spanned<String>, for_everybody: bool) -> Option<String> {
        let span: &Range<usize> = &text.span;
        let mut rest = text.as_str();
        while let Some((_, after)) = rest.split_once("${") {
            let name = after.split('}').next().unwrap_or_default();
            let setting = name.strip_prefix("config.").and_then(|name| self.document.config.get(name));
            if !setting.is_some_and(|setting| setting.public || !for_everybody) {
                let (code, what) = match for_everybody {
                    true => ("page.private", "no setting with `public: true`"),
                    false => ("config.unknown", "no setting"),
                };
                self.fault(code, span, format!("`${{{name}}}` is {what}"));
                return None;
            }
            rest = after;
        }
        let template = self.template(text, span, super::request::Within::Page)?;
        template.fill(&|_| None, crate::connector::template::Place::Plain).ok()
    }
}

/// What is wrong with a value, if anything.
fn misfit(kind: SettingKind, setting: &Setting, value: &Json) -> Option<String> {
    let text = value.as_str();
    match kind {
        SettingKind::String | SettingKind::Path if text.is_none() => Some("is not a text".into()),
        SettingKind::Url if !text.is_some_and(|it| it.starts_with("https://") || it.starts_with("http://")) => {
            Some("is no URL that begins with `https://`".into())
        }
        SettingKind::Bool if !value.is_boolean() => Some("is neither `true` nor `false`".into()),
        SettingKind::Enum if !text.is_some_and(|it| setting.values.iter().any(|known| known == it)) => {
            Some(format!("is none of {}", setting.values.join(", ")))
        }
        SettingKind::List if !value.as_array().is_some_and(|it| it.iter().all(Json::is_string)) => {
            Some("is no list of texts".into())
        }
        SettingKind::Int => match value.as_i64() {
            None => Some("is no whole number".into()),
            Some(it) if setting.min.is_some_and(|min| it < min) => Some("is below `min`".into()),
            Some(it) if setting.max.is_some_and(|max| it > max) => Some("is above `max`".into()),
            Some(_) => None,
        },
        SettingKind::String
        | SettingKind::Path
        | SettingKind::Url
        | SettingKind::Bool
        | SettingKind::Enum
        | SettingKind::List => None,
    }
}

/// A value of the type, so that the rest of the file can be checked; it is never run with.
fn stand_in(kind: SettingKind, setting: &Setting) -> Json {
    match kind {
        SettingKind::String | SettingKind::Path => "unset".into(),
        SettingKind::Url => "https://unset.invalid".into(),
        SettingKind::Bool => false.into(),
        SettingKind::Int => setting.min.or(setting.max).unwrap_or(0).into(),
        SettingKind::Enum => setting.values.first().cloned().unwrap_or_default().into(),
        SettingKind::List => Json::Array(Vec::new()),
    }
}
