//! Asked on one node, approved on the other, gone on with on the first.

use http::StatusCode;

use super::{Bank, approve, free_port, go_on, the_one, world};
use crate::redis_server::Server;

async fn node(server: &Server, keys: &std::path::Path, port: u16, other: u16) -> Bank {
    let state = format!(
        "state: {{ store: redis, url: {{ file: \"{}\" }}, keys: {{ file: \"{}\" }}, path: state, wait: 60s }}",
        server.url_file().display(),
        keys.display(),
    );
    let world = world(&[port, other], "{ payments: [carol, dave], board: [erin] }").settings(&state);
    Bank { town: world.start().await, port }
}

#[tokio::test]
async fn a_colleague_may_be_at_another_node() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.yaml");
    let (here, there) = (free_port(), free_port());
    let first = node(&server, &keys, here, there).await;
    let second = node(&server, &keys, there, here).await;
    let mut ada = first.person("ada").await;
    let challenge = first.asks(&mut ada, "900").await;
    let (mut carol, mut key) = second.approver("carol").await;
    let page = the_one(&mut carol).await;
    approve(&second, &mut carol, &mut key, &page).await;
    assert_eq!(go_on(&mut ada, &challenge).await.status, StatusCode::OK);
    assert_eq!(first.paid(), 1);
}
