//! The app ends its session: by an answer that takes its session cookie back, whatever the request was.
//!
//! Then ours is over too, with its proofs and all that waits for one (DESIGN §9). A visitor who is not signed in keeps
//! hers: apps clear their cookie on many a page that strangers see. When the store is lost the app's cookie is gone all
//! the same, and without it the session names nobody.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};

use crate::{
    actions::within,
    arrival::Arrival,
    journey::{
        Parts,
        seam::Seen,
        stand::{self, Loss},
        visit::Visit,
    },
    sessions::cookies::{self, Cookie, Scope},
};

/// Whether an answer takes back a cookie by which the app knows its sessions. Of several lines for one cookie browsers
/// believe the last.
pub fn is_one(parts: &Parts, headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::SET_COOKIE).iter().filter_map(|line| line.to_str().ok());
    let cookies = lines.filter_map(|line| line.split_once('=').map(|(name, rest)| (name.trim(), rest)));
    let ours = cookies.filter(|(name, _)| parts.is_app_session(name));
    let mut taken: Vec<(&str, bool)> = Vec::new();
    for (name, rest) in ours {
        taken.retain(|(before, _)| *before != name);
        taken.push((name, is_taken_back(rest)));
    }
    taken.iter().any(|(_, is_taken)| *is_taken)
}

/// By an empty value, no time left, or a date in the seventies.
fn is_taken_back(rest: &str) -> bool {
    let mut parts = rest.split(';').map(str::trim);
    let value = parts.next().unwrap_or_default();
    value.trim_matches('"').is_empty()
        || parts.filter_map(|part| part.split_once('=')).any(|(name, value)| match &*name.trim().to_ascii_lowercase() {
            "max-age" => value.trim().parse::<i64>().is_ok_and(|seconds| seconds <= 0),
            "expires" => value.contains(" 1970 ") || value.contains("-1970 ") || value.contains("-70 "),
            _ => false,
        })
}

/// Ends the session of a request that was no event; the lines returned are added to the app's answer.
pub async fn of(parts: &Parts, arrival: &Arc<Arrival>) -> Vec<HeaderValue> {
    let seen = Seen { release: parts.registry.current(), reads_body: None, keeps_body: 0, candidates: Vec::new() };
    let mut visit = Visit::begin(parts, arrival, seen).await;
    end(parts, &mut visit).await
}

/// Ends the session of somebody who was signed in.
pub async fn end(parts: &Parts, visit: &mut Visit) -> Vec<HeaderValue> {
    match try_end(parts, visit).await {
        Ok(cookie) => cookie.into_iter().collect(),
        Err(Loss(error)) => {
            tracing::warn!(%error, "a session could not be ended; without the app's cookie it names nobody");
            Vec::new()
        }
    }
}

async fn try_end(parts: &Parts, visit: &mut Visit) -> Result<Option<HeaderValue>, Loss> {
    stand::read_session(parts, visit).await?;
    let Some(session) = visit.session.as_mut().filter(|session| session.record.subject.is_some()) else {
        return Ok(None);
    };
    within(session.end(&*parts.store)).await.map_err(Loss)?;
    let scope = Scope::of(&visit.arrival.request);
    Ok(scope.and_then(|scope| cookies::clear(Cookie::Session, scope).parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_taken_back_as_frameworks_do_it() {
        for rest in [
            "; Path=/",
            "\"\"; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/",
            "deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT; Max-Age=0; path=/",
            "x; Max-Age=-1",
            "x; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        ] {
            assert!(is_taken_back(rest), "{rest}");
        }
        for rest in ["abc; Path=/; HttpOnly", "abc; Max-Age=3600", "1970; Expires=Thu, 01 Jan 2099 00:00:00 GMT"] {
            assert!(!is_taken_back(rest), "{rest}");
        }
    }
}
