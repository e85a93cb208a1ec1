//! The README's story in Chromium, by `tests/browser/demo.mjs`, against the demo itself.

#![expect(clippy::unwrap_used, reason = "a story that cannot be told should stop")]

use std::path::Path;

use stepward::demo::{self, Options};

use crate::browser;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_story_of_the_readme_comes_true_in_chromium() {
    let demo = demo::start(&Options::anywhere()).await.unwrap_or_else(|error| panic!("{error:?}"));
    let settings = [
        ("BASE", format!("http://localhost:{}", demo.gateway.addresses[0].port())),
        ("ADMIN", format!("http://{}", demo.gateway.api.admin.unwrap())),
        ("FOLDER", demo.folder.display().to_string()),
        ("PICTURES", Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures").display().to_string()),
    ];
    browser::drive("demo.mjs", &settings).await;
}
