//! Connectors: a vendor as data. A file is compiled to request templates and mappings; both are pure.
//!
//! The shell sends what [`Operation::prepare`] makes and hands what comes back to [`Operation::interpret`]. A
//! connector never sees another's secrets, never chooses its own host, and its mapping never sees any secret.

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    attribute::Attribute,
    connector::{
        answer::{Answer, Interpreted, Reply},
        auth::{Certificate, Credential, message::Unsigned, token::TokenSource},
        document::{
            Maturity, Network, Reliability,
            evidence::Evidence,
            fixture::Fixture,
            operation::{CacheScope, Cause, Kind, Method},
            settings::InputKind,
        },
        local::Means,
        mapping::{Expression, Scope, data::Data},
        request::{Asked, Draft, Values},
        template::{Name, Place, Template, Unfilled},
    },
    yaml::units::Rate,
};

pub mod answer;
pub mod auth;
pub mod compile;
pub mod document;
pub mod lint;
pub mod local;
pub mod mapping;
pub mod receive;
pub mod request;
pub mod route;
pub mod template;

/// What an answer means; this drives fail-over, not HTTP codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The vendor knows.
    Success,
    /// The vendor answered that it knows nothing.
    NotFound,
    /// The vendor does not know yet.
    Pending,
    /// What was asked about is not something to ask about.
    InvalidInput,
    /// Too many questions.
    RateLimited,
    /// Down, too slow, or broken off.
    Unavailable,
    /// Key, account or settings are wrong.
    ConfigError,
    /// The answer is not what was agreed.
    ContractError,
}

impl Class {
    /// The word for logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Class::Success => "success",
            Class::NotFound => "not_found",
            Class::Pending => "pending",
            Class::InvalidInput => "invalid_input",
            Class::RateLimited => "rate_limited",
            Class::Unavailable => "unavailable",
            Class::ConfigError => "config_error",
            Class::ContractError => "contract_error",
        }
    }

    /// Whether the next connector of a route is asked.
    pub fn falls_over(self) -> bool {
        match self {
            Class::Success | Class::NotFound | Class::Pending | Class::InvalidInput => false,
            Class::RateLimited | Class::Unavailable | Class::ConfigError | Class::ContractError => true,
        }
    }
}

/// What connectors can be asked about under its own name, and what type it has then. Any other input says its type.
pub const INPUTS: [(&str, InputKind); 21] = [
    ("ip", InputKind::Ip),
    ("email", InputKind::Email),
    ("phone", InputKind::Phone),
    ("user_id", InputKind::String),
    ("user_name", InputKind::String),
    ("user_agent", InputKind::String),
    ("event", InputKind::JourneyEvent),
    ("device_id", InputKind::String),
    ("session_id", InputKind::String),
    ("token", InputKind::String),
    ("action", InputKind::String),
    ("password", InputKind::SecretString),
    ("outcome", InputKind::String),
    ("code", InputKind::SecretString),
    ("message", InputKind::SecretString),
    ("locale", InputKind::String),
    ("user_ref", InputKind::String),
    ("verification_id", InputKind::String),
    ("return_url", InputKind::String),
    (DECISION, InputKind::Object),
    (DECISIONS, InputKind::Object),
];

/// The input of a sink that takes one decision at a time.
pub const DECISION: &str = "decision";
/// The input of a sink that takes a list of them.
pub const DECISIONS: &str = "decisions";
/// Longest line of the decision log, and longest list of them, that a sink is given, in bytes.
pub const DECISIONS_BYTES_MAX: usize = 256 * 1024;

/// A compiled connector.
#[derive(Debug)]
pub struct Connector {
    /// Its id.
    pub id: Arc<str>,
    /// Its name for people.
    pub name: Arc<str>,
    /// What it is a source of.
    pub capability: Arc<str>,
    /// Further capabilities whose attributes it tells.
    pub also_provides: Vec<Arc<str>>,
    /// The file's own version.
    pub version: Option<Arc<str>>,
    /// How it was verified.
    pub maturity: Option<Maturity>,
    /// What the file rests on.
    pub evidence: Option<Evidence>,
    /// How far the vendor's word goes.
    pub reliability: Option<Reliability>,
    /// Where the vendor describes it.
    pub docs: Option<Arc<str>>,
    /// One sentence.
    pub about: Option<Arc<str>>,
    /// What a call costs, in millionths of the operator's currency.
    pub price_micros: u64,
    /// Whether a call is paid for.
    pub is_paid: bool,
    /// Where it may connect.
    pub network: Network,
    /// Inputs and derived values that leave the house.
    pub sends: Vec<Arc<str>>,
    /// What comes back about people, in words.
    pub receives: Vec<Arc<str>>,
    /// Where the data is processed.
    pub regions: Vec<Arc<str>>,
    /// Names of the secrets without which it cannot run.
    pub secrets: Vec<Arc<str>>,
    /// Names of the secrets that it can do without.
    pub optional_secrets: Vec<Arc<str>>,
    /// Settings that are required and have no value: it can be tested, and not run.
    pub unset: Vec<Arc<str>>,
    /// The page half, with settings filled in.
    pub page: Option<Page>,
    /// What can be asked, in the order of the file; at least one.
    pub operations: Vec<Arc<Operation>>,
    /// Recorded exchanges.
    pub fixtures: Vec<Fixture>,
}

/// The page half of a CAPTCHA, device or identity connector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The vendor's script.
    pub script: Option<String>,
    /// Content-Security-Policy sources, by directive.
    pub csp: Vec<(String, Vec<String>)>,
    /// The form field in which the page sends the token.
    pub token_field: Option<String>,
    /// HTML put into the page.
    pub snippet: Option<String>,
}

impl Connector {
    /// The operation of this name.
    pub fn operation(&self, name: &str) -> Option<&Arc<Operation>> {
        self.operations.iter().find(|operation| *operation.name == *name)
    }

    /// The first operation of a kind.
    pub fn first(&self, kind: Kind) -> Option<&Arc<Operation>> {
        self.operations.iter().find(|operation| operation.kind == kind)
    }

    /// The operation that a route asks: the first look-up, else the first that verifies.
    pub fn asked(&self) -> Option<&Arc<Operation>> {
        self.first(Kind::Lookup).or_else(|| self.first(Kind::Verify))
    }

    /// The operation that a route runs: what is asked, else the first that sends, else the one that begins something.
    pub fn served(&self) -> Option<&Arc<Operation>> {
        self.asked().or_else(|| self.first(Kind::Send)).or_else(|| self.first(Kind::Start))
    }

    /// What it gives a route, in the order of its mapping.
    pub fn provides(&self) -> &[Attribute] {
        self.asked().map_or(&[], |operation| &operation.provides)
    }

    /// How long a call that a route makes may take in all, in milliseconds.
    pub fn timeout_ms(&self) -> u64 {
        self.served().map_or(0, |operation| operation.timeout_ms)
    }

    /// Whether a route asks it about something that is never kept, such as a password.
    pub fn asks_secrets(&self) -> bool {
        self.asked().is_some_and(|operation| operation.asks_secrets())
    }
}

/// One request and its one answer, one look-up, or what a vendor sends by itself, compiled.
#[derive(Debug)]
pub struct Operation {
    /// The connector's id.
    pub connector: Arc<str>,
    /// Its name in the file.
    pub name: Arc<str>,
    /// What it is for.
    pub kind: Kind,
    /// How long it may take in all, in milliseconds.
    pub timeout_ms: u64,
    /// How long what it begins may take, in milliseconds; 0 where it begins nothing.
    pub good_for_ms: u64,
    /// How long connecting may take, in milliseconds.
    pub connect_timeout_ms: Option<u64>,
    /// When it is sent again.
    pub retry: Retry,
    /// How long answers are kept.
    pub cache: Caching,
    /// How often it may be sent.
    pub limits: Limits,
    /// Largest body, in bytes.
    pub body_bytes_max: usize,
    /// What it gives, in the order of its mapping.
    pub provides: Vec<Attribute>,
    /// Where its token comes from, if it needs one.
    pub token: Option<Arc<TokenSource>>,
    /// The certificate with which it connects, if it needs one.
    pub certificate: Option<Arc<Certificate>>,
    pub(crate) asking: Arc<Asking>,
    pub(crate) means: Means,
    pub(crate) credentials: Vec<Credential>,
    pub(crate) answer: Answer,
}

/// When a request is sent again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retry {
    /// How often at most.
    pub max: u32,
    /// After what.
    pub on: Vec<Cause>,
    /// How long to wait before the first, in milliseconds; twice as long before each further one.
    pub backoff_ms: u64,
    /// Whether `Retry-After` is waited for.
    pub respects_retry_after: bool,
}

/// How long answers are kept. All 0: not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caching {
    /// What is kept.
    pub scope: CacheScope,
    /// For answers, in milliseconds.
    pub ttl_ms: u64,
    /// For `not_found`, in milliseconds.
    pub negative_ttl_ms: u64,
    /// For how long an answer that is too old is better than none, in milliseconds.
    pub stale_if_error_ms: u64,
    /// What tells whole answers apart, for scope `response`.
    pub key: Option<Template>,
}

/// How often an operation may be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// So many in a time.
    pub rate: Option<Rate>,
    /// So many at once.
    pub concurrency: Option<u32>,
    /// What the contract allows.
    pub quota: Option<Rate>,
    /// A response header that tells how many are left, lower case.
    pub remaining_header: Option<Arc<str>>,
    /// A response header that tells when there are more, lower case.
    pub reset_header: Option<Arc<str>>,
}

/// What the operations of a connector share.
#[derive(Debug)]
pub(crate) struct Asking {
    pub(crate) inputs: Vec<Needed>,
    pub(crate) derived: Vec<(Arc<str>, Expression)>,
    pub(crate) config: Data<'static>,
}

/// Scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// Whether it is https.
    pub secure: bool,
    /// The host, lower case; an IPv6 address without brackets.
    pub host: Arc<str>,
    /// The port.
    pub port: u16,
}

#[derive(Debug)]
pub(crate) struct Needed {
    pub(crate) name: Arc<str>,
    pub(crate) kind: InputKind,
    pub(crate) required: bool,
    pub(crate) bytes_max: usize,
    pub(crate) skip_when: Option<Expression>,
}

/// Named values, as inputs and secrets are given.
pub type Named = [(Arc<str>, Arc<str>)];

/// A request ready to be sent. It may hold secrets, so it has no `Debug`.
pub struct Prepared {
    /// The method.
    pub method: Method,
    /// The whole URL.
    pub url: String,
    /// Header fields; a basic credential is in `basic`.
    pub headers: Vec<(Arc<str>, String)>,
    /// User name and password (RFC 7617).
    pub basic: Option<(String, String)>,
    /// Media type and bytes.
    pub body: Option<(String, Vec<u8>)>,
    /// What has to be signed with a private key before it is sent.
    pub unsigned: Option<Unsigned>,
}

impl Prepared {
    pub(crate) fn finish(
        mut draft: Draft,
        origin: &Origin,
        credentials: &[Credential],
        values: &Values<'_>,
    ) -> Result<Prepared, Unfilled> {
        let signed = auth::apply(credentials, &mut draft, origin, values)?;
        let body = draft.media_type().map(|media_type| (media_type, draft.bytes()));
        Ok(Prepared {
            method: draft.method,
            url: format!("{origin}{}", draft.target()),
            headers: draft.headers,
            basic: signed.basic,
            body,
            unsigned: signed.unsigned,
        })
    }
}

impl Operation {
    /// Scheme, host and port, as literally written: its requests never go anywhere else. `None` where it sends none.
    pub fn origin(&self) -> Option<&Origin> {
        self.means.request().map(|request| &request.origin)
    }

    /// Every place it connects to: its own, where its token comes from, and where its data is downloaded from.
    pub fn origins(&self) -> impl Iterator<Item = &Origin> {
        self.means.origins().chain(self.token.iter().map(|token| &token.request.origin))
    }

    /// Whether it is asked about something that is never kept, such as a password.
    pub fn asks_secrets(&self) -> bool {
        self.asking.inputs.iter().any(|needed| needed.kind == InputKind::SecretString)
    }

    /// Whether it declares this input.
    pub fn takes(&self, input: &str) -> bool {
        self.asking.inputs.iter().any(|needed| *needed.name == *input)
    }

    /// Whether it sends its user somewhere.
    pub fn hands_redirect(&self) -> bool {
        self.answer.handed.redirect.is_some()
    }

    /// Whether it gives our page what the vendor's part of it needs.
    pub fn hands_embed(&self) -> bool {
        self.answer.handed.embed.is_some()
    }

    /// The declared inputs among these that may be remembered until a `feedback`: none that is secret.
    pub fn memorable(&self, given: &Named) -> Vec<(Arc<str>, Arc<str>)> {
        let is_plain = |needed: &Needed| needed.kind != InputKind::SecretString;
        let mine = self.asking.inputs.iter().filter(|needed| is_plain(needed));
        mine.filter_map(|needed| given.iter().find(|(it, value)| *it == needed.name && needed.takes(value)).cloned())
            .collect()
    }

    /// The declared inputs among these, in the order of declaration: all that this operation ever sees, and all of
    /// its cache key. `None` if a required one is missing or the question is not to be asked. `now_ms` is the time of
    /// the event.
    pub fn inputs(&self, given: &Named, now_ms: i64) -> Option<Vec<(Arc<str>, Arc<str>)>> {
        self.declared(given).filter(|mine| !self.skips(mine, now_ms))
    }

    /// The declared inputs among these, whether or not the question is to be asked; `None` if a required one is
    /// missing. An input that is not of its type, or too long, is as good as missing. Evaluates nothing.
    pub fn declared(&self, given: &Named) -> Option<Vec<(Arc<str>, Arc<str>)>> {
        let needed = &self.asking.inputs;
        let value = |needed: &Needed| given.iter().find(|(it, value)| *it == needed.name && needed.takes(value));
        let mut mine = Vec::with_capacity(needed.len());
        for needed in needed {
            match value(needed) {
                Some(found) => mine.push(found.clone()),
                None if needed.required => return None,
                None => {}
            }
        }
        Some(mine)
    }

    /// Whether these inputs (from [`Operation::declared`]) are not to be asked about.
    pub fn skips(&self, mine: &Named, now_ms: i64) -> bool {
        let mut rules = self.asking.inputs.iter().filter_map(|needed| needed.skip_when.as_ref()).peekable();
        if rules.peek().is_none() {
            return false;
        }
        let scope = Scope::asking(self.asking.typed(mine), &self.asking.config, Data::Map(Vec::new()), now_ms);
        // An expression that cannot be told keeps the data in the house.
        rules.any(|skip| !skip.denies(&scope))
    }

    /// The request for these inputs (from [`Operation::inputs`]); `None` where a value that cannot be left out is
    /// missing, or cannot stand in its place.
    pub fn prepare(&self, asked: Asked<'_>) -> Option<Prepared> {
        let input = self.asking.typed(asked.inputs);
        let derived = self.asking.derive(&input, asked.moment.now_ms);
        let values = Values { asked, derived: &derived, input: &input };
        let request = self.means.request()?;
        let mut draft = request.fill(&values).ok()?;
        if let Some(source) = &self.token {
            draft.headers.push((source.header.clone(), values.fill(&source.value, Place::Header).ok()?));
        }
        Prepared::finish(draft, &request.origin, &self.credentials, &values).ok()
    }

    /// Header fields of an answer that its expressions read, lower case.
    pub fn headers_read(&self) -> &[Arc<str>] {
        &self.answer.headers
    }

    /// The mapping: each attribute's name, and the expression that tells it.
    pub fn mapping(&self) -> impl Iterator<Item = (&Arc<str>, &Expression)> {
        self.answer.map.iter().map(|it| (&it.attribute.name, &it.expression))
    }

    /// What tells whole answers apart, where those are kept (scope `response`); it holds no secret input.
    pub fn response_key(&self, inputs: &Named, now_ms: i64) -> Option<String> {
        let key = self.cache.key.as_ref().filter(|_| self.cache.scope == CacheScope::Response)?;
        let input = self.asking.typed(inputs);
        let derived = self.asking.derive(&input, now_ms);
        let value = |name: &Name| match name {
            Name::Input(name) => plain(input.field(name)?),
            Name::Derived(name) => plain(derived.field(name)?),
            _ => None,
        };
        key.fill(&value, Place::Plain).ok()
    }

    /// What an answer means and says. `now_ms` is the time of the event.
    pub fn interpret(&self, reply: &Reply<'_>, inputs: &Named, now_ms: i64) -> Interpreted {
        let input = self.asking.typed(inputs);
        let derived = self.asking.derive(&input, now_ms);
        self.answer.interpret(reply, Scope::asking(input, &self.asking.config, derived, now_ms))
    }

    /// Whether a part of its answers stays readable in the vendor's own terms.
    pub fn keeps_raw(&self) -> bool {
        self.answer.raw.is_some()
    }

    /// How long raw data is kept, in milliseconds, where that is shorter than the attributes.
    pub fn raw_ttl_ms(&self) -> Option<u64> {
        self.answer.raw.as_ref().and_then(|raw| raw.ttl_ms)
    }

    /// An answer that never came.
    pub fn nothing(&self, class: Class, why: &str) -> Interpreted {
        Interpreted::nothing(class, self.provides.len(), Some(why))
    }

    /// The template texts and expressions that are paths or one function of a path: how many, and of how many.
    pub fn fast_lane(&self) -> (usize, usize) {
        let simple = self.answer.map.iter().filter(|mapped| mapped.expression.is_simple()).count();
        (simple, self.answer.map.len())
    }
}

/// A scalar as text.
fn plain<'d>(data: &Data<'d>) -> Option<Cow<'d, str>> {
    match data {
        Data::Text(text) => Some(text.clone()),
        it @ (Data::Bool(_) | Data::Int(_) | Data::Number(_)) => Some(it.to_json().to_string().into()),
        Data::Null | Data::List(_) | Data::Map(_) => None,
    }
}

/// The value of a secret.
pub(crate) fn secret<'a>(name: &Name, secrets: &'a Named) -> Option<Cow<'a, str>> {
    let Name::Secret(name) = name else { return None };
    secrets.iter().find(|(it, _)| it == name).map(|(_, value)| Cow::Borrowed(&**value))
}

impl Needed {
    /// Whether a value is of its type and not too long. An empty one is none.
    fn takes(&self, value: &str) -> bool {
        let sound = match self.kind {
            InputKind::String | InputKind::SecretString | InputKind::JourneyEvent => true,
            InputKind::Ip => value.parse::<IpAddr>().is_ok(),
            InputKind::Email => value.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty()),
            InputKind::Phone => value.strip_prefix('+').is_some_and(|it| it.bytes().all(|it| it.is_ascii_digit())),
            InputKind::Number => value.parse::<f64>().is_ok_and(f64::is_finite),
            InputKind::Bool => matches!(value, "true" | "false"),
            InputKind::Object => Data::json(value).is_some_and(|it| matches!(it, Data::Map(_) | Data::List(_))),
        };
        !value.is_empty() && value.len() <= self.bytes_max && sound
    }
}

impl Asking {
    /// Inputs as data of their types.
    fn typed<'a>(&self, inputs: &'a Named) -> Data<'a> {
        let kind = |name: &str| self.inputs.iter().find(|needed| *needed.name == *name).map(|needed| needed.kind);
        let typed = |name: &str, value: &'a str| match kind(name) {
            Some(InputKind::Number | InputKind::Bool | InputKind::Object) => Data::json(value).unwrap_or(Data::Null),
            _ => Data::text(value),
        };
        Data::Map(inputs.iter().map(|(name, value)| (Cow::Borrowed(&**name), typed(name, value))).collect())
    }

    /// What is derived of the inputs; what cannot be is not there.
    fn derive<'a>(&self, input: &Data<'a>, now_ms: i64) -> Data<'a> {
        let mut made: Vec<(Cow<'a, str>, Data<'a>)> = Vec::with_capacity(self.derived.len());
        for (name, expression) in &self.derived {
            let scope = Scope::asking(input.clone(), &self.config, Data::Map(made.clone()), now_ms);
            let value = expression.eval(&scope).map(|it| Data::of(&it.to_json()));
            made.extend(value.ok().map(|value| (name.to_string().into(), value)));
        }
        Data::Map(made)
    }
}

impl Origin {
    /// Host and port, as in a `Host` header: the usual port is left out.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.to_string() };
        let usual = if self.secure { 443 } else { 80 };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", if self.secure { "https" } else { "http" }, self.authority())
    }
}

/// Whether an address belongs to no public network (IANA special-purpose registries, RFC 6890).
pub fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(four) => {
            let [a, b, c, _] = four.octets();
            four.is_private()
                || four.is_loopback()
                || four.is_link_local()
                || four.is_broadcast()
                || four.is_documentation()
                || four.is_multicast()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (18..20).contains(&b))
        }
        IpAddr::V6(six) => {
            let segments = six.segments();
            six.is_loopback()
                || six.is_unspecified()
                || six.is_multicast()
                || six.is_unique_local()
                || six.is_unicast_link_local()
                // IPv4 in disguise: compatible, NAT64, 6to4, Teredo; and documentation.
                || (segments.starts_with(&[0, 0, 0, 0, 0, 0]))
                || segments.starts_with(&[0x64, 0xff9b])
                || matches!(segments, [0x2002, ..] | [0x2001, 0 | 0xdb8, ..])
        }
    }
}
