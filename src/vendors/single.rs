//! One call to one vendor outside any route: for recording, for looking whether it still answers as recorded, and for
//! comparing two. The same client as the gateway's, the same guard; no cache, no retry, nothing remembered.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use stepward_core::connector::{Class, Connector, Interpreted, Named};

use crate::{
    settings::Secret,
    vendors::{
        client::{Answer, Client},
        fixtures,
    },
};

/// Names and values, owned.
pub type Pairs = Vec<(Arc<str>, Arc<str>)>;

/// A vendor that can be called.
pub struct Caller<'a> {
    connector: &'a Connector,
    client: Client,
    secrets: Pairs,
}

/// What came of a call.
pub struct Called {
    /// The inputs it was about: those that the connector declares.
    pub inputs: Pairs,
    /// What the vendor answered, or why there is no answer.
    pub answer: Result<Answer, &'static str>,
    /// What that means.
    pub interpreted: Interpreted,
    /// How long it took.
    pub took: Duration,
}

impl<'a> Caller<'a> {
    /// A vendor with the secrets it needs; with a `mock` it is that instead, and no secret is read.
    ///
    /// # Errors
    /// A secret is missing, the mock is not on this machine, or no client can be made.
    pub fn new(
        connector: &'a Connector,
        secrets: &BTreeMap<Arc<str>, Secret>,
        mock: Option<SocketAddr>,
    ) -> Result<Self, String> {
        let own: Arc<[SocketAddr]> = Arc::default();
        let (client, secrets) = match mock {
            Some(mock) => (Client::detoured(connector, mock, &own)?, fixtures::masked(connector)),
            None => (Client::new(connector, &own)?, revealed(connector, secrets)?),
        };
        Ok(Caller { connector, client, secrets })
    }

    /// Asks about these inputs; `None` where the connector has nothing to ask.
    pub async fn ask(&self, given: &Named) -> Option<Called> {
        let inputs = self.connector.inputs(given)?;
        let prepared = self.connector.prepare(&inputs, &self.secrets)?;
        let began = Instant::now();
        let answer = self.client.call(prepared, Duration::from_millis(self.connector.timeout_ms)).await;
        let took = began.elapsed();
        let interpreted = match &answer {
            Ok(answer) => self.connector.interpret(answer.status, &answer.body, &inputs),
            Err(_) => Interpreted { class: Class::Unavailable, values: vec![None; self.connector.provides.len()] },
        };
        Some(Called { inputs, answer, interpreted, took })
    }

    /// The secrets it was given, by name: to be kept out of what is written down.
    pub fn secrets(&self) -> &Named {
        &self.secrets
    }
}

fn revealed(connector: &Connector, secrets: &BTreeMap<Arc<str>, Secret>) -> Result<Pairs, String> {
    let of = |name: &Arc<str>| {
        let full = format!("{}.{name}", connector.id);
        let secret = secrets.get(full.as_str()).ok_or(format!("`{full}` is not under `secrets` in the settings"))?;
        let value = secret.reveal().map_err(|why| format!("there is no secret `{full}` at {why}"))?;
        Ok((name.clone(), Arc::from(value.as_str())))
    };
    connector.secrets.iter().map(of).collect()
}
