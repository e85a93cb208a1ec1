//! Carries a ruling out: answers, lets Pingora forward, or sends the request itself, and tells the journey what came of it.
//!
//! Whatever ends without an answer of the app ends its pending event as lost; nothing is sent twice.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, header};
use pingora::{Error, ErrorType, Result, http::ResponseHeader, proxy::Session};
use stepward_core::{request::Body, session::required::Required};

use crate::{
    edge::{
        access_log, body, headers,
        passage::Passage,
        proxy::{Proxy, what_failed},
        refuse::Refusal,
        relay::{self, Load, Lost},
        respond,
    },
    journey::{asked, seam::Ruling},
};

impl Proxy {
    /// Answers, lets Pingora forward, or sends it ourselves.
    pub(super) async fn carry_out(
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
    pub(super) async fn relay(
        &self,
        session: &mut Session,
        passage: &mut Passage,
        body: Option<Bytes>,
    ) -> Result<bool> {
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

    /// The app asks for a proof in place of an answer.
    pub(super) async fn asked(&self, session: &mut Session, passage: &mut Passage, asks: &str) -> Result<bool> {
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

    /// The app's whole answer goes to the journey, which says what the client gets.
    pub(super) async fn withhold(
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
    pub(super) async fn conclude(
        &self,
        session: &Session,
        response: &mut ResponseHeader,
        passage: &mut Passage,
    ) -> Result<()> {
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

    pub(super) async fn lost(&self, session: &mut Session, passage: &mut Passage, lost: Lost) -> Result<bool> {
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
}

/// Whether the answer may be a stream of events on a connection that others share (WHATWG HTML §9.2): the relay can end
/// it alone while nothing flows, which Pingora cannot.
fn is_event_stream(session: &mut Session) -> bool {
    let accepts = |value: &http::HeaderValue| value.as_bytes().starts_with(b"text/event-stream");
    session.is_http2()
        && session.req_header().headers.get(header::ACCEPT).is_some_and(accepts)
        && session.as_downstream_mut().is_body_empty()
}
