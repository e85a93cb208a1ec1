//! The schemas that editors use, held against the files that the engine's own tests load and refuse.

use std::{
    fs,
    path::{Path, PathBuf},
};

use stepward_core::{schema, yaml};

/// What an editor would underline.
fn underlined(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let document = yaml::parse::<serde_json::Value>(&"case".into(), &text).unwrap();
    let schema = if document.get("flow").is_some() { schema::flow() } else { schema::event() };
    let validator = jsonschema::validator_for(&schema).unwrap();
    validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn policies(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.to_str().is_some_and(|it| it.ends_with(".yaml") && !it.ends_with(".test.yaml")));
    assert!(!found.is_empty(), "no policies to hold the schema against");
    found
}

#[test]
fn what_loads_is_not_underlined() {
    for path in policies("policies").into_iter().chain(policies("core/tests/data/good")) {
        assert_eq!(underlined(&path), Vec::<String>::new(), "{}", path.display());
    }
}

#[test]
fn what_does_not_load_for_its_form_is_underlined() {
    let refused = [
        "key-app-may-ask",
        "key-first",
        "key-missing",
        "key-unknown",
        "key-unknown-rule",
        "key-unknown-top",
        "on-is-not-covers",
        "step-reserved",
        "value-lock-out-key",
        "value-method",
        "value-mode",
        "value-outcome",
        "value-outcome-bare",
        "value-outcome-extra",
        "value-type",
        "value-unit",
    ];
    for name in refused {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("core/tests/data/bad/{name}.yaml"));
        assert!(!underlined(&path).is_empty(), "{name} is not underlined");
    }
}
