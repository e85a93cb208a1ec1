//! Clients that are no pages: what they are told, and that their user's sign-in counts for them.

use http::StatusCode;

use crate::{
    oidc::{Idp, Journey, TRANSFER, challenged, come_back, leave},
    redis_server::Server,
    world::{LOGIN, World},
};

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
    assert_eq!(
        (open.json()["status"].as_str(), open.json().get("authorization_url")),
        (Some("open"), None),
        "looking changes nothing"
    );
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

#[tokio::test]
async fn a_journey_begun_on_one_node_ends_on_the_other_and_counts_once_on_both() {
    let idp = Idp::start().await;
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let state = format!(
        "state: {{ store: redis, url: {{ file: \"{}\" }}, keys: {{ file: \"{}\" }}, path: state, wait: 60s }}",
        server.url_file().display(),
        folder.path().join("keys.yaml").display(),
    );
    let node =
        async || World::new().policy(LOGIN).policy(TRANSFER).settings(&idp.settings("")).settings(&state).start().await;
    let (first, second) = (node().await, node().await);
    let (mut alice, challenge) = challenged(&first).await;
    let journey = leave(&mut alice, &challenge).await;
    idp.signs(&idp.claims(&journey));
    alice.goes_to(second.address());
    let mut twin = first.visitor();
    twin.cookies = alice.cookies.clone();
    let (back, at_once) = (journey.back(&idp), journey.back(&idp));
    let (landed, other) = tokio::join!(come_back(&mut alice, &back), come_back(&mut twin, &at_once));
    assert_eq!(idp.app.count("POST /token"), 1, "{landed:?} {other:?}");
    let mut winner = if landed.status == StatusCode::OK { alice } else { twin };
    assert!(landed.status == StatusCode::OK || other.status == StatusCode::OK);
    winner.goes_to(first.address());
    let page = winner.get(&format!("{challenge}/continue")).await;
    let resumed = winner.post(&page.after("action=\""), &[]).await;
    assert_eq!(resumed.status, StatusCode::OK, "{}", resumed.text);
    assert_eq!(first.app.count("POST /transfer") + second.app.count("POST /transfer"), 1);
}
