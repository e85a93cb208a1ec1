//! Templates: the built-in ones, and an operator's that replace those of the same name.
//!
//! Everything is escaped for HTML, whatever a file is called, and an operator's template cannot switch that off: there
//! is no `safe` filter, and `autoescape` is refused. It sees only what is in the folder and what is built in, and what
//! the page is given. Each is rendered with sample values, so that what is wrong is told before anybody sees it.

use std::{
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use minijinja::{AutoEscape, Environment, Error};
use stepward_core::diagnostic::{self, Diagnostic, Severity};

use crate::{
    challenges::page::{Files, samples},
    render::Texts,
};

/// Larger files are no templates of a page that fits into 30 KB.
const BYTES_MAX: u64 = 64 * 1024;

/// What a page's content policy does not let happen, so that it would silently not be there.
const BLOCKED: [&str; 6] = ["<style", " style=", " onclick=", " onsubmit=", " onload=", "javascript:"];

/// What was read of an operator's folder.
#[derive(Default)]
pub struct Loaded {
    /// Built-in templates with the folder's over them; none if the folder has none, or one has an error.
    pub environment: Option<Environment<'static>>,
    /// Everything found.
    pub found: Vec<Diagnostic>,
    /// The texts that findings point into.
    pub texts: Texts,
}

/// The built-in templates.
///
/// # Errors
/// When one does not parse, which a test holds never happens.
pub fn built_in() -> Result<Environment<'static>, Error> {
    let mut templates = Environment::new();
    templates.set_auto_escape_callback(|_| AutoEscape::Html);
    // What is markup says so itself where it is made, such as the snippet of a connector.
    templates.remove_filter("safe");
    for name in Files::iter().filter(|name| name.ends_with(".html")) {
        let text = Files::get(&name).map(|file| String::from_utf8_lossy(&file.data).into_owned());
        templates.add_template_owned(name.into_owned(), text.unwrap_or_default())?;
    }
    Ok(templates)
}

/// The folder's templates over the built-in ones, and everything that is wrong with them.
pub fn read(folder: &Path) -> Loaded {
    let mut loaded = Loaded::default();
    let (mut templates, files) = match (built_in(), files(folder)) {
        (Ok(templates), Ok(files)) => (templates, files),
        (Err(error), _) => {
            loaded.found.push(Diagnostic::error("template.broken", &"pages".into(), 0..0, error.to_string()));
            return loaded;
        }
        (_, Err(error)) => {
            loaded.unreadable(folder, &error);
            return loaded;
        }
    };
    let mut added = Vec::new();
    for path in files {
        let name = path.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
        let shown: Arc<str> = path.display().to_string().into();
        match text_of(&path) {
            Ok(text) => {
                loaded.texts.insert(shown.clone(), text.as_str().into());
                loaded.found.extend(unescaped(&shown, &text));
                loaded.found.extend(doubts(&name, &shown, &text));
                match templates.add_template_owned(name.clone(), text.clone()) {
                    Ok(()) => added.push((name, shown)),
                    Err(error) => loaded.found.push(broken(&shown, &text, &error)),
                }
            }
            Err(error) => loaded.unreadable(&path, &error),
        }
    }
    if loaded.is_whole() {
        loaded.try_out(&templates, &added);
    }
    if !added.is_empty() && loaded.is_whole() {
        loaded.environment = Some(templates);
    }
    loaded
}

impl Loaded {
    fn is_whole(&self) -> bool {
        self.found.iter().all(|it| it.severity != Severity::Error)
    }

    /// Renders every page, for each may rest on one of the operator's.
    fn try_out(&mut self, templates: &Environment<'_>, added: &[(String, Arc<str>)]) {
        for (name, template) in templates.templates() {
            for content in samples::all() {
                let Err(error) = template.render(content) else { continue };
                let origin = error.name().unwrap_or(name);
                let theirs = added.iter().find(|(name, _)| name == origin).or(added.first());
                let Some((_, shown)) = theirs else { continue };
                let text = self.texts.get(shown).cloned().unwrap_or_default();
                let finding = broken(shown, &text, &error);
                if !self.found.contains(&finding) {
                    self.found.push(finding);
                }
            }
        }
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        let shown: Arc<str> = path.display().to_string().into();
        let message = format!("cannot read `{shown}`: {error}");
        let help = "it has to be text in UTF-8 that this user may read, at most 64 KiB";
        self.found.push(Diagnostic::error("file.unreadable", &shown, 0..0, message).help(help));
    }
}

/// Every `*.html` of the folder itself, in order; hidden files are an editor's.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_hidden = path.file_name().is_some_and(|it| it.to_string_lossy().starts_with('.'));
        if path.extension().is_some_and(|it| it == "html") && !is_hidden {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn text_of(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > BYTES_MAX {
        return Err(io::Error::other("it is larger than 64 KiB"));
    }
    fs::read_to_string(path)
}

/// An error of a template, at its place.
fn broken(shown: &Arc<str>, text: &str, error: &Error) -> Diagnostic {
    let place = error.range().filter(|it| text.get(it.clone()).is_some()).unwrap_or_else(|| line(text, error.line()));
    let kind = error.kind().to_string();
    let message = match error.detail() {
        Some(detail) => format!("the template cannot be used: {kind}: {detail}"),
        None => format!("the template cannot be used: {kind}"),
    };
    Diagnostic::error("template.broken", shown, place, message).help("compare with the built-in template of this name")
}

/// The whole of a line, counted from 1.
fn line(text: &str, number: Option<usize>) -> Range<usize> {
    let before = text.split_inclusive('\n').take(number.unwrap_or(1).saturating_sub(1));
    let start: usize = before.map(str::len).sum();
    let length = text.get(start..).and_then(|it| it.lines().next()).map_or(0, str::len);
    start..start + length
}

/// Ways to have something on a page that is not escaped. They would fail later as well; here they have a place.
fn unescaped(shown: &Arc<str>, text: &str) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (at, inner) in tags(text) {
        for (word, place) in words(inner) {
            let before = inner[..place].trim_end();
            let is_block = before.trim_matches(['-', '+', ' ', '\t', '\r', '\n']).is_empty()
                && matches!(word, "autoescape" | "endautoescape");
            let is_filter = word == "safe" && (before.ends_with('|') || before.ends_with("filter"));
            if is_block || is_filter {
                let message = format!("`{word}` would let what somebody typed become part of the page");
                let place = at + place..at + place + word.len();
                let finding = Diagnostic::error("template.unescaped", shown, place, message);
                found.push(finding.help("take it out: messages and values are plain text, and are escaped"));
            }
        }
    }
    found
}

/// What is probably a mistake.
fn doubts(name: &str, shown: &Arc<str>, text: &str) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let small = text.to_ascii_lowercase();
    for blocked in BLOCKED {
        if let Some(at) = small.find(blocked) {
            let message = format!("`{}` has no effect: the page's content policy keeps it out", blocked.trim());
            let finding = Diagnostic::warning("template.blocked", shown, at..at + blocked.len(), message);
            found.push(finding.help("use the classes of `/.stepward/page.css`, and `pages.theme`"));
        }
    }
    let ours: Vec<String> = Files::iter().filter_map(|it| Some(it.strip_suffix(".html")?.to_string())).collect();
    let stem = name.trim_end_matches(".html");
    if !ours.iter().any(|it| it == stem)
        && let Some(near) = diagnostic::nearest(stem, ours.iter().map(String::as_str))
    {
        let message = format!("no page is made of `{name}`");
        let finding = Diagnostic::warning("template.unknown", shown, 0..0, message);
        found.push(finding.help(format!("did you mean `{near}.html`?")));
    }
    found
}

/// The insides of `{{ … }}` and `{% … %}`, with their places. Those in comments and strings are among them: what is told
/// of too much is reworded, what is overlooked is not.
fn tags(text: &str) -> Vec<(usize, &str)> {
    let begins = text.match_indices("{{").map(|it| (it.0, "}}")).chain(text.match_indices("{%").map(|it| (it.0, "%}")));
    let tag = |(begin, close): (usize, &str)| {
        let inner = begin + 2;
        let rest = text.get(inner..)?;
        Some((inner, rest.get(..end(rest, close))?))
    };
    let mut tags: Vec<_> = begins.filter_map(tag).collect();
    tags.sort_unstable();
    tags
}

/// Where a tag ends: not in a string.
fn end(rest: &str, close: &str) -> usize {
    let (mut quote, mut is_escaped) = (None, false);
    for (at, letter) in rest.char_indices() {
        match quote {
            _ if is_escaped => is_escaped = false,
            Some(_) if letter == '\\' => is_escaped = true,
            Some(open) if letter == open => quote = None,
            Some(_) => {}
            None if matches!(letter, '"' | '\'') => quote = Some(letter),
            None if rest[at..].starts_with(close) => return at,
            None => {}
        }
    }
    rest.len()
}

/// Names in a tag, with their places.
fn words(inner: &str) -> impl Iterator<Item = (&str, usize)> {
    let is_name = |it: char| it.is_alphanumeric() || it == '_';
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + inner.get(at..)?.find(is_name)?;
        let end = inner[start..].find(|it| !is_name(it)).map_or(inner.len(), |it| start + it);
        at = end;
        Some((&inner[start..end], start))
    })
}

#[cfg(test)]
mod tests;
