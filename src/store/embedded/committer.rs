//! The thread that writes: what has gathered goes to the disk in one transaction (group commit), promised rows first.
//!
//! A transaction takes no more rows than the disk has lately taken in [`COMMIT`], so that whoever is promised something
//! waits for a short one. An acknowledgement is given only after the sync. When a transaction fails, everybody who waits
//! hears `Indeterminate`, new callers `Unavailable` before they change anything, and the thread keeps the rows and tries
//! again until the disk takes them.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use crate::store::{
    StateError,
    embedded::{
        disk::{Disk, Write},
        journal::{Behind, Line, Promised, Queue, Reader, Waiter},
        sharded::held,
    },
};

/// How long a row that nobody waits for may wait for company.
const WRITE_BEHIND: Duration = Duration::from_millis(50);
/// How long after a failure the disk is tried again.
const RETRY: Duration = Duration::from_millis(250);
/// How long a transaction should take at most.
const COMMIT: Duration = Duration::from_millis(50);
/// Between how many and how many rows a transaction takes: with fewer, the sync costs more than the rows.
const ROWS_MIN: usize = 256;
const ROWS_MAX: usize = 16_384;
/// How many bytes, which one row alone may exceed.
const BYTES_MAX: usize = 4 << 20;

pub(super) struct Committer {
    line: Arc<Line>,
    disk: Disk,
    /// Rows taken over from the queue.
    promised: VecDeque<Promised>,
    /// The same; older than what is behind in the queue, which is taken over when this is written.
    behind: Behind,
    /// How often what is behind was taken over.
    turn: u64,
    /// Who wants the file, and after which turn.
    readers: Vec<(u64, Reader)>,
    rows_max: usize,
}

/// Rows that are written together, and who waits for them.
#[derive(Default)]
struct Batch {
    writes: Vec<Write>,
    waiters: Vec<Waiter>,
    bytes: usize,
}

impl Batch {
    fn has_room(&self, rows_max: usize) -> bool {
        self.writes.len() < rows_max && self.bytes < BYTES_MAX
    }

    fn add(&mut self, write: Write, waiter: Option<Waiter>) {
        self.bytes += write.key.len() + write.value.as_ref().map_or(0, Vec::len);
        self.writes.push(write);
        self.waiters.extend(waiter);
    }
}

impl Committer {
    pub(super) fn new(line: Arc<Line>, disk: Disk) -> Self {
        Self {
            line,
            disk,
            promised: VecDeque::new(),
            behind: Behind::default(),
            turn: 0,
            readers: Vec::new(),
            rows_max: ROWS_MIN,
        }
    }

    /// Until the store is shut and everything is written, or cannot be.
    pub(super) fn run(mut self) {
        let is_written = loop {
            if !self.gather() {
                break true;
            }
            let batch = self.next_batch();
            if !self.write(batch) {
                break false;
            }
            self.answer_readers();
        };
        let last = held(&self.line.queue).last.take();
        if let Some(last) = last.filter(|_| is_written)
            && let Err(error) = self.disk.commit(&[last])
        {
            tracing::error!(%error, "everything is written but that it is");
        }
        self.line.closed.store(true, Ordering::Release);
    }

    /// Waits for a row someone waits for, or for rows old enough, and takes over what there is; false if there will be
    /// nothing any more.
    fn gather(&mut self) -> bool {
        let line = self.line.clone();
        let mut queue = held(&line.queue);
        let nobody_waits = |queue: &Queue| queue.promised.is_empty() && queue.readers.is_empty() && !queue.stopping;
        while self.is_idle() && self.readers.is_empty() && nobody_waits(&queue) {
            let age = queue.behind.since.map(|since| since.elapsed());
            queue = match age {
                Some(age) if age >= WRITE_BEHIND => break,
                Some(age) => {
                    line.wake.wait_timeout(queue, WRITE_BEHIND - age).unwrap_or_else(PoisonError::into_inner).0
                }
                None => line.wake.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
        self.take_over(&mut queue);
        !(self.is_idle() && self.readers.is_empty() && queue.stopping)
    }

    fn is_idle(&self) -> bool {
        self.promised.is_empty() && self.behind.is_empty()
    }

    fn take_over(&mut self, queue: &mut Queue) {
        for promised in queue.promised.drain(..) {
            // What was taken over before is older; what is behind in the queue gave way already, or is newer.
            if self.behind.give_way(&promised.write) {
                self.line.behind.fetch_sub(1, Ordering::Relaxed);
            }
            self.promised.push_back(promised);
        }
        if self.behind.is_empty() {
            self.behind = mem::take(&mut queue.behind);
            self.turn += 1;
        }
        let due = if queue.behind.is_empty() { self.turn } else { self.turn + 1 };
        self.readers.extend(queue.readers.drain(..).map(|reader| (due, reader)));
    }

    /// Promised rows, and where all of them have room, a few of those behind; without any, as many as the disk takes.
    fn next_batch(&mut self) -> Batch {
        let mut batch = Batch::default();
        while batch.has_room(self.rows_max)
            && let Some(Promised { write, waiter }) = self.promised.pop_front()
        {
            batch.add(write, waiter);
        }
        let promised = batch.writes.len();
        // Whoever waits for the disk waits for few of those rows only.
        let rows_max = if promised == 0 { self.rows_max } else { ROWS_MIN };
        while batch.has_room(rows_max)
            && let Some(write) = self.behind.next()
        {
            batch.add(write, None);
        }
        self.line.promised.fetch_sub(promised, Ordering::Relaxed);
        self.line.behind.fetch_sub(batch.writes.len() - promised, Ordering::Relaxed);
        batch
    }

    /// Writes them, however often that takes; false if the store was shut before they could be.
    fn write(&mut self, batch: Batch) -> bool {
        let Batch { writes, waiters, .. } = batch;
        let began = Instant::now();
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
        match outcome {
            Ok(()) => {
                self.pace(began.elapsed(), writes.len());
                true
            }
            Err(_) => self.recover(&writes),
        }
    }

    /// How many rows the next transaction may take, after what this one took.
    fn pace(&mut self, took: Duration, rows: usize) {
        if took > COMMIT {
            self.rows_max = (self.rows_max / 2).max(ROWS_MIN);
        } else if took < COMMIT / 2 && rows >= self.rows_max {
            self.rows_max = (self.rows_max * 2).min(ROWS_MAX);
        }
    }

    /// Tries again until the disk has taken the failed rows; false if the store is shut before.
    fn recover(&mut self, failed: &[Write]) -> bool {
        loop {
            self.disappoint();
            let stopping = self.pause();
            match self.disk.commit(failed) {
                Ok(()) => {
                    tracing::info!(rows = failed.len(), "state is written again");
                    self.line.closed.store(stopping, Ordering::Release);
                    return true;
                }
                Err(_) if stopping => return false,
                Err(_) => {}
            }
        }
    }

    /// Nobody waits for a disk that failed. Their rows stay.
    fn disappoint(&mut self) {
        let mut queue = held(&self.line.queue);
        let waiters = self.promised.iter_mut().chain(&mut queue.promised).filter_map(|it| it.waiter.take());
        for waiter in waiters {
            // A caller that went away needs no answer.
            let _ = waiter.send(Err(StateError::Indeterminate));
        }
        for reader in self.readers.drain(..).map(|(_, reader)| reader).chain(queue.readers.drain(..)) {
            // A reader that went away needs none.
            let _ = reader.send(Err(StateError::Unavailable));
        }
    }

    /// Sleeps until the next try, or until the store is stopped; tells which.
    fn pause(&self) -> bool {
        let queue = held(&self.line.queue);
        let stop = |queue: &mut Queue| !queue.stopping;
        self.line.wake.wait_timeout_while(queue, RETRY, stop).unwrap_or_else(PoisonError::into_inner).0.stopping
    }

    /// Gives the file to those whose rows are all on it.
    fn answer_readers(&mut self) {
        if !self.is_idle() {
            return;
        }
        for (_, reader) in self.readers.extract_if(.., |(due, _)| *due <= self.turn) {
            // A reader that went away needs none.
            let _ = reader.send(self.disk.snapshot().map_err(|_| StateError::Unavailable));
        }
    }
}
