//! What a connector asks: which inputs it needs, and the request made of them. No input can choose where it goes.

use std::{ops::Range, sync::Arc};

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::{
    connector::{
        Filled, INPUTS, Needed, Origin, Payload,
        compile::Compiler,
        document::{Document, Network},
        is_private,
        template::{Fault, Part, Template},
    },
    diagnostic,
    yaml::Spanned,
};

impl Compiler<'_> {
    pub(super) fn inputs(&mut self, document: &Document) -> Vec<Needed> {
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

    /// A template whose inputs are declared and sent, and whose secrets are declared.
    pub(super) fn template(&mut self, text: &str, span: &Range<usize>, document: &Document) -> Option<Template> {
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

    pub(super) fn templates(
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

    pub(super) fn header_names(&mut self, headers: &IndexMap<String, Spanned<String>>) {
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
    pub(super) fn origin(
        &mut self,
        url: &Template,
        network: Network,
        span: &Range<usize>,
    ) -> Option<(Origin, Template)> {
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

    pub(super) fn payload(&mut self, document: &Document) -> Payload {
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
}

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
