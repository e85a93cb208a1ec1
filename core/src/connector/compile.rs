//! From a connector's file to a connector, or to everything that is wrong with it.

use std::{ops::Range, sync::Arc};

use indexmap::IndexMap;

use crate::{
    attribute::Catalogue,
    connector::{
        Connector, Limits,
        document::{self, Document, Network},
        mapping::Expression,
    },
    diagnostic::Diagnostic,
    yaml::{self, Spanned},
};

mod answer;
mod auth;
mod request;

/// How long a call may take if the file does not say, in milliseconds.
const TIMEOUT_MS: u64 = 1000;

/// Compiles a connector's file. Attributes are those of the catalogue.
pub fn connector(file: &Arc<str>, text: &str, catalogue: &Catalogue) -> Result<Connector, Vec<Diagnostic>> {
    let document: Document = yaml::parse(file, text)?;
    let mut compiler = Compiler { file, config: &document.config, found: Vec::new() };
    let connector = compiler.connector(&document, catalogue);
    match connector {
        Some(connector) if compiler.found.is_empty() => Ok(connector),
        Some(_) | None => Err(compiler.found),
    }
}

/// Money in millionths; what is not a price is none.
pub(super) fn micros(money: f64) -> u64 {
    // Saturating: a cast from a float never wraps.
    (money.max(0.0) * 1e6).round() as u64
}

fn limits(document: Option<&document::Limits>) -> Limits {
    let header = |name: &Option<String>| name.as_ref().map(|it| it.to_ascii_lowercase().into());
    document.map_or_else(Limits::default, |it| Limits {
        rate: it.rate,
        concurrency: it.concurrency,
        quota: it.quota,
        remaining_header: header(&it.remaining_header),
        reset_header: header(&it.reset_header),
    })
}

struct Compiler<'a> {
    file: &'a Arc<str>,
    config: &'a IndexMap<String, document::Setting>,
    found: Vec<Diagnostic>,
}

impl Compiler<'_> {
    fn connector(&mut self, document: &Document, catalogue: &Catalogue) -> Option<Connector> {
        self.id(&document.connector);
        let operation = &document.operations.lookup;
        let network = document.network.unwrap_or(Network::Internet);
        let inputs = self.inputs(document);
        let url = self.template(&operation.request.url, &operation.request.url.span, document);
        let origin_and_path = url.and_then(|url| self.origin(&url, network, &operation.request.url.span));
        let mut query = self.templates(&operation.request.query, document);
        let mut headers = self.templates(&operation.request.headers, document);
        self.header_names(&operation.request.headers);
        let basic = self.auth(document, &mut query, &mut headers);
        let payload = self.payload(document);
        let outcomes = self.outcomes(operation);
        let (provides, map) = self.map(operation, catalogue);
        let required = self.required(operation, &provides);
        self.cache(document);
        let body_bytes_max = self.body_limit(operation);
        let (origin, path) = origin_and_path?;
        Some(Connector {
            id: document.connector.value.as_str().into(),
            name: document.name.as_ref().unwrap_or(&document.connector.value).as_str().into(),
            capability: document.capability.value.as_str().into(),
            is_paid: document.price.is_some_and(|price| price > 0.0),
            price_micros: document.price.map_or(0, micros),
            limits: limits(operation.limits.as_ref()),
            network,
            sends: document.data.sends.iter().map(|input| input.value.as_str().into()).collect(),
            secrets: document.secrets.keys().map(|name| name.as_str().into()).collect(),
            timeout_ms: operation.timeout.map_or(TIMEOUT_MS, |timeout| timeout.ms),
            ttl_ms: operation.cache.as_ref().map_or(0, |cache| cache.ttl.ms),
            negative_ttl_ms: operation.cache.as_ref().and_then(|cache| cache.negative_ttl).map_or(0, |ttl| ttl.ms),
            stale_if_error_ms: operation.cache.as_ref().and_then(|cache| cache.stale_if_error).map_or(0, |it| it.ms),
            body_bytes_max,
            origin,
            provides,
            fixtures: document.tests.clone(),
            inputs,
            method: operation.request.method,
            path,
            query,
            headers,
            basic,
            payload,
            outcomes,
            map,
            required,
        })
    }

    fn fault(&mut self, code: &'static str, span: &Range<usize>, message: impl Into<String>) {
        self.found.push(Diagnostic::error(code, self.file, span.clone(), message));
    }

    fn unknown(&mut self, code: &'static str, span: &Range<usize>, message: String, near: Option<String>) {
        let fault = Diagnostic::error(code, self.file, span.clone(), message);
        self.found.push(near.map_or(fault.clone(), |near| fault.help(format!("did you mean `{near}`?"))));
    }

    fn id(&mut self, id: &Spanned<String>) {
        let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        if id.is_empty() || !id.chars().all(plain) {
            let message = format!("`{}` is no id; use lower-case letters, digits and dashes", id.value);
            self.fault("connector.id", &id.span, message);
        }
    }

    fn expression(&mut self, text: &Spanned<String>) -> Option<Expression> {
        Expression::parse(text).map_err(|why| self.fault("expression", &text.span, why)).ok()
    }

    /// A key that leaves out an input would give one person's answer to another.
    fn cache(&mut self, document: &Document) {
        let Some(key) = document.operations.lookup.cache.as_ref().and_then(|cache| cache.key.as_ref()) else { return };
        let Some(template) = self.template(key, &key.span, document) else { return };
        if template.secrets().next().is_some() {
            self.fault("cache.secret", &key.span, "a cache key holds no secret");
        }
        for name in document.inputs.keys() {
            if !template.inputs().any(|input| **input == **name) {
                self.fault("cache.incomplete", &key.span, format!("the key leaves out `${{input.{name}}}`"));
            }
        }
    }
}

#[cfg(test)]
mod tests;
