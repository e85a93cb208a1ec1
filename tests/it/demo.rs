//! The story of the README, told to the demo without a screen: what a person meets, step by step.

use std::time::Duration;

use http::StatusCode;
use stepward::demo::{self, Demo, Options};

use crate::visitor::{Seen, Visitor};

async fn demo() -> (Demo, Visitor) {
    let demo = demo::start(&Options::anywhere()).await.unwrap_or_else(|error| panic!("{error:?}"));
    let visitor = Visitor::of(demo.gateway.addresses[0]);
    (demo, visitor)
}

async fn sign_in(visitor: &mut Visitor) -> Seen {
    visitor.post("/login", &[("username", "ada@example.com"), ("password", "ada")]).await
}

/// The newest code that was mailed.
async fn mailed_code(demo: &Demo) -> String {
    for _ in 0..100 {
        if let Some(letter) = demo.mailbox.letters().first() {
            let digits = letter.text.split(|it: char| !it.is_ascii_digit()).find(|it| it.len() == 6);
            return digits.unwrap_or_else(|| panic!("no code in {}", letter.text)).to_string();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no mail came")
}

#[tokio::test]
async fn ada_signs_in_and_pays_a_small_sum_without_noticing_anything() {
    let (_demo, mut ada) = demo().await;
    let page = ada.get("/login").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let signed_in = sign_in(&mut ada).await;
    assert_eq!((signed_in.status, signed_in.location()), (StatusCode::SEE_OTHER, "/"), "{}", signed_in.text);
    let paid = ada.post("/transfer", &[("payee", "DE02120300000000202051"), ("amount", "50")]).await;
    assert_eq!((paid.status, paid.location()), (StatusCode::SEE_OTHER, "/"), "{}", paid.text);
    assert!(ada.get("/").await.text.contains("49950.00"), "the sum has left the account");
}

#[tokio::test]
async fn a_wrong_password_comes_back_as_the_app_wrote_it() {
    let (_demo, mut ada) = demo().await;
    let refused = ada.post("/login", &[("username", "ada@example.com"), ("password", "wrong")]).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert!(refused.text.contains("Wrong address or password"), "the app's own page: {}", refused.text);
    assert!(!ada.cookies.contains_key("sessionid"));
}

#[tokio::test]
async fn a_large_sum_waits_for_a_mailed_code_and_is_paid_exactly_once() {
    let (demo, mut ada) = demo().await;
    sign_in(&mut ada).await;
    let asked = ada.post("/transfer", &[("payee", "DE02120300000000202051"), ("amount", "900")]).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.text);
    assert!(asked.location().starts_with("/.stepward/c/"), "{}", asked.location());
    let challenge = asked.location().to_string();
    let page = ada.get(&challenge).await;
    assert!(page.text.contains("900"), "the page shows what is confirmed: {}", page.text);
    assert!(ada.get("/").await.text.contains("50000.00"), "nothing was paid yet");

    let code = mailed_code(&demo).await;
    let form = answer_form(&page, "email_code");
    let proven = ada.post(&challenge, &[form.as_slice(), &[("code".into(), code)]].concat().pairs()[..]).await;
    assert_eq!(proven.status, StatusCode::SEE_OTHER, "{}", proven.text);
    let going_on = ada.get(proven.location()).await;
    let resume = going_on.after("action=\"");
    assert!(resume.contains("stepward_resume="), "{resume}");
    let paid = ada.post(&resume, &[]).await;
    assert_eq!((paid.status, paid.location()), (StatusCode::SEE_OTHER, "/"), "{}", paid.text);
    assert!(ada.get("/").await.text.contains("49100.00"), "paid");

    let again = ada.post(&resume, &[]).await;
    assert_eq!(again.status, StatusCode::GONE, "{}", again.text);
    assert!(ada.get("/").await.text.contains("49100.00"), "and paid once");
}

/// The hidden fields of the form that answers by a method.
fn answer_form(_page: &Seen, method: &str) -> Vec<(String, String)> {
    vec![("method".into(), method.into())]
}

trait Pairs {
    fn pairs(&self) -> Vec<(&str, &str)>;
}

impl Pairs for Vec<(String, String)> {
    fn pairs(&self) -> Vec<(&str, &str)> {
        self.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }
}
