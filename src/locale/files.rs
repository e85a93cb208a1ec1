//! An operator's files of messages: `<tag>.ftl` for every tenant, `<tenant>/<tag>.ftl` for one. Each is read whole, and
//! everything that is wrong with it is told at its place; nothing here decides whether it is used.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
    sync::{Arc, LazyLock},
};

use fluent_bundle::FluentResource;
use fluent_syntax::ast;
use stepward_core::diagnostic::{self, Diagnostic};
use unic_langid::LanguageIdentifier;

use crate::{locale::BUILT_IN, render::Texts};

/// Keys that policies and their facts name: an operator adds as many as there are.
const OPEN: [&str; 3] = ["tell_", "event_", "fact_"];

/// Larger files are no messages.
const BYTES_MAX: u64 = 1 << 20;

/// Files by language.
pub type ByTag = BTreeMap<String, Vec<File>>;

/// One file that was read.
pub struct File {
    /// As findings name it.
    pub name: Arc<str>,
    /// What it says.
    pub resource: Arc<FluentResource>,
}

/// Everything in a folder.
#[derive(Default)]
pub struct Files {
    /// For every tenant.
    pub shared: ByTag,
    /// For one tenant, by its name.
    pub tenants: BTreeMap<String, ByTag>,
    /// What is wrong.
    pub found: Vec<Diagnostic>,
    /// What findings point into.
    pub texts: Texts,
}

/// The messages of a file, each with the names of its arguments.
type Messages<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

static ENGLISH: LazyLock<FluentResource> =
    LazyLock::new(|| FluentResource::try_new(BUILT_IN[0].1.to_string()).unwrap_or_else(|(resource, _)| resource));
static KNOWN: LazyLock<Messages<'static>> = LazyLock::new(|| messages(&ENGLISH));

/// Every key that pages and letters use, with the arguments it is given.
pub fn built_in() -> &'static Messages<'static> {
    &KNOWN
}

/// The keys of a text.
pub fn keys(resource: &FluentResource) -> impl Iterator<Item = String> {
    messages(resource).into_keys().map(str::to_string)
}

/// Reads the folder. What cannot be read is a finding.
pub fn read(folder: &Path) -> Files {
    let mut files = Files::default();
    let entries = match list(folder) {
        Ok(entries) => entries,
        Err(error) => {
            files.unreadable(folder, &error);
            return files;
        }
    };
    for path in entries {
        let name = path.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() {
            match list(&path) {
                Ok(inner) => inner.iter().for_each(|path| files.take(path, Some(&name))),
                Err(error) => files.unreadable(&path, &error),
            }
        } else {
            files.take(&path, None);
        }
    }
    files
}

/// What lies in a folder, in order; hidden files are an editor's.
fn list(folder: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn text_of(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > BYTES_MAX {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    fs::read_to_string(path)
}

impl Files {
    /// The first file of a language, where the operator has one and the language is not built in.
    pub fn first(&self, tag: &str) -> Option<&Arc<str>> {
        if BUILT_IN.iter().any(|(it, _)| it.eq_ignore_ascii_case(tag)) {
            return None;
        }
        let all = std::iter::once(&self.shared).chain(self.tenants.values());
        all.filter_map(|it| it.get(tag)).flatten().map(|it| &it.name).next()
    }

    fn take(&mut self, path: &Path, tenant: Option<&str>) {
        if path.extension().is_none_or(|it| it != "ftl") {
            return;
        }
        let name: Arc<str> = path.display().to_string().into();
        let text = match text_of(path) {
            Ok(text) => text,
            Err(error) => return self.unreadable(path, &error),
        };
        self.texts.insert(name.clone(), text.as_str().into());
        let stem = path.file_stem().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
        let Some(tag) = tag(&stem) else {
            let message = format!("`{stem}` is not a language tag");
            let finding = Diagnostic::error("language.unknown", &name, 0..0, message);
            return self.found.push(finding.help("name the file after its language, such as `sv.ftl` or `de-CH.ftl`"));
        };
        let resource = match FluentResource::try_new(text) {
            Ok(resource) => resource,
            Err((resource, errors)) => {
                for error in errors {
                    let message = format!("this is not Fluent: {}", lower(&error.kind.to_string()));
                    let finding = Diagnostic::error("message.unreadable", &name, error.pos, message);
                    self.found.push(finding.help("a message is `key = text`, and a `{ … }` in it is closed"));
                }
                resource
            }
        };
        self.found.extend(doubts(&name, &resource));
        let by_tag = match tenant {
            Some(tenant) => self.tenants.entry(tenant.to_string()).or_default(),
            None => &mut self.shared,
        };
        by_tag.entry(tag).or_default().push(File { name, resource: Arc::new(resource) });
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        let name: Arc<str> = path.display().to_string().into();
        let finding = Diagnostic::error("file.unreadable", &name, 0..0, format!("cannot read `{name}`: {error}"));
        self.found.push(finding.help("it has to be text in UTF-8 that this user may read"));
    }
}

/// The tag as it is shown; a built-in language keeps its own spelling.
fn tag(stem: &str) -> Option<String> {
    let language: LanguageIdentifier = stem.parse().ok()?;
    Some(language.to_string())
}

/// What is probably a mistake in a file that can be used, and a key that is there twice.
fn doubts(name: &Arc<str>, resource: &FluentResource) -> Vec<Diagnostic> {
    let text = resource.source();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for (key, given) in in_order(resource) {
        let (first, last) = (place(text, key, 0), place(text, key, usize::MAX));
        if !seen.insert(key) {
            let message = format!("`{key}` is there twice");
            found.push(Diagnostic::error("message.twice", name, last, message).help("take one of them out"));
            continue;
        }
        let Some(known) = built_in().get(key) else {
            if OPEN.iter().any(|it| key.starts_with(it)) {
                continue;
            }
            let near = diagnostic::nearest(key, built_in().keys().copied());
            let help = near.map_or("compare with `locales/en.ftl`".into(), |near| format!("did you mean `{near}`?"));
            let message = format!("nothing shows the message `{key}`");
            found.push(Diagnostic::warning("message.unknown", name, first, message).help(help));
            continue;
        };
        for variable in given.iter().filter(|it| !known.contains(*it)) {
            let near = diagnostic::nearest(variable, known.iter().copied());
            let help = near.map_or("it would be shown as it is written".into(), |it| format!("did you mean `${it}`?"));
            let message = format!("`{key}` is not given `${variable}`");
            found.push(Diagnostic::warning("message.variable", name, first.clone(), message).help(help));
        }
    }
    found
}

/// Where a key is written: the first time, or the last.
fn place(text: &str, key: &str, which: usize) -> std::ops::Range<usize> {
    let mut at = 0;
    let mut places = Vec::new();
    for line in text.split_inclusive('\n') {
        if line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('=')) {
            places.push(at..at + key.len());
        }
        at += line.len();
    }
    places.get(which).or(places.last()).cloned().unwrap_or(0..0)
}

fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_lowercase().chain(letters).collect())
}

/// The messages with a value, in order, with the names of their arguments.
pub fn in_order(resource: &FluentResource) -> impl Iterator<Item = (&str, BTreeSet<&str>)> {
    resource.entries().filter_map(|entry| match entry {
        ast::Entry::Message(message) => {
            let mut names = BTreeSet::new();
            visit(message.value.as_ref()?, &mut |it| {
                if let ast::InlineExpression::VariableReference { id } = it {
                    names.insert(id.name);
                }
            });
            Some((message.id.name, names))
        }
        ast::Entry::Term(_)
        | ast::Entry::Comment(_)
        | ast::Entry::GroupComment(_)
        | ast::Entry::ResourceComment(_)
        | ast::Entry::Junk { .. } => None,
    })
}

fn messages(resource: &FluentResource) -> Messages<'_> {
    in_order(resource).collect()
}

/// Calls `each` with every inline expression of a pattern.
fn visit<'a>(pattern: &ast::Pattern<&'a str>, each: &mut impl FnMut(&ast::InlineExpression<&'a str>)) {
    for element in &pattern.elements {
        if let ast::PatternElement::Placeable { expression } = element {
            expressions(expression, each);
        }
    }
}

fn expressions<'a>(expression: &ast::Expression<&'a str>, each: &mut impl FnMut(&ast::InlineExpression<&'a str>)) {
    match expression {
        ast::Expression::Select { selector, variants } => {
            inline(selector, each);
            for variant in variants {
                visit(&variant.value, each);
            }
        }
        ast::Expression::Inline(it) => inline(it, each),
    }
}

fn inline<'a>(it: &ast::InlineExpression<&'a str>, each: &mut impl FnMut(&ast::InlineExpression<&'a str>)) {
    each(it);
    match it {
        ast::InlineExpression::FunctionReference { arguments, .. }
        | ast::InlineExpression::TermReference { arguments: Some(arguments), .. } => {
            arguments.positional.iter().for_each(|it| inline(it, each));
            arguments.named.iter().for_each(|it| inline(&it.value, each));
        }
        ast::InlineExpression::Placeable { expression } => expressions(expression, each),
        ast::InlineExpression::StringLiteral { .. }
        | ast::InlineExpression::NumberLiteral { .. }
        | ast::InlineExpression::MessageReference { .. }
        | ast::InlineExpression::TermReference { arguments: None, .. }
        | ast::InlineExpression::VariableReference { .. } => {}
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The selectors of a file: key, and the names of the variants.
    pub(in crate::locale) fn selectors(resource: &FluentResource) -> Vec<(String, BTreeSet<String>)> {
        let mut selectors = Vec::new();
        for entry in resource.entries() {
            let ast::Entry::Message(message) = entry else { continue };
            for element in message.value.iter().flat_map(|it| &it.elements) {
                let ast::PatternElement::Placeable { expression: ast::Expression::Select { variants, .. } } = element
                else {
                    continue;
                };
                let name = |it: &ast::Variant<&str>| match it.key {
                    ast::VariantKey::Identifier { name } => name.to_string(),
                    ast::VariantKey::NumberLiteral { value } => value.to_string(),
                };
                selectors.push((message.id.name.to_string(), variants.iter().map(name).collect()));
            }
        }
        selectors
    }
}
