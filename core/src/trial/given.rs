//! What is true in a case: values as written, turned into readings of the policy's slots.

use std::{ops::Range, sync::Arc};

use crate::{
    attribute::{Attribute, Catalogue, Cost},
    diagnostic::{self, Diagnostic},
    facts::{Facts, Reading, SlotId, Why},
    policy::Policy,
    trial::{document::Scalar, moment},
    value::{Type, Value},
    yaml::{Entries, Spanned, units},
};

/// Most elements of a list.
const ELEMENTS_MAX: usize = 256;

/// The names that a test file may use, and its place for diagnostics.
pub(super) struct Names<'a> {
    pub(super) policy: &'a Policy,
    pub(super) file: &'a Arc<str>,
    catalogue: &'a Catalogue,
}

impl<'a> Names<'a> {
    pub(super) fn new(policy: &'a Policy, catalogue: &'a Catalogue, file: &'a Arc<str>) -> Self {
        Names { policy, catalogue, file }
    }

    /// Everything wrong with these entries.
    pub(super) fn check_all(&self, entries: &Entries<Spanned<Scalar>>) -> Vec<Diagnostic> {
        entries.0.iter().filter_map(|(name, value)| self.reading(name, value, moment::USUAL_NOW_MS).err()).collect()
    }

    /// Facts in which every slot has the reading that would be learnt; what is not mentioned is unknown.
    pub(super) fn world(&self, entries: &[&Entries<Spanned<Scalar>>], now_ms: i64) -> Result<Facts, Vec<Diagnostic>> {
        let mut facts = Facts::unasked(now_ms, self.policy.slots.len());
        facts.readings.fill(Reading::Unknown(Why::NotProvided));
        let mut faults = Vec::new();
        for (name, value) in entries.iter().flat_map(|it| &it.0) {
            match (self.reading(name, value, now_ms), self.slot(name)) {
                (Ok(reading), Some(slot)) => facts.learn(slot, reading, None),
                (Ok(_), None) => {}
                (Err(fault), _) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(facts) } else { Err(faults) }
    }

    /// Refuses a name that no attribute has.
    pub(super) fn known(&self, name: &Spanned<String>) -> Result<(), Diagnostic> {
        self.attribute(name).map(|_| ()).ok_or_else(|| self.unknown(name))
    }

    pub(super) fn slot(&self, name: &str) -> Option<SlotId> {
        let at = self.policy.slots.iter().position(|slot| *slot.name == *name)?;
        u16::try_from(at).ok().map(SlotId)
    }

    /// A finding about this file.
    pub(super) fn fault(&self, code: &'static str, span: &Range<usize>, message: String) -> Diagnostic {
        Diagnostic::error(code, self.file, span.clone(), message)
    }

    fn reading(&self, name: &Spanned<String>, value: &Spanned<Scalar>, now_ms: i64) -> Result<Reading, Diagnostic> {
        let Some(attribute) = self.attribute(name) else { return Err(self.unknown(name)) };
        match &value.value {
            Scalar::Text(word) if word == "unavailable" => Ok(Reading::Unknown(Why::Unavailable)),
            written => match typed(written, attribute.kind, now_ms) {
                Some(typed) => self.possible(value, &attribute, typed),
                None => Err(self.mistyped(value, &attribute)),
            },
        }
    }

    /// What an attribute can hold: one of the catalogue, of the policy's own table, or of its facts.
    fn attribute(&self, name: &str) -> Option<Attribute> {
        let own = |kind, cost| Attribute {
            name: name.into(),
            kind,
            meaning: "".into(),
            cost,
            one_of: Vec::new(),
            range: None,
        };
        let fact = |wanted: &str| self.policy.facts.iter().find(|fact| *fact.name == *wanted);
        let from_facts = || match (name.strip_prefix("event."), name.strip_suffix(".is_known")) {
            (Some(wanted), _) => fact(wanted).map(|it| own(it.kind, Cost::Free)),
            (None, Some(wanted)) => fact(wanted).filter(|it| it.remembered).map(|_| own(Type::Bool, Cost::Free)),
            (None, None) => None,
        };
        let slot = || self.policy.slots.iter().find(|slot| *slot.name == *name);
        self.catalogue.resolve(name).or_else(|| slot().map(|it| own(it.kind, it.cost))).or_else(from_facts)
    }

    fn unknown(&self, name: &Spanned<String>) -> Diagnostic {
        let fault = self.fault("attribute.unknown", &name.span, format!("unknown attribute `{}`", name.value));
        let slots = self.policy.slots.iter().map(|slot| slot.name.to_string());
        let facts = self.policy.facts.iter().map(|fact| format!("event.{}", fact.name));
        let names: Vec<String> = slots.chain(facts).collect();
        let own = diagnostic::nearest(name, names.iter().map(String::as_str)).map(str::to_owned);
        match own.or_else(|| self.catalogue.nearest(name)) {
            Some(near) => fault.help(format!("did you mean `{near}`?")),
            None => fault,
        }
    }

    fn mistyped(&self, value: &Spanned<Scalar>, attribute: &Attribute) -> Diagnostic {
        let message = format!("`{}` is {}, not {}", attribute.name, attribute.kind, written(value));
        let fault = self.fault("value.type", &value.span, message);
        match (attribute.kind, &value.value) {
            (Type::Text, Scalar::Bool(_) | Scalar::Int(_) | Scalar::Number(_)) => fault.help("put it in quotes"),
            (Type::Duration, _) => fault.help("write it with its unit, such as `5m`"),
            (Type::Time, _) => fault.help("write it as `5m ago` or `2026-11-22T09:30:00Z`"),
            (Type::List, _) => fault.help("write it as `[a, b]`"),
            (_, Scalar::Text(_)) => fault.help("write `unavailable` where nobody answers"),
            _ => fault,
        }
    }

    /// Refuses a value that the attribute never has, as a test with it would prove nothing.
    fn possible(&self, place: &Spanned<Scalar>, attribute: &Attribute, value: Value) -> Result<Reading, Diagnostic> {
        let Attribute { name, one_of, range, .. } = attribute;
        let fault = |message| Err(self.fault("value.impossible", &place.span, message));
        let number = match &value {
            Value::Int(whole) => Some(*whole as f64),
            Value::Number(number) => Some(*number),
            Value::Text(text) if !one_of.is_empty() && !one_of.contains(text) => {
                let help = match diagnostic::nearest(text, one_of.iter().map(|it| &**it)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("its values are {}", one_of.join(", ")),
                };
                return fault(format!("`{name}` is never `{text}`")).map_err(|it| it.help(help));
            }
            Value::Bool(_) | Value::Text(_) | Value::Time(_) | Value::Duration(_) | Value::Ip(_) | Value::List(_) => {
                None
            }
        };
        match (number, range) {
            (Some(number), Some((low, high))) if !(*low..=*high).contains(&number) => {
                fault(format!("`{name}` is {low} to {high}, never {number}"))
            }
            _ => Ok(Reading::Known(value)),
        }
    }
}

/// The value as `kind`, where it is one.
fn typed(written: &Scalar, kind: Type, now_ms: i64) -> Option<Value> {
    match (written, kind) {
        (Scalar::Text(text), Type::Time) => moment::read(text, now_ms).map(Value::Time),
        (Scalar::Text(text), Type::Duration) => units::duration_ms(text).map(Value::Duration),
        (written, kind) => plain(written)?.cast(kind),
    }
}

fn plain(written: &Scalar) -> Option<Value> {
    Some(match written {
        Scalar::Bool(it) => Value::Bool(*it),
        Scalar::Int(it) => Value::Int(*it),
        Scalar::Number(it) => Value::Number(*it),
        Scalar::Text(it) => Value::text(it.as_str()),
        Scalar::List(it) if it.len() > ELEMENTS_MAX => return None,
        Scalar::List(it) => Value::List(it.iter().map(plain).collect::<Option<_>>()?),
    })
}

fn written(value: &Scalar) -> String {
    match value {
        Scalar::Bool(it) => format!("`{it}`"),
        Scalar::Int(it) => format!("`{it}`"),
        Scalar::Number(it) => format!("`{it}`"),
        Scalar::Text(it) => format!("`{it}`"),
        Scalar::List(_) => "a list".to_string(),
    }
}
