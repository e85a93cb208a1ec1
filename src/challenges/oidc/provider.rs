//! The identity provider: its metadata (OpenID Connect Discovery), and the exchange of a code for a signed sign-in.
//!
//! It is asked when it is first needed, and what it said is kept: another answer is fetched beside the requests that use
//! the old one, at most every few seconds. It is reached by https only, or by http on this machine, follows no redirect,
//! reads no more than a little, and keeps no token. While it is silent nobody can be sent there, and nothing is proven.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use data_encoding::BASE64;
use http::{StatusCode, header};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    clock::Clock,
    settings::oidc::{Oidc, is_safe},
    subject::{SourceError, jwks},
};

/// Age from which metadata is fetched anew beside the request that uses it, in milliseconds.
const REFRESH_MS: i64 = 10 * 60_000;
/// Age at which metadata is no longer used, in milliseconds.
const STALE_MS_MAX: i64 = 24 * 60 * 60_000;
/// Least time between two fetches, in milliseconds.
pub const REFETCH_MS_MIN: i64 = 5_000;
/// For how long a provider that did not answer is thought to be silent, in milliseconds.
const SILENT_MS: i64 = 30_000;
/// How long it may take to exchange a code.
const EXCHANGE_TIME_MAX: Duration = Duration::from_secs(5);
/// Largest answer that is read.
const ANSWER_BYTES_MAX: usize = 128 * 1024;

/// Speaks to the provider. One per process.
pub struct Provider {
    /// What the operator says of it.
    pub settings: Oidc,
    secret: Option<Zeroizing<String>>,
    http: reqwest::Client,
    clock: Clock,
    known: ArcSwapOption<Known>,
    tried_ms: AtomicI64,
    failed_ms: AtomicI64,
    asking: tokio::sync::Mutex<()>,
}

/// What the provider says of itself.
pub struct Known {
    at_ms: i64,
    jwks_uri: Arc<str>,
    token: reqwest::Url,
    has_basic: bool,
    /// Where users are sent.
    pub authorization: reqwest::Url,
    /// What it signs with.
    pub keys: Arc<jwks::KeySet>,
    /// Whether it says who it is when it sends a user back (RFC 9207).
    pub names_itself: bool,
}

/// What comes for a code. Neither token is kept, logged or shown.
pub struct Tokens {
    /// The signed sign-in.
    pub id_token: Zeroizing<String>,
    /// Never used; its hash may be in the other.
    pub access_token: Option<Zeroizing<String>>,
}

/// Why there are no tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// It did not answer, or not as a provider does.
    Silent,
    /// It refused the code.
    Refused,
}

/// The metadata that is used; everything else in it is passed over.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    /// `client_secret_basic` where it is left out (OpenID Connect Discovery §3).
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Answer {
    id_token: String,
    #[serde(default)]
    access_token: Option<String>,
}

impl Provider {
    /// Ready to be asked; nothing is sent yet.
    ///
    /// # Errors
    /// When its secret cannot be read or TLS cannot be set up.
    pub fn new(settings: &Oidc, clock: Clock) -> Result<Self, String> {
        Ok(Provider {
            secret: settings.client_secret.as_ref().map(|secret| secret.reveal()).transpose()?,
            settings: settings.clone(),
            http: jwks::client().map_err(|error| error.to_string())?,
            clock,
            known: ArcSwapOption::empty(),
            tried_ms: AtomicI64::new(i64::MIN),
            failed_ms: AtomicI64::new(i64::MIN),
            asking: tokio::sync::Mutex::new(()),
        })
    }

    /// Whether it did not answer lately. It may be well again.
    pub fn is_silent(&self) -> bool {
        let failed = self.failed_ms.load(Ordering::Relaxed);
        failed != i64::MIN && (0..SILENT_MS).contains(&self.clock.now_ms().saturating_sub(failed))
    }

    /// What it says of itself; `None` while it is silent.
    pub async fn known(self: &Arc<Self>) -> Option<Arc<Known>> {
        if let Some(known) = self.look() {
            if self.age_ms(&known) > REFRESH_MS && self.asking.try_lock().is_ok() {
                let provider = self.clone();
                tokio::spawn(async move { provider.refresh().await });
            }
            return Some(known);
        }
        // Everyone who has to wait waits for the one question under way.
        self.refresh().await;
        self.look()
    }

    fn look(&self) -> Option<Arc<Known>> {
        self.known.load_full().filter(|known| self.age_ms(known) <= STALE_MS_MAX)
    }

    fn age_ms(&self, known: &Known) -> i64 {
        self.clock.now_ms().saturating_sub(known.at_ms)
    }

    async fn refresh(&self) {
        let _one_at_a_time = self.asking.lock().await;
        let now_ms = self.clock.now_ms();
        let last = self.tried_ms.load(Ordering::Relaxed);
        if last != i64::MIN && (0..REFETCH_MS_MIN).contains(&now_ms.saturating_sub(last)) {
            return;
        }
        self.tried_ms.store(now_ms, Ordering::Relaxed);
        match self.discover(now_ms).await {
            Ok(known) => {
                self.known.store(Some(Arc::new(known)));
                self.failed_ms.store(i64::MIN, Ordering::Relaxed);
            }
            Err(why) => {
                self.failed_ms.store(now_ms, Ordering::Relaxed);
                tracing::warn!(issuer = &*self.settings.issuer, why, "the identity provider's metadata cannot be had");
            }
        }
    }

    async fn discover(&self, now_ms: i64) -> Result<Known, &'static str> {
        let address = format!("{}/.well-known/openid-configuration", self.settings.issuer.trim_end_matches('/'));
        let answer = self.http.get(address).send().await.map_err(|_| "cannot connect")?;
        if answer.status() != StatusCode::OK {
            return Err("the answer is not 200");
        }
        let metadata: Metadata = serde_json::from_slice(&read(answer).await?).map_err(|_| "is no metadata")?;
        // Whoever may write there could otherwise speak for another issuer (OpenID Connect Discovery §4.3).
        if *metadata.issuer != *self.settings.issuer {
            return Err("it names another issuer");
        }
        let jwks_uri: Arc<str> = endpoint(&metadata.jwks_uri)?.as_str().into();
        // A key set is kept while it is the same: it knows how long its keys hold.
        let keys = match self.known.load_full().filter(|known| known.jwks_uri == jwks_uri) {
            Some(known) => known.keys.clone(),
            None => jwks::KeySet::new(&jwks_uri, self.clock.clone()).map_err(|_: SourceError| "has no usable keys")?,
        };
        let ways = metadata.token_endpoint_auth_methods_supported;
        Ok(Known {
            at_ms: now_ms,
            jwks_uri,
            token: endpoint(&metadata.token_endpoint)?,
            has_basic: ways.is_none_or(|ways| ways.iter().any(|it| it == "client_secret_basic")),
            authorization: endpoint(&metadata.authorization_endpoint)?,
            keys,
            names_itself: metadata.authorization_response_iss_parameter_supported,
        })
    }

    /// Exchanges a code (RFC 6749 §4.1.3, RFC 7636 §4.5).
    ///
    /// # Errors
    /// When the provider is silent or refuses.
    pub async fn exchange(
        &self,
        known: &Known,
        code: &str,
        verifier: &str,
        redirect: &str,
    ) -> Result<Tokens, Unanswered> {
        let answered = self.ask(known, code, verifier, redirect).await;
        let failed = match answered {
            Err(Unanswered::Silent) => self.clock.now_ms(),
            Ok(_) | Err(Unanswered::Refused) => i64::MIN,
        };
        self.failed_ms.store(failed, Ordering::Relaxed);
        answered
    }

    async fn ask(&self, known: &Known, code: &str, verifier: &str, redirect: &str) -> Result<Tokens, Unanswered> {
        let silent = |why: &'static str| {
            tracing::warn!(issuer = &*self.settings.issuer, why, "the identity provider exchanged no code");
            Unanswered::Silent
        };
        let request = self.request(known, code, verifier, redirect);
        let answer = request.send().await.map_err(|_| silent("cannot connect"))?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let why = refusal(&read(answer).await.unwrap_or_default());
                tracing::warn!(issuer = &*self.settings.issuer, why, "the identity provider refused a code");
                return Err(Unanswered::Refused);
            }
            _ => return Err(silent("the answer is neither 200 nor a refusal")),
        }
        let body = Zeroizing::new(read(answer).await.map_err(silent)?);
        let Answer { id_token, access_token } =
            serde_json::from_slice(&body).map_err(|_| silent("the answer holds no id_token"))?;
        Ok(Tokens { id_token: Zeroizing::new(id_token), access_token: access_token.map(Zeroizing::new) })
    }

    fn request(&self, known: &Known, code: &str, verifier: &str, redirect: &str) -> reqwest::RequestBuilder {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs([("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect)]);
        form.append_pair("code_verifier", verifier);
        let mut request = self.http.post(known.token.clone()).timeout(EXCHANGE_TIME_MAX);
        match &self.secret {
            Some(secret) if known.has_basic => {
                request = request.header(header::AUTHORIZATION, basic(&self.settings.client_id, secret).as_str());
            }
            Some(secret) => {
                form.extend_pairs([("client_id", &*self.settings.client_id), ("client_secret", secret)]);
            }
            None => {
                form.append_pair("client_id", &self.settings.client_id);
            }
        }
        request
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .body(form.finish())
    }
}

/// `client_secret_basic`: both are form-encoded first (RFC 6749 §2.3.1).
fn basic(id: &str, secret: &str) -> Zeroizing<String> {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let both = Zeroizing::new(format!("{}:{}", encoded(id), *Zeroizing::new(encoded(secret))));
    Zeroizing::new(format!("Basic {}", BASE64.encode(both.as_bytes())))
}

/// The provider's word for its refusal, as far as it is one of the standard's (RFC 6749 §5.2).
fn refusal(body: &[u8]) -> &'static str {
    const WORDS: [&str; 6] = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    ];
    let said: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let word = said.as_ref().and_then(|it| it.get("error")).and_then(serde_json::Value::as_str).unwrap_or_default();
    WORDS.into_iter().find(|it| *it == word).unwrap_or("it says none of the known words")
}

fn endpoint(address: &str) -> Result<reqwest::Url, &'static str> {
    let url = reqwest::Url::parse(address).map_err(|_| "an endpoint is no address")?;
    if is_safe(&url) { Ok(url) } else { Err("an endpoint is neither https nor on this machine") }
}

async fn read(mut answer: reqwest::Response) -> Result<Vec<u8>, &'static str> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|_| "the answer broke off")? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err("the answer is too large");
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_a_basic_credential_apart_is_encoded() {
        let credential = basic("a:b", "p w%é");
        let plain = BASE64.decode(credential.strip_prefix("Basic ").unwrap().as_bytes()).unwrap();
        assert_eq!(String::from_utf8(plain).unwrap(), "a%3Ab:p+w%25%C3%A9");
    }

    #[test]
    fn of_a_refusal_only_a_known_word_is_ever_written_down() {
        assert_eq!(refusal(br#"{"error":"invalid_grant","error_description":"alice"}"#), "invalid_grant");
        for other in [&br#"{"error":"alice"}"#[..], b"<html>", b"{}", b"[]", b""] {
            assert_eq!(refusal(other), "it says none of the known words");
        }
    }

    #[test]
    fn an_endpoint_is_https_or_on_this_machine() {
        assert!(endpoint("https://idp.example/token").is_ok());
        for bad in ["http://idp.example/token", "ftp://idp.example", "/token", ""] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }
}
