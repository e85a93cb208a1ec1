//! A connector's file, joined with the one it extends. Every place in either is kept.

use std::{ops::Range, sync::Arc};

use indexmap::IndexMap;

use crate::{
    attribute::Catalogue,
    connector::{
        Connector,
        compile::{Compiler, Config},
        document::Document,
    },
    diagnostic::Diagnostic,
    yaml,
};

/// A file that was read, with what it takes over.
#[derive(Debug)]
pub struct Source {
    file: Arc<str>,
    text: String,
    document: Document,
    parent: Option<Parent>,
}

/// The file that is extended. Its text is moved behind the other's, so that a place says by itself which file it is in.
#[derive(Debug)]
struct Parent {
    file: Arc<str>,
    moved: String,
    /// Where its own text begins.
    from: usize,
}

/// The file and the text of a connector, by its id.
pub type Find<'a> = dyn Fn(&str) -> Option<(Arc<str>, String)> + 'a;

impl Source {
    /// Reads a file; `find` gives the one it extends.
    pub fn read(file: &Arc<str>, text: &str, find: &Find<'_>) -> Result<Source, Vec<Diagnostic>> {
        let document: Document = yaml::parse(file, text)?;
        let source = Source { file: file.clone(), text: text.to_owned(), document, parent: None };
        let Some(extends) = &source.document.extends else { return Ok(source) };
        let fault = |message: String| vec![Diagnostic::error("extends", file, extends.span.clone(), message)];
        let (parent_file, parent_text) =
            find(extends).ok_or_else(|| fault(format!("there is no connector `{}` to extend", extends.value)))?;
        let moved = format!("#{}\n{parent_text}", " ".repeat(text.len()));
        let from = text.len() + 2;
        // What is wrong with the other file is told where that file is read.
        let parent: Document = yaml::parse(&parent_file, &moved)
            .map_err(|_| fault(format!("`{}` cannot be read, so it cannot be extended", extends.value)))?;
        if parent.extends.is_some() {
            return Err(fault(format!("`{}` itself extends another; extend that one", extends.value)));
        }
        let document = joined(source.document, parent);
        Ok(Source { document, parent: Some(Parent { file: parent_file, moved, from }), ..source })
    }

    /// The connector, with these values of its settings.
    pub fn compile(&self, catalogue: &Catalogue, config: &Config) -> Result<Connector, Vec<Diagnostic>> {
        let mut compiler = Compiler {
            source: self,
            document: &self.document,
            config: IndexMap::new(),
            unset: Vec::new(),
            found: Vec::new(),
        };
        match compiler.connector(catalogue, config) {
            Some(connector) if compiler.found.is_empty() => Ok(connector),
            Some(_) | None => Err(compiler.found),
        }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.document.connector
    }

    /// What it says, with what it takes over.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Its file and its text, and those of the one it extends.
    pub fn texts(&self) -> impl Iterator<Item = (&Arc<str>, &str)> {
        let parent = self.parent.iter().map(|it| (&it.file, it.moved.get(it.from..).unwrap_or_default()));
        std::iter::once((&self.file, self.text.as_str())).chain(parent)
    }

    /// The file that a place is in, and the place there.
    pub fn place(&self, span: &Range<usize>) -> (&Arc<str>, Range<usize>) {
        match &self.parent {
            Some(parent) if span.start >= parent.from => {
                (&parent.file, span.start - parent.from..span.end.saturating_sub(parent.from))
            }
            Some(_) | None => (&self.file, span.clone()),
        }
    }

    /// The text that a place is in.
    pub(super) fn text_at(&self, span: &Range<usize>) -> &str {
        match &self.parent {
            Some(parent) if span.start >= parent.from => &parent.moved,
            Some(_) | None => &self.text,
        }
    }
}

/// What is written stands; what is not is the other's.
fn joined(child: Document, parent: Document) -> Document {
    fn by_name<T>(child: IndexMap<String, T>, parent: IndexMap<String, T>) -> IndexMap<String, T> {
        let mut all = parent;
        all.extend(child);
        all
    }
    fn either<T>(child: Vec<T>, parent: Vec<T>) -> Vec<T> {
        if child.is_empty() { parent } else { child }
    }
    Document {
        connector: child.connector,
        extends: child.extends,
        name: child.name,
        capability: child.capability.or(parent.capability),
        also_provides: either(child.also_provides, parent.also_provides),
        version: child.version,
        maturity: child.maturity,
        evidence: child.evidence,
        reliability: child.reliability,
        docs: child.docs,
        about: child.about,
        network: child.network.or(parent.network),
        hosts: either(child.hosts, parent.hosts),
        price: child.price,
        paid: child.paid,
        data: child.data.or(parent.data),
        config: by_name(child.config, parent.config),
        secrets: by_name(child.secrets, parent.secrets),
        inputs: by_name(child.inputs, parent.inputs),
        derived: by_name(child.derived, parent.derived),
        auth: child.auth.or(parent.auth),
        operations: by_name(child.operations, parent.operations),
        client: child.client.or(parent.client),
        tests: child.tests,
    }
}
