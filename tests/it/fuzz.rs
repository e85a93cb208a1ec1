//! Mutated bytes against a whole gateway: nothing protected is reached, nothing breaks, nobody else is hurt.
//!
//! DESIGN §8: 0 of 1,000,000. The suite tries [`REQUESTS`] for at most [`TIME`]; `make fuzz` tries a million and more
//! (`STEPWARD_FUZZ_REQUESTS`, `STEPWARD_FUZZ_SEED`). Every request of a seed is the same in every run.

use std::{
    panic,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{net::TcpStream, time::timeout};

use crate::world::{World, request, status};

mod grammar;
mod judge;
mod wire;

use grammar::Random;
use judge::Judge;
use wire::Answer;

/// How many requests the suite sends.
const REQUESTS: u64 = 100_000;
/// For how long at most; a machine that builds something else meanwhile sends fewer.
const TIME: Duration = Duration::from_secs(30);
/// Fewer than this prove nothing.
const REQUESTS_MIN: u64 = 10_000;
/// Connections at a time.
const LANES: u64 = 64;
/// What a request that the gateway waits for the rest of is given.
const PATIENCE: Duration = Duration::from_millis(80);

const POLICIES: [&str; 4] = [
    "event: transfer\ncovers: [POST /transfer]\nwhen_unsure: block\notherwise: block\n",
    "event: admin\ncovers: ['ANY /admin/**', ANY /admin]\nwhen_unsure: block\notherwise: block\n",
    "event: delete order\ncovers: ['DELETE /orders/{id}']\nwhen_unsure: block\notherwise: block\n",
    "event: pay\ncovers: [POST /pay]\nfacts:\n  amount: { from: body.amount, type: number }\nwhen_unsure: block\notherwise: block\nsteps:\n  - decide: size\n    rules:\n      - rule: small\n        when: event.amount < 100\n        then: { forward: { headers: { X-Risk: low } } }\n",
];

/// What was seen of all requests.
#[derive(Default)]
struct Tally {
    sent: AtomicU64,
    answered: AtomicU64,
    refused: AtomicU64,
    broken: AtomicU64,
    panics: AtomicU64,
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|it| it.parse().ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_mutated_request_reaches_what_is_protected_or_breaks_the_gateway() {
    let asked = number("STEPWARD_FUZZ_REQUESTS");
    let (requests, time) = (asked.unwrap_or(REQUESTS), asked.map_or(TIME, |_| Duration::from_secs(86_400)));
    let seed = number("STEPWARD_FUZZ_SEED").unwrap_or(0x5EED);
    let judge = Judge::start().await;
    let world = POLICIES.iter().fold(World::new(), |world, policy| world.policy(policy));
    let upstreams = format!("upstreams: {{ app: {{ url: \"http://{}\" }} }}", judge.address);
    let routes = "routes: [{ host: a.test, upstream: app }]";
    let town = world.settings(&upstreams).settings(routes).settings("decision_log: { file: /dev/null }").start().await;
    let tally = Arc::new(Tally::default());
    count_panics(&tally);

    let until = Instant::now() + time;
    let mut lanes = tokio::task::JoinSet::new();
    for lane in 0..LANES {
        let (tally, address) = (Arc::clone(&tally), town.address());
        let mut random = Random::of(seed ^ (lane + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        lanes.spawn(async move {
            let mut open: Option<TcpStream> = None;
            while tally.sent.fetch_add(1, Ordering::Relaxed) < requests && Instant::now() < until {
                let attack = grammar::attack(&mut random);
                let answer = wire::send(address, &mut open, &attack, PATIENCE).await;
                match answer {
                    Answer::Status(status) => {
                        tally.answered.fetch_add(1, Ordering::Relaxed);
                        tally.refused.fetch_add(u64::from(status >= 400), Ordering::Relaxed);
                        if status >= 500 {
                            tally.broken.fetch_add(1, Ordering::Relaxed);
                            eprintln!("{status}: {attack:?}");
                        }
                    }
                    Answer::Closed | Answer::Waiting => {}
                }
            }
        });
    }
    while let Some(lane) = lanes.join_next().await {
        lane.unwrap();
    }
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (sent, answered) = (read(&tally.sent).min(requests), read(&tally.answered));
    let reached = judge.reached();
    eprintln!(
        "seed {seed}: {sent} sent, {answered} answered, {} refused, {reached} reached the app",
        read(&tally.refused)
    );
    assert_eq!(judge.verdicts(), [""; 0], "of {sent} requests of seed {seed}");
    assert_eq!(read(&tally.broken), 0, "answers of 500 and above, seed {seed}");
    assert_eq!(read(&tally.panics), 0, "panics, seed {seed}");
    assert!(sent >= REQUESTS_MIN, "only {sent} requests in {time:?}");
    assert!(reached * 20 > sent, "only {reached} of {sent} reached the app: nothing was tried");
    assert!(answered * 2 > sent, "only {answered} of {sent} were answered");
    alive(&town.raw(&request("GET /public/x", &[], "")).await, 200);
    alive(&town.raw(&request("POST /transfer", &[], "")).await, 403);
    let small = request("POST /pay", &["Content-Type: application/json"], r#"{"amount":1}"#);
    alive(&timeout(Duration::from_secs(5), town.raw(&small)).await.unwrap(), 200);
}

fn alive(answer: &str, expected: u16) {
    assert_eq!(status(answer), expected, "the gateway afterwards: {answer}");
}

/// Counts panics anywhere but in the tests themselves.
fn count_panics(tally: &Arc<Tally>) {
    let (tally, before) = (Arc::clone(tally), panic::take_hook());
    panic::set_hook(Box::new(move |told| {
        if told.location().is_none_or(|at| !at.file().starts_with("tests/")) {
            tally.panics.fetch_add(1, Ordering::Relaxed);
        }
        before(told);
    }));
}
