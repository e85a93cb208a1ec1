//! One view of all cookies: every `Cookie` line and every HTTP/2 crumb, in order (RFC 6265 section 5.4, RFC 9113
//! section 8.2.3). It never fails: what is no pair is a name without a value, as most servers read it.

/// The pairs of one `Cookie` line, as bytes without the spaces around them.
pub fn pairs(line: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    line.split(|it| *it == b';').map(<[u8]>::trim_ascii).filter(|it| !it.is_empty()).map(|pair| {
        let (name, value) = pair.split_at(pair.iter().position(|it| *it == b'=').unwrap_or(pair.len()));
        (name.trim_ascii(), value.strip_prefix(b"=").unwrap_or(value).trim_ascii())
    })
}

/// Whether a pair, without spaces before it, has this name: as [`pairs`] reads it, without looking at the value.
pub fn is_of(pair: &[u8], name: &str) -> bool {
    let rest = pair.strip_prefix(name.as_bytes()).map(<[u8]>::trim_ascii_start);
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'=')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_has_the_name_that_it_is_read_with() {
        let lines = ["a=1", "a", "a =1", "a\t= 2", "ab=1", "b=a", "=a", "a;", " a b=1", "a b", "A=1", "stepward-x=1"];
        for pair in lines.iter().flat_map(|line| line.split(';')).map(str::trim_start) {
            for name in ["a", "ab", "a b", "b", "stepward", "stepward-x"] {
                let read = pairs(pair.as_bytes()).any(|(read, _)| read == name.as_bytes());
                assert_eq!(is_of(pair.as_bytes(), name), read, "{name} in {pair:?}");
            }
        }
    }

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
