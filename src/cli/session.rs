//! `stepward session`

use serde_json::{Value, json};

use crate::cli::{Came, Exit, Failed, client, say};

/// Sessions and lock-outs of a running Stepward.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Session {
    /// What is kept about a subject, or the lock-out of an address
    Show(Command),
    /// End every session of a subject, and forget the devices it is known on
    Revoke(Command),
    /// End the lock-out of a subject or an address
    Unlock(Command),
    /// Print a path by which a subject, once signed in, may set up a first authenticator; good once, for three days
    Invite(Command),
}

#[derive(Debug, clap::Args)]
pub(super) struct Command {
    #[command(flatten)]
    about: About,
    /// The tenant
    #[arg(long, default_value = "default")]
    tenant: String,
    #[command(flatten)]
    server: client::Server,
    #[command(flatten)]
    printed: say::Printed,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct About {
    /// Name of the subject
    #[arg(long)]
    subject: Option<String>,
    /// An address
    #[arg(long)]
    ip: Option<String>,
}

impl Session {
    pub(super) fn run(self) -> Came {
        let (told, printed) = match self {
            Session::Show(command) => (command.server.get("/api/v1/sessions", &command.query())?, command.printed),
            Session::Revoke(command) => (command.post("revoke")?, command.printed),
            Session::Unlock(command) => (command.post("unlock")?, command.printed),
            Session::Invite(command) => (command.post("invite")?, command.printed),
        };
        printed.listed(&told);
        Ok(Exit::Ok)
    }
}

impl Command {
    fn query(&self) -> Vec<(&str, &str)> {
        let about = [("subject", self.about.subject.as_deref()), ("ip", self.about.ip.as_deref())];
        let named = about.into_iter().filter_map(|(name, value)| value.map(|value| (name, value)));
        named.chain([("tenant", self.tenant.as_str())]).collect()
    }

    fn post(&self, what: &str) -> Result<Value, Failed> {
        let body = json!({ "subject": self.about.subject, "ip": self.about.ip, "tenant": self.tenant });
        self.server.post(&format!("/api/v1/sessions/{what}"), &body)
    }
}
