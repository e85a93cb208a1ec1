//! What state costs: the one hot call, sealing and opening, and the memory of a session.
//!
//! `cargo bench --bench state`. The bar is 400 bytes a session (DESIGN §8); it is checked here, in a process of its own,
//! because only the growth of a whole process counts everything.

#![expect(clippy::unwrap_used, reason = "a bench that cannot run should stop")]

use std::{fs, hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use stepward::{
    keys::{Keys, Purpose},
    sessions::{
        DEFAULT_LIMITS, SessionHandle, Sessions,
        record::{Subject, SubjectKind, VerifiedBy},
    },
    store::{Begin, Counted, Kind, Meter, Shape, StateStore, Touch, embedded::Embedded},
};
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NOW: i64 = 1_780_000_000_000;
const SESSIONS: usize = 100_000;
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

criterion_group!(benches, memory, hot_call, seals);
criterion_main!(benches);
