//! The whole product in one process, to be looked at: Tiny Bank, Stepward in front of it, a post office, and vendors that
//! are the mock of `stepward connector mock`.
//!
//! Everything is ordinary: the gateway runs from files in a folder, the bank knows nothing of it, mail goes by SMTP.
//! It listens on this machine only. What cannot be started is an error at start, never half a demo.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::Context;
use stepward_core::attribute::Catalogue;
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    clock::{self, Clock},
    demo::{bank::Bank, controls::Controls, mailbox::Mailbox},
    gateway::{self, Running},
    keys::Keys,
    settings::{self, Presence},
    vendors::{self, mock::Mock},
};

pub mod bank;
pub mod controls;
pub mod mailbox;

#[derive(rust_embed::RustEmbed)]
#[folder = "policies"]
struct Policies;

#[derive(rust_embed::RustEmbed)]
#[folder = "src/demo/files"]
struct Files;

/// Where the demo listens.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where browsers go; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Console and API.
    pub admin: SocketAddr,
    /// Health and metrics.
    pub health: SocketAddr,
}

impl Options {
    /// Every port chosen by the system: for tests.
    pub fn anywhere() -> Options {
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Options { listen: any, admin: any, health: any }
    }
}

/// A demo that runs; dropping it ends it and removes its folder.
pub struct Demo {
    /// The gateway in front of the bank.
    pub gateway: Running,
    /// The bank itself, past Stepward: what an attacker must not reach.
    pub bank: SocketAddr,
    /// The vendors; faults are ordered at their [`vendors::mock::CONTROL`].
    pub vendors: SocketAddr,
    /// What was mailed.
    pub mailbox: Mailbox,
    /// The buttons.
    pub controls: Controls,
    /// Its files.
    pub folder: PathBuf,
    servers: JoinSet<()>,
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.servers.abort_all();
        // A folder that stays behind is under the system's temporary folder and holds nothing real.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Starts everything.
///
/// # Errors
/// What could not be started, in words.
pub async fn start(options: &Options) -> anyhow::Result<Demo> {
    let folder =
        std::env::temp_dir().join(format!("stepward-demo-{}", data_encoding::HEXLOWER.encode(&clock::random_id())));
    let (bank, mail, vendor) = (local().await?, local().await?, local().await?);
    let issuer = Keys::ephemeral();
    let places = [
        ("@listen@", options.listen.to_string()),
        ("@bank@", bank.local_addr()?.to_string()),
        ("@mail@", mail.local_addr()?.to_string()),
        ("@admin@", options.admin.to_string()),
        ("@health@", options.health.to_string()),
    ];
    write_files(&folder, &places, &issuer).context("the demo's files cannot be written")?;

    let mut servers = JoinSet::new();
    let mailbox = Mailbox::default();
    let (vendors, mock) = (vendor.local_addr()?, mock(&folder)?);
    let controls = Controls::new(&folder, mock.clone(), issuer, Clock::System);
    let bank_address = bank.local_addr()?;
    let app = Bank::new(mailbox.clone(), controls.clone())?.routes();
    servers.spawn(mailbox.clone().serve(mail));
    servers.spawn(serve(vendor, mock.routes()));
    servers.spawn(serve(bank, app));

    let gateway = gateway(&folder, vendors).await?;
    if let Some(admin) = gateway.api.admin {
        controls.admin_is_at(admin);
    }
    Ok(Demo { gateway, bank: bank_address, vendors, mailbox, controls, folder, servers })
}

async fn local() -> anyhow::Result<TcpListener> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?)
}

async fn serve(listener: TcpListener, app: axum::Router) {
    if let Err(error) = axum::serve(listener, app).await {
        tracing::error!(%error, "a server of the demo stopped");
    }
}

/// Every vendor of the folder, answering as its connector has recorded.
fn mock(folder: &Path) -> anyhow::Result<Mock> {
    let unusable = |found| anyhow::anyhow!("the demo's connectors: {found:?}");
    let (sources, faults) = vendors::load::sources(&folder.join("connectors"));
    if !faults.is_empty() {
        return Err(unusable(faults));
    }
    Mock::of(&sources, &Catalogue::builtin()).map_err(unusable)
}

async fn gateway(folder: &Path, mock: SocketAddr) -> anyhow::Result<Running> {
    let mut loaded = settings::load(&folder.join("stepward.yaml"), Presence::Required)
        .map_err(|rejected| anyhow::anyhow!("the demo's settings: {:?}", rejected.found))?;
    loaded.settings.mock = Some(mock);
    gateway::start(loaded.settings, None, Clock::System).await.map_err(|error| match error {
        gateway::StartError::Policies(refusal) => {
            anyhow::anyhow!("the demo's policies:\n{}", refusal.lines().collect::<Vec<_>>().join("\n"))
        }
        other => other.into(),
    })
}

fn write_files(folder: &Path, places: &[(&str, String)], issuer: &Keys) -> anyhow::Result<()> {
    for name in Files::iter() {
        let text = Files::get(&name).context("an embedded file is gone")?;
        let mut text = String::from_utf8(text.data.into_owned())?;
        for (mark, value) in places {
            text = text.replace(mark, value);
        }
        write(folder, &name, &text)?;
    }
    for name in Policies::iter() {
        let text = Policies::get(&name).context("an embedded policy is gone")?;
        write(folder, &format!("policies/{name}"), std::str::from_utf8(&text.data)?)?;
    }
    write(folder, "idp.jwks.json", &issuer.jwks().to_string())?;
    write(folder, "lists/bad-networks.txt", "# networks the operator does not trust\n")?;
    write(folder, "lists/throw-away.txt", "# mailboxes that nobody keeps\n@mailinator.example\n")
}

fn write(folder: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let path = folder.join(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    Ok(fs::write(path, text)?)
}
