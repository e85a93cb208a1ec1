//! Another person's consent to exactly this: a request for it is kept, its approvers are told, and one of them answers.
//!
//! It is begun and ends as verifications do (`verification`), only that a colleague takes the vendor's place: the challenge
//! of whoever asks waits, and what the first approver says stays. Only members of the group that the policy names can
//! answer, as the settings have the group at that moment, signed in to the same tenant on the same host, and never whoever
//! asks (`approval/desk.rs`). What they consent to is the record that was made when it was asked: event, names and values,
//! to the letter; the proof is bound to their digest, and the request is compared with it again when it is resumed.
//!
//! Whether anybody of the group has a mailbox or a passkey is told to nobody. A letter names the event and where to look,
//! and nothing in it lets anybody approve. Where the store does not answer, nothing is asked and nothing counts.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stepward_core::session::Method;

use crate::{
    arrival::Arrival,
    challenges::{
        Challenges,
        answer::Came,
        code::Asked,
        issued::{self, Issued},
        verification::{
            Trouble,
            kept::{Case, End, Keeper, Opened},
        },
    },
    keys::Purpose,
    settings::approvals::Approvals,
    store::{Drawer, Id, StateStore, Stored},
};

pub mod desk;
mod letter;

/// Requests that wait for one group on one host; more are not begun.
const WAITING_MAX: usize = 200;
/// For how long after its end a request says how it ended, in milliseconds.
const REMEMBERED_MS: i64 = 24 * 60 * 60 * 1000;
/// They are looked at, never tried.
const NO_TRIES: u32 = 1;

/// The groups of approvers, and for how long a request waits.
pub struct Approvers {
    groups: BTreeMap<Arc<str>, Arc<[Arc<str>]>>,
    waits_ms: i64,
}

/// What is waited for, as approvers see it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wanted {
    case: Case,
    host: Arc<str>,
    group: Arc<str>,
    /// Who asks: the account, and its name as the app has it.
    requester: Id,
    name: Arc<str>,
    event: Arc<str>,
    decision_id: Arc<str>,
    /// Names and values that the approval is bound to, to the letter.
    shown: Vec<(String, String)>,
    /// What the proof will be bound to.
    digest: [u8; 32],
    asked_ms: i64,
    expires_ms: i64,
}

/// What somebody said about it; the first answer stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// Approved, declined, or withdrawn (`Over`).
    pub end: End,
    /// The account that said so; nobody where it was withdrawn.
    pub by: Option<Id>,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
}

impl Approvers {
    /// As the settings have them.
    pub fn new(approvals: &Approvals) -> Self {
        let waits_ms = i64::try_from(approvals.waits.as_millis()).unwrap_or(i64::MAX);
        Approvers { groups: approvals.groups.clone(), waits_ms }
    }

    /// For how long a request waits, in milliseconds.
    pub fn waits_ms(&self) -> i64 {
        self.waits_ms
    }
}

impl Challenges {
    /// The accounts that may approve as this group what `requester` asks for.
    fn approvers(&self, tenant: &str, group: &str, requester: Id) -> Vec<Id> {
        let members = self.approvers.as_ref().and_then(|it| it.groups.get(group));
        let accounts = members.iter().flat_map(|it| it.iter()).map(|name| self.keys.account(tenant, name));
        accounts.filter(|account| *account != requester).collect()
    }

    /// Whether somebody could approve it: what a verified subject asks for, and somebody else is there who may. Whoever is
    /// merely named by a request is not who asks: nobody is to consent to what a stranger wants in that name.
    pub fn is_approvable(&self, tenant: &str, group: Option<&str>, requester: Option<Id>) -> bool {
        group.zip(requester).is_some_and(|(group, requester)| !self.approvers(tenant, group, requester).is_empty())
    }

    /// Where it is kept what waits for a group on a host.
    fn waiting_at(&self, tenant: &str, host: &str, group: &str) -> Id {
        self.keys.pseudonym(tenant, "approvals that wait", &format!("{host} {group}"))
    }
}

/// Asks for approval; the ones before are over.
pub(super) async fn ask(challenges: &Challenges, arrival: &Arrival, asked: &Asked<'_>) -> Stored<Came> {
    let (keeper, tenant, issued) = (Keeper::of(challenges), asked.tenant, asked.issued);
    let unreachable = Ok(Came::Unverified(Trouble::Unreachable));
    let Some(approvers) = &challenges.approvers else { return unreachable };
    let (Some(approval), Some(requester), Some(name)) = (&issued.approval, issued.account, &issued.subject) else {
        return unreachable;
    };
    if !issued.is_verified || !challenges.is_approvable(tenant, Some(&approval.group), Some(requester)) {
        return unreachable;
    }
    if !challenges.count_start(asked.lane).await? {
        return Ok(Came::Unverified(Trouble::Often));
    }
    let home = challenges.waiting_at(tenant, asked.host, &approval.group);
    if challenges.store.enrolments(home, Drawer::Traces).await?.len() >= WAITING_MAX
        && waiting(challenges, tenant, asked.host, &approval.group).await?.len() >= WAITING_MAX
    {
        tracing::warn!(group = &*approval.group, limit = WAITING_MAX, "too much waits for approval; more is not asked");
        return Ok(Came::Unverified(Trouble::Often));
    }
    let Some(case) = keeper.take(tenant, asked.id, Method::Approval, issued.expires_ms).await? else {
        return Ok(Came::Unverified(Trouble::Often));
    };
    let asked_ms = challenges.clock.now_ms();
    let expires_ms = asked_ms.saturating_add(approvers.waits_ms).min(issued.expires_ms);
    let wanted = Wanted {
        case,
        host: asked.host.into(),
        group: approval.group.clone(),
        requester,
        name: name.clone(),
        event: issued.event.clone(),
        decision_id: issued.decision_id.clone(),
        shown: issued.shown.clone(),
        digest: approval.digest,
        asked_ms,
        expires_ms,
    };
    let id = keeper.id(tenant, case, "wanted");
    keep(challenges, tenant, id, &wanted).await?;
    challenges.store.enrol(home, Drawer::Traces, id, Vec::new()).await?;
    let opened = Opened { account: issued.account, begun_ms: asked_ms, expires_ms };
    keeper.open(tenant, case, &opened, issued.expires_ms).await?;
    tracing::info!(decision = &*issued.decision_id, group = &*approval.group, "an approval is asked for");
    letter::tell(challenges, arrival, id, &wanted).await;
    Ok(Came::Begun(None))
}

/// Ends what was asked for this challenge, if it waits: it is not needed any more.
pub(super) async fn withdraw(challenges: &Challenges, arrival: &Arrival, word: &str, issued: &Issued) -> Stored<()> {
    let (Some(id), true) = (issued::id_of(word), issued.methods.contains(&Method::Approval)) else { return Ok(()) };
    let (keeper, tenant) = (Keeper::of(challenges), &*arrival.route.tenant);
    let Some((case, _)) = keeper.newest(tenant, id, Method::Approval).await? else { return Ok(()) };
    let wanted = look(challenges, tenant, keeper.id(tenant, case, "wanted")).await?;
    match wanted {
        Some(wanted) => settle(challenges, tenant, &wanted, End::Over, None).await.map(drop),
        None => Ok(()),
    }
}

/// Says how it ended, unless somebody has said so before; what holds now.
async fn settle(
    challenges: &Challenges,
    tenant: &str,
    wanted: &Wanted,
    end: End,
    by: Option<Id>,
) -> Stored<Option<Answered>> {
    let keeper = Keeper::of(challenges);
    let answer = Answered { end, by, at_ms: challenges.clock.now_ms() };
    let kept_until_ms = wanted.expires_ms.saturating_add(REMEMBERED_MS);
    // INVARIANT: written once and then read: whoever else answers at the same moment finds the first one's word.
    let holds = keeper.answer(tenant, wanted.case, &answer, kept_until_ms).await?;
    let home = challenges.waiting_at(tenant, &wanted.host, &wanted.group);
    challenges.store.retire(home, Drawer::Traces, keeper.id(tenant, wanted.case, "wanted")).await?;
    Ok(holds)
}

/// What waits for a group on a host; what waits no longer is forgotten.
async fn waiting(challenges: &Challenges, tenant: &str, host: &str, group: &str) -> Stored<Vec<(Id, Wanted)>> {
    let home = challenges.waiting_at(tenant, host, group);
    let entries = challenges.store.enrolments(home, Drawer::Traces).await?;
    let found = entries.iter().map(|entry| async move {
        let wanted = look(challenges, tenant, entry.id).await?;
        Ok((entry.id, wanted.filter(|it| challenges.clock.now_ms() < it.expires_ms)))
    });
    let found: Vec<Stored<_>> = futures_util::future::join_all(found).await;
    let mut open = Vec::new();
    for one in found {
        match one? {
            (id, Some(wanted)) => open.push((id, wanted)),
            (id, None) => {
                challenges.store.retire(home, Drawer::Traces, id).await?;
            }
        }
    }
    Ok(open)
}

async fn keep(challenges: &Challenges, tenant: &str, id: Id, wanted: &Wanted) -> Stored<()> {
    let plain = serde_json::to_vec(wanted).unwrap_or_default();
    let sealed = challenges.keys.seal(Purpose::Challenge, tenant, &id, &plain);
    let kept_until_ms = wanted.expires_ms.saturating_add(REMEMBERED_MS);
    challenges.store.issue_challenge(id, id, NO_TRIES, sealed, kept_until_ms).await
}

async fn look(challenges: &Challenges, tenant: &str, id: Id) -> Stored<Option<Wanted>> {
    let Some(sealed) = challenges.store.peek_challenge(challenges.clock.now_ms(), id, id).await? else {
        return Ok(None);
    };
    let opened = challenges.keys.open(Purpose::Challenge, tenant, &id, &sealed);
    Ok(opened.ok().and_then(|it| serde_json::from_slice(&it.plain).ok()))
}

impl Wanted {
    /// Digest of everything that an approver is shown and consents to, each part with its length before it.
    fn covered(&self) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(b"stepward consent 1\0");
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(&self.requester);
        for text in [&self.name, &self.host, &self.group, &self.event] {
            part(text.as_bytes());
        }
        for (name, value) in &self.shown {
            part(name.as_bytes());
            part(value.as_bytes());
        }
        part(&self.digest);
        part(&self.asked_ms.to_be_bytes());
        part(&self.expires_ms.to_be_bytes());
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        Wanted {
            case: Case { challenge: [1; 16], method: Method::Approval, number: 0 },
            host: "bank.example".into(),
            group: "payments".into(),
            requester: [2; 16],
            name: "ada".into(),
            event: "transfer money".into(),
            decision_id: "d".into(),
            shown: vec![("amount".into(), "900".into()), ("payee".into(), "DE02".into())],
            digest: [3; 32],
            asked_ms: 1,
            expires_ms: 2,
        }
    }

    #[test]
    fn consent_to_anything_else_is_another_consent() {
        let shown = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        let others = [
            Wanted { host: "shop.example".into(), ..wanted() },
            Wanted { group: "board".into(), ..wanted() },
            Wanted { requester: [9; 16], ..wanted() },
            Wanted { name: "eve".into(), ..wanted() },
            Wanted { event: "login".into(), ..wanted() },
            Wanted { shown: shown(&[("amount", "9000"), ("payee", "DE02")]), ..wanted() },
            Wanted { shown: shown(&[("amount", "900"), ("payee", "DE03")]), ..wanted() },
            Wanted { shown: shown(&[("amount", "900")]), ..wanted() },
            Wanted { shown: shown(&[("amount9", "00"), ("payee", "DE02")]), ..wanted() },
            Wanted { digest: [4; 32], ..wanted() },
            Wanted { asked_ms: 9, ..wanted() },
            Wanted { expires_ms: 9, ..wanted() },
        ];
        let all: std::collections::BTreeSet<_> = others.iter().chain([&wanted()]).map(|it| it.covered()).collect();
        assert_eq!(all.len(), others.len() + 1);
    }
}
