//! The way to the disk: two lanes, and behind them one thread that writes what has gathered (`committer.rs`).
//!
//! What somebody waits for is *promised*: it goes first, in the order in which it was queued. What nobody waits for
//! (sessions, new challenges, removals, plain counters) is *behind* and takes what room a transaction has left, so that a
//! lock-out never waits for a storm of sessions. Each lane has its own limit; a full one refuses and the other goes on.
//!
//! INVARIANT: of one row, the value queued last is the last to reach the disk. A promised value takes an older one of its
//! row out of what is behind, and what is behind is never written before what was promised earlier. Callers queue while
//! they hold the lock under which they changed memory, so disk and memory agree on who came last.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use crate::store::{
    StateError, Stored,
    embedded::{
        committer::Committer,
        disk::{Disk, Table, Write},
        sharded::held,
        unload::Snapshot,
    },
};

/// How long removals pause while rows wait.
const BREATH: Duration = Duration::from_millis(2);
/// How many rows may wait behind before callers are refused: the disk does not keep up.
const BEHIND_MAX: usize = 200_000;
/// How many promised rows may wait: more could not be kept within anybody's patience.
const PROMISED_MAX: usize = 50_000;

/// Where changes are queued for the disk; without a disk they are only in memory.
#[derive(Clone)]
pub(super) struct Journal(Option<Arc<Line>>);

/// What callers and the thread share.
#[derive(Default)]
pub(super) struct Line {
    pub(super) queue: Mutex<Queue>,
    pub(super) wake: Condvar,
    /// Refuses callers: the disk failed, or the store has been shut.
    pub(super) closed: AtomicBool,
    /// How many rows wait in each lane, those included that the thread has taken over and not yet begun to write.
    pub(super) promised: AtomicUsize,
    pub(super) behind: AtomicUsize,
}

/// Someone who waits for a row.
pub(super) type Waiter = oneshot::Sender<Stored<()>>;
/// Someone who wants the file as it is after all rows that wait now.
pub(super) type Reader = oneshot::Sender<Stored<Snapshot>>;

#[derive(Default)]
pub(super) struct Queue {
    pub(super) promised: Vec<Promised>,
    pub(super) behind: Behind,
    pub(super) readers: Vec<Reader>,
    /// The store is being shut; this row comes after all others.
    pub(super) last: Option<Write>,
    pub(super) stopping: bool,
}

/// A row that goes first.
pub(super) struct Promised {
    pub(super) write: Write,
    /// `None`: a later promise includes this row.
    pub(super) waiter: Option<Waiter>,
}

/// Rows that nobody waits for.
#[derive(Default)]
pub(super) struct Behind {
    /// Rows of counters, as they came: some replace others, and no crash may find the old ones gone before the new ones
    /// are there.
    in_order: VecDeque<Write>,
    /// Of every other row the newest value, by key: neighbours are written together, which costs the disk least.
    newest: BTreeMap<Table, BTreeMap<Vec<u8>, Option<Vec<u8>>>>,
    /// Since when there is something.
    pub(super) since: Option<Instant>,
}

impl Behind {
    pub(super) fn is_empty(&self) -> bool {
        self.in_order.is_empty() && self.newest.is_empty()
    }

    /// Adds a row; whether none of the same key waited already.
    fn put(&mut self, Write { table, key, value }: Write) -> bool {
        self.since.get_or_insert_with(Instant::now);
        match table {
            Table::Counters => {
                self.in_order.push_back(Write { table, key, value });
                true
            }
            Table::Meta
            | Table::Sessions
            | Table::Challenges
            | Table::Parked
            | Table::Claims
            | Table::Drawers
            | Table::Locks
            | Table::Revocations
            | Table::Guards => self.newest.entry(table).or_default().insert(key, value).is_none(),
        }
    }

    /// Takes out the row of the same key, which a newer value overtakes; whether there was one.
    pub(super) fn give_way(&mut self, to: &Write) -> bool {
        let Some(rows) = self.newest.get_mut(&to.table) else { return false };
        let was_there = rows.remove(&to.key).is_some();
        if rows.is_empty() {
            self.newest.remove(&to.table);
        }
        was_there
    }

    /// The next row to write.
    pub(super) fn next(&mut self) -> Option<Write> {
        if let Some(write) = self.in_order.pop_front() {
            return Some(write);
        }
        let mut first = self.newest.first_entry()?;
        let table = *first.key();
        let next = first.get_mut().pop_first();
        if first.get().is_empty() {
            first.remove();
        }
        next.map(|(key, value)| Write { table, key, value })
    }
}

/// A promise that a row is on disk.
pub(super) struct Ack(Option<oneshot::Receiver<Stored<()>>>);

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
        let line = Arc::new(Line::default());
        let committer = Committer::new(line.clone(), disk);
        let handle = thread::Builder::new().name("state-commit".into()).spawn(move || committer.run())?;
        Ok((Journal(Some(line)), handle))
    }

    /// Whether there is a disk at all.
    pub(super) fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Whether changes that somebody waits for can be taken now; asked before memory is changed.
    pub(super) fn ready(&self) -> Stored<()> {
        self.has_room(|line| &line.promised, PROMISED_MAX)
    }

    /// The same for changes that nobody waits for. Where these have no room, the others still may.
    pub(super) fn ready_behind(&self) -> Stored<()> {
        self.has_room(|line| &line.behind, BEHIND_MAX)
    }

    fn has_room(&self, lane: impl FnOnce(&Line) -> &AtomicUsize, rows_max: usize) -> Stored<()> {
        match &self.0 {
            Some(line) if line.closed.load(Ordering::Acquire) => Err(StateError::Unavailable),
            Some(line) if lane(line).load(Ordering::Relaxed) >= rows_max => Err(StateError::Unavailable),
            Some(_) | None => Ok(()),
        }
    }

    /// How many rows wait behind.
    pub(super) fn rows_behind(&self) -> usize {
        self.0.as_ref().map_or(0, |line| line.behind.load(Ordering::Relaxed))
    }

    /// Lets the disk catch up until no more than so many rows wait, or until it takes none: for removals, which have time.
    pub(super) fn make_way(&self, rows_max: usize) {
        let Some(line) = &self.0 else { return };
        while self.rows_behind() > rows_max && !line.closed.load(Ordering::Acquire) {
            thread::sleep(BREATH);
        }
    }

    /// Queues rows that nobody waits for.
    pub(super) fn later(&self, writes: impl IntoIterator<Item = Write>) {
        let Some(line) = &self.0 else { return };
        let mut queue = held(&line.queue);
        let was_empty = queue.behind.is_empty();
        let added = writes.into_iter().map(|write| usize::from(queue.behind.put(write))).sum();
        line.behind.fetch_add(added, Ordering::Relaxed);
        if was_empty && added > 0 {
            line.wake.notify_one();
        }
    }

    /// Queues rows that the next promise of this caller includes.
    pub(super) fn ahead(&self, writes: impl IntoIterator<Item = Write>) {
        for write in writes {
            self.promise(write, None);
        }
    }

    /// Queues a row that is to be on disk before the caller is answered.
    pub(super) fn durably(&self, write: Write) -> Ack {
        if self.0.is_none() {
            return Ack(None);
        }
        let (sender, receiver) = oneshot::channel();
        self.promise(write, Some(sender));
        Ack(Some(receiver))
    }

    fn promise(&self, write: Write, waiter: Option<Waiter>) {
        let Some(line) = &self.0 else { return };
        let mut queue = held(&line.queue);
        if queue.behind.give_way(&write) {
            line.behind.fetch_sub(1, Ordering::Relaxed);
        }
        queue.promised.push(Promised { write, waiter });
        line.promised.fetch_add(1, Ordering::Relaxed);
        line.wake.notify_one();
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
            queue.last = Some(last);
            queue.stopping = true;
            line.wake.notify_one();
        }
    }
}
