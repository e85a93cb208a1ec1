//! Many at once: what happens once happens once, what is limited is limited.

use std::time::Duration;

use http::StatusCode;

use crate::{
    visitor::Visitor,
    world::{LOGIN, Town, World},
};

/// A payment that asks for a code.
const PAY: &str = "event: pay\ncovers: [POST /pay]\nwhen_unsure: block\notherwise: block\nsteps:\n  - require: a code\n    proof: [totp]\n    attempts: 3\n    on_fail: { lock_out: subject, for: 10m }\n  - finish: pay\n    then: forward\n";

#[tokio::test]
async fn a_rate_holds_however_many_ask_at_once() {
    let policy =
        "event: act\ncovers: [GET /act]\nwhen_unsure: block\notherwise: { throttle: { rate: 5/min, per: ip } }\n";
    let town = World::new().policy(policy).start().await;
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let mut visitor = town.visitor();
        crowd.spawn(async move { visitor.get("/act").await.status });
    }
    let statuses = crowd.join_all().await;
    assert_eq!(statuses.iter().filter(|it| it.is_success()).count(), 5, "{statuses:?}");
    assert_eq!(town.app.count("GET /act"), 5);
}

#[tokio::test]
async fn two_rules_with_the_same_rate_count_apart() {
    let rule = |how: &str| {
        format!(
            "      - rule: {how}\n        when: event.how == \"{how}\"\n        then: {{ throttle: {{ rate: 2/min, per: ip }} }}\n"
        )
    };
    let policy = format!(
        "event: act\ncovers: [GET /act]\nfacts:\n  how: {{ from: query.how, type: text }}\nwhen_unsure: block\notherwise: {{ throttle: {{ rate: 2/min, per: ip }} }}\nsteps:\n  - decide: as asked\n    rules:\n{}{}",
        rule("read"),
        rule("write")
    );
    let town = World::new().policy(&policy).start().await;
    let mut visitor = town.visitor();
    for how in ["read", "write", "else"] {
        for expected in [StatusCode::OK, StatusCode::OK, StatusCode::TOO_MANY_REQUESTS] {
            let seen = visitor.get(&format!("/act?how={how}")).await;
            assert_eq!(seen.status, expected, "{how}: {}", seen.text);
        }
    }
}

#[tokio::test]
async fn sixty_four_guesses_at_once_are_three_tries() {
    let town = World::new().policy(LOGIN).policy(PAY).start().await;
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    let secret = town.totp("ada").await;
    let asked = ada.post("/pay", &[]).await;
    let challenge = asked.location().to_string();
    let mut crowd = tokio::task::JoinSet::new();
    for guess in 0..64 {
        let mut tab = town.visitor();
        tab.cookies = ada.cookies.clone();
        let challenge = challenge.clone();
        let code = format!("{guess:06}");
        crowd.spawn(async move { tab.post(&challenge, &[("method", "totp"), ("code", &code)]).await.status });
    }
    let statuses = crowd.join_all().await;
    assert!(statuses.iter().all(|it| !it.is_server_error()), "{statuses:?}");
    let code = town.code(&secret);
    ada.post(&challenge, &[("method", "totp"), ("code", &code)]).await;
    let after = ada.post("/pay", &[]).await;
    assert!(!after.status.is_success(), "the right code came too late: {}", after.text);
    assert_eq!(after.status, StatusCode::FORBIDDEN, "and she is locked out: {}", after.text);
    assert_eq!(town.app.count("POST /pay"), 0);
}

#[tokio::test]
async fn a_payment_that_the_store_was_too_late_for_is_made_once_when_it_is_asked_for_again() {
    let town = World::new().policy(LOGIN).policy(PAY).start().await;
    let store = &town.gateway.journeys.parts().store;
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    let secret = town.totp("ada").await;
    let asked = ada.post("/pay", &[]).await;
    let resume = town.prove(&mut ada, &asked, &secret).await;
    // No disk is as fast as that.
    store.answer_within(Duration::ZERO);
    for _ in 0..2 {
        let statuses = click(&town, &ada, &resume).await;
        assert!(statuses.contains(&StatusCode::SERVICE_UNAVAILABLE), "whoever took it is told: {statuses:?}");
        let told = |it: &StatusCode| [StatusCode::SERVICE_UNAVAILABLE, StatusCode::GONE].contains(it);
        assert!(statuses.iter().all(told), "{statuses:?}");
    }
    assert_eq!(town.app.count("POST /pay"), 0, "nothing is sent that is not known to be taken");
    store.answer_within(Duration::from_secs(60));
    let statuses = click(&town, &ada, &resume).await;
    assert_eq!(statuses.iter().filter(|it| it.is_success()).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|it| it.is_success() || *it == StatusCode::GONE), "{statuses:?}");
    assert_eq!(town.app.count("POST /pay"), 1);
}

/// Sixty-four tabs of one browser go on at once.
async fn click(town: &Town, browser: &Visitor, resume: &str) -> Vec<StatusCode> {
    let mut clicks = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let mut tab = town.visitor();
        tab.cookies = browser.cookies.clone();
        let resume = resume.to_string();
        clicks.spawn(async move { tab.post(&resume, &[]).await.status });
    }
    clicks.join_all().await
}

#[tokio::test]
async fn a_hundred_people_sign_in_at_once_and_each_is_herself() {
    let who = "event: who\ncovers: [GET /who]\nwhen_unsure: block\notherwise: forward\nsteps:\n  - decide: people\n    rules:\n      - rule: nobody\n        when: subject.kind != \"human\"\n        then: block\n";
    let town = std::sync::Arc::new(World::new().policy(LOGIN).policy(who).start().await);
    let mut crowd = tokio::task::JoinSet::new();
    town.app
        .answers("POST /login", "HTTP/1.1 303 So\r\nSet-Cookie: sid=same-for-all; Path=/\r\nContent-Length: 0\r\n\r\n");
    for person in 0..100 {
        let mut visitor = town.visitor();
        crowd.spawn(async move {
            let name = format!("person-{person:03}");
            let signed_in = visitor.post("/login", &[("username", &name), ("password", "x")]).await;
            assert_eq!(signed_in.status, StatusCode::SEE_OTHER, "{}", signed_in.text);
            let seen = visitor.get(&format!("/who?i={name}")).await;
            assert_eq!(seen.status, StatusCode::OK, "{name}: {}", seen.text);
        });
    }
    while let Some(person) = crowd.join_next().await {
        person.unwrap();
    }
    for person in 0..100 {
        let seen = town.app.last(&format!("GET /who?i=person-{person:03}")).to_lowercase();
        assert!(seen.contains(&format!("stepward-subject: person-{person:03}\r\n")), "{seen}");
    }
}
