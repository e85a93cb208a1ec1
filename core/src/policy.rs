//! A compiled policy: valid by construction, so that deciding cannot fail.
//!
//! `document` is the YAML as typed by people, `compile` turns documents into this or into every diagnostic at once.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    attribute::{Catalogue, Cost},
    decision::{Obligations, Outcome, Scope},
    event::{self, Cover, matcher::Standing},
    expr::Condition,
    facts::SlotId,
    session::Method,
    value::{Type, Value},
};

pub mod compile;
pub mod document;

/// What happens at one event.
#[derive(Debug)]
pub struct Policy {
    /// The event's name, unique in a release.
    pub event: Arc<str>,
    /// The file it came from, as the user names it.
    pub file: Arc<str>,
    /// The journey it belongs to.
    pub journey: Option<Arc<str>>,
    /// Events that are expected to have succeeded earlier in the session.
    pub after: Vec<Arc<str>>,
    /// One sentence for people.
    pub about: Option<Arc<str>>,
    /// Who answers for it.
    pub owner: Option<Arc<str>>,
    /// Enforced, only observed, or off.
    pub mode: Mode,
    /// When the flow runs.
    pub apply: Apply,
    /// Requests that are this event.
    pub covers: Vec<Cover>,
    /// Free attributes only; when it is false the next event that covers the request is tried.
    pub only_if: Option<Condition>,
    /// Values read from the request.
    pub facts: Vec<FactSource>,
    /// The dials that its conditions name as `settings.…`, by name.
    pub settings: BTreeMap<String, Value>,
    /// True when the response shows that the event succeeded.
    pub succeeded: Option<Condition>,
    /// True when the response shows that it failed.
    pub failed: Option<Condition>,
    /// Whether the session is over with this event, unless it failed.
    pub ends_session: bool,
    /// What collecting signals may cost.
    pub budget: Budget,
    /// What happens when a stricter rule could not be decided; `Challenge` or stricter.
    pub when_unsure: Outcome,
    /// What happens when no step spoke.
    pub otherwise: Outcome,
    /// The flow, top to bottom; `go_to` only goes forward.
    pub steps: Vec<Step>,
    /// Every attribute this policy can read; conditions refer to them by [`SlotId`].
    pub slots: Vec<Slot>,
    /// Values that every challenge of this policy is bound to (the union of its `bind_to`); empty for none.
    pub binds: Vec<SlotId>,
    /// How often a WebSocket or stream that began here is decided again, in milliseconds.
    pub recheck_ms: u64,
    /// What happens when the state store is lost; `None` takes the default for what the event requires.
    pub on_state_loss: OnStateLoss,
    /// Whether a body must be read to match or to read facts.
    pub reads_body: bool,
    /// Largest body that is read, in bytes.
    pub inspect_bytes_max: usize,
    /// Largest request that is kept for resuming, in bytes.
    pub park_bytes_max: usize,
    /// How long it is kept, in milliseconds.
    pub park_ms: u64,
    /// Origins besides our own whose cross-site unsafe requests may be parked.
    pub allowed_origins: Vec<Arc<str>>,
}

/// The name under which requests that are no event are challenged where their app asks for a proof; no policy has it.
pub const RESERVED_EVENT: &str = "app";

impl Policy {
    /// What [`event::matcher::Matcher`] has to know of it.
    pub fn recognised(&self) -> event::matcher::Event<'_> {
        let standing = match (self.mode, &self.only_if) {
            (Mode::Off, _) => Standing::Off,
            (Mode::Shadow, _) => Standing::Shadow,
            (Mode::Enforce, Some(_)) => Standing::Conditional,
            (Mode::Enforce, None) => Standing::Decides,
        };
        event::matcher::Event { covers: &self.covers, standing }
    }

    /// Every demand for a proof before carrying on, in the order of the steps.
    pub fn gates(&self) -> impl Iterator<Item = &Gate> {
        self.steps.iter().flat_map(|step| match &step.kind {
            StepKind::Require(gate) => vec![gate],
            StepKind::Split(split) => split.arms.iter().filter_map(|arm| arm.gate.as_ref()).collect(),
            StepKind::Decide(_) | StepKind::Finish(..) => Vec::new(),
        })
    }
}

/// Whether decisions are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Decided, logged and applied.
    Enforce,
    /// Decided and logged, not applied.
    Shadow,
    /// Not decided.
    Off,
}

/// When the flow runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Apply {
    /// Before the app sees the request.
    Before,
    /// After the app answered with success; its answer is withheld until the flow lets it go.
    AfterSuccess,
}

/// What happens to an event when the state store is lost (`research/state.md` §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnStateLoss {
    /// Refuse with 503 and `Retry-After`.
    Deny,
    /// Decide without state for at most a minute, then refuse.
    Degrade,
    /// Decide without state; for events where nothing is at stake.
    Allow,
}

/// What collecting signals may cost one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Milliseconds from the first question to the decision.
    pub time_ms: u64,
    /// Calls to attributes of cost [`Cost::Paid`].
    pub paid_calls: u32,
}

/// One attribute that a policy reads.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Its full name, such as `ip.risk_score` or `event.amount`.
    pub name: Arc<str>,
    /// Its declared type; a value of another type is unknown.
    pub kind: Type,
    /// What asking for it costs.
    pub cost: Cost,
    /// Where it is read.
    pub origin: Origin,
    /// Pseudonymised in every record.
    pub pii: bool,
}

impl Slot {
    /// Whether the gateway answers for it by itself, so that nobody outside is asked.
    pub fn is_own(&self) -> bool {
        match &self.origin {
            Origin::Catalogue => self.cost == Cost::Free || Catalogue::is_own(&self.name),
            Origin::Fact(_) | Origin::Remembered(_) | Origin::Request(_) | Origin::Response(_) => true,
        }
    }
}

/// Where an attribute is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Provided by the gateway or a connector under the slot's name.
    Catalogue,
    /// Read from the request as the policy's fact with this index.
    Fact(usize),
    /// `<fact>.is_known`: whether the subject has used this fact's value before, with success.
    Remembered(usize),
    /// Read from the request by a `where`.
    Request(Source),
    /// Read from the response; only in `succeeded` and `failed`.
    Response(ResponseSource),
}

/// A place in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `path.<parameter>`: a parameter of the pattern that matched.
    Path(Arc<str>),
    /// `query.<name>`.
    Query(Arc<str>),
    /// `header.<name>`, lower case.
    Header(Arc<str>),
    /// `cookie.<name>`.
    Cookie(Arc<str>),
    /// `body.a.b.c`: a field of a form, multipart or JSON body. A number is an index into a list.
    Body(Vec<Arc<str>>),
}

/// A place in a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseSource {
    /// `response.status`.
    Status,
    /// `response.header.<name>`, lower case.
    Header(Arc<str>),
}

/// A fact: a value read from the request and usable as `event.<name>`.
#[derive(Clone, Debug)]
pub struct FactSource {
    /// Its name without `event.`.
    pub name: Arc<str>,
    /// Where it is read.
    pub source: Source,
    /// Its declared type.
    pub kind: Type,
    /// Pseudonymised in every record.
    pub pii: bool,
    /// Whether it names the subject (a claim, not a proof, until the event succeeded).
    pub identifies_subject: bool,
    /// Whether its values are remembered per subject, which gives `<name>.is_known`.
    pub remembered: bool,
    /// Whether it is an address of the subject, and of which kind; trusted once this event succeeded.
    pub contact: Option<document::Contact>,
}

/// One node of the flow.
#[derive(Debug)]
pub struct Step {
    /// Its name for people; unique in the policy.
    pub label: Arc<str>,
    /// Keeps statistics across a rename; the label where none is given.
    pub id: Arc<str>,
    /// A step in shadow is decided and traced, and has no effect.
    pub mode: Mode,
    /// What it does.
    pub kind: StepKind,
}

/// What a step does.
#[derive(Debug)]
pub enum StepKind {
    /// The first rule whose condition holds decides; if none does, the next step is taken.
    Decide(Vec<Rule>),
    /// A gate: passes with a fresh enough proof, else challenges.
    Require(Gate),
    /// Sticky assignment to an arm.
    Split(Split),
    /// The end.
    Finish(Then, Obligations),
}

/// A condition and what follows from it.
#[derive(Debug)]
pub struct Rule {
    /// Its name for people; unique in the policy.
    pub label: Arc<str>,
    /// Keeps statistics across a rename.
    pub id: Arc<str>,
    /// When it fires.
    pub when: Condition,
    /// What follows.
    pub then: Then,
    /// What goes with it.
    pub obligations: Obligations,
}

/// What follows from a rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Then {
    /// The decision.
    Outcome(Outcome),
    /// Carry on at this step, always a later one.
    GoTo(usize),
}

/// A demand for a proof before carrying on.
#[derive(Clone, Debug)]
pub struct Gate {
    /// Any one of these, best first.
    pub methods: Vec<Method>,
    /// How old the proof may be, in milliseconds.
    pub fresh_for_ms: i64,
    /// What the proof must be bound to; empty for nothing.
    pub bind_to: Vec<SlotId>,
    /// Wrong answers allowed per account and method across sessions.
    pub attempts: u32,
    /// What happens when they are spent.
    pub on_fail: Outcome,
    /// Whether the page may offer to set up a method.
    pub enrol_allowed: bool,
    /// The group whose members may approve, where `approval` is one of the methods.
    pub approvers: Option<Arc<str>>,
}

/// A sticky experiment.
#[derive(Debug)]
pub struct Split {
    /// The experiment's name; also the seed of the assignment.
    pub experiment: Arc<str>,
    /// What keeps its arm.
    pub stick_to: Scope,
    /// The event that counts as success, as written.
    pub goal: Option<Arc<str>>,
    /// Metrics that must not worsen, as written.
    pub guardrails: Vec<Arc<str>>,
    /// The paths; their shares total 100.
    pub arms: Vec<Arm>,
}

/// One path of an experiment.
#[derive(Debug)]
pub struct Arm {
    /// Its name.
    pub name: Arc<str>,
    /// Percent of units, 0 to 100.
    pub share: u8,
    /// A gate that this arm puts in the way.
    pub gate: Option<Gate>,
    /// Where this arm carries on, always a later step; the next step if `None`.
    pub go_to: Option<usize>,
}
