//! A sample of what a schema of an OpenAPI document describes: its own examples where there are any, else the first value
//! that fits. References inside the document are followed, to a depth, so that what refers to itself ends.

use serde_json::{Map, Value as Json, json};

/// How deep samples go.
const DEPTH_MAX: usize = 8;

/// How many references in a row are followed.
const REFERENCES_MAX: usize = 16;

/// What a value stands for: itself, or what its `$ref` names in this document.
pub(super) fn resolved<'a>(api: &'a Json, json: &'a Json) -> &'a Json {
    let mut found = json;
    for _ in 0..REFERENCES_MAX {
        let Some(pointer) = found.get("$ref").and_then(Json::as_str) else { return found };
        let Some(target) = pointer.strip_prefix('#').and_then(|pointer| api.pointer(pointer)) else {
            return &Json::Null;
        };
        found = target;
    }
    &Json::Null
}

/// The sample of a response's or request's JSON.
pub(super) fn of_content(api: &Json, it: &Json) -> Option<Json> {
    let content = it["content"].as_object()?;
    let json = content.iter().find(|(name, _)| name.contains("json")).map(|(_, it)| it)?;
    of_media(api, json)
}

/// The sample of one media type.
pub(super) fn of_media(api: &Json, media: &Json) -> Option<Json> {
    let named = media["examples"].as_object().and_then(|all| all.values().next()).map(|it| resolved(api, it));
    let example = media.get("example").or_else(|| named.and_then(|it| it.get("value")));
    example.cloned().or_else(|| media.get("schema").map(|schema| of_schema(api, schema, 0)))
}

/// The sample of a parameter.
pub(super) fn of_parameter(api: &Json, it: &Json) -> Json {
    let named = it["examples"].as_object().and_then(|all| all.values().next()).map(|it| resolved(api, it));
    let example = it.get("example").or_else(|| named.and_then(|it| it.get("value")));
    example.cloned().unwrap_or_else(|| of_schema(api, &it["schema"], 0))
}

/// The type of an input, where a schema leaves its value open: it has no default and lists no values.
pub(super) fn open(api: &Json, schema: &Json) -> Option<&'static str> {
    let it = resolved(api, schema);
    if ["default", "const", "enum"].iter().any(|name| it.get(name).is_some()) {
        return None;
    }
    match it["type"].as_str() {
        Some("integer" | "number") => Some("number"),
        Some("boolean") => Some("bool"),
        Some("string") => Some("string"),
        Some(_) | None => None,
    }
}

fn of_schema(api: &Json, schema: &Json, depth: usize) -> Json {
    let it = resolved(api, schema);
    if depth > DEPTH_MAX {
        return Json::Null;
    }
    let first = |name: &str| it[name].as_array().and_then(|all| all.first());
    let own = it.get("example").or_else(|| first("examples")).or_else(|| it.get("default"));
    if let Some(value) = own.or_else(|| it.get("const")).or_else(|| first("enum")) {
        return value.clone();
    }
    if let Some(all) = it["allOf"].as_array() {
        let own = json!({ "properties": it["properties"] });
        let parts = all.iter().chain([&own]).filter_map(|part| match of_schema(api, part, depth + 1) {
            Json::Object(fields) => Some(fields),
            _ => None,
        });
        return Json::Object(parts.flatten().collect());
    }
    if let Some(one) = first("oneOf").or_else(|| first("anyOf")) {
        return of_schema(api, one, depth + 1);
    }
    let kind = it["type"].as_str().or_else(|| {
        let listed = it["type"].as_array()?;
        listed.iter().filter_map(Json::as_str).find(|it| *it != "null")
    });
    match kind {
        Some("object") => object(api, it, depth),
        None if it.get("properties").is_some() => object(api, it, depth),
        Some("array") => Json::Array(vec![of_schema(api, &it["items"], depth + 1)]),
        Some("integer") => it.get("minimum").cloned().unwrap_or(json!(1)),
        Some("number") => it.get("minimum").cloned().unwrap_or(json!(1.5)),
        Some("boolean") => json!(false),
        Some("string") => text(it["format"].as_str().unwrap_or_default()),
        Some(_) | None => Json::Null,
    }
}

fn object(api: &Json, it: &Json, depth: usize) -> Json {
    let fields = it["properties"].as_object().into_iter().flatten();
    Json::Object(fields.map(|(name, schema)| (name.clone(), of_schema(api, schema, depth + 1))).collect::<Map<_, _>>())
}

fn text(format: &str) -> Json {
    json!(match format {
        "ipv4" | "ip" => "62.4.31.7",
        "ipv6" => "3ffe::7",
        "email" => "person1@example.com",
        "date" => "2026-01-01",
        "date-time" => "2026-01-01T00:00:00Z",
        "uuid" => "00000000-0000-4000-8000-000000000000",
        "uri" | "url" => "https://example.com/",
        "hostname" => "host.example.com",
        _ => "text",
    })
}
