//! What a session knows, as it lies sealed in the store: bounded, dated, and only about the session itself.
//!
//! A record of a version or shape this code does not know reads as none: its owner signs in again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stepward_core::session::{Method, Proof};

use crate::{clock, store::Id};

/// First byte of a record.
const VERSION: u8 = 1;
/// The newest proofs that are kept.
const PROOFS_MAX: usize = 32;
/// The newest events that are kept.
const SUCCEEDED_MAX: usize = 64;
/// Session cookies of the app, by name, that can be bound at once.
const APP_COOKIES_MAX: usize = 8;

/// A session's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Nothing crosses tenants.
    pub tenant: Arc<str>,
    /// The host it was begun on; proofs do not cross hosts.
    pub host: Arc<str>,
    /// Stays the same when the ticket is renewed: what was begun in this session (a challenge, a parked request) is
    /// bound to it.
    pub lineage: Id,
    /// Who signed in, if anybody.
    pub subject: Option<Subject>,
    /// When it began, or when its subject signed in; milliseconds since the Unix epoch, as all times here.
    pub started_ms: i64,
    /// When it was last used, to the minute.
    pub seen_ms: i64,
    /// What was proved, oldest first.
    pub proofs: Vec<Proven>,
    /// Events that succeeded in it, oldest first.
    pub succeeded: Vec<Success>,
    /// The app's session cookies that belong to the subject: name, and HMAC of the value.
    pub app_cookies: Vec<(Arc<str>, Id)>,
}

/// Who a session belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// As the app names it.
    pub name: Arc<str>,
    /// Its pseudonym: [`crate::keys::Keys::account`].
    pub account: Id,
    /// What it is.
    pub kind: SubjectKind,
    /// How we know.
    pub verified_by: VerifiedBy,
    /// Since when.
    pub since_ms: i64,
}

/// What a subject is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// A person.
    Human,
    /// A machine that acts for itself.
    Service,
    /// A machine that acts for somebody.
    Agent,
}

impl SubjectKind {
    /// The word for `subject.kind`.
    pub fn name(self) -> &'static str {
        match self {
            SubjectKind::Human => "human",
            SubjectKind::Service => "service",
            SubjectKind::Agent => "agent",
        }
    }

    /// The kind a word names.
    pub fn named(word: &str) -> Option<SubjectKind> {
        [SubjectKind::Human, SubjectKind::Service, SubjectKind::Agent].into_iter().find(|kind| kind.name() == word)
    }
}

/// How a subject became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifiedBy {
    /// A login that succeeded at the app.
    Login,
    /// A verified token.
    Jwt,
    /// A trusted proxy's header.
    Proxy,
    /// An administrator.
    Admin,
}

impl VerifiedBy {
    /// The word for `subject.verified_by`.
    pub fn name(self) -> &'static str {
        match self {
            VerifiedBy::Login => "login",
            VerifiedBy::Jwt => "jwt",
            VerifiedBy::Proxy => "proxy",
            VerifiedBy::Admin => "admin",
        }
    }
}

/// A proof, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    /// The evidence.
    pub proof: Proof,
    /// The account whose authenticator or address met the challenge; `None` for what says nothing about a person.
    pub account: Option<Id>,
}

/// An event that succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Success {
    /// Its name.
    pub event: Arc<str>,
    /// When.
    pub at_ms: i64,
}

impl Record {
    pub(super) fn new(tenant: Arc<str>, host: Arc<str>, now_ms: i64) -> Record {
        Record {
            tenant,
            host,
            lineage: clock::random_id(),
            subject: None,
            started_ms: now_ms,
            seen_ms: now_ms,
            proofs: Vec::new(),
            succeeded: Vec::new(),
            app_cookies: Vec::new(),
        }
    }

    /// Records that a challenge was met, for an account.
    pub fn prove(&mut self, proof: Proof, account: Option<Id>) {
        self.proofs.push(Proven { proof, account });
        keep_newest(&mut self.proofs, PROOFS_MAX);
    }

    /// Forgets a proof that was used up.
    pub fn spend(&mut self, proof: &Proof) {
        self.proofs.retain(|proven| proven.proof != *proof);
    }

    /// The proofs that count for a request by this account: made for it, or about nobody (proof of work, CAPTCHA).
    pub fn proofs_for(&self, account: Option<Id>) -> impl Iterator<Item = &Proof> {
        let counts = move |proven: &&Proven| match proven.account {
            Some(whose) => account == Some(whose),
            None => says_nothing_about_a_person(proven.proof.method),
        };
        self.proofs.iter().filter(counts).map(|proven| &proven.proof)
    }

    /// Records that an event succeeded.
    pub fn succeed(&mut self, event: Arc<str>, at_ms: i64) {
        self.succeeded.retain(|success| success.event != event);
        self.succeeded.push(Success { event, at_ms });
        keep_newest(&mut self.succeeded, SUCCEEDED_MAX);
    }

    /// Whether an event succeeded in this session.
    pub fn has_succeeded(&self, event: &str) -> bool {
        self.succeeded.iter().any(|success| &*success.event == event)
    }

    pub(super) fn bind_app(&mut self, name: &str, binding: Id) {
        self.app_cookies.retain(|(bound, _)| **bound != *name);
        self.app_cookies.push((name.into(), binding));
        keep_newest(&mut self.app_cookies, APP_COOKIES_MAX);
    }

    /// Whether the app's session cookie of this name, kept as [`super::Sessions::app_binding`], is one that this session's
    /// subject was bound to. If not, the subject is unknown.
    pub fn is_bound_to_app(&self, name: &str, binding: &Id) -> bool {
        self.app_cookies.iter().any(|(bound, id)| **bound == *name && id == binding)
    }

    pub(super) fn is_of_same_subject(&self, other: &Record) -> bool {
        let account = |record: &Record| record.subject.as_ref().map(|subject| subject.account);
        account(self) == account(other)
    }

    /// Adds what another request of the same session recorded meanwhile; nothing either of them recorded is lost.
    pub(super) fn absorb(&mut self, theirs: Record) {
        self.seen_ms = self.seen_ms.max(theirs.seen_ms);
        let missing = |proven: &Proven| !self.proofs.contains(proven);
        let proofs: Vec<_> = theirs.proofs.into_iter().filter(missing).collect();
        self.proofs.extend(proofs);
        self.proofs.sort_by_key(|proven| proven.proof.at_ms);
        keep_newest(&mut self.proofs, PROOFS_MAX);
        for success in theirs.succeeded {
            match self.succeeded.iter_mut().find(|ours| ours.event == success.event) {
                Some(ours) => ours.at_ms = ours.at_ms.max(success.at_ms),
                None => self.succeeded.push(success),
            }
        }
        self.succeeded.sort_by_key(|success| success.at_ms);
        keep_newest(&mut self.succeeded, SUCCEEDED_MAX);
        for (name, binding) in theirs.app_cookies {
            if !self.app_cookies.iter().any(|(bound, _)| *bound == name) {
                self.app_cookies.push((name, binding));
            }
        }
        keep_newest(&mut self.app_cookies, APP_COOKIES_MAX);
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        if let Err(error) = rmp_serde::encode::write(&mut bytes, self) {
            // Writing plain structs into memory does not fail; if it did, what is left reads as no session.
            tracing::error!(%error, "a session record could not be encoded");
        }
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Record> {
        let (version, rest) = bytes.split_first()?;
        (*version == VERSION).then(|| rmp_serde::from_slice(rest).ok()).flatten()
    }
}

fn says_nothing_about_a_person(method: Method) -> bool {
    method.strength() == 0
}

fn keep_newest<T>(entries: &mut Vec<T>, max: usize) {
    let surplus = entries.len().saturating_sub(max);
    entries.drain(..surplus);
}
