use super::{Expression, Names, Scope, Stop, data::Data};
use crate::value::{Type, Value};

const NOW_MS: i64 = 1_767_225_600_000;

fn names() -> Names {
    let list = |names: &[&str]| names.iter().map(|it| (*it).into()).collect();
    Names {
        has_answer: true,
        is_about_decision: false,
        inputs: list(&["ip", "action"]),
        config: list(&["hosts", "days"]),
        derived: list(&["sha1"]),
        headers: list(&["x-seen"]),
    }
}

/// What an expression comes to over a body, as JSON; `-` where it is unknown.
fn eval(text: &str, body: &str) -> String {
    let expression = Expression::parse(text, &names()).unwrap_or_else(|fault| panic!("{text}: {}", fault.message));
    let config = Data::of(&serde_json::json!({ "hosts": ["a.example"], "days": 90 }));
    let input = Data::of(&serde_json::json!({ "ip": "1.2.3.4" }));
    let derived = Data::of(&serde_json::json!({ "sha1": "abc" }));
    let headers = Data::of(&serde_json::json!({ "x-seen": "7" }));
    let scope =
        Scope::asking(input, &config, derived, NOW_MS).answered(200, headers, Data::json(body).expect("a good body"));
    expression.eval(&scope).map_or("-".to_owned(), |data| data.to_json().to_string())
}

#[test]
fn expressions_come_to_what_they_say() {
    let body = r#"{"score": 25, "neg": -3, "f": 0.5, "t": true, "n": null, "s": "AbC", "num": "7.5", "as": "AS64500 Example",
        "list": [3, 1, 2], "words": ["b", "a"], "rows": [{"k": "Bot", "v": 9}, {"k": "Risk", "v": 5}], "m": {"x": 1, "y": 2},
        "date": "2025-12-30T00:00:00Z", "empty": [], "url": "https://x.example/a/b-c", "mail": "Ada.L+news@GoogleMail.com"}"#;
    for (text, expected) in [
        ("body.score", "25"),
        ("body.missing", "-"),
        ("body.n", "-"),
        ("body.m.missing.deeper", "-"),
        ("body['as']", r#""AS64500 Example""#),
        ("body.list[1]", "1"),
        ("body.list[9]", "-"),
        ("body.rows[1].k", r#""Risk""#),
        ("score(body.score, 0, 50)", "50.0"),
        ("score(body.score, 100, 0)", "75.0"),
        ("score(body.score, 5, 5)", "-"),
        ("100 - body.score", "75"),
        ("body.score / 2", "12"),
        ("body.score / 2.0", "12.5"),
        ("body.score + body.f", "25.5"),
        ("-body.neg", "3"),
        ("9223372036854775807 + body.score", "-"),
        ("body.score / 0", "-"),
        ("body.n == null", "true"),
        ("body.score == 25.0", "true"),
        ("body.score > 'a'", "-"),
        ("body.missing > 1 || body.t", "true"),
        ("body.missing > 1 && !body.t", "false"),
        ("body.missing > 1 || !body.t", "-"),
        ("has(body.n)", "true"),
        ("has(body.missing)", "false"),
        ("has(body.missing.deeper)", "false"),
        ("body.?missing.orValue('none')", r#""none""#),
        ("body.?s.orValue('none')", r#""AbC""#),
        ("has(input.action)", "false"),
        ("!has(input.action) || body.s == input.action", "true"),
        ("input.ip", r#""1.2.3.4""#),
        ("derived.sha1 + '!'", r#""abc!""#),
        ("'a.example' in config.hosts", "true"),
        ("config.days", "90"),
        ("headers['x-seen']", r#""7""#),
        ("status == 200", "true"),
        ("'x' in body.m", "true"),
        ("'z' in body.m", "false"),
        ("body.s in ['AbC', 'x']", "true"),
        ("body.t ? 'y' : 'n'", r#""y""#),
        ("body.missing ? 'y' : 'n'", "-"),
        ("body.rows.filter(r, r.k == 'Risk')[0].v", "5"),
        ("body.rows.map(r, r.v)", "[9,5]"),
        ("body.rows.map(r, r.missing)", "-"),
        ("body.rows.exists(r, r.v > 8)", "true"),
        ("body.rows.exists(r, r.missing || r.v > 8)", "true"),
        ("body.rows.all(r, r.v > 8)", "false"),
        ("body.rows.exists_one(r, r.v > 8)", "true"),
        ("body.m.all(k, k in ['x', 'y'])", "true"),
        ("body.rows.map(r, body.list.filter(l, l < r.v))", "[[3,1,2],[3,1,2]]"),
        ("max_of(body.list)", "3"),
        ("min_of(body.list)", "1"),
        ("max_of(body.words)", r#""b""#),
        ("max_of(body.empty)", "-"),
        ("max_of(body.score, body.neg)", "25"),
        ("first(body.words)", r#""b""#),
        ("keys(body.m)", r#"["x","y"]"#),
        ("size(body.words)", "2"),
        ("body.words.size()", "2"),
        ("size(body.missing)", "-"),
        ("pick(body.s, {'AbC': 'yes'}, 'no')", r#""yes""#),
        ("pick(body.url, {'AbC': 'yes'}, 'no')", r#""no""#),
        ("pick(body.url, {'AbC': 'yes'})", "-"),
        ("pick(body.n, {'AbC': 'yes'}, 'no')", "-"),
        ("pick(body.missing, {'AbC': 'yes'}, 'no')", "-"),
        ("pick(body.score, {25: 'quarter'})", r#""quarter""#),
        ("num(body.num)", "7.5"),
        ("num(body.s)", "-"),
        ("int(body.num)", "7"),
        ("string(body.score)", r#""25""#),
        ("truthy('Yes')", "true"),
        ("truthy(0)", "false"),
        ("truthy('maybe')", "-"),
        ("lower(body.s)", r#""abc""#),
        ("upper(body.s)", r#""ABC""#),
        ("trim('  a ')", r#""a""#),
        ("slice(body.s, 0, 2)", r#""Ab""#),
        ("slice(body.list, 1)", "[1,2]"),
        ("split('a,b', ',')", r#"["a","b"]"#),
        ("join(body.words, '-')", r#""b-a""#),
        ("after('k=v=w', '=')", r#""v=w""#),
        ("last_segment(body.url)", r#""b-c""#),
        ("asn(body['as'])", "64500"),
        ("asn(64500)", "64500"),
        ("asn('none')", "-"),
        ("age_days(body.date)", "2.0"),
        ("age_days(1767139200)", "1.0"),
        ("age_days(body.s)", "-"),
        ("now()", "1767225600"),
        ("md5_hex('a')", r#""0cc175b9c0f1b6a831c399e269772661""#),
        ("sha1_hex('password')", r#""5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8""#),
        ("slice(sha256_hex(''), 0, 8)", r#""e3b0c442""#),
        ("slice(sha512_hex(''), 0, 8)", r#""cf83e135""#),
        ("b64('hé')", r#""aMOp""#),
        ("b64d('aMOp')", r#""hé""#),
        ("b64d('____')", "-"),
        ("urlencode('a b/c')", r#""a%20b%2Fc""#),
        ("is_private_ip('10.0.0.1')", "true"),
        ("is_private_ip('8.8.8.8')", "false"),
        ("is_private_ip('nobody')", "-"),
        ("domain_of(body.mail)", r#""googlemail.com""#),
        ("domain_of(body.url)", r#""x.example""#),
        ("normalize_email(body.mail)", r#""adal@gmail.com""#),
        ("e164('+31 (0)20-123')", "-"),
        ("e164('0031 20 123 4567')", r#""+31201234567""#),
        ("e164('020 1234567')", "-"),
        ("xml_text(body.s)", r#""AbC""#),
        ("body.s.contains('b')", "true"),
        ("body.s.startsWith('Ab') && body.s.endsWith('C')", "true"),
        ("body.words.contains('a')", "true"),
        ("body.s.matches('^[A-Z]b')", "true"),
        ("{'a': body.score}.a", "25"),
        ("[body.score, 1][1]", "1"),
        ("body[input.ip]", "-"),
    ] {
        assert_eq!(eval(text, body), expected, "{text}");
    }
    assert_eq!(eval("body[input.ip].risk", r#"{"1.2.3.4": {"risk": 3}}"#), "3", "a reply keyed by the input");
    assert_eq!(eval("xml_text(body.x)", r#"{"x": {"@n": "1", "$": "y"}}"#), r#""y""#);
}

#[test]
fn what_is_wrong_is_told_at_load_with_its_place() {
    for (text, place, told) in [
        ("boddy.x", "boddy", "did you mean `body`?"),
        ("secret.key", "secret", "only `auth` and `request` may use them"),
        ("input.ipp", "input.ipp", "did you mean `ip`?"),
        ("config.day", "config.day", "did you mean `days`?"),
        ("headers['x-sen']", "headers['x-sen']", "did you mean `x-seen`?"),
        ("scor(body.x, 0, 1)", "scor", "did you mean `score`?"),
        ("score(body.x)", "score", "takes 3 arguments, not 1"),
        ("body.x.matches(body.y)", "body.y", "the pattern is written out"),
        ("body.x.matches('(')", "'('", "no pattern"),
        ("{body.x: 1}", "body.x", "the keys of a map are written out"),
        ("{'a': 1, 'a': 2}", "'a'", "stands twice"),
        ("has(body)", "body", "`has` takes a field"),
        ("body.list[-1]", "-1", "lists begin at 0"),
        ("body.map(1, x)", "1", "a loop names its element here"),
        ("body.map(x)", "map", "a loop is written"),
        ("body.x = 1", "=", "did you mean `==`?"),
        ("hmac_sha256(body.x)", "hmac_sha256", "there is no function"),
    ] {
        let fault = Expression::parse(text, &names()).expect_err(text);
        let said = format!("{} {}", fault.message, fault.help.unwrap_or_default());
        assert!(said.contains(told), "{text}: {said}");
        assert_eq!(text.get(fault.span), Some(place), "{text}: {said}");
    }
    let fault = Expression::parse("body.x", &Names::default()).expect_err("there is no answer yet");
    assert!(fault.message.contains("`body` is not known here"));
}

#[test]
fn nothing_runs_long_or_makes_much_of_little() {
    let long = format!(r#"{{"l": [{}]}}"#, vec![format!("\"{}\"", "x".repeat(100)); 2000].join(","));
    let data = Data::json(&long).unwrap();
    let config = Data::Null;
    let nothing = Data::Map(Vec::new());
    let scope = Scope::asking(nothing.clone(), &config, nothing.clone(), 0).answered(200, nothing, data);
    for text in [
        "body.l.map(a, body.l.map(b, body.l.map(c, c)))",
        "body.l.map(a, body)",
        "body.l.map(a, body.l)",
        "body.l.filter(a, body.l.filter(b, a == b).size() > 0)",
        "join(body.l, 'separator')",
        "body.l.exists(a, body.l.exists(b, b == 'y'))",
    ] {
        let expression = Expression::parse(text, &Names { has_answer: true, ..Names::default() }).unwrap();
        assert_eq!(expression.eval(&scope).err(), Some(Stop::TooLong), "{text}");
    }
}

#[test]
fn a_list_is_an_attribute_as_a_whole_or_not_at_all() {
    let list = |body: &str| {
        let expression = Expression::parse("body", &Names { has_answer: true, ..Names::default() }).unwrap();
        let config = Data::Null;
        let nothing = Data::Map(Vec::new());
        let data = Data::json(body).unwrap();
        let scope = Scope::asking(nothing.clone(), &config, nothing.clone(), 0).answered(200, nothing, data);
        expression.attribute(&scope, Type::List)
    };
    assert_eq!(list(r#"["a", null, 1]"#), Ok(Value::List([Value::text("a"), Value::Int(1)].into())));
    assert_eq!(list(r#"["a", {}]"#), Err(Stop::Mistyped));
    assert_eq!(list(&format!("[{}]", vec!["1"; 257].join(","))), Err(Stop::Mistyped), "too long to be kept whole");
}

#[test]
fn json_is_read_strictly() {
    for bad in [
        "",
        "{",
        r#"{"a":1"#,
        r#"{"a":1}x"#,
        r#"{"a":1,"a":2}"#,
        "[1,]",
        "NaN",
        "1e999",
        "'a'",
        "\u{feff}1",
        r#""\ud800""#,
        "[1 2]",
        "{\"a\" 1}",
        "\u{0}",
    ] {
        assert_eq!(Data::json(bad), None, "{bad}");
    }
    let twins = (0..40).map(|at| format!("\"k{}\": 1", at % 39)).collect::<Vec<_>>().join(",");
    assert_eq!(Data::json(&format!("{{{twins}}}")), None, "a name that stands twice among many");
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Data::json(&deep(64)).is_some() && Data::json(&deep(66)).is_none() && Data::json(&deep(100_000)).is_none());
    assert!(Data::json(&format!("[{}1]", "1,".repeat(10_000))).is_none(), "too many elements");
    assert_eq!(Data::json("18446744073709551615"), Some(Data::Number(18446744073709551615.0)));
    assert_eq!(Data::json(r#"{"a\u0062": "\u00e9"}"#).unwrap().to_json().to_string(), r#"{"ab":"é"}"#);
}

#[test]
fn paths_and_single_functions_are_simple() {
    for (text, simple) in [
        ("body.a.b[0]", true),
        ("score(body.a, 0, 100)", true),
        ("pick(body.a, {'x': 'y'}, null)", true),
        ("body.a == 1", false),
        ("score(num(body.a), 0, 1)", false),
        ("body.map(x, x)", false),
    ] {
        assert_eq!(Expression::parse(text, &names()).unwrap().is_simple(), simple, "{text}");
    }
}
