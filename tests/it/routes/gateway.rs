//! Routes behind a whole gateway: what the decision log and the numbers tell, and what a shadow does not do.

use serde_json::Value as Json;

use super::*;
use crate::world::{Town, World, request, status};

const RISKY: &str = "
event: act
covers: [GET /act]
budget: { time: 500ms, paid_calls: 1 }
when_unsure: block
otherwise: forward
steps:
  - decide: network
    rules:
      - rule: risky
        when: ip.risk_score > 80
        then: block
";

pub(super) async fn town(vendors: &[&Vendor], members: usize, more: &str) -> Town {
    let mut world = World::new().policy(RISKY).settings("connectors: connectors\ntrusted_proxies: [127.0.0.0/8]");
    let mut route = "capability: ip_reputation\nconnectors:\n".to_owned();
    for (at, vendor) in vendors.iter().enumerate() {
        let id = ["a", "b", "c"][at];
        let text = CONNECTOR.replace("{id}", id).replace("{url}", &format!("http://{}", vendor.address));
        world = world.file(&format!("connectors/{id}/connector.yaml"), &text);
        if at < members {
            route += &format!("  - {{ connector: {id}, timeout: 300ms }}\n");
        }
    }
    world.file("connectors/routes/ip_reputation.yaml", &format!("{route}{more}\n")).start().await
}

pub(super) async fn act(town: &Town, ip: &str) -> u16 {
    status(&town.raw(&request("GET /act", &[&format!("X-Forwarded-For: {ip}")], "")).await)
}

fn of_schema(town: &Town, schema: &str) -> Vec<Json> {
    town.decisions().into_iter().filter(|line| line["schema"] == schema).collect()
}

#[tokio::test]
async fn the_decision_log_tells_who_was_asked_and_how_each_value_came() {
    let (a, b) = (Vendor::that(Does::HangsUp).await, Vendor::scoring(90).await);
    let town = town(&[&a, &b], 2, "").await;
    assert_eq!(act(&town, "62.4.31.1").await, 403);
    let line = of_schema(&town, "stepward.decision/1").remove(0);
    let score = &line["attributes"]["ip.risk_score"];
    assert_eq!((&score["source"], &score["path"], &score["age_ms"]), (&"b".into(), &"fail_over".into(), &0.into()));
    let calls = line["calls"].as_array().unwrap();
    let told: Vec<_> =
        calls.iter().map(|it| (it["connector"].as_str().unwrap(), it["outcome"].as_str().unwrap())).collect();
    assert_eq!(told, [("a", "unavailable"), ("b", "success")]);
    assert!(calls.iter().all(|it| it["ms"].is_u64()), "{calls:?}");
    assert!(town.gateway.journeys.parts().metrics.text().contains("stepward_vendor_calls_total{connector=\"a\""));
}

#[tokio::test]
async fn a_vendor_that_is_tried_out_changes_neither_a_decision_nor_its_time() {
    let (a, shadow) = (
        Vendor::scoring(12).await,
        Vendor::that(Does::Waits(Duration::from_millis(250), json(r#"{"score": 99}"#))).await,
    );
    let more = "shadow: [{ connector: b, sample: 100%, until: 2027-01-31 }]";
    let town = town(&[&a, &shadow], 1, more).await;
    act(&town, "62.4.31.9").await;
    let began = Instant::now();
    assert_eq!(act(&town, "62.4.31.1").await, 200, "99 of the shadow would be a block");
    assert!(began.elapsed() < Duration::from_millis(230), "{:?}", began.elapsed());
    until("what the shadow says in the log", || of_schema(&town, "stepward.shadow-signal/1").len() == 2).await;
    let line = of_schema(&town, "stepward.shadow-signal/1").pop().unwrap();
    let decision = of_schema(&town, "stepward.decision/1").pop().unwrap();
    assert_eq!(line["decision"], decision["id"]);
    assert_eq!((&line["connector"], &line["outcome"]), (&"b".into(), &"success".into()));
    let compared = &line["attributes"][0];
    assert_eq!(compared["attribute"], "ip.risk_score");
    assert_eq!((compared["live"].as_f64(), compared["shadow"].as_f64()), (Some(12.0), Some(99.0)));
    assert!(decision["attributes"].to_string().find("\"b\"").is_none(), "{decision}");
    let text = town.gateway.journeys.parts().metrics.text();
    assert!(text.contains("stepward_vendor_shadow_total{connector=\"b\",result=\"differed\"} 2"), "{text}");
    assert!(
        town.gateway.journeys.parts().log.recent(10, |_| true).iter().all(|it| it["schema"] == "stepward.decision/1"),
        "the API lists decisions only"
    );
}

#[tokio::test]
async fn a_shadow_is_asked_by_lot_within_its_days_and_money_and_a_dead_one_is_nobodys_trouble() {
    let (a, shadow) = (Vendor::scoring(12).await, Vendor::that(Does::HangsUp).await);
    let until_then = town(&[&a, &shadow], 1, "shadow: [{ connector: b, sample: 100%, until: 2026-01-01 }]").await;
    let never = town(&[&a, &shadow], 1, "shadow: [{ connector: b, sample: 0%, until: 2027-01-31 }]").await;
    for town in [&until_then, &never] {
        for at in 0..5 {
            assert_eq!(act(town, &format!("62.4.31.{at}")).await, 200);
        }
    }
    assert_eq!(shadow.asked(), 0);
    let dead = town(&[&a, &shadow], 1, "shadow: [{ connector: b, sample: 100%, until: 2027-01-31 }]").await;
    for at in 0..20 {
        assert_eq!(act(&dead, &format!("62.4.30.{at}")).await, 200);
    }
    until("giving up", || {
        let text = dead.gateway.journeys.parts().metrics.text();
        text.contains("stepward_vendor_breaker{connector=\"b\"} 2")
    })
    .await;
}

#[tokio::test]
async fn a_stated_value_is_marked_in_the_log_and_warned_of_by_check() {
    let a = Vendor::that(Does::HangsUp).await;
    let more = "on_unavailable: assume\nassume: { because: x, values: { ip.risk_score: 90 } }";
    let town = town(&[&a], 1, more).await;
    assert_eq!(act(&town, "62.4.31.1").await, 403);
    let line = of_schema(&town, "stepward.decision/1").remove(0);
    let score = &line["attributes"]["ip.risk_score"];
    assert_eq!((&score["source"], &score["path"]), (&"route".into(), &"default".into()));
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_stepward"))
        .args(["check", "stepward.yaml"])
        .current_dir(town.folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("route.assumes") && said.contains("ip_reputation.yaml"), "{said}");
    assert_eq!(output.status.code(), Some(0), "a warning is no error: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connectors_change_while_calls_fly_and_no_request_is_lost() {
    let (a, b) = (Vendor::that(Does::Mirrors(Duration::from_millis(10))).await, Vendor::scoring(12).await);
    let town = Arc::new(town(&[&a, &b], 2, "").await);
    // Reloads are heavy where they are not optimised; nobody is to be late because of that.
    town.write_policy(0, &RISKY.replace("500ms", "20s"));
    let folder = town.folder.path().join("connectors");
    for id in ["a", "b"] {
        let path = folder.join(id).join("connector.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, text.replace("400ms", "5s")).unwrap();
    }
    let reload = |first: &str, second: &str| {
        let text =
            format!("capability: ip_reputation\nconnectors: [{{ connector: {first} }}, {{ connector: {second} }}]\n");
        std::fs::write(folder.join("fresh"), text).unwrap();
        std::fs::rename(folder.join("fresh"), folder.join("routes/ip_reputation.yaml")).unwrap();
        town.gateway.reload();
    };
    reload("a", "b");
    let asking = {
        let town = town.clone();
        tokio::spawn(async move {
            for at in 0..40 {
                let status = act(&town, &format!("62.4.{at}.{at}")).await;
                assert_eq!(status, 200, "request {at}: {:?}", town.decisions().pop());
            }
        })
    };
    let mut round = 0;
    while !asking.is_finished() {
        let (first, second) = if round % 2 == 0 { ("b", "a") } else { ("a", "b") };
        tokio::task::block_in_place(|| reload(first, second));
        round += 1;
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
    asking.await.unwrap();
    assert!(round > 3 && a.asked() > 0 && b.asked() > 0, "{round} reloads, {} and {}", a.asked(), b.asked());
    let is_lost = |line: &Json| line["attributes"]["ip.risk_score"]["value"].is_null();
    let lost: Vec<_> = of_schema(&town, "stepward.decision/1").into_iter().filter(is_lost).collect();
    assert!(lost.is_empty(), "{lost:?}");
}
