//! Reads a folder of connectors and routes, and sets up what they say.
//!
//! To check it is to refuse all of it for one mistake; to run it is to go on with what is good
//! ([`crate::vendors::salvage`]). A connector that is loaded again unchanged carries on with its breaker, its answers and
//! its limits, and money that was spent today stays spent.

use std::{collections::BTreeMap, net::SocketAddr, path::Path as File, sync::Arc};

use sha2::{Digest as _, Sha256};
use stepward_core::{
    attribute::Catalogue,
    connector::{
        Connector, Operation,
        compile::{self, source::Source as Written},
        route::{self, Route},
    },
    diagnostic::Diagnostic,
};

use crate::{
    clock::Clock,
    settings::{Secret, Settings},
    vendors::{
        Vendors, Vocabulary,
        client::Client,
        feedback::Desk,
        fixtures,
        local::{List, Places},
        runner::{Crowd, Outfit, Runner, Source, State},
        salvage::{self, Good, Salvaged},
        shadow::{self, Candidate},
        shipped,
        spend::Spend,
        walk::{Line, Place},
    },
};

/// What is there beside the files.
pub struct Surroundings<'a> {
    /// The operator's settings of connectors.
    pub given: &'a Given,
    /// The values of secrets, by `connector.name`.
    pub secrets: &'a BTreeMap<Arc<str>, Secret>,
    /// The addresses on which this process listens: they are no vendors.
    pub own: &'a Arc<[SocketAddr]>,
    /// The time.
    pub clock: &'a Clock,
    /// Where downloads are kept; nowhere: only in memory.
    pub copies: Option<&'a File>,
    /// The mock that is called instead of every vendor; no secret is read then.
    pub mock: Option<SocketAddr>,
}

/// What outlives a reload.
#[derive(Clone, Default)]
pub struct Legacy {
    states: BTreeMap<Arc<str>, ([u8; 32], Arc<State>)>,
    spends: BTreeMap<Arc<str>, Arc<Spend>>,
    lists: BTreeMap<Arc<str>, ([u8; 32], Arc<List>)>,
    crowd: Crowd,
    shadow_crowd: Option<Crowd>,
    good: Good,
    desk: Desk,
}

impl Legacy {
    /// What connectors look up.
    pub fn lists(&self) -> impl Iterator<Item = &Arc<List>> {
        self.lists.values().map(|(_, list)| list)
    }
}

/// Sets up a folder. What is wrong with single files is in [`Vendors::refused`].
///
/// # Errors
/// It cannot be read, or a connector on a route cannot run: a missing secret is an error, not a vendor less.
pub fn open(folder: &File, around: &Surroundings<'_>, before: &Legacy) -> Result<Vendors, Vec<Diagnostic>> {
    let stand_in = around.mock.is_some();
    let compile = |source: &Written, catalogue: &Catalogue| {
        let config = config_of(source.id(), around.given);
        match stand_in {
            true => fixtures::stand_in(source, catalogue, &config).map(|(connector, _)| connector),
            false => source.compile(catalogue, &config),
        }
    };
    let Salvaged { connectors, routes, good, refused, lost } =
        salvage::read(folder, &Catalogue::builtin(), &compile, &before.good)?;
    let catalogue = Vocabulary::told_by(&connectors, &routes).catalogue;
    let connectors = connectors.into_iter().map(|connector| (connector.id.clone(), connector)).collect();
    let mut loader = Loader {
        folder,
        around,
        before,
        connectors,
        legacy: Legacy {
            crowd: before.crowd.clone(),
            shadow_crowd: Some(before.shadow_crowd.clone().unwrap_or_else(|| Crowd::of(shadow::CALLS_MAX))),
            good,
            desk: before.desk.clone(),
            ..Legacy::default()
        },
        faults: Vec::new(),
    };
    let lines: Vec<_> = routes.into_iter().map(|route| loader.line(route)).collect();
    let Loader { legacy, faults, .. } = loader;
    match faults.is_empty() {
        true => Ok(Vendors { refused, lost, ..Vendors::of(lines, catalogue, legacy) }),
        false => Err(faults),
    }
}

struct Loader<'a> {
    folder: &'a File,
    around: &'a Surroundings<'a>,
    before: &'a Legacy,
    connectors: BTreeMap<Arc<str>, Connector>,
    legacy: Legacy,
    faults: Vec<Diagnostic>,
}

impl Loader<'_> {
    fn line(&mut self, route: Route) -> Line {
        let mut members = Vec::new();
        for member in &route.members {
            if let Some(runner) = self.runner(&member.connector, &route, false) {
                members.push(Place::new(runner, member.timeout_ms, member.weight));
            }
        }
        let mut shadows = Vec::new();
        for rules in &route.shadows {
            if let Some(runner) = self.runner(&rules.connector, &route, true) {
                shadows.push(Candidate {
                    runner,
                    rules: rules.clone(),
                    capability: route.capability.clone(),
                    spend: self.spend(&format!("{} beside {}", rules.connector, route.capability)),
                    clock: self.around.clock.clone(),
                });
            }
        }
        let spend = self.spend(&route.capability);
        Line::new(route, members, shadows, spend)
    }

    /// Money that was spent under this name before stays spent.
    fn spend(&mut self, name: &str) -> Arc<Spend> {
        let spend = self.before.spends.get(name).cloned().unwrap_or_default();
        self.legacy.spends.insert(name.into(), spend.clone());
        spend
    }

    /// A connector serves one route, and is taken once.
    fn runner(&mut self, id: &Arc<str>, route: &Route, is_shadow: bool) -> Option<Arc<Runner>> {
        let connector = self.connectors.remove(id)?;
        match self.equip(connector, route, is_shadow) {
            Ok(runner) => Some(Arc::new(runner)),
            Err(fault) => {
                self.faults.push(fault);
                None
            }
        }
    }

    fn equip(&mut self, connector: Connector, route: &Route, is_shadow: bool) -> Result<Runner, Diagnostic> {
        let file: Arc<str> = format!("connectors/{}/connector.yaml", connector.id).into();
        let fault = |code, message: String| Diagnostic::error(code, &file, 0..0, message);
        let secrets = match self.around.mock {
            Some(_) => fixtures::masked(&connector),
            None => revealed(&connector, self.around.secrets).map_err(|why| fault("secret.missing", why))?,
        };
        let needs_nothing = self.around.mock.is_some() && connector.asked().is_some_and(|it| it.local().is_some());
        if let Some(name) = connector.unset.first().filter(|_| !needs_nothing) {
            return Err(fault("config.missing", format!("`{name}` is required and has no value")));
        }
        let Some(operation) = connector.served().cloned() else {
            let message = "a route asks a `lookup`, a `verify` or a `send`, and it has none".to_owned();
            return Err(fault("operation.missing", message));
        };
        let digest = identity(&connector, &secrets);
        let source = self.source(&connector, &operation, secrets, digest);
        let source = source.map_err(|why| fault("connector.client", why))?;
        let known = self.before.states.get(&connector.id).filter(|(before, _)| *before == digest);
        let state = known.map_or_else(|| Arc::new(State::new(&operation)), |(_, state)| state.clone());
        self.legacy.states.insert(connector.id.clone(), (digest, state.clone()));
        let crowd = if is_shadow { self.legacy.shadow_crowd.as_ref() } else { None }.unwrap_or(&self.legacy.crowd);
        let (clock, desk) = (self.around.clock, &self.legacy.desk);
        let outfit = Outfit { operation, source, route, state: Some(state), clock, crowd, desk };
        Ok(Runner::new(Arc::new(connector), outfit))
    }
}

impl Loader<'_> {
    /// Who answers. What is looked up, and has not changed, stays in memory; where no vendor may be called, it is the
    /// data of a fixture.
    fn source(
        &mut self,
        connector: &Connector,
        operation: &Arc<Operation>,
        secrets: Vec<(Arc<str>, Arc<str>)>,
        digest: [u8; 32],
    ) -> Result<Source, String> {
        let around = self.around;
        if operation.local().is_none() {
            return Ok(Source::Vendor(match around.mock {
                Some(mock) => Client::detoured(connector, mock, around.own)?,
                None => Client::new(connector, secrets, around.own)?,
            }));
        }
        let known = self.before.lists.get(&connector.id).filter(|(before, _)| *before == digest);
        let list = match known {
            Some((_, list)) => list.clone(),
            None if around.mock.is_some() => Arc::new(fixtures::any_list(connector, operation, around.clock)),
            None => {
                let places = Places { connectors: self.folder, copies: around.copies };
                Arc::new(List::open(connector, operation, secrets, around.own, &places, around.clock)?)
            }
        };
        self.legacy.lists.insert(connector.id.clone(), (digest, list.clone()));
        Ok(Source::Local(list))
    }
}

/// Secrets, by their names.
type Revealed = Vec<(Arc<str>, Arc<str>)>;

/// The secrets of a connector, by their names; `Err` tells which is missing, and why.
pub(super) fn revealed(connector: &Connector, secrets: &BTreeMap<Arc<str>, Secret>) -> Result<Revealed, String> {
    let mut revealed = Vec::new();
    for name in connector.secrets.iter().chain(&connector.optional_secrets) {
        let full = format!("{}.{name}", connector.id);
        let value = match secrets.get(full.as_str()) {
            Some(secret) => reveal(secret),
            None if connector.optional_secrets.contains(name) => continue,
            None => Err("is not under `secrets` in `stepward.yaml`"),
        };
        revealed.push((name.clone(), value.map_err(|why| format!("secret `{full}` {why}"))?));
    }
    Ok(revealed)
}

/// Changes whenever anything about a connector does, its secrets included; says nothing about them.
fn identity(connector: &Connector, secrets: &[(Arc<str>, Arc<str>)]) -> [u8; 32] {
    let mut digest = Sha256::new();
    // `Debug` shows every part of a compiled connector, expressions and templates by their text.
    let whole = format!("{connector:?}");
    for field in [&*whole].into_iter().chain(secrets.iter().flat_map(|(name, value)| [&**name, &**value])) {
        digest.update((field.len() as u64).to_be_bytes());
        digest.update(field);
    }
    digest.finalize().into()
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
    for (name, value) in &settings.connector_config {
        add(name.as_bytes());
        add(value.to_string().as_bytes());
    }
    for (name, secret) in &settings.secrets {
        add(name.as_bytes());
        add(reveal(secret).unwrap_or_default().as_bytes());
    }
    digest.finalize().into()
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

/// A connector's id, its file's name, and its text as it was read or what is wrong with it.
pub type Read = (String, Arc<str>, Result<Written, Vec<Diagnostic>>);
/// A route's file: its name in the folder, its name in findings, and its text or what is wrong with it.
pub type ReadRoute = (String, Arc<str>, Result<String, Vec<Diagnostic>>);

/// Every connector's file that can be read, and what is wrong with the others: those of the folder, and those that come
/// with Stepward and are named by a route of it.
pub fn sources(folder: &File) -> (Vec<Written>, Vec<Diagnostic>) {
    let (all, mut faults) = connectors(folder);
    let mut sources = Vec::new();
    for (_, _, source) in all {
        match source {
            Ok(source) => sources.push(source),
            Err(found) => faults.extend(found),
        }
    }
    (sources, faults)
}

/// The same, each by itself; the findings are about the folder.
pub(super) fn connectors(folder: &File) -> (Vec<Read>, Vec<Diagnostic>) {
    let (mut all, mut faults) = (Vec::new(), Vec::new());
    let file = |name: &str| -> Arc<str> { format!("connectors/{name}/connector.yaml").into() };
    let own = |id: &str| Some((file(id), own_text(folder, id)?));
    let shipped = |id: &str| Some((shipped::label(id), shipped::text(id)?.into_owned()));
    let find = |id: &str| own(id).or_else(|| shipped(id));
    for name in entries(folder, &mut faults) {
        let place = folder.join(&name).join("connector.yaml");
        if name == "routes" || !place.exists() {
            continue;
        }
        let read = text(&place, &file(&name)).and_then(|text| Written::read(&file(&name), &text, &find));
        let read = read.and_then(|source| match source.id() == name {
            true => Ok(source),
            false => {
                let message = format!("`connector: {}` lies in the folder `{name}`", source.id());
                Err(vec![Diagnostic::error("connector.folder", &file(&name), 0..0, message)])
            }
        });
        all.push((name.clone(), file(&name), read));
    }
    let is_own = |id: &str| folder.join(id).join("connector.yaml").exists();
    for (id, text) in shipped::named_by(&folder.join("routes"), &is_own) {
        let label = shipped::label(&id);
        let read = Written::read(&label, &text, &find);
        all.push((id, label, read));
    }
    (all, faults)
}

/// The text of a connector of the folder.
pub(super) fn own_text(folder: &File, id: &str) -> Option<String> {
    // An id has neither a slash nor a dot, so that what is extended lies in the folder.
    let is_plain = id.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
    std::fs::read_to_string(is_plain.then(|| folder.join(id).join("connector.yaml"))?).ok()
}

/// Every route's file, each by itself; the findings are about the folder.
pub(super) fn routes(folder: &File) -> (Vec<ReadRoute>, Vec<Diagnostic>) {
    let (place, mut faults) = (folder.join("routes"), Vec::new());
    let names = if place.exists() { entries(&place, &mut faults) } else { Vec::new() };
    let read = |name: String| {
        let file: Arc<str> = format!("connectors/routes/{name}").into();
        let text = text(&place.join(&name), &file);
        (name, file, text)
    };
    (names.into_iter().filter(|name| name.ends_with(".yaml")).map(read).collect(), faults)
}

/// The route, if it lies in the file of its own name.
pub(super) fn named(route: Route, name: &str, file: &Arc<str>) -> Result<Route, Vec<Diagnostic>> {
    if name.strip_suffix(".yaml") == Some(&*route.capability) {
        return Ok(route);
    }
    let message = format!("`capability: {}` lies in the file `{name}`", route.capability);
    Err(vec![Diagnostic::error("route.file", file, 0..0, message)])
}

/// An operator's settings of connectors, by `<connector>.<name>`.
pub type Given = BTreeMap<Arc<str>, serde_json::Value>;

/// How a connector's text becomes a connector.
pub type Compile<'a> = dyn Fn(&Written, &Catalogue) -> Result<Connector, Vec<Diagnostic>> + 'a;

/// Those of one connector, by their own names.
pub fn config_of(id: &str, given: &Given) -> compile::Config {
    let own = |name: &str| Some(name.strip_prefix(id)?.strip_prefix('.')?.to_owned());
    given.iter().filter_map(|(name, value)| Some((own(name)?, value.clone()))).collect()
}

/// Compiles every connector and route of a folder, or tells everything that is wrong with them.
///
/// # Errors
/// Everything that is wrong with the folder.
pub fn read(folder: &File, catalogue: &Catalogue) -> Result<(Vec<Connector>, Vec<Route>), Vec<Diagnostic>> {
    read_with(folder, catalogue, &Given::new())
}

/// The same, with the operator's settings of connectors.
///
/// # Errors
/// Everything that is wrong with the folder.
pub fn read_with(
    folder: &File,
    catalogue: &Catalogue,
    given: &Given,
) -> Result<(Vec<Connector>, Vec<Route>), Vec<Diagnostic>> {
    let (mut made, mut made_routes) = (Vec::new(), Vec::new());
    let (sources, mut faults) = sources(folder);
    for source in sources {
        match source.compile(catalogue, &config_of(source.id(), given)) {
            Ok(connector) => made.push(connector),
            Err(found) => faults.extend(found),
        }
    }
    let (routes, more) = routes(folder);
    faults.extend(more);
    for (name, file, text) in routes {
        let route = text.and_then(|text| route::compile(&file, &text, &made, catalogue));
        match route.and_then(|route| named(route, &name, &file)) {
            Ok(route) => made_routes.push(route),
            Err(found) => faults.extend(found),
        }
    }
    if faults.is_empty() { Ok((made, made_routes)) } else { Err(faults) }
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
