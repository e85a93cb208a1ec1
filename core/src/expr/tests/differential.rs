//! Random conditions, by our evaluator and by the `cel` crate's interpreter: where both have a value it is the same.

use super::*;

fn pick(words: &'static [&'static str]) -> BoxedStrategy<String> {
    prop::sample::select(words).prop_map(str::to_owned).boxed()
}

/// Sometimes in parentheses, so that both parsers have to agree on what binds tighter.
fn grouped(inner: BoxedStrategy<String>) -> BoxedStrategy<String> {
    (inner, any::<bool>()).prop_map(|(text, group)| if group { format!("({text})") } else { text }).boxed()
}

fn whole() -> BoxedStrategy<String> {
    let leaf = pick(&["n.i", "n.j", "0", "1", "7", "-3", "9223372036854775807", "size(t.s)", "size(l.s)"]);
    let pair = (leaf.clone(), pick(&["+", "-", "*", "/", "%"]), leaf.clone())
        .prop_map(|(a, sign, b)| format!("{a} {sign} {b}"));
    prop_oneof![3 => leaf, 1 => grouped(pair.boxed())].boxed()
}

fn fraction() -> BoxedStrategy<String> {
    let leaf = pick(&["n.x", "n.y", "0.0", "1.5", "-70.25", "1e300"]);
    let pair =
        (leaf.clone(), pick(&["+", "-", "*", "/"]), leaf.clone()).prop_map(|(a, sign, b)| format!("{a} {sign} {b}"));
    prop_oneof![3 => leaf, 1 => grouped(pair.boxed())].boxed()
}

fn text() -> BoxedStrategy<String> {
    pick(&["t.s", "t.u", "\"\"", "\"ab\"", "'a\\'b'", "\"é\\n\"", "r\"\\d\"", "\"a\" + t.s"])
}

fn leaf() -> BoxedStrategy<String> {
    let relation = || pick(&["==", "!=", "<", "<=", ">", ">="]);
    prop_oneof![
        pick(&["a", "b", "c", "true", "false"]),
        (whole(), relation(), whole()).prop_map(|(a, sign, b)| format!("{a} {sign} {b}")),
        (fraction(), relation(), fraction()).prop_map(|(a, sign, b)| format!("{a} {sign} {b}")),
        (text(), relation(), text()).prop_map(|(a, sign, b)| format!("{a} {sign} {b}")),
        (pick(&["t.s", "t.u"]), pick(&["startsWith", "endsWith", "contains"]), text())
            .prop_map(|(a, by, b)| format!("{a}.{by}({b})")),
        text().prop_map(|a| format!("{a} in l.s")),
        text().prop_map(|a| format!("{a} in [\"ab\", \"b\", \"\"]")),
        whole().prop_map(|a| format!("{a} in [1, 2, 7]")),
        (pick(&["exists", "all"]), text()).prop_map(|(by, b)| format!("l.s.{by}(it, it != {b} && a)")),
    ]
    .boxed()
}

fn condition() -> impl Strategy<Value = String> {
    leaf().prop_recursive(3, 12, 3, |inner| {
        let inner = inner.boxed();
        prop_oneof![
            (grouped(inner.clone()), pick(&["&&", "||"]), grouped(inner.clone()))
                .prop_map(|(a, sign, b)| format!("{a} {sign} {b}")),
            inner.clone().prop_map(|a| format!("!({a})")),
            (grouped(inner.clone()), grouped(inner.clone()), inner)
                .prop_map(|(a, b, c)| format!("({a} ? ({b}) : ({c}))")),
        ]
        .boxed()
    })
}

/// Values for some of the attributes; the others are unknown.
fn values() -> impl Strategy<Value = Facts> {
    let some_text = || prop::sample::select(vec!["", "a", "ab", "aab", "é\n", "\\d"]);
    let truths = prop::array::uniform3(prop::option::weighted(0.8, any::<bool>()));
    let wholes = prop::array::uniform2(prop::option::weighted(0.9, prop_oneof![-8i64..8, any::<i64>()]));
    let fractions =
        prop::array::uniform2(prop::option::weighted(0.9, prop_oneof![-8.0f64..8.0, Just(0.0), Just(70.25)]));
    let texts = (some_text(), some_text(), prop::collection::vec(some_text(), 0..3));
    (truths, wholes, fractions, texts).prop_map(|(truths, wholes, fractions, (s, u, list))| {
        let mut known = Vec::new();
        known.extend(["a", "b", "c"].into_iter().zip(truths.map(|it| it.map(Value::Bool))));
        known.extend(["n.i", "n.j"].into_iter().zip(wholes.map(|it| it.map(Value::Int))));
        known.extend(["n.x", "n.y"].into_iter().zip(fractions.map(|it| it.map(Value::Number))));
        known.push(("t.s", Some(Value::text(s))));
        known.push(("t.u", Some(Value::text(u))));
        known.push(("l.s", Some(Value::List(list.into_iter().map(Value::text).collect()))));
        facts(&known)
    })
}

/// What the `cel` crate makes of it; `None` where that is an error.
fn by_interpreter(text: &str, facts: &Facts) -> Option<bool> {
    let mut text = text.to_owned();
    let mut context = cel::Context::default();
    for (name, _) in TABLE {
        text = text.replace(name, &name.replace('.', "_"));
    }
    for (name, value) in by_name(facts) {
        context.add_variable_from_value(name.replace('.', "_"), foreign(&value));
    }
    match cel::Program::compile(&text).unwrap().execute(&context) {
        Ok(cel::Value::Bool(holds)) => Some(holds),
        Ok(other) => unreachable!("{text} came to {other:?}"),
        Err(_) => None,
    }
}

fn foreign(value: &Value) -> cel::Value {
    match value {
        Value::Bool(it) => cel::Value::Bool(*it),
        Value::Int(it) => cel::Value::Int(*it),
        Value::Number(it) => cel::Value::Float(*it),
        Value::Text(it) => cel::Value::String(Arc::new(it.to_string())),
        Value::List(it) => cel::Value::List(Arc::new(it.iter().map(foreign).collect())),
        Value::Time(_) | Value::Duration(_) | Value::Ip(_) => unreachable!("not compared"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn agrees_with_the_cel_crate(text in condition(), facts in values()) {
        let (checked, faults) = check(&text, &mut Table);
        // Constant overflow and division by nothing are refused at load; the interpreter fails at run time.
        let refused_at_load = faults.iter().all(|fault| fault.code == "condition.no_value");
        prop_assert!(refused_at_load, "{}: {:?}", text, faults);
        let Some(checked) = checked else { return Ok(()) };
        let ours = checked.compile().eval(&facts, &mut SlotSet::default());
        prop_assert_ne!(ours, Truth::Pending, "{}", &text);
        let theirs = by_interpreter(&text, &facts);
        match (ours, theirs) {
            (Truth::True, Some(theirs)) => prop_assert!(theirs, "{} is true here and false there", text),
            (Truth::False, Some(theirs)) => prop_assert!(!theirs, "{} is false here and true there", text),
            // A fraction beyond all bounds has no value here; the interpreter carries infinities and NaN on.
            (Truth::Unknown, Some(_)) => prop_assert!(text.contains('/') || text.contains("1e300"), "{} has a value there", text),
            (Truth::True | Truth::False, None) => prop_assert!(false, "{} is an error there", text),
            (Truth::Unknown, None) | (Truth::Pending, _) => {}
        }
    }
}
