//! A JSON Schema as pages of keys: one table for each mapping, one line for each choice.

use std::{collections::BTreeSet, fmt::Write};

use serde_json::Value as Json;
use stepward::registry::METHODS_BUILT;
use stepward_core::session::Method;

/// A choice of so many words has a place of its own, where each is explained.
const WORDS_IN_A_CELL_MAX: usize = 6;

/// Which mappings were told on this page; of two with one name the first stands for both.
#[derive(Default)]
pub(super) struct Told(BTreeSet<String>);

impl Told {
    /// A file's own keys, then those of everything inside it.
    pub(super) fn document(&mut self, title: &str, schema: &Json) -> String {
        let mut page = String::new();
        write!(page, "\n## {title}\n\n{}\n", description(schema)).unwrap();
        table(&mut page, schema, schema);
        let mut waiting = referred(schema);
        while !waiting.is_empty() {
            let name = waiting.remove(0);
            let inner = &schema["$defs"][&name];
            if is_section(inner) && self.0.insert(name.clone()) {
                write!(page, "\n### {name}\n").unwrap();
                if !description(inner).is_empty() {
                    write!(page, "\n{}\n", description(inner)).unwrap();
                }
                section(&mut page, schema, inner);
                waiting.extend(referred(inner));
            }
        }
        page
    }
}

fn section(page: &mut String, root: &Json, schema: &Json) {
    let Some(choices) = choices(schema) else { return table(page, root, schema) };
    writeln!(page, "\nOne of:\n").unwrap();
    for choice in choices {
        match (choice.get("const"), choice["properties"].as_object()) {
            (Some(word), _) => writeln!(page, "* `{}`: {}{}", plain(word), description(choice), unbuilt(word)).unwrap(),
            (None, Some(keys)) if keys.len() == 1 => {
                let (key, inner) = keys.iter().next().unwrap();
                writeln!(page, "* `{key}:` {}: {}", takes(root, inner), description(choice)).unwrap();
            }
            (None, Some(_)) => {
                writeln!(page, "* **{}**: {}", choice["title"].as_str().unwrap_or("mapping"), description(choice))
                    .unwrap();
                let mut inner = String::new();
                table(&mut inner, root, choice);
                inner.lines().for_each(|line| writeln!(page, "{}", format!("  {line}").trim_end()).unwrap());
            }
            (None, None) => writeln!(page, "* {}{}", takes(root, choice), after_colon(choice)).unwrap(),
        }
    }
}

/// What is in the language, and cannot be run yet.
fn unbuilt(word: &Json) -> &'static str {
    match word.as_str().and_then(Method::named) {
        Some(method) if !METHODS_BUILT.contains(&method) => " *Not built yet: a policy that names it does not load.*",
        Some(_) | None => "",
    }
}

fn table(page: &mut String, root: &Json, schema: &Json) {
    let Some(keys) = schema["properties"].as_object() else { return };
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    writeln!(page, "\n| key | takes | meaning |\n|---|---|---|").unwrap();
    for (key, inner) in keys {
        let mut meaning = description(inner);
        if inner.get("not_built").is_some() {
            meaning = format!("*Not built yet.* {meaning}");
        }
        let is_required = required.contains(&key.as_str());
        match inner.get("default").filter(|it| !is_empty(it)) {
            _ if is_required => meaning.push_str(" **Required.**"),
            Some(default) => write!(meaning, " Default `{}`.", plain(default)).unwrap(),
            None => {}
        }
        writeln!(page, "| `{key}` | {} | {} |", takes(root, inner), meaning.trim()).unwrap();
    }
}

fn is_empty(default: &Json) -> bool {
    match default {
        Json::Null => true,
        Json::Array(items) => items.is_empty(),
        Json::Object(fields) => fields.is_empty(),
        Json::Bool(_) | Json::Number(_) | Json::String(_) => false,
    }
}

/// What may be written there, in words.
fn takes(root: &Json, schema: &Json) -> String {
    if let Some(name) = name(schema) {
        let inner = &root["$defs"][name];
        return match is_section(inner) {
            true => format!("[{name}](#{})", name.to_lowercase()),
            false => takes(root, inner),
        };
    }
    if let Some(either) = choices(schema) {
        let all: BTreeSet<_> = either.iter().filter(|it| it["type"] != "null").map(|it| takes(root, it)).collect();
        return either.iter().map(|it| takes(root, it)).filter(|it| all.contains(it)).collect::<Vec<_>>().join(", ");
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(|it| format!("`{}`", plain(it))).collect::<Vec<_>>().join(", ");
    }
    if let Some(word) = schema.get("const") {
        return format!("`{}`", plain(word));
    }
    match (kind(schema).as_str(), schema.get("pattern").and(schema.get("description")).and_then(Json::as_str)) {
        ("string", Some(how)) if how.starts_with("write ") => how.trim_start_matches("write ").to_string(),
        ("string", _) => schema["format"].as_str().map_or("text".into(), |format| format.replace('_', " and ")),
        ("integer", _) => "whole number".into(),
        ("boolean", _) => "`true` or `false`".into(),
        ("array", _) => format!("list of {}", takes(root, &schema["items"])),
        ("object", _) => match schema["additionalProperties"].is_object() {
            true => format!("mapping of names to {}", takes(root, &schema["additionalProperties"])),
            false => "mapping".into(),
        },
        ("", _) => "anything".into(),
        (other, _) => other.into(),
    }
}

fn kind(schema: &Json) -> String {
    match &schema["type"] {
        Json::String(kind) => kind.clone(),
        Json::Array(kinds) => {
            let kinds: Vec<&str> = kinds.iter().filter_map(Json::as_str).filter(|it| *it != "null").collect();
            kinds.join(" or ").replace("string", if kinds.len() > 1 { "text" } else { "string" })
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => String::new(),
    }
}

fn choices(schema: &Json) -> Option<&Vec<Json>> {
    schema["anyOf"].as_array().or(schema["oneOf"].as_array())
}

/// Worth a place of its own: a mapping, or a choice that holds one.
fn is_section(schema: &Json) -> bool {
    let holds_mapping = |it: &Json| it["properties"].is_object() || name(it).is_some();
    let stands_alone = |it: &Vec<Json>| it.len() > WORDS_IN_A_CELL_MAX || it.iter().any(holds_mapping);
    schema["properties"].is_object() || choices(schema).is_some_and(stands_alone)
}

fn name(schema: &Json) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix("#/$defs/")
}

/// Names of everything that a schema refers to, in the order of the text.
fn referred(schema: &Json) -> Vec<String> {
    let mut found: Vec<String> = name(schema).map(String::from).into_iter().collect();
    match schema {
        Json::Object(fields) => {
            found.extend(fields.iter().filter(|(key, _)| *key != "$defs").flat_map(|(_, inner)| referred(inner)));
        }
        Json::Array(items) => found.extend(items.iter().flat_map(referred)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
    found
}

fn description(schema: &Json) -> String {
    schema["description"].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|")
}

fn after_colon(schema: &Json) -> String {
    let description = description(schema);
    if description.is_empty() { description } else { format!(": {description}") }
}

fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), String::from)
}
