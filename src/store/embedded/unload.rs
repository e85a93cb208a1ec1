//! Everything in the file at one moment, read out: for another store, or for a backup.
//!
//! It reads from a transaction of its own, so that a store that runs goes on writing meanwhile; nothing in memory is
//! looked at or locked. It never changes the file, except that opening one after a crash repairs it, as any start does.

use std::{collections::HashMap, fs, path::Path};

use redb::{Database, DatabaseError, ReadTransaction, ReadableDatabase};

use crate::store::{
    Counted, Id, Kind, StateError, Stored,
    carried::{Cargo, Carried, NOBODY, Packer, RESTORED, Unwanted, restored_ms},
    embedded::{
        claims,
        disk::{self, OpenError, Restart, Table},
        drawers,
        gauge::Gauge,
        locks, meters, revocations,
        row::Torn,
        sessions,
    },
};

/// Tables that are carried, in the order in which they are: what makes stricter first, the log before sessions, because
/// it says which of them are void.
const CARRIED: [Table; 7] =
    [Table::Revocations, Table::Locks, Table::Claims, Table::Counters, Table::Guards, Table::Drawers, Table::Sessions];

/// The file at one moment.
pub struct Snapshot(ReadTransaction);

/// A file that no process uses, opened to be read out. It is ours until this is dropped.
pub struct Offline {
    snapshot: Snapshot,
    restart: Restart,
    _database: Database,
}

impl Offline {
    /// Opens the file in that folder.
    ///
    /// # Errors
    /// It is not there, another process has it open, or it is not ours.
    pub fn open(folder: &Path) -> Result<Offline, OpenError> {
        let path = disk::path(folder);
        if !path.is_file() {
            return Err(OpenError::Absent(path));
        }
        if fs::metadata(&path).is_ok_and(|it| it.len() == 0) {
            return Err(OpenError::Emptied(path));
        }
        let unusable = |error: redb::Error| OpenError::Unusable(error.to_string());
        let database = Database::builder().open(&path).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => OpenError::InUse,
            other => unusable(other.into()),
        })?;
        let transaction = database.begin_read().map_err(|error| unusable(error.into()))?;
        let mut restart = Restart::Fresh;
        disk::rows(&transaction, &[Table::Meta], |_, key, value| disk::look(&mut restart, key, value))?;
        Ok(Offline { snapshot: Snapshot(transaction), restart, _database: database })
    }

    /// How the last process that had it stopped.
    pub fn restart(&self) -> Restart {
        self.restart
    }

    /// What the store notes of whose it is, and of when a backup was put back into it.
    ///
    /// # Errors
    /// The file does not read back.
    pub(in crate::store) fn notes(&self) -> Result<(Option<Vec<u8>>, Option<i64>), OpenError> {
        let mut unpacker = Unpacker::default();
        let mut restored = None;
        let read = disk::rows(&self.snapshot.0, &[Table::Drawers], |table, key, value| {
            // Entries come by account, and nobody's is the lowest.
            match unpacker.unpack(table, key, value).map_err(|Torn| OpenError::Corrupt(table.name()))? {
                Some(Carried::Entry { account: NOBODY, id: RESTORED, sealed, .. }) => {
                    restored = restored_ms(&sealed);
                    Ok(())
                }
                None | Some(Carried::Entry { account: NOBODY, .. }) => Ok(()),
                Some(_) => Err(OpenError::Unwanted),
            }
        });
        match read {
            Ok(()) | Err(OpenError::Unwanted) => Ok((unpacker.owner(), restored)),
            Err(other) => Err(other),
        }
    }

    /// Everything that is carried, from a thread of its own.
    pub fn cargo(self) -> Cargo {
        let (mut packer, cargo) = Packer::new();
        tokio::task::spawn_blocking(move || {
            // All of it: the file is closed when the reading is done, not before, and before that is said.
            let offline = self;
            let end = offline.snapshot.each(&CARRIED, |carried| packer.put_blocking(carried));
            drop(offline);
            packer.end_blocking(end);
        });
        cargo
    }
}

impl Snapshot {
    pub(super) fn of(database: &Database) -> Result<Snapshot, redb::Error> {
        Ok(Snapshot(database.begin_read()?))
    }

    #[cfg(test)]
    pub(super) fn sessions(&self) -> usize {
        let mut sessions = 0;
        disk::rows(&self.0, &[Table::Sessions], |_, _, _| {
            sessions += 1;
            Ok(())
        })
        .unwrap();
        sessions
    }

    /// Rows as they lie in the file, of everything that a backup keeps: no session, for whether one was revoked since
    /// nobody could tell.
    pub(in crate::store) fn backup_rows(
        &self,
        mut each: impl FnMut(u8, &[u8], &[u8]) -> Result<(), OpenError>,
    ) -> Result<(), OpenError> {
        let kept = CARRIED.into_iter().filter(|table| *table != Table::Sessions).collect::<Vec<_>>();
        disk::rows(&self.0, &kept, |table, key, value| each(table as u8, key, value))
    }

    fn each(&self, tables: &[Table], mut each: impl FnMut(Carried) -> Result<(), Unwanted>) -> Stored<()> {
        let mut unpacker = Unpacker::default();
        let read = disk::rows(&self.0, tables, |table, key, value| {
            match unpacker.unpack(table, key, value).map_err(|Torn| OpenError::Corrupt(table.name()))? {
                Some(carried) => each(carried).map_err(|Unwanted| OpenError::Unwanted),
                None => Ok(()),
            }
        });
        let read =
            read.and_then(|()| unpacker.rest().try_for_each(|it| each(it).map_err(|Unwanted| OpenError::Unwanted)));
        match read {
            Ok(()) | Err(OpenError::Unwanted) => Ok(()),
            Err(other) => Err(StateError::Corrupt(other.to_string())),
        }
    }
}

/// Makes what is carried of rows.
#[derive(Default)]
pub(in crate::store) struct Unpacker {
    counters: HashMap<meters::Key, (Gauge, bool)>,
    /// What the store notes of whose it is: it stays, for the new one belongs to whoever makes it.
    owner: Option<Vec<u8>>,
    /// Before which moment sessions of an account, or one session, are void.
    void: HashMap<(Kind, Id), i64>,
}

impl Unpacker {
    /// The table of that number, if it is one that a backup keeps.
    pub(in crate::store) fn table(number: u8) -> Option<Table> {
        CARRIED.into_iter().filter(|table| *table != Table::Sessions).find(|table| *table as u8 == number)
    }

    /// One row; counters come at the end, because later rows replace earlier ones.
    pub(in crate::store) fn unpack(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<Option<Carried>, Torn> {
        Ok(match table {
            Table::Meta | Table::Challenges | Table::Parked => None,
            Table::Claims => Some(claims::carried(key, value)?),
            Table::Locks => Some(locks::carried(key, value)?),
            Table::Drawers => match drawers::carried(key, value)? {
                Carried::Entry { account: NOBODY, id: NOBODY, sealed, .. } => {
                    self.owner = Some(sealed);
                    None
                }
                carried => Some(carried),
            },
            Table::Sessions => Some(sessions::carried(key, value)?).filter(|it| !self.is_void(it)),
            Table::Revocations => {
                let (_, revocation) = revocations::read(key, value)?;
                if revocation.before_ms == i64::MIN {
                    // Announced to those who had something open; the process that had it is gone.
                    return Ok(None);
                }
                let Counted { kind, id } = revocation.target;
                let before = self.void.entry((kind, id)).or_insert(revocation.before_ms);
                *before = revocation.before_ms.max(*before);
                Some(Carried::Revocation(revocation))
            }
            Table::Counters => {
                self.counters.extend(meters::read_row(value)?.into_iter().map(|(key, gauge)| (key, (gauge, false))));
                None
            }
            Table::Guards => {
                let (key, gauge) = meters::read_guard(key, value)?;
                self.counters.insert(key, (gauge, true));
                None
            }
        })
    }

    /// What the store noted of whose it is.
    pub(in crate::store) fn owner(&mut self) -> Option<Vec<u8>> {
        self.owner.take()
    }

    /// What could only be told after the last row.
    pub(in crate::store) fn rest(self) -> impl Iterator<Item = Carried> {
        self.counters.into_iter().map(|((who, name), (gauge, is_guarded))| Carried::Counter {
            who,
            name,
            window_ms: gauge.window_ms,
            hits: gauge.hits(is_guarded),
        })
    }

    fn is_void(&self, carried: &Carried) -> bool {
        let Carried::Session { session, begun_ms, .. } = carried else { return false };
        let void = [(Kind::Account, session.home), (Kind::Session, session.id)];
        void.iter().filter_map(|it| self.void.get(it)).any(|before_ms| begun_ms <= before_ms)
    }
}
