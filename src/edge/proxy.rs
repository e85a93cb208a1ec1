//! One request, as Pingora's hooks see it: a table of contents.
//!
//! Guard, route, recognise, judge; then Pingora forwards it, or the relay does, or we answer. Nothing is forwarded
//! that the guard did not pass and the journey did not rule on; an error in a hook ends in a refusal.
//!
//! Pingora boxes the future of every hook, for every request. What only events need is boxed once more where it begins,
//! so that a request that is none does not carry its room about (measured: several KiB copied a request).

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode, Version, header};
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
    request::{
        Body, content,
        head::{self, Head},
    },
    session::required::Required,
};

use crate::{
    arrival::{Arrival, Client},
    bodies,
    challenges::{parking, verification},
    edge::{
        access_log, arrive,
        body::{self, Read},
        guard, headers,
        passage::Passage,
        refuse::Refusal,
        relay::{self, Load, Lost, Relay},
        respond,
        route::{Routes, Way},
        timing,
        upload::Tap,
        upstream::{Upstreams, Wants},
        visits::Visits,
    },
    journey::{
        Journeys, asked,
        seam::{Ruling, Seen, Sighting},
    },
    reply::Reply,
    settings::Unmatched,
};

/// Bodies of requests for our own pages are read up to this.
const OWN_BODY_BYTES_MAX: usize = 64 * 1024;
/// Messages of vendors may tell all of what was checked.
const INBOUND_BYTES_MAX: usize = 256 * 1024;

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

/// What a request wants, once it may enter.
enum Errand {
    /// One of our own pages.
    Own,
    /// To carry on with a parked request.
    Resume(String),
    /// Perhaps an event.
    Event(Seen),
    /// A body that may ask for another method and so be an event; it is read up to so many bytes.
    Disguise(usize),
    /// Nothing of ours.
    Pass,
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
    /// Guard, route, recognise: on the head as received, before anything in it is changed.
    fn admit(&self, session: &mut Session) -> Result<(Way, Errand), Refusal> {
        let received = session.as_http1().map(|session| session.get_headers_raw_bytes());
        let request = session.req_header();
        let head = guard::read(request, received.as_deref(), &self.head_limits)?;
        let way = self.routes.find(&head.host, head.path)?.clone();
        let errand = self.errand(request, &head)?;
        if let Some(target) = head.rewritten {
            let refused = |_| Refusal::malformed("the request target is not accepted");
            session.req_header_mut().set_raw_path(target.as_bytes()).map_err(refused)?;
        }
        Ok((way, errand))
    }

    fn errand(&self, request: &RequestHeader, head: &Head<'_>) -> Result<Errand, Refusal> {
        if head.path.starts_with("/.stepward/") {
            return Ok(Errand::Own);
        }
        if let Some(id) = resumed(request, head.query) {
            return Ok(Errand::Resume(id));
        }
        let sighting = match head.overrides.is_empty() {
            true => self.journeys.recognise(&[head.method], &head.host, head.path),
            false => {
                let methods: Vec<&str> = head.overrides.iter().map(String::as_str).chain([head.method]).collect();
                self.journeys.recognise(&methods, &head.host, head.path)
            }
        };
        let seen = match sighting {
            Sighting::Nothing(Unmatched::Forward) => None,
            Sighting::Nothing(Unmatched::Block) => return Err(Refusal::unmatched()),
            Sighting::Ambiguous => return Err(Refusal::ambiguous()),
            Sighting::Event(seen) => Some(seen),
        };
        let disguise = || self.journeys.disguise(&head.host, head.path, seen.as_ref());
        match if disguisable(request) { disguise() } else { None } {
            Some(bytes_max) => Ok(Errand::Disguise(bytes_max)),
            None => Ok(seen.map_or(Errand::Pass, Errand::Event)),
        }
    }

    /// A request whose body may ask for another method than its own: judged as every event that an app could take it
    /// for. A body that no event reads need not be readable, only certain to name no method.
    async fn undisguise(
        &self,
        session: &mut Session,
        passage: &mut Passage,
        way: Way,
        bytes_max: usize,
    ) -> Result<bool> {
        let body = match self.read(session, bytes_max).await? {
            Ok(body) => body,
            Err(refusal) => return self.refuse(session, refusal).await,
        };
        let headers = &session.req_header().headers;
        let (fields, unreadable) = match bodies::parse(headers, &body).await {
            Ok(fields) => (fields, None),
            Err(reason) => match bodies::disguise(headers, &body) {
                Some(fields) => (fields, Some(reason)),
                None => return self.refuse_body(session, passage, way, reason).await,
            },
        };
        let mut arrival = self.arrival(session, passage, way.clone(), Some((body.clone(), fields)))?;
        let request = &arrival.request;
        let methods = head::methods(request);
        let methods: Vec<&str> = methods.iter().map(String::as_str).collect();
        let sighting = self.journeys.recognise(&methods, &request.host, &request.path);
        let ruling = match (sighting, unreadable) {
            (Sighting::Nothing(_), _) => Ruling::Forward(Box::default()),
            (Sighting::Ambiguous, _) => return self.refuse(session, Refusal::ambiguous()).await,
            (Sighting::Event(Seen { reads_body: Some(_), .. }), Some(reason)) => {
                return self.refuse_body(session, passage, way, reason).await;
            }
            (Sighting::Event(seen), _) => {
                if seen.reads_body.is_none() && matches!(arrival.request.body, Body::Batch(_)) {
                    // Decided once, as if it had not been read.
                    arrival.request.body = Body::Unread;
                }
                self.journeys.judge(&Arc::new(arrival), seen).await
            }
        };
        self.carry_out(session, passage, ruling, Some(body)).await
    }

    /// No event: streamed both ways by Pingora.
    async fn pass(&self, session: &mut Session) -> Result<bool> {
        body::invite(session).await?;
        Ok(false)
    }

    /// No event, and the app may ask about it: its body is kept, where it is known to be small enough.
    async fn keep(&self, session: &mut Session, passage: &mut Passage) -> Result<bool> {
        if session.is_upgrade_req() || !body::fits(session, asked::PARK_BYTES_MAX) {
            return self.pass(session).await;
        }
        match self.read(session, asked::PARK_BYTES_MAX).await? {
            Ok(bytes) => self.carry_out(session, passage, Ruling::Forward(Box::default()), Some(bytes)).await,
            Err(refusal) => self.refuse(session, refusal).await,
        }
    }

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

    /// The app asks for a proof in place of an answer.
    async fn asked(&self, session: &mut Session, passage: &mut Passage, asks: &str) -> Result<bool> {
        let way = passage.way.clone().ok_or_else(|| Error::explain(ErrorType::InternalError, "no route"))?;
        passage.visiting = Some(self.visits.begin());
        let required = match Required::read(asks) {
            Ok(required) if way.route.app_may_ask => required,
            read => {
                if let Some(pending) = passage.take_pending() {
                    Box::pin(self.journeys.lost(*pending)).await;
                }
                let upstream = &*way.route.upstream;
                return match read {
                    Err(fault) if way.route.app_may_ask => {
                        tracing::warn!(upstream, fault, "what the app asks for by `Stepward-Require` cannot be read");
                        self.refuse(session, Refusal::app_malformed()).await
                    }
                    Ok(_) | Err(_) => {
                        tracing::warn!(upstream, "the app asks for a proof on a route without `app_may_ask: true`");
                        self.refuse(session, Refusal::app_may_not_ask()).await
                    }
                };
            }
        };
        let body = passage.kept.clone();
        let kept = body.clone().map(|bytes| (bytes, Body::Unread));
        let arrival = Arc::new(self.arrival(session, passage, way, kept)?);
        let cookies = passage.take_cookies();
        let asking = asked::Asking {
            arrival,
            required,
            was_told: passage.was_told(),
            asked_before: std::mem::replace(&mut passage.asked_before, true),
            pending: passage.take_pending(),
        };
        match Box::pin(self.journeys.asked(asking)).await {
            Ruling::Answer(mut reply) => {
                reply.headers.extend(cookies.into_iter().map(|cookie| (header::SET_COOKIE, cookie)));
                self.answer(session, reply).await
            }
            Ruling::Forward(forwarding) => {
                passage.forwarding = Some(forwarding);
                Box::pin(self.relay(session, passage, Some(body.unwrap_or_default()))).await
            }
        }
    }

    async fn judge(&self, session: &mut Session, passage: &mut Passage, way: Way, seen: Seen) -> Result<bool> {
        let wanted = match seen.reads_body {
            Some(bytes_max) => Some(bytes_max),
            None => {
                let kept_in_memory = seen.keeps_body.min(parking::IN_STORE_BYTES_MAX);
                if !body::fits(session, kept_in_memory) {
                    return Box::pin(self.judge_unread(session, passage, way, seen)).await;
                }
                Some(kept_in_memory)
            }
        };
        let read = match wanted {
            None => None,
            Some(bytes_max) => match Box::pin(self.read(session, bytes_max)).await? {
                Ok(bytes) => Some(bytes),
                Err(refusal) => return Box::pin(self.refuse(session, refusal)).await,
            },
        };
        let fields = match (&read, seen.reads_body) {
            (Some(bytes), Some(_)) => Box::pin(bodies::parse(&session.req_header().headers, bytes)).await,
            (_, None) | (None, _) => Ok(Body::Unread),
        };
        let fields = match fields {
            Ok(fields) => fields,
            Err(reason) => return Box::pin(self.refuse_body(session, passage, way, reason)).await,
        };
        let arrival = self.arrival(session, passage, way, read.clone().map(|bytes| (bytes, fields)))?;
        let ruling = self.journeys.judge(&Arc::new(arrival), seen).await;
        self.carry_out(session, passage, ruling, read).await
    }

    /// An event that reads no body, before a large one: it is decided by the head, and the body is read only to be kept.
    async fn judge_unread(&self, session: &mut Session, passage: &mut Passage, way: Way, seen: Seen) -> Result<bool> {
        let mut arrival = self.arrival(session, passage, way, None)?;
        let may_be_kept = body::announced(session).is_none_or(|bytes| bytes <= seen.keeps_body);
        if !may_be_kept {
            let ruling = self.journeys.judge(&Arc::new(arrival), seen).await;
            return self.carry_out(session, passage, ruling, None).await;
        }
        let (upload, mut tap) = Tap::new(session, self.body_deadline);
        arrival.upload = Some(upload);
        let arrival = Arc::new(arrival);
        let ruling = tap.serve(session, self.journeys.judge(&arrival, seen)).await?;
        if let (Ruling::Forward(_), true) = (&ruling, tap.is_touched()) {
            return Error::e_explain(ErrorType::InternalError, "a body that was read to be kept is forwarded");
        }
        // Nobody serves it any more: whoever asks for a piece hears so at once.
        drop(tap);
        self.carry_out(session, passage, ruling, None).await
    }

    async fn own(&self, session: &mut Session, passage: &mut Passage, way: Way) -> Result<bool> {
        let is_inbound = session.req_header().uri.path().starts_with(verification::inbound::PREFIX);
        let bytes_max = if is_inbound { INBOUND_BYTES_MAX } else { OWN_BODY_BYTES_MAX };
        let body = match self.read(session, bytes_max).await? {
            Ok(body) => body,
            Err(refusal) => return self.refuse(session, refusal).await,
        };
        let arrival = self.arrival(session, passage, way, Some((body.clone(), Body::Unread)))?;
        let ruling = self.journeys.own(&Arc::new(arrival)).await;
        self.carry_out(session, passage, ruling, Some(body)).await
    }

    async fn resume(&self, session: &mut Session, passage: &mut Passage, way: Way, id: &str) -> Result<bool> {
        let arrival = self.arrival(session, passage, way, None)?;
        let ruling = self.journeys.resume(&Arc::new(arrival), id).await;
        self.carry_out(session, passage, ruling, None).await
    }

    /// Answers, lets Pingora forward, or sends it ourselves.
    async fn carry_out(
        &self,
        session: &mut Session,
        passage: &mut Passage,
        ruling: Ruling,
        body: Option<Bytes>,
    ) -> Result<bool> {
        let forwarding = match ruling {
            Ruling::Answer(reply) => return Box::pin(self.answer(session, reply)).await,
            Ruling::Forward(forwarding) => forwarding,
        };
        if let Some(name) = &forwarding.upstream {
            let missing = || Error::explain(ErrorType::InternalError, "no upstream of that name");
            passage.upstream = Some(self.upstreams.get(name).ok_or_else(missing)?.clone());
        }
        // What no event decided, and the app may ask about.
        let may_ask = passage.way.as_ref().is_some_and(|way| way.route.app_may_ask);
        if may_ask && forwarding.pending.is_none() && forwarding.replay.is_none() {
            passage.kept = body.clone().filter(|body| body.len() <= asked::PARK_BYTES_MAX);
        }
        let relayed = forwarding.replay.is_some()
            || forwarding.hold.is_some()
            || session.retry_buffer_truncated()
            || (forwarding.recheck.is_some() && is_event_stream(session));
        passage.forwarding = Some(forwarding);
        match relayed {
            true => Box::pin(self.relay(session, passage, body)).await,
            false => self.pass(session).await,
        }
    }

    /// Sends the live or the parked request by our own client.
    async fn relay(&self, session: &mut Session, passage: &mut Passage, body: Option<Bytes>) -> Result<bool> {
        let forwarding = passage.forwarding.as_mut();
        let (replay, spooled) = forwarding.map_or((None, None), |it| (it.replay.take(), it.spooled.take()));
        passage.asked_before |= replay.as_ref().is_some_and(|parked| parked.asked.is_some());
        let is_read = body.is_some() || session.is_body_empty();
        let load = match (&replay, spooled, body) {
            (Some(_), Some(spooled), _) => Load::Spooled(spooled),
            (Some(parked), None, _) => Load::Whole(relay::parked_body(parked)?),
            (None, _, Some(body)) => Load::Whole(body),
            (None, _, None) if is_read => Load::Whole(Bytes::new()),
            // Not read by anybody: it goes on as it comes.
            (None, _, None) => Load::Coming(body::announced(session).map(|bytes| bytes as u64)),
        };
        let mut request = match &replay {
            Some(parked) => relay::parked(parked, session.req_header(), &load)?,
            None => relay::live(session.req_header(), &load)?,
        };
        if let Load::Coming(_) = load {
            body::invite(session).await?;
        }
        headers::tell_app(&mut request, passage.connection()?, headers::host(session.req_header())?)?;
        passage.ask_plainly(&mut request)?;
        passage.set_headers(&mut request)?;
        let upstream = passage.upstream()?.clone();
        let mut answer = match self.relay.send(&upstream, request, load, Some(session)).await {
            Ok(answer) => answer,
            Err(lost) => return self.lost(session, passage, lost).await,
        };
        if let Some(asks) = answer.asks.take() {
            return Box::pin(self.asked(session, passage, &asks)).await;
        }
        let hold = passage.forwarding.as_ref().and_then(|forwarding| forwarding.hold);
        if let Some(bytes_max) = hold {
            return self.withhold(session, passage, answer, bytes_max).await;
        }
        self.conclude(session, &mut answer.head, passage).await?;
        passage.watch(session, &answer.head);
        passage.meet_page(session, &mut answer.head)?;
        respond::pass_on(session, passage, answer).await.map(|()| true)
    }

    /// The app's whole answer goes to the journey, which says what the client gets.
    async fn withhold(
        &self,
        session: &mut Session,
        passage: &mut Passage,
        answer: relay::Answer,
        bytes_max: usize,
    ) -> Result<bool> {
        let cookies = passage.take_cookies();
        let withheld = match answer.withhold(bytes_max).await {
            Ok(Some(withheld)) => withheld,
            Ok(None) => {
                tracing::warn!(bytes_max, "the app's answer is larger than may be held");
                let error = Error::explain(ErrorType::ReadError, "answer larger than may be held");
                return self.lost(session, passage, Lost::Unknown(error)).await;
            }
            Err(error) => return self.lost(session, passage, Lost::Unknown(error)).await,
        };
        let Some(pending) = passage.take_pending() else {
            return Error::e_explain(ErrorType::InternalError, "held without an event that waits for it");
        };
        let mut reply = self.journeys.answered(*pending, withheld).await;
        reply.headers.extend(cookies.into_iter().map(|cookie| (header::SET_COOKIE, cookie)));
        self.answer(session, reply).await
    }

    /// The app's answer is known: the event that waited for it learns of it.
    async fn conclude(&self, session: &Session, response: &mut ResponseHeader, passage: &mut Passage) -> Result<()> {
        let mut cookies = passage.take_cookies();
        match passage.take_pending() {
            Some(pending) => {
                let concluded = self.journeys.concluded(*pending, response.status, &response.headers);
                cookies.extend(Box::pin(concluded).await);
            }
            None if self.journeys.ends_session(&response.headers) => {
                let way = passage.way.clone().ok_or_else(|| Error::explain(ErrorType::InternalError, "no route"))?;
                let arrival = Arc::new(self.arrival(session, passage, way, None)?);
                cookies.extend(Box::pin(self.journeys.signed_out(&arrival, &response.headers)).await);
            }
            None => {}
        }
        passage.visiting = None;
        // A cache that gave to others what was decided for one client would decide in our place, by a path that ends in
        // `.css` for instance. What the app itself says of caches stays.
        let is_decided = passage.forwarding.as_ref().is_some_and(|forwarding| forwarding.recheck.is_some());
        let is_kept = matches!(session.req_header().method, Method::GET | Method::HEAD);
        if is_decided && is_kept && !response.headers.contains_key(header::CACHE_CONTROL) {
            response.insert_header(header::CACHE_CONTROL, "private")?;
        }
        for cookie in cookies {
            response.append_header(header::SET_COOKIE, cookie)?;
        }
        Ok(())
    }

    async fn lost(&self, session: &mut Session, passage: &mut Passage, lost: Lost) -> Result<bool> {
        if let Some(pending) = passage.take_pending() {
            self.journeys.lost(*pending).await;
        }
        let (error, unknown) = match lost {
            Lost::Unsent(error) => (error.into_up(), false),
            Lost::Unknown(error) => (error.into_up(), true),
        };
        access_log::failure(&error, passage);
        let refusal = what_failed(&error).unwrap_or_else(Refusal::app_unreachable);
        self.refuse(session, if unknown { refusal.outcome_unknown() } else { refusal }).await
    }

    /// `Err` inside is a refusal; outside, the client is gone.
    async fn read(&self, session: &mut Session, bytes_max: usize) -> Result<Result<Bytes, Refusal>> {
        Ok(match body::read(session, bytes_max, self.body_deadline).await? {
            Read::Whole(bytes) => Ok(bytes),
            Read::TooLarge => Err(Refusal::body_too_large()),
            Read::TooSlow => Err(Refusal::body_too_slow()),
        })
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

/// Whether the answer may be a stream of events on a connection that others share (WHATWG HTML §9.2): the relay can end
/// it alone while nothing flows, which Pingora cannot.
fn is_event_stream(session: &mut Session) -> bool {
    let accepts = |value: &http::HeaderValue| value.as_bytes().starts_with(b"text/event-stream");
    session.is_http2()
        && session.req_header().headers.get(header::ACCEPT).is_some_and(accepts)
        && session.as_downstream_mut().is_body_empty()
}

/// Whether a request could have a body whose `_method` an app obeys.
fn disguisable(request: &RequestHeader) -> bool {
    let has_body = || {
        let length = request.headers.get(header::CONTENT_LENGTH);
        length.map_or(request.version == Version::HTTP_2, |it| it.as_bytes() != b"0")
            || request.headers.contains_key(header::TRANSFER_ENCODING)
    };
    let content_type = request.headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    request.method == Method::POST && has_body() && content::may_name_method(content_type)
}

/// The id of a parked request, by header or added to the query.
fn resumed(request: &RequestHeader, query: Option<&str>) -> Option<String> {
    static STEPWARD_RESUME: HeaderName = HeaderName::from_static("stepward-resume");
    let by_header = request.headers.get(&STEPWARD_RESUME).and_then(|value| value.to_str().ok());
    let by_query = || query?.split('&').find_map(|pair| pair.strip_prefix("stepward_resume="));
    by_header.or_else(by_query).map(str::to_owned)
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
