//! A file of the operator that is read again when it changes; what cannot be used never replaces what can.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use arc_swap::ArcSwap;

/// A file's ready contents, with the moment and size by which a change is seen.
pub struct Watched<T> {
    path: PathBuf,
    /// What the file holds, as a person would say it: `list vip`, `city database`.
    what: String,
    parse: fn(&Path) -> Result<T, String>,
    loaded: ArcSwap<T>,
    stamp: ArcSwap<Option<Stamp>>,
}

/// When a file was written and how long it is.
type Stamp = (SystemTime, u64);

/// A file that the settings name and that cannot be used: the process does not start.
#[derive(Debug, thiserror::Error)]
#[error("{what} `{path}`: {why}")]
pub struct FileError {
    /// What the file is for.
    pub what: String,
    /// Its path.
    pub path: String,
    /// What is wrong with it.
    pub why: String,
}

impl<T> Watched<T> {
    /// Reads the file for the first time.
    pub fn open(what: String, path: &Path, parse: fn(&Path) -> Result<T, String>) -> Result<Self, FileError> {
        let stamp = stamp(path);
        let contents =
            parse(path).map_err(|why| FileError { what: what.clone(), path: path.display().to_string(), why })?;
        Ok(Watched {
            path: path.to_path_buf(),
            what,
            parse,
            loaded: ArcSwap::from_pointee(contents),
            stamp: ArcSwap::from_pointee(stamp),
        })
    }

    /// What the file held when it could last be used.
    pub fn now(&self) -> arc_swap::Guard<Arc<T>> {
        self.loaded.load()
    }

    /// Reads the file again if it changed; whether it did and could be used. Blocks on the disk.
    pub fn refresh(&self) -> bool {
        let stamp = stamp(&self.path);
        if **self.stamp.load() == stamp {
            return false;
        }
        // Remembered even if it is bad, so that a bad file is reported once.
        self.stamp.store(Arc::new(stamp));
        match (self.parse)(&self.path) {
            Ok(contents) => {
                self.loaded.store(Arc::new(contents));
                tracing::info!(what = %self.what, path = %self.path.display(), "file read again");
                true
            }
            Err(why) => {
                tracing::error!(what = %self.what, path = %self.path.display(), %why, "file not usable; the last good one stays");
                false
            }
        }
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let data = std::fs::metadata(path).ok()?;
    Some((data.modified().ok()?, data.len()))
}
