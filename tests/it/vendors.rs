//! Vendors over real sockets: everything they can do wrong, and what a policy is told then.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path as File,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use stepward::{
    clock::Clock,
    settings::Secret,
    vendors::{Question, Told, Vendors, fixtures},
};
use stepward_core::{
    attribute::Cost,
    connector::route::Breaker,
    facts::{Path, Reading, Why},
    value::Value,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::Instant,
};

/// How a vendor behaves.
#[derive(Clone, Debug)]
pub(crate) enum Does {
    /// Answers with these bytes.
    Says(String),
    /// Answers so after a while.
    Waits(Duration, String),
    /// Never answers.
    Stalls,
    /// Closes the connection without a word.
    HangsUp,
    /// Begins an answer and then sends one byte a second.
    Drips,
    /// Sends a body without an end.
    Floods,
    /// Answers after a while with the last part of the address it was asked about as the score.
    Mirrors(Duration),
}

/// A vendor on loopback that keeps what it was asked.
#[derive(Clone)]
pub(crate) struct Vendor {
    does: Arc<Mutex<Does>>,
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
    pub(crate) open: Arc<AtomicUsize>,
    pub(crate) address: SocketAddr,
}

impl Vendor {
    pub(crate) async fn that(does: Does) -> Vendor {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let vendor = Vendor {
            does: Arc::new(Mutex::new(does)),
            asked: Arc::default(),
            open: Arc::default(),
            address: listener.local_addr().unwrap(),
        };
        let served = vendor.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let vendor = served.clone();
                tokio::spawn(async move { vendor.serve(stream).await });
            }
        });
        vendor
    }

    pub(crate) async fn scoring(score: u32) -> Vendor {
        Vendor::that(Does::Says(json(&format!(r#"{{"score": {score}, "country": "NL"}}"#)))).await
    }

    pub(crate) fn now(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    async fn serve(&self, mut stream: TcpStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8(head).unwrap();
        self.asked.lock().unwrap().push(head.clone());
        let does = self.does.lock().unwrap().clone();
        self.open.fetch_add(1, Ordering::SeqCst);
        // The other side may hang up at any time; that is what is tested.
        let does = match does {
            Does::Mirrors(time) => Does::Waits(time, mirrored(&head)),
            other => other,
        };
        let _ = answer(&mut stream, does).await;
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The answer to a question about `…/a.b.c.N`: the score N.
fn mirrored(head: &str) -> String {
    let path = head.split(' ').nth(1).unwrap().split('?').next().unwrap();
    json(&format!(r#"{{"score": {}}}"#, path.rsplit('.').next().unwrap()))
}

async fn answer(stream: &mut TcpStream, does: Does) -> std::io::Result<()> {
    match does {
        Does::Says(bytes) => stream.write_all(bytes.as_bytes()).await,
        Does::Waits(time, bytes) => {
            tokio::time::sleep(time).await;
            stream.write_all(bytes.as_bytes()).await
        }
        Does::Mirrors(_) | Does::Stalls => {
            let mut rest = [0; 1];
            stream.read_exact(&mut rest).await.map(|_| ())
        }
        Does::HangsUp => Ok(()),
        Does::Drips => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await?;
            loop {
                stream.write_all(b" ").await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Does::Floods => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            loop {
                stream.write_all(b"1000\r\n").await?;
                stream.write_all(&[b' '; 0x1000]).await?;
                stream.write_all(b"\r\n").await?;
            }
        }
    }
}

pub(crate) fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}", body.len())
}

pub(crate) fn json(body: &str) -> String {
    http("200 OK", "content-type: application/json\r\n", body)
}

struct World {
    vendors: Vendors,
    clock: Arc<AtomicI64>,
    _folder: tempfile::TempDir,
}

/// A connector's file; `{url}` and `{more}` are filled in.
const CONNECTOR: &str = r#"
connector: {id}
capability: ip_reputation
network: internal
data: { sends: [ip, user_id] }
{price}
secrets: { key: {} }
inputs: { ip: { required: true }, user_id: {} }
auth: { type: api_key, in: header, name: X-Key, value: "${secret.key}" }
operations:
  lookup:
    request: { method: GET, url: "{url}/check/${input.ip}", query: { user: "${input.user_id}" } }
    timeout: 300ms
    cache: { ttl: 1h }
    response:
      max_bytes: 64KiB
      map: { ip.risk_score: "score(body.score, 0, 100)", ip.country: body.country{extra} }
      required: [ip.risk_score]
"#;

impl World {
    /// A route over these vendors, in this order, named `a`, `b`, ….
    fn route(vendors: &[&Vendor]) -> World {
        World::priced(&vendors.iter().map(|vendor| (*vendor, "")).collect::<Vec<_>>(), "")
    }

    fn priced(vendors: &[(&Vendor, &str)], extra: &str) -> World {
        let folder = tempfile::tempdir().unwrap();
        let mut secrets = BTreeMap::new();
        let mut route = "capability: ip_reputation\nconnectors:\n".to_owned();
        for (at, (vendor, price)) in vendors.iter().enumerate() {
            let id = ["a", "b", "c"][at];
            let text = CONNECTOR.replace("{id}", id).replace("{price}", price).replace("{extra}", extra);
            let text = text.replace("{url}", &format!("http://{}", vendor.address));
            write(folder.path(), &format!("{id}/connector.yaml"), &text);
            write(folder.path(), &format!("{id}/key"), "s3cret-of-the-vendor\n");
            secrets.insert(format!("{id}.key").into(), Secret::File(folder.path().join(id).join("key")));
            route += &format!("  - {{ connector: {id} }}\n");
        }
        write(folder.path(), "routes/ip_reputation.yaml", &route);
        let clock = Arc::new(AtomicI64::new(1_700_000_000_000));
        let made = Vendors::open(folder.path(), &secrets, &Arc::from([]), &Clock::Manual(clock.clone()));
        World { vendors: made.unwrap(), clock, _folder: folder }
    }

    async fn score(&self) -> Told {
        self.about("default", "8.8.8.8", None).await
    }

    async fn about(&self, tenant: &str, ip: &str, user: Option<&str>) -> Told {
        self.within(tenant, ip, user, Duration::from_secs(5), &AtomicU32::new(9)).await
    }

    async fn within(&self, tenant: &str, ip: &str, user: Option<&str>, time: Duration, paid_left: &AtomicU32) -> Told {
        let mut inputs: Vec<(Arc<str>, Arc<str>)> = vec![("ip".into(), ip.into())];
        inputs.extend(user.map(|user| ("user_id".into(), user.into())));
        let question = Question { tenant, inputs: &inputs, deadline: Instant::now() + time, paid_left };
        self.vendors.ask(&question, &["ip.risk_score"]).await.told.remove(0)
    }
}

pub(crate) fn write(folder: &File, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn known(told: &Told) -> (f64, &str, Path, u64) {
    let (Reading::Known(Value::Number(score)), Some(origin)) = told else { panic!("not known: {told:?}") };
    (*score, &origin.source, origin.path, origin.age_ms)
}

const UNAVAILABLE: Told = (Reading::Unknown(Why::Unavailable), None);

#[tokio::test]
async fn an_answer_says_where_it_came_from_and_how_old_it_is() {
    let vendor = Vendor::scoring(82).await;
    let world = World::route(&[&vendor]);
    assert_eq!(known(&world.score().await), (82.0, "a", Path::Live, 0));
    world.clock.fetch_add(1234, Ordering::SeqCst);
    assert_eq!(known(&world.score().await), (82.0, "a", Path::Cache, 1234));
    assert_eq!(vendor.asked(), 1);
    let asked = vendor.asked.lock().unwrap().remove(0).to_lowercase();
    assert!(
        asked.starts_with("get /check/8.8.8.8 http/1.1\r\n") && asked.contains("\r\nx-key: s3cret-of-the-vendor\r\n"),
        "{asked}"
    );
    world.clock.fetch_add(3_600_000, Ordering::SeqCst);
    world.score().await;
    assert_eq!(vendor.asked(), 1, "asked again after an hour");
}

/// Everything a vendor can do wrong.
fn faults() -> Vec<(&'static str, Does)> {
    let says = |bytes: String| Does::Says(bytes);
    vec![
        ("refuses", says(http("403 Forbidden", "", "{}"))),
        ("fails", says(http("500 Internal Server Error", "", "oops"))),
        ("is busy", says(http("429 Too Many Requests", "", "{}"))),
        ("is slow", Does::Waits(Duration::from_secs(2), json(r#"{"score": 1}"#))),
        ("stalls", Does::Stalls),
        ("hangs up", Does::HangsUp),
        ("drips", Does::Drips),
        ("floods", Does::Floods),
        ("says garbage", says("\u{1}\u{2}garbage\r\n\r\n".into())),
        ("says something else", says(json("<html>"))),
        ("says half of it", says("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"score\": 1".into())),
        ("says nothing", says(http("200 OK", "", ""))),
        ("says too much", says(json(&format!("{{\"score\": 1, \"x\": \"{}\"}}", "a".repeat(70_000))))),
        ("is of another type", says(json(r#"{"score": {"value": 1}}"#))),
        ("says NaN", says(json(r#"{"score": "NaN"}"#))),
        (
            "is nested without end",
            says(json(&format!("{{\"score\": 1, \"x\": {}{}}}", "[".repeat(100), "]".repeat(100)))),
        ),
        ("is compressed", says(http("200 OK", "content-encoding: gzip\r\n", r#"{"score": 1}"#))),
        ("sends a bomb", says(http("200 OK", "content-encoding: gzip\r\n", "\u{1f}\u{8b}"))),
        (
            "codes twice",
            says(http("200 OK", "content-encoding: identity\r\ncontent-encoding: br\r\n", r#"{"score": 1}"#)),
        ),
        ("codes twice in one line", says(http("200 OK", "content-encoding: identity, gzip\r\n", r#"{"score": 1}"#))),
        ("has a huge header", says(http("200 OK", &format!("x: {}\r\n", "y".repeat(1 << 20)), r#"{"score": 1}"#))),
        ("has ten thousand headers", says(http("200 OK", &"x: y\r\n".repeat(10_000), r#"{"score": 1}"#))),
        ("only ever says wait", says("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100_000))),
        (
            "says how long it is twice",
            says("HTTP/1.1 200 OK\r\ncontent-length: 12\r\ncontent-length: 3\r\n\r\n{\"score\": 1}".into()),
        ),
        ("is no UTF-8", says(json("{\"score\": 1, \"country\": \"\u{80}\"}").replace('\u{80}', "\\ud800"))),
        ("sends us elsewhere", says(http("302 Found", "location: http://127.0.0.1:1/\r\n", ""))),
    ]
}

#[tokio::test]
async fn k7_whatever_a_vendor_does_wrong_is_unknown_and_within_its_time() {
    for (what, does) in faults() {
        let mut took = Vec::new();
        // Its time is 300 ms. A machine that has something else to do makes a try longer, never shorter: the best counts.
        while took.len() < 4 && took.iter().all(|it| *it >= Duration::from_millis(600)) {
            let vendor = Vendor::that(does.clone()).await;
            let world = World::route(&[&vendor]);
            let before = Instant::now();
            assert_eq!(world.score().await, UNAVAILABLE, "a vendor that {what}");
            took.push(before.elapsed());
        }
        assert!(took.iter().any(|it| *it < Duration::from_millis(600)), "a vendor that {what} took {took:?}");
    }
    let gone = Vendor { address: "127.0.0.1:1".parse().unwrap(), ..Vendor::scoring(0).await };
    assert_eq!(World::route(&[&gone]).score().await, UNAVAILABLE, "a vendor that is not there");
}

#[tokio::test]
async fn whatever_the_first_does_wrong_the_second_answers() {
    let second = Vendor::scoring(40).await;
    for (what, does) in faults() {
        let world = World::route(&[&Vendor::that(does).await, &second]);
        assert_eq!(known(&world.score().await), (40.0, "b", Path::FailOver, 0), "after one that {what}");
    }
}

#[tokio::test]
async fn a_redirect_is_never_followed() {
    let inside = Vendor::scoring(1).await;
    let to = http("302 Found", &format!("location: http://{}/\r\n", inside.address), "");
    let world = World::route(&[&Vendor::that(Does::Says(to)).await]);
    assert_eq!(world.score().await, UNAVAILABLE);
    assert_eq!(inside.asked(), 0);
}

#[tokio::test]
async fn k2_a_body_without_end_is_cut_off_and_the_connection_closed() {
    let vendor = Vendor::that(Does::Floods).await;
    let world = World::route(&[&vendor]);
    assert_eq!(world.score().await, UNAVAILABLE);
    tokio::time::timeout(Duration::from_secs(2), async {
        while vendor.open.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the vendor should have been hung up on");
}

#[tokio::test]
async fn a_dead_vendor_is_not_asked_again_until_its_breaker_lets_one_through() {
    let (first, second) = (Vendor::that(Does::Says(http("503 Busy", "", ""))).await, Vendor::scoring(7).await);
    let world = World::route(&[&first, &second]);
    for at in 0..20 {
        let told = world.about("default", &format!("8.8.4.{at}"), None).await;
        assert_eq!(known(&told).2, Path::FailOver);
    }
    assert_eq!(first.asked(), Breaker::default().failures as usize);
    first.now(Does::Says(json(r#"{"score": 3}"#)));
    world.clock.fetch_add(Breaker::default().open_ms, Ordering::SeqCst);
    assert_eq!(known(&world.score().await), (3.0, "a", Path::Live, 0), "back at the first choice");
}

#[tokio::test]
async fn the_events_time_is_never_exceeded_and_the_answer_is_kept_for_the_next() {
    let vendor = Vendor::that(Does::Waits(Duration::from_millis(200), json(r#"{"score": 9}"#))).await;
    let world = World::route(&[&vendor]);
    let before = Instant::now();
    let told = world.within("default", "8.8.8.8", None, Duration::from_millis(50), &AtomicU32::new(9)).await;
    assert_eq!(told, (Reading::Unknown(Why::OverBudget), None));
    assert!(before.elapsed() < Duration::from_millis(150), "{:?}", before.elapsed());
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(known(&world.score().await), (9.0, "a", Path::Cache, 0), "what was asked is not thrown away");
}

#[tokio::test]
async fn paid_calls_are_counted_and_a_free_vendor_takes_over_when_they_are_spent() {
    let (paid, free) = (Vendor::scoring(1).await, Vendor::scoring(2).await);
    let world = World::priced(&[(&paid, "price: 0.01"), (&free, "")], "");
    let one = AtomicU32::new(1);
    let ask = |ip: &'static str| world.within("default", ip, None, Duration::from_secs(5), &one);
    assert_eq!(known(&ask("8.8.8.1").await).1, "a");
    assert_eq!(one.load(Ordering::SeqCst), 0);
    assert_eq!(known(&ask("8.8.8.1").await).2, Path::Cache, "an answer that is kept costs nothing");
    assert_eq!(known(&ask("8.8.8.2").await).1, "b");
    assert_eq!(paid.asked(), 1);
    assert_eq!(world.vendors.catalogue().find("ip.risk_score").unwrap().cost, Cost::Paid);

    let only = World::priced(&[(&paid, "price: 0.01")], "");
    let told = only.within("default", "8.8.8.3", None, Duration::from_secs(5), &AtomicU32::new(0)).await;
    assert_eq!(told, (Reading::Unknown(Why::OverBudget), None));
    assert_eq!(paid.asked(), 1, "nothing was bought");
}

#[tokio::test]
async fn f16_f17_equal_questions_share_one_call_and_different_ones_never_share_an_answer() {
    let vendor = Vendor::that(Does::Waits(Duration::from_millis(50), json(r#"{"score": 5}"#))).await;
    let world = World::route(&[&vendor]);
    let same = (0..50).map(|_| world.about("default", "8.8.8.8", Some("ada")));
    let told = futures_util::future::join_all(same).await;
    assert!(told.iter().all(|told| known(told).0 == 5.0));
    assert_eq!(vendor.asked(), 1);
    let long = "a".repeat(4000);
    let (x, y) = (format!("{long}x"), format!("{long}y"));
    for (tenant, ip, user) in [
        ("other", "8.8.8.8", Some("ada")),
        ("default", "8.8.8.9", Some("ada")),
        ("default", "8.8.8.8", Some("adb")),
        ("default", "8.8.8.8", None),
        ("default", "8.8.8.8", Some(x.as_str())),
        ("default", "8.8.8.8", Some(y.as_str())),
    ] {
        assert_eq!(known(&world.about(tenant, ip, user).await).2, Path::Live, "{tenant} {ip} {user:.8?}");
    }
    assert_eq!(vendor.asked(), 7);
}

#[tokio::test]
async fn b8_an_input_that_is_malformed_neither_breaks_the_call_nor_moves_it() {
    let vendor = Vendor::scoring(5).await;
    let world = World::route(&[&vendor]);
    for user in ["a b", "a&b=c#d?e/../f", "${secret.key}", "\r\nX-Evil: 1", "é\u{202e}", "%00", "{{env.HOME}}"] {
        assert_eq!(known(&world.about("default", "8.8.8.8", Some(user)).await).0, 5.0, "{user:?}");
        let asked = vendor.asked.lock().unwrap().pop().unwrap();
        let line = asked.lines().next().unwrap();
        assert!(line.starts_with("GET /check/8.8.8.8?user=") && line.split(' ').count() == 3, "{line}");
        assert!(!asked.to_lowercase().contains("x-evil: 1\r\n") && asked.matches("s3cret").count() == 1, "{asked}");
    }
    for ip in ["..", "."] {
        let told = world.about("default", ip, None).await;
        assert_eq!(told.0, Reading::Unknown(Why::Absent), "{ip:?} is not something to ask about");
    }
    assert_eq!(vendor.asked(), 0, "nothing was sent for those");
    let empty = world.about("default", "", None).await;
    assert_eq!(empty, (Reading::Unknown(Why::Absent), None), "a required input is missing");
}

#[test]
fn k1_a_secret_that_is_lost_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let text = CONNECTOR.replace("{id}", "a").replace("{price}", "").replace("{extra}", "");
    write(folder.path(), "a/connector.yaml", &text.replace("{url}", "http://10.0.0.1"));
    write(folder.path(), "routes/ip_reputation.yaml", "capability: ip_reputation\nconnectors:\n  - { connector: a }\n");
    write(folder.path(), "empty", "\n");
    let open = |secrets: BTreeMap<Arc<str>, Secret>| {
        let found = Vendors::open(folder.path(), &secrets, &Arc::from([]), &Clock::System).err().unwrap();
        (found[0].code, found[0].message.clone())
    };
    let file = |name: &str| BTreeMap::from([("a.key".into(), Secret::File(folder.path().join(name)))]);
    for secrets in [
        BTreeMap::new(),
        file("nowhere"),
        file("empty"),
        BTreeMap::from([("a.key".into(), Secret::Env("STEPWARD_TEST_NOT_SET".into()))]),
    ] {
        let (code, message) = open(secrets);
        assert_eq!(code, "secret.missing", "{message}");
        assert!(message.starts_with("secret `a.key` "), "{message}");
    }
}

#[tokio::test]
async fn our_own_listeners_are_no_vendors() {
    let vendor = Vendor::scoring(5).await;
    let folder = tempfile::tempdir().unwrap();
    let text = CONNECTOR.replace("{id}", "a").replace("{price}", "").replace("{extra}", "");
    write(folder.path(), "key", "k");
    write(folder.path(), "routes/ip_reputation.yaml", "capability: ip_reputation\nconnectors:\n  - { connector: a }\n");
    let secrets = BTreeMap::from([("a.key".into(), Secret::File(folder.path().join("key")))]);
    let port = vendor.address.port();
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("[::ffff:127.0.0.1]:{port}")] {
        write(folder.path(), "a/connector.yaml", &text.replace("{url}", &format!("http://{host}")));
        let own: Arc<[SocketAddr]> = Arc::from([SocketAddr::from(([0, 0, 0, 0], port))]);
        let vendors = Vendors::open(folder.path(), &secrets, &own, &Clock::System).unwrap();
        let inputs: [(Arc<str>, Arc<str>); 1] = [("ip".into(), "8.8.8.8".into())];
        let deadline = Instant::now() + Duration::from_secs(5);
        let question = Question { tenant: "t", inputs: &inputs, deadline, paid_left: &AtomicU32::new(0) };
        assert_eq!(vendors.ask(&question, &["ip.risk_score"]).await.told, [UNAVAILABLE], "{host}");
    }
    assert_eq!(vendor.asked(), 0);
}

#[test]
fn a_fixture_that_does_not_hold_says_what_is_different() {
    let folder = tempfile::tempdir().unwrap();
    let shipped = File::new(env!("CARGO_MANIFEST_DIR")).join("connectors/abuseipdb/connector.yaml");
    let text = std::fs::read_to_string(shipped).unwrap();
    let changed =
        text.replace("ip.risk_score: 82,", "ip.risk_score: 83,").replace("maxAgeInDays=90", "maxAgeInDays=91");
    write(folder.path(), "abuseipdb/connector.yaml", &changed);
    let report = fixtures::run(folder.path()).unwrap();
    let problems = &report.connectors[0].cases[0].problems;
    assert!(problems.iter().any(|it| it.contains("`ip.risk_score` is 82.0, not 83")), "{problems:?}");
    assert!(problems.iter().any(|it| it.contains("maxAgeInDays=90`, not")), "{problems:?}");
    assert!(!report.passed());
}
