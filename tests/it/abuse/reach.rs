//! What can be reached from outside, and what goes out to vendors: no more than is written down (I6, I7, H7).

use std::{collections::BTreeSet, fs, process::Command};

use http::StatusCode;
use stepward::{arrival::Withheld, challenges::Begun};
use stepward_core::session::Method;

use crate::{
    origin::Recorder,
    plane::{
        evaluate::{CONNECTOR, RISKY, ROUTE},
        world::Plan,
    },
    process::Scene,
    stepup::world::{World as Steps, demand, location, policy},
};

/// TCP ports on which a process listens, by the kernel's own tables.
fn listening(pid: &str) -> BTreeSet<u16> {
    let links =
        fs::read_dir(format!("/proc/{pid}/fd")).unwrap().filter_map(|it| fs::read_link(it.unwrap().path()).ok());
    let sockets: BTreeSet<String> =
        links.filter_map(|it| Some(it.to_str()?.strip_prefix("socket:[")?.trim_end_matches(']').to_string())).collect();
    let mut ports = BTreeSet::new();
    for table in ["tcp", "tcp6"] {
        for line in fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default().lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if fields[3] == "0A" && sockets.contains(fields[9]) {
                ports.insert(u16::from_str_radix(fields[1].rsplit(':').next().unwrap(), 16).unwrap());
            }
        }
    }
    ports
}

#[tokio::test]
async fn i6_a_process_listens_where_its_settings_say_and_nowhere_else() {
    let scene = Scene::new().await;
    let text = fs::read_to_string(scene.path("stepward.yaml")).unwrap();
    let bare: String = text
        .lines()
        .filter(|it| !it.starts_with("admin") && !it.starts_with("health"))
        .fold(String::new(), |all, line| all + &line.replace("health: { address: \"127.0.0.1:0\" }", "") + "\n");
    fs::write(scene.path("stepward.yaml"), &bare).unwrap();
    assert!(!bare.contains("admin:") && !bare.contains("health:"), "{bare}");
    let started = scene.run(Command::new(scene.binary()).arg("run"));
    let address = scene.address(1).await;
    assert_eq!(listening(&started.pid()), BTreeSet::from([address.port()]), "only what is proxied");
    for path in ["/api/v1/policies", "/api/v1/openapi.json", "/metrics", "/livez", "/readyz", "/debug/pprof", "/admin"]
    {
        let request = crate::world::request(&format!("GET {path}"), &[], "");
        let answer = crate::origin::exchange(address, request.as_bytes()).await;
        assert!(answer.ends_with(&format!("\r\n\r\nGET {path}")), "the app's own, and nothing else: {answer}");
    }
    drop(started);
    fs::write(scene.path("stepward.yaml"), &text).unwrap();
    let started = scene.start();
    let told = [scene.address(2).await.port(), port(&scene, "admin on ").await, port(&scene, "health on ").await];
    assert_eq!(listening(&started.pid()), BTreeSet::from(told));
}

async fn port(scene: &Scene, what: &str) -> u16 {
    let told = scene.told(what, 1).await;
    told[0].trim().rsplit(':').next().unwrap().trim_end_matches('/').parse().unwrap()
}

/// A vendor is asked about what its file declares: nothing that a client carries along goes with it.
#[tokio::test]
async fn i7_a_vendor_gets_what_its_file_declares_and_nothing_of_the_request() {
    let vendor = Recorder::answering(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"score\":9}",
    )
    .await;
    let connector = CONNECTOR.replace("{vendor}", &vendor.address.to_string());
    let plan = Plan::default().policy(RISKY).settings("connectors: connectors\n");
    let plan = plan.file("connectors/acme/connector.yaml", &connector);
    let world = plan.file("connectors/routes/ip_reputation.yaml", ROUTE).start().await;
    let mut ada = world.visitor("ada-canary", "8.8.8.8");
    ada.cookies.insert("sid".into(), "cookie-canary".into());
    for (name, value) in [
        ("authorization", "Bearer token-canary"),
        ("x-secret", "header-canary"),
        ("referer", "https://bank.example/referer-canary"),
        ("user-agent", "agent-canary"),
        ("accept-language", "canary"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("forwarded", "for=canary"),
    ] {
        ada.headers.push((name, value.into()));
    }
    let seen = ada.post("/pay?query=canary", &[("password", "body-canary")]).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.text);
    let asked = String::from_utf8(vendor.seen().remove(0)).unwrap().to_lowercase();
    assert!(asked.starts_with("get /check/8.8.8.8 "), "{asked}");
    for canary in ["canary", "cookie", "authorization", "referer", "forwarded", "b7ad6b7169203331", "ada"] {
        assert!(!asked.contains(canary), "{canary} in what the vendor was sent: {asked}");
    }
    let fields: Vec<&str> = asked.split("\r\n").skip(1).filter_map(|it| it.split(':').next()).collect();
    let known = ["host", "accept", "user-agent", "accept-encoding", "connection", "content-length", ""];
    assert!(fields.iter().all(|it| known.contains(it)), "{fields:?}");
}

/// The app's answer, and whatever else of it, is in none of ours before the proof, at any address and in any form.
#[tokio::test]
async fn h7_of_an_answer_that_is_withheld_no_byte_leaves_before_the_proof() {
    let world = Steps::new().await;
    let secret = world.totp("ada").await;
    let canary = "withheld-canary";
    let fetch = [("sec-fetch-mode", "cors"), ("accept", "application/json")];
    let api = [("sec-fetch-mode", ""), ("sec-fetch-site", ""), ("origin", ""), ("accept", "*/*")];
    for (kind, headers) in [("page", &[][..]), ("fetch", &fetch[..]), ("api", &api[..])] {
        let mut ada = world.browser();
        let withheld = Withheld {
            status: 200,
            headers: vec![("set-cookie".into(), format!("sid={canary}")), ("x-app".into(), canary.into())],
            body: data_encoding::BASE64.encode(canary.as_bytes()),
        };
        let arrival = ada.request("POST", "/login", headers, "user=ada&password=x");
        let ways = demand(&[Method::Totp, Method::RecoveryCode]);
        let Begun::Asked(asked) = ada.demanded(&arrival, &policy("login"), &ways, Some("ada"), Some(withheld)).await
        else {
            panic!("asked")
        };
        let mut said = format!("{:?} {}", asked.headers, String::from_utf8_lossy(&asked.body));
        let page = match asked.status {
            StatusCode::SEE_OTHER => location(&asked),
            _ => serde_json::from_slice::<serde_json::Value>(&asked.body).unwrap()["challenge_url"]
                .as_str()
                .unwrap()
                .into(),
        };
        for (method, path, body) in [
            ("GET", page.clone(), ""),
            ("GET", format!("{page}/continue"), ""),
            ("POST", page.clone(), "method=totp&code=000000"),
            ("POST", page.clone(), ""),
            ("GET", format!("{page}/release"), ""),
            ("HEAD", page.clone(), ""),
        ] {
            let arrival = ada.request(method, &path, headers, body);
            let served = format!("{:?}", ada.serve(&arrival).await);
            said.push_str(&served);
        }
        let encoded = data_encoding::BASE64.encode(canary.as_bytes());
        assert!(!said.contains(canary) && !said.contains(&encoded[..16]), "{kind}: {said}");
        world.wait(30_000);
        assert!(ada.passes(&page, Method::Totp, &world.code(&secret)).await, "{kind}");
        world.wait(16 * 60_000);
    }
}
