//! `stepward keys`: the ring file, and what in the store still needs an old key.
//!
//! A key goes through four states: readable, current, readable again, gone. No node ever meets a key that it does not
//! have if every ring is handed out before the next step, and no key goes while anything needs it, unless somebody says
//! that what it sealed may be lost.

use std::{path::PathBuf, sync::Arc};

use serde_json::{Value, json};

use crate::{
    cli::{Came, Exit, Failed, say},
    clock::Clock,
    keys::{
        self,
        ring::{Ring, RingError},
    },
    outcomes::record,
    settings::{self, Presence, Settings},
    store::{
        AnyStore,
        carried::Tally,
        copy::{self, CopyError, Place},
        resealed, ring,
    },
};

/// The key ring.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Keys {
    /// Print the ids of all keys, which one is current, and when each was made
    List(Where),
    /// Print the public keys of the assertion to the app (a JWK set), for the app to pin
    Export(Where),
    /// Make a new key that is not current yet: hand the ring to every node, and to apps that pin it, before `promote`
    Prepare(Where),
    /// Make the newest key the current one; every node must have it by now. Restart Stepward afterwards
    Promote(Where),
    /// `prepare` and `promote` at once, for a single node; what the old ones sealed still opens. Restart Stepward afterwards
    Rotate(Where),
    /// Seal with the current key what older ones sealed, so that they can be retired. Nothing may run on this state
    Reseal(Settled),
    /// Take an old key out of the ring; refused while anything in the store needs it
    Retire(Retire),
}

#[derive(Debug, clap::Args)]
pub(super) struct Where {
    #[command(flatten)]
    settled: Settled,
    /// The key ring, if not as the settings say
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    #[command(flatten)]
    printed: say::Printed,
}

#[derive(Debug, clap::Args)]
pub(super) struct Settled {
    /// The settings, which name the key ring
    #[arg(short, long, value_name = "FILE", default_value = "stepward.yaml", env = "STEPWARD_CONFIG")]
    config: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(super) struct Retire {
    /// Its id, as `stepward keys list` prints it
    id: u16,
    /// Take it out although this loses what it sealed
    #[arg(long)]
    lose: bool,
    #[command(flatten)]
    settled: Settled,
}

impl Keys {
    pub(super) fn run(self) -> Came {
        match self {
            Keys::List(place) => place.list(),
            Keys::Export(place) => {
                let ring = keys::Keys::of(read(&place.ring()?)?);
                say::data(&format!("{:#}\n", ring.jwks()));
                Ok(Exit::Ok)
            }
            Keys::Prepare(place) => place.change("has a new key that is not current; hand it to every node", |ring| {
                ring.prepared(Clock::System.now_ms())
            }),
            Keys::Promote(place) => place
                .change("has a new current key; restart Stepward to use it", |ring| ring.promoted(ring.newest_kid())),
            Keys::Rotate(place) => place.change("has a new current key; restart Stepward to use it", |ring| {
                let ring = ring.prepared(Clock::System.now_ms())?;
                ring.promoted(ring.newest_kid())
            }),
            Keys::Reseal(settled) => settled.reseal(),
            Keys::Retire(command) => command.run(),
        }
    }
}

impl Where {
    fn list(&self) -> Came {
        let ring = read(&self.ring()?)?;
        self.printed.answer(&document(&ring), || {
            let line = |(state, kid, made): (&str, u16, String)| format!("{kid:>5}  {state:<8}  made {made}\n");
            listed(&ring).map(line).collect()
        });
        Ok(Exit::Ok)
    }

    fn change(&self, done: &str, change: impl FnOnce(&Ring) -> Result<Ring, RingError>) -> Came {
        let path = self.ring()?;
        let changed = change(&read(&path)?).map_err(|error| Failed::new(Exit::Refused, error))?;
        changed.save(&path).map_err(|error| Failed::new(Exit::CannotLoad, error))?;
        self.printed.answer(&document(&changed), String::new);
        say::talk(&format!("`{}` {done}", path.display()));
        Ok(Exit::Ok)
    }

    fn ring(&self) -> Result<PathBuf, Failed> {
        match &self.keys {
            Some(path) => Ok(path.clone()),
            None => ring_of(&self.settled.settings()?),
        }
    }
}

impl Settled {
    fn settings(&self) -> Result<Settings, Failed> {
        let loaded = settings::load(&self.config, Presence::Advised).map_err(|rejected| {
            let first = rejected.found.first().map_or_else(String::new, |it| it.message.clone());
            Failed::because(Exit::CannotLoad, format!("`{}` cannot be used: {first}", self.config.display()))
        })?;
        Ok(loaded.settings)
    }

    fn reseal(&self) -> Came {
        let settings = self.settings()?;
        let path = ring_of(&settings)?;
        let keys = keys::Keys::of(read(&path)?);
        let mut tenants: Vec<Arc<str>> = settings.routes.iter().map(|route| route.tenant.clone()).collect();
        tenants.sort_unstable();
        tenants.dedup();
        runtime()?.block_on(async {
            let (cargo, _) = copy::look(place(&settings)?, &keys, &Clock::System).await.map_err(failed)?;
            let lost = |error: anyhow::Error| Failed { exit: Exit::CannotReach, why: error };
            let (entries, closed) = resealed::anew(cargo, &keys, &tenants).await.map_err(|it| lost(it.into()))?;
            let count = entries.len();
            let store = AnyStore::open(&settings.state, &Clock::System).await.map_err(|it| lost(it.into()))?;
            ring::agree(&store, &keys).await.map_err(|it| lost(it.into()))?;
            resealed::write(&store, entries).await.map_err(|it| lost(it.into()))?;
            store.shut();
            say::talk(&format!(
                "{} sealed with the current key",
                say::several(count, "entry").replace("entrys", "entries")
            ));
            if closed > 0 {
                let entries = say::several(usize::try_from(closed).unwrap_or(usize::MAX), "entry");
                let entries = entries.replace("entrys", "entries");
                say::talk(&format!("{entries} left as they were: of a tenant that no route names, or damaged"));
                return Ok(Exit::Findings);
            }
            Ok(Exit::Ok)
        })
    }
}

impl Retire {
    fn run(self) -> Came {
        let settings = self.settled.settings()?;
        let path = ring_of(&settings)?;
        let ring = read(&path)?;
        let retired = ring.retired(self.id).map_err(|error| Failed::new(Exit::Refused, error))?;
        let keys = keys::Keys::of(ring);
        let (tally, theirs) = runtime()?.block_on(async {
            let looked = copy::look(place(&settings)?, &keys, &Clock::System).await;
            let (cargo, theirs) = looked.map_err(failed)?;
            let tally = resealed::needing(cargo, self.id).await.map_err(|it| Failed::new(Exit::CannotReach, it))?;
            Ok::<_, Failed>((tally, theirs))
        })?;
        if theirs == self.id {
            let why =
                format!("key {} is the one that Stepward last ran with: start it with the current one first", self.id);
            return Err(Failed::because(Exit::Refused, why));
        }
        let needs = told(&tally);
        if !needs.is_empty() && !self.lose {
            let why = format!(
                "key {} is needed by {needs}; `stepward keys reseal` takes care of all but sessions, which end by \
                 themselves; or take it out with `--lose`, and they are lost",
                self.id
            );
            return Err(Failed::because(Exit::Refused, why));
        }
        retired.save(&path).map_err(|error| Failed::new(Exit::CannotLoad, error))?;
        let lost = if needs.is_empty() { String::new() } else { format!("; lost: {needs}") };
        say::talk(&format!(
            "key {} is gone{lost}. Device cookies and invitations that it sealed, and assertions that it signed, are \
             refused after a restart",
            self.id
        ));
        Ok(Exit::Ok)
    }
}

/// Every key: its state, its id, when it was made.
fn listed(ring: &Ring) -> impl Iterator<Item = (&'static str, u16, String)> {
    let state = |at| if at == 0 { "current" } else { "readable" };
    ring.made_ms().enumerate().map(move |(at, (kid, made_ms))| (state(at), kid, record::time(made_ms)))
}

/// The ring without its secrets.
fn document(ring: &Ring) -> Value {
    let keys = listed(ring).map(|(state, kid, made)| json!({ "id": kid, "state": state, "made": made }));
    json!({ "schema": "stepward.keys/1", "keys": keys.collect::<Vec<_>>() })
}

/// `2 authenticators, 1 sessions`: what is there at all.
fn told(tally: &Tally) -> String {
    let there = tally.named().into_iter().filter(|(_, count)| *count > 0);
    there.map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
}

fn failed(error: CopyError) -> Failed {
    let exit = match error.is_refusal() {
        true => Exit::Refused,
        false => Exit::CannotReach,
    };
    Failed { exit, why: anyhow::Error::new(error).context("cannot look into the state; is a process running on it?") }
}

fn read(path: &std::path::Path) -> Result<Ring, Failed> {
    Ring::load(path).map_err(|error| Failed::new(Exit::CannotLoad, error))
}

fn ring_of(settings: &Settings) -> Result<PathBuf, Failed> {
    let ring = settings.state.keys.clone();
    ring.ok_or_else(|| Failed::because(Exit::Usage, "these settings keep no key ring"))
}

fn place(settings: &Settings) -> Result<Place, Failed> {
    match (&settings.state.redis, &settings.state.path) {
        (Some(redis), _) => Ok(Place::Redis(redis.clone())),
        (None, Some(folder)) => Ok(Place::Folder(folder.clone())),
        (None, None) => Err(Failed::because(Exit::Usage, "these settings keep no state")),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|error| Failed::new(Exit::CannotLoad, error))
}
