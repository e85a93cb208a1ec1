use std::{
    net::IpAddr,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use stepward_core::{
    attribute::Catalogue,
    connector::{
        compile,
        document::{Network, operation::Method},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

mod proofs;

/// Answers `{}` to whoever comes, and counts them.
async fn listen(address: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(address).await.unwrap();
    let (address, came) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = came.clone();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut head = [0; 4096];
            let _ = tcp.read(&mut head).await;
            let _ = tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}").await;
        }
    });
    (address, came)
}

/// A name server that says one thing after another, and how often it was asked.
fn rebinding(answers: &[&[&str]]) -> (Lookup, Arc<AtomicUsize>) {
    let read = |list: &&[&str]| list.iter().map(|it| it.parse().unwrap()).collect::<Vec<IpAddr>>();
    let left = Mutex::new(answers.iter().rev().map(read).collect::<Vec<_>>());
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let told = move |_: &str| {
        counted.fetch_add(1, Ordering::SeqCst);
        left.lock().unwrap().pop().unwrap_or_default()
    };
    (Lookup::Told(Arc::new(told)), asked)
}

fn way(network: Network, port: u16, own: &[SocketAddr], lookup: Lookup) -> Way {
    let origin = Origin { secure: false, host: "vendor.example".into(), port };
    let guard = Guard::new(&origin, network, &own.into(), lookup);
    let http = http(&guard, false, None, None, &[]).unwrap();
    Way { origin, certificate: None, http, guard, detour: None }
}

async fn call(way: &Way, port: u16) -> Result<u16, &'static str> {
    let url = format!("http://vendor.example:{port}/");
    let prepared = Prepared { method: Method::Get, url, headers: Vec::new(), basic: None, body: None, unsigned: None };
    let answer = tokio::time::timeout(Duration::from_secs(5), Sender(way).exchange(prepared, 1024)).await.unwrap();
    answer.map(|answer| answer.status).map_err(|failure| failure.why)
}

#[tokio::test]
async fn i1_a_name_that_changes_its_address_leads_nowhere_it_may_not() {
    let (vendor, vendor_came) = listen("127.0.0.1:0".parse().unwrap()).await;
    let port = vendor.port();
    let (own, own_came) = listen(SocketAddr::from(([127, 0, 0, 2], port))).await;
    let (lookup, asked) = rebinding(&[
        &["127.0.0.1"],
        &["127.0.0.2"],
        &["127.0.0.1", "127.0.0.2"],
        &["::ffff:127.0.0.2"],
        &["169.254.169.254"],
        &[],
        &["127.0.0.1"],
    ]);
    let way = way(Network::Internal, port, &[own], lookup);
    assert_eq!(call(&way, port).await, Ok(200), "the vendor itself");
    for changed in ["our own listener", "both", "in IPv6 clothes", "the cloud's metadata", "nothing"] {
        assert_eq!(call(&way, port).await, Err("cannot connect"), "{changed}");
    }
    assert_eq!(call(&way, port).await, Ok(200), "the vendor again");
    let count = |it: &AtomicUsize| it.load(Ordering::SeqCst);
    assert_eq!((count(&vendor_came), count(&own_came)), (2, 0));
    assert_eq!(count(&asked), 7, "each answer is looked at and connected to; nobody asks a second time");
}

#[tokio::test]
async fn i1_a_public_name_that_becomes_a_private_one_is_not_connected_to() {
    let (inside, came) = listen("127.0.0.1:0".parse().unwrap()).await;
    let private: [&[&str]; 5] =
        [&["127.0.0.1"], &["8.8.8.8", "127.0.0.1"], &["::1"], &["::ffff:7f00:1"], &["64:ff9b::7f00:1"]];
    let (lookup, asked) = rebinding(&private);
    let way = way(Network::Internet, inside.port(), &[], lookup);
    for _ in private {
        assert_eq!(call(&way, inside.port()).await, Err("cannot connect"));
    }
    assert_eq!((came.load(Ordering::SeqCst), asked.load(Ordering::SeqCst)), (0, private.len()));
}

/// A vendor on loopback: what it answers depends on the request and on how many came before.
async fn vendor<F>(answer: F) -> (u16, Arc<Mutex<Vec<String>>>)
where
    F: Fn(&str, usize) -> Option<(u16, String)> + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let (kept, answer) = (seen.clone(), Arc::new(answer));
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let (kept, answer) = (kept.clone(), answer.clone());
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                let mut chunk = [0; 4096];
                // Head and body: the length is told by the head.
                let whole = |bytes: &[u8]| {
                    let text = String::from_utf8_lossy(bytes).into_owned();
                    let (head, body) = text.split_once("\r\n\r\n")?;
                    let length = head.lines().find_map(|line| {
                        line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
                    });
                    (body.len() >= length.unwrap_or(0)).then_some(text)
                };
                let request = loop {
                    let Ok(read @ 1..) = tcp.read(&mut chunk).await else { return };
                    bytes.extend_from_slice(&chunk[..read]);
                    if let Some(request) = whole(&bytes) {
                        break request;
                    }
                };
                let count = kept.lock().unwrap().len();
                kept.lock().unwrap().push(request.clone());
                if let Some((status, body)) = answer(&request, count) {
                    let head =
                        format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                    let _ = tcp.write_all(format!("{head}{body}").as_bytes()).await;
                }
            });
        }
    });
    (port, seen)
}

fn connector(port: u16, auth: &str, operation: &str) -> Connector {
    let file = format!(
        "connector: acme\ncapability: ip_reputation\nnetwork: internal\ndata: {{ sends: [ip] }}\n\
        secrets: {{ key: {{}} }}\ninputs: {{ ip: {{ required: true }} }}\nauth: {auth}\noperations:\n  lookup:\n    timeout: 5s\n\
        {operation}    response: {{ map: {{ ip.risk_score: body.score }}, required: [ip.risk_score] }}\n"
    )
    .replace("PORT", &port.to_string());
    let made = compile::connector(&"acme.yaml".into(), &file, &Catalogue::builtin());
    made.unwrap_or_else(|found| panic!("{found:#?}\n{file}"))
}

async fn ask(client: &Client, connector: &Connector) -> Heard {
    let operation = connector.asked().unwrap();
    let inputs = operation.inputs(&[("ip".into(), "8.8.8.8".into())], 0).unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    client.ask(&Ask { operation, inputs: &inputs, state: &[], now_ms: 0, deadline }).await
}

fn client(connector: &Connector) -> Client {
    Client::new(connector, vec![("key".into(), "s3cret".into())], &Arc::from([])).unwrap()
}

const GET: &str = "    request: { method: GET, url: 'http://127.0.0.1:PORT/v1' }\n";
const OAUTH: &str = "{ type: oauth2_client_credentials, token_url: 'http://127.0.0.1:PORT/token', client_id: me, client_secret: '${secret.key}', scope: risk }";

#[tokio::test]
async fn a_token_is_got_once_for_many_calls_and_once_more_when_it_is_refused() {
    let revoked = Arc::new(AtomicUsize::new(0));
    let since = revoked.clone();
    let (port, seen) = vendor(move |request, _| {
        Some(if request.starts_with("POST /token") {
            let number = since.load(Ordering::SeqCst);
            (200, format!(r#"{{"access_token": "tok-{number}", "expires_in": 3600}}"#))
        } else if request.contains(&format!("authorization: Bearer tok-{}", since.load(Ordering::SeqCst))) {
            (200, r#"{"score": 7}"#.to_owned())
        } else {
            (401, "{}".to_owned())
        })
    })
    .await;
    let connector = connector(port, OAUTH, GET);
    let client = client(&connector);
    let tokens = || seen.lock().unwrap().iter().filter(|it| it.starts_with("POST /token")).count();
    let many = futures_util::future::join_all((0..20).map(|_| ask(&client, &connector))).await;
    assert!(many.iter().all(|heard| heard.answer.class == Class::Success), "{many:?}");
    assert_eq!(tokens(), 1, "twenty calls at once share one token");
    let first = seen.lock().unwrap().iter().find(|it| it.starts_with("POST /token")).unwrap().clone();
    assert!(
        first.contains("grant_type=client_credentials&scope=risk")
            && first.contains("authorization: Basic bWU6czNjcmV0"),
        "{first}"
    );
    revoked.fetch_add(1, Ordering::SeqCst);
    let many = futures_util::future::join_all((0..20).map(|_| ask(&client, &connector))).await;
    assert!(many.iter().all(|heard| heard.answer.class == Class::Success), "{many:?}");
    assert_eq!(tokens(), 2, "a refused token is replaced once, however many were refused with it");
}

#[tokio::test]
async fn a_token_that_ends_is_renewed_and_one_that_is_always_refused_is_a_fault_of_ours() {
    let (port, seen) = vendor(|request, _| {
        let token = r#"{"access_token": "t", "expires_in": 0}"#.to_owned();
        Some(if request.starts_with("POST /token") { (200, token) } else { (401, "{}".to_owned()) })
    })
    .await;
    let connector = connector(port, OAUTH, GET);
    let client = client(&connector);
    let heard = ask(&client, &connector).await;
    assert_eq!((heard.answer.class, heard.sent), (Class::ConfigError, 2), "it is tried once more, and no more");
    ask(&client, &connector).await;
    assert_eq!(
        seen.lock().unwrap().iter().filter(|it| it.starts_with("POST /token")).count(),
        4,
        "each was at its end"
    );
}

#[tokio::test]
async fn without_a_token_nothing_is_asked() {
    for (status, body, class) in [
        (401, r#"{"error": "invalid_client"}"#, Class::ConfigError),
        (400, r#"{"error": "invalid_scope"}"#, Class::ConfigError),
        (403, "", Class::ConfigError),
        (200, "<html>", Class::ContractError),
        (200, "{}", Class::ContractError),
        (302, "", Class::ContractError),
        (429, "", Class::RateLimited),
        (500, "", Class::Unavailable),
    ] {
        let (port, seen) = vendor(move |_, _| Some((status, body.to_owned()))).await;
        let connector = connector(port, OAUTH, GET);
        let heard = ask(&client(&connector), &connector).await;
        assert_eq!((heard.answer.class, heard.sent), (class, 0), "{status} {body}");
        assert!(heard.answer.why.is_some_and(|why| why.contains("token")), "{status} {body}");
        assert!(seen.lock().unwrap().iter().all(|it| it.starts_with("POST /token")));
    }
}

#[tokio::test]
async fn a_session_is_opened_by_the_vendors_own_login() {
    let (port, seen) = vendor(|request, _| {
        Some(if request.starts_with("PUT /login") {
            (200, r#"{"session": {"id": "s-1"}}"#.to_owned())
        } else {
            (200, r#"{"score": 7}"#.to_owned())
        })
    })
    .await;
    let auth = "{ type: session_token, login: { method: PUT, url: 'http://127.0.0.1:PORT/login', json: { key: '${secret.key}' } }, \
        token: body.session.id, header: X-Session, value: 'Id ${token}' }";
    let connector = connector(port, auth, GET);
    let heard = ask(&client(&connector), &connector).await;
    assert_eq!(heard.answer.class, Class::Success);
    let seen = seen.lock().unwrap();
    assert!(seen[0].ends_with(r#"{"key":"s3cret"}"#) && seen[1].contains("x-session: Id s-1"), "{seen:?}");
}

#[tokio::test]
async fn it_tries_again_only_what_the_file_allows() {
    for (retry, statuses, sent, class) in [
        ("", [503, 200, 200], 1, Class::Unavailable),
        ("    retry: { max: 2, backoff: 1ms }\n", [503, 503, 200], 3, Class::Success),
        ("    retry: { max: 1, backoff: 1ms }\n", [503, 503, 200], 2, Class::Unavailable),
        ("    retry: { max: 2, backoff: 1ms }\n", [429, 200, 200], 1, Class::RateLimited),
        ("    retry: { max: 2, backoff: 1ms, on: [rate_limited] }\n", [429, 200, 200], 2, Class::Success),
        ("    retry: { max: 2, backoff: 1ms }\n", [400, 200, 200], 1, Class::ConfigError),
    ] {
        let (port, _) = vendor(move |_, count| Some((statuses[count.min(2)], r#"{"score": 7}"#.to_owned()))).await;
        let connector = connector(port, "{ type: none }", &format!("{GET}{retry}"));
        let heard = ask(&client(&connector), &connector).await;
        assert_eq!((heard.sent, heard.answer.class), (sent, class), "{retry} {statuses:?}");
    }
    let post = "    request: { method: POST, url: 'http://127.0.0.1:PORT/v1', json: {} }\n    retry: { max: 1, backoff: 1ms, idempotency_header: Idempotency-Key }\n";
    let (port, seen) =
        vendor(|_, count| Some((if count == 0 { 503 } else { 200 }, r#"{"score": 7}"#.to_owned()))).await;
    let connector = connector(port, "{ type: none }", post);
    assert_eq!(ask(&client(&connector), &connector).await.sent, 2);
    let seen = seen.lock().unwrap();
    let key =
        |request: &str| request.lines().find_map(|it| it.strip_prefix("idempotency-key: ").map(str::to_owned)).unwrap();
    assert_eq!(key(&seen[0]), key(&seen[1]), "the vendor can tell that it is the same");
}

#[tokio::test]
async fn answers_that_stall_or_never_end_are_cut_at_the_deadline_and_the_limit() {
    let slow = "    request: { method: GET, url: 'http://127.0.0.1:PORT/v1' }\n".to_owned();
    let (port, _) = vendor(|_, _| None).await;
    let refused = connector(port, "{ type: none }", &slow);
    let heard = ask(&client(&refused), &refused).await;
    assert_eq!((heard.answer.class, heard.answer.why.as_deref()), (Class::Unavailable, Some("the answer broke off")));
    let (port, _) = vendor(|_, _| Some((200, format!(r#"{{"score": 7, "x": "{}"}}"#, "x".repeat(70_000))))).await;
    let huge = connector(port, "{ type: none }", &slow);
    let heard = ask(&client(&huge), &huge).await;
    assert_eq!(
        (heard.answer.class, heard.answer.why.as_deref()),
        (Class::ContractError, Some("the answer is too large"))
    );
    // One byte every 20 ms: never silent, never done.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n";
        let _ = tcp.write_all(head.as_bytes()).await;
        while tcp.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let dripping = connector(port, "{ type: none }", &slow.replace("/v1' }\n", "/v1' }\n    connect_timeout: 1s\n"));
    let operation = dripping.asked().unwrap();
    let inputs = operation.inputs(&[("ip".into(), "8.8.8.8".into())], 0).unwrap();
    let (began, patience) = (Instant::now(), Duration::from_millis(150));
    let deadline = began + patience;
    let heard = client(&dripping).ask(&Ask { operation, inputs: &inputs, state: &[], now_ms: 0, deadline }).await;
    assert_eq!((heard.answer.class, heard.answer.why.as_deref()), (Class::Unavailable, Some("no answer in time")));
    assert!(began.elapsed() < patience * 4, "{:?}", began.elapsed());
}
