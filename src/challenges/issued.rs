//! A challenge as it is kept: sealed, bound to one session, host and tenant, and looked at, never changed.
//!
//! Whether it was met is not written here but read from the session's proofs: there is one truth. What does not open,
//! has expired or belongs to another session is simply not there.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stepward_core::{
    decision::{LockOut, Outcome, Reroute, Scope},
    session::{Method, Proof},
};

use crate::{
    arrival::Arrival,
    challenges::Challenges,
    clock,
    keys::Purpose,
    sessions::SessionHandle,
    store::{Id, StateStore, Stored},
};

/// The challenge can be looked at for as long as it lives; tries are counted per account and method elsewhere.
const NO_TRIES: u32 = 1;

/// A challenge that was issued.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Issued {
    /// The event that asks.
    pub event: Arc<str>,
    /// The decision that asks.
    pub decision_id: Arc<str>,
    /// Whose proof is asked for, if anyone is named: the account, and its name for people.
    pub account: Option<Id>,
    /// The subject as the app names it.
    pub subject: Option<Arc<str>>,
    /// Whether that is who is there, rather than whom a request names.
    #[serde(default)]
    pub is_verified: bool,
    /// Ways to meet it that this process can run, best first.
    pub methods: Vec<Method>,
    /// What the proof is bound to.
    pub bound_to: Option<[u8; 32]>,
    /// Whose approval counts, and what for, where `approval` is one of the methods.
    #[serde(default)]
    pub approval: Option<Approval>,
    /// What it is bound to, for people.
    pub shown: Vec<(String, String)>,
    /// Which of those are numbers, and are written as the reader's language does.
    #[serde(default)]
    pub numbers: Vec<String>,
    /// Key of the message that says why.
    pub tell: Option<Arc<str>>,
    /// Wrong answers allowed per account and method.
    pub attempts: u32,
    /// What happens when they are spent.
    pub on_fail: OnFail,
    /// Whether the page offers to set up a method.
    pub enrol_allowed: bool,
    /// When it was issued, in milliseconds since the Unix epoch.
    pub issued_ms: i64,
    /// When it ends.
    pub expires_ms: i64,
    /// Until when what is parked for it is kept.
    #[serde(default)]
    pub parked_until_ms: i64,
    /// What happens after it is met.
    pub afterwards: Afterwards,
}

/// Whose approval counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The group that the policy names.
    pub group: Arc<str>,
    /// What a proof by approval is bound to.
    pub digest: [u8; 32],
}

/// What happens after a challenge is met. Targets come from the request that was held, never from a client's answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Afterwards {
    /// The page is fetched again.
    Fetch {
        /// Path and query.
        target: String,
    },
    /// The parked request is sent from its own address.
    Send {
        /// Path and query.
        target: String,
        /// Its id.
        parked: String,
    },
    /// The app's withheld answer is released at its own address.
    Release {
        /// Path and query.
        target: String,
        /// Its id.
        parked: String,
    },
    /// The script that called repeats its call; with this id if the request was parked.
    Repeat {
        /// Its id.
        parked: Option<String>,
    },
    /// It could not be kept; the user sends it again.
    Again,
}

impl Afterwards {
    /// The id of what is parked, if anything is.
    pub fn parked(&self) -> Option<&str> {
        match self {
            Afterwards::Send { parked, .. } | Afterwards::Release { parked, .. } => Some(parked),
            Afterwards::Repeat { parked } => parked.as_deref(),
            Afterwards::Fetch { .. } | Afterwards::Again => None,
        }
    }
}

/// What happens when tries are spent, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum OnFail {
    /// Refuse.
    Block,
    /// Refuse for a while.
    LockOut(Scope, u64),
    /// Send elsewhere on the same host.
    Path(Arc<str>),
}

impl OnFail {
    /// Of an outcome; what lets a request through, or asks again, is no end and becomes `block`.
    pub fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::LockOut(LockOut { what, for_ms }) => OnFail::LockOut(*what, *for_ms),
            Outcome::Reroute(Reroute::Path(path)) => OnFail::Path(path.clone()),
            Outcome::Block
            | Outcome::Reroute(Reroute::Upstream(_))
            | Outcome::Forward(_)
            | Outcome::Throttle(_)
            | Outcome::Challenge(_) => OnFail::Block,
        }
    }

    /// As an outcome again.
    pub fn outcome(&self) -> Outcome {
        match self {
            OnFail::Block => Outcome::Block,
            OnFail::LockOut(what, for_ms) => Outcome::LockOut(LockOut { what: *what, for_ms: *for_ms }),
            OnFail::Path(path) => Outcome::Reroute(Reroute::Path(path.clone())),
        }
    }
}

impl Issued {
    /// Whether one of these proofs meets it.
    pub fn is_met_by(&self, proofs: &[Proof]) -> bool {
        proofs.iter().any(|proof| {
            self.methods.contains(&proof.method)
                && proof.at_ms >= self.issued_ms
                && match proof.method {
                    Method::Approval => proof.bound_to.is_some() && proof.bound_to == self.binds(proof.method),
                    _ => self.bound_to.is_none() || proof.bound_to == self.bound_to,
                }
        })
    }

    /// What a proof by this method is bound to.
    pub fn binds(&self, method: Method) -> Option<[u8; 32]> {
        match method {
            Method::Approval => self.approval.as_ref().map(|it| it.digest),
            _ => self.bound_to,
        }
    }

    /// Its first eight characters are what a user names when asking for help.
    pub fn reference(&self) -> String {
        reference(&self.decision_id)
    }
}

/// The part of a decision's id that people are shown.
pub fn reference(decision_id: &str) -> String {
    decision_id.chars().take(8).collect()
}

/// A fresh id as it appears in addresses: 128 random bits, base64url, 22 characters.
pub fn fresh_id() -> String {
    data_encoding::BASE64URL_NOPAD.encode(&clock::random_id())
}

/// The bytes of such an id. Only its one spelling counts.
pub fn id_of(word: &str) -> Option<Id> {
    data_encoding::BASE64URL_NOPAD.decode(word.as_bytes()).ok()?.try_into().ok()
}

/// Seals a challenge.
pub fn sealed(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &SessionHandle,
    id: &str,
    issued: &Issued,
) -> Option<(Id, Vec<u8>)> {
    let id = id_of(id)?;
    let plain = serde_json::to_vec(issued).unwrap_or_default();
    let owner = owner(arrival, session, id);
    Some((id, challenges.keys.seal(Purpose::Challenge, &arrival.route.tenant, &owner, &plain)))
}

/// Seals and keeps a challenge.
///
/// # Errors
/// When the state store does not answer.
pub async fn keep(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &SessionHandle,
    id: &str,
    issued: &Issued,
) -> Stored<()> {
    keep_sealed(challenges, sealed(challenges, arrival, session, id, issued), issued).await
}

/// Keeps a challenge that is sealed.
///
/// # Errors
/// When the state store does not answer.
pub async fn keep_sealed(challenges: &Challenges, sealed: Option<(Id, Vec<u8>)>, issued: &Issued) -> Stored<()> {
    let Some((id, sealed)) = sealed else { return Ok(()) };
    challenges.store.issue_challenge(id, id, NO_TRIES, sealed, issued.expires_ms).await
}

/// What is kept under the id of a challenge, sealed; says nothing about whose it is.
///
/// # Errors
/// When the state store does not answer.
pub async fn fetch(challenges: &Challenges, id: Id) -> Stored<Option<Vec<u8>>> {
    challenges.store.peek_challenge(challenges.clock.now_ms(), id, id).await
}

/// The challenge that was fetched, if it is this session's, on this host, and has not ended.
pub fn opened(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &SessionHandle,
    id: Id,
    sealed: &[u8],
) -> Option<Issued> {
    let owner = owner(arrival, session, id);
    let opened = challenges.keys.open(Purpose::Challenge, &arrival.route.tenant, &owner, sealed).ok()?;
    let issued: Issued = serde_json::from_slice(&opened.plain).ok()?;
    (challenges.clock.now_ms() < issued.expires_ms).then_some(issued)
}

/// Whom a sealed thing belongs to: this session on this host, and itself.
pub fn owner(arrival: &Arrival, session: &SessionHandle, id: Id) -> Vec<u8> {
    [&session.record.lineage[..], &id, arrival.request.host.as_bytes()].concat()
}
