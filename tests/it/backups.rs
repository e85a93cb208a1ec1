//! Backups of a store that works, and what is good after one was put back.

use std::{
    fs,
    io::Cursor,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use stepward::{
    challenges::authenticators,
    clock::{Clock, random_id},
    keys::{Keys, ring::Ring},
    store::{
        Attempt, Begin, Counted, Drawer, Id, Kind, Meter, Once, SessionRef, Shape, StateStore, Touch,
        backup::{self, RestoreError},
        copy::{self, CopyError, Place},
        embedded::{Embedded, disk::OpenError},
        ring,
    },
};

use crate::{
    moving::{KNOWN, PAY},
    process::{BINARY, Scene},
    recalled::LOCK,
    store_contract::NOW,
    world::{LOGIN, Town, World},
};

const LATER: i64 = NOW + 3_600_000;

async fn backed_up(store: &Embedded) -> Vec<u8> {
    let mut chunks = backup::chunks(store.snapshot().await.unwrap().expect("there is a file"));
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.recv().await {
        bytes.extend(chunk.unwrap());
    }
    bytes
}

fn put_back(bytes: &[u8], folder: &Path, keys: &Keys) -> Result<(), RestoreError> {
    backup::restore(&mut Cursor::new(bytes), folder, keys, NOW, Some).map(drop)
}

fn guess() -> Meter {
    Meter { name: 9, window: Duration::from_secs(600), shape: Shape::Guarded { keep: 6, limit: 5 } }
}

fn account(id: Id) -> Counted {
    Counted { kind: Kind::Account, id }
}

async fn touch(store: &Embedded, now_ms: i64, id: Id, touch: Touch) -> u64 {
    let meters = [(account(id), guess(), touch)];
    store.begin(now_ms, Begin { meters: &meters, ..Begin::default() }).await.unwrap().counts[0]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backup_under_load_is_of_one_moment_and_holds_nobody_up() {
    const FILLED: u64 = 10_000;
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Arc::new(Embedded::open(old.path()).unwrap());
    let keys = ring::keys_for(&*store, &old.path().join("keys.yaml"), NOW).await.unwrap();
    let fill = (0..FILLED).map(|_| {
        let store = store.clone();
        async move { store.enrol(random_id(), Drawer::Contacts, random_id(), vec![7; 200]).await.unwrap() }
    });
    futures_util::future::join_all(fill).await;

    let (stop, longest_us) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut writers = Vec::new();
    for writer in 0..8_u8 {
        let (store, stop) = (store.clone(), stop.clone());
        writers.push(tokio::spawn(async move {
            // Each writes in order: whoever has the later one has the earlier one too.
            let mut number = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                let mut id = [writer; 16];
                id[8..].copy_from_slice(&number.to_be_bytes());
                store.lock(account(id), LATER).await.unwrap();
                store.claim(NOW, "jti", id, id, LATER).await.unwrap();
                touch(&store, NOW, id, Touch::Hit).await;
                number += 1;
            }
            number
        }));
    }
    let reader = {
        let (store, stop, longest_us) = (store.clone(), stop.clone(), longest_us.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let began = Instant::now();
                let locks = [account([1; 16])];
                store.begin(NOW, Begin { locks: &locks, ..Begin::default() }).await.unwrap();
                longest_us.fetch_max(began.elapsed().as_micros() as u64, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        })
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    let known = [3; 16];
    store.lock(account(known), LATER).await.unwrap();
    let began = Instant::now();
    let bytes = backed_up(&store).await;
    println!("{} bytes in {:?}; longest begin {} us", bytes.len(), began.elapsed(), longest_us.load(Ordering::Relaxed));
    stop.store(true, Ordering::Relaxed);
    reader.await.unwrap();
    let written = futures_util::future::join_all(writers).await.into_iter().map(Result::unwrap).collect::<Vec<_>>();

    put_back(&bytes, new.path(), &keys).unwrap();
    let back = Embedded::open(new.path()).unwrap();
    let is_locked = async |id| {
        let locks = [account(id)];
        back.begin(NOW, Begin { locks: &locks, ..Begin::default() }).await.unwrap().locked_until_ms[0].is_some()
    };
    assert!(is_locked(known).await, "acknowledged before the backup was asked for");
    for (writer, written) in written.into_iter().enumerate() {
        let mut has_ended = false;
        for number in 0..written {
            let mut id = [writer as u8; 16];
            id[8..].copy_from_slice(&number.to_be_bytes());
            let mut next = id;
            next[8..].copy_from_slice(&(number + 1).to_be_bytes());
            let is_there = is_locked(id).await;
            assert!(!(has_ended && is_there), "a later one without an earlier one");
            if is_locked(next).await {
                let claimed = back.claim(NOW, "jti", id, [0xff; 16], LATER).await.unwrap();
                assert_eq!(claimed, Once::Replay, "what came before the next lock-out is there");
            }
            has_ended |= !is_there;
        }
        assert!(has_ended, "writing went on while and after the backup was made");
    }
}

#[tokio::test]
async fn nothing_that_may_have_been_used_since_is_good_after_a_restore() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Embedded::open(old.path()).unwrap();
    let ring = old.path().join("keys.yaml");
    let keys = ring::keys_for(&store, &ring, NOW).await.unwrap();
    let me = [7; 16];
    let session = SessionRef { home: me, id: me };
    store.establish(NOW, None, session, b"session".to_vec(), LATER).await.unwrap();
    store.issue_challenge(me, me, 3, b"asked".to_vec(), LATER).await.unwrap();
    store.park(me, me, b"parked".to_vec(), LATER).await.unwrap();
    store.enrol(me, Drawer::Devices, me, b"device".to_vec()).await.unwrap();
    store.enrol(me, Drawer::Contacts, me, b"contact".to_vec()).await.unwrap();
    store.claim(NOW, "jti", me, me, LATER).await.unwrap();
    store.lock(account(me), LATER).await.unwrap();
    for _ in 0..2 {
        touch(&store, NOW, me, Touch::Hit).await;
    }
    let bytes = backed_up(&store).await;
    // The session might be revoked now, the device forgotten, three wrong answers given.

    put_back(&bytes, new.path(), &keys).unwrap();
    let back = Embedded::open(new.path()).unwrap();
    let locks = [account(me)];
    let standing = back.begin(NOW, Begin { session: Some(session), locks: &locks, ..Begin::default() }).await.unwrap();
    assert_eq!(standing.session, None);
    assert_eq!(standing.locked_until_ms, [Some(LATER)]);
    assert_eq!(back.attempt_challenge(NOW, me, me).await.unwrap(), Attempt::Gone);
    assert_eq!(back.take_parked(NOW, me, me, me).await.unwrap(), None);
    assert!(back.enrolments(me, Drawer::Devices).await.unwrap().is_empty());
    assert_eq!(back.enrolments(me, Drawer::Contacts).await.unwrap().len(), 1);
    assert_eq!(back.claim(NOW, "jti", me, [0; 16], LATER).await.unwrap(), Once::Replay);
    // A limit of five: one try is left to somebody unknown, none to whoever had wrong answers; a restart changes nothing.
    assert_eq!(touch(&back, NOW, [9; 16], Touch::Look).await, 4);
    assert_eq!(touch(&back, NOW, me, Touch::Look).await, 6);
    drop(back);
    let back = Embedded::open(new.path()).unwrap();
    assert_eq!(touch(&back, NOW + 599_000, [9; 16], Touch::Look).await, 4);
    assert_eq!(touch(&back, NOW + 600_000, [9; 16], Touch::Look).await, 0, "one window later all is as ever");
    assert_eq!(backup::restored_at_ms(&back).await.unwrap(), Some(NOW));
    ring::keys_for(&back, &ring, NOW).await.unwrap();

    drop(back);
    let at = |ms| Clock::Manual(Arc::new(AtomicI64::new(ms)));
    let copied = async |now_ms| {
        let from = Place::Folder(new.path().into());
        let settings = crate::redis_server::settings(old.path().join("nowhere"));
        copy::copy(from, Place::Redis(settings), &keys, &at(now_ms)).await.unwrap_err()
    };
    assert!(matches!(copied(NOW + 14 * 60_000).await, CopyError::JustRestored), "Redis would not read it strictly");
    assert!(!matches!(copied(NOW + 16 * 60_000).await, CopyError::JustRestored));

    let taken = put_back(&bytes, new.path(), &keys);
    assert!(matches!(taken, Err(RestoreError::Target(OpenError::Taken(_)))), "{taken:?}");
}

#[tokio::test]
async fn a_file_that_is_not_whole_or_not_ours_is_refused_and_leaves_nothing() {
    let old = tempfile::tempdir().unwrap();
    let store = Embedded::open(old.path()).unwrap();
    let keys = ring::keys_for(&store, &old.path().join("keys.yaml"), NOW).await.unwrap();
    for id in 0..50 {
        store.enrol([id; 16], Drawer::Contacts, [id; 16], vec![id; 60]).await.unwrap();
    }
    let bytes = backed_up(&store).await;
    let new = old.path().join("new");
    let refused = |bytes: &[u8], keys: &Keys| {
        let error = put_back(bytes, &new, keys).unwrap_err();
        let left = fs::read_dir(&new).unwrap().count();
        assert_eq!(left, 0, "{error}");
        error
    };
    for cut in (0..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
        let error = refused(&bytes[..cut], &keys);
        assert!(matches!(error, RestoreError::Foreign | RestoreError::Damaged), "{cut}: {error}");
    }
    for at in (0..bytes.len()).step_by(131) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        refused(&changed, &keys);
    }
    refused(&[&bytes[..], b"more"].concat(), &keys);
    let error = refused(&bytes, &Keys::ephemeral());
    assert!(matches!(error, RestoreError::Keys), "{error}");
    put_back(&bytes, &new, &keys).unwrap();
}

/// The backup that the admin API gives.
async fn fetched(town: &Town) -> Vec<u8> {
    let token = fs::read_to_string(town.folder.path().join("state/admin-token")).unwrap();
    let token = token.split_whitespace().find(|it| it.starts_with("sw_")).unwrap().to_string();
    let url = format!("http://{}/api/v1/state/backup", town.gateway.api.admin.unwrap());
    let nobody = reqwest::Client::new().post(&url).send().await.unwrap();
    assert_eq!(nobody.status(), 401);
    let answer = reqwest::Client::new().post(&url).bearer_auth(token).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap().to_vec()
}

#[tokio::test]
async fn after_a_restore_people_prove_anew_and_no_used_code_or_invitation_is_good() {
    let world = World::new().policy(LOGIN).policy(PAY).policy(LOCK).policy(KNOWN);
    let town = world
        .settings("state: { store: embedded, path: state, wait: 60s }")
        .settings("admin: { address: \"127.0.0.1:0\" }")
        .start()
        .await;
    let secret = town.totp("ada").await;
    let (mut ada, mut bob) = (town.visitor(), town.visitor());
    town.sign_in(&mut ada, "ada").await;
    town.sign_in(&mut bob, "bob").await;
    assert_eq!(bob.get("/lock").await.status, 403);
    let invite = |town: &Town| {
        let parts = town.gateway.journeys.parts();
        parts.challenges.invite("default", parts.sessions.account("default", "carol"))
    };
    let invitation = invite(&town);
    let bytes = fetched(&town).await;
    // Since the backup: a code is used, and a device becomes known.
    let asked = ada.post("/pay", &[]).await;
    town.prove(&mut ada, &asked, &secret).await;
    assert_eq!(ada.get("/known").await.status, 200);
    town.wait_ms(-30_000);
    let used = town.code(&secret);

    let restored = "state: { store: embedded, path: restored, keys: { file: state/keys.yaml }, wait: 60s }";
    let town = town
        .elsewhere(restored, async |folder, clock| {
            let keys = Keys::of(Ring::load(&folder.join("state/keys.yaml")).unwrap());
            let now_ms = clock.now_ms();
            let aged = |carried| authenticators::aged(&keys, &["default".into()], carried, now_ms);
            backup::restore(&mut Cursor::new(&bytes), &folder.join("restored"), &keys, now_ms, aged).unwrap();
        })
        .await;
    for visitor in [&mut ada, &mut bob] {
        visitor.goes_to(town.address());
    }
    assert_eq!(ada.get("/known").await.status, 403, "neither signed in nor known");
    town.sign_in(&mut ada, "ada").await;
    assert_eq!(ada.get("/known").await.status, 403, "the device is not known");
    let asked = ada.post("/pay", &[]).await;
    let challenge = asked.location().to_string();
    assert!(challenge.starts_with("/.stepward/c/"), "{} {}", asked.status, asked.text);
    ada.get(&challenge).await;
    ada.post(&challenge, &[("method", "totp"), ("code", &used)]).await;
    assert_ne!(ada.post("/pay", &[]).await.status, 200, "a code that was used since the backup");
    let locked = bob.post("/login", &[("username", "bob"), ("password", "right")]).await;
    assert_eq!(locked.status, 403, "his lock-out was there at the backup");

    let mut carol = town.visitor();
    town.sign_in(&mut carol, "carol").await;
    let begin =
        |invitation: &str| format!("/.stepward/methods/totp{}", invitation.strip_prefix("/.stepward/methods").unwrap());
    let old = carol.post(&begin(&invitation), &[]).await;
    assert_eq!(old.status, 403, "it may have been used since the backup: {}", old.text);
    town.wait_ms(1);
    let new = carol.post(&begin(&invite(&town)), &[]).await;
    assert_eq!(new.status, 303, "{}", new.text);

    town.wait_ms(16 * 60_000);
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    let asked = ada.post("/pay", &[]).await;
    town.prove(&mut ada, &asked, &secret).await;
    assert_eq!(ada.post("/pay", &[]).await.status, 200, "her app is as it was");
}

fn stepward(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let came = Command::new(BINARY).args(arguments).current_dir(folder).output().unwrap();
    (came.status.code().unwrap(), String::from_utf8_lossy(&came.stderr).into_owned())
}

#[tokio::test]
async fn the_commands_write_a_backup_of_a_running_process_and_put_it_back_once() {
    let scene = Scene::new().await;
    let mut running = scene.start();
    let address = scene.address(1).await;
    assert_eq!(crate::process::get(address, "/once").await, 200);
    let folder = scene.path("");
    let admin = scene.told("admin on ", 1).await[0].replace("admin on ", "http://");
    let server = ["--admin", admin.trim(), "--token-file", "data/admin-token"];
    let (code, told) = stepward(&folder, &[&["state", "backup", "saved"][..], &server].concat());
    assert_eq!(code, 0, "{told}");
    let (code, told) = stepward(&folder, &[&["state", "backup", "saved"][..], &server].concat());
    assert_eq!(code, 5, "{told}");
    let (code, told) = stepward(&folder, &["state", "restore", "saved"]);
    assert_eq!(code, 5, "there is state already: {told}");
    assert!(crate::process::signal("-TERM", &running.pid()));
    assert_eq!(running.ended().await, Some(0));
    fs::remove_file(scene.path("data/state.redb")).unwrap();
    let (code, told) = stepward(&folder, &["state", "restore", "saved", "--format", "json"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("methods removed since are back"), "{told}");
    let _running = scene.start();
    let address = scene.address(2).await;
    assert_eq!(crate::process::get(address, "/page").await, 200);
}
