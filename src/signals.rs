//! Signals: what is observed about a request so that a policy can decide on it.
//!
//! A [`Plan`] says once per policy what has to be read from the store, so that counters, known devices, remembered
//! values and the last place all travel in the one call that loads the session. [`Signals`] fetches the rest: the
//! operator's lists and databases, and vendors. Nothing here decides, and nothing here fails a request: what cannot
//! be learnt is unknown, with the reason why.

use std::{
    net::IpAddr,
    sync::{Arc, LazyLock, Mutex, PoisonError, atomic::AtomicU32},
};

use arc_swap::ArcSwap;
use ipnet::IpNet;
use stepward_core::{
    attribute::{
        Catalogue,
        counter::{Counted as What, Counter},
    },
    decision::Scope,
    diagnostic::Diagnostic,
    facts::{Facts, Path, Provenance, Reading, SlotId, Why},
    policy::{Policy, Slot},
    value::Value,
};

use crate::{
    clock::Clock,
    keys::Keys,
    settings::Settings,
    signals::{geo::Found, travel::Place},
    store::{Counted, Drawer, Id, Meter, Standing, Touch},
    telemetry::{Metrics, SignalOutcome},
    vendors::{self, Question, Vendors},
};

pub mod files;
pub mod free;
pub mod geo;
pub mod known;
pub mod lists;
pub mod noted;
pub mod travel;
pub mod velocity;

/// Whom a request is about, as pseudonyms that include the tenant.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// The account of the verified subject.
    pub account: Option<Id>,
    /// The account of a merely claimed subject; used for counting and for what it can only tighten.
    pub claimed: Option<Id>,
    /// The device cookie's id.
    pub device: Option<Id>,
    /// The session.
    pub session: Option<Id>,
    /// The client's address, IPv6 by its /64.
    pub ip: Id,
    /// Where the address is, if [`Plan::wants_place`]: [`Signals::place`].
    pub place: Option<Place>,
    /// Now.
    pub now_ms: i64,
    /// Whether this request was counted before and is only decided again (a resumed request, a recheck).
    pub counted_already: bool,
    /// Account (or claimed account) and address together: [`Who::with_subject`].
    pub pair: Option<Id>,
}

impl<'a> Who<'a> {
    /// Someone at an address, of whom nothing else is known yet.
    pub fn at(tenant: &'a str, ip: IpAddr, now_ms: i64, keys: &Keys) -> Self {
        Who {
            tenant,
            account: None,
            claimed: None,
            device: None,
            session: None,
            ip: address(keys, tenant, ip),
            place: None,
            now_ms,
            counted_already: false,
            pair: None,
        }
    }

    /// The same with an account: verified, or merely claimed.
    pub fn with_subject(self, account: Option<Id>, claimed: Option<Id>, keys: &Keys) -> Self {
        let hex = |id: Id| data_encoding::HEXLOWER.encode(&id);
        let pair = account.or(claimed).map(|id| keys.pseudonym(self.tenant, "pair", &(hex(id) + &hex(self.ip))));
        Who { account, claimed, pair, ..self }
    }

    fn of(&self, scope: Scope) -> Option<Id> {
        match scope {
            Scope::Subject => self.anyone(),
            Scope::Session => self.session,
            Scope::Ip => Some(self.ip),
            Scope::Device => self.device,
            Scope::Pair => self.pair,
        }
    }

    fn anyone(&self) -> Option<Id> {
        self.account.or(self.claimed)
    }
}

/// What the store calls an address.
pub fn address(keys: &Keys, tenant: &str, ip: IpAddr) -> Id {
    keys.pseudonym(tenant, "ip", &network_of(ip).to_string())
}

/// What one address is counted as: itself, or its /64, because a customer of an IPv6 provider has that many.
pub fn network_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(four) => IpAddr::V4(four),
        six @ IpAddr::V6(_) => IpNet::new(six, 64).map_or(six, |network| network.network()),
    }
}

/// What one policy needs from the store and leaves there; made once per release.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    counters: Vec<velocity::Read>,
    /// Counters that some policy of the release reads and `count` raises.
    counted: Vec<(Counter, Vec<Meter>)>,
    known: known::Wanted,
    keeps_place: bool,
}

/// The reads of one request, in the order in which [`Asked::learn`] expects the answers.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// For [`crate::store::Begin::meters`]; the caller's own come after them.
    pub meters: Vec<(Counted, Meter, Touch)>,
    /// For [`crate::store::Begin::entries`]; the caller's own come after them.
    pub entries: Vec<(Id, Drawer, Id)>,
    /// For each counter of the plan, how many of `meters` are its own.
    counters: Vec<usize>,
    known: Vec<known::Question>,
}

/// What is to be written once the end of an event is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Afterwards {
    /// Counters to raise: `store.begin` with these alone.
    pub meters: Vec<(Counted, Meter, Touch)>,
    /// Entries to enrol: account, drawer, id and ciphertext.
    pub entries: Vec<(Id, Drawer, Id, Vec<u8>)>,
    /// An entry that stays as it is where it is there: the day on which the account was first seen.
    pub first_seen: Option<((Id, Drawer, Id), Vec<u8>)>,
}

impl Plan {
    /// The plan of one policy among those of its release.
    pub fn of(policy: &Policy, policies: &[Arc<Policy>]) -> Plan {
        let mut counted: Vec<(Counter, Vec<Meter>)> = Vec::new();
        for read in policies.iter().flat_map(|policy| velocity::read_by(policy)) {
            if let What::Named(_) = read.counter.counted {
                match counted.iter_mut().find(|(counter, _)| *counter == read.counter) {
                    Some((_, meters)) => {
                        meters.extend(read.meters.into_iter().filter(|it| !meters.contains(it)).collect::<Vec<_>>())
                    }
                    None => counted.push((read.counter, read.meters)),
                }
            }
        }
        let known = known::Wanted::of(policy);
        let keeps_place = known.travel() || policies.iter().any(|policy| known::Wanted::of(policy).travel());
        Plan { counters: velocity::read_by(policy), counted, known, keeps_place }
    }

    /// Whether [`Who::place`] is of use.
    pub fn wants_place(&self) -> bool {
        self.keeps_place
    }

    /// What to read from the store before deciding.
    pub fn ask(&self, who: &Who<'_>, facts: &Facts, policy: &Policy, keys: &Keys) -> Asked {
        let mut asked = Asked::default();
        for read in &self.counters {
            let before = asked.meters.len();
            if let Some(id) = who.of(read.counter.scope) {
                let counted = Counted { kind: velocity::kind(read.counter.scope), id };
                let touch = before_deciding(&read.counter.counted, who);
                asked.meters.extend(read.meters.iter().map(|meter| (counted, *meter, touch)));
            }
            asked.counters.push(asked.meters.len() - before);
        }
        for question in self.known.ask(who, facts, policy, keys) {
            if let Some(entry) = question.entry {
                asked.entries.push(entry);
            }
            asked.known.push(question);
        }
        asked
    }

    /// What to write once it is known how the event ended. `None` is neither success nor failure, and counts as a
    /// failed try. `facts` and `who` are those of the decision, with the account that success may have brought.
    pub fn conclude(
        &self,
        who: &Who<'_>,
        success: Option<bool>,
        facts: &Facts,
        policy: &Policy,
        keys: &Keys,
    ) -> Afterwards {
        let ended = if success == Some(true) { What::Successes } else { What::Failures };
        let mut afterwards = Afterwards::default();
        for read in self.counters.iter().filter(|read| read.counter.counted == ended) {
            afterwards.raise(&read.counter, &read.meters, who);
        }
        if success == Some(true) {
            afterwards.entries = known::remember(who, facts, policy, self.keeps_place, keys);
            afterwards.first_seen = known::first_seen(who, keys);
        }
        afterwards
    }

    /// Whether the policy reads since when its subject is known.
    pub fn wants_age(&self) -> bool {
        self.known.age()
    }

    /// Takes in since when the subject is known, once an event has shown who it is: `sealed` is what was there under
    /// [`Afterwards::first_seen`].
    pub fn learn_age(&self, sealed: Option<&[u8]>, who: &Who<'_>, facts: &mut Facts, policy: &Policy, keys: &Keys) {
        known::learn_age(&self.known, sealed, who, facts, policy, keys);
    }

    /// What the obligation `count` of these names raises.
    pub fn count(&self, who: &Who<'_>, names: &[Arc<str>]) -> Afterwards {
        let mut afterwards = Afterwards::default();
        for (counter, meters) in &self.counted {
            if matches!(&counter.counted, What::Named(name) if names.contains(name)) {
                afterwards.raise(counter, meters, who);
            }
        }
        afterwards
    }
}

impl Afterwards {
    fn raise(&mut self, counter: &Counter, meters: &[Meter], who: &Who<'_>) {
        if let Some(id) = who.of(counter.scope) {
            let counted = Counted { kind: velocity::kind(counter.scope), id };
            self.meters.extend(meters.iter().map(|meter| (counted, *meter, Touch::Hit)));
        }
    }
}

/// What reading a counter before the decision does to it.
fn before_deciding(what: &What, who: &Who<'_>) -> Touch {
    let add = |id: Option<Id>| id.map_or(Touch::Look, Touch::Add);
    match what {
        What::Tries if who.counted_already => Touch::Look,
        What::Tries => Touch::Hit,
        What::Failures | What::Successes | What::Named(_) => Touch::Look,
        What::Subjects => add(who.anyone()),
        What::Ips => Touch::Add(who.ip),
        What::Devices => add(who.device),
    }
}

impl Asked {
    /// Takes in what the store said.
    pub fn learn(
        &self,
        plan: &Plan,
        standing: &Standing,
        who: &Who<'_>,
        facts: &mut Facts,
        policy: &Policy,
        keys: &Keys,
    ) {
        let mut counts = standing.counts.iter().copied();
        for (read, meters) in plan.counters.iter().zip(&self.counters) {
            let counted = read.value(&counts.by_ref().take(*meters).collect::<Vec<_>>());
            let reading = counted.map_or(Reading::Unknown(Why::Absent), |count| {
                Reading::Known(Value::Int(i64::try_from(count).unwrap_or(i64::MAX)))
            });
            learn(facts, policy, read.slot, reading, "state");
        }
        let mut entries = standing.entries.iter();
        for question in &self.known {
            let found = question.entry.and_then(|entry| Some((entry, entries.next()?.as_deref())));
            question.learn(found, who, facts, policy, keys);
        }
    }
}

/// Takes in a reading of a slot's own type; of any other type it is mistyped.
pub fn learn(facts: &mut Facts, policy: &Policy, slot: SlotId, reading: Reading, source: &str) {
    let Some(declared) = policy.slots.get(usize::from(slot.0)) else { return };
    let (reading, provenance) = typed(reading, declared, || local(source));
    facts.learn(slot, reading, provenance);
}

fn typed(reading: Reading, slot: &Slot, origin: impl FnOnce() -> Provenance) -> (Reading, Option<Provenance>) {
    match reading {
        Reading::Known(value) => match value.cast(slot.kind) {
            Some(value) => (Reading::Known(value), Some(origin())),
            None => (Reading::Unknown(Why::Mistyped), None),
        },
        unknown @ (Reading::Unknown(_) | Reading::Pending) => (unknown, None),
    }
}

fn local(source: &str) -> Provenance {
    Provenance { source: shared(source), age_ms: 0, path: Path::Live }
}

/// A word for where this gateway learnt something by itself, shared: every reading of every request carries one.
fn shared(source: &str) -> Arc<str> {
    static WORDS: LazyLock<[Arc<str>; 4]> =
        LazyLock::new(|| ["request", "session", "state", "response"].map(Arc::from));
    WORDS.iter().find(|word| ***word == *source).map_or_else(|| source.into(), Arc::clone)
}

/// Everything that is fetched: operators' files and vendors.
pub struct Signals {
    lists: lists::Lists,
    geo: geo::Databases,
    vendors: ArcSwap<Vendors>,
    connectors: Mutex<Connectors>,
    metrics: Metrics,
    /// Accounts whose first day is written.
    pub noted: noted::Noted,
}

/// The newest set of connectors that was looked at.
#[derive(Debug, Default)]
struct Connectors {
    fingerprint: [u8; 32],
    refused: Option<Arc<[Diagnostic]>>,
}

/// Why signals cannot be set up as the settings say; the process does not start.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// A list or database cannot be used.
    #[error(transparent)]
    File(#[from] files::FileError),
    /// Connectors or routes cannot be used.
    #[error("{} findings in connectors, the first: {}", .0.len(), .0.first().map_or("", |it| it.message.as_str()))]
    Connectors(Vec<Diagnostic>),
}

/// What a request is asked about.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// The tenant; nothing crosses tenants.
    pub tenant: &'a str,
    /// The event.
    pub event: &'a str,
    /// The client's address.
    pub ip: IpAddr,
    /// The e-mail address that `email.*` is about: see [`email_of`].
    pub email: Option<&'a str>,
    /// The subject's name, verified or claimed, for vendors whose manifest says that it is sent.
    pub user: Option<&'a str>,
    /// The verified subject's account and name, for lists.
    pub subject: Option<(Id, Arc<str>)>,
    /// The device cookie's id, for lists.
    pub device: Option<Id>,
    /// The browser's own words for itself.
    pub user_agent: Option<&'a str>,
    /// Now.
    pub now_ms: i64,
    /// Whether vendors are asked; otherwise what only they could tell is not provided.
    pub asks_vendors: bool,
}

impl Ask<'_> {
    /// What connectors may be told, by the names that their files use.
    fn inputs(&self) -> Vec<(Arc<str>, Arc<str>)> {
        let ip = self.ip.to_canonical().to_string();
        let named = [
            ("ip", Some(ip.as_str())),
            ("email", self.email),
            ("user_id", self.user),
            ("user_agent", self.user_agent),
            ("event", Some(self.event)),
        ];
        named.into_iter().filter_map(|(name, value)| Some((name.into(), value?.into()))).collect()
    }
}

impl Signals {
    /// Reads the files that the settings name. One that cannot be used keeps the process from starting.
    pub fn new(settings: &Settings, clock: &Clock) -> Result<Self, SetUpError> {
        let lists = lists::Lists::open(&settings.lists)?;
        let geo = geo::Databases::open(&settings.geo)?;
        let vendors = Vendors::load(settings, clock).map_err(SetUpError::Connectors)?;
        let signals = Signals::of(lists, geo, vendors);
        signals.connectors().fingerprint = vendors::fingerprint(settings);
        Ok(signals)
    }

    /// Signals of these sources.
    pub fn of(lists: lists::Lists, geo: geo::Databases, vendors: Vendors) -> Self {
        Signals {
            lists,
            geo,
            vendors: ArcSwap::from_pointee(vendors),
            connectors: Mutex::default(),
            metrics: Metrics::new(),
            noted: noted::Noted::default(),
        }
    }

    /// The same, counted here.
    pub fn counted_by(mut self, metrics: &Metrics) -> Self {
        let vendors = std::mem::replace(&mut self.vendors, ArcSwap::from_pointee(Vendors::none())).into_inner();
        if let Some(vendors) = Arc::into_inner(vendors) {
            self.vendors = ArcSwap::from_pointee(vendors.counted_by(metrics));
        }
        Signals { metrics: metrics.clone(), ..self }
    }

    /// The vocabulary of policies here, with what each attribute costs.
    pub fn catalogue(&self) -> Catalogue {
        self.vendors.load().catalogue().clone()
    }

    /// Whether some vendor here could tell this attribute.
    pub fn tells(&self, name: &str) -> bool {
        self.vendors.load().tells(name)
    }

    /// Reads connectors again, if anything about them changed; whether new ones are at work now. Blocks on the disk.
    ///
    /// # Errors
    /// What is wrong with the newest set; the last good one keeps running.
    pub fn reload_connectors(&self, settings: &Settings, clock: &Clock) -> Result<bool, Arc<[Diagnostic]>> {
        let mut newest = self.connectors();
        let fingerprint = vendors::fingerprint(settings);
        if fingerprint == newest.fingerprint {
            return newest.refused.clone().map_or(Ok(false), Err);
        }
        newest.fingerprint = fingerprint;
        match Vendors::load(settings, clock) {
            Ok(vendors) => {
                newest.refused = None;
                self.vendors.store(Arc::new(vendors.counted_by(&self.metrics)));
                tracing::info!("connectors loaded");
                Ok(true)
            }
            Err(found) => {
                for finding in &found {
                    tracing::error!(
                        file = &*finding.file,
                        code = finding.code,
                        "connectors not loaded, the last good ones keep running: {}",
                        finding.message
                    );
                }
                let found: Arc<[Diagnostic]> = found.into();
                newest.refused = Some(found.clone());
                Err(found)
            }
        }
    }

    /// What is wrong with the newest connectors, while the last good ones run instead.
    pub fn refused_connectors(&self) -> Option<Arc<[Diagnostic]>> {
        self.connectors().refused.clone()
    }

    fn connectors(&self) -> std::sync::MutexGuard<'_, Connectors> {
        self.connectors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads changed files again; blocks on the disk. A file that is no longer usable leaves the last good one in place.
    pub fn refresh(&self) {
        self.lists.refresh();
        self.geo.refresh();
    }

    /// Where an address is, by the city database.
    pub fn place(&self, ip: IpAddr) -> Option<Place> {
        self.geo.place(ip)
    }

    /// An answer for every wanted slot, at the latest at the deadline: this machine's own first, then vendors'.
    pub async fn collect(
        &self,
        ask: &Ask<'_>,
        wanted: &[(SlotId, &Slot)],
        deadline: tokio::time::Instant,
        paid_left: &mut u32,
    ) -> Vec<(SlotId, Reading, Option<Provenance>)> {
        let mut answers = Vec::with_capacity(wanted.len());
        let mut left = Vec::new();
        let began = tokio::time::Instant::now();
        for (id, slot) in wanted {
            match self.local(ask, &slot.name) {
                Some(reading) => {
                    let (reading, provenance) = typed(reading, slot, || local("local"));
                    answers.push((*id, reading, provenance));
                }
                None => left.push((*id, *slot)),
            }
        }
        let paid = AtomicU32::new(*paid_left);
        let inputs = ask.inputs();
        let question = Question { tenant: ask.tenant, inputs: &inputs, deadline, paid_left: &paid };
        if !answers.is_empty() {
            let is_known = |answer: &(_, Reading, _)| matches!(answer.1, Reading::Known(_));
            let known = answers.iter().any(is_known);
            let outcome = if known { SignalOutcome::Answered } else { SignalOutcome::Absent };
            self.metrics.signal(&"local".into(), outcome, began.elapsed());
        }
        if !ask.asks_vendors {
            answers.extend(left.into_iter().map(|(id, _)| (id, Reading::Unknown(Why::NotProvided), None)));
            return answers;
        }
        let names: Vec<&str> = left.iter().map(|(_, slot)| &*slot.name).collect();
        let told = self.vendors.load_full().ask(&question, &names).await;
        for ((id, slot), (reading, provenance)) in left.into_iter().zip(told) {
            let (reading, _) = typed(reading, slot, || local("vendor"));
            answers.push((id, reading, provenance));
        }
        *paid_left = paid.into_inner();
        answers
    }

    /// What this machine knows by itself; `None` for attributes that only vendors could tell.
    fn local(&self, ask: &Ask<'_>, name: &str) -> Option<Reading> {
        match name {
            "ip.lists" => Some(names(self.lists.of_ip(ask.ip))),
            "ip.is_listed" => Some(any(self.lists.of_ip(ask.ip))),
            "email.lists" => Some(ask.email.map_or(Reading::Unknown(Why::Absent), |it| names(self.lists.of_email(it)))),
            "email.is_listed" => {
                Some(ask.email.map_or(Reading::Unknown(Why::Absent), |it| any(self.lists.of_email(it))))
            }
            "subject.lists" => Some(self.of_subject(ask, names)),
            "subject.is_listed" => Some(self.of_subject(ask, any)),
            "device.lists" => Some(self.of_device(ask, names)),
            "device.is_listed" => Some(self.of_device(ask, any)),
            _ => match self.geo.attribute(name, ask.ip)? {
                Found::Value(value) => Some(Reading::Known(value)),
                Found::Absent => Some(Reading::Unknown(Why::Absent)),
                Found::NotProvided => None,
            },
        }
    }
}

impl Signals {
    /// Of nobody, or of somebody merely claimed, it is not known what they are listed in.
    fn of_subject(&self, ask: &Ask<'_>, told: fn(Option<Vec<Arc<str>>>) -> Reading) -> Reading {
        match &ask.subject {
            Some((account, name)) => told(self.lists.of_subject(account, name)),
            None => Reading::Unknown(Why::Absent),
        }
    }

    fn of_device(&self, ask: &Ask<'_>, told: fn(Option<Vec<Arc<str>>>) -> Reading) -> Reading {
        ask.device.map_or(Reading::Unknown(Why::Absent), |device| told(self.lists.of_device(&device)))
    }
}

fn names(lists: Option<Vec<Arc<str>>>) -> Reading {
    lists.map_or(Reading::Unknown(Why::NotProvided), |names| {
        Reading::Known(Value::List(names.into_iter().map(Value::Text).collect()))
    })
}

fn any(lists: Option<Vec<Arc<str>>>) -> Reading {
    lists.map_or(Reading::Unknown(Why::NotProvided), |names| Reading::Known(Value::Bool(!names.is_empty())))
}

/// The e-mail address that `email.*` is about: the fact with `contact: email`, else a fact named `email`, else the
/// verified address of the subject.
pub fn email_of<'a>(policy: &Policy, facts: &'a Facts, verified: Option<&'a str>) -> Option<&'a str> {
    let by = |wanted: &dyn Fn(&stepward_core::policy::FactSource) -> bool| {
        let fact = policy.facts.iter().position(wanted)?;
        match facts.value(known::slot_of_fact(policy, fact)?)? {
            Value::Text(text) => Some(&**text),
            _ => None,
        }
    };
    by(&|fact| fact.contact_email).or_else(|| by(&|fact| &*fact.name == "email")).or(verified)
}
