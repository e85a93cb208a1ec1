//! Decisions for others: each line of the decision log is given to every sink, in batches, away from any request.
//!
//! A sink that is slow or down makes nothing wait: lines queue up in memory, the oldest make way, and both the numbers and
//! the log say how many. What a sink refuses for good is counted and left. Sinks know nothing of each other. The lines are
//! those of the log: what is personal in them is a pseudonym already.

use std::{
    collections::VecDeque,
    str,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use stepward_core::{
    connector::{
        Class, Connector, DECISION, DECISIONS, DECISIONS_BYTES_MAX, Operation,
        document::operation::Kind,
        mapping::{Expression, Scope, data::Data},
    },
    diagnostic::Diagnostic,
    value::Value,
};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::Instant,
};

use crate::{
    clock::Clock,
    settings::{self, Settings},
    telemetry::{Metrics, vendors::Meter},
    vendors::{
        alone,
        client::{Ask, Client, Heard},
    },
};

/// How many lines may wait for a sink.
const QUEUE_LINES_MAX: usize = 10_000;
/// How many bytes of them.
const QUEUE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long to wait before the second try; twice as long before each further one.
const BACKOFF: Duration = Duration::from_millis(250);
/// And at most.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// How long a sink may ask to be left alone.
const ALONE_MAX: Duration = Duration::from_secs(300);
/// How often a batch is tried whose answer cannot be read: it may have been taken.
const UNREADABLE_MAX: u32 = 3;
/// How often lost lines are told of.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// All sinks of a gateway; clones share them.
#[derive(Clone, Default)]
pub struct Sinks {
    all: Arc<[Arc<Sink>]>,
    /// What was wrong when their files were last read.
    refused: Arc<Mutex<Vec<Diagnostic>>>,
}

/// One of them.
struct Sink {
    id: Arc<str>,
    gear: ArcSwap<Gear>,
    only: Option<Arc<Expression>>,
    wait: Duration,
    queue: Mutex<Queue>,
    bell: Notify,
    closing: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
    meter: Meter,
    clock: Clock,
}

/// What it takes to speak to it; made anew when its file is read again.
struct Gear {
    operation: Arc<Operation>,
    client: Client,
    /// How many lines go together.
    batch: usize,
}

/// Lines that wait, oldest first.
#[derive(Default)]
struct Queue {
    lines: VecDeque<Arc<str>>,
    bytes: usize,
    /// When the oldest came.
    since: Option<Instant>,
    /// Lines that are being sent.
    out: usize,
    lost: u64,
    told: Option<Instant>,
}

/// What came of a batch.
enum Came {
    Taken,
    /// Not as it is: parts of it may be.
    Refused(&'static str),
    /// Not now.
    Later(Option<Duration>),
}

impl Sinks {
    /// Sets up what the settings name.
    ///
    /// # Errors
    /// Everything that is wrong with a connector that is named.
    pub fn open(settings: &Settings, clock: &Clock, metrics: &Metrics) -> Result<Self, Vec<Diagnostic>> {
        let (mut sinks, mut faults) = (Vec::new(), Vec::new());
        for named in &settings.sinks {
            match Sink::open(named, settings, clock, metrics) {
                Ok(sink) => sinks.push(Arc::new(sink)),
                Err(found) => faults.extend(found),
            }
        }
        if faults.is_empty() { Ok(Sinks { all: sinks.into(), ..Sinks::default() }) } else { Err(faults) }
    }

    /// What is wrong with the connectors that the settings name as sinks, whether or not their secrets are there.
    pub fn check(settings: &Settings) -> Vec<Diagnostic> {
        let found = settings.sinks.iter().filter_map(|named| {
            let connector = alone::read(&named.connector, settings);
            connector.and_then(|connector| operation_of(&connector)).err()
        });
        found.flatten().collect()
    }

    /// Reads their files again. One that cannot be used goes on as it was; what is wrong is returned, and logged once.
    /// What waits for a sink stays. Blocks on the disk.
    pub fn reload(&self, settings: &Settings) -> Vec<Diagnostic> {
        let mut faults = Vec::new();
        for sink in self.all.iter() {
            let Some(named) = settings.sinks.iter().find(|it| it.connector == sink.id) else { continue };
            match Gear::of(named, settings) {
                Ok(gear) => sink.gear.store(Arc::new(gear)),
                Err(found) => faults.extend(found),
            }
        }
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        for fault in faults.iter().filter(|it| !refused.contains(it)) {
            tracing::error!("a sink goes on as it was: {}: {}", fault.file, fault.message);
        }
        refused.clone_from(&faults);
        faults
    }

    /// Begins to send.
    pub fn start(&self) {
        for sink in self.all.iter() {
            let working = tokio::spawn(sink.clone().work());
            *sink.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(working);
        }
    }

    /// Leaves whole lines for every sink that wants them; never waits.
    pub fn take(&self, lines: &[u8]) {
        if self.all.is_empty() {
            return;
        }
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let Ok(line) = str::from_utf8(line) else { continue };
            let read = self.all.iter().any(|sink| sink.only.is_some()).then(|| Data::json(line)).flatten();
            let shared: Arc<str> = line.into();
            for sink in self.all.iter().filter(|sink| sink.wants(read.as_ref())) {
                sink.leave(shared.clone());
            }
        }
    }

    /// Sends what is left, at most so long; what is left then is lost, and counted.
    pub async fn drain(&self, wait: Duration) {
        let until = Instant::now() + wait;
        for sink in self.all.iter() {
            sink.closing.send_replace(true);
            sink.bell.notify_one();
        }
        for sink in self.all.iter() {
            let working = sink.task.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(mut working) = working else { continue };
            if tokio::time::timeout_at(until, &mut working).await.is_err() {
                working.abort();
                let mut queue = sink.queue();
                let left = std::mem::take(&mut queue.lines).len() + std::mem::take(&mut queue.out);
                sink.lose(&mut queue, "stopped", left as u64);
            }
        }
    }
}

impl Gear {
    fn of(named: &settings::Sink, settings: &Settings) -> Result<Gear, Vec<Diagnostic>> {
        let (connector, client) = alone::equip(&named.connector, settings)?;
        let operation = operation_of(&connector)?;
        let batch = if operation.takes(DECISIONS) { named.batch } else { 1 };
        Ok(Gear { operation, client, batch })
    }
}

fn operation_of(connector: &Connector) -> Result<Arc<Operation>, Vec<Diagnostic>> {
    connector.first(Kind::Sink).cloned().ok_or_else(|| {
        let file: Arc<str> = format!("connectors/{}/connector.yaml", connector.id).into();
        let message = "it is named under `sinks` and has no operation of kind `sink`".to_owned();
        vec![Diagnostic::error("operation.missing", &file, 0..0, message)]
    })
}

impl Sink {
    fn open(
        named: &settings::Sink,
        settings: &Settings,
        clock: &Clock,
        metrics: &Metrics,
    ) -> Result<Sink, Vec<Diagnostic>> {
        Ok(Sink {
            gear: ArcSwap::from_pointee(Gear::of(named, settings)?),
            meter: metrics.vendors().meter(&named.connector),
            id: named.connector.clone(),
            only: named.only.clone(),
            wait: named.wait,
            queue: Mutex::default(),
            bell: Notify::new(),
            closing: watch::Sender::new(false),
            task: Mutex::default(),
            clock: clock.clone(),
        })
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line of which it cannot be told whether it is wanted is wanted.
    fn wants(&self, line: Option<&Data<'_>>) -> bool {
        match (&self.only, line) {
            (Some(only), Some(line)) => !only.denies(&Scope::decided(line.clone())),
            (None, _) | (Some(_), None) => true,
        }
    }

    fn leave(&self, line: Arc<str>) {
        let mut queue = self.queue();
        // A list has brackets round it.
        if line.len() + 2 > DECISIONS_BYTES_MAX {
            return self.lose(&mut queue, "too_long", 1);
        }
        queue.bytes += line.len();
        queue.lines.push_back(line);
        queue.since.get_or_insert_with(Instant::now);
        let mut over = 0;
        while queue.lines.len() > QUEUE_LINES_MAX || queue.bytes > QUEUE_BYTES_MAX {
            let Some(oldest) = queue.lines.pop_front() else { break };
            queue.bytes -= oldest.len();
            over += 1;
        }
        self.lose(&mut queue, "queue_full", over);
        let is_news = queue.lines.len() == 1 || queue.lines.len() == self.gear.load().batch;
        drop(queue);
        if is_news {
            self.bell.notify_one();
        }
    }

    /// Counts lines that this sink is not given, and says so now and then.
    fn lose(&self, queue: &mut Queue, reason: &'static str, lines: u64) {
        if lines == 0 {
            return;
        }
        self.meter.dropped(reason, lines);
        queue.lost += lines;
        if queue.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            let lost = std::mem::take(&mut queue.lost);
            queue.told = Some(Instant::now());
            tracing::error!(connector = %self.id, reason, lines = lost, "a sink was not given decisions");
        }
    }

    async fn work(self: Arc<Self>) {
        while let Some(lines) = self.next().await {
            self.deliver(lines).await;
            self.queue().out = 0;
        }
    }

    /// The next batch: when it is full, when its first line has waited long enough, or at the end. `None` at the end.
    async fn next(&self) -> Option<Vec<Arc<str>>> {
        loop {
            let rings = self.bell.notified();
            let is_closing = *self.closing.borrow();
            let batch = self.gear.load().batch;
            let ready_at = {
                let mut queue = self.queue();
                let ready_at = queue.since.map(|since| since + self.wait);
                let is_ready = queue.lines.len() >= batch || ready_at.is_some_and(|at| at <= Instant::now());
                if !queue.lines.is_empty() && (is_ready || is_closing) {
                    return Some(queue.batch(batch));
                }
                ready_at
            };
            if is_closing {
                return None;
            }
            match ready_at {
                Some(at) => drop(tokio::time::timeout_at(at, rings).await),
                None => rings.await,
            }
        }
    }

    /// Tries until the sink has taken or refused each line. What it refuses together is tried by halves, so that one line
    /// that it cannot read costs no other.
    async fn deliver(&self, lines: Vec<Arc<str>>) {
        let mut parts = vec![lines];
        let mut is_down = false;
        let (mut pause, mut unreadable) = (BACKOFF, 0);
        while let Some(part) = parts.pop() {
            match self.send(&part, &mut unreadable).await {
                Came::Taken => {
                    self.meter.delivered(part.len() as u64);
                    self.sent(part.len());
                    if is_down {
                        tracing::info!(connector = %self.id, "a sink takes decisions again");
                    }
                    (is_down, pause, unreadable) = (false, BACKOFF, 0);
                }
                Came::Refused(_) if part.len() > 1 => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second.to_vec(), first.to_vec()]);
                }
                Came::Refused(reason) => {
                    self.sent(part.len());
                    self.lose(&mut self.queue(), reason, part.len() as u64);
                    unreadable = 0;
                }
                Came::Later(asked) => {
                    if !is_down {
                        tracing::warn!(connector = %self.id, "a sink does not take decisions; they wait");
                    }
                    is_down = true;
                    parts.push(part);
                    self.rest(asked.map_or(pause, |asked| asked.clamp(pause, ALONE_MAX))).await;
                    pause = (pause * 2).min(BACKOFF_MAX);
                }
            }
        }
    }

    fn sent(&self, lines: usize) {
        let mut queue = self.queue();
        queue.out = queue.out.saturating_sub(lines);
    }

    /// Waits; at the end not for long.
    async fn rest(&self, pause: Duration) {
        let mut closing = self.closing.subscribe();
        if *closing.borrow_and_update() {
            return tokio::time::sleep(pause.min(BACKOFF)).await;
        }
        // Its sender is ours and lives on.
        let _ = tokio::time::timeout(pause, closing.changed()).await;
    }

    async fn send(&self, lines: &[Arc<str>], unreadable: &mut u32) -> Came {
        let gear = self.gear.load_full();
        let operation = &gear.operation;
        let (name, value): (&str, Arc<str>) = match lines {
            // What was gathered for a list goes one by one where its file takes no lists any more.
            [_, _, ..] if !operation.takes(DECISIONS) => return Came::Refused("refused"),
            [only] if !operation.takes(DECISIONS) => (DECISION, only.clone()),
            many => (DECISIONS, format!("[{}]", many.join(",")).into()),
        };
        let given = [(name.into(), value)];
        let now_ms = self.clock.now_ms();
        let Some(inputs) = operation.inputs(&given, now_ms) else { return Came::Refused("refused") };
        let began = Instant::now();
        let deadline = began + Duration::from_millis(operation.timeout_ms);
        let ask = Ask { operation, inputs: &inputs, state: &[], now_ms, deadline };
        let heard = gear.client.ask(&ask).await;
        self.meter.call(heard.answer.class.name(), began.elapsed());
        self.came(operation, &heard, unreadable)
    }

    /// What an answer means for the lines.
    fn came(&self, operation: &Operation, heard: &Heard, unreadable: &mut u32) -> Came {
        let later = || Came::Later(heard.again_in_ms.map(Duration::from_millis));
        let status = heard.reply.as_ref().map(|reply| reply.status);
        match heard.answer.class {
            Class::Success | Class::Pending if is_denied(operation, heard) => Came::Refused("refused"),
            Class::Success | Class::Pending => Came::Taken,
            Class::InvalidInput | Class::NotFound => Came::Refused("refused"),
            Class::RateLimited | Class::Unavailable => later(),
            // A key or an address that somebody will mend; anything else is about the lines.
            Class::ConfigError if matches!(status, Some(401 | 403 | 404)) => later(),
            Class::ConfigError => Came::Refused("refused"),
            Class::ContractError => {
                *unreadable += 1;
                if *unreadable < UNREADABLE_MAX { later() } else { Came::Refused("unreadable_answer") }
            }
        }
    }
}

/// Whether the sink says in its answer that it did not accept.
fn is_denied(operation: &Operation, heard: &Heard) -> bool {
    let at = operation.provides.iter().position(|attribute| &*attribute.name == "sink.accepted");
    at.and_then(|at| heard.answer.values.get(at)).is_some_and(|value| *value == Some(Value::Bool(false)))
}

impl Queue {
    /// Takes a batch out: so many lines, and no more bytes than a connector is given.
    fn batch(&mut self, lines_max: usize) -> Vec<Arc<str>> {
        let mut taken = Vec::new();
        let mut bytes = 2;
        while let Some(line) = self.lines.front().filter(|line| bytes + line.len() <= DECISIONS_BYTES_MAX) {
            if taken.len() == lines_max {
                break;
            }
            let len = line.len();
            bytes += len + 1;
            self.bytes -= len;
            taken.extend(self.lines.pop_front());
        }
        self.out = taken.len();
        // What comes after it has waited as long, more or less; a moment more is nobody's loss.
        self.since = (!self.lines.is_empty()).then(Instant::now);
        taken
    }
}
