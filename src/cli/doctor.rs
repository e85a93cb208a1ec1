//! `stepward doctor`

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::json;

use crate::{
    cli::{Came, Exit, check, say},
    clock::Clock,
    keys::ring::{Ring, RingError},
    registry::{self, folder},
    render,
    settings::{self, Presence, Settings, format},
    store::redis::Redis,
};

/// How long an app or mail server may take to accept a connection.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// 1 January 2025: no machine that runs this was set up before.
const EARLIEST_MS: i64 = 1_735_689_600_000;

/// Look for what keeps Stepward from working here. Changes nothing.
#[derive(Debug, clap::Args)]
pub(super) struct Doctor {
    /// The settings
    #[arg(short, long, value_name = "FILE", default_value = "stepward.yaml", env = "STEPWARD_CONFIG")]
    config: PathBuf,
    #[command(flatten)]
    printed: say::Printed,
}

/// One thing that was looked at: `Err` says what is wrong and what to try.
struct Look {
    what: String,
    came: Result<String, String>,
}

impl Doctor {
    pub(super) fn run(self) -> Came {
        let looks = self.look();
        let told = looks.iter().map(|it| {
            let told = it.came.as_ref().unwrap_or_else(|told| told);
            json!({ "what": it.what, "ok": it.came.is_ok(), "told": told })
        });
        let report = json!({ "schema": "stepward.doctor/1", "looks": told.collect::<Vec<_>>() });
        self.printed.answer(&report, || {
            let lines = looks.iter().map(|it| match &it.came {
                Ok(told) => format!("ok    {}: {told}\n", it.what),
                Err(why) => format!("FAIL  {}: {why}\n", it.what),
            });
            lines.collect()
        });
        Ok(if looks.iter().all(|it| it.came.is_ok()) { Exit::Ok } else { Exit::Findings })
    }

    fn look(&self) -> Vec<Look> {
        let mut looks = vec![look("clock", clock())];
        match settings::load(&self.config, Presence::Required) {
            Ok(loaded) => {
                looks.push(look("settings", Ok(self.config.display().to_string())));
                looks.extend(at_settings(&loaded.settings));
            }
            Err(rejected) => {
                let lines: Vec<_> = rejected.found.iter().map(|it| render::line(it, &rejected.texts)).collect();
                looks.push(look("settings", Err(lines.join("; "))));
            }
        }
        looks
    }
}

fn look(what: impl Into<String>, came: Result<String, String>) -> Look {
    Look { what: what.into(), came }
}

fn at_settings(settings: &Settings) -> Vec<Look> {
    let mut looks = vec![look("policies", policies(settings))];
    let listen = settings
        .listen
        .iter()
        .map(|it| it.address)
        .chain(settings.admin)
        .chain(settings.health)
        .chain(settings.decisions);
    looks.extend(listen.map(|address| look(format!("listen {address}"), free(address))));
    for (name, upstream) in &settings.upstreams {
        for (host, port) in &upstream.addresses {
            looks.push(look(format!("upstream {name} {host}:{port}"), reachable(host, *port)));
        }
    }
    if let Some(mail) = &settings.mail {
        let place = mail.smtp.split_once("://").and_then(|(_, rest)| format::host_port(rest, Some(25)));
        let came = place.map_or_else(|| Err("not an address".into()), |(host, port)| reachable(&host, port));
        looks.push(look(format!("mail {}", mail.smtp), came));
    }
    if let Some(redis) = &settings.state.redis {
        looks.push(look(format!("state redis {:?}", redis.url), shared(redis)));
    }
    if let Some(path) = &settings.state.path {
        looks.push(look(format!("state {}", path.display()), private(path, 0o077)));
    }
    if let Some(path) = &settings.state.keys {
        looks.push(look(format!("keys {}", path.display()), keys(path)));
    }
    looks
}

/// Connects, logs in and writes the one key that every start writes.
fn shared(redis: &settings::Redis) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let opened = runtime.block_on(Redis::open(redis, Clock::System));
    opened.map(|_| "answers, and can be written".into()).map_err(|error| error.to_string())
}

fn clock() -> Result<String, String> {
    let now_ms = Clock::System.now_ms();
    match now_ms > EARLIEST_MS {
        true => Ok(crate::outcomes::record::time(now_ms)),
        false => Err("it is far in the past; codes and tokens would be refused. Set up NTP".into()),
    }
}

fn policies(settings: &Settings) -> Result<String, String> {
    let set = folder::read(&settings.policies);
    match registry::load(set, &check::target(Some(settings), None), 0, 0) {
        Ok(release) => Ok(format!("release with {}", say::several(release.policies.len(), "event"))),
        Err(refusal) => Err(refusal.lines().collect::<Vec<_>>().join("; ")),
    }
}

/// Whether it can be listened on. That Stepward itself runs there already is no fault.
fn free(address: SocketAddr) -> Result<String, String> {
    match TcpListener::bind(address) {
        Ok(_) => Ok("free".into()),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            Ok("in use: by a running Stepward, or by something that has to make room".into())
        }
        Err(error) => Err(format!("{error}; ports below 1024 need CAP_NET_BIND_SERVICE")),
    }
}

fn reachable(host: &str, port: u16) -> Result<String, String> {
    let addresses = (host, port).to_socket_addrs().map_err(|error| format!("cannot resolve the name: {error}"))?;
    let mut last = "the name has no address".to_string();
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT_MAX) {
            Ok(_) => return Ok(format!("{address} accepts connections")),
            Err(error) => last = format!("{address}: {error}; is it running, and does a firewall stand between?"),
        }
    }
    Err(last)
}

/// A file or folder that is not there yet is made on first start.
fn private(path: &Path, others: u32) -> Result<String, String> {
    match fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok("not there yet; made on first start".into()),
        Err(error) => Err(error.to_string()),
        Ok(meta) if meta.permissions().mode() & others != 0 => {
            Err(format!("other users can get at it; `chmod go= {}`", path.display()))
        }
        Ok(_) => Ok("private".into()),
    }
}

fn keys(path: &Path) -> Result<String, String> {
    match Ring::load(path) {
        Ok(_) => Ok("readable and private".into()),
        Err(RingError::Absent(_)) => Ok("not there yet; made on first start".into()),
        Err(error) => Err(error.to_string()),
    }
}
