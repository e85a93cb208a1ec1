//! `stepward connector`

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::ValueEnum;
use stepward_core::{
    attribute::Catalogue,
    connector::{
        self,
        compile::{Config, source::Source},
        route::Route,
    },
    diagnostic::{self, Diagnostic},
};

use crate::{
    cli::{Came, Exit, Failed, check, say},
    quality::compare::Prices,
    render::Format,
    vendors::{
        fixtures,
        load::{self, Given},
        shipped,
        single::Pairs,
    },
};

mod add;
mod compare;
mod describe;
mod drift;
mod lint;
mod list;
mod live;
mod mock;
mod new;
mod record;
mod report;
mod scrub;
mod shape;
mod test;

/// Connectors to vendors.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Connector {
    /// What there is, and what serves which capability
    List(list::List),
    /// What one connector sends, where, and what it tells
    Describe(describe::Describe),
    /// Run the recorded fixtures: nothing is sent, no secret is read
    Test(test::Test),
    /// What connectors and the policies that use them could do better
    Lint(lint::Lint),
    /// Be every vendor, on this machine: recorded answers, with faults to order
    Mock(mock::Mock),
    /// Call a vendor once and write a fixture of it, without anything personal
    Record(record::Record),
    /// Call a vendor once and tell whether it still answers as recorded
    Drift(drift::Drift),
    /// Compare two vendors over the same questions
    Compare(compare::Compare),
    /// What each vendor changed, from recorded decisions
    Report(report::Report),
    /// Copy a connector that comes with Stepward into your folder, to change it: yours then counts
    Add(add::Add),
    /// Begin a connector from an OpenAPI document
    New(new::New),
}

impl Connector {
    pub(super) fn run(self) -> Came {
        match self {
            Connector::List(command) => command.run(),
            Connector::Describe(command) => command.run(),
            Connector::Test(command) => command.run(),
            Connector::Lint(command) => command.run(),
            Connector::Mock(command) => command.run(),
            Connector::Record(command) => command.run(),
            Connector::Drift(command) => command.run(),
            Connector::Compare(command) => command.run(),
            Connector::Report(command) => command.run(),
            Connector::Add(command) => command.run(),
            Connector::New(command) => command.run(),
        }
    }
}

/// The shape of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// For people
    Human,
    /// One JSON document
    Json,
}

/// Where connectors are.
#[derive(Debug, clap::Args)]
struct Folder {
    /// Folder of connectors
    #[arg(default_value = "connectors")]
    folder: PathBuf,
    /// Those that come with Stepward instead
    #[arg(long, conflicts_with = "folder")]
    shipped: bool,
}

/// The same, where a word already stands without a name. What is not in the folder may come with Stepward.
#[derive(Debug, clap::Args)]
struct NamedFolder {
    /// Folder of connectors
    #[arg(long = "connectors", value_name = "FOLDER", default_value = "connectors")]
    folder: PathBuf,
}

/// Connectors, read.
struct All {
    sources: Vec<Source>,
    connectors: Vec<connector::Connector>,
    routes: Vec<Route>,
}

/// Reads a folder; what is wrong with it has been said when this is `Err`.
fn read(folder: &Path) -> Result<All, Exit> {
    read_with(folder, &Given::new())
}

/// The same, with an operator's settings of connectors.
fn read_with(folder: &Path, given: &Given) -> Result<All, Exit> {
    match load::read_with(folder, &Catalogue::builtin(), given) {
        Ok((connectors, routes)) => Ok(All { sources: load::sources(folder).0, connectors, routes }),
        Err(found) => Err(unusable(&found, folder)),
    }
}

impl Folder {
    /// Reads it; what is wrong with it has been said when this is `Err`.
    fn read(&self) -> Result<All, Exit> {
        if !self.shipped {
            return match self.trouble() {
                Some(trouble) => Err(unusable(&[trouble], &self.folder)),
                None => read(&self.folder),
            };
        }
        let (sources, mut faults) = shipped::sources();
        let mut connectors = Vec::new();
        for source in &sources {
            match source.compile(&Catalogue::builtin(), &Config::new()) {
                Ok(connector) => connectors.push(connector),
                Err(found) => faults.extend(found),
            }
        }
        match faults.is_empty() {
            true => Ok(All { sources, connectors, routes: Vec::new() }),
            false => Err(unusable(&faults, &self.folder)),
        }
    }
}

impl Folder {
    /// A word that is no folder of connectors, with what was meant by it.
    fn trouble(&self) -> Option<Diagnostic> {
        let name = self.folder.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        let file: Arc<str> = self.folder.display().to_string().into();
        let (message, help) = if self.folder.join("connector.yaml").is_file() {
            let above = self.folder.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
            (format!("`{file}` is one connector, not a folder of them"), format!("name `{}`", above.display()))
        } else if self.folder.is_dir() {
            return None;
        } else if shipped::ids().iter().any(|id| id == name) {
            let help = "name the folder, or `--shipped` for those that come with Stepward".to_owned();
            (format!("`{name}` is a connector, not a folder of them"), help)
        } else {
            let help = "name another, or `--shipped` for the connectors that come with Stepward".to_owned();
            (format!("there is no folder `{file}`"), help)
        };
        Some(Diagnostic::error("folder.missing", &file, 0..0, message).help(help))
    }
}

impl All {
    /// Those of a folder that is there, and of those that come with Stepward what is named here and not in the folder.
    fn with_shipped(folder: &Path, ids: &[&str], given: &Given) -> Result<All, Exit> {
        let mut all = match folder.is_dir() {
            true => read_with(folder, given)?,
            false => All { sources: Vec::new(), connectors: Vec::new(), routes: Vec::new() },
        };
        for id in ids {
            if all.connectors.iter().any(|it| *it.id == **id) {
                continue;
            }
            let Some(read) = shipped::source(id) else { continue };
            let compiled = read.and_then(|source| {
                source.compile(&Catalogue::builtin(), &load::config_of(id, given)).map(|connector| (source, connector))
            });
            let (source, connector) = compiled.map_err(|found| unusable(&found, folder))?;
            all.sources.push(source);
            all.connectors.push(connector);
        }
        Ok(all)
    }

    /// For whoever calls the mock: settings that a connector cannot do without are those of its tests.
    fn stand_in(&mut self, given: &Given, folder: &Path) -> Result<(), Exit> {
        for connector in self.connectors.iter_mut().filter(|it| !it.unset.is_empty()) {
            let Some(source) = self.sources.iter().find(|it| it.id() == &*connector.id) else { continue };
            let config = load::config_of(source.id(), given);
            let standing = fixtures::stand_in(source, &Catalogue::builtin(), &config);
            (*connector, _) = standing.map_err(|found| unusable(&found, folder))?;
        }
        Ok(())
    }

    /// The connector of this id.
    fn find(&self, id: &str) -> Result<(&Source, &connector::Connector), Failed> {
        let source = self.sources.iter().find(|it| it.id() == id);
        let connector = self.connectors.iter().find(|it| *it.id == *id);
        source.zip(connector).ok_or_else(|| {
            let shipped = shipped::ids();
            let known = self.connectors.iter().map(|it| &*it.id).chain(shipped.iter().map(String::as_str));
            let near = diagnostic::nearest(id, known);
            // A name that was not written out is nearer to nothing than to what it begins.
            let begun = || shipped.iter().map(String::as_str).find(|it| id.len() > 2 && it.contains(id));
            let near = near.or_else(begun).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            Failed::because(Exit::Usage, format!("there is no connector `{id}`{near}"))
        })
    }

    /// What a call to each costs.
    fn prices(&self) -> Prices {
        self.connectors.iter().map(|it| (it.id.clone(), it.price_micros)).collect()
    }

    /// Where a connector stands on the routes: the capability, its place from 1, and how many there are.
    fn places(&self, id: &str) -> Vec<(&str, usize, usize)> {
        let place = |route: &'_ Route| {
            let at = route.members.iter().position(|member| &*member.connector == id)?;
            Some((at + 1, route.members.len()))
        };
        self.routes.iter().filter_map(|route| place(route).map(|(at, of)| (&*route.capability, at, of))).collect()
    }
}

fn unusable(found: &[Diagnostic], folder: &Path) -> Exit {
    say::findings(found, &check::texts_of(found, folder), Format::Human);
    Exit::CannotLoad
}

/// `name=value` words as inputs, text only.
fn inputs(words: &[String]) -> Result<Pairs, Failed> {
    let pair = |word: &String| {
        let (name, value) = word.split_once('=')?;
        Some((Arc::from(name.trim()), Arc::from(value.trim())))
    };
    let senseless = |word: &String| Failed::because(Exit::Usage, format!("`{word}` is not `name=value`"));
    let named: BTreeMap<_, _> =
        words.iter().map(|word| pair(word).ok_or_else(|| senseless(word))).collect::<Result<_, _>>()?;
    Ok(named.into_iter().collect())
}

/// A JSON document to standard output.
fn document(json: &serde_json::Value) {
    say::data(&format!("{json:#}\n"));
}
