//! What a challenge costs the server: its page (bar: 5 ms at the 99th percentile) and issuing one without e-mail (bar:
//! 1,000 a second on one core), both with their session, their parked request and everything kept on disk.
//!
//! `cargo bench --bench challenge [-- --check]`; with `--check` a bar that is missed is an error. HTTP itself is left out:
//! what is measured begins with a request that was read and ends with an answer that could be written. One thread serves;
//! the store's own writes to disk beside it, as it does in a process that runs.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench that cannot run should stop")]

use std::{fs, process::ExitCode, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use stepward::{
    arrival::{Arrival, Client},
    clock::Clock,
    gateway,
    journey::{
        Journeys,
        seam::{Ruling, Sighting},
    },
    reply::Reply,
    settings::{self, Presence},
};
use stepward_core::request::{Body, Request};
use tokio::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SETTINGS: &str = "
listen: [{ address: \"127.0.0.1:0\" }]
upstreams: { app: { url: \"http://127.0.0.1:9\" } }
routes: [{ upstream: app }]
state: { store: embedded, path: state, wait: 60s }
policies: policies
decision_log: { file: decisions.jsonl }
";
const POLICY: &str = "
event: pay
covers: [POST /pay]
when_unsure: block
otherwise: block
steps:
  - require: a code
    proof: [totp, recovery_code]
    attempts: 3
  - finish: pay
    then: forward
";
/// So many are issued; fewer than a tenant may park.
const ISSUED: usize = 8_000;
/// So many at once, as browsers are.
const AT_ONCE: usize = 64;
const PAGES: usize = 5_000;
const PAGE_P99_MAX: Duration = Duration::from_millis(5);
const ISSUED_A_SECOND_MIN: f64 = 1_000.0;

fn main() -> ExitCode {
    let check = std::env::args().any(|argument| argument == "--check");
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (rate, p50, p99) = runtime.block_on(measured());
    println!("challenges issued a second, one thread: {rate:.0} (bar {ISSUED_A_SECOND_MIN:.0})");
    println!("page of a challenge, server time: p50 {p50:?}, p99 {p99:?} (bar {PAGE_P99_MAX:?})");
    match check && (rate < ISSUED_A_SECOND_MIN || p99 > PAGE_P99_MAX) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

async fn measured() -> (f64, Duration, Duration) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("stepward.yaml"), SETTINGS).unwrap();
    fs::create_dir(folder.path().join("policies")).unwrap();
    fs::write(folder.path().join("policies/pay.yaml"), POLICY).unwrap();
    let loaded = settings::load(&folder.path().join("stepward.yaml"), Presence::Required);
    let loaded = loaded.unwrap_or_else(|trouble| panic!("{:?}", trouble.found));
    let gateway = gateway::start(loaded.settings, None, Clock::System).await.unwrap_or_else(|it| panic!("{it:?}"));
    let journeys = gateway.journeys.clone();

    // Warm: templates, keys and the store's first pages.
    let mut last = issue(&journeys).await;
    let began = Instant::now();
    for _ in 0..ISSUED / AT_ONCE {
        let one = || issue(&journeys);
        last = futures_util::future::join_all((0..AT_ONCE).map(|_| one())).await.pop().unwrap();
    }
    let rate = (ISSUED / AT_ONCE * AT_ONCE) as f64 / began.elapsed().as_secs_f64();

    let (path, cookies) = challenge(&last);
    let mut times = Vec::with_capacity(PAGES);
    for _ in 0..PAGES {
        let began = Instant::now();
        let page = answered(journeys.own(&Arc::new(arrival("GET", &path, &cookies, ""))).await);
        times.push(began.elapsed());
        assert_eq!(page.status, StatusCode::OK);
    }
    times.sort();
    gateway.stop(Duration::from_secs(1)).await;
    (rate, times[PAGES / 2], times[PAGES * 99 / 100])
}

/// A form that leads to a challenge, from a browser nobody has seen.
async fn issue(journeys: &Journeys) -> Reply {
    let arrival = Arc::new(arrival("POST", "/pay", &[], "amount=900&payee=DE02120300000000202051"));
    let Sighting::Event(seen) = journeys.recognise(&["POST"], "localhost", "/pay") else { panic!("no event") };
    let reply = answered(journeys.judge(&arrival, seen).await);
    assert_eq!(reply.status, StatusCode::SEE_OTHER);
    reply
}

fn answered(ruling: Ruling) -> Reply {
    match ruling {
        Ruling::Answer(reply) => reply,
        Ruling::Forward(_) => panic!("forwarded"),
    }
}

/// Where a challenge's page is, and what the browser sends with it.
fn challenge(reply: &Reply) -> (String, Vec<(String, String)>) {
    let values = |wanted: &HeaderName| {
        let found = reply.headers.iter().filter(|(name, _)| name == wanted);
        found.map(|(_, value)| value.to_str().unwrap().to_string()).collect::<Vec<_>>()
    };
    let pair = |line: &String| {
        let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
        (name.to_string(), value.to_string())
    };
    (values(&header::LOCATION).pop().unwrap(), values(&header::SET_COOKIE).iter().map(pair).collect())
}

fn arrival(method: &str, path: &str, cookies: &[(String, String)], body: &'static str) -> Arrival {
    let fields = [
        ("host", "localhost"),
        ("origin", "http://localhost"),
        ("accept", "text/html"),
        ("accept-language", "en"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", "same-origin"),
    ];
    let named =
        |(name, value): (&'static str, &'static str)| (HeaderName::from_static(name), HeaderValue::from_static(value));
    let headers: HeaderMap = fields.into_iter().map(named).collect();
    let request = Request {
        method: method.into(),
        host: "localhost".into(),
        path: path.into(),
        query: None,
        headers: fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        cookies: cookies.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect(),
        client_ip: "192.0.2.1".parse().unwrap(),
        secure: false,
        body: Body::Unread,
    };
    Arrival {
        id: "01JREQUEST00000000000000AA".into(),
        route: Arc::new(settings::Route {
            host: None,
            path: "/".into(),
            upstream: "app".into(),
            tenant: "default".into(),
            inject_script: false,
            app_may_ask: false,
        }),
        client: Client::of(&headers),
        request,
        headers,
        body: Some(body.into()),
        upload: None,
        trusted_peer: false,
    }
}
