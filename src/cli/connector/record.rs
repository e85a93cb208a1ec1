//! `stepward connector record`

use std::{fs, path::Path, sync::Arc};

use serde_json::{Value as Json, json};
use stepward_core::{
    attribute::Catalogue,
    connector::{Connector, compile},
};

use crate::{
    cli::{
        Came, Exit, Failed,
        connector::{Shape, document, inputs, live, scrub::Scrubber},
        say,
    },
    vendors::{fixtures, single::Called},
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
        let opened = match self.live.open() {
            Ok(opened) => opened,
            Err(came) => return came,
        };
        let connector = opened.all.find(&self.id)?;
        let caller = opened.caller(&self.id)?;
        let called = live::runtime()?.block_on(live::ask(&caller, &self.id, &given))?;
        let fixture = fixture(connector, &self.name, &called, Scrubber::of(caller.secrets(), &called.inputs))
            .map_err(|why| Failed::because(Exit::CannotReach, format!("`{}`: {why}", self.id)))?;
        say::talk(&format!("{} in {} ms", called.interpreted.class.name(), called.took.as_millis()));
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

/// The fixture of a call; its expectation is what the scrubbed answer comes to.
fn fixture(connector: &Connector, name: &str, called: &Called, mut scrubber: Scrubber) -> Result<Json, &'static str> {
    let answer = called.answer.as_ref().map_err(|why| *why)?;
    let inputs = scrubber.inputs(&called.inputs);
    let (key, body) = match serde_json::from_slice::<Json>(&answer.body) {
        Ok(json) => ("body", scrubber.json(&json)),
        Err(_) => ("text", Json::String(scrubber.text(&String::from_utf8_lossy(&answer.body)))),
    };
    let bytes = match &body {
        Json::String(text) if key == "text" => text.clone().into_bytes(),
        json => json.to_string().into_bytes(),
    };
    let means = connector.interpret(answer.status, &bytes, &inputs);
    let asked = connector.inputs(&inputs).and_then(|inputs| connector.prepare(&inputs, &fixtures::masked(connector)));
    let attributes: serde_json::Map<String, Json> = connector
        .provides
        .iter()
        .zip(&means.values)
        .filter_map(|(it, value)| Some((it.name.to_string(), fixtures::json(value.as_ref()?))))
        .collect();
    let input: serde_json::Map<String, Json> =
        inputs.iter().map(|(name, value)| (name.to_string(), Json::from(&**value))).collect();
    Ok(json!({
        "name": name,
        "input": input,
        "expect_request": asked.map(|it| json!({ "method": it.method.name(), "url": it.url })),
        "response": { "status": answer.status, key: body },
        "expect": { "outcome": means.class.name(), "attributes": attributes },
    }))
}

/// An item of `tests`. JSON is YAML, so that nothing has to be quoted twice.
pub(super) fn yaml(fixture: &Json) -> String {
    let part = |name: &str| fixture.get(name).filter(|it| !it.is_null()).map(|it| format!("    {name}: {it}\n"));
    let parts: String = ["input", "expect_request", "response", "expect"].into_iter().filter_map(part).collect();
    format!("  - name: {}\n{parts}", fixture["name"])
}

/// Adds a fixture to a file whose last part is `tests`, if what comes of it is whole.
fn append(path: &Path, fixture: &Json) -> Result<(), Failed> {
    let refused = |why: String| Failed::because(Exit::Refused, why);
    let before = fs::read_to_string(path).map_err(|error| Failed::new(Exit::CannotLoad, error))?;
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
    let compiled = compile::connector(&file, &after, &Catalogue::builtin());
    let passes = compiled.is_ok_and(|it| fixtures::check(&it).cases.last().is_some_and(|it| it.problems.is_empty()));
    if !passes {
        return Err(refused(format!("`{file}` would not be whole with it; run without `--append` to see it")));
    }
    fs::write(path, after).map_err(|error| Failed::new(Exit::CannotLoad, error))
}
