//! Texts with a form: addresses, networks, lengths of time, sizes. One place reads each, for checking and for use.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use ipnet::IpNet;
use stepward_core::yaml::units;

use crate::settings::{
    oidc,
    pages::{colour, theme},
};

/// In place of a length of time, where there may be none.
pub const NEVER: &str = "never";

/// Whether `text` has the form that the schema names; else what it should look like.
pub fn check(format: &str, text: &str) -> Result<(), String> {
    let (fits, like) = match format {
        "address" => (address(text).is_some(), "an address and a port, such as `127.0.0.1:8080`"),
        "network" => (network(text).is_some(), "a network or an address, such as `10.0.0.0/8`"),
        "duration" => (duration(text).is_some(), "a length of time such as `80ms`, `5s`, `30m`, `12h` or `7d`"),
        "duration_or_never" => {
            let fits = text == NEVER || duration(text).is_some();
            (fits, "a length of time such as `30s`, or `never`")
        }
        "age" => (oidc::age(text).is_some(), "a length of time such as `5m`, or `0s` for none"),
        "issuer" => {
            let like = "an `https://` address, or `http://` on this machine, without `?`, `#` and `@`";
            (oidc::is_issuer(text), like)
        }
        "size" => (size(text).is_some(), "a size such as `64KiB` or `1MiB`"),
        "origin" => (origin(text).is_some(), "scheme, host and port and no path, such as `http://127.0.0.1:8081`"),
        "host_port" => (host_port(text, None).is_some(), "a host and a port, such as `app.internal:8081`"),
        "host" => (host(text), "a lower-case host name, or `*.` and a domain"),
        "path" => (path(text), "a path that begins with `/`, without `?`, `#` or `*`"),
        "name" => (name(text), "letters, digits, `-`, `_` and `.`"),
        "token" => (token(text), "letters, digits, `-` and `_`"),
        "email" => (email(text), "an e-mail address"),
        "smtp" => (smtp(text), "`smtp://host:port` or `smtps://host:port`"),
        "colour" => (colour::Colour::parse(text).is_some(), "a colour such as `#0b57d0`"),
        "radius" => (theme::is_radius(text), "a length up to `32px` or `2rem`, such as `8px`"),
        "typeface" => (theme::is_typeface(text), "the name of a typeface: letters, digits, spaces and `-`"),
        "language" => (language(text), "a language tag such as `en` or `de-CH`"),
        _ => (true, ""),
    };
    if fits { Ok(()) } else { Err(format!("write {like}")) }
}

/// `127.0.0.1:8080`; `:8080` is every address.
pub fn address(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix(':') {
        Some(port) => Some(SocketAddr::from(([0, 0, 0, 0], port.parse().ok()?))),
        None => text.parse().ok(),
    }
}

/// `10.0.0.0/8`, or a single address.
pub fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// `80ms`, `5s`, `30m`, `12h`, `7d`; more than nothing.
pub fn duration(text: &str) -> Option<Duration> {
    let ms = units::duration_ms(text).filter(|ms| *ms > 0)?;
    u64::try_from(ms).ok().map(Duration::from_millis)
}

/// `512B`, `64KiB`, `1MiB`, `1GiB`; more than nothing.
pub fn size(text: &str) -> Option<usize> {
    units::size_bytes(text).filter(|bytes| *bytes > 0).and_then(|bytes| usize::try_from(bytes).ok())
}

/// Scheme, host and port of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Whether it is https.
    pub secure: bool,
    /// The host, without the brackets of an IPv6 address.
    pub host: String,
    /// The port, by the scheme if it is not written.
    pub port: u16,
}

/// `http://127.0.0.1:8081`: no path, query, user or fragment.
pub fn origin(text: &str) -> Option<Origin> {
    let (secure, rest) = match text.split_once("://")? {
        ("http", rest) => (false, rest),
        ("https", rest) => (true, rest),
        _ => return None,
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = host_port(rest, Some(if secure { 443 } else { 80 }))?;
    Some(Origin { secure, host, port })
}

/// `host:port`, or `[::1]:port`.
pub fn host_port(text: &str, otherwise: Option<u16>) -> Option<(String, u16)> {
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|it| it.split_once(']')) {
        address.parse::<std::net::Ipv6Addr>().ok()?;
        return Some((address.to_string(), port(rest.strip_prefix(':'), otherwise)?));
    }
    let (host, written) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    name(host).then_some((host.to_string(), port(written, otherwise)?))
}

fn port(written: Option<&str>, otherwise: Option<u16>) -> Option<u16> {
    match written {
        Some(digits) => digits.parse().ok().filter(|port| *port > 0),
        None => otherwise,
    }
}

fn host(text: &str) -> bool {
    let bare = text.strip_prefix("*.").unwrap_or(text);
    let address = bare.starts_with('[') && bare.ends_with(']');
    address || (name(bare) && !bare.chars().any(|it| it.is_ascii_uppercase()) && !bare.ends_with('.'))
}

fn path(text: &str) -> bool {
    text.starts_with('/') && text.chars().all(|it| it.is_ascii_graphic() && !"?#*\\;".contains(it))
}

fn name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|it| it.is_ascii_alphanumeric() || "-_.".contains(it))
}

fn token(text: &str) -> bool {
    name(text) && !text.contains('.')
}

fn email(text: &str) -> bool {
    let bare = text.rsplit_once('<').and_then(|(_, rest)| rest.strip_suffix('>')).unwrap_or(text);
    bare.split_once('@').is_some_and(|(user, domain)| !user.is_empty() && name(domain))
}

fn smtp(text: &str) -> bool {
    let rest = text.strip_prefix("smtp://").or_else(|| text.strip_prefix("smtps://"));
    rest.is_some_and(|rest| host_port(rest, Some(25)).is_some())
}

fn language(text: &str) -> bool {
    (2..=35).contains(&text.len()) && text.split('-').all(|part| !part.is_empty() && name(part) && !part.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_need_a_unit_and_are_more_than_nothing() {
        assert_eq!(duration("80ms"), Some(Duration::from_millis(80)));
        assert_eq!(duration("12h"), Some(Duration::from_secs(43_200)));
        for wrong in ["5", "0s", "-5s", "s", "", "5w", "99999999999999999d"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes_are_binary() {
        assert_eq!(size("64KiB"), Some(65_536));
        for wrong in ["64KB", "64", "0B", "KiB"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_origin_has_no_path_and_no_user() {
        assert_eq!(
            origin("https://app.internal"),
            Some(Origin { secure: true, host: "app.internal".into(), port: 443 })
        );
        assert_eq!(origin("http://[::1]:81"), Some(Origin { secure: false, host: "::1".into(), port: 81 }));
        for wrong in ["ftp://x", "http://", "http://u:p@x", "http://x/path", "x:80", "http://x:0", "http://x:99999"] {
            assert_eq!(origin(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_form_refuses_nonsense_and_says_what_it_wants() {
        let forms = [
            "address",
            "network",
            "duration",
            "duration_or_never",
            "age",
            "issuer",
            "size",
            "origin",
            "host_port",
            "host",
            "path",
            "name",
            "token",
            "email",
            "smtp",
            "language",
        ];
        for form in forms {
            let why = check(form, "no good!\n").unwrap_err();
            assert!(why.starts_with("write "), "{form}: {why}");
        }
    }
}
