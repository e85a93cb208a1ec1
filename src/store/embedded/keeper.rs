//! The thread that saves counters once a second and forgets what has expired.
//!
//! It is a cleaner only: whether something has expired is decided where it is read.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    thread,
    time::Duration,
};

use crate::store::embedded::{Shelves, sharded::held};

/// How often counters are saved.
const TICK: Duration = Duration::from_secs(1);
/// How many of the 64 pieces of each map are looked through in a tick.
const PIECES_A_TICK: usize = 8;
/// How long something expired is kept, so that a clock that steps back cannot make a token good twice.
const SLACK_MS: i64 = 300_000;

/// The latest moment any caller named.
#[derive(Default)]
pub(super) struct Latest(AtomicI64);

impl Latest {
    /// Takes note of a caller's clock; coarse, so that cores do not fight for it.
    pub(super) fn saw(&self, now_ms: i64) {
        if now_ms > self.0.load(Ordering::Relaxed).saturating_add(100) {
            self.0.fetch_max(now_ms, Ordering::Relaxed);
        }
    }

    fn ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The running thread.
pub(super) struct Keeper {
    stop: Arc<(Mutex<bool>, Condvar)>,
    handle: Option<thread::JoinHandle<()>>,
}

impl Keeper {
    pub(super) fn start(shelves: Arc<Shelves>) -> std::io::Result<Self> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let shared = stop.clone();
        let run = move || {
            let mut piece = 0;
            loop {
                let (stopped, wake) = &*shared;
                let waited = wake.wait_timeout_while(held(stopped), TICK, |stopped| !*stopped);
                if *waited.unwrap_or_else(PoisonError::into_inner).0 {
                    return;
                }
                tick(&shelves, &mut piece);
            }
        };
        let handle = Some(thread::Builder::new().name("state-keep".into()).spawn(run)?);
        Ok(Self { stop, handle })
    }

    /// Waits for it to end.
    pub(super) fn stop(&mut self) {
        *held(&self.stop.0) = true;
        self.stop.1.notify_all();
        if let Some(handle) = self.handle.take()
            && handle.join().is_err()
        {
            tracing::error!("the thread that saves counters had panicked");
        }
    }
}

fn tick(shelves: &Shelves, piece: &mut usize) {
    // While the disk takes nothing, removals would only pile up.
    if shelves.journal.ready().is_err() {
        return;
    }
    if shelves.journal.is_kept() {
        shelves.meters.save(&shelves.journal);
    }
    for _ in 0..PIECES_A_TICK {
        *piece = piece.wrapping_add(1);
        sweep(shelves, *piece, shelves.latest.ms().saturating_sub(SLACK_MS));
    }
}

/// Forgets what expired before a moment, in one piece of every map.
fn sweep(shelves: &Shelves, piece: usize, before_ms: i64) {
    let journal = &shelves.journal;
    shelves.sessions.sweep(journal, piece, before_ms);
    shelves.challenges.sweep(journal, piece, before_ms);
    shelves.parked.sweep(journal, piece, before_ms);
    shelves.claims.sweep(journal, piece, before_ms);
    shelves.locks.sweep(journal, piece, before_ms);
    shelves.meters.sweep(piece, before_ms);
}
