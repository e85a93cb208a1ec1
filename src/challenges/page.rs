//! Stepward's own pages and the files they need: templates that escape by themselves, a theme for each tenant, and the
//! headers that keep other sites and injected markup out. An operator's template that cannot be rendered gives way to
//! the built-in one, and that one, should it ever fail, to an empty 500: never half a page.

use std::{borrow::Cow, ops::Deref, sync::Arc};

use arc_swap::ArcSwapOption;
use fluent_bundle::FluentArgs;
use http::{HeaderName, StatusCode, header};
use minijinja::{Environment, Value, context};
use stepward_core::diagnostic::{Diagnostic, Severity};

use crate::{challenges::Trouble, locale::Locale, render, reply::Reply, settings};

pub mod samples;
pub mod seen;
pub mod templates;
pub mod themes;

/// No inline anything. `form-action` is missing on purpose: Chromium would apply it to the redirects that follow a
/// form, and an app may answer the resumed request with one to another origin (w3c/webappsec-csp#8).
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; frame-ancestors 'self'";

#[derive(rust_embed::RustEmbed)]
#[folder = "pages/"]
struct Files;

/// Everything pages are made of.
pub struct Pages {
    /// What the protected service is called.
    pub service: Arc<str>,
    settings: settings::pages::Pages,
    built_in: Environment<'static>,
    /// The built-in templates with the operator's over them, if there are any; swapped whole.
    own: ArcSwapOption<Environment<'static>>,
    themes: themes::Themes,
}

/// How pages speak to one client and look to it: its language, and its tenant's theme.
pub struct Voice {
    locale: Arc<Locale>,
    theme: Value,
}

impl Deref for Voice {
    type Target = Locale;

    fn deref(&self) -> &Locale {
        &self.locale
    }
}

impl Pages {
    /// Parses every template.
    ///
    /// # Errors
    /// When one of them, built in or the operator's, cannot be used.
    pub fn new(settings: &settings::pages::Pages) -> Result<Self, Trouble> {
        let built_in = templates::built_in().map_err(|error| Trouble::Page(vec![error.to_string()]))?;
        let pages = Pages {
            service: settings.service_name.clone(),
            themes: themes::Themes::of(settings),
            settings: settings.clone(),
            built_in,
            own: ArcSwapOption::empty(),
        };
        pages.reload().map_err(Trouble::Page)?;
        Ok(pages)
    }

    /// Reads the operator's templates again. What cannot be used leaves the last good ones at work.
    ///
    /// # Errors
    /// Every error, one line each, with its place.
    pub fn reload(&self) -> Result<(), Vec<String>> {
        let Some(folder) = &self.settings.templates else { return Ok(()) };
        let read = templates::read(folder);
        let line = |it: &Diagnostic| render::line(it, &read.texts);
        let (errors, doubts): (Vec<_>, Vec<_>) = read.found.iter().partition(|it| it.severity == Severity::Error);
        if errors.is_empty() {
            for doubt in doubts {
                tracing::warn!(code = doubt.code, "{}", line(doubt));
            }
            self.own.store(read.environment.map(Arc::new));
            return Ok(());
        }
        Err(errors.into_iter().map(line).collect())
    }

    /// How this tenant's pages speak in this language.
    pub fn voice(&self, tenant: &str, locale: Arc<Locale>) -> Voice {
        Voice { theme: self.themes.of_tenant(tenant), locale }
    }

    /// A page in this language. `content` is what the template needs besides `title`.
    pub fn render(&self, voice: &Voice, status: StatusCode, template: &str, title: &str, content: Value) -> Reply {
        let common = context! {
            lang => voice.tag.clone(), dir => voice.direction, t => voice.plain.clone(),
            service => self.service.to_string(), title => title, theme => voice.theme.clone(),
            leave => self.say(voice, "back_to_service"),
        };
        let content = context! { ..content, ..common };
        let mut reply = match self.html(template, content) {
            Ok(html) => Reply::new(status, "text/html; charset=utf-8", html),
            Err(error) => {
                tracing::error!(template, %error, "a page could not be rendered");
                Reply::new(StatusCode::INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", "")
            }
        };
        reply.set(header::CONTENT_LANGUAGE, &voice.tag);
        harden(reply)
    }

    /// By the operator's template; by the built-in one where that fails, for a page that cannot be shown is a dead end.
    fn html(&self, template: &str, content: Value) -> Result<String, minijinja::Error> {
        if let Some(own) = self.own.load_full() {
            match own.get_template(template).and_then(|it| it.render(content.clone())) {
                Ok(html) => return Ok(html),
                Err(error) => tracing::error!(template, %error, "an own template failed; the built-in one is shown"),
            }
        }
        self.built_in.get_template(template)?.render(content)
    }

    /// A message that may name the service.
    pub fn say(&self, locale: &Locale, key: &str) -> String {
        let mut args = FluentArgs::new();
        args.set("service", self.service.to_string());
        locale.say(key, &args)
    }

    /// A script, style sheet or picture by its name under `/.stepward/`. What is built in is never cached for long:
    /// pages and scripts change together with the binary. A theme's files are named by what is in them.
    pub fn file(&self, name: &str) -> Option<Reply> {
        self.themes.file(name).or_else(|| file(name))
    }
}

/// Headers of every answer under `/.stepward/`.
pub fn harden(mut reply: Reply) -> Reply {
    reply.set(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    reply.set(header::REFERRER_POLICY, "same-origin");
    reply.set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    reply.set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    reply
}

/// What a vendor's script may have on a page; anything else that a connector asks for it goes without.
const ALLOWED: [&str; 8] =
    ["script-src", "style-src", "img-src", "font-src", "connect-src", "frame-src", "child-src", "worker-src"];

/// Lets a page load from these places as well, by directive. Only places are taken: nothing that would switch off a
/// protection, such as `'unsafe-inline'`, `*` or `data:`.
pub fn allow(page: &mut Reply, places: &[(String, Vec<String>)]) {
    let mut policy = CONTENT_SECURITY_POLICY.to_string();
    for (directive, sources) in places.iter().filter(|(it, _)| ALLOWED.contains(&it.as_str())) {
        let sources: Vec<&str> = sources.iter().map(String::as_str).filter(|it| is_place(it)).collect();
        if sources.is_empty() {
            continue;
        }
        let (name, more) = (format!("{directive} "), sources.join(" "));
        let with = |part: &str| match part.trim().strip_prefix(&name) {
            Some(own) => format!("{name}{own} {more}"),
            None => part.trim().to_string(),
        };
        let is_there = policy.split(';').any(|it| it.trim().starts_with(&name));
        policy = policy.split(';').map(with).collect::<Vec<_>>().join("; ");
        if !is_there {
            policy = format!("{policy}; {name}{more}");
        }
    }
    page.headers.retain(|(name, _)| *name != header::CONTENT_SECURITY_POLICY);
    page.set(header::CONTENT_SECURITY_POLICY, &policy);
}

/// A host of its own, by https, or by http on this machine; or what a script made itself.
fn is_place(source: &str) -> bool {
    let own_port = source.strip_prefix("http://127.0.0.1").filter(|rest| rest.starts_with(':'));
    let host = source.strip_prefix("https://").or(own_port);
    let is_plain = source.bytes().all(|it| it.is_ascii_alphanumeric() || b":/.*-_".contains(&it));
    source == "blob:" || is_plain && host.is_some_and(|host| host.bytes().any(|it| it.is_ascii_alphanumeric()))
}

/// A script or style sheet by the name under `/.stepward/`. It is never cached for long: pages and scripts change
/// together with the binary.
pub fn file(name: &str) -> Option<Reply> {
    let media_type = match name.rsplit_once('.')?.1 {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        _ => return None,
    };
    let bytes = match Files::get(name)?.data {
        Cow::Borrowed(bytes) => bytes::Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes::Bytes::from(bytes),
    };
    let mut reply = Reply::new(StatusCode::OK, media_type, bytes);
    reply.headers.retain(|(name, _)| *name != header::CACHE_CONTROL);
    reply.set(header::CACHE_CONTROL, "public, max-age=300");
    Some(harden(reply))
}

/// A picture that is drawn for one viewer.
pub fn picture(svg: String) -> Reply {
    harden(Reply::new(StatusCode::OK, "image/svg+xml", svg))
}

/// A date that people read, from milliseconds since the Unix epoch (UTC).
pub fn date(locale: &Locale, at_ms: i64) -> String {
    let Ok(moment) = jiff::Timestamp::from_millisecond(at_ms) else { return String::new() };
    let day = moment.to_zoned(jiff::tz::TimeZone::UTC).date();
    let mut args = fluent_bundle::FluentArgs::new();
    args.set("year", day.year().to_string());
    args.set("month", format!("{:02}", day.month()));
    args.set("day", format!("{:02}", day.day()));
    locale.say("date", &args)
}

/// A moment that people read: the date and the time in UTC.
pub fn moment(locale: &Locale, at_ms: i64) -> String {
    let Ok(moment) = jiff::Timestamp::from_millisecond(at_ms) else { return String::new() };
    let time = moment.to_zoned(jiff::tz::TimeZone::UTC).time();
    format!("{} {:02}:{:02} UTC", date(locale, at_ms), time.hour(), time.minute())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locale::{self, Locales};

    fn voice(pages: &Pages, tag: &str) -> Voice {
        pages.voice("default", Locales::load("en", None).unwrap().choose("default", Some(tag), None))
    }

    fn pages() -> Pages {
        Pages::new(&settings::pages::Pages { service_name: "Bank <b>".into(), ..Default::default() }).unwrap()
    }

    #[test]
    fn every_page_stays_within_thirty_kilobytes_with_its_style_and_scripts_in_every_language() {
        let size = |name: &str| Files::get(name).map_or(0, |file| file.data.len());
        // Everything that a page could load; what apps' pages load is no part of ours, and the browser tests weigh it.
        let loaded = Files::iter().filter(|it| !it.ends_with(".html") && it != "stepward.js");
        let files: usize = loaded.map(|it| size(&it)).sum();
        let pages = pages();
        for (tag, _) in locale::BUILT_IN {
            let voice = voice(&pages, tag);
            for template in Files::iter().filter(|it| it.ends_with(".html")) {
                let content = samples::with("Something of the length of a sentence, as most are.", "email_code", true);
                let content = context! { t => voice.plain.clone(), ..content };
                let html = pages.render(&voice, StatusCode::OK, &template, "Title", content).body.len();
                assert!(html + files < 30 * 1024, "{template} in {tag}: {} bytes", html + files);
            }
        }
    }

    #[test]
    fn what_a_request_says_is_escaped_wherever_a_page_shows_it() {
        let pages = pages();
        let voice = voice(&pages, "en");
        let hostile = r#""><img src=x onerror=alert(1)>{{ 7*7 }}</script><script>alert(1)</script>"#;
        let templates: Vec<_> = Files::iter().filter(|it| it.ends_with(".html")).collect();
        let methods = ["totp", "email_code", "passkey", "push", "id_document", "oidc", "pow"];
        for (template, method) in templates.iter().flat_map(|it| methods.map(|method| (it, method))) {
            let content = samples::with(hostile, method, true);
            let reply = pages.render(&voice, StatusCode::OK, template, hostile, content);
            let html = String::from_utf8(reply.body.to_vec()).expect("text");
            assert_eq!(reply.status, StatusCode::OK, "{template}");
            assert!(!html.contains("<img src=x") && !html.contains("<script>"), "{template}: {html}");
            assert!(!html.contains("<b>") && !html.contains("49"), "{template}");
        }
    }

    /// A folder of templates with this one.
    fn with_template(name: &str, text: &str) -> (tempfile::TempDir, Pages) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), text).unwrap();
        let settings = settings::pages::Pages { templates: Some(folder.path().into()), ..Default::default() };
        let pages = Pages::new(&settings).unwrap();
        (folder, pages)
    }

    fn notice(pages: &Pages) -> String {
        let reply =
            pages.render(&voice(pages, "en"), StatusCode::OK, "notice.html", "T", context! { text => "<told>" });
        String::from_utf8(reply.body.to_vec()).unwrap()
    }

    #[test]
    fn a_template_that_breaks_leaves_the_last_good_one_at_work() {
        let (folder, pages) = with_template("notice.html", "<p>one {{ text }}");
        assert_eq!(notice(&pages), "<p>one &lt;told&gt;");
        std::fs::write(folder.path().join("notice.html"), "<p>\n{% if %}").unwrap();
        let errors = pages.reload().unwrap_err();
        assert!(errors[0].contains("notice.html:2:"), "{errors:?}");
        assert_eq!(notice(&pages), "<p>one &lt;told&gt;");
        std::fs::write(folder.path().join("notice.html"), "<p>two {{ text }}").unwrap();
        pages.reload().unwrap();
        assert_eq!(notice(&pages), "<p>two &lt;told&gt;");
        std::fs::remove_file(folder.path().join("notice.html")).unwrap();
        pages.reload().unwrap();
        assert!(notice(&pages).contains("<!doctype html>"), "the built-in one is back");
    }

    #[test]
    fn a_template_that_fails_for_somebody_gives_way_to_the_built_in_one() {
        let (_folder, pages) =
            with_template("notice.html", "{% if detail == 'x' %}{{ nothing.at.all }}{% endif %}fine");
        assert_eq!(notice(&pages), "fine");
        let content = context! { text => "told", detail => "x" };
        let reply = pages.render(&voice(&pages, "en"), StatusCode::FORBIDDEN, "notice.html", "T", content);
        assert_eq!(reply.status, StatusCode::FORBIDDEN);
        assert!(String::from_utf8(reply.body.to_vec()).unwrap().contains("<!doctype html>"));
    }

    #[test]
    fn a_vendors_places_are_added_and_nothing_that_switches_off_a_protection() {
        let words = |it: &[&str]| it.iter().map(|it| it.to_string()).collect::<Vec<_>>();
        let places = [
            (
                "script-src".into(),
                words(&[
                    "https://js.example",
                    "'unsafe-inline'",
                    "*",
                    "https://*",
                    "data:",
                    "http://127.0.0.1.evil.example",
                ]),
            ),
            ("frame-src".into(), words(&["https://*.example"])),
            ("connect-src".into(), words(&["https://a.example; script-src *"])),
            ("default-src".into(), words(&["https://b.example"])),
            ("frame-ancestors".into(), words(&["https://c.example"])),
        ];
        let mut page = harden(Reply::new(StatusCode::OK, "text/html", ""));
        allow(&mut page, &places);
        let policies: Vec<_> = page.headers.iter().filter(|(it, _)| *it == header::CONTENT_SECURITY_POLICY).collect();
        assert_eq!(policies.len(), 1, "two policies would both hold");
        let expected = CONTENT_SECURITY_POLICY.replace("script-src 'self'", "script-src 'self' https://js.example");
        assert_eq!(policies[0].1.to_str().unwrap(), format!("{expected}; frame-src https://*.example"));
    }

    #[test]
    fn nothing_on_a_page_is_inline() {
        for name in Files::iter().filter(|it| it.ends_with(".html")) {
            let file = Files::get(&name).expect("a file");
            let text = String::from_utf8_lossy(&file.data).into_owned();
            for banned in [" style=", "<style", " onclick", " onsubmit", "javascript:", "<script>"] {
                assert!(!text.contains(banned), "{name} contains {banned}");
            }
        }
    }
}
