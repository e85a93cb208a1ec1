//! Reads `Host` and `:authority`: a name or an address, and a port. What is odd is refused, because back ends read odd
//! hosts differently (RFC 9110 section 7.2, RFC 3986 section 3.2.2).

use std::{
    borrow::Cow,
    net::{Ipv4Addr, Ipv6Addr},
};

/// Whom a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    /// Lower case, without port and trailing dot; an IPv6 address stands in brackets in its shortest form.
    pub host: Cow<'a, str>,
    /// The port, where one is written.
    pub port: Option<u16>,
}

/// Reads `host[:port]`, or says what is wrong with it.
pub fn parse(text: &[u8]) -> Result<Authority<'_>, &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "host is not ASCII")?;
    if let Some(rest) = text.strip_prefix('[') {
        let (inner, port) = rest.split_once(']').ok_or("host has an open bracket")?;
        let address: Ipv6Addr = inner.parse().map_err(|_| "host is not an IPv6 address")?;
        return Ok(Authority { host: format!("[{address}]").into(), port: port_of(port.strip_prefix(':'), port)? });
    }
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    Ok(Authority { host: name_of(name)?, port: port_of(port, "")? })
}

/// `rest` is what stands behind an IPv6 address and must be empty where there is no port.
fn port_of(port: Option<&str>, rest: &str) -> Result<Option<u16>, &'static str> {
    match port {
        None if rest.is_empty() => Ok(None),
        Some(digits) if !digits.starts_with('0') && digits.bytes().all(|it| it.is_ascii_digit()) => {
            digits.parse().map(Some).map_err(|_| "host has an odd port")
        }
        None | Some(_) => Err("host has an odd port"),
    }
}

fn is_label(bytes: usize) -> bool {
    (1..=63).contains(&bytes)
}

fn name_of(text: &str) -> Result<Cow<'_, str>, &'static str> {
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.len() > 253 {
        return Err("host is not a name");
    }
    let (mut upper, mut label_begins, mut digits) = (false, 0, true);
    for (at, byte) in name.bytes().enumerate() {
        match byte {
            b'0'..=b'9' => {}
            b'a'..=b'z' | b'-' | b'_' => digits = false,
            b'A'..=b'Z' => (upper, digits) = (true, false),
            b'.' if is_label(at - label_begins) => (label_begins, digits) = (at + 1, true),
            _ => return Err("host is not a name"),
        }
    }
    if !is_label(name.len() - label_begins) {
        return Err("host is not a name");
    }
    // `127.1` and `0x7f000001` are addresses to some resolvers and names to others.
    let last = name.get(label_begins..).unwrap_or_default();
    let numeric = digits || last.starts_with("0x") || last.starts_with("0X");
    if numeric && name.parse::<Ipv4Addr>().is_err() {
        return Err("host is a number that is no address");
    }
    Ok(if upper { name.to_ascii_lowercase().into() } else { name.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_strictly() {
        for (text, wanted) in [
            ("a.test", "a.test"),
            ("A.TeSt:443", "a.test 443"),
            ("a.test.", "a.test"),
            ("A.test.:80", "a.test 80"),
            ("127.0.0.1:8080", "127.0.0.1 8080"),
            ("[::1]:8080", "[::1] 8080"),
            ("[0:0::1]", "[::1]"),
            ("my_app", "my_app"),
        ] {
            let read = parse(text.as_bytes()).expect(text);
            let port = read.port.map(|it| format!(" {it}")).unwrap_or_default();
            assert_eq!(format!("{}{port}", read.host), wanted, "{text}");
        }
        for text in [
            "",
            ".",
            "..",
            "a.test..",
            ".a.test",
            "a..test",
            "a.test:",
            "a.test:0",
            "a.test:080",
            "a.test:99999",
            "a.test:x",
            "a.test,b.test",
            "a.test b.test",
            "a.test/x",
            "a%2etest",
            "u@a.test",
            "127.1",
            "0x7f.1",
            "0x7f000001",
            "1.2.3.4.5",
            "[::1",
            "[::1]x",
            "[::1]:",
            "[fe80::1%25eth0]",
            "::1",
            "a.test\0",
            "é.test",
            "a.test#x",
            "a.test?x",
            "*.test",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text} was accepted");
        }
        assert!(parse(&[b'a'; 64]).is_err(), "a label has at most 63 characters");
    }
}
