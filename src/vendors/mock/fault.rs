//! What a vendor can be made to do wrong, as words: `abuseipdb=stall@30s`, `latency:300ms`, `all=error:503`.
//!
//! One grammar for the command line and for the control endpoint. A word that makes no sense is told, never guessed.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use stepward_core::{diagnostic, yaml::units};

/// The longest a fault may delay an answer or last, so that a forgotten one ends with the day.
const LASTING_MS_MAX: u64 = 24 * 60 * 60 * 1000;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The answer is the recorded one, but so much later.
    Latency(Duration),
    /// This status and nothing of what was recorded.
    Error(u16),
    /// The request is taken and never answered.
    Stall,
    /// Status 200 with bytes that are no text at all.
    Garbage,
    /// The connection ends in the middle of the body.
    HalfClose,
    /// Well-formed, but every key has another name: what a vendor's new version looks like.
    WrongSchema,
    /// The recorded `rate_limited` answer, or 429 where none is recorded.
    RateLimited,
    /// This recorded answer, by the name of its fixture.
    Fixture(Arc<str>),
}

/// The words, for help and suggestions.
pub const WORDS: [&str; 8] =
    ["latency", "error", "stall", "garbage", "half_close", "wrong_schema", "rate_limited", "fixture"];

/// A fault, whose, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The connector; `None` for every one.
    pub connector: Option<Arc<str>>,
    /// What goes wrong.
    pub fault: Fault,
    /// For how long; `None` until it is taken back.
    pub lasting: Option<Duration>,
}

impl FromStr for Order {
    type Err = String;

    /// Reads `[CONNECTOR=]FAULT[:ARGUMENT][@DURATION]`; `all` names every connector, as does leaving it out.
    fn from_str(text: &str) -> Result<Self, String> {
        let is_id = |it: &str| it.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let (connector, rest) = match text.trim().split_once('=') {
            Some((id, rest)) if is_id(id) => ((id != "all" && !id.is_empty()).then(|| id.into()), rest),
            Some(_) | None => (None, text.trim()),
        };
        // The name of a fixture may hold an `@` of its own: only what reads as a duration is one.
        let (what, lasting) = match rest.rsplit_once('@').map(|(what, text)| (what, duration(text))) {
            Some((what, Some(lasting))) => (what, Some(lasting)),
            Some((_, None)) | None => (rest, None),
        };
        Ok(Order { connector, fault: what.parse()?, lasting })
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (word, argument) = match text.split_once(':') {
            Some((word, argument)) => (word, Some(argument.trim())),
            None => (text, None),
        };
        let fault = match (word, argument) {
            ("latency", Some(text)) => duration(text).map(Fault::Latency),
            ("error", None) => Some(Fault::Error(500)),
            ("error", Some(text)) => text.parse().ok().filter(|it| (400..=599).contains(it)).map(Fault::Error),
            ("stall", None) => Some(Fault::Stall),
            ("garbage", None) => Some(Fault::Garbage),
            ("half_close", None) => Some(Fault::HalfClose),
            ("wrong_schema", None) => Some(Fault::WrongSchema),
            ("rate_limited", None) => Some(Fault::RateLimited),
            ("fixture", Some(name)) if !name.is_empty() => Some(Fault::Fixture(name.into())),
            _ => None,
        };
        fault.ok_or_else(|| senseless(text, word))
    }
}

fn senseless(text: &str, word: &str) -> String {
    match word {
        "latency" => format!("`{text}`: latency is written as `latency:300ms`"),
        "error" => format!("`{text}`: a status from 400 to 599 is written as `error:503`"),
        "fixture" => format!("`{text}`: a fixture is named as `fixture:quota exhausted`"),
        word if WORDS.contains(&word) => format!("`{text}`: `{word}` takes no argument"),
        word => {
            let near = diagnostic::nearest(word, WORDS).map(|near| format!("; did you mean `{near}`?"));
            format!("there is no fault `{word}`{}; there are {}", near.unwrap_or_default(), WORDS.join(", "))
        }
    }
}

fn duration(text: &str) -> Option<Duration> {
    let ms = u64::try_from(units::duration_ms(text.trim())?).ok()?;
    (ms <= LASTING_MS_MAX).then(|| Duration::from_millis(ms))
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Latency(by) => write!(f, "latency:{}ms", by.as_millis()),
            Fault::Error(status) => write!(f, "error:{status}"),
            Fault::Stall => f.write_str("stall"),
            Fault::Garbage => f.write_str("garbage"),
            Fault::HalfClose => f.write_str("half_close"),
            Fault::WrongSchema => f.write_str("wrong_schema"),
            Fault::RateLimited => f.write_str("rate_limited"),
            Fault::Fixture(name) => write!(f, "fixture:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_and_written_back_in_the_same_words() {
        for (text, connector, fault, seconds) in [
            ("stall", None, "stall", None),
            ("all=error", None, "error:500", None),
            ("abuseipdb=error:503@30s", Some("abuseipdb"), "error:503", Some(30)),
            ("ip-api=latency:2s", Some("ip-api"), "latency:2000ms", None),
            ("x=fixture:quota @ noon", Some("x"), "fixture:quota @ noon", None),
            ("x=fixture:a=b@5m", Some("x"), "fixture:a=b", Some(300)),
            (" half_close@1m ", None, "half_close", Some(60)),
        ] {
            let order: Order = text.parse().unwrap();
            assert_eq!(order.connector.as_deref(), connector, "{text}");
            assert_eq!(order.fault.to_string(), fault, "{text}");
            assert_eq!(order.lasting.map(|it| it.as_secs()), seconds, "{text}");
            assert_eq!(order.fault.to_string().parse::<Fault>().unwrap(), order.fault);
        }
    }

    #[test]
    fn what_makes_no_sense_is_told_with_what_would() {
        for (text, told) in [
            ("stal", "did you mean `stall`?"),
            ("latency", "latency:300ms"),
            ("latency:soon", "latency:300ms"),
            ("error:200", "400 to 599"),
            ("garbage:now", "takes no argument"),
            ("fixture", "fixture:quota exhausted"),
            ("latency:2d", "latency:300ms"),
            ("", "there is no fault"),
        ] {
            let error = text.parse::<Order>().unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
