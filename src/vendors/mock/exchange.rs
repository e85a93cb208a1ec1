//! Recorded exchanges of one connector, and which of them answers a request.
//!
//! Pure: what is compared is the request the fixture's own inputs would make, secrets as `***name***`. Failures that
//! were recorded are only given when nothing else fits or when they are asked for, so that a mock is well by default.

use std::sync::Arc;

use axum::{
    body::Bytes,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::Value as Json;
use stepward_core::{
    attribute::Catalogue,
    connector::{
        Connector,
        compile::source::Source,
        document::fixture::{ExpectedOutcome, Fixture},
    },
    diagnostic::Diagnostic,
};

use crate::vendors::fixtures;

/// A request as it came, without the connector's id.
pub struct Asked<'a> {
    /// Its method, upper case.
    pub method: &'a str,
    /// Path and query.
    pub target: String,
    /// Its body.
    pub body: &'a [u8],
}

impl Asked<'_> {
    /// Whether it asks for an access token (RFC 6749 §4.4.2, RFC 7523 §2.1).
    pub fn wants_token(&self) -> bool {
        self.method == "POST" && form_urlencoded::parse(self.body).any(|(name, _)| name == "grant_type")
    }
}

/// A recorded exchange.
#[derive(Debug)]
pub struct Exchange {
    /// The fixture's name.
    pub name: Arc<str>,
    /// What the answer comes to.
    pub outcome: ExpectedOutcome,
    /// The answer's body.
    pub body: Bytes,
    status: StatusCode,
    headers: Vec<(Arc<str>, String)>,
    is_json: bool,
    /// What the fixture asks about.
    given: Vec<Arc<str>>,
    wanted: Option<Wanted>,
}

/// The request that a fixture's inputs make.
#[derive(Debug)]
struct Wanted {
    method: &'static str,
    target: String,
    body: Vec<u8>,
}

/// The recorded exchanges of one connector.
#[derive(Debug)]
pub struct Service {
    /// In the order of the file.
    pub exchanges: Vec<Exchange>,
}

impl Service {
    /// What a connector has recorded; each fixture with its own settings.
    ///
    /// # Errors
    /// Everything that is wrong with its file.
    pub fn of(source: &Source, catalogue: &Catalogue) -> Result<Service, Vec<Diagnostic>> {
        let usual = source.compile(catalogue, &Default::default())?;
        let mut exchanges = Vec::new();
        for fixture in &usual.fixtures {
            exchanges.extend(match fixture.config.is_empty() {
                true => Exchange::of(&usual, fixture),
                false => Exchange::of(&source.compile(catalogue, &fixture.config)?, fixture),
            });
        }
        Ok(Service { exchanges })
    }

    /// The exchange of this name.
    pub fn named(&self, name: &str) -> Option<&Exchange> {
        self.exchanges.iter().find(|it| &*it.name == name)
    }

    /// The recorded answer to too many questions.
    pub fn rate_limited(&self) -> Option<&Exchange> {
        self.exchanges.iter().find(|it| it.outcome == ExpectedOutcome::RateLimited)
    }

    /// The exchange that fits a request best: the same request, then the same path, then the first success.
    pub fn answer_to(&self, asked: &Asked<'_>) -> Option<&Exchange> {
        let fitting = |fits: &dyn Fn(&Wanted) -> bool| {
            let mut those = self.exchanges.iter().filter(|it| it.wanted.as_ref().is_some_and(fits));
            those.clone().find(|it| it.is_answer()).or_else(|| those.next())
        };
        let path = |target: &str| target.split('?').next().unwrap_or_default().to_owned();
        let same = |wanted: &Wanted| {
            wanted.method == asked.method && wanted.target == asked.target && same_body(&wanted.body, asked.body)
        };
        let near = |wanted: &Wanted| wanted.method == asked.method && path(&wanted.target) == path(&asked.target);
        fitting(&same)
            .or_else(|| fitting(&near).filter(|it| it.outcome == ExpectedOutcome::Success))
            .or_else(|| self.exchanges.iter().find(|it| it.outcome == ExpectedOutcome::Success))
            .or_else(|| self.exchanges.first())
    }
}

impl Exchange {
    fn of(connector: &Connector, fixture: &Fixture) -> Option<Exchange> {
        let recorded = fixture.response.as_ref()?;
        Some(Exchange {
            name: fixture.name.clone(),
            outcome: fixture.expect.outcome,
            body: fixtures::body(recorded).into(),
            status: StatusCode::from_u16(recorded.status).ok()?,
            headers: fixtures::headers(recorded),
            given: fixtures::given(fixture).into_iter().map(|(_, value)| value).collect(),
            is_json: recorded.body.is_some(),
            wanted: wanted(connector, fixture),
        })
    }

    /// Whether the vendor answers here, if only that it knows nothing.
    fn is_answer(&self) -> bool {
        match self.outcome {
            ExpectedOutcome::Success | ExpectedOutcome::NotFound | ExpectedOutcome::InvalidInput => true,
            ExpectedOutcome::Pending
            | ExpectedOutcome::Skipped
            | ExpectedOutcome::Refused
            | ExpectedOutcome::RateLimited
            | ExpectedOutcome::Unavailable
            | ExpectedOutcome::ConfigError
            | ExpectedOutcome::ContractError => false,
        }
    }

    /// The answer as recorded.
    pub fn response(&self) -> Response {
        self.with(self.body.clone())
    }

    /// The answer as recorded, but where it is keyed by what was asked about (`{"62.4.31.7": {…}}`), by what is asked
    /// about now.
    pub fn response_to(&self, asked: &Asked<'_>) -> Response {
        let wanted = self.wanted.as_ref().map(|it| it.target.as_str()).filter(|it| *it != asked.target);
        let keyed = wanted.and_then(|wanted| {
            let Ok(Json::Object(mut fields)) = serde_json::from_slice::<Json>(&self.body) else { return None };
            let key = self.given.iter().find(|value| fields.contains_key(&***value))?;
            let asked_about = in_the_place_of(key, wanted, &asked.target)?;
            let value = fields.remove(&**key)?;
            fields.insert(asked_about, value);
            Some(Bytes::from(Json::Object(fields).to_string()))
        });
        self.with(keyed.unwrap_or_else(|| self.body.clone()))
    }

    fn with(&self, body: Bytes) -> Response {
        let kind = if self.is_json { "application/json" } else { "text/plain; charset=utf-8" };
        let mut response = (self.status, [(header::CONTENT_TYPE, kind)], body).into_response();
        for (name, value) in &self.headers {
            // What the connection itself says is its own.
            if ["content-length", "transfer-encoding", "connection"].contains(&&**name) {
                continue;
            }
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(&**name), HeaderValue::try_from(value)) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }

    /// The answer with every key under another name.
    pub fn renamed(&self) -> Response {
        let body = match serde_json::from_slice::<Json>(&self.body) {
            Ok(json @ (Json::Object(_) | Json::Array(_))) => renamed(json),
            Ok(_) | Err(_) => Json::Object(serde_json::Map::from_iter([("data_v2".to_owned(), Json::Null)])),
        };
        (self.status, axum::Json(body)).into_response()
    }
}

fn wanted(connector: &Connector, fixture: &Fixture) -> Option<Wanted> {
    let prepared = fixtures::prepared(connector, fixture)?;
    let after_scheme = prepared.url.split_once("://").map_or(prepared.url.as_str(), |(_, rest)| rest);
    let target = after_scheme.find('/').map_or("/", |at| after_scheme.get(at..).unwrap_or("/")).to_owned();
    let body = prepared.body.map(|(_, bytes)| bytes).unwrap_or_default();
    Some(Wanted { method: prepared.method.name(), target, body })
}

/// What stands in a request where `value` stands in the recorded one: the same step of the path, or the same parameter.
fn in_the_place_of(value: &str, recorded: &str, asked: &str) -> Option<String> {
    let parts = |target: &str| -> (Vec<String>, Vec<(String, String)>) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let plain = |step: &str| percent_encoding::percent_decode_str(step).decode_utf8_lossy().into_owned();
        (path.split('/').map(plain).collect(), form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    };
    let ((path, query), (asked_path, asked_query)) = (parts(recorded), parts(asked));
    if let Some(at) = path.iter().position(|step| step == value) {
        return (path.len() == asked_path.len()).then(|| asked_path.get(at).cloned())?;
    }
    let (name, _) = query.iter().find(|(_, it)| it == value)?;
    asked_query.into_iter().find(|(it, _)| it == name).map(|(_, it)| it)
}

/// Bodies are the same if they say the same: JSON by value, everything else by its bytes.
fn same_body(wanted: &[u8], asked: &[u8]) -> bool {
    let json = |bytes: &[u8]| serde_json::from_slice::<Json>(bytes).ok();
    wanted == asked || json(wanted).is_some_and(|it| json(asked) == Some(it))
}

fn renamed(json: Json) -> Json {
    match json {
        Json::Object(fields) => fields.into_iter().map(|(name, it)| (format!("{name}_v2"), renamed(it))).collect(),
        Json::Array(items) => items.into_iter().map(renamed).collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => json,
    }
}
