//! Six back ends read the bytes that would be forwarded; none may reach a protected resource that was not recognised.
//!
//! The readers here are written apart from the product's, whole pipelines as servers have them, so that both cannot be
//! wrong in one way. Vectors: `oracle/vectors.txt`, and [`CASES`] more from a grammar of everything that ever confused a proxy.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its own vectors should stop")]

use std::cell::Cell;

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use stepward_core::{
    event::{
        self, Cover,
        matcher::{Ambiguous, Event, Matcher, Standing},
    },
    request::head::{Head, Limits, Parts, Version},
};

#[path = "oracle/readers.rs"]
mod readers;

/// An unoptimised build takes a hundred times as long for each; CI runs this optimised as well.
const CASES: u32 = if cfg!(debug_assertions) { 4_000 } else { 200_000 };

const EVENTS: [(&str, &str); 6] = [
    ("transfer", "POST a.test/transfer"),
    ("admin", "ANY a.test/admin/**"),
    ("public", "ANY a.test/public/**"),
    ("svc", "ANY a.test/svc.a"),
    ("user", "POST a.test/users/{id}"),
    ("me", "POST a.test/users/me"),
];

fn matcher(names: &[&str]) -> Matcher {
    let cover = |(name, text): &(&str, &str)| {
        let (method, host, path) = event::parse_cover(text).unwrap();
        names.contains(name).then(|| Cover { text: (*text).into(), method, host, path, matches: None })
    };
    let covers: Vec<Vec<Cover>> = EVENTS.iter().map(|it| cover(it).into_iter().collect()).collect();
    Matcher::build(covers.iter().map(|covers| Event { covers, standing: Standing::Decides }))
}

#[derive(Debug, PartialEq)]
enum Came {
    Refused,
    Ambiguous,
    /// Names of the candidates, in order, and the path that is forwarded.
    Named(Vec<&'static str>, String),
}

fn ask(matcher: &Matcher, target: &str) -> Came {
    let fields = [(&b"host"[..], &b"a.test"[..])].into_iter();
    let parts = Parts { method: b"POST", target: target.as_bytes(), version: Version::Http11, authority: None, fields };
    let Ok(head) = Head::of(parts, &Limits::default()) else { return Came::Refused };
    match matcher.candidates(&[head.method], &head.host, head.path) {
        Err(Ambiguous) => Came::Ambiguous,
        Ok(found) => Came::Named(found.iter().map(|it| EVENTS[it.policy].0).collect(), head.path.to_string()),
    }
}

#[test]
fn every_advisory_vector_comes_out_as_written() {
    let all = matcher(&EVENTS.map(|(name, _)| name));
    let mut faults = Vec::new();
    let mut count = 0;
    for line in include_str!("oracle/vectors.txt").lines().filter(|it| !it.starts_with('#')) {
        let mut words = line.splitn(2, ' ');
        let row = words.next().unwrap();
        let (wanted, target) = words.next().unwrap().trim().split_once(' ').unwrap();
        let target = target.trim_start();
        let came = match ask(&all, target) {
            Came::Refused => "refused",
            Came::Ambiguous => "ambiguous",
            Came::Named(names, _) => names.first().copied().unwrap_or("-"),
        };
        count += 1;
        if !wanted.split("-or-").any(|it| it == came) && wanted != came {
            faults.push(format!("{row}: {target} came out as {came}, not {wanted}"));
        }
    }
    assert!(faults.is_empty(), "{} of {count}:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn no_interpreter_reaches_what_was_not_recognised() {
    // With nothing else covered a request is refused only for itself, so every reading must be found.
    let bare = matcher(&["transfer", "admin"]);
    let crowded = matcher(&["transfer", "admin", "public", "user"]);
    for line in include_str!("oracle/vectors.txt").lines().filter(|it| !it.starts_with('#')) {
        let target = line.rsplit(' ').next().unwrap();
        for matcher in [&bare, &crowded] {
            assert_eq!(check(matcher, target).err(), None);
        }
    }
}

#[test]
fn no_generated_target_slips_past() {
    let bare = matcher(&["transfer", "admin"]);
    let crowded = matcher(&["transfer", "admin", "public", "user"]);
    let config = Config { cases: CASES, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    let recognised = Cell::new(0);
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let outcome = runner.run(&targets(), |target| {
        let found = check(&bare, &target).map_err(TestCaseError::fail)?;
        recognised.set(recognised.get() + u32::from(found));
        check(&crowded, &target).map_err(TestCaseError::fail).map(drop)
    });
    assert!(outcome.is_ok(), "{outcome:?}");
    assert!(recognised.get() > CASES / 10, "only {} of {CASES} were let through as an event", recognised.get());
}

/// Asks, and has every interpreter read what would be forwarded. True if the request is an event and not refused.
fn check(matcher: &Matcher, target: &str) -> Result<bool, String> {
    let Came::Named(names, path) = ask(matcher, target) else { return Ok(false) };
    for (interpreter, read) in readers::INTERPRETERS {
        let resource = read(&path);
        let event = protected(&resource);
        if event.is_some_and(|event| !names.contains(&event)) {
            return Err(format!("{target}: {interpreter} reaches {resource}, but only {names:?} was recognised"));
        }
    }
    Ok(!names.is_empty())
}

fn protected(resource: &str) -> Option<&'static str> {
    let bare = resource.trim_end_matches('/');
    match bare {
        "/transfer" => Some("transfer"),
        "/admin" => Some("admin"),
        _ => resource.starts_with("/admin/").then_some("admin"),
    }
}

/// Targets built of names, separators and steps, each spelt in any of the ways that have fooled somebody.
fn targets() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        4 => Just("admin"), 4 => Just("transfer"), 2 => Just("public"), 1 => Just("x"), 1 => Just("users"),
        3 => Just(".."), 1 => Just("."), 1 => Just(""), 1 => Just("a.test"),
    ];
    let spelling = prop_oneof![
        6 => Just(Spelling::Plain), 2 => Just(Spelling::Upper), 2 => Just(Spelling::Escaped), 1 => Just(Spelling::Twice),
        1 => Just(Spelling::FirstEscaped),
    ];
    let tail = prop_oneof![
        10 => Just(""), 1 => Just(";"), 1 => Just(";x=1"), 1 => Just("%3b"), 1 => Just("."), 1 => Just("%20"), 1 => Just("%2e"),
        1 => Just(".json"), 1 => Just("%3f"), 1 => Just("%23y"), 1 => Just("%253b"), 1 => Just("%2520"), 1 => Just(" "), 1 => Just("#"),
    ];
    let separator = prop_oneof![
        10 => Just("/"), 1 => Just("//"), 1 => Just("%2f"), 1 => Just("%2F"), 1 => Just("%5c"), 1 => Just("%252f"), 1 => Just("%255C"),
        1 => Just("/./"), 1 => Just("\\"), 1 => Just(";/"),
    ];
    let part = (separator, name, spelling, tail)
        .prop_map(|(separator, name, spelling, tail)| format!("{separator}{}{tail}", spelling.of(name)));
    let ending = prop_oneof![6 => Just(""), 1 => Just("/"), 1 => Just("?x=/public"), 1 => Just("/."), 1 => Just("%2f"), 1 => Just(".xml")];
    (prop::collection::vec(part, 1..6), ending).prop_map(|(parts, ending)| {
        let path = parts.concat();
        let slash = if path.starts_with('/') { "" } else { "/" };
        format!("{slash}{path}{ending}")
    })
}

#[derive(Clone, Copy, Debug)]
enum Spelling {
    Plain,
    Upper,
    Escaped,
    FirstEscaped,
    Twice,
}

impl Spelling {
    fn of(self, name: &str) -> String {
        let escaped = |it: &str| it.bytes().map(|it| format!("%{it:02x}")).collect::<String>();
        match self {
            Spelling::Plain => name.to_owned(),
            Spelling::Upper => name.to_uppercase(),
            Spelling::Escaped => escaped(name),
            Spelling::FirstEscaped => {
                format!("{}{}", escaped(name.get(..1).unwrap_or("")), name.get(1..).unwrap_or(""))
            }
            Spelling::Twice => escaped(name).replace('%', "%25"),
        }
    }
}
