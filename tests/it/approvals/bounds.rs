//! How often, from where, and how many at once.

use http::StatusCode;
use stepward::store::{Counted, Kind, StateStore};

use super::{Bank, Visitor, approve, go_on, send, the_one, to_sign, waiting};
use crate::passkeys::authenticator::How;

#[tokio::test]
async fn five_requests_an_hour_are_enough_for_anybody() {
    let bank = Bank::open().await;
    let mut ada = bank.person("ada").await;
    let mut carol = bank.person("carol").await;
    for amount in 1..=5 {
        bank.asks(&mut ada, &amount.to_string()).await;
    }
    let challenge = bank.pays(&mut ada, "6").await;
    let refused = ada.post(&challenge, &[("method", "approval")]).await;
    assert!(refused.location().contains("verify_often"), "{}", refused.location());
    assert_eq!(waiting(&mut carol).await.len(), 5);
    let mut bob = bank.person("bob").await;
    bank.asks(&mut bob, "7").await;
    assert_eq!(waiting(&mut carol).await.len(), 6, "somebody else is not held up");
}

#[tokio::test]
async fn an_answer_from_another_site_is_none() {
    let bank = Bank::open().await;
    let mut ada = bank.person("ada").await;
    bank.asks(&mut ada, "900").await;
    let mut dave = bank.person("dave").await;
    let page = the_one(&mut dave).await;
    for (origin, site) in
        [("https://evil.example", "cross-site"), ("null", "cross-site"), ("https://evil.example", "none")]
    {
        let request = dave.client().post(dave.url(&page)).header("origin", origin).header("sec-fetch-site", site);
        let request = request.header("content-type", "application/x-www-form-urlencoded").body("answer=refuse");
        assert_eq!(dave.send(request).await.status, StatusCode::FORBIDDEN, "{origin} {site}");
    }
    let asked = dave.get(&format!("{page}?answer=refuse")).await;
    assert!(asked.text.contains("Do you approve this?"), "{}", asked.text);
    assert_eq!(waiting(&mut dave).await, [page]);
}

#[tokio::test]
async fn a_locked_out_approver_answers_nothing_and_wrong_signatures_close_the_way() {
    let bank = Bank::open().await;
    let (mut carol, mut key) = bank.approver("carol").await;
    let mut ada = bank.person("ada").await;
    bank.asks(&mut ada, "900").await;
    let page = the_one(&mut carol).await;
    let parts = bank.town.gateway.journeys.parts();
    let account = Counted { kind: Kind::Account, id: parts.sessions.account("default", "carol") };
    parts.store.lock(account, parts.clock.now_ms() + 60_000).await.unwrap();
    let options = to_sign(&mut carol, &page).await;
    let signed = key.sign(&options, &bank.how());
    for (answer, code) in [("approve", signed.to_string()), ("refuse", String::new())] {
        let refused = carol.post(&page, &[("answer", answer), ("code", &code)]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{answer}");
    }
    assert_eq!(waiting(&mut carol).await, std::slice::from_ref(&page));
    bank.town.wait_ms(61_000);
    for _ in 0..5 {
        let wrong = How { is_tampered: true, ..bank.how() };
        let signed = key.sign(&to_sign(&mut carol, &page).await, &wrong);
        assert!(send(&mut carol, &page, &signed).await.location().ends_with("e=wrong"));
    }
    let signed = key.sign(&to_sign(&mut carol, &page).await, &bank.how());
    assert!(send(&mut carol, &page, &signed).await.location().ends_with("e=closed"));
    assert!(carol.get(&page).await.text.contains("Too many wrong answers"));
    assert_eq!(waiting(&mut carol).await, [page]);
}

/// The same browser once more.
fn again(bank: &Bank, visitor: &Visitor) -> Visitor {
    let mut other = bank.town.visitor();
    other.is_at(&format!("http://localhost:{}", bank.port));
    other.cookies = visitor.cookies.clone();
    other
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_transfers_like_the_approved_one_at_once_one_is_sent() {
    let bank = Bank::open().await;
    let (mut carol, mut key) = bank.approver("carol").await;
    let mut ada = bank.person("ada").await;
    let challenge = bank.asks(&mut ada, "900").await;
    let page = the_one(&mut carol).await;
    approve(&bank, &mut carol, &mut key, &page).await;
    assert!(ada.get(&challenge).await.location().ends_with("/continue"), "it is proven");
    let mut transfers = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let mut tab = again(&bank, &ada);
        transfers.spawn(async move { tab.post("/transfer", &[("payee", "DE02"), ("amount", "900")]).await.status });
    }
    let statuses = transfers.join_all().await;
    let count = |status: StatusCode| statuses.iter().filter(|it| **it == status).count();
    assert_eq!(count(StatusCode::OK), 1, "{statuses:?}");
    assert_eq!(count(StatusCode::GONE) + count(StatusCode::SEE_OTHER), 31, "{statuses:?}");
    assert_eq!(bank.paid(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixty_four_answers_at_once_one_counts_and_one_transfer_is_sent() {
    let bank = Bank::open().await;
    let (mut carol, mut key) = bank.approver("carol").await;
    let mut dave = bank.person("dave").await;
    let mut ada = bank.person("ada").await;
    let challenge = bank.asks(&mut ada, "900").await;
    let page = the_one(&mut dave).await;
    let how = How { counter: Some(0), ..bank.how() };
    let mut answers = tokio::task::JoinSet::new();
    let mut signatures = Vec::new();
    for _ in 0..32 {
        signatures.push(key.sign(&to_sign(&mut carol, &page).await, &how).to_string());
    }
    for at in 0..64 {
        let (mut visitor, page) = (again(&bank, if at % 2 == 0 { &carol } else { &dave }), page.clone());
        let signed = if at % 2 == 0 { signatures.pop().unwrap_or_default() } else { String::new() };
        let answer = if at % 2 == 0 { "approve" } else { "refuse" };
        answers.spawn(async move {
            visitor.post(&page, &[("answer", answer), ("code", &signed)]).await;
            visitor.get(&page).await.text
        });
    }
    let said: Vec<String> = answers.join_all().await;
    let approved = said.iter().filter(|it| it.contains("This is approved.")).count();
    let refused = said.iter().filter(|it| it.contains("This was refused.")).count();
    assert!(approved == 64 || refused == 64, "everybody sees the same end: {approved} and {refused}");

    let mut looks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (mut visitor, challenge) = (again(&bank, &ada), challenge.clone());
        looks.spawn(async move {
            let seen = visitor.get(&challenge).await;
            (seen.location().ends_with("/continue"), visitor.cookies)
        });
    }
    // A proof gives the browser a new ticket; its tabs share it.
    if let Some((_, cookies)) = looks.join_all().await.into_iter().find(|(is_proven, _)| *is_proven) {
        ada.cookies = cookies;
    }
    match approved {
        64 => {
            assert_eq!(go_on(&mut ada, &challenge).await.status, StatusCode::OK);
            assert_eq!(bank.paid(), 1);
        }
        _ => assert_eq!(bank.paid(), 0),
    }
}
