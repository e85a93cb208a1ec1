//! Words to people and data to pipes. A reader that has gone away (`| head`) is no error.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write},
};

use clap::ValueEnum;
use serde_json::Value;
use stepward_core::diagnostic::Diagnostic;

use crate::render::{self, Format, Texts};

/// The shape of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Shape {
    /// For people
    Human,
    /// One JSON document
    Json,
}

/// `--format`, where an answer is for people or for programs.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Printed {
    /// Shape of the answer
    #[arg(short, long, default_value = "human")]
    pub(super) format: Shape,
}

impl Printed {
    /// The document, or what it says for people.
    pub(super) fn answer(self, document: &Value, human: impl FnOnce() -> String) {
        match self.format {
            Shape::Human => data(&human()),
            Shape::Json => data(&format!("{document:#}\n")),
        }
    }

    /// The document; for people by name and value, a line each.
    pub(super) fn listed(self, document: &Value) {
        self.answer(document, || {
            let mut text = String::new();
            list(&mut text, document, 0);
            text
        });
    }
}

/// Names and values, what is inside set in by two.
fn list(text: &mut String, value: &Value, depth: usize) {
    let named: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, it)| (format!("{}:", name.replace('_', " ")), it)).collect(),
        Value::Array(items) => items.iter().map(|it| ("-".to_owned(), it)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => vec![(String::new(), value)],
    };
    for (name, it) in named {
        let inner = match it {
            Value::Null => "none".to_owned(),
            Value::Bool(is) => if *is { "yes" } else { "no" }.to_owned(),
            Value::Number(number) => number.to_string(),
            Value::String(words) => words.clone(),
            Value::Array(items) if items.is_empty() => "none".to_owned(),
            Value::Object(fields) if fields.is_empty() => "none".to_owned(),
            Value::Array(_) | Value::Object(_) => {
                // Writing to a text cannot fail.
                let _ = writeln!(text, "{:1$}{name}", "", depth * 2);
                list(text, it, depth + 1);
                continue;
            }
        };
        let gap = if name.is_empty() { "" } else { " " };
        let _ = writeln!(text, "{:1$}{name}{gap}{inner}", "", depth * 2);
    }
}

/// Data, to standard output.
pub(super) fn data(text: &str) {
    // A closed pipe means that the reader has seen enough.
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

/// Talk, a line to standard error.
pub(super) fn talk(text: &str) {
    // Without a standard error there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Findings in the asked shape: for people to standard error with a closing line, else to standard output.
pub(super) fn findings(found: &[Diagnostic], texts: &Texts, format: Format) {
    match format {
        Format::Human => {
            talk(render::report(found, texts, format, colour(&io::stderr())).trim_end());
            let (errors, warnings) = render::count(found);
            talk(&format!("{}, {}", several(errors, "error"), several(warnings, "warning")));
        }
        Format::Json | Format::Github | Format::Sarif => data(&render::report(found, texts, format, false)),
    }
}

/// `1 error`, `2 errors`.
pub(super) fn several(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Whether this stream shows colours: a terminal, unless <https://no-color.org> asks for none.
pub(super) fn colour(stream: &impl IsTerminal) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    !set("NO_COLOR") && (set("CLICOLOR_FORCE") || (stream.is_terminal() && !dumb))
}
