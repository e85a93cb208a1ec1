//! `stepward connector record`

use std::{fs, path::Path, sync::Arc};

use serde_json::{Map, Value as Json, json};
use stepward_core::{
    attribute::Catalogue,
    connector::{Operation, answer::Reply, compile::source::Source, document::fixture::Fixture},
};

use crate::{
    cli::{
        Came, Exit, Failed,
        connector::{Shape, document, inputs, live, scrub::Scrubber},
        say,
    },
    vendors::{fixtures, shipped, single::Called},
};

/// Call a vendor once and write a fixture of it, without anything personal.
///
/// Secrets are masked; addresses, mailboxes, telephone numbers and what was asked about become made-up values of the same
/// shape. Look at it before you keep it: names of people can stand anywhere.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Record {
    /// Its id
    id: String,
    /// What to ask about: `ip=62.4.31.7`
    #[arg(short, long, value_name = "NAME=VALUE", required = true)]
    input: Vec<String>,
    /// What the fixture shows
    #[arg(long, default_value = "as recorded")]
    name: String,
    /// Write it to the end of the connector's file
    #[arg(long)]
    append: bool,
    /// Shape of the answer
    #[arg(short, long, default_value = "human")]
    format: Shape,
    #[command(flatten)]
    live: live::Live,
}

impl Record {
    pub(super) fn run(self) -> Came {
        let given = inputs(&self.input)?;
        let opened = match self.live.open(&[&self.id]) {
            Ok(opened) => opened,
            Err(came) => return came,
        };
        let (source, _) = opened.all.find(&self.id)?;
        let caller = opened.caller(&self.id)?;
        opened.check(&self.id, &given)?;
        let called = live::runtime()?.block_on(live::ask(&caller, &self.id, &given))?;
        let fixture = fixture(source, &self.name, &called, Scrubber::of(caller.secrets(), &called.inputs))
            .map_err(|why| Failed::because(Exit::CannotReach, format!("`{}`: {why}", self.id)))?;
        say::talk(&format!("{} in {} ms", called.heard.answer.class.name(), called.took.as_millis()));
        match self.format {
            Shape::Json => document(&fixture),
            Shape::Human if self.append => {}
            Shape::Human => say::data(&yaml(&fixture)),
        }
        if self.append {
            append(&opened.folder.join(&self.id).join("connector.yaml"), &fixture)?;
            say::talk("written to the end of the file; look at it before you keep it");
        }
        Ok(Exit::Ok)
    }
}

/// The fixture of a call; its expectation is what the scrubbed answer comes to in a test: with the settings of the file,
/// not the operator's.
fn fixture(source: &Source, name: &str, called: &Called, mut scrubber: Scrubber) -> Result<Json, String> {
    let reply = called.reply()?;
    let (connector, config) = fixtures::stand_in(source, &Catalogue::builtin(), &Default::default())
        .map_err(|_| "its file does not compile without the operator's settings")?;
    let operation = connector.asked().ok_or("it has neither a `lookup` nor a `verify`")?;
    let (key, body) = match serde_json::from_slice::<Json>(&reply.body) {
        Ok(json) => ("body", scrubber.json(&json)),
        Err(_) => ("text", Json::String(scrubber.text(&String::from_utf8_lossy(&reply.body)))),
    };
    let inputs: Map<String, Json> =
        scrubber.inputs(&called.inputs).iter().map(|(name, value)| (name.to_string(), Json::from(&**value))).collect();
    let headers: Map<String, Json> = headers_read(operation, called)
        .into_iter()
        .map(|(name, value)| (name.to_string(), scrubber.text(value).into()))
        .collect();
    let mut fixture = json!({
        "name": name,
        "input": inputs,
        "now": moment(called.now_ms),
        "response": { "status": reply.status, key: body },
        // Until it is known.
        "expect": { "outcome": "success" },
    });
    // Written only where something would be missing without it.
    if !config.is_empty() {
        fixture["config"] = json!(config);
    }
    if !headers.is_empty() {
        fixture["response"]["headers"] = Json::Object(headers);
    }
    let recorded: Fixture = serde_json::from_value(fixture.clone()).map_err(|error| error.to_string())?;
    if let Some(sent) = fixtures::prepared(&connector, &recorded) {
        fixture["expect_request"] = json!({ "method": sent.method.name(), "url": sent.url });
    }
    fixture["expect"] = meaning(operation, &recorded);
    Ok(fixture)
}

/// The header fields of an answer on which its meaning rests.
fn headers_read<'a>(operation: &'a Operation, called: &'a Called) -> Vec<(&'a Arc<str>, &'a str)> {
    let sent = called.heard.reply.iter().flat_map(|reply| &reply.headers);
    sent.filter(|(name, _)| operation.headers_read().contains(name))
        .map(|(name, value)| (name, value.as_str()))
        .collect()
}

/// What a recorded answer comes to.
fn meaning(operation: &Operation, fixture: &Fixture) -> Json {
    let (Some(recorded), Some(now_ms)) = (&fixture.response, fixtures::now_ms(fixture)) else { return Json::Null };
    let (headers, body) = (fixtures::headers(recorded), fixtures::body(recorded));
    let inputs = operation.inputs(&fixtures::given(fixture), now_ms).unwrap_or_default();
    let reply = Reply { status: recorded.status, headers: &headers, body: &body };
    let means = operation.interpret(&reply, &inputs, now_ms);
    let told = operation.provides.iter().zip(&means.values);
    let attributes: Map<String, Json> =
        told.filter_map(|(it, value)| Some((it.name.to_string(), fixtures::json(value.as_ref()?)))).collect();
    json!({ "outcome": means.class.name(), "attributes": attributes })
}

/// To the second, as people write it.
fn moment(now_ms: i64) -> String {
    let second = jiff::Timestamp::from_second(now_ms.div_euclid(1000));
    second.map_or_else(|_| "2026-01-01T00:00:00Z".to_owned(), |it| it.to_string())
}

/// An item of `tests`. JSON is YAML, so that nothing has to be quoted twice.
pub(super) fn yaml(fixture: &Json) -> String {
    let part = |name: &str| fixture.get(name).filter(|it| !it.is_null()).map(|it| format!("    {name}: {it}\n"));
    let parts: String =
        ["config", "input", "now", "expect_request", "response", "expect"].into_iter().filter_map(part).collect();
    format!("  - name: {}\n{parts}", fixture["name"])
}

/// Adds a fixture to a file whose last part is `tests`, if what comes of it is whole.
fn append(path: &Path, fixture: &Json) -> Result<(), Failed> {
    let refused = |why: String| Failed::because(Exit::Refused, why);
    let before = fs::read_to_string(path).map_err(|error| {
        let why = format!(
            "cannot read `{}`: {error}; `stepward connector add` copies what comes with Stepward",
            path.display()
        );
        Failed::because(Exit::CannotLoad, why)
    })?;
    let mut parts = before.lines().filter(|it| it.starts_with(|it: char| it.is_ascii_alphabetic()));
    let has_tests = parts.clone().any(|it| it.starts_with("tests:"));
    let is_last = parts.next_back().is_some_and(|it| it.trim_end() == "tests:");
    if has_tests && !is_last {
        return Err(refused(format!("`tests:` is not the last part of `{}`; put it there by hand", path.display())));
    }
    let end = if before.ends_with('\n') { "" } else { "\n" };
    let tests = if has_tests { "" } else { "tests:\n" };
    let after = format!("{before}{end}{tests}{}", yaml(fixture));
    let file: Arc<str> = path.display().to_string().into();
    let find = |id: &str| {
        let beside = path.parent()?.parent()?.join(id).join("connector.yaml");
        let own = fs::read_to_string(&beside).ok().map(|text| (Arc::from(beside.display().to_string()), text));
        own.or_else(|| Some((shipped::label(id), shipped::text(id)?.into_owned())))
    };
    let checked = Source::read(&file, &after, &find).and_then(|it| fixtures::check(&it, &Catalogue::builtin()));
    let passes = checked.is_ok_and(|it| it.cases.last().is_some_and(|it| it.problems.is_empty()));
    if !passes {
        return Err(refused(format!("`{file}` would not be whole with it; run without `--append` to see it")));
    }
    fs::write(path, after).map_err(|error| Failed::new(Exit::CannotLoad, error))
}
