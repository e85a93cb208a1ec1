use super::*;

fn request(fields: &[(&'static str, &str)]) -> RequestHeader {
    let mut request = RequestHeader::build("GET", b"/", None).unwrap();
    for (name, value) in fields {
        request.append_header(*name, *value).unwrap();
    }
    request
}

fn response(status: u16, fields: &[(&'static str, &str)]) -> ResponseHeader {
    let mut response = ResponseHeader::build(status, None).unwrap();
    for (name, value) in fields {
        response.append_header(*name, *value).unwrap();
    }
    response
}

const NAVIGATION: [(&str, &str); 3] =
    [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), ("accept", "text/html,*/*;q=0.8")];

fn injection() -> Injection {
    *Injection::of(&request(&NAVIGATION), &HeaderValue::from_static("bank.example"), true).unwrap()
}

#[test]
fn only_a_navigation_to_a_whole_page_asks_for_one() {
    for (fields, expected) in [
        (&NAVIGATION[..], true),
        (&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")], true),
        (&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "embed")], false),
        (&[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty"), ("accept", "text/html")], false),
        (&[("sec-fetch-mode", "same-origin"), ("accept", "text/html")], false),
        (&[("accept", "text/html,application/xhtml+xml")], true),
        (&[("accept", "text/html, */*"), ("x-requested-with", "XMLHttpRequest")], false),
        (&[("accept", "*/*")], false),
        (&[], false),
        (&[("sec-fetch-mode", "navigate"), ("range", "bytes=0-1")], false),
        (&[("sec-fetch-mode", "navigate"), ("cache-control", "max-age=0, no-transform")], false),
    ] {
        assert_eq!(is_navigation(&request(fields)), expected, "{fields:?}");
    }
    for (method, expected) in [("GET", true), ("POST", true), ("HEAD", false), ("PUT", false), ("OPTIONS", false)] {
        let mut request = request(&NAVIGATION);
        request.set_method(method.parse().unwrap());
        assert_eq!(is_navigation(&request), expected, "{method}");
    }
}

#[test]
fn only_a_whole_page_of_html_that_may_be_changed_is_changed() {
    let html = ("content-type", "text/html; charset=utf-8");
    for (status, fields, expected) in [
        (200, &[html][..], true),
        (201, &[("content-type", "TEXT/HTML")], true),
        (200, &[html, ("content-encoding", "identity")], true),
        (200, &[html, ("content-disposition", "inline; filename=a.html")], true),
        (200, &[html, ("content-encoding", "gzip")], false),
        (200, &[html, ("content-encoding", "x-unheard-of")], false),
        (200, &[html, ("content-disposition", "attachment; filename=a.html")], false),
        (200, &[html, ("cache-control", "private, No-Transform")], false),
        (200, &[html, ("content-range", "bytes 0-1/2")], false),
        (200, &[("content-type", "text/html; charset=UTF-16LE")], false),
        (200, &[("content-type", "text/html; charset=iso-2022-jp")], false),
        (200, &[("content-type", "application/xhtml+xml")], false),
        (200, &[("content-type", "application/json")], false),
        (200, &[("content-type", "text/htmlx")], false),
        (200, &[html, ("content-type", "text/plain")], false),
        (200, &[], false),
        (204, &[html], false),
        (205, &[html], false),
        (206, &[html], false),
        (302, &[html], false),
        (404, &[html], false),
        (500, &[html], false),
    ] {
        assert_eq!(is_page(&response(status, fields)), expected, "{status} {fields:?}");
        let mut head = response(status, fields);
        injection().meet(&mut head, Version::HTTP_11).unwrap();
        let is_changed = head.headers != response(status, fields).headers;
        assert_eq!(is_changed, expected, "{status} {fields:?}: {:?}", head.headers);
    }
}

#[test]
fn what_speaks_of_the_apps_own_bytes_is_corrected() {
    let mut head = response(
        200,
        &[
            ("content-type", "text/html"),
            ("content-length", "10"),
            ("etag", "\"abc\""),
            ("content-md5", "x"),
            ("digest", "sha-256=x"),
            ("content-digest", "sha-256=:x:"),
            ("repr-digest", "sha-256=:x:"),
            ("accept-ranges", "bytes"),
            ("last-modified", "Sun, 22 Nov 2026 10:00:00 GMT"),
            ("vary", "accept-encoding"),
        ],
    );
    injection().meet(&mut head, Version::HTTP_11).unwrap();
    let mut left: Vec<String> =
        head.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    left.sort();
    assert_eq!(
        left,
        [
            "content-type: text/html",
            "etag: W/\"abc\"",
            "last-modified: Sun, 22 Nov 2026 10:00:00 GMT",
            "transfer-encoding: chunked",
            "vary: accept-encoding",
            "vary: sec-fetch-dest",
        ]
    );
    let mut weak = response(200, &[("content-type", "text/html"), ("etag", "W/\"abc\"")]);
    injection().meet(&mut weak, Version::HTTP_2).unwrap();
    assert_eq!(weak.headers[header::ETAG], "W/\"abc\"");
    assert!(!weak.headers.contains_key(header::TRANSFER_ENCODING), "HTTP/2 has no chunks");
}

#[test]
fn every_policy_lets_our_script_in_whatever_its_header() {
    let policy = "default-src 'self'; script-src cdn.example; frame-src 'none'";
    let widened = "default-src 'self'; script-src cdn.example bank.example/.stepward/stepward.js; frame-src bank.example/.stepward/";
    let mut head = response(
        200,
        &[
            ("content-type", "text/html"),
            ("content-security-policy", policy),
            ("content-security-policy", "img-src 'self'"),
            ("content-security-policy-report-only", policy),
        ],
    );
    let mut injection = injection();
    injection.meet(&mut head, Version::HTTP_11).unwrap();
    let of = |name: &HeaderName| head.headers.get_all(name).iter().map(|it| it.to_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(of(&POLICY), [widened, "img-src 'self'"]);
    assert_eq!(of(&REPORTED), [widened]);
    let page = injection.next(Bytes::from_static(b"<head></head>"), true);
    assert_eq!(page, "<head><script src=\"/.stepward/stepward.js\"></script></head>");
}

#[test]
fn a_page_without_scripts_stays_as_it_is() {
    let fields = [
        ("content-type", "text/html"),
        ("content-security-policy", "default-src 'none'; style-src 'self'"),
        ("content-length", "13"),
    ];
    let mut head = response(200, &fields);
    let mut injection = injection();
    injection.meet(&mut head, Version::HTTP_11).unwrap();
    assert_eq!(head.headers, response(200, &fields).headers);
    let page = Bytes::from_static(b"<head></head>");
    assert_eq!(injection.next(page.clone(), true).as_ptr(), page.as_ptr());
}

#[test]
fn our_tag_carries_what_a_strict_policy_asks_for() {
    let (nonce, hash) = (Entry { nonce: Some("abc".into()), by_hash: false }, Entry { nonce: None, by_hash: true });
    assert_eq!(tag(&nonce), "<script src=\"/.stepward/stepward.js\" nonce=\"abc\"></script>");
    let script = page::file("stepward.js").unwrap().body;
    let expected = BASE64.encode(&Sha256::digest(&script));
    assert_eq!(tag(&hash), format!("<script src=\"/.stepward/stepward.js\" integrity=\"sha256-{expected}\"></script>"));
}
