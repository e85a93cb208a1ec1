//! The connectors that come with Stepward: compiled into the binary, there by their id, and changed by nobody.
//!
//! None of them is loaded because it is there. A route that names one gets it, unless the folder of the operator has a
//! connector of the same id: then that one counts. What is written here is never written to a disk but by
//! `stepward connector add`.

use std::{borrow::Cow, collections::BTreeSet, path::Path, sync::Arc};

use serde_json::Value as Json;
use stepward_core::{connector::compile::source::Source, diagnostic::Diagnostic, yaml};

#[derive(rust_embed::RustEmbed)]
#[folder = "connectors"]
struct Files;

/// The ids of all of them, sorted.
pub fn ids() -> Vec<String> {
    let mut ids: Vec<String> =
        Files::iter().filter_map(|path| path.strip_suffix("/connector.yaml").map(str::to_owned)).collect();
    ids.sort_unstable();
    ids
}

/// The file of one of them, as it was written; `None` if there is none of this id.
pub fn text(id: &str) -> Option<Cow<'static, str>> {
    // An id is a folder's name, so it leads nowhere else.
    let file = Files::get(&format!("{id}/connector.yaml"))?;
    match file.data {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    }
}

/// All of them, and what is wrong with those that cannot be read.
pub fn sources() -> (Vec<Source>, Vec<Diagnostic>) {
    let (mut sources, mut faults) = (Vec::new(), Vec::new());
    for id in ids() {
        match source(&id) {
            Some(Ok(source)) => sources.push(source),
            Some(Err(found)) => faults.extend(found),
            None => {}
        }
    }
    (sources, faults)
}

/// One of them, read; `None` if there is none of this id.
pub fn source(id: &str) -> Option<Result<Source, Vec<Diagnostic>>> {
    let find = |id: &str| Some((label(id), text(id)?.into_owned()));
    Some(Source::read(&label(id), &text(id)?, &find))
}

/// How a shipped file is called in diagnostics.
pub fn label(id: &str) -> Arc<str> {
    format!("shipped/{id}/connector.yaml").into()
}

/// The shipped connectors that the routes of a folder name, without those for which `is_own` holds. A route that
/// cannot be read names none; whoever loads it says why.
pub fn named_by(routes: &Path, is_own: &dyn Fn(&str) -> bool) -> Vec<(String, Cow<'static, str>)> {
    let mut named = BTreeSet::new();
    let files = std::fs::read_dir(routes).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    for path in files.filter(|path| path.extension().is_some_and(|it| it == "yaml")) {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        if let Ok(document) = yaml::parse::<Json>(&path.display().to_string().into(), &text) {
            connectors_in(&document, &mut named);
        }
    }
    named.into_iter().filter(|id| !is_own(id)).filter_map(|id| text(&id).map(|text| (id, text))).collect()
}

/// Every id that stands after `connector:`, however deep: members, backups and shadows alike.
fn connectors_in(document: &Json, named: &mut BTreeSet<String>) {
    match document {
        Json::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Json::String(id) if name == "connector" => drop(named.insert(id.clone())),
                    other => connectors_in(other, named),
                }
            }
        }
        Json::Array(items) => items.iter().for_each(|item| connectors_in(item, named)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_by_id_and_by_nothing_else() {
        assert!(ids().contains(&"abuseipdb".to_owned()));
        assert!(text("abuseipdb").unwrap().contains("connector: abuseipdb"));
        for strange in ["", "nobody", "../Cargo", "routes", "abuseipdb/", "abuseipdb/connector.yaml"] {
            assert!(text(strange).is_none(), "{strange}");
        }
    }

    #[test]
    fn only_what_a_route_names_and_the_folder_has_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write(
            "ip_reputation.yaml",
            "connectors: [{ connector: abuseipdb }, { connector: mine }]\nshadow: { connector: ip-api }",
        );
        write("broken.yaml", "connectors: [");
        write("notes.txt", "connector: greynoise-v3");
        let named = |own: &str| -> Vec<String> {
            named_by(folder.path(), &|id| id == own).into_iter().map(|(id, _)| id).collect()
        };
        assert_eq!(named("mine"), ["abuseipdb", "ip-api"]);
        assert_eq!(named("abuseipdb"), ["ip-api"], "a connector of one's own wins");
        assert!(named_by(&folder.path().join("nowhere"), &|_| false).is_empty());
    }
}
