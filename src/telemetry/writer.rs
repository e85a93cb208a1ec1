//! Lines to a file or to standard output, from a thread of its own behind a bounded queue.
//!
//! Leaving a line never waits for a disk. A write that fails loses its batch, is counted, and the file is opened anew for the next
//! one, so that a disk that was full, or a file that was moved, heals without anybody's help. A line that a failed
//! write tore is ended before the next, so that every line stays one record (Envoy CVE-2025-25294).

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    mem,
    path::Path,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, SyncSender},
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
/// How many bytes may wait.
const QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// For how long lines are gathered before they are written: waking for each of them would cost the request path more
/// than writing it costs us.
const GATHER: Duration = Duration::from_millis(5);
/// How often a quiet log looks whether it can be written again, or is to be opened anew.
const HEAL_EVERY: Duration = Duration::from_secs(1);

/// A log of lines. Dropping it writes what is left.
pub struct Writer {
    desk: Arc<Desk>,
    metrics: Metrics,
    log: Log,
}

/// Where lines are left for the thread that writes them.
#[derive(Default)]
struct Desk {
    tray: Mutex<Tray>,
    bell: Condvar,
    reopen: AtomicBool,
    trouble: Mutex<Option<String>>,
}

/// Whole lines, and who waits for them to be written.
#[derive(Default)]
struct Tray {
    bytes: Vec<u8>,
    lines: usize,
    waiting: Vec<SyncSender<()>>,
    is_closed: bool,
}

impl Desk {
    fn tray(&self) -> MutexGuard<'_, Tray> {
        self.tray.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trouble(&self) -> MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Opens the target and starts the thread; `seen` is shown every batch of whole lines before it is written.
    ///
    /// # Errors
    /// The target cannot be opened, or no thread can be started.
    pub fn open(
        log: Log,
        target: &LogTarget,
        seen: impl FnMut(&[u8]) + Send + 'static,
        metrics: Metrics,
    ) -> io::Result<Self> {
        let desk = Arc::<Desk>::default();
        let clerk = Clerk {
            desk: desk.clone(),
            sink: Some(Sink::open(target)?),
            target: target.clone(),
            torn: false,
            seen: Box::new(seen),
            metrics: metrics.clone(),
            log,
        };
        thread::Builder::new().name(format!("log {}", log.name())).spawn(move || clerk.work())?;
        Ok(Writer { desk, metrics, log })
    }

    /// Leaves a line, without its end, to be written. One too many is lost, and the metrics say so.
    pub fn write(&self, line: &[u8]) {
        let mut tray = self.desk.tray();
        if tray.lines >= QUEUE_LINES_MAX || tray.bytes.len() + line.len() >= QUEUE_BYTES_MAX {
            drop(tray);
            return self.metrics.dropped(self.log, 1);
        }
        tray.bytes.extend_from_slice(line);
        tray.bytes.push(b'\n');
        tray.lines += 1;
        if tray.lines == 1 {
            self.desk.bell.notify_one();
        }
    }

    /// Opens the file anew before the next line.
    pub fn reopen(&self) {
        self.desk.reopen.store(true, Ordering::Release);
    }

    /// Why the last write failed, if it did.
    pub fn trouble(&self) -> Option<String> {
        self.desk.trouble().clone()
    }

    /// Waits until everything left so far was tried, at most so long; whether that was done in time.
    pub fn flush(&self, wait: Duration) -> bool {
        let (done, is_done) = mpsc::sync_channel(1);
        self.desk.tray().waiting.push(done);
        self.desk.bell.notify_one();
        is_done.recv_timeout(wait).is_ok()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.desk.tray().is_closed = true;
        self.desk.bell.notify_one();
    }
}

/// Is shown every batch of whole lines.
type Seen = dyn FnMut(&[u8]) + Send;

struct Clerk {
    desk: Arc<Desk>,
    sink: Option<Sink>,
    target: LogTarget,
    torn: bool,
    seen: Box<Seen>,
    metrics: Metrics,
    log: Log,
}

impl Clerk {
    /// Works until nobody can leave anything any more.
    fn work(mut self) {
        loop {
            let tray = self.take();
            self.reopen_if_asked();
            if tray.lines > 0 {
                (self.seen)(&tray.bytes);
                self.write(&tray.bytes, tray.lines as u64);
            } else if self.is_troubled() {
                // A quiet log heals too, so that readiness does not wait for the next decision.
                self.write(&[], 0);
            }
            for done in tray.waiting {
                // Whoever waited may have given up.
                let _ = done.try_send(());
            }
            if tray.is_closed {
                return;
            }
        }
    }

    /// What was left, gathered for a moment; nothing after a while without any.
    fn take(&self) -> Tray {
        let has_nothing = |tray: &mut Tray| tray.lines == 0 && tray.waiting.is_empty() && !tray.is_closed;
        let waited = self.desk.bell.wait_timeout_while(self.desk.tray(), HEAL_EVERY, has_nothing);
        let (mut tray, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if tray.lines > 0 && tray.waiting.is_empty() && !tray.is_closed {
            drop(tray);
            thread::sleep(GATHER);
            tray = self.desk.tray();
        }
        let is_closed = tray.is_closed;
        let room = Vec::with_capacity(tray.bytes.len());
        let taken = mem::replace(&mut *tray, Tray { bytes: room, is_closed, ..Tray::default() });
        Tray { is_closed, ..taken }
    }

    fn write(&mut self, bytes: &[u8], lines: u64) {
        match self.try_write(bytes) {
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
        if self.desk.reopen.swap(false, Ordering::AcqRel) {
            self.sink = None;
            self.torn = false;
            self.write(&[], 0);
        }
    }

    fn is_troubled(&self) -> bool {
        self.desk.trouble().is_some()
    }

    fn set_trouble(&self, trouble: Option<String>) {
        *self.desk.trouble() = trouble;
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
