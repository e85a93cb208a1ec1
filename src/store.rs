//! What Stepward remembers, as operations of the domain: no key, command or transaction shows through.
//!
//! Callers seal; a store sees ciphertext and pseudonyms only. Durability is a property of the operation:
//! lock-outs, attempts, spent secrets, claims, enrolments, revocations and counters that guard guessing
//! ([`Shape::Guarded`]) are on disk (or on a replica) before the call returns; sessions may lose their last 100 ms in a
//! power cut, and plain velocity counters their last second. Every operation is safe to run late or twice, because a
//! command that timed out may still run.
//!
//! A store answers every call within its wait (`state.wait`, 250 ms unless set), and one that uses something up (a try,
//! a one-time secret, a parked request) within [`PATIENCE`] times as long, because giving up would leave it used for
//! nothing; so may what no event waits for (`unlock`, `end`, `revoke`). Callers add no deadline of their own.

use std::time::Duration;

pub mod any;
pub mod backup;
pub mod carried;
pub mod copy;
pub mod embedded;
pub mod redis;
pub mod resealed;
pub mod ring;

/// A pseudonym: 128 bits, random or an HMAC.
pub type Id = [u8; 16];

/// Why a store did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Nothing was sent; nothing happened.
    #[error("the state store is unavailable")]
    Unavailable,
    /// No answer in time; it may have happened, or happen later.
    #[error("the state store did not answer in time")]
    Indeterminate,
    /// What is stored does not read back.
    #[error("the state store holds something unreadable: {0}")]
    Corrupt(String),
}

/// Short for what store operations return.
pub type Stored<T> = Result<T, StateError>;

/// What a counter or lock-out is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A canonical account.
    Account,
    /// An address; IPv6 by its /64.
    Ip,
    /// A device cookie.
    Device,
    /// Account and address, or account and device.
    Pair,
    /// A session.
    Session,
}

/// Someone or something that is counted and can be locked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counted {
    /// What it is.
    pub kind: Kind,
    /// Its pseudonym, which includes the tenant.
    pub id: Id,
}

/// One counter of a [`Counted`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Meter {
    /// Which counter: an HMAC of event, what is counted and window.
    pub name: u64,
    /// The sliding window.
    pub window: Duration,
    /// How it is kept.
    pub shape: Shape,
}

impl Meter {
    /// The largest count that is not over the limit; any, where it guards nothing.
    fn bound(&self) -> u64 {
        match self.shape {
            Shape::Guarded { limit, .. } => limit.into(),
            Shape::Exact { .. } | Shape::Buckets | Shape::Distinct => u64::MAX,
        }
    }
}

/// How a counter is kept, and so what a crash may take of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shape {
    /// The moments of the last `keep` hits: exact for limits below it (up to 32). Saved each second: a crash may take
    /// the last second's, which are not presumed: nobody is slowed down because this process ended, and whoever guesses
    /// is counted by what is guarded.
    Exact {
        /// How many moments are kept.
        keep: u16,
    },
    /// The same for what guards guessing (failures, wrong answers): each hit is durable before its caller is answered,
    /// and a crash takes none. Where hits may have been lost all the same (a fail-over of Redis), all but one of the limit
    /// are presumed for a while.
    Guarded {
        /// How many moments are kept.
        keep: u16,
        /// The largest count that is not over the limit.
        limit: u16,
    },
    /// Ten sub-buckets: within a few per cent for large limits. Saved each second.
    Buckets,
    /// How many different values were seen (up to 64): accounts per address, addresses per account. Saved each second.
    Distinct,
}

/// What to do with a counter while it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touch {
    /// Only read it.
    Look,
    /// Raise it, then read it: every caller sees its own hit.
    Hit,
    /// For [`Shape::Distinct`]: add this value, then read.
    Add(Id),
}

/// Where a session is kept; `home` decides the shard (the account after login, else the session itself).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionRef {
    /// The shard.
    pub home: Id,
    /// The session's id: HMAC of the cookie's secret, never the secret itself.
    pub id: Id,
}

/// A sealed session with the version a change must name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Rises by one with each change.
    pub version: u64,
    /// Ciphertext.
    pub sealed: Vec<u8>,
}

/// The one hot call: everything a sensitive request needs to know.
#[derive(Clone, Debug, Default)]
pub struct Begin<'a> {
    /// The session to load.
    pub session: Option<SessionRef>,
    /// Counters to read or raise.
    pub meters: &'a [(Counted, Meter, Touch)],
    /// Whose lock-outs to read.
    pub locks: &'a [Counted],
    /// Entries of accounts' drawers to read: a known device, a remembered payee, the last place.
    pub entries: &'a [(Id, Drawer, Id)],
}

/// The answer to [`Begin`], in the same order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// The session, if it exists and has not expired or been revoked.
    pub session: Option<Session>,
    /// What each counter says.
    pub counts: Vec<u64>,
    /// Until when each is locked out, in milliseconds since the Unix epoch.
    pub locked_until_ms: Vec<Option<i64>>,
    /// Each entry's ciphertext, if it is there.
    pub entries: Vec<Option<Vec<u8>>>,
    /// Whether another session took the place of the one that was asked for, less than [`REPLACED_KNOWN_MS`] ago.
    pub was_replaced: bool,
}

/// What became of a change to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Amended {
    /// Done; this is the new version.
    Done(u64),
    /// Someone else was first; this is what is there now.
    Stale(Option<Session>),
}

/// What became of a try at a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// This try counts; so many are left after it.
    Granted {
        /// Tries left after this one.
        left: u32,
        /// The challenge, ciphertext.
        sealed: Vec<u8>,
    },
    /// The tries are spent.
    Exhausted,
    /// It never was, has expired, or is done.
    Gone,
}

/// A try at what somebody guards, to be counted before the answer is looked at; and what bounds it.
#[derive(Clone, Copy, Debug)]
pub struct Trying<'a> {
    /// Whose tries count together; locked out when a bound is passed.
    pub who: Counted,
    /// The name of this try and of no other: run twice, it counts once.
    pub nonce: Id,
    /// Tries in time, each of [`Shape::Guarded`]; its limit is the bound.
    pub windows: [Meter; 2],
    /// Raised with them and bounds nothing: the tries that a right answer forgives.
    pub own: Meter,
    /// Tries for as long as what is guessed at is set up.
    pub ever: Ever<'a>,
    /// Until when `who` is locked out when a bound is passed, in milliseconds since the Unix epoch.
    pub closed_until_ms: i64,
}

/// How tries are counted for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ever<'a> {
    /// They are not: there is nothing to guess.
    Unbounded,
    /// In [`Drawer::Traces`] of `who`, until something else is set up.
    SetUp(&'a Lasting),
    /// Nothing is set up. The same work, which ends then.
    Nobody {
        /// As many as may be made.
        most: u64,
        /// When they are forgotten.
        expires_ms: i64,
    },
}

/// What counts tries for as long as something is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lasting {
    /// The entry that counts those that were made.
    pub made: Id,
    /// The entry that counts those of them that were forgiven.
    pub forgiven: Id,
    /// As how many each try counts.
    pub by: u64,
    /// As many as may be made and not forgiven.
    pub most: u64,
}

/// What became of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// It counts, and the answer may be looked at.
    Counted {
        /// Tries in each window, with this one.
        in_windows: [u64; 2],
        /// What is counted for ever and not forgiven, with this one.
        ever: u64,
    },
    /// Too many, now or before: locked out until then, in milliseconds since the Unix epoch.
    Closed(i64),
}

/// Whether this was the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Once {
    /// Yes; or the same caller again with the same nonce.
    First,
    /// No.
    Replay,
}

/// Something a subject proved or was given, kept under the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment {
    /// Its id: an authenticator, a remembered value, an address, a known device.
    pub id: Id,
    /// Moves forward only: a TOTP step, a signature counter.
    pub counter: u64,
    /// Ciphertext.
    pub sealed: Vec<u8>,
}

/// Which drawer of an account an [`Enrolment`] lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Drawer {
    /// TOTP secrets, passkeys, recovery codes.
    Authenticators,
    /// E-mail addresses and telephone numbers.
    Contacts,
    /// Devices on which a proof was given.
    Devices,
    /// Values of facts with `remember: subject`.
    Remembered,
    /// Last accepted place and time, and the like: one entry an id, the newest counts.
    Traces,
}

/// An entry of the revocation log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The session, account or device that is no longer trusted.
    pub target: Counted,
    /// Anything begun before this moment is void, in milliseconds since the Unix epoch.
    pub before_ms: i64,
}

impl Revocation {
    /// An entry by which nothing is void, and of which those must hear who have something open of this target's.
    fn announcement(target: Counted) -> Self {
        Revocation { target, before_ms: i64::MIN }
    }
}

/// A place in the revocation log; 0 is before its first entry.
pub type LogPosition = u64;

/// A place in one life of the log. Places of different lives cannot be compared: a fail-over may have lost entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPlace {
    /// The life: another one after every fail-over and every restart of a shared store.
    pub life: Id,
    /// The place in it.
    pub position: LogPosition,
}

/// How many entries [`StateStore::revocations_after`] gives at most: fewer are all there were.
pub const LOG_READ_MAX: usize = 10_000;

/// A store. `now_ms` is the caller's clock: expiry is checked at reading, never left to a sweeper.
pub trait StateStore: Send + Sync + 'static {
    /// Everything a sensitive request needs to know, in one round trip. Durable where a [`Shape::Guarded`] counter is
    /// raised.
    fn begin(&self, now_ms: i64, begin: Begin<'_>) -> impl Future<Output = Stored<Standing>> + Send;
    /// Takes back one hit: a success does not count as a try.
    fn refund(&self, now_ms: i64, who: Counted, meter: Meter) -> impl Future<Output = Stored<()>> + Send;
    /// Locks out until then; never shortens. Durable.
    fn lock(&self, who: Counted, until_ms: i64) -> impl Future<Output = Stored<()>> + Send;
    /// Ends a lock-out; an administrator's act. Durable.
    fn unlock(&self, who: Counted) -> impl Future<Output = Stored<()>> + Send;

    /// Counts a try, all of it before the answer is looked at: in its windows first and, if it is within them, for ever,
    /// so that whoever asks many times at once does not use up what there is for ever. Locks out who passes a bound; of
    /// who is locked out already nothing is counted. Durable.
    fn count_try(&self, now_ms: i64, trying: Trying<'_>) -> impl Future<Output = Stored<Tried>> + Send;
    /// Takes back a try whose answer was right: its hits in the windows and, of what is counted for ever, everything that
    /// `own` counts, `slips_max` at most. The same try again takes back nothing more. Durable.
    fn forgive_try(&self, now_ms: i64, trying: Trying<'_>, slips_max: u64) -> impl Future<Output = Stored<()>> + Send;

    /// Writes a new session and removes the one it replaces, whose lock-out holds for the new one as well; whether the new
    /// one was written. `now_ms` is the moment the request began: a session whose account, or whose predecessor, was
    /// revoked after that moment is not written. That one was replaced is known for a while ([`Standing::was_replaced`]).
    fn establish(
        &self,
        now_ms: i64,
        replaces: Option<SessionRef>,
        session: SessionRef,
        sealed: Vec<u8>,
        expires_ms: i64,
    ) -> impl Future<Output = Stored<bool>> + Send;
    /// Changes a session that is still at version `seen`.
    fn amend(
        &self,
        now_ms: i64,
        session: SessionRef,
        seen: u64,
        sealed: Vec<u8>,
        expires_ms: i64,
    ) -> impl Future<Output = Stored<Amended>> + Send;
    /// Removes a session for good, and announces it in the revocation log. Writes that come late do not bring it back:
    /// none that takes its place is written any more. Durable.
    fn end(&self, session: SessionRef) -> impl Future<Output = Stored<()>> + Send;

    /// Begins a challenge with so many tries. The same id again replaces nothing.
    fn issue_challenge(
        &self,
        home: Id,
        challenge: Id,
        attempts: u32,
        sealed: Vec<u8>,
        expires_ms: i64,
    ) -> impl Future<Output = Stored<()>> + Send;
    /// Reads a challenge without using a try.
    fn peek_challenge(
        &self,
        now_ms: i64,
        home: Id,
        challenge: Id,
    ) -> impl Future<Output = Stored<Option<Vec<u8>>>> + Send;
    /// Uses one try before the answer is looked at. Durable.
    fn attempt_challenge(&self, now_ms: i64, home: Id, challenge: Id) -> impl Future<Output = Stored<Attempt>> + Send;
    /// Ends a challenge that was met: `First` for exactly one caller (per nonce). Durable.
    fn spend_challenge(
        &self,
        now_ms: i64,
        home: Id,
        challenge: Id,
        nonce: Id,
    ) -> impl Future<Output = Stored<Once>> + Send;

    /// Keeps a request to be resumed.
    fn park(&self, home: Id, parked: Id, sealed: Vec<u8>, expires_ms: i64) -> impl Future<Output = Stored<()>> + Send;
    /// Reads it without taking it.
    fn peek_parked(&self, now_ms: i64, home: Id, parked: Id) -> impl Future<Output = Stored<Option<Vec<u8>>>> + Send;
    /// Takes it: the body for exactly one nonce, and again for that same nonce. Durable.
    fn take_parked(
        &self,
        now_ms: i64,
        home: Id,
        parked: Id,
        nonce: Id,
    ) -> impl Future<Output = Stored<Option<Vec<u8>>>> + Send;
    /// Drops it.
    fn drop_parked(&self, home: Id, parked: Id) -> impl Future<Output = Stored<()>> + Send;

    /// Claims a one-time token (a `jti`, a recovery code, a solved puzzle). Durable.
    fn claim(
        &self,
        now_ms: i64,
        scope: &'static str,
        token: Id,
        nonce: Id,
        expires_ms: i64,
    ) -> impl Future<Output = Stored<Once>> + Send;

    /// Puts something into an account's drawer; the same id again replaces the ciphertext and keeps the counter. Durable.
    fn enrol(&self, account: Id, drawer: Drawer, id: Id, sealed: Vec<u8>) -> impl Future<Output = Stored<()>> + Send;
    /// What lies in a drawer, by id.
    fn enrolments(&self, account: Id, drawer: Drawer) -> impl Future<Output = Stored<Vec<Enrolment>>> + Send;
    /// Takes something out; whether it was there. Durable.
    fn retire(&self, account: Id, drawer: Drawer, id: Id) -> impl Future<Output = Stored<bool>> + Send;
    /// Moves a counter forward; false if it is there or further already (a replay). Durable.
    fn advance(&self, account: Id, drawer: Drawer, id: Id, to: u64) -> impl Future<Output = Stored<bool>> + Send;

    /// Adds to the revocation log. Durable, ordered. Sessions of that account, or that session, are gone when this
    /// returns, and writes that come late do not bring them back.
    fn revoke(&self, revocation: Revocation) -> impl Future<Output = Stored<LogPosition>> + Send;
    /// Adds to the same log that something holds for this target that did not before, such as a lock-out: voids nothing.
    fn announce(&self, target: Counted) -> impl Future<Output = Stored<()>> + Send;
    /// Entries after a position, oldest first, [`LOG_READ_MAX`] at most; waits up to `wait` for one. Fewer mean: current at
    /// the moment of the call.
    fn revocations_after(
        &self,
        position: LogPosition,
        wait: Duration,
    ) -> impl Future<Output = Stored<Vec<(LogPosition, Revocation)>>> + Send;

    /// The life of the log, where this process may rely on the log for what others remember in place of the store
    /// (snapshots of sessions). `None` where that gains nothing, and while entries, or what they announce, may be lost.
    fn log_life(&self) -> Option<Id>;
    /// The newest entry that this process has added: who has not read as far does not know what it said itself.
    fn log_added(&self) -> LogPosition;

    /// Whether it can do its work now.
    fn health(&self) -> impl Future<Output = Stored<()>> + Send;
}

/// How long a store may take to answer, unless the settings say otherwise (DESIGN §6).
pub const WAIT: Duration = Duration::from_millis(250);
/// For how long it is known that a session was replaced: longer than what was sent with its ticket takes to arrive.
pub const REPLACED_KNOWN_MS: i64 = 10_000;
/// How many times as long an operation may take that uses something up, or that no event waits for.
pub const PATIENCE: u32 = 10;

/// Whichever store the settings name.
pub enum AnyStore {
    /// One node: memory and a file.
    Embedded(embedded::Embedded),
    /// Many nodes.
    Redis(redis::Redis),
}
