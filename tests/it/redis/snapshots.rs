//! Sealed copies of sessions that answer for Redis: what they save, and everything that makes them void.
//!
//! Every node reaches Redis over a relay of its own, which counts what is asked and can keep the log from it. A busy
//! machine may read the log late; then a copy rightly answers nothing, so tests wait until one does.

use std::{path::Path, time::Duration};

use http::StatusCode;
use stepward::{
    clock::random_id,
    store::{Counted, Kind, Revocation, StateStore},
};
use tokio::time::{Instant, sleep};

use crate::{
    redis::store,
    redis_server::{Mood, Relay, Server, settings},
    visitor::{Seen, Visitor},
    world::{LOGIN, Town, World},
};

/// What a node asks Redis without a request: who it is, and for the log.
const NOT_COUNTED: &[&str] = &["master_replid", "XREAD"];

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
const COUNTED: &str = "
event: counted
covers: [GET /counted]
when_unsure: block
otherwise: forward
steps:
  - decide: not too often
    rules:
      - rule: too often
        when: subject.tries_1h > 1000
        then: block
";
const LOGOUT: &str = "
event: logout
covers: [POST /logout]
ends_session: true
when_unsure: block
otherwise: forward
";
const BASKET: &str = "
event: basket
covers: [POST /basket]
succeeded: response.status == 200
when_unsure: block
otherwise: forward
";
const ORDER: &str = "
event: order
covers: [POST /order]
after: [basket]
when_unsure: block
otherwise: forward
steps:
  - decide: first things first
    rules:
      - rule: nothing in the basket
        when: journey.out_of_order
        then: block
";

struct Node {
    town: Town,
    relay: Relay,
}

impl Node {
    async fn start(server: &Server, folder: &Path, name: &str) -> Node {
        let relay = Relay::counting(&[([127, 0, 0, 1], server.port).into()], NOT_COUNTED).await;
        let url = folder.join(format!("{name}-url"));
        std::fs::write(&url, format!("redis://{}", relay.address)).unwrap();
        let state = format!(
            "state: {{ store: redis, url: {{ file: \"{}\" }}, keys: {{ file: \"{}\" }}, path: state, wait: 60s }}",
            url.display(),
            folder.join("keys.yaml").display(),
        );
        let mut world = World::new();
        for policy in [LOGIN, PAY, COUNTED, LOGOUT, BASKET, ORDER] {
            world = world.policy(policy);
        }
        Node { town: world.settings(&state).start().await, relay }
    }

    /// How many events a copy could have answered for: how many it did, how many it did not.
    fn snapshots(&self) -> [u64; 2] {
        let text = self.town.gateway.journeys.parts().metrics.text();
        ["used", "asked"].map(|result| {
            let line = format!("stepward_session_snapshots_total{{result=\"{result}\"}} ");
            text.lines().find_map(|it| it.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
        })
    }

    /// Whether a copy answered for what this visitor sent here.
    async fn spares(&self, visitor: &mut Visitor, path: &str) -> (Seen, bool) {
        let [before, _] = self.snapshots();
        let seen = self.send(visitor, path).await;
        let [after, _] = self.snapshots();
        (seen, after > before)
    }

    async fn send(&self, visitor: &mut Visitor, path: &str) -> Seen {
        visitor.post(&format!("http://{}{path}", self.town.address()), &[]).await
    }

    /// Waits until this visitor has a copy that answers here.
    async fn until_spared(&self, visitor: &mut Visitor, path: &str) {
        for _ in 0..500 {
            let (seen, is_spared) = self.spares(visitor, path).await;
            assert_eq!(seen.status, StatusCode::OK, "{}", seen.text);
            if is_spared {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
        panic!("no copy ever answered: {:?}", self.snapshots());
    }

    /// Sends until it is refused; how long that took.
    async fn until_refused(&self, visitor: &mut Visitor, path: &str) -> Duration {
        let began = Instant::now();
        while self.send(visitor, path).await.status == StatusCode::OK {
            assert!(began.elapsed() <= Duration::from_secs(1), "let in for longer than a second");
        }
        began.elapsed()
    }

    /// Somebody who has signed in and proved it.
    async fn proven(&self, name: &str) -> Visitor {
        let secret = self.town.totp(name).await;
        let mut visitor = self.town.visitor();
        self.town.sign_in(&mut visitor, name).await;
        let asked = visitor.post("/pay", &[]).await;
        let resume = self.town.prove(&mut visitor, &asked, &secret).await;
        assert_eq!(visitor.post(&resume, &[]).await.status, 200);
        visitor
    }
}

struct Pair {
    nodes: [Node; 2],
    _folder: tempfile::TempDir,
    server: Server,
}

impl Pair {
    async fn start(arguments: &[&str]) -> Pair {
        let server = Server::with(arguments).await;
        let folder = tempfile::tempdir().unwrap();
        let first = Node::start(&server, folder.path(), "first").await;
        let second = Node::start(&server, folder.path(), "second").await;
        Pair { nodes: [first, second], _folder: folder, server }
    }
}

#[tokio::test]
async fn an_event_costs_no_round_trip_while_a_copy_of_its_session_answers_on_any_node() {
    let pair = Pair::start(&[]).await;
    let [first, second] = &pair.nodes;
    let mut ada = first.proven("ada").await;
    first.until_spared(&mut ada, "/pay").await;
    second.town.wait_ms(30_000);
    let copy = ada.cookies["stepward-snapshot"].clone();
    assert!(copy.len() < 600, "{} characters", copy.len());
    for node in [first, second] {
        let mut spared = 0;
        for _ in 0..40 {
            let before = node.relay.bunches();
            let (seen, is_spared) = node.spares(&mut ada, "/pay").await;
            assert_eq!(seen.status, 200, "{}", seen.text);
            if is_spared {
                assert_eq!(node.relay.bunches(), before, "asked all the same");
                assert!(seen.headers.get("set-cookie").is_none(), "nothing new to keep: {seen:?}");
                spared += 1;
            }
        }
        assert!(spared >= 20, "only {spared} of 40");
        assert!(!node.town.app.last("POST /pay").contains("stepward-snapshot"), "the app saw it");
        assert!(
            node.town.app.last("POST /pay").to_lowercase().contains("stepward-subject: "),
            "the app knows who it is"
        );
    }
    let before = first.relay.bunches();
    assert_eq!(ada.get("/counted").await.status, 200);
    assert!(first.relay.bunches() > before, "a counter is in Redis");

    first.town.wait_ms(30_000);
    let (seen, is_spared) = first.spares(&mut ada, "/pay").await;
    assert!(!is_spared && seen.headers.get("set-cookie").is_some(), "too old, and renewed: {seen:?}");
    assert_ne!(ada.cookies["stepward-snapshot"], copy);
    first.until_spared(&mut ada, "/pay").await;
}

#[tokio::test]
async fn a_revocation_or_a_lock_out_on_one_node_voids_copies_on_the_other_within_a_second() {
    let pair = Pair::start(&[]).await;
    let [first, second] = &pair.nodes;
    second.town.wait_ms(30_000);
    let parts = first.town.gateway.journeys.parts();
    let account = |name| Counted { kind: Kind::Account, id: parts.sessions.account("default", name) };
    let mut took = Vec::new();
    for name in ["ada", "bob"] {
        let mut visitor = first.proven(name).await;
        second.town.wait_ms(30_000);
        second.until_spared(&mut visitor, "/pay").await;
        let old = visitor.cookies.clone();
        match name {
            "ada" => {
                let before_ms = parts.clock.now_ms() + 1;
                parts.store.revoke(Revocation { target: account(name), before_ms }).await.unwrap();
            }
            _ => parts.actions.lock_out(account(name), parts.clock.now_ms() + 3_600_000).await.unwrap(),
        }
        took.push(second.until_refused(&mut visitor, "/pay").await);
        for node in &pair.nodes {
            visitor.cookies = old.clone();
            let (seen, is_spared) = node.spares(&mut visitor, "/pay").await;
            assert!(!seen.status.is_success() && !is_spared, "sent again: {} {}", seen.status, seen.text);
        }
    }
    println!("refused after {took:?}");
}

#[tokio::test]
async fn while_the_log_is_silent_redis_is_asked_each_time() {
    let pair = Pair::start(&[]).await;
    let [first, second] = &pair.nodes;
    let mut ada = first.proven("ada").await;
    second.town.wait_ms(30_000);
    second.until_spared(&mut ada, "/pay").await;
    second.relay.becomes(Mood::DeafToTheLog);
    sleep(Duration::from_millis(1100)).await;
    let parts = first.town.gateway.journeys.parts();
    for _ in 0..10 {
        let before = second.relay.bunches();
        let (seen, is_spared) = second.spares(&mut ada, "/pay").await;
        assert!(seen.status == 200 && !is_spared && second.relay.bunches() > before, "{seen:?}");
    }
    let target = Counted { kind: Kind::Account, id: parts.sessions.account("default", "ada") };
    parts.store.revoke(Revocation { target, before_ms: parts.clock.now_ms() + 1 }).await.unwrap();
    assert!(!second.send(&mut ada, "/pay").await.status.is_success(), "whom nobody was told of");

    let mut bob = first.proven("bob").await;
    second.town.wait_ms(30_000);
    second.relay.becomes(Mood::Willing);
    second.until_spared(&mut bob, "/pay").await;
}

#[tokio::test]
async fn a_lost_redis_is_answered_for_by_nobody() {
    let mut pair = Pair::start(&[]).await;
    let [first, _] = &pair.nodes;
    let mut ada = first.proven("ada").await;
    first.until_spared(&mut ada, "/pay").await;
    pair.server.kill();
    let [first, _] = &pair.nodes;
    let began = Instant::now();
    while first.send(&mut ada, "/pay").await.status == StatusCode::OK {
        assert!(began.elapsed() <= Duration::from_secs(1), "let in for longer than a second");
    }
    assert_eq!(first.send(&mut ada, "/pay").await.status, 503);
}

#[tokio::test]
async fn copies_of_one_life_of_redis_are_void_in_the_next() {
    let mut pair = Pair::start(&["--appendonly", "yes", "--appendfsync", "always"]).await;
    let [first, _] = &pair.nodes;
    let mut ada = first.proven("ada").await;
    first.until_spared(&mut ada, "/pay").await;
    pair.server.kill();
    pair.server.run().await;
    // Within a second nobody need have noticed.
    sleep(Duration::from_secs(1)).await;
    let [first, _] = &pair.nodes;
    let began = Instant::now();
    while first.send(&mut ada, "/pay").await.status != StatusCode::OK {
        assert!(began.elapsed() <= Duration::from_secs(20), "Redis is back");
        sleep(Duration::from_millis(50)).await;
    }
    for _ in 0..20 {
        let (seen, is_spared) = first.spares(&mut ada, "/pay").await;
        assert!(seen.status == 200 && !is_spared, "what the log has lost may still be missing: {seen:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_copy_sent_again_after_its_owner_signed_out_is_worth_nothing() {
    let pair = Pair::start(&[]).await;
    let [first, second] = &pair.nodes;
    let mut ada = first.proven("ada").await;
    second.town.wait_ms(30_000);
    for node in &pair.nodes {
        node.until_spared(&mut ada, "/pay").await;
    }
    let stolen = ada.cookies.clone();
    assert_eq!(first.send(&mut ada, "/logout").await.status, 200);
    ada.cookies = stolen.clone();
    let (seen, is_spared) = first.spares(&mut ada, "/pay").await;
    assert!(!seen.status.is_success() && !is_spared, "on the node that ended it, at once: {}", seen.status);
    ada.cookies = stolen.clone();
    second.until_refused(&mut ada, "/pay").await;
    ada.cookies = stolen;
    assert!(!second.spares(&mut ada, "/pay").await.1);
}

#[tokio::test]
async fn a_copy_of_the_session_before_a_proof_or_another_sign_in_is_void() {
    let pair = Pair::start(&[]).await;
    let [first, second] = &pair.nodes;
    let mut ada = first.proven("ada").await;
    second.town.wait_ms(30_000);
    second.until_spared(&mut ada, "/pay").await;
    let before = ada.cookies.clone();
    // Signed in again without the app's cookie: the earlier sign-in is over.
    ada.cookies.remove("sid");
    first.town.sign_in(&mut ada, "ada").await;
    ada.cookies = before;
    second.until_refused(&mut ada, "/pay").await;
}

#[tokio::test]
async fn what_is_no_copy_of_this_session_is_passed_over() {
    let pair = Pair::start(&[]).await;
    let [first, _] = &pair.nodes;
    let (mut ada, mut bob) = (first.proven("ada").await, first.proven("bob").await);
    first.until_spared(&mut ada, "/pay").await;
    first.until_spared(&mut bob, "/pay").await;
    let genuine = ada.cookies["stepward-snapshot"].clone();
    let mut changed = genuine.clone().into_bytes();
    changed[70] ^= 1;
    let strangers =
        [bob.cookies["stepward-snapshot"].clone(), String::from_utf8(changed).unwrap(), "x".into(), String::new()];
    for copy in strangers {
        ada.cookies.insert("stepward-snapshot".into(), copy.clone());
        let (seen, is_spared) = first.spares(&mut ada, "/pay").await;
        assert!(seen.status == 200 && !is_spared, "{copy}: {seen:?}");
    }
    // His copy with her ticket says nothing of her, and hers without her ticket nothing at all.
    let mut nobody = first.town.visitor();
    nobody.cookies.insert("stepward-snapshot".into(), genuine.clone());
    nobody.cookies.insert("sid".into(), "ada".into());
    assert!(!first.send(&mut nobody, "/pay").await.status.is_success());
    // The same cookies from another device have to be looked at: nobody knows whether that is locked out.
    ada.cookies.insert("stepward-snapshot".into(), genuine.clone());
    first.until_spared(&mut ada, "/pay").await;
    ada.cookies.remove("stepward-device");
    ada.cookies.insert("stepward-snapshot".into(), genuine);
    assert!(!first.spares(&mut ada, "/pay").await.1, "without its device");
}

#[tokio::test]
async fn whatever_is_not_let_through_on_a_copy_is_decided_on_what_redis_says() {
    let pair = Pair::start(&[]).await;
    let [first, _] = &pair.nodes;
    let mut ada = first.proven("ada").await;
    first.until_spared(&mut ada, "/pay").await;
    let old = ada.cookies.clone();
    assert_eq!(first.send(&mut ada, "/order").await.status, 403, "nothing in the basket");
    assert_eq!(first.send(&mut ada, "/basket").await.status, 200);
    assert_ne!(ada.cookies["stepward-snapshot"], old["stepward-snapshot"], "a new copy tells of it");
    first.until_spared(&mut ada, "/order").await;
    ada.cookies = old;
    assert_eq!(first.send(&mut ada, "/order").await.status, 200, "an old copy does not take it back");
}

#[tokio::test]
async fn a_log_of_another_life_is_not_believed_until_it_has_settled() {
    let mut server = Server::with(&["--appendonly", "yes"]).await;
    let store = store(&settings(server.url_file())).await;
    let life = store.log_life().expect("a Redis that never lost anything");
    let entry = Revocation { target: Counted { kind: Kind::Session, id: random_id() }, before_ms: 1 };
    let position = store.revoke(entry).await.unwrap();
    assert_eq!(store.log_added(), position);
    server.kill();
    server.run().await;
    // It is noticed by the next beat at the latest.
    sleep(Duration::from_secs(1)).await;
    let began = Instant::now();
    while store.health().await.is_err() {
        assert!(began.elapsed() <= Duration::from_secs(20), "Redis is back");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(store.log_life().is_none_or(|now| now != life), "another life");
    assert_eq!(store.log_life(), None, "who wrote what was lost may not have written it again");
}
