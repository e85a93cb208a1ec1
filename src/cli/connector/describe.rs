//! `stepward connector describe`

use std::{fs, sync::Arc};

use serde_json::{Value as Json, json};
use stepward_core::{
    connector::{
        Connector,
        document::{AuthKind, AuthPlace, Document, Network},
    },
    yaml,
};

use crate::{
    cli::{
        Came, Exit, Failed,
        connector::{NamedFolder, Shape, document, read},
        say,
    },
    vendors::fixtures,
};

/// What one connector sends, where, and what it tells.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Describe {
    /// Its id
    id: String,
    #[command(flatten)]
    place: NamedFolder,
    /// Shape of the answer
    #[arg(short, long, default_value = "human")]
    format: Shape,
}

impl Describe {
    pub(super) fn run(self) -> Came {
        let all = match read(&self.place.folder) {
            Ok(all) => all,
            Err(exit) => return Ok(exit),
        };
        let connector = all.find(&self.id)?;
        let path = self.place.folder.join(&self.id).join("connector.yaml");
        let file: Arc<str> = path.display().to_string().into();
        let text = fs::read_to_string(&path).map_err(|error| Failed::new(Exit::CannotLoad, error))?;
        let parsed: Document = yaml::parse(&file, &text)
            .map_err(|_| Failed::because(Exit::CannotLoad, format!("`{file}` has changed meanwhile")))?;
        let told = told(connector, &parsed, &all.places(&self.id));
        match self.format {
            Shape::Human => say::data(&human(&told)),
            Shape::Json => document(&told),
        }
        Ok(Exit::Ok)
    }
}

fn told(connector: &Connector, file: &Document, places: &[(&str, usize, usize)]) -> Json {
    let routes = places.iter().map(|(capability, at, of)| json!({ "capability": capability, "place": at, "of": of }));
    let inputs = file.inputs.iter().map(|(name, input)| {
        let skip_when = input.skip_when.as_ref().map(|it| &it.value);
        json!({ "input": name, "required": input.required, "skip_when": skip_when })
    });
    let secrets: Vec<_> = file
        .secrets
        .iter()
        .map(|(name, it)| json!({ "secret": format!("{}.{name}", connector.id), "about": it.about }))
        .collect();
    let config: Vec<_> = file
        .config
        .iter()
        .map(|(name, it)| json!({ "setting": name, "default": it.default, "about": it.about }))
        .collect();
    let attributes = connector.provides.iter().map(|it| {
        let from = file.operations.lookup.response.map.get(&*it.name).map(|it| &it.value);
        json!({ "attribute": it.name, "type": it.kind.to_string(), "from": from, "meaning": it.meaning })
    });
    let checked = fixtures::check(connector);
    let fixtures = connector.fixtures.iter().zip(&checked.cases).map(|(fixture, case)| {
        let outcome = format!("{:?}", fixture.expect.outcome).to_lowercase();
        json!({ "name": fixture.name, "outcome": outcome, "passes": case.problems.is_empty() })
    });
    let example = connector.fixtures.iter().find_map(|fixture| fixtures::prepared(connector, fixture));
    json!({
        "schema": "stepward.connector/1",
        "connector": connector.id,
        "name": connector.name,
        "about": file.about,
        "docs": file.docs,
        "capability": connector.capability,
        "routes": routes.collect::<Vec<_>>(),
        "calls": {
            "origin": connector.origin.to_string(),
            "network": match connector.network { Network::Internet => "internet", Network::Internal => "internal" },
            "auth": auth(file),
            "timeout_ms": connector.timeout_ms,
            "body_bytes_max": connector.body_bytes_max,
            "example": example.map(|it| format!("{} {}", it.method.name(), it.url)),
        },
        "sends": connector.sends,
        "regions": file.data.regions,
        "inputs": inputs.collect::<Vec<_>>(),
        "secrets": secrets,
        "config": config,
        "attributes": attributes.collect::<Vec<_>>(),
        "cache": { "ttl_ms": connector.ttl_ms, "negative_ttl_ms": connector.negative_ttl_ms },
        "price": file.price.unwrap_or(0.0),
        "fixtures": fixtures.collect::<Vec<_>>(),
    })
}

fn auth(file: &Document) -> String {
    let Some(auth) = &file.auth else { return "none".to_owned() };
    match (auth.kind, auth.place, &auth.name) {
        (AuthKind::None, ..) => "none".to_owned(),
        (AuthKind::Bearer, ..) => "a bearer token".to_owned(),
        (AuthKind::Basic, ..) => "name and password (basic)".to_owned(),
        (AuthKind::ApiKey, Some(AuthPlace::Query), Some(name)) => format!("a key in the query parameter `{name}`"),
        (AuthKind::ApiKey, Some(AuthPlace::Header), Some(name)) => format!("a key in the header `{name}`"),
        (AuthKind::ApiKey, ..) => "a key".to_owned(),
    }
}

/// The same for people, line by line.
fn human(told: &Json) -> String {
    let word = |value: &Json| match value {
        Json::String(text) => text.clone(),
        Json::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let list = |value: &Json| match value.as_array().map(Vec::as_slice) {
        Some([]) | None => "nothing".to_owned(),
        Some(items) => items.iter().map(word).collect::<Vec<_>>().join(", "),
    };
    let rows = |name: &str, line: &dyn Fn(&Json) -> String| -> String {
        told[name].as_array().into_iter().flatten().map(|it| format!("    {}\n", line(it))).collect()
    };
    let seconds = |value: &Json| match value.as_u64() {
        Some(0) | None => "not at all".to_owned(),
        Some(ms) => format!("{} s", ms / 1000),
    };
    let calls = &told["calls"];
    let price = told["price"].as_f64().filter(|it| *it > 0.0).map_or("free".to_owned(), |it| format!("{it} a call"));
    let routes = match told["routes"].as_array().map(Vec::as_slice) {
        Some([]) | None => "on no route".to_owned(),
        Some(routes) => {
            let place =
                |it: &Json| format!("{} of {} on the route `{}`", it["place"], it["of"], word(&it["capability"]));
            routes.iter().map(place).collect::<Vec<_>>().join(", ")
        }
    };
    let mut text = format!("{} ({})\n", word(&told["connector"]), word(&told["name"]));
    let mut row = |name: &str, value: &str| text.push_str(&format!("  {name:<11}{value}\n"));
    row("about", &word(&told["about"]));
    row("docs", &word(&told["docs"]));
    row("serves", &format!("{}, {routes}", word(&told["capability"])));
    row(
        "calls",
        &format!("{} ({} network), within {} ms", word(&calls["origin"]), word(&calls["network"]), calls["timeout_ms"]),
    );
    row("for example", &format!(" {}", word(&calls["example"])));
    row("auth", &word(&calls["auth"]));
    row("sends", &format!("{} to {}", list(&told["sends"]), list(&told["regions"])));
    row("price", &price);
    row(
        "kept",
        &format!("{}; not found: {}", seconds(&told["cache"]["ttl_ms"]), seconds(&told["cache"]["negative_ttl_ms"])),
    );
    text.push_str("  inputs\n");
    text.push_str(&rows("inputs", &|it| {
        let required = if it["required"] == true { ", required" } else { "" };
        let skip = it["skip_when"].as_str().map(|it| format!(", not asked when {it}")).unwrap_or_default();
        format!("{}{required}{skip}", word(&it["input"]))
    }));
    text.push_str("  secrets\n");
    text.push_str(&rows("secrets", &|it| format!("{}  {}", word(&it["secret"]), word(&it["about"]))));
    text.push_str("  attributes\n");
    text.push_str(&rows("attributes", &|it| {
        format!("{} ({})  from {}", word(&it["attribute"]), word(&it["type"]), word(&it["from"]))
    }));
    text.push_str("  fixtures\n");
    text.push_str(&rows("fixtures", &|it| {
        let passes = if it["passes"] == true { "" } else { ", FAILS" };
        format!("{} ({}{passes})", word(&it["name"]), word(&it["outcome"]))
    }));
    text
}
