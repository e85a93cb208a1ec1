//! From a connector's file to a connector, or to everything that is wrong with it.

use std::{ops::Range, sync::Arc};

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::{
    attribute::Catalogue,
    connector::{
        Asking, Connector, Page,
        document::{self, Document, Network},
        mapping::{Expression, Names},
    },
    diagnostic::{self, Diagnostic},
    yaml::{self, Spanned},
};

mod answer;
mod auth;
mod begun;
mod local;
mod operation;
mod receive;
mod request;
mod settings;
pub mod source;

/// An operator's values of settings, by name.
pub type Config = IndexMap<String, Json>;

/// Compiles a connector's file that extends no other, with its own defaults. Attributes are those of the catalogue.
pub fn connector(file: &Arc<str>, text: &str, catalogue: &Catalogue) -> Result<Connector, Vec<Diagnostic>> {
    source::Source::read(file, text, &|_| None)?.compile(catalogue, &Config::new())
}

/// Money in millionths; what is not a price is none.
pub(super) fn micros(money: f64) -> u64 {
    // Saturating: a cast from a float never wraps.
    (money.max(0.0) * 1e6).round() as u64
}

struct Compiler<'a> {
    source: &'a source::Source,
    document: &'a Document,
    /// The value of each setting.
    config: IndexMap<&'a str, Json>,
    unset: Vec<Arc<str>>,
    found: Vec<Diagnostic>,
}

impl<'a> Compiler<'a> {
    fn connector(&mut self, catalogue: &Catalogue, given: &Config) -> Option<Connector> {
        let document = self.document;
        self.id(&document.connector);
        self.settings(given);
        let asking = Arc::new(Asking { inputs: self.inputs(), derived: self.derived(), config: self.config_data() });
        self.manifest();
        let operations: Vec<_> = document
            .operations
            .iter()
            .filter_map(|(name, operation)| self.operation(name, operation, &asking, catalogue).map(Arc::new))
            .collect();
        let whole = &document.connector.span;
        if document.operations.is_empty() {
            self.fault("operation.none", whole, "a connector needs an operation, as in `operations: { lookup: … }`");
        }
        self.begun();
        let Some(capability) = &document.capability else {
            self.fault("capability.missing", whole, "a connector says its `capability`");
            return None;
        };
        let page = document.client.as_ref().map(|page| self.page(page));
        self.fixtures();
        let shared = |texts: &[String]| texts.iter().map(|it| Arc::from(it.as_str())).collect();
        // Saturating: a cast from a float never wraps.
        let price_micros = document.price.map_or(0, micros);
        let needed = |wanted: bool| {
            let secrets = document.secrets.iter().filter(move |(_, secret)| secret.required == wanted);
            secrets.map(|(name, _)| Arc::from(name.as_str())).collect()
        };
        Some(Connector {
            id: document.connector.value.as_str().into(),
            name: document.name.as_ref().unwrap_or(&document.connector.value).as_str().into(),
            capability: capability.as_str().into(),
            also_provides: document.also_provides.iter().map(|it| it.as_str().into()).collect(),
            version: document.version.as_deref().map(Arc::from),
            maturity: document.maturity,
            reliability: document.reliability,
            docs: document.docs.as_deref().map(Arc::from),
            about: document.about.as_deref().map(Arc::from),
            price_micros,
            is_paid: document.paid.unwrap_or(price_micros > 0),
            evidence: document.evidence.clone(),
            network: document.network.unwrap_or(Network::Internet),
            sends: self.sends().iter().map(|it| it.as_str().into()).collect(),
            receives: document.data.as_ref().map(|data| shared(&data.receives)).unwrap_or_default(),
            regions: document.data.as_ref().map(|data| shared(&data.regions)).unwrap_or_default(),
            secrets: needed(true),
            optional_secrets: needed(false),
            unset: std::mem::take(&mut self.unset),
            page,
            operations,
            fixtures: document.tests.clone(),
        })
    }

    fn fault(&mut self, code: &'static str, span: &Range<usize>, message: impl Into<String>) {
        let (file, span) = self.source.place(span);
        self.found.push(Diagnostic::error(code, file, span, message));
    }

    fn unknown(&mut self, code: &'static str, span: &Range<usize>, message: String, near: Option<String>) {
        let (file, span) = self.source.place(span);
        let fault = Diagnostic::error(code, file, span, message);
        self.found.push(near.map_or(fault.clone(), |near| fault.help(format!("did you mean `{near}`?"))));
    }

    fn id(&mut self, id: &Spanned<String>) {
        let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        if id.is_empty() || !id.chars().all(plain) {
            let message = format!("`{}` is no id; use lower-case letters, digits and dashes", id.value);
            self.fault("connector.id", &id.span, message);
        }
    }

    /// An expression, with its mistakes at their own place in the file.
    fn expression(&mut self, text: &Spanned<String>, names: &Names) -> Option<Expression> {
        match Expression::parse(text, names) {
            Ok(expression) => Some(expression),
            Err(fault) => {
                let inside = yaml::inside(self.source.text_at(&text.span), &text.span, text, &fault.span);
                let (file, span) = self.source.place(&inside);
                let diagnostic = Diagnostic::error(fault.code, file, span, fault.message);
                self.found.push(match fault.help {
                    Some(help) => diagnostic.help(help),
                    None => diagnostic,
                });
                None
            }
        }
    }

    /// What expressions about an answer may speak of. Secret inputs are not among it.
    fn names(&self, headers: &[Arc<str>]) -> Names {
        Names { has_answer: true, headers: headers.to_vec(), ..self.names_before() }
    }

    /// What expressions about a question may speak of.
    fn names_before(&self) -> Names {
        let document = self.document;
        let public = document.inputs.iter().filter(|(name, input)| !settings::is_secret(name, input));
        Names {
            is_about_decision: false,
            has_answer: false,
            inputs: public.map(|(name, _)| Arc::from(name.as_str())).collect(),
            config: document.config.keys().map(|name| Arc::from(name.as_str())).collect(),
            derived: document.derived.keys().map(|name| Arc::from(name.as_str())).collect(),
            headers: Vec::new(),
        }
    }

    fn page(&mut self, page: &document::settings::Page) -> Page {
        Page {
            script: page.script.as_ref().and_then(|text| self.public_text(text)),
            csp: page.csp.iter().map(|(directive, sources)| (directive.clone(), sources.clone())).collect(),
            token_field: page.token_field.clone(),
            snippet: page.snippet.as_ref().and_then(|text| self.public_text(text)),
        }
    }

    fn fixtures(&mut self) {
        let document = self.document;
        for fixture in &document.tests {
            let unknown = fixture.operation.as_ref().filter(|name| !document.operations.contains_key(&***name));
            if let Some(name) = unknown {
                let near = diagnostic::nearest(name, document.operations.keys().map(String::as_str));
                let message = format!("the fixture `{}` names no operation: `{name}`", fixture.name);
                self.unknown("fixture.operation", &document.connector.span, message, near.map(str::to_owned));
            }
            for name in fixture.config.keys().filter(|name| !document.config.contains_key(*name)) {
                let near = diagnostic::nearest(name, document.config.keys().map(String::as_str));
                let message = format!("the fixture `{}` sets `{name}`, which is not under `config`", fixture.name);
                self.unknown("fixture.config", &document.connector.span, message, near.map(str::to_owned));
            }
        }
    }
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod signed;
#[cfg(test)]
mod tests;
