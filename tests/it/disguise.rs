//! Requests that ask the app to take them for another method: by body, header or query, in every spelling that some
//! framework obeys (Rack, Laravel, Symfony, PHP, Express). None may dodge the event that they really are.

use http::StatusCode;

use crate::{
    visitor::Visitor,
    world::{LOGIN, Town, World, request, status},
};

/// Orders may not be deleted, whoever asks; it reads no body by itself.
const NO_DELETE: &str = "
event: delete order
covers: ['DELETE /orders/{id}']
when_unsure: block
otherwise: block
";

/// Deleting needs a code; kept and resumed.
const PROVEN_DELETE: &str = "
event: delete order
covers: ['DELETE /orders/{id}']
when_unsure: block
otherwise: block
steps:
  - require: a code
    proof: [totp]
    attempts: 3
  - finish: delete
    then: forward
";

async fn posts(town: &Town, target: &str, fields: &[&str], body: &str) -> u16 {
    status(&town.raw(&request(&format!("POST {target}"), fields, body)).await)
}

#[tokio::test]
async fn a_body_of_any_type_cannot_ask_for_a_method_that_is_an_event() {
    let town = World::new().policy(NO_DELETE).start().await;
    let part = |kind: &str| {
        let part = "--b\r\nContent-Disposition: form-data; name=\"_method\"\r\n\r\nDELETE\r\n--b--\r\n";
        (format!("Content-Type: multipart/{kind}; boundary=b"), part.to_string())
    };
    let json = |kind: &str, body: &str| (format!("Content-Type: {kind}"), body.to_string());
    let untyped = |body: &str| ("X: y".to_string(), body.to_string());
    let cases = [
        json("application/json", r#"{"_method":"DELETE"}"#),
        json("application/json", r#"{"note":"x","_METHOD":" delete "}"#),
        json("application/json", r#"{"\u005fm\u0065thod":"DELETE"}"#),
        json("application/json", r#"{".method":"POST","_method":"DELETE"}"#),
        json("application/json", r#"{"_method":["DELETE"]}"#),
        json("application/json; charset=utf-8", r#"{"_method":"DELETE"}"#),
        json("text/json", r#"{"_method":"DELETE"}"#),
        json("application/vnd.api+json", r#"{"_method":"DELETE"}"#),
        json("APPLICATION/JSON", r#"{"_method":"DELETE"}"#),
        // What not every parser reads alike.
        json("application/json", r#"{"_method":"POST","_method":"DELETE"}"#),
        json("application/json", "\u{feff}{\"_method\":\"DELETE\"}"),
        json("application/json", r#"{"_method":"DELETE","#),
        json("application/json; charset=utf-16", "\0{\0}"),
        json("application/json; charset=utf-7", "{+ACIAXw-method+ACI:+ACI-DELETE+ACIAfQ-"),
        json("application/json, text/plain", r#"{"_method":"DELETE"}"#),
        json("application/json\r\nContent-Encoding: gzip", "\u{1f}\u{8b}"),
        part("form-data"),
        part("mixed"),
        part("related"),
        untyped("_method=DELETE"),
        untyped(r#"{"amount":"1","_method":"DELETE"}"#),
        untyped("a=1&%5Fmethod=delete"),
        untyped("a=%zz&_method=DELETE"),
        ("Content-Type: application/x-www-form-urlencoded".into(), "_method[]=DELETE".into()),
        ("Content-Type: application/x-www-form-urlencoded".into(), ".method=DELETE".into()),
    ];
    for (field, body) in &cases {
        let status = posts(&town, "/orders/7", &[field], body).await;
        assert!([400, 403, 415].contains(&status), "{field} {body}: {status}");
    }
    assert_eq!(town.app.seen().len(), 0, "{:?}", town.app.seen());
}

#[tokio::test]
async fn bodies_that_ask_for_nothing_go_on_byte_for_byte_also_where_they_read_oddly() {
    let town = World::new().policy(NO_DELETE).start().await;
    let many = format!("[{}{{}}]", "{},".repeat(100));
    for (field, body) in [
        ("Content-Type: application/json", r#"{"note":"hello"}"#),
        ("Content-Type: application/json", r#"{"a":1,"a":2}"#),
        ("Content-Type: application/json", &many),
        ("Content-Type: application/json", r#"[{"_note":1}]"#),
        ("Content-Type: application/json", ""),
        ("Content-Type: text/plain", "_method=DELETE"),
        ("Content-Type: multipart/related; boundary=b", "--b\r\n\r\nx\r\n--b--"),
        ("X: y", "%zz note \u{1}"),
    ] {
        assert_eq!(posts(&town, "/orders/7", &[field], body).await, 200, "{field} {body}");
        assert!(town.app.last("POST /orders/7").ends_with(&format!("\r\n\r\n{body}")), "{field} {body}");
    }
    let elsewhere = r#"{"_method":"DELETE"}"#;
    let free = posts(&town, "/carts/7", &["Content-Type: application/json"], elsewhere).await;
    assert_eq!(free, 200, "where no other method is an event it is the app's own business");
}

#[tokio::test]
async fn a_query_cannot_ask_for_a_method_in_any_spelling() {
    let town = World::new().policy(NO_DELETE).start().await;
    for query in [
        "_method=DELETE",
        "_METHOD=delete",
        ".method=DELETE",
        "%20_method=DELETE",
        "+_method=DELETE",
        "_method%00=DELETE",
        "_method%00%ff=DELETE",
        "_method[]=DELETE",
        "_method[0]=DELETE",
        "_method%5B%5D=DELETE",
        "a=1;_method=DELETE",
        "_method=POST&_method=DELETE",
        "_method=DELETE&_method=POST",
        "_method=%20DELETE",
        "a=%zz&_m%65thod=DELETE",
    ] {
        for method in ["POST", "GET"] {
            let answer = town.raw(&request(&format!("{method} /orders/7?{query}"), &[], "")).await;
            assert!([400, 403].contains(&status(&answer)), "{method} {query}: {answer}");
        }
    }
    for name in ["X-HTTP-Method-Override", "x-http-method", "X-METHOD-OVERRIDE"] {
        for value in ["DELETE", "delete", " DELETE ", "POST, DELETE", "DELETE;x"] {
            let json = ["Content-Type: application/json", &format!("{name}: {value}")];
            let status = posts(&town, "/orders/7", &json, "{}").await;
            assert!([400, 403].contains(&status), "{name}: {value}: {status}");
        }
        let twice = [&*format!("{name}: POST"), &*format!("{name}: DELETE")];
        assert!([400, 403].contains(&posts(&town, "/orders/7", &twice, "").await), "{name} twice");
    }
    assert_eq!(town.app.seen().len(), 0, "{:?}", town.app.seen());
}

#[tokio::test]
async fn what_may_be_two_events_is_refused_and_what_is_one_is_decided_as_that_one() {
    let comment = "event: comment\ncovers: [\"POST /orders/{id}\"]\nfacts:\n  note: { from: body.note, type: text }\nwhen_unsure: block\notherwise: forward\nsteps:\n  - decide: words\n    rules:\n      - rule: rude\n        when: event.note == \"rude\"\n        then: block\n";
    let town = World::new().policy(NO_DELETE).policy(comment).start().await;
    let json = ["Content-Type: application/json"];
    assert_eq!(posts(&town, "/orders/7", &json, r#"{"note":"kind"}"#).await, 200);
    assert_eq!(posts(&town, "/orders/7", &json, r#"{"note":"rude"}"#).await, 403);
    assert_eq!(posts(&town, "/orders/7", &json, r#"{"note":"kind","_method":"DELETE"}"#).await, 400);
    assert_eq!(
        posts(&town, "/orders/7", &json, r#"{"note":"kind","note":"rude"}"#).await,
        400,
        "its own event reads it"
    );
    assert_eq!(posts(&town, "/orders/7", &["X: y"], "note=kind").await, 415, "as what, nobody said");
    assert_eq!(town.app.seen().len(), 1);
}

/// Holds a disguised request; where it could be resumed.
async fn held(ada: &mut Visitor, content_type: Option<&str>, body: &'static str) -> String {
    let origin = ada.url("");
    let mut request = ada.client().post(ada.url("/orders/7")).header("sec-fetch-site", "same-origin").body(body);
    request = request.header("origin", origin);
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    let asked = ada.send(request).await;
    assert!(asked.location().starts_with("/.stepward/c/"), "{content_type:?} {} {}", asked.status, asked.text);
    asked.location().to_string()
}

#[tokio::test]
async fn a_disguised_request_is_held_and_resumed_as_what_it_is_whatever_its_type() {
    let town = World::new().policy(LOGIN).policy(PROVEN_DELETE).start().await;
    for (content_type, body) in [(Some("application/json"), r#"{"_method":"DELETE"}"#), (None, "_method=DELETE")] {
        let mut ada = town.visitor();
        town.sign_in(&mut ada, "ada").await;
        let secret = town.totp("ada").await;
        let before = town.app.count("POST /orders/7");
        let challenge = held(&mut ada, content_type, body).await;
        ada.get(&challenge).await;
        let code = town.code(&secret);
        let proven = ada.post(&challenge, &[("method", "totp"), ("code", &code)]).await;
        let passed = ada.get(proven.location()).await;
        let resume = passed.after("action=\"");
        let mut stranger = town.visitor();
        assert_eq!(stranger.post(&resume, &[]).await.status, StatusCode::GONE);
        let done = ada.post(&resume, &[]).await;
        assert_eq!(done.status, StatusCode::OK, "{content_type:?} {}", done.text);
        let seen = town.app.last("POST /orders/7");
        assert!(seen.ends_with(body) && seen.contains("stepward-event: delete order"), "{seen}");
        assert_eq!(town.app.count("POST /orders/7"), before + 1);
    }
}

/// The request that used to get through: parked as a delete by a body that nothing reads when it is resumed, and then
/// taken for no event at all.
#[tokio::test]
async fn a_disguised_request_is_not_resumed_without_its_proof() {
    let town = World::new().policy(LOGIN).policy(PROVEN_DELETE).start().await;
    town.totp("ada").await;
    for (content_type, body) in [("application/json", r#"{"_method":"DELETE"}"#), ("", "_method=DELETE")] {
        let mut ada = town.visitor();
        town.sign_in(&mut ada, "ada").await;
        ada.headers.clear();
        let mut request = ada.client().post(ada.url("/orders/7")).header("sec-fetch-site", "same-origin").body(body);
        request = request.header("sec-fetch-mode", "cors");
        if !content_type.is_empty() {
            request = request.header("content-type", content_type);
        }
        let asked = ada.send(request).await;
        assert_eq!(asked.status, StatusCode::UNAUTHORIZED, "{}", asked.text);
        let id = asked.json()["resume"].as_str().unwrap_or_else(|| panic!("{}", asked.text)).to_string();
        let seen = ada.post(&format!("/orders/7?stepward_resume={id}"), &[]).await;
        assert!(!seen.status.is_success(), "{} {}", seen.status, seen.text);
    }
    assert_eq!(town.app.count("POST /orders"), 0);
}
