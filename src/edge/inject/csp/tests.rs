use super::*;

const OWN: Own<'_> = Own { host: "bank.example", is_secure: true, hash: "sha256-AAAA" };
const SCRIPT_SOURCE: &str = "bank.example/.stepward/stepward.js";
const PAGES_SOURCE: &str = "bank.example/.stepward/";

/// What becomes of one enforced header, and how our tag is let in.
fn seen(header: &str) -> Option<(String, Entry)> {
    let entry = entry(&[header], &[])?;
    Some((widened(header, OWN, &entry).unwrap_or_else(|| header.to_owned()), entry))
}

#[test]
fn a_policy_is_given_what_our_script_needs_and_nothing_more() {
    let (s, p) = (SCRIPT_SOURCE, PAGES_SOURCE);
    for (policy, expected) in [
        // Nothing governs what we need.
        ("", "".to_string()),
        ("img-src 'none'", "img-src 'none'".into()),
        ("object-src 'none'; base-uri 'none'", "object-src 'none'; base-uri 'none'".into()),
        ("upgrade-insecure-requests", "upgrade-insecure-requests".into()),
        // It is let in already.
        ("default-src 'self'", "default-src 'self'".into()),
        ("default-src 'SELF'; img-src *", "default-src 'SELF'; img-src *".into()),
        ("default-src *", "default-src *".into()),
        ("default-src https:", "default-src https:".into()),
        ("default-src https://bank.example", "default-src https://bank.example".into()),
        ("default-src bank.example/", "default-src bank.example/".into()),
        ("script-src bank.example/.stepward/", "script-src bank.example/.stepward/".into()),
        ("script-src 'self' cdn.example; frame-src 'self'", "script-src 'self' cdn.example; frame-src 'self'".into()),
        // It is named.
        ("script-src cdn.example", format!("script-src cdn.example {s}")),
        ("script-src  cdn.example ;img-src *", format!("script-src  cdn.example {s};img-src *")),
        ("SCRIPT-SRC cdn.example", format!("SCRIPT-SRC cdn.example {s}")),
        ("script-src https://bank.example/js/", format!("script-src https://bank.example/js/ {s}")),
        ("script-src http://bank.example", format!("script-src http://bank.example {s}")),
        ("script-src bank.example:8443", format!("script-src bank.example:8443 {s}")),
        ("script-src 'unsafe-inline'", format!("script-src 'unsafe-inline' {s}")),
        ("script-src 'sha256-BBBB'", format!("script-src 'sha256-BBBB' {s}")),
        // Of a directive that is there twice the first one counts.
        ("script-src a.example; script-src 'self'", format!("script-src a.example {s}; script-src 'self'")),
        // The narrower directive counts for script elements.
        ("script-src 'self'; script-src-elem a.example", format!("script-src 'self'; script-src-elem a.example {s}")),
        ("script-src-attr 'none'", "script-src-attr 'none'".into()),
        // What governs more than we need stays as it is.
        (
            "default-src cdn.example",
            format!(
                "default-src cdn.example; script-src cdn.example {s}; frame-src cdn.example {p}; connect-src cdn.example {p}"
            ),
        ),
        (
            "default-src 'none'; script-src 'self'",
            format!("default-src 'none'; script-src 'self'; frame-src {p}; connect-src {p}"),
        ),
        (
            "default-src 'none'; script-src 'self';",
            format!("default-src 'none'; script-src 'self'; frame-src {p}; connect-src {p}"),
        ),
        ("child-src player.example", format!("child-src player.example; frame-src player.example {p}")),
        ("child-src 'none'; frame-src 'self'", "child-src 'none'; frame-src 'self'".into()),
        ("frame-src 'none'", format!("frame-src {p}")),
        ("img-src *; frame-src 'none'; x y", format!("img-src *; frame-src {p}; x y")),
        ("frame-src", format!("frame-src {p}")),
        ("connect-src api.example", format!("connect-src api.example {p}")),
        ("frame-src player.example; connect-src 'self'", format!("frame-src player.example {p}; connect-src 'self'")),
        // Keywords for scripts mean nothing to frames and calls.
        (
            "default-src 'unsafe-eval' 'nonce-abc' cdn.example",
            format!(
                "default-src 'unsafe-eval' 'nonce-abc' cdn.example; frame-src cdn.example {p}; connect-src cdn.example {p}"
            ),
        ),
        // The app's own business.
        (
            "sandbox allow-scripts; require-trusted-types-for 'script'; frame-ancestors 'none'; form-action 'none'",
            "sandbox allow-scripts; require-trusted-types-for 'script'; frame-ancestors 'none'; form-action 'none'"
                .into(),
        ),
        // Several policies in one header: each has to let it in.
        ("script-src 'self', script-src a.example", format!("script-src 'self', script-src a.example {s}")),
    ] {
        let (widened, entry) = seen(policy).unwrap_or_else(|| panic!("{policy}: not let in"));
        assert_eq!(widened, expected, "{policy}");
        assert!(!entry.by_hash, "{policy}");
        assert_eq!(seen(&widened).map(|it| it.0), Some(widened), "{policy}: twice is as once");
    }
}

#[test]
fn a_nonce_of_the_page_is_put_on_our_tag_and_the_policy_stays() {
    for (policy, nonce) in [
        ("script-src 'nonce-r4nd0m+/='", "r4nd0m+/="),
        ("script-src 'nonce-abc' 'strict-dynamic' https: 'unsafe-inline'", "abc"),
        ("script-src 'NONCE-Abc'", "Abc"),
        ("script-src-elem 'nonce-elem'; script-src 'nonce-other'", "elem"),
        ("script-src a.example 'nonce-one' 'nonce-two'", "one"),
        ("script-src 'nonce-a', script-src 'self'", "a"),
    ] {
        let (widened, entry) = seen(policy).unwrap_or_else(|| panic!("{policy}: not let in"));
        assert_eq!(widened, policy);
        assert_eq!(entry, Entry { nonce: Some(nonce.into()), by_hash: false }, "{policy}");
    }
}

#[test]
fn a_nonce_that_could_leave_its_attribute_is_no_nonce() {
    let (widened, entry) = seen("script-src 'nonce-\"onload=x'").expect("let in");
    assert_eq!(entry.nonce, None);
    assert!(widened.ends_with(SCRIPT_SOURCE), "{widened}");
}

#[test]
fn a_nonce_that_another_policy_does_not_know_does_not_help_there() {
    let (widened, entry) = seen("script-src 'nonce-a', script-src 'nonce-b' x.example").expect("let in");
    assert_eq!(entry.nonce.as_deref(), Some("a"));
    assert_eq!(widened, format!("script-src 'nonce-a', script-src 'nonce-b' x.example {SCRIPT_SOURCE}"));
    let strict = "script-src 'nonce-a', script-src 'nonce-b' 'strict-dynamic'";
    let (widened, entry) = seen(strict).expect("let in");
    assert_eq!((widened, entry.by_hash), (format!("{strict} 'sha256-AAAA'"), true));
}

#[test]
fn strict_dynamic_without_a_nonce_is_given_our_hash() {
    for policy in [
        "script-src 'strict-dynamic' 'sha256-BBBB' https: 'unsafe-inline'",
        "script-src 'self' 'strict-dynamic' 'sha256-BBBB'",
    ] {
        let (widened, entry) = seen(policy).expect("let in");
        assert_eq!((widened, entry.by_hash), (format!("{policy} 'sha256-AAAA'"), true), "{policy}");
    }
    let (widened, _) = seen("default-src 'strict-dynamic' 'sha256-BBBB'").expect("let in");
    let script = "script-src 'strict-dynamic' 'sha256-BBBB' 'sha256-AAAA'";
    assert!(widened.contains(script), "{widened}");
    assert!(widened.ends_with(&format!("frame-src {PAGES_SOURCE}; connect-src {PAGES_SOURCE}")), "{widened}");
}

#[test]
fn a_page_that_may_run_no_script_gets_none() {
    for policy in ["script-src 'none'", "default-src 'none'", "script-src", "script-src 'self', default-src 'NONE'"] {
        assert_eq!(entry(&[policy], &[]), None, "{policy}");
    }
    assert!(entry(&["script-src-attr 'none'"], &[]).is_some());
    // What is only reported stops nothing.
    assert!(entry(&["script-src 'self'"], &["script-src 'none'"]).is_some());
    let room = widened("script-src 'none'", OWN, &Entry::default());
    assert_eq!(room, Some(format!("script-src {SCRIPT_SOURCE}")), "and is not reported because of us");
}

#[test]
fn a_policy_in_the_page_comes_after_our_script_and_needs_only_the_dialog() {
    for (content, expected) in [
        ("script-src 'none'", None),
        ("default-src 'self'", None),
        (
            "default-src 'none'; connect-src 'self'",
            Some(format!("default-src 'none'; connect-src 'self'; frame-src {PAGES_SOURCE}")),
        ),
        ("frame-src player.example", Some(format!("frame-src player.example {PAGES_SOURCE}"))),
    ] {
        assert_eq!(widened_in_page(content, OWN), expected, "{content}");
    }
}

#[test]
fn own_addresses_are_written_as_browsers_read_them() {
    for (host, source) in [
        ("bank.example", "bank.example/.stepward/"),
        ("bank.example:8443", "bank.example:8443/.stepward/"),
        ("localhost:3000", "localhost:3000/.stepward/"),
        ("127.0.0.1:8080", "127.0.0.1:8080/.stepward/"),
        ("10.0.0.1", "'self'"),
        ("10.0.0.1:8080", "'self'"),
        ("[::1]:8080", "'self'"),
        ("a;b", "'self'"),
        ("", "'self'"),
    ] {
        assert_eq!(address(Own { host, ..OWN }, PAGES), source, "{host}");
    }
}
