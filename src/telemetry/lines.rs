//! Log lines on standard error. Logging cannot fail a request; a reader that is gone is ignored.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// What is logged where `STEPWARD_LOG` says nothing. Pingora tells every client that hangs up; that is not our news.
const DEFAULT_FILTER: &str = "info,pingora_proxy=error,pingora_core=error,pingora=error,h2=error,hyper=error";

/// Sends log lines to standard error: one JSON object each, or plain text on a terminal. `STEPWARD_LOG` filters.
/// A second call changes nothing, so that tests may start many gateways in one process.
pub fn install() {
    let filter = EnvFilter::try_from_env("STEPWARD_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // The error says that a subscriber is there already, which is all we want.
    let _ = if std::io::stderr().is_terminal() {
        lines.with_target(false).try_init()
    } else {
        lines.json().flatten_event(true).try_init()
    };
}
