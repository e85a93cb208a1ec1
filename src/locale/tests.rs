use std::fs;

use super::*;

fn resource(text: &str) -> FluentResource {
    FluentResource::try_new(text.to_string()).unwrap_or_else(|(_, errors)| panic!("{errors:?}"))
}

/// The plural forms that a language has for whole numbers up to a thousand, as CLDR says.
fn plurals(tag: &str) -> BTreeSet<String> {
    let text = "x = { $n ->\n    [zero] zero\n    [one] one\n    [two] two\n    [few] few\n    [many] many\n   *[other] other\n}\n";
    let locale = Locale::of(tag, vec![Arc::new(resource(text))], None).unwrap();
    let form = |n: u32| {
        let mut args = FluentArgs::new();
        args.set("n", n);
        locale.say("x", &args)
    };
    (0..=1000).map(form).chain(["other".to_string()]).collect()
}

#[test]
fn every_message_exists_in_every_language_with_the_same_arguments_and_in_the_same_order() {
    let english = resource(BUILT_IN[0].1);
    let messages = |it: &FluentResource| -> Vec<(String, Vec<String>)> {
        files::in_order(it).map(|(key, args)| (key.into(), args.into_iter().map(str::to_string).collect())).collect()
    };
    let expected = messages(&english);
    assert!(expected.iter().any(|(_, args)| !args.is_empty()), "arguments are found at all");
    for (tag, text) in BUILT_IN {
        let there = messages(&resource(text));
        for (one, other) in there.iter().zip(&expected) {
            assert_eq!(one, other, "{tag}.ftl differs from en.ftl");
        }
        assert_eq!(there.len(), expected.len(), "{tag}.ftl");
    }
}

#[test]
fn every_choice_by_number_has_all_plural_forms_of_its_language() {
    for (tag, text) in BUILT_IN {
        let forms = plurals(tag);
        for (key, variants) in files::tests::selectors(&resource(text)) {
            let lacking: Vec<_> = forms.difference(&variants).collect();
            assert!(lacking.is_empty(), "{tag}.ftl: `{key}` lacks {lacking:?}");
        }
    }
    assert_eq!(plurals("ar").len(), 6, "the rules are those of CLDR");
    assert_eq!(plurals("pl").len(), 4);
}

/// Messages that are the same in English and in another language, because the words are.
const SAME: [(&str, &str); 0] = [];

#[test]
fn nothing_longer_than_a_word_is_left_in_english() {
    let locales = Locales::load("en", None).unwrap();
    let english = locales.choose("default", Some("en"), None);
    for (tag, _) in &BUILT_IN[1..] {
        let locale = locales.choose("default", Some(tag), None);
        for key in files::built_in().keys().filter(|key| **key != "number" && **key != "date") {
            let (text, same) = (locale.text(key), english.text(key));
            let is_word = !same.trim().contains(' ');
            assert!(text != same || is_word || SAME.contains(&(tag, key)), "{tag}.ftl: `{key}` is English");
            assert!(!text.contains("  ") && text.trim() == text, "{tag}.ftl: `{key}` has stray spaces: {text:?}");
        }
    }
}

#[test]
fn what_a_button_is_called_for_screen_readers_contains_what_it_shows() {
    let locales = Locales::load("en", None).unwrap();
    for (tag, _) in BUILT_IN {
        let locale = locales.choose("default", Some(tag), None);
        // WCAG 2.2, 2.5.3: whoever speaks to the device says what is written there.
        for key in files::built_in().keys().filter(|key| key.starts_with("remove_")) {
            let (name, shown) = (locale.text(key).to_lowercase(), locale.text("remove").to_lowercase());
            assert!(name.contains(&shown), "{tag}.ftl: `{key}` does not contain {shown:?}");
        }
    }
}

#[test]
fn languages_are_chosen_by_what_is_asked_then_by_the_browser_then_as_usual() {
    let locales = Locales::load("de", None).unwrap();
    let cases = [
        (Some("ar"), Some("en"), "ar"),
        (Some("xx"), Some("en"), "en"),
        (Some("pt-BR"), None, "pt"),
        (None, Some("zh-TW,zh;q=0.9,en;q=0.8"), "zh"),
        (None, Some("sv;q=0.9, en-GB;q=0.8"), "en"),
        (None, Some("en;q=0.1, ar-EG"), "ar"),
        (None, Some("en;q=0, ;;;q=, *"), "de"),
        (None, Some("*, fr;q=0.5"), "de"),
        (Some("../../etc/passwd"), Some("tlh"), "de"),
        (None, None, "de"),
    ];
    for (asked, accepted, expected) in cases {
        assert_eq!(locales.choose("default", asked, accepted).tag, expected, "{asked:?} {accepted:?}");
    }
    for (tag, direction) in [("ar", "rtl"), ("he", "rtl"), ("en", "ltr"), ("ja", "ltr"), ("hi", "ltr")] {
        assert_eq!(locales.choose("default", Some(tag), None).direction, direction, "{tag}");
    }
}

#[test]
fn dates_and_numbers_are_written_as_each_language_does() {
    let locales = Locales::load("en", None).unwrap();
    let mut args = FluentArgs::new();
    args.set("year", "2026");
    args.set("month", "11");
    args.set("day", "05");
    let cases = [
        ("en", "2026-11-05", "1,234,567.5"),
        ("de", "05.11.2026", "1.234.567,5"),
        ("fr", "05/11/2026", "1\u{202f}234\u{202f}567,5"),
        ("pl", "05.11.2026", "1\u{a0}234\u{a0}567,5"),
        ("hi", "05/11/2026", "12,34,567.5"),
        ("ja", "2026/11/05", "1,234,567.5"),
        ("zh", "2026年11月05日", "1,234,567.5"),
        ("ar", "05/11/2026", "1,234,567.5"),
    ];
    for (tag, date, number) in cases {
        let locale = locales.choose("default", Some(tag), None);
        assert_eq!((&*locale.say("date", &args), &*locale.number("1234567.5")), (date, number), "{tag}");
    }
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

#[test]
fn an_operators_folder_replaces_messages_and_adds_languages() {
    let folder = folder(&[("en.ftl", "confirm = Go\n"), ("sv.ftl", "confirm = Bekräfta\ntell_ours = Vårt\n")]);
    let locales = Locales::load("sv", Some(folder.path())).unwrap();
    let swedish = locales.choose("default", None, None);
    assert_eq!((&*swedish.tag, &*swedish.text("confirm"), &*swedish.text("tell_ours")), ("sv", "Bekräfta", "Vårt"));
    assert_eq!(swedish.text("save"), "Save", "English stands in");
    let english = locales.choose("default", Some("en"), None);
    assert_eq!((&*english.text("confirm"), &*english.text("save")), ("Go", "Save"));
    assert_eq!(locales.choose("default", Some("de"), None).perhaps("tell_ours").as_deref(), Some("Vårt"));
}

#[test]
fn the_usual_language_stands_in_for_what_another_lacks() {
    let folder = folder(&[("sv.ftl", "confirm = Bekräfta\n"), ("de-CH.ftl", "save = Speichere\n")]);
    let locales = Locales::load("de", Some(folder.path())).unwrap();
    let swedish = locales.choose("default", Some("sv"), None);
    assert_eq!((&*swedish.text("confirm"), &*swedish.text("save")), ("Bekräfta", "Speichern"));
    for usual in ["de", "en", "de-CH", "sv"] {
        let locales = Locales::load(usual, Some(folder.path())).unwrap();
        let swiss = locales.choose("default", Some("de-CH"), None);
        let (own, german) = (swiss.text("save"), swiss.text("confirm"));
        assert_eq!((&*own, &*german), ("Speichere", "Bestätigen"), "a variety rests on its language, not on {usual}");
    }
}

#[test]
fn a_tenant_has_words_of_its_own_and_nobody_else_has_them() {
    let folder = folder(&[
        ("en.ftl", "confirm = Go\n"),
        ("acme/en.ftl", "confirm = Proceed\n"),
        ("acme/sv.ftl", "confirm = Bekräfta\n"),
    ]);
    let locales = Locales::load("en", Some(folder.path())).unwrap();
    let confirm = |tenant: &str, tag: &str| locales.choose(tenant, Some(tag), None).text("confirm");
    assert_eq!((confirm("acme", "en"), confirm("acme", "sv")), ("Proceed".into(), "Bekräfta".into()));
    assert_eq!((confirm("other", "en"), confirm("other", "sv")), ("Go".into(), "Go".into()));
    assert_eq!(confirm("acme", "de"), "Bestätigen", "what it does not replace stays");
}

/// What is found in these files: severity, and one line without the folder.
fn told(usual: &str, files: &[(&str, &str)]) -> Vec<String> {
    let folder = folder(files);
    let loaded = read(usual, Some(folder.path()));
    let whole = loaded.found.iter().all(|it| it.severity != Severity::Error);
    assert_eq!(loaded.locales.is_some(), whole, "with an error there are no languages");
    let prefix = format!("{}/", folder.path().display());
    loaded.found.iter().map(|it| render::line(it, &loaded.texts).replace(&prefix, "")).collect()
}

#[test]
fn what_is_wrong_with_a_file_is_told_at_its_place() {
    let cases = [
        (
            "sv.ftl",
            "confirm = Ja\n\nsave = { \n",
            "sv.ftl:4:1: this is not Fluent: expected an inline expression",
            "[message.unreadable]",
        ),
        ("sv.ftl", "save = A\nsave = B\n", "sv.ftl:2:1: `save` is there twice", "[message.twice]"),
        ("not a tag.ftl", "save = A\n", "not a tag.ftl:1:1: `not a tag` is not a language tag", "[language.unknown]"),
        (
            "en.ftl",
            "\nsvae = A\n",
            "en.ftl:2:1: nothing shows the message `svae`; did you mean `save`?",
            "[message.unknown]",
        ),
        (
            "en.ftl",
            "why = { $servce }\n",
            "en.ftl:1:1: `why` is not given `$servce`; did you mean `$service`?",
            "[message.variable]",
        ),
        ("acme/de.ftl", "save = { $x\n", "acme/de.ftl:2:1: this is not Fluent", "[message.unreadable]"),
        ("sv.ftl", "save = Spara\n", "sv.ftl:1:1: `sv` lacks ", "[message.missing]"),
    ];
    for (file, text, begins, ends) in cases {
        let told = told("en", &[(file, text)]);
        assert!(told.iter().any(|it| it.starts_with(begins) && it.ends_with(ends)), "{file} {text:?}: {told:#?}");
    }
    assert_eq!(told("en", &[("en.ftl", "tell_ours = A\nevent_ours = B\nfact_ours = C\n")]), Vec::<String>::new());
    assert_eq!(
        told("en", &[("de.ftl", "save = Sichern\n"), ("README.md", "="), (".x.ftl", "{")]),
        Vec::<String>::new()
    );
    assert!(told("tlh", &[])[0].contains("no messages in `tlh`"));
    let missing = read("en", Some(Path::new("/nowhere/at/all")));
    assert!(missing.locales.is_none() && missing.found[0].code == "file.unreadable");
}
