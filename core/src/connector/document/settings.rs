//! What a connector is told by its operator (settings, secrets) and asked about (inputs, and what is derived of them).

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::yaml::Spanned;

/// A setting: not secret, and typed. Its value is under `config` in `stepward.yaml`, else its default.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Its type; if not given, that of its default.
    #[serde(rename = "type")]
    pub kind: Option<SettingKind>,
    /// Its value where the operator gives none.
    pub default: Option<Json>,
    /// Lowest value of an `int`.
    pub min: Option<i64>,
    /// Highest value of an `int`.
    pub max: Option<i64>,
    /// The values of an `enum`.
    #[serde(default)]
    pub values: Vec<String>,
    /// Whether the connector cannot run without the operator's value.
    #[serde(default)]
    pub required: bool,
    /// Whether pages may show it, such as a site key.
    #[serde(default)]
    pub public: bool,
    /// One sentence.
    pub about: Option<String>,
}

/// Types of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SettingKind {
    /// Text.
    String,
    /// A whole number.
    Int,
    /// `true` or `false`.
    Bool,
    /// An address that begins with `https://` (or `http://`, where `network: internal`).
    Url,
    /// One of `values`.
    Enum,
    /// A list of texts.
    List,
    /// A file of the operator's.
    Path,
}

/// A secret that is needed; its value is a reference under `secrets` in `stepward.yaml`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretNeed {
    /// Whether the connector cannot run without it. Default `true`.
    #[serde(default = "yes")]
    pub required: bool,
    /// One sentence.
    pub about: Option<String>,
}

fn yes() -> bool {
    true
}

/// An input. `ip`, `email`, `phone`, `user_id`, `user_name`, `user_agent`, `event`, `device_id`, `session_id`, `token`,
/// `action`, `password`, `outcome`, `code`, `message`, `locale`, `user_ref`, `verification_id` and `return_url` have a type of their own; any other name says its type.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: Option<InputKind>,
    /// Without it there is no call.
    #[serde(default)]
    pub required: bool,
    /// Longest value, in bytes; 4096 if not given. A longer one is not sent.
    pub max_len: Option<u32>,
    /// CEL over `input`; where it is not certainly false there is no call.
    pub skip_when: Option<Spanned<String>>,
    /// One sentence.
    pub about: Option<String>,
}

/// Types of inputs. A value that is not of its type is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// Text.
    String,
    /// An IPv4 or IPv6 address.
    Ip,
    /// An e-mail address.
    Email,
    /// A telephone number in E.164 form.
    Phone,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
    /// A password or the like: only `derived` and request bodies may use it; never kept, never in a cache's key.
    SecretString,
    /// The name of the event.
    JourneyEvent,
    /// A JSON object or list.
    Object,
}

/// The page half of a CAPTCHA, device or identity connector; made of public settings only.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// The vendor's script: a template of settings.
    pub script: Option<Spanned<String>>,
    /// Content-Security-Policy sources to allow, by directive.
    #[serde(default)]
    pub csp: indexmap::IndexMap<String, Vec<String>>,
    /// The form field in which the page sends the token.
    pub token_field: Option<String>,
    /// HTML put into the page: a template of settings. In it `{action}` is the event, and `{token}` what `embed` told.
    pub snippet: Option<Spanned<String>>,
}
