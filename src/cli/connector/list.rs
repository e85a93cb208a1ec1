//! `stepward connector list`

use serde_json::json;
use stepward_core::connector::{Connector, Operation, route::Route};

use crate::cli::{
    Came, Exit,
    connector::{All, Folder, Shape, document},
    say,
};

/// What there is, and what serves which capability.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    place: Folder,
    /// Only what serves this capability
    #[arg(long)]
    capability: Option<String>,
    /// Shape of the answer
    #[arg(short, long, default_value = "human")]
    format: Shape,
}

impl List {
    pub(super) fn run(self) -> Came {
        let all = match self.place.read() {
            Ok(all) => all,
            Err(exit) => return Ok(exit),
        };
        let wanted = |it: &&Connector| self.capability.as_deref().is_none_or(|name| serves(it, name));
        let connectors: Vec<&Connector> = all.connectors.iter().filter(wanted).collect();
        match self.format {
            Shape::Human => human(&all, &connectors),
            Shape::Json => document(&told(&all, &connectors)),
        }
        if connectors.is_empty() && self.capability.is_some() {
            say::talk("nothing serves this capability here; `stepward connector list --shipped` tells what there is");
            return Ok(Exit::Findings);
        }
        Ok(Exit::Ok)
    }
}

fn told(all: &All, connectors: &[&Connector]) -> serde_json::Value {
    let connectors = connectors.iter().map(|it| {
        let routes = all
            .places(&it.id)
            .into_iter()
            .map(|(capability, at, of)| json!({ "capability": capability, "place": at, "of": of }));
        json!({
            "connector": it.id, "name": it.name, "capability": it.capability, "paid": it.is_paid, "sends": it.sends,
            "attributes": it.provides().iter().map(|it| &it.name).collect::<Vec<_>>(),
            "operations": operations(it), "docs": it.docs, "also_provides": it.also_provides,
            "fixtures": it.fixtures.len(), "routes": routes.collect::<Vec<_>>(),
        })
    });
    let routes = all.routes.iter().map(Route::summary);
    json!({
        "schema": "stepward.connectors/1",
        "connectors": connectors.collect::<Vec<_>>(), "routes": routes.collect::<Vec<_>>(),
    })
}

fn human(all: &All, connectors: &[&Connector]) {
    let width = |of: fn(&Connector) -> usize| connectors.iter().map(|it| of(it)).max().unwrap_or(0);
    let (ids, capabilities) = (width(|it| it.id.len()), width(|it| it.capability.len()));
    for it in connectors {
        let place = match all.places(&it.id).first() {
            Some((_, at, of)) => format!("{at} of {of}"),
            None => "no route".to_owned(),
        };
        let (price, sends) = (if it.is_paid { "paid" } else { "free" }, it.sends.join(", "));
        let line = format!(
            "{:ids$}  {:capabilities$}  {place:8}  {price}  {}  sends {}  ({})",
            it.id,
            it.capability,
            it.operations.iter().map(|it| shown(it)).collect::<Vec<_>>().join(", "),
            if sends.is_empty() { "nothing" } else { &sends },
            it.name
        );
        say::data(&format!("{line}\n"));
    }
    all.routes.iter().for_each(|route| say::data(&format!("{}\n", route.summary())));
}

fn serves(connector: &Connector, capability: &str) -> bool {
    *connector.capability == *capability || connector.also_provides.iter().any(|it| **it == *capability)
}

/// Each operation's name and kind.
fn operations(connector: &Connector) -> Vec<serde_json::Value> {
    connector.operations.iter().map(|it| json!({ "operation": it.name, "kind": it.kind.name() })).collect()
}

/// The name of an operation, with its kind where that is another word.
fn shown(operation: &Operation) -> String {
    let kind = operation.kind.name();
    if *operation.name == *kind { kind.to_owned() } else { format!("{} ({kind})", operation.name) }
}
