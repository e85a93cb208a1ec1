//! Sessions: what a browser carries, what the store keeps sealed, and when both end.
//!
//! The store never holds what the cookie holds: it knows a session by an HMAC of the cookie's secret. A cookie that does
//! not fit (changed, ended, expired, of another tenant or host) is no session, never an error and never a weaker one.

use std::{fmt, sync::Arc, time::Duration};

use data_encoding::BASE64URL_NOPAD;
use stepward_core::request::Request;

use crate::{
    clock,
    keys::{Keys, Purpose},
    sessions::{
        cookies::{Cookie, Scope},
        record::{Record, Subject},
    },
    settings::SessionLimits,
    store::{Amended, Id, Session, SessionRef, StateStore, Stored},
};

pub mod cookies;
mod opened;
pub mod record;
pub mod snapshot;
#[cfg(test)]
mod tests;

/// One hour without a request and twelve hours in all: within NIST SP 800-63B-4 §2.2.3 for AAL2 (1 h, 24 h).
pub const DEFAULT_LIMITS: SessionLimits =
    SessionLimits { idle: Duration::from_secs(3_600), absolute: Duration::from_secs(12 * 3_600) };

/// How often a session in use is written just because it is in use.
const TOUCH_MS: i64 = 60_000;
/// How often a change is tried again when somebody else was first.
const TRIES: usize = 8;

/// What the session cookie carries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    home: Id,
    secret: [u8; 16],
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(..)")
    }
}

impl Ticket {
    fn parse(value: &str) -> Option<Ticket> {
        let bytes: [u8; 32] = BASE64URL_NOPAD.decode(value.as_bytes()).ok()?.try_into().ok()?;
        let (home, secret) = bytes.split_first_chunk::<16>()?;
        Some(Ticket { home: *home, secret: secret.try_into().ok()? })
    }

    fn value(&self) -> String {
        BASE64URL_NOPAD.encode(&[self.home, self.secret].concat())
    }
}

/// Opens, makes and writes sessions.
#[derive(Clone, Debug)]
pub struct Sessions {
    keys: Keys,
    limits: SessionLimits,
    /// For how long a copy of a session may answer for the store; nothing: it never does.
    snapshots: Duration,
    lately: opened::Opened,
}

/// A session in the hands of one request.
#[derive(Clone, Debug)]
pub struct SessionHandle {
    /// What is known; change it through [`SessionHandle::change`], or nothing is written.
    pub record: Record,
    ticket: Ticket,
    reference: SessionRef,
    /// The session this one takes the place of.
    replaces: Option<SessionRef>,
    /// The version in the store; 0 is not written yet.
    version: u64,
    is_changed: bool,
    /// Whether a snapshot may be out of the session that this one takes the place of.
    replaces_copied: bool,
    /// Whether its owner signed out: the browser is told to forget its ticket.
    is_over: bool,
    /// When the request began: a revocation after that is stronger than whatever the request writes.
    begun_ms: i64,
    /// Whether it stands where a session was that has been replaced a moment ago, see [`SessionHandle::in_place`].
    is_late: bool,
}

/// What became of a session that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// It is in the store.
    Done,
    /// It was ended, revoked, replaced or taken over by another sign-in in the meantime; nothing was written.
    Gone,
}

impl Sessions {
    /// Sessions under these keys, with these lifetimes.
    pub fn new(keys: Keys, limits: SessionLimits) -> Self {
        Self { keys, limits, snapshots: Duration::ZERO, lately: opened::Opened::default() }
    }

    /// The same with copies of sessions that may answer for the store for so long ([`snapshot`]).
    pub fn with_snapshots(self, snapshots: Duration) -> Self {
        Self { snapshots, ..self }
    }

    /// The ticket in a request's cookie, if there is exactly one that reads as such. It proves nothing yet.
    pub fn ticket(&self, request: &Request) -> Option<Ticket> {
        Ticket::parse(cookies::read(request, Cookie::Session)?)
    }

    /// Where the session of a ticket is kept: goes into `store::Begin`.
    pub fn reference(&self, tenant: &str, ticket: &Ticket) -> SessionRef {
        let id = self.keys.recurring(&[b"session", tenant.as_bytes(), &ticket.secret]);
        SessionRef { home: ticket.home, id }
    }

    /// Opens what the store had for a ticket; `None` for what is of another tenant or host, has ended or does not open.
    pub fn resume(
        &self,
        now_ms: i64,
        tenant: &str,
        host: &str,
        ticket: Ticket,
        stored: &Session,
    ) -> Option<SessionHandle> {
        let reference = self.reference(tenant, &ticket);
        let (record, reseal) = self.opened(tenant, &reference, stored)?;
        let is_live = &*record.host == host && self.expires_ms(&record) > now_ms;
        is_live.then_some(SessionHandle {
            is_changed: reseal,
            ..SessionHandle::of(record, ticket, reference, stored.version, now_ms)
        })
    }

    /// A new session without a subject; it is in the store after [`SessionHandle::commit`].
    pub fn start(&self, now_ms: i64, tenant: &Arc<str>, host: &Arc<str>) -> SessionHandle {
        let (ticket, reference) = self.issue(tenant, None);
        let record = Record::new(tenant.clone(), host.clone(), now_ms);
        SessionHandle { is_changed: true, ..SessionHandle::of(record, ticket, reference, 0, now_ms) }
    }

    /// When a session ends if nothing more happens, in milliseconds since the Unix epoch.
    pub fn expires_ms(&self, record: &Record) -> i64 {
        let after =
            |from_ms: i64, span: Duration| from_ms.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX));
        after(record.seen_ms, self.limits.idle).min(after(record.started_ms, self.limits.absolute))
    }

    /// The account that a subject's name stands for.
    pub fn account(&self, tenant: &str, subject: &str) -> Id {
        self.keys.account(tenant, subject)
    }

    /// What a record keeps of the app's session cookie: enough to know it again, not to use it.
    pub fn app_binding(&self, tenant: &str, name: &str, value: &str) -> Id {
        self.keys.pseudonym_of(&[b"app-session", tenant.as_bytes(), name.as_bytes(), value.as_bytes()])
    }

    /// A fresh ticket; its home is the account, or else the session itself.
    fn issue(&self, tenant: &str, account: Option<Id>) -> (Ticket, SessionRef) {
        let ticket = Ticket { home: [0; 16], secret: clock::random_bytes() };
        let id = self.reference(tenant, &ticket).id;
        let home = account.unwrap_or(id);
        (Ticket { home, ..ticket }, SessionRef { home, id })
    }

    fn opened(&self, tenant: &str, reference: &SessionRef, stored: &Session) -> Option<(Record, bool)> {
        let open = || {
            let opened = self.keys.open(Purpose::Session, tenant, &owner(reference), &stored.sealed).ok()?;
            let record = Record::from_bytes(&opened.plain)?;
            (&*record.tenant == tenant).then_some((record, opened.reseal))
        };
        self.lately.of(tenant, reference, &stored.sealed, open)
    }

    fn sealed(&self, reference: &SessionRef, record: &Record) -> Vec<u8> {
        self.keys.seal(Purpose::Session, &record.tenant, &owner(reference), &record.to_bytes())
    }
}

fn owner(reference: &SessionRef) -> Vec<u8> {
    [reference.home, reference.id].concat()
}

impl SessionHandle {
    fn of(record: Record, ticket: Ticket, reference: SessionRef, version: u64, begun_ms: i64) -> SessionHandle {
        SessionHandle {
            record,
            ticket,
            reference,
            replaces: None,
            version,
            is_changed: false,
            replaces_copied: false,
            is_over: false,
            begun_ms,
            is_late: false,
        }
    }

    /// The same, for a request that came with a ticket that was replaced a moment ago. Its browser has the ticket that
    /// took its place, or is about to get it; another one would take that away, and with it what was proved. So this one
    /// is never written, and its ticket never given to anybody, unless a subject signs in with this very request.
    pub fn in_place(self) -> SessionHandle {
        SessionHandle { is_late: true, ..self }
    }

    /// Where it is kept; its `id` is the session's pseudonym in counters and logs.
    pub fn reference(&self) -> SessionRef {
        self.reference
    }

    /// Whether the browser does not have its ticket yet: send [`SessionHandle::set_cookie`].
    pub fn is_new(&self) -> bool {
        self.version == 0
    }

    /// Whether there is something to write.
    pub fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// The record, to be changed and written by the next commit.
    pub fn change(&mut self) -> &mut Record {
        self.is_changed = true;
        &mut self.record
    }

    /// Takes note that it is in use; written at most once a minute.
    pub fn touch(&mut self, now_ms: i64) {
        if now_ms.saturating_sub(self.record.seen_ms) >= TOUCH_MS {
            self.change().seen_ms = now_ms;
        }
    }

    /// A subject has signed in: a new ticket under its account takes the place of the old one, which an attacker may
    /// have planted. Only proofs made for this account stay; what another subject did in this session does not.
    ///
    /// `is_still_in` tells whether the request that signed in came from this subject, signed in. Where it did not and
    /// somebody had signed in before, that sign-in is over, seen or not: its proofs go with it.
    pub fn sign_in(&mut self, sessions: &Sessions, now_ms: i64, subject: Subject, is_still_in: bool) {
        let account = subject.account;
        self.replaces_copied |= snapshot::is_worth_one(&self.record);
        let goes_on = is_still_in || self.record.subject.is_none();
        self.record.proofs.retain(|proven| goes_on && proven.account == Some(account));
        if !goes_on {
            self.record.succeeded.clear();
        }
        if !is_still_in {
            self.record.app_cookies.clear();
        }
        self.record.started_ms = now_ms;
        self.record.seen_ms = now_ms;
        self.record.subject = Some(subject);
        self.is_late = false;
        self.renew(sessions);
    }

    /// The same session under a new ticket: after a proof, so that a ticket seen before it is worth nothing.
    pub fn renew(&mut self, sessions: &Sessions) {
        let account = self.record.subject.as_ref().map(|subject| subject.account);
        if self.version > 0 {
            self.replaces = Some(self.reference);
            self.replaces_copied |= snapshot::is_worth_one(&self.record);
        }
        (self.ticket, self.reference) = sessions.issue(&self.record.tenant, account);
        self.version = 0;
        self.is_changed = true;
        self.is_over = false;
    }

    /// Binds this session's subject to a session cookie that the app has just set.
    pub fn bind_app(&mut self, sessions: &Sessions, name: &str, value: &str) {
        let binding = sessions.app_binding(&self.record.tenant, name, value);
        self.change().bind_app(name, binding);
    }

    /// The `Set-Cookie` value that gives the browser this ticket, for as long as the session can last at most.
    pub fn set_cookie(&self, sessions: &Sessions, scope: Scope) -> String {
        cookies::set(Cookie::Session, scope, &self.ticket.value(), sessions.limits.absolute)
    }

    /// Writes what was changed. When another request of the same session was first, both changes stay.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn commit(&mut self, sessions: &Sessions, store: &impl StateStore) -> Stored<Committed> {
        if !self.is_changed {
            return Ok(Committed::Done);
        }
        if self.is_late {
            return Ok(Committed::Gone);
        }
        if self.version == 0 {
            let expires_ms = sessions.expires_ms(&self.record);
            let sealed = sessions.sealed(&self.reference, &self.record);
            let written = store.establish(self.begun_ms, self.replaces, self.reference, sealed, expires_ms).await?;
            if !written {
                return Ok(Committed::Gone);
            }
            if let Some(old) = self.replaces.filter(|_| self.replaces_copied && store.log_life().is_some()) {
                // The ticket that was replaced is worth nothing now, nor is a copy of what it stood for.
                store.announce(snapshot::succession(&old)).await?;
            }
            self.replaces = None;
            self.written(1);
            return Ok(Committed::Done);
        }
        for _ in 0..TRIES {
            let expires_ms = sessions.expires_ms(&self.record);
            let sealed = sessions.sealed(&self.reference, &self.record);
            match store.amend(self.begun_ms, self.reference, self.version, sealed, expires_ms).await? {
                Amended::Done(version) => {
                    self.written(version);
                    return Ok(Committed::Done);
                }
                Amended::Stale(None) => return Ok(Committed::Gone),
                Amended::Stale(Some(theirs)) => {
                    let opened = sessions.opened(&self.record.tenant, &self.reference, &theirs);
                    let Some((record, _)) = opened.filter(|(record, _)| record.is_of_same_subject(&self.record)) else {
                        return Ok(Committed::Gone);
                    };
                    self.record.absorb(record);
                    self.version = theirs.version;
                }
            }
        }
        // Never seen but under a flood of requests of one session: it is refused like a store that is too slow.
        Err(crate::store::StateError::Unavailable)
    }

    /// Whether its owner signed out: send [`SessionHandle::forget_cookie`].
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// The `Set-Cookie` value that has the browser forget the ticket.
    pub fn forget_cookie(scope: Scope) -> String {
        cookies::clear(Cookie::Session, scope)
    }

    /// Ends it. The browser's ticket is worth nothing when this returns, and nothing that was proved counts any more
    /// even where the store does not answer.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn end(&mut self, store: &impl StateStore) -> Stored<()> {
        self.is_changed = false;
        self.is_over = true;
        self.record = Record::new(self.record.tenant.clone(), self.record.host.clone(), self.record.seen_ms);
        if let Some(old) = self.replaces.take() {
            store.end(old).await?;
        }
        store.end(self.reference).await
    }

    fn written(&mut self, version: u64) {
        self.version = version;
        self.is_changed = false;
    }
}
