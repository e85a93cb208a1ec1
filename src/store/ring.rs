//! Which key ring a store belongs to: kept in the store, checked before anything is read from it.
//!
//! Only the first node on an empty store makes keys. A ring that lacks the store's current key is refused: with it every
//! session, enrolment and lock-out would look as if it had never been.

use std::path::Path;

use crate::{
    keys::{
        Fingerprint, Keys,
        ring::{Ring, RingError},
    },
    store::{Drawer, Id, StateError, StateStore, Stored, carried::NOBODY},
};

/// Where the fingerprint lies: no pseudonym is all zeroes but by a chance of 2^-128.
const PLACE: (Id, Drawer, Id) = (NOBODY, Drawer::Traces, NOBODY);
/// What lies there while a copy into this store has not ended; 16 bytes of whoever copies follow.
const COPY: &[u8; 4] = b"copy";

/// To whom a store belongs.
#[derive(Debug)]
pub(super) enum Owner {
    /// There is nothing in it.
    Nobody,
    /// A ring of this fingerprint.
    Ring(Fingerprint),
    /// A copy that has not ended, by its mark.
    Copy(Id),
}

impl Owner {
    /// From what lies in the place.
    pub(super) fn read(there: Option<Vec<u8>>) -> Stored<Owner> {
        let Some(bytes) = there else { return Ok(Owner::Nobody) };
        if let Some(mark) = bytes.strip_prefix(COPY).and_then(|mark| mark.try_into().ok()) {
            return Ok(Owner::Copy(mark));
        }
        let unreadable = || StateError::Corrupt("the fingerprint of the key ring".into());
        Fingerprint::from_bytes(&bytes).map(Owner::Ring).ok_or_else(unreadable)
    }
}

/// To whom a store belongs.
pub(super) async fn owner(store: &impl StateStore) -> Stored<Owner> {
    let (account, drawer, id) = PLACE;
    let found = store.enrolments(account, drawer).await?.into_iter().find(|entry| entry.id == id);
    Owner::read(found.map(|entry| entry.sealed))
}

/// Marks a store as one into which is copied: nobody can start on it.
pub(super) async fn claim(store: &impl StateStore, mark: &Id) -> Stored<()> {
    let (account, drawer, id) = PLACE;
    store.enrol(account, drawer, id, [&COPY[..], mark].concat()).await
}

/// Gives a store to a ring, whatever it belonged to.
pub(super) async fn settle(store: &impl StateStore, keys: &Keys) -> Stored<()> {
    let (account, drawer, id) = PLACE;
    store.enrol(account, drawer, id, keys.fingerprint().to_bytes()).await
}

/// Why this process must not start.
#[derive(Debug, thiserror::Error)]
pub enum RingMismatch {
    /// The ring cannot be read or made.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StateError),
    /// The store was written with keys that this ring does not have.
    #[error(
        "the key ring does not belong to this state: copy `keys.yaml` from the node that made it, or start with an empty state folder"
    )]
    Foreign,
    /// The store has state, and there is no ring to read it with.
    #[error(
        "the state was sealed with a key ring that is not there; restore `keys.yaml`, or start with an empty state folder"
    )]
    Lost,
    /// Only a part of another store's state is in it.
    #[error("a copy into this state was begun and not ended; run `stepward state copy` again")]
    Unfinished,
}

/// The keys for a store: read from the ring file, or made if neither the file nor a trace of keys is there.
///
/// # Errors
/// [`RingMismatch`]; nothing was changed then.
pub async fn keys_for(store: &impl StateStore, file: &Path, now_ms: i64) -> Result<Keys, RingMismatch> {
    let stored = fingerprint(store).await?;
    let keys = match Ring::load(file) {
        Ok(ring) => Keys::of(ring),
        Err(RingError::Absent(_)) if stored.is_some() => return Err(RingMismatch::Lost),
        Err(RingError::Absent(_)) => {
            let ring = Ring::fresh(now_ms);
            ring.save(file)?;
            Keys::of(ring)
        }
        Err(other) => return Err(other.into()),
    };
    agree(store, &keys).await?;
    Ok(keys)
}

/// Checks that keys belong to a store, and has the store remember the current one.
///
/// # Errors
/// [`RingMismatch::Foreign`], or the store does not answer.
pub async fn agree(store: &impl StateStore, keys: &Keys) -> Result<(), RingMismatch> {
    let ours = keys.fingerprint();
    match fingerprint(store).await? {
        Some(theirs) if !keys.covers(&theirs) => Err(RingMismatch::Foreign),
        // Equal, or another node has promoted a key that is only prepared here.
        Some(theirs) if theirs.kid() >= ours.kid() => Ok(()),
        Some(_) | None => Ok(settle(store, keys).await?),
    }
}

async fn fingerprint(store: &impl StateStore) -> Result<Option<Fingerprint>, RingMismatch> {
    match owner(store).await? {
        Owner::Nobody => Ok(None),
        Owner::Ring(fingerprint) => Ok(Some(fingerprint)),
        Owner::Copy(_) => Err(RingMismatch::Unfinished),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{RingMismatch, agree, keys_for};
    use crate::{
        keys::{Keys, ring::Ring},
        store::embedded::Embedded,
    };

    #[tokio::test]
    async fn the_first_node_makes_keys_and_later_ones_must_have_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.yaml");
        let store = Embedded::in_memory().unwrap();
        let first = keys_for(&store, &file, 1).await.unwrap();
        let again = keys_for(&store, &file, 2).await.unwrap();
        assert_eq!(first.fingerprint(), again.fingerprint());

        fs::rename(&file, folder.path().join("away")).unwrap();
        assert!(matches!(keys_for(&store, &file, 3).await, Err(RingMismatch::Lost)));
        assert!(!file.exists(), "no keys are made where state is");
        Ring::fresh(4).save(&file).unwrap();
        assert!(matches!(keys_for(&store, &file, 5).await, Err(RingMismatch::Foreign)));
    }

    #[tokio::test]
    async fn after_a_rotation_a_node_with_the_old_ring_is_refused() {
        let store = Embedded::in_memory().unwrap();
        let old = Keys::ephemeral();
        agree(&store, &old).await.unwrap();
        let new = old.rotate(1).unwrap();
        agree(&store, &new).await.unwrap();
        assert!(matches!(agree(&store, &old).await, Err(RingMismatch::Foreign)));
        agree(&store, &new).await.unwrap();
    }
}
