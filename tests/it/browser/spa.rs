//! Apps that nobody here wrote, behind a gateway that puts its script into their pages, in Chromium: Django's admin from
//! PyPI, Bull Dashboard (React, `XMLHttpRequest` by axios) and Swagger UI (React, `fetch`) from npm. Started and driven
//! by `tests/browser/spa.mjs`.

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    browser,
    world::{START_MS, Town, World},
};

const PEOPLE: [&str; 4] = ["ada", "bob", "cyd", "dan"];

const LOGIN: &str = "
event: login
covers: [POST /admin/login/]
facts:
  username: { from: body.username, type: text, pii: true, identifies: subject }
succeeded: response.status == 302
failed: response.status == 200
when_unsure: block
otherwise: forward
";

/// Whoever calls the lab with another `n` solves another puzzle, by itself.
const LAB: &str = "
event: lab
covers: [POST /lab/echo]
facts: { n: { from: body.n, type: text } }
succeeded: response.status == 200
failed: response.status == 402
when_unsure: block
otherwise: block
steps:
  - require: a puzzle
    proof: [pow]
    bind_to: [event.n]
  - finish: go on
    then: forward
";

/// Nobody there has what it asks for: its dialog stays until it is closed.
const STUCK: &str = "
event: stuck
covers: [POST /lab/stuck]
succeeded: response.status == 200
failed: response.status == 402
when_unsure: block
otherwise: block
steps:
  - require: a code
    proof: [totp]
  - finish: go on
    then: forward
";

fn with_code(event: &str, cover: &str) -> String {
    format!(
        "event: {event}\ncovers:\n  - {cover}\nsucceeded: response.status in [200, 302]\nfailed: response.status == 402\n\
         when_unsure: block\notherwise: block\nsteps:\n  - require: a code\n    proof: [totp]\n  - finish: go on\n    then: forward\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apps_that_no_one_here_wrote_are_stepped_up_without_a_change() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let installed = folder.join("python/django/__init__.py").exists()
        && folder.join("node_modules/@bull-board/ui/package.json").exists()
        && folder.join("node_modules/swagger-ui-dist/package.json").exists();
    assert!(installed, "the apps of tests/browser are not installed: run `make deps-browser`");
    let (django, apps) = (free_port(), free_port());
    let town = World::new()
        .policy(LOGIN)
        .policy(LAB)
        .policy(STUCK)
        .policy(&with_code("change a user", "POST /admin/auth/user/{id}/change/"))
        .policy(&with_code("pause a queue", "PUT /api/queues/{name}/pause"))
        .policy(&with_code("change a pet", "PUT /api/pets/{id}"))
        .settings(&format!(
            "upstreams:\n  django: {{ url: \"http://127.0.0.1:{django}\" }}\n  apps: {{ url: \"http://127.0.0.1:{apps}\" }}\n\
             routes:\n  - {{ path: /admin, upstream: django, inject_script: true }}\n  - {{ path: /admin-static, upstream: django }}\n  \
             - {{ upstream: apps, inject_script: true, app_may_ask: true }}\nsubject: [{{ app_session: {{ cookie: sessionid }} }}]"
        ))
        .start()
        .await;
    let town = std::sync::Arc::new(town);
    let clock = tokio::spawn(keep_time(town.clone()));
    let mut settings = vec![
        ("BASE", format!("http://localhost:{}", town.address().port())),
        ("DJANGO", django.to_string()),
        ("APPS", apps.to_string()),
        ("DATABASE", town.folder.path().join("django.sqlite").display().to_string()),
    ];
    let mut secrets = Vec::new();
    for name in PEOPLE {
        secrets.push(format!("{name}={}", data_encoding::HEXLOWER.encode(&town.totp(name).await)));
    }
    settings.push(("SECRETS", secrets.join(",")));
    browser::drive("spa.mjs", &settings).await;
    clock.abort();
}

/// A port that nobody listens at, for an app that is started by the script.
pub(super) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The world's time is the clock's, as for whoever reads a code off a telephone.
pub(super) async fn keep_time(town: std::sync::Arc<Town>) {
    let now_ms = || i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let mut shown_ms = START_MS;
    loop {
        let now = now_ms();
        town.wait_ms(now - shown_ms);
        shown_ms = now;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
