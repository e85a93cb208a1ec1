//! Reading what the first key decides: documents, steps, rules, outcomes, conditions.

use serde::{Deserialize, de::value::MapAccessDeserializer};

use crate::{
    diagnostic, first_key,
    policy::document::{
        Challenge, Covers, CoversRest, Decide, Document, Event, Finish, Flow, Forward, LockOut, Outcome, Require, Rule,
        RuleBody, Setting, Split, Step, Throttle, When, WhenLists, Words,
    },
    yaml::{
        Spanned,
        first_key::{self, PutBack},
    },
};

/// Kinds of steps.
const KINDS: [&str; 5] = ["decide", "require", "split", "finish", "use"];

/// Kinds of steps that a later version will have.
const RESERVED: [&str; 3] = ["ask", "set", "call"];

/// Outcomes that are written as a mapping.
const OUTCOMES: [&str; 7] = ["forward", "challenge", "reroute", "throttle", "lock_out", "block", "go_to"];

first_key!(Document, "a policy that begins with `event: NAME` or a flow that begins with `flow: NAME`", |key, map| {
    let known = ["event", "flow"].contains(&key.as_str());
    if !known {
        return Err(first_key::unknown("a policy file", &key, &["event", "flow"]));
    }
    let is_event = key == "event";
    let document = MapAccessDeserializer::new(PutBack::new(key, map));
    if is_event {
        Event::deserialize(document).map(|event| Document::Event(Box::new(event)))
    } else {
        Flow::deserialize(document).map(Document::Flow)
    }
});

first_key!(Step, "a step that begins with its kind, such as `decide: NAME`", |key, map| {
    if RESERVED.contains(&key.as_str()) {
        let message = format!("`{key}` is reserved for a later version");
        return Err(first_key::refuse(
            "step.reserved",
            message,
            format!("a step begins with one of {}", KINDS.join(", ")),
        ));
    }
    if !KINDS.contains(&key.as_str()) {
        return Err(first_key::unknown("a step", &key, &KINDS));
    }
    let name: Spanned<String> = map.next_value()?;
    if key == "use" {
        first_key::nothing_else("use", &mut map)?;
        return Ok(Step::Use(name));
    }
    let rest = MapAccessDeserializer::new(map);
    match key.as_str() {
        "decide" => Decide::deserialize(rest).map(|it| Step::Decide(name, it)),
        "require" => Require::deserialize(rest).map(|it| Step::Require(name, it)),
        "split" => Split::deserialize(rest).map(|it| Step::Split(name, it)),
        _ => Finish::deserialize(rest).map(|it| Step::Finish(name, it)),
    }
});

first_key!(Rule, "a rule that begins with `rule: NAME`", |key, map| {
    if key != "rule" {
        return Err(first_key::unknown("a rule", &key, &["rule"]));
    }
    let name = map.next_value()?;
    RuleBody::deserialize(MapAccessDeserializer::new(map)).map(|body| Rule { name, body })
});

first_key!(
    Outcome,
    "an outcome such as `forward`, `block` or `{ challenge: [passkey] }`",
    |key, map| {
        let outcome = match key.as_str() {
            "forward" => Outcome::Forward(map.next_value::<Forward>()?),
            "throttle" => Outcome::Throttle(map.next_value::<Throttle>()?),
            "reroute" => Outcome::Reroute(map.next_value()?),
            "go_to" => Outcome::GoTo(map.next_value()?),
            "challenge" => {
                let rest = MapAccessDeserializer::new(PutBack::new(key, map));
                return Challenge::deserialize(rest).map(Outcome::Challenge);
            }
            "lock_out" => {
                let rest = MapAccessDeserializer::new(PutBack::new(key, map));
                return LockOut::deserialize(rest).map(Outcome::LockOut);
            }
            "block" => return Err(first_key::refuse("key.misplaced", "`block` takes nothing", "write just `block`")),
            _ => return Err(first_key::unknown("an outcome", &key, &OUTCOMES)),
        };
        first_key::nothing_else(&key, &mut map)?;
        Ok(outcome)
    },
    |word| match word {
        "forward" => Ok(Outcome::Forward(Forward::default())),
        "block" => Ok(Outcome::Block),
        _ if OUTCOMES.contains(&word) => {
            Err(first_key::refuse("value.unknown", format!("`{word}` needs to know more"), example(word)))
        }
        _ => {
            let message = format!("`{word}` is no outcome; outcomes are {}", OUTCOMES.join(", "));
            let help = diagnostic::nearest(word, OUTCOMES).map(|near| format!("did you mean `{near}`?"));
            Err(first_key::refuse("value.unknown", message, help.unwrap_or_default()))
        }
    }
);

fn example(word: &str) -> &'static str {
    match word {
        "challenge" => "write `{ challenge: [passkey, totp] }`",
        "reroute" => "write `{ reroute: /path }`",
        "throttle" => "write `{ throttle: { rate: 5/min, per: subject } }`",
        "lock_out" => "write `{ lock_out: subject, for: 30m }`",
        _ => "write `{ go_to: name of a later step }`",
    }
}

first_key!(
    Covers,
    "`METHOD host/path`, or a mapping that begins with `request: METHOD host/path`",
    |key, map| {
        if key != "request" {
            return Err(first_key::unknown("a cover", &key, &["request"]));
        }
        let rest = CoversRest::deserialize(MapAccessDeserializer::new(PutBack::new(key, map)))?;
        Ok(Covers { request: rest.request, also: rest.also })
    },
    |word| Ok(Covers { request: Spanned { value: word.to_owned(), span: 0..0 }, also: None })
);

/// A condition is read as text with its place, or as lists.
impl<'de> Deserialize<'de> for When {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = Spanned::<Text>::deserialize(deserializer)?;
        Ok(match found.value {
            Text::One(value) => When::One(Spanned { value, span: found.span }),
            Text::Lists(lists) => When::Lists(lists),
        })
    }
}

enum Text {
    One(String),
    Lists(WhenLists),
}

first_key!(
    Text,
    "a condition, or lists of conditions under `all`, `any` and `none`",
    |key, map| WhenLists::deserialize(MapAccessDeserializer::new(PutBack::new(key, map))).map(Text::Lists),
    |word| Ok(Text::One(word.to_owned()))
);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Words;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a word or a list of words")
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Words, E> {
                Ok(Words(vec![word.to_owned()]))
            }

            fn visit_seq<S: serde::de::SeqAccess<'de>>(self, mut seq: S) -> Result<Words, S::Error> {
                let mut words = Vec::new();
                while let Some(word) = seq.next_element()? {
                    words.push(word);
                }
                Ok(Words(words))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Setting;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number, a text, `true`, `false`, or a list of these")
            }

            fn visit_bool<E: serde::de::Error>(self, it: bool) -> Result<Setting, E> {
                Ok(Setting::Bool(it))
            }

            fn visit_i64<E: serde::de::Error>(self, it: i64) -> Result<Setting, E> {
                Ok(Setting::Int(it))
            }

            fn visit_u64<E: serde::de::Error>(self, it: u64) -> Result<Setting, E> {
                i64::try_from(it).map(Setting::Int).map_err(|_| E::custom("the number is too large"))
            }

            fn visit_f64<E: serde::de::Error>(self, it: f64) -> Result<Setting, E> {
                if it.is_finite() { Ok(Setting::Number(it)) } else { Err(E::custom("a number has to be finite")) }
            }

            fn visit_str<E: serde::de::Error>(self, it: &str) -> Result<Setting, E> {
                Ok(Setting::Text(it.into()))
            }

            fn visit_seq<S: serde::de::SeqAccess<'de>>(self, mut seq: S) -> Result<Setting, S::Error> {
                let mut list = Vec::new();
                while let Some(element) = seq.next_element()? {
                    list.push(element);
                }
                Ok(Setting::List(list))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}
