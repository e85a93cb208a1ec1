//! Policies that load and policies that do not, as files: what is said about each stands beside it.
//!
//! `BLESS=1 cargo test -p stepward-core --test policies` rewrites the expectations; read the difference before you
//! commit it.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its cases should stop")]
#![expect(clippy::disallowed_methods, reason = "the cases are files; only the engine itself does no I/O")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use stepward_core::{
    attribute::Catalogue,
    diagnostic::{Diagnostic, Severity, line_and_column},
    policy::{
        Policy, StepKind,
        compile::{Options, Source, compile},
    },
};

fn load(path: &Path) -> (Vec<Policy>, Vec<Diagnostic>, String) {
    let text = fs::read_to_string(path).unwrap();
    let file: Arc<str> = path.file_name().unwrap().to_str().unwrap().into();
    // Several documents in one case are several files, parted by a line that YAML would take for a comment.
    let sources: Vec<Source> = text
        .split("# ---8<---\n")
        .enumerate()
        .map(|(at, text)| Source {
            file: if at == 0 { file.clone() } else { format!("{file}#{at}").into() },
            text: text.into(),
        })
        .collect();
    let (policies, found) = compile(&sources, &Catalogue::builtin(), &Options::default());
    let said = found.iter().map(|it| line(it, &sources)).collect::<Vec<_>>().concat();
    (policies, found, said)
}

fn line(found: &Diagnostic, sources: &[Source]) -> String {
    let source = sources.iter().find(|source| source.file == found.file).unwrap();
    let (line, column) = line_and_column(&source.text, found.span.start);
    let written = source.text.get(found.span.clone()).unwrap().replace('\n', "⏎");
    let severity = if found.severity == Severity::Error { "error" } else { "warning" };
    let help = found.help.as_ref().map(|help| format!("    help: {help}\n")).unwrap_or_default();
    format!("{}:{line}:{column} {severity} {}: {}\n    at: {written}\n{help}", found.file, found.code, found.message)
}

fn cases(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder);
    let mut found: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|it| it == "yaml"));
    found.sort();
    found
}

fn shipped() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.to_str().is_some_and(|it| it.ends_with(".yaml") && !it.ends_with(".test.yaml")));
    found.sort();
    found
}

#[test]
fn good_policies_load_and_warnings_are_the_expected_ones() {
    for path in cases("good") {
        let (policies, found, said) = load(&path);
        let expected = fs::read_to_string(path.with_extension("expected")).unwrap_or_default();
        assert_eq!(said, expected, "{}", path.display());
        assert!(found.iter().all(|it| it.severity != Severity::Error), "{} has errors", path.display());
        assert!(!policies.is_empty(), "{} gives no policy", path.display());
    }
}

#[test]
fn bad_policies_are_told_everything_at_once() {
    let mut wrong = String::new();
    for path in cases("bad") {
        let (_, found, said) = load(&path);
        let expected = path.with_extension("expected");
        if std::env::var("BLESS").is_ok() {
            fs::write(&expected, &said).unwrap();
        }
        assert!(!found.is_empty(), "{} loads without a word", path.display());
        if fs::read_to_string(&expected).unwrap_or_default() != said {
            wrong += &format!("--- {}\n{said}", path.display());
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn an_error_keeps_a_policy_out_and_a_warning_does_not() {
    for path in cases("bad") {
        let (policies, found, _) = load(&path);
        let errors = found.iter().any(|it| it.severity == Severity::Error);
        if !errors {
            assert!(!policies.is_empty(), "{} has warnings only, yet gives no policy", path.display());
        }
        for policy in &policies {
            let own = found.iter().filter(|it| it.severity == Severity::Error && it.file == policy.file).count();
            assert_eq!(own, 0, "{} gives `{}` despite its errors", path.display(), policy.event);
        }
    }
}

#[test]
fn the_policies_that_are_shipped_load() {
    let sources: Vec<Source> = shipped()
        .iter()
        .map(|path| Source {
            file: path.file_name().unwrap().to_str().unwrap().into(),
            text: fs::read_to_string(path).unwrap().into(),
        })
        .collect();
    let (policies, found) = compile(&sources, &Catalogue::builtin(), &Options::default());
    let said: String = found.iter().map(|it| line(it, &sources)).collect();
    assert_eq!(said, "", "shipped policies load without a word");
    assert_eq!(policies.len(), sources.len());
}

#[test]
fn ten_thousand_rules_load() {
    let rule = |number| {
        format!(
            "      - rule: rule {number}\n        when: ip.risk_score >= settings.limit && !device.is_known && \
             request.path.startsWith(\"/large/{number}\")\n        then: block\n"
        )
    };
    let event = |number| {
        let rules: String = (0..100).map(rule).collect();
        let text = format!(
            "event: large {number}\ncovers: [POST /large/{number}]\nsettings: {{ limit: 70 }}\nwhen_unsure: block\n\
             otherwise: forward\nsteps:\n  - decide: all\n    rules:\n{rules}"
        );
        Source { file: format!("{number}.yaml").into(), text: text.into() }
    };
    let sources: Vec<Source> = (0..100).map(event).collect();
    let (policies, found) = compile(&sources, &Catalogue::builtin(), &Options::default());
    assert_eq!((policies.len(), found), (100, Vec::new()));
    let rules = policies.iter().flat_map(|policy| &policy.steps).map(|step| match &step.kind {
        StepKind::Decide(rules) => rules.len(),
        StepKind::Require(_) | StepKind::Split(_) | StepKind::Finish(..) => 0,
    });
    assert_eq!(rules.sum::<usize>(), 10_000);
}
