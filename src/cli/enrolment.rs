//! `stepward enrolment`

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use crate::cli::{Came, Exit, Failed, client, say};

/// What subjects have set up to confirm it is them, in a running Stepward.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Enrolment {
    /// What a subject has set up; no secret is shown
    List(Command),
    /// Take away everything that a subject has set up, end its sessions, and write to it
    Reset(Command),
    /// Bring in authenticator apps and passkeys of another system
    Import(Import),
}

#[derive(Debug, clap::Args)]
pub(super) struct Command {
    /// Name of the subject
    #[arg(long)]
    subject: String,
    /// The tenant
    #[arg(long, default_value = "default")]
    tenant: String,
    #[command(flatten)]
    server: client::Server,
    #[command(flatten)]
    printed: say::Printed,
}

#[derive(Debug, clap::Args)]
pub(super) struct Import {
    /// JSON lines: `{"subject": "ada", "totp": {"secret": "…"}}` or `{"subject": "ada", "passkey": {…}}`
    file: PathBuf,
    #[command(flatten)]
    server: client::Server,
    #[command(flatten)]
    printed: say::Printed,
}

/// How many lines are sent at a time.
const AT_ONCE: usize = 50;

impl Enrolment {
    pub(super) fn run(self) -> Came {
        let (told, printed) = match self {
            Enrolment::List(command) => {
                let query = [("subject", command.subject.as_str()), ("tenant", command.tenant.as_str())];
                (command.server.get("/api/v1/enrolments", &query)?, command.printed)
            }
            Enrolment::Reset(command) => {
                let body = json!({ "subject": command.subject, "tenant": command.tenant });
                (command.server.post("/api/v1/enrolments/reset", &body)?, command.printed)
            }
            Enrolment::Import(import) => return import.run(),
        };
        printed.listed(&told);
        Ok(Exit::Ok)
    }
}

impl Import {
    fn run(self) -> Came {
        let shown = self.file.display();
        let text = fs::read_to_string(&self.file)
            .map_err(|error| Failed::because(Exit::CannotLoad, format!("cannot read `{shown}`: {error}")))?;
        let mut entries: Vec<(usize, Value)> = Vec::new();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            // The parser's own words could repeat a secret.
            let entry = serde_json::from_str(line).map_err(|error| {
                let why = format!("{shown}:{}:{}: this line is not JSON; nothing was sent", at + 1, error.column());
                Failed::because(Exit::CannotLoad, why)
            })?;
            entries.push((at + 1, entry));
        }
        let (mut imported, mut known, mut refused) = (0, 0, Vec::new());
        for part in entries.chunks(AT_ONCE) {
            let body = json!({ "entries": part.iter().map(|(_, entry)| entry).collect::<Vec<_>>() });
            let told = self.server.post("/api/v1/enrolments/import", &body)?;
            imported += told["imported"].as_u64().unwrap_or_default();
            known += told["known"].as_u64().unwrap_or_default();
            for one in told["refused"].as_array().into_iter().flatten() {
                let at = one["entry"].as_u64().and_then(|at| part.get(usize::try_from(at).ok()?));
                refused.push(json!({ "line": at.map(|(line, _)| line), "why": one["why"] }));
            }
        }
        let exit = if refused.is_empty() { Exit::Ok } else { Exit::Findings };
        let report = json!({ "imported": imported, "known": known, "refused": refused });
        self.printed.answer(&report, || {
            let refused = refused
                .iter()
                .map(|it| format!("{shown}:{}: {}\n", it["line"], it["why"].as_str().unwrap_or_default()));
            format!("{}imported: {imported}, known before: {known}\n", refused.collect::<String>())
        });
        Ok(exit)
    }
}
