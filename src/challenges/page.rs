//! Stepward's own pages and the files they need: templates that escape by themselves, and the headers that keep other
//! sites and injected markup out. A template that cannot be rendered gives an empty 500, never half a page.

use std::{borrow::Cow, sync::Arc};

use http::{HeaderName, StatusCode, header};
use minijinja::{Environment, Value, context};

use crate::{challenges::Trouble, locale::Locale, reply::Reply};

/// No inline anything. `form-action` is missing on purpose: Chromium would apply it to the redirects that follow a
/// form, and an app may answer the resumed request with one to another origin (w3c/webappsec-csp#8).
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; frame-ancestors 'self'";

#[derive(rust_embed::RustEmbed)]
#[folder = "pages/"]
struct Files;

/// The templates, parsed.
pub struct Pages {
    templates: Environment<'static>,
    /// What the protected service is called.
    pub service: Arc<str>,
}

impl Pages {
    /// Parses every template.
    ///
    /// # Errors
    /// When one does not parse.
    pub fn new(service: Arc<str>) -> Result<Self, Trouble> {
        let mut templates = Environment::new();
        for name in Files::iter().filter(|name| name.ends_with(".html")) {
            let text = Files::get(&name).map(|file| String::from_utf8_lossy(&file.data).into_owned());
            let added = templates.add_template_owned(name.into_owned(), text.unwrap_or_default());
            added.map_err(|error| Trouble::Page(error.to_string()))?;
        }
        Ok(Pages { templates, service })
    }

    /// A page in this language. `content` is what the template needs besides `title`.
    pub fn render(&self, locale: &Locale, status: StatusCode, template: &str, title: &str, content: Value) -> Reply {
        let common = context! {
            lang => locale.tag.clone(), dir => locale.direction, t => locale.plain.clone(), service => self.service.to_string(), title => title,
        };
        let page = self.templates.get_template(template).and_then(|it| it.render(context! { ..content, ..common }));
        let mut reply = match page {
            Ok(html) => Reply::new(status, "text/html; charset=utf-8", html),
            Err(error) => {
                tracing::error!(template, %error, "a page could not be rendered");
                Reply::new(StatusCode::INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", "")
            }
        };
        reply.set(header::CONTENT_LANGUAGE, &locale.tag);
        harden(reply)
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
    use crate::locale::Locales;

    #[test]
    fn every_page_stays_within_thirty_kilobytes_with_its_style_and_scripts() {
        let pages: usize = Files::iter().filter_map(|name| Files::get(&name)).map(|file| file.data.len()).sum();
        assert!(pages < 30 * 1024, "{pages} bytes in all");
        assert!(Files::get("stepward.js").is_some_and(|file| file.data.len() <= 3 * 1024));
    }

    #[test]
    fn what_a_request_says_is_escaped_wherever_a_page_shows_it() {
        let locales = Locales::load("en", None).expect("messages");
        let pages = Pages::new("Bank <b>".into()).expect("pages");
        let hostile = r#""><img src=x onerror=alert(1)>{{ 7*7 }}</script><script>alert(1)</script>"#;
        for template in Files::iter().filter(|it| it.ends_with(".html")) {
            let content = context! {
                error => hostile, why => hostile, event => hostile, tell => hostile, shown => vec![(hostile, hostile)],
                method => "totp", action => hostile, reference => hostile, text => hostile, detail => hostile,
                target => hostile, go_on => hostile, home => hostile, codes => vec![hostile], next => hostile,
                others => vec![context! { href => hostile, label => hostile }], key => hostile, picture => hostile,
                authenticators => vec![context! { id => hostile, label => hostile, remove => hostile }],
                passed => true, resume => hostile, recovery => hostile, base => hostile, suffix => hostile,
            };
            let reply = pages.render(locales.choose(None, None), StatusCode::OK, &template, hostile, content);
            let html = String::from_utf8(reply.body.to_vec()).expect("text");
            assert_eq!(reply.status, StatusCode::OK, "{template}");
            assert!(!html.contains("<img src=x") && !html.contains("<script>"), "{template}: {html}");
            assert!(!html.contains("<b>") && !html.contains("49"), "{template}");
        }
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
