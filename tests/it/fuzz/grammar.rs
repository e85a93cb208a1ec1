//! Requests made of everything that ever confused two parsers, then damaged.

/// Numbers that are the same for the same seed.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn of(seed: u64) -> Random {
        Random(seed | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from((self.next() >> 11) % limit.max(1) as u64).unwrap()
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn of_these<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

/// What is sent.
#[derive(Debug)]
pub(super) enum Attack {
    /// Bytes of HTTP/1; `whole` tells that the framing was left alone.
    Http1 { bytes: Vec<u8>, whole: bool },
    /// Pseudo-header and header fields of one HTTP/2 request, and its body.
    Http2 { fields: Vec<(Vec<u8>, Vec<u8>)>, body: Vec<u8> },
}

const METHODS: [&str; 14] = [
    "GET", "POST", "POST", "POST", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS", "post", "PoST", "TRACE",
    "XPOST",
];
const NAMES: [&str; 16] = [
    "admin", "admin", "admin", "transfer", "transfer", "pay", "pay", "orders", "7", "public", "..", "..", ".", "", "x",
    "a.test",
];
const SEPARATORS: [&str; 18] =
    ["/", "/", "/", "/", "/", "/", "/", "/", "//", "%2f", "%2F", "%5c", "%252f", "/./", "\\", ";/", "/%2e/", "%c0%af"];
const TAILS: [&str; 26] = [
    "", "", "", "", "", "", "", "", "", "", ";", ";x=1", "%3b", ".", "%20", "%2e", ".json", "%3f", "%23y", "%253b",
    " ", "#", "%00", "%ff", ".html", "+",
];
const QUERIES: [&str; 14] = [
    "",
    "",
    "",
    "",
    "",
    "",
    "?",
    "?x=/public",
    "?_method=DELETE",
    "?.method=delete",
    "?a;_method=DELETE",
    "?amount=9999",
    "?stepward_resume=x",
    "?x=#/admin",
];
const HOSTS: [&str; 16] = [
    "a.test",
    "a.test",
    "a.test",
    "a.test",
    "a.test",
    "a.test",
    "A.TEST",
    "a.test.",
    "a.test:80",
    "b.test",
    "",
    "a.test,b.test",
    "a.test@b.test",
    "a.test/x",
    "127.0.0.1",
    "a.test\tb",
];
const FIELDS: [&str; 54] = [
    "X-Original-URL: /admin",
    "X-Rewrite-URL: /admin",
    "X-Forwarded-Uri: /admin",
    "X-Forwarded-Path: /admin",
    "X-Forwarded-Prefix: /admin",
    "X-Forwarded-Host: spoof.test",
    "X-Forwarded-For: 6.6.6.6",
    "X_Forwarded_For: 6.6.6.6",
    "Forwarded: for=6.6.6.6",
    "X-Real-IP: 6.6.6.6",
    "Stepward-Subject: spoof",
    "stepward_subject: spoof",
    "Stepward.Assertion: spoof",
    "X-Risk: spoof",
    "x-risk : spoof",
    "X-HTTP-Method-Override: DELETE",
    "X-HTTP-Method: POST",
    "x-method-override: delete",
    "X-HTTP-Method-Override: POST, DELETE",
    "Connection: X-Risk",
    "Connection: close",
    "Connection: keep-alive, Stepward-Subject",
    "Connection: upgrade",
    "Upgrade: websocket",
    "Upgrade: h2c",
    "HTTP2-Settings: AAMAAABkAAQAAP__",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: Chunked",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding:\u{b}chunked",
    "Transfer_Encoding: chunked",
    "Content-Length: 0",
    "Content-Length: 5",
    "Content-Length: +5",
    "Content-Length: 5, 5",
    "Content-Length: 0x5",
    "Content-Length: 18446744073709551616",
    "Content-Length: -1",
    "Content_Length: 5",
    "Expect: 100-continue",
    "Expect: y 100-continue",
    "Host: b.test",
    "host: a.test",
    " Host: b.test",
    "Cookie: stepward=x; stepward=y",
    "Cookie: ;;;=;stepward",
    "Authorization: Bearer a",
    "Content-Encoding: gzip",
    "Trailer: X-Risk",
    "TE: trailers",
    "X: a\r\n folded: b",
    ": empty",
];
const TYPES: [&str; 12] = [
    "",
    "application/json",
    "application/json",
    "application/json",
    "application/x-www-form-urlencoded",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "text/plain",
    "application/json; charset=utf-16",
    "APPLICATION/JSON",
    "application/vnd.a+json",
    "application/json, text/plain",
];
const BODIES: [&str; 30] = [
    "",
    "",
    r#"{"amount":1}"#,
    r#"{"amount":50,"x":[1,2]}"#,
    r#"{"amount":9999}"#,
    r#"{"amount":1,"amount":9999}"#,
    r#"{"amount":9999,"amount":1}"#,
    r#"{"amount":1,"Amount":9999}"#,
    r#"{"amount":1e3}"#,
    r#"{"amount":"1","_method":"DELETE"}"#,
    r#"{"_method":"DELETE"}"#,
    r#"[{"amount":1},{"amount":9999}]"#,
    "{\"amount\":1}{\"amount\":9999}",
    "\u{feff}{\"amount\":9999}",
    r#"{"\u0061mount":9999}"#,
    "amount=1",
    "amount=9999",
    "amount=1&amount=9999",
    "amount[]=1&amount[]=9999",
    "amount=1&%61mount=9999",
    "amount=1;amount=9999",
    "_method=DELETE",
    "a=1&_METHOD=delete",
    "--b\r\nContent-Disposition: form-data; name=\"amount\"\r\n\r\n1\r\n--b--\r\n",
    "--b\r\nContent-Disposition: form-data; name=\"amount\"\r\n\r\n9999\r\n--b--\r\n",
    "--b\r\nContent-Disposition: form-data; name=\"_method\"\r\n\r\nDELETE\r\n--b--\r\n",
    "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "5\r\nhello\r\n0\r\n\r\n",
    "1;x=\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
];

/// One attack.
pub(super) fn attack(random: &mut Random) -> Attack {
    let method = random.of_these(&METHODS);
    let target = target(random);
    let content_type = random.of_these(&TYPES);
    let body = random.of_these(&BODIES);
    let mut fields: Vec<String> = Vec::new();
    if !content_type.is_empty() {
        fields.push(format!("Content-Type: {content_type}"));
    }
    // Half of all requests are plain, so that many reach the app.
    let odd = if random.one_in(2) { 0 } else { 1 + random.below(3) };
    fields.extend((0..odd).map(|_| random.of_these(&FIELDS).to_string()));
    let host = if random.one_in(4) { random.of_these(&HOSTS) } else { "a.test" };
    if random.one_in(8) {
        return http2(random, method, &target, host, &fields, body);
    }
    http1(random, method, &target, host, &fields, body)
}

fn target(random: &mut Random) -> String {
    if random.one_in(4) {
        return format!(
            "{}{}",
            random.of_these(&["/transfer", "/admin/x", "/pay", "/pay", "/orders/7"]),
            random.of_these(&QUERIES)
        );
    }
    let mut target = String::new();
    for _ in 0..=random.below(4) {
        target.push_str(random.of_these(&SEPARATORS));
        let name = random.of_these(&NAMES);
        match random.below(12) {
            0 => target.push_str(&name.to_uppercase()),
            1 => target.extend(name.bytes().map(|it| format!("%{it:02x}"))),
            2 => target.extend(name.bytes().map(|it| format!("%25{it:02X}"))),
            3 => target.extend(name.bytes().enumerate().map(|(at, it)| match at {
                0 => format!("%{it:02X}"),
                _ => char::from(it).to_string(),
            })),
            _ => target.push_str(name),
        }
        target.push_str(random.of_these(&TAILS));
    }
    target.push_str(random.of_these(&QUERIES));
    match random.below(24) {
        0 => format!("http://a.test{target}"),
        1 => format!("http://b.test{target}"),
        2 => target.trim_start_matches('/').to_string(),
        3 => format!("//a.test{target}"),
        _ => target,
    }
}

fn http1(random: &mut Random, method: &str, target: &str, host: &str, fields: &[String], body: &str) -> Attack {
    let version = if random.one_in(16) {
        random.of_these(&["HTTP/1.0", "HTTP/1.2", "HTTP/0.9", "http/1.1", "HTTP/2"])
    } else {
        "HTTP/1.1"
    };
    let end = if random.one_in(24) { random.of_these(&["\n", "\r", "\r\r\n", " \r\n"]) } else { "\r\n" };
    let mut head = format!("{method} {target} {version}{end}");
    head.push_str(&format!("Host: {host}{end}"));
    for field in fields {
        head.push_str(&format!("{field}{end}"));
    }
    let chunked = random.one_in(4);
    match (chunked, random.one_in(16)) {
        (_, true) => {}
        (true, false) => head.push_str(&format!("Transfer-Encoding: chunked{end}")),
        (false, false) => head.push_str(&format!("Content-Length: {}{end}", body.len())),
    }
    head.push_str(end);
    let mut bytes = head.into_bytes();
    match chunked {
        true => {
            if !body.is_empty() {
                bytes.extend(format!("{:x}\r\n{body}\r\n", body.len()).bytes());
            }
            bytes.extend(b"0\r\n\r\n");
        }
        false => bytes.extend(body.bytes()),
    }
    let whole = !random.one_in(3);
    if !whole {
        damage(random, &mut bytes);
    }
    Attack::Http1 { bytes, whole }
}

/// Flips, drops, doubles, cuts: one to four times.
fn damage(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        match random.below(7) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => {
                bytes[at] = random.of_these(&["\0", "\r", "\n", " ", "\t", "/", ":", "%", ";", "\u{7f}"]).as_bytes()[0]
            }
            2 => {
                bytes.remove(at);
            }
            3 => bytes.insert(at, u8::try_from(random.below(256)).unwrap()),
            4 => {
                let end = (at + 1 + random.below(24)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            5 => {
                let end = (at + 1 + random.below(8)).min(bytes.len());
                bytes.drain(at..end);
            }
            _ if random.one_in(6) => bytes.truncate(at),
            _ => bytes.insert(at, b'\r'),
        }
    }
}

fn http2(random: &mut Random, method: &str, target: &str, host: &str, fields: &[String], body: &str) -> Attack {
    let scheme = if random.one_in(12) { random.of_these(&["HTTPS", "ftp", "", "http\r\n"]) } else { "http" };
    let mut all = vec![
        (":method".to_string(), method.to_string()),
        (":scheme".into(), scheme.into()),
        (":authority".into(), host.into()),
        (":path".into(), target.into()),
    ];
    for field in fields {
        let (name, value) = field.split_once(':').unwrap();
        // Names of HTTP/2 are in lower case; now and then they are not.
        let name = if random.one_in(8) { name.to_string() } else { name.trim().to_lowercase() };
        all.push((name, value.trim_start().to_string()));
    }
    match random.below(12) {
        0 => all.push((":path".into(), "/admin".into())),
        1 => all.push(("content-length".into(), format!("{}", body.len() + random.below(3)))),
        2 => all.push(("content-length".into(), body.len().to_string())),
        3 => {
            all.remove(random.below(4));
        }
        4 => all.swap(0, 3),
        5 => all.push(("host".into(), random.of_these(&HOSTS).into())),
        _ => {}
    }
    let fields = all.into_iter().map(|(name, value)| (name.into_bytes(), value.into_bytes())).collect();
    Attack::Http2 { fields, body: body.as_bytes().to_vec() }
}
