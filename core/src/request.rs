//! The canonical view of a request: the one thing that is matched, decided on and forwarded.
//!
//! The shell parses bytes into it once; what has no safe reading never becomes one.

use std::{net::IpAddr, sync::Arc};

use serde_json::Value as Json;

pub mod content;
pub mod cookies;
pub mod fields;
pub mod head;
pub mod host;
pub mod json;
pub mod names;
pub mod read;
pub mod target;

/// A request as everything inside Stepward sees it.
#[derive(Clone, Debug)]
pub struct Request {
    /// Upper-case method.
    pub method: Arc<str>,
    /// Lower-case host without port or trailing dot.
    pub host: Arc<str>,
    /// The path as received, origin form, still percent-encoded; these bytes are forwarded.
    pub path: Arc<str>,
    /// The query as received, without `?`; these bytes are forwarded.
    pub query: Option<Arc<str>>,
    /// Header fields in order, names in lower case, values that are UTF-8.
    pub headers: Vec<(Arc<str>, Arc<str>)>,
    /// Cookies in order, from all crumbs.
    pub cookies: Vec<(Arc<str>, Arc<str>)>,
    /// The client's address, through trusted proxies only.
    pub client_ip: IpAddr,
    /// Whether the client reached us over TLS.
    pub secure: bool,
    /// The body's fields, where an event reads them.
    pub body: Body,
}

/// A bounded body, read into fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Body {
    /// Not read: no candidate event needs it, or the decision is asked for without one.
    #[default]
    Unread,
    /// There is none.
    Empty,
    /// A form, multipart or JSON body; form fields are text. A field given twice never gets this far.
    Fields(Json),
    /// A JSON batch: matched element by element, the strictest decision counts.
    Batch(Vec<Json>),
}

impl Request {
    /// The value of a header, if it is there exactly once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(it, _)| &**it == name);
        let (_, value) = found.next()?;
        found.next().is_none().then_some(&**value)
    }

    /// The value of a cookie, if it is there exactly once.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let mut found = self.cookies.iter().filter(|(it, _)| &**it == name);
        let (_, value) = found.next()?;
        found.next().is_none().then_some(&**value)
    }
}
