//! One JSON line a request, for those who want one. No query, no header, no body: a path at most, and who asked only
//! by network.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use serde_json::json;

use crate::{
    outcomes::{record, writer::Writer},
    settings::LogTarget,
    telemetry::{Log, Metrics},
};

/// A request that has been answered.
#[derive(Clone, Debug)]
pub struct Answered {
    /// When it came, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Its id, which is also its decision's.
    pub id: Arc<str>,
    /// The client.
    pub client_ip: IpAddr,
    /// Method.
    pub method: Arc<str>,
    /// Host.
    pub host: Arc<str>,
    /// Path, without the query.
    pub path: Arc<str>,
    /// Status of the answer.
    pub status: u16,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// The upstream that answered; `None` if Stepward did.
    pub upstream: Option<Arc<str>>,
    /// The event it was, if any.
    pub event: Option<Arc<str>>,
    /// From its first byte to the answer's last.
    pub took: Duration,
}

/// The access log; clones share it.
#[derive(Clone)]
pub struct AccessLog {
    writer: Arc<Writer<Answered>>,
}

impl AccessLog {
    /// Opens the log.
    pub fn open(target: &LogTarget, metrics: Metrics) -> io::Result<Self> {
        Ok(AccessLog { writer: Arc::new(Writer::open(Log::Access, target, |it| line(&it), metrics)?) })
    }

    /// Hands a request over; never waits.
    pub fn record(&self, answered: Answered) {
        self.writer.write(answered);
    }

    /// Why nothing can be written at the moment, if so.
    pub fn trouble(&self) -> Option<String> {
        self.writer.trouble()
    }

    /// Opens the file anew.
    pub fn reopen(&self) {
        self.writer.reopen();
    }

    /// Waits until everything handed over so far is written, at most so long; whether it was.
    pub fn flush(&self, wait: Duration) -> bool {
        self.writer.flush(wait)
    }
}

fn line(it: &Answered) -> String {
    json!({
        "schema": "stepward.access/1",
        "time": record::time(it.at_ms),
        "id": it.id,
        "client": record::network_of(it.client_ip),
        "method": it.method,
        "host": it.host,
        "path": it.path,
        "status": it.status,
        "bytes": it.bytes,
        "upstream": it.upstream,
        "event": it.event,
        "duration_us": u64::try_from(it.took.as_micros()).unwrap_or(u64::MAX),
    })
    .to_string()
}
