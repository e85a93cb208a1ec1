//! What the documentation shows is held to what the code does: examples load, commands parse, links lead somewhere,
//! and the reference is what the code says.

use std::{
    fs,
    path::{Path, PathBuf},
};

mod commands;
mod examples;
mod reference;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page for people: those at the top, in `docs/` and in `deploy/`.
fn pages() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for folder in [".", "docs", "docs/guides", "docs/reference", "deploy"] {
        let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        found.extend(entries.filter(|path| path.extension().is_some_and(|it| it == "md")));
    }
    found.sort();
    assert!(found.len() > 15, "the pages were not found: {found:?}");
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// A fenced block: the line it begins on, the word after the fence, its text.
struct Block<'a> {
    line: usize,
    language: &'a str,
    text: String,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut found: Vec<Block<'_>> = Vec::new();
    let mut open = false;
    for (line, text) in page.lines().enumerate() {
        match (text.strip_prefix("```"), open) {
            (Some(language), false) => found.push(Block { line: line + 1, language, text: String::new() }),
            (None, true) => found.last_mut().unwrap().text.push_str(&format!("{text}\n")),
            (Some(_), true) | (None, false) => {}
        }
        open ^= text.starts_with("```");
    }
    assert!(!open, "a fence is not closed");
    found
}

#[test]
fn every_link_leads_somewhere() {
    let mut dead = Vec::new();
    for (path, text) in pages() {
        let folder = path.parent().unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap();
            if !target.contains("://") && !file.is_empty() && !folder.join(file).exists() {
                dead.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn every_method_has_a_small_picture_in_the_guide() {
    let guide = fs::read_to_string(root().join("docs/guides/step-up.md")).unwrap();
    for method in stepward::registry::METHODS_BUILT {
        let name = format!("images/method-{}.webp", method.name());
        let taken = fs::metadata(root().join("docs").join(&name));
        let how = "`cargo test --test it pictures_of_the_docs -- --ignored` takes it";
        assert!(taken.is_ok_and(|it| it.len() <= 60 * 1024), "docs/{name} is not there, or over 60 KiB: {how}");
        assert!(guide.contains(&name), "docs/guides/step-up.md does not show {name}");
    }
}
