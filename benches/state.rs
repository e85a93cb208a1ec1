//! What state costs: the one hot call, sealing and opening, and the memory of a session.
//!
//! `cargo bench --bench state`. The bar is 400 bytes a session (DESIGN §8); it is checked here, in a process of its own,
//! because only the growth of a whole process counts everything.

#![expect(clippy::unwrap_used, reason = "a bench that cannot run should stop")]

use std::{
    fs,
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt as _;
use stepward::{
    keys::{Keys, Purpose},
    sessions::{
        DEFAULT_LIMITS, SessionHandle, Sessions,
        record::{Subject, SubjectKind, VerifiedBy},
    },
    store::{Begin, Counted, Kind, Meter, SessionRef, Shape, StateStore, Touch, embedded::Embedded},
};
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NOW: i64 = 1_780_000_000_000;
const SESSIONS: usize = 1_000_000;
const BYTES_A_SESSION_MAX: usize = 400;

fn signed_in(sessions: &Sessions, number: usize) -> SessionHandle {
    let mut session = sessions.start(NOW, &"default".into(), &"bank.example.com".into());
    let name = format!("customer-{number}@example.com");
    let account = sessions.account("default", &name);
    let subject =
        Subject { name: name.into(), account, kind: SubjectKind::Human, verified_by: VerifiedBy::Login, since_ms: NOW };
    session.sign_in(sessions, NOW, subject, false);
    session.change().succeed("login".into(), NOW);
    session.bind_app(sessions, "sessionid", "0123456789abcdef");
    session
}

/// Resident memory of this process in bytes.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

fn memory(_: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let sessions = Sessions::new(Keys::ephemeral(), DEFAULT_LIMITS);
    let store = Embedded::in_memory().unwrap();
    let fill = |from: usize, to: usize| {
        runtime.block_on(async {
            for number in from..to {
                signed_in(&sessions, number).commit(&sessions, &store).await.unwrap();
            }
        });
    };
    fill(0, 1_000);
    let before = resident();
    fill(1_000, SESSIONS + 1_000);
    let bytes = (resident() - before) / SESSIONS;
    println!("memory/session          {bytes} bytes, {SESSIONS} signed-in sessions");
    assert!(bytes <= BYTES_A_SESSION_MAX, "{bytes} bytes a session, {BYTES_A_SESSION_MAX} are allowed");
}

fn hot_call(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let sessions = Sessions::new(Keys::ephemeral(), DEFAULT_LIMITS);
    let store = Embedded::open(folder.path()).unwrap();
    let mut session = signed_in(&sessions, 1);
    runtime.block_on(session.commit(&sessions, &store)).unwrap();
    let who = [Kind::Account, Kind::Ip, Kind::Device].map(|kind| Counted { kind, id: [kind as u8; 16] });
    let meter = Meter { name: 1, window: Duration::from_secs(300), shape: Shape::Buckets };
    let exact = Meter { name: 2, shape: Shape::Exact { keep: 6 }, ..meter };
    let meters = [(who[0], exact, Touch::Hit), (who[1], meter, Touch::Hit), (who[2], exact, Touch::Hit)];
    criterion.bench_function("begin: session, 3 meters, 3 locks", |bencher| {
        bencher.iter(|| {
            let begin = Begin { session: Some(session.reference()), meters: &meters, locks: &who, entries: &[] };
            runtime.block_on(store.begin(black_box(NOW), begin)).unwrap()
        });
    });
}

fn seals(criterion: &mut Criterion) {
    let keys = Keys::ephemeral();
    let plain = [7; 200];
    let sealed = keys.seal(Purpose::Session, "default", b"owner", &plain);
    criterion.bench_function("seal 200 bytes", |bencher| {
        bencher.iter(|| keys.seal(Purpose::Session, "default", b"owner", black_box(&plain)));
    });
    criterion.bench_function("open 200 bytes", |bencher| {
        bencher.iter(|| keys.open(Purpose::Session, "default", b"owner", black_box(&sealed)).unwrap());
    });
    criterion.bench_function("account pseudonym", |bencher| {
        bencher.iter(|| keys.account("default", black_box("alice@example.com")))
    });
}

/// Reads among as many sessions as the bar names, each another one, so that no cache helps.
fn session_read(_: &mut Criterion) {
    let store = Embedded::in_memory().unwrap();
    let session = |number: usize| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        SessionRef { home: id, id }
    };
    for number in 0..SESSIONS {
        let put = store.establish(NOW, None, session(number), vec![7; 200], NOW + 1_000);
        put.now_or_never().unwrap().unwrap();
    }
    let began = Instant::now();
    for number in (0..SESSIONS).map(|it| it.wrapping_mul(7_919) % SESSIONS) {
        let begin = Begin { session: Some(session(number)), ..Begin::default() };
        let read = store.begin(NOW, black_box(begin)).now_or_never().unwrap().unwrap();
        assert!(black_box(read).session.is_some());
    }
    println!("session read            {:?}, among {SESSIONS}", began.elapsed() / SESSIONS as u32);
}

/// The longest that anybody waits while sessions are written as fast as they are taken, and more than the disk takes.
fn storm(_: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Embedded::open(folder.path()).unwrap());
    let (full, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let writer = {
        let (store, full, over) = (store.clone(), full.clone(), over.clone());
        thread::spawn(move || {
            let (mut taken, began) = (0_u64, Instant::now());
            while !over.load(Ordering::Relaxed) {
                let id = u128::from(taken).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes();
                let put = store.establish(NOW, None, SessionRef { home: id, id }, vec![7; 200], NOW + 1_000);
                match put.now_or_never().unwrap() {
                    Ok(_) => taken += 1,
                    Err(_) => {
                        full.store(true, Ordering::Relaxed);
                        thread::sleep(Duration::from_millis(1));
                    }
                }
            }
            taken as f64 / began.elapsed().as_secs_f64()
        })
    };
    while !full.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(10));
    }
    let stormy = stalls(&runtime, &store, NOW, Duration::from_secs(20));
    over.store(true, Ordering::Relaxed);
    println!("stall, queue full       {stormy}; {:.0} sessions a second", writer.join().unwrap());
}

/// The longest that anybody waits while as many sessions as the bar names expire, all at once, and leave the disk too.
fn expiry(_: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Embedded::open(folder.path()).unwrap());
    runtime.block_on(async {
        for number in 0..SESSIONS {
            let mut id = [7; 16];
            id[..8].copy_from_slice(&(number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
            let session = SessionRef { home: id, id };
            // The disk is slower than this loop: what is refused is tried again.
            while store.establish(NOW, None, session, vec![7; 200], NOW + 1_000).await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
    let calm = stalls(&runtime, &store, NOW, Duration::from_secs(5));
    println!("stall, nothing expires  {calm}");
    let file = || fs::metadata(folder.path().join("state.redb")).unwrap().len() >> 20;
    let full = file();
    let expiring = stalls(&runtime, &store, NOW + 400_000, Duration::from_secs(60));
    println!("stall, {SESSIONS} expire  {expiring}");
    println!("file                    {full} MiB full, {} MiB after", file());
}

/// The longest waits of those who read a session and of those who are locked out durably, while time is there.
fn stalls(runtime: &Runtime, store: &Arc<Embedded>, now_ms: i64, span: Duration) -> String {
    let end = Instant::now() + span;
    let reads = {
        let store = store.clone();
        thread::spawn(move || {
            let (mut waits, mut number) = (Vec::new(), 0_u64);
            while Instant::now() < end {
                number += 1;
                let id = [(number % 256) as u8; 16];
                let began = Instant::now();
                let begin = Begin { session: Some(SessionRef { home: id, id }), ..Begin::default() };
                store.begin(now_ms, begin).now_or_never().unwrap().unwrap();
                waits.push(began.elapsed());
                thread::sleep(Duration::from_micros(100));
            }
            waits
        })
    };
    let locks = runtime.block_on(async {
        let (mut waits, mut number) = (Vec::new(), 0_u64);
        while Instant::now() < end {
            number += 1;
            let mut id = [9; 16];
            id[..8].copy_from_slice(&number.to_be_bytes());
            let began = Instant::now();
            store.lock(Counted { kind: Kind::Ip, id }, now_ms + 3_600_000).await.unwrap();
            waits.push(began.elapsed());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        waits
    });
    let told = |mut waits: Vec<Duration>| {
        waits.sort_unstable();
        let at = |share: usize| waits[(waits.len() - 1) * share / 1000];
        format!("p50 {:?} p99.9 {:?} max {:?} ({})", at(500), at(999), at(1000), waits.len())
    };
    format!("begin {}; durable lock {}", told(reads.join().unwrap()), told(locks))
}

criterion_group!(benches, memory, session_read, storm, expiry, hot_call, seals);
criterion_main!(benches);
