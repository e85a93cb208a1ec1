//! Codes of authenticator apps (RFC 6238: SHA-1, six digits, thirty seconds) and how any typed code is read.
//!
//! A code counts in its own time step and in the next one, never earlier and never twice: the caller advances the
//! authenticator's counter to the step that is returned here, and a step that was used is refused by the store.

use subtle::ConstantTimeEq;
use totp_rs::{Algorithm, Builder, Totp};

/// Bytes of a new secret: 160 bits (RFC 4226 §4, recommendation).
pub const SECRET_BYTES: usize = 20;
/// How long a code stays, in seconds (RFC 6238 §5.2).
pub const STEP_SECONDS: u64 = 30;
/// Digits of a code.
pub const DIGITS: usize = 6;

/// A typed code as six ASCII digits. Spaces and dashes are what people put between digits; the digits of other scripts
/// are digits. Anything else, or another length, is no code: it is refused, never repaired.
pub fn digits(typed: &str) -> Option<String> {
    let mut digits = String::with_capacity(DIGITS);
    for symbol in typed.chars() {
        match symbol {
            _ if symbol.is_whitespace() => {}
            '-' | '\u{2010}'..='\u{2015}' | '\u{200e}' | '\u{200f}' => {}
            _ => digits.push(ascii_digit(symbol)?),
        }
        if digits.len() > DIGITS {
            return None;
        }
    }
    (digits.len() == DIGITS).then_some(digits)
}

/// Western, Arabic-Indic, Persian, Devanagari and full-width digits.
fn ascii_digit(symbol: char) -> Option<char> {
    let zeros = ['0', '\u{660}', '\u{6f0}', '\u{966}', '\u{ff10}'];
    let value = zeros.iter().find_map(|zero| {
        let distance = u32::from(symbol).checked_sub(u32::from(*zero))?;
        (distance < 10).then_some(distance)
    })?;
    char::from_digit(value, 10)
}

/// The time step for which this code is right, if it is. Both steps are always computed and compared in full.
pub fn step_of(secret: &[u8], code: &str, now_ms: i64) -> Option<u64> {
    let totp = authenticator(secret, "", "")?;
    u64::try_from(now_ms).ok()?;
    let now = step_at(now_ms);
    let mut matched = None;
    for step in [now.saturating_sub(1), now] {
        let right = totp.generate(step * STEP_SECONDS).to_string();
        if bool::from(right.as_bytes().ct_eq(code.as_bytes())) {
            matched = Some(step);
        }
    }
    matched
}

/// The time step of a moment; 0 before the Unix epoch.
pub fn step_at(now_ms: i64) -> u64 {
    u64::try_from(now_ms / 1000).unwrap_or(0) / STEP_SECONDS
}

/// The `otpauth:` address that an app scans. `None` where a name cannot be part of one.
pub fn address(secret: &[u8], service: &str, account: &str) -> Option<String> {
    let clean = |name: &str| name.replace(':', " ");
    authenticator(secret, &clean(service), &clean(account))?.to_url().ok()
}

/// The secret as people type it, in groups of four.
pub fn key(secret: &[u8]) -> String {
    let letters: Vec<char> = data_encoding::BASE32_NOPAD.encode(secret).chars().collect();
    let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
    groups.join(" ")
}

/// A QR code of this text, as SVG.
pub fn picture(text: &str) -> Option<String> {
    let code = fast_qr::QRBuilder::new(text).ecl(fast_qr::ECL::M).build().ok()?;
    Some(fast_qr::convert::svg::SvgBuilder::default().to_str(&code))
}

fn authenticator(secret: &[u8], service: &str, account: &str) -> Option<Totp> {
    let builder = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(6).with_step_duration(STEP_SECONDS);
    let builder = builder.with_skew(0).with_secret(secret.to_vec()).with_account_name(account);
    builder.with_issuer((!service.is_empty()).then_some(service)).build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn codes_are_those_of_rfc_6238_appendix_b() {
        let cases = [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924")];
        let later = [(2000000000, "279037"), (20000000000, "353130")];
        for (seconds, code) in cases.into_iter().chain(later) {
            assert_eq!(step_of(SECRET, code, seconds * 1000), Some(seconds as u64 / 30), "at {seconds}");
        }
    }

    #[test]
    fn g2_typed_codes_are_made_canonical_before_they_are_compared() {
        let read =
            [" 123456", "123456 ", "123 456", "123-456", "\u{a0}123456", "１２３４５６", "١٢٣٤٥٦", "123\u{2013}456"];
        for typed in read {
            assert_eq!(digits(typed).as_deref(), Some("123456"), "{typed:?}");
        }
        for typed in ["+123456", "1234567", "0123456", "12345", "", "12345a", "123.456", "1e5", "-", "123456\0"] {
            assert_eq!(digits(typed), None, "{typed:?}");
        }
    }

    #[test]
    fn g13_no_code_counts_outside_its_own_and_the_next_step_whatever_the_clock_does() {
        let made_at = 1_700_000_010_000_i64;
        let totp = authenticator(SECRET, "", "").expect("an authenticator");
        let code = totp.generate(made_at as u64 / 1000).to_string();
        for skew in -120..=120 {
            let now = made_at + skew * 1000;
            let steps = now / 30_000 - made_at / 30_000;
            assert_eq!(step_of(SECRET, &code, now).is_some(), steps == 0 || steps == 1, "{skew} s");
        }
        assert_eq!(step_of(SECRET, &code, -1), None);
    }

    #[test]
    fn an_app_is_given_what_it_needs() {
        let address = address(SECRET, "Tiny: Bank", "ada:x").expect("an address");
        assert!(address.starts_with("otpauth://totp/Tiny"), "{address}");
        assert!(address.contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), "{address}");
        assert_eq!(key(SECRET), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
        assert!(picture(&address).is_some_and(|svg| svg.starts_with("<svg")));
    }
}
