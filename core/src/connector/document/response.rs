//! How a vendor's answer is read.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::{
    connector::Class,
    yaml::{
        Spanned,
        units::{Duration, Size},
    },
};

/// How the answer is read.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// Its form.
    #[serde(default)]
    pub format: Format,
    /// For `kv_lines` and `csv`: what stands between name and value, or between fields. Default `:` and `,`.
    pub separator: Option<Spanned<String>>,
    /// Largest body; 64KiB if not given, at most 256KiB.
    pub max_bytes: Option<Spanned<Size>>,
    /// What of it is `body`: a JSON pointer (RFC 6901) such as `/data/0`.
    pub select: Option<Spanned<String>>,
    /// Values that mean nothing is known, such as `N/A`.
    #[serde(default)]
    pub nullif: Vec<Json>,
    /// Response header fields that expressions may read, as `headers['x-name']`.
    #[serde(default)]
    pub headers: Vec<Spanned<String>>,
    /// The first whose `when` holds; else by status: 2xx `success`, 429 `rate_limited`, 4xx `config_error`,
    /// 5xx `unavailable`, anything else `contract_error`.
    #[serde(default)]
    pub outcome: Vec<OutcomeRule>,
    /// CEL over `body`, `status`, `input`, `config`, `derived` and `headers` for each attribute.
    #[serde(default)]
    pub map: IndexMap<String, Spanned<String>>,
    /// Attributes without which the answer breaks the contract.
    #[serde(default)]
    pub required: Vec<Spanned<String>>,
    /// What an attribute's numbers are worth on our scale: points `[vendor's, ours]`, rising, straight lines between.
    #[serde(default)]
    pub calibration: IndexMap<String, Spanned<Vec<(f64, f64)>>>,
    /// CEL for what a later operation needs, as `${state.<name>}`: a reference, an id.
    #[serde(default)]
    pub keep_state: IndexMap<String, Spanned<String>>,
    /// For `start`: CEL for the address to which the user is sent.
    pub redirect: Option<Spanned<String>>,
    /// For `start`: CEL for what stands as `{token}` in the connector's `client`, which the page shows.
    pub embed: Option<Spanned<String>>,
    /// For `start`: CEL for the number that the user compares, or chooses, on the other device.
    pub number: Option<Spanned<String>>,
    /// What of the answer stays readable in the vendor's own terms; nothing if not given.
    pub raw: Option<Raw>,
}

/// Forms of answers. All of them are read into the same data as JSON is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// RFC 8259; `body` is what it says.
    #[default]
    Json,
    /// One JSON value a line; `body` is a list.
    Jsonl,
    /// XML 1.0 without DTD: elements are fields, repeated ones lists, attributes `@name`, text beside them `$`.
    Xml,
    /// `application/x-www-form-urlencoded`; `body` is a mapping of texts.
    Form,
    /// A name, a separator and a value a line; `body` is a mapping of texts.
    KvLines,
    /// `body` is a list of lines.
    Lines,
    /// `body` is one text.
    Text,
    /// RFC 4180 with a head; `body` is a list of mappings of texts.
    Csv,
}

/// What an answer means.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutcomeRule {
    /// CEL, as in `map`.
    pub when: Spanned<String>,
    /// The class.
    pub then: Class,
    /// What an operator reads in the log: plain text.
    pub message: Option<Spanned<String>>,
}

/// What stays readable as `raw.<connector>.…`: taken out before anything is kept, logged or decided.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Raw {
    /// Paths that are kept: `data`, `data.usageType`, `reports[].at`.
    pub keep: Vec<Spanned<String>>,
    /// Paths inside these that are not.
    #[serde(default)]
    pub drop: Vec<Spanned<String>>,
    /// Largest size as JSON; a larger one is not kept at all. Default `8KiB`.
    pub max_bytes: Option<Spanned<Size>>,
    /// For how long; as long as the attributes if not given.
    pub ttl: Option<Duration>,
}
