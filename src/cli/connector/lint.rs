//! `stepward connector lint`

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use stepward_core::{
    connector::lint,
    diagnostic::{Diagnostic, Severity},
};

use crate::{
    cli::{
        Came, Exit,
        check::{self, Deny, Shape},
        connector::{All, Folder},
        say,
    },
    registry::{self, Release, folder},
    render::Texts,
};

/// What connectors and the policies that use them could do better; exits 0 unless warnings are denied.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Lint {
    #[command(flatten)]
    place: Folder,
    /// Only this connector
    #[arg(long, value_name = "ID")]
    only: Option<String>,
    /// Folder of policies, looked through for `raw.…` that no other vendor can give; `policies` if it is there
    #[arg(short, long, value_name = "FOLDER")]
    policies: Option<PathBuf>,
    /// What else is an error
    #[arg(long, value_name = "WHAT")]
    deny: Option<Deny>,
    /// Shape of the report
    #[arg(short, long, default_value = "human")]
    format: Shape,
}

impl Lint {
    pub(super) fn run(self) -> Came {
        let all = match self.place.read() {
            Ok(all) => all,
            Err(exit) => return Ok(exit),
        };
        let (mut found, mut texts) = (Vec::new(), Texts::new());
        for connector in all.connectors.iter().filter(|it| self.only.as_deref().is_none_or(|id| *id == *it.id)) {
            let Some(source) = all.sources.iter().find(|it| it.id() == &*connector.id) else { continue };
            found.extend(lint::lint(source, connector));
            texts.extend(source.texts().map(|(file, text)| (file.clone(), text.into())));
        }
        if let Some(release) = self.policies() {
            found.extend(raw_alone(&release, &all));
            texts.extend(release.texts.clone());
        }
        say::findings(&found, &texts, self.format.into());
        let denied = self.deny == Some(Deny::Warnings) && found.iter().any(|it| it.severity >= Severity::Warning);
        Ok(if denied { Exit::Findings } else { Exit::Ok })
    }

    /// The policies, where there are any that load; what is wrong with them is told by `stepward check`.
    fn policies(&self) -> Option<Release> {
        let place = self.policies.as_deref().unwrap_or(Path::new("policies"));
        if !place.is_dir() {
            return None;
        }
        let loaded = registry::load(folder::read(place), &check::installation(place), 0, 0);
        if loaded.is_err() {
            say::talk(&format!("the policies in `{}` do not load; `stepward check` tells why", place.display()));
        }
        loaded.ok()
    }
}

/// What a policy reads in one vendor's own terms is unknown as soon as another vendor answers.
fn raw_alone(release: &Release, all: &All) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for policy in &release.policies {
        let slots: BTreeSet<&Arc<str>> = policy.slots.iter().map(|it| &it.name).collect();
        for name in slots {
            let Some((id, _)) = name.strip_prefix("raw.").and_then(|rest| rest.split_once('.')) else { continue };
            let text = release.texts.get(&policy.file).map_or("", |it| &**it);
            let at = text.find(&**name).map_or(0..0, |at| at..at + name.len());
            let route = all.routes.iter().find(|it| it.members.iter().any(|member| &*member.connector == id));
            let others: Vec<&str> = route
                .map(|it| it.members.iter().map(|it| &*it.connector).filter(|member| *member != id).collect())
                .unwrap_or_default();
            let message = match others.as_slice() {
                [] => format!("`{name}` comes from `{id}` alone: when it fails, this is unknown"),
                others => format!("`{name}` is unknown whenever `{}` answers instead of `{id}`", others.join("` or `")),
            };
            let help = "map it to an attribute that other vendors tell, too, or let `when_unsure` be right without it";
            found.push(Diagnostic::warning("lint.raw", &policy.file, at, message).help(help));
        }
    }
    found
}
