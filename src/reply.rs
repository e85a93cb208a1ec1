//! What Stepward answers by itself, before it is bytes. Anyone may make one; only `edge::respond` writes it.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its header fields; `Content-Length` is set by the writer.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Its body.
    pub body: Bytes,
}

impl Reply {
    /// An answer with a body of this media type, never cached.
    pub fn new(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Self {
        let headers = vec![
            (http::header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
            (http::header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        Reply { status, headers, body: body.into() }
    }

    /// An answer without a body that sends a browser on with GET.
    pub fn see_other(location: &str) -> Self {
        let mut reply = Reply::new(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", Bytes::new());
        reply.set(http::header::LOCATION, location);
        reply
    }

    /// Adds a header field; a value that cannot be one is left out, for it could only come from outside.
    pub fn set(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
    }
}
