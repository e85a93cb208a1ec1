//! Facts about an account's past: since when it is known, a device it proved itself on, values it used before, where it
//! was last.
//!
//! It never takes a claimed subject's word for more than a doubt: age and remembered values are told of verified accounts
//! only. No device cookie is an unknown device, so `device.is_known` is false; no account is no answer. The day on which
//! an account was first seen is written once and stays.

use stepward_core::{
    facts::{Facts, Reading, SlotId, Why},
    policy::{Origin, Policy},
    value::Value,
};

use crate::{
    keys::{Keys, Purpose},
    signals::{
        Who,
        heard::{self, Field, Heard},
        learn,
        travel::{Journey, Visit},
    },
    store::{Drawer, Id},
};

/// The attribute that tells since when the subject is known.
pub const AGE: &str = "subject.age_days";
/// The id of its entry: it is the account's only one, and says nothing that the drawer does not.
const FIRST_SEEN: Id = *b"first seen event";

/// Which of these facts a policy reads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    age: Option<SlotId>,
    device: Option<SlotId>,
    impossible: Option<SlotId>,
    speed: Option<SlotId>,
    /// What others told about the account unasked.
    heard: Vec<(SlotId, Field)>,
    /// Whether anybody may tell it: that nothing was heard is known then.
    hears: bool,
    /// `<fact>.is_known` and the fact's index.
    remembered: Vec<(SlotId, usize)>,
}

/// One thing to look up and what it decides.
#[derive(Clone, Debug)]
pub struct Question {
    /// The entry to read; `None` where the answer is already known not to be there.
    pub entry: Option<(Id, Drawer, Id)>,
    answers: Answers,
}

/// An entry that was read, and its ciphertext if it is there.
pub type Found<'a> = ((Id, Drawer, Id), Option<&'a [u8]>);

#[derive(Clone, Debug)]
enum Answers {
    /// Whether the entry is there; without one to read, this.
    Presence(SlotId, Reading),
    /// Whether the verified account's entry is there.
    Remembered(SlotId),
    /// Since when the verified account is known.
    Age(SlotId),
    /// What others told about the verified account unasked.
    Heard(Vec<(SlotId, Field)>, bool),
    /// Where the account was last.
    Travel { impossible: Option<SlotId>, speed: Option<SlotId> },
}

impl Wanted {
    /// What a policy reads.
    pub fn of(policy: &Policy) -> Wanted {
        let mut wanted = Wanted::default();
        for (at, slot) in policy.slots.iter().enumerate() {
            let Ok(id) = u16::try_from(at).map(SlotId) else { continue };
            match (&slot.origin, &*slot.name) {
                (Origin::Remembered(fact), _) => wanted.remembered.push((id, *fact)),
                (Origin::Catalogue, AGE) => wanted.age = Some(id),
                (Origin::Catalogue, "device.is_known") => wanted.device = Some(id),
                (Origin::Catalogue, "session.impossible_travel") => wanted.impossible = Some(id),
                (Origin::Catalogue, "session.travel_speed_kmh") => wanted.speed = Some(id),
                (Origin::Catalogue, name) => wanted.heard.extend(Field::named(name).map(|field| (id, field))),
                (Origin::Fact(_) | Origin::Request(_) | Origin::Response(_), _) => {}
            }
        }
        wanted
    }

    /// Whether it reads since when the account is known.
    pub fn age(&self) -> bool {
        self.age.is_some()
    }

    /// The same, and whether anybody may push security events here.
    pub fn hearing(self, hears: bool) -> Wanted {
        Wanted { hears, ..self }
    }

    /// Whether it reads what others told about the account unasked.
    pub fn heard(&self) -> bool {
        !self.heard.is_empty()
    }

    /// Whether it reads how the account travelled.
    pub fn travel(&self) -> bool {
        self.impossible.is_some() || self.speed.is_some()
    }

    /// The questions for one request.
    pub fn ask(&self, who: &Who<'_>, facts: &Facts, policy: &Policy, keys: &Keys) -> Vec<Question> {
        let mut questions = Vec::new();
        if let Some(slot) = self.age {
            let entry = who.account.map(first_seen_entry);
            questions.push(Question { entry, answers: Answers::Age(slot) });
        }
        if self.heard() {
            let entry = who.account.map(|account| heard::entry(who.tenant, account, keys));
            questions.push(Question { entry, answers: Answers::Heard(self.heard.clone(), self.hears) });
        }
        if let Some(slot) = self.device {
            let entry = who.anyone().zip(who.device).map(|(account, device)| (account, Drawer::Devices, device));
            let otherwise = match who.device {
                None => Reading::Known(Value::Bool(false)),
                Some(_) => Reading::Unknown(Why::Absent),
            };
            questions.push(Question { entry, answers: Answers::Presence(slot, otherwise) });
        }
        for (slot, fact) in &self.remembered {
            let id = remembered_id(who.tenant, policy, *fact, facts, keys);
            let entry = who.account.zip(id).map(|(account, id)| (account, Drawer::Remembered, id));
            questions.push(Question { entry, answers: Answers::Remembered(*slot) });
        }
        if self.travel() {
            let entry = who.anyone().map(|account| (account, Drawer::Traces, place_id(who.tenant, keys)));
            let answers = Answers::Travel { impossible: self.impossible, speed: self.speed };
            questions.push(Question { entry, answers });
        }
        questions
    }
}

impl Question {
    /// Takes in the answer: the entry that was read, and its ciphertext if it is there.
    pub fn learn(&self, found: Option<Found<'_>>, who: &Who<'_>, facts: &mut Facts, policy: &Policy, keys: &Keys) {
        match &self.answers {
            Answers::Presence(slot, otherwise) => {
                let reading = match found {
                    Some((_, entry)) => Reading::Known(Value::Bool(entry.is_some())),
                    None => otherwise.clone(),
                };
                learn(facts, policy, *slot, reading, "state");
            }
            // Read for the account that the session's ticket named; told only if the session bore that out.
            Answers::Remembered(slot) => {
                let found = found.filter(|(entry, _)| who.account == Some(entry.0));
                let reading = found
                    .map_or(Reading::Unknown(Why::Absent), |(_, entry)| Reading::Known(Value::Bool(entry.is_some())));
                learn(facts, policy, *slot, reading, "state");
            }
            Answers::Age(slot) => {
                let found = found.filter(|(entry, _)| who.account == Some(entry.0));
                let reading = found.map_or(Reading::Unknown(Why::Absent), |(_, sealed)| age(who, sealed, keys));
                learn(facts, policy, *slot, reading, "state");
            }
            Answers::Heard(fields, hears) => {
                let found = found.filter(|(entry, _)| who.account == Some(entry.0));
                hear((fields, *hears), found.map(|(_, sealed)| sealed), who, facts, policy, keys);
            }
            Answers::Travel { impossible, speed } => {
                let before = found.and_then(|(entry, sealed)| {
                    let account = entry.0;
                    let opened = keys.open(Purpose::Trace, who.tenant, &account, sealed?).ok()?;
                    Visit::from_bytes(&opened.plain)
                });
                let journey = travelled(who, before);
                let of = |value: &dyn Fn(Journey) -> Value| {
                    journey.map_or(Reading::Unknown(Why::Absent), |journey| Reading::Known(value(journey)))
                };
                if let Some(slot) = impossible {
                    learn(facts, policy, *slot, of(&|journey| Value::Bool(journey.impossible)), "state");
                }
                if let Some(slot) = speed {
                    learn(facts, policy, *slot, of(&|journey| Value::Number(journey.speed_kmh)), "state");
                }
            }
        }
    }
}

/// Takes in since when the account is known, once an event has shown who it is.
pub fn learn_age(
    wanted: &Wanted,
    sealed: Option<&[u8]>,
    who: &Who<'_>,
    facts: &mut Facts,
    policy: &Policy,
    keys: &Keys,
) {
    if let Some(slot) = wanted.age {
        learn(facts, policy, slot, age(who, sealed, keys), "state");
    }
}

/// Takes in what others told about the account unasked, once an event has shown who it is.
pub fn learn_heard(
    wanted: &Wanted,
    sealed: Option<&[u8]>,
    who: &Who<'_>,
    facts: &mut Facts,
    policy: &Policy,
    keys: &Keys,
) {
    hear((&wanted.heard, wanted.hears), Some(sealed), who, facts, policy, keys);
}

/// `found` is what lies in the account's drawer, where there is an account.
fn hear(
    (fields, hears): (&[(SlotId, Field)], bool),
    found: Option<Option<&[u8]>>,
    who: &Who<'_>,
    facts: &mut Facts,
    policy: &Policy,
    keys: &Keys,
) {
    let heard = match (who.account, found) {
        (Some(account), Some(Some(sealed))) => Heard::open(who.tenant, &account, sealed, keys),
        // Nothing was said by those who would have.
        (Some(_), Some(None)) if hears => Some(Heard::default()),
        (Some(_), Some(None) | None) | (None, _) => None,
    };
    for (slot, field) in fields {
        if let Some(reading) = heard::reading(heard.as_ref(), *field, who.now_ms) {
            learn(facts, policy, *slot, reading, "state");
        }
    }
}

/// Whole days since the account was first seen; 0 for one that is seen for the first time.
fn age(who: &Who<'_>, sealed: Option<&[u8]>, keys: &Keys) -> Reading {
    let (Some(account), Some(sealed)) = (who.account, sealed) else { return Reading::Known(Value::Number(0.0)) };
    let opened = keys.open(Purpose::Trace, who.tenant, &account, sealed).ok();
    let first = opened.and_then(|opened| Some(i64::from(u32::from_le_bytes(opened.plain[..].try_into().ok()?))));
    first.map_or(Reading::Unknown(Why::Unavailable), |first| {
        Reading::Known(Value::Number((day(who.now_ms) - first).max(0) as f64))
    })
}

/// Where the day on which an account was first seen is kept.
pub fn first_seen_entry(account: Id) -> (Id, Drawer, Id) {
    (account, Drawer::Traces, FIRST_SEEN)
}

/// Today as what is kept of an account's first day: sealed, and no more than the day.
pub fn today(account: &Id, who: &Who<'_>, keys: &Keys) -> Vec<u8> {
    let day = u32::try_from(day(who.now_ms)).unwrap_or(0);
    keys.seal(Purpose::Trace, who.tenant, account, &day.to_le_bytes())
}

/// Days since the Unix epoch, in UTC.
fn day(now_ms: i64) -> i64 {
    now_ms.div_euclid(24 * 60 * 60 * 1000)
}

fn travelled(who: &Who<'_>, before: Option<Visit>) -> Option<Journey> {
    let now = Visit { place: who.place?, at_ms: who.now_ms };
    Some(now.after(&before?))
}

/// What a successful event leaves behind: the values of facts with `remember: subject`, and the place.
pub fn remember(
    who: &Who<'_>,
    facts: &Facts,
    policy: &Policy,
    keeps_place: bool,
    keys: &Keys,
) -> Vec<(Id, Drawer, Id, Vec<u8>)> {
    let Some(account) = who.account else { return Vec::new() };
    let seal = |purpose, plain: &[u8]| keys.seal(purpose, who.tenant, &account, plain);
    let remembered = policy.facts.iter().enumerate().filter(|(_, fact)| fact.remembered);
    let mut entries: Vec<_> = remembered
        .filter_map(|(at, _)| remembered_id(who.tenant, policy, at, facts, keys))
        .map(|id| (account, Drawer::Remembered, id, seal(Purpose::Remembered, &who.now_ms.to_le_bytes())))
        .collect();
    if let Some(place) = who.place.filter(|_| keeps_place) {
        let visit = Visit { place, at_ms: who.now_ms };
        entries.push((account, Drawer::Traces, place_id(who.tenant, keys), seal(Purpose::Trace, &visit.to_bytes())));
    }
    entries
}

/// The slot that a fact of the policy fills.
pub fn slot_of_fact(policy: &Policy, fact: usize) -> Option<SlotId> {
    let at = policy.slots.iter().position(|slot| slot.origin == Origin::Fact(fact))?;
    u16::try_from(at).ok().map(SlotId)
}

/// The id of a fact's value in the drawer: keyed, so that a stolen disk does not tell whom somebody pays.
fn remembered_id(tenant: &str, policy: &Policy, fact: usize, facts: &Facts, keys: &Keys) -> Option<Id> {
    let name = &policy.facts.get(fact)?.name;
    let value = facts.value(slot_of_fact(policy, fact)?)?;
    // Names of events and facts hold no control characters, so the three never run together.
    Some(keys.pseudonym(tenant, "remembered", &format!("{}\u{0}{name}\u{0}{value}", policy.event)))
}

fn place_id(tenant: &str, keys: &Keys) -> Id {
    keys.pseudonym(tenant, "trace", "place")
}
