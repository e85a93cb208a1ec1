//! What a connector's file could do better: findings about a file that loads, none of which keeps it from working.
//!
//! Whether it works is told by [`super::compile`]; whether its vendor answers as recorded is told by its fixtures.

use std::ops::Range;

use crate::{
    connector::{
        Class, Connector,
        compile::source::Source,
        document::{
            Document,
            auth::{Auth, Auths, Place},
            fixture::{ExpectedOutcome, Fixture},
            operation::{Kind, Operation},
        },
        template::{Name, Template},
    },
    diagnostic::Diagnostic,
    yaml::Spanned,
};

/// Inputs that are worth something once only: an answer kept for one of them is an answer to another question.
const SINGLE_USE: [&str; 3] = ["token", "code", "reference"];

/// What could be better in a file that compiles to this connector.
pub fn lint(source: &Source, connector: &Connector) -> Vec<Diagnostic> {
    let mut lint = Lint { source, document: source.document(), found: Vec::new() };
    lint.manifest();
    lint.secrets();
    for (name, operation) in &source.document().operations {
        lint.answers(name, operation, connector);
        lint.fixtures(name, operation, connector);
    }
    lint.requests(connector);
    lint.found
}

struct Lint<'a> {
    source: &'a Source,
    document: &'a Document,
    found: Vec<Diagnostic>,
}

impl Lint<'_> {
    fn warn(&mut self, code: &'static str, span: &Range<usize>, message: impl Into<String>, help: &str) {
        let (file, span) = self.source.place(span);
        self.found.push(Diagnostic::warning(code, file, span, message).help(help));
    }

    /// What people need to know before they let it send anything.
    fn manifest(&mut self) {
        let document = self.document;
        let at = &document.connector.span;
        if document.docs.is_none() {
            let help = "write `docs:` with the page on which the vendor describes the call";
            self.warn("lint.docs", at, "nothing says where the vendor describes this call", help);
        }
        if document.about.is_none() {
            let help = "write `about:` with one sentence: what the vendor is asked, and what for";
            self.warn("lint.about", at, "nothing says what this source is good for", help);
        }
        if document.maturity.is_none() {
            let help = "write `maturity: live` if the vendor itself was called, else `documented`, `secondary` or `experimental`";
            self.warn("lint.maturity", at, "nothing says how this file was verified", help);
        }
        let sends = document.data.as_ref().is_some_and(|data| !data.sends.is_empty());
        if sends && document.data.as_ref().is_none_or(|data| data.regions.is_empty()) {
            let help = "write `data: { sends: […], regions: [eu] }`";
            self.warn("lint.regions", at, "nothing says where the data that is sent is processed", help);
        }
    }

    /// URLs end up in the logs of whoever handles them, here and at the vendor.
    fn secrets(&mut self) {
        let document = self.document;
        let operations = document.operations.values();
        let ways = document.auth.iter().chain(operations.clone().filter_map(|it| it.auth.as_ref()));
        let keys: Vec<&Spanned<String>> = ways.flat_map(|it| in_query(it)).collect();
        let texts = operations.flat_map(|it| {
            let request = it.request.iter().flat_map(|it| std::iter::once(&it.url).chain(it.query.values()));
            request.chain(it.local.iter().flat_map(|it| it.url.iter().chain(&it.urls)))
        });
        for text in texts.chain(keys) {
            let template = Template::parse(text, &|_| Some(String::new()));
            if template.is_ok_and(|it| it.names().any(|name| matches!(name, Name::Secret(_)))) {
                let help = "send it in a header if the vendor takes it there: `auth: { type: api_key, in: header, … }`";
                self.warn("lint.secret_in_url", &text.span, "a secret stands in the URL", help);
            }
        }
    }

    fn answers(&mut self, name: &str, operation: &Spanned<Operation>, connector: &Connector) {
        let response = &operation.response;
        if response.map.is_empty() && matches!(operation.kind, Kind::Lookup | Kind::Verify | Kind::Poll | Kind::Inbound)
        {
            let help = "say under `response.map` what its answers tell";
            self.warn("lint.silent", &operation.span, format!("`{name}` tells nothing"), help);
        }
        // What is looked up is checked as it is read.
        if let Some(at) = operation.request.as_ref().map(|it| &it.url.span)
            && response.required.is_empty()
            && !response.map.is_empty()
        {
            let help = "name under `required` what every good answer has, so that a changed format is noticed";
            self.warn("lint.required", at, "an answer that says nothing at all would count as a success", help);
        }
        let single = self.document.inputs.iter().find(|(name, _)| SINGLE_USE.contains(&name.as_str()));
        if let (Some((name, input)), Some(_)) = (single, &operation.cache) {
            let message = format!("answers about `{name}`, which is good for one use, are kept");
            self.warn("lint.cache_single_use", &input.span, message, "leave `cache` out");
        }
        let compiled = connector.operation(name);
        let bare =
            compiled.into_iter().flat_map(|it| it.mapping()).filter(|(_, expression)| expression.compares_bare());
        for (attribute, _) in bare {
            let Some(text) = response.map.get(&**attribute) else { continue };
            let message = format!("`{attribute}` is false where the vendor says null");
            let help = "write `pick(body.x, {'yes': true}, false)`: of a null that makes unknown";
            self.warn("lint.null_is_false", &text.span, message, help);
        }
    }

    fn fixtures(&mut self, name: &str, operation: &Spanned<Operation>, connector: &Connector) {
        let at = &operation.span;
        let of = |fixture: &&Fixture| asked_by(fixture, connector) == Some(name);
        let has = |outcome| connector.fixtures.iter().filter(of).any(|it| it.expect.outcome == outcome);
        if !has(ExpectedOutcome::Success) {
            let help = "record one with `stepward connector record`, or write one under `tests`";
            self.warn("lint.tests", at, format!("no fixture of `{name}` shows a success"), help);
        }
        if operation.kind == Kind::Inbound {
            if !has(ExpectedOutcome::Refused) {
                let help = "write one with another signature, and `expect: { outcome: refused }`";
                self.warn("lint.tests", at, format!("no fixture of `{name}` shows a message that is forged"), help);
            }
            return;
        }
        if !matches!(operation.kind, Kind::Lookup | Kind::Verify | Kind::Start | Kind::Poll) {
            return;
        }
        if maps_not_found(operation) && !has(ExpectedOutcome::NotFound) {
            let help = "write one whose `expect.outcome` is `not_found`";
            self.warn("lint.tests", at, format!("no fixture of `{name}` shows an answer that nothing is known"), help);
        }
        if operation.local.is_none() && !has(ExpectedOutcome::RateLimited) {
            let help = "write one whose `expect.outcome` is `rate_limited`: that is when the next vendor is asked";
            self.warn(
                "lint.tests",
                at,
                format!("no fixture of `{name}` shows what too many questions look like"),
                help,
            );
        }
        if !has(ExpectedOutcome::ContractError) && !has(ExpectedOutcome::Unavailable) {
            let help = "write one with a page instead of an answer, and `expect: { outcome: contract_error }`";
            self.warn("lint.tests", at, format!("no fixture of `{name}` shows a broken answer"), help);
        }
    }

    fn requests(&mut self, connector: &Connector) {
        let wanted = connector.fixtures.iter().any(|it| it.expect_request.is_some() || it.data.is_some());
        if !connector.fixtures.is_empty() && !wanted {
            let help = "write `expect_request` in one of the fixtures, secrets as `***name***`";
            self.warn("lint.tests", &self.document.connector.span, "no fixture says what is sent", help);
        }
    }
}

/// What stands in the query for keys.
fn in_query(ways: &Auths) -> impl Iterator<Item = &Spanned<String>> {
    ways.0.iter().filter_map(|way| match way {
        Auth::ApiKey(key) if key.place == Place::Query => Some(&key.value),
        Auth::ApiKey(_)
        | Auth::None
        | Auth::Basic(_)
        | Auth::Bearer(_)
        | Auth::Oauth2ClientCredentials(_)
        | Auth::Oauth2JwtBearer(_)
        | Auth::SessionToken(_)
        | Auth::Hmac(_)
        | Auth::AwsSigv4(_)
        | Auth::HttpMessageSignature(_)
        | Auth::Mtls(_) => None,
    })
}

/// The operation that a fixture is about.
fn asked_by<'a>(fixture: &'a Fixture, connector: &'a Connector) -> Option<&'a str> {
    match &fixture.operation {
        Some(name) => Some(name),
        None => connector.asked().or(connector.operations.first()).map(|it| &*it.name),
    }
}

fn maps_not_found(operation: &Operation) -> bool {
    let mapped = operation.response.outcome.iter().any(|rule| rule.then == Class::NotFound);
    mapped || operation.cache.as_ref().is_some_and(|cache| cache.negative_ttl.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{attribute::Catalogue, connector::compile::Config};

    const FINE: &str = r#"
connector: acme
about: What it is good for.
docs: https://acme.example/docs
maturity: documented
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
        let source = Source::read(&"acme.yaml".into(), text, &|_| None).unwrap();
        let connector = source.compile(&Catalogue::builtin(), &Config::new()).unwrap();
        lint(&source, &connector).into_iter().map(|it| (it.code, it.message)).collect()
    }

    #[test]
    fn what_is_missing_is_named_one_by_one() {
        assert_eq!(found(FINE), [], "nothing to say about a good file");
        for (from, to, code, part) in [
            ("about: What it is good for.\n", "", "lint.about", "good for"),
            ("docs: https://acme.example/docs\n", "", "lint.docs", "describes"),
            ("maturity: documented\n", "", "lint.maturity", "verified"),
            ("in: header", "in: query", "lint.secret_in_url", "URL"),
            (
                "body.risk }",
                "body.risk, ip.is_tor: body.tor == 'yes' || body.exit != false }",
                "lint.null_is_false",
                "ip.is_tor",
            ),
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
    #[test]
    fn what_does_not_make_false_of_null_may_compare() {
        for fine in [
            "pick(body.tor, {'yes': true}, false)",
            "body.tor != null && num(body.tor) == 1.0",
            "num(body.tor) == 1.0",
            "has(body.tor) ? body.tor == 'yes' : false",
        ] {
            let with = FINE.replace("body.risk }", &format!("body.risk, ip.is_tor: \"{fine}\" }}"));
            assert_eq!(found(&with), [], "{fine}");
        }
    }

    #[test]
    fn each_operation_has_its_own_fixtures() {
        let more = "  tell:\n    kind: feedback\n    request: { method: POST, url: \"https://api.acme.example/tell\" }\ntests:";
        let found = found(&FINE.replacen("tests:", more, 1));
        assert_eq!(found, [("lint.tests", "no fixture of `tell` shows a success".to_owned())]);
    }
}
