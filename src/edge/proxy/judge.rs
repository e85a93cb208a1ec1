//! Reads as much of a body as an event needs, and asks the journey for a ruling.
//!
//! A body that cannot be read as its event asks is refused before anything is decided. What is no event is not read,
//! unless the app may ask about it.

use std::sync::Arc;

use bytes::Bytes;
use pingora::{Error, ErrorType, Result, proxy::Session};
use stepward_core::request::{Body, head};

use crate::{
    bodies,
    challenges::{parking, verification},
    edge::{
        body::{self, Read},
        passage::Passage,
        proxy::Proxy,
        refuse::Refusal,
        route::Way,
        upload::Tap,
    },
    journey::{
        asked,
        seam::{Ruling, Seen, Sighting},
    },
};

/// Bodies of requests for our own pages are read up to this.
const OWN_BODY_BYTES_MAX: usize = 64 * 1024;
/// Messages of vendors may tell all of what was checked.
const INBOUND_BYTES_MAX: usize = 256 * 1024;

impl Proxy {
    /// A request whose body may ask for another method than its own: judged as every event that an app could take it
    /// for. A body that no event reads need not be readable, only certain to name no method.
    pub(super) async fn undisguise(
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
    pub(super) async fn pass(&self, session: &mut Session) -> Result<bool> {
        body::invite(session).await?;
        Ok(false)
    }

    /// No event, and the app may ask about it: its body is kept, where it is known to be small enough.
    pub(super) async fn keep(&self, session: &mut Session, passage: &mut Passage) -> Result<bool> {
        if session.is_upgrade_req() || !body::fits(session, asked::PARK_BYTES_MAX) {
            return self.pass(session).await;
        }
        match self.read(session, asked::PARK_BYTES_MAX).await? {
            Ok(bytes) => self.carry_out(session, passage, Ruling::Forward(Box::default()), Some(bytes)).await,
            Err(refusal) => self.refuse(session, refusal).await,
        }
    }

    pub(super) async fn judge(
        &self,
        session: &mut Session,
        passage: &mut Passage,
        way: Way,
        seen: Seen,
    ) -> Result<bool> {
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
    pub(super) async fn judge_unread(
        &self,
        session: &mut Session,
        passage: &mut Passage,
        way: Way,
        seen: Seen,
    ) -> Result<bool> {
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

    pub(super) async fn own(&self, session: &mut Session, passage: &mut Passage, way: Way) -> Result<bool> {
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

    pub(super) async fn resume(
        &self,
        session: &mut Session,
        passage: &mut Passage,
        way: Way,
        id: &str,
    ) -> Result<bool> {
        let arrival = self.arrival(session, passage, way, None)?;
        let ruling = self.journeys.resume(&Arc::new(arrival), id).await;
        self.carry_out(session, passage, ruling, None).await
    }

    /// `Err` inside is a refusal; outside, the client is gone.
    pub(super) async fn read(&self, session: &mut Session, bytes_max: usize) -> Result<Result<Bytes, Refusal>> {
        Ok(match body::read(session, bytes_max, self.body_deadline).await? {
            Read::Whole(bytes) => Ok(bytes),
            Read::TooLarge => Err(Refusal::body_too_large()),
            Read::TooSlow => Err(Refusal::body_too_slow()),
        })
    }
}
