//! `stepward state`: moving to another store, and backups.
//!
//! Nothing here changes a store that has state. A backup goes into a new file; a copy and a restored backup go into a
//! store that is empty.

use std::{
    fs,
    io::{self, BufReader, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Map, Value, json};

use crate::{
    challenges::authenticators,
    cli::{Came, Exit, Failed, client, say},
    clock::Clock,
    keys::{self, ring::Ring},
    settings::{self, Presence, Settings},
    store::{
        backup::{self, RestoreError},
        carried::Tally,
        copy::{self, CopyError, Place},
        embedded::disk::OpenError,
    },
};

/// Where state is kept: move it, back it up.
#[derive(Debug, clap::Subcommand)]
pub(super) enum State {
    /// Copy everything that must outlive a move from one store into an empty one, so that growing up needs no reset
    Copy(Copy),
    /// Write a backup of the embedded store of a running Stepward, which goes on working
    Backup(Backup),
    /// Put a backup where there is no state. What may have been used since it was made is void
    Restore(Restore),
}

/// Both stores have to be at rest: stop every process that works on them.
#[derive(Debug, clap::Args)]
pub(super) struct Copy {
    /// The settings whose `state` it is, or the folder of an embedded store
    #[arg(long, value_name = "FILE|FOLDER")]
    from: PathBuf,
    /// The settings whose `state` it becomes, or a folder for an embedded store
    #[arg(long, value_name = "FILE|FOLDER")]
    to: PathBuf,
    /// The key ring, if not as the settings of the target say (`keys.yaml` in a folder)
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    #[command(flatten)]
    printed: say::Printed,
}

#[derive(Debug, clap::Args)]
pub(super) struct Backup {
    /// The file to write; it must not be there yet
    #[arg(value_name = "BACKUP")]
    file: PathBuf,
    #[command(flatten)]
    server: client::Server,
    #[command(flatten)]
    printed: say::Printed,
}

#[derive(Debug, clap::Args)]
pub(super) struct Restore {
    /// The backup
    #[arg(value_name = "BACKUP")]
    file: PathBuf,
    /// The settings that name the folder, the key ring and the tenants
    #[arg(short, long, value_name = "FILE", default_value = "stepward.yaml", env = "STEPWARD_CONFIG")]
    config: PathBuf,
    #[command(flatten)]
    printed: say::Printed,
}

impl State {
    pub(super) fn run(self) -> Came {
        match self {
            State::Copy(command) => command.run(),
            State::Backup(command) => command.run(),
            State::Restore(command) => command.run(),
        }
    }
}

impl Copy {
    fn run(self) -> Came {
        let (from, from_ring) = place(&self.from)?;
        let (to, to_ring) = place(&self.to)?;
        let ring = self.keys.clone().unwrap_or_else(|| to_ring.clone());
        let keys = Ring::load(&ring).map(keys::Keys::of).map_err(|error| {
            let hint = format!("both stores need the same key ring; copy `{}` there first", from_ring.display());
            Failed::because(Exit::CannotLoad, format!("{error}; {hint}"))
        })?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| Failed::new(Exit::CannotLoad, error))?;
        let copied = runtime.block_on(copy::copy(from, to, &keys, &Clock::System));
        let tally = copied.map_err(|error| self.failed(error))?;
        tell(self.printed, "stepward.state.copy/1", "copied", &tally);
        say::talk(
            "outstanding challenges and parked requests were left behind: they are void. Do not start on the old state again",
        );
        Ok(Exit::Ok)
    }

    fn failed(&self, error: CopyError) -> Failed {
        let exit = match &error {
            CopyError::Redis(_) | CopyError::Broken(_) => Exit::CannotReach,
            other if other.is_refusal() => Exit::Refused,
            _ => Exit::CannotLoad,
        };
        match error {
            CopyError::Embedded(OpenError::InUse) => Failed::because(
                exit,
                "a running process has the state file open: stop it (SIGTERM, or `systemctl stop stepward`), then copy",
            ),
            other => Failed::new(exit, other),
        }
    }
}

/// A store, and where its key ring is unless the command line says otherwise.
fn place(path: &Path) -> Result<(Place, PathBuf), Failed> {
    let is_settings = path.extension().is_some_and(|it| it == "yaml" || it == "yml");
    if !is_settings || path.is_dir() {
        return Ok((Place::Folder(path.to_path_buf()), path.join("keys.yaml")));
    }
    let Settings { state, .. } = loaded(path)?;
    let ring = state.keys.ok_or_else(|| keeps_nothing(path))?;
    let place = match (state.redis, state.path) {
        (Some(redis), _) => Place::Redis(redis),
        (None, Some(folder)) => Place::Folder(folder),
        (None, None) => return Err(keeps_nothing(path)),
    };
    Ok((place, ring))
}

fn keeps_nothing(path: &Path) -> Failed {
    Failed::because(Exit::Usage, format!("the settings `{}` keep no state", path.display()))
}

fn loaded(path: &Path) -> Result<Settings, Failed> {
    let loaded = settings::load(path, Presence::Advised).map_err(|rejected| {
        let first = rejected.found.first().map_or_else(String::new, |it| it.message.clone());
        Failed::because(Exit::CannotLoad, format!("`{}` cannot be used: {first}", path.display()))
    })?;
    Ok(loaded.settings)
}

/// What was carried, for people or for programs.
fn tell(printed: say::Printed, schema: &str, done: &str, tally: &Tally) {
    let counts: Map<String, Value> = tally.named().into_iter().map(|it| (it.0.into(), it.1.into())).collect();
    printed.answer(&json!({ "schema": schema, done: counts }), || {
        let lines = tally.named().map(|(name, count)| format!("{count:>10}  {}\n", name.replace('_', " ")));
        format!("{done}:\n{}", lines.concat())
    });
}

impl Backup {
    fn run(self) -> Came {
        let unusable = |error: io::Error| {
            Failed::because(Exit::CannotLoad, format!("cannot write `{}`: {error}", self.file.display()))
        };
        // Under its name only when it is whole.
        let mut aside = self.file.as_os_str().to_owned();
        aside.push(".part");
        let aside = PathBuf::from(aside);
        if self.file.exists() {
            return Err(Failed::because(Exit::Refused, format!("`{}` is there already", self.file.display())));
        }
        match fs::remove_file(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(error)),
            Ok(()) | Err(_) => {}
        }
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside).map_err(unusable)?;
        let saved = self.server.save("/api/v1/state/backup", &mut |piece| file.write_all(piece));
        let kept = saved.and_then(|bytes| {
            let placed = file.sync_all().and_then(|()| fs::hard_link(&aside, &self.file));
            placed.map(|()| bytes).map_err(unusable)
        });
        // A part of a backup is good for nothing.
        let _ = fs::remove_file(&aside);
        let bytes = kept?;
        let report = json!({ "schema": "stepward.state.backup/1", "file": self.file, "bytes": bytes });
        self.printed.answer(&report, || format!("`{}`: {bytes} bytes\n", self.file.display()));
        say::talk("it needs the key ring to be of use");
        Ok(Exit::Ok)
    }
}

impl Restore {
    fn run(self) -> Came {
        let settings = loaded(&self.config)?;
        let (folder, ring) = match (&settings.state.redis, &settings.state.path, &settings.state.keys) {
            (None, Some(folder), Some(ring)) => (folder, ring),
            (Some(_), _, _) => {
                let why = "a backup goes into a folder; `stepward state copy` takes it from there to Redis";
                return Err(Failed::because(Exit::Usage, why));
            }
            (None, _, _) => return Err(keeps_nothing(&self.config)),
        };
        let keys = Ring::load(ring).map(keys::Keys::of).map_err(|error| Failed::new(Exit::CannotLoad, error))?;
        let mut tenants: Vec<Arc<str>> = settings.routes.iter().map(|route| route.tenant.clone()).collect();
        tenants.sort_unstable();
        tenants.dedup();
        let now_ms = Clock::System.now_ms();
        let unreadable = |error| Failed::because(Exit::CannotLoad, format!("`{}`: {error}", self.file.display()));
        let mut file = BufReader::new(fs::File::open(&self.file).map_err(unreadable)?);
        let mut left = 0_u64;
        let restored = backup::restore(&mut file, folder, &keys, now_ms, |carried| {
            let aged = authenticators::aged(&keys, &tenants, carried, now_ms);
            left += u64::from(aged.is_none());
            aged
        });
        let tally = restored.map_err(|error| match error {
            RestoreError::Target(OpenError::Taken(_)) | RestoreError::Keys => Failed::new(Exit::Refused, error),
            other => Failed::new(Exit::CannotLoad, other),
        })?;
        tell(self.printed, "stepward.state.restore/1", "restored", &tally);
        say::talk(&format!(
            "left out: sessions, known devices, {}. Lock-outs and revocations made since the backup are not known, and \
             methods removed since are back",
            say::several(usize::try_from(left).unwrap_or(usize::MAX), "recovery code")
        ));
        Ok(Exit::Ok)
    }
}
