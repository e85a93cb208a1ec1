//! Clients that are no pages: what they are told, and that their user's sign-in counts for them.

use http::StatusCode;

use crate::oidc::{Idp, Journey, challenged, come_back};

#[tokio::test]
async fn a_program_is_told_where_its_user_has_to_sign_in_and_sees_that_it_was_done() {
    let idp = Idp::start().await;
    let town = idp.town("").await;
    let (mut alice, _) = challenged(&town).await;
    let mut script = town.visitor();
    script.cookies = alice.cookies.clone();
    script.headers = vec![("sec-fetch-mode", "cors".to_string()), ("accept", "application/json".to_string())];
    let asked = script.post("/transfer", &[("amount", "500")]).await;
    assert_eq!(asked.status, StatusCode::UNAUTHORIZED, "{}", asked.text);
    let challenge = asked.json()["challenge_url"].as_str().unwrap().to_string();
    assert!(asked.json()["methods"].as_array().unwrap().contains(&"oidc".into()), "{}", asked.text);
    let open = script.get(&challenge).await;
    assert_eq!((open.json()["status"].as_str(), open.json().get("authorization_url")), (Some("open"), None), "looking changes nothing");
    let sent = script.post(&challenge, &[("method", "oidc")]).await;
    assert_eq!((sent.status, sent.json()["status"].as_str()), (StatusCode::OK, Some("away")), "{}", sent.text);
    let journey = Journey::to(&challenge, sent.json()["authorization_url"].as_str().unwrap());
    idp.signs(&idp.claims(&journey));
    // The user comes back in a window of the same browser.
    alice.cookies = script.cookies.clone();
    let landed = come_back(&mut alice, &journey.back(&idp)).await;
    assert_eq!(landed.status, StatusCode::OK, "{}", landed.text);
    let page = alice.get(&format!("{challenge}/continue")).await;
    assert!(page.text.contains("id=\"passed\""), "{}", page.text);
    script.cookies = alice.cookies.clone();
    assert_eq!(script.get(&challenge).await.json()["status"], "passed");
}

#[tokio::test]
async fn a_program_learns_why_nothing_was_confirmed() {
    let idp = Idp::start().await;
    let town = idp.town("").await;
    let (mut alice, challenge) = challenged(&town).await;
    idp.app.stop();
    alice.headers = vec![("sec-fetch-mode", "cors".to_string()), ("accept", "application/json".to_string())];
    let sent = alice.post(&challenge, &[("method", "oidc")]).await;
    assert_eq!(sent.status, StatusCode::SERVICE_UNAVAILABLE, "{}", sent.text);
    assert_eq!(sent.json()["status"], "oidc_unreachable");
}
