//! `stepward version`

use crate::cli::{Came, Exit, say};

/// Print the version.
#[derive(Debug, clap::Args)]
pub(super) struct Version {
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Version {
    pub(super) fn run(self) -> Came {
        let version = env!("CARGO_PKG_VERSION");
        match self.json {
            true => say::data(&format!("{}\n", serde_json::json!({ "name": "stepward", "version": version }))),
            false => say::data(&format!("stepward {version}\n")),
        }
        Ok(Exit::Ok)
    }
}
