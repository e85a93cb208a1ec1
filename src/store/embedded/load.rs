//! A new file, written aside and put into place when it is whole: whoever opens the store meets all of it or none.
//!
//! It never replaces a file that is there. Interrupted, it leaves a file of another name, which the next try removes.

use std::{
    fs, io, mem,
    path::{Path, PathBuf},
};

use redb::Database;

use crate::store::{
    Drawer,
    carried::{Carried, Hits},
    embedded::{
        claims,
        disk::{self, Disk, OpenError, Write},
        drawers,
        gauge::Gauge,
        locks, meters, revocations, sessions,
    },
};

/// How many rows are written at once.
const ROWS: usize = 20_000;

/// The file that is being written.
pub struct Incoming {
    disk: Disk,
    folder: PathBuf,
    aside: PathBuf,
    writes: Vec<Write>,
    next_revocation: u64,
    next_counter: u64,
}

impl Incoming {
    /// Begins a file for that folder, which is made if need be.
    ///
    /// # Errors
    /// There is a store already, or nothing can be written there.
    pub fn begin(folder: &Path) -> Result<Incoming, OpenError> {
        disk::make(folder)?;
        if disk::path(folder).exists() {
            return Err(OpenError::Taken(disk::path(folder)));
        }
        let unusable = |error: io::Error| OpenError::Unusable(error.to_string());
        for left in fs::read_dir(folder).map_err(unusable)?.filter_map(Result::ok) {
            if left.file_name().to_string_lossy().starts_with(disk::ASIDE) {
                fs::remove_file(left.path()).map_err(unusable)?;
            }
        }
        let aside = disk::aside(folder)?;
        let path = aside.clone();
        let (disk, _) = Disk::open(Box::new(move || Database::create(&path)), |_, _, _| Ok(()))?;
        let folder = folder.to_path_buf();
        Ok(Incoming { disk, folder, aside, writes: Vec::new(), next_revocation: 1, next_counter: 0 })
    }

    /// Adds one thing.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn put(&mut self, carried: Carried) -> Result<(), OpenError> {
        let write = match carried {
            Carried::Session { session, begun_ms, expires_ms, version, sealed } => {
                sessions::row(&session, version, begun_ms, expires_ms, &sealed)
            }
            Carried::Claim { token, nonce, expires_ms } => claims::row(&token, nonce, expires_ms),
            Carried::Entry { account, drawer, id, counter, sealed } => {
                drawers::row(&account, drawer, &id, counter, &sealed)
            }
            Carried::Lock { who, until_ms } => locks::row(&who, until_ms),
            Carried::Revocation(revocation) => {
                let position = self.next_revocation;
                self.next_revocation += 1;
                revocations::row(position, &revocation)
            }
            Carried::Counter { who, name, window_ms, hits } => {
                let is_guarded = matches!(hits, Hits::Guarded(_));
                let gauge = Gauge::holding(window_ms, hits);
                match is_guarded {
                    true => meters::guard_row(&(who, name), &gauge),
                    false => {
                        let number = self.next_counter;
                        self.next_counter += 1;
                        meters::lone_row(number, &(who, name), &gauge)
                    }
                }
            }
        };
        self.writes.push(write);
        if self.writes.len() < ROWS { Ok(()) } else { self.write() }
    }

    /// Notes what the store says of itself.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn note(&mut self, id: crate::store::Id, what: &[u8]) -> Result<(), OpenError> {
        self.writes.push(drawers::row(&crate::store::carried::NOBODY, Drawer::Traces, &id, 0, what));
        self.write()
    }

    /// Puts the file into place, whole and marked as stopped cleanly.
    ///
    /// # Errors
    /// There is a store by now, or the disk refuses.
    pub fn finish(mut self) -> Result<(), OpenError> {
        self.writes.push(disk::clean_stop());
        self.write()?;
        let Incoming { disk, folder, aside, .. } = self;
        // The file is closed before it gets its name.
        drop(disk);
        let placed = disk::place(&aside, &folder);
        // What is left of it is removed by the next try.
        let _ = fs::remove_file(&aside);
        placed
    }

    /// Gives up: nothing is left.
    pub fn abandon(self) {
        // What is left of it is removed by the next try.
        let _ = fs::remove_file(&self.aside);
    }

    fn write(&mut self) -> Result<(), OpenError> {
        let writes = mem::take(&mut self.writes);
        self.disk.commit(&writes).map_err(|error| OpenError::Unusable(error.to_string()))
    }
}
