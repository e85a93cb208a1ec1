//! The store that many nodes share: Redis or Valkey, standalone, behind Sentinels, or a Cluster.
//!
//! One round trip for everything a request needs to know. Compare-and-set is done by scripts off the hot path. Nothing
//! here retries a command that may have run; every command may run late or twice without letting anybody in.
//! What was begun in one life of a server's data is void in the next, because the writes that used it up may have been lost.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ::redis::Value;
use tokio::time::Instant;

use crate::{
    clock::Clock,
    settings,
    store::{
        Amended, Attempt, Begin, Counted, Drawer, Enrolment, Id, Kind, LogPosition, Meter, Once, REPLACED_KNOWN_MS,
        Revocation, Session, SessionRef, Shape, Standing, StateStore, Stored, Tried, Trying, carried::one_time,
    },
};

mod cargo;
mod dial;
mod fleet;
mod journal;
mod link;
mod log;
mod meters;
mod names;
mod reply;
mod scripts;
mod skew;
mod standing;
mod tries;

use fleet::{Fleet, Order};
use link::Manner;
use meters::SKEW_MS;
use names::{Key, Names};
use standing::{Kept, MARK_KEPT_MS};

/// How long the start waits for Redis.
const START_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long one step may take of a copy from one store into another.
pub(super) const COPY_WAIT: Duration = Duration::from_secs(10);
/// No key lives longer by itself: 400 days.
const TTL_MAX_MS: i64 = 400 * 24 * 3_600_000;

/// How long it is remembered that a session has ended: longer than any request takes.
const END_KEPT_MS: i64 = 3_600_000;
/// How long after a fail-over what was lost in it may still be missing.
const LIFE_SETTLES: Duration = Duration::from_secs(60);

/// Why Redis cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The settings do not say where it is.
    #[error("{0}")]
    Settings(String),
    /// It was not there when the process started.
    #[error("{0}")]
    Unreachable(String),
}

/// See the module.
pub struct Redis {
    fleet: Arc<Fleet>,
    names: Names,
    skew: Arc<skew::Skew>,
    clock: Clock,
    log: log::Reader,
    /// The newest entry that this process has added to the log.
    log_added: AtomicU64,
    /// How long any call may take.
    wait: Duration,
}

impl Redis {
    /// Connects. `clock` is the one whose moments callers give.
    ///
    /// # Errors
    /// Where it is is not said, or it cannot be used within five seconds.
    pub async fn open(settings: &settings::Redis, clock: Clock) -> Result<Redis, OpenError> {
        let names = Names::new(settings.prefix.clone());
        let skew = Arc::new(skew::Skew::default());
        let watches_clock = matches!(clock, Clock::System);
        let fleet = Fleet::new(settings, names.clone(), skew.clone(), watches_clock).map_err(OpenError::Settings)?;
        if !fleet.connected(START_WAIT_MAX).await {
            return Err(OpenError::Unreachable(fleet.trouble().unwrap_or_else(|| "Redis does not answer".into())));
        }
        let log = log::Reader::default();
        let log_added = AtomicU64::new(0);
        Ok(Redis { fleet: Arc::new(fleet), names, skew, clock, log, log_added, wait: settings.wait })
    }

    /// What is wrong with it now, in words without secrets.
    pub fn trouble(&self) -> Option<String> {
        self.fleet.trouble()
    }

    /// A caller's moment by the servers' clock.
    fn theirs(&self, ms: i64) -> i64 {
        ms.saturating_add(self.skew.add_ms())
    }

    /// How long a key lives, if what it holds ends then.
    fn ttl(&self, expires_ms: i64) -> i64 {
        expires_ms.saturating_sub(self.clock.now_ms()).saturating_add(SKEW_MS).clamp(1, TTL_MAX_MS)
    }

    /// The end of a call that looks at one place.
    fn soon(&self) -> Instant {
        Instant::now() + self.wait * 2 / 5
    }

    /// The end of a call that waits for a replica, carries a body or needs several steps.
    fn later(&self) -> Instant {
        Instant::now() + self.wait * 4 / 5
    }

    async fn swiftly(&self, order: Order) -> Stored<Value> {
        reply::next(&mut self.fleet.run(vec![order], Manner::Swift, self.soon()).await?.into_iter())
    }

    async fn beside(&self, order: Order) -> Stored<Value> {
        reply::next(&mut self.fleet.run(vec![order], Manner::Beside, self.later()).await?.into_iter())
    }

    async fn durably(&self, order: Order, until: Instant) -> Stored<Value> {
        reply::next(&mut self.fleet.run(vec![order], Manner::Durable, until).await?.into_iter())
    }

    /// Raises a moment; never lowers it. Durable.
    async fn raise(&self, key: &Key, to_ms: i64, ttl_ms: i64, until: Instant) -> Stored<()> {
        let raise = Order::script(scripts::RAISE, &[key], |cmd| cmd.arg(to_ms).arg(ttl_ms));
        self.durably(raise.kept(), until).await.map(drop)
    }

    /// Adds to the log; what it tells of holds already.
    async fn log(&self, revocation: &Revocation, until: Instant) -> Stored<LogPosition> {
        let add = log::add(&self.names, revocation).kept();
        let position = log::place(&reply::bytes(self.durably(add, until).await?)?)?;
        self.log_added.fetch_max(position, Ordering::AcqRel);
        Ok(position)
    }

    /// Removes tenths of counters that no longer count, while nobody waits.
    fn tidy(&self, stale: Vec<standing::Stale>) {
        if stale.is_empty() {
            return;
        }
        let removals = stale.iter().map(|it| Order::new(&it.key, "HDEL", |cmd| cmd.arg(&it.tenths))).collect();
        let (fleet, until) = (self.fleet.clone(), self.later());
        // What was not removed now is removed later.
        tokio::spawn(async move { drop(fleet.run(removals, Manner::Beside, until).await) });
    }
}

fn is_one(answer: &Value) -> Stored<bool> {
    Ok(reply::number(answer)? == 1)
}

/// Where an entry's counter lies, beside the entry.
fn step_field(id: &Id) -> Vec<u8> {
    [&b"n"[..], id].concat()
}

fn once(answer: &Value) -> Stored<Once> {
    Ok(if is_one(answer)? { Once::First } else { Once::Replay })
}

impl StateStore for Redis {
    async fn begin(&self, now_ms: i64, begin: Begin<'_>) -> Stored<Standing> {
        let until = if standing::is_durable(&begin) { self.later() } else { self.soon() };
        let asked = standing::read(&self.fleet, &self.names, self.theirs(now_ms), &begin, until);
        let (mut standing, stale) = asked.await?;
        self.tidy(stale);
        let add_ms = self.skew.add_ms();
        standing.locked_until_ms.iter_mut().flatten().for_each(|until_ms| *until_ms = until_ms.saturating_sub(add_ms));
        Ok(standing)
    }

    async fn refund(&self, now_ms: i64, who: Counted, meter: Meter) -> Stored<()> {
        let key = meters::key(&self.names, &who, &meter);
        let refund = match meter.shape {
            Shape::Exact { .. } | Shape::Guarded { .. } => Order::new(&key, "ZPOPMAX", |cmd| cmd),
            Shape::Buckets => {
                let oldest = meters::oldest_slot(self.theirs(now_ms), meters::window_ms(&meter));
                Order::script(scripts::REFUND, &[&key], |cmd| cmd.arg(oldest))
            }
            // A value seen stays seen.
            Shape::Distinct => return Ok(()),
        };
        self.swiftly(refund).await.map(drop)
    }

    async fn count_try(&self, now_ms: i64, trying: Trying<'_>) -> Stored<Tried> {
        self.count(now_ms, &trying).await
    }

    async fn forgive_try(&self, now_ms: i64, trying: Trying<'_>, slips_max: u64) -> Stored<()> {
        self.forgive(now_ms, &trying, slips_max).await.map(drop)
    }

    async fn lock(&self, who: Counted, until_ms: i64) -> Stored<()> {
        let key = self.names.lock(&who);
        self.raise(&key, self.theirs(until_ms), self.ttl(until_ms), self.later()).await
    }

    async fn unlock(&self, who: Counted) -> Stored<()> {
        let (key, until) = (self.names.lock(&who), self.later());
        let seen = self.swiftly(Order::get(&key)).await?;
        let Some(seen) = reply::maybe_bytes(seen)? else { return Ok(()) };
        let remove = Order::script(scripts::REMOVE_SEEN, &[&key], |cmd| cmd.arg(seen));
        self.durably(remove.kept(), until).await.map(drop)
    }

    async fn establish(
        &self,
        now_ms: i64,
        replaces: Option<SessionRef>,
        session: SessionRef,
        sealed: Vec<u8>,
        expires_ms: i64,
    ) -> Stored<bool> {
        let until = self.later();
        let begun_ms = self.theirs(now_ms);
        let kept = Kept { begun_ms, expires_ms: self.theirs(expires_ms), session: Session { version: 1, sealed } };
        let key = self.names.session(&session);
        // Run twice or late, it must not undo a change made since.
        let write = Order::new(&key, "SET", |cmd| cmd.arg(kept.write()).arg("NX").arg("PX").arg(self.ttl(expires_ms)));
        let mut orders = vec![write];
        let old = replaces.filter(|old| *old != session);
        orders.extend(old.map(|old| {
            let replaced = Kept::replaced(begun_ms.saturating_add(REPLACED_KNOWN_MS)).write();
            Order::new(&self.names.session(&old), "SET", |cmd| cmd.arg(replaced).arg("PX").arg(REPLACED_KNOWN_MS))
        }));
        let written = orders.len();
        let counted = |of: SessionRef| Counted { kind: Kind::Session, id: of.id };
        let locks: Vec<_> = old.iter().map(|old| Order::get(&self.names.lock(&counted(*old)))).collect();
        let sessions: Vec<_> = replaces.into_iter().chain([session]).collect();
        let marks = sessions.iter().flat_map(|it| standing::marks(&self.names, it));
        let reads = locks.into_iter().chain(marks.map(|mark| Order::get(&mark)));
        // Looked at after it was written, and before anybody has its ticket: a revocation is seen here or came later. One
        // server does what it is told in its order, so that one trip is enough; several are waited for.
        let mut found = match self.fleet.is_one() {
            true => {
                orders.extend(reads);
                self.fleet.run(orders, Manner::Swift, until).await?.split_off(written)
            }
            false => {
                self.fleet.run(orders, Manner::Swift, until).await?;
                self.fleet.run(reads.collect(), Manner::Swift, until).await?
            }
        }
        .into_iter();
        if old.is_some()
            && let Some(until_ms) = reply::maybe_number(&reply::next(&mut found)?)?.filter(|it| *it > begun_ms)
        {
            let expires_ms = until_ms.saturating_sub(self.skew.add_ms());
            self.raise(&self.names.lock(&counted(session)), until_ms, self.ttl(expires_ms), until).await?;
        }
        for mark in found {
            if reply::maybe_number(&mark)?.is_some_and(|before_ms| begun_ms <= before_ms) {
                self.fleet.run(vec![Order::unlink(&key)], Manner::Swift, until).await?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn amend(
        &self,
        now_ms: i64,
        session: SessionRef,
        seen: u64,
        sealed: Vec<u8>,
        expires_ms: i64,
    ) -> Stored<Amended> {
        let key = self.names.session(&session);
        let (now_ms, next) = (self.theirs(now_ms), seen.saturating_add(1));
        let amend = Order::script(scripts::AMEND, &[&key], |cmd| {
            cmd.arg(now_ms).arg(&seen.to_be_bytes()).arg(&next.to_be_bytes());
            cmd.arg(&self.theirs(expires_ms).to_be_bytes()).arg(sealed).arg(self.ttl(expires_ms))
        });
        let head = Order::new(&key, "GETRANGE", |cmd| cmd.arg(0).arg(standing::HEAD_BYTES - 1));
        let mut orders = vec![amend, head];
        orders.extend(standing::marks(&self.names, &session).iter().map(Order::get));
        let mut answers = self.fleet.run(orders, Manner::Swift, self.soon()).await?.into_iter();
        let (amended, head) = (reply::next(&mut answers)?, reply::bytes(reply::next(&mut answers)?)?);
        if head.is_empty() {
            return Ok(Amended::Stale(None));
        }
        let begun_ms = Kept::read(head)?.begun_ms;
        for mark in answers {
            // What was written is void all the same, for the moment it began is still in it.
            if reply::maybe_number(&mark)?.is_some_and(|before_ms| begun_ms <= before_ms) {
                return Ok(Amended::Stale(None));
            }
        }
        match amended {
            Value::Int(_) => Ok(Amended::Done(next)),
            other => match reply::maybe_bytes(other)? {
                Some(there) => Ok(Amended::Stale(Kept::read(there)?.live(now_ms, i64::MIN))),
                None => Ok(Amended::Stale(None)),
            },
        }
    }

    async fn end(&self, session: SessionRef) -> Stored<()> {
        let until = self.later();
        let target = Counted { kind: Kind::Session, id: session.id };
        let now_ms = self.clock.now_ms();
        // Nothing that began before the mark is forgotten takes its place, and what comes later does not find it.
        let over_ms = self.theirs(now_ms.saturating_add(END_KEPT_MS));
        let mark = Order::script(scripts::RAISE, &[&self.names.mark(&target)], |cmd| {
            cmd.arg(over_ms).arg(END_KEPT_MS + SKEW_MS)
        });
        let orders = vec![mark.kept(), Order::unlink(&self.names.session(&session)).kept()];
        self.fleet.run(orders, Manner::Durable, until).await?;
        self.log(&Revocation::announcement(target), until).await.map(drop)
    }

    async fn issue_challenge(
        &self,
        home: Id,
        challenge: Id,
        attempts: u32,
        sealed: Vec<u8>,
        expires_ms: i64,
    ) -> Stored<()> {
        let issue = Order::script(scripts::ISSUE, &[&self.names.challenge(&home, &challenge)], |cmd| {
            cmd.arg(attempts).arg(self.theirs(expires_ms)).arg(sealed).arg(self.ttl(expires_ms))
        });
        self.swiftly(issue).await.map(drop)
    }

    async fn peek_challenge(&self, now_ms: i64, home: Id, challenge: Id) -> Stored<Option<Vec<u8>>> {
        let key = self.names.challenge(&home, &challenge);
        let peek = Order::script(scripts::PEEK, &[&key], |cmd| cmd.arg(self.theirs(now_ms)));
        reply::maybe_bytes(self.swiftly(peek).await?)
    }

    async fn attempt_challenge(&self, now_ms: i64, home: Id, challenge: Id) -> Stored<Attempt> {
        let key = self.names.challenge(&home, &challenge);
        let attempt = Order::script(scripts::ATTEMPT, &[&key], |cmd| cmd.arg(self.theirs(now_ms)));
        match self.durably(attempt, self.later()).await? {
            Value::Nil => Ok(Attempt::Gone),
            Value::Int(_) => Ok(Attempt::Exhausted),
            granted => {
                let mut granted = reply::list(granted)?.into_iter();
                let left = reply::number(&reply::next(&mut granted)?)?;
                let left = u32::try_from(left).map_err(|_| reply::odd("how many tries are left"))?;
                Ok(Attempt::Granted { left, sealed: reply::bytes(reply::next(&mut granted)?)? })
            }
        }
    }

    async fn spend_challenge(&self, now_ms: i64, home: Id, challenge: Id, nonce: Id) -> Stored<Once> {
        let key = self.names.challenge(&home, &challenge);
        let spend = Order::script(scripts::SPEND, &[&key], |cmd| cmd.arg(self.theirs(now_ms)).arg(&nonce));
        once(&self.durably(spend, self.later()).await?)
    }

    async fn park(&self, home: Id, parked: Id, sealed: Vec<u8>, expires_ms: i64) -> Stored<()> {
        let park = Order::script(scripts::PARK, &[&self.names.parked(&home, &parked)], |cmd| {
            cmd.arg(self.theirs(expires_ms)).arg(sealed).arg(self.ttl(expires_ms))
        });
        self.durably(park, self.later()).await.map(drop)
    }

    async fn peek_parked(&self, now_ms: i64, home: Id, parked: Id) -> Stored<Option<Vec<u8>>> {
        let key = self.names.parked(&home, &parked);
        let peek = Order::script(scripts::PEEK, &[&key], |cmd| cmd.arg(self.theirs(now_ms)));
        reply::maybe_bytes(self.beside(peek).await?)
    }

    async fn take_parked(&self, now_ms: i64, home: Id, parked: Id, nonce: Id) -> Stored<Option<Vec<u8>>> {
        let key = self.names.parked(&home, &parked);
        let take = Order::script(scripts::TAKE, &[&key], |cmd| cmd.arg(self.theirs(now_ms)).arg(&nonce));
        reply::maybe_bytes(self.durably(take, self.later()).await?)
    }

    async fn drop_parked(&self, home: Id, parked: Id) -> Stored<()> {
        let dropped = Order::script(scripts::DROP, &[&self.names.parked(&home, &parked)], |cmd| cmd);
        self.swiftly(dropped).await.map(drop)
    }

    async fn claim(&self, now_ms: i64, scope: &'static str, token: Id, nonce: Id, expires_ms: i64) -> Stored<Once> {
        let claim = Order::script(scripts::CLAIM, &[&self.names.claimed(&one_time(scope, &token))], |cmd| {
            cmd.arg(self.theirs(now_ms)).arg(&nonce).arg(self.theirs(expires_ms)).arg(self.ttl(expires_ms))
        });
        once(&self.durably(claim.kept(), self.later()).await?)
    }

    async fn enrol(&self, account: Id, drawer: Drawer, id: Id, sealed: Vec<u8>) -> Stored<()> {
        let put = Order::new(&self.names.drawer(&account, drawer), "HSET", |cmd| cmd.arg(&id).arg(sealed));
        self.durably(put, self.later()).await.map(drop)
    }

    async fn enrolments(&self, account: Id, drawer: Drawer) -> Stored<Vec<Enrolment>> {
        let all = Order::new(&self.names.drawer(&account, drawer), "HGETALL", |cmd| cmd);
        let (mut enrolments, mut steps) = (Vec::new(), BTreeMap::new());
        for (field, value) in reply::pairs(self.swiftly(all).await?)? {
            let field = reply::bytes(field)?;
            match (<Id>::try_from(&field[..]), field.split_first_chunk::<1>()) {
                (Ok(id), _) => enrolments.push(Enrolment { id, counter: 0, sealed: reply::bytes(value)? }),
                (Err(_), Some((b"n", id))) => drop(steps.insert(id.to_vec(), reply::number(&value)?.unsigned_abs())),
                (Err(_), _) => return Err(reply::odd("an entry of a drawer")),
            }
        }
        for enrolment in &mut enrolments {
            enrolment.counter = steps.get(&enrolment.id[..]).copied().unwrap_or(0);
        }
        enrolments.sort_unstable_by_key(|it| it.id);
        Ok(enrolments)
    }

    async fn retire(&self, account: Id, drawer: Drawer, id: Id) -> Stored<bool> {
        let key = self.names.drawer(&account, drawer);
        let removal = Order::new(&key, "HDEL", |cmd| cmd.arg(&id).arg(step_field(&id))).kept();
        Ok(reply::number(&self.durably(removal, self.later()).await?)? > 0)
    }

    async fn advance(&self, account: Id, drawer: Drawer, id: Id, to: u64) -> Stored<bool> {
        let advance = Order::script(scripts::ADVANCE, &[&self.names.drawer(&account, drawer)], |cmd| {
            cmd.arg(&id).arg(step_field(&id)).arg(format!("{to:020}"))
        });
        is_one(&self.durably(advance.kept(), self.later()).await?)
    }

    async fn revoke(&self, revocation: Revocation) -> Stored<LogPosition> {
        let until = self.later();
        let Revocation { target, before_ms } = revocation;
        let before_ms = self.theirs(before_ms);
        match target.kind {
            // The mark first: when the log tells of it, it holds.
            Kind::Account | Kind::Session => {
                self.raise(&self.names.mark(&target), before_ms, MARK_KEPT_MS + SKEW_MS, until).await?;
            }
            // These are no part of a session's name: their callers read the revocation log.
            Kind::Ip | Kind::Device | Kind::Pair => {}
        }
        self.log(&Revocation { target, before_ms }, until).await
    }

    async fn announce(&self, target: Counted) -> Stored<()> {
        self.log(&Revocation::announcement(target), self.later()).await.map(drop)
    }

    async fn revocations_after(&self, position: LogPosition, wait: Duration) -> Stored<Vec<(LogPosition, Revocation)>> {
        let mut entries = self.log.after(&self.fleet, &self.names, position, wait, self.later()).await?;
        let add_ms = self.skew.add_ms();
        entries.iter_mut().for_each(|(_, it)| it.before_ms = it.before_ms.saturating_sub(add_ms));
        Ok(entries)
    }

    /// A fail-over may lose entries, and marks and lock-outs that entries told of; whoever wrote them writes them again as
    /// soon as it is connected. Until they have, nobody relies on the log.
    fn log_life(&self) -> Option<Id> {
        self.fleet.life(self.names.log().slot, LIFE_SETTLES)
    }

    fn log_added(&self) -> LogPosition {
        self.log_added.load(Ordering::Acquire)
    }

    async fn health(&self) -> Stored<()> {
        self.fleet.health()
    }
}
