//! A backup of the embedded store: its rows at one moment, in one file, as sealed and nameless as they lie in the store.
//!
//! It holds no session, challenge or parked request. Putting it back makes a new store in which everything that may have
//! been used up since is void or strict: the caller says what becomes of each authenticator, known devices are left out,
//! counters are read strictly for a while, and the moment is noted, so that what was given out before it is refused.
//! A file that was cut off or changed is refused before anything is put back.

use std::{
    io::{self, Read},
    path::Path,
};

use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::{
    keys::Keys,
    store::{
        Drawer, StateError, StateStore, Stored,
        carried::{Carried, NOBODY, RESTORED, Tally, restored_ms},
        embedded::{disk::OpenError, load::Incoming, unload},
        ring::Owner,
    },
};

/// First line of a file.
const HEAD: &[u8] = b"stepward backup 1\n";
/// What comes after the last row: the number that no table has.
const END: u8 = 0xff;
/// The largest key or value that a row of ours has: a parked request is not among them.
const FIELD_BYTES_MAX: usize = 16 << 20;
/// How many bytes are handed over at once.
const CHUNK_BYTES: usize = 64 << 10;
/// How many of these may wait for whoever reads them.
const CHUNKS_MAX: usize = 4;

/// Why a backup cannot be put back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The file cannot be read.
    #[error("the backup cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It is no backup of ours, or of a version that this one does not know.
    #[error("this is no backup of a state that this version knows")]
    Foreign,
    /// It ends too early, or was changed.
    #[error("the backup is cut off or was changed; nothing was put back")]
    Damaged,
    /// Its keys are others.
    #[error("the key ring is not the one that sealed this backup; nothing was put back")]
    Keys,
    /// Where it is to be put.
    #[error(transparent)]
    Target(#[from] OpenError),
}

/// The bytes of a backup, as they are made. An error is the last that comes; a file without its end is refused later.
pub fn chunks(snapshot: unload::Snapshot) -> mpsc::Receiver<Stored<Vec<u8>>> {
    let (to, chunks) = mpsc::channel(CHUNKS_MAX);
    tokio::task::spawn_blocking(move || {
        let mut out = Out { chunk: HEAD.to_vec(), digest: Sha256::new(), rows: 0, to };
        let written = snapshot.backup_rows(|table, key, value| out.row(table, key, value));
        out.end(written);
    });
    chunks
}

struct Out {
    chunk: Vec<u8>,
    digest: Sha256,
    rows: u64,
    to: mpsc::Sender<Stored<Vec<u8>>>,
}

impl Out {
    fn row(&mut self, table: u8, key: &[u8], value: &[u8]) -> Result<(), OpenError> {
        self.chunk.push(table);
        for field in [key, value] {
            let bytes = u32::try_from(field.len()).map_err(|_| OpenError::Unusable("a row is too large".into()))?;
            self.chunk.extend(bytes.to_be_bytes());
            self.chunk.extend(field);
        }
        self.rows += 1;
        if self.chunk.len() < CHUNK_BYTES { Ok(()) } else { self.hand_over() }
    }

    fn hand_over(&mut self) -> Result<(), OpenError> {
        self.digest.update(&self.chunk);
        let chunk = std::mem::take(&mut self.chunk);
        self.to.blocking_send(Ok(chunk)).map_err(|_| OpenError::Unwanted)
    }

    fn end(mut self, written: Result<(), OpenError>) {
        let ended = written.and_then(|()| {
            self.chunk.push(END);
            self.chunk.extend(self.rows.to_be_bytes());
            self.hand_over()
        });
        let last = match ended {
            Ok(()) => Ok(self.digest.finalize().to_vec()),
            Err(OpenError::Unwanted) => return,
            Err(other) => Err(StateError::Corrupt(other.to_string())),
        };
        // Whoever went away needs no end.
        let _ = self.to.blocking_send(last);
    }
}

/// Reads a backup to its end and gives what is in it; what was given counts only if this returns without an error.
fn read(
    from: &mut impl Read,
    keys: &Keys,
    mut each: impl FnMut(Carried) -> Result<(), OpenError>,
) -> Result<(), RestoreError> {
    let mut from = Digested { from, digest: Sha256::new() };
    let mut head = vec![0; HEAD.len()];
    from.fill(&mut head).map_err(|_| RestoreError::Foreign)?;
    if head != HEAD {
        return Err(RestoreError::Foreign);
    }
    let mut unpacker = unload::Unpacker::default();
    let mut rows = 0_u64;
    loop {
        let [table] = from.bytes::<1>()?;
        if table == END {
            break;
        }
        let table = unload::Unpacker::table(table).ok_or(RestoreError::Damaged)?;
        let (key, value) = (from.field()?, from.field()?);
        if let Some(carried) = unpacker.unpack(table, &key, &value).map_err(|_| RestoreError::Damaged)? {
            each(carried)?;
        }
        rows += 1;
    }
    if u64::from_be_bytes(from.bytes()?) != rows {
        return Err(RestoreError::Damaged);
    }
    let digest: [u8; 32] = from.digest.finalize().into();
    let mut theirs = [0; 32];
    from.from.read_exact(&mut theirs).map_err(|_| RestoreError::Damaged)?;
    if digest != theirs || from.from.read(&mut [0])? != 0 {
        return Err(RestoreError::Damaged);
    }
    match Owner::read(unpacker.owner()) {
        Ok(Owner::Ring(theirs)) if keys.covers(&theirs) => {}
        Ok(Owner::Ring(_) | Owner::Copy(_) | Owner::Nobody) | Err(_) => return Err(RestoreError::Keys),
    }
    unpacker.rest().try_for_each(each).map_err(RestoreError::from)
}

struct Digested<'a, R> {
    from: &'a mut R,
    digest: Sha256,
}

impl<R: Read> Digested<'_, R> {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RestoreError> {
        self.from.read_exact(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => RestoreError::Damaged,
            _ => RestoreError::Unreadable(error),
        })?;
        self.digest.update(bytes);
        Ok(())
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], RestoreError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes).map(|()| bytes)
    }

    fn field(&mut self) -> Result<Vec<u8>, RestoreError> {
        let bytes = u32::from_be_bytes(self.bytes()?) as usize;
        if bytes > FIELD_BYTES_MAX {
            return Err(RestoreError::Damaged);
        }
        let mut field = vec![0; bytes];
        self.fill(&mut field).map(|()| field)
    }
}

/// Puts a backup into a folder that has no store. `aged` says what becomes of an authenticator; `None` leaves it out.
///
/// # Errors
/// [`RestoreError`]; there is no store then, as before.
pub fn restore(
    from: &mut impl Read,
    folder: &Path,
    keys: &Keys,
    now_ms: i64,
    mut aged: impl FnMut(Carried) -> Option<Carried>,
) -> Result<Tally, RestoreError> {
    let mut incoming = Incoming::begin(folder)?;
    let mut tally = Tally::default();
    let read = read(from, keys, |carried| {
        let Some(carried) = outlived(carried).and_then(&mut aged) else { return Ok(()) };
        tally.add(&carried);
        incoming.put(carried)
    });
    if let Err(error) = read {
        incoming.abandon();
        return Err(error);
    }
    incoming.note(RESTORED, &now_ms.to_be_bytes())?;
    incoming.note(NOBODY, &keys.fingerprint().to_bytes())?;
    incoming.finish()?;
    Ok(tally)
}

/// What of a backup may be put back at all: nothing of which a revocation since could not be known.
fn outlived(carried: Carried) -> Option<Carried> {
    match carried {
        Carried::Session { .. } | Carried::Entry { drawer: Drawer::Devices, .. } => None,
        Carried::Entry { account: NOBODY, id: RESTORED, .. } => None,
        Carried::Entry { .. }
        | Carried::Claim { .. }
        | Carried::Lock { .. }
        | Carried::Revocation(_)
        | Carried::Counter { .. } => Some(carried),
    }
}

/// When a backup was last put back into this store, if ever: what was given out before may have been used.
///
/// # Errors
/// The store does not answer.
pub async fn restored_at_ms(store: &impl StateStore) -> Stored<Option<i64>> {
    let notes = store.enrolments(NOBODY, Drawer::Traces).await?;
    Ok(notes.into_iter().find(|note| note.id == RESTORED).and_then(|note| restored_ms(&note.sealed)))
}
