//! What people see, in Chromium: scripts of `tests/browser` drive pages that a test here serves. A machine without a
//! browser fails these tests and is told what to run: nothing is skipped.

use std::path::Path;

mod demo;
mod kinds;
mod pages;
mod spa;
mod uploads;
mod vendors;

/// Runs a script of `tests/browser` with these settings in its environment; its own report is on the terminal.
pub(crate) async fn drive(script: &str, settings: &[(&str, String)]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let installed = folder.join("node_modules/playwright-core/package.json").exists();
    assert!(installed, "the packages of tests/browser are not installed: run `make deps-browser`");
    let mut node = tokio::process::Command::new("node");
    node.arg(script).current_dir(folder).envs(settings.iter().map(|(name, value)| (name, value))).kill_on_drop(true);
    let begun = node.spawn();
    assert!(begun.is_ok(), "node does not start, run `make deps-browser`: {:?}", begun.err());
    let status = begun.unwrap().wait().await.unwrap();
    assert!(status.success(), "{script} found faults; they are told above");
}
