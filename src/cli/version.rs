//! `stepward version`

use serde_json::json;

use crate::cli::{Came, Exit, say};

/// Print the version.
#[derive(Debug, clap::Args)]
pub(super) struct Version {
    #[command(flatten)]
    printed: say::Printed,
}

impl Version {
    pub(super) fn run(self) -> Came {
        let version = env!("CARGO_PKG_VERSION");
        self.printed.answer(&json!({ "name": "stepward", "version": version }), || format!("stepward {version}\n"));
        Ok(Exit::Ok)
    }
}
