//! The files of themes as they are served: named by a hash of what is in them, so that they are kept for ever and never
//! shown old. They are the same for everybody; which of them a page refers to is its tenant's.

use std::{collections::BTreeMap, sync::Arc};

use http::{StatusCode, header};
use minijinja::{Value, context};

use crate::{
    challenges::{PREFIX, page},
    reply::Reply,
    settings::pages::{Pages, logo::Logo, theme::Theme},
};

/// A picture that is opened by itself runs nothing, fetches nothing and is of no origin.
const OF_A_PICTURE: &str = "default-src 'none'; sandbox";

/// Every file of every theme, by its name under `/.stepward/`, and what templates refer to for each tenant.
pub struct Themes {
    files: BTreeMap<String, (&'static str, bytes::Bytes)>,
    usual: Value,
    tenants: BTreeMap<Arc<str>, Value>,
}

impl Themes {
    /// Of these settings; they do not change while the process runs.
    pub fn of(settings: &Pages) -> Self {
        let mut files = BTreeMap::new();
        for theme in settings.all_themes() {
            files.insert(css_name(theme), ("text/css; charset=utf-8", theme.css.to_string().into()));
            for logo in [&theme.logo, &theme.logo_dark].into_iter().flatten() {
                files.insert(logo_name(logo), (logo.media_type, logo.bytes.clone()));
            }
        }
        let usual = settings.theme.as_deref().map_or_else(|| context! {}, references);
        let tenants = settings.themes.iter().map(|(tenant, theme)| (tenant.clone(), references(theme))).collect();
        Themes { files, usual, tenants }
    }

    /// What templates refer to for a tenant: `theme.css`, `theme.logo`, `theme.logo_dark`, each if it is there.
    pub fn of_tenant(&self, tenant: &str) -> Value {
        self.tenants.get(tenant).unwrap_or(&self.usual).clone()
    }

    /// A file by its name.
    pub fn file(&self, name: &str) -> Option<Reply> {
        let (media_type, bytes) = self.files.get(name)?;
        let mut reply = page::harden(Reply::new(StatusCode::OK, media_type, bytes.clone()));
        reply.headers.retain(|(name, _)| *name != header::CACHE_CONTROL);
        reply.set(header::CACHE_CONTROL, "public, max-age=31536000, immutable");
        if media_type.starts_with("image/") {
            reply.headers.retain(|(name, _)| *name != header::CONTENT_SECURITY_POLICY);
            reply.set(header::CONTENT_SECURITY_POLICY, OF_A_PICTURE);
        }
        Some(reply)
    }
}

fn references(theme: &Theme) -> Value {
    let address = |name: String| format!("{PREFIX}{name}");
    let logo = |logo: &Option<Arc<Logo>>| logo.as_ref().map(|it| address(logo_name(it)));
    context! { css => address(css_name(theme)), logo => logo(&theme.logo), logo_dark => logo(&theme.logo_dark) }
}

fn css_name(theme: &Theme) -> String {
    format!("theme-{}.css", fingerprint(theme.css.as_bytes()))
}

fn logo_name(logo: &Logo) -> String {
    format!("logo-{}.{}", fingerprint(&logo.bytes), logo.extension)
}

/// Twelve bytes of SHA-256 tell files apart.
fn fingerprint(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    data_encoding::HEXLOWER.encode(digest.as_ref().get(..12).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use crate::{
        challenges::page::Files,
        settings::pages::{document, theme},
    };

    #[test]
    fn what_a_theme_leaves_out_is_as_it_is_without_one() {
        let page = String::from_utf8(Files::get("page.css").unwrap().data.into_owned()).unwrap();
        let page: String = page.split_whitespace().collect::<String>().replace("#fff;", "#ffffff;");
        let css = theme::css(&document::Theme::default());
        let variables: Vec<&str> = css.split(['{', '}', ';']).filter(|it| it.starts_with("--")).collect();
        assert_eq!(variables.len(), 20, "ten colours, twice");
        for variable in variables {
            assert!(page.contains(variable), "page.css has another `{variable}`");
        }
    }
}
