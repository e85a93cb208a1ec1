//! Which event a request is: candidates in order of specificity, the first whose predicates are not false.
//!
//! A predicate that is unknown counts as true: a request cannot dodge its event by leaving out what tells it apart.

use std::{borrow::Cow, sync::Arc};

use http::StatusCode;
use stepward_core::{
    decision::Reason,
    event::matcher::Candidate,
    expr::{Condition, SlotSet, Truth},
    facts::Facts,
    policy::{Mode, Policy},
    request::{Body, Request},
};

use crate::{
    actions,
    journey::{Parts, stand, visit::Visit},
};

/// Largest batch that is decided element by element; a larger one is refused.
pub const BATCH_MAX: usize = 64;

/// An event that a request is.
pub struct Choice {
    /// Index of the policy in the release.
    pub index: usize,
    /// The policy.
    pub policy: Arc<Policy>,
    /// What the path's parameters are.
    pub parameters: Vec<(Arc<str>, Arc<str>)>,
    /// The request as one element of its batch, where it is one.
    element: Option<Request>,
}

impl Choice {
    /// The event of a whole request.
    pub fn of(index: usize, policy: Arc<Policy>, parameters: Vec<(Arc<str>, Arc<str>)>) -> Self {
        Choice { index, policy, parameters, element: None }
    }

    /// The request, or the element of its batch that this event is about.
    pub fn request<'a>(&'a self, whole: &'a Request) -> &'a Request {
        self.element.as_ref().unwrap_or(whole)
    }
}

/// What a request was found to be.
#[derive(Default)]
pub struct Chosen {
    /// The event that decides; several for a batch.
    pub enforced: Vec<Choice>,
    /// Events in shadow that cover it too.
    pub shadows: Vec<Choice>,
}

/// Finds out which event a request is. The session is loaded first only if a predicate reads it.
pub async fn choose(parts: &Parts, visit: &mut Visit) -> Result<Chosen, stand::Loss> {
    let policies = &visit.seen.release.policies;
    if visit.seen.candidates.iter().filter_map(|it| policies.get(it.policy)).any(|policy| reads_session(policy)) {
        stand::glance_at_session(parts, visit).await?;
    }
    let mut chosen = Chosen::default();
    let arrival = visit.arrival.clone();
    for request in elements(&arrival.request) {
        for candidate in &visit.seen.candidates {
            let Some(policy) = visit.seen.release.policies.get(candidate.policy) else { continue };
            if !applies(parts, visit, policy, candidate, &request) {
                continue;
            }
            let choice = Choice {
                index: candidate.policy,
                policy: policy.clone(),
                parameters: candidate.parameters.clone(),
                element: match &request {
                    Cow::Owned(element) => Some(element.clone()),
                    Cow::Borrowed(_) => None,
                },
            };
            match policy.mode {
                Mode::Enforce => {
                    chosen.enforced.push(choice);
                    break;
                }
                Mode::Shadow => chosen.shadows.push(choice),
                Mode::Off => {}
            }
        }
    }
    Ok(chosen)
}

/// Why a batch cannot be decided element by element: it is too long, or one of its events waits for the app's answer,
/// and one answer cannot tell which of several tries succeeded.
pub fn indivisible(request: &Request, chosen: &Chosen) -> Option<(Reason, StatusCode)> {
    let Body::Batch(elements) = &request.body else { return None };
    let waits = chosen.enforced.iter().any(|it| actions::waits_for_answer(&it.policy));
    match elements.len() {
        0 | 1 => None,
        2..=BATCH_MAX => waits.then_some((Reason::BodyUnsupported, StatusCode::UNSUPPORTED_MEDIA_TYPE)),
        _ => Some((Reason::BodyTooLarge, StatusCode::PAYLOAD_TOO_LARGE)),
    }
}

/// Whether `only_if` turns on what only the session knows.
fn reads_session(policy: &Policy) -> bool {
    let Some(only_if) = &policy.only_if else { return false };
    let names = only_if.uses.iter().filter_map(|slot| policy.slots.get(usize::from(slot.0)));
    let of_session = ["subject.", "session.", "proof.", "journey.", "device."];
    names.into_iter().any(|slot| of_session.iter().any(|group| slot.name.starts_with(group)))
}

/// A batch is decided element by element; anything else is its own only element.
fn elements(request: &Request) -> Vec<Cow<'_, Request>> {
    match &request.body {
        Body::Batch(elements) => elements
            .iter()
            .take(BATCH_MAX)
            .map(|element| Cow::Owned(Request { body: Body::Fields(element.clone()), ..request.clone() }))
            .collect(),
        Body::Unread | Body::Empty | Body::Fields(_) => vec![Cow::Borrowed(request)],
    }
}

fn applies(parts: &Parts, visit: &Visit, policy: &Policy, candidate: &Candidate, request: &Request) -> bool {
    let matches = policy.covers.get(candidate.cover).and_then(|cover| cover.matches.as_ref());
    if matches.is_none() && policy.only_if.is_none() {
        return true;
    }
    let mut facts = Facts::unasked(visit.now_ms, policy.slots.len());
    stand::read_request(policy, &candidate.parameters, request, &mut facts);
    stand::learn_free(parts, visit, policy, &mut facts);
    let holds = |condition: Option<&Condition>| match condition.map(|it| it.eval(&facts, &mut SlotSet::default())) {
        Some(Truth::False) => false,
        Some(Truth::True | Truth::Unknown | Truth::Pending) | None => true,
    };
    holds(matches) && holds(policy.only_if.as_ref())
}
