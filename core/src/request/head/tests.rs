//! Heads are written as HTTP/1 text; the advisory rows are those of `research/security.md` section 1.

use super::*;

/// Reads `METHOD target` and `Name: value` lines; `2 ` before the method makes it HTTP/2, `0 ` HTTP/1.0.
fn read(text: &str) -> Result<String, &'static str> {
    let (version, text) = match text.split_at(2) {
        ("2 ", rest) => (Version::Http2, rest),
        ("0 ", rest) => (Version::Http10, rest),
        _ => (Version::Http11, text),
    };
    let mut lines = text.split('\n');
    let (method, target) = lines.next().and_then(|it| it.split_once(' ')).unwrap();
    let all: Vec<_> = lines.map(|it| it.split_once(": ").unwrap_or((it, ""))).collect();
    let authority = all.iter().find(|(name, _)| *name == ":authority").map(|(_, value)| value.as_bytes());
    let fields =
        all.iter().filter(|(name, _)| *name != ":authority").map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let parts = Parts { method: method.as_bytes(), target: target.as_bytes(), version, authority, fields };
    let head = Head::of(parts, &Limits::default()).map_err(|it| it.detail)?;
    let target = head.rewritten.clone().unwrap_or_else(|| match head.query {
        None => head.path.to_string(),
        Some(query) => format!("{}?{query}", head.path),
    });
    let dropped: String = head.dropped.iter().map(|it| format!(" -{it}")).collect();
    Ok(format!("{} {}{target}{dropped}", head.method, head.host))
}

#[test]
fn ordinary_heads_are_read() {
    for (text, wanted) in [
        ("GET /a?b\nHost: A.test:8080", "GET a.test/a?b"),
        ("OPTIONS *\nHost: a.test", "OPTIONS a.test*"),
        ("POST http://a.test/x?y\nHost: A.test", "POST a.test/x?y"),
        ("POST /\nHost: a.test.\nContent-Length: 0\nConnection: keep-alive, Upgrade", "POST a.test/"),
        ("POST /\nHost: a.test\nTransfer-Encoding: Chunked\nExpect: 100-continue", "POST a.test/"),
        ("2 GET /\n:authority: a.test\ncookie: a=1\ncookie: b=2", "GET a.test/"),
        ("2 GET /\n:authority: a.test\nhost: A.test", "GET a.test/"),
        ("GET /\nHost: a.test\nX_User: root\nX.User: root\nX-User: me", "GET a.test/ -X_User -X.User"),
        ("M-SEARCH /\nHost: a.test", "M-SEARCH a.test/"),
    ] {
        assert_eq!(read(text).as_deref(), Ok(wanted), "{text}");
    }
}

#[test]
fn what_two_parsers_could_read_differently_is_refused() {
    for (text, wanted) in [
        ("get /\nHost: a.test", "method is odd"),
        ("TRACE /\nHost: a.test", "method is not allowed"),
        ("CONNECT /\nHost: a.test", "method is not allowed"),
        ("GET /", "host is missing"),
        ("GET /\nHost: ", "host is not a name"),
        ("GET /\nHost: a.test\nHost: a.test", "host stands twice"),
        ("GET /\nHost: a.test,b.test", "host is not a name"),
        ("GET http://b.test/\nHost: a.test", "target and host differ"),
        ("GET http://a.test:81/\nHost: a.test", "target and host differ"),
        ("2 GET http://a.test/\n:authority: a.test", "target is not a path"),
        ("2 GET /\n:authority: a.test\nhost: b.test", "authority and host differ"),
        ("2 GET /", "host is missing"),
        ("2 GET /\n:authority: a.test\nConnection: close", "connection fields on HTTP/2"),
        ("POST /\nHost: a.test\nContent-Length: 3\nContent-Length: 3", "content length stands twice"),
        ("POST /\nHost: a.test\nContent-Length: 3, 3", "content length is odd"),
        ("POST /\nHost: a.test\nContent-Length: 010", "content length is odd"),
        ("POST /\nHost: a.test\nContent-Length: +3", "content length is odd"),
        ("POST /\nHost: a.test\nContent-Length: ", "content length is odd"),
        ("POST /\nHost: a.test\nTransfer-Encoding: gzip, chunked", "transfer encoding is not chunked"),
        (
            "POST /\nHost: a.test\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked",
            "transfer encoding stands twice",
        ),
        (
            "POST /\nHost: a.test\nTransfer-Encoding: chunked\nContent-Length: 3",
            "content length beside transfer encoding",
        ),
        ("0 POST /\nHost: a.test\nTransfer-Encoding: chunked", "transfer encoding on HTTP/1.0"),
        ("GET /\nHost: a.test\nConnection: close, Cookie", "connection names a field"),
        ("GET /\nHost: a.test\nConnection: Stepward-Subject", "connection names a field"),
        ("GET /\nHost: a.test\nConnection: close\nConnection: \"x-user\"", "connection names a field"),
        ("GET /\nHost: a.test\nAuthorization: a\nauthorization: b", "authorization stands twice"),
        (
            "GET /\nHost: a.test\nCookie: __Host-stepward=1; a=b\nCookie: __Host-stepward=2",
            "our own cookie stands twice",
        ),
        ("GET /\nHost: a.test\nCookie: stepward=1;stepward=1", "our own cookie stands twice"),
        ("GET /\nHost: a.test\nExpect: y 100-continue", "expectation is odd"),
        ("GET /\nHost: a.test\nX-A: b\rc", "a header value has a control character"),
        ("GET /\nHost: a.test\nX A: b", "a header name is odd"),
        ("GET /\nHost: a.test\n: b", "a header name is odd"),
    ] {
        assert_eq!(read(text), Err(wanted), "{text}");
    }
}

#[test]
fn a_head_has_limits() {
    let many = format!("GET /\nHost: a.test{}", "\nX-A: b".repeat(100));
    assert_eq!(read(&many), Err("header is too large"), "101 fields");
    let long = format!("GET /\nHost: a.test\nX-A: {}", "b".repeat(32 << 10));
    assert_eq!(read(&long), Err("header is too large"), "more than 32 KiB");
    let target = format!("GET /{}\nHost: a.test", "b".repeat(8 << 10));
    assert_eq!(read(&target), Err("target is too long"));
}

#[test]
fn underscores_are_refused_where_the_operator_says_so() {
    let fields = [(&b"host"[..], &b"a.test"[..]), (b"x_a", b"b")].into_iter();
    let parts = Parts { method: b"GET", target: b"/", version: Version::Http11, authority: None, fields };
    let limits = Limits { underscores: Underscores::Refuse, ..Limits::default() };
    assert_eq!(Head::of(parts, &limits).map_err(|it| it.detail), Err("a header name reads as another one to CGI"));
}

#[test]
fn every_method_an_app_may_take_the_request_for_is_told() {
    for (query, header, wanted) in [
        ("", "", &[][..]),
        ("_method=delete&a=b", "", &["DELETE"]),
        ("%5Fmethod=PUT", "patch", &["PATCH", "PUT"]),
        ("_method=a+b&x_method=PUT", "", &[]),
        (".method=PUT", "", &["PUT"]),
        ("a=1;_method=PUT", "", &["PUT"]),
        ("+_method=PUT", "", &["PUT"]),
        ("_method%00%ff=PUT", "", &["PUT"]),
        ("_METHOD[]=PUT&_method[0]=patch", "", &["PUT", "PATCH"]),
        ("_method=%20PUT%00&_method=%ff", "", &["PUT"]),
        ("method=PUT&_methods=PUT&a_method=PUT&_=method", "", &[]),
    ] {
        let target = format!("/?{query}");
        let fields = [("host", "a.test"), ("x-http-method-override", header)];
        let fields = fields
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let parts =
            Parts { method: b"POST", target: target.as_bytes(), version: Version::Http11, authority: None, fields };
        assert_eq!(Head::of(parts, &Limits::default()).unwrap().overrides, wanted, "{query} {header}");
    }
}

#[test]
fn the_request_has_every_cookie_and_no_forged_header() {
    let fields: [(&[u8], &[u8]); 9] = [
        (b"host", b"a.test"),
        (b"cookie", b"a=1; b=2"),
        (b"cookie", b"a=3"),
        (b"X-Forwarded-For", b"1.2.3.4"),
        (b"Stepward-Subject", b"root"),
        (b"STEPWARD.Subject", b"root"),
        (b"X_Role", b"admin"),
        (b"X-Role", b" user "),
        (b"X-Bytes", b"\xff"),
    ];
    let parts = Parts {
        method: b"GET",
        target: b"/p?q",
        version: Version::Http11,
        authority: None,
        fields: fields.into_iter(),
    };
    let head = Head::of(parts, &Limits::default()).unwrap();
    let peer = IpAddr::from([9, 9, 9, 9]);
    let request = head.request(fields.into_iter(), peer, true, false);
    let names: Vec<&str> = request.headers.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["host", "cookie", "cookie", "x-role"]);
    assert_eq!(request.header("x-role"), Some("user"));
    assert_eq!(request.cookie("a"), None, "two cookies of one name have no value");
    assert_eq!(request.cookie("b"), Some("2"));
    let trusted = head.request(fields.into_iter(), peer, true, true);
    assert_eq!(trusted.header("x-forwarded-for"), Some("1.2.3.4"));
    assert_eq!(trusted.header("stepward-subject"), None);
}
