use super::*;
use crate::render;

/// What is found in these files, one line each without the folder.
fn told(files: &[(&str, &str)]) -> (Loaded, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let loaded = read(folder.path());
    let prefix = format!("{}/", folder.path().display());
    let lines = loaded.found.iter().map(|it| render::line(it, &loaded.texts).replace(&prefix, "")).collect();
    (loaded, lines)
}

const NOTICE: &str = "{% extends \"base.html\" %}{% block content %}<p class=\"ours\">{{ text }}</p>{% endblock %}";

#[test]
fn a_template_of_the_operators_replaces_ours_and_still_escapes() {
    let (loaded, told) = told(&[("notice.html", NOTICE), ("part.html", "<i>{{ text }}</i>")]);
    assert_eq!(told, Vec::<String>::new());
    let templates = loaded.environment.unwrap();
    let html = templates.get_template("notice.html").unwrap().render(samples::with("<b>&\"", "totp", true)).unwrap();
    assert!(html.contains("<p class=\"ours\">&lt;b&gt;&amp;&quot;</p>"), "{html}");
    assert!(html.contains("<!doctype html>"), "it extends ours");
    assert!(!html.contains("<b>"), "{html}");
}

#[test]
fn a_template_cannot_switch_off_escaping() {
    let ways = [
        "{{ text|safe }}",
        "{{ text | safe }}",
        "{{ text\n|\nsafe }}",
        "{{ text|upper|safe }}",
        "{{- text|safe -}}",
        "{% autoescape false %}{{ text }}{% endautoescape %}",
        "{%- autoescape none -%}{{ text }}{%- endautoescape -%}",
        "{%+ autoescape 'none' %}{{ text }}{% endautoescape %}",
        "{%\n\tautoescape false %}{{ text }}{% endautoescape %}",
        "{% filter safe %}{{ text }}{% endfilter %}",
        "{% set x = text|safe %}{{ x }}",
        "{% if false %}{{ text|safe }}{% endif %}",
        "{{ '}}' ~ text|safe }}",
        "{% if '%}' %}{% autoescape false %}{{ text }}{% endautoescape %}{% endif %}",
        "{% macro m(x) %}{{ x|safe }}{% endmacro %}{{ m(text) }}",
    ];
    for way in ways {
        let (loaded, told) = told(&[("notice.html", way)]);
        assert!(loaded.environment.is_none(), "{way}");
        assert!(told.iter().any(|it| it.ends_with("[template.unescaped]")), "{way}: {told:?}");
    }
    let told = told(&[("notice.html", "<p>\n  {{ text|safe }}\n")]).1;
    assert!(told[0].starts_with("notice.html:2:11: `safe` would let"), "{told:?}");
}

#[test]
fn no_filter_makes_markup_of_what_is_given() {
    let templates = built_in().unwrap();
    let ways = [
        "{{ text }}",
        "{{ text|upper|lower }}",
        "{{ text|e|replace('&lt;', '<')|replace('&gt;', '>') }}",
        "{{ [text, text]|join('<i>') }}",
        "{{ text ~ text }}",
        "{{ {'a': text} }}",
        "{{ text|tojson }}",
        "{{ text|format }}",
        "{{ '%s'|format(text) }}",
        "{{ text|split('&')|join }}",
        "{% set x %}{{ text }}{% endset %}{{ x }}",
        "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(text) }}",
        "{% filter upper|lower %}{{ text }}{% endfilter %}",
        "{{ text|list|join }}",
        "{{ text|reverse|reverse }}",
        "{{ [text]|first }}",
        "{{ text|default('x') }}",
        "{{ text|indent(2) }}",
        "{{ text|title|lower }}",
        "{{ debug() }}",
    ];
    for way in ways {
        let rendered = templates.render_str(way, samples::with("<img src=x onerror=alert(1)>", "totp", true));
        if let Ok(html) = rendered {
            assert!(!html.contains("<img"), "{way}: {html}");
        }
    }
}

#[test]
fn a_template_reaches_nothing_outside_the_folder() {
    for way in [
        "{% include '../../etc/passwd' %}",
        "{% include '/etc/passwd' %}",
        "{% extends '../x.html' %}",
        "{% import 'nowhere.html' as x %}",
    ] {
        let (loaded, told) = told(&[("notice.html", way)]);
        assert!(loaded.environment.is_none() && told[0].contains("template not found"), "{way}: {told:?}");
    }
}

#[test]
fn what_is_wrong_with_a_template_is_told_at_its_place() {
    let cases = [
        ("notice.html", "<p>\n{{ text", "notice.html:2:", "[template.broken]"),
        ("notice.html", "{% if text %}<p>", "notice.html:1:", "[template.broken]"),
        ("notice.html", "\n{{ text|nonsense }}", "notice.html:2:", "[template.broken]"),
        ("base.html", "{{ nothing.at.all }}", "base.html:1:", "[template.broken]"),
        (
            "notice.html",
            "<p style=\"color:red\">{{ text }}</p>",
            "notice.html:1:3: `style=` has no effect",
            "[template.blocked]",
        ),
        (
            "notcie.html",
            "<p>",
            "notcie.html:1:1: no page is made of `notcie.html`; did you mean `notice.html`?",
            "[template.unknown]",
        ),
    ];
    for (name, text, begins, ends) in cases {
        let told = told(&[(name, text)]).1;
        assert!(told.iter().any(|it| it.starts_with(begins) && it.ends_with(ends)), "{name} {text:?}: {told:#?}");
    }
    assert_eq!(read(Path::new("/nowhere/at/all")).found[0].code, "file.unreadable");
    assert!(told(&[(".hidden.html", "{{"), ("README.md", "{{")]).0.environment.is_none(), "nothing of theirs");
}
