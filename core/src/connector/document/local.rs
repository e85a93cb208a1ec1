//! Data of the operator's own that is looked up instead of asking a vendor: a file, or a list that is downloaded.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::yaml::{
    Spanned,
    units::{Duration, Size},
};

/// What is looked up, and where it comes from: one of `path`, `url` and `urls`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Local {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: LocalKind,
    /// A file. It lies below the folder of connectors; one that lies elsewhere is named by a setting without a default.
    /// It is read again when it changes.
    pub path: Option<Spanned<String>>,
    /// Where it is downloaded from: a template that names settings and secrets only.
    pub url: Option<Spanned<String>>,
    /// Where its parts are downloaded from, where there are several; all of them together are the list.
    #[serde(default)]
    pub urls: Vec<Spanned<String>>,
    /// What is looked for: a template.
    pub key: Spanned<String>,
    /// What the entries of a `list` and the keys of a `table` are.
    #[serde(default)]
    pub entries: Entries,
    /// Whether a domain is also found by the domains above it: `mail.example.com` by `example.com`.
    #[serde(default)]
    pub parents: bool,
    /// How it is written; not for `mmdb`.
    #[serde(default)]
    pub format: LocalFormat,
    /// For `csv`: what stands between fields. Default `,`.
    pub separator: Option<Spanned<String>>,
    /// For `lines`: a regular expression whose first group is the entry. Lines that do not match are no entries.
    pub pattern: Option<Spanned<String>>,
    /// For `csv`, `jsonl` and `json`: the column or field that holds the entry.
    pub column: Option<Spanned<String>>,
    /// Fewer entries than this are taken for a list that was cut off. Default 1.
    pub entries_min: Option<u32>,
    /// How often it is downloaded, as in `12h`. Default `24h`.
    pub refresh: Option<Spanned<String>>,
    /// From which age on it says nothing any more, as in `3d`: a file's since it was written, a database's since it was
    /// built, a list's since its source last gave it or said that it has not changed. Default `7d` for what is
    /// downloaded, never for a file.
    pub stale_after: Option<Spanned<String>>,
    /// The largest that is read. Default 64MiB, and 1GiB for `mmdb`.
    pub max_bytes: Option<Spanned<Size>>,
    /// How long a download may take in all. Default `60s`.
    pub timeout: Option<Spanned<Duration>>,
}

/// What is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LocalKind {
    /// A database in MaxMind's format (version 2.0); `body` is the record of an address.
    Mmdb,
    /// Entries; `body` is whether the key is one.
    List,
    /// Networks and addresses, of which the narrowest that holds an address counts; `body` is its row, or for `lines`
    /// whether there is one.
    Cidr,
    /// Rows by the value of a column; `body` is the row.
    Table,
}

/// What entries are; they are compared in their one canonical form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Entries {
    /// Texts, compared letter by letter.
    #[default]
    Text,
    /// IP addresses.
    Ip,
    /// Domains, in any case and script.
    Domain,
}

/// How data is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LocalFormat {
    /// One entry a line; what follows `#` or `;` is a comment.
    #[default]
    Lines,
    /// RFC 4180 with a head.
    Csv,
    /// One JSON object a line; those without the `column` are no entries.
    Jsonl,
    /// A JSON list of objects, or of texts.
    Json,
}
