//! The guarded connection to one server: a hard deadline for every call, a breaker, and one that dials again.
//!
//! A call on a link that is down is `Unavailable` at once and nothing is sent; a call that got no answer in time is
//! `Indeterminate`, because it may still run. Three misses one after another, a dropped connection or a server that
//! refuses to write open the breaker; a fresh connection closes it, after the server has said who it is and has written.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use ::redis::{Pipeline, Value, aio::MultiplexedConnection};
use arc_swap::ArcSwapOption;
use pingora::time::fast_timeout;
use sha2::{Digest, Sha256};
use tokio::{
    sync::{Notify, watch},
    task::AbortHandle,
    time::{Instant, sleep, timeout, timeout_at},
};

use crate::store::{
    Id, StateError, Stored,
    redis::{
        dial::{self, Address, Dialer},
        journal::Journal,
        names::Key,
        reply, scripts,
        skew::Skew,
    },
};

/// How often a server is asked who it is.
const BEAT_EVERY: Duration = Duration::from_millis(500);
/// The pause between two tries to connect, and how long it may grow.
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(250);
/// How many misses, each begun after the last, open the breaker.
const MISSES_MAX: u32 = 3;
/// Connections for what waits for a replica, or is large: it must not hold up the rest.
const SIDE_CONNECTIONS: usize = 4;
/// How many commands are written again at once.
const WRITTEN_AGAIN: usize = 500;
/// For how long counters are read strictly after a fail-over (`security.md` §5 R6).
const STRICT_FOR: Duration = Duration::from_secs(15 * 60);

/// Where a link leads.
pub(super) enum Way {
    /// To this server.
    At(Address),
    /// To whichever server these Sentinels say is the master of this name.
    Master {
        /// The Sentinels.
        sentinels: Vec<Address>,
        /// The master's name.
        name: Arc<str>,
    },
}

/// Whether a link can be used.
#[derive(Clone)]
pub(super) enum State {
    /// It can.
    Up(Arc<Up>),
    /// It cannot, for this reason.
    Down(Arc<str>),
}

/// A connected server.
pub(super) struct Up {
    pub(super) address: Address,
    main: MultiplexedConnection,
    side: Vec<MultiplexedConnection>,
    next_side: AtomicUsize,
    has_replicas: AtomicBool,
    /// When hits may have been lost, if they may have been.
    shaken: Option<Instant>,
    life: String,
}

/// How a pipeline is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// With everything else.
    Swift,
    /// Beside it, for it may take long.
    Beside,
    /// Beside it, and a replica has it before it is answered, if there is one.
    Durable,
}

/// See the module.
pub(super) struct Link {
    inner: Arc<Inner>,
    keeper: AbortHandle,
}

struct Inner {
    way: Way,
    dialer: Arc<Dialer>,
    journal: Arc<Journal>,
    /// The life of the data that was last seen.
    last_life: Mutex<Option<String>>,
    /// Where the server keeps which life of its data it is in; nowhere while none of its slots is known.
    epoch: ArcSwapOption<Key>,
    skew: Option<Arc<Skew>>,
    state: watch::Sender<State>,
    wake: Notify,
    misses: AtomicU32,
    born: Instant,
    last_counted_us: AtomicU64,
    has_seen_data: AtomicBool,
    beat_wait: Duration,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link(..)")
    }
}

impl Link {
    /// A link that is being connected. `epoch` is where the server keeps which life of its data it is in.
    pub(super) fn new(
        way: Way,
        dialer: Arc<Dialer>,
        journal: Arc<Journal>,
        epoch: Option<Key>,
        skew: Option<Arc<Skew>>,
        beat_wait: Duration,
    ) -> Link {
        let inner = Arc::new(Inner {
            way,
            dialer,
            journal,
            last_life: Mutex::default(),
            epoch: ArcSwapOption::new(epoch.map(Arc::new)),
            skew,
            state: watch::Sender::new(State::Down("is not connected yet".into())),
            wake: Notify::new(),
            misses: AtomicU32::new(0),
            born: Instant::now(),
            last_counted_us: AtomicU64::new(0),
            has_seen_data: AtomicBool::new(false),
            beat_wait,
        });
        let keeper = tokio::spawn(keep(inner.clone())).abort_handle();
        Link { inner, keeper }
    }

    /// Another place for the epoch, if the server no longer has the slot of the one there is.
    pub(super) fn keep_epoch(&self, has: &dyn Fn(u16) -> bool, fresh: impl FnOnce() -> Key) {
        let is_kept = self.inner.epoch.load().as_ref().is_some_and(|key| has(key.slot));
        if !is_kept {
            self.inner.epoch.store(Some(Arc::new(fresh())));
        }
    }

    /// The connected server, if it is.
    pub(super) fn up(&self) -> Option<Arc<Up>> {
        match &*self.inner.state.borrow() {
            State::Up(up) => Some(up.clone()),
            State::Down(_) => None,
        }
    }

    /// Why it cannot be used, if it cannot.
    pub(super) fn trouble(&self) -> Option<String> {
        let why = match &*self.inner.state.borrow() {
            State::Up(_) => return None,
            State::Down(why) => why.clone(),
        };
        Some(match &self.inner.way {
            Way::At(address) => format!("Redis at {address} {why}"),
            Way::Master { name, .. } => format!("Redis master `{name}` {why}"),
        })
    }

    /// Waits until it can be used, or until then.
    pub(super) async fn connected(&self, until: Instant) -> bool {
        let mut state = self.inner.state.subscribe();
        matches!(timeout_at(until, state.wait_for(|it| matches!(it, State::Up(_)))).await, Ok(Ok(_)))
    }

    /// Sends a pipeline; the answers in its order, errors of the server among them.
    pub(super) async fn send(&self, pipeline: &mut Pipeline, manner: Manner, until: Instant) -> Stored<Vec<Value>> {
        let up = self.up().ok_or(StateError::Unavailable)?;
        let waits = manner == Manner::Durable && up.has_replicas.load(Ordering::Relaxed);
        if waits {
            // Answered 20 ms before we give up, so that too few replicas are told from no answer.
            let wait = patience(until).saturating_sub(Duration::from_millis(20));
            pipeline.cmd("WAIT").arg(1).arg(wait.as_millis().max(1) as u64);
        }
        let mut connection = up.connection(manner);
        let began = Instant::now();
        let sent =
            fast_timeout::fast_timeout(patience(until), connection.send_packed_commands(pipeline, 0, pipeline.len()));
        let mut answers = match sent.await {
            Ok(Ok(answers)) => answers,
            Ok(Err(error)) => {
                self.inner.lose(&up, dial::told(&error).into());
                return Err(StateError::Indeterminate);
            }
            Err(_) => {
                self.inner.missed(&up, began);
                return Err(StateError::Indeterminate);
            }
        };
        self.inner.misses.store(0, Ordering::Relaxed);
        if waits && reply::number(&answers.pop().ok_or_else(|| reply::odd("an answer"))?)? < 1 {
            return Err(StateError::Indeterminate);
        }
        Ok(answers)
    }

    /// The server said that it cannot do its work: nothing more is sent until it can.
    pub(super) fn refused(&self, code: &str) {
        if let Some(up) = self.up() {
            self.inner.lose(&up, dial::refusal(code).into());
        }
    }

    /// Another connection to the same server, for calls that block.
    pub(super) async fn another(&self, up: &Up) -> Stored<MultiplexedConnection> {
        self.inner.dialer.connect(&up.address).await.map_err(|_| StateError::Unavailable)
    }
}

/// How long to wait for an answer that is due then. Pingora's timer is late by two of its ticks at most, and costs less than
/// the runtime's, which writes to its own wake-up descriptor for every timer that ends before all others: once an event.
fn patience(until: Instant) -> Duration {
    until
        .saturating_duration_since(Instant::now())
        .saturating_sub(Duration::from_millis(20))
        .max(Duration::from_millis(1))
}

impl Up {
    fn connection(&self, manner: Manner) -> MultiplexedConnection {
        match manner {
            Manner::Swift => self.main.clone(),
            Manner::Beside | Manner::Durable => {
                let next = self.next_side.fetch_add(1, Ordering::Relaxed);
                self.side.get(next % SIDE_CONNECTIONS).unwrap_or(&self.main).clone()
            }
        }
    }

    /// The life of the server's data, as a number.
    pub(super) fn life(&self) -> Id {
        let digest = Sha256::digest(self.life.as_bytes());
        digest.first_chunk().copied().unwrap_or_default()
    }

    /// Whether hits within that window may have been lost in a fail-over.
    pub(super) fn may_have_lost(&self, window: Duration) -> bool {
        self.shaken.is_some_and(|at| at.elapsed() < window.min(STRICT_FOR))
    }
}

impl Inner {
    /// Opens the breaker, unless another connection is in use by now.
    fn lose(&self, lost: &Arc<Up>, why: Arc<str>) {
        let lost_now = self.state.send_if_modified(|state| match state {
            State::Up(up) if Arc::ptr_eq(up, lost) => {
                *state = State::Down(why.clone());
                true
            }
            State::Up(_) | State::Down(_) => false,
        });
        if lost_now {
            tracing::warn!(server = %lost.address, reason = %why, "lost the state store");
            self.wake.notify_one();
        }
    }

    /// Counts a call without an answer, if it began after the last one that counted.
    fn missed(&self, up: &Arc<Up>, began: Instant) {
        let us = |at: Instant| u64::try_from(at.duration_since(self.born).as_micros()).unwrap_or(u64::MAX);
        let last = self.last_counted_us.load(Ordering::Acquire);
        let counts = us(began) > last
            && self
                .last_counted_us
                .compare_exchange(last, us(Instant::now()), Ordering::AcqRel, Ordering::Relaxed)
                .is_ok();
        if counts && self.misses.fetch_add(1, Ordering::AcqRel) + 1 >= MISSES_MAX {
            self.lose(up, "does not answer in time".into());
        }
    }

    async fn find(&self) -> Result<Address, String> {
        let (sentinels, name) = match &self.way {
            Way::At(address) => return Ok(address.clone()),
            Way::Master { sentinels, name } => (sentinels, name),
        };
        let mut why = String::new();
        for sentinel in sentinels {
            match self.ask(sentinel, name).await {
                Ok(address) => return Ok(address),
                Err(trouble) => why = format!("is not known to its Sentinels: {sentinel} {trouble}"),
            }
        }
        Err(why)
    }

    async fn ask(&self, sentinel: &Address, name: &str) -> Result<Address, String> {
        let mut connection = self.dialer.sentinel(sentinel).await?;
        let mut pipeline = ::redis::pipe();
        pipeline.cmd("SENTINEL").arg("get-master-addr-by-name").arg(name);
        let asked = timeout(self.beat_wait, connection.send_packed_commands(&pipeline, 0, 1)).await;
        let answers = asked.map_err(|_| "does not answer in time")?.map_err(|error| dial::told(&error))?;
        let parts = answers.into_iter().next().and_then(|it| reply::list(it).ok()).unwrap_or_default();
        let text = |value: &Value| match value {
            Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
            _ => None,
        };
        match &parts[..] {
            [host, port] => {
                let port = reply::number(port).ok().and_then(|port| u16::try_from(port).ok());
                let named = text(host).zip(port).map(|(host, port)| Address { host: host.into(), port });
                named.ok_or_else(|| "names no address".into())
            }
            _ => Err("does not know the master".into()),
        }
    }

    async fn dial(&self) -> Result<Up, String> {
        let address = self.find().await?;
        let main = self.dialer.connect(&address).await?;
        let who = self.who(&main).await?;
        let mut side = Vec::with_capacity(SIDE_CONNECTIONS);
        for _ in 0..SIDE_CONNECTIONS {
            side.push(self.dialer.connect(&address).await?);
        }
        let last = self.last_life.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // A server of a cluster that is new here may have taken over from another one.
        if last.as_ref() != Some(&who.life) {
            self.write_again(&main).await?;
        }
        *self.last_life.lock().unwrap_or_else(PoisonError::into_inner) = Some(who.life.clone());
        self.has_seen_data.store(true, Ordering::Release);
        let shaken = who.shaken_for.and_then(|ago| Instant::now().checked_sub(ago));
        if shaken.is_some_and(|at| at.elapsed() < STRICT_FOR) {
            tracing::warn!(server = %address, "the state store is in a new life: challenges begun before are void, counters are strict for {} minutes", STRICT_FOR.as_secs() / 60);
        }
        let has_replicas = AtomicBool::new(who.replicas > 0);
        Ok(Up { address, main, side, next_side: AtomicUsize::new(0), has_replicas, shaken, life: who.life })
    }

    /// What this process has written durably of late is written again, before anybody reads.
    async fn write_again(&self, connection: &MultiplexedConnection) -> Result<(), String> {
        let mut connection = connection.clone();
        for commands in self.journal.recent().chunks(WRITTEN_AGAIN) {
            let mut pipeline = Pipeline::with_capacity(commands.len());
            for command in commands {
                pipeline.add_command(command.clone());
            }
            let written = timeout(self.beat_wait, connection.send_packed_commands(&pipeline, 0, commands.len())).await;
            // What lies elsewhere in a cluster is refused by this server, and is written there.
            written.map_err(|_| "does not answer in time")?.map_err(|error| dial::told(&error))?;
        }
        Ok(())
    }

    async fn who(&self, connection: &MultiplexedConnection) -> Result<Who, String> {
        let mut connection = connection.clone();
        let mut pipeline = ::redis::pipe();
        let seen = u8::from(self.has_seen_data.load(Ordering::Acquire));
        match &*self.epoch.load() {
            Some(key) => pipeline.cmd("EVAL").arg(scripts::WHO).arg(1).arg(&key.name).arg(seen),
            None => pipeline.cmd("EVAL").arg(scripts::WHO).arg(0),
        };
        let asked = timeout(self.beat_wait, connection.send_packed_commands(&pipeline, 0, 1)).await;
        let answers = asked.map_err(|_| "does not answer in time")?.map_err(|error| dial::told(&error))?;
        match answers.into_iter().next() {
            Some(Value::ServerError(error)) => Err(dial::refusal(error.code())),
            Some(answer) => {
                let who = Who::read(answer).map_err(|error| error.to_string())?;
                self.skew.iter().for_each(|skew| skew.learn(who.now_ms));
                Ok(who)
            }
            None => Err("gives no answer".into()),
        }
    }

    /// Whether the server is still who it was, and can still write.
    async fn beat(&self, up: &Arc<Up>) -> Result<(), String> {
        let who = self.who(&up.main).await?;
        if who.life != up.life {
            return Err("has begun a new life".into());
        }
        up.has_replicas.store(who.replicas > 0, Ordering::Relaxed);
        match &self.way {
            Way::At(_) => Ok(()),
            // A master that its Sentinels have given up may still answer.
            Way::Master { .. } => match self.find().await {
                Ok(address) if address == up.address => Ok(()),
                Ok(_) => Err("has moved".into()),
                // Sentinels that are gone take nothing away from a master that is there.
                Err(_) => Ok(()),
            },
        }
    }
}

/// What a server says of itself.
struct Who {
    life: String,
    /// How long ago its data began this life, if there was one before.
    shaken_for: Option<Duration>,
    replicas: i64,
    now_ms: i64,
}

impl Who {
    fn read(answer: Value) -> Stored<Who> {
        let parts = reply::list(answer)?;
        let [life, since, replicas, now] = &parts[..] else { return Err(reply::odd("who it is")) };
        let Value::BulkString(life) = life else { return Err(reply::odd("its life")) };
        let (since_ms, now_ms) = (reply::number(since)?, reply::number(now)?);
        let ago_ms = u64::try_from(now_ms.saturating_sub(since_ms)).unwrap_or(0);
        Ok(Who {
            life: String::from_utf8_lossy(life).into_owned(),
            shaken_for: (since_ms > 0).then(|| Duration::from_millis(ago_ms)),
            replicas: reply::number(replicas)?,
            now_ms,
        })
    }
}

/// Connects, looks twice a second whether the server is well, and connects again when it is not.
async fn keep(inner: Arc<Inner>) {
    let mut pause = PAUSE;
    loop {
        let up = match &*inner.state.borrow() {
            State::Up(up) => Some(up.clone()),
            State::Down(_) => None,
        };
        match up {
            Some(up) => {
                // Woken early, it has been lost.
                let _ = timeout(BEAT_EVERY, inner.wake.notified()).await;
                if let Err(why) = inner.beat(&up).await {
                    inner.lose(&up, why.into());
                }
            }
            None => match inner.dial().await {
                Ok(up) => {
                    pause = PAUSE;
                    inner.misses.store(0, Ordering::Relaxed);
                    tracing::info!(server = %up.address, "connected to the state store");
                    inner.state.send_replace(State::Up(Arc::new(up)));
                }
                Err(why) => {
                    inner.state.send_replace(State::Down(why.into()));
                    sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            },
        }
    }
}
