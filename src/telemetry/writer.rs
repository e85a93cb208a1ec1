//! Lines to a file or to standard output, from a thread of its own behind a bounded queue.
//!
//! Handing over never waits. A write that fails loses its batch, is counted, and the file is opened anew for the next
//! one, so that a disk that was full, or a file that was moved, heals without anybody's help. A line that a failed
//! write tore is ended before the next, so that every line stays one record (Envoy CVE-2025-25294).

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError},
    },
    thread,
    time::Duration,
};

use crate::{
    settings::LogTarget,
    telemetry::{Log, Metrics},
};

/// How many lines may wait.
const QUEUE_LINES_MAX: usize = 8_192;
/// How many lines are written at once.
const BATCH_LINES_MAX: usize = 4_096;

/// A log that takes `T` and writes a line for each.
pub struct Writer<T> {
    queue: SyncSender<Order<T>>,
    reopen: Arc<AtomicBool>,
    trouble: Arc<Mutex<Option<String>>>,
    metrics: Metrics,
    log: Log,
}

enum Order<T> {
    Line(T),
    Flush(SyncSender<()>),
}

impl<T: Send + 'static> Writer<T> {
    /// Opens the target and starts the thread. `render` adds one line without its end to what is there.
    pub fn open(
        log: Log,
        target: &LogTarget,
        render: impl Fn(T, &mut Vec<u8>) + Send + 'static,
        metrics: Metrics,
    ) -> io::Result<Self> {
        let sink = Sink::open(target)?;
        let (queue, orders) = mpsc::sync_channel(QUEUE_LINES_MAX);
        let (reopen, trouble) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Option<String>>>::default());
        let clerk = Clerk {
            orders,
            sink: Some(sink),
            target: target.clone(),
            torn: false,
            render: Box::new(render),
            reopen: reopen.clone(),
            trouble: trouble.clone(),
            metrics: metrics.clone(),
            log,
        };
        thread::Builder::new().name(format!("log {}", log.name())).spawn(move || clerk.work())?;
        Ok(Writer { queue, reopen, trouble, metrics, log })
    }

    /// Hands a line over; a full queue loses it, and says so in the metrics.
    pub fn write(&self, line: T) {
        match self.queue.try_send(Order::Line(line)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.metrics.dropped(self.log, 1),
        }
    }

    /// Opens the file anew before the next line.
    pub fn reopen(&self) {
        self.reopen.store(true, Ordering::Release);
    }

    /// Why the last write failed, if it did.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until everything handed over so far was tried, at most so long; whether that was done in time.
    pub fn flush(&self, wait: Duration) -> bool {
        let (done, is_done) = mpsc::sync_channel(1);
        self.queue.try_send(Order::Flush(done)).is_ok() && is_done.recv_timeout(wait).is_ok()
    }
}

/// For how long lines are gathered before they are written.
const GATHER: Duration = Duration::from_millis(5);

struct Clerk<T> {
    orders: Receiver<Order<T>>,
    sink: Option<Sink>,
    target: LogTarget,
    torn: bool,
    render: Box<dyn Fn(T, &mut Vec<u8>) + Send>,
    reopen: Arc<AtomicBool>,
    trouble: Arc<Mutex<Option<String>>>,
    metrics: Metrics,
    log: Log,
}

impl<T> Clerk<T> {
    /// Works until nobody can hand anything over any more.
    fn work(mut self) {
        loop {
            match self.orders.recv_timeout(Duration::from_secs(1)) {
                Ok(order) => {
                    // Lines that come meanwhile are written with this one: waking for each of them costs the request
                    // path more than writing it costs us.
                    if matches!(order, Order::Line(_)) {
                        thread::sleep(GATHER);
                    }
                    self.batch(order);
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.reopen_if_asked();
                    // A quiet log heals too, so that readiness does not wait for the next decision.
                    if self.is_troubled() {
                        self.write(Vec::new(), 0);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn batch(&mut self, first: Order<T>) {
        self.reopen_if_asked();
        let (mut bytes, mut lines, mut waiting) = (Vec::new(), 0, Vec::new());
        let mut next = Some(first);
        while let Some(order) = next {
            match order {
                Order::Line(line) => {
                    (self.render)(line, &mut bytes);
                    bytes.push(b'\n');
                    lines += 1;
                }
                Order::Flush(done) => waiting.push(done),
            }
            next = if lines < BATCH_LINES_MAX { self.orders.try_recv().ok() } else { None };
        }
        self.write(bytes, lines as u64);
        for done in waiting {
            // Whoever waited may have given up.
            let _ = done.try_send(());
        }
    }

    fn write(&mut self, bytes: Vec<u8>, lines: u64) {
        match self.try_write(&bytes) {
            Ok(()) => {
                if self.is_troubled() {
                    tracing::info!(log = self.log.name(), "log is written again");
                    self.set_trouble(None);
                }
            }
            Err(error) => {
                self.sink = None;
                self.torn |= !bytes.is_empty();
                self.metrics.dropped(self.log, lines);
                if !self.is_troubled() {
                    tracing::error!(log = self.log.name(), %error, "log cannot be written; lines are lost");
                }
                self.set_trouble(Some(format!("the {} log cannot be written: {error}", self.log.name())));
            }
        }
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sink = match &mut self.sink {
            Some(sink) => sink,
            None => self.sink.insert(Sink::open(&self.target)?),
        };
        if self.torn {
            sink.write_all(b"\n")?;
            self.torn = false;
        }
        sink.write_all(bytes)?;
        sink.flush()
    }

    fn reopen_if_asked(&mut self) {
        if self.reopen.swap(false, Ordering::AcqRel) {
            self.sink = None;
            self.torn = false;
            self.write(Vec::new(), 0);
        }
    }

    fn is_troubled(&self) -> bool {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

enum Sink {
    Stdout(io::Stdout),
    File(File),
}

impl Sink {
    fn open(target: &LogTarget) -> io::Result<Sink> {
        match target {
            LogTarget::Stdout => Ok(Sink::Stdout(io::stdout())),
            LogTarget::File(path) => private_file(path).map(Sink::File),
        }
    }
}

/// Decisions are nobody else's business: the file is made readable for its owner only.
fn private_file(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Stdout(sink) => sink.write(bytes),
            Sink::File(sink) => sink.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Stdout(sink) => sink.flush(),
            Sink::File(sink) => sink.flush(),
        }
    }
}
