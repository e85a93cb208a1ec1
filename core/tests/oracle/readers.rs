//! How back ends read a path, written apart from the product's readings, so that both cannot be wrong in one way.
//! The oracle of the core and the wire fuzz of the gateway use them.

/// What a back end is like, and how it reads a path.
pub(crate) type Interpreter = (&'static str, fn(&str) -> String);

/// Whole pipelines, as servers have them.
pub(crate) const INTERPRETERS: [Interpreter; 10] = [
    ("literal", str::to_owned),
    ("rfc3986", |path| decode(&merge(&dots(&decode_unreserved(path))))),
    ("rfc3986, decoding first", |path| merge(&dots(&decode(path)))),
    ("nginx-like", |path| cut(&dots(&merge(&decode(path))))),
    ("servlet-like", |path| dots(&merge(&decode(&bare(path))))),
    ("servlet-like, decoding first", |path| dots(&merge(&bare(&decode(path))))),
    ("windows-like", |path| dots(&merge(&trim(&decode(path).replace('\\', "/").to_lowercase())))),
    ("decoded twice", |path| dots(&merge(&decode(&decode(path))))),
    ("servlet on windows", |path| dots(&merge(&trim(&decode(&bare(path)).replace('\\', "/").to_lowercase())))),
    ("windows, decoded twice", |path| dots(&merge(&trim(&decode(&decode(path)).replace('\\', "/").to_lowercase())))),
];

/// Every valid escape decoded, whatever it stands for.
fn decode(path: &str) -> String {
    unescape(path, |_| true)
}

fn decode_unreserved(path: &str) -> String {
    unescape(path, |it| it.is_ascii_alphanumeric() || b"-._~".contains(&it))
}

fn unescape(path: &str, wanted: fn(u8) -> bool) -> String {
    let bytes = path.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%').then(|| path.get(at + 1..at + 3)).flatten();
        match escape.and_then(|it| u8::from_str_radix(it, 16).ok()).filter(|it| wanted(*it)) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn merge(path: &str) -> String {
    let mut out = path.to_owned();
    while out.contains("//") {
        out = out.replace("//", "/");
    }
    out
}

/// RFC 3986 section 5.2.4, as written there.
fn dots(path: &str) -> String {
    let mut input = path.to_owned();
    let mut output = String::new();
    while !input.is_empty() {
        if input.starts_with("/./") {
            input.drain(..2);
        } else if input == "/." {
            input = "/".into();
        } else if input.starts_with("/../") || input == "/.." {
            input = if input.len() > 3 { input.split_off(3) } else { "/".into() };
            output.truncate(output.rfind('/').unwrap_or(0));
        } else {
            let end = input.get(1..).and_then(|it| it.find('/')).map_or(input.len(), |at| at + 1);
            let rest = input.split_off(end);
            output.push_str(&input);
            input = rest;
        }
    }
    output
}

fn cut(path: &str) -> String {
    path.split(['#', '?']).next().unwrap().to_owned()
}

fn bare(path: &str) -> String {
    path.split('/').map(|it| it.split(';').next().unwrap()).collect::<Vec<_>>().join("/")
}

fn trim(path: &str) -> String {
    let name = |it: &str| match it.trim_end_matches(' ') {
        kept @ ("." | "..") => kept.to_owned(),
        _ => it.trim_end_matches(['.', ' ']).to_owned(),
    };
    path.split('/').map(name).collect::<Vec<_>>().join("/")
}
