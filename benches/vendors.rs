//! What an answer that is kept costs: the bar is 1 µs for a signal from the cache (issue 4).
//!
//! `cargo bench --bench vendors`.

#![expect(clippy::unwrap_used, reason = "a bench that cannot run should stop")]

use std::{
    collections::BTreeMap,
    fs,
    hint::black_box,
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use criterion::{Criterion, criterion_group, criterion_main};
use stepward::{
    clock::Clock,
    vendors::{Question, Vendors},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    runtime::Runtime,
    time::Instant,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CONNECTOR: &str = r#"
connector: acme
capability: ip_reputation
network: internal
data: { sends: [ip] }
inputs: { ip: { required: true, skip_when: is_private_ip(input.ip) } }
operations:
  lookup:
    request: { method: GET, url: "http://{address}/${input.ip}" }
    timeout: 5s
    cache: { ttl: 24h }
    response: { map: { ip.risk_score: body.score, ip.is_tor: body.tor, ip.country: body.country } }
"#;
const ROUTE: &str = "capability: ip_reputation\nconnectors:\n  - { connector: acme }\n";
const BODY: &str = r#"{"score":12,"tor":false,"country":"NL"}"#;

async fn vendor() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{BODY}", BODY.len());
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 2048];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

fn kept(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let address = runtime.block_on(vendor());
    fs::create_dir_all(folder.path().join("acme")).unwrap();
    fs::create_dir_all(folder.path().join("routes")).unwrap();
    fs::write(folder.path().join("acme/connector.yaml"), CONNECTOR.replace("{address}", &address)).unwrap();
    fs::write(folder.path().join("routes/ip_reputation.yaml"), ROUTE).unwrap();
    let vendors = Vendors::open(folder.path(), &BTreeMap::new(), &Arc::from([]), &Clock::System).unwrap();
    let inputs: [(Arc<str>, Arc<str>); 3] = [
        ("ip".into(), "8.8.8.8".into()),
        ("user_agent".into(), "Mozilla/5.0".into()),
        ("event".into(), "login".into()),
    ];
    let paid_left = AtomicU32::new(0);
    let question = || Question {
        tenant: "default",
        inputs: &inputs,
        deadline: Instant::now() + Duration::from_secs(5),
        paid_left: &paid_left,
    };
    runtime.block_on(async {
        let first = vendors.ask(&question(), &["ip.risk_score"]).await;
        assert!(first.told.iter().all(|(_, origin)| origin.is_some()), "the vendor should have answered");
        let asked = question();
        for names in [&["ip.risk_score"][..], &["ip.risk_score", "ip.is_tor", "ip.country"]] {
            let name = format!("vendors/kept/{}", names.len());
            criterion.bench_function(&name, |bencher| {
                bencher.iter(|| {
                    futures_util::future::FutureExt::now_or_never(vendors.ask(black_box(&asked), names)).unwrap()
                });
            });
        }
    });
}

criterion_group!(benches, kept);
criterion_main!(benches);
