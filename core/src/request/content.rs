//! How a body must be read, by what its header says. What cannot be read for certain is unsupported, never skipped:
//! an event that reads the body must not be dodged by another label or by compression.

use crate::{decision::Reason, request::head::Refusal};

/// How a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By [`crate::request::json::parse`].
    Json,
    /// By [`crate::request::fields::form`].
    Form,
    /// By parts; those go through [`crate::request::fields::from_parts`].
    Multipart,
    /// No type is given: fine for a body of no bytes, else unsupported.
    Untyped,
}

/// The kind of a body by `Content-Type` and `Content-Encoding`; the head holds both to one line.
pub fn kind(content_type: Option<&str>, content_encoding: Option<&str>) -> Result<Kind, Refusal> {
    let unsupported = |detail| Err(Refusal { reason: Reason::BodyUnsupported, detail });
    if content_encoding.is_some_and(|it| !it.trim().is_empty() && !it.trim().eq_ignore_ascii_case("identity")) {
        return unsupported("body is compressed");
    }
    let Some(content_type) = content_type.map(str::trim).filter(|it| !it.is_empty()) else { return Ok(Kind::Untyped) };
    if content_type.contains(',') {
        return unsupported("content type is a list");
    }
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let kind = match essence.as_str() {
        "application/json" | "text/json" => Kind::Json,
        "application/x-www-form-urlencoded" => Kind::Form,
        "multipart/form-data" => Kind::Multipart,
        other if other.starts_with("application/") && other.ends_with("+json") => Kind::Json,
        _ => return unsupported("content type is not one whose fields can be read"),
    };
    let mut seen = Vec::new();
    for part in parts.filter(|it| !it.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let name = name.trim_ascii_end().to_ascii_lowercase();
        let value = value.trim_ascii_start().trim_matches('"');
        if name == "charset" && !["utf-8", "utf8", "us-ascii"].iter().any(|it| value.eq_ignore_ascii_case(it)) {
            return unsupported("charset is not UTF-8");
        }
        if seen.contains(&name) || name.contains('*') {
            return unsupported("content type has an odd parameter");
        }
        seen.push(name);
    }
    Ok(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_read_for_certain_is_supported() {
        for (content_type, wanted) in [
            ("application/json", Kind::Json),
            ("Application/JSON; charset=UTF-8", Kind::Json),
            ("application/vnd.api+json;charset=\"utf8\"", Kind::Json),
            ("application/x-www-form-urlencoded;charset=us-ascii", Kind::Form),
            ("multipart/form-data; boundary=x", Kind::Multipart),
            ("", Kind::Untyped),
        ] {
            assert_eq!(kind(Some(content_type), None), Ok(wanted), "{content_type}");
        }
        for content_type in [
            "text/plain",
            "application/json; charset=utf-16",
            "application/x-www-form-urlencoded; charset=ibm037",
            "application/xml",
            "application/json, text/plain",
            "application/json; charset=utf-8; charset=utf-16",
            "application/JSON+x",
            "multipart/mixed",
            "application/json; charset*=utf-8''x",
            "application/graphql",
            "json",
        ] {
            assert_eq!(
                kind(Some(content_type), None).map_err(|it| it.reason),
                Err(Reason::BodyUnsupported),
                "{content_type}"
            );
        }
    }

    #[test]
    fn a_compressed_body_is_unsupported() {
        for coding in ["gzip", "br", "deflate", "x-gzip", "gzip,gzip", "identity, gzip", "zstd"] {
            assert!(kind(Some("application/json"), Some(coding)).is_err(), "{coding}");
        }
        assert_eq!(kind(Some("application/json"), Some("Identity")), Ok(Kind::Json));
    }
}
