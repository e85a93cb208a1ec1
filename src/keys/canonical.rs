//! One spelling for all that are taken for the same subject: a limit on tries is worth nothing if `Alice ` is not `alice`.
//!
//! What looks alike and is another letter (a Cyrillic `а` in a Latin name) stays another name: apps tell these apart, and
//! whoever looks like somebody else must not share an account with them.

use icu_normalizer::ComposingNormalizerBorrowed;

use crate::settings::Mailboxes;

/// Compatibility forms composed (NFKC), letters whose case does not count, without invisible characters and surrounding
/// space.
///
/// Names an app tells apart by case only share their counters here: the stricter side.
pub(super) fn subject(name: &str) -> String {
    let nfkc = const { ComposingNormalizerBorrowed::new_nfkc() };
    let visible: String = nfkc.normalize(name).chars().filter(|symbol| !is_invisible(*symbol)).collect();
    let folded: String = visible.chars().flat_map(folded).collect();
    // Folding can leave a sequence that is not composed: U+0130 gives two characters.
    nfkc.normalize(folded.trim()).into_owned()
}

/// The same for an account, whose name may be a mailbox.
pub(super) fn account(name: &str, mailboxes: &Mailboxes) -> String {
    let name = subject(name);
    let Some((local, domain)) = name.rsplit_once('@') else { return name };
    let mut local = local;
    if mailboxes.plus_ignored_at.contains(domain) {
        local = local.split_once('+').map_or(local, |(before, _)| before);
    }
    let undotted: String = match mailboxes.dots_ignored_at.contains(domain) {
        true => local.chars().filter(|symbol| *symbol != '.').collect(),
        false => local.into(),
    };
    // Nothing is left of what was no mailbox.
    if undotted.is_empty() { name } else { format!("{undotted}@{domain}") }
}

/// A letter whose case does not count (Unicode's full case folding: `ß` is `ss`, both small sigmas are one).
fn folded(symbol: char) -> impl Iterator<Item = char> {
    // A dotless i is another letter than i; its upper case is not. The capital sharp s has an upper case only by way of
    // its lower one.
    let lower: String = symbol.to_lowercase().collect();
    let upper = if symbol == '\u{131}' { lower } else { lower.to_uppercase() };
    upper.chars().flat_map(char::to_lowercase).collect::<Vec<_>>().into_iter()
}

/// Characters without a glyph that renderers and many user databases ignore.
fn is_invisible(symbol: char) -> bool {
    symbol.is_control()
        || matches!(symbol, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::{account, subject};
    use crate::settings::Mailboxes;

    #[test]
    fn spellings_of_one_name_are_one_subject() {
        for (name, spellings) in [
            (
                "alice@example.com",
                &[
                    "alice@example.com",
                    " Alice@Example.COM\t",
                    "\u{a0}ALICE@EXAMPLE.COM\u{3000}",
                    "ａlice＠example．com",
                    "a\u{200b}lice@exa\u{ad}mple.com",
                    "\u{feff}alice@example.com\u{202c}",
                    "𝓪𝓵𝓲𝓬𝓮@example.com",
                    "ⓐlice@example.com",
                ][..],
            ),
            ("zoë", &["Zoe\u{308}", "ZO\u{cb}", "zoë"]),
            ("strasse", &["Straße", "STRASSE", "STRAẞE", "ſtraſſe"]),
            ("οδοσ", &["ΟΔΟΣ", "οδος", "Οδοσ"]),
            ("file", &["ﬁle", "FILE"]),
            ("k", &["\u{212a}", "K"]),
            ("i\u{307}zmir", &["İzmir"]),
        ] {
            for spelling in spellings {
                assert_eq!(subject(spelling), name, "{spelling:?}");
                assert_eq!(subject(&subject(spelling)), name, "{spelling:?}: canonical is canonical");
            }
        }
    }

    #[test]
    fn different_names_stay_different() {
        let long = "x".repeat(4096);
        for (one, other) in [
            ("alice", "alicia"),
            ("a b", "ab"),
            ("ısmail", "ismail"),
            ("zoe", "zoë"),
            // Cyrillic and Greek letters that look Latin.
            ("аlice", "alice"),
            ("αlice", "alice"),
            ("pаypal", "paypal"),
            (&format!("{long}a"), &format!("{long}b")),
        ] {
            assert_ne!(subject(one), subject(other));
        }
    }

    #[test]
    fn dots_and_plus_mean_nothing_only_where_the_operator_says_so() {
        let at = |domains: &[&str]| domains.iter().map(|it| (*it).to_string()).collect();
        let mailboxes =
            Mailboxes { dots_ignored_at: at(&["gmail.com"]), plus_ignored_at: at(&["gmail.com", "example.com"]) };
        for (name, expected) in [
            ("A.l.ice+news@Gmail.com", "alice@gmail.com"),
            ("alice@gmail.com", "alice@gmail.com"),
            ("a.lice+news@example.com", "a.lice@example.com"),
            ("a.lice+news@other.example", "a.lice+news@other.example"),
            ("a.lice+news", "a.lice+news"),
            ("+news@gmail.com", "+news@gmail.com"),
            ("...@gmail.com", "...@gmail.com"),
            ("\"a@b\"+c@example.com", "\"a@b\"@example.com"),
        ] {
            assert_eq!(account(name, &mailboxes), expected, "{name}");
            assert_eq!(account(name, &Mailboxes::default()), subject(name), "{name}: as it is, unless told");
        }
    }
}
