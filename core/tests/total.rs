//! Whatever arrives is read or refused: nothing here panics, and what is read keeps its promises.

use proptest::prelude::*;
use stepward_core::{
    event::{self, Cover, matcher::Event, matcher::Matcher, matcher::Standing, readings},
    request::{
        Body, content, fields,
        head::{Head, Limits, Parts, Version},
        host, json,
    },
};

/// Text made of what is special to some parser, with a little of everything else between.
fn text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        "/", "//", ".", "..", "%2f", "%2e", "%25", "%", "%c3%a9", "%ff", ";", "?", "#", "\\", "*", "**", "{", "}",
        "{id}", "[", "]", "[]", ":", ",", "=", "&", "+", "GET ", "POST", "ANY", " ", "\"", "a.test", "http://",
        "1e400", "0", "-1", "true", "null", "\t", "\0", "é", "\u{212A}", ".json",
    ]);
    let part = prop_oneof![3 => special.prop_map(str::to_owned), 1 => "[a-zA-Z0-9]{1,4}", 1 => any::<char>().prop_map(String::from)];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_target_is_forwarded_as_it_came_or_refused(target in text(), authority in text()) {
        let target = format!("/{target}");
        let fields = [("host", authority.as_str())];
        let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let parts = Parts { method: b"GET", target: target.as_bytes(), version: Version::Http11, authority: None, fields };
        if let Ok(head) = Head::of(parts, &Limits::default()) {
            let query = head.query.map(|query| format!("?{query}")).unwrap_or_default();
            prop_assert_eq!(format!("{}{query}", head.path), target.as_str());
            prop_assert!(head.host.bytes().all(|it| it.is_ascii_graphic() && !it.is_ascii_uppercase()));
            let _ = Matcher::default().candidates(&["GET"], &head.host, head.path);
        }
    }

    #[test]
    fn a_plain_path_has_one_reading_and_it_is_the_one_that_is_looked_up(path in text()) {
        let path = format!("/{path}");
        if readings::is_plain(&path) && path.bytes().all(|it| it.is_ascii_graphic() && !b"?#".contains(&it)) {
            let forms = readings::forms(&path).unwrap_or_default();
            let plain: Vec<&str> = readings::plain(&path).collect();
            prop_assert_eq!(forms, vec![plain]);
        }
    }

    #[test]
    fn a_pattern_is_read_or_told_what_is_wrong_and_where(written in text()) {
        for written in [written.clone(), format!("GET /{written}"), format!("ANY a.test/{written}")] {
            match event::parse_cover(&written) {
                Err(wrong) => prop_assert!(written.get(wrong.offset..wrong.offset + wrong.len).is_some(), "{wrong:?} in {written:?}"),
                Ok((method, host, path)) => {
                    let cover = Cover { text: written.as_str().into(), method, host, path, matches: None };
                    let events = [Event { covers: std::slice::from_ref(&cover), standing: Standing::Decides }];
                    prop_assert_eq!(Matcher::build(events).shadowed(), vec![]);
                }
            }
        }
    }

    #[test]
    fn any_body_is_read_or_refused(bytes in text(), raw in prop::collection::vec(any::<u8>(), 0..40)) {
        for bytes in [bytes.as_bytes(), &raw] {
            let _ = (json::parse(bytes), fields::form(bytes), host::parse(bytes));
            let _ = std::str::from_utf8(bytes).map(|text| content::kind(Some(text), Some(text)));
        }
    }

    #[test]
    fn what_a_form_says_is_what_is_read(pairs in prop::collection::btree_map("[a-z]{1,6}", "\\PC{0,8}", 0..6)) {
        let encode = |text: &str| text.bytes().map(|it| format!("%{it:02X}")).collect::<String>();
        let form: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let wanted = pairs.into_iter().map(|(name, value)| (name, value.into())).collect();
        prop_assert_eq!(fields::form(form.join("&").as_bytes()), Ok(Body::Fields(serde_json::Value::Object(wanted))));
    }
}
