//! A check that the page itself shows: the vendor's script and element, under a policy that lets in that vendor alone.

use http::StatusCode;

use super::{KEY, begin, challenged, go_on, leads_on, look_until, pay, stands};
use crate::world::{App, LOGIN, Town, World};

/// A vendor whose answer to a start is a token for its own part of the page.
fn embedder(vendor: &App) -> String {
    format!(
        r#"
connector: part
capability: idv
network: internal
data: {{ sends: [user_ref] }}
config: {{ site: {{ default: site-1, public: true }} }}
inputs: {{ user_ref: {{ required: true }} }}
operations:
  start:
    kind: start
    request: {{ method: POST, url: "http://{0}/start", json: {{ who: "${{input.user_ref}}" }} }}
    timeout: 2s
    response: {{ keep_state: {{ reference: body.id }}, embed: body.token }}
  ask:
    kind: poll
    request: {{ method: GET, url: "http://{0}/state/${{state.reference}}" }}
    timeout: 1s
    response:
      outcome: [{{ when: body.status == 'processing', then: pending }}]
      map: {{ idv.status: body.status, idv.reference: body.id }}
      required: [idv.status]
client:
  script: "https://part.vendor.example/part.js?site=${{config.site}}"
  csp: {{ script-src: ["https://part.vendor.example"], frame-src: ["https://part.vendor.example"], connect-src: ["https://api.vendor.example"], default-src: ["https://evil.example"] }}
  snippet: '<div id="part" data-site="${{config.site}}" data-token="{{token}}"></div>'
"#,
        vendor.address
    )
}

async fn town(vendor: &App, token: &str) -> Town {
    vendor.says("POST /start", 200, &serde_json::json!({ "id": "vs-1", "token": token }).to_string());
    stands(vendor, "vs-1", "processing");
    World::new()
        .policy(LOGIN)
        .policy(&pay("[id_document]"))
        .settings("connectors: connectors")
        .file("hook", KEY)
        .file("connectors/part/connector.yaml", &embedder(vendor))
        .file("connectors/routes/idv.yaml", "capability: idv\nconnectors:\n  - { connector: part }\n")
        .start()
        .await
}

/// The sources of one directive.
fn sources<'a>(policy: &'a str, directive: &str) -> Vec<&'a str> {
    let parts = policy.split(';').map(|it| it.split_whitespace().collect::<Vec<_>>());
    parts.into_iter().find(|it| it.first() == Some(&directive)).unwrap_or_default()
}

#[tokio::test]
async fn the_page_shows_the_vendors_part_under_a_policy_for_that_vendor_alone() {
    let vendor = App::start().await;
    let town = town(&vendor, "tok-1").await;
    let (mut ada, challenge) = challenged(&town, "ada").await;
    let before = ada.get(&challenge).await;
    let policy = before.headers["content-security-policy"].to_str().unwrap().to_owned();
    assert!(!before.text.contains("part.vendor.example") && !policy.contains("vendor.example"), "not yet begun");
    let begun = begin(&mut ada, &challenge).await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER);
    assert!(begun.location().starts_with("/.stepward/c/"), "nobody is sent away: {}", begun.location());
    let page = ada.get(begun.location()).await;
    assert!(page.text.contains(r#"<div id="part" data-site="site-1" data-token="tok-1"></div>"#), "{}", page.text);
    let script = r#"<script src="https://part.vendor.example/part.js?site=site-1""#;
    assert!(page.text.replace("&#x2f;", "/").contains(script), "{}", page.text);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    for (directive, place) in [
        ("script-src", "https://part.vendor.example"),
        ("frame-src", "https://part.vendor.example"),
        ("connect-src", "https://api.vendor.example"),
    ] {
        assert!(sources(policy, directive).contains(&place), "{directive} lacks {place} in {policy}");
    }
    assert!(!policy.contains("evil.example"), "a directive for everything is not the vendor's to open: {policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    stands(&vendor, "vs-1", "approved");
    let passed = look_until(&town, &mut ada, &challenge, leads_on).await;
    assert_eq!(go_on(&mut ada, &passed).await.status, StatusCode::OK);
    assert!(town.app.last("POST /pay").ends_with("amount=900"));
}

#[tokio::test]
async fn a_token_is_text_on_the_page_whatever_is_in_it() {
    let vendor = App::start().await;
    let town = town(&vendor, "\"><script>alert(1)</script>&'").await;
    let (mut ada, challenge) = challenged(&town, "ada").await;
    let begun = begin(&mut ada, &challenge).await;
    let page = ada.get(begun.location()).await;
    assert!(!page.text.contains("<script>alert"), "{}", page.text);
    assert!(page.text.contains("&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;&#39;"), "{}", page.text);
}

#[tokio::test]
async fn where_the_vendor_hands_out_no_token_nothing_is_begun_and_nobody_passes() {
    let vendor = App::start().await;
    let town = town(&vendor, "tok-1").await;
    vendor.says("POST /start", 200, r#"{"id": "vs-1"}"#);
    let (mut ada, challenge) = challenged(&town, "ada").await;
    let begun = begin(&mut ada, &challenge).await;
    let page = ada.get(begun.location()).await;
    assert!(!page.text.contains("part.vendor.example"), "{}", page.text);
    assert_eq!(vendor.count("GET /state"), 0);
    assert_eq!(town.app.count("POST /pay"), 0);
}

#[tokio::test]
async fn a_page_that_is_reloaded_shows_the_same_part_and_begins_nothing_anew() {
    let vendor = App::start().await;
    let town = town(&vendor, "tok-1").await;
    let (mut ada, challenge) = challenged(&town, "ada").await;
    let begun = begin(&mut ada, &challenge).await;
    let place = begun.location().to_owned();
    for _ in 0..3 {
        assert!(ada.get(&place).await.text.contains(r#"data-token="tok-1""#));
    }
    let again = begin(&mut ada, &challenge).await;
    assert!(ada.get(again.location()).await.text.contains(r#"data-token="tok-1""#));
    assert_eq!(vendor.count("POST /start"), 1);
}
