//! `/api/v1/evaluate` and `/api/v1/explain`: what would be decided, for back ends and for people.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};

use crate::{
    api::{Desk, input::Body, problem::Problem, sessions},
    inquiry::{Conclusion, Question},
    journey::{inquire::Unanswered, stand::Loss},
};

/// What would be decided for this request. Counts, records and changes nothing.
#[utoipa::path(
    post,
    path = "/api/v1/evaluate",
    request_body = Question,
    responses((status = 200, description = "The decision", body = Object), (status = 422, description = "The question makes no sense"), (status = 503, description = "The store does not answer"))
)]
pub(super) async fn evaluate(State(desk): State<Desk>, Body(question): Body<Question>) -> Result<Json<Value>, Problem> {
    let told = match answer(&desk, &question).await? {
        Conclusion::NoEvent => json!({ "recognised": "no_event" }),
        Conclusion::Refused(reason) => json!({ "recognised": "refused", "outcome": "block", "reason": reason }),
        Conclusion::Event(it) => json!({
            "recognised": "event",
            "event": it.policy.event,
            "outcome": it.decision.outcome.verb(),
            "reason": it.decision.reason,
            "step": it.decision.step,
            "rule": it.decision.rule,
            "methods": methods(&it.decision.outcome),
            "shadows": it.shadows.iter().map(|(policy, decision)| {
                json!({ "event": policy.event, "outcome": decision.outcome.verb(), "reason": decision.reason })
            }).collect::<Vec<_>>(),
        }),
    };
    Ok(Json(told))
}

/// Why it would be decided so: every step, every rule, every sub-expression, and where each attribute came from.
#[utoipa::path(
    post,
    path = "/api/v1/explain",
    request_body = Question,
    responses((status = 200, description = "The explanation", body = Object), (status = 422, description = "The question makes no sense"), (status = 503, description = "The store does not answer"))
)]
pub(super) async fn explain(State(desk): State<Desk>, Body(question): Body<Question>) -> Result<Json<Value>, Problem> {
    let conclusion = answer(&desk, &question).await?;
    let told = serde_json::to_value(conclusion.told());
    told.map(Json)
        .map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the explanation cannot be told"))
}

/// By the journey itself, so that an answer here cannot differ from what a request would meet.
async fn answer(desk: &Desk, question: &Question) -> Result<Conclusion, Problem> {
    match desk.journeys.inquire(question).await {
        Ok(conclusion) => Ok(conclusion),
        Err(Unanswered::Senseless(senseless)) => {
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "question.senseless", senseless.to_string()))
        }
        Err(Unanswered::Lost(Loss(error))) => Err(sessions::lost(error)),
    }
}

fn methods(outcome: &stepward_core::decision::Outcome) -> Value {
    match outcome {
        stepward_core::decision::Outcome::Challenge(challenge) => json!(challenge.methods),
        _ => Value::Null,
    }
}
