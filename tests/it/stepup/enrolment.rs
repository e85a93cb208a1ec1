//! Who may set up what, and addresses.

use http::StatusCode;
use stepward::{
    sessions::cookies::{self, Scope},
    store::{Drawer, StateStore},
};
use stepward_core::session::Method;

use crate::stepup::world::{Browser, HOST, World, demand, location, reply, text};

const HOUR_MS: i64 = 3_600_000;

/// A browser on a device that the account is known on.
async fn on_known_device<'w>(world: &'w World, name: &str) -> Browser<'w> {
    let mut browser = world.browser().signed_in(name);
    let (id, cookie) = cookies::make_device(&world.keys, world.now_ms(), "default", HOST, Scope::Https);
    world.store.enrol(world.account(name), Drawer::Devices, id, Vec::new()).await.expect("enrolled");
    let (name, value) = cookie.split(';').next().and_then(|it| it.split_once('=')).expect("a cookie");
    browser.cookies.insert(name.into(), value.into());
    browser
}

fn key_of(page: &str) -> Vec<u8> {
    let key = page.split("class=\"key\" dir=\"ltr\">").nth(1).and_then(|it| it.split('<').next()).expect("a key");
    data_encoding::BASE32_NOPAD.decode(key.replace(' ', "").as_bytes()).expect("base32")
}

/// Sets up an app from the page on; its secret and the recovery codes.
async fn set_up(ada: &mut Browser<'_>, suffix: &str) -> (Vec<u8>, Vec<String>) {
    let page = location(&reply(ada.post(&format!("/.stepward/methods/totp{suffix}"), "").await));
    let shown = text(&ada.get(&page).await);
    let secret = key_of(&shown);
    let picture = shown.split("<img src=\"").nth(1).and_then(|it| it.split('"').next()).expect("a picture");
    assert!(text(&ada.get(picture).await).starts_with("<svg"));
    let wrong = location(&reply(ada.post(&page, "code=000000").await));
    assert!(wrong.contains("e=wrong"), "{wrong}");
    let done = location(&reply(ada.post(&page, &format!("code={}", ada.world.code(&secret))).await));
    let shown = text(&ada.get(&done).await);
    let codes = shown.split("<li><code>").skip(1).filter_map(|it| it.split('<').next()).map(str::to_string).collect();
    assert_eq!(ada.get(&done).await.status, StatusCode::GONE, "shown once");
    (secret, codes)
}

#[tokio::test]
async fn a_first_app_is_set_up_after_a_fresh_login_on_a_known_device() {
    let world = World::new().await;
    let mut ada = on_known_device(&world, "ada").await;
    let (secret, codes) = set_up(&mut ada, "").await;
    assert_eq!(codes.len(), 10);
    let page = ada.challenged(&demand(&[Method::Totp, Method::RecoveryCode])).await;
    assert!(!ada.passes(&page, Method::Totp, &world.code(&secret)).await, "the code it was set up with is used");
    world.wait(30_000);
    assert!(ada.passes(&page, Method::Totp, &world.code(&secret)).await);
    let mut other = world.browser().signed_in("ada");
    let page = other.challenged(&demand(&[Method::RecoveryCode])).await;
    assert!(other.passes(&page, Method::RecoveryCode, &codes[3].to_lowercase().replace('-', " ")).await);
    let mut third = world.browser().signed_in("ada");
    let page = third.challenged(&demand(&[Method::RecoveryCode])).await;
    assert!(!third.passes(&page, Method::RecoveryCode, &codes[3]).await, "each works once");
    assert!(third.passes(&page, Method::RecoveryCode, &codes[4]).await);
    assert!(text(&ada.get("/.stepward/methods").await).contains("Recovery codes, 8 left"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g6_a_recovery_code_passes_one_of_64() {
    let world = World::new().await;
    let mut ada = on_known_device(&world, "ada").await;
    let (_, codes) = set_up(&mut ada, "").await;
    let patient = stepward_core::decision::Challenge { attempts: 10, ..demand(&[Method::RecoveryCode]) };
    let mut racers = Vec::new();
    for _ in 0..8 {
        let mut browser = world.browser().signed_in("ada");
        let page = browser.challenged(&patient).await;
        racers.push((browser, page));
    }
    let answers = (0..64).map(|at| {
        let (browser, page) = racers[at % 8].clone();
        let (mut browser, code) = (browser, codes[0].clone());
        async move { browser.passes(&page, Method::RecoveryCode, &code).await }
    });
    assert_eq!(futures_util::future::join_all(answers).await.iter().filter(|it| **it).count(), 1);
}

#[tokio::test]
async fn nobody_else_sets_up_a_first_app() {
    let world = World::new().await;
    let start = "/.stepward/methods/totp";
    assert_eq!(reply(world.browser().post(start, "").await).status, StatusCode::FORBIDDEN, "nobody signed in");
    let mut stranger = world.browser().signed_in("ada");
    assert_eq!(reply(stranger.post(start, "").await).status, StatusCode::FORBIDDEN, "a device never seen");
    let mut late = on_known_device(&world, "ada").await;
    let page = location(&reply(late.post(start, "").await));
    let secret = key_of(&text(&late.get(&page).await));
    world.wait(5 * 60_000 + 1);
    assert_eq!(reply(late.post(start, "").await).status, StatusCode::FORBIDDEN, "a login too long ago");
    let finished = reply(late.post(&page, &format!("code={}", world.code(&secret))).await);
    assert_eq!(finished.status, StatusCode::FORBIDDEN, "also where it was begun in time");
    let mut mailed = world.browser().signed_in("bob");
    world.address("bob", "bob@mail.example").await;
    let page = mailed.challenged(&demand(&[Method::EmailCode])).await;
    assert!(mailed.passes(&page, Method::EmailCode, &world.mailbox.code(1).await).await);
    assert_eq!(reply(mailed.post(start, "").await).status, StatusCode::FORBIDDEN, "an e-mailed code never enrols");
}

#[tokio::test]
async fn an_invitation_works_once_for_whom_it_names() {
    let world = World::new().await;
    let link = world.challenges.invite("default", world.account("ada"));
    let suffix = link.strip_prefix("/.stepward/methods").expect("a path").to_string();
    let start = format!("/.stepward/methods/totp{suffix}");
    let mut bob = world.browser().signed_in("bob");
    assert_eq!(reply(bob.post(&start, "").await).status, StatusCode::FORBIDDEN);
    let mut other_tab = world.browser().signed_in("ada");
    let second = location(&reply(other_tab.post(&start, "").await));
    let second_secret = key_of(&text(&other_tab.get(&second).await));
    let mut ada = world.browser().signed_in("ada");
    set_up(&mut ada, &suffix).await;
    let late = reply(other_tab.post(&second, &format!("code={}", world.code(&second_secret))).await);
    assert_ne!(late.status, StatusCode::OK);
    assert!(!text(&ada.get("/.stepward/methods").await).contains("</li><li><span>Authenticator"), "one app");
    let expired = World::new().await;
    let link = expired.challenges.invite("default", expired.account("ada"));
    expired.wait(73 * HOUR_MS);
    let mut ada = expired.browser().signed_in("ada");
    let start = link.replace("methods?", "methods/totp?");
    assert_eq!(reply(ada.post(&start, "").await).status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn f2_changing_what_is_set_up_needs_what_is_set_up() {
    let world = World::new().await;
    let secret = world.totp("ada").await;
    let mut ada = on_known_device(&world, "ada").await;
    let list = text(&ada.get("/.stepward/methods").await);
    let id = list.split("name=\"id\" value=\"").nth(1).and_then(|it| it.split('"').next()).expect("an id").to_string();
    for (path, form) in [("totp", ""), ("recovery", ""), ("remove", &*format!("id={id}"))] {
        let asked = location(&reply(ada.post(&format!("/.stepward/methods/{path}"), form).await));
        assert!(asked.starts_with("/.stepward/c/"), "{path}: {asked}");
    }
    let asked = location(&reply(ada.post("/.stepward/methods/remove", &format!("id={id}")).await));
    assert!(ada.passes(&asked, Method::Totp, &world.code(&secret)).await);
    assert_eq!(location(&ada.get(&format!("{asked}/continue")).await), "/.stepward/methods");
    ada.post("/.stepward/methods/remove", &format!("id={id}")).await;
    assert!(text(&ada.get("/.stepward/methods").await).contains("Nothing is set up yet"));
}

#[tokio::test]
async fn a_new_address_waits_a_day_and_the_old_one_is_told() {
    let world = World::new().await;
    let contacts = world.challenges.contacts();
    let account = world.account("ada");
    contacts.learn("default", account, "old@mail.example").await.expect("learnt");
    contacts.learn("default", account, "OLD@mail.example").await.expect("known already");
    contacts.learn("default", account, "not an address").await.expect("ignored");
    contacts.learn("default", account, "new@mail.example").await.expect("learnt");
    let told = world.mailbox.wait_for(1).await;
    assert_eq!((told.len(), told[0].to.as_str()), (1, "old@mail.example"));
    assert!(!told[0].text.contains("new@"), "the letter does not name the new one");
    let primary = contacts.primary("default", account).await.expect("answers").expect("an address");
    assert_eq!(primary.address, "old@mail.example");
    world.wait(24 * HOUR_MS);
    let primary = contacts.primary("default", account).await.expect("answers").expect("an address");
    assert_eq!(primary.address, "new@mail.example");
    assert!(!format!("{primary:?}").contains("mail.example"));
    assert!(contacts.primary("other", account).await.expect("answers").is_none(), "nothing crosses tenants");
}
