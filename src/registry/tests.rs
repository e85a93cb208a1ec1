use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize},
    thread,
    time::{Duration, Instant},
};

use super::{watch::Watch, *};

/// A policy whose only rule carries a version, so that a mixture can be seen.
fn policy(event: &str, version: usize) -> String {
    format!(
        "event: {event}\nabout: version {version}\ncovers:\n  - POST /{}\nwhen_unsure: block\notherwise: block\nsteps:\n  - finish: version {version}\n    then: forward\n",
        event.replace(' ', "-")
    )
}

fn target() -> Target {
    Target {
        catalogue: Catalogue::builtin(),
        options: Options {
            methods: METHODS_BUILT.into_iter().collect(),
            upstreams: None,
            approvers: None,
            can_mail: true,
        },
        lacking: Default::default(),
    }
}

fn open(folder: &Path) -> (Arc<Registry>, Metrics) {
    let metrics = Metrics::new();
    let origin = Origin::Folder(folder.to_path_buf());
    match Registry::open(origin, target(), Clock::default(), metrics.clone()) {
        Ok(registry) => (Arc::new(registry), metrics),
        Err(refusal) => panic!("{:#?}", refusal.lines().collect::<Vec<_>>()),
    }
}

fn write(folder: &Path, version: usize) {
    for event in ["login", "transfer money"] {
        let path = folder.join(format!("{event}.yaml"));
        let fresh = folder.join(format!(".{event}.new"));
        fs::write(&fresh, policy(event, version)).unwrap();
        fs::rename(fresh, path).unwrap();
    }
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what} did not happen in 20 s");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_good_set_is_put_to_work_under_the_next_number() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 1);
    let (registry, _) = open(folder.path());
    let before = registry.current();
    assert_eq!((before.number, before.policies.len()), (1, 2));
    assert_eq!(registry.reload().unwrap().number, 1, "the same texts are the same release");
    write(folder.path(), 2);
    assert_eq!(registry.reload().unwrap().number, 2);
    assert_eq!(before.policy("login").unwrap().about.as_deref(), Some("version 1"), "who began with it keeps it");
    assert_eq!(registry.current().policy("login").unwrap().about.as_deref(), Some("version 2"));
}

#[test]
fn a_bad_set_leaves_the_last_good_one_at_work_and_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 1);
    let (registry, metrics) = open(folder.path());
    fs::write(folder.path().join("login.yaml"), policy("login", 2).replace("otherwise: block", "otherwise: blokc"))
        .unwrap();
    let refusal = registry.reload().unwrap_err();
    let lines: Vec<_> = refusal.lines().collect();
    assert!(lines.iter().any(|line| line.contains("login.yaml:6:")), "{lines:#?}");
    assert!(registry.reload().is_err() && registry.reload().is_err());
    assert!(metrics.text().contains("stepward_policy_reload_failed_total 1"), "the same mistake counts once");
    assert_eq!(registry.current().number, 1);
    assert!(registry.refused().is_some(), "and it is shown until it is mended");

    write(folder.path(), 3);
    assert_eq!(registry.reload().unwrap().number, 2);
    assert!(registry.refused().is_none());
}

#[test]
fn a_folder_that_is_gone_or_empty_is_a_bad_set() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 1);
    let (registry, _) = open(folder.path());
    fs::remove_file(folder.path().join("login.yaml")).unwrap();
    fs::remove_file(folder.path().join("transfer money.yaml")).unwrap();
    assert_eq!(registry.reload().unwrap_err().found[0].code, "policies.none");
    fs::remove_dir(folder.path()).unwrap();
    assert_eq!(registry.reload().unwrap_err().found[0].code, "file.unreadable");
    assert_eq!(registry.current().number, 1);
}

#[test]
fn no_registry_opens_on_a_bad_set() {
    let origin = Origin::Texts(Texts::from([("login.yaml".into(), "event: login\n".into())]));
    assert!(Registry::open(origin, target(), Clock::default(), Metrics::new()).is_err());
}

#[test]
fn a_changed_file_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 1);
    let (registry, _) = open(folder.path());
    let reloading = registry.clone();
    let watch = Watch::over(&[folder.path().to_path_buf()], move || drop(reloading.reload())).unwrap();
    assert!(watch.is_told());
    write(folder.path(), 2);
    wait_until("the reload", || registry.current().number == 2);
}

#[test]
fn a_thousand_reloads_lose_nothing_and_mix_nothing() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 0);
    let (registry, _) = open(folder.path());
    let (done, seen) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (registry, done, seen) = (registry.clone(), done.clone(), seen.clone());
            thread::spawn(move || {
                let mut last = 0;
                while !done.load(Ordering::Relaxed) {
                    let release = registry.current();
                    let versions: Vec<_> = release.policies.iter().map(|policy| policy.about.clone()).collect();
                    assert_eq!(versions[0], versions[1], "policies of two sets in one release");
                    assert!(release.number >= last, "an older release came back");
                    last = release.number;
                    seen.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for version in 1..=1_000 {
        // Both files at once, as a roll-out does: half of a set is a set too, and would be put to work as one.
        let texts = Texts::from(["login", "transfer money"].map(|event| (event.into(), policy(event, version).into())));
        let set = folder::Set { texts, found: Vec::new() };
        let release = load(set, &target(), registry.current().number + 1, 0).unwrap();
        registry.put_to_work(release);
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.join().unwrap();
    }
    assert_eq!(registry.current().number, 1_001);
    assert!(seen.load(Ordering::Relaxed) > 1_000);
}
