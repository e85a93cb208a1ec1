//! Whole answers that are kept, and what vendors say in their own terms.

use super::*;

const PASSWORDS: &str = r#"
connector: range
capability: breach_password
network: internal
data: { sends: [prefix] }
inputs: { password: { required: true } }
derived:
  sha1: upper(sha1_hex(input.password))
  prefix: slice(derived.sha1, 0, 1)
  suffix: slice(derived.sha1, 1, 40)
operations:
  lookup:
    request: { method: GET, url: "{url}/range/${derived.prefix}" }
    timeout: 400ms
    cache: { key: "${derived.prefix}", ttl: 1h, stale_if_error: 1h, scope: response }
    response:
      format: kv_lines
      map: { credential.password_breached: derived.suffix in body }
"#;

async fn breached(fleet: &Fleet, tenant: &str, password: &str) -> (Option<bool>, Option<Path>) {
    let inputs: [(Arc<str>, Arc<str>); 1] = [("password".into(), password.into())];
    let deadline = Instant::now() + Duration::from_secs(5);
    let question = Question { tenant, inputs: &inputs, deadline, paid_left: &fleet.paid_left };
    let mut answers = fleet.vendors.ask(&question, &["credential.password_breached"]).await;
    match answers.told.remove(0) {
        (Reading::Known(Value::Bool(it)), origin) => (Some(it), origin.map(|it| it.path)),
        (_, origin) => (None, origin.map(|it| it.path)),
    }
}

fn fleet(folder: tempfile::TempDir) -> Fleet {
    let clock = Arc::new(AtomicI64::new(START_MS));
    let made = Vendors::open(folder.path(), &BTreeMap::new(), &Arc::from([]), &Clock::Manual(clock.clone()));
    let vendors = made.unwrap_or_else(|found| panic!("{found:#?}"));
    assert_eq!(vendors.refused().lines().collect::<Vec<_>>(), [""; 0]);
    Fleet { vendors, metrics: Metrics::new(), clock, folder, paid_left: AtomicU32::new(9) }
}

#[tokio::test]
async fn a_whole_answer_serves_every_question_that_it_is_about_and_no_other_tenant() {
    // SHA-1 of `password` is 5BAA6…, of `aa` E0C9…, of `z` 395D…, of `hunter3` and others anything: two that begin alike
    // are looked for.
    let sha1 = |text: &str| {
        let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        data_encoding::HEXUPPER.encode(digest.as_ref())
    };
    let other = (0..).map(|at| format!("p{at}")).find(|it| sha1(it).starts_with('5')).unwrap();
    let far = (0..).map(|at| format!("p{at}")).find(|it| !sha1(it).starts_with('5')).unwrap();
    let body = format!("{}:7\r\n{}:1\r\n", &sha1("password")[1..], "0".repeat(39));
    let vendor = Vendor::that(Does::Says(http("200 OK", "", &body))).await;
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "range/connector.yaml", &PASSWORDS.replace("{url}", &format!("http://{}", vendor.address)));
    write(
        folder.path(),
        "routes/breach_password.yaml",
        "capability: breach_password\nconnectors: [{ connector: range }]\n",
    );
    let fleet = fleet(folder);
    assert_eq!(breached(&fleet, "t", "password").await, (Some(true), Some(Path::Live)));
    assert_eq!(breached(&fleet, "t", "password").await, (Some(true), Some(Path::Cache)));
    assert_eq!(
        breached(&fleet, "t", &other).await,
        (Some(false), Some(Path::Cache)),
        "the same range, another password"
    );
    assert_eq!(vendor.asked(), 1);
    assert!(vendor.asked.lock().unwrap()[0].starts_with("GET /range/5 "), "one letter leaves the house");
    assert_eq!(breached(&fleet, "t", &far).await.1, Some(Path::Live), "another range");
    assert_eq!(breached(&fleet, "other", "password").await, (Some(true), Some(Path::Live)), "another tenant");
    assert_eq!(vendor.asked(), 3);
    fleet.wait_ms(3_600_001);
    vendor.now(Does::HangsUp);
    assert_eq!(
        breached(&fleet, "t", &other).await,
        (Some(false), Some(Path::Stale)),
        "past its time, and nobody answers"
    );
    fleet.wait_ms(3_600_001);
    assert_eq!(breached(&fleet, "t", &other).await.0, None);
}

#[tokio::test]
async fn what_a_vendor_says_in_its_own_terms_is_told_where_it_is_kept_and_as_long() {
    let body = r#"{"score": 3, "own": {"code": "K7", "weight": 40, "list": [{"hit": true}]}, "name": "Ada"}"#;
    let (a, b) = (Vendor::scoring(40).await, Vendor::that(Does::Says(json(body))).await);
    let folder = tempfile::tempdir().unwrap();
    let kept = "cache: { ttl: 1h }";
    Plan { operation: &["", kept], ..Plan::of(&[&a, &b], "") }.write(folder.path());
    let path = folder.path().join("b/connector.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let raw = "    response:\n      raw: { keep: [own], ttl: 1m }\n";
    std::fs::write(&path, text.replace("connector: b", "connector: b-two").replace("    response:\n", raw)).unwrap();
    std::fs::rename(folder.path().join("b"), folder.path().join("b-two")).unwrap();
    let route = folder.path().join("routes/ip_reputation.yaml");
    let text = std::fs::read_to_string(&route).unwrap();
    std::fs::write(route, text.replace("connector: b,", "connector: b-two,")).unwrap();
    let fleet = fleet(folder);
    let names = [
        "raw.b_two.own.code",
        "raw.b_two.own.weight",
        "raw.b_two.own.list.0.hit",
        "raw.b_two.name",
        "raw.a.own.code",
        "raw.nobody.x",
    ];
    let told = |answers: Answers| -> Vec<Reading> { answers.told.into_iter().map(|(reading, _)| reading).collect() };
    let unknown = Reading::Unknown(Why::Absent);
    let nobody = Reading::Unknown(Why::NotProvided);
    let known = [Value::text("K7"), Value::Int(40), Value::Bool(true)].map(Reading::Known).to_vec();
    let expected = [known, vec![unknown.clone(), nobody.clone(), nobody.clone()]].concat();
    let answers = fleet.ask("8.8.8.8", &names).await;
    assert_eq!(answers.told[0].1.as_ref().map(|it| (&*it.source, it.path)), Some(("b-two", Path::Live)));
    assert_eq!(told(answers), expected);
    assert_eq!(a.asked(), 0, "only the vendor whose words they are is asked");
    fleet.wait_ms(59_000);
    assert_eq!(told(fleet.ask("8.8.8.8", &names).await), expected);
    fleet.wait_ms(2_000);
    let gone = [vec![unknown; 4], vec![nobody; 2]].concat();
    assert_eq!(told(fleet.ask("8.8.8.8", &names).await), gone, "raw data is kept for less long");
    assert_eq!((fleet.ask("8.8.8.8", &["ip.risk_score"]).await.told.len(), b.asked()), (1, 1));
}
