//! What a vendor's answer means and says. Hostile, truncated, huge, wrongly typed or oddly encoded answers are an
//! outcome class; an attribute is whole or unknown.

use std::{borrow::Cow, sync::Arc};

use serde_json::Value as Json;

use crate::{
    attribute::Attribute,
    connector::{
        Class,
        document::response::Format,
        mapping::{Expression, Scope, Stop, data::Data},
    },
    value::{Type, Value},
};

pub mod format;
pub mod raw;
mod xml;

/// How an answer is read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) format: Format,
    pub(crate) separator: String,
    pub(crate) select: Option<String>,
    pub(crate) nullif: Vec<Data<'static>>,
    /// Names of header fields that expressions may read, lower case.
    pub(crate) headers: Vec<Arc<str>>,
    pub(crate) outcomes: Vec<(Expression, Class, Option<Arc<str>>)>,
    pub(crate) map: Vec<Mapped>,
    pub(crate) required: Vec<usize>,
    pub(crate) state: Vec<(Arc<str>, Expression)>,
    pub(crate) handed: Handing,
    pub(crate) raw: Option<raw::Raw>,
    /// Whether anybody cares for what it says beyond its class.
    pub(crate) is_read: bool,
}

/// What a user is given, as a file says it.
#[derive(Debug, Default)]
pub(crate) struct Handing {
    pub(crate) redirect: Option<Expression>,
    pub(crate) embed: Option<Expression>,
    pub(crate) number: Option<Expression>,
}

/// What a user is given where something was begun. It is the vendor's word: whoever uses it looks at it first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handed {
    /// Where to go.
    pub redirect: Option<Arc<str>>,
    /// What the vendor's part of our page needs.
    pub embed: Option<Arc<str>>,
    /// The number to compare, or to choose, on the other device.
    pub number: Option<Arc<str>>,
}

/// An attribute and how it is told.
#[derive(Debug)]
pub(crate) struct Mapped {
    pub(crate) attribute: Attribute,
    pub(crate) expression: Expression,
    /// Points `(vendor's, ours)`, rising.
    pub(crate) calibration: Vec<(f64, f64)>,
}

/// An answer as it came in.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// Its status.
    pub status: u16,
    /// Its header fields.
    pub headers: &'a [(Arc<str>, String)],
    /// Its body.
    pub body: &'a [u8],
}

/// What an answer came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Interpreted {
    /// What it means.
    pub class: Class,
    /// A value for each of [`super::Operation::provides`]; `None` for unknown. All unknown unless it is a success.
    pub values: Vec<Option<Value>>,
    /// What later operations need, by name.
    pub state: Vec<(Arc<str>, Arc<str>)>,
    /// What the user is given.
    pub handed: Handed,
    /// What stays readable in the vendor's own terms.
    pub raw: Option<Arc<Json>>,
    /// What an operator should read: the rule's message, or what is wrong with the answer. It never holds a value.
    pub why: Option<Arc<str>>,
}

impl Interpreted {
    /// An answer that says nothing; `attributes` is how many the operation provides.
    pub fn nothing(class: Class, attributes: usize, why: Option<&str>) -> Self {
        let why = why.map(Arc::from);
        Interpreted {
            class,
            values: vec![None; attributes],
            state: Vec::new(),
            handed: Handed::default(),
            raw: None,
            why,
        }
    }
}

impl Interpreted {
    /// What it says in the vendor's own terms at this path, `data.reports.0.code`; `None` where that was not kept.
    pub fn raw_value(&self, path: &str) -> Option<Value> {
        raw::value(self.raw.as_deref()?, path)
    }
}

impl Answer {
    /// What an answer means and says. `asking` is the scope of the question.
    pub(crate) fn interpret(&self, reply: &Reply<'_>, asking: Scope<'_>) -> Interpreted {
        let nothing = |class, why: Option<&str>| Interpreted::nothing(class, self.map.len(), why);
        let parsed = self.parse(reply.body);
        let is_empty = reply.body.iter().all(u8::is_ascii_whitespace);
        let scope = self.answered(reply, parsed.clone(), asking);
        let (is_ruled, class, message) = self.class(&scope, by_status(reply.status));
        if class != Class::Success {
            return nothing(class, message);
        }
        // An empty body says nothing: that is an answer only where a rule says so, or nothing is read from it.
        if parsed.is_none() && self.is_read && !(is_empty && is_ruled) {
            return nothing(Class::ContractError, Some("the answer is not in the form that was agreed"));
        }
        self.told(&scope, message)
    }

    /// What expressions about an answer read.
    pub(crate) fn scope<'r>(&self, reply: &Reply<'r>, asking: Scope<'r>) -> Scope<'r> {
        self.answered(reply, self.parse(reply.body), asking)
    }

    fn answered<'r>(&self, reply: &Reply<'r>, parsed: Option<Data<'r>>, asking: Scope<'r>) -> Scope<'r> {
        let headers = Data::Map(self.headers.iter().filter_map(|name| header(reply, name)).collect());
        asking.answered(reply.status, headers, parsed.unwrap_or(Data::Null))
    }

    /// What a look-up means and says. `usual` is what it means where no rule holds; with no `body` nothing was found.
    pub(crate) fn looked_up(
        &self,
        status: u16,
        usual: Class,
        body: Option<Data<'_>>,
        asking: Scope<'_>,
    ) -> Interpreted {
        let body = body.and_then(|data| match &self.select {
            Some(pointer) => data.pointer(pointer),
            None => Some(data),
        });
        let mut body = body.unwrap_or(Data::Null);
        if !self.nullif.is_empty() {
            body.forget(&self.nullif);
        }
        let scope = asking.answered(status, Data::Map(Vec::new()), body);
        let (_, class, message) = self.class(&scope, usual);
        match class {
            Class::Success => self.told(&scope, message),
            other => Interpreted::nothing(other, self.map.len(), message),
        }
    }

    /// Whether a rule holds, the class, and the rule's message.
    fn class(&self, scope: &Scope<'_>, usual: Class) -> (bool, Class, Option<&str>) {
        match self.outcomes.iter().find(|(when, ..)| when.holds(scope)) {
            Some((_, class, message)) => (true, *class, message.as_deref()),
            None => (false, usual, None),
        }
    }

    fn told(&self, scope: &Scope<'_>, message: Option<&str>) -> Interpreted {
        let nothing = |why: &str| Interpreted::nothing(Class::ContractError, self.map.len(), Some(why));
        let read: Vec<Result<Value, Stop>> = self.map.iter().map(|mapped| mapped.value(scope)).collect();
        let lacking = self.required.iter().find(|at| read.get(**at).is_none_or(Result::is_err));
        if let Some(mapped) = lacking.and_then(|at| self.map.get(*at)) {
            return nothing(&format!("`{}` is required and not in the answer", mapped.attribute.name));
        }
        let odd = self.map.iter().zip(&read).filter(|(_, value)| matches!(value, Err(Stop::Mistyped | Stop::TooLong)));
        let odd: Vec<&str> = odd.map(|(mapped, _)| &*mapped.attribute.name).collect();
        let why = match (message, odd.is_empty()) {
            (Some(message), _) => Some(message.into()),
            (None, true) => None,
            (None, false) => Some(format!("not as agreed, so unknown: {}", odd.join(", ")).into()),
        };
        let mut state = Vec::with_capacity(self.state.len());
        for (name, expression) in &self.state {
            state.extend(expression.plain_text(scope).map(|value| (name.clone(), Arc::from(value))));
        }
        let hand = |it: &Option<Expression>| Some(Arc::from(it.as_ref()?.plain_text(scope)?));
        let Handing { redirect, embed, number } = &self.handed;
        let handed = Handed { redirect: hand(redirect), embed: hand(embed), number: hand(number) };
        let raw = self.raw.as_ref().and_then(|raw| raw.take(&scope.body)).map(Arc::new);
        let values = read.into_iter().map(Result::ok).collect();
        Interpreted { class: Class::Success, values, state, handed, raw, why }
    }

    /// The data of a body; `None` where it is not in its form, and where it is not UTF-8.
    fn parse<'b>(&self, body: &'b [u8]) -> Option<Data<'b>> {
        let text = std::str::from_utf8(body).ok()?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let data = match self.format {
            Format::Json => Data::json(text)?,
            Format::Jsonl => format::jsonl(text)?,
            Format::Xml => xml::read(text)?,
            Format::Form => format::form(text)?,
            Format::KvLines => format::kv_lines(text, &self.separator)?,
            Format::Lines => format::lines(text)?,
            Format::Text => Data::text(text),
            Format::Csv => format::csv(text, self.separator.chars().next().unwrap_or(','))?,
        };
        let mut data = match &self.select {
            Some(pointer) => data.pointer(pointer)?,
            None => data,
        };
        if !self.nullif.is_empty() {
            data.forget(&self.nullif);
        }
        Some(data)
    }
}

fn header<'d>(reply: &Reply<'_>, name: &Arc<str>) -> Option<(Cow<'d, str>, Data<'d>)> {
    let (_, value) = reply.headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name))?;
    Some((name.to_string().into(), Data::text(value.clone())))
}

impl Mapped {
    /// A value that the attribute can have; anything else is mistyped.
    fn value(&self, scope: &Scope<'_>) -> Result<Value, Stop> {
        let value = self.calibrated(self.expression.attribute(scope, self.attribute.kind)?);
        let attribute = &self.attribute;
        let listed = match &value {
            Value::Text(text) => attribute.one_of.is_empty() || attribute.one_of.contains(text),
            Value::Int(_) | Value::Number(_) => attribute.range.is_none_or(|(low, high)| {
                let number = value.clone().cast(Type::Number);
                matches!(number, Some(Value::Number(it)) if (low..=high).contains(&it))
            }),
            Value::Bool(_) | Value::Time(_) | Value::Duration(_) | Value::Ip(_) | Value::List(_) => true,
        };
        if listed { Ok(value) } else { Err(Stop::Mistyped) }
    }

    /// A number on our scale: straight lines between the points, flat beyond the first and the last.
    fn calibrated(&self, value: Value) -> Value {
        let (Value::Number(number), Some(first), Some(last)) =
            (&value, self.calibration.first(), self.calibration.last())
        else {
            return value;
        };
        if *number <= first.0 {
            return Value::Number(first.1);
        }
        let between = self.calibration.windows(2).find_map(|two| match two {
            [(x0, y0), (x1, y1)] if *number <= *x1 => Some(y0 + (y1 - y0) * (number - x0) / (x1 - x0)),
            _ => None,
        });
        Value::Number(between.unwrap_or(last.1))
    }
}

fn by_status(status: u16) -> Class {
    match status {
        200..=299 => Class::Success,
        429 => Class::RateLimited,
        400..=499 => Class::ConfigError,
        500..=599 => Class::Unavailable,
        _ => Class::ContractError,
    }
}
