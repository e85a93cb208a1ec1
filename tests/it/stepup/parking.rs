//! What is kept while somebody proves who they are, and how it comes back.

use http::StatusCode;
use stepward::{
    arrival::Withheld,
    challenges::{Begun, parking},
};
use stepward_core::session::Method;

use crate::stepup::world::{Browser, World, demand, location, policy, reply, text, value};

fn resume_id(text: &str) -> String {
    let rest = text.split("stepward_resume=").nth(1).expect("a resume form");
    rest.split('"').next().expect("an id").to_string()
}

/// Passes a challenge at `POST /transfer` and gives the id that resumes it.
async fn proven(ada: &mut Browser<'_>, secret: &[u8]) -> String {
    let page = ada.challenged(&demand(&[Method::Totp])).await;
    assert!(ada.passes(&page, Method::Totp, &ada.world.code(secret)).await);
    resume_id(&text(&ada.get(&format!("{page}/continue")).await))
}

#[tokio::test]
async fn a_parked_request_comes_back_whole_to_its_owner_only() {
    let world = World::new().await;
    let secret = world.totp("ada").await;
    let mut ada = world.browser().signed_in("ada");
    let id = proven(&mut ada, &secret).await;
    let target = format!("/transfer?stepward_resume={id}");

    let mut thief = world.browser().signed_in("ada");
    thief.challenged(&demand(&[Method::Totp])).await;
    let arrival = thief.request("POST", &target, &[], "");
    assert!(thief.take(&arrival, &id).await.is_none(), "another browser");
    let bob = ada.clone().signed_in("bob");
    assert!(bob.take(&bob.request("POST", &target, &[], ""), &id).await.is_none(), "another subject");
    let mut bare = ada.clone();
    bare.cookies.remove("__Host-stepward-park");
    assert!(bare.take(&bare.request("POST", &target, &[], ""), &id).await.is_none(), "without the browser's half");
    let foreign = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
    assert!(ada.take(&ada.request("POST", &target, &foreign, ""), &id).await.is_none(), "from another site");
    for word in ["", "x", "AAAAAAAAAAAAAAAAAAAAAA", "../..", &id[1..]] {
        assert!(ada.take(&ada.request("POST", &target, &[], ""), word).await.is_none(), "{word:?}");
    }

    let parked = ada.take(&ada.request("POST", &target, &[], ""), &id).await.expect("none of these took it");
    assert_eq!((&*parked.method, &*parked.target, &*parked.host), ("POST", "/transfer", "bank.example"));
    assert_eq!(data_encoding::BASE64.decode(parked.body.as_bytes()).expect("base64"), b"amount=900&payee=DE02");
    assert!(parked.headers.iter().any(|(name, value)| name == "origin" && value == "https://bank.example"));
    assert!(parked.headers.iter().all(|(name, _)| !["cookie", "authorization", "host"].contains(&name.as_str())));
    assert!(ada.take(&ada.request("POST", &target, &[], ""), &id).await.is_none(), "once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_that_resume_at_once_one_gets_the_request() {
    let world = World::new().await;
    let secret = world.totp("ada").await;
    let mut ada = world.browser().signed_in("ada");
    let id = proven(&mut ada, &secret).await;
    let arrival = ada.request("POST", "/transfer", &[], "");
    let takers = (0..64).map(|_| ada.take(&arrival, &id));
    let taken = futures_util::future::join_all(takers).await;
    assert_eq!(taken.iter().flatten().count(), 1);
}

#[tokio::test]
async fn two_requests_wait_at_once_and_each_comes_back_itself() {
    let world = World::new().await;
    let secret = world.totp("ada").await;
    let mut ada = world.browser().signed_in("ada");
    let mut pages = Vec::new();
    for amount in ["1", "2"] {
        let arrival = ada.request("POST", &format!("/transfer?n={amount}"), &[], &format!("amount={amount}"));
        let Begun::Asked(asked) = ada.held(&arrival, &policy("transfer money"), &demand(&[Method::Totp])).await else {
            panic!("asked")
        };
        pages.push(location(&asked));
    }
    assert!(ada.passes(&pages[1], Method::Totp, &world.code(&secret)).await, "in the second tab");
    for (page, amount) in pages.iter().zip(["1", "2"]) {
        let next = text(&ada.get(&format!("{page}/continue")).await);
        assert!(next.contains(&format!("action=\"/transfer?n={amount}&amp;stepward_resume=")), "{next}");
        let parked = ada.take(&ada.request("POST", "/transfer", &[], ""), &resume_id(&next)).await.expect("its own");
        assert_eq!(
            data_encoding::BASE64.decode(parked.body.as_bytes()).expect("base64"),
            format!("amount={amount}").as_bytes()
        );
        let again = text(&ada.get(&format!("{page}/continue")).await);
        assert!(again.contains("already confirmed") && !again.contains("<form"), "Back after it went out: {again}");
    }
}

#[tokio::test]
async fn a_page_is_simply_fetched_again() {
    let world = World::new().await;
    let secret = world.totp("ada").await;
    for (target, expected) in [("/account?tab=2", "/account?tab=2"), ("//evil.example/x", "/.//evil.example/x")] {
        let mut ada = world.browser().signed_in("ada");
        let arrival = ada.request("GET", target, &[], "");
        let Begun::Asked(asked) = ada.held(&arrival, &policy("account"), &demand(&[Method::Totp])).await else {
            panic!("asked")
        };
        let page = location(&asked);
        assert!(ada.passes(&page, Method::Totp, &world.code(&secret)).await);
        assert_eq!(location(&ada.get(&format!("{page}/continue?url=https://evil.example")).await), expected, "i4");
        world.wait(60_000);
    }
}

#[tokio::test]
async fn the_apps_answer_is_withheld_and_released_once() {
    let world = World::new().await;
    let secret = world.totp("ada").await;
    let mut ada = world.browser();
    let arrival = ada.request("POST", "/login", &[], "user=ada&password=x");
    let withheld = Withheld {
        status: 303,
        headers: vec![("location".into(), "/home".into()), ("set-cookie".into(), "sid=secret".into())],
        body: String::new(),
    };
    let begun = ada.demanded(&arrival, &policy("login"), &demand(&[Method::Totp]), Some("ada"), Some(withheld)).await;
    let Begun::Asked(asked) = begun else { panic!("asked") };
    assert!(!format!("{asked:?}").contains("secret"), "nothing of the answer leaves before the proof");
    let page = location(&asked);
    assert!(ada.passes(&page, Method::Totp, &world.code(&secret)).await);
    let next = location(&ada.get(&format!("{page}/continue")).await);
    let id = next.strip_prefix("/login?stepward_resume=").expect("back at its own address").to_string();
    let arrival = ada.request("GET", &next, &[], "");
    let parked = ada.take(&arrival, &id).await.expect("it is there");
    assert_eq!(parked.body, "", "the password is not kept");
    assert_eq!(parked.answer.expect("the answer").headers[0].1, "/home");
    assert!(ada.take(&arrival, &id).await.is_none());
}

#[tokio::test]
async fn what_cannot_be_kept_is_said_and_proven_all_the_same() {
    let world = World::new().await;
    let secret = world.totp("ada").await;
    let mut ada = world.browser().signed_in("ada");
    let small = stepward_core::policy::Policy { park_bytes_max: 8, ..policy("transfer money") };
    let arrival = ada.request("POST", "/transfer", &[], "amount=900");
    let Begun::Asked(asked) = ada.held(&arrival, &small, &demand(&[Method::Totp])).await else { panic!("asked") };
    let page = location(&asked);
    assert!(ada.passes(&page, Method::Totp, &world.code(&secret)).await);
    let next = text(&ada.get(&format!("{page}/continue")).await);
    assert!(next.contains("send it again") && !next.contains("<form"), "{next}");
}

#[tokio::test]
async fn one_session_cannot_fill_the_store() {
    let world = World::new().await;
    let mut ada = world.browser().signed_in("ada");
    let mut kept = 0;
    for _ in 0..parking::PER_SESSION_MAX + 4 {
        let headers = [("accept", "application/json"), ("sec-fetch-mode", "cors")];
        let arrival = ada.request("POST", "/transfer", &headers, "amount=900");
        let Begun::Asked(told) = ada.held(&arrival, &policy("transfer money"), &demand(&[Method::Totp])).await else {
            panic!("asked")
        };
        kept += u64::from(text(&told).contains("\"resume\""));
    }
    assert_eq!(kept, parking::PER_SESSION_MAX);
}

#[tokio::test]
async fn what_waits_too_long_is_gone() {
    let world = World::new().await;
    let secret = world.totp("ada").await;
    let mut ada = world.browser().signed_in("ada");
    let id = proven(&mut ada, &secret).await;
    let page = ada.challenged(&demand(&[Method::Totp])).await;
    world.wait(600_000);
    assert_eq!(ada.get(&page).await.status, StatusCode::GONE);
    assert!(ada.take(&ada.request("POST", "/transfer", &[], ""), &id).await.is_none());
}

#[tokio::test]
async fn our_files_are_served_and_nothing_else_is_there() {
    let world = World::new().await;
    let mut anyone = world.browser();
    for (name, kind) in [
        ("page.css", "text/css"),
        ("page.js", "text/javascript"),
        ("pow.js", "text/javascript"),
        ("stepward.js", "text/javascript"),
    ] {
        let file = anyone.get(&format!("/.stepward/{name}")).await;
        assert_eq!(file.status, StatusCode::OK);
        assert!(value(&file, "content-type").starts_with(kind));
        assert_eq!(value(&file, "x-content-type-options"), "nosniff");
    }
    for path in ["", "base.html", "../Cargo.toml", "c", "c/", "c/x/y", "C/x", "page.css/", "methods/x/y/z"] {
        let status = anyone.get(&format!("/.stepward/{path}")).await.status;
        assert!(status.is_client_error(), "{path}: {status}");
    }
    let arrival = anyone.request("DELETE", "/.stepward/methods", &[], "");
    assert_eq!(reply(anyone.serve(&arrival).await).status, StatusCode::NOT_FOUND);
}
