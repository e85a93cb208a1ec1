//! `stepward init`

use std::{fs, io::Write, path::PathBuf};

use crate::cli::{Came, Exit, Failed, say};

/// Write commented files to start from: settings, a first policy and its tests. Overwrites nothing.
#[derive(Debug, clap::Args)]
pub(super) struct Init {
    /// Where to
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The app to put Stepward before
    #[arg(long, default_value = "http://127.0.0.1:3000", value_parser = origin)]
    upstream: String,
}

const SETTINGS: &str = include_str!("init/stepward.yaml");
/// A login that needs nothing that is not set up yet: no mail server, no vendor. In shadow, because nobody is stopped by
/// a policy that has not been watched.
const LOGIN: &str = include_str!("init/login.yaml");
const LOGIN_TEST: &str = include_str!("init/login.test.yaml");
const LIST: &str = "# Addresses and networks you do not trust, one a line. Read again when it changes.\n";
const IGNORED: &str = "# Keys, state and the admin token: never to be shared.\ndata/\n";

impl Init {
    pub(super) fn run(self) -> Came {
        let settings = SETTINGS.replace("http://127.0.0.1:3000", &self.upstream);
        let files = [
            ("stepward.yaml", settings.as_str()),
            ("policies/login.yaml", LOGIN),
            ("policies/login.test.yaml", LOGIN_TEST),
            ("lists/bad-networks.txt", LIST),
            (".gitignore", IGNORED),
        ];
        if let Some((name, _)) = files.iter().find(|(name, _)| self.folder.join(name).exists()) {
            let path = self.folder.join(name);
            let why = format!("`{}` is there already; nothing was written", path.display());
            return Err(Failed::because(Exit::Refused, why));
        }
        for (name, text) in files {
            self.write(name, text)?;
        }
        say::talk(
            "next:\n  stepward check\n  stepward test\n  stepward run\nthe policy is in shadow: it is decided and logged, and changes nothing",
        );
        Ok(Exit::Ok)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Failed> {
        let path = self.folder.join(name);
        let written = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::OpenOptions::new().write(true).create_new(true).open(&path))
            .and_then(|mut file| file.write_all(text.as_bytes()));
        match written {
            Ok(()) => {
                say::data(&format!("{}\n", path.display()));
                Ok(())
            }
            Err(error) => Err(Failed::because(Exit::Refused, format!("cannot write `{}`: {error}", path.display()))),
        }
    }
}

fn origin(text: &str) -> Result<String, String> {
    crate::settings::format::check("origin", text).map(|()| text.to_string())
}
