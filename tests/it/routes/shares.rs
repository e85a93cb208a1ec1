//! What vendors may cost: calls, places, time, money; and what is shared between questions, vendors and reloads.

use super::*;

const PAID: [&str; 2] = ["price: 0.5", ""];

#[tokio::test]
async fn over_its_own_limits_a_vendor_is_not_asked_and_the_next_is() {
    for (limits, limit, asked) in [("limits: { rate: 2/h }", "rate", 2), ("limits: { quota: 3/day }", "quota", 3)] {
        let (a, b) = (Vendor::scoring(1).await, Vendor::scoring(40).await);
        let fleet = Plan { operation: &[limits], ..Plan::of(&[&a, &b], "") }.open();
        for at in 0..6 {
            fleet.score(&fresh_ip(at)).await;
        }
        assert_eq!(a.asked(), asked, "{limits}");
        let over = fleet.ask("8.8.8.8", &["ip.risk_score"]).await;
        assert_eq!(outcomes(&over), ["a rate_limited", "b success"], "{limits}");
        let count = 7 - asked;
        fleet.counts(&format!("stepward_vendor_limited_total{{connector=\"a\",limit=\"{limit}\"}} {count}"));
        fleet.counts("stepward_vendor_breaker{connector=\"a\"} 0");
        fleet.wait_ms(86_400_000);
        assert_eq!(fleet.score("8.8.8.9").await, by(1.0, "a", Path::Live), "{limits}: tomorrow again");
    }
}

#[tokio::test]
async fn a_vendor_that_says_too_many_is_left_alone_for_as_long_as_it_says() {
    let (a, b) =
        (Vendor::that(Does::Says(http("429 No", "Retry-After: 7\r\n", "{}"))).await, Vendor::scoring(40).await);
    let fleet = route(&[&a, &b], "");
    for at in 0..10 {
        assert_eq!(fleet.score(&fresh_ip(at)).await, by(40.0, "b", Path::FailOver));
    }
    assert_eq!(a.asked(), 1);
    a.now(Does::Says(json(r#"{"score": 1}"#)));
    fleet.wait_ms(6_999);
    assert_eq!(fleet.score(&fresh_ip(11)).await, by(40.0, "b", Path::FailOver));
    fleet.wait_ms(1);
    assert_eq!(fleet.score(&fresh_ip(12)).await, by(1.0, "a", Path::Live), "no breaker was in the way");
    fleet.counts("stepward_vendor_limited_total{connector=\"a\",limit=\"told\"} 10");
}

#[tokio::test]
async fn a_vendor_that_says_how_many_are_left_is_not_asked_beyond() {
    let left =
        |count: u32| Does::Says(http("200 OK", &format!("X-Left: {count}\r\nX-Reset: 60\r\n"), r#"{"score": 1}"#));
    let (a, b) = (Vendor::that(left(1)).await, Vendor::scoring(40).await);
    let limits = ["limits: { remaining_header: X-Left, reset_header: X-Reset }"];
    let fleet = Plan { operation: &limits, ..Plan::of(&[&a, &b], "") }.open();
    assert_eq!(fleet.score("8.8.8.1").await, by(1.0, "a", Path::Live));
    a.now(left(0));
    assert_eq!(fleet.score("8.8.8.2").await, by(1.0, "a", Path::Live), "the last one");
    assert_eq!(fleet.score("8.8.8.3").await, by(40.0, "b", Path::FailOver));
    fleet.wait_ms(60_000);
    assert_eq!(fleet.score("8.8.8.4").await, by(1.0, "a", Path::Live));
}

#[tokio::test]
async fn a_vendor_that_stalls_takes_only_its_own_places_and_no_time_of_others() {
    let (a, b) = (Vendor::that(Does::Stalls).await, Vendor::scoring(40).await);
    let limits = ["limits: { concurrency: 5 }"];
    let fleet = Plan {
        operation: &limits,
        ..Plan::of(&[&a, &b], "breaker: { failures: 100, window: 64, failure_rate: 100% }")
    }
    .open();
    let ips: Vec<String> = (0..30).map(fresh_ip).collect();
    let began = Instant::now();
    let all = futures_util::future::join_all(ips.iter().map(|ip| fleet.score(ip))).await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(all.iter().filter(|it| **it == by(40.0, "b", Path::FailOver)).count(), 30, "{all:?}");
    assert_eq!(a.asked(), 5);
    fleet.counts("stepward_vendor_limited_total{connector=\"a\",limit=\"concurrency\"} 25");
}

#[tokio::test]
async fn the_time_of_a_route_is_cut_from_the_events_and_what_was_asked_is_kept() {
    let a = Vendor::that(Does::Waits(Duration::from_millis(200), json(r#"{"score": 9}"#))).await;
    let cache = ["cache: { ttl: 1h }"];
    let fleet = Plan { operation: &cache, ..Plan::of(&[&a], "budget: { time: 60ms }") }.open();
    let began = Instant::now();
    let told = fleet.ask("8.8.8.8", &["ip.risk_score"]).await;
    assert!(began.elapsed() < Duration::from_millis(160), "{:?}", began.elapsed());
    assert_eq!(told.told, [(Reading::Unknown(Why::OverBudget), None)]);
    assert_eq!(outcomes(&told), ["a no_time"]);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(fleet.score("8.8.8.8").await, by(9.0, "a", Path::Cache));
}

#[tokio::test]
async fn the_money_of_a_day_is_not_exceeded_and_a_reload_does_not_bring_it_back() {
    let (paid, free) = (Vendor::scoring(1).await, Vendor::scoring(2).await);
    let more = "budget: { spend_per_day: 1.2 }";
    let mut fleet = Plan { top: &PAID, ..Plan::of(&[&paid, &free], more) }.open();
    for at in 0..4 {
        fleet.score(&fresh_ip(at)).await;
    }
    assert_eq!(paid.asked(), 2, "two at 0.5 fit into 1.2");
    let poor = fleet.ask("8.8.8.8", &["ip.risk_score"]).await;
    assert_eq!(outcomes(&poor), ["a no_money", "b success"]);
    fleet.counts("stepward_vendor_spend_total{connector=\"a\"} 1.0");
    Plan { top: &["price: 0.4"], ..Plan::of(&[&paid, &free], more) }.write(fleet.folder.path());
    fleet.again();
    assert_eq!(fleet.score("8.8.8.9").await.1, "b", "1.0 of 1.2 is spent, whatever the file says now");
    fleet.wait_ms(86_400_000);
    assert_eq!(fleet.score("8.8.8.10").await, by(1.0, "a", Path::Live));
    assert_eq!(paid.asked(), 3);
}

#[tokio::test]
async fn a_call_that_is_shared_is_paid_once() {
    let paid = Vendor::that(Does::Waits(Duration::from_millis(80), json(r#"{"score": 5}"#))).await;
    let fleet = Plan { top: &PAID, ..Plan::of(&[&paid], "") }.open();
    fleet.paid_left.store(1, Ordering::SeqCst);
    let all = futures_util::future::join_all((0..20).map(|_| fleet.score("8.8.8.8"))).await;
    assert!(all.iter().all(|it| *it == by(5.0, "a", Path::Live)), "{all:?}");
    assert_eq!((paid.asked(), fleet.paid_left.load(Ordering::SeqCst)), (1, 0));
    fleet.counts("stepward_vendor_cache_total{connector=\"a\",result=\"shared\"} 19");
    fleet.counts("stepward_vendor_spend_total{connector=\"a\"} 0.5");
}

#[tokio::test]
async fn a_connector_that_did_not_change_carries_on_after_a_reload_and_one_that_did_begins_anew() {
    let (a, b) = (Vendor::that(Does::HangsUp).await, Vendor::scoring(40).await);
    let cache = ["", "cache: { ttl: 1h }"];
    let more = "breaker: { failures: 1 }";
    let mut fleet = Plan { operation: &cache, ..Plan::of(&[&a, &b], more) }.open();
    fleet.score("8.8.8.8").await;
    fleet.again();
    assert_eq!(fleet.score("8.8.8.8").await, by(40.0, "b", Path::Cache));
    assert_eq!(a.asked(), 1, "still left alone");
    a.now(Does::Says(json(r#"{"score": 3}"#)));
    let changed = ["limits: { concurrency: 9 }", "cache: { ttl: 1h }"];
    Plan { operation: &changed, ..Plan::of(&[&a, &b], more) }.write(fleet.folder.path());
    fleet.again();
    assert_eq!(fleet.score("8.8.8.8").await, by(3.0, "a", Path::Live), "another file, another vendor");
}

#[tokio::test]
async fn calls_that_are_out_during_a_reload_are_answered_and_shared() {
    let a = Vendor::that(Does::Waits(Duration::from_millis(200), json(r#"{"score": 5}"#))).await;
    let fleet = route(&[&a], "");
    let asked = fleet.score("8.8.8.8");
    let reload = async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        let vendors = open_again(&fleet.folder, &fleet.clock, fleet.vendors.legacy());
        let inputs: [(Arc<str>, Arc<str>); 1] = [("ip".into(), "8.8.8.8".into())];
        let deadline = Instant::now() + Duration::from_secs(3);
        let question = Question { tenant: "default", inputs: &inputs, deadline, paid_left: &fleet.paid_left };
        shown(vendors.ask(&question, &["ip.risk_score"]).await)
    };
    let (before, after) = tokio::join!(asked, reload);
    assert_eq!(before, by(5.0, "a", Path::Live));
    assert_eq!(after, [by(5.0, "a", Path::Live)]);
    assert_eq!(a.asked(), 1, "the new set joins the call of the old one");
}
