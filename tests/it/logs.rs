//! Every request leaves a line, and lines go where the operator moved the log to.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;
use stepward::settings::Route;

use crate::{
    edge::world,
    origin::{Recorder, exchange},
    process::{Scene, get, signal},
    world::status,
};

/// The lines of a log, once there are so many; each is one whole record.
async fn lines(file: &Path, count: usize) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        let text = fs::read_to_string(file).unwrap_or_default();
        let found: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        if found.len() >= count {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{} never has {count} lines: {text}", file.display());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_cannot_be_read_has_its_line_too() {
    let scene = Scene::new().await;
    let _process = scene.start();
    let address = scene.address(1).await;
    let requests: [(&[u8], u16); 4] = [
        (b"GET /well HTTP/1.1\r\nHost: a.test\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: a.test\r\nno colon\r\n\r\n", 400),
        (b"\x16\x03\x01 this is TLS on a plain port\r\n\r\n", 400),
        (b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n", 405),
    ];
    for (bytes, expected) in requests {
        assert_eq!(status(&exchange(address, bytes).await), expected, "{}", String::from_utf8_lossy(bytes));
    }
    let access = lines(&scene.path("access.jsonl"), 4).await;
    let mut statuses: Vec<_> = access.iter().map(|line| line["status"].as_u64().unwrap()).collect();
    statuses.sort();
    assert_eq!(statuses, [200, 400, 400, 405], "{access:#?}");
    let unread = access.iter().find(|line| line["status"] == 405).unwrap();
    let told: Vec<_> = ["method", "host", "path"].iter().map(|key| unread[key].as_str().unwrap()).collect();
    assert_eq!(told, ["-"; 3], "nothing of what could not be read is repeated");
    let decisions = lines(&scene.path("decisions.jsonl"), 3).await;
    assert_eq!(decisions.len(), 3, "{decisions:#?}");
    for decision in decisions {
        assert_eq!(
            (&decision["tenant"], decision.to_string().contains("request.malformed")),
            (&"default".into(), true)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_about_a_request_holds_nothing_of_its_secrets() {
    let scene = Scene::new().await;
    let _process = scene.start();
    let address = scene.address(1).await;
    for path in ["/page", "/none"] {
        let request = format!(
            "POST {path}?code=canary HTTP/1.1\r\nHost: a.test\r\nCookie: stepward=canary; sid=canary\r\n\
             Authorization: Bearer canary\r\nReferer: http://a.test/?canary\r\nContent-Length: 8\r\n\r\nx=canary"
        );
        assert_eq!(status(&exchange(address, request.as_bytes()).await), 200);
    }
    let access = lines(&scene.path("access.jsonl"), 2).await;
    let paths: Vec<_> = access.iter().map(|line| line["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/page", "/none"], "{access:#?}");
    for line in access {
        assert!(!line.to_string().contains("canary"), "{line:#}");
    }
}

#[tokio::test]
async fn a_refusal_before_the_journey_names_the_tenant_whose_route_it_was() {
    let app = Recorder::start().await;
    let mut settings = world::settings(app.address);
    let route = |host: &str, tenant: &str| Route { tenant: tenant.into(), ..world::route(Some(host), "/", "app") };
    settings.routes = vec![route("a.test", "acme"), route("b.test", "bolt")];
    let policies =
        "event: admin\ncovers: [ANY b.test/admin/**, ANY a.test/admin/**]\nwhen_unsure: block\notherwise: block\n";
    settings.unmatched = stepward::settings::Unmatched::Block;
    let edge = world::judged(&settings, policies).await;
    for host in ["a.test", "b.test", "c.test"] {
        let get = format!("GET /nothing HTTP/1.1\r\nHost: {host}\r\n\r\n");
        exchange(edge.addresses[0], get.as_bytes()).await;
    }
    let log = &edge.gateway.journeys.parts().log;
    assert!(log.flush(Duration::from_secs(5)));
    let mut tenants: Vec<String> =
        log.recent(10, |_| true).iter().map(|line| line["tenant"].as_str().unwrap().to_owned()).collect();
    tenants.sort();
    assert_eq!(tenants, ["", "acme", "bolt"], "a host that is nobody's has no tenant");
}

/// What logrotate does: it moves the files away and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_signal_lines_go_to_new_files_and_none_is_lost() {
    let scene = Scene::new().await;
    let process = scene.start();
    let address = scene.address(1).await;
    let logs = ["access.jsonl", "decisions.jsonl"];
    for (turn, name) in ["-HUP", "-USR1"].into_iter().enumerate() {
        for _ in 0..3 {
            assert_eq!(get(address, "/page").await, 200);
        }
        for log in logs {
            lines(&scene.path(log), 3).await;
            fs::rename(scene.path(log), scene.path(&format!("{log}.{turn}"))).unwrap();
        }
        assert!(signal(name, &process.pid()));
        let begun = Instant::now();
        while !logs.iter().all(|log| scene.path(log).exists()) {
            assert!(begun.elapsed() < Duration::from_secs(30), "{name} did not open the logs anew");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    assert_eq!(get(address, "/page").await, 200);
    for log in logs {
        assert_eq!(lines(&scene.path(log), 1).await.len(), 1, "{log}");
        for turn in 0..2 {
            assert_eq!(lines(&scene.path(&format!("{log}.{turn}")), 3).await.len(), 3, "{log}.{turn}");
        }
    }
}
