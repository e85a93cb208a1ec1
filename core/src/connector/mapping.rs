//! The mapping language: CEL over `body`, `status` and `input`, run by the `cel` crate's interpreter.
//!
//! A key that is missing, a null and any error of evaluation are unknown, never false and never 0. Secrets are no
//! variables here. What an expression can cost is bounded at load (length, loops) and by the size of what it reads.

use std::sync::Arc;

use cel::{Context, ExecutionError, Program, extractors::Arguments, objects};
use serde_json::Value as Json;

use crate::value::{Type, Value};

/// Longest expression, in bytes.
pub const EXPRESSION_BYTES_MAX: usize = 2048;
/// Most loops (`map`, `filter`, `exists`, `all`, `exists_one`) of an expression.
const LOOPS_MAX: usize = 2;
/// Deepest brackets of an expression: the crate's parser overflows a thread's stack at 16.
const BRACKETS_MAX: usize = 8;
/// Most elements of a list that is mapped.
pub const ELEMENTS_MAX: usize = 1000;
/// Deepest nesting that is mapped.
pub const DEPTH_MAX: usize = 64;

/// Functions beside those of the language.
const FUNCTIONS: [&str; 8] = ["score", "num", "truthy", "pick", "lower", "upper", "is_private_ip", "asn"];
/// What an expression can speak of.
const VARIABLES: [&str; 3] = ["body", "status", "input"];

/// A checked expression.
pub struct Expression {
    program: Program,
    text: Arc<str>,
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Expression({})", self.text)
    }
}

impl Expression {
    /// Parses and checks an expression; the error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > EXPRESSION_BYTES_MAX {
            return Err(format!("the expression has {} bytes; at most {EXPRESSION_BYTES_MAX} are read", text.len()));
        }
        let loops = ["map(", "filter(", "exists(", "exists_one(", "all("];
        if loops.iter().map(|name| text.matches(&format!(".{name}")).count()).sum::<usize>() > LOOPS_MAX {
            return Err(format!("more than {LOOPS_MAX} loops in one expression"));
        }
        if brackets(text) > BRACKETS_MAX {
            return Err(format!("brackets are nested more than {BRACKETS_MAX} deep"));
        }
        let program = Program::compile(text).map_err(|_| "not a CEL expression".to_owned())?;
        let references = program.references();
        // What a loop names for its elements is a reference too; `cel` names its accumulators with `@`.
        let loop_names: Vec<&str> = loops.iter().flat_map(|name| named_by(text, name)).collect();
        for name in references.variables() {
            if !VARIABLES.contains(&name) && !loop_names.contains(&name) && !name.starts_with('@') {
                return Err(format!("`{name}` is not known here; there are `body`, `status` and `input`"));
            }
        }
        if let Some(name) = references.functions().into_iter().find(|name| !is_function(name)) {
            return Err(format!("there is no function `{name}`; there are {}", FUNCTIONS.join(", ")));
        }
        Ok(Expression { text: text.into(), program })
    }

    /// Its text as written.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// What it comes to, as plain data; `None` for unknown.
    pub fn eval(&self, scope: &Scope<'_>) -> Option<objects::Value> {
        match self.program.execute(&scope.0) {
            Ok(objects::Value::Null) | Err(_) => None,
            Ok(value) => Some(value),
        }
    }

    /// Whether it holds; unknown does not.
    pub fn holds(&self, scope: &Scope<'_>) -> bool {
        matches!(self.eval(scope), Some(objects::Value::Bool(true)))
    }

    /// Whether it certainly does not hold.
    pub fn denies(&self, scope: &Scope<'_>) -> bool {
        matches!(self.eval(scope), Some(objects::Value::Bool(false)))
    }

    /// Its value as an attribute of a type; `None` where it is unknown or of another type.
    pub fn attribute(&self, scope: &Scope<'_>, kind: Type) -> Option<Value> {
        plain(self.eval(scope)?)?.cast(kind)
    }
}

/// How deep brackets are nested at most; those inside quotes count too, which is on the safe side.
fn brackets(text: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    for letter in text.chars() {
        match letter {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// The names that loops give to their elements: the first argument of each.
fn named_by<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let call = format!(".{name}");
    let calls = text.split(&call).skip(1).filter_map(|after| after.split(',').next()).map(str::trim);
    calls.collect()
}

/// The variables and functions that expressions are run with; one for all of a response.
pub struct Scope<'a>(Context<'a, 'a>);

impl Scope<'_> {
    /// A scope; `body` is null where there is none.
    pub fn new(status: u16, body: &Json, input: &[(Arc<str>, Arc<str>)]) -> Self {
        let mut context = Context::default();
        context.add_variable_from_value("status", i64::from(status));
        context.add_variable_from_value("body", from_json(body));
        let input = input.iter().map(|(name, value)| (name.to_string().into(), (&**value).into())).collect();
        context.add_variable_from_value("input", objects::Value::Map(objects::Map { map: Arc::new(input) }));
        // None of these is a name of the standard library, so none can be refused.
        let _ = context.add_function("score", score);
        let _ = context.add_function("num", num);
        let _ = context.add_function("truthy", truthy);
        let _ = context.add_function("pick", pick);
        let _ = context.add_function("lower", lower);
        let _ = context.add_function("upper", upper);
        let _ = context.add_function("is_private_ip", is_private_ip);
        let _ = context.add_function("asn", asn);
        Scope(context)
    }
}

/// JSON as CEL data: whole numbers are `int` where they fit, else `double`, so that arithmetic is what it looks like.
fn from_json(json: &Json) -> objects::Value {
    match json {
        Json::Null => objects::Value::Null,
        Json::Bool(it) => objects::Value::Bool(*it),
        Json::Number(it) => match it.as_i64() {
            Some(whole) => objects::Value::Int(whole),
            None => it.as_f64().map_or(objects::Value::Null, objects::Value::Float),
        },
        Json::String(it) => it.as_str().into(),
        Json::Array(it) => it.iter().map(from_json).collect::<Vec<_>>().into(),
        Json::Object(it) => {
            let fields = it.iter().map(|(name, value)| (name.as_str().into(), from_json(value))).collect();
            objects::Value::Map(objects::Map { map: Arc::new(fields) })
        }
    }
}

/// Whether a body is flat and short enough to be mapped.
pub fn is_bounded(json: &Json, depth: usize) -> bool {
    depth <= DEPTH_MAX
        && match json {
            Json::Array(items) => items.len() <= ELEMENTS_MAX && items.iter().all(|item| is_bounded(item, depth + 1)),
            Json::Object(fields) => fields.values().all(|value| is_bounded(value, depth + 1)),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => true,
        }
}

/// CEL data as a value of ours; lists keep their known elements, at most 256.
fn plain(value: objects::Value) -> Option<Value> {
    Some(match value {
        objects::Value::Bool(it) => Value::Bool(it),
        objects::Value::Int(it) => Value::Int(it),
        objects::Value::UInt(it) => Value::Int(i64::try_from(it).ok()?),
        objects::Value::Float(it) if it.is_finite() => Value::Number(it),
        objects::Value::String(it) => Value::text(it.as_str()),
        objects::Value::List(it) => Value::List(it.iter().take(256).cloned().filter_map(plain).collect()),
        _ => return None,
    })
}

type Answer = Result<objects::Value, ExecutionError>;

fn number(value: &objects::Value) -> Option<f64> {
    match value {
        objects::Value::Int(it) => Some(*it as f64),
        objects::Value::UInt(it) => Some(*it as f64),
        objects::Value::Float(it) => Some(*it),
        objects::Value::String(it) => it.trim().parse().ok(),
        _ => None,
    }
    .filter(|it| it.is_finite())
}

fn or_null(value: Option<objects::Value>) -> Answer {
    Ok(value.unwrap_or(objects::Value::Null))
}

/// `score(x, lo, hi)`: where x stands between harmless (0) and worst (100); `lo` may be above `hi` for trust scores.
fn score(Arguments(given): Arguments) -> Answer {
    let scaled = || {
        let [value, low, high] = given.as_slice() else { return None };
        let (value, low, high) = (number(value)?, number(low)?, number(high)?);
        let share = (value - low) / (high - low);
        share.is_finite().then(|| objects::Value::Float((share * 100.0).clamp(0.0, 100.0)))
    };
    or_null(scaled())
}

/// `num(x)`: a number, also from text.
fn num(Arguments(given): Arguments) -> Answer {
    or_null(given.first().and_then(number).map(objects::Value::Float))
}

/// `truthy(x)`: `true`, `1`, `"true"`, `"yes"`, `"y"`, `"1"` and their opposites; anything else is unknown.
fn truthy(Arguments(given): Arguments) -> Answer {
    or_null(given.first().and_then(|value| match value {
        objects::Value::Bool(it) => Some(objects::Value::Bool(*it)),
        objects::Value::Int(it @ (0 | 1)) => Some(objects::Value::Bool(*it == 1)),
        objects::Value::String(it) => match it.to_ascii_lowercase().as_str() {
            "true" | "yes" | "y" | "1" => Some(objects::Value::Bool(true)),
            "false" | "no" | "n" | "0" => Some(objects::Value::Bool(false)),
            _ => None,
        },
        _ => None,
    }))
}

/// `pick(x, {…}, otherwise)`: the entry for x; `otherwise` if there is none, unknown if x is.
fn pick(Arguments(given): Arguments) -> Answer {
    let [value, objects::Value::Map(entries), rest @ ..] = given.as_slice() else { return or_null(None) };
    let found = match value {
        objects::Value::String(it) => entries.get(&objects::Key::String(it.clone())),
        objects::Value::Int(it) => entries.get(&objects::Key::Int(*it)),
        objects::Value::Bool(it) => entries.get(&objects::Key::Bool(*it)),
        _ => return or_null(None),
    };
    or_null(found.or(rest.first()).cloned())
}

fn text(given: &[objects::Value]) -> Option<&str> {
    match given.first()? {
        objects::Value::String(it) => Some(it),
        _ => None,
    }
}

/// `lower(x)`.
fn lower(Arguments(given): Arguments) -> Answer {
    or_null(text(&given).map(|it| it.to_lowercase().into()))
}

/// `upper(x)`.
fn upper(Arguments(given): Arguments) -> Answer {
    or_null(text(&given).map(|it| it.to_uppercase().into()))
}

/// `asn(x)`: the number of `AS64500`, `64500` or `"64500"`.
fn asn(Arguments(given): Arguments) -> Answer {
    let bare = text(&given).map(|it| it.trim_start_matches("AS").trim_start_matches("as"));
    let parsed = bare.and_then(|it| it.split_whitespace().next()?.parse::<u32>().ok()).map(i64::from);
    let whole = given.first().and_then(number).filter(|it| it.fract() == 0.0 && (0.0..=4_294_967_295.0).contains(it));
    or_null(parsed.or(whole.map(|it| it as i64)).map(objects::Value::Int))
}

/// `is_private_ip(x)`: whether nobody outside could say anything about the address.
fn is_private_ip(Arguments(given): Arguments) -> Answer {
    let address = text(&given).and_then(|it| it.parse::<std::net::IpAddr>().ok());
    or_null(address.map(|it| objects::Value::Bool(super::is_private(it))))
}

/// Whether a function exists; operators go by names that no identifier can have.
fn is_function(name: &str) -> bool {
    const OWN: [&str; 9] = ["size", "contains", "startsWith", "endsWith", "has", "string", "int", "double", "matches"];
    FUNCTIONS.contains(&name) || OWN.contains(&name) || !name.starts_with(|it: char| it.is_ascii_alphabetic())
}
