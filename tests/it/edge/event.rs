//! Events: what is read, what is forwarded in which form, and who hears of the answer.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{HeaderValue, StatusCode};
use stepward::{
    arrival::{Arrival, Parked, Withheld},
    edge::Edge,
    journey::{
        Journeys, Script, Soon,
        seam::{Forwarding, Pending, Ruling, Seen, Sighting},
    },
    reply::Reply,
    settings::Unmatched,
};
use stepward_core::request::Body;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    edge::world,
    origin::{App, Recorder, answer, exchange},
};

type Rule = Box<dyn Fn(&Arrival) -> Ruling + Send + Sync>;

/// A journey that does as it is told: every `POST` is an event whose body is read.
struct Told {
    rule: Rule,
    heard: Arc<Heard>,
}

/// What the journey heard.
#[derive(Default)]
struct Heard {
    arrivals: Mutex<Vec<Arrival>>,
    concluded: Mutex<Vec<u16>>,
    lost: AtomicUsize,
    answered: Mutex<Vec<Withheld>>,
}

impl Script for Told {
    fn recognise(&self, methods: &[&str], _host: &str, _path: &str) -> Sighting {
        match methods.contains(&"POST") {
            true => Sighting::Event(Seen { reads_body: Some(256 * 1024) }),
            false => Sighting::Nothing(Unmatched::Forward),
        }
    }
    fn judge(&self, arrival: &Arc<Arrival>) -> Soon<Ruling> {
        self.heard.arrivals.lock().unwrap().push((**arrival).clone());
        let ruling = (self.rule)(arrival);
        Box::pin(async move { ruling })
    }
    fn concluded(&self, status: StatusCode) -> Vec<HeaderValue> {
        self.heard.concluded.lock().unwrap().push(status.as_u16());
        vec![HeaderValue::from_static("late=1")]
    }
    fn lost(&self) {
        self.heard.lost.fetch_add(1, Ordering::SeqCst);
    }
    fn answered(&self, answer: Withheld) -> Option<Reply> {
        self.heard.answered.lock().unwrap().push(answer);
        None
    }
}

fn told(rule: impl Fn(&Arrival) -> Ruling + Send + Sync + 'static) -> (Journeys, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    (Journeys::scripted(Told { rule: Box::new(rule), heard: heard.clone() }), heard)
}

/// Forwarded with an identity header, one cookie and someone who waits for the answer.
fn forwarding() -> Forwarding {
    Forwarding {
        headers: vec![("stepward-subject".parse().unwrap(), HeaderValue::from_static("alice"))],
        set_cookies: vec![HeaderValue::from_static("early=1")],
        pending: Some(Box::new(Pending)),
        ..Forwarding::default()
    }
}

fn forward(change: impl FnOnce(&mut Forwarding)) -> Ruling {
    let mut forwarding = forwarding();
    change(&mut forwarding);
    Ruling::Forward(Box::new(forwarding))
}

fn post(path: &str, media_type: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: a.test\r\nStepward-Subject: mallory\r\nContent-Type: {media_type}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_body_that_was_read_is_forwarded_byte_for_byte_small_or_large() {
    for size in [10, 60_000, 70_000, 200_000] {
        let app = Recorder::start().await;
        let (journeys, heard) = told(|_| forward(|_| {}));
        let edge = Edge::start(&world::settings(app.address), journeys).await.unwrap();
        let body = format!("{{\"amount\": 1,   \"note\": \"{}\"}}", "x".repeat(size));
        let answer = exchange(edge.addresses[0], post("/pay?x=%20", "application/json", &body).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("app"), "{size}: {answer}");
        for cookie in ["early=1", "late=1"] {
            assert!(answer.to_lowercase().contains(&format!("set-cookie: {cookie}\r\n")), "{size}: {answer}");
        }
        let seen = app.only();
        assert!(seen.starts_with("POST /pay?x=%20 HTTP/1.1\r\n"), "{size}: {}", &seen[..200]);
        assert!(seen.ends_with(&format!("\r\n\r\n{body}")), "{size}: the body changed on its way");
        let head = seen[..seen.len() - body.len()].to_lowercase();
        assert!(head.contains("stepward-subject: alice\r\n") && !head.contains("mallory"), "{size}: {head}");
        assert!(head.contains("x-forwarded-for: 127.0.0.1\r\n"), "{size}: {head}");
        assert_eq!(*heard.concluded.lock().unwrap(), [200], "{size}");
        assert_eq!(heard.lost.load(Ordering::SeqCst), 0, "{size}");
        let arrivals = heard.arrivals.lock().unwrap();
        assert_eq!(arrivals[0].request.header("stepward-subject"), None, "the policy sees no forged identity");
        assert!(matches!(&arrivals[0].request.body, Body::Fields(fields) if fields["amount"] == 1));
    }
}

#[tokio::test]
async fn e1_chunks_and_http2_read_like_a_length() {
    let app = Recorder::start().await;
    let (journeys, heard) = told(|_| forward(|_| {}));
    let edge = Edge::start(&world::settings(app.address), journeys).await.unwrap();
    let chunked = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                   Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n1;x=y\r\n=\r\n1\r\n1\r\n0\r\n\r\n";
    let answer = exchange(edge.addresses[0], chunked.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let arrivals = heard.arrivals.lock().unwrap();
    assert!(matches!(&arrivals[0].request.body, Body::Fields(fields) if fields["a"] == "1"));
}

#[tokio::test]
async fn multipart_fields_are_read_and_files_pass() {
    let app = Recorder::start().await;
    let (journeys, heard) = told(|_| forward(|_| {}));
    let edge = Edge::start(&world::settings(app.address), journeys).await.unwrap();
    let body = "--b\r\nContent-Disposition: form-data; name=\"amount\"\r\n\r\n12\r\n--b\r\n\
                Content-Disposition: form-data; name=\"scan\"; filename=\"x.png\"\r\n\r\n\x01\x02\x03\r\n--b--\r\n";
    exchange(edge.addresses[0], post("/", "multipart/form-data; boundary=b", body).as_bytes()).await;
    assert!(app.only().ends_with(body));
    let arrivals = heard.arrivals.lock().unwrap();
    assert!(matches!(&arrivals[0].request.body, Body::Fields(fields) if fields["amount"] == "12"));
}

#[tokio::test]
async fn e2_e3_bodies_that_cannot_be_read_are_refused_and_never_forwarded() {
    let app = Recorder::start().await;
    let (journeys, _) = told(|_| forward(|_| {}));
    let edge = Edge::start(&world::settings(app.address), journeys).await.unwrap();
    for (media_type, body, status) in [
        ("application/json", "{\"a\":1,\"a\":2}", 400),
        ("application/json", "{\"a\":", 400),
        ("application/x-www-form-urlencoded", "a=1&a=2", 400),
        ("multipart/form-data", "--b", 400),
        ("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1", 400),
        ("text/plain", "a=1", 415),
        ("application/json; charset=utf-16", "{}", 415),
    ] {
        let answer = exchange(edge.addresses[0], post("/", media_type, body).as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{media_type} {body}: {answer}");
    }
    let gzip = post("/", "application/json\r\nContent-Encoding: gzip", "{}");
    let answer = exchange(edge.addresses[0], gzip.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 415 "), "{answer}");
    assert_eq!(app.seen().len(), 0);
}

#[tokio::test]
async fn d1_a_body_over_the_limit_gets_413_and_the_connection_is_not_used_again() {
    let app = Recorder::start().await;
    let (journeys, _) = told(|_| forward(|_| {}));
    let edge = Edge::start(&world::settings(app.address), journeys).await.unwrap();
    let mut tcp = TcpStream::connect(edge.addresses[0]).await.unwrap();
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let request = format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 999999\r\n\r\n{smuggled}");
    tcp.write_all(request.as_bytes()).await.unwrap();
    let first = answer(&mut tcp).await;
    assert!(first.starts_with("HTTP/1.1 413 ") && first.contains("body.too_large"), "{first}");
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(10), tcp.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty(), "answered the smuggled request: {}", String::from_utf8_lossy(&rest));
    assert_eq!(app.seen().len(), 0);
}

#[tokio::test]
async fn d1_an_early_answer_does_not_make_the_body_the_next_request() {
    let app = Recorder::start().await;
    let (journeys, _) = told(|_| Ruling::Answer(Reply::new(StatusCode::FORBIDDEN, "text/plain", "no")));
    let edge = Edge::start(&world::settings(app.address), journeys).await.unwrap();
    let mut tcp = TcpStream::connect(edge.addresses[0]).await.unwrap();
    let body = "a=GET /smuggled HTTP/1.1";
    tcp.write_all(post("/", "application/x-www-form-urlencoded", body).as_bytes()).await.unwrap();
    assert!(answer(&mut tcp).await.starts_with("HTTP/1.1 403 "));
    tcp.write_all(b"GET /next HTTP/1.1\r\nHost: a.test\r\n\r\n").await.unwrap();
    assert!(answer(&mut tcp).await.starts_with("HTTP/1.1 200 "), "the connection is kept after our own answer");
    assert!(app.only().starts_with("GET /next "), "{}", app.only());
}

#[tokio::test]
async fn expect_is_answered_here_and_never_forwarded() {
    let app = Recorder::start().await;
    let (journeys, _) = told(|_| forward(|_| {}));
    let edge = Edge::start(&world::settings(app.address), journeys).await.unwrap();
    for method in ["POST", "PUT"] {
        let mut tcp = TcpStream::connect(edge.addresses[0]).await.unwrap();
        let head = format!(
            "{method} / HTTP/1.1\r\nHost: a.test\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n\
             Content-Length: 2\r\n\r\n"
        );
        tcp.write_all(head.as_bytes()).await.unwrap();
        assert!(answer(&mut tcp).await.starts_with("HTTP/1.1 100 "), "{method}");
        tcp.write_all(b"{}").await.unwrap();
        assert!(answer(&mut tcp).await.starts_with("HTTP/1.1 200 "), "{method}");
    }
    for seen in app.seen() {
        let seen = String::from_utf8(seen).unwrap();
        assert!(!seen.to_lowercase().contains("expect") && seen.ends_with("\r\n\r\n{}"), "{seen}");
    }
}

fn parked(target: &str, body: &str) -> Parked {
    Parked {
        event: "transfer".into(),
        subject: None,
        method: "PUT".into(),
        host: "a.test".into(),
        target: target.into(),
        headers: vec![("Content-Type".into(), "application/json".into()), ("Cookie".into(), "old=1".into())],
        body: data_encoding::BASE64.encode(body.as_bytes()),
        answer: None,
    }
}

const RESUMING: &str = "GET /done?stepward_resume=x HTTP/1.1\r\nHost: a.test\r\nCookie: live=1\r\n\r\n";

#[tokio::test]
async fn a_parked_request_is_sent_as_it_came_with_the_live_cookies() {
    for http2 in [false, true] {
        let body = "{\"amount\":  5}";
        let (journeys, heard) = told(move |_| forward(|it| it.replay = Some(parked("/a%2Fb/../c?x=1&y", body))));
        match http2 {
            false => {
                let app = Recorder::start().await;
                let edge = Edge::start(&world::settings(app.address), journeys).await.unwrap();
                let answer = exchange(edge.addresses[0], RESUMING.as_bytes()).await;
                assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("app"), "{answer}");
                let seen = app.only();
                assert!(seen.starts_with("PUT /a%2Fb/../c?x=1&y HTTP/1.1\r\n"), "{seen}");
                assert!(seen.ends_with(&format!("\r\n\r\n{body}")), "{seen}");
                let seen = seen.to_lowercase();
                for field in
                    ["host: a.test", "cookie: live=1", "content-type: application/json", "stepward-subject: alice"]
                {
                    assert!(seen.contains(&format!("{field}\r\n")), "{field} in {seen}");
                }
                assert!(!seen.contains("old=1") && !seen.contains("stepward_resume"), "{seen}");
            }
            true => {
                let app = App::start().await;
                let mut settings = world::settings(app.address);
                settings.upstreams.get_mut("app").unwrap().http2 = true;
                let edge = Edge::start(&settings, journeys).await.unwrap();
                let answer = exchange(edge.addresses[0], RESUMING.as_bytes()).await;
                assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("x-version: HTTP/2.0"), "{answer}");
                assert!(answer.contains("PUT /a%2Fb/../c"), "{answer}");
            }
        }
        assert_eq!(*heard.concluded.lock().unwrap(), [200]);
    }
}

#[tokio::test]
async fn a_parked_request_whose_app_breaks_off_has_an_unknown_outcome_and_is_not_sent_again() {
    let app = Recorder::answering(b"").await;
    let (journeys, heard) = told(|_| forward(|it| it.replay = Some(parked("/pay", "{}"))));
    let mut settings = world::settings(app.address);
    settings.upstreams.get_mut("app").unwrap().read = Duration::from_millis(300);
    let edge = Edge::start(&settings, journeys).await.unwrap();
    let answer = exchange(edge.addresses[0], RESUMING.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 504 ") && answer.contains("outcome.unknown"), "{answer}");
    assert_eq!(app.seen().len(), 1);
    assert_eq!(heard.lost.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_held_answer_goes_to_the_journey_and_not_to_the_client() {
    let app = Recorder::answering(
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nSet-Cookie: sid=1\r\nKeep-Alive: timeout=5\r\nX-Own: 1\r\n\r\nsecret",
    )
    .await;
    let (journeys, heard) = told(|_| forward(|it| it.hold = Some(1000)));
    let edge = Edge::start(&world::settings(app.address), journeys).await.unwrap();
    let answer = exchange(edge.addresses[0], post("/login", "application/json", "{}").as_bytes()).await;
    assert!(answer.ends_with("held") && !answer.contains("sid=1") && answer.contains("early=1"), "{answer}");
    let answered = heard.answered.lock().unwrap();
    let held = &answered[0];
    assert_eq!(held.status, 200);
    assert_eq!(data_encoding::BASE64.decode(held.body.as_bytes()).unwrap(), b"secret");
    assert!(held.headers.contains(&("set-cookie".into(), "sid=1".into())), "{:?}", held.headers);
    assert!(!held.headers.iter().any(|(name, _)| name == "keep-alive"), "{:?}", held.headers);
    assert_eq!(heard.lost.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_answer_too_large_to_hold_is_not_let_through() {
    let app = Recorder::answering(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret").await;
    let (journeys, heard) = told(|_| forward(|it| it.hold = Some(5)));
    let edge = Edge::start(&world::settings(app.address), journeys).await.unwrap();
    let answer = exchange(edge.addresses[0], post("/login", "application/json", "{}").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && !answer.contains("secret"), "{answer}");
    assert_eq!(heard.lost.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_event_whose_app_is_dead_is_lost_once() {
    let (journeys, heard) = told(|_| forward(|_| {}));
    let edge = Edge::start(&world::settings(world::dead_address().await), journeys).await.unwrap();
    let answer = exchange(edge.addresses[0], post("/", "application/json", "{}").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("app.unreachable"), "{answer}");
    assert_eq!(heard.lost.load(Ordering::SeqCst), 1);
    assert_eq!(heard.concluded.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn an_event_can_go_to_another_upstream() {
    let (app, restricted) = (Recorder::start().await, Recorder::start().await);
    let (journeys, _) = told(|_| forward(|it| it.upstream = Some("restricted".into())));
    let mut settings = world::settings(app.address);
    settings.upstreams.insert("restricted".into(), world::upstream("restricted", &[restricted.address]));
    let edge = Edge::start(&settings, journeys).await.unwrap();
    exchange(edge.addresses[0], post("/", "application/json", "{}").as_bytes()).await;
    assert_eq!((app.seen().len(), restricted.seen().len()), (0, 1));
}

#[tokio::test]
async fn k5_a_panic_ends_one_request_and_nothing_else() {
    let app = Recorder::start().await;
    let (journeys, _) = told(|_| panic!("a bug of ours"));
    let edge = Edge::start(&world::settings(app.address), journeys).await.unwrap();
    let answer = exchange(edge.addresses[0], post("/", "application/json", "{}").as_bytes()).await;
    assert_eq!(answer, "", "the connection ends");
    let answer = exchange(edge.addresses[0], b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(app.only().starts_with("GET / "), "the request whose hook panicked never reached the app");
}

#[tokio::test]
async fn own_pages_are_served_on_every_host_and_their_bodies_are_bounded() {
    let app = Recorder::start().await;
    let (journeys, heard) = told(|_| Ruling::Answer(Reply::new(StatusCode::OK, "text/html", "own")));
    let edge = Edge::start(&world::settings(app.address), journeys).await.unwrap();
    let own = post("/.stepward/answer", "application/x-www-form-urlencoded", "code=1");
    assert!(exchange(edge.addresses[0], own.as_bytes()).await.ends_with("own"));
    assert_eq!(heard.arrivals.lock().unwrap()[0].body.as_deref(), Some(&b"code=1"[..]));
    let large = post("/.stepward/answer", "text/plain", &"x".repeat(65 * 1024));
    let mut tcp = TcpStream::connect(edge.addresses[0]).await.unwrap();
    let _ = tcp.write_all(large.as_bytes()).await;
    assert!(answer(&mut tcp).await.starts_with("HTTP/1.1 413 "));
    assert_eq!(app.seen().len(), 0);
}
