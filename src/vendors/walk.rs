//! How a route is walked: in turn, filling what is missing, or all at once; a slow connector is overtaken.
//!
//! Every wanted attribute ends with a reading, at the latest at the deadline. What nobody answered is, in this order, an
//! answer past its time, the route's stated value, or unknown with the reason why.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use futures_util::future;
use prometheus_client::metrics::counter::Counter;
use stepward_core::{
    connector::{
        answer::Interpreted,
        route::{
            Route,
            document::{Combine, Strategy},
        },
    },
    facts::{Path, Provenance, Reading, Why},
    value::Value,
};
use tokio::time::Instant;

use crate::{
    telemetry::{Metrics, SignalOutcome, vendors::Hedged},
    vendors::{
        Call, Question, Told,
        runner::{Begun, Flying, Purse, Refusal, Runner},
        shadow::{Candidate, Trial},
        spend::Spend,
    },
};

/// Hedges that may be saved up while nobody is slow, in millionths.
const HEDGES_MAX: u64 = 10_000_000;

/// A route with the connectors that serve it.
pub struct Line {
    /// The route.
    pub route: Route,
    /// Its connectors, best first.
    pub members: Vec<Place>,
    /// Those that are tried out.
    pub shadows: Vec<Candidate>,
    /// What its paid calls cost today.
    pub spend: Arc<Spend>,
    readings: OnceLock<Readings>,
}

/// A connector's place in a route.
pub struct Place {
    /// The connector.
    pub runner: Arc<Runner>,
    /// How long a call may take here.
    pub limit: Duration,
    /// What its answer weighs.
    pub weight: f64,
    /// Hedges that its calls have earned, in millionths.
    hedges: Mutex<u64>,
}

impl Place {
    /// A place where no call was made yet.
    pub fn new(runner: Arc<Runner>, timeout_ms: Option<u64>, weight: f64) -> Self {
        let own_ms = runner.connector.timeout_ms();
        let limit = Duration::from_millis(timeout_ms.unwrap_or(own_ms).min(own_ms));
        Place { runner, limit, weight, hedges: Mutex::new(HEDGES_MAX) }
    }

    /// Where its connector gives this attribute.
    fn provides(&self, name: &str) -> Option<usize> {
        self.runner.connector.provides().iter().position(|attribute| &*attribute.name == name)
    }

    /// Where in its raw answers this name points: `raw.<connector>.<path>`, with `_` for each `-` of the id.
    fn raw_path<'a>(&self, name: &'a str) -> Option<&'a str> {
        let (id, path) = name.strip_prefix("raw.")?.split_once('.')?;
        let connector = &self.runner.connector;
        let alike = |(one, other): (u8, u8)| one == other || (one == b'_' && other == b'-');
        let is_own = id.len() == connector.id.len() && id.bytes().zip(connector.id.bytes()).all(alike);
        (is_own && connector.asked().is_some_and(|operation| operation.keeps_raw())).then_some(path)
    }

    /// Whether its connector gives this attribute, or this in its own terms.
    pub fn gives(&self, name: &str) -> bool {
        self.provides(name).is_some() || self.raw_path(name).is_some()
    }

    /// What an answer of so many milliseconds says about it.
    fn value(&self, name: &str, answer: &Interpreted, age_ms: u64) -> Option<Value> {
        if let Some(at) = self.provides(name) {
            return answer.values.get(at).cloned().flatten();
        }
        let path = self.raw_path(name)?;
        let ttl_ms = self.runner.connector.asked().and_then(|operation| operation.raw_ttl_ms());
        ttl_ms.is_none_or(|ttl_ms| age_ms < ttl_ms).then(|| answer.raw_value(path)).flatten()
    }

    fn earns_hedge(&self, extra_millionths: u32) {
        let mut hedges = self.hedges.lock().unwrap_or_else(PoisonError::into_inner);
        *hedges = hedges.saturating_add(u64::from(extra_millionths)).min(HEDGES_MAX);
    }

    fn takes_hedge(&self, extra_millionths: u32) -> bool {
        let mut hedges = self.hedges.lock().unwrap_or_else(PoisonError::into_inner);
        let left = hedges.checked_sub(1_000_000).filter(|_| extra_millionths > 0);
        *hedges = left.unwrap_or(*hedges);
        left.is_some()
    }
}

/// How often attributes came which way; found once.
struct Readings {
    known: [(Path, Counter); 8],
    unknown: Counter,
}

impl Readings {
    fn of(capability: &Arc<str>, metrics: &Metrics) -> Self {
        let all = [
            Path::Live,
            Path::Cache,
            Path::FailOver,
            Path::Hedge,
            Path::Fill,
            Path::Combined,
            Path::Stale,
            Path::Default,
        ];
        let counter = |word| metrics.vendors().readings(capability, word);
        Readings { known: all.map(|path| (path, counter(path.name()))), unknown: counter("unknown") }
    }

    fn count(&self, told: &Told) {
        let path = match told {
            (Reading::Known(_), Some(origin)) => Some(origin.path),
            (Reading::Known(_) | Reading::Unknown(_) | Reading::Pending, _) => None,
        };
        let known = self.known.iter().find(|(it, _)| Some(*it) == path);
        known.map_or(&self.unknown, |(_, counter)| counter).inc();
    }
}

/// What a route told.
pub struct Heard<'n> {
    /// Each attribute that was asked for.
    pub told: Vec<(&'n str, Told)>,
    /// Everybody who was asked, in order.
    pub calls: Vec<Call>,
    /// What is to be tried out once the decision is made.
    pub trials: Vec<Trial>,
}

impl Line {
    /// A route with its connectors.
    pub fn new(route: Route, members: Vec<Place>, shadows: Vec<Candidate>, spend: Arc<Spend>) -> Self {
        Line { route, members, shadows, spend, readings: OnceLock::new() }
    }

    /// The attributes that it tells.
    pub fn tells(&self) -> impl Iterator<Item = &Arc<str>> {
        let own = self.members.iter().flat_map(|place| place.runner.connector.provides());
        own.map(|attribute| &attribute.name).chain(self.route.levels.iter().map(|(level, _)| &level.name))
    }

    /// Asks for these attributes.
    pub async fn ask<'n>(&'n self, question: &Question<'_>, names: &[&'n str], metrics: &Metrics) -> Heard<'n> {
        let route_ends = self.route.time_ms.map(|ms| Instant::now() + Duration::from_millis(ms));
        let deadline = route_ends.map_or(question.deadline, |ends| ends.min(question.deadline));
        let question = Question { deadline, ..*question };
        let mut walk = Walk { line: self, question: &question, metrics, wanted: Vec::new(), calls: Vec::new() };
        walk.want(names);
        match self.route.strategy {
            Strategy::Priority | Strategy::FillMissing => walk.in_turn().await,
            Strategy::All => walk.all_at_once().await,
        }
        walk.fall_back();
        let trials = self.shadows.iter().filter_map(|it| it.drawn(&walk.question(), &walk.live(), metrics)).collect();
        let readings = self.readings.get_or_init(|| Readings::of(&self.route.capability, metrics));
        let told: Vec<_> = walk.wanted.into_iter().filter(|it| it.is_asked).map(Wanted::told).collect();
        told.iter().for_each(|(_, told)| readings.count(told));
        Heard { told, calls: walk.calls, trials }
    }
}

/// One attribute that is wanted.
struct Wanted<'n> {
    name: &'n str,
    /// Not if it is only wanted to make a level of it.
    is_asked: bool,
    told: Option<Told>,
    why: Why,
    /// The first who failed, and the first who answered without it.
    failed: Option<usize>,
    silent: Option<usize>,
    /// For `all`: who said what, how old it is.
    votes: Vec<(usize, Value, Option<u64>)>,
}

impl<'n> Wanted<'n> {
    fn new(name: &'n str, is_asked: bool) -> Self {
        Wanted { name, is_asked, told: None, why: Why::Absent, failed: None, silent: None, votes: Vec::new() }
    }

    /// By which way an answer of that member came.
    fn path(&self, at: usize, age_ms: Option<u64>, is_hedge: bool) -> Path {
        match age_ms {
            Some(_) => Path::Cache,
            None if is_hedge => Path::Hedge,
            None if self.failed.is_some_and(|failed| failed < at) => Path::FailOver,
            None if self.silent.is_some_and(|silent| silent < at) => Path::Fill,
            None => Path::Live,
        }
    }

    /// Whether it is unknown because somebody failed, not because somebody said so.
    fn was_lost(&self) -> bool {
        self.told.is_none() && matches!(self.why, Why::Unavailable | Why::OverBudget)
    }

    fn told(self) -> (&'n str, Told) {
        (self.name, self.told.unwrap_or((Reading::Unknown(self.why), None)))
    }
}

/// A call that is under way.
struct Racer {
    at: usize,
    flying: Flying,
    is_hedge: bool,
}

struct Walk<'w, 'n> {
    line: &'n Line,
    question: &'w Question<'w>,
    metrics: &'w Metrics,
    wanted: Vec<Wanted<'n>>,
    calls: Vec<Call>,
}

impl<'n> Walk<'_, 'n> {
    fn want(&mut self, names: &[&'n str]) {
        self.wanted.extend(names.iter().map(|name| Wanted::new(name, true)));
        let line = self.line;
        for (level, made) in &line.route.levels {
            let is_there = |wanted: &[Wanted<'_>], name: &str| wanted.iter().any(|it| it.name == name);
            if is_there(&self.wanted, &level.name) && !is_there(&self.wanted, &made.from) {
                self.wanted.push(Wanted::new(&made.from, false));
            }
        }
    }

    fn question(&self) -> Question<'_> {
        *self.question
    }

    /// What was known in the end, for comparison.
    fn live(&self) -> Vec<(&'n str, Option<Value>)> {
        let value = |it: &Wanted<'_>| match &it.told {
            Some((Reading::Known(value), _)) => Some(value.clone()),
            Some((Reading::Unknown(_) | Reading::Pending, _)) | None => None,
        };
        if self.line.shadows.is_empty() {
            return Vec::new();
        }
        self.wanted.iter().filter(|it| it.is_asked).map(|it| (it.name, value(it))).collect()
    }

    /// The next member that gives something that is still open.
    fn next(&self, from: usize) -> Option<usize> {
        (from..self.line.members.len()).find(|at| self.needs(*at))
    }

    fn needs(&self, at: usize) -> bool {
        let place = self.line.members.get(at);
        place.is_some_and(|place| self.wanted.iter().any(|it| it.told.is_none() && place.gives(it.name)))
    }

    fn begin(&self, at: usize) -> Begun {
        let Some(place) = self.line.members.get(at) else { return Begun::Skipped };
        let purse = Purse {
            calls_left: Some(self.question.paid_left),
            spend: &self.line.spend,
            cap_micros: self.line.route.spend_micros_per_day,
        };
        let begun = place.runner.begin(self.question, purse, place.limit, self.metrics);
        if let (Begun::Flying(_), Some(hedge)) = (&begun, self.line.route.hedge) {
            place.earns_hedge(hedge.extra_millionths);
        }
        begun
    }

    async fn in_turn(&mut self) {
        let mut from = 0;
        while let Some(at) = self.next(from) {
            from = at + 1;
            match self.begin(at) {
                Begun::Skipped => {}
                Begun::Kept(answer, age_ms) => self.take(at, &answer, Some(age_ms), false),
                Begun::Refused(refusal) => self.refused(at, refusal),
                Begun::Flying(flying) => self.race(Racer { at, flying, is_hedge: false }, &mut from).await,
            }
        }
    }

    /// Waits for a call; when it is slow another is made beside it. The first answer that counts wins.
    async fn race(&mut self, first: Racer, from: &mut usize) {
        let deadline = self.question.deadline;
        let hedge = self.line.route.hedge;
        let mut hedge_at = hedge.map(|it| first.flying.since + Duration::from_millis(it.after_ms));
        let mut racers = vec![first];
        while !racers.is_empty() {
            let until = hedge_at.map_or(deadline, |at| at.min(deadline));
            match tokio::time::timeout_at(until, landed(&mut racers)).await {
                Ok((index, answer)) => {
                    let racer = racers.swap_remove(index);
                    self.landed(racer, &answer);
                    self.cancel_those_not_needed(&mut racers);
                }
                Err(_) if Instant::now() >= deadline => {
                    racers.drain(..).for_each(|racer| self.late(&racer));
                }
                Err(_) => {
                    hedge_at = None;
                    let slow = racers.first().and_then(|racer| self.line.members.get(racer.at));
                    if let (Some(slow), Some(hedge)) = (slow, hedge)
                        && self.next(*from).is_some()
                        && slow.takes_hedge(hedge.extra_millionths)
                    {
                        racers.extend(self.hedged(from));
                        self.cancel_those_not_needed(&mut racers);
                    }
                }
            }
        }
    }

    /// The next member that can be asked beside the slow one.
    fn hedged(&mut self, from: &mut usize) -> Option<Racer> {
        while let Some(at) = self.next(*from) {
            *from = at + 1;
            match self.begin(at) {
                Begun::Skipped => {}
                Begun::Kept(answer, age_ms) => {
                    self.take(at, &answer, Some(age_ms), true);
                    return None;
                }
                Begun::Refused(refusal) => self.refused(at, refusal),
                Begun::Flying(flying) => return Some(Racer { at, flying, is_hedge: true }),
            }
        }
        None
    }

    fn cancel_those_not_needed(&mut self, racers: &mut Vec<Racer>) {
        let (needed, overtaken): (Vec<_>, Vec<_>) = racers.drain(..).partition(|racer| self.needs(racer.at));
        *racers = needed;
        for racer in overtaken {
            self.call(racer.at, "cancelled", racer.flying.since.elapsed());
            self.count_hedge(&racer, Hedged::Lost);
            racer.flying.overtaken();
        }
    }

    async fn all_at_once(&mut self) {
        let mut racers = Vec::new();
        for at in 0..self.line.members.len() {
            if !self.needs(at) {
                continue;
            }
            match self.begin(at) {
                Begun::Skipped => {}
                Begun::Kept(answer, age_ms) => self.vote(at, &answer, Some(age_ms)),
                Begun::Refused(refusal) => self.refused(at, refusal),
                Begun::Flying(flying) => racers.push(Racer { at, flying, is_hedge: false }),
            }
        }
        while !racers.is_empty() {
            match tokio::time::timeout_at(self.question.deadline, landed(&mut racers)).await {
                Ok((index, answer)) => {
                    let racer = racers.swap_remove(index);
                    self.landed(racer, &answer);
                }
                Err(_) => racers.drain(..).for_each(|racer| self.late(&racer)),
            }
        }
        self.combine();
    }

    fn landed(&mut self, racer: Racer, answer: &Interpreted) {
        let took = racer.flying.since.elapsed();
        if answer.class.falls_over() {
            self.call(racer.at, answer.class.name(), took);
            self.count_hedge(&racer, Hedged::Lost);
            self.count_signal(racer.at, SignalOutcome::Failed, took);
            self.failed(racer.at, Why::Unavailable);
            return;
        }
        let is_absent = answer.values.iter().all(Option::is_none);
        let outcome = if is_absent { SignalOutcome::Absent } else { SignalOutcome::Answered };
        self.call(racer.at, answer.class.name(), took);
        self.count_hedge(&racer, Hedged::Won);
        self.count_signal(racer.at, outcome, took);
        match self.line.route.strategy {
            Strategy::Priority | Strategy::FillMissing => self.take(racer.at, answer, None, racer.is_hedge),
            Strategy::All => self.vote(racer.at, answer, None),
        }
    }

    /// The deadline came first. The call goes on for those who ask next.
    fn late(&mut self, racer: &Racer) {
        let took = racer.flying.since.elapsed();
        self.call(racer.at, "no_time", took);
        self.count_hedge(racer, Hedged::Lost);
        self.count_signal(racer.at, SignalOutcome::Failed, took);
        self.failed(racer.at, Why::OverBudget);
    }

    fn refused(&mut self, at: usize, refusal: Refusal) {
        self.call(at, refusal.name(), Duration::ZERO);
        self.count_signal(at, SignalOutcome::Failed, Duration::ZERO);
        let why = match refusal {
            Refusal::Late | Refusal::Poor => Why::OverBudget,
            Refusal::BreakerOpen | Refusal::RateLimited => Why::Unavailable,
        };
        self.failed(at, why);
    }

    fn failed(&mut self, at: usize, why: Why) {
        let Some(place) = self.line.members.get(at) else { return };
        for it in self.wanted.iter_mut().filter(|it| it.told.is_none() && place.gives(it.name)) {
            // What was over budget stays so, whoever else failed.
            it.why = if it.why == Why::OverBudget { it.why } else { why };
            it.failed = Some(it.failed.map_or(at, |first| first.min(at)));
        }
    }

    /// Takes what an answer gives for what is still open.
    fn take(&mut self, at: usize, answer: &Interpreted, age_ms: Option<u64>, is_hedge: bool) {
        let Some(place) = self.line.members.get(at) else { return };
        if age_ms.is_some() {
            self.kept(at);
        }
        let settles = self.line.route.strategy == Strategy::Priority;
        for it in self.wanted.iter_mut().filter(|it| it.told.is_none()) {
            if !place.gives(it.name) {
                continue;
            }
            let source = place.runner.connector.id.clone();
            let origin = Provenance { source, age_ms: age_ms.unwrap_or(0), path: it.path(at, age_ms, is_hedge) };
            match place.value(it.name, answer, age_ms.unwrap_or(0)) {
                Some(value) => it.told = Some((Reading::Known(value), Some(origin))),
                None if settles => it.told = Some((Reading::Unknown(Why::Absent), Some(origin))),
                None => it.silent = Some(it.silent.map_or(at, |first| first.min(at))),
            }
        }
    }

    fn vote(&mut self, at: usize, answer: &Interpreted, age_ms: Option<u64>) {
        let Some(place) = self.line.members.get(at) else { return };
        if age_ms.is_some() {
            self.kept(at);
        }
        for it in &mut self.wanted {
            if let Some(value) = place.value(it.name, answer, age_ms.unwrap_or(0)) {
                it.votes.push((at, value, age_ms));
            }
        }
    }

    /// Makes one answer of several.
    fn combine(&mut self) {
        let line = self.line;
        let id = |at: usize| line.members.get(at).map_or("", |place| &*place.runner.connector.id);
        let weight = |at: usize| line.members.get(at).map_or(1.0, |place| place.weight);
        for it in &mut self.wanted {
            it.votes.sort_by_key(|(at, ..)| *at);
            let combine = line.route.combine(it.name);
            let votes: Vec<_> = it.votes.iter().map(|(at, value, _)| (value, weight(*at))).collect();
            let Some(value) = combine.of(&votes) else { continue };
            let origin = match it.votes.as_slice() {
                [(at, _, age_ms)] => Provenance {
                    source: id(*at).into(),
                    age_ms: age_ms.unwrap_or(0),
                    path: it.path(*at, *age_ms, false),
                },
                [(at, _, age_ms), ..] if combine == Combine::First => Provenance {
                    source: id(*at).into(),
                    age_ms: age_ms.unwrap_or(0),
                    path: it.path(*at, *age_ms, false),
                },
                several => {
                    let ids: Vec<&str> = several.iter().map(|(at, ..)| id(*at)).collect();
                    let oldest_ms = several.iter().filter_map(|(.., age_ms)| *age_ms).max().unwrap_or(0);
                    let source = format!("{}({})", combine.name(), ids.join(", ")).into();
                    Provenance { source, age_ms: oldest_ms, path: Path::Combined }
                }
            };
            it.told = Some((Reading::Known(value), Some(origin)));
        }
    }

    /// When nobody answered: an answer past its time, a level of what is known, the route's stated value.
    fn fall_back(&mut self) {
        if self.wanted.iter().any(Wanted::was_lost) {
            self.serve_stale();
        }
        self.grade();
        let assumed = &self.line.route.assumed;
        for it in self.wanted.iter_mut().filter(|it| it.was_lost()) {
            if let Some(value) = assumed.get(it.name) {
                let origin = Provenance { source: "route".into(), age_ms: 0, path: Path::Default };
                it.told = Some((Reading::Known(value.clone()), Some(origin)));
            }
        }
        if !assumed.is_empty() {
            self.grade();
        }
    }

    fn serve_stale(&mut self) {
        for place in &self.line.members {
            let gives = |it: &Wanted<'_>| it.was_lost() && place.gives(it.name);
            if !self.wanted.iter().any(gives) {
                continue;
            }
            let Some((answer, age_ms)) = place.runner.stale(self.question) else { continue };
            place.runner.served_stale(self.metrics);
            for it in self.wanted.iter_mut().filter(|it| it.was_lost()) {
                if let Some(value) = place.value(it.name, &answer, age_ms) {
                    let source = place.runner.connector.id.clone();
                    let origin = Provenance { source, age_ms, path: Path::Stale };
                    it.told = Some((Reading::Known(value), Some(origin)));
                }
            }
        }
    }

    /// Levels of scores, where the level itself is unknown.
    fn grade(&mut self) {
        for (level, made) in &self.line.route.levels {
            let score = self.wanted.iter().find(|it| it.name == made.from);
            let (told, why) = match score.and_then(|it| it.told.as_ref()) {
                Some((Reading::Known(score), origin)) => {
                    (made.of(score).map(|word| (Reading::Known(word), origin.clone())), None)
                }
                Some((Reading::Unknown(_) | Reading::Pending, _)) | None => (None, score.map(|it| it.why)),
            };
            let open =
                |it: &&mut Wanted<'_>| *it.name == *level.name && !matches!(it.told, Some((Reading::Known(_), _)));
            if let Some(it) = self.wanted.iter_mut().find(open) {
                it.why = why.filter(|_| it.told.is_none()).unwrap_or(it.why);
                it.told = told.or(it.told.take());
            }
        }
    }

    fn kept(&mut self, at: usize) {
        self.call(at, "cached", Duration::ZERO);
        self.count_signal(at, SignalOutcome::Cached, Duration::ZERO);
    }

    fn call(&mut self, at: usize, outcome: &'static str, took: Duration) {
        if let Some(place) = self.line.members.get(at) {
            self.calls.push(Call { connector: place.runner.connector.id.clone(), outcome, took });
        }
    }

    fn count_signal(&self, at: usize, outcome: SignalOutcome, took: Duration) {
        if let Some(place) = self.line.members.get(at) {
            self.metrics.signal(&place.runner.connector.id, outcome, took);
        }
    }

    fn count_hedge(&self, racer: &Racer, hedged: Hedged) {
        if let Some(place) = self.line.members.get(racer.at).filter(|_| racer.is_hedge) {
            place.runner.meter(self.metrics).hedged(hedged);
        }
    }
}

/// The first that lands, by its place among the racers.
async fn landed(racers: &mut [Racer]) -> (usize, Arc<Interpreted>) {
    let answers = racers.iter_mut().map(|racer| Box::pin(racer.flying.answer()));
    let (answer, index, _) = future::select_all(answers).await;
    (index, answer)
}
