//! Notices that files have changed and says so once they hold still.
//!
//! The kernel's notice is a hint, never the truth: where it does not come (network file systems, a limit of the
//! system), a look every [`LOOK_EVERY`] finds the change. Whoever is told compares contents.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::Duration,
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

/// How long files have to hold still: an editor or a roll-out writes several.
const SETTLE: Duration = Duration::from_millis(150);
/// How long a stream of changes may put off telling.
const SETTLE_MAX: Duration = Duration::from_secs(2);
/// How often it is looked at without being told.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Watching, until it is dropped.
pub struct Watch {
    watcher: Option<RecommendedWatcher>,
    /// Keeps the thread looking where there is no watcher; its end ends the thread.
    _alive: Sender<()>,
}

impl Watch {
    /// Calls `changed` from a thread of its own after something in or beside these paths changed, and now and then.
    pub fn over(paths: &[PathBuf], changed: impl Fn() + Send + 'static) -> std::io::Result<Watch> {
        let (told, hints) = mpsc::channel();
        let alive = told.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading a file is an event too, and would wake us for our own reading.
            if event.map_or(true, |event| !event.kind.is_access()) {
                // Whoever listened may have stopped.
                let _ = told.send(());
            }
        });
        let mut watcher = match watcher {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!(%error, "files are not watched; changes are found within {} s", LOOK_EVERY.as_secs());
                None
            }
        };
        if let Some(watcher) = &mut watcher {
            for path in paths {
                follow(watcher, path);
            }
        }
        thread::Builder::new().name("watch".into()).spawn(move || wait(&hints, &changed))?;
        Ok(Watch { watcher, _alive: alive })
    }

    /// Whether the kernel tells of changes; otherwise they are found by looking.
    pub fn is_told(&self) -> bool {
        self.watcher.is_some()
    }
}

/// The path and the folder it lies in: a link that is swapped changes the latter only.
fn follow(watcher: &mut RecommendedWatcher, path: &Path) {
    let beside = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for (path, mode) in [(path, RecursiveMode::Recursive), (beside, RecursiveMode::NonRecursive)] {
        if let Err(error) = watcher.watch(path, mode) {
            tracing::warn!(path = %path.display(), %error, "not watched; changes are found by looking");
        }
    }
}

/// Ends when the watch is dropped.
fn wait(hints: &Receiver<()>, changed: &dyn Fn()) {
    loop {
        match hints.recv_timeout(LOOK_EVERY) {
            Ok(()) => {
                settle(hints);
                changed();
            }
            Err(RecvTimeoutError::Timeout) => changed(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn settle(hints: &Receiver<()>) {
    for _ in 0..SETTLE_MAX.as_millis() / SETTLE.as_millis() {
        match hints.recv_timeout(SETTLE) {
            // The rest of this burst.
            Ok(()) => thread::sleep(SETTLE),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
        }
        while hints.try_recv().is_ok() {}
    }
}
