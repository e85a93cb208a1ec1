//! Scalars with a unit: lengths of time, sizes, rates. A number without its unit is refused.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use crate::yaml::first_key;

/// A length of time: `80ms`, `5m`, `24h`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration {
    /// In milliseconds, 0 to 10 years.
    pub ms: u64,
}

/// A size: `64KiB`, `1MiB`, `512B`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size {
    /// In bytes, at most 1 TiB.
    pub bytes: u64,
}

/// A rate: `5/min`, `20/s`, `100/h`, `3/day`, `10/5m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At most this many, 1 or more.
    pub count: u32,
    /// In this many milliseconds.
    pub window_ms: u64,
}

/// A share of a whole: `5%`, `0.5%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    /// In millionths, 0 to 1,000,000.
    pub millionths: u32,
}

/// A day of the calendar, in UTC: `2027-01-31`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day {
    /// Its first moment, in milliseconds since the Unix epoch.
    pub begin_ms: i64,
}

/// Ten years: longer than anything a policy may ask for.
const DURATION_MS_MAX: u64 = 10 * 366 * 24 * 3_600_000;

/// Reads a length of time, in milliseconds; a fraction is allowed, as in `1.5h`.
pub fn duration_ms(text: &str) -> Option<i64> {
    let (number, unit) = split(text)?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    scaled(number, unit_ms).filter(|ms| *ms <= DURATION_MS_MAX).and_then(|ms| i64::try_from(ms).ok())
}

/// Reads a size, in bytes.
pub fn size_bytes(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let unit_bytes = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    scaled(number, unit_bytes).filter(|bytes| *bytes <= 1 << 40)
}

/// Reads a rate.
pub fn rate(text: &str) -> Option<Rate> {
    let (count, window) = text.split_once('/')?;
    let count = count.trim().parse().ok().filter(|count| *count >= 1)?;
    let window_ms = match window.trim() {
        "s" | "second" => 1_000,
        "min" | "m" | "minute" => 60_000,
        "h" | "hour" => 3_600_000,
        "d" | "day" => 86_400_000,
        other => u64::try_from(duration_ms(other)?).ok().filter(|ms| *ms >= 1)?,
    };
    Some(Rate { count, window_ms })
}

/// Reads a share.
pub fn share(text: &str) -> Option<Share> {
    let (number, unit) = split(text)?;
    let millionths = (unit == "%").then(|| scaled(number, 10_000))??;
    u32::try_from(millionths).ok().filter(|it| *it <= 1_000_000).map(|millionths| Share { millionths })
}

/// Reads a day (RFC 3339 `full-date`) from 1970 on.
pub fn day(text: &str) -> Option<Day> {
    let digits = |from: usize, to: usize| -> Option<i64> {
        let part = text.get(from..to)?;
        part.bytes().all(|it| it.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let is_shaped = text.len() == 10 && text.get(4..5) == Some("-") && text.get(7..8) == Some("-");
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !is_shaped || year < 1970 || !(1..=days).contains(&day) {
        return None;
    }
    // Days since the epoch, counted in years that begin in March (H. Hinnant, "chrono-Compatible Low-Level Date
    // Algorithms", `days_from_civil`).
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(Day { begin_ms: days * 86_400_000 })
}

/// The number and its unit.
fn split(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let at = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
    let (number, unit) = text.split_at(at);
    (!number.is_empty()).then_some((number, unit.trim_start()))
}

/// Exact for whole numbers; fractions have at most six digits.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    if fraction.is_empty() {
        return (!number.ends_with('.')).then_some(whole);
    }
    let digits = u32::try_from(fraction.len()).ok().filter(|digits| *digits <= 6)?;
    let part = fraction.parse::<u64>().ok()?.checked_mul(unit)? / 10u64.pow(digits);
    whole.checked_add(part)
}

macro_rules! scalar {
    ($type:ident, $read:expr, $what:literal, $help:literal, $pattern:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let read: fn(&str) -> Option<$type> = $read;
                read(&text).ok_or_else(|| first_key::refuse("value.unit", format!("`{text}` is no {}", $what), $help))
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "description": $help })
            }
        }
    };
}

scalar!(
    Duration,
    |text| duration_ms(text).and_then(|ms| u64::try_from(ms).ok()).map(|ms| Duration { ms }),
    "length of time",
    "write `80ms`, `30s`, `5m`, `24h` or `7d`",
    "^[0-9]+(\\.[0-9]{1,6})? ?(ms|s|m|min|h|d)$"
);
scalar!(
    Size,
    |text| size_bytes(text).map(|bytes| Size { bytes }),
    "size",
    "write `512B`, `64KiB` or `1MiB`",
    "^[0-9]+(\\.[0-9]{1,6})? ?(B|KiB|MiB|GiB)$"
);
scalar!(
    Rate,
    rate,
    "rate",
    "write `20/s`, `5/min`, `100/h` or `10/5m`",
    "^[0-9]+ ?/ ?([a-z]+|[0-9]+ ?(ms|s|m|min|h|d))$"
);
scalar!(Share, share, "share", "write `5%` or `0.5%`", "^[0-9]+(\\.[0-9]{1,6})? ?%$");
scalar!(Day, day, "day", "write `2027-01-31`", "^[0-9]{4}-[0-9]{2}-[0-9]{2}$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_need_a_unit() {
        let cases = [("80ms", Some(80)), ("5m", Some(300_000)), ("24h", Some(86_400_000)), ("7d", Some(604_800_000))];
        for (text, expected) in
            cases.into_iter().chain([("1.5h", Some(5_400_000)), ("5", None), ("", None), ("m", None)])
        {
            assert_eq!(duration_ms(text), expected, "{text}");
        }
        for text in ["1.m", "5 weeks", "-5m", "99999999999999999999d", "4000d4", "1.0000001s", "4000000d"] {
            assert_eq!(duration_ms(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_binary() {
        assert_eq!(size_bytes("64KiB"), Some(65_536));
        assert_eq!(size_bytes("1MiB"), Some(1 << 20));
        assert_eq!(size_bytes("64KB"), None, "ambiguous units are refused");
    }

    #[test]
    fn rates_count_in_a_window() {
        assert_eq!(rate("5/min"), Some(Rate { count: 5, window_ms: 60_000 }));
        assert_eq!(rate("20/s"), Some(Rate { count: 20, window_ms: 1_000 }));
        assert_eq!(rate("10/5m"), Some(Rate { count: 10, window_ms: 300_000 }));
        assert_eq!(rate("0/s"), None, "never is `block`");
        assert_eq!(rate("5"), None);
    }

    #[test]
    fn shares_are_of_a_whole() {
        let cases = [("5%", Some(50_000)), ("0.5%", Some(5_000)), ("100%", Some(1_000_000)), ("0%", Some(0))];
        for (text, expected) in cases.into_iter().chain([("101%", None), ("5", None), ("-5%", None), ("%", None)]) {
            assert_eq!(share(text).map(|it| it.millionths), expected, "{text}");
        }
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        let days = |text: &str| day(text).map(|it| it.begin_ms / 86_400_000);
        let cases = [("1970-01-01", 0), ("2000-02-29", 11_016), ("2000-03-01", 11_017), ("2027-01-31", 20_849)];
        for (text, expected) in cases {
            assert_eq!(days(text), Some(expected), "{text}");
        }
        for text in ["2027-02-29", "2027-13-01", "2027-00-01", "2027-04-31", "2027-1-1", "27-01-01", "1969-12-31", "x"]
        {
            assert_eq!(days(text), None, "{text}");
        }
    }
}
