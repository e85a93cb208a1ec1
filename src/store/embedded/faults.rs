//! What happens when the disk fails: a real file behind a switch that makes writes fail as a full disk does.

use std::{
    fs::OpenOptions,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use redb::{Database, StorageBackend, backends::FileBackend};

use crate::store::{
    Attempt, Begin, Counted, Drawer, Id, Kind, Meter, Once, SessionRef, Shape, StateError, StateStore, Stored, Touch,
    embedded::{Caps, Embedded, Opener, Restart},
};

const NOW: i64 = 1_780_000_000_000;
const LATER: i64 = NOW + 60_000;
const ME: Id = [1; 16];

#[derive(Debug)]
struct Switched {
    file: FileBackend,
    full: Arc<AtomicBool>,
    /// Keeps every sync from ending: a disk that is busy with somebody else.
    busy: Arc<AtomicBool>,
}

impl Switched {
    fn check(&self) -> io::Result<()> {
        match self.full.load(Ordering::SeqCst) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

impl StorageBackend for Switched {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check()?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.check()?;
        while self.busy.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check()?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

fn opener(path: PathBuf, full: Arc<AtomicBool>, busy: Arc<AtomicBool>) -> Opener {
    Box::new(move || {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        let file = FileBackend::new(file)?;
        Database::builder().create_with_backend(Switched { file, full: full.clone(), busy: busy.clone() })
    })
}

fn open(folder: &Path, full: &Arc<AtomicBool>) -> Embedded {
    open_on(folder, full, &Arc::default())
}

fn open_on(folder: &Path, full: &Arc<AtomicBool>, busy: &Arc<AtomicBool>) -> Embedded {
    let opener = opener(folder.join("state.redb"), full.clone(), busy.clone());
    Embedded::open_with(opener, Caps::default()).unwrap()
}

async fn lock(store: &Embedded, id: Id) -> Stored<()> {
    store.lock(Counted { kind: Kind::Account, id }, LATER).await
}

async fn wait_until_healthy(store: &Embedded) {
    for _ in 0..100 {
        if store.health().await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the store did not recover within five seconds");
}

#[tokio::test]
async fn a_full_disk_refuses_changes_keeps_reading_and_recovers_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let full = Arc::new(AtomicBool::new(false));
    let store = open(folder.path(), &full);
    let session = SessionRef { home: ME, id: ME };
    store.establish(NOW, None, session, b"sealed".to_vec(), LATER).await.unwrap();
    store.issue_challenge(ME, ME, 3, b"code".to_vec(), LATER).await.unwrap();
    lock(&store, [2; 16]).await.unwrap();

    full.store(true, Ordering::SeqCst);
    assert_eq!(store.attempt_challenge(NOW, ME, ME).await, Err(StateError::Indeterminate), "was being written");
    assert_eq!(lock(&store, [3; 16]).await, Err(StateError::Unavailable), "was not begun");
    assert_eq!(store.attempt_challenge(NOW, ME, ME).await, Err(StateError::Unavailable));
    assert_eq!(store.claim(NOW, "jti", ME, ME, LATER).await, Err(StateError::Unavailable));
    assert_eq!(store.amend(NOW, session, 1, vec![], LATER).await, Err(StateError::Unavailable));
    assert_eq!(store.health().await, Err(StateError::Unavailable));
    let locks = [Counted { kind: Kind::Account, id: [2; 16] }, Counted { kind: Kind::Account, id: [3; 16] }];
    let standing = store.begin(NOW, Begin { session: Some(session), locks: &locks, ..Begin::default() }).await.unwrap();
    assert!(standing.session.is_some(), "reads go on");
    assert_eq!(standing.locked_until_ms, [Some(LATER), None], "what was refused has not happened");

    full.store(false, Ordering::SeqCst);
    wait_until_healthy(&store).await;
    lock(&store, [4; 16]).await.unwrap();
    drop(store);

    let store = open(folder.path(), &full);
    assert_eq!(store.restart(), Restart::Clean);
    let granted = Attempt::Granted { left: 1, sealed: b"code".to_vec() };
    assert_eq!(store.attempt_challenge(NOW, ME, ME).await, Ok(granted), "the try whose answer was lost is used up");
    let locks = [[2; 16], [3; 16], [4; 16]].map(|id| Counted { kind: Kind::Account, id });
    let standing = store.begin(NOW, Begin { locks: &locks, ..Begin::default() }).await.unwrap();
    assert_eq!(standing.locked_until_ms, [Some(LATER), None, Some(LATER)]);
}

#[tokio::test]
async fn a_busy_disk_makes_nobody_wait_longer_than_agreed_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (full, busy) = (Arc::default(), Arc::new(AtomicBool::new(false)));
    let store = open_on(folder.path(), &full, &busy);
    store.park(ME, ME, b"sealed".to_vec(), LATER).await.unwrap();
    store.answer_within(Duration::from_millis(20));
    let guess = Meter { name: 1, window: Duration::from_secs(60), shape: Shape::Guarded { keep: 6, limit: 5 } };
    let look = [(Counted { kind: Kind::Account, id: ME }, guess, Touch::Look)];
    let hit = look.map(|(who, meter, _)| (who, meter, Touch::Hit));
    let begin = |meters| store.begin(NOW, Begin { meters, ..Begin::default() });

    busy.store(true, Ordering::SeqCst);
    let began = Instant::now();
    assert_eq!(lock(&store, ME).await, Err(StateError::Indeterminate));
    assert_eq!(begin(&hit).await, Err(StateError::Indeterminate), "a wrong answer is not told before it is kept");
    let hurried = began.elapsed();
    assert_eq!(begin(&look).await.unwrap().counts, [1], "it counts at once, and reading waits for no disk");
    assert_eq!(store.take_parked(NOW, ME, ME, ME).await, Err(StateError::Indeterminate));
    let patient = began.elapsed() - hurried;
    assert!(hurried >= Duration::from_millis(40), "{hurried:?}");
    assert!(patient >= Duration::from_millis(200), "what uses something up waits longer: {patient:?}");
    assert_eq!(store.take_parked(NOW, ME, ME, [9; 16]).await, Ok(None), "it is taken, also by a command that is late");
    busy.store(false, Ordering::SeqCst);

    store.answer_within(Duration::from_secs(60));
    assert_eq!(store.take_parked(NOW, ME, ME, ME).await, Ok(Some(b"sealed".to_vec())), "by the same nonce as before");
    drop(store);
    let store = open_on(folder.path(), &full, &busy);
    let locks = [Counted { kind: Kind::Account, id: ME }];
    let standing = store.begin(NOW, Begin { meters: &look, locks: &locks, ..Begin::default() }).await.unwrap();
    assert_eq!((standing.counts, standing.locked_until_ms), (vec![1], vec![Some(LATER)]), "late is not never");
}

/// A session that is written after many others: behind rows are written by key.
fn late(number: u32) -> SessionRef {
    let mut id = [0xff; 16];
    id[12..].copy_from_slice(&number.to_be_bytes());
    SessionRef { home: id, id }
}

#[tokio::test]
async fn a_lock_out_waits_for_no_session_and_is_taken_when_no_session_is() {
    let folder = tempfile::tempdir().unwrap();
    let (full, busy) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(true)));
    busy.store(false, Ordering::SeqCst);
    let store = open_on(folder.path(), &full, &busy);
    busy.store(true, Ordering::SeqCst);
    let mut taken = 0;
    while store.establish(NOW, None, late(taken), vec![7; 40], LATER).await.is_ok() {
        taken += 1;
    }
    assert_eq!(store.health().await, Err(StateError::Unavailable), "a node that falls behind says so");
    busy.store(false, Ordering::SeqCst);
    lock(&store, ME).await.unwrap();
    assert_eq!(store.claim(NOW, "jti", ME, ME, LATER).await, Ok(Once::First));
    let behind = store.shelves.journal.rows_behind();
    assert!(behind > 100_000, "{behind} of {taken} sessions still wait, which were queued before");
    // Nothing of interest is left to be written.
    full.store(true, Ordering::SeqCst);
    drop(store);
    full.store(false, Ordering::SeqCst);
    let store = open(folder.path(), &full);
    let locks = [Counted { kind: Kind::Account, id: ME }];
    let standing = store.begin(NOW, Begin { locks: &locks, ..Begin::default() }).await.unwrap();
    assert_eq!(standing.locked_until_ms, [Some(LATER)]);
}

#[tokio::test]
async fn of_one_row_the_last_value_wins_whichever_lane_it_took() {
    let folder = tempfile::tempdir().unwrap();
    let (full, busy) = (Arc::default(), Arc::new(AtomicBool::new(false)));
    let store = Arc::new(open_on(folder.path(), &full, &busy));
    let [taken_over, queued, kept] = [1, 2, 3].map(late);
    let (first, second, third) = ([0xf1; 16], [0xf2; 16], [0xf3; 16]);
    let establish = async |session| store.establish(NOW, None, session, vec![7; 40], LATER).await.unwrap();
    let guess = Meter { name: 1, window: Duration::from_secs(60), shape: Shape::Guarded { keep: 6, limit: 5 } };
    let who = |id| Counted { kind: Kind::Account, id };
    let hit = |id| {
        let store = store.clone();
        async move {
            let meters = [(who(id), guess, Touch::Hit)];
            store.begin(NOW, Begin { meters: &meters, ..Begin::default() }).await.unwrap();
        }
    };
    hit(third).await;
    busy.store(true, Ordering::SeqCst);
    store.refund(NOW, who(third), guess).await.unwrap();
    establish(taken_over).await;
    store.issue_challenge(first, first, 3, b"code".to_vec(), LATER).await.unwrap();
    for number in 0..2_000_u32 {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        establish(SessionRef { home: id, id }).await;
    }
    // The thread has taken over what there is, and hangs in the first transaction.
    tokio::time::sleep(Duration::from_millis(300)).await;
    establish(queued).await;
    establish(kept).await;
    store.issue_challenge(second, second, 3, b"code".to_vec(), LATER).await.unwrap();
    let late_calls: Vec<_> = [taken_over, queued]
        .map(|session| {
            let store = store.clone();
            tokio::spawn(async move { store.end(session).await.unwrap() })
        })
        .into_iter()
        .chain([first, second].map(|id| {
            let store = store.clone();
            tokio::spawn(async move { drop(store.attempt_challenge(NOW, id, id).await.unwrap()) })
        }))
        .chain([first, first, second, third].map(|id| tokio::spawn(hit(id))))
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    store.refund(NOW, who(first), guess).await.unwrap();
    busy.store(false, Ordering::SeqCst);
    for call in late_calls {
        call.await.unwrap();
    }
    drop(Arc::into_inner(store).unwrap());

    let store = open_on(folder.path(), &full, &busy);
    let there = async |session| {
        let begin = Begin { session: Some(session), ..Begin::default() };
        store.begin(NOW, begin).await.unwrap().session.is_some()
    };
    assert_eq!((there(taken_over).await, there(queued).await, there(kept).await), (false, false, true));
    for id in [first, second] {
        let granted = Attempt::Granted { left: 1, sealed: b"code".to_vec() };
        assert_eq!(store.attempt_challenge(NOW, id, id).await, Ok(granted), "one of three was used before");
    }
    let look = [first, second, third].map(|id| (who(id), guess, Touch::Look));
    let counts = store.begin(NOW, Begin { meters: &look, ..Begin::default() }).await.unwrap().counts;
    assert_eq!(counts, [1, 1, 1], "two and one taken back; one; one, taken back, and one again");
}

#[tokio::test]
async fn a_backup_holds_what_was_queued_before_it_in_either_lane() {
    let folder = tempfile::tempdir().unwrap();
    let (full, busy) = (Arc::default(), Arc::new(AtomicBool::new(false)));
    let store = Arc::new(open_on(folder.path(), &full, &busy));
    busy.store(true, Ordering::SeqCst);
    for number in 0..1_500 {
        store.establish(NOW, None, late(number), vec![7; 40], LATER).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    for number in 1_500..3_000 {
        store.establish(NOW, None, late(number), vec![7; 40], LATER).await.unwrap();
    }
    let reading = tokio::spawn({
        let store = store.clone();
        async move { store.snapshot().await.unwrap().unwrap() }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    busy.store(false, Ordering::SeqCst);
    assert_eq!(reading.await.unwrap().sessions(), 3_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_was_acknowledged_around_a_failure_is_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let full = Arc::new(AtomicBool::new(false));
    let store = Arc::new(open(folder.path(), &full));
    let over = Arc::new(AtomicBool::new(false));
    let switch = tokio::spawn({
        let (full, over) = (full.clone(), over.clone());
        async move {
            for step in 0..6 {
                tokio::time::sleep(Duration::from_millis(150)).await;
                full.store(step % 2 == 0, Ordering::SeqCst);
            }
            over.store(true, Ordering::SeqCst);
        }
    });
    let writers: Vec<_> = (0..8u8)
        .map(|writer| {
            let (store, over) = (store.clone(), over.clone());
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for number in 0u32.. {
                    // However slow this disk is: through every failure, and for a while after the last.
                    if over.load(Ordering::SeqCst) && acknowledged.len() >= 20 {
                        break;
                    }
                    let mut id = [writer; 16];
                    id[..4].copy_from_slice(&number.to_be_bytes());
                    match store.enrol(id, Drawer::Traces, id, vec![writer; 100]).await {
                        Ok(()) => acknowledged.push(id),
                        Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                    }
                }
                acknowledged
            })
        })
        .collect();
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    switch.await.unwrap();
    wait_until_healthy(&store).await;
    drop(store);
    let store = open(folder.path(), &full);
    for id in &acknowledged {
        assert_eq!(store.enrolments(*id, Drawer::Traces).await.unwrap().len(), 1, "{id:?}");
    }
    assert!(acknowledged.len() >= 8 * 20, "{} acknowledged", acknowledged.len());
}

#[tokio::test]
async fn a_store_that_stops_while_the_disk_is_full_does_not_call_it_clean() {
    let folder = tempfile::tempdir().unwrap();
    let full = Arc::new(AtomicBool::new(false));
    let store = open(folder.path(), &full);
    lock(&store, [2; 16]).await.unwrap();
    full.store(true, Ordering::SeqCst);
    assert_eq!(lock(&store, [3; 16]).await, Err(StateError::Indeterminate));
    drop(store);
    full.store(false, Ordering::SeqCst);
    let store = open(folder.path(), &full);
    assert_eq!(store.restart(), Restart::Unclean);
}

#[tokio::test]
async fn what_is_full_refuses_and_forgets_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let caps = Caps {
        sessions_max: 2,
        challenges_max: 1,
        parked_bytes_max: 1_000,
        claims_max: 1,
        enrolments_max: 1,
        locks_max: 1,
        counters_max: 1,
    };
    let store = Embedded::open_capped(folder.path(), caps).unwrap();
    let full = StateError::Unavailable;
    let session = |id: u8| SessionRef { home: [id; 16], id: [id; 16] };
    for id in 1..=2 {
        store.establish(NOW, None, session(id), vec![id], LATER).await.unwrap();
    }
    assert_eq!(store.establish(NOW, None, session(3), vec![3], LATER).await, Err(full.clone()));
    store.end(session(1)).await.unwrap();
    store.establish(NOW, None, session(3), vec![3], LATER).await.unwrap();
    store.issue_challenge(ME, ME, 3, vec![], LATER).await.unwrap();
    assert_eq!(store.issue_challenge(ME, [2; 16], 3, vec![], LATER).await, Err(full.clone()));
    store.park(ME, ME, vec![0; 900], LATER).await.unwrap();
    assert_eq!(store.park(ME, [2; 16], vec![0; 200], LATER).await, Err(full.clone()));
    assert_eq!(store.claim(NOW, "jti", ME, ME, LATER).await, Ok(Once::First));
    assert_eq!(store.claim(NOW, "jti", [2; 16], ME, LATER).await, Err(full.clone()));
    lock(&store, ME).await.unwrap();
    assert_eq!(lock(&store, [2; 16]).await, Err(full.clone()));
    store.enrol(ME, Drawer::Traces, ME, vec![]).await.unwrap();
    assert_eq!(store.enrol(ME, Drawer::Traces, [2; 16], vec![]).await, Err(full));
}

#[tokio::test]
async fn a_flood_of_names_gives_the_victim_no_fresh_tries() {
    let caps = Caps { counters_max: 100, ..Caps::default() };
    let store = Embedded::open_capped(tempfile::tempdir().unwrap().path(), caps).unwrap();
    let meter = Meter { name: 1, window: Duration::from_secs(60), shape: Shape::Exact { keep: 11 } };
    let hit = async |name: u32, touch| {
        let mut id = [7; 16];
        id[..4].copy_from_slice(&name.to_le_bytes());
        let meters = [(Counted { kind: Kind::Account, id }, meter, touch)];
        store.begin(NOW, Begin { meters: &meters, ..Begin::default() }).await.unwrap().counts[0]
    };
    for expected in 1..=5 {
        assert_eq!(hit(0, Touch::Hit).await, expected);
    }
    for name in 1..20_000 {
        assert!(hit(name, Touch::Hit).await >= 1);
    }
    assert!(hit(0, Touch::Hit).await >= 6, "counted before the flood");
    for expected in 2..=9 {
        assert!(hit(19_999, Touch::Hit).await >= expected, "counted within the flood");
    }
    assert!(hit(19_999, Touch::Look).await >= 9);
}
