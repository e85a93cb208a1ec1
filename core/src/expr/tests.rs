//! What conditions come to: by hand where the language is ours, against the `cel` crate's interpreter where it is CEL's.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;

use crate::{
    expr::{Checked, Condition, Named, Names, SlotSet, Truth, Unresolved, check},
    facts::{Facts, Reading, SlotId, Why},
    value::{Type, Value},
};

mod differential;

/// Attributes that conditions here may use, in the order of their slots.
const TABLE: [(&str, Type); 14] = [
    ("a", Type::Bool),
    ("b", Type::Bool),
    ("c", Type::Bool),
    ("n.i", Type::Int),
    ("n.j", Type::Int),
    ("n.x", Type::Number),
    ("n.y", Type::Number),
    ("t.s", Type::Text),
    ("t.u", Type::Text),
    ("l.s", Type::List),
    ("m.t", Type::Time),
    ("m.d", Type::Duration),
    ("ip.a", Type::Ip),
    ("t.kind", Type::Text),
];

struct Table;

impl Names for Table {
    fn resolve(&mut self, path: &[&str], _: Option<Type>) -> Result<Named, Unresolved> {
        let name = path.join(".");
        if name == "settings.limit" {
            return Ok(Named::Constant(Value::Int(70)));
        }
        let at = TABLE.iter().position(|(it, _)| *it == name).ok_or(Unresolved {
            code: "attribute.unknown",
            message: format!("unknown attribute `{name}`"),
            help: None,
        })?;
        let one_of = if name == "t.kind" { vec!["human".into(), "agent".into()] } else { Vec::new() };
        Ok(Named::Slot { slot: SlotId(at as u16), kind: TABLE[at].1, one_of, range: None, caution: None })
    }
}

fn compiled(text: &str) -> Condition {
    let (checked, faults) = check(text, &mut Table);
    assert!(faults.is_empty(), "{text}: {faults:?}");
    checked.map(Checked::compile).unwrap()
}

/// Facts where only what is named is not pending.
fn facts(known: &[(&str, Option<Value>)]) -> Facts {
    let mut facts = Facts::unasked(1_000_000, TABLE.len());
    for (name, value) in known {
        let reading = value.clone().map_or(Reading::Unknown(Why::Unavailable), Reading::Known);
        facts.learn(slot(name), reading, None);
    }
    facts
}

fn slot(name: &str) -> SlotId {
    SlotId(TABLE.iter().position(|(it, _)| *it == name).unwrap() as u16)
}

fn came(text: &str, facts: &Facts) -> (Truth, Vec<&'static str>) {
    let mut wanted = SlotSet::default();
    let truth = compiled(text).eval(facts, &mut wanted);
    (truth, wanted.iter().map(|slot| TABLE[usize::from(slot.0)].0).collect())
}

/// Every reading that a truth value can have.
const FOUR: [(char, Option<Option<bool>>); 4] =
    [('t', Some(Some(true))), ('f', Some(Some(false))), ('u', Some(None)), ('p', None)];

fn of_truths(a: char, b: char) -> Facts {
    let mut known = Vec::new();
    for (name, letter) in [("a", a), ("b", b)] {
        let (_, reading) = FOUR.into_iter().find(|(it, _)| *it == letter).unwrap();
        if let Some(value) = reading {
            known.push((name, value.map(Value::Bool)));
        }
    }
    facts(&known)
}

fn letter(truth: Truth) -> char {
    match truth {
        Truth::True => 't',
        Truth::False => 'f',
        Truth::Unknown => 'u',
        Truth::Pending => 'p',
    }
}

#[test]
fn and_and_or_absorb_what_cannot_change_them() {
    // Rows: left is true, false, unknown, pending; columns: right likewise.
    let tables = [("a && b", ["tfup", "ffff", "ufup", "pfpp"]), ("a || b", ["tttt", "tfup", "tuup", "tppp"])];
    for (text, rows) in tables {
        for (row, left) in rows.iter().zip("tfup".chars()) {
            let found: String = "tfup".chars().map(|right| letter(came(text, &of_truths(left, right)).0)).collect();
            assert_eq!(&found, row, "{text} where a is {left}");
        }
    }
}

#[test]
fn nothing_is_wanted_that_cannot_change_the_outcome() {
    assert_eq!(came("a && b", &of_truths('p', 'f')), (Truth::False, vec![]));
    assert_eq!(came("a || b", &of_truths('p', 't')), (Truth::True, vec![]));
    assert_eq!(came("a || b || c", &of_truths('p', 'f')), (Truth::Pending, vec!["a", "c"]));
    assert_eq!(came("a == b", &of_truths('p', 'u')), (Truth::Unknown, vec![]), "asking for a would not help");
    assert_eq!(came("a == b", &of_truths('p', 'p')), (Truth::Pending, vec!["a", "b"]));
    assert_eq!(came("a ? b : c", &of_truths('p', 'p')), (Truth::Pending, vec!["a"]), "branches come later");
    assert_eq!(came("(a && b) || c", &of_truths('f', 'p')), (Truth::Pending, vec!["c"]));
}

#[test]
fn conditions_come_to_what_they_say() {
    let list: Arc<[Value]> = ["orders:read", "orders:write"].map(Value::text).into();
    let known = facts(&[
        ("a", Some(Value::Bool(true))),
        ("b", None),
        ("n.i", Some(Value::Int(7))),
        ("n.x", Some(Value::Number(70.0))),
        ("t.s", Some(Value::text("/API/v1/Orders"))),
        ("l.s", Some(Value::List(list))),
        ("m.t", Some(Value::Time(700_000))),
        ("m.d", Some(Value::Duration(300_000))),
        ("ip.a", Some(Value::Ip("10.20.3.4".parse().unwrap()))),
        ("t.kind", Some(Value::text("agent"))),
    ]);
    let cases = [
        ("n.x >= 70", 't'),
        ("n.x >= settings.limit && n.i < 10", 't'),
        ("70 < n.x", 'f'),
        ("n.i + 3 == 10 && n.i * 2 - 4 == 10 && n.i / 2 == 3 && n.i % 4 == 3", 't'),
        ("n.i / (n.i - 7) == 1", 'u'),
        ("-n.i == -7", 't'),
        ("n.x / 0.0 > 1.0", 'u'),
        ("now - m.t == duration(\"5m\") && m.d <= duration(\"5m\")", 't'),
        ("m.t + m.d == now", 't'),
        ("t.s.lowerAscii().startsWith(\"/api/\")", 't'),
        ("t.s.endsWith(\"Orders\") && t.s.contains(\"v1\") && !t.s.contains(\"v2\")", 't'),
        ("t.s.matches(\"^/[A-Z]+/v[0-9]/\")", 't'),
        ("size(t.s) == 14 && l.s.size() == 2", 't'),
        ("\"orders:read\" in l.s", 't'),
        ("\"orders\" in l.s", 'f'),
        ("t.kind in [\"agent\"]", 't'),
        ("l.s.exists(s, s.endsWith(\":write\"))", 't'),
        ("l.s.all(s, s.startsWith(\"orders:\"))", 't'),
        ("l.s.exists(s, s == t.u)", 'p'),
        ("l.s.exists(s, b)", 'u'),
        ("l.s.exists(s, b || s == \"orders:write\")", 't'),
        ("l.s[0] == \"orders:read\"", 't'),
        ("l.s[9] == \"x\"", 'u'),
        ("in_cidr(ip.a, [\"192.0.2.0/24\", \"10.20.0.0/16\"])", 't'),
        ("ip.a == \"10.20.3.4\" && ip.a in [\"10.20.3.4\"] && !(ip.a in [\"10.20.3.5\"])", 't'),
        ("has(a)", 't'),
        ("has(b)", 'f'),
        ("has(c)", 'p'),
        ("default(b, true)", 't'),
        ("default(c, true)", 'p'),
        ("default(t.s, \"x\") == \"x\"", 'f'),
        ("b ? true : false", 'u'),
        ("a ? n.x > 1 : b", 't'),
        ("(a ? n.i : 0) == 7", 't'),
        ("!b", 'u'),
        ("b == b", 'u'),
    ];
    for (text, expected) in cases {
        assert_eq!(letter(came(text, &known).0), expected, "{text}");
    }
}

#[test]
fn a_value_of_another_type_is_unknown() {
    let odd = facts(&[("n.x", Some(Value::text("70"))), ("a", Some(Value::Int(1))), ("t.s", Some(Value::Int(1)))]);
    for text in ["n.x >= 70", "a", "!a", "t.s == \"1\"", "t.s.contains(\"1\")", "n.x + 1 > 2"] {
        assert_eq!(letter(came(text, &odd).0), 'u', "{text}");
    }
}

#[test]
fn settings_and_constants_are_folded_away() {
    assert_eq!(compiled("settings.limit > 50 || a").constant(), Some(true));
    assert_eq!(compiled("settings.limit > 90 && a").constant(), Some(false));
    assert_eq!(compiled("settings.limit > 50 && a").constant(), None);
    assert_eq!(compiled("\"x\" in [\"x\", \"y\"]").constant(), Some(true));
    let uses = compiled("settings.limit > 90 && a || b").uses;
    assert_eq!(uses.iter().collect::<Vec<_>>(), [slot("b")], "what is folded away is never asked for");
}

#[test]
fn lists_of_conditions_are_joined() {
    let part = |text: &str| check(text, &mut Table).0.unwrap();
    let none = Checked::none(vec![part("b"), part("c || a")]);
    let all = Checked::all(vec![part("a"), Checked::any(vec![part("b"), part("c")]), none]).compile();
    assert_eq!(&*all.text, "a && (b || c) && !(b || (c || a))");
    let known = facts(&[("a", Some(Value::Bool(false)))]);
    assert_eq!(all.eval(&known, &mut SlotSet::default()), Truth::False);
}

#[test]
fn explaining_shows_every_part() {
    let known = facts(&[("a", Some(Value::Bool(false))), ("n.x", None), ("n.i", Some(Value::Int(7)))]);
    let told = compiled("a && (n.x >= settings.limit || n.i > 5) && !b").explain(&known);
    assert_eq!((&*told.text, told.truth), ("a && (n.x >= settings.limit || n.i > 5) && !b", Truth::False));
    let parts: Vec<(&str, Truth)> = told.parts.iter().map(|part| (&*part.text, part.truth)).collect();
    let expected = [("a", Truth::False), ("n.x >= settings.limit || n.i > 5", Truth::True), ("!b", Truth::Pending)];
    assert_eq!(parts, expected);
    assert_eq!(told.parts[1].parts[0].truth, Truth::Unknown);
    assert_eq!(told.parts[1].parts[0].slots, [slot("n.x")]);
}

#[test]
fn every_text_is_read_or_refused() {
    for text in [
        "",
        "(",
        "a.b.c.d",
        "[]",
        "[1, a]",
        "has()",
        "a(b)",
        "\"",
        "a ? b",
        "l.s.exists()",
        "-\"a\"",
        "9223372036854775808",
    ] {
        let (checked, faults) = check(text, &mut Table);
        assert!(checked.is_none() && !faults.is_empty(), "{text}");
    }
    assert_eq!(compiled("n.i > -9223372036854775808").constant(), None);
}

proptest! {
    /// Any bytes at all: read or refused, never a panic, and every place lies inside the text.
    #[test]
    fn no_text_breaks_the_reader(text in "[a-c().&|!?:\"'\\[\\], 0-9<>=+*/%\\\\néx-]{0,60}") {
        let (checked, faults) = check(&text, &mut Table);
        prop_assert!(checked.is_some() || !faults.is_empty());
        for fault in faults {
            prop_assert!(text.get(fault.span.clone()).is_some(), "{:?} is not inside {:?}", fault, text);
        }
    }
}

/// The values of the table by name, for the interpreter that conditions are compared with.
fn by_name(facts: &Facts) -> BTreeMap<&'static str, Value> {
    let known = |at: usize| facts.value(SlotId(at as u16)).cloned();
    TABLE.iter().enumerate().filter_map(|(at, (name, _))| known(at).map(|value| (*name, value))).collect()
}
