//! `stepward test`

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::ValueEnum;
use serde_json::json;
use stepward_core::{
    diagnostic::{Diagnostic, Severity},
    trial::{self, CaseReport, Report},
};

use crate::{
    cli::{Came, Exit, Failed, check, say},
    registry::{self, Release, folder},
    render::{self, Format, Texts, junit},
};

/// Run the tests of policies: every `*.test.yaml` under these paths.
#[derive(Debug, clap::Args)]
pub(super) struct Test {
    /// Folders of policies, or single files of tests; `policies` if there is none
    paths: Vec<PathBuf>,
    /// Shape of the report
    #[arg(short, long, default_value = "human")]
    format: Shape,
    /// Tell of the cases that passed, too
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
    /// Beside the lines of a pull request on GitHub: what failed
    Github,
    /// SARIF 2.1.0: what failed
    Sarif,
}

/// A file of tests and what came of it.
struct Tried {
    file: Arc<str>,
    text: Arc<str>,
    report: Report,
}

impl Test {
    pub(super) fn run(self) -> Came {
        let paths = if self.paths.is_empty() { vec![PathBuf::from("policies")] } else { self.paths.clone() };
        let mut tried = Vec::new();
        for path in &paths {
            match try_all(path)? {
                Ok(more) => tried.extend(more),
                Err(refusal) => {
                    say::findings(&refusal.found, &refusal.texts, Format::Human);
                    return Ok(Exit::CannotLoad);
                }
            }
        }
        match self.format {
            Shape::Human => self.human(&tried),
            Shape::Json => say::data(&format!("{:#}\n", json(&tried))),
            Shape::Junit => say::data(&junit::document(&cases(&tried))),
            Shape::Github => findings(&tried, Format::Github),
            Shape::Sarif => findings(&tried, Format::Sarif),
        }
        let count: usize = tried.iter().map(|it| it.report.cases.len()).sum();
        if count == 0 {
            // A check that looked at nothing must not look like one that found nothing.
            say::talk("no tests found");
            return Ok(Exit::Findings);
        }
        Ok(if tried.iter().all(|it| it.report.passed()) { Exit::Ok } else { Exit::Findings })
    }

    fn human(&self, tried: &[Tried]) {
        let (mut passed, mut failed) = (0, 0);
        for Tried { file, text, report } in tried {
            say::data(&format!("{file}: {}\n", report.event));
            let texts = Texts::from([(file.clone(), text.clone())]);
            if !report.diagnostics.is_empty() {
                say::findings(&report.diagnostics, &texts, Format::Human);
            }
            for case in &report.cases {
                match case.passed {
                    true => passed += 1,
                    false => failed += 1,
                }
                if case.passed && self.verbose {
                    say::data(&format!("  ok    {}\n", case.name));
                }
                if !case.passed {
                    let (line, column) = render::position(&failed_case(file, case), &texts);
                    say::data(&format!("  FAIL  {}\n        at {file}:{line}:{column}\n", case.name));
                    case.faults.iter().for_each(|fault| say::data(&format!("        {fault}\n")));
                    let why = case.explanation.text();
                    why.lines().for_each(|line| say::data(&format!("        | {line}\n")));
                }
            }
            if !report.never_fired.is_empty() {
                let rules: Vec<_> = report.never_fired.iter().map(|it| format!("`{it}`")).collect();
                say::data(&format!("  note  no case makes these rules fire: {}\n", rules.join(", ")));
            }
        }
        say::talk(&format!("{passed} passed, {failed} failed"));
    }
}

/// Runs the tests at a path against the policies beside them.
fn try_all(path: &Path) -> Result<Result<Vec<Tried>, registry::Refusal>, Failed> {
    let unreadable =
        |error: std::io::Error| Failed::because(Exit::CannotLoad, format!("cannot read `{}`: {error}", path.display()));
    let single = fs::metadata(path).map_err(unreadable)?.is_file();
    let folder =
        if single { path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new(".")) } else { path };
    let files =
        if single { vec![path.to_path_buf()] } else { folder::files(folder, folder::is_test).map_err(unreadable)? };
    if files.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    let target = check::installation(folder);
    let release: Release = match registry::load(folder::read(folder), &target, 0, 0) {
        Ok(release) => release,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let mut tried = Vec::with_capacity(files.len());
    for path in files {
        let text: Arc<str> = fs::read_to_string(&path).map_err(unreadable)?.into();
        let file: Arc<str> = path.display().to_string().into();
        let report = trial::run(&release.policies, &target.catalogue, &file, &text);
        tried.push(Tried { file, text, report });
    }
    Ok(Ok(tried))
}

/// A case that failed, as a finding at its place in the file.
fn failed_case(file: &Arc<str>, case: &CaseReport) -> Diagnostic {
    let message = format!("`{}` is not so: {}", case.name, case.faults.join("; "));
    Diagnostic::error("test.failed", file, case.span.clone(), message)
}

/// What is wrong with the files, and every case that failed.
fn findings(tried: &[Tried], format: Format) {
    let mut found = Vec::new();
    let mut texts = Texts::new();
    for Tried { file, text, report } in tried {
        found.extend(report.diagnostics.iter().cloned());
        found.extend(report.cases.iter().filter(|case| !case.passed).map(|case| failed_case(file, case)));
        texts.insert(file.clone(), text.clone());
    }
    say::findings(&found, &texts, format);
}

fn json(tried: &[Tried]) -> serde_json::Value {
    let files = tried.iter().map(|Tried { file, text, report }| {
        let texts = Texts::from([(file.clone(), text.clone())]);
        let findings: Vec<_> = report.diagnostics.iter().map(|it| render::value(it, &texts)).collect();
        let cases: Vec<_> = report
            .cases
            .iter()
            .map(|case| {
                let (line, column) = render::position(&failed_case(file, case), &texts);
                let mut told = json!(case);
                told["line"] = line.into();
                told["column"] = column.into();
                told
            })
            .collect();
        json!({
            "file": file, "event": report.event, "passed": report.passed(), "cases": cases,
            "never_fired": report.never_fired, "findings": findings,
        })
    });
    json!({ "schema": "stepward.test/1", "files": files.collect::<Vec<_>>() })
}

fn cases(tried: &[Tried]) -> Vec<junit::Case> {
    let mut cases = Vec::new();
    for Tried { file, report, text } in tried {
        let texts = Texts::from([(file.clone(), text.clone())]);
        let case = |name: String, failure| junit::Case { suite: file.to_string(), name, failure };
        let broken = report.diagnostics.iter().filter(|it| it.severity == Severity::Error);
        cases.extend(broken.map(|it| case("the file can be used".into(), Some(render::line(it, &texts)))));
        for it in &report.cases {
            let (line, column) = render::position(&failed_case(file, it), &texts);
            let failure = || format!("{file}:{line}:{column}\n{}", it.faults.join("\n"));
            cases.push(case(it.name.clone(), (!it.passed).then(failure)));
        }
    }
    cases
}
