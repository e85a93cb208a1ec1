//! Process settings: `stepward.yaml`, read once into values that are ready to use.
//!
//! `document` is the file as people type it; this is what the rest of the shell sees. A file that cannot be used
//! gives every diagnostic at once and changes nothing.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use ipnet::IpNet;

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
    /// Secrets that connectors refer to, by `<connector>.<name>`.
    pub secrets: BTreeMap<Arc<str>, Secret>,
    /// Console and API.
    pub admin: Option<SocketAddr>,
    /// `/livez`, `/readyz`, `/metrics`.
    pub health: Option<SocketAddr>,
    /// How codes are mailed.
    pub mail: Option<Mail>,
    /// Requests that are no event.
    pub unmatched: Unmatched,
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
    /// Where requests are logged, if at all.
    pub access_log: Option<LogTarget>,
    /// How pages look and speak.
    pub pages: Pages,
}

/// One address that clients connect to.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The address; port 0 lets the system choose.
    pub address: SocketAddr,
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
    /// How long a connection may take.
    pub connect: Duration,
    /// How long it may be silent.
    pub read: Duration,
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
    /// Folder of the embedded store; `None` keeps everything in memory (the `proxy` command).
    pub path: Option<PathBuf>,
    /// The key ring; made on first start where there is none.
    pub keys: Option<PathBuf>,
}

/// A secret by reference; its `Debug` never shows it.
#[derive(Clone)]
pub enum Secret {
    /// An environment variable.
    Env(Arc<str>),
    /// A file whose trailing newline does not count.
    File(PathBuf),
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
}

/// Where lines are written.
#[derive(Clone, Debug)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// Appended to this file.
    File(PathBuf),
}

/// How pages look and speak.
#[derive(Clone, Debug)]
pub struct Pages {
    /// What the protected service is called.
    pub service_name: Arc<str>,
    /// Language where the browser's are not there.
    pub language: Arc<str>,
    /// Folder of `*.ftl` files that add to or replace messages.
    pub locales: Option<PathBuf>,
}
