//! What vendors send by themselves, at `/.stepward/inbound/<connector>` on every host.
//!
//! It needs no session and gives none. Without a good signature it is 401, whatever it says and whether or not there is
//! such a connector; with one it is taken, and the answer never says whether anything was waiting for it. A message is
//! read as often as it comes and counts once: what it tells is written where nothing is changed, and the same id with
//! another content is ignored. Where the store does not answer the vendor is told to come again.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use sha2::{Digest as _, Sha256};
use stepward_core::connector::receive::Message;

use crate::{
    arrival::Arrival,
    challenges::{Challenges, verification::kept::Keeper},
    reply::Reply,
    store::{Once, StateStore, Stored},
};

/// Where vendors send to, on every host.
pub const PREFIX: &str = "/.stepward/inbound/";
/// How long an id of a message is remembered.
const REMEMBERED_MS: i64 = 24 * 60 * 60 * 1000;
/// Longest id and longest reference that are looked at, in bytes.
const NAME_BYTES_MAX: usize = 1024;

/// The answer to what a vendor sent.
pub async fn receive(challenges: &Challenges, arrival: &Arrival) -> Reply {
    let connector = arrival.request.path.strip_prefix(PREFIX).unwrap_or_default();
    if &*arrival.request.method != "POST" {
        return empty(StatusCode::METHOD_NOT_ALLOWED);
    }
    match taken(challenges, arrival, connector).await {
        Ok(status) => empty(status),
        Err(error) => {
            tracing::warn!(%error, "what a vendor sent could not be kept; it has to come again");
            empty(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

async fn taken(challenges: &Challenges, arrival: &Arrival, connector: &str) -> Stored<StatusCode> {
    let (headers, body) = (headers(&arrival.headers), arrival.body.as_deref().unwrap_or_default());
    let message = Message { method: &arrival.request.method, path: &arrival.request.path, headers: &headers, body };
    let now_ms = challenges.clock.now_ms();
    let (received, standing) = match challenges.vendors().receive(connector, &message, now_ms) {
        Ok(read) => read,
        Err(refused) => {
            tracing::warn!(why = refused.name(), request = &*arrival.id, "what came as from a vendor is refused");
            return Ok(StatusCode::UNAUTHORIZED);
        }
    };
    let (Some(reference), Some(standing)) = (received.reference, standing) else {
        let class = received.answer.class.name();
        tracing::info!(connector, class, "a vendor sent something that says nothing here");
        return Ok(StatusCode::OK);
    };
    if received.event.len() > NAME_BYTES_MAX || reference.len() > NAME_BYTES_MAX {
        return Ok(StatusCode::OK);
    }
    let keeper = Keeper::of(challenges);
    let Some((tenant, case, expires_ms)) = keeper.about(connector, &reference).await? else {
        return Ok(StatusCode::OK);
    };
    let token = challenges.keys.pseudonym("", "inbound", &format!("{connector} {}", received.event));
    // The same message again is the same caller: what broke off half-way is done to its end.
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(body));
    let nonce = challenges.keys.pseudonym("", "inbound body", &digest);
    if challenges.store.claim(now_ms, "inbound", token, nonce, now_ms + REMEMBERED_MS).await? == Once::Replay {
        tracing::warn!(connector, "a vendor sent something else under an id that it had used");
        return Ok(StatusCode::OK);
    }
    keeper.tell(&tenant, case, standing, expires_ms).await?;
    Ok(StatusCode::OK)
}

fn headers(headers: &HeaderMap) -> Vec<(Arc<str>, String)> {
    let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        Some((name.as_str().into(), value.to_str().ok()?.to_owned()))
    };
    headers.iter().filter_map(text).collect()
}

fn empty(status: StatusCode) -> Reply {
    Reply::new(status, "text/plain; charset=utf-8", "")
}
