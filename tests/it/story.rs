//! The second half of the README's walk through the demo, from the bad network to the agents; `demo` tells the first.

use std::{fs, time::Duration};

use http::StatusCode;
use stepward::demo::{self, Demo, Options};

use crate::visitor::Visitor;

/// Files are looked at every two seconds.
const LOOKS_MAX: usize = 60;

async fn demo() -> Demo {
    demo::start(&Options::anywhere()).await.unwrap_or_else(|error| panic!("{error:?}"))
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(200)).await;
}

/// A browser that signed in, and where that led.
async fn sign_in(demo: &Demo, name: &str, password: &str) -> (Visitor, String) {
    let mut visitor = Visitor::of(demo.gateway.addresses[0]);
    let seen = visitor.post("/login", &[("username", name), ("password", password)]).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
    let led_to = seen.location().to_string();
    (visitor, led_to)
}

async fn pay(visitor: &mut Visitor, amount: &str) -> String {
    let seen = visitor.post("/transfer", &[("payee", "DE02120300000000202051"), ("amount", amount)]).await;
    seen.location().to_string()
}

async fn mailed_code(demo: &Demo, to: &str) -> String {
    for _ in 0..LOOKS_MAX {
        let letters = demo.mailbox.letters();
        let texts = letters.iter().filter(|letter| letter.to == to).map(|letter| letter.text.clone());
        let codes = texts
            .filter_map(|text| text.split(|it: char| !it.is_ascii_digit()).find(|it| it.len() == 6).map(String::from));
        if let Some(code) = codes.into_iter().next() {
            return code;
        }
        pause().await;
    }
    panic!("no code was mailed to {to}");
}

/// Whether a line of the decision log holds all of these, soon.
async fn is_logged(demo: &Demo, parts: &[&str]) -> bool {
    for _ in 0..10 {
        let log = fs::read_to_string(demo.folder.join("decisions.jsonl")).unwrap_or_default();
        if log.lines().any(|line| parts.iter().all(|part| line.contains(part))) {
            return true;
        }
        pause().await;
    }
    false
}

#[tokio::test]
async fn from_a_bad_network_a_right_password_waits_for_a_code_and_the_apps_answer_is_held_until_then() {
    let demo = demo().await;
    demo.controls.toggle_network();
    let mut held = None;
    for _ in 0..LOOKS_MAX {
        let (visitor, led_to) = sign_in(&demo, "bob@example.com", "bob").await;
        if led_to.starts_with("/.stepward/c/") {
            held = Some((visitor, led_to));
            break;
        }
        pause().await;
    }
    let (mut bob, challenge) = held.unwrap();
    assert!(!bob.cookies.contains_key("sessionid"), "the app's cookie is held back");
    let code = mailed_code(&demo, "bob@example.com").await;
    let proven = bob.post(&challenge, &[("method", "email_code"), ("code", &code)]).await;
    let on = bob.get(proven.location()).await;
    let released = bob.get(on.location()).await;
    assert_eq!(released.location(), "/", "the app's own answer: {}", released.text);
    assert!(bob.get("/").await.text.contains("bob@example.com"), "and he is in");
}

#[tokio::test]
async fn with_vendor_a_broken_vendor_b_is_asked_and_the_log_says_so() {
    let demo = demo().await;
    let (mut ada, _) = sign_in(&demo, "ada@example.com", "ada").await;
    demo.controls.toggle_vendor();
    let fail_over = ["\"event\":\"transfer money\"", "\"source\":\"vendor-b\"", "fail_over"];
    let mut told = false;
    // Vendor B, too, may be slow on a busy machine; then the next payment asks it again.
    for _ in 0..5 {
        assert!(!pay(&mut ada, "900").await.starts_with("/login"), "she stays signed in");
        told = is_logged(&demo, &fail_over).await;
        if told {
            break;
        }
    }
    assert!(told, "no line of the decision log holds {fail_over:?}");
}

#[tokio::test]
async fn in_shadow_the_transfer_is_paid_at_once_and_the_log_says_what_would_have_been() {
    let demo = demo().await;
    let (mut ada, _) = sign_in(&demo, "ada@example.com", "ada").await;
    assert!(pay(&mut ada, "900").await.starts_with("/.stepward/c/"), "enforced");
    demo.controls.toggle_shadow();
    let mut led_to = String::new();
    for _ in 0..LOOKS_MAX {
        led_to = pay(&mut ada, "901").await;
        if led_to == "/" {
            break;
        }
        pause().await;
    }
    assert_eq!(led_to, "/", "paid without a restart");
    let would_have = ["\"event\":\"transfer money\"", "\"mode\":\"shadow\"", "\"outcome\":\"challenge\""];
    assert!(is_logged(&demo, &would_have).await, "no line of the decision log holds {would_have:?}");
}

#[tokio::test]
async fn an_agent_reads_for_its_person_and_pays_nothing() {
    let demo = demo().await;
    let (mut ada, _) = sign_in(&demo, "ada@example.com", "ada").await;
    let page = ada.get("/agent-token").await.text;
    let token = page.split("<pre id=\"token\">").nth(1).unwrap().split('<').next().unwrap().trim().to_string();
    let agent = Visitor::of(demo.gateway.addresses[0]);
    let read = agent.client().get(agent.url("/agent/balance")).bearer_auth(&token).send().await.unwrap();
    assert_eq!(read.status(), StatusCode::OK);
    assert!(read.text().await.unwrap().contains("ada@example.com"), "the app is told for whom");
    let paid = agent.client().post(agent.url("/agent/transfer")).bearer_auth(&token).send().await.unwrap();
    assert_eq!(paid.status(), StatusCode::FORBIDDEN);
    let nobody = agent.client().get(agent.url("/agent/balance")).send().await.unwrap();
    assert_eq!(nobody.status(), StatusCode::FORBIDDEN, "without a token nobody gets there");
}
