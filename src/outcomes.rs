//! What was decided, written down: one JSON line a decision, enough to replay it, and nothing that names a person.
//!
//! The request path renders its line, which costs less than handing what it is made of to another thread, and leaves it
//! to a thread of the log's own. It never waits for a disk: when the queue is full or the disk is, lines are counted as lost, `/readyz?verbose` says
//! so, and writing resumes by itself.

use std::{
    collections::VecDeque,
    io::{self, BufRead},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value;
use stepward_core::{
    decision::{Decision, Reason},
    facts::Facts,
    policy::Mode,
};

use crate::{
    outcomes::{export::Sinks, record::Record},
    settings::LogTarget,
    telemetry::{Log, Metrics, writer},
    vendors::shadow::Tried,
};

pub mod export;
mod line;
pub mod record;

/// How many of the newest decisions are kept for the API.
const RECENT_MAX: usize = 1_000;
/// Room for a line of ordinary length.
const LINE_BYTES: usize = 2_048;

/// Makes a pseudonym of a tenant's personal value; the same value gives the same one as long as the keys do.
pub type Pseudonym = Arc<dyn Fn(&str, &str) -> [u8; 16] + Send + Sync>;

/// The decision log of one gateway; clones share it.
#[derive(Clone)]
pub struct DecisionLog {
    writer: Arc<writer::Writer>,
    pseudonym: Pseudonym,
    /// Their lines: what is personal is kept nowhere else than in the facts of a request.
    recent: Arc<Mutex<VecDeque<Box<[u8]>>>>,
}

impl DecisionLog {
    /// Opens the log; that it cannot be opened now is an error, that it cannot be written later is not.
    /// `sinks` are given each line too.
    pub fn open(target: &LogTarget, pseudonym: Pseudonym, sinks: Sinks, metrics: Metrics) -> io::Result<Self> {
        let recent: Arc<Mutex<VecDeque<Box<[u8]>>>> = Arc::default();
        let kept = recent.clone();
        let seen = move |lines: &[u8]| {
            keep(&kept, lines);
            sinks.take(lines);
        };
        let writer = writer::Writer::open(Log::Decisions, target, seen, metrics)?;
        Ok(DecisionLog { writer: Arc::new(writer), pseudonym, recent })
    }

    /// Writes a decision down; never waits for a disk.
    pub fn record(&self, record: &Record<'_>) {
        let mut line = Vec::with_capacity(LINE_BYTES);
        record.write(&*self.pseudonym, &mut line);
        self.writer.write(&line);
    }

    /// Writes down what a vendor that is tried out said after the decision of this id.
    pub fn tried(&self, decision: &str, tried: &Tried, now_ms: i64) {
        let mut line = Vec::with_capacity(LINE_BYTES);
        record::write_trial(decision, tried, now_ms, &*self.pseudonym, &mut line);
        self.writer.write(&line);
    }

    /// Writes down a refusal before any policy was asked.
    pub fn refused(&self, id: &str, tenant: &str, reason: Reason, now_ms: i64) {
        let (facts, decision) = (Facts { now_ms, ..Facts::default() }, Decision::refused(reason));
        self.record(&Record {
            id,
            tenant,
            policy: None,
            release: 0,
            release_hash: "",
            mode: Mode::Enforce,
            facts: &facts,
            decision: &decision,
            calls: &[],
            took: Duration::ZERO,
        });
    }

    /// The newest decisions that `wanted` accepts, newest first, at most `limit`, as their lines tell them.
    pub fn recent(&self, limit: usize, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let lines: Vec<_> = self.recent.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect();
        let read = lines.iter().filter_map(|line| serde_json::from_slice(line).ok());
        let decisions = read.filter(|line: &Value| line.get("schema").is_some_and(|it| it == record::SCHEMA));
        decisions.filter(|line| wanted(line)).take(limit).collect()
    }

    /// Why nothing can be written at the moment, if so.
    pub fn trouble(&self) -> Option<String> {
        self.writer.trouble()
    }

    /// Opens the file anew, after it was moved away by log rotation.
    pub fn reopen(&self) {
        self.writer.reopen();
    }

    /// Waits until everything handed over so far is written, at most so long; whether it was.
    pub fn flush(&self, wait: Duration) -> bool {
        self.writer.flush(wait)
    }
}

/// Keeps the newest of a batch of whole lines.
fn keep(recent: &Mutex<VecDeque<Box<[u8]>>>, lines: &[u8]) {
    let mut recent = recent.lock().unwrap_or_else(PoisonError::into_inner);
    // Reading from memory does not fail.
    for line in BufRead::split(lines, b'\n').map_while(Result::ok).filter(|line| !line.is_empty()) {
        if recent.len() >= RECENT_MAX {
            recent.pop_front();
        }
        recent.push_back(line.into());
    }
}

#[cfg(test)]
mod tests;
