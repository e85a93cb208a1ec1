//! `stepward proxy`: Stepward before an app, without a file. It writes nothing: what it remembers is gone when it ends.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, sync::Arc};

use stepward_core::diagnostic::Severity;

use crate::{
    cli::{Came, Exit, Failed, say, serve},
    registry,
    render::{Format, Texts},
    settings::{self, Presence, Settings, format},
};

/// Serve without any file: put Stepward before an app and protect some of its requests.
#[derive(Debug, clap::Args)]
pub(super) struct Proxy {
    /// The app: `http://127.0.0.1:3000`
    #[arg(long, value_name = "URL", value_parser = origin)]
    upstream: String,
    /// Where clients connect
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = address)]
    listen: SocketAddr,
    /// An event to protect: `login=POST /login`; may be given several times
    #[arg(long, value_name = "EVENT=METHOD PATH", value_parser = protected)]
    protect: Vec<Protected>,
}

/// An event and the request that is it.
#[derive(Clone, Debug)]
struct Protected {
    event: String,
    covers: String,
}

const SETTINGS: &str = include_str!("proxy/stepward.yaml");
const POLICY: &str = include_str!("proxy/policy.yaml");

impl Proxy {
    pub(super) fn run(self) -> Came {
        let policies = registry::Origin::Texts(self.policies()?);
        serve::serve(self.settings()?, Some(policies))
    }

    fn settings(&self) -> Result<Settings, Failed> {
        let text = SETTINGS.replace("LISTEN", &self.listen.to_string()).replace("UPSTREAM", &self.upstream);
        match settings::read(&"stepward proxy".into(), &text, Path::new("."), Presence::Advised) {
            Ok(loaded) => {
                let found: Vec<_> = loaded.found.into_iter().filter(|it| it.code != "file.missing").collect();
                if !found.is_empty() {
                    say::findings(&found, &loaded.texts, Format::Human);
                }
                Ok(loaded.settings)
            }
            Err(rejected) => {
                let errors = rejected.found.iter().filter(|it| it.severity == Severity::Error);
                Err(Failed::because(Exit::Usage, errors.map(|it| it.message.clone()).collect::<Vec<_>>().join("; ")))
            }
        }
    }

    fn policies(&self) -> Result<Texts, Failed> {
        let mut covers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for it in &self.protect {
            covers.entry(&it.event).or_default().push(&it.covers);
        }
        if covers.is_empty() {
            return Err(Failed::because(
                Exit::Usage,
                "name what to protect, such as `--protect \"login=POST /login\"`",
            ));
        }
        let policy = |(event, covers): (&str, Vec<&str>)| -> (Arc<str>, Arc<str>) {
            let covers: String = covers.iter().map(|it| format!("  - \"{it}\"\n")).collect();
            let text = POLICY.replace("EVENT", event).replace("COVERS\n", &covers);
            (format!("--protect {event}").into(), text.into())
        };
        Ok(covers.into_iter().map(policy).collect())
    }
}

fn origin(text: &str) -> Result<String, String> {
    format::check("origin", text).map(|()| text.to_string())
}

fn address(text: &str) -> Result<SocketAddr, String> {
    format::address(text).ok_or_else(|| "write an address and a port, such as `127.0.0.1:8080`".to_string())
}

/// Only words that stay words inside the YAML they are put into.
fn protected(text: &str) -> Result<Protected, String> {
    let (event, covers) = text.split_once('=').ok_or("write `<event>=<METHOD> <path>`")?;
    let event_is_word = !event.is_empty() && event.chars().all(|it| it.is_ascii_alphanumeric() || " -_".contains(it));
    let covers_is_plain = covers.chars().all(|it| it.is_ascii_graphic() || it == ' ') && !covers.contains(['"', '\\']);
    match event_is_word && covers_is_plain && covers.contains(" /") {
        true => Ok(Protected { event: event.trim().to_string(), covers: covers.trim().to_string() }),
        false => Err("write `<event>=<METHOD> <path>`, such as `login=POST /login`".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(protect: &[&str]) -> Proxy {
        Proxy {
            upstream: "http://127.0.0.1:3000".into(),
            listen: "127.0.0.1:8080".parse().unwrap(),
            protect: protect.iter().map(|it| protected(it).unwrap()).collect(),
        }
    }

    #[test]
    fn what_it_makes_loads_without_a_finding() {
        let proxy = proxy(&["login=POST /login", "login=POST /api/login", "password reset=POST /reset"]);
        let set = registry::folder::Set { texts: proxy.policies().unwrap(), found: Vec::new() };
        match registry::load(set, &crate::cli::check::target(None, None), 1, 0) {
            Ok(release) => {
                assert_eq!(release.policies.len(), 2);
                assert!(release.found.is_empty(), "{:#?}", release.found);
            }
            Err(refusal) => panic!("{:#?}", refusal.lines().collect::<Vec<_>>()),
        }
        assert!(proxy.settings().unwrap().state.path.is_none(), "it writes nothing");
    }

    #[test]
    fn nothing_but_words_gets_into_the_policy() {
        for wrong in ["login", "=POST /x", "login=POST", "a\nb=POST /x", "login=POST /x\" }", "login: x=POST /x"] {
            assert!(protected(wrong).is_err(), "{wrong}");
        }
    }
}
