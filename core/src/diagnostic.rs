//! What is wrong with a file, where, and what to try. Made at load, all at once; rendering belongs to the shell.

use std::{ops::Range, sync::Arc};

use serde::Serialize;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; never fails a check.
    Note,
    /// Probably a mistake; fails `check --deny warnings`.
    Warning,
    /// The file cannot be used.
    Error,
}

/// One finding about a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// A stable code an operator can search for, such as `attribute.unknown`; dotted, lower case.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The file as the user names it, relative to where the load began.
    pub file: Arc<str>,
    /// Byte range in the file's text; empty ranges point between two bytes.
    pub span: Range<usize>,
    /// What is wrong: lower case, no full stop, backticks round what the user wrote.
    pub message: String,
    /// What to try.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A finding that makes the file unusable.
    pub fn error(code: &'static str, file: &Arc<str>, span: Range<usize>, message: impl Into<String>) -> Self {
        Diagnostic { code, severity: Severity::Error, file: file.clone(), span, message: message.into(), help: None }
    }

    /// A finding that is probably a mistake.
    pub fn warning(code: &'static str, file: &Arc<str>, span: Range<usize>, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, file, span, message) }
    }

    /// The same finding with advice.
    pub fn help(self, help: impl Into<String>) -> Self {
        Diagnostic { help: Some(help.into()), ..self }
    }
}

/// Line and column of a byte offset, both counted from 1; the column counts characters.
pub fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.matches('\n').count() + 1;
    let column = before.get(line_start..).unwrap_or("").chars().count() + 1;
    (line, column)
}

/// The name in `known` nearest to what was written, if it is near enough to be a slip of the finger.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(written, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len().min(written.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_not_bytes() {
        assert_eq!(line_and_column("a\nüb", 4), (2, 2), "the b after a two-byte letter");
    }

    #[test]
    fn a_far_name_is_not_suggested() {
        assert_eq!(nearest("ip.riskk", ["ip.risk", "device.id"]), Some("ip.risk"));
        assert_eq!(nearest("zzzz", ["ip.risk"]), None);
    }
}
