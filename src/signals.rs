//! Signals: what is observed about a request so that a policy can decide on it.
//!
//! A [`plan::Plan`] says once per policy what has to be read from the store, so that counters, known devices, remembered
//! values, ages and the last place all travel in the one call that loads the session. [`Signals`] fetches the rest: the
//! operator's lists and databases, and vendors. Nothing here decides, and nothing here fails a request: what cannot
//! be learnt is unknown, with the reason why.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, LazyLock, Mutex, PoisonError, atomic::AtomicU32},
};

use arc_swap::ArcSwap;
use ipnet::IpNet;
use stepward_core::{
    attribute::Catalogue,
    decision::Scope,
    diagnostic::Diagnostic,
    facts::{Facts, Path, Provenance, Reading, SlotId, Why},
    policy::{Policy, Slot, document::Contact},
    value::Value,
};

use crate::{
    clock::Clock,
    keys::Keys,
    render::Texts,
    settings::Settings,
    signals::{geo::Found, travel::Place},
    store::Id,
    telemetry::{Metrics, SignalOutcome},
    vendors::{
        self, Call, Question, Vendors,
        deeds::Live,
        feedback::Owed,
        salvage::Refused,
        shadow::{Trial, Tried},
    },
};

pub mod files;
pub mod free;
pub mod geo;
pub mod heard;
pub mod known;
pub mod lists;
pub mod noted;
pub mod plan;
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
    /// Where the address is, if [`plan::Plan::wants_place`]: [`Signals::place`].
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
        let pair = account.or(claimed).map(|id| {
            let mut both = [0; 64];
            let (whose, from) = both.split_at_mut(32);
            data_encoding::HEXLOWER.encode_mut(&id, whose);
            data_encoding::HEXLOWER.encode_mut(&self.ip, from);
            keys.recurring(&[self.tenant.as_bytes(), b"pair", &both])
        });
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
    keys.recurring(&[tenant.as_bytes(), b"ip", network_of(ip).to_string().as_bytes()])
}

/// What one address is counted as: itself, or its /64, because a customer of an IPv6 provider has that many.
pub fn network_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(four) => IpAddr::V4(four),
        six @ IpAddr::V6(_) => IpNet::new(six, 64).map_or(six, |network| network.network()),
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
    vendors: Arc<ArcSwap<Vendors>>,
    connectors: Mutex<Connectors>,
    metrics: Metrics,
    /// Accounts whose first day is written.
    pub noted: noted::Noted,
}

/// The newest set of connectors that was looked at.
#[derive(Debug, Default)]
struct Connectors {
    fingerprint: [u8; 32],
    refused: Option<Refused>,
}

impl Connectors {
    /// Keeps what is wrong, and logs it once.
    fn refuse(&mut self, refused: Refused, what: &str) {
        refused.lines().for_each(|line| tracing::error!("{what}: {line}"));
        self.refused = (!refused.found.is_empty()).then_some(refused);
    }
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

/// What was learnt about a request.
#[derive(Default)]
pub struct Collected {
    /// A reading for every wanted slot.
    pub readings: Vec<(SlotId, Reading, Option<Provenance>)>,
    /// The vendors that were asked.
    pub calls: Vec<Call>,
    /// What is to be tried out after the decision: [`Signals::try_out`].
    pub trials: Vec<Trial>,
    /// Whom to tell how it came out.
    pub owed: Vec<Owed>,
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
        let refused = vendors.refused().clone();
        let signals = Signals::of(lists, geo, vendors);
        let mut newest = signals.connectors();
        newest.refuse(refused, "refused; the other connectors run");
        newest.fingerprint = vendors::load::fingerprint(settings);
        drop(newest);
        Ok(signals)
    }

    /// Signals of these sources.
    pub fn of(lists: lists::Lists, geo: geo::Databases, vendors: Vendors) -> Self {
        Signals {
            lists,
            geo,
            vendors: Arc::new(ArcSwap::from_pointee(vendors)),
            connectors: Mutex::default(),
            metrics: Metrics::new(),
            noted: noted::Noted::default(),
        }
    }

    /// The same, counted here.
    pub fn counted_by(self, metrics: &Metrics) -> Self {
        if let Some(vendors) = Arc::into_inner(self.vendors.swap(Arc::new(Vendors::none()))) {
            self.vendors.store(Arc::new(vendors.counted_by(metrics)));
        }
        Signals { metrics: metrics.clone(), ..self }
    }

    /// The vocabulary of policies here, with what each attribute costs.
    pub fn catalogue(&self) -> Catalogue {
        self.vendors.load().catalogue().clone()
    }

    /// The connectors that are at work, for what vendors do rather than tell.
    pub fn live(&self) -> Live {
        Live::over(self.vendors.clone())
    }

    /// Whether some vendor here could tell this attribute.
    pub fn tells(&self, name: &str) -> bool {
        self.vendors.load().tells(name)
    }

    /// The attributes that no vendor tells because a file of connectors is refused, by that file.
    pub fn lost(&self) -> BTreeMap<Arc<str>, Arc<str>> {
        self.vendors.load().lost().clone()
    }

    /// Reads connectors again, if anything about them changed; whether others are at work now. A file that is refused
    /// leaves its last good text at work; where a connector cannot run, all that ran before keep running. What is wrong
    /// is in [`Signals::refused_connectors`]. Blocks on the disk.
    pub fn reload_connectors(&self, settings: &Settings, clock: &Clock) -> bool {
        let mut newest = self.connectors();
        let fingerprint = vendors::load::fingerprint(settings);
        if fingerprint == newest.fingerprint {
            return false;
        }
        newest.fingerprint = fingerprint;
        let again = self.vendors.load().again(settings, clock);
        match again {
            Ok(vendors) => {
                newest.refuse(vendors.refused().clone(), "refused; what was good before keeps running");
                self.vendors.store(Arc::new(vendors.counted_by(&self.metrics)));
                tracing::info!("connectors loaded");
                true
            }
            Err(found) => {
                newest
                    .refuse(Refused::of(found, Texts::new()), "connectors not loaded, the last good ones keep running");
                false
            }
        }
    }

    /// What is wrong with the newest connectors, while what was good runs.
    pub fn refused_connectors(&self) -> Option<Refused> {
        self.connectors().refused.clone()
    }

    fn connectors(&self) -> std::sync::MutexGuard<'_, Connectors> {
        self.connectors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads changed files again; blocks on the disk. A file that is no longer usable leaves the last good one in place.
    pub fn refresh(&self) {
        self.lists.refresh();
        self.geo.refresh();
        self.vendors.load().refresh();
    }

    /// Where an address is, by the city database.
    pub fn place(&self, ip: IpAddr) -> Option<Place> {
        self.geo.place(ip)
    }

    /// Puts what was left to try out to the connectors that are tried out: after the decision, and not for it. Each of
    /// what they say is handed to `told`.
    pub fn try_out(trials: Vec<Trial>, told: impl Fn(&Tried) + Clone + Send + 'static) {
        for trial in trials {
            let told = told.clone();
            tokio::spawn(async move {
                if let Some(tried) = trial.run().await {
                    told(&tried);
                }
            });
        }
    }

    /// An answer for every wanted slot, at the latest at the deadline: this machine's own first, then vendors'.
    pub async fn collect(
        &self,
        ask: &Ask<'_>,
        wanted: &[(SlotId, &Slot)],
        deadline: tokio::time::Instant,
        paid_left: &mut u32,
    ) -> Collected {
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
            return Collected { readings: answers, ..Collected::default() };
        }
        let names: Vec<&str> = left.iter().map(|(_, slot)| &*slot.name).collect();
        let told = self.vendors.load_full().ask(&question, &names).await;
        for ((id, slot), (reading, provenance)) in left.into_iter().zip(told.told) {
            let (reading, _) = typed(reading, slot, || local("vendor"));
            answers.push((id, reading, provenance));
        }
        *paid_left = paid.into_inner();
        Collected { readings: answers, calls: told.calls, trials: told.trials, owed: told.owed }
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
    by(&|fact| fact.contact == Some(Contact::Email)).or_else(|| by(&|fact| &*fact.name == "email")).or(verified)
}
