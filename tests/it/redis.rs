//! The store on Redis: the contract of every store, one round trip, and what is one-time over several nodes.
//!
//! Every server is a real one, started by its test.

mod lost;
mod nodes;
mod revoked;
mod snapshots;
mod topologies;

use std::{collections::BTreeSet, fs, path::Path, sync::Arc, time::Duration};

use stepward::{
    clock::{Clock, random_id},
    settings,
    store::{Begin, Counted, Drawer, Kind, Meter, SessionRef, Shape, StateStore, Touch, redis::Redis},
};

use crate::{
    redis_server::{Relay, Server, free_port, settings},
    store_contract::{NOW, keeps_the_contract},
};

/// A store whose time is the test's.
pub(crate) async fn store(settings: &settings::Redis) -> Redis {
    let clock = Clock::Manual(Arc::new(std::sync::atomic::AtomicI64::new(NOW)));
    Redis::open(settings, clock).await.unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_keeps_the_contract() {
    let server = Server::start().await;
    keeps_the_contract(Arc::new(store(&server.settings()).await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_keeps_the_contract_over_tls_with_the_user_of_the_handbook() {
    let issued = rcgen::generate_simple_self_signed(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
    let tls_port = free_port();
    let mut server = Server::prepared(free_port(), &[]);
    let certificate = server.file("cert.pem", &issued.cert.pem());
    let key = server.file("key.pem", &issued.signing_key.serialize_pem());
    let acl = format!("{}\nuser default off\nuser tester on >tester ~* &* +@all\n", handbook_user("s3cr3t"));
    let acl = server.file("users.acl", &acl);
    let text = |path: &Path| path.display().to_string();
    server.add(&["--tls-port", &tls_port.to_string(), "--tls-auth-clients", "no"]);
    server.add(&["--tls-cert-file", &text(&certificate), "--tls-key-file", &text(&key)]);
    server.add(&["--tls-ca-cert-file", &text(&certificate), "--aclfile", &text(&acl)]);
    server.login("tester", "tester");
    server.run().await;
    let secret = |name, text: &str| settings::Secret::File(server.file(name, text));
    let settings = settings::Redis {
        user: Some("stepward".into()),
        password: Some(secret("password", "s3cr3t")),
        ca: Some(certificate),
        ..settings(server.file("tls-url", &format!("rediss://localhost:{tls_port}")))
    };
    keeps_the_contract(Arc::new(store(&settings).await)).await;
    let denied = server.tell(&["ACL", "LOG"]).await;
    assert!(!denied.contains("stepward"), "the user of the handbook lacks something: {denied}");

    let clock = Clock::System;
    for (what, wrong) in [
        ("WRONGPASS", settings::Redis { password: Some(secret("wrong", "guess")), ..settings.clone() }),
        ("certificate", settings::Redis { ca: None, ..settings.clone() }),
    ] {
        let Err(refused) = Redis::open(&wrong, clock.clone()).await else { panic!("{what} was no obstacle") };
        let refused = refused.to_string();
        assert!(refused.contains(what) && !refused.contains("guess"), "{refused}");
    }
}

/// The ACL line in `docs/guides/redis.md`, with a password.
pub(crate) fn handbook_user(password: &str) -> String {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guides/redis.md")).unwrap();
    let line = page.lines().find(|line| line.starts_with("user stepward ")).expect("the page shows no ACL line");
    line.replace(">PASSWORD", &format!(">{password}"))
}

#[tokio::test]
async fn a_request_costs_one_round_trip_whatever_it_asks() {
    let server = Server::start().await;
    let relay = Relay::counting(&[([127, 0, 0, 1], server.port).into()], &["master_replid"]).await;
    let store = store(&settings(server.file("relay", &format!("redis://{}", relay.address)))).await;
    let account = random_id();
    let session = SessionRef { home: account, id: random_id() };
    assert!(store.establish(NOW, None, session, vec![7; 400], NOW + 60_000).await.unwrap());
    let who = |kind| Counted { kind, id: if kind == Kind::Account { account } else { [kind as u8; 16] } };
    let kinds = [Kind::Account, Kind::Ip, Kind::Device, Kind::Pair, Kind::Session];
    let locks = kinds.map(who);
    let meter = |name, shape| Meter { name, window: Duration::from_secs(300), shape };
    let meters: Vec<_> = kinds
        .into_iter()
        .flat_map(|kind| {
            [
                (who(kind), meter(1, Shape::Exact { keep: 6 }), Touch::Hit),
                (who(kind), meter(2, Shape::Buckets), Touch::Hit),
                (who(kind), meter(3, Shape::Distinct), Touch::Add(account)),
            ]
        })
        .collect();
    let entries = [(account, Drawer::Devices, [1; 16]), (account, Drawer::Remembered, [2; 16])];
    let before = relay.bunches();
    let rounds = 100;
    for round in 1..=rounds {
        let begin = Begin { session: Some(session), meters: &meters, locks: &locks, entries: &entries };
        let standing = store.begin(NOW, begin).await.unwrap();
        assert_eq!(standing.session.unwrap().sealed.len(), 400);
        let expected = |at: usize| [round.min(6), round, 1][at % 3];
        let counts: Vec<u64> = (0..meters.len()).map(expected).collect();
        assert_eq!(standing.counts, counts);
    }
    assert_eq!(relay.bunches() - before, rounds, "one bunch of commands for each request");
}

#[tokio::test]
async fn nothing_in_a_dump_names_anybody_and_everything_ends_by_itself() {
    let server = Server::start().await;
    let store = store(&server.settings()).await;
    let account = random_id();
    let counted = Counted { kind: Kind::Account, id: account };
    let session = SessionRef { home: account, id: random_id() };
    store.establish(NOW, None, session, b"sealed".to_vec(), NOW + 60_000).await.unwrap();
    store.lock(counted, NOW + 60_000).await.unwrap();
    store.issue_challenge(account, random_id(), 3, b"sealed".to_vec(), NOW + 60_000).await.unwrap();
    store.park(account, random_id(), b"sealed".to_vec(), NOW + 60_000).await.unwrap();
    store.claim(NOW, "jti", random_id(), random_id(), NOW + 60_000).await.unwrap();
    for shape in [Shape::Exact { keep: 6 }, Shape::Buckets, Shape::Distinct] {
        let meters = [(counted, Meter { name: 1, window: Duration::from_secs(60), shape }, Touch::Add(account))];
        store.begin(NOW, Begin { meters: &meters, ..Begin::default() }).await.unwrap();
    }
    let redis::Value::Array(keys) = server.ask(&["KEYS", "*"]).await else { panic!("no keys") };
    let keys: BTreeSet<String> = keys.into_iter().map(|key| redis::from_redis_value(key).unwrap()).collect();
    assert_eq!(keys.len(), 9, "{keys:?}");
    for key in &keys {
        assert!(key.starts_with("stepward:{"), "{key}: an ACL could not name it");
        let redis::Value::Int(left_ms) = server.ask(&["PTTL", key]).await else { panic!("no time to live") };
        let ends = (1..=200_000).contains(&left_ms);
        assert!(ends || key.contains("{epoch"), "{key} lives for {left_ms} ms");
    }
}
