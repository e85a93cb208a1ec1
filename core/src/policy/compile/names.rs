//! What the conditions of one policy may speak of, and the table of slots they share.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    attribute::{self, Attribute, Catalogue, Cost},
    diagnostic,
    expr::{Named, Names, SlotSet, Unresolved},
    facts::SlotId,
    policy::{FactSource, Origin, ResponseSource, Slot, Source},
    value::{Type, Value},
};

/// Where a condition stands; names differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a step.
    Step,
    /// In `only_if`.
    OnlyIf,
    /// In the `where` of a cover.
    Where,
    /// In `succeeded` or `failed`.
    Response,
}

/// The names of one policy.
pub(super) struct Vocabulary<'a> {
    catalogue: &'a Catalogue,
    facts: Vec<FactSource>,
    settings: BTreeMap<String, Value>,
    pub(super) settings_used: BTreeSet<String>,
    pub(super) slots: Vec<Slot>,
    by_name: BTreeMap<String, Known>,
    pub(super) place: Place,
}

#[derive(Clone)]
struct Known {
    slot: SlotId,
    one_of: Vec<Arc<str>>,
    range: Option<(f64, f64)>,
}

/// Names that only a `where` may use.
const REQUEST_GROUPS: [&str; 5] = ["body", "query", "header", "cookie", "path"];

impl<'a> Vocabulary<'a> {
    pub(super) fn new(catalogue: &'a Catalogue, facts: Vec<FactSource>, settings: BTreeMap<String, Value>) -> Self {
        Vocabulary {
            catalogue,
            facts,
            settings,
            settings_used: BTreeSet::new(),
            slots: Vec::new(),
            by_name: BTreeMap::new(),
            place: Place::Step,
        }
    }

    /// The slot of this name, if one was handed out.
    pub(super) fn slot(&self, slot: SlotId) -> Option<&Slot> {
        self.slots.get(usize::from(slot.0))
    }

    fn setting(&mut self, name: &str) -> Result<Named, Unresolved> {
        if let Some(value) = self.settings.get(name) {
            self.settings_used.insert(name.to_owned());
            return Ok(Named::Constant(value.clone()));
        }
        let near = diagnostic::nearest(name, self.settings.keys().map(String::as_str));
        Err(Unresolved {
            code: "setting.unknown",
            message: format!("unknown setting `settings.{name}`"),
            help: near.map(|near| format!("did you mean `settings.{near}`?")),
        })
    }

    fn fact(&mut self, name: &str) -> Result<Named, Unresolved> {
        if let Some(index) = self.facts.iter().position(|fact| &*fact.name == name) {
            let (kind, pii) = self.facts.get(index).map_or((Type::Text, true), |fact| (fact.kind, fact.pii));
            return self.hand_out(plain(&format!("event.{name}"), kind), Origin::Fact(index), pii);
        }
        let near = diagnostic::nearest(name, self.facts.iter().map(|fact| &*fact.name));
        Err(Unresolved {
            code: "fact.unknown",
            message: format!("unknown fact `event.{name}`"),
            help: Some(match near {
                Some(near) => format!("did you mean `event.{near}`?"),
                None => format!("declare it under `facts: {{ {name}: {{ from: body.{name}, type: text }} }}`"),
            }),
        })
    }

    fn remembered(&mut self, fact: &str) -> Option<Result<Named, Unresolved>> {
        let index = self.facts.iter().position(|it| &*it.name == fact)?;
        let remembered = self.facts.get(index).is_some_and(|it| it.remembered);
        if remembered {
            let attribute = Attribute { cost: Cost::Cheap, ..plain(&format!("{fact}.is_known"), Type::Bool) };
            return Some(self.hand_out(attribute, Origin::Remembered(index), false));
        }
        Some(Err(Unresolved {
            code: "fact.not_remembered",
            message: format!("`{fact}.is_known` needs the values of `{fact}` to be remembered"),
            help: Some(format!("add `remember: subject` to the fact `{fact}`")),
        }))
    }

    fn of_response(&mut self, path: &[&str]) -> Result<Named, Unresolved> {
        if self.place != Place::Response {
            return Err(Unresolved {
                code: "attribute.not_here",
                message: format!("`{}` is known after the decision only", path.join(".")),
                help: Some("`response.…` is for `succeeded` and `failed`".to_owned()),
            });
        }
        match path {
            ["response", "status"] => {
                let attribute = Attribute { range: Some((100.0, 599.0)), ..plain("response.status", Type::Int) };
                self.hand_out(attribute, Origin::Response(ResponseSource::Status), false)
            }
            ["response", "header", name] => {
                let name = name.to_ascii_lowercase().replace('_', "-");
                let attribute = plain(&format!("response.header.{name}"), Type::Text);
                self.hand_out(attribute, Origin::Response(ResponseSource::Header(name.into())), true)
            }
            _ => Err(Unresolved {
                code: "attribute.unknown",
                message: format!("unknown attribute `{}`", path.join(".")),
                help: Some("a response has `response.status` and `response.header.NAME`".to_owned()),
            }),
        }
    }

    fn of_request(&mut self, path: &[&str]) -> Result<Named, Unresolved> {
        let name = path.join(".");
        if self.place != Place::Where {
            let fact = path.last().unwrap_or(&"it");
            return Err(Unresolved {
                code: "attribute.not_here",
                message: format!("`{name}` is for `where` and `facts` only"),
                help: Some(format!("declare a fact: `{fact}: {{ from: {name}, type: text }}`, and use `event.{fact}`")),
            });
        }
        match source(&name) {
            Ok(source) => self.hand_out(plain(&name, Type::Text), Origin::Request(source), true),
            Err(message) => Err(Unresolved { code: "attribute.unknown", message, help: None }),
        }
    }

    /// A vendor's own value: text, or a number where it is compared with one.
    fn raw(&mut self, path: &[&str], compared_with: Option<Type>) -> Result<Named, Unresolved> {
        let name = path.join(".");
        let kind = match compared_with {
            Some(Type::Int | Type::Number) => Type::Number,
            Some(Type::Bool) => Type::Bool,
            Some(Type::Text | Type::Time | Type::Duration | Type::Ip | Type::List) | None => Type::Text,
        };
        let attribute = Attribute { cost: Cost::Cheap, ..plain(&name, kind) };
        let named = self.hand_out(attribute, Origin::Catalogue, true)?;
        Ok(with_caution(named, &name))
    }

    fn of_catalogue(&mut self, path: &[&str]) -> Result<Named, Unresolved> {
        let name = path.join(".");
        let Some(attribute) = self.catalogue.resolve(&name) else { return Err(self.unknown(&name)) };
        let misplaced = match self.place {
            Place::Step => None,
            // Whether the device is known lies in the store, which is asked once it is clear which event this is.
            Place::OnlyIf => {
                (attribute.cost != Cost::Free || name == "device.is_known").then_some(("only_if.cost", "`only_if`"))
            }
            Place::Response => {
                (attribute.cost != Cost::Free).then_some(("attribute.not_here", "`succeeded` and `failed`"))
            }
            Place::Where => (!name.starts_with("request.")).then_some(("attribute.not_here", "`where`")),
        };
        match misplaced {
            None => {
                let personal = attribute::is_personal(&name);
                self.hand_out(attribute, Origin::Catalogue, personal)
            }
            Some((code, place)) => Err(Unresolved {
                code,
                message: format!("`{name}` cannot be used in {place}"),
                help: Some(match self.place {
                    Place::Where => "a `where` reads the request alone".to_owned(),
                    Place::Step | Place::OnlyIf | Place::Response => {
                        format!("free attributes only; `{name}` has to be asked for")
                    }
                }),
            }),
        }
    }

    fn unknown(&self, name: &str) -> Unresolved {
        let members = self.catalogue.members(name);
        if !members.is_empty() {
            let some: Vec<&str> = members.iter().take(8).copied().collect();
            return Unresolved {
                code: "attribute.group",
                message: format!("`{name}` is a group of attributes"),
                help: Some(format!("pick one, such as {}", some.join(", "))),
            };
        }
        let facts = self.facts.iter().map(|fact| &*fact.name);
        let near = self.catalogue.nearest(name).or_else(|| {
            let fact = diagnostic::nearest(name, facts.clone())?;
            Some(format!("event.{fact}"))
        });
        Unresolved {
            code: "attribute.unknown",
            message: format!("unknown attribute `{name}`"),
            help: near.map(|near| format!("did you mean `{near}`?")),
        }
    }

    /// The slot of an attribute; the same name gets the same slot.
    fn hand_out(&mut self, attribute: Attribute, origin: Origin, pii: bool) -> Result<Named, Unresolved> {
        let name = attribute.name.to_string();
        if let Some(known) = self.by_name.get(&name).cloned() {
            return Ok(Named::Slot {
                slot: known.slot,
                kind: self.slot(known.slot).map_or(attribute.kind, |slot| slot.kind),
                one_of: known.one_of,
                range: known.range,
                caution: None,
            });
        }
        let slot = match u16::try_from(self.slots.len()) {
            Ok(next) if self.slots.len() < SlotSet::MAX => SlotId(next),
            _ => {
                return Err(Unresolved {
                    code: "slots.too_many",
                    message: format!("a policy reads at most {} attributes", SlotSet::MAX),
                    help: Some("split the event, or drop attributes that no rule needs".to_owned()),
                });
            }
        };
        self.slots.push(Slot { name: attribute.name, kind: attribute.kind, cost: attribute.cost, origin, pii });
        self.by_name.insert(name, Known { slot, one_of: attribute.one_of.clone(), range: attribute.range });
        Ok(Named::Slot { slot, kind: attribute.kind, one_of: attribute.one_of, range: attribute.range, caution: None })
    }
}

impl Names for Vocabulary<'_> {
    fn resolve(&mut self, path: &[&str], compared_with: Option<Type>) -> Result<Named, Unresolved> {
        match path {
            ["raw", _, _, ..] if self.place == Place::Step => self.raw(path, compared_with),
            ["settings", name] => self.setting(name),
            ["event", name] => self.fact(name),
            ["response", ..] => self.of_response(path),
            [group, _, ..] if REQUEST_GROUPS.contains(group) => self.of_request(path),
            [fact, "is_known"] if self.place == Place::Step => match self.remembered(fact) {
                Some(resolved) => resolved,
                None => self.of_catalogue(path),
            },
            _ => self.of_catalogue(path),
        }
    }
}

fn plain(name: &str, kind: Type) -> Attribute {
    Attribute { name: name.into(), kind, meaning: "".into(), cost: Cost::Free, one_of: Vec::new(), range: None }
}

fn with_caution(named: Named, name: &str) -> Named {
    match named {
        Named::Slot { slot, kind, one_of, range, .. } => {
            let caution = Some(Unresolved {
                code: "attribute.raw",
                message: format!("`{name}` ties this policy to one vendor"),
                help: Some("map it to an attribute of the catalogue in the connector".to_owned()),
            });
            Named::Slot { slot, kind, one_of, range, caution }
        }
        Named::Constant(value) => Named::Constant(value),
    }
}

/// The place in a request that `from` names, or what is wrong with it.
pub(super) fn source(from: &str) -> Result<Source, String> {
    let (group, rest) = from.split_once('.').ok_or_else(|| format!("`{from}` names no place in a request"))?;
    if rest.split('.').any(str::is_empty) {
        return Err(format!("`{from}` has an empty part"));
    }
    Ok(match group {
        "body" => Source::Body(rest.split('.').map(Arc::from).collect()),
        "query" => Source::Query(rest.into()),
        "header" => Source::Header(rest.to_ascii_lowercase().into()),
        "cookie" => Source::Cookie(rest.into()),
        "path" => Source::Path(rest.into()),
        _ => return Err(format!("`{from}` names no place in a request")),
    })
}
