//! A connector file as people write it; `compile` makes it a [`super::Connector`]. One file for each part of it.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::yaml::Spanned;

pub mod auth;
pub mod evidence;
pub mod fixture;
pub mod local;
pub mod operation;
pub mod receive;
pub mod response;
pub mod settings;

/// One file `connectors/<id>/connector.yaml`. With `extends`, what is not written is the other's.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Its id: lower-case letters, digits and dashes; also the folder's name.
    pub connector: Spanned<String>,
    /// The id of a connector whose parts are taken over. `config`, `secrets`, `inputs` and `derived` are joined by name,
    /// `operations` too (each as a whole); anything else that is written here stands instead. Tests are not taken over.
    pub extends: Option<Spanned<String>>,
    /// The product's name for people.
    pub name: Option<String>,
    /// The class of source it belongs to, such as `ip_reputation`. Required, unless taken over.
    pub capability: Option<Spanned<String>>,
    /// Further classes whose attributes it tells.
    #[serde(default)]
    pub also_provides: Vec<Spanned<String>>,
    /// The file's own version, `1.0.0` and up.
    pub version: Option<String>,
    /// How it was verified.
    pub maturity: Option<Maturity>,
    /// What the file rests on.
    pub evidence: Option<evidence::Evidence>,
    /// How far the vendor's word goes, `A` (always) to `F` (cannot be judged), as in the Admiralty code.
    pub reliability: Option<Reliability>,
    /// Where the vendor describes the call.
    pub docs: Option<String>,
    /// One sentence.
    pub about: Option<String>,
    /// Where it may connect: `internet` (the default) or `internal`.
    pub network: Option<Network>,
    /// The hosts that settings may choose, `*.example.com` for any under it; any host if not given.
    #[serde(default)]
    pub hosts: Vec<Spanned<String>>,
    /// What one call costs, in the operator's currency. Anything above 0 counts against `budget.paid_calls`.
    pub price: Option<f64>,
    /// Whether a call is paid for where no price can be told; counts against `budget.paid_calls`.
    pub paid: Option<bool>,
    /// What leaves the house, and where it goes. Required, unless taken over.
    pub data: Option<Data>,
    /// Settings without secrets, by name.
    #[serde(default)]
    pub config: IndexMap<String, Spanned<settings::Setting>>,
    /// Secrets by name; their values are references in `stepward.yaml`.
    #[serde(default)]
    pub secrets: IndexMap<String, Spanned<settings::SecretNeed>>,
    /// What it is asked about, by name.
    #[serde(default)]
    pub inputs: IndexMap<String, Spanned<settings::Input>>,
    /// What is made of the inputs, in this order: CEL over `input`, `config` and what was derived before. It lives for
    /// one call; `${derived.<name>}` may leave the house only where all inputs it is made of may.
    #[serde(default)]
    pub derived: IndexMap<String, Spanned<String>>,
    /// How it proves who is calling: one way or a list of them.
    pub auth: Option<Spanned<auth::Auths>>,
    /// What can be asked, by name.
    #[serde(default)]
    pub operations: IndexMap<String, Spanned<operation::Operation>>,
    /// The page half of a CAPTCHA, device or identity connector.
    pub client: Option<settings::Page>,
    /// Fixtures, run by `stepward connector test`.
    #[serde(default)]
    pub tests: Vec<fixture::Fixture>,
}

/// How a connector was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Maturity {
    /// By calls to the vendor's own service.
    Live,
    /// Against the vendor's own specification, SDK or documentation; no live call was made.
    Documented,
    /// Against independent integrations or third-party descriptions; no live call was made.
    Secondary,
    /// Parts of it are from memory; no live call was made.
    Experimental,
    /// It is Stepward's own.
    BuiltIn,
}

/// How far a source's word goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
pub enum Reliability {
    /// Completely reliable.
    A,
    /// Usually reliable.
    B,
    /// Fairly reliable.
    C,
    /// Not usually reliable.
    D,
    /// Unreliable.
    E,
    /// Cannot be judged.
    F,
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
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Every input that is sent; an input that is used and not listed is an error. A derived value is listed by its
    /// own name (`sha1_prefix`) where only it is sent, and not the input it was made of.
    pub sends: Vec<Spanned<String>>,
    /// What comes back about people, in words.
    #[serde(default)]
    pub receives: Vec<String>,
    /// Where the data is processed.
    #[serde(default)]
    pub regions: Vec<String>,
}
