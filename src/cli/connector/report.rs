//! `stepward connector report`

use std::{fs, path::PathBuf};

use serde_json::json;

use crate::{
    cli::{
        Came, Exit, Failed, check,
        connector::{
            NamedFolder, Shape,
            compare::{self, percent},
            document, read,
        },
        say,
    },
    quality::{self, Effect, Report as Quality, Vendor, line::Log},
    registry::{self, folder},
    render::Format,
};

/// What each vendor changed, from recorded decisions: what would have come out had it not known what it told.
///
/// Each decision is made again by the engine, with one vendor or attribute unknown. Also calls, failures, latency, cost
/// for each changed decision, and agreement with vendors in its shadow.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Report {
    /// Decision logs, JSON lines
    #[arg(long, value_name = "FILE", required = true)]
    log: Vec<PathBuf>,
    /// Folder of the policies that decided
    #[arg(short, long, value_name = "FOLDER", default_value = "policies")]
    policies: PathBuf,
    #[command(flatten)]
    place: NamedFolder,
    /// Shape of the report
    #[arg(short, long, default_value = "human")]
    format: Shape,
}

impl Report {
    pub(super) fn run(self) -> Came {
        let release = match registry::load(folder::read(&self.policies), &check::installation(&self.policies), 0, 0) {
            Ok(release) => release,
            Err(refusal) => {
                say::findings(&refusal.found, &refusal.texts, Format::Human);
                return Ok(Exit::CannotLoad);
            }
        };
        let mut log = Log::default();
        for path in &self.log {
            let text = fs::read_to_string(path).map_err(|error| {
                Failed::because(Exit::CannotLoad, format!("cannot read `{}`: {error}", path.display()))
            })?;
            log.extend(Log::read(&text));
        }
        let prices = match self.place.folder.is_dir().then(|| read(&self.place.folder)).transpose() {
            Ok(all) => all.map(|all| all.prices()).unwrap_or_default(),
            Err(exit) => return Ok(exit),
        };
        let report = quality::report(&log, &release.policies, &prices);
        match self.format {
            Shape::Human => say::data(&human(&report)),
            Shape::Json => document(&json!({ "schema": "stepward.signal-quality/1", "report": report })),
        }
        if report.decisions == 0 {
            // A report about nothing must not look like one that found everything worthless.
            say::talk("no decision of the log could be made again by these policies");
            return Ok(Exit::Findings);
        }
        Ok(Exit::Ok)
    }
}

fn human(report: &Quality) -> String {
    let mut text = format!("{} made again", say::several(report.decisions as usize, "decision"));
    for (count, why) in [
        (report.not_repeated, "not repeated by these policies"),
        (report.other_events, "about events that no policy here is about"),
        (report.unread_lines, "lines that could not be read"),
    ] {
        if count > 0 {
            text += &format!(", {count} {why}");
        }
    }
    text.push('\n');
    report.vendors.iter().for_each(|it| text += &vendor(it));
    text
}

fn vendor(it: &Vendor) -> String {
    let mut text = format!("{}\n  {:<28} {}\n", it.connector, "all it told", effect(&it.effect));
    for attribute in &it.attributes {
        text += &format!("  {:<28} {}\n", attribute.attribute, effect(&attribute.effect));
    }
    let calls = &it.calls;
    if calls.made + calls.cached + calls.refused > 0 {
        let latency =
            calls.latency_ms.map_or("-".to_owned(), |it| format!("{:.0}/{:.0}/{:.0} ms", it.p50, it.p95, it.p99));
        let errors = percent(calls.error_rate);
        text += &format!(
            "  {:<28} {} made, {} kept answers, {} refused, p50/p95/p99 {latency}, errors {errors}, cost {:.4}",
            "calls", calls.made, calls.cached, calls.refused, calls.cost
        );
        let cost = it.cost_per_changed.map(|it| format!(", {it:.4} for each changed decision"));
        text += &(cost.unwrap_or_default() + "\n");
    }
    for shadow in &it.shadows {
        compare::human(shadow).lines().for_each(|line| text += &format!("  {line}\n"));
    }
    text
}

fn effect(it: &Effect) -> String {
    format!(
        "known in {}, changed {} ({}): {} stricter, {} looser; would have asked further in {}",
        it.known,
        it.changed,
        percent(it.share),
        it.made_stricter,
        it.made_looser,
        it.would_ask
    )
}
