//! What the edge says when it refuses or when the app does not answer: a page for people, a problem for programs.
//!
//! Never more than the reason's code and one sentence: nothing of the request is repeated, nothing internal is told.

use http::{StatusCode, header};
use stepward_core::{decision::Reason, request::head};

use crate::{arrival::Client, reply::Reply};

/// A request that ends at the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The status.
    pub(crate) status: StatusCode,
    /// The code, from the closed list; the app's silence has one of its own.
    pub(crate) code: &'static str,
    /// Why the request is refused; the app's silence is no refusal.
    pub(crate) reason: Option<Reason>,
    /// One sentence for people.
    pub(crate) detail: &'static str,
}

impl Refusal {
    /// A request that has no safe reading.
    pub(crate) fn malformed(detail: &'static str) -> Self {
        Refusal::because(StatusCode::BAD_REQUEST, Reason::RequestMalformed, detail)
    }

    /// A host that no route names.
    pub(crate) fn unknown_host() -> Self {
        let detail = "this host is not served here";
        Refusal::because(StatusCode::MISDIRECTED_REQUEST, Reason::HostUnknown, detail)
    }

    /// A path that reads as two different events.
    pub(crate) fn ambiguous() -> Self {
        let detail = "the path can be read in more than one way";
        Refusal::because(StatusCode::BAD_REQUEST, Reason::PathAmbiguous, detail)
    }

    /// A request that is no event where only events are let through.
    pub(crate) fn unmatched() -> Self {
        Refusal::because(StatusCode::FORBIDDEN, Reason::Otherwise, "this request is not allowed")
    }

    /// A body over the limit.
    pub(crate) fn body_too_large() -> Self {
        let detail = "the body is larger than this server accepts here";
        Refusal::because(StatusCode::PAYLOAD_TOO_LARGE, Reason::BodyTooLarge, detail)
    }

    /// A body that did not come in time.
    pub(crate) fn body_too_slow() -> Self {
        let detail = "the body did not arrive in time";
        Refusal::because(StatusCode::REQUEST_TIMEOUT, Reason::RequestMalformed, detail)
    }

    /// Something of ours broke.
    pub(crate) fn internal() -> Self {
        Refusal::because(StatusCode::INTERNAL_SERVER_ERROR, Reason::Internal, "something went wrong here")
    }

    /// The app asked for a proof where the operator has not said that it may.
    pub(crate) fn app_may_not_ask() -> Self {
        let detail = "the application behind this address wants a proof that cannot be asked for here";
        Refusal::because(StatusCode::UNAUTHORIZED, Reason::AppAsked, detail)
    }

    /// What the app asked for cannot be read.
    pub(crate) fn app_malformed() -> Self {
        let detail = "the application behind this address asked for something that is not understood";
        Refusal::because(StatusCode::BAD_GATEWAY, Reason::AppMalformed, detail)
    }

    /// The app could not be reached, or broke off.
    pub(crate) fn app_unreachable() -> Self {
        let detail = "the application behind this address did not answer";
        Refusal { status: StatusCode::BAD_GATEWAY, code: "app.unreachable", reason: None, detail }
    }

    /// The app took too long.
    pub(crate) fn app_silent() -> Self {
        let detail = "the application behind this address did not answer in time";
        Refusal { status: StatusCode::GATEWAY_TIMEOUT, code: "app.silent", reason: None, detail }
    }

    /// A request that may have been carried out although no answer came: it is never sent again by itself.
    pub(crate) fn outcome_unknown(self) -> Self {
        let detail = "the application did not answer, so it is unknown whether your request was carried out; \
                      check before you try again";
        Refusal { code: "outcome.unknown", detail, ..self }
    }

    fn because(status: StatusCode, reason: Reason, detail: &'static str) -> Self {
        Refusal { status, code: reason.code(), reason: Some(reason), detail }
    }

    /// The refusal as this kind of client is told.
    /// `decision_id` is where it stands in the decision log.
    pub(crate) fn reply(self, client: Client, decision_id: Option<&str>) -> Reply {
        let mut reply = match client {
            Client::Page => Reply::new(self.status, "text/html; charset=utf-8", self.page()),
            Client::Fetch | Client::Api => {
                Reply::new(self.status, "application/problem+json", self.problem(decision_id))
            }
        };
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110 §15.5.2.
            reply.set(header::WWW_AUTHENTICATE, "Stepward");
        }
        reply
    }

    /// RFC 9457.
    fn problem(self, decision_id: Option<&str>) -> String {
        let mut problem = serde_json::json!({
            "type": "about:blank",
            "title": self.title(),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "reason": self.code,
        });
        if let (Some(id), Some(problem)) = (decision_id, problem.as_object_mut()) {
            problem.insert("decision_id".into(), id.into());
        }
        problem.to_string()
    }

    fn page(self) -> String {
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
             <main>\n<h1>{title}</h1>\n<p>{detail}</p>\n<p><code>{code}</code></p>\n</main>\n</html>\n",
            title = self.title(),
            detail = sentence(self.detail),
            code = self.code,
        )
    }

    fn title(self) -> &'static str {
        self.status.canonical_reason().unwrap_or("Refused")
    }
}

impl From<head::Refusal> for Refusal {
    fn from(refusal: head::Refusal) -> Self {
        Refusal::because(StatusCode::BAD_REQUEST, refusal.reason, refusal.detail)
    }
}

fn sentence(detail: &str) -> String {
    let mut letters = detail.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}
