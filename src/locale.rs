//! What people read, in their language: Fluent messages, chosen by `?lang` and `Accept-Language` (RFC 9110 §12.5.4).
//!
//! A message that a language lacks is taken from the language it is a variety of, else from the usual one, then from
//! English; a key that nothing has is shown as the key, never as an error. An operator's folder adds languages, replaces single messages, and does so for
//! one tenant in a folder of its name. It never formats markup: what it returns is plain text that a template escapes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use fluent_bundle::{FluentArgs, FluentResource, concurrent::FluentBundle};
use stepward_core::diagnostic::{Diagnostic, Severity};
use unic_langid::{CharacterDirection, LanguageIdentifier};

use crate::render::{self, Texts};

pub mod files;
pub mod negotiate;
pub mod numbers;

/// Built in; the first is what the others fall back to at last.
pub const BUILT_IN: [(&str, &str); 14] = [
    ("en", include_str!("../locales/en.ftl")),
    ("ar", include_str!("../locales/ar.ftl")),
    ("de", include_str!("../locales/de.ftl")),
    ("es", include_str!("../locales/es.ftl")),
    ("fr", include_str!("../locales/fr.ftl")),
    ("he", include_str!("../locales/he.ftl")),
    ("hi", include_str!("../locales/hi.ftl")),
    ("it", include_str!("../locales/it.ftl")),
    ("ja", include_str!("../locales/ja.ftl")),
    ("nl", include_str!("../locales/nl.ftl")),
    ("pl", include_str!("../locales/pl.ftl")),
    ("pt", include_str!("../locales/pt.ftl")),
    ("tr", include_str!("../locales/tr.ftl")),
    ("zh", include_str!("../locales/zh.ftl")),
];

/// Why messages cannot be used: every error, one line each, with its place.
#[derive(Debug, thiserror::Error)]
#[error("messages: {}", .0.join("; "))]
pub struct LocaleError(pub Vec<String>);

/// What was read of an operator's folder.
pub struct Loaded {
    /// The languages, unless there is an error among the findings.
    pub locales: Option<Locales>,
    /// Everything found.
    pub found: Vec<Diagnostic>,
    /// The texts that findings point into.
    pub texts: Texts,
}

/// Every language there is, for every tenant.
pub struct Locales {
    shared: Languages,
    /// Tenants that have messages of their own.
    tenants: BTreeMap<String, Languages>,
}

/// The languages of a tenant.
struct Languages {
    all: Vec<Arc<Locale>>,
    /// The one that is used where the browser's are not there.
    usual: Arc<Locale>,
}

/// One language.
pub struct Locale {
    /// BCP 47 tag, for `lang` and `Content-Language`.
    pub tag: String,
    /// `ltr` or `rtl`, for `dir`.
    pub direction: &'static str,
    /// Messages without arguments, formatted once: what templates look up.
    pub plain: minijinja::Value,
    bundle: FluentBundle<Arc<FluentResource>>,
    /// What it was made of, to put more over it.
    resources: Vec<Arc<FluentResource>>,
    keys: BTreeSet<String>,
    fallback: Option<Arc<Locale>>,
}

impl Locales {
    /// The built-in languages with an operator's folder over them; warnings are logged.
    ///
    /// # Errors
    /// When a file does not parse or the usual language has no messages.
    pub fn load(usual: &str, folder: Option<&Path>) -> Result<Self, LocaleError> {
        let Loaded { locales, found, texts } = read(usual, folder);
        let line = |it: &Diagnostic| render::line(it, &texts);
        if let Some(locales) = locales {
            for finding in &found {
                tracing::warn!(code = finding.code, "{}", line(finding));
            }
            return Ok(locales);
        }
        Err(LocaleError(found.iter().filter(|it| it.severity == Severity::Error).map(line).collect()))
    }

    /// The best language for a request to this tenant: what it asks for by `?lang`, else by `Accept-Language`, else
    /// the usual one.
    pub fn choose(&self, tenant: &str, asked: Option<&str>, accept_language: Option<&str>) -> Arc<Locale> {
        let languages = self.tenants.get(tenant).unwrap_or(&self.shared);
        let wanted = asked.map(str::to_string).into_iter();
        let mut wanted = wanted.chain(accept_language.map(negotiate::preferred).unwrap_or_default());
        wanted.find_map(|tag| languages.named(&tag)).unwrap_or_else(|| languages.usual.clone())
    }

    /// The tags of the languages, for every tenant alike unless it has some of its own.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.shared.all.iter().map(|it| it.tag.as_str())
    }
}

/// The built-in languages with an operator's folder over them, and everything that is wrong with it.
pub fn read(usual: &str, folder: Option<&Path>) -> Loaded {
    let mut files = folder.map(files::read).unwrap_or_default();
    let mut found = std::mem::take(&mut files.found);
    let shared = Languages::of(usual, &files.shared, None);
    if shared.is_none() {
        let message = format!("there are no messages in `{usual}`, the language of `pages`");
        let finding = Diagnostic::error("language.missing", &Arc::from("pages.language"), 0..0, message);
        found.push(finding.help(format!("add `{usual}.ftl` to the folder that `pages.locales` names")));
    }
    let locales = shared.map(|shared| {
        let own = |files| Languages::of(usual, files, Some(&shared));
        let tenants = files.tenants.iter().filter_map(|(tenant, files)| Some((tenant.clone(), own(files)?))).collect();
        Locales { shared, tenants }
    });
    let is_whole = found.iter().all(|it| it.severity != Severity::Error);
    if let Some(locales) = &locales {
        let languages = locales.shared.all.iter().chain(locales.tenants.values().flat_map(|it| &it.all));
        for gap in languages.filter_map(|it| it.gap(&files)) {
            // Tenants have what all have.
            if !found.contains(&gap) {
                found.push(gap);
            }
        }
    }
    Loaded { locales: locales.filter(|_| is_whole), found, texts: files.texts }
}

impl Languages {
    /// `None` where the usual language is not among them. A tenant's files lie over what all tenants have.
    fn of(usual: &str, files: &files::ByTag, under: Option<&Languages>) -> Option<Self> {
        let mut resources: BTreeMap<String, Vec<Arc<FluentResource>>> = BTreeMap::new();
        match under {
            Some(shared) => {
                for locale in &shared.all {
                    resources.insert(locale.tag.clone(), locale.resources.clone());
                }
            }
            None => {
                for (tag, text) in BUILT_IN {
                    // What cannot be read of a built-in text is left out; a test holds that nothing is.
                    let resource = FluentResource::try_new(text.into()).unwrap_or_else(|(resource, _)| resource);
                    resources.insert(tag.into(), vec![Arc::new(resource)]);
                }
            }
        }
        for (tag, more) in files {
            resources.entry(tag.clone()).or_default().extend(more.iter().map(|it| it.resource.clone()));
        }
        let english = Arc::new(Locale::of("en", resources.remove("en")?, None)?);
        let mut all = vec![english.clone()];
        let is_usual = |tag: &str| tag.eq_ignore_ascii_case(usual);
        let mut tags: Vec<String> = resources.keys().cloned().collect();
        // What others rest on comes before them: the usual language, and under it the one it is a variety of.
        tags.sort_by_key(|tag| (tag != primary(usual), !is_usual(tag)));
        for tag in tags {
            let own = all.iter().find(|it| it.tag == primary(&tag));
            let under = own.or_else(|| all.iter().find(|it| is_usual(&it.tag))).unwrap_or(&english).clone();
            all.push(Arc::new(Locale::of(&tag, resources.remove(&tag)?, Some(under))?));
        }
        let usual = all.iter().find(|it| is_usual(&it.tag))?.clone();
        Some(Languages { all, usual })
    }

    fn named(&self, tag: &str) -> Option<Arc<Locale>> {
        if tag == "*" {
            return Some(self.usual.clone());
        }
        let tags: Vec<&str> = self.all.iter().map(|it| it.tag.as_str()).collect();
        self.all.get(negotiate::best(&tags, tag)?).cloned()
    }
}

impl Locale {
    fn of(tag: &str, resources: Vec<Arc<FluentResource>>, fallback: Option<Arc<Locale>>) -> Option<Self> {
        let language: LanguageIdentifier = tag.parse().ok()?;
        let direction = if language.character_direction() == CharacterDirection::RTL { "rtl" } else { "ltr" };
        let mut bundle = FluentBundle::new_concurrent(vec![language]);
        // Isolation is done by `<bdi>` on pages; in mail the marks would be copied along with a code.
        bundle.set_use_isolating(false);
        let mut keys = BTreeSet::new();
        for resource in &resources {
            keys.extend(files::keys(resource));
            bundle.add_resource_overriding(resource.clone());
        }
        let (tag, plain) = (tag.to_string(), minijinja::Value::UNDEFINED);
        let mut locale = Locale { tag, direction, plain, bundle, resources, keys, fallback };
        let plain = locale.every_key().into_iter().map(|key| (key.to_string(), locale.text(key)));
        locale.plain = plain.collect::<BTreeMap<_, _>>().into();
        Some(locale)
    }

    /// Its keys and those of what stands in for it.
    fn every_key(&self) -> BTreeSet<&str> {
        let inherited = self.fallback.as_ref().map(|it| it.every_key()).unwrap_or_default();
        self.keys.iter().map(String::as_str).chain(inherited).collect()
    }

    /// A warning where a language of the operator's lacks messages that English has. A variety of a language, such as
    /// `de-CH`, need not say again what that says.
    fn gap(&self, files: &files::Files) -> Option<Diagnostic> {
        let file = files.first(&self.tag)?;
        let stand_in = self.fallback.as_ref().filter(|it| it.tag != primary(&self.tag))?;
        let lacking: Vec<&str> = files::built_in().keys().copied().filter(|key| !self.keys.contains(*key)).collect();
        if lacking.is_empty() {
            return None;
        }
        let message = format!("`{}` lacks {} messages: `{}`", self.tag, lacking.len(), lacking.join("`, `"));
        let finding = Diagnostic::warning("message.missing", file, 0..0, message);
        Some(finding.help(format!("translate them; until then they are shown in `{}`", stand_in.tag)))
    }

    /// A message without arguments.
    pub fn text(&self, key: &str) -> String {
        self.say(key, &FluentArgs::new())
    }

    /// A message with arguments.
    pub fn say(&self, key: &str, args: &FluentArgs<'_>) -> String {
        let Some(pattern) = self.bundle.get_message(key).and_then(|message| message.value()) else {
            return self.fallback.as_ref().map_or_else(|| key.to_string(), |other| other.say(key, args));
        };
        // What cannot be filled in stays visible as `{$name}`; there is nothing better to show.
        self.bundle.format_pattern(pattern, Some(args), &mut Vec::new()).into_owned()
    }

    /// A message that may not exist.
    pub fn perhaps(&self, key: &str) -> Option<String> {
        let known = |locale: &Locale| locale.bundle.has_message(key);
        let mut here = Some(self);
        while let Some(locale) = here {
            if known(locale) {
                return Some(locale.text(key));
            }
            here = locale.fallback.as_deref();
        }
        None
    }

    /// A number as it is written in this language: `1234.5` is `1.234,5` in German. What is no plain decimal number
    /// is given back as it is.
    pub fn number(&self, plain: &str) -> String {
        numbers::like(&self.text("number"), plain)
    }
}

/// `de` of `de-CH`.
fn primary(tag: &str) -> &str {
    tag.split('-').next().unwrap_or_default()
}

/// `transfer money` with the prefix `event` is the key `event_transfer_money`.
pub fn key(prefix: &str, name: &str) -> String {
    let name: String =
        name.chars().map(|it| if it.is_ascii_alphanumeric() { it.to_ascii_lowercase() } else { '_' }).collect();
    format!("{prefix}_{name}")
}

#[cfg(test)]
mod tests;
