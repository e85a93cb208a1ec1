//! A connector that no route asks, such as a sink: found by its id, with what it takes to speak to it.
//!
//! One of the operator's folder counts before one that comes with Stepward. While a mock stands in for vendors, it stands
//! in for this one too, and no secret is read.

use std::{net::SocketAddr, sync::Arc};

use stepward_core::{
    attribute::Catalogue,
    connector::{Connector, compile::source::Source},
    diagnostic::Diagnostic,
};

use crate::{
    settings::Settings,
    vendors::{client::Client, fixtures, load, shipped},
};

/// The connector of this id, with what it takes to speak to it. Our own listeners are no vendors.
///
/// # Errors
/// There is none, something is wrong with its file, or a secret or setting is missing.
pub fn equip(id: &str, settings: &Settings) -> Result<(Connector, Client), Vec<Diagnostic>> {
    let connector = read(id, settings)?;
    let fault = |code, message: String| vec![Diagnostic::error(code, &named(id), 0..0, message)];
    let listeners = settings.listen.iter().map(|listen| listen.address);
    let own: Arc<[SocketAddr]> =
        listeners.chain(settings.admin).chain(settings.health).chain(settings.decisions).collect();
    let client = match settings.mock {
        Some(mock) => Client::detoured(&connector, mock, &own),
        None => {
            let secrets = load::revealed(&connector, &settings.secrets).map_err(|why| fault("secret.missing", why))?;
            Client::new(&connector, secrets, &own).map_err(str::to_owned)
        }
    };
    Ok((connector, client.map_err(|why| fault("connector.client", why))?))
}

/// The connector of this id, without its secrets.
///
/// # Errors
/// There is none, something is wrong with its file, or a setting is missing.
pub fn read(id: &str, settings: &Settings) -> Result<Connector, Vec<Diagnostic>> {
    let fault = |code, message: String| vec![Diagnostic::error(code, &named(id), 0..0, message)];
    let find = |id: &str| find(id, settings);
    let Some((file, text)) = find(id) else {
        let message = format!("there is no connector `{id}`, neither in your folder nor among those that are shipped");
        return Err(fault("connector.unknown", message));
    };
    let source = Source::read(&file, &text, &find)?;
    let (catalogue, config) = (Catalogue::builtin(), load::config_of(id, &settings.connector_config));
    let connector = match settings.mock {
        Some(_) => fixtures::stand_in(&source, &catalogue, &config)?.0,
        None => source.compile(&catalogue, &config)?,
    };
    if let Some(name) = connector.unset.first() {
        return Err(fault("config.missing", format!("`{name}` is required and has no value")));
    }
    Ok(connector)
}

/// Where a connector of the operator's lies.
fn named(id: &str) -> Arc<str> {
    format!("connectors/{id}/connector.yaml").into()
}

fn find(id: &str, settings: &Settings) -> Option<(Arc<str>, String)> {
    let own = settings.connectors.as_deref().filter(|_| !id.is_empty()).and_then(|folder| load::own_text(folder, id));
    match own {
        Some(text) => Some((format!("connectors/{id}/connector.yaml").into(), text)),
        None => Some((shipped::label(id), shipped::text(id)?.into_owned())),
    }
}
