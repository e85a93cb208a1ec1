//! Vendors: the only place that speaks to them. Loads connectors and routes, asks, fails over, remembers.
//!
//! A question is answered by the first connector of its route that can; when none can, what it was about is unknown.
//! It never waits past the event's deadline, never spends more paid calls than it was given, and never lets one
//! tenant's answer reach another.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::SocketAddr,
    path::Path as File,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use sha2::{Digest as _, Sha256};
use stepward_core::{
    attribute::{Attribute, Catalogue, Cost},
    connector::{
        Class, Connector, Interpreted, Named,
        compile::{self, Route},
    },
    diagnostic::Diagnostic,
    facts::{Path, Provenance, Reading, Why},
};
use tokio::time::Instant;

use crate::{
    clock::Clock,
    settings::{Secret, Settings},
    telemetry::{Metrics, SignalOutcome},
    vendors::{breaker::Breaker, cache::Answers, client::Client},
};

pub mod breaker;
pub mod cache;
pub mod client;
pub mod fixtures;
pub mod guard;
pub mod mock;
pub mod single;

/// Calls to one connector that may be out at once; more are refused, and the route goes on.
const CALLS_MAX: usize = 64;

/// Every vendor that a route names.
pub struct Vendors {
    routes: Vec<Vec<Arc<Runner>>>,
    /// Which route tells an attribute.
    by_attribute: BTreeMap<Arc<str>, usize>,
    catalogue: Catalogue,
    metrics: Metrics,
}

/// What can be asked for where these connectors are.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    /// Every attribute, with what it costs here.
    pub catalogue: Catalogue,
    /// The attributes that some connector on a route tells.
    pub told: BTreeSet<Arc<str>>,
}

impl Vocabulary {
    /// The vocabulary of a folder of connectors; without one, what is built in.
    ///
    /// # Errors
    /// Everything that is wrong with the folder.
    pub fn of(folder: Option<&File>) -> Result<Vocabulary, Vec<Diagnostic>> {
        match folder {
            Some(folder) => read(folder, &Catalogue::builtin()).map(|(all, routes)| Vocabulary::told_by(&all, &routes)),
            None => Ok(Vocabulary { catalogue: Catalogue::builtin(), told: BTreeSet::new() }),
        }
    }

    fn told_by(connectors: &[Connector], routes: &[Route]) -> Vocabulary {
        let mut costs: BTreeMap<Arc<str>, Attribute> = BTreeMap::new();
        let members = routes.iter().flat_map(|route| &route.members);
        for connector in members.filter_map(|(id, _)| connectors.iter().find(|connector| connector.id == *id)) {
            price(connector, &mut costs);
        }
        let told = costs.keys().cloned().collect();
        Vocabulary { catalogue: Catalogue::of(Catalogue::builtin().all().cloned().chain(costs.into_values())), told }
    }
}

/// Changes whenever what [`Vendors::load`] reads does; says nothing about it.
pub fn fingerprint(settings: &Settings) -> [u8; 32] {
    let mut digest = Sha256::new();
    let mut add = |bytes: &[u8]| {
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    };
    let Some(folder) = &settings.connectors else { return digest.finalize().into() };
    let names = entries(folder, &mut Vec::new());
    let connectors = names.iter().map(|name| folder.join(name).join("connector.yaml"));
    let place = folder.join("routes");
    let routes = if place.exists() { entries(&place, &mut Vec::new()) } else { Vec::new() };
    for path in connectors.chain(routes.iter().map(|name| place.join(name))) {
        add(path.as_os_str().as_encoded_bytes());
        add(&std::fs::read(&path).unwrap_or_default());
    }
    for (name, secret) in &settings.secrets {
        add(name.as_bytes());
        add(reveal(secret).unwrap_or_default().as_bytes());
    }
    digest.finalize().into()
}

/// A question about one request.
pub struct Question<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// What is known, by the names of [`stepward_core::connector::INPUTS`].
    pub inputs: &'a Named,
    /// When the event's budget in time is spent.
    pub deadline: Instant,
    /// What is left of its budget in paid calls.
    pub paid_left: &'a AtomicU32,
}

/// A reading, and where it came from.
pub type Told = (Reading, Option<Provenance>);

impl Vendors {
    /// No vendors at all.
    pub fn none() -> Self {
        Vendors {
            routes: Vec::new(),
            by_attribute: BTreeMap::new(),
            catalogue: Catalogue::builtin(),
            metrics: Metrics::new(),
        }
    }

    /// The same, counted here.
    pub fn counted_by(self, metrics: &Metrics) -> Self {
        Vendors { metrics: metrics.clone(), ..self }
    }

    /// Loads what the settings name. Our own listeners are no vendors. A missing secret is an error, not a vendor less.
    pub fn load(settings: &Settings, clock: &Clock) -> Result<Self, Vec<Diagnostic>> {
        let Some(folder) = &settings.connectors else { return Ok(Vendors::none()) };
        let listeners = settings.listen.iter().map(|listen| listen.address);
        let own: Arc<[SocketAddr]> = listeners.chain(settings.admin).chain(settings.health).collect();
        Vendors::with(folder, &settings.secrets, &own, clock, settings.mock)
    }

    /// Loads a folder of connectors and routes. `own` are the addresses on which this process listens.
    pub fn open(
        folder: &File,
        secrets: &BTreeMap<Arc<str>, Secret>,
        own: &Arc<[SocketAddr]>,
        clock: &Clock,
    ) -> Result<Self, Vec<Diagnostic>> {
        Vendors::with(folder, secrets, own, clock, None)
    }

    fn with(
        folder: &File,
        secrets: &BTreeMap<Arc<str>, Secret>,
        own: &Arc<[SocketAddr]>,
        clock: &Clock,
        mock: Option<SocketAddr>,
    ) -> Result<Self, Vec<Diagnostic>> {
        if let Some(mock) = mock {
            tracing::warn!(%mock, "NO VENDOR IS CALLED: every connector asks the mock; this is for trying things out");
        }
        let builtin = Catalogue::builtin();
        let (connectors, routes) = read(folder, &builtin)?;
        let vocabulary = Vocabulary::told_by(&connectors, &routes);
        let mut faults = Vec::new();
        let mut connectors: BTreeMap<Arc<str>, Connector> =
            connectors.into_iter().map(|connector| (connector.id.clone(), connector)).collect();
        let mut vendors = Vendors::none();
        for route in routes {
            let mut runners = Vec::new();
            for (id, limit_ms) in &route.members {
                // A connector serves one capability, and a capability has one route: it is taken once.
                let Some(connector) = connectors.remove(id) else { continue };
                match Runner::new(connector, *limit_ms, secrets, own, clock, mock) {
                    Ok(runner) => runners.push(Arc::new(runner)),
                    Err(fault) => faults.push(fault),
                }
            }
            for attribute in runners.iter().flat_map(|runner| &runner.connector.provides) {
                vendors.by_attribute.entry(attribute.name.clone()).or_insert(vendors.routes.len());
            }
            vendors.routes.push(runners);
        }
        vendors.catalogue = vocabulary.catalogue;
        if faults.is_empty() { Ok(vendors) } else { Err(faults) }
    }

    /// The vocabulary, with what each attribute costs here.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Whether some vendor could tell this attribute.
    pub fn tells(&self, name: &str) -> bool {
        self.by_attribute.contains_key(name)
    }

    /// An answer for each attribute asked for, in the same order; routes are asked at the same time.
    pub async fn ask(&self, question: &Question<'_>, names: &[&str]) -> Vec<Told> {
        let mut by_route: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for name in names {
            if let Some(route) = self.by_attribute.get(*name) {
                by_route.entry(*route).or_default().push(name);
            }
        }
        let asked = by_route
            .iter()
            .filter_map(|(route, names)| Some(along(self.routes.get(*route)?, question, names, &self.metrics)));
        let told: BTreeMap<&str, Told> = futures_util::future::join_all(asked).await.into_iter().flatten().collect();
        let not_provided = (Reading::Unknown(Why::NotProvided), None);
        names.iter().map(|name| told.get(name).cloned().unwrap_or_else(|| not_provided.clone())).collect()
    }
}

/// An attribute that any of its connectors is paid for is paid; the others are cheap.
fn price(connector: &Connector, costs: &mut BTreeMap<Arc<str>, Attribute>) {
    for attribute in &connector.provides {
        let known =
            costs.entry(attribute.name.clone()).or_insert_with(|| Attribute { cost: Cost::Cheap, ..attribute.clone() });
        if connector.is_paid {
            known.cost = Cost::Paid;
        }
    }
}

/// Asks the connectors of a route in turn until nothing is left to ask.
async fn along<'a>(
    runners: &[Arc<Runner>],
    question: &Question<'_>,
    names: &[&'a str],
    metrics: &Metrics,
) -> Vec<(&'a str, Told)> {
    let mut told: Vec<(&str, Told)> = Vec::new();
    let mut open: Vec<(&str, Why)> = names.iter().map(|name| (*name, Why::Absent)).collect();
    for runner in runners {
        let provides = |name: &str| runner.connector.provides.iter().position(|attribute| &*attribute.name == name);
        if !open.iter().any(|(name, _)| provides(name).is_some()) {
            continue;
        }
        let began = Instant::now();
        let asked = runner.ask(question).await;
        if let Some(outcome) = asked.outcome() {
            metrics.signal(&runner.connector.id, outcome, began.elapsed());
        }
        open.retain_mut(|(name, why)| {
            let Some(at) = provides(name) else { return true };
            match &asked {
                Asked::Skipped => true,
                Asked::Failed(reason) => {
                    // What was over budget stays so, whoever else failed.
                    *why = if *why == Why::OverBudget { *why } else { *reason };
                    true
                }
                Asked::Answered(answer, age_ms) => {
                    let path = match (age_ms, *why) {
                        (Some(_), _) => Path::Cache,
                        (None, Why::Unavailable | Why::OverBudget) => Path::FailOver,
                        (None, Why::Absent | Why::Mistyped | Why::NotProvided) => Path::Live,
                    };
                    let origin = Provenance { source: runner.connector.id.clone(), age_ms: age_ms.unwrap_or(0), path };
                    let reading = match answer.values.get(at).cloned().flatten() {
                        Some(value) => (Reading::Known(value), Some(origin)),
                        None => (Reading::Unknown(Why::Absent), Some(origin)),
                    };
                    told.push((name, reading));
                    false
                }
            }
        });
    }
    told.extend(open.into_iter().map(|(name, why)| (name, (Reading::Unknown(why), None))));
    told
}

/// What came of asking one connector.
enum Asked {
    /// There was nothing to ask it.
    Skipped,
    /// It did not answer, or its answer does not count.
    Failed(Why),
    /// It answered; how old the answer is, if it was kept.
    Answered(Arc<Interpreted>, Option<u64>),
}

impl Asked {
    /// How it is counted; what was not asked is not.
    fn outcome(&self) -> Option<SignalOutcome> {
        match self {
            Asked::Skipped => None,
            Asked::Failed(_) => Some(SignalOutcome::Failed),
            Asked::Answered(_, Some(_)) => Some(SignalOutcome::Cached),
            Asked::Answered(answer, None) if answer.values.iter().all(Option::is_none) => Some(SignalOutcome::Absent),
            Asked::Answered(_, None) => Some(SignalOutcome::Answered),
        }
    }
}

/// A connector with everything it takes to run it.
struct Runner {
    connector: Connector,
    client: Client,
    secrets: Vec<(Arc<str>, Arc<str>)>,
    limit: Duration,
    clock: Clock,
    breaker: Mutex<Breaker>,
    answers: Mutex<Answers>,
    flights: Mutex<HashMap<cache::Key, Flight>>,
    slots: tokio::sync::Semaphore,
}

/// A call that is under way, shared by all who ask the same.
type Flight = Shared<BoxFuture<'static, Arc<Interpreted>>>;

impl Runner {
    fn new(
        connector: Connector,
        limit_ms: Option<u64>,
        secrets: &BTreeMap<Arc<str>, Secret>,
        own: &Arc<[SocketAddr]>,
        clock: &Clock,
        mock: Option<SocketAddr>,
    ) -> Result<Self, Diagnostic> {
        let file: Arc<str> = format!("connectors/{}/connector.yaml", connector.id).into();
        let fault = |code, message: String| Diagnostic::error(code, &file, 0..0, message);
        let mut found = if mock.is_some() { fixtures::masked(&connector) } else { Vec::new() };
        for name in connector.secrets.iter().filter(|_| mock.is_none()) {
            let full = format!("{}.{name}", connector.id);
            let secret = secrets.get(full.as_str());
            let value = secret.ok_or("is not under `secrets` in `stepward.yaml`").and_then(reveal);
            let value = value.map_err(|why| fault("secret.missing", format!("secret `{full}` {why}")))?;
            found.push((name.clone(), value));
        }
        let client = match mock {
            None => Client::new(&connector, own).map_err(str::to_owned),
            Some(mock) => Client::detoured(&connector, mock, own),
        };
        let client = client.map_err(|why| fault("connector.client", why))?;
        let limit_ms = limit_ms.unwrap_or(connector.timeout_ms).min(connector.timeout_ms);
        Ok(Runner {
            connector,
            client,
            secrets: found,
            limit: Duration::from_millis(limit_ms),
            clock: clock.clone(),
            breaker: Mutex::default(),
            answers: Mutex::default(),
            flights: Mutex::default(),
            slots: tokio::sync::Semaphore::new(CALLS_MAX),
        })
    }

    async fn ask(self: &Arc<Self>, question: &Question<'_>) -> Asked {
        let Some(inputs) = self.connector.inputs(question.inputs) else { return Asked::Skipped };
        let key = cache::key(question.tenant, &self.connector.id, &inputs);
        let now_ms = self.clock.now_ms();
        if let Some((answer, age_ms)) = held(&self.answers).find(&key, now_ms) {
            return Asked::Answered(answer, Some(age_ms));
        }
        if Instant::now() >= question.deadline {
            return Asked::Failed(Why::OverBudget);
        }
        if !held(&self.breaker).admits(now_ms) {
            return Asked::Failed(Why::Unavailable);
        }
        if self.connector.is_paid && !spend(question.paid_left) {
            return Asked::Failed(Why::OverBudget);
        }
        match tokio::time::timeout_at(question.deadline, self.fly(key, inputs)).await {
            Err(_) => Asked::Failed(Why::OverBudget),
            Ok(answer) if answer.class.falls_over() => Asked::Failed(Why::Unavailable),
            Ok(answer) => Asked::Answered(answer, None),
        }
    }

    /// Joins the call that asks the same, or starts one. It runs to its own end even if nobody waits for it any more,
    /// so that what was asked, and paid for, is kept.
    fn fly(self: &Arc<Self>, key: cache::Key, inputs: Vec<(Arc<str>, Arc<str>)>) -> Flight {
        let mut flights = held(&self.flights);
        if let Some(flight) = flights.get(&key) {
            return flight.clone();
        }
        let runner = self.clone();
        let flight = async move {
            let answer = Arc::new(runner.call(&inputs).await);
            runner.land(key, &answer);
            answer
        };
        let flight = flight.boxed().shared();
        flights.insert(key, flight.clone());
        tokio::spawn(flight.clone());
        flight
    }

    async fn call(&self, inputs: &Named) -> Interpreted {
        let nothing = |class| Interpreted { class, values: Vec::new() };
        let Ok(_slot) = self.slots.try_acquire() else { return nothing(Class::Unavailable) };
        let Some(prepared) = self.connector.prepare(inputs, &self.secrets) else { return nothing(Class::InvalidInput) };
        let (answer, why) = match self.client.call(prepared, self.limit).await {
            Ok(answer) => (self.connector.interpret(answer.status, &answer.body, inputs), "by its answer"),
            Err(why) => (nothing(Class::Unavailable), why),
        };
        // Only calls that were made say something about the vendor.
        if answer.class.falls_over() {
            held(&self.breaker).failed(self.clock.now_ms());
            tracing::warn!(connector = %self.connector.id, class = answer.class.name(), why, "a connector failed");
        } else {
            held(&self.breaker).succeeded();
        }
        answer
    }

    /// What a call leaves behind.
    fn land(&self, key: cache::Key, answer: &Arc<Interpreted>) {
        let now_ms = self.clock.now_ms();
        let ttl_ms = match answer.class {
            Class::Success => self.connector.ttl_ms,
            Class::NotFound => self.connector.negative_ttl_ms,
            Class::Pending | Class::InvalidInput => 0,
            Class::RateLimited | Class::Unavailable | Class::ConfigError | Class::ContractError => 0,
        };
        if ttl_ms > 0 {
            held(&self.answers).keep(key, answer.clone(), now_ms, ttl_ms);
        }
        held(&self.flights).remove(&key);
    }
}

/// Takes one paid call from the budget, if there is one left.
fn spend(paid_left: &AtomicU32) -> bool {
    paid_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

/// A lock whose holder cannot have left it half done.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The value of a secret; an empty one is none.
fn reveal(secret: &Secret) -> Result<Arc<str>, &'static str> {
    let value = match secret {
        Secret::Env(name) => std::env::var(&**name).map_err(|_| "names an environment variable that is not set")?,
        Secret::File(path) => std::fs::read_to_string(path).map_err(|_| "names a file that cannot be read")?,
    };
    match value.trim_end_matches(['\r', '\n']) {
        "" => Err("is empty"),
        value => Ok(value.into()),
    }
}

/// Compiles every connector and route of a folder, or tells everything that is wrong with them.
pub fn read(folder: &File, catalogue: &Catalogue) -> Result<(Vec<Connector>, Vec<Route>), Vec<Diagnostic>> {
    let (mut connectors, mut routes, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for name in entries(folder, &mut faults) {
        let path = folder.join(&name).join("connector.yaml");
        if name == "routes" || !path.exists() {
            continue;
        }
        let file: Arc<str> = format!("connectors/{name}/connector.yaml").into();
        match text(&path, &file).and_then(|text| compile::connector(&file, &text, catalogue)) {
            Ok(connector) if *connector.id == *name => connectors.push(connector),
            Ok(connector) => {
                let message = format!("`connector: {}` lies in the folder `{name}`", connector.id);
                faults.push(Diagnostic::error("connector.folder", &file, 0..0, message));
            }
            Err(found) => faults.extend(found),
        }
    }
    let known: Vec<_> = connectors.iter().map(|it: &Connector| (it.id.clone(), it.capability.clone())).collect();
    let place = folder.join("routes");
    for name in if place.exists() { entries(&place, &mut faults) } else { Vec::new() } {
        let Some(stem) = name.strip_suffix(".yaml") else { continue };
        let file: Arc<str> = format!("connectors/routes/{name}").into();
        match text(&place.join(&name), &file).and_then(|text| compile::route(&file, &text, &known)) {
            Ok(route) if *route.capability == *stem => routes.push(route),
            Ok(route) => {
                let message = format!("`capability: {}` lies in the file `{name}`", route.capability);
                faults.push(Diagnostic::error("route.file", &file, 0..0, message));
            }
            Err(found) => faults.extend(found),
        }
    }
    if faults.is_empty() { Ok((connectors, routes)) } else { Err(faults) }
}

/// Names in a folder, sorted, so that a load never depends on the disk's order.
fn entries(folder: &File, faults: &mut Vec<Diagnostic>) -> Vec<String> {
    let Ok(listed) = std::fs::read_dir(folder) else {
        let file: Arc<str> = folder.display().to_string().into();
        faults.push(Diagnostic::error("file.unreadable", &file, 0..0, "the folder cannot be read"));
        return Vec::new();
    };
    let mut names: Vec<String> = listed.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}

fn text(path: &File, file: &Arc<str>) -> Result<String, Vec<Diagnostic>> {
    std::fs::read_to_string(path)
        .map_err(|_| vec![Diagnostic::error("file.unreadable", file, 0..0, "the file cannot be read")])
}
