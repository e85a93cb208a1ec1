//! Signing in anew at an identity provider: a hostile one of our own making, and a certified one from npm.

use std::{collections::BTreeMap, sync::LazyLock};

use http::StatusCode;
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use serde_json::{Value as Json, json};

use crate::{
    visitor::{Seen, Visitor},
    world::{App, LOGIN, START_MS, Town, World},
};

mod certified;
mod clients;
mod hostile;
mod outages;

/// A transfer that has to be confirmed by a sign-in at the provider, or by an app.
const TRANSFER: &str = "
event: transfer
covers: [POST /transfer]
when_unsure: block
otherwise: block
steps:
  - require: a fresh sign-in
    proof: [oidc, totp]
    attempts: 3
  - finish: pay
    then: forward
";

static ED: LazyLock<EncodingKey> =
    LazyLock::new(|| EncodingKey::from_ed_pem(include_bytes!("subject/ed.pem")).unwrap());
static RSA: LazyLock<EncodingKey> =
    LazyLock::new(|| EncodingKey::from_rsa_pem(include_bytes!("subject/rsa.pem")).unwrap());
static OTHER_RSA: LazyLock<EncodingKey> =
    LazyLock::new(|| EncodingKey::from_rsa_pem(include_bytes!("subject/other_rsa.pem")).unwrap());

/// The moment at which these worlds stand still, in seconds.
const NOW: i64 = START_MS / 1000;

/// A provider that says whatever it is told to say.
struct Idp {
    app: App,
}

impl Idp {
    async fn start() -> Idp {
        let idp = Idp { app: App::start().await };
        idp.says_of_itself(json!({}));
        let keys = [(&*ED, Algorithm::EdDSA, "ed"), (&*RSA, Algorithm::RS256, "rsa")];
        let keys: Vec<Json> = keys.into_iter().map(|(key, algorithm, id)| jwk(key, algorithm, id)).collect();
        idp.app.says("GET /jwks", 200, &json!({ "keys": keys }).to_string());
        idp
    }

    fn issuer(&self) -> String {
        format!("http://{}", self.app.address)
    }

    /// Its metadata, with these parts otherwise.
    fn says_of_itself(&self, change: Json) {
        let issuer = self.issuer();
        let mut metadata = json!({
            "issuer": issuer, "authorization_endpoint": format!("{issuer}/auth"), "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/jwks"), "authorization_response_iss_parameter_supported": true,
        });
        for (name, value) in change.as_object().unwrap() {
            metadata[name] = value.clone();
        }
        self.app.says("GET /.well-known/openid-configuration", 200, &metadata.to_string());
    }

    /// The section of the settings that names it.
    fn settings(&self, more: &str) -> String {
        format!("oidc: {{ issuer: \"{}\", client_id: stepward, acr_values: [phr, mfa]{more} }}", self.issuer())
    }

    /// A town where transfers are confirmed at this provider.
    async fn town(&self, more: &str) -> Town {
        World::new().policy(LOGIN).policy(TRANSFER).settings(&self.settings(more)).start().await
    }

    /// What it signs for alice after this journey.
    fn claims(&self, journey: &Journey) -> Json {
        json!({
            "iss": self.issuer(), "aud": "stepward", "sub": "alice", "nonce": journey.sent["nonce"], "acr": "phr",
            "exp": NOW + 300, "iat": NOW, "auth_time": NOW,
        })
    }

    /// The next code is exchanged for these claims, signed as providers do.
    fn signs(&self, claims: &Json) {
        self.hands_out(&sign(claims, Algorithm::EdDSA, "ed", &ED));
    }

    /// The next code is exchanged for this.
    fn hands_out(&self, id_token: &str) {
        let tokens = json!({ "access_token": "opaque", "token_type": "Bearer", "id_token": id_token });
        self.app.says("POST /token", 200, &tokens.to_string());
    }
}

fn jwk(key: &EncodingKey, algorithm: Algorithm, id: &str) -> Json {
    let mut jwk = serde_json::to_value(Jwk::from_encoding_key(key, algorithm).unwrap()).unwrap();
    jwk["kid"] = id.into();
    jwk
}

fn sign(claims: &Json, algorithm: Algorithm, kid: &str, key: &EncodingKey) -> String {
    let header = Header { kid: Some(kid.into()), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, claims, key).unwrap()
}

/// Somebody who has been sent away.
struct Journey {
    /// The page of the challenge.
    challenge: String,
    /// Where they were sent.
    address: String,
    /// What was sent along.
    sent: BTreeMap<String, String>,
}

impl Journey {
    fn to(challenge: &str, address: &str) -> Journey {
        let query = address.split_once('?').unwrap().1;
        let sent = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Journey { challenge: challenge.into(), address: address.into(), sent }
    }

    /// The address at which they come back with a code.
    fn back(&self, idp: &Idp) -> String {
        self.back_with(&[("code", "c0de"), ("state", &self.sent["state"]), ("iss", &idp.issuer())])
    }

    fn back_with(&self, parts: &[(&str, &str)]) -> String {
        let query: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(parts).finish();
        let redirect = &self.sent["redirect_uri"];
        format!("{}?{query}", &redirect[redirect.find("/.stepward").unwrap()..])
    }
}

/// Alice is signed in, sends a transfer, and is asked to confirm it.
async fn challenged(town: &Town) -> (Visitor, String) {
    let mut alice = town.visitor();
    town.sign_in(&mut alice, "alice").await;
    let challenge = asked(&mut alice).await;
    (alice, challenge)
}

/// Another transfer; the challenge it leads to.
async fn asked(visitor: &mut Visitor) -> String {
    let asked = visitor.post("/transfer", &[("amount", "500")]).await;
    assert!(asked.location().starts_with("/.stepward/c/"), "no challenge: {} {}", asked.status, asked.text);
    asked.location().to_string()
}

/// Presses the button of the page.
async fn leave(visitor: &mut Visitor, challenge: &str) -> Journey {
    let sent = visitor.post(challenge, &[("method", "oidc")]).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
    Journey::to(challenge, sent.location())
}

/// Comes back, as browsers do that a provider's page sends.
async fn come_back(visitor: &mut Visitor, target: &str) -> Seen {
    let request = visitor.client().get(visitor.url(target)).header("sec-fetch-site", "cross-site");
    visitor.send(request).await
}

/// Alice is back on the page of her challenge, is told this, and nothing has been confirmed.
async fn is_told(town: &Town, alice: &mut Visitor, journey: &Journey, back: &Seen, word: &str, text: &str) {
    assert_eq!(back.status, StatusCode::SEE_OTHER, "{word}: {}", back.text);
    assert!(back.location().starts_with(&journey.challenge), "{word}: {}", back.location());
    assert!(back.location().ends_with(&format!("e={word}")), "{word}: {}", back.location());
    let page = alice.get(back.location()).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains(text), "{word}: {}", page.text);
    assert!(page.text.contains("value=\"oidc\"") && page.text.contains("m=totp"), "{word}: a dead end: {}", page.text);
    let goes_on = alice.get(&format!("{}/continue", journey.challenge)).await;
    assert!(goes_on.location().starts_with(&journey.challenge), "{word}: it was confirmed: {goes_on:?}");
    assert_eq!(town.app.count("POST /transfer"), 0, "{word}: the transfer went through");
}

/// The transfer that was held goes through, once.
async fn goes_through(town: &Town, alice: &mut Visitor, landed: &Seen) {
    assert_eq!(landed.status, StatusCode::OK, "{}", landed.text);
    let refresh = landed.headers["refresh"].to_str().unwrap();
    let target = refresh.strip_prefix("0; url=").unwrap().to_string();
    let page = alice.get(&target).await;
    let resumed = alice.post(&page.after("action=\""), &[]).await;
    assert_eq!(resumed.status, StatusCode::OK, "{}", resumed.text);
    assert!(town.app.last("POST /transfer").contains("amount=500"));
    assert_eq!(town.app.count("POST /transfer"), 1);
}
