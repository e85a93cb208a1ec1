//! Data that is looked up instead of asking a vendor: what is looked for in it, and what becomes of what is found.
//!
//! It reads nothing itself: the shell loads the data and keeps it fresh. What was never loaded, or is too old, says
//! nothing; that is the shell's to say, as [`crate::connector::Class::Unavailable`].

use std::sync::Arc;

use regex::Regex;
use serde_json::Value as Json;

use crate::connector::{
    Class, Named, Operation, Origin, Prepared,
    answer::Interpreted,
    auth::Credential,
    document::local::{Entries, LocalFormat, LocalKind},
    mapping::{Scope, data::Data},
    plain,
    receive::Receiving,
    request::{Asked, Outgoing, Values},
    template::{Name, Place, Template},
};

/// What an operation does.
#[derive(Debug)]
pub(crate) enum Means {
    /// It sends a request.
    Request(Box<Outgoing>),
    /// It looks something up.
    Local(Box<Local>),
    /// It waits for what the vendor sends.
    Receive(Box<Receiving>),
}

/// Data that is looked up.
#[derive(Debug)]
pub struct Local {
    /// What it is.
    pub kind: LocalKind,
    /// Where it comes from.
    pub home: Home,
    /// What its entries are.
    pub entries: Entries,
    /// Whether a domain is also found by those above it.
    pub parents: bool,
    /// How it is written.
    pub format: LocalFormat,
    /// What stands between the fields of `csv`.
    pub separator: char,
    /// The expression whose first group is the entry of a line.
    pub pattern: Option<Regex>,
    /// The column or field that holds the entry.
    pub column: Option<Arc<str>>,
    /// Fewer entries than this are a list that was cut off; 1 or more.
    pub entries_min: usize,
    /// From which age on it says nothing any more, in milliseconds.
    pub stale_after_ms: Option<u64>,
    /// The largest that is read, in bytes.
    pub bytes_max: u64,
    pub(crate) key: Template,
}

/// Where data comes from.
#[derive(Debug)]
pub enum Home {
    /// A file: absolute, or below the folder of connectors.
    File(String),
    /// Downloads, all of which together are the data.
    Downloads(Downloads),
}

/// What is downloaded.
#[derive(Debug)]
pub struct Downloads {
    /// How often, in milliseconds; 1 minute or more.
    pub refresh_ms: u64,
    /// How long each may take, in milliseconds.
    pub timeout_ms: u64,
    pub(crate) parts: Vec<Outgoing>,
}

impl Downloads {
    /// How many there are; 1 or more.
    pub fn count(&self) -> usize {
        self.parts.len()
    }

    /// What tells this download from any other, settings included; it holds no secret.
    pub fn identity(&self, at: usize) -> String {
        format!("{:?}", self.parts.get(at))
    }

    pub(crate) fn origins(&self) -> impl Iterator<Item = &Origin> {
        self.parts.iter().map(|part| &part.origin)
    }
}

impl Means {
    /// The downloads, if there are any.
    fn downloads(&self) -> Option<&Downloads> {
        match self {
            Means::Request(_) | Means::Receive(_) => None,
            Means::Local(local) => match &local.home {
                Home::File(_) => None,
                Home::Downloads(downloads) => Some(downloads),
            },
        }
    }

    /// Where its request goes.
    pub(crate) fn request(&self) -> Option<&Outgoing> {
        match self {
            Means::Request(request) => Some(request),
            Means::Local(_) | Means::Receive(_) => None,
        }
    }

    /// Every place it connects to.
    pub(crate) fn origins(&self) -> impl Iterator<Item = &Origin> {
        let downloads = self.downloads().into_iter().flat_map(Downloads::origins);
        self.request().map(|request| &request.origin).into_iter().chain(downloads)
    }
}

impl Operation {
    /// What it looks up, where it asks nobody.
    pub fn local(&self) -> Option<&Local> {
        match &self.means {
            Means::Request(_) | Means::Receive(_) => None,
            Means::Local(local) => Some(local),
        }
    }

    /// What is looked for; `None` where it cannot be made of these inputs (from [`Operation::declared`]).
    pub fn local_key(&self, inputs: &Named, now_ms: i64) -> Option<String> {
        let key = &self.local()?.key;
        let input = self.asking.typed(inputs);
        let derived = self.asking.derive(&input, now_ms);
        let value = |name: &Name| match name {
            Name::Input(name) => plain(input.field(name)?),
            Name::Derived(name) => plain(derived.field(name)?),
            Name::Secret(_)
            | Name::State(_)
            | Name::Token
            | Name::Signature
            | Name::Now(_)
            | Name::Uuid
            | Name::Request(_) => None,
        };
        key.fill(&value, Place::Plain).ok().filter(|key| !key.is_empty())
    }

    /// What is found means: `None` that there is no record, which counts as `not_found` and as status 404 unless the
    /// file says otherwise.
    pub fn found(&self, found: Option<&Json>, inputs: &Named, now_ms: i64) -> Interpreted {
        let input = self.asking.typed(inputs);
        let derived = self.asking.derive(&input, now_ms);
        let scope = Scope::asking(input, &self.asking.config, derived, now_ms);
        let (status, class) = match found {
            Some(_) => (200, Class::Success),
            None => (404, Class::NotFound),
        };
        self.answer.looked_up(status, class, found.map(Data::of), scope)
    }

    /// The request of a download, and where it goes; `None` where it cannot be made.
    pub fn download(&self, at: usize, asked: Asked<'_>) -> Option<(&Origin, Prepared)> {
        let part = self.means.downloads()?.parts.get(at)?;
        let nothing = Data::Map(Vec::new());
        let values = Values { asked, derived: &nothing, input: &nothing };
        let credentials: &[Credential] = &self.credentials;
        let prepared = Prepared::finish(part.fill(&values).ok()?, &part.origin, credentials, &values).ok()?;
        Some((&part.origin, prepared))
    }
}
