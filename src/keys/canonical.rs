//! One spelling for all that are taken for the same subject: a limit on tries is worth nothing if `Alice ` is not `alice`.

use icu_normalizer::ComposingNormalizerBorrowed;

/// Compatibility forms composed (NFKC), lower case, without invisible characters and surrounding space.
///
/// Names an app tells apart by case only share their counters here: the stricter side.
pub(super) fn subject(name: &str) -> String {
    let nfkc = const { ComposingNormalizerBorrowed::new_nfkc() };
    let visible: String = nfkc.normalize(name).chars().filter(|symbol| !is_invisible(*symbol)).collect();
    // Lower-casing can leave a sequence that is not composed: U+0130 gives two characters.
    let lower = visible.to_lowercase();
    nfkc.normalize(lower.trim()).into_owned()
}

/// Characters without a glyph that renderers and many user databases ignore.
fn is_invisible(symbol: char) -> bool {
    symbol.is_control()
        || matches!(symbol, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::subject;

    #[test]
    fn spellings_of_one_name_are_one_subject() {
        let spellings = [
            "alice@example.com",
            " Alice@Example.COM\t",
            "ALICE@EXAMPLE.COM",
            "ａlice@example.com",
            "a\u{200b}lice@example.com",
        ];
        for spelling in spellings {
            assert_eq!(subject(spelling), "alice@example.com", "{spelling:?}");
        }
        assert_eq!(subject("Zoe\u{308}"), subject("ZO\u{cb}"), "composed and decomposed");
    }

    #[test]
    fn different_names_stay_different() {
        let long = "x".repeat(4096);
        for (one, other) in [("alice", "alicia"), ("a b", "ab"), (&format!("{long}a"), &format!("{long}b"))] {
            assert_ne!(subject(one), subject(other));
        }
    }
}
