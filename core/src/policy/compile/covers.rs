//! `METHOD host/path` to a pattern, and which patterns accept all that another does.

use std::sync::Arc;

use crate::event::{Host, Segment};

/// A pattern without its predicate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) method: Option<Arc<str>>,
    pub(super) host: Host,
    pub(super) path: Vec<Segment>,
}

/// Reads a pattern, or says what is wrong and what to try.
pub(super) fn pattern(text: &str) -> Result<Pattern, (String, &'static str)> {
    let (method, target) = text
        .trim()
        .split_once(char::is_whitespace)
        .ok_or_else(|| (format!("`{text}` has no method"), "write `POST /path` or `ANY host/path`"))?;
    let target = target.trim();
    let slash = target.find('/').ok_or_else(|| (format!("`{target}` has no path"), "write `POST host/path`"))?;
    let (host, path) = target.split_at(slash);
    Ok(Pattern { method: read_method(method)?, host: read_host(host)?, path: read_path(path)? })
}

fn read_method(method: &str) -> Result<Option<Arc<str>>, (String, &'static str)> {
    match method {
        "ANY" => Ok(None),
        _ if method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') => Ok(Some(method.into())),
        _ => Err((format!("`{method}` is no method"), "methods are upper case: `POST`, `PUT`, `ANY`")),
    }
}

fn read_host(host: &str) -> Result<Host, (String, &'static str)> {
    let help = "write `bank.example.com`, `*.example.com`, or leave the host out for any";
    let (name, under) = match host.strip_prefix("*.") {
        Some(rest) => (rest, true),
        None => (host, false),
    };
    if name.is_empty() {
        return if under { Err((format!("`{host}` is no host"), help)) } else { Ok(Host::Any) };
    }
    let plain = |label: &str| {
        !label.is_empty() && label.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_')
    };
    if !name.split('.').all(plain) {
        return Err((format!("`{host}` is no host"), help));
    }
    let name: Arc<str> = name.to_ascii_lowercase().into();
    Ok(if under { Host::Under(name) } else { Host::Exactly(name) })
}

fn read_path(path: &str) -> Result<Vec<Segment>, (String, &'static str)> {
    if path.contains(['?', '#']) {
        return Err((format!("`{path}` goes beyond the path"), "test the query by `where: query.name == \"…\"`"));
    }
    let trimmed = path.trim_matches('/');
    if trimmed.is_empty() {
        return Ok(Vec::new());
    }
    let parts: Vec<&str> = trimmed.split('/').collect();
    let mut segments = Vec::with_capacity(parts.len());
    for (at, part) in parts.iter().enumerate() {
        let segment = read_segment(part)?;
        if segment == Segment::Rest && at + 1 < parts.len() {
            return Err((format!("`**` stands before the end of `{path}`"), "`**` is for the end; `*` is any one segment"));
        }
        segments.push(segment);
    }
    Ok(segments)
}

fn read_segment(part: &str) -> Result<Segment, (String, &'static str)> {
    match part {
        "" => return Err(("a path with `//` in it".to_owned(), "write single slashes")),
        "." | ".." => return Err((format!("a path with `{part}` in it"), "write the path as the app sees it")),
        "*" => return Ok(Segment::One),
        "**" => return Ok(Segment::Rest),
        _ => {}
    }
    let help = "write `{name}`, `*`, or text with one `{name}` in it";
    let decoded = |text: &str| -> Result<Arc<str>, (String, &'static str)> {
        let text = percent_encoding::percent_decode_str(text).decode_utf8();
        text.map(|text| Arc::from(&*text)).map_err(|_| (format!("`{part}` is not UTF-8"), help))
    };
    match (part.find('{'), part.find('}')) {
        (None, None) if part.contains('*') => Err((format!("`{part}` has a `*` inside"), help)),
        (None, None) => decoded(part).map(Segment::Literal),
        (Some(open), Some(close)) if open + 1 < close => {
            let (prefix, name, suffix) = (&part[..open], &part[open + 1..close], &part[close + 1..]);
            let plain = name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
            if !plain || prefix.contains('}') || suffix.contains(['{', '}', '*']) || prefix.contains('*') {
                return Err((format!("`{part}` is no segment"), help));
            }
            if prefix.is_empty() && suffix.is_empty() {
                return Ok(Segment::Parameter(name.into()));
            }
            Ok(Segment::Affixed { prefix: decoded(prefix)?, name: name.into(), suffix: decoded(suffix)? })
        }
        _ => Err((format!("`{part}` is no segment"), help)),
    }
}

impl Pattern {
    /// Whether it accepts exactly what the other does; names of parameters do not matter.
    pub(super) fn same_as(&self, other: &Pattern) -> bool {
        self.method == other.method
            && self.host == other.host
            && self.path.len() == other.path.len()
            && self.path.iter().zip(&other.path).all(|(a, b)| same_segment(a, b))
    }

    /// The names of its parameters.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.path.iter().filter_map(|segment| match segment {
            Segment::Parameter(name) | Segment::Affixed { name, .. } => Some(&**name),
            Segment::Literal(_) | Segment::One | Segment::Rest => None,
        })
    }
}

fn same_segment(left: &Segment, right: &Segment) -> bool {
    match (left, right) {
        (Segment::Parameter(_) | Segment::One, Segment::Parameter(_) | Segment::One) => true,
        (Segment::Affixed { prefix, suffix, .. }, Segment::Affixed { prefix: other_prefix, suffix: other_suffix, .. }) => {
            prefix == other_prefix && suffix == other_suffix
        }
        (left, right) => left == right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_host_and_path_are_told_apart() {
        let found = pattern("POST Bank.example.com/api/users/{id}/**").unwrap();
        assert_eq!(found.method.as_deref(), Some("POST"));
        assert_eq!(found.host, Host::Exactly("bank.example.com".into()));
        let expected = [
            Segment::Literal("api".into()),
            Segment::Literal("users".into()),
            Segment::Parameter("id".into()),
            Segment::Rest,
        ];
        assert_eq!(found.path, expected);
        assert_eq!(pattern("ANY /").unwrap(), Pattern { method: None, host: Host::Any, path: Vec::new() });
        assert_eq!(pattern("GET *.example.com/a").unwrap().host, Host::Under("example.com".into()));
        let affixed = pattern("GET /a-{x}.json").unwrap().path;
        let expected = Segment::Affixed { prefix: "a-".into(), name: "x".into(), suffix: ".json".into() };
        assert_eq!(affixed, [expected]);
        assert_eq!(pattern("GET /caf%C3%A9").unwrap().path, [Segment::Literal("café".into())]);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "/a", "post /a", "POST", "POST a", "GET /a?b=1", "GET /a//b", "GET /../a", "GET /**/a", "GET /a*b", "GET /{a",
            "GET /{a}{b}", "GET ho st/a", "GET *./a", "GET /{}", "GET /%ff",
        ] {
            assert!(pattern(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_of_parameters_do_not_matter() {
        let same = |a, b| pattern(a).unwrap().same_as(&pattern(b).unwrap());
        assert!(same("GET /a/{x}", "GET /a/*"));
        assert!(same("GET /a/", "GET /a"));
        assert!(!same("GET /a/{x}", "GET /a/b"));
        assert!(!same("GET /a", "ANY /a"));
    }
}
