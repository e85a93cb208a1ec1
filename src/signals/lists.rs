//! Operators' own lists of addresses, e-mail addresses, subjects and devices: `ip.lists`, `ip.is_listed`, and the same of
//! `email`, `subject` and `device`.
//!
//! Subjects are listed by the name that the app gives them, or as the decision log shows them; devices as it shows them.
//! It never guesses: an unreadable line refuses the whole file, at start by not starting, later by keeping the last
//! good list. What is looked up in a list is either there or not, so these attributes are never unknown once loaded.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    net::IpAddr,
    path::Path,
    sync::Arc,
};

use data_encoding::HEXLOWER_PERMISSIVE;
use ipnet::IpNet;

use crate::{
    keys,
    settings::{List, ListKind},
    signals::files::{FileError, Watched},
    store::Id,
};

/// Largest file, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Every list, by name.
#[derive(Default)]
pub struct Lists {
    ips: Vec<(Arc<str>, Watched<Networks>)>,
    emails: Vec<(Arc<str>, Watched<Addresses>)>,
    subjects: Vec<(Arc<str>, Watched<Subjects>)>,
    devices: Vec<(Arc<str>, Watched<Devices>)>,
}

impl Lists {
    /// Reads every list. One that cannot be read keeps the process from starting.
    pub fn open(lists: &BTreeMap<Arc<str>, List>) -> Result<Self, FileError> {
        let mut opened = Lists::default();
        for (name, list) in lists {
            let what = format!("list {name}");
            match list.kind {
                ListKind::Ip => opened.ips.push((name.clone(), Watched::open(what, &list.file, Networks::read)?)),
                ListKind::Email => {
                    opened.emails.push((name.clone(), Watched::open(what, &list.file, Addresses::read)?))
                }
                ListKind::Subject => {
                    opened.subjects.push((name.clone(), Watched::open(what, &list.file, Subjects::read)?))
                }
                ListKind::Device => {
                    opened.devices.push((name.clone(), Watched::open(what, &list.file, Devices::read)?))
                }
            }
        }
        Ok(opened)
    }

    /// Names of the lists that hold this address; `None` where there are no such lists.
    pub fn of_ip(&self, ip: IpAddr) -> Option<Vec<Arc<str>>> {
        let holding = self.ips.iter().filter(|(_, list)| list.now().holds(ip));
        (!self.ips.is_empty()).then(|| holding.map(|(name, _)| name.clone()).collect())
    }

    /// Names of the lists that hold this e-mail address or its domain; `None` where there are no such lists, and for
    /// what has two `@`: mail servers and programs read different domains in it (oauth2-proxy CVE-2026-40574).
    pub fn of_email(&self, email: &str) -> Option<Vec<Arc<str>>> {
        if email.matches('@').count() > 1 {
            return None;
        }
        let holding = self.emails.iter().filter(|(_, list)| list.now().holds(email));
        (!self.emails.is_empty()).then(|| holding.map(|(name, _)| name.clone()).collect())
    }

    /// Names of the lists that hold this subject; `None` where there are no such lists.
    pub fn of_subject(&self, account: &Id, name: &str) -> Option<Vec<Arc<str>>> {
        if self.subjects.is_empty() {
            return None;
        }
        let spelt = keys::spelling(name);
        let holding = self.subjects.iter().filter(|(_, list)| list.now().holds(account, &spelt));
        Some(holding.map(|(name, _)| name.clone()).collect())
    }

    /// Names of the lists that hold this device; `None` where there are no such lists.
    pub fn of_device(&self, device: &Id) -> Option<Vec<Arc<str>>> {
        let holding = self.devices.iter().filter(|(_, list)| list.now().0.contains(device));
        (!self.devices.is_empty()).then(|| holding.map(|(name, _)| name.clone()).collect())
    }

    /// Reads changed files again; blocks on the disk.
    pub fn refresh(&self) {
        for (_, list) in &self.ips {
            list.refresh();
        }
        for (_, list) in &self.emails {
            list.refresh();
        }
        for (_, list) in &self.subjects {
            list.refresh();
        }
        for (_, list) in &self.devices {
            list.refresh();
        }
    }
}

/// Addresses and networks: one hash look-up for each prefix length that occurs.
#[derive(Debug, Default, PartialEq)]
struct Networks {
    of_length: HashMap<(bool, u8), HashSet<IpAddr>>,
    lengths: BTreeSet<(bool, u8)>,
}

impl Networks {
    fn read(path: &Path) -> Result<Self, String> {
        let mut networks = Networks::default();
        for (number, line) in entries(&text(path)?) {
            let network = line.parse::<IpNet>().or_else(|_| line.parse::<IpAddr>().map(IpNet::from));
            let network = network.map_err(|_| format!("line {number} is neither an address nor a network"))?.trunc();
            let length = (network.addr().is_ipv6(), network.prefix_len());
            networks.of_length.entry(length).or_default().insert(network.network());
            networks.lengths.insert(length);
        }
        Ok(networks)
    }

    fn holds(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.lengths.iter().filter(|(six, _)| *six == ip.is_ipv6()).any(|length| {
            let network = IpNet::new(ip, length.1).map(|it| it.network());
            network.is_ok_and(|network| self.of_length.get(length).is_some_and(|set| set.contains(&network)))
        })
    }
}

/// E-mail addresses and `@domain`s, in lower case.
#[derive(Debug, Default, PartialEq)]
struct Addresses(HashSet<String>);

impl Addresses {
    fn read(path: &Path) -> Result<Self, String> {
        let mut addresses = HashSet::new();
        for (number, line) in entries(&text(path)?) {
            if line.rsplit_once('@').is_none_or(|(_, domain)| domain.is_empty()) || line.contains(char::is_whitespace) {
                return Err(format!("line {number} is neither an e-mail address nor `@domain`"));
            }
            addresses.insert(line.to_lowercase());
        }
        Ok(Addresses(addresses))
    }

    fn holds(&self, email: &str) -> bool {
        let email = email.trim().trim_end_matches('.').to_lowercase();
        let domain = email.rfind('@').and_then(|at| email.get(at..));
        self.0.contains(&email) || domain.is_some_and(|domain| self.0.contains(domain))
    }
}

/// Subjects, by name in one spelling and by pseudonym.
#[derive(Debug, Default, PartialEq)]
struct Subjects {
    names: HashSet<String>,
    accounts: HashSet<Id>,
}

impl Subjects {
    fn read(path: &Path) -> Result<Self, String> {
        let mut subjects = Subjects::default();
        for (number, line) in names(&text(path)?) {
            let name = keys::spelling(line);
            if name.is_empty() {
                return Err(format!("line {number} names nobody"));
            }
            // A name may look like a pseudonym: it is both then, and nobody else's pseudonym is that name.
            subjects.accounts.extend(pseudonym(line));
            subjects.names.insert(name);
        }
        Ok(subjects)
    }

    fn holds(&self, account: &Id, spelt: &str) -> bool {
        self.accounts.contains(account) || self.names.contains(spelt)
    }
}

/// Devices, by the id of their cookie.
#[derive(Debug, Default, PartialEq)]
struct Devices(HashSet<Id>);

impl Devices {
    fn read(path: &Path) -> Result<Self, String> {
        let ids = entries(&text(path)?)
            .map(|(number, line)| {
                let fault =
                    || format!("line {number} is no device: 32 hexadecimal digits, as `units.device` in the log");
                pseudonym(line).ok_or_else(fault)
            })
            .collect::<Result<_, _>>()?;
        Ok(Devices(ids))
    }
}

/// What the decision log shows of a subject or a device.
fn pseudonym(line: &str) -> Option<Id> {
    HEXLOWER_PERMISSIVE.decode(line.as_bytes()).ok()?.try_into().ok()
}

fn text(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|_| "cannot be read".to_string())?.len();
    if size > FILE_BYTES_MAX {
        return Err(format!("is larger than {} MiB", FILE_BYTES_MAX / 1024 / 1024));
    }
    std::fs::read_to_string(path).map_err(|_| "cannot be read as UTF-8 text".to_string())
}

/// Names with their line numbers; a `#` inside a name is part of it.
fn names(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let begins_comment =
        |line: &str, at: usize| line.get(..at).is_some_and(|it| it.is_empty() || it.ends_with([' ', '\t']));
    let name = move |line| match str::match_indices(line, '#').find(|(at, _)| begins_comment(line, *at)) {
        Some((at, _)) => line.get(..at).unwrap_or("").trim(),
        None => line.trim(),
    };
    let lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    lines.map(move |(at, line)| (at + 1, name(line))).filter(|(_, line)| !line.is_empty())
}

/// Entries with their line numbers; `#` begins a comment.
fn entries(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    lines.map(|(at, line)| (at + 1, line.split('#').next().unwrap_or("").trim())).filter(|(_, line)| !line.is_empty())
}
