//! The public keys of an issuer (RFC 7517): fetched, cached, rotated, shared by all requests.
//!
//! It never uses a private or shared-secret key, never follows a redirect, and never asks more than once in ten
//! seconds, whatever key ids attackers invent. While the issuer is silent its last keys hold for an hour; then
//! nothing verifies.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde_json::Value as Json;

use crate::{clock::Clock, subject::SourceError};

/// Least time between two fetches, in milliseconds.
pub const REFETCH_MS_MIN: i64 = 10_000;
/// Age from which keys are fetched anew beside the request that uses them, in milliseconds.
pub const REFRESH_MS: i64 = 5 * 60_000;
/// Age at which keys are no longer used, in milliseconds.
pub const STALE_MS_MAX: i64 = 60 * 60_000;
/// How long a fetch may take.
const FETCH_TIME_MAX: Duration = Duration::from_secs(2);
/// Largest key set.
const SET_BYTES_MAX: usize = 256 * 1024;
/// Most keys of a set.
const KEYS_MAX: usize = 64;

/// The keys of one issuer.
pub struct KeySet {
    place: Place,
    clock: Clock,
    keys: ArcSwap<Fetched>,
    tried_ms: AtomicI64,
    fetching: tokio::sync::Mutex<()>,
}

enum Place {
    File(PathBuf),
    Url(reqwest::Client, reqwest::Url),
}

struct Fetched {
    at_ms: Option<i64>,
    keys: Vec<Key>,
}

struct Key {
    id: Option<String>,
    algorithms: &'static [Algorithm],
    key: DecodingKey,
}

impl KeySet {
    /// The set at a URL (https, or http on loopback) or in a file, which is read now.
    pub fn new(place: &Arc<str>, clock: Clock) -> Result<Arc<Self>, SourceError> {
        let now_ms = clock.now_ms();
        let (place, fetched) = match reqwest::Url::parse(place) {
            Ok(url) if matches!(url.scheme(), "https" | "http") => {
                if url.scheme() == "http" && !is_loopback(&url) {
                    return Err(SourceError::Location(place.clone()));
                }
                (Place::Url(client()?, url), Fetched { at_ms: None, keys: Vec::new() })
            }
            Ok(url) if url.scheme() != "file" && place.contains("://") => {
                return Err(SourceError::Location(place.clone()));
            }
            Ok(_) | Err(_) => {
                let path = PathBuf::from(place.strip_prefix("file://").unwrap_or(place));
                let keys = read(&path).map_err(|why| SourceError::Keys { place: place.clone(), why })?;
                (Place::File(path), Fetched { at_ms: Some(now_ms), keys })
            }
        };
        Ok(Arc::new(KeySet {
            place,
            clock,
            keys: ArcSwap::from_pointee(fetched),
            tried_ms: AtomicI64::new(i64::MIN),
            fetching: tokio::sync::Mutex::new(()),
        }))
    }

    /// The key for a token's `kid` and algorithm; without a `kid` only where there is no choice.
    pub async fn find(self: &Arc<Self>, id: Option<&str>, algorithm: Algorithm) -> Result<DecodingKey, &'static str> {
        if let Some(key) = self.look(id, algorithm)? {
            self.refresh_beside();
            return Ok(key);
        }
        // Everyone who misses a key waits for the one fetch under way, then looks again.
        self.refresh().await;
        match self.look(id, algorithm)? {
            Some(key) => Ok(key),
            None if self.age_ms().is_none_or(|age| age > STALE_MS_MAX) => Err("token.keys_unavailable"),
            None => Err("token.key_unknown"),
        }
    }

    /// Fetches the set, unless that was tried in the last ten seconds. What fails leaves the old keys in place.
    pub async fn refresh(&self) {
        let _one_at_a_time = self.fetching.lock().await;
        let now_ms = self.clock.now_ms();
        let last = self.tried_ms.load(Ordering::Relaxed);
        if last != i64::MIN && (0..REFETCH_MS_MIN).contains(&now_ms.saturating_sub(last)) {
            return;
        }
        self.tried_ms.store(now_ms, Ordering::Relaxed);
        match self.fetch().await {
            Ok(keys) => self.keys.store(Arc::new(Fetched { at_ms: Some(now_ms), keys })),
            Err(why) => tracing::warn!(why, "key set not refreshed; the last one is kept for an hour"),
        }
    }

    fn refresh_beside(self: &Arc<Self>) {
        let due = self.age_ms().is_some_and(|age| age > REFRESH_MS);
        if due && self.fetching.try_lock().is_ok() {
            let set = self.clone();
            tokio::spawn(async move { set.refresh().await });
        }
    }

    fn age_ms(&self) -> Option<i64> {
        self.keys.load().at_ms.map(|at| self.clock.now_ms().saturating_sub(at))
    }

    fn look(&self, id: Option<&str>, algorithm: Algorithm) -> Result<Option<DecodingKey>, &'static str> {
        if self.age_ms().is_none_or(|age| age > STALE_MS_MAX) {
            return Ok(None);
        }
        let set = self.keys.load();
        let mut fitting = set
            .keys
            .iter()
            .filter(|key| key.algorithms.contains(&algorithm) && id.is_none_or(|id| key.id.as_deref() == Some(id)));
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Ok(Some(only.key.clone())),
            (None, _) => Ok(None),
            (Some(_), Some(_)) => Err("token.key_ambiguous"),
        }
    }

    async fn fetch(&self) -> Result<Vec<Key>, &'static str> {
        match &self.place {
            Place::File(path) => {
                let path = path.clone();
                tokio::task::spawn_blocking(move || read(&path)).await.unwrap_or(Err("the reader stopped"))
            }
            Place::Url(client, url) => {
                let body = tokio::time::timeout(FETCH_TIME_MAX, get(client, url.clone()));
                parse(&body.await.map_err(|_| "no answer in time")??)
            }
        }
    }
}

async fn get(client: &reqwest::Client, url: reqwest::Url) -> Result<Vec<u8>, &'static str> {
    let mut answer = client.get(url).send().await.map_err(|_| "cannot connect")?;
    if answer.status() != reqwest::StatusCode::OK {
        return Err("the answer is not 200");
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|_| "the answer broke off")? {
        if body.len() + chunk.len() > SET_BYTES_MAX {
            return Err("the answer is too large");
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn read(path: &std::path::Path) -> Result<Vec<Key>, &'static str> {
    let text = std::fs::read(path).map_err(|_| "cannot be read")?;
    let keys = parse(&text)?;
    if keys.is_empty() { Err("holds no usable public key") } else { Ok(keys) }
}

/// Usable keys of a set; ones of a kind that is not known here are passed over (RFC 7517 §5).
fn parse(text: &[u8]) -> Result<Vec<Key>, &'static str> {
    let set: Json = serde_json::from_slice(text).map_err(|_| "is not JSON")?;
    let keys = set.get("keys").and_then(Json::as_array).ok_or("is not a key set")?;
    Ok(keys.iter().take(KEYS_MAX).filter_map(usable).collect())
}

fn usable(json: &Json) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(json.clone()).ok()?;
    if matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption | PublicKeyUse::Other(_))) {
        return None;
    }
    // A key that its owner gave another purpose verifies nothing (RFC 7517 §4.3).
    if jwk.common.key_operations.as_ref().is_some_and(|it| !it.contains(&KeyOperations::Verify)) {
        return None;
    }
    let of_kind = algorithms(&jwk)?;
    let algorithms = match jwk.common.key_algorithm {
        None => of_kind,
        Some(KeyAlgorithm::RS256) if of_kind.contains(&Algorithm::RS256) => &[Algorithm::RS256],
        Some(KeyAlgorithm::PS256) if of_kind.contains(&Algorithm::PS256) => &[Algorithm::PS256],
        Some(KeyAlgorithm::ES256) if of_kind.contains(&Algorithm::ES256) => of_kind,
        Some(KeyAlgorithm::EdDSA) if of_kind.contains(&Algorithm::EdDSA) => of_kind,
        Some(_) => return None,
    };
    Some(Key { id: jwk.common.key_id.clone(), algorithms, key: DecodingKey::from_jwk(&jwk).ok()? })
}

/// What a key of this type may sign with: a key never serves two families (RFC 8725 §3.1). Shared secrets serve none.
fn algorithms(jwk: &Jwk) -> Option<&'static [Algorithm]> {
    match &jwk.algorithm {
        // 2048 bits in base64url; anything shorter is breakable (NIST SP 800-131A).
        AlgorithmParameters::RSA(rsa) if rsa.n.len() >= 342 => Some(&[Algorithm::RS256, Algorithm::PS256]),
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => Some(&[Algorithm::ES256]),
        AlgorithmParameters::OctetKeyPair(okp) if okp.curve == EllipticCurve::Ed25519 => Some(&[Algorithm::EdDSA]),
        _ => None,
    }
}

/// Whether tokens may be signed so at all.
pub fn is_allowed(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::RS256 | Algorithm::PS256 | Algorithm::ES256 | Algorithm::EdDSA)
}

fn is_loopback(url: &reqwest::Url) -> bool {
    url.host_str().is_some_and(|host| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

/// A client for https that follows no redirect and uses no proxy; it waits two seconds unless told otherwise.
///
/// # Errors
/// When TLS cannot be set up.
pub fn client() -> Result<reqwest::Client, SourceError> {
    // Whoever is first in the process installs the provider; the others find it there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(FETCH_TIME_MAX)
        .build()
        .map_err(|_| SourceError::Client)
}
