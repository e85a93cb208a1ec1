//! `stepward keys`

use std::path::PathBuf;

use crate::{
    cli::{Came, Exit, Failed, say},
    clock::Clock,
    keys::{self, ring::Ring},
    settings::{self, Presence},
};

/// The key ring.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Keys {
    /// Print the public keys of the assertion to the app (a JWK set), for the app to pin
    Export(Place),
    /// Make a new current key; what the old ones sealed still opens. Restart Stepward afterwards
    Rotate(Place),
}

#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The settings, which name the key ring
    #[arg(short, long, value_name = "FILE", default_value = "stepward.yaml", env = "STEPWARD_CONFIG")]
    config: PathBuf,
    /// The key ring, if not as the settings say
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
}

impl Keys {
    pub(super) fn run(self) -> Came {
        let place = match &self {
            Keys::Export(place) | Keys::Rotate(place) => place,
        };
        let path = place.ring()?;
        let ring = Ring::load(&path).map_err(|error| Failed::new(Exit::CannotLoad, error))?;
        let ring = keys::Keys::of(ring);
        match self {
            Keys::Export(_) => say::data(&format!("{:#}\n", ring.jwks())),
            Keys::Rotate(_) => {
                let now_ms = Clock::System.now_ms();
                let rotated = ring.rotate(now_ms).map_err(|error| Failed::new(Exit::Refused, error))?;
                rotated.ring().save(&path).map_err(|error| Failed::new(Exit::CannotLoad, error))?;
                say::talk(&format!("`{}` has a new current key; restart Stepward to use it", path.display()));
            }
        }
        Ok(Exit::Ok)
    }
}

impl Place {
    fn ring(&self) -> Result<PathBuf, Failed> {
        if let Some(path) = &self.keys {
            return Ok(path.clone());
        }
        let loaded = settings::load(&self.config, Presence::Advised).map_err(|rejected| {
            let first = rejected.found.first().map_or_else(String::new, |it| it.message.clone());
            Failed::because(Exit::CannotLoad, format!("`{}` cannot be used: {first}", self.config.display()))
        })?;
        loaded.settings.state.keys.ok_or_else(|| Failed::because(Exit::Usage, "these settings keep no key ring"))
    }
}
