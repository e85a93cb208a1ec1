//! Our own way to the app, for what Pingora's proxy cannot carry: parked requests, bodies over 64 KiB that an event
//! read, and answers that are held back.
//!
//! The bytes sent are the bytes received: method, target and body as they were. A body in a file, or one that still
//! comes from the client, goes on piece by piece. Every request goes out once, on a
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
    proxy::Session,
};

use crate::{
    arrival::{self, Parked, Withheld},
    challenges::parking::spool::Reader,
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
    /// `client` is whose body it is, where that still comes.
    pub(crate) async fn send(
        &self,
        upstream: &Upstream,
        request: RequestHeader,
        load: Load,
        client: Option<&mut Session>,
    ) -> Result<Answer, Lost> {
        let mut session = self.connect(upstream).await.map_err(Lost::Unsent)?;
        exchange(&mut session, request, load, client).await.map_err(Lost::Unknown)?;
        let head = session.response_header().ok_or_else(|| Lost::Unknown(Error::new(ErrorType::ReadError)))?;
        let asks = headers::asked(head);
        let head = passed_on(head).map_err(Lost::Unknown)?;
        Ok(Answer { session, asks, head })
    }

    /// Sends a request to one address; the status of its answer, which is not read any further.
    pub(crate) async fn ask(&self, upstream: &Upstream, place: &Place, request: RequestHeader) -> Result<u16> {
        let mut session = self.reach(upstream, place).await?;
        exchange(&mut session, request, Load::Whole(Bytes::new()), None).await?;
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

async fn exchange(
    session: &mut HttpSession,
    mut request: RequestHeader,
    mut load: Load,
    client: Option<&mut Session>,
) -> Result<()> {
    let version = match session {
        HttpSession::H2(_) => Version::HTTP_2,
        HttpSession::H1(_) | HttpSession::Custom(_) => Version::HTTP_11,
    };
    if load.bytes().is_none() && version == Version::HTTP_11 {
        request.insert_header(header::TRANSFER_ENCODING, "chunked")?;
    }
    request.set_version(version);
    session.write_request_header(Box::new(request)).await?;
    if let Written::Refused(error) = write(session, &mut load, client).await? {
        // It may have answered all the same: too large, or not allowed.
        session.read_response_header().await.map_err(|_| error)?;
    } else {
        session.finish_request_body().await?;
        session.read_response_header().await?;
    }
    while session.response_header().is_some_and(|head| head.status.is_informational()) {
        session.read_response_header().await?;
    }
    Ok(())
}

/// How far the body came.
enum Written {
    /// To its end.
    Whole,
    /// The app takes no more of it.
    Refused(Box<Error>),
}

/// Writes the body as it is given out. Where that breaks off, so does the connection: the app is never sent an end that
/// was not one.
async fn write(session: &mut HttpSession, load: &mut Load, mut client: Option<&mut Session>) -> Result<Written> {
    while let Some(piece) = load.next(client.as_deref_mut()).await? {
        if let Err(error) = session.write_request_body(piece, false).await {
            return Ok(Written::Refused(error));
        }
    }
    Ok(Written::Whole)
}

/// The body of a request that is sent.
pub(crate) enum Load {
    /// In memory.
    Whole(Bytes),
    /// In a file of its own.
    Spooled(Reader),
    /// It still comes from the client, who may have told its length.
    Coming(Option<u64>),
}

impl Load {
    /// How long it is, if that is known.
    fn bytes(&self) -> Option<u64> {
        match self {
            Load::Whole(body) => Some(body.len() as u64),
            Load::Spooled(reader) => Some(reader.bytes()),
            Load::Coming(announced) => *announced,
        }
    }

    async fn next(&mut self, client: Option<&mut Session>) -> Result<Option<Bytes>> {
        match (self, client) {
            (Load::Whole(body), _) => Ok(Some(std::mem::take(body)).filter(|body| !body.is_empty())),
            (Load::Spooled(reader), _) => {
                reader.next().await.map_err(|error| Error::because(ErrorType::InternalError, "spooled body", error))
            }
            (Load::Coming(_), Some(client)) => client.read_request_body().await.map_err(|error| error.into_down()),
            (Load::Coming(_), None) => Error::e_explain(ErrorType::InternalError, "nobody sends the body"),
        }
    }
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
            HttpSession::H2(session) => {
                let mut trailers = session.read_trailers().await?;
                trailers.iter_mut().for_each(headers::clean_trailers);
                Ok(trailers)
            }
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
pub(crate) fn live(request: &RequestHeader, load: &Load) -> Result<RequestHeader> {
    let mut sent = RequestHeader::build(request.method.clone(), request.raw_path(), Some(request.headers.len() + 8))?;
    for (name, value) in &request.headers {
        if !headers::hop_by_hop(name) && name != header::CONTENT_LENGTH {
            sent.append_header(name, value)?;
        }
    }
    finish(sent, request, load.bytes())
}

/// The body of a parked request that the store keeps.
pub(crate) fn parked_body(parked: &Parked) -> Result<Bytes> {
    let body = BASE64.decode(parked.body.as_bytes()).map(Bytes::from);
    body.map_err(|error| Error::because(ErrorType::InternalError, "parked body", error))
}

/// A parked request, with `Cookie` and `Authorization` of the live one.
pub(crate) fn parked(parked: &Parked, request: &RequestHeader, load: &Load) -> Result<RequestHeader> {
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
    finish(sent, request, load.bytes())
}

fn finish(mut sent: RequestHeader, request: &RequestHeader, bytes: Option<u64>) -> Result<RequestHeader> {
    sent.insert_header(header::HOST, headers::host(request)?)?;
    let announced = request.headers.contains_key(header::CONTENT_LENGTH);
    if let Some(bytes) = bytes
        && (bytes > 0 || announced || matches!(sent.method.as_str(), "POST" | "PUT" | "PATCH"))
    {
        sent.insert_header(header::CONTENT_LENGTH, bytes)?;
    }
    Ok(sent)
}

#[cfg(test)]
mod tests;
