//! Tokens that vendors hand out: got once, shared by all calls of a connector, renewed before they end.
//!
//! While one call gets a token the others wait for it. A refused token is thrown away once, however many were refused
//! with it. Tokens live in memory only; nothing of them is ever logged.

use std::sync::Arc;

use stepward_core::connector::{
    Class, Named,
    auth::token::TokenSource,
    document::operation::Cause,
    request::{Asked, Moment},
};
use tokio::{sync::Mutex, time::Instant};

use crate::vendors::{
    client::{Failure, Sender},
    signing,
};

/// Largest answer of a token endpoint, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The tokens of one connector, by where they come from.
#[derive(Default)]
pub(super) struct Tokens {
    held: Mutex<Vec<(usize, Held)>>,
}

#[derive(Clone)]
struct Held {
    token: Arc<str>,
    renew_at: Instant,
}

impl Tokens {
    /// A token that is good, and not the one that was just refused.
    pub(super) async fn get(
        &self,
        source: &Arc<TokenSource>,
        way: Sender<'_>,
        secrets: &Named,
        now_ms: i64,
        refused: Option<Arc<str>>,
    ) -> Result<Arc<str>, Failure> {
        let key = Arc::as_ptr(source) as usize;
        // Held while it is fetched: whoever comes meanwhile waits for the same token.
        let mut held = self.held.lock().await;
        let found = held.iter().find(|(it, _)| *it == key).map(|(_, it)| it.clone());
        let good = found.filter(|it| Instant::now() < it.renew_at && refused.as_deref() != Some(&*it.token));
        if let Some(good) = good {
            return Ok(good.token);
        }
        let fresh = fetch(source, way, secrets, now_ms).await?;
        held.retain(|(it, _)| *it != key);
        held.push((key, fresh.clone()));
        Ok(fresh.token)
    }
}

async fn fetch(source: &TokenSource, way: Sender<'_>, secrets: &Named, now_ms: i64) -> Result<Held, Failure> {
    let ours = |why| Failure::lasting(Class::ConfigError, why);
    let moment = Moment { now_ms, uuid: super::client::uuid() };
    let asked = Asked { inputs: &[], secrets, state: &[], token: None, moment: &moment };
    let claims = source.claims(asked).ok_or(ours("a secret of the token request is missing"))?;
    let assertion = match &claims {
        Some(claims) => Some(signing::jwt(claims).map_err(ours)?),
        None => None,
    };
    let prepared = source.prepare(asked, assertion.as_deref()).ok_or(ours("the token request cannot be made"))?;
    let began = Instant::now();
    let answer = way.exchange(prepared, ANSWER_BYTES_MAX).await?;
    let (token, good_ms) = source.read(answer.status, &answer.body).ok_or_else(|| refused(answer.status))?;
    // Short-lived ones are renewed at half their life.
    let lead_ms = source.refresh_before_ms.min(good_ms / 2);
    let renew_at = began + std::time::Duration::from_millis(good_ms.min(30 * 86_400_000) - lead_ms.min(good_ms));
    Ok(Held { token: token.into(), renew_at })
}

/// Why there is no token. What is wrong with a request that holds nothing but our own settings is ours to mend
/// (RFC 6749 §5.2: `invalid_client`, `invalid_scope`, …).
fn refused(status: u16) -> Failure {
    match status {
        200..=299 => Failure::lasting(Class::ContractError, "there is no token in the answer"),
        429 => {
            Failure { cause: Some(Cause::RateLimited), ..Failure::lasting(Class::RateLimited, "no token was given") }
        }
        400..=499 => Failure::lasting(Class::ConfigError, "the token request was refused"),
        500..=599 => {
            Failure { cause: Some(Cause::ServerError), ..Failure::lasting(Class::Unavailable, "no token was given") }
        }
        _ => Failure::lasting(Class::ContractError, "no token was given"),
    }
}
