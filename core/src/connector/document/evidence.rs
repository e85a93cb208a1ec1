//! What a connector's file rests on.

use schemars::JsonSchema;
use serde::Deserialize;

/// What was read when the file was written, and what of it was found nowhere in writing.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Specifications, SDKs, documentation and other people's integrations, by name.
    #[serde(default)]
    pub read: Vec<String>,
    /// What was written from memory: the first things to look at when a vendor answers otherwise.
    #[serde(default)]
    pub from_memory: Vec<String>,
}
