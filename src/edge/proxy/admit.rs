//! Guard, route, recognise: what a request wants, from its head as received.
//!
//! Nothing is read of a body here, and nothing is decided. What the guard does not pass is refused.

use http::{HeaderName, Method, Version, header};
use pingora::{http::RequestHeader, proxy::Session};
use stepward_core::request::{content, head::Head};

use crate::{
    edge::{guard, proxy::Proxy, refuse::Refusal, route::Way},
    journey::seam::{Seen, Sighting},
    settings::Unmatched,
};

/// What a request wants, once it may enter.
pub(super) enum Errand {
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

impl Proxy {
    /// Guard, route, recognise: on the head as received, before anything in it is changed.
    pub(super) fn admit(&self, session: &mut Session) -> Result<(Way, Errand), Refusal> {
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

    pub(super) fn errand(&self, request: &RequestHeader, head: &Head<'_>) -> Result<Errand, Refusal> {
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
