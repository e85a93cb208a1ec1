//! Real processes of the built binary, in a folder of their own, in front of an app.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    origin::{self, App},
    world::{request, status},
};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_stepward");

/// An event that reads and writes state with each request, and one that lets each address through once an hour.
pub(crate) const POLICIES: [(&str, &str); 2] = [
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
pub(crate) struct Scene {
    folder: tempfile::TempDir,
    said: Arc<Mutex<Vec<String>>>,
    app: App,
}

impl Scene {
    pub(crate) async fn new() -> Scene {
        let app = App::start().await;
        let folder = tempfile::tempdir().unwrap();
        let scene = Scene { folder, said: Arc::default(), app };
        symlink(BINARY, scene.binary()).unwrap();
        scene.configure("127.0.0.1:0");
        fs::create_dir(scene.path("policies")).unwrap();
        for (name, text) in POLICIES {
            fs::write(scene.path("policies").join(name), text).unwrap();
        }
        scene
    }

    pub(crate) fn configure(&self, listen: &str) {
        let settings = format!(
            "listen: [{{ address: \"{listen}\" }}]\nupstreams: {{ app: {{ url: \"http://{}\" }} }}\n\
             routes: [{{ upstream: app }}]\nstate: {{ path: data }}\nhealth: {{ address: \"127.0.0.1:0\" }}\n\
             admin: {{ address: \"127.0.0.1:0\" }}\ndecision_log: {{ file: decisions.jsonl }}\n\
             access_log: {{ file: access.jsonl }}\n\
             limits: {{ drain: 10s, hand_over: 5s }}\n",
            self.app.address
        );
        fs::write(self.path("stepward.yaml"), settings).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What is started, now and at a hand-over; a test may put something else there.
    pub(crate) fn binary(&self) -> PathBuf {
        self.path("stepward")
    }

    pub(crate) fn replace_binary(&self, script: &str) {
        fs::remove_file(self.binary()).unwrap();
        fs::write(self.binary(), script).unwrap();
        fs::set_permissions(self.binary(), fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn start(&self) -> Started {
        self.run(Command::new(self.binary()).arg("run"))
    }

    pub(crate) fn run(&self, command: &mut Command) -> Started {
        let command = command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let said = self.said.clone();
        thread::spawn(move || lines.map_while(Result::ok).for_each(|line| said.lock().unwrap().push(line)));
        Started { child }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// Lines with this in them, once there are so many.
    pub(crate) async fn told(&self, text: &str, times: usize) -> Vec<String> {
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
    pub(crate) async fn address(&self, times: usize) -> SocketAddr {
        let told = self.told("listening on ", times).await;
        told[times - 1].strip_prefix("listening on ").unwrap().trim().parse().unwrap()
    }

    /// The process that has taken over.
    pub(crate) async fn successor(&self, times: usize) -> Successor {
        let told = self.told("handed over; streams", times).await;
        let line: serde_json::Value = serde_json::from_str(&told[times - 1]).unwrap();
        Successor(line["pid"].as_u64().unwrap().to_string())
    }
}

pub(crate) struct Started {
    child: Child,
}

impl Started {
    pub(crate) fn pid(&self) -> String {
        self.child.id().to_string()
    }

    pub(crate) async fn ended(&mut self) -> Option<i32> {
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
pub(crate) struct Successor(pub(crate) String);

impl Drop for Successor {
    fn drop(&mut self) {
        signal("-TERM", &self.0);
    }
}

pub(crate) fn signal(name: &str, pid: &str) -> bool {
    Command::new("kill").args([name, pid]).stderr(Stdio::null()).status().unwrap().success()
}

/// Delayed is allowed, lost is not.
pub(crate) async fn patient(tcp: &mut TcpStream) -> String {
    let answer = tokio::time::timeout(Duration::from_secs(60), origin::read_message(tcp)).await;
    String::from_utf8_lossy(&answer.expect("no answer in a minute").unwrap_or_default()).into_owned()
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> u16 {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(request(&format!("GET {path}"), &["Connection: close"], "").as_bytes()).await.unwrap();
    status(&patient(&mut tcp).await)
}
