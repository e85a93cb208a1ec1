//! What was decided, why, and what has to happen. A decision is data: the shell carries it out.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{facts::SlotId, session::Method};

pub(crate) mod phrase;

/// What becomes of the request.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Let it through.
    Forward(Forward),
    /// Let it through while it comes seldom enough, else 429.
    Throttle(Throttle),
    /// Ask for a proof first.
    Challenge(Challenge),
    /// Send it somewhere else.
    Reroute(Reroute),
    /// Refuse it.
    Block,
    /// Refuse it, and everything like it for a while.
    LockOut(LockOut),
}

/// The word for an outcome, ordered by strictness:
/// forward < throttle < challenge < reroute < block < lock_out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// See [`Outcome::Forward`].
    Forward,
    /// See [`Outcome::Throttle`].
    Throttle,
    /// See [`Outcome::Challenge`].
    Challenge,
    /// See [`Outcome::Reroute`].
    Reroute,
    /// See [`Outcome::Block`].
    Block,
    /// See [`Outcome::LockOut`].
    LockOut,
}

impl Verb {
    /// The word as policies write it.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Forward => "forward",
            Verb::Throttle => "throttle",
            Verb::Challenge => "challenge",
            Verb::Reroute => "reroute",
            Verb::Block => "block",
            Verb::LockOut => "lock_out",
        }
    }
}

impl Outcome {
    /// The word for this outcome.
    pub fn verb(&self) -> Verb {
        match self {
            Outcome::Forward(_) => Verb::Forward,
            Outcome::Throttle(_) => Verb::Throttle,
            Outcome::Challenge(_) => Verb::Challenge,
            Outcome::Reroute(_) => Verb::Reroute,
            Outcome::Block => Verb::Block,
            Outcome::LockOut(_) => Verb::LockOut,
        }
    }
}

/// How to let a request through.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forward {
    /// Headers set towards the app, after Stepward's own were set.
    pub headers: Vec<(Arc<str>, Arc<str>)>,
    /// Only these scopes of the bearer token are named in `Stepward-Scopes`; empty means all.
    pub narrow_scopes: Vec<Arc<str>>,
    /// Over this rate, 429.
    pub max_rate: Option<Rate>,
}

/// So many in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// At most this many, 1 or more.
    pub count: u32,
    /// In this many milliseconds.
    pub window_ms: u64,
}

/// A pace for requests, and whose.
#[derive(Clone, Debug, PartialEq)]
pub struct Throttle {
    /// The pace.
    pub rate: Rate,
    /// Whose requests count together.
    pub per: Scope,
}

/// What a counter or a lock-out holds on to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The account.
    Subject,
    /// The session.
    Session,
    /// The client's address (IPv6 by its /64).
    Ip,
    /// The device cookie.
    Device,
    /// Account and address together.
    Pair,
}

/// A demand for a proof.
#[derive(Clone, Debug, PartialEq)]
pub struct Challenge {
    /// Any one of these, best first.
    pub methods: Vec<Method>,
    /// How old the proof may be when the request is decided again, in milliseconds.
    pub fresh_for_ms: i64,
    /// What the proof is bound to, if anything.
    pub binding: Option<Binding>,
    /// Wrong answers allowed per account and method across sessions.
    pub attempts: u32,
    /// What happens when the attempts are spent.
    pub on_fail: Box<Outcome>,
    /// Whether the page may offer to set up a method.
    pub enrol_allowed: bool,
    /// Whose approval counts and what for, where `approval` is one of the methods.
    pub approval: Option<Approval>,
}

/// Whose approval is asked for, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The group whose members may give it.
    pub group: Arc<str>,
    /// SHA-256 over the group, the event and every bound value: an approval by one group is none by another, and none of
    /// other values. What a proof by approval is bound to, in place of [`Binding::digest`].
    pub digest: [u8; 32],
}

/// What a proof is bound to: a change of any value voids it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// SHA-256 over the event and every bound name and value, length-prefixed.
    pub digest: [u8; 32],
    /// The attributes, to be shown to the user in this order.
    pub slots: Vec<SlotId>,
}

/// Where a rerouted request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reroute {
    /// A path on the same host, by 303.
    Path(Arc<str>),
    /// Another upstream from `stepward.yaml`, same request.
    Upstream(Arc<str>),
}

/// A refusal that lasts.
#[derive(Clone, Debug, PartialEq)]
pub struct LockOut {
    /// What is locked. For a merely claimed subject, `Subject` locks the pair of subject and device or address.
    pub what: Scope,
    /// For how long, in milliseconds.
    pub for_ms: u64,
}

/// Why: a closed list, so that every refusal can be searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Reason {
    /// A rule fired.
    #[serde(rename = "rule")]
    Rule,
    /// A `require` step has no proof fresh enough.
    #[serde(rename = "proof.required")]
    ProofRequired,
    /// A `finish` step was reached.
    #[serde(rename = "finish")]
    Finish,
    /// No step spoke.
    #[serde(rename = "otherwise")]
    Otherwise,
    /// A stricter rule could not be decided.
    #[serde(rename = "when_unsure")]
    WhenUnsure,
    /// The challenge that was decided had been met already.
    #[serde(rename = "proof.accepted")]
    ProofAccepted,
    /// A proof is bound to a value that is unknown.
    #[serde(rename = "binding.unknown")]
    BindingUnknown,
    /// No listed method can be run here.
    #[serde(rename = "challenge.impossible")]
    ChallengeImpossible,
    /// Wrong answers are spent.
    #[serde(rename = "attempts.spent")]
    AttemptsSpent,
    /// A lock-out holds.
    #[serde(rename = "locked_out")]
    LockedOut,
    /// Over the rate.
    #[serde(rename = "rate.exceeded")]
    RateExceeded,
    /// The request's path reads as two different events.
    #[serde(rename = "path.ambiguous")]
    PathAmbiguous,
    /// The request is malformed or has no safe reading.
    #[serde(rename = "request.malformed")]
    RequestMalformed,
    /// The body is larger than the event may inspect.
    #[serde(rename = "body.too_large")]
    BodyTooLarge,
    /// The body does not parse, or names a field twice.
    #[serde(rename = "body.malformed")]
    BodyMalformed,
    /// The body is of a kind the event cannot read.
    #[serde(rename = "body.unsupported")]
    BodyUnsupported,
    /// The host is not configured here.
    #[serde(rename = "host.unknown")]
    HostUnknown,
    /// An event that needs a session came over plain http.
    #[serde(rename = "transport.insecure")]
    TransportInsecure,
    /// An unsafe request came from another site.
    #[serde(rename = "request.cross_site")]
    CrossSite,
    /// The state store did not answer in time.
    #[serde(rename = "state.unavailable")]
    StateUnavailable,
    /// What was to be resumed is gone, used, or someone else's.
    #[serde(rename = "resume.gone")]
    ResumeGone,
    /// The app asked for a proof by its answer.
    #[serde(rename = "app.asked")]
    AppAsked,
    /// The app asked for a proof that it had been told of already.
    #[serde(rename = "app.asked_again")]
    AppAskedAgain,
    /// What the app asked for does not read as a list of methods.
    #[serde(rename = "app.malformed")]
    AppMalformed,
    /// What was to be resumed waits at another node, which did not get this request; it still waits there.
    #[serde(rename = "resume.elsewhere")]
    ResumeElsewhere,
    /// Something of ours broke; refused, never let through.
    #[serde(rename = "internal")]
    Internal,
}

impl Reason {
    /// The code as logs and problem documents write it.
    pub fn code(self) -> &'static str {
        match self {
            Reason::Rule => "rule",
            Reason::ProofRequired => "proof.required",
            Reason::Finish => "finish",
            Reason::Otherwise => "otherwise",
            Reason::WhenUnsure => "when_unsure",
            Reason::ProofAccepted => "proof.accepted",
            Reason::BindingUnknown => "binding.unknown",
            Reason::ChallengeImpossible => "challenge.impossible",
            Reason::AttemptsSpent => "attempts.spent",
            Reason::LockedOut => "locked_out",
            Reason::RateExceeded => "rate.exceeded",
            Reason::PathAmbiguous => "path.ambiguous",
            Reason::RequestMalformed => "request.malformed",
            Reason::BodyTooLarge => "body.too_large",
            Reason::BodyMalformed => "body.malformed",
            Reason::BodyUnsupported => "body.unsupported",
            Reason::HostUnknown => "host.unknown",
            Reason::TransportInsecure => "transport.insecure",
            Reason::CrossSite => "request.cross_site",
            Reason::StateUnavailable => "state.unavailable",
            Reason::ResumeGone => "resume.gone",
            Reason::AppAsked => "app.asked",
            Reason::AppAskedAgain => "app.asked_again",
            Reason::AppMalformed => "app.malformed",
            Reason::ResumeElsewhere => "resume.elsewhere",
            Reason::Internal => "internal",
        }
    }
}

/// Whom `notify` writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notified {
    /// The verified subject, at the address that codes go to.
    Subject,
}

/// Things that accompany an outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Obligations {
    /// Key of the message the user sees.
    pub tell: Option<Arc<str>>,
    /// Whom to write to.
    pub notify: Vec<Notified>,
    /// Marks for search and statistics.
    pub tag: Vec<Arc<str>>,
    /// Counters to raise by one.
    pub count: Vec<Arc<str>>,
}

/// What one step did while deciding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The step's label.
    pub step: Arc<str>,
    /// The rule, arm or method it turned on, if one.
    pub label: Option<Arc<str>>,
    /// What came of it.
    pub came: Came,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Came {
    /// No rule fired; the next step was taken.
    Silent,
    /// A rule fired and ended or moved the flow.
    Fired,
    /// A stricter rule could not be decided.
    Undecided,
    /// The gate was open: a proof is fresh.
    Passed,
    /// The gate was shut.
    Shut,
    /// An experiment assigned this arm.
    Assigned,
    /// A shadow step would have spoken.
    WouldHave,
}

/// The answer to one request at one event.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// What becomes of the request.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// The step that decided, by label; `None` for `otherwise` and refusals before the flow.
    pub step: Option<Arc<str>>,
    /// The rule that decided, by label.
    pub rule: Option<Arc<str>>,
    /// What goes with it.
    pub obligations: Obligations,
    /// Experiments this request took part in: experiment and arm.
    pub arms: Vec<(Arc<str>, Arc<str>)>,
    /// What each step did, in order.
    pub trace: Vec<Trace>,
}

impl Decision {
    /// The same decision once the wrong answers to its challenge are spent: what the challenge says then happens,
    /// for [`Reason::AttemptsSpent`]. Anything but a challenge stays as it is.
    pub fn attempts_spent(self) -> Self {
        let Outcome::Challenge(challenge) = self.outcome else {
            return self;
        };
        let outcome = match *challenge.on_fail {
            Outcome::Challenge(next) if next.binding.is_none() => {
                Outcome::Challenge(Challenge { binding: challenge.binding, ..next })
            }
            outcome => outcome,
        };
        Decision { outcome, reason: Reason::AttemptsSpent, ..self }
    }

    /// A refusal that no policy step made.
    pub fn refused(reason: Reason) -> Self {
        Decision {
            outcome: Outcome::Block,
            reason,
            step: None,
            rule: None,
            obligations: Obligations::default(),
            arms: Vec::new(),
            trace: Vec::new(),
        }
    }
}
