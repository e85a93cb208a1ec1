//! Names of header fields that only Stepward or a trusted proxy may set. They are recognised in every spelling that
//! CGI, WSGI and their like turn into the same variable: any case, and any separator for `-`.

use std::net::IpAddr;

use ipnet::IpNet;

/// How our own cookie is called: on https, and on loopback http.
pub const OWN_COOKIES: [&str; 2] = ["__Host-stepward", "stepward"];

/// Families by which proxies say where a request came from, for the app to believe. By their first letter, which is all
/// that has to be looked at of most names.
fn forwarding(first: u8) -> &'static [&'static str] {
    match first {
        b'c' => &["cf-", "client-ip"],
        b'f' => &["forwarded", "fastly-client-", "front-end-https"],
        b'h' => &["http-client-ip"],
        b'p' => &["proxy-client-"],
        b't' => &["true-client-"],
        b'w' => &["wl-proxy-"],
        b'x' => &[
            "x-forwarded",
            "x-real-",
            "x-original-",
            "x-rewrite-",
            "x-client-",
            "x-cluster-client-",
            "x-envoy-",
            "x-remote-",
            "x-proxyuser-",
            "x-azure-",
            "x-appengine-user-",
            "x-host",
            "x-scheme",
            "x-url-scheme",
        ],
        _ => &[],
    }
}

/// Whether a name has only letters, digits and `-`. CGI, WSGI and PHP turn everything else into the same `_` as `-`.
pub fn is_plain(name: &str) -> bool {
    marks(name.as_bytes()) & PLAIN != 0
}

/// Whether every byte of a name may stand in a token (RFC 9110 section 5.6.2).
pub(crate) const TOKEN: u8 = 1;
/// Whether every byte of a name is a letter, a digit or `-`.
pub(crate) const PLAIN: u8 = 2;

/// What holds for every byte of a name: [`TOKEN`] and [`PLAIN`], in one pass.
pub(crate) fn marks(name: &[u8]) -> u8 {
    name.iter().fold(TOKEN | PLAIN, |all, it| all & MARKS[usize::from(*it)])
}

const MARKS: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        let odd = matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        );
        table[at] = match byte.is_ascii_alphanumeric() || byte == b'-' {
            true => TOKEN | PLAIN,
            false if odd => TOKEN,
            false => 0,
        };
        at += 1;
    }
    table
};

/// Whether a name is one of `Stepward-*`, which no request from outside may carry.
pub fn is_reserved_header(name: &str) -> bool {
    begins(name, "stepward-") || (name.len() == 8 && begins(name, "stepward"))
}

/// Whether a name belongs to the family of `X-Forwarded-*`, which only a trusted proxy may send.
pub fn is_forwarding_header(name: &str) -> bool {
    let first = name.bytes().next().unwrap_or_default().to_ascii_lowercase();
    forwarding(first).iter().any(|family| begins(name, family))
}

/// Whether no request from this peer may carry a field of this name: one that CGI and its like take for another, ours,
/// what only a trusted proxy may say, and `Proxy`, which CGI makes `HTTP_PROXY`, which many clients then obey (httpoxy,
/// CVE-2016-5385).
pub fn is_forbidden_header(name: &str, peer_trusted: bool) -> bool {
    !is_plain(name)
        || is_reserved_header(name)
        || (!peer_trusted && is_forwarding_header(name))
        || name.eq_ignore_ascii_case("proxy")
}

/// Whether `name`, in any spelling, begins with `family`, which is lower case with `-`.
fn begins(name: &str, family: &str) -> bool {
    let spelt = |it: u8| if it.is_ascii_alphanumeric() { it.to_ascii_lowercase() } else { b'-' };
    name.len() >= family.len() && name.bytes().map(spelt).zip(family.bytes()).all(|(own, wanted)| own == wanted)
}

/// The client's address: the rightmost one in `X-Forwarded-For` that is not a trusted proxy's own.
///
/// `forwarded` are the values of all `X-Forwarded-For` lines in order. What does not parse on the way there makes the
/// answer the peer, whom nobody can forge. IPv4 addresses in IPv6 clothes are IPv4 addresses.
pub fn client_ip<'a>(peer: IpAddr, forwarded: impl DoubleEndedIterator<Item = &'a [u8]>, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    let mut nearest = peer;
    let hops = forwarded.rev().flat_map(|line| line.rsplit(|it| *it == b','));
    for hop in hops.take(HOPS_MAX) {
        if !is_trusted(nearest, trusted) {
            return nearest;
        }
        match address(hop) {
            Some(address) => nearest = address,
            None => return peer,
        }
    }
    nearest
}

/// Most proxies that are walked through.
const HOPS_MAX: usize = 32;

/// Whether an address is one of the trusted proxies.
pub fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&address))
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text.trim_ascii()).ok()?;
    let bare = text.parse::<IpAddr>();
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|it| it.ip());
    bare.ok().or_else(bracketed).or_else(with_port).map(|it| it.to_canonical())
}

/// Whether the client spoke TLS: what a trusted proxy says in its last `X-Forwarded-Proto`, else how the peer came.
pub fn is_secure<'a>(tls: bool, peer_trusted: bool, forwarded: impl DoubleEndedIterator<Item = &'a [u8]>) -> bool {
    let last = forwarded.rev().flat_map(|line| line.rsplit(|it| *it == b',')).next().map(<[u8]>::trim_ascii);
    match last.filter(|_| peer_trusted) {
        Some(scheme) if scheme.eq_ignore_ascii_case(b"https") => true,
        Some(scheme) if scheme.eq_ignore_ascii_case(b"http") => false,
        Some(_) | None => tls,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_names_are_known_in_every_spelling() {
        for name in ["Stepward-Event", "stepward_event", "STEPWARD.Subject", "Stepward-", "stepward", "stepward-x"] {
            assert!(is_reserved_header(name), "{name}");
        }
        for name in ["stepwards", "x-stepward-event", "step-ward"] {
            assert!(!is_reserved_header(name), "{name}");
        }
    }

    #[test]
    fn the_whole_forwarding_family_is_known() {
        for name in [
            "X-Forwarded-For",
            "x_forwarded_user",
            "X-Forwarded-Uri",
            "X-Forwarded-Prefix",
            "Forwarded",
            "X-Real-IP",
            "X-Original-URL",
            "X-Rewrite-URL",
            "True-Client-IP",
            "CF-Connecting-IP",
            "X-Client-IP",
            "X-Envoy-External-Address",
            "x.forwarded.for",
        ] {
            assert!(is_forwarding_header(name), "{name}");
        }
        for name in ["X-Request-Id", "Accept", "X-Requested-With", "Origin", "Via"] {
            assert!(!is_forwarding_header(name), "{name}");
        }
    }

    #[test]
    fn the_first_letter_tells_the_families_apart_and_hides_none() {
        for first in b'a'..=b'z' {
            for family in forwarding(first) {
                assert_eq!(family.as_bytes()[0], first, "{family} would never be found");
                assert!(is_forwarding_header(&family.to_ascii_uppercase().replace('-', "_")), "{family}");
            }
        }
    }

    #[test]
    fn what_may_not_come_from_outside_depends_on_the_peer_only_where_proxies_speak() {
        for (name, from_anyone, from_a_proxy) in [
            ("accept", true, true),
            ("x-forwarded-for", false, true),
            ("x_forwarded_for", false, false),
            ("stepward-event", false, false),
            ("proxy", false, false),
            ("Proxy", false, false),
            ("proxy-authorization", true, true),
        ] {
            assert_eq!(!is_forbidden_header(name, false), from_anyone, "{name}");
            assert_eq!(!is_forbidden_header(name, true), from_a_proxy, "{name}");
        }
    }

    fn client(peer: &str, lines: &[&str]) -> String {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        client_ip(peer.parse().unwrap(), lines.iter().map(|it| it.as_bytes()), &trusted).to_string()
    }

    #[test]
    fn the_client_is_the_rightmost_address_that_is_not_a_trusted_proxy() {
        for (peer, lines, wanted) in [
            ("9.9.9.9", &["1.2.3.4"][..], "9.9.9.9"),
            ("10.0.0.1", &["1.2.3.4"], "1.2.3.4"),
            ("10.0.0.1", &["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
            ("10.0.0.1", &["6.6.6.6, 1.2.3.4, 10.0.0.2"], "1.2.3.4"),
            ("10.0.0.1", &["1.2.3.4", "10.0.0.2"], "1.2.3.4"),
            ("10.0.0.1", &["10.0.0.3,10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["a"], "10.0.0.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("10.0.0.1", &["1.2.3.4, a"], "10.0.0.1"),
            ("10.0.0.1", &["a, 1.2.3.4"], "1.2.3.4"),
            ("::ffff:10.0.0.1", &["::ffff:1.2.3.4"], "1.2.3.4"),
            ("::1", &["1.2.3.4:5678"], "1.2.3.4"),
            ("::1", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("::1", &["[2001:db8::1]"], "2001:db8::1"),
        ] {
            assert_eq!(client(peer, lines), wanted, "{peer} {lines:?}");
        }
        assert_eq!(client("10.0.0.1", &["10.0.0.2,"; 300]), "10.0.0.1", "an empty entry is malformed");
    }

    #[test]
    fn only_a_trusted_proxy_names_the_scheme() {
        let secure = |tls, trusted, lines: &[&str]| is_secure(tls, trusted, lines.iter().map(|it| it.as_bytes()));
        assert!(secure(false, true, &["https"]));
        assert!(secure(false, true, &["http, HTTPS"]));
        assert!(!secure(false, false, &["https"]));
        assert!(!secure(true, true, &["http"]));
        assert!(secure(true, true, &["ftp"]), "what is odd says nothing");
    }
}
