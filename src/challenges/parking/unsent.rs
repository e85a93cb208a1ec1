//! Parked requests that somebody took and did not send, because the store had not answered in time.
//!
//! The store gives a parked request to one nonce, and to that nonce again. A nonce is left here when its bearer has
//! heard nothing, and so has sent nothing; the next who may have the request goes on with it. Nobody who was given the
//! request leaves a nonce, so it is still sent once at most. This is memory of one process: after a restart, or on
//! another node, such a request is gone and its user sends it anew.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{clock, store::Id};

/// For how long a nonce is kept: no request is parked longer.
const KEPT_MS: i64 = 3_600_000;
/// How many nonces of one request are kept: callers at once that all heard nothing.
const NONCES_MAX: usize = 64;

/// The nonces, by parked request.
#[derive(Default)]
pub struct Unsent(Mutex<HashMap<Id, Left>>);

struct Left {
    nonces: Vec<Id>,
    at_ms: i64,
}

/// The right to try and take one request. Dropped without [`Claim::settle`], it leaves its nonces to the next.
pub struct Claim<'a> {
    unsent: &'a Unsent,
    parked: Id,
    now_ms: i64,
    /// One of these may have it.
    pub nonces: Vec<Id>,
}

impl Unsent {
    /// The nonces that were left for a request.
    pub fn left(&self, parked: &Id) -> Vec<Id> {
        self.held().get(parked).map(|left| left.nonces.clone()).unwrap_or_default()
    }

    /// Takes over what was left for a request, or begins with a fresh nonce.
    pub fn claim(&self, parked: Id, now_ms: i64) -> Claim<'_> {
        let left = self.held().remove(&parked).map(|left| left.nonces);
        Claim { unsent: self, parked, now_ms, nonces: left.unwrap_or_else(|| vec![clock::random_id()]) }
    }

    /// Forgets a request that was dropped.
    pub fn forget(&self, parked: &Id) {
        self.held().remove(parked);
    }

    /// A poisoned lock is taken over: every change is a single operation on the map.
    fn held(&self) -> MutexGuard<'_, HashMap<Id, Left>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim<'_> {
    /// The store has answered: what was given is the caller's to send, and nobody else's.
    pub fn settle(mut self) {
        self.nonces.clear();
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if self.nonces.is_empty() {
            return;
        }
        let now_ms = self.now_ms;
        let mut all = self.unsent.held();
        all.retain(|_, left| left.at_ms.saturating_add(KEPT_MS) > now_ms);
        let left = all.entry(self.parked).or_insert(Left { nonces: Vec::new(), at_ms: now_ms });
        left.nonces.append(&mut self.nonces);
        left.nonces.truncate(NONCES_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT_MS, Unsent};

    const PARKED: [u8; 16] = [7; 16];

    #[test]
    fn a_nonce_passes_to_one_caller_only_and_never_from_one_who_was_answered() {
        let unsent = Unsent::default();
        let first = unsent.claim(PARKED, 0);
        let nonce = first.nonces[0];
        assert_ne!(unsent.claim(PARKED, 0).nonces, [nonce], "while it is held, others have their own");
        unsent.forget(&PARKED);
        drop(first);
        let second = unsent.claim(PARKED, 1);
        assert_eq!(second.nonces, [nonce], "left by one who heard nothing");
        assert_ne!(unsent.claim(PARKED, 1).nonces, [nonce], "and taken over by one caller");
        unsent.forget(&PARKED);
        second.settle();
        assert!(unsent.left(&PARKED).is_empty());
    }

    #[test]
    fn what_several_left_is_kept_together_and_not_for_ever() {
        let unsent = Unsent::default();
        let claims = [unsent.claim(PARKED, 0), unsent.claim(PARKED, 0)];
        drop(claims);
        assert_eq!(unsent.left(&PARKED).len(), 2);
        drop(unsent.claim([8; 16], KEPT_MS));
        assert!(unsent.left(&PARKED).is_empty());
    }
}
