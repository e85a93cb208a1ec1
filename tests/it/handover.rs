//! SIGQUIT: a real process hands its sockets and its state to a new one, under load. And sockets from the service
//! manager.

use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use std::io::{BufRead, BufReader};

use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet};

use crate::{
    origin::{self, App},
    world::{request, status},
};

const BINARY: &str = env!("CARGO_BIN_EXE_stepward");

/// An event that reads and writes state with each request, and one that lets each address through once an hour.
const POLICIES: [(&str, &str); 2] = [
    (
        "page.yaml",
        "event: page\ncovers: [GET /page]\nwhen_unsure: block\notherwise: { throttle: { rate: 1000000/h, per: ip } }\n",
    ),
    (
        "once.yaml",
        "event: once\ncovers: [GET /once]\nwhen_unsure: block\notherwise: { throttle: { rate: 1/h, per: ip } }\n",
    ),
];

/// A folder from which processes are started, and what they say.
struct Scene {
    folder: tempfile::TempDir,
    said: Arc<Mutex<Vec<String>>>,
    _app: App,
}

impl Scene {
    async fn new() -> Scene {
        let app = App::start().await;
        let folder = tempfile::tempdir().unwrap();
        let scene = Scene { folder, said: Arc::default(), _app: app };
        symlink(BINARY, scene.binary()).unwrap();
        scene.configure("127.0.0.1:0");
        fs::create_dir(scene.path("policies")).unwrap();
        for (name, text) in POLICIES {
            fs::write(scene.path("policies").join(name), text).unwrap();
        }
        scene
    }

    fn configure(&self, listen: &str) {
        let settings = format!(
            "listen: [{{ address: \"{listen}\" }}]\nupstreams: {{ app: {{ url: \"http://{}\" }} }}\n\
             routes: [{{ upstream: app }}]\nstate: {{ path: data }}\nhealth: {{ address: \"127.0.0.1:0\" }}\n\
             admin: {{ address: \"127.0.0.1:0\" }}\ndecision_log: {{ file: decisions.jsonl }}\n\
             limits: {{ drain: 10s, hand_over: 5s }}\n",
            self._app.address
        );
        fs::write(self.path("stepward.yaml"), settings).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What is started, now and at a hand-over; a test may put something else there.
    fn binary(&self) -> PathBuf {
        self.path("stepward")
    }

    fn replace_binary(&self, script: &str) {
        fs::remove_file(self.binary()).unwrap();
        fs::write(self.binary(), script).unwrap();
        fs::set_permissions(self.binary(), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn start(&self) -> Started {
        self.run(Command::new(self.binary()).arg("run"))
    }

    fn run(&self, command: &mut Command) -> Started {
        let command = command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let said = self.said.clone();
        thread::spawn(move || lines.map_while(Result::ok).for_each(|line| said.lock().unwrap().push(line)));
        Started { child }
    }

    fn lines(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// Lines with this in them, once there are so many.
    async fn told(&self, text: &str, times: usize) -> Vec<String> {
        let begun = Instant::now();
        loop {
            let found: Vec<_> = self.lines().into_iter().filter(|line| line.contains(text)).collect();
            if found.len() >= times {
                return found;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "`{text}` was not said: {:#?}", self.lines());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Where the newest process listens.
    async fn address(&self, times: usize) -> SocketAddr {
        let told = self.told("listening on ", times).await;
        told[times - 1].strip_prefix("listening on ").unwrap().trim().parse().unwrap()
    }

    /// The process that has taken over.
    async fn successor(&self, times: usize) -> Successor {
        let told = self.told("handed over; streams", times).await;
        let line: serde_json::Value = serde_json::from_str(&told[times - 1]).unwrap();
        Successor(line["pid"].as_u64().unwrap().to_string())
    }
}

struct Started {
    child: std::process::Child,
}

impl Started {
    fn pid(&self) -> String {
        self.child.id().to_string()
    }

    async fn ended(&mut self) -> Option<i32> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "it did not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that nobody but its predecessor started; ended with the test.
struct Successor(String);

impl Drop for Successor {
    fn drop(&mut self) {
        signal("-TERM", &self.0);
    }
}

fn signal(name: &str, pid: &str) -> bool {
    Command::new("kill").args([name, pid]).stderr(Stdio::null()).status().unwrap().success()
}

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
        for at in 0..8 {
            let over = over.clone();
            let path = if at % 2 == 0 { "/" } else { "/page" };
            match at < 4 {
                true => clients.spawn(keeping(address, path, over)),
                false => clients.spawn(anew(address, path, over)),
            };
        }
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

/// Delayed is allowed, lost is not.
async fn patient(tcp: &mut TcpStream) -> String {
    let answer = tokio::time::timeout(Duration::from_secs(60), origin::read_message(tcp)).await;
    String::from_utf8_lossy(&answer.expect("no answer in a minute").unwrap_or_default()).into_owned()
}

async fn get(address: SocketAddr, path: &str) -> u16 {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(request(&format!("GET {path}"), &["Connection: close"], "").as_bytes()).await.unwrap();
    status(&patient(&mut tcp).await)
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
    assert!(sent > 100, "{sent} requests are no load");
    let pids: BTreeSet<_> = [first.pid(), second.0.clone(), third.0.clone()].into();
    assert_eq!(pids.len(), 3, "three processes had the socket");
    let log = fs::read_to_string(scene.path("decisions.jsonl")).unwrap();
    assert!(log.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "every line is whole");
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
    assert!(load.ended().await > 50);
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
    assert!(load.ended().await > 50);
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
