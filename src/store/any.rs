//! Whichever store the settings name, behind one type: async functions in a trait do not make trait objects.

use std::time::Duration;

use crate::{
    clock::Clock,
    settings,
    store::{
        Amended, AnyStore, Attempt, Begin, Counted, Drawer, Enrolment, Id, LogPosition, Meter, Once, Revocation,
        SessionRef, Standing, StateStore, Stored, Tried, Trying,
        embedded::{self, Embedded},
        redis::{self, Redis},
    },
};

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The state folder cannot be used.
    #[error(transparent)]
    Embedded(#[from] embedded::disk::OpenError),
    /// Redis cannot be used.
    #[error(transparent)]
    Redis(#[from] redis::OpenError),
}

impl AnyStore {
    /// The store that the settings name.
    ///
    /// # Errors
    /// It cannot be used.
    pub async fn open(state: &settings::State, clock: &Clock) -> Result<AnyStore, OpenError> {
        Ok(match (&state.redis, &state.path) {
            (Some(redis), _) => AnyStore::Redis(Redis::open(redis, clock.clone()).await?),
            (None, Some(folder)) => AnyStore::Embedded(Embedded::open(folder)?),
            (None, None) => AnyStore::Embedded(Embedded::in_memory()?),
        })
    }

    /// From now on it answers within that time.
    pub fn answer_within(&self, wait: Duration) {
        match self {
            AnyStore::Embedded(store) => store.answer_within(wait),
            // It always does: its settings say so.
            AnyStore::Redis(_) => {}
        }
    }

    /// Everything that is kept, at one moment, to be read out while it works on; `None` where it is not in a file of ours.
    ///
    /// # Errors
    /// The disk takes nothing.
    pub async fn snapshot(&self) -> Stored<Option<embedded::unload::Snapshot>> {
        match self {
            AnyStore::Embedded(store) => store.snapshot().await,
            AnyStore::Redis(_) => Ok(None),
        }
    }

    /// Why it cannot do its work now, in words for an operator, where it can tell.
    pub fn trouble(&self) -> Option<String> {
        match self {
            AnyStore::Embedded(_) => None,
            AnyStore::Redis(store) => store.trouble(),
        }
    }

    /// Writes what is left and refuses whatever comes later; the last thing a process does. Blocks until it is done.
    pub fn shut(&self) {
        match self {
            AnyStore::Embedded(store) => store.shut(),
            // Nothing waits here to be written.
            AnyStore::Redis(_) => {}
        }
    }
}

/// Passes a call on to the store that is there.
macro_rules! pass {
    ($self:ident . $call:ident ( $($argument:expr),* )) => {
        match $self {
            AnyStore::Embedded(store) => store.$call($($argument),*).await,
            AnyStore::Redis(store) => store.$call($($argument),*).await,
        }
    };
}

impl StateStore for AnyStore {
    async fn begin(&self, now_ms: i64, begin: Begin<'_>) -> Stored<Standing> {
        pass!(self.begin(now_ms, begin))
    }

    async fn refund(&self, now_ms: i64, who: Counted, meter: Meter) -> Stored<()> {
        pass!(self.refund(now_ms, who, meter))
    }

    async fn lock(&self, who: Counted, until_ms: i64) -> Stored<()> {
        pass!(self.lock(who, until_ms))
    }

    async fn unlock(&self, who: Counted) -> Stored<()> {
        pass!(self.unlock(who))
    }

    async fn count_try(&self, now_ms: i64, trying: Trying<'_>) -> Stored<Tried> {
        pass!(self.count_try(now_ms, trying))
    }

    async fn forgive_try(&self, now_ms: i64, trying: Trying<'_>, slips_max: u64) -> Stored<()> {
        pass!(self.forgive_try(now_ms, trying, slips_max))
    }

    async fn establish(
        &self,
        now_ms: i64,
        replaces: Option<SessionRef>,
        session: SessionRef,
        sealed: Vec<u8>,
        expires_ms: i64,
    ) -> Stored<bool> {
        pass!(self.establish(now_ms, replaces, session, sealed, expires_ms))
    }

    async fn amend(
        &self,
        now_ms: i64,
        session: SessionRef,
        seen: u64,
        sealed: Vec<u8>,
        expires_ms: i64,
    ) -> Stored<Amended> {
        pass!(self.amend(now_ms, session, seen, sealed, expires_ms))
    }

    async fn end(&self, session: SessionRef) -> Stored<()> {
        pass!(self.end(session))
    }

    async fn issue_challenge(
        &self,
        home: Id,
        challenge: Id,
        attempts: u32,
        sealed: Vec<u8>,
        expires_ms: i64,
    ) -> Stored<()> {
        pass!(self.issue_challenge(home, challenge, attempts, sealed, expires_ms))
    }

    async fn peek_challenge(&self, now_ms: i64, home: Id, challenge: Id) -> Stored<Option<Vec<u8>>> {
        pass!(self.peek_challenge(now_ms, home, challenge))
    }

    async fn attempt_challenge(&self, now_ms: i64, home: Id, challenge: Id) -> Stored<Attempt> {
        pass!(self.attempt_challenge(now_ms, home, challenge))
    }

    async fn spend_challenge(&self, now_ms: i64, home: Id, challenge: Id, nonce: Id) -> Stored<Once> {
        pass!(self.spend_challenge(now_ms, home, challenge, nonce))
    }

    async fn park(&self, home: Id, parked: Id, sealed: Vec<u8>, expires_ms: i64) -> Stored<()> {
        pass!(self.park(home, parked, sealed, expires_ms))
    }

    async fn peek_parked(&self, now_ms: i64, home: Id, parked: Id) -> Stored<Option<Vec<u8>>> {
        pass!(self.peek_parked(now_ms, home, parked))
    }

    async fn take_parked(&self, now_ms: i64, home: Id, parked: Id, nonce: Id) -> Stored<Option<Vec<u8>>> {
        pass!(self.take_parked(now_ms, home, parked, nonce))
    }

    async fn drop_parked(&self, home: Id, parked: Id) -> Stored<()> {
        pass!(self.drop_parked(home, parked))
    }

    async fn claim(&self, now_ms: i64, scope: &'static str, token: Id, nonce: Id, expires_ms: i64) -> Stored<Once> {
        pass!(self.claim(now_ms, scope, token, nonce, expires_ms))
    }

    async fn enrol(&self, account: Id, drawer: Drawer, id: Id, sealed: Vec<u8>) -> Stored<()> {
        pass!(self.enrol(account, drawer, id, sealed))
    }

    async fn enrolments(&self, account: Id, drawer: Drawer) -> Stored<Vec<Enrolment>> {
        pass!(self.enrolments(account, drawer))
    }

    async fn retire(&self, account: Id, drawer: Drawer, id: Id) -> Stored<bool> {
        pass!(self.retire(account, drawer, id))
    }

    async fn advance(&self, account: Id, drawer: Drawer, id: Id, to: u64) -> Stored<bool> {
        pass!(self.advance(account, drawer, id, to))
    }

    async fn revoke(&self, revocation: Revocation) -> Stored<LogPosition> {
        pass!(self.revoke(revocation))
    }

    async fn announce(&self, target: Counted) -> Stored<()> {
        pass!(self.announce(target))
    }

    async fn revocations_after(&self, position: LogPosition, wait: Duration) -> Stored<Vec<(LogPosition, Revocation)>> {
        pass!(self.revocations_after(position, wait))
    }

    fn log_life(&self) -> Option<Id> {
        match self {
            AnyStore::Embedded(store) => store.log_life(),
            AnyStore::Redis(store) => store.log_life(),
        }
    }

    fn log_added(&self) -> LogPosition {
        match self {
            AnyStore::Embedded(store) => store.log_added(),
            AnyStore::Redis(store) => store.log_added(),
        }
    }

    async fn health(&self) -> Stored<()> {
        pass!(self.health())
    }
}
