//! Which server has which slot, and one round trip to all that are needed: a pipeline a server, in parallel.
//!
//! What has moved is asked for again where it went, within the same deadline. A server that refuses to work is reported
//! to its link. Nothing is ever sent twice to a server that may have run it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use ::redis::{Cmd, Pipeline, Value};
use arc_swap::ArcSwap;
use futures_util::future::join_all;
use tokio::{
    sync::{Mutex, Notify},
    task::AbortHandle,
    time::{Instant, sleep, timeout},
};

use crate::{
    settings,
    store::{
        Id, StateError, Stored,
        redis::{
            dial::{Address, Dialer, Location},
            journal::Journal,
            link::{Link, Manner, Up, Way},
            names::{Key, Names, SLOTS},
            reply,
            skew::Skew,
        },
    },
};

/// How often one command follows a slot that moves.
const REDIRECTS_MAX: usize = 4;
/// How often the map of a cluster is looked at.
const MAP_EVERY: Duration = Duration::from_secs(1);

/// One command on one slot.
pub(super) struct Order {
    slot: u16,
    command: Cmd,
    /// The text of the script that it runs, if it runs one.
    script: Option<&'static str>,
    /// Written again when the server begins a new life.
    is_kept: bool,
}

impl Order {
    /// A command on a key.
    pub(super) fn new(key: &Key, name: &str, fill: impl FnOnce(&mut Cmd) -> &mut Cmd) -> Order {
        let mut command = ::redis::cmd(name);
        fill(command.arg(&key.name));
        Order { slot: key.slot, command, script: None, is_kept: false }
    }

    /// The same, to be written again when the server begins a new life: for what holds in any life.
    pub(super) fn kept(self) -> Order {
        Order { is_kept: true, ..self }
    }

    /// Reads one value.
    pub(super) fn get(key: &Key) -> Order {
        Order::new(key, "GET", |cmd| cmd)
    }

    /// Removes a key.
    pub(super) fn unlink(key: &Key) -> Order {
        Order::new(key, "UNLINK", |cmd| cmd)
    }

    /// A command that is written out already.
    pub(super) fn raw(key: &Key, command: Cmd) -> Order {
        Order { slot: key.slot, command, script: None, is_kept: false }
    }

    /// A script on keys of one slot.
    pub(super) fn script(script: &'static str, keys: &[&Key], fill: impl FnOnce(&mut Cmd) -> &mut Cmd) -> Order {
        let mut command = ::redis::cmd("EVAL");
        command.arg(script).arg(keys.len());
        for key in keys {
            command.arg(&key.name);
        }
        fill(&mut command);
        Order { slot: keys.first().map_or(0, |key| key.slot), command, script: Some(script), is_kept: false }
    }
}

/// All servers.
pub(super) struct Fleet {
    shared: Arc<Shared>,
    /// Looks at the map of a cluster.
    surveyor: Option<AbortHandle>,
}

struct Shared {
    map: ArcSwap<Map>,
    /// Every link there is, so that a server that comes back into the map keeps its own.
    links: Mutex<HashMap<Address, Arc<Link>>>,
    moved: Notify,
    dialer: Arc<Dialer>,
    journal: Arc<Journal>,
    names: Names,
    skew: Arc<Skew>,
    watches_clock: bool,
    beat_wait: Duration,
}

/// Who has which slots.
#[derive(Default)]
struct Map {
    ranges: Vec<(u16, u16, Arc<Link>)>,
    /// Why there is none.
    trouble: Option<String>,
}

/// Where a command is sent instead.
struct Detour {
    link: Arc<Link>,
    is_asking: bool,
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if let Some(surveyor) = &self.surveyor {
            surveyor.abort();
        }
    }
}

impl Fleet {
    /// Begins to connect. `watches_clock` tells whether moments are by the machine's clock.
    pub(super) fn new(
        settings: &settings::Redis,
        names: Names,
        skew: Arc<Skew>,
        watches_clock: bool,
    ) -> Result<Fleet, String> {
        let beat_wait = (settings.wait * 2).max(Duration::from_millis(400));
        let dialer = Arc::new(Dialer::new(settings.clone(), beat_wait));
        let location = dialer.location()?;
        let shared = Shared {
            map: ArcSwap::default(),
            links: Mutex::default(),
            moved: Notify::new(),
            dialer,
            journal: Arc::default(),
            names,
            skew,
            watches_clock,
            beat_wait,
        };
        let shared = Arc::new(shared);
        let surveyor = match &settings.topology {
            settings::Topology::Standalone => {
                let [node] = &location.nodes[..] else { return Err("a standalone Redis is one `host:port`".into()) };
                shared.alone(Way::At(node.clone()));
                None
            }
            settings::Topology::Sentinel { master } => {
                shared.alone(Way::Master { sentinels: location.nodes, name: master.clone() });
                None
            }
            settings::Topology::Cluster => {
                if location.database != 0 {
                    return Err("a Redis Cluster has database 0 only".into());
                }
                Some(tokio::spawn(survey(shared.clone(), location)).abort_handle())
            }
        };
        Ok(Fleet { shared, surveyor })
    }

    /// Sends all orders, each to the server of its slot; the answers in their order.
    pub(super) async fn run(&self, orders: Vec<Order>, manner: Manner, until: Instant) -> Stored<Vec<Value>> {
        let mut answers: Vec<Value> = orders.iter().map(|_| Value::Nil).collect();
        let mut todo: Vec<(usize, Option<Detour>)> = (0..orders.len()).map(|at| (at, None)).collect();
        for _ in 0..REDIRECTS_MAX {
            let groups = self.grouped(&orders, todo)?;
            let sent = join_all(groups.iter().map(|group| group.send(&orders, manner, until))).await;
            todo = Vec::new();
            let was_run = sent.iter().any(Result::is_ok);
            for (group, sent) in groups.iter().zip(sent) {
                let values = sent.map_err(|error| if was_run { worse(error) } else { error })?;
                for (at, value) in group.orders.iter().zip(values) {
                    match value {
                        Value::ServerError(error) => {
                            let detour = self.detour(group, &error, until).await?;
                            todo.push((*at, detour));
                        }
                        value => answers.get_mut(*at).into_iter().for_each(|place| *place = value.clone()),
                    }
                }
            }
            if todo.is_empty() {
                orders
                    .into_iter()
                    .filter(|it| it.is_kept)
                    .for_each(|it| self.shared.journal.keep(it.script, it.command));
                return Ok(answers);
            }
        }
        Err(StateError::Indeterminate)
    }

    fn grouped(&self, orders: &[Order], todo: Vec<(usize, Option<Detour>)>) -> Stored<Vec<Group>> {
        let map = self.shared.map.load();
        let mut groups: Vec<Group> = Vec::new();
        for (at, detour) in todo {
            let slot = orders.get(at).map_or(0, |order| order.slot);
            let (link, is_asking) = match detour {
                Some(Detour { link, is_asking }) => (link, is_asking),
                None => (map.link(slot).ok_or(StateError::Unavailable)?.clone(), false),
            };
            match groups.iter_mut().find(|it| Arc::ptr_eq(&it.link, &link) && it.is_asking == is_asking) {
                Some(group) => group.orders.push(at),
                None => groups.push(Group { link, is_asking, orders: vec![at] }),
            }
        }
        Ok(groups)
    }

    /// What to do after a server's error: where to go instead, or why not.
    async fn detour(&self, group: &Group, error: &::redis::ServerError, until: Instant) -> Stored<Option<Detour>> {
        let code = error.code();
        match code {
            "MOVED" | "ASK" => {
                self.shared.moved.notify_one();
                let to = error.details().and_then(|it| it.rsplit(' ').next()).and_then(Address::parse);
                let link = self.shared.link(&to.ok_or_else(|| reply::odd("an address"))?, &[]).await;
                if !link.connected(until).await {
                    return Err(StateError::Unavailable);
                }
                Ok(Some(Detour { link, is_asking: code == "ASK" }))
            }
            "TRYAGAIN" => {
                sleep(Duration::from_millis(5)).await;
                Ok(None)
            }
            "CLUSTERDOWN" => {
                self.shared.moved.notify_one();
                Err(StateError::Unavailable)
            }
            "OOM" | "READONLY" | "MISCONF" | "NOREPLICAS" | "LOADING" | "MASTERDOWN" | "NOAUTH" | "WRONGPASS"
            | "NOPERM" | "BUSY" => {
                group.link.refused(code);
                // Part of the pipeline may have run.
                Err(if group.orders.len() > 1 { StateError::Indeterminate } else { StateError::Unavailable })
            }
            other => Err(StateError::Corrupt(format!("redis refused a command ({other})"))),
        }
    }

    /// Whether one server has every slot, so that what is sent together is done in that order.
    pub(super) fn is_one(&self) -> bool {
        self.surveyor.is_none()
    }

    /// Whether hits on that slot may have been lost in a fail-over within that window.
    pub(super) fn may_have_lost(&self, slot: u16, window: Duration) -> bool {
        let up = self.shared.map.load().link(slot).and_then(|link| link.up());
        up.is_some_and(|up| up.may_have_lost(window))
    }

    /// The life of the server of a slot. `None` while any server is not connected, and while any has been in its life for less
    /// than that after it lost what another one had.
    pub(super) fn life(&self, slot: u16, settles: Duration) -> Option<Id> {
        let map = self.shared.map.load();
        let is_settled = |up: Arc<Up>| !up.may_have_lost(settles);
        if !map.ranges.iter().all(|(_, _, link)| link.up().is_some_and(is_settled)) {
            return None;
        }
        map.link(slot)?.up().map(|up| up.life())
    }

    /// The link to the server of a slot.
    pub(super) fn link(&self, slot: u16) -> Stored<Arc<Link>> {
        self.shared.map.load().link(slot).cloned().ok_or(StateError::Unavailable)
    }

    /// Goes through the names of every master that fit a pattern.
    pub(super) fn scan(&self, pattern: &str, step: usize) -> Scan {
        let mut links: Vec<Arc<Link>> = Vec::new();
        for (_, _, link) in &self.shared.map.load().ranges {
            if !links.iter().any(|it| Arc::ptr_eq(it, link)) {
                links.push(link.clone());
            }
        }
        Scan { links, cursor: None, pattern: pattern.into(), step }
    }

    /// `Ok` if any server can be used: whether the one that is needed can is found out by asking it.
    pub(super) fn health(&self) -> Stored<()> {
        let map = self.shared.map.load();
        if map.ranges.iter().any(|(_, _, link)| link.up().is_some()) { Ok(()) } else { Err(StateError::Unavailable) }
    }

    /// What is wrong, in words.
    pub(super) fn trouble(&self) -> Option<String> {
        let map = self.shared.map.load();
        let mut all: Vec<String> = map.ranges.iter().filter_map(|(_, _, link)| link.trouble()).collect();
        all.extend(map.trouble.clone());
        all.sort();
        all.dedup();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// Waits until every server is connected, or until the time is over.
    pub(super) async fn connected(&self, wait: Duration) -> bool {
        let ready = async {
            loop {
                let is_ready = {
                    let map = self.shared.map.load();
                    !map.ranges.is_empty() && map.ranges.iter().all(|(_, _, link)| link.up().is_some())
                };
                if is_ready {
                    return;
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(wait, ready).await.is_ok()
    }
}

/// Names found so far, and where to go on. A name may come twice; while slots move, one may be missed.
pub(super) struct Scan {
    links: Vec<Arc<Link>>,
    /// Where the last of the links goes on; `None` at its beginning.
    cursor: Option<Vec<u8>>,
    pattern: String,
    step: usize,
}

impl Scan {
    /// More names; `None` after the last.
    pub(super) async fn next(&mut self, until: Instant) -> Stored<Option<Vec<Vec<u8>>>> {
        let Some(link) = self.links.last().cloned() else { return Ok(None) };
        let mut pipeline = Pipeline::new();
        let from = self.cursor.take().unwrap_or_else(|| b"0".to_vec());
        pipeline.cmd("SCAN").arg(from).arg("MATCH").arg(&self.pattern).arg("COUNT").arg(self.step);
        let answer = link.send(&mut pipeline, Manner::Beside, until).await?.into_iter().next();
        let mut parts = match answer {
            Some(Value::ServerError(error)) => {
                return Err(StateError::Corrupt(format!("redis refused to be searched ({})", error.code())));
            }
            Some(answer) => reply::list(answer)?.into_iter(),
            None => return Err(reply::odd("an answer")),
        };
        let cursor = reply::bytes(reply::next(&mut parts)?)?;
        let names = reply::list(reply::next(&mut parts)?)?.into_iter().map(reply::bytes).collect::<Stored<_>>()?;
        match &cursor[..] {
            b"0" => drop(self.links.pop()),
            _ => self.cursor = Some(cursor),
        }
        Ok(Some(names))
    }
}

/// Part of it was run elsewhere.
fn worse(error: StateError) -> StateError {
    match error {
        StateError::Unavailable | StateError::Indeterminate => StateError::Indeterminate,
        StateError::Corrupt(what) => StateError::Corrupt(what),
    }
}

/// Orders that go to one server.
struct Group {
    link: Arc<Link>,
    is_asking: bool,
    orders: Vec<usize>,
}

impl Group {
    async fn send(&self, orders: &[Order], manner: Manner, until: Instant) -> Stored<Vec<Value>> {
        let mut pipeline = Pipeline::with_capacity(self.orders.len() + 1);
        for order in self.orders.iter().filter_map(|at| orders.get(*at)) {
            if self.is_asking {
                pipeline.cmd("ASKING");
            }
            pipeline.add_command(order.command.clone());
        }
        let answers = self.link.send(&mut pipeline, manner, until).await?;
        Ok(match self.is_asking {
            true => answers.into_iter().skip(1).step_by(2).collect(),
            false => answers,
        })
    }
}

impl Map {
    fn link(&self, slot: u16) -> Option<&Arc<Link>> {
        self.ranges.iter().find(|(first, last, _)| (*first..=*last).contains(&slot)).map(|(_, _, link)| link)
    }
}

impl Shared {
    /// All slots on one server.
    fn alone(&self, way: Way) {
        let link = self.connect(way, Some(self.names.epoch(|_| true)), self.watches_clock);
        self.map.store(Arc::new(Map { ranges: vec![(0, SLOTS - 1, link)], trouble: None }));
    }

    fn connect(&self, way: Way, epoch: Option<Key>, watches_clock: bool) -> Arc<Link> {
        let skew = watches_clock.then(|| self.skew.clone());
        Arc::new(Link::new(way, self.dialer.clone(), self.journal.clone(), epoch, skew, self.beat_wait))
    }

    /// The link to a server of a cluster; `ranges` are its slots, as far as they are known.
    async fn link(&self, address: &Address, ranges: &[(u16, u16)]) -> Arc<Link> {
        let has = |slot| ranges.iter().any(|(first, last)| (*first..=*last).contains(&slot));
        let mut links = self.links.lock().await;
        if let Some(link) = links.get(address) {
            if !ranges.is_empty() {
                link.keep_epoch(&has, || self.names.epoch(has));
            }
            return link.clone();
        }
        let is_first = links.is_empty();
        let epoch = (!ranges.is_empty()).then(|| self.names.epoch(has));
        let link = self.connect(Way::At(address.clone()), epoch, self.watches_clock && is_first);
        links.insert(address.clone(), link.clone());
        link
    }

    /// Draws the map anew, as the first server that answers says.
    async fn draw(&self, seeds: &[Address]) -> Result<(), String> {
        let mut known: Vec<Address> = Vec::new();
        for (_, _, link) in &self.map.load().ranges {
            known.extend(link.up().map(|up| up.address.clone()).filter(|it| !known.contains(it)));
        }
        let mut why = "is empty".to_string();
        for address in known.iter().chain(seeds) {
            match self.ask(address).await {
                Ok(ranges) => return self.redraw(ranges).await,
                Err(trouble) => why = format!("Redis at {address} {trouble}"),
            }
        }
        Err(why)
    }

    async fn ask(&self, address: &Address) -> Result<Vec<(u16, u16, Address)>, String> {
        let mut connection = self.dialer.connect(address).await?;
        let mut pipeline = ::redis::pipe();
        pipeline.cmd("CLUSTER").arg("SLOTS");
        let asked = timeout(self.beat_wait, connection.send_packed_commands(&pipeline, 0, 1)).await;
        let answers = asked.map_err(|_| "does not answer in time")?.map_err(|error| super::dial::told(&error))?;
        match answers.into_iter().next() {
            Some(Value::ServerError(error)) => Err(super::dial::refusal(error.code())),
            Some(answer) => slots(answer, address).map_err(|error| error.to_string()),
            None => Err("gives no answer".into()),
        }
    }

    async fn redraw(&self, ranges: Vec<(u16, u16, Address)>) -> Result<(), String> {
        let mut drawn = Vec::with_capacity(ranges.len());
        for (first, last, address) in &ranges {
            let own: Vec<_> = ranges.iter().filter(|it| it.2 == *address).map(|it| (it.0, it.1)).collect();
            drawn.push((*first, *last, self.link(address, &own).await));
        }
        if drawn.is_empty() {
            return Err("the cluster has no slots".into());
        }
        // Links nobody leads to any more end with their last call.
        self.links.lock().await.retain(|address, _| ranges.iter().any(|it| it.2 == *address));
        self.map.store(Arc::new(Map { ranges: drawn, trouble: None }));
        Ok(())
    }
}

/// `CLUSTER SLOTS`: first and last slot, then the master, then replicas. A server that knows no name of its own is the
/// one that was asked.
fn slots(answer: Value, asked: &Address) -> Stored<Vec<(u16, u16, Address)>> {
    let mut ranges = Vec::new();
    let slot = |value: &Value| u16::try_from(reply::number(value)?).map_err(|_| reply::odd("a slot"));
    for range in reply::list(answer)? {
        let mut parts = reply::list(range)?.into_iter();
        let (first, last) = (slot(&reply::next(&mut parts)?)?, slot(&reply::next(&mut parts)?)?);
        let master = reply::list(reply::next(&mut parts)?)?;
        let [host, port, ..] = &master[..] else { return Err(reply::odd("a server")) };
        let host = match host {
            Value::BulkString(bytes) if !bytes.is_empty() => String::from_utf8_lossy(bytes).into_owned().into(),
            _ => asked.host.clone(),
        };
        let port = u16::try_from(reply::number(port)?).map_err(|_| reply::odd("a port"))?;
        ranges.push((first, last, Address { host, port }));
    }
    Ok(ranges)
}

/// Draws the map at the start, when something has moved, and once a second.
async fn survey(shared: Arc<Shared>, location: Location) {
    loop {
        if let Err(why) = shared.draw(&location.nodes).await {
            let before = shared.map.load_full();
            let same: Vec<_> = before.ranges.iter().map(|it| (it.0, it.1, it.2.clone())).collect();
            shared.map.store(Arc::new(Map { ranges: same, trouble: Some(why) }));
            sleep(Duration::from_millis(100)).await;
        }
        // Either something moved, or a second is over.
        let _ = timeout(MAP_EVERY, shared.moved.notified()).await;
    }
}
