//! The section `pages` as people type it. The schema is made of this.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// How pages look and speak.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pages {
    /// What the protected service is called.
    pub service_name: String,
    /// Language where none of the browser's is there.
    #[schemars(extend("format" = "language"))]
    pub language: String,
    /// Folder of messages: `<language>.ftl` adds a language or replaces single messages, `<tenant>/<language>.ftl` does so for one tenant. Read again when it changes.
    pub locales: Option<String>,
    /// Folder of templates that replace those of the same name, such as `base.html`. Read again when it changes.
    pub templates: Option<String>,
    /// Colours, type and logo.
    pub theme: Option<Theme>,
    /// Those of single tenants, by the names that routes give them; instead of `theme`.
    pub themes: BTreeMap<String, Theme>,
}

impl Default for Pages {
    fn default() -> Self {
        Pages {
            service_name: "this service".into(),
            language: "en".into(),
            locales: None,
            templates: None,
            theme: None,
            themes: BTreeMap::new(),
        }
    }
}

/// Colours, type and logo. What is left out stays as it is.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Theme {
    /// Colours where the reader's device is light.
    pub light: Colours,
    /// Colours where it is dark.
    pub dark: Colours,
    /// How round corners are, such as `8px` or `0.5rem`; at most `32px` or `2rem`.
    #[schemars(extend("format" = "radius"))]
    pub radius: Option<String>,
    /// Names of typefaces that readers may have, the preferred one first; no typeface is loaded from anywhere.
    #[schemars(extend("items" = {"type": "string", "format": "typeface"}))]
    pub font: Vec<String>,
    /// A PNG, WebP or SVG file of at most 64 KiB in place of the service's name, which is read out for it.
    pub logo: Option<String>,
    /// Another one where the reader's device is dark.
    pub logo_dark: Option<String>,
}

/// Colours as `#rgb` or `#rrggbb`. Text and what lies under it need a contrast of 4.5:1, borders of fields 3:1 (WCAG 2.2).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Colours {
    /// Text.
    #[schemars(extend("format" = "colour"))]
    pub text: Option<String>,
    /// Hints and names of values.
    #[schemars(extend("format" = "colour"))]
    pub quiet: Option<String>,
    /// Behind the card.
    #[schemars(extend("format" = "colour"))]
    pub page: Option<String>,
    /// The card that everything stands on.
    #[schemars(extend("format" = "colour"))]
    pub card: Option<String>,
    /// Behind what is confirmed.
    #[schemars(extend("format" = "colour"))]
    pub fill: Option<String>,
    /// Buttons, links and the mark of what has the focus.
    #[schemars(extend("format" = "colour"))]
    pub accent: Option<String>,
    /// Text on buttons.
    #[schemars(extend("format" = "colour"))]
    pub on_accent: Option<String>,
    /// Errors.
    #[schemars(extend("format" = "colour"))]
    pub error: Option<String>,
    /// Borders of fields.
    #[schemars(extend("format" = "colour"))]
    pub border: Option<String>,
    /// Lines that only divide.
    #[schemars(extend("format" = "colour"))]
    pub divider: Option<String>,
}
