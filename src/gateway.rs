//! One gateway: every part made once, in order, from settings; started whole or not at all, stopped in order.
//!
//! Many may run in one process (tests do). What cannot be used is an error before the first socket is open.

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

use tokio::{task::JoinSet, time::Instant};

use crate::{
    actions::Actions,
    api,
    challenges::{self, Challenges, parking::spool::Spool},
    clock::Clock,
    edge::{Edge, EdgeError, RunningEdge},
    journey::{Journeys, Parts},
    keys::{Keys, ring::Ring},
    outcomes::{DecisionLog, export::Sinks},
    recalls::{self, Recalls},
    registry::{self, Registry, watch::Watch},
    sessions::Sessions,
    settings::{self, Settings},
    signals::{self, Signals},
    sockets::{Held, Sockets},
    store::{AnyStore, StateError, any::OpenError, ring},
    subject::{SourceError, Subjects},
    telemetry::Telemetry,
    vendors::feedback::Promises,
};

/// How often files of bodies that nobody waits for any more are removed.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// How often the operator's lists and databases are looked at.
const REFRESH_EVERY: Duration = Duration::from_secs(2);

/// How long sinks may take at the end, at least, to be given what is left.
const DRAIN_AT_LEAST: Duration = Duration::from_secs(2);

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state folder, or Redis, cannot be used.
    #[error("state")]
    State(#[from] OpenError),
    /// The key ring cannot be used, or is not the store's.
    #[error("keys: {0}")]
    Keys(#[from] ring::RingMismatch),
    /// The store did not answer at start.
    #[error("state: {0}")]
    Store(#[from] StateError),
    /// A list, a database or a connector cannot be used.
    #[error("signals: {0}")]
    Signals(#[from] signals::SetUpError),
    /// A source of subjects cannot be used.
    #[error("subject: {0}")]
    Subjects(#[from] SourceError),
    /// The folder of bodies that wait cannot be used.
    #[error("state.spool: {0}")]
    Spool(#[source] std::io::Error),
    /// Pages, messages or mail cannot be used.
    #[error("step-up: {0}")]
    Challenges(#[from] challenges::Trouble),
    /// The decision log cannot be opened.
    #[error("decision log: {0}")]
    Log(#[source] std::io::Error),
    /// The policies have errors.
    #[error("the policies cannot be used")]
    Policies(Box<registry::Refusal>),
    /// Policies cannot be watched for changes.
    #[error("cannot watch the policies: {0}")]
    Watch(#[source] std::io::Error),
    /// An address, certificate or route cannot be used.
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// The admin or health address cannot be served.
    #[error(transparent)]
    Api(#[from] api::ApiError),
}

impl From<registry::Refusal> for StartError {
    fn from(refusal: registry::Refusal) -> Self {
        StartError::Policies(Box::new(refusal))
    }
}

/// A gateway that serves.
pub struct Running {
    /// Where clients connect, in the order of `listen`; port 0 has become a real one.
    pub addresses: Vec<SocketAddr>,
    /// Everything it runs over, for the admin API.
    pub journeys: Journeys,
    /// The admin and health listeners.
    pub api: api::Running,
    edge: RunningEdge,
    /// Background work, which ends with the gateway.
    background: JoinSet<()>,
    /// Watches the policies for as long as it lives.
    watch: Option<Watch>,
    /// Who is given decisions.
    sinks: Sinks,
}

/// Where policies come from, if not from the folder in the settings.
pub type Policies = Option<registry::Origin>;

/// Makes every part and begins to serve.
///
/// # Errors
/// The first part that cannot be made; nothing is left running then.
pub async fn start(settings: Settings, policies: Policies, clock: Clock) -> Result<Running, StartError> {
    start_with(settings, policies, clock, Telemetry::default(), &Sockets::none()).await
}

/// The same, with numbers, a log of requests and sockets that are there already.
///
/// # Errors
/// As [`start`].
pub async fn start_with(
    settings: Settings,
    policies: Policies,
    clock: Clock,
    telemetry: Telemetry,
    sockets: &Sockets,
) -> Result<Running, StartError> {
    let Telemetry { metrics, access_log } = telemetry;
    let store = AnyStore::open(&settings.state, &clock).await?;
    // A start waits for the disk as long as it takes; requests do not.
    let keys = keys(&settings, &store, &clock).await?.with_mailboxes(settings.mailboxes.clone());
    store.answer_within(settings.state.wait);
    let store = Arc::new(store);
    metrics.state_store(true);
    let snapshots = settings.state.redis.as_ref().map_or(Duration::ZERO, |redis| redis.snapshots);
    let sessions = Sessions::new(keys.clone(), settings.sessions).with_snapshots(snapshots);
    let signals = Signals::new(&settings, &clock)?.counted_by(&metrics);
    let spool = match settings.state.spool.clone() {
        Some(spool) => Some(Spool::open(&spool, Arc::new(keys.clone()), clock.clone()).map_err(StartError::Spool)?),
        None => None,
    };
    let challenges = Challenges::new(
        &settings.pages,
        settings.mail.as_ref(),
        Arc::new(keys.clone()),
        store.clone(),
        sessions.clone(),
        clock.clone(),
    )?;
    let challenges = challenges.with_spool(spool).with_vendors(signals.live(), settings.phone.clone());
    let challenges = challenges.with_passkeys(settings.passkeys.as_ref())?.with_approvers(settings.approvals.as_ref());
    let challenges = Arc::new(challenges.with_provider(settings.oidc.as_ref())?);
    let subjects = Subjects::new(&settings.subject, clock.clone())?;
    subjects.warm().await;
    let origin = policies.unwrap_or_else(|| registry::Origin::Folder(settings.policies.clone()));
    let mut watched: Vec<PathBuf> = match &origin {
        registry::Origin::Folder(folder) => vec![folder.clone()],
        registry::Origin::Texts(_) => Vec::new(),
    };
    watched.extend(settings.connectors.clone());
    watched.extend([&settings.pages.locales, &settings.pages.templates].into_iter().flatten().cloned());
    let routed = signals.live().now().methods();
    let target = registry::Target::of(&settings, signals.catalogue(), |name| signals.tells(name), &routed)
        .without(&settings, &signals.lost());
    let registry = Arc::new(Registry::open(origin, target, clock.clone(), metrics.clone())?);
    let sinks = Sinks::open(&settings, &clock, &metrics).map_err(signals::SetUpError::Connectors)?;
    let pseudonyms = keys.clone();
    let log = DecisionLog::open(
        &settings.decision_log,
        Arc::new(move |tenant, value| pseudonyms.pseudonym(tenant, "log", value)),
        sinks.clone(),
        metrics.clone(),
    )
    .map_err(StartError::Log)?;
    let settings = Arc::new(settings);
    let journeys = Journeys::new(Parts {
        actions: Actions { store: store.clone(), challenges: challenges.clone(), metrics: metrics.clone() },
        clock,
        settings: settings.clone(),
        registry,
        store,
        keys,
        sessions,
        subjects,
        signals,
        challenges,
        log,
        sinks: sinks.clone(),
        promises: Promises::default(),
        recalls: Recalls::default(),
        metrics,
        access_log,
        store_lost_since_ms: AtomicI64::new(0),
    });
    let api = api::start(&settings, journeys.clone(), sockets).await?;
    let edge = Edge::start(&settings, journeys.clone(), sockets).await?;
    let watch = match watched.is_empty() {
        true => None,
        false => {
            let journeys = journeys.clone();
            Some(Watch::over(&watched, move || reload(&journeys)).map_err(StartError::Watch)?)
        }
    };
    sinks.start();
    let mut background = JoinSet::new();
    background.spawn(refresh(journeys.clone()));
    background.spawn(sweep(journeys.clone()));
    let parts = journeys.parts();
    background.spawn(recalls::follow(parts.store.clone(), parts.recalls.clone()));
    for address in sockets.left() {
        tracing::warn!(%address, "a socket was passed for an address that nothing listens on");
    }
    Ok(Running { addresses: edge.addresses.clone(), journeys, api, edge, background, watch, sinks })
}

impl Running {
    /// Reads connectors, policies, certificates, lists and databases again. What cannot be used leaves the last good one at work.
    pub fn reload(&self) {
        reload(&self.journeys);
        self.journeys.parts().signals.refresh();
        self.reopen_logs();
        if let Err(error) = self.edge.reload_certificates() {
            tracing::error!(%error, "certificates were not reloaded; the old ones stay");
        }
    }

    /// Opens log files anew, after they were moved away.
    pub fn reopen_logs(&self) {
        let parts = self.journeys.parts();
        parts.log.reopen();
        if let Some(log) = &parts.access_log {
            log.reopen();
        }
    }

    /// Every listening socket, once more: whoever connects waits in it for as long as one is kept.
    ///
    /// # Errors
    /// No descriptors are left.
    pub fn sockets(&self) -> io::Result<Vec<Held>> {
        // In the order in which they are asked for at a start, which is what tells those of port 0 apart.
        let mut sockets = self.api.sockets()?;
        sockets.extend(self.edge.sockets()?);
        Ok(sockets)
    }

    /// Gives the state up to another process: accepts nothing new, lets requests that need state finish within `wait`,
    /// writes down what is left and closes the store. What still streams is in the edge that is handed back.
    pub async fn part(self, wait: Duration) -> RunningEdge {
        let Running { journeys, api, edge, mut background, watch, sinks, .. } = self;
        if !edge.quiesce(wait).await {
            tracing::warn!("requests that need state were still open when it was handed over; their outcome is lost");
        }
        drop(watch);
        api.stop().await;
        background.shutdown().await;
        shut(&journeys);
        // The other process need not wait for somebody else's server.
        tokio::spawn(async move { sinks.drain(DRAIN_AT_LEAST).await });
        edge
    }

    /// Stops accepting, lets open requests finish within `grace`, and writes down what is left.
    pub async fn stop(self, grace: Duration) {
        let Running { journeys, api, edge, mut background, sinks, .. } = self;
        let until = Instant::now() + grace;
        api.drain();
        edge.stop(grace).await;
        api.stop().await;
        background.shutdown().await;
        shut(&journeys);
        // What the requests have left of the grace, and a moment where they took all of it.
        let left = until.saturating_duration_since(Instant::now());
        sinks.drain(left.max(DRAIN_AT_LEAST.min(grace))).await;
    }
}

/// Whether [`start`] would succeed, as far as can be told without the state and the addresses, which another process
/// has: everything is made and thrown away.
///
/// # Errors
/// The first part that cannot be made.
pub async fn rehearse(settings: &Settings, policies: Policies) -> Result<(), StartError> {
    Edge::rehearse(settings).map_err(EdgeError::from)?;
    if let Some(file) = &settings.state.keys {
        Ring::load(file).map_err(ring::RingMismatch::from)?;
    }
    let alone = Settings {
        listen: Vec::new(),
        admin: None,
        health: None,
        decisions: None,
        state: settings::State { path: None, keys: None, redis: None, spool: None, ..settings.state.clone() },
        ..settings.clone()
    };
    start(alone, policies, Clock::System).await?.stop(Duration::ZERO).await;
    Ok(())
}

/// Writes down what is left; blocks until it is done.
fn shut(journeys: &Journeys) {
    journeys.parts().log.flush(Duration::from_secs(2));
    journeys.parts().store.shut();
}

/// A bad set is logged where it is read, once, with its position.
fn reload(journeys: &Journeys) {
    let _ = journeys.parts().reload();
}

async fn keys(settings: &Settings, store: &AnyStore, clock: &Clock) -> Result<Keys, StartError> {
    match &settings.state.keys {
        Some(file) => Ok(ring::keys_for(store, file, clock.now_ms()).await?),
        None => Ok(Keys::ephemeral()),
    }
}

/// Looks at the operator's files now and then, away from the request path.
async fn refresh(journeys: Journeys) {
    let mut ticks = tokio::time::interval(REFRESH_EVERY);
    loop {
        ticks.tick().await;
        let journeys = journeys.clone();
        if tokio::task::spawn_blocking(move || journeys.parts().signals.refresh()).await.is_err() {
            tracing::error!("reading lists or databases panicked; the last good ones stay");
        }
    }
}

/// Removes files of bodies that nobody waits for any more.
async fn sweep(journeys: Journeys) {
    let Some(spool) = journeys.parts().challenges.spool().cloned() else { return };
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    loop {
        ticks.tick().await;
        let spool = spool.clone();
        if tokio::task::spawn_blocking(move || spool.sweep()).await.is_err() {
            tracing::error!("sweeping the spool panicked; it is tried again");
        }
    }
}
