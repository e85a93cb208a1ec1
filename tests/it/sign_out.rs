//! A session ends when its subject signs out, seen or not, and what was proved ends with it. A lock-out does not end.

use http::StatusCode;

use crate::{
    visitor::Visitor,
    world::{LOGIN, Town, World},
};

const LOGOUT: &str = "
event: logout
covers: [POST /logout]
failed: response.status == 403
ends_session: true
when_unsure: block
otherwise: forward
";

/// A page that needs a proof of the last hour.
const SAFE: &str = "
event: safe
covers: [GET /safe, POST /safe]
when_unsure: block
otherwise: block
steps:
  - require: a code
    proof: [totp]
    fresh_for: 1h
  - finish: in
    then: forward
";

/// A page where nothing is asked.
const PAGE: &str = "event: page\ncovers: [ANY /page]\nwhen_unsure: block\notherwise: forward\n";

async fn town() -> Town {
    World::new().policy(LOGIN).policy(LOGOUT).policy(SAFE).policy(PAGE).start().await
}

/// Ada, signed in, who has just proved herself.
async fn proven(town: &Town) -> (Visitor, Vec<u8>) {
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    let secret = town.totp("ada").await;
    let asked = ada.get("/safe").await;
    town.prove(&mut ada, &asked, &secret).await;
    assert_eq!(ada.get("/safe").await.status, StatusCode::OK, "she has proved it");
    (ada, secret)
}

fn answer(status: u16, cookie: &str) -> String {
    format!("HTTP/1.1 {status} So\r\nSet-Cookie: {cookie}\r\nContent-Length: 0\r\n\r\n")
}

async fn is_asked_again(town: &Town, visitor: &mut Visitor, why: &str) {
    town.sign_in(visitor, "ada").await;
    assert_eq!(visitor.get("/safe").await.status, StatusCode::SEE_OTHER, "{why}");
}

#[tokio::test]
async fn whoever_signs_out_and_in_again_proves_it_again() {
    let town = town().await;
    let (mut ada, secret) = proven(&town).await;
    let before = ada.cookies.clone();
    assert_eq!(ada.post("/logout", &[]).await.status, StatusCode::OK);
    assert!(!ada.cookies.contains_key("stepward"), "the browser forgets its ticket: {:?}", ada.cookies);
    let mut thief = town.visitor();
    thief.cookies = before;
    assert_eq!(thief.get("/safe").await.status, StatusCode::SEE_OTHER, "a ticket kept from before is worth nothing");
    is_asked_again(&town, &mut ada, "after signing in again").await;
    let asked = ada.get("/safe").await;
    town.prove(&mut ada, &asked, &secret).await;
    assert_eq!(ada.get("/safe").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_logout_that_failed_leaves_the_session_and_one_that_nobody_answered_ends_it() {
    let town = town().await;
    let (mut ada, _) = proven(&town).await;
    town.app.says("POST /logout", 403, "not now");
    ada.post("/logout", &[]).await;
    assert_eq!(ada.get("/safe").await.status, StatusCode::OK, "she is still signed in");
    town.app.breaks_off_after("POST /logout", "");
    ada.post("/logout", &[]).await;
    is_asked_again(&town, &mut ada, "it may have happened").await;
}

#[tokio::test]
async fn an_answer_that_clears_the_apps_cookie_is_a_logout_whatever_the_event() {
    for cookie in
        ["sid=; Path=/; Max-Age=0", "sid=; Path=/", "sid=deleted; Path=/; Expires=Thu, 01-Jan-1970 00:00:01 GMT"]
    {
        let town = town().await;
        let (mut ada, _) = proven(&town).await;
        town.app.answers("POST /page", &answer(200, cookie));
        ada.post("/page", &[]).await;
        assert!(!ada.cookies.contains_key("stepward"), "{cookie}: {:?}", ada.cookies);
        is_asked_again(&town, &mut ada, cookie).await;
    }
    for cookie in ["theme=; Max-Age=0", "sid=ada; Path=/; Max-Age=3600"] {
        let town = town().await;
        let (mut ada, _) = proven(&town).await;
        town.app.answers("POST /page", &answer(200, cookie));
        ada.post("/page", &[]).await;
        assert_eq!(ada.get("/safe").await.status, StatusCode::OK, "{cookie} is no logout");
    }
}

#[tokio::test]
async fn a_logout_that_no_event_covers_is_seen_by_the_apps_answer() {
    let town = town().await;
    let (mut ada, _) = proven(&town).await;
    town.app.answers("GET /out", &answer(200, "sid=; Max-Age=0"));
    ada.get("/out").await;
    assert!(!ada.cookies.contains_key("stepward") && !ada.cookies.contains_key("sid"), "{:?}", ada.cookies);
    is_asked_again(&town, &mut ada, "it is over").await;
}

#[tokio::test]
async fn a_logout_that_no_answer_tells_of_is_seen_when_somebody_signs_in() {
    let town = town().await;
    let (mut ada, _) = proven(&town).await;
    ada.cookies.remove("sid");
    assert_eq!(ada.get("/safe").await.status, StatusCode::SEE_OTHER, "without the app's session nothing counts");
    is_asked_again(&town, &mut ada, "nor after signing in again").await;
}

#[tokio::test]
async fn a_session_of_the_app_that_is_not_the_one_signed_in_has_no_proofs() {
    let town = town().await;
    let (mut ada, _) = proven(&town).await;
    let own = ada.cookies.insert("sid".into(), "another".into());
    assert_eq!(ada.get("/safe").await.status, StatusCode::SEE_OTHER, "another session of the app");
    ada.cookies.insert("sid".into(), own.unwrap());
    assert_eq!(ada.get("/safe").await.status, StatusCode::OK, "her own again");
    ada.cookies.insert("sid".into(), "another".into());
    is_asked_again(&town, &mut ada, "a sign-in from another session of the app begins anew").await;
}

#[tokio::test]
async fn signing_in_while_signed_in_keeps_what_was_proved() {
    let town = town().await;
    let (mut ada, _) = proven(&town).await;
    town.app.says("POST /login", 303, "");
    ada.post("/login", &[("username", "ada"), ("password", "right")]).await;
    assert_eq!(ada.get("/safe").await.status, StatusCode::OK, "the app's session goes on, and so does ours");
    town.sign_in(&mut ada, "bob").await;
    assert_eq!(ada.get("/safe").await.status, StatusCode::SEE_OTHER, "another subject ends it");
    is_asked_again(&town, &mut ada, "and it does not come back").await;
}

const LOCK: &str = "event: lock\ncovers: [GET /lock]\nwhen_unsure: block\notherwise: { lock_out: session, for: 10m }\n";

#[tokio::test]
async fn a_lock_out_of_a_session_goes_with_it_when_its_ticket_changes() {
    let town = World::new().policy(LOGIN).policy(SAFE).policy(PAGE).policy(LOCK).start().await;
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    let secret = town.totp("ada").await;
    let asked = ada.get("/safe").await;
    let ticket = ada.cookies["stepward"].clone();
    assert_eq!(ada.get("/lock").await.status, StatusCode::FORBIDDEN);
    let locked = ada.post("/login", &[("username", "ada"), ("password", "right")]).await;
    assert_eq!(locked.status, StatusCode::FORBIDDEN, "she cannot sign in out of it");
    town.prove(&mut ada, &asked, &secret).await;
    assert_ne!(ada.cookies["stepward"], ticket, "a proof changes the ticket");
    for path in ["/page", "/safe"] {
        assert_eq!(ada.get(path).await.status, StatusCode::FORBIDDEN, "{path}: the lock-out holds all the same");
    }
    let mut elsewhere = town.visitor();
    town.sign_in(&mut elsewhere, "ada").await;
    assert_eq!(elsewhere.get("/page").await.status, StatusCode::OK, "another session of hers starts clean");
    town.wait_ms(600_000);
    assert_eq!(ada.get("/page").await.status, StatusCode::OK, "its time is over");
}
