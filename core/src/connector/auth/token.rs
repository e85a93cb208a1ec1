//! Tokens that are got beforehand: what is asked for them, and how the answer is read. The shell gets and keeps them.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::connector::{
    Origin, Prepared,
    auth::Credential,
    document::auth::JwtAlgorithm,
    mapping::{Expression, Scope, data::Data},
    request::{Asked, Outgoing, Values},
    template::{Place, Template},
};

/// Where a token comes from.
#[derive(Debug)]
pub struct TokenSource {
    pub(crate) request: Outgoing,
    pub(crate) credentials: Vec<Credential>,
    pub(crate) assertion: Option<Assertion>,
    pub(crate) token: Expression,
    pub(crate) expires_in: Expression,
    pub(crate) good_for_ms: u64,
    /// How long before its end a token is renewed, in milliseconds.
    pub refresh_before_ms: u64,
    pub(crate) header: Arc<str>,
    pub(crate) value: Template,
}

/// A signed assertion (RFC 7523).
#[derive(Debug)]
pub(crate) struct Assertion {
    /// The form field it is sent in.
    pub(crate) field: Arc<str>,
    pub(crate) issuer: Template,
    pub(crate) subject: Option<Template>,
    pub(crate) audience: Template,
    pub(crate) scope: Option<Template>,
    pub(crate) private_key: Template,
    pub(crate) key_id: Option<Template>,
    pub(crate) algorithm: JwtAlgorithm,
}

/// What is to be asserted, and with which key. It holds a private key, so it has no `Debug`.
pub struct Claims {
    /// The claims (RFC 7519 §4.1).
    pub claims: Json,
    /// The algorithm.
    pub algorithm: JwtAlgorithm,
    /// The key's id.
    pub key_id: Option<String>,
    /// The private key in PEM.
    pub private_key: String,
}

/// For how long an assertion is good, in seconds.
const ASSERTION_S: i64 = 300;

impl TokenSource {
    /// Where it is asked.
    pub fn origin(&self) -> &Origin {
        &self.request.origin
    }

    /// What has to be signed before it is asked, if anything has. The outer `None`: a secret is missing.
    pub fn claims(&self, asked: Asked<'_>) -> Option<Option<Claims>> {
        let Some(assertion) = &self.assertion else { return Some(None) };
        let nothing = Data::Null;
        let values = Values { asked, derived: &nothing, input: &nothing };
        let fill = |template: &Template| values.fill(template, Place::Plain).ok();
        let now_s = asked.moment.now_ms.div_euclid(1000);
        let mut claims = serde_json::Map::new();
        claims.insert("iss".into(), fill(&assertion.issuer)?.into());
        claims.insert("aud".into(), fill(&assertion.audience)?.into());
        claims.insert("iat".into(), now_s.into());
        claims.insert("exp".into(), (now_s + ASSERTION_S).into());
        claims.insert("jti".into(), (*asked.moment.uuid).into());
        for (name, template) in [("sub", &assertion.subject), ("scope", &assertion.scope)] {
            if let Some(template) = template {
                claims.insert(name.into(), fill(template)?.into());
            }
        }
        let key_id = match &assertion.key_id {
            Some(key_id) => Some(fill(key_id)?),
            None => None,
        };
        let private_key = fill(&assertion.private_key)?;
        Some(Some(Claims { claims: claims.into(), algorithm: assertion.algorithm, key_id, private_key }))
    }

    /// The request for a token, with the signed assertion where one is needed.
    pub fn prepare(&self, asked: Asked<'_>, assertion: Option<&str>) -> Option<Prepared> {
        let nothing = Data::Null;
        let values = Values { asked, derived: &nothing, input: &nothing };
        let mut draft = self.request.fill(&values).ok()?;
        if let Some(needed) = &self.assertion {
            super::into_body(&mut draft.body, &needed.field, assertion?.to_owned()).ok()?;
        }
        Prepared::finish(draft, &self.request.origin, &self.credentials, &values).ok()
    }

    /// The token in an answer, and for how many milliseconds it is good.
    pub fn read(&self, status: u16, body: &[u8]) -> Option<(String, u64)> {
        if !(200..300).contains(&status) {
            return None;
        }
        let data = Data::json(std::str::from_utf8(body).ok()?)?;
        let config = Data::Null;
        let nothing = Data::Map(Vec::new());
        let scope = Scope::asking(nothing.clone(), &config, nothing.clone(), 0).answered(status, nothing.clone(), data);
        let token = self.token.plain_text(&scope).filter(|it| !it.is_empty() && !it.chars().any(char::is_control))?;
        let seconds = match self.expires_in.eval(&scope) {
            Ok(Data::Int(it)) => u64::try_from(it).ok(),
            Ok(Data::Number(it)) => Some(it.max(0.0) as u64),
            Ok(Data::Text(it)) => it.parse().ok(),
            _ => None,
        };
        Some((token, seconds.map_or(self.good_for_ms, |it| it.saturating_mul(1000))))
    }
}
