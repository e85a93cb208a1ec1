//! `stepward reload`

use serde_json::Value;

use crate::cli::{Came, Exit, client, say};

/// Make a running Stepward read its policies again.
#[derive(Debug, clap::Args)]
pub(super) struct Reload {
    #[command(flatten)]
    server: client::Server,
    #[command(flatten)]
    printed: say::Printed,
}

impl Reload {
    pub(super) fn run(self) -> Came {
        let told = self.server.post("/api/v1/reload", &Value::Null)?;
        self.printed.answer(&told, || {
            let policies = told.get("policies").and_then(Value::as_array).map_or(0, Vec::len);
            let release = told.get("release").and_then(Value::as_u64).unwrap_or_default();
            format!("release {release}, {policies} policies\n")
        });
        Ok(Exit::Ok)
    }
}
