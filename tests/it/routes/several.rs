//! Several vendors for one question: overtaking, filling what is missing, combining, levels.

use super::*;

const SLOW: Duration = Duration::from_millis(250);

#[tokio::test]
async fn a_slow_vendor_is_overtaken_and_its_call_is_cancelled() {
    let (a, b) = (Vendor::that(Does::Stalls).await, Vendor::scoring(40).await);
    let fleet = route(&[&a, &b], "hedge: { after: 50ms }");
    let began = Instant::now();
    let asked = fleet.ask("8.8.8.8", &["ip.risk_score"]).await;
    assert!(
        (Duration::from_millis(50)..Duration::from_millis(250)).contains(&began.elapsed()),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(outcomes(&asked), ["b success", "a cancelled"], "both are counted");
    assert_eq!(shown(asked), [by(40.0, "b", Path::Hedge)]);
    until("hanging up on the one that stalls", || a.open.load(Ordering::SeqCst) == 0).await;
    fleet.counts("stepward_vendor_hedges_total{connector=\"b\",result=\"won\"} 1");
    fleet.counts("stepward_vendor_calls_total{connector=\"a\",outcome=\"cancelled\"} 1");
    fleet.counts("stepward_vendor_calls_total{connector=\"b\",outcome=\"success\"} 1");
}

#[tokio::test]
async fn the_first_choice_may_still_win_and_a_quick_one_is_never_hedged() {
    let a = Vendor::that(Does::Waits(Duration::from_millis(120), json(r#"{"score": 3}"#))).await;
    let b = Vendor::that(Does::Stalls).await;
    let fleet = route(&[&a, &b], "hedge: { after: 60ms }");
    let asked = fleet.ask("8.8.8.8", &["ip.risk_score"]).await;
    assert_eq!(outcomes(&asked), ["a success", "b cancelled"]);
    assert_eq!(shown(asked), [by(3.0, "a", Path::Live)]);
    until("hanging up on the one that lost", || b.open.load(Ordering::SeqCst) == 0).await;
    a.now(Does::Says(json(r#"{"score": 4}"#)));
    assert_eq!(fleet.score("8.8.8.9").await, by(4.0, "a", Path::Live));
    assert_eq!(b.asked(), 1);
    fleet.counts("stepward_vendor_hedges_total{connector=\"b\",result=\"lost\"} 1");
}

#[tokio::test]
async fn when_the_one_that_overtakes_fails_the_slow_one_is_waited_for() {
    let (a, b) = (
        Vendor::that(Does::Waits(Duration::from_millis(150), json(r#"{"score": 3}"#))).await,
        Vendor::that(Does::HangsUp).await,
    );
    let fleet = route(&[&a, &b], "hedge: { after: 30ms }");
    let asked = fleet.ask("8.8.8.8", &["ip.risk_score"]).await;
    assert_eq!(outcomes(&asked), ["b unavailable", "a success"]);
    assert_eq!(shown(asked), [by(3.0, "a", Path::Live)]);
}

#[tokio::test]
async fn a_call_that_somebody_else_waits_for_is_not_cancelled() {
    let a = Vendor::that(Does::Waits(SLOW, json(r#"{"score": 3, "country": "NL"}"#))).await;
    let b = Vendor::scoring(40).await;
    let folder = tempfile::tempdir().unwrap();
    Plan::of(&[&a, &b], "hedge: { after: 60ms }").write(folder.path());
    // `b` tells the score alone, so that who wants the country has to wait for `a`.
    let path = folder.path().join("b/connector.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let less = text.replace(", ip.country: body.country, ip.is_tor: body.tor, ip.tags: body.tags", "");
    assert_ne!(less, text);
    std::fs::write(path, less).unwrap();
    let clock = Arc::new(AtomicI64::new(START_MS));
    let vendors = open_again(&folder, &clock, &Legacy::default());
    let fleet = Fleet { vendors, metrics: Metrics::new(), clock, folder, paid_left: AtomicU32::new(9) };
    let (first, second) = tokio::join!(fleet.ask("8.8.8.8", &["ip.risk_score"]), fleet.ask("8.8.8.8", &["ip.country"]));
    assert_eq!(outcomes(&first), ["b success", "a cancelled"], "the first waits no longer");
    assert_eq!(shown(first), [by(40.0, "b", Path::Hedge)]);
    let (country, origin) = &second.told[0];
    assert_eq!(*country, Reading::Known(Value::text("NL")), "the second still gets what it waits for");
    assert_eq!(origin.as_ref().map(|it| (&*it.source, it.path)), Some(("a", Path::Live)));
    assert_eq!(a.asked(), 1, "both waited for one call");
}

#[tokio::test]
async fn only_so_many_calls_are_hedged() {
    let (a, b) = (
        Vendor::that(Does::Waits(Duration::from_millis(60), json(r#"{"score": 3}"#))).await,
        Vendor::scoring(40).await,
    );
    let fleet = route(
        &[&a, &b],
        "hedge: { after: 20ms, max_extra: 5% }\nbreaker: { failures: 1000, window: 64, slow_call: 9s, slow_rate: 100% }",
    );
    for at in 0..40 {
        fleet.score(&fresh_ip(at)).await;
    }
    assert!((10..=12).contains(&b.asked()), "{} of 40: ten that were saved up, then one of twenty", b.asked());
    let none = route(&[&a, &b], "hedge: { after: 20ms, max_extra: 0% }");
    let before = b.asked();
    assert_eq!(none.score("8.8.8.8").await, by(3.0, "a", Path::Live));
    assert_eq!(b.asked(), before);
}

#[tokio::test]
async fn what_one_does_not_know_the_next_fills_in_and_each_value_says_whose_it_is() {
    let a = Vendor::that(Does::Says(json(r#"{"score": 12, "country": null}"#))).await;
    let b = Vendor::that(Does::Says(json(r#"{"score": 90, "country": "NL"}"#))).await;
    let c = Vendor::that(Does::Says(json(r#"{"score": 1, "country": "DE", "tor": true}"#))).await;
    let fleet = route(&[&a, &b, &c], "strategy: fill_missing");
    let names = ["ip.risk_score", "ip.country", "ip.is_tor", "ip.tags"];
    let told = fleet.ask("8.8.8.8", &names).await.told;
    let whose = |at: usize| told[at].1.as_ref().map(|it| (it.source.to_string(), it.path));
    assert_eq!(told[0].0, Reading::Known(Value::Number(12.0)), "a value is never overwritten");
    assert_eq!(told[1].0, Reading::Known(Value::text("NL")));
    assert_eq!(told[2].0, Reading::Known(Value::Bool(true)));
    assert_eq!(told[3].0, Reading::Unknown(Why::Absent), "nobody knows: {told:?}");
    assert_eq!(whose(0), Some(("a".into(), Path::Live)));
    assert_eq!(whose(1), Some(("b".into(), Path::Fill)));
    assert_eq!(whose(2), Some(("c".into(), Path::Fill)));
    let asked = (b.asked(), c.asked());
    let told = fleet.ask("8.8.8.9", &["ip.risk_score"]).await.told;
    assert_eq!(told[0].1.as_ref().unwrap().path, Path::Live);
    assert_eq!((b.asked(), c.asked()), asked, "nobody else is asked when nothing is missing");
    a.now(Does::HangsUp);
    let told = fleet.ask("8.8.8.10", &["ip.risk_score"]).await.told;
    assert_eq!(told[0].1.as_ref().unwrap().path, Path::FailOver, "a failure is no silence");
}

#[tokio::test]
async fn with_priority_an_answer_without_the_value_is_an_answer() {
    let a = Vendor::that(Does::Says(json("{}"))).await;
    let b = Vendor::scoring(40).await;
    let fleet = route(&[&a, &b], "");
    let told = fleet.ask("8.8.8.8", &["ip.risk_score"]).await.told.remove(0);
    assert_eq!(told.0, Reading::Unknown(Why::Absent));
    assert_eq!(told.1.unwrap().source.as_ref(), "a");
    assert_eq!(b.asked(), 0);
}

#[tokio::test]
async fn all_are_asked_at_once_and_their_answers_become_one() {
    let says = |text: &str| Does::Waits(Duration::from_millis(100), json(text));
    let a = Vendor::that(says(r#"{"score": 10, "country": "NL", "tor": false, "tags": ["x"]}"#)).await;
    let b = Vendor::that(says(r#"{"score": 70, "country": "DE", "tor": true, "tags": ["y"]}"#)).await;
    let c = Vendor::that(says(r#"{"score": 40, "country": "DE", "tags": ["x", "z"]}"#)).await;
    let combine = "combine: { ip.risk_score: max, ip.is_tor: any, ip.country: majority, ip.tags: union }";
    let more = format!("strategy: all\n{combine}");
    let fleet = route(&[&a, &b, &c], &more);
    let names = ["ip.risk_score", "ip.is_tor", "ip.country", "ip.tags"];
    let began = Instant::now();
    let told = fleet.ask("8.8.8.8", &names).await.told;
    assert!(began.elapsed() < Duration::from_millis(280), "{:?}: at the same time", began.elapsed());
    let list = Value::List(["x", "y", "z"].into_iter().map(Value::text).collect());
    let expected = [
        (Value::Number(70.0), "max(a, b, c)"),
        (Value::Bool(true), "any(a, b)"),
        (Value::text("DE"), "majority(a, b, c)"),
        (list, "union(a, b, c)"),
    ];
    for (told, (value, source)) in told.iter().zip(expected) {
        let origin = told.1.as_ref().unwrap();
        assert_eq!((&told.0, &*origin.source, origin.path), (&Reading::Known(value), source, Path::Combined));
    }
    b.now(Does::HangsUp);
    c.now(Does::Stalls);
    let told = fleet.ask("8.8.8.9", &["ip.risk_score"]).await;
    assert_eq!(shown(told), [by(10.0, "a", Path::Live)], "who does not answer has no vote");
    a.now(Does::HangsUp);
    assert_eq!(fleet.score("8.8.8.10").await, unknown());
    assert_eq!(fleet.score("8.8.8.8").await, unknown(), "nothing was kept");
}

#[tokio::test]
async fn without_a_word_on_combining_the_first_who_knows_counts() {
    let a = Vendor::that(Does::Waits(Duration::from_millis(80), json(r#"{"country": "NL"}"#))).await;
    let b = Vendor::that(Does::Says(json(r#"{"score": 70, "country": "DE"}"#))).await;
    let fleet = route(&[&a, &b], "strategy: all");
    let told = fleet.ask("8.8.8.8", &["ip.country", "ip.risk_score"]).await.told;
    assert_eq!(told[0].0, Reading::Known(Value::text("NL")), "first by rank, not by time");
    assert_eq!(told[0].1.as_ref().unwrap().path, Path::Live);
    assert_eq!(told[1].1.as_ref().unwrap().source.as_ref(), "b");
}

#[tokio::test]
async fn a_level_is_made_from_the_score_of_whoever_told_it() {
    let (a, b) = (Vendor::that(Does::HangsUp).await, Vendor::scoring(76).await);
    let levels = "levels: { idp.risk_level: { from: ip.risk_score, low: 25, medium: 50, high: 75, critical: 90 } }";
    let fleet = route(&[&a, &b], levels);
    let told = fleet.ask("8.8.8.8", &["idp.risk_level"]).await.told.remove(0);
    let origin = told.1.unwrap();
    assert_eq!((told.0, &*origin.source, origin.path), (Reading::Known(Value::text("high")), "b", Path::FailOver));
    b.now(Does::HangsUp);
    let told = fleet.ask("8.8.8.9", &["idp.risk_level"]).await.told.remove(0);
    assert_eq!(told, (Reading::Unknown(Why::Unavailable), None), "no score, no level");
    assert!(fleet.vendors.catalogue().find("idp.risk_level").is_some() && fleet.vendors.tells("idp.risk_level"));
}
