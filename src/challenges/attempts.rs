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
//! owner signs in meanwhile. An account with several apps has as many codes that fit, so each try counts as many: its
//! owner, signed in, is told sooner that the method is closed. Whoever merely claims a name must not learn from that how
//! many apps somebody has, and so that there is somebody: it closes for them when it would for anybody, and what they
//! answer above the bound until then is wrong without being compared.
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
    clock,
    sessions::SessionHandle,
    store::{Begin, Counted, Drawer, Ever, Id, Kind, Lasting, Meter, Shape, StateStore, Stored, Touch, Tried, Trying},
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

impl Aim {
    /// Nothing that is set up, or that anybody could guess.
    pub const NOTHING: Aim = Aim { newest: None, since: 0, at_once: 1 };
}

/// Whether a try may be looked at.
#[derive(Debug)]
pub enum Try {
    /// It is counted.
    Counted(Made),
    /// The method is closed until then, in milliseconds since the Unix epoch.
    Closed(i64),
}

/// A try that is counted.
#[derive(Debug)]
pub struct Made {
    /// Tries left after this one, if it is wrong.
    pub left: u64,
    /// Whether the answer may be compared with anything. Where it may not, it is wrong; nothing else tells.
    pub is_compared: bool,
    nonce: Id,
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

    /// The lane of a method for this account, else for this session.
    pub(super) fn named(
        challenges: &Challenges,
        tenant: &str,
        lineage: Id,
        account: Option<Id>,
        method: Method,
    ) -> Self {
        let (kind, id) = match account.filter(|_| method.strength() > 0) {
            Some(account) => (Kind::Account, account),
            None => (Kind::Session, lineage),
        };
        let id = challenges.keys.pseudonym(tenant, counted_as(method).name(), &data_encoding::HEXLOWER.encode(&id));
        Lane { who: Counted { kind, id }, lineage, mails: meter(challenges, "mails", HOUR, MAILS_MAX) }
    }

    /// Everybody's tries in the policy's window and in the hour, with what is allowed.
    fn windows(challenges: &Challenges, attempts: u64, hourly: u64) -> [Meter; 2] {
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

    /// Which of these methods are closed now, and until when; and what lies in these entries, read in the same call.
    pub(super) async fn closed_among(
        &self,
        tenant: &str,
        session: Option<&SessionHandle>,
        account: Option<Id>,
        methods: &[Method],
        entries: &[(Id, Drawer, Id)],
    ) -> Stored<(Vec<(Method, i64)>, Vec<Option<Vec<u8>>>)> {
        // Without a session there is a new one, which has tried nothing yet.
        let lineage = session.map_or([0; 16], |session| session.record.lineage);
        let lanes = methods.iter().map(|method| Lane::named(self, tenant, lineage, account, *method).who);
        let (lanes, now_ms) = (lanes.collect::<Vec<_>>(), self.clock.now_ms());
        let standing = self.store.begin(now_ms, Begin { locks: &lanes, entries, ..Begin::default() }).await?;
        let until = methods.iter().copied().zip(standing.locked_until_ms);
        let closed = until.filter_map(|(method, until)| Some((method, until.filter(|until| *until > now_ms)?)));
        Ok((closed.collect(), standing.entries))
    }

    /// Counts a try, all of it before the answer is looked at. `is_verified` tells whether the account is who is there,
    /// rather than whom somebody claims to be.
    pub(super) async fn count_try(&self, lane: &Lane, attempts: u32, aim: &Aim, is_verified: bool) -> Stored<Try> {
        let by = aim.at_once.max(1);
        // Of its owner's methods nothing is secret from who is signed in.
        let shown = if is_verified { by } else { 1 };
        let (attempts, hourly, most) = (u64::from(attempts.max(1)), HOURLY_MAX / shown, EVER_MAX * by / shown);
        let nonce = clock::random_id();
        let lasting = self.lasting(lane, aim, most);
        let trying = self.trying(lane, aim, [attempts, hourly], nonce, &lasting);
        Ok(match self.store.count_try(self.clock.now_ms(), trying).await? {
            Tried::Closed(until) => Try::Closed(until),
            Tried::Counted { in_windows: [in_window, in_hour], ever } => {
                let left = attempts.saturating_sub(in_window).min(hourly.saturating_sub(in_hour));
                let left = left.min(most.saturating_sub(ever) / by);
                let is_compared = in_hour.saturating_mul(by) <= HOURLY_MAX && ever <= EVER_MAX;
                Try::Counted(Made { left, is_compared, nonce })
            }
        })
    }

    /// Takes back what a right answer was counted as, and the slips of its own session before it.
    pub(super) async fn forgive(&self, lane: &Lane, aim: &Aim, made: &Made) -> Stored<()> {
        let lasting = self.lasting(lane, aim, EVER_MAX);
        let trying = self.trying(lane, aim, [1, HOURLY_MAX], made.nonce, &lasting);
        self.store.forgive_try(self.clock.now_ms(), trying, HOURLY_MAX).await
    }

    fn trying<'a>(
        &self,
        lane: &Lane,
        aim: &Aim,
        [attempts, hourly]: [u64; 2],
        nonce: Id,
        lasting: &'a Lasting,
    ) -> Trying<'a> {
        let now_ms = self.clock.now_ms();
        let ever = match (aim.newest, lane.who.kind) {
            (Some(_), _) => Ever::SetUp(lasting),
            // A test that guards nobody's secret: there is nothing to guess for ever.
            (None, Kind::Session) => Ever::Unbounded,
            (None, Kind::Account | Kind::Ip | Kind::Device | Kind::Pair) => {
                Ever::Nobody { most: EVER_MAX, expires_ms: now_ms + NOBODY_MS }
            }
        };
        Trying {
            who: lane.who,
            nonce,
            windows: Lane::windows(self, attempts, hourly),
            own: lane.own(self, aim),
            ever,
            closed_until_ms: now_ms + ATTEMPTS_WINDOW.as_millis() as i64,
        }
    }

    /// Where tries are counted for ever; made out also where nothing is set up, so that it takes as long.
    fn lasting(&self, lane: &Lane, aim: &Aim, most: u64) -> Lasting {
        let [made, forgiven] = lane.for_ever(self, aim.newest.unwrap_or_default());
        Lasting { made, forgiven, by: aim.at_once.max(1), most }
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
