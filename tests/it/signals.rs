//! Signals of this machine: counters, known devices and values in a real store; lists and databases in real files.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    path::Path,
    sync::Arc,
    time::Duration,
};

use serde_json::json;
use stepward::{
    arrival::{Arrival, Client},
    keys::Keys,
    sessions::record::SubjectKind,
    settings::{Geo, List, ListKind, Route},
    signals::{
        self, Ask, Signals, Who,
        free::{self, Free},
        geo::Databases,
        lists::Lists,
        plan::{Common, Plan},
    },
    store::{Begin, Drawer, Id, StateStore, embedded::Embedded},
    subject::{Actor, Identified, Token},
    vendors::Vendors,
};
use stepward_core::{
    attribute::{Catalogue, Cost},
    decision::{Forward, Outcome},
    facts::{Facts, Reading, SlotId, Why},
    policy::{Apply, Budget, FactSource, Mode, OnStateLoss, Origin, Policy, Slot, Source},
    request::{Body, Request},
    session::{Method, Proof},
    value::{Type, Value},
};

pub(crate) mod mmdb;

const MINUTE_MS: i64 = 60_000;
const ADA: &str = "ada@example.com";

/// A policy that reads these attributes of the catalogue; `payee` is a fact that is remembered.
fn policy(event: &str, names: &[&str]) -> Policy {
    let catalogue = Catalogue::builtin();
    let slot = |name: &str, kind, cost, origin| Slot { name: name.into(), kind, cost, origin, pii: false };
    let mut slots = vec![
        slot("event.payee", Type::Text, Cost::Free, Origin::Fact(0)),
        slot("payee.is_known", Type::Bool, Cost::Cheap, Origin::Remembered(0)),
    ];
    slots.extend(names.iter().map(|name| {
        let attribute = catalogue.resolve(name).unwrap_or_else(|| panic!("{name} is not in the catalogue"));
        slot(name, attribute.kind, attribute.cost, Origin::Catalogue)
    }));
    Policy {
        event: event.into(),
        file: "test.yaml".into(),
        journey: None,
        after: Vec::new(),
        about: None,
        owner: None,
        mode: Mode::Enforce,
        apply: Apply::Before,
        covers: Vec::new(),
        only_if: None,
        settings: Default::default(),
        facts: vec![FactSource {
            name: "payee".into(),
            source: Source::Query("payee".into()),
            kind: Type::Text,
            pii: true,
            identifies_subject: false,
            remembered: true,
            contact: None,
        }],
        succeeded: None,
        failed: None,
        ends_session: false,
        budget: Budget { time_ms: 500, paid_calls: 0 },
        when_unsure: Outcome::Block,
        otherwise: Outcome::Forward(Forward::default()),
        steps: Vec::new(),
        slots,
        binds: Vec::new(),
        recheck_ms: 300_000,
        on_state_loss: OnStateLoss::Deny,
        reads_body: false,
        inspect_bytes_max: 0,
        park_bytes_max: 0,
        park_ms: 0,
        allowed_origins: Vec::new(),
    }
}

struct World {
    keys: Keys,
    store: Embedded,
    now_ms: i64,
}

/// Whom one try is about.
#[derive(Clone, Copy)]
struct Someone<'a> {
    account: Option<&'a str>,
    claimed: Option<&'a str>,
    device: Option<Id>,
    ip: &'a str,
    place: Option<signals::travel::Place>,
}

const NOBODY: Someone<'static> = Someone { account: None, claimed: None, device: None, ip: "203.0.113.7", place: None };

impl World {
    fn new() -> World {
        World { keys: Keys::ephemeral(), store: Embedded::in_memory().unwrap(), now_ms: 1_700_000_000_000 }
    }

    fn who(&self, someone: Someone<'_>) -> Who<'static> {
        let account = |name: Option<&str>| name.map(|name| self.keys.account("default", name));
        let who = Who::at("default", someone.ip.parse().unwrap(), self.now_ms, &self.keys);
        let who = who.with_subject(account(someone.account), account(someone.claimed), &self.keys);
        Who { device: someone.device, place: someone.place, ..who }
    }

    /// One try at a policy's event: what the store says before the decision.
    async fn tries(&self, policy: &Policy, someone: Someone<'_>, payee: Option<&str>) -> Facts {
        self.asks(policy, &self.who(someone), payee).await
    }

    async fn asks(&self, policy: &Policy, who: &Who<'_>, payee: Option<&str>) -> Facts {
        let mut facts = Facts::unasked(self.now_ms, policy.slots.len());
        let payee = payee.map_or(Reading::Unknown(Why::Absent), |payee| Reading::Known(Value::text(payee)));
        facts.learn(SlotId(0), payee, None);
        let plan = Plan::of(policy, &Common::default());
        let asked = plan.ask(who, &facts, policy, &self.keys);
        let begin = Begin { session: None, meters: &asked.meters, locks: &[], entries: &asked.entries };
        let standing = self.store.begin(self.now_ms, begin).await.unwrap();
        asked.learn(&plan, &standing, who, &mut facts, policy, &self.keys);
        facts
    }

    /// The end of the same try.
    async fn ends(&self, policy: &Policy, someone: Someone<'_>, success: Option<bool>, facts: &Facts) {
        let plan = Plan::of(policy, &Common::default());
        let afterwards = plan.conclude(&self.who(someone), success, facts, policy, &self.keys);
        let begin = Begin { meters: &afterwards.meters, ..Begin::default() };
        self.store.begin(self.now_ms, begin).await.unwrap();
        for (account, drawer, id, sealed) in afterwards.entries {
            self.store.enrol(account, drawer, id, sealed).await.unwrap();
        }
        if let Some(entry) = afterwards.first_seen {
            let standing =
                self.store.begin(self.now_ms, Begin { entries: &[entry], ..Begin::default() }).await.unwrap();
            if standing.entries == [None] {
                let today = signals::known::today(&entry.0, &self.who(someone), &self.keys);
                self.store.enrol(entry.0, entry.1, entry.2, today).await.unwrap();
            }
        }
    }
}

fn read(policy: &Policy, facts: &Facts, name: &str) -> Reading {
    let at = policy.slots.iter().position(|slot| &*slot.name == name).unwrap();
    facts.readings[at].clone()
}

fn known(value: impl Into<i64>) -> Reading {
    Reading::Known(Value::Int(value.into()))
}

fn is(value: bool) -> Reading {
    Reading::Known(Value::Bool(value))
}

const ABSENT: Reading = Reading::Unknown(Why::Absent);

#[tokio::test]
async fn every_try_counts_before_it_is_decided_and_ends_count_by_how_they_ended() {
    let names = ["subject.tries_5m", "subject.failures_5m", "subject.successes_5m", "ip.tries_1h", "device.tries_5m"];
    let (mut world, login) = (World::new(), policy("login", &names));
    let ada = Someone { claimed: Some(ADA), ..NOBODY };
    for (at, success) in [Some(false), None, Some(true)].into_iter().enumerate() {
        let facts = world.tries(&login, ada, None).await;
        assert_eq!(read(&login, &facts, "subject.tries_5m"), known(at as i64 + 1), "with its own try");
        world.ends(&login, ada, success, &facts).await;
    }
    let facts = world.tries(&login, ada, None).await;
    assert_eq!(read(&login, &facts, "subject.failures_5m"), known(2), "an unknown end is a failed try");
    assert_eq!(read(&login, &facts, "subject.successes_5m"), known(1));
    assert_eq!(read(&login, &facts, "device.tries_5m"), ABSENT, "no device cookie: unknown, not 0");
    world.now_ms += 6 * MINUTE_MS;
    let facts = world.tries(&login, ada, None).await;
    assert_eq!(read(&login, &facts, "subject.tries_5m"), known(1), "the window slid");
    assert_eq!(read(&login, &facts, "ip.tries_1h"), known(5));
    let other = world.tries(&policy("transfer", &names), ada, None).await;
    assert_eq!(read(&login, &other, "ip.tries_1h"), known(1), "another event counts for itself");
}

#[tokio::test]
async fn a_resumed_request_is_not_counted_again() {
    let (world, login) = (World::new(), policy("login", &["subject.tries_5m"]));
    let who = world.who(Someone { claimed: Some(ADA), ..NOBODY });
    world.asks(&login, &who, None).await;
    let again = world.asks(&login, &Who { counted_already: true, ..who }, None).await;
    assert_eq!(read(&login, &again, "subject.tries_5m"), known(1));
}

#[tokio::test]
async fn a_count_far_above_what_the_exact_counter_keeps_is_still_told() {
    let (world, login) = (World::new(), policy("login", &["ip.tries_1h"]));
    for _ in 0..100 {
        world.tries(&login, NOBODY, None).await;
    }
    let facts = world.tries(&login, NOBODY, None).await;
    assert_eq!(read(&login, &facts, "ip.tries_1h"), known(101), "a limit of 100 is in reach");
}

#[tokio::test]
async fn f19_spellings_of_one_subject_share_one_counter() {
    let (world, login) = (World::new(), policy("login", &["subject.tries_5m"]));
    let spellings =
        ["ada@example.com", "ADA@example.com", " ada@example.com ", "ada@exam\u{200b}ple.com", "ａda@example.com"];
    for (at, spelling) in spellings.iter().enumerate() {
        let facts = world.tries(&login, Someone { claimed: Some(spelling), ..NOBODY }, None).await;
        assert_eq!(read(&login, &facts, "subject.tries_5m"), known(at as i64 + 1), "{spelling:?}");
    }
    let facts = world.tries(&login, Someone { claimed: Some("bob@example.com"), ..NOBODY }, None).await;
    assert_eq!(read(&login, &facts, "subject.tries_5m"), known(1));
}

#[tokio::test]
async fn f18_long_subjects_that_differ_in_the_last_byte_are_different() {
    let (world, login) = (World::new(), policy("login", &["subject.tries_5m", "ip.subjects_1h"]));
    let long = "a".repeat(4095);
    for (at, last) in ["x", "y"].into_iter().enumerate() {
        let name = format!("{long}{last}");
        let facts = world.tries(&login, Someone { claimed: Some(&name), ..NOBODY }, None).await;
        assert_eq!(read(&login, &facts, "subject.tries_5m"), known(1));
        assert_eq!(read(&login, &facts, "ip.subjects_1h"), known(at as i64 + 1));
    }
}

#[tokio::test]
async fn addresses_of_one_ipv6_customer_are_one_and_different_ones_are_counted() {
    let names = [
        "ip.tries_5m",
        "ip.subjects_1h",
        "subject.ips_1h",
        "subject.devices_1h",
        "device.subjects_1h",
        "pair.tries_5m",
    ];
    let (world, login) = (World::new(), policy("login", &names));
    let at = |ip| Someone { claimed: Some(ADA), device: Some([7; 16]), ip, ..NOBODY };
    world.tries(&login, at("2001:db8:1:2::1"), None).await;
    let facts = world.tries(&login, at("2001:db8:1:2:ffff::9"), None).await;
    for (name, expected) in [("ip.tries_5m", 2), ("subject.ips_1h", 1), ("pair.tries_5m", 2), ("ip.subjects_1h", 1)] {
        assert_eq!(read(&login, &facts, name), known(expected), "{name}");
    }
    let facts = world.tries(&login, at("2001:db8:1:3::1"), None).await;
    for (name, expected) in [("ip.tries_5m", 1), ("subject.ips_1h", 2), ("pair.tries_5m", 1), ("subject.devices_1h", 1)]
    {
        assert_eq!(read(&login, &facts, name), known(expected), "{name}");
    }
    let mapped = world.tries(&login, at("::ffff:203.0.113.9"), None).await;
    assert_eq!(read(&login, &mapped, "ip.tries_5m"), known(1));
    let plain = world.tries(&login, at("203.0.113.9"), None).await;
    assert_eq!(read(&login, &plain, "ip.tries_5m"), known(2), "IPv4 inside IPv6 is the same address");
}

#[tokio::test]
async fn what_count_raises_is_read_at_any_event_of_the_release() {
    let world = World::new();
    let transfer = Arc::new(policy("transfer", &["subject.counted.odd_1h"]));
    let login = Arc::new(policy("login", &[]));
    let plan = Plan::of(&login, &Common::of(&[login.clone(), transfer.clone()]));
    let ada = Someone { account: Some(ADA), ..NOBODY };
    let raised = plan.count(&world.who(ada), &["odd".into(), "unread".into()]);
    world.store.begin(world.now_ms, Begin { meters: &raised.meters, ..Begin::default() }).await.unwrap();
    let facts = world.tries(&transfer, ada, None).await;
    assert_eq!(read(&transfer, &facts, "subject.counted.odd_1h"), known(1));
}

#[tokio::test]
async fn a_device_is_known_only_to_the_account_that_proved_itself_on_it() {
    let (world, login) = (World::new(), policy("login", &["device.is_known"]));
    let device = [7; 16];
    let ada = world.keys.account("default", ADA);
    world.store.enrol(ada, Drawer::Devices, device, vec![1]).await.unwrap();
    for (someone, expected, why) in [
        (Someone { claimed: Some(ADA), device: Some(device), ..NOBODY }, is(true), "known"),
        (Someone { account: Some("bob"), device: Some(device), ..NOBODY }, is(false), "another account's device"),
        (Someone { account: Some(ADA), device: Some([8; 16]), ..NOBODY }, is(false), "another device"),
        (Someone { account: Some(ADA), ..NOBODY }, is(false), "no cookie"),
        (NOBODY, is(false), "no cookie and nobody"),
        (Someone { device: Some(device), ..NOBODY }, ABSENT, "a cookie, and nobody known: no answer"),
    ] {
        let facts = world.tries(&login, someone, None).await;
        assert_eq!(read(&login, &facts, "device.is_known"), expected, "{why}");
    }
}

#[tokio::test]
async fn a_value_is_remembered_for_the_verified_account_after_success_only() {
    let (world, transfer) = (World::new(), policy("transfer", &[]));
    let ada = Someone { account: Some(ADA), ..NOBODY };
    for (success, before) in [(Some(false), false), (None, false), (Some(true), false), (Some(true), true)] {
        let facts = world.tries(&transfer, ada, Some("DE02")).await;
        assert_eq!(read(&transfer, &facts, "payee.is_known"), is(before), "before one that ended {success:?}");
        world.ends(&transfer, ada, success, &facts).await;
    }
    for (someone, payee, expected) in [
        (ada, Some("DE03"), is(false)),
        (ada, None, ABSENT),
        (Someone { claimed: Some(ADA), ..NOBODY }, Some("DE02"), ABSENT),
        (Someone { account: Some("bob"), ..NOBODY }, Some("DE02"), is(false)),
    ] {
        let facts = world.tries(&transfer, someone, payee).await;
        assert_eq!(read(&transfer, &facts, "payee.is_known"), expected, "{payee:?}");
    }
}

#[tokio::test]
async fn travel_is_judged_from_the_last_accepted_place_and_unknown_without_one() {
    let (mut world, login) =
        (World::new(), policy("login", &["session.impossible_travel", "session.travel_speed_kmh"]));
    let place = |latitude, longitude| signals::travel::Place::new(latitude, longitude, 10.0);
    let in_london = Someone { account: Some(ADA), place: place(51.5, -0.13), ..NOBODY };
    let in_new_york = Someone { account: Some(ADA), place: place(40.7, -74.0), ..NOBODY };
    let facts = world.tries(&login, in_london, None).await;
    assert_eq!(read(&login, &facts, "session.impossible_travel"), ABSENT, "the first visit");
    world.ends(&login, in_london, Some(false), &facts).await;
    let facts = world.tries(&login, in_london, None).await;
    assert_eq!(read(&login, &facts, "session.impossible_travel"), ABSENT, "a refused visit leaves no trace");
    world.ends(&login, in_london, Some(true), &facts).await;
    world.now_ms += 60 * MINUTE_MS;
    let facts = world.tries(&login, in_new_york, None).await;
    assert_eq!(read(&login, &facts, "session.impossible_travel"), is(true));
    let Reading::Known(Value::Number(speed)) = read(&login, &facts, "session.travel_speed_kmh") else {
        panic!("no speed")
    };
    assert!((5500.0..5600.0).contains(&speed), "{speed}");
    let facts = world.tries(&login, Someone { place: None, ..in_new_york }, None).await;
    assert_eq!(read(&login, &facts, "session.impossible_travel"), ABSENT, "no database, no judgement");
    world.now_ms += 24 * 60 * MINUTE_MS;
    let facts = world.tries(&login, in_new_york, None).await;
    assert_eq!(read(&login, &facts, "session.impossible_travel"), is(false));
}

fn list(kind: ListKind, file: &Path) -> List {
    List { kind, file: file.to_path_buf() }
}

/// Files are told apart by when they were written; some disks count whole seconds.
fn rewrite(path: &Path, text: impl AsRef<[u8]>, seconds_later: u64) {
    std::fs::write(path, text).unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(std::time::SystemTime::now() + Duration::from_secs(seconds_later)).unwrap();
}

#[test]
fn lists_of_tens_of_thousands_are_looked_up_in_no_time_and_reloaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.txt");
    let mut text = String::from("\u{feff}# operators' list\n\n198.51.100.0/24 # a network\n2001:db8::/32\n");
    (0..50_000u32)
        .for_each(|at| text += &format!("{}\n", IpAddr::from(std::net::Ipv4Addr::from(0x0a00_0000 + at * 7))));
    std::fs::write(&path, text).unwrap();
    let lists = Lists::open(&BTreeMap::from([("bad".into(), list(ListKind::Ip, &path))])).unwrap();
    let holds = |ip: &str| lists.of_ip(ip.parse().unwrap()).unwrap() == [Arc::<str>::from("bad")];
    let before = std::time::Instant::now();
    for _ in 0..1000 {
        assert!(holds("10.0.0.7") && !holds("10.0.0.8"));
    }
    assert!(
        before.elapsed() < Duration::from_millis(200),
        "{:?} for 2,000 look-ups in a debug build",
        before.elapsed()
    );
    assert!(holds("198.51.100.200") && holds("::ffff:198.51.100.1") && holds("2001:db8:9::1") && !holds("2001:db9::1"));

    rewrite(&path, "192.0.2.1\n", 10);
    lists.refresh();
    assert!(holds("192.0.2.1") && !holds("10.0.0.7"), "read again");
    rewrite(&path, "192.0.2.2\nnot an address\n", 20);
    lists.refresh();
    assert!(holds("192.0.2.1"), "a bad file leaves the last good list");
    std::fs::remove_file(&path).unwrap();
    lists.refresh();
    assert!(holds("192.0.2.1"), "so does a lost one");
}

#[test]
fn e_mail_lists_hold_addresses_and_whole_domains() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "Eve@Example.com\n@trash.example\n").unwrap();
    let lists = Lists::open(&BTreeMap::from([("vip".into(), list(ListKind::Email, file.path()))])).unwrap();
    for (email, expected) in [
        ("eve@example.com", true),
        (" EVE@example.COM ", true),
        ("anyone@trash.example", true),
        ("anyone@trash.example.", true),
        ("anyone@sub.trash.example", false),
        ("bob@example.com", false),
        ("not an address", false),
        ("", false),
    ] {
        assert_eq!(!lists.of_email(email).unwrap().is_empty(), expected, "{email:?}");
    }
    assert_eq!(lists.of_ip("192.0.2.1".parse().unwrap()), None, "there is no list of addresses at all");
}

#[test]
fn k1_a_missing_or_unreadable_file_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let bad = folder.path().join("bad");
    std::fs::write(&bad, "first line is fine@example.com\n").unwrap();
    for (kind, file) in
        [(ListKind::Ip, &missing), (ListKind::Email, &missing), (ListKind::Ip, &bad), (ListKind::Email, &bad)]
    {
        let error = Lists::open(&BTreeMap::from([("vip".into(), list(kind, file))])).err().unwrap().to_string();
        assert!(error.starts_with("list vip"), "{error}");
    }
    for path in [&missing, &bad] {
        let geo = Geo { city: Some(path.clone()), asn: None };
        assert!(Databases::open(&geo).err().unwrap().to_string().starts_with("city database"));
    }
}

fn city() -> Vec<u8> {
    let london = json!({
        "country": { "iso_code": "GB" },
        "subdivisions": [{ "names": { "en": "England" } }],
        "city": { "names": { "en": "London" } },
        "location": { "latitude": 51.5, "longitude": -0.13, "accuracy_radius": 20, "time_zone": "Europe/London" }
    });
    mmdb::write(
        "Test-City",
        &[("203.0.113.0/24", london), ("2001:db8::/32", json!({ "country": { "iso_code": "FR" } }))],
    )
}

#[tokio::test]
async fn places_and_owners_come_from_the_operators_databases_and_change_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let (city_path, asn_path) = (folder.path().join("city.mmdb"), folder.path().join("asn.mmdb"));
    std::fs::write(&city_path, city()).unwrap();
    let owner = json!({ "autonomous_system_number": 64500, "autonomous_system_organization": "Example Net" });
    std::fs::write(&asn_path, mmdb::write("Test-ASN", &[("203.0.113.0/24", owner)])).unwrap();
    let signals = Signals::of(
        Lists::open(&BTreeMap::new()).unwrap(),
        Databases::open(&Geo { city: Some(city_path.clone()), asn: Some(asn_path) }).unwrap(),
        Vendors::none(),
    );
    let text = |text: &str| Reading::Known(Value::text(text));
    for (ip, name, expected) in [
        ("203.0.113.7", "ip.country", text("GB")),
        ("::ffff:203.0.113.7", "ip.country", text("GB")),
        ("203.0.113.7", "ip.region", text("England")),
        ("203.0.113.7", "ip.city", text("London")),
        ("203.0.113.7", "ip.timezone", text("Europe/London")),
        ("203.0.113.7", "ip.latitude", Reading::Known(Value::Number(51.5))),
        ("203.0.113.7", "ip.longitude", Reading::Known(Value::Number(-0.13))),
        ("203.0.113.7", "ip.accuracy_km", Reading::Known(Value::Number(20.0))),
        ("203.0.113.7", "ip.asn", known(64500)),
        ("203.0.113.7", "ip.as_org", text("Example Net")),
        ("2001:db8::1", "ip.country", text("FR")),
        ("2001:db8::1", "ip.city", ABSENT),
        ("2001:db8::1", "ip.asn", ABSENT),
        ("192.0.2.1", "ip.country", ABSENT),
        ("192.0.2.1", "ip.is_listed", Reading::Unknown(Why::NotProvided)),
        ("192.0.2.1", "email.is_listed", Reading::Unknown(Why::NotProvided)),
        ("192.0.2.1", "ip.risk_score", Reading::Unknown(Why::NotProvided)),
    ] {
        assert_eq!(collect(&signals, ip, name).await, expected, "{name} of {ip}");
    }
    assert!(signals.place("203.0.113.7".parse().unwrap()).is_some());
    assert!(signals.place("2001:db8::1".parse().unwrap()).is_none());

    rewrite(&city_path, &city()[..200], 10);
    signals.refresh();
    assert_eq!(
        collect(&signals, "203.0.113.7", "ip.country").await,
        text("GB"),
        "a database that is cut off is not taken"
    );
    rewrite(
        &city_path,
        mmdb::write("Test-City", &[("203.0.113.0/24", json!({ "country": { "iso_code": "IE" } }))]),
        20,
    );
    signals.refresh();
    assert_eq!(collect(&signals, "203.0.113.7", "ip.country").await, text("IE"));
}

async fn collect(signals: &Signals, ip: &str, name: &str) -> Reading {
    collect_by(signals, ip, None, None, name).await
}

async fn collect_of(signals: &Signals, subject: Option<(Id, Arc<str>)>, device: Option<Id>, name: &str) -> Reading {
    collect_by(signals, "203.0.113.7", subject, device, name).await
}

async fn collect_by(
    signals: &Signals,
    ip: &str,
    subject: Option<(Id, Arc<str>)>,
    device: Option<Id>,
    name: &str,
) -> Reading {
    let policy = policy("login", &[name]);
    let ask = Ask {
        tenant: "default",
        event: "login",
        ip: ip.parse().unwrap(),
        email: Some(ADA),
        user: None,
        subject,
        device,
        user_agent: None,
        now_ms: 0,
        asks_vendors: true,
    };
    let deadline = tokio::time::Instant::now() + Duration::from_secs(1);
    let mut answers = signals.collect(&ask, &[(SlotId(2), &policy.slots[2])], deadline, &mut 0).await.readings;
    assert_eq!(answers.len(), 1, "every wanted slot gets an answer");
    answers.remove(0).1
}

#[test]
fn free_attributes_speak_of_verified_subjects_only_and_never_leave_anything_pending() {
    let world = World::new();
    let names = [
        "subject.kind",
        "subject.is_known",
        "subject.id",
        "actor.kind",
        "token.scopes",
        "token.has_actor",
        "token.age_days",
        "session.is_new",
        "session.age",
        "session.assurance",
        "session.proof_age",
        "proof.passkey.age",
        "proof.totp.age",
        "journey.out_of_order",
        "time.hour",
        "time.weekday",
        "request.client",
        "request.content_type",
        "request.ip",
        "device.age_days",
    ];
    let mut transfer = policy("transfer", &names);
    transfer.after = vec!["login".into()];
    let arrival = arrival();
    let token = Token {
        issuer: "https://idp.example.com".into(),
        scopes: vec!["pay".into()],
        issued_ms: Some(world.now_ms - 12 * 60 * MINUTE_MS),
        actor: Some(Actor { name: "robot".into(), kind: Some(SubjectKind::Agent) }),
        ..Token::default()
    };
    let identified = Identified { token: Some(token), ..Identified::default() };
    let proof = |method, minutes| Proof {
        method,
        at_ms: world.now_ms - minutes * MINUTE_MS,
        event: "x".into(),
        bound_to: None,
        by: None,
    };
    let proofs = [proof(Method::Passkey, 9), proof(Method::Passkey, 2), proof(Method::EmailCode, 1)];
    let learnt = |who: &Who<'_>, identified: &Identified, proofs: &[Proof]| {
        let mut facts = Facts::unasked(world.now_ms, transfer.slots.len());
        let kind = Some(SubjectKind::Human);
        let device_since_ms = who.device.map(|_| world.now_ms - 50 * 60 * MINUTE_MS);
        let free = Free {
            arrival: &arrival,
            who,
            identified,
            kind,
            session: None,
            proofs,
            device_since_ms,
            keys: &world.keys,
        };
        free::learn_all(&mut facts, &transfer, &free);
        facts
    };
    let text = |text: &str| Reading::Known(Value::text(text));
    let minutes = |minutes: i64| Reading::Known(Value::Duration(minutes * MINUTE_MS));
    let facts = learnt(&world.who(Someone { account: Some(ADA), ..NOBODY }), &identified, &proofs);
    for (name, expected) in [
        ("subject.kind", text("human")),
        ("subject.is_known", is(true)),
        ("actor.kind", text("agent")),
        ("token.scopes", Reading::Known(Value::List([Value::text("pay")].into()))),
        ("token.has_actor", is(true)),
        ("token.age_days", Reading::Known(Value::Number(0.5))),
        ("session.is_new", is(true)),
        ("session.age", ABSENT),
        ("session.assurance", known(2)),
        ("session.proof_age", minutes(1)),
        ("proof.passkey.age", minutes(2)),
        ("proof.totp.age", ABSENT),
        ("journey.out_of_order", is(true)),
        ("time.hour", known(22)),
        ("time.weekday", text("tuesday")),
        ("request.client", text("page")),
        ("request.content_type", text("application/json")),
        ("request.ip", Reading::Known(Value::Ip("203.0.113.7".parse().unwrap()))),
        ("device.age_days", ABSENT),
    ] {
        assert_eq!(read(&transfer, &facts, name), expected, "{name}");
    }

    let claimed = learnt(&world.who(Someone { claimed: Some(ADA), ..NOBODY }), &Identified::default(), &[]);
    for (name, expected) in [
        ("subject.kind", ABSENT),
        ("subject.is_known", is(false)),
        ("subject.id", ABSENT),
        ("actor.kind", ABSENT),
        ("token.scopes", ABSENT),
        ("token.has_actor", ABSENT),
        ("session.assurance", known(0)),
        ("session.proof_age", ABSENT),
    ] {
        assert_eq!(read(&transfer, &claimed, name), expected, "{name} of somebody who only claims to be Ada");
    }
    let pending = names.iter().filter(|name| read(&transfer, &claimed, name) == Reading::Pending).count();
    assert_eq!(pending, 0, "no decision waits for what is free");
}

fn arrival() -> Arrival {
    Arrival {
        id: "test".into(),
        route: Arc::new(Route {
            host: None,
            path: "/".into(),
            upstream: "bank".into(),
            tenant: "default".into(),
            inject_script: false,
            app_may_ask: false,
        }),
        request: Request {
            method: "POST".into(),
            host: "bank.example.com".into(),
            path: "/transfer".into(),
            query: None,
            headers: vec![("content-type".into(), "Application/JSON; charset=utf-8".into())],
            cookies: Vec::new(),
            client_ip: "203.0.113.7".parse().unwrap(),
            secure: true,
            body: Body::Unread,
        },
        headers: http::HeaderMap::new(),
        body: None,
        upload: None,
        trusted_peer: false,
        client: Client::Page,
    }
}

#[tokio::test]
async fn a_subject_ages_from_the_first_event_that_succeeded_and_never_grows_younger() {
    let (mut world, transfer) = (World::new(), policy("transfer", &["subject.age_days"]));
    let ada = Someone { account: Some(ADA), ..NOBODY };
    let claimed = Someone { claimed: Some(ADA), ..NOBODY };
    let days = |days: i64| Reading::Known(Value::Number(days as f64));
    let day_ms = 24 * 60 * MINUTE_MS;
    let facts = world.tries(&transfer, ada, None).await;
    assert_eq!(read(&transfer, &facts, "subject.age_days"), days(0), "seen for the first time");
    for success in [Some(false), None] {
        world.ends(&transfer, ada, success, &facts).await;
    }
    world.now_ms += 3 * day_ms;
    let facts = world.tries(&transfer, ada, None).await;
    assert_eq!(read(&transfer, &facts, "subject.age_days"), days(0), "what failed does not count");
    world.ends(&transfer, ada, Some(true), &facts).await;
    for (later, expected) in [(40, 40), (2, 42)] {
        world.now_ms += later * day_ms;
        let facts = world.tries(&transfer, ada, None).await;
        assert_eq!(read(&transfer, &facts, "subject.age_days"), days(expected));
        world.ends(&transfer, ada, Some(true), &facts).await;
    }
    let facts = world.tries(&transfer, claimed, None).await;
    assert_eq!(read(&transfer, &facts, "subject.age_days"), ABSENT, "whoever only claims to be her is nobody");
    let facts = world.tries(&transfer, Someone { account: Some("bob"), ..NOBODY }, None).await;
    assert_eq!(read(&transfer, &facts, "subject.age_days"), days(0), "another subject");
    world.now_ms -= 100 * day_ms;
    let facts = world.tries(&transfer, ada, None).await;
    assert_eq!(read(&transfer, &facts, "subject.age_days"), days(0), "a clock that went back makes nobody unborn");
}

#[tokio::test]
async fn what_is_read_for_a_ticket_is_told_only_if_the_session_bore_it_out() {
    let (world, transfer) = (World::new(), policy("transfer", &["subject.age_days"]));
    let ada = Someone { account: Some(ADA), ..NOBODY };
    let facts = world.tries(&transfer, ada, Some("DE02")).await;
    world.ends(&transfer, ada, Some(true), &facts).await;
    let plan = Plan::of(&transfer, &Common::default());
    let who = world.who(ada);
    let mut facts = Facts::unasked(world.now_ms, transfer.slots.len());
    facts.learn(SlotId(0), Reading::Known(Value::text("DE02")), None);
    let asked = plan.ask(&who, &facts, &transfer, &world.keys);
    let begin = Begin { meters: &asked.meters, entries: &asked.entries, ..Begin::default() };
    let standing = world.store.begin(world.now_ms, begin).await.unwrap();
    let nobody = world.who(NOBODY);
    asked.learn(&plan, &standing, &nobody, &mut facts, &transfer, &world.keys);
    for name in ["subject.age_days", "payee.is_known"] {
        assert_eq!(read(&transfer, &facts, name), ABSENT, "{name}");
    }
}

#[tokio::test]
async fn subjects_and_devices_are_listed_by_name_or_as_the_log_shows_them() {
    let keys = Keys::ephemeral();
    let hex = |id: &Id| data_encoding::HEXLOWER.encode(id);
    let (bob, device) = (keys.account("default", "bob"), [7; 16]);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let staff = file("staff", format!("# people of ours\n Ada@Example.com \nodd#name\n{}  # bob\n", hex(&bob)));
    let stolen = file("stolen", format!("{}\n", hex(&device).to_uppercase()));
    let lists = BTreeMap::from([
        ("staff".into(), List { kind: ListKind::Subject, file: staff }),
        ("stolen".into(), List { kind: ListKind::Device, file: stolen.clone() }),
    ]);
    let signals = Signals::of(
        Lists::open(&lists).unwrap(),
        Databases::open(&Geo { city: None, asn: None }).unwrap(),
        Vendors::none(),
    );
    let names = |names: &[&str]| Reading::Known(Value::List(names.iter().map(|it| Value::text(*it)).collect()));
    let person = |name: &str| Some((keys.account("default", name), Arc::from(name)));
    for (subject, expected) in [
        (person(ADA), names(&["staff"])),
        (person("ADA@example.com"), names(&["staff"])),
        (person("bob"), names(&["staff"])),
        (person("odd#name"), names(&["staff"])),
        (person("carol"), names(&[])),
        (None, ABSENT),
    ] {
        let told = collect_of(&signals, subject.clone(), None, "subject.lists").await;
        assert_eq!(told, expected, "{:?}", subject.map(|it| it.1));
    }
    for (id, expected) in [(Some(device), is(true)), (Some([8; 16]), is(false)), (None, ABSENT)] {
        assert_eq!(collect_of(&signals, None, id, "device.is_listed").await, expected, "{id:?}");
    }
    std::fs::write(&stolen, "not a device\n").unwrap();
    signals.refresh();
    assert_eq!(
        collect_of(&signals, None, Some(device), "device.is_listed").await,
        is(true),
        "the last good list stays"
    );
    let fault = Lists::open(&lists).err().unwrap().to_string();
    assert!(fault.contains("list stolen") && fault.contains("line 1"), "{fault}");
}

#[tokio::test]
async fn every_attribute_is_answered_here_or_check_says_that_nobody_does() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    file("city.mmdb", &city());
    file("asn.mmdb", &mmdb::write("Test-ASN", &[("203.0.113.0/24", json!({ "autonomous_system_number": 64500 }))]));
    file("list", b"");
    file("keys.json", b"{\"keys\": []}");
    let least = "listen: [{ address: \"127.0.0.1:0\" }]\nupstreams: { app: { url: \"http://127.0.0.1:1\" } }\nroutes: [{ upstream: app }]\n";
    let most = format!(
        "{least}subject: [{{ jwt: {{ from: bearer, issuer: i, audience: a, jwks: keys.json }} }}]
geo: {{ city: city.mmdb, asn: asn.mmdb }}
lists:
  a: {{ kind: ip, file: list }}
  b: {{ kind: email, file: list }}
  c: {{ kind: subject, file: list }}
  d: {{ kind: device, file: list }}
mail: {{ smtp: \"smtp://127.0.0.1:25\", from: a@b.example }}
decisions: {{ address: \"127.0.0.1:7302\" }}
security_events: {{ transmitters: [{{ name: idp, issuer: \"https://idp.example\", audience: bank, jwks: keys.json }}] }}
"
    );
    let world = World::new();
    let catalogue = Catalogue::builtin();
    for text in [least, &most] {
        let path = folder.path().join("stepward.yaml");
        std::fs::write(&path, text).unwrap();
        let settings = stepward::settings::load(&path, stepward::settings::Presence::Advised);
        let settings = settings.unwrap_or_else(|it| panic!("{:?}", it.found)).settings;
        let signals = Signals::new(&settings, &stepward::clock::Clock::default()).unwrap();
        let lacking = stepward::registry::lacking::Lacking::of(&settings, &catalogue, |_| false, &BTreeSet::new());
        for attribute in catalogue.all() {
            let reading = answered(&world, &signals, &attribute.name).await;
            let is_answered = reading != Reading::Unknown(Why::NotProvided) && reading != Reading::Pending;
            let is_warned_of = lacking.attributes.contains(&attribute.name);
            let name = &attribute.name;
            // Told by an event that an identity provider pushes, and none has come.
            let by_an_event = text == most && ["idp.risk_level", "idp.risk_reasons"].contains(&&**name);
            assert!(is_answered || is_warned_of || by_an_event, "nobody answers `{name}`, and nobody says so");
            if text == most {
                let by_others = by_an_event || name.starts_with("proof.");
                assert!(is_answered != is_warned_of || by_others, "`{name}` is answered ({reading:?}) and warned of");
            }
        }
        let proofs = lacking.attributes.iter().filter(|it| it.starts_with("proof.")).count();
        assert_eq!(proofs, if text == most { 8 } else { 9 }, "methods that cannot be run: {:?}", lacking.attributes);
    }
}

/// What becomes of one attribute for a subject with a token, a device and a place.
async fn answered(world: &World, signals: &Signals, name: &str) -> Reading {
    let policy = policy("login", &[name]);
    let place = signals.place("203.0.113.7".parse().unwrap());
    let ada = Someone { account: Some(ADA), device: Some([7; 16]), place, ..NOBODY };
    let who = world.who(ada);
    let mut facts = world.asks(&policy, &who, None).await;
    let identified = Identified { token: Some(Token::default()), ..Identified::default() };
    let free = Free {
        arrival: &arrival(),
        who: &who,
        identified: &identified,
        kind: Some(SubjectKind::Human),
        session: None,
        proofs: &[],
        device_since_ms: Some(0),
        keys: &world.keys,
    };
    free::learn_all(&mut facts, &policy, &free);
    match read(&policy, &facts, name) {
        Reading::Pending => collect_of(signals, Some((who.account.unwrap(), ADA.into())), who.device, name).await,
        there => there,
    }
}

/// Tells the app what it read of whoever asks.
const AGES: &str = "
event: ages
covers: [GET /ages]
succeeded: response.status == 200
when_unsure: block
otherwise: forward
steps:
  - decide: subject
    rules:
      - rule: nobody
        when: subject.is_known == false
        then: { forward: { headers: { X-Subject: nobody } } }
      - rule: young subject
        when: subject.age_days < 30.0
        then: { forward: { headers: { X-Subject: young } } }
      - rule: old subject on a young device
        when: device.age_days < 30.0
        then: { forward: { headers: { X-Subject: old, X-Device: young } } }
      - rule: old subject without a device
        when: '!has(device.age_days)'
        then: { forward: { headers: { X-Subject: old, X-Device: none } } }
      - rule: old
        when: device.age_days >= 30.0
        then: { forward: { headers: { X-Subject: old, X-Device: old } } }
";

#[tokio::test]
async fn ages_are_told_on_real_traffic_and_outlive_sessions_and_restarts() {
    let prove = "event: prove\ncovers: [GET /prove]\nwhen_unsure: block\notherwise: { challenge: [totp] }\n";
    let town = crate::world::World::new().policy(crate::world::LOGIN).policy(AGES).policy(prove).start().await;
    let day_ms = 24 * 60 * MINUTE_MS;
    let told = |town: &crate::world::Town| {
        let seen = town.app.last("GET /ages").to_lowercase();
        let of = |name: &str| {
            let line = seen.lines().find_map(|line| line.strip_prefix(name).map(str::to_string));
            line.unwrap_or_default()
        };
        [of("x-subject: "), of("x-device: ")]
    };
    let mut ada = town.visitor();
    ada.get("/ages").await;
    assert_eq!(told(&town), ["nobody", ""]);
    town.sign_in(&mut ada, "ada").await;
    ada.get("/ages").await;
    assert_eq!(told(&town), ["young", ""], "her login was the first event");
    town.wait_ms(31 * day_ms);
    let town = town.restarted().await;
    let mut ada = town.visitor();
    town.sign_in(&mut ada, "ada").await;
    ada.get("/ages").await;
    assert_eq!(told(&town), ["old", "none"]);
    let secret = town.totp("ada").await;
    let asked = ada.get("/prove").await;
    town.prove(&mut ada, &asked, &secret).await;
    ada.get("/ages").await;
    assert_eq!(told(&town), ["old", "young"], "a proof makes a device");
    town.wait_ms(40 * day_ms);
    town.sign_in(&mut ada, "ada").await;
    let asked = ada.get("/prove").await;
    town.prove(&mut ada, &asked, &secret).await;
    ada.get("/ages").await;
    assert_eq!(told(&town), ["old", "old"], "which another proof on it makes no younger");
    let mut bob = town.visitor();
    town.sign_in(&mut bob, "bob").await;
    bob.get("/ages").await;
    assert_eq!(told(&town), ["young", ""]);
}

#[tokio::test]
async fn a_login_that_waits_for_the_app_knows_the_age_of_whom_it_let_in() {
    let login = "
event: login
apply: after_success
covers: [POST /login]
facts:
  username: { from: body.username, type: text, pii: true, identifies: subject }
succeeded: response.status == 303
failed: response.status == 401
when_unsure: block
otherwise: forward
steps:
  - decide: new here
    rules:
      - rule: too young
        when: subject.age_days < 2.0
        then: { lock_out: pair, for: 1m }
      - rule: old enough
        when: subject.age_days >= 2.0
        then: forward
";
    let town = crate::world::World::new().policy(login).start().await;
    let answer = "HTTP/1.1 303 So\r\nSet-Cookie: sid=a; Path=/\r\nContent-Length: 0\r\n\r\n";
    town.app.answers("POST /login", answer);
    for (days, expected) in [(0, 403), (1, 403), (2, 303)] {
        town.wait_ms(days * 24 * 60 * MINUTE_MS);
        let seen = town.visitor().post("/login", &[("username", "ada"), ("password", "x")]).await;
        assert_eq!(seen.status, expected, "{days} days later");
    }
}
