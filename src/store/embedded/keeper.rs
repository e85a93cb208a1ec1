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
/// How many of the 288 pieces of each map are looked through in a tick.
const PIECES_A_TICK: usize = 36;
/// How many entries are forgotten while a piece is held.
pub(super) const SWEPT_AT_ONCE: usize = 256;
/// With more rows waiting for the disk, removals wait too.
const ROWS_WAITING_MAX: usize = 2 * SWEPT_AT_ONCE;
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

    /// That moment, in milliseconds since the Unix epoch.
    pub(super) fn ms(&self) -> i64 {
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
                tick(&shelves, &mut piece, &|| *held(stopped));
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

fn tick(shelves: &Shelves, piece: &mut usize, is_stopping: &dyn Fn() -> bool) {
    // While the disk takes nothing, removals would only pile up.
    if shelves.journal.ready_behind().is_err() {
        return;
    }
    if shelves.journal.is_kept() {
        shelves.meters.save(&shelves.journal);
    }
    for _ in 0..PIECES_A_TICK {
        *piece = piece.wrapping_add(1);
        sweep(shelves, *piece, shelves.latest.ms().saturating_sub(SLACK_MS), is_stopping);
    }
}

/// Forgets what expired before a moment, in one piece of every map: a little at a time, so that nobody waits long for the
/// piece, nor for a transaction full of removals.
fn sweep(shelves: &Shelves, piece: usize, before_ms: i64, is_stopping: &dyn Fn() -> bool) {
    let journal = &shelves.journal;
    let sweeps: [&dyn Fn() -> usize; 6] = [
        &|| shelves.sessions.sweep(journal, piece, before_ms),
        &|| shelves.challenges.sweep(journal, piece, before_ms),
        &|| shelves.parked.sweep(journal, piece, before_ms),
        &|| shelves.claims.sweep(journal, piece, before_ms),
        &|| shelves.locks.sweep(journal, piece, before_ms),
        &|| shelves.meters.sweep(journal, piece, before_ms),
    ];
    for sweep in sweeps {
        // What is left at a stop is swept after the next start.
        while sweep() == SWEPT_AT_ONCE && !is_stopping() {
            journal.make_way(ROWS_WAITING_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::{SLACK_MS, tick};
    use crate::store::{
        Begin, Counted, Drawer, Id, Kind, Meter, SessionRef, Shape, StateStore, Touch,
        embedded::{Caps, Embedded, Shelves},
    };

    const NOW: i64 = 1_780_000_000_000;
    const ME: Id = [1; 16];

    /// As many ticks as it takes to look at every piece of every map.
    fn a_full_turn(shelves: &Arc<Shelves>) {
        let mut piece = 0;
        (0..8).for_each(|_| tick(shelves, &mut piece, &|| false));
    }

    #[tokio::test]
    async fn what_expired_makes_room_in_memory_and_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let caps = Caps {
            sessions_max: 1,
            challenges_max: 1,
            parked_bytes_max: 10,
            claims_max: 1,
            locks_max: 1,
            counters_max: 1,
            ..Caps::default()
        };
        let store = Embedded::open_capped(folder.path(), caps).unwrap();
        let fill = async |store: &Embedded, id: u8, now_ms: i64| {
            let (id, end) = ([id; 16], now_ms + 1_000);
            store.establish(now_ms, None, SessionRef { home: id, id }, vec![], end).await?;
            store.issue_challenge(id, id, 3, vec![], end).await?;
            store.park(id, id, vec![0; 10], end).await?;
            store.claim(now_ms, "jti", id, id, end).await?;
            store.lock(Counted { kind: Kind::Ip, id }, end).await
        };
        fill(&store, 1, NOW).await.unwrap();
        a_full_turn(&store.shelves);
        assert!(fill(&store, 2, NOW).await.is_err(), "nothing has expired");
        store.shelves.latest.saw(NOW + 1_001 + SLACK_MS);
        a_full_turn(&store.shelves);
        fill(&store, 2, NOW + SLACK_MS + 2_000).await.unwrap();
        store.enrol(ME, Drawer::Traces, ME, vec![]).await.unwrap();
        drop(store);
        let store = Embedded::open_capped(folder.path(), caps).unwrap();
        store.shelves.latest.saw(NOW + 2 * SLACK_MS + 9_000);
        a_full_turn(&store.shelves);
        fill(&store, 3, NOW + 2 * SLACK_MS + 9_000).await.unwrap();
        assert_eq!(store.enrolments(ME, Drawer::Traces).await.unwrap().len(), 1, "enrolments do not expire");
    }

    #[tokio::test]
    async fn counters_survive_being_rewritten() {
        let folder = tempfile::tempdir().unwrap();
        let meter = Meter { name: 1, window: Duration::from_secs(600), shape: Shape::Exact { keep: 33 } };
        let touch = async |store: &Embedded, name: u32, touch| {
            let mut id = [7; 16];
            id[..4].copy_from_slice(&name.to_le_bytes());
            let meters = [(Counted { kind: Kind::Account, id }, meter, touch)];
            store.begin(NOW, Begin { meters: &meters, ..Begin::default() }).await.unwrap().counts[0]
        };
        let store = Embedded::open(folder.path()).unwrap();
        for round in 1..=4 {
            for name in 0..30_000 {
                assert_eq!(touch(&store, name, Touch::Hit).await, round);
            }
            store.shelves.meters.save(&store.shelves.journal);
        }
        drop(store);
        let bytes = std::fs::metadata(folder.path().join("state.redb")).unwrap().len();
        let store = Embedded::open(folder.path()).unwrap();
        for name in [0, 1, 12_345, 29_999] {
            assert_eq!(touch(&store, name, Touch::Look).await, 4, "name {name}");
        }
        assert!(bytes < 64 << 20, "{bytes} bytes on disk for 30,000 counters");
    }
}
