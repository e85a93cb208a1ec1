//! From a connector's file to a connector, or to everything that is wrong with it.

use std::{ops::Range, sync::Arc};

use indexmap::IndexMap;

use crate::{
    attribute::Catalogue,
    connector::{
        Connector,
        document::{self, Document, Network, RouteDocument},
        mapping::Expression,
    },
    diagnostic::{self, Diagnostic},
    yaml::{self, Spanned},
};

mod answer;
mod auth;
mod request;

/// How long a call may take if the file does not say, in milliseconds.
const TIMEOUT_MS: u64 = 1000;

/// A route: who serves a capability, best first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The capability.
    pub capability: Arc<str>,
    /// Ids of connectors, each with how long it may take here, in milliseconds.
    pub members: Vec<(Arc<str>, Option<u64>)>,
}

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

/// Compiles a route's file; `connectors` are those that were loaded, with their capabilities.
pub fn route(file: &Arc<str>, text: &str, connectors: &[(Arc<str>, Arc<str>)]) -> Result<Route, Vec<Diagnostic>> {
    let document: RouteDocument = yaml::parse(file, text)?;
    let mut found = Vec::new();
    let mut members: Vec<(Arc<str>, Option<u64>)> = Vec::new();
    for member in &document.connectors {
        let id = member.connector.as_str();
        let fault = |code, message: String| Diagnostic::error(code, file, member.span.clone(), message);
        match connectors.iter().find(|(known, _)| &**known == id) {
            None => {
                let near = diagnostic::nearest(id, connectors.iter().map(|(id, _)| &**id));
                let fault = fault("connector.unknown", format!("there is no connector `{id}`"));
                found.push(near.map_or(fault.clone(), |near| fault.help(format!("did you mean `{near}`?"))));
            }
            Some((_, capability)) if **capability != *document.capability.value => {
                found.push(fault("connector.capability", format!("`{id}` serves `{capability}`")));
            }
            Some(_) if members.iter().any(|(known, _)| &**known == id) => {
                found.push(fault("connector.twice", format!("`{id}` is listed twice")));
            }
            Some((known, _)) => members.push((known.clone(), member.timeout.map(|timeout| timeout.ms))),
        }
    }
    if document.connectors.is_empty() {
        found.push(Diagnostic::error(
            "route.empty",
            file,
            document.capability.span.clone(),
            "a route needs a connector",
        ));
    }
    if found.is_empty() { Ok(Route { capability: document.capability.value.into(), members }) } else { Err(found) }
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
            price_micros: document.price.map_or(0, |price| (price.clamp(0.0, 1e9) * 1e6).round() as u64),
            is_paid: document.price.is_some_and(|price| price > 0.0),
            network,
            sends: document.data.sends.iter().map(|input| input.value.as_str().into()).collect(),
            secrets: document.secrets.keys().map(|name| name.as_str().into()).collect(),
            timeout_ms: operation.timeout.map_or(TIMEOUT_MS, |timeout| timeout.ms),
            ttl_ms: operation.cache.as_ref().map_or(0, |cache| cache.ttl.ms),
            negative_ttl_ms: operation.cache.as_ref().and_then(|cache| cache.negative_ttl).map_or(0, |ttl| ttl.ms),
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
