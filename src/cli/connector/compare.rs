//! `stepward connector compare`

use std::{fs, path::PathBuf, sync::Arc};

use serde_json::{Value as Json, json};
use stepward_core::connector::Connector;

use crate::{
    cli::{
        Came, Exit, Failed,
        connector::{Shape, document, live},
        say,
    },
    quality::{
        compare::{self, Answered, Compared, Comparison},
        line::Log,
    },
    vendors::{fixtures, single::Called},
};

/// Compare two vendors over the same questions: asked now, or from a decision log with a shadow.
///
/// Tells who knows more, whether they agree (flags: Cohen's kappa and McNemar's test; scores: Spearman's rho), how fast, how
/// sound and how dear they are, and proposes a `calibration` that turns the second's scores into the first's.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Compare {
    /// The one that serves now
    first: String,
    /// The one that could
    second: String,
    /// Questions to ask both: JSON lines such as `{"ip": "62.4.31.7"}`
    #[arg(long, value_name = "FILE", required_unless_present = "log", conflicts_with = "log")]
    input: Option<PathBuf>,
    /// A decision log in which one is the other's shadow
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Shape of the report
    #[arg(short, long, default_value = "human")]
    format: Shape,
    #[command(flatten)]
    live: live::Live,
}

impl Compare {
    pub(super) fn run(self) -> Came {
        if self.first == self.second {
            let why = format!("`{}` is compared with itself; name two connectors", self.first);
            return Err(Failed::because(Exit::Usage, why));
        }
        let answers = match (&self.log, &self.input) {
            (Some(log), _) => match self.live.open(&[&self.first, &self.second]) {
                Ok(opened) => {
                    compare::from_log(&Log::read(&text(log)?), &self.first, &self.second, &opened.all.prices())
                }
                Err(came) => return came,
            },
            (None, Some(input)) => match self.asked(&text(input)?)? {
                Ok(answers) => answers,
                Err(came) => return came,
            },
            (None, None) => Vec::new(),
        };
        if answers.is_empty() {
            say::talk(&format!("there is no question that both `{}` and `{}` answered", self.first, self.second));
            return Ok(Exit::Findings);
        }
        let comparison = compare::compare((&self.first.as_str().into(), &self.second.as_str().into()), &answers);
        match self.format {
            Shape::Human => say::data(&human(&comparison)),
            Shape::Json => document(&json!({ "schema": "stepward.compare/1", "comparison": comparison })),
        }
        let is_told = |it: &Answered| !it.values.is_empty();
        if !answers.iter().any(|(one, other)| is_told(one) || is_told(other)) {
            say::talk("neither told anything: look at one call with `stepward connector record`");
            return Ok(Exit::Findings);
        }
        Ok(Exit::Ok)
    }

    /// Asks both, question by question. A question that one of them does not ask is left out.
    fn asked(&self, questions: &str) -> Result<Result<Vec<(Answered, Answered)>, Came>, Failed> {
        let opened = match self.live.open(&[&self.first, &self.second]) {
            Ok(opened) => opened,
            Err(came) => return Ok(Err(came)),
        };
        let ((_, one), (_, other)) = (opened.all.find(&self.first)?, opened.all.find(&self.second)?);
        let (first, second) = (opened.caller(&self.first)?, opened.caller(&self.second)?);
        let mut answers = Vec::new();
        let runtime = live::runtime()?;
        for (at, line) in questions.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let given = question(line)
                .ok_or_else(|| Failed::because(Exit::Usage, format!("line {}: not an object of texts", at + 1)))?;
            let both = runtime.block_on(async { tokio::join!(first.ask(&given), second.ask(&given)) });
            if let (Some(a), Some(b)) = both {
                answers.push((answered(one, &a), answered(other, &b)));
            }
        }
        Ok(Ok(answers))
    }
}

fn text(path: &PathBuf) -> Result<String, Failed> {
    fs::read_to_string(path)
        .map_err(|error| Failed::because(Exit::CannotLoad, format!("cannot read `{}`: {error}", path.display())))
}

fn question(line: &str) -> Option<Vec<(Arc<str>, Arc<str>)>> {
    let fields: serde_json::Map<String, Json> = serde_json::from_str(line).ok()?;
    fields.into_iter().map(|(name, value)| Some((name.into(), value.as_str()?.into()))).collect()
}

fn answered(connector: &Connector, called: &Called) -> Answered {
    let told = connector.provides().iter().zip(&called.heard.answer.values);
    let values = told.filter_map(|(it, value)| Some((it.name.clone(), fixtures::json(value.as_ref()?))));
    Answered {
        class: called.heard.answer.class.name().into(),
        ms: called.took.as_secs_f64() * 1e3,
        price_micros: connector.price_micros,
        values: values.collect(),
    }
}

pub(super) fn percent(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |it| format!("{:.1} %", it * 100.0))
}

/// For people: a line for each side, a line for each attribute, and what could be written into the second's file.
pub(super) fn human(it: &Comparison) -> String {
    let mut text = format!("{} against {}, {}\n", it.first, it.second, say::several(it.questions as usize, "question"));
    for (name, calls) in [(&it.first, &it.first_calls), (&it.second, &it.second_calls)] {
        let latency =
            calls.latency_ms.map_or("-".to_owned(), |it| format!("{:.0}/{:.0}/{:.0} ms", it.p50, it.p95, it.p99));
        let errors = percent(calls.error_rate);
        text += &format!("  {name:<24} p50/p95/p99 {latency}  errors {errors}  cost {:.4}\n", calls.cost);
    }
    it.attributes.iter().for_each(|compared| text += &attribute(compared));
    text
}

fn attribute(it: &Compared) -> String {
    let coverage = format!("known {} | {}", percent(it.first_coverage), percent(it.second_coverage));
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |it| format!("{it:.3}"));
    let interval =
        it.agreement_interval.map(|(low, high)| format!(" ({}–{})", percent(Some(low)), percent(Some(high))));
    let mut text =
        format!("  {:<28} {coverage}  same {}{}", it.attribute, percent(it.agreement), interval.unwrap_or_default());
    if let Some(flags) = &it.flags {
        text += &format!("  kappa {}  McNemar p {}", number(flags.kappa), number(flags.mcnemar_p));
    }
    if let Some(scores) = &it.scores {
        text += &format!("  rho {}  apart {:.1}", number(scores.spearman), scores.mean_distance);
        if let Some(table) = &scores.calibration {
            let table = serde_json::to_string(table).unwrap_or_default();
            text += &format!("\n    calibration: {{ {}: {table} }}", it.attribute);
        }
    }
    text + "\n"
}
