//! Data that is looked up instead of asking a vendor: the operator's own files, and lists that are downloaded.
//!
//! A look-up never waits and never loads: it uses what is in memory. Loading is done in the background, by
//! [`List::refresh`]. Data that is broken, cut off or empty leaves the last good one in place; data that is too old, or
//! was never there, is `unavailable`: unknown, and never "not on the list".

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwapOption;
use stepward_core::connector::{
    Class, Connector, Named, Operation,
    answer::Interpreted,
    document::local::LocalKind,
    local::{Downloads, Home, Local},
};

use crate::{
    clock::Clock,
    vendors::{
        client::{Answer, Client, Known},
        local::{
            copy::{Copy, Head},
            index::{Index, Miss},
        },
    },
};

pub mod copy;
pub mod index;
pub mod read;

/// How long after a download that failed the next is tried, and at most, in milliseconds; twice as long each time.
const AGAIN_MS: i64 = 60_000;
const AGAIN_MS_MAX: i64 = 3_600_000;

/// Where data lies.
pub struct Places<'a> {
    /// The folder of connectors, below which their files are.
    pub connectors: &'a Path,
    /// Where downloads are kept; nowhere: each start downloads them anew.
    pub copies: Option<&'a Path>,
}

/// The data of one operation, kept fresh.
pub struct List {
    connector: Arc<str>,
    operation: Arc<Operation>,
    source: Origin,
    clock: Clock,
    held: ArcSwapOption<Held>,
    due: Mutex<Due>,
    is_busy: AtomicBool,
    said_stale: AtomicBool,
}

/// Where it comes from.
enum Origin {
    File(PathBuf),
    Downloads {
        client: Client,
        copies: Option<PathBuf>,
    },
    /// Told beforehand: the data of a fixture.
    Told,
}

/// Data in memory.
struct Held {
    index: Arc<Index>,
    /// From when it is, in milliseconds since 1970.
    as_of_ms: i64,
}

/// When a file was written and how long it is.
type Stamp = (SystemTime, u64);

/// When something is to be done.
#[derive(Default)]
struct Due {
    /// The file as it was last looked at.
    seen: Option<Option<Stamp>>,
    /// When the next download is due, in milliseconds since 1970.
    at_ms: i64,
    /// Failures in a row.
    failures: u32,
}

impl List {
    /// Sets the data of an operation up, with what is on disk. Data that is not there, or cannot be used, is an error in
    /// the log and not at start: the connector says nothing until it is there.
    ///
    /// # Errors
    /// A certificate that cannot be used, or an operation that looks nothing up.
    pub fn open(
        connector: &Connector,
        operation: &Arc<Operation>,
        secrets: Vec<(Arc<str>, Arc<str>)>,
        own: &Arc<[SocketAddr]>,
        places: &Places<'_>,
        clock: &Clock,
    ) -> Result<List, &'static str> {
        let local = operation.local().ok_or("it looks nothing up")?;
        let source = match &local.home {
            Home::File(path) => Origin::File(places.connectors.join(path)),
            Home::Downloads(_) => {
                let copies = places.copies.map(Path::to_path_buf);
                Origin::Downloads { client: Client::new(connector, secrets, own)?, copies }
            }
        };
        let list = List::of(operation, source, clock);
        match &list.source {
            Origin::File(path) => list.reread(local, path),
            Origin::Downloads { .. } => list.restore(local),
            Origin::Told => {}
        }
        Ok(list)
    }

    /// Data that was told beforehand, and how old it is; without data there is none.
    pub fn told(operation: &Arc<Operation>, index: Option<Index>, age: Duration, clock: &Clock) -> List {
        let list = List::of(operation, Origin::Told, clock);
        let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        list.hold(index, clock.now_ms().saturating_sub(age_ms));
        list
    }

    fn of(operation: &Arc<Operation>, source: Origin, clock: &Clock) -> List {
        List {
            connector: operation.connector.clone(),
            operation: operation.clone(),
            source,
            clock: clock.clone(),
            held: ArcSwapOption::empty(),
            due: Mutex::default(),
            is_busy: AtomicBool::new(false),
            said_stale: AtomicBool::new(false),
        }
    }

    /// What the data says about these inputs, and how old it is, in milliseconds. Memory only.
    pub fn find(&self, inputs: &Named, now_ms: i64) -> (Interpreted, u64) {
        let nothing = |class, why: &str| self.operation.nothing(class, why);
        let held = self.held.load();
        let Some(held) = held.as_ref() else { return (nothing(Class::Unavailable, "there is no data yet"), 0) };
        let age_ms = held.age_ms(self.clock.now_ms());
        if self.is_stale(age_ms) {
            return (nothing(Class::Unavailable, "the data is too old"), age_ms);
        }
        let answer = match self.operation.local_key(inputs, now_ms).map(|key| held.index.find(&key)) {
            Some(Ok(found)) => self.operation.found(found.as_deref(), inputs, now_ms),
            Some(Err(Miss::Unfit)) | None => nothing(Class::InvalidInput, "this cannot be looked for"),
            Some(Err(Miss::Broken)) => nothing(Class::ContractError, "the record cannot be read"),
        };
        (answer, age_ms)
    }

    /// How many entries it has and how old it is, in milliseconds; `None` without data.
    pub fn standing(&self) -> Option<(usize, u64)> {
        let held = self.held.load();
        held.as_ref().map(|held| (held.index.entries(), held.age_ms(self.clock.now_ms())))
    }

    fn is_stale(&self, age_ms: u64) -> bool {
        let limit_ms = self.operation.local().and_then(|local| local.stale_after_ms);
        limit_ms.is_some_and(|limit_ms| age_ms >= limit_ms)
    }

    /// Reads a file that changed, or begins a download that is due; whoever calls it waits for the disk, and not for the
    /// network. Downloads need a runtime: without one there are none.
    pub fn refresh(self: &Arc<Self>) {
        let Some(local) = self.operation.local() else { return };
        match &self.source {
            Origin::File(path) => self.reread(local, path),
            Origin::Downloads { .. } => {
                if let (true, Ok(runtime)) = (self.is_due(), tokio::runtime::Handle::try_current()) {
                    let list = self.clone();
                    // Asked again: another may have ended before this one began.
                    runtime.spawn(async move {
                        if list.is_due() {
                            list.renew().await;
                        }
                    });
                }
            }
            Origin::Told => {}
        }
        self.say_if_stale();
    }

    fn is_due(&self) -> bool {
        self.clock.now_ms() >= self.due().at_ms
    }

    /// Once when it becomes too old, and once when it is good again.
    fn say_if_stale(&self) {
        let is_stale = self.held.load().as_ref().is_some_and(|held| self.is_stale(held.age_ms(self.clock.now_ms())));
        if self.said_stale.swap(is_stale, Ordering::Relaxed) != is_stale {
            match is_stale {
                true => {
                    tracing::error!(connector = %self.connector, "data is too old; what it tells is unknown from now on")
                }
                false => tracing::info!(connector = %self.connector, "data is fresh again"),
            }
        }
    }

    /// Downloads it now, unless that is under way. What came of it is in the log and in [`List::standing`].
    pub async fn renew(self: &Arc<Self>) {
        let (Origin::Downloads { client, copies }, Some(local)) = (&self.source, self.operation.local()) else {
            return;
        };
        let Home::Downloads(downloads) = &local.home else { return };
        if self.is_busy.swap(true, Ordering::AcqRel) {
            return;
        }
        // However this ends, the next may begin.
        let _free = Free(&self.is_busy);
        let fetched = self.fetch(client, copies.as_deref(), local, downloads).await;
        let result = match fetched {
            Ok(fetched) => self.take(fetched, copies.clone()).await,
            Err(why) => Err(why),
        };
        self.ended(downloads, result);
    }

    fn ended(&self, downloads: &Downloads, result: Result<(), String>) {
        let now_ms = self.clock.now_ms();
        let refresh_ms = i64::try_from(downloads.refresh_ms).unwrap_or(i64::MAX);
        let mut due = self.due();
        match result {
            Ok(()) => (due.failures, due.at_ms) = (0, now_ms.saturating_add(refresh_ms)),
            Err(why) => {
                let wait_ms = AGAIN_MS.saturating_mul(1 << due.failures.min(10)).min(AGAIN_MS_MAX).min(refresh_ms);
                due.failures = due.failures.saturating_add(1);
                due.at_ms = now_ms.saturating_add(wait_ms);
                drop(due);
                tracing::error!(connector = %self.connector, %why, again_in_ms = wait_ms, "download not taken; the last good one stays");
            }
        }
    }

    /// Every part, and whether any is new.
    async fn fetch(
        self: &Arc<Self>,
        client: &Client,
        copies: Option<&Path>,
        local: &Local,
        downloads: &Downloads,
    ) -> Result<(Vec<Copy>, bool), String> {
        let (mut parts, mut is_new) = (Vec::new(), self.held.load().is_none());
        for at in 0..downloads.count() {
            let source = copy::digest(downloads.identity(at).as_bytes());
            let before = self.copy_of(copies, at, &source, local.bytes_max).await;
            let known = before.as_ref().map(|it| &it.head);
            let known = Known {
                etag: known.and_then(|head| head.etag.as_deref()),
                last_modified: known.and_then(|head| head.last_modified.as_deref()),
            };
            let limit = Duration::from_millis(downloads.timeout_ms);
            let moment_ms = self.clock.now_ms();
            let answer = client.download(&self.operation, at, known, local.bytes_max, moment_ms);
            let answer = tokio::time::timeout(limit, answer).await.map_err(|_| "it took too long".to_owned())?;
            let answer = answer.map_err(|failure| failure.why.to_owned())?;
            let (part, changed) = part(answer, before, source, moment_ms)?;
            is_new |= changed;
            parts.push(part);
        }
        Ok((parts, is_new))
    }

    async fn copy_of(&self, copies: Option<&Path>, at: usize, source: &str, bytes_max: u64) -> Option<Copy> {
        let (path, source) = (copy::place(copies?, &self.connector, at), source.to_owned());
        tokio::task::spawn_blocking(move || Copy::read(&path, &source, bytes_max)).await.ok()?
    }

    /// Takes what was downloaded, if it can be read, and keeps it.
    async fn take(self: &Arc<Self>, fetched: (Vec<Copy>, bool), copies: Option<PathBuf>) -> Result<(), String> {
        let list = self.clone();
        let taken = tokio::task::spawn_blocking(move || list.take_blocking(fetched, copies.as_deref())).await;
        taken.unwrap_or_else(|_| Err("reading it panicked".to_owned()))
    }

    fn take_blocking(&self, (parts, is_new): (Vec<Copy>, bool), copies: Option<&Path>) -> Result<(), String> {
        let local = self.operation.local().ok_or("it is no list")?;
        let as_of_ms = parts.iter().map(|part| part.head.checked_ms).min().unwrap_or(0);
        let index = match self.held.load().as_ref().filter(|_| !is_new) {
            Some(held) => held.index.clone(),
            None => {
                let bytes = parts.iter().map(|part| part.bytes.clone()).collect();
                Arc::new(read::read(local, bytes).map_err(|why| why.to_string())?)
            }
        };
        let entries = index.entries();
        self.held.store(Some(Arc::new(Held { index, as_of_ms })));
        self.say_if_stale();
        tracing::info!(connector = %self.connector, entries, changed = is_new, "data is fresh");
        for (at, part) in parts.iter().enumerate() {
            let Some(folder) = copies else { continue };
            if let Err(error) = part.write(&copy::place(folder, &self.connector, at)) {
                tracing::error!(connector = %self.connector, %error, "download not kept; the next start has to wait for it");
            }
        }
        Ok(())
    }

    /// What was downloaded in an earlier life; the next download is due when it would have been then.
    fn restore(&self, local: &Local) {
        let (Origin::Downloads { copies: Some(folder), .. }, Home::Downloads(downloads)) = (&self.source, &local.home)
        else {
            return;
        };
        let part = |at| {
            let source = copy::digest(downloads.identity(at).as_bytes());
            Copy::read(&copy::place(folder, &self.connector, at), &source, local.bytes_max)
        };
        let Some(parts) = (0..downloads.count()).map(part).collect::<Option<Vec<Copy>>>() else { return };
        // A clock that was ahead must not make it young for longer.
        let as_of_ms = parts.iter().map(|part| part.head.checked_ms).min().unwrap_or(0).min(self.clock.now_ms());
        match read::read(local, parts.into_iter().map(|part| part.bytes).collect()) {
            Ok(index) => {
                tracing::info!(connector = %self.connector, entries = index.entries(), "data of an earlier download read");
                self.hold(Some(index), as_of_ms);
                let refresh_ms = i64::try_from(downloads.refresh_ms).unwrap_or(i64::MAX);
                self.due().at_ms = as_of_ms.saturating_add(refresh_ms);
            }
            Err(why) => tracing::error!(connector = %self.connector, %why, "an earlier download cannot be used"),
        }
    }

    /// Reads a file if it changed.
    fn reread(&self, local: &Local, path: &Path) {
        let stamp = stamp(path);
        // Remembered even if it is bad or gone, so that this is reported once.
        if self.due().seen.replace(stamp) == Some(stamp) {
            return;
        }
        match file(local, path, stamp) {
            Ok((index, as_of_ms)) => {
                tracing::info!(connector = %self.connector, entries = index.entries(), path = %path.display(), "data read");
                self.hold(Some(index), as_of_ms);
            }
            Err(why) => {
                tracing::error!(connector = %self.connector, %why, path = %path.display(), "data not usable; the last good one stays, if there is one");
            }
        }
    }

    fn hold(&self, index: Option<Index>, as_of_ms: i64) {
        self.held.store(index.map(|index| Arc::new(Held { index: Arc::new(index), as_of_ms })));
    }

    fn due(&self) -> std::sync::MutexGuard<'_, Due> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn age_ms(&self, now_ms: i64) -> u64 {
        u64::try_from(now_ms.saturating_sub(self.as_of_ms)).unwrap_or(0)
    }
}

/// Lets the next download begin.
struct Free<'a>(&'a AtomicBool);

impl Drop for Free<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// What an answer is: a new part, or the one before confirmed; and whether it differs from the one before.
fn part(answer: Answer, before: Option<Copy>, source: String, now_ms: i64) -> Result<(Copy, bool), String> {
    let header = |name: &str| {
        let found = answer.headers.iter().find(|(it, _)| **it == *name);
        found.map(|(_, value)| value.clone()).filter(|value| value.len() <= 1024)
    };
    match (answer.status, before) {
        (200, before) => {
            let sha256 = copy::digest(&answer.body);
            let changed = before.is_none_or(|before| before.head.sha256 != sha256);
            let (etag, last_modified) = (header("etag"), header("last-modified"));
            let head = Head { source, sha256, checked_ms: now_ms, etag, last_modified };
            Ok((Copy { bytes: answer.body, head }, changed))
        }
        (304, Some(before)) => Ok((Copy { head: Head { checked_ms: now_ms, ..before.head }, ..before }, false)),
        (status, _) => Err(format!("its source answers {status}")),
    }
}

/// When a file was written and how long it is; `None` for what is no file.
fn stamp(path: &Path) -> Option<Stamp> {
    let data = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    Some((data.modified().ok()?, data.len()))
}

/// A file's data, and from when it is: a database says when it was built, any other file when it was written.
fn file(local: &Local, path: &Path, stamp: Option<Stamp>) -> Result<(Index, i64), String> {
    let (written, length) = stamp.ok_or("there is no such file")?;
    if length > local.bytes_max {
        return Err(read::Unreadable::TooLarge.to_string());
    }
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let index = read::read(local, vec![bytes]).map_err(|why| why.to_string())?;
    let as_of = match &index {
        Index::Database(reader) if local.kind == LocalKind::Mmdb => Duration::from_secs(reader.metadata().build_epoch),
        Index::Database(_) | Index::Set(..) | Index::Table(..) | Index::Networks(_) => {
            written.duration_since(UNIX_EPOCH).unwrap_or_default()
        }
    };
    Ok((index, i64::try_from(as_of.as_millis()).unwrap_or(i64::MAX)))
}
