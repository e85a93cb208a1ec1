//! Bodies that are too large for the store: each waits in a sealed file of its own until its request is resumed.
//!
//! A body is written while it arrives and read while it is sent; a piece or two of it are in memory, never the whole.
//! Every piece is sealed for one parked request with the browser's half of the key, with its number and with whether it
//! is the last (STREAM: Hoang, Reyhanitabar, Rogaway and Vizár, 2015): what was cut short, put in another order, or
//! taken from another file does not open, and all of it is opened once before the app is sent a byte. What the disk
//! does not take is not kept, and whoever sent it is told so. A file ends when its request is resumed or dropped, or
//! with its time.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::{Bytes, BytesMut};
use data_encoding::HEXLOWER;

use crate::{
    arrival::Spooled,
    clock::{self, Clock},
    keys::{self, Keys, Purpose},
    sessions::cookies::ParkHalf,
    settings,
    store::Id,
};

/// Plain bytes of a piece.
const PIECE_BYTES: usize = 64 << 10;
/// A file begins with the moment it ends, in milliseconds since the Unix epoch.
const HEAD_BYTES: u64 = 8;
/// How long a file outlives its time: clocks of nodes that share a folder differ.
const GRACE_MS: i64 = 60_000;
/// For how long a file that is being written is left alone even if nobody seems to write it.
const YOUNG: Duration = Duration::from_secs(60);
/// What names a folder, so that a node knows what lies in its own.
const FOLDER_NAME: &str = "folder.id";
const UNFINISHED: &str = "part";

/// A folder of bodies that wait. Cheap to clone.
#[derive(Clone)]
pub struct Spool(Arc<Inner>);

struct Inner {
    path: PathBuf,
    id: Id,
    bytes_max: u64,
    keys: Arc<Keys>,
    clock: Clock,
    /// Held while room is looked for and taken.
    admission: Mutex<()>,
}

/// Whom a body is sealed for.
#[derive(Clone)]
pub struct Owner {
    /// The parked request.
    pub parked: Id,
    /// Its tenant.
    pub tenant: Arc<str>,
    /// Its session, host and id.
    pub bound_to: Vec<u8>,
    /// The browser's half of the key.
    pub half: ParkHalf,
}

/// Where a body is, as seen from this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// In this node's folder, or in the store with its request.
    Here,
    /// In the folder of another node.
    Elsewhere,
    /// It was here and is gone.
    Nowhere,
}

/// Why a body is not kept.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    /// The folder holds as much as it may.
    #[error("the spool is full")]
    Full,
    /// It is longer than it may be.
    #[error("the body is longer than may be kept")]
    TooLong,
    /// The disk does not take it.
    #[error("the spool cannot be written: {0}")]
    Disk(#[from] io::Error),
}

impl Spool {
    /// Opens a folder, makes it where there is none, and removes what nobody waits for any more. Blocks on the disk.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn open(settings: &settings::Spool, keys: Arc<Keys>, clock: Clock) -> io::Result<Spool> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&settings.path)?;
        let id = folder_id(&settings.path)?;
        let (path, bytes_max) = (settings.path.clone(), settings.bytes_max);
        let spool = Spool(Arc::new(Inner { path, id, bytes_max, keys, clock, admission: Mutex::default() }));
        spool.sweep();
        Ok(spool)
    }

    /// Removes files whose time is over, and those that a process left unfinished. Blocks on the disk.
    pub fn sweep(&self) {
        let now_ms = self.0.clock.now_ms();
        for path in self.files() {
            let is_over = match path.extension().is_some_and(|it| it == UNFINISHED) {
                true => is_abandoned(&path),
                false => ends_ms(&path).is_ok_and(|ends_ms| ends_ms.saturating_add(GRACE_MS) <= now_ms),
            };
            if is_over && let Err(error) = fs::remove_file(&path) {
                tracing::warn!(%error, "a file of the spool is not removed");
            }
        }
    }

    /// Begins a file for a body of at most so many bytes, for which room is taken at once.
    ///
    /// # Errors
    /// There is no room for it, or the disk takes nothing.
    pub async fn begin(&self, owner: Owner, bytes_max: u64) -> Result<Writer, NotKept> {
        let spool = self.clone();
        let draft = blocking(move || spool.draft(owner, bytes_max)).await??;
        Ok(Writer { draft: Some(draft), pending: BytesMut::with_capacity(2 * PIECE_BYTES), bytes: 0, bytes_max })
    }

    /// Where a body is.
    pub async fn whereabouts(&self, parked: &Id, spooled: &Spooled) -> Whereabouts {
        match tokio::fs::try_exists(self.file(parked)).await {
            Ok(true) => Whereabouts::Here,
            Ok(false) | Err(_) if spooled.folder != self.0.id => Whereabouts::Elsewhere,
            Ok(false) | Err(_) => Whereabouts::Nowhere,
        }
    }

    /// Opens a body to be sent, and removes its file: it is there for this one reader only. `None` where it is gone, or
    /// where any of it is not as it was kept.
    pub async fn claim(&self, owner: Owner, spooled: Spooled) -> Option<Reader> {
        let (spool, path) = (self.clone(), self.file(&owner.parked));
        let claimed = move || {
            let mut whole = spool.opened(&path, owner, spooled)?;
            while whole.next()?.is_some() {}
            whole.rewind()?;
            fs::remove_file(&path)?;
            Ok::<Pieces, io::Error>(whole)
        };
        match blocking(claimed).await.and_then(|it| it) {
            Ok(pieces) => Some(Reader { pieces: Some(pieces), bytes: spooled.bytes }),
            Err(error) => {
                tracing::warn!(%error, "a body that was kept does not read back; its request is not sent");
                None
            }
        }
    }

    /// Reads a whole body without taking it; only for bodies that are small enough to be looked at.
    pub async fn look(&self, owner: Owner, spooled: Spooled) -> Option<Bytes> {
        let (spool, path) = (self.clone(), self.file(&owner.parked));
        let read = move || {
            let mut pieces = spool.opened(&path, owner, spooled)?;
            let mut body = BytesMut::new();
            while let Some(piece) = pieces.next()? {
                body.extend_from_slice(&piece);
            }
            Ok::<Bytes, io::Error>(body.freeze())
        };
        blocking(read).await.and_then(|it| it).ok()
    }

    /// Removes the body of a request that was dropped, if it has a file.
    pub async fn remove(&self, parked: &Id) {
        // What is not there any more need not be removed, and what cannot be removed now is swept later.
        let _ = tokio::fs::remove_file(self.file(parked)).await;
    }

    fn file(&self, parked: &Id) -> PathBuf {
        // The id of a parked request is half of the right to it: nobody reads it off a folder.
        let name = self.0.keys.pseudonym("", "spool", &HEXLOWER.encode(parked));
        self.0.path.join(HEXLOWER.encode(&name))
    }

    /// All files of bodies, finished or not.
    fn files(&self) -> impl Iterator<Item = PathBuf> + use<> {
        let entries = fs::read_dir(&self.0.path).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| {
            path.file_stem()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.len() == 32 && name.bytes().all(|it| it.is_ascii_hexdigit()))
        })
    }

    fn draft(&self, owner: Owner, bytes_max: u64) -> Result<Draft, NotKept> {
        let finished = self.file(&owner.parked);
        let path = finished.with_extension(UNFINISHED);
        let room = sealed_bytes(bytes_max);
        let _admission = self.0.admission.lock().unwrap_or_else(PoisonError::into_inner);
        let used: u64 = self.files().filter_map(|path| fs::metadata(path).ok()).map(|it| it.len()).sum();
        if used.saturating_add(room) > self.0.bytes_max {
            return Err(NotKept::Full);
        }
        let file = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
        let mut draft = Draft { file, path, finished, sealing: self.sealing(owner), number: 0, is_done: false };
        // Whoever sweeps this folder sees by the lock that somebody writes; a file system without locks has the time.
        let _ = draft.file.try_lock();
        draft.file.set_len(room)?;
        draft.file.write_all(&i64::MAX.to_be_bytes())?;
        Ok(draft)
    }

    fn sealing(&self, owner: Owner) -> Sealing {
        Sealing { keys: self.0.keys.clone(), owner }
    }

    fn opened(&self, path: &Path, owner: Owner, spooled: Spooled) -> io::Result<Pieces> {
        let file = File::open(path)?;
        if file.metadata()?.len() != sealed_bytes(spooled.bytes) {
            return Err(io::Error::other("the file has another length"));
        }
        let mut pieces = Pieces { file, sealing: self.sealing(owner), bytes: spooled.bytes, left: 0, number: 0 };
        pieces.rewind()?;
        Ok(pieces)
    }
}

/// What a body is sealed with.
struct Sealing {
    keys: Arc<Keys>,
    owner: Owner,
}

impl Sealing {
    fn seal(&self, number: u64, is_last: bool, plain: &[u8]) -> Vec<u8> {
        let (tenant, owner) = (&self.owner.tenant, self.of(number, is_last));
        self.keys.seal_split(Purpose::Spooled, tenant, &owner, &self.owner.half.0, plain)
    }

    fn open(&self, number: u64, is_last: bool, sealed: &[u8]) -> io::Result<Vec<u8>> {
        let (tenant, owner) = (&self.owner.tenant, self.of(number, is_last));
        let opened = self.keys.open_split(Purpose::Spooled, tenant, &owner, &self.owner.half.0, sealed);
        opened.map(|mut opened| std::mem::take(&mut *opened.plain)).map_err(io::Error::other)
    }

    fn of(&self, number: u64, is_last: bool) -> Vec<u8> {
        [&self.owner.bound_to[..], &number.to_be_bytes(), &[u8::from(is_last)]].concat()
    }
}

/// A body on its way into a file. Dropped before [`Writer::finish`], it leaves nothing.
pub struct Writer {
    draft: Option<Draft>,
    pending: BytesMut,
    bytes: u64,
    bytes_max: u64,
}

struct Draft {
    file: File,
    path: PathBuf,
    finished: PathBuf,
    sealing: Sealing,
    number: u64,
    is_done: bool,
}

impl Writer {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// The disk does not take them, or they are more than room was taken for.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), NotKept> {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        if self.bytes > self.bytes_max {
            return Err(NotKept::TooLong);
        }
        self.pending.extend_from_slice(bytes);
        // The last piece is not known before the end, so one is always kept back.
        while self.pending.len() > PIECE_BYTES {
            let piece = self.pending.split_to(PIECE_BYTES).freeze();
            self.put(piece, false).await?;
        }
        Ok(())
    }

    /// Writes what is left, until `ends_ms`; on disk when it returns.
    ///
    /// # Errors
    /// The disk does not take it.
    pub async fn finish(mut self, spool: &Spool, ends_ms: i64) -> Result<Spooled, NotKept> {
        let (last, bytes) = (self.pending.split().freeze(), self.bytes);
        self.put(last, true).await?;
        let mut draft = self.draft.take().ok_or_else(closed)?;
        blocking(move || draft.finish(sealed_bytes(bytes), ends_ms)).await??;
        Ok(Spooled { folder: spool.0.id, bytes })
    }

    async fn put(&mut self, piece: Bytes, is_last: bool) -> io::Result<()> {
        let mut draft = self.draft.take().ok_or_else(closed)?;
        let (draft, written) = blocking(move || {
            let written = draft.put(&piece, is_last);
            (draft, written)
        })
        .await?;
        self.draft = Some(draft);
        written
    }
}

impl Draft {
    fn put(&mut self, piece: &[u8], is_last: bool) -> io::Result<()> {
        self.file.write_all(&self.sealing.seal(self.number, is_last, piece))?;
        self.number += 1;
        Ok(())
    }

    fn finish(&mut self, bytes: u64, ends_ms: i64) -> io::Result<()> {
        self.file.set_len(bytes)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&ends_ms.to_be_bytes())?;
        self.file.sync_all()?;
        fs::rename(&self.path, &self.finished)?;
        self.is_done = true;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_done {
            // What cannot be removed now is swept later.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A body on its way to the app. Its file has no name any more and ends with this.
pub struct Reader {
    pieces: Option<Pieces>,
    bytes: u64,
}

struct Pieces {
    file: File,
    sealing: Sealing,
    bytes: u64,
    left: u64,
    number: u64,
}

impl Reader {
    /// How long the whole body is.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next piece, `None` after the last.
    ///
    /// # Errors
    /// The disk does not give it back as it was.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let mut pieces = self.pieces.take().ok_or_else(closed)?;
        let (pieces, piece) = blocking(move || {
            let piece = pieces.next();
            (pieces, piece)
        })
        .await?;
        self.pieces = Some(pieces);
        piece
    }
}

impl Pieces {
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        let is_empty_body = self.bytes == 0 && self.number == 0;
        if self.left == 0 && !is_empty_body {
            return Ok(None);
        }
        let plain = usize::try_from(self.left).unwrap_or(usize::MAX).min(PIECE_BYTES);
        let mut sealed = vec![0; plain + keys::SEAL_BYTES];
        self.file.read_exact(&mut sealed)?;
        self.left -= plain as u64;
        let piece = self.sealing.open(self.number, self.left == 0, &sealed)?;
        self.number += 1;
        Ok((!is_empty_body).then(|| piece.into()))
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(HEAD_BYTES))?;
        (self.left, self.number) = (self.bytes, 0);
        Ok(())
    }
}

/// How long the file of a body is.
fn sealed_bytes(plain: u64) -> u64 {
    let pieces = plain.div_ceil(PIECE_BYTES as u64).max(1);
    HEAD_BYTES.saturating_add(plain).saturating_add(pieces.saturating_mul(keys::SEAL_BYTES as u64))
}

/// What the folder is called, by whichever node came first.
fn folder_id(folder: &Path) -> io::Result<Id> {
    let path = folder.join(FOLDER_NAME);
    let fresh = folder.join(format!("{}.new", HEXLOWER.encode(&clock::random_id())));
    if !path.try_exists()? {
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(HEXLOWER.encode(&clock::random_id()).as_bytes())?;
        file.sync_all()?;
        let linked = fs::hard_link(&fresh, &path);
        fs::remove_file(&fresh)?;
        linked.or_else(|error| if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })?;
    }
    let id = HEXLOWER.decode(fs::read(&path)?.trim_ascii()).ok().and_then(|id| id.try_into().ok());
    id.ok_or_else(|| io::Error::other(format!("`{}` names no folder; remove it", path.display())))
}

fn ends_ms(path: &Path) -> io::Result<i64> {
    let mut head = [0; HEAD_BYTES as usize];
    File::open(path)?.read_exact(&mut head)?;
    Ok(i64::from_be_bytes(head))
}

/// Whether nobody writes this file any more: it is not new, and its writer's lock is gone.
fn is_abandoned(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    let changed = file.metadata().and_then(|it| it.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let is_young = changed.elapsed().is_ok_and(|age| age < YOUNG);
    // Where nothing can be locked, a body that is still coming changes its file.
    !is_young && !matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

fn closed() -> io::Error {
    io::Error::other("the file failed before")
}

/// The disk's work, away from the threads that serve.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
}

#[cfg(test)]
mod tests;
