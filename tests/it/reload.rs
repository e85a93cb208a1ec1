//! Policies change while requests pass: a bad set changes nothing, a good one is swapped in whole.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::StatusCode;

use crate::{
    visitor::Visitor,
    world::{Town, World, request, status},
};

fn page(outcome: &str) -> String {
    format!("event: page\ncovers: [GET /page]\nwhen_unsure: block\notherwise: {outcome}\n")
}

async fn town() -> Town {
    World::new().policy(&page("forward")).settings("health: { address: \"127.0.0.1:0\" }").start().await
}

#[tokio::test]
async fn a_broken_policy_leaves_the_last_good_one_at_work_and_is_told() {
    let town = town().await;
    let mut visitor = town.visitor();
    let before = town.release().number;
    for broken in ["event: page\ncovers: [", "event: page\ncovrs: [GET /page]\n", "", "event: page\ncovers: [GET /page]\nwhen_unsure: forward\notherwise: forward\n"] {
        town.write_policy(0, broken);
        town.gateway.reload();
        assert_eq!(town.release().number, before, "{broken:?} went live");
        assert!(town.gateway.journeys.parts().registry.refused().is_some(), "{broken:?} is not told");
        assert_eq!(visitor.get("/page").await.status, StatusCode::OK);
        assert!(town.app.last("GET /page").to_lowercase().contains("stepward-event: page"), "still an event");
    }
    let health = town.gateway.api.health.unwrap_or_else(|| panic!("no health address"));
    let said = Visitor::of(health).get("/readyz?verbose").await;
    assert!(said.text.lines().any(|line| line.starts_with("[-]") && line.contains("polic")), "{}", said.text);

    town.write_policy(0, &page("block"));
    town.gateway.reload();
    assert!(town.release().number > before);
    assert!(town.gateway.journeys.parts().registry.refused().is_none());
    assert_eq!(visitor.get("/page").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_policy_that_is_saved_is_live_by_itself() {
    let town = town().await;
    let mut visitor = town.visitor();
    town.write_policy(0, &page("block"));
    for _ in 0..100 {
        if visitor.get("/page").await.status == StatusCode::FORBIDDEN {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("ten seconds later the old policy is still live");
}

#[tokio::test]
async fn two_hundred_reloads_under_load_lose_no_request_and_mix_no_decision() {
    let town = town().await;
    let marked = |mark: &str| page(&format!("{{ forward: {{ headers: {{ X-One: {mark}, X-Two: {mark} }} }} }}"));
    town.write_policy(0, &marked("even"));
    town.gateway.reload();
    let over = Arc::new(AtomicBool::new(false));
    let mut load = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (address, over) = (town.address(), over.clone());
        load.spawn(async move {
            let mut tcp = tokio::net::TcpStream::connect(address).await.unwrap();
            let mut sent = 0;
            while !over.load(Ordering::Relaxed) {
                tokio::io::AsyncWriteExt::write_all(&mut tcp, request("GET /page", &[], "").as_bytes()).await.unwrap();
                let answer = crate::origin::answer(&mut tcp).await;
                assert_eq!(status(&answer), 200, "{answer}");
                sent += 1;
            }
            sent
        });
    }
    let before = town.release().number;
    for turn in 0..200 {
        town.write_policy(0, &marked(if turn % 2 == 0 { "odd" } else { "even" }));
        town.gateway.reload();
        tokio::task::yield_now().await;
    }
    over.store(true, Ordering::Relaxed);
    let sent: usize = load.join_all().await.into_iter().sum();
    assert!(town.release().number >= before + 100, "{} releases", town.release().number - before);
    let seen = town.app.seen();
    assert_eq!(seen.len(), sent, "every request reached the app once");
    for text in seen {
        let text = text.to_lowercase();
        let even = text.matches(": even\r\n").count();
        assert!(matches!((even, text.matches(": odd\r\n").count()), (2, 0) | (0, 2)), "two policies at once: {text}");
    }
}
