//! Which way to prove is shown first: the one used last, never one that is closed, and nothing to a stranger.

use http::StatusCode;

use crate::{
    visitor::Visitor,
    world::{LOGIN, Town, World},
};

/// Whoever asks, also by a mere claim.
const PAY: &str = "
event: pay
covers: [POST /pay]
when_unsure: block
otherwise: block
steps:
  - require: either
    proof: [recovery_code, totp]
    fresh_for: 5m
    attempts: 2
  - finish: pay
    then: forward
";

const TWO_FACTORS: &str = "
event: pay
covers: [POST /pay]
when_unsure: block
otherwise: block
steps:
  - require: a code now and then
    proof: [totp]
    fresh_for: 30m
  - require: not a robot, often
    proof: [pow]
    fresh_for: 5m
  - finish: pay
    then: forward
";

async fn asked(visitor: &mut Visitor) -> String {
    let asked = visitor.post("/pay", &[("amount", "9")]).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.text);
    asked.location().to_string()
}

/// The method that a challenge's page shows.
async fn shown(visitor: &mut Visitor, challenge: &str) -> String {
    visitor.get(challenge).await.after("name=\"method\" value=\"")
}

async fn proves(town: &Town, visitor: &mut Visitor, challenge: &str, secret: &[u8]) {
    let code = town.code(secret);
    let proven = visitor.post(challenge, &[("method", "totp"), ("code", &code)]).await;
    assert!(proven.location().ends_with("/continue"), "{} {}", proven.status, proven.text);
}

async fn town() -> (Town, Vec<u8>) {
    let town = World::new().policy(LOGIN).policy(PAY).start().await;
    let secret = town.totp("ada").await;
    (town, secret)
}

#[tokio::test]
async fn the_way_used_last_comes_first_in_the_session_and_on_the_device() {
    let (town, secret) = town().await;
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    let challenge = asked(&mut ada).await;
    assert_eq!(shown(&mut ada, &challenge).await, "totp", "all that is set up");
    proves(&town, &mut ada, &challenge, &secret).await;
    town.wait_ms(6 * 60_000);
    let challenge = asked(&mut ada).await;
    assert_eq!(shown(&mut ada, &challenge).await, "totp", "used last in this session");
    let other = ada.get(&format!("{challenge}?m=recovery_code")).await;
    assert!(other.text.contains("value=\"recovery_code\"") && other.text.contains("m=totp"), "another way, and back");

    // Another session on the same device: the cookie of the device is all that is left of the first.
    let mut later = town.visitor();
    later.cookies.insert("stepward-device".into(), ada.cookies["stepward-device"].clone());
    town.sign_in(&mut later, "ada").await;
    let challenge = asked(&mut later).await;
    assert_eq!(shown(&mut later, &challenge).await, "totp", "used last on this device");
    // Somebody else on it learns nothing of hers.
    let mut bob = town.visitor();
    bob.cookies.insert("stepward-device".into(), ada.cookies["stepward-device"].clone());
    town.sign_in(&mut bob, "bob").await;
    let challenge = asked(&mut bob).await;
    assert_eq!(shown(&mut bob, &challenge).await, "recovery_code", "the policy's first");
}

#[tokio::test]
async fn a_way_that_is_closed_is_said_so_and_the_next_is_shown_first() {
    let (town, _) = town().await;
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    let challenge = asked(&mut ada).await;
    for _ in 0..2 {
        ada.post(&challenge, &[("method", "totp"), ("code", "000000")]).await;
    }
    let challenge = asked(&mut ada).await;
    assert_eq!(shown(&mut ada, &challenge).await, "recovery_code", "what can be used comes first");
    let closed = ada.get(&format!("{challenge}?m=totp")).await;
    assert!(closed.text.contains("role=\"alert\"") && closed.text.contains("<details open>"), "{}", closed.text);
    assert!(closed.text.contains("m=recovery_code"), "no dead end: {}", closed.text);
}

#[tokio::test]
async fn only_the_factor_that_is_stale_is_asked_for() {
    let town = World::new().policy(LOGIN).policy(TWO_FACTORS).start().await;
    let secret = town.totp("ada").await;
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    let challenge = asked(&mut ada).await;
    let page = ada.get(&challenge).await.text;
    assert!(page.contains("value=\"totp\"") && !page.contains("value=\"pow\"") && !page.contains("m=pow"), "{page}");
    proves(&town, &mut ada, &challenge, &secret).await;
    let challenge = asked(&mut ada).await;
    let page = ada.get(&challenge).await.text;
    assert!(page.contains("value=\"pow\"") && !page.contains("value=\"totp\"") && !page.contains("m=totp"), "{page}");
    town.wait_ms(31 * 60_000);
    let challenge = asked(&mut ada).await;
    assert_eq!(shown(&mut ada, &challenge).await, "totp", "the first that is stale");
}
