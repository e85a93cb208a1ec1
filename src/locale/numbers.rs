//! Numbers as a language writes them, after an example: the message `number` is 1234567.89 as its translator would
//! write it. Never guesses: what is no plain decimal number, or has no usable example, stays as it is.

/// What an example says.
struct Form<'a> {
    group: &'a str,
    /// Digits of the last group, and of the groups before it (Hindi: 3 and 2).
    sizes: (usize, usize),
    decimal: &'a str,
}

/// `plain`, such as `-1234.5`, written as `example` writes 1234567.89.
pub fn like(example: &str, plain: &str) -> String {
    match (form(example), parts(plain)) {
        (Some(form), Some((sign, whole, fraction))) => {
            let grouped = group(whole, &form);
            let fraction = fraction.map_or(String::new(), |it| format!("{}{it}", form.decimal));
            format!("{sign}{grouped}{fraction}")
        }
        (None, _) | (_, None) => plain.to_string(),
    }
}

/// Sign, digits and fraction. Very long numbers are left alone: nobody reads them as amounts.
fn parts(plain: &str) -> Option<(&str, &str, Option<&str>)> {
    let digits = |it: &str| !it.is_empty() && it.len() <= 18 && it.bytes().all(|it| it.is_ascii_digit());
    let (sign, rest) = plain.strip_prefix('-').map_or(("", plain), |rest| ("-", rest));
    let (whole, fraction) = match rest.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (rest, None),
    };
    (digits(whole) && fraction.is_none_or(digits)).then_some((sign, whole, fraction))
}

fn form(example: &str) -> Option<Form<'_>> {
    let runs: Vec<&str> = example.split(|it: char| !it.is_ascii_digit()).filter(|it| !it.is_empty()).collect();
    let [whole @ .., fraction] = &runs[..] else { return None };
    let [.., middle, last] = whole else { return None };
    if whole.concat() != "1234567" || *fraction != "89" {
        return None;
    }
    let signs: Vec<&str> = example.trim().split(|it: char| it.is_ascii_digit()).filter(|it| !it.is_empty()).collect();
    let [group, .., decimal] = signs[..] else { return None };
    Some(Form { group, sizes: (last.len(), middle.len()), decimal })
}

fn group(whole: &str, form: &Form<'_>) -> String {
    let (mut left, mut size) = (whole, form.sizes.0);
    let mut groups = Vec::new();
    while left.len() > size {
        let (before, last) = left.split_at(left.len() - size);
        groups.push(last);
        (left, size) = (before, form.sizes.1);
    }
    groups.push(left);
    groups.reverse();
    groups.join(form.group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_example_is() {
        let cases = [
            ("1,234,567.89", "1234.5", "1,234.5"),
            ("1.234.567,89", "1234.5", "1.234,5"),
            ("1\u{202f}234\u{202f}567,89", "9000", "9\u{202f}000"),
            ("12,34,567.89", "1234567", "12,34,567"),
            ("12,34,567.89", "-999.00", "-999.00"),
            ("1’234’567.89", "1000000", "1’000’000"),
            ("1,234,567.89", "120", "120"),
            ("1,234,567.89", "DE89 3704", "DE89 3704"),
            ("1,234,567.89", "1e9", "1e9"),
            ("1,234,567.89", "1.2.3", "1.2.3"),
            ("1,234,567.89", "", ""),
            ("1,234,567.89", "12345678901234567890", "12345678901234567890"),
            ("nonsense", "1234.5", "1234.5"),
            ("", "1234.5", "1234.5"),
        ];
        for (example, plain, expected) in cases {
            assert_eq!(like(example, plain), expected, "{plain} like {example}");
        }
    }
}
