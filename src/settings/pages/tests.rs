use std::{fs, path::Path};

use crate::{
    render,
    settings::{self, Presence},
};

/// Settings with this under `pages:`, in a folder with these files; findings without the file's name.
fn read(pages: &str, files: &[(&str, &[u8])]) -> Result<(settings::pages::Pages, Vec<String>), Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    fs::create_dir(folder.path().join("policies")).unwrap();
    let text = format!(
        "listen: [{{ address: 127.0.0.1:8080 }}]\nupstreams: {{ app: {{ url: http://127.0.0.1:9 }} }}\n\
         routes: [{{ upstream: app, tenant: acme }}]\npages:\n{pages}"
    );
    let lines = |found: &[stepward_core::diagnostic::Diagnostic], texts: &render::Texts| -> Vec<String> {
        found.iter().map(|it| render::line(it, texts)).collect()
    };
    match settings::read(&"s.yaml".into(), &text, folder.path() as &Path, Presence::Required) {
        Ok(loaded) => Ok((loaded.settings.pages, lines(&loaded.found, &loaded.texts))),
        Err(rejected) => Err(lines(&rejected.found, &rejected.texts)),
    }
}

#[test]
fn a_theme_becomes_a_style_sheet_of_values_that_were_read() {
    let pages = "  theme:\n    light: { accent: \"#063\" }\n    radius: 0\n";
    assert!(read(pages, &[]).unwrap_err()[0].contains("radius"), "a length has a unit");
    let pages = "  theme:\n    light: { accent: \"#063\" }\n    radius: 4px\n    font: [Inter, system-ui]\n  themes:\n    acme: { dark: { card: \"#000000\" } }\n";
    let (pages, found) = read(pages, &[]).unwrap();
    assert_eq!(found, Vec::<String>::new());
    let css = &pages.theme_of("other").unwrap().css;
    assert!(css.starts_with(":root{--ink:#14181f;") && css.contains("--accent:#006633;"), "{css}");
    assert!(
        css.contains("--radius:4px;--font:\"Inter\",system-ui,sans-serif;}@media (prefers-color-scheme:dark){:root{"),
        "{css}"
    );
    assert!(pages.theme_of("acme").unwrap().css.contains("--card:#000000;"));
    assert!(!pages.theme_of("acme").unwrap().css.contains("#006633"), "a theme is a tenant's own");
}

#[test]
fn colours_that_cannot_be_told_apart_are_errors_with_their_ratio_and_place() {
    let cases = [
        (
            "  theme: { light: { accent: \"#8ab4f8\" } }\n",
            "s.yaml:5:29: light: `accent` (#8ab4f8) on `card` (#ffffff) has a contrast of 2.10:1; text needs 4.5:1",
        ),
        (
            "  theme: { dark: { on_accent: \"#ffffff\" } }\n",
            "dark: `on_accent` (#ffffff) on `accent` (#8ab4f8) has a contrast of 2.10:1; text needs 4.5:1",
        ),
        (
            "  themes: { acme: { light: { border: \"#ddd\" } } }\n",
            "light: `border` (#dddddd) on `card` (#ffffff) has a contrast of 1.35:1; the border of a field needs 3:1",
        ),
        (
            "  theme: { light: { card: \"#777777\" } }\n",
            "light: `text` (#14181f) on `card` (#777777) has a contrast of 3.9",
        ),
        (
            "  theme: { light: { quiet: \"#777777\" } }\n",
            "light: `quiet` (#777777) on `card` (#ffffff) has a contrast of 4.47:1; text needs 4.5:1",
        ),
    ];
    for (pages, expected) in cases {
        let told = read(pages, &[]).unwrap_err();
        assert!(told.iter().any(|it| it.contains(expected) && it.ends_with("[theme.contrast]")), "{pages}: {told:#?}");
    }
    let usual = read("  theme: {}\n", &[]).unwrap();
    assert_eq!(usual.1, Vec::<String>::new(), "the colours that are there anyway can be told apart");
}

#[test]
fn nothing_in_a_theme_breaks_out_of_its_style_sheet() {
    let hostile = [
        "{ light: { accent: \"red;}*{display:none}\" } }",
        "{ light: { accent: \"url(https://evil.example)\" } }",
        "{ light: { accent: \"#fff}</style><script>\" } }",
        "{ light: { accent: \"var(--x)\" } }",
        "{ radius: \"1px;}body{display:none\" }",
        "{ radius: \"calc(1px)\" }",
        "{ radius: 99px }",
        "{ font: ['\"; } @import url(x)'] }",
        "{ font: ['url(https://evil.example/f)'] }",
        "{ font: ['a\\\\']}",
        "{ lihgt: {} }",
    ];
    for theme in hostile {
        assert!(read(&format!("  theme: {theme}\n"), &[]).is_err(), "{theme}");
    }
}

#[test]
fn a_logo_is_a_small_picture_that_is_there() {
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>".as_slice();
    let (pages, found) =
        read("  theme: { logo: l.svg, logo_dark: d.svg }\n", &[("l.svg", svg), ("d.svg", svg)]).unwrap();
    assert_eq!((found.len(), pages.theme.unwrap().logo.as_ref().unwrap().media_type), (0, "image/svg+xml"));
    let cases: [(&str, &[u8], &str); 4] = [
        ("logo", b"<svg><script/></svg>", "contains `<script`"),
        ("logo", &[b'x'; 65 * 1024], "has 65 KiB"),
        ("logo", b"GIF89a", "is neither PNG, WebP nor SVG"),
        ("logo_dark", svg, "`logo_dark` alone is no logo"),
    ];
    for (key, bytes, expected) in cases {
        let told = read(&format!("  theme: {{ {key}: l.svg }}\n"), &[("l.svg", bytes)]).unwrap_err();
        assert!(told[0].contains(expected) && told[0].ends_with("[theme.logo]"), "{told:?}");
    }
    assert!(read("  theme: { logo: nowhere.svg }\n", &[]).unwrap_err()[0].contains("there is no file"));
}

#[test]
fn a_theme_for_a_tenant_that_no_route_has_is_doubtful() {
    let (_, found) = read("  themes: { acmee: {} }\n", &[]).unwrap();
    assert!(found[0].contains("no route has the tenant `acmee`"), "{found:?}");
}
