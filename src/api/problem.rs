//! Refusals of the API as RFC 9457 problem documents.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

/// A refusal: its status, a stable code, and a sentence.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    more: serde_json::Value,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Problem { status, code, detail: detail.into(), more: serde_json::Value::Null }
    }

    /// With findings or the like.
    pub(super) fn with(self, more: serde_json::Value) -> Self {
        Problem { more, ..self }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body =
            json!({ "type": "about:blank", "status": self.status.as_u16(), "code": self.code, "detail": self.detail });
        if let (Some(body), false) = (body.as_object_mut(), self.more.is_null()) {
            body.insert("findings".into(), self.more);
        }
        let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
        (self.status, headers, body.to_string()).into_response()
    }
}

/// The answer to a method that a route does not have; `Allow` names those that it has.
pub(super) async fn wrong_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method.unknown", "see /api/v1/openapi.json")
}

/// The answer to a path that is no route.
pub(super) async fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "route.unknown", "see /api/v1/openapi.json")
}
