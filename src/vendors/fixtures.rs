//! Runs the fixtures of connectors without a network: `stepward connector test`.
//!
//! It sends nothing and reads no secret: in what would be sent each secret is its own name, as `***name***`, a token
//! is `***token***`, and what would be signed with a private key is `***signature***`.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use serde_json::Value as Json;
use stepward_core::{
    attribute::Catalogue,
    connector::{
        Connector, Named, Operation, Prepared,
        answer::{Interpreted, Reply},
        auth::message::Unsigned,
        compile::{Config, source::Source},
        document::{
            fixture::{ExpectedOutcome, ExpectedRequest, Fixture, Received, Recorded},
            local::{LocalFormat, LocalKind},
        },
        receive::Message,
        request::{Asked, Moment},
    },
    diagnostic::Diagnostic,
    value::Value,
};

use crate::{
    clock::Clock,
    vendors::{
        load,
        local::{
            List,
            read::{self, Unreadable},
        },
        rehearse,
    },
};

/// The time of an event in fixtures, if they do not say: `2026-01-01T00:00:00Z`.
pub const NOW_MS: i64 = 1_767_225_600_000;
/// What stands for a token.
pub(super) const TOKEN: &str = "***token***";
/// The random id in fixtures.
const UUID: &str = "00000000-0000-4000-8000-000000000000";

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

/// Runs every fixture of every connector in a folder, and every test of its routes.
///
/// # Errors
/// Everything that is wrong with the files.
pub fn run(folder: &Path) -> Result<Report, Vec<Diagnostic>> {
    let catalogue = Catalogue::builtin();
    let (sources, faults) = load::sources(folder);
    let mut report = run_of(&sources, faults)?;
    let (all, routes) = load::read(folder, &catalogue)?;
    report.connectors.extend(rehearse::run(all, &routes));
    Ok(report)
}

/// Runs every fixture of these connectors. `faults` are those of files that could not be read.
///
/// # Errors
/// Everything that is wrong with the files.
pub fn run_of(sources: &[Source], mut faults: Vec<Diagnostic>) -> Result<Report, Vec<Diagnostic>> {
    let catalogue = Catalogue::builtin();
    let mut connectors = Vec::new();
    for source in sources {
        match check(source, &catalogue) {
            Ok(checked) => connectors.push(checked),
            Err(found) => faults.extend(found),
        }
    }
    if faults.is_empty() { Ok(Report { connectors }) } else { Err(faults) }
}

/// Runs the fixtures of one connector.
///
/// # Errors
/// Everything that is wrong with its file.
pub fn check(source: &Source, catalogue: &Catalogue) -> Result<Checked, Vec<Diagnostic>> {
    let usual = source.compile(catalogue, &Default::default())?;
    let case = |fixture: &Fixture| {
        let problems = match fixture.config.is_empty() {
            true => problems(&usual, fixture),
            false => match source.compile(catalogue, &fixture.config) {
                Ok(connector) => problems(&connector, fixture),
                Err(found) => found.into_iter().map(|fault| fault.message).collect(),
            },
        };
        Case { name: fixture.name.clone(), problems }
    };
    let cases = usual.fixtures.iter().map(case).collect();
    Ok(Checked { connector: usual.id.clone(), capability: usual.capability.clone(), cases })
}

/// A connector with the settings that its tests give it, where it cannot run without: for whoever calls no vendor. The
/// operator's settings stand first. What it needs and neither gives stays unset.
///
/// # Errors
/// Everything that is wrong with its file or the settings.
pub fn stand_in(
    source: &Source,
    catalogue: &Catalogue,
    given: &Config,
) -> Result<(Connector, Config), Vec<Diagnostic>> {
    let usual = source.compile(catalogue, given)?;
    let mut config = given.clone();
    for fixture in &usual.fixtures {
        for (name, value) in fixture.config.iter().filter(|(name, _)| usual.unset.iter().any(|it| **it == ***name)) {
            config.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    match usual.unset.is_empty() {
        true => Ok((usual, config)),
        false => source.compile(catalogue, &config).map(|connector| (connector, config)),
    }
}

/// What is shown in the place of a connector's secrets, by their names.
pub fn masked(connector: &Connector) -> Vec<(Arc<str>, Arc<str>)> {
    let names = connector.secrets.iter().chain(&connector.optional_secrets);
    names.map(|name| (name.clone(), format!("***{name}***").into())).collect()
}

/// The operation that a fixture is about.
pub fn operation<'a>(connector: &'a Connector, fixture: &Fixture) -> Option<&'a Arc<Operation>> {
    match &fixture.operation {
        Some(name) => connector.operation(name),
        None => connector.asked().or(connector.operations.first()),
    }
}

/// The inputs of a fixture.
pub fn given(fixture: &Fixture) -> Vec<(Arc<str>, Arc<str>)> {
    fixture.input.iter().map(|(name, value)| (name.as_str().into(), text(value))).collect()
}

/// The time of a fixture's event, in milliseconds since 1970; `None` where it says something else.
pub fn now_ms(fixture: &Fixture) -> Option<i64> {
    fixture.now.as_deref().map_or(Some(NOW_MS), moment_ms)
}

/// The request that a fixture makes, secrets masked; `None` where there is no call. The connector was compiled with the
/// fixture's settings.
pub fn prepared(connector: &Connector, fixture: &Fixture) -> Option<Prepared> {
    let (operation, now_ms) = (operation(connector, fixture)?, now_ms(fixture)?);
    prepare(connector, operation, &operation.inputs(&given(fixture), now_ms)?, &state(fixture), now_ms)
}

fn state(fixture: &Fixture) -> Vec<(Arc<str>, Arc<str>)> {
    fixture.state.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect()
}

/// Header fields of a recorded answer, as they came over the wire.
pub fn headers(recorded: &Recorded) -> Vec<(Arc<str>, String)> {
    recorded.headers.iter().map(|(name, value)| (name.to_ascii_lowercase().into(), value.clone())).collect()
}

fn problems(connector: &Connector, fixture: &Fixture) -> Vec<String> {
    let Some(operation) = operation(connector, fixture) else { return vec!["there is no such operation".to_owned()] };
    let Some(now_ms) = now_ms(fixture) else {
        return vec!["`now` is no moment such as `2026-01-01T00:00:00Z`".to_owned()];
    };
    if operation.receives() {
        return received(connector, operation, fixture, now_ms);
    }
    let inputs = operation.inputs(&given(fixture), now_ms);
    if operation.local().is_some() {
        return looked_up(operation, fixture, inputs.as_deref(), now_ms);
    }
    let prepared = inputs.as_deref().and_then(|inputs| prepare(connector, operation, inputs, &state(fixture), now_ms));
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
            let (headers, body) = (headers(recorded), body(recorded));
            let reply = Reply { status: recorded.status, headers: &headers, body: &body };
            answered(operation, fixture, &operation.interpret(&reply, &inputs, now_ms), &mut problems);
        }
    }
    problems
}

/// What a vendor sent by itself.
fn received(connector: &Connector, operation: &Operation, fixture: &Fixture, now_ms: i64) -> Vec<String> {
    let Some(received) = &fixture.received else { return vec!["nothing is `received`".to_owned()] };
    let headers: Vec<(Arc<str>, String)> =
        received.headers.iter().map(|(name, value)| (name.to_ascii_lowercase().into(), value.clone())).collect();
    let (path, body) = (format!("/.stepward/inbound/{}", connector.id), sent_body(received));
    let message = Message { method: "POST", path: &path, headers: &headers, body: &body };
    let mut problems = Vec::new();
    match (operation.receive(&message, &masked(connector), now_ms), fixture.expect.outcome) {
        (Err(_), ExpectedOutcome::Refused) => {}
        (Err(refused), other) => {
            problems.push(format!("it is refused ({}), but `{other:?}` is expected", refused.name()))
        }
        (Ok(_), ExpectedOutcome::Refused) => problems.push("it is read, but should be refused".to_owned()),
        (Ok(read), _) => {
            answered(operation, fixture, &read.answer, &mut problems);
            told("reference", read.reference.as_deref(), fixture.expect.reference.as_deref(), &mut problems);
            told("event", Some(&read.event), fixture.expect.event.as_deref(), &mut problems);
        }
    }
    problems
}

fn sent_body(received: &Received) -> Vec<u8> {
    match (&received.body, &received.text) {
        (Some(json), _) => json.to_string().into_bytes(),
        (None, Some(text)) => text.clone().into_bytes(),
        (None, None) => Vec::new(),
    }
}

/// A text that a fixture expects, where it expects one.
fn told(what: &str, found: Option<&str>, expected: Option<&str>, problems: &mut Vec<String>) {
    if expected.is_some() && found != expected {
        problems.push(format!("`{what}` is {found:?}, not {expected:?}"));
    }
}

/// What the data of a fixture says.
fn looked_up(operation: &Arc<Operation>, fixture: &Fixture, inputs: Option<&Named>, now_ms: i64) -> Vec<String> {
    let mut problems = Vec::new();
    match (inputs, fixture.expect.outcome) {
        (None, ExpectedOutcome::Skipped) => {}
        (None, other) => problems.push(format!("nothing is looked up, but `{other:?}` is expected")),
        (Some(inputs), _) => {
            let clock = Clock::Manual(Arc::new(now_ms.into()));
            match list(operation, fixture, &clock) {
                Ok(list) => answered(operation, fixture, &list.find(inputs, now_ms).0, &mut problems),
                // A list that cannot be read is never taken, so that there is none.
                Err(why) if fixture.expect.outcome != ExpectedOutcome::Unavailable => {
                    problems.push(format!("the data cannot be read: {why}"));
                }
                Err(_) => {}
            }
        }
    }
    problems
}

/// The data of a fixture, read as it would be from a file.
pub(super) fn list(operation: &Arc<Operation>, fixture: &Fixture, clock: &Clock) -> Result<List, Unreadable> {
    let local = operation.local().ok_or(Unreadable::Malformed)?;
    let index = match &fixture.data {
        None => None,
        Some(rows) if local.kind == LocalKind::Mmdb => Some(read::records(rows)?),
        Some(rows) if local.format == LocalFormat::Json => {
            Some(read::read(local, vec![Json::from(rows.clone()).to_string().into_bytes()])?)
        }
        Some(rows) => {
            let lines: Vec<Arc<str>> = rows.iter().map(text).collect();
            Some(read::read(local, vec![lines.join("\n").into_bytes()])?)
        }
    };
    let age = Duration::from_millis(fixture.data_age.map_or(0, |age| age.ms));
    Ok(List::told(operation, index, age, clock))
}

/// The data of the first fixture that has some, for whoever may ask nobody: fresh, whatever it shows there.
pub(super) fn any_list(connector: &Connector, operation: &Arc<Operation>, clock: &Clock) -> List {
    let mut fixtures = connector.fixtures.iter().filter(|it| it.data.is_some() && it.data_age.is_none());
    let first = fixtures.find_map(|fixture| list(operation, fixture, clock).ok());
    first.unwrap_or_else(|| List::told(operation, None, Duration::ZERO, clock))
}

/// What stands for a signature with a private key.
pub(super) fn signature(unsigned: &Unsigned) -> (Arc<str>, String) {
    let (name, _) = unsigned.header(&[]);
    (name, "***signature***".to_owned())
}

/// The request with every secret as its own name.
fn prepare(
    connector: &Connector,
    operation: &Operation,
    inputs: &Named,
    state: &Named,
    now_ms: i64,
) -> Option<Prepared> {
    let (secrets, moment) = (masked(connector), Moment { now_ms, uuid: UUID.into() });
    let asked = Asked { inputs, secrets: &secrets, state, token: Some(TOKEN), moment: &moment };
    let mut prepared = operation.prepare(asked)?;
    if let Some(unsigned) = &prepared.unsigned {
        prepared.headers.push(signature(unsigned));
    }
    Some(prepared)
}

fn moment_ms(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(|it| it.as_millisecond())
}

/// A value as it is given to a connector: text as it is, anything else as JSON.
pub(super) fn text(value: &Json) -> Arc<str> {
    value.as_str().map_or_else(|| value.to_string().into(), Arc::from)
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
        problems.push(format!("the method is {}, not {}", prepared.method.name(), method.name()));
    }
    if let Some(url) = expected.url.as_ref().filter(|url| **url != prepared.url) {
        problems.push(format!("the URL is `{}`, not `{url}`", prepared.url));
    }
    let mut headers = prepared.headers.clone();
    headers.extend(
        prepared.basic.iter().map(|(user, password)| ("authorization".into(), format!("Basic {user}:{password}"))),
    );
    headers.extend(prepared.body.iter().map(|(media_type, _)| ("content-type".into(), media_type.clone())));
    for (name, value) in &expected.headers {
        if !headers.iter().any(|(it, found)| it.eq_ignore_ascii_case(name) && found == value) {
            let found = headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name));
            let found = found.map_or("nothing".to_owned(), |(_, found)| format!("`{found}`"));
            problems.push(format!("the header `{name}` is {found}, not `{value}`"));
        }
    }
    let bytes = prepared.body.as_ref().map_or(&[][..], |(_, bytes)| bytes);
    if let Some(expected) = &expected.json {
        let json = serde_json::from_slice::<Json>(bytes).unwrap_or(Json::Null);
        if !same(&json, expected) {
            problems.push(format!("the body is `{json}`, not `{expected}`"));
        }
    }
    if let Some(expected) = &expected.form {
        let form: BTreeMap<String, String> = form_urlencoded::parse(bytes).into_owned().collect();
        let expected: BTreeMap<String, String> = expected.clone().into_iter().collect();
        if form != expected {
            problems.push(format!("the form is {form:?}, not {expected:?}"));
        }
    }
    if let Some(expected) = expected.text.as_ref().filter(|expected| expected.as_bytes() != bytes) {
        problems.push(format!("the body is `{}`, not `{expected}`", String::from_utf8_lossy(bytes)));
    }
}

fn answered(operation: &Operation, fixture: &Fixture, answer: &Interpreted, problems: &mut Vec<String>) {
    let expected = &fixture.expect;
    if expected.outcome.class() != Some(answer.class) {
        let why = answer.why.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
        problems.push(format!("the outcome is `{}`{why}, not `{:?}`", answer.class.name(), expected.outcome));
    }
    for (name, expected) in &expected.attributes {
        let Some(at) = operation.provides.iter().position(|attribute| *attribute.name == **name) else {
            problems.push(format!("`{name}` is not in `map`"));
            continue;
        };
        let found = answer.values.get(at).and_then(Option::as_ref).map_or(Json::Null, json);
        if !same(&found, expected) {
            problems.push(format!("`{name}` is {found}, not {expected}"));
        }
    }
    if let Some(expected) = &expected.state {
        let found: BTreeMap<&str, &str> = answer.state.iter().map(|(name, value)| (&**name, &**value)).collect();
        let expected: BTreeMap<&str, &str> =
            expected.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if found != expected {
            problems.push(format!("what is kept is {found:?}, not {expected:?}"));
        }
    }
    let handed = &answer.handed;
    told("redirect", handed.redirect.as_deref(), expected.redirect.as_deref(), problems);
    told("embed", handed.embed.as_deref(), expected.embed.as_deref(), problems);
    told("number", handed.number.as_deref(), expected.number.as_deref(), problems);
    if let Some(expected) = &expected.raw {
        let found = answer.raw.as_deref().unwrap_or(&Json::Null);
        if !same(found, expected) {
            problems.push(format!("raw is {found}, not {expected}"));
        }
    }
}

/// Numbers are the same if they are worth the same, however they are written.
pub(super) fn same(found: &Json, expected: &Json) -> bool {
    match (found, expected) {
        (Json::Number(found), Json::Number(expected)) => match (found.as_f64(), expected.as_f64()) {
            (Some(found), Some(expected)) => (found - expected).abs() < 1e-9,
            _ => found == expected,
        },
        (Json::Array(found), Json::Array(expected)) => {
            found.len() == expected.len() && found.iter().zip(expected).all(|(found, expected)| same(found, expected))
        }
        (Json::Object(found), Json::Object(expected)) => {
            found.len() == expected.len()
                && found.iter().all(|(name, value)| expected.get(name).is_some_and(|expected| same(value, expected)))
        }
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
