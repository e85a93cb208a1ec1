//! Answers to a challenge, right and wrong in every way that WebAuthn §7.2 names.

use serde_json::Value;
use stepward::challenges::Served;
use stepward_core::session::Method;

use crate::{
    passkeys::{
        answered,
        authenticator::{Authenticator, How},
        challenged, form, held, on_known_device, options, passes, set_up,
    },
    stepup::world::{Browser, HOST, World, bound, demand, location, reply, text},
};

/// Somebody who has a passkey.
async fn owner<'w>(world: &'w World, name: &str) -> (Browser<'w>, Authenticator) {
    let mut browser = on_known_device(world, name).await;
    let mut authenticator = Authenticator::new(name);
    let done = set_up(&mut browser, &mut authenticator, "").await;
    assert!(done.starts_with("/.stepward/methods/recovery/"), "the first comes with recovery codes: {done}");
    (browser, authenticator)
}

/// An answer made like this is refused as a wrong one, and a right one to the next challenge passes.
async fn is_refused(how: How) {
    let world = World::new().await;
    let (mut ada, mut authenticator) = owner(&world, "ada").await;
    let page = challenged(&mut ada, &demand(&[Method::Passkey])).await;
    let asked = options(&mut ada, &page).await;
    let counter = authenticator.counter;
    let wrong = authenticator.sign(&asked, &how);
    assert!(matches!(answered(&mut ada, &page, &wrong).await, Served::Failed { .. }), "{how:?}");
    authenticator.counter = counter;
    let asked = options(&mut ada, &page).await;
    let right = authenticator.sign(&asked, &How::right());
    assert!(passes(&mut ada, &page, &right).await, "nothing else was wrong");
}

#[tokio::test]
async fn a_passkey_meets_a_challenge_on_a_page_and_in_a_program() {
    let world = World::new().await;
    let (mut ada, mut authenticator) = owner(&world, "ada").await;
    let page = challenged(&mut ada, &demand(&[Method::Passkey, Method::Totp])).await;
    let shown = text(&ada.get(&page).await);
    let asked = held(&shown, "data-use");
    assert_eq!(asked["rpId"], HOST);
    assert_eq!(asked["userVerification"], "required");
    assert!(shown.contains("Use your passkey") && shown.contains("Another way"), "{shown}");
    assert!(shown.contains("Passkeys need JavaScript"), "who has no scripts is told so");
    let answer = authenticator.sign(&asked, &How::right());
    let served = ada.post(&page, &form(&answer, &[("method", "passkey")])).await;
    assert!(matches!(&served, Served::Passed { method: Method::Passkey, .. }), "{served:?}");
    assert!(location(&reply(served)).ends_with("/continue"));

    let page = challenged(&mut ada, &demand(&[Method::Passkey])).await;
    let asked = options(&mut ada, &page).await;
    assert!(passes(&mut ada, &page, &authenticator.sign(&asked, &How::right())).await);
}

#[tokio::test]
async fn whose_password_was_right_is_asked_for_their_own_passkey_before_the_app_lets_them_in() {
    let world = World::new().await;
    let (mut ada, mut authenticator) = owner(&world, "ada").await;
    let page = challenged(&mut ada, &demand(&[Method::Passkey])).await;
    // The answer to the login is withheld, and the app's cookie with it.
    ada.subject = None;
    let asked = options(&mut ada, &page).await;
    let own = data_encoding::BASE64URL_NOPAD.encode(&authenticator.id);
    assert_eq!(asked["allowCredentials"][0]["id"], own.as_str());
    assert!(passes(&mut ada, &page, &authenticator.sign(&asked, &How::right())).await);
}

#[tokio::test]
async fn an_authenticator_that_does_not_count_and_one_that_says_no_name_are_as_good() {
    let world = World::new().await;
    let (mut ada, mut authenticator) = owner(&world, "ada").await;
    for _ in 0..2 {
        let page = challenged(&mut ada, &demand(&[Method::Passkey])).await;
        let asked = options(&mut ada, &page).await;
        let how = How { counter: Some(0), is_anonymous: true, cross_origin: None, ..How::right() };
        assert!(passes(&mut ada, &page, &authenticator.sign(&asked, &how)).await);
    }
}

#[tokio::test]
async fn h8_another_origin_is_refused() {
    for origin in
        ["https://bank.example.evil.test", "https://evil.test", "http://bank.example", "https://bank.example:8443"]
    {
        is_refused(How { origin: origin.into(), ..How::right() }).await;
    }
}

#[tokio::test]
async fn h8_an_origin_is_compared_to_the_letter() {
    for origin in
        ["https://bank.example/", "https://bank.example:443", "https://a@bank.example", "https://sub.bank.example"]
    {
        is_refused(How { origin: origin.into(), ..How::right() }).await;
    }
}

#[tokio::test]
async fn h8_another_domain_is_refused() {
    is_refused(How { rp_id: "example".into(), ..How::right() }).await;
    is_refused(How { rp_id: "www.bank.example".into(), ..How::right() }).await;
}

#[tokio::test]
async fn h8_nobody_present_is_refused() {
    is_refused(How { is_present: false, ..How::right() }).await;
}

#[tokio::test]
async fn h8_nobody_verified_is_refused() {
    is_refused(How { is_verified: false, ..How::right() }).await;
}

#[tokio::test]
async fn h8_an_answer_of_the_wrong_type_is_refused() {
    is_refused(How { kind: Some("webauthn.create"), ..How::right() }).await;
    is_refused(How { kind: Some("payment.get"), ..How::right() }).await;
}

#[tokio::test]
async fn h8_a_page_inside_another_sites_page_is_refused() {
    is_refused(How { cross_origin: Some(true), ..How::right() }).await;
    is_refused(How { top_origin: Some("https://evil.test".into()), ..How::right() }).await;
}

#[tokio::test]
async fn h8_a_signature_that_was_tampered_with_is_refused() {
    is_refused(How { is_tampered: true, ..How::right() }).await;
}

#[tokio::test]
async fn h8_somebody_elses_user_handle_is_refused() {
    is_refused(How { user: Some(vec![7; 16]), ..How::right() }).await;
    is_refused(How { user: Some(Vec::new()), ..How::right() }).await;
}

#[tokio::test]
async fn h8_a_passkey_that_became_a_synced_one_is_refused() {
    is_refused(How { is_eligible: true, ..How::right() }).await;
    is_refused(How { is_synced: true, ..How::right() }).await;
    is_refused(How { is_eligible: true, is_synced: true, ..How::right() }).await;
}

#[tokio::test]
async fn h8_a_challenge_that_was_never_made_is_refused() {
    for challenge in ["", "AAAA", &"A".repeat(43), "not base64!"] {
        is_refused(How { challenge: Some(challenge.into()), ..How::right() }).await;
    }
}

#[tokio::test]
async fn h8_a_challenge_is_answered_once_even_when_the_first_answer_was_wrong() {
    let world = World::new().await;
    let (mut ada, mut authenticator) = owner(&world, "ada").await;
    let patient = stepward_core::decision::Challenge { attempts: 9, ..demand(&[Method::Passkey]) };
    let page = challenged(&mut ada, &patient).await;
    let asked = options(&mut ada, &page).await;
    let wrong = authenticator.sign(&asked, &How { is_tampered: true, ..How::right() });
    assert!(!passes(&mut ada, &page, &wrong).await);
    let right = authenticator.sign(&asked, &How::right());
    assert!(!passes(&mut ada, &page, &right).await, "what was asked is used up");
    let asked = options(&mut ada, &page).await;
    let right = authenticator.sign(&asked, &How::right());
    let mut tab = ada.clone();
    assert!(passes(&mut ada, &page, &right).await);
    let other = challenged(&mut tab, &patient).await;
    assert!(!passes(&mut tab, &other, &right).await, "and good for nothing else");
}

#[tokio::test]
async fn h8_another_accounts_passkey_is_refused() {
    let world = World::new().await;
    let (mut ada, mut hers) = owner(&world, "ada").await;
    let (_, mut his) = owner(&world, "bob").await;
    let page = challenged(&mut ada, &demand(&[Method::Passkey])).await;
    let asked = options(&mut ada, &page).await;
    assert!(!passes(&mut ada, &page, &his.sign(&asked, &How::right())).await);
    let asked = options(&mut ada, &page).await;
    let claimed = How { user: Some(hers.user.clone()), ..How::right() };
    assert!(!passes(&mut ada, &page, &his.sign(&asked, &claimed)).await, "whatever name it says");
    // His key under her credential's id.
    his.id.clone_from(&hers.id);
    let page = challenged(&mut ada, &demand(&[Method::Passkey])).await;
    let asked = options(&mut ada, &page).await;
    assert!(!passes(&mut ada, &page, &his.sign(&asked, &claimed)).await);
    world.wait(16 * 60_000);
    let page = challenged(&mut ada, &demand(&[Method::Passkey])).await;
    let asked = options(&mut ada, &page).await;
    assert!(passes(&mut ada, &page, &hers.sign(&asked, &How::right())).await);
}

#[tokio::test]
async fn h8_a_counter_that_goes_back_is_refused() {
    let world = World::new().await;
    let (mut ada, mut authenticator) = owner(&world, "ada").await;
    let patient = stepward_core::decision::Challenge { attempts: 9, ..demand(&[Method::Passkey]) };
    for (counter, is_right) in [(5, true), (5, false), (4, false), (0, false), (6, true), (u32::MAX, true), (7, false)]
    {
        let page = challenged(&mut ada, &patient).await;
        let asked = options(&mut ada, &page).await;
        let answer = authenticator.sign(&asked, &How { counter: Some(counter), ..How::right() });
        assert_eq!(passes(&mut ada, &page, &answer).await, is_right, "{counter}");
    }
}

#[tokio::test]
async fn an_answer_confirms_exactly_what_was_asked() {
    let world = World::new().await;
    let (mut ada, mut authenticator) = owner(&world, "ada").await;
    let to_bob = challenged(&mut ada, &bound(&[Method::Passkey], 1)).await;
    let to_mallory = challenged(&mut ada, &bound(&[Method::Passkey], 2)).await;
    let asked = options(&mut ada, &to_bob).await;
    let answer = authenticator.sign(&asked, &How::right());
    assert!(!passes(&mut ada, &to_mallory, &answer).await, "it was asked for another payment");
    assert!(passes(&mut ada, &to_bob, &answer).await);
    let session = ada.session(&ada.request("GET", "/", &[], "")).await;
    let proofs: Vec<_> = session.record.proofs_for(Some(world.account("ada"))).map(|it| it.bound_to).collect();
    assert_eq!(proofs, [Some([1; 32])], "and the proof is bound to it");
}

#[tokio::test]
async fn another_session_cannot_use_an_answer() {
    let world = World::new().await;
    let (mut ada, mut authenticator) = owner(&world, "ada").await;
    let page = challenged(&mut ada, &demand(&[Method::Passkey])).await;
    let asked = options(&mut ada, &page).await;
    let answer = authenticator.sign(&asked, &How::right());
    let mut thief = world.browser().signed_in("ada");
    let own = challenged(&mut thief, &demand(&[Method::Passkey])).await;
    assert!(!passes(&mut thief, &page, &answer).await && !passes(&mut thief, &own, &answer).await);
    assert!(passes(&mut ada, &page, &answer).await);
}

#[tokio::test]
async fn wrong_answers_are_counted_and_close_the_method() {
    let world = World::new().await;
    let (mut ada, mut authenticator) = owner(&world, "ada").await;
    let page = challenged(&mut ada, &demand(&[Method::Passkey, Method::Totp])).await;
    for at in 1..=3 {
        let asked = options(&mut ada, &page).await;
        let wrong = authenticator.sign(&asked, &How { is_verified: false, ..How::right() });
        let served = answered(&mut ada, &page, &wrong).await;
        assert!(if at < 3 { matches!(served, Served::Failed { .. }) } else { matches!(served, Served::Spent { .. }) });
    }
    let other = challenged(&mut ada, &demand(&[Method::Passkey, Method::Totp])).await;
    let asked = options(&mut ada, &other).await;
    assert!(!passes(&mut ada, &other, &authenticator.sign(&asked, &How::right())).await, "closed for a while");
    world.wait(15 * 60_000 + 1);
    let other = challenged(&mut ada, &demand(&[Method::Passkey])).await;
    let asked = options(&mut ada, &other).await;
    assert!(passes(&mut ada, &other, &authenticator.sign(&asked, &How::right())).await);
}

#[tokio::test]
async fn f_what_somebody_merely_claims_to_be_shows_nothing_of_what_they_have() {
    let world = World::new().await;
    let (_, authenticator) = owner(&world, "ada").await;
    let own = data_encoding::BASE64URL_NOPAD.encode(&authenticator.id);
    let mut seen = Vec::new();
    for name in ["ada", "nobody", "ada", "nobody", "somebody"] {
        let mut stranger = world.browser();
        let arrival = stranger.request("POST", "/login", &[], "");
        let policy = crate::stepup::world::policy("login");
        let challenge = demand(&[Method::Passkey, Method::Totp]);
        let begun = stranger.demanded(&arrival, &policy, &challenge, Some(name), None).await;
        let stepward::challenges::Begun::Asked(asked) = begun else { panic!("asked expected, got {begun:?}") };
        let told = options(&mut stranger, &location(&asked)).await;
        let shape: Vec<&String> = told.as_object().unwrap().keys().collect();
        assert_eq!(shape, ["challenge", "timeout", "rpId", "allowCredentials", "userVerification"], "{told}");
        seen.push(told["allowCredentials"].clone());
    }
    assert!(seen.iter().all(|it| it.as_array().unwrap().len() == 1 && !it.to_string().contains(&own)), "{seen:?}");
    assert!(seen[0] == seen[2] && seen[1] == seen[3], "the same each time: {seen:?}");
    assert!(seen[0] != seen[1] && seen[1] != seen[4], "and another for each name");
}

#[tokio::test]
async fn who_is_signed_in_and_has_none_is_asked_like_anybody() {
    let world = World::new().await;
    let mut bob = world.browser().signed_in("bob");
    let page = challenged(&mut bob, &demand(&[Method::Passkey])).await;
    let told = options(&mut bob, &page).await;
    assert_eq!(told["allowCredentials"].as_array().map(Vec::len), Some(1));
    let answer = Authenticator::new("bob").sign(&told, &How::right());
    assert!(!passes(&mut bob, &page, &answer).await);
    assert!(!passes(&mut bob, &page, &Value::Null).await && !passes(&mut bob, &page, &serde_json::json!({})).await);
}
