//! `tests/data/advisories.txt`: every row of the advisories has a test that exists, or a reason why it cannot happen.

use std::{collections::BTreeSet, fs, path::Path};

/// Classes and how many rows each has.
const CLASSES: [(char, usize); 11] = [
    ('A', 23),
    ('B', 15),
    ('C', 7),
    ('D', 12),
    ('E', 8),
    ('F', 23),
    ('G', 13),
    ('H', 9),
    ('I', 10),
    ('J', 5),
    ('K', 7),
];

/// Names of all test functions below a folder.
fn tests_below(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_below(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            for (at, line) in
                lines.iter().enumerate().filter(|(_, line)| line.contains("test]") || line.contains("test("))
            {
                let named = lines[at + 1..].iter().take(4).find_map(|it| it.split("fn ").nth(1));
                let name = named.and_then(|it| it.split('(').next());
                found.extend(name.filter(|_| line.starts_with("#[")).map(str::to_string));
            }
        }
    }
}

#[test]
fn every_row_of_the_advisories_is_held_by_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut known = BTreeSet::new();
    for folder in ["src", "core/src", "core/tests", "tests/it"] {
        tests_below(&root.join(folder), &mut known);
    }
    assert!(known.len() > 400, "only {} tests found", known.len());
    let text = fs::read_to_string(root.join("tests/data/advisories.txt")).unwrap();
    let mut rows = BTreeSet::new();
    let mut faults = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (row, told) = line.split_once(' ').unwrap_or((line, ""));
        if !rows.insert(row.to_string()) {
            faults.push(format!("{row} stands twice"));
        }
        match told.strip_prefix("- ") {
            Some(why) if why.len() < 20 => faults.push(format!("{row} has no reason")),
            Some(_) => {}
            None => {
                let missing = told.split_whitespace().filter(|name| !known.contains(*name));
                faults.extend(missing.map(|name| format!("{row} names {name}, which is no test")));
                if told.trim().is_empty() {
                    faults.push(format!("{row} names no test"));
                }
            }
        }
    }
    for (class, count) in CLASSES {
        for number in 1..=count {
            if !rows.contains(&format!("{class}{number}")) {
                faults.push(format!("{class}{number} is missing"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
