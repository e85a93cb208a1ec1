//! `docs/reference/connector-catalogue.md` and the table in the README: made from the files, and held to them.
//!
//! `BLESS=1 cargo test --test it shipped::page` writes both anew.

use std::{collections::BTreeMap, fmt::Write, fs};

use stepward_core::connector::document::{Document, Maturity, auth::Auth};

use super::{ALL, capability, root};

const MADE: &str = "<!-- Made from `connectors/` by `BLESS=1 cargo test --test it shipped::page`; do not edit. -->\n\n";
const OPEN: &str = "<!-- connectors: made by `BLESS=1 cargo test --test it shipped::page` -->\n";
const CLOSE: &str = "<!-- /connectors -->\n";

/// What a capability is about, in the order of the page.
const CAPABILITIES: [(&str, &str); 20] = [
    ("ip_reputation", "how risky an address is, and what hides behind it"),
    ("ip_geo", "where an address is, and whose network it is in"),
    ("email_risk", "whether an e-mail address is real, fresh, thrown away or abused"),
    ("phone_intel", "what kind of number it is, and whether its SIM was swapped"),
    ("breach_account", "whether an account was in a breach"),
    ("breach_password", "whether a password was in a breach, asked without telling it"),
    ("device_intel", "which device it is, and what it hides"),
    ("bot_verify", "whether a CAPTCHA was solved or a bot is at work"),
    ("behavior", "whether it is the same person at the keyboard"),
    ("fraud_score", "how likely an action is fraud"),
    ("idv", "whether a person is who their document says"),
    ("sanctions", "whether a person is on a list"),
    ("idp_risk", "what the identity provider thinks of a user"),
    ("nhi_risk", "what it thinks of a service or agent"),
    ("device_posture", "whether a device is managed and sound"),
    ("otp", "sends and checks codes"),
    ("push_mfa", "asks a person by push"),
    ("authz", "whether a policy elsewhere allows it"),
    ("event_sink", "where decisions and events go"),
    ("event_source", "who tells us what happened elsewhere"),
];

#[test]
fn the_catalogue_page_is_what_the_files_say() {
    let page = format!("{MADE}{}\n", page().trim_end());
    let path = root().join("docs/reference/connector-catalogue.md");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert_eq!(
        fs::read_to_string(path).ok().as_deref(),
        Some(&*page),
        "stale: `BLESS=1 cargo test --test it shipped::page` writes it anew"
    );
}

#[test]
fn the_readme_counts_what_there_is() {
    let path = root().join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(OPEN).unwrap();
    let (_, after) = rest.split_once(CLOSE).unwrap();
    let wanted = format!("{before}{OPEN}{}{CLOSE}{after}", counts());
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        wanted,
        "stale: `BLESS=1 cargo test --test it shipped::page` writes it anew"
    );
}

#[test]
fn every_capability_of_a_file_is_explained() {
    for (id, _, document, _) in ALL.iter() {
        let known = |name: &str| CAPABILITIES.iter().any(|(it, _)| *it == name);
        assert!(known(capability(document)), "{id}");
        assert!(document.also_provides.iter().all(|it| known(&it.value)), "{id}");
    }
}

fn grouped() -> BTreeMap<String, Vec<&'static Document>> {
    let mut groups: BTreeMap<String, Vec<&Document>> = BTreeMap::new();
    for (_, _, document, _) in ALL.iter() {
        groups.entry(capability(document).to_owned()).or_default().push(document);
    }
    groups
}

fn counts() -> String {
    let groups = grouped();
    let total: usize = groups.values().map(Vec::len).sum();
    let mut table =
        format!("{total} connectors for {} capabilities, each with recorded answers to test it by:\n\n", groups.len());
    table.push_str("| capability | what it tells | connectors |\n|---|---|---:|\n");
    for (name, about) in CAPABILITIES {
        if let Some(group) = groups.get(name) {
            writeln!(table, "| `{name}` | {about} | {} |", group.len()).unwrap();
        }
    }
    table
}

fn page() -> String {
    let groups = grouped();
    let total: usize = groups.values().map(Vec::len).sum();
    let mut page = format!(
        "# Connectors that come with Stepward\n\n\
        {total} connectors for {} capabilities. They are in the binary: a route names one by its id, and nothing else is \
        loaded. `stepward connector add <id>` copies a file to change it.\n\n\
        No live call was made with any of them. What a file rests on:\n\n\
        * **documented**: the vendor's own documentation, specification or SDK was read.\n\
        * **secondary**: other people's integrations were read.\n\
        * **experimental**: parts are from memory.\n\n\
        What was read, and what is from memory, is under `evidence` in each file. Try a connector with your own account \
        before a policy relies on it.\n",
        groups.len()
    );
    for (name, about) in CAPABILITIES {
        let Some(group) = groups.get(name) else { continue };
        writeln!(page, "\n## {name}\n\n{}.\n", capitalised(about)).unwrap();
        page.push_str("| id | name | rests on | key | sends | tells |\n|---|---|---|---|---|---|\n");
        for it in group {
            page.push_str(&row(it));
        }
    }
    page.push_str(
        "\n## What needs no connector\n\n\
        * **Shared Signals** (CAEP, RISC): an identity provider pushes security events to `/ssf/events`; see \
        [security events](../guides/security-events.md).\n\
        * **ALTCHA**: its proof of work is the method `pow`, which is built in, asks no script of others and uses each \
        answer up. An app that shows the widget itself checks its payload itself: it is good once.\n",
    );
    page
}

fn row(document: &Document) -> String {
    let (id, docs) = (&document.connector.value, document.docs.as_deref().unwrap());
    let sends =
        document.data.iter().flat_map(|it| &it.sends).map(|it| it.value.as_str()).collect::<Vec<_>>().join(", ");
    let mut tells: Vec<&str> =
        document.operations.values().flat_map(|it| it.response.map.keys()).map(String::as_str).collect();
    tells.dedup();
    let tells = tells.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(" ");
    let nothing = |text: String| if text.is_empty() { "nothing".to_owned() } else { text };
    format!(
        "| [{id}](../../connectors/{id}/connector.yaml) | [{}]({docs}) | {} | {} | {} | {tells} |\n",
        document.name.as_deref().unwrap(),
        maturity(document.maturity.unwrap()),
        auth(document),
        nothing(sends),
    )
}

fn maturity(maturity: Maturity) -> &'static str {
    match maturity {
        Maturity::Live => "live",
        Maturity::Documented => "documented",
        Maturity::Secondary => "secondary",
        Maturity::Experimental => "experimental",
        Maturity::BuiltIn => "our own",
    }
}

fn auth(document: &Document) -> String {
    let ways = document.auth.as_ref().map(|it| it.value.0.as_slice()).unwrap_or_default();
    let names: Vec<_> = ways
        .iter()
        .map(|way| match way {
            Auth::None => "none",
            Auth::ApiKey(_) => "key",
            Auth::Basic(_) => "basic",
            Auth::Bearer(_) => "bearer",
            Auth::Oauth2ClientCredentials(_) => "OAuth 2 client",
            Auth::Oauth2JwtBearer(_) => "OAuth 2 assertion",
            Auth::SessionToken(_) => "log-in",
            Auth::Hmac(_) => "HMAC",
            Auth::AwsSigv4(_) => "AWS SigV4",
            Auth::HttpMessageSignature(_) => "RFC 9421",
            Auth::Mtls(_) => "mTLS",
        })
        .collect();
    match (names.is_empty(), document.secrets.is_empty()) {
        (true, true) => "none".to_owned(),
        (true, false) => "key in the request".to_owned(),
        (false, _) => names.join(" + "),
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().collect::<String>() + letters.as_str())
}
