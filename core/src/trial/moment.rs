//! Moments as tests write them: `now`, `20s ago`, or RFC 3339 such as `2026-11-22T09:30:00+01:00`.

use crate::yaml::units;

/// 1 January 2026, 00:00 UTC: when a case happens that does not say when.
pub(super) const USUAL_NOW_MS: i64 = 1_767_225_600_000;

/// Reads a moment, in milliseconds since the Unix epoch.
pub(super) fn read(text: &str, now_ms: i64) -> Option<i64> {
    match text.trim() {
        "now" => Some(now_ms),
        text => match text.strip_suffix(" ago") {
            Some(age) => now_ms.checked_sub(units::duration_ms(age)?),
            None => rfc3339(text),
        },
    }
}

/// Reads a date and time with its offset (RFC 3339 §5.6), in milliseconds since the Unix epoch. Leap seconds are not.
pub(super) fn rfc3339(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let at = rest.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = rest.split_at(at);
    let [year, month, day] = numbers(date, '-')?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [hour, minute, second] = numbers(clock, ':')?;
    let in_range = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    if !in_range || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset_seconds(zone)?;
    Some(seconds * 1_000 + milliseconds(fraction)?)
}

fn offset_seconds(zone: &str) -> Option<i64> {
    let sign = match zone.get(..1)? {
        "Z" | "z" => return (zone.len() == 1).then_some(0),
        "+" => 1,
        _ => -1,
    };
    let [hours, minutes] = numbers(zone.get(1..)?, ':')?;
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3_600 + minutes * 60))
}

fn milliseconds(fraction: &str) -> Option<i64> {
    let digits = !fraction.is_empty() && fraction.bytes().all(|it| it.is_ascii_digit());
    digits.then(|| fraction.bytes().chain(*b"00").take(3).fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
}

fn numbers<const N: usize>(text: &str, between: char) -> Option<[i64; N]> {
    let parts: Vec<i64> = text.split(between).map(number).collect::<Option<_>>()?;
    parts.try_into().ok()
}

fn number(text: &str) -> Option<i64> {
    let digits = (1..=4).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1 January 1970 of a date in the Gregorian calendar, for years 0 to 9999
/// (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_and_nonsense_is_not() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-01-01T00:00:00Z", Some(USUAL_NOW_MS)),
            ("2000-02-29T23:59:59.5Z", Some(951_868_799_500)),
            ("2026-01-01T01:30:00+01:30", Some(USUAL_NOW_MS)),
            ("2025-12-31T19:00:00-05:00", Some(USUAL_NOW_MS)),
            ("1969-12-31T23:59:59Z", Some(-1_000)),
            ("now", Some(7)),
            ("2s ago", Some(-1_993)),
            ("2023-02-29T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-01-01T24:00:00Z", None),
            ("2026-01-01T00:00:00", None),
            ("2026-01-01T00:00:00Zulu", None),
            ("2026-01-01T00:00:00.Z", None),
            ("2026-01-01", None),
            ("+1-01-01T00:00:00Z", None),
            ("20 seconds ago", None),
            ("", None),
        ] {
            assert_eq!(read(text, 7), expected, "{text}");
        }
    }
}
