//! A provider that is dead, silent or talks nonsense: another way is open, and nothing falls over.

use http::StatusCode;
use serde_json::json;

use crate::{
    oidc::{Idp, challenged, come_back, goes_through, leave},
    world::{LOGIN, World},
};

const UNREACHABLE: &str = "does not answer at the moment";

#[tokio::test]
async fn a_dead_provider_leaves_the_other_ways_and_is_asked_again_when_it_is_back() {
    let idp = Idp::start().await;
    let town = idp.town("").await;
    let secret = town.totp("alice").await;
    idp.app.stop();
    let (mut alice, challenge) = challenged(&town).await;
    let sent = alice.post(&challenge, &[("method", "oidc")]).await;
    assert!(sent.location().ends_with("e=oidc_unreachable"), "{sent:?}");
    let page = alice.get(sent.location()).await;
    assert!(page.text.contains(UNREACHABLE) && page.text.contains("You can also choose another way"), "{}", page.text);
    assert!(page.text.contains("m=totp"), "{}", page.text);
    // Who comes now is shown another way first.
    let page = alice.get(&challenge).await;
    assert!(page.text.contains("value=\"totp\"") && page.text.contains("m=oidc"), "{}", page.text);
    let back = crate::world::App::at(idp.app.address).await;
    let idp = Idp { app: back };
    idp.says_of_itself(json!({}));
    idp.app.says(
        "GET /jwks",
        200,
        &json!({ "keys": [crate::oidc::jwk(&crate::oidc::ED, jsonwebtoken::Algorithm::EdDSA, "ed")] }).to_string(),
    );
    town.wait_ms(6_000);
    let journey = leave(&mut alice, &challenge).await;
    let mut claims = idp.claims(&journey);
    for moment in ["iat", "auth_time"] {
        claims[moment] = (crate::oidc::NOW + 6).into();
    }
    idp.signs(&claims);
    let landed = come_back(&mut alice, &journey.back(&idp)).await;
    goes_through(&town, &mut alice, &landed).await;
    assert_eq!(town.code(&secret).len(), 6);
}

#[tokio::test]
async fn metadata_that_is_none_sends_nobody_anywhere() {
    let huge = "x".repeat(200 * 1024);
    for (name, status, text) in [
        ("garbage", 200, "<html>"),
        ("empty", 200, ""),
        ("another type", 200, "[1, 2]"),
        ("too large", 200, &*huge),
        ("an error", 500, "{}"),
        ("a redirect", 302, "{}"),
        ("not there", 404, "{}"),
    ] {
        let idp = Idp::start().await;
        idp.app.says("GET /.well-known/openid-configuration", status, text);
        let town = idp.town("").await;
        let (mut alice, challenge) = challenged(&town).await;
        let sent = alice.post(&challenge, &[("method", "oidc")]).await;
        assert!(sent.location().ends_with("e=oidc_unreachable"), "{name}: {sent:?}");
    }
}

#[tokio::test]
async fn metadata_of_another_issuer_or_with_unsafe_endpoints_sends_nobody_anywhere() {
    for change in [
        json!({ "issuer": "https://evil.example" }),
        json!({ "authorization_endpoint": "http://evil.example/auth" }),
        json!({ "token_endpoint": "http://evil.example/token" }),
        json!({ "jwks_uri": "http://evil.example/jwks" }),
        json!({ "jwks_uri": "file:///etc/passwd" }),
        json!({ "authorization_endpoint": "javascript:alert(1)" }),
        json!({ "token_endpoint": null }),
    ] {
        let idp = Idp::start().await;
        idp.says_of_itself(change.clone());
        let town = idp.town("").await;
        let (mut alice, challenge) = challenged(&town).await;
        let sent = alice.post(&challenge, &[("method", "oidc")]).await;
        assert!(sent.location().ends_with("e=oidc_unreachable"), "{change}: {sent:?}");
    }
}

#[tokio::test]
async fn a_code_that_cannot_be_exchanged_leads_back_with_words() {
    let huge = "x".repeat(200 * 1024);
    for (name, status, text, word) in [
        ("refused", 400, r#"{"error":"invalid_grant"}"#, "oidc_unconfirmed"),
        ("not our client", 401, r#"{"error":"invalid_client"}"#, "oidc_unconfirmed"),
        ("an error", 500, "oops", "oidc_unreachable"),
        ("a redirect", 302, "", "oidc_unreachable"),
        ("garbage", 200, "<html>", "oidc_unreachable"),
        ("no id_token", 200, r#"{"access_token":"a"}"#, "oidc_unreachable"),
        ("too large", 200, &huge, "oidc_unreachable"),
    ] {
        let idp = Idp::start().await;
        let town = idp.town("").await;
        let (mut alice, challenge) = challenged(&town).await;
        let journey = leave(&mut alice, &challenge).await;
        idp.app.says("POST /token", status, text);
        let back = come_back(&mut alice, &journey.back(&idp)).await;
        assert!(back.location().ends_with(&format!("e={word}")), "{name}: {back:?}");
    }
}

#[tokio::test]
async fn keys_that_cannot_be_had_prove_nothing() {
    let idp = Idp::start().await;
    idp.app.says("GET /jwks", 500, "");
    let town = idp.town("").await;
    let (mut alice, challenge) = challenged(&town).await;
    let journey = leave(&mut alice, &challenge).await;
    idp.signs(&idp.claims(&journey));
    let back = come_back(&mut alice, &journey.back(&idp)).await;
    assert!(back.location().ends_with("e=oidc_unreachable"), "{back:?}");
}

#[tokio::test]
async fn readiness_does_not_ask_the_provider() {
    let idp = Idp::start().await;
    let health = "health: { address: \"127.0.0.1:0\" }";
    let world = World::new().policy(LOGIN).policy(crate::oidc::TRANSFER).settings(&idp.settings("")).settings(health);
    let town = world.start().await;
    idp.app.stop();
    let (mut alice, challenge) = challenged(&town).await;
    alice.post(&challenge, &[("method", "oidc")]).await;
    let address = town.gateway.api.health.unwrap();
    let ready = reqwest::get(format!("http://{address}/readyz")).await.unwrap();
    assert_eq!(ready.status(), StatusCode::OK);
}
