//! A request made of templates: filled in with one question's values, nothing looked at twice.
//!
//! What mentions a value that is not there is left out; where that cannot be (the URL, a text body), or where a value
//! cannot stand in its place, there is no request at all.

use std::{borrow::Cow, sync::Arc};

use serde_json::Value as Json;

use crate::connector::{
    Named, Origin,
    document::operation::Method,
    mapping::{data::Data, dates, text::percent_encoded},
    template::{Clock, Name, Place, Template, Unfilled},
};

/// Named templates.
pub(crate) type Templates = Vec<(Arc<str>, Template)>;

/// A compiled request.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) origin: Origin,
    /// From the first `/` on.
    pub(crate) path: Template,
    pub(crate) query: Templates,
    pub(crate) headers: Templates,
    pub(crate) payload: Payload,
    pub(crate) content_type: Option<String>,
}

/// A compiled body.
#[derive(Debug)]
pub(crate) enum Payload {
    None,
    Json(Filled),
    Lines(Filled),
    Form(Templates),
    Xml(Template),
    Text(Template),
}

/// A JSON body whose texts are templates.
#[derive(Debug)]
pub(crate) enum Filled {
    Text(Template),
    Plain(Json),
    List(Vec<Filled>),
    Fields(Vec<(String, Filled)>),
}

/// When a call is made, and its random id. Both are given by the shell.
#[derive(Clone, Debug)]
pub struct Moment {
    /// Milliseconds since 1970.
    pub now_ms: i64,
    /// A random UUID of its own.
    pub uuid: Arc<str>,
}

/// What a request is filled in with.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// From [`super::Operation::inputs`].
    pub inputs: &'a Named,
    /// The connector's secrets.
    pub secrets: &'a Named,
    /// What earlier operations kept.
    pub state: &'a Named,
    /// The token, where the connector needs one.
    pub token: Option<&'a str>,
    /// When it is made.
    pub moment: &'a Moment,
}

/// Where values are looked up.
pub(crate) struct Values<'a> {
    pub(crate) asked: Asked<'a>,
    pub(crate) derived: &'a Data<'a>,
    /// Typed inputs, for JSON bodies.
    pub(crate) input: &'a Data<'a>,
}

/// A request that is filled in, and not yet signed.
pub(crate) struct Draft {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Vec<(Arc<str>, String)>,
    pub(crate) headers: Vec<(Arc<str>, String)>,
    pub(crate) body: Body,
    pub(crate) content_type: Option<String>,
}

/// A body that is filled in.
pub(crate) enum Body {
    None,
    Json(Json),
    Form(Vec<(Arc<str>, String)>),
    Text(&'static str, String),
}

impl Values<'_> {
    pub(crate) fn get(&self, name: &Name) -> Option<Cow<'_, str>> {
        let among = |named: &'_ Named, name: &str| named.iter().find(|(it, _)| &**it == name).map(|(_, it)| it.clone());
        let found: Option<Arc<str>> = match name {
            Name::Input(name) => among(self.asked.inputs, name),
            Name::Secret(name) => among(self.asked.secrets, name),
            Name::State(name) => among(self.asked.state, name),
            Name::Derived(name) => {
                return match self.derived.field(name)? {
                    Data::Text(text) => Some(Cow::Borrowed(text)),
                    it @ (Data::Bool(_) | Data::Int(_) | Data::Number(_)) => Some(it.to_json().to_string().into()),
                    Data::Null | Data::List(_) | Data::Map(_) => None,
                };
            }
            Name::Token => self.asked.token.map(Arc::from),
            Name::Uuid => Some(self.asked.moment.uuid.clone()),
            Name::Now(clock) => return Some(clock.write(self.asked.moment.now_ms).into()),
            Name::Signature | Name::Request(_) => None,
        };
        found.filter(|it| !it.is_empty()).map(|it| it.to_string().into())
    }

    pub(crate) fn fill(&self, template: &Template, place: Place) -> Result<String, Unfilled> {
        template.fill(&|name| self.get(name), place)
    }

    /// Pairs whose values are there.
    pub(crate) fn pairs(&self, templates: &Templates, place: Place) -> Result<Vec<(Arc<str>, String)>, Unfilled> {
        let mut pairs = Vec::with_capacity(templates.len());
        for (name, template) in templates {
            match self.fill(template, place) {
                Ok(value) => pairs.push((name.clone(), value)),
                Err(Unfilled::Missing) => {}
                Err(Unfilled::Refused) => return Err(Unfilled::Refused),
            }
        }
        Ok(pairs)
    }

    /// A value with its type, where a text is one placeholder alone.
    fn typed(&self, name: &Name) -> Option<Json> {
        let data = match name {
            Name::Input(name) => self.input.field(name)?,
            Name::Derived(name) => self.derived.field(name)?,
            Name::Secret(_)
            | Name::State(_)
            | Name::Token
            | Name::Signature
            | Name::Now(_)
            | Name::Uuid
            | Name::Request(_) => return self.get(name).map(|it| Json::String(it.into_owned())),
        };
        Some(data.to_json()).filter(|it| !it.is_null())
    }

    /// JSON without what cannot be filled in; `None` where nothing of it can.
    fn json(&self, filled: &Filled) -> Option<Json> {
        match filled {
            Filled::Text(template) => match template.alone() {
                Some(name) => self.typed(name),
                None => self.fill(template, Place::Plain).ok().map(Json::String),
            },
            Filled::Plain(json) => Some(json.clone()),
            Filled::List(items) => {
                let made: Vec<Json> = items.iter().filter_map(|item| self.json(item)).collect();
                (items.is_empty() || !made.is_empty()).then_some(Json::Array(made))
            }
            Filled::Fields(fields) => {
                let made: serde_json::Map<String, Json> =
                    fields.iter().filter_map(|(name, value)| Some((name.clone(), self.json(value)?))).collect();
                (fields.is_empty() || !made.is_empty()).then_some(Json::Object(made))
            }
        }
    }
}

impl Outgoing {
    pub(crate) fn fill(&self, values: &Values<'_>) -> Result<Draft, Unfilled> {
        let body = match &self.payload {
            Payload::None => Body::None,
            Payload::Json(filled) => {
                Body::Json(values.json(filled).unwrap_or_else(|| Json::Object(Default::default())))
            }
            // Half of what was to be told is not told as if it were all.
            Payload::Lines(filled) => {
                Body::Text("application/x-ndjson", lines(values.json(filled).ok_or(Unfilled::Missing)?))
            }
            Payload::Form(pairs) => Body::Form(values.pairs(pairs, Place::Plain)?),
            Payload::Xml(template) => Body::Text("application/xml", values.fill(template, Place::Xml)?),
            Payload::Text(template) => Body::Text("text/plain; charset=utf-8", values.fill(template, Place::Plain)?),
        };
        Ok(Draft {
            method: self.method,
            path: values.fill(&self.path, Place::Url)?,
            query: values.pairs(&self.query, Place::Plain)?,
            headers: values.pairs(&self.headers, Place::Header)?,
            body,
            content_type: self.content_type.clone(),
        })
    }
}

/// Each item of a list on a line of its own; a list in it is several lines.
fn lines(json: Json) -> String {
    let items = match json {
        Json::Array(items) => items,
        other => vec![other],
    };
    let mut text = String::new();
    for item in items {
        match item {
            Json::Array(several) => several.iter().for_each(|it| text.push_str(&format!("{it}\n"))),
            one => text.push_str(&format!("{one}\n")),
        }
    }
    text
}

impl Draft {
    /// Path and query as they are sent.
    pub(crate) fn target(&self) -> String {
        let mut target = self.path.clone();
        for (name, value) in &self.query {
            target.push(if target.contains('?') { '&' } else { '?' });
            target.push_str(&pair(name, value));
        }
        target
    }

    /// The body's bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match &self.body {
            Body::None => Vec::new(),
            Body::Json(json) => json.to_string().into_bytes(),
            Body::Form(pairs) => {
                pairs.iter().map(|(name, value)| pair(name, value)).collect::<Vec<_>>().join("&").into_bytes()
            }
            Body::Text(_, text) => text.clone().into_bytes(),
        }
    }

    /// The body's media type; none without a body.
    pub(crate) fn media_type(&self) -> Option<String> {
        let usual = match &self.body {
            Body::None => return None,
            Body::Json(_) => "application/json",
            Body::Form(_) => "application/x-www-form-urlencoded",
            Body::Text(usual, _) => usual,
        };
        Some(self.content_type.clone().unwrap_or_else(|| usual.to_owned()))
    }

    /// A header field; the media type is one of them.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name));
        found
            .map(|(_, value)| value.clone())
            .or_else(|| if name.eq_ignore_ascii_case("content-type") { self.media_type() } else { None })
    }
}

/// A name and a value as they stand in a query or a form.
pub(crate) fn pair(name: &str, value: &str) -> String {
    format!("{}={}", percent_encoded(name), percent_encoded(value))
}

impl Clock {
    pub(crate) fn write(self, now_ms: i64) -> String {
        let (year, month, day, hour, minute, second) = dates::civil(now_ms);
        match self {
            Clock::Unix => now_ms.div_euclid(1000).to_string(),
            Clock::UnixMs => now_ms.to_string(),
            Clock::Iso => format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"),
            Clock::Http => {
                const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
                const MONTHS: [&str; 12] =
                    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
                let weekday = usize::try_from(now_ms.div_euclid(dates::DAY_MS).rem_euclid(7)).unwrap_or(0);
                let weekday = DAYS.get(weekday).unwrap_or(&"");
                let month = usize::try_from(month - 1).ok().and_then(|at| MONTHS.get(at)).unwrap_or(&"");
                format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
            }
        }
    }
}
