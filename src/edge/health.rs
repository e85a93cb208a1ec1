//! Asks the addresses of an app, now and then, whether they are well.
//!
//! Runs in the background and never on a request. An address that fails so many times in a row gets no requests while
//! another is well, until it has passed so many times in a row; nothing is assumed of one that was not asked yet. Where
//! every address is down they are tried all the same: a check that is wrong must not take the app away.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use http::header;
use pingora::{Result, http::RequestHeader};
use tokio::time::{self, MissedTickBehavior, timeout};

use crate::{
    edge::{
        relay::Relay,
        upstream::{Place, Upstream, Upstreams},
    },
    settings::Health,
};

/// Who asks, for the app's own log.
const USER_AGENT: &str = "stepward-health";

/// Asks every app that wants to be asked, until dropped.
pub(crate) async fn watch(upstreams: Arc<Upstreams>) {
    let relay = Relay::default();
    join_all(upstreams.all().filter_map(|upstream| Some(rounds(upstream, upstream.settings.health.as_ref()?, &relay))))
        .await;
}

async fn rounds(upstream: &Upstream, health: &Health, relay: &Relay) {
    let mut ticks = time::interval(health.every.max(Duration::from_millis(10)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let places = upstream.addresses();
        join_all(places.iter().map(|place| round(upstream, place, health, relay))).await;
        upstream.tell();
    }
}

async fn round(upstream: &Upstream, place: &Place, health: &Health, relay: &Relay) {
    let name = &*upstream.settings.name;
    let answer = timeout(health.within, ask(upstream, place, health, relay)).await;
    let trouble = match answer {
        Ok(Ok(status)) if is_well(status, &health.status) => None,
        Ok(Ok(status)) => Some(format!("status {status}")),
        Ok(Err(error)) => Some(error.etype().as_str().to_owned()),
        Err(_) => Some(format!("no answer within {} ms", health.within.as_millis())),
    };
    match place.checked(trouble.is_none(), health) {
        Some(true) => tracing::info!(upstream = name, address = %place, "upstream address is up again"),
        Some(false) => tracing::warn!(upstream = name, address = %place, trouble, "upstream address is down"),
        None => {}
    }
}

async fn ask(upstream: &Upstream, place: &Place, health: &Health, relay: &Relay) -> Result<u16> {
    let mut request = RequestHeader::build("GET", health.path.as_bytes(), Some(2))?;
    request.insert_header(header::HOST, &*health.host)?;
    request.insert_header(header::USER_AGENT, USER_AGENT)?;
    relay.ask(upstream, place, request).await
}

fn is_well(status: u16, wanted: &[u16]) -> bool {
    if wanted.is_empty() { (200..300).contains(&status) } else { wanted.contains(&status) }
}
