//! How long a revocation takes to be felt on every node: requests that a sealed copy lets through are refused, and what is
//! open is closed.
//!
//! A few rounds by default; `STEPWARD_REVOCATIONS=300` for the figures that the documents tell, tunnels included (that one is
//! closed is tested in `recalled`).

use std::{net::SocketAddr, path::Path, time::Duration};

use futures_util::future::join_all;
use stepward::store::{Counted, Kind, Revocation, StateStore};
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{
    recalled::{STREAM, Tunnel},
    redis_server::Server,
    visitor::Visitor,
    world::{LOGIN, Town, World},
};

/// Answered from the session alone, so that a sealed copy may answer.
const PAGE: &str = "
event: page
covers: [GET /page]
when_unsure: block
otherwise: forward
steps:
  - decide: people only
    rules:
      - rule: no machines
        when: subject.kind != \"human\"
        then: block
";
const NODES: usize = 3;
const ROUNDS: usize = 3;
/// With fewer there is no hundredth to speak of.
const ROUNDS_OF_A_FIGURE: usize = 100;
/// What the issue allows; a busy machine is asked for less unless a figure is wanted.
const REFUSED_WITHIN: Duration = Duration::from_secs(1);
const FELT_WITHIN: Duration = Duration::from_secs(5);

async fn node(server: &Server, keys: &Path) -> Town {
    let state = format!(
        "state: {{ store: redis, url: {{ file: \"{}\" }}, keys: {{ file: \"{}\" }}, path: state, wait: 60s }}",
        server.url_file().display(),
        keys.display(),
    );
    let town = World::new().policy(LOGIN).policy(STREAM).policy(PAGE).settings(&state).start().await;
    town.app.opens_a_tunnel("GET /ws");
    town
}

/// Comes again and again until it is refused: says when it was let in first, gives the moment of the refusal.
fn comes_until_refused(address: SocketAddr, visitor: &Visitor) -> (oneshot::Receiver<()>, JoinHandle<Instant>) {
    let mut here = Visitor::of(address);
    here.cookies = visitor.cookies.clone();
    let (let_in, first) = oneshot::channel();
    let task = tokio::spawn(async move {
        let mut let_in = Some(let_in);
        while here.get("/page").await.status.is_success() {
            if let Some(let_in) = let_in.take() {
                let_in.send(()).unwrap();
            }
            sleep(Duration::from_millis(2)).await;
        }
        Instant::now()
    });
    (first, task)
}

/// How often a sealed copy answered on this node.
fn spared(node: &Town) -> u64 {
    let text = node.gateway.journeys.parts().metrics.text();
    let used = "stepward_session_snapshots_total{result=\"used\"} ";
    text.lines().find_map(|line| line.strip_prefix(used)?.parse().ok()).unwrap_or(0)
}

fn told(name: &str, mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    let at = |share: usize| took[(took.len() - 1) * share / 100];
    println!("{name}: p50 {:?}, p99 {:?}, at most {:?} ({})", at(50), at(99), at(100), took.len());
    at(99)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_is_felt_on_every_node_at_once() {
    let wanted = std::env::var("STEPWARD_REVOCATIONS");
    let (rounds, wants_figures) = (wanted.as_ref().map_or(ROUNDS, |it| it.parse().unwrap()), wanted.is_ok());
    let server = Server::start().await;
    let keys = tempfile::tempdir().unwrap();
    let ring = keys.path().join("keys.yaml");
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        nodes.push(node(&server, &ring).await);
    }
    let (mut refused, mut closed, mut broken) = (Vec::new(), Vec::new(), 0);
    for round in 0..rounds {
        let name = format!("ada-{round}");
        let mut ada = nodes[0].visitor();
        nodes[0].sign_in(&mut ada, &name).await;
        // Another answer than that of the sign-in may bring the sealed copy.
        ada.get("/page").await;
        let tunnels = nodes.iter().take(if wants_figures { NODES } else { 0 }).map(|node| {
            let (address, mut here) = (node.address(), Visitor::of(node.address()));
            here.cookies = ada.cookies.clone();
            async move { tokio::spawn(async move { Tunnel::open(address, &here).await }).await }
        });
        let (open, failed): (Vec<_>, Vec<_>) = join_all(tunnels).await.into_iter().partition(Result::is_ok);
        broken += failed.len();
        let mut coming = Vec::new();
        for node in &nodes {
            let (first, task) = comes_until_refused(node.address(), &ada);
            first.await.unwrap();
            coming.push(task);
        }
        let parts = nodes[round % NODES].gateway.journeys.parts();
        let target = Counted { kind: Kind::Account, id: parts.sessions.account("default", &name) };
        let began = Instant::now();
        let closing: Vec<_> = open.into_iter().map(|tunnel| tokio::spawn(tunnel.unwrap().closes())).collect();
        parts.store.revoke(Revocation { target, before_ms: parts.clock.now_ms() + 1 }).await.unwrap();
        for task in coming {
            refused.push(tokio::time::timeout(FELT_WITHIN, task).await.expect("refused").unwrap() - began);
        }
        for task in closing {
            closed.push(task.await.unwrap());
        }
    }
    let spared: u64 = nodes.iter().map(spared).sum();
    println!("{rounds} revocations, {NODES} nodes; a sealed copy answered {spared} requests");
    let refused = told("refused", refused);
    if wants_figures {
        told("closed", closed);
        println!("{broken} tunnels ended as soon as they were begun");
    }
    assert!(spared > 0, "nothing was let in but by the store itself");
    assert!(rounds < ROUNDS_OF_A_FIGURE || refused <= REFUSED_WITHIN, "{refused:?}");
}
