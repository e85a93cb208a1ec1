//! What people read, in their language: Fluent messages, chosen by `?lang` and `Accept-Language` (RFC 9110 §12.5.4).
//!
//! A message that a language lacks is taken from English; a key that nothing has is shown as the key, never as an
//! error. It never formats markup: what it returns is plain text that a template escapes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Arc,
};

use fluent_bundle::{FluentArgs, FluentResource, concurrent::FluentBundle};
use unic_langid::{CharacterDirection, LanguageIdentifier};

/// Built in; the first is what the others fall back to.
const BUILT_IN: [(&str, &str); 3] = [
    ("en", include_str!("../locales/en.ftl")),
    ("de", include_str!("../locales/de.ftl")),
    ("ar", include_str!("../locales/ar.ftl")),
];

/// Why messages cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LocaleError {
    /// The language of `pages` has no messages.
    #[error("there are no messages in `{0}`; add `{0}.ftl` to `pages.locales`")]
    Missing(String),
    /// A file does not parse, or repeats itself.
    #[error("messages `{name}`: {detail}")]
    Unreadable {
        /// The file.
        name: String,
        /// What is wrong.
        detail: String,
    },
}

/// Every language there is.
pub struct Locales {
    languages: Vec<Arc<Locale>>,
    /// Index of the one that is used where the browser's are not there.
    usual: usize,
}

/// One language.
pub struct Locale {
    /// BCP 47 tag, for `lang` and `Content-Language`.
    pub tag: String,
    /// `ltr` or `rtl`, for `dir`.
    pub direction: &'static str,
    bundle: FluentBundle<FluentResource>,
    keys: BTreeSet<String>,
    /// Messages without arguments, formatted once: what templates look up.
    pub plain: minijinja::Value,
    fallback: Option<Arc<Locale>>,
}

impl Locales {
    /// The built-in languages with an operator's folder of `<tag>.ftl` files over them.
    ///
    /// # Errors
    /// When a file does not parse or the usual language has no messages.
    pub fn load(usual: &str, folder: Option<&Path>) -> Result<Self, LocaleError> {
        let mut texts: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for (tag, text) in BUILT_IN {
            texts.entry(tag.to_string()).or_default().push((format!("{tag}.ftl"), text.to_string()));
        }
        for (tag, name, text) in folder.map(read_folder).transpose()?.unwrap_or_default() {
            texts.entry(tag).or_default().push((name, text));
        }
        let english = Arc::new(Locale::of("en", texts.remove("en").unwrap_or_default(), None)?);
        let mut languages = vec![english.clone()];
        for (tag, text) in texts {
            languages.push(Arc::new(Locale::of(&tag, text, Some(english.clone()))?));
        }
        let usual =
            languages.iter().position(|it| it.tag == usual).ok_or_else(|| LocaleError::Missing(usual.into()))?;
        Ok(Locales { languages, usual })
    }

    /// The best language for a request: what it asks for by `?lang`, else by `Accept-Language`, else the usual one.
    pub fn choose(&self, asked: Option<&str>, accept_language: Option<&str>) -> &Locale {
        let wanted = asked.into_iter().map(str::to_string).chain(accept_language.map(preferred).unwrap_or_default());
        wanted.filter_map(|tag| self.named(&tag)).next().unwrap_or(&self.languages[self.usual])
    }

    /// The language of this tag, or of its primary part (`de` for `de-CH`).
    pub fn named(&self, tag: &str) -> Option<&Locale> {
        let tag = tag.to_ascii_lowercase();
        let primary = tag.split('-').next().unwrap_or_default();
        let find = |wanted: &str| self.languages.iter().find(|it| it.tag.eq_ignore_ascii_case(wanted));
        find(&tag).or_else(|| find(primary)).map(|it| &**it)
    }
}

impl Locale {
    fn of(tag: &str, texts: Vec<(String, String)>, fallback: Option<Arc<Locale>>) -> Result<Self, LocaleError> {
        let language: LanguageIdentifier = tag.parse().map_err(|_| LocaleError::Unreadable {
            name: tag.into(),
            detail: "its name is not a language tag".into(),
        })?;
        let direction = if language.character_direction() == CharacterDirection::RTL { "rtl" } else { "ltr" };
        let mut bundle = FluentBundle::new_concurrent(vec![language]);
        // Isolation is done by `<bdi>` on pages; in mail the marks would be copied along with a code.
        bundle.set_use_isolating(false);
        let mut keys = Vec::new();
        for (name, text) in texts {
            let resource = FluentResource::try_new(text).map_err(|(_, errors)| LocaleError::Unreadable {
                name,
                detail: errors.first().map(ToString::to_string).unwrap_or_default(),
            })?;
            keys.extend(keys_of(resource.source()).map(str::to_string));
            bundle.add_resource_overriding(resource);
        }
        let mut locale = Locale {
            tag: tag.to_string(),
            direction,
            bundle,
            keys: BTreeSet::new(),
            plain: minijinja::Value::UNDEFINED,
            fallback,
        };
        locale.keys = keys.into_iter().chain(locale.fallback.iter().flat_map(|it| it.keys.iter().cloned())).collect();
        let plain: BTreeMap<String, String> = locale.keys.iter().map(|key| (key.clone(), locale.text(key))).collect();
        locale.plain = minijinja::Value::from(plain);
        Ok(locale)
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
        (known(self) || self.fallback.as_ref().is_some_and(|it| known(it))).then(|| self.text(key))
    }
}

/// `transfer money` with the prefix `event` is the key `event_transfer_money`.
pub fn key(prefix: &str, name: &str) -> String {
    let name: String =
        name.chars().map(|it| if it.is_ascii_alphanumeric() { it.to_ascii_lowercase() } else { '_' }).collect();
    format!("{prefix}_{name}")
}

/// The keys of a file: in Fluent a message begins at the start of a line.
fn keys_of(text: &str) -> impl Iterator<Item = &str> {
    let named = text.lines().filter(|line| line.starts_with(|it: char| it.is_ascii_alphabetic()));
    named.filter_map(|line| line.split_once('=')).map(|(key, _)| key.trim())
}

/// Language tags by preference; at most 16 are looked at, so that a long header costs nothing.
fn preferred(accept_language: &str) -> Vec<String> {
    let mut wanted: Vec<(f32, String)> = accept_language
        .split(',')
        .take(16)
        .filter_map(|part| {
            let mut parts = part.trim().split(';');
            let tag = parts.next()?.trim();
            let weight = parts.find_map(|it| it.trim().strip_prefix("q=")).map_or(Some(1.0), |it| it.parse().ok())?;
            (!tag.is_empty() && weight > 0.0).then(|| (weight, tag.to_string()))
        })
        .collect();
    wanted.sort_by(|a, b| b.0.total_cmp(&a.0));
    wanted.into_iter().map(|(_, tag)| tag).collect()
}

fn read_folder(folder: &Path) -> Result<Vec<(String, String, String)>, LocaleError> {
    let trouble = |name: &Path, error: std::io::Error| LocaleError::Unreadable {
        name: name.display().to_string(),
        detail: error.to_string(),
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| trouble(folder, error))? {
        let path = entry.map_err(|error| trouble(folder, error))?.path();
        if path.extension().is_some_and(|it| it == "ftl") {
            let tag = path.file_stem().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
            let text = fs::read_to_string(&path).map_err(|error| trouble(&path, error))?;
            found.push((tag, path.display().to_string(), text));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each key with the names of its arguments.
    fn messages(text: &str) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut messages = BTreeMap::new();
        let mut current = "";
        for line in text.lines() {
            if let Some(key) = keys_of(line).next() {
                assert!(messages.insert(key, BTreeSet::new()).is_none(), "{key} is there twice");
                current = key;
            }
            for name in line.split('$').skip(1) {
                let name = name.split(|it: char| !it.is_ascii_alphanumeric()).next().expect("a name");
                messages.get_mut(current).expect("a message has begun").insert(name);
            }
        }
        messages
    }

    #[test]
    fn every_message_exists_in_every_language_with_the_same_arguments() {
        let english = messages(BUILT_IN[0].1);
        assert!(english.values().any(|names| !names.is_empty()), "arguments are found at all");
        for (tag, text) in BUILT_IN {
            assert_eq!(messages(text), english, "{tag}.ftl differs from en.ftl");
        }
    }

    #[test]
    fn languages_are_chosen_by_what_is_asked_then_by_the_browser_then_as_usual() {
        let locales = Locales::load("de", None).expect("built-in messages load");
        let cases = [
            (Some("ar"), Some("en"), "ar"),
            (Some("xx"), Some("en"), "en"),
            (None, Some("fr;q=0.9, en-GB;q=0.8"), "en"),
            (None, Some("en;q=0.1, ar-EG"), "ar"),
            (None, Some("en;q=0, ;;;q=, *"), "de"),
            (None, None, "de"),
        ];
        for (asked, accepted, expected) in cases {
            assert_eq!(locales.choose(asked, accepted).tag, expected, "{asked:?} {accepted:?}");
        }
        assert_eq!(locales.choose(Some("ar"), None).direction, "rtl");
        assert_eq!(locales.choose(Some("en"), None).direction, "ltr");
    }

    #[test]
    fn an_operators_folder_replaces_messages_and_adds_languages() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("en.ftl"), "confirm = Go\n").expect("written");
        fs::write(folder.path().join("fr.ftl"), "confirm = Confirmer\n").expect("written");
        let locales = Locales::load("fr", Some(folder.path())).expect("loads");
        assert_eq!(locales.choose(None, None).text("confirm"), "Confirmer");
        assert_eq!(locales.choose(None, None).text("save"), "Save", "English stands in");
        assert_eq!(locales.choose(Some("en"), None).text("confirm"), "Go");
        fs::write(folder.path().join("fr.ftl"), "confirm = { \n").expect("written");
        assert!(Locales::load("fr", Some(folder.path())).is_err(), "a file that does not parse is told");
    }
}
