//! A gateway in the foreground, until a signal ends it.
//!
//! SIGTERM drains; SIGINT too, and at once when it comes again; SIGHUP reloads; SIGUSR1 opens logs anew; SIGQUIT hands
//! over to a new process ([`handover`]). A start that fails leaves nothing running and says what to mend.

use std::io;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    cli::{
        Came, Exit, Failed,
        handover::{Predecessor, Successor},
        say,
    },
    clock::Clock,
    gateway::{self, Policies, Running, StartError},
    render::Format,
    settings::{Limits, Settings},
    sockets::Sockets,
    telemetry::{self, Metrics, Telemetry},
};

/// Serves until a signal ends it.
pub(super) fn serve(settings: Settings, policies: Policies) -> Came {
    let sockets = Sockets::inherited().map_err(cannot_start)?;
    let metrics = Metrics::new();
    let access_log = telemetry::lines::install(settings.access_log.as_ref(), &metrics).map_err(cannot_start)?;
    telemetry::panics::tell(&metrics);
    let telemetry = Telemetry { metrics, access_log };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(cannot_start)?.block_on(until_stopped(settings, policies, telemetry, sockets))
}

async fn until_stopped(settings: Settings, policies: Policies, telemetry: Telemetry, mut sockets: Sockets) -> Came {
    // Before the first socket: a signal during the start must not kill half of one.
    let mut signals = Signals::listen().map_err(cannot_start)?;
    let mut predecessor = Predecessor::find().map_err(cannot_start)?;
    if let Some(predecessor) = &mut predecessor {
        if let Err(error) = gateway::rehearse(&settings, policies.clone()).await {
            return refused(error);
        }
        tokio::select! {
            () = predecessor.make_way() => {}
            () = signals.stopped() => return Ok(Exit::Ok),
        }
    }
    loop {
        let (settings, policies, telemetry) = (settings.clone(), policies.clone(), telemetry.clone());
        let limits = settings.limits;
        let running = match gateway::start_with(settings, policies, Clock::System, telemetry, &sockets).await {
            Ok(running) => running,
            Err(error) => return refused(error),
        };
        greet(&running);
        notify(&[NotifyState::Ready]);
        if let Some(predecessor) = predecessor.take() {
            predecessor.dismiss().await;
        }
        match attend(&running, &mut signals).await {
            End::Stop => return stop(running, &limits, &mut signals).await,
            End::HandOver(successor) => match hand_over(running, successor, &limits, &mut signals).await {
                Ok(()) => return Ok(Exit::Ok),
                Err(kept) => sockets = kept.map_err(cannot_start)?,
            },
        }
    }
}

/// Why a gateway is to end.
enum End {
    Stop,
    HandOver(Box<Successor>),
}

/// Does what signals ask for, until one ends this gateway.
async fn attend(running: &Running, signals: &mut Signals) -> End {
    loop {
        match signals.next().await {
            Wish::Reload => reload(running),
            Wish::ReopenLogs => running.reopen_logs(),
            Wish::Stop => return End::Stop,
            Wish::HandOver => match prepare(running, signals).await {
                Some(end) => return end,
                None => tracing::error!("nothing was handed over; this process carries on"),
            },
        }
    }
}

/// Starts a process and waits until it could take over; nothing of this one has changed by then.
async fn prepare(running: &Running, signals: &mut Signals) -> Option<End> {
    let started = running.sockets().and_then(Successor::start);
    let mut successor = match started {
        Ok(successor) => successor,
        Err(error) => {
            tracing::error!(%error, "no process could be started to hand over to");
            return None;
        }
    };
    let why = tokio::select! {
        prepared = successor.prepared() => match prepared {
            Ok(()) => return Some(End::HandOver(Box::new(successor))),
            Err(error) => error,
        },
        () = signals.stopped() => {
            successor.end().await;
            return Some(End::Stop);
        }
    };
    tracing::error!(error = %why, "the new process did not get ready");
    successor.end().await;
    None
}

/// Gives sockets and state away. Where the other process does not serve after all, the sockets to start again with.
async fn hand_over(
    running: Running,
    mut successor: Box<Successor>,
    limits: &Limits,
    signals: &mut Signals,
) -> Result<(), io::Result<Sockets>> {
    let kept = running.sockets();
    let edge = running.part(limits.hand_over).await;
    match successor.go().await {
        Ok(()) => {
            drop(kept);
            let pid = successor.id().unwrap_or_default();
            notify(&[NotifyState::MainPid(pid)]);
            tracing::info!(pid, "handed over; streams that are open may finish here");
            tokio::select! {
                () = edge.stop(limits.drain) => {}
                () = signals.stopped() => tracing::warn!("stopped at once"),
            }
            Ok(())
        }
        Err(error) => {
            tracing::error!(%error, "the new process does not serve; this one starts again");
            successor.end().await;
            tokio::spawn(edge.stop(limits.drain));
            Err(kept.and_then(Sockets::of))
        }
    }
}

async fn stop(running: Running, limits: &Limits, signals: &mut Signals) -> Came {
    notify(&[NotifyState::Stopping]);
    tracing::info!(seconds = limits.drain.as_secs(), "draining");
    tokio::select! {
        () = running.stop(limits.drain) => {}
        () = signals.stop_again() => tracing::warn!("stopped at once"),
    }
    Ok(Exit::Ok)
}

fn cannot_start(error: io::Error) -> Failed {
    Failed::new(Exit::CannotLoad, error)
}

fn refused(error: StartError) -> Came {
    match error {
        StartError::Policies(refusal) => {
            say::findings(&refusal.found, &refusal.texts, Format::Human);
            Ok(Exit::CannotLoad)
        }
        other => Err(Failed::new(Exit::CannotLoad, other)),
    }
}

/// Where it can be reached, for people who started it by hand and for tests that asked for port 0.
fn greet(running: &Running) {
    for address in &running.addresses {
        say::talk(&format!("listening on {address}"));
    }
    for (what, address) in
        [("admin", running.api.admin), ("health", running.api.health), ("decisions", running.api.decisions)]
    {
        if let Some(address) = address {
            say::talk(&format!("{what} on {address}"));
        }
    }
}

fn reload(running: &Running) {
    // `Type=notify-reload` waits for READY after a RELOADING with the clock's reading (sd_notify(3)).
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "the service manager was not told of the reload"),
    }
    running.reload();
    notify(&[NotifyState::Ready]);
}

/// Tells the service manager, if there is one.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager was not told");
    }
}

/// What a signal asks for.
enum Wish {
    Reload,
    ReopenLogs,
    HandOver,
    Stop,
}

struct Signals {
    hangup: Signal,
    user: Signal,
    quit: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Signals> {
        Ok(Signals {
            hangup: signal(SignalKind::hangup())?,
            user: signal(SignalKind::user_defined1())?,
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.hangup.recv() => Wish::Reload,
            _ = self.user.recv() => Wish::ReopenLogs,
            _ = self.quit.recv() => Wish::HandOver,
            _ = self.terminate.recv() => Wish::Stop,
            _ = self.interrupt.recv() => Wish::Stop,
        }
    }

    async fn stopped(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    async fn stop_again(&mut self) {
        self.interrupt.recv().await;
    }
}
