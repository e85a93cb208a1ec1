//! `stepward connector describe`

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use stepward_core::{
    attribute::Catalogue,
    connector::{
        Class, Connector, Operation,
        compile::source::Source,
        document::{
            Document, Maturity, Network,
            auth::{Auth, Place},
            operation::Kind,
            receive::{Proof, Verify},
        },
    },
    diagnostic::Diagnostic,
};

use crate::{
    cli::{
        Came, Exit,
        connector::{All, NamedFolder, Shape, document, unusable},
        say,
    },
    vendors::{fixtures, load::Given},
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
        let all = match All::with_shipped(&self.place.folder, &[&self.id], &Given::new()) {
            Ok(all) => all,
            Err(exit) => return Ok(exit),
        };
        let (source, _) = all.find(&self.id)?;
        let told = match told(source, &all.places(&self.id)) {
            Ok(told) => told,
            Err(found) => return Ok(unusable(&found, &self.place.folder)),
        };
        match self.format {
            Shape::Human => say::data(&human(&told)),
            Shape::Json => document(&told),
        }
        Ok(Exit::Ok)
    }
}

fn told(source: &Source, places: &[(&str, usize, usize)]) -> Result<Json, Vec<Diagnostic>> {
    let (catalogue, file) = (Catalogue::builtin(), source.document());
    let (connector, _) = fixtures::stand_in(source, &catalogue, &Default::default())?;
    let routes = places.iter().map(|(capability, at, of)| json!({ "capability": capability, "place": at, "of": of }));
    let inputs = file.inputs.iter().map(|(name, input)| {
        let skip_when = input.skip_when.as_ref().map(|it| &it.value);
        json!({ "input": name, "required": input.required, "skip_when": skip_when })
    });
    let secrets: Vec<_> = file
        .secrets
        .iter()
        .map(|(name, it)| {
            json!({ "secret": format!("{}.{name}", connector.id), "required": it.required, "about": it.about })
        })
        .collect();
    let config: Vec<_> = file
        .config
        .iter()
        .map(|(name, it)| {
            let setting = format!("{}.{name}", connector.id);
            json!({ "setting": setting, "default": it.default, "required": it.required, "about": it.about })
        })
        .collect();
    let checked = fixtures::check(source, &catalogue)?;
    let fixtures = connector.fixtures.iter().zip(&checked.cases).map(|(fixture, case)| {
        let outcome = fixture.expect.outcome.class().map_or("skipped", Class::name);
        let operation = fixtures::operation(&connector, fixture).map(|it| &it.name);
        json!({ "name": fixture.name, "operation": operation, "outcome": outcome, "passes": case.problems.is_empty() })
    });
    let operations: Vec<_> = connector.operations.iter().map(|it| operation(&connector, file, it)).collect();
    Ok(json!({
        "schema": "stepward.connector/1",
        "connector": connector.id,
        "name": connector.name,
        "about": connector.about,
        "docs": connector.docs,
        "maturity": file.maturity.map(maturity),
        "capability": connector.capability,
        "also_provides": connector.also_provides,
        "routes": routes.collect::<Vec<_>>(),
        "network": match connector.network { Network::Internet => "internet", Network::Internal => "internal" },
        "operations": operations,
        "sends": connector.sends,
        "receives": connector.receives,
        "regions": connector.regions,
        "inputs": inputs.collect::<Vec<_>>(),
        "secrets": secrets,
        "config": config,
        "price": file.price.unwrap_or(0.0),
        "paid": connector.is_paid,
        "fixtures": fixtures.collect::<Vec<_>>(),
    }))
}

fn operation(connector: &Connector, file: &Document, it: &Operation) -> Json {
    let written = file.operations.get(&*it.name);
    let auth = written.and_then(|it| it.auth.as_ref()).or(file.auth.as_ref());
    let auth = auth.map(|ways| ways.0.iter().map(way).collect::<Vec<_>>()).unwrap_or_default();
    let hears = written.and_then(|it| it.receive.as_ref()).filter(|_| it.kind == Kind::Inbound);
    let (origin, auth) = match hears {
        // It calls nobody: the vendor does, and proves itself.
        Some(receive) => (format!("/.stepward/inbound/{}", connector.id), vec![proof(&receive.verify)]),
        None => (it.origin().map_or_else(|| "data in memory".to_owned(), ToString::to_string), auth),
    };
    let expressions: BTreeMap<_, _> = it.mapping().map(|(name, expression)| (name, expression.text())).collect();
    let attributes = it.provides.iter().map(|it| {
        let from = expressions.get(&it.name);
        json!({ "attribute": it.name, "type": it.kind.to_string(), "from": from, "meaning": it.meaning })
    });
    let fixtures = connector.fixtures.iter();
    let mine = fixtures.filter(|fixture| fixtures::operation(connector, fixture).is_some_and(|of| of.name == it.name));
    let example = mine.filter_map(|fixture| fixtures::prepared(connector, fixture)).next();
    json!({
        "operation": it.name,
        "kind": it.kind.name(),
        "origin": origin,
        "auth": auth,
        "timeout_ms": it.timeout_ms,
        "body_bytes_max": it.body_bytes_max,
        "cache": { "ttl_ms": it.cache.ttl_ms, "negative_ttl_ms": it.cache.negative_ttl_ms },
        "example": example.map(|it| format!("{} {}", it.method.name(), it.url)),
        "attributes": attributes.collect::<Vec<_>>(),
    })
}

fn maturity(maturity: Maturity) -> &'static str {
    match maturity {
        Maturity::Live => "live: the vendor itself was called",
        Maturity::Documented => "documented: made from the vendor's own documents, no live call",
        Maturity::Secondary => "secondary: made from others' descriptions, no live call",
        Maturity::Experimental => "experimental: parts are from memory, no live call",
        Maturity::BuiltIn => "built in: Stepward's own",
    }
}

/// How the vendor proves that a message is its own.
fn proof(verify: &Verify) -> String {
    let header = verify.header.as_ref().map_or("Authorization", |it| it.value.as_str());
    match verify.kind {
        Proof::Hmac => format!("a keyed hash in the header `{header}`"),
        Proof::Basic => "name and password (basic)".to_owned(),
        Proof::Token => format!("a token in the header `{header}`"),
    }
}

fn way(auth: &Auth) -> String {
    match auth {
        Auth::None => "none".to_owned(),
        Auth::ApiKey(key) => match key.place {
            Place::Header => format!("a key in the header `{}`", key.name.value),
            Place::Query => format!("a key in the query parameter `{}`", key.name.value),
            Place::Basic => "a key as basic credentials".to_owned(),
            Place::Body => format!("a key in the field `{}` of the body", key.name.value),
        },
        Auth::Basic(_) => "name and password (basic)".to_owned(),
        Auth::Bearer(_) => "a bearer token".to_owned(),
        Auth::Oauth2ClientCredentials(_) => "a token got with client credentials (OAuth 2)".to_owned(),
        Auth::Oauth2JwtBearer(_) => "a token got with a signed assertion (OAuth 2, RFC 7523)".to_owned(),
        Auth::SessionToken(_) => "a token got by logging in".to_owned(),
        Auth::Hmac(_) => "a keyed hash over the request".to_owned(),
        Auth::AwsSigv4(_) => "AWS Signature Version 4".to_owned(),
        Auth::HttpMessageSignature(_) => "an HTTP message signature (RFC 9421)".to_owned(),
        Auth::Mtls(_) => "a client certificate".to_owned(),
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
    let price = told["price"].as_f64().filter(|it| *it > 0.0).map(|it| format!("{it} a call"));
    let price = price.unwrap_or_else(|| if told["paid"] == true { "paid" } else { "free" }.to_owned());
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
    row("verified", &word(&told["maturity"]));
    row("network", &word(&told["network"]));
    row("sends", &format!("{} to {}", list(&told["sends"]), list(&told["regions"])));
    row("price", &price);
    text.push_str("  inputs\n");
    text.push_str(&rows("inputs", &|it| {
        let required = if it["required"] == true { ", required" } else { "" };
        let skip = it["skip_when"].as_str().map(|it| format!(", not asked when {it}")).unwrap_or_default();
        format!("{}{required}{skip}", word(&it["input"]))
    }));
    text.push_str("  secrets\n");
    text.push_str(&rows("secrets", &|it| format!("{}  {}", word(&it["secret"]), word(&it["about"]))));
    text.push_str("  settings\n");
    text.push_str(&rows("config", &|it| {
        let default = if it["required"] == true { "required".to_owned() } else { word(&it["default"]) };
        format!("{}: {default}  {}", word(&it["setting"]), word(&it["about"]))
    }));
    for it in told["operations"].as_array().into_iter().flatten() {
        text.push_str(&format!("  operation {} ({})\n", word(&it["operation"]), word(&it["kind"])));
        let mut row = |name: &str, value: &str| text.push_str(&format!("    {name:<13}{value}\n"));
        let auth =
            if it["auth"].as_array().is_some_and(|it| it.is_empty()) { "none".to_owned() } else { list(&it["auth"]) };
        match it["kind"] == Kind::Inbound.name() {
            true => row("hears", &format!("POST {} on your app's own address", word(&it["origin"]))),
            false => {
                row("calls", &format!("{}, within {} ms", word(&it["origin"]), it["timeout_ms"]));
                row("for example", &word(&it["example"]));
            }
        }
        row("auth", &auth);
        if it["kind"] == Kind::Lookup.name() {
            let cache = &it["cache"];
            row("kept", &format!("{}; not found: {}", seconds(&cache["ttl_ms"]), seconds(&cache["negative_ttl_ms"])));
        }
        for told in it["attributes"].as_array().into_iter().flatten() {
            let (name, kind, from) = (word(&told["attribute"]), word(&told["type"]), word(&told["from"]));
            row("tells", &format!("{name} ({kind})  from {from}"));
        }
    }
    text.push_str("  fixtures\n");
    text.push_str(&rows("fixtures", &|it| {
        let passes = if it["passes"] == true { "" } else { ", FAILS" };
        format!("{} ({}: {}{passes})", word(&it["name"]), word(&it["operation"]), word(&it["outcome"]))
    }));
    text
}
