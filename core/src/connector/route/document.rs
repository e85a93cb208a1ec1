//! A route file as people write it; [`super::compile`] makes it a [`super::Route`].

use std::sync::Arc;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::yaml::{
    Spanned,
    units::{Day, Duration, Share},
};

/// One file `connectors/routes/<capability>.yaml`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The capability it serves; also the file's name.
    pub capability: Spanned<String>,
    /// How the connectors work together.
    #[serde(default)]
    pub strategy: Strategy,
    /// What asking may take in all.
    pub budget: Option<Budget>,
    /// Who is asked, best first.
    pub connectors: Vec<Spanned<Member>>,
    /// Asks the next connector when the one before is slow; the first answer that counts wins, the other call is
    /// cancelled. Not with `strategy: all`.
    pub hedge: Option<Spanned<Hedge>>,
    /// When a connector is left alone, by its failures and slow calls.
    pub breaker: Option<Spanned<Breaker>>,
    /// For `strategy: all`, how the answers about an attribute become one; `"*"` for all others, `first` if not given.
    #[serde(default)]
    pub combine: IndexMap<String, Spanned<Combine>>,
    /// Levels made from scores, where no vendor tells the level.
    #[serde(default)]
    pub levels: IndexMap<String, Spanned<Level>>,
    /// How long an answer that is past its time still serves when nobody answers.
    pub stale_if_error: Option<Duration>,
    /// What attributes are when nobody answers: `unknown`, or `assume` with the values of `assume`.
    #[serde(default)]
    pub on_unavailable: OnUnavailable,
    /// The values for `on_unavailable: assume`.
    pub assume: Option<Spanned<Assume>>,
    /// Connectors that are tried out: asked after the decision, and never used for it.
    #[serde(default)]
    pub shadow: Vec<Spanned<Shadow>>,
    /// What must come of the route when its connectors answer so; run by `stepward connector test`.
    #[serde(default)]
    pub tests: Vec<Test>,
}

/// How the connectors of a route work together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// One after the other until one answers.
    #[default]
    Priority,
    /// One after the other until every attribute that is wanted has a value; a value is never overwritten.
    FillMissing,
    /// All at the same time; their answers are combined.
    All,
}

/// What asking may take in all.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Time for the whole route, cut from the event's own.
    pub time: Option<Duration>,
    /// Money a day (UTC) for paid calls of this route on one node, in the operator's currency, shadows not counted.
    pub spend_per_day: Option<f64>,
}

/// A connector's place in a route.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its id.
    pub connector: String,
    /// How long it may take here; never longer than its own time or what is left of the event's budget.
    pub timeout: Option<Duration>,
    /// What its answer weighs in `weighted_average`; 1 if not given.
    pub weight: Option<f64>,
}

/// When a slow connector is overtaken.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hedge {
    /// How long it may take before the next one is asked as well.
    pub after: Duration,
    /// Most of a connector's calls that may be hedged; `5%` if not given.
    pub max_extra: Option<Share>,
}

/// When a connector is left alone. What is not given keeps its default.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Breaker {
    /// Failures in a row that open it; 5 if not given.
    pub failures: Option<u32>,
    /// How many of the newest calls are looked at for rates, 4 to 64; 20 if not given.
    pub window: Option<u32>,
    /// Share of those calls that failed at which it opens; `50%` if not given.
    pub failure_rate: Option<Share>,
    /// From when on a call is slow; without it no call is.
    pub slow_call: Option<Duration>,
    /// Share of those calls that were slow or failed at which it opens; `80%` if not given.
    pub slow_rate: Option<Share>,
    /// How long it stays open at first, then twice as long after each probe that fails; `10s` if not given.
    pub open_for: Option<Duration>,
    /// How long it stays open at most; `5m` if not given.
    pub open_at_most: Option<Duration>,
}

/// How several answers about one attribute become one. Who did not answer has no vote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Combine {
    /// That of the first connector that knows.
    #[default]
    First,
    /// True if any says so.
    Any,
    /// True if all say so.
    All,
    /// What most say; between equals the first connector's.
    Majority,
    /// The largest number.
    Max,
    /// The smallest number.
    Min,
    /// The mean.
    Average,
    /// The mean by the connectors' weights.
    WeightedAverage,
    /// The middle; of an even count the mean of the two in the middle.
    Median,
    /// For scores from 0 to 100: what stays when each is an independent chance, `100·(1−∏(1−x/100))`.
    NoisyOr,
    /// Every element of all lists, once.
    Union,
}

/// A level made from a score.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// The score's attribute.
    pub from: String,
    /// From here on `low`; below it `none`.
    pub low: f64,
    /// From here on `medium`.
    pub medium: f64,
    /// From here on `high`.
    pub high: f64,
    /// From here on `critical`.
    pub critical: f64,
}

/// What attributes are when nobody answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnUnavailable {
    /// Unknown: never false, never 0.
    #[default]
    Unknown,
    /// What `assume` says; `check` warns, because a value can let in whom the unknown would not.
    Assume,
}

/// Values that stand in when nobody answers.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assume {
    /// Why this is right here; one sentence.
    pub because: String,
    /// The values, by attribute.
    pub values: IndexMap<String, Spanned<Json>>,
}

/// A connector that is tried out.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shadow {
    /// Its id.
    pub connector: String,
    /// The share of decisions after which it is asked.
    pub sample: Share,
    /// Money a day (UTC) it may cost on one node; a connector with a price needs it.
    pub spend_per_day: Option<f64>,
    /// The last day (UTC) on which it is asked.
    pub until: Day,
    /// Allows it to be sent inputs that no connector of the route is sent.
    #[serde(default)]
    pub may_send_more: bool,
}

/// What must come of a route.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// What it shows.
    pub name: Arc<str>,
    /// What is asked about; if not given, the input of the first fixture in `given`.
    #[serde(default)]
    pub input: IndexMap<String, String>,
    /// What each connector does, by id; who is not named is never to be asked.
    pub given: IndexMap<String, Given>,
    /// What must come of it.
    pub expect: Expected,
}

/// What a connector does in a test: answers as in one of its fixtures, or fails.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// The name of a fixture in its own file; its `input` is the question.
    pub fixture: Option<String>,
    /// A failure.
    pub fail: Option<Failure>,
    /// How long it takes before it does so.
    pub after: Option<Duration>,
}

/// How a connector fails in a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// Its server fails.
    Unavailable,
    /// It says that there were too many questions.
    RateLimited,
    /// It refuses the key.
    ConfigError,
    /// It says something else than was agreed.
    ContractError,
    /// It never answers.
    Stalled,
}

/// What must come of a route; only what is given is compared.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Attributes; null for unknown.
    #[serde(default)]
    pub attributes: IndexMap<String, Json>,
    /// By which way they came.
    #[serde(default)]
    pub paths: IndexMap<String, crate::facts::Path>,
    /// The connectors that were asked, in the order of the route.
    pub asked: Option<Vec<String>>,
}
