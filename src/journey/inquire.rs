//! What would be decided about a request that somebody describes: the line itself, over live counters, sessions, lists
//! and databases, with what is supposed counting more.
//!
//! It never raises a counter, writes a record or sends anything; vendors are asked only if the question says so. A lost
//! store is an answer that is not given, never one that is guessed.

use std::sync::Arc;

use stepward_core::{decision::Reason, explain};

use crate::{
    inquiry::{self, Concluded, Conclusion, Question, Senseless, Supposed},
    journey::{
        Journeys, choose,
        seam::{Seen, Sighting},
        stand::{self, Loss, Touching},
        visit::Visit,
    },
    subject,
};

/// Why there is no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// The question makes no sense.
    Senseless(Senseless),
    /// The state store is lost; the event itself would be refused, or go on as its policy says.
    Lost(Loss),
}

impl From<Senseless> for Unanswered {
    fn from(senseless: Senseless) -> Self {
        Unanswered::Senseless(senseless)
    }
}

impl From<Loss> for Unanswered {
    fn from(loss: Loss) -> Self {
        Unanswered::Lost(loss)
    }
}

/// See [`Journeys::inquire`].
pub(super) async fn inquire(journeys: &Journeys, question: &Question) -> Result<Conclusion, Unanswered> {
    let heard = match inquiry::hear(question)? {
        Ok(heard) => heard,
        Err(reason) => return Ok(Conclusion::Refused(reason)),
    };
    let methods: Vec<_> = heard.methods.iter().map(String::as_str).collect();
    let request = &heard.arrival.request;
    let seen = match journeys.see(&methods, &request.host, &request.path) {
        Sighting::Nothing(_) => return Ok(Conclusion::NoEvent),
        Sighting::Ambiguous => return Ok(Conclusion::Refused(Reason::PathAmbiguous)),
        Sighting::Event(seen) => seen,
    };
    if let (Some(reason), Some(_)) = (heard.body_refused, seen.reads_body) {
        return Ok(Conclusion::Refused(reason));
    }
    let visit = visit(journeys, question, Arc::new(heard.arrival), seen).await?;
    conclude(journeys, visit).await
}

async fn visit(
    journeys: &Journeys,
    question: &Question,
    arrival: Arc<crate::arrival::Arrival>,
    seen: Seen,
) -> Result<Visit, Senseless> {
    let mut visit = Visit::begin(&journeys.0, &arrival, seen).await;
    if let Some(name) = &question.subject {
        let kind = question.subject_kind;
        // Whoever may ask is believed as a trusted proxy is.
        let verified_by = subject::VerifiedBy::Proxy;
        visit.identified.subject = Some(subject::Claimed { name: name.clone(), kind, verified_by });
    }
    visit.supposed = Some(Supposed::of(question, visit.now_ms)?);
    Ok(visit)
}

async fn conclude(journeys: &Journeys, mut visit: Visit) -> Result<Conclusion, Unanswered> {
    let parts = &*journeys.0;
    let chosen = choose::choose(parts, &mut visit).await?;
    if let Some(supposed) = &visit.supposed {
        chosen.enforced.iter().try_for_each(|event| supposed.check(&event.policy))?;
    }
    let mut shadows = Vec::new();
    for event in &chosen.shadows {
        let ruled = stand::weigh(parts, &mut visit, event, Touching::Look).await?;
        shadows.push((event.policy.clone(), ruled.decision));
    }
    let mut rulings = Vec::with_capacity(chosen.enforced.len());
    for event in &chosen.enforced {
        rulings.push(stand::weigh(parts, &mut visit, event, Touching::Look).await?);
    }
    let (decision, decided) = stand::strictest(rulings);
    let Some(first) = decided.into_iter().next() else { return Ok(Conclusion::NoEvent) };
    let explanation = explain::explain(&first.policy, &first.facts);
    Ok(Conclusion::Event(Box::new(Concluded {
        policy: first.policy,
        facts: first.facts,
        decision,
        explanation,
        shadows,
    })))
}
