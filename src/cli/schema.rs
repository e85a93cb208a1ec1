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
    /// A policy or a flow
    Event,
    /// stepward.yaml
    Config,
    /// connector.yaml
    Connector,
    /// A route of connectors
    Route,
    /// Tests of a policy
    Test,
}

impl Schema {
    pub(super) fn run(self) -> Came {
        let schema = match self.kind {
            Kind::Config => settings::schema(),
            Kind::Event => stepward_core::schema::event(),
            Kind::Connector => stepward_core::schema::connector(),
            Kind::Route => stepward_core::schema::route(),
            Kind::Test => stepward_core::schema::test(),
        };
        say::data(&format!("{schema:#}\n"));
        Ok(Exit::Ok)
    }
}
