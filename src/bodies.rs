//! The fields of a body, by its media type: the same for a request that arrives and for a parked one that is resumed.
//!
//! It reads whole, bounded bodies only. What cannot be read for certain is refused with a reason, never skipped.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, header};
use stepward_core::{
    decision::Reason,
    request::{Body, content, fields, json},
};

/// Parts of a multipart body that are looked at.
const PARTS_MAX: usize = 256;

/// Reads the fields of a body.
///
/// # Errors
/// `body.unsupported` for a type, charset or coding that cannot be read, `body.malformed` for anything broken or
/// ambiguous (a field named twice).
pub async fn parse(headers: &HeaderMap, body: &Bytes) -> Result<Body, Reason> {
    if body.is_empty() {
        return Ok(Body::Empty);
    }
    let text = |name| headers.get(name).map(|value| value.to_str().map_err(|_| Reason::BodyUnsupported)).transpose();
    let content_type = text(header::CONTENT_TYPE)?;
    let content_encoding = text(header::CONTENT_ENCODING)?;
    match content::kind(content_type, content_encoding).map_err(|refusal| refusal.reason)? {
        content::Kind::Json => json::parse(body).map_err(|refusal| refusal.reason),
        content::Kind::Form => fields::form(body).map_err(|refusal| refusal.reason),
        content::Kind::Multipart => multipart(content_type.unwrap_or_default(), body).await,
        content::Kind::Untyped => Err(Reason::BodyUnsupported),
    }
}

/// What a body that cannot be read for certain may say about the method: its fields as JSON or as Rack reads a body
/// without a type, or none where nobody can find a `_method` in it. `None` where somebody might.
pub fn disguise(headers: &HeaderMap, body: &Bytes) -> Option<Body> {
    let text = |name| headers.get(name).map(HeaderValue::to_str).transpose().ok();
    let (content_type, coding) = (text(header::CONTENT_TYPE)?, text(header::CONTENT_ENCODING)?);
    if !content::is_bare(content_type, coding) {
        return None;
    }
    match content::kind(content_type, coding) {
        Ok(content::Kind::Untyped) => {
            // Some apps take whatever looks like JSON for JSON.
            let read = json::parse(body).or_else(|_| fields::form(body));
            read.ok().or_else(|| unread(body))
        }
        Ok(content::Kind::Json | content::Kind::Form | content::Kind::Multipart) | Err(_) => unread(body),
    }
}

fn unread(body: &Bytes) -> Option<Body> {
    (!fields::may_name_method(body)).then_some(Body::Unread)
}

/// Fields of a multipart body (RFC 7578). A part with a file name counts by that name: its content is not inspected.
async fn multipart(content_type: &str, body: &Bytes) -> Result<Body, Reason> {
    let boundary = multer::parse_boundary(content_type).map_err(|_| Reason::BodyMalformed)?;
    if !is_framed_once(body, &boundary) {
        return Err(Reason::BodyMalformed);
    }
    let whole = stream::iter([Ok::<Bytes, Infallible>(body.clone())]);
    let mut parts = multer::Multipart::new(whole, boundary);
    let mut pairs = Vec::new();
    while let Some(part) = parts.next_field().await.map_err(|_| Reason::BodyMalformed)? {
        if is_odd(part.headers(), part.file_name().is_some()) {
            return Err(Reason::BodyMalformed);
        }
        let name = part.name().ok_or(Reason::BodyMalformed)?.to_string();
        let file = part.file_name().map(str::to_string);
        let bytes = part.bytes().await.map_err(|_| Reason::BodyMalformed)?;
        let text = match file {
            Some(file) => file,
            None => String::from_utf8(bytes.to_vec()).map_err(|_| Reason::BodyMalformed)?,
        };
        if pairs.len() == PARTS_MAX {
            return Err(Reason::BodyMalformed);
        }
        pairs.push((name, text));
    }
    fields::from_parts(pairs).map_err(|refusal| refusal.reason)
}

/// Whether a multipart body begins with its first boundary, ends with its last, and each of its parts says once what it
/// is: what stands before or behind, or twice, some servers read and others do not.
fn is_framed_once(body: &[u8], boundary: &str) -> bool {
    let delimiter = format!("\r\n--{boundary}");
    let body = body.strip_prefix(b"\r\n").unwrap_or(body);
    let Some(mut rest) = body.strip_prefix(delimiter.trim_start().as_bytes()) else { return false };
    while !rest.starts_with(b"--") {
        let Some(end) = position(rest, delimiter.as_bytes()) else { return false };
        let (part, after) = rest.split_at(end);
        let head = position(part, b"\r\n\r\n").and_then(|end| part.get(..end)).unwrap_or(part);
        let lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let names: Vec<Vec<u8>> =
            lines.filter_map(|line| Some(line.get(..position(line, b":")?)?.to_ascii_lowercase())).collect();
        if (1..names.len()).any(|at| names.get(..at).is_some_and(|before| before.contains(&names[at]))) {
            return false;
        }
        rest = after.get(delimiter.len()..).unwrap_or_default();
    }
    rest.get(2..).is_some_and(|behind| behind.trim_ascii().is_empty())
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|it| it == wanted)
}

/// Whether the head of a part has what servers read differently: a name given twice or encoded, an encoding of the
/// content (void since RFC 7578 §4.7), text in a charset that is not UTF-8.
fn is_odd(headers: &HeaderMap, is_file: bool) -> bool {
    let text = |name: &str| headers.get(name).map_or(Ok(""), |value| value.to_str()).map_err(|_| ());
    let (Ok(content_type), Ok(encoding)) = (text("content-type"), text("content-transfer-encoding")) else {
        return true;
    };
    let plain = ["", "7bit", "8bit", "binary"].iter().any(|it| encoding.trim().eq_ignore_ascii_case(it));
    let disposition = headers.get("content-disposition").map_or(&b""[..], |value| value.as_bytes());
    !plain || (!is_file && !content::is_bare(Some(content_type), None)) || is_ambiguous(disposition)
}

/// Whether a `Content-Disposition` has an escaped quote, which not everybody takes for one, an encoded parameter, which
/// RFC 7578 §4.2 forbids, or one twice.
fn is_ambiguous(disposition: &[u8]) -> bool {
    let mut seen: Vec<Vec<u8>> = Vec::new();
    let unquoted = disposition.split(|byte| *byte == b'"').step_by(2).collect::<Vec<_>>().join(&b'"');
    let names = unquoted.split(|byte| *byte == b';').filter_map(|it| it.split(|byte| *byte == b'=').next());
    let odd = names.map(|name| name.trim_ascii().to_ascii_lowercase()).any(|name| {
        let odd = name.ends_with(b"*") || seen.contains(&name);
        seen.push(name);
        odd
    });
    odd || disposition.windows(2).any(|it| it == b"\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(content_type: &'static str, body: &'static str) -> Result<Body, Reason> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        parse(&headers, &Bytes::from_static(body.as_bytes())).await
    }

    #[tokio::test]
    async fn a_multipart_form_reads_like_a_form() {
        let body = "--x\r\nContent-Disposition: form-data; name=\"amount\"\r\n\r\n50\r\n--x--\r\n";
        let read = read("multipart/form-data; boundary=x", body).await;
        assert_eq!(read, Ok(Body::Fields(serde_json::json!({ "amount": "50" }))));
    }

    #[tokio::test]
    async fn a_part_named_twice_is_refused() {
        let part = "--x\r\nContent-Disposition: form-data; name=\"amount\"\r\n\r\n50\r\n";
        let body = format!("{part}{part}--x--\r\n");
        let read = read("multipart/form-data; boundary=x", Box::leak(body.into_boxed_str())).await;
        assert_eq!(read, Err(Reason::BodyMalformed));
    }

    #[tokio::test]
    async fn what_servers_read_differently_in_a_part_is_refused() {
        let field = "Content-Disposition: form-data; name=\"amount\"";
        let file = format!("{field}; filename=\"C:\\a;name=b.txt\"\r\nContent-Type: image/png");
        for (head, fine) in [
            (field, true),
            (&*format!("{field}\r\nContent-Type: text/plain; charset=utf-8"), true),
            (&*format!("{field}\r\nContent-Transfer-Encoding: 8bit"), true),
            (&*file, true),
            (&*format!("{field}; filename=\"x\\\"; name=\"y\""), false),
            (&*format!("{field}; name=\"x\""), false),
            (&*format!("{field}; name*=utf-8''x"), false),
            (&*format!("{field}; filename=a; filename*=utf-8''b"), false),
            (&*format!("{field}; filename*=utf-8''b"), false),
            (&*format!("{field}\r\nContent-Transfer-Encoding: base64"), false),
            (&*format!("{field}\r\nContent-Type: text/plain; charset=utf-16"), false),
            (&*format!("{field}\r\n{field}"), false),
        ] {
            let body = format!("--x\r\n{head}\r\n\r\n50\r\n--x--\r\n");
            let read = read("multipart/form-data; boundary=x", Box::leak(body.into_boxed_str())).await;
            assert_eq!(read.is_ok(), fine, "{head}: {read:?}");
        }
    }

    #[tokio::test]
    async fn what_stands_before_or_behind_a_multipart_body_is_refused() {
        let part = "--x\r\nContent-Disposition: form-data; name=\"amount\"\r\n\r\n50\r\n";
        for body in [format!("{part}--x--\r\n{part}--x--\r\n"), format!("a\r\n{part}--x--"), format!("{part}--x--y")] {
            let read = read("multipart/form-data; boundary=x", Box::leak(body.into_boxed_str())).await;
            assert_eq!(read, Err(Reason::BodyMalformed));
        }
    }

    #[tokio::test]
    async fn a_multipart_body_without_its_end_is_refused() {
        let body = "--x\r\nContent-Disposition: form-data; name=\"amount\"\r\n\r\n50\r\n";
        assert_eq!(read("multipart/form-data; boundary=x", body).await, Err(Reason::BodyMalformed));
    }
}
