//! One view of all cookies: every `Cookie` line and every HTTP/2 crumb, in order (RFC 6265 section 5.4, RFC 9113
//! section 8.2.3). It never fails: what is no pair is a name without a value, as most servers read it.

/// The pairs of one `Cookie` line, as bytes without the spaces around them.
pub fn pairs(line: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    line.split(|it| *it == b';').map(<[u8]>::trim_ascii).filter(|it| !it.is_empty()).map(|pair| {
        let (name, value) = pair.split_at(pair.iter().position(|it| *it == b'=').unwrap_or(pair.len()));
        (name.trim_ascii(), value.strip_prefix(b"=").unwrap_or(value).trim_ascii())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_as_most_servers_do() {
        let read = |line: &str| {
            let shown = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
            pairs(line.as_bytes()).map(|(name, value)| format!("{}:{}", shown(name), shown(value))).collect::<Vec<_>>()
        };
        assert_eq!(read("a=1; b=2=3;c"), ["a:1", "b:2=3", "c:"]);
        assert_eq!(read(" a = 1 ;; =x;"), ["a:1", ":x"]);
        assert_eq!(read(""), [""; 0]);
    }
}
