//! A world in which a gateway stands in front of an app: settings and policies given as text, everything real,
//! on loopback. Time is the world's own and moves only when a test says so.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use stepward::{
    clock::Clock,
    gateway::{self, Running},
    registry::Release,
    settings::{self, LogTarget, Presence},
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::{
    mailbox::Mailbox,
    origin,
    visitor::{Seen, Visitor},
};

/// Some moment in 2026, at the beginning of a TOTP step.
pub(crate) const START_MS: i64 = 1_780_000_020_000;

/// A login that the app judges: 303 is success. Its subject is whoever `username` names.
pub(crate) const LOGIN: &str = "
event: login
covers: [POST /login]
facts:
  username: { from: body.username, type: text, pii: true, identifies: subject }
succeeded: response.status == 303
failed: response.status == 401
when_unsure: block
otherwise: forward
";

/// What is there before the gateway starts.
pub(crate) struct World {
    policies: Vec<(String, String)>,
    files: Vec<(String, String)>,
    settings: String,
    listen: String,
}

impl World {
    pub(crate) fn new() -> Self {
        World {
            policies: Vec::new(),
            files: Vec::new(),
            settings: String::new(),
            listen: "listen: [{ address: \"127.0.0.1:0\" }]\n".into(),
        }
    }

    /// One policy or flow.
    pub(crate) fn policy(mut self, text: &str) -> Self {
        self.policies.push((format!("{:02}.yaml", self.policies.len()), text.into()));
        self
    }

    /// Another file beside the settings, such as a connector.
    pub(crate) fn file(mut self, path: &str, text: &str) -> Self {
        self.files.push((path.into(), text.into()));
        self
    }

    /// More lines of `stepward.yaml`.
    pub(crate) fn settings(mut self, yaml: &str) -> Self {
        self.settings.push_str(yaml);
        self.settings.push('\n');
        self
    }

    /// Listens so instead of in plain text only.
    pub(crate) fn listen(mut self, yaml: &str) -> Self {
        self.listen = format!("listen: {yaml}\n");
        self
    }

    /// Sends codes by a mail server at this address.
    pub(crate) fn mail(self, server: SocketAddr) -> Self {
        self.settings(&format!("mail: {{ smtp: \"smtp://{server}\", from: no-reply@bank.example }}"))
    }

    /// Starts everything: an app, a second one (`other`), and the gateway in front of them.
    pub(crate) async fn start(self) -> Town {
        let (app, other) = (App::start().await, App::start().await);
        let folder = tempfile::tempdir().unwrap();
        let names_upstreams = self.settings.contains("upstreams:");
        let mut text = self.listen.clone();
        if !names_upstreams {
            text.push_str(&format!(
                "upstreams:\n  app: {{ url: \"http://{}\" }}\n  other: {{ url: \"http://{}\" }}\n",
                app.address, other.address
            ));
        }
        for (key, line) in [
            ("routes:", "routes: [{ upstream: app }]\n"),
            ("subject:", "subject: [{ app_session: { cookie: sid } }]\n"),
            // Patient: only tests of the wait itself are about how fast this machine's disk is.
            ("state:", "state: { store: embedded, path: state, wait: 60s }\n"),
            ("decision_log:", "decision_log: { file: decisions.jsonl }\n"),
        ] {
            if !self.settings.contains(key) {
                text.push_str(line);
            }
        }
        text.push_str("policies: policies\n");
        text.push_str(&self.settings);
        let file = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        file("stepward.yaml", &text);
        for (path, text) in &self.files {
            file(path, text);
        }
        for (name, text) in &self.policies {
            file(&format!("policies/{name}"), text);
        }
        let now = Arc::new(AtomicI64::new(START_MS));
        let clock = Clock::Manual(now.clone());
        let gateway = run(&folder.path().join("stepward.yaml"), clock.clone()).await;
        Town { gateway, app, other, folder, now, clock }
    }
}

async fn run(file: &std::path::Path, clock: Clock) -> Running {
    let loaded = settings::load(file, Presence::Required).unwrap_or_else(|it| panic!("settings: {:?}", it.found));
    match gateway::start(loaded.settings, None, clock).await {
        Ok(running) => running,
        Err(gateway::StartError::Policies(refusal)) => {
            panic!("policies:\n{}", refusal.lines().collect::<Vec<_>>().join("\n"))
        }
        Err(error) => panic!("{error}: {error:?}"),
    }
}

/// A world that runs.
pub(crate) struct Town {
    pub(crate) gateway: Running,
    /// The app that everything is routed to.
    pub(crate) app: App,
    /// The upstream `other`.
    pub(crate) other: App,
    pub(crate) folder: tempfile::TempDir,
    now: Arc<AtomicI64>,
    clock: Clock,
}

impl Town {
    pub(crate) fn address(&self) -> SocketAddr {
        self.gateway.addresses[0]
    }

    /// A browser nobody has seen before.
    pub(crate) fn visitor(&self) -> Visitor {
        Visitor::of(self.address())
    }

    /// A program without cookies or pages.
    pub(crate) fn program(&self) -> Visitor {
        let mut program = self.visitor();
        program.headers.clear();
        program
    }

    /// Bytes on a connection of their own; the whole answer.
    pub(crate) async fn raw(&self, request: &str) -> String {
        origin::exchange(self.address(), request.as_bytes()).await
    }

    /// Time passes, or jumps back.
    pub(crate) fn wait_ms(&self, ms: i64) {
        self.now.fetch_add(ms, Ordering::Relaxed);
    }

    /// Gives an account an authenticator app; its secret.
    pub(crate) async fn totp(&self, name: &str) -> Vec<u8> {
        let parts = self.gateway.journeys.parts();
        parts.challenges.provision_totp("default", parts.sessions.account("default", name)).await.unwrap()
    }

    /// Gives an account an address for codes, known for long.
    pub(crate) async fn email(&self, name: &str, address: &str) {
        let parts = self.gateway.journeys.parts();
        let account = parts.sessions.account("default", name);
        parts.challenges.contacts().learn("default", account, address).await.unwrap();
    }

    /// What an authenticator app shows now; the time moves one step on first, as a code is good once.
    pub(crate) fn code(&self, secret: &[u8]) -> String {
        self.wait_ms(30_000);
        let totp =
            totp_rs::Builder::new().with_secret(secret.to_vec()).with_account_name("x").with_skew(0).build().unwrap();
        totp.generate(self.clock.now_ms().unsigned_abs() / 1000).to_string()
    }

    /// Signs in through [`LOGIN`]; the app gives the session cookie `sid=<name>`.
    pub(crate) async fn sign_in(&self, visitor: &mut Visitor, name: &str) {
        let answer = format!(
            "HTTP/1.1 303 See Other\r\nLocation: /\r\nSet-Cookie: sid={name}; Path=/\r\nContent-Length: 0\r\n\r\n"
        );
        self.app.answers("POST /login", &answer);
        let seen = visitor.post("/login", &[("username", name), ("password", "right")]).await;
        assert_eq!(seen.status, 303, "{name} could not sign in: {}", seen.text);
        assert!(visitor.cookies.contains_key("stepward"), "no session after login: {:?}", visitor.cookies);
    }

    /// Answers the challenge that `asked` leads to by TOTP; where to resume.
    pub(crate) async fn prove(&self, visitor: &mut Visitor, asked: &Seen, secret: &[u8]) -> String {
        assert!(asked.location().starts_with("/.stepward/c/"), "no challenge: {} {}", asked.status, asked.text);
        let challenge = asked.location().to_string();
        visitor.get(&challenge).await;
        let code = self.code(secret);
        let proven = visitor.post(&challenge, &[("method", "totp"), ("code", &code)]).await;
        assert_eq!(proven.status, 303, "the code was not taken: {}", proven.text);
        let passed = visitor.get(proven.location()).await;
        match passed.status.is_redirection() {
            true => passed.location().to_string(),
            false => passed.after("action=\""),
        }
    }

    /// Replaces a policy on disk without asking anyone to read it.
    pub(crate) fn write_policy(&self, number: usize, text: &str) {
        // In one step, as editors do: never half a file.
        let path = self.folder.path().join(format!("policies/{number:02}.yaml"));
        let fresh = self.folder.path().join("fresh.yaml");
        fs::write(&fresh, text).unwrap();
        fs::rename(fresh, path).unwrap();
    }

    pub(crate) fn release(&self) -> Arc<Release> {
        self.gateway.journeys.parts().registry.current()
    }

    /// The decision log so far, line by line.
    pub(crate) fn decisions(&self) -> Vec<serde_json::Value> {
        let parts = self.gateway.journeys.parts();
        assert!(parts.log.flush(Duration::from_secs(5)), "the decision log does not flush");
        let LogTarget::File(file) = &parts.settings.decision_log else { panic!("no log file") };
        let text = fs::read_to_string(PathBuf::from(file)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// A second life with another `state:`, at the same time of day; what is done between them has the stores for itself.
    pub(crate) async fn elsewhere(self, state: &str, between: impl AsyncFnOnce(&std::path::Path, &Clock)) -> Town {
        let Town { gateway, app, other, folder, now, clock } = self;
        gateway.stop(Duration::from_millis(200)).await;
        between(folder.path(), &clock).await;
        let file = folder.path().join("stepward.yaml");
        let text = fs::read_to_string(&file).unwrap();
        let lines = text.lines().map(|line| if line.starts_with("state:") { state } else { line });
        fs::write(&file, lines.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        let gateway = run(&file, clock.clone()).await;
        Town { gateway, app, other, folder, now, clock }
    }

    /// A second life over the same folder, at the same time of day.
    pub(crate) async fn restarted(self) -> Town {
        let Town { gateway, app, other, folder, now, clock } = self;
        gateway.stop(Duration::from_millis(200)).await;
        let gateway = run(&folder.path().join("stepward.yaml"), clock.clone()).await;
        Town { gateway, app, other, folder, now, clock }
    }
}

/// What an app does with a request.
#[derive(Clone, Debug)]
enum Deed {
    /// Answers.
    Answer(Vec<u8>),
    /// Answers a request that holds this text with the second, any other with the first.
    Ask { proof: String, asks: Vec<u8>, done: Vec<u8> },
    /// Never answers.
    Hang,
    /// Writes this, then breaks off.
    Break(Vec<u8>),
    /// Answers, then gives back whatever comes.
    Echo(Vec<u8>),
    /// Answers one byte every 100 ms.
    Drip(Vec<u8>),
}

/// An app that keeps the bytes of every request and answers as it was told.
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
    deeds: Arc<Mutex<BTreeMap<String, Deed>>>,
    server: JoinHandle<()>,
}

impl App {
    pub(crate) async fn start() -> Self {
        App::at("127.0.0.1:0".parse().unwrap()).await
    }

    /// An app at this address, where one may have stopped just now.
    pub(crate) async fn at(address: SocketAddr) -> Self {
        let listener = loop {
            match TcpListener::bind(address).await {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        let address = listener.local_addr().unwrap();
        let (seen, deeds) = (Arc::default(), Arc::default());
        let server = tokio::spawn(serve(listener, Arc::clone(&seen), Arc::clone(&deeds)));
        App { address, seen, deeds, server }
    }

    /// Requests whose first line begins so get these bytes.
    pub(crate) fn answers(&self, request: &str, answer: &str) {
        self.does(request, Deed::Answer(answer.as_bytes().to_vec()));
    }

    /// Requests whose first line begins so are answered `done` where they hold this text, whatever its case, else `asks`.
    pub(crate) fn asks(&self, request: &str, proof: &str, asks: &str, done: &str) {
        let bytes = |text: &str| text.as_bytes().to_vec();
        self.does(request, Deed::Ask { proof: proof.to_ascii_lowercase(), asks: bytes(asks), done: bytes(done) });
    }

    /// Requests whose first line begins so get a body of text.
    pub(crate) fn says(&self, request: &str, status: u16, text: &str) {
        self.answers(request, &format!("HTTP/1.1 {status} So\r\nContent-Length: {}\r\n\r\n{text}", text.len()));
    }

    pub(crate) fn hangs(&self, request: &str) {
        self.does(request, Deed::Hang);
    }

    pub(crate) fn breaks_off_after(&self, request: &str, bytes: &str) {
        self.does(request, Deed::Break(bytes.as_bytes().to_vec()));
    }

    pub(crate) fn drips(&self, request: &str, answer: &str) {
        self.does(request, Deed::Drip(answer.as_bytes().to_vec()));
    }

    pub(crate) fn opens_a_tunnel(&self, request: &str) {
        let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        self.does(request, Deed::Echo(head.as_bytes().to_vec()));
    }

    fn does(&self, request: &str, deed: Deed) {
        self.deeds.lock().unwrap().insert(request.into(), deed);
    }

    /// Every request so far, as text.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|it| String::from_utf8_lossy(it).into_owned()).collect()
    }

    /// How many requests whose first line begins so came.
    pub(crate) fn count(&self, request: &str) -> usize {
        self.seen().iter().filter(|it| it.starts_with(request)).count()
    }

    /// The last request whose first line begins so.
    pub(crate) fn last(&self, request: &str) -> String {
        let found = self.seen().into_iter().rfind(|it| it.starts_with(request));
        found.unwrap_or_else(|| panic!("the app never saw {request}, but {:?}", self.seen()))
    }

    /// The same, as bytes.
    pub(crate) fn bytes(&self, request: &str) -> Vec<u8> {
        let seen = self.seen.lock().unwrap();
        seen.iter().rfind(|it| it.starts_with(request.as_bytes())).unwrap().clone()
    }

    /// Nobody listens any more, and what was open is cut.
    pub(crate) fn stop(&self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, seen: Arc<Mutex<Vec<Vec<u8>>>>, deeds: Arc<Mutex<BTreeMap<String, Deed>>>) {
    let mut open = tokio::task::JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        open.spawn(converse(tcp, Arc::clone(&seen), Arc::clone(&deeds)));
    }
}

async fn converse(mut tcp: TcpStream, seen: Arc<Mutex<Vec<Vec<u8>>>>, deeds: Arc<Mutex<BTreeMap<String, Deed>>>) {
    while let Some(request) = origin::read_message(&mut tcp).await {
        let text = String::from_utf8_lossy(&request).into_owned();
        seen.lock().unwrap().push(request);
        let deed = {
            let deeds = deeds.lock().unwrap();
            let told = deeds.iter().filter(|(first, _)| text.starts_with(*first)).max_by_key(|(first, _)| first.len());
            told.map(|(_, deed)| deed.clone())
        };
        let deed = deed.unwrap_or_else(|| Deed::Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\napp".to_vec()));
        let written = match &deed {
            Deed::Ask { proof, done, .. } if text.to_ascii_lowercase().contains(proof) => tcp.write_all(done).await,
            Deed::Ask { asks, .. } => tcp.write_all(asks).await,
            Deed::Answer(bytes) | Deed::Break(bytes) | Deed::Echo(bytes) => tcp.write_all(bytes).await,
            Deed::Drip(bytes) => drip(&mut tcp, bytes).await,
            Deed::Hang => std::future::pending().await,
        };
        match (deed, written) {
            (_, Err(_)) | (Deed::Break(_), _) => return,
            (Deed::Echo(_), _) => {
                let (mut from, mut to) = tcp.split();
                // The other side breaks off sooner or later.
                let _ = tokio::io::copy(&mut from, &mut to).await;
                return;
            }
            (Deed::Answer(_) | Deed::Ask { .. } | Deed::Drip(_) | Deed::Hang, _) => {}
        }
    }
}

async fn drip(tcp: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    for byte in bytes {
        tcp.write_all(&[*byte]).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// One HTTP/1 request by hand; the body's length is told.
pub(crate) fn request(line: &str, fields: &[&str], body: &str) -> String {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    format!("{line} HTTP/1.1\r\nHost: a.test\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// The status of an answer as bytes.
pub(crate) fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

/// A mail server that works.
pub(crate) async fn post_office() -> Mailbox {
    Mailbox::open().await
}
