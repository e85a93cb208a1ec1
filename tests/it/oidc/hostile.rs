//! What a provider, a network or another browser may do to have something confirmed that was not, by name.

use data_encoding::BASE64URL_NOPAD;
use http::StatusCode;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::oidc::{
    Idp, Journey, NOW, OTHER_RSA, RSA, asked, challenged, come_back, goes_through, is_told, leave, sign,
};

const UNCONFIRMED: &str = "could not be confirmed";

#[tokio::test]
async fn what_is_sent_says_what_is_wanted_and_nothing_about_the_user() {
    let idp = Idp::start().await;
    let town = idp.town("").await;
    let (mut alice, challenge) = challenged(&town).await;
    let page = alice.get(&challenge).await;
    assert!(page.text.contains("value=\"oidc\""), "{}", page.text);
    let journey = leave(&mut alice, &challenge).await;
    assert!(journey.address.starts_with(&format!("{}/auth?", idp.issuer())), "{}", journey.address);
    let sent = |name: &str| journey.sent.get(name).map(String::as_str);
    assert_eq!(sent("response_type"), Some("code"));
    assert_eq!(sent("client_id"), Some("stepward"));
    assert_eq!(sent("redirect_uri"), Some(&*format!("http://{}/.stepward/oidc/callback", town.address())));
    assert_eq!((sent("scope"), sent("acr_values"), sent("max_age")), (Some("openid"), Some("phr mfa"), Some("0")));
    assert_eq!(sent("code_challenge_method"), Some("S256"));
    assert_eq!((sent("prompt"), sent("login_hint")), (None, None), "nobody asked for it");
    assert!(!journey.address.contains("alice") && !journey.address.contains("500"), "{}", journey.address);

    idp.signs(&idp.claims(&journey));
    let landed = come_back(&mut alice, &journey.back(&idp)).await;
    let exchanged = idp.app.last("POST /token");
    let form = exchanged.split_once("\r\n\r\n").unwrap().1;
    let form: std::collections::BTreeMap<String, String> =
        form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let hashed = BASE64URL_NOPAD.encode(&Sha256::digest(form["code_verifier"].as_bytes()));
    assert_eq!(hashed, journey.sent["code_challenge"], "the verifier is the one that was announced");
    assert_eq!((&*form["code"], &form["redirect_uri"]), ("c0de", &journey.sent["redirect_uri"]));
    assert_eq!((&*form["client_id"], form.get("client_secret")), ("stepward", None));
    goes_through(&town, &mut alice, &landed).await;
    let told: String = town.decisions().iter().map(ToString::to_string).collect();
    assert!(!told.contains("c0de") && !told.contains(&journey.sent["state"]), "{told}");
}

#[tokio::test]
async fn what_the_operator_wishes_is_sent_as_well() {
    let idp = Idp::start().await;
    let more =
        ", prompt: login, login_hint: true, max_age: 5m, scopes: [openid, profile], subject_claim: preferred_username";
    let town = idp.town(more).await;
    let (mut alice, challenge) = challenged(&town).await;
    let journey = leave(&mut alice, &challenge).await;
    let sent = |name: &str| journey.sent.get(name).map(String::as_str);
    assert_eq!((sent("prompt"), sent("login_hint"), sent("max_age")), (Some("login"), Some("alice"), Some("300")));
    assert_eq!(sent("scope"), Some("openid profile"));
    let mut claims = idp.claims(&journey);
    claims["sub"] = "00u1".into();
    claims["preferred_username"] = "Alice".into();
    claims["auth_time"] = (NOW - 290).into();
    idp.signs(&claims);
    let landed = come_back(&mut alice, &journey.back(&idp)).await;
    goes_through(&town, &mut alice, &landed).await;
}

#[tokio::test]
async fn a_client_secret_proves_who_asks_and_is_in_no_address() {
    for (ways, is_basic) in [(json!(null), true), (json!(["client_secret_post"]), false)] {
        let idp = Idp::start().await;
        idp.says_of_itself(json!({ "token_endpoint_auth_methods_supported": ways }));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "s3cret/+\n").unwrap();
        let town = idp.town(&format!(", client_secret: {{ file: \"{}\" }}", file.display())).await;
        let (mut alice, challenge) = challenged(&town).await;
        let journey = leave(&mut alice, &challenge).await;
        assert!(!journey.address.contains("s3cret"));
        idp.signs(&idp.claims(&journey));
        let landed = come_back(&mut alice, &journey.back(&idp)).await;
        let exchanged = idp.app.last("POST /token");
        // "stepward:s3cret%2F%2B"
        assert_eq!(exchanged.contains("authorization: Basic c3RlcHdhcmQ6czNjcmV0JTJGJTJC"), is_basic, "{exchanged}");
        assert_eq!(exchanged.contains("client_secret=s3cret%2F%2B"), !is_basic, "{exchanged}");
        goes_through(&town, &mut alice, &landed).await;
    }
}

/// Alice comes back with these claims; she is told this.
async fn claimed(change: Json, word: &str, text: &str) {
    let idp = Idp::start().await;
    let town = idp.town("").await;
    let (mut alice, challenge) = challenged(&town).await;
    let journey = leave(&mut alice, &challenge).await;
    let mut claims = idp.claims(&journey);
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    idp.signs(&claims);
    let back = come_back(&mut alice, &journey.back(&idp)).await;
    is_told(&town, &mut alice, &journey, &back, word, text).await;
    // She is not locked out by it: the next sign-in is as good as the first.
    let again = leave(&mut alice, &challenge).await;
    idp.signs(&idp.claims(&again));
    let landed = come_back(&mut alice, &again.back(&idp)).await;
    goes_through(&town, &mut alice, &landed).await;
}

#[tokio::test]
async fn a_sign_in_for_another_audience_proves_nothing() {
    claimed(json!({ "aud": "shop" }), "oidc_unconfirmed", UNCONFIRMED).await;
    claimed(json!({ "aud": ["stepward", "shop"] }), "oidc_unconfirmed", UNCONFIRMED).await;
    claimed(json!({ "aud": ["stepward", "shop"], "azp": "shop" }), "oidc_unconfirmed", UNCONFIRMED).await;
}

#[tokio::test]
async fn a_sign_in_of_another_issuer_proves_nothing() {
    claimed(json!({ "iss": "https://evil.example" }), "oidc_unconfirmed", UNCONFIRMED).await;
}

#[tokio::test]
async fn a_sign_in_with_another_nonce_proves_nothing() {
    claimed(json!({ "nonce": "bm9uY2U" }), "oidc_unconfirmed", UNCONFIRMED).await;
    claimed(json!({ "nonce": null }), "oidc_unconfirmed", UNCONFIRMED).await;
}

#[tokio::test]
async fn a_sign_in_that_expired_proves_nothing() {
    claimed(json!({ "exp": NOW - 61 }), "oidc_unconfirmed", UNCONFIRMED).await;
}

#[tokio::test]
async fn a_sign_in_whose_access_token_was_exchanged_proves_nothing() {
    claimed(json!({ "at_hash": "77QmUPtjPfzWtF2AnpK9RQ" }), "oidc_unconfirmed", UNCONFIRMED).await;
}

#[tokio::test]
async fn a_weaker_sign_in_than_asked_for_proves_nothing() {
    claimed(json!({ "acr": "pwd" }), "oidc_weak", "not strong enough").await;
    claimed(json!({ "acr": null }), "oidc_weak", "not strong enough").await;
}

#[tokio::test]
async fn a_sign_in_from_before_the_challenge_proves_nothing() {
    claimed(json!({ "auth_time": NOW - 3600 }), "oidc_old", "too long ago").await;
    claimed(json!({ "auth_time": null }), "oidc_unconfirmed", UNCONFIRMED).await;
}

#[tokio::test]
async fn a_token_that_is_not_signed_by_the_provider_proves_nothing() {
    let idp = Idp::start().await;
    let town = idp.town("").await;
    let (mut alice, challenge) = challenged(&town).await;
    let part = |value: &Json| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let public = include_bytes!("../subject/rsa.pem");
    for name in ["none", "no signature", "the public key as a secret", "another key", "another kid", "broken", "empty"]
    {
        let journey = leave(&mut alice, &challenge).await;
        let claims = idp.claims(&journey);
        let good = sign(&claims, Algorithm::RS256, "rsa", &RSA);
        idp.hands_out(&match name {
            "none" => format!("{}.{}.", part(&json!({ "alg": "none", "kid": "rsa" })), part(&claims)),
            "no signature" => good.rsplit_once('.').unwrap().0.to_string() + ".",
            "the public key as a secret" => sign(&claims, Algorithm::HS256, "rsa", &EncodingKey::from_secret(public)),
            "another key" => sign(&claims, Algorithm::RS256, "rsa", &OTHER_RSA),
            "another kid" => sign(&claims, Algorithm::RS256, "other", &OTHER_RSA),
            "broken" => "not.a.token".into(),
            _ => String::new(),
        });
        let back = come_back(&mut alice, &journey.back(&idp)).await;
        is_told(&town, &mut alice, &journey, &back, "oidc_unconfirmed", UNCONFIRMED).await;
    }
    let journey = leave(&mut alice, &challenge).await;
    idp.hands_out(&sign(&idp.claims(&journey), Algorithm::RS256, "rsa", &RSA));
    let landed = come_back(&mut alice, &journey.back(&idp)).await;
    goes_through(&town, &mut alice, &landed).await;
}

#[tokio::test]
async fn a_callback_counts_once() {
    let idp = Idp::start().await;
    let town = idp.town("").await;
    let (mut alice, challenge) = challenged(&town).await;
    let journey = leave(&mut alice, &challenge).await;
    let mut claims = idp.claims(&journey);
    claims["acr"] = "pwd".into();
    idp.signs(&claims);
    come_back(&mut alice, &journey.back(&idp)).await;
    idp.signs(&idp.claims(&journey));
    let back = come_back(&mut alice, &journey.back(&idp)).await;
    is_told(&town, &mut alice, &journey, &back, "oidc_stale", "used already").await;
    assert_eq!(idp.app.count("POST /token"), 1, "the second one was not even exchanged");
}

#[tokio::test]
async fn of_many_callbacks_at_once_one_counts() {
    let idp = Idp::start().await;
    let town = idp.town("").await;
    let (mut alice, challenge) = challenged(&town).await;
    let journey = leave(&mut alice, &challenge).await;
    idp.signs(&idp.claims(&journey));
    let back = journey.back(&idp);
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let mut same = town.visitor();
        same.cookies = alice.cookies.clone();
        let back = back.clone();
        all.spawn(async move { come_back(&mut same, &back).await.status });
    }
    while all.join_next().await.is_some() {}
    assert_eq!(idp.app.count("POST /token"), 1);
}

#[tokio::test]
async fn a_callback_that_was_met_goes_on_again_and_exchanges_nothing() {
    let idp = Idp::start().await;
    let town = idp.town("").await;
    let (mut alice, challenge) = challenged(&town).await;
    let journey = leave(&mut alice, &challenge).await;
    idp.signs(&idp.claims(&journey));
    come_back(&mut alice, &journey.back(&idp)).await;
    let landed = come_back(&mut alice, &journey.back(&idp)).await;
    assert_eq!(idp.app.count("POST /token"), 1);
    goes_through(&town, &mut alice, &landed).await;
}

#[tokio::test]
async fn a_callback_in_another_browser_is_none() {
    let idp = Idp::start().await;
    let town = idp.town("").await;
    let (mut alice, challenge) = challenged(&town).await;
    let (mut mallory, _) = challenged(&town).await;
    let journey = leave(&mut alice, &challenge).await;
    idp.signs(&idp.claims(&journey));
    for who in [&mut mallory, &mut town.visitor()] {
        let back = come_back(who, &journey.back(&idp)).await;
        assert_eq!(back.status, StatusCode::GONE, "{}", back.text);
    }
    assert_eq!(idp.app.count("POST /token"), 0);
    let landed = come_back(&mut alice, &journey.back(&idp)).await;
    assert_eq!(landed.status, StatusCode::OK, "nobody could use it up for her: {}", landed.text);
}

#[tokio::test]
async fn the_state_of_one_challenge_is_worth_nothing_for_another() {
    let idp = Idp::start().await;
    let town = idp.town("").await;
    let (mut alice, first) = challenged(&town).await;
    let second = asked(&mut alice).await;
    let (one, other) = (leave(&mut alice, &first).await, leave(&mut alice, &second).await);
    let word = |journey: &Journey| journey.sent["state"].split_once('.').unwrap().0.to_string();
    let rest = |journey: &Journey| journey.sent["state"].split_once('.').unwrap().1.to_string();
    idp.signs(&idp.claims(&other));
    let swapped = format!("{}.{}", word(&one), rest(&other));
    let back =
        come_back(&mut alice, &one.back_with(&[("code", "c"), ("state", &swapped), ("iss", &idp.issuer())])).await;
    is_told(&town, &mut alice, &one, &back, "oidc_stale", "used already").await;
    // A code of one journey with the state of another: the nonce tells.
    idp.signs(&idp.claims(&one));
    let back = come_back(&mut alice, &other.back(&idp)).await;
    is_told(&town, &mut alice, &other, &back, "oidc_unconfirmed", UNCONFIRMED).await;
}

#[tokio::test]
async fn what_is_no_state_is_not_found() {
    let idp = Idp::start().await;
    let town = idp.town("").await;
    let (mut alice, challenge) = challenged(&town).await;
    let journey = leave(&mut alice, &challenge).await;
    let state = &*journey.sent["state"];
    for parts in [
        &[("code", "c")][..],
        &[("code", "c"), ("state", "")],
        &[("code", "c"), ("state", "x.y")],
        &[("code", "c"), ("state", state), ("state", state)],
        &[("code", "c"), ("code", "d"), ("state", state)],
    ] {
        assert_eq!(come_back(&mut alice, &journey.back_with(parts)).await.status, StatusCode::NOT_FOUND, "{parts:?}");
    }
    let by_post = alice.post(&journey.back(&idp), &[]).await;
    assert_eq!(by_post.status, StatusCode::NOT_FOUND);
    let head = alice.client().head(alice.url(&journey.back(&idp)));
    assert_eq!(alice.send(head).await.status, StatusCode::NOT_FOUND, "to look is not to come back");
    idp.signs(&idp.claims(&journey));
    assert_eq!(come_back(&mut alice, &journey.back(&idp)).await.status, StatusCode::OK, "none of it used the state up");
}

#[tokio::test]
async fn an_answer_that_names_another_issuer_or_none_is_not_exchanged() {
    let idp = Idp::start().await;
    let town = idp.town("").await;
    let (mut alice, challenge) = challenged(&town).await;
    for issuer in [Some("https://evil.example"), Some(""), None] {
        let journey = leave(&mut alice, &challenge).await;
        idp.signs(&idp.claims(&journey));
        let mut parts = vec![("code", "c"), ("state", &*journey.sent["state"])];
        parts.extend(issuer.map(|it| ("iss", it)));
        let back = come_back(&mut alice, &journey.back_with(&parts)).await;
        is_told(&town, &mut alice, &journey, &back, "oidc_unconfirmed", UNCONFIRMED).await;
    }
    assert_eq!(idp.app.count("POST /token"), 0);
}

#[tokio::test]
async fn a_provider_that_never_names_itself_need_not() {
    let idp = Idp::start().await;
    idp.says_of_itself(json!({ "authorization_response_iss_parameter_supported": false }));
    let town = idp.town("").await;
    let (mut alice, challenge) = challenged(&town).await;
    let journey = leave(&mut alice, &challenge).await;
    idp.signs(&idp.claims(&journey));
    let landed = come_back(&mut alice, &journey.back_with(&[("code", "c"), ("state", &journey.sent["state"])])).await;
    goes_through(&town, &mut alice, &landed).await;
}

#[tokio::test]
async fn giving_up_at_the_provider_is_no_failed_try() {
    let idp = Idp::start().await;
    let town = idp.town("").await;
    let (mut alice, challenge) = challenged(&town).await;
    for (error, word, text) in [
        ("access_denied", "oidc_abandoned", "You did not sign in"),
        ("login_required", "oidc_abandoned", "You did not sign in"),
        ("unmet_authentication_requirements", "oidc_weak", "not strong enough"),
        ("temporarily_unavailable", "oidc_unreachable", "does not answer"),
        ("<script>", "oidc_unconfirmed", UNCONFIRMED),
    ] {
        let journey = leave(&mut alice, &challenge).await;
        let parts = [("error", error), ("state", &journey.sent["state"]), ("iss", &idp.issuer())];
        let back = come_back(&mut alice, &journey.back_with(&parts)).await;
        is_told(&town, &mut alice, &journey, &back, word, text).await;
    }
    let journey = leave(&mut alice, &challenge).await;
    idp.signs(&idp.claims(&journey));
    let landed = come_back(&mut alice, &journey.back(&idp)).await;
    goes_through(&town, &mut alice, &landed).await;
}

#[tokio::test]
async fn the_sign_in_of_another_person_is_a_wrong_answer_and_the_third_is_the_last() {
    let idp = Idp::start().await;
    let town = idp.town("").await;
    let (mut alice, challenge) = challenged(&town).await;
    for _ in 0..2 {
        let journey = leave(&mut alice, &challenge).await;
        let mut claims = idp.claims(&journey);
        claims["sub"] = "mallory".into();
        idp.signs(&claims);
        let back = come_back(&mut alice, &journey.back(&idp)).await;
        is_told(&town, &mut alice, &journey, &back, "oidc_somebody_else", "Somebody else signed in").await;
    }
    let journey = leave(&mut alice, &challenge).await;
    let mut claims = idp.claims(&journey);
    claims["sub"] = "mallory".into();
    idp.signs(&claims);
    let back = come_back(&mut alice, &journey.back(&idp)).await;
    assert_eq!(back.status, StatusCode::FORBIDDEN, "{}", back.text);
    let closed = alice.post(&challenge, &[("method", "oidc")]).await;
    assert!(closed.location().ends_with("e=closed"), "the way is closed: {closed:?}");
    assert_eq!(town.app.count("POST /transfer"), 0);
}

#[tokio::test]
async fn where_nobody_is_challenged_nobody_can_have_signed_in_as_them() {
    let idp = Idp::start().await;
    let town = idp.town("").await;
    let mut nobody = town.visitor();
    let challenge = asked(&mut nobody).await;
    let journey = leave(&mut nobody, &challenge).await;
    idp.signs(&idp.claims(&journey));
    let back = come_back(&mut nobody, &journey.back(&idp)).await;
    is_told(&town, &mut nobody, &journey, &back, "oidc_somebody_else", "Somebody else signed in").await;
}

#[tokio::test]
async fn a_sign_in_after_the_challenge_ended_proves_nothing() {
    let idp = Idp::start().await;
    let town = idp.town("").await;
    let (mut alice, challenge) = challenged(&town).await;
    let journey = leave(&mut alice, &challenge).await;
    idp.signs(&idp.claims(&journey));
    town.wait_ms(3_600_000);
    let back = come_back(&mut alice, &journey.back(&idp)).await;
    assert_eq!(back.status, StatusCode::GONE, "{}", back.text);
    assert_eq!(idp.app.count("POST /token"), 0);
}

#[tokio::test]
async fn a_session_is_not_sent_away_without_end() {
    let idp = Idp::start().await;
    let town = idp.town("").await;
    let (mut alice, challenge) = challenged(&town).await;
    for _ in 0..20 {
        leave(&mut alice, &challenge).await;
    }
    let sent = alice.post(&challenge, &[("method", "oidc")]).await;
    assert!(sent.location().ends_with("e=oidc_often"), "{}", sent.location());
    town.wait_ms(16 * 60_000);
    let challenge = asked(&mut alice).await;
    leave(&mut alice, &challenge).await;
}
