//! Webhooks: what comes from the vendor counts once, for what it is about; everything else is refused and tells nothing.

use http::StatusCode;

use super::{
    App, KEY, begin, begins, challenged, leads_on, look, look_until, now_ms, send, signature, stands, tell, town,
};

const APPROVED: &str = r#"{"event": "e-1", "id": "vs-1", "status": "approved"}"#;

#[tokio::test]
async fn a_signed_webhook_lets_its_challenge_go_on_without_the_vendor_being_asked() {
    let vendor = App::start().await;
    let town = town("[id_document]", &[&vendor]).await;
    let (mut ada, challenge) = challenged(&town, "ada").await;
    begin(&mut ada, &challenge).await;
    vendor.says("GET /state/vs-1", 500, "down");
    assert_eq!(tell(&town, "e-1", "vs-1", "approved").await, StatusCode::OK);
    look_until(&town, &mut ada, &challenge, leads_on).await;
}

#[tokio::test]
async fn what_is_forged_late_or_sent_elsewhere_is_refused_alike_and_changes_nothing() {
    let vendor = App::start().await;
    let town = town("[id_document]", &[&vendor]).await;
    let (mut ada, challenge) = challenged(&town, "ada").await;
    begin(&mut ada, &challenge).await;
    let now = now_ms(&town);
    let good = signature(KEY, now, APPROVED);
    for (name, connector, signature, body) in [
        ("another key", "a", signature("guessed", now, APPROVED), APPROVED),
        ("another body", "a", signature(KEY, now, r#"{"event": "e-1", "id": "vs-1", "status": "declined"}"#), APPROVED),
        ("an old one", "a", signature(KEY, now - 301_000, APPROVED), APPROVED),
        ("one of tomorrow", "a", signature(KEY, now + 600_000, APPROVED), APPROVED),
        ("a moved time", "a", good.replace("t=", "t=1"), APPROVED),
        ("no signature", "a", String::from("t=1"), APPROVED),
        ("a connector that is not there", "nobody", good.clone(), APPROVED),
        ("no connector", "", good.clone(), APPROVED),
    ] {
        let status = send(&town, connector, &signature, body).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{name}");
        let page = look(&town, &mut ada, &challenge).await;
        assert!(page.text.contains("is being checked"), "{name}: {page:?}");
    }
    let get = ada.client().get(ada.url("/.stepward/inbound/a")).header("x-sig", good).send().await.unwrap();
    assert_eq!(get.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(town.app.count("POST /.stepward"), 0, "nothing of it reaches the app");
}

#[tokio::test]
async fn a_reference_that_nobody_waits_for_is_answered_like_one_that_somebody_does() {
    let vendor = App::start().await;
    let town = town("[id_document]", &[&vendor]).await;
    let (mut ada, challenge) = challenged(&town, "ada").await;
    begin(&mut ada, &challenge).await;
    assert_eq!(tell(&town, "e-1", "vs-77", "approved").await, StatusCode::OK);
    let page = look(&town, &mut ada, &challenge).await;
    assert!(page.text.contains("is being checked"), "{page:?}");
    for body in
        ["{}", "", "<html>", r#"{"event": "e-2", "id": "vs-1"}"#, r#"{"event": "e-3", "id": "vs-1", "status": "odd"}"#]
    {
        assert_eq!(send(&town, "a", &signature(KEY, now_ms(&town), body), body).await, StatusCode::OK, "{body}");
    }
    let page = look(&town, &mut ada, &challenge).await;
    assert!(page.text.contains("is being checked"), "{page:?}");
}

#[tokio::test]
async fn a_webhook_that_comes_again_changes_nothing_and_the_first_end_stays() {
    let vendor = App::start().await;
    let town = town("[id_document]", &[&vendor]).await;
    let (mut ada, challenge) = challenged(&town, "ada").await;
    begin(&mut ada, &challenge).await;
    for _ in 0..3 {
        assert_eq!(tell(&town, "e-1", "vs-1", "declined").await, StatusCode::OK);
    }
    assert_eq!(tell(&town, "e-1", "vs-1", "approved").await, StatusCode::OK, "another content under the same id");
    assert_eq!(tell(&town, "e-2", "vs-1", "approved").await, StatusCode::OK, "another end");
    let refused = look(&town, &mut ada, &challenge).await;
    assert!(refused.location().contains("e=verify_refused"), "{refused:?}");
    let page = look(&town, &mut ada, &challenge).await;
    assert!(page.text.contains("Check my identity document"), "counted once: {page:?}");
    // Replayed after the next one was begun, it is still about the first.
    begins(&vendor, "vs-2");
    stands(&vendor, "vs-2", "processing");
    begin(&mut ada, &challenge).await;
    assert_eq!(tell(&town, "e-3", "vs-1", "approved").await, StatusCode::OK);
    let page = look(&town, &mut ada, &challenge).await;
    assert!(page.text.contains("is being checked"), "{page:?}");
}

#[tokio::test]
async fn what_is_told_about_one_person_counts_for_nobody_else() {
    let vendor = App::start().await;
    let town = town("[id_document]", &[&vendor]).await;
    let (mut ada, hers) = challenged(&town, "ada").await;
    begin(&mut ada, &hers).await;
    begins(&vendor, "vs-2");
    stands(&vendor, "vs-2", "processing");
    let (mut bob, his) = challenged(&town, "bob").await;
    begin(&mut bob, &his).await;
    assert_eq!(tell(&town, "e-1", "vs-2", "approved").await, StatusCode::OK);
    let page = look(&town, &mut ada, &hers).await;
    assert!(page.text.contains("is being checked"), "{page:?}");
    look_until(&town, &mut bob, &his, leads_on).await;
}
