//! A map cut into pieces, each behind its own lock, so that requests rarely wait for each other.
//!
//! Locks are held for map operations only, never across an await or a disk write. A lock poisoned by a panic is
//! taken over: every change under it is a single map operation, so what it guards is whole.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use crate::store::{Id, StateError, Stored};

/// How many pieces: many more than there are cores, and small enough to be looked through while somebody waits. With so many the
/// hash tables of a million sessions, and of the four million that there may be, are nearly full instead of half empty.
const SHARDS: usize = 288;

/// `SHARDS` pieces of one kind of state.
pub(super) struct Sharded<T> {
    shards: Box<[Mutex<T>]>,
}

impl<T: Default> Default for Sharded<T> {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

impl<T> Sharded<T> {
    /// The piece an id belongs to. Ids are random or HMACs, so two bytes spread them evenly.
    pub(super) fn of(&self, id: &Id) -> MutexGuard<'_, T> {
        self.at(usize::from(u16::from_be_bytes([id[0], id[1]])))
    }

    /// A piece by number, taken modulo the number of pieces.
    pub(super) fn at(&self, number: usize) -> MutexGuard<'_, T> {
        held(&self.shards[number % SHARDS])
    }

    /// The numbers of all pieces.
    pub(super) fn numbers(&self) -> std::ops::Range<usize> {
        0..SHARDS
    }
}

/// Locks, also after a panic elsewhere.
pub(super) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A limit on how much is kept. A full shelf refuses: forgetting something instead would let someone in.
pub(super) struct Room {
    used: AtomicUsize,
    max: usize,
}

impl Room {
    /// Room for so many entries, or bytes.
    pub(super) fn of(max: usize) -> Self {
        Self { used: AtomicUsize::new(0), max }
    }

    /// Takes some, or says that there is none left.
    pub(super) fn take(&self, amount: usize) -> Stored<()> {
        let fits = |used: usize| used.checked_add(amount).filter(|sum| *sum <= self.max);
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        taken.map(|_| ()).map_err(|_| StateError::Unavailable)
    }

    /// Takes some even if there is none left: what was kept before a restart is kept under a lower limit too.
    pub(super) fn take_anyway(&self, amount: usize) {
        self.used.fetch_add(amount, Ordering::Relaxed);
    }

    /// Gives some back.
    pub(super) fn give(&self, amount: usize) {
        let less = |used: usize| Some(used.saturating_sub(amount));
        // The closure never declines.
        let _ = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}
