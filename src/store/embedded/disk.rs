//! The file: tables, one transaction a batch, and the marker of a clean stop.
//!
//! It never answers a request: everything is read from memory. After a failed transaction the database is closed
//! and opened again before the next one, because redb refuses further work after an I/O error.

use std::{
    fs, io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use redb::{Database, DatabaseError, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition};

use crate::{clock, store::embedded::unload::Snapshot};

/// How many bytes of the file redb may keep in memory; everything is read from our own maps.
const CACHE_BYTES: usize = 16 << 20;
/// The layout of rows that this code writes and reads.
const FORMAT: &[u8] = b"stepward state 1";

/// Why the file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("another process uses this state file; one `stepward` at a time can own it")]
    InUse,
    /// The file or its folder cannot be made, read or written.
    #[error("the state file cannot be opened: {0}")]
    Unusable(String),
    /// It was written by a version that this one does not understand.
    #[error("the state file has a format that this version does not know")]
    Format,
    /// A row does not read back.
    #[error("the state file holds an unreadable row in `{0}`")]
    Corrupt(&'static str),
    /// A store never leaves its file so: somebody, or something, emptied it.
    #[error(
        "the state file `{}` is empty, and this program never leaves it so: what it remembered (lock-outs, used codes, \
         authenticators) is gone. Move the empty file away and put a backup back with `stepward state restore`, or start \
         without it to begin with nothing",
        .0.display()
    )]
    Emptied(PathBuf),
    /// There is no file to be read out.
    #[error("there is no state at `{}`", .0.display())]
    Absent(PathBuf),
    /// There is a file where a new one was to be put.
    #[error("there is state already at `{}`", .0.display())]
    Taken(PathBuf),
    /// Whoever was reading wants no more.
    #[error("nobody wants the rest")]
    Unwanted,
}

/// What kind of row. The numbers are those of backups; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) enum Table {
    Meta = 0,
    Sessions = 1,
    Challenges = 2,
    Parked = 3,
    Claims = 4,
    Drawers = 5,
    Locks = 6,
    Revocations = 7,
    Counters = 8,
    /// After the counters: its rows count more than theirs.
    Guards = 9,
}

impl Table {
    const ALL: [Table; 10] = [
        Table::Meta,
        Table::Sessions,
        Table::Challenges,
        Table::Parked,
        Table::Claims,
        Table::Drawers,
        Table::Locks,
        Table::Revocations,
        Table::Counters,
        Table::Guards,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Table::Meta => "meta",
            Table::Sessions => "sessions",
            Table::Challenges => "challenges",
            Table::Parked => "parked",
            Table::Claims => "claims",
            Table::Drawers => "drawers",
            Table::Locks => "locks",
            Table::Revocations => "revocations",
            Table::Counters => "counters",
            Table::Guards => "guards",
        }
    }

    fn definition(self) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
        TableDefinition::new(self.name())
    }
}

/// One row put or removed.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) table: Table,
    pub(super) key: Vec<u8>,
    /// `None` removes.
    pub(super) value: Option<Vec<u8>>,
}

/// Opens the database, again after each failure.
pub(super) type Opener = Box<dyn FnMut() -> Result<Database, DatabaseError> + Send>;

/// How the last process that had the file stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// There was none.
    Fresh,
    /// It wrote everything and said so.
    Clean,
    /// It did not come to that: a crash, a kill, a power cut.
    Unclean,
}

/// The open file.
pub(super) struct Disk {
    opener: Opener,
    database: Option<Database>,
}

/// Where the file of a folder is.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("state.redb")
}

/// Makes a folder that is not there, for our own user only.
pub(super) fn make(folder: &Path) -> Result<(), OpenError> {
    if folder.exists() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(builder.recursive(true), 0o700);
    builder.create(folder).map_err(|error| OpenError::Unusable(error.to_string()))
}

/// Opens `state.redb` in a folder, which is made if need be; both for our own user only.
pub(super) fn file(folder: &Path) -> Result<Opener, OpenError> {
    make(folder)?;
    let path = path(folder);
    match fs::metadata(&path) {
        Ok(there) if there.len() == 0 => return Err(OpenError::Emptied(path)),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => begin(folder)?,
        Err(error) => return Err(OpenError::Unusable(error.to_string())),
    }
    // Never made here: a file that vanishes or is emptied while it is in use is not begun anew.
    Ok(Box::new(move || Database::builder().set_cache_size(CACHE_BYTES).open(&path)))
}

/// Makes the first file of a folder: aside, and put into place when it is whole, so that an empty one was never ours.
fn begin(folder: &Path) -> Result<(), OpenError> {
    let aside = aside(folder)?;
    let made = Database::create(&aside).map_err(|error| OpenError::Unusable(error.to_string()));
    // The file is closed before it gets its name.
    let placed = made.map(drop).and_then(|()| place(&aside, folder));
    // What is left of it is removed by the next `state restore` or `state copy`.
    let _ = fs::remove_file(&aside);
    match placed {
        // Another process was first: its file it is.
        Err(OpenError::Taken(_)) => Ok(()),
        placed => placed,
    }
}

/// What a file is called that is not whole yet; a random name follows.
pub(super) const ASIDE: &str = "state.redb.incoming-";

/// An empty file of our own beside the one that it is to become.
pub(super) fn aside(folder: &Path) -> Result<PathBuf, OpenError> {
    let aside = folder.join(format!("{ASIDE}{}", clock::fresh_name()));
    let made = fs::OpenOptions::new().create_new(true).append(true).mode(0o600).open(&aside);
    made.map(|_| aside).map_err(|error| OpenError::Unusable(error.to_string()))
}

/// Gives a file that is whole its name, unless there is one of that name; its other name stays.
pub(super) fn place(aside: &Path, folder: &Path) -> Result<(), OpenError> {
    let placed = fs::hard_link(aside, path(folder)).and_then(|()| fs::File::open(folder)?.sync_all());
    placed.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => OpenError::Taken(path(folder)),
        _ => OpenError::Unusable(error.to_string()),
    })
}

/// Every row of some tables, in the order of their keys.
pub(super) fn rows(
    transaction: &ReadTransaction,
    tables: &[Table],
    mut each: impl FnMut(Table, &[u8], &[u8]) -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    let unusable = |error: redb::Error| OpenError::Unusable(error.to_string());
    for table in tables {
        let rows = match transaction.open_table(table.definition()) {
            Ok(rows) => rows,
            Err(redb::TableError::TableDoesNotExist(_)) => continue,
            Err(error) => return Err(unusable(error.into())),
        };
        for row in rows.iter().map_err(|error| unusable(error.into()))? {
            let (key, value) = row.map_err(|error| unusable(error.into()))?;
            each(*table, key.value(), value.value())?;
        }
    }
    Ok(())
}

/// What a row of the file about itself says.
pub(super) fn look(restart: &mut Restart, key: &[u8], value: &[u8]) -> Result<(), OpenError> {
    match key {
        b"format" if value != FORMAT => return Err(OpenError::Format),
        b"format" if *restart == Restart::Fresh => *restart = Restart::Unclean,
        b"clean" => *restart = Restart::Clean,
        _ => {}
    }
    Ok(())
}

impl Disk {
    /// Opens, reads every row, and takes down the marker of a clean stop until the next one.
    pub(super) fn open(
        mut opener: Opener,
        mut load: impl FnMut(Table, &[u8], &[u8]) -> Result<(), OpenError>,
    ) -> Result<(Disk, Restart), OpenError> {
        let database = opener().map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => OpenError::InUse,
            other => OpenError::Unusable(other.to_string()),
        })?;
        let mut disk = Disk { opener, database: Some(database) };
        let restart = disk.read(&mut load)?;
        let began = [put(b"format", FORMAT), Write { table: Table::Meta, key: b"clean".to_vec(), value: None }];
        disk.commit(&began).map_err(|error| OpenError::Unusable(error.to_string()))?;
        Ok((disk, restart))
    }

    fn read(&self, load: &mut impl FnMut(Table, &[u8], &[u8]) -> Result<(), OpenError>) -> Result<Restart, OpenError> {
        let Some(database) = &self.database else { return Err(OpenError::Unusable("closed".into())) };
        let transaction = database.begin_read().map_err(|error| OpenError::Unusable(error.to_string()))?;
        let mut restart = Restart::Fresh;
        rows(&transaction, &Table::ALL, |table, key, value| match table {
            Table::Meta => look(&mut restart, key, value),
            table => load(table, key, value),
        })?;
        Ok(restart)
    }

    /// The file at this moment, to be read out while it is written on.
    pub(super) fn snapshot(&mut self) -> Result<Snapshot, redb::Error> {
        match &mut self.database {
            Some(open) => Snapshot::of(open),
            closed => Snapshot::of(closed.insert((self.opener)()?)),
        }
    }

    /// Writes a batch in one transaction and waits until it is on disk.
    pub(super) fn commit(&mut self, writes: &[Write]) -> Result<(), redb::Error> {
        let done = self.transact(writes);
        if done.is_err() {
            self.database = None;
        }
        done
    }

    fn transact(&mut self, writes: &[Write]) -> Result<(), redb::Error> {
        let database = match &mut self.database {
            Some(open) => open,
            closed => closed.insert((self.opener)()?),
        };
        let transaction = database.begin_write()?;
        for kind in Table::ALL {
            let mut rows = writes.iter().filter(|write| write.table == kind).peekable();
            if rows.peek().is_none() {
                continue;
            }
            let mut table = transaction.open_table(kind.definition())?;
            for write in rows {
                match &write.value {
                    Some(value) => drop(table.insert(&*write.key, &**value)?),
                    None => drop(table.remove(&*write.key)?),
                }
            }
        }
        Ok(transaction.commit()?)
    }
}

/// Says that everything was written: the last row before a stop.
pub(super) fn clean_stop() -> Write {
    put(b"clean", b"1")
}

fn put(key: &[u8], value: &[u8]) -> Write {
    Write { table: Table::Meta, key: key.to_vec(), value: Some(value.to_vec()) }
}
