//! Begun on one node, told to the other, gone on with on the first.

use http::StatusCode;

use super::{App, Town, begin, challenged, go_on, leads_on, look_until, tell, world};
use crate::redis_server::Server;

async fn node(server: &Server, keys: &std::path::Path, vendor: &App) -> Town {
    let state = format!(
        "state: {{ store: redis, url: {{ file: \"{}\" }}, keys: {{ file: \"{}\" }}, path: state, wait: 60s }}",
        server.url_file().display(),
        keys.display(),
    );
    world("[id_document]", &[vendor]).settings(&state).start().await
}

#[tokio::test]
async fn a_webhook_at_one_node_ends_what_another_began() {
    let (server, vendor) = (Server::start().await, App::start().await);
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.yaml");
    let first = node(&server, &keys, &vendor).await;
    let second = node(&server, &keys, &vendor).await;
    let (mut ada, challenge) = challenged(&first, "ada").await;
    begin(&mut ada, &challenge).await;
    vendor.says("GET /state/vs-1", 500, "down");
    assert_eq!(tell(&second, "e-1", "vs-1", "approved").await, StatusCode::OK);
    let passed = look_until(&first, &mut ada, &challenge, leads_on).await;
    assert_eq!(go_on(&mut ada, &passed).await.status, StatusCode::OK);
    assert!(first.app.last("POST /pay").ends_with("amount=900"));
}
