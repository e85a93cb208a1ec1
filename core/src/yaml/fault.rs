//! The reader's errors in our words, with codes, places and advice.

use std::{ops::Range, sync::Arc};

use serde_saphyr::{Error, budget::BudgetBreach};

use crate::{
    diagnostic::{self, Diagnostic},
    yaml::{bytes, first_key},
};

/// What went wrong with the form of a document.
pub(super) fn diagnostic(file: &Arc<str>, text: &str, error: &Error) -> Diagnostic {
    let error = error.without_snippet();
    let span = word(text, error.location().map_or(0..0, |location| place(text, &location)));
    let line = line_around(text, span.start);
    let value = value_of(text, &line);
    let written = text.get(value.clone()).unwrap_or("");
    let fault = |code, message: String| Diagnostic::error(code, file, span.clone(), message);
    if let Error::Message { msg, .. } = error
        && let Some((code, message, help)) = first_key::refusal(msg)
    {
        let fault = fault(code, message.to_owned());
        return if help.is_empty() { fault } else { fault.help(help) };
    }
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            unknown(fault("key.unknown", format!("unknown key `{field}`")), field, expected)
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            let message = format!("`{variant}` cannot stand here; it is one of {}", expected.join(", "));
            let near = diagnostic::nearest(variant, expected.iter().copied());
            let fault = fault("value.unknown", message);
            near.map_or(fault.clone(), |near| fault.help(format!("did you mean `{near}`?")))
        }
        Error::SerdeMissingField { field, .. } => {
            let fault = fault("key.missing", format!("`{field}` is missing"));
            misplaced(text, &span, field).map_or(fault.clone(), |help| fault.help(help))
        }
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("a key");
            fault("key.duplicate", format!("`{key}` is given twice"))
        }
        Error::InvalidBooleanStrict { .. } => {
            let found = text.get(span.clone()).unwrap_or("");
            fault("value.boolean", format!("`{found}` is neither `true` nor `false`"))
        }
        Error::Budget { .. } | Error::UnknownAnchor { .. } if written.starts_with('!') => bang(file, &value, written),
        Error::Budget { .. } | Error::UnknownAnchor { .. }
            if text.get(line.clone()).is_some_and(|it| it.contains("&&")) =>
        {
            let message = "YAML reads `&` as its own sign here";
            fault("yaml.anchor", message.to_owned()).help("quote the condition: '…'")
        }
        Error::Budget { breach, .. } => {
            over_budget(fault("yaml.too_large", "the document is too large".into()), breach)
        }
        Error::MergeKeyNotAllowed { .. } | Error::UnknownAnchor { .. } => anchors(fault("yaml.anchor", String::new())),
        Error::MultipleDocuments { .. } => fault("yaml.documents", "one file holds one document".into()),
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            fault("value.type", format!("{expected} is needed here, not {unexpected}"))
        }
        Error::InvalidScalar { ty, .. } => {
            let found = text.get(span.clone()).unwrap_or("");
            fault("value.type", format!("`{found}` is not {}", plain_type(ty)))
        }
        _ if written.starts_with('!') => bang(file, &value, written),
        _ if written.contains(" ? ") && written.contains(" : ") && !written.starts_with(['"', '\'', '|', '>']) => {
            let message = "YAML reads `: ` as the start of a mapping";
            Diagnostic::error("yaml.ternary", file, value.clone(), message).help(quoted(written, ""))
        }
        Error::Unexpected { expected, .. } => fault("value.type", format!("{} is needed here", plain_type(expected))),
        Error::Eof { .. } => fault("yaml.empty", "the file ends where something is needed".into()),
        other => fault("yaml.syntax", tidy(&other.to_string())),
    }
}

fn unknown(fault: Diagnostic, field: &str, expected: &[&'static str]) -> Diagnostic {
    match diagnostic::nearest(field, expected.iter().copied()) {
        Some(near) => fault.help(format!("did you mean `{near}`?")),
        None => fault.help(format!("keys here are {}", expected.join(", "))),
    }
}

fn over_budget(fault: Diagnostic, breach: &BudgetBreach) -> Diagnostic {
    match breach {
        BudgetBreach::Aliases { .. } | BudgetBreach::Anchors { .. } | BudgetBreach::MergeKeys { .. } => anchors(fault),
        BudgetBreach::Depth { .. } => Diagnostic {
            code: "yaml.too_deep",
            message: format!("nested more than {} deep", super::DEPTH_MAX),
            ..fault
        },
        _ => fault,
    }
}

fn anchors(fault: Diagnostic) -> Diagnostic {
    let message = "anchors, aliases and merge keys (`&x`, `*x`, `<<`) are not part of the format".to_owned();
    Diagnostic { code: "yaml.anchor", message, ..fault }.help("repeat the text, or name the value under `settings`")
}

fn quoted(written: &str, otherwise: &str) -> String {
    format!("quote it: '{}'{otherwise}", written.replace('\'', "''"))
}

fn plain_type(name: &str) -> &str {
    match name {
        "bool" | "boolean" => "`true` or `false`",
        "floating point" | "float" => "a number",
        "i64" | "u64" | "i32" | "u32" | "u8" | "integer" => "a whole number",
        "sequence start" | "sequence" => "a list",
        "mapping start" | "mapping" => "a mapping",
        "string scalar" | "scalar" | "string" => "a text",
        other => other,
    }
}

fn bang(file: &Arc<str>, value: &Range<usize>, written: &str) -> Diagnostic {
    let message = "YAML reads a leading `!` as a tag, not as \"not\"";
    Diagnostic::error("yaml.bang", file, value.clone(), message).help(quoted(written, " or list it under `none:`"))
}

/// Where a key that is missing may have been meant: on one of the next lines, at another depth.
fn misplaced(text: &str, span: &Range<usize>, field: &str) -> Option<String> {
    let own = span.start - text.get(..span.start)?.rfind('\n').map_or(0, |newline| newline + 1);
    let rest = text.get(span.start..)?;
    let found = rest.lines().skip(1).take(3).find(|line| line.trim_start().starts_with(&format!("{field}:")))?;
    let depth = found.len() - found.trim_start().len();
    (depth != own).then(|| format!("`{field}` is indented by {depth}, its neighbours by {own}"))
}

/// The bytes of a place; counted from line and column where the parser gives nothing better.
fn place(text: &str, location: &serde_saphyr::Location) -> Range<usize> {
    if location.span().byte_offset().is_some() {
        return bytes(location);
    }
    let line = usize::try_from(location.line()).unwrap_or(1).max(1) - 1;
    let column = usize::try_from(location.column()).unwrap_or(1).max(1) - 1;
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text.get(start..).unwrap_or("");
    let at = start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at);
    at..at
}

/// The reader's own message without its place, which the diagnostic tells better.
fn tidy(message: &str) -> String {
    let first = message.lines().next().unwrap_or("").trim_end_matches('.');
    let first = first.split_once(" at line ").map_or(first, |(before, _)| before);
    let mut letters = first.chars();
    letters.next().map_or_else(String::new, |letter| letter.to_lowercase().chain(letters).collect())
}

/// The word that begins here, where the parser gave a point.
fn word(text: &str, span: Range<usize>) -> Range<usize> {
    if span.len() > 1 {
        return span;
    }
    let rest = text.get(span.start..).unwrap_or("");
    let length = rest.find(|letter: char| letter.is_whitespace() || ":,]}".contains(letter)).unwrap_or(rest.len());
    span.start.min(text.len())..(span.start + length).min(text.len())
}

fn line_around(text: &str, at: usize) -> Range<usize> {
    let start = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
    let end = text.get(at..).and_then(|after| after.find('\n')).map_or(text.len(), |newline| at + newline);
    start..end
}

/// The value on a line: what follows `key: `, `- ` or a bracket, up to the end.
fn value_of(text: &str, line: &Range<usize>) -> Range<usize> {
    let whole = text.get(line.clone()).unwrap_or("");
    let bang = ["- !", ": !", "[!", ", !"].iter().find_map(|sign| whole.find(sign).map(|at| at + sign.len() - 1));
    let mut start = bang.unwrap_or_else(|| whole.len() - whole.trim_start().trim_start_matches("- ").len());
    if bang.is_none()
        && let Some((key, _)) = whole.get(start..).and_then(|rest| rest.split_once(": "))
        && key.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
    {
        start += key.len() + 2;
    }
    let end = whole.trim_end().len();
    let is_flow = whole.get(..start).is_some_and(|before| before.contains(['[', '{']));
    let close = whole.get(start..end).and_then(|rest| rest.find([',', ']', '}'])).filter(|_| is_flow && bang.is_some());
    let end = close.map_or(end, |length| start + length);
    line.start + start.min(end)..line.start + end
}
