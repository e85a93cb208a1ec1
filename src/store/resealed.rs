//! What lies in a store under a key that is to go: how much of what, and the same under the current key.
//!
//! Sessions, claims, counters and lock-outs are not sealed again: they end by themselves, or hold nothing sealed. What does
//! not open is left as it lies and counted, never dropped.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};

use crate::{
    keys::{self, Keys, Purpose},
    store::{
        Drawer, Id, StateStore, Stored,
        carried::{Cargo, Carried, NOBODY, Tally},
    },
};

/// How many entries are written at once.
const AT_ONCE: usize = 256;

/// What is sealed with one key: how much of what.
///
/// # Errors
/// The store broke off.
pub async fn needing(mut cargo: Cargo, kid: u16) -> Stored<Tally> {
    let mut tally = Tally::default();
    while let Some(piece) = cargo.recv().await {
        piece?
            .iter()
            .filter(|it| sealed(it).is_some_and(|it| keys::sealed_by(it) == Some(kid)))
            .for_each(|it| tally.add(it));
    }
    Ok(tally)
}

fn sealed(carried: &Carried) -> Option<&[u8]> {
    match carried {
        Carried::Entry { account: NOBODY, .. } => None,
        Carried::Session { sealed, .. } | Carried::Entry { sealed, .. } => Some(sealed),
        Carried::Claim { .. } | Carried::Lock { .. } | Carried::Revocation(_) | Carried::Counter { .. } => None,
    }
}

/// An entry under the current key.
pub struct Entry {
    account: Id,
    drawer: Drawer,
    id: Id,
    sealed: Vec<u8>,
}

/// Entries of drawers that are not under the current key, sealed with it; and how many do not open.
///
/// # Errors
/// The store broke off.
pub async fn anew(mut cargo: Cargo, keys: &Keys, tenants: &[Arc<str>]) -> Stored<(Vec<Entry>, u64)> {
    let (mut entries, mut closed) = (Vec::new(), 0);
    while let Some(piece) = cargo.recv().await {
        for carried in piece? {
            let Carried::Entry { account, drawer, id, sealed, .. } = carried else { continue };
            // Some entries are a count and hold nothing.
            let is_bare = account == NOBODY || sealed.is_empty();
            if is_bare || keys::sealed_by(&sealed) == Some(keys.fingerprint().kid()) {
                continue;
            }
            match resealed(keys, tenants, account, drawer, id, &sealed) {
                Some(sealed) => entries.push(Entry { account, drawer, id, sealed }),
                None => closed += 1,
            }
        }
    }
    Ok((entries, closed))
}

/// Writes them. Nothing else may work on the store: what was taken out meanwhile would be back.
///
/// # Errors
/// The store does not take them; what was written is as good as before.
pub async fn write(store: &impl StateStore, entries: Vec<Entry>) -> Stored<()> {
    let written = entries.into_iter().map(|it| store.enrol(it.account, it.drawer, it.id, it.sealed));
    stream::iter(written).buffer_unordered(AT_ONCE).fold(Ok(()), async |so_far, one| so_far.and(one)).await
}

fn resealed(keys: &Keys, tenants: &[Arc<str>], account: Id, drawer: Drawer, id: Id, sealed: &[u8]) -> Option<Vec<u8>> {
    let (purpose, owner) = bound(account, drawer, id);
    tenants.iter().find_map(|tenant| {
        let opened = keys.open(purpose, tenant, &owner, sealed).ok()?;
        Some(keys.seal(purpose, tenant, &owner, &opened.plain))
    })
}

/// What an entry is bound to besides its tenant.
fn bound(account: Id, drawer: Drawer, id: Id) -> (Purpose, Vec<u8>) {
    match drawer {
        Drawer::Authenticators => (Purpose::Authenticator, [account, id].concat()),
        Drawer::Devices => (Purpose::Device, [account, id].concat()),
        Drawer::Contacts => (Purpose::Contact, account.to_vec()),
        Drawer::Remembered => (Purpose::Remembered, account.to_vec()),
        Drawer::Traces => (Purpose::Trace, account.to_vec()),
    }
}
