//! What an answer can and cannot do.

use http::StatusCode;
use stepward::challenges::Served;
use stepward_core::session::Method;

use crate::stepup::world::{World, demand, location, text};

#[tokio::test]
async fn a_code_from_an_app_passes_once_and_the_browser_goes_on() {
    let world = World::new().await;
    let secret = world.totp("ada").await;
    let mut ada = world.browser().signed_in("ada");
    let page = ada.challenged(&demand(&[Method::Totp])).await;
    let shown = ada.get(&page).await;
    assert_eq!(shown.status, StatusCode::OK);
    assert!(text(&shown).contains("authenticator app"), "{}", text(&shown));
    assert!(!ada.passes(&page, Method::Totp, "000000").await);
    let Served::Passed { reply, method, .. } = ada.post(&page, &format!("method=totp&code={}", world.code(&secret))).await
    else {
        panic!("the right code passes")
    };
    assert_eq!(method, Method::Totp);
    assert_eq!(location(&reply), format!("{page}/continue"));
    let next = ada.get(&format!("{page}/continue")).await;
    assert!(text(&next).contains("action=\"/transfer?stepward_resume="), "{}", text(&next));
    let again = ada.challenged(&demand(&[Method::Totp])).await;
    assert!(!ada.passes(&again, Method::Totp, &world.code(&secret)).await, "a used code is used");
}

#[tokio::test]
async fn a_mailed_code_passes_once() {
    let world = World::new().await;
    world.address("ada", "ada@mail.example").await;
    let mut ada = world.browser().signed_in("ada");
    let page = ada.challenged(&demand(&[Method::EmailCode])).await;
    let code = world.mailbox.code(1).await;
    let letter = world.mailbox.letters().remove(0);
    assert_eq!(letter.to, "ada@mail.example");
    assert!(letter.text.contains("transfer money"), "the letter says what is confirmed: {}", letter.text);
    assert!(ada.passes(&page, Method::EmailCode, &format!("{} {}", &code[..3], &code[3..])).await);
    let again = ada.challenged(&demand(&[Method::EmailCode])).await;
    assert!(!ada.passes(&again, Method::EmailCode, &code).await);
}
