//! Our script in the app's pages, on routes that say `inject_script: true`: which answers get it, and what else in their
//! head has to change.
//!
//! Only a whole HTML page that a browser navigated to gets it. Everything else passes byte for byte: calls, other media
//! types, downloads, parts, answers that forbid it or come in an encoding that we do not read, and pages whose policy
//! lets no script run. A page that cannot be changed for certain is left as it is: calls from it then get their 401.

use std::sync::{LazyLock, Mutex};

use bytes::Bytes;
use data_encoding::BASE64;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use pingora::{
    Result,
    http::{RequestHeader, ResponseHeader},
};
use sha2::{Digest, Sha256};

use crate::challenges::page;

mod csp;
mod html;

use csp::{Entry, Own};
use html::{Weaver, Weft};

const POLICY: HeaderName = header::CONTENT_SECURITY_POLICY;
const REPORTED: HeaderName = header::CONTENT_SECURITY_POLICY_REPORT_ONLY;

/// What speaks of the bytes of the body, which are no longer the app's: digests (RFC 9530, RFC 3230, RFC 1864), ranges.
const ABOUT_BYTES: [&str; 6] =
    ["accept-ranges", "content-digest", "content-length", "content-md5", "digest", "repr-digest"];

/// Encodings in which `<` is not always a `<`.
const NOT_ASCII: [&str; 7] = ["utf-16", "utf-32", "utf-7", "ucs-2", "iso-2022", "hz-gb", "unicode"];

/// A navigation whose answer may get our script.
pub(crate) struct Injection {
    host: String,
    is_secure: bool,
    /// Pingora wants what a request carries to be `Sync`, which the rewriter is not.
    weaver: Mutex<Option<Weaver>>,
}

impl Injection {
    /// `None` where the request is none of a page: nothing about it or its answer changes.
    pub(crate) fn of(request: &RequestHeader, host: &HeaderValue, is_secure: bool) -> Option<Box<Self>> {
        let host = host.to_str().ok().filter(|_| is_navigation(request))?.to_owned();
        Some(Box::new(Injection { host, is_secure, weaver: Mutex::default() }))
    }

    /// The app is asked for plain text: what is compressed cannot be added to.
    pub(crate) fn ask_plainly(request: &mut RequestHeader) -> Result<()> {
        request.insert_header(header::ACCEPT_ENCODING, "identity")
    }

    /// The head of the answer: changed where our script goes into it.
    pub(crate) fn meet(&mut self, response: &mut ResponseHeader, version: Version) -> Result<()> {
        if response.status == StatusCode::NOT_MODIFIED {
            // Some browsers put the policy of this answer on the page that they kept (RFC 9111 §3.2).
            return self.widen(response).map(drop);
        }
        if !is_page(response) {
            return Ok(());
        }
        let Some(entry) = self.widen(response)? else { return Ok(()) };
        for name in ABOUT_BYTES {
            response.remove_header(name);
        }
        let strong = response.headers.get(header::ETAG).filter(|etag| !etag.as_bytes().starts_with(b"W/"));
        if let Some(weak) = strong.map(|etag| [b"W/", etag.as_bytes()].concat()) {
            response.insert_header(header::ETAG, weak)?;
        }
        // The same address answers a call by script with the app's own bytes.
        response.append_header(header::VARY, "sec-fetch-dest")?;
        if version == Version::HTTP_11 {
            response.insert_header(header::TRANSFER_ENCODING, "chunked")?;
        }
        let weft = Weft { tag: tag(&entry), host: self.host.clone(), is_secure: self.is_secure };
        self.weaver = Mutex::new(Some(Weaver::new(weft)));
        Ok(())
    }

    /// The next piece of the body.
    pub(crate) fn next(&mut self, piece: Bytes, is_last: bool) -> Bytes {
        match self.weaver.get_mut() {
            Ok(Some(weaver)) => weaver.next(piece, is_last),
            Ok(None) | Err(_) => piece,
        }
    }

    /// Lets our script into every policy of the head; `None` where an enforced one lets no script run.
    fn widen(&self, response: &mut ResponseHeader) -> Result<Option<Entry>> {
        let own = Own { host: &self.host, is_secure: self.is_secure, hash: &SCRIPT_HASH };
        let Some(entry) = csp::entry(&texts(&response.headers, &POLICY), &texts(&response.headers, &REPORTED)) else {
            return Ok(None);
        };
        for name in [POLICY, REPORTED] {
            let widen = |value: &HeaderValue| {
                let widened = value.to_str().ok().and_then(|text| csp::widened(text, own, &entry));
                widened.and_then(|text| HeaderValue::from_str(&text).ok())
            };
            let before: Vec<HeaderValue> = response.headers.get_all(&name).iter().cloned().collect();
            let after: Vec<Option<HeaderValue>> = before.iter().map(widen).collect();
            if after.iter().all(Option::is_none) {
                continue;
            }
            response.remove_header(&name);
            for (before, after) in before.into_iter().zip(after) {
                response.append_header(&name, after.unwrap_or(before))?;
            }
        }
        Ok(Some(entry))
    }
}

/// Whether a browser asks for a whole page to show: by `Sec-Fetch-*`, and from one that does not send these by what it
/// accepts, as [`crate::arrival::Client`] tells pages.
fn is_navigation(request: &RequestHeader) -> bool {
    let value = |name: &str| request.headers.get(name).map(HeaderValue::as_bytes);
    if !matches!(request.method, Method::GET | Method::POST) || request.headers.contains_key(header::RANGE) {
        return false;
    }
    let is_whole = match value("sec-fetch-dest") {
        Some(b"document" | b"iframe" | b"frame") | None => true,
        Some(_) => false,
    };
    let accepts_html = || {
        let accepted = value("accept").unwrap_or_default();
        accepted.windows(9).any(|it| it == b"text/html") && value("x-requested-with").is_none()
    };
    let is_shown = value("sec-fetch-mode").map_or_else(accepts_html, |mode| mode == b"navigate");
    is_whole && is_shown && !forbids_change(&request.headers)
}

/// Whether an answer is a whole page of HTML whose bytes may be changed and can be read.
fn is_page(response: &ResponseHeader) -> bool {
    let is_whole = response.status.is_success()
        && !matches!(response.status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::PARTIAL_CONTENT);
    let headers = &response.headers;
    let is_plain = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"));
    let is_download = headers
        .get_all(header::CONTENT_DISPOSITION)
        .iter()
        .any(|value| !value.as_bytes().trim_ascii_start().to_ascii_lowercase().starts_with(b"inline"));
    is_whole
        && is_plain
        && is_html(headers)
        && !is_download
        && !headers.contains_key(header::CONTENT_RANGE)
        && !forbids_change(headers)
}

fn is_html(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(Ok(content_type)), None) = (types.next().map(HeaderValue::to_str), types.next()) else { return false };
    let content_type = content_type.to_ascii_lowercase();
    let (media_type, parameters) = content_type.split_once(';').unwrap_or((&content_type, ""));
    media_type.trim() == "text/html" && !NOT_ASCII.iter().any(|encoding| parameters.contains(encoding))
}

/// `no-transform` (RFC 9111 §5.2.2.6).
fn forbids_change(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::CACHE_CONTROL).iter();
    let mut words = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    words.any(|word| word.trim_ascii().eq_ignore_ascii_case(b"no-transform"))
}

/// The values of a header that are text.
fn texts<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect()
}

/// `sha256-…` of our script as it is served.
static SCRIPT_HASH: LazyLock<String> = LazyLock::new(|| {
    let script = page::file("stepward.js").map(|reply| reply.body).unwrap_or_default();
    format!("sha256-{}", BASE64.encode(&Sha256::digest(&script)))
});

/// Our script, let in the way the page's policies ask for.
fn tag(entry: &Entry) -> String {
    let nonce = entry.nonce.as_ref().map(|nonce| format!(" nonce=\"{nonce}\"")).unwrap_or_default();
    let integrity = if entry.by_hash { format!(" integrity=\"{}\"", *SCRIPT_HASH) } else { String::new() };
    format!("<script src=\"{}\"{nonce}{integrity}></script>", csp::SCRIPT)
}

#[cfg(test)]
mod tests;
