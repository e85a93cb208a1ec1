//! Reads a folder of connectors and routes, and sets up what they say.
//!
//! All of a folder loads or none of it; what is wrong is told at once. A connector that is loaded again unchanged
//! carries on with its breaker, its answers and its limits, and money that was spent today stays spent.

use std::{collections::BTreeMap, net::SocketAddr, path::Path as File, sync::Arc};

use sha2::{Digest as _, Sha256};
use stepward_core::{
    attribute::Catalogue,
    connector::{
        Connector,
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
        runner::{Crowd, Outfit, Runner, Source, State},
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
}

/// What outlives a reload.
#[derive(Clone, Default)]
pub struct Legacy {
    states: BTreeMap<Arc<str>, ([u8; 32], Arc<State>)>,
    spends: BTreeMap<Arc<str>, Arc<Spend>>,
    crowd: Crowd,
    shadow_crowd: Option<Crowd>,
}

/// Sets up a folder.
///
/// # Errors
/// Everything that is wrong with it. A missing secret is an error, not a vendor less.
pub fn open(folder: &File, around: &Surroundings<'_>, before: &Legacy) -> Result<Vendors, Vec<Diagnostic>> {
    let (connectors, routes) = read_with(folder, &Catalogue::builtin(), around.given)?;
    let catalogue = Vocabulary::told_by(&connectors, &routes).catalogue;
    let connectors = connectors.into_iter().map(|connector| (connector.id.clone(), connector)).collect();
    let mut loader = Loader {
        around,
        before,
        connectors,
        legacy: Legacy {
            crowd: before.crowd.clone(),
            shadow_crowd: Some(before.shadow_crowd.clone().unwrap_or_else(|| Crowd::of(shadow::CALLS_MAX))),
            ..Legacy::default()
        },
        faults: Vec::new(),
    };
    let lines: Vec<_> = routes.into_iter().map(|route| loader.line(route)).collect();
    let Loader { legacy, faults, .. } = loader;
    if faults.is_empty() { Ok(Vendors::of(lines, catalogue, legacy)) } else { Err(faults) }
}

struct Loader<'a> {
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
        let mut secrets: Vec<(Arc<str>, Arc<str>)> = Vec::new();
        for name in connector.secrets.iter().chain(&connector.optional_secrets) {
            let full = format!("{}.{name}", connector.id);
            let value = match self.around.secrets.get(full.as_str()) {
                Some(secret) => reveal(secret),
                None if connector.optional_secrets.contains(name) => continue,
                None => Err("is not under `secrets` in `stepward.yaml`"),
            };
            let value = value.map_err(|why| fault("secret.missing", format!("secret `{full}` {why}")))?;
            secrets.push((name.clone(), value));
        }
        if let Some(name) = connector.unset.first() {
            return Err(fault("config.missing", format!("`{name}` is required and has no value")));
        }
        let Some(operation) = connector.served().cloned() else {
            let message = "a route asks a `lookup`, a `verify` or a `send`, and it has none".to_owned();
            return Err(fault("operation.missing", message));
        };
        let digest = identity(&connector, &secrets);
        let client = Client::new(&connector, secrets, self.around.own);
        let client = client.map_err(|why| fault("connector.client", why.to_owned()))?;
        let known = self.before.states.get(&connector.id).filter(|(before, _)| *before == digest);
        let state = known.map_or_else(|| Arc::new(State::new(&operation)), |(_, state)| state.clone());
        self.legacy.states.insert(connector.id.clone(), (digest, state.clone()));
        let crowd = if is_shadow { self.legacy.shadow_crowd.as_ref() } else { None }.unwrap_or(&self.legacy.crowd);
        let outfit = Outfit {
            operation,
            source: Source::Vendor(client),
            route,
            state: Some(state),
            clock: self.around.clock,
            crowd,
        };
        Ok(Runner::new(Arc::new(connector), outfit))
    }
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

/// Every connector's file that can be read, and what is wrong with the others: those of the folder, and those that come
/// with Stepward and are named by a route of it.
pub fn sources(folder: &File) -> (Vec<Written>, Vec<Diagnostic>) {
    let (mut sources, mut faults) = (Vec::new(), Vec::new());
    let place = |name: &str| folder.join(name).join("connector.yaml");
    let file = |name: &str| -> Arc<str> { format!("connectors/{name}/connector.yaml").into() };
    // An id has neither a slash nor a dot, so that what is extended lies in the folder.
    let plain = |id: &str| id.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
    let own = |id: &str| Some((file(id), std::fs::read_to_string(plain(id).then(|| place(id))?).ok()?));
    let shipped = |id: &str| Some((shipped::label(id), shipped::text(id)?.into_owned()));
    let find = |id: &str| own(id).or_else(|| shipped(id));
    for name in entries(folder, &mut faults) {
        if name == "routes" || !place(&name).exists() {
            continue;
        }
        match text(&place(&name), &file(&name)).and_then(|text| Written::read(&file(&name), &text, &find)) {
            Ok(source) if source.id() == name => sources.push(source),
            Ok(source) => {
                let message = format!("`connector: {}` lies in the folder `{name}`", source.id());
                faults.push(Diagnostic::error("connector.folder", &file(&name), 0..0, message));
            }
            Err(found) => faults.extend(found),
        }
    }
    for (id, text) in shipped::named_by(&folder.join("routes"), &|id| place(id).exists()) {
        match Written::read(&shipped::label(&id), &text, &find) {
            Ok(source) => sources.push(source),
            Err(found) => faults.extend(found),
        }
    }
    (sources, faults)
}

/// An operator's settings of connectors, by `<connector>.<name>`.
pub type Given = BTreeMap<Arc<str>, serde_json::Value>;

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
    let (mut connectors, mut routes) = (Vec::new(), Vec::new());
    let (sources, mut faults) = sources(folder);
    for source in sources {
        match source.compile(catalogue, &config_of(source.id(), given)) {
            Ok(connector) => connectors.push(connector),
            Err(found) => faults.extend(found),
        }
    }
    let place = folder.join("routes");
    for name in if place.exists() { entries(&place, &mut faults) } else { Vec::new() } {
        let Some(stem) = name.strip_suffix(".yaml") else { continue };
        let file: Arc<str> = format!("connectors/routes/{name}").into();
        match text(&place.join(&name), &file).and_then(|text| route::compile(&file, &text, &connectors, catalogue)) {
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
