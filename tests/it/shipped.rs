//! The connectors that come with Stepward: each loads, holds to its fixtures, and says where it is from.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, LazyLock},
    time::Instant,
};

use serde_json::Value as Json;
use stepward::vendors::{fixtures, shipped};
use stepward_core::{
    attribute::Catalogue,
    connector::{
        Class, Connector, compile,
        document::{
            Document, Maturity,
            fixture::{ExpectedOutcome, Fixture},
            operation::Kind,
        },
    },
    yaml,
};

mod page;

/// How many there are at least, over how many capabilities.
const CONNECTORS_MIN: usize = 110;
const CAPABILITIES_MIN: usize = 19;
/// No sentence of ours is longer, in words; whatever is may be somebody else's text.
const WORDS_MAX: usize = 40;
/// No text inside a fixture is longer, in words.
const FIXTURE_WORDS_MAX: usize = 12;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Id, text, what the text says, and what is made of it.
type Shipped = (String, String, Document, Connector);

/// All of them, read once.
static ALL: LazyLock<Vec<Shipped>> = LazyLock::new(|| {
    let catalogue = Catalogue::builtin();
    let load = |id: String| {
        let (label, text) = (shipped::label(&id), shipped::text(&id).unwrap().into_owned());
        let document = yaml::parse(&label, &text).unwrap_or_else(|why| panic!("{id}: {why:#?}"));
        let connector = compile::connector(&label, &text, &catalogue).unwrap_or_else(|why| panic!("{id}: {why:#?}"));
        (id, text, document, connector)
    };
    shipped::ids().into_iter().map(load).collect()
});

fn capability(document: &Document) -> &str {
    &document.capability.as_ref().unwrap().value
}

#[test]
fn every_fixture_of_every_shipped_connector_holds() {
    let started = Instant::now();
    let report = fixtures::run(&root().join("connectors")).unwrap_or_else(|why| panic!("{why:#?}"));
    let wrong: Vec<_> = report
        .connectors
        .iter()
        .flat_map(|it| it.cases.iter().map(move |case| (&it.connector, case)))
        .filter(|(_, case)| !case.problems.is_empty())
        .collect();
    let cases: usize = report.connectors.iter().map(|it| it.cases.len()).sum();
    println!("{} connectors, {cases} fixtures, {:?}", report.connectors.len(), started.elapsed());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn there_are_enough_for_enough_and_each_lies_under_its_id() {
    let capabilities: BTreeSet<_> = ALL.iter().map(|(_, _, document, _)| capability(document).to_owned()).collect();
    assert!(ALL.len() >= CONNECTORS_MIN, "{} connectors", ALL.len());
    assert!(capabilities.len() >= CAPABILITIES_MIN, "{capabilities:?}");
    for (id, _, document, connector) in ALL.iter() {
        assert_eq!((&document.connector.value, &*connector.id), (id, id.as_str()));
    }
}

/// What the outcomes of a connector's fixtures must show.
fn outcomes(document: &Document, operation: &str) -> BTreeSet<Option<Class>> {
    let first = document.operations.keys().next().unwrap();
    let of = |it: &&Fixture| it.operation.as_deref().unwrap_or(first) == operation;
    document.tests.iter().filter(of).map(|it| it.expect.outcome.class()).collect()
}

#[test]
fn each_shows_an_answer_a_broken_one_too_many_questions_and_a_wrong_key() {
    let mut missing = Vec::new();
    for (id, _, document, _) in ALL.iter() {
        for (name, operation) in &document.operations {
            let shown = outcomes(document, name);
            let mut needed = vec![Class::Success];
            if operation.local.is_some() {
                needed.push(Class::Unavailable);
            } else if operation.kind == Kind::Inbound {
                needed.push(Class::ContractError);
            } else if !matches!(operation.kind, Kind::Feedback | Kind::Sink) {
                needed.extend([Class::RateLimited, Class::ContractError]);
            }
            if operation.kind == Kind::Inbound {
                let is_refused = |it: &Fixture| it.expect.outcome == ExpectedOutcome::Refused;
                let of = |it: &&Fixture| it.operation.as_deref() == Some(name);
                if !document.tests.iter().filter(of).any(is_refused) {
                    missing.push(format!("{id}.{name}: what is forged"));
                }
            } else if !document.secrets.is_empty() {
                needed.push(Class::ConfigError);
            }
            missing.extend(
                needed.into_iter().filter(|it| !shown.contains(&Some(*it))).map(|it| format!("{id}.{name}: {it:?}")),
            );
            let rules: BTreeSet<_> = operation.response.outcome.iter().map(|rule| rule.then).collect();
            let unshown = rules.into_iter().filter(|it| !shown.contains(&Some(*it)));
            missing.extend(unshown.map(|it| format!("{id}.{name}: the rule for {it:?} is never shown")));
        }
        let skips = document.inputs.values().any(|input| input.skip_when.is_some());
        if skips && !document.tests.iter().any(|it| it.expect.outcome.class().is_none()) {
            missing.push(format!("{id}: `skip_when` is never shown"));
        }
        let first = document.tests.first();
        let shows = |it: &Fixture| it.expect_request.is_some() || it.data.is_some();
        if first.is_none_or(|it| !shows(it) || it.expect.attributes.is_empty()) {
            missing.push(format!("{id}: the first fixture shows what is sent and what is told"));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn each_attribute_is_of_the_vocabulary_and_shown_with_a_value_of_its_type() {
    let mut unshown = Vec::new();
    for (id, _, document, connector) in ALL.iter() {
        let shown: BTreeMap<&String, &Json> =
            document.tests.iter().flat_map(|it| &it.expect.attributes).filter(|(_, value)| !value.is_null()).collect();
        for attribute in connector.operations.iter().flat_map(|it| &it.provides) {
            if !shown.contains_key(&attribute.name.to_string()) {
                unshown.push(format!("{id}: {}", attribute.name));
            }
        }
    }
    assert!(unshown.is_empty(), "mapped, but no fixture shows a value: {unshown:#?}");
}

#[test]
fn each_says_what_it_is_where_it_is_described_and_that_no_call_was_made() {
    let mut faults = Vec::new();
    for (id, text, document, _) in ALL.iter() {
        let mut fault = |what: &str| faults.push(format!("{id}: {what}"));
        if document.name.as_ref().is_none_or(String::is_empty) {
            fault("no name");
        }
        if document.about.as_ref().is_none_or(|it| !it.ends_with('.') || it.split_whitespace().count() > 25) {
            fault("`about` is one short sentence");
        }
        if document.docs.as_ref().is_none_or(|it| !it.starts_with("https://")) {
            fault("no link");
        }
        match document.maturity {
            Some(Maturity::Documented | Maturity::Secondary | Maturity::Experimental | Maturity::BuiltIn) => {}
            Some(Maturity::Live) | None => fault("no live call was made, and it has to say so"),
        }
        if document.evidence.as_ref().is_none_or(|it| it.read.is_empty()) {
            fault("says not what was read for it");
        }
        let long = text.lines().filter_map(|line| line.split_once("# ")).map(|(_, comment)| comment);
        if long.clone().any(|comment| comment.split_whitespace().count() > WORDS_MAX) {
            fault("a comment is too long");
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn fixtures_hold_made_up_values_only() {
    let mut faults = Vec::new();
    for (id, _, document, _) in ALL.iter() {
        for fixture in &document.tests {
            let recorded =
                fixture.response.iter().flat_map(|it| it.body.iter().cloned().chain(it.text.clone().map(Json::String)));
            let given = fixture.input.values().chain(fixture.data.iter().flatten()).cloned();
            for text in recorded.chain(given).flat_map(|it| texts(&it)) {
                let words = text.split_whitespace().count();
                let mail = text.contains('@') && !text.contains("@example.") && !text.contains("@odata");
                if words > FIXTURE_WORDS_MAX && !text.starts_with('<') || mail || is_foreign_address(&text) {
                    faults.push(format!("{id}, {}: {text}", fixture.name));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Every text of a document, names of fields included.
fn texts(json: &Json) -> Vec<String> {
    match json {
        Json::String(text) => vec![text.clone()],
        Json::Array(items) => items.iter().flat_map(texts).collect(),
        Json::Object(fields) => {
            fields.iter().flat_map(|(name, value)| [vec![name.clone()], texts(value)].concat()).collect()
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => Vec::new(),
    }
}

/// Whether a text is an address of somebody: neither private nor of the one block that fixtures use.
fn is_foreign_address(text: &str) -> bool {
    let block: ipnet::IpNet = "62.4.31.0/24".parse().unwrap();
    text.parse().is_ok_and(|ip| !stepward_core::connector::is_private(ip) && !block.contains(&ip))
}

#[test]
fn a_route_names_a_shipped_connector_and_nothing_else_of_them_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let names = || -> Vec<(Arc<str>, Arc<str>)> {
        let (connectors, _) = stepward::vendors::load::read(folder.path(), &Catalogue::builtin()).unwrap();
        connectors.iter().map(|it| (it.id.clone(), it.name.clone())).collect()
    };
    write(
        "routes/ip_reputation.yaml",
        "capability: ip_reputation\nconnectors:\n  - { connector: greynoise-v3 }\n  - { connector: abuseipdb }\n",
    );
    assert_eq!(names(), [("abuseipdb".into(), "AbuseIPDB".into()), ("greynoise-v3".into(), "GreyNoise".into())]);
    let own = shipped::text("abuseipdb").unwrap().replace("name: AbuseIPDB", "name: Ours");
    write("abuseipdb/connector.yaml", &own);
    assert_eq!(names(), [("abuseipdb".into(), "Ours".into()), ("greynoise-v3".into(), "GreyNoise".into())]);
}
