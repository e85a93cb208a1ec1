//! How somebody comes to their first authenticator: by an operator's invitation, and from then on by what they have.

use std::fs;

use http::StatusCode;
use serde_json::{Value, json};
use stepward::demo::{self, Demo, Options};

use crate::visitor::Visitor;

/// A call to the admin API with the token that lies beside the state.
async fn operate(demo: &Demo, visitor: &Visitor, method: http::Method, path: &str, body: Option<Value>) -> Value {
    let tokens = fs::read_to_string(demo.folder.join("state/admin-token")).unwrap();
    let token = tokens.split_whitespace().next().unwrap();
    let address = demo.gateway.api.admin.unwrap();
    let mut request = visitor.client().request(method, format!("http://{address}{path}")).bearer_auth(token);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    answer.json().await.unwrap()
}

async fn invitation(demo: &Demo, visitor: &Visitor, subject: &str) -> String {
    let body = json!({ "subject": subject, "tenant": "default" });
    let told = operate(demo, visitor, http::Method::POST, "/api/v1/sessions/invite", Some(body)).await;
    told["path"].as_str().unwrap().to_string()
}

async fn devices(demo: &Demo, visitor: &Visitor) -> Value {
    let path = "/api/v1/sessions?subject=ada%40example.com";
    operate(demo, visitor, http::Method::GET, path, None).await["devices"].clone()
}

fn code(key: &str) -> String {
    let secret = data_encoding::BASE32_NOPAD.decode(key.replace(' ', "").as_bytes()).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).with_account_name("x").with_skew(0).build().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    totp.generate(now.as_secs()).to_string()
}

/// Sets up an app with an invitation; the recovery codes.
async fn set_up(visitor: &mut Visitor, invitation: &str) -> Vec<String> {
    let suffix = invitation.strip_prefix("/.stepward/methods").unwrap();
    let begun = visitor.post(&format!("/.stepward/methods/totp{suffix}"), &[]).await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.text);
    let page = begun.location().to_string();
    let shown = visitor.get(&page).await.text;
    let key = shown.split("class=\"key\" dir=\"ltr\">").nth(1).unwrap().split('<').next().unwrap();
    let done = visitor.post(&page, &[("code", &code(key))]).await;
    let shown = visitor.get(done.location()).await.text;
    shown.split("<li><code>").skip(1).map(|it| it.split('<').next().unwrap().to_string()).collect()
}

async fn signed_in(demo: &Demo, name: &str, password: &str) -> Visitor {
    let mut visitor = Visitor::of(demo.gateway.addresses[0]);
    let seen = visitor.post("/login", &[("username", name), ("password", password)]).await;
    assert_eq!(seen.location(), "/", "{}", seen.text);
    visitor
}

#[tokio::test]
async fn an_invitation_leads_to_a_first_app_and_a_proof_by_it_to_a_known_device() {
    let demo = demo::start(&Options::anywhere()).await.unwrap();
    let mut ada = signed_in(&demo, "ada@example.com", "ada").await;
    let alone = ada.post("/.stepward/methods/totp", &[]).await;
    assert_eq!(alone.status, StatusCode::FORBIDDEN, "a password is not enough to set up a first app");

    let invitation = invitation(&demo, &ada, "ada@example.com").await;
    let recovery = set_up(&mut ada, &invitation).await;
    assert_eq!(recovery.len(), 10);
    assert_eq!(devices(&demo, &ada).await, 0, "setting up proves nothing yet");

    let asked = ada.post("/account/email", &[("email", "ada@new.example")]).await;
    let challenge = asked.location().to_string();
    assert!(challenge.starts_with("/.stepward/c/"), "{challenge} {}", asked.text);
    assert!(!ada.cookies.contains_key("stepward-device"));
    let proven = ada.post(&challenge, &[("method", "recovery_code"), ("code", &recovery[0])]).await;
    assert_eq!(proven.status, StatusCode::SEE_OTHER, "{}", proven.text);
    assert!(ada.cookies.contains_key("stepward-device"), "a strong proof makes the device known");
    assert_eq!(devices(&demo, &ada).await, 1);
    let going_on = ada.get(proven.location()).await;
    let changed = ada.post(&going_on.after("action=\""), &[]).await;
    assert_eq!(changed.location(), "/", "{}", changed.text);
    assert!(ada.get("/").await.text.contains("ada@new.example"));
}

#[tokio::test]
async fn an_invitation_is_for_one_person_and_good_once() {
    let demo = demo::start(&Options::anywhere()).await.unwrap();
    let mut ada = signed_in(&demo, "ada@example.com", "ada").await;
    let mut bob = signed_in(&demo, "bob@example.com", "bob").await;
    let invitation = invitation(&demo, &ada, "ada@example.com").await;
    let suffix = invitation.strip_prefix("/.stepward/methods").unwrap().to_string();
    let stolen = bob.post(&format!("/.stepward/methods/totp{suffix}"), &[]).await;
    assert_eq!(stolen.status, StatusCode::FORBIDDEN, "it is for Ada");
    set_up(&mut ada, &invitation).await;
    let mut thief = signed_in(&demo, "ada@example.com", "ada").await;
    let again = thief.post(&format!("/.stepward/methods/totp{suffix}"), &[]).await;
    assert!(
        again.location().starts_with("/.stepward/c/"),
        "what is set up is asked for: {} {}",
        again.status,
        again.text
    );
}
