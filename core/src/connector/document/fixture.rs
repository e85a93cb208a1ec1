//! Recorded exchanges, and what must come of them.

use std::sync::Arc;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::{
    connector::{Class, document::operation::Method},
    yaml::units::Duration,
};

/// A recorded exchange and what must come of it. It holds made-up values only.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fixture {
    /// What it shows.
    pub name: Arc<str>,
    /// The operation; the only one or the first if not given.
    pub operation: Option<Arc<str>>,
    /// Settings, by name, instead of their defaults.
    #[serde(default)]
    pub config: IndexMap<String, Json>,
    /// The inputs; what is no text is written as JSON.
    #[serde(default)]
    pub input: IndexMap<String, Json>,
    /// What an earlier operation kept.
    #[serde(default)]
    pub state: IndexMap<String, String>,
    /// The time of the event. Default `2026-01-01T00:00:00Z`.
    pub now: Option<String>,
    /// What must be sent, secrets as `***name***`.
    pub expect_request: Option<ExpectedRequest>,
    /// For `inbound`: what the vendor sends, signed with its made-up secret `***name***`.
    pub received: Option<Received>,
    /// What the vendor answers; none where no call may be made.
    pub response: Option<Recorded>,
    /// For `local`: what the data holds, row by row as it is written; for `mmdb` `{ network: …, record: … }`. Without it
    /// there is no data at all.
    pub data: Option<Vec<Json>>,
    /// How old that data is. Default `0s`.
    pub data_age: Option<Duration>,
    /// What must come of it.
    pub expect: Expected,
}

/// What must be sent; only what is given is compared. In fixtures a token is `***token***`, `${uuid}` is
/// `00000000-0000-4000-8000-000000000000`, and what is signed with a key of several lines is `***signature***`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedRequest {
    /// The method.
    pub method: Option<Method>,
    /// The whole URL.
    pub url: Option<String>,
    /// Header fields that must be among those sent; a basic credential is `Basic name:password`, not encoded.
    #[serde(default)]
    pub headers: IndexMap<String, String>,
    /// The JSON body.
    pub json: Option<Json>,
    /// The fields of the form, all of them.
    pub form: Option<IndexMap<String, String>>,
    /// Any other body.
    pub text: Option<String>,
}

/// What a vendor sent by itself.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Received {
    /// Its header fields.
    #[serde(default)]
    pub headers: IndexMap<String, String>,
    /// A JSON body, written without spaces.
    pub body: Option<Json>,
    /// Any other body, byte for byte.
    pub text: Option<String>,
}

/// A recorded answer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// Its status.
    pub status: u16,
    /// Its header fields.
    #[serde(default)]
    pub headers: IndexMap<String, String>,
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
    /// What is kept for a later operation, all of it.
    pub state: Option<IndexMap<String, String>>,
    /// What stays readable in the vendor's own terms, all of it.
    pub raw: Option<Json>,
    /// For `start`: where the user is sent.
    pub redirect: Option<String>,
    /// For `start`: what the page is given.
    pub embed: Option<String>,
    /// For `start`: the number that the user compares.
    pub number: Option<String>,
    /// For `inbound`: what it is about.
    pub reference: Option<String>,
    /// For `inbound`: the id of the message.
    pub event: Option<String>,
}

/// Outcome classes, and none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedOutcome {
    /// No call.
    Skipped,
    /// For `inbound`: nothing vouches for it, or not any more, so that nothing of it is read.
    Refused,
    /// See [`Class::Success`].
    Success,
    /// See [`Class::NotFound`].
    NotFound,
    /// See [`Class::Pending`].
    Pending,
    /// See [`Class::InvalidInput`].
    InvalidInput,
    /// See [`Class::RateLimited`].
    RateLimited,
    /// See [`Class::Unavailable`].
    Unavailable,
    /// See [`Class::ConfigError`].
    ConfigError,
    /// See [`Class::ContractError`].
    ContractError,
}

impl ExpectedOutcome {
    /// The class it stands for; `None` where no call is made, or nothing read.
    pub fn class(self) -> Option<Class> {
        Some(match self {
            ExpectedOutcome::Skipped | ExpectedOutcome::Refused => return None,
            ExpectedOutcome::Success => Class::Success,
            ExpectedOutcome::NotFound => Class::NotFound,
            ExpectedOutcome::Pending => Class::Pending,
            ExpectedOutcome::InvalidInput => Class::InvalidInput,
            ExpectedOutcome::RateLimited => Class::RateLimited,
            ExpectedOutcome::Unavailable => Class::Unavailable,
            ExpectedOutcome::ConfigError => Class::ConfigError,
            ExpectedOutcome::ContractError => Class::ContractError,
        })
    }
}
