//! What is remembered of a verification: that it was begun, by whom, and how it ended. Sealed, under its challenge.
//!
//! Each thing is written once and never changed: the first end that is told stays. A vendor's reference is kept by its
//! pseudonym, so that what the vendor sends finds the challenge on every node and after a restart; a reference that was
//! given out before is refused, because nobody could tell any more whose it is.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use stepward_core::{connector::Named, session::Method};

use crate::{
    challenges::{Challenges, approval::Answered},
    clock::{self, Clock},
    keys::{Keys, Purpose},
    store::{AnyStore, Id, Once, StateStore, Stored},
    vendors::deeds::{
        Live,
        verification::{Standing, Started},
    },
};

/// How often it can be begun for one challenge.
pub const STARTS_MAX: u32 = 6;
/// They are looked at, never tried.
const NO_TRIES: u32 = 1;
/// How long a request waits for a vendor's word; the vendor is heard out in the background.
const WAIT: Duration = Duration::from_millis(400);
/// Between two questions to the vendor, at first and at most, in milliseconds.
const PAUSE_MS: i64 = 2000;
const PAUSE_MS_MAX: i64 = 20_000;

/// Which verification of which challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Case {
    /// The challenge.
    pub challenge: Id,
    /// How it is met.
    pub method: Method,
    /// The how manieth of this challenge, from 0.
    pub number: u32,
}

/// That it was begun.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Opened {
    /// Whose identity it is about.
    pub account: Option<Id>,
    /// When, in milliseconds since the Unix epoch.
    pub begun_ms: i64,
    /// When it is over by itself.
    pub expires_ms: i64,
}

/// Who began it, and what is needed to ask about it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Details {
    /// The connector.
    pub connector: Arc<str>,
    /// What it calls it.
    pub reference: Arc<str>,
    /// Where the user goes.
    pub redirect: Option<Arc<str>>,
    /// What the vendor's part of our page needs.
    pub embed: Option<Arc<str>>,
    /// The number that the user compares.
    pub number: Option<Arc<str>>,
    /// When the vendor's time is over.
    pub ends_ms: i64,
    state: Vec<(Arc<str>, Arc<str>)>,
    inputs: Vec<(Arc<str>, Arc<str>)>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// Passed.
    Approved,
    /// Not passed.
    Declined,
    /// The user says that somebody else asked.
    Fraud,
    /// Nobody said anything.
    Over,
}

/// What a reference belongs to.
#[derive(Serialize, Deserialize)]
struct Belongs {
    tenant: Arc<str>,
    case: Case,
    expires_ms: i64,
}

/// Verifications that this process asks about right now.
#[derive(Clone, Debug, Default)]
pub struct Busy(Arc<Mutex<HashSet<Id>>>);

/// Keeps verifications, and asks vendors about them; clones share everything.
#[derive(Clone)]
pub struct Keeper {
    keys: Arc<Keys>,
    store: Arc<AnyStore>,
    clock: Clock,
    live: Live,
    busy: Busy,
}

impl Keeper {
    /// The one of these challenges.
    pub fn of(challenges: &Challenges) -> Self {
        Keeper {
            keys: challenges.keys.clone(),
            store: challenges.store.clone(),
            clock: challenges.clock.clone(),
            live: challenges.telephone.live().clone(),
            busy: challenges.verifying.clone(),
        }
    }

    /// The newest of a challenge by this method.
    pub async fn newest(&self, tenant: &str, challenge: Id, method: Method) -> Stored<Option<(Case, Opened)>> {
        let cases = (0..STARTS_MAX).map(|number| Case { challenge, method, number });
        let found = cases.map(|case| async move { Ok((case, self.read::<Opened>(tenant, case, "opened").await?)) });
        let found: Vec<Stored<_>> = futures_util::future::join_all(found).await;
        let mut newest = None;
        for one in found {
            let (case, opened) = one?;
            newest = opened.map(|opened| (case, opened)).or(newest);
        }
        Ok(newest)
    }

    /// Takes the next number of a challenge; `None` where there is none left. For exactly one caller.
    pub async fn take(&self, tenant: &str, challenge: Id, method: Method, expires_ms: i64) -> Stored<Option<Case>> {
        for number in 0..STARTS_MAX {
            let case = Case { challenge, method, number };
            let token = self.id(tenant, case, "taken");
            let now_ms = self.clock.now_ms();
            if self.store.claim(now_ms, "verification", token, clock::random_id(), expires_ms).await? == Once::First {
                return Ok(Some(case));
            }
        }
        Ok(None)
    }

    /// Writes down that it was begun; until `expires_ms`, when its challenge ends, so that its own end can be told.
    pub async fn open(&self, tenant: &str, case: Case, opened: &Opened, expires_ms: i64) -> Stored<()> {
        self.write(tenant, case, "opened", opened, expires_ms).await
    }

    /// Has a vendor begin it; `None` where none did, or where its reference is somebody's already.
    pub async fn start(&self, tenant: &str, case: Case, opened: &Opened, inputs: &Named) -> Stored<Option<Details>> {
        let Some(started) = self.live.now().start(case.method, inputs).await else { return Ok(None) };
        let good_for_ms = i64::try_from(started.good_for_ms).unwrap_or(i64::MAX);
        // Everything about it is kept as long as it is open; vendors of one route differ in how long they wait.
        let (expires_ms, ends_ms) = (opened.expires_ms, opened.begun_ms.saturating_add(good_for_ms));
        let token = self.reference_id(&started.connector, &started.reference);
        let (now_ms, nonce) = (self.clock.now_ms(), self.id(tenant, case, "reference"));
        if self.store.claim(now_ms, "reference", token, nonce, expires_ms).await? == Once::Replay {
            tracing::warn!(
                connector = &*started.connector,
                "a vendor gave the same reference twice; nothing comes of it"
            );
            return Ok(None);
        }
        let details = Details::of(started, ends_ms);
        self.write(tenant, case, "details", &details, expires_ms).await?;
        let belongs = Belongs { tenant: tenant.into(), case, expires_ms };
        let plain = serde_json::to_vec(&belongs).unwrap_or_default();
        let sealed = self.keys.seal(Purpose::Challenge, "", &token, &plain);
        self.store.issue_challenge(token, token, NO_TRIES, sealed, expires_ms).await?;
        Ok(Some(details))
    }

    /// Who began it; nothing while nobody has.
    pub async fn details(&self, tenant: &str, case: Case) -> Stored<Option<Details>> {
        self.read(tenant, case, "details").await
    }

    /// How it ended, if it has: by the vendor's word, or by whoever was asked for approval.
    pub async fn end(&self, tenant: &str, case: Case) -> Stored<Option<End>> {
        match case.method {
            Method::Approval => Ok(self.answered(tenant, case).await?.map(|it| it.end)),
            _ => self.read(tenant, case, "end").await,
        }
    }

    /// What was said of an approval, if anything was.
    pub async fn answered(&self, tenant: &str, case: Case) -> Stored<Option<Answered>> {
        self.read(tenant, case, "answer").await
    }

    /// Says how an approval ended, unless it was said before; what holds now.
    pub async fn answer(
        &self,
        tenant: &str,
        case: Case,
        answer: &Answered,
        expires_ms: i64,
    ) -> Stored<Option<Answered>> {
        self.write(tenant, case, "answer", answer, expires_ms).await?;
        self.answered(tenant, case).await
    }

    /// Whether a person at the vendor looks at it.
    pub async fn is_reviewed(&self, tenant: &str, case: Case) -> Stored<bool> {
        Ok(self.read::<()>(tenant, case, "review").await?.is_some())
    }

    /// What a vendor's message is about: the tenant and the verification.
    pub async fn about(&self, connector: &str, reference: &str) -> Stored<Option<(Arc<str>, Case, i64)>> {
        let (token, now_ms) = (self.reference_id(connector, reference), self.clock.now_ms());
        let Some(sealed) = self.store.peek_challenge(now_ms, token, token).await? else { return Ok(None) };
        let opened = self.keys.open(Purpose::Challenge, "", &token, &sealed);
        let belongs: Option<Belongs> = opened.ok().and_then(|it| serde_json::from_slice(&it.plain).ok());
        Ok(belongs.map(|it| (it.tenant, it.case, it.expires_ms)))
    }

    /// Writes down how it stands; the first end stays.
    pub async fn tell(&self, tenant: &str, case: Case, standing: Standing, expires_ms: i64) -> Stored<()> {
        let end = match standing {
            Standing::Pending => return Ok(()),
            Standing::Review => return self.write(tenant, case, "review", &(), expires_ms).await,
            Standing::Approved => End::Approved,
            Standing::Declined => End::Declined,
            Standing::Fraud => End::Fraud,
            Standing::Over => End::Over,
        };
        self.write(tenant, case, "end", &end, expires_ms).await
    }

    /// Asks the vendor how it stands, if it is time to and nobody does: every tab and every node shares the answer.
    pub async fn ask(&self, tenant: &str, case: Case, opened: &Opened, details: &Details) -> Stored<()> {
        let (now_ms, id) = (self.clock.now_ms(), self.id(tenant, case, "asked"));
        if !self.live.now().polls(&details.connector) || !self.busy.enter(id) {
            return Ok(());
        }
        let leave = Leave(self.busy.clone(), id);
        let turn = turn(now_ms.saturating_sub(opened.begun_ms));
        let token = self.keys.pseudonym(tenant, "verification turn", &format!("{} {turn}", hex(&id)));
        if self.store.claim(now_ms, "poll", token, clock::random_id(), opened.expires_ms).await? == Once::Replay {
            return Ok(());
        }
        let (keeper, tenant) = (self.clone(), tenant.to_string());
        let (started, expires_ms) = (details.started(), opened.expires_ms);
        let asked = tokio::spawn(async move {
            let standing = keeper.live.now().poll(&started).await;
            if let Some(standing) = standing
                && let Err(error) = keeper.tell(&tenant, case, standing, expires_ms).await
            {
                tracing::warn!(%error, "how a verification stands could not be kept; it is asked again");
            }
            drop(leave);
        });
        // Whoever takes longer is heard by a later request.
        let _ = tokio::time::timeout(WAIT, asked).await;
        Ok(())
    }

    /// A name for something about a verification that counts once.
    pub fn id(&self, tenant: &str, case: Case, what: &str) -> Id {
        let Case { challenge, method, number } = case;
        self.keys.pseudonym(tenant, "verification", &format!("{what} {} {number} {}", method.name(), hex(&challenge)))
    }

    fn reference_id(&self, connector: &str, reference: &str) -> Id {
        self.keys.pseudonym("", "verification reference", &format!("{connector} {reference}"))
    }

    async fn write(&self, tenant: &str, case: Case, what: &str, it: &impl Serialize, expires_ms: i64) -> Stored<()> {
        let id = self.id(tenant, case, what);
        let plain = serde_json::to_vec(it).unwrap_or_default();
        let sealed = self.keys.seal(Purpose::Challenge, tenant, &id, &plain);
        self.store.issue_challenge(case.challenge, id, NO_TRIES, sealed, expires_ms).await
    }

    async fn read<T: for<'d> Deserialize<'d>>(&self, tenant: &str, case: Case, what: &str) -> Stored<Option<T>> {
        let id = self.id(tenant, case, what);
        let Some(sealed) = self.store.peek_challenge(self.clock.now_ms(), case.challenge, id).await? else {
            return Ok(None);
        };
        let opened = self.keys.open(Purpose::Challenge, tenant, &id, &sealed);
        Ok(opened.ok().and_then(|it| serde_json::from_slice(&it.plain).ok()))
    }
}

impl Details {
    fn of(started: Started, ends_ms: i64) -> Self {
        let Started { connector, reference, state, inputs, handed, good_for_ms: _ } = started;
        Details {
            connector,
            reference,
            redirect: handed.redirect,
            embed: handed.embed,
            number: handed.number,
            ends_ms,
            state,
            inputs,
        }
    }

    fn started(&self) -> Started {
        Started {
            connector: self.connector.clone(),
            reference: self.reference.clone(),
            state: self.state.clone(),
            inputs: self.inputs.clone(),
            handed: Default::default(),
            good_for_ms: 0,
        }
    }
}

impl Busy {
    fn enter(&self, id: Id) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id)
    }
}

/// Ends being busy, however that comes.
struct Leave(Busy, Id);

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

/// The how manieth question it is time for after so long: every 2 s at first, then by a tenth of what has passed, at most
/// every 20 s.
fn turn(age_ms: i64) -> i64 {
    let (mut at, mut turn) = (0, 0);
    while at <= age_ms {
        at += (at / 10).clamp(PAUSE_MS, PAUSE_MS_MAX);
        turn += 1;
    }
    turn
}

fn hex(id: &Id) -> String {
    data_encoding::HEXLOWER.encode(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vendor_is_asked_less_and_less_often() {
        for (age_ms, expected) in [(-5, 0), (0, 1), (1999, 1), (2000, 2), (19_999, 10), (20_000, 11)] {
            assert_eq!(turn(age_ms), expected, "{age_ms}");
        }
        let day = turn(24 * 60 * 60 * 1000);
        assert!((4000..5000).contains(&day), "{day} questions in a day");
        assert_eq!(turn(60_000_000) - turn(60_000_000 - PAUSE_MS_MAX), 1);
    }
}
