//! Events are written as `covers` would have them; ` ?` after a pattern gives it a `where`.

use super::*;
use crate::{
    event::pattern,
    expr::{Condition, SlotSet, Truth},
};

fn cover(text: &str) -> Cover {
    let (text, conditional) = text.strip_suffix(" ?").map_or((text, false), |text| (text, true));
    let (method, host, path) = pattern::parse(text).expect(text);
    let matches = conditional.then(|| Condition::new("x", SlotSet::default(), Box::new(|_, _| Truth::True)));
    Cover { text: text.into(), method, host, path, matches }
}

/// One event for each pattern.
fn matcher(patterns: &[&str]) -> Matcher {
    let covers: Vec<Cover> = patterns.iter().map(|it| cover(it)).collect();
    Matcher::build(covers.chunks(1).map(|covers| Event { covers, standing: Standing::Decides }))
}

fn found(matcher: &Matcher, request: &str) -> String {
    let (methods, target) = request.split_once(' ').unwrap();
    let methods: Vec<&str> = methods.split('+').collect();
    let (host, path) = target.split_at(target.find('/').unwrap());
    match matcher.candidates(&methods, host, path) {
        Err(Ambiguous) => "ambiguous".into(),
        Ok(all) => all.iter().map(shown).collect::<Vec<_>>().join(" "),
    }
}

fn shown(candidate: &Candidate) -> String {
    let parameters = candidate.parameters.iter().map(|(name, value)| format!("({name}={value})"));
    format!("{}{}", candidate.policy, parameters.collect::<String>())
}

#[test]
fn the_most_specific_event_comes_first() {
    let events = matcher(&[
        "ANY /api/**",                   // 0
        "GET /api/users/{id}/email",     // 1
        "GET /api/users/me/email",       // 2
        "GET /api/users/me/email ?",     // 3
        "ANY a.test/api/users/me/email", // 4
        "GET *.test/api/users/me/email", // 5
        "GET /api/users/*/email",        // 6
        "GET /api/users/m{rest}/email",  // 7
        "GET /a/{x}/c",                  // 8
        "GET /a/b/{y}",                  // 9
        "ANY /api/users/me/email",       // 10
    ]);
    for (request, wanted) in [
        ("GET a.test/api/users/me/email", "4 5 3 2 10 7(rest=e) 1(id=me) 6 0"),
        ("GET b.test/api/users/me/email", "5 3 2 10 7(rest=e) 1(id=me) 6 0"),
        ("GET b.example/api/users/7/email", "1(id=7) 6 0"),
        ("HEAD b.example/api/users/7/email", "1(id=7) 6 0"),
        ("POST b.example/api/users/7/email", "0"),
        ("GET x/a/b/c", "9(y=c) 8(x=b)"),
        ("GET x/api", "0"),
        ("GET x/api/", "0"),
        ("GET x/apis", ""),
        ("GET x/", ""),
    ] {
        assert_eq!(found(&events, request), wanted, "{request}");
    }
}

#[test]
fn any_plausible_reading_of_a_path_names_its_event() {
    let events = matcher(&["POST a.test/transfer", "ANY a.test/admin/**", "GET a.test/users/{id}"]);
    for (request, wanted) in [
        ("POST a.test/Transfer", "0"),
        ("POST a.test/transfer/", "0"),
        ("POST a.test//transfer", "0"),
        ("POST a.test/transfer.json", "0"),
        ("POST a.test/TRANSFER.Html/", "0"),
        ("POST a.test/transfer;x=1", "0"),
        ("POST a.test/transfer%3Fx", "0"),
        ("POST a.test/tran%73fer", "0"),
        ("POST a.test/tran%2573fer", "0"),
        ("POST a.test/x/%2e%2e/transfer", "0"),
        ("POST a.test/x/..;/transfer", "0"),
        ("POST a.test/x%5c..%5ctransfer.", "0"),
        ("POST a.test/tran%C5%BFfer", "0"),
        ("GET a.test/public/../admin/x", "1"),
        ("GET a.test/ADM%49N/x", "1"),
        ("GET a.test/users/J%20D", "2(id=J D)"),
        ("GET a.test/users/7.json", "2(id=7.json)"),
        ("GET a.test/users/7;v=2", "2"),
        ("GET a.test/administrator", ""),
        ("GET a.test/admin-x/y", ""),
    ] {
        assert_eq!(found(&events, request), wanted, "{request}");
    }
}

#[test]
fn readings_that_name_different_events_are_ambiguous() {
    let events =
        matcher(&["ANY /public/**", "ANY /admin/**", "GET /api/{op}", "GET /api/transfer", "GET /m/x", "DELETE /m/x"]);
    for (request, wanted) in [
        ("GET a.test/public/../admin/x", "ambiguous"),
        ("GET a.test/public/%2e%2e%2fadmin/x", "ambiguous"),
        ("GET a.test/public/..%5Cadmin", "ambiguous"),
        ("GET a.test/api/Transfer", "ambiguous"),
        ("GET a.test/api/transfer.json", "ambiguous"),
        ("GET a.test/api/transfer", "3 2(op=transfer)"),
        ("GET+DELETE a.test/m/x", "ambiguous"),
        ("POST+DELETE a.test/m/x", "5"),
        ("GET a.test/%00", "ambiguous"),
    ] {
        assert_eq!(found(&events, request), wanted, "{request}");
    }
}

#[test]
fn a_pattern_that_writes_the_text_out_is_taken_at_its_word() {
    let events = matcher(&["GET /report", "GET /report.json", "GET /Me", "GET /me", "GET /{t}/x.json", "GET /{t}/x"]);
    for (request, wanted) in [
        ("GET a.test/report", "0"),
        ("GET a.test/report.json", "1 0"),
        ("GET a.test/me", "3 2"),
        ("GET a.test/Me", "2 3"),
        ("GET a.test/ME", "2 3"),
        ("GET a.test/t/x.json", "4(t=t) 5(t=t)"),
    ] {
        assert_eq!(found(&events, request), wanted, "{request}");
    }
}

#[test]
fn shadow_events_stand_beside_and_never_make_a_request_ambiguous() {
    let covers = [cover("ANY /public/**"), cover("ANY /admin/**")];
    let standings = [Standing::Decides, Standing::Shadow];
    let events = Matcher::build(covers.chunks(1).zip(standings).map(|(covers, standing)| Event { covers, standing }));
    assert_eq!(found(&events, "GET a.test/public/../admin/x"), "0 1");
}

#[test]
fn an_event_that_is_off_is_not_recognised() {
    let covers = [cover("ANY /**")];
    let events = Matcher::build([Event { covers: &covers, standing: Standing::Off }]);
    assert_eq!(found(&events, "GET a.test/x"), "");
}

#[test]
fn a_literal_dot_is_no_wildcard() {
    let events = matcher(&["GET svc.a/v1.0"]);
    assert_eq!(found(&events, "GET svcxa/v1.0"), "");
    assert_eq!(found(&events, "GET svc.a/v1x0"), "");
    assert_eq!(found(&events, "GET svc.a/v1.0"), "0");
}

#[test]
fn an_event_that_another_one_always_takes_first_is_shadowed() {
    for (patterns, wanted) in [
        (&["PUT /api/users/{id}/email", "PUT /api/users/{user}/email"][..], &[(1, 0)][..]),
        (&["PUT /a/{id}", "PUT /a/*"], &[(1, 0)]),
        (&["ANY /{x}/**", "GET /*/b"], &[(1, 0)]),
        (&["GET /{x}", "HEAD /{x}"], &[(1, 0)]),
        (&["ANY /a", "GET *.test/a", "GET a.test/a"], &[]),
        (&["ANY *.test/{x}", "GET a.test/*"], &[(1, 0)]),
        (&["ANY *.test/{x}", "GET test/*", "GET *.example/*"], &[]),
        (&["GET /a ?", "GET /a"], &[]),
        (&["GET /a", "GET /a ?"], &[]),
        (&["GET /{x}.pdf", "GET /{y}.pdf", "GET /r-{y}.pdf"], &[(1, 0)]),
        (&["GET /Me", "GET /me"], &[]),
        (&["GET /a/{x}/c", "GET /a/b/{y}"], &[]),
        (&["GET /a/**", "GET /a"], &[]),
        (&["GET /a", "GET /a/**"], &[]),
    ] {
        assert_eq!(matcher(patterns).shadowed(), wanted, "{patterns:?}");
    }
}

#[test]
fn an_event_with_one_free_pattern_is_not_shadowed() {
    let covers = [cover("GET /{x}"), cover("GET /{y}"), cover("POST /{y}")];
    let event = |covers, standing| Event { covers, standing };
    let both = |one, other| Matcher::build([event(&covers[..1], one), event(&covers[1..2], other)]).shadowed();
    assert_eq!(both(Standing::Decides, Standing::Decides), [(1, 0)]);
    assert_eq!(both(Standing::Conditional, Standing::Decides), []);
    assert_eq!(both(Standing::Shadow, Standing::Decides), []);
    assert_eq!(both(Standing::Decides, Standing::Shadow), [], "it is decided beside");
    let two = Matcher::build([event(&covers[..1], Standing::Decides), event(&covers[1..], Standing::Decides)]);
    assert_eq!(two.shadowed(), []);
}

#[test]
fn a_path_is_known_to_be_covered_whatever_the_method() {
    let events = matcher(&["DELETE a.test/accounts/{id}"]);
    assert!(events.covers_path("a.test", "/accounts/7"));
    assert!(events.covers_path("a.test", "/x/../accounts/7"));
    assert!(!events.covers_path("a.test", "/accounts"));
}
