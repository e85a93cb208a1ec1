//! What must not be in the tree, read from `Cargo.lock`: the bans of `deny.toml` hold without cargo-deny.

use std::{collections::BTreeSet, fs, path::Path};

fn root_file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Names of every locked package, of all targets and features that are locked.
fn locked() -> BTreeSet<String> {
    let lock = root_file("Cargo.lock");
    let names = lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    names.map(String::from).collect()
}

fn banned() -> Vec<String> {
    let deny = root_file("deny.toml");
    let entries = deny.lines().filter_map(|line| line.trim().strip_prefix("{ crate = \""));
    entries.filter_map(|rest| rest.split('"').next()).map(String::from).collect()
}

#[test]
fn no_banned_crate_is_locked() {
    let (locked, banned) = (locked(), banned());
    assert!(locked.len() > 100 && banned.len() >= 5, "the files were not read as expected");
    let there: Vec<_> = banned.iter().filter(|name| locked.contains(*name)).collect();
    assert!(there.is_empty(), "banned by deny.toml and in Cargo.lock: {there:?}");
}

#[test]
fn there_is_one_tls_with_one_provider() {
    let locked = locked();
    assert!(locked.contains("rustls") && locked.contains("ring"));
    for other in ["openssl-sys", "aws-lc-sys", "boring-sys", "native-tls", "s2n-tls"] {
        assert!(!locked.contains(other), "{other} is a second TLS or provider");
    }
}
