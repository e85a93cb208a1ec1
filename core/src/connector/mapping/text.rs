//! What texts are made of one another: hashes, encodings, normal forms. Also used by templates and signatures.

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER};
use sha2::Digest as _;

/// MD5 in lower-case hexadecimal; only for vendors who ask for it.
pub(crate) fn md5_hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(&md5::Md5::digest(bytes))
}

/// SHA-1 in lower-case hexadecimal; only for vendors who ask for it.
pub(crate) fn sha1_hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(&sha1::Sha1::digest(bytes))
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(&sha2::Sha256::digest(bytes))
}

/// SHA-512 in lower-case hexadecimal.
pub(crate) fn sha512_hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(&sha2::Sha512::digest(bytes))
}

/// Percent-encoded as a part of a URL or a form (RFC 3986 §2.3).
pub(crate) fn percent_encoded(text: &str) -> String {
    const KEPT: percent_encoding::AsciiSet =
        percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    percent_encoding::utf8_percent_encode(text, &KEPT).to_string()
}

/// The bytes of Base64 in either alphabet, padded or not.
pub(crate) fn base64_bytes(text: &str) -> Option<Vec<u8>> {
    let bare: String = text.chars().filter(|it| !it.is_ascii_whitespace() && *it != '=').collect();
    BASE64_NOPAD.decode(bare.as_bytes()).or_else(|_| BASE64URL_NOPAD.decode(bare.as_bytes())).ok()
}

/// The text of Base64; `None` where it is not UTF-8.
pub(super) fn from_base64(text: &str) -> Option<String> {
    String::from_utf8(base64_bytes(text)?).ok()
}

/// Base64 (RFC 4648 §4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// The domain of an e-mail address or a URL, lower case.
pub(super) fn domain_of(text: &str) -> Option<String> {
    let host = match text.split_once("://") {
        Some((_, rest)) => rest.split(['/', '?', '#']).next()?.rsplit('@').next()?.split(':').next()?,
        None => text.rsplit_once('@')?.1,
    };
    (!host.is_empty()).then(|| host.trim().trim_end_matches('.').to_lowercase())
}

/// An e-mail address as most mailboxes see it: lower case, without `+tag`, without dots at Gmail.
pub(super) fn normalized_email(text: &str) -> Option<String> {
    let lower = text.trim().to_lowercase();
    let (local, domain) = lower.rsplit_once('@')?;
    let domain = if domain == "googlemail.com" { "gmail.com" } else { domain.trim_end_matches('.') };
    let bare = local.split('+').next().filter(|it| !it.is_empty()).unwrap_or(local);
    let local = if domain == "gmail.com" { bare.replace('.', "") } else { bare.to_owned() };
    (!local.is_empty() && !domain.is_empty()).then(|| format!("{local}@{domain}"))
}

/// A telephone number in E.164 form: `+` and 8 to 15 digits; `00` before it is an old way to write `+`.
pub(crate) fn e164(text: &str) -> Option<String> {
    // `(0)` is dialled at home only; whether it belongs to the number cannot be told.
    if text.contains("(0)") {
        return None;
    }
    let bare: String = text.chars().filter(|it| !matches!(it, ' ' | '-' | '.' | '(' | ')' | '/' | '\u{a0}')).collect();
    let digits = bare.strip_prefix('+').or_else(|| bare.strip_prefix("00"))?;
    let sound = (8..=15).contains(&digits.len()) && digits.bytes().all(|it| it.is_ascii_digit());
    (sound && !digits.starts_with('0')).then(|| format!("+{digits}"))
}
