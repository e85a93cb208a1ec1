//! Two nodes on one Redis, behind one address.

use std::{net::SocketAddr, sync::Arc};

use stepward::{
    clock::random_id,
    store::{
        Attempt, Begin, Counted, Drawer, Kind, Meter, Once, Revocation, SessionRef, Shape, StateStore, Touch,
        redis::Redis,
    },
};
use tokio::{sync::Barrier, time::Instant};

use crate::{
    recalled::{LOCK, STREAM, Tunnel},
    redis::store,
    redis_server::{Relay, Server},
    store_contract::NOW,
    visitor::Visitor,
    world::{LOGIN, Town, World},
};

const PAY: &str = "
event: pay
covers: [POST /pay]
when_unsure: block
otherwise: block
steps:
  - require: a code
    proof: [totp]
    fresh_for: 5m
  - finish: pay
    then: forward
";

/// How many callers race, over both nodes.
const RACERS: usize = 64;
const ROUNDS: usize = 50;

/// `STEPWARD_ROUNDS=1000` makes it thorough.
fn rounds() -> usize {
    std::env::var("STEPWARD_ROUNDS").map_or(ROUNDS, |it| it.parse().unwrap())
}

async fn node(server: &Server, keys: &std::path::Path) -> Town {
    let state = format!(
        "state: {{ store: redis, url: {{ file: \"{}\" }}, keys: {{ file: \"{}\" }}, path: state, wait: 60s }}",
        server.url_file().display(),
        keys.display(),
    );
    World::new().policy(LOGIN).policy(PAY).policy(STREAM).policy(LOCK).settings(&state).start().await
}

struct TwoNodes {
    nodes: [Town; 2],
    balancer: Relay,
    _keys: tempfile::TempDir,
    server: Server,
}

impl TwoNodes {
    async fn start() -> TwoNodes {
        let server = Server::start().await;
        let keys = tempfile::tempdir().unwrap();
        let ring = keys.path().join("keys.yaml");
        let nodes = [node(&server, &ring).await, node(&server, &ring).await];
        let addresses: Vec<SocketAddr> = nodes.iter().map(Town::address).collect();
        TwoNodes { balancer: Relay::before(&addresses).await, nodes, _keys: keys, server }
    }

    fn visitor(&self) -> Visitor {
        Visitor::of(self.balancer.address)
    }

    async fn sign_in(&self, visitor: &mut Visitor, name: &str) {
        for node in &self.nodes {
            let answer = format!(
                "HTTP/1.1 303 See Other\r\nLocation: /\r\nSet-Cookie: sid={name}; Path=/\r\nContent-Length: 0\r\n\r\n"
            );
            node.app.answers("POST /login", &answer);
        }
        let seen = visitor.post("/login", &[("username", name), ("password", "right")]).await;
        assert_eq!(seen.status, 303, "{}", seen.text);
    }
}

#[tokio::test]
async fn a_challenge_begun_on_one_node_is_finished_on_the_other() {
    let two = TwoNodes::start().await;
    let [first, second] = &two.nodes;
    let secret = first.totp("ada").await;
    let mut ada = two.visitor();
    two.sign_in(&mut ada, "ada").await;
    let asked = ada.post("/pay", &[("to", "bob")]).await;
    assert!(asked.location().starts_with("/.stepward/c/"), "{} {}", asked.status, asked.text);

    two.balancer.turn_to(1).await;
    first.wait_ms(30_000);
    let resume = second.prove(&mut ada, &asked, &secret).await;
    two.balancer.turn_to(0).await;
    let paid = ada.post(&resume, &[]).await;
    assert_eq!(paid.status, 200, "{}", paid.text);
    assert!(first.app.last("POST /pay").ends_with("to=bob"), "the parked request, from the node that did not park it");
    two.balancer.turn_to(1).await;
    let again = ada.post(&resume, &[]).await;
    assert!(!again.status.is_success(), "resumed twice: {} {}", again.status, again.text);
    assert_eq!(first.app.count("POST /pay") + second.app.count("POST /pay"), 1);
    assert_eq!(ada.post("/pay", &[]).await.status, 200, "the proof counts on both");
}

#[tokio::test]
async fn a_session_revoked_on_one_node_is_gone_on_the_other_within_a_second() {
    let two = TwoNodes::start().await;
    let [first, second] = &two.nodes;
    let secret = first.totp("ada").await;
    let mut ada = two.visitor();
    two.sign_in(&mut ada, "ada").await;
    let asked = ada.post("/pay", &[]).await;
    second.wait_ms(30_000);
    first.prove(&mut ada, &asked, &secret).await;
    two.balancer.turn_to(1).await;
    assert_eq!(ada.post("/pay", &[]).await.status, 200);
    let parts = first.gateway.journeys.parts();
    let target = Counted { kind: Kind::Account, id: parts.sessions.account("default", "ada") };
    parts.store.revoke(Revocation { target, before_ms: parts.clock.now_ms() + 1 }).await.unwrap();
    // A snapshot may still answer while the log brings the news.
    let began = Instant::now();
    while ada.post("/pay", &[]).await.status.is_success() {
        assert!(began.elapsed().as_millis() <= 1000, "revoked for a second, and still let in");
    }
    assert!(!ada.post("/pay", &[]).await.status.is_success());
}

#[tokio::test]
async fn what_is_open_on_one_node_is_closed_when_its_subject_is_revoked_or_locked_out_on_the_other() {
    let two = TwoNodes::start().await;
    let [first, second] = &two.nodes;
    let (mut ada, mut bob, mut eve) = (two.visitor(), two.visitor(), two.visitor());
    for (visitor, name) in [(&mut ada, "ada"), (&mut bob, "bob"), (&mut eve, "eve")] {
        two.sign_in(visitor, name).await;
    }
    second.app.opens_a_tunnel("GET /ws");
    let [hers, his] = [Tunnel::open(second.address(), &ada).await, Tunnel::open(second.address(), &bob).await];
    let mut theirs = Tunnel::open(second.address(), &eve).await;
    let parts = first.gateway.journeys.parts();
    let target = Counted { kind: Kind::Account, id: parts.sessions.account("default", "ada") };
    parts.store.revoke(Revocation { target, before_ms: parts.clock.now_ms() + 1 }).await.unwrap();
    let revoked = hers.closes().await;
    assert_eq!(bob.get("/lock").await.status, 403, "locked out on the first node");
    let locked_out = his.closes().await;
    println!("closed after {revoked:?} and {locked_out:?}");
    theirs.says_back().await;
}

#[tokio::test]
async fn a_silent_redis_closes_nothing_and_what_it_tells_afterwards_is_heard() {
    let two = TwoNodes::start().await;
    let [first, second] = &two.nodes;
    let mut ada = two.visitor();
    two.sign_in(&mut ada, "ada").await;
    second.app.opens_a_tunnel("GET /ws");
    let mut tunnel = Tunnel::open(second.address(), &ada).await;
    two.server.pause();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    tunnel.says_back().await;
    two.server.resume();
    let parts = first.gateway.journeys.parts();
    let target = Counted { kind: Kind::Account, id: parts.sessions.account("default", "ada") };
    let revocation = Revocation { target, before_ms: parts.clock.now_ms() + 1 };
    let began = Instant::now();
    while parts.store.revoke(revocation).await.is_err() {
        assert!(began.elapsed().as_secs() < 10, "Redis is back");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    tunnel.closes().await;
}

#[tokio::test]
async fn a_clock_that_is_half_a_minute_off_lets_nobody_in_and_locks_nobody_out() {
    let two = TwoNodes::start().await;
    let [first, second] = &two.nodes;
    let secret = first.totp("ada").await;
    let mut ada = two.visitor();
    two.sign_in(&mut ada, "ada").await;
    let asked = ada.post("/pay", &[]).await;
    // The first node's clock moves on by one step of the code, the second one's by two: it is half a minute ahead.
    second.wait_ms(60_000);
    let resume = first.prove(&mut ada, &asked, &secret).await;
    two.balancer.turn_to(1).await;
    assert_eq!(ada.post(&resume, &[]).await.status, 200, "parked and proven half a minute ago");
    two.balancer.turn_to(0).await;
    assert_eq!(ada.post("/pay", &[]).await.status, 200, "a session that was written in the future");

    // The other way round: asked and proven on the node that is ahead, and back to the one that is behind.
    let mut bob = two.visitor();
    let secret = second.totp("bob").await;
    two.sign_in(&mut bob, "bob").await;
    two.balancer.turn_to(1).await;
    let asked = bob.post("/pay", &[]).await;
    let resume = second.prove(&mut bob, &asked, &secret).await;
    first.wait_ms(30_000);
    two.balancer.turn_to(0).await;
    assert_eq!(bob.post(&resume, &[]).await.status, 200, "proven half a minute in the future");
    assert_eq!(bob.post("/pay", &[]).await.status, 200, "no second challenge");

    // Asked on the one that is ahead, proven on the one that is behind: that is no proof from before it was asked.
    let mut eve = two.visitor();
    let secret = first.totp("eve").await;
    two.sign_in(&mut eve, "eve").await;
    two.balancer.turn_to(1).await;
    let asked = eve.post("/pay", &[]).await;
    two.balancer.turn_to(0).await;
    let resume = first.prove(&mut eve, &asked, &secret).await;
    second.wait_ms(30_000);
    assert_eq!(eve.post(&resume, &[]).await.status, 200, "no second challenge");

    let (fast, slow) = (&second.gateway.journeys.parts().store, &first.gateway.journeys.parts().store);
    let account = Counted { kind: Kind::Account, id: random_id() };
    let now_ms = second.gateway.journeys.parts().clock.now_ms();
    for shape in [Shape::Exact { keep: 33 }, Shape::Guarded { keep: 33, limit: 32 }, Shape::Buckets] {
        let meter = Meter { name: 1, window: std::time::Duration::from_secs(60), shape };
        let hit = [(account, meter, Touch::Hit)];
        let mut counts = Vec::new();
        for _ in 0..3 {
            counts.extend(fast.begin(now_ms, Begin { meters: &hit, ..Begin::default() }).await.unwrap().counts);
            counts
                .extend(slow.begin(now_ms - 30_000, Begin { meters: &hit, ..Begin::default() }).await.unwrap().counts);
        }
        assert_eq!(counts, [1, 2, 3, 4, 5, 6], "{shape:?}: taking turns between nodes hides no try");
    }
}

#[tokio::test]
async fn the_program_runs_on_a_redis_named_by_its_environment() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = "listen: [{ address: \"127.0.0.1:0\" }]\nupstreams: { app: { url: \"http://127.0.0.1:1\" } }\n\
        routes: [{ upstream: app }]\npolicies: policies\nhealth: { address: \"127.0.0.1:0\" }\n\
        state: { store: redis, url: { env: REDIS_URL } }\n";
    std::fs::create_dir(folder.path().join("policies")).unwrap();
    std::fs::write(folder.path().join("stepward.yaml"), settings).unwrap();
    let policy = "event: page\ncovers: [GET /page]\nwhen_unsure: block\notherwise: forward\n";
    std::fs::write(folder.path().join("policies/page.yaml"), policy).unwrap();
    let stepward = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_stepward"));
        command.args(arguments).current_dir(folder.path()).env("REDIS_URL", server.url());
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
        command
    };
    let checked = stepward(&["check"]).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    let mut running = stepward(&["run"]).spawn().unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(running.stderr.take().unwrap()));
    let health = tokio::task::spawn_blocking(move || {
        lines.map_while(Result::ok).find_map(|line| line.split_once("health on ").map(|it| it.1.trim().to_string()))
    });
    let health: SocketAddr = health.await.unwrap().expect("it did not start").parse().unwrap();
    let ready = Visitor::of(health).get("/readyz?verbose").await;
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(ready.status, 200, "{}", ready.text);
    assert!(ready.text.contains("state store: ok"), "{}", ready.text);

    let mut lost = stepward(&["run"]);
    let refused = lost.env("REDIS_URL", "redis://:s3cr3t@127.0.0.1:1").output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(3), "{told}");
    assert!(told.contains("127.0.0.1:1 refuses connections") && !told.contains("s3cr3t"), "{told}");
}

async fn race<F, T>(stores: &[Arc<Redis>; 2], call: impl Fn(Arc<Redis>) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let gate = Arc::new(Barrier::new(RACERS));
    let racers = (0..RACERS).map(|racer| {
        let (gate, call) = (gate.clone(), call(stores[racer % 2].clone()));
        tokio::spawn(async move {
            gate.wait().await;
            call.await
        })
    });
    let racers: Vec<_> = racers.collect();
    let mut outcomes = Vec::new();
    for racer in racers {
        outcomes.push(racer.await.unwrap());
    }
    outcomes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_time_is_one_time_over_two_nodes() {
    let server = Server::start().await;
    let stores = [Arc::new(store(&server.settings()).await), Arc::new(store(&server.settings()).await)];
    let end = NOW + 60_000;
    for round in 0..rounds() {
        let (home, id) = (random_id(), random_id());
        stores[round % 2].issue_challenge(home, id, 3, b"code".to_vec(), end).await.unwrap();
        let tries = race(&stores, |it| async move { it.attempt_challenge(NOW, home, id).await.unwrap() }).await;
        assert_eq!(tries.iter().filter(|it| matches!(it, Attempt::Granted { .. })).count(), 3, "tries");
        let spent =
            race(&stores, |it| async move { it.spend_challenge(NOW, home, id, random_id()).await.unwrap() }).await;
        assert_eq!(spent.iter().filter(|it| **it == Once::First).count(), 1, "challenges");
        stores[round % 2].park(home, id, b"body".to_vec(), end).await.unwrap();
        let taken = race(&stores, |it| async move { it.take_parked(NOW, home, id, random_id()).await.unwrap() }).await;
        assert_eq!(taken.iter().filter(|it| it.is_some()).count(), 1, "parked requests");
        let claimed =
            race(&stores, |it| async move { it.claim(NOW, "jti", id, random_id(), end).await.unwrap() }).await;
        assert_eq!(claimed.iter().filter(|it| **it == Once::First).count(), 1, "tokens");
        stores[0].enrol(home, Drawer::Authenticators, id, b"totp".to_vec()).await.unwrap();
        let moved =
            race(&stores, |it| async move { it.advance(home, Drawer::Authenticators, id, 58_000_000).await.unwrap() });
        assert_eq!(moved.await.iter().filter(|it| **it).count(), 1, "TOTP steps");
        let gone = race(&stores, |it| async move { it.retire(home, Drawer::Authenticators, id).await.unwrap() }).await;
        assert_eq!(gone.iter().filter(|it| **it).count(), 1, "recovery codes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_write_brings_a_revoked_session_back() {
    let server = Server::start().await;
    let stores = [Arc::new(store(&server.settings()).await), Arc::new(store(&server.settings()).await)];
    for _ in 0..rounds() {
        let account = random_id();
        let old = SessionRef { home: account, id: random_id() };
        stores[0].establish(NOW, None, old, b"old".to_vec(), NOW + 60_000).await.unwrap();
        let revoked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let outcomes = race(&stores, |it| {
            let turn = revoked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            async move {
                match turn {
                    40 => {
                        let target = Counted { kind: Kind::Account, id: account };
                        it.revoke(Revocation { target, before_ms: NOW + 1 }).await.unwrap();
                    }
                    turn if turn % 2 == 0 => drop(it.amend(NOW, old, 1, b"new".to_vec(), NOW + 60_000).await.unwrap()),
                    _ => {}
                }
                let heir = SessionRef { home: account, id: random_id() };
                it.establish(NOW, Some(old), heir, b"heir".to_vec(), NOW + 60_000).await.unwrap();
                heir
            }
        });
        for session in outcomes.await.into_iter().chain([old]) {
            let begin = Begin { session: Some(session), ..Begin::default() };
            assert_eq!(stores[1].begin(NOW + 2, begin).await.unwrap().session, None, "a revoked session lives");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_revocation_reaches_every_node_within_a_second() {
    let server = Server::start().await;
    let writer = store(&server.settings()).await;
    let start = writer.revoke(revocation(0)).await.unwrap();
    let mut readers = Vec::new();
    for _ in 0..3 {
        let reader = store(&server.settings()).await;
        readers.push(tokio::spawn(async move {
            let (mut position, mut heard) = (start, Vec::new());
            while heard.len() < 200 {
                for (at, revocation) in
                    reader.revocations_after(position, std::time::Duration::from_secs(5)).await.unwrap()
                {
                    position = at;
                    heard.push((revocation.before_ms, Instant::now()));
                }
            }
            heard
        }));
    }
    let mut told = Vec::new();
    for number in 1..=200 {
        told.push(Instant::now());
        writer.revoke(revocation(number)).await.unwrap();
    }
    for reader in readers {
        let mut delays = Vec::new();
        for (at, (number, heard)) in reader.await.unwrap().into_iter().enumerate() {
            assert_eq!(number, at as i64 + 1, "none is missing, none comes twice, in order");
            delays.push(heard.duration_since(told[at]));
        }
        delays.sort_unstable();
        assert!(delays[197].as_millis() <= 1000, "99 of 100 within a second: {:?}", delays[197]);
    }
}

fn revocation(before_ms: i64) -> Revocation {
    Revocation { target: Counted { kind: Kind::Device, id: random_id() }, before_ms }
}

/// A fail-over must not close the methods of everybody whose tries nobody has used up.
#[tokio::test]
async fn after_a_fail_over_owners_still_prove_who_they_are_and_guessers_have_one_try() {
    let mut two = TwoNodes::start().await;
    let (secret, fresh) = (two.nodes[0].totp("ada").await, two.nodes[1].totp("bob").await);
    let mut ada = two.visitor();
    two.sign_in(&mut ada, "ada").await;
    let asked = ada.post("/pay", &[]).await;
    let wrong = ada.post(asked.location(), &[("method", "totp"), ("code", "000000")]).await;
    assert!(wrong.location().contains("e=wrong"), "{}", wrong.location());

    // What the server keeps is all that it comes back with; its life is another one.
    two.server.ask(&["SAVE"]).await;
    two.server.kill();
    two.server.run().await;
    let began = Instant::now();
    let asked = loop {
        let asked = ada.post("/pay", &[]).await;
        if asked.status == 303 && asked.location().starts_with("/.stepward/c/") {
            break asked;
        }
        assert!(began.elapsed().as_secs() < 20, "{} {}", asked.status, asked.text);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    // The wrong answer before counts, and all but one of five are presumed.
    let closed = ada.post(asked.location(), &[("method", "totp"), ("code", "000000")]).await;
    assert!(closed.location().contains("e=closed"), "{}", closed.location());
    two.nodes.iter().for_each(|node| node.wait_ms(3_600_000 + 16 * 60_000));

    let mut ada = two.visitor();
    two.sign_in(&mut ada, "ada").await;
    let asked = ada.post("/pay", &[]).await;
    let resume = two.nodes[0].prove(&mut ada, &asked, &secret).await;
    assert_eq!(
        ada.post(&resume, &[]).await.status,
        200,
        "with the slip of another life, and without waiting for it to end"
    );

    let mut bob = two.visitor();
    two.sign_in(&mut bob, "bob").await;
    let asked = bob.post("/pay", &[]).await;
    two.nodes[1].prove(&mut bob, &asked, &fresh).await;
}
