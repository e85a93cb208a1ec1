//! What a vendor sends by itself (a webhook): how it is known to come from the vendor, and what it is about.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    connector::document::auth::{Encoding, HmacAlgorithm, KeyEncoding},
    yaml::{Spanned, units::Duration},
};

/// What a vendor sends to `/.stepward/inbound/<connector>`. Without a good signature nothing of it is read.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Receive {
    /// How it is known to come from the vendor.
    pub verify: Spanned<Verify>,
    /// CEL for the reference that `start` kept: what it is about.
    pub reference: Spanned<String>,
    /// CEL for the id of the message, which is the same when the vendor sends it again. Default: a digest of its body.
    pub event: Option<Spanned<String>>,
}

/// How a message is known to come from the vendor. Compared in constant time.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// What vouches for it.
    #[serde(rename = "type")]
    pub kind: Proof,
    /// For `hmac` and `token`: the header field that holds the signature, or the token.
    pub header: Option<Spanned<String>>,
    /// For `hmac`: the header is a list of `name=value`, divided by commas or spaces, and this name holds a signature; one
    /// that is good is enough.
    pub field: Option<Spanned<String>>,
    /// For `hmac`: what stands before the signature, such as `sha256=`.
    pub prefix: Option<Spanned<String>>,
    /// For `hmac`: the hash. Default `sha256`.
    #[serde(default)]
    pub algorithm: HmacAlgorithm,
    /// For `hmac`: the key, a template with the secret.
    pub key: Option<Spanned<String>>,
    /// For `hmac`: how the key is written. Default `text`.
    #[serde(default)]
    pub key_encoding: KeyEncoding,
    /// For `hmac`: how the signature is written. Default `hex`.
    #[serde(default)]
    pub encoding: Encoding,
    /// For `hmac`: what is hashed: a template of `${req.body}`, `${req.timestamp}`, `${req.header.<name>}`, `${req.method}`
    /// and `${req.path}`. Default `${req.body}`.
    pub string_to_sign: Option<Spanned<String>>,
    /// For `hmac`: where the message says when it was sent; it must be part of `string_to_sign`.
    pub timestamp: Option<Spanned<Timestamp>>,
    /// For `basic`: the name, a template.
    pub username: Option<Spanned<String>>,
    /// For `basic`: the password, a template with the secret.
    pub password: Option<Spanned<String>>,
    /// For `token`: what the header holds, a template with the secret, such as `Bearer ${secret.token}`.
    pub value: Option<Spanned<String>>,
}

/// What vouches for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// A keyed hash over the message (RFC 2104).
    Hmac,
    /// A name and a password (RFC 7617).
    Basic,
    /// A shared secret in a header.
    Token,
}

impl Proof {
    /// The word in files.
    pub fn name(self) -> &'static str {
        match self {
            Proof::Hmac => "hmac",
            Proof::Basic => "basic",
            Proof::Token => "token",
        }
    }
}

/// When a message was sent. One that is too old, or from the future, is refused.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timestamp {
    /// The header field that holds it.
    pub header: Option<Spanned<String>>,
    /// Its name in the list of the signature's header.
    pub field: Option<Spanned<String>>,
    /// What it counts since 1970. Default `seconds`.
    #[serde(default)]
    pub unit: Unit,
    /// By how much it may differ from our clock, `1s` to `1h`. Default `5m`.
    pub tolerance: Option<Duration>,
}

/// What a timestamp counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Seconds.
    #[default]
    Seconds,
    /// Milliseconds.
    Milliseconds,
}
