//! The way to the disk: one thread that writes what has gathered in one transaction (group commit).
//!
//! Writes reach the disk in the order in which they were queued; callers queue while they hold the lock under which
//! they changed memory, so disk and memory agree on who came last. An acknowledgement is given only after the sync.
//! When a transaction fails, its callers hear `Indeterminate`, new ones `Unavailable` before they change anything,
//! and the thread keeps the failed rows and tries again until the disk takes them.

use std::{
    collections::BTreeMap,
    mem,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use crate::store::{
    StateError, Stored,
    embedded::{
        disk::{Disk, Table, Write},
        sharded::held,
        unload::Snapshot,
    },
};

/// How long a row that nobody waits for may wait for company.
const WRITE_BEHIND: Duration = Duration::from_millis(50);
/// How long after a failure the disk is tried again.
const RETRY: Duration = Duration::from_millis(250);
/// How long removals pause while rows wait.
const BREATH: Duration = Duration::from_millis(2);
/// How many rows may wait before callers are refused: the disk does not keep up.
const BACKLOG_MAX: usize = 200_000;

/// Where changes are queued for the disk; without a disk they are only in memory.
#[derive(Clone)]
pub(super) struct Journal(Option<Arc<Line>>);

struct Line {
    queue: Mutex<Queue>,
    wake: Condvar,
    /// Refuses callers: the disk failed, or the store has been shut.
    closed: AtomicBool,
    backlog: AtomicUsize,
}

#[derive(Default)]
struct Queue {
    writes: Vec<Write>,
    waiters: Vec<oneshot::Sender<Stored<()>>>,
    /// Who wants the file as it is after the rows that wait now.
    readers: Vec<oneshot::Sender<Stored<Snapshot>>>,
    oldest: Option<Instant>,
    stopping: bool,
}

/// A promise that a row is on disk.
pub(super) struct Ack(Option<oneshot::Receiver<Stored<()>>>);

/// Rows to write together, who waits for them, and who wants the file as it is then.
type Batch = (Vec<Write>, Vec<oneshot::Sender<Stored<()>>>, Vec<oneshot::Sender<Stored<Snapshot>>>);

impl Ack {
    /// Waits for it.
    pub(super) async fn done(self) -> Stored<()> {
        match self.0 {
            None => Ok(()),
            // The thread ended without an answer: the row may be on disk or not.
            Some(answer) => answer.await.unwrap_or(Err(StateError::Indeterminate)),
        }
    }
}

impl Journal {
    /// A journal that keeps nothing.
    pub(super) fn in_memory() -> Self {
        Journal(None)
    }

    /// Starts the thread that owns the disk.
    pub(super) fn start(disk: Disk) -> std::io::Result<(Self, thread::JoinHandle<()>)> {
        let line = Arc::new(Line {
            queue: Mutex::default(),
            wake: Condvar::new(),
            closed: AtomicBool::new(false),
            backlog: AtomicUsize::new(0),
        });
        let shared = line.clone();
        let handle =
            thread::Builder::new().name("state-commit".into()).spawn(move || Committer { line: shared, disk }.run())?;
        Ok((Journal(Some(line)), handle))
    }

    /// Whether there is a disk at all.
    pub(super) fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Whether changes can be taken now; asked before memory is changed.
    pub(super) fn ready(&self) -> Stored<()> {
        match &self.0 {
            Some(line) if line.closed.load(Ordering::Acquire) => Err(StateError::Unavailable),
            Some(line) if line.backlog.load(Ordering::Relaxed) >= BACKLOG_MAX => Err(StateError::Unavailable),
            Some(_) | None => Ok(()),
        }
    }

    /// Lets the disk catch up until no more than so many rows wait, or until it takes none: for removals, which have time.
    pub(super) fn make_way(&self, rows_max: usize) {
        let Some(line) = &self.0 else { return };
        while line.backlog.load(Ordering::Relaxed) > rows_max && !line.closed.load(Ordering::Acquire) {
            thread::sleep(BREATH);
        }
    }

    /// Queues rows that nobody waits for.
    pub(super) fn later(&self, writes: impl IntoIterator<Item = Write>) {
        let Some(line) = &self.0 else { return };
        let mut queue = held(&line.queue);
        let before = queue.writes.len();
        queue.writes.extend(writes);
        line.backlog.store(queue.writes.len(), Ordering::Relaxed);
        if before == 0 && !queue.writes.is_empty() {
            queue.oldest = Some(Instant::now());
            line.wake.notify_one();
        }
    }

    /// Queues a row that is to be on disk before the caller is answered.
    pub(super) fn durably(&self, write: Write) -> Ack {
        let Some(line) = &self.0 else { return Ack(None) };
        let (sender, receiver) = oneshot::channel();
        let mut queue = held(&line.queue);
        queue.writes.push(write);
        queue.waiters.push(sender);
        line.backlog.store(queue.writes.len(), Ordering::Relaxed);
        line.wake.notify_one();
        Ack(Some(receiver))
    }

    /// The file as it is once every row queued so far is on it. Nothing waits for whoever reads it.
    pub(super) async fn snapshot(&self) -> Stored<Snapshot> {
        let Some(line) = &self.0 else { return Err(StateError::Unavailable) };
        let (sender, receiver) = oneshot::channel();
        {
            let mut queue = held(&line.queue);
            if queue.stopping {
                return Err(StateError::Unavailable);
            }
            queue.readers.push(sender);
            line.wake.notify_one();
        }
        receiver.await.unwrap_or(Err(StateError::Unavailable))
    }

    /// Takes a last row, refuses whoever comes later, and lets the thread end when all is written.
    pub(super) fn stop(&self, last: Write) {
        let Some(line) = &self.0 else { return };
        line.closed.store(true, Ordering::Release);
        let mut queue = held(&line.queue);
        if !queue.stopping {
            queue.writes.push(last);
            queue.stopping = true;
            line.wake.notify_one();
        }
    }
}

/// The thread.
struct Committer {
    line: Arc<Line>,
    disk: Disk,
}

impl Committer {
    fn run(mut self) {
        while let Some((writes, waiters, readers)) = self.next_batch() {
            let outcome = if writes.is_empty() { Ok(()) } else { self.disk.commit(&writes) };
            let answer = match &outcome {
                Ok(()) => Ok(()),
                Err(error) => {
                    tracing::error!(%error, "state could not be written; changes are refused until the disk takes them");
                    self.line.closed.store(true, Ordering::Release);
                    Err(StateError::Indeterminate)
                }
            };
            for waiter in waiters {
                // A caller that went away needs no answer.
                let _ = waiter.send(answer.clone());
            }
            for reader in readers {
                let snapshot = match &outcome {
                    Ok(()) => self.disk.snapshot().map_err(|_| StateError::Unavailable),
                    Err(_) => Err(StateError::Unavailable),
                };
                // A reader that went away needs none.
                let _ = reader.send(snapshot);
            }
            if outcome.is_err() {
                self.recover(writes);
            }
        }
        self.line.closed.store(true, Ordering::Release);
    }

    /// Waits for a row someone waits for, or for rows old enough. `None`: stopping, and nothing is left.
    fn next_batch(&self) -> Option<Batch> {
        let mut queue = held(&self.line.queue);
        loop {
            if queue.writes.is_empty() && queue.readers.is_empty() {
                if queue.stopping {
                    return None;
                }
                queue = self.line.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let age = queue.oldest.map_or(WRITE_BEHIND, |since| since.elapsed());
            let is_wanted = !queue.waiters.is_empty() || !queue.readers.is_empty();
            if is_wanted || queue.stopping || age >= WRITE_BEHIND {
                queue.oldest = None;
                self.line.backlog.store(0, Ordering::Relaxed);
                let readers = mem::take(&mut queue.readers);
                return Some((mem::take(&mut queue.writes), mem::take(&mut queue.waiters), readers));
            }
            let waited = self.line.wake.wait_timeout(queue, WRITE_BEHIND - age);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Tries again until the disk has taken the failed rows and those that were already on their way.
    /// What is kept is the newest value of each row, so it stays bounded by what is in memory anyway.
    fn recover(&mut self, failed: Vec<Write>) {
        let mut pending = BTreeMap::new();
        keep_newest(&mut pending, failed);
        loop {
            let stopping = self.pause();
            let (late, waiters) = {
                let mut queue = held(&self.line.queue);
                queue.oldest = None;
                self.line.backlog.store(0, Ordering::Relaxed);
                (mem::take(&mut queue.writes), mem::take(&mut queue.waiters))
            };
            for waiter in waiters {
                // A caller that went away needs no answer.
                let _ = waiter.send(Err(StateError::Indeterminate));
            }
            keep_newest(&mut pending, late);
            let writes: Vec<Write> = pending
                .iter()
                .map(|((table, key), value)| Write { table: *table, key: key.clone(), value: value.clone() })
                .collect();
            match self.disk.commit(&writes) {
                Ok(()) => {
                    tracing::info!(rows = writes.len(), "state is written again");
                    self.line.closed.store(stopping, Ordering::Release);
                    return;
                }
                Err(_) if stopping => return,
                Err(_) => {}
            }
        }
    }

    /// Sleeps until the next try, or until the store is stopped; tells which.
    fn pause(&self) -> bool {
        let queue = held(&self.line.queue);
        let stop = |queue: &mut Queue| !queue.stopping;
        self.line.wake.wait_timeout_while(queue, RETRY, stop).unwrap_or_else(PoisonError::into_inner).0.stopping
    }
}

fn keep_newest(pending: &mut BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>, writes: Vec<Write>) {
    pending.extend(writes.into_iter().map(|write| ((write.table, write.key), write.value)));
}
