//! The store of a single node: everything is read from memory, everything that must last is in one file.
//!
//! It never answers a durable operation before the disk has it, and never reads the disk after the start. When the
//! disk fails (full, gone), calls that were being written hear `Indeterminate`, later ones `Unavailable` before
//! anything changed, reads go on from memory, and work resumes by itself when the disk takes the rows. When the disk is
//! merely slow, a call whose row is not on it within the store's wait hears `Indeterminate` too; the row is written all
//! the same. Reads never wait for the disk.
//! What is in memory before it is on disk is only ever the stricter state, so nobody is let in by it.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use futures_util::FutureExt as _;

use crate::store::{
    Amended, Attempt, Begin, Counted, Drawer, Enrolment, Id, Kind, LogPosition, Meter, Once, PATIENCE, Revocation,
    SessionRef, Shape, Standing, StateError, StateStore, Stored, Touch, Tried, Trying,
    carried::{NOBODY, RESTORED, restored_ms},
    embedded::{disk::Table, journal::Ack, row::Torn, sharded::held},
};

mod challenges;
mod claims;
mod committer;
pub mod disk;
mod drawers;
#[cfg(test)]
mod faults;
mod gauge;
mod journal;
mod keeper;
pub mod load;
mod locks;
mod meters;
mod parked;
mod revocations;
mod row;
mod sessions;
mod sharded;
mod sketch;
mod tries;
pub mod unload;

use disk::{Disk, OpenError, Opener, Restart};

/// How much is kept at most. What is full refuses (`Unavailable`); only counters have somewhere else to go.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Sessions.
    pub sessions_max: usize,
    /// Challenges.
    pub challenges_max: usize,
    /// Bytes of parked requests.
    pub parked_bytes_max: usize,
    /// One-time tokens that have not expired.
    pub claims_max: usize,
    /// Entries in all drawers.
    pub enrolments_max: usize,
    /// Lock-outs.
    pub locks_max: usize,
    /// Counters of their own; newcomers above share a sketch that counts too much rather than too little.
    pub counters_max: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            sessions_max: 4_000_000,
            challenges_max: 1_000_000,
            parked_bytes_max: 256 << 20,
            claims_max: 4_000_000,
            enrolments_max: 8_000_000,
            locks_max: 1_000_000,
            counters_max: 1_000_000,
        }
    }
}

/// How long callers wait for the disk where nobody says otherwise: at a start, and in tools.
const PATIENT_MS: u64 = 60_000;

/// The embedded store. Dropping it writes what is left and marks the stop as clean.
pub struct Embedded {
    shelves: Arc<Shelves>,
    restart: Restart,
    /// How long a caller waits for the disk, in milliseconds.
    wait_ms: AtomicU64,
    threads: std::sync::Mutex<Threads>,
}

struct Threads {
    keeper: keeper::Keeper,
    committer: Option<thread::JoinHandle<()>>,
}

/// Everything in memory, and the way to the disk.
struct Shelves {
    sessions: sessions::Sessions,
    challenges: challenges::Challenges,
    parked: parked::Parked,
    claims: claims::Claims,
    drawers: drawers::Drawers,
    locks: locks::Locks,
    revocations: revocations::Revocations,
    meters: meters::Meters,
    latest: keeper::Latest,
    journal: journal::Journal,
}

impl Embedded {
    /// Opens the store in a folder (`state.redb`), which is made if need be, and reads it into memory.
    ///
    /// # Errors
    /// Another process has it open, it cannot be read or written, or what it holds does not read back.
    pub fn open(folder: &Path) -> Result<Embedded, OpenError> {
        Self::open_with(disk::file(folder)?, Caps::default())
    }

    /// The same with other limits.
    ///
    /// # Errors
    /// As [`Embedded::open`].
    pub fn open_capped(folder: &Path, caps: Caps) -> Result<Embedded, OpenError> {
        Self::open_with(disk::file(folder)?, caps)
    }

    /// A store that forgets everything when it is dropped.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn in_memory() -> Result<Embedded, OpenError> {
        Self::start(Shelves::new(Caps::default()), Restart::Fresh, None)
    }

    fn open_with(opener: Opener, caps: Caps) -> Result<Embedded, OpenError> {
        let mut shelves = Shelves::new(caps);
        let (disk, restart) = Disk::open(opener, |table, key, value| {
            shelves.load(table, key, value).map_err(|Torn| OpenError::Corrupt(table.name()))
        })?;
        if let Some(noted) = shelves.drawers.entry(NOBODY, Drawer::Traces, RESTORED)
            && let Some(at_ms) = restored_ms(&noted)
        {
            shelves.meters.presume_restored(at_ms);
        }
        match restart {
            Restart::Fresh | Restart::Clean => {}
            Restart::Unclean => {
                tracing::warn!(
                    "the last stop was not clean; the last second of counts that guard no guessing may be missing"
                );
            }
        }
        Self::start(shelves, restart, Some(disk))
    }

    fn start(mut shelves: Shelves, restart: Restart, disk: Option<Disk>) -> Result<Embedded, OpenError> {
        let unusable = |error: std::io::Error| OpenError::Unusable(error.to_string());
        let committer = match disk {
            Some(disk) => {
                let (journal, handle) = journal::Journal::start(disk).map_err(unusable)?;
                shelves.journal = journal;
                Some(handle)
            }
            None => None,
        };
        let shelves = Arc::new(shelves);
        let keeper = keeper::Keeper::start(shelves.clone()).map_err(unusable)?;
        let threads = std::sync::Mutex::new(Threads { keeper, committer });
        Ok(Embedded { shelves, restart, wait_ms: PATIENT_MS.into(), threads })
    }

    /// From now on callers wait so long for the disk, and no longer. It is asked for patience until somebody says so.
    pub fn answer_within(&self, wait: Duration) {
        self.wait_ms.store(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Everything in the file as it is once every change made so far is on it; `None` if there is no file. Nothing waits
    /// for whoever reads it.
    ///
    /// # Errors
    /// The disk takes nothing.
    pub async fn snapshot(&self) -> Stored<Option<unload::Snapshot>> {
        self.shelves.journal.ready()?;
        if !self.shelves.journal.is_kept() {
            return Ok(None);
        }
        self.shelves.meters.save(&self.shelves.journal);
        self.shelves.journal.snapshot().await.map(Some)
    }

    fn wait(&self) -> Duration {
        Duration::from_millis(self.wait_ms.load(Ordering::Relaxed))
    }

    /// How the last process that had this store stopped.
    pub fn restart(&self) -> Restart {
        self.restart
    }

    /// Writes everything, marks the stop as clean and refuses whatever comes later. Blocks until it is done.
    pub fn shut(&self) {
        let mut threads = held(&self.threads);
        threads.keeper.stop();
        let Some(committer) = threads.committer.take() else { return };
        self.shelves.meters.save(&self.shelves.journal);
        self.shelves.journal.stop(disk::clean_stop());
        if committer.join().is_err() {
            tracing::error!("the thread that writes state had panicked");
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.shut();
    }
}

impl Shelves {
    fn new(caps: Caps) -> Self {
        Self {
            sessions: sessions::Sessions::new(caps.sessions_max),
            challenges: challenges::Challenges::new(caps.challenges_max),
            parked: parked::Parked::new(caps.parked_bytes_max),
            claims: claims::Claims::new(caps.claims_max),
            drawers: drawers::Drawers::new(caps.enrolments_max),
            locks: locks::Locks::new(caps.locks_max),
            revocations: revocations::Revocations::new(),
            meters: meters::Meters::new(caps.counters_max),
            latest: keeper::Latest::default(),
            journal: journal::Journal::in_memory(),
        }
    }

    fn load(&self, table: Table, key: &[u8], value: &[u8]) -> Result<(), Torn> {
        match table {
            Table::Meta => Ok(()),
            Table::Sessions => self.sessions.load(key, value),
            Table::Challenges => self.challenges.load(key, value),
            Table::Parked => self.parked.load(key, value),
            Table::Claims => self.claims.load(key, value),
            Table::Drawers => self.drawers.load(key, value),
            Table::Locks => self.locks.load(key, value),
            Table::Revocations => {
                self.revocations.load(key, value).map(|revocation| self.sessions.remember(&revocation))
            }
            Table::Counters => self.meters.load(key, value),
            Table::Guards => self.meters.load_guard(key, value),
        }
    }

    /// Before a change that is waited for: whether it can be taken, and what time the caller has.
    fn change(&self, now_ms: i64) -> Stored<&journal::Journal> {
        self.latest.saw(now_ms);
        self.journal.ready()?;
        Ok(&self.journal)
    }

    /// Before one that is written behind.
    fn change_behind(&self, now_ms: i64) -> Stored<&journal::Journal> {
        self.latest.saw(now_ms);
        self.journal.ready_behind()?;
        Ok(&self.journal)
    }
}

impl Embedded {
    /// Waits until what was promised is on disk, for as long as callers wait.
    async fn kept(&self, ack: Ack) -> Stored<()> {
        within(self.wait(), ack).await
    }

    /// The same where no event waits to be decided, or where giving up would leave something used for nothing.
    async fn patiently(&self, ack: Ack) -> Stored<()> {
        within(self.wait().saturating_mul(PATIENCE), ack).await
    }

    /// An answer by which something was used up, once that is on disk.
    async fn used_up<T>(&self, (answer, ack): (T, Option<Ack>)) -> Stored<T> {
        match ack {
            Some(ack) => self.patiently(ack).await.map(|()| answer),
            None => Ok(answer),
        }
    }
}

/// Waits for the disk so long at most; a wait of nothing waits for nothing, however fast the disk (timers are coarser
/// than some disks).
async fn within(wait: Duration, ack: Ack) -> Stored<()> {
    let late = Err(StateError::Indeterminate);
    match wait.is_zero() {
        true => ack.done().now_or_never().unwrap_or(late),
        false => tokio::time::timeout(wait, ack.done()).await.unwrap_or(late),
    }
}

impl StateStore for Embedded {
    async fn begin(&self, now_ms: i64, begin: Begin<'_>) -> Stored<Standing> {
        let shelves = &*self.shelves;
        shelves.latest.saw(now_ms);
        let raises_guard = |it: &(_, Meter, Touch)| it.2 != Touch::Look && matches!(it.1.shape, Shape::Guarded { .. });
        if begin.meters.iter().any(raises_guard) {
            shelves.journal.ready()?;
        }
        let mut guard = None;
        let mut touch = |(who, meter, touch): &(Counted, Meter, Touch)| {
            let (count, ack) = shelves.meters.touch(&shelves.journal, now_ms, *who, meter, *touch);
            // Promised rows reach the disk in order: the last one there means all of them.
            guard = ack.or(guard.take());
            count
        };
        let is_replaced = |session: SessionRef| shelves.sessions.was_replaced(now_ms, &session);
        let standing = Standing {
            was_replaced: begin.session.is_some_and(is_replaced),
            session: begin.session.and_then(|session| shelves.sessions.read(now_ms, &session)),
            counts: begin.meters.iter().map(&mut touch).collect(),
            locked_until_ms: begin.locks.iter().map(|who| shelves.locks.until(now_ms, who)).collect(),
            entries: begin
                .entries
                .iter()
                .map(|(account, drawer, id)| shelves.drawers.entry(*account, *drawer, *id))
                .collect(),
        };
        match guard {
            Some(ack) => self.kept(ack).await.map(|()| standing),
            None => Ok(standing),
        }
    }

    async fn refund(&self, now_ms: i64, who: Counted, meter: Meter) -> Stored<()> {
        self.shelves.meters.refund(&self.shelves.journal, now_ms, who, &meter);
        Ok(())
    }

    async fn count_try(&self, now_ms: i64, trying: Trying<'_>) -> Stored<Tried> {
        let journal = self.shelves.change(now_ms)?;
        self.used_up(self.shelves.count_try(journal, now_ms, &trying)?).await
    }

    async fn forgive_try(&self, now_ms: i64, trying: Trying<'_>, slips_max: u64) -> Stored<()> {
        let journal = self.shelves.change(now_ms)?;
        match self.shelves.forgive_try(journal, now_ms, &trying, slips_max)? {
            Some(ack) => self.patiently(ack).await,
            None => Ok(()),
        }
    }

    async fn lock(&self, who: Counted, until_ms: i64) -> Stored<()> {
        self.shelves.journal.ready()?;
        self.kept(self.shelves.locks.lock(&self.shelves.journal, who, until_ms)?).await
    }

    async fn unlock(&self, who: Counted) -> Stored<()> {
        self.shelves.journal.ready()?;
        self.patiently(self.shelves.locks.unlock(&self.shelves.journal, who)).await
    }

    async fn establish(
        &self,
        now_ms: i64,
        replaces: Option<SessionRef>,
        session: SessionRef,
        sealed: Vec<u8>,
        expires_ms: i64,
    ) -> Stored<bool> {
        let counted = |of: SessionRef| Counted { kind: Kind::Session, id: of.id };
        let locked_until_ms = replaces.and_then(|old| self.shelves.locks.until(now_ms, &counted(old)));
        // There before the session is, so that no request comes between.
        if let Some(until_ms) = locked_until_ms {
            self.lock(counted(session), until_ms).await?;
        }
        let journal = self.shelves.change_behind(now_ms)?;
        self.shelves.sessions.establish(journal, now_ms, replaces, session, sealed, expires_ms)
    }

    async fn amend(
        &self,
        now_ms: i64,
        session: SessionRef,
        seen: u64,
        sealed: Vec<u8>,
        expires_ms: i64,
    ) -> Stored<Amended> {
        let journal = self.shelves.change_behind(now_ms)?;
        Ok(self.shelves.sessions.amend(journal, now_ms, &session, seen, sealed, expires_ms))
    }

    async fn end(&self, session: SessionRef) -> Stored<()> {
        self.shelves.journal.ready()?;
        let ended = self.shelves.sessions.end(&self.shelves.journal, self.shelves.latest.ms(), &session);
        self.patiently(ended).await?;
        self.announce(Counted { kind: Kind::Session, id: session.id }).await
    }

    async fn issue_challenge(
        &self,
        home: Id,
        challenge: Id,
        attempts: u32,
        sealed: Vec<u8>,
        expires_ms: i64,
    ) -> Stored<()> {
        self.shelves.journal.ready_behind()?;
        self.shelves.challenges.issue(&self.shelves.journal, (home, challenge), attempts, sealed, expires_ms)
    }

    async fn peek_challenge(&self, now_ms: i64, home: Id, challenge: Id) -> Stored<Option<Vec<u8>>> {
        Ok(self.shelves.challenges.peek(now_ms, (home, challenge)))
    }

    async fn attempt_challenge(&self, now_ms: i64, home: Id, challenge: Id) -> Stored<Attempt> {
        let journal = self.shelves.change(now_ms)?;
        self.used_up(self.shelves.challenges.attempt(journal, now_ms, (home, challenge))).await
    }

    async fn spend_challenge(&self, now_ms: i64, home: Id, challenge: Id, nonce: Id) -> Stored<Once> {
        let journal = self.shelves.change(now_ms)?;
        self.used_up(self.shelves.challenges.spend(journal, now_ms, (home, challenge), nonce)).await
    }

    async fn park(&self, home: Id, parked: Id, sealed: Vec<u8>, expires_ms: i64) -> Stored<()> {
        self.shelves.journal.ready()?;
        let ack = self.shelves.parked.park(&self.shelves.journal, (home, parked), sealed, expires_ms)?;
        match ack {
            Some(ack) => self.kept(ack).await,
            None => Ok(()),
        }
    }

    async fn peek_parked(&self, now_ms: i64, home: Id, parked: Id) -> Stored<Option<Vec<u8>>> {
        Ok(self.shelves.parked.peek(now_ms, (home, parked)))
    }

    async fn take_parked(&self, now_ms: i64, home: Id, parked: Id, nonce: Id) -> Stored<Option<Vec<u8>>> {
        let journal = self.shelves.change(now_ms)?;
        match self.shelves.parked.take(journal, now_ms, (home, parked), nonce) {
            Some((sealed, ack)) => self.used_up((Some(sealed), Some(ack))).await,
            None => Ok(None),
        }
    }

    async fn drop_parked(&self, home: Id, parked: Id) -> Stored<()> {
        self.shelves.journal.ready_behind()?;
        self.shelves.parked.remove(&self.shelves.journal, (home, parked));
        Ok(())
    }

    async fn claim(&self, now_ms: i64, scope: &'static str, token: Id, nonce: Id, expires_ms: i64) -> Stored<Once> {
        let journal = self.shelves.change(now_ms)?;
        let claimed = self.shelves.claims.claim(journal, now_ms, scope, &token, nonce, expires_ms)?;
        self.used_up(claimed).await
    }

    async fn enrol(&self, account: Id, drawer: Drawer, id: Id, sealed: Vec<u8>) -> Stored<()> {
        self.shelves.journal.ready()?;
        self.kept(self.shelves.drawers.enrol(&self.shelves.journal, account, drawer, id, sealed)?).await
    }

    async fn enrolments(&self, account: Id, drawer: Drawer) -> Stored<Vec<Enrolment>> {
        Ok(self.shelves.drawers.all(account, drawer))
    }

    async fn retire(&self, account: Id, drawer: Drawer, id: Id) -> Stored<bool> {
        self.shelves.journal.ready()?;
        let (there, ack) = self.shelves.drawers.retire(&self.shelves.journal, account, drawer, id);
        self.used_up((there, Some(ack))).await
    }

    async fn advance(&self, account: Id, drawer: Drawer, id: Id, to: u64) -> Stored<bool> {
        self.shelves.journal.ready()?;
        match self.shelves.drawers.advance(&self.shelves.journal, account, drawer, id, to) {
            Some(ack) => self.used_up((true, Some(ack))).await,
            None => Ok(false),
        }
    }

    async fn revoke(&self, revocation: Revocation) -> Stored<LogPosition> {
        self.shelves.journal.ready()?;
        // Sessions first: their removal goes ahead of the entry that is waited for.
        self.shelves.sessions.void(&self.shelves.journal, &revocation);
        let (position, ack) = self.shelves.revocations.add(&self.shelves.journal, revocation);
        self.patiently(ack).await.map(|()| position)
    }

    async fn announce(&self, target: Counted) -> Stored<()> {
        // Nobody outlives this process who would have to read it from the disk.
        drop(self.shelves.revocations.add(&self.shelves.journal, Revocation::announcement(target)));
        Ok(())
    }

    async fn revocations_after(&self, position: LogPosition, wait: Duration) -> Stored<Vec<(LogPosition, Revocation)>> {
        Ok(self.shelves.revocations.after(position, wait).await)
    }

    /// Reading a session from memory costs less than opening a copy of it.
    fn log_life(&self) -> Option<Id> {
        None
    }

    fn log_added(&self) -> LogPosition {
        self.shelves.revocations.newest()
    }

    async fn health(&self) -> Stored<()> {
        self.shelves.journal.ready()?;
        self.shelves.journal.ready_behind()
    }
}
