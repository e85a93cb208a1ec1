//! `stepward.yaml`: files that must load, and files that must not, each with the findings it must give.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use stepward::settings::{self, Presence};
use stepward_core::diagnostic::{self, Diagnostic, Severity};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_str().unwrap().ends_with(".stepward.yaml"));
    files.sort();
    files
}

/// `code line:column` of every error, sorted.
fn errors(found: &[Diagnostic], text: &str) -> Vec<String> {
    let errors = found.iter().filter(|it| it.severity == Severity::Error);
    let mut told: Vec<_> = errors
        .map(|it| {
            let (line, column) = diagnostic::line_and_column(text, it.span.start);
            format!("{} {line}:{column}", it.code)
        })
        .collect();
    told.sort();
    told
}

/// What a bad file says it must give: `# finds: code line:column code line:column …`
fn expected(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("# finds: "));
    let words: Vec<_> = lines.flat_map(str::split_whitespace).collect();
    let mut expected: Vec<_> = words.chunks(2).map(|pair| pair.join(" ")).collect();
    expected.sort();
    expected
}

#[test]
fn every_good_file_loads() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let others = ["deploy/stepward.yaml", "src/cli/init/stepward.yaml"].map(|it| repository.join(it));
    let files: Vec<_> = files("good").into_iter().chain(others).collect();
    assert!(files.len() >= 4);
    for path in files {
        let rejected = settings::load(&path, Presence::Advised).err();
        assert!(rejected.is_none(), "{}: {rejected:#?}", path.display());
    }
}

#[test]
fn every_bad_file_gives_all_its_findings_at_their_places() {
    let files = files("bad");
    assert!(files.len() >= 6);
    let mut faults = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let rejected = settings::load(&path, Presence::Advised).unwrap_err();
        let (found, expected) = (errors(&rejected.found, &text), expected(&text));
        if found != expected {
            faults.push(format!("{}:\n  found    {found:?}\n  expected {expected:?}", path.display()));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn what_loads_fits_the_schema_that_editors_use() {
    let validator = jsonschema::validator_for(&settings::schema()).unwrap();
    for (folder, fits) in [("good", true), ("bad", false)] {
        for path in files(folder) {
            let text = fs::read_to_string(&path).unwrap();
            let Ok(instance) = serde_saphyr::from_str::<serde_json::Value>(&text) else { continue };
            if fits {
                assert!(validator.is_valid(&instance), "{} does not fit the schema", path.display());
            }
        }
    }
}

/// A key that is misspelt, or a value of another shape, must never load as if it had not been there: whatever single
/// line is broken, either the file is refused or what it says is still what is loaded.
#[test]
fn no_control_is_dropped_silently_by_a_slip() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/good/everything.stepward.yaml");
    let text = fs::read_to_string(path).unwrap();
    let file: Arc<str> = "stepward.yaml".into();
    let load = |text: &str| settings::read(&file, text, Path::new("/nowhere"), Presence::Advised);
    let mut tried = 0;
    for (at, _) in text.match_indices(':').filter(|(at, _)| text[..*at].ends_with(|it: char| it.is_ascii_lowercase())) {
        let in_comment = text[..at].rsplit('\n').next().unwrap().contains('#');
        let is_key = text[at + 1..].starts_with([' ', '\n']);
        let key = text[..at].rsplit(|it: char| !it.is_ascii_alphanumeric() && it != '_').next().unwrap();
        // Names that the operator chooses are no keys of ours.
        if in_comment || !is_key || ["app", "partners", "staff", "key", "id"].contains(&key) {
            continue;
        }
        let broken = format!("{}x{}", &text[..at], &text[at..]);
        assert!(load(&broken).is_err(), "`{key}x` was read over:\n{broken}");
        tried += 1;
    }
    assert!(tried > 40, "only {tried} keys were tried");
}
