//! What callers send, read before a call sees it. What cannot be read is refused by a problem document, as everything is.
//!
//! A refusal names the place and never repeats a value: it could be a name or a secret, and refusals end up in scripts'
//! output.

use axum::{
    extract::{self, FromRequest, FromRequestParts, Request},
    http::{StatusCode, request::Parts},
};
use serde::de::DeserializeOwned;

use crate::api::problem::Problem;

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

/// The parameters behind `?`.
pub(super) struct Query<T>(pub(super) T);

/// What stands in the path.
pub(super) struct Path<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match axum::Json::from_request(request, state).await {
            Ok(axum::Json(read)) => Ok(Body(read)),
            Err(rejected) => Err(unreadable(rejected.status(), "body.unreadable", &rejected.body_text())),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match extract::Query::from_request_parts(parts, state).await {
            Ok(extract::Query(read)) => Ok(Query(read)),
            Err(rejected) => Err(unreadable(rejected.status(), "query.unreadable", &rejected.body_text())),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match extract::Path::from_request_parts(parts, state).await {
            Ok(extract::Path(read)) => Ok(Path(read)),
            Err(rejected) => Err(unreadable(rejected.status(), "path.unreadable", &rejected.body_text())),
        }
    }
}

fn unreadable(status: StatusCode, code: &'static str, why: &str) -> Problem {
    // axum's own first words tell what it does inside.
    let why = why.strip_prefix("Failed to ").and_then(|it| it.split_once(": ")).map_or(why, |(_, why)| why);
    Problem::new(status, code, format!("cannot be read: {}", without_values(why)))
}

/// What a parser says, without the values that it quotes.
fn without_values(why: &str) -> String {
    let (mut told, mut is_value, mut is_escaped) = (String::with_capacity(why.len()), false, false);
    for it in why.chars() {
        match (it, is_value) {
            ('"', true) if is_escaped => is_escaped = false,
            ('"', _) => {
                is_value = !is_value;
                if is_value {
                    told.push('…');
                }
            }
            (_, true) => is_escaped = it == '\\' && !is_escaped,
            (_, false) => told.push(it),
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_field_and_leaves_the_value_out() {
        let why = r#"Failed to read: totp: invalid type: string "JBSW\"Y3D", expected struct Totp at line 1 column 40"#;
        let told = without_values(why);
        assert!(told.contains("totp") && told.contains("line 1 column 40"), "{told}");
        assert!(!told.contains("JBSW") && !told.contains("Y3D"), "{told}");
        assert_eq!(without_values("unknown field `subjct`"), "unknown field `subjct`");
        assert_eq!(without_values("odd \"value"), "odd …");
        assert_eq!(without_values(r#"a "x\\" b "y" c"#), "a … b … c");
    }
}
