//! What the edge and the journey tell each other.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue};
use stepward_core::{event::matcher::Candidate, facts::Facts, policy::Policy};

use crate::{
    arrival::{Arrival, Parked},
    challenges::{begin::Ways, parking::spool::Reader},
    journey::{Journeys, visit::Visit},
    recalls::Listener,
    registry::Release,
    reply::Reply,
    settings::Unmatched,
    store::Counted,
    vendors::{Call, feedback::Owed, shadow::Trial},
};

/// Whether a request may be an event.
pub enum Sighting {
    /// It is none; this happens to it.
    Nothing(Unmatched),
    /// Its path reads as two different events: refused.
    Ambiguous,
    /// It may be one.
    Event(Seen),
}

/// A request that may be an event, with the release that saw it: the request keeps it to its end.
pub struct Seen {
    /// The release.
    pub release: Arc<Release>,
    /// Largest body to read, in bytes, where one of the events reads it.
    pub reads_body: Option<usize>,
    /// Largest body to keep for resuming, in bytes, where none of the events reads it.
    pub keeps_body: usize,
    /// Events that cover it, most specific first.
    pub candidates: Vec<Candidate>,
}

/// What happens to a request.
pub enum Ruling {
    /// It is answered here.
    Answer(Reply),
    /// It goes to the app.
    Forward(Box<Forwarding>),
}

/// How a request goes to the app, and what to do with the answer.
#[derive(Default)]
pub struct Forwarding {
    /// Header fields set towards the app, after everything reserved was stripped.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Another upstream than the route's.
    pub upstream: Option<Arc<str>>,
    /// Sent in place of the live request, whose `Cookie` and `Authorization` it takes.
    pub replay: Option<Parked>,
    /// The body of what is replayed, where it lies in a file.
    pub spooled: Option<Reader>,
    /// The app's answer is kept back, up to so many bytes, and given to [`Journeys::answered`].
    pub hold: Option<usize>,
    /// To be handed back exactly once: to `concluded`, `answered` or `lost`.
    pub pending: Option<Box<Pending>>,
    /// `Set-Cookie` lines for the client, whatever the app answers.
    pub set_cookies: Vec<HeaderValue>,
    /// For what stays open: whether it may.
    pub recheck: Option<Recheck>,
}

/// An event that was forwarded and whose answer is awaited.
pub struct Pending {
    pub(crate) visit: Box<Visit>,
    pub(crate) decided: Vec<Decided>,
}

/// One event of a request (a batch has several), with the facts it was decided on.
pub struct Decided {
    pub(crate) index: usize,
    pub(crate) policy: Arc<Policy>,
    pub(crate) facts: Facts,
    /// Whose lock-outs and revocations hold for it.
    pub(crate) whom: Vec<Counted>,
    pub(crate) decision_id: Arc<str>,
    /// The vendors that were asked.
    pub(crate) calls: Vec<Call>,
    /// What is to be tried out after it.
    pub(crate) trials: Vec<Trial>,
    /// Whom to tell how it came out.
    pub(crate) owed: Vec<Owed>,
    /// The ways to meet the challenge that was decided.
    pub(crate) ways: Option<Ways>,
}

/// Asks again whether what stays open may stay open: now and then, and when its subject, session, device or address is
/// revoked or locked out.
#[derive(Clone)]
pub struct Recheck {
    /// How often.
    pub every: Duration,
    pub(crate) journeys: Journeys,
    pub(crate) arrival: Arc<Arrival>,
    pub(crate) whom: Arc<[Counted]>,
    /// What had been told of when it was decided.
    pub(crate) told: u64,
}

impl Recheck {
    /// Hears from now on, and of what came since the decision, when to ask at once.
    pub fn listen(&self) -> Listener {
        self.journeys.0.recalls.listen(self.whom.clone(), self.told)
    }

    /// Whether what is open may stay open: decided again by the live release, without counting as a try.
    pub async fn still_allowed(&self) -> bool {
        self.journeys.look(&self.arrival).await
    }
}
