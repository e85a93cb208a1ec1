//! One vendor of a route stalls, fails, flaps, is slow, comes back; or all are dead.

use super::*;

#[tokio::test]
async fn a_vendor_that_stalls_costs_its_time_until_it_is_left_alone_and_then_nothing() {
    let (a, b) = (Vendor::that(Does::Stalls).await, Vendor::scoring(40).await);
    let fleet = route(&[&a, &b], "breaker: { failures: 3 }");
    for at in 0..3 {
        assert_eq!(fleet.score(&fresh_ip(at)).await, by(40.0, "b", Path::FailOver));
    }
    let began = Instant::now();
    for at in 3..23 {
        assert_eq!(fleet.score(&fresh_ip(at)).await, by(40.0, "b", Path::FailOver));
    }
    assert!(began.elapsed() < Duration::from_millis(20 * 100), "{:?} for twenty", began.elapsed());
    assert_eq!(a.asked(), 3);
    fleet.counts("stepward_vendor_breaker{connector=\"a\"} 2");
    fleet.counts("stepward_vendor_calls_total{connector=\"a\",outcome=\"unavailable\"} 3");
    fleet.counts("stepward_vendor_readings_total{capability=\"ip_reputation\",path=\"fail_over\"} 23");
    let asked = fleet.ask("8.8.8.8", &["ip.risk_score"]).await;
    assert_eq!(outcomes(&asked), ["a breaker_open", "b success"]);
}

#[tokio::test]
async fn a_vendor_that_is_slow_but_well_is_left_alone_too() {
    let a = Vendor::that(Does::Waits(Duration::from_millis(120), json(r#"{"score": 1}"#))).await;
    let b = Vendor::scoring(40).await;
    let fleet = route(&[&a, &b], "breaker: { window: 4, slow_call: 80ms, slow_rate: 75% }");
    for at in 0..4 {
        assert_eq!(fleet.score(&fresh_ip(at)).await, by(1.0, "a", Path::Live), "slow is not wrong");
    }
    assert_eq!(fleet.score(&fresh_ip(4)).await, by(40.0, "b", Path::FailOver));
    assert_eq!(a.asked(), 4);
}

#[tokio::test]
async fn a_vendor_that_flaps_is_left_alone() {
    let (a, b) = (Vendor::scoring(1).await, Vendor::scoring(40).await);
    let fleet = route(&[&a, &b], "breaker: { window: 8, failure_rate: 50% }");
    for at in 0..8 {
        a.now(match at % 2 {
            0 => Does::Says(json(r#"{"score": 1}"#)),
            _ => Does::HangsUp,
        });
        fleet.score(&fresh_ip(at)).await;
    }
    assert_eq!(a.asked(), 8, "never two failures in a row");
    assert_eq!(fleet.score(&fresh_ip(8)).await, by(40.0, "b", Path::FailOver));
    assert_eq!(a.asked(), 8);
}

#[tokio::test]
async fn whatever_is_wrong_with_a_vendor_the_next_answers_and_the_log_says_what_it_was() {
    for (does, outcome) in [
        (Does::Says(http("500 No", "", "")), "unavailable"),
        (Does::HangsUp, "unavailable"),
        (Does::Says("\u{1}garbage\r\n\r\n".into()), "unavailable"),
        (Does::Drips, "unavailable"),
        (Does::Says(json("<html>")), "contract_error"),
        (Does::Floods, "contract_error"),
        (Does::Says(http("200 OK", "content-encoding: gzip\r\n", "x")), "contract_error"),
        (Does::Says(http("403 No", "", "{}")), "config_error"),
        (Does::Says(http("429 No", "", "{}")), "rate_limited"),
    ] {
        let (a, b) = (Vendor::that(does.clone()).await, Vendor::scoring(40).await);
        let fleet = route(&[&a, &b], "");
        let asked = fleet.ask("8.8.8.8", &["ip.risk_score"]).await;
        assert_eq!(outcomes(&asked), [format!("a {outcome}"), "b success".into()], "{does:?}");
        assert_eq!(shown(asked), [by(40.0, "b", Path::FailOver)], "{does:?}");
    }
}

#[tokio::test]
async fn a_key_that_is_refused_is_not_tried_again_and_another_4xx_is() {
    for (status, asked) in [("401 No", 1), ("403 No", 3), ("400 No", 3)] {
        let (a, b) = (Vendor::that(Does::Says(http(status, "", "{}"))).await, Vendor::scoring(40).await);
        let fleet = route(&[&a, &b], "");
        for at in 0..3 {
            assert_eq!(fleet.score(&fresh_ip(at)).await, by(40.0, "b", Path::FailOver));
        }
        assert_eq!(a.asked(), asked, "{status}");
    }
}

#[tokio::test]
async fn one_call_tells_whether_a_vendor_is_back_however_many_ask() {
    let (a, b) = (Vendor::that(Does::HangsUp).await, Vendor::scoring(40).await);
    let fleet = route(&[&a, &b], "breaker: { failures: 2, open_for: 5s }");
    for at in 0..4 {
        fleet.score(&fresh_ip(at)).await;
    }
    assert_eq!(a.asked(), 2);
    fleet.wait_ms(5_000);
    a.now(Does::Waits(Duration::from_millis(100), json(r#"{"score": 3}"#)));
    let ips: Vec<String> = (10..30).map(fresh_ip).collect();
    let all = futures_util::future::join_all(ips.iter().map(|ip| fleet.score(ip))).await;
    assert_eq!(all.iter().filter(|it| **it == by(3.0, "a", Path::Live)).count(), 1, "{all:?}");
    assert_eq!(all.iter().filter(|it| **it == by(40.0, "b", Path::FailOver)).count(), 19, "{all:?}");
    assert_eq!(fleet.score(&fresh_ip(31)).await, by(3.0, "a", Path::Live), "it is back");
    fleet.counts("stepward_vendor_breaker{connector=\"a\"} 0");
}

#[tokio::test]
async fn a_vendor_that_is_still_dead_when_it_is_tried_stays_alone_for_longer() {
    let (a, b) = (Vendor::that(Does::HangsUp).await, Vendor::scoring(40).await);
    let fleet = route(&[&a, &b], "breaker: { failures: 1, open_for: 5s }");
    for (wait_ms, asked) in [(0, 1), (4_999, 1), (1, 2), (9_999, 2), (1, 3)] {
        fleet.wait_ms(wait_ms);
        fleet.score(&fresh_ip(wait_ms as usize)).await;
        assert_eq!(a.asked(), asked, "after {wait_ms} ms more");
    }
}

#[tokio::test]
async fn when_all_are_dead_it_is_unknown_and_quickly_so() {
    let (a, b) = (Vendor::that(Does::Stalls).await, Vendor::that(Does::HangsUp).await);
    let fleet = route(&[&a, &b], "breaker: { failures: 1 }");
    assert_eq!(fleet.score("8.8.8.8").await, unknown());
    let began = Instant::now();
    let asked = fleet.ask("8.8.8.9", &["ip.risk_score"]).await;
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    assert_eq!(outcomes(&asked), ["a breaker_open", "b breaker_open"]);
    assert_eq!(asked.told[0], (Reading::Unknown(Why::Unavailable), None));
    fleet.counts("stepward_vendor_readings_total{capability=\"ip_reputation\",path=\"unknown\"} 2");
}

#[tokio::test]
async fn an_answer_past_its_time_serves_only_when_nobody_answers_and_only_its_own_question() {
    let (a, b) = (Vendor::scoring(12).await, Vendor::scoring(40).await);
    let cache = ["cache: { ttl: 1m }", "cache: { ttl: 1m, stale_if_error: 1h }"];
    let fleet =
        Plan { operation: &cache, ..Plan::of(&[&a, &b], "stale_if_error: 2h\nbreaker: { failures: 1 }") }.open();
    assert_eq!(fleet.score("8.8.8.8").await, by(12.0, "a", Path::Live));
    fleet.wait_ms(59_999);
    assert_eq!(fleet.score("8.8.8.8").await, by(12.0, "a", Path::Cache));
    a.now(Does::HangsUp);
    fleet.wait_ms(1);
    assert_eq!(fleet.score("8.8.8.8").await, by(40.0, "b", Path::FailOver), "somebody else answers now");
    b.now(Does::HangsUp);
    fleet.wait_ms(60_000);
    let told = fleet.ask("8.8.8.8", &["ip.risk_score"]).await.told.remove(0);
    let origin = told.1.unwrap();
    assert_eq!((&*origin.source, origin.path, origin.age_ms), ("a", Path::Stale, 120_000));
    for (tenant, ip) in [("other", "8.8.8.8"), ("default", "8.8.8.9")] {
        let told = fleet.ask_of(tenant, ip, &["ip.risk_score"]).await.told.remove(0);
        assert_eq!(told.0, Reading::Unknown(Why::Unavailable), "{tenant} {ip} is another question");
    }
    fleet.wait_ms(2 * 3_600_000);
    assert_eq!(fleet.score("8.8.8.8").await, unknown(), "nothing serves for ever");
    fleet.counts("stepward_vendor_cache_total{connector=\"a\",result=\"stale\"} 1");
}

#[tokio::test]
async fn a_stated_value_is_told_only_when_nobody_answered_and_says_what_it_is() {
    let a = Vendor::that(Does::HangsUp).await;
    let assume = "on_unavailable: assume\nassume: { because: x, values: { ip.risk_score: 60, ip.is_tor: true } }";
    let fleet = route(&[&a], assume);
    let told = fleet.ask("8.8.8.8", &["ip.risk_score", "ip.is_tor", "ip.country"]).await.told;
    for (at, value) in [(0, Value::Number(60.0)), (1, Value::Bool(true))] {
        let origin = told[at].1.as_ref().unwrap();
        assert_eq!((&told[at].0, &*origin.source, origin.path), (&Reading::Known(value), "route", Path::Default));
    }
    assert_eq!(told[2], (Reading::Unknown(Why::Unavailable), None), "no value is stated for it");
    a.now(Does::Says(json(r#"{"score": 7}"#)));
    let told = fleet.ask("8.8.8.9", &["ip.risk_score", "ip.is_tor"]).await.told;
    assert_eq!(told[0].0, Reading::Known(Value::Number(7.0)));
    assert_eq!(told[1].0, Reading::Unknown(Why::Absent), "who answers without it has answered");
}

#[tokio::test]
async fn while_calls_fail_over_every_subject_gets_its_own_answer() {
    let a = Vendor::that(Does::Mirrors(Duration::from_millis(5))).await;
    let b = Vendor::that(Does::Mirrors(Duration::ZERO)).await;
    let cache = ["cache: { ttl: 1m }"; 2];
    let more = "hedge: { after: 3ms, max_extra: 100% }\nbreaker: { failures: 100, failure_rate: 100%, slow_call: 10s }";
    let fleet = Plan { operation: &cache, ..Plan::of(&[&a, &b], more) }.open();
    for round in 0..6 {
        a.now(match round % 3 {
            0 => Does::Mirrors(Duration::from_millis(5)),
            1 => Does::HangsUp,
            _ => Does::Says(http("503 No", "", "")),
        });
        let asked = (0..100u32).map(|at| {
            let fleet = &fleet;
            async move {
                let ip = format!("8.8.{}.{}", at / 2 % 2 + round * 2, at);
                let (score, ..) = fleet.score(&ip).await;
                assert!(score.is_none_or(|it| it == f64::from(at)), "{ip} was told {score:?}");
                score.is_some()
            }
        });
        let known = futures_util::future::join_all(asked).await.into_iter().filter(|it| *it).count();
        assert!(known >= 60, "{known} of 100 were answered");
    }
}
