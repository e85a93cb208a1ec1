//! Kills the process that writes, without warning, and holds the store to every answer it had given.
//!
//! The test binary starts itself again as the writer. A kill leaves the page cache intact, so this shows that nothing is
//! acknowledged too early or forgotten at the start; power cuts were simulated once (`research/state.md` §3.2).

use std::{
    env,
    io::{BufRead, BufReader, Write},
    ops::Range,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use futures_util::future::join_all;
use stepward::store::{
    Attempt, Begin, Counted, Drawer, Id, Kind, LogPosition, Meter, Once, Revocation, SessionRef, Shape, StateStore,
    Touch,
    embedded::{
        Embedded,
        disk::{OpenError, Restart},
    },
};

const NOW: i64 = 1_780_000_000_000;
const LATER: i64 = NOW + 3_600_000;
const ROUNDS: u64 = 200;
/// How many rounds share a file: it is opened again after each, with all that the rounds before left in it.
const ROUNDS_A_FILE: u64 = 20;
/// Files that are written, killed and looked at side by side: most of a round is waiting for the disk.
const FILES_AT_ONCE: usize = 4;
/// Callers at once in the writer, so that commits are shared.
const WRITERS: u64 = 8;
/// Tells the binary that it is the writer, and where.
const FOLDER: &str = "STEPWARD_TEST_CRASH_FOLDER";
/// Which round the writer is in: its ids must not repeat.
const ROUND: &str = "STEPWARD_TEST_CRASH_ROUND";

/// `STEPWARD_ROUNDS=1000` makes it thorough.
fn rounds() -> u64 {
    env::var("STEPWARD_ROUNDS").map_or(ROUNDS, |it| it.parse().unwrap())
}

#[test]
fn after_a_kill_everything_acknowledged_is_there() {
    let (next, files) = (AtomicU64::new(0), rounds().div_ceil(ROUNDS_A_FILE));
    let acknowledged = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..FILES_AT_ONCE {
            scope.spawn(|| {
                loop {
                    let file = next.fetch_add(1, Ordering::Relaxed);
                    if file >= files {
                        return;
                    }
                    let first = file * ROUNDS_A_FILE;
                    acknowledged.fetch_add(one_file(first..rounds().min(first + ROUNDS_A_FILE)), Ordering::Relaxed);
                }
            });
        }
    });
    println!("{} operations were acknowledged in {} rounds", acknowledged.into_inner(), rounds());
}

/// Some rounds over one file; how many operations were acknowledged.
fn one_file(rounds: Range<u64>) -> usize {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut all = Vec::new();
    for round in rounds {
        let promises = storm_and_kill(folder.path(), round);
        let store = Embedded::open(folder.path()).unwrap();
        assert_eq!(store.restart(), Restart::Unclean, "round {round}");
        runtime.block_on(verify(&store, &promises));
        all.extend(promises);
    }
    runtime.block_on(verify(&Embedded::open(folder.path()).unwrap(), &all));
    all.len()
}

/// Runs the writer for a moment, kills it, and returns what it had been promised.
fn storm_and_kill(folder: &Path, round: u64) -> Vec<Promise> {
    let mut writer = Command::new(env::current_exe().unwrap())
        .args(["--exact", "store_crash::writer", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut promises = BufReader::new(writer.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| Promise::parse(&line));
    let first = promises.next().unwrap();
    let reader = thread::spawn(move || promises.collect::<Vec<_>>());
    thread::sleep(Duration::from_millis(5 + round * 37 % 90));
    writer.kill().unwrap();
    writer.wait().unwrap();
    let mut promises = reader.join().unwrap();
    promises.push(first);
    promises
}

/// One operation that was answered.
#[derive(Clone, Copy, Debug)]
struct Promise {
    kind: char,
    number: u64,
    /// The position of a revocation.
    position: LogPosition,
}

impl Promise {
    fn parse(line: &str) -> Option<Promise> {
        // The test harness may have written its own words before ours on the first line.
        let (_, words) = line.rsplit_once("acknowledged ")?;
        let mut words = words.split(' ');
        let kind = words.next()?.chars().next()?;
        let number = words.next()?.parse().ok()?;
        let position = words.next()?.parse().ok()?;
        words.next()?.eq(".").then_some(Promise { kind, number, position })
    }
}

/// The writer: does nothing unless it was started by the test above.
#[test]
fn writer() {
    let Ok(folder) = env::var(FOLDER) else { return };
    let round: u64 = env::var(ROUND).unwrap().parse().unwrap();
    let store = Arc::new(Embedded::open(Path::new(&folder)).unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let writers: Vec<_> =
            (0..WRITERS).map(|writer| tokio::spawn(storm(store.clone(), (round * WRITERS + writer) << 32))).collect();
        for writer in writers {
            writer.await.unwrap();
        }
    });
}

async fn storm(store: Arc<Embedded>, first: u64) {
    for number in first.. {
        let who = id(number);
        let mut position = 0;
        let kind = ['l', 'a', 's', 'c', 'e', 'v', 'r', 'p', 't', 'g'][(number % 10) as usize];
        match kind {
            'l' => store.lock(Counted { kind: Kind::Account, id: who }, LATER).await.unwrap(),
            'a' => {
                store.issue_challenge(who, who, 3, vec![7; 40], LATER).await.unwrap();
                store.attempt_challenge(NOW, who, who).await.unwrap();
            }
            's' => {
                store.issue_challenge(who, who, 3, vec![7; 40], LATER).await.unwrap();
                store.spend_challenge(NOW, who, who, who).await.unwrap();
            }
            'c' => drop(store.claim(NOW, "jti", who, who, LATER).await.unwrap()),
            'e' => store.enrol(who, Drawer::Authenticators, who, vec![7; 200]).await.unwrap(),
            'v' => {
                store.enrol(who, Drawer::Authenticators, who, vec![7; 200]).await.unwrap();
                assert!(store.advance(who, Drawer::Authenticators, who, number).await.unwrap());
            }
            'r' => {
                let session = SessionRef { home: who, id: who };
                store.establish(NOW, None, session, vec![7; 200], LATER).await.unwrap();
                position = store
                    .revoke(Revocation { target: Counted { kind: Kind::Account, id: who }, before_ms: NOW })
                    .await
                    .unwrap();
            }
            'p' => store.park(who, who, vec![7; 20_000], LATER).await.unwrap(),
            'g' => {
                let meters = guess(who, Touch::Hit);
                for _ in 0..3 {
                    store.begin(NOW, Begin { meters: &meters, ..Begin::default() }).await.unwrap();
                }
                store.refund(NOW, meters[0].0, meters[0].1).await.unwrap();
                store.begin(NOW, Begin { meters: &meters, ..Begin::default() }).await.unwrap();
            }
            _ => {
                store.park(who, who, vec![7; 20_000], LATER).await.unwrap();
                store.take_parked(NOW, who, who, who).await.unwrap();
            }
        }
        // One write a line: the harness shares this pipe.
        std::io::stdout().lock().write_all(format!("acknowledged {kind} {number} {position} .\n").as_bytes()).unwrap();
    }
}

async fn verify(store: &Embedded, promises: &[Promise]) {
    let log = store.revocations_after(0, Duration::ZERO).await.unwrap();
    let kept = join_all(promises.iter().map(|promise| is_kept(store, &log, promise))).await;
    for (promise, kept) in promises.iter().zip(kept) {
        assert!(kept, "{promise:?} was acknowledged and is lost");
    }
}

async fn is_kept(store: &Embedded, log: &[(LogPosition, Revocation)], promise: &Promise) -> bool {
    let who = id(promise.number);
    let enrolled = store.enrolments(who, Drawer::Authenticators).await.unwrap();
    match promise.kind {
        'l' => {
            let locks = [Counted { kind: Kind::Account, id: who }];
            let standing = store.begin(NOW, Begin { locks: &locks, ..Begin::default() }).await.unwrap();
            standing.locked_until_ms == [Some(LATER)]
        }
        // One try was used up, and looking uses up more.
        'a' => match store.attempt_challenge(NOW, who, who).await.unwrap() {
            Attempt::Granted { left, .. } => left < 2,
            Attempt::Exhausted => true,
            Attempt::Gone => false,
        },
        's' => {
            store.spend_challenge(NOW, who, who, [0; 16]).await.unwrap() == Once::Replay
                && store.spend_challenge(NOW, who, who, who).await.unwrap() == Once::First
        }
        'c' => store.claim(NOW, "jti", who, [0; 16], LATER).await.unwrap() == Once::Replay,
        'e' => enrolled.len() == 1,
        'v' => enrolled.len() == 1 && enrolled[0].counter == promise.number,
        'r' => {
            let session = Some(SessionRef { home: who, id: who });
            let standing = store.begin(NOW, Begin { session, ..Begin::default() }).await.unwrap();
            standing.session.is_none()
                && log.iter().any(|(at, entry)| *at == promise.position && entry.target.id == who)
        }
        'p' => store.peek_parked(NOW, who, who).await.unwrap() == Some(vec![7; 20_000]),
        // Not one wrong answer forgotten, and not one presumed.
        'g' => {
            let meters = guess(who, Touch::Look);
            store.begin(NOW, Begin { meters: &meters, ..Begin::default() }).await.unwrap().counts == [3]
        }
        _ => {
            store.take_parked(NOW, who, who, [0; 16]).await.unwrap().is_none()
                && store.take_parked(NOW, who, who, who).await.unwrap() == Some(vec![7; 20_000])
        }
    }
}

fn id(number: u64) -> Id {
    let mut id = [0x5a; 16];
    id[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    id[8..].copy_from_slice(&number.to_be_bytes());
    id
}

#[tokio::test]
async fn a_clean_restart_keeps_everything_and_counts_on() {
    let folder = tempfile::tempdir().unwrap();
    let who = Counted { kind: Kind::Account, id: id(1) };
    let meters = [(who, meter(), Touch::Hit), (who, Meter { name: 2, shape: Shape::Buckets, ..meter() }, Touch::Hit)];
    let session = SessionRef { home: id(1), id: id(2) };
    {
        let store = Embedded::open(folder.path()).unwrap();
        assert_eq!(store.restart(), Restart::Fresh);
        store.establish(NOW, None, session, b"sealed".to_vec(), LATER).await.unwrap();
        store.begin(NOW, Begin { meters: &meters, ..Begin::default() }).await.unwrap();
    }
    let store = Embedded::open(folder.path()).unwrap();
    assert_eq!(store.restart(), Restart::Clean);
    let begin = Begin { session: Some(session), meters: &meters, ..Begin::default() };
    let standing = store.begin(NOW, begin).await.unwrap();
    assert_eq!(standing.session.map(|session| session.sealed), Some(b"sealed".to_vec()));
    assert_eq!(standing.counts, [2, 2]);
}

#[tokio::test]
async fn our_crash_is_held_against_nobody() {
    let folder = tempfile::tempdir().unwrap();
    storm_and_kill(folder.path(), 99);
    let store = Embedded::open(folder.path()).unwrap();
    assert_eq!(store.restart(), Restart::Unclean);
    let who = Counted { kind: Kind::Account, id: id(3) };
    for shape in [Shape::Exact { keep: 6 }, Shape::Buckets, Shape::Guarded { keep: 6, limit: 5 }] {
        let meters = [(who, Meter { shape, ..meter() }, Touch::Hit)];
        let standing = store.begin(NOW, Begin { meters: &meters, ..Begin::default() }).await.unwrap();
        assert_eq!(standing.counts, [1], "{shape:?}: whoever comes first after it has come once");
    }
}

#[tokio::test]
async fn a_wrong_answer_that_was_told_is_counted_after_a_crash_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    let meters = guess(id(5), Touch::Hit);
    for expected in 1..=4 {
        let standing = store.begin(NOW, Begin { meters: &meters, ..Begin::default() }).await.unwrap();
        assert_eq!(standing.counts, [expected]);
        // The file as it is the moment after the answer.
        std::fs::copy(folder.path().join("state.redb"), copy.path().join("state.redb")).unwrap();
        let crashed = Embedded::open(copy.path()).unwrap();
        assert_eq!(crashed.restart(), Restart::Unclean);
        let meters = guess(id(5), Touch::Look);
        let found = crashed.begin(NOW, Begin { meters: &meters, ..Begin::default() }).await.unwrap().counts;
        assert_eq!(found, [expected]);
    }
}

#[tokio::test]
async fn counters_are_saved_while_the_store_runs() {
    let folder = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let who = Counted { kind: Kind::Account, id: id(4) };
    let meters = [(who, Meter { shape: Shape::Buckets, ..meter() }, Touch::Hit)];
    let store = Embedded::open(folder.path()).unwrap();
    for _ in 0..7 {
        store.begin(NOW, Begin { meters: &meters, ..Begin::default() }).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(1_400)).await;
    std::fs::copy(folder.path().join("state.redb"), copy.path().join("state.redb")).unwrap();
    let crashed = Embedded::open(copy.path()).unwrap();
    assert_eq!(crashed.restart(), Restart::Unclean);
    assert_eq!(crashed.begin(NOW, Begin { meters: &meters, ..Begin::default() }).await.unwrap().counts, [8]);
}

#[test]
fn a_second_process_is_told_that_the_file_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let _first = Embedded::open(folder.path()).unwrap();
    let refused = Embedded::open(folder.path()).err().unwrap();
    assert!(matches!(refused, OpenError::InUse), "{refused}");
}

#[test]
fn what_is_not_our_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("state.redb"), vec![0x42; 100_000]).unwrap();
    assert!(matches!(Embedded::open(folder.path()).err().unwrap(), OpenError::Unusable(_)));
    assert!(matches!(Embedded::open(Path::new("/proc/none")).err().unwrap(), OpenError::Unusable(_)));
}

/// An emptied file would otherwise be a new store: no lock-out, no authenticator, every code unused.
#[test]
fn a_file_that_was_emptied_is_refused_and_one_that_was_taken_away_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    drop(Embedded::open(folder.path()).unwrap());
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().path()).collect();
    assert_eq!(files, std::slice::from_ref(&path), "a first start leaves nothing else behind");
    std::fs::write(&path, b"").unwrap();
    for _ in 0..2 {
        let refused = Embedded::open(folder.path()).err().unwrap();
        let told = refused.to_string();
        assert!(matches!(refused, OpenError::Emptied(_)), "{told}");
        for word in [path.to_str().unwrap(), "empty", "lock-outs", "stepward state restore", "start without it"] {
            assert!(told.contains(word), "{word}: {told}");
        }
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0, "nothing was begun in it");
    }
    std::fs::remove_file(&path).unwrap();
    assert_eq!(Embedded::open(folder.path()).unwrap().restart(), Restart::Fresh);
}

/// A counter that guards guessing.
fn guess(who: Id, touch: Touch) -> [(Counted, Meter, Touch); 1] {
    let guard = Meter { name: 9, shape: Shape::Guarded { keep: 6, limit: 5 }, ..meter() };
    [(Counted { kind: Kind::Account, id: who }, guard, touch)]
}

fn meter() -> Meter {
    Meter { name: 1, window: Duration::from_secs(60), shape: Shape::Exact { keep: 6 } }
}
