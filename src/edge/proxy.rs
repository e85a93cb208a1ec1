//! One request, as Pingora's hooks see it: a table of contents.
//!
//! Guard, route, recognise, judge; then Pingora forwards it, or the relay does, or we answer. Nothing is forwarded
//! that the guard did not pass and the journey did not rule on; an error in a hook ends in a refusal.
//!
//! Pingora boxes the future of every hook, for every request. What only events need is boxed once more where it begins,
//! so that a request that is none does not carry its room about (measured: several KiB copied a request).

mod admit;
mod carry;
mod judge;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use ipnet::IpNet;
use pingora::{
    Error, ErrorSource, ErrorType, Result,
    http::{RequestHeader, ResponseHeader},
    modules::http::HttpModules,
    proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session},
    upstreams::peer::HttpPeer,
};
use stepward_core::{
    decision::Reason,
    request::{Body, head},
};

use crate::{
    arrival::{Arrival, Client},
    edge::{
        access_log, arrive, guard, headers,
        passage::Passage,
        proxy::admit::Errand,
        refuse::Refusal,
        relay::Relay,
        respond,
        route::{Routes, Way},
        timing,
        upstream::{Upstreams, Wants},
        visits::Visits,
    },
    journey::Journeys,
    reply::Reply,
};

/// Everything requests share.
pub(crate) struct Proxy {
    /// Who recognises and judges.
    pub(crate) journeys: Journeys,
    /// Where requests go.
    pub(crate) routes: Routes,
    /// The apps.
    pub(crate) upstreams: Arc<Upstreams>,
    /// Requests on their way that may need state.
    pub(crate) visits: Visits,
    /// For what Pingora cannot carry.
    pub(crate) relay: Relay,
    /// How long a body may take.
    pub(crate) body_deadline: Duration,
    /// Limits on a request's head.
    pub(crate) head_limits: head::Limits,
    /// Who may say who the client is.
    pub(crate) trusted_proxies: Arc<[IpNet]>,
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = Passage;

    fn new_ctx(&self) -> Passage {
        Passage::default()
    }

    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, passage: &mut Passage) -> Result<bool> {
        passage.begin(session)?;
        timing::request(session);
        let (way, errand) = match self.admit(session) {
            Ok(admitted) => admitted,
            Err(refusal) => return Box::pin(self.refuse(session, refusal)).await,
        };
        headers::clean(session.req_header_mut(), passage.connection()?.trusted, &self.journeys.sets_headers())?;
        if way.route.inject_script {
            passage.inject(session.req_header())?;
        }
        passage.upstream = Some(way.upstream.clone());
        passage.way = Some(way.clone());
        if !matches!(errand, Errand::Pass) {
            passage.visiting = Some(self.visits.begin());
        }
        match errand {
            Errand::Pass if way.route.app_may_ask => Box::pin(self.keep(session, passage)).await,
            Errand::Pass => self.pass(session).await,
            Errand::Event(seen) => Box::pin(self.judge(session, passage, way, seen)).await,
            Errand::Disguise(bytes_max) => Box::pin(self.undisguise(session, passage, way, bytes_max)).await,
            Errand::Own => Box::pin(self.own(session, passage, way)).await,
            Errand::Resume(id) => Box::pin(self.resume(session, passage, way, &id)).await,
        }
    }

    async fn upstream_peer(&self, session: &mut Session, passage: &mut Passage) -> Result<Box<HttpPeer>> {
        let upstream = passage.upstream()?;
        let place = upstream.pick().ok_or_else(|| Error::new(ErrorType::ConnectNoRoute).into_up())?;
        let wants = if session.is_upgrade_req() { Wants::Tunnel } else { Wants::Answer };
        let mut peer = upstream.peer(&place, wants);
        if let Some(silence) = passage.silence_max(session) {
            peer.options.read_timeout = peer.options.read_timeout.min(Some(silence));
        }
        passage.tried += 1;
        passage.place = Some(place);
        Ok(Box::new(peer))
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        passage: &mut Passage,
        mut error: Box<Error>,
    ) -> Box<Error> {
        if let (Some(upstream), Some(place)) = (&passage.upstream, &passage.place) {
            upstream.dead(place);
            // Nothing was sent yet, so another address may be tried whatever the method.
            error.set_retry(passage.tried < upstream.places());
        }
        error
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        passage: &mut Passage,
    ) -> Result<()> {
        headers::tell_app(request, passage.connection()?, headers::host(session.req_header())?)?;
        passage.ask_plainly(request)?;
        passage.set_headers(request)
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        _body: &mut Option<Bytes>,
        _end: bool,
        passage: &mut Passage,
    ) -> Result<()> {
        passage.still_open()
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        passage: &mut Passage,
    ) -> Result<()> {
        if response.status.is_informational() && response.status != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(());
        }
        if response.status != StatusCode::SWITCHING_PROTOCOLS {
            passage.asks = headers::asked(response);
        }
        if passage.asks.is_some() {
            // Ends this answer; what is said instead is said where requests end that fail.
            return Error::e_explain(ErrorType::InternalError, "the app asks for a proof");
        }
        self.conclude(session, response, passage).await?;
        headers::clean_answer(response);
        passage.watch(session, response);
        passage.meet_page(session, response)
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        passage: &mut Passage,
    ) -> Result<Option<Duration>> {
        *body = passage.weave(body.take(), end);
        passage.still_open().map(|()| None)
    }

    async fn response_trailer_filter(
        &self,
        _: &mut Session,
        trailers: &mut HeaderMap,
        _: &mut Passage,
    ) -> Result<Option<Bytes>> {
        headers::clean_trailers(trailers);
        Ok(None)
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, passage: &mut Passage) -> FailToProxy {
        if let Some(asks) = passage.asks.take() {
            session.set_keepalive(None);
            return match Box::pin(self.asked(session, passage, &asks)).await {
                Ok(_) => FailToProxy { error_code: 0, can_reuse_downstream: false },
                Err(error) => self.told_of_failure(session, passage, &error).await,
            };
        }
        if let Some(pending) = passage.take_pending() {
            Box::pin(self.journeys.lost(*pending)).await;
        }
        self.told_of_failure(session, passage, error).await
    }

    async fn logging(&self, session: &mut Session, _error: Option<&Error>, passage: &mut Passage) {
        if let Some(pending) = passage.take_pending() {
            Box::pin(self.journeys.lost(*pending)).await;
        }
        access_log::request(session, passage);
        passage.end();
    }

    /// Pingora's own lines name the whole target, query values included.
    fn suppress_error_log(&self, _session: &Session, _passage: &Passage, _error: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _session: &Session,
        _passage: &Passage,
        _error: &Error,
        _context: ProxyWarnLogContext,
    ) -> bool {
        true
    }
}

impl Proxy {
    /// Tells a client that still hears it what failed.
    async fn told_of_failure(&self, session: &mut Session, passage: &mut Passage, error: &Error) -> FailToProxy {
        let refusal = what_failed(error).filter(|_| session.response_written().is_none());
        if let Some(refusal) = refusal {
            access_log::failure(error, passage);
            session.set_keepalive(None);
            if let Err(error) = Box::pin(self.refuse(session, refusal)).await {
                tracing::debug!(%error, "client gone before it was told");
            }
        }
        let error_code = refusal.map_or(0, |refusal| refusal.status.as_u16());
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    fn arrival(&self, session: &Session, passage: &Passage, way: Way, body: Option<(Bytes, Body)>) -> Result<Arrival> {
        let connection = passage.connection()?;
        let request = session.req_header();
        arrive::arrival(request, connection, &self.trusted_proxies, way.route, body)
            .map_err(|refusal| Error::explain(ErrorType::InvalidHTTPHeader, refusal.detail).into_down())
    }

    /// A body that an event cannot read: refused as the event's decision, with its id.
    async fn refuse_body(&self, session: &mut Session, passage: &Passage, way: Way, reason: Reason) -> Result<bool> {
        let status = match reason {
            Reason::BodyUnsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            _ => StatusCode::BAD_REQUEST,
        };
        let arrival = self.arrival(session, passage, way, None)?;
        self.answer(session, self.journeys.refusal(&arrival, reason, status)).await
    }

    async fn refuse(&self, session: &mut Session, refusal: Refusal) -> Result<bool> {
        let client = Client::of(&session.req_header().headers);
        let decision_id = refusal.reason.map(|reason| self.journeys.refused(reason, self.tenant(session.req_header())));
        self.answer(session, refusal.reply(client, decision_id.as_deref())).await
    }

    /// Whose request a refused one would have been.
    fn tenant(&self, request: &RequestHeader) -> Option<&Arc<str>> {
        let by_head = || {
            let head = guard::read(request, None, &self.head_limits).ok()?;
            self.routes.tenant(&head.host, head.path)
        };
        self.routes.only_tenant().or_else(by_head)
    }

    async fn answer(&self, session: &mut Session, reply: Reply) -> Result<bool> {
        respond::write(session, reply).await.map(|()| true)
    }
}

/// What to tell the client; `None` where it is gone.
fn what_failed(error: &Error) -> Option<Refusal> {
    use ErrorType::{ConnectTimedout, ReadTimedout, TLSHandshakeTimedout, WriteTimedout};
    let late = matches!(error.etype(), ConnectTimedout | ReadTimedout | WriteTimedout | TLSHandshakeTimedout);
    match (error.esource(), late) {
        (ErrorSource::Upstream, true) => Some(Refusal::app_silent()),
        (ErrorSource::Upstream, false) => Some(Refusal::app_unreachable()),
        (ErrorSource::Downstream, true) => Some(Refusal::body_too_slow()),
        (ErrorSource::Downstream, false) => match error.etype() {
            ErrorType::WriteError | ErrorType::ReadError | ErrorType::ConnectionClosed => None,
            _ => Some(Refusal::malformed("the request is not accepted")),
        },
        (ErrorSource::Internal | ErrorSource::Unset, _) => Some(Refusal::internal()),
    }
}
