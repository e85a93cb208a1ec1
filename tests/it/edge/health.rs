//! Apps at several addresses that are asked whether they are well: one goes down, others carry on, it comes back.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use stepward::settings::Health;

use crate::{
    edge::world::{self, Started},
    origin::exchange,
    visitor::Visitor,
    world::{App, status},
};

/// Quick checks: two failures take an address out, two successes bring it back.
fn checks() -> Health {
    Health {
        path: "/healthz".into(),
        host: "app.internal".into(),
        every: Duration::from_millis(50),
        within: Duration::from_millis(500),
        down_after: 2,
        up_after: 2,
        status: Vec::new(),
    }
}

async fn in_front_of(addresses: &[SocketAddr], health: Health) -> Started {
    let mut settings = world::settings(addresses[0]);
    let upstream = stepward::settings::Upstream { health: Some(health), ..world::upstream("app", addresses) };
    settings.upstreams.insert("app".into(), upstream);
    settings.health = Some("127.0.0.1:0".parse().unwrap());
    world::start(&settings).await
}

/// So many requests, which must all be answered well.
async fn requests(edge: &Started, count: usize) {
    for _ in 0..count {
        let answer = exchange(edge.addresses[0], b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        assert_eq!(status(&answer), 200, "{answer}");
    }
}

/// How many of these requests an app has seen, checks not counted.
fn seen(app: &App) -> usize {
    app.seen().iter().filter(|text| text.starts_with("GET / ")).count()
}

async fn ready(edge: &Started) -> (u16, String) {
    let seen = Visitor::of(edge.gateway.api.health.unwrap()).get("/readyz?verbose").await;
    (seen.status.as_u16(), seen.text)
}

async fn wait_until(edge: &Started, line: &str) {
    let begun = Instant::now();
    loop {
        let text = edge.gateway.journeys.parts().metrics.text();
        if text.contains(line) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "never `{line}`:\n{text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn addresses(state: &str, count: usize) -> String {
    format!("stepward_upstream_addresses{{upstream=\"app\",state=\"{state}\"}} {count}\n")
}

#[tokio::test]
async fn an_app_that_says_it_is_ill_gets_no_requests_until_it_is_well_again() {
    let (one, other) = (App::start().await, App::start().await);
    let edge = in_front_of(&[one.address, other.address], checks()).await;
    wait_until(&edge, &addresses("up", 2)).await;
    requests(&edge, 8).await;
    assert_eq!((seen(&one), seen(&other)), (4, 4), "in turn");
    let asked = one.last("GET /healthz");
    assert!(asked.contains("Host: app.internal\r\n") && asked.contains("stepward-health"), "{asked}");

    one.says("GET /healthz", 503, "busy");
    wait_until(&edge, &addresses("down", 1)).await;
    let before = seen(&one);
    requests(&edge, 8).await;
    assert_eq!(seen(&one), before, "it still answers, and is left alone");
    let (status, text) = ready(&edge).await;
    assert!(text.contains("[-] upstreams: 1 of 2 addresses of `app` are down"), "{text}");
    assert_eq!(status, 200, "one app that is ill is no reason to turn everybody away");

    one.says("GET /healthz", 200, "well");
    wait_until(&edge, &addresses("down", 0)).await;
    requests(&edge, 8).await;
    assert_eq!(seen(&one), before + 4, "it is back");
    assert!(ready(&edge).await.1.contains("[+] upstreams: ok"));
}

#[tokio::test]
async fn an_app_that_dies_costs_no_request_and_comes_back() {
    let (one, other) = (App::start().await, App::start().await);
    let edge = in_front_of(&[one.address, other.address], checks()).await;
    wait_until(&edge, &addresses("up", 2)).await;
    let address = one.address;
    one.stop();
    requests(&edge, 8).await;
    wait_until(&edge, &addresses("down", 1)).await;
    requests(&edge, 8).await;
    let one = App::at(address).await;
    wait_until(&edge, &addresses("down", 0)).await;
    // Whoever refused a live request is left alone for five seconds more.
    tokio::time::sleep(Duration::from_secs(5)).await;
    requests(&edge, 8).await;
    assert!(seen(&one) >= 3, "it is back");
}

#[tokio::test]
async fn a_silent_app_is_down_a_status_that_was_asked_for_is_well_and_where_all_are_down_all_are_tried() {
    let (one, other) = (App::start().await, App::start().await);
    one.hangs("GET /healthz");
    other.says("GET /healthz", 404, "no such page");
    let health = Health { within: Duration::from_millis(100), status: vec![204, 404], ..checks() };
    let edge = in_front_of(&[one.address, other.address], health).await;
    wait_until(&edge, &addresses("down", 1)).await;
    requests(&edge, 4).await;
    assert_eq!((seen(&one), seen(&other)), (0, 4));
    other.says("GET /healthz", 200, "not what was asked for");
    wait_until(&edge, &addresses("down", 2)).await;
    requests(&edge, 4).await;
    assert_eq!((seen(&one), seen(&other)), (2, 6), "a check that is wrong takes nothing away");
}
