//! Who is asking: real signatures, a real key server on loopback, a clock that is moved by hand.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
};

use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use serde_json::{Value as Json, json};
use stepward::{
    clock::Clock,
    sessions::record::SubjectKind,
    settings::{JwtSource, SubjectSource, TokenPlace},
    subject::{Identified, Subjects, VerifiedBy},
};
use stepward_core::request::{Body, Request};

const NOW_SECONDS: i64 = 1_700_000_000;
const RSA: &[u8] = include_bytes!("subject/rsa.pem");
pub(crate) const OTHER_RSA: &[u8] = include_bytes!("subject/other_rsa.pem");
const EC: &[u8] = include_bytes!("subject/ec.pem");
const ED: &[u8] = include_bytes!("subject/ed.pem");

pub(crate) fn key(algorithm: Algorithm) -> EncodingKey {
    match algorithm {
        Algorithm::ES256 => EncodingKey::from_ec_pem(EC).unwrap(),
        Algorithm::EdDSA => EncodingKey::from_ed_pem(ED).unwrap(),
        _ => EncodingKey::from_rsa_pem(RSA).unwrap(),
    }
}

pub(crate) fn jwk(key: &EncodingKey, algorithm: Algorithm, id: &str) -> Json {
    let mut jwk = serde_json::to_value(Jwk::from_encoding_key(key, algorithm).unwrap()).unwrap();
    jwk["kid"] = id.into();
    jwk.as_object_mut().unwrap().remove("alg");
    jwk
}

/// A key server whose answer can be changed, and which counts how often it was asked.
#[derive(Clone)]
pub(crate) struct Issuer {
    answer: Arc<Mutex<Option<Json>>>,
    asked: Arc<AtomicUsize>,
    pub(crate) address: SocketAddr,
}

impl Issuer {
    pub(crate) async fn start(keys: Vec<Json>) -> Issuer {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = Issuer {
            answer: Arc::new(Mutex::new(Some(json!({ "keys": keys })))),
            asked: Arc::default(),
            address: listener.local_addr().unwrap(),
        };
        let served = issuer.clone();
        let app = axum::Router::new().fallback(move || {
            served.asked.fetch_add(1, Ordering::SeqCst);
            let answer = served.answer.lock().unwrap().clone();
            async move { answer.map(axum::Json).ok_or(axum::http::StatusCode::SERVICE_UNAVAILABLE) }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        issuer
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn dies(&self) {
        *self.answer.lock().unwrap() = None;
    }

    pub(crate) fn publishes(&self, keys: Vec<Json>) {
        *self.answer.lock().unwrap() = Some(json!({ "keys": keys }));
    }
}

struct World {
    subjects: Subjects,
    clock: Arc<AtomicI64>,
}

impl World {
    fn new(jwks: &str, change: impl FnOnce(&mut JwtSource)) -> World {
        let mut source = JwtSource {
            from: TokenPlace::Bearer,
            issuer: "https://idp.example.com".into(),
            audience: "bank".into(),
            jwks: jwks.into(),
            id: "sub".into(),
            kind: Some("client_kind".into()),
            email: Some("email".into()),
        };
        change(&mut source);
        World::of(&[SubjectSource::Jwt(source)])
    }

    fn of(sources: &[SubjectSource]) -> World {
        let clock = Arc::new(AtomicI64::new(NOW_SECONDS * 1000));
        World { subjects: Subjects::new(sources, Clock::Manual(clock.clone())).unwrap(), clock }
    }

    /// A world whose key set is a file with one key of each kind.
    fn with_file() -> (World, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let all =
            [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA].map(|it| jwk(&key(it), it, &format!("{it:?}")));
        std::fs::write(&path, json!({ "keys": all }).to_string()).unwrap();
        (World::new(path.to_str().unwrap(), |_| ()), folder)
    }

    fn later(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    async fn bearer(&self, token: &str) -> Identified {
        self.subjects.identify(&request(&[("authorization", &format!("Bearer {token}"))]), false).await
    }

    async fn trouble(&self, token: &str) -> &'static str {
        let found = self.bearer(token).await;
        assert_eq!((&found.subject, &found.token, &found.email), (&None, &None, &None), "no subject from {token:.60}");
        found.trouble.unwrap()
    }
}

fn request(headers: &[(&str, &str)]) -> Request {
    Request {
        method: "GET".into(),
        host: "bank.example.com".into(),
        path: "/".into(),
        query: None,
        headers: headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        cookies: Vec::new(),
        client_ip: "203.0.113.7".parse().unwrap(),
        secure: true,
        body: Body::Unread,
    }
}

fn claims() -> Json {
    json!({ "iss": "https://idp.example.com", "aud": ["bank", "other"], "sub": "ada", "exp": NOW_SECONDS + 300 })
}

fn sign(algorithm: Algorithm, key_id: &str, claims: &Json) -> String {
    signed(algorithm, key_id, claims, &key(algorithm))
}

fn signed(algorithm: Algorithm, key_id: &str, claims: &Json, key: &EncodingKey) -> String {
    let header = Header { kid: Some(key_id.into()), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, claims, key).unwrap()
}

#[tokio::test]
async fn each_allowed_algorithm_verifies_and_its_claims_are_told() {
    let (world, _folder) = World::with_file();
    let mut claims = claims();
    for (name, value) in [
        ("client_kind", json!("agent")),
        ("email", json!("ada@example.com")),
        ("scope", json!("pay read")),
        ("iat", json!(NOW_SECONDS - 10)),
        ("auth_time", json!(NOW_SECONDS - 20)),
        ("acr", json!("phr")),
        ("azp", json!("app")),
        ("act", json!({ "sub": "robot", "client_kind": "service" })),
    ] {
        claims[name] = value;
    }
    for (algorithm, id) in [
        (Algorithm::RS256, "RS256"),
        (Algorithm::PS256, "RS256"),
        (Algorithm::ES256, "ES256"),
        (Algorithm::EdDSA, "EdDSA"),
    ] {
        let found = world.bearer(&sign(algorithm, id, &claims)).await;
        let subject = found.subject.unwrap_or_else(|| panic!("{algorithm:?}: {:?}", found.trouble));
        assert_eq!((&*subject.name, subject.kind, subject.verified_by), ("ada", SubjectKind::Agent, VerifiedBy::Jwt));
        let token = found.token.unwrap();
        assert_eq!(token.scopes, ["pay", "read"].map(Arc::<str>::from));
        assert_eq!(
            (token.issued_ms, token.auth_time_ms),
            (Some((NOW_SECONDS - 10) * 1000), Some((NOW_SECONDS - 20) * 1000))
        );
        assert_eq!((token.acr.as_deref(), token.client.as_deref()), (Some("phr"), Some("app")));
        let actor = token.actor.unwrap();
        assert_eq!((&*actor.name, actor.kind), ("robot", Some(SubjectKind::Service)));
        assert_eq!((found.email.as_deref(), found.trouble), (Some("ada@example.com"), None));
    }
}

#[tokio::test]
async fn h1_no_algorithm_confusion_none_or_own_key_names_a_subject() {
    let (world, _folder) = World::with_file();
    let encode = |part: &Json| data_encoding::BASE64URL_NOPAD.encode(part.to_string().as_bytes());
    let body = encode(&claims());
    let none = format!("{}.{body}.", encode(&json!({ "alg": "none", "kid": "RS256" })));
    assert_eq!(world.trouble(&none).await, "token.malformed", "`none` is no algorithm at all");

    let public = serde_json::to_vec(&jwk(&key(Algorithm::RS256), Algorithm::RS256, "RS256")).unwrap();
    let shared = signed(Algorithm::HS256, "RS256", &claims(), &EncodingKey::from_secret(&public));
    assert_eq!(world.trouble(&shared).await, "token.algorithm", "the public key as an HMAC secret");

    let long = signed(Algorithm::RS512, "RS256", &claims(), &key(Algorithm::RS256));
    assert_eq!(world.trouble(&long).await, "token.algorithm", "not on the list");

    let crossed = sign(Algorithm::ES256, "RS256", &claims());
    assert_eq!(
        world.trouble(&crossed).await,
        "token.key_unknown",
        "a key of one type never serves another's algorithm"
    );

    let own = EncodingKey::from_rsa_pem(OTHER_RSA).unwrap();
    let mut header = Header { kid: Some("RS256".into()), ..Header::new(Algorithm::RS256) };
    header.jku = Some("https://attacker.example/jwks".into());
    header.x5u = header.jku.clone();
    header.jwk = Some(Jwk::from_encoding_key(&own, Algorithm::RS256).unwrap());
    let brought = jsonwebtoken::encode(&header, &claims(), &own).unwrap();
    assert_eq!(world.trouble(&brought).await, "token.signature", "a key that the token brings along");

    let mut header = Header { kid: Some("RS256".into()), ..Header::new(Algorithm::RS256) };
    header.crit = Some(vec!["b64".into()]);
    let critical = jsonwebtoken::encode(&header, &claims(), &key(Algorithm::RS256)).unwrap();
    assert_eq!(world.trouble(&critical).await, "token.critical");
}

#[tokio::test]
async fn h1_a_shared_secret_or_weak_key_in_the_set_is_never_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let secret = json!({ "kty": "oct", "kid": "shared", "k": "c2VjcmV0" });
    let good = jwk(&key(Algorithm::ES256), Algorithm::ES256, "good");
    let mut for_encryption = jwk(&key(Algorithm::RS256), Algorithm::RS256, "enc");
    for_encryption["use"] = "enc".into();
    let mut short = jwk(&key(Algorithm::RS256), Algorithm::RS256, "short");
    short["n"] = short["n"].as_str().unwrap()[..171].into();
    std::fs::write(&path, json!({ "keys": [secret, for_encryption, short, good] }).to_string()).unwrap();
    let world = World::new(path.to_str().unwrap(), |_| ());
    let by_secret = signed(Algorithm::HS256, "shared", &claims(), &EncodingKey::from_secret(b"secret"));
    assert_eq!(world.trouble(&by_secret).await, "token.algorithm");
    assert_eq!(world.trouble(&sign(Algorithm::RS256, "enc", &claims())).await, "token.key_unknown");
    assert_eq!(world.trouble(&sign(Algorithm::RS256, "short", &claims())).await, "token.key_unknown");
    assert!(world.bearer(&sign(Algorithm::ES256, "good", &claims())).await.subject.is_some());
}

#[tokio::test]
async fn h2_each_required_claim_is_missed_when_it_is_missing_or_wrong() {
    let (world, _folder) = World::with_file();
    let cases = [
        ("iss", Json::Null, "token.issuer"),
        ("iss", json!(["https://idp.example.com"]), "token.issuer"),
        ("iss", json!("https://idp.example.com/"), "token.issuer"),
        ("aud", Json::Null, "token.audience"),
        ("aud", json!("bank2"), "token.audience"),
        ("aud", json!([]), "token.audience"),
        ("aud", json!([["bank"]]), "token.audience"),
        ("exp", Json::Null, "token.no_expiry"),
        ("exp", json!(NOW_SECONDS - 60), "token.expired"),
        ("exp", json!("9999999999"), "token.time"),
        ("exp", json!(1e300), "token.time"),
        ("exp", json!(-1), "token.time"),
        ("nbf", json!(NOW_SECONDS + 61), "token.not_yet_valid"),
        ("nbf", json!("soon"), "token.time"),
        ("sub", Json::Null, "token.subject"),
        ("sub", json!(""), "token.subject"),
        ("sub", json!("a\u{0}b"), "token.subject"),
        ("sub", json!(7), "token.subject"),
        ("client_kind", json!("robot"), "token.kind"),
        ("client_kind", json!(["human"]), "token.kind"),
    ];
    for (name, value, expected) in cases {
        let mut changed = claims();
        match value {
            Json::Null => drop(changed.as_object_mut().unwrap().remove(name)),
            ref value => changed[name] = value.clone(),
        }
        assert_eq!(world.trouble(&sign(Algorithm::ES256, "ES256", &changed)).await, expected, "{name}: {value}");
    }
}

#[tokio::test]
async fn h3_oversized_and_dotty_tokens_cost_nothing() {
    let (world, _folder) = World::with_file();
    let before = std::time::Instant::now();
    assert_eq!(world.trouble(&".".repeat(1 << 20)).await, "token.too_large");
    assert_eq!(world.trouble(&".".repeat(8000)).await, "token.malformed");
    assert!(before.elapsed().as_millis() < 100, "{:?}", before.elapsed());
    for token in ["", "a", "a.b", "a.b.c", "a.b.c.d", "..", "e30.e30.", "é.é.é"] {
        assert_eq!(world.trouble(token).await, "token.malformed", "{token:?}");
    }
    let token = sign(Algorithm::ES256, "ES256", &claims());
    let (signed, _) = token.rsplit_once('.').unwrap();
    assert_eq!(world.trouble(&format!("{signed}.AAAA")).await, "token.signature");
}

#[tokio::test]
async fn h5_keys_survive_a_dead_issuer_for_an_hour_and_no_longer() {
    let issuer = Issuer::start(vec![jwk(&key(Algorithm::ES256), Algorithm::ES256, "one")]).await;
    let world = World::new(&format!("http://{}/jwks", issuer.address), |_| ());
    let token = |seconds: i64| {
        let mut claims = claims();
        claims["exp"] = (NOW_SECONDS + seconds + 300).into();
        sign(Algorithm::ES256, "one", &claims)
    };
    assert!(world.bearer(&token(0)).await.subject.is_some());
    issuer.dies();
    world.later(3600);
    assert!(world.bearer(&token(3600)).await.subject.is_some(), "cached keys still hold");
    world.later(1);
    assert_eq!(world.trouble(&token(3601)).await, "token.keys_unavailable");
    issuer.publishes(vec![jwk(&key(Algorithm::ES256), Algorithm::ES256, "one")]);
    world.later(10);
    assert!(world.bearer(&token(3611)).await.subject.is_some(), "back as soon as the issuer is");
}

#[tokio::test]
async fn h5_a_flood_of_unknown_key_ids_asks_the_issuer_once_in_ten_seconds() {
    let issuer = Issuer::start(vec![jwk(&key(Algorithm::ES256), Algorithm::ES256, "one")]).await;
    let world = World::new(&format!("http://{}/jwks", issuer.address), |_| ());
    world.subjects.warm().await;
    world.later(10);
    let flood = (0..200).map(|at| {
        let (world, token) = (&world, sign(Algorithm::ES256, &format!("invented-{at}"), &claims()));
        async move { world.trouble(&token).await }
    });
    for trouble in futures_util::future::join_all(flood).await {
        assert_eq!(trouble, "token.key_unknown");
    }
    assert_eq!(issuer.asked(), 2, "once to warm up, once for the flood");
    // A key that was rotated in meanwhile is found as soon as the ten seconds are over.
    issuer.publishes(vec![jwk(&key(Algorithm::EdDSA), Algorithm::EdDSA, "two")]);
    world.later(10);
    assert!(world.bearer(&sign(Algorithm::EdDSA, "two", &claims())).await.subject.is_some());
    assert_eq!(world.trouble(&sign(Algorithm::ES256, "one", &claims())).await, "token.key_unknown", "rotated out");
    assert_eq!(issuer.asked(), 3);
}

#[tokio::test]
async fn concurrent_first_requests_share_one_fetch() {
    let issuer = Issuer::start(vec![jwk(&key(Algorithm::ES256), Algorithm::ES256, "one")]).await;
    let world = World::new(&format!("http://{}/jwks", issuer.address), |_| ());
    let token = sign(Algorithm::ES256, "one", &claims());
    let found = futures_util::future::join_all((0..50).map(|_| world.bearer(&token))).await;
    assert!(found.iter().all(|it| it.subject.is_some()));
    assert_eq!(issuer.asked(), 1);
}

#[test]
fn h4_key_sets_come_from_safe_places_only_and_a_missing_file_stops_the_start() {
    for place in [
        "http://idp.example.com/jwks",
        "ftp://idp.example.com/jwks",
        "http://127.0.0.1.evil.example/",
        "gopher://127.0.0.1/",
    ] {
        assert!(open(place).unwrap_err().contains("keys come over https"), "{place}");
    }
    for place in
        ["https://idp.example.com/jwks", "http://127.0.0.1:1/jwks", "http://[::1]:1/jwks", "http://localhost:1/"]
    {
        assert!(open(place).is_ok(), "{place}");
    }
    assert!(open("/nowhere/keys.json").unwrap_err().contains("cannot be read"));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#).unwrap();
    assert!(open(file.path().to_str().unwrap()).unwrap_err().contains("no usable public key"));
}

fn open(jwks: &str) -> Result<(), String> {
    let source = JwtSource {
        from: TokenPlace::Bearer,
        issuer: "i".into(),
        audience: "a".into(),
        jwks: jwks.into(),
        id: "sub".into(),
        kind: None,
        email: None,
    };
    Subjects::new(&[SubjectSource::Jwt(source)], Clock::System).map(|_| ()).map_err(|error| error.to_string())
}

#[tokio::test]
async fn an_address_that_the_issuer_has_not_verified_is_not_taken() {
    let (world, _folder) = World::with_file();
    for (verified, expected) in
        [(json!(true), Some("ada@example.com")), (json!(false), None), (json!("false"), None), (json!("true"), None)]
    {
        let mut claims = claims();
        claims["email"] = "ada@example.com".into();
        claims["email_verified"] = verified.clone();
        let found = world.bearer(&sign(Algorithm::ES256, "ES256", &claims)).await;
        assert_eq!(found.email.as_deref(), expected, "email_verified: {verified}");
    }
    for address in ["no-at", "@example.com", "a@", "a b@example.com", "a@b\r\nBcc: c@d"] {
        let mut claims = claims();
        claims["email"] = address.into();
        assert_eq!(world.bearer(&sign(Algorithm::ES256, "ES256", &claims)).await.email, None, "{address:?}");
    }
}

#[tokio::test]
async fn a_token_is_found_in_a_header_or_cookie_and_a_repeated_one_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    std::fs::write(&path, json!({ "keys": [jwk(&key(Algorithm::ES256), Algorithm::ES256, "one")] }).to_string())
        .unwrap();
    let token = sign(Algorithm::ES256, "one", &claims());
    let world = |from: TokenPlace| World::new(path.to_str().unwrap(), |source| source.from = from);

    let by_header = world(TokenPlace::Header("x-token".into()));
    let once = request(&[("x-token", &token)]);
    assert!(by_header.subjects.identify(&once, false).await.subject.is_some());
    let twice = request(&[("x-token", &token), ("x-token", "x")]);
    assert_eq!(by_header.subjects.identify(&twice, false).await.trouble, Some("token.repeated"));

    let by_cookie = world(TokenPlace::Cookie("jwt".into()));
    let mut with_cookie = request(&[]);
    with_cookie.cookies = vec![("jwt".into(), token.as_str().into())];
    assert!(by_cookie.subjects.identify(&with_cookie, false).await.subject.is_some());

    let other_scheme = request(&[("authorization", "Basic YTpi")]);
    assert_eq!(world(TokenPlace::Bearer).subjects.identify(&other_scheme, false).await, Identified::default());
}

#[tokio::test]
async fn a_header_names_a_subject_only_from_a_trusted_proxy() {
    let source = SubjectSource::Header { name: "x-user".into(), email: Some("x-email".into()) };
    let world = World::of(&[source, SubjectSource::AppSession { cookie: "sessionid".into() }]);
    let asked = request(&[("x-user", "ada"), ("x-email", "ada@example.com")]);
    let trusted = world.subjects.identify(&asked, true).await;
    assert_eq!(trusted.subject.map(|it| (it.name, it.verified_by)), Some(("ada".into(), VerifiedBy::Proxy)));
    assert_eq!(trusted.email.as_deref(), Some("ada@example.com"));
    let untrusted = world.subjects.identify(&asked, false).await;
    assert_eq!((untrusted.subject, untrusted.email, untrusted.trouble), (None, None, Some("header.untrusted")));

    for (headers, why) in [
        (&[("x-user", "")][..], "header.malformed"),
        (&[("x-user", "ada"), ("x-user", "eve")], "header.repeated"),
        (&[("x-user", "a\tb")], "header.malformed"),
    ] {
        let found = world.subjects.identify(&request(headers), true).await;
        assert_eq!((found.subject, found.trouble), (None, Some(why)), "{headers:?}");
    }

    let mut with_cookie = request(&[]);
    with_cookie.cookies = vec![("sessionid".into(), "opaque".into())];
    let found = world.subjects.identify(&with_cookie, true).await;
    assert_eq!(found.app_cookie, Some(("sessionid".into(), "opaque".into())));
    assert_eq!(found.subject, None, "an opaque cookie names nobody by itself");
}
