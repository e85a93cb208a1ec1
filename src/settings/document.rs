//! `stepward.yaml` as people type it. The doc comments here are the descriptions an editor shows.
//!
//! Only shapes: what a value means, and whether it goes with the others, is `parse`'s business.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::settings::{approvals, oidc, pages, security_events};

/// How one Stepward process runs: where clients connect, which apps are behind it, where state lives.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Where clients connect.
    pub listen: Vec<Listen>,
    /// Only these peers may say who the client is (`X-Forwarded-For`, `X-Forwarded-Proto`, PROXY protocol). None if left out.
    #[serde(default)]
    #[schemars(extend("items" = {"type": "string", "format": "network"}))]
    pub trusted_proxies: Vec<String>,
    /// The apps behind, by name.
    pub upstreams: BTreeMap<String, Upstream>,
    /// Which host and path go to which upstream; the first that fits counts. A host that is not listed gets 421.
    pub routes: Vec<Route>,
    /// Who is asking: the first that yields a subject counts.
    #[serde(default)]
    pub subject: Vec<Subject>,
    /// Where state lives.
    #[serde(default)]
    pub state: State,
    /// Folder of policies.
    #[serde(default = "Document::policies")]
    pub policies: String,
    /// Folder of connectors. `connectors` is used if it exists.
    #[serde(default)]
    pub connectors: Option<String>,
    /// Settings of connectors, by `<connector>.<name>`: what their own `config` declares.
    #[serde(default)]
    pub connector_config: BTreeMap<String, serde_json::Value>,
    /// Secrets that connectors use, by `<connector>.<name>`.
    #[serde(default)]
    pub secrets: BTreeMap<String, Secret>,
    /// Console and API; every call carries a token.
    #[serde(default)]
    pub admin: Option<Plane>,
    /// The decisions address, for other machines to call: `/ssf/events` (`/authorize` and `/access` are not built yet).
    #[serde(default)]
    pub decisions: Option<Plane>,
    /// Security events that others push here (Shared Signals: CAEP, RISC), and what they do.
    #[serde(default)]
    pub security_events: Option<security_events::Document>,
    /// Where passkeys are good; without it no policy can ask for a `passkey`.
    #[serde(default)]
    pub passkeys: Option<Passkeys>,
    /// Who may approve what others ask for; without it no policy can ask for an `approval`.
    #[serde(default)]
    pub approvals: Option<approvals::Document>,
    /// `/livez`, `/readyz` and `/metrics`.
    #[serde(default)]
    pub health: Option<Plane>,
    /// How codes are mailed; without it no policy can ask for an `email_code`.
    #[serde(default)]
    pub mail: Option<Mail>,
    /// To which telephones codes go, and how many, where a route `otp` carries them.
    #[serde(default)]
    pub phone: Option<Phone>,
    /// An identity provider of yours at which users sign in anew; without it `oidc` is never offered, and a policy that names it loads with a warning.
    #[serde(default)]
    pub oidc: Option<oidc::Document>,
    /// What happens to requests that are no event.
    #[serde(default)]
    pub unmatched: Unmatched,
    /// Which names of subjects are one account, besides those that differ in case, width or invisible characters.
    #[serde(default)]
    pub accounts: Accounts,
    /// Lists of yours by name, for `ip.lists`, `email.lists`, `subject.lists` and `device.lists`; read again when their files change.
    #[serde(default)]
    pub lists: BTreeMap<String, List>,
    /// GeoIP databases of yours (`.mmdb`).
    #[serde(default)]
    pub geo: Geo,
    /// How long sessions last.
    #[serde(default)]
    pub sessions: Sessions,
    /// Limits on every part of a request.
    #[serde(default)]
    pub limits: Limits,
    /// Where decisions are logged, one JSON line each.
    #[serde(default)]
    pub decision_log: LogTarget,
    /// Who is given each line of the decision log as well: connectors with an operation of kind `sink`.
    #[serde(default)]
    pub sinks: Vec<Sink>,
    /// Where requests are logged, one JSON line each; nowhere if left out.
    #[serde(default)]
    pub access_log: Option<LogTarget>,
    /// How pages look and speak.
    #[serde(default)]
    pub pages: pages::document::Pages,
}

impl Document {
    fn policies() -> String {
        "policies".into()
    }
}

/// One address that clients connect to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// The address, such as `0.0.0.0:8443`; port 0 lets the system choose.
    #[schemars(extend("format" = "address"))]
    pub address: String,
    /// Use the socket that the service manager passes under this name (`FileDescriptorName=` of a systemd socket) instead of binding `address`. A socket that is passed for `address` is used without it.
    #[serde(default)]
    #[schemars(extend("format" = "name"))]
    pub socket: Option<String>,
    /// The certificate to serve; plain text (HTTP/1.1 and h2c) without it.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// Whether every connection begins with a PROXY protocol header (v1 or v2).
    #[serde(default)]
    pub proxy_protocol: bool,
}

/// A certificate chain and its key, as PEM files that are read again on reload.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Chain, leaf first.
    pub certificate: String,
    /// Private key.
    pub key: String,
    /// More certificates for other names, chosen by SNI.
    #[serde(default)]
    pub others: Vec<Certificate>,
}

/// A certificate for other names.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// Chain, leaf first.
    pub certificate: String,
    /// Private key.
    pub key: String,
}

/// An app behind Stepward.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// Scheme, host and port: `http://127.0.0.1:8081`, `https://app.internal`.
    #[schemars(extend("format" = "origin"))]
    pub url: String,
    /// Where to connect instead of the host in `url`: several `host:port`, used in turn; a dead one is skipped.
    #[serde(default)]
    #[schemars(extend("items" = {"type": "string", "format": "host_port"}))]
    pub addresses: Vec<String>,
    /// The name that is verified and sent as SNI, if it is not the host in `url`.
    #[serde(default)]
    pub tls_name: Option<String>,
    /// A CA bundle (PEM) instead of the system's.
    #[serde(default)]
    pub ca: Option<String>,
    /// Speak HTTP/2 to it (h2 over TLS, h2c without); needed for gRPC.
    #[serde(default)]
    pub http2: bool,
    /// Whether forwarded events carry the signed `Stepward-Assertion`. An app that nothing but Stepward can reach, and
    /// that believes the plain headers, may do without: the assertion is up to half of what a simple event costs.
    #[serde(default = "Upstream::assertion")]
    pub assertion: bool,
    /// How long a connection may take.
    #[serde(default = "Upstream::connect")]
    #[schemars(extend("format" = "duration"))]
    pub connect: String,
    /// How long it may be silent.
    #[serde(default = "Upstream::read")]
    #[schemars(extend("format" = "duration"))]
    pub read: String,
    /// Ask each address now and then whether it is well; one that is not gets no requests while another is.
    #[serde(default)]
    pub health: Option<Health>,
}

/// How an app is asked whether it is well.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// What is asked for, with GET.
    #[schemars(extend("format" = "path"))]
    pub path: String,
    /// How often.
    #[serde(default = "Health::every")]
    #[schemars(extend("format" = "duration"))]
    pub every: String,
    /// How long an answer may take, the connection included.
    #[serde(default = "Health::within")]
    #[schemars(extend("format" = "duration"))]
    pub within: String,
    /// So many failures in a row take an address out.
    #[serde(default = "Health::down_after")]
    #[schemars(range(min = 1, max = 100))]
    pub down_after: u32,
    /// So many successes in a row bring it back.
    #[serde(default = "Health::up_after")]
    #[schemars(range(min = 1, max = 100))]
    pub up_after: u32,
    /// Statuses that say it is well; any from 200 to 299 if left out.
    #[serde(default)]
    #[schemars(inner(range(min = 200, max = 599)))]
    pub status: Vec<u16>,
}

impl Health {
    fn every() -> String {
        "5s".into()
    }

    fn within() -> String {
        "2s".into()
    }

    fn down_after() -> u32 {
        3
    }

    fn up_after() -> u32 {
        2
    }
}

impl Upstream {
    fn assertion() -> bool {
        true
    }

    fn connect() -> String {
        "3s".into()
    }

    fn read() -> String {
        "60s".into()
    }
}

/// Which requests go to an upstream.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// A host, or `*.example.com` for any name under it; any host if left out.
    #[serde(default)]
    #[schemars(extend("format" = "host"))]
    pub host: Option<String>,
    /// A path prefix on segment boundaries.
    #[serde(default = "Route::path")]
    #[schemars(extend("format" = "path"))]
    pub path: String,
    /// Name of an upstream.
    pub upstream: String,
    /// Nothing crosses tenants.
    #[serde(default = "Route::tenant")]
    #[schemars(extend("format" = "name"))]
    pub tenant: String,
    /// Put Stepward's script first into every HTML page, so that calls by `fetch` and `XMLHttpRequest` are stepped up
    /// in a dialog and repeated, without a change to the app.
    #[serde(default)]
    pub inject_script: bool,
    /// Let the app ask for a proof by `Stepward-Require` in an answer; the request is then kept and sent once more. With
    /// this the app promises that it did nothing yet when it asks.
    #[serde(default)]
    pub app_may_ask: bool,
}

impl Route {
    fn path() -> String {
        "/".into()
    }

    fn tenant() -> String {
        "default".into()
    }
}

/// Where a subject can be learnt.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A signed token.
    Jwt(Jwt),
    /// A session of the app, bound to the subject of the login that made it.
    AppSession(AppSession),
    /// Headers set by a trusted proxy.
    Header(Header),
}

/// How a JWT is found and verified: issuer, audience and algorithm are always checked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// Where the token is.
    #[serde(default)]
    pub from: TokenPlace,
    /// `iss` must be this.
    pub issuer: String,
    /// `aud` must contain this.
    pub audience: String,
    /// Where the keys are: an https URL, or a file.
    pub jwks: String,
    /// The claim that names the subject.
    #[serde(default = "Jwt::id")]
    pub id: String,
    /// The claim that tells human, service or agent; human where it is absent.
    #[serde(default)]
    pub kind: Option<String>,
    /// The claim with a verified e-mail address.
    #[serde(default)]
    pub email: Option<String>,
}

impl Jwt {
    fn id() -> String {
        "sub".into()
    }
}

/// Where a token is.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenPlace {
    /// `Authorization: Bearer`.
    #[default]
    Bearer,
    /// A header of this name.
    Header(String),
    /// A cookie of this name.
    Cookie(String),
}

/// A session of the app.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppSession {
    /// The app's session cookie.
    #[schemars(extend("format" = "token"))]
    pub cookie: String,
}

/// Headers of a trusted proxy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The header with the subject's name.
    #[schemars(extend("format" = "token"))]
    pub name: String,
    /// The header with the e-mail address.
    #[serde(default)]
    #[schemars(extend("format" = "token"))]
    pub email: Option<String>,
}

/// Where state lives.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// What kind of store.
    #[serde(default)]
    pub store: Store,
    /// Folder of the embedded store.
    #[serde(default = "State::path")]
    pub path: String,
    /// The key ring; `keys.yaml` in the store's folder if left out, made on first start.
    #[serde(default)]
    pub keys: Option<Keys>,
    /// How long a request waits for the store to keep something before its event gets its strict action; longer for a
    /// disk that others keep busy.
    #[serde(default = "State::wait")]
    #[schemars(extend("format" = "duration"))]
    pub wait: String,
    /// Where Redis is: `redis://host:6379`, or `rediss://` for TLS; several nodes with commas between them.
    #[serde(default)]
    pub url: Option<Secret>,
    /// How the servers of Redis are arranged.
    #[serde(default)]
    pub topology: Topology,
    /// The name by which Sentinels know the master.
    #[serde(default)]
    pub master: Option<String>,
    /// The ACL user of Redis, if not the one in the URL.
    #[serde(default)]
    pub user: Option<String>,
    /// The password of Redis, if not the one in the URL.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Certificates (PEM) that TLS to Redis trusts, if not the system's.
    #[serde(default)]
    pub ca: Option<String>,
    /// What every key in Redis begins with.
    #[serde(default = "State::prefix")]
    pub prefix: String,
    /// For how long a sealed copy of a session in its browser may answer for Redis, up to `60s`; `never` asks Redis each time.
    #[serde(default = "State::snapshots")]
    #[schemars(extend("format" = "duration_or_never"))]
    pub snapshots: String,
    /// Where uploads that are too large for the store wait, sealed, for their proof.
    #[serde(default)]
    pub spool: Spool,
}

/// Files of uploads that wait: only where a policy's `park_max` is above 1 MiB.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Spool {
    /// The folder; `spool` in the state's folder if left out. Nodes that share one folder can resume each other's uploads.
    pub path: Option<String>,
    /// How much may wait in it at once, as a size. What finds no room is not kept, and its user is told so.
    #[schemars(extend("format" = "size"))]
    pub max: String,
}

impl Default for Spool {
    fn default() -> Self {
        Spool { path: None, max: "4GiB".into() }
    }
}

impl State {
    fn path() -> String {
        "data".into()
    }

    fn wait() -> String {
        "250ms".into()
    }

    fn prefix() -> String {
        "stepward".into()
    }

    fn snapshots() -> String {
        "30s".into()
    }
}

impl Default for State {
    fn default() -> Self {
        State {
            store: Store::Embedded,
            path: State::path(),
            keys: None,
            wait: State::wait(),
            url: None,
            topology: Topology::Standalone,
            master: None,
            user: None,
            password: None,
            ca: None,
            prefix: State::prefix(),
            snapshots: State::snapshots(),
            spool: Spool::default(),
        }
    }
}

/// A kind of store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Store {
    /// In this process, kept on disk.
    #[default]
    Embedded,
    /// In this process, gone when it ends. For trials.
    Memory,
    /// Shared by many nodes.
    Redis,
}

/// How servers of Redis are arranged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Topology {
    /// One server.
    #[default]
    Standalone,
    /// The URL names Sentinels, which know the master.
    Sentinel,
    /// The URL names some servers of a Redis Cluster.
    Cluster,
}

/// A key ring.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// Its file.
    pub file: String,
}

/// A secret by reference; never its text.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Secret {
    /// An environment variable.
    Env(String),
    /// A file whose trailing newline does not count.
    File(String),
}

/// An address that is not for clients.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plane {
    /// The address.
    #[schemars(extend("format" = "address"))]
    pub address: String,
}

/// Where passkeys are good (WebAuthn).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Passkeys {
    /// The domain that passkeys are made for and stay with for good: the host that people visit, or a domain above it.
    /// Changing it makes every passkey useless.
    #[schemars(extend("format" = "host"))]
    pub rp_id: String,
    /// The origins on which they may be used, such as `https://bank.example.com`: https, or http on `localhost`.
    #[schemars(extend("items" = {"type": "string", "format": "origin"}))]
    pub origins: Vec<String>,
}

/// How mail is sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// `smtp://host:port` (STARTTLS when offered) or `smtps://host:port`.
    #[schemars(extend("format" = "smtp"))]
    pub smtp: String,
    /// User name, if the server wants one.
    #[serde(default)]
    pub user: Option<String>,
    /// Password, if the server wants one.
    #[serde(default)]
    pub password: Option<Secret>,
    /// The sender.
    #[schemars(extend("format" = "email"))]
    pub from: String,
}

/// To which telephones codes go, and how many. Each message costs money, and whoever has numbers that pay for being
/// called asks for as many as there are.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Phone {
    /// The beginnings of numbers that codes go to, such as `+49`; any if it is left out.
    #[serde(default)]
    pub prefixes: Option<Vec<String>>,
    /// Messages an hour to one number.
    #[serde(default = "per_number")]
    pub per_number: u16,
    /// Messages an hour to numbers that differ in their last four digits only.
    #[serde(default = "per_range")]
    pub per_range: u32,
    /// Messages an hour in all, for each tenant.
    #[serde(default = "in_total")]
    pub in_total: u32,
}

fn per_number() -> u16 {
    5
}

fn per_range() -> u32 {
    20
}

fn in_total() -> u32 {
    1000
}

/// What happens to requests that are no event.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unmatched {
    /// They are forwarded.
    #[default]
    Forward,
    /// They are refused.
    Block,
}

/// A list of yours.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// What it lists.
    pub kind: ListKind,
    /// One entry a line; `#` begins a comment.
    pub file: String,
}

/// What a list lists.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ListKind {
    /// Addresses and networks.
    Ip,
    /// E-mail addresses, or `@domain` for every address of a domain.
    Email,
    /// Subjects, by the name that the app gives them, or by the pseudonym of `units.subject` in the decision log.
    Subject,
    /// Devices, by `units.device` in the decision log.
    Device,
}

/// GeoIP databases.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Geo {
    /// A city or country database.
    #[serde(default)]
    pub city: Option<String>,
    /// An ASN database.
    #[serde(default)]
    pub asn: Option<String>,
}

/// How long sessions last.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sessions {
    /// Without a request; NIST SP 800-63B-4 allows an hour at AAL2.
    #[schemars(extend("format" = "duration"))]
    pub idle: String,
    /// In all.
    #[schemars(extend("format" = "duration"))]
    pub absolute: String,
}

impl Default for Sessions {
    fn default() -> Self {
        Sessions { idle: "1h".into(), absolute: "12h".into() }
    }
}

/// Limits on every part of a request.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Header fields in all, as a size.
    #[schemars(extend("format" = "size"))]
    pub header_max: String,
    /// How many header fields.
    #[schemars(range(min = 1, max = 1000))]
    pub header_fields_max: usize,
    /// From the first byte of a request to the end of its header.
    #[schemars(extend("format" = "duration"))]
    pub header_deadline: String,
    /// For a body that an event reads, first byte to last.
    #[schemars(extend("format" = "duration"))]
    pub body_deadline: String,
    /// Connections from one address; 0 for no limit.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub connections_per_ip_max: usize,
    /// How long open requests may finish after SIGTERM.
    #[schemars(extend("format" = "duration"))]
    pub drain: String,
    /// At SIGQUIT, how long new connections may wait while requests that need state finish in the old process.
    #[schemars(extend("format" = "duration"))]
    pub hand_over: String,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            header_max: "64KiB".into(),
            header_fields_max: 100,
            header_deadline: "10s".into(),
            body_deadline: "30s".into(),
            connections_per_ip_max: 0,
            drain: "30s".into(),
            hand_over: "5s".into(),
        }
    }
}

/// Where lines are written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogTarget {
    /// Standard output.
    #[default]
    Stdout,
    /// Appended to this file; SIGUSR1 opens it anew.
    File(String),
}

/// A connector that takes decisions. It may be slow or down without any decision waiting for it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sink {
    /// Its id: one that comes with Stepward, or of your folder.
    pub connector: String,
    /// Which lines, as CEL over `decision`: `decision.outcome != 'forward'`. All if left out; a line of which it cannot be told is given.
    #[serde(default)]
    pub only: Option<String>,
    /// How many lines are sent at once, where the connector takes a list.
    #[serde(default = "Sink::batch")]
    #[schemars(range(min = 1, max = 100))]
    pub batch: usize,
    /// How long the first line waits for others.
    #[serde(default = "Sink::wait")]
    #[schemars(extend("format" = "duration"))]
    pub wait: String,
}

impl Sink {
    fn batch() -> usize {
        100
    }

    fn wait() -> String {
        "2s".into()
    }
}

/// Domains of mail where mailboxes have several spellings. Say so before the first account sets something up: what one
/// spelling has set up is not found under another afterwards.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Accounts {
    /// Dots in front of the `@` mean nothing at these domains: `a.lice@gmail.com` is `alice@gmail.com`.
    pub dots_ignored_at: Vec<String>,
    /// A `+` in front of the `@` and what follows it mean nothing at these domains: `alice+news@…` is `alice@…`.
    pub plus_ignored_at: Vec<String>,
}
