//! Runs the fixtures of connectors without a network: `stepward connector test`.
//!
//! It sends nothing and reads no secret: in what would be sent each secret is its own name, as `***name***`.

use std::{path::Path, sync::Arc};

use serde_json::Value as Json;
use stepward_core::{
    attribute::Catalogue,
    connector::{
        Class, Connector, Interpreted, Prepared,
        document::{ExpectedOutcome, ExpectedRequest, Fixture, Recorded},
    },
    diagnostic::Diagnostic,
    value::Value,
};

use crate::vendors;

/// What came of all fixtures.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// Each connector, by id.
    pub connectors: Vec<Checked>,
}

/// What came of a connector's fixtures.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Checked {
    /// Its id.
    pub connector: Arc<str>,
    /// Its capability.
    pub capability: Arc<str>,
    /// Each fixture, in the order of the file.
    pub cases: Vec<Case>,
}

/// What came of one fixture.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Case {
    /// What it shows.
    pub name: Arc<str>,
    /// What is not as it should be; empty where all is.
    pub problems: Vec<String>,
}

impl Report {
    /// Whether everything is as it should be.
    pub fn passed(&self) -> bool {
        self.connectors.iter().flat_map(|checked| &checked.cases).all(|case| case.problems.is_empty())
    }
}

/// Runs every fixture of every connector in a folder.
pub fn run(folder: &Path) -> Result<Report, Vec<Diagnostic>> {
    let (connectors, _) = vendors::read(folder, &Catalogue::builtin())?;
    Ok(Report { connectors: connectors.iter().map(check).collect() })
}

/// Runs the fixtures of one connector.
pub fn check(connector: &Connector) -> Checked {
    let case = |fixture: &Fixture| Case { name: fixture.name.clone(), problems: problems(connector, fixture) };
    Checked {
        connector: connector.id.clone(),
        capability: connector.capability.clone(),
        cases: connector.fixtures.iter().map(case).collect(),
    }
}

/// What is shown in the place of a connector's secrets, by their names.
pub fn masked(connector: &Connector) -> Vec<(Arc<str>, Arc<str>)> {
    connector.secrets.iter().map(|name| (name.clone(), format!("***{name}***").into())).collect()
}

/// The request that a fixture's inputs make, secrets masked; `None` where there is no call.
pub fn prepared(connector: &Connector, fixture: &Fixture) -> Option<Prepared> {
    connector.prepare(&connector.inputs(&given(fixture))?, &masked(connector))
}

/// The inputs of a fixture.
pub fn given(fixture: &Fixture) -> Vec<(Arc<str>, Arc<str>)> {
    fixture.input.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect()
}

fn problems(connector: &Connector, fixture: &Fixture) -> Vec<String> {
    let inputs = connector.inputs(&given(fixture));
    let prepared = inputs.as_deref().and_then(|inputs| connector.prepare(inputs, &masked(connector)));
    let (Some(inputs), Some(prepared)) = (inputs, prepared) else {
        return match fixture.expect.outcome {
            ExpectedOutcome::Skipped => Vec::new(),
            other => vec![format!("no call is made, but `{other:?}` is expected")],
        };
    };
    let mut problems = Vec::new();
    if let Some(expected) = &fixture.expect_request {
        sent(expected, &prepared, &mut problems);
    }
    match &fixture.response {
        None => problems.push("a call is made, but no `response` is recorded".to_owned()),
        Some(recorded) => {
            answered(connector, fixture, &connector.interpret(recorded.status, &body(recorded), &inputs), &mut problems)
        }
    }
    problems
}

/// A recorded body, as it came over the wire.
pub fn body(recorded: &Recorded) -> Vec<u8> {
    match (&recorded.body, &recorded.text) {
        (Some(json), _) => json.to_string().into_bytes(),
        (None, Some(text)) => text.clone().into_bytes(),
        (None, None) => Vec::new(),
    }
}

fn sent(expected: &ExpectedRequest, prepared: &Prepared, problems: &mut Vec<String>) {
    if let Some(method) = expected.method.filter(|method| *method != prepared.method) {
        problems.push(format!("the method is {:?}, not {method:?}", prepared.method));
    }
    if let Some(url) = expected.url.as_ref().filter(|url| **url != prepared.url) {
        problems.push(format!("the URL is `{}`, not `{url}`", prepared.url));
    }
    for (name, value) in &expected.headers {
        let there = prepared.headers.iter().any(|(it, found)| it.eq_ignore_ascii_case(name) && found == value);
        if !there {
            problems.push(format!("the header `{name}: {value}` is not sent"));
        }
    }
    let json = prepared.body.as_ref().and_then(|(_, bytes)| serde_json::from_slice::<Json>(bytes).ok());
    if let Some(expected) = expected.json.as_ref().filter(|expected| json.as_ref() != Some(expected)) {
        problems.push(format!("the body is `{}`, not `{expected}`", json.unwrap_or(Json::Null)));
    }
}

fn answered(connector: &Connector, fixture: &Fixture, answer: &Interpreted, problems: &mut Vec<String>) {
    if expected(answer.class) != fixture.expect.outcome {
        problems.push(format!("the outcome is `{}`, not `{:?}`", answer.class.name(), fixture.expect.outcome));
    }
    for (name, expected) in &fixture.expect.attributes {
        let Some(at) = connector.provides.iter().position(|attribute| *attribute.name == **name) else {
            problems.push(format!("`{name}` is not in `map`"));
            continue;
        };
        let found = answer.values.get(at).and_then(Option::as_ref).map_or(Json::Null, json);
        if !same(&found, expected) {
            problems.push(format!("`{name}` is {found}, not {expected}"));
        }
    }
}

fn expected(class: Class) -> ExpectedOutcome {
    match class {
        Class::Success => ExpectedOutcome::Success,
        Class::NotFound => ExpectedOutcome::NotFound,
        Class::Pending => ExpectedOutcome::Pending,
        Class::InvalidInput => ExpectedOutcome::InvalidInput,
        Class::RateLimited => ExpectedOutcome::RateLimited,
        Class::Unavailable => ExpectedOutcome::Unavailable,
        Class::ConfigError => ExpectedOutcome::ConfigError,
        Class::ContractError => ExpectedOutcome::ContractError,
    }
}

/// Numbers are the same if they are worth the same, however they are written.
fn same(found: &Json, expected: &Json) -> bool {
    match (found.as_f64(), expected.as_f64()) {
        (Some(found), Some(expected)) => (found - expected).abs() < 1e-9,
        _ => found == expected,
    }
}

/// A value as fixtures write it.
pub fn json(value: &Value) -> Json {
    match value {
        Value::Bool(it) => (*it).into(),
        Value::Int(it) | Value::Time(it) | Value::Duration(it) => (*it).into(),
        Value::Number(it) => (*it).into(),
        Value::Text(it) => it.as_ref().into(),
        Value::Ip(it) => it.to_string().into(),
        Value::List(it) => it.iter().map(json).collect(),
    }
}
