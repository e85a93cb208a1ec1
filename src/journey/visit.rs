//! One request on its way: what belongs to it and to no other.

use std::sync::Arc;

use stepward_core::{facts::Units, session::Proof};

use crate::{
    arrival::Arrival,
    journey::{Parts, seam::Seen},
    sessions::{SessionHandle, Subject},
    store::Id,
    subject::Identified,
};

/// A request on its way.
pub struct Visit {
    /// The request.
    pub arrival: Arc<Arrival>,
    /// Where it was seen.
    pub seen: Seen,
    /// What it says of itself, verified.
    pub identified: Identified,
    /// Its session; a new one where it has none, not kept until something needs it.
    pub session: SessionHandle,
    /// Its device cookie, if it is genuine.
    pub device: Option<Id>,
    /// When it was first looked at.
    pub now_ms: i64,
}

impl Visit {
    /// The beginning of a request: everything that can be known without the store.
    pub async fn begin(parts: &Parts, arrival: &Arc<Arrival>, seen: Seen) -> Visit {
        let tenant = &arrival.route.tenant;
        Visit {
            identified: parts.subjects.identify(&arrival.request, arrival.trusted_peer).await,
            session: parts.sessions.arrive(tenant, &arrival.request),
            device: parts.sessions.read_device(tenant, &arrival.request),
            now_ms: parts.clock.now_ms(),
            arrival: arrival.clone(),
            seen,
        }
    }

    /// The verified subject: by token or trusted proxy, else the one whose login made the app session that is
    /// presented. A session whose app cookie is not the one it was bound to says nothing.
    pub fn subject(&self, parts: &Parts) -> Option<Subject> {
        let tenant = &self.arrival.route.tenant;
        match &self.identified.subject {
            Some(told) => Some(parts.sessions.verified(tenant, told, self.now_ms)),
            None => parts.sessions.bound_subject(&self.session, self.identified.app_cookie.as_ref()),
        }
    }

    /// The proofs that count for this subject now.
    pub fn proofs(&self, parts: &Parts) -> Vec<Proof> {
        self.session.proofs_for(self.subject(parts).as_ref())
    }

    /// What experiments stick to.
    pub fn units(&self, parts: &Parts) -> Units {
        let word = |id: Id| Arc::from(data_encoding::HEXLOWER.encode(&id));
        Units {
            subject: self.subject(parts).map(|subject| word(subject.account)),
            device: self.device.map(word),
            session: Some(word(self.session.id())),
        }
    }
}
