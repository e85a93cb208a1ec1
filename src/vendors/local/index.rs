//! What was read, ready to be looked up in memory: a set, rows by key, networks, or a database.
//!
//! It touches no disk and no network. A key that cannot be an entry at all is told apart from one that is not there.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::Arc,
};

use ipnet::IpNet;
use maxminddb::Reader;
use serde_json::Value as Json;
use stepward_core::connector::document::local::Entries;

/// Longest name in the DNS, in bytes (RFC 1035 §2.3.4).
const DOMAIN_BYTES_MAX: usize = 253;

/// Data that can be looked up.
pub enum Index {
    /// Entries; what is found is whether the key is one.
    Set(HashSet<Box<str>>, Keys),
    /// Rows by key.
    Table(HashMap<Box<str>, Arc<Json>>, Keys),
    /// Networks; without rows what is found is whether the address is in one.
    Networks(Networks),
    /// A database in MaxMind's format.
    Database(Box<Reader<Vec<u8>>>),
}

/// How keys are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys {
    /// What they are.
    pub entries: Entries,
    /// Whether a domain is also found by those above it.
    pub parents: bool,
}

/// Why a look-up says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// What is looked for cannot be an entry of this data.
    Unfit,
    /// There is a record, and it cannot be read.
    Broken,
}

impl Index {
    /// What there is about a key; `None` where there is no record.
    ///
    /// # Errors
    /// The key is no entry, or what is there cannot be read.
    pub fn find(&self, key: &str) -> Result<Option<Arc<Json>>, Miss> {
        let address = || key.trim().parse::<IpAddr>().map(|ip| ip.to_canonical()).map_err(|_| Miss::Unfit);
        match self {
            Index::Set(set, keys) => {
                let key = keys.canonical(key).ok_or(Miss::Unfit)?;
                let is_there = keys.reach(&key).any(|it| set.contains(it));
                Ok(Some(Arc::new(Json::Bool(is_there))))
            }
            Index::Table(rows, keys) => {
                let key = keys.canonical(key).ok_or(Miss::Unfit)?;
                Ok(keys.reach(&key).find_map(|it| rows.get(it)).cloned())
            }
            Index::Networks(networks) => {
                let row = networks.find(address()?);
                Ok(if networks.has_rows { row.cloned() } else { Some(Arc::new(Json::Bool(row.is_some()))) })
            }
            Index::Database(reader) => {
                let record = reader.lookup(address()?).and_then(|found| found.decode::<Json>());
                // An IPv4 database holds no IPv6 address: that is no record, and nothing broken.
                match record {
                    Ok(record) => Ok(record.map(Arc::new)),
                    Err(maxminddb::MaxMindDbError::InvalidInput { .. }) => Ok(None),
                    Err(_) => Err(Miss::Broken),
                }
            }
        }
    }

    /// How many entries there are; 0 for a database, which does not say.
    pub fn entries(&self) -> usize {
        match self {
            Index::Set(set, _) => set.len(),
            Index::Table(rows, _) => rows.len(),
            Index::Networks(networks) => networks.len(),
            Index::Database(_) => 0,
        }
    }
}

impl Keys {
    /// The one form in which an entry is compared; `None` for what is no entry.
    pub fn canonical(self, text: &str) -> Option<Box<str>> {
        let text = text.trim();
        match self.entries {
            Entries::Text => (!text.is_empty()).then(|| text.into()),
            Entries::Ip => Some(text.parse::<IpAddr>().ok()?.to_canonical().to_string().into()),
            Entries::Domain => domain(text),
        }
    }

    /// The key, and what it is also found by.
    fn reach(self, key: &str) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(key), move |it| match self.parents {
            true => it.split_once('.').map(|(_, above)| above),
            false => None,
        })
    }
}

/// A domain in lower case and ASCII (RFC 5891), without the dot of the root.
fn domain(text: &str) -> Option<Box<str>> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let ascii = match text.is_ascii() {
        true => text.to_ascii_lowercase(),
        false => reqwest::Url::parse(&format!("http://{text}/")).ok()?.domain()?.to_owned(),
    };
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it))
    };
    (ascii.len() <= DOMAIN_BYTES_MAX && ascii.split('.').all(label)).then(|| ascii.into())
}

/// Networks of both families, by length of prefix, the longest first.
#[derive(Default)]
pub struct Networks {
    four: Vec<(u8, HashMap<u128, u32>)>,
    six: Vec<(u8, HashMap<u128, u32>)>,
    rows: Vec<Arc<Json>>,
    has_rows: bool,
}

impl Networks {
    /// None yet; `has_rows`: each comes with its row.
    pub fn new(has_rows: bool) -> Self {
        Networks { has_rows, ..Networks::default() }
    }

    /// Adds a network, or an address, with its row. One that is there already gets the newer row. `None` for what is no
    /// network.
    pub fn add(&mut self, text: &str, row: Json) -> Option<()> {
        let text = text.trim();
        let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
        let (network, bits) = canonical(network);
        let at = if self.has_rows {
            self.rows.push(Arc::new(row));
            u32::try_from(self.rows.len() - 1).ok()?
        } else {
            0
        };
        let length = network.prefix_len();
        let lengths = if bits == 32 { &mut self.four } else { &mut self.six };
        let place = lengths.binary_search_by(|(it, _)| length.cmp(it));
        let place = place.unwrap_or_else(|place| {
            lengths.insert(place, (length, HashMap::new()));
            place
        });
        lengths.get_mut(place)?.1.insert(prefix(network.network(), length), at);
        Some(())
    }

    /// The row of the narrowest network that an address is in; null without rows.
    fn find(&self, ip: IpAddr) -> Option<&Arc<Json>> {
        static NULL: std::sync::LazyLock<Arc<Json>> = std::sync::LazyLock::new(|| Arc::new(Json::Null));
        let lengths = if ip.is_ipv4() { &self.four } else { &self.six };
        let at = lengths.iter().find_map(|(length, networks)| networks.get(&prefix(ip, *length)))?;
        if self.has_rows { self.rows.get(*at as usize) } else { Some(&NULL) }
    }

    fn len(&self) -> usize {
        self.four.iter().chain(&self.six).map(|(_, networks)| networks.len()).sum()
    }
}

/// A network that is IPv4 in disguise is what it is; and how many bits its addresses have.
fn canonical(network: IpNet) -> (IpNet, u8) {
    match network {
        IpNet::V4(_) => (network, 32),
        IpNet::V6(six) => match (six.addr().to_ipv4_mapped(), six.prefix_len().checked_sub(96)) {
            (Some(four), Some(length)) => (ipnet::Ipv4Net::new(four, length).map_or(network, IpNet::V4), 32),
            _ => (network, 128),
        },
    }
}

/// The first bits of an address.
fn prefix(ip: IpAddr, length: u8) -> u128 {
    let (bits, width) = match ip {
        IpAddr::V4(four) => (u128::from(u32::from(four)), 32),
        IpAddr::V6(six) => (u128::from(six), 128),
    };
    bits.checked_shr(width - u32::from(length).min(width)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_narrowest_network_counts_in_both_families() {
        let mut networks = Networks::new(true);
        for (text, row) in [
            ("0.0.0.0/0", 0),
            ("10.0.0.0/8", 8),
            ("10.1.0.0/16", 16),
            ("10.1.2.3", 32),
            ("2001:db8::/32", 60),
            ("2001:db8::1", 128),
            ("::ffff:192.0.2.0/120", 24),
        ] {
            networks.add(text, json!(row)).unwrap_or_else(|| panic!("{text}"));
        }
        for wrong in ["", "10.0.0.0/33", "10.0.0", "<html>", "10.0.0.0/8 x"] {
            assert!(networks.add(wrong, json!(0)).is_none(), "{wrong}");
        }
        let index = Index::Networks(networks);
        for (ip, row) in [
            ("10.1.2.3", Some(32)),
            ("10.1.2.4", Some(16)),
            ("10.2.0.1", Some(8)),
            ("11.0.0.1", Some(0)),
            ("::ffff:10.1.2.3", Some(32)),
            ("192.0.2.9", Some(24)),
            ("2001:db8::1", Some(128)),
            ("2001:db8::2", Some(60)),
            ("2001:db9::1", None),
        ] {
            let found = index.find(ip).unwrap().map(|row| row.as_i64().unwrap());
            assert_eq!(found, row, "{ip}");
        }
        assert_eq!(index.find("localhost"), Err(Miss::Unfit));
    }

    #[test]
    fn keys_are_compared_in_their_one_form() {
        let keys = |entries, parents| Keys { entries, parents };
        for (keys, entry, key, expected) in [
            (keys(Entries::Domain, true), "Mailinator.com", "a.b.mailinator.COM.", Ok(true)),
            (keys(Entries::Domain, false), "mailinator.com", "a.mailinator.com", Ok(false)),
            (keys(Entries::Domain, true), "mailinator.com", "notmailinator.com", Ok(false)),
            (keys(Entries::Domain, false), "münchen.example", "xn--mnchen-3ya.example", Ok(true)),
            (keys(Entries::Domain, false), "xn--mnchen-3ya.example", "MÜNCHEN.example", Ok(true)),
            (keys(Entries::Domain, false), "a.example", "a b", Err(Miss::Unfit)),
            (keys(Entries::Domain, false), "a.example", "a..example", Err(Miss::Unfit)),
            (keys(Entries::Ip, false), "::ffff:1.2.3.4", "1.2.3.4", Ok(true)),
            (keys(Entries::Ip, false), "2001:DB8:0::1", "2001:db8::1", Ok(true)),
            (keys(Entries::Ip, false), "1.2.3.4", "1.2.3", Err(Miss::Unfit)),
            (keys(Entries::Text, false), "Ada", "ada", Ok(false)),
        ] {
            let index = Index::Set([keys.canonical(entry).unwrap()].into(), keys);
            let found = index.find(key).map(|found| found.as_deref() == Some(&Json::Bool(true)));
            assert_eq!(found, expected, "{entry} and {key}");
        }
    }
}
