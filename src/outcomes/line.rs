//! Writes one JSON object, key by key, into the bytes of a log line.
//!
//! Keys are ours and need no escapes; text is looked over at once and copied where it needs none, which is nearly always.
//! Everything else goes through `serde_json`. What is written reads back as the same values in the same order.

use serde::Serialize;

/// An object that is being written; [`Object::end`] closes it.
pub(super) struct Object<'l> {
    into: &'l mut Vec<u8>,
    is_empty: bool,
}

impl<'l> Object<'l> {
    /// Opens an object.
    pub(super) fn begin(into: &'l mut Vec<u8>) -> Self {
        into.push(b'{');
        Object { into, is_empty: true }
    }

    /// Closes it.
    pub(super) fn end(self) {
        self.into.push(b'}');
    }

    /// A field whose value the caller writes. `key` needs no escapes.
    pub(super) fn field(&mut self, key: &'static str) -> &mut Vec<u8> {
        self.comma();
        self.into.push(b'"');
        self.into.extend_from_slice(key.as_bytes());
        self.into.extend_from_slice(b"\":");
        self.into
    }

    /// The same under a name that is not ours.
    pub(super) fn named(&mut self, name: &str) -> &mut Vec<u8> {
        self.comma();
        quoted(self.into, name);
        self.into.push(b':');
        self.into
    }

    /// Text.
    pub(super) fn text(&mut self, key: &'static str, value: &str) {
        quoted(self.field(key), value);
    }

    /// Text, or `null`.
    pub(super) fn maybe(&mut self, key: &'static str, value: Option<&str>) {
        let into = self.field(key);
        match value {
            Some(value) => quoted(into, value),
            None => into.extend_from_slice(b"null"),
        }
    }

    /// Anything else.
    pub(super) fn value(&mut self, key: &'static str, value: &impl Serialize) -> serde_json::Result<()> {
        serde_json::to_writer(self.field(key), value)
    }

    /// A list of objects, each written by `write`.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Object<'_>, T) -> serde_json::Result<()>,
    ) -> serde_json::Result<()> {
        let into = self.field(key);
        into.push(b'[');
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                into.push(b',');
            }
            let mut object = Object::begin(into);
            write(&mut object, item)?;
            object.end();
        }
        into.push(b']');
        Ok(())
    }

    fn comma(&mut self) {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.into.push(b',');
        }
    }
}

/// Text as a JSON string (RFC 8259 section 7).
pub(super) fn quoted(into: &mut Vec<u8>, text: &str) {
    // Without an early end the compiler looks at many bytes at once.
    let escaped = text.bytes().fold(false, |found, it| found | (it < b' ') | (it == b'"') | (it == b'\\'));
    if !escaped {
        into.push(b'"');
        into.extend_from_slice(text.as_bytes());
        into.push(b'"');
    } else if serde_json::to_writer(&mut *into, text).is_err() {
        // Text into memory does not fail; a line that lacks a value would not read back.
        into.extend_from_slice(b"null");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn an_object_reads_back_as_what_was_written() {
        let hostile: String = (0..=0x7f_u8).map(char::from).chain("é\u{2028}\u{10ffff}".chars()).collect();
        for text in ["", "plain", "a\"b", "a\\", "\u{7f}", &hostile] {
            let mut line = Vec::new();
            let mut object = Object::begin(&mut line);
            object.text("a", text);
            object.maybe("b", None);
            object.maybe("c", Some(text));
            quoted(object.named(text), text);
            object.value("d", &[1.5, f64::NAN]).unwrap();
            let write = |item: &mut Object<'_>, text: &str| {
                item.text("t", text);
                Ok(())
            };
            object.list("e", [text, ""], write).unwrap();
            object.list("f", [0; 0], |_, _| Ok(())).unwrap();
            Object::begin(object.field("g")).end();
            object.end();
            let read: Value = serde_json::from_slice(&line).unwrap();
            let mut wanted = json!({ "a": text, "b": null, "c": text });
            wanted[text] = json!(text);
            wanted["d"] = json!([1.5, null]);
            wanted["e"] = json!([{ "t": text }, { "t": "" }]);
            wanted["f"] = json!([]);
            wanted["g"] = json!({});
            assert_eq!(read, wanted);
            assert!(!line.contains(&b'\n'), "it stays inside one line");
        }
    }
}
