//! Routes over real sockets: who is asked when others stall, fail, flap, are slow or dear, and what a policy is told.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
    time::Duration,
};

use stepward::{
    clock::Clock,
    telemetry::Metrics,
    vendors::{
        Answers, Question, Vendors,
        load::{self, Legacy, Surroundings},
    },
};
use stepward_core::{
    facts::{Path, Reading, Why},
    value::Value,
};
use tokio::time::Instant;

use crate::vendors::{Does, Vendor, http, json, write};

mod gateway;
mod outage;
mod rehearsal;
mod salvage;
mod several;
mod shares;
mod whole;

const START_MS: i64 = 1_700_000_000_000;

/// A connector's file; what is in braces is filled in.
const CONNECTOR: &str = r#"
connector: {id}
capability: ip_reputation
network: internal
data: { sends: [ip] }
inputs: { ip: { required: true } }
operations:
  lookup:
    request: { method: GET, url: "{url}/check/${input.ip}" }
    timeout: 400ms
    response:
      outcome: [{ when: status == 404, then: not_found }]
      map: { ip.risk_score: body.score, ip.country: body.country, ip.is_tor: body.tor, ip.tags: body.tags }
"#;

/// Vendors `a`, `b`, `c` and the route over them.
struct Fleet {
    vendors: Vendors,
    metrics: Metrics,
    clock: Arc<AtomicI64>,
    folder: tempfile::TempDir,
    paid_left: AtomicU32,
}

/// What is said about a route.
struct Plan<'a> {
    vendors: &'a [&'a Vendor],
    /// Members, one for each vendor; `shadow` and the like stand in `more`.
    members: usize,
    /// More lines of each connector's file: at its top, and in its operation.
    top: &'a [&'a str],
    operation: &'a [&'a str],
    /// More lines of the route.
    more: &'a str,
}

impl<'a> Plan<'a> {
    fn of(vendors: &'a [&'a Vendor], more: &'a str) -> Self {
        Plan { vendors, members: vendors.len(), top: &[], operation: &[], more }
    }

    fn write(&self, folder: &std::path::Path) {
        let mut route = "capability: ip_reputation\nconnectors:\n".to_owned();
        for (at, vendor) in self.vendors.iter().enumerate() {
            let id = ["a", "b", "c"][at];
            let mut text = CONNECTOR.replace("{id}", id).replace("{url}", &format!("http://{}", vendor.address));
            if let Some(top) = self.top.get(at) {
                text = format!("{text}{top}\n");
            }
            if let Some(operation) = self.operation.get(at).filter(|it| !it.is_empty()) {
                text = text.replace("    timeout:", &format!("    {operation}\n    timeout:"));
            }
            write(folder, &format!("{id}/connector.yaml"), &text);
            if at < self.members {
                route += &format!("  - {{ connector: {id}, timeout: 300ms }}\n");
            }
        }
        write(folder, "routes/ip_reputation.yaml", &format!("{route}{}\n", self.more));
    }

    fn open(&self) -> Fleet {
        let folder = tempfile::tempdir().unwrap();
        self.write(folder.path());
        let clock = Arc::new(AtomicI64::new(START_MS));
        let made = Vendors::open(folder.path(), &BTreeMap::new(), &Arc::from([]), &Clock::Manual(clock.clone()));
        let metrics = Metrics::new();
        let vendors = made.unwrap_or_else(|found| panic!("{found:#?}")).counted_by(&metrics);
        Fleet { vendors, metrics, clock, folder, paid_left: AtomicU32::new(1000) }
    }
}

fn route(vendors: &[&Vendor], more: &str) -> Fleet {
    Plan::of(vendors, more).open()
}

impl Fleet {
    async fn ask(&self, ip: &str, names: &[&str]) -> Answers {
        self.ask_of("default", ip, names).await
    }

    async fn ask_of(&self, tenant: &str, ip: &str, names: &[&str]) -> Answers {
        let inputs: [(Arc<str>, Arc<str>); 1] = [("ip".into(), ip.into())];
        let deadline = Instant::now() + Duration::from_secs(3);
        let question = Question { tenant, inputs: &inputs, deadline, paid_left: &self.paid_left };
        self.vendors.ask(&question, names).await
    }

    /// The score of an address, and how it came.
    async fn score(&self, ip: &str) -> (Option<f64>, String, Option<Path>) {
        shown(self.ask(ip, &["ip.risk_score"]).await).remove(0)
    }

    fn wait_ms(&self, ms: i64) {
        self.clock.fetch_add(ms, Ordering::SeqCst);
    }

    /// Loads the folder again, as a reload does.
    fn again(&mut self) {
        self.vendors = open_again(&self.folder, &self.clock, self.vendors.legacy()).counted_by(&self.metrics);
    }

    #[track_caller]
    fn counts(&self, line: &str) {
        let text = self.metrics.text();
        let start = line.split('{').next().unwrap();
        let near: Vec<&str> = text.lines().filter(|it| it.starts_with(start)).collect();
        assert!(text.lines().any(|it| it == line), "{line} is not among {near:#?}");
    }
}

fn open_again(folder: &tempfile::TempDir, clock: &Arc<AtomicI64>, legacy: &Legacy) -> Vendors {
    let around = Surroundings {
        given: &BTreeMap::new(),
        secrets: &BTreeMap::new(),
        own: &Arc::from([]),
        clock: &Clock::Manual(clock.clone()),
        mock: None,
    };
    load::open(folder.path(), &around, legacy).unwrap_or_else(|found| panic!("{found:#?}"))
}

/// Each answer: a number if it is one, where it came from, by which way.
fn shown(answers: Answers) -> Vec<(Option<f64>, String, Option<Path>)> {
    let one = |(reading, origin): (Reading, Option<stepward_core::facts::Provenance>)| {
        let number = match reading {
            Reading::Known(value) => match value.cast(stepward_core::value::Type::Number) {
                Some(Value::Number(number)) => Some(number),
                _ => None,
            },
            Reading::Unknown(_) | Reading::Pending => None,
        };
        let path = origin.as_ref().map(|it| it.path);
        (number, origin.map(|it| it.source.to_string()).unwrap_or_default(), path)
    };
    answers.told.into_iter().map(one).collect()
}

/// Shorthand for what [`Fleet::score`] tells.
fn by(score: f64, source: &str, path: Path) -> (Option<f64>, String, Option<Path>) {
    (Some(score), source.into(), Some(path))
}

fn unknown() -> (Option<f64>, String, Option<Path>) {
    (None, String::new(), None)
}

fn outcomes(answers: &Answers) -> Vec<String> {
    answers.calls.iter().map(|call| format!("{} {}", call.connector, call.outcome)).collect()
}

/// An address nobody asked about before.
fn fresh_ip(at: usize) -> String {
    format!("8.{}.{}.{}", at / 65_536 % 256, at / 256 % 256, at % 256)
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..300 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} did not come about");
}
