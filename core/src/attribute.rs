//! The vocabulary policies speak: named, typed, vendor-neutral attributes, each with what asking for it costs.
//!
//! Most are listed by name; counters are a family of names ([`counter`]), and what a connector gives in its vendor's
//! own terms is `raw.<connector>.<path>`. A name that is none of these does not resolve, and `compile` says so.

use std::{collections::BTreeMap, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{diagnostic, value::Type};

mod builtin;
pub mod counter;

/// What asking for an attribute costs; cheap ones are asked before paid ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cost {
    /// Known with the request or the session; never asked for.
    Free,
    /// A local look-up, or a vendor call without a price.
    Cheap,
    /// A vendor call that is paid for; counted against the event's budget.
    Paid,
}

/// One attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    /// Its full name, such as `ip.risk_score`.
    pub name: Arc<str>,
    /// Its type.
    pub kind: Type,
    /// One sentence.
    pub meaning: Arc<str>,
    /// What asking for it costs.
    pub cost: Cost,
    /// The only values it can have, where it is an enumeration; empty otherwise.
    pub one_of: Vec<Arc<str>>,
    /// Lowest and highest value, where it is bounded.
    pub range: Option<(f64, f64)>,
}

/// All attributes of a gateway.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    by_name: BTreeMap<Arc<str>, Attribute>,
}

impl Catalogue {
    /// A catalogue of these attributes; of two with one name the later counts.
    pub fn of(attributes: impl IntoIterator<Item = Attribute>) -> Self {
        Catalogue { by_name: attributes.into_iter().map(|it| (it.name.clone(), it)).collect() }
    }

    /// The attribute of this name.
    pub fn find(&self, name: &str) -> Option<&Attribute> {
        self.by_name.get(name)
    }

    /// The attributes that every gateway knows.
    pub fn builtin() -> Self {
        Catalogue::of(builtin::attributes())
    }

    /// The attribute of this name, counters included.
    pub fn resolve(&self, name: &str) -> Option<Attribute> {
        self.find(name).cloned().or_else(|| counter::Counter::named(name).map(|counter| counter.attribute(name)))
    }

    /// Whether the gateway answers for this name by itself: with the request, its own counters and lists, or what the
    /// session and the device tell. Asking for it costs nothing and tells nobody outside about anybody.
    pub fn is_own(name: &str) -> bool {
        builtin::is_own(name) || counter::Counter::named(name).is_some()
    }

    /// The known name that is nearest to what was written.
    pub fn nearest(&self, written: &str) -> Option<String> {
        counter::nearest(written)
            .or_else(|| diagnostic::nearest(written, self.by_name.keys().map(|name| &**name)).map(str::to_owned))
    }

    /// The names right under a group: for `ip`, all of `ip.…`.
    pub fn members(&self, group: &str) -> Vec<&str> {
        let inside = |name: &&str| name.strip_prefix(group).is_some_and(|rest| rest.starts_with('.'));
        self.by_name.keys().map(|name| &**name).filter(inside).collect()
    }

    /// Every attribute that is listed, by name.
    pub fn all(&self) -> impl Iterator<Item = &Attribute> {
        self.by_name.values()
    }
}

/// Whether the attribute of this name holds personal data, so that records keep a pseudonym of it.
pub fn is_personal(name: &str) -> bool {
    PERSONAL.contains(&name)
}

/// Attributes that name or locate a person or a machine of theirs. `subject.id` and `actor.id` are pseudonyms already.
const PERSONAL: [&str; 15] = [
    "device.id",
    "device.token",
    "email.normalized",
    "email.suggestion",
    "idv.reference",
    "ip.city",
    "ip.latitude",
    "ip.longitude",
    "ip.region",
    "phone.e164",
    "push_event.subject",
    "request.ip",
    "request.query",
    "request.user_agent",
    "sanctions.reference",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_researched_vocabulary_is_built_in() {
        let catalogue = Catalogue::builtin();
        let listed: Vec<serde_json::Value> = serde_json::from_str(builtin::RESEARCHED).unwrap();
        assert_eq!(listed.len(), 207);
        for entry in listed.iter().filter(|entry| entry["type"] != "map") {
            let name = entry["name"].as_str().unwrap().replacen("event.", "push_event.", 1);
            assert!(catalogue.find(&name).is_some(), "{name} is missing");
        }
        assert!(catalogue.all().all(|it| !it.meaning.is_empty()), "every attribute says what it means");
        assert!(catalogue.all().all(|it| !it.name.starts_with("event.")), "`event.` belongs to facts");
    }

    #[test]
    fn types_ranges_and_costs_are_taken_over() {
        let catalogue = Catalogue::builtin();
        let score = catalogue.find("ip.risk_score").unwrap();
        assert_eq!((score.kind, score.range, score.cost), (Type::Number, Some((0.0, 100.0)), Cost::Cheap));
        assert_eq!(catalogue.find("fraud.risk_score").unwrap().cost, Cost::Paid);
        assert_eq!(catalogue.find("fraud.risk_level").unwrap().one_of.len(), 5);
        assert_eq!(catalogue.find("phone.line_type").unwrap().one_of.len(), 6);
        assert_eq!(catalogue.find("request.ip").unwrap().kind, Type::Ip);
        assert_eq!(catalogue.find("device.is_known").unwrap().cost, Cost::Free);
        assert_eq!(catalogue.find("proof.passkey.age").unwrap().kind, Type::Duration);
    }

    #[test]
    fn personal_data_is_named_as_in_the_vocabulary() {
        let catalogue = Catalogue::builtin();
        for name in PERSONAL {
            assert!(catalogue.find(name).is_some(), "{name} is no attribute");
        }
    }

    #[test]
    fn a_slip_of_the_finger_in_a_counter_is_suggested() {
        let catalogue = Catalogue::builtin();
        assert_eq!(catalogue.nearest("ip.failure_10m").as_deref(), Some("ip.failures_10m"));
        assert_eq!(catalogue.nearest("ip.riskscore").as_deref(), Some("ip.risk_score"));
        assert!(catalogue.resolve("ip.failures_10m").is_some());
        assert!(catalogue.resolve("ip.failures_31d").is_none(), "the longest window is 30 days");
    }
}
