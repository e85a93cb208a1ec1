//! `stepward run`

use std::{net::SocketAddr, path::PathBuf};

use crate::{
    cli::{Came, Exit, Failed, say, serve},
    render::Format,
    settings::{self, Presence},
    vendors::mock::detour::Elsewhere,
};

/// Serve, as `stepward.yaml` says.
#[derive(Debug, clap::Args)]
pub(super) struct Run {
    /// The settings; paths in them are relative to this file
    #[arg(short, long, value_name = "FILE", default_value = "stepward.yaml", env = "STEPWARD_CONFIG")]
    config: PathBuf,
    /// Call `stepward connector mock` at this address of this machine instead of every vendor: for trying things out. No
    /// vendor is called and no secret of a connector is read
    #[arg(long, value_name = "ADDRESS")]
    mock: Option<SocketAddr>,
}

impl Run {
    pub(super) fn run(self) -> Came {
        if let Some(elsewhere) = self.mock.filter(|it| !it.ip().is_loopback()) {
            return Err(Failed::new(Exit::Refused, Elsewhere(elsewhere)));
        }
        // Who tries things out has no keys of vendors; what else is missing is warned about, and ends the start.
        let presence = if self.mock.is_some() { Presence::Advised } else { Presence::Required };
        match settings::load(&self.config, presence) {
            Ok(mut loaded) => {
                loaded.settings.mock = self.mock;
                if !loaded.found.is_empty() {
                    say::findings(&loaded.found, &loaded.texts, Format::Human);
                }
                serve::serve(loaded.settings, None)
            }
            Err(rejected) => {
                say::findings(&rejected.found, &rejected.texts, Format::Human);
                Ok(Exit::CannotLoad)
            }
        }
    }
}
