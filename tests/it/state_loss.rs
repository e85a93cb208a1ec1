//! The state store is lost: events get their strict action at once, everything else goes on.

use std::time::{Duration, Instant};

use http::StatusCode;

use crate::{
    process::{BINARY, Scene, get},
    visitor::Visitor,
    world::{LOGIN, Town, World},
};

fn event(name: &str, more: &str) -> String {
    format!("event: {name}\ncovers: [GET /{name}]\n{more}when_unsure: block\notherwise: forward\n")
}

fn lose_state(town: &Town) {
    town.gateway.journeys.parts().store.shut();
}

#[tokio::test]
async fn events_are_refused_within_their_wait_and_other_requests_untouched() {
    let town = World::new().policy(LOGIN).policy(&event("page", "")).start().await;
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    assert_eq!(ada.get("/page").await.status, StatusCode::OK);
    lose_state(&town);
    for _ in 0..3 {
        let began = Instant::now();
        let refused = ada.get("/page").await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{}", refused.text);
        assert!(began.elapsed() < Duration::from_millis(1250), "{:?}", began.elapsed());
        assert!(refused.headers.contains_key("retry-after"));
    }
    let program = town.program().get("/page").await;
    assert!(program.text.contains("state.unavailable") || program.json()["status"] == 503, "{}", program.text);
    let login = town.visitor().post("/login", &[("username", "bob"), ("password", "right")]).await;
    assert_eq!(login.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(town.app.count("GET /page"), 1, "nothing more reached the app");
    assert_eq!(town.app.count("POST /login"), 1);
    assert_eq!(ada.get("/no-event").await.status, StatusCode::OK);
    let lines = town.decisions();
    assert!(lines.iter().any(|it| it.to_string().contains("state.unavailable")), "it is written down: {lines:?}");
}

#[tokio::test]
async fn an_event_says_whether_it_goes_on_without_state() {
    let policies = [
        event("strict", "on_state_loss: deny\n"),
        event("open", "on_state_loss: allow\n"),
        event("graded", "on_state_loss: degrade\n"),
    ];
    let town = World::new().policy(&policies[0]).policy(&policies[1]).policy(&policies[2]).start().await;
    let mut visitor = town.visitor();
    lose_state(&town);
    for (path, expected) in [("/strict", 503), ("/open", 200), ("/graded", 200)] {
        let seen = visitor.get(path).await;
        assert_eq!(seen.status, expected, "{path}: {}", seen.text);
    }
    town.wait_ms(61_000);
    assert_eq!(visitor.get("/open").await.status, StatusCode::OK, "allow has no end");
    let late = visitor.get("/graded").await;
    assert_eq!(late.status, StatusCode::SERVICE_UNAVAILABLE, "degrading ends after a minute: {}", late.text);
}

#[tokio::test]
async fn without_state_no_proof_counts_and_no_challenge_lets_in() {
    let proven = "event: pay\ncovers: [POST /pay]\non_state_loss: allow\nwhen_unsure: block\notherwise: block\nsteps:\n  - require: a code\n    proof: [totp]\n  - finish: pay\n    then: forward\n";
    let town = World::new().policy(LOGIN).policy(proven).start().await;
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    let secret = town.totp("ada").await;
    let asked = ada.post("/pay", &[]).await;
    let resume = town.prove(&mut ada, &asked, &secret).await;
    lose_state(&town);
    assert!(ada.post(&resume, &[]).await.status.is_server_error(), "a resume needs the store");
    for mut visitor in [town.visitor(), town.program()] {
        let seen = visitor.post("/pay", &[]).await;
        assert!(!seen.status.is_success(), "{} {}", seen.status, seen.text);
    }
    assert_eq!(town.app.count("POST /pay"), 0);
}

/// The file that state is in takes no more bytes: what a full disk is to a process.
#[tokio::test]
async fn a_full_disk_under_the_embedded_store_stops_events_is_told_and_ends_when_there_is_room() {
    let scene = Scene::new().await;
    // A write past the limit fails as one to a full disk does, instead of ending the process.
    scene.replace_binary(&format!("#!/bin/bash\ntrap '' XFSZ\nexec {BINARY} \"$@\"\n"));
    let started = scene.start();
    let address = scene.address(1).await;
    let health = scene.told("health on ", 1).await[0].split_once("health on ").unwrap().1.trim().parse().unwrap();
    assert_eq!(get(address, "/page").await, 200);
    let limit = |bytes: &str| {
        let limited = std::process::Command::new("prlimit").args(["--pid", &started.pid(), bytes]).status().unwrap();
        assert!(limited.success());
    };
    let becomes = async |status: u16| {
        let began = Instant::now();
        while get(address, "/page").await != status {
            assert!(began.elapsed() < Duration::from_secs(30), "never {status}: {:#?}", scene.lines());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    limit("--fsize=4096:unlimited");
    becomes(503).await;
    for _ in 0..3 {
        let began = Instant::now();
        assert_eq!(get(address, "/page").await, 503);
        assert!(began.elapsed() < Duration::from_millis(1250), "{:?}", began.elapsed());
        assert_eq!(get(address, "/no-event").await, 200, "nothing else is touched");
    }
    let ready = Visitor::of(health).get("/readyz?verbose").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE, "{}", ready.text);
    assert!(ready.text.contains("state store"), "{}", ready.text);
    limit("--fsize=unlimited:unlimited");
    becomes(200).await;
    assert_eq!(Visitor::of(health).get("/readyz").await.status, StatusCode::OK);
}
