//! What can be asked of a vendor: the request, and how often, how long and how eagerly it is sent.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::{
    connector::document::{auth::Auths, local::Local, receive::Receive, response::Response},
    yaml::{
        Spanned,
        units::{Duration, Rate},
    },
};

/// One request and its one answer, one look-up, or what a vendor sends by itself.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// What it is for.
    #[serde(default)]
    pub kind: Kind,
    /// What is sent. An operation has this, `local` or `receive`.
    pub request: Option<Request>,
    /// What is looked up instead of asking anybody.
    pub local: Option<Spanned<Local>>,
    /// For `inbound`: what the vendor sends by itself.
    pub receive: Option<Spanned<Receive>>,
    /// For `start`: how long what it begins may take, `1m` to `24h`; the challenge lives as long. Default `30m`, for a push
    /// `5m`.
    pub good_for: Option<Duration>,
    /// Instead of the connector's own.
    pub auth: Option<Spanned<Auths>>,
    /// How long it may take in all, retries included. Default `1s`.
    pub timeout: Option<Duration>,
    /// How long connecting may take.
    pub connect_timeout: Option<Duration>,
    /// When it is sent again.
    pub retry: Option<Spanned<Retry>>,
    /// How long answers are kept.
    pub cache: Option<Spanned<Cache>>,
    /// How often it may be sent.
    pub limits: Option<Limits>,
    /// How the answer is read.
    #[serde(default)]
    pub response: Response,
}

/// What an operation is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Tells attributes of what it is asked about; may be cached, retried and asked of another vendor.
    #[default]
    Lookup,
    /// Tells whether something a browser brought is good, such as a CAPTCHA's token; asked once, of that vendor only.
    Verify,
    /// Sends something to somebody, such as a code; never cached.
    Send,
    /// Tells the vendor how it came out; nobody waits for it.
    Feedback,
    /// Takes decisions: lines of the decision log, one (`decision`) or many (`decisions`) at a time; nobody waits for it.
    Sink,
    /// Finds what `start` needs, such as the device of a user; what it keeps is `${state.<name>}` there. Asked just before.
    Find,
    /// Begins something that takes a while, such as a look at an identity document or a push; keeps its `reference`.
    Start,
    /// Tells how what was begun stands; asked again while it is `pending`.
    Poll,
    /// What the vendor sends by itself when what was begun has ended.
    Inbound,
}

impl Kind {
    /// The word in files.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Lookup => "lookup",
            Kind::Verify => "verify",
            Kind::Send => "send",
            Kind::Feedback => "feedback",
            Kind::Sink => "sink",
            Kind::Find => "find",
            Kind::Start => "start",
            Kind::Poll => "poll",
            Kind::Inbound => "inbound",
        }
    }
}

/// What is sent. Of a mapping, what mentions a value that is not there is left out.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// A template whose scheme and host are plain text or come from `config`.
    pub url: Spanned<String>,
    /// Query parameters: templates.
    #[serde(default)]
    pub query: IndexMap<String, Spanned<String>>,
    /// Header fields: templates.
    #[serde(default)]
    pub headers: IndexMap<String, Spanned<String>>,
    /// A JSON body; its texts are templates. A text that is one placeholder alone takes the type of its value.
    pub json: Option<Json>,
    /// A JSON body of lines, one for each item of the list that this comes to; a list in the list is lines of its own.
    pub jsonl: Option<Json>,
    /// A form; its texts are templates.
    pub form: Option<IndexMap<String, Spanned<String>>>,
    /// An XML body: a template; values are escaped.
    pub xml: Option<Spanned<String>>,
    /// A text body: a template.
    pub text: Option<Spanned<String>>,
    /// The media type of the body, where it is not the usual one.
    pub content_type: Option<Spanned<String>>,
}

/// Methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
}

impl Method {
    /// As it is sent.
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }
}

/// When a request is sent again, within the time-out.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// How often at most, 0 to 5. More than 0 for a POST or PATCH needs `idempotency_header`.
    pub max: u32,
    /// After what. Default `connect_error` and `5xx`.
    #[serde(default = "usual_causes")]
    pub on: Vec<Cause>,
    /// How long to wait before the first; twice as long before each further one, and a random part of it. Default `50ms`.
    pub backoff: Option<Duration>,
    /// Whether a `Retry-After` of the vendor is waited for, where time allows. Default `true`.
    #[serde(default = "yes")]
    pub respect_retry_after: bool,
    /// A header that carries the same random value each time, so that the vendor does it once.
    pub idempotency_header: Option<Spanned<String>>,
}

fn usual_causes() -> Vec<Cause> {
    vec![Cause::ConnectError, Cause::ServerError]
}

fn yes() -> bool {
    true
}

/// What a request is sent again for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// No connection was made, so nothing was done.
    ConnectError,
    /// It took too long, or broke off.
    Timeout,
    /// A status from 500 to 599.
    #[serde(rename = "5xx")]
    ServerError,
    /// Too many questions.
    RateLimited,
}

/// How long answers are kept, by tenant, connector, operation and every input.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// What tells answers apart, as a template. With scope `attributes`, every declared input must be in it.
    pub key: Option<Spanned<String>>,
    /// For answers.
    pub ttl: Duration,
    /// For `not_found`.
    pub negative_ttl: Option<Duration>,
    /// For how long an answer that is too old is better than none.
    pub stale_if_error: Option<Duration>,
    /// What is kept.
    #[serde(default)]
    pub scope: CacheScope,
}

/// What is kept of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CacheScope {
    /// The attributes.
    #[default]
    Attributes,
    /// The whole answer, for one that is about many, such as a range of hashes; needs a `key`.
    Response,
}

/// How often an operation may be sent; over it the vendor counts as `rate_limited`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// So many in a time: `20/s`.
    pub rate: Option<Rate>,
    /// So many at once. Default 64.
    pub concurrency: Option<u32>,
    /// What the contract allows: `1000/day`.
    pub quota: Option<Rate>,
    /// A response header that tells how many are left.
    pub remaining_header: Option<Spanned<String>>,
    /// A response header that tells when there are more: seconds, or seconds since 1970.
    pub reset_header: Option<Spanned<String>>,
}
