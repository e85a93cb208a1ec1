//! Passkeys: a software authenticator that can do everything wrong, and what is made of it. Tests whose names begin with
//! `h8` are the steps of WebAuthn §7.2, one each (row H8 of `security.md`).

mod assertion;
pub(crate) mod authenticator;
mod enrolment;
mod gateway;
mod nodes;

use serde_json::Value;
use stepward::{
    challenges::Served,
    sessions::cookies::{self, Scope},
    store::{Drawer, StateStore},
};

use crate::{
    passkeys::authenticator::{Authenticator, How},
    stepup::world::{Browser, HOST, World, location, reply, text},
};

/// A browser on a device that the account is known on.
pub(crate) async fn on_known_device<'w>(world: &'w World, name: &str) -> Browser<'w> {
    let mut browser = world.browser().signed_in(name);
    let (id, cookie) = cookies::make_device(&world.keys, world.now_ms(), "default", HOST, Scope::Https);
    world.store.enrol(world.account(name), Drawer::Devices, id, Vec::new()).await.unwrap();
    let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
    browser.cookies.insert(name.into(), value.into());
    browser
}

/// What an attribute of a page holds, as JSON.
pub(crate) fn held(page: &str, attribute: &str) -> Value {
    let text = page.split_once(&format!("{attribute}=\"")).unwrap_or_else(|| panic!("no {attribute} in {page}")).1;
    let text = text.split('"').next().unwrap().replace("&quot;", "\"").replace("&#x2f;", "/").replace("&amp;", "&");
    serde_json::from_str(&text).unwrap()
}

/// A form with an answer.
pub(crate) fn form(answer: &Value, more: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("code", &answer.to_string()).extend_pairs(more);
    form.finish()
}

/// Asks for a new passkey; the page that makes it, and what the browser is asked.
pub(crate) async fn asked_for_one(browser: &mut Browser<'_>, suffix: &str) -> (String, Value) {
    let page = location(&reply(browser.post(&format!("/.stepward/methods/passkey{suffix}"), "").await));
    assert!(page.starts_with("/.stepward/methods/passkey/"), "{page}");
    let options = held(&text(&browser.get(&page).await), "data-make");
    (page, options)
}

/// Sets up a passkey; where the browser is sent afterwards.
pub(crate) async fn set_up(browser: &mut Browser<'_>, authenticator: &mut Authenticator, label: &str) -> String {
    let (page, options) = asked_for_one(browser, "").await;
    let made = authenticator.make(&options, &How::right());
    location(&reply(browser.post(&page, &form(&made, &[("label", label)])).await))
}

/// Begins a challenge, later than any proof before it; its address.
pub(crate) async fn challenged(browser: &mut Browser<'_>, challenge: &stepward_core::decision::Challenge) -> String {
    browser.world.wait(1);
    browser.challenged(challenge).await
}

/// What a program is told to answer the challenge at this address with.
pub(crate) async fn options(browser: &mut Browser<'_>, page: &str) -> Value {
    let fields = [("accept", "application/json"), ("sec-fetch-mode", "cors")];
    let arrival = browser.request("GET", page, &fields, "");
    let told = reply(browser.serve(&arrival).await);
    let told: Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!(told["status"], "open", "{told}");
    told["passkey"]["publicKey"].clone()
}

/// Answers by passkey as a program does.
pub(crate) async fn answered(browser: &mut Browser<'_>, page: &str, assertion: &Value) -> Served {
    let fields = [("accept", "application/json"), ("sec-fetch-mode", "cors"), ("content-type", "application/json")];
    let body = serde_json::json!({ "method": "passkey", "assertion": assertion }).to_string();
    let arrival = browser.request("POST", page, &fields, &body);
    browser.serve(&arrival).await
}

/// Whether an answer passes.
pub(crate) async fn passes(browser: &mut Browser<'_>, page: &str, assertion: &Value) -> bool {
    match answered(browser, page, assertion).await {
        Served::Passed { method, .. } => {
            assert_eq!(method, stepward_core::session::Method::Passkey);
            true
        }
        Served::Failed { .. } | Served::Spent { .. } | Served::Answer(_) => false,
    }
}
