//! JSON Schemas of what is read by hand, so that editors know as much as the reader does.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value as Json, json};

use crate::policy::document::{
    Challenge, Covers, CoversRest, Decide, Finish, Forward, LockOut, Outcome, Require, Rule, RuleBody, Setting, Split,
    Step, Throttle, When, WhenLists, Words,
};

/// The schema of a mapping with one more key, which comes first and holds its name.
fn named<T: JsonSchema>(generator: &mut SchemaGenerator, kind: &str, about: &str) -> Json {
    let mut schema = T::json_schema(generator).to_value();
    schema["title"] = json!(kind);
    schema["description"] = json!(about);
    schema["properties"][kind] = json!({ "type": "string", "description": "Its name, for people." });
    let mut required = vec![json!(kind)];
    required.extend(schema["required"].as_array().cloned().unwrap_or_default());
    schema["required"] = Json::Array(required);
    schema
}

fn one(key: &str, of: &Schema, about: &str) -> Json {
    let mut of = of.clone().to_value();
    of["description"] = json!(about);
    json!({
        "type": "object",
        "title": key,
        "description": about,
        "properties": { key: of },
        "required": [key],
        "additionalProperties": false,
    })
}

impl JsonSchema for Step {
    fn schema_name() -> Cow<'static, str> {
        "Step".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let text = generator.subschema_for::<String>();
        json_schema!({ "anyOf": [
            named::<Decide>(generator, "decide", "Rules: the first whose condition holds decides; else the next step is taken."),
            named::<Require>(generator, "require", "A proof that has to be given before carrying on; passed at once while it is fresh."),
            named::<Split>(generator, "split", "An experiment: units are divided between arms, and keep theirs."),
            named::<Finish>(generator, "finish", "The end of the flow."),
            one("use", &text, "The steps of the flow of this name."),
        ] })
    }
}

impl JsonSchema for Rule {
    fn schema_name() -> Cow<'static, str> {
        "Rule".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Schema::try_from(named::<RuleBody>(generator, "rule", "A condition and what follows from it."))
            .unwrap_or_else(|_| Schema::default())
    }
}

impl JsonSchema for When {
    fn schema_name() -> Cow<'static, str> {
        "When".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let lists = generator.subschema_for::<WhenLists>();
        json_schema!({
            "description": "A condition in CEL, such as `ip.is_tor && event.amount >= settings.small`, or lists of them.",
            "anyOf": [{ "type": "string" }, lists],
        })
    }
}

impl JsonSchema for Covers {
    fn schema_name() -> Cow<'static, str> {
        "Covers".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let long = generator.subschema_for::<CoversRest>();
        json_schema!({ "anyOf": [
            { "type": "string", "pattern": "^[A-Z]+ [^ ]+$", "description": "`METHOD host/path`; `ANY` for any method." },
            long,
        ] })
    }
}

impl JsonSchema for Outcome {
    fn schema_name() -> Cow<'static, str> {
        "Outcome".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let forward = generator.subschema_for::<Forward>();
        let throttle = generator.subschema_for::<Throttle>();
        let challenge = generator.subschema_for::<Challenge>();
        let lock_out = generator.subschema_for::<LockOut>();
        let text = generator.subschema_for::<String>();
        json_schema!({ "anyOf": [
            { "const": "forward", "description": "Let the request through." },
            { "const": "block", "description": "Refuse the request." },
            one("forward", &forward, "Let it through, reduced or marked."),
            one("throttle", &throttle, "Let it through within a rate; over it, 429."),
            challenge,
            one("reroute", &text, "Send it to a path on the same host, or to another upstream."),
            lock_out,
            one("go_to", &text, "Carry on at a later step."),
        ] })
    }
}

impl JsonSchema for Words {
    fn schema_name() -> Cow<'static, str> {
        "Words".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
    }
}

impl JsonSchema for Setting {
    fn schema_name() -> Cow<'static, str> {
        "Setting".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let scalar = ["number", "string", "boolean"];
        json_schema!({ "anyOf": [{ "type": scalar }, { "type": "array", "items": { "type": scalar } }] })
    }
}
