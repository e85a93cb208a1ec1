//! Reads the value of a fact from a request. It never fails: what is absent, given twice or of another type is unknown.

use std::{borrow::Cow, sync::Arc};

use serde_json::Value as Json;

use crate::{
    facts::{Reading, Why},
    policy::Source,
    request::{Body, Request, content, fields},
    value::{Type, Value},
};

/// Longest list that is a value; a longer one is mistyped, so that nothing can hide behind the cut.
const LIST_MAX: usize = 256;

/// The value at `source`, as `kind`. `parameters` are those of the pattern that matched.
///
/// Of a batch nothing is read: its elements are decided one by one, each as a body of its own.
pub fn read(request: &Request, source: &Source, parameters: &[(Arc<str>, Arc<str>)], kind: Type) -> Reading {
    let found = match source {
        Source::Path(name) => {
            only(parameters.iter().filter(|(it, _)| it == name).map(|(_, value)| Cow::from(&**value)))
        }
        Source::Header(name) => only(named(&request.headers, name)),
        Source::Cookie(name) => only(named(&request.cookies, name)),
        Source::Query(name) => {
            let told = request.query.as_deref().map_or(Err(Why::Absent), |query| in_query(query, name));
            told.and_then(
                |told| if overruled_by_body(&request.body, name, &told) { Err(Why::Mistyped) } else { Ok(told) },
            )
        }
        Source::Body(path) if overruled_by_query(request, path) => Err(Why::Mistyped),
        Source::Body(path) => return in_body(&request.body, path, kind),
    };
    match found {
        Ok(text) => known(typed(&text, kind)),
        Err(why) => Reading::Unknown(why),
    }
}

fn named<'a>(pairs: &'a [(Arc<str>, Arc<str>)], name: &str) -> impl Iterator<Item = Cow<'a, str>> {
    pairs.iter().filter(move |(it, _)| **it == *name).map(|(_, value)| Cow::from(&**value))
}

/// The only value; one that is given twice has no value, whichever of them the app would take.
fn only<T>(mut values: impl Iterator<Item = T>) -> Result<T, Why> {
    let first = values.next().ok_or(Why::Absent)?;
    if values.next().is_some() { Err(Why::Mistyped) } else { Ok(first) }
}

fn known(value: Option<Value>) -> Reading {
    value.map_or(Reading::Unknown(Why::Mistyped), Reading::Known)
}

/// A query's value. Where back ends that split at `;` too would see another one, there is none.
fn in_query<'a>(query: &'a str, name: &str) -> Result<Cow<'a, str>, Why> {
    let value = value_in(query.split('&'), name);
    if query.contains(';') && value_in(query.split(['&', ';']), name) != value { Err(Why::Mistyped) } else { value }
}

fn value_in<'a>(pairs: impl Iterator<Item = &'a str>, name: &str) -> Result<Cow<'a, str>, Why> {
    let key = fields::key(name);
    let alike = pairs.filter_map(|pair| {
        let (own, value) = pair.split_once('=').unwrap_or((pair, ""));
        let own = fields::form_decoded(own)?;
        (fields::key(own.split('[').next().unwrap_or_default()) == key).then_some((own, value))
    });
    let (own, value) = only(alike)?;
    if own != name { Err(Why::Mistyped) } else { fields::form_decoded(value).ok_or(Why::Mistyped) }
}

/// Whether a form's field stands in the query too, with another value: servlets give their app the query's.
fn overruled_by_query(request: &Request, path: &[Arc<str>]) -> bool {
    let (Some(query), Some(name), Body::Fields(Json::Object(form))) = (&request.query, path.first(), &request.body)
    else {
        return false;
    };
    if content::kind(request.header("content-type"), None) == Ok(content::Kind::Json) {
        return false;
    }
    match value_in(query.split(['&', ';']), name) {
        Err(Why::Absent) => false,
        Ok(told) => form.get(&**name).is_some_and(|own| own.as_str() != Some(&*told)),
        Err(_) => true,
    }
}

/// Whether a field of the query stands in the body too, with another value: Rails and PHP's `$_REQUEST` take the body's.
fn overruled_by_body(body: &Body, name: &str, told: &str) -> bool {
    let Body::Fields(Json::Object(fields)) = body else { return false };
    let key = fields::key(name);
    let mut alike = fields.iter().filter(|(own, _)| fields::key(own) == key);
    alike.any(|(own, value)| {
        own != name
            || match value {
                Json::String(text) => text != told,
                Json::Number(number) => number.to_string() != told,
                Json::Bool(bool) => bool.to_string() != told,
                Json::Null | Json::Array(_) | Json::Object(_) => true,
            }
    })
}

fn in_body(body: &Body, path: &[Arc<str>], kind: Type) -> Reading {
    let Body::Fields(fields) = body else { return Reading::Unknown(Why::Absent) };
    match path.iter().try_fold(fields, |at, name| child(at, name)) {
        None | Some(Json::Null) => Reading::Unknown(Why::Absent),
        Some(json) => known(of_json(json, kind)),
    }
}

fn child<'a>(at: &'a Json, name: &str) -> Option<&'a Json> {
    match at {
        Json::Object(map) => map.get(name),
        Json::Array(list) => list.get(name.parse::<usize>().ok()?),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => None,
    }
}

fn of_json(json: &Json, kind: Type) -> Option<Value> {
    match (json, kind) {
        (Json::String(text), _) => typed(text, kind),
        (Json::Bool(it), Type::Bool) => Some(Value::Bool(*it)),
        (Json::Number(it), Type::Int | Type::Number) => {
            let whole = it.as_i64().map(Value::Int);
            let broken = || if it.is_f64() { it.as_f64().map(Value::Number) } else { None };
            whole.or_else(broken)?.cast(kind)
        }
        (Json::Array(list), Type::List) if list.len() <= LIST_MAX => {
            list.iter().map(scalar).collect::<Option<Vec<_>>>().map(|list| Value::List(list.into()))
        }
        _ => None,
    }
}

fn scalar(json: &Json) -> Option<Value> {
    match json {
        Json::String(text) => Some(Value::text(&**text)),
        Json::Bool(it) => Some(Value::Bool(*it)),
        Json::Number(it) => it.as_i64().map(Value::Int).or_else(|| it.as_f64().map(Value::Number)),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// Text as a value of a type, where everybody reads it the same way: no spaces, signs, exponents or leading zeros.
fn typed(text: &str, kind: Type) -> Option<Value> {
    match kind {
        Type::Text => Some(Value::text(text)),
        Type::Bool => text.parse().ok().map(Value::Bool),
        Type::Ip => text.parse().ok().map(Value::Ip),
        Type::Int => plain(text).filter(|fraction| fraction.is_none()).and_then(|_| text.parse().ok().map(Value::Int)),
        Type::Number => plain(text).and_then(|_| text.parse().ok().map(Value::Number)),
        Type::Time | Type::Duration | Type::List => None,
    }
}

/// `Some` if the text is a plain decimal number, with its fraction if it has one.
fn plain(text: &str) -> Option<Option<&str>> {
    let digits = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) =
        unsigned.split_once('.').map_or((unsigned, None), |(whole, fraction)| (whole, Some(fraction)));
    let fine = digits(whole) && fraction.is_none_or(digits) && (whole.len() == 1 || !whole.starts_with('0'));
    (fine && text.len() <= 32).then_some(fraction)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use serde_json::json;

    use super::*;

    fn request() -> Request {
        Request {
            method: "POST".into(),
            host: "a.test".into(),
            path: "/transfer".into(),
            query: Some("a=1&b=x+y%21&c=1&c=2&d[]=1&%65=2&f=1;g=2&h=%zz&I=1&n=007&j=1&J=2".into()),
            headers: vec![("x-role".into(), "user".into()), ("x-two".into(), "1".into()), ("x-two".into(), "2".into())],
            cookies: vec![("s".into(), "1".into())],
            client_ip: IpAddr::from([1, 2, 3, 4]),
            secure: true,
            body: Body::Fields(json!({
                "amount": 120.5, "whole": 3, "text": "12.50", "to": [{"iban": "DE1"}], "tags": ["a", 1, true],
                "null": null, "huge": u64::MAX, "odd": "1e3", "many": vec![1; 257], "on": true, "exact": 9_007_199_254_740_993_i64,
            })),
        }
    }

    #[test]
    fn facts_are_read_and_what_is_doubtful_is_unknown() {
        let parameters = [(Arc::from("id"), Arc::from("7"))];
        let absent = "Unknown(Absent)";
        let mistyped = "Unknown(Mistyped)";
        for (source, kind, wanted) in [
            ("path.id", Type::Int, "Known(Int(7))"),
            ("path.x", Type::Int, absent),
            ("query.a", Type::Number, "Known(Number(1.0))"),
            ("query.b", Type::Text, "Known(Text(\"x y!\"))"),
            ("query.c", Type::Int, mistyped),
            ("query.d", Type::Int, mistyped),
            ("query.e", Type::Int, "Known(Int(2))"),
            ("query.f", Type::Text, mistyped),
            ("query.g", Type::Text, mistyped),
            ("query.h", Type::Text, mistyped),
            ("query.i", Type::Int, mistyped),
            ("query.j", Type::Int, mistyped),
            ("query.n", Type::Int, mistyped),
            ("query.z", Type::Int, absent),
            ("header.x-role", Type::Text, "Known(Text(\"user\"))"),
            ("header.x-two", Type::Int, mistyped),
            ("cookie.s", Type::Bool, mistyped),
            ("body.amount", Type::Number, "Known(Number(120.5))"),
            ("body.amount", Type::Int, mistyped),
            ("body.whole", Type::Number, "Known(Number(3.0))"),
            ("body.whole", Type::Text, mistyped),
            ("body.text", Type::Number, "Known(Number(12.5))"),
            ("body.text", Type::Int, mistyped),
            ("body.odd", Type::Number, mistyped),
            ("body.to.0.iban", Type::Text, "Known(Text(\"DE1\"))"),
            ("body.to.1.iban", Type::Text, absent),
            ("body.to.iban", Type::Text, absent),
            ("body.null", Type::Text, absent),
            ("body.huge", Type::Int, mistyped),
            ("body.huge", Type::Number, mistyped),
            ("body.exact", Type::Int, "Known(Int(9007199254740993))"),
            ("body.tags", Type::List, "Known(List([Text(\"a\"), Int(1), Bool(true)]))"),
            ("body.many", Type::List, mistyped),
            ("body.on", Type::Bool, "Known(Bool(true))"),
        ] {
            let (place, name) = source.split_once('.').unwrap();
            let place = match place {
                "path" => Source::Path(name.into()),
                "query" => Source::Query(name.into()),
                "header" => Source::Header(name.into()),
                "cookie" => Source::Cookie(name.into()),
                _ => Source::Body(name.split('.').map(Arc::from).collect()),
            };
            assert_eq!(format!("{:?}", read(&request(), &place, &parameters, kind)), wanted, "{source} as {kind}");
        }
    }

    #[test]
    fn a_field_that_stands_in_query_and_form_with_two_values_has_none() {
        let mistyped = Reading::Unknown(Why::Mistyped);
        let form = |query: &str| Request {
            query: Some(query.into()),
            headers: vec![("content-type".into(), "application/x-www-form-urlencoded".into())],
            body: Body::Fields(json!({"a": "1", "to": {"b": "x"}})),
            ..request()
        };
        let body = |path: &str| Source::Body(path.split('.').map(Arc::from).collect());
        for query in ["a=2", "A=1", "a[]=1", "a=1&a=1", "x;a=2", "%61=2"] {
            assert_eq!(read(&form(query), &body("a"), &[], Type::Int), mistyped, "{query}");
        }
        assert_eq!(read(&form("to[b]=y"), &body("to.b"), &[], Type::Text), mistyped);
        for query in ["a=1", "b=2", "x=a", ""] {
            assert_eq!(read(&form(query), &body("a"), &[], Type::Int), Reading::Known(Value::Int(1)), "{query}");
        }
        let query = Source::Query("a".into());
        assert_eq!(read(&form("a=1"), &query, &[], Type::Int), Reading::Known(Value::Int(1)));
        assert_eq!(read(&form("a=2"), &query, &[], Type::Int), mistyped);
        let json = Request { headers: vec![("content-type".into(), "application/json".into())], ..form("a=2") };
        assert_eq!(read(&json, &body("a"), &[], Type::Int), Reading::Known(Value::Int(1)));
    }

    #[test]
    fn a_body_that_was_not_read_or_is_a_batch_has_no_fields() {
        let source = Source::Body(vec!["a".into()]);
        for body in [Body::Unread, Body::Empty, Body::Batch(vec![json!({"a": 1})])] {
            let request = Request { body, ..request() };
            assert_eq!(read(&request, &source, &[], Type::Int), Reading::Unknown(Why::Absent));
        }
    }
}
