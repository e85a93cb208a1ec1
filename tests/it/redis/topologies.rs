//! Redis after a fail-over that lost writes, behind Sentinels, and as a Cluster.

use std::{sync::Arc, time::Duration};

use stepward::{
    clock::random_id,
    settings::{self, Topology},
    store::{
        Attempt, Begin, Counted, Drawer, Id, Kind, Meter, Once, SessionRef, Shape, StateError, StateStore, Touch,
        redis::Redis,
    },
};
use tokio::time::{Instant, sleep};

use crate::{
    redis::store,
    redis_server::{Mood, Relay, Server, free_port, settings},
    store_contract::{NOW, keeps_the_contract},
};

const END: i64 = NOW + 600_000;

/// What an attacker would like to have back.
struct Outstanding {
    account: Counted,
    challenge: Id,
    parked: Id,
    token: Id,
    authenticator: Id,
}

impl Outstanding {
    async fn begin(store: &Redis) -> Outstanding {
        let account = Counted { kind: Kind::Account, id: random_id() };
        let it = Outstanding {
            account,
            challenge: random_id(),
            parked: random_id(),
            token: random_id(),
            authenticator: random_id(),
        };
        store.issue_challenge(account.id, it.challenge, 3, b"code".to_vec(), END).await.unwrap();
        store.park(account.id, it.parked, b"body".to_vec(), END).await.unwrap();
        store.enrol(account.id, Drawer::Authenticators, it.authenticator, b"totp".to_vec()).await.unwrap();
        it
    }

    /// Uses everything up; whether each was acknowledged.
    async fn use_up(&self, store: &Redis) -> [bool; 5] {
        let account = self.account.id;
        let spent = store.spend_challenge(NOW, account, self.challenge, random_id()).await;
        let taken = store.take_parked(NOW, account, self.parked, random_id()).await;
        let claimed = store.claim(NOW, "jti", self.token, random_id(), END).await;
        let moved = store.advance(account, Drawer::Authenticators, self.authenticator, 58_000_000).await;
        let locked = store.lock(self.account, END).await;
        [
            spent == Ok(Once::First),
            matches!(taken, Ok(Some(_))),
            claimed == Ok(Once::First),
            moved == Ok(true),
            locked == Ok(()),
        ]
    }

    /// Nothing can be used again, and the lock-out holds, as far as each was acknowledged.
    async fn is_gone(&self, store: &Redis, acknowledged: [bool; 5]) {
        let account = self.account.id;
        assert_eq!(store.peek_challenge(NOW, account, self.challenge).await, Ok(None));
        assert_eq!(store.attempt_challenge(NOW, account, self.challenge).await, Ok(Attempt::Gone));
        let spent = store.spend_challenge(NOW, account, self.challenge, random_id()).await;
        assert_eq!(spent, Ok(Once::Replay), "the challenge of another life");
        assert_eq!(store.take_parked(NOW, account, self.parked, random_id()).await, Ok(None));
        let [.., claimed, moved, locked] = acknowledged;
        if claimed {
            assert_eq!(store.claim(NOW, "jti", self.token, random_id(), END).await, Ok(Once::Replay));
        }
        if moved {
            let again = store.advance(account, Drawer::Authenticators, self.authenticator, 58_000_000).await;
            assert_eq!(again, Ok(false), "a code of the same step");
        }
        if locked {
            let begin = Begin { locks: &[self.account], ..Begin::default() };
            assert_eq!(store.begin(NOW, begin).await.unwrap().locked_until_ms, [Some(END)]);
        }
    }
}

async fn failures(store: &Redis, account: Counted, touch: Touch) -> u64 {
    let meter = Meter { name: 1, window: Duration::from_secs(900), shape: Shape::Guarded { keep: 6, limit: 5 } };
    let meters = [(account, meter, touch)];
    store.begin(NOW, Begin { meters: &meters, ..Begin::default() }).await.unwrap().counts[0]
}

/// A master, a replica that follows through a relay, and an address that leads to either.
struct Pair {
    master: Server,
    replica: Server,
    replication: Relay,
    address: Relay,
}

impl Pair {
    async fn start() -> Pair {
        let diskless = ["--repl-diskless-sync-delay", "0"];
        let (master, replica) = (Server::with(&diskless).await, Server::with(&diskless).await);
        let at = |server: &Server| ([127, 0, 0, 1], server.port).into();
        let replication = Relay::before(&[at(&master), ([127, 0, 0, 1], 1).into()]).await;
        let address = Relay::before(&[at(&master), at(&replica)]).await;
        replica.ask(&["REPLICAOF", "127.0.0.1", &replication.address.port().to_string()]).await;
        replica.until_replication_says("master_link_status:up").await;
        master.until_replication_says("connected_slaves:1").await;
        Pair { master, replica, replication, address }
    }

    fn settings(&self) -> settings::Redis {
        settings::Redis {
            wait: Duration::from_secs(2),
            ..settings(self.master.file("address", &format!("redis://{}", self.address.address)))
        }
    }

    async fn fail_over(&mut self, store: &Redis) {
        self.master.kill();
        self.replica.ask(&["REPLICAOF", "NO", "ONE"]).await;
        self.address.turn_to(1).await;
        is_back(store).await;
    }
}

async fn is_back(store: &Redis) {
    let until = Instant::now() + Duration::from_secs(20);
    while store.lock(Counted { kind: Kind::Ip, id: random_id() }, END).await.is_err() || store.trouble().is_some() {
        assert!(Instant::now() < until, "not back: {:?}", store.trouble());
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_a_deaf_replica_would_lose_is_not_acknowledged_and_stays_used_up() {
    let mut pair = Pair::start().await;
    let store = store(&pair.settings()).await;
    let healthy = Outstanding::begin(&store).await;
    assert_eq!(healthy.use_up(&store).await, [true; 5], "the replica acknowledges");
    let outstanding = Outstanding::begin(&store).await;
    pair.replication.becomes(Mood::Deaf);
    let spent = store.spend_challenge(NOW, outstanding.account.id, outstanding.challenge, random_id()).await;
    assert_eq!(spent, Err(StateError::Indeterminate), "no replica has it");
    let used = outstanding.use_up(&store).await;
    assert_eq!(used, [false; 5], "nothing is acknowledged that could be lost");
    pair.fail_over(&store).await;
    outstanding.is_gone(&store, used).await;
    healthy.is_gone(&store, [true; 5]).await;
}

#[tokio::test]
async fn a_fail_over_that_lost_acknowledged_writes_gives_nothing_back() {
    let mut pair = Pair::start().await;
    let store = store(&pair.settings()).await;
    let outstanding = Outstanding::begin(&store).await;
    for expected in 1..=3 {
        assert_eq!(failures(&store, outstanding.account, Touch::Hit).await, expected);
    }
    // The replica is gone for the master, and stays as it was.
    pair.replication.turn_to(1).await;
    pair.master.until_replication_says("connected_slaves:0").await;
    sleep(Duration::from_millis(700)).await;
    assert_eq!(failures(&store, outstanding.account, Touch::Hit).await, 4);
    let used = outstanding.use_up(&store).await;
    assert_eq!(used, [true; 5], "without a replica the master's word counts");
    pair.fail_over(&store).await;
    outstanding.is_gone(&store, used).await;
    assert_eq!(
        failures(&store, outstanding.account, Touch::Look).await,
        6,
        "four, and four presumed: the limit of 5 is over"
    );
    let somebody = Counted { kind: Kind::Account, id: random_id() };
    let counts = [failures(&store, somebody, Touch::Hit).await, failures(&store, somebody, Touch::Hit).await];
    assert_eq!(counts, [5, 6], "one try is left of five, for everybody");

    // Another node, which was not there before the fail-over, is as strict.
    let late = crate::redis::store(&pair.settings()).await;
    assert_eq!(failures(&late, Counted { kind: Kind::Account, id: random_id() }, Touch::Look).await, 4);
    outstanding.is_gone(&late, used).await;
}

#[tokio::test]
async fn a_store_that_comes_back_empty_is_no_fresh_start() {
    let mut server = Server::start().await;
    let store = store(&settings::Redis { wait: Duration::from_secs(2), ..server.settings() }).await;
    let outstanding = Outstanding::begin(&store).await;
    assert_eq!(failures(&store, outstanding.account, Touch::Hit).await, 1, "nothing was presumed before");
    let used = outstanding.use_up(&store).await;
    server.kill();
    server.run().await;
    is_back(&store).await;
    outstanding.is_gone(&store, used).await;
    assert!(failures(&store, outstanding.account, Touch::Look).await >= 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sentinels_lead_to_the_new_master() {
    let diskless = ["--repl-diskless-sync-delay", "0"];
    let (mut master, replica) = (Server::with(&diskless).await, Server::with(&diskless).await);
    replica.ask(&["REPLICAOF", "127.0.0.1", &master.port.to_string()]).await;
    replica.until_replication_says("master_link_status:up").await;
    let sentinel_port = free_port();
    let mut sentinel = Server::prepared(sentinel_port, &[]);
    let file = sentinel.file(
        "sentinel.conf",
        &format!(
            "sentinel monitor bank 127.0.0.1 {} 1\nsentinel down-after-milliseconds bank 500\nsentinel failover-timeout bank 3000\n",
            master.port
        ),
    );
    sentinel.as_sentinel(&file);
    sentinel.run().await;
    for _ in 0..500 {
        if sentinel.tell(&["INFO", "sentinel"]).await.contains("slaves=1") {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    let settings = settings::Redis {
        topology: Topology::Sentinel { master: "bank".into() },
        ..settings(sentinel.file("url", &format!("redis://127.0.0.1:1,127.0.0.1:{sentinel_port}")))
    };
    let store = Arc::new(store(&settings).await);
    keeps_the_contract(store.clone()).await;
    let outstanding = Outstanding::begin(&store).await;
    let used = outstanding.use_up(&store).await;
    assert_eq!(used, [true; 5]);
    assert!(store.log_life().is_some(), "nothing was lost before");
    master.kill();
    is_back(&store).await;
    outstanding.is_gone(&store, used).await;
    assert_eq!(store.log_life(), None, "the newest entries of the log may be lost");
    let entry = Counted { kind: Kind::Account, id: random_id() };
    store.announce(entry).await.unwrap();
    let heard = store.revocations_after(store.log_added() - 1, Duration::from_secs(5)).await.unwrap();
    assert!(heard.iter().any(|(_, it)| it.target == entry), "the log is read where it is written");
    assert!(replica.tell(&["INFO", "replication"]).await.contains("role:master"));
}

/// Three masters, each with a third of the slots.
async fn cluster() -> Vec<Server> {
    let mut servers = Vec::new();
    for _ in 0..3 {
        let port = free_port();
        let bus = (port + 10_000).to_string();
        let arguments = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-require-full-coverage", "no"];
        servers.push(Server::at(port, &arguments).await);
    }
    let ranges = [("0", "5461"), ("5462", "10922"), ("10923", "16383")];
    for (at, (server, (first, last))) in servers.iter().zip(ranges).enumerate() {
        server.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]).await;
        server.ask(&["CLUSTER", "ADDSLOTSRANGE", first, last]).await;
    }
    for server in &servers[1..] {
        let bus = (servers[0].port + 10_000).to_string();
        server.ask(&["CLUSTER", "MEET", "127.0.0.1", &servers[0].port.to_string(), &bus]).await;
    }
    for server in &servers {
        for _ in 0..500 {
            let info = server.tell(&["CLUSTER", "INFO"]).await;
            if info.contains("cluster_state:ok")
                && info.contains("cluster_known_nodes:3")
                && info.contains("cluster_slots_assigned:16384")
            {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
    servers
}

fn of_cluster(servers: &[Server]) -> settings::Redis {
    let hosts: Vec<_> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
    let url = servers[0].file("cluster-url", &format!("redis://{}", hosts.join(",")));
    settings::Redis { topology: Topology::Cluster, ..settings(url) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cluster_of_three_masters_keeps_the_contract() {
    let servers = cluster().await;
    keeps_the_contract(Arc::new(store(&of_cluster(&servers)).await)).await;
    for server in &servers {
        let redis::Value::Int(keys) = server.ask(&["DBSIZE"]).await else { panic!("no size") };
        assert!(keys > 5, "every master has its part: {keys}");
    }
}

#[tokio::test]
async fn slots_that_move_are_followed_and_a_lost_master_takes_only_its_own_with_it() {
    let mut servers = cluster().await;
    let store = store(&settings::Redis { wait: Duration::from_secs(2), ..of_cluster(&servers) }).await;
    let mut sessions = Vec::new();
    for _ in 0..30 {
        let session = SessionRef { home: random_id(), id: random_id() };
        store.establish(NOW, None, session, b"one".to_vec(), END).await.unwrap();
        sessions.push(session);
    }
    // One slot with a session moves from whoever has it to another master, key by key, while it is read.
    let moving = sessions[0];
    let redis::Value::Array(keys) = keys_of(&servers, &moving).await else { panic!("no key") };
    let key: String = redis::from_redis_value(keys[0].clone()).unwrap();
    let redis::Value::Int(slot) = servers[0].ask(&["CLUSTER", "KEYSLOT", &key]).await else { panic!("no slot") };
    let (from, to) = match slot {
        0..=5461 => (0, 1),
        5462..=10_922 => (1, 2),
        _ => (2, 0),
    };
    let mut ids = Vec::new();
    for server in &servers {
        ids.push(server.tell(&["CLUSTER", "MYID"]).await);
    }
    let slot = slot.to_string();
    servers[to].ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &ids[from]]).await;
    servers[from].ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &ids[to]]).await;
    let port = servers[to].port.to_string();
    servers[from].ask(&["MIGRATE", "127.0.0.1", &port, &key, "0", "5000"]).await;
    let read = async |session| {
        let begin = Begin { session: Some(session), ..Begin::default() };
        store.begin(NOW, begin).await.map(|it| it.session.map(|it| it.sealed))
    };
    assert_eq!(read(moving).await, Ok(Some(b"one".to_vec())), "asked where it is going");
    for server in &servers {
        server.ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &ids[to]]).await;
    }
    assert_eq!(read(moving).await, Ok(Some(b"one".to_vec())), "asked where it has moved");

    servers[2].kill();
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let mut lost = 0;
        for session in &sessions {
            let began = Instant::now();
            match read(*session).await {
                Ok(found) => assert_eq!(found, Some(b"one".to_vec())),
                Err(_) => lost += 1,
            }
            assert!(began.elapsed() < Duration::from_millis(2500), "{:?}", began.elapsed());
        }
        if (1..30).contains(&lost) && store.trouble().is_some() {
            break;
        }
        assert!(Instant::now() < until, "{lost} of 30 are lost, {:?}", store.trouble());
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(store.health().await, Ok(()), "two thirds are there");
}

/// Three masters, each with a replica that has followed it completely.
async fn cluster_with_replicas() -> (Vec<Server>, Vec<Server>) {
    let masters = cluster().await;
    let mut replicas = Vec::new();
    for master in &masters {
        let port = free_port();
        let bus = (port + 10_000).to_string();
        let arguments = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-require-full-coverage", "no"];
        let replica = Server::at(port, &arguments).await;
        let id = master.tell(&["CLUSTER", "MYID"]).await;
        let bus = (master.port + 10_000).to_string();
        replica.ask(&["CLUSTER", "MEET", "127.0.0.1", &master.port.to_string(), &bus]).await;
        until(&replica, &["CLUSTER", "NODES"], &id).await;
        replica.ask(&["CLUSTER", "REPLICATE", &id]).await;
        replicas.push(replica);
    }
    for (master, replica) in masters.iter().zip(&replicas) {
        replica.until_replication_says("master_link_status:up").await;
        master.until_replication_says("connected_slaves:1").await;
    }
    // Everybody has to know everybody: only masters that know each other vote.
    for server in masters.iter().chain(&replicas) {
        until(server, &["CLUSTER", "INFO"], "cluster_known_nodes:6").await;
        server.ask(&["CONFIG", "SET", "cluster-node-timeout", "1500"]).await;
    }
    (masters, replicas)
}

async fn until(server: &Server, question: &[&str], part: &str) {
    for _ in 0..1000 {
        if server.tell(question).await.contains(part) {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("never {part}: {}", server.tell(question).await);
}

/// So many that every master has some: that one of three has none of thirty happens once in 60,000 runs.
const ACCOUNTS: usize = 30;

/// What is spread over all masters: used up, or not yet.
struct Spread {
    used: Vec<Outstanding>,
    open: Vec<Outstanding>,
}

impl Spread {
    async fn begin(store: &Redis) -> Spread {
        let mut spread = Spread { used: Vec::new(), open: Vec::new() };
        for _ in 0..ACCOUNTS {
            let outstanding = Outstanding::begin(store).await;
            assert_eq!(failures(store, outstanding.account, Touch::Hit).await, 1, "nothing was presumed before");
            assert_eq!(outstanding.use_up(store).await, [true; 5]);
            spread.used.push(outstanding);
            spread.open.push(Outstanding::begin(store).await);
        }
        spread
    }

    /// Waits until every slot that matters is there again.
    async fn are_back(&self, store: &Redis) {
        let until = Instant::now() + Duration::from_secs(60);
        for outstanding in self.used.iter().chain(&self.open) {
            while store.lock(outstanding.account, END).await.is_err() {
                assert!(Instant::now() < until, "not back: {:?}", store.trouble());
                sleep(Duration::from_millis(20)).await;
            }
        }
        is_back(store).await;
    }

    /// Nothing is usable again; how many of those that were never used are void as well.
    async fn voided(&self, store: &Redis) -> usize {
        for outstanding in &self.used {
            outstanding.is_gone(store, [true; 5]).await;
            let failed = failures(store, outstanding.account, Touch::Look).await;
            assert!([1, 5].contains(&failed), "as it was, or strict where its master is another one: {failed}");
        }
        let mut voided = 0;
        for outstanding in &self.open {
            let (account, challenge) = (outstanding.account.id, outstanding.challenge);
            let is_void = store.peek_challenge(NOW, account, challenge).await.unwrap().is_none();
            let parked = store.peek_parked(NOW, account, outstanding.parked).await.unwrap();
            assert_eq!(is_void, parked.is_none(), "one account is in one slot");
            voided += usize::from(is_void);
        }
        voided
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_replica_that_takes_over_in_a_cluster_voids_what_was_open_there_and_nothing_elsewhere() {
    let (mut masters, replicas) = cluster_with_replicas().await;
    let store = store(&settings::Redis { wait: Duration::from_secs(5), ..of_cluster(&masters) }).await;
    let spread = Spread::begin(&store).await;
    assert_eq!(spread.voided(&store).await, 0);

    masters[0].kill();
    replicas[0].until_replication_says("role:master").await;
    spread.are_back(&store).await;
    let after_one = spread.voided(&store).await;
    assert!((1..ACCOUNTS).contains(&after_one), "{after_one} of {ACCOUNTS} were on a third of the slots");

    // This one lives on as a replica of its own replica, and tells everybody where its slots have moved.
    replicas[1].ask(&["CLUSTER", "FAILOVER"]).await;
    replicas[1].until_replication_says("role:master").await;
    masters[1].until_replication_says("role:slave").await;
    spread.are_back(&store).await;
    let after_two = spread.voided(&store).await;
    assert!((after_one + 1..ACCOUNTS).contains(&after_two), "{after_one}, then {after_two} of {ACCOUNTS}");

    // Whoever comes late knows it, too.
    let late = crate::redis::store(&of_cluster(&replicas)).await;
    assert_eq!(spread.voided(&late).await, after_two);
}

/// The keys of a session, of whichever server has them.
async fn keys_of(servers: &[Server], session: &SessionRef) -> redis::Value {
    let pattern = format!("*{}*s:*", data_encoding::BASE64URL_NOPAD.encode(&session.id));
    for server in servers {
        let found = server.ask(&["KEYS", &pattern]).await;
        if !matches!(&found, redis::Value::Array(keys) if keys.is_empty()) {
            return found;
        }
    }
    panic!("no server has the session");
}
