//! A mail server that does not answer: the page says so in its own language and offers another way, to everybody alike.

use std::{net::SocketAddr, time::Duration};

use http::StatusCode;

use crate::{
    mailbox::Mailbox,
    visitor::Visitor,
    world::{LOGIN, Town, World},
};

/// A payment that asks for a code by these methods; whoever asks, also by a mere claim.
fn pay(methods: &str) -> String {
    format!(
        "event: pay\ncovers: [POST /pay]\nsucceeded: response.status == 200\nfailed: response.status == 402\nwhen_unsure: block\notherwise: block\nsteps:\n  - require: a code\n    proof: {methods}\n    attempts: 3\n  - finish: pay\n    then: forward\n"
    )
}

const TROUBLE: [(&str, &str, &str); 3] = [
    ("en", "the mail server does not answer", "choose another way"),
    ("de", "Der Mailserver antwortet nicht", "einen anderen Weg wählen"),
    ("ar", "خادم البريد لا يستجيب", "اختيار طريقة أخرى"),
];

async fn dead() -> SocketAddr {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

async fn town(server: SocketAddr, methods: &str) -> Town {
    World::new().policy(LOGIN).policy(&pay(methods)).mail(server).start().await
}

/// Somebody signed in who has, or has not, an address for codes; and the challenge that a payment leads to.
async fn challenged(town: &Town, name: &str, has_address: bool) -> (Visitor, String) {
    let mut visitor = town.visitor();
    if has_address {
        town.email(name, &format!("{name}@example.com")).await;
        town.wait_ms(25 * 3_600_000);
    }
    town.sign_in(&mut visitor, name).await;
    let asked = visitor.post("/pay", &[("amount", "900")]).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.text);
    let challenge = asked.location().to_string();
    (visitor, challenge)
}

/// The page by e-mail code, once it says so or not at all.
async fn told(visitor: &mut Visitor, challenge: &str, language: &str, says: &str) -> String {
    let mut page = String::new();
    for _ in 0..100 {
        page = visitor.get(&format!("{challenge}?m=email_code&lang={language}")).await.text;
        if page.contains(says) {
            return page;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the page never says {says:?}: {page}");
}

#[tokio::test]
async fn a_page_says_in_its_language_that_the_mail_could_not_be_sent_and_what_else_there_is() {
    let town = town(dead().await, "[email_code, totp]").await;
    let (mut ada, challenge) = challenged(&town, "ada", true).await;
    for (language, says, other) in TROUBLE {
        let page = told(&mut ada, &challenge, language, says).await;
        assert!(page.contains(other) && page.contains("role=\"alert\""), "{language}: {page}");
        assert!(
            page.contains("<details open>") && page.contains("m=totp"),
            "{language}: the other way is open: {page}"
        );
        assert!(page.contains("name=\"send\""), "{language}: it can be tried again: {page}");
    }
    let totp = ada.get(&format!("{challenge}?m=totp")).await.text;
    assert!(!totp.contains(TROUBLE[0].1), "the other way has no trouble: {totp}");
}

#[tokio::test]
async fn where_there_is_no_other_way_none_is_promised() {
    let town = town(dead().await, "[email_code]").await;
    let (mut ada, challenge) = challenged(&town, "ada", true).await;
    for (language, says, other) in TROUBLE {
        let page = told(&mut ada, &challenge, language, says).await;
        assert!(!page.contains(other) && !page.contains("<details"), "{language}: {page}");
    }
    assert_eq!(town.app.count("POST /pay"), 0);
}

/// In either order: whoever comes first must not be told less, nor tell anything to the next.
#[tokio::test]
async fn who_has_no_address_sees_the_same_page_as_who_has_one() {
    for first_has_address in [true, false] {
        let town = town(dead().await, "[email_code, totp]").await;
        let mut pages = Vec::new();
        for has_address in [first_has_address, !first_has_address] {
            let name = if has_address { "ada" } else { "bob" };
            let (mut visitor, challenge) = challenged(&town, name, has_address).await;
            // Somebody without an address is shown the other way first; asking for a letter makes both alike.
            town.wait_ms(31_000);
            visitor.post(&challenge, &[("method", "email_code"), ("send", "1")]).await;
            let page = told(&mut visitor, &challenge, "en", TROUBLE[0].1).await;
            let id = challenge.rsplit('/').next().unwrap().to_string();
            let reference = page.split("<code>").nth(1).unwrap().split('<').next().unwrap().to_string();
            pages.push(page.replace(&id, "ID").replace(&reference, "REFERENCE"));
        }
        assert_eq!(pages[0], pages[1], "with an address first: {first_has_address}");
    }
}

#[tokio::test]
async fn a_server_that_refuses_one_recipient_is_not_said_to_be_silent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    tokio::spawn(async move {
        use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (reader, mut writer) = stream.into_split();
                let mut lines = BufReader::new(reader).lines();
                let mut answer = "220 here ESMTP\r\n".to_string();
                loop {
                    if writer.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                    let Ok(Some(line)) = lines.next_line().await else { return };
                    answer = match line.get(..4).unwrap_or_default() {
                        "RCPT" => "550 no such user\r\n".into(),
                        _ => "250 OK\r\n".into(),
                    };
                }
            });
        }
    });
    let town = town(server, "[email_code, totp]").await;
    let (mut ada, challenge) = challenged(&town, "ada", true).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let page = ada.get(&format!("{challenge}?m=email_code")).await.text;
    assert!(!page.contains(TROUBLE[0].1), "that would tell of the account: {page}");
}

#[tokio::test]
async fn a_server_that_is_back_sends_the_next_code_and_the_page_says_nothing_more() {
    let address = dead().await;
    let town = town(address, "[email_code]").await;
    let (mut ada, challenge) = challenged(&town, "ada", true).await;
    told(&mut ada, &challenge, "en", TROUBLE[0].1).await;
    let mailbox = Mailbox::at(address).await;
    town.wait_ms(31_000);
    let again = ada.post(&challenge, &[("method", "email_code"), ("send", "1")]).await;
    assert_eq!(again.status, StatusCode::SEE_OTHER, "{}", again.text);
    let code = mailbox.code(1).await;
    let page = ada.get(&challenge).await.text;
    assert!(!page.contains(TROUBLE[0].1) && page.contains("on its way"), "{page}");
    let proven = ada.post(&challenge, &[("method", "email_code"), ("code", &code)]).await;
    assert!(proven.location().ends_with("/continue"), "{} {}", proven.status, proven.text);
}
