//! An identity document: there and back, passed, refused, looked at by a person, too late, and by nobody at all.

use http::StatusCode;

use super::{App, begin, begins, challenged, go_on, leads_on, look, look_until, pays, stands, tell, town};

#[tokio::test]
async fn a_user_is_sent_to_the_vendor_comes_back_and_goes_on_when_it_says_so() {
    let vendor = App::start().await;
    let town = town("[id_document]", &[&vendor]).await;
    let (mut ada, challenge) = challenged(&town, "ada").await;
    let page = ada.get(&challenge).await;
    assert!(page.text.contains("Check my identity document") && !page.text.contains("http-equiv"), "{}", page.text);
    assert_eq!(vendor.count("POST /start"), 0, "looking begins nothing");
    let away = begin(&mut ada, &challenge).await;
    assert_eq!(away.location(), format!("http://{}/check/vs-1", vendor.address));
    let asked = vendor.last("POST /start");
    assert!(!asked.contains("\"ada\""), "the vendor is told a pseudonym: {asked}");
    assert!(asked.contains(&format!("http://{}{challenge}?m=id_document", town.address())), "{asked}");
    let waiting = look(&town, &mut ada, &challenge).await;
    assert!(waiting.text.contains("is being checked") && waiting.text.contains("Look now"), "{}", waiting.text);
    let again = begin(&mut ada, &challenge).await;
    assert_eq!((again.location(), vendor.count("POST /start")), (away.location(), 1), "back to the same one");
    stands(&vendor, "vs-1", "approved");
    let passed = look_until(&town, &mut ada, &challenge, leads_on).await;
    let paid = go_on(&mut ada, &passed).await;
    assert_eq!(paid.status, StatusCode::OK, "{}", paid.text);
    assert!(town.app.last("POST /pay").ends_with("amount=900"));
    assert_eq!(ada.post("/pay", &[]).await.status, StatusCode::OK, "and the proof stays");
}

#[tokio::test]
async fn a_vendor_is_asked_by_all_tabs_together_and_not_too_often() {
    let vendor = App::start().await;
    let town = town("[id_document]", &[&vendor]).await;
    let (mut ada, challenge) = challenged(&town, "ada").await;
    begin(&mut ada, &challenge).await;
    for _ in 0..20 {
        ada.get(&challenge).await;
    }
    assert_eq!(vendor.count("GET /state"), 1, "one question in two seconds, however many look");
    town.wait_ms(2000);
    ada.get(&challenge).await;
    assert_eq!(vendor.count("GET /state"), 2);
}

#[tokio::test]
async fn a_refusal_is_a_wrong_answer_and_the_last_one_locks_out() {
    let vendor = App::start().await;
    let town = town("[id_document]", &[&vendor]).await;
    let (mut ada, challenge) = challenged(&town, "ada").await;
    begin(&mut ada, &challenge).await;
    stands(&vendor, "vs-1", "declined");
    let refused = look_until(&town, &mut ada, &challenge, |it| it.location().contains("e=")).await;
    assert!(refused.location().contains("e=verify_refused"), "{refused:?}");
    let page = ada.get(refused.location()).await;
    assert!(
        page.text.contains("That was refused") && page.text.contains("Check my identity document"),
        "{}",
        page.text
    );
    begins(&vendor, "vs-2");
    stands(&vendor, "vs-2", "declined");
    begin(&mut ada, &challenge).await;
    let spent = look_until(&town, &mut ada, &challenge, |it| it.status == StatusCode::FORBIDDEN).await;
    assert_eq!(spent.headers["stepward-outcome"], "lock_out", "{}", spent.text);
    assert_eq!(ada.post("/pay", &[]).await.headers["stepward-outcome"], "lock_out");
    assert_eq!(town.app.count("POST /pay"), 0);
}

#[tokio::test]
async fn while_a_person_looks_the_page_says_so_and_hours_later_only_the_proof_is_left() {
    let vendor = App::start().await;
    let town = town("[id_document]", &[&vendor]).await;
    let (mut ada, challenge) = challenged(&town, "ada").await;
    begin(&mut ada, &challenge).await;
    stands(&vendor, "vs-1", "review");
    let page = look_until(&town, &mut ada, &challenge, |it| it.text.contains("A person is looking")).await;
    assert!(page.text.contains("Look now") && !page.text.contains("http-equiv"), "{}", page.text);
    town.wait_ms(30 * 60 * 1000);
    assert_eq!(tell(&town, "e-1", "vs-1", "approved").await, StatusCode::OK);
    let passed = look(&town, &mut ada, &challenge).await;
    assert!(leads_on(&passed), "{passed:?}");
    let told = ada.get(passed.location()).await;
    assert!(told.text.contains("no longer kept") && !told.text.contains("action=\""), "{}", told.text);
    assert_eq!(town.app.count("POST /pay"), 0);
    assert_eq!(ada.post("/pay", &[("amount", "900")]).await.status, StatusCode::OK, "the repeat goes through");
}

#[tokio::test]
async fn what_ends_without_a_word_costs_no_try() {
    for status in ["expired", "abandoned", "error"] {
        let vendor = App::start().await;
        let town = town("[id_document]", &[&vendor]).await;
        let (mut ada, challenge) = challenged(&town, "ada").await;
        for number in 1..=3 {
            let reference = format!("vs-{number}");
            begins(&vendor, &reference);
            stands(&vendor, &reference, status);
            begin(&mut ada, &challenge).await;
            let over = look_until(&town, &mut ada, &challenge, |it| it.location().contains("e=")).await;
            assert!(over.location().contains("e=verify_over"), "{status} {number}: {over:?}");
        }
        begins(&vendor, "vs-4");
        stands(&vendor, "vs-4", "approved");
        begin(&mut ada, &challenge).await;
        look_until(&town, &mut ada, &challenge, leads_on).await;
    }
}

#[tokio::test]
async fn the_next_vendor_begins_where_the_first_does_not_and_is_the_one_that_is_asked() {
    let (first, second) = (App::start().await, App::start().await);
    let town = town("[id_document]", &[&first, &second]).await;
    first.says("POST /start", 503, "down");
    begins(&second, "vs-b");
    stands(&second, "vs-b", "approved");
    stands(&first, "vs-b", "declined");
    let (mut ada, challenge) = challenged(&town, "ada").await;
    let away = begin(&mut ada, &challenge).await;
    assert_eq!(away.location(), format!("http://{}/check/vs-b", second.address));
    look_until(&town, &mut ada, &challenge, leads_on).await;
    assert_eq!(first.count("GET /state"), 0, "nobody else is asked about it");
}

#[tokio::test]
async fn where_nobody_answers_the_page_says_so_offers_another_way_and_nothing_passes() {
    for (name, status, says) in [
        ("dead", 503, "down"),
        ("garbage", 200, "<html>"),
        ("no reference", 200, r#"{"url": "http://127.0.0.1:1/"}"#),
        ("no address", 200, r#"{"id": "vs-1"}"#),
        ("a script for an address", 200, r#"{"id": "vs-1", "url": "javascript:alert(1)"}"#),
    ] {
        let vendor = App::start().await;
        let town = town("[id_document, pow]", &[&vendor]).await;
        let (mut ada, challenge) = challenged(&town, "ada").await;
        vendor.says("POST /start", status, says);
        let trouble = begin(&mut ada, &challenge).await;
        assert!(trouble.location().contains("e=verify_unreachable"), "{name}: {trouble:?}");
        let page = ada.get(trouble.location()).await;
        assert!(
            page.text.contains("cannot be done at the moment") && page.text.contains("Browser check"),
            "{name}: {}",
            page.text
        );
        begins(&vendor, "vs-9");
        assert!(begin(&mut ada, &challenge).await.location().contains("/check/"), "{name}: no try was lost");
        for (status, says) in
            [(500, "x"), (200, "<html>"), (200, r#"{"id": "vs-9", "status": "wonderful"}"#), (200, "{}")]
        {
            vendor.says("GET /state/vs-9", status, says);
            let page = look(&town, &mut ada, &challenge).await;
            assert!(page.text.contains("is being checked"), "{name}: {says}: {page:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_about_somebody_elses_reference_says_nothing() {
    let vendor = App::start().await;
    let town = town("[id_document]", &[&vendor]).await;
    let (mut ada, challenge) = challenged(&town, "ada").await;
    begin(&mut ada, &challenge).await;
    vendor.says("GET /state/vs-1", 200, r#"{"id": "vs-2", "status": "approved"}"#);
    for _ in 0..3 {
        let page = look(&town, &mut ada, &challenge).await;
        assert!(page.text.contains("is being checked"), "{page:?}");
    }
    // The vendor gives bob the reference that is ada's.
    let (mut bob, his) = challenged(&town, "bob").await;
    let refused = begin(&mut bob, &his).await;
    assert!(refused.location().contains("e=verify_unreachable"), "{refused:?}");
    stands(&vendor, "vs-1", "approved");
    look_until(&town, &mut ada, &challenge, leads_on).await;
    let page = look(&town, &mut bob, &his).await;
    assert!(!leads_on(&page), "hers is not his: {page:?}");
    let stolen = bob.get(&challenge).await;
    assert_eq!(stolen.status, StatusCode::GONE, "nor is her challenge");
}

#[tokio::test]
async fn it_survives_a_restart_in_between() {
    let vendor = App::start().await;
    let town = town("[id_document]", &[&vendor]).await;
    let (mut ada, challenge) = challenged(&town, "ada").await;
    begin(&mut ada, &challenge).await;
    let town = town.restarted().await;
    ada.goes_to(town.address());
    assert_eq!(tell(&town, "e-1", "vs-1", "approved").await, StatusCode::OK);
    let passed = look_until(&town, &mut ada, &challenge, leads_on).await;
    assert_eq!(go_on(&mut ada, &passed).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_program_is_told_where_its_user_has_to_go_and_how_it_stands() {
    let vendor = App::start().await;
    let town = town("[id_document]", &[&vendor]).await;
    let (mut ada, challenge) = challenged(&town, "ada").await;
    ada.headers = vec![("sec-fetch-mode", "cors".into()), ("accept", "application/json".into())];
    assert_eq!(ada.get(&challenge).await.json()["status"], "open");
    let begun = begin(&mut ada, &challenge).await.json();
    let url = format!("http://{}/check/vs-1", vendor.address);
    assert_eq!((&begun["status"], &begun["redirect_url"]), (&"pending".into(), &url.as_str().into()), "{begun}");
    let state = look(&town, &mut ada, &challenge).await.json();
    assert_eq!((&state["status"], &state["redirect_url"]), (&"pending".into(), &url.as_str().into()), "{state}");
    stands(&vendor, "vs-1", "approved");
    let passed = look_until(&town, &mut ada, &challenge, |it| it.json()["status"] != "pending").await.json();
    assert_eq!(passed["status"], "passed", "{passed}");
}

#[tokio::test]
async fn who_comes_back_from_the_vendor_with_a_proof_lands_on_a_page_of_our_own_first() {
    let vendor = App::start().await;
    let town = town("[id_document]", &[&vendor]).await;
    let (mut ada, challenge) = challenged(&town, "ada").await;
    begin(&mut ada, &challenge).await;
    assert_eq!(tell(&town, "e-1", "vs-1", "approved").await, StatusCode::OK);
    let request = ada.client().get(ada.url(&challenge)).header("sec-fetch-site", "cross-site");
    let landed = ada.send(request).await;
    assert_eq!(landed.status, StatusCode::OK, "{landed:?}");
    assert!(landed.text.contains("continue\"><button"), "{}", landed.text);
    assert_eq!(ada.get(&format!("{challenge}/continue")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn it_is_begun_only_so_often_in_an_hour() {
    let vendor = App::start().await;
    let town = town("[id_document]", &[&vendor]).await;
    let mut begun = 0;
    let (mut ada, mut challenge) = challenged(&town, "ada").await;
    for number in 0..12 {
        let reference = format!("vs-{number}");
        begins(&vendor, &reference);
        stands(&vendor, &reference, "abandoned");
        let went = begin(&mut ada, &challenge).await;
        if went.location().contains("/check/") {
            begun += 1;
            look_until(&town, &mut ada, &challenge, |it| it.location().contains("e=")).await;
        } else {
            assert!(went.location().contains("e=verify_often"), "{went:?}");
        }
        if number % 3 == 2 {
            challenge = pays(&mut ada).await;
        }
    }
    assert_eq!(begun, 5, "per account and hour, whatever the challenge");
}
