//! JSON Schemas of the files that people write, for editors; the descriptions are the documentation of the types.
//! A schema knows less than `policy::compile`: it sees keys and forms, not names and types.

use serde_json::Value as Json;

use crate::{
    connector::{document, route},
    policy::document::{Event, Flow},
};

/// The schema of `policies/*.yaml` that begin with `event:`.
pub fn event() -> Json {
    schemars::schema_for!(Event).to_value()
}

/// The schema of `policies/*.yaml` that begin with `flow:`.
pub fn flow() -> Json {
    schemars::schema_for!(Flow).to_value()
}

/// The schema of `connectors/<id>/connector.yaml`.
pub fn connector() -> Json {
    schemars::schema_for!(document::Document).to_value()
}

/// The schema of `connectors/routes/<capability>.yaml`.
pub fn route() -> Json {
    schemars::schema_for!(route::document::Document).to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every property of every object, with the path to it.
    fn properties(schema: &Json, path: &str, found: &mut Vec<(String, Json)>) {
        match schema {
            Json::Object(fields) => {
                for (key, value) in fields {
                    if key == "properties" {
                        let properties = value.as_object().into_iter().flatten();
                        found.extend(properties.map(|(name, it)| (format!("{path}/{name}"), it.clone())));
                    }
                    properties(value, &format!("{path}/{key}"), found);
                }
            }
            Json::Array(items) => items.iter().for_each(|item| properties(item, path, found)),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }

    #[test]
    fn every_key_explains_itself_to_an_editor() {
        for schema in [event(), flow()] {
            let mut found = Vec::new();
            properties(&schema, "", &mut found);
            assert!(found.len() > 20, "{} keys", found.len());
            let silent =
                |it: &Json| it.get("description").is_none() && it.get("$ref").is_none() && it.get("anyOf").is_none();
            let silent: Vec<&str> = found.iter().filter(|(_, it)| silent(it)).map(|(path, _)| path.as_str()).collect();
            assert!(silent.is_empty(), "without a description: {silent:?}");
        }
    }

    #[test]
    fn keys_that_do_not_exist_are_underlined() {
        let schema = event();
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["$defs"]["Forward"]["additionalProperties"], false);
        let steps = schema["$defs"]["Step"]["anyOf"].as_array().unwrap();
        assert_eq!(steps.len(), 5);
        assert!(steps.iter().all(|step| step["additionalProperties"] == false), "{steps:?}");
        assert_eq!(steps[0]["required"][0], "decide", "the first key says what it is");
    }
}
