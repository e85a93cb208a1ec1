//! Which of the languages that are there is the nearest to one that is wanted (RFC 4647 §3.4, with the few names that
//! languages changed). Never fails: what is not there is not there.

/// The place in `there` of the language for this tag: the same tag, the longest beginning of it (`pt` for `pt-BR`), or
/// another variety of the same language (`pt-BR` for `pt`).
///
/// Chinese of Taiwan, Hong Kong and Macau is written in traditional characters: `zh-Hant` is taken where an operator
/// has added it, and the simplified `zh` otherwise, which its readers can read better than a language they did not name.
pub fn best(there: &[&str], wanted: &str) -> Option<usize> {
    let find = |tag: &str| there.iter().position(|it| it.eq_ignore_ascii_case(tag));
    let wanted = current(&wanted.trim().replace('_', "-").to_ascii_lowercase());
    let primary = wanted.split('-').next().filter(|it| !it.is_empty())?;
    let traditional = (primary == "zh" && ["-tw", "-hk", "-mo"].iter().any(|it| wanted.contains(it)))
        .then(|| find(&wanted).or_else(|| find("zh-hant")))
        .flatten();
    let shorter = || {
        let mut tag = wanted.as_str();
        loop {
            if let Some(at) = find(tag) {
                return Some(at);
            }
            tag = &tag[..tag.rfind('-')?];
        }
    };
    let sibling = || there.iter().position(|it| it.to_ascii_lowercase().split('-').next() == Some(primary));
    traditional.or_else(shorter).or_else(sibling)
}

/// Language tags by preference; at most 16 are looked at, so that a long header costs nothing. `*` is any language.
pub fn preferred(accept_language: &str) -> Vec<String> {
    let mut wanted: Vec<(f32, String)> = accept_language
        .split(',')
        .take(16)
        .filter_map(|part| {
            let mut parts = part.trim().split(';');
            let tag = parts.next()?.trim();
            let weight = parts.find_map(|it| it.trim().to_ascii_lowercase().strip_prefix("q=").map(str::to_string));
            let weight: f32 = weight.map_or(Some(1.0), |it| it.trim().parse().ok())?;
            (!tag.is_empty() && weight > 0.0).then(|| (weight.min(1.0), tag.to_string()))
        })
        .collect();
    wanted.sort_by(|a, b| b.0.total_cmp(&a.0));
    wanted.into_iter().map(|(_, tag)| tag).collect()
}

/// Old names that browsers and phones still send.
fn current(tag: &str) -> String {
    let (primary, rest) = tag.split_at(tag.find('-').unwrap_or(tag.len()));
    let primary = match primary {
        "iw" => "he",
        "in" => "id",
        "ji" => "yi",
        "nb" | "nn" => "no",
        "tl" => "fil",
        "cmn" => "zh",
        other => other,
    };
    format!("{primary}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_language_that_is_there_is_found() {
        let there = ["en", "de", "pt", "he", "zh", "fr-CA", "no"];
        let cases = [
            ("en", Some("en")),
            ("EN-gb", Some("en")),
            ("pt-BR", Some("pt")),
            ("de_AT", Some("de")),
            ("de-Latn-AT-1901", Some("de")),
            ("zh-TW", Some("zh")),
            ("zh-Hans-CN", Some("zh")),
            ("iw-IL", Some("he")),
            ("nb-NO", Some("no")),
            ("fr", Some("fr-CA")),
            ("fr-FR", Some("fr-CA")),
            ("sv", None),
            ("", None),
            ("-", None),
        ];
        for (wanted, expected) in cases {
            assert_eq!(best(&there, wanted).map(|at| there[at]), expected, "{wanted}");
        }
    }

    #[test]
    fn traditional_chinese_is_taken_where_it_is_there() {
        let there = ["zh", "zh-Hant"];
        for (wanted, expected) in [("zh-TW", "zh-Hant"), ("zh-Hant-HK", "zh-Hant"), ("zh-CN", "zh"), ("zh", "zh")] {
            assert_eq!(best(&there, wanted).map(|at| there[at]), Some(expected), "{wanted}");
        }
        assert_eq!(best(&["zh", "zh-TW", "zh-Hant"], "zh-tw"), Some(1), "its very own");
    }

    #[test]
    fn languages_are_ordered_by_their_weights_and_what_is_refused_is_left_out() {
        let cases = [
            ("fr;q=0.9, en-GB;q=0.8", vec!["fr", "en-GB"]),
            ("en;q=0.1, ar-EG", vec!["ar-EG", "en"]),
            ("de, fr;q=0.0, *;Q=0.5", vec!["de", "*"]),
            (";;;q=, en;q=x, , it ; q=0.3", vec!["it"]),
            ("", vec![]),
        ];
        for (header, expected) in cases {
            assert_eq!(preferred(header), expected, "{header}");
        }
        assert_eq!(preferred(&"aa,".repeat(1000)).len(), 16);
    }
}
