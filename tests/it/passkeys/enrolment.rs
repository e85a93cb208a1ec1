//! Who may set up a passkey, and what is taken for one.

use http::StatusCode;
use stepward::challenges::Served;
use stepward_core::session::Method;

use crate::{
    passkeys::{
        asked_for_one,
        authenticator::{Authenticator, How},
        challenged, form, on_known_device, options, passes, set_up,
    },
    stepup::world::{Browser, HOST, World, demand, location, reply, text},
};

const LIST: &str = "/.stepward/methods";
const MAKE: &str = "/.stepward/methods/passkey";

/// Gives a proof by passkey.
async fn prove(browser: &mut Browser<'_>, authenticator: &mut Authenticator) {
    let page = challenged(browser, &demand(&[Method::Passkey])).await;
    let asked = options(browser, &page).await;
    assert!(passes(browser, &page, &authenticator.sign(&asked, &How::right())).await);
}

/// Whether the answer asks for a proof first.
fn asks_first(served: Served) -> bool {
    let reply = reply(served);
    reply.status == StatusCode::SEE_OTHER && location(&reply).starts_with("/.stepward/c/")
}

#[tokio::test]
async fn a_first_passkey_needs_an_invitation_or_a_fresh_login_on_a_known_device() {
    let world = World::new().await;
    let mut ada = world.browser().signed_in("ada");
    assert_eq!(reply(ada.post(MAKE, "").await).status, StatusCode::FORBIDDEN);
    let invitation = world.challenges.invite("default", world.account("ada"));
    let suffix = invitation.strip_prefix(LIST).unwrap();
    assert!(text(&ada.get(&invitation).await).contains("Add a passkey"));
    let (page, asked) = asked_for_one(&mut ada, suffix).await;
    let mut phone = Authenticator::new("phone");
    let made = phone.make(&asked, &How::right());
    let done = location(&reply(ada.post(&page, &form(&made, &[("label", " my <phone>\u{202e}\n ")])).await));
    assert!(done.starts_with("/.stepward/methods/recovery/"), "{done}");
    assert!(text(&ada.get(&done).await).contains("<li><code>"));
    let list = text(&ada.get(LIST).await);
    assert!(list.contains("my &lt;phone&gt;") && list.contains("Recovery codes, 10 left"), "{list}");
    let mut thief = world.browser().signed_in("ada");
    assert!(asks_first(thief.post(&format!("{MAKE}{suffix}"), "").await), "the invitation is used");
}

#[tokio::test]
async fn what_is_asked_of_a_browser_names_nobody_and_wants_verification() {
    let world = World::new().await;
    let mut ada = on_known_device(&world, "ada@example.com").await;
    let (_, asked) = asked_for_one(&mut ada, "").await;
    let handle = asked["user"]["id"].as_str().unwrap();
    let handle = data_encoding::BASE64URL_NOPAD.decode(handle.as_bytes()).unwrap();
    assert_eq!(handle.len(), 16, "a pseudonym, as long as any");
    assert_ne!(handle, world.account("ada@example.com"), "not the one that logs and stores know");
    let again = asked_for_one(&mut ada, "").await.1;
    assert_eq!(asked["user"], again["user"], "the same each time, so that a second passkey replaces none");
    assert_ne!(asked["challenge"], again["challenge"]);
    assert_eq!(asked["authenticatorSelection"]["userVerification"], "required");
    assert_eq!(asked["authenticatorSelection"]["residentKey"], "preferred");
    assert_eq!(asked["attestation"], "none");
    assert_eq!(asked["rp"]["id"], HOST);
}

#[tokio::test]
async fn several_passkeys_are_listed_excluded_and_removed_after_a_proof_by_one() {
    let world = World::new().await;
    let mut ada = on_known_device(&world, "ada").await;
    let (mut phone, mut key) = (Authenticator::new("phone"), Authenticator::new("key"));
    set_up(&mut ada, &mut phone, "phone").await;
    assert!(asks_first(ada.post(MAKE, "").await), "a fresh login is not enough for a second one");
    prove(&mut ada, &mut phone).await;
    let (page, asked) = asked_for_one(&mut ada, "").await;
    let there = data_encoding::BASE64URL_NOPAD.encode(&phone.id);
    assert_eq!(asked["excludeCredentials"][0]["id"], there.as_str());
    let again = phone.make(&asked, &How::right());
    let refused = location(&reply(ada.post(&page, &form(&again, &[])).await));
    assert!(text(&ada.get(&refused).await).contains("could not be set up"), "{refused}");
    assert_eq!(set_up(&mut ada, &mut key, "key").await, LIST, "recovery codes were handed out with the first");
    prove(&mut ada, &mut key).await;
    prove(&mut ada, &mut phone).await;

    let list = text(&ada.get(LIST).await);
    let ids: Vec<&str> = list.split("name=\"id\" value=\"").skip(1).map(|it| it.split('"').next().unwrap()).collect();
    assert_eq!(ids.len(), 2, "{list}");
    let first = format!("id={}", ids[0]);
    let mut other = world.browser().signed_in("ada");
    assert!(asks_first(other.post("/.stepward/methods/remove", &first).await));
    assert_eq!(location(&reply(ada.post("/.stepward/methods/remove", &first).await)), LIST);
    let page = challenged(&mut ada, &demand(&[Method::Passkey])).await;
    let asked = options(&mut ada, &page).await;
    assert_eq!(asked["allowCredentials"].as_array().map(Vec::len), Some(1));
    assert!(!passes(&mut ada, &page, &phone.sign(&asked, &How::right())).await, "it was removed");
    let asked = options(&mut ada, &page).await;
    assert!(passes(&mut ada, &page, &key.sign(&asked, &How::right())).await);
}

#[tokio::test]
async fn what_is_weaker_adds_nothing_to_an_account_with_a_passkey() {
    let world = World::new().await;
    let mut ada = on_known_device(&world, "ada").await;
    let secret = world.totp("ada").await;
    let codes = [Method::Totp, Method::RecoveryCode];
    assert!(asks_first(ada.post(MAKE, "").await));
    let page = challenged(&mut ada, &demand(&codes)).await;
    assert!(ada.passes(&page, Method::Totp, &world.code(&secret)).await);
    let mut phone = Authenticator::new("phone");
    let shown = set_up(&mut ada, &mut phone, "").await;
    let shown = text(&ada.get(&shown).await);
    let recovery = shown.split("<li><code>").nth(1).unwrap().split('<').next().unwrap().to_string();

    world.wait(30_000);
    for (method, code) in [(Method::Totp, world.code(&secret)), (Method::RecoveryCode, recovery)] {
        let page = challenged(&mut ada, &demand(&codes)).await;
        assert!(ada.passes(&page, method, &code).await);
        for path in [MAKE, "/.stepward/methods/totp", "/.stepward/methods/recovery", "/.stepward/methods/remove"] {
            let asked = reply(ada.post(path, "").await);
            let page = location(&asked);
            assert!(page.starts_with("/.stepward/c/"), "{method} at {path}");
            let told = text(&ada.get(&page).await);
            assert!(told.contains("data-use") && !told.contains("m=totp"), "only the passkey will do: {told}");
        }
    }
    prove(&mut ada, &mut phone).await;
    let page = location(&reply(ada.post("/.stepward/methods/totp", "").await));
    assert!(page.starts_with("/.stepward/methods/totp/"), "{page}");
}

#[tokio::test]
async fn what_is_no_sound_passkey_is_not_set_up() {
    let world = World::new().await;
    let wrong = [
        How { origin: "https://evil.test".into(), ..How::right() },
        How { rp_id: "evil.test".into(), ..How::right() },
        How { is_present: false, ..How::right() },
        How { is_verified: false, ..How::right() },
        How { kind: Some("webauthn.get"), ..How::right() },
        How { challenge: Some("A".repeat(43)), ..How::right() },
        How { cross_origin: Some(true), ..How::right() },
        How { top_origin: Some("https://evil.test".into()), ..How::right() },
        How { is_synced: true, ..How::right() },
    ];
    let mut ada = on_known_device(&world, "ada").await;
    for how in &wrong {
        let (page, asked) = asked_for_one(&mut ada, "").await;
        let made = Authenticator::new("phone").make(&asked, how);
        let told = location(&reply(ada.post(&page, &form(&made, &[])).await));
        assert!(told.contains("e=passkey"), "{how:?}: {told}");
        let right = Authenticator::new("phone").make(&asked, &How::right());
        let late = reply(ada.post(&page, &form(&right, &[])).await);
        assert_eq!(late.status, StatusCode::GONE, "what was asked is used up by a wrong answer too");
    }
    let (page, _) = asked_for_one(&mut ada, "").await;
    assert!(location(&reply(ada.post(&page, "code=nonsense").await)).contains("e=passkey"));
    assert!(text(&ada.get(LIST).await).contains("Nothing is set up yet"));
}

#[tokio::test]
async fn a_credential_belongs_to_one_account() {
    let world = World::new().await;
    let mut ada = on_known_device(&world, "ada").await;
    let mut bob = on_known_device(&world, "bob").await;
    set_up(&mut ada, &mut Authenticator::new("phone"), "").await;
    let told = set_up(&mut bob, &mut Authenticator::new("phone"), "").await;
    assert!(told.contains("e=passkey"), "{told}");
    assert!(set_up(&mut bob, &mut Authenticator::new("other"), "").await.contains("recovery"));
}

#[tokio::test]
async fn what_one_session_was_asked_another_cannot_answer() {
    let world = World::new().await;
    let mut ada = on_known_device(&world, "ada").await;
    let (page, asked) = asked_for_one(&mut ada, "").await;
    let mut thief = on_known_device(&world, "ada").await;
    let mut bob = on_known_device(&world, "bob").await;
    let made = form(&Authenticator::new("phone").make(&asked, &How::right()), &[]);
    for other in [&mut thief, &mut bob] {
        assert_eq!(other.get(&page).await.status, StatusCode::GONE);
        assert_eq!(reply(other.post(&page, &made).await).status, StatusCode::GONE);
    }
    world.wait(10 * 60_000 + 1);
    assert_eq!(reply(ada.post(&page, &made).await).status, StatusCode::GONE, "it has ended");
}

#[tokio::test]
async fn a_passkey_survives_a_restart_and_is_offered_first_to_who_has_one() {
    let world = World::new().await;
    let mut phone = Authenticator::new("phone");
    {
        let mut ada = on_known_device(&world, "ada").await;
        set_up(&mut ada, &mut phone, "").await;
    }
    let world = world.restarted();
    let mut ada = world.browser().signed_in("ada");
    let page = challenged(&mut ada, &demand(&[Method::Totp, Method::Passkey])).await;
    assert!(text(&ada.get(&page).await).contains("Use your passkey"), "an app that nobody has comes second");
    let asked = options(&mut ada, &page).await;
    assert!(passes(&mut ada, &page, &phone.sign(&asked, &How::right())).await);
    assert!(!world.challenges.runnable_at("shop.example").contains(&Method::Passkey), "not on another host");
}
