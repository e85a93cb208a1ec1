//! Reads one entry of `covers`: `METHOD host/path`.
//!
//! It never guesses: what is not plainly a pattern is an error with its place and advice. Trailing slashes say nothing,
//! so a pattern loses its own; text may be percent-encoded and is kept decoded.

use std::{borrow::Cow, sync::Arc};

use crate::event::{Affixed, Host, Method, Segment};

/// Longest pattern, in segments; it bounds the depth of every walk through the matcher.
pub const SEGMENTS_MAX: usize = 32;

/// What is wrong with a pattern, and where in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    /// First byte in the text.
    pub offset: usize,
    /// How many bytes, at least 1 unless the text ends too early.
    pub len: usize,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to try.
    pub help: Option<String>,
}

/// A method (`None` for `ANY`), a host and a path.
pub type Parsed = (Option<Method>, Host, Arc<[Segment]>);

/// Reads `METHOD host/path`.
pub(crate) fn parse(text: &str) -> Result<Parsed, PatternError> {
    let method_end = text.find(' ').unwrap_or(text.len());
    let (method_text, rest) = text.split_at(method_end);
    let method = method(method_text)?;
    let target = rest.trim_start_matches(' ');
    let target_at = text.len() - target.len();
    let Some(slash) = target.find('/') else {
        return Err(error(target_at, target.len(), "a path is missing").help(EXAMPLE));
    };
    let (host_text, path) = target.split_at(slash);
    Ok((method, host(host_text, target_at)?, segments(path, target_at + slash)?))
}

const EXAMPLE: &str = "write a method, an optional host and a path: `POST bank.example.com/api/transfers`";

fn error(offset: usize, len: usize, message: impl Into<String>) -> PatternError {
    PatternError { offset, len, message: message.into(), help: None }
}

impl PatternError {
    fn help(self, help: impl Into<String>) -> Self {
        PatternError { help: Some(help.into()), ..self }
    }
}

fn method(text: &str) -> Result<Option<Method>, PatternError> {
    let wrong = |message: String| error(0, text.len(), message);
    if text.is_empty() || text.contains('/') {
        return Err(wrong("a method is missing".into()).help(EXAMPLE));
    }
    if text.len() > 32 || !text.bytes().all(|it| it.is_ascii_uppercase() || it == b'-') {
        return Err(wrong(format!("`{text}` is not a method")).help("methods are upper case: `GET`, `POST`, `ANY`"));
    }
    match text {
        "CONNECT" | "TRACE" | "TRACK" => Err(wrong(format!("`{text}` never reaches an app, so no event can be it"))),
        "ANY" => Ok(None),
        _ => {
            let usual = USUAL.into_iter().find(|usual| *usual == text);
            Ok(Some(usual.map_or_else(|| text.to_owned().into(), Cow::Borrowed)))
        }
    }
}

/// Methods that have a name in RFC 9110 §9.3 or RFC 5789.
const USUAL: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

fn host(text: &str, at: usize) -> Result<Host, PatternError> {
    let wrong = |message: String| error(at, text.len(), message);
    if text.is_empty() {
        return Ok(Host::Any);
    }
    if text.contains("://") || text.ends_with(':') {
        return Err(wrong("a pattern has no scheme".into()).help(EXAMPLE));
    }
    if text.contains(':') {
        return Err(wrong(format!("`{text}` has a port")).help("leave it away: events are matched by host name alone"));
    }
    let (wild, name) = text.strip_prefix("*.").map_or((false, text), |name| (true, name));
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let letters = |label: &str| label.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_'));
    if name.len() > 253 || !name.split('.').all(|label| !label.is_empty() && label.len() <= 63 && letters(label)) {
        let help = "a host is a name such as `bank.example.com` or `*.example.com`; leave it away for every host";
        return Err(wrong(format!("`{text}` is not a host")).help(help));
    }
    Ok(if wild { Host::Under(name.into()) } else { Host::Exactly(name.into()) })
}

fn segments(path: &str, at: usize) -> Result<Arc<[Segment]>, PatternError> {
    if let Some((place, symbol)) = path.char_indices().find(|(_, it)| !allowed(*it)) {
        let help = match symbol {
            '?' | '#' => "a pattern has no query; write a condition: `where: query.name == \"value\"`",
            ';' | '\\' => "back ends disagree about what it means; leave it away",
            _ => "write it percent-encoded",
        };
        let len = symbol.len_utf8();
        return Err(error(at + place, len, format!("`{}` cannot stand in a path", symbol.escape_debug())).help(help));
    }
    let inner = path.strip_prefix('/').unwrap_or(path);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    if inner.is_empty() {
        return if path.len() > 1 {
            Err(error(at, path.len(), "`//` has an empty segment"))
        } else {
            Ok(Arc::default())
        };
    }
    let mut found = Vec::new();
    let mut place = at + 1;
    for text in inner.split('/') {
        if found.last() == Some(&Segment::Rest) {
            return Err(error(place - 3, 2, "`**` stands only at the end").help("`*` stands for one segment"));
        }
        found.push(segment(text, place, &found)?);
        place += text.len() + 1;
    }
    match found.len() {
        ..=SEGMENTS_MAX => Ok(found.into()),
        many => Err(error(at, path.len(), format!("{many} segments are more than {SEGMENTS_MAX}"))),
    }
}

/// Characters that a browser sends unencoded in a path, and the two brackets of a parameter.
fn allowed(symbol: char) -> bool {
    symbol.is_ascii_alphanumeric() || "/-._~!$&'()*+,=:@%{}".contains(symbol) || !symbol.is_ascii()
}

fn segment(text: &str, at: usize, earlier: &[Segment]) -> Result<Segment, PatternError> {
    let wrong = |message: String| error(at, text.len().max(1), message);
    match text {
        "" => return Err(wrong("`//` has an empty segment".into())),
        "*" => return Ok(Segment::One),
        "**" => return Ok(Segment::Rest),
        _ => {}
    }
    if text.contains('*') {
        let help = "`*` and `**` stand alone between slashes; inside text write a parameter: `report-{name}.pdf`";
        return Err(wrong(format!("`{text}` mixes `*` with text")).help(help));
    }
    let Some(open) = text.find('{') else {
        return literal(text, at).map(Segment::Literal);
    };
    let Some(close) = text.find('}').filter(|close| *close > open) else {
        return Err(wrong(format!("`{text}` has no closing `}}`")));
    };
    let name = parameter(&text[open + 1..close], at + open, earlier)?;
    let (prefix, suffix) = (&text[..open], &text[close + 1..]);
    if prefix.contains('}') || suffix.contains(['{', '}']) {
        return Err(wrong(format!("`{text}` has more than one parameter")).help("one parameter for each segment"));
    }
    if prefix.is_empty() && suffix.is_empty() {
        return Ok(Segment::Parameter(name));
    }
    let affix = |text, at| if str::is_empty(text) { Ok(text.into()) } else { literal(text, at) };
    let (prefix, suffix) = (affix(prefix, at)?, affix(suffix, at + close + 1)?);
    Ok(Segment::Affixed(Box::new(Affixed { prefix, name, suffix })))
}

fn parameter(name: &str, at: usize, earlier: &[Segment]) -> Result<Arc<str>, PatternError> {
    let wrong = |message: String| error(at, name.len() + 2, message);
    let first = name.bytes().next().is_some_and(|it| it.is_ascii_alphabetic() || it == b'_');
    if !first || !name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_') {
        let help = "a name begins with a letter and has letters, digits and `_`; it is read as `path.name`";
        return Err(wrong(format!("`{{{name}}}` is not a parameter")).help(help));
    }
    let taken = earlier.iter().any(|it| match it {
        Segment::Parameter(other) => &**other == name,
        Segment::Affixed(other) => &*other.name == name,
        Segment::Literal(_) | Segment::One | Segment::Rest => false,
    });
    if taken { Err(wrong(format!("`{{{name}}}` stands twice"))) } else { Ok(name.into()) }
}

fn literal(text: &str, at: usize) -> Result<Arc<str>, PatternError> {
    let wrong = |message: String| error(at, text.len(), message);
    if text.contains('}') {
        return Err(wrong(format!("`{text}` has no opening `{{`")));
    }
    let decoded = crate::event::readings::decoded(text);
    let decoded = decoded.ok_or_else(|| wrong(format!("`{text}` is not percent-encoded UTF-8")))?;
    if decoded.chars().any(char::is_control) {
        return Err(wrong(format!("`{text}` has a control character, which is refused in every request")));
    }
    if matches!(&*decoded, "." | "..") {
        return Err(wrong(format!("`{text}` is a step, not a name")).help("write the path it leads to"));
    }
    Ok(match decoded {
        Cow::Borrowed(text) => text.into(),
        Cow::Owned(text) => text.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let (method, host, path) = parse(text).expect(text);
        let host = match host {
            Host::Any => String::new(),
            Host::Under(name) => format!("*.{name}"),
            Host::Exactly(name) => name.to_string(),
        };
        let path: String = path
            .iter()
            .map(|it| match it {
                Segment::Literal(text) => format!("/{text}"),
                Segment::Affixed(it) => format!("/{}<{}>{}", it.prefix, it.name, it.suffix),
                Segment::Parameter(name) => format!("/<{name}>"),
                Segment::One => "/*".into(),
                Segment::Rest => "/**".into(),
            })
            .collect();
        format!("{} {host}{path}", method.as_deref().unwrap_or("ANY"))
    }

    #[test]
    fn patterns_read_as_written() {
        for (text, wanted) in [
            ("POST bank.example.com/api/transfers", "POST bank.example.com/api/transfers"),
            ("GET /", "GET "),
            ("ANY *.Example.COM./a/", "ANY *.example.com/a"),
            ("GET /a/{id}/report-{name}.json", "GET /a/<id>/report-<name>.json"),
            ("GET /a/*/b/**", "GET /a/*/b/**"),
            ("GET  /caf%C3%A9/a%2Fb", "GET /café/a/b"),
            ("M-SEARCH 127.0.0.1/x", "M-SEARCH 127.0.0.1/x"),
        ] {
            assert_eq!(shown(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_told_with_its_place() {
        for (text, at, message) in [
            ("/api", "/api", "a method is missing"),
            ("post /api", "post", "`post` is not a method"),
            ("TRACE /api", "TRACE", "`TRACE` never reaches"),
            ("GET bank.example.com", "bank.example.com", "a path is missing"),
            ("GET https://bank.example.com/a", "https:", "no scheme"),
            ("GET a.test:8080/a", "a.test:8080", "has a port"),
            ("GET [::1]/a", "[::1]", "has a port"),
            ("GET a..test/a", "a..test", "not a host"),
            ("GET /a?b=1", "?", "cannot stand"),
            ("GET /a;b", ";", "cannot stand"),
            ("GET /a b", " ", "cannot stand"),
            ("GET /a//b", "/", "empty segment"),
            ("GET //", "//", "empty segment"),
            ("GET /**/b", "**", "only at the end"),
            ("GET /a*", "a*", "mixes"),
            ("GET /{a", "{a", "no closing"),
            ("GET /a}", "a}", "no opening"),
            ("GET /{a}{b}", "{a}{b}", "more than one"),
            ("GET /{a}/{a}", "{a}", "stands twice"),
            ("GET /{1}", "{1}", "not a parameter"),
            ("GET /%zz", "%zz", "percent-encoded"),
            ("GET /%ff", "%ff", "percent-encoded"),
            ("GET /%00", "%00", "control"),
            ("GET /a/%2e%2e/b", "%2e%2e", "a step"),
        ] {
            let wrong = parse(text).expect_err(text);
            assert!(wrong.message.contains(message), "{text}: {}", wrong.message);
            let place = &text[wrong.offset..wrong.offset + wrong.len];
            assert_eq!(place, at, "{text}: {}", wrong.message);
        }
    }

    #[test]
    fn a_pattern_has_a_longest_length() {
        let long = format!("GET {}", "/a".repeat(SEGMENTS_MAX + 1));
        assert!(parse(&long).is_err());
        assert!(parse(&long[..long.len() - 2]).is_ok());
    }
}
