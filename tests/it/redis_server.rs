//! Real Redis servers on loopback, and a relay before one that can be slow, deaf or gone.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use stepward::settings::{Redis, Secret, Topology};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
    sync::Notify,
    task::JoinHandle,
};

/// The server's program; `STEPWARD_REDIS_SERVER` names another one, such as `valkey-server`.
fn program() -> String {
    std::env::var("STEPWARD_REDIS_SERVER").unwrap_or_else(|_| "redis-server".into())
}

/// A server, which ends with its test.
pub(crate) struct Server {
    child: Option<Child>,
    arguments: Vec<String>,
    folder: tempfile::TempDir,
    pub(crate) port: u16,
    login: Option<(String, String)>,
}

impl Server {
    pub(crate) async fn start() -> Server {
        Server::with(&[]).await
    }

    /// A server with more arguments; it keeps nothing on disk unless they say so.
    pub(crate) async fn with(arguments: &[&str]) -> Server {
        Server::at(free_port(), arguments).await
    }

    pub(crate) async fn at(port: u16, arguments: &[&str]) -> Server {
        let mut server = Server::prepared(port, arguments);
        server.run().await;
        server
    }

    /// A server that is not started yet: files may be put into its folder.
    pub(crate) fn prepared(port: u16, arguments: &[&str]) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let own = ["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        let arguments = own.iter().chain(arguments).map(|it| (*it).to_string()).collect();
        Server { child: None, arguments, folder, port, login: None }
    }

    /// The user that this test's own questions are asked as.
    pub(crate) fn login(&mut self, user: &str, password: &str) {
        self.login = Some((user.into(), password.into()));
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn add(&mut self, arguments: &[&str]) {
        self.arguments.extend(arguments.iter().map(|it| (*it).to_string()));
    }

    /// It becomes a Sentinel with that configuration.
    pub(crate) fn as_sentinel(&mut self, file: &std::path::Path) {
        let file = file.display().to_string();
        let port = self.port.to_string();
        let own = [file.as_str(), "--sentinel", "--port", &port, "--bind", "127.0.0.1"];
        self.arguments = own.iter().map(|it| (*it).to_string()).collect();
    }

    /// Starts it, or starts it again.
    pub(crate) async fn run(&mut self) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let child = Command::new(program())
            .args(&self.arguments)
            .arg("--dir")
            .arg(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log)
            .spawn();
        self.child = Some(child.expect("redis-server is not installed; `make deps` installs it"));
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("redis-server does not start: {}", self.log());
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Ends it at once, as a power cut does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A file with its URL.
    pub(crate) fn url_file(&self) -> PathBuf {
        let path = self.folder.path().join("url");
        // Written once: a link may be reading it.
        if path.exists() { path } else { self.file("url", &self.url()) }
    }

    pub(crate) fn settings(&self) -> Redis {
        settings(self.url_file())
    }

    /// Asks the server something; its answer.
    pub(crate) async fn ask(&self, words: &[&str]) -> redis::Value {
        let client = redis::Client::open(self.url()).unwrap();
        let patient = redis::AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let mut connection = client.get_multiplexed_async_connection_with_config(&patient).await.unwrap();
        if let Some((user, password)) = &self.login {
            let auth = redis::cmd("AUTH").arg(user).arg(password).query_async::<()>(&mut connection).await;
            auth.unwrap();
        }
        let mut command = redis::cmd(words[0]);
        for word in &words[1..] {
            command.arg(word);
        }
        command.query_async(&mut connection).await.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Asks for text.
    pub(crate) async fn tell(&self, words: &[&str]) -> String {
        match self.ask(words).await {
            redis::Value::BulkString(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            other => format!("{other:?}"),
        }
    }

    /// Waits until what the server says of its replication contains this.
    pub(crate) async fn until_replication_says(&self, part: &str) {
        for _ in 0..1000 {
            if self.tell(&["INFO", "replication"]).await.contains(part) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("never {part}: {}", self.tell(&["INFO", "replication"]).await);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A store at that URL which may take as long as a busy machine needs: what these tests show has no time in it, and a
/// megabyte to each of 64 callers has taken more than four seconds at a load of 14.
pub(crate) fn settings(url_file: PathBuf) -> Redis {
    Redis {
        url: Secret::File(url_file),
        topology: Topology::Standalone,
        user: None,
        password: None,
        ca: None,
        prefix: "stepward".into(),
        wait: Duration::from_secs(60),
        snapshots: Duration::from_secs(30),
    }
}

/// A port that nobody listens on now, and ten thousand above neither, where a cluster's bus is.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let low = 10_000 + port % 20_000;
        let both = [low, low + 10_000].map(|port| std::net::TcpListener::bind(("127.0.0.1", port)));
        if both.iter().all(Result::is_ok) {
            return low;
        }
    }
}

/// What a relay does with what passes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Hands it on.
    Willing,
    /// Hands on answers after two seconds.
    Slow,
    /// Keeps connections and hands on nothing.
    Deaf,
    /// Hands on everything but what waits for the revocation log.
    DeafToTheLog,
}

/// Stands between clients and one of several servers.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    targets: Vec<SocketAddr>,
    target: AtomicUsize,
    mood: Mutex<Mood>,
    cut: Notify,
    /// Bunches of bytes from clients that hold none of these words.
    bunches: AtomicU64,
    not_counted: &'static [&'static str],
    /// How long answers are held back, so that what goes out together is out before any of it is answered.
    hold: Duration,
    /// Round trips, one after another: bunches that go out before one that went out with them is answered are one.
    trips: AtomicU64,
    /// Whether nothing is out, as far as that began with the last trip.
    is_answered: AtomicBool,
}

impl Relay {
    pub(crate) async fn before(targets: &[SocketAddr]) -> Relay {
        Relay::holding(targets, &[], Duration::ZERO).await
    }

    /// A relay that counts bunches of bytes without any of those words, and the trips that they make.
    pub(crate) async fn counting(targets: &[SocketAddr], not_counted: &'static [&'static str]) -> Relay {
        Relay::holding(targets, not_counted, Duration::from_millis(30)).await
    }

    async fn holding(targets: &[SocketAddr], not_counted: &'static [&'static str], hold: Duration) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            targets: targets.to_vec(),
            target: AtomicUsize::new(0),
            mood: Mutex::new(Mood::Willing),
            cut: Notify::new(),
            bunches: AtomicU64::new(0),
            not_counted,
            hold,
            trips: AtomicU64::new(0),
            is_answered: AtomicBool::new(true),
        });
        let server = tokio::spawn({
            let shared = shared.clone();
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(shared.clone().converse(client));
                }
            }
        });
        Relay { address, shared, server }
    }

    /// From now on to the other server; what is open is cut.
    pub(crate) async fn turn_to(&self, target: usize) {
        self.shared.target.store(target, Ordering::SeqCst);
        self.cut().await;
    }

    pub(crate) async fn cut(&self) {
        self.shared.cut.notify_waiters();
        tokio::time::sleep(Duration::from_millis(30)).await;
    }

    pub(crate) fn becomes(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
    }

    pub(crate) fn bunches(&self) -> u64 {
        self.shared.bunches.load(Ordering::SeqCst)
    }

    pub(crate) fn trips(&self) -> u64 {
        self.shared.trips.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.server.abort();
        self.shared.cut.notify_waiters();
    }
}

impl Shared {
    async fn converse(self: Arc<Self>, client: TcpStream) {
        let target = self.targets[self.target.load(Ordering::SeqCst)];
        let Ok(server) = TcpStream::connect(target).await else { return };
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        let is_out = AtomicBool::new(false);
        tokio::select! {
            () = self.carry(from_client, to_server, &is_out, false) => {}
            () = self.carry(from_server, to_client, &is_out, true) => {}
            () = self.cut.notified() => {}
        }
    }

    /// `is_out` tells whether something that counts waits for its answer on this connection.
    async fn carry(
        &self,
        mut from: tcp::OwnedReadHalf,
        mut to: tcp::OwnedWriteHalf,
        is_out: &AtomicBool,
        is_answer: bool,
    ) {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from.read(&mut bytes).await {
            let mood = *self.mood.lock().unwrap();
            match mood {
                Mood::Willing => {}
                Mood::Slow if is_answer => tokio::time::sleep(Duration::from_secs(2)).await,
                Mood::Slow => {}
                Mood::Deaf => std::future::pending().await,
                Mood::DeafToTheLog if holds(&bytes[..length], "BLOCK") => std::future::pending().await,
                Mood::DeafToTheLog => {}
            }
            if !is_answer && !self.not_counted.iter().any(|word| holds(&bytes[..length], word)) {
                self.bunches.fetch_add(1, Ordering::SeqCst);
                self.trips.fetch_add(u64::from(self.is_answered.swap(false, Ordering::SeqCst)), Ordering::SeqCst);
                is_out.store(true, Ordering::SeqCst);
            }
            if is_answer && is_out.swap(false, Ordering::SeqCst) {
                tokio::time::sleep(self.hold).await;
                self.is_answered.store(true, Ordering::SeqCst);
            }
            if to.write_all(&bytes[..length]).await.is_err() {
                return;
            }
        }
    }
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}
