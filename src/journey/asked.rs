//! The app asks: an answer of its own with `Stepward-Require` is withheld, the proof is demanded, and the request is sent
//! once more, with the headers that tell of the proof.
//!
//! The app promises that it did nothing yet, by the operator's word (`app_may_ask: true`). It is asked at most twice about
//! one request: whoever asks again although it was told of a proof is refused, for ever sending and asking would end with
//! the user's patience only. A request that is no event is challenged and logged under the name [`EVENT`], which no policy
//! may have.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use http::StatusCode;
use stepward_core::{
    decision::{Challenge, Decision, Forward, Outcome, Reason},
    facts::Facts,
    policy::{Apply, Budget, Mode, OnStateLoss, Policy, RESERVED_EVENT},
    session::required::Required,
};
use tokio::time::Instant;

use crate::{
    actions::{Carried, identity},
    arrival::{Arrival, Parked},
    clock,
    journey::{
        Journeys, Parts, apply, conclude, record,
        seam::{Decided, Forwarding, Pending, Ruling, Seen},
        stand::{self, Loss},
        visit::Visit,
    },
    settings::Unmatched,
};

/// The event of requests that are none, where the app asks.
pub const EVENT: &str = RESERVED_EVENT;
/// Largest body of a request that is no event which is kept, in bytes: the default of `park_max`.
pub const PARK_BYTES_MAX: usize = 1 << 20;

/// For how long such a request is kept, in milliseconds: the default of `park_for`.
const PARK_MS: u64 = 600_000;
/// Wrong answers allowed, as where a policy does not say.
const ATTEMPTS: u32 = 5;

/// A request that the app answered by asking for a proof.
pub struct Asking {
    /// The request, with its body where that was kept.
    pub arrival: Arc<Arrival>,
    /// The event that waits for the answer, if it is one.
    pub pending: Option<Box<Pending>>,
    /// What is asked for.
    pub required: Required,
    /// Whether the app was told of the proofs that there are.
    pub was_told: bool,
    /// Whether it asked about this very request before.
    pub asked_before: bool,
}

/// See [`Journeys::asked`].
pub async fn asked(journeys: &Journeys, asking: Asking) -> Ruling {
    let arrival = asking.arrival.clone();
    match answer(journeys, asking).await {
        Ok(ruling) => ruling,
        Err(Loss(error)) => {
            tracing::warn!(%error, "a request that the app asked about is refused because the state store is lost");
            Ruling::Answer(journeys.0.actions.state_lost(&arrival))
        }
    }
}

async fn answer(journeys: &Journeys, asking: Asking) -> Result<Ruling, Loss> {
    let parts = &*journeys.0;
    let Asking { arrival, pending, required, was_told, asked_before } = asking;
    let (mut visit, decided) = match pending {
        Some(pending) => (pending.visit, pending.decided),
        None => (Box::new(Visit::begin(parts, &arrival, nothing(parts)).await), Vec::new()),
    };
    stand::read_session(parts, &mut visit).await?;
    // What was resumed has been taken; it is kept anew.
    (visit.resuming, visit.parked) = (None, None);
    let mut events = decided.into_iter();
    let first = events.next();
    let is_event = first.is_some();
    let mut decided = first.unwrap_or_else(|| own_event(&visit, EVENT_POLICY.clone()));
    decided.decision_id = clock::fresh_name();
    let is_met = is_met(parts, &visit, &decided, &required);
    let (reason, status) = match (is_met, was_told, asked_before) {
        (_, _, true) | (true, true, false) => (Reason::AppAskedAgain, StatusCode::FORBIDDEN),
        (true, false, false) if visit.arrival.body.is_none() => (Reason::BodyTooLarge, StatusCode::PAYLOAD_TOO_LARGE),
        (true, false, false) => return Ok(Ruling::Forward(Box::new(told(parts, &visit, &decided)))),
        (false, _, false) => return challenge(journeys, visit, decided, required).await,
    };
    let refusal = journeys.refusal(&visit.arrival, reason, status);
    if is_event {
        // The app did not do it: a failed try.
        let decided = std::iter::once(decided).chain(events).collect();
        conclude::lost(parts, Pending { visit, decided }).await;
    }
    Ok(Ruling::Answer(refusal))
}

/// A request that the app asked about comes again: it goes on if the proof is there, else the same is asked for anew.
///
/// # Errors
/// When the state store is lost.
pub async fn resumed(journeys: &Journeys, visit: Box<Visit>, parked: &Parked) -> Result<Ruling, Loss> {
    let parts = &*journeys.0;
    let Some(required) = &parked.asked else { return journeys.line(visit).await };
    let policy = visit.seen.release.policy(&parked.event).cloned().unwrap_or_else(|| EVENT_POLICY.clone());
    let decided = own_event(&visit, policy);
    if !is_met(parts, &visit, &decided, required) {
        return challenge(journeys, visit, decided, required.clone()).await;
    }
    if !visit.seen.candidates.is_empty() || parts.settings.unmatched == Unmatched::Block {
        return journeys.line(visit).await;
    }
    let forwarding = told(parts, &visit, &decided);
    apply::send(journeys, visit, Vec::new(), forwarding).await
}

/// Demands the proof, keeping the request; logged as any decision is.
async fn challenge(
    journeys: &Journeys,
    mut visit: Box<Visit>,
    mut decided: Decided,
    required: Required,
) -> Result<Ruling, Loss> {
    let started = Instant::now();
    let parts = &*journeys.0;
    let demanded = Challenge {
        methods: required.methods(),
        fresh_for_ms: required.fresh_for_ms(),
        binding: None,
        attempts: ATTEMPTS,
        on_fail: Box::new(Outcome::Block),
        enrol_allowed: false,
        approval: None,
    };
    let decision = Decision { outcome: Outcome::Challenge(demanded), ..Decision::refused(Reason::AppAsked) };
    let decision = stand::within_reach(parts, &visit, &mut decided, decision).await;
    record::decision(parts, &visit, &decided, &decision, started.elapsed());
    visit.asked = Some(required);
    let mut decided = [decided];
    let carried = apply::carry(parts, &mut visit, &decision, &decided, None).await?;
    match carried {
        Carried::Answer(reply) => {
            if let (Some(id), StatusCode::FORBIDDEN) = (&visit.resuming, reply.status) {
                parts.challenges.discard(id).await.map_err(Loss)?;
            }
            apply::tell_refusal(parts, &mut decided, &decision, &reply);
            Ok(Ruling::Answer(reply))
        }
        // A challenge is answered here; if it ever were not, nobody gets in.
        Carried::Onward(_) | Carried::Elsewhere(_) => {
            Ok(Ruling::Answer(journeys.refusal(&visit.arrival, Reason::Internal, StatusCode::FORBIDDEN)))
        }
    }
}

/// The request goes to the app with what it is told of proofs, as an event would.
fn told(parts: &Parts, visit: &Visit, decided: &Decided) -> Forwarding {
    let subject = visit.subject(parts);
    let upstream = &visit.arrival.route.upstream;
    let told = identity::Told {
        arrival: &visit.arrival,
        event: &decided.policy.event,
        decision_id: &decided.decision_id,
        subject: subject.as_ref(),
        proofs: &visit.proofs(subject.as_ref().map(|subject| subject.account)),
        upstream,
        is_signed: parts.settings.upstreams.get(upstream).is_none_or(|it| it.assertion),
        now_ms: visit.now_ms,
    };
    Forwarding { headers: identity::headers(&parts.keys, &told, &Forward::default()), ..Forwarding::default() }
}

fn is_met(parts: &Parts, visit: &Visit, decided: &Decided, required: &Required) -> bool {
    let tenant = visit.tenant();
    let account = visit.who(parts, &tenant, &decided.policy, &decided.facts).account;
    required.is_met_by(&visit.proofs(account), parts.clock.now_ms())
}

fn nothing(parts: &Parts) -> Seen {
    Seen { release: parts.registry.current(), reads_body: None, keeps_body: 0, candidates: Vec::new() }
}

/// An event of which nothing is known but its name: no policy decided it.
fn own_event(visit: &Visit, policy: Arc<Policy>) -> Decided {
    Decided {
        // No plan of a release is at this place.
        index: usize::MAX,
        facts: Facts::unasked(visit.now_ms, policy.slots.len()),
        policy,
        whom: Vec::new(),
        decision_id: clock::fresh_name(),
        calls: Vec::new(),
        trials: Vec::new(),
        owed: Vec::new(),
        ways: None,
    }
}

/// What holds for requests that are no event, where the app asks: every default of a policy, and no step.
static EVENT_POLICY: LazyLock<Arc<Policy>> = LazyLock::new(|| {
    Arc::new(Policy {
        event: EVENT.into(),
        file: "".into(),
        journey: None,
        after: Vec::new(),
        about: None,
        owner: None,
        mode: Mode::Enforce,
        apply: Apply::Before,
        covers: Vec::new(),
        only_if: None,
        facts: Vec::new(),
        settings: BTreeMap::new(),
        succeeded: None,
        failed: None,
        ends_session: false,
        budget: Budget { time_ms: 0, paid_calls: 0 },
        when_unsure: Outcome::Block,
        otherwise: Outcome::Block,
        steps: Vec::new(),
        slots: Vec::new(),
        binds: Vec::new(),
        recheck_ms: PARK_MS,
        on_state_loss: OnStateLoss::Deny,
        reads_body: false,
        inspect_bytes_max: 0,
        park_bytes_max: PARK_BYTES_MAX,
        park_ms: PARK_MS,
        allowed_origins: Vec::new(),
    })
});
