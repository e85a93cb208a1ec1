//! `stepward connector add`

use std::{fs, io::Write as _, path::PathBuf};

use stepward_core::{connector::document::Document, diagnostic, yaml};

use crate::{
    cli::{Came, Exit, Failed, say},
    vendors::shipped,
};

/// Copy a connector that comes with Stepward into your folder, to change it. Yours then counts.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Add {
    /// Its id
    id: String,
    /// Your folder of connectors
    #[arg(long, default_value = "connectors")]
    folder: PathBuf,
}

impl Add {
    pub(super) fn run(self) -> Came {
        let Some(text) = shipped::text(&self.id) else {
            let ids = shipped::ids();
            let near = diagnostic::nearest(&self.id, ids.iter().map(String::as_str));
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            let why = format!("no connector `{}` comes with Stepward{near}", self.id);
            return Err(Failed::because(Exit::Usage, why));
        };
        let path = self.folder.join(&self.id).join("connector.yaml");
        let written = fs::create_dir_all(self.folder.join(&self.id))
            .and_then(|()| fs::OpenOptions::new().write(true).create_new(true).open(&path))
            .and_then(|mut file| file.write_all(text.as_bytes()));
        if let Err(error) = written {
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                let why = format!("`{}` is there already; it is left as it is", path.display());
                return Err(Failed::because(Exit::Refused, why));
            }
            return Err(Failed::because(Exit::Refused, format!("cannot write `{}`: {error}", path.display())));
        }
        say::data(&format!("{}\n", path.display()));
        if let Some(needed) = read(&self.id).and_then(|document| needed(&document)) {
            say::talk(&needed);
        }
        Ok(Exit::Ok)
    }
}

/// The lines that `stepward.yaml` needs for it; `None` where it needs none.
fn needed(document: &Document) -> Option<String> {
    let id = &document.connector.value;
    let secrets: Vec<_> = document
        .secrets
        .keys()
        .map(|name| format!("  {id}.{name}: {{ env: {} }}", format!("{id}_{name}").replace('-', "_").to_uppercase()))
        .collect();
    (!secrets.is_empty()).then(|| format!("in stepward.yaml:\nsecrets:\n{}", secrets.join("\n")))
}

/// What is shipped is held to loading by a test; what does not read is left out.
fn read(id: &str) -> Option<Document> {
    yaml::parse(&shipped::label(id), &shipped::text(id)?).ok()
}
