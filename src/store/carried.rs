//! What outlives the store it lies in: read out of one store, put into another, or kept in a file.
//!
//! Challenges and parked requests are not among it, and never will be: what was begun in one life of a store is void in
//! the next, because whatever used it up may have happened in the other one. Moments are by the callers' clock, as they
//! are everywhere outside a store. Contents stay sealed all the way: nothing here needs a key.

use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::store::{Counted, Drawer, Id, Revocation, SessionRef, Stored};

/// One thing that is carried.
#[derive(Clone, Debug, PartialEq)]
pub enum Carried {
    /// A session that nothing has revoked.
    Session {
        /// Its name.
        session: SessionRef,
        /// When it began.
        begun_ms: i64,
        /// When it ends.
        expires_ms: i64,
        /// What a change must name.
        version: u64,
        /// Ciphertext.
        sealed: Vec<u8>,
    },
    /// A one-time token that was used.
    Claim {
        /// Scope and token as one, by [`one_time`].
        token: Id,
        /// Who was first.
        nonce: Id,
        /// Until when it is remembered.
        expires_ms: i64,
    },
    /// Something in an account's drawer.
    Entry {
        /// The account.
        account: Id,
        /// Which drawer.
        drawer: Drawer,
        /// Its id.
        id: Id,
        /// How far its counter has moved.
        counter: u64,
        /// Ciphertext.
        sealed: Vec<u8>,
    },
    /// A lock-out.
    Lock {
        /// Of whom.
        who: Counted,
        /// Until when.
        until_ms: i64,
    },
    /// An entry of the revocation log; they come oldest first.
    Revocation(Revocation),
    /// A counter.
    Counter {
        /// Of whom.
        who: Counted,
        /// Which.
        name: u64,
        /// The sliding window.
        window_ms: i64,
        /// What it holds.
        hits: Hits,
    },
}

/// What a counter holds, by how it is kept ([`crate::store::Shape`]).
#[derive(Clone, Debug, PartialEq)]
pub enum Hits {
    /// Moments of single hits.
    Exact(Vec<i64>),
    /// The same of what guards guessing.
    Guarded(Vec<i64>),
    /// Hits by number of the tenth of a window, counted since the Unix epoch.
    Buckets(Vec<(i64, u32)>),
    /// Values seen, by the front of their HMAC, and when last.
    Distinct(Vec<(u64, i64)>),
}

/// What arrives piece by piece; an error is the last that arrives. Ending without one means that this was all.
pub type Cargo = mpsc::Receiver<Stored<Vec<Carried>>>;

/// How many things make a piece.
pub(super) const PIECE: usize = 500;
/// How many pieces may wait.
pub(super) const WAITING_MAX: usize = 4;

/// The account that no subject has: under it lies what a store notes about itself.
pub(super) const NOBODY: Id = [0; 16];

/// The note of when a backup was put back.
pub(super) const RESTORED: Id = [1; 16];

/// For how long counters are read strictly after that (`security.md` §5 R6).
pub(super) const STRICT_MS: i64 = 15 * 60_000;

/// What that note says.
pub(super) fn restored_ms(note: &[u8]) -> Option<i64> {
    note.try_into().ok().map(i64::from_be_bytes)
}

/// Scope and token as one id, the same in every store; the scope's length goes first so that no two pairs read alike.
pub(super) fn one_time(scope: &str, token: &Id) -> Id {
    let digest = Sha256::new()
        .chain_update((scope.len() as u64).to_be_bytes())
        .chain_update(scope)
        .chain_update(token)
        .finalize();
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    id
}

/// How much of what was carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Sessions.
    pub sessions: u64,
    /// TOTP secrets, passkeys, recovery codes.
    pub authenticators: u64,
    /// Addresses.
    pub contacts: u64,
    /// Devices on which a proof was given.
    pub devices: u64,
    /// Remembered values.
    pub remembered: u64,
    /// Last places, first days.
    pub traces: u64,
    /// One-time tokens that were used.
    pub claims: u64,
    /// Lock-outs.
    pub locks: u64,
    /// Entries of the revocation log.
    pub revocations: u64,
    /// Counters.
    pub counters: u64,
}

impl Tally {
    /// Counts one more.
    pub fn add(&mut self, carried: &Carried) {
        let count = match carried {
            Carried::Session { .. } => &mut self.sessions,
            Carried::Claim { .. } => &mut self.claims,
            Carried::Entry { account: NOBODY, .. } => return,
            Carried::Entry { drawer: Drawer::Authenticators, .. } => &mut self.authenticators,
            Carried::Entry { drawer: Drawer::Contacts, .. } => &mut self.contacts,
            Carried::Entry { drawer: Drawer::Devices, .. } => &mut self.devices,
            Carried::Entry { drawer: Drawer::Remembered, .. } => &mut self.remembered,
            Carried::Entry { drawer: Drawer::Traces, .. } => &mut self.traces,
            Carried::Lock { .. } => &mut self.locks,
            Carried::Revocation(_) => &mut self.revocations,
            Carried::Counter { .. } => &mut self.counters,
        };
        *count += 1;
    }

    /// Each with its name.
    pub fn named(&self) -> [(&'static str, u64); 10] {
        [
            ("authenticators", self.authenticators),
            ("contacts", self.contacts),
            ("devices", self.devices),
            ("remembered", self.remembered),
            ("traces", self.traces),
            ("lock_outs", self.locks),
            ("revocations", self.revocations),
            ("used_once", self.claims),
            ("counters", self.counters),
            ("sessions", self.sessions),
        ]
    }
}

/// Gathers single things into pieces on their way out.
pub(super) struct Packer {
    to: mpsc::Sender<Stored<Vec<Carried>>>,
    piece: Vec<Carried>,
}

/// Nobody wants the rest.
pub(super) struct Unwanted;

impl Packer {
    /// The two ends.
    pub(super) fn new() -> (Packer, Cargo) {
        let (to, cargo) = mpsc::channel(WAITING_MAX);
        (Packer { to, piece: Vec::with_capacity(PIECE) }, cargo)
    }

    /// Adds one, on a thread that may block.
    pub(super) fn put_blocking(&mut self, carried: Carried) -> Result<(), Unwanted> {
        self.piece.push(carried);
        if self.piece.len() < PIECE {
            return Ok(());
        }
        let piece = std::mem::take(&mut self.piece);
        self.to.blocking_send(Ok(piece)).map_err(|_| Unwanted)
    }

    /// Sends what is left, or why there is no more, on a thread that may block.
    pub(super) fn end_blocking(self, end: Stored<()>) {
        // Whoever does not want the rest needs no end.
        let _ = self.to.blocking_send(end.map(|()| self.piece));
    }

    /// Adds some.
    pub(super) async fn put(&mut self, carried: Vec<Carried>) -> Result<(), Unwanted> {
        if carried.is_empty() { Ok(()) } else { self.to.send(Ok(carried)).await.map_err(|_| Unwanted) }
    }

    /// Says why there is no more.
    pub(super) async fn end(self, end: Stored<()>) {
        // Whoever does not want the rest needs no end.
        let _ = self.to.send(end.map(|()| self.piece)).await;
    }
}
