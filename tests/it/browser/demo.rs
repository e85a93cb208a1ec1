//! The README's story in Chromium, by `tests/browser/demo.mjs`, against the demo itself.

use std::path::{Path, PathBuf};

use stepward::demo::{self, Options};

use crate::browser;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_story_of_the_readme_comes_true_in_chromium() {
    let demo = demo::start(&Options::anywhere()).await.unwrap_or_else(|error| panic!("{error:?}"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let aside = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures");
    // `PICTURES=docs/images` renews those of the README.
    let pictures: PathBuf = std::env::var_os("PICTURES").map_or(aside, |folder| root.join(folder));
    let settings = [
        ("BASE", format!("http://localhost:{}", demo.gateway.addresses[0].port())),
        ("ADMIN", format!("http://{}", demo.gateway.api.admin.unwrap())),
        ("FOLDER", demo.folder.display().to_string()),
        ("PICTURES", pictures.display().to_string()),
    ];
    browser::drive("demo.mjs", &settings).await;
}
