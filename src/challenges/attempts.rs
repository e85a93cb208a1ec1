//! How often someone may be wrong. Every try is counted before the answer is looked at, per account and method, across
//! sessions, addresses, nodes and restarts.
//!
//! Three bounds hold at once: the policy's `attempts` in a quarter of an hour, [`HOURLY_MAX`] in an hour, and [`EVER_MAX`]
//! for as long as what is guessed at stays set up (NIST SP 800-63B §5.2.2 allows a hundred in a row). The first two close
//! the method for a quarter of an hour, the third until something new is set up. Only the method is closed: whoever
//! guesses at one cannot take the others from its owner.
//!
//! A right answer takes back its own try, and of those that are counted for ever the ones that the same session got wrong
//! in the last quarter of an hour: an owner's slips are forgiven, and a stranger's guesses never are, however often the
//! owner signs in meanwhile. An account with several apps has as many codes that fit, so each try costs as many.
//!
//! Codes that are sent, by e-mail or to a telephone, count as one method.
//!
//! The arithmetic (DESIGN §8). An app's code is one of two among 10⁶, a code that is sent one: 10·2·10⁻⁶ + 10·10⁻⁶ = 3·10⁻⁵ an
//! hour and 100·2·10⁻⁶ + 100·10⁻⁶ = 3·10⁻⁴ ever; a recovery code has 80 bits and adds nothing. `tests/it/guessing.rs`
//! counts it. A try that the store cannot count is not looked at.

use std::time::Duration;

use stepward_core::session::Method;

use crate::{
    arrival::Arrival,
    challenges::{Challenges, issued::Issued},
    sessions::SessionHandle,
    store::{Attempt, Begin, Counted, Drawer, Id, Kind, Meter, Shape, StateStore, Stored, Touch},
};

/// In how long the policy's `attempts` are counted, and for how long a method is closed when they are spent.
pub const ATTEMPTS_WINDOW: Duration = Duration::from_secs(15 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// Tries an hour, whatever the policy says; shared among the apps of an account.
pub const HOURLY_MAX: u64 = 10;
/// Wrong answers to what an account has set up, for as long as it is set up.
pub const EVER_MAX: u64 = 100;
/// Codes sent to one account in an hour, by e-mail and telephone together.
pub const MAILS_MAX: u64 = 10;
/// Pushes to one account, and looks at a document for one account, in an hour.
pub const STARTS_MAX: u64 = 5;
/// How long tries are counted where nothing is set up, and so nothing can be guessed: a name that nobody has must look
/// like one that somebody has, and must not fill the store.
const NOBODY_MS: i64 = 30 * 24 * 60 * 60 * 1000;
/// Moments kept of a kind of try; more than any limit.
const KEPT: u16 = 32;
/// How often a count is tried again when another try was first. At most [`HOURLY_MAX`] get as far as that.
const RACES_MAX: usize = 32;

/// Whose tries by which method count together.
#[derive(Clone, Copy, Debug)]
pub struct Lane {
    who: Counted,
    /// The session that answers, over all its tickets.
    lineage: Id,
    mails: Meter,
}

/// What the answers in a lane are compared with.
#[derive(Clone, Copy, Debug)]
pub struct Aim {
    /// What was set up last; `None` where nothing is, so that no answer is right.
    pub newest: Option<Id>,
    /// Another number after each right answer.
    pub since: u64,
    /// With how many authenticators each answer is compared.
    pub at_once: u64,
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
        Lane::named(challenges, &arrival.route.tenant, session.record.lineage, issued.account, method)
    }

    fn named(challenges: &Challenges, tenant: &str, lineage: Id, account: Option<Id>, method: Method) -> Self {
        let (kind, id) = match account.filter(|_| method.strength() > 0) {
            Some(account) => (Kind::Account, account),
            None => (Kind::Session, lineage),
        };
        let id = challenges.keys.pseudonym(tenant, counted_as(method).name(), &data_encoding::HEXLOWER.encode(&id));
        Lane { who: Counted { kind, id }, lineage, mails: meter(challenges, "mails", HOUR, MAILS_MAX) }
    }

    /// Everybody's tries in the policy's window and in the hour, with what is allowed.
    fn tries(challenges: &Challenges, attempts: u64, hourly: u64) -> [Meter; 2] {
        [meter(challenges, "quarter", ATTEMPTS_WINDOW, attempts), meter(challenges, "hour", HOUR, hourly)]
    }

    /// The tries of this session alone, since the last right answer. Nothing is refused because of them.
    fn own(&self, challenges: &Challenges, aim: &Aim) -> Meter {
        let session = data_encoding::HEXLOWER.encode(&self.lineage);
        meter(challenges, &format!("own {session} {}", aim.since), ATTEMPTS_WINDOW, 1)
    }

    /// Where it is kept how many tries were made, and how many of them were forgiven, since this was set up.
    fn for_ever(&self, challenges: &Challenges, newest: Id) -> [Id; 2] {
        let newest = data_encoding::HEXLOWER.encode(&newest);
        ["tries", "forgiven"].map(|what| challenges.keys.pseudonym("", what, &newest))
    }
}

/// Codes that are sent count as one method, however they come: three ways to guess must not be three times the guesses.
fn counted_as(method: Method) -> Method {
    match method {
        Method::EmailCode | Method::SmsCode | Method::VoiceCode => Method::EmailCode,
        Method::Passkey
        | Method::Totp
        | Method::Push
        | Method::RecoveryCode
        | Method::Pow
        | Method::Captcha
        | Method::Oidc
        | Method::IdDocument
        | Method::Approval => method,
    }
}

fn meter(challenges: &Challenges, what: &str, window: Duration, limit: u64) -> Meter {
    let [a, b, c, d, e, f, g, h, ..] = challenges.keys.pseudonym("", "answers", what);
    let name = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    Meter { name, window, shape: Shape::Guarded { keep: KEPT, limit: u16::try_from(limit).unwrap_or(KEPT) } }
}

impl Challenges {
    /// Until when the method is closed, if it is.
    pub(super) async fn closed_until(&self, lane: &Lane) -> Stored<Option<i64>> {
        let now_ms = self.clock.now_ms();
        let standing = self.store.begin(now_ms, Begin { locks: &[lane.who], ..Begin::default() }).await?;
        Ok(standing.locked_until_ms.first().copied().flatten().filter(|until| *until > now_ms))
    }

    /// Whether every one of these methods is closed, so that asking for them asks for nothing. `account` is the verified
    /// subject's or, where nobody is verified, the claimed one's.
    ///
    /// # Errors
    /// When the state store does not answer.
    pub async fn are_spent(
        &self,
        tenant: &str,
        session: Option<&SessionHandle>,
        account: Option<Id>,
        methods: &[Method],
    ) -> Stored<bool> {
        let (closed, _) = self.closed_among(tenant, session, account, methods, &[]).await?;
        Ok(closed.len() == methods.len())
    }

    /// Which of these methods are closed now; and what lies in these entries, read in the same call.
    pub(super) async fn closed_among(
        &self,
        tenant: &str,
        session: Option<&SessionHandle>,
        account: Option<Id>,
        methods: &[Method],
        entries: &[(Id, Drawer, Id)],
    ) -> Stored<(Vec<Method>, Vec<Option<Vec<u8>>>)> {
        // Without a session there is a new one, which has tried nothing yet.
        let lineage = session.map_or([0; 16], |session| session.record.lineage);
        let lanes = methods.iter().map(|method| Lane::named(self, tenant, lineage, account, *method).who);
        let (lanes, now_ms) = (lanes.collect::<Vec<_>>(), self.clock.now_ms());
        let standing = self.store.begin(now_ms, Begin { locks: &lanes, entries, ..Begin::default() }).await?;
        let is_closed = |until: &Option<i64>| until.is_some_and(|until| until > now_ms);
        let closed = methods.iter().zip(&standing.locked_until_ms).filter(|(_, until)| is_closed(until));
        Ok((closed.map(|(method, _)| *method).collect(), standing.entries))
    }

    /// Counts a try, all of it before the answer is looked at.
    pub(super) async fn count_try(&self, lane: &Lane, attempts: u32, aim: &Aim) -> Stored<Try> {
        let (attempts, hourly) = (u64::from(attempts.max(1)), HOURLY_MAX / aim.at_once.max(1));
        let [window, hour] = Lane::tries(self, attempts, hourly);
        let meters = [window, hour, lane.own(self, aim)].map(|meter| (lane.who, meter, Touch::Hit));
        let standing = self.store.begin(self.clock.now_ms(), Begin { meters: &meters, ..Begin::default() }).await?;
        let [in_window, in_hour, _] = standing.counts[..] else { return Ok(Try::Closed(self.close(lane).await?)) };
        if in_window > attempts || in_hour > hourly {
            return Ok(Try::Closed(self.close(lane).await?));
        }
        // Only now: whoever asks many times at once must not use up what there is for ever.
        let Some(left) = self.count_for_ever(lane, aim).await? else {
            return Ok(Try::Closed(self.close(lane).await?));
        };
        Ok(Try::Counted { left: (attempts - in_window).min(hourly - in_hour).min(left) })
    }

    /// Counts a try for as long as what is guessed at is set up; how many are left, `None` if there was none.
    async fn count_for_ever(&self, lane: &Lane, aim: &Aim) -> Stored<Option<u64>> {
        let Some(newest) = aim.newest else {
            return match lane.who.kind {
                // A test that guards nobody's secret: there is nothing to guess for ever.
                Kind::Session => Ok(Some(EVER_MAX)),
                Kind::Account | Kind::Ip | Kind::Device | Kind::Pair => self.count_for_nobody(lane).await,
            };
        };
        let (home, [tries, forgiven]) = (lane.who.id, lane.for_ever(self, newest));
        for _ in 0..RACES_MAX {
            let [made, forgiven] = self.kept_for_ever(lane, [tries, forgiven]).await?;
            let Some(made) = made else {
                // Both at once, so that the first wrong answer waits for the disk as often as it does for a name that
                // nobody has. A move that comes before there is something to move is made again.
                let begun = self.store.enrol(home, Drawer::Traces, tries, Vec::new());
                let moved = self.store.advance(home, Drawer::Traces, tries, aim.at_once);
                let (begun, moved) = tokio::join!(begun, moved);
                begun?;
                match moved? {
                    true => return Ok(Some(EVER_MAX.saturating_sub(aim.at_once) / aim.at_once.max(1))),
                    false => continue,
                }
            };
            let left = EVER_MAX.saturating_add(forgiven.unwrap_or(0)).saturating_sub(made);
            let Some(after) = left.checked_sub(aim.at_once) else {
                tracing::warn!("a method is closed until it is set up anew: its wrong answers are used up");
                return Ok(None);
            };
            // Exactly one of those who saw the same count moves it.
            if self.store.advance(home, Drawer::Traces, tries, made.saturating_add(aim.at_once)).await? {
                return Ok(Some(after / aim.at_once.max(1)));
            }
        }
        Ok(None)
    }

    /// The same work, for a name that nobody has and a method that is not set up.
    async fn count_for_nobody(&self, lane: &Lane) -> Stored<Option<u64>> {
        let (now_ms, home) = (self.clock.now_ms(), lane.who.id);
        let tries = u32::try_from(EVER_MAX).unwrap_or(u32::MAX);
        self.store.issue_challenge(home, home, tries, Vec::new(), now_ms + NOBODY_MS).await?;
        Ok(match self.store.attempt_challenge(now_ms, home, home).await? {
            Attempt::Granted { left, .. } => Some(u64::from(left)),
            Attempt::Exhausted => None,
            // Void since a fail-over. There is nothing to guess: the hour's bound is enough.
            Attempt::Gone => Some(EVER_MAX),
        })
    }

    async fn kept_for_ever(&self, lane: &Lane, ids: [Id; 2]) -> Stored<[Option<u64>; 2]> {
        let kept = self.store.enrolments(lane.who.id, Drawer::Traces).await?;
        Ok(ids.map(|id| kept.iter().find(|it| it.id == id).map(|it| it.counter)))
    }

    /// Takes back what a right answer was counted as, and the slips of its own session before it.
    pub(super) async fn forgive(&self, lane: &Lane, aim: &Aim) -> Stored<()> {
        let now_ms = self.clock.now_ms();
        for meter in Lane::tries(self, 1, HOURLY_MAX) {
            self.store.refund(now_ms, lane.who, meter).await?;
        }
        let Some(newest) = aim.newest else { return Ok(()) };
        let meters = [(lane.who, lane.own(self, aim), Touch::Look)];
        let standing = self.store.begin(now_ms, Begin { meters: &meters, ..Begin::default() }).await?;
        let slips = standing.counts.first().copied().unwrap_or(0).min(HOURLY_MAX).saturating_mul(aim.at_once);
        let [tries, forgiven] = lane.for_ever(self, newest);
        let [made, before] = self.kept_for_ever(lane, [tries, forgiven]).await?;
        if before.is_none() {
            self.store.enrol(lane.who.id, Drawer::Traces, forgiven, Vec::new()).await?;
        }
        let to = before.unwrap_or(0).saturating_add(slips).min(made.unwrap_or(0));
        // Where another right answer was first, this one's slips stay counted.
        self.store.advance(lane.who.id, Drawer::Traces, forgiven, to).await.map(drop)
    }

    /// Closes the method for a while; durable.
    pub(super) async fn close(&self, lane: &Lane) -> Stored<i64> {
        let until = self.clock.now_ms() + ATTEMPTS_WINDOW.as_millis() as i64;
        self.store.lock(lane.who, until).await?;
        Ok(until)
    }

    /// Counts something that a vendor is to begin; whether it may be begun.
    pub(super) async fn count_start(&self, lane: &Lane) -> Stored<bool> {
        let meters = [(lane.who, meter(self, "starts", HOUR, STARTS_MAX), Touch::Hit)];
        let standing = self.store.begin(self.clock.now_ms(), Begin { meters: &meters, ..Begin::default() }).await?;
        Ok(standing.counts.first().is_some_and(|count| *count <= STARTS_MAX))
    }

    /// Counts a letter; whether it may be sent.
    pub(super) async fn count_mail(&self, lane: &Lane) -> Stored<bool> {
        let meters = [(lane.who, lane.mails, Touch::Hit)];
        let standing = self.store.begin(self.clock.now_ms(), Begin { meters: &meters, ..Begin::default() }).await?;
        Ok(standing.counts.first().is_some_and(|count| *count <= MAILS_MAX))
    }
}
