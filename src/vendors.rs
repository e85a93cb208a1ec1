//! Vendors: the only place that speaks to them. Loads connectors and routes, asks, fails over, remembers.
//!
//! A question is answered by the first connector of its route that can; when none can, what it was about is unknown.
//! It never waits past the event's deadline, never spends more paid calls or money than it was given, and never lets
//! one tenant's answer reach another.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::SocketAddr,
    path::Path as File,
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use stepward_core::{
    attribute::{Attribute, Catalogue, Cost},
    connector::{Connector, Named, route::Route},
    diagnostic::Diagnostic,
    facts::{Provenance, Reading, Why},
    session::Method,
};
use tokio::time::Instant;

use crate::{
    clock::Clock,
    settings::{Secret, Settings},
    telemetry::Metrics,
    vendors::{
        feedback::Owed,
        load::{Legacy, Surroundings},
        local::List,
        salvage::Refused,
        shadow::Trial,
        walk::{Heard, Line},
    },
};

pub mod alone;
pub mod breaker;
pub mod cache;
pub mod client;
pub mod deeds;
pub mod feedback;
pub mod fixtures;
pub mod guard;
pub mod limits;
pub mod load;
pub mod local;
pub mod mock;
pub mod rehearse;
pub mod runner;
pub mod salvage;
pub mod shadow;
pub mod shipped;
mod signing;
pub mod single;
pub mod spend;
mod tokens;
pub mod walk;

/// Every vendor that a route names.
pub struct Vendors {
    lines: Vec<Line>,
    /// Which route tells an attribute.
    by_attribute: HashMap<Arc<str>, usize>,
    catalogue: Catalogue,
    legacy: Legacy,
    refused: Refused,
    lost: BTreeMap<Arc<str>, Arc<str>>,
    metrics: Metrics,
}

/// What can be asked for where these connectors are.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    /// Every attribute, with what it costs here.
    pub catalogue: Catalogue,
    /// The attributes that some connector on a route tells.
    pub told: BTreeSet<Arc<str>>,
    /// The methods of step-up that routes make possible.
    pub methods: BTreeSet<Method>,
    /// Those that nobody tells because a file is refused, by that file.
    pub lost: BTreeMap<Arc<str>, Arc<str>>,
}

impl Vocabulary {
    /// The vocabulary of a folder of connectors, as far as it is good; without one, what is built in.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn of(folder: Option<&File>, given: &load::Given) -> Result<Vocabulary, Vec<Diagnostic>> {
        let Some(folder) = folder else {
            return Ok(Vocabulary { catalogue: Catalogue::builtin(), ..Vocabulary::default() });
        };
        let compile: &load::Compile<'_> =
            &|source, catalogue| source.compile(catalogue, &load::config_of(source.id(), given));
        let found = salvage::read(folder, &Catalogue::builtin(), compile, &salvage::Good::default())?;
        Ok(Vocabulary { lost: found.lost, ..Vocabulary::told_by(&found.connectors, &found.routes) })
    }

    fn told_by(connectors: &[Connector], routes: &[Route]) -> Vocabulary {
        let mut costs: BTreeMap<Arc<str>, Attribute> = BTreeMap::new();
        let mut methods = BTreeSet::new();
        for (route, member) in routes.iter().flat_map(|route| route.members.iter().map(move |it| (route, it))) {
            let Some(connector) = connectors.iter().find(|it| it.id == member.connector) else { continue };
            price(connector, &mut costs);
            methods.extend(deeds::methods_of(&route.capability, connector));
        }
        for (level, made) in routes.iter().flat_map(|route| &route.levels) {
            let cost = costs.get(made.from.as_str()).map_or(Cost::Cheap, |score| score.cost);
            let known = costs.entry(level.name.clone()).or_insert_with(|| Attribute { cost, ..level.clone() });
            known.cost = known.cost.max(cost);
        }
        let told = costs.keys().cloned().collect();
        let catalogue = Catalogue::of(Catalogue::builtin().all().cloned().chain(costs.into_values()));
        Vocabulary { catalogue, told, methods, lost: BTreeMap::new() }
    }
}

/// An attribute that any of its connectors is paid for is paid; the others are cheap.
fn price(connector: &Connector, costs: &mut BTreeMap<Arc<str>, Attribute>) {
    for attribute in connector.provides() {
        let known =
            costs.entry(attribute.name.clone()).or_insert_with(|| Attribute { cost: Cost::Cheap, ..attribute.clone() });
        if connector.is_paid {
            known.cost = Cost::Paid;
        }
    }
}

/// A question about one request.
#[derive(Clone, Copy)]
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

/// Somebody who was asked, for the decision log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The connector.
    pub connector: Arc<str>,
    /// What came of it: an outcome class, or `cached`, `cancelled`, `no_time`, `no_money`, `breaker_open`.
    pub outcome: &'static str,
    /// How long it took.
    pub took: Duration,
}

/// What vendors told.
#[derive(Default)]
pub struct Answers {
    /// A reading for each attribute asked for, in the same order.
    pub told: Vec<Told>,
    /// Everybody who was asked.
    pub calls: Vec<Call>,
    /// What is to be tried out once the decision is made.
    pub trials: Vec<Trial>,
    /// Whom to tell how it came out.
    pub owed: Vec<Owed>,
}

impl Vendors {
    /// No vendors at all.
    pub fn none() -> Self {
        Vendors::of(Vec::new(), Catalogue::builtin(), Legacy::default())
    }

    fn of(lines: Vec<Line>, catalogue: Catalogue, legacy: Legacy) -> Self {
        let mut by_attribute = HashMap::new();
        for (at, line) in lines.iter().enumerate() {
            for attribute in line.tells() {
                by_attribute.entry(attribute.clone()).or_insert(at);
            }
        }
        let (refused, lost) = (Refused::default(), BTreeMap::new());
        Vendors { lines, by_attribute, catalogue, legacy, refused, lost, metrics: Metrics::new() }
    }

    /// The same, counted here.
    pub fn counted_by(self, metrics: &Metrics) -> Self {
        let places = self.lines.iter().flat_map(|line| line.members.iter().map(|place| &place.runner));
        for runner in places.chain(self.lines.iter().flat_map(|line| line.shadows.iter().map(|it| &it.runner))) {
            runner.meter(metrics);
        }
        Vendors { metrics: metrics.clone(), ..self }
    }

    /// Loads what the settings name. Our own listeners are no vendors. A missing secret is an error, not a vendor less.
    ///
    /// # Errors
    /// The folder cannot be read, or a connector on a route cannot run.
    pub fn load(settings: &Settings, clock: &Clock) -> Result<Self, Vec<Diagnostic>> {
        Vendors::none().again(settings, clock)
    }

    /// Loads what the settings name now; what has not changed carries on as it was.
    ///
    /// # Errors
    /// The folder cannot be read, or a connector on a route cannot run.
    pub fn again(&self, settings: &Settings, clock: &Clock) -> Result<Self, Vec<Diagnostic>> {
        let Some(folder) = &settings.connectors else { return Ok(Vendors::none()) };
        let listeners = settings.listen.iter().map(|listen| listen.address);
        let own: Arc<[SocketAddr]> =
            listeners.chain(settings.admin).chain(settings.health).chain(settings.decisions).collect();
        let lists = settings.state.path.as_ref().map(|path| path.join("lists"));
        if let Some(mock) = settings.mock {
            tracing::warn!(%mock, "NO VENDOR IS CALLED: every connector asks the mock; this is for trying things out");
        }
        let around = Surroundings {
            given: &settings.connector_config,
            secrets: &settings.secrets,
            own: &own,
            clock,
            copies: lists.as_deref(),
            mock: settings.mock,
        };
        load::open(folder, &around, &self.legacy)
    }

    /// Loads a folder of connectors and routes. `own` are the addresses on which this process listens.
    ///
    /// # Errors
    /// The folder cannot be read, or a connector on a route cannot run.
    pub fn open(
        folder: &File,
        secrets: &BTreeMap<Arc<str>, Secret>,
        own: &Arc<[SocketAddr]>,
        clock: &Clock,
    ) -> Result<Self, Vec<Diagnostic>> {
        let around = Surroundings { given: &load::Given::new(), secrets, own, clock, copies: None, mock: None };
        load::open(folder, &around, &Legacy::default())
    }

    /// What outlives these vendors when they are loaded again.
    pub fn legacy(&self) -> &Legacy {
        &self.legacy
    }

    /// Reads files that changed again and begins downloads that are due: what connectors look up. Blocks on the disk.
    pub fn refresh(&self) {
        self.legacy.lists().for_each(List::refresh);
    }

    /// What was refused while the rest went on.
    pub fn refused(&self) -> &Refused {
        &self.refused
    }

    /// The attributes that nobody tells because a file was refused, by that file.
    pub fn lost(&self) -> &BTreeMap<Arc<str>, Arc<str>> {
        &self.lost
    }

    /// The vocabulary, with what each attribute costs here.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Whether some vendor could tell this attribute.
    pub fn tells(&self, name: &str) -> bool {
        self.by_attribute.contains_key(name)
    }

    /// The routes that are at work, with their connectors.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Which route tells this; what stands in a vendor's own terms is told by the route that has the vendor.
    fn line_of(&self, name: &str) -> Option<usize> {
        self.by_attribute.get(name).copied().or_else(|| {
            let is_raw = name.starts_with("raw.");
            is_raw.then(|| self.lines.iter().position(|line| line.members.iter().any(|it| it.gives(name))))?
        })
    }

    /// An answer for each attribute asked for; routes are asked at the same time.
    pub async fn ask(&self, question: &Question<'_>, names: &[&str]) -> Answers {
        let mut by_line: Vec<(usize, Vec<&str>)> = Vec::new();
        for name in names {
            let Some(at) = self.line_of(name) else { continue };
            match by_line.iter_mut().find(|(line, _)| *line == at) {
                Some((_, asked)) => asked.push(name),
                None => by_line.push((at, vec![name])),
            }
        }
        let asked =
            by_line.iter().filter_map(|(at, names)| Some(self.lines.get(*at)?.ask(question, names, &self.metrics)));
        let mut asked: Vec<_> = asked.collect();
        let heard = match asked.len() {
            // The most usual case waits for nobody else.
            1 => match asked.pop() {
                Some(only) => vec![only.await],
                None => Vec::new(),
            },
            _ => futures_util::future::join_all(asked).await,
        };
        answers(names, heard)
    }
}

/// What several routes told, in the order in which it was asked for.
fn answers(names: &[&str], heard: Vec<Heard<'_>>) -> Answers {
    let mut answers = Answers::default();
    let mut told: Vec<(&str, Told)> = Vec::new();
    for one in heard {
        told.extend(one.told);
        answers.calls.extend(one.calls);
        answers.trials.extend(one.trials);
        answers.owed.extend(one.owed);
    }
    for name in names {
        let found = told.iter().find(|(it, _)| it == name).map(|(_, told)| told.clone());
        answers.told.push(found.unwrap_or((Reading::Unknown(Why::NotProvided), None)));
    }
    answers
}
