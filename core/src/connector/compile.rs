//! From a connector's file to a connector, or to everything that is wrong with it.

use std::{ops::Range, sync::Arc};

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::{
    attribute::{Attribute, Catalogue},
    connector::{
        Class, Connector, Filled, INPUTS, Needed, Origin, Payload,
        document::{self, AuthKind, AuthPlace, Document, Network, RouteDocument},
        is_private,
        mapping::Expression,
        template::{Fault, Part, Template},
    },
    diagnostic::{self, Diagnostic},
    yaml::{self, Spanned},
};

/// How long a call may take if the file does not say, in milliseconds.
const TIMEOUT_MS: u64 = 1000;
/// Body limit if the file does not say, and the highest it can say, in bytes.
const BODY_BYTES: u64 = 64 * 1024;
const BODY_BYTES_MAX: u64 = 256 * 1024;

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

    fn inputs(&mut self, document: &Document) -> Vec<Needed> {
        let mut needed = Vec::new();
        for (name, input) in &document.inputs {
            if !INPUTS.contains(&name.as_str()) {
                let near = diagnostic::nearest(name, INPUTS).map(str::to_owned);
                let message = format!("`{name}` is no input; there are {}", INPUTS.join(", "));
                self.unknown("input.unknown", &input.span, message, near);
            }
            let skip_when = input.skip_when.as_ref().and_then(|text| self.expression(text));
            needed.push(Needed { name: name.as_str().into(), required: input.required, skip_when });
        }
        needed
    }

    fn expression(&mut self, text: &Spanned<String>) -> Option<Expression> {
        Expression::parse(text).map_err(|why| self.fault("expression", &text.span, why)).ok()
    }

    /// A template whose inputs are declared and sent, and whose secrets are declared.
    fn template(&mut self, text: &str, span: &Range<usize>, document: &Document) -> Option<Template> {
        let config = self.config;
        let setting = |name: &str| {
            config.get(name).map(|setting| match &setting.default {
                Json::String(text) => text.clone(),
                other => other.to_string(),
            })
        };
        let template = match Template::parse(text, &setting) {
            Ok(template) => template,
            Err(fault) => {
                let message = match fault {
                    Fault::Open => "`${` without `}`".to_owned(),
                    Fault::Strange(name) => format!("`${{{name}}}` is not `input.…`, `config.…` or `secret.…`"),
                    Fault::NoSetting(name) => format!("there is no setting `{name}` under `config`"),
                };
                self.fault("template", span, message);
                return None;
            }
        };
        for name in template.inputs() {
            if !document.inputs.contains_key(&**name) {
                self.fault("input.undeclared", span, format!("`{name}` is not among `inputs`"));
            } else if !document.data.sends.iter().any(|sent| *sent.value == **name) {
                self.fault("data.unsaid", span, format!("`{name}` is sent but not listed in `data.sends`"));
            }
        }
        for name in template.secrets() {
            if !document.secrets.contains_key(&**name) {
                self.fault("secret.undeclared", span, format!("`{name}` is not among `secrets`"));
            }
        }
        Some(template)
    }

    fn templates(
        &mut self,
        texts: &IndexMap<String, Spanned<String>>,
        document: &Document,
    ) -> Vec<(Arc<str>, Template)> {
        let mut templates = Vec::new();
        for (name, text) in texts {
            if let Some(template) = self.template(text, &text.span, document) {
                templates.push((name.as_str().into(), template));
            }
        }
        templates
    }

    fn header_names(&mut self, headers: &IndexMap<String, Spanned<String>>) {
        const OURS: [&str; 6] =
            ["host", "content-length", "transfer-encoding", "connection", "accept-encoding", "cookie"];
        for (name, value) in headers {
            let token = !name.is_empty() && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
            if !token || OURS.contains(&name.to_ascii_lowercase().as_str()) {
                self.fault("header.name", &value.span, format!("`{name}` cannot be set"));
            }
        }
    }

    /// Scheme, host and port stand in plain text, so that no input can choose where a request goes.
    fn origin(&mut self, url: &Template, network: Network, span: &Range<usize>) -> Option<(Origin, Template)> {
        let Some(Part::Text(start)) = url.parts.first() else {
            self.fault("url.host", span, "scheme and host must be plain text or come from `config`");
            return None;
        };
        let (secure, rest) = match (start.strip_prefix("https://"), start.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) if network == Network::Internal => (false, rest),
            (None, Some(_)) => {
                self.fault("url.insecure", span, "only https leaves the house; `network: internal` may use http");
                return None;
            }
            (None, None) => {
                self.fault("url.scheme", span, "a URL begins with `https://`");
                return None;
            }
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None if url.parts.len() == 1 => (rest, "/"),
            None => {
                self.fault("url.host", span, "scheme and host must be plain text or come from `config`");
                return None;
            }
        };
        let origin = authority_of(authority, secure);
        let Some(origin) = origin else {
            self.fault("url.host", span, format!("`{authority}` is no host"));
            return None;
        };
        if network == Network::Internet && origin.host.parse().is_ok_and(is_private) {
            self.fault("url.private", span, format!("`{}` is not public; write `network: internal`", origin.host));
            return None;
        }
        let parts = std::iter::once(Part::Text(path.to_owned())).chain(url.parts.iter().skip(1).cloned());
        Some((origin, Template { parts: parts.collect() }))
    }

    fn auth(
        &mut self,
        document: &Document,
        query: &mut Vec<(Arc<str>, Template)>,
        headers: &mut Vec<(Arc<str>, Template)>,
    ) -> Option<(Template, Template)> {
        let Spanned { value: auth, span } = document.auth.as_ref()?;
        let missing = |compiler: &mut Self, what: &str| {
            compiler.fault("auth.incomplete", span, format!("this kind of `auth` needs {what}"));
            None
        };
        match auth.kind {
            AuthKind::None => None,
            AuthKind::ApiKey => {
                let (Some(place), Some(name), Some(value)) = (auth.place, &auth.name, &auth.value) else {
                    return missing(self, "`in`, `name` and `value`");
                };
                let template = self.template(value, span, document)?;
                match place {
                    AuthPlace::Header => headers.push((name.as_str().into(), template)),
                    AuthPlace::Query => query.push((name.as_str().into(), template)),
                }
                None
            }
            AuthKind::Bearer => {
                let Some(token) = &auth.token else { return missing(self, "`token`") };
                let template = self.template(&format!("Bearer {token}"), span, document)?;
                headers.push(("authorization".into(), template));
                None
            }
            AuthKind::Basic => {
                let (Some(user), Some(password)) = (&auth.username, &auth.password) else {
                    return missing(self, "`username` and `password`");
                };
                Some((self.template(user, span, document)?, self.template(password, span, document)?))
            }
        }
    }

    fn payload(&mut self, document: &Document) -> Payload {
        let request = &document.operations.lookup.request;
        match (&request.json, &request.form) {
            (None, None) => Payload::None,
            (Some(json), None) => self.filled(json, &request.url.span, document).map_or(Payload::None, Payload::Json),
            (None, Some(form)) => Payload::Form(self.templates(form, document)),
            (Some(_), Some(_)) => {
                self.fault("request.body", &request.url.span, "`json` and `form` exclude each other");
                Payload::None
            }
        }
    }

    fn filled(&mut self, json: &Json, span: &Range<usize>, document: &Document) -> Option<Filled> {
        Some(match json {
            Json::String(text) => Filled::Text(self.template(text, span, document)?),
            Json::Null | Json::Bool(_) | Json::Number(_) => Filled::Plain(json.clone()),
            Json::Array(items) => {
                Filled::List(items.iter().map(|item| self.filled(item, span, document)).collect::<Option<_>>()?)
            }
            Json::Object(fields) => {
                let fields =
                    fields.iter().map(|(name, value)| Some((name.clone(), self.filled(value, span, document)?)));
                Filled::Fields(fields.collect::<Option<_>>()?)
            }
        })
    }

    fn outcomes(&mut self, operation: &document::Operation) -> Vec<(Expression, Class)> {
        let rules = &operation.response.outcome;
        rules.iter().filter_map(|rule| Some((self.expression(&rule.when)?, rule.then))).collect()
    }

    fn map(&mut self, operation: &document::Operation, catalogue: &Catalogue) -> (Vec<Attribute>, Vec<Expression>) {
        let (mut provides, mut map) = (Vec::new(), Vec::new());
        for (name, text) in &operation.response.map {
            let Some(attribute) = catalogue.find(name) else {
                let message = format!("unknown attribute `{name}`");
                self.unknown("attribute.unknown", &text.span, message, catalogue.nearest(name));
                continue;
            };
            if OWNED.iter().any(|group| name.starts_with(group)) {
                self.fault("attribute.owned", &text.span, format!("`{name}` is what the gateway sees for itself"));
                continue;
            }
            if let Some(expression) = self.expression(text) {
                provides.push(attribute.clone());
                map.push(expression);
            }
        }
        (provides, map)
    }

    fn required(&mut self, operation: &document::Operation, provides: &[Attribute]) -> Vec<usize> {
        let mut required = Vec::new();
        for name in &operation.response.required {
            match provides.iter().position(|attribute| *attribute.name == *name.value) {
                Some(at) => required.push(at),
                None => self.fault("attribute.unmapped", &name.span, format!("`{}` is not in `map`", name.value)),
            }
        }
        required
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

    fn body_limit(&mut self, operation: &document::Operation) -> usize {
        let Some(limit) = &operation.response.max_bytes else { return BODY_BYTES as usize };
        if limit.bytes > BODY_BYTES_MAX {
            self.fault("response.too_large", &limit.span, "at most 256KiB of an answer are read");
        }
        limit.bytes.min(BODY_BYTES_MAX) as usize
    }
}

/// Groups that no vendor may speak for: a connector never tells who asks or what was proved.
const OWNED: [&str; 8] = ["request.", "subject.", "actor.", "token.", "proof.", "journey.", "time.", "device.is_known"];

fn authority_of(authority: &str, secure: bool) -> Option<Origin> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(six) => {
            let (host, rest) = six.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, rest.strip_prefix(':').or(rest.is_empty().then_some("")))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, Some("")),
        },
    };
    let port = match port? {
        "" => {
            if secure {
                443
            } else {
                80
            }
        }
        port => port.parse().ok().filter(|port| *port != 0)?,
    };
    let host = host.to_ascii_lowercase();
    let named = !host.is_empty() && host.bytes().all(|it| it.is_ascii_alphanumeric() || b"-.:".contains(&it));
    // `127.1` and `0x7f.1` are addresses to some and names to others; only the plain form is taken.
    let last = host.rsplit('.').next().unwrap_or("");
    let numeric = !host.contains(':') && (last.starts_with("0x") || last.bytes().all(|it| it.is_ascii_digit()));
    let sound = named && (!numeric || host.parse::<std::net::Ipv4Addr>().is_ok());
    sound.then(|| Origin { secure, host: host.into(), port })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    const GOOD: &str = r#"
connector: acme
capability: ip_reputation
price: 0.001
data: { sends: [ip, email] }
config:
  base: { default: "https://api.acme.example/v1" }
secrets:
  key: {}
inputs:
  ip: { required: true, skip_when: is_private_ip(input.ip) }
  email: {}
auth: { type: api_key, in: header, name: X-Key, value: "${secret.key}" }
operations:
  lookup:
    request:
      method: GET
      url: "${config.base}/check/${input.ip}"
      query: { mail: "${input.email}", fixed: "1" }
    timeout: 300ms
    cache: { key: "${input.ip} ${input.email}", ttl: 1h, negative_ttl: 5m }
    response:
      outcome:
        - { when: "status == 404", then: not_found }
        - { when: "has(body.error)", then: config_error }
      map:
        ip.risk_score: score(body.score, 0, 50)
        ip.country: body.country
        ip.is_tor: truthy(body.tor)
        ip.tags: body.tags
        idp.risk_level: "pick(body.level, {'LOW': 'low', 'BAD': 'nonsense'})"
      required: [ip.risk_score]
"#;

    fn compile(text: &str) -> Result<Connector, Vec<Diagnostic>> {
        connector(&"acme.yaml".into(), text, &Catalogue::builtin())
    }

    fn named(pairs: &[(&str, &str)]) -> Vec<(Arc<str>, Arc<str>)> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn a_request_is_made_of_the_declared_inputs_only() {
        let connector = compile(GOOD).unwrap();
        assert!(connector.is_paid);
        let given = named(&[("ip", "198.18.0.1"), ("user_id", "ada")]);
        assert_eq!(connector.inputs(&given), None, "a private address stays in the house");
        let inputs = connector.inputs(&named(&[("ip", "8.8.8.8"), ("user_id", "ada")])).unwrap();
        let sent = connector.prepare(&inputs, &named(&[("key", "s3cret")])).unwrap();
        assert_eq!(
            sent.url, "https://api.acme.example/v1/check/8.8.8.8?fixed=1",
            "a missing input leaves its parameter out"
        );
        assert_eq!(sent.headers, [("X-Key".into(), "s3cret".to_owned())]);
        let inputs = connector.inputs(&named(&[("ip", "8.8.8.8"), ("email", "a&b=c@example.com")])).unwrap();
        let sent = connector.prepare(&inputs, &named(&[("key", "k")])).unwrap();
        assert!(sent.url.ends_with("?mail=a%26b%3Dc%40example.com&fixed=1"), "{}", sent.url);
        assert_eq!(connector.inputs(&named(&[("email", "a@b.c")])), None, "a required input is missing");
    }

    #[test]
    fn answers_mean_what_their_classes_say() {
        let connector = compile(GOOD).unwrap();
        for (status, body, class) in [
            (200, r#"{"score": 25}"#, Class::Success),
            (200, r#"{"score": null}"#, Class::ContractError),
            (200, r#"{"scor"#, Class::ContractError),
            (200, "", Class::ContractError),
            (200, r#"{"error": "quota", "score": 1}"#, Class::ConfigError),
            (204, r#"{"score": "7"}"#, Class::Success),
            (404, "not json", Class::NotFound),
            (401, "{}", Class::ConfigError),
            (429, "{}", Class::RateLimited),
            (503, "<html>", Class::Unavailable),
            (302, "{}", Class::ContractError),
        ] {
            let told = connector.interpret(status, body.as_bytes(), &[]);
            assert_eq!(told.class, class, "{status} {body}");
            assert!(class == Class::Success || told.values.iter().all(Option::is_none), "{status} {body}");
        }
        let deep = format!(r#"{{"score": 1, "x": {}{}}}"#, "[".repeat(100), "]".repeat(100));
        assert_eq!(connector.interpret(200, deep.as_bytes(), &[]).class, Class::ContractError);
    }

    #[test]
    fn what_is_missing_null_mistyped_or_out_of_range_is_unknown() {
        let connector = compile(GOOD).unwrap();
        let values = |body: &str| connector.interpret(200, body.as_bytes(), &[]).values;
        let told = values(r#"{"score": 25, "country": "NL", "tor": "yes", "tags": ["a", null, "b"], "level": "LOW"}"#);
        let tags = Value::List([Value::text("a"), Value::text("b")].into());
        let expected = [Value::Number(50.0), Value::text("NL"), Value::Bool(true), tags, Value::text("low")];
        assert_eq!(told, expected.map(Some));
        for body in [
            r#"{"score": 25}"#,
            r#"{"score": 25, "country": null, "tor": null, "tags": null, "level": null}"#,
            r#"{"score": 25, "country": 7, "tor": "maybe", "tags": "a", "level": "BAD"}"#,
            r#"{"score": 25, "country": {}, "tor": [], "tags": {}, "level": []}"#,
        ] {
            assert_eq!(values(body), [Some(Value::Number(50.0)), None, None, None, None], "{body}");
        }
        assert_eq!(
            values(r#"{"score": 999}"#).first().unwrap(),
            &Some(Value::Number(100.0)),
            "scores are cut off at 100"
        );
    }

    #[test]
    fn whole_numbers_are_ints_so_that_arithmetic_works() {
        let text = GOOD.replace("score(body.score, 0, 50)", "100 - body.score * 2");
        let told = compile(&text).unwrap().interpret(200, br#"{"score": 10}"#, &[]);
        assert_eq!(told.values.first().unwrap(), &Some(Value::Number(80.0)));
    }

    #[test]
    fn i1_no_input_chooses_the_host_and_private_ones_need_a_word() {
        for (url, code) in [
            ("https://${input.ip}/", "url.host"),
            ("${input.ip}", "url.host"),
            ("https://api.example${input.ip}/", "url.host"),
            ("https://a@api.example/", "url.host"),
            ("http://api.example/", "url.insecure"),
            ("ftp://api.example/", "url.scheme"),
            ("https://127.0.0.1/", "url.private"),
            ("https://[::ffff:127.0.0.1]/", "url.private"),
            ("https://0x7f.1/", "url.host"),
            ("https://127.1/", "url.host"),
            ("https://2130706433/", "url.host"),
            ("https://169.254.169.254/", "url.private"),
            ("https://[fd00:ec2::254]/", "url.private"),
            ("https://10.0.0.1/", "url.private"),
            ("https://[64:ff9b::7f00:1]/", "url.private"),
            ("https://host:0/", "url.host"),
            ("https:///x", "url.host"),
        ] {
            let text = GOOD.replace("${config.base}/check/${input.ip}", url);
            let found = compile(&text).unwrap_err();
            assert!(found.iter().any(|it| it.code == code), "{url}: {found:?}");
        }
        let inside = GOOD.replace("https://api.acme.example/v1", "http://10.0.0.1:8080");
        assert!(compile(&inside.replace("price:", "network: internal\nprice:")).is_ok());
    }

    #[test]
    fn f16_a_cache_key_that_leaves_out_an_input_is_refused() {
        let found = compile(&GOOD.replace("\"${input.ip} ${input.email}\"", "\"${input.ip}\"")).unwrap_err();
        assert_eq!(found.first().unwrap().code, "cache.incomplete");
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (from, to, code) in [
            ("ip.country: body.country", "ip.cuntry: body.country", "attribute.unknown"),
            ("ip.country: body.country", "subject.is_known: 'true'", "attribute.owned"),
            ("ip.country: body.country", "ip.country: secret.key", "expression"),
            ("ip.country: body.country", "ip.country: body.(", "expression"),
            ("ip.country: body.country", "ip.country: getenv('HOME')", "expression"),
            ("sends: [ip, email]", "sends: [ip]", "data.unsaid"),
            ("value: \"${secret.key}\"", "value: \"${secret.kye}\"", "secret.undeclared"),
            ("  email: {}", "  emial: {}", "input.unknown"),
            ("required: [ip.risk_score]", "required: [ip.asn]", "attribute.unmapped"),
            ("timeout: 300ms", "timeuot: 300ms", "key.unknown"),
            ("name: X-Key, ", "", "auth.incomplete"),
            ("connector: acme", "connector: ../acme", "connector.id"),
        ] {
            let text = GOOD.replace(from, to);
            assert_ne!(text, GOOD, "{from} is not in the example");
            let found = compile(&text).unwrap_err();
            assert!(found.iter().any(|it| it.code == code && !it.span.is_empty()), "{to}: {found:?}");
        }
    }

    #[test]
    fn an_expression_that_could_run_long_is_refused() {
        let nested = |depth: usize| format!("{}body{}", "(".repeat(depth), ")".repeat(depth));
        for text in ["x".repeat(3000), "body.map(a, body.map(b, body.map(c, c)))".into(), nested(9), nested(500)] {
            assert!(Expression::parse(&text).is_err(), "{text:.60}");
        }
        assert!(Expression::parse(&nested(8)).is_ok(), "the deepest that is taken fits a small stack");
        assert!(Expression::parse("body.items.filter(i, i.bad).map(i, i.name)").is_ok());
    }

    #[test]
    fn routes_name_connectors_of_their_capability() {
        let known: Vec<(Arc<str>, Arc<str>)> =
            vec![("acme".into(), "ip_reputation".into()), ("mail".into(), "email_risk".into())];
        let good = "capability: ip_reputation\nconnectors:\n  - { connector: acme, timeout: 200ms }\non_unavailable: unknown\n";
        let made = route(&"r.yaml".into(), good, &known).unwrap();
        assert_eq!(made.members, [("acme".into(), Some(200))]);
        for (from, to, code) in [
            ("acme", "acmee", "connector.unknown"),
            ("acme", "mail", "connector.capability"),
            ("unknown", "allow", "value.unknown"),
        ] {
            let found = route(&"r.yaml".into(), &good.replace(from, to), &known).unwrap_err();
            assert_eq!(found.first().unwrap().code, code, "{to}");
        }
    }
}
