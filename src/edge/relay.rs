//! Our own way to the app, for what Pingora's proxy cannot carry: parked requests, bodies over 64 KiB that an event
//! read, and answers that are held back.
//!
//! The bytes sent are the bytes received: method, target and body as they were. Every request goes out once, on a
//! connection of its own, so that no half-dead pooled connection can swallow it; when the app then breaks off, the
//! outcome is unknown and nothing is sent again.

use std::sync::OnceLock;

use bytes::{Bytes, BytesMut};
use data_encoding::BASE64;
use http::{HeaderMap, HeaderName, Version, header};
use pingora::{
    Error, ErrorType, Result,
    connectors::{ConnectorOptions, http::Connector},
    http::{RequestHeader, ResponseHeader},
    protocols::http::client::HttpSession,
};

use crate::{
    arrival::{self, Parked, Withheld},
    edge::{
        headers,
        upstream::{Place, Upstream, Wants},
    },
};

/// The client; its trust store is read on first use.
#[derive(Default)]
pub(crate) struct Relay(OnceLock<Connector>);

/// An answer whose head has come and whose body is still on its way.
pub(crate) struct Answer {
    session: HttpSession,
    /// What the app asks for in place of an answer.
    pub(crate) asks: Option<Box<str>>,
    /// Status and header fields that may be passed on.
    pub(crate) head: ResponseHeader,
}

/// Why no answer came.
#[derive(Debug)]
pub(crate) enum Lost {
    /// No connection: the app saw nothing.
    Unsent(Box<Error>),
    /// It broke off: whether the app acted is unknown.
    Unknown(Box<Error>),
}

impl Relay {
    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn send(&self, upstream: &Upstream, request: RequestHeader, body: Bytes) -> Result<Answer, Lost> {
        let mut session = self.connect(upstream).await.map_err(Lost::Unsent)?;
        exchange(&mut session, request, body).await.map_err(Lost::Unknown)?;
        let head = session.response_header().ok_or_else(|| Lost::Unknown(Error::new(ErrorType::ReadError)))?;
        let asks = headers::asked(head);
        let head = passed_on(head).map_err(Lost::Unknown)?;
        Ok(Answer { session, asks, head })
    }

    /// Sends a request to one address; the status of its answer, which is not read any further.
    pub(crate) async fn ask(&self, upstream: &Upstream, place: &Place, request: RequestHeader) -> Result<u16> {
        let mut session = self.reach(upstream, place).await?;
        exchange(&mut session, request, Bytes::new()).await?;
        session.response_header().map(|head| head.status.as_u16()).ok_or_else(|| Error::new(ErrorType::ReadError))
    }

    async fn reach(&self, upstream: &Upstream, place: &Place) -> Result<HttpSession> {
        let connector = self.0.get_or_init(|| Connector::new(Some(ConnectorOptions::new(0))));
        let (mut session, _) = connector.get_http_session(&upstream.peer(place, Wants::Answer)).await?;
        session.set_read_timeout(Some(upstream.settings.read));
        session.set_write_timeout(Some(upstream.settings.read));
        Ok(session)
    }

    async fn connect(&self, upstream: &Upstream) -> Result<HttpSession> {
        let mut last = Error::new(ErrorType::ConnectNoRoute);
        for _ in 0..upstream.places().max(1) {
            let Some(place) = upstream.pick() else { break };
            match self.reach(upstream, &place).await {
                Ok(session) => return Ok(session),
                Err(error) => {
                    upstream.dead(&place);
                    last = error;
                }
            }
        }
        Err(last)
    }
}

async fn exchange(session: &mut HttpSession, mut request: RequestHeader, body: Bytes) -> Result<()> {
    request.set_version(match session {
        HttpSession::H2(_) => Version::HTTP_2,
        HttpSession::H1(_) | HttpSession::Custom(_) => Version::HTTP_11,
    });
    session.write_request_header(Box::new(request)).await?;
    if !body.is_empty() {
        session.write_request_body(body, true).await?;
    }
    session.finish_request_body().await?;
    session.read_response_header().await?;
    while session.response_header().is_some_and(|head| head.status.is_informational()) {
        session.read_response_header().await?;
    }
    Ok(())
}

/// The head without what belongs to the connection with the app.
fn passed_on(head: &ResponseHeader) -> Result<ResponseHeader> {
    let nominated: Vec<HeaderName> = head
        .headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let mut clean = ResponseHeader::build(head.status, Some(head.headers.len()))?;
    for (name, value) in &head.headers {
        if !headers::hop_by_hop(name) && !nominated.contains(name) {
            clean.append_header(name, value)?;
        }
    }
    headers::clean_answer(&mut clean);
    Ok(clean)
}

impl Answer {
    /// The next piece of the body.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        self.session.read_response_body().await
    }

    /// Trailers, which only HTTP/2 has here.
    pub(crate) async fn trailers(&mut self) -> Result<Option<HeaderMap>> {
        match &mut self.session {
            HttpSession::H2(session) => session.read_trailers().await,
            HttpSession::H1(_) | HttpSession::Custom(_) => Ok(None),
        }
    }

    /// The whole answer, if it is no larger than this.
    pub(crate) async fn withhold(mut self, bytes_max: usize) -> Result<Option<Withheld>> {
        let mut body = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if body.len() + chunk.len() > bytes_max {
                return Ok(None);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Some(Withheld {
            status: self.head.status.as_u16(),
            headers: self.head.headers.iter().map(|(name, value)| (name.to_string(), arrival::kept(value))).collect(),
            body: BASE64.encode(&body),
        }))
    }
}

/// The live request as it is sent on: without what belongs to the connection with the client.
pub(crate) fn live(request: &RequestHeader, body: &Bytes) -> Result<RequestHeader> {
    let mut sent = RequestHeader::build(request.method.clone(), request.raw_path(), Some(request.headers.len() + 8))?;
    for (name, value) in &request.headers {
        if !headers::hop_by_hop(name) && name != header::CONTENT_LENGTH {
            sent.append_header(name, value)?;
        }
    }
    finish(sent, request, body)
}

/// A parked request, with `Cookie` and `Authorization` of the live one.
pub(crate) fn parked(parked: &Parked, request: &RequestHeader) -> Result<(RequestHeader, Bytes)> {
    let body = BASE64.decode(parked.body.as_bytes()).map(Bytes::from);
    let body = body.map_err(|error| Error::because(ErrorType::InternalError, "parked body", error))?;
    let mut sent = RequestHeader::build(&*parked.method, parked.target.as_bytes(), Some(parked.headers.len() + 12))?;
    for (name, value) in &parked.headers {
        let (Ok(known), Some(value)) = (name.parse::<HeaderName>(), arrival::restored(value)) else { continue };
        let live = matches!(known, header::COOKIE | header::AUTHORIZATION | header::HOST | header::CONTENT_LENGTH);
        if !live && !headers::hop_by_hop(&known) {
            sent.append_header(known, value)?;
        }
    }
    for name in [header::COOKIE, header::AUTHORIZATION] {
        if let Some(value) = request.headers.get(&name) {
            sent.insert_header(name, value)?;
        }
    }
    for family in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"] {
        if let Some(value) = request.headers.get(family) {
            sent.insert_header(family, value)?;
        }
    }
    let sent = finish(sent, request, &body)?;
    Ok((sent, body))
}

fn finish(mut sent: RequestHeader, request: &RequestHeader, body: &Bytes) -> Result<RequestHeader> {
    sent.insert_header(header::HOST, headers::host(request)?)?;
    let announced = request.headers.contains_key(header::CONTENT_LENGTH);
    if !body.is_empty() || announced || matches!(sent.method.as_str(), "POST" | "PUT" | "PATCH") {
        sent.insert_header(header::CONTENT_LENGTH, body.len())?;
    }
    Ok(sent)
}

#[cfg(test)]
mod tests;
