//! Redis is lost in every way it can be: events get their strict action at once, nothing fails open, everything else goes
//! on, `/readyz` tells why, and work resumes when it is back.

use std::time::{Duration, Instant};

use http::StatusCode;

use crate::{
    redis_server::{Mood, Relay, Server},
    visitor::Visitor,
    world::{LOGIN, Town, World},
};

/// How soon an event is refused; the machine's own slowness comes on top in tests.
const STRICT_WITHIN: Duration = Duration::from_millis(250);
/// How soon work resumes.
const BACK_WITHIN: Duration = Duration::from_secs(2);

struct Lost {
    town: Town,
    server: Server,
    relay: Relay,
    visitor: Visitor,
}

impl Lost {
    async fn start(arguments: &[&str]) -> Lost {
        let server = Server::with(arguments).await;
        let relay = Relay::before(&[([127, 0, 0, 1], server.port).into()]).await;
        let url = server.file("relay", &format!("redis://default:s3cr3t@{}", relay.address));
        server.ask(&["CONFIG", "SET", "requirepass", ""]).await;
        let state = format!(
            "state: {{ store: redis, url: {{ file: \"{}\" }}, path: state }}\nhealth: {{ address: \"127.0.0.1:0\" }}",
            url.display()
        );
        let page = "event: page\ncovers: [GET /page]\nwhen_unsure: block\notherwise: forward\n";
        let limited = "event: limited\ncovers: [GET /limited]\nwhen_unsure: block\notherwise: { throttle: { rate: 1000/min, per: ip } }\n";
        let town = World::new().policy(LOGIN).policy(page).policy(limited).settings(&state).start().await;
        let mut visitor = town.visitor();
        town.sign_in(&mut visitor, "ada").await;
        let mut lost = Lost { town, server, relay, visitor };
        lost.is_served().await;
        lost
    }

    async fn is_served(&mut self) {
        for path in ["/page", "/limited"] {
            let seen = self.visitor.get(path).await;
            assert_eq!(seen.status, StatusCode::OK, "{path}: {}", seen.text);
        }
        assert_eq!(self.ready().await.0, StatusCode::OK);
    }

    async fn ready(&self) -> (StatusCode, String) {
        let address = self.town.gateway.api.health.unwrap();
        let seen = Visitor::of(address).get("/readyz?verbose").await;
        (seen.status, seen.text)
    }

    /// Waits until the reason is told.
    async fn tells(&self, reason: &str) {
        let until = Instant::now() + Duration::from_secs(3);
        loop {
            let (status, text) = self.ready().await;
            if status == StatusCode::SERVICE_UNAVAILABLE && text.contains(reason) {
                assert!(!text.contains("s3cr3t"), "{text}");
                return;
            }
            assert!(Instant::now() < until, "`{reason}` is not told: {status} {text}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// While it is lost: every event is refused in time, other requests are served, and the reason is told.
    async fn is_strict(&mut self, reason: &str) {
        let served = self.town.app.count("GET /page") + self.town.app.count("GET /limited");
        for round in 0..5 {
            for path in ["/page", "/limited"] {
                let began = Instant::now();
                let seen = self.visitor.get(path).await;
                let took = began.elapsed();
                assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE, "{round} {path}: {}", seen.text);
                assert!(took <= STRICT_WITHIN + Duration::from_millis(100), "{round} {path} took {took:?}");
            }
            assert_eq!(self.visitor.get("/no-event").await.status, StatusCode::OK);
        }
        let login = self.visitor.post("/login", &[("username", "eve"), ("password", "right")]).await;
        assert_eq!(login.status, StatusCode::SERVICE_UNAVAILABLE, "{}", login.text);
        let after = self.town.app.count("GET /page") + self.town.app.count("GET /limited");
        assert_eq!(after, served, "nothing reached the app");
        self.tells(reason).await;
    }

    async fn comes_back(&mut self) {
        let began = Instant::now();
        while self.visitor.get("/page").await.status != StatusCode::OK {
            assert!(began.elapsed() <= BACK_WITHIN, "not back after {:?}", began.elapsed());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.is_served().await;
    }
}

#[tokio::test]
async fn killed_and_started_again() {
    let mut lost = Lost::start(&["--appendonly", "yes"]).await;
    lost.server.kill();
    lost.is_strict("Redis at").await;
    lost.server.run().await;
    lost.comes_back().await;
}

#[tokio::test]
async fn paused_and_resumed() {
    let mut lost = Lost::start(&[]).await;
    lost.server.pause();
    lost.is_strict("does not answer in time").await;
    lost.server.resume();
    lost.comes_back().await;
}

#[tokio::test]
async fn two_seconds_slow() {
    let mut lost = Lost::start(&[]).await;
    lost.relay.becomes(Mood::Slow);
    lost.is_strict("does not answer in time").await;
    lost.relay.becomes(Mood::Willing);
    lost.comes_back().await;
}

#[tokio::test]
async fn deaf_with_open_connections() {
    let mut lost = Lost::start(&[]).await;
    lost.relay.becomes(Mood::Deaf);
    lost.is_strict("does not answer in time").await;
    lost.relay.becomes(Mood::Willing);
    lost.relay.cut().await;
    lost.comes_back().await;
}

#[tokio::test]
async fn a_password_that_is_wrong_by_now() {
    let mut lost = Lost::start(&[]).await;
    lost.server.ask(&["CONFIG", "SET", "requirepass", "another"]).await;
    lost.relay.cut().await;
    lost.is_strict("WRONGPASS").await;
    lost.server.login("default", "another");
    lost.server.ask(&["CONFIG", "SET", "requirepass", "s3cr3t"]).await;
    lost.comes_back().await;
}

#[tokio::test]
async fn out_of_memory() {
    let mut lost = Lost::start(&["--maxmemory-policy", "noeviction"]).await;
    lost.server.ask(&["CONFIG", "SET", "maxmemory", "1"]).await;
    // What only reads is still answered, until the server is found out: twice a second it has to write.
    let raised = lost.visitor.get("/limited").await;
    assert_eq!(raised.status, StatusCode::SERVICE_UNAVAILABLE, "{}", raised.text);
    lost.tells("OOM").await;
    lost.is_strict("OOM").await;
    lost.server.ask(&["CONFIG", "SET", "maxmemory", "0"]).await;
    lost.comes_back().await;
}

#[tokio::test]
async fn a_master_that_becomes_a_read_only_replica() {
    let mut lost = Lost::start(&[]).await;
    let master = Server::start().await;
    lost.server.ask(&["REPLICAOF", "127.0.0.1", &master.port.to_string()]).await;
    let raised = lost.visitor.get("/limited").await;
    assert_eq!(raised.status, StatusCode::SERVICE_UNAVAILABLE, "{}", raised.text);
    lost.tells("READONLY").await;
    lost.is_strict("READONLY").await;
    lost.server.ask(&["REPLICAOF", "NO", "ONE"]).await;
    // Its data is the other master's now: it has no session any more, and lets nobody in by one.
    let began = Instant::now();
    while lost.ready().await.0 != StatusCode::OK {
        assert!(began.elapsed() <= BACK_WITHIN, "not back after {:?}", began.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
