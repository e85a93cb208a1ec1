//! The demo's buttons. Each changes a file or a vendor, as an operator would; none reaches into the gateway.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use anyhow::Context;
use serde_json::json;

use crate::{
    clock::Clock,
    keys::Keys,
    vendors::mock::{
        Mock,
        fault::{Fault, Order},
    },
};

/// Who signs the tokens of the demo's agents.
pub const ISSUER: &str = "https://tiny-bank.example";
/// Whom they are for.
pub const AUDIENCE: &str = "tiny-bank";
/// The vendor that a button breaks: the first on the route.
const VENDOR_A: &str = "vendor-a";

/// What the buttons move.
#[derive(Clone)]
pub struct Controls {
    folder: Arc<PathBuf>,
    vendors: Mock,
    /// The bank's own identity provider; nothing of the gateway's.
    issuer: Keys,
    admin: Arc<OnceLock<SocketAddr>>,
    clock: Clock,
}

/// How the buttons stand.
#[derive(Clone, Copy, Debug)]
pub struct ControlState {
    /// Whether this machine's address is on the list of bad networks.
    pub bad_network: bool,
    /// Whether vendor A is down.
    pub vendor_broken: bool,
    /// Whether the transfer policy only observes.
    pub shadow: bool,
}

impl Controls {
    /// Buttons over the files in this folder.
    pub fn new(folder: &Path, vendors: Mock, issuer: Keys, clock: Clock) -> Controls {
        Controls { folder: Arc::new(folder.to_path_buf()), vendors, issuer, admin: Arc::default(), clock }
    }

    /// How they stand now.
    pub fn state(&self) -> ControlState {
        ControlState {
            bad_network: self.read("lists/bad-networks.txt").lines().any(|line| line.starts_with("127.")),
            vendor_broken: self.vendors.is_faulty(VENDOR_A),
            shadow: self.read("policies/transfer.yaml").lines().any(|line| line == "mode: shadow"),
        }
    }

    /// Puts this machine's addresses on the list of bad networks, or takes them off.
    pub fn toggle_network(&self) {
        let listed = if self.state().bad_network { "" } else { "127.0.0.0/8\n::1\n" };
        self.write("lists/bad-networks.txt", &format!("# networks the operator does not trust\n{listed}"));
    }

    /// Takes vendor A down, or brings it back.
    pub fn toggle_vendor(&self) {
        if self.vendors.is_faulty(VENDOR_A) {
            return self.vendors.clear(Some(VENDOR_A));
        }
        let order = Order { connector: Some(VENDOR_A.into()), fault: Fault::Error(503), lasting: None };
        if let Err(why) = self.vendors.inject(order) {
            tracing::error!(why, "a button of the demo could not break its vendor");
        }
    }

    /// Sets the transfer policy to shadow, or back to enforce: one line of its file.
    pub fn toggle_shadow(&self) {
        let text = self.read("policies/transfer.yaml");
        let changed = match self.state().shadow {
            true => text.replacen("mode: shadow\n", "", 1),
            false => text.replacen("journey: payments\n", "journey: payments\nmode: shadow\n", 1),
        };
        self.write("policies/transfer.yaml", &changed);
    }

    /// A token for an agent that acts for this person, good for an hour.
    pub fn agent_token(&self, person: &str) -> String {
        let now = self.clock.now_ms() / 1000;
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": person, "client_kind": "agent", "scope": "accounts:read",
            "act": { "sub": "agent:shopping-helper" }, "iat": now, "exp": now + 3600,
        });
        self.issuer.sign(&claims).unwrap_or_default()
    }

    /// What an operator does for a customer without an authenticator: an invitation, by the admin API.
    ///
    /// # Errors
    /// The admin address does not answer, or not as it should.
    pub async fn invite(&self, person: &str) -> anyhow::Result<String> {
        let admin = self.admin.get().context("the gateway is not there yet")?;
        let token = fs::read_to_string(self.folder.join("state/admin-token"))?;
        let token = token.split_whitespace().next().context("the token file is empty")?;
        let answer = reqwest::Client::new()
            .post(format!("http://{admin}/api/v1/sessions/invite"))
            .bearer_auth(token)
            .json(&json!({ "subject": person }))
            .send()
            .await?
            .error_for_status()?;
        let told: serde_json::Value = answer.json().await?;
        Ok(told["path"].as_str().context("no path in the answer")?.to_string())
    }

    /// Tells where the gateway's admin address is, once it is known.
    pub fn admin_is_at(&self, address: SocketAddr) {
        // It starts once; a second word would be the same.
        let _ = self.admin.set(address);
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap_or_default()
    }

    /// Writes beside and renames, so that nobody reads half a file.
    fn write(&self, name: &str, text: &str) {
        let (path, draft) = (self.folder.join(name), self.folder.join(format!("{name}.draft")));
        let written = fs::write(&draft, text).and_then(|()| fs::rename(&draft, &path));
        if let Err(error) = written {
            tracing::error!(%error, file = name, "a button of the demo could not write");
        }
    }
}
