//! From bytes to an index, or to why not. Data that is cut off, empty or something else altogether is refused whole.

use std::collections::{HashMap, HashSet};

use maxminddb::Reader;
use serde_json::Value as Json;
use stepward_core::connector::{
    answer::format,
    document::local::{LocalFormat, LocalKind},
    local::Local,
};

use crate::vendors::local::index::{Index, Keys, Networks};

/// Of so many entries one may be something else, as one line in a long list sometimes is; a page of HTML is not.
const ODD_ONE_OF: usize = 100;

/// What is wrong with data. It never says what the data holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// No text in UTF-8.
    #[error("it is no text")]
    NoText,
    /// Not in the form that the connector's file names.
    #[error("it is not in the form that was agreed, or cut off")]
    Malformed,
    /// Nothing in it.
    #[error("it has {0} entries, which is too few: it is empty or cut off")]
    TooFew(usize),
    /// Mostly something else.
    #[error("{0} of its lines are no entries")]
    Odd(usize),
    /// A key stands twice.
    #[error("row {0} has the key of another")]
    Twice(usize),
    /// Too large.
    #[error("it is larger than `max_bytes`")]
    TooLarge,
    /// No database, or one that is cut off.
    #[error("it is no database in MaxMind's format, or cut off")]
    NoDatabase,
}

/// Reads data, all parts of it together.
///
/// # Errors
/// What is wrong with it.
pub fn read(local: &Local, parts: Vec<Vec<u8>>) -> Result<Index, Unreadable> {
    let fits = |part: &Vec<u8>| part.len() as u64 <= local.bytes_max;
    if !parts.iter().all(fits) {
        return Err(Unreadable::TooLarge);
    }
    if local.kind == LocalKind::Mmdb {
        return database(parts);
    }
    let mut reading = Reading::of(local);
    for part in &parts {
        let before = reading.good;
        let text = std::str::from_utf8(part).map_err(|_| Unreadable::NoText)?;
        reading.part(text.strip_prefix('\u{feff}').unwrap_or(text))?;
        if reading.good == before {
            return Err(Unreadable::TooFew(0));
        }
    }
    reading.done()
}

fn database(parts: Vec<Vec<u8>>) -> Result<Index, Unreadable> {
    let [bytes] = <[Vec<u8>; 1]>::try_from(parts).map_err(|_| Unreadable::NoDatabase)?;
    let reader = Reader::from_source(bytes).map_err(|_| Unreadable::NoDatabase)?;
    reader.verify().map_err(|_| Unreadable::NoDatabase)?;
    Ok(Index::Database(Box::new(reader)))
}

/// Rows of networks in place of a database, for fixtures: `{ network: …, record: … }`.
///
/// # Errors
/// A row that is neither.
pub fn records(rows: &[Json]) -> Result<Index, Unreadable> {
    let mut networks = Networks::new(true);
    for row in rows {
        let (network, record) = (row.get("network").and_then(Json::as_str), row.get("record"));
        let (Some(network), Some(record)) = (network, record) else { return Err(Unreadable::Malformed) };
        networks.add(network, record.clone()).ok_or(Unreadable::Malformed)?;
    }
    Ok(Index::Networks(networks))
}

struct Reading<'a> {
    local: &'a Local,
    keys: Keys,
    set: HashSet<Box<str>>,
    rows: HashMap<Box<str>, std::sync::Arc<Json>>,
    networks: Networks,
    good: usize,
    odd: usize,
}

impl<'a> Reading<'a> {
    fn of(local: &'a Local) -> Self {
        Reading {
            local,
            keys: Keys { entries: local.entries, parents: local.parents },
            set: HashSet::new(),
            rows: HashMap::new(),
            networks: Networks::new(local.format != LocalFormat::Lines),
            good: 0,
            odd: 0,
        }
    }

    fn part(&mut self, text: &str) -> Result<(), Unreadable> {
        match self.local.format {
            LocalFormat::Lines => text.lines().try_for_each(|line| self.line(line)),
            LocalFormat::Csv => self.csv(text),
            LocalFormat::Jsonl => {
                let lines = text.lines().filter(|line| !line.trim().is_empty());
                lines.map(parsed).try_for_each(|row| self.object(row?))
            }
            LocalFormat::Json => match parsed(text)? {
                Json::Array(rows) => rows.into_iter().try_for_each(|row| self.object(row)),
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_) => {
                    Err(Unreadable::Malformed)
                }
            },
        }
    }

    fn line(&mut self, line: &str) -> Result<(), Unreadable> {
        let entry = match &self.local.pattern {
            Some(pattern) => match pattern.captures(line).and_then(|found| found.get(1)) {
                Some(entry) => entry.as_str(),
                None => return Ok(()),
            },
            None => line.split(['#', ';']).next().unwrap_or("").trim(),
        };
        if entry.is_empty() { Ok(()) } else { self.add(entry, Json::Null) }
    }

    fn csv(&mut self, text: &str) -> Result<(), Unreadable> {
        let mut rows = format::records(text, self.local.separator).ok_or(Unreadable::Malformed)?.into_iter();
        let head = rows.next().ok_or(Unreadable::TooFew(0))?;
        let column = self.local.column.as_deref();
        let at = head.iter().position(|name| Some(name.as_str()) == column).ok_or(Unreadable::Malformed)?;
        for row in rows {
            if row.len() != head.len() {
                return Err(Unreadable::Malformed);
            }
            let entry = row.get(at).cloned().unwrap_or_default();
            let fields = head.iter().cloned().zip(row.into_iter().map(Json::String));
            self.add(&entry, Json::Object(fields.collect()))?;
        }
        Ok(())
    }

    /// Objects without the column are about the list itself, as its date is.
    fn object(&mut self, row: Json) -> Result<(), Unreadable> {
        let entry = match (&row, self.local.column.as_deref()) {
            (Json::String(entry), None) => entry.clone(),
            (Json::Object(fields), Some(column)) => match fields.get(column) {
                Some(Json::String(entry)) => entry.clone(),
                Some(Json::Number(entry)) => entry.to_string(),
                Some(_) | None => return Ok(()),
            },
            _ => return Err(Unreadable::Malformed),
        };
        self.add(&entry, row)
    }

    fn add(&mut self, entry: &str, row: Json) -> Result<(), Unreadable> {
        let added = match self.local.kind {
            LocalKind::List => self.keys.canonical(entry).map(|entry| {
                self.set.insert(entry);
            }),
            LocalKind::Cidr => self.networks.add(entry, row),
            // A database has no lines.
            LocalKind::Mmdb => None,
            LocalKind::Table => match self.keys.canonical(entry) {
                Some(key) if self.rows.contains_key(&key) => return Err(Unreadable::Twice(self.good + self.odd + 1)),
                Some(key) => {
                    self.rows.insert(key, row.into());
                    Some(())
                }
                None => None,
            },
        };
        match added {
            Some(()) => self.good += 1,
            None => self.odd += 1,
        }
        Ok(())
    }

    fn done(self) -> Result<Index, Unreadable> {
        if self.odd > self.good / ODD_ONE_OF {
            return Err(Unreadable::Odd(self.odd));
        }
        let index = match self.local.kind {
            LocalKind::List => Index::Set(self.set, self.keys),
            LocalKind::Table => Index::Table(self.rows, self.keys),
            LocalKind::Cidr | LocalKind::Mmdb => Index::Networks(self.networks),
        };
        if index.entries() < self.local.entries_min { Err(Unreadable::TooFew(index.entries())) } else { Ok(index) }
    }
}

fn parsed(text: &str) -> Result<Json, Unreadable> {
    serde_json::from_str(text).map_err(|_| Unreadable::Malformed)
}
