//! Verifies a JWT as RFC 8725 asks: keys only from the configured set, one algorithm per key type, issuer, audience
//! and expiry always checked.
//!
//! It never reads `jku`, `x5u` or `jwk` from a token, never accepts `none` or a shared secret, and never says more
//! about a failure than a fixed code.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, Validation};
use serde_json::{Map, Value as Json};

use crate::{
    settings::JwtSource,
    subject::{Actor, Claimed, SubjectKind, Token, VerifiedBy, is_email, is_name, jwks},
};

/// Longest token that is looked at.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// How far clocks may be apart, in seconds.
pub const LEEWAY_SECONDS: i64 = 60;

/// Latest moment a claim can name: the year 9999, in seconds.
const SECONDS_MAX: i64 = 253_402_300_799;

/// Verifies tokens of one issuer.
pub struct Verifier {
    issuer: Arc<str>,
    audience: Arc<str>,
    id: Arc<str>,
    kind: Option<Arc<str>>,
    email: Option<Arc<str>>,
    keys: Arc<jwks::KeySet>,
}

/// What a token that holds says.
pub struct Verified {
    /// Whom it names.
    pub subject: Claimed,
    /// Its other claims.
    pub token: Token,
    /// The subject's verified e-mail address.
    pub email: Option<Arc<str>>,
}

impl Verifier {
    /// A verifier for one source.
    pub fn new(source: &JwtSource, keys: Arc<jwks::KeySet>) -> Self {
        Verifier {
            issuer: source.issuer.clone(),
            audience: source.audience.clone(),
            id: source.id.clone(),
            kind: source.kind.clone(),
            email: source.email.clone(),
            keys,
        }
    }

    /// Its keys.
    pub fn keys(&self) -> &Arc<jwks::KeySet> {
        &self.keys
    }

    /// What the token says, or a code for why it says nothing.
    pub async fn verify(&self, token: &str, now_ms: i64) -> Result<Verified, &'static str> {
        let (_, claims) = signed(token, &self.keys).await?;
        self.check(&claims, now_ms)
    }

    fn check(&self, claims: &Map<String, Json>, now_ms: i64) -> Result<Verified, &'static str> {
        if text(claims, "iss").as_deref() != Some(&*self.issuer) {
            return Err("token.issuer");
        }
        if !texts(claims.get("aud")).contains(&self.audience) {
            return Err("token.audience");
        }
        let expires = seconds(claims, "exp")?.ok_or("token.no_expiry")?;
        let now = now_ms.div_euclid(1000);
        if expires <= now - LEEWAY_SECONDS {
            return Err("token.expired");
        }
        if seconds(claims, "nbf")?.is_some_and(|not_before| not_before > now + LEEWAY_SECONDS) {
            return Err("token.not_yet_valid");
        }
        Ok(Verified { subject: self.subject(claims)?, token: self.token(claims, expires)?, email: self.email(claims) })
    }

    fn subject(&self, claims: &Map<String, Json>) -> Result<Claimed, &'static str> {
        let name = text(claims, &self.id).filter(|name| is_name(name)).ok_or("token.subject")?;
        let kind = match self.kind.as_deref().and_then(|claim| claims.get(claim)) {
            None => SubjectKind::Human,
            Some(word) => word.as_str().and_then(SubjectKind::named).ok_or("token.kind")?,
        };
        Ok(Claimed { name, kind, verified_by: VerifiedBy::Jwt })
    }

    fn token(&self, claims: &Map<String, Json>, expires: i64) -> Result<Token, &'static str> {
        let scopes = match claims.get("scope").or_else(|| claims.get("scp")) {
            Some(Json::String(words)) => words.split_ascii_whitespace().map(Arc::from).collect(),
            other => texts(other),
        };
        let actor = claims.get("act").and_then(Json::as_object);
        Ok(Token {
            issuer: self.issuer.clone(),
            scopes,
            issued_ms: seconds(claims, "iat")?.map(|it| it * 1000),
            expires_ms: expires * 1000,
            acr: text(claims, "acr"),
            amr: texts(claims.get("amr")),
            auth_time_ms: seconds(claims, "auth_time")?.map(|it| it * 1000),
            client: text(claims, "azp").or_else(|| text(claims, "client_id")),
            actor: actor.and_then(|act| self.actor(act)),
        })
    }

    fn actor(&self, act: &Map<String, Json>) -> Option<Actor> {
        let name = text(act, "sub").filter(|name| is_name(name))?;
        let kind = self.kind.as_deref().and_then(|claim| text(act, claim)).and_then(|word| SubjectKind::named(&word));
        Some(Actor { name, kind })
    }

    /// The claim that the settings name as verified; not where the issuer itself says that it is not.
    fn email(&self, claims: &Map<String, Json>) -> Option<Arc<str>> {
        let denied = claims.get("email_verified").is_some_and(|it| it != &Json::Bool(true));
        let claim = self.email.as_deref().filter(|_| !denied)?;
        text(claims, claim).filter(|address| is_email(address))
    }
}

/// What a token says whose signature fits one of these keys, and how it is signed; its claims are not checked yet.
///
/// # Errors
/// A code for what is wrong with it.
pub async fn signed(token: &str, keys: &Arc<jwks::KeySet>) -> Result<(Algorithm, Map<String, Json>), &'static str> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err("token.too_large");
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| "token.malformed")?;
    if header.crit.is_some() {
        return Err("token.critical");
    }
    if !jwks::is_allowed(header.alg) {
        return Err("token.algorithm");
    }
    let key = keys.find(header.kid.as_deref(), header.alg).await?;
    let claims = jsonwebtoken::decode::<Map<String, Json>>(token, &key, &signature_only(header.alg))
        .map_err(|_| "token.signature")?
        .claims;
    Ok((header.alg, claims))
}

/// The library checks the signature; claims are checked here, by the gateway's own clock.
fn signature_only(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

/// A claim that is a text.
pub fn text(claims: &Map<String, Json>, name: &str) -> Option<Arc<str>> {
    claims.get(name).and_then(Json::as_str).map(Arc::from)
}

/// One text, or a list of texts; anything else in the list does not count.
pub fn texts(claim: Option<&Json>) -> Vec<Arc<str>> {
    match claim {
        Some(Json::String(one)) => vec![one.as_str().into()],
        Some(Json::Array(many)) => many.iter().filter_map(Json::as_str).map(Arc::from).collect(),
        Some(Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_)) | None => Vec::new(),
    }
}

/// A NumericDate (RFC 7519 §2), fractions cut off; there but of another type, or absurd, is an error.
///
/// # Errors
/// `token.time`.
pub fn seconds(claims: &Map<String, Json>, name: &str) -> Result<Option<i64>, &'static str> {
    let Some(claim) = claims.get(name) else { return Ok(None) };
    let whole = claim.as_i64().or_else(|| claim.as_f64().map(|it| it as i64));
    whole.filter(|it| (0..=SECONDS_MAX).contains(it)).map(Some).ok_or("token.time")
}
