//! The request that a connector makes of what it is asked. No input can choose where it goes.

use std::ops::Range;

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::{
    connector::{
        Origin,
        compile::Compiler,
        document::{Network, operation::Request},
        is_private,
        request::{Filled, Outgoing, Payload, Templates},
        template::{Fault, Name, Part, Piece, Template},
    },
    diagnostic,
    yaml::Spanned,
};

/// Where a template stands, which says what it may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
    /// The URL, the query, a header or the like of a question.
    Request,
    /// The body of a question.
    Body,
    /// The text that an `hmac` signs.
    Signing,
    /// What an `hmac` puts into the request.
    Signed,
    /// What is asked for a token, which all questions share.
    TokenRequest,
    /// The header that carries a token.
    TokenHeader,
    /// What tells answers apart.
    CacheKey,
    /// What a page shows.
    Page,
    /// The text that an `hmac` of a message that came in signs.
    Received,
}

impl Within {
    fn allows(self, name: &Name) -> bool {
        match name {
            Name::Input(_) | Name::Derived(_) => {
                matches!(self, Within::Request | Within::Body | Within::Signing | Within::Signed | Within::CacheKey)
            }
            Name::State(_) => matches!(self, Within::Request | Within::Body | Within::Signing | Within::Signed),
            Name::Secret(_) | Name::Now(_) | Name::Uuid => {
                !matches!(self, Within::CacheKey | Within::Page | Within::Received)
            }
            Name::Token => self == Within::TokenHeader,
            Name::Signature => self == Within::Signed,
            Name::Request(Piece::Timestamp) => self == Within::Received,
            Name::Request(Piece::Host | Piece::Query | Piece::PathQuery | Piece::Params) => self == Within::Signing,
            Name::Request(Piece::Method | Piece::Path | Piece::Body | Piece::Header(_)) => {
                matches!(self, Within::Signing | Within::Received)
            }
        }
    }
}

impl Compiler<'_> {
    /// A template that names only what it may: declared, and listed where it leaves the house.
    pub(super) fn template(&mut self, text: &str, span: &Range<usize>, within: Within) -> Option<Template> {
        let template = match Template::parse(text, &|name| self.setting_text(name)) {
            Ok(template) => template,
            Err(fault) => {
                let near = |name: &str| {
                    let known = self.document.config.keys().map(String::as_str);
                    diagnostic::nearest(name, known).map(|near| format!("config.{near}"))
                };
                let (message, near) = match fault {
                    Fault::Open => ("`${` without `}`".to_owned(), None),
                    Fault::Strange(name) => (format!("`${{{name}}}` is nothing that can stand here"), None),
                    Fault::NoSetting(name) => (format!("there is no setting `{name}` under `config`"), near(&name)),
                };
                self.unknown("template", span, message, near);
                return None;
            }
        };
        for name in template.names() {
            self.named(name, span, within);
        }
        Some(template)
    }

    fn named(&mut self, name: &Name, span: &Range<usize>, within: Within) {
        if !within.allows(name) {
            let message = match (name, within) {
                (Name::Secret(_), Within::CacheKey) => "a cache key holds no secret",
                (Name::Input(_) | Name::Derived(_) | Name::State(_), Within::TokenRequest) => {
                    "a token is shared by all questions, so none of them can be in its request"
                }
                _ => "this cannot stand here",
            };
            let code = if within == Within::CacheKey { "cache.secret" } else { "template.place" };
            return self.fault(code, span, message);
        }
        let document = self.document;
        let near = |name: &str, known: &mut dyn Iterator<Item = &String>| {
            diagnostic::nearest(name, known.map(String::as_str)).map(str::to_owned)
        };
        match name {
            Name::Input(name) if !document.inputs.contains_key(&**name) => {
                let near = near(name, &mut document.inputs.keys());
                self.unknown("input.undeclared", span, format!("`{name}` is not among `inputs`"), near);
            }
            Name::Derived(name) if !document.derived.contains_key(&**name) => {
                let near = near(name, &mut document.derived.keys());
                self.unknown("derived.undeclared", span, format!("`{name}` is not among `derived`"), near);
            }
            Name::Input(name) if self.is_secret_input(name) && within != Within::Body => {
                let message = format!("`{name}` is a `secret_string`: it can be sent in a body, or as a hash");
                self.fault("input.secret", span, message);
            }
            Name::Input(name) | Name::Derived(name) if within != Within::CacheKey && !self.is_sent(name) => {
                self.fault("data.unsaid", span, format!("`{name}` is sent but not listed in `data.sends`"));
            }
            Name::Secret(name) if !document.secrets.contains_key(&**name) => {
                let near = near(name, &mut document.secrets.keys());
                self.unknown("secret.undeclared", span, format!("`{name}` is not among `secrets`"), near);
            }
            Name::State(name) => {
                let kept = || document.operations.values().flat_map(|operation| operation.response.keep_state.keys());
                if !kept().any(|it| **it == **name) {
                    let near = near(name, &mut kept());
                    self.unknown("state.unkept", span, format!("no operation keeps `{name}` in `keep_state`"), near);
                }
            }
            Name::Input(_)
            | Name::Derived(_)
            | Name::Secret(_)
            | Name::Token
            | Name::Signature
            | Name::Now(_)
            | Name::Uuid
            | Name::Request(_) => {}
        }
    }

    pub(super) fn templates(&mut self, texts: &IndexMap<String, Spanned<String>>, within: Within) -> Templates {
        let mut templates = Vec::new();
        for (name, text) in texts {
            if self.is_unset(text) {
                continue;
            }
            if let Some(template) = self.template(text, &text.span, within) {
                templates.push((name.as_str().into(), template));
            }
        }
        templates
    }

    /// A whole request. `within` is that of its URL, query and headers.
    pub(super) fn request(&mut self, request: &Request, within: Within) -> Option<Outgoing> {
        let network = self.document.network.unwrap_or(Network::Internet);
        let span = &request.url.span;
        let url = self.template(&request.url, span, within);
        let origin_and_path = url.and_then(|url| self.origin(&url, network, span));
        let query = self.templates(&request.query, within);
        let headers = self.templates(&request.headers, within);
        self.header_names(&request.headers);
        let in_body = if within == Within::Request { Within::Body } else { within };
        let payload = self.payload(request, in_body);
        let content_type = request.content_type.as_ref().and_then(|text| {
            let template = self.template(text, &text.span, Within::Page)?;
            let made = template.fill(&|_| None, crate::connector::template::Place::Header).ok();
            if made.is_none() {
                self.fault("request.content_type", &text.span, "a media type is plain text");
            }
            made
        });
        let (origin, path) = origin_and_path?;
        Some(Outgoing { method: request.method, origin, path, query, headers, payload, content_type })
    }

    pub(super) fn header_names(&mut self, headers: &IndexMap<String, Spanned<String>>) {
        const OURS: [&str; 7] =
            ["host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding", "cookie"];
        for (name, value) in headers {
            let token = !name.is_empty() && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
            if !token || OURS.contains(&name.to_ascii_lowercase().as_str()) {
                let help = if name.eq_ignore_ascii_case("content-type") { "; write `content_type`" } else { "" };
                self.fault("header.name", &value.span, format!("`{name}` cannot be set here{help}"));
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
        self.host(&origin.host, span);
        let parts = std::iter::once(Part::Text(path.to_owned())).chain(url.parts.iter().skip(1).cloned());
        Some((origin, Template { parts: parts.collect() }))
    }

    /// A host that settings chose is one of those the file lists.
    fn host(&mut self, host: &str, span: &Range<usize>) {
        let hosts = &self.document.hosts;
        let allowed = hosts.iter().any(|pattern| match pattern.strip_prefix("*.") {
            Some(parent) => host.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.') && rest.len() > 1),
            None => **pattern == *host,
        });
        let is_stand_in = !self.unset.is_empty();
        if !hosts.is_empty() && !allowed && !is_stand_in {
            self.fault("url.not_listed", span, format!("`{host}` is not among `hosts`"));
        }
    }

    fn payload(&mut self, request: &Request, within: Within) -> Payload {
        let span = &request.url.span;
        let lines = request.jsonl.is_some();
        let given =
            [request.json.is_some(), lines, request.form.is_some(), request.xml.is_some(), request.text.is_some()];
        if given.iter().filter(|it| **it).count() > 1 {
            self.fault("request.body", span, "`json`, `jsonl`, `form`, `xml` and `text` exclude each other");
        }
        if let Some(json) = &request.json {
            return self.filled(json, span, within).map_or(Payload::None, Payload::Json);
        }
        if let Some(json) = &request.jsonl {
            return self.filled(json, span, within).map_or(Payload::None, Payload::Lines);
        }
        if let Some(form) = &request.form {
            return Payload::Form(self.templates(form, within));
        }
        let text = |compiler: &mut Self, text: &Spanned<String>| compiler.template(text, &text.span, within);
        match (&request.xml, &request.text) {
            (Some(xml), _) => text(self, xml).map_or(Payload::None, Payload::Xml),
            (None, Some(plain)) => text(self, plain).map_or(Payload::None, Payload::Text),
            (None, None) => Payload::None,
        }
    }

    fn filled(&mut self, json: &Json, span: &Range<usize>, within: Within) -> Option<Filled> {
        Some(match json {
            Json::String(text) => match self.lone_setting(text) {
                // Alone, a setting keeps its type.
                Some(value) => Filled::Plain(value),
                None => Filled::Text(self.template(text, span, within)?),
            },
            Json::Null | Json::Bool(_) | Json::Number(_) => Filled::Plain(json.clone()),
            Json::Array(items) => {
                Filled::List(items.iter().map(|item| self.filled(item, span, within)).collect::<Option<_>>()?)
            }
            Json::Object(fields) => {
                let fields = fields.iter().filter(|(_, value)| !value.as_str().is_some_and(|text| self.is_unset(text)));
                let fields: Vec<_> = fields.map(|(name, value)| (name.clone(), value)).collect();
                let fields = fields.into_iter().map(|(name, value)| Some((name, self.filled(value, span, within)?)));
                Filled::Fields(fields.collect::<Option<_>>()?)
            }
        })
    }

    /// The value of a setting that a text is alone.
    fn lone_setting(&self, text: &str) -> Option<Json> {
        let name = text.strip_prefix("${config.")?.strip_suffix('}')?;
        self.config.get(name).cloned()
    }

    /// Whether a text mentions a setting that has no value: what it stands in is left out.
    fn is_unset(&self, text: &str) -> bool {
        let mut names = text.split("${config.").skip(1).filter_map(|after| after.split('}').next());
        names.any(|name| self.document.config.contains_key(name) && !self.config.contains_key(name))
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
