//! An approval is for one request: it is used up just before the request goes on, and the next one like it asks anew.
//!
//! Of several that come at once exactly one goes on; the others are told that it was sent already. It is used up also where
//! the app then fails, for nobody knows whether it did its work. Where the store does not answer, nothing goes on.

use stepward_core::{
    decide,
    policy::Gate,
    session::{CLOCK_SKEW_MS, Method, Proof},
};

use crate::{
    clock,
    journey::{Parts, seam::Decided, stand::Loss, visit::Visit},
    store::{Once, StateStore},
};

/// Uses up the approvals that these events rest on; whether they were there for this request.
///
/// # Errors
/// When the state store is lost.
pub async fn spend(parts: &Parts, visit: &mut Visit, decided: &[Decided]) -> Result<bool, Loss> {
    let approvals: Vec<(Proof, i64)> = decided.iter().flat_map(approvals).collect();
    if approvals.is_empty() {
        return Ok(true);
    }
    let (tenant, now_ms) = (visit.tenant(), visit.now_ms);
    let mut is_there = true;
    for (proof, fresh_for_ms) in &approvals {
        let digest = data_encoding::HEXLOWER.encode(&proof.bound_to.unwrap_or_default());
        let account = visit.own_subject(parts).map(|it| data_encoding::HEXLOWER.encode(&it.account));
        let about = format!("{} {} {digest}", account.unwrap_or_default(), proof.at_ms);
        let token = parts.keys.pseudonym(&tenant, "approval used", &about);
        let expires_ms = now_ms.saturating_add(*fresh_for_ms).saturating_add(2 * CLOCK_SKEW_MS);
        let claimed = parts.store.claim(now_ms, "approval", token, clock::random_id(), expires_ms).await;
        is_there &= claimed.map_err(Loss)? == Once::First;
    }
    if let Some(session) = &mut visit.session {
        approvals.iter().for_each(|(proof, _)| session.change().spend(proof));
        session.commit(&parts.sessions, &*parts.store).await.map_err(Loss)?;
    }
    Ok(is_there)
}

/// The newest approval for each gate of an event that takes one, and for how long it would count.
fn approvals(event: &Decided) -> Vec<(Proof, i64)> {
    event.policy.gates().filter_map(|gate| Some((approval(event, gate)?, gate.fresh_for_ms))).collect()
}

fn approval(event: &Decided, gate: &Gate) -> Option<Proof> {
    let group = gate.approvers.as_deref()?;
    let binding = match &gate.bind_to[..] {
        [] => None,
        slots => Some(decide::binding(&event.policy, slots, &event.facts).ok()?),
    };
    let digest = decide::approval(&event.policy, group, binding.as_ref());
    let is_it = |proof: &&Proof| proof.method == Method::Approval && proof.bound_to == Some(digest);
    event.facts.proofs.iter().filter(is_it).max_by_key(|proof| proof.at_ms).cloned()
}
