//! `stepward connector`

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::ValueEnum;
use stepward_core::{
    attribute::Catalogue,
    connector::{self, compile::Route},
    diagnostic::{self, Diagnostic},
};

use crate::{
    cli::{Came, Exit, Failed, check, say},
    quality::compare::Prices,
    render::Format,
    vendors::{self, single::Pairs},
};

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
}

/// The same, where a word already stands without a name.
#[derive(Debug, clap::Args)]
struct NamedFolder {
    /// Folder of connectors
    #[arg(long = "connectors", value_name = "FOLDER", default_value = "connectors")]
    folder: PathBuf,
}

/// A folder of connectors, read.
struct All {
    connectors: Vec<connector::Connector>,
    routes: Vec<Route>,
}

/// Reads a folder; what is wrong with it has been said when this is `Err`.
fn read(folder: &Path) -> Result<All, Exit> {
    match vendors::read(folder, &Catalogue::builtin()) {
        Ok((connectors, routes)) => Ok(All { connectors, routes }),
        Err(found) => Err(unusable(&found, folder)),
    }
}

impl All {
    /// The connector of this id.
    fn find(&self, id: &str) -> Result<&connector::Connector, Failed> {
        self.connectors.iter().find(|it| &*it.id == id).ok_or_else(|| {
            let near = diagnostic::nearest(id, self.connectors.iter().map(|it| &*it.id));
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
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
            let at = route.members.iter().position(|(member, _)| &**member == id)?;
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
