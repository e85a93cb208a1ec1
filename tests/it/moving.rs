//! Moving to another store and back: nothing that protects anybody is lost on the way, and nothing begun before it is
//! good after it.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use stepward::{
    clock::Clock,
    keys::{Keys, ring::Ring},
    settings,
    store::{
        Attempt, Begin, Counted, Drawer, Id, Kind, Meter, Once, Revocation, SessionRef, Shape, Standing, StateStore,
        Touch,
        carried::Tally,
        copy::{self, CopyError, Place},
        embedded::{Embedded, disk::OpenError},
        ring::{self, RingMismatch},
    },
};

use crate::{
    process::{BINARY, Scene},
    recalled::LOCK,
    redis_server::{Server, settings},
    store_contract::NOW,
    visitor::Visitor,
    world::{LOGIN, Town, World},
};

pub(crate) const PAY: &str = "
event: pay
covers: [POST /pay]
when_unsure: block
otherwise: block
steps:
  - require: a code
    proof: [totp]
    fresh_for: 50m
  - finish: pay
    then: forward
";
pub(crate) const KNOWN: &str = "
event: known
covers: [GET /known]
when_unsure: block
otherwise: block
steps:
  - decide: known devices
    rules:
      - rule: known
        when: device.is_known
        then: forward
";

async fn moved(from: Place, to: Place, ring: &Path, clock: &Clock) -> Result<Tally, CopyError> {
    copy::copy(from, to, &Keys::of(Ring::load(ring).unwrap()), clock).await
}

/// People who have something to lose.
struct People {
    ada: Visitor,
    her_secret: Vec<u8>,
    her_last_code: String,
    bob: Visitor,
    eve: Visitor,
    dan: Visitor,
    his_challenge: String,
}

impl People {
    async fn settle(town: &Town) -> People {
        let her_secret = town.totp("ada").await;
        let (mut ada, mut bob, mut eve, mut dan) = (town.visitor(), town.visitor(), town.visitor(), town.visitor());
        for (visitor, name) in [(&mut ada, "ada"), (&mut bob, "bob"), (&mut eve, "eve"), (&mut dan, "dan")] {
            town.sign_in(visitor, name).await;
        }
        let asked = ada.post("/pay", &[("to", "bob")]).await;
        town.prove(&mut ada, &asked, &her_secret).await;
        town.wait_ms(-30_000);
        let her_last_code = town.code(&her_secret);
        assert_eq!(bob.get("/lock").await.status, 403);
        let parts = town.gateway.journeys.parts();
        let target = Counted { kind: Kind::Account, id: parts.sessions.account("default", "eve") };
        parts.store.revoke(Revocation { target, before_ms: parts.clock.now_ms() + 1 }).await.unwrap();
        town.totp("dan").await;
        let his_challenge = dan.post("/pay", &[("to", "mallory")]).await.location().to_string();
        assert!(his_challenge.starts_with("/.stepward/c/"), "{his_challenge}");
        let mut people = People { ada, her_secret, her_last_code, bob, eve, dan, his_challenge };
        assert_eq!(people.dan.get(&people.his_challenge.clone()).await.status, 200);
        people.hold(town).await;
        people
    }

    /// What must hold wherever the state is.
    async fn hold(&mut self, town: &Town) {
        for visitor in [&mut self.ada, &mut self.bob, &mut self.eve, &mut self.dan] {
            visitor.goes_to(town.address());
        }
        assert_eq!(self.ada.post("/pay", &[]).await.status, 200, "her session and her proof are there");
        assert_eq!(self.ada.get("/known").await.status, 200, "her device is known");
        assert_eq!(self.bob.get("/lock").await.status, 403, "he is locked out");
        let eve = self.eve.post("/pay", &[]).await;
        assert!(!eve.status.is_success(), "her session is revoked: {} {}", eve.status, eve.text);

        // Another browser of Ada's: a code that was used is used, wherever; the next one is good.
        let mut other = town.visitor();
        town.sign_in(&mut other, "ada").await;
        let asked = other.post("/pay", &[]).await;
        let challenge = asked.location().to_string();
        other.get(&challenge).await;
        let replayed = other.post(&challenge, &[("method", "totp"), ("code", &self.her_last_code)]).await;
        assert!(replayed.location().contains("e=") || !replayed.status.is_redirection(), "{}", replayed.location());
        assert_ne!(other.post("/pay", &[]).await.status, 200, "a used code proves nothing");
    }

    async fn hold_elsewhere(&mut self, town: &Town) {
        self.hold(town).await;
        let void = self.dan.get(&self.his_challenge.clone()).await;
        assert_ne!(void.status, 200, "a challenge begun before the move is void: {}", void.text);
        let again = self.dan.post("/pay", &[]).await;
        assert!(again.location().starts_with("/.stepward/c/"), "he is still signed in, and asked anew: {}", again.text);
    }
}

#[tokio::test]
async fn growing_up_to_redis_and_back_resets_nothing() {
    let server = Server::start().await;
    let world = World::new().policy(LOGIN).policy(PAY).policy(LOCK).policy(KNOWN);
    let town = world.settings("state: { store: embedded, path: state, wait: 60s }").start().await;
    let mut people = People::settle(&town).await;

    let redis = format!(
        "state: {{ store: redis, url: {{ file: \"{}\" }}, keys: {{ file: state/keys.yaml }}, path: node, wait: 60s }}",
        server.url_file().display()
    );
    let town = town
        .elsewhere(&redis, async |folder, clock| {
            let ring = folder.join("state/keys.yaml");
            let there = || Place::Redis(server.settings());
            let copied = moved(Place::Folder(folder.join("state")), there(), &ring, clock).await.unwrap();
            assert_eq!((copied.authenticators, copied.devices, copied.locks, copied.revocations), (2, 1, 1, 1));
            assert!(copied.sessions >= 3 && copied.counters > 0, "{copied:?}");
            let again = moved(Place::Folder(folder.join("state")), there(), &ring, clock).await;
            assert!(matches!(again, Err(CopyError::Taken)), "a second run does no harm: {again:?}");
        })
        .await;
    people.hold_elsewhere(&town).await;
    // A life there: a fresh proof whose code must stay used on the way back.
    let asked = people.dan.post("/pay", &[]).await;
    people.his_challenge = asked.location().to_string();
    let mut other = town.visitor();
    town.sign_in(&mut other, "ada").await;
    let asked = other.post("/pay", &[]).await;
    town.prove(&mut other, &asked, &people.her_secret).await;
    town.wait_ms(-30_000);
    people.her_last_code = town.code(&people.her_secret);

    let back = "state: { store: embedded, path: back, keys: { file: state/keys.yaml }, wait: 60s }";
    let town = town
        .elsewhere(back, async |folder, clock| {
            let ring = folder.join("state/keys.yaml");
            let to = || Place::Folder(folder.join("back"));
            let copied = moved(Place::Redis(server.settings()), to(), &ring, clock).await.unwrap();
            assert_eq!((copied.authenticators, copied.locks, copied.revocations), (2, 1, 1));
            let again = moved(Place::Redis(server.settings()), to(), &ring, clock).await;
            assert!(matches!(again, Err(CopyError::Embedded(OpenError::Taken(_)))), "{again:?}");
        })
        .await;
    people.hold_elsewhere(&town).await;
}

/// Everything a store can hold, with values that are told apart.
struct Everything {
    meters: Vec<(Counted, Meter, Touch)>,
    session: SessionRef,
}

const WHO: Id = [7; 16];
const LATER: i64 = NOW + 3_600_000;

impl Everything {
    fn new() -> Everything {
        let meter = |name, shape| Meter { name, window: Duration::from_secs(600), shape };
        let who = |kind| Counted { kind, id: WHO };
        let meters = vec![
            (who(Kind::Account), meter(1, Shape::Exact { keep: 33 }), Touch::Look),
            (who(Kind::Ip), meter(2, Shape::Guarded { keep: 33, limit: 32 }), Touch::Look),
            (who(Kind::Pair), meter(3, Shape::Buckets), Touch::Look),
            (who(Kind::Device), meter(4, Shape::Distinct), Touch::Look),
        ];
        Everything { meters, session: SessionRef { home: WHO, id: [8; 16] } }
    }

    async fn put(&self, store: &impl StateStore) {
        for (at, (who, meter, _)) in self.meters.iter().enumerate() {
            for hit in 0..10 + at as u8 {
                let touch = if meter.shape == Shape::Distinct { Touch::Add([hit; 16]) } else { Touch::Hit };
                let meters = [(*who, *meter, touch)];
                let now_ms = NOW + i64::from(hit) * 40_000;
                store.begin(now_ms, Begin { meters: &meters, ..Begin::default() }).await.unwrap();
            }
        }
        store.establish(NOW, None, self.session, b"one".to_vec(), LATER).await.unwrap();
        store.amend(NOW, self.session, 1, b"two".to_vec(), LATER).await.unwrap();
        let void = SessionRef { home: [9; 16], id: [9; 16] };
        store.establish(NOW, None, void, b"void".to_vec(), LATER).await.unwrap();
        let target = Counted { kind: Kind::Account, id: [9; 16] };
        store.revoke(Revocation { target, before_ms: NOW + 5 }).await.unwrap();
        store.announce(target).await.unwrap();
        store.lock(Counted { kind: Kind::Device, id: WHO }, LATER).await.unwrap();
        store.claim(NOW, "jti", WHO, [1; 16], LATER).await.unwrap();
        for drawer in [Drawer::Authenticators, Drawer::Contacts, Drawer::Devices, Drawer::Remembered, Drawer::Traces] {
            store.enrol(WHO, drawer, [2; 16], vec![drawer as u8; 100]).await.unwrap();
            store.advance(WHO, drawer, [2; 16], 50 + drawer as u64).await.unwrap();
        }
        store.issue_challenge(WHO, WHO, 3, b"asked".to_vec(), LATER).await.unwrap();
        store.park(WHO, WHO, b"parked".to_vec(), LATER).await.unwrap();
    }

    async fn standing(&self, store: &impl StateStore) -> Standing {
        let locks = [Counted { kind: Kind::Device, id: WHO }, Counted { kind: Kind::Account, id: WHO }];
        let begin = Begin { session: Some(self.session), meters: &self.meters, locks: &locks, entries: &[] };
        store.begin(NOW + 500_000, begin).await.unwrap()
    }

    async fn is_in(&self, store: &impl StateStore) {
        let standing = self.standing(store).await;
        assert_eq!(standing.session.map(|it| (it.version, it.sealed)), Some((2, b"two".to_vec())));
        assert_eq!(standing.counts, [10, 11, 12, 13]);
        assert_eq!(standing.locked_until_ms, [Some(LATER), None]);
        for drawer in [Drawer::Authenticators, Drawer::Contacts, Drawer::Devices, Drawer::Remembered, Drawer::Traces] {
            let found = store.enrolments(WHO, drawer).await.unwrap();
            let [found] = &found[..] else { panic!("{drawer:?}: {found:?}") };
            assert_eq!((found.id, &found.sealed), ([2; 16], &vec![drawer as u8; 100]));
            assert_eq!(found.counter, 50 + drawer as u64, "{drawer:?}");
            let used = store.advance(WHO, drawer, [2; 16], found.counter).await.unwrap();
            assert!(!used, "a step that was used stays used");
        }
        assert_eq!(store.claim(NOW, "jti", WHO, [3; 16], LATER).await.unwrap(), Once::Replay);
        assert_eq!(store.claim(NOW, "jti", WHO, [1; 16], LATER).await.unwrap(), Once::First, "its own caller's");
        let void = Begin { session: Some(SessionRef { home: [9; 16], id: [9; 16] }), ..Begin::default() };
        assert_eq!(store.begin(NOW, void).await.unwrap().session, None, "revoked");
        let log = store.revocations_after(0, Duration::ZERO).await.unwrap();
        let told: Vec<_> =
            log.iter().filter(|it| it.1.before_ms > 0).map(|it| (it.1.target.id, it.1.before_ms)).collect();
        assert_eq!(told, [([9; 16], NOW + 5)]);
    }

    /// What was begun in one life is void in the next.
    async fn has_nothing_outstanding(&self, store: &impl StateStore) {
        assert_eq!(store.attempt_challenge(NOW, WHO, WHO).await.unwrap(), Attempt::Gone);
        assert_eq!(store.take_parked(NOW, WHO, WHO, WHO).await.unwrap(), None);
    }
}

fn manual() -> Clock {
    Clock::Manual(Arc::new(std::sync::atomic::AtomicI64::new(NOW)))
}

/// A folder with a store that holds everything, and its ring.
async fn filled(folder: &Path) -> (Everything, PathBuf) {
    let (all, ring) = (Everything::new(), folder.join("keys.yaml"));
    let store = Embedded::open(folder).unwrap();
    ring::keys_for(&store, &ring, NOW).await.unwrap();
    all.put(&store).await;
    all.is_in(&store).await;
    (all, ring)
}

fn in_redis(server: &Server) -> Place {
    Place::Redis(server.settings())
}

#[tokio::test]
async fn every_kind_of_state_arrives_as_it_was_whichever_way() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (server, second) = (Server::start().await, Server::start().await);
    let (all, ring) = filled(old.path()).await;
    let clock = manual();
    let first = moved(Place::Folder(old.path().into()), in_redis(&server), &ring, &clock).await.unwrap();
    let store = crate::redis::store(&server.settings()).await;
    all.is_in(&store).await;
    all.has_nothing_outstanding(&store).await;
    drop(store);
    let next = moved(in_redis(&server), in_redis(&second), &ring, &clock).await.unwrap();
    assert_eq!(next, first);
    all.is_in(&crate::redis::store(&second.settings()).await).await;
    let back = moved(in_redis(&second), Place::Folder(new.path().join("deep")), &ring, &clock).await.unwrap();
    assert_eq!(back, first);
    let store = Embedded::open(&new.path().join("deep")).unwrap();
    all.is_in(&store).await;
    all.has_nothing_outstanding(&store).await;
    ring::keys_for(&store, &ring, NOW).await.unwrap();
    assert_eq!(store.restart(), stepward::store::embedded::disk::Restart::Clean);
}

#[tokio::test]
async fn nobody_starts_on_half_a_copy_and_the_next_run_begins_anew() {
    let old = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    let (all, ring) = filled(old.path()).await;
    // What a copy leaves that was killed: its mark, and something that has since been removed from the source.
    let store = crate::redis::store(&server.settings()).await;
    let mark = [b"copy".as_slice(), &[5; 16]].concat();
    store.enrol([0; 16], Drawer::Traces, [0; 16], mark).await.unwrap();
    store.enrol(WHO, Drawer::Authenticators, [4; 16], b"retired since".to_vec()).await.unwrap();
    let refused = ring::keys_for(&store, &ring, NOW).await;
    assert!(matches!(refused, Err(RingMismatch::Unfinished)), "{refused:?}");
    let onward = moved(in_redis(&server), Place::Folder(old.path().join("new")), &ring, &manual()).await;
    assert!(matches!(onward, Err(CopyError::Partial)), "{onward:?}");
    moved(Place::Folder(old.path().into()), in_redis(&server), &ring, &manual()).await.unwrap();
    all.is_in(&store).await;
    ring::keys_for(&store, &ring, NOW).await.unwrap();

    // The same for a file: what was written aside is no state, and goes.
    let new = tempfile::tempdir().unwrap();
    std::fs::write(new.path().join("state.redb.incoming-abc"), b"half").unwrap();
    moved(Place::Folder(old.path().into()), Place::Folder(new.path().into()), &ring, &manual()).await.unwrap();
    let names: Vec<_> = std::fs::read_dir(new.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(names, ["state.redb"]);
}

#[tokio::test]
async fn what_cannot_be_copied_is_refused_and_left_alone() {
    let old = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    let (_, ring) = filled(old.path()).await;
    let from = || Place::Folder(old.path().into());
    let other = old.path().join("other.yaml");
    Ring::fresh(1).save(&other).unwrap();
    let foreign = moved(from(), in_redis(&server), &other, &manual()).await;
    assert!(matches!(foreign, Err(CopyError::Foreign)), "{foreign:?}");
    let nothing = moved(in_redis(&server), Place::Folder(old.path().join("new")), &ring, &manual()).await;
    assert!(matches!(nothing, Err(CopyError::Nothing)), "{nothing:?}");
    let absent = moved(Place::Folder("/proc/none".into()), in_redis(&server), &ring, &manual()).await;
    assert!(matches!(absent, Err(CopyError::Embedded(OpenError::Absent(_)))), "{absent:?}");

    let store = Embedded::open(old.path()).unwrap();
    let running = moved(from(), in_redis(&server), &ring, &manual()).await;
    assert!(matches!(running, Err(CopyError::Embedded(OpenError::InUse))), "{running:?}");
    // As it lies there while the process runs: a crash.
    let crashed = tempfile::tempdir().unwrap();
    std::fs::copy(old.path().join("state.redb"), crashed.path().join("state.redb")).unwrap();
    let unclean = moved(Place::Folder(crashed.path().into()), in_redis(&server), &ring, &manual()).await;
    assert!(matches!(unclean, Err(CopyError::Unclean)), "{unclean:?}");
    drop(store);

    server.ask(&["SET", "stepward:{AAAAAAAAAAAAAAAAAAAAAA}:l1", "1"]).await;
    server.ask(&["SET", "another:key", "theirs"]).await;
    let taken = moved(from(), in_redis(&server), &ring, &manual()).await;
    assert!(matches!(taken, Err(CopyError::Taken)), "{taken:?}");
    server.ask(&["DEL", "stepward:{AAAAAAAAAAAAAAAAAAAAAA}:l1"]).await;
    moved(from(), in_redis(&server), &ring, &manual()).await.unwrap();
    assert_eq!(server.tell(&["GET", "another:key"]).await, "theirs");
}

#[tokio::test]
async fn the_user_of_the_handbook_may_copy() {
    let old = tempfile::tempdir().unwrap();
    let (all, ring) = filled(old.path()).await;
    let mut server = Server::prepared(crate::redis_server::free_port(), &[]);
    let acl = format!(
        "{}\nuser default off\nuser tester on >tester ~* &* +@all\n",
        crate::redis::handbook_user("s3cr3t").replace("+get ", "+get +scan +zrange ")
    );
    let acl = server.file("users.acl", &acl);
    server.add(&["--aclfile", &acl.display().to_string()]);
    server.login("tester", "tester");
    server.run().await;
    let password = server.file("password", "s3cr3t");
    let settings = settings::Redis {
        user: Some("stepward".into()),
        password: Some(settings::Secret::File(password)),
        ..settings(server.url_file())
    };
    moved(Place::Folder(old.path().into()), Place::Redis(settings.clone()), &ring, &manual()).await.unwrap();
    let store = crate::redis::store(&settings).await;
    all.is_in(&store).await;
    drop(store);
    moved(Place::Redis(settings), Place::Folder(old.path().join("new")), &ring, &manual()).await.unwrap();
    let denied = server.tell(&["ACL", "LOG"]).await;
    assert!(!denied.contains("stepward"), "{denied}");
}

fn stepward(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let came = Command::new(BINARY).args(arguments).current_dir(folder).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (came.status.code().unwrap(), text(&came.stdout), text(&came.stderr))
}

#[tokio::test]
async fn the_command_says_what_it_copied_and_what_to_do_when_it_may_not() {
    let scene = Scene::new().await;
    let mut running = scene.start();
    let address = scene.address(1).await;
    assert_eq!(crate::process::get(address, "/page").await, 200);
    let folder = scene.path("");
    let copy = ["state", "copy", "--from", "stepward.yaml", "--to", "grown", "--format", "json"];
    let (code, _, told) = stepward(&folder, &copy);
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("copy `") && told.contains("data/keys.yaml"), "{told}");
    std::fs::create_dir(scene.path("grown")).unwrap();
    std::fs::copy(scene.path("data/keys.yaml"), scene.path("grown/keys.yaml")).unwrap();
    let (code, _, told) = stepward(&folder, &copy);
    assert_eq!(code, 5, "{told}");
    assert!(told.contains("stop it"), "{told}");
    assert!(crate::process::signal("-TERM", &running.pid()));
    assert_eq!(running.ended().await, Some(0));
    let (code, data, told) = stepward(&folder, &copy);
    assert_eq!(code, 0, "{told}");
    let data: serde_json::Value = serde_json::from_str(&data).unwrap();
    assert_eq!(data["schema"], "stepward.state.copy/1");
    assert!(data["copied"]["counters"].as_u64().unwrap() > 0, "{data}");
    let (code, _, told) = stepward(&folder, &copy);
    assert_eq!(code, 5, "{told}");
    let human = ["state", "copy", "--from", "grown", "--to", "data2", "--keys", "grown/keys.yaml"];
    let (code, data, told) = stepward(&folder, &human);
    assert_eq!(code, 0, "{told}");
    assert!(data.starts_with("copied:\n") && data.contains("lock outs"), "{data}");
}
