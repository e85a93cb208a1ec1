//! Data that is looked up instead of asking a vendor: files that change, lists from a source that does everything wrong.

use std::{
    path::Path as File,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use stepward::{
    clock::Clock,
    vendors::{
        Question, Told, Vendors,
        load::{self, Given, Legacy, Surroundings},
    },
};
use stepward_core::{
    facts::{Path, Reading, Why},
    value::Value,
};
use tokio::time::Instant;

use crate::{
    signals::mmdb,
    vendors::{Does, Vendor, http, write},
};

/// When the tests begin; the databases of the tests were built then too.
const START_MS: i64 = 1_700_000_000_000;
const HOUR_MS: i64 = 3_600_000;
const UNAVAILABLE: Told = (Reading::Unknown(Why::Unavailable), None);

/// A list of addresses that is downloaded.
const LIST: &str = r#"
connector: exits
capability: ip_reputation
network: internal
data: { sends: [] }
inputs: { ip: { required: true } }
operations:
  lookup:
    local: { type: list, url: "{url}/list", key: "${input.ip}", entries: ip, refresh: 1h, stale_after: 6h, max_bytes: 16KiB, timeout: 300ms }
    response: { map: { ip.is_tor: body } }
"#;

/// A vendor that is asked where the list says nothing.
const BACKUP: &str = r#"
connector: backup
capability: ip_reputation
network: internal
data: { sends: [ip] }
inputs: { ip: { required: true } }
operations:
  lookup:
    request: { method: GET, url: "{url}/${input.ip}" }
    response: { map: { ip.is_tor: body.tor } }
"#;

struct Desk {
    vendors: Vendors,
    clock: Arc<AtomicI64>,
    folder: tempfile::TempDir,
    given: Given,
}

impl Desk {
    fn with(files: &[(&str, &str)], given: Given) -> Desk {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            write(&folder.path().join("connectors"), name, text);
        }
        let clock = Arc::new(AtomicI64::new(START_MS));
        let vendors = open(folder.path(), &given, &clock, &Legacy::default());
        Desk { vendors, clock, folder, given }
    }

    /// A downloaded list alone on its route.
    fn downloading(source: &Vendor) -> Desk {
        let list = LIST.replace("{url}", &format!("http://{}", source.address));
        let route = "capability: ip_reputation\nconnectors: [{ connector: exits }]\n";
        Desk::with(&[("exits/connector.yaml", &list), ("routes/ip_reputation.yaml", route)], Given::new())
    }

    /// The process ends and begins anew.
    fn restart(&mut self) {
        self.vendors = open(self.folder.path(), &self.given, &self.clock, &Legacy::default());
    }

    /// The files are loaded again while it runs.
    fn reload(&mut self) {
        self.vendors = open(self.folder.path(), &self.given, &self.clock, self.vendors.legacy());
    }

    async fn renew(&self) {
        for list in self.vendors.legacy().lists() {
            list.renew().await;
        }
    }

    fn pass(&self, hours: i64) {
        self.clock.fetch_add(hours * HOUR_MS, Ordering::SeqCst);
    }

    async fn ask(&self, input: (&str, &str), names: &[&str]) -> Vec<Told> {
        let inputs = [(input.0.into(), input.1.into())];
        let paid_left = AtomicU32::new(0);
        let deadline = Instant::now() + Duration::from_secs(5);
        let question = Question { tenant: "default", inputs: &inputs, deadline, paid_left: &paid_left };
        self.vendors.ask(&question, names).await.told
    }

    async fn is_tor(&self, ip: &str) -> Told {
        self.ask(("ip", ip), &["ip.is_tor"]).await.remove(0)
    }
}

fn open(folder: &File, given: &Given, clock: &Arc<AtomicI64>, before: &Legacy) -> Vendors {
    let copies = folder.join("state/lists");
    let around = Surroundings {
        given,
        secrets: &Default::default(),
        own: &Arc::from([]),
        clock: &Clock::Manual(clock.clone()),
        copies: Some(&copies),
        mock: None,
    };
    load::open(&folder.join("connectors"), &around, before).unwrap_or_else(|why| panic!("{why:#?}"))
}

/// Value, way and age in hours.
fn known(told: &Told) -> (Value, Path, u64) {
    let (Reading::Known(value), Some(origin)) = told else { panic!("not known: {told:?}") };
    (value.clone(), origin.path, origin.age_ms / HOUR_MS as u64)
}

fn list(tag: &str, entries: &[&str]) -> Does {
    Does::Says(http("200 OK", &format!("etag: \"{tag}\"\r\n"), &entries.join("\n")))
}

const TRUE: Value = Value::Bool(true);
const FALSE: Value = Value::Bool(false);

#[tokio::test]
async fn a_list_is_downloaded_once_confirmed_when_it_has_not_changed_and_there_after_a_restart() {
    let source = Vendor::that(list("one", &["# exits", "8.8.8.8", "2001:4860::8 ; six"])).await;
    let mut desk = Desk::downloading(&source);
    assert_eq!(desk.is_tor("8.8.8.8").await, UNAVAILABLE, "nothing was downloaded yet");
    desk.renew().await;
    assert_eq!(known(&desk.is_tor("8.8.8.8").await), (TRUE, Path::Live, 0));
    assert_eq!(known(&desk.is_tor("2001:4860:0::8").await), (TRUE, Path::Live, 0));
    assert_eq!(known(&desk.is_tor("9.9.9.9").await), (FALSE, Path::Live, 0));
    desk.pass(2);
    assert_eq!(known(&desk.is_tor("8.8.8.8").await), (TRUE, Path::Live, 2));
    assert_eq!(source.asked(), 1, "a look-up asks nobody");

    source.now(Does::Says("HTTP/1.1 304 Not Modified\r\nconnection: close\r\n\r\n".into()));
    desk.renew().await;
    assert_eq!(known(&desk.is_tor("8.8.8.8").await), (TRUE, Path::Live, 0), "confirmed");
    let asked = source.asked.lock().unwrap().last().unwrap().to_lowercase();
    assert!(asked.contains("\r\nif-none-match: \"one\"\r\n"), "{asked}");

    desk.pass(1);
    source.now(Does::HangsUp);
    desk.restart();
    assert_eq!(known(&desk.is_tor("8.8.8.8").await), (TRUE, Path::Live, 1), "from the disk");
    desk.reload();
    assert_eq!(known(&desk.is_tor("8.8.8.8").await), (TRUE, Path::Live, 1));
    assert_eq!(source.asked(), 2);
}

#[tokio::test]
async fn whatever_a_source_does_wrong_the_last_good_list_stays_until_it_is_too_old() {
    let source = Vendor::that(list("one", &["8.8.8.8", "1.1.1.1"])).await;
    let mut desk = Desk::downloading(&source);
    desk.renew().await;
    let long: Vec<String> = (0..4000).map(|it| format!("8.8.{}.{}", it / 250, it % 250)).collect();
    for (what, does) in [
        ("fails", Does::Says(http("500 Internal Server Error", "", "8.8.4.4"))),
        ("sends elsewhere", Does::Says(http("302 Found", "location: http://127.0.0.1/\r\n", "8.8.4.4"))),
        ("says a part of it", Does::Says(http("206 Partial Content", "", "8.8.4.4"))),
        ("is empty", Does::Says(http("200 OK", "", ""))),
        ("is comments", Does::Says(http("200 OK", "", "# nothing\n; here\n"))),
        ("is a page", Does::Says(http("200 OK", "", "<html>\n<body>\n8.8.4.4\n</body>\n"))),
        ("is no text", Does::Says("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n\u{0}\u{1}\u{2}".into())),
        ("breaks off", Does::Says("HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n8.8.4.4\n9.9.9.9\n".into())),
        (
            "breaks off in a piece",
            Does::Says("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8\r\n8.8.4.4\n".into()),
        ),
        ("is compressed", Does::Says(http("200 OK", "content-encoding: gzip\r\n", "8.8.4.4"))),
        ("is too large", Does::Says(http("200 OK", "", &long.join("\n")))),
        ("never ends", Does::Floods),
        ("is slow", Does::Drips),
        ("stalls", Does::Stalls),
        ("hangs up", Does::HangsUp),
    ] {
        source.now(does);
        let before = source.asked();
        desk.renew().await;
        assert_eq!(source.asked(), before + 1, "{what}");
        assert_eq!(known(&desk.is_tor("8.8.8.8").await).0, TRUE, "{what}");
        assert_eq!(known(&desk.is_tor("8.8.4.4").await).0, FALSE, "{what}");
    }
    desk.restart();
    assert_eq!(known(&desk.is_tor("8.8.8.8").await).0, TRUE, "nor did any of it reach the disk");
    desk.pass(5);
    assert_eq!(known(&desk.is_tor("8.8.8.8").await), (TRUE, Path::Live, 5));
    desk.pass(1);
    for ip in ["8.8.8.8", "9.9.9.9"] {
        assert_eq!(desk.is_tor(ip).await, UNAVAILABLE, "too old, {ip}");
    }
    source.now(list("two", &["8.8.4.4", "8.8.8.8", "9.9.9.9"]));
    desk.renew().await;
    assert_eq!(known(&desk.is_tor("9.9.9.9").await), (TRUE, Path::Live, 0), "it has grown");
    assert_eq!(known(&desk.is_tor("1.1.1.1").await), (FALSE, Path::Live, 0));
}

#[tokio::test]
async fn downloads_are_made_in_the_background_when_they_are_due_and_not_more_often() {
    let source = Vendor::that(Does::Says(http("500 Internal Server Error", "", ""))).await;
    let desk = Desk::downloading(&source);
    let settle = async |asked: usize| {
        for _ in 0..100 {
            desk.vendors.refresh();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(source.asked(), asked);
    };
    settle(1).await;
    source.now(list("one", &["8.8.8.8"]));
    desk.clock.fetch_add(60_000, Ordering::SeqCst);
    settle(2).await;
    assert_eq!(known(&desk.is_tor("8.8.8.8").await), (TRUE, Path::Live, 0));
    desk.clock.fetch_add(HOUR_MS - 1, Ordering::SeqCst);
    settle(2).await;
    desk.clock.fetch_add(1, Ordering::SeqCst);
    settle(3).await;
}

#[tokio::test]
async fn a_copy_that_was_damaged_or_is_of_another_source_is_none() {
    let source = Vendor::that(list("one", &["8.8.8.8"])).await;
    let mut desk = Desk::downloading(&source);
    desk.renew().await;
    let copy = desk.folder.path().join("state/lists/exits.0");
    let whole = std::fs::read(&copy).unwrap();
    for (what, bytes) in [
        ("cut off", whole[..whole.len() - 3].to_vec()),
        ("added to", [&whole[..], b"\n9.9.9.9"].concat()),
        ("another thing", b"\n".to_vec()),
        ("empty", Vec::new()),
    ] {
        std::fs::write(&copy, bytes).unwrap();
        desk.restart();
        assert_eq!(desk.is_tor("8.8.8.8").await, UNAVAILABLE, "{what}");
    }
    std::fs::write(&copy, whole).unwrap();
    desk.restart();
    assert_eq!(known(&desk.is_tor("8.8.8.8").await).0, TRUE);
    let other = LIST.replace("{url}/list", &format!("http://{}/other", source.address));
    write(&desk.folder.path().join("connectors"), "exits/connector.yaml", &other);
    desk.reload();
    assert_eq!(desk.is_tor("8.8.8.8").await, UNAVAILABLE, "what another source said is not its word");
}

#[tokio::test]
async fn a_list_that_is_too_old_gives_way_to_the_next_of_its_route() {
    let source = Vendor::that(list("one", &["8.8.8.8"])).await;
    let vendor = Vendor::that(Does::Says(crate::vendors::json(r#"{"tor": false}"#))).await;
    let url = |text: &str, vendor: &Vendor| text.replace("{url}", &format!("http://{}", vendor.address));
    let route = "capability: ip_reputation\nconnectors: [{ connector: exits }, { connector: backup }]\n";
    let desk = Desk::with(
        &[
            ("exits/connector.yaml", &url(LIST, &source)),
            ("backup/connector.yaml", &url(BACKUP, &vendor)),
            ("routes/ip_reputation.yaml", route),
        ],
        Given::new(),
    );
    desk.renew().await;
    assert_eq!(known(&desk.is_tor("8.8.8.8").await), (TRUE, Path::Live, 0));
    assert_eq!(vendor.asked(), 0);
    desk.pass(6);
    assert_eq!(known(&desk.is_tor("8.8.8.8").await), (FALSE, Path::FailOver, 0));
    assert_eq!(vendor.asked(), 1);
}

/// Writes a file with a time of its own, so that a change is seen however fast the test is.
fn rewrite(path: &File, bytes: impl AsRef<[u8]>, seconds: u64) {
    std::fs::write(path, bytes).unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    let start = std::time::UNIX_EPOCH + Duration::from_millis(START_MS as u64);
    file.set_modified(start + Duration::from_secs(seconds)).unwrap();
}

#[tokio::test]
async fn a_database_is_read_again_when_it_changes_and_a_broken_one_is_not_taken() {
    let outside = tempfile::tempdir().unwrap();
    let path = outside.path().join("city.mmdb");
    let city = |code: &str| mmdb::write("Test", &[("8.8.8.0/24", json!({ "country": { "iso_code": code } }))]);
    let route = "capability: ip_geo\nconnectors: [{ connector: mmdb-city }]\n";
    let given = Given::from([("mmdb-city.path".into(), json!(path))]);
    let desk = Desk::with(&[("routes/ip_geo.yaml", route)], given);
    let country = async |ip: &str| desk.ask(("ip", ip), &["ip.country"]).await.remove(0);
    assert_eq!(country("8.8.8.8").await, UNAVAILABLE, "there is no such file yet");
    rewrite(&path, city("GB"), 1);
    desk.vendors.refresh();
    desk.pass(24);
    assert_eq!(known(&country("8.8.8.8").await), (Value::text("GB"), Path::Live, 24), "as old as the database");
    assert_eq!(country("9.9.9.9").await.0, Reading::Unknown(Why::Absent));
    rewrite(&path, &city("IE")[..200], 2);
    desk.vendors.refresh();
    assert_eq!(known(&country("8.8.8.8").await).0, Value::text("GB"));
    std::fs::remove_file(&path).unwrap();
    desk.vendors.refresh();
    assert_eq!(known(&country("8.8.8.8").await).0, Value::text("GB"));
    rewrite(&path, city("IE"), 3);
    desk.vendors.refresh();
    assert_eq!(known(&country("8.8.8.8").await).0, Value::text("IE"));
    desk.pass(45 * 24);
    assert_eq!(country("8.8.8.8").await, UNAVAILABLE, "too old");
}

#[tokio::test]
async fn rows_and_networks_come_from_files_beside_the_connectors() {
    let table = r#"
connector: desks
capability: ip_reputation
data: { sends: [] }
inputs: { ip: { required: true } }
operations:
  lookup:
    local: { type: table, path: lists/desks.csv, key: "${input.ip}", entries: ip, format: csv, column: address }
    response: { map: { ip.org: body.who, ip.risk_score: num(body.score) }, nullif: ["-"] }
"#;
    let networks = r#"
connector: ours
capability: ip_geo
data: { sends: [] }
inputs: { ip: { required: true } }
operations:
  lookup:
    local: { type: cidr, path: lists/ours.txt, key: "${input.ip}" }
    response: { map: { ip.is_hosting: body } }
"#;
    let desk = Desk::with(
        &[
            ("desks/connector.yaml", table),
            ("ours/connector.yaml", networks),
            ("routes/ip_reputation.yaml", "capability: ip_reputation\nconnectors: [{ connector: desks }]\n"),
            ("routes/ip_geo.yaml", "capability: ip_geo\nconnectors: [{ connector: ours }]\n"),
            ("lists/desks.csv", "address,who,score\r\n8.8.8.8,\"Ada, and others\",70\r\n::ffff:9.9.9.9,Mallory,-\r\n"),
            ("lists/ours.txt", "8.0.0.0/8 # everything\n2001:4860::/32\n"),
        ],
        Given::new(),
    );
    let told = async |ip: &str| {
        let told = desk.ask(("ip", ip), &["ip.org", "ip.risk_score", "ip.is_hosting"]).await;
        told.into_iter().map(|(reading, _)| reading).collect::<Vec<_>>()
    };
    let absent = || Reading::Unknown(Why::Absent);
    let text = |text: &str| Reading::Known(Value::text(text));
    let score = Reading::Known(Value::Number(70.0));
    assert_eq!(told("8.8.8.8").await, [text("Ada, and others"), score, Reading::Known(TRUE)]);
    assert_eq!(told("9.9.9.9").await, [text("Mallory"), absent(), Reading::Known(FALSE)]);
    assert_eq!(told("2001:4860::1").await, [absent(), absent(), Reading::Known(TRUE)]);
    let path = desk.folder.path().join("connectors/lists/desks.csv");
    for (at, broken) in
        ["address,who\n8.8.8.8", "who,score\nAda,1\n", "address,who\n8.8.8.8,A\n8.8.8.8,B\n", "address\n\"8.8"]
            .into_iter()
            .enumerate()
    {
        rewrite(&path, broken, at as u64);
        desk.vendors.refresh();
        assert_eq!(told("9.9.9.9").await[0], text("Mallory"), "{broken}");
    }
    rewrite(&path, "address,who,score\n9.9.9.9,Eve,1\n", 100);
    desk.vendors.refresh();
    assert_eq!(told("9.9.9.9").await[0], text("Eve"));
}
