//! One request, said in every way that HTTP knows: the same event, the same facts, the same decision; held and resumed
//! alike (security.md E1: what the framing is must not decide what a policy sees).

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use std::sync::Arc;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::{
    origin,
    world::{LOGIN, Town, World},
};

/// Small sums go, large ones need a code bound to them.
const PAY: &str = "
event: pay
covers: [POST /pay]
inspect_max: 4KiB
facts:
  amount: { from: body.amount, type: number }
  note: { from: body.note, type: text }
succeeded: response.status == 200
failed: response.status == 402
when_unsure: block
otherwise: block
steps:
  - decide: small
    rules:
      - rule: small
        when: event.amount < 100
        then: forward
  - require: a code
    proof: [totp]
    bind_to: [event.amount]
    attempts: 3
  - finish: pay
    then: forward
";

/// How a request travels.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Length,
    Expect,
    Chunked,
    ChunkedTrailers,
    TlsLength,
    TlsChunked,
    H2c,
    H2cPieces,
    H2cTrailers,
    H2Tls,
    H2TlsExpect,
}

const WAYS: [Way; 11] = [
    Way::Length,
    Way::Expect,
    Way::Chunked,
    Way::ChunkedTrailers,
    Way::TlsLength,
    Way::TlsChunked,
    Way::H2c,
    Way::H2cPieces,
    Way::H2cTrailers,
    Way::H2Tls,
    Way::H2TlsExpect,
];

impl Way {
    fn is_secure(self) -> bool {
        matches!(self, Way::TlsLength | Way::TlsChunked | Way::H2Tls | Way::H2TlsExpect)
    }

    fn is_h2(self) -> bool {
        matches!(self, Way::H2c | Way::H2cPieces | Way::H2cTrailers | Way::H2Tls | Way::H2TlsExpect)
    }
}

/// What came back.
struct Came {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Came {
    fn read(way: Way, answer: &str) -> Came {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{way:?}: no answer {answer:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_string())).collect();
        Came { status, headers, body: body.into() }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value)
    }
}

/// A bank on a plain and on a TLS port, and a browser that uses either.
struct Bank {
    town: Town,
    tls: TlsConnector,
    tls_h2: TlsConnector,
}

/// One browser over one way.
struct Client<'b> {
    bank: &'b Bank,
    way: Way,
    cookies: Vec<(String, String)>,
}

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

impl Bank {
    async fn open() -> Bank {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".into()]).unwrap().self_signed(&key).unwrap();
        let listen = "[{ address: \"127.0.0.1:0\" }, { address: \"127.0.0.1:0\", tls: { certificate: cert.pem, key: key.pem } }]";
        let town = World::new()
            .listen(listen)
            .file("cert.pem", &certificate.pem())
            .file("key.pem", &key.serialize_pem())
            .policy(LOGIN)
            .policy(PAY)
            .start()
            .await;
        town.app.says("POST /pay", 200, "paid");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(certificate.pem().as_bytes()).unwrap()).unwrap();
        let connector = |alpn: &[u8]| {
            let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
            let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots.clone());
            let mut config = config.with_no_client_auth();
            config.alpn_protocols = vec![alpn.to_vec()];
            TlsConnector::from(Arc::new(config))
        };
        Bank { town, tls: connector(b"http/1.1"), tls_h2: connector(b"h2") }
    }

    fn client(&self, way: Way) -> Client<'_> {
        Client { bank: self, way, cookies: Vec::new() }
    }

    async fn dial(&self, way: Way) -> Box<dyn Wire> {
        let address: SocketAddr = self.town.gateway.addresses[usize::from(way.is_secure())];
        let tcp = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        match (way.is_secure(), way.is_h2()) {
            (false, _) => Box::new(tcp),
            (true, false) => Box::new(self.tls.connect(name, tcp).await.unwrap()),
            (true, true) => Box::new(self.tls_h2.connect(name, tcp).await.unwrap()),
        }
    }
}

impl Client<'_> {
    async fn send(&mut self, method: Method, target: &str, content_type: &str, body: &str) -> Came {
        let scheme = if self.way.is_secure() { "https" } else { "http" };
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut fields = vec![
            ("origin", format!("{scheme}://localhost")),
            ("sec-fetch-mode", "cors".into()),
            ("sec-fetch-site", "same-origin".into()),
            ("cookie", cookies.join("; ")),
        ];
        if !body.is_empty() {
            fields.push(("content-type", content_type.into()));
        }
        fields.retain(|(_, value)| !value.is_empty());
        let wire = self.bank.dial(self.way).await;
        let came = match self.way.is_h2() {
            true => over_h2(wire, self.way, method, scheme, target, &fields, body).await,
            false => over_h1(wire, self.way, method, target, &fields, body).await,
        };
        for (_, line) in came.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(before, _)| before != name);
            self.cookies.push((name.into(), value.into()));
        }
        came
    }

    async fn sign_in(&mut self, name: &str) {
        let answer = format!("HTTP/1.1 303 So\r\nSet-Cookie: sid={name}; Path=/\r\nContent-Length: 0\r\n\r\n");
        self.bank.town.app.answers("POST /login", &answer);
        let form = "application/x-www-form-urlencoded";
        let came = self.send(Method::POST, "/login", form, &format!("username={name}&password=x")).await;
        assert_eq!(came.status, 303, "{:?} {}", self.way, came.body);
    }

    async fn pay(&mut self, body: &str) -> Came {
        self.send(Method::POST, "/pay", "application/json", body).await
    }
}

async fn over_h1(
    mut wire: Box<dyn Wire>,
    way: Way,
    method: Method,
    target: &str,
    fields: &[(&str, String)],
    body: &str,
) -> Came {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let chunked = !body.is_empty() && matches!(way, Way::Chunked | Way::ChunkedTrailers | Way::TlsChunked);
    let expects = way == Way::Expect && !body.is_empty();
    head.push_str(&match (chunked, expects) {
        (true, _) => "Transfer-Encoding: chunked\r\n\r\n".to_string(),
        (false, true) => format!("Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", body.len()),
        (false, false) => format!("Content-Length: {}\r\n\r\n", body.len()),
    });
    wire.write_all(head.as_bytes()).await.unwrap();
    if expects {
        let go_on = origin::answer(&mut wire).await;
        if !go_on.starts_with("HTTP/1.1 100 ") {
            // Refused by its length alone: the body was never asked for.
            return Came::read(way, &go_on);
        }
    }
    if chunked {
        let chunks: Vec<u8> = body.bytes().flat_map(|byte| [b'1', b'\r', b'\n', byte, b'\r', b'\n']).collect();
        wire.write_all(&chunks).await.unwrap();
        let trailers = if way == Way::ChunkedTrailers { "Stepward-Subject: root\r\nAmount: 1\r\n" } else { "" };
        wire.write_all(format!("0\r\n{trailers}\r\n").as_bytes()).await.unwrap();
    } else {
        wire.write_all(body.as_bytes()).await.unwrap();
    }
    let answer = origin::answer(&mut wire).await;
    assert!(!answer.is_empty(), "{way:?}: no answer to {} bytes", body.len());
    Came::read(way, &answer)
}

async fn over_h2(
    wire: Box<dyn Wire>,
    way: Way,
    method: Method,
    scheme: &str,
    target: &str,
    fields: &[(&str, String)],
    body: &str,
) -> Came {
    let (client, connection) = h2::client::handshake(wire).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(format!("{scheme}://localhost{target}"));
    for (name, value) in fields {
        // As crumbs, which HTTP/2 allows.
        match *name {
            "cookie" => {
                for crumb in value.split("; ") {
                    request = request.header("cookie", crumb);
                }
            }
            _ => request = request.header(*name, value),
        }
    }
    if way == Way::H2c && !body.is_empty() {
        request = request.header("content-length", body.len());
    }
    if way == Way::H2TlsExpect && !body.is_empty() {
        // Pingora sends no 100 on HTTP/2; clients there wait a moment and go on, as this one does at once.
        request = request.header("expect", "100-continue");
    }
    let mut client = client.ready().await.unwrap();
    let (response, mut send) = client.send_request(request.body(()).unwrap(), body.is_empty()).unwrap();
    let trailers = way == Way::H2cTrailers;
    if !body.is_empty() {
        // More small frames than some hundred are a flood to h2, which ends the connection (ENHANCE_YOUR_CALM).
        let size = if way == Way::H2cPieces { body.len().div_ceil(64) } else { body.len() };
        let mut pieces = body.as_bytes().chunks(size).peekable();
        while let Some(piece) = pieces.next() {
            let last = pieces.peek().is_none() && !trailers;
            if send.send_data(Bytes::copy_from_slice(piece), last).is_err() {
                // Refused by now: the answer is there.
                break;
            }
        }
        if trailers {
            let mut fields = HeaderMap::new();
            fields.insert("stepward-subject", "root".parse().unwrap());
            fields.insert("amount", "1".parse().unwrap());
            send.send_trailers(fields).unwrap();
        }
    }
    let response = response.await.unwrap_or_else(|error| panic!("{way:?}: {error}"));
    let (parts, mut stream) = response.into_parts();
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.data().await {
        bytes.extend(chunk.unwrap());
    }
    connection.abort();
    let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_string()));
    Came { status: parts.status.as_u16(), headers: headers.collect(), body: String::from_utf8(bytes).unwrap() }
}

#[tokio::test]
async fn e1_a_body_is_the_same_event_with_the_same_facts_and_decision_however_it_comes() {
    let bank = Bank::open().await;
    let whole = |filler: usize| format!(r#"{{"amount":1,"note":"{}"}}"#, "x".repeat(filler));
    let limit = 4096 - whole(0).len();
    let cases = [
        (r#"{"amount":99.5,"note":"\u00e9"}"#.to_string(), 200),
        (r#"{"amount":900}"#.into(), 401),
        (r#"{"note":"no amount"}"#.into(), 403),
        (r#"{"amount":1,"amount":900}"#.into(), 400),
        (r#"{"amount":1"#.into(), 400),
        (whole(limit), 200),
        (whole(limit + 1), 413),
    ];
    let mut first: Option<Vec<String>> = None;
    for way in WAYS {
        let mut client = bank.client(way);
        let mut told = Vec::new();
        for (body, expected) in &cases {
            let before = bank.town.decisions().len();
            let came = client.pay(body).await;
            assert_eq!(came.status, *expected, "{way:?} {:.60} {}", body, came.body);
            let decided = bank.town.decisions().split_off(before);
            assert_eq!(decided.len(), 1, "{way:?} {body:.60}: {decided:?}");
            let about = |key: &str| decided[0][key].to_string();
            let values: Vec<String> = ["event.amount", "event.note"]
                .iter()
                .map(|name| format!("{name} {}", decided[0]["attributes"][*name]["value"]))
                .collect();
            told.push(format!("{} {} {} {values:?}", about("event"), about("outcome"), about("reasons")));
        }
        match &first {
            None => first = Some(told),
            Some(first) => assert_eq!(&told, first, "{way:?} tells another story than {:?}", WAYS[0]),
        }
    }
    let said = first.unwrap().join("\n");
    assert!(said.contains("99.5") && said.contains("challenge"), "{said}");
    assert!(bank.town.app.seen().iter().all(|it| !it.to_lowercase().contains("root")), "trailers say nothing");
}

#[tokio::test]
async fn a_challenge_is_held_and_resumed_over_every_way_and_the_app_sees_the_same_bytes() {
    let bank = Bank::open().await;
    let body = r#"{"amount":900,"note":"caf\u00e9 \u2603"}"#;
    for way in WAYS {
        let name = format!("ada-{way:?}").to_lowercase();
        let secret = bank.town.totp(&name).await;
        let mut client = bank.client(way);
        client.sign_in(&name).await;
        let before = bank.town.app.count("POST /pay");
        let asked = client.pay(body).await;
        assert_eq!(asked.status, 401, "{way:?} {}", asked.body);
        let asked: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
        let (page, id) = (asked["challenge_url"].as_str().unwrap(), asked["resume"].as_str().unwrap());
        let target = format!("/pay?stepward_resume={id}");
        let early = client.send(Method::POST, &target, "", "").await;
        assert_eq!(early.status, 401, "{way:?}: not before the proof {}", early.body);
        let code = bank.town.code(&secret);
        let form = format!("method=totp&code={code}");
        let proven = client.send(Method::POST, page, "application/x-www-form-urlencoded", &form).await;
        assert_eq!(proven.status, 200, "{way:?} {}", proven.body);
        let done = client.send(Method::POST, &target, "", "").await;
        assert_eq!((done.status, &*done.body), (200, "paid"), "{way:?} {}", done.header("content-type"));
        assert_eq!(bank.town.app.count("POST /pay"), before + 1, "{way:?}: once");
        let seen = bank.town.app.last("POST /pay");
        assert!(
            seen.starts_with("POST /pay HTTP/1.1\r\n") && seen.ends_with(&format!("\r\n\r\n{body}")),
            "{way:?} {seen}"
        );
        let told = format!("stepward-subject: {name}\r\n");
        let seen = seen.to_lowercase();
        assert!(seen.contains(&told) && seen.contains("content-type: application/json\r\n"), "{way:?} {seen}");
        assert_eq!(client.send(Method::POST, &target, "", "").await.status, 410, "{way:?}: never again");
    }
}
