//! Connectors: a vendor as data. A file is compiled to a request template and a mapping; both are pure.
//!
//! The shell sends what [`Connector::prepare`] makes and hands what comes back to [`Connector::interpret`]. A
//! connector never sees another's secrets, never chooses its own host, and its mapping never sees any secret.

use std::{net::IpAddr, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{
    attribute::Attribute,
    connector::{
        document::{Fixture, Method, Network},
        mapping::{Expression, Scope},
        template::{Place, Template},
    },
    value::Value,
};

pub mod compile;
pub mod document;
pub mod lint;
pub mod mapping;
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

/// What connectors can be asked about.
pub const INPUTS: [&str; 5] = ["ip", "email", "user_id", "user_agent", "event"];

/// A compiled connector.
#[derive(Debug)]
pub struct Connector {
    /// Its id.
    pub id: Arc<str>,
    /// Its name for people.
    pub name: Arc<str>,
    /// What it is a source of.
    pub capability: Arc<str>,
    /// Whether a call is paid for.
    pub is_paid: bool,
    /// What one call costs, in millionths of the operator's currency.
    pub price_micros: u64,
    /// Where it may connect.
    pub network: Network,
    /// Inputs that leave the house.
    pub sends: Vec<Arc<str>>,
    /// Names of the secrets it needs.
    pub secrets: Vec<Arc<str>>,
    /// How long a call may take in all, in milliseconds.
    pub timeout_ms: u64,
    /// How long answers are kept, in milliseconds; 0 for not at all.
    pub ttl_ms: u64,
    /// How long `not_found` is kept, in milliseconds; 0 for not at all.
    pub negative_ttl_ms: u64,
    /// Largest body, in bytes.
    pub body_bytes_max: usize,
    /// Scheme, host and port, as literally written: requests never go anywhere else.
    pub origin: Origin,
    /// What it gives, in the order of its mapping.
    pub provides: Vec<Attribute>,
    /// Recorded exchanges.
    pub fixtures: Vec<Fixture>,
    inputs: Vec<Needed>,
    method: Method,
    /// Path and query, from the first `/` on.
    path: Template,
    query: Vec<(Arc<str>, Template)>,
    headers: Vec<(Arc<str>, Template)>,
    basic: Option<(Template, Template)>,
    payload: Payload,
    outcomes: Vec<(Expression, Class)>,
    map: Vec<Expression>,
    required: Vec<usize>,
}

/// Scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Whether it is https.
    pub secure: bool,
    /// The host, lower case; an IPv6 address without brackets.
    pub host: Arc<str>,
    /// The port.
    pub port: u16,
}

#[derive(Debug)]
struct Needed {
    name: Arc<str>,
    required: bool,
    skip_when: Option<Expression>,
}

#[derive(Debug)]
enum Payload {
    None,
    Json(Filled),
    Form(Vec<(Arc<str>, Template)>),
}

/// A JSON body whose texts are templates.
#[derive(Debug)]
enum Filled {
    Text(Template),
    Plain(Json),
    List(Vec<Filled>),
    Fields(Vec<(String, Filled)>),
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
    pub body: Option<(&'static str, Vec<u8>)>,
}

/// What an answer came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Interpreted {
    /// What it means.
    pub class: Class,
    /// A value for each of [`Connector::provides`]; `None` for unknown. All unknown unless it is a success.
    pub values: Vec<Option<Value>>,
}

impl Connector {
    /// The declared inputs among these, in the order of declaration: all that this connector ever sees, and all of
    /// its cache key. `None` if a required one is missing or the question is not to be asked.
    pub fn inputs(&self, given: &Named) -> Option<Vec<(Arc<str>, Arc<str>)>> {
        let value = |name: &str| given.iter().find(|(it, value)| &**it == name && !value.is_empty());
        let mine: Vec<_> = self.inputs.iter().filter_map(|needed| value(&needed.name).cloned()).collect();
        let scope = Scope::new(0, &Json::Null, &mine);
        let missing = self.inputs.iter().any(|needed| needed.required && value(&needed.name).is_none());
        // An expression that cannot be told keeps the data in the house.
        let skipped =
            self.inputs.iter().filter_map(|needed| needed.skip_when.as_ref()).any(|skip| !skip.denies(&scope));
        (!missing && !skipped).then_some(mine)
    }

    /// The request for these inputs (from [`Connector::inputs`]); `None` where a value cannot stand in its place.
    pub fn prepare(&self, inputs: &Named, secrets: &Named) -> Option<Prepared> {
        let input = |name: &str| inputs.iter().find(|(it, _)| &**it == name).map(|(_, value)| &**value);
        let secret = |name: &str| secrets.iter().find(|(it, _)| &**it == name).map(|(_, value)| &**value);
        let fill = |template: &Template, place| template.fill(&input, &secret, place);
        let fill_pairs = |pairs: &[(Arc<str>, Template)], place| -> Option<Vec<(Arc<str>, String)>> {
            let there = pairs.iter().filter(|(_, template)| template.inputs().all(|name| input(name).is_some()));
            there.map(|(name, template)| Some((name.clone(), fill(template, place)?))).collect()
        };
        let mut url = format!("{}{}", self.origin, fill(&self.path, Place::Url)?);
        for (name, value) in fill_pairs(&self.query, Place::Plain)? {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&format!("{}={}", encoded(&name), encoded(&value)));
        }
        let body = match &self.payload {
            Payload::None => None,
            Payload::Json(filled) => {
                let json = filled.fill(&|template| fill(template, Place::Plain));
                Some(("application/json", serde_json::to_vec(&json).ok()?))
            }
            Payload::Form(pairs) => {
                let pairs = fill_pairs(pairs, Place::Plain)?;
                let pairs = pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
                Some(("application/x-www-form-urlencoded", pairs.collect::<Vec<_>>().join("&").into_bytes()))
            }
        };
        let basic = match &self.basic {
            Some((user, password)) => Some((fill(user, Place::Header)?, fill(password, Place::Header)?)),
            None => None,
        };
        Some(Prepared { method: self.method, url, headers: fill_pairs(&self.headers, Place::Header)?, basic, body })
    }

    /// What an answer means and says.
    pub fn interpret(&self, status: u16, body: &[u8], inputs: &Named) -> Interpreted {
        let parsed: Option<Json> = serde_json::from_slice(body).ok().filter(|json| mapping::is_bounded(json, 0));
        let nothing = |class| Interpreted { class, values: vec![None; self.provides.len()] };
        let scope = Scope::new(status, parsed.as_ref().unwrap_or(&Json::Null), inputs);
        let class = match self.outcomes.iter().find(|(when, _)| when.holds(&scope)) {
            Some((_, class)) => *class,
            None => by_status(status),
        };
        if class != Class::Success {
            return nothing(class);
        }
        if parsed.is_none() {
            return nothing(Class::ContractError);
        }
        let attributes = self.map.iter().zip(&self.provides);
        let values: Vec<_> = attributes.map(|(expression, attribute)| value(expression, attribute, &scope)).collect();
        if self.required.iter().any(|at| values.get(*at).is_none_or(Option::is_none)) {
            return nothing(Class::ContractError);
        }
        Interpreted { class, values }
    }
}

/// A value that the attribute can have; anything else is unknown.
fn value(expression: &Expression, attribute: &Attribute, scope: &Scope<'_>) -> Option<Value> {
    let value = expression.attribute(scope, attribute.kind)?;
    let listed = match &value {
        Value::Text(text) => attribute.one_of.is_empty() || attribute.one_of.contains(text),
        Value::Int(_) | Value::Number(_) => attribute.range.is_none_or(|(low, high)| {
            let number = value.clone().cast(crate::value::Type::Number);
            matches!(number, Some(Value::Number(it)) if (low..=high).contains(&it))
        }),
        Value::Bool(_) | Value::Time(_) | Value::Duration(_) | Value::Ip(_) | Value::List(_) => true,
    };
    listed.then_some(value)
}

fn by_status(status: u16) -> Class {
    match status {
        200..=299 => Class::Success,
        429 => Class::RateLimited,
        400..=499 => Class::ConfigError,
        500..=599 => Class::Unavailable,
        _ => Class::ContractError,
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (scheme, default) = if self.secure { ("https", 443) } else { ("http", 80) };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.to_string() };
        write!(f, "{scheme}://{host}")?;
        if self.port == default { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl Filled {
    fn fill(&self, template: &dyn Fn(&Template) -> Option<String>) -> Json {
        match self {
            // A text whose input is missing is null, so that the vendor sees what it was not told.
            Filled::Text(text) => template(text).map_or(Json::Null, Json::String),
            Filled::Plain(json) => json.clone(),
            Filled::List(items) => items.iter().map(|item| item.fill(template)).collect(),
            Filled::Fields(fields) => {
                Json::Object(fields.iter().map(|(name, value)| (name.clone(), value.fill(template))).collect())
            }
        }
    }
}

/// Percent-encoded as a part of a URL or a form.
fn encoded(text: &str) -> String {
    const KEPT: percent_encoding::AsciiSet =
        percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    percent_encoding::utf8_percent_encode(text, &KEPT).to_string()
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
