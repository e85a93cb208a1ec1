//! What an app asks for by `Stepward-Require`: methods, any of which will do, and how old the proof may be.
//!
//! A structured-field list (RFC 9651 §3.1) of tokens and inner lists of tokens, each with at most one parameter,
//! `max-age`, in seconds: `passkey;max-age=300`, `totp, passkey;max-age=60`, `(totp passkey);max-age=300`. Read strictly:
//! what is not exactly this is refused, for an app that is misunderstood would be given less than it asked for.

use serde::{Deserialize, Serialize};

use crate::session::{Method, Proof};

/// How old a proof may be where the app does not say, in seconds.
pub const MAX_AGE_S: i64 = 300;
/// The oldest proof that an app may accept, in seconds.
pub const MAX_AGE_S_MAX: i64 = 86_400;
/// The longest list that is read, in bytes.
const LIST_BYTES_MAX: usize = 1024;

/// One or more methods, each with the age in milliseconds that a proof of it may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Required(Vec<(Method, i64)>);

impl Required {
    /// Reads the field's value; several lines of it are one list, joined with commas (RFC 9651 §3.1).
    ///
    /// # Errors
    /// What is wrong with it, for the app's developer.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        if text.len() > LIST_BYTES_MAX {
            return Err("the list is too long");
        }
        let mut methods = Vec::new();
        let mut rest = text.trim_matches(' ');
        loop {
            let (names, after) = member(rest)?;
            let (age_s, after) = max_age(after)?;
            for name in names {
                let method = Method::named(name).ok_or("there is no such method")?;
                if method == Method::Approval {
                    return Err("an approval is asked for by a policy, which says whose and what for");
                }
                if methods.iter().any(|(known, _)| *known == method) {
                    return Err("a method is named twice");
                }
                methods.push((method, age_s * 1000));
            }
            let after = after.trim_start_matches([' ', '\t']);
            if after.is_empty() {
                return Ok(Required(methods));
            }
            rest = after.strip_prefix(',').ok_or("members of a list stand between commas")?;
            rest = rest.trim_start_matches([' ', '\t']);
        }
    }

    /// The methods, as the app prefers them.
    pub fn methods(&self) -> Vec<Method> {
        self.0.iter().map(|(method, _)| *method).collect()
    }

    /// The oldest proof that could do, in milliseconds.
    pub fn fresh_for_ms(&self) -> i64 {
        self.0.iter().map(|(_, age_ms)| *age_ms).max().unwrap_or_default()
    }

    /// Whether one of these proofs is what the app asks for.
    pub fn is_met_by(&self, proofs: &[Proof], now_ms: i64) -> bool {
        let does = |(method, age_ms): &(Method, i64), proof: &Proof| {
            proof.method == *method && proof.is_fresh(now_ms, *age_ms)
        };
        self.0.iter().any(|wanted| proofs.iter().any(|proof| does(wanted, proof)))
    }
}

/// A token, or an inner list of tokens, and what follows it.
fn member(text: &str) -> Result<(Vec<&str>, &str), &'static str> {
    let Some(inner) = text.strip_prefix('(') else {
        let (name, rest) = token(text)?;
        return Ok((vec![name], rest));
    };
    let (names, rest) = inner.split_once(')').ok_or("a list in brackets has no end")?;
    let names: Vec<&str> = names.split(' ').filter(|name| !name.is_empty()).collect();
    match names.iter().all(|name| matches!(token(name), Ok((_, "")))) && !names.is_empty() {
        true => Ok((names, rest)),
        false => Err("brackets hold names of methods with spaces between them"),
    }
}

/// The name of a method: all that a token may be here.
fn token(text: &str) -> Result<(&str, &str), &'static str> {
    let end = text.bytes().position(|byte| !(byte.is_ascii_lowercase() || byte == b'_')).unwrap_or(text.len());
    match text.split_at(end) {
        ("", _) => Err("the name of a method is missing"),
        found => Ok(found),
    }
}

/// The parameter `max-age`, if it is there, and what follows it.
fn max_age(text: &str) -> Result<(i64, &str), &'static str> {
    let Some(parameter) = text.strip_prefix(';') else { return Ok((MAX_AGE_S, text)) };
    let value = parameter.trim_start_matches(' ').strip_prefix("max-age=");
    let value = value.ok_or("`max-age` in seconds is the only parameter")?;
    let end = value.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(value.len());
    let (digits, rest) = value.split_at(end);
    let seconds = digits.parse().ok().filter(|seconds| (1..=MAX_AGE_S_MAX).contains(seconds));
    match (seconds, rest.starts_with(';')) {
        (Some(seconds), false) => Ok((seconds, rest)),
        (_, true) => Err("`max-age` in seconds is the only parameter"),
        (None, false) => Err("`max-age` is from 1 to 86400 seconds"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Method::{EmailCode, Passkey, Totp};

    #[test]
    fn a_list_of_methods_reads_as_structured_fields_do() {
        for (text, expected) in [
            ("passkey", &[(Passkey, 300)][..]),
            ("passkey; max-age=300", &[(Passkey, 300)]),
            ("  passkey;max-age=1 ", &[(Passkey, 1)]),
            ("totp, passkey;max-age=60", &[(Totp, 300), (Passkey, 60)]),
            ("totp;max-age=9 \t,\tpasskey", &[(Totp, 9), (Passkey, 300)]),
            ("(totp passkey);max-age=60", &[(Totp, 60), (Passkey, 60)]),
            ("( totp  passkey ), email_code", &[(Totp, 300), (Passkey, 300), (EmailCode, 300)]),
            ("totp;max-age=86400", &[(Totp, 86_400)]),
        ] {
            let expected = expected.iter().map(|(method, seconds)| (*method, seconds * 1000)).collect();
            assert_eq!(Required::read(text), Ok(Required(expected)), "{text}");
        }
    }

    #[test]
    fn what_is_not_exactly_a_list_of_methods_is_refused() {
        for text in [
            "",
            " ",
            ",",
            "passkey,",
            ",passkey",
            "passkey,,totp",
            "totp passkey",
            "Passkey",
            "\"passkey\"",
            "password",
            "passkey totp;max-age=60",
            "passkey, passkey",
            "(totp passkey), totp",
            "()",
            "(totp",
            "(totp;max-age=60 passkey)",
            "totp)",
            "totp;",
            "totp;max-age",
            "totp;max-age=",
            "totp;max-age=0",
            "totp;max-age=-1",
            "totp;max-age=1.5",
            "totp;max-age=86401",
            "totp;max-age=99999999999999999999",
            "totp;max-age=60;max-age=60",
            "totp;max-age=60;x=1",
            "totp;x=1",
            "totp ;max-age=60",
            "totp; max-age = 60",
            "totp\r\nx",
            "passkey\u{e9}",
        ] {
            assert!(Required::read(text).is_err(), "{text:?}: {:?}", Required::read(text));
        }
        assert!(Required::read(&"totp,".repeat(400)).is_err());
    }

    #[test]
    fn each_method_has_an_age_of_its_own() {
        let required = Required::read("totp;max-age=60, passkey").expect("a list");
        let proof = |method, at_ms| Proof { method, at_ms, event: "x".into(), bound_to: None, by: None };
        let now_ms = 1_000_000;
        for (proofs, expected) in [
            (vec![], false),
            (vec![proof(Totp, now_ms - 60_000)], true),
            (vec![proof(Totp, now_ms - 60_001)], false),
            (vec![proof(Passkey, now_ms - 300_000)], true),
            (vec![proof(Totp, now_ms - 61_000), proof(Passkey, now_ms - 300_001)], false),
            (vec![proof(EmailCode, now_ms)], false),
        ] {
            assert_eq!(required.is_met_by(&proofs, now_ms), expected, "{proofs:?}");
        }
        assert_eq!((required.methods(), required.fresh_for_ms()), (vec![Totp, Passkey], 300_000));
    }
}
