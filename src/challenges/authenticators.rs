//! What an account has set up: passkeys, secrets of authenticator apps and recovery codes, sealed at rest.
//!
//! An entry that does not open is not there; it can then prove nothing.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stepward_core::session::Method;
use webauthn_rs::prelude::Passkey;

use crate::{
    challenges::{Challenges, attempts::Aim, enrolment::apps::APPS_MAX, totp},
    clock,
    keys::{Keys, Purpose},
    store::{Drawer, Enrolment, Id, StateStore, Stored, carried::Carried},
};

/// How many entries are opened at least where somebody claims a name: as many as an account has with two apps, two passkeys
/// and ten recovery codes.
const OPENED_MIN: usize = 14;

/// What is kept of an authenticator.
#[derive(Clone, Serialize, Deserialize)]
pub enum Kept {
    /// A passkey: its public key, and what is known about it.
    Passkey {
        /// As it was made. The store counts its signatures.
        passkey: Box<Passkey>,
        /// What its owner calls it; may be empty.
        label: String,
        /// When it was set up, in milliseconds since the Unix epoch.
        added_ms: i64,
        /// The user handle under which another system made it; empty where that is not known. `None`: it was made here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        handle: Option<Vec<u8>>,
    },
    /// An authenticator app.
    Totp {
        /// The shared secret.
        secret: Vec<u8>,
        /// When it was set up, in milliseconds since the Unix epoch.
        added_ms: i64,
    },
    /// One recovery code; the code itself is not kept, the entry's id is its HMAC.
    Recovery {
        /// When it was handed out.
        added_ms: i64,
    },
}

/// One authenticator of an account.
#[derive(Clone)]
pub struct Authenticator {
    /// Its id in the drawer.
    pub id: Id,
    /// For an app, the last time step that was accepted; for a passkey, its last signature counter.
    pub counter: u64,
    /// What is kept of it.
    pub kept: Kept,
}

impl Authenticator {
    /// Whether this user handle, which a passkey shows, is the one under which it was made: `own`, unless another system
    /// made it.
    pub fn is_known_as(&self, shown: &[u8], own: &[u8]) -> bool {
        match &self.kept {
            Kept::Passkey { handle: Some(theirs), .. } => theirs.is_empty() || theirs == shown,
            Kept::Passkey { handle: None, .. } | Kept::Totp { .. } | Kept::Recovery { .. } => own == shown,
        }
    }

    /// What its answers prove.
    pub fn method(&self) -> Method {
        match self.kept {
            Kept::Passkey { .. } => Method::Passkey,
            Kept::Totp { .. } => Method::Totp,
            Kept::Recovery { .. } => Method::RecoveryCode,
        }
    }

    /// The passkey, if it is one.
    pub fn passkey(&self) -> Option<&Passkey> {
        match &self.kept {
            Kept::Passkey { passkey, .. } => Some(passkey),
            Kept::Totp { .. } | Kept::Recovery { .. } => None,
        }
    }

    /// When it was set up.
    pub fn added_ms(&self) -> i64 {
        match self.kept {
            Kept::Passkey { added_ms, .. } | Kept::Totp { added_ms, .. } | Kept::Recovery { added_ms } => added_ms,
        }
    }
}

/// Everything that an account has set up.
pub async fn all(challenges: &Challenges, tenant: &str, account: Id) -> Stored<Vec<Authenticator>> {
    let entries = challenges.store.enrolments(account, Drawer::Authenticators).await?;
    Ok(opened(challenges, tenant, account, entries))
}

/// What an account has set up, of what lay in its drawer.
pub fn opened(challenges: &Challenges, tenant: &str, account: Id, entries: Vec<Enrolment>) -> Vec<Authenticator> {
    let open = |entry: Enrolment| {
        let kept = opens(challenges, tenant, account, entry.id, &entry.sealed)?;
        Some(Authenticator { id: entry.id, counter: entry.counter, kept })
    };
    let mut all: Vec<_> = entries.into_iter().filter_map(open).collect();
    all.sort_by_key(|it| (it.added_ms(), it.id));
    all
}

/// The same for a name that somebody claims: opens as many as [`OPENED_MIN`] whatever there is, so that how long it takes
/// tells neither whether there is such an account nor what it has.
pub fn opened_evenly(
    challenges: &Challenges,
    tenant: &str,
    account: Id,
    entries: Vec<Enrolment>,
) -> Vec<Authenticator> {
    let missing = OPENED_MIN.saturating_sub(entries.len());
    let decoy = Kept::Totp { secret: vec![0; totp::SECRET_BYTES], added_ms: 0 };
    let sealed = seal(challenges, tenant, account, Id::default(), &decoy);
    for _ in 0..missing {
        // INVARIANT: what is in it is not used.
        drop(std::hint::black_box(opens(challenges, tenant, account, Id::default(), &sealed)));
    }
    opened(challenges, tenant, account, entries)
}

fn opens(challenges: &Challenges, tenant: &str, account: Id, id: Id, sealed: &[u8]) -> Option<Kept> {
    let opened = challenges.keys.open(Purpose::Authenticator, tenant, &owner(account, id), sealed).ok()?;
    serde_json::from_slice(&opened.plain).ok()
}

fn seal(challenges: &Challenges, tenant: &str, account: Id, id: Id, kept: &Kept) -> Vec<u8> {
    let plain = zeroize::Zeroizing::new(serde_json::to_vec(kept).unwrap_or_default());
    challenges.keys.seal(Purpose::Authenticator, tenant, &owner(account, id), &plain)
}

/// Adds one.
pub async fn add(challenges: &Challenges, tenant: &str, account: Id, id: Id, kept: &Kept) -> Stored<()> {
    let sealed = seal(challenges, tenant, account, id, kept);
    challenges.store.enrol(account, Drawer::Authenticators, id, sealed).await
}

/// Sets up an app with a fresh secret.
pub async fn provision_totp(challenges: &Challenges, tenant: &str, account: Id) -> Stored<Vec<u8>> {
    let secret: [u8; totp::SECRET_BYTES] = clock::random_bytes();
    let kept = Kept::Totp { secret: secret.to_vec(), added_ms: challenges.clock.now_ms() };
    add(challenges, tenant, account, clock::random_id(), &kept).await?;
    Ok(secret.to_vec())
}

/// What answers by this method are compared with, among everything that an account has.
pub fn aim(all: &[Authenticator], method: Method) -> Aim {
    let of_method: Vec<_> = all.iter().filter(|it| it.method() == method).collect();
    match method {
        Method::Totp => Aim {
            newest: of_method.last().map(|it| it.id),
            since: of_method.iter().map(|it| it.counter).fold(0, u64::wrapping_add),
            at_once: (of_method.len() as u64).max(1),
        },
        // A signature is guessed by nobody: several passkeys are one target. Those that do not count their signatures
        // may be forgiven a slip twice.
        Method::Passkey => Aim {
            newest: of_method.last().map(|it| it.id),
            since: of_method.iter().map(|it| it.counter).fold(0, u64::wrapping_add),
            at_once: 1,
        },
        // Codes come in sets: each right one leaves one less, a new set has a new date. Eighty bits are one target.
        _ => {
            Aim { newest: of_method.last().map(|it| set_of(it.added_ms())), since: of_method.len() as u64, at_once: 1 }
        }
    }
}

/// Names the recovery codes that were handed out at that moment.
fn set_of(added_ms: i64) -> Id {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&added_ms.to_be_bytes());
    id
}

/// Whether a code is right for one of the account's apps, and its time step was not used before. The work is the same
/// for an account that has fewer apps than it may, or none: secrets that nobody knows are tried.
pub async fn check_totp(challenges: &Challenges, account: Id, all: &[Authenticator], code: &str) -> Stored<bool> {
    let now_ms = challenges.clock.now_ms();
    let mut matched = None;
    let mut tried = 0;
    for authenticator in all {
        if let Kept::Totp { secret, .. } = &authenticator.kept {
            tried += 1;
            matched = totp::step_of(secret, code, now_ms).map(|step| (authenticator.id, step)).or(matched);
        }
    }
    for _ in tried..APPS_MAX {
        let nobody: [u8; totp::SECRET_BYTES] = clock::random_bytes();
        // INVARIANT: the answer is not used; a code that fits by chance proves nothing.
        let _ = std::hint::black_box(totp::step_of(&nobody, code, now_ms));
    }
    match matched {
        Some((id, step)) => challenges.store.advance(account, Drawer::Authenticators, id, step).await,
        None => Ok(false),
    }
}

/// What becomes of what is put back from a backup. A code that was used since is used: an app accepts none of a step that
/// has begun, and recovery codes are left out, for which of them were used nobody can tell. What does not open proves
/// nothing, and is left out as well.
pub fn aged(keys: &Keys, tenants: &[Arc<str>], carried: Carried, now_ms: i64) -> Option<Carried> {
    let Carried::Entry { account, drawer: Drawer::Authenticators, id, counter, sealed } = carried else {
        return Some(carried);
    };
    let opens = |tenant: &Arc<str>| keys.open(Purpose::Authenticator, tenant, &owner(account, id), &sealed).ok();
    let opened = tenants.iter().find_map(opens)?;
    match serde_json::from_slice(&opened.plain).ok()? {
        Kept::Totp { .. } => {
            let counter = counter.max(totp::step_at(now_ms));
            Some(Carried::Entry { account, drawer: Drawer::Authenticators, id, counter, sealed })
        }
        // Its counter may be behind; the authenticator's own is not, and challenges are good once in any case.
        Kept::Passkey { .. } => Some(Carried::Entry { account, drawer: Drawer::Authenticators, id, counter, sealed }),
        Kept::Recovery { .. } => None,
    }
}

fn owner(account: Id, id: Id) -> Vec<u8> {
    [account, id].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_backup_apps_come_back_with_their_codes_used_and_recovery_codes_do_not() {
        const NOW: i64 = 1_780_000_020_000;
        let keys = Keys::ephemeral();
        let (account, id) = ([1; 16], [2; 16]);
        let entry = |kept: Option<&Kept>, tenant: &str, counter| {
            let plain = kept.map_or_else(Vec::new, |kept| serde_json::to_vec(kept).expect("it is plain data"));
            let sealed = keys.seal(Purpose::Authenticator, tenant, &owner(account, id), &plain);
            Carried::Entry { account, drawer: Drawer::Authenticators, id, counter, sealed }
        };
        let totp = Kept::Totp { secret: vec![1; 20], added_ms: 1 };
        let tenants = ["other".into(), "bank".into()];
        let counter = |carried| match aged(&keys, &tenants, carried, NOW) {
            Some(Carried::Entry { counter, .. }) => Some(counter),
            _ => None,
        };
        let step = NOW as u64 / 30_000;
        assert_eq!(counter(entry(Some(&totp), "bank", 5)), Some(step));
        assert_eq!(counter(entry(Some(&totp), "bank", step + 1)), Some(step + 1), "never back");
        assert_eq!(counter(entry(Some(&totp), "unknown", 5)), None, "what does not open proves nothing");
        assert_eq!(counter(entry(None, "bank", 5)), None);
        assert_eq!(counter(entry(Some(&Kept::Recovery { added_ms: 1 }), "bank", 0)), None);
        let device = Carried::Entry { account, drawer: Drawer::Devices, id, counter: 0, sealed: vec![1] };
        assert_eq!(aged(&keys, &tenants, device.clone(), NOW), Some(device));
    }
}
