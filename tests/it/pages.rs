//! Pages as an operator changes them: words, templates and themes, checked by `stepward check`, live without a restart,
//! and never broken for people by a mistake.

use std::{fs, path::Path, process::Command, time::Duration};

use http::StatusCode;

use crate::world::{Town, World};

const POLICY: &str = "
event: page
covers: [GET /page]
when_unsure: block
steps:
  - decide: nobody comes in
    rules:
      - rule: closed
        when: request.method == \"GET\"
        then: block
        tell: page.closed
otherwise: forward
";

const OURS: &str = "{% extends \"base.html\" %}{% block content %}<p class=\"ours\">{{ text }}</p>{% endblock %}";

async fn town() -> Town {
    let world = World::new().policy(POLICY);
    let world = world.file("words/sv.ftl", "tell_page_closed = Stängt <idag>\ntitle_refused = Det går inte nu\n");
    let world = world.file("words/default/en.ftl", "tell_page_closed = Closed for this tenant\n");
    let world = world.file("own/notice.html", OURS);
    let theme = "{ light: { accent: \"#0a6b4d\" }, dark: { accent: \"#7fd8b8\" }, logo: logo.svg }";
    let world = world.file("logo.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>");
    let pages = format!("pages: {{ service_name: Bank, locales: words, templates: own, theme: {theme} }}");
    world.settings(&pages).start().await
}

/// In one step, as editors do: never half a file.
fn write(town: &Town, name: &str, text: &str) {
    let fresh = town.folder.path().join("fresh");
    fs::write(&fresh, text).unwrap();
    fs::rename(fresh, town.folder.path().join(name)).unwrap();
}

async fn page(town: &Town, languages: &str) -> String {
    let mut visitor = town.visitor();
    visitor.headers.push(("accept-language", languages.to_string()));
    let seen = visitor.get("/page").await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN, "{}", seen.text);
    seen.text.replace("&#x2f;", "/")
}

#[tokio::test]
async fn words_and_templates_of_the_operators_are_shown_and_stay_text() {
    let town = town().await;
    let swedish = page(&town, "sv-SE, en;q=0.5").await;
    assert!(swedish.contains("<html lang=\"sv\"") && swedish.contains("Det går inte nu"), "{swedish}");
    assert!(swedish.contains("<p class=\"ours\">Stängt &lt;idag&gt;</p>"), "{swedish}");
    assert!(page(&town, "en").await.contains("Closed for this tenant"), "a tenant's own words");
    assert!(page(&town, "de").await.contains("Das geht im Moment nicht"), "what nobody changed stays");
}

#[tokio::test]
async fn a_mistake_in_words_or_templates_leaves_the_last_good_ones_at_work() {
    let town = town().await;
    write(&town, "words/sv.ftl", "tell_page_closed = { \n");
    write(&town, "own/notice.html", "<p>{{ text");
    town.gateway.reload();
    assert!(page(&town, "sv").await.contains("<p class=\"ours\">Stängt"), "still the last good ones");
    write(&town, "words/sv.ftl", "tell_page_closed = Öppnar snart\n");
    write(&town, "own/notice.html", "<!doctype html><title>x</title><i>{{ text }}</i>");
    for _ in 0..100 {
        if page(&town, "sv").await.contains("<i>Öppnar snart</i>") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("ten seconds later what was mended is not live by itself");
}

#[tokio::test]
async fn a_theme_is_served_as_files_named_by_what_is_in_them_under_a_strict_policy() {
    let town = town().await;
    let html = page(&town, "en").await;
    let address = |begin: &str| {
        let at = html.find(begin).unwrap_or_else(|| panic!("no {begin} in {html}"));
        html[at..].split('"').next().unwrap().to_string()
    };
    let mut visitor = town.visitor();
    let css = visitor.get(&address("/.stepward/theme-")).await;
    assert_eq!(
        (css.status, &css.headers["content-type"]),
        (StatusCode::OK, &"text/css; charset=utf-8".parse().unwrap())
    );
    assert!(
        css.text.contains("--accent:#0a6b4d") && css.headers["cache-control"].to_str().unwrap().contains("immutable")
    );
    let logo = visitor.get(&address("/.stepward/logo-")).await;
    assert_eq!(logo.headers["content-security-policy"], "default-src 'none'; sandbox");
    assert_eq!(logo.headers["x-content-type-options"], "nosniff");
    assert!(html.contains("alt=\"Bank\""), "{html}");
    let policy = visitor.get("/page").await.headers["content-security-policy"].to_str().unwrap().to_string();
    assert!(policy.contains("style-src 'self'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(visitor.get("/.stepward/theme-000000000000000000000000.css").await.status, StatusCode::NOT_FOUND);
}

/// What `stepward check` says of a folder with these files, and its exit code.
fn check(files: &[(&str, &str)], pages: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new(""))).unwrap();
        fs::write(path, text).unwrap();
    };
    put("policies/page.yaml", POLICY);
    let text = format!(
        "listen: [{{ address: 127.0.0.1:8080 }}]\nupstreams: {{ app: {{ url: http://127.0.0.1:9 }} }}\n\
         routes: [{{ upstream: app }}]\npages: {pages}\n"
    );
    put("stepward.yaml", &text);
    files.iter().for_each(|(name, text)| put(name, text));
    let output = Command::new(env!("CARGO_BIN_EXE_stepward"))
        .args(["check", "--format", "github", "stepward.yaml"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn check_tells_what_is_wrong_with_words_templates_and_themes_at_its_place() {
    let cases = [
        ("{ locales: words }", "words/sv.ftl", "save = Spara\nconfirm = { x\n", 1, "file=words/sv.ftl,line=3"),
        ("{ locales: words }", "words/sv.ftl", "save = Spara\n", 0, "lacks 130 messages"),
        ("{ templates: own }", "own/notice.html", "<p>\n{{ text|safe }}", 1, "file=own/notice.html,line=2,col=9"),
        ("{ templates: own }", "own/base.html", "{% block x %}", 1, "file=own/base.html,line=1"),
        ("{ theme: { light: { accent: \"#8ab4f8\" } } }", "x", "", 1, "2.10:1"),
        ("{ language: sv }", "x", "", 1, "there are no messages in `sv`"),
        ("{ locales: words, templates: own }", "words/de.ftl", "save = Sichern\n", 0, ""),
    ];
    for (pages, name, text, code, expected) in cases {
        let (came, told) = check(&[("words/.keep", ""), ("own/.keep", ""), (name, text)], pages);
        assert_eq!(came, Some(code), "{pages} {text:?}: {told}");
        assert!(told.contains(expected), "{pages} {text:?}: {told}");
    }
}
