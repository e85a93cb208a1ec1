//! One connector at work: what is kept, what is under way, what may be sent, and the call itself.
//!
//! [`Runner::begin`] never waits. Equal questions of one tenant share one call. A call runs to its own end even if
//! nobody waits for it any more, so that what was asked, and paid for, is kept; only a call that was overtaken, and that
//! nobody else waits for, is cancelled.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use stepward_core::connector::{
    Class, Connector, Named, Operation,
    answer::{Interpreted, Reply},
    document::operation::{CacheScope, Kind},
    route::{self, document::Failure},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::AbortHandle,
    time::Instant,
};

use crate::{
    clock::Clock,
    telemetry::{
        Metrics,
        vendors::{BreakerState, Kept, Meter},
    },
    vendors::{
        Question,
        breaker::{self, Breaker, Ending},
        cache::{self, Answers, Times},
        client::{Answer, Ask, Client, Heard},
        feedback::{Desk, Owed},
        limits::{Limits, Over},
        local::List,
        spend::Spend,
    },
};

/// Calls to all vendors that may be out at once.
const CALLS_MAX: usize = 1024;

/// A connector with everything it takes to run it.
pub struct Runner {
    /// The connector.
    pub connector: Arc<Connector>,
    /// What it has learnt so far; a connector that is loaded again unchanged carries on with it.
    pub state: Arc<State>,
    operation: Arc<Operation>,
    source: Source,
    breaker: route::Breaker,
    stale_ms: u64,
    clock: Clock,
    crowd: Crowd,
    desk: Desk,
    meter: OnceLock<Meter>,
}

/// Who answers.
pub enum Source {
    /// The vendor.
    Vendor(Client),
    /// Data in memory.
    Local(Arc<List>),
    /// Whoever was told beforehand what to say: the tests of a route, which send nothing.
    Told(Told),
}

/// What is said instead of the vendor.
pub struct Told {
    /// After so long.
    pub after: Duration,
    /// Status and body, or a failure.
    pub answer: Result<(u16, Vec<u8>), Failure>,
}

/// What a connector has learnt so far.
pub struct State {
    breaker: Mutex<Breaker>,
    answers: Mutex<Answers>,
    /// Whole answers, where those are kept.
    replies: Mutex<Answers<Answer>>,
    flights: Mutex<HashMap<cache::Key, Arc<Flight>>>,
    limits: Limits,
}

impl State {
    /// Nothing yet.
    pub fn new(operation: &Operation) -> Self {
        State {
            breaker: Mutex::default(),
            answers: Mutex::default(),
            replies: Mutex::default(),
            flights: Mutex::default(),
            limits: Limits::new(&operation.limits),
        }
    }
}

/// The places for calls to all vendors together.
#[derive(Clone, Debug)]
pub struct Crowd(Arc<Semaphore>);

impl Crowd {
    /// So many places.
    pub fn of(places: usize) -> Self {
        Crowd(Arc::new(Semaphore::new(places)))
    }
}

impl Default for Crowd {
    fn default() -> Self {
        Crowd::of(CALLS_MAX)
    }
}

/// Everything it takes to set a runner up beside its connector.
pub struct Outfit<'a> {
    /// What its route asks.
    pub operation: Arc<Operation>,
    /// Who answers.
    pub source: Source,
    /// The route it is in.
    pub route: &'a route::Route,
    /// What it has learnt before.
    pub state: Option<Arc<State>>,
    /// The time.
    pub clock: &'a Clock,
    /// The places for all calls.
    pub crowd: &'a Crowd,
    /// Where outcomes wait to be told.
    pub desk: &'a Desk,
}

/// Money that a call may take.
#[derive(Clone, Copy)]
pub struct Purse<'a> {
    /// Paid calls that the event has left; `None` for what no event pays.
    pub calls_left: Option<&'a AtomicU32>,
    /// What was spent today.
    pub spend: &'a Spend,
    /// How much may be.
    pub cap_micros: Option<u64>,
}

/// What became of a question.
pub enum Begun {
    /// There was nothing to ask.
    Skipped,
    /// The answer was kept; how old it is, in milliseconds.
    Kept(Arc<Interpreted>, u64),
    /// It was looked up; how old the data is, in milliseconds. It may say that there is none.
    Found(Interpreted, u64),
    /// It is not asked.
    Refused(Refusal),
    /// It is under way.
    Flying(Flying),
}

/// Why a connector is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The time is over.
    Late,
    /// The money is.
    Poor,
    /// It is left alone.
    BreakerOpen,
    /// A limit is reached: its own, or that of all.
    RateLimited,
}

impl Refusal {
    /// The word for the log.
    pub fn name(self) -> &'static str {
        match self {
            Refusal::Late => "no_time",
            Refusal::Poor => "no_money",
            Refusal::BreakerOpen => "breaker_open",
            Refusal::RateLimited => "rate_limited",
        }
    }
}

/// A call that is under way, shared by all who ask the same.
struct Flight {
    landed: watch::Sender<Option<Arc<Interpreted>>>,
    task: OnceLock<AbortHandle>,
}

/// Somebody who waits for a call.
pub struct Flying {
    runner: Arc<Runner>,
    key: cache::Key,
    flight: Arc<Flight>,
    landed: watch::Receiver<Option<Arc<Interpreted>>>,
    /// Since when.
    pub since: Instant,
    /// Whether it is for this question that the call is made: it joined nobody else's.
    pub is_own: bool,
}

impl Flying {
    /// Waits for the answer; may be dropped and called again.
    pub async fn answer(&mut self) -> Arc<Interpreted> {
        match self.landed.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone().unwrap_or_else(|| nothing(Class::Unavailable)),
            Err(_) => nothing(Class::Unavailable),
        }
    }

    /// Another connector was faster: the call is cancelled, unless somebody else waits for it.
    pub fn overtaken(self) {
        let mut flights = held(&self.runner.state.flights);
        let is_alone = self.flight.landed.receiver_count() <= 1;
        if is_alone && flights.get(&self.key).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight)) {
            flights.remove(&self.key);
        }
        drop(flights);
        if is_alone && let Some(task) = self.flight.task.get() {
            task.abort();
        }
    }
}

/// Something that a vendor is to do, or to tell of what it does.
pub struct Act {
    /// What is asked.
    pub operation: Arc<Operation>,
    /// From [`Operation::declared`].
    pub inputs: Vec<(Arc<str>, Arc<str>)>,
    /// What was kept when it was begun.
    pub state: Vec<(Arc<str>, Arc<str>)>,
}

/// Tells the breaker of a call that broke off, however it did.
struct Unended(Option<Arc<Runner>>);

impl Unended {
    fn end(mut self) {
        self.0 = None;
    }
}

impl Drop for Unended {
    fn drop(&mut self) {
        if let Some(runner) = &self.0 {
            runner.ended(Ending::Overtaken);
        }
    }
}

/// Ends a flight however its task ends: landed, cancelled or broken.
struct Airborne {
    runner: Arc<Runner>,
    key: cache::Key,
    /// What its whole answer is kept by.
    whole: Option<cache::Key>,
    flight: Arc<Flight>,
    since: Instant,
    landed: bool,
    _places: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

impl Drop for Airborne {
    fn drop(&mut self) {
        let mut flights = held(&self.runner.state.flights);
        if flights.get(&self.key).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight)) {
            flights.remove(&self.key);
        }
        drop(flights);
        if !self.landed {
            self.runner.ended(Ending::Overtaken);
            self.runner.count("cancelled", self.since.elapsed());
            self.flight.landed.send_replace(Some(nothing(Class::Unavailable)));
        }
    }
}

impl Runner {
    /// Sets a connector up.
    pub fn new(connector: Arc<Connector>, outfit: Outfit<'_>) -> Self {
        // What is done, or passed, once is neither done nor passed again.
        let stale_ms = match outfit.operation.kind {
            Kind::Lookup => outfit.route.stale_if_error_ms.unwrap_or(outfit.operation.cache.stale_if_error_ms),
            Kind::Verify
            | Kind::Send
            | Kind::Feedback
            | Kind::Sink
            | Kind::Find
            | Kind::Start
            | Kind::Poll
            | Kind::Inbound => 0,
        };
        Runner {
            state: outfit.state.unwrap_or_else(|| Arc::new(State::new(&outfit.operation))),
            stale_ms,
            connector,
            operation: outfit.operation,
            source: outfit.source,
            breaker: outfit.route.breaker,
            clock: outfit.clock.clone(),
            crowd: outfit.crowd.clone(),
            desk: outfit.desk.clone(),
            meter: OnceLock::new(),
        }
    }

    /// Its numbers; from the first call on they are counted there.
    pub fn meter(&self, metrics: &Metrics) -> &Meter {
        self.meter.get_or_init(|| {
            let meter = metrics.vendors().meter(&self.connector.id);
            meter.breaker(told(held(&self.state.breaker).state()));
            meter
        })
    }

    /// Whether calls to it go through at the moment.
    pub fn standing(&self) -> breaker::State {
        held(&self.state.breaker).state()
    }

    /// The time.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Whether its breaker would let a call through now, were one made.
    pub fn may_be_asked(&self) -> bool {
        held(&self.state.breaker).would_admit(self.clock.now_ms())
    }

    /// Asks, without waiting. `limit` is how long a call may take.
    pub fn begin(
        self: &Arc<Self>,
        question: &Question<'_>,
        purse: Purse<'_>,
        limit: Duration,
        metrics: &Metrics,
    ) -> Begun {
        let Some(inputs) = self.operation.declared(question.inputs) else { return Begun::Skipped };
        let (meter, now_ms) = (self.meter(metrics), self.clock.now_ms());
        if let Source::Local(list) = &self.source {
            return self.look_up(list, &inputs, now_ms);
        }
        let key = cache::key(question.tenant, &self.connector.id, &inputs);
        if let Some((answer, age_ms)) = held(&self.state.answers).find(&key, now_ms) {
            meter.kept(Kept::Hit);
            return Begun::Kept(answer, age_ms);
        }
        if self.operation.skips(&inputs, now_ms) {
            return Begun::Skipped;
        }
        let whole = self.whole_key(question.tenant, &inputs, now_ms);
        let reply = whole.and_then(|whole| held(&self.state.replies).find(&whole, now_ms));
        if let Some((answer, age_ms)) = reply.and_then(|reply| self.read_again(reply, &inputs, now_ms)) {
            meter.kept(Kept::Hit);
            return Begun::Kept(answer, age_ms);
        }
        if Instant::now() >= question.deadline {
            return Begun::Refused(Refusal::Late);
        }
        let mut flights = held(&self.state.flights);
        if let Some(flight) = flights.get(&key) {
            meter.kept(Kept::Shared);
            return Begun::Flying(self.joined(key, flight.clone(), false));
        }
        meter.kept(Kept::Miss);
        let places = match self.admitted(Some(purse).filter(|_| self.connector.is_paid), meter, now_ms) {
            Ok(places) => places,
            Err(refusal) => return Begun::Refused(refusal),
        };
        let flight = Arc::new(Flight { landed: watch::Sender::new(None), task: OnceLock::new() });
        flights.insert(key, flight.clone());
        let flying = self.joined(key, flight.clone(), true);
        drop(flights);
        let airborne = Airborne {
            runner: self.clone(),
            key,
            whole,
            flight: flight.clone(),
            since: flying.since,
            landed: false,
            _places: places,
        };
        let task = tokio::spawn(airborne.fly(inputs, limit));
        // Only ever set here.
        let _ = flight.task.set(task.abort_handle());
        Begun::Flying(flying)
    }

    /// Memory only: no place, no money, no breaker, and nothing to keep.
    fn look_up(&self, list: &List, inputs: &Named, now_ms: i64) -> Begun {
        if self.operation.skips(inputs, now_ms) {
            return Begun::Skipped;
        }
        let (answer, age_ms) = list.find(inputs, now_ms);
        self.count(answer.class.name(), Duration::ZERO);
        Begun::Found(answer, age_ms)
    }

    fn joined(self: &Arc<Self>, key: cache::Key, flight: Arc<Flight>, is_own: bool) -> Flying {
        let landed = flight.landed.subscribe();
        Flying { runner: self.clone(), key, flight, landed, since: Instant::now(), is_own }
    }

    /// Takes a call from every limit and the purse, or from none. Without a purse it is not paid for.
    fn admitted(
        &self,
        purse: Option<Purse<'_>>,
        meter: &Meter,
        now_ms: i64,
    ) -> Result<(OwnedSemaphorePermit, OwnedSemaphorePermit), Refusal> {
        if !held(&self.state.breaker).would_admit(now_ms) {
            return Err(Refusal::BreakerOpen);
        }
        if purse.is_some_and(|it| it.calls_left.is_some_and(|left| left.load(Ordering::Relaxed) == 0)) {
            return Err(Refusal::Poor);
        }
        let Ok(place) = self.crowd.0.clone().try_acquire_owned() else {
            meter.limited("all_vendors");
            return Err(Refusal::RateLimited);
        };
        let slot = self.state.limits.take(now_ms).map_err(|over: Over| {
            meter.limited(over.name());
            Refusal::RateLimited
        })?;
        if let Some(purse) = purse {
            self.pay(purse, now_ms)?;
        }
        if !held(&self.state.breaker).admits(now_ms) {
            if let Some(purse) = purse {
                purse.spend.give_back(self.connector.price_micros);
                if let Some(left) = purse.calls_left {
                    left.fetch_add(1, Ordering::Relaxed);
                }
            }
            return Err(Refusal::BreakerOpen);
        }
        meter.breaker(told(self.standing()));
        if purse.is_some() {
            meter.paid(self.connector.price_micros);
        }
        Ok((place, slot))
    }

    fn pay(&self, purse: Purse<'_>, now_ms: i64) -> Result<(), Refusal> {
        let price = self.connector.price_micros;
        if !purse.spend.take(price, purse.cap_micros, now_ms) {
            return Err(Refusal::Poor);
        }
        let less = |left: u32| left.checked_sub(1);
        let paid =
            purse.calls_left.is_none_or(|it| it.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok());
        if !paid {
            purse.spend.give_back(price);
            return Err(Refusal::Poor);
        }
        Ok(())
    }

    /// An answer past its time, for when nobody answers.
    pub fn stale(&self, question: &Question<'_>) -> Option<(Arc<Interpreted>, u64)> {
        if matches!(self.source, Source::Local(_)) {
            return None;
        }
        let (inputs, now_ms) = (self.operation.declared(question.inputs)?, self.clock.now_ms());
        match self.operation.cache.scope {
            CacheScope::Attributes => {
                let key = cache::key(question.tenant, &self.connector.id, &inputs);
                held(&self.state.answers).find_stale(&key, now_ms)
            }
            CacheScope::Response => {
                let whole = self.whole_key(question.tenant, &inputs, now_ms)?;
                let reply = held(&self.state.replies).find_stale(&whole, now_ms)?;
                self.read_again(reply, &inputs, now_ms)
            }
        }
    }

    /// What a whole answer is kept by, where those are: what the file says it is about, of one tenant. It holds no
    /// secret input, and what it holds is digested like every key.
    fn whole_key(&self, tenant: &str, inputs: &Named, now_ms: i64) -> Option<cache::Key> {
        let about = self.operation.response_key(inputs, now_ms)?;
        Some(cache::key(tenant, &self.connector.id, &[("whole answer".into(), about.into())]))
    }

    /// What a whole answer that was kept says about this question; nothing where it does not say it.
    fn read_again(
        &self,
        (reply, age_ms): (Arc<Answer>, u64),
        inputs: &Named,
        now_ms: i64,
    ) -> Option<(Arc<Interpreted>, u64)> {
        let read = Reply { status: reply.status, headers: &reply.headers, body: &reply.body };
        let answer = self.operation.interpret(&read, inputs, now_ms);
        matches!(answer.class, Class::Success | Class::NotFound).then(|| (Arc::new(answer), age_ms))
    }

    /// An answer past its time served.
    pub fn served_stale(&self, metrics: &Metrics) {
        self.meter(metrics).kept(Kept::Stale);
    }

    /// What this connector is to be told of this question's end, if it wants to be told.
    pub fn owes(
        self: &Arc<Self>,
        question: &Question<'_>,
        answer: &Interpreted,
        purse: (Arc<Spend>, Option<u64>),
        metrics: &Metrics,
    ) -> Option<Owed> {
        let operation = self.connector.first(Kind::Feedback)?.clone();
        if answer.class != Class::Success {
            return None;
        }
        let (spend, cap_micros) = purse;
        Some(Owed {
            inputs: operation.memorable(question.inputs),
            state: answer.state.clone(),
            price_micros: if self.connector.is_paid { self.connector.price_micros } else { 0 },
            meter: self.meter(metrics).clone(),
            desk: self.desk.clone(),
            clock: self.clock.clone(),
            runner: self.clone(),
            operation,
            spend,
            cap_micros,
        })
    }

    /// Has something begun, or asks how it stands: nobody else asks the same, and nothing of it is kept. It runs to its own
    /// end even if nobody waits for it any more. Without a purse it is not paid for.
    pub async fn act(
        self: &Arc<Self>,
        act: Act,
        purse: Option<Purse<'_>>,
        metrics: &Metrics,
    ) -> Result<Interpreted, Refusal> {
        let purse = purse.filter(|_| self.connector.is_paid);
        let places = self.admitted(purse, self.meter(metrics), self.clock.now_ms())?;
        let (runner, unended) = (self.clone(), Unended(Some(self.clone())));
        let task = tokio::spawn(async move {
            let (since, now_ms) = (Instant::now(), runner.clock.now_ms());
            let limit = Duration::from_millis(act.operation.timeout_ms);
            let Act { operation, inputs, state } = &act;
            let ask = Ask { operation, inputs, state, now_ms, deadline: since + limit };
            let heard = runner.tell(&ask).await;
            let status = heard.reply.as_ref().map(|reply| reply.status);
            if let Some(reply) = &heard.reply {
                runner.state.limits.heard(heard.answer.class, &reply.headers, runner.clock.now_ms());
            }
            let spoken = Spoken { answer: Arc::new(heard.answer), status, reply: None };
            unended.end();
            runner.landed(&spoken, since.elapsed());
            drop(places);
            Arc::unwrap_or_clone(spoken.answer)
        });
        Ok(task.await.unwrap_or_else(|_| Interpreted::nothing(Class::Unavailable, 0, None)))
    }

    /// What only its vendor and it know, if its vendor is asked at all.
    pub fn secrets(&self) -> &Named {
        match &self.source {
            Source::Vendor(client) => client.secrets(),
            Source::Local(_) | Source::Told(_) => &[],
        }
    }

    /// Tells the vendor something that nobody waits for.
    pub async fn tell(&self, ask: &Ask<'_>) -> Heard {
        match &self.source {
            Source::Vendor(client) => client.ask(ask).await,
            Source::Told(told) => told.say(ask.operation, ask.inputs, Duration::ZERO, ask.now_ms).await,
            // Data of the operator's own has nobody to be told.
            Source::Local(_) => Heard::silent(ask.operation, Class::Unavailable, "nobody hears of it", 0),
        }
    }

    async fn exchange(&self, inputs: &Named, limit: Duration) -> Spoken {
        let (operation, now_ms) = (&self.operation, self.clock.now_ms());
        let heard = match &self.source {
            Source::Vendor(client) => {
                let deadline = Instant::now() + limit;
                client.ask(&Ask { operation, inputs, state: &[], now_ms, deadline }).await
            }
            // Looked up before a call is ever made.
            Source::Local(list) => {
                Heard { answer: list.find(inputs, now_ms).0, reply: None, again_in_ms: None, sent: 0 }
            }
            Source::Told(told) => told.say(operation, inputs, limit, now_ms).await,
        };
        let status = heard.reply.as_ref().map(|reply| reply.status);
        if let Some(reply) = &heard.reply {
            self.state.limits.heard(heard.answer.class, &reply.headers, self.clock.now_ms());
        }
        Spoken { answer: Arc::new(heard.answer), status, reply: heard.reply }
    }

    fn ended(&self, ending: Ending) {
        let mut breaker = held(&self.state.breaker);
        breaker.ended(ending, &self.breaker, self.clock.now_ms());
        let state = breaker.state();
        drop(breaker);
        if let Some(meter) = self.meter.get() {
            meter.breaker(told(state));
        }
    }

    /// What an answer says about the vendor: counted, told to the breaker, and to the log where somebody has to read it.
    fn landed(&self, spoken: &Spoken, took: Duration) {
        let class = spoken.answer.class;
        let why = spoken.answer.why.as_deref().unwrap_or("by its answer");
        self.count(class.name(), took);
        self.ended(self.ending(spoken, took));
        match class {
            Class::Success | Class::NotFound | Class::Pending | Class::InvalidInput => {
                if let Some(why) = &spoken.answer.why {
                    tracing::info!(connector = %self.connector.id, class = class.name(), why = %why, "an answer was odd");
                }
            }
            Class::ConfigError => {
                tracing::error!(connector = %self.connector.id, class = class.name(), why, "a connector's settings are refused");
            }
            Class::RateLimited | Class::Unavailable | Class::ContractError => {
                tracing::warn!(connector = %self.connector.id, class = class.name(), why, "a connector failed");
            }
        }
    }

    fn count(&self, outcome: &'static str, took: Duration) {
        if let Some(meter) = self.meter.get() {
            meter.call(outcome, took);
        }
    }

    /// What a call says about the vendor.
    fn ending(&self, spoken: &Spoken, took: Duration) -> Ending {
        let is_slow = self.breaker.slow_call_ms.is_some_and(|slow_ms| took >= Duration::from_millis(slow_ms));
        match spoken.answer.class {
            Class::InvalidInput if spoken.status.is_none() => Ending::Unsaid,
            Class::Success | Class::NotFound | Class::Pending | Class::InvalidInput if is_slow => Ending::Slow,
            Class::Success | Class::NotFound | Class::Pending | Class::InvalidInput => Ending::Well,
            // Its limits know when to ask again; it is well.
            Class::RateLimited => Ending::Well,
            Class::Unavailable | Class::ContractError => Ending::Failed,
            // Anything else (a 400, a 403 of the vendor's firewall) may be about this one question, which somebody could
            // put on purpose to have everybody go without the vendor.
            Class::ConfigError if spoken.status == Some(401) => Ending::Refused,
            // Without an answer it was the token, in whose request nothing of a question is, or a key of ours.
            Class::ConfigError if spoken.status.is_none() => Ending::Refused,
            Class::ConfigError => Ending::Failed,
        }
    }

    /// Keeps what was told, or the whole answer: what is told about a secret is never kept.
    fn keep(&self, flown: &Airborne, answer: Arc<Interpreted>, reply: Option<Answer>, times: Times) {
        let now_ms = self.clock.now_ms();
        match (self.operation.cache.scope, flown.whole, reply) {
            (CacheScope::Attributes, _, _) if self.operation.asks_secrets() => {}
            (CacheScope::Attributes, _, _) => held(&self.state.answers).keep(flown.key, answer, now_ms, times),
            (CacheScope::Response, Some(whole), Some(reply)) => {
                held(&self.state.replies).keep(whole, Arc::new(reply), now_ms, times);
            }
            // What it is about cannot be said.
            (CacheScope::Response, None, _) | (CacheScope::Response, _, None) => {}
        }
    }

    /// How long an answer serves.
    fn times(&self, class: Class) -> Option<Times> {
        let (fresh_ms, stale_ms) = match class {
            Class::Success => (self.operation.cache.ttl_ms, self.stale_ms),
            Class::NotFound => (self.operation.cache.negative_ttl_ms, 0),
            Class::Pending | Class::InvalidInput => return None,
            Class::RateLimited | Class::Unavailable | Class::ConfigError | Class::ContractError => return None,
        };
        (fresh_ms > 0 || stale_ms > 0).then_some(Times { fresh_ms, stale_ms })
    }
}

/// What a vendor said.
struct Spoken {
    answer: Arc<Interpreted>,
    status: Option<u16>,
    reply: Option<Answer>,
}

impl Airborne {
    async fn fly(mut self, inputs: Vec<(Arc<str>, Arc<str>)>, limit: Duration) {
        let runner = self.runner.clone();
        let spoken = runner.exchange(&inputs, limit).await;
        let took = self.since.elapsed();
        self.landed = true;
        let class = spoken.answer.class;
        runner.landed(&spoken, took);
        // Kept before the flight ends, so that whoever comes next finds one or the other.
        if let Some(times) = runner.times(class) {
            runner.keep(&self, spoken.answer.clone(), spoken.reply, times);
        }
        self.flight.landed.send_replace(Some(spoken.answer));
    }
}

impl Told {
    async fn say(&self, operation: &Operation, inputs: &Named, limit: Duration, now_ms: i64) -> Heard {
        match self.answer(limit).await {
            Ok(answer) => Heard::of(operation, answer, inputs, now_ms, 1),
            Err(why) => Heard::silent(operation, Class::Unavailable, why, 1),
        }
    }

    async fn answer(&self, limit: Duration) -> Result<Answer, &'static str> {
        let stalls = self.answer.as_ref().err() == Some(&Failure::Stalled);
        if stalls || self.after >= limit {
            tokio::time::sleep(limit).await;
            return Err("no answer in time");
        }
        tokio::time::sleep(self.after).await;
        let (status, body) = match &self.answer {
            Ok((status, body)) => (*status, body.clone()),
            Err(Failure::Unavailable) => (503, Vec::new()),
            Err(Failure::RateLimited) => (429, Vec::new()),
            Err(Failure::ConfigError) => (401, Vec::new()),
            Err(Failure::ContractError) => (200, b"<".to_vec()),
            Err(Failure::Stalled) => return Err("no answer in time"),
        };
        Ok(Answer { status, headers: Vec::new(), body })
    }
}

fn nothing(class: Class) -> Arc<Interpreted> {
    Arc::new(Interpreted::nothing(class, 0, None))
}

fn told(state: breaker::State) -> BreakerState {
    match state {
        breaker::State::Closed { .. } => BreakerState::Closed,
        breaker::State::Open { .. } => BreakerState::Open,
        breaker::State::HalfOpen { .. } => BreakerState::HalfOpen,
    }
}

/// A lock whose holder cannot have left it half done.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
