//! `stepward check`

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::ValueEnum;
use stepward_core::{
    attribute::Catalogue,
    diagnostic::{Diagnostic, Severity},
    policy::compile::Options,
    trial,
};

use crate::{
    challenges::page::templates,
    cli::{Came, Exit, Failed, say},
    locale,
    outcomes::export::Sinks,
    registry::{self, Release, Target, folder, lacking::Lacking},
    render::{Format, Texts},
    settings::{self, Presence, Settings},
    vendors::{self, Vocabulary},
};

/// Tell everything that is wrong with settings, policies and tests.
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// stepward.yaml, a policy, or a folder of policies; without one, what is in this folder
    paths: Vec<PathBuf>,
    /// The settings, and all that they name; the same as its path without `-c`
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Shape of the report
    #[arg(short, long, default_value = "human")]
    format: Shape,
    /// What else is an error
    #[arg(long, value_name = "WHAT")]
    deny: Option<Deny>,
}

/// The shape of a report.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Shape {
    /// For people
    Human,
    /// One JSON document
    Json,
    /// Beside the lines of a pull request on GitHub
    Github,
    /// SARIF 2.1.0
    Sarif,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Deny {
    /// Warnings fail too
    Warnings,
}

/// Everything found in several places.
#[derive(Default)]
struct Findings {
    found: Vec<Diagnostic>,
    texts: Texts,
}

impl Check {
    pub(super) fn run(self) -> Came {
        let mut findings = Findings::default();
        for path in self.paths()? {
            findings.look_at(&path)?;
        }
        say::findings(&findings.found, &findings.texts, self.format.into());
        let worst = findings.found.iter().map(|it| it.severity).max();
        let fails = match worst {
            Some(Severity::Error) => true,
            Some(Severity::Warning) => self.deny == Some(Deny::Warnings),
            Some(Severity::Note) | None => false,
        };
        Ok(if fails { Exit::Findings } else { Exit::Ok })
    }

    fn paths(&self) -> Result<Vec<PathBuf>, Failed> {
        let named: Vec<PathBuf> = self.config.iter().chain(&self.paths).cloned().collect();
        if !named.is_empty() {
            return Ok(named);
        }
        let usual = ["stepward.yaml", "policies"].map(PathBuf::from);
        match usual.into_iter().find(|path| path.exists()) {
            Some(path) => Ok(vec![path]),
            None => {
                let why =
                    "there is neither `stepward.yaml` nor `policies` here; name what to check, or `stepward init`";
                Err(Failed::because(Exit::Usage, why))
            }
        }
    }
}

impl Findings {
    fn look_at(&mut self, path: &Path) -> Result<(), Failed> {
        let meta = fs::metadata(path)
            .map_err(|error| Failed::because(Exit::CannotLoad, format!("cannot read `{}`: {error}", path.display())))?;
        if meta.is_dir() {
            self.policies(folder::read(path), &installation(path), Some(path));
        } else if path.file_name().and_then(|name| name.to_str()).is_some_and(folder::is_test) {
            self.test_alone(path);
        } else if is_settings(path) {
            self.settings(path);
        } else {
            self.policies(one_file(path), &installation(path.parent().unwrap_or(Path::new(""))), None);
        }
        Ok(())
    }

    fn settings(&mut self, path: &Path) {
        match settings::load(path, Presence::Advised) {
            Ok(loaded) => {
                self.take(loaded.found, loaded.texts);
                let set = folder::read(&loaded.settings.policies);
                self.policies(set, &target(Some(&loaded.settings), None), Some(&loaded.settings.policies));
                self.pages(&loaded.settings.pages);
                if let Some(folder) = loaded.settings.connectors.as_deref().filter(|folder| folder.is_dir()) {
                    self.connectors(folder);
                }
                self.sinks(&loaded.settings);
            }
            Err(rejected) => self.take(rejected.found, rejected.texts),
        }
    }

    /// Messages and templates of the operator's; a folder that is not there was told of already.
    fn pages(&mut self, pages: &settings::pages::Pages) {
        let is_there = |folder: &&Path| folder.is_dir();
        let messages = locale::read(&pages.language, pages.locales.as_deref().filter(is_there));
        self.take(messages.found, messages.texts);
        if let Some(folder) = pages.templates.as_deref().filter(is_there) {
            let templates = templates::read(folder);
            self.take(templates.found, templates.texts);
        }
    }

    fn connectors(&mut self, folder: &Path) {
        let found = match vendors::load::read(folder, &Catalogue::builtin()) {
            Ok((_, routes)) => routes.into_iter().flat_map(|route| route.warnings).collect(),
            Err(found) => found,
        };
        let texts = texts_of(&found, folder);
        self.take(found, texts);
    }

    fn sinks(&mut self, settings: &Settings) {
        let base = settings.connectors.as_deref().unwrap_or(Path::new("connectors"));
        let found = Sinks::check(settings);
        let texts = texts_of(&found, base);
        // What is wrong with a file of the folder has been told with the folder.
        let news = found.into_iter().filter(|it| !self.found.contains(it)).collect();
        self.take(news, texts);
    }

    /// Policies, and the tests that lie beside them once they load.
    fn policies(&mut self, set: folder::Set, target: &Target, beside: Option<&Path>) {
        match registry::load(set, target, 0, 0) {
            Ok(mut release) => {
                for path in beside.and_then(|folder| folder::files(folder, folder::is_test).ok()).unwrap_or_default() {
                    self.test(&path, &release, target);
                }
                self.take(std::mem::take(&mut release.found), std::mem::take(&mut release.texts));
            }
            Err(refusal) => self.take(refusal.found, refusal.texts),
        }
    }

    /// A file of tests, against the policies beside it.
    fn test_alone(&mut self, path: &Path) {
        let beside = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            Some(_) | None => Path::new("."),
        };
        let target = installation(beside);
        match registry::load(folder::read(beside), &target, 0, 0) {
            Ok(release) => self.test(path, &release, &target),
            Err(refusal) => self.take(refusal.found, refusal.texts),
        }
    }

    /// What is wrong with a file of tests; whether they pass is for `stepward test` to say.
    fn test(&mut self, path: &Path, release: &Release, target: &Target) {
        let shown: Arc<str> = path.display().to_string().into();
        match fs::read_to_string(path) {
            Ok(text) => {
                let report = trial::run(&release.policies, &target.catalogue, &shown, &text);
                self.take(report.diagnostics, Texts::from([(shown, text.into())]));
            }
            Err(error) => self.take(vec![unreadable(&shown, &error)], Texts::new()),
        }
    }

    fn take(&mut self, found: Vec<Diagnostic>, texts: Texts) {
        self.found.extend(found);
        self.texts.extend(texts);
    }
}

/// What the policies of this folder are written for: the `stepward.yaml` beside it that names it, else whatever
/// connectors lie beside it.
pub(super) fn installation(policies: &Path) -> Target {
    let beside = policies.parent().unwrap_or(Path::new(""));
    let same = |other: &Path| fs::canonicalize(other).ok() == fs::canonicalize(policies).ok();
    let loaded = settings::load(&beside.join("stepward.yaml"), Presence::Advised).ok();
    let settings = loaded.map(|loaded| loaded.settings).filter(|settings| same(&settings.policies));
    let connectors = beside.join("connectors");
    target(settings.as_ref(), connectors.is_dir().then_some(&*connectors))
}

/// What policies can name where these settings run; without settings, everything that is built. What is wrong with
/// connectors is told elsewhere: here it only leaves their attributes without a price.
pub(super) fn target(settings: Option<&Settings>, connectors: Option<&Path>) -> Target {
    let folder = settings.map_or(connectors, |settings| settings.connectors.as_deref());
    let none = BTreeMap::new();
    let given = settings.map_or(&none, |settings| &settings.connector_config);
    let vocabulary = Vocabulary::of(folder, given).or_else(|_| Vocabulary::of(None, given)).unwrap_or_default();
    match settings {
        Some(settings) => {
            Target::of(settings, vocabulary.catalogue, |name| vocabulary.told.contains(name), &vocabulary.methods)
                .without(settings, &vocabulary.lost)
        }
        None => {
            let options = Options {
                methods: registry::METHODS_BUILT.into_iter().collect(),
                upstreams: None,
                approvers: None,
                can_mail: true,
            };
            Target { catalogue: vocabulary.catalogue, options, lacking: Lacking::default() }
        }
    }
}

/// The texts that findings about connectors point into; they are named from the folder that holds `connectors`.
pub(super) fn texts_of(found: &[Diagnostic], connectors: &Path) -> Texts {
    let base = connectors.parent().unwrap_or(Path::new(""));
    let text = |file: &Arc<str>| Some((file.clone(), fs::read_to_string(base.join(&**file)).ok()?.into()));
    found.iter().filter_map(|finding| text(&finding.file)).collect()
}

/// A policy alone, as a set.
fn one_file(path: &Path) -> folder::Set {
    let shown: Arc<str> = path.display().to_string().into();
    match fs::read_to_string(path) {
        Ok(text) => folder::Set { texts: Texts::from([(shown, text.into())]), found: Vec::new() },
        Err(error) => folder::Set { texts: Texts::new(), found: vec![unreadable(&shown, &error)] },
    }
}

fn unreadable(shown: &Arc<str>, error: &std::io::Error) -> Diagnostic {
    Diagnostic::error("file.unreadable", shown, 0..0, format!("cannot read `{shown}`: {error}"))
        .help("it has to be a file of text in UTF-8 that this user may read")
}

/// Settings begin their document with other keys than a policy does.
fn is_settings(path: &Path) -> bool {
    let named = path.file_name().is_some_and(|name| name == "stepward.yaml");
    let begins = |text: String| text.lines().any(|line| line.starts_with("listen:") || line.starts_with("upstreams:"));
    named || fs::read_to_string(path).is_ok_and(begins)
}

impl From<Shape> for Format {
    fn from(shape: Shape) -> Self {
        match shape {
            Shape::Human => Format::Human,
            Shape::Json => Format::Json,
            Shape::Github => Format::Github,
            Shape::Sarif => Format::Sarif,
        }
    }
}
