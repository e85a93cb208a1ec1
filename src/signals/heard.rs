//! What others told about an account unasked: the security events that were pushed here, as policies read them.
//!
//! One entry an account, sealed: of each type the newest event, for as long as it is remembered. It is told of verified
//! accounts only. Where somebody may push events and nothing was heard, that is known: there are no types, and what one of
//! them would tell is unknown.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stepward_core::{
    facts::{Reading, Why},
    value::Value,
};

use crate::{
    keys::{Keys, Purpose},
    store::{Drawer, Id},
};

/// Most types of event that are kept of one account; the oldest go first.
const KEPT_MAX: usize = 32;

/// Everything that is kept of one account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heard {
    /// The newest of each type, the newest last.
    events: Vec<Event>,
}

/// One event. Its `Debug` is for tests: nothing logs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Its type's short name.
    #[serde(rename = "t")]
    pub kind: Arc<str>,
    /// When it was issued, in milliseconds since the Unix epoch.
    #[serde(rename = "at")]
    pub at_ms: i64,
    /// From then on it is forgotten.
    #[serde(rename = "until")]
    pub until_ms: i64,
    /// Whom it named.
    #[serde(rename = "s")]
    pub subject: Arc<str>,
    /// How risky its transmitter says that the account is now: one of none, low, medium, high and critical.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Arc<str>>,
    /// Why, in the transmitter's own words.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Arc<str>>,
}

/// What a policy can read of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `push_event.type`.
    Type,
    /// `push_event.types`.
    Types,
    /// `push_event.age`.
    Age,
    /// `push_event.subject`.
    Subject,
    /// `idp.risk_level`, which vendors tell too.
    RiskLevel,
    /// `idp.risk_reasons`, which vendors tell too.
    RiskReasons,
}

impl Field {
    /// The field that an attribute stands for.
    pub fn named(name: &str) -> Option<Field> {
        Some(match name {
            "push_event.type" => Field::Type,
            "push_event.types" => Field::Types,
            "push_event.age" => Field::Age,
            "push_event.subject" => Field::Subject,
            "idp.risk_level" => Field::RiskLevel,
            "idp.risk_reasons" => Field::RiskReasons,
            _ => return None,
        })
    }
}

/// Where what was heard about an account is kept.
pub fn entry(tenant: &str, account: Id, keys: &Keys) -> (Id, Drawer, Id) {
    (account, Drawer::Traces, keys.pseudonym(tenant, "trace", "security events"))
}

impl Heard {
    /// What this ciphertext holds; nothing where it cannot be read any more.
    pub fn open(tenant: &str, account: &Id, sealed: &[u8], keys: &Keys) -> Option<Heard> {
        let opened = keys.open(Purpose::Trace, tenant, account, sealed).ok()?;
        serde_json::from_slice(&opened.plain).ok()
    }

    /// All of it as ciphertext.
    pub fn seal(&self, tenant: &str, account: &Id, keys: &Keys) -> Vec<u8> {
        // Texts and numbers always serialise.
        let plain = serde_json::to_vec(self).unwrap_or_default();
        keys.seal(Purpose::Trace, tenant, account, &plain)
    }

    /// When the newest event of this type was issued.
    pub fn newest(&self, kind: &str) -> Option<i64> {
        self.events.iter().find(|it| &*it.kind == kind).map(|it| it.at_ms)
    }

    /// Takes in an event, unless a newer one of its type is there. The same twice changes nothing.
    pub fn note(&mut self, event: Event, now_ms: i64) {
        self.events.retain(|it| it.until_ms > now_ms);
        if self.newest(&event.kind).is_some_and(|newest| newest >= event.at_ms) {
            return;
        }
        self.events.retain(|it| it.kind != event.kind);
        let at = self.events.partition_point(|it| it.at_ms <= event.at_ms);
        self.events.insert(at, event);
        let surplus = self.events.len().saturating_sub(KEPT_MAX);
        self.events.drain(..surplus);
    }

    /// What a policy reads; `None` where nothing of it was heard.
    pub fn value(&self, field: Field, now_ms: i64) -> Option<Value> {
        let mut kept = self.events.iter().rev().filter(|it| it.until_ms > now_ms);
        match field {
            Field::Type => kept.next().map(|it| Value::Text(it.kind.clone())),
            Field::Subject => kept.next().map(|it| Value::Text(it.subject.clone())),
            Field::Age => kept.next().map(|it| Value::Duration(now_ms.saturating_sub(it.at_ms).max(0))),
            Field::Types => {
                let types: Arc<[_]> = kept.map(|it| Value::Text(it.kind.clone())).collect();
                Some(Value::List(types))
            }
            Field::RiskLevel => kept.find_map(|it| it.risk.clone()).map(Value::Text),
            Field::RiskReasons => {
                let newest = kept.find(|it| it.risk.is_some())?;
                newest.reason.clone().map(|it| Value::List([Value::Text(it)].into()))
            }
        }
    }
}

/// What is learnt of a field: nothing at all of one that a vendor could tell, so that vendors are asked.
pub fn reading(heard: Option<&Heard>, field: Field, now_ms: i64) -> Option<Reading> {
    match (heard.and_then(|it| it.value(field, now_ms)), field) {
        (Some(value), _) => Some(Reading::Known(value)),
        (None, Field::RiskLevel | Field::RiskReasons) => None,
        (None, Field::Type | Field::Types | Field::Age | Field::Subject) => Some(Reading::Unknown(Why::Absent)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;

    fn event(kind: &str, at_ms: i64) -> Event {
        let subject = "ada".into();
        Event { kind: kind.into(), at_ms, until_ms: at_ms + DAY_MS, subject, risk: None, reason: None }
    }

    fn text(value: &str) -> Option<Value> {
        Some(Value::Text(value.into()))
    }

    #[test]
    fn the_newest_of_each_type_is_told_whatever_order_they_come_in() {
        let mut heard = Heard::default();
        for (kind, at_ms) in [("credential-change", 500), ("session-revoked", 900), ("credential-change", 300)] {
            heard.note(event(kind, at_ms), 1_000);
        }
        assert_eq!(heard.value(Field::Type, 1_000), text("session-revoked"));
        assert_eq!(heard.value(Field::Age, 1_000), Some(Value::Duration(100)));
        assert_eq!(heard.newest("credential-change"), Some(500));
        let types = ["session-revoked", "credential-change"].map(|it| Value::Text(it.into()));
        assert_eq!(heard.value(Field::Types, 1_000), Some(Value::List(types.into())));
        let before = heard.clone();
        heard.note(event("session-revoked", 900), 2_000);
        assert_eq!(heard, before, "the same twice changes nothing");
    }

    #[test]
    fn what_is_no_longer_remembered_is_unknown_and_what_vendors_tell_is_left_to_them() {
        let mut heard = Heard::default();
        heard.note(event("credential-change", 0), 0);
        for field in [Field::Type, Field::Types, Field::Age, Field::Subject] {
            assert!(matches!(reading(Some(&heard), field, 10), Some(Reading::Known(_))), "{field:?}");
            let later = match field {
                Field::Types => Reading::Known(Value::List([].into())),
                _ => Reading::Unknown(Why::Absent),
            };
            assert_eq!(reading(Some(&heard), field, DAY_MS), Some(later), "{field:?}");
            assert_eq!(reading(None, field, 10), Some(Reading::Unknown(Why::Absent)), "{field:?}: nobody can tell");
        }
        assert_eq!(reading(Some(&heard), Field::RiskLevel, 10), None);
        let risky = Event { risk: Some("high".into()), reason: Some("breach".into()), ..event("risk-level-change", 5) };
        heard.note(risky, 10);
        heard.note(event("session-revoked", 7), 10);
        assert_eq!(reading(Some(&heard), Field::RiskLevel, 10), Some(Reading::Known(Value::Text("high".into()))));
        assert!(matches!(reading(Some(&heard), Field::RiskReasons, 10), Some(Reading::Known(Value::List(_)))));
    }

    #[test]
    fn an_account_never_holds_more_than_its_limit_and_the_oldest_go() {
        let mut heard = Heard::default();
        for at_ms in 0..100 {
            heard.note(event(&format!("type-{at_ms}"), at_ms), 100);
        }
        assert_eq!(heard.events.len(), KEPT_MAX);
        assert_eq!(heard.value(Field::Type, 100), text("type-99"));
        assert_eq!(heard.newest("type-0"), None);
    }

    #[test]
    fn it_is_kept_sealed_for_its_account_and_tenant() {
        let keys = Keys::ephemeral();
        let account = keys.account("default", "ada");
        let mut heard = Heard::default();
        heard.note(event("credential-change", 5), 10);
        let sealed = heard.seal("default", &account, &keys);
        assert_eq!(Heard::open("default", &account, &sealed, &keys), Some(heard));
        assert_eq!(Heard::open("other", &account, &sealed, &keys), None);
        assert_eq!(Heard::open("default", &keys.account("default", "bob"), &sealed, &keys), None);
        assert!(!sealed.windows(3).any(|it| it == b"ada"));
    }
}
