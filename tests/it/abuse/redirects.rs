//! Nobody is sent to another site: not by what a target looks like, not by what a parameter says (I4), and no origin is
//! taken for ours because it begins or ends like it (H6).

use http::StatusCode;
use reqwest::Url;
use stepward::challenges::Begun;
use stepward_core::{decision::Reason, session::Method};

use crate::{
    stepup::world::{World, demand, location, policy, reply, text},
    world::{LOGIN, World as Gateway, status},
};

const BASE: &str = "https://bank.example/.stepward/c/AAAAAAAAAAAAAAAAAAAAAA/continue";

/// Starts of a target that parsers of URLs have been known to leave a site by.
const STARTS: [&str; 20] = [
    "/",
    "//",
    "///",
    "////",
    "/.//",
    "/..//",
    "/./..//",
    "/%2f",
    "/%2F%2f",
    "/%5c",
    "/%5C/",
    "/%09/",
    "/%0a/",
    "/%0d%0a//",
    "/;/",
    "/..;//",
    "/@",
    "/:@",
    "/%2e%2e//",
    "/x//../../",
];
const HOSTS: [&str; 12] = [
    "evil.example",
    "evil.example:443",
    "user@evil.example",
    "bank.example@evil.example",
    "bank.example.evil.example",
    "bank.example%40evil.example",
    "bank.example%00.evil.example",
    "[::1]",
    "0x7f.1",
    "https:evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
];
const ENDS: [&str; 6] = ["", "/", "/%2e%2e", "?next=https://evil.example", "?//evil.example", "/..;/@evil.example"];
/// Parameters by which others let a client say where to go.
const WISHES: &str = "url=https://evil.example&next=//evil.example&return_to=https:evil.example&redirect=/%5Cevil.example&\
     redirect_uri=https://evil.example&rd=https://evil.example&target=//evil.example&continue=javascript:alert(1)";

fn stays_here(address: &str) -> bool {
    let base = Url::parse(BASE).unwrap();
    address.starts_with('/')
        && base.join(address).is_ok_and(|it| it.origin() == base.origin() && it.username().is_empty())
}

#[tokio::test]
async fn i4_wherever_a_held_request_pointed_its_client_stays_here() {
    let world = World::new().await;
    let secret = world.totp("ada").await;
    let mut ada = world.browser().signed_in("ada");
    let mut pages = Vec::new();
    for (at, start) in STARTS.into_iter().enumerate() {
        for (nth, host) in HOSTS.into_iter().enumerate() {
            let target = format!("{start}{host}{}", ENDS[(at + nth) % ENDS.len()]);
            let arrival = ada.request("GET", &target, &[], "");
            let Begun::Asked(asked) = ada.held(&arrival, &policy("account"), &demand(&[Method::Totp])).await else {
                panic!("asked at {target}")
            };
            assert!(stays_here(&location(&asked)), "{target}");
            pages.push((target, location(&asked)));
        }
    }
    let posted = ada.request("POST", "//evil.example/pay?next=https://evil.example", &[], "amount=1");
    let Begun::Asked(asked) = ada.held(&posted, &policy("pay"), &demand(&[Method::Totp])).await else {
        panic!("asked")
    };
    let form = location(&asked);
    assert!(ada.passes(&form, Method::Totp, &world.code(&secret)).await);
    assert!(pages.len() >= 240);
    for (target, page) in pages {
        let next = location(&ada.get(&format!("{page}/continue?{WISHES}")).await);
        assert!(stays_here(&next), "{target} led to {next}");
        let own = Url::parse(BASE).unwrap().join(&next).unwrap();
        let path = own.query().map_or(own.path().to_string(), |query| format!("{}?{query}", own.path()));
        assert!(!path.contains("return_to"), "a wish is not passed on: {path}");
        let back = location(&ada.get(&format!("{page}?{WISHES}&m=totp&lang=de")).await);
        assert_eq!(back, format!("{page}/continue"), "what is met leads on and nowhere else");
    }
    let next = text(&ada.get(&format!("{form}/continue?{WISHES}")).await);
    let action = next.split("action=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    assert!(stays_here(&action) && action.starts_with("/.//evil.example/pay?"), "{action}");
    let shown = ada.get(&format!("/.stepward/methods?{WISHES}&lang=de&invite=x")).await;
    assert!(!text(&shown).contains("evil.example"), "{}", text(&shown));
}

/// The same through the whole gateway, with bytes that a browser would have changed.
#[tokio::test]
async fn i4_a_raw_target_leads_nowhere_else_either() {
    let any = "event: anything\ncovers: ['GET /**']\nwhen_unsure: block\notherwise: block\nsteps:\n  - require: a code\n    proof: [totp]\n  - finish: on\n    then: forward\n";
    let town = Gateway::new().policy(LOGIN).policy(any).start().await;
    let secret = town.totp("ada").await;
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    let mut pages = Vec::new();
    for start in STARTS {
        let cookies: Vec<_> = ada.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let fields = "Accept: text/html\r\nSec-Fetch-Mode: navigate";
        let target = format!("{start}evil.example/x?next=//evil.example");
        let answer = town
            .raw(&format!(
                "GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\nCookie: {}\r\n\r\n",
                cookies.join("; ")
            ))
            .await;
        match status(&answer) {
            303 => {
                let to =
                    answer.lines().find_map(|line| line.strip_prefix("location: ").or(line.strip_prefix("Location: ")));
                let to = to.unwrap().trim().to_string();
                assert!(to.starts_with("/.stepward/c/"), "{target} led to {to}");
                pages.push(to);
            }
            refused => assert_eq!(refused, 400, "{target}: {answer}"),
        }
    }
    assert!(pages.len() >= 3, "{pages:?}");
    let code = town.code(&secret);
    ada.post(&pages[pages.len() - 1], &[("method", "totp"), ("code", &code)]).await;
    for page in &pages {
        let next = ada.get(&format!("{page}/continue")).await;
        assert!(
            next.status.is_redirection() && stays_here(next.location()),
            "{page}: {} {}",
            next.status,
            next.location()
        );
    }
}

#[tokio::test]
async fn h6_an_origin_is_ours_or_allowed_as_a_whole_or_not_at_all() {
    let world = World::new().await;
    let secret = world.totp("ada").await;
    let mut ada = world.browser().signed_in("ada");
    let page = ada.challenged(&demand(&[Method::Totp])).await;
    let ours = ["https://bank.example", "https://BANK.example"];
    let foreign = [
        "https://bank.example.evil.example",
        "https://evil-bank.example",
        "https://evilbank.example",
        "https://bank.example@evil.example",
        "https://evil.example\\@bank.example",
        "https://bank.example\\.evil.example",
        "https://bank.example%00.evil.example",
        "https://bank.example:8443",
        "https://bank.example:443@evil.example",
        "https://sub.bank.example",
        "https://bank.example.",
        "http://bank.example",
        "HTTPS://bank.example",
        "https:bank.example",
        "https:///bank.example",
        "https://bank.example#@evil.example",
        "https://bank.example?@evil.example",
        "//bank.example",
        "bank.example",
        "null",
        "file://",
        "https://shop.example.evil.example",
        "https://evil-shop.example",
        "https://shop.example:8443",
        "https://SHOP.example",
        "http://shop.example",
        "https://shop.example/",
        "https://shop.example, https://bank.example",
    ];
    for origin in foreign {
        let answers = format!("method=totp&code={}", world.code(&secret));
        for (name, value) in [("origin", origin.to_string()), ("referer", format!("{origin}/x"))] {
            let headers = [("sec-fetch-site", ""), ("origin", ""), (name, &*value)];
            let arrival = ada.request("POST", &page, &headers, &answers);
            assert_eq!(reply(ada.serve(&arrival).await).status, StatusCode::FORBIDDEN, "{name}: {value}");
            let arrival = ada.request("POST", "/transfer", &headers, "amount=1");
            let begun = ada.held(&arrival, &policy("transfer money"), &demand(&[Method::Totp])).await;
            assert!(matches!(begun, Begun::Refused(Reason::CrossSite)), "{name}: {value}: {begun:?}");
        }
    }
    for origin in ours.into_iter().chain(["https://shop.example"]) {
        let arrival = ada.request("POST", "/transfer", &[("sec-fetch-site", ""), ("origin", origin)], "amount=1");
        let begun = ada.held(&arrival, &policy("transfer money"), &demand(&[Method::Totp])).await;
        assert!(matches!(begun, Begun::Asked(_)), "{origin}: {begun:?}");
    }
    // What may begin may not answer: a page of a shop that the policy allows types no codes.
    let shop = ada.request("POST", &page, &[("sec-fetch-site", ""), ("origin", "https://shop.example")], "method=totp");
    assert_eq!(reply(ada.serve(&shop).await).status, StatusCode::FORBIDDEN);
    let arrival =
        ada.request("POST", &page, &[("sec-fetch-site", ""), ("origin", "https://bank.example")], "method=totp");
    assert_eq!(reply(ada.serve(&arrival).await).status, StatusCode::SEE_OTHER);
}
