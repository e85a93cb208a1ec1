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

/// What a body that cannot be read for certain may say about the method: its fields as Rack reads a body without a type,
/// or none where nobody can find a `_method` in it. `None` where somebody might.
pub fn disguise(headers: &HeaderMap, body: &Bytes) -> Option<Body> {
    let text = |name| headers.get(name).map(HeaderValue::to_str).transpose().ok();
    let (content_type, coding) = (text(header::CONTENT_TYPE)?, text(header::CONTENT_ENCODING)?);
    if !content::is_bare(content_type, coding) {
        return None;
    }
    match content::kind(content_type, coding) {
        Ok(content::Kind::Untyped) => fields::form(body).ok().or_else(|| unread(body)),
        Ok(content::Kind::Json | content::Kind::Form | content::Kind::Multipart) | Err(_) => unread(body),
    }
}

fn unread(body: &Bytes) -> Option<Body> {
    (!fields::may_name_method(body)).then_some(Body::Unread)
}

/// Fields of a multipart body (RFC 7578). A part with a file name counts by that name: its content is not inspected.
async fn multipart(content_type: &str, body: &Bytes) -> Result<Body, Reason> {
    let boundary = multer::parse_boundary(content_type).map_err(|_| Reason::BodyMalformed)?;
    let whole = stream::iter([Ok::<Bytes, Infallible>(body.clone())]);
    let mut parts = multer::Multipart::new(whole, boundary);
    let mut pairs = Vec::new();
    while let Some(part) = parts.next_field().await.map_err(|_| Reason::BodyMalformed)? {
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
    async fn a_multipart_body_without_its_end_is_refused() {
        let body = "--x\r\nContent-Disposition: form-data; name=\"amount\"\r\n\r\n50\r\n";
        assert_eq!(read("multipart/form-data; boundary=x", body).await, Err(Reason::BodyMalformed));
    }
}
