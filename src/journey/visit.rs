//! One request on its way: what belongs to it and to no other.

use std::sync::Arc;

use stepward_core::{
    facts::{Facts, Reading, SlotId, Units},
    policy::{Origin, Policy},
    session::{Proof, required::Required},
    value::Value,
};

use crate::{
    arrival::{Arrival, Parked},
    inquiry::Supposed,
    journey::{
        Parts,
        seam::Seen,
        spare::{self, Spare},
    },
    sessions::{
        SessionHandle, Ticket,
        cookies::{self, Device},
        record::{Subject, VerifiedBy},
        snapshot::Snapshot,
    },
    signals::{self, Who},
    store::{Id, LogPlace, SessionRef, Standing},
    subject::{self, Identified},
};

/// A request on its way.
pub struct Visit {
    /// How much had been told of revocations and lock-outs before anything was asked.
    pub told: u64,
    /// The request.
    pub arrival: Arc<Arrival>,
    /// Where it was seen.
    pub seen: Seen,
    /// What it says of itself, verified.
    pub identified: Identified,
    /// Its session cookie, not yet believed, and where its session would be kept.
    ticket: Option<(Ticket, SessionRef)>,
    /// What the store calls its address.
    address: Id,
    /// What a session record would keep of the app's session cookie that it carries.
    app_cookie: Option<Id>,
    /// Where its session was read from.
    read_from: ReadFrom,
    /// Whether another session took the place of the one that its cookie names, a moment ago.
    was_replaced: bool,
    /// Where the log stood before anything was asked.
    pub place: Option<LogPlace>,
    /// The snapshot of its session that it came with.
    pub spare: Spare,
    /// Its session, once the store has confirmed it, or a snapshot that holds.
    pub session: Option<SessionHandle>,
    /// Its device cookie, if it is genuine.
    pub device: Option<Device>,
    /// When it was first looked at.
    pub now_ms: i64,
    /// The parked request that it resumes.
    pub resuming: Option<Arc<str>>,
    /// What that is, as it was found; it is not taken yet.
    pub parked: Option<Arc<Parked>>,
    /// Whether the app's session cookie is still withheld, so that the session's subject counts without it.
    pub is_withheld: bool,
    /// What the app asked for when it saw it.
    pub asked: Option<Required>,
    /// What is supposed of it, where somebody only asks what would be decided.
    pub supposed: Option<Supposed>,
}

/// Where a session was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadFrom {
    Nowhere,
    /// A snapshot that the log vouches for.
    Copy,
    Store,
}

impl Visit {
    /// The beginning of a request: everything that can be known without the store.
    pub async fn begin(parts: &Parts, arrival: &Arc<Arrival>, seen: Seen) -> Visit {
        let told = parts.recalls.told();
        let place = parts.recalls.place();
        let now_ms = parts.clock.now_ms();
        let tenant = &*arrival.route.tenant;
        let identified = parts.subjects.identify(&arrival.request, arrival.trusted_peer).await;
        let app_cookie = identified.app_cookie.as_ref();
        let ticket = parts.sessions.ticket(&arrival.request);
        let mut visit = Visit {
            told,
            place,
            spare: Spare::default(),
            ticket: ticket.map(|ticket| (ticket, parts.sessions.reference(tenant, &ticket))),
            address: signals::address(&parts.keys, tenant, arrival.request.client_ip),
            app_cookie: app_cookie.map(|(name, value)| parts.sessions.app_binding(tenant, name, value)),
            identified,
            read_from: ReadFrom::Nowhere,
            was_replaced: false,
            session: None,
            device: cookies::read_device(&parts.keys, now_ms, &arrival.route.tenant, &arrival.request),
            now_ms,
            resuming: None,
            parked: None,
            is_withheld: false,
            asked: None,
            supposed: None,
            arrival: arrival.clone(),
            seen,
        };
        if let Some((_, session)) = &visit.ticket {
            visit.spare = spare::of(parts, &visit, session);
        }
        visit
    }

    /// Whether it came with a session cookie.
    pub fn has_ticket(&self) -> bool {
        self.ticket.is_some()
    }

    /// The session to load, if there is one and nothing is known of it yet.
    pub fn unread_session(&self) -> Option<SessionRef> {
        self.ticket.as_ref().filter(|_| self.read_from == ReadFrom::Nowhere).map(|(_, reference)| *reference)
    }

    /// The session to load from the store, if there is one and the store has not told of it yet.
    pub fn unconfirmed_session(&self) -> Option<SessionRef> {
        self.ticket.as_ref().filter(|_| !self.is_confirmed()).map(|(_, reference)| *reference)
    }

    /// Whether the store has told of its session.
    pub fn is_confirmed(&self) -> bool {
        match self.read_from {
            ReadFrom::Store => true,
            ReadFrom::Nowhere | ReadFrom::Copy => false,
        }
    }

    /// Takes in a snapshot of the session that the log vouches for; whether there is a session in it.
    pub fn receive_copy(&mut self, parts: &Parts, copy: &Snapshot) -> bool {
        let Some((ticket, reference)) = self.ticket.filter(|_| !self.is_confirmed()) else { return false };
        let session = parts.sessions.copied(self.now_ms, ticket, reference, copy);
        let is_there = session.is_some();
        if self.read_from == ReadFrom::Nowhere && is_there {
            self.read_from = ReadFrom::Copy;
            self.take_in(session);
        }
        is_there
    }

    /// Takes in what the store had for [`Visit::unconfirmed_session`].
    pub fn receive(&mut self, parts: &Parts, standing: &Standing) {
        let Some((ticket, _)) = self.ticket.filter(|_| !self.is_confirmed()) else { return };
        self.read_from = ReadFrom::Store;
        self.was_replaced = standing.was_replaced;
        let (tenant, host) = (&self.arrival.route.tenant, &self.arrival.request.host);
        let session = standing.session.as_ref();
        let session = session.and_then(|stored| parts.sessions.resume(self.now_ms, tenant, host, ticket, stored));
        self.take_in(session);
    }

    fn take_in(&mut self, session: Option<SessionHandle>) {
        self.session = session;
        if let Some(session) = &mut self.session {
            session.touch(self.now_ms);
        }
    }

    /// The session, made now if there is none: something needs it.
    pub fn need_session(&mut self, parts: &Parts) -> &mut SessionHandle {
        let (tenant, host) = (&self.arrival.route.tenant, &self.arrival.request.host);
        self.session.get_or_insert_with(|| {
            let session = parts.sessions.start(self.now_ms, tenant, host);
            if self.was_replaced { session.in_place() } else { session }
        })
    }

    /// The verified subject: by token or trusted proxy, else the one whose login made the app session that is
    /// presented. A session whose app cookie is not the one it was bound to says nothing.
    pub fn subject(&self, parts: &Parts) -> Option<Subject> {
        if let Some(told) = &self.identified.subject {
            return Some(Subject {
                name: told.name.clone(),
                account: parts.sessions.account(&self.arrival.route.tenant, &told.name),
                kind: told.kind,
                verified_by: match told.verified_by {
                    subject::VerifiedBy::Jwt => VerifiedBy::Jwt,
                    subject::VerifiedBy::Proxy => VerifiedBy::Proxy,
                },
                since_ms: self.now_ms,
            });
        }
        let session = self.session.as_ref()?;
        let is_bound = match (&self.identified.app_cookie, self.app_cookie) {
            (Some((name, _)), Some(binding)) => session.record.is_bound_to_app(name, &binding),
            (Some(_), None) | (None, _) => session.record.app_cookies.is_empty(),
        };
        session.record.subject.clone().filter(|_| is_bound || self.is_withheld)
    }

    /// The subject on our own pages and for what is parked: also the session's while the app's cookie is withheld.
    /// Nothing but proofs for that very subject follows from it.
    pub fn own_subject(&self, parts: &Parts) -> Option<Subject> {
        self.subject(parts).or_else(|| self.session.as_ref()?.record.subject.clone())
    }

    /// The proofs that count for this account now. At an event that names its subject it is that of [`Visit::who`]: what
    /// the one who is signed in has proved says nothing about another whom the request names.
    pub fn proofs(&self, account: Option<Id>) -> Vec<Proof> {
        let proven = self.session.iter().flat_map(|session| session.record.proofs_for(account));
        proven.chain(self.supposed.iter().flat_map(|supposed| &supposed.proofs)).cloned().collect()
    }

    /// Takes in what is supposed of the request, if it is only a question.
    pub fn suppose(&self, policy: &Policy, facts: &mut Facts) {
        if let Some(supposed) = &self.supposed {
            supposed.learn(policy, facts);
        }
    }

    /// What experiments stick to.
    pub fn units(&self, parts: &Parts) -> Units {
        let word = |id: Id| Arc::from(data_encoding::HEXLOWER.encode(&id));
        Units {
            subject: self.subject(parts).map(|subject| word(subject.account)),
            device: self.device.map(|device| word(device.id)),
            session: self.session_id().map(word),
        }
    }

    /// Whom this request is counted as, before its session is read as well as after.
    ///
    /// At an event that names its subject, the named account is counted: whoever is signed in and guesses at another's
    /// password raises the other's counters. Before the session is read, its cookie's own word for the account is
    /// taken: a pseudonym that cannot be guessed, and that nothing but counting follows from.
    pub fn who<'t>(&self, parts: &Parts, tenant: &'t str, policy: &Policy, facts: &Facts) -> Who<'t> {
        let claimed = claimed_subject(policy, facts).map(|name| parts.keys.account(tenant, &name));
        let who = Who {
            tenant,
            account: None,
            claimed,
            device: self.device.map(|device| device.id),
            session: None,
            ip: self.address,
            place: parts.signals.place(self.arrival.request.client_ip),
            now_ms: self.now_ms,
            counted_already: self.resuming.is_some() || self.is_withheld,
            pair: None,
        };
        let account = self.counted_account(parts, claimed);
        Who { session: self.session_id(), ..who.with_subject(account, claimed, &parts.keys) }
    }

    /// The same after its session was read: the cookie's account may have turned out not to be believed.
    pub fn who_now<'t>(&self, parts: &Parts, before: Who<'t>) -> Who<'t> {
        let account = self.counted_account(parts, before.claimed);
        let who = Who { session: self.session_id(), ..before };
        if account == before.account { who } else { who.with_subject(account, before.claimed, &parts.keys) }
    }

    /// The account that the session cookie names, not yet believed: a pseudonym that cannot be guessed.
    pub fn ticket_account(&self) -> Option<Id> {
        self.unread_session().filter(|it| it.home != it.id).map(|it| it.home)
    }

    fn counted_account(&self, parts: &Parts, claimed: Option<Id>) -> Option<Id> {
        let verified = self.subject(parts).map(|subject| subject.account).or_else(|| self.ticket_account());
        verified.filter(|account| claimed.is_none_or(|claimed| claimed == *account))
    }

    fn session_id(&self) -> Option<Id> {
        self.session.as_ref().map(|session| session.reference().id)
    }

    /// The tenant, shared.
    pub fn tenant(&self) -> Arc<str> {
        self.arrival.route.tenant.clone()
    }
}

/// The subject that a request names, by the fact with `identifies: subject`.
pub fn claimed_subject(policy: &Policy, facts: &Facts) -> Option<Arc<str>> {
    fact_text(policy, facts, policy.facts.iter().position(|fact| fact.identifies_subject)?)
}

/// The text of a fact, if it is known and is text.
pub fn fact_text(policy: &Policy, facts: &Facts, fact: usize) -> Option<Arc<str>> {
    let slot = policy.slots.iter().position(|slot| slot.origin == Origin::Fact(fact))?;
    match facts.reading(SlotId(u16::try_from(slot).ok()?)) {
        Reading::Known(Value::Text(text)) => Some(text.clone()),
        Reading::Known(_) | Reading::Pending | Reading::Unknown(_) => None,
    }
}
