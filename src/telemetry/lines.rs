//! Log lines on standard error, and one line a request where the settings want them. Logging cannot fail a request; a
//! reader that is gone is ignored.

use std::{
    io::{self, IsTerminal},
    sync::Arc,
};

use tracing_subscriber::{EnvFilter, Layer, filter::filter_fn, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    settings::LogTarget,
    telemetry::{Log, Metrics, writer::Writer},
};

/// What is logged where `STEPWARD_LOG` says nothing. Pingora tells every client that hangs up; that is not our news.
const DEFAULT_FILTER: &str = "info,pingora_proxy=off,pingora_core=error,pingora=error,h2=error,hyper=error";
/// The target of lines about single requests.
const ACCESS: &str = "access";

/// The log of requests of this process; clones share it.
#[derive(Clone)]
pub struct AccessLog(Arc<Writer>);

impl AccessLog {
    /// Opens the file anew, after it was moved away by log rotation.
    pub fn reopen(&self) {
        self.0.reopen();
    }

    /// Why nothing can be written at the moment, if so.
    pub fn trouble(&self) -> Option<String> {
        self.0.trouble()
    }
}

/// Sends log lines to standard error: one JSON object each, or plain text on a terminal. `STEPWARD_LOG` filters.
/// Lines about requests go to `access_log`, or nowhere. A second call changes nothing, so that tests may start many
/// gateways in one process.
///
/// # Errors
/// The access log cannot be opened.
pub fn install(access_log: Option<&LogTarget>, metrics: &Metrics) -> io::Result<Option<AccessLog>> {
    let filter = EnvFilter::try_from_env("STEPWARD_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let talk = filter_fn(|meta| meta.target() != ACCESS);
    let (people, scripts) = match io::stderr().is_terminal() {
        true => (Some(fmt::layer().with_writer(io::stderr).with_target(false)), None),
        false => (None, Some(fmt::layer().json().flatten_event(true).with_writer(io::stderr))),
    };
    let access = access_log.map(|target| access(target, metrics)).transpose()?;
    let requests = access.clone().map(|log| {
        let lines = fmt::layer().json().flatten_event(true).with_target(false).with_level(false);
        lines.with_writer(move || Line(log.clone())).with_filter(filter_fn(|meta| meta.target() == ACCESS))
    });
    let talk = people.with_filter(talk.clone()).and_then(scripts.with_filter(talk)).with_filter(filter);
    // The error says that a subscriber is there already, which is all we want.
    let _ = tracing_subscriber::registry().with(talk).with(requests).try_init();
    Ok(access.map(AccessLog))
}

fn access(target: &LogTarget, metrics: &Metrics) -> io::Result<Arc<Writer>> {
    Writer::open(Log::Access, target, |_| {}, metrics.clone()).map(Arc::new)
}

/// Leaves each formatted line to the log's own thread, so that no request waits for a disk.
struct Line(Arc<Writer>);

impl io::Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes.trim_ascii_end());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
