//! The whole flow at a certified provider (npm `oidc-provider`), by HTTP and in Chromium.

use std::{
    path::Path,
    process::Stdio,
    time::{SystemTime, UNIX_EPOCH},
};

use http::{StatusCode, header};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::{
    browser,
    oidc::{Journey, TRANSFER, challenged, come_back, goes_through, leave},
    visitor::{Seen, Visitor},
    world::{LOGIN, START_MS, Town, World},
};

/// The provider in a process of its own, which ends with this.
struct Provider {
    issuer: String,
    _process: Child,
}

impl Provider {
    async fn start(redirects: &str, settings: &[(&str, &str)]) -> Provider {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/idp");
        let installed = folder.join("node_modules/oidc-provider/package.json").exists();
        assert!(installed, "the packages of tests/idp are not installed: run `make deps-browser`");
        let mut node = Command::new("node");
        node.arg("provider.mjs").current_dir(folder).env("REDIRECT_URIS", redirects).kill_on_drop(true);
        node.envs(settings.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = node.spawn().expect("node does not start, run `make deps-browser`");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let issuer = lines.next_line().await.unwrap().expect("the provider did not start");
        Provider { issuer, _process: process }
    }
}

/// A free port for a gateway: the provider has to know where users come back before it starts.
fn port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A town whose transfers are confirmed at a certified provider, at the machine's time.
async fn town(settings: &[(&str, &str)], more: &str) -> (Town, Provider) {
    let port = port();
    let redirects = format!("http://127.0.0.1:{port}/.stepward/oidc/callback");
    let provider = Provider::start(&redirects, settings).await;
    let oidc =
        format!("oidc: {{ issuer: \"{}\", client_id: stepward, acr_values: [phr, mfa]{more} }}", provider.issuer);
    let listen = format!("[{{ address: \"127.0.0.1:{port}\" }}]");
    let town = World::new().listen(&listen).policy(LOGIN).policy(TRANSFER).settings(&oidc).start().await;
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    town.wait_ms(now_ms - START_MS);
    (town, provider)
}

/// Signs in at the provider by its own pages; where it sends the user.
async fn sign_in(provider: &Provider, journey: &Journey, fields: &[(&str, &str)]) -> String {
    let mut browser = Visitor::of(provider.issuer.strip_prefix("http://").unwrap().parse().unwrap());
    let mut seen = browser.get(&journey.address).await;
    let mut is_filled_in = false;
    for _ in 0..8 {
        let location = seen.location().to_string();
        if location.contains("/.stepward/oidc/callback") {
            return location[location.find("/.stepward").unwrap()..].to_string();
        }
        seen = match seen.status.is_redirection() {
            true => browser.get(&location).await,
            false if is_filled_in => panic!("the provider asks again: {}", seen.text),
            false => {
                is_filled_in = true;
                let page = browser.url(&location_of(&seen, &browser));
                browser.post(&page, fields).await
            }
        };
    }
    panic!("the provider sends the user round: {seen:?}")
}

/// The page itself is where its form goes: its address is in the cookie of the interaction.
fn location_of(seen: &Seen, browser: &Visitor) -> String {
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.text);
    format!("/sign-in/{}", browser.cookies["_interaction"])
}

const ALICE: [(&str, &str); 3] = [("name", "alice"), ("acr", "phr"), ("do", "in")];

#[tokio::test]
async fn a_public_client_confirms_a_transfer_at_a_certified_provider() {
    for algorithm in ["RS256", "PS256", "ES256", "EdDSA"] {
        let (town, provider) = town(&[("ALGORITHM", algorithm)], "").await;
        let (mut alice, challenge) = challenged(&town).await;
        let journey = leave(&mut alice, &challenge).await;
        let back = sign_in(&provider, &journey, &ALICE).await;
        let landed = come_back(&mut alice, &back).await;
        assert!(landed.headers.contains_key(header::REFRESH), "{algorithm}: {landed:?}");
        goes_through(&town, &mut alice, &landed).await;
    }
}

#[tokio::test]
async fn a_confidential_client_with_another_claim_confirms_one_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "a secret of 32 characters or more +/%").unwrap();
    let more = format!(
        ", client_secret: {{ file: \"{}\" }}, prompt: login, login_hint: true, max_age: 5m, scopes: [profile], subject_claim: preferred_username",
        file.display()
    );
    let (town, provider) = town(&[("CLIENT_SECRET", "a secret of 32 characters or more +/%")], &more).await;
    let mut alice = town.visitor();
    town.sign_in(&mut alice, "alice@bank.example").await;
    let challenge = crate::oidc::asked(&mut alice).await;
    let journey = leave(&mut alice, &challenge).await;
    let back = sign_in(&provider, &journey, &ALICE).await;
    let landed = come_back(&mut alice, &back).await;
    goes_through(&town, &mut alice, &landed).await;
}

#[tokio::test]
async fn a_certified_provider_says_who_it_was_how_strong_and_that_the_user_left() {
    let (town, provider) = town(&[], "").await;
    let (mut alice, challenge) = challenged(&town).await;
    for (fields, word) in [
        ([("name", "alice"), ("acr", "phr"), ("do", "leave")], "oidc_abandoned"),
        ([("name", "alice"), ("acr", "pwd"), ("do", "in")], "oidc_weak"),
        ([("name", "mallory"), ("acr", "phr"), ("do", "in")], "oidc_somebody_else"),
    ] {
        let journey = leave(&mut alice, &challenge).await;
        let back = sign_in(&provider, &journey, &fields).await;
        let told = come_back(&mut alice, &back).await;
        assert!(told.location().ends_with(&format!("e={word}")), "{word}: {told:?}");
    }
    assert_eq!(town.app.count("POST /transfer"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_confirm_at_their_provider_in_chromium() {
    let (town, provider) = town(&[], "").await;
    town.app.answers(
        "POST /login",
        "HTTP/1.1 303 See Other\r\nLocation: /\r\nSet-Cookie: sid=alice; Path=/; HttpOnly; SameSite=Strict\r\nContent-Length: 0\r\n\r\n",
    );
    let page = |text: &str| {
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{text}", text.len())
    };
    town.app.answers(
        "GET /",
        &page("<!doctype html><title>Bank</title><form id=in method=post action=/login><input name=username value=alice><button>Sign in</button></form><form id=pay method=post action=/transfer><input name=amount value=500><button>Pay</button></form>"),
    );
    town.app.answers("POST /transfer", &page("<!doctype html><title>Bank</title><p id=paid>paid</p>"));
    town.app.answers(
        "GET /spa",
        &page("<!doctype html><title>Bank</title><script src=/.stepward/stepward.js></script><button id=call onclick=\"fetch('/transfer',{method:'POST',headers:{'content-type':'application/json'},body:'{}'}).then(r=>r.text()).then(t=>told.innerHTML=t)\">Pay</button><p id=told></p>"),
    );
    let settings = [("BASE", format!("http://{}", town.address())), ("IDP", provider.issuer.clone())];
    browser::drive("oidc.mjs", &settings).await;
    assert!(town.app.last("POST /transfer").contains("sid=alice"), "the app knows who paid");
}
