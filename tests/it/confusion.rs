//! Rows of security.md that a whole gateway must withstand: schemes that are claimed (B10), logs that are written into
//! (B11), fields that are given twice or in two places (E5), types and codings that hide them (E2, E6, E7).

use crate::{
    visitor::Visitor,
    world::{LOGIN, Town, World, request, status},
};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

/// Small sums go, large and unknown ones do not.
const PAY: &str = "
event: pay
covers: [POST /pay]
facts:
  amount: { from: body.amount, type: number }
  payee: { from: body.to.iban, type: text }
when_unsure: block
otherwise: forward
steps:
  - decide: size
    rules:
      - rule: large
        when: event.amount > 1000 || event.payee == \"EVIL\"
        then: block
";

async fn pays(town: &Town, target: &str, fields: &[&str], body: &str) -> u16 {
    status(&town.raw(&request(&format!("POST {target}"), fields, body)).await)
}

#[tokio::test]
async fn b10_only_a_trusted_proxy_says_by_which_scheme_a_client_came() {
    let plain =
        "event: plain\ncovers: [GET /area]\nonly_if: '!request.is_secure'\nwhen_unsure: block\notherwise: block\n";
    let claims = [
        "X-Forwarded-Proto: https",
        "X-Forwarded-Protocol: https",
        "X-Forwarded-Ssl: on",
        "X-Forwarded-Scheme: https",
        "X-Url-Scheme: https",
        "Front-End-Https: on",
        "Forwarded: proto=https",
        "X_Forwarded_Proto: https",
        "X-Scheme: https",
    ];
    let town = World::new().policy(plain).start().await;
    for claim in claims {
        let answer = town.raw(&request("GET /area", &[claim], "")).await;
        assert_eq!(status(&answer), 403, "{claim} chose the rule");
        town.raw(&request("GET /no-event", &[claim], "")).await;
        let seen = town.app.last("GET /no-event").to_lowercase();
        assert!(
            seen.contains("x-forwarded-proto: http\r\n") && !seen.contains("https"),
            "{claim} reached the app: {seen}"
        );
    }
    assert_eq!(town.app.count("GET /area"), 0);

    let town = World::new().policy(plain).settings("trusted_proxies: [127.0.0.0/8]").start().await;
    for (said, expected) in
        [("https", 200), ("http", 403), ("http, https", 200), ("https, http", 403), ("", 403), ("httpsx", 403)]
    {
        let answer = town.raw(&request("GET /area", &[&format!("X-Forwarded-Proto: {said}")], "")).await;
        assert_eq!(status(&answer), expected, "behind a trusted proxy, {said:?}");
    }
    for claim in &claims[1..] {
        assert_eq!(status(&town.raw(&request("GET /area", &[claim], "")).await), 403, "{claim} from a proxy");
    }
}

#[tokio::test]
async fn e5_a_field_given_twice_or_in_two_places_is_never_the_smaller_one() {
    let town = World::new().policy(PAY).start().await;
    assert_eq!(pays(&town, "/pay", &[FORM], "amount=1&to[iban]=DE1").await, 200);
    for body in [
        "amount=1&amount=9999&to[iban]=DE1",
        "amount=9999&amount=1&to[iban]=DE1",
        "amount[]=1&to[iban]=DE1",
        "amount[]=1&amount[]=9999&to[iban]=DE1",
        "amount=1&Amount=9999&to[iban]=DE1",
        "amount=1&%61mount=9999&to[iban]=DE1",
        "amount=1&amount%00=9999&to[iban]=DE1",
        "amount=1;amount=9999&to[iban]=DE1",
        "amount=1&to[iban]=DE1&to[iban]=EVIL",
        "amount=1&to=EVIL&to[iban]=DE1",
        "amount=1&to[iban]=DE1&to.iban=EVIL&to_iban=x",
    ] {
        let status = pays(&town, "/pay", &[FORM], body).await;
        assert!([400, 403].contains(&status), "{body}: {status}");
    }
    // Servlets give `getParameter` the query's value before the body's.
    for query in [
        "amount=9999",
        "AMOUNT=9999",
        "amount[]=9999",
        "%61mount=9999",
        "x=1;amount=9999",
        "amount=1&amount=9999",
        "to[iban]=EVIL",
        "to=EVIL",
    ] {
        let status = pays(&town, &format!("/pay?{query}"), &[FORM], "amount=1&to[iban]=DE1").await;
        assert_eq!(status, 403, "{query} beside the form");
    }
    let multipart = "Content-Type: multipart/form-data; boundary=b";
    let part =
        |name: &str, value: &str| format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let body = format!("{}{}--b--\r\n", part("amount", "1"), part("to[iban]", "DE1"));
    assert_eq!(pays(&town, "/pay", &[multipart], &body).await, 200);
    assert_eq!(pays(&town, "/pay?amount=9999", &[multipart], &body).await, 403, "beside a multipart form");
    let before = town.app.seen().len();
    for query in ["amount=1", "amounts=9999", "x=amount", "note=1&utm=2"] {
        let status = pays(&town, &format!("/pay?{query}"), &[FORM], "amount=1&to[iban]=DE1").await;
        assert_eq!(status, 200, "{query} says nothing else");
    }
    let json = "Content-Type: application/json";
    let body = r#"{"amount":1,"to":{"iban":"DE1"}}"#;
    assert_eq!(pays(&town, "/pay?amount=9999", &[json], body).await, 200, "nobody reads a query for a field of JSON");
    assert_eq!(town.app.seen().len(), before + 5);
}

#[tokio::test]
async fn e5_a_fact_of_the_query_is_not_overruled_by_the_body() {
    let policy = PAY.replace("from: body.amount", "from: query.amount");
    let town = World::new().policy(&policy).start().await;
    assert_eq!(pays(&town, "/pay?amount=1", &[FORM], "to[iban]=DE1").await, 200);
    assert_eq!(pays(&town, "/pay?amount=1", &[FORM], "to[iban]=DE1&amount=1").await, 200);
    for body in ["to[iban]=DE1&amount=9999", "to[iban]=DE1&Amount=9999", "to[iban]=DE1&amount[]=9999"] {
        assert_eq!(pays(&town, "/pay?amount=1", &[FORM], body).await, 403, "{body}");
    }
    let json = r#"{"to":{"iban":"DE1"},"amount":9999}"#;
    assert_eq!(
        pays(&town, "/pay?amount=1", &["Content-Type: application/json"], json).await,
        403,
        "Rails merges JSON too"
    );
}

#[tokio::test]
async fn e7_what_is_compressed_is_never_matched_as_it_lies_there() {
    let town = World::new().policy(PAY).start().await;
    for coding in [
        "gzip",
        "x-gzip",
        "br",
        "deflate",
        "zstd",
        "compress",
        "gzip,gzip",
        "identity, gzip",
        "GZIP",
        "aws-chunked",
        "x",
    ] {
        for body in ["amount=1&to[iban]=DE1", "\u{1f}\u{8b}\u{8}\u{0}"] {
            let coded = format!("Content-Encoding: {coding}");
            assert_eq!(pays(&town, "/pay", &[FORM, &coded], body).await, 415, "{coding}");
        }
    }
    assert_eq!(pays(&town, "/pay", &[FORM, "Content-Encoding: identity"], "amount=1&to[iban]=DE1").await, 200);
    let twice = [FORM, "Content-Encoding: identity", "Content-Encoding: gzip"];
    assert_eq!(pays(&town, "/pay", &twice, "amount=1&to[iban]=DE1").await, 400);
    assert_eq!(town.app.seen().len(), 1);
    let chunked = "POST /pay HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(status(&town.raw(chunked).await), 400);
    // A bomb is not even opened: it is refused by its label, however small it is.
    assert_eq!(town.app.seen().len(), 1);
}

#[tokio::test]
async fn e6_a_multipart_form_has_one_reading_or_none() {
    let town = World::new().policy(PAY).start().await;
    let part = |head: &str, value: &str| format!("--b\r\n{head}\r\n\r\n{value}\r\n");
    let field = |name: &str, value: &str| part(&format!("Content-Disposition: form-data; name=\"{name}\""), value);
    let end = "--b--\r\n";
    let good = format!("{}{}{end}", field("amount", "1"), field("to[iban]", "DE1"));
    let kind = "Content-Type: multipart/form-data; boundary=b";
    assert_eq!(pays(&town, "/pay", &[kind], &good).await, 200);
    assert_eq!(pays(&town, "/pay", &["Content-Type: multipart/form-data; boundary=\"b\""], &good).await, 200);
    let large = field("amount", "9999");
    for (what, field, body) in [
        ("a name twice", kind, format!("{}{large}{}{end}", field("amount", "1"), field("to[iban]", "DE1"))),
        ("no end", kind, format!("{}{}", field("amount", "1"), field("to[iban]", "DE1"))),
        ("a part after the end", kind, format!("{good}{large}{end}")),
        ("two boundaries", "Content-Type: multipart/form-data; boundary=b; boundary=c", good.clone()),
        ("another boundary", "Content-Type: multipart/form-data; boundary=c", good.clone()),
        ("no boundary", "Content-Type: multipart/form-data", good.clone()),
        (
            "two names in one part",
            kind,
            format!(
                "{}{}{end}",
                part("Content-Disposition: form-data; name=\"x\"; name=\"amount\"", "9999"),
                format_args!("{}{}", field("amount", "1"), field("to[iban]", "DE1"))
            ),
        ),
        (
            "a name and a name*",
            kind,
            format!(
                "{}{}{end}",
                part("Content-Disposition: form-data; name=\"x\"; name*=utf-8''amount", "9999"),
                format_args!("{}{}", field("amount", "1"), field("to[iban]", "DE1"))
            ),
        ),
        (
            "an encoded part",
            kind,
            format!(
                "{}{}{end}",
                part(
                    "Content-Disposition: form-data; name=\"amount\"\r\nContent-Transfer-Encoding: base64",
                    "OTk5OQ=="
                ),
                field("to[iban]", "DE1")
            ),
        ),
        (
            "a part in another charset",
            kind,
            format!(
                "{}{}{end}",
                part(
                    "Content-Disposition: form-data; name=\"amount\"\r\nContent-Type: text/plain; charset=utf-16",
                    "1"
                ),
                field("to[iban]", "DE1")
            ),
        ),
        ("bare line feeds", kind, good.replace("\r\n", "\n")),
    ] {
        let status = pays(&town, "/pay", &[field], &body).await;
        assert!([400, 403, 415].contains(&status), "{what}: {status}");
    }
    assert_eq!(town.app.seen().len(), 2, "{:?}", town.app.seen().last());
}

#[tokio::test]
async fn b11_hostile_text_stays_one_line_of_the_decision_log() {
    let look = "event: look\ncovers: ['POST /look/{what}']\nfacts:\n  note: { from: body.note, type: text }\n  what: { from: path.what, type: text }\nwhen_unsure: block\notherwise: forward\n";
    let town = World::new().policy(LOGIN).policy(look).start().await;
    let hostile =
        ["x\r\n{\"outcome\":\"forward\"}", "\u{1b}[2J", "\",\"outcome\":\"forward", "\u{2028}", "é\u{202e}", "\\"];
    let mut sent = 0;
    for text in hostile {
        let json = serde_json::json!({ "note": text }).to_string();
        let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let fields = ["Content-Type: application/json", "User-Agent: \u{e9}\"},{\"", "Referer: \\\""];
        for target in [format!("/look/{}", encoded.replace('+', "%20")), "/look/x".into()] {
            town.raw(&request(&format!("POST {target}?q={encoded}"), &fields, &json)).await;
            sent += 1;
        }
    }
    let mut visitor: Visitor = town.visitor();
    for text in hostile {
        visitor.post("/login", &[("username", text), ("password", text)]).await;
        sent += 1;
    }
    let lines = town.decisions();
    assert_eq!(lines.len(), sent, "one line for each request");
    assert!(lines.iter().all(|line| line["outcome"].is_string() && line["id"].is_string()), "{lines:?}");
}

const ADMIN: &str = "event: admin\ncovers: ['ANY /admin/**']\nwhen_unsure: block\notherwise: block\n";

#[tokio::test]
async fn a20_b12_b13_no_path_agent_or_header_switches_a_control_off() {
    let town = World::new().policy(LOGIN).policy(ADMIN).settings("health: { address: \"127.0.0.1:0\" }").start().await;
    for path in [
        "/.stepward/../admin/x",
        "/.stepward/..%2fadmin/x",
        "/.stepward/%2e%2e/admin/x",
        "/.stepward//../admin/x",
        "/.stepward/c/../../admin/x",
        "/.stepward/page.css/../../admin/x",
        "/.stepward;/../admin/x",
        "/x/../.stepward/../admin/x",
        "/.well-known/acme-challenge/../../admin/x",
        "/livez/../admin/x",
        "/admin/x?stepward_resume=AAAAAAAAAAAAAAAAAAAAAA",
        "/admin/x?x=/.stepward/page.css",
    ] {
        let answer = town.raw(&request(&format!("GET {path}"), &[], "")).await;
        assert!([400, 403, 404, 410].contains(&status(&answer)), "{path}: {answer}");
    }
    for field in [
        "User-Agent: GoogleHC/1.0",
        "User-Agent: kube-probe/1.30",
        "User-Agent: ELB-HealthChecker/2.0",
        "X-Middleware-Subrequest: middleware:middleware:middleware",
        "Stepward-Resume: AAAAAAAAAAAAAAAAAAAAAA",
        "Stepward-Shadow: 1",
        "Stepward-Replay: 1",
        "X-Skipper-Proxy: other",
        "X-Tenant: other",
        "X-Forwarded-Host: other.test",
        "Purpose: prefetch",
        "Sec-Purpose: prefetch",
        "X-Purpose: preview",
    ] {
        let answer = town.raw(&request("GET /admin/x", &[field], "")).await;
        assert!([403, 410].contains(&status(&answer)), "{field}: {answer}");
    }
    assert_eq!(town.app.seen().len() + town.other.seen().len(), 0, "{:?}", town.app.seen());
}

#[tokio::test]
async fn f4_f22_every_protocol_and_method_meets_the_same_policy() {
    let town = World::new().policy(LOGIN).policy(ADMIN).start().await;
    let upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x"];
    let h2c = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"];
    for (line, fields) in [
        ("GET /admin/ws", &upgrade[..]),
        ("GET /admin/ws", &h2c),
        ("GET //admin/ws", &upgrade),
        ("GET /admin/ws/", &upgrade),
        ("GET /ADMIN/ws", &upgrade),
        ("OPTIONS /admin/x", &["Origin: https://a.test", "Access-Control-Request-Method: GET"]),
        ("HEAD /admin/x", &[]),
        ("PROPFIND /admin/x", &[]),
        ("X-ANYTHING /admin/x", &[]),
        ("GET /admin/x", &["Accept: text/event-stream"]),
        ("POST /admin/x", &["Content-Type: application/grpc", "TE: trailers"]),
    ] {
        let mut tcp = tokio::net::TcpStream::connect(town.address()).await.unwrap();
        let bytes = request(line, fields, "");
        tokio::io::AsyncWriteExt::write_all(&mut tcp, bytes.as_bytes()).await.unwrap();
        let mut first = [0; 12];
        tokio::io::AsyncReadExt::read_exact(&mut tcp, &mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 403", "{line} {fields:?}");
    }
    assert_eq!(town.app.seen().len(), 0, "{:?}", town.app.seen());
}
