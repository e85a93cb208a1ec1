//! How Stepward's own pages look and speak: names, messages, templates, and a theme for each tenant.
//!
//! A theme is colours, a few sizes and a logo, never a style sheet: everything is read into values and written anew, so
//! that nothing in the file can break out of what it stands for. Colours that people could not tell apart are errors.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use crate::settings::{document::Document, pages::theme::Theme, parse::Parser};

pub mod colour;
pub mod document;
pub mod logo;
pub mod theme;

/// How pages look and speak.
#[derive(Clone, Debug)]
pub struct Pages {
    /// What the protected service is called.
    pub service_name: Arc<str>,
    /// Language where the browser's are not there.
    pub language: Arc<str>,
    /// Folder of `*.ftl` files that add to or replace messages.
    pub locales: Option<PathBuf>,
    /// Folder of `*.html` files that replace templates.
    pub templates: Option<PathBuf>,
    /// What tenants look like that have no theme of their own.
    pub theme: Option<Arc<Theme>>,
    /// What single tenants look like.
    pub themes: BTreeMap<Arc<str>, Arc<Theme>>,
}

impl Default for Pages {
    fn default() -> Self {
        let usual = document::Pages::default();
        Pages {
            service_name: usual.service_name.into(),
            language: usual.language.into(),
            locales: None,
            templates: None,
            theme: None,
            themes: BTreeMap::new(),
        }
    }
}

impl Pages {
    /// The theme of a tenant.
    pub fn theme_of(&self, tenant: &str) -> Option<&Arc<Theme>> {
        self.themes.get(tenant).or(self.theme.as_ref())
    }

    /// Every theme there is.
    pub fn all_themes(&self) -> impl Iterator<Item = &Arc<Theme>> {
        self.theme.iter().chain(self.themes.values())
    }
}

impl Parser<'_> {
    /// The section `pages`.
    pub(super) fn pages(&mut self, document: &Document) -> Pages {
        let pages = &document.pages;
        let mut themes = BTreeMap::new();
        for (tenant, theme) in &pages.themes {
            if !document.routes.iter().any(|route| route.tenant == *tenant) {
                let message = format!("no route has the tenant `{tenant}`");
                self.warning("tenant.unknown", &["pages", "themes", tenant], &message, "give a route this `tenant`");
            }
            themes.insert(tenant.as_str().into(), Arc::new(self.theme(theme, &["pages", "themes", tenant])));
        }
        Pages {
            service_name: pages.service_name.as_str().into(),
            language: pages.language.as_str().into(),
            locales: pages.locales.as_ref().map(|it| self.folder(it, &["pages", "locales"])),
            templates: pages.templates.as_ref().map(|it| self.folder(it, &["pages", "templates"])),
            theme: pages.theme.as_ref().map(|it| Arc::new(self.theme(it, &["pages", "theme"]))),
            themes,
        }
    }

    fn theme(&mut self, theme: &document::Theme, at: &[&str]) -> Theme {
        let under = |name: &'static str| [at, &[name]].concat();
        for (name, written, scheme) in
            [("light", &theme.light, theme::Scheme::Light), ("dark", &theme.dark, theme::Scheme::Dark)]
        {
            for poor in theme::Colours::of(scheme, written).poor() {
                let mut place = under(name);
                // Where one of the two is written, else the colours as a whole.
                let names = theme::written(written);
                place.extend([poor.ink, poor.on].into_iter().find(|it| names.contains(it)));
                let help = "choose a darker or a lighter one";
                self.error("theme.contrast", &place, &poor.told(name), help);
            }
        }
        let mut logo = |name: &'static str, path: &Option<String>| {
            let place = under(name);
            let file = self.present(path.as_ref()?, &place);
            if !file.is_file() {
                return None;
            }
            match logo::read(&file) {
                Ok(logo) => Some(Arc::new(logo)),
                Err(why) => {
                    let help = "a logo is a PNG, WebP or SVG file of at most 64 KiB, without scripts";
                    self.error("theme.logo", &place, &format!("`{}` {why}", file.display()), help);
                    None
                }
            }
        };
        let (light, dark) = (logo("logo", &theme.logo), logo("logo_dark", &theme.logo_dark));
        if light.is_none() && theme.logo.is_none() && theme.logo_dark.is_some() {
            let help = "add `logo`, which is shown where nothing says otherwise";
            self.error("theme.logo", &under("logo_dark"), "`logo_dark` alone is no logo", help);
        }
        Theme { css: theme::css(theme).into(), logo: light, logo_dark: dark }
    }
}

#[cfg(test)]
mod tests;
