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

/// Whether some framework obeys a field `_method` of such a body: forms everywhere, parts of any multipart and bodies
/// without a type in Rack, JSON in Laravel and wherever an app gives its parsed body to a method override. A type that
/// merely sounds like a form may be taken for one.
pub fn may_name_method(content_type: Option<&str>) -> bool {
    let Some(content_type) = content_type.map(str::trim).filter(|it| !it.is_empty()) else { return true };
    let content_type = content_type.to_ascii_lowercase();
    let named = ["form", "multipart", "json"];
    named.iter().any(|it| content_type.contains(it))
}

/// Whether bytes of such a body mean what they look like: not compressed, and text of it in UTF-8.
pub fn is_bare(content_type: Option<&str>, content_encoding: Option<&str>) -> bool {
    let parameters = content_type.unwrap_or_default().split_once(';').map_or("", |(_, parameters)| parameters);
    kind(Some(&format!("application/json;{parameters}")), content_encoding).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_whose_field_some_framework_obeys_are_known_by_their_type() {
        for content_type in [
            None,
            Some(""),
            Some("application/x-www-form-urlencoded;charset=utf-8"),
            Some("multipart/related; boundary=x"),
            Some("Application/JSON"),
            Some("text/json"),
            Some("application/vnd.api+json"),
            Some("application/json, text/plain"),
            Some("application/x-www-form-wrlencoded"),
        ] {
            assert!(may_name_method(content_type), "{content_type:?}");
        }
        for content_type in ["text/plain", "application/octet-stream", "image/png", "application/grpc"] {
            assert!(!may_name_method(Some(content_type)), "{content_type}");
        }
        assert!(is_bare(Some("multipart/related; boundary=x"), None) && is_bare(None, Some("identity")));
        assert!(!is_bare(Some("application/json; charset=utf-16"), None) && !is_bare(None, Some("gzip")));
    }

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
