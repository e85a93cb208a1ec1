//! Reads the fields of a form, by name, so that no two parsers could disagree about them.
//!
//! `a[b]=1` is field `b` of `a` and `a[]=1` an element of list `a`, as PHP, Rails and others have it. A name given
//! twice in any spelling that they take for the same is refused.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::{Map, Value as Json};

use crate::{
    decision::Reason,
    event::trie,
    request::{Body, Request, head::Refusal},
};

/// Most fields of a form.
pub const FIELDS_MAX: usize = 1_000;

/// Deepest nesting of a name, as in `a[b][c]`.
const DEPTH_MAX: usize = 8;

/// Reads an `application/x-www-form-urlencoded` body.
pub fn form(bytes: &[u8]) -> Result<Body, Refusal> {
    let text = std::str::from_utf8(bytes).map_err(|_| malformed("form is not UTF-8"))?;
    if text.contains(';') {
        return Err(malformed("form has a `;`, which some servers take for `&`"));
    }
    let mut parts = Vec::new();
    for pair in text.split('&').filter(|it| !it.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = |it| form_decoded(it).map(Cow::into_owned).ok_or(malformed("form has an escape that is none"));
        parts.push((decoded(name)?, decoded(value)?));
        if parts.len() > FIELDS_MAX {
            return Err(malformed("form has too many fields"));
        }
    }
    from_parts(parts)
}

/// The fields of a form that was split into names and values already, such as multipart.
pub fn from_parts(parts: Vec<(String, String)>) -> Result<Body, Refusal> {
    if parts.len() > FIELDS_MAX {
        return Err(malformed("form has too many fields"));
    }
    let mut root = Map::new();
    let mut spellings: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in parts {
        if name.chars().any(char::is_control) {
            return Err(malformed("a field name has a control character"));
        }
        let (base, path) = path_of(&name).ok_or(malformed("a field name has odd brackets"))?;
        let spelt = spellings.entry(key(base)).or_insert_with(|| base.to_owned());
        if spelt != base {
            return Err(malformed("a field stands twice in two spellings"));
        }
        put(&mut root, base, &path, value).ok_or(malformed("a field stands twice"))?;
    }
    Ok(Body::Fields(Json::Object(root)))
}

/// The methods that a body asks an app to take the request for, by its field `_method` in any spelling. Of a list some
/// frameworks take the first, others the last: all count.
pub fn method_overrides(request: &Request) -> Vec<String> {
    let mut methods = Vec::new();
    if let Body::Fields(Json::Object(map)) = &request.body {
        for (_, value) in map.iter().filter(|(name, _)| key(name) == "_method") {
            texts(value, &mut methods);
        }
    }
    methods.iter().map(|method| method.trim().to_ascii_uppercase()).collect()
}

fn texts(value: &Json, found: &mut Vec<String>) {
    match value {
        Json::String(text) => found.push(text.clone()),
        Json::Array(list) => list.iter().for_each(|it| texts(it, found)),
        Json::Object(map) => map.values().for_each(|it| texts(it, found)),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

/// Whether a body that has no certain reading may still have a field `_method` for somebody: whether the word is in it
/// once the escapes of forms and of JSON are taken back, or it may be in an encoding with bytes of zero.
pub fn may_name_method(body: &[u8]) -> bool {
    let plain: Vec<u8> = percent_encoding::percent_decode(body).collect();
    let plain = without_json_escapes(&plain);
    plain.contains(&0) || plain.windows(b"method".len()).any(|word| word.eq_ignore_ascii_case(b"method"))
}

/// `\u006d` as `m`; escapes of anything but ASCII stay as they are.
fn without_json_escapes(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let escaped =
            rest.strip_prefix(b"\\u00").and_then(|it| it.get(..2)).and_then(|it| std::str::from_utf8(it).ok());
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                plain.push(byte);
                rest = rest.get(6..).unwrap_or_default();
            }
            None => {
                plain.push(*first);
                rest = after;
            }
        }
    }
    plain
}

/// A name as servers compare it: PHP drops spaces before it and turns dots and spaces to `_`, others ignore case.
pub fn key(name: &str) -> String {
    trie::folded(name.trim_start_matches(' ')).replace(['.', ' '], "_")
}

/// Text without the encoding of forms, or `None` if an escape is not one or it is not UTF-8.
pub fn form_decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('+') {
        return crate::event::readings::decoded(text);
    }
    let spaced = text.replace('+', " ");
    crate::event::readings::decoded(&spaced).map(|it| Cow::Owned(it.into_owned()))
}

fn malformed(detail: &'static str) -> Refusal {
    Refusal { reason: Reason::BodyMalformed, detail }
}

/// `a[b][]` as `a` and `b`, ``. A name without brackets, or one that begins with one, is itself.
fn path_of(name: &str) -> Option<(&str, Vec<&str>)> {
    let Some(open) = name.find('[').filter(|open| *open > 0) else { return Some((name, Vec::new())) };
    let (base, rest) = name.split_at_checked(open)?;
    let inner = rest.strip_prefix('[')?.strip_suffix(']')?;
    let path: Vec<&str> = inner.split("][").collect();
    let last = path.len() - 1;
    let odd = |(at, step): (usize, &&str)| step.contains(['[', ']']) || (step.is_empty() && at != last);
    (path.len() <= DEPTH_MAX && !path.iter().enumerate().any(odd)).then_some((base, path))
}

/// Puts a value at its place; `None` if something else is there.
fn put(map: &mut Map<String, Json>, name: &str, path: &[&str], value: String) -> Option<()> {
    match path {
        [] => {
            let free = !map.contains_key(name);
            free.then(|| drop(map.insert(name.to_owned(), Json::String(value))))
        }
        [""] => match map.entry(name).or_insert_with(|| Json::Array(Vec::new())) {
            Json::Array(list) => {
                list.push(Json::String(value));
                Some(())
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_) => None,
        },
        [next, rest @ ..] => match map.entry(name).or_insert_with(|| Json::Object(Map::new())) {
            Json::Object(inner) => put(inner, next, rest, value),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, &'static str> {
        match form(text.as_bytes()) {
            Ok(Body::Fields(json)) => Ok(json.to_string()),
            Ok(other) => Ok(format!("{other:?}")),
            Err(refusal) => Err(refusal.detail),
        }
    }

    #[test]
    fn forms_are_read_into_fields() {
        for (text, wanted) in [
            ("a=1&b=x+y%21&&c", r#"{"a":"1","b":"x y!","c":""}"#),
            ("to[iban]=DE1&to[name]=x", r#"{"to":{"iban":"DE1","name":"x"}}"#),
            ("tags[]=a&tags[]=b", r#"{"tags":["a","b"]}"#),
            ("a[b][]=1", r#"{"a":{"b":["1"]}}"#),
            ("%5B=1", r#"{"[":"1"}"#),
            ("", "{}"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_two_servers_could_read_differently_is_refused() {
        for text in [
            "amount=1&amount=9999",
            "amount=1&amount[]=9999",
            "amount[]=1&amount=9999",
            "a[b]=1&a[]=2",
            "a[b]=1&a[b]=2",
            "amount=1&%61mount=2",
            "amount=1&Amount=2",
            "pay.ee=1&pay_ee=2",
            "payee=1&+payee=2",
            "a=1;b=2",
            "a=%zz",
            "a=%ff",
            "a%00=1",
            "a[=1",
            "a[b=1",
            "a]b[=1",
            "a[][b]=1",
            "a[b]c=1",
            "a[b][c][d][e][f][g][h][i][j]=1",
        ] {
            assert!(read(text).is_err(), "{text} was accepted: {:?}", read(text));
        }
        assert!(form(b"a=\xff").is_err());
        assert!(form("a&".repeat(FIELDS_MAX + 1).as_bytes()).is_err());
    }

    #[test]
    fn a_body_without_the_word_names_no_method_however_it_is_read() {
        for body in [
            &b"_method=DELETE"[..],
            b"%5Fm%65thod=DELETE",
            b"\xff=1&_METHOD=DELETE",
            br#"{"\u005f\u006dethod":"DELETE","a":1,"a":2}"#,
            b"\0_\0m\0e\0t\0h\0o\0d\0",
        ] {
            assert!(may_name_method(body), "{}", String::from_utf8_lossy(body));
        }
        for body in [&br#"{"a":1,"a":2}"#[..], b"\xff\xfe%zz\\u00zz\\u0", b"", b"%"] {
            assert!(!may_name_method(body), "{}", String::from_utf8_lossy(body));
        }
    }
}
