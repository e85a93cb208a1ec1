//! Moments as vendors write them: seconds or milliseconds since 1970, or ISO 8601 (RFC 3339 and its looser kin).

/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 86_400_000;
/// A number from here on is in milliseconds: as seconds it would lie beyond the year 5138.
const MILLISECONDS_FROM: f64 = 1e11;

/// A number as a moment, in milliseconds since 1970.
pub(super) fn of_number(number: f64) -> Option<i64> {
    let ms = if number.abs() < MILLISECONDS_FROM { number * 1000.0 } else { number };
    (ms.abs() < 9e15).then_some(ms as i64)
}

/// `2026-05-29`, `2026-05-29T18:33:12.5+02:00`, `2026-05-29 18:33:12`, `20260529`; without a zone it is UTC.
pub(super) fn of_text(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>()
        && text.len() != 8
    {
        return of_number(number);
    }
    let date_length = if text.get(4..5) == Some("-") { 10 } else { 8 };
    let (date, rest) = (text.get(..date_length)?, text.get(date_length..)?);
    let digits: Vec<i64> = match date.split('-').collect::<Vec<_>>().as_slice() {
        [year, month, day] => [year, month, day].iter().map(|it| whole(it)).collect::<Option<_>>()?,
        [all] => vec![whole(all.get(..4)?)?, whole(all.get(4..6)?)?, whole(all.get(6..)?)?],
        _ => return None,
    };
    let [year, month, day] = digits.as_slice() else { return None };
    let days = days(*year, *month, *day)?;
    let rest = rest.trim_start_matches(['T', 't', ' ']);
    let (clock, offset_ms) = zone(rest)?;
    Some(days * DAY_MS + time_of_day(clock)? - offset_ms)
}

/// Days since 1970-01-01 of a date of the Gregorian calendar
/// (<https://howardhinnant.github.io/date_algorithms.html#days_from_civil>).
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// What stands before the zone, and the zone's distance from UTC in milliseconds.
fn zone(text: &str) -> Option<(&str, i64)> {
    let text = text.trim();
    if let Some(clock) = text.strip_suffix(['Z', 'z']).or_else(|| text.strip_suffix(" UTC")) {
        return Some((clock, 0));
    }
    let Some(at) = text.rfind(['+', '-']) else { return Some((text, 0)) };
    let sign = if text.get(at..=at) == Some("-") { -1 } else { 1 };
    let digits: String = text.get(at + 1..)?.chars().filter(|it| *it != ':').collect();
    let (hours, minutes) =
        (whole(digits.get(..2)?)?, digits.get(2..).filter(|it| !it.is_empty()).map_or(Some(0), whole)?);
    (hours < 24 && minutes < 60).then_some((text.get(..at)?.trim_end(), sign * (hours * 60 + minutes) * 60_000))
}

/// Milliseconds since midnight; none written is midnight.
fn time_of_day(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':');
    let (hours, minutes) = (whole(parts.next()?)?, whole(parts.next()?)?);
    let seconds = parts.next().map_or(Some(0), whole)?;
    if parts.next().is_some() || hours > 24 || minutes > 59 || seconds > 60 {
        return None;
    }
    let padded = format!("{fraction:0<3}");
    let ms = whole(padded.get(..3)?)?;
    Some(((hours * 60 + minutes) * 60 + seconds) * 1000 + ms)
}

fn whole(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Year, month, day, hour, minute and second of a moment in UTC; the inverse of [`days`].
pub(crate) fn civil(ms: i64) -> (i64, i64, i64, i64, i64, i64) {
    let (days, seconds) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS) / 1000);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day, seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_vendors_write_them() {
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("2026-05-29T18:33:12+00:00", 1_780_079_592),
            ("2026-05-29T18:33:12Z", 1_780_079_592),
            ("2026-05-29 20:33:12+0200", 1_780_079_592),
            ("2026-05-29T18:33:12.250Z", 1_780_079_592),
            ("2026-05-29 18:33:12", 1_780_079_592),
            ("2026-05-29 18:33:12 UTC", 1_780_079_592),
            ("20260529", 1_780_012_800),
            ("2000-02-29", 951_782_400),
            ("1780079592", 1_780_079_592),
            ("1780079592000", 1_780_079_592),
            ("1969-12-31", -86_400),
        ] {
            assert_eq!(of_text(text).map(|ms| ms.div_euclid(1000)), Some(seconds), "{text}");
        }
        for text in
            ["", "yesterday", "2026-13-01", "2026-02-30", "2026-05-29T25:00", "2026-05-29Tx", "é026-05-29", "2026-05"]
        {
            assert_eq!(of_text(text), None, "{text}");
        }
    }

    #[test]
    fn days_and_dates_are_inverse() {
        for day in (-1_000_000..1_000_000).step_by(997) {
            let (year, month, date, ..) = civil(day * DAY_MS);
            assert_eq!(days(year, month, date), Some(day), "{year}-{month}-{date}");
        }
    }
}
