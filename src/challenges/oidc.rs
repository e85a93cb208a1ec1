//! A fresh sign-in at the customer's own identity provider (OpenID Connect Core, code flow with PKCE).
//!
//! A user who chose it is sent to the provider and comes back to [`CALLBACK`] on the same host. What is sent names the
//! challenge, counts once, and belongs to this session: a callback in another browser, for another challenge, or for the
//! second time is none. Only a sign-in that the provider signed for us, as strong and as fresh as was asked for, and of the
//! very subject who is challenged proves anything; a sign-in of somebody else is a wrong answer and counts as one. Whatever
//! else goes wrong costs no try and leads back to the challenge, with words and with the other ways. No token is kept.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use http::{HeaderName, StatusCode};
use minijinja::context;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stepward_core::session::Method;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::{
    arrival::Arrival,
    challenges::{
        Challenges,
        answer::{self, Came},
        attempts::{Aim, Lane, Try},
        issued::{self, Issued},
        oidc::{
            claims::{Expected, Fault},
            provider::{Known, Provider, Unanswered},
        },
        problem,
    },
    clock,
    keys::Purpose,
    reply::Reply,
    sessions::SessionHandle,
    store::{Begin, Counted, Id, Kind, Meter, Once, Shape, StateStore, Stored, Touch},
    subject::jwt,
};

pub mod claims;
pub mod provider;

/// Where users come back, on every host: what is registered at the provider.
pub const CALLBACK: &str = "/.stepward/oidc/callback";
/// How often one session may be sent away in a quarter of an hour.
pub const JOURNEYS_MAX: u64 = 20;
const JOURNEYS_WINDOW: std::time::Duration = std::time::Duration::from_secs(15 * 60);
/// Longest code that is passed on.
const CODE_BYTES_MAX: usize = 4096;
/// It is spent, never tried.
const NO_TRIES: u32 = 1;

/// Why nothing was proven, as the page says it. None of these costs a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The user gave up at the provider, or may not sign in there.
    Abandoned,
    /// The provider does not answer, or not as one does.
    Unreachable,
    /// What came back is not what was asked for.
    Unconfirmed,
    /// The sign-in was weaker than asked for.
    Weak,
    /// The sign-in was older than asked for.
    Old,
    /// The user came back for the second time, too late, or from elsewhere.
    Stale,
    /// The session was sent away too often.
    Often,
}

impl Trouble {
    /// Every one of them.
    pub const ALL: [Trouble; 7] = [
        Trouble::Abandoned,
        Trouble::Unreachable,
        Trouble::Unconfirmed,
        Trouble::Weak,
        Trouble::Old,
        Trouble::Stale,
        Trouble::Often,
    ];

    /// Its word in addresses and for programs, and the key of its message.
    pub fn word(self) -> &'static str {
        match self {
            Trouble::Abandoned => "oidc_abandoned",
            Trouble::Unreachable => "oidc_unreachable",
            Trouble::Unconfirmed => "oidc_unconfirmed",
            Trouble::Weak => "oidc_weak",
            Trouble::Old => "oidc_old",
            Trouble::Stale => "oidc_stale",
            Trouble::Often => "oidc_often",
        }
    }

    /// The status that programs get with it.
    pub fn status(self) -> StatusCode {
        match self {
            Trouble::Abandoned | Trouble::Unconfirmed | Trouble::Weak | Trouble::Old | Trouble::Stale => {
                StatusCode::UNAUTHORIZED
            }
            Trouble::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
            Trouble::Often => StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

/// The word for a sign-in of somebody else.
pub const SOMEBODY_ELSE: &str = "oidc_somebody_else";

/// The key of the message that an address names, if it is one of ours.
pub fn message(word: &str) -> Option<&'static str> {
    let known = Trouble::ALL.iter().map(|it| it.word()).chain([SOMEBODY_ELSE]);
    known.into_iter().find(|it| *it == word)
}

/// A user who is away at the provider; kept sealed until they come back.
#[derive(Serialize, Deserialize, ZeroizeOnDrop)]
struct Away {
    /// PKCE's secret (RFC 7636 §4.1).
    verifier: String,
    /// The nonce is its hash: what travels does not show what is kept.
    nonce_of: [u8; 32],
    redirect: String,
    sent_ms: i64,
}

impl Away {
    fn nonce(&self) -> String {
        BASE64URL_NOPAD.encode(&Sha256::digest(self.nonce_of))
    }

    fn code_challenge(&self) -> String {
        BASE64URL_NOPAD.encode(&Sha256::digest(self.verifier.as_bytes()))
    }
}

/// What a user comes back with.
pub struct Back {
    /// The challenge they say they were sent away for.
    pub word: String,
    away: Id,
    code: Option<String>,
    error: Option<String>,
    issuer: Option<String>,
}

impl Back {
    /// Of a request to [`CALLBACK`]. `None` where there is no state that could be ours, or anything is there twice.
    pub fn read(arrival: &Arrival) -> Option<Self> {
        let (mut state, mut code, mut error, mut issuer) = (None, None, None, None);
        for (name, value) in form_urlencoded::parse(arrival.request.query.as_deref()?.as_bytes()) {
            let place = match &*name {
                "state" => &mut state,
                "code" => &mut code,
                "error" => &mut error,
                "iss" => &mut issuer,
                _ => continue,
            };
            if place.replace(value.into_owned()).is_some() {
                return None;
            }
        }
        let state: String = state?;
        let (word, away) = state.split_once('.')?;
        issued::id_of(word)?;
        Some(Back { word: word.into(), away: issued::id_of(away)?, code, error, issuer })
    }
}

/// Whether a request is a user who comes back.
pub fn is_callback(arrival: &Arrival) -> bool {
    *arrival.request.path == *CALLBACK
}

impl Challenges {
    /// Whether the provider did not answer lately; false where there is none.
    pub(super) fn is_provider_silent(&self) -> bool {
        self.provider.as_ref().is_some_and(|provider| provider.is_silent())
    }
}

/// Sends a user away to sign in: where to.
pub async fn leave(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &SessionHandle,
    word: &str,
    issued: &Issued,
) -> Stored<Came> {
    let Some(provider) = &challenges.provider else { return Ok(Came::Nothing) };
    if !may_leave(challenges, session).await? {
        return Ok(Came::Undone(Trouble::Often));
    }
    let Some(known) = provider.known().await else { return Ok(Came::Undone(Trouble::Unreachable)) };
    let away = Away {
        verifier: BASE64URL_NOPAD.encode(&clock::random_bytes::<32>()),
        nonce_of: clock::random_bytes(),
        redirect: redirect(arrival),
        sent_ms: challenges.clock.now_ms(),
    };
    let (Some(challenge), id) = (issued::id_of(word), clock::random_id()) else { return Ok(Came::Nothing) };
    let plain = Zeroizing::new(serde_json::to_vec(&away).unwrap_or_default());
    let owner = owner(arrival, session, challenge, id);
    let sealed = challenges.keys.seal(Purpose::Challenge, &arrival.route.tenant, &owner, &plain);
    challenges.store.issue_challenge(challenge, id, NO_TRIES, sealed, issued.expires_ms).await?;
    let state = format!("{word}.{}", BASE64URL_NOPAD.encode(&id));
    Ok(Came::Away(authorization(provider, &known, &away, &state, issued.subject.as_deref())))
}

/// Takes what a user came back with.
pub async fn came_back(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &mut SessionHandle,
    issued: &Issued,
    back: &Back,
) -> Stored<Came> {
    let Some(provider) = challenges.provider.as_ref().filter(|_| issued.methods.contains(&Method::Oidc)) else {
        return Ok(Came::Nothing);
    };
    let Some(away) = take(challenges, arrival, session, back).await? else {
        return Ok(Came::Undone(Trouble::Stale));
    };
    let who = match signed_in(challenges, provider, issued, back, &away).await {
        Ok(who) => who,
        Err(trouble) => return Ok(Came::Undone(trouble)),
    };
    let lane = Lane::of(challenges, arrival, session, issued, Method::Oidc);
    if let Some(until) = challenges.closed_until(&lane).await? {
        return Ok(Came::Closed(Method::Oidc, until));
    }
    // Where nobody is known to be challenged, nobody can have signed in as them.
    let account = challenges.keys.account(&arrival.route.tenant, &who);
    if issued.account != Some(account) {
        return wrong(challenges, &lane, issued).await;
    }
    answer::prove(challenges, session, issued, Method::Oidc, None);
    Ok(Came::Proven(Method::Oidc, None))
}

/// Somebody else signed in: there is nothing to guess at, but a browser that brings one account after another is stopped.
async fn wrong(challenges: &Challenges, lane: &Lane, issued: &Issued) -> Stored<Came> {
    Ok(match challenges.count_try(lane, issued.attempts, &Aim::NOTHING, issued.is_verified).await? {
        Try::Closed(until) => Came::Closed(Method::Oidc, until),
        Try::Counted(made) if made.left == 0 => {
            challenges.close(lane).await?;
            Came::Spent(Method::Oidc)
        }
        Try::Counted(_) => Came::Wrong(Method::Oidc),
    })
}

/// What was kept for this journey, for the first who asks for it and for nobody else.
async fn take(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &SessionHandle,
    back: &Back,
) -> Stored<Option<Away>> {
    let Some(challenge) = issued::id_of(&back.word) else { return Ok(None) };
    let now_ms = challenges.clock.now_ms();
    let Some(sealed) = challenges.store.peek_challenge(now_ms, challenge, back.away).await? else { return Ok(None) };
    let owner = owner(arrival, session, challenge, back.away);
    let opened = challenges.keys.open(Purpose::Challenge, &arrival.route.tenant, &owner, &sealed);
    // Who may not have it must not use it up.
    let Some(away) = opened.ok().and_then(|it| serde_json::from_slice(&it.plain).ok()) else { return Ok(None) };
    let once = challenges.store.spend_challenge(now_ms, challenge, back.away, clock::random_id()).await?;
    Ok((once == Once::First).then_some(away))
}

/// Whom the provider says has signed in.
async fn signed_in(
    challenges: &Challenges,
    provider: &Arc<Provider>,
    issued: &Issued,
    back: &Back,
    away: &Away,
) -> Result<Arc<str>, Trouble> {
    let known = provider.known().await.ok_or(Trouble::Unreachable)?;
    let unconfirmed = |why: &'static str| {
        tracing::warn!(why, event = &*issued.event, "a sign-in at the identity provider proves nothing");
        Trouble::Unconfirmed
    };
    let is_named = back.issuer.as_deref().map(|issuer| *issuer == *provider.settings.issuer);
    // An answer of another provider must not be taken for this one's (RFC 9207 §2.4).
    if is_named == Some(false) || is_named.is_none() && known.names_itself {
        return Err(unconfirmed("oidc.mix_up"));
    }
    if let Some(error) = &back.error {
        return Err(refusal(error));
    }
    let code = back.code.as_deref().filter(|it| !it.is_empty() && it.len() <= CODE_BYTES_MAX);
    let code = code.ok_or_else(|| unconfirmed("oidc.no_code"))?;
    let tokens = provider.exchange(&known, code, &away.verifier, &away.redirect).await.map_err(|why| match why {
        Unanswered::Silent => Trouble::Unreachable,
        Unanswered::Refused => Trouble::Unconfirmed,
    })?;
    let (algorithm, claims) = jwt::signed(&tokens.id_token, &known.keys).await.map_err(|why| match why {
        "token.keys_unavailable" => Trouble::Unreachable,
        why => unconfirmed(why),
    })?;
    let expected = Expected {
        settings: &provider.settings,
        nonce: &away.nonce(),
        issued_ms: issued.issued_ms,
        sent_ms: away.sent_ms,
        access_token: tokens.access_token.as_ref().map(|it| it.as_str()),
    };
    claims::check(&claims, algorithm, &expected, challenges.clock.now_ms()).map_err(|fault| match fault {
        Fault::Invalid(why) => unconfirmed(why),
        Fault::Weak => Trouble::Weak,
        Fault::Old => Trouble::Old,
    })
}

/// What the provider's own word means (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6).
fn refusal(error: &str) -> Trouble {
    match error {
        "access_denied"
        | "login_required"
        | "interaction_required"
        | "account_selection_required"
        | "consent_required" => Trouble::Abandoned,
        "server_error" | "temporarily_unavailable" => Trouble::Unreachable,
        // OpenID Connect Core Unmet Authentication Requirements 1.0.
        "unmet_authentication_requirements" => Trouble::Weak,
        _ => Trouble::Unconfirmed,
    }
}

/// Where a user is sent (OpenID Connect Core §3.1.2.1, RFC 7636 §4.3).
fn authorization(provider: &Provider, known: &Known, away: &Away, state: &str, subject: Option<&str>) -> String {
    let settings = &provider.settings;
    let joined = |words: &[Arc<str>]| words.iter().map(|it| &**it).collect::<Vec<_>>().join(" ");
    let mut address = known.authorization.clone();
    let mut query = address.query_pairs_mut();
    query.extend_pairs([
        ("response_type", "code"),
        ("client_id", &settings.client_id),
        ("redirect_uri", &away.redirect),
    ]);
    query.extend_pairs([("scope", &*joined(&settings.scopes)), ("state", state), ("nonce", &away.nonce())]);
    query.extend_pairs([("code_challenge", &*away.code_challenge()), ("code_challenge_method", "S256")]);
    query.append_pair("max_age", &settings.max_age.as_secs().to_string());
    if !settings.acr_values.is_empty() {
        query.append_pair("acr_values", &joined(&settings.acr_values));
    }
    if settings.asks_login {
        query.append_pair("prompt", "login");
    }
    if let Some(subject) = subject.filter(|_| settings.tells_subject) {
        query.append_pair("login_hint", subject);
    }
    drop(query);
    address.into()
}

/// Where the user comes back: to the very host they left. The provider sends nobody to one that is not registered.
fn redirect(arrival: &Arrival) -> String {
    let scheme = if arrival.request.secure { "https" } else { "http" };
    let host = arrival.request.header("host").unwrap_or(&arrival.request.host);
    format!("{scheme}://{host}{CALLBACK}")
}

/// To whom it belongs: this session on this host, this challenge, and itself.
fn owner(arrival: &Arrival, session: &SessionHandle, challenge: Id, away: Id) -> Vec<u8> {
    [&issued::owner(arrival, session, away)[..], &challenge, b"oidc"].concat()
}

/// Counts a journey to the provider; whether it may begin.
async fn may_leave(challenges: &Challenges, session: &SessionHandle) -> Stored<bool> {
    let [a, b, c, d, e, f, g, h, ..] = challenges.keys.pseudonym("", "oidc", "meter");
    let name = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    let meter = Meter { name, window: JOURNEYS_WINDOW, shape: Shape::Exact { keep: 32 } };
    let who = Counted { kind: Kind::Session, id: session.record.lineage };
    let meters = [(who, meter, Touch::Hit)];
    let now_ms = challenges.clock.now_ms();
    let standing = challenges.store.begin(now_ms, Begin { meters: &meters, ..Begin::default() }).await?;
    Ok(standing.counts.first().is_some_and(|count| *count <= JOURNEYS_MAX))
}

/// Sends a browser on from [`CALLBACK`] by a page of ours: what follows a redirect would still count as coming from the
/// provider's site, without the app's `SameSite=Strict` cookies, and could resume nothing.
pub fn land(challenges: &Challenges, arrival: &Arrival, target: &str) -> Reply {
    let locale = &problem::locale(challenges, arrival);
    let content = context! { next => target, go_on => problem::say(challenges, locale, "continue_to") };
    let mut page =
        challenges.pages.render(locale, StatusCode::OK, "landing.html", &locale.text("title_confirmed"), content);
    page.set(HeaderName::from_static("refresh"), &format!("0; url={target}"));
    page
}
