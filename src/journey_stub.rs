//! Temporary: the seam between edge and journey as in CONTRACTS.md, until the journey itself lands on main.

use std::{future::Future, pin::Pin, sync::Arc};

use http::{HeaderMap, HeaderValue, StatusCode};
use stepward_core::decision::Reason;

use crate::{
    arrival::{Arrival, Withheld},
    journey::seam::{Pending, Ruling, Seen, Sighting},
    reply::Reply,
    settings::Unmatched,
};

/// See `seam`.
pub mod seam {
    use std::{sync::Arc, time::Duration};

    use http::{HeaderName, HeaderValue};

    use crate::{arrival::Parked, reply::Reply, settings::Unmatched};

    /// What the request line says.
    pub enum Sighting {
        /// No event.
        Nothing(Unmatched),
        /// Two different events.
        Ambiguous,
        /// Perhaps an event.
        Event(Seen),
    }

    /// What was recognised.
    pub struct Seen {
        /// How much of the body is read.
        pub reads_body: Option<usize>,
    }

    /// What becomes of a request.
    pub enum Ruling {
        /// Answered by Stepward.
        Answer(Reply),
        /// Let through.
        Forward(Box<Forwarding>),
    }

    /// How a request is let through.
    #[derive(Default)]
    pub struct Forwarding {
        /// Set towards the app.
        pub headers: Vec<(HeaderName, HeaderValue)>,
        /// Another upstream than the route's.
        pub upstream: Option<Arc<str>>,
        /// Send this request instead.
        pub replay: Option<Parked>,
        /// Buffer the answer.
        pub hold: Option<usize>,
        /// Exactly one of `concluded`, `answered`, `lost`.
        pub pending: Option<Box<Pending>>,
        /// Added to the app's answer.
        pub set_cookies: Vec<HeaderValue>,
        /// Asked again while it lasts.
        pub recheck: Option<Recheck>,
    }

    /// What waits for the app's answer.
    #[derive(Default)]
    pub struct Pending;

    /// Asked again while a stream lasts.
    #[derive(Clone)]
    pub struct Recheck {
        /// How often.
        pub every: Duration,
        still: Arc<dyn Fn() -> bool + Send + Sync>,
    }

    impl Recheck {
        /// Scripted.
        pub fn scripted(every: Duration, still: impl Fn() -> bool + Send + Sync + 'static) -> Self {
            Recheck { every, still: Arc::new(still) }
        }

        /// Whether it may go on.
        pub async fn still_allowed(&self) -> bool {
            (self.still)()
        }
    }
}

/// Future of a scripted answer.
pub type Soon<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Stands for the journey in this branch's tests.
pub trait Script: Send + Sync {
    /// See [`Journeys::recognise`].
    fn recognise(&self, _methods: &[&str], _host: &str, _path: &str) -> Sighting {
        Sighting::Nothing(Unmatched::Forward)
    }
    /// See [`Journeys::judge`].
    fn judge(&self, _arrival: &Arc<Arrival>) -> Soon<Ruling> {
        Box::pin(async { Ruling::Forward(Box::default()) })
    }
    /// See [`Journeys::concluded`].
    fn concluded(&self, _status: StatusCode) -> Vec<HeaderValue> {
        Vec::new()
    }
    /// See [`Journeys::lost`].
    fn lost(&self) {}
    /// See [`Journeys::answered`].
    fn answered(&self, _answer: Withheld) -> Option<Reply> {
        None
    }
}

struct Nothing;
impl Script for Nothing {}

/// One per process.
#[derive(Clone)]
pub struct Journeys(Arc<dyn Script>);

impl Default for Journeys {
    fn default() -> Self {
        Journeys(Arc::new(Nothing))
    }
}

impl Journeys {
    /// Scripted.
    pub fn scripted(script: impl Script + 'static) -> Self {
        Journeys(Arc::new(script))
    }

    /// Sync, no allocation when nothing matches.
    pub fn recognise(&self, methods: &[&str], host: &str, path: &str) -> Sighting {
        self.0.recognise(methods, host, path)
    }

    /// A request for `/.stepward/…`.
    pub async fn own(&self, arrival: &Arc<Arrival>) -> Ruling {
        self.0.judge(arrival).await
    }

    /// A request that resumes a parked one.
    pub async fn resume(&self, arrival: &Arc<Arrival>, _id: &str) -> Ruling {
        self.0.judge(arrival).await
    }

    /// A request that may be an event.
    pub async fn judge(&self, arrival: &Arc<Arrival>, _seen: Seen) -> Ruling {
        self.0.judge(arrival).await
    }

    /// The app answered a forwarded event.
    pub async fn concluded(&self, _pending: Pending, status: StatusCode, _headers: &HeaderMap) -> Vec<HeaderValue> {
        self.0.concluded(status)
    }

    /// The app did not answer.
    pub async fn lost(&self, _pending: Pending) {
        self.0.lost();
    }

    /// The app's whole answer to a held event.
    pub async fn answered(&self, _pending: Pending, answer: Withheld) -> Reply {
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
        self.0.answered(answer).unwrap_or_else(|| Reply::new(status, "text/plain", "held"))
    }

    /// A refusal at an event before the flow.
    pub fn refusal(&self, arrival: &Arrival, reason: Reason, status: StatusCode) -> Reply {
        Reply::new(status, "text/plain", format!("{} {}", reason.code(), arrival.id))
    }
}
