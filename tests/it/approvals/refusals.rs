//! Who may not approve, and what approves nothing.

use http::StatusCode;

use stepward::sessions::record::SubjectKind;
use stepward_core::{
    decision::{Approval, Challenge},
    session::Method,
};

use super::{Bank, Visitor, approve, go_on, refuse, send, the_one, to_sign, waiting};
use crate::{passkeys::authenticator::How, stepup};

const NOWHERE: &str = "/.stepward/approvals/AAAAAAAAAAAAAAAAAAAAAA";

/// Whether this person finds what nobody finds: the same page as for a word that was never given out, to look and to answer.
async fn finds_nothing(visitor: &mut Visitor, page: &str) {
    assert!(waiting(visitor).await.is_empty());
    for form in [None, Some("approve"), Some("refuse")] {
        let mut seen = Vec::new();
        for at in [page, NOWHERE] {
            seen.push(match form {
                None => visitor.get(at).await,
                Some(answer) => visitor.post(at, &[("answer", answer), ("code", "{}")]).await,
            });
        }
        assert_eq!(seen[0].status, StatusCode::NOT_FOUND, "{}", seen[0].text);
        assert_eq!((&seen[0].text, seen[0].status), (&seen[1].text, seen[1].status), "nobody learns that it is there");
    }
}

#[tokio::test]
async fn nobody_approves_their_own_however_the_name_is_written() {
    let bank = Bank::open().await;
    let mut ada = bank.person("ada").await;
    bank.asks(&mut ada, "900").await;
    let mut carol = bank.person("carol").await;
    let page = the_one(&mut carol).await;
    bank.add_passkey(&mut ada, "ada").await;
    finds_nothing(&mut ada, &page).await;
    for name in ["ada", "ADA", "Ada"] {
        finds_nothing(&mut bank.person(name).await, &page).await;
    }
    // Somebody else's she may approve.
    let mut bob = bank.person("bob").await;
    bank.asks(&mut bob, "5").await;
    assert_eq!(waiting(&mut ada).await.len(), 1);
    assert_eq!(waiting(&mut carol).await.len(), 2);
}

#[tokio::test]
async fn who_is_in_another_group_or_in_none_finds_nothing() {
    let bank = Bank::open().await;
    let mut ada = bank.person("ada").await;
    bank.asks(&mut ada, "900").await;
    let mut carol = bank.person("carol").await;
    let page = the_one(&mut carol).await;
    for name in ["erin", "mallory"] {
        let (mut stranger, _) = bank.approver(name).await;
        finds_nothing(&mut stranger, &page).await;
    }
    let mut nobody = bank.town.visitor();
    nobody.is_at(&format!("http://localhost:{}", bank.port));
    for at in [page.as_str(), NOWHERE, "/.stepward/approvals"] {
        let seen = nobody.get(at).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{at}");
        assert!(seen.text.contains("Please sign in first."));
    }
}

#[tokio::test]
async fn who_has_left_the_group_meanwhile_approves_nothing_and_who_joined_may() {
    let mut bank = Bank::open().await;
    let (mut carol, _) = bank.approver("carol").await;
    let (mut erin, mut key) = bank.approver("erin").await;
    let mut ada = bank.person("ada").await;
    let challenge = bank.asks(&mut ada, "900").await;
    let page = the_one(&mut carol).await;
    let file = bank.town.folder.path().join("stepward.yaml");
    let text = std::fs::read_to_string(&file).unwrap().replace("payments: [carol, dave, ada]", "payments: [erin]");
    std::fs::write(&file, text).unwrap();
    bank.town = bank.town.restarted().await;
    finds_nothing(&mut carol, &page).await;
    approve(&bank, &mut erin, &mut key, &page).await;
    assert_eq!(go_on(&mut ada, &challenge).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_machine_in_the_group_finds_nothing() {
    let world = stepup::world::World::new().await;
    let mut carl = world.browser().signed_in("carl");
    let approval = Some(Approval { group: "colleagues".into(), digest: [7; 32] });
    let page = carl.challenged(&Challenge { approval, ..stepup::world::demand(&[Method::Approval]) }).await;
    carl.post(&page, "method=approval").await;
    for (kind, finds) in [(SubjectKind::Human, true), (SubjectKind::Service, false), (SubjectKind::Agent, false)] {
        let mut ada = world.browser().signed_in("ada");
        ada.subject.as_mut().unwrap().kind = kind;
        let listed = stepup::world::text(&ada.get("/.stepward/approvals").await);
        assert_eq!(listed.contains("carl"), finds, "{kind:?}");
    }
}

#[tokio::test]
async fn in_the_name_of_somebody_who_is_not_signed_in_nobody_is_asked() {
    let bank = Bank::open().await;
    let mut stranger = bank.town.visitor();
    stranger.is_at(&format!("http://localhost:{}", bank.port));
    let refused = stranger.post("/transfer", &[("payee", "DE02"), ("amount", "900")]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    assert_eq!(bank.town.decisions().pop().unwrap()["reason"], "challenge.impossible");
}

#[tokio::test]
async fn on_another_host_or_tenant_nothing_is_found() {
    let bank = Bank::with(|world| {
        world.settings(
            "routes: [{ host: two.localhost, upstream: app }, { host: three.localhost, upstream: app, tenant: three }, { upstream: app }]",
        )
    });
    let bank = bank.await;
    let mut ada = bank.person("ada").await;
    bank.asks(&mut ada, "900").await;
    let mut carol = bank.person("carol").await;
    let page = the_one(&mut carol).await;
    for host in ["two.localhost", "three.localhost"] {
        let mut elsewhere = bank.town.visitor();
        elsewhere.is_at(&format!("http://localhost:{}", bank.port));
        elsewhere.headers.push(("host", format!("{host}:{}", bank.port)));
        bank.town.sign_in(&mut elsewhere, "carol").await;
        assert_eq!(elsewhere.get(&page).await.status, StatusCode::NOT_FOUND, "{host}");
    }
}

#[tokio::test]
async fn without_a_passkey_of_ones_own_nothing_is_approved() {
    let bank = Bank::open().await;
    let (mut carol, mut key) = bank.approver("carol").await;
    let mut ada = bank.person("ada").await;
    let challenge = bank.asks(&mut ada, "900").await;
    let mut dave = bank.person("dave").await;
    let page = the_one(&mut dave).await;
    let shown = dave.get(&page).await;
    assert!(shown.text.contains("you need a passkey") && shown.text.contains("/.stepward/methods"), "{}", shown.text);
    assert!(!shown.text.contains("data-use"), "{}", shown.text);
    let hers = key.sign(&to_sign(&mut carol, &page).await, &bank.how());
    for code in ["", "{}", "123456", &hers.to_string()] {
        dave.post(&page, &[("answer", "approve"), ("code", code)]).await;
    }
    assert!(!ada.get(&challenge).await.location().ends_with("/continue"));
    assert_eq!(waiting(&mut carol).await, [page]);
}

#[tokio::test]
async fn what_was_signed_for_something_else_or_before_or_without_verification_approves_nothing() {
    let bank = Bank::open().await;
    let (mut carol, mut key) = bank.approver("carol").await;
    let (mut ada, mut bob) = (bank.person("ada").await, bank.person("bob").await);
    bank.asks(&mut bob, "5").await;
    let small = the_one(&mut carol).await;
    let challenge = bank.asks(&mut ada, "900").await;
    let large = waiting(&mut carol).await.into_iter().find(|it| *it != small).unwrap();
    let how = bank.how();
    // Signed for five, sent for nine hundred.
    let other = key.sign(&to_sign(&mut carol, &small).await, &how);
    assert!(send(&mut carol, &large, &other).await.location().ends_with("e=wrong"));
    for wrong in [
        How { is_verified: false, ..how.clone() },
        How { origin: "http://evil.localhost".into(), ..how.clone() },
        How { is_tampered: true, ..how.clone() },
    ] {
        let options = to_sign(&mut carol, &large).await;
        let seen = send(&mut carol, &large, &key.sign(&options, &wrong)).await;
        assert!(seen.location().ends_with("e=wrong"), "{wrong:?}");
    }
    bank.town.wait_ms(16 * 60 * 1000);
    assert!(!ada.get(&challenge).await.location().ends_with("/continue"));

    // Approved once; the same signature again, for the same person and the same values.
    let mut ada = bank.person("ada").await;
    bank.asks(&mut ada, "900").await;
    let page = the_one(&mut carol).await;
    let signed = key.sign(&to_sign(&mut carol, &page).await, &how);
    assert!(!send(&mut carol, &page, &signed).await.location().contains("e="));
    let mut dora = bank.person("dora").await;
    bank.asks(&mut dora, "900").await;
    let next = the_one(&mut carol).await;
    assert!(send(&mut carol, &next, &signed).await.location().ends_with("e=wrong"), "a signature is good once");
}

#[tokio::test]
async fn a_refusal_stays_and_is_a_wrong_answer() {
    let bank = Bank::open().await;
    let (mut carol, mut key) = bank.approver("carol").await;
    let mut dave = bank.person("dave").await;
    let mut ada = bank.person("ada").await;
    let challenge = bank.asks(&mut ada, "900").await;
    let page = the_one(&mut dave).await;
    let options = to_sign(&mut carol, &page).await;
    assert!(refuse(&mut dave, &page).await.text.contains("This was refused."), "without a passkey");
    // Carol comes second, with a signature that would have done.
    let seen = send(&mut carol, &page, &key.sign(&options, &bank.how())).await;
    assert!(carol.get(seen.location()).await.text.contains("This was refused."));
    let told = ada.get(&challenge).await;
    assert!(told.location().contains("verify_refused"), "{} {}", told.status, told.location());
    // Again, and the two tries of the policy are spent.
    ada.post(&challenge, &[("method", "approval")]).await;
    let page = the_one(&mut dave).await;
    refuse(&mut dave, &page).await;
    let spent = ada.get(&challenge).await;
    assert_eq!(spent.status, StatusCode::FORBIDDEN, "{}", spent.text);
    assert_eq!(bank.paid(), 0);
}

#[tokio::test]
async fn what_expired_or_was_withdrawn_says_so_and_is_approved_no_more() {
    let bank = Bank::open().await;
    let (mut carol, mut key) = bank.approver("carol").await;
    let mut ada = bank.person("ada").await;
    let challenge = bank.asks(&mut ada, "900").await;
    let page = the_one(&mut carol).await;
    let signed = key.sign(&to_sign(&mut carol, &page).await, &bank.how());
    ada.post(&challenge, &[("method", "approval"), ("withdraw", "1")]).await;
    assert!(waiting(&mut carol).await.is_empty());
    let seen = send(&mut carol, &page, &signed).await;
    assert!(carol.get(seen.location()).await.text.contains("This was withdrawn."));
    let over = ada.get(&challenge).await;
    assert!(over.location().contains("verify_over"), "{}", over.location());

    let challenge = bank.asks(&mut ada, "901").await;
    let page = the_one(&mut carol).await;
    let signed = key.sign(&to_sign(&mut carol, &page).await, &bank.how());
    bank.town.wait_ms(15 * 60 * 1000);
    assert!(waiting(&mut carol).await.is_empty());
    let seen = send(&mut carol, &page, &signed).await;
    assert!(carol.get(seen.location()).await.text.contains("This has expired."));
    assert!(!ada.get(&challenge).await.location().ends_with("/continue"));
    assert_eq!(bank.paid(), 0);
}

#[tokio::test]
async fn an_approval_is_for_the_session_that_asked_and_for_these_values_alone() {
    let bank = Bank::open().await;
    let (mut carol, mut key) = bank.approver("carol").await;
    let mut ada = bank.person("ada").await;
    let challenge = bank.asks(&mut ada, "900").await;
    let page = the_one(&mut carol).await;
    approve(&bank, &mut carol, &mut key, &page).await;
    let mut elsewhere = bank.person("ada").await;
    assert_eq!(elsewhere.get(&challenge).await.status, StatusCode::GONE, "another browser of hers");
    let mut eve = bank.person("eve").await;
    assert_eq!(eve.get(&challenge).await.status, StatusCode::GONE);

    assert!(ada.get(&challenge).await.location().ends_with("/continue"), "it is proven here");
    for (payee, amount) in [("DE02", "901"), ("DE03", "900")] {
        let asked = ada.post("/transfer", &[("payee", payee), ("amount", amount)]).await;
        assert!(asked.location().starts_with("/.stepward/c/"), "{payee} {amount}: {}", asked.status);
    }
    // What the board has to approve, no other group has approved.
    let asked = ada.post("/close", &[]).await;
    assert!(asked.location().starts_with("/.stepward/c/"), "{}", asked.status);
    assert_eq!(bank.paid(), 0);
}
