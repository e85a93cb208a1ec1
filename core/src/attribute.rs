//! The vocabulary policies speak: named, typed, vendor-neutral attributes, each with what asking for it costs.

use std::{collections::BTreeMap, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::Type;

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

    /// Every attribute, by name.
    pub fn all(&self) -> impl Iterator<Item = &Attribute> {
        self.by_name.values()
    }
}
