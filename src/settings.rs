//! Process settings: `stepward.yaml`, read once into values that are ready to use.
//!
//! `document` is the file as people type it; this is what the rest of the shell sees. A file that cannot be used
//! gives every diagnostic at once and changes nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use ipnet::IpNet;
use stepward_core::{
    connector::mapping,
    diagnostic::{Diagnostic, Severity},
};
use zeroize::Zeroizing;

use crate::render;

pub mod approvals;
pub mod check;
pub mod document;
pub mod format;
pub mod oidc;
pub mod pages;
pub mod parse;
pub mod security_events;
pub mod tree;

/// Domains of mail whose mailboxes have several spellings; lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mailboxes {
    /// Where dots in front of the `@` mean nothing.
    pub dots_ignored_at: BTreeSet<String>,
    /// Where a `+` in front of the `@` and what follows it mean nothing.
    pub plus_ignored_at: BTreeSet<String>,
}

/// What came of reading a file that can be used.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Warnings and notes.
    pub found: Vec<Diagnostic>,
    /// The text, for showing findings.
    pub texts: render::Texts,
}

/// Everything that keeps a file from being used, warnings and notes included.
#[derive(Debug)]
pub struct Rejected {
    /// What was found; at least one error.
    pub found: Vec<Diagnostic>,
    /// The text, for showing findings.
    pub texts: render::Texts,
}

/// Whether files and variables that settings point at have to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// A missing one is an error: a process that started without it would have lost a control (Traefik CVE-2026-54762).
    Required,
    /// A missing one is a warning: a check on a build machine has no keys.
    Advised,
}

/// Reads `stepward.yaml`; paths in it are relative to it.
pub fn load(path: &Path, presence: Presence) -> Result<Loaded, Rejected> {
    let file: Arc<str> = path.display().to_string().into();
    match fs::read_to_string(path) {
        Ok(text) => read(&file, &text, path.parent().unwrap_or(Path::new("")), presence),
        Err(error) => {
            let finding = Diagnostic::error("file.unreadable", &file, 0..0, format!("cannot read `{file}`: {error}"))
                .help("name another file with `-c FILE`, or make one with `stepward init`");
            Err(Rejected { found: vec![finding], texts: render::Texts::new() })
        }
    }
}

/// Reads settings from a text; paths in it are relative to `base`.
pub fn read(file: &Arc<str>, text: &str, base: &Path, presence: Presence) -> Result<Loaded, Rejected> {
    let texts = render::Texts::from([(file.clone(), Arc::from(text))]);
    let (settings, found) = parse::parse(file, text, base, presence);
    match settings {
        Some(settings) if found.iter().all(|it| it.severity != Severity::Error) => {
            Ok(Loaded { settings, found, texts })
        }
        _ => Err(Rejected { found, texts }),
    }
}

/// The JSON Schema of `stepward.yaml`, from which editors complete and by which [`load`] checks.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(document::Document).to_value()
}

/// Everything a process needs to know before it starts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where clients connect.
    pub listen: Vec<Listen>,
    /// Only these peers may say who the client is (`X-Forwarded-For`, `X-Forwarded-Proto`, PROXY protocol).
    pub trusted_proxies: Vec<IpNet>,
    /// The apps behind, by name.
    pub upstreams: BTreeMap<Arc<str>, Upstream>,
    /// Which host and path go to which upstream; the first that fits counts.
    pub routes: Vec<Route>,
    /// Who is asking: the first that yields a subject.
    pub subject: Vec<SubjectSource>,
    /// Where state lives.
    pub state: State,
    /// Folder of policies.
    pub policies: PathBuf,
    /// Folder of connectors, if any are used.
    pub connectors: Option<PathBuf>,
    /// Settings of connectors, by `<connector>.<name>`.
    pub connector_config: BTreeMap<Arc<str>, serde_json::Value>,
    /// Secrets that connectors refer to, by `<connector>.<name>`.
    pub secrets: BTreeMap<Arc<str>, Secret>,
    /// The mock that is called instead of every vendor: a testing aid of the command line, never of the file.
    pub mock: Option<SocketAddr>,
    /// Console and API.
    pub admin: Option<SocketAddr>,
    /// `/livez`, `/readyz`, `/metrics`.
    pub health: Option<SocketAddr>,
    /// What other machines ask and tell: `/ssf/events`.
    pub decisions: Option<SocketAddr>,
    /// Who may push security events there.
    pub security_events: Option<security_events::SecurityEvents>,
    /// How codes are mailed.
    pub mail: Option<Mail>,
    /// Where passkeys are good.
    pub passkeys: Option<Passkeys>,
    /// Who may approve what others ask for.
    pub approvals: Option<approvals::Approvals>,
    /// To which telephones codes go.
    pub phone: Phone,
    /// Where users sign in anew.
    pub oidc: Option<oidc::Oidc>,
    /// Requests that are no event.
    pub unmatched: Unmatched,
    /// Mailboxes of which several spellings are one account.
    pub mailboxes: Mailboxes,
    /// Operators' lists by name, for `ip.lists`, `email.lists`.
    pub lists: BTreeMap<Arc<str>, List>,
    /// GeoIP databases of the operator (`.mmdb`).
    pub geo: Geo,
    /// Session lifetimes.
    pub sessions: SessionLimits,
    /// Limits on every part of a request.
    pub limits: Limits,
    /// Where decisions are logged: a file, or standard output.
    pub decision_log: LogTarget,
    /// Who is given each line of the decision log as well.
    pub sinks: Vec<Sink>,
    /// Where requests are logged, if at all.
    pub access_log: Option<LogTarget>,
    /// How pages look and speak.
    pub pages: pages::Pages,
}

/// A connector that takes decisions.
#[derive(Clone, Debug)]
pub struct Sink {
    /// Its id.
    pub connector: Arc<str>,
    /// Which lines; all without it.
    pub only: Option<Arc<mapping::Expression>>,
    /// How many lines are sent at once.
    pub batch: usize,
    /// How long the first line waits for others.
    pub wait: Duration,
}

/// One address that clients connect to.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The address; port 0 lets the system choose.
    pub address: SocketAddr,
    /// The name of a socket that the service manager passes, to be used instead of binding the address.
    pub socket: Option<Arc<str>>,
    /// Certificates by SNI; empty for plain text (HTTP/1.1 and h2c).
    pub tls: Vec<Certificate>,
    /// Whether every connection begins with a PROXY protocol header (v1 or v2).
    pub proxy_protocol: bool,
}

/// A certificate chain and its key, as PEM files that are read again on reload.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// Chain, leaf first.
    pub certificate: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// An app behind Stepward.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its name.
    pub name: Arc<str>,
    /// Host names or addresses with ports; used in turn, a dead one is skipped.
    pub addresses: Vec<(Arc<str>, u16)>,
    /// TLS towards it, if any.
    pub tls: Option<UpstreamTls>,
    /// Speak HTTP/2 to it (h2 over TLS, h2c without); needed for gRPC.
    pub http2: bool,
    /// Whether forwarded events carry the signed `Stepward-Assertion`.
    pub assertion: bool,
    /// How long a connection may take.
    pub connect: Duration,
    /// How long it may be silent.
    pub read: Duration,
    /// Whether each address is asked now and then if it is well.
    pub health: Option<Health>,
}

/// How an app is asked whether it is well.
#[derive(Clone, Debug)]
pub struct Health {
    /// The path that is asked for.
    pub path: Arc<str>,
    /// The `Host` that is asked.
    pub host: Arc<str>,
    /// How often.
    pub every: Duration,
    /// How long an answer may take, the connection included.
    pub within: Duration,
    /// So many failures in a row take an address out.
    pub down_after: u32,
    /// So many successes in a row bring it back.
    pub up_after: u32,
    /// Statuses that say so; empty for any from 200 to 299.
    pub status: Vec<u16>,
}

/// TLS towards an app.
#[derive(Clone, Debug)]
pub struct UpstreamTls {
    /// The name that is verified and sent as SNI.
    pub name: Arc<str>,
    /// A CA bundle instead of the system's.
    pub ca: Option<PathBuf>,
}

/// Which requests go to an upstream.
#[derive(Clone, Debug)]
pub struct Route {
    /// Lower-case host; `*.example.com` for any name under it; `None` for any host.
    pub host: Option<Arc<str>>,
    /// Path prefix on segment boundaries; `/` for all.
    pub path: Arc<str>,
    /// Name of the upstream.
    pub upstream: Arc<str>,
    /// The tenant; nothing crosses tenants.
    pub tenant: Arc<str>,
    /// Whether our script is put into HTML pages.
    pub inject_script: bool,
    /// Whether the app may ask for a proof by its answer.
    pub app_may_ask: bool,
}

/// Where a subject can be learnt.
#[derive(Clone, Debug)]
pub enum SubjectSource {
    /// A signed token.
    Jwt(JwtSource),
    /// A session of the app, bound to the subject of the login that made it.
    AppSession {
        /// The app's session cookie.
        cookie: Arc<str>,
    },
    /// Headers set by a trusted proxy.
    Header {
        /// Header with the subject's name, lower case.
        name: Arc<str>,
        /// Header with the e-mail address, lower case.
        email: Option<Arc<str>>,
    },
}

/// How a JWT is found and verified (RFC 8725: issuer, audience and algorithm are checked, keys come only from here).
#[derive(Clone, Debug)]
pub struct JwtSource {
    /// Where it is: the bearer token, a header or a cookie.
    pub from: TokenPlace,
    /// `iss` must be this.
    pub issuer: Arc<str>,
    /// `aud` must contain this.
    pub audience: Arc<str>,
    /// Where the keys are: an https URL, or a file.
    pub jwks: Arc<str>,
    /// The claim that names the subject.
    pub id: Arc<str>,
    /// The claim that tells human, service or agent; human if it is absent.
    pub kind: Option<Arc<str>>,
    /// The claim with a verified e-mail address.
    pub email: Option<Arc<str>>,
}

/// Where a token is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenPlace {
    /// `Authorization: Bearer`.
    Bearer,
    /// A header of this lower-case name.
    Header(Arc<str>),
    /// A cookie.
    Cookie(Arc<str>),
}

/// Where state lives.
#[derive(Clone, Debug)]
pub struct State {
    /// Folder of the embedded store and of this node's own files; `None` keeps everything in memory (the `proxy` command).
    pub path: Option<PathBuf>,
    /// The key ring; made on first start where there is none.
    pub keys: Option<PathBuf>,
    /// How long a request waits for the store to keep something.
    pub wait: Duration,
    /// The store that is shared by many nodes, in place of the embedded one.
    pub redis: Option<Redis>,
    /// Where uploads too large for the store wait; `None` where no files are kept at all.
    pub spool: Option<Spool>,
}

/// Files of uploads that wait for a proof.
#[derive(Clone, Debug)]
pub struct Spool {
    /// The folder; made at start.
    pub path: PathBuf,
    /// How much may lie in it.
    pub bytes_max: u64,
}

/// A Redis, or several that act as one.
#[derive(Clone, Debug)]
pub struct Redis {
    /// `redis://host:port`, or `rediss://` for TLS; several nodes with commas between them.
    pub url: Secret,
    /// How its servers are arranged.
    pub topology: Topology,
    /// The ACL user, if not the one in the URL.
    pub user: Option<Arc<str>>,
    /// The password, if not the one in the URL.
    pub password: Option<Secret>,
    /// Certificates (PEM) that TLS trusts, if not the system's.
    pub ca: Option<PathBuf>,
    /// What every key begins with.
    pub prefix: Arc<str>,
    /// How long any call may take.
    pub wait: Duration,
    /// For how long a copy of a session in its browser may answer for Redis; nothing: it never does.
    pub snapshots: Duration,
}

/// How servers of Redis are arranged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topology {
    /// One server.
    Standalone,
    /// The URL names Sentinels, which know the master.
    Sentinel {
        /// Its name.
        master: Arc<str>,
    },
    /// The URL names some servers of a Redis Cluster.
    Cluster,
}

/// A secret by reference; its `Debug` never shows it.
#[derive(Clone)]
pub enum Secret {
    /// An environment variable.
    Env(Arc<str>),
    /// A file whose trailing newline does not count.
    File(PathBuf),
}

impl Secret {
    /// The secret itself, wiped when dropped. The error names the reference, never the value.
    pub fn reveal(&self) -> Result<Zeroizing<String>, String> {
        let read = match self {
            Secret::Env(name) => std::env::var(&**name).map_err(|error| error.to_string()),
            Secret::File(path) => fs::read_to_string(path).map_err(|error| error.to_string()),
        };
        let mut text = Zeroizing::new(read.map_err(|why| format!("{self:?}: {why}"))?);
        let length = text.trim_end_matches(['\r', '\n']).len();
        text.truncate(length);
        if text.is_empty() { Err(format!("{self:?}: it is empty")) } else { Ok(text) }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Secret::Env(name) => write!(f, "{{env: {name}}}"),
            Secret::File(path) => write!(f, "{{file: {}}}", path.display()),
        }
    }
}

/// How mail is sent.
#[derive(Clone, Debug)]
pub struct Mail {
    /// `smtp://host:port` (STARTTLS when offered), `smtps://host:port`.
    pub smtp: Arc<str>,
    /// User name and password, if the server wants them.
    pub login: Option<(Arc<str>, Secret)>,
    /// The sender.
    pub from: Arc<str>,
}

/// Where passkeys are good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passkeys {
    /// The domain that they belong to, lower case: the host of every origin, or a domain above it.
    pub rp_id: Arc<str>,
    /// The origins on which they may be used, as browsers write them (RFC 6454 §6.2); at least one.
    pub origins: Arc<[Arc<str>]>,
}

/// To which telephones codes go, and how many messages an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phone {
    /// The beginnings of numbers that codes go to, `+` and digits; `None` for any.
    pub prefixes: Option<Arc<[Arc<str>]>>,
    /// To one number, 1 to 30.
    pub per_number: u16,
    /// To numbers that differ in their last four digits only.
    pub per_range: u64,
    /// In all, for each tenant.
    pub in_total: u64,
}

impl Default for Phone {
    fn default() -> Self {
        Phone { prefixes: None, per_number: 5, per_range: 20, in_total: 1000 }
    }
}

/// What happens to requests that are no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmatched {
    /// Forward them.
    Forward,
    /// Refuse them.
    Block,
}

/// A list of an operator, reloaded when its file changes.
#[derive(Clone, Debug)]
pub struct List {
    /// What it lists.
    pub kind: ListKind,
    /// One entry a line; `#` begins a comment.
    pub file: PathBuf,
}

/// What a list lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListKind {
    /// Addresses and networks.
    Ip,
    /// E-mail addresses, or `@domain` for every address of a domain.
    Email,
    /// Subjects, by name or by the pseudonym that the decision log shows.
    Subject,
    /// Devices, by the id that the decision log shows.
    Device,
}

/// GeoIP databases.
#[derive(Clone, Debug, Default)]
pub struct Geo {
    /// A city or country database.
    pub city: Option<PathBuf>,
    /// An ASN database.
    pub asn: Option<PathBuf>,
}

/// How long sessions last.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// Without a request.
    pub idle: Duration,
    /// In all.
    pub absolute: Duration,
}

/// Limits on every part of a request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Header fields in all, in bytes.
    pub header_bytes_max: usize,
    /// Header fields in all.
    pub header_fields_max: usize,
    /// From the first byte of a request to the end of its header.
    pub header_deadline: Duration,
    /// For a body that an event reads, first byte to last.
    pub body_deadline: Duration,
    /// Connections from one address; 0 for no limit.
    pub connections_per_ip_max: usize,
    /// How long open requests may finish after SIGTERM.
    pub drain: Duration,
    /// How long new connections may wait while state is handed to a new process.
    pub hand_over: Duration,
}

/// Where lines are written.
#[derive(Clone, Debug)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// Appended to this file.
    File(PathBuf),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in a text, one line each.
    fn found(text: &str) -> Vec<String> {
        let (found, texts) = match read(&"stepward.yaml".into(), text, Path::new("/nowhere"), Presence::Advised) {
            Ok(loaded) => (loaded.found, loaded.texts),
            Err(rejected) => (rejected.found, rejected.texts),
        };
        found.iter().map(|it| render::line(it, &texts)).collect()
    }

    const SMALL: &str = "listen: [{ address: 127.0.0.1:8080 }]\nupstreams: { bank: { url: http://127.0.0.1:8081 } }\nroutes: [{ upstream: bank }]\n";

    fn loaded(text: &str) -> Settings {
        read(&"stepward.yaml".into(), text, Path::new("/nowhere"), Presence::Advised).unwrap().settings
    }

    #[test]
    fn three_lines_are_enough() {
        let settings = loaded(SMALL);
        assert_eq!(settings.upstreams["bank"].addresses, [("127.0.0.1".into(), 8081)]);
        assert_eq!(settings.state.keys, Some(PathBuf::from("/nowhere/data/keys.yaml")), "keys lie with the state");
        assert_eq!(&*settings.routes[0].tenant, "default");
        assert!(settings.admin.is_none() && settings.health.is_none(), "no plane is open that nobody asked for");
    }

    #[test]
    fn everything_wrong_is_told_at_once_with_its_place() {
        let text = "listen: [{ adress: 127.0.0.1:8080 }]\nupstreams: { bank: { url: 8081, http2: yess } }\nroutes: []\nunmatched: forwrad\nlimits: { drain: 5 }\n";
        let found = found(text);
        for part in [
            "stepward.yaml:1:12: unknown key `adress`; did you mean `address`? [key.unknown]",
            "`address` is missing here [key.missing]",
            "stepward.yaml:2:27: `url` takes text, not a number; write scheme, host and port and no path, such as `http://127.0.0.1:8081` [value.type]",
            "`http2` takes `true` or `false`, not text [value.type]",
            "stepward.yaml:4:12: `forwrad` is not one of `forward`, `block`; did you mean `forward`? [value.not_one_of]",
            "stepward.yaml:5:18: `drain` takes text, not a number; write a length of time such as `80ms`, `5s`, `30m`, `12h` or `7d` [value.type]",
        ] {
            assert!(found.iter().any(|line| line.contains(part)), "{part} is missing from {found:#?}");
        }
    }

    #[test]
    fn what_is_not_built_says_so() {
        let found = found(&format!("{SMALL}decisions: {{ address: 127.0.0.1:7302 }}\n"));
        assert!(found.iter().any(|it| it.contains("is not built yet")), "{found:#?}");
    }

    #[test]
    fn secrets_are_references_only() {
        let found = found(&format!("{SMALL}secrets: {{ acme.key: s3cr3t }}\n"));
        assert!(found[0].contains("is not one of `{ env: … }`, `{ file: … }`"), "{found:#?}");
    }

    #[test]
    fn a_missing_file_stops_a_start_but_not_a_check() {
        let text = format!("{SMALL}geo: {{ city: city.mmdb }}\n");
        let read = |presence| read(&"stepward.yaml".into(), &text, Path::new("/nowhere"), presence);
        assert!(read(Presence::Advised).is_ok());
        let rejected = read(Presence::Required).unwrap_err();
        assert!(rejected.found.iter().any(|it| it.code == "file.missing"), "{:?}", rejected.found);
    }

    #[test]
    fn a_wrong_mixture_is_told_by_its_code() {
        for (text, code) in [
            (SMALL.replace("8081", "8080"), "upstream.own"),
            (SMALL.replace("upstream: bank", "upstream: bnak"), "upstream.unknown"),
            (SMALL.replace("127.0.0.1:8080", "0.0.0.0:8080"), "transport.insecure"),
            (format!("{SMALL}admin: {{ address: 127.0.0.1:8080 }}\n"), "address.twice"),
            (format!("{SMALL}admin: {{ address: 0.0.0.0:7300 }}\n"), "admin.exposed"),
            (format!("{SMALL}subject: [{{ header: {{ name: X-User }} }}]\n"), "subject.untrusted"),
            (
                format!("{SMALL}subject: [{{ jwt: {{ issuer: i, audience: a, jwks: http://idp.example/jwks }} }}]\n"),
                "jwks.insecure",
            ),
            (format!("{SMALL}sessions: {{ idle: 2d, absolute: 1d }}\n"), "sessions.idle"),
            (format!("{SMALL}mail: {{ smtp: smtp://h:25, from: a@b.c, user: u }}\n"), "mail.login"),
            (format!("{SMALL}state: {{ store: embedded, store: memory }}\n"), "yaml.syntax"),
            (format!("{SMALL}state: {{ store: redis }}\n"), "state.url"),
            (format!("{SMALL}state: {{ url: {{ file: url }} }}\n"), "state.url"),
            (format!("{SMALL}state: {{ store: redis, url: {{ file: url }}, topology: sentinel }}\n"), "state.master"),
            (format!("{SMALL}state: {{ store: redis, url: {{ file: url }}, prefix: \"a{{b}}\" }}\n"), "state.prefix"),
            (format!("{SMALL}state: {{ store: redis, url: {{ file: url }}, snapshots: 2m }}\n"), "state.snapshots"),
            (format!("{SMALL}state: {{ store: redis, url: {{ file: url }}, snapshots: 0s }}\n"), "value.malformed"),
            (format!("{SMALL}state: {{ store: redis, url: {{ file: url }} }}\n"), "secret.missing"),
            (
                SMALL.replace("[{ upstream: bank }]", "[{ upstream: bank }, { upstream: bank, path: /a }]"),
                "route.unreachable",
            ),
        ] {
            let found = found(&text);
            assert!(found.iter().any(|it| it.contains(&format!("[{code}]"))), "{code} is missing from {found:#?}");
        }
    }

    #[test]
    fn passkeys_belong_to_a_domain_and_are_good_on_its_origins() {
        let passkeys = |text: &str| loaded(&format!("{SMALL}passkeys: {{ {text} }}\n")).passkeys.unwrap();
        let two =
            passkeys("rp_id: example.com, origins: [\"https://bank.example.com:443/\", https://example.com:8443]");
        let expected = ["https://bank.example.com", "https://example.com:8443"].map(Arc::from);
        assert_eq!((&*two.rp_id, &*two.origins), ("example.com", &expected[..]));
        let here = passkeys("rp_id: localhost, origins: [\"http://localhost:8080\"]");
        assert_eq!(&*here.origins, ["http://localhost:8080"].map(Arc::from));
        for (text, place, code) in [
            ("rp_id: bank.example.com, origins: [https://example.com]", "4:48", "passkeys.foreign"),
            ("rp_id: example.com, origins: [https://myexample.com]", "4:43", "passkeys.foreign"),
            ("rp_id: example.com, origins: [https://a.example.com, http://b.example.com]", "4:66", "passkeys.insecure"),
            ("rp_id: com, origins: [https://example.com]", "4:20", "passkeys.rp_id"),
            ("rp_id: 127.0.0.1, origins: [http://127.0.0.1:8080]", "4:20", "passkeys.rp_id"),
            ("rp_id: \"*.example.com\", origins: [https://a.example.com]", "4:20", "passkeys.rp_id"),
            ("rp_id: example.com, origins: []", "4:42", "passkeys.origins"),
            ("rp_id: example.com, origins: [https://example.com/login]", "4:43", "value.malformed"),
            ("rp_id: example.com, orgins: [https://example.com]", "4:33", "key.unknown"),
        ] {
            let found = found(&format!("{SMALL}passkeys: {{ {text} }}\n"));
            let is_told = |it: &String| it.contains(&format!("stepward.yaml:{place}")) && it.contains(code);
            assert!(found.iter().any(is_told), "{code} at {place} is missing from {found:#?}");
        }
    }

    #[test]
    fn a_secret_never_shows_in_debug() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "s3cr3t\n").unwrap();
        let secret = Secret::File(path);
        assert_eq!(**secret.reveal().unwrap(), *"s3cr3t");
        assert!(!format!("{secret:?}").contains("s3cr3t"));
    }
}
