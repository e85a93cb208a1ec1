//! `stepward connector list`

use serde_json::json;
use stepward_core::connector::Connector;

use crate::cli::{
    Came, Exit,
    connector::{All, Folder, Shape, document, read},
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
        let all = match read(&self.place.folder) {
            Ok(all) => all,
            Err(exit) => return Ok(exit),
        };
        let wanted = |it: &&Connector| self.capability.as_deref().is_none_or(|name| *name == *it.capability);
        let connectors: Vec<&Connector> = all.connectors.iter().filter(wanted).collect();
        match self.format {
            Shape::Human => human(&all, &connectors),
            Shape::Json => document(&told(&all, &connectors)),
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
            "attributes": it.provides.iter().map(|it| &it.name).collect::<Vec<_>>(),
            "fixtures": it.fixtures.len(), "routes": routes.collect::<Vec<_>>(),
        })
    });
    let routes = all.routes.iter().map(|it| {
        let members: Vec<_> = it.members.iter().map(|(id, _)| id).collect();
        json!({ "capability": it.capability, "connectors": members })
    });
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
            "{:ids$}  {:capabilities$}  {place:8}  {price}  sends {}  ({})",
            it.id,
            it.capability,
            if sends.is_empty() { "nothing" } else { &sends },
            it.name
        );
        say::data(&format!("{line}\n"));
    }
    for route in &all.routes {
        let members: Vec<_> = route.members.iter().map(|(id, _)| &**id).collect();
        say::data(&format!("{}: {}\n", route.capability, members.join(", then ")));
    }
}
