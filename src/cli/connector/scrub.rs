//! Keeps people and secrets out of what is recorded: made-up values of the same shape take their place.
//!
//! Pure. What it finds: secrets and inputs by their values, addresses and telephone numbers by their form, tokens and names
//! of people by the keys they stand under. It cannot know everything; whoever records is told to look.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use serde_json::Value as Json;
use stepward_core::connector::Named;

/// Inputs that name no person.
const HARMLESS: [&str; 9] =
    ["user_agent", "event", "action", "resource", "resource_type", "country", "amount", "currency", "language"];

/// Under such keys stand values that let somebody in.
const SECRET_KEYS: [&str; 6] = ["token", "secret", "password", "api_key", "apikey", "session"];

/// Under such keys stand people.
const PERSON_KEYS: [&str; 10] = [
    "first_name",
    "last_name",
    "full_name",
    "firstname",
    "lastname",
    "fullname",
    "street",
    "birth",
    "username",
    "owner",
];

/// Replaces the same value by the same made-up one, wherever it stands.
#[derive(Default)]
pub(super) struct Scrubber {
    secrets: Vec<(Arc<str>, Arc<str>)>,
    inputs: Vec<(Arc<str>, String)>,
    seen: BTreeMap<String, String>,
    made: usize,
}

impl Scrubber {
    /// A scrubber that knows these secrets and inputs.
    pub(super) fn of(secrets: &Named, inputs: &Named) -> Scrubber {
        let mut scrubber = Scrubber { secrets: secrets.to_vec(), ..Scrubber::default() };
        for (_, value) in inputs.iter().filter(|(name, _)| !HARMLESS.contains(&&**name)) {
            let made_up = scrubber.made_up(value);
            scrubber.inputs.push((value.clone(), made_up));
        }
        // The longest first: an address may stand inside of something longer that was asked about.
        scrubber.inputs.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        scrubber
    }

    /// Made-up inputs in the place of these.
    pub(super) fn inputs(&mut self, inputs: &Named) -> Vec<(Arc<str>, Arc<str>)> {
        inputs.iter().map(|(name, value)| (name.clone(), self.text(value).into())).collect()
    }

    /// A document without anything personal.
    pub(super) fn json(&mut self, json: &Json) -> Json {
        match json {
            Json::Object(fields) => {
                let scrubbed = fields.iter().map(|(name, value)| (self.text(name), self.under(name, value)));
                Json::Object(scrubbed.collect())
            }
            Json::Array(items) => items.iter().map(|it| self.json(it)).collect(),
            Json::String(text) => Json::String(self.text(text)),
            Json::Number(number) => self.number(number),
            Json::Null | Json::Bool(_) => json.clone(),
        }
    }

    /// A text without anything personal.
    pub(super) fn text(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in self.secrets.iter().filter(|(_, value)| !value.is_empty()) {
            text = text.replace(&**value, &format!("***{name}***"));
        }
        for (value, made_up) in self.inputs.iter().filter(|(value, _)| value.len() >= 3) {
            text = text.replace(&**value, made_up);
        }
        let is_part = |it: char| it.is_ascii_alphanumeric() || "._%+@:-".contains(it);
        let mut scrubbed = String::with_capacity(text.len());
        let mut word = String::new();
        for letter in text.chars() {
            if is_part(letter) {
                word.push(letter);
            } else {
                scrubbed.push_str(&self.word(&std::mem::take(&mut word)));
                scrubbed.push(letter);
            }
        }
        scrubbed.push_str(&self.word(&word));
        scrubbed
    }

    fn under(&mut self, key: &str, value: &Json) -> Json {
        let key = key.to_ascii_lowercase();
        match value {
            Json::String(text) if SECRET_KEYS.iter().any(|it| key.contains(it)) => Json::String("x".repeat(text.len())),
            Json::String(text) if !text.is_empty() && PERSON_KEYS.iter().any(|it| key.contains(it)) => {
                Json::String("Made Up".to_owned())
            }
            Json::String(text) if is_phone_key(&key) && digits(text).len() >= 8 => Json::String(self.made_up(text)),
            other => self.json(other),
        }
    }

    fn number(&self, number: &serde_json::Number) -> Json {
        let written = number.to_string();
        let same = |(value, _): &&(Arc<str>, String)| written.len() >= 8 && digits(value) == written;
        let made_up = self.inputs.iter().find(same).and_then(|(_, made_up)| digits(made_up).parse::<u64>().ok());
        made_up.map_or_else(|| Json::Number(number.clone()), Json::from)
    }

    fn word(&mut self, word: &str) -> String {
        let bare = word.trim_end_matches(['.', ':', '-']);
        let rest = word.get(bare.len()..).unwrap_or("");
        let known = self.inputs.iter().any(|(_, made_up)| made_up == bare);
        let digits_of_input = |value: &str| bare.len() >= 8 && digits(value) == bare;
        let input = self.inputs.iter().find(|(value, _)| digits_of_input(value)).map(|(_, it)| digits(it));
        let scrubbed = match input {
            _ if known => bare.to_owned(),
            Some(digits) => digits,
            None if is_address(bare) || is_mail(bare) || is_phone(bare) => self.made_up(bare),
            None => bare.to_owned(),
        };
        scrubbed + rest
    }

    /// Something of the same shape that belongs to nobody; the same for the same.
    fn made_up(&mut self, text: &str) -> String {
        if let Some(known) = self.seen.get(text) {
            return known.clone();
        }
        if self.seen.values().any(|made_up| made_up == text) {
            return text.to_owned();
        }
        let count = self.made;
        self.made += 1;
        let made_up = match text.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => format!("62.4.31.{}", 7 + count % 200),
            // Returned by the 6bone (RFC 3701): public by its form, and nobody's.
            Ok(IpAddr::V6(_)) => format!("3ffe::{:x}", 7 + count),
            Err(_) if is_mail(text) => format!("person{}@example.com", count + 1),
            Err(_) if digits(text).len() >= 8 && digits(text).len() * 2 > text.len() => fictional(text, count),
            Err(_) => format!("made-up-{}", count + 1),
        };
        self.seen.insert(text.to_owned(), made_up.clone());
        made_up
    }
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// The digits of a number that is kept for stories (North American Numbering Plan, 555-0100 to 555-0199).
fn fictional(text: &str, count: usize) -> String {
    let numbers = format!("1202555{:04}{:04}", 100 + count % 100, 0);
    let mut digits = numbers.chars();
    text.chars().map(|it| if it.is_ascii_digit() { digits.next().unwrap_or('0') } else { it }).collect()
}

fn is_address(word: &str) -> bool {
    word.parse::<IpAddr>().is_ok_and(|it| !it.is_loopback() && !it.is_unspecified())
}

fn is_mail(word: &str) -> bool {
    let parts = word.split_once('@');
    parts.is_some_and(|(local, host)| !local.is_empty() && host.contains('.') && !host.ends_with("example.com"))
}

fn is_phone(word: &str) -> bool {
    let count = digits(word).len();
    word.starts_with('+')
        && (8..=15).contains(&count)
        && word.chars().skip(1).all(|it| it.is_ascii_digit() || it == '-')
}

fn is_phone_key(key: &str) -> bool {
    ["phone", "msisdn", "mobile_number"].iter().any(|it| key.contains(it))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn named(pairs: &[(&str, &str)]) -> Vec<(Arc<str>, Arc<str>)> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn people_and_secrets_leave_and_everything_else_stays() {
        let inputs = named(&[
            ("ip", "203.0.114.9"),
            ("email", "ada.lovelace@bank.co.uk"),
            ("phone", "+49 151 23456789"),
            ("user_agent", "Mozilla/5.0"),
        ]);
        let mut scrubber = Scrubber::of(&named(&[("key", "s3cr3t-k3y")]), &inputs);
        let answer = json!({
            "ip": "203.0.114.9", "asn": 64500, "at": "2026-11-22T07:00:00Z", "ua": "Mozilla/5.0", "version": "1.2.3",
            "seen": ["also 198.51.99.4, 203.0.114.9.", "2a02:8071::5", "127.0.0.1"],
            "203.0.114.9": { "contact": "Write to grace@navy.mil!" },
            "echo": "key=s3cr3t-k3y&mail=ada.lovelace@bank.co.uk",
            "number": 4915123456789_u64, "e164": "+4915123456789", "digits": "4915123456789",
            "first_name": "Ada", "access_token": "abcdef", "count": 12345678,
        });
        let clean = scrubber.json(&answer);
        let text = clean.to_string();
        for gone in ["203.0.114", "ada.love", "1512345", "198.51.99", "2a02", "grace", "s3cr3t", "\"Ada\"", "abcdef"] {
            assert!(!text.contains(gone), "{gone} is still in {text}");
        }
        for kept in ["64500", "2026-11-22T07:00:00Z", "Mozilla/5.0", "1.2.3", "127.0.0.1", "***key***", "12345678"] {
            assert!(text.contains(kept), "{kept} is gone from {text}");
        }
        let made_up = scrubber.inputs(&inputs);
        assert_eq!(clean["ip"], *made_up[0].1, "the same value is the same everywhere");
        assert_eq!(clean["digits"].as_str().unwrap(), digits(&made_up[2].1));
        assert_eq!(clean["number"].to_string(), digits(&made_up[2].1));
        assert_eq!(made_up[2].1.len(), "+49 151 23456789".len(), "of the same shape");
        assert!(clean["203.0.114.9"].is_null() && clean[&*made_up[0].1].is_object(), "keys, too");
    }

    #[test]
    fn scrubbing_what_is_scrubbed_changes_nothing() {
        let inputs = named(&[("ip", "8.8.4.4"), ("email", "x@y.zz")]);
        let mut scrubber = Scrubber::of(&[], &inputs);
        let once = scrubber.json(&json!({ "a": "8.8.4.4 and x@y.zz", "b": "9.9.9.9" }));
        assert_eq!(scrubber.json(&once), once);
    }
}
