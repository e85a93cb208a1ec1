//! `stepward schema`

use crate::{
    cli::{Came, Exit, say},
    settings,
};

/// Print the JSON Schema of a kind of file. In a file: `# yaml-language-server: $schema=event.schema.json`
#[derive(Debug, clap::Args)]
pub(super) struct Schema {
    /// The kind of file
    kind: Kind,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Kind {
    /// stepward.yaml
    Config,
}

impl Schema {
    pub(super) fn run(self) -> Came {
        let schema = match self.kind {
            Kind::Config => settings::schema(),
        };
        say::data(&format!("{schema:#}\n"));
        Ok(Exit::Ok)
    }
}
