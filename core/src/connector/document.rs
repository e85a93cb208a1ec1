//! A connector file as people write it; `compile` makes it a [`super::Connector`].

use std::sync::Arc;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::yaml::{
    Spanned,
    units::{Duration, Size},
};

/// One file `connectors/<id>/connector.yaml`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Its id: lower-case letters, digits and dashes; also the folder's name.
    pub connector: Spanned<String>,
    /// The product's name for people.
    pub name: Option<String>,
    /// The class of source it belongs to, such as `ip_reputation`.
    pub capability: Spanned<String>,
    /// Where the vendor describes the call.
    pub docs: Option<String>,
    /// One sentence.
    pub about: Option<String>,
    /// Where it may connect: `internet` (the default) or `internal`.
    pub network: Option<Network>,
    /// What one call costs, in the operator's currency. Anything above 0 counts against `budget.paid_calls`.
    pub price: Option<f64>,
    /// What leaves the house, and where it goes.
    pub data: Data,
    /// Settings without secrets, by name.
    #[serde(default)]
    pub config: IndexMap<String, Setting>,
    /// Secrets by name; their values are references in `stepward.yaml`.
    #[serde(default)]
    pub secrets: IndexMap<String, SecretNeed>,
    /// What it is asked about, by name: `ip`, `email`, `user_id`, `user_agent`, `event`.
    pub inputs: IndexMap<String, Spanned<Input>>,
    /// How it proves who is calling.
    pub auth: Option<Spanned<Auth>>,
    /// What can be asked; `lookup` is the only one so far.
    pub operations: Operations,
    /// Fixtures, run by `stepward connector test`.
    #[serde(default)]
    pub tests: Vec<Fixture>,
}

/// Where a connector may connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Public addresses over https only.
    Internet,
    /// Also private and loopback addresses, and http; never link-local or metadata addresses.
    Internal,
}

/// The privacy manifest.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Every input that is sent; an input that is used and not listed is an error.
    pub sends: Vec<Spanned<String>>,
    /// Where the data is processed.
    #[serde(default)]
    pub regions: Vec<String>,
}

/// A setting.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Its value.
    pub default: Json,
    /// One sentence.
    pub about: Option<String>,
}

/// A secret that is needed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretNeed {
    /// One sentence.
    pub about: Option<String>,
}

/// An input.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Without it there is no call.
    #[serde(default)]
    pub required: bool,
    /// CEL over `input`; where it is true there is no call.
    pub skip_when: Option<Spanned<String>>,
}

/// How a caller proves who it is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// In which way.
    #[serde(rename = "type")]
    pub kind: AuthKind,
    /// For `api_key`: `header` or `query`.
    #[serde(rename = "in")]
    pub place: Option<AuthPlace>,
    /// For `api_key`: the header's or parameter's name.
    pub name: Option<String>,
    /// For `api_key`: a template with the secret.
    pub value: Option<String>,
    /// For `bearer`: a template with the secret.
    pub token: Option<String>,
    /// For `basic`.
    pub username: Option<String>,
    /// For `basic`.
    pub password: Option<String>,
}

/// Ways of proving who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthKind {
    /// Not at all.
    None,
    /// A key in a header or the query.
    ApiKey,
    /// `Authorization: Bearer`.
    Bearer,
    /// `Authorization: Basic` (RFC 7617).
    Basic,
}

/// Where an API key goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthPlace {
    /// A header.
    Header,
    /// A query parameter.
    Query,
}

/// What can be asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operations {
    /// One question, one answer.
    pub lookup: Operation,
}

/// One call.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// What is sent.
    pub request: Request,
    /// How long it may take in all.
    pub timeout: Option<Duration>,
    /// How long answers are kept.
    pub cache: Option<Cache>,
    /// How the answer is read.
    pub response: Response,
}

/// What is sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// `GET` or `POST`.
    pub method: Method,
    /// A template whose scheme and host are plain text or come from `config`.
    pub url: Spanned<String>,
    /// Query parameters; one whose only input is missing is left out.
    #[serde(default)]
    pub query: IndexMap<String, Spanned<String>>,
    /// Header fields.
    #[serde(default)]
    pub headers: IndexMap<String, Spanned<String>>,
    /// A JSON body; its texts are templates.
    pub json: Option<Json>,
    /// A form; its texts are templates.
    pub form: Option<IndexMap<String, Spanned<String>>>,
}

/// Methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
}

impl Method {
    /// The method on the wire (RFC 9110 §9).
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
        }
    }
}

/// How long answers are kept, by tenant, connector and every input.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// The inputs that tell answers apart, as a template; every declared input must be in it.
    pub key: Option<Spanned<String>>,
    /// For answers.
    pub ttl: Duration,
    /// For `not_found`.
    pub negative_ttl: Option<Duration>,
}

/// How the answer is read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// Only `json` so far.
    #[serde(default)]
    pub format: Format,
    /// Largest body; 64KiB if not given, at most 256KiB.
    pub max_bytes: Option<Spanned<Size>>,
    /// The first whose `when` holds; else by status: 2xx `success`, 429 `rate_limited`, 4xx `config_error`,
    /// 5xx `unavailable`, anything else `contract_error`.
    #[serde(default)]
    pub outcome: Vec<OutcomeRule>,
    /// CEL over `body`, `status` and `input` for each attribute.
    pub map: IndexMap<String, Spanned<String>>,
    /// Attributes without which the answer breaks the contract.
    #[serde(default)]
    pub required: Vec<Spanned<String>>,
}

/// Formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// RFC 8259.
    #[default]
    Json,
}

/// What an answer means.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutcomeRule {
    /// CEL over `body`, `status` and `input`.
    pub when: Spanned<String>,
    /// The class.
    pub then: super::Class,
}

/// A recorded exchange and what must come of it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fixture {
    /// What it shows.
    pub name: Arc<str>,
    /// The inputs.
    #[serde(default)]
    pub input: IndexMap<String, String>,
    /// What must be sent, secrets as `***name***`.
    pub expect_request: Option<ExpectedRequest>,
    /// What the vendor answers; none where no call may be made.
    pub response: Option<Recorded>,
    /// What must come of it.
    pub expect: Expected,
}

/// What must be sent; only what is given is compared.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedRequest {
    /// The method.
    pub method: Option<Method>,
    /// The whole URL.
    pub url: Option<String>,
    /// Header fields that must be among those sent.
    #[serde(default)]
    pub headers: IndexMap<String, String>,
    /// The JSON body.
    pub json: Option<Json>,
}

/// A recorded answer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// Its status.
    pub status: u16,
    /// A JSON body.
    pub body: Option<Json>,
    /// Any other body.
    pub text: Option<String>,
}

/// What must come of it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The class; `skipped` where no call may be made.
    pub outcome: ExpectedOutcome,
    /// Attributes; null for unknown.
    #[serde(default)]
    pub attributes: IndexMap<String, Json>,
}

/// Outcome classes, and none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedOutcome {
    /// No call.
    Skipped,
    /// See [`super::Class::Success`].
    Success,
    /// See [`super::Class::NotFound`].
    NotFound,
    /// See [`super::Class::Pending`].
    Pending,
    /// See [`super::Class::InvalidInput`].
    InvalidInput,
    /// See [`super::Class::RateLimited`].
    RateLimited,
    /// See [`super::Class::Unavailable`].
    Unavailable,
    /// See [`super::Class::ConfigError`].
    ConfigError,
    /// See [`super::Class::ContractError`].
    ContractError,
}

/// One file `connectors/routes/<capability>.yaml`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteDocument {
    /// The capability it serves; also the file's name.
    pub capability: Spanned<String>,
    /// Who is asked, best first; the next one when the one before fails.
    pub connectors: Vec<Spanned<Member>>,
    /// What attributes are when nobody answers; `unknown` is the only choice, and says so in the file.
    #[serde(default)]
    pub on_unavailable: OnUnavailable,
}

/// A connector's place in a route.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its id.
    pub connector: String,
    /// How long it may take here; never longer than its own time or what is left of the event's budget.
    pub timeout: Option<Duration>,
}

/// What attributes are when nobody answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnUnavailable {
    /// Unknown: never false, never 0.
    #[default]
    Unknown,
}
