//! What a connector's file could do better: findings about a file that loads, none of which keeps it from working.
//!
//! Whether it works is told by [`super::compile`]; whether its vendor answers as recorded is told by its fixtures.

use std::{ops::Range, sync::Arc};

use crate::{
    connector::{
        Class, Connector,
        document::{Document, ExpectedOutcome, Operation},
        template::Template,
    },
    diagnostic::Diagnostic,
    yaml,
};

/// Inputs that are worth something once only: an answer kept for one of them is an answer to another question.
const SINGLE_USE: [&str; 3] = ["token", "code", "reference"];

/// What could be better in a file that compiles. One that does not is told by `compile` alone.
pub fn lint(file: &Arc<str>, text: &str, connector: &Connector) -> Vec<Diagnostic> {
    let Ok(document) = yaml::parse::<Document>(file, text) else { return Vec::new() };
    let mut lint = Lint { file, found: Vec::new() };
    lint.manifest(&document);
    lint.secrets(&document);
    lint.answers(&document);
    lint.fixtures(&document, connector);
    lint.found
}

struct Lint<'a> {
    file: &'a Arc<str>,
    found: Vec<Diagnostic>,
}

impl Lint<'_> {
    fn warn(&mut self, code: &'static str, span: &Range<usize>, message: impl Into<String>, help: &str) {
        self.found.push(Diagnostic::warning(code, self.file, span.clone(), message).help(help));
    }

    /// What people need to know before they let it send anything.
    fn manifest(&mut self, document: &Document) {
        let at = &document.connector.span;
        if document.docs.is_none() {
            let help = "write `docs:` with the page on which the vendor describes the call";
            self.warn("lint.docs", at, "nothing says where the vendor describes this call", help);
        }
        if document.about.is_none() {
            let help = "write `about:` with one sentence: what the vendor is asked, and what for";
            self.warn("lint.about", at, "nothing says what this source is good for", help);
        }
        if document.data.regions.is_empty() && !document.data.sends.is_empty() {
            let help = "write `data: { sends: […], regions: [eu] }`";
            self.warn("lint.regions", at, "nothing says where the data that is sent is processed", help);
        }
    }

    /// URLs end up in the logs of whoever handles them, here and at the vendor.
    fn secrets(&mut self, document: &Document) {
        let request = &document.operations.lookup.request;
        for text in [&request.url].into_iter().chain(request.query.values()) {
            let template = Template::parse(text, &|_| Some(String::new()));
            if template.is_ok_and(|it| it.secrets().next().is_some()) {
                let help = "send it in a header if the vendor takes it there: `auth: { type: api_key, in: header, … }`";
                self.warn("lint.secret_in_url", &text.span, "a secret stands in the URL", help);
            }
        }
    }

    fn answers(&mut self, document: &Document) {
        let operation = &document.operations.lookup;
        let at = &operation.request.url.span;
        if operation.response.required.is_empty() && !operation.response.map.is_empty() {
            let help = "name under `required` what every good answer has, so that a changed format is noticed";
            self.warn("lint.required", at, "an answer that says nothing at all would count as a success", help);
        }
        let single = document.inputs.iter().find(|(name, _)| SINGLE_USE.contains(&name.as_str()));
        if let (Some((name, input)), Some(_)) = (single, &operation.cache) {
            let message = format!("answers about `{name}`, which is good for one use, are kept");
            self.warn("lint.cache_single_use", &input.span, message, "leave `cache` out");
        }
    }

    fn fixtures(&mut self, document: &Document, connector: &Connector) {
        let at = &document.connector.span;
        let has = |outcome| connector.fixtures.iter().any(|it| it.expect.outcome == outcome);
        if !has(ExpectedOutcome::Success) {
            let help = "record one with `stepward connector record`, or write one under `tests`";
            self.warn("lint.tests", at, "no fixture shows a success", help);
        }
        if maps_not_found(&document.operations.lookup) && !has(ExpectedOutcome::NotFound) {
            let help = "write one whose `expect.outcome` is `not_found`";
            self.warn("lint.tests", at, "no fixture shows an answer that nothing is known", help);
        }
        if !has(ExpectedOutcome::RateLimited) {
            let help = "write one whose `expect.outcome` is `rate_limited`: that is when the next vendor is asked";
            self.warn("lint.tests", at, "no fixture shows what too many questions look like", help);
        }
        if !has(ExpectedOutcome::ContractError) && !has(ExpectedOutcome::Unavailable) {
            let help = "write one with a page instead of an answer, and `expect: { outcome: contract_error }`";
            self.warn("lint.tests", at, "no fixture shows a broken answer", help);
        }
        let wanted = connector.fixtures.iter().any(|it| it.expect_request.is_some());
        if !connector.fixtures.is_empty() && !wanted {
            let help = "write `expect_request` in one of the fixtures, secrets as `***name***`";
            self.warn("lint.tests", at, "no fixture says what is sent", help);
        }
    }
}

fn maps_not_found(operation: &Operation) -> bool {
    let mapped = operation.response.outcome.iter().any(|rule| rule.then == Class::NotFound);
    mapped || operation.cache.as_ref().is_some_and(|cache| cache.negative_ttl.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{attribute::Catalogue, connector::compile};

    const FINE: &str = r#"
connector: acme
about: What it is good for.
docs: https://acme.example/docs
capability: ip_reputation
data: { sends: [ip], regions: [eu] }
secrets: { key: {} }
inputs: { ip: { required: true } }
auth: { type: api_key, in: header, name: X-Key, value: "${secret.key}" }
operations:
  lookup:
    request: { method: GET, url: "https://api.acme.example/ip/${input.ip}" }
    cache: { ttl: 1h, negative_ttl: 5m }
    response:
      outcome: [{ when: status == 404, then: not_found }]
      map: { ip.risk_score: body.risk }
      required: [ip.risk_score]
tests:
  - name: risky
    input: { ip: 62.4.31.7 }
    expect_request: { method: GET }
    response: { status: 200, body: { risk: 8 } }
    expect: { outcome: success }
  - { name: nobody, input: { ip: 62.4.31.7 }, response: { status: 404 }, expect: { outcome: not_found } }
  - { name: many, input: { ip: 62.4.31.7 }, response: { status: 429 }, expect: { outcome: rate_limited } }
  - { name: page, input: { ip: 62.4.31.7 }, response: { status: 200, text: x }, expect: { outcome: contract_error } }
"#;

    fn found(text: &str) -> Vec<(&'static str, String)> {
        let file = "acme.yaml".into();
        let connector = compile::connector(&file, text, &Catalogue::builtin()).unwrap();
        lint(&file, text, &connector).into_iter().map(|it| (it.code, it.message)).collect()
    }

    #[test]
    fn what_is_missing_is_named_one_by_one() {
        assert_eq!(found(FINE), [], "nothing to say about a good file");
        for (from, to, code, part) in [
            ("about: What it is good for.\n", "", "lint.about", "good for"),
            ("docs: https://acme.example/docs\n", "", "lint.docs", "describes"),
            (", regions: [eu]", "", "lint.regions", "processed"),
            ("/ip/${input.ip}\"", "/${secret.key}/${input.ip}\"", "lint.secret_in_url", "URL"),
            ("      required: [ip.risk_score]\n", "", "lint.required", "says nothing"),
            ("outcome: success", "outcome: not_found", "lint.tests", "a success"),
            ("outcome: rate_limited", "outcome: not_found", "lint.tests", "too many"),
            ("outcome: contract_error", "outcome: success", "lint.tests", "broken"),
            ("outcome: not_found } }", "outcome: success } }", "lint.tests", "nothing is known"),
            ("    expect_request: { method: GET }\n", "", "lint.tests", "what is sent"),
        ] {
            let changed = FINE.replacen(from, to, 1);
            assert_ne!(changed, FINE, "`{from}` is not in the file");
            let found = found(&changed);
            assert!(found.iter().any(|(it, why)| *it == code && why.contains(part)), "{code}: {found:?}");
        }
    }
}
