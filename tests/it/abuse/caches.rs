//! What caches between us and browsers may keep: nothing of ours, and of the app's only what is not decided about
//! (J3, J4).

use std::collections::BTreeMap;

use http::StatusCode;

use crate::{
    visitor::{Seen, Visitor},
    world::{LOGIN, Town, World},
};

const ACCOUNT: &str = "event: account\ncovers: ['GET /account', 'GET /account/**']\nwhen_unsure: block\notherwise: block\nsteps:\n  - require: a code\n    proof: [totp]\n    fresh_for: 5m\n    attempts: 3\n  - finish: show\n    then: forward\n";
const CLOSED: &str = "event: closed\ncovers: ['ANY /closed/**']\nwhen_unsure: block\notherwise: block\n";
const SLOW: &str =
    "event: slow\ncovers: ['GET /slow/**']\nwhen_unsure: block\notherwise: { throttle: { rate: 1/h, per: ip } }\n";
const PRIVATE: &str = "balance-canary-7";

/// A cache as some stand in front of sites: it takes the end of a path for what it is about, and keeps what it is not told
/// to leave alone (RFC 9111 §3, and §4.2.2 for what says nothing).
#[derive(Default)]
struct Cache(BTreeMap<String, (StatusCode, String)>);

impl Cache {
    async fn get(&mut self, visitor: &mut Visitor, path: &str) -> (StatusCode, String) {
        let key = path.split('?').next().unwrap().to_string();
        if let Some(kept) = self.0.get(&key) {
            return kept.clone();
        }
        let seen = visitor.get(path).await;
        let answer = (seen.status, seen.text.clone());
        if Cache::keeps(&key, &seen) {
            self.0.insert(key, answer.clone());
        }
        answer
    }

    fn keeps(path: &str, seen: &Seen) -> bool {
        let is_static = ["css", "js", "png", "ico", "woff2", "svg"].iter().any(|it| path.ends_with(&format!(".{it}")));
        let told = seen.headers.get_all("cache-control").iter().map(|it| it.to_str().unwrap().to_lowercase());
        let told: Vec<String> = told.collect();
        let forbidden = told.iter().any(|it| it.contains("no-store") || it.contains("private"));
        is_static && !forbidden && (seen.status != StatusCode::UNAUTHORIZED)
    }
}

async fn town() -> Town {
    World::new().policy(LOGIN).policy(ACCOUNT).policy(CLOSED).policy(SLOW).start().await
}

#[tokio::test]
async fn j4_a_cache_that_goes_by_the_end_of_a_path_keeps_nothing_private() {
    let town = town().await;
    let secret = town.totp("ada").await;
    let path = "/account/x.css";
    town.app.says("GET /account", 200, PRIVATE);
    let (mut cache, mut ada, mut mallory) = (Cache::default(), town.visitor(), town.visitor());
    town.sign_in(&mut ada, "ada").await;
    assert_eq!(cache.get(&mut ada, path).await.0, StatusCode::SEE_OTHER);
    assert!(cache.0.is_empty(), "a challenge is kept: {:?}", cache.0);
    let asked = ada.get("/account").await;
    town.prove(&mut ada, &asked, &secret).await;
    for ending in ["x.css", "y.js", "z.png", "%2e%2e.ico", "a;b.css", "..;.svg"] {
        let path = format!("/account/{ending}");
        let (status, text) = cache.get(&mut ada, &path).await;
        assert!(status != StatusCode::OK || text == PRIVATE, "{path}: {text}");
        let (status, text) = cache.get(&mut mallory, &path).await;
        assert!(!text.contains(PRIVATE), "{path} gives Mallory what is Ada's: {status}");
    }
    assert_eq!(cache.get(&mut ada, path).await.1, PRIVATE);
    assert!(cache.0.is_empty(), "{:?}", cache.0);
}

#[tokio::test]
async fn j3_nothing_that_is_ours_is_kept_and_what_the_app_says_of_its_own_stays() {
    let town = town().await;
    let mut anyone = town.visitor();
    town.sign_in(&mut anyone, "ada").await;
    let page = anyone.get("/account").await.location().to_string();
    anyone.get("/slow/x.css").await;
    for path in [
        "/account",
        "/account/x.css",
        "/closed/x.js",
        "/slow/x.css",
        "/.stepward/nothing.css",
        "/.stepward/x/page.css",
        "/.stepward/methods",
        "/.stepward/c/AAAAAAAAAAAAAAAAAAAAAA",
        "/.stepward/c/x.css",
        &page,
        &format!("{page}/continue"),
        "/page?stepward_resume=AAAAAAAAAAAAAAAAAAAAAA",
        "/page%00.css",
        "/%2e%2e/page.css",
    ] {
        for accept in ["text/html", "application/json"] {
            anyone.headers = vec![("accept", accept.to_string())];
            let seen = anyone.get(path).await;
            let told: Vec<_> = seen.headers.get_all("cache-control").iter().map(|it| it.to_str().unwrap()).collect();
            if seen.text == "app" {
                continue;
            }
            assert_eq!(told, ["no-store"], "{path} for {accept}: {}", seen.status);
        }
    }
    // Of what is no event everything comes as the app said it.
    let answer = "HTTP/1.1 200 So\r\nVary: Accept-Encoding, X-App\r\nCache-Control: public, max-age=60\r\nETag: \"a\"\r\nAge: 3\r\nContent-Length: 2\r\n\r\nok";
    town.app.answers("GET /style.css", answer);
    let seen = anyone.get("/style.css").await;
    for (name, value) in
        [("vary", "Accept-Encoding, X-App"), ("cache-control", "public, max-age=60"), ("etag", "\"a\""), ("age", "3")]
    {
        assert_eq!(seen.headers.get_all(name).iter().collect::<Vec<_>>(), [value], "{name}");
    }
    // There is no cache of ours: the app is asked each time, whatever the host says.
    for _ in 0..3 {
        anyone.get("/style.css").await;
    }
    assert_eq!(town.app.count("GET /style.css"), 4);
}
