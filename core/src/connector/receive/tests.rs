use super::*;
use crate::{
    attribute::Catalogue,
    connector::{Class, Connector, compile, document::operation::Kind},
    value::Value,
};

const NOW_MS: i64 = 1_767_225_600_000;
const BODY: &str = r#"{"id": "evt-1", "data": {"id": "vs-1", "status": "verified"}}"#;

fn connector(verify: &str) -> Result<Connector, Vec<String>> {
    let text = format!(
        r#"
connector: acme
capability: idv
data: {{ sends: [user_ref] }}
inputs: {{ user_ref: {{ required: true }} }}
secrets: {{ hook: {{}} }}
operations:
  start:
    kind: start
    request: {{ method: POST, url: "https://api.example/start", json: {{ user: "${{input.user_ref}}" }} }}
    response: {{ keep_state: {{ reference: body.id }}, redirect: body.url }}
  webhook:
    kind: inbound
    receive:
      verify: {verify}
      reference: body.data.id
      event: body.id
    response:
      outcome: [{{ when: body.data.status == 'processing', then: pending }}]
      map: {{ idv.status: "pick(body.data.status, {{'verified': 'approved', 'failed': 'declined'}})" }}
      required: [idv.status]
"#
    );
    compile::connector(&"acme.yaml".into(), &text, &Catalogue::builtin())
        .map_err(|found| found.into_iter().map(|it| format!("{} {}", it.code, it.message)).collect())
}

fn receive(verify: &str, headers: &[(&str, &str)], body: &str) -> Result<Received, Refused> {
    let connector = connector(verify).unwrap_or_else(|found| panic!("{found:#?}"));
    let headers: Vec<(Arc<str>, String)> = headers.iter().map(|(name, it)| ((*name).into(), (*it).into())).collect();
    let message = Message { method: "POST", path: "/.stepward/inbound/acme", headers: &headers, body: body.as_bytes() };
    let secrets = [("hook".into(), "made-up".into())];
    connector.first(Kind::Inbound).expect("an inbound").receive(&message, &secrets, NOW_MS)
}

fn sign(key: &str, text: &str) -> String {
    let hash = hmac::hash(HmacAlgorithm::Sha256, key.as_bytes(), text.as_bytes()).expect("any key");
    data_encoding::HEXLOWER.encode(&hash)
}

const PLAIN: &str = r#"{ type: hmac, header: X-Sig, key: "${secret.hook}" }"#;
const TIMED: &str = r#"{ type: hmac, header: X-Sig, field: v1, key: "${secret.hook}", string_to_sign: "${req.timestamp}.${req.body}", timestamp: { field: t } }"#;

#[test]
fn a_signed_message_says_what_it_is_about_and_how_it_stands() {
    let read = receive(PLAIN, &[("x-sig", &sign("made-up", BODY))], BODY).unwrap();
    assert_eq!((&*read.event, read.reference.as_deref()), ("evt-1", Some("vs-1")));
    assert_eq!(read.answer.class, Class::Success);
    assert_eq!(read.answer.values, [Some(Value::text("approved"))]);
}

#[test]
fn nothing_is_read_of_a_message_that_nothing_vouches_for() {
    let good = sign("made-up", BODY);
    let upper = good.to_uppercase();
    assert!(receive(PLAIN, &[("x-sig", &upper)], BODY).is_ok(), "either spelling of the digits");
    let changed = BODY.replace("verified", "verifyed");
    for (name, headers, body, why) in [
        ("no signature", vec![], BODY, Refused::Unsigned),
        ("an empty one", vec![("x-sig", "")], BODY, Refused::Forged),
        ("no digits", vec![("x-sig", "zz")], BODY, Refused::Forged),
        ("half of it", vec![("x-sig", &good[..32])], BODY, Refused::Forged),
        ("another body", vec![("x-sig", &*good)], &*changed, Refused::Forged),
        ("two of them", vec![("x-sig", &*good), ("x-sig", &*good)], BODY, Refused::Unsigned),
    ] {
        assert_eq!(receive(PLAIN, &headers, body), Err(why), "{name}");
    }
    let other = sign("another key", BODY);
    assert_eq!(receive(PLAIN, &[("x-sig", &other)], BODY), Err(Refused::Forged));
}

#[test]
fn a_timestamp_is_part_of_what_is_signed_and_not_far_from_now() {
    let header = |sent: i64| format!("t={sent},v1={}", sign("made-up", &format!("{sent}.{BODY}")));
    let now = NOW_MS / 1000;
    for (sent, expected) in [
        (now, None),
        (now - 300, None),
        (now + 300, None),
        (now - 301, Some(Refused::Late)),
        (now + 301, Some(Refused::Late)),
    ] {
        assert_eq!(receive(TIMED, &[("x-sig", &header(sent))], BODY).err(), expected, "{}", sent - now);
    }
    let moved = header(now - 900).replace(&format!("t={}", now - 900), &format!("t={now}"));
    assert_eq!(receive(TIMED, &[("x-sig", &moved)], BODY), Err(Refused::Forged), "the time itself is signed");
    assert_eq!(receive(TIMED, &[("x-sig", &sign("made-up", BODY))], BODY), Err(Refused::Unsigned), "no time at all");
}

#[test]
fn while_a_key_is_changed_one_good_signature_is_enough() {
    let now = NOW_MS / 1000;
    let good = sign("made-up", &format!("{now}.{BODY}"));
    for header in [
        format!("t={now},v1=00ff,v1={good}"),
        format!("t={now},v1={} t={now},v1={good}", sign("old", &format!("{now}.{BODY}"))),
    ] {
        assert!(receive(TIMED, &[("x-sig", &header)], BODY).is_ok(), "{header}");
    }
    let many = format!("t={now},{}v1={good}", "v1=00,".repeat(CANDIDATES_MAX));
    assert_eq!(receive(TIMED, &[("x-sig", &many)], BODY), Err(Refused::Forged), "not as many as somebody likes");
}

#[test]
fn a_name_and_a_password_or_a_token_vouch_too() {
    let basic = r#"{ type: basic, username: acme, password: "${secret.hook}" }"#;
    let given = |text: &str| format!("Basic {}", text::base64(text.as_bytes()));
    assert!(receive(basic, &[("authorization", &given("acme:made-up"))], BODY).is_ok());
    assert_eq!(receive(basic, &[("authorization", &given("acme:other"))], BODY), Err(Refused::Forged));
    assert_eq!(receive(basic, &[("authorization", "Bearer made-up")], BODY), Err(Refused::Unsigned));
    let token = r#"{ type: token, header: X-Token, value: "Key ${secret.hook}" }"#;
    assert!(receive(token, &[("x-token", "Key made-up")], BODY).is_ok());
    assert_eq!(receive(token, &[("x-token", "Key made-u")], BODY), Err(Refused::Forged));
    assert_eq!(receive(token, &[], BODY), Err(Refused::Unsigned));
}

#[test]
fn what_is_signed_and_says_nothing_useful_is_a_class_and_never_half_an_answer() {
    for (body, class) in [
        (r#"{"id": "e", "data": {"id": "vs-1", "status": "processing"}}"#, Class::Pending),
        (r#"{"id": "e", "data": {"id": "vs-1", "status": "something new"}}"#, Class::ContractError),
        (r#"{"id": "e", "data": {"#, Class::ContractError),
        ("", Class::ContractError),
        ("<html>", Class::ContractError),
    ] {
        let read = receive(PLAIN, &[("x-sig", &sign("made-up", body))], body).unwrap();
        assert_eq!(read.answer.class, class, "{body}");
        assert!(read.answer.values.iter().all(Option::is_none), "{body}");
    }
    let nameless = receive(PLAIN, &[("x-sig", &sign("made-up", "{}"))], "{}").unwrap();
    assert_eq!(nameless.reference, None);
    assert_eq!(nameless.event.len(), 64, "a digest stands for an id");
}

#[test]
fn what_vouches_for_nothing_is_refused_at_load_with_what_to_do() {
    for (verify, code, part) in [
        (r#"{ type: hmac, header: X-Sig }"#, "receive.incomplete", "needs `key`"),
        (r#"{ type: hmac, key: "${secret.hook}" }"#, "receive.incomplete", "needs `header`"),
        (r#"{ type: hmac, header: X-Sig, key: everybody }"#, "receive.public", "no secret"),
        (r#"{ type: token, header: X-Token, value: everybody }"#, "receive.public", "no secret"),
        (r#"{ type: basic, username: a, password: b }"#, "receive.public", "no secret"),
        (
            r#"{ type: token, header: X, value: "${secret.hook}", key: "${secret.hook}" }"#,
            "receive.strange",
            "`type: hmac`",
        ),
        (
            r#"{ type: hmac, header: X-Sig, key: "${secret.hook}", string_to_sign: "${req.path}" }"#,
            "receive.unsigned",
            "req.body",
        ),
        (
            r#"{ type: hmac, header: X-Sig, key: "${secret.hook}", timestamp: { header: X-Ts } }"#,
            "receive.unsigned",
            "one needs the other",
        ),
        (
            r#"{ type: hmac, header: X-Sig, key: "${secret.hook}", string_to_sign: "${req.timestamp}${req.body}" }"#,
            "receive.unsigned",
            "one needs the other",
        ),
        (
            r#"{ type: hmac, header: X-Sig, key: "${secret.hook}", string_to_sign: "${req.timestamp}${req.body}", timestamp: { field: t } }"#,
            "receive.timestamp",
            "`field`",
        ),
        (
            r#"{ type: hmac, header: X-Sig, key: "${secret.hook}", string_to_sign: "${req.timestamp}${req.body}", timestamp: { header: T, tolerance: 2h } }"#,
            "receive.tolerance",
            "1h",
        ),
        (r#"{ type: hmac, header: X-Sig, key: "${secret.hok}" }"#, "secret.undeclared", "hok"),
        (
            r#"{ type: hmac, header: X-Sig, key: "${secret.hook}", string_to_sign: "${req.params}${req.body}" }"#,
            "template.place",
            "here",
        ),
    ] {
        let found = connector(verify).err().unwrap_or_default();
        assert!(found.iter().any(|it| it.starts_with(code) && it.contains(part)), "{verify}: {found:?}");
    }
}
