//! XML to data: elements are fields, repeated ones lists, attributes `@name`, text beside them `$`.
//!
//! Document types are refused, so nothing is expanded but the five entities of XML and character references.

use std::borrow::Cow;

use quick_xml::{
    Reader,
    events::{BytesRef, BytesStart, Event},
};

use crate::connector::mapping::data::{DEPTH_MAX, Data, ELEMENTS_MAX};

/// Most different names in one element.
const FIELDS_MAX: usize = 1000;

/// An element that is open.
struct Open {
    name: String,
    fields: Vec<(Cow<'static, str>, Data<'static>)>,
    text: String,
}

/// Reads a document; `None` where it is not well formed, too deep or too long. The root's name is its one field.
pub(super) fn read(text: &str) -> Option<Data<'static>> {
    let mut reader = Reader::from_str(text);
    let mut open = vec![Open { name: String::new(), fields: Vec::new(), text: String::new() }];
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) => {
                if open.len() > DEPTH_MAX {
                    return None;
                }
                open.push(element(&tag)?);
            }
            Event::Empty(tag) => {
                let empty = element(&tag)?;
                open.last_mut()?.add(empty)?;
            }
            Event::End(_) => {
                let closed = open.pop()?;
                open.last_mut()?.add(closed)?;
            }
            Event::Text(text) => open.last_mut()?.text.push_str(&text),
            Event::CData(text) => open.last_mut()?.text.push_str(&text),
            Event::GeneralRef(name) => open.last_mut()?.text.push(letter(&name)?),
            Event::Decl(declared) => {
                // Whatever else it says it is written in, it was read as UTF-8.
                let encoding = declared.encoding().and_then(Result::ok);
                if encoding.is_some_and(|it| !it.eq_ignore_ascii_case("utf-8") && !it.eq_ignore_ascii_case("us-ascii"))
                {
                    return None;
                }
            }
            Event::Comment(_) | Event::PI(_) => {}
            Event::DocType(_) => return None,
            Event::Eof => break,
        }
    }
    let root = open.pop().filter(|_| open.is_empty())?;
    (root.fields.len() == 1 && root.text.trim().is_empty()).then_some(Data::Map(root.fields))
}

fn element(tag: &BytesStart<'_>) -> Option<Open> {
    let mut fields: Vec<(Cow<'static, str>, Data<'static>)> = Vec::new();
    for attribute in tag.attributes() {
        let attribute = attribute.ok()?;
        let name = format!("@{}", local(attribute.key.as_ref()));
        fields.push((name.into(), Data::text(quick_xml::escape::unescape(&attribute.value).ok()?.into_owned())));
    }
    Some(Open { name: local(tag.name().as_ref()).to_owned(), fields, text: String::new() })
}

/// A name without its prefix: which prefix a vendor chooses says nothing.
fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

fn letter(reference: &BytesRef<'_>) -> Option<char> {
    if let Some(letter) = reference.resolve_char_ref().ok()? {
        return Some(letter);
    }
    Some(match &**reference {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}

impl Open {
    fn add(&mut self, child: Open) -> Option<()> {
        let (name, text) = (child.name, child.text.trim().to_owned());
        let data = match (child.fields.is_empty(), text.is_empty()) {
            (true, _) => Data::text(text),
            (false, true) => Data::Map(child.fields),
            (false, false) => {
                let mut fields = child.fields;
                fields.push(("$".into(), Data::text(text)));
                Data::Map(fields)
            }
        };
        let has_room = self.fields.len() < FIELDS_MAX;
        match self.fields.iter_mut().find(|(it, _)| *it == name) {
            Some((_, Data::List(items))) if items.len() < ELEMENTS_MAX => items.push(data),
            Some((_, Data::List(_))) => return None,
            Some((_, one)) => *one = Data::List(vec![std::mem::replace(one, Data::Null), data]),
            None if has_room => self.fields.push((name.into(), data)),
            None => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_become_data_or_nothing() {
        for (text, expected) in [
            ("<a/>", Some(r#"{"a":""}"#)),
            (
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><s:r xmlns:s=\"x\"><s:id>7</s:id><hit n=\"1\">x &amp; y&#33;</hit><hit/></s:r>",
                Some(r#"{"r":{"@s":"x","id":"7","hit":[{"@n":"1","$":"x & y!"},""]}}"#),
            ),
            ("<a><![CDATA[<b>]]></a>", Some(r#"{"a":"<b>"}"#)),
            ("<!DOCTYPE a [<!ENTITY x \"boom\">]><a>&x;</a>", None),
            ("<a>&x;</a>", None),
            ("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a/>", None),
            ("<a><b></a>", None),
            ("<a>", None),
            ("<a/><b/>", None),
            ("text", None),
            ("", None),
            ("<a b='1' b='2'/>", None),
        ] {
            assert_eq!(read(text).map(|it| it.to_json().to_string()).as_deref(), expected, "{text}");
        }
        let deep = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(read(&deep(60)).is_some() && read(&deep(100)).is_none());
    }
}
