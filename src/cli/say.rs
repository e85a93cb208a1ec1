//! Words to people and data to pipes. A reader that has gone away (`| head`) is no error.

use std::io::{self, IsTerminal, Write};

use stepward_core::diagnostic::Diagnostic;

use crate::render::{self, Format, Texts};

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
