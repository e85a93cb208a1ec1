//! `stepward connector`

use std::path::{Path, PathBuf};

use serde_json::json;
use stepward_core::{attribute::Catalogue, connector::route::Route, diagnostic::Diagnostic};

use crate::{
    cli::{Came, Exit, check, say},
    render::Format,
    vendors::{self, fixtures},
};

mod shipped;

/// Connectors to vendors.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Connector {
    /// What there is, and what serves which capability
    List(Place),
    /// Run the recorded fixtures: nothing is sent, no secret is read
    Test(Place),
    /// What comes with Stepward: a route may name any of it
    Shipped(shipped::Shipped),
    /// Copy a connector that comes with Stepward into your folder, to change it: yours then counts
    Add(shipped::Add),
}

#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// Folder of connectors
    #[arg(default_value = "connectors")]
    folder: PathBuf,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Connector {
    pub(super) fn run(self) -> Came {
        match self {
            Connector::List(place) => place.list(),
            Connector::Test(place) => place.test(),
            Connector::Shipped(command) => command.run(),
            Connector::Add(command) => command.run(),
        }
    }
}

impl Place {
    fn list(&self) -> Came {
        let (connectors, routes) = match vendors::load::read(&self.folder, &Catalogue::builtin()) {
            Ok(read) => read,
            Err(found) => return Ok(unusable(&found, &self.folder)),
        };
        if self.json {
            let connectors = connectors.iter().map(|it| {
                json!({ "connector": it.id, "name": it.name, "capability": it.capability, "paid": it.is_paid, "sends": it.sends })
            });
            let routes: Vec<_> = routes.iter().map(Route::summary).collect();
            let told = json!({ "connectors": connectors.collect::<Vec<_>>(), "routes": routes });
            say::data(&format!("{told:#}\n"));
            return Ok(Exit::Ok);
        }
        for it in &connectors {
            let price = if it.is_paid { "paid" } else { "free" };
            say::data(&format!("{}  {}  {price}  sends {}  {}\n", it.id, it.capability, it.sends.join(", "), it.name));
        }
        for route in &routes {
            say::data(&format!("{}\n", route.summary()));
        }
        Ok(Exit::Ok)
    }

    fn test(&self) -> Came {
        let report = match fixtures::run(&self.folder) {
            Ok(report) => report,
            Err(found) => return Ok(unusable(&found, &self.folder)),
        };
        if self.json {
            say::data(&format!(
                "{:#}\n",
                json!({ "schema": "stepward.connector-test/1", "connectors": report.connectors })
            ));
        }
        let mut count = 0;
        for checked in &report.connectors {
            count += checked.cases.len();
            for case in checked.cases.iter().filter(|_| !self.json) {
                let word = if case.problems.is_empty() { "ok  " } else { "FAIL" };
                say::data(&format!("{word}  {}: {}\n", checked.connector, case.name));
                case.problems.iter().for_each(|problem| say::data(&format!("        {problem}\n")));
            }
        }
        if count == 0 {
            say::talk("no fixtures found");
            return Ok(Exit::Findings);
        }
        Ok(if report.passed() { Exit::Ok } else { Exit::Findings })
    }
}

fn unusable(found: &[Diagnostic], folder: &Path) -> Exit {
    say::findings(found, &check::texts_of(found, folder), Format::Human);
    Exit::CannotLoad
}
