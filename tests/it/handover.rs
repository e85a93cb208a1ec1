//! SIGQUIT: a real process hands its sockets and its state to a new one, under load. And sockets from the service
//! manager.

use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet};

use crate::{
    process::{BINARY, POLICIES, Scene, get, patient, signal},
    world::{request, status},
};

/// Requests without a pause until told to stop, over connections that are kept and over new ones; each must be
/// answered with 200. How many there were.
struct Load {
    over: Arc<AtomicBool>,
    clients: JoinSet<usize>,
}

impl Load {
    fn on(address: SocketAddr) -> Load {
        let over = Arc::<AtomicBool>::default();
        let mut clients = JoinSet::new();
        for path in ["/", "/page", "/", "/page"] {
            clients.spawn(keeping(address, path, over.clone()));
            clients.spawn(anew(address, path, over.clone()));
        }
        clients.spawn(sharing(address, "/page", over.clone()));
        Load { over, clients }
    }

    /// Ends it, after a while more.
    async fn ended(self) -> usize {
        tokio::time::sleep(Duration::from_millis(500)).await;
        self.over.store(true, Ordering::Relaxed);
        self.clients.join_all().await.into_iter().sum()
    }
}

async fn keeping(address: SocketAddr, path: &'static str, over: Arc<AtomicBool>) -> usize {
    let mut sent = 0;
    let mut tcp = TcpStream::connect(address).await.expect("refused");
    while !over.load(Ordering::Relaxed) {
        tcp.write_all(request(&format!("GET {path}"), &[], "").as_bytes()).await.expect("closed without a word");
        let answer = patient(&mut tcp).await;
        assert_eq!(status(&answer), 200, "{answer}");
        sent += 1;
        if answer.to_ascii_lowercase().contains("connection: close") {
            tcp = TcpStream::connect(address).await.expect("refused");
        }
    }
    sent
}

async fn anew(address: SocketAddr, path: &'static str, over: Arc<AtomicBool>) -> usize {
    let mut sent = 0;
    while !over.load(Ordering::Relaxed) {
        let mut tcp = TcpStream::connect(address).await.expect("refused");
        tcp.write_all(request(&format!("GET {path}"), &["Connection: close"], "").as_bytes()).await.expect("reset");
        let answer = patient(&mut tcp).await;
        assert_eq!(status(&answer), 200, "{answer}");
        sent += 1;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    sent
}

/// Over HTTP/2 a server that leaves says which streams it has not taken: those are asked for again (RFC 9113 §6.8).
async fn sharing(address: SocketAddr, path: &'static str, over: Arc<AtomicBool>) -> usize {
    let mut sent = 0;
    while !over.load(Ordering::Relaxed) {
        let tcp = TcpStream::connect(address).await.expect("refused");
        let (mut client, connection) = h2::client::handshake(tcp).await.expect("no HTTP/2");
        tokio::spawn(connection);
        loop {
            let asked = async {
                client = client.clone().ready().await?;
                let request = http::Request::get(format!("http://a.test{path}")).body(()).unwrap();
                client.send_request(request, true)?.0.await
            };
            match asked.await {
                Ok(response) => assert_eq!(response.status(), 200),
                Err(error) if error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR) => break,
                Err(error) => panic!("a stream was lost: {error}"),
            }
            sent += 1;
            if over.load(Ordering::Relaxed) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigquit_hands_over_under_load_and_no_request_is_refused_or_lost() {
    let scene = Scene::new().await;
    let mut first = scene.start();
    let address = scene.address(1).await;
    assert_eq!(get(address, "/once").await, 200);
    let slow = tokio::spawn(async move { get(address, "/slow").await });
    let load = Load::on(address);
    tokio::time::sleep(Duration::from_millis(300)).await;

    assert!(signal("-QUIT", &first.pid()));
    assert_eq!(scene.address(2).await, address, "the same socket");
    let second = scene.successor(1).await;
    assert_eq!(first.ended().await, Some(0));
    assert_eq!(slow.await.unwrap(), 200, "what was open is finished by the old process");
    assert_eq!(get(address, "/once").await, 429, "state came along");

    assert!(signal("-QUIT", &second.0), "and once more");
    scene.address(3).await;
    let third = scene.successor(2).await;
    assert_eq!(get(address, "/once").await, 429);
    let sent = load.ended().await;
    assert!(sent > 20, "{sent} requests are no load");
    let pids: BTreeSet<_> = [first.pid(), second.0.clone(), third.0.clone()].into();
    assert_eq!(pids.len(), 3, "three processes had the socket");
    let log = fs::read_to_string(scene.path("decisions.jsonl")).unwrap();
    assert!(log.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "every line is whole");
}

/// Who waits longer than `hand_over` for an app keeps the answer, and the outcome is what is lost: said, and not let in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_outlasts_the_hand_over_is_answered_and_its_loss_is_told() {
    let scene = Scene::new().await;
    let event =
        "event: slow\ncovers: [GET /slow]\nwhen_unsure: block\notherwise: forward\nsucceeded: response.status == 200\n";
    fs::write(scene.path("policies/slow.yaml"), event).unwrap();
    let settings = fs::read_to_string(scene.path("stepward.yaml")).unwrap();
    fs::write(scene.path("stepward.yaml"), settings.replace("hand_over: 5s", "hand_over: 100ms")).unwrap();
    let mut first = scene.start();
    let address = scene.address(1).await;
    let slow = tokio::spawn(async move { get(address, "/slow").await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(signal("-QUIT", &first.pid()));
    scene.told("their outcome is lost", 1).await;
    let _second = scene.successor(1).await;
    assert_eq!(get(address, "/page").await, 200, "the new process does not wait for it");
    assert_eq!(slow.await.unwrap(), 200, "the old one finishes what the app has begun");
    assert_eq!(first.ended().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_process_that_cannot_start_changes_nothing() {
    let scene = Scene::new().await;
    let mut only = scene.start();
    let address = scene.address(1).await;
    let load = Load::on(address);
    let settings = fs::read_to_string(scene.path("stepward.yaml")).unwrap();
    let wrongs: [(&str, &dyn Fn()); 3] = [
        ("bad settings", &|| fs::write(scene.path("stepward.yaml"), "listen: nowhere\n").unwrap()),
        ("bad policies", &|| {
            fs::write(scene.path("stepward.yaml"), &settings).unwrap();
            fs::write(scene.path("policies/page.yaml"), "event: page\n").unwrap();
        }),
        ("no binary", &|| fs::remove_file(scene.binary()).unwrap()),
    ];
    for (at, (what, make)) in wrongs.iter().enumerate() {
        make();
        assert!(signal("-QUIT", &only.pid()));
        scene.told("nothing was handed over", at + 1).await;
        assert_eq!(get(address, "/page").await, 200, "{what}");
    }
    assert!(load.ended().await > 10, "no load");
    assert_eq!(scene.told("listening on ", 1).await.len(), 1, "no other process ever served");
    assert!(signal("-TERM", &only.pid()));
    assert_eq!(only.ended().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_process_that_dies_with_the_state_in_its_hands_is_replaced_by_the_old_one() {
    let scene = Scene::new().await;
    let mut only = scene.start();
    let address = scene.address(1).await;
    assert_eq!(get(address, "/once").await, 200);
    let load = Load::on(address);
    // Says that it is prepared, hears that the store is free, and is gone.
    scene.replace_binary("#!/bin/sh\nprintf p >&0\nhead -c 1 >/dev/null\nexit 1\n");
    assert!(signal("-QUIT", &only.pid()));
    scene.told("this one starts again", 1).await;
    assert_eq!(scene.address(2).await, address, "the same process at the same address");
    assert_eq!(get(address, "/once").await, 429, "with the same state");
    assert!(load.ended().await > 10, "no load");
    assert!(signal("-TERM", &only.pid()));
    assert_eq!(only.ended().await, Some(0));
}

/// `systemd-socket-activate` is systemd's own tool to try this with; it starts the process at the first connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_of_the_service_manager_are_served_by_address_and_by_name() {
    if Command::new("systemd-socket-activate").arg("--version").output().is_err() {
        eprintln!("systemd-socket-activate is not here; nothing was tried");
        return;
    }
    for named in [false, true] {
        let scene = Scene::new().await;
        let address = free_address();
        // By name the address in the settings does not count; by address the name does not.
        match named {
            false => scene.configure(&address.to_string()),
            true => scene.configure("127.0.0.1:1\", socket: \"https"),
        }
        let mut activate = Command::new("systemd-socket-activate");
        activate.arg("--listen").arg(address.to_string()).arg("--fdname=https");
        let started = scene.run(activate.arg(scene.binary()).arg("run"));
        scene.told("Listening on", 1).await;
        assert_eq!(get(address, "/page").await, 200, "the connection that woke it is answered; by name: {named}");
        assert_eq!(scene.address(1).await, address);
        // It does not fork: the process that was started is Stepward by now, and hands on what it was given.
        assert!(signal("-QUIT", &started.pid()));
        scene.address(2).await;
        let _successor = scene.successor(1).await;
        assert_eq!(get(address, "/page").await, 200, "by name: {named}");
    }
}

fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn a_socket_that_is_asked_for_by_name_and_not_there_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "listen: [{ address: \"127.0.0.1:0\", socket: https }]\nupstreams: { app: { url: \"http://127.0.0.1:1\" } }\n\
                    routes: [{ upstream: app }]\n";
    fs::write(folder.path().join("stepward.yaml"), settings).unwrap();
    fs::create_dir(folder.path().join("policies")).unwrap();
    fs::write(folder.path().join("policies/page.yaml"), POLICIES[0].1).unwrap();
    let output = Command::new(Path::new(BINARY)).arg("run").current_dir(folder.path()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("no socket `https` was passed"), "{told}");
}
