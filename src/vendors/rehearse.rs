//! Runs the tests of routes: the very walk that requests take, over connectors that say what they were told to.
//!
//! It sends nothing and reads no secret. Time is real, so a test in which somebody stalls takes that long; all tests
//! run at the same time.

use std::{
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use stepward_core::{
    connector::{
        Connector, Operation,
        route::{
            Route,
            document::{Failure, Given, Test},
        },
    },
    facts::Reading,
};
use tokio::time::Instant;

use crate::{
    clock::Clock,
    telemetry::Metrics,
    vendors::{
        Question,
        feedback::Desk,
        fixtures::{self, Case, Checked},
        local::List,
        runner::{Crowd, Outfit, Runner, Source, Told},
        walk::{Heard, Line, Place},
    },
};

/// Longest time that a test may take.
const TEST_MAX: Duration = Duration::from_secs(10);
/// Paid calls that a test may make.
const PAID_CALLS: u32 = 100;

/// Runs every test of these routes; routes without tests are left out. Blocks for as long as the slowest test takes.
pub fn run(connectors: Vec<Connector>, routes: &[Route]) -> Vec<Checked> {
    let connectors: Vec<Arc<Connector>> = connectors.into_iter().map(Arc::new).collect();
    let with_tests: Vec<&Route> = routes.iter().filter(|route| !route.tests.is_empty()).collect();
    if with_tests.is_empty() {
        return Vec::new();
    }
    let all = async { futures_util::future::join_all(with_tests.iter().map(|route| check(route, &connectors))).await };
    // A thread of its own, because the caller may be on one of a runtime's.
    let finished = std::thread::scope(|scope| {
        let thread = scope
            .spawn(|| tokio::runtime::Builder::new_current_thread().enable_time().build().map(|it| it.block_on(all)));
        thread.join()
    });
    match finished {
        Ok(Ok(checked)) => checked,
        Ok(Err(_)) | Err(_) => {
            let problems = vec!["the tests could not be run".to_owned()];
            let cases = vec![Case { name: "all".into(), problems }];
            with_tests.iter().map(|route| checked(route, cases.clone())).collect()
        }
    }
}

fn checked(route: &Route, cases: Vec<Case>) -> Checked {
    Checked { connector: format!("routes/{}", route.capability).into(), capability: route.capability.clone(), cases }
}

async fn check(route: &Route, connectors: &[Arc<Connector>]) -> Checked {
    let cases = route
        .tests
        .iter()
        .map(async |test| Case { name: test.name.clone(), problems: problems(route, test, connectors).await });
    checked(route, futures_util::future::join_all(cases).await)
}

async fn problems(route: &Route, test: &Test, connectors: &[Arc<Connector>]) -> Vec<String> {
    let metrics = Metrics::new();
    let line = line(route, test, connectors);
    let (inputs, paid_left) = (inputs(route, test, connectors), AtomicU32::new(PAID_CALLS));
    let deadline = Instant::now() + TEST_MAX;
    let question = Question { tenant: "test", inputs: &inputs, deadline, paid_left: &paid_left };
    let expected = test.expect.attributes.keys().chain(test.expect.paths.keys());
    let mut names: Vec<&str> = expected.map(String::as_str).collect();
    if names.is_empty() {
        names = line.tells().map(|name| &**name).collect();
    }
    names.sort_unstable();
    names.dedup();
    let heard = line.ask(&question, &names, &metrics).await;
    compared(test, route, &heard)
}

/// The route over connectors that were told what to say.
fn line(route: &Route, test: &Test, connectors: &[Arc<Connector>]) -> Line {
    let crowd = Crowd::default();
    let mut members = Vec::new();
    for member in &route.members {
        let Some(connector) = connectors.iter().find(|it| it.id == member.connector) else { continue };
        let Some(operation) = connector.asked() else { continue };
        let outfit = Outfit {
            operation: operation.clone(),
            source: source(connector, operation, test.given.get(&*member.connector)),
            route,
            state: None,
            clock: &Clock::System,
            crowd: &crowd,
            desk: &Desk::default(),
        };
        members.push(Place::new(Arc::new(Runner::new(connector.clone(), outfit)), member.timeout_ms, member.weight));
    }
    Line::new(route.clone(), members, Vec::new(), Arc::default())
}

/// Who answers: the data of a fixture where something is looked up, unless it is to fail.
fn source(connector: &Connector, operation: &Arc<Operation>, given: Option<&Given>) -> Source {
    if operation.local().is_none() {
        return Source::Told(told(connector, given));
    }
    let fixture = given.filter(|given| given.fail.is_none()).and_then(|given| {
        let list = connector.fixtures.iter().find(|it| Some(&*it.name) == given.fixture.as_deref())?;
        fixtures::list(operation, list, &Clock::System).ok()
    });
    let nothing = || List::told(operation, None, Duration::ZERO, &Clock::System);
    Source::Local(Arc::new(fixture.unwrap_or_else(nothing)))
}

/// What a connector says; one of which nothing is said fails, and is told of if it was asked.
fn told(connector: &Connector, given: Option<&Given>) -> Told {
    let recorded = given.and_then(|given| {
        let fixture = connector.fixtures.iter().find(|it| Some(&*it.name) == given.fixture.as_deref())?;
        let recorded = fixture.response.as_ref()?;
        Some((recorded.status, fixtures::body(recorded)))
    });
    let failure = given.and_then(|given| given.fail).unwrap_or(Failure::Unavailable);
    let after = given.and_then(|given| given.after).map_or(Duration::ZERO, |it| Duration::from_millis(it.ms));
    Told { after, answer: recorded.ok_or(failure) }
}

/// What the test asks about.
fn inputs(route: &Route, test: &Test, connectors: &[Arc<Connector>]) -> Vec<(Arc<str>, Arc<str>)> {
    if !test.input.is_empty() {
        return test.input.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect();
    }
    let of_fixture = route.members.iter().find_map(|member| {
        let name = test.given.get(&*member.connector)?.fixture.as_deref()?;
        let connector = connectors.iter().find(|it| it.id == member.connector)?;
        Some(&connector.fixtures.iter().find(|it| &*it.name == name)?.input)
    });
    let pairs = of_fixture.into_iter().flatten();
    pairs.map(|(name, value)| (name.as_str().into(), fixtures::text(value))).collect()
}

fn compared(test: &Test, route: &Route, heard: &Heard<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    let told = |name: &str| heard.told.iter().find(|(it, _)| *it == name).map(|(_, told)| told);
    for (name, expected) in &test.expect.attributes {
        let found = match told(name) {
            Some((Reading::Known(value), _)) => fixtures::json(value),
            Some((Reading::Unknown(_) | Reading::Pending, _)) | None => serde_json::Value::Null,
        };
        if !fixtures::same(&found, expected) {
            problems.push(format!("`{name}` is {found}, not {expected}"));
        }
    }
    for (name, expected) in &test.expect.paths {
        let path = told(name).and_then(|(_, origin)| origin.as_ref()).map(|origin| origin.path);
        if path != Some(*expected) {
            let found = path.map_or("by no way", |path| path.name());
            problems.push(format!("`{name}` came {found}, not `{}`", expected.name()));
        }
    }
    let was_asked = |id: &str| heard.calls.iter().any(|call| &*call.connector == id);
    let asked: Vec<&str> = route.members.iter().map(|it| &*it.connector).filter(|id| was_asked(id)).collect();
    if let Some(expected) = test.expect.asked.as_ref().filter(|expected| **expected != asked) {
        problems.push(format!("asked were {}, not {}", asked.join(", "), expected.join(", ")));
    }
    for id in asked.iter().filter(|id| !test.given.contains_key(**id)) {
        problems.push(format!("`{id}` was asked, and `given` does not say what it does"));
    }
    problems
}
