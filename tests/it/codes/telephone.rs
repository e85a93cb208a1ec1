//! Codes that are made and checked here and carried by whichever vendor takes them.

use std::time::Duration;

use http::StatusCode;
use stepward::challenges::contacts::Reach;

use crate::{
    visitor::{Seen, Visitor},
    world::{App, LOGIN, Town, World, post_office},
};

const ADA: &str = "+447700900123";
const SENT: &str = r#"{"status": "pending"}"#;

/// A payment that asks for a proof by these methods.
fn pay(methods: &str) -> String {
    format!(
        "event: pay\ncovers: [POST /pay]\nsucceeded: response.status == 200\nfailed: response.status == 402\nwhen_unsure: block\notherwise: block\nsteps:\n  - require: a code\n    proof: {methods}\n    attempts: 3\n  - finish: pay\n    then: forward\n"
    )
}

fn carrier(id: &str, vendor: &App) -> String {
    format!(
        "connector: {id}\ncapability: otp\nnetwork: internal\npaid: true\ndata: {{ sends: [phone, message, channel] }}\ninputs: {{ phone: {{ required: true }}, message: {{ required: true }}, channel: {{ type: string, required: true }} }}\noperations:\n  send:\n    kind: send\n    request: {{ method: POST, url: \"http://{}/send\", json: {{ to: \"${{input.phone}}\", text: \"${{input.message}}\", by: \"${{input.channel}}\" }} }}\n    timeout: 2s\n    response:\n      outcome: [{{ when: status == 400, then: invalid_input }}]\n      map: {{ otp.state: \"pick(body.status, {{'pending': 'sent'}}, 'failed')\" }}\n      required: [otp.state]\n",
        vendor.address
    )
}

/// Vendors `a` and `b` carry messages, in this order.
async fn town(methods: &str, vendors: &[&App], settings: &str) -> Town {
    let mut world =
        World::new().policy(LOGIN).policy(&pay(methods)).settings("connectors: connectors").settings(settings);
    let mut route = String::from("capability: otp\nconnectors:\n");
    for (id, vendor) in ["a", "b"].into_iter().zip(vendors) {
        vendor.says("POST /send", 200, SENT);
        world = world.file(&format!("connectors/{id}/connector.yaml"), &carrier(id, vendor));
        route += &format!("  - {{ connector: {id} }}\n");
    }
    world.file("connectors/routes/otp.yaml", &route).start().await
}

async fn learn(town: &Town, name: &str, number: &str) {
    let parts = town.gateway.journeys.parts();
    let account = parts.sessions.account("default", name);
    parts.challenges.contacts().learn_of(Reach::Phone, "default", account, number).await.unwrap();
}

/// Somebody signed in, and the challenge that a payment leads to.
async fn challenged(town: &Town, name: &str) -> (Visitor, String) {
    let mut visitor = town.visitor();
    town.sign_in(&mut visitor, name).await;
    let asked = visitor.post("/pay", &[("amount", "900")]).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.text);
    let challenge = asked.location().to_string();
    (visitor, challenge)
}

/// Waits until a vendor was asked so often; what it was asked last.
async fn wait_for(vendor: &App, count: usize) -> String {
    for _ in 0..500 {
        if vendor.count("POST /send") >= count {
            return vendor.last("POST /send");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{count} messages were awaited: {:?}", vendor.seen());
}

/// The six digits after this mark.
fn digits_after(message: &str, mark: &str) -> String {
    let rest = message.split_once(mark).unwrap_or_else(|| panic!("no {mark} in {message}")).1;
    rest.chars().take(6).collect()
}

async fn answer(visitor: &mut Visitor, challenge: &str, method: &str, code: &str) -> Seen {
    visitor.post(challenge, &[("method", method), ("code", code)]).await
}

fn other(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

#[tokio::test]
async fn a_code_by_text_is_made_here_carried_by_a_vendor_and_good_once() {
    let vendor = App::start().await;
    let town = town("[sms_code]", &[&vendor], "").await;
    learn(&town, "ada", ADA).await;
    let (mut ada, challenge) = challenged(&town, "ada").await;
    let sent = wait_for(&vendor, 1).await;
    assert!(sent.contains(ADA) && sent.contains(r#""by":"sms""#), "{sent}");
    let code = digits_after(&sent, "@127.0.0.1 #");
    assert!(sent.contains(&format!("{code} is your code")), "{sent}");
    let page = ada.get(&challenge).await.text;
    assert!(page.contains("Code from the text message") && page.contains("autocomplete=\"one-time-code\""), "{page}");
    assert!(!page.contains("7700900123"), "the number is nobody's business: {page}");
    let wrong = answer(&mut ada, &challenge, "sms_code", &other(&code)).await;
    assert!(wrong.location().contains("e=wrong"), "{wrong:?}");
    let right = answer(&mut ada, &challenge, "sms_code", &code).await;
    assert!(right.location().ends_with("/continue"), "{right:?}");
    // Another payment of the same session is proven; another session cannot use the code again.
    let (mut eve, second) = challenged(&town, "ada").await;
    let again = answer(&mut eve, &second, "sms_code", &code).await;
    assert!(again.location().contains("e=wrong"), "{again:?}");
    assert_no_trace(&town, &[ADA, "7700900123", &code]);
}

fn assert_no_trace(town: &Town, secrets: &[&str]) {
    let log = town.decisions().iter().map(ToString::to_string).collect::<String>();
    let metrics = town.gateway.journeys.parts().metrics.text();
    for secret in secrets {
        assert!(!log.contains(secret) && !metrics.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn a_code_can_be_spoken() {
    let vendor = App::start().await;
    let town = town("[voice_code]", &[&vendor], "").await;
    learn(&town, "ada", ADA).await;
    let (mut ada, challenge) = challenged(&town, "ada").await;
    let sent = wait_for(&vendor, 1).await;
    assert!(sent.contains(r#""by":"voice""#), "{sent}");
    let spoken = sent.split_once("Your code is: ").unwrap().1;
    let code: String = spoken.chars().filter(char::is_ascii_digit).take(6).collect();
    let right = answer(&mut ada, &challenge, "voice_code", &code).await;
    assert!(right.location().ends_with("/continue"), "{right:?}");
}

#[tokio::test]
async fn where_one_vendor_cannot_send_the_next_one_does() {
    let (first, second) = (App::start().await, App::start().await);
    let town = town("[sms_code]", &[&first, &second], "").await;
    for (name, number, status, text) in [
        ("ada", "+447700900101", 503, "down"),
        ("bob", "+447700900102", 200, "<html>no JSON</html>"),
        ("cyd", "+447700900103", 429, "{}"),
        ("dan", "+447700900104", 200, r#"{"status": "failed"}"#),
    ] {
        first.says("POST /send", status, text);
        learn(&town, name, number).await;
        let before = second.count("POST /send");
        let (mut visitor, challenge) = challenged(&town, name).await;
        let sent = wait_for(&second, before + 1).await;
        assert!(sent.contains(number), "{name}: {sent}");
        let right = answer(&mut visitor, &challenge, "sms_code", &digits_after(&sent, "@127.0.0.1 #")).await;
        assert!(right.location().ends_with("/continue"), "{name}: {right:?}");
        // Whoever was asked too often is left alone for a second.
        town.wait_ms(1_001);
    }
    first.says("POST /send", 400, "{}");
    learn(&town, "fay", "+447700900105").await;
    let before = (first.count("POST /send"), second.count("POST /send"));
    challenged(&town, "fay").await;
    wait_for(&first, before.0 + 1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(second.count("POST /send"), before.1, "a number that is none is none for everybody");
}

#[tokio::test]
async fn a_code_ends_after_ten_minutes_and_the_newest_one_counts() {
    let vendor = App::start().await;
    let town = town("[sms_code]", &[&vendor], "").await;
    learn(&town, "ada", ADA).await;
    let (mut ada, challenge) = challenged(&town, "ada").await;
    let first = digits_after(&wait_for(&vendor, 1).await, "@127.0.0.1 #");
    let soon = ada.post(&challenge, &[("method", "sms_code"), ("send", "1")]).await;
    assert!(soon.location().contains("e=wait-30"), "{soon:?}");
    town.wait_ms(31_000);
    let later = ada.post(&challenge, &[("method", "sms_code"), ("send", "1")]).await;
    assert!(!later.location().contains("e="), "{later:?}");
    let second = digits_after(&wait_for(&vendor, 2).await, "@127.0.0.1 #");
    if first != second {
        assert!(answer(&mut ada, &challenge, "sms_code", &first).await.location().contains("e=wrong"), "an older code");
    }
    town.wait_ms(10 * 60_000 + 1);
    let late = answer(&mut ada, &challenge, "sms_code", &second).await;
    assert!(!late.location().ends_with("/continue"), "{late:?}");
}

#[tokio::test]
async fn five_codes_a_challenge_and_then_no_more() {
    let vendor = App::start().await;
    let town = town("[sms_code]", &[&vendor], "phone: { per_number: 30, per_range: 100 }").await;
    learn(&town, "ada", ADA).await;
    let (mut ada, challenge) = challenged(&town, "ada").await;
    for count in 2..=5 {
        town.wait_ms(31_000);
        ada.post(&challenge, &[("method", "sms_code"), ("send", "1")]).await;
        wait_for(&vendor, count).await;
    }
    town.wait_ms(31_000);
    let more = ada.post(&challenge, &[("method", "sms_code"), ("send", "1")]).await;
    assert!(more.location().contains("e=wait-"), "{more:?}");
    assert_eq!(vendor.count("POST /send"), 5);
}

#[tokio::test]
async fn an_account_without_a_number_looks_like_one_with_a_number() {
    let vendor = App::start().await;
    let town = town("[sms_code]", &[&vendor], "").await;
    learn(&town, "ada", ADA).await;
    let mut pages = Vec::new();
    for name in ["ada", "bob"] {
        let (mut visitor, challenge) = challenged(&town, name).await;
        let page = visitor.get(&challenge).await.text;
        let wrong = answer(&mut visitor, &challenge, "sms_code", "12345x").await;
        let soon = visitor.post(&challenge, &[("method", "sms_code"), ("send", "1")]).await;
        let id = challenge.rsplit('/').next().unwrap().to_string();
        let reference = page.split("<code>").nth(1).unwrap().split('<').next().unwrap().to_string();
        let seen = format!("{page}\n{}\n{}", wrong.location(), soon.location());
        pages.push(seen.replace(&id, "ID").replace(&reference, "REFERENCE"));
    }
    assert_eq!(pages[0], pages[1]);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(vendor.count("POST /send"), 1, "one has a number");
}

#[tokio::test]
async fn numbers_that_pay_for_being_called_earn_no_more_than_the_settings_allow() {
    let vendor = App::start().await;
    let bounds = "phone: { prefixes: [\"+4477\"], per_number: 2, per_range: 3, in_total: 4 }";
    let town = town("[sms_code]", &[&vendor], bounds).await;
    for (name, number, sent) in [
        ("premium", "+881600900123", 0), // not among the prefixes
        ("a", "+447700900123", 1),
        ("a", "+447700900123", 2),
        ("a", "+447700900123", 2), // third to one number
        ("b", "+447700900124", 3),
        ("c", "+447700900125", 3), // fourth to one range
        ("d", "+447711900126", 4),
        ("e", "+447722900127", 4), // fifth in all
    ] {
        learn(&town, name, number).await;
        let (mut visitor, challenge) = challenged(&town, name).await;
        assert!(visitor.get(&challenge).await.text.contains("is on its way"), "the page says nothing of it");
        if sent > 0 {
            wait_for(&vendor, sent).await;
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert_eq!(vendor.count("POST /send"), sent, "{name} {number}");
    }
    town.wait_ms(3_700_000);
    challenged(&town, "e").await;
    wait_for(&vendor, 5).await;
}

#[tokio::test]
async fn a_new_number_gets_no_code_for_a_day_and_the_old_one_is_told() {
    let vendor = App::start().await;
    let post = post_office().await;
    let mail = format!("mail: {{ smtp: \"smtp://{}\", from: no-reply@bank.example }}", post.address);
    let town = town("[sms_code]", &[&vendor], &mail).await;
    town.email("ada", "ada@example.com").await;
    learn(&town, "ada", ADA).await;
    assert_eq!(post.letters().len(), 0, "a first number is no change");
    learn(&town, "ada", "+447711900999").await;
    let told = wait_for(&vendor, 1).await;
    assert!(told.contains(ADA) && told.contains("new telephone number") && !told.contains("900999"), "{told}");
    assert!(post.wait_for(1).await[0].text.contains("telephone number"), "the mailbox is told as well");
    challenged(&town, "ada").await;
    assert!(wait_for(&vendor, 2).await.contains(ADA), "the old one is used");
    town.wait_ms(24 * 3_600_000 + 1);
    challenged(&town, "ada").await;
    assert!(wait_for(&vendor, 3).await.contains("+447711900999"), "the new one is used");
}

#[tokio::test]
async fn a_number_is_learnt_from_a_login_that_succeeded_and_never_from_what_is_challenged() {
    let vendor = App::start().await;
    let login =
        LOGIN.replace("facts:\n", "facts:\n  phone: { from: body.phone, type: text, pii: true, contact: phone }\n");
    vendor.says("POST /send", 200, SENT);
    let town = World::new()
        .policy(&login)
        .policy(&pay("[sms_code]"))
        .settings("connectors: connectors")
        .file("connectors/a/connector.yaml", &carrier("a", &vendor))
        .file("connectors/routes/otp.yaml", "capability: otp\nconnectors: [{ connector: a }]\n")
        .start()
        .await;
    let mut ada = town.visitor();
    ada.post("/login", &[("username", "ada"), ("password", "wrong"), ("phone", "+447700900666")]).await;
    let cookie = "HTTP/1.1 303 See Other\r\nLocation: /\r\nSet-Cookie: sid=ada; Path=/\r\nContent-Length: 0\r\n\r\n";
    town.app.answers("POST /login", cookie);
    ada.post("/login", &[("username", "ada"), ("password", "right"), ("phone", ADA)]).await;
    let asked = ada.post("/pay", &[("amount", "1"), ("phone", "+447700900667")]).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.text);
    assert!(wait_for(&vendor, 1).await.contains(ADA));
}

/// Three ways to guess are not three times the guesses.
#[tokio::test]
async fn codes_by_mail_and_telephone_share_their_tries() {
    let vendor = App::start().await;
    let post = post_office().await;
    let mail = format!("mail: {{ smtp: \"smtp://{}\", from: no-reply@bank.example }}", post.address);
    let town = town("[sms_code, email_code, voice_code]", &[&vendor], &mail).await;
    town.email("ada", "ada@example.com").await;
    learn(&town, "ada", ADA).await;
    let (mut ada, challenge) = challenged(&town, "ada").await;
    let code = digits_after(&wait_for(&vendor, 1).await, "@127.0.0.1 #");
    for method in ["email_code", "voice_code"] {
        assert!(answer(&mut ada, &challenge, method, &other(&code)).await.location().contains("e=wrong"));
    }
    let last = answer(&mut ada, &challenge, "sms_code", &other(&code)).await;
    assert_eq!(last.status, StatusCode::FORBIDDEN, "{last:?}");
}

#[tokio::test]
async fn a_policy_that_names_a_code_by_text_does_not_load_without_a_route_and_says_what_to_add() {
    for (method, adds) in [("sms_code", "connectors/routes/otp.yaml"), ("captcha", "connectors/routes/bot_verify.yaml")]
    {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("policies")).unwrap();
        std::fs::write(folder.path().join("policies/pay.yaml"), pay(&format!("[{method}]"))).unwrap();
        let settings = "listen: [{ address: \"127.0.0.1:0\" }]\nupstreams: { app: { url: \"http://127.0.0.1:1\" } }\nroutes: [{ upstream: app }]\npolicies: policies\n";
        std::fs::write(folder.path().join("stepward.yaml"), settings).unwrap();
        let mut command = std::process::Command::new(crate::process::BINARY);
        let checked = command.args(["check", "policies"]).current_dir(folder.path()).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
        assert_eq!(checked.status.code(), Some(1), "{method}: {said}");
        assert!(said.contains(adds) && said.contains("method.not_built"), "{method}: {said}");
    }
}
