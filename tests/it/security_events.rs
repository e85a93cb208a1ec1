//! Security events that an identity provider pushes: real signatures, a real key server, over HTTP, down to what becomes
//! of the sessions of whoever they are about.

use http::StatusCode;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value as Json, json};

use crate::{
    redis_server::Server,
    subject::{Issuer, OTHER_RSA, jwk, key},
    visitor::Visitor,
    world::{LOGIN, START_MS, Town, World},
};

const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";
const SSF: &str = "https://schemas.openid.net/secevent/ssf/event-type/";
const NOW: i64 = START_MS / 1000;

/// Only for people who are signed in.
const OWN: &str = "
event: own page
covers: [GET /own]
when_unsure: block
otherwise: block
steps:
  - decide: people
    rules:
      - rule: signed in
        when: subject.is_known
        then: forward
";

/// What was heard decides.
const WARY: &str = "
event: wary
covers: [GET /wary]
when_unsure: block
otherwise: forward
steps:
  - decide: warned
    rules:
      - rule: risky
        when: '\"risk-level-change\" in push_event.types && idp.risk_level == \"high\"'
        then: { reroute: /risky }
      - rule: fresh news
        when: push_event.age < duration(\"10m\") && \"credential-change\" in push_event.types
        then: { reroute: /changed }
      - rule: old news
        when: '\"credential-change\" in push_event.types'
        then: { reroute: /old }
";

fn settings(issuer: &Issuer, more: &str) -> String {
    format!(
        "decisions: {{ address: \"127.0.0.1:0\" }}\nsecurity_events:\n  transmitters:\n    - {{ name: idp, issuer: \"https://idp.example\", audience: bank, jwks: \"http://{}/keys\"{more} }}",
        issuer.address
    )
}

async fn issuer() -> Issuer {
    let all = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];
    Issuer::start(all.map(|it| jwk(&key(it), it, &format!("{it:?}"))).to_vec()).await
}

async fn town(issuer: &Issuer, more: &str) -> Town {
    let town = World::new().policy(LOGIN).policy(OWN).policy(WARY).settings("admin: { address: \"127.0.0.1:0\" }");
    town.settings(&settings(issuer, more)).start().await
}

fn subject(name: &str) -> Json {
    json!({ "format": "iss_sub", "iss": "https://idp.example", "sub": name })
}

/// The claims of an event about somebody; each has its own `jti`.
fn event(kind: &str, name: &str, payload: Json) -> Json {
    let id = stepward::clock::fresh_name();
    json!({
        "iss": "https://idp.example", "aud": "bank", "iat": NOW, "jti": &*id,
        "sub_id": subject(name), "events": { kind: payload },
    })
}

fn signed_by(claims: &Json, algorithm: Algorithm, id: &str, key: &EncodingKey) -> String {
    let header = Header { typ: Some("secevent+jwt".into()), kid: Some(id.into()), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, claims, key).unwrap()
}

fn signed(claims: &Json) -> String {
    signed_by(claims, Algorithm::ES256, "ES256", &key(Algorithm::ES256))
}

fn post(town: &Town, token: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
    let url = format!("http://{}/ssf/events", town.gateway.api.decisions.unwrap());
    reqwest::Client::new().post(url).header("content-type", "application/secevent+jwt").body(token)
}

async fn push(town: &Town, claims: &Json) {
    let answer = post(town, signed(claims)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    assert_eq!(answer.text().await.unwrap(), "", "no body (RFC 8935 §2.2)");
}

/// Status and code of a refusal.
async fn refused(request: reqwest::RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let body: Json = answer.json().await.unwrap();
    assert!(!body["description"].as_str().unwrap().is_empty());
    (status, body["err"].as_str().unwrap().to_owned())
}

async fn signed_in(town: &Town, name: &str) -> Visitor {
    let mut visitor = town.visitor();
    town.sign_in(&mut visitor, name).await;
    assert_eq!(visitor.get("/own").await.status, StatusCode::OK);
    visitor
}

fn counted(town: &Town, line: &str) -> bool {
    town.gateway.journeys.parts().metrics.text().lines().any(|it| it == line)
}

#[tokio::test]
async fn each_algorithm_is_verified_and_whoever_was_revoked_is_nobody_any_more() {
    let issuer = issuer().await;
    let town = town(&issuer, "").await;
    for (algorithm, id) in [
        (Algorithm::RS256, "RS256"),
        (Algorithm::PS256, "RS256"),
        (Algorithm::ES256, "ES256"),
        (Algorithm::EdDSA, "EdDSA"),
    ] {
        let (mut ada, mut bob) = (signed_in(&town, "ada").await, signed_in(&town, "bob").await);
        town.wait_ms(1_000);
        let claims = event(&format!("{CAEP}session-revoked"), "ada", json!({}));
        let answer = post(&town, signed_by(&claims, algorithm, id, &key(algorithm))).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "{algorithm:?}");
        assert_eq!(ada.get("/own").await.status, StatusCode::FORBIDDEN, "{algorithm:?}: her session is over");
        assert_eq!(bob.get("/own").await.status, StatusCode::OK, "{algorithm:?}: his is not");
    }
    let line = "stepward_security_events_total{transmitter=\"idp\",event=\"session-revoked\",outcome=\"revoked\"} 4";
    assert!(counted(&town, line), "{line}");
}

#[tokio::test]
async fn what_is_replayed_or_comes_late_ends_nothing_that_began_after_it() {
    let issuer = issuer().await;
    let town = town(&issuer, "").await;
    let _before = signed_in(&town, "ada").await;
    let claims = event(&format!("{CAEP}session-revoked"), "ada", json!({}));
    push(&town, &claims).await;
    town.wait_ms(120_000);
    let mut ada = signed_in(&town, "ada").await;
    push(&town, &claims).await;
    assert_eq!(ada.get("/own").await.status, StatusCode::OK, "a replay does nothing");
    let line = "stepward_security_events_total{transmitter=\"idp\",event=\"session-revoked\",outcome=\"replayed\"} 1";
    assert!(counted(&town, line), "{line}");
    // Another event, issued before she signed in, and delivered late.
    push(&town, &event(&format!("{CAEP}session-revoked"), "ada", json!({}))).await;
    assert_eq!(ada.get("/own").await.status, StatusCode::OK);
    let mut fresh = event(&format!("{RISC}credential-compromise"), "ada", json!({ "credential_type": "password" }));
    fresh["iat"] = (NOW + 120).into();
    push(&town, &fresh).await;
    assert_eq!(ada.get("/own").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_device_is_forgotten_by_an_event_once_and_not_by_its_replay() {
    let issuer = issuer().await;
    let town = town(&issuer, "").await;
    let parts = town.gateway.journeys.parts();
    let account = parts.keys.account("default", "ada");
    let device = async || {
        use stepward::store::{Drawer, StateStore};
        let known = parts.store.enrolments(account, Drawer::Devices).await.unwrap();
        parts.store.enrol(account, Drawer::Devices, [7; 16], vec![1]).await.unwrap();
        known.len()
    };
    device().await;
    let claims = event(&format!("{RISC}account-disabled"), "ada", json!({ "reason": "hijacking" }));
    push(&town, &claims).await;
    assert_eq!(device().await, 0, "forgotten");
    push(&town, &claims).await;
    assert_eq!(device().await, 1, "known again since, and a replay leaves it");
}

#[tokio::test]
async fn what_does_not_hold_is_refused_in_the_words_of_the_specification_and_does_nothing() {
    let issuer = issuer().await;
    let town = town(&issuer, "").await;
    let mut ada = signed_in(&town, "ada").await;
    let good = event(&format!("{CAEP}session-revoked"), "ada", json!({}));
    let changed = |name: &str, value: Json| {
        let mut claims = good.clone();
        match value {
            Json::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value,
        }
        signed(&claims)
    };
    let typed = |kind: Option<&str>| {
        let header =
            Header { typ: kind.map(str::to_owned), kid: Some("ES256".into()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, &good, &key(Algorithm::ES256)).unwrap()
    };
    let other = EncodingKey::from_rsa_pem(OTHER_RSA).unwrap();
    let public = jwk(&key(Algorithm::RS256), Algorithm::RS256, "RS256")["n"].as_str().unwrap().to_owned();
    let unsigned = {
        let part = |json: Json| data_encoding::BASE64URL_NOPAD.encode(json.to_string().as_bytes());
        format!("{}.{}.", part(json!({ "alg": "none", "typ": "secevent+jwt" })), part(good.clone()))
    };
    let long = "a".repeat(9_000);
    for (what, token, status, err) in [
        ("another issuer", changed("iss", json!("https://evil.example")), 400, "invalid_issuer"),
        ("no issuer", changed("iss", Json::Null), 400, "invalid_issuer"),
        ("another audience", changed("aud", json!(["shop"])), 400, "invalid_audience"),
        ("no audience", changed("aud", Json::Null), 400, "invalid_audience"),
        ("no iat", changed("iat", Json::Null), 400, "invalid_request"),
        ("from the future", changed("iat", json!(NOW + 3_600)), 400, "invalid_request"),
        ("ages ago", changed("iat", json!(NOW - 31 * 86_400)), 400, "invalid_request"),
        ("no jti", changed("jti", Json::Null), 400, "invalid_request"),
        ("an endless jti", changed("jti", json!("j".repeat(300))), 400, "invalid_request"),
        ("no events", changed("events", json!({})), 400, "invalid_request"),
        ("events of another shape", changed("events", json!([good["events"]])), 400, "invalid_request"),
        ("an expiry, as identity tokens have", changed("exp", json!(NOW + 60)), 400, "invalid_request"),
        ("a subject, as access tokens have", changed("sub", json!("ada")), 400, "invalid_request"),
        ("an access token", typed(Some("at+jwt")), 400, "invalid_request"),
        ("an identity token", typed(Some("JWT")), 400, "invalid_request"),
        ("no type", typed(None), 400, "invalid_request"),
        ("unsigned", unsigned, 400, "invalid_key"),
        (
            "a public key as a secret",
            signed_by(&good, Algorithm::HS256, "RS256", &EncodingKey::from_secret(public.as_bytes())),
            400,
            "invalid_key",
        ),
        ("somebody else's key", signed_by(&good, Algorithm::RS256, "RS256", &other), 400, "authentication_failed"),
        ("a key that is not there", signed_by(&good, Algorithm::RS256, "new", &other), 400, "invalid_key"),
        ("too long", format!("{}{long}", changed("jti", json!("long"))), 413, "invalid_request"),
        ("no token", "hello".to_owned(), 400, "invalid_request"),
        ("nothing", String::new(), 400, "invalid_request"),
    ] {
        assert_eq!(refused(post(&town, token)).await, (status, err.to_owned()), "{what}");
    }
    let url = format!("http://{}/ssf/events", town.gateway.api.decisions.unwrap());
    let form = reqwest::Client::new().post(&url).header("content-type", "application/json").body(signed(&good));
    assert_eq!(refused(form).await, (400, "invalid_request".to_owned()), "another content type");
    let bytes = post(&town, vec![0xff, 0xfe]);
    assert_eq!(refused(bytes).await, (400, "invalid_request".to_owned()), "no text");
    assert_eq!(reqwest::Client::new().get(&url).send().await.unwrap().status(), 405);
    let console = url.replace("/ssf/events", "/api/v1/policies");
    assert_eq!(reqwest::Client::new().get(console).send().await.unwrap().status(), 404, "never with the console");
    assert_eq!(ada.get("/own").await.status, StatusCode::OK, "nothing of it did anything");
    assert!(counted(&town, "stepward_security_events_refused_total{transmitter=\"idp\",reason=\"audience\"} 2"));
    assert!(counted(&town, "stepward_security_events_refused_total{transmitter=\"unknown\",reason=\"issuer\"} 2"));
}

#[tokio::test]
async fn a_key_that_the_issuer_withdrew_is_no_longer_good_and_without_keys_it_is_to_be_sent_again() {
    let issuer = issuer().await;
    let town = town(&issuer, "").await;
    let claims = event(&format!("{CAEP}session-revoked"), "ada", json!({}));
    push(&town, &claims).await;
    let kept = jwk(&key(Algorithm::RS256), Algorithm::RS256, "RS256");
    issuer.publishes(vec![kept]);
    town.wait_ms(6 * 60_000);
    // Fetched beside the request that finds them old: good for that one, and then no more.
    let again = || event(&format!("{CAEP}session-revoked"), "ada", json!({}));
    let mut last = (0, String::new());
    for _ in 0..50 {
        let answer = post(&town, signed(&again())).send().await.unwrap();
        if answer.status() != StatusCode::ACCEPTED {
            let status = answer.status().as_u16();
            last = (status, answer.json::<Json>().await.unwrap()["err"].as_str().unwrap().into());
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(last, (400, "invalid_key".into()));
    issuer.dies();
    town.wait_ms(2 * 3_600_000);
    let answer = post(&town, signed(&again())).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
}

#[tokio::test]
async fn where_the_stream_has_a_token_no_event_is_taken_without_it() {
    let issuer = issuer().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "s3cret-of-the-stream\n").unwrap();
    let town = town(&issuer, &format!(", token: {{ file: \"{}\" }}", file.display())).await;
    let mut ada = signed_in(&town, "ada").await;
    town.wait_ms(1_000);
    let token = || signed(&event(&format!("{CAEP}session-revoked"), "ada", json!({})));
    let denied = (400, "authentication_failed".to_owned());
    assert_eq!(refused(post(&town, token())).await, denied);
    assert_eq!(refused(post(&town, token()).bearer_auth("s3cret")).await, denied);
    assert_eq!(refused(post(&town, token()).basic_auth("a", Some("s3cret-of-the-stream"))).await, denied);
    assert_eq!(ada.get("/own").await.status, StatusCode::OK);
    let answer = post(&town, token()).bearer_auth("s3cret-of-the-stream").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    assert_eq!(ada.get("/own").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn policies_read_what_was_heard_and_that_nothing_was() {
    let issuer = issuer().await;
    let town = town(&issuer, "").await;
    let mut ada = signed_in(&town, "ada").await;
    let mut bob = signed_in(&town, "bob").await;
    assert_eq!(ada.get("/wary").await.status, StatusCode::OK, "nothing was heard about her");
    assert_eq!(town.visitor().get("/wary").await.status, StatusCode::FORBIDDEN, "of nobody nothing is known");
    push(&town, &event(&format!("{CAEP}credential-change"), "ada", json!({ "change_type": "update" }))).await;
    assert_eq!(ada.get("/own").await.status, StatusCode::OK, "noted, not revoked");
    let risk = json!({ "current_level": "LOW", "previous_level": "HIGH", "principal": "USER" });
    let mut low = event(&format!("{CAEP}risk-level-change"), "ada", risk);
    low["iat"] = (NOW - 5).into();
    push(&town, &low).await;
    assert_eq!(ada.get("/wary").await.location(), "/changed");
    town.wait_ms(20 * 60_000);
    assert_eq!(ada.get("/wary").await.location(), "/old");
    let risk = json!({ "current_level": "HIGH", "principal": "USER", "risk_reason": "PASSWORD_FOUND_IN_DATA_BREACH" });
    let mut high = event(&format!("{CAEP}risk-level-change"), "ada", risk);
    high["iat"] = (NOW + 20 * 60).into();
    push(&town, &high).await;
    assert_eq!(ada.get("/wary").await.location(), "/risky");
    assert_eq!(bob.get("/wary").await.status, StatusCode::OK, "nothing was heard about him");
    let log = town.decisions().iter().map(Json::to_string).collect::<String>();
    assert!(log.contains("push_event.types"), "what decided is in the log");
    assert!(!log.contains("\"ada\""), "and nobody's name");
}

#[tokio::test]
async fn a_login_that_succeeded_is_decided_by_what_was_heard_about_whoever_signed_in() {
    let login = LOGIN.replace("covers: [POST /login]", "covers: [POST /login]\napply: after_success")
        + "steps:\n  - decide: news\n    rules:\n      - rule: changed\n        when: '\"credential-change\" in push_event.types'\n        then: block\n";
    let issuer = issuer().await;
    let town = World::new().policy(&login).settings(&settings(&issuer, "")).start().await;
    let mut bob = town.visitor();
    town.sign_in(&mut bob, "bob").await;
    push(&town, &event(&format!("{CAEP}credential-change"), "ada", json!({}))).await;
    let form = [("username", "ada"), ("password", "right")];
    assert_eq!(town.visitor().post("/login", &form).await.status, StatusCode::FORBIDDEN);
    town.sign_in(&mut bob, "bob").await;
}

#[tokio::test]
async fn where_nobody_may_push_events_what_was_heard_is_unknown() {
    let town = World::new().policy(LOGIN).policy(OWN).policy(WARY).start().await;
    let mut ada = signed_in(&town, "ada").await;
    assert_eq!(ada.get("/wary").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_type_does_what_is_configured_and_one_that_nobody_knows_does_nothing() {
    let issuer = issuer().await;
    let more = ", subject: [email], on: { device-compliance-change: revoke_sessions, session-revoked: ignore, \"https://schemas.acme.example/user-risk-change\": note }";
    let town = town(&issuer, more).await;
    let mut ada = signed_in(&town, "ada@bank.example").await;
    town.wait_ms(1_000);
    let about = |kind: String| {
        let mut claims = event(&kind, "", json!({}));
        claims["sub_id"] = json!({ "format": "complex", "user": { "format": "email", "email": "ada@bank.example" } });
        claims
    };
    push(&town, &about(format!("{CAEP}session-revoked"))).await;
    push(&town, &about("https://schemas.acme.example/user-risk-change".into())).await;
    push(&town, &about("https://schemas.acme.example/never\u{7}heard".into())).await;
    push(&town, &event(&format!("{CAEP}device-compliance-change"), "ada@bank.example", json!({}))).await;
    let mut stream = about(format!("{SSF}verification"));
    stream["sub_id"] = json!({ "format": "opaque", "id": "stream-1" });
    push(&town, &stream).await;
    assert_eq!(ada.get("/own").await.status, StatusCode::OK);
    for (event, outcome) in [
        ("session-revoked", "ignored"),
        ("user-risk-change", "noted"),
        ("other", "unknown_type"),
        ("device-compliance-change", "no_subject"),
        ("verification", "verification"),
    ] {
        let line =
            format!("stepward_security_events_total{{transmitter=\"idp\",event=\"{event}\",outcome=\"{outcome}\"}} 1");
        assert!(counted(&town, &line), "{line} is missing");
    }
    push(&town, &about(format!("{CAEP}device-compliance-change"))).await;
    assert_eq!(ada.get("/own").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_event_at_one_node_ends_the_session_at_another() {
    let (server, issuer) = (Server::start().await, issuer().await);
    let folder = tempfile::tempdir().unwrap();
    let state = format!(
        "state: {{ store: redis, url: {{ file: \"{}\" }}, keys: {{ file: \"{}\" }}, path: state, wait: 60s }}",
        server.url_file().display(),
        folder.path().join("keys.yaml").display(),
    );
    let node = async || {
        let world = World::new().policy(LOGIN).policy(OWN).policy(WARY).settings(&state);
        world.settings(&settings(&issuer, "")).start().await
    };
    let (first, second) = (node().await, node().await);
    let mut ada = signed_in(&first, "ada").await;
    let mut bob = signed_in(&first, "bob").await;
    first.wait_ms(1_000);
    second.wait_ms(1_000);
    push(&second, &event(&format!("{CAEP}credential-change"), "bob", json!({}))).await;
    push(&second, &event(&format!("{CAEP}session-revoked"), "ada", json!({}))).await;
    // A snapshot answers for at most a second after a revocation.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert_eq!(ada.get("/own").await.status, StatusCode::FORBIDDEN);
    assert_eq!(bob.get("/own").await.status, StatusCode::OK);
    assert_eq!(bob.get("/wary").await.location(), "/changed", "what one node heard the other knows");
}

#[tokio::test]
async fn events_that_come_all_at_once_are_all_remembered() {
    let issuer = issuer().await;
    let town = town(&issuer, "").await;
    let kinds = ["credential-change", "assurance-level-change", "device-compliance-change", "token-claims-change"];
    let pushes = kinds.map(|kind| post(&town, signed(&event(&format!("{CAEP}{kind}"), "ada", json!({})))).send());
    for answer in futures_util::future::join_all(pushes).await {
        assert_eq!(answer.unwrap().status(), StatusCode::ACCEPTED);
    }
    let parts = town.gateway.journeys.parts();
    let account = parts.keys.account("default", "ada");
    let (_, drawer, id) = stepward::signals::heard::entry("default", account, &parts.keys);
    use stepward::store::StateStore;
    let kept = parts.store.enrolments(account, drawer).await.unwrap().into_iter().find(|it| it.id == id).unwrap();
    let heard = stepward::signals::heard::Heard::open("default", &account, &kept.sealed, &parts.keys).unwrap();
    assert!(kinds.iter().all(|kind| heard.newest(kind) == Some(NOW * 1000)), "{heard:?}");
}
