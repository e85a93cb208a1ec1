//! The canonical request head: read from raw parts before anything else sees them.
//!
//! It repairs nothing. What two parsers could read differently is refused (RFC 9112 sections 3 and 6, RFC 9113 section
//! 8), so that what is matched is what is forwarded. Nothing is allocated for an ordinary request.

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use crate::{
    decision::Reason,
    request::{
        Body, Request, cookies, fields, host,
        names::{self, OWN_COOKIES},
        target::{self, Bounds},
    },
};

/// A request head as it came.
#[derive(Clone, Debug)]
pub struct Parts<'a, F> {
    /// The method.
    pub method: &'a [u8],
    /// The request target of HTTP/1, or `:path`.
    pub target: &'a [u8],
    /// How it came.
    pub version: Version,
    /// `:authority`; absent on HTTP/1.
    pub authority: Option<&'a [u8]>,
    /// Name and value of every header field, in order.
    pub fields: F,
}

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

/// Bounds of a head.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The target: 8 KiB in 256 segments.
    pub target: Bounds,
    /// Most header fields: 100.
    pub fields_max: usize,
    /// Longest fields altogether, names and values, in bytes: 32 KiB.
    pub fields_bytes_max: usize,
    /// What becomes of a name with `_` or another mark, which CGI cannot tell from one with `-`.
    pub underscores: Underscores,
}

/// What becomes of header names with `_` or another mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Underscores {
    /// The field is not sent on and no policy sees it.
    Drop,
    /// The request is refused.
    Refuse,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            target: Bounds { bytes_max: 8 << 10, segments_max: 256 },
            fields_max: 100,
            fields_bytes_max: 32 << 10,
            underscores: Underscores::Drop,
        }
    }
}

/// A request that has no safe reading, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code for logs and problem documents.
    pub reason: Reason,
    /// What is wrong, in words that quote nothing of the request.
    pub detail: &'static str,
}

/// A canonical head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// Upper case.
    pub method: &'a str,
    /// Lower case, without port and trailing dot.
    pub host: Cow<'a, str>,
    /// The port in `Host`, where one is written.
    pub port: Option<u16>,
    /// As received, in origin form; `*` for `OPTIONS *`.
    pub path: &'a str,
    /// As received, without `?`.
    pub query: Option<&'a str>,
    /// The target to send on, where it came in absolute form.
    pub rewritten: Option<String>,
    /// Names of fields that must not be sent on.
    pub dropped: Vec<&'a str>,
    /// Methods that an app may take the request for instead, by `X-HTTP-Method-Override` and its like or by `_method`
    /// in the query. Events are recognised by these too, so that none is dodged.
    pub overrides: Vec<String>,
}

impl<'a> Head<'a> {
    /// Reads a head, or refuses it.
    pub fn of<F>(parts: Parts<'a, F>, limits: &Limits) -> Result<Self, Refusal>
    where
        F: Iterator<Item = (&'a [u8], &'a [u8])>,
    {
        read(parts, limits).map_err(|detail| Refusal { reason: Reason::RequestMalformed, detail })
    }

    /// Method, target in origin form and host of a head that [`Head::of`] has let pass before. Its fields are not looked
    /// at again, so that nothing is dropped and no method overridden by it.
    pub fn passed(method: &'a str, target: &'a str, host: &'a [u8]) -> Result<Self, Refusal> {
        let named = host::parse(host).map_err(|detail| Refusal { reason: Reason::RequestMalformed, detail })?;
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let (host, port) = (named.host, named.port);
        Ok(Head { method, host, port, path, query, rewritten: None, dropped: Vec::new(), overrides: Vec::new() })
    }

    /// The request, as policies see it.
    ///
    /// `fields` are those of the head. Left out are the dropped ones, `Stepward-*`, values that are not UTF-8, and,
    /// unless the peer is a trusted proxy, all that only such a proxy may say.
    pub fn request(
        &self,
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        client_ip: IpAddr,
        secure: bool,
        peer_trusted: bool,
    ) -> Request {
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(Arc::<str>::from);
        let mut request = Request {
            method: self.method.into(),
            host: self.host.as_ref().into(),
            path: self.path.into(),
            query: self.query.map(Arc::from),
            headers: Vec::new(),
            cookies: Vec::new(),
            client_ip,
            secure,
            body: Body::Unread,
        };
        for (name, value) in fields {
            if name.eq_ignore_ascii_case(b"cookie") {
                let pairs = cookies::pairs(value).filter_map(|(name, value)| Some((text(name)?, text(value)?)));
                request.cookies.extend(pairs);
            }
            let Ok(name) = std::str::from_utf8(name) else { continue };
            let forged = names::is_reserved_header(name) || (!peer_trusted && names::is_forwarding_header(name));
            if !forged
                && !name.contains('_')
                && let Some(value) = text(value.trim_ascii())
            {
                request.headers.push((name.to_ascii_lowercase().into(), value));
            }
        }
        request
    }
}

fn read<'a, F>(parts: Parts<'a, F>, limits: &Limits) -> Result<Head<'a>, &'static str>
where
    F: Iterator<Item = (&'a [u8], &'a [u8])>,
{
    let method = method(parts.method)?;
    let http2 = parts.version == Version::Http2;
    let target = target::parse(parts.target, method, !http2, limits.target)?;
    let mut fields = Fields::default();
    for (name, value) in parts.fields {
        fields.take(name, value, limits)?;
    }
    fields.check_framing(parts.version)?;
    let named = match (http2, parts.authority, fields.host) {
        (true, Some(authority), None) | (false, None, Some(authority)) => host::parse(authority)?,
        (true, Some(authority), Some(host)) => Some(host::parse(authority)?)
            .filter(|it| host::parse(host).as_ref() == Ok(it))
            .ok_or("authority and host differ")?,
        (true, None, Some(authority)) => host::parse(authority)?,
        (false, Some(_), _) => return Err("authority on HTTP/1"),
        (_, None, None) => return Err("host is missing"),
    };
    if target.authority.as_ref().is_some_and(|it| *it != named) {
        return Err("target and host differ");
    }
    let rewritten = target.authority.is_some().then(|| target.origin_form().into_owned());
    let (host, port) = (named.host, named.port);
    let (path, query, dropped) = (target.path, target.query, fields.dropped);
    let in_query = query.unwrap_or_default().split(['&', ';']).filter_map(override_in);
    let overrides = fields.overrides.into_iter().chain(in_query).collect();
    Ok(Head { method, host, port, path, query, rewritten, dropped, overrides })
}

/// The method that a pair of a query asks for: `_method=DELETE`, in any spelling that somebody takes for it: PHP ends a
/// name at a zero, drops spaces before it and reads `.` as `_`; others take the first of a list, `_method[]`.
fn override_in(pair: &str) -> Option<String> {
    let (name, value) = pair.split_once('=')?;
    let name = roughly_decoded(name);
    let name = name.split(['\0', '[']).next()?.trim_start_matches(' ').strip_prefix(['_', '.', ' '])?;
    if !name.eq_ignore_ascii_case("method") {
        return None;
    }
    let value = roughly_decoded(value);
    overriding(value.trim_matches(|it: char| it.is_whitespace() || it.is_control()).as_bytes())
}

/// Decoded as those do who let broken escapes and text that is not UTF-8 pass.
fn roughly_decoded(text: &str) -> Cow<'_, str> {
    match text.contains('+') {
        false => percent_encoding::percent_decode_str(text).decode_utf8_lossy(),
        true => percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned().into(),
    }
}

/// Every method that an app may take a request for: its own, and those that header fields, the query or the body name.
/// For requests whose body was read; [`Head::overrides`] is the same before that.
pub fn methods(request: &Request) -> Vec<String> {
    let named = request.headers.iter().filter(|(name, _)| OVERRIDES.iter().any(|it| name.eq_ignore_ascii_case(it)));
    let in_fields = named.filter_map(|(_, value)| overriding(value.trim().as_bytes()));
    let in_query = request.query.as_deref().unwrap_or_default().split(['&', ';']).filter_map(override_in);
    let mut methods: Vec<String> = in_fields.chain(in_query).chain(fields::method_overrides(request)).collect();
    methods.push(request.method.to_string());
    methods
}

fn overriding(value: &[u8]) -> Option<String> {
    let letters = value.iter().all(|it| it.is_ascii_alphabetic() || *it == b'-') && (1..=32).contains(&value.len());
    std::str::from_utf8(value).ok().filter(|_| letters).map(str::to_ascii_uppercase)
}

fn method(raw: &[u8]) -> Result<&str, &'static str> {
    let plain = raw.iter().all(|it| it.is_ascii_uppercase() || *it == b'-');
    match std::str::from_utf8(raw) {
        Ok("CONNECT" | "TRACE" | "TRACK") => Err("method is not allowed"),
        Ok(method) if plain && (1..=32).contains(&raw.len()) => Ok(method),
        Ok(_) | Err(_) => Err("method is odd"),
    }
}

/// What is seen while the fields pass by.
#[derive(Default)]
struct Fields<'a> {
    count: usize,
    bytes: usize,
    host: Option<&'a [u8]>,
    length: bool,
    chunked: bool,
    connection: bool,
    authorization: bool,
    content_type: bool,
    content_encoding: bool,
    own_cookies: [bool; 2],
    dropped: Vec<&'a str>,
    overrides: Vec<String>,
}

/// Header fields by which frameworks let a request name another method.
const OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

impl<'a> Fields<'a> {
    fn take(&mut self, name: &'a [u8], value: &'a [u8], limits: &Limits) -> Result<(), &'static str> {
        self.count += 1;
        self.bytes += name.len() + value.len();
        if self.count > limits.fields_max || self.bytes > limits.fields_bytes_max {
            return Err("header is too large");
        }
        // Without an early end the compiler looks at many bytes at once.
        if value.iter().fold(false, |odd, it| odd | ((*it < b' ') & (*it != b'\t')) | (*it == 0x7f)) {
            return Err("a header value has a control character");
        }
        let marks = names::marks(name);
        if marks & names::TOKEN == 0 || name.is_empty() {
            return Err("a header name is odd");
        }
        if marks & names::PLAIN == 0 {
            if limits.underscores == Underscores::Refuse {
                return Err("a header name reads as another one to CGI");
            }
            self.dropped.push(std::str::from_utf8(name).map_err(|_| "a header name is odd")?);
            return Ok(());
        }
        self.note(name, value.trim_ascii())
    }

    /// Looks closer at what parsers and back ends fall out over.
    fn note(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), &'static str> {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        match name.len() {
            4 if is("host") => holds(self.host.replace(value).is_none(), "host stands twice"),
            6 if is("cookie") => self.note_cookies(value),
            6 if is("expect") => holds(value.eq_ignore_ascii_case(b"100-continue"), "expectation is odd"),
            10 if is("connection") => self.note_connection(value),
            13 if is("authorization") => {
                holds(!std::mem::replace(&mut self.authorization, true), "authorization stands twice")
            }
            12 if is("content-type") => {
                holds(!std::mem::replace(&mut self.content_type, true), "content type stands twice")
            }
            16 if is("content-encoding") => {
                holds(!std::mem::replace(&mut self.content_encoding, true), "content encoding stands twice")
            }
            14 if is("content-length") => {
                let digits = value.iter().all(u8::is_ascii_digit) && (1..=19).contains(&value.len());
                let canonical = digits && (value.len() == 1 || !value.starts_with(b"0"));
                holds(canonical, "content length is odd")?;
                holds(!std::mem::replace(&mut self.length, true), "content length stands twice")
            }
            17 if is("transfer-encoding") => {
                holds(value.eq_ignore_ascii_case(b"chunked"), "transfer encoding is not chunked")?;
                holds(!std::mem::replace(&mut self.chunked, true), "transfer encoding stands twice")
            }
            _ if OVERRIDES.iter().any(|it| is(it)) => {
                self.overrides.push(overriding(value).ok_or("method override is odd")?);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn note_cookies(&mut self, line: &[u8]) -> Result<(), &'static str> {
        for pair in line.split(|it| *it == b';').map(<[u8]>::trim_ascii_start) {
            for (own, seen) in OWN_COOKIES.iter().zip(&mut self.own_cookies) {
                let again = cookies::is_of(pair, own) && std::mem::replace(seen, true);
                holds(!again, "our own cookie stands twice")?;
            }
        }
        Ok(())
    }

    /// A field that `Connection` names is taken away before the app sees it, and after the policy did.
    fn note_connection(&mut self, value: &[u8]) -> Result<(), &'static str> {
        self.connection = true;
        let known: [&[u8]; 5] = [b"close", b"keep-alive", b"upgrade", b"te", b"http2-settings"];
        let allowed = |option: &[u8]| option.is_empty() || known.iter().any(|it| it.eq_ignore_ascii_case(option));
        let all = value.split(|it| *it == b',').all(|option| allowed(option.trim_ascii()));
        holds(all, "connection names a field")
    }

    fn check_framing(&self, version: Version) -> Result<(), &'static str> {
        match version {
            Version::Http11 => holds(!(self.chunked && self.length), "content length beside transfer encoding"),
            Version::Http10 => holds(!self.chunked, "transfer encoding on HTTP/1.0"),
            Version::Http2 => holds(!self.chunked && !self.connection, "connection fields on HTTP/2"),
        }
    }
}

fn holds(fine: bool, wrong: &'static str) -> Result<(), &'static str> {
    if fine { Ok(()) } else { Err(wrong) }
}

#[cfg(test)]
mod tests;
