//! `stepward schema`

use stepward_core::trial;

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
    /// A policy
    Event,
    /// A flow of steps that policies use
    Flow,
    /// Tests of a policy
    Test,
    /// stepward.yaml
    Config,
    /// A connector to a vendor
    Connector,
    /// A route over connectors
    Route,
}

impl Schema {
    pub(super) fn run(self) -> Came {
        let schema = match self.kind {
            Kind::Config => settings::schema(),
            Kind::Connector => stepward_core::schema::connector(),
            Kind::Route => stepward_core::schema::route(),
            Kind::Event => stepward_core::schema::event(),
            Kind::Flow => stepward_core::schema::flow(),
            Kind::Test => trial::schema().to_value(),
        };
        say::data(&format!("{schema:#}\n"));
        Ok(Exit::Ok)
    }
}
