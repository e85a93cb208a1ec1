//! What an answer of the app says of its own session: that it has begun, by a cookie with a value, or that it is over,
//! by one that is emptied or has expired.
//!
//! It reads `Set-Cookie` as browsers do (RFC 6265 §5.2). A line that cannot be read says nothing. A cookie that one line
//! ends and another one sets has begun: apps clear their old paths and domains that way.

use http::{HeaderMap, header};
use jiff::civil;

/// The cookies of these names that an answer sets: name and value.
pub fn begun(headers: &HeaderMap, is_app_session: impl Fn(&str) -> bool, now_ms: i64) -> Vec<(&str, &str)> {
    let live = lines(headers).filter(|line| is_app_session(line.name) && !line.is_over(now_ms));
    live.map(|line| (line.name, line.value)).collect()
}

/// Whether an answer ends the cookie of one of these names.
pub fn is_over(headers: &HeaderMap, is_app_session: impl Fn(&str) -> bool, now_ms: i64) -> bool {
    let has_begun = |name: &str| lines(headers).any(|line| line.name == name && !line.is_over(now_ms));
    lines(headers).any(|line| is_app_session(line.name) && line.is_over(now_ms) && !has_begun(line.name))
}

/// One `Set-Cookie` line, as far as it matters here.
#[derive(Debug)]
struct Line<'a> {
    name: &'a str,
    value: &'a str,
    /// Seconds; what is not a number is not there (§5.2.2).
    max_age: Option<i64>,
    /// Milliseconds since the Unix epoch.
    expires_ms: Option<i64>,
}

fn lines(headers: &HeaderMap) -> impl Iterator<Item = Line<'_>> {
    headers.get_all(header::SET_COOKIE).iter().filter_map(|line| Line::read(line.to_str().ok()?))
}

impl<'a> Line<'a> {
    fn read(line: &'a str) -> Option<Line<'a>> {
        let mut parts = line.split(';');
        let (name, value) = parts.next()?.split_once('=')?;
        let mut read =
            Line { name: name.trim(), value: value.trim().trim_matches('"'), max_age: None, expires_ms: None };
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            // Of two that say the same thing the last counts (§5.3).
            match key.trim().to_ascii_lowercase().as_str() {
                "max-age" => read.max_age = seconds(value.trim()).or(read.max_age),
                "expires" => read.expires_ms = date(value).or(read.expires_ms),
                _ => {}
            }
        }
        Some(read)
    }

    /// `Max-Age` comes before `Expires` (§5.3).
    fn is_over(&self, now_ms: i64) -> bool {
        let has_run_out = match (self.max_age, self.expires_ms) {
            (Some(seconds), _) => seconds <= 0,
            (None, Some(until_ms)) => until_ms <= now_ms,
            (None, None) => false,
        };
        self.value.is_empty() || has_run_out
    }
}

/// A number of seconds; one that is larger than can be told apart is very large.
fn seconds(written: &str) -> Option<i64> {
    let digits = written.strip_prefix('-').unwrap_or(written);
    let is_number = !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit());
    let most = if written.starts_with('-') { i64::MIN } else { i64::MAX };
    is_number.then(|| written.parse().unwrap_or(most))
}

/// A date by the forgiving rules of RFC 6265 §5.1.1: any order, any separators; in milliseconds since the Unix epoch.
fn date(written: &str) -> Option<i64> {
    let is_separator = |it: char| !(it.is_ascii_alphanumeric() || it == ':');
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in written.split(is_separator).filter(|token| !token.is_empty()) {
        if let (None, Some(read)) = (time, clock(token)) {
            time = Some(read);
        } else if let (None, Some(read)) = (day, number(token, 1..=2)) {
            day = Some(read);
        } else if let (None, Some(read)) = (month, month_of(token)) {
            month = Some(read);
        } else if let (None, Some(read)) = (year, number(token, 2..=4)) {
            year = Some(match read {
                0..=69 => read + 2000,
                70..=99 => read + 1900,
                _ => read,
            });
        }
    }
    let ((hour, minute, second), day, month, year) = (time?, i8::try_from(day?).ok()?, month?, year?);
    let date = civil::DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

fn clock(token: &str) -> Option<(i8, i8, i8)> {
    let mut parts = token.split(':').map(|part| number(part, 1..=2).and_then(|it| i8::try_from(it).ok()));
    let time = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(time)
}

fn number(token: &str, digits: std::ops::RangeInclusive<usize>) -> Option<i16> {
    let is_number = token.bytes().all(|it| it.is_ascii_digit()) && digits.contains(&token.len());
    is_number.then(|| token.parse().ok()).flatten()
}

fn month_of(token: &str) -> Option<i8> {
    let name = token.get(..3)?.to_ascii_lowercase();
    let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    i8::try_from(months.iter().position(|it| **it == name)? + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-05-28 in milliseconds.
    const NOW_MS: i64 = 1_780_000_000_000;

    fn answer(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (header::SET_COOKIE, line.parse().unwrap())).collect()
    }

    #[test]
    fn a_cookie_is_over_as_browsers_see_it() {
        for (line, expected) in [
            ("sid=1", false),
            ("sid=1; Path=/; HttpOnly; Max-Age=3600", false),
            ("sid=", true),
            ("sid=\"\"; Path=/", true),
            ("sid=gone; Max-Age=0", true),
            ("sid=gone; max-age=-1", true),
            ("sid=1; Max-Age=99999999999999999999", false),
            ("sid=1; Max-Age=soon", false),
            ("sid=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", false),
            ("sid=1; Max-Age=0; Expires=Thu, 01 Jan 2099 00:00:00 GMT", true),
            ("sid=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT; Max-Age=0; path=/", true),
            ("sid=deleted; Expires=Thu, 01-Jan-70 00:00:01 GMT", true),
            ("sid=; Expires=Thursday, 01-Jan-70 00:00:00 GMT", true),
            ("sid=1; Expires=Wed, 27 May 2026 20:00:00 GMT", true),
            ("sid=1; Expires=Wed, 09 Jun 2027 10:18:14 GMT", false),
            ("sid=1; Expires=never", false),
            ("other=; Max-Age=0", false),
        ] {
            assert_eq!(is_over(&answer(&[line]), |name| name == "sid", NOW_MS), expected, "{line}");
        }
    }

    #[test]
    fn what_is_cleared_on_one_path_and_set_on_another_has_begun() {
        let both = answer(&["sid=; Path=/old; Max-Age=0", "sid=2; Path=/", "sid=; Domain=old.example; Max-Age=0"]);
        assert!(!is_over(&both, |name| name == "sid", NOW_MS));
        assert_eq!(begun(&both, |name| name == "sid", NOW_MS), [("sid", "2")]);
        let out = answer(&["sid=; Max-Age=0", "theme=dark"]);
        assert!(begun(&out, |name| name == "sid", NOW_MS).is_empty() && is_over(&out, |name| name == "sid", NOW_MS));
    }
}
