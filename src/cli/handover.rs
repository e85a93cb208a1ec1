//! One process takes over from another (SIGQUIT): sockets, then state, with nobody refused in between.
//!
//! The old process starts the new one with its listening sockets (systemd's protocol, without `LISTEN_PID`, which only
//! the child could know) and a line to talk on as standard input. The order:
//!
//! 1. the new one reads everything but the state, and says that it is *prepared*; until then nothing has changed;
//! 2. the old one accepts no more, so that clients queue in the sockets, lets requests that need state finish, closes
//!    the store and says *go*: two processes never have it at once;
//! 3. the new one opens the store, serves, and says *serving*; the old one lets open streams finish and ends.
//!
//! Whoever falls silent is given up: the old process carries on with what it has, or starts again by itself over the
//! same sockets. Should the old one be gone, the new one goes.

use std::{
    env, io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{net::UnixStream as Line, process::parent_id},
    },
    process,
    time::Duration,
};

use command_fds::{CommandFdExt, FdMapping};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    process::{Child, Command},
    time::timeout,
};

use crate::sockets::Held;

/// The variable that holds the id of the process that hands over.
const PREDECESSOR: &str = "STEPWARD_PREDECESSOR";
/// The first descriptor of systemd's protocol (`SD_LISTEN_FDS_START`).
const FIRST: usize = 3;
/// How long the new process may take for each of its two steps.
const STEP_MAX: Duration = Duration::from_secs(60);

const PREPARED: u8 = b'p';
const GO: u8 = b'g';
const SERVING: u8 = b's';

/// The process that hands over to this one.
pub(super) struct Predecessor(UnixStream);

impl Predecessor {
    /// The process that started this one to hand over to it, if one did. Within a runtime.
    ///
    /// # Errors
    /// Standard input is not the line to it.
    pub(super) fn find() -> io::Result<Option<Predecessor>> {
        let named = env::var(PREDECESSOR).ok().and_then(|id| id.parse().ok());
        if named != Some(parent_id()) {
            return Ok(None);
        }
        let line = Line::from(io::stdin().as_fd().try_clone_to_owned()?);
        line.set_nonblocking(true)?;
        UnixStream::from_std(line).map(Predecessor).map(Some)
    }

    /// Says that this process could serve, and waits until the store is free: the other said so, or is gone.
    pub(super) async fn make_way(&mut self) {
        let answer = match self.0.write_u8(PREPARED).await {
            Ok(()) => self.0.read_u8().await,
            Err(error) => Err(error),
        };
        if !matches!(answer, Ok(GO)) {
            tracing::warn!("the process that was to hand over is gone");
        }
    }

    /// Says that this process serves.
    pub(super) async fn dismiss(mut self) {
        if let Err(error) = self.0.write_u8(SERVING).await {
            tracing::warn!(%error, "the process that handed over could not be told");
        }
    }
}

/// The process that takes over from this one.
pub(super) struct Successor {
    child: Child,
    line: UnixStream,
}

impl Successor {
    /// Starts the binary that this process was started as, with the same arguments and these sockets.
    ///
    /// # Errors
    /// It cannot be started; or this is the first process of a container, which would end with it.
    pub(super) fn start(sockets: Vec<Held>) -> io::Result<Successor> {
        if process::id() == 1 {
            return Err(io::Error::other("process 1 cannot hand over: the container ends with it; start a new one"));
        }
        let mut words = env::args_os();
        let binary = words.next().ok_or_else(|| io::Error::other("this process was started without a name"))?;
        let (ours, theirs) = Line::pair()?;
        ours.set_nonblocking(true)?;
        let names: Vec<&str> = sockets.iter().map(|held| held.name.as_deref().unwrap_or_default()).collect();
        let mut command = process::Command::new(binary);
        command
            .args(words)
            .env_remove("LISTEN_PID")
            .env("LISTEN_FDS", sockets.len().to_string())
            .env("LISTEN_FDNAMES", names.join(":"))
            .env(PREDECESSOR, process::id().to_string())
            .stdin(OwnedFd::from(theirs));
        let placed = (FIRST..).zip(sockets).map(|(at, held)| {
            let child_fd = i32::try_from(at).map_err(io::Error::other)?;
            Ok(FdMapping { parent_fd: held.listener.into(), child_fd })
        });
        command.fd_mappings(placed.collect::<io::Result<_>>()?).map_err(io::Error::other)?;
        let child = Command::from(command).spawn()?;
        Ok(Successor { child, line: UnixStream::from_std(ours)? })
    }

    /// Its process id, while it runs.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it could serve.
    ///
    /// # Errors
    /// It cannot.
    pub(super) async fn prepared(&mut self) -> io::Result<()> {
        self.hear(PREPARED).await
    }

    /// Tells it that the store is free and waits until it serves.
    ///
    /// # Errors
    /// It does not.
    pub(super) async fn go(&mut self) -> io::Result<()> {
        self.line.write_u8(GO).await?;
        self.hear(SERVING).await
    }

    /// Ends it, and waits until it has ended and let go of the store.
    pub(super) async fn end(mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::warn!(%error, "the process that was to take over cannot be ended");
        }
    }

    async fn hear(&mut self, wanted: u8) -> io::Result<()> {
        match timeout(STEP_MAX, self.line.read_u8()).await {
            Ok(Ok(heard)) if heard == wanted => Ok(()),
            Ok(Ok(_)) => Err(io::Error::other("it speaks another language")),
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Err(io::Error::other("it has ended")),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::other(format!("it said nothing within {} s", STEP_MAX.as_secs()))),
        }
    }
}
