//! Writes tiny databases in MaxMind's format (version 2.0), so that tests need no vendor's data.

use std::net::IpAddr;

use serde_json::Value as Json;

/// A database of these networks (`address/length`) and records.
pub(crate) fn write(kind: &str, networks: &[(&str, Json)]) -> Vec<u8> {
    let mut tree = Tree { nodes: vec![[None; 2]] };
    let mut data = Vec::new();
    for (network, record) in networks {
        let at = data.len();
        encode(record, &mut data);
        tree.insert(network, at);
    }
    let count = tree.nodes.len();
    let mut file = Vec::new();
    for sides in &tree.nodes {
        for side in sides {
            let record = match side {
                None => count,
                Some(Side::Node(node)) => *node,
                Some(Side::Data(at)) => count + 16 + at,
            };
            file.extend_from_slice(&u32::try_from(record).unwrap().to_be_bytes());
        }
    }
    file.extend_from_slice(&[0; 16]);
    file.extend_from_slice(&data);
    file.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    metadata(kind, count, &mut file);
    file
}

#[derive(Clone, Copy)]
enum Side {
    Node(usize),
    Data(usize),
}

struct Tree {
    nodes: Vec<[Option<Side>; 2]>,
}

impl Tree {
    fn insert(&mut self, network: &str, data: usize) {
        let (address, length) = network.split_once('/').unwrap();
        let (bits, length) = match address.parse::<IpAddr>().unwrap() {
            IpAddr::V4(four) => (u128::from(u32::from(four)), 96 + length.parse::<usize>().unwrap()),
            IpAddr::V6(six) => (u128::from(six), length.parse().unwrap()),
        };
        let mut node = 0;
        for depth in 0..length {
            let side = usize::from(bits >> (127 - depth) & 1 == 1);
            if depth + 1 == length {
                self.nodes[node][side] = Some(Side::Data(data));
                return;
            }
            node = match self.nodes[node][side] {
                Some(Side::Node(next)) => next,
                _ => {
                    self.nodes.push([None; 2]);
                    let next = self.nodes.len() - 1;
                    self.nodes[node][side] = Some(Side::Node(next));
                    next
                }
            };
        }
    }
}

fn metadata(kind: &str, nodes: usize, out: &mut Vec<u8>) {
    control(7, 9, out);
    let mut number = |name: &str, kind: u8, bytes: &[u8]| {
        text(name, out);
        control(kind, bytes.len(), out);
        out.extend_from_slice(bytes);
    };
    number("binary_format_major_version", 5, &2u16.to_be_bytes());
    number("binary_format_minor_version", 5, &[]);
    number("build_epoch", 9, &1_700_000_000u64.to_be_bytes());
    number("ip_version", 5, &6u16.to_be_bytes());
    number("node_count", 6, &u32::try_from(nodes).unwrap().to_be_bytes());
    number("record_size", 5, &32u16.to_be_bytes());
    text("database_type", out);
    text(kind, out);
    text("languages", out);
    control(11, 1, out);
    text("en", out);
    text("description", out);
    control(7, 1, out);
    text("en", out);
    text("made by a test", out);
}

fn encode(value: &Json, out: &mut Vec<u8>) {
    match value {
        Json::Object(fields) => {
            control(7, fields.len(), out);
            for (name, value) in fields {
                text(name, out);
                encode(value, out);
            }
        }
        Json::Array(items) => {
            control(11, items.len(), out);
            items.iter().for_each(|item| encode(item, out));
        }
        Json::String(words) => text(words, out),
        Json::Number(number) if number.is_u64() => {
            control(6, 4, out);
            out.extend_from_slice(&u32::try_from(number.as_u64().unwrap()).unwrap().to_be_bytes());
        }
        Json::Number(number) => {
            control(3, 8, out);
            out.extend_from_slice(&number.as_f64().unwrap().to_be_bytes());
        }
        Json::Bool(_) | Json::Null => panic!("not needed in a test database"),
    }
}

fn text(words: &str, out: &mut Vec<u8>) {
    control(2, words.len(), out);
    out.extend_from_slice(words.as_bytes());
}

/// A control byte: type in the upper three bits (or an extended one in a second byte), size in the lower five (or in
/// one more byte).
fn control(kind: u8, size: usize, out: &mut Vec<u8>) {
    let (size, more) = if size < 29 { (size, None) } else { (29, Some(u8::try_from(size - 29).unwrap())) };
    let size = u8::try_from(size).unwrap();
    if kind > 7 {
        out.extend_from_slice(&[size, kind - 7]);
    } else {
        out.push(kind << 5 | size);
    }
    out.extend(more);
}
