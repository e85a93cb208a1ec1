//! What of a folder of connectors can be put to work when some of it is broken.
//!
//! A broken connector or route is told at its place, and the others go on. Its last good text keeps running where there
//! is one. Where there is none, the routes that name it go on without it, and what nobody tells any more because of that
//! is named: a policy that reads it must not load, for it would be unknown without anyone having said so.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path as File,
    sync::Arc,
};

use stepward_core::{
    attribute::{Catalogue, Cost},
    connector::{
        Connector,
        compile::source::Source as Written,
        route::{self, Route},
    },
    diagnostic::{self, Diagnostic},
};

use crate::{
    render::{self, Texts},
    vendors::{
        Vocabulary,
        load::{self, Compile},
        shipped,
    },
};

/// The texts that were good, for when the next ones are not.
#[derive(Clone, Debug, Default)]
pub struct Good {
    connectors: BTreeMap<String, Arc<Written>>,
    routes: BTreeMap<String, String>,
}

/// What was refused while the rest went on.
#[derive(Clone, Debug, Default)]
pub struct Refused {
    /// What is wrong.
    pub found: Arc<[Diagnostic]>,
    /// The texts that it points into.
    pub texts: Texts,
}

impl Refused {
    /// These findings, which point into these texts.
    pub fn of(found: Vec<Diagnostic>, texts: Texts) -> Self {
        Refused { found: found.into(), texts }
    }

    /// Each finding in a line, with its place.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.found.iter().map(|finding| render::line(finding, &self.texts))
    }
}

/// What of a folder can be put to work.
#[derive(Default)]
pub struct Salvaged {
    /// Connectors that are good, or were.
    pub connectors: Vec<Connector>,
    /// Routes that are good, or were, without the connectors that are not there.
    pub routes: Vec<Route>,
    /// What they were made of.
    pub good: Good,
    /// What was refused.
    pub refused: Refused,
    /// Attributes that nobody tells because a file was refused: that file, by attribute. `raw.<connector>` stands for
    /// all that it says in its own terms.
    pub lost: BTreeMap<Arc<str>, Arc<str>>,
}

/// A file that has neither a good text nor a last good one.
struct Gone {
    file: Arc<str>,
    /// `None` where it cannot be read.
    text: Option<String>,
    /// The connector's id, if it is one.
    id: Option<Arc<str>>,
}

/// Reads a folder; `before` are the texts that were good last.
///
/// # Errors
/// The folder itself cannot be read.
pub fn read(
    folder: &File,
    catalogue: &Catalogue,
    compile: &Compile<'_>,
    before: &Good,
) -> Result<Salvaged, Vec<Diagnostic>> {
    let (files, faults) = load::connectors(folder);
    let (routes, more) = load::routes(folder);
    if !faults.is_empty() || !more.is_empty() {
        return Err(faults.into_iter().chain(more).collect());
    }
    let mut salvage =
        Salvage { catalogue, compile, before, out: Salvaged::default(), found: Vec::new(), gone: Vec::new() };
    for (id, file, source) in files {
        salvage.connector(folder, id, file, source);
    }
    for (name, file, text) in &routes {
        salvage.route(name, file, text.clone());
    }
    let Salvage { mut out, found, gone, .. } = salvage;
    out.lost = lost(&gone, &routes, &out, catalogue);
    let texts = texts(&found, folder);
    out.refused = Refused::of(found, texts);
    Ok(out)
}

struct Salvage<'a> {
    catalogue: &'a Catalogue,
    compile: &'a Compile<'a>,
    before: &'a Good,
    out: Salvaged,
    found: Vec<Diagnostic>,
    gone: Vec<Gone>,
}

impl Salvage<'_> {
    fn connector(&mut self, folder: &File, id: String, file: Arc<str>, source: Result<Written, Vec<Diagnostic>>) {
        let made = source.and_then(|source| Ok(((self.compile)(&source, self.catalogue)?, Arc::new(source))));
        let made = match made {
            Ok(made) => Some(made),
            Err(found) => {
                self.found.extend(found);
                let before = self.before.connectors.get(&id);
                before.and_then(|it| Some(((self.compile)(it, self.catalogue).ok()?, it.clone())))
            }
        };
        match made {
            Some((connector, source)) => {
                self.out.connectors.push(connector);
                self.out.good.connectors.insert(id, source);
            }
            None => {
                let text = whole(folder, &id, 0);
                self.gone.push(Gone { file, text, id: Some(id.into()) });
            }
        }
    }

    fn route(&mut self, name: &str, file: &Arc<str>, text: Result<String, Vec<Diagnostic>>) {
        let made = text.clone().and_then(|text| Ok((self.compiled(name, file, &text)?, text)));
        let made = match made {
            Ok(made) => Some(made),
            Err(found) => {
                self.found.extend(found);
                self.revived(name, file)
            }
        };
        match made {
            Some((route, text)) => {
                let without = route.warnings.iter().filter(|it| it.code == route::WITHOUT);
                self.found.extend(without.cloned());
                self.out.routes.push(route);
                self.out.good.routes.insert(name.to_owned(), text);
            }
            None => self.gone.push(Gone { file: file.clone(), text: text.ok(), id: None }),
        }
    }

    fn compiled(&self, name: &str, file: &Arc<str>, text: &str) -> Result<Route, Vec<Diagnostic>> {
        let broken: Vec<Arc<str>> = self.gone.iter().filter_map(|it| it.id.clone()).collect();
        let route = route::compile_without(file, text, &self.out.connectors, &broken, self.catalogue)?;
        load::named(route, name, file)
    }

    /// The route as it was, with the connectors it had, also where those have been taken away since.
    fn revived(&mut self, name: &str, file: &Arc<str>) -> Option<(Route, String)> {
        let text = self.before.routes.get(name)?.clone();
        for (id, source) in &self.before.connectors {
            if self.out.connectors.iter().all(|it| *it.id != **id)
                && let Ok(connector) = (self.compile)(source, self.catalogue)
            {
                self.out.connectors.push(connector);
                self.out.good.connectors.insert(id.clone(), source.clone());
            }
        }
        Some((self.compiled(name, file, &text).ok()?, text))
    }
}

/// The text of a connector with the text of the one it extends; `None` where one cannot be read.
fn whole(folder: &File, id: &str, depth: usize) -> Option<String> {
    let own = load::own_text(folder, id);
    let text = own.or_else(|| shipped::text(id).map(|text| text.into_owned()))?;
    let extended = text.lines().find_map(|line| line.strip_prefix("extends:"));
    match extended.map(|it| it.trim().trim_matches(['"', '\''])) {
        Some(parent) if depth == 0 => Some(whole(folder, parent, 1).unwrap_or_default() + "\n" + &text),
        Some(_) | None => Some(text),
    }
}

/// What nobody tells for want of what is gone. What a file would have told is not known before it is mended, so every
/// attribute that it names, or all but names, counts; where it cannot be read, every attribute of vendors does.
fn lost(
    gone: &[Gone],
    routes: &[(String, Arc<str>, Result<String, Vec<Diagnostic>>)],
    out: &Salvaged,
    catalogue: &Catalogue,
) -> BTreeMap<Arc<str>, Arc<str>> {
    let told = Vocabulary::told_by(&out.connectors, &out.routes).told;
    let at_work: BTreeSet<&str> =
        out.routes.iter().flat_map(|route| &route.members).map(|member| &*member.connector).collect();
    let is_named = |id: &str| routes.iter().any(|(.., text)| text.as_ref().map_or(true, |text| has_word(text, id)));
    let mut lost: BTreeMap<Arc<str>, Arc<str>> = BTreeMap::new();
    for Gone { file, text, id } in gone.iter().filter(|it| it.id.as_deref().is_none_or(is_named)) {
        let mut names: BTreeSet<Arc<str>> = match text {
            Some(text) => named_in(text, catalogue),
            None => catalogue.all().filter(|it| it.cost != Cost::Free).map(|it| it.name.clone()).collect(),
        };
        match (id, text) {
            (Some(id), _) => drop(names.insert(raw_of(id))),
            (None, text) => {
                for connector in &out.connectors {
                    let is_its = text.as_deref().is_none_or(|text| has_word(text, &connector.id));
                    if is_its && !at_work.contains(&*connector.id) {
                        names.extend(connector.provides().iter().map(|it| it.name.clone()));
                        names.insert(raw_of(&connector.id));
                    }
                }
            }
        }
        for name in names.into_iter().filter(|name| !told.contains(name)) {
            lost.entry(name).or_insert_with(|| file.clone());
        }
    }
    lost
}

/// What stands before everything that a connector says in its own terms.
fn raw_of(id: &str) -> Arc<str> {
    format!("raw.{}", id.replace('-', "_")).into()
}

fn words(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '-');
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.get(rest.find(is_letter)?..)?;
        let end = rest.find(|letter| !is_letter(letter)).unwrap_or(rest.len());
        let (word, after) = rest.split_at_checked(end)?;
        rest = after;
        Some((word, after.starts_with(':')))
    })
}

fn has_word(text: &str, id: &str) -> bool {
    words(text).any(|(word, _)| word == id)
}

/// The attributes of vendors that a text names; a key that is nearly one is taken for it.
fn named_in(text: &str, catalogue: &Catalogue) -> BTreeSet<Arc<str>> {
    let attributes = || catalogue.all().filter(|it| it.cost != Cost::Free);
    let mut named = BTreeSet::new();
    for (word, is_key) in words(text).filter(|(word, _)| word.contains('.')) {
        match attributes().find(|it| *it.name == *word) {
            Some(attribute) => drop(named.insert(attribute.name.clone())),
            None if is_key => {
                named.extend(diagnostic::nearest(word, attributes().map(|it| &*it.name)).map(Arc::from));
            }
            None => {}
        }
    }
    named
}

/// The texts that findings point into, by their names from the folder that holds this one.
fn texts(found: &[Diagnostic], folder: &File) -> Texts {
    let text = |file: &Arc<str>| {
        let path = file.strip_prefix("connectors/")?;
        Some((file.clone(), std::fs::read_to_string(folder.join(path)).ok()?.into()))
    };
    found.iter().filter_map(|finding| text(&finding.file)).collect()
}
