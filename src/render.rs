//! Findings about files, put into the shape that a reader wants: a person, a script, or a code-review page.
//!
//! Never prints by itself and never reads a file: texts come with the findings. A finding whose text is not at hand
//! is still told, with its file and without a snippet.

use std::{collections::BTreeMap, sync::Arc};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde_json::json;
use stepward_core::diagnostic::{self, Diagnostic, Severity};

pub mod junit;

/// Texts of the files that were read, by the name that findings give them.
pub type Texts = BTreeMap<Arc<str>, Arc<str>>;

/// The shape of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people, like rustc's own messages.
    Human,
    /// One JSON document, versioned by its `schema`.
    Json,
    /// GitHub workflow commands, shown beside the lines of a pull request.
    Github,
    /// SARIF 2.1.0, for code-scanning pages.
    Sarif,
}

/// A report of everything found, ending in a newline unless it is empty.
pub fn report(found: &[Diagnostic], texts: &Texts, format: Format, colour: bool) -> String {
    match format {
        Format::Human => human(found, texts, colour),
        Format::Json => json(found, texts),
        Format::Github => found.iter().map(|it| github(it, texts)).collect(),
        Format::Sarif => sarif(found, texts),
    }
}

/// `file:line:col: message`: one finding in one line, for logs and pages.
pub fn line(finding: &Diagnostic, texts: &Texts) -> String {
    let (line, column) = position(finding, texts);
    let help = finding.help.as_ref().map_or(String::new(), |help| format!("; {help}"));
    format!("{}:{line}:{column}: {}{help} [{}]", finding.file, finding.message, finding.code)
}

/// One finding as JSON.
pub fn value(finding: &Diagnostic, texts: &Texts) -> serde_json::Value {
    let (line, column) = position(finding, texts);
    json!({
        "code": finding.code,
        "severity": word(finding.severity),
        "file": finding.file,
        "line": line,
        "column": column,
        "span": [finding.span.start, finding.span.end],
        "message": finding.message,
        "help": finding.help,
    })
}

/// How many findings are errors, and how many warnings.
pub fn count(found: &[Diagnostic]) -> (usize, usize) {
    let of = |severity| found.iter().filter(|it| it.severity == severity).count();
    (of(Severity::Error), of(Severity::Warning))
}

fn human(found: &[Diagnostic], texts: &Texts, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut report = String::new();
    for finding in found {
        report.push_str(&renderer.render(&[group(finding, texts)]));
        report.push_str("\n\n");
    }
    report
}

fn group<'a>(finding: &'a Diagnostic, texts: &'a Texts) -> annotate_snippets::Group<'a> {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(visible(&finding.message)).id(finding.code);
    let group = match texts.get(&finding.file) {
        Some(text) => {
            let span = within(text, &finding.span);
            let source = Snippet::source(&**text).path(&*finding.file).annotation(AnnotationKind::Primary.span(span));
            title.element(source)
        }
        None => title.element(annotate_snippets::Origin::path(&*finding.file)),
    };
    match &finding.help {
        Some(help) => group.element(Level::HELP.message(visible(help))),
        None => group,
    }
}

/// The span inside the text, on character boundaries: a finding about a file that has changed since must not panic.
fn within(text: &str, span: &std::ops::Range<usize>) -> std::ops::Range<usize> {
    let floor = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let start = floor(span.start);
    start..floor(span.end).max(start)
}

/// Messages quote what was written; control characters in it must not steer a terminal (Envoy CVE-2025-25294).
fn visible(message: &str) -> String {
    message.chars().map(|it| if it.is_control() && it != '\n' { '\u{fffd}' } else { it }).collect()
}

fn json(found: &[Diagnostic], texts: &Texts) -> String {
    let (errors, warnings) = count(found);
    let findings: Vec<_> = found.iter().map(|it| value(it, texts)).collect();
    let report = json!({ "schema": "stepward.check/1", "errors": errors, "warnings": warnings, "findings": findings });
    format!("{report:#}\n")
}

fn github(finding: &Diagnostic, texts: &Texts) -> String {
    let (line, column) = position(finding, texts);
    let command = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let help = finding.help.as_ref().map_or(String::new(), |help| format!("\n{help}"));
    let message = escape_command(&format!("{}{help}", finding.message));
    let file = escape_command(&finding.file).replace(',', "%2C").replace(':', "%3A");
    format!("::{command} file={file},line={line},col={column},title={}::{message}\n", finding.code)
}

/// GitHub reads `%0A` as a new line; anything else would end the command.
fn escape_command(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn sarif(found: &[Diagnostic], texts: &Texts) -> String {
    let mut codes: Vec<_> = found.iter().map(|it| it.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let rules: Vec<_> = codes.iter().map(|code| json!({ "id": code })).collect();
    let results: Vec<_> = found.iter().map(|it| sarif_result(it, texts)).collect();
    let driver = json!({ "name": "stepward", "version": env!("CARGO_PKG_VERSION"), "rules": rules });
    let report = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{ "tool": { "driver": driver }, "results": results }],
    });
    format!("{report:#}\n")
}

fn sarif_result(finding: &Diagnostic, texts: &Texts) -> serde_json::Value {
    let (line, column) = position(finding, texts);
    let help = finding.help.as_ref().map_or(String::new(), |help| format!("; {help}"));
    let region = json!({ "startLine": line, "startColumn": column });
    let place = json!({ "artifactLocation": { "uri": finding.file }, "region": region });
    json!({
        "ruleId": finding.code,
        "level": word(finding.severity),
        "message": { "text": format!("{}{help}", finding.message) },
        "locations": [{ "physicalLocation": place }],
    })
}

/// Line and column where a finding begins, both from 1.
pub fn position(finding: &Diagnostic, texts: &Texts) -> (usize, usize) {
    texts.get(&finding.file).map_or((1, 1), |text| diagnostic::line_and_column(text, within(text, &finding.span).start))
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding() -> (Vec<Diagnostic>, Texts) {
        let file: Arc<str> = "policies/login.yaml".into();
        let text = "steps:\n  - when: ip.riskk > 3\n";
        let at = text.find("ip.riskk").unwrap();
        let found = Diagnostic::error("attribute.unknown", &file, at..at + 8, "unknown attribute `ip.riskk`")
            .help("did you mean `ip.risk`?");
        (vec![found], Texts::from([(file, text.into())]))
    }

    #[test]
    fn people_see_code_place_snippet_and_help() {
        let (found, texts) = finding();
        let report = report(&found, &texts, Format::Human, false);
        for part in [
            "error[attribute.unknown]: unknown attribute `ip.riskk`",
            "--> policies/login.yaml:2:11",
            "  - when: ip.riskk > 3",
            "^^^^^^^^",
            "help: did you mean `ip.risk`?",
        ] {
            assert!(report.contains(part), "{part} is missing from:\n{report}");
        }
        assert!(!report.contains('\u{1b}'), "no colour was asked for");
    }

    #[test]
    fn colour_comes_only_when_asked_for() {
        let (found, texts) = finding();
        assert!(report(&found, &texts, Format::Human, true).contains('\u{1b}'));
    }

    #[test]
    fn what_was_written_cannot_steer_a_terminal() {
        let (mut found, texts) = finding();
        found[0].message = "unknown attribute `\u{1b}[2J`".into();
        assert!(!report(&found, &texts, Format::Human, false).contains('\u{1b}'));
    }

    #[test]
    fn a_span_outside_the_text_is_drawn_at_its_end() {
        let (mut found, texts) = finding();
        found[0].span = 4000..5000;
        assert!(report(&found, &texts, Format::Human, false).contains("unknown attribute"));
    }

    #[test]
    fn scripts_get_line_and_column() {
        let (found, texts) = finding();
        let report: serde_json::Value = serde_json::from_str(&report(&found, &texts, Format::Json, false)).unwrap();
        assert_eq!(report["schema"], "stepward.check/1");
        assert_eq!((&report["findings"][0]["line"], &report["findings"][0]["column"]), (&json!(2), &json!(11)));
    }

    #[test]
    fn a_workflow_command_stays_one_line() {
        let (mut found, texts) = finding();
        found[0].message = "two\nlines, 100 %".into();
        let report = report(&found, &texts, Format::Github, false);
        assert_eq!(report.lines().count(), 1);
        assert!(report.starts_with(
            "::error file=policies/login.yaml,line=2,col=11,title=attribute.unknown::two%0Alines, 100 %25"
        ));
    }

    #[test]
    fn sarif_names_rule_and_region() {
        let (found, texts) = finding();
        let report: serde_json::Value = serde_json::from_str(&report(&found, &texts, Format::Sarif, false)).unwrap();
        assert_eq!(report["runs"][0]["results"][0]["ruleId"], "attribute.unknown");
        assert_eq!(report["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"], 2);
    }

    #[test]
    fn a_log_line_is_readable_alone() {
        let (found, texts) = finding();
        assert_eq!(
            line(&found[0], &texts),
            "policies/login.yaml:2:11: unknown attribute `ip.riskk`; did you mean `ip.risk`? [attribute.unknown]"
        );
    }
}
