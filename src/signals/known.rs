//! Facts about an account's past: a device it proved itself on, values it used before, where it was last.
//!
//! It never takes a claimed subject's word for more than a doubt: remembered values are read for verified accounts
//! only. No device cookie is an unknown device, so `device.is_known` is false; no account is no answer.

use stepward_core::{
    facts::{Facts, Reading, SlotId, Why},
    policy::{Origin, Policy},
    value::Value,
};

use crate::{
    keys::{Keys, Purpose},
    signals::{
        Who, learn,
        travel::{Journey, Visit},
    },
    store::{Drawer, Id},
};

/// Which of these facts a policy reads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    device: Option<SlotId>,
    impossible: Option<SlotId>,
    speed: Option<SlotId>,
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
                (Origin::Catalogue, "device.is_known") => wanted.device = Some(id),
                (Origin::Catalogue, "session.impossible_travel") => wanted.impossible = Some(id),
                (Origin::Catalogue, "session.travel_speed_kmh") => wanted.speed = Some(id),
                (Origin::Catalogue | Origin::Fact(_) | Origin::Request(_) | Origin::Response(_), _) => {}
            }
        }
        wanted
    }

    /// Whether it reads how the account travelled.
    pub fn travel(&self) -> bool {
        self.impossible.is_some() || self.speed.is_some()
    }

    /// The questions for one request.
    pub fn ask(&self, who: &Who<'_>, facts: &Facts, policy: &Policy, keys: &Keys) -> Vec<Question> {
        let mut questions = Vec::new();
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
            questions.push(Question { entry, answers: Answers::Presence(*slot, Reading::Unknown(Why::Absent)) });
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
