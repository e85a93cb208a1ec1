//! `notify: subject`: letters to whoever was verified, few, in their language, and never waited for.

use http::StatusCode;

use crate::{
    mailbox::Mailbox,
    visitor::Visitor,
    world::{LOGIN, Town, World},
};

const ADDRESS: &str = "ada@mail.example";

const PAY: &str = "
event: transfer money
covers: [GET /pay]
facts:
  how: { from: query.how, type: text }
when_unsure: block
otherwise: forward
steps:
  - decide: hidden reason
    rules:
      - { rule: pass, when: event.how == \"pass\", then: forward, notify: subject }
      - { rule: ask, when: event.how == \"ask\", then: { challenge: [totp] }, notify: [subject] }
      - { rule: refuse, when: event.how == \"refuse\", then: block, notify: subject, tell: transfer.refused }
";

async fn town(mailbox: &Mailbox, settings: &str, policies: &[&str]) -> (Town, Visitor) {
    let mut world = World::new().policy(LOGIN).mail(mailbox.address).settings(settings);
    for policy in policies {
        world = world.policy(policy);
    }
    let town = world.start().await;
    town.email("ada", ADDRESS).await;
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    (town, ada)
}

#[tokio::test]
async fn the_subject_is_told_what_became_of_it_in_the_services_language() {
    for (language, passed, asked, refused) in [
        ("en", "It was passed on", "A confirmation was asked for", "It was not carried out"),
        ("de", "Es wurde weitergeleitet", "eine Bestätigung verlangt", "Es wurde nicht ausgeführt"),
        ("ar", "مُرِّر الطلب", "طُلب تأكيد", "لم يُنفَّذ الطلب"),
    ] {
        let mailbox = Mailbox::open().await;
        let settings = format!("pages: {{ language: {language}, service_name: Tiny Bank }}");
        let (town, mut ada) = town(&mailbox, &settings, &[PAY]).await;
        for (number, (how, status, said)) in [
            ("pass", StatusCode::OK, passed),
            ("ask", StatusCode::SEE_OTHER, asked),
            ("refuse", StatusCode::FORBIDDEN, refused),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(ada.get(&format!("/pay?how={how}")).await.status, status, "{how}");
            let letters = mailbox.wait_for(number + 1).await;
            let letter = letters.last().unwrap();
            assert!(letter.to.contains(ADDRESS), "{letter:?}");
            let text = &letter.text;
            assert!(text.contains(said) && text.contains("Tiny Bank"), "{how}: {text}");
            let line = town.decisions().into_iter().rfind(|it| it["rule"] == how).unwrap();
            let reference = &line["id"].as_str().unwrap()[..8];
            assert!(text.contains(reference), "{reference} is not in {text}");
            assert!(!text.contains("hidden"), "the rule is not told: {text}");
            assert!(!line.to_string().contains(ADDRESS), "{line}");
        }
    }
}

#[tokio::test]
async fn nobody_is_told_of_what_somebody_else_claims_of_shadows_or_without_an_address() {
    let mailbox = Mailbox::open().await;
    let shadow = "event: shade\nmode: shadow\ncovers: [GET /pay]\nwhen_unsure: block\notherwise: block\nsteps:\n  - finish: it\n    then: block\n    notify: subject\n";
    let claims = "
event: reset
covers: [POST /reset]
facts:
  username: { from: body.username, type: text, pii: true, identifies: subject }
when_unsure: block
otherwise: forward
steps:
  - finish: it
    then: block
    notify: subject
";
    let (town, mut ada) = town(&mailbox, "", &[PAY, shadow, claims]).await;
    let mut stranger = town.visitor();
    assert_eq!(stranger.post("/reset", &[("username", "ada")]).await.status, StatusCode::FORBIDDEN);
    stranger.get("/pay?how=pass").await;
    let mut bob = town.visitor();
    town.sign_in(&mut bob, "bob").await;
    assert_eq!(bob.get("/pay?how=pass").await.status, StatusCode::OK, "he has no address, and is served all the same");
    ada.get("/pay?how=other").await;
    ada.get("/pay?how=pass").await;
    let letters = mailbox.wait_for(1).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(mailbox.letters().len(), 1, "Ada's own, and no other: {letters:?}");
}

#[tokio::test]
async fn letters_are_few_and_many_about_one_end_do_not_keep_back_another() {
    let mailbox = Mailbox::open().await;
    let (town, mut ada) = town(&mailbox, "", &[PAY]).await;
    for _ in 0..8 {
        assert_eq!(ada.get("/pay?how=pass").await.status, StatusCode::OK);
    }
    mailbox.wait_for(3).await;
    ada.get("/pay?how=refuse").await;
    mailbox.wait_for(4).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(mailbox.letters().len(), 4, "three an hour of each");
    town.wait_ms(3_601_000);
    town.sign_in(&mut ada, "ada").await;
    ada.get("/pay?how=pass").await;
    mailbox.wait_for(5).await;
}

#[tokio::test]
async fn a_dead_mail_server_holds_nobody_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let town = World::new().policy(LOGIN).policy(PAY).mail(listener.local_addr().unwrap()).start().await;
    town.email("ada", ADDRESS).await;
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    // Nobody answers there: a request that waited would take ten seconds.
    let seen = tokio::time::timeout(std::time::Duration::from_secs(5), ada.get("/pay?how=pass")).await;
    assert_eq!(seen.expect("the request waited for the mail server").status, StatusCode::OK);
}

#[tokio::test]
async fn what_accompanies_a_decision_holds_after_success_too() {
    let login = "
event: login
apply: after_success
covers: [POST /login]
facts:
  username: { from: body.username, type: text, pii: true, identifies: subject }
succeeded: response.status == 303
failed: response.status == 401
when_unsure: block
otherwise: forward
steps:
  - decide: often
    rules:
      - rule: third time
        when: subject.counted.logins_24h >= 2
        then: block
  - finish: in
    then: forward
    notify: subject
    count: logins
";
    let mailbox = Mailbox::open().await;
    let town = World::new().policy(login).mail(mailbox.address).start().await;
    town.email("ada", ADDRESS).await;
    for _ in 0..2 {
        town.sign_in(&mut town.visitor(), "ada").await;
    }
    mailbox.wait_for(2).await;
    let third = town.visitor().post("/login", &[("username", "ada"), ("password", "right")]).await;
    assert_eq!(third.status, StatusCode::FORBIDDEN, "`count` was heard");
}
