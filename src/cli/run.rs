//! `stepward run`

use std::path::PathBuf;

use crate::{
    cli::{Came, Exit, say, serve},
    render::Format,
    settings::{self, Presence},
};

/// Serve, as `stepward.yaml` says.
#[derive(Debug, clap::Args)]
pub(super) struct Run {
    /// The settings; paths in them are relative to this file
    #[arg(short, long, value_name = "FILE", default_value = "stepward.yaml", env = "STEPWARD_CONFIG")]
    config: PathBuf,
}

impl Run {
    pub(super) fn run(self) -> Came {
        match settings::load(&self.config, Presence::Required) {
            Ok(loaded) => {
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
