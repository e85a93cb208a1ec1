//! A gateway in the foreground, until a signal ends it.
//!
//! SIGTERM drains; SIGINT too, and at once when it comes again; SIGHUP reloads; SIGUSR1 opens logs anew. A start that
//! fails leaves nothing running and says what to mend.

use std::io;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    cli::{Came, Exit, Failed, say},
    clock::Clock,
    gateway::{self, Policies, Running, StartError},
    render::Format,
    settings::Settings,
    telemetry::{self, Metrics, Telemetry},
};

/// Serves until a signal ends it.
pub(super) fn serve(settings: Settings, policies: Policies) -> Came {
    let metrics = Metrics::new();
    let access_log = telemetry::lines::install(settings.access_log.as_ref(), &metrics)
        .map_err(|error| Failed::new(Exit::CannotLoad, error))?;
    let telemetry = Telemetry { metrics, access_log };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime
        .map_err(|error| Failed::new(Exit::CannotLoad, error))?
        .block_on(until_stopped(settings, policies, telemetry))
}

async fn until_stopped(settings: Settings, policies: Policies, telemetry: Telemetry) -> Came {
    // Before the first socket: a signal during the start must not kill half of one.
    let mut signals = Signals::listen().map_err(|error| Failed::new(Exit::CannotLoad, error))?;
    let grace = settings.limits.drain;
    let running = match gateway::start_with(settings, policies, Clock::System, telemetry).await {
        Ok(running) => running,
        Err(error) => return refused(error),
    };
    greet(&running);
    notify(&[NotifyState::Ready]);
    loop {
        match signals.next().await {
            Wish::Reload => reload(&running),
            Wish::ReopenLogs => running.reopen_logs(),
            Wish::Stop => break,
        }
    }
    notify(&[NotifyState::Stopping]);
    tracing::info!(seconds = grace.as_secs(), "draining");
    tokio::select! {
        () = running.stop(grace) => {}
        () = signals.stop_again() => tracing::warn!("stopped at once"),
    }
    Ok(Exit::Ok)
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
    for (what, address) in [("admin", running.api.admin), ("health", running.api.health)] {
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
    Stop,
}

struct Signals {
    hangup: Signal,
    user: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Signals> {
        Ok(Signals {
            hangup: signal(SignalKind::hangup())?,
            user: signal(SignalKind::user_defined1())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.hangup.recv() => Wish::Reload,
            _ = self.user.recv() => Wish::ReopenLogs,
            _ = self.terminate.recv() => Wish::Stop,
            _ = self.interrupt.recv() => Wish::Stop,
        }
    }

    async fn stop_again(&mut self) {
        self.interrupt.recv().await;
    }
}
