//! Tests against robots: shown by the vendor that answers, checked by that vendor, good once.

use http::{StatusCode, header};

use crate::{
    visitor::{Seen, Visitor},
    world::{App, Town, World},
};

const PASSED: &str = r#"{"success": true, "hostname": "127.0.0.1", "action": "sign_up"}"#;

const SIGN_UP: &str = "event: sign up\ncovers: [POST /signup]\nwhen_unsure: block\notherwise: block\nsteps:\n  - require: no robot\n    proof: METHODS\n    attempts: 3\n  - finish: sign up\n    then: forward\n";

fn tester(id: &str, vendor: &App) -> String {
    format!(
        "connector: {id}\ncapability: bot_verify\nnetwork: internal\ndata: {{ sends: [token, ip] }}\ninputs: {{ token: {{ required: true, max_len: 64 }}, action: {{}}, ip: {{}} }}\noperations:\n  verify:\n    kind: verify\n    request: {{ method: POST, url: \"http://{0}/verify\", form: {{ response: \"${{input.token}}\", remoteip: \"${{input.ip}}\" }} }}\n    timeout: 1s\n    response:\n      map:\n        bot.challenge_passed: body.success\n        bot.challenge_hostname: body.hostname\n        bot.challenge_action: body.action\n      required: [bot.challenge_passed]\nclient:\n  script: \"http://{0}/api.js\"\n  csp: {{ script-src: [\"http://{0}\"], frame-src: [\"http://{0}\"] }}\n  token_field: {id}-response\n  snippet: '<div class=\"{id}-widget\" data-action=\"{{action}}\"></div>'\n",
        vendor.address
    )
}

async fn town(methods: &str, vendors: &[&App]) -> Town {
    let mut world = World::new().policy(&SIGN_UP.replace("METHODS", methods)).settings("connectors: connectors");
    let mut route = String::from("capability: bot_verify\nbreaker: { failures: 2 }\nconnectors:\n");
    for (id, vendor) in ["a", "b"].into_iter().zip(vendors) {
        vendor.says("POST /verify", 200, PASSED);
        world = world.file(&format!("connectors/{id}/connector.yaml"), &tester(id, vendor));
        route += &format!("  - {{ connector: {id} }}\n");
    }
    world.file("connectors/routes/bot_verify.yaml", &route).start().await
}

async fn challenged(town: &Town) -> (Visitor, String) {
    let mut visitor = town.visitor();
    let asked = visitor.post("/signup", &[("name", "ada")]).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.text);
    let challenge = asked.location().to_string();
    (visitor, challenge)
}

async fn answer(visitor: &mut Visitor, challenge: &str, vendor: &str, token: &str) -> Seen {
    let field = format!("{vendor}-response");
    visitor.post(challenge, &[("method", "captcha"), ("vendor", vendor), (&field, token)]).await
}

#[tokio::test]
async fn a_vendors_test_is_shown_and_what_the_vendor_passed_goes_on() {
    let vendor = App::start().await;
    let town = town("[captcha]", &[&vendor]).await;
    let (mut ada, challenge) = challenged(&town).await;
    let page = ada.get(&challenge).await;
    assert!(page.text.contains("<div class=\"a-widget\" data-action=\"sign_up\"></div>"), "{}", page.text);
    assert!(page.text.contains("api.js") && page.text.contains("<noscript>"), "{}", page.text);
    let policies: Vec<_> = page.headers.get_all(header::CONTENT_SECURITY_POLICY).iter().collect();
    assert_eq!(policies.len(), 1);
    let policy = policies[0].to_str().unwrap();
    let host = format!("http://{}", vendor.address);
    assert!(policy.contains(&format!("script-src 'self' {host};")), "{policy}");
    assert!(policy.ends_with(&format!("frame-src {host}")) && policy.starts_with("default-src 'none';"), "{policy}");
    let passed = answer(&mut ada, &challenge, "a", "token-1").await;
    assert!(passed.location().ends_with("/continue"), "{passed:?}");
    let asked = vendor.last("POST /verify");
    assert!(asked.contains("response=token-1") && asked.contains("remoteip=127.0.0.1"), "{asked}");
    let told: String = town.decisions().iter().map(ToString::to_string).collect();
    assert!(!told.contains("token-1"), "{told}");
}

#[tokio::test]
async fn only_the_vendors_word_for_this_host_and_this_event_passes() {
    for (name, says) in [
        ("not passed", r#"{"success": false}"#),
        ("another action", r#"{"success": true, "hostname": "127.0.0.1", "action": "login"}"#),
        ("another host", r#"{"success": true, "hostname": "evil.example", "action": "sign_up"}"#),
    ] {
        let vendor = App::start().await;
        let town = town("[captcha]", &[&vendor]).await;
        vendor.says("POST /verify", 200, says);
        let (mut ada, challenge) = challenged(&town).await;
        let refused = answer(&mut ada, &challenge, "a", "token-1").await;
        assert!(refused.location().contains("e=wrong"), "{name}: {refused:?}");
        let long = answer(&mut ada, &challenge, "a", &"x".repeat(65)).await;
        assert!(long.location().contains("e=wrong"), "{name}: {long:?}");
        let nobodys = answer(&mut ada, &challenge, "nobody", "token-2").await;
        assert!(!nobodys.location().ends_with("/continue"), "{name}: {nobodys:?}");
        assert_eq!(town.app.count("POST /signup"), 0);
    }
}

#[tokio::test]
async fn a_token_counts_once_in_all_sessions() {
    let vendor = App::start().await;
    let town = town("[captcha]", &[&vendor]).await;
    let (mut ada, challenge) = challenged(&town).await;
    assert!(answer(&mut ada, &challenge, "a", "token-1").await.location().ends_with("/continue"));
    let (mut eve, second) = challenged(&town).await;
    let replayed = answer(&mut eve, &second, "a", "token-1").await;
    assert!(replayed.location().contains("e=wrong"), "{replayed:?}");
    assert_eq!(vendor.count("POST /verify"), 1, "a vendor may have forgotten it; it is not asked");
}

#[tokio::test]
async fn while_a_vendor_does_not_answer_nothing_passes_and_the_next_ones_test_is_shown() {
    let (first, second) = (App::start().await, App::start().await);
    let town = town("[captcha]", &[&first, &second]).await;
    first.says("POST /verify", 503, "down");
    let (mut ada, challenge) = challenged(&town).await;
    assert!(ada.get(&challenge).await.text.contains("a-widget"));
    for _ in 0..2 {
        let unheard = answer(&mut ada, &challenge, "a", &format!("token-{}", first.count("POST /verify"))).await;
        assert!(unheard.location().contains("e=unheard") && unheard.location().contains("x=a"), "{unheard:?}");
        let page = ada.get(unheard.location()).await.text;
        assert!(page.contains("b-widget") && page.contains("could not be checked"), "{page}");
    }
    // Its breaker is open: it is shown to nobody, and no try was lost.
    let (mut bob, other) = challenged(&town).await;
    assert!(bob.get(&other).await.text.contains("b-widget"));
    let passed = answer(&mut ada, &challenge, "b", "token-b").await;
    assert!(passed.location().ends_with("/continue"), "{passed:?}");
}

#[tokio::test]
async fn where_no_vendor_answers_there_is_another_way_and_never_none() {
    let vendor = App::start().await;
    let town = town("[captcha, pow]", &[&vendor]).await;
    vendor.says("POST /verify", 503, "down");
    let (mut ada, challenge) = challenged(&town).await;
    for token in ["token-1", "token-2"] {
        answer(&mut ada, &challenge, "a", token).await;
    }
    let (mut bob, other) = challenged(&town).await;
    let page = bob.get(&other).await.text;
    assert!(page.contains("id=\"pow\""), "the other way comes first: {page}");
    let page = bob.get(&format!("{other}?m=captcha")).await.text;
    assert!(page.contains("cannot be shown at the moment") && page.contains("<details open>"), "{page}");
    let posted = answer(&mut bob, &other, "a", "token-3").await;
    assert!(!posted.location().ends_with("/continue"), "unknown is never passed: {posted:?}");
}
