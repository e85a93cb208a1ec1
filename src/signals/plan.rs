//! What one policy needs from the store before it is decided, and what it leaves there afterwards.
//!
//! A plan is made once per release. Everything it reads travels in the one call that loads the session; what it leaves
//! behind is written only once the app has shown how the event ended. It writes nothing itself.

use std::sync::Arc;

use stepward_core::{
    attribute::counter::{Counted as What, Counter},
    facts::{Facts, Reading, Why},
    policy::Policy,
    value::Value,
};

use crate::{
    keys::Keys,
    signals::{Who, heard, known, learn, velocity},
    store::{Counted, Drawer, Id, Meter, Standing, Touch},
};

/// What one policy needs from the store and leaves there; made once per release.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    counters: Vec<velocity::Read>,
    /// Counters that some policy of the release reads and `count` raises.
    counted: Arc<[(Counter, Vec<Meter>)]>,
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
    /// The entry that keeps the day on which the account was first seen: [`known::today`] where it is not there yet.
    pub first_seen: Option<(Id, Drawer, Id)>,
}

/// What the policies of a release want of each other; found out once for all of their plans.
#[derive(Clone, Debug, Default)]
pub struct Common {
    counted: Arc<[(Counter, Vec<Meter>)]>,
    keeps_place: bool,
    hears: bool,
}

impl Common {
    /// What these policies want of each other.
    pub fn of(policies: &[Arc<Policy>]) -> Common {
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
        let keeps_place = policies.iter().any(|policy| known::Wanted::of(policy).travel());
        Common { counted: counted.into(), keeps_place, hears: false }
    }

    /// The same, and whether anybody may push security events here.
    pub fn hearing(self, hears: bool) -> Common {
        Common { hears, ..self }
    }
}

impl Plan {
    /// The plan of one policy among those of its release.
    pub fn of(policy: &Policy, common: &Common) -> Plan {
        let known = known::Wanted::of(policy).hearing(common.hears);
        let keeps_place = known.travel() || common.keeps_place;
        Plan { counters: velocity::read_by(policy), counted: common.counted.clone(), known, keeps_place }
    }

    /// Whether the policy is decided without a look at counters and drawers, and raises none before it is decided.
    pub fn reads_nothing(&self) -> bool {
        self.counters.is_empty() && self.known == known::Wanted::default()
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
            afterwards.first_seen = who.account.map(known::first_seen_entry);
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

    /// Where what others told about the account is kept, if the policy reads it.
    pub fn heard_entry(&self, who: &Who<'_>, keys: &Keys) -> Option<(Id, Drawer, Id)> {
        let account = who.account.filter(|_| self.known.heard())?;
        Some(heard::entry(who.tenant, account, keys))
    }

    /// Takes in what others told about the subject, once an event has shown who it is: `sealed` is what was there under
    /// [`Plan::heard_entry`].
    pub fn learn_heard(&self, sealed: Option<&[u8]>, who: &Who<'_>, facts: &mut Facts, policy: &Policy, keys: &Keys) {
        known::learn_heard(&self.known, sealed, who, facts, policy, keys);
    }

    /// What the obligation `count` of these names raises.
    pub fn count(&self, who: &Who<'_>, names: &[Arc<str>]) -> Afterwards {
        let mut afterwards = Afterwards::default();
        for (counter, meters) in self.counted.iter() {
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
