//! How often a store is asked on the way from a challenge to the resumed request, counted on the wire before a Redis.

use http::StatusCode;

use crate::{
    redis_server::{Relay, Server},
    uploads::world::{UPLOAD, ada},
    world::{LOGIN, World},
};

/// What a node asks Redis without a request: who it is, and for the log.
const NOT_COUNTED: &[&str] = &["string.match(info", "XREAD"];

#[tokio::test]
async fn a_challenge_is_issued_and_its_request_resumed_in_so_many_trips_to_redis_and_no_more() {
    let server = Server::start().await;
    let relay = Relay::counting(&[([127, 0, 0, 1], server.port).into()], NOT_COUNTED).await;
    let url = server.file("relay", &format!("redis://{}", relay.address));
    let state = format!("state: {{ store: redis, url: {{ file: \"{}\" }}, path: state, wait: 60s }}", url.display());
    let town = World::new().policy(LOGIN).policy(UPLOAD).settings(&state).start().await;
    let (mut ada, secret) = ada(&town).await;
    let mut steps = Vec::new();
    for round in 0..2 {
        let now = || [relay.trips(), relay.bunches()];
        let mut seen = now();
        let mut step = |name: &'static str| {
            let [trips, bunches] = now();
            if round == 1 {
                steps.push((name, [trips - seen[0], bunches - seen[1]]));
            }
            seen = [trips, bunches];
        };
        let asked = ada.post("/upload", &[("a", "1")]).await;
        step("asked");
        let challenge = asked.location().to_string();
        ada.get(&challenge).await;
        step("page");
        let code = town.code(&secret);
        step("between");
        let proven = ada.post(&challenge, &[("method", "totp"), ("code", &code)]).await;
        step("proven");
        let passed = ada.get(proven.location()).await;
        step("continue");
        let done = ada.post(&passed.after("action=\""), &[]).await;
        assert_eq!(done.status, StatusCode::OK, "{}", done.text);
        step("resumed");
        town.wait_ms(6 * 60_000);
    }
    println!("trips, and pipelines in them: {steps:?}");
    steps.retain(|(step, _)| *step != "between");
    for ((step, [trips, pipelines]), (expected, most)) in steps.iter().zip(MOST) {
        assert_eq!(*step, expected);
        assert!(*trips <= most[0] && *pipelines <= most[1], "{step}: {steps:?}");
    }
}

/// Round trips of each step, one after another, and pipelines in them: calls that go out together on one connection are
/// one pipeline, and those that go out together on several are one round trip. `docs/performance.md` says why each is there.
const MOST: [(&str, [u64; 2]); 5] =
    [("asked", [3, 4]), ("page", [2, 2]), ("proven", [5, 7]), ("continue", [2, 2]), ("resumed", [3, 4])];
