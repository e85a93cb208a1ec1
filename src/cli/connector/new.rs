//! `stepward connector new`

use std::{fs, path::PathBuf, sync::Arc};

use serde_json::{Value as Json, json};
use stepward_core::{attribute::Catalogue, connector::compile};

use crate::{
    cli::{
        Came, Exit, Failed,
        connector::{NamedFolder, Shape, document},
        say,
    },
    render::{self, Format},
    vendors::fixtures,
};

mod openapi;
mod sample;
mod scaffold;

/// Begin a connector from an OpenAPI 3 document.
///
/// Request, auth and a fixture are taken from the document; what the answer means is yours to say: the mapping is left as
/// commented candidates. The result loads and its fixtures pass.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct New {
    /// Its id: lower-case letters, digits and dashes
    id: String,
    /// The OpenAPI 3 document, YAML or JSON
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// The operation: its `operationId`, or `GET /path`; may be left out if there is only one
    #[arg(long)]
    operation: Option<String>,
    /// What it is a source of, such as `ip_reputation`
    #[arg(long, default_value = "unsorted")]
    capability: String,
    #[command(flatten)]
    place: NamedFolder,
    /// Print it instead of writing `<id>/connector.yaml`
    #[arg(long)]
    print: bool,
    /// Shape of the answer
    #[arg(short, long, default_value = "human")]
    format: Shape,
}

impl New {
    pub(super) fn run(self) -> Came {
        let usage = |why: String| Failed::because(Exit::Usage, why);
        let text = fs::read_to_string(&self.from)
            .map_err(|error| usage(format!("cannot read `{}`: {error}", self.from.display())))?;
        let api: Json = serde_json::from_str(&text)
            .or_else(|_| serde_saphyr::from_str(&text))
            .map_err(|error| usage(format!("`{}` is neither JSON nor YAML: {error}", self.from.display())))?;
        let found = openapi::find(&api, self.operation.as_deref()).map_err(usage)?;
        let written = scaffold::write(&self.id, &self.capability, &found);
        let path = self.place.folder.join(&self.id).join("connector.yaml");
        let file: Arc<str> = path.display().to_string().into();
        let connector = match compile::connector(&file, &written, &Catalogue::builtin()) {
            Ok(connector) => connector,
            Err(found) => {
                let texts = render::Texts::from([(file, written.into())]);
                say::findings(&found, &texts, Format::Human);
                return Ok(Exit::Findings);
            }
        };
        let request = connector.fixtures.first().and_then(|it| fixtures::prepared(&connector, it));
        let url = request.map(|it| it.url).unwrap_or_default();
        let written = written.replace(scaffold::URL, &json!(url).to_string());
        if self.print {
            match self.format {
                Shape::Human => say::data(&written),
                Shape::Json => {
                    document(&json!({ "schema": "stepward.connector-new/1", "file": file, "text": written }))
                }
            }
            return Ok(Exit::Ok);
        }
        if path.exists() {
            return Err(Failed::because(Exit::Refused, format!("`{file}` is there already; it is left as it is")));
        }
        let folder = path.parent().unwrap_or(&self.place.folder);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, &written))
            .map_err(|error| Failed::because(Exit::CannotLoad, format!("cannot write `{file}`: {error}")))?;
        match self.format {
            Shape::Human => say::talk(&format!("`{file}` is begun: say under `map` what the answer means")),
            Shape::Json => document(&json!({ "schema": "stepward.connector-new/1", "file": file })),
        }
        Ok(Exit::Ok)
    }
}

#[cfg(test)]
mod tests;
