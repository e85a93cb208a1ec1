//! Moving to another store: everything that must outlive the move, out of one and into an empty one.
//!
//! Both are offline. The new store belongs to the same key ring, and nobody can start on it before all of it is there: a
//! file gets its name at the end, and Redis holds a mark in place of the ring's fingerprint until then. The old store is
//! left as it is. A store that has state is never written to; a copy that was interrupted is begun anew.

use std::path::PathBuf;

use crate::{
    clock::{self, Clock},
    keys::{Fingerprint, Keys},
    settings,
    store::{
        StateError,
        carried::{Cargo, Carried, NOBODY, STRICT_MS, Tally},
        embedded::{
            disk::{OpenError, Restart},
            load::Incoming,
            unload::Offline,
        },
        redis::{self, Redis},
        ring::{self, Owner},
    },
};

/// Where a store is.
pub enum Place {
    /// A folder with the file of the embedded store.
    Folder(PathBuf),
    /// Servers.
    Redis(settings::Redis),
}

/// Why nothing was copied, or not all.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The embedded store cannot be read or written.
    #[error(transparent)]
    Embedded(#[from] OpenError),
    /// Redis cannot be used.
    #[error(transparent)]
    Redis(#[from] redis::OpenError),
    /// One of them stopped answering; what was copied is begun anew next time.
    #[error("{0}; run the same command again")]
    Broken(#[from] StateError),
    /// The source holds nothing of ours.
    #[error("there is no state to copy from")]
    Nothing,
    /// A crash may have taken the last second of what it counted.
    #[error("the last stop was not clean: start Stepward on it once more and stop it (SIGTERM), then copy")]
    Unclean,
    /// Its counters have to be read strictly for a while.
    #[error(
        "a backup was put back here less than 15 minutes ago, and counters are read strictly until then; copy later"
    )]
    JustRestored,
    /// A copy into the source has not ended.
    #[error("a copy into the source was begun and not ended; it holds a part only")]
    Partial,
    /// Its keys are others.
    #[error("the key ring is not the one that sealed this state")]
    Foreign,
    /// There is something at the target.
    #[error("the target has state already; nothing was copied. Copy into an empty one")]
    Taken,
    /// Somebody else copies there.
    #[error("another copy into the same target has begun meanwhile")]
    Rival,
}

impl CopyError {
    /// Whether the stores said no, rather than being out of reach.
    pub fn is_refusal(&self) -> bool {
        match self {
            CopyError::Embedded(error) => matches!(error, OpenError::Taken(_) | OpenError::InUse),
            CopyError::Redis(_) | CopyError::Broken(_) => false,
            CopyError::Nothing
            | CopyError::Unclean
            | CopyError::JustRestored
            | CopyError::Partial
            | CopyError::Foreign
            | CopyError::Taken
            | CopyError::Rival => true,
        }
    }
}

/// A store that may be read out.
enum Source {
    Folder(Offline),
    Redis(Redis),
}

impl Source {
    fn cargo(self) -> Cargo {
        match self {
            Source::Folder(offline) => offline.cargo(),
            Source::Redis(store) => store.cargo(),
        }
    }
}

/// Copies. Every process that works on either store must have been stopped.
///
/// # Errors
/// [`CopyError`]; nobody can start on a part of a copy.
pub async fn copy(from: Place, to: Place, keys: &Keys, clock: &Clock) -> Result<Tally, CopyError> {
    let source = source(from, matches!(to, Place::Redis(_)), keys, clock).await?;
    match to {
        Place::Folder(folder) => into_folder(source, &folder, keys, clock.now_ms()).await,
        Place::Redis(settings) => into_redis(source, &settings, keys, clock).await,
    }
}

/// Everything that is carried out of a store, and which key it says is current; a shared one may be at work meanwhile.
///
/// # Errors
/// [`CopyError`]
pub async fn look(at: Place, keys: &Keys, clock: &Clock) -> Result<(Cargo, u16), CopyError> {
    match at {
        Place::Folder(folder) => {
            let offline = Offline::open(&folder)?;
            let theirs = belongs(&Owner::read(offline.notes()?.0)?, keys)?;
            Ok((offline.cargo(), theirs.kid()))
        }
        Place::Redis(settings) => {
            let store = Redis::open(&patient(&settings), clock.clone()).await?;
            let theirs = belongs(&ring::owner(&store).await?, keys)?;
            Ok((store.cargo(), theirs.kid()))
        }
    }
}

async fn source(from: Place, goes_to_redis: bool, keys: &Keys, clock: &Clock) -> Result<Source, CopyError> {
    match from {
        Place::Folder(folder) => {
            let offline = Offline::open(&folder)?;
            let (owner, restored_ms) = offline.notes()?;
            belongs(&Owner::read(owner)?, keys)?;
            let is_strict = restored_ms.is_some_and(|at_ms| clock.now_ms() < at_ms.saturating_add(STRICT_MS));
            match offline.restart() {
                // Only the embedded store reads strictly what came out of a backup.
                _ if is_strict && goes_to_redis => Err(CopyError::JustRestored),
                Restart::Clean => Ok(Source::Folder(offline)),
                Restart::Unclean => Err(CopyError::Unclean),
                Restart::Fresh => Err(CopyError::Nothing),
            }
        }
        Place::Redis(settings) => {
            let store = Redis::open(&patient(&settings), clock.clone()).await?;
            belongs(&ring::owner(&store).await?, keys)?;
            Ok(Source::Redis(store))
        }
    }
}

/// A copy is in no hurry.
fn patient(settings: &settings::Redis) -> settings::Redis {
    settings::Redis { wait: settings.wait.max(redis::COPY_WAIT), ..settings.clone() }
}

fn belongs(owner: &Owner, keys: &Keys) -> Result<Fingerprint, CopyError> {
    match owner {
        Owner::Nobody => Err(CopyError::Nothing),
        Owner::Copy(_) => Err(CopyError::Partial),
        Owner::Ring(theirs) if keys.covers(theirs) => Ok(*theirs),
        Owner::Ring(_) => Err(CopyError::Foreign),
    }
}

/// What is not worth carrying, because it is over.
fn is_over(carried: &Carried, now_ms: i64) -> bool {
    match carried {
        Carried::Session { expires_ms, .. } | Carried::Claim { expires_ms, .. } => *expires_ms <= now_ms,
        Carried::Lock { until_ms, .. } => *until_ms <= now_ms,
        Carried::Entry { .. } | Carried::Revocation(_) | Carried::Counter { .. } => false,
    }
}

async fn into_folder(source: Source, folder: &std::path::Path, keys: &Keys, now_ms: i64) -> Result<Tally, CopyError> {
    let mut incoming = Incoming::begin(folder)?;
    let mut cargo = source.cargo();
    let mut tally = Tally::default();
    while let Some(piece) = cargo.recv().await {
        let piece = match piece {
            Ok(piece) => piece,
            Err(error) => {
                incoming.abandon();
                return Err(error.into());
            }
        };
        for carried in piece.into_iter().filter(|it| !is_over(it, now_ms)) {
            tally.add(&carried);
            incoming.put(carried)?;
        }
    }
    incoming.note(NOBODY, &keys.fingerprint().to_bytes())?;
    incoming.finish()?;
    Ok(tally)
}

async fn into_redis(
    source: Source,
    settings: &settings::Redis,
    keys: &Keys,
    clock: &Clock,
) -> Result<Tally, CopyError> {
    let store = Redis::open(&patient(settings), clock.clone()).await?;
    match ring::owner(&store).await? {
        Owner::Ring(_) => return Err(CopyError::Taken),
        Owner::Nobody if !store.is_empty().await? => return Err(CopyError::Taken),
        // What an interrupted copy left is older than what is copied now.
        Owner::Nobody | Owner::Copy(_) => {}
    }
    let ours = clock::random_id();
    ring::claim(&store, &ours).await?;
    store.clear().await?;
    ring::claim(&store, &ours).await?;
    let mut cargo = source.cargo();
    let mut tally = Tally::default();
    while let Some(piece) = cargo.recv().await {
        let piece: Vec<_> = piece?.into_iter().filter(|it| !is_over(it, clock.now_ms())).collect();
        piece.iter().for_each(|carried| tally.add(carried));
        store.adopt(piece).await?;
    }
    finish(&store, keys, &ours).await?;
    Ok(tally)
}

/// From here on processes may start.
async fn finish(store: &Redis, keys: &Keys, ours: &[u8; 16]) -> Result<(), CopyError> {
    match ring::owner(store).await? {
        Owner::Copy(mark) if mark == *ours => Ok(ring::settle(store, keys).await?),
        Owner::Copy(_) | Owner::Nobody | Owner::Ring(_) => Err(CopyError::Rival),
    }
}
