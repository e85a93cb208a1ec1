//! Reads the request target: what is forwarded is what was read, or the request is refused.

use std::borrow::Cow;

use crate::request::host::{self, Authority};

/// A request target in origin form (RFC 9112 section 3.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// Begins with `/`, still percent-encoded; `*` for `OPTIONS *`.
    pub path: &'a str,
    /// Without `?`, as received.
    pub query: Option<&'a str>,
    /// Who is named in an absolute form; it must be whom `Host` names, and the origin form must be sent on.
    pub authority: Option<Authority<'a>>,
}

/// Bounds of a target.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Longest target in bytes.
    pub bytes_max: usize,
    /// Most segments of its path.
    pub segments_max: usize,
}

/// Reads a target, or says what is wrong with it. `absolute` tells whether absolute form may come (HTTP/1 only).
pub fn parse<'a>(raw: &'a [u8], method: &str, absolute: bool, bounds: Bounds) -> Result<Target<'a>, &'static str> {
    if raw.len() > bounds.bytes_max {
        return Err("target is too long");
    }
    let odd = |it: u8| !(0x21..=0x7e).contains(&it) | matches!(it, b'"' | b'<' | b'>' | b'\\' | b'#');
    if raw.iter().fold(false, |found, it| found | odd(*it)) {
        return Err("target has a character that must be encoded");
    }
    let text = std::str::from_utf8(raw).map_err(|_| "target is not ASCII")?;
    if text == "*" && method == "OPTIONS" {
        return Ok(Target { path: text, query: None, authority: None });
    }
    let (authority, text) = match text.starts_with('/') {
        true => (None, text),
        false if absolute => of_absolute_form(text)?,
        false => return Err("target is not a path"),
    };
    let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
    let path = if path.is_empty() && authority.is_some() { "/" } else { path };
    check_path(path, bounds)?;
    Ok(Target { path, query, authority })
}

/// Splits `http://host:port/path?query`.
fn of_absolute_form(text: &str) -> Result<(Option<Authority<'_>>, &str), &'static str> {
    let (scheme, rest) = text.split_once("://").ok_or("target is not a path")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err("target has an odd scheme");
    }
    let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    Ok((Some(host::parse(authority.as_bytes())?), rest))
}

fn check_path(path: &str, bounds: Bounds) -> Result<(), &'static str> {
    let mut bytes = path.bytes();
    let mut slashes = 0;
    while let Some(byte) = bytes.next() {
        match byte {
            b'/' => slashes += 1,
            b'^' | b'`' | b'{' | b'|' | b'}' => return Err("path has a character that must be encoded"),
            b'%' => match (bytes.next().and_then(hex), bytes.next().and_then(hex)) {
                (Some(high), Some(low)) if high > 1 && (high, low) != (7, 15) => {}
                (Some(_), Some(_)) => return Err("path has an encoded control character"),
                _ => return Err("path has an escape that is none"),
            },
            _ => {}
        }
    }
    if slashes > bounds.segments_max {
        return Err("path has too many segments");
    }
    // Overlong forms of `/` and `.` are not UTF-8 either.
    let utf8 = !path.contains('%') || percent_encoding::percent_decode_str(path).decode_utf8().is_ok();
    if utf8 { Ok(()) } else { Err("path is not UTF-8") }
}

fn hex(digit: u8) -> Option<u32> {
    char::from(digit).to_digit(16)
}

impl Target<'_> {
    /// The bytes to send on where the target came in absolute form.
    pub fn origin_form(&self) -> Cow<'_, str> {
        match self.query {
            None => self.path.into(),
            Some(query) => format!("{}?{query}", self.path).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { bytes_max: 100, segments_max: 10 };

    fn read(text: &str) -> Result<Target<'_>, &'static str> {
        parse(text.as_bytes(), "GET", true, BOUNDS)
    }

    #[test]
    fn a_target_is_kept_byte_for_byte() {
        for (text, path, query) in [
            ("/", "/", None),
            ("/a/../b;x//%2e?q=%zz&r=100%", "/a/../b;x//%2e", Some("q=%zz&r=100%")),
            ("/a?", "/a", Some("")),
            ("/a?b?c=/{x}|", "/a", Some("b?c=/{x}|")),
            ("/caf%C3%A9", "/caf%C3%A9", None),
        ] {
            let target = read(text).expect(text);
            assert_eq!((target.path, target.query), (path, query), "{text}");
            assert_eq!(target.origin_form(), text);
        }
    }

    #[test]
    fn absolute_form_becomes_origin_form_on_http_1_only() {
        let target = read("http://A.test:81?x").unwrap();
        assert_eq!(target.origin_form(), "/?x");
        assert_eq!(target.authority, Some(Authority { host: "a.test".into(), port: Some(81) }));
        assert!(parse(b"http://a.test/", "GET", false, BOUNDS).is_err());
    }

    #[test]
    fn the_star_is_for_options_alone() {
        assert_eq!(parse(b"*", "OPTIONS", true, BOUNDS).map(|it| it.path), Ok("*"));
        assert!(read("*").is_err());
    }

    #[test]
    fn what_back_ends_read_differently_is_refused() {
        for text in [
            "",
            "a",
            "?q",
            "x.test/a",
            "javascript:x",
            "ftp://a.test/",
            "http:///a",
            "http:/a",
            "http://u@a.test/",
            "/a b",
            "/a\tb",
            "/a\0",
            "/\x7f",
            "/é",
            "/a\\b",
            "/a#b",
            "/a?b#c",
            "/a\"b",
            "/a<b",
            "/a^b",
            "/a`b",
            "/a{b",
            "/a|b",
            "/a}b",
            "/%",
            "/%1",
            "/%zz",
            "/%u0061",
            "/%00",
            "/%0a",
            "/%1F",
            "/%7f",
            "/%ff",
            "/%c0%af",
            "/%e0%80%ae",
            "/a?b\"",
            "/a?b\\c",
        ] {
            assert!(read(text).is_err(), "{text:?} was accepted");
        }
        assert!(read(&format!("/{}", "a".repeat(100))).is_err(), "too long");
        assert!(read(&"/a".repeat(11)).is_err(), "too many segments");
    }
}
