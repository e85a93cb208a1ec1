//! From the colours and sizes of a theme to the style sheet that is served: values of CSS variables that `page.css`
//! uses, and nothing else.

use std::sync::Arc;

use crate::settings::pages::{colour::Colour, document, logo::Logo};

/// How the pages of a tenant look.
#[derive(Clone, Debug)]
pub struct Theme {
    /// A style sheet to come after `page.css`.
    pub css: Arc<str>,
    /// The logo.
    pub logo: Option<Arc<Logo>>,
    /// The logo where the device is dark.
    pub logo_dark: Option<Arc<Logo>>,
}

/// Which colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Those of a light device.
    Light,
    /// Those of a dark one.
    Dark,
}

/// Each colour: its name in the settings, its variable in `page.css`, and what it is there without a theme.
const COLOURS: [(&str, &str, &str, &str); 10] = [
    ("text", "ink", "#14181f", "#eef1f5"),
    ("quiet", "quiet", "#4a5361", "#b8c0cc"),
    ("page", "paper", "#f1f3f7", "#0c0f14"),
    ("card", "card", "#ffffff", "#161b22"),
    ("fill", "fill", "#f6f7fa", "#1e252e"),
    ("accent", "accent", "#0b57d0", "#8ab4f8"),
    ("on_accent", "on-accent", "#ffffff", "#0b1220"),
    ("error", "alarm", "#b3261e", "#ffb4ab"),
    ("border", "line", "#6b7480", "#8a94a3"),
    ("divider", "edge", "#d6dae1", "#2c333d"),
];

/// What is drawn on what by `page.css`, and the contrast that it needs (WCAG 2.2, 1.4.3 and 1.4.11).
const PAIRS: [(&str, &str, f64); 8] = [
    ("text", "card", 4.5),
    ("text", "fill", 4.5),
    ("quiet", "card", 4.5),
    ("quiet", "fill", 4.5),
    ("accent", "card", 4.5),
    ("on_accent", "accent", 4.5),
    ("error", "card", 4.5),
    ("border", "card", 3.0),
];

/// The colours of a scheme, in the order of [`COLOURS`].
pub struct Colours([Colour; 10]);

/// Two colours that people could not tell apart well enough.
pub struct Poor {
    /// What is drawn.
    pub ink: &'static str,
    /// What it is drawn on.
    pub on: &'static str,
    colours: (Colour, Colour),
    needed: f64,
}

impl Colours {
    /// Those that are written, over those that are there anyway.
    pub fn of(scheme: Scheme, written: &document::Colours) -> Self {
        let mut at = 0;
        Colours(COLOURS.map(|(_, _, light, dark)| {
            let usual = match scheme {
                Scheme::Light => light,
                Scheme::Dark => dark,
            };
            let own = fields(written)[at].1.as_deref().and_then(Colour::parse);
            at += 1;
            own.or_else(|| Colour::parse(usual)).unwrap_or(Colour::BLACK)
        }))
    }

    /// Every pair with too little contrast.
    pub fn poor(&self) -> Vec<Poor> {
        let of = |name: &str| COLOURS.iter().zip(&self.0).find(|(it, _)| it.0 == name).map(|(_, colour)| *colour);
        let pairs = PAIRS.iter().filter_map(|(ink, on, needed)| {
            let colours = (of(ink)?, of(on)?);
            (colours.0.contrast(colours.1) < *needed).then_some(Poor { ink, on, colours, needed: *needed })
        });
        pairs.collect()
    }

    fn variables(&self) -> String {
        COLOURS.iter().zip(&self.0).map(|((_, variable, ..), colour)| format!("--{variable}:{colour};")).collect()
    }
}

impl Poor {
    /// In words, with the ratio; it is never rounded up to what is needed.
    pub fn told(&self, scheme: &str) -> String {
        let ratio = (self.colours.0.contrast(self.colours.1) * 100.0).floor() / 100.0;
        let (ink, on, needed) = (self.ink, self.on, self.needed);
        let what = if needed < 4.5 { "the border of a field" } else { "text" };
        format!(
            "{scheme}: `{ink}` ({}) on `{on}` ({}) has a contrast of {ratio:.2}:1; {what} needs {needed}:1",
            self.colours.0, self.colours.1
        )
    }
}

/// The names of the colours that are written.
pub fn written(colours: &document::Colours) -> Vec<&'static str> {
    fields(colours).into_iter().filter(|(_, it)| it.is_some()).map(|(name, _)| name).collect()
}

/// In the order of [`COLOURS`].
fn fields(it: &document::Colours) -> [(&'static str, &Option<String>); 10] {
    [
        ("text", &it.text),
        ("quiet", &it.quiet),
        ("page", &it.page),
        ("card", &it.card),
        ("fill", &it.fill),
        ("accent", &it.accent),
        ("on_accent", &it.on_accent),
        ("error", &it.error),
        ("border", &it.border),
        ("divider", &it.divider),
    ]
}

/// The style sheet of a theme.
pub fn css(theme: &document::Theme) -> String {
    let light = Colours::of(Scheme::Light, &theme.light).variables();
    let dark = Colours::of(Scheme::Dark, &theme.dark).variables();
    let radius = theme.radius.as_deref().filter(|it| is_radius(it)).map(|it| format!("--radius:{it};"));
    let faces: Vec<String> = theme.font.iter().filter(|it| is_typeface(it)).map(|it| face(it)).collect();
    let font = (!faces.is_empty()).then(|| format!("--font:{},sans-serif;", faces.join(",")));
    let sizes = [radius, font].into_iter().flatten().collect::<String>();
    format!(":root{{{light}{sizes}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}")
}

/// `8px`, `0.5rem`: up to 32 pixels or twice the size of letters.
pub fn is_radius(text: &str) -> bool {
    let within = |number: &str, most: f64| {
        let plain = number.bytes().all(|it| it.is_ascii_digit() || it == b'.') && (1..=5).contains(&number.len());
        plain && number.as_bytes()[0].is_ascii_digit() && number.parse::<f64>().is_ok_and(|it| it <= most)
    };
    match text.strip_suffix("rem") {
        Some(number) => within(number, 2.0),
        None => text.strip_suffix("px").is_some_and(|number| within(number, 32.0)),
    }
}

/// The name of a typeface: letters, digits, spaces and hyphens.
pub fn is_typeface(text: &str) -> bool {
    let allowed = |it: char| it.is_ascii_alphanumeric() || it == ' ' || it == '-';
    (1..=40).contains(&text.len()) && text.chars().all(allowed) && text.starts_with(|it: char| it.is_ascii_alphabetic())
}

/// Kinds of typeface are words of CSS, others are names.
fn face(name: &str) -> String {
    match name {
        "system-ui" | "sans-serif" | "serif" | "monospace" | "ui-sans-serif" | "ui-serif" | "ui-rounded" => name.into(),
        _ => format!("\"{name}\""),
    }
}
