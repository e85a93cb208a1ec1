//! `docs/reference`: made from the catalogue, the schemas, the closed lists and the command line.
//!
//! `BLESS=1 cargo test --test it docs::reference` writes the pages anew.

use std::{collections::BTreeMap, fmt::Write, fs, sync::Arc, time::Duration};

use clap::CommandFactory;
use stepward::{
    cli::Arguments,
    registry::METHODS_BUILT,
    settings,
    telemetry::{self, ChallengeResult, Log, Metrics, SignalOutcome, Snapshots},
};
use stepward_core::{
    attribute::{self, Attribute, Catalogue, Cost},
    connector, decision,
    policy::Mode,
    schema,
    session::Method,
    trial,
};

use super::root;

mod keys;

const MADE: &str = "<!-- Made from the code by `BLESS=1 cargo test --test it docs::reference`; do not edit. -->\n\n";
/// What the gateway reads from the operator's GeoIP databases.
const FROM_GEO: [&str; 9] = [
    "ip.country",
    "ip.region",
    "ip.city",
    "ip.timezone",
    "ip.latitude",
    "ip.longitude",
    "ip.accuracy_km",
    "ip.asn",
    "ip.as_org",
];

/// Told by the gateway itself, from its own state or the operator's lists.
const OWN: [&str; 6] =
    ["device.age_days", "device.is_listed", "device.lists", "subject.age_days", "subject.is_listed", "subject.lists"];

#[test]
fn the_reference_is_what_the_code_says() {
    let mut stale = Vec::new();
    for (name, text) in [
        ("attributes.md", attributes()),
        ("policy.md", policy()),
        ("settings.md", settings_page()),
        ("connectors.md", connectors()),
        ("reasons.md", reasons()),
        ("commands.md", commands()),
        ("metrics.md", metrics()),
    ] {
        let (path, text) = (root().join("docs/reference").join(name), format!("{MADE}{}\n", text.trim_end()));
        if std::env::var_os("BLESS").is_some() {
            fs::write(&path, &text).unwrap();
        }
        if fs::read_to_string(&path).ok().as_deref() != Some(&*text) {
            stale.push(name);
        }
    }
    assert!(stale.is_empty(), "stale: {stale:?}; `BLESS=1 cargo test --test it docs::reference` writes them anew");
}

fn attributes() -> String {
    let mut groups: BTreeMap<&str, Vec<&Attribute>> = BTreeMap::new();
    let catalogue = Catalogue::builtin();
    for it in catalogue.all() {
        groups.entry(it.name.split('.').next().unwrap()).or_default().push(it);
    }
    let mut page = String::from(
        "# Attributes\n\n\
        Names that conditions can use, besides `event.<fact>`, `<fact>.is_known` of a fact with `remember`, and \
        `settings.<name>`. An attribute without a value is *unknown*, never false and never 0.\n\n\
        * **from**: `gateway` is there in every installation; `geo` with a database under `geo`; `vendor` only with a \
        connector that gives it, and unknown without one; `not built` is always unknown in this version.\n\
        * **cost**: `free` is known with the request, `cheap` is looked up or asked without a price, `paid` counts \
        against `budget.paid_calls`. A connector with a price makes what it gives `paid`.\n\
        * Attributes marked † hold personal data: records keep a pseudonym, or the network of an address.\n\n\
        ## Counters\n\n\
        `<whose>.<what>_<window>`, over a sliding window of 1 second to 30 days: `ip.failures_10m`.\n\n\
        | part | words |\n|---|---|\n\
        | whose | `subject`, `session`, `ip` (IPv6 by its /64), `device`, `pair` (account and address) |\n\
        | what | `tries`, `failures`, `successes` of this event; `subjects` seen by an `ip` or `device`; `ips` and \
        `devices` seen with a `subject`; `counted.<name>` raised by `count: <name>` in a rule |\n\
        | window | a whole number and `s`, `m`, `h` or `d` |\n\n\
        ## Raw data of a vendor\n\n\
        `raw.<connector>.<path>` is what a connector's answer holds in the vendor's own terms, where its `raw` keeps it; `_` stands for each `-` of the id.\n",
    );
    for (group, members) in groups {
        writeln!(page, "\n## {group}\n\n| name | type | from | cost | meaning |\n|---|---|---|---|---|").unwrap();
        for it in members {
            writeln!(
                page,
                "| `{}`{} | {} | {} | {} | {} |",
                it.name,
                personal(it),
                kind(it),
                from(it),
                cost(it),
                it.meaning
            )
            .unwrap();
        }
    }
    page
}

fn personal(it: &Attribute) -> &'static str {
    if attribute::is_personal(&it.name) { " †" } else { "" }
}

fn kind(it: &Attribute) -> String {
    match (it.one_of.is_empty(), it.range) {
        (false, _) => it.one_of.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        (true, Some((low, high))) => format!("{}, {low} to {high}", it.kind),
        (true, None) => it.kind.to_string(),
    }
}

fn from(it: &Attribute) -> &'static str {
    let proof = it.name.strip_prefix("proof.").and_then(|rest| Method::named(rest.strip_suffix(".age")?));
    match proof {
        Some(method) if METHODS_BUILT.contains(&method) => "gateway",
        Some(_) => "not built",
        None if OWN.contains(&&*it.name) => "gateway",
        None if Catalogue::is_own(&it.name) => "gateway",
        None if FROM_GEO.contains(&&*it.name) => "geo, vendor",
        None => "vendor",
    }
}

fn cost(it: &Attribute) -> &'static str {
    match it.cost {
        Cost::Free => "free",
        Cost::Cheap => "cheap",
        Cost::Paid => "paid",
    }
}

fn policy() -> String {
    let mut page = String::from("# Keys of policies, flows and tests\n\n");
    page.push_str("`stepward schema event`, `flow` and `test` print the same as JSON Schema, for editors.\n");
    let mut told = keys::Told::default();
    page.push_str(&told.document("A policy", &schema::event()));
    page.push_str(&told.document("A flow", &schema::flow()));
    page.push_str(&told.document("Tests", &trial::schema().to_value()));
    page
}

fn settings_page() -> String {
    let mut page = String::from("# Keys of `stepward.yaml`\n\n");
    page.push_str("`stepward schema config` prints the same as JSON Schema. Paths are relative to the file. An unknown key is an error.\n");
    page.push_str(&keys::Told::default().document("The file", &settings::schema()));
    page
}

fn connectors() -> String {
    let mut page = String::from("# Keys of connectors and routes\n");
    let mut told = keys::Told::default();
    page.push_str(&told.document("connector.yaml", &schemars::schema_for!(connector::document::Document).to_value()));
    page.push_str(&told.document("A route", &schemars::schema_for!(connector::route::document::Document).to_value()));
    page
}

fn reasons() -> String {
    let schema = schemars::schema_for!(decision::Reason).to_value();
    let mut page = String::from(
        "# Reasons\n\nWhy a request was decided as it was: the `reason` of a line in the decision log, and what \
        `because` in a test may name. The list is closed. A user never sees a reason, only a message and a reference.\n\n\
        | code | meaning |\n|---|---|\n",
    );
    for it in schema["oneOf"].as_array().unwrap() {
        writeln!(page, "| `{}` | {} |", it["const"].as_str().unwrap(), it["description"].as_str().unwrap()).unwrap();
    }
    page
}

fn commands() -> String {
    let mut command = Arguments::command();
    command.build();
    let mut page = String::from(
        "# Commands\n\nExit codes: 0 fine, 1 findings, 2 usage, 3 cannot load, 4 cannot reach, 5 refused.\n",
    );
    help(&command, "stepward", &mut page);
    page
}

/// The help of every command that does something, in the order of `stepward help`.
fn help(command: &clap::Command, path: &str, page: &mut String) {
    for sub in command.get_subcommands().filter(|it| it.get_name() != "help") {
        let path = format!("{path} {}", sub.get_name());
        if sub.has_subcommands() {
            help(sub, &path, page);
            continue;
        }
        let mut plain = sub.clone().mut_args(|it| it.hide_env_values(true)).term_width(100);
        let help = plain.render_help().to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        write!(page, "\n## {path}\n\n```text\n{}\n```\n", help.join("\n").trim_end()).unwrap();
    }
}

/// Every number is there once something happened; its labels are those of what happened.
fn metrics() -> String {
    let numbers = Metrics::new();
    let name: Arc<str> = "…".into();
    numbers.decided(&name, decision::Verb::Forward, Mode::Enforce, Duration::ZERO);
    numbers.signal(&name, SignalOutcome::Answered, Duration::ZERO);
    numbers.challenge(Method::Totp, ChallengeResult::Shown);
    numbers.refused(decision::Reason::Internal);
    numbers.snapshot(Snapshots::Used);
    numbers.dropped(Log::Decisions, 1);
    numbers.upstream(&name, 1, 0);
    numbers.unreachable(&name);
    let meter = numbers.vendors().meter(&name);
    meter.call("success", Duration::ZERO);
    meter.breaker(telemetry::vendors::BreakerState::Closed);
    meter.limited("rate");
    meter.hedged(telemetry::vendors::Hedged::Won);
    meter.paid(1);
    meter.shadowed(telemetry::vendors::Shadowed::Agreed);
    meter.delivered(1);
    meter.dropped("queue_full", 1);
    meter.feedback("told");
    numbers.vendors().readings(&name, "live");
    let text = numbers.text();
    let mut page = String::from(
        "# Metrics\n\n`/metrics` on the `health` address, in OpenMetrics text. Label values come from your policies and \
        connectors and from closed lists, never from a request.\n\n| name | kind | labels | meaning |\n|---|---|---|---|\n",
    );
    for line in text.lines().filter_map(|line| line.strip_prefix("# HELP ")) {
        let (name, meaning) = line.split_once(' ').unwrap();
        let kind = text.lines().find_map(|line| line.strip_prefix(&format!("# TYPE {name} "))).unwrap();
        let shown = if kind == "counter" { format!("{name}_total") } else { name.to_string() };
        writeln!(page, "| `{shown}` | {kind} | {} | {} |", labels(&text, name), meaning.trim_end_matches('.')).unwrap();
    }
    page
}

fn labels(text: &str, name: &str) -> String {
    let sample = text.lines().find(|line| line.starts_with(name) && line.contains('{'));
    let inside = sample.and_then(|line| line.split_once('{')?.1.split('}').next()).unwrap_or_default();
    let names = inside.split(',').filter_map(|pair| pair.split_once('=')).map(|(name, _)| name);
    names.filter(|it| *it != "le").map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")
}
