//! What one request carries from hook to hook.
//!
//! A request that is no event holds two pointers and a time; everything else is there only where an event needs it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use pingora::{
    Error, ErrorType, Result,
    http::{RequestHeader, ResponseHeader},
    proxy::Session,
};
use stepward_core::request::names;

use crate::{
    edge::{
        connection::Connection,
        headers,
        inject::Injection,
        route::Way,
        tunnel::Watch,
        upstream::{Place, Upstream},
        visits::Visiting,
    },
    journey::seam::{Forwarding, Pending},
};

/// One request on its way.
#[derive(Default)]
pub(crate) struct Passage {
    /// When its header was complete.
    pub(crate) began: Option<Instant>,
    connection: Option<Arc<Connection>>,
    /// The route that took it.
    pub(crate) way: Option<Way>,
    /// The app it goes to.
    pub(crate) upstream: Option<Arc<Upstream>>,
    /// The address of the app that is being tried.
    pub(crate) place: Option<Arc<Place>>,
    /// How many addresses were tried.
    pub(crate) tried: usize,
    /// How the journey wants it forwarded.
    pub(crate) forwarding: Option<Box<Forwarding>>,
    watch: Option<Watch>,
    /// A page that our script goes into, on routes that say so.
    injection: Option<Box<Injection>>,
    /// What the app asked for in place of an answer.
    pub(crate) asks: Option<Box<str>>,
    /// Whether the app asked about this request before.
    pub(crate) asked_before: bool,
    /// The body of a request that is no event, where the app may ask.
    pub(crate) kept: Option<Bytes>,
    /// As long as it may still need state.
    pub(crate) visiting: Option<Visiting>,
}

impl Passage {
    /// The header is complete.
    pub(crate) fn begin(&mut self, session: &Session) -> Result<()> {
        let unknown = || Error::explain(ErrorType::InternalError, "a stream that the edge did not accept");
        let connection = Connection::of(session.digest()).ok_or_else(unknown)?.clone();
        connection.header_done();
        self.began = Some(Instant::now());
        self.connection = Some(connection);
        Ok(())
    }

    /// The request is over.
    pub(crate) fn end(&mut self) {
        self.watch = None;
        self.visiting = None;
        if let Some(connection) = &self.connection {
            connection.request_done();
        }
    }

    /// The connection it came by.
    pub(crate) fn connection(&self) -> Result<&Arc<Connection>> {
        self.connection.as_ref().ok_or_else(|| Error::explain(ErrorType::InternalError, "no connection"))
    }

    /// The app it goes to.
    pub(crate) fn upstream(&self) -> Result<&Arc<Upstream>> {
        self.upstream.as_ref().ok_or_else(|| Error::explain(ErrorType::InternalError, "no route"))
    }

    /// What the journey tells the app; the client can neither send nor nominate these away.
    pub(crate) fn set_headers(&self, request: &mut RequestHeader) -> Result<()> {
        let Some(forwarding) = &self.forwarding else { return Ok(()) };
        for (name, value) in &forwarding.headers {
            request.insert_header(name, value)?;
        }
        Ok(())
    }

    /// Whether the app was told of proofs.
    pub(crate) fn was_told(&self) -> bool {
        self.forwarding.as_ref().is_some_and(|forwarding| !forwarding.headers.is_empty())
    }

    /// Our script may go into the answer, if it turns out to be a page.
    pub(crate) fn inject(&mut self, request: &RequestHeader) -> Result<()> {
        let connection = self.connection()?;
        let told = connection.trusted.then(|| request.headers.get_all("x-forwarded-proto").iter());
        let lines = told.into_iter().flatten().map(HeaderValue::as_bytes);
        let is_secure = names::is_secure(connection.secure, connection.trusted, lines);
        self.injection = Injection::of(request, &headers::host(request)?, is_secure);
        Ok(())
    }

    /// The app is asked for what our script can be put into.
    pub(crate) fn ask_plainly(&self, request: &mut RequestHeader) -> Result<()> {
        self.injection.as_ref().map_or(Ok(()), |_| Injection::ask_plainly(request))
    }

    /// The head of the app's answer, changed where our script goes into its body.
    pub(crate) fn meet_page(&mut self, session: &Session, response: &mut ResponseHeader) -> Result<()> {
        let version = session.req_header().version;
        self.injection.as_mut().map_or(Ok(()), |injection| injection.meet(response, version))
    }

    /// The next piece of the app's answer; the last one may be empty.
    pub(crate) fn weave(&mut self, piece: Option<Bytes>, is_last: bool) -> Option<Bytes> {
        let Some(injection) = &mut self.injection else { return piece };
        Some(injection.next(piece.unwrap_or_default(), is_last)).filter(|piece| !piece.is_empty())
    }

    /// The event that waits for the app's answer; handed over once.
    pub(crate) fn take_pending(&mut self) -> Option<Box<Pending>> {
        self.forwarding.as_mut()?.pending.take()
    }

    /// Cookies for the client, whatever the app answers; handed over once.
    pub(crate) fn take_cookies(&mut self) -> Vec<HeaderValue> {
        self.forwarding.as_mut().map_or_else(Vec::new, |forwarding| std::mem::take(&mut forwarding.set_cookies))
    }

    /// Begins to ask whether an answer that stays open may: an upgrade, or one that names no length.
    pub(crate) fn watch(&mut self, session: &Session, response: &ResponseHeader) {
        let upgraded = response.status == StatusCode::SWITCHING_PROTOCOLS;
        let endless = upgraded || !response.headers.contains_key(header::CONTENT_LENGTH);
        let recheck = self.forwarding.as_mut().and_then(|forwarding| forwarding.recheck.take());
        if let (true, Some(recheck)) = (endless, recheck) {
            let alone = if session.is_http2() { None } else { self.connection.clone() };
            self.watch = Some(Watch::begin(recheck, alone));
        }
    }

    /// How long the app may be silent, where a stream cannot be ended while nothing flows: over HTTP/2 it ends then at
    /// the latest, and the client that opens it anew is decided anew.
    pub(crate) fn silence_max(&self, session: &Session) -> Option<Duration> {
        let recheck = self.forwarding.as_ref()?.recheck.as_ref()?;
        session.is_http2().then_some(recheck.every)
    }

    /// Waits until the stream is no longer allowed; for ever where it is not watched.
    pub(crate) async fn closed(&self) {
        match &self.watch {
            Some(watch) => watch.closed().await,
            None => std::future::pending().await,
        }
    }

    /// An error where the stream is no longer allowed.
    pub(crate) fn still_open(&self) -> Result<()> {
        match &self.watch {
            Some(watch) if watch.over() => Error::e_explain(ErrorType::ConnectionClosed, "no longer allowed"),
            Some(_) | None => Ok(()),
        }
    }
}
