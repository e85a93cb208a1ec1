//! Every address of ours holds to every check that its siblings hold to (H9): the addresses are read from the code, so
//! one that is added without a row here fails. And nobody but who may calls the admin API (I5, J1).

use std::collections::BTreeSet;

use http::StatusCode;
use stepward::{
    challenges::Served,
    reply::Reply,
    sessions::cookies::{self, Scope},
    store::{Drawer, StateStore},
};
use stepward_core::{
    decision::{Approval, Challenge},
    session::Method,
};

use crate::{
    plane::world::Plan,
    stepup::world::{Browser, HOST, World, demand, location, reply, text, value},
};

/// What an address asks of who calls it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Owner {
    /// Nothing: it is the same file for everybody.
    Anybody,
    /// The session that it was made for, with nobody else signed in.
    Session,
    /// Whoever is signed in; it is about that person alone.
    Person,
    /// Whoever may approve it, in any browser; to others it is not there.
    Approver,
}

struct Endpoint {
    /// The arm of the code that serves it.
    arm: &'static str,
    method: &'static str,
    path: String,
    owner: Owner,
}

fn endpoint(arm: &'static str, method: &'static str, path: impl Into<String>, owner: Owner) -> Endpoint {
    Endpoint { arm, method, path: path.into(), owner }
}

/// The arms of the two tables in the code.
fn arms() -> BTreeSet<String> {
    let serve = include_str!("../../../src/challenges/serve.rs").split("match parts[..] {").nth(1).unwrap();
    let methods = include_str!("../../../src/challenges/enrolment.rs").split("match (is_post, rest) {").nth(1).unwrap();
    let desk =
        include_str!("../../../src/challenges/approval/desk.rs").split("match (is_post, rest) {").nth(1).unwrap();
    let arms = [serve, methods, desk].into_iter().flat_map(|text| {
        let table = text.split("\n        _ =>").next().unwrap().lines();
        table.filter(|line| line.starts_with("        [") || line.starts_with("        ("))
    });
    let pattern = |line: &str| line.split(" =>").next().unwrap().split(" if ").next().unwrap().trim().to_string();
    // Where an identity provider sends people back to is held by `tests/it/oidc`.
    let arms = arms.map(pattern).filter(|arm| arm != "[\"oidc\", \"callback\"]");
    // Files are served before the table is looked at.
    arms.chain(["[name]".to_string()]).collect()
}

/// Ada on a device of hers, with an app, a challenge, a secret that waits and recovery codes that are shown once.
async fn everything<'w>(world: &'w World) -> (Browser<'w>, Vec<Endpoint>) {
    let mut ada = world.browser().signed_in("ada");
    let (device, cookie) = cookies::make_device(&world.keys, world.now_ms(), "default", HOST, Scope::Https);
    world.store.enrol(world.account("ada"), Drawer::Devices, device, Vec::new()).await.unwrap();
    let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
    ada.cookies.insert(name.into(), value.into());
    ada.challenged(&demand(&[Method::Totp])).await;
    let waiting = location(&reply(ada.post("/.stepward/methods/totp", "").await));
    let key = location(&reply(ada.post("/.stepward/methods/passkey", "").await));
    let secret = world.totp("ada").await;
    let page = ada.challenged(&demand(&[Method::Totp])).await;
    assert!(ada.passes(&page, Method::Totp, &world.code(&secret)).await);
    let codes = location(&reply(ada.post("/.stepward/methods/recovery", "").await));
    world.wait(301_000);
    let page = ada.challenged(&demand(&[Method::Totp])).await;
    let asked = colleague_asks(world).await;
    let (anybody, session, person) = (Owner::Anybody, Owner::Session, Owner::Person);
    let base = "/.stepward/methods";
    let all = vec![
        endpoint("[name]", "GET", "/.stepward/page.css", anybody),
        endpoint("[\"c\", word]", "GET", &page, session),
        endpoint("[\"c\", word]", "POST", &page, session),
        endpoint("[\"c\", word, \"continue\"]", "GET", format!("{page}/continue"), session),
        endpoint("[\"methods\", ref rest @ ..]", "GET", base, person),
        endpoint("(false, [])", "GET", base, person),
        endpoint("(true, [\"totp\"])", "POST", format!("{base}/totp"), person),
        endpoint("(false, [\"totp\", picture])", "GET", format!("{waiting}.svg"), session),
        endpoint("(false, [\"totp\", word])", "GET", &waiting, session),
        endpoint("(true, [\"totp\", word])", "POST", &waiting, session),
        endpoint("(true, [\"passkey\"])", "POST", format!("{base}/passkey"), person),
        endpoint("(false, [\"passkey\", word])", "GET", &key, session),
        endpoint("(true, [\"passkey\", word])", "POST", &key, session),
        endpoint("(true, [\"recovery\"])", "POST", format!("{base}/recovery"), person),
        endpoint("(false, [\"recovery\", word])", "GET", &codes, session),
        endpoint("(true, [\"remove\"])", "POST", format!("{base}/remove"), person),
        endpoint("[\"approvals\", ref rest @ ..]", "GET", "/.stepward/approvals", person),
        endpoint("(false, [word])", "GET", &asked, Owner::Approver),
        endpoint("(true, [word])", "POST", &asked, Owner::Approver),
    ];
    (ada, all)
}

/// What a colleague of Ada's asks her to approve.
async fn colleague_asks(world: &World) -> String {
    let mut carl = world.browser().signed_in("carl");
    let approval = Some(Approval { group: "colleagues".into(), digest: [7; 32] });
    let page = carl.challenged(&Challenge { approval, ..demand(&[Method::Approval]) }).await;
    carl.post(&page, "method=approval").await;
    let listed = text(&world.browser().signed_in("ada").get("/.stepward/approvals").await).replace("&#x2f;", "/");
    let listed =
        listed.split_once("href=\"/.stepward/approvals/").unwrap_or_else(|| panic!("nothing waits: {listed}")).1;
    format!("/.stepward/approvals/{}", listed.split('"').next().unwrap())
}

async fn ask(browser: &mut Browser<'_>, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    let body = if method == "POST" { "code=000000" } else { "" };
    let arrival = browser.request(method, path, headers, body);
    match browser.serve(&arrival).await {
        Served::Answer(reply) | Served::Passed { reply, .. } | Served::Failed { reply, .. } => reply,
        Served::Spent { .. } => panic!("spent at {path}"),
    }
}

#[tokio::test]
async fn h9_every_address_of_ours_holds_to_every_check() {
    let world = World::new().await;
    let (mut ada, all) = everything(&world).await;
    let covered: BTreeSet<String> = all.iter().map(|it| it.arm.to_string()).collect();
    assert_eq!(covered, arms(), "an address without a row, or a row without an address");
    let kept = world.store.enrolments(world.account("ada"), Drawer::Authenticators).await.unwrap();
    for it in &all {
        let at = format!("{} {}", it.method, it.path);
        if it.method == "POST" {
            for foreign in [
                &[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")][..],
                &[("origin", "https://evil.example"), ("sec-fetch-site", "")],
                &[("origin", "null"), ("sec-fetch-site", "")],
                &[("sec-fetch-site", "same-site")],
                &[("sec-fetch-site", "none")],
                &[("origin", ""), ("sec-fetch-site", ""), ("sec-fetch-mode", "")],
            ] {
                let refused = ask(&mut ada, it.method, &it.path, foreign).await;
                assert_eq!(refused.status, StatusCode::FORBIDDEN, "{at} from another site: {foreign:?}");
            }
        }
        let other_method = if it.method == "POST" { "PUT" } else { "DELETE" };
        for method in [other_method, "PATCH", "OPTIONS", "post", "TRACE"] {
            let refused = ask(&mut ada, method, &it.path, &[]).await;
            assert_eq!(refused.status, StatusCode::NOT_FOUND, "{method} {}", it.path);
        }
        let mut strangers = Vec::new();
        if it.owner != Owner::Anybody {
            strangers.push(("nobody", world.browser()));
            let mut elsewhere = world.browser().signed_in("ada");
            elsewhere.challenged(&demand(&[Method::Totp])).await;
            strangers.push(("herself in another browser", elsewhere));
            strangers.push(("somebody else in her browser", ada.clone().signed_in("bob")));
        }
        for (who, mut stranger) in strangers {
            let answer = ask(&mut stranger, it.method, &it.path, &[]).await;
            let is_nobody = stranger.subject.is_none();
            match it.owner {
                Owner::Session => {
                    let is_of_methods = it.path.contains("/methods/") && is_nobody;
                    let expected = if is_of_methods { StatusCode::FORBIDDEN } else { StatusCode::GONE };
                    assert_eq!(answer.status, expected, "{at} by {who}");
                }
                Owner::Person if is_nobody => assert_eq!(answer.status, StatusCode::FORBIDDEN, "{at} by {who}"),
                Owner::Person if who.starts_with("herself") => {
                    let is_asked = value(&answer, "location").starts_with("/.stepward/c/");
                    assert!(is_asked || it.method == "GET", "{at} by {who}: a proof first, {}", answer.status);
                }
                Owner::Person => assert!(!text(&answer).contains("name=\"id\""), "{at} shows {who} what is hers"),
                Owner::Approver if is_nobody => assert_eq!(answer.status, StatusCode::FORBIDDEN, "{at} by {who}"),
                Owner::Approver if who.starts_with("herself") => {
                    assert!(answer.status.is_success() || answer.status.is_redirection(), "{at} by {who}");
                }
                Owner::Approver => assert_eq!(answer.status, StatusCode::NOT_FOUND, "{at} by {who}"),
                Owner::Anybody => {}
            }
            holds(&answer, it, &at);
        }
        for (what, changed) in [("host", true), ("tenant", false)] {
            let mut arrival = ada.request(it.method, &it.path, &[], "code=000000");
            if changed {
                arrival.request.host = "other.example".into();
            } else {
                let mut route = (*arrival.route).clone();
                route.tenant = "other".into();
                arrival.route = route.into();
            }
            let answer = reply(ada.clone().serve(&arrival).await);
            let is_refused = answer.status == StatusCode::GONE || answer.status == StatusCode::FORBIDDEN;
            assert!(it.owner != Owner::Session || is_refused, "{at} on another {what}: {}", answer.status);
            let is_not_there = answer.status == StatusCode::NOT_FOUND;
            assert!(it.owner != Owner::Approver || is_not_there, "{at} on another {what}: {}", answer.status);
        }
    }
    let now = world.store.enrolments(world.account("ada"), Drawer::Authenticators).await.unwrap();
    assert_eq!(now.len(), kept.len(), "none of this set anything up or removed anything");
    for it in &all {
        let answer = ask(&mut ada, it.method, &it.path, &[]).await;
        assert!(
            answer.status.is_success() || answer.status.is_redirection(),
            "{} {}: {}",
            it.method,
            it.path,
            answer.status
        );
        holds(&answer, it, &it.path);
    }
}

/// What every answer says to browsers and caches.
fn holds(answer: &Reply, it: &Endpoint, at: &str) {
    let kept = value(answer, "cache-control");
    let is_file = it.owner == Owner::Anybody && answer.status == StatusCode::OK;
    assert_eq!(kept, if is_file { "public, max-age=300" } else { "no-store" }, "{at}");
    assert_eq!(value(answer, "x-content-type-options"), "nosniff", "{at}");
    assert_eq!(value(answer, "cross-origin-opener-policy"), "same-origin", "{at}");
    let policy = value(answer, "content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{at}: {policy}");
    assert!(policy.contains("frame-ancestors 'self'") && policy.contains("base-uri 'none'"), "{at}: {policy}");
}

/// Each route that the API describes refuses whoever has no token, and pages of other sites even with one.
#[tokio::test]
async fn i5_h9_every_route_of_the_admin_api_refuses_strangers_and_other_sites() {
    let world = Plan::default().policy("event: page\ncovers: [GET /page]\nwhen_unsure: block\notherwise: forward\n");
    let world = world.start().await;
    let text = std::fs::read_to_string(world.folder.path().join("data/admin-token")).unwrap();
    let token = text.split_whitespace().find(|it| it.starts_with("sw_")).unwrap().to_string();
    let admin = world.gateway.api.admin.unwrap();
    let described: serde_json::Value = {
        let url = format!("http://{admin}/api/v1/openapi.json");
        reqwest::Client::new().get(url).bearer_auth(&token).send().await.unwrap().json().await.unwrap()
    };
    let bearer = format!("Authorization: Bearer {token}");
    let mut routes = 0;
    for (path, methods) in described["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            routes += 1;
            let path = path.replace("{id}", "x").replace("{event}", "page");
            let host = format!("Host: {admin}");
            let wrong = "Authorization: Bearer sw_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
            let basic = format!("Authorization: Basic {token}");
            let lower = format!("Authorization: Bearer {}", token.to_lowercase());
            let longer = format!("{bearer}x");
            let same = format!("Origin: http://{admin}");
            let cookie = format!("Cookie: token={token}; authorization=Bearer {token}");
            for (fields, expected) in [
                (vec![&*host], 401),
                (vec![&host, wrong], 401),
                (vec![&host, &basic], 401),
                (vec![&host, &lower], 401),
                (vec![&host, &longer], 401),
                (vec![&host, &cookie], 401),
                (vec![&host, &same], 401),
                (vec![&host, &bearer, &bearer], 401),
                (vec![&host, &bearer, "Origin: https://evil.example"], 403),
                (vec![&host, &bearer, "Origin: null"], 403),
                (vec![&host, &bearer, "Origin: http://127.0.0.1:1"], 403),
                (vec![&host, &bearer, "Sec-Fetch-Site: cross-site"], 403),
                (vec![&host, &bearer, "Sec-Fetch-Site: same-site"], 403),
                (vec!["Host: rebind.example", &bearer], 421),
                (vec!["Host: bank.example", &bearer, "X-Forwarded-Host: 127.0.0.1"], 421),
            ] {
                let head = format!("{} {path}?token={token}&access_token={token} HTTP/1.1", method.to_uppercase());
                let request = format!("{head}\r\n{}\r\nContent-Length: 2\r\n\r\n{{}}", fields.join("\r\n"));
                let answer = crate::origin::exchange(admin, request.as_bytes()).await;
                assert_eq!(crate::world::status(&answer), expected, "{method} {path} with {fields:?}: {answer}");
                assert!(!answer.to_lowercase().contains("access-control-allow"), "{answer}");
            }
        }
    }
    assert!(routes >= 10, "{routes}");
}
