//! A push to somebody's device: approved, refused, never answered, and never more of them than somebody can bear.

use std::time::Duration;

use http::StatusCode;

use super::{App, Seen, Town, Visitor, World, challenged, go_on, leads_on, look, look_until, pay};
use crate::world::LOGIN;

fn pusher(vendor: &App) -> String {
    format!(
        r#"
connector: p
capability: push_mfa
network: internal
data: {{ sends: [user_id] }}
inputs: {{ user_id: {{ required: true }} }}
operations:
  device:
    kind: find
    request: {{ method: GET, url: "http://{0}/devices/${{input.user_id}}" }}
    response: {{ keep_state: {{ device: body.device }} }}
  send:
    kind: start
    request: {{ method: POST, url: "http://{0}/push", json: {{ who: "${{input.user_id}}", device: "${{state.device}}" }} }}
    response: {{ keep_state: {{ reference: body.id }}, number: body.number }}
  ask:
    kind: poll
    request: {{ method: GET, url: "http://{0}/push/${{state.device}}/${{state.reference}}" }}
    response:
      map: {{ push.state: body.state, push.reason: body.reason }}
      required: [push.state]
"#,
        vendor.address
    )
}

async fn town(methods: &str, vendor: &App) -> Town {
    vendor.says("GET /devices/ada", 200, r#"{"device": "d-7"}"#);
    vendor.says("GET /devices/bob", 404, "");
    sends(vendor, "p-1");
    stands(vendor, "p-1", "pending", "null");
    let world = World::new().policy(LOGIN).policy(&pay(methods)).settings("connectors: connectors");
    let route = "capability: push_mfa\nconnectors:\n  - { connector: p }\n";
    let world = world.file("connectors/routes/push_mfa.yaml", route);
    world.file("connectors/p/connector.yaml", &pusher(vendor)).start().await
}

fn sends(vendor: &App, reference: &str) {
    vendor.says("POST /push", 200, &format!(r#"{{"id": "{reference}", "number": 42}}"#));
}

fn stands(vendor: &App, reference: &str, state: &str, reason: &str) {
    let says = format!(r#"{{"state": "{state}", "reason": {reason}}}"#);
    vendor.says(&format!("GET /push/d-7/{reference}"), 200, &says);
}

async fn push(visitor: &mut Visitor, challenge: &str) -> Seen {
    visitor.post(challenge, &[("method", "push")]).await
}

async fn until_sent(vendor: &App, count: usize) {
    for _ in 0..500 {
        if vendor.count("POST /push") >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{count} pushes were awaited: {:?}", vendor.seen());
}

#[tokio::test]
async fn a_push_goes_to_the_subjects_own_device_shows_its_number_and_passes_when_approved() {
    let vendor = App::start().await;
    let town = town("[push]", &vendor).await;
    let (mut ada, challenge) = challenged(&town, "ada").await;
    let sent = push(&mut ada, &challenge).await;
    assert!(sent.location().starts_with(&challenge), "{sent:?}");
    until_sent(&vendor, 1).await;
    let asked = vendor.last("POST /push");
    assert!(asked.contains(r#""who":"ada""#) && asked.contains(r#""device":"d-7""#), "{asked}");
    let page = look_until(&town, &mut ada, &challenge, |it| it.text.contains("<bdi>42</bdi>")).await;
    assert!(page.text.contains("Look now") && !page.text.contains("http-equiv"), "nothing reloads: {}", page.text);
    stands(&vendor, "p-1", "approved", "null");
    let passed = look_until(&town, &mut ada, &challenge, leads_on).await;
    assert_eq!(go_on(&mut ada, &passed).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_refused_push_is_a_wrong_answer_and_one_that_was_somebody_else_ends_it_at_once() {
    let vendor = App::start().await;
    let town = town("[push]", &vendor).await;
    let (mut ada, challenge) = challenged(&town, "ada").await;
    push(&mut ada, &challenge).await;
    stands(&vendor, "p-1", "denied", "null");
    let refused = look_until(&town, &mut ada, &challenge, |it| it.location().contains("e=")).await;
    assert!(refused.location().contains("e=verify_refused"), "{refused:?}");
    assert_eq!(ada.post("/pay", &[]).await.status, StatusCode::SEE_OTHER, "one try is left");

    let other = App::start().await;
    let town = self::town("[push]", &other).await;
    let (mut ada, challenge) = challenged(&town, "ada").await;
    push(&mut ada, &challenge).await;
    stands(&other, "p-1", "denied", "\"fraud\"");
    let spent = look_until(&town, &mut ada, &challenge, |it| it.status == StatusCode::FORBIDDEN).await;
    assert_eq!(spent.headers["stepward-outcome"], "lock_out", "{}", spent.text);
}

#[tokio::test]
async fn who_has_no_device_sees_the_same_page_and_gets_no_further() {
    let vendor = App::start().await;
    let town = town("[push]", &vendor).await;
    let (mut bob, challenge) = challenged(&town, "bob").await;
    let sent = push(&mut bob, &challenge).await;
    assert!(sent.location().starts_with(&challenge) && !sent.location().contains("e="), "{sent:?}");
    let page = look(&town, &mut bob, &challenge).await;
    assert!(page.text.contains("if it is set up there"), "{}", page.text);
    town.wait_ms(5 * 60 * 1000);
    let over = look(&town, &mut bob, &challenge).await;
    assert!(over.location().contains("e=verify_over"), "{over:?}");
    assert_eq!(vendor.count("POST /push"), 0);
}

#[tokio::test]
async fn nobodys_device_rings_more_often_than_five_times_an_hour() {
    let vendor = App::start().await;
    let town = town("[push]", &vendor).await;
    let mut refused = 0;
    for number in 0..12 {
        sends(&vendor, &format!("p-{number}"));
        stands(&vendor, &format!("p-{number}"), "expired", "null");
        // Each time another session, as somebody has who knows the password.
        let (mut eve, challenge) = challenged(&town, "ada").await;
        for _ in 0..3 {
            let sent = push(&mut eve, &challenge).await;
            refused += usize::from(sent.location().contains("e=verify_often"));
        }
    }
    until_sent(&vendor, 5).await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(vendor.count("POST /push"), 5);
    assert!(refused >= 7, "{refused}");
    town.wait_ms(61 * 60 * 1000);
    let (mut ada, challenge) = challenged(&town, "ada").await;
    assert!(!push(&mut ada, &challenge).await.location().contains("e="), "an hour later it is possible again");
}

#[tokio::test]
async fn one_that_is_under_way_is_not_sent_again() {
    let vendor = App::start().await;
    let town = town("[push]", &vendor).await;
    let (mut ada, challenge) = challenged(&town, "ada").await;
    for _ in 0..5 {
        push(&mut ada, &challenge).await;
    }
    until_sent(&vendor, 1).await;
    look(&town, &mut ada, &challenge).await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(vendor.count("POST /push"), 1);
}
