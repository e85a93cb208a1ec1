//! Broken files among good ones: they are told at their place, the others go on, and nothing becomes unknown in silence.

use super::{gateway, *};

/// What breaks a connector's file at its last line.
const SLIP: &str = "ip.tags: body.tags";

fn told(vendors: &Vendors) -> Vec<String> {
    vendors.refused().lines().collect()
}

fn open(folder: &std::path::Path) -> Vendors {
    Vendors::open(folder, &BTreeMap::new(), &Arc::from([]), &Clock::System).unwrap_or_else(|it| panic!("{it:#?}"))
}

fn break_one(folder: &std::path::Path, id: &str) {
    let path = folder.join(id).join("connector.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(SLIP), "{text}");
    std::fs::write(path, text.replace(SLIP, "ip.tags: body.tags +")).unwrap();
}

#[tokio::test]
async fn a_broken_connector_is_refused_at_its_line_and_the_others_go_on() {
    let (a, b) = (Vendor::scoring(3).await, Vendor::scoring(40).await);
    let folder = tempfile::tempdir().unwrap();
    Plan::of(&[&a, &b], "").write(folder.path());
    break_one(folder.path(), "a");
    let fleet = Fleet {
        vendors: open(folder.path()),
        metrics: Metrics::new(),
        clock: Arc::default(),
        folder,
        paid_left: AtomicU32::new(9),
    };
    let told = told(&fleet.vendors);
    assert!(told.iter().any(|it| it.starts_with("connectors/a/connector.yaml:13:")), "{told:?}");
    let goes_on = |it: &String| it.starts_with("connectors/routes/ip_reputation.yaml:3:") && it.contains("without it");
    assert!(told.iter().any(goes_on), "{told:?}");
    assert_eq!(fleet.score("8.8.8.8").await, by(40.0, "b", Path::Live));
    assert_eq!((a.asked(), fleet.vendors.lost().contains_key("ip.risk_score")), (0, false), "`b` tells the same");
}

#[tokio::test]
async fn what_only_a_broken_connector_tells_is_named_and_not_what_others_tell() {
    let a = Vendor::scoring(3).await;
    let folder = tempfile::tempdir().unwrap();
    Plan::of(&[&a], "").write(folder.path());
    for (slip, text) in [
        ("an expression", CONNECTOR.replace(SLIP, "ip.tags: body.tags +")),
        ("no YAML", CONNECTOR.replace("network: internal", "network: [internal")),
        ("a slip in the attribute itself", CONNECTOR.replace("ip.risk_score:", "ip.risk_scor:")),
    ] {
        let text = text.replace("{id}", "a").replace("{url}", &format!("http://{}", a.address));
        write(folder.path(), "a/connector.yaml", &text);
        let vendors = open(folder.path());
        let lost = vendors.lost();
        for name in ["ip.risk_score", "ip.country", "raw.a"] {
            assert_eq!(lost.get(name).map(|it| &**it), Some("connectors/a/connector.yaml"), "{slip}: {lost:?}");
        }
        assert!(!lost.contains_key("email.is_disposable"), "{slip}: {lost:?}");
        assert!(vendors.lines().is_empty() && !told(&vendors).is_empty(), "{slip}");
    }
}

#[tokio::test]
async fn after_a_reload_the_last_good_text_keeps_running_and_what_is_mended_takes_over() {
    let (a, b) = (Vendor::scoring(3).await, Vendor::scoring(40).await);
    let mut fleet = Plan { members: 1, ..Plan::of(&[&a, &b], "") }.open();
    assert_eq!(fleet.score("8.8.8.1").await, by(3.0, "a", Path::Live));
    let path = fleet.folder.path().join("a/connector.yaml");
    let good = std::fs::read_to_string(&path).unwrap();
    let route = fleet.folder.path().join("routes/ip_reputation.yaml");
    let good_route = std::fs::read_to_string(&route).unwrap();
    let broken_route = good_route.replace("connector: a", "connector: nobody");
    for (what, text, route_text) in [
        ("a broken connector", Some(good.replace(SLIP, "ip.tags: body.tags +")), &good_route),
        ("a broken route", Some(good.clone()), &broken_route),
        ("a connector that is gone", None, &good_route),
    ] {
        match text {
            Some(text) => std::fs::write(&path, text).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        std::fs::write(&route, route_text).unwrap();
        for at in 2..4 {
            fleet.again();
            assert!(!told(&fleet.vendors).is_empty() && fleet.vendors.lost().is_empty(), "{what}, reload {at}");
            assert_eq!(fleet.score(&format!("8.8.8.{at}")).await, by(3.0, "a", Path::Live), "{what}, reload {at}");
        }
    }
    std::fs::write(&path, good.replace("body.score", "body.score + 1")).unwrap();
    fleet.again();
    assert_eq!((told(&fleet.vendors).len(), fleet.score("8.8.8.9").await), (0, by(4.0, "a", Path::Live)));
}

#[tokio::test]
async fn a_policy_that_reads_what_is_lost_does_not_load_and_check_says_so() {
    let (a, b) = (Vendor::scoring(3).await, Vendor::scoring(40).await);
    let town = gateway::town(&[&a, &b], 1, "").await;
    let check = || {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_stepward"))
            .args(["check", "stepward.yaml"])
            .current_dir(town.folder.path())
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    assert_eq!(check().0, Some(0), "{}", check().1);
    let connectors = town.folder.path().join("connectors");
    break_one(&connectors, "b");
    assert_eq!(
        (check().0, check().1.contains("attribute.lost")),
        (Some(1), false),
        "`b` is on no route: {}",
        check().1
    );
    break_one(&connectors, "a");
    let (code, said) = check();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("attribute.lost") && said.contains("connectors/a/connector.yaml"), "{said}");
    // What runs already goes on with what was good.
    let reloaded = town.gateway.journeys.parts().reload();
    assert!(reloaded.policies.is_ok(), "{:?}", reloaded.policies.err().map(|it| it.found.clone()));
    assert!(!reloaded.connectors.unwrap().found.is_empty());
    assert_eq!(gateway::act(&town, "62.4.31.1").await, 200);
}
