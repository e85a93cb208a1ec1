//! What commands need that call a vendor: its connector, its secrets, and whether the mock is meant instead.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc};

use stepward_core::diagnostic;

use crate::{
    cli::{Came, Exit, Failed, connector::All},
    settings::{self, Presence, Secret},
    vendors::single::{Called, Caller},
};

#[derive(Debug, clap::Args)]
pub(super) struct Live {
    /// The settings, which name connectors and secrets
    #[arg(short, long, value_name = "FILE", default_value = "stepward.yaml", env = "STEPWARD_CONFIG")]
    config: PathBuf,
    /// Folder of connectors; the one of the settings, else `connectors`, if left out
    #[arg(long, value_name = "FOLDER")]
    connectors: Option<PathBuf>,
    /// Call `stepward connector mock` at this address instead of the vendor; no secret is read
    #[arg(long, value_name = "ADDRESS")]
    mock: Option<SocketAddr>,
}

/// Connectors that can be called.
pub(super) struct Opened {
    pub(super) all: All,
    pub(super) folder: PathBuf,
    secrets: BTreeMap<Arc<str>, Secret>,
    mock: Option<SocketAddr>,
}

impl Live {
    /// Reads settings and connectors, those named here too if they come with Stepward; `Err` is what the command comes to.
    pub(super) fn open(&self, ids: &[&str]) -> Result<Opened, Came> {
        // Only the secrets are taken from the settings: whether the rest is sound is told by `check`.
        let settings = settings::load(&self.config, Presence::Advised).ok().map(|it| it.settings);
        let named = settings.as_ref().and_then(|it| it.connectors.clone());
        let folder = self.connectors.clone().or(named).unwrap_or_else(|| "connectors".into());
        let (secrets, given) = settings.map(|it| (it.secrets, it.connector_config)).unwrap_or_default();
        let mut all = All::with_shipped(&folder, ids, &given).map_err(Ok)?;
        if self.mock.is_some() {
            all.stand_in(&given, &folder).map_err(Ok)?;
        }
        Ok(Opened { all, folder, secrets, mock: self.mock })
    }
}

impl Opened {
    /// Whether these are inputs of the connector, and none is missing that it cannot do without.
    pub(super) fn check(&self, id: &str, given: &[(Arc<str>, Arc<str>)]) -> Result<(), Failed> {
        let (source, _) = self.all.find(id)?;
        let inputs = &source.document().inputs;
        let senseless = |why: String| Err(Failed::because(Exit::Usage, why));
        if let Some((name, _)) = given.iter().find(|(name, _)| !inputs.contains_key(&**name)) {
            let near = diagnostic::nearest(name, inputs.keys().map(String::as_str));
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return senseless(format!("`{id}` has no input `{name}`{near}"));
        }
        let is_given = |name: &str| given.iter().any(|(it, _)| **it == *name);
        match inputs.iter().find(|(name, input)| input.required && !is_given(name)) {
            Some((name, _)) => senseless(format!("`{id}` needs the input `{name}`: `--input {name}=…`")),
            None => Ok(()),
        }
    }

    /// One connector, ready to be called.
    pub(super) fn caller(&self, id: &str) -> Result<Caller<'_>, Failed> {
        let (_, connector) = self.all.find(id)?;
        Caller::new(connector, &self.secrets, self.mock)
            .map_err(|why| Failed::because(Exit::CannotLoad, format!("`{id}`: {why}")))
    }
}

/// Asks once, and says so where there is nothing to ask.
pub(super) async fn ask(caller: &Caller<'_>, id: &str, given: &[(Arc<str>, Arc<str>)]) -> Result<Called, Failed> {
    caller.ask(given).await.ok_or_else(|| {
        let why = format!("`{id}` makes no call for these inputs: its `skip_when` holds");
        Failed::because(Exit::Usage, why)
    })
}

/// A runtime for one command.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failed::new(Exit::CannotLoad, error))
}
