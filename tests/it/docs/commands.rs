//! Every `stepward …` in a shell block is a command line that the binary takes.

use clap::{CommandFactory, Parser};
use stepward::cli::Arguments;

use super::{blocks, pages, root};

/// The words of a line as a shell reads them: quotes, no expansion; a comment ends it.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for letter in line.chars() {
        match (quote, letter) {
            (Some(open), it) if it == open => quote = None,
            (None, '"' | '\'') => quote = Some(letter),
            (None, '#') if word.is_empty() => break,
            (None, it) if it.is_whitespace() => words.extend((!word.is_empty()).then(|| std::mem::take(&mut word))),
            (_, it) => word.push(it),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

#[test]
fn every_command_shown_is_one_that_the_binary_takes() {
    let (mut tried, mut faults) = (0, Vec::new());
    for (path, text) in pages() {
        for block in blocks(&text).iter().filter(|it| it.language == "sh") {
            for line in block.text.replace("\\\n", " ").lines().filter(|it| it.starts_with("stepward ")) {
                tried += 1;
                let line = line.split(" | ").next().unwrap().split(" > ").next().unwrap();
                if let Err(error) = Arguments::try_parse_from(words(line)) {
                    faults.push(format!("{}: {line}\n{error}", path.display()));
                }
            }
        }
    }
    assert!(tried > 15, "only {tried} commands were found");
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// `make demo` is the first thing that a reader types.
#[test]
fn every_make_target_shown_is_in_the_makefile() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    for (path, text) in pages() {
        for target in blocks(&text).iter().flat_map(|it| it.text.lines()).filter_map(|it| it.strip_prefix("make ")) {
            let target = target.split_whitespace().next().unwrap();
            let is_there = makefile.lines().any(|line| line.starts_with(&format!("{target}:")));
            assert!(is_there, "{}: make {target}", path.display());
        }
    }
}

/// A subcommand that is named in passing exists, too.
#[test]
fn every_subcommand_named_in_the_text_exists() {
    let command = Arguments::command();
    for (path, text) in pages() {
        for named in text.split("`stepward ").skip(1).filter_map(|rest| rest.split(['`', ' ', '\n']).next()) {
            assert!(command.find_subcommand(named).is_some(), "{}: stepward {named}", path.display());
        }
    }
}
