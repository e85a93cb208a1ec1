//! How often someone may be wrong. Every try is counted before the answer is looked at, per account and method, across
//! sessions, addresses and nodes.
//!
//! Three bounds hold at once: the policy's `attempts` in a quarter of an hour, ten in an hour, and a hundred in a row
//! per authenticator (NIST SP 800-63B §5.2.2). The first two close the method for a quarter of an hour; the third for
//! as long as that authenticator has not been used with success elsewhere or been replaced. Only the method is closed:
//! whoever guesses at one cannot take the others from its owner. With six digits and two codes valid at a time this
//! leaves 2·10⁻⁵ an hour and 2·10⁻⁴ ever. A try that the store cannot count is not looked at.

use std::time::Duration;

use stepward_core::session::Method;

use crate::{
    arrival::Arrival,
    challenges::{Challenges, issued::Issued},
    sessions::SessionHandle,
    store::{Attempt, Begin, Counted, Id, Kind, Meter, Shape, StateStore, Stored, Touch},
};

/// In how long the policy's `attempts` are counted, and for how long a method is closed when they are spent.
pub const ATTEMPTS_WINDOW: Duration = Duration::from_secs(15 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// Wrong answers an hour, whatever the policy says.
pub const HOURLY_MAX: u64 = 10;
/// Wrong answers in a row for one authenticator.
pub const STREAK_MAX: u32 = 100;
/// Codes mailed to one account in an hour.
pub const MAILS_MAX: u64 = 10;
const TEN_YEARS_MS: i64 = 10 * 365 * 24 * 60 * 60 * 1000;

/// Whose tries by which method count together.
#[derive(Clone, Copy, Debug)]
pub struct Lane {
    who: Counted,
    window: Meter,
    hour: Meter,
    mails: Meter,
}

/// Whether a try may be looked at.
#[derive(Debug, PartialEq, Eq)]
pub enum Try {
    /// It is counted; after a wrong answer so many are left.
    Counted {
        /// Tries left after this one.
        left: u64,
    },
    /// The method is closed until then, in milliseconds since the Unix epoch.
    Closed(i64),
}

impl Lane {
    /// The lane of a method: the account's, or the session's own where nobody is named or nobody can be hurt.
    pub fn of(
        challenges: &Challenges,
        arrival: &Arrival,
        session: &SessionHandle,
        issued: &Issued,
        method: Method,
    ) -> Self {
        match issued.account.filter(|_| method != Method::Pow) {
            Some(account) => Lane::named(challenges, &arrival.route.tenant, Kind::Account, account, method),
            None => Lane::named(challenges, &arrival.route.tenant, Kind::Session, session.record.lineage, method),
        }
    }

    fn named(challenges: &Challenges, tenant: &str, kind: Kind, id: Id, method: Method) -> Self {
        let id = challenges.keys.pseudonym(tenant, method.name(), &data_encoding::HEXLOWER.encode(&id));
        let meter = |what: &str, window: Duration| {
            let mut name = [0; 8];
            name.copy_from_slice(&challenges.keys.pseudonym("", "answers", what)[..8]);
            Meter { name: u64::from_be_bytes(name), window, shape: Shape::Guarded { keep: 32 } }
        };
        Lane {
            who: Counted { kind, id },
            window: meter("quarter", ATTEMPTS_WINDOW),
            hour: meter("hour", HOUR),
            mails: meter("mails", HOUR),
        }
    }
}

impl Challenges {
    /// Until when the method is closed, if it is.
    pub(super) async fn closed_until(&self, lane: &Lane) -> Stored<Option<i64>> {
        let now_ms = self.clock.now_ms();
        let standing = self.store.begin(now_ms, Begin { locks: &[lane.who], ..Begin::default() }).await?;
        Ok(standing.locked_until_ms.first().copied().flatten().filter(|until| *until > now_ms))
    }

    /// Counts a try. `streak` names the authenticator since its last success.
    pub(super) async fn count_try(&self, lane: &Lane, attempts: u32, streak: Id) -> Stored<Try> {
        if let Some(until) = self.closed_until(lane).await? {
            return Ok(Try::Closed(until));
        }
        let now_ms = self.clock.now_ms();
        self.store.issue_challenge(lane.who.id, streak, STREAK_MAX, Vec::new(), now_ms + TEN_YEARS_MS).await?;
        let meters = [(lane.who, lane.window, Touch::Hit), (lane.who, lane.hour, Touch::Hit)];
        // At once: both wait for the disk, and it takes both in one go.
        let (in_a_row, standing) = tokio::join!(
            self.store.attempt_challenge(now_ms, lane.who.id, streak),
            self.store.begin(now_ms, Begin { meters: &meters, ..Begin::default() }),
        );
        let (in_a_row, standing) = (in_a_row?, standing?);
        let Attempt::Granted { left: streak_left, .. } = in_a_row else {
            return Ok(Try::Closed(self.close(lane).await?));
        };
        let [in_window, in_hour] = standing.counts[..] else { return Ok(Try::Closed(self.close(lane).await?)) };
        let attempts = u64::from(attempts.max(1));
        if in_window > attempts || in_hour > HOURLY_MAX {
            return Ok(Try::Closed(self.close(lane).await?));
        }
        let left = (attempts - in_window).min(HOURLY_MAX - in_hour).min(u64::from(streak_left));
        Ok(Try::Counted { left })
    }

    /// Takes back what a right answer was counted as.
    pub(super) async fn forgive_try(&self, lane: &Lane) -> Stored<()> {
        let now_ms = self.clock.now_ms();
        self.store.refund(now_ms, lane.who, lane.window).await?;
        self.store.refund(now_ms, lane.who, lane.hour).await
    }

    /// Closes the method for a while; durable.
    pub(super) async fn close(&self, lane: &Lane) -> Stored<i64> {
        let until = self.clock.now_ms() + ATTEMPTS_WINDOW.as_millis() as i64;
        self.store.lock(lane.who, until).await?;
        Ok(until)
    }

    /// Counts a letter; whether it may be sent.
    pub(super) async fn count_mail(&self, lane: &Lane) -> Stored<bool> {
        let meters = [(lane.who, lane.mails, Touch::Hit)];
        let standing = self.store.begin(self.clock.now_ms(), Begin { meters: &meters, ..Begin::default() }).await?;
        Ok(standing.counts.first().is_some_and(|count| *count <= MAILS_MAX))
    }

    /// Names a run of wrong answers: a success changes `since`, and a new run begins.
    pub(super) fn streak(&self, lane: &Lane, since: u64) -> Id {
        let lane = data_encoding::HEXLOWER.encode(&lane.who.id);
        self.keys.pseudonym("", "streak", &format!("{lane} {since}"))
    }
}
