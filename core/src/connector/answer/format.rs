//! Forms of answers beside JSON and XML, read into the same data.

use crate::connector::mapping::data::{Data, ELEMENTS_MAX, is_distinct};

/// Most names of a mapping that is written line by line.
const NAMES_MAX: usize = 50_000;

/// One JSON value a line.
pub(super) fn jsonl(text: &str) -> Option<Data<'_>> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let items: Vec<Data<'_>> = lines.take(ELEMENTS_MAX + 1).map(Data::json).collect::<Option<_>>()?;
    (items.len() <= ELEMENTS_MAX).then_some(Data::List(items))
}

/// `application/x-www-form-urlencoded`.
pub(super) fn form(text: &str) -> Option<Data<'_>> {
    let pairs = text.trim().split('&').filter(|pair| !pair.is_empty());
    let fields = pairs.map(|pair| {
        let (name, value) = pair.split_once('=')?;
        Some((decoded(name)?.into(), Data::text(decoded(value)?)))
    });
    distinct(fields.collect::<Option<Vec<_>>>()?)
}

fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    Some(percent_encoding::percent_decode_str(&spaced).decode_utf8().ok()?.into_owned())
}

/// A name, a separator and a value a line.
pub(super) fn kv_lines<'a>(text: &'a str, separator: &str) -> Option<Data<'a>> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let fields = lines.map(|line| {
        let (name, value) = line.split_once(separator)?;
        Some((name.trim().into(), Data::text(value.trim())))
    });
    distinct(fields.collect::<Option<Vec<_>>>()?)
}

fn distinct<'a>(fields: Vec<(std::borrow::Cow<'a, str>, Data<'a>)>) -> Option<Data<'a>> {
    (fields.len() <= NAMES_MAX && is_distinct(&fields)).then_some(Data::Map(fields))
}

/// Lines, without those that are empty.
pub(super) fn lines(text: &str) -> Option<Data<'_>> {
    let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
    let items: Vec<Data<'_>> = lines.take(ELEMENTS_MAX + 1).map(Data::text).collect();
    (items.len() <= ELEMENTS_MAX).then_some(Data::List(items))
}

/// RFC 4180 with a head. Rows of another length than the head's are refused.
pub(super) fn csv(text: &str, separator: char) -> Option<Data<'_>> {
    let mut rows = records(text, separator)?.into_iter();
    let head = rows.next()?;
    let mut items = Vec::new();
    for row in rows {
        if row.len() != head.len() || items.len() == ELEMENTS_MAX {
            return None;
        }
        let fields = head.iter().zip(row).map(|(name, value)| (name.clone().into(), Data::text(value)));
        items.push(distinct(fields.collect())?);
    }
    Some(Data::List(items))
}

/// The rows of RFC 4180, the head among them; empty lines are none. `None` where quotes do not match.
pub fn records(text: &str, separator: char) -> Option<Vec<Vec<String>>> {
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut letters = text.chars().peekable();
    let (mut quoted, mut was_quoted) = (false, false);
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if field.is_empty() && !was_quoted => (quoted, was_quoted) = (true, true),
            other if quoted => field.push(other),
            '"' => return None,
            '\r' if letters.peek() == Some(&'\n') => {}
            '\n' => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
                was_quoted = false;
            }
            other if other == separator => {
                record.push(std::mem::take(&mut field));
                was_quoted = false;
            }
            _ if was_quoted => return None,
            other => field.push(other),
        }
    }
    if quoted {
        return None;
    }
    if !field.is_empty() || !record.is_empty() || was_quoted {
        record.push(field);
        records.push(record);
    }
    Some(records.into_iter().filter(|row| row.len() > 1 || row.iter().any(|field| !field.is_empty())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(data: Option<Data<'_>>) -> Option<String> {
        data.map(|it| it.to_json().to_string())
    }

    #[test]
    fn every_form_is_read_whole_or_not_at_all() {
        for (read, expected) in [
            (json(jsonl("{\"a\":1}\n\n[2]\r\n")), Some(r#"[{"a":1},[2]]"#)),
            (json(jsonl("{\"a\":1}\n{\"b\"")), None),
            (json(form("a=1&b=x+y%26z&c=")), Some(r#"{"a":"1","b":"x y&z","c":""}"#)),
            (json(form("a=1&a=2")), None),
            (json(form("a=%ff")), None),
            (json(form("<html>")), None),
            (json(kv_lines("AB: 1\r\nCD:2\n", ":")), Some(r#"{"AB":"1","CD":"2"}"#)),
            (json(kv_lines("AB:1\nCD", ":")), None),
            (json(kv_lines("AB:1\nAB:2", ":")), None),
            (json(lines("a\r\n\nb")), Some(r#"["a","b"]"#)),
            (
                json(csv("ip,score\r\n1.2.3.4,\"a,\"\"b\"\"\nc\"\r\n", ',')),
                Some("[{\"ip\":\"1.2.3.4\",\"score\":\"a,\\\"b\\\"\\nc\"}]"),
            ),
            (json(csv("ip;score\n1;2", ';')), Some(r#"[{"ip":"1","score":"2"}]"#)),
            (json(csv("ip,score\n1", ',')), None),
            (json(csv("ip,ip\n1,2", ',')), None),
            (json(csv("ip\n\"1", ',')), None),
            (json(csv("ip\n\"1\"2", ',')), None),
            (json(csv("", ',')), None),
        ] {
            assert_eq!(read.as_deref(), expected);
        }
    }
}
