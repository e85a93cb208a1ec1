//! Policy files as people type them: one type for each mapping, unknown keys refused, every place kept.
//!
//! Nothing is resolved or judged here; that is `compile`. The descriptions below are what editors show.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    decision::Scope,
    policy::{Apply, Mode},
    session::Method,
    value::Type,
    yaml::{
        Entries, Spanned,
        units::{Duration, Rate, Size},
    },
};

mod read;
mod shape;

/// A file in `policies/`: an event's policy, or a flow that policies use.
#[derive(Debug)]
pub enum Document {
    /// Begins with `event:`.
    Event(Box<Event>),
    /// Begins with `flow:`.
    Flow(Flow),
}

/// One event: which requests are it, and what happens at it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Stepward event policy")]
pub struct Event {
    /// The event's name as people say it, such as `transfer money`; unique among all policies.
    pub event: Spanned<String>,
    /// The journey it belongs to, such as `payments`.
    pub journey: Option<String>,
    /// Events that are expected to have succeeded earlier in the session; else `journey.out_of_order` is true.
    #[serde(default)]
    pub after: Vec<Spanned<String>>,
    /// What this policy is for, in one sentence.
    pub about: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// `enforce` acts, `shadow` only records what it would have done, `off` does neither.
    #[serde(default = "enforce")]
    pub mode: Mode,
    /// `before` decides before the app sees the request; `after_success` lets the app answer first and withholds its
    /// answer until the policy lets it go.
    #[serde(default = "before")]
    pub apply: Apply,
    /// Requests that are this event: `METHOD host/path`, with `{name}`, `*` and a final `**`; the host is optional.
    pub covers: Vec<Spanned<Covers>>,
    /// The policy applies only where this holds (free attributes only); else the next event that covers the request.
    pub only_if: Option<When>,
    /// Values read from the request, usable as `event.NAME`.
    #[serde(default)]
    pub facts: Entries<Fact>,
    /// Holds when the response shows that the event succeeded, such as `response.status in [200, 303]`.
    pub succeeded: Option<When>,
    /// Holds when the response shows that the event failed.
    pub failed: Option<When>,
    /// Signing out: what was proved in the session is over with this event, unless the response shows that it failed.
    pub ends_session: Option<Spanned<bool>>,
    /// Values to tune without touching a rule, usable as `settings.NAME`.
    #[serde(default)]
    pub settings: Entries<Setting>,
    /// What collecting signals may cost one request.
    #[serde(default)]
    pub budget: Budget,
    /// What happens when a stricter rule could not be decided; `challenge` or stricter.
    pub when_unsure: Spanned<Outcome>,
    /// What happens when no step spoke.
    pub otherwise: Spanned<Outcome>,
    /// What happens at this event, top to bottom; the first outcome ends it.
    #[serde(default)]
    pub steps: Vec<Spanned<Step>>,
    /// How often a WebSocket or stream that began here is decided again; default `5m`.
    pub recheck: Option<Duration>,
    /// What happens when the state store is lost; default `deny`. `step_up_local` is not built yet.
    pub on_state_loss: Option<Spanned<OnStateLoss>>,
    /// The largest body that is read; default `256KiB`.
    pub inspect_max: Option<Spanned<Size>>,
    /// The largest request that is kept while somebody is challenged; default `1MiB`.
    pub park_max: Option<Spanned<Size>>,
    /// How long it is kept; default `10m`.
    pub park_for: Option<Spanned<Duration>>,
    /// Other sites whose requests may be kept, such as `https://shop.example.com`.
    #[serde(default)]
    pub allow_origins: Vec<Spanned<String>>,
}

/// What happens to an event when the state store is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnStateLoss {
    /// Refuse with 503 and `Retry-After`.
    Deny,
    /// Challenge by a method that needs no state. Not built yet: an error at load.
    StepUpLocal,
    /// Decide without state for at most a minute, then refuse.
    Degrade,
    /// Decide without state; for events where nothing is at stake.
    Allow,
}

/// Steps that several policies use: `use: NAME`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Stepward flow")]
pub struct Flow {
    /// The flow's name; unique among all flows.
    pub flow: Spanned<String>,
    /// What it is for, in one sentence.
    pub about: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Values to tune; a policy that uses the flow may set its own.
    #[serde(default)]
    pub settings: Entries<Setting>,
    /// The steps, put in place of `use`.
    pub steps: Vec<Spanned<Step>>,
}

/// Which requests.
#[derive(Debug)]
pub struct Covers {
    /// `METHOD host/path`.
    pub request: Spanned<String>,
    /// What else must hold: a condition on `body`, `query`, `header`, `cookie`, `path` and `request`.
    pub also: Option<When>,
}

/// What follows `request:`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CoversRest {
    /// `METHOD host/path`.
    pub request: Spanned<String>,
    /// What else must hold: a condition on `body`, `query`, `header`, `cookie`, `path` and `request`.
    #[serde(rename = "where")]
    pub also: Option<When>,
}

/// A condition, or lists of conditions.
#[derive(Clone, Debug)]
pub enum When {
    /// One condition.
    One(Spanned<String>),
    /// Lists of conditions; all three have to be met.
    Lists(WhenLists),
}

/// Lists of conditions; all three have to be met.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WhenLists {
    /// Every one of these holds.
    #[serde(default)]
    pub all: Vec<Spanned<String>>,
    /// At least one of these holds.
    #[serde(default)]
    pub any: Vec<Spanned<String>>,
    /// Not one of these holds.
    #[serde(default)]
    pub none: Vec<Spanned<String>>,
}

/// A value read from the request.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// Where it stands: `body.a.b`, `query.x`, `header.x`, `cookie.x` or `path.x`.
    pub from: Spanned<String>,
    /// What it is; a value of another type is unknown.
    #[serde(rename = "type")]
    pub kind: FactType,
    /// Personal data: pseudonymised in every record.
    #[serde(default)]
    pub pii: bool,
    /// It names who is asking: a claim, not a proof, until the event succeeded.
    pub identifies: Option<OnlySubject>,
    /// Its values are remembered for each subject once the event succeeded; gives `NAME.is_known`.
    pub remember: Option<OnlySubject>,
    /// It is an address of the subject, trusted once the event succeeded.
    pub contact: Option<Contact>,
}

/// The type of a fact.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum FactType {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// A number.
    Number,
    /// Text.
    Text,
    /// A moment.
    Time,
    /// A length of time.
    Duration,
    /// An IP address.
    Ip,
    /// A list of text.
    List,
}

impl FactType {
    /// The type of its values.
    pub fn kind(self) -> Type {
        match self {
            FactType::Bool => Type::Bool,
            FactType::Int => Type::Int,
            FactType::Number => Type::Number,
            FactType::Text => Type::Text,
            FactType::Time => Type::Time,
            FactType::Duration => Type::Duration,
            FactType::Ip => Type::Ip,
            FactType::List => Type::List,
        }
    }
}

/// The word `subject`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum OnlySubject {
    /// The subject.
    Subject,
}

/// What kind of address.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Contact {
    /// An e-mail address.
    Email,
    /// A telephone number, as E.164 has it: `+` and up to fifteen digits.
    Phone,
}

/// The word `allowed`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Enrol {
    /// The page may offer to set up a method.
    Allowed,
}

/// A value to tune.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Number(f64),
    /// Text; a length of time is written as text and read by `duration(settings.x)`.
    Text(Arc<str>),
    /// Several of one type.
    List(Vec<Setting>),
}

/// What collecting signals may cost one request.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// The longest time a request may wait for signals; default `1s`.
    pub time: Option<Duration>,
    /// How many paid vendor calls one request may cause; default 3.
    pub paid_calls: Option<u32>,
}

/// One step; its first key says what it is, the value of that key is its name.
#[derive(Clone, Debug)]
pub enum Step {
    /// Rules.
    Decide(Spanned<String>, Decide),
    /// A gate.
    Require(Spanned<String>, Require),
    /// An experiment.
    Split(Spanned<String>, Split),
    /// The end.
    Finish(Spanned<String>, Finish),
    /// The steps of a flow.
    Use(Spanned<String>),
}

/// Rules: the first whose condition holds decides; if none holds, the next step is taken.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Decide {
    /// Keeps statistics across a rename.
    pub id: Option<String>,
    /// `shadow`: decided and recorded, without effect.
    #[serde(default = "enforce")]
    pub mode: Mode,
    /// Read top to bottom; order is policy and cost.
    pub rules: Vec<Spanned<Rule>>,
}

/// A proof that has to be given before carrying on; passed at once while it is fresh.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Require {
    /// Keeps statistics across a rename.
    pub id: Option<String>,
    /// `shadow`: decided and recorded, without effect.
    #[serde(default = "enforce")]
    pub mode: Mode,
    /// Any one of these, best first.
    pub proof: Vec<Spanned<Method>>,
    /// Who may give an `approval`: a group of `approvals.groups` in `stepward.yaml`.
    pub approvers: Option<Spanned<String>>,
    /// Only methods that resist phishing count, whatever else is listed.
    pub phishing_resistant: Option<Spanned<bool>>,
    /// How old the proof may be; default `5m`.
    pub fresh_for: Option<Spanned<Duration>>,
    /// Values the proof is for, shown to the user; a change voids it.
    #[serde(default)]
    pub bind_to: Vec<Spanned<String>>,
    /// Wrong answers allowed; default 5.
    pub attempts: Option<Spanned<u32>>,
    /// What happens when they are spent; default `block`.
    pub on_fail: Option<Spanned<Outcome>>,
    /// `allowed`: the page may offer to set up a method.
    pub enrol: Option<Spanned<Enrol>>,
}

/// An experiment: units are divided between arms, and keep theirs.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// Keeps statistics across a rename.
    pub id: Option<String>,
    /// `shadow`: assigned and recorded, without effect.
    #[serde(default = "enforce")]
    pub mode: Mode,
    /// The experiment's name; also the seed of the assignment.
    pub experiment: String,
    /// What keeps its arm: `subject`, `session` or `device`.
    pub stick_to: Spanned<Scope>,
    /// What counts as success, such as `login succeeded`.
    pub goal: Option<String>,
    /// What must not worsen, such as `challenge abandoned`.
    #[serde(default)]
    pub guardrails: Vec<String>,
    /// The paths; their shares total 100.
    pub arms: Vec<Spanned<Arm>>,
}

/// One path of an experiment.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    /// Its name.
    pub arm: String,
    /// Percent.
    pub share: u8,
    /// A proof that this arm requires: any one of these, best first.
    pub require: Option<Vec<Spanned<Method>>>,
    /// Who may give an `approval`: a group of `approvals.groups` in `stepward.yaml`.
    pub approvers: Option<Spanned<String>>,
    /// Only methods that resist phishing count, whatever else is listed.
    pub phishing_resistant: Option<Spanned<bool>>,
    /// How old the proof may be; default `5m`.
    pub fresh_for: Option<Spanned<Duration>>,
    /// Values the proof is for.
    #[serde(default)]
    pub bind_to: Vec<Spanned<String>>,
    /// Wrong answers allowed; default 5.
    pub attempts: Option<Spanned<u32>>,
    /// What happens when they are spent; default `block`.
    pub on_fail: Option<Spanned<Outcome>>,
    /// `allowed`: the page may offer to set up a method.
    pub enrol: Option<Spanned<Enrol>>,
    /// Carry on at this later step instead of the next.
    pub go_to: Option<Spanned<String>>,
}

/// The end of the flow.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finish {
    /// Keeps statistics across a rename.
    pub id: Option<String>,
    /// `shadow`: recorded, without effect.
    #[serde(default = "enforce")]
    pub mode: Mode,
    /// What happens.
    pub then: Spanned<Outcome>,
    /// Key of the message that the user sees.
    pub tell: Option<String>,
    /// Whom to write to: `subject`, by mail, where an address is known.
    pub notify: Option<Spanned<Words>>,
    /// Marks for search and statistics.
    #[serde(default)]
    pub tag: Words,
    /// Counters to raise by one.
    #[serde(default)]
    pub count: Words,
}

/// A rule and its name.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name for people.
    pub name: Spanned<String>,
    /// The rest.
    pub body: RuleBody,
}

/// What follows `rule:`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleBody {
    /// Keeps statistics across a rename.
    pub id: Option<String>,
    /// When it fires.
    pub when: When,
    /// What follows.
    pub then: Spanned<Outcome>,
    /// Key of the message that the user sees; the reason itself is never shown.
    pub tell: Option<String>,
    /// Whom to write to: `subject`, by mail, where an address is known.
    pub notify: Option<Spanned<Words>>,
    /// Marks for search and statistics.
    #[serde(default)]
    pub tag: Words,
    /// Counters to raise by one; read as `subject.counted.NAME_24h`.
    #[serde(default)]
    pub count: Words,
}

/// A word or a list of words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(pub Vec<String>);

/// What becomes of the request.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// `forward`, or `{ forward: { … } }`.
    Forward(Forward),
    /// `{ throttle: { rate, per } }`.
    Throttle(Throttle),
    /// `{ challenge: [methods] }`.
    Challenge(Challenge),
    /// `{ reroute: path or upstream }`.
    Reroute(Spanned<String>),
    /// `block`.
    Block,
    /// `{ lock_out: what, for: 30m }`.
    LockOut(LockOut),
    /// `{ go_to: step }`; only in rules and finishes.
    GoTo(Spanned<String>),
}

/// Lets the request through, reduced or marked.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Forward {
    /// Headers set towards the app.
    #[serde(default)]
    pub headers: Entries<Spanned<String>>,
    /// Only these scopes of the token are named to the app.
    #[serde(default)]
    pub narrow_scopes: Vec<String>,
    /// Over this rate, 429.
    pub max_rate: Option<Rate>,
}

/// Lets the request through within a rate; over it, 429.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Throttle {
    /// The rate, such as `5/min`.
    pub rate: Rate,
    /// Whose requests count together; default `subject`, else the address.
    pub per: Option<Scope>,
}

/// Asks for a proof, then lets the request through.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    /// Any one of these, best first.
    pub challenge: Vec<Spanned<Method>>,
    /// Only methods that resist phishing count, whatever else is listed.
    pub phishing_resistant: Option<Spanned<bool>>,
    /// How old the proof may be; default `5m`.
    pub fresh_for: Option<Spanned<Duration>>,
    /// Wrong answers allowed; default 5.
    pub attempts: Option<Spanned<u32>>,
    /// What happens when they are spent; default `block`.
    pub on_fail: Option<Box<Spanned<Outcome>>>,
    /// `allowed`: the page may offer to set up a method.
    pub enrol: Option<Spanned<Enrol>>,
}

/// Refuses the request, and everything like it for a while.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockOut {
    /// What is locked: `subject`, `session`, `ip` or `device`.
    pub lock_out: Spanned<Scope>,
    /// For how long.
    #[serde(rename = "for")]
    pub time: Duration,
}

fn enforce() -> Mode {
    Mode::Enforce
}

fn before() -> Apply {
    Apply::Before
}
