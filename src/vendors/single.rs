//! One call to one vendor outside any route: for recording, for looking whether it still answers as recorded, and for
//! comparing two. The same client as the gateway's, the same guard; no cache, no limits, nothing remembered.
//!
//! It asks what a route would ask: the connector's first `lookup`, else its first `verify`.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use stepward_core::connector::{Connector, Named, Operation};

use crate::{
    clock::Clock,
    settings::Secret,
    vendors::{
        client::{Answer, Ask, Client, Heard},
        fixtures, load,
    },
};

/// Names and values, owned.
pub type Pairs = Vec<(Arc<str>, Arc<str>)>;

/// A vendor that can be called.
pub struct Caller<'a> {
    operation: &'a Operation,
    client: Client,
    secrets: Pairs,
}

/// What came of a call.
pub struct Called {
    /// The inputs it was about: those that the connector declares.
    pub inputs: Pairs,
    /// What the vendor answered, and what that means.
    pub heard: Heard,
    /// When it was asked, in milliseconds since 1970.
    pub now_ms: i64,
    /// How long it took.
    pub took: Duration,
}

impl Called {
    /// What the vendor answered, or why there is no answer.
    ///
    /// # Errors
    /// There is none; fixed words tell why.
    pub fn reply(&self) -> Result<&Answer, &str> {
        self.heard.reply.as_ref().ok_or(self.heard.answer.why.as_deref().unwrap_or("no answer"))
    }
}

impl<'a> Caller<'a> {
    /// A vendor with the secrets it needs; with a `mock` it is that instead, and no secret is read.
    ///
    /// # Errors
    /// A secret or a setting is missing, the mock is not on this machine, no client can be made, or there is nothing that
    /// a route could ask.
    pub fn new(
        connector: &'a Connector,
        secrets: &BTreeMap<Arc<str>, Secret>,
        mock: Option<SocketAddr>,
    ) -> Result<Self, String> {
        let operation = connector.asked().ok_or("it has neither a `lookup` nor a `verify`")?;
        if let Some(name) = connector.unset.first() {
            return Err(format!("`{}.{name}` is required and has no value under `connector_config`", connector.id));
        }
        let own: Arc<[SocketAddr]> = Arc::default();
        let (client, secrets) = match mock {
            Some(mock) => (Client::detoured(connector, mock, &own)?, fixtures::masked(connector)),
            None => {
                let secrets = load::revealed(connector, secrets)?;
                (Client::new(connector, secrets.clone(), &own)?, secrets)
            }
        };
        Ok(Caller { operation, client, secrets })
    }

    /// Asks about these inputs; `None` where the connector has nothing to ask.
    pub async fn ask(&self, given: &Named) -> Option<Called> {
        let (operation, now_ms) = (self.operation, Clock::System.now_ms());
        let inputs = operation.inputs(given, now_ms)?;
        let began = Instant::now();
        let deadline = tokio::time::Instant::now() + Duration::from_millis(operation.timeout_ms);
        let heard = self.client.ask(&Ask { operation, inputs: &inputs, state: &[], now_ms, deadline }).await;
        Some(Called { heard, now_ms, took: began.elapsed(), inputs })
    }

    /// The secrets it was given, by name: to be kept out of what is written down.
    pub fn secrets(&self) -> &Named {
        &self.secrets
    }
}
