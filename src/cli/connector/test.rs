//! `stepward connector test`

use clap::ValueEnum;
use serde_json::json;

use crate::{
    cli::{
        Came, Exit,
        connector::{Folder, document, unusable},
        say,
    },
    render::junit,
    vendors::{
        fixtures::{self, Checked, Report},
        shipped,
    },
};

/// Run the recorded fixtures: nothing is sent, no secret is read.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Test {
    #[command(flatten)]
    place: Folder,
    /// Only this connector
    #[arg(long, value_name = "ID")]
    only: Option<String>,
    /// Shape of the report
    #[arg(short, long, default_value = "human")]
    format: Shape,
    /// Tell of the fixtures that passed, too
    #[arg(short, long)]
    verbose: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// For people
    Human,
    /// One JSON document
    Json,
    /// JUnit XML
    Junit,
}

impl Test {
    pub(super) fn run(self) -> Came {
        if let (false, Some(trouble)) = (self.place.shipped, self.place.trouble()) {
            return Ok(unusable(&[trouble], &self.place.folder));
        }
        let ran = match self.place.shipped {
            true => {
                let (sources, faults) = shipped::sources();
                fixtures::run_of(&sources, faults)
            }
            false => fixtures::run(&self.place.folder),
        };
        let mut report = match ran {
            Ok(report) => report,
            Err(found) => return Ok(unusable(&found, &self.place.folder)),
        };
        if let Some(only) = &self.only {
            report.connectors.retain(|it| *it.connector == **only);
        }
        match self.format {
            Shape::Human => self.human(&report),
            Shape::Json => {
                document(&json!({ "schema": "stepward.connector-test/1", "connectors": report.connectors }));
            }
            Shape::Junit => say::data(&junit::document(&cases(&report))),
        }
        let count: usize = report.connectors.iter().map(|it| it.cases.len()).sum();
        if count == 0 {
            // A check that looked at nothing must not look like one that found nothing.
            say::talk("no fixtures found");
            return Ok(Exit::Findings);
        }
        Ok(if report.passed() { Exit::Ok } else { Exit::Findings })
    }

    fn human(&self, report: &Report) {
        let (mut passed, mut failed) = (0, 0);
        for Checked { connector, cases, .. } in &report.connectors {
            for case in cases {
                let is_fine = case.problems.is_empty();
                if is_fine {
                    passed += 1
                } else {
                    failed += 1
                };
                if !is_fine || self.verbose {
                    say::data(&format!("{}  {connector}: {}\n", if is_fine { "ok  " } else { "FAIL" }, case.name));
                }
                case.problems.iter().for_each(|problem| say::data(&format!("        {problem}\n")));
            }
        }
        let connectors = say::several(report.connectors.len(), "connector");
        say::talk(&format!("{passed} passed, {failed} failed, {connectors}"));
    }
}

fn cases(report: &Report) -> Vec<junit::Case> {
    let of = |checked: &Checked| {
        let file = match checked.connector.starts_with("routes/") {
            true => format!("{}.yaml", checked.connector),
            false => format!("{}/connector.yaml", checked.connector),
        };
        let suite = format!("connectors/{file}");
        let case = |case: &fixtures::Case| junit::Case {
            suite: suite.clone(),
            name: case.name.to_string(),
            failure: (!case.problems.is_empty()).then(|| case.problems.join("\n")),
        };
        checked.cases.iter().map(case).collect::<Vec<_>>()
    };
    report.connectors.iter().flat_map(of).collect()
}
