//! `POST /ssf/events`: security events that a transmitter pushes (RFC 8935; OpenID Shared Signals: CAEP and RISC).
//!
//! An event is believed for its signature, issuer and audience, never for where it comes from. Everything it does may be
//! done again without harm: sessions end that began before it was *issued*, and of each type the newest is remembered, so
//! one that is sent twice, or kept and replayed later, changes nothing. What fails for want of the store or of keys is
//! answered with 503, for the transmitter to send it again; nothing is acknowledged before it holds. It never forwards,
//! and never shows whether an account exists.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{self, Body},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    api::{
        Desk,
        security_events::{
            refusal::Refusal,
            set::{Claims, Named},
        },
        sessions,
    },
    keys::Keys,
    settings::security_events::{Action, SecurityEvents, Transmitter},
    signals::heard::{self, Event, Heard},
    store::{Begin, Id, Once, StateStore, Stored},
    subject::{SourceError, jwks::KeySet, jwt},
    telemetry::Metrics,
};

mod refusal;
mod set;
mod subject;

/// Largest token, in bytes; a body holds nothing else.
const BODY_BYTES_MAX: usize = jwt::TOKEN_BYTES_MAX;
/// How long a body may take to arrive.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);
/// The only kind of body there is (RFC 8935 §2.1).
const CONTENT_TYPE: &str = "application/secevent+jwt";
/// How often what was heard of one account is written again because another node wrote in between.
const WRITES_MAX: usize = 4;
/// How far clocks may be apart.
const LEEWAY_MS: i64 = jwt::LEEWAY_SECONDS * 1000;

/// Everyone who may push events.
pub(super) struct Receiver {
    remember_ms: i64,
    senders: Vec<Sender>,
    /// One event at a time changes what is remembered of accounts.
    noting: tokio::sync::Mutex<()>,
}

struct Sender {
    settings: Transmitter,
    keys: Arc<KeySet>,
    token_hash: Option<[u8; 32]>,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Receiver({} transmitters)", self.senders.len())
    }
}

/// What became of an event that was taken: a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Revoked,
    Noted,
    Ignored,
    NoSubject,
    Verification,
    Stream,
    Unknown,
    Replayed,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Outcome::Revoked => "revoked",
            Outcome::Noted => "noted",
            Outcome::Ignored => "ignored",
            Outcome::NoSubject => "no_subject",
            Outcome::Verification => "verification",
            Outcome::Stream => "stream",
            Outcome::Unknown => "unknown_type",
            Outcome::Replayed => "replayed",
        }
    }
}

impl Receiver {
    /// A receiver of these transmitters' events; keys in files are read now, others fetched beside.
    ///
    /// # Errors
    /// Keys that cannot be used, or a token that is not there.
    pub(super) fn new(settings: &SecurityEvents, desk: &Desk) -> Result<Receiver, SourceError> {
        let clock = &desk.journeys.parts().clock;
        let mut senders = Vec::with_capacity(settings.transmitters.len());
        for transmitter in &settings.transmitters {
            let keys = KeySet::new(&transmitter.jwks, clock.clone())?;
            let warm = keys.clone();
            tokio::spawn(async move { warm.refresh().await });
            let token = transmitter.token.as_ref().map(|secret| secret.reveal().map_err(SourceError::Secret));
            let token_hash = token.transpose()?.map(|token| hash(&token));
            senders.push(Sender { settings: transmitter.clone(), keys, token_hash });
        }
        let remember_ms = i64::try_from(settings.remember_for.as_millis()).unwrap_or(i64::MAX / 4);
        Ok(Receiver { remember_ms, senders, noting: tokio::sync::Mutex::default() })
    }

    /// Whose token this says it is; nothing is believed yet.
    fn sender(&self, token: &str) -> Result<&Sender, Refusal> {
        let issuer = set::issuer_unverified(token)?;
        self.senders.iter().find(|it| *it.settings.issuer == *issuer).ok_or(Refusal::ISSUER)
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// The routes of the decisions address.
pub(super) fn routes(desk: Desk, receiver: Arc<Receiver>) -> Router {
    Router::new()
        .route("/ssf/events", post(receive))
        .fallback(crate::api::problem::not_found)
        .with_state((desk, receiver))
}

/// Takes one event; 202 without a body once everything it does holds.
async fn receive(State((desk, receiver)): State<(Desk, Arc<Receiver>)>, headers: HeaderMap, body: Body) -> Response {
    match take(&desk, &receiver, &headers, body).await {
        Ok(()) => (StatusCode::ACCEPTED, [(header::CACHE_CONTROL, "no-store")]).into_response(),
        Err((transmitter, refusal)) => {
            // Anybody can be refused as nobody: that is counted, and logged only for whoever looks closely.
            match &transmitter {
                Some(name) => {
                    tracing::warn!(transmitter = &**name, reason = refusal.reason, "a security event was refused");
                }
                None => tracing::debug!(reason = refusal.reason, "a security event of nobody known was refused"),
            }
            let name = transmitter.unwrap_or_else(|| "unknown".into());
            desk.journeys.parts().metrics.security_event_refused(&name, refusal.reason);
            refusal.into_response()
        }
    }
}

type Refused = (Option<Arc<str>>, Refusal);

async fn take(desk: &Desk, receiver: &Receiver, headers: &HeaderMap, body: Body) -> Result<(), Refused> {
    let nobody = |refusal| (None, refusal);
    let token = read(headers, body).await.map_err(nobody)?;
    let sender = receiver.sender(&token).map_err(nobody)?;
    let named = |refusal| (Some(sender.settings.name.clone()), refusal);
    authenticate(sender, headers).map_err(named)?;
    let now_ms = desk.journeys.parts().clock.now_ms();
    let claims = set::verify(&token, &sender.settings, &sender.keys, now_ms, receiver.remember_ms).await;
    apply(desk, receiver, sender, &claims.map_err(named)?, now_ms).await.map_err(|error| {
        tracing::error!(%error, "a security event could not be kept; its transmitter has to send it again");
        named(Refusal::STATE)
    })
}

async fn read(headers: &HeaderMap, content: Body) -> Result<String, Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case(CONTENT_TYPE) {
        return Err(Refusal::CONTENT_TYPE);
    }
    let bytes = tokio::time::timeout(BODY_TIME_MAX, body::to_bytes(content, BODY_BYTES_MAX)).await;
    let bytes = bytes.map_err(|_| Refusal::SLOW)?.map_err(|_| Refusal::TOO_LARGE)?;
    String::from_utf8(bytes.into()).map_err(|_| Refusal::MALFORMED)
}

/// The token of the stream, where one is configured; compared in constant time.
fn authenticate(sender: &Sender, headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(expected) = &sender.token_hash else { return Ok(()) };
    let mut presented = headers.get_all(header::AUTHORIZATION).iter();
    let only = presented.next().filter(|_| presented.next().is_none()).and_then(|it| it.to_str().ok());
    let token = only.and_then(|it| it.split_once(' ')).filter(|it| it.0.eq_ignore_ascii_case("bearer"));
    let fits = token.is_some_and(|(_, token)| bool::from(expected.ct_eq(&hash(token.trim_start()))));
    if fits { Ok(()) } else { Err(Refusal::AUTHENTICATION) }
}

/// Does what every event of a token calls for, then remembers that the token was here.
async fn apply(desk: &Desk, receiver: &Receiver, sender: &Sender, claims: &Claims, now_ms: i64) -> Stored<()> {
    let mut outcomes = Vec::with_capacity(claims.events.len());
    for event in &claims.events {
        outcomes.push(one(desk, receiver, sender, claims, event, now_ms).await?);
    }
    let parts = desk.journeys.parts();
    // Last, for what is claimed counts as done.
    let id = parts.keys.pseudonym(&sender.settings.tenant, "jti", &format!("{}\u{0}{}", claims.issuer, claims.id));
    let expires_ms = claims.issued_ms.saturating_add(receiver.remember_ms).saturating_add(LEEWAY_MS);
    let once = parts.store.claim(now_ms, "security_event", id, crate::clock::random_id(), expires_ms).await?;
    for (event, outcome) in claims.events.iter().zip(outcomes) {
        let outcome = match once {
            Once::First => outcome,
            Once::Replay => Outcome::Replayed,
        };
        told(&parts.metrics, sender, event, outcome);
    }
    Ok(())
}

fn told(metrics: &Metrics, sender: &Sender, event: &Named, outcome: Outcome) {
    let other: Arc<str> = "other".into();
    let label = if event.is_known() { &event.name } else { &other };
    metrics.security_event(&sender.settings.name, label, outcome.name());
    let transmitter = &*sender.settings.name;
    // A name that nobody configured is cut and cleaned where it was read.
    tracing::info!(transmitter, event = &*event.name, outcome = outcome.name(), "a security event was taken");
}

async fn one(
    desk: &Desk,
    receiver: &Receiver,
    sender: &Sender,
    claims: &Claims,
    event: &Named,
    now_ms: i64,
) -> Stored<Outcome> {
    let action = match event.meaning {
        set::Meaning::Kind(action) => action,
        set::Meaning::Verification => return Ok(Outcome::Verification),
        set::Meaning::Stream => return Ok(Outcome::Stream),
        set::Meaning::Unknown => return Ok(Outcome::Unknown),
    };
    if action == Action::Ignore {
        return Ok(Outcome::Ignored);
    }
    let named = event.subject.as_ref().or(claims.subject.as_ref());
    let Some(name) = named.and_then(|it| subject::name(it, &sender.settings)) else { return Ok(Outcome::NoSubject) };
    let keys = &desk.journeys.parts().keys;
    let account = keys.account(&sender.settings.tenant, &name);
    let kept = Event {
        kind: event.name.clone(),
        at_ms: claims.issued_ms,
        until_ms: claims.issued_ms.saturating_add(receiver.remember_ms),
        subject: name,
        risk: event.risk.clone(),
        reason: event.reason.clone(),
    };
    let outcome = match action {
        Action::RevokeSessions => {
            revoke(desk, sender, account, &kept, now_ms).await?;
            Outcome::Revoked
        }
        Action::Note | Action::Ignore => Outcome::Noted,
    };
    let _one_at_a_time = receiver.noting.lock().await;
    note(desk, &sender.settings.tenant, account, kept, now_ms).await?;
    let account = data_encoding::HEXLOWER.encode(&account);
    let (transmitter, event) = (&*sender.settings.name, &*event.name);
    tracing::info!(transmitter, event, account, outcome = outcome.name(), "a security event about an account");
    Ok(outcome)
}

/// Ends what began before the event was issued, as far as clocks agree; devices only where this event is news, for they
/// do not say since when they are known.
async fn revoke(desk: &Desk, sender: &Sender, account: Id, event: &Event, now_ms: i64) -> Stored<()> {
    let before_ms = now_ms.min(event.at_ms.saturating_add(LEEWAY_MS));
    sessions::void(desk, account, before_ms).await?;
    let heard = heard(desk, &sender.settings.tenant, account, now_ms).await?;
    if heard.newest(&event.kind).is_none_or(|newest| newest < event.at_ms) {
        sessions::forget_devices(desk, account).await?;
    }
    Ok(())
}

async fn heard(desk: &Desk, tenant: &str, account: Id, now_ms: i64) -> Stored<Heard> {
    let parts = desk.journeys.parts();
    let entries = [heard::entry(tenant, account, &parts.keys)];
    let begin = Begin { entries: &entries, ..Begin::default() };
    let standing = parts.store.begin(now_ms, begin).await?;
    let sealed = standing.entries.into_iter().next().flatten();
    // What cannot be read any more is begun anew.
    Ok(sealed.and_then(|sealed| Heard::open(tenant, &account, &sealed, &parts.keys)).unwrap_or_default())
}

/// Remembers an event. Another node may write at the same moment: what was written is read again.
async fn note(desk: &Desk, tenant: &str, account: Id, event: Event, now_ms: i64) -> Stored<()> {
    let parts = desk.journeys.parts();
    let keys: &Keys = &parts.keys;
    for _ in 0..WRITES_MAX {
        let mut heard = heard(desk, tenant, account, now_ms).await?;
        if heard.newest(&event.kind).is_some_and(|newest| newest >= event.at_ms) {
            return Ok(());
        }
        heard.note(event.clone(), now_ms);
        let (_, drawer, id) = heard::entry(tenant, account, keys);
        parts.store.enrol(account, drawer, id, heard.seal(tenant, &account, keys)).await?;
        if heard.newest(&event.kind).is_none() {
            // Newer ones of more types than are kept pushed it out.
            return Ok(());
        }
    }
    Ok(())
}
