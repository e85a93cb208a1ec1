//! From the request to the app, by people, by programs, and by mail.

use http::StatusCode;
use serde_json::json;

use super::{Bank, Visitor, approve, go_on, send, the_one, to_sign, waiting};
use crate::world::post_office;

#[tokio::test]
async fn a_colleague_approves_exactly_this_and_it_is_sent_once() {
    let bank = Bank::open().await;
    let (mut carol, mut key) = bank.approver("carol").await;
    let mut ada = bank.person("ada").await;
    assert!(waiting(&mut carol).await.is_empty());
    let challenge = bank.asks(&mut ada, "900.50").await;
    assert_eq!(bank.paid(), 0, "nothing is sent before it is approved");

    let page = the_one(&mut carol).await;
    let shown = carol.get(&page).await.text;
    for said in ["<bdi>ada</bdi>", "<bdi>Transfer of money</bdi>", "<bdi>DE02</bdi>", "<bdi>900.5</bdi>"] {
        assert!(shown.contains(said), "{said} is missing from {shown}");
    }
    let told = approve(&bank, &mut carol, &mut key, &page).await;
    assert!(told.text.contains("This is approved."), "{}", told.text);
    assert!(waiting(&mut carol).await.is_empty(), "it waits no longer");

    assert_eq!(go_on(&mut ada, &challenge).await.status, StatusCode::OK);
    assert_eq!(bank.paid(), 1);
    assert!(bank.town.app.last("POST /transfer").ends_with("payee=DE02&amount=900.50"), "as it was");
    let last = bank.town.decisions().pop().unwrap();
    assert_eq!(last["outcome"], "forward", "{last}");
    let proof = &last["proofs"][0];
    assert_eq!(proof["method"], "approval", "{last}");
    let account = bank.town.gateway.journeys.parts().sessions.account("default", "carol");
    assert_eq!(proof["by"], data_encoding::HEXLOWER.encode(&account), "who approved, by a pseudonym: {last}");
    assert!(!last.to_string().contains("carol"), "{last}");

    // The same once more is another transfer: nobody has approved that one.
    let again = ada.post("/transfer", &[("payee", "DE02"), ("amount", "900.50")]).await;
    assert!(again.location().starts_with("/.stepward/c/"), "{} {}", again.status, again.text);
    assert_eq!(bank.paid(), 1);
}

#[tokio::test]
async fn a_program_asks_and_polls_and_another_program_approves() {
    let bank = Bank::open().await;
    let (mut carol, mut key) = bank.approver("carol").await;
    let mut ada = bank.person("ada").await;
    ada.headers = vec![("accept", "application/json".into()), ("sec-fetch-mode", "cors".into())];
    carol.headers = ada.headers.clone();
    bank.town.app.says("POST /transfer", 200, "paid");
    let asked = ada.post("/transfer", &[("payee", "DE02"), ("amount", "900")]).await;
    assert_eq!(asked.status, StatusCode::UNAUTHORIZED);
    let asked = asked.json();
    assert_eq!(asked["methods"], json!(["approval"]));
    let challenge = asked["challenge_url"].as_str().unwrap().to_string();
    let begun = ada.post(&challenge, &[("method", "approval")]).await.json();
    assert_eq!(begun["status"], "pending", "{begun}");
    assert_eq!(ada.get(&challenge).await.json()["status"], "pending");

    let listed = carol.get("/.stepward/approvals").await.json();
    let page = listed["approvals"][0]["url"].as_str().unwrap().to_string();
    let told = carol.get(&page).await.json();
    assert_eq!(told["status"], "open");
    assert_eq!((&told["requester"], &told["event"]), (&json!("ada"), &json!("transfer money")));
    assert_eq!(told["bound"], json!([{ "name": "payee", "value": "DE02" }, { "name": "amount", "value": "900" }]));
    let assertion = key.sign(&told["passkey"]["publicKey"], &bank.how());
    let body = json!({ "answer": "approve", "assertion": assertion }).to_string();
    let request = carol.client().post(carol.url(&page)).header("content-type", "application/json").body(body);
    let request = request.header("origin", carol.url("")).header("sec-fetch-site", "same-origin");
    assert_eq!(carol.send(request).await.json()["status"], "taken");
    assert_eq!(carol.get(&page).await.json()["status"], "approved");

    let passed = ada.get(&challenge).await.json();
    assert_eq!(passed["status"], "passed", "{passed}");
    let request = ada.client().post(ada.url("/transfer")).header("content-type", "application/x-www-form-urlencoded");
    let request = request.header("origin", ada.url("")).header("sec-fetch-site", "same-origin");
    let request = request.header("stepward-resume", passed["resume"].as_str().unwrap()).body("payee=XX&amount=1");
    assert_eq!(ada.send(request).await.status, StatusCode::OK);
    assert!(
        bank.town.app.last("POST /transfer").ends_with("payee=DE02&amount=900"),
        "what was approved, not what came"
    );
}

#[tokio::test]
async fn approvers_with_a_mailbox_are_told_what_and_where_and_nothing_that_approves() {
    let mailbox = post_office().await;
    let bank = Bank::with(|world| world.mail(mailbox.address)).await;
    for name in ["carol", "ada", "erin"] {
        bank.town.email(name, &format!("{name}@mail.example")).await;
    }
    let mut ada = bank.person("ada").await;
    bank.asks(&mut ada, "424242.75").await;
    let letters = mailbox.wait_for(1).await;
    assert_eq!(letters.len(), 1, "neither who asks nor another group is told");
    assert!(letters[0].to.contains("carol@mail.example"));
    let mut carol = bank.person("carol").await;
    let page = the_one(&mut carol).await;
    let text = letters[0].text.replace("=\r\n", "").replace("=\n", "").replace("=3D", "=");
    assert!(text.contains(&format!("http://localhost:{}{page}", bank.port)), "{text}");
    assert!(text.contains("Transfer of money"), "{text}");
    assert!(!text.contains("424242") && !text.contains("DE02"), "{text}");
}

#[tokio::test]
async fn several_tabs_and_a_page_that_was_closed_all_come_to_the_same_end() {
    let bank = Bank::open().await;
    let (mut carol, mut key) = bank.approver("carol").await;
    let mut ada = bank.person("ada").await;
    let challenge = bank.asks(&mut ada, "900").await;
    // Pressed in another tab as well: the same request, no second one.
    ada.post(&challenge, &[("method", "approval")]).await;
    let page = the_one(&mut carol).await;
    bank.town.wait_ms(8 * 60 * 1000);
    approve(&bank, &mut carol, &mut key, &page).await;
    let (first, second) = (ada.get(&challenge).await, ada.get(&challenge).await);
    assert_eq!(first.location(), second.location());
    assert_eq!(go_on(&mut ada, &challenge).await.status, StatusCode::OK);
    assert_eq!(bank.paid(), 1);
}

#[tokio::test]
async fn a_gateway_that_is_restarted_meanwhile_loses_nothing() {
    let mut bank = Bank::open().await;
    let (mut carol, mut key) = bank.approver("carol").await;
    let mut ada = bank.person("ada").await;
    let challenge = bank.asks(&mut ada, "900").await;
    bank.town = bank.town.restarted().await;
    let page = the_one(&mut carol).await;
    let options = to_sign(&mut carol, &page).await;
    send(&mut carol, &page, &key.sign(&options, &bank.how())).await;
    bank.town = bank.town.restarted().await;
    assert_eq!(go_on(&mut ada, &challenge).await.status, StatusCode::OK);
    assert_eq!(bank.paid(), 1);
}

#[tokio::test]
async fn an_agent_without_pages_asks_polls_and_repeats_its_call() {
    let bank = Bank::with(|world| {
        world.settings(
            "trusted_proxies: [127.0.0.0/8]\nsubject: [{ header: { name: x-agent } }, { app_session: { cookie: sid } }]",
        )
    });
    let bank = bank.await;
    let (mut carol, mut key) = bank.approver("carol").await;
    let mut agent = bank.town.program();
    agent.is_at(&format!("http://localhost:{}", bank.port));
    agent.headers = vec![("x-agent", "ledger-bot".into()), ("accept", "application/json".into())];
    bank.town.app.says("POST /transfer", 200, "paid");
    let call = |agent: &Visitor, path: &str, body: &'static str| {
        agent.client().post(agent.url(path)).header("content-type", "application/x-www-form-urlencoded").body(body)
    };
    let request = call(&agent, "/transfer", "payee=DE02&amount=900");
    let asked = agent.send(request).await.json();
    assert_eq!(asked["methods"], json!(["approval"]), "{asked}");
    let challenge = asked["challenge_url"].as_str().unwrap().to_string();
    let request = call(&agent, &challenge, "method=approval");
    assert_eq!(agent.send(request).await.json()["status"], "pending");
    let request = agent.client().get(agent.url(&challenge));
    assert_eq!(agent.send(request).await.json()["status"], "pending");
    let page = the_one(&mut carol).await;
    assert!(carol.get(&page).await.text.contains("<bdi>ledger-bot</bdi>"));
    approve(&bank, &mut carol, &mut key, &page).await;
    let request = agent.client().get(agent.url(&challenge));
    assert_eq!(agent.send(request).await.json()["status"], "passed");
    for (body, expected) in [
        ("payee=DE02&amount=901", StatusCode::UNAUTHORIZED),
        ("payee=DE02&amount=900", StatusCode::OK),
        ("payee=DE02&amount=900", StatusCode::UNAUTHORIZED),
    ] {
        let request = call(&agent, "/transfer", body);
        assert_eq!(agent.send(request).await.status, expected, "{body}");
    }
    assert_eq!(bank.paid(), 1);
}
