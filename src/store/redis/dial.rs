//! Where Redis is and how to connect to it: addresses, user, password, TLS. Connects; never sends a command of the domain.
//!
//! Secrets are read when a connection is made, so that a password that was changed in its file is used at the next one.

use std::{fmt, fs, sync::Arc, time::Duration};

use ::redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
    TlsCertificates, aio::MultiplexedConnection, io::tcp::TcpSettings,
};
use percent_encoding::percent_decode_str;

use crate::settings;

/// How many nodes a URL may name.
const NODES_MAX: usize = 64;
const PORT: u16 = 6379;

/// One server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address {
    pub(super) host: Arc<str>,
    pub(super) port: u16,
}

impl Address {
    /// `host:port`, `[v6]:port`, `host`.
    pub(super) fn parse(text: &str) -> Option<Address> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port.parse().ok()?),
            _ => (text, PORT),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        (!host.is_empty()).then(|| Address { host: host.into(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// What a URL says: `redis://user:password@host:port,host:port/0`, or `rediss://` for TLS.
#[derive(Clone)]
pub(super) struct Location {
    pub(super) nodes: Vec<Address>,
    pub(super) database: i64,
    is_tls: bool,
    user: Option<String>,
    password: Option<String>,
}

impl Location {
    /// The error never repeats the URL, which may hold a password.
    pub(super) fn parse(url: &str) -> Result<Location, String> {
        let (scheme, rest) =
            url.split_once("://").ok_or("the URL of Redis has no scheme; write `redis://host:6379`")?;
        let is_tls = match scheme {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            _ => return Err("the URL of Redis begins neither with `redis://` nor with `rediss://`".into()),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) =
            authority.rsplit_once('@').map_or((None, authority), |(login, hosts)| (Some(login), hosts));
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let (user, password) = match login {
            None => (None, None),
            Some(login) => {
                let (user, password) = login.split_once(':').unwrap_or(("", login));
                (Some(user).filter(|it| !it.is_empty()).map(decoded), Some(decoded(password)))
            }
        };
        let nodes: Option<Vec<_>> = hosts.split(',').map(Address::parse).collect();
        let nodes = nodes.filter(|it| it.len() <= NODES_MAX).ok_or("the URL of Redis names no `host:port`")?;
        let database = match path {
            "" => 0,
            number => number.parse().map_err(|_| "the URL of Redis ends in something else than a database's number")?,
        };
        Ok(Location { nodes, database, is_tls, user, password })
    }
}

/// Makes connections.
pub(super) struct Dialer {
    settings: settings::Redis,
    wait: Duration,
}

impl Dialer {
    /// `wait` bounds each connection, with its TLS and its login.
    pub(super) fn new(settings: settings::Redis, wait: Duration) -> Self {
        Self { settings, wait }
    }

    /// Where Redis is now.
    pub(super) fn location(&self) -> Result<Location, String> {
        Location::parse(&self.settings.url.reveal()?)
    }

    /// A connection that is logged in.
    pub(super) async fn connect(&self, to: &Address) -> Result<MultiplexedConnection, String> {
        let location = self.location()?;
        let mut redis = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP2)
            .set_db(location.database)
            .set_skip_set_lib_name();
        if let Some(user) = self.settings.user.as_deref().or(location.user.as_deref()) {
            redis = redis.set_username(user);
        }
        match &self.settings.password {
            Some(secret) => redis = redis.set_password(secret.reveal()?.as_str()),
            None => redis = location.password.iter().fold(redis, |redis, it| redis.set_password(it)),
        }
        self.open(to, redis, location.is_tls).await
    }

    /// A connection to a Sentinel: over TLS as the servers are, without a login.
    pub(super) async fn sentinel(&self, to: &Address) -> Result<MultiplexedConnection, String> {
        let is_tls = self.location()?.is_tls;
        let redis = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP2).set_skip_set_lib_name();
        self.open(to, redis, is_tls).await
    }

    async fn open(
        &self,
        to: &Address,
        redis: RedisConnectionInfo,
        is_tls: bool,
    ) -> Result<MultiplexedConnection, String> {
        let host = to.host.to_string();
        let address = match is_tls {
            true => ConnectionAddr::TcpTls { host, port: to.port, insecure: false, tls_params: None },
            false => ConnectionAddr::Tcp(host, to.port),
        };
        let tcp = TcpSettings::default().set_nodelay(true).set_user_timeout(self.wait.saturating_mul(4));
        let info = address.into_connection_info().map_err(|error| told(&error))?;
        let info = info.set_tcp_settings(tcp).set_redis_settings(redis);
        let client = match (&self.settings.ca, is_tls) {
            (Some(ca), true) => {
                let root = fs::read(ca).map_err(|error| format!("{}: {error}", ca.display()))?;
                Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: Some(root) })
            }
            (None, true) | (_, false) => Client::open(info),
        };
        let client = client.map_err(|error| told(&error))?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(1024);
        match tokio::time::timeout(self.wait, client.get_multiplexed_async_connection_with_config(&config)).await {
            Ok(connected) => connected.map_err(|error| told(&error)),
            Err(_) => Err("does not answer in time".into()),
        }
    }
}

/// Why something did not work, in words that hold no secret and no data.
pub(super) fn told(error: &::redis::RedisError) -> String {
    match error.code() {
        Some(code) => refusal(code),
        None if error.kind() == ::redis::ErrorKind::AuthenticationFailed => refusal("WRONGPASS"),
        None if error.is_connection_refusal() => "refuses connections".into(),
        None if error.is_timeout() => "does not answer in time".into(),
        None if error.is_io_error() => format!("cannot be reached ({error})"),
        None => error.category().to_string(),
    }
}

/// What a server's error code means.
pub(super) fn refusal(code: &str) -> String {
    let words = match code {
        "OOM" => "has no memory left",
        "READONLY" => "is a read-only replica",
        "MISCONF" => "cannot write to its disk",
        "NOREPLICAS" => "has fewer replicas than it must have",
        "LOADING" => "is still loading its data",
        "MASTERDOWN" => "has lost its master",
        "NOAUTH" => "wants a password",
        "WRONGPASS" => "refuses the user or the password",
        "NOPERM" => "does not let this user do what is needed",
        "CLUSTERDOWN" => "belongs to a cluster that is down",
        "BUSY" => "is busy with a script",
        _ => "refuses",
    };
    format!("{words} ({code})")
}

#[cfg(test)]
mod tests {
    use super::Location;

    #[test]
    fn a_url_names_servers_database_and_login() {
        let one = Location::parse("redis://127.0.0.1").unwrap();
        assert_eq!((one.nodes[0].to_string().as_str(), one.database, one.is_tls), ("127.0.0.1:6379", 0, false));
        let many = Location::parse("rediss://edge:p%40ss@a.example:1,[::1]:2/3").unwrap();
        let nodes: Vec<_> = many.nodes.iter().map(ToString::to_string).collect();
        assert_eq!(nodes, ["a.example:1", "[::1]:2"]);
        assert_eq!((many.database, many.is_tls), (3, true));
        assert_eq!((many.user.as_deref(), many.password.as_deref()), (Some("edge"), Some("p@ss")));
    }

    #[test]
    fn what_is_wrong_with_a_url_is_told_without_it() {
        for url in ["s3cr3t", "http://s3cr3t@h", "redis://:s3cr3t@h:port", "redis://:s3cr3t@", "redis://:s3cr3t@h/x"] {
            let Err(why) = Location::parse(url) else { panic!("{url} was taken") };
            assert!(!why.contains("s3cr3t"), "{why}");
        }
    }
}
