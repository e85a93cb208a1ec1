//! Who a request says it is, before any session is looked at: a verified token, or a trusted proxy's header.
//!
//! It never answers a request and never fails one: what cannot be verified is an unknown subject with a reason.
//! It does not know app sessions; it only points out the cookie by which the journey may recognise one.

use std::{net::IpAddr, sync::Arc};

use stepward_core::request::Request;

use crate::{
    clock::Clock,
    sessions::record::SubjectKind,
    settings::{SubjectSource, TokenPlace},
};

pub mod app_session;
pub mod jwks;
pub mod jwt;

/// How a subject was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifiedBy {
    /// By a signed token.
    Jwt,
    /// By a proxy that the operator trusts.
    Proxy,
}

/// A verified subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// Its name, as its source writes it; `keys` makes the account of it.
    pub name: Arc<str>,
    /// What kind it is.
    pub kind: SubjectKind,
    /// How it was verified.
    pub verified_by: VerifiedBy,
}

/// Who acts for the subject (RFC 8693 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Its name.
    pub name: Arc<str>,
    /// What kind it is, where its token says so.
    pub kind: Option<SubjectKind>,
}

/// What a verified token says. Never the token itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Token {
    /// `iss`.
    pub issuer: Arc<str>,
    /// `scope` (RFC 8693 §4.2) or `scp`, word by word.
    pub scopes: Vec<Arc<str>>,
    /// `iat`, in milliseconds since the Unix epoch.
    pub issued_ms: Option<i64>,
    /// `exp`, in milliseconds since the Unix epoch.
    pub expires_ms: i64,
    /// `acr`.
    pub acr: Option<Arc<str>>,
    /// `amr`.
    pub amr: Vec<Arc<str>>,
    /// `auth_time`, in milliseconds since the Unix epoch.
    pub auth_time_ms: Option<i64>,
    /// `azp` or `client_id`.
    pub client: Option<Arc<str>>,
    /// `act`.
    pub actor: Option<Actor>,
}

/// What became known of who asks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identified {
    /// The first verified subject.
    pub subject: Option<Claimed>,
    /// What its token says, if a token named it.
    pub token: Option<Token>,
    /// Name and value of the app's session cookie. A verified subject comes before whoever it stands for.
    pub app_cookie: Option<(Arc<str>, Arc<str>)>,
    /// A verified e-mail address of the subject.
    pub email: Option<Arc<str>>,
    /// Why the first source that had something to say was not believed: a code, never a value.
    pub trouble: Option<&'static str>,
}

/// Why subjects cannot be learnt as the settings say; the process does not start (a missing control never fails open).
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The key set's location is neither https, nor http on loopback, nor a file.
    #[error("`jwks: {0}`: keys come over https, over http on loopback, or from a file")]
    Location(Arc<str>),
    /// The file of keys cannot be used.
    #[error("`jwks: {place}`: {why}")]
    Keys {
        /// Where it is.
        place: Arc<str>,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A secret cannot be had; which, never what.
    #[error("no secret at {0}")]
    Secret(String),
    /// No client for https could be made.
    #[error("cannot set up an https client")]
    Client,
}

/// Every source of subjects, ready to be asked.
pub struct Subjects {
    sources: Vec<Source>,
    clock: Clock,
}

enum Source {
    Jwt(Box<jwt::Verifier>, TokenPlace),
    AppSession(Arc<str>),
    Header { name: Arc<str>, email: Option<Arc<str>> },
}

impl Subjects {
    /// Sources as the settings list them. Key files are read now; key URLs when first needed, or by [`Subjects::warm`].
    pub fn new(sources: &[SubjectSource], clock: Clock) -> Result<Self, SourceError> {
        let made = sources.iter().map(|source| match source {
            SubjectSource::Jwt(jwt) => {
                let keys = jwks::KeySet::new(&jwt.jwks, clock.clone())?;
                Ok(Source::Jwt(Box::new(jwt::Verifier::new(jwt, keys)), jwt.from.clone()))
            }
            SubjectSource::AppSession { cookie } => Ok(Source::AppSession(cookie.clone())),
            SubjectSource::Header { name, email } => Ok(Source::Header { name: name.clone(), email: email.clone() }),
        });
        Ok(Subjects { sources: made.collect::<Result<_, SourceError>>()?, clock })
    }

    /// Fetches key sets ahead of the first request; a set that cannot be fetched is tried again when it is needed.
    pub async fn warm(&self) {
        for source in &self.sources {
            match source {
                Source::Jwt(verifier, _) => verifier.keys().refresh().await,
                Source::AppSession(_) | Source::Header { .. } => {}
            }
        }
    }

    /// Who this request says it is. `by_trusted_proxy` tells whether the peer is one of `trusted_proxies`; a header
    /// from anyone else names nobody.
    pub async fn identify(&self, request: &Request, by_trusted_proxy: bool) -> Identified {
        let mut found = Identified::default();
        for source in &self.sources {
            match source {
                Source::Jwt(verifier, place) if found.subject.is_none() => {
                    self.by_token(verifier, place, request, &mut found).await;
                }
                Source::Header { name, email } if found.subject.is_none() => {
                    by_header(name, email.as_deref(), request, by_trusted_proxy, &mut found);
                }
                Source::AppSession(cookie) => {
                    if let Some(value) = request.cookie(cookie).filter(|value| !value.is_empty()) {
                        found.app_cookie.get_or_insert_with(|| (cookie.clone(), value.into()));
                    }
                }
                Source::Jwt(..) | Source::Header { .. } => {}
            }
        }
        found
    }

    async fn by_token(&self, verifier: &jwt::Verifier, place: &TokenPlace, request: &Request, found: &mut Identified) {
        let verified = match present(request, place) {
            Presented::Nothing => return,
            Presented::Unclear(why) => Err(why),
            Presented::Token(token) => Box::pin(verifier.verify(token, self.clock.now_ms())).await,
        };
        match verified {
            Ok(verified) => {
                found.subject = Some(verified.subject);
                found.token = Some(verified.token);
                found.email = verified.email;
            }
            Err(why) => {
                found.trouble.get_or_insert(why);
            }
        }
    }
}

/// What a request holds at the place where a token is expected.
enum Presented<'a> {
    Nothing,
    Unclear(&'static str),
    Token(&'a str),
}

fn present<'a>(request: &'a Request, place: &TokenPlace) -> Presented<'a> {
    let (value, times) = match place {
        TokenPlace::Bearer => (request.header("authorization"), count(&request.headers, "authorization")),
        TokenPlace::Header(name) => (request.header(name), count(&request.headers, name)),
        TokenPlace::Cookie(name) => (request.cookie(name), count(&request.cookies, name)),
    };
    let Some(value) = value else {
        return if times == 0 { Presented::Nothing } else { Presented::Unclear("token.repeated") };
    };
    if *place != TokenPlace::Bearer {
        return Presented::Token(value);
    }
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Presented::Token(token.trim()),
        Some(_) | None => Presented::Nothing,
    }
}

fn count(fields: &[(Arc<str>, Arc<str>)], name: &str) -> usize {
    fields.iter().filter(|(it, _)| &**it == name).count()
}

/// Longest subject name that is taken; longer ones are nobody.
const NAME_BYTES_MAX: usize = 4096;

fn by_header(name: &str, email: Option<&str>, request: &Request, by_trusted_proxy: bool, found: &mut Identified) {
    if count(&request.headers, name) == 0 {
        return;
    }
    let Some(value) = request.header(name) else {
        found.trouble.get_or_insert("header.repeated");
        return;
    };
    if !by_trusted_proxy {
        found.trouble.get_or_insert("header.untrusted");
        return;
    }
    if !is_name(value) {
        found.trouble.get_or_insert("header.malformed");
        return;
    }
    found.subject = Some(Claimed { name: value.into(), kind: SubjectKind::Human, verified_by: VerifiedBy::Proxy });
    found.email = email.and_then(|header| request.header(header)).filter(|it| is_email(it)).map(Arc::from);
}

/// Whether text can be a subject's name: some of it, not too much, nothing invisible.
pub fn is_name(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control)
}

/// Whether text can be an e-mail address (RFC 5321 §4.5.3.1 limits; the mailbox itself is proved by a code).
pub fn is_email(text: &str) -> bool {
    text.len() <= 254
        && !text.chars().any(|it| it.is_control() || it.is_whitespace())
        && text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && local.len() <= 64
                && !domain.is_empty()
                && !domain.contains('@')
                && domain.parse::<IpAddr>().is_err()
        })
}
