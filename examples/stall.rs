//! What it costs when a vendor stalls: drives a real gateway with 300 requests a second to an event that asks a vendor,
//! and as many to no event, lets the first vendor of the route stall, and brings it back.
//!
//! `stall STEPWARD [--check]`: the program to measure; with `--check` it ends with 1 where a bar is missed. Bars
//! (`docs/performance.md`): from 2 s after the stall on, p99 of the event at most its budget and 20 ms, 99.9 % served by
//! the second vendor, other traffic unchanged, at most 32 MiB more memory. Use `benches/stall.sh`.

use std::{
    error::Error,
    fmt::Write as _,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::Instant,
};

type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

const RATE: u32 = 300;
const BUDGET: Duration = Duration::from_millis(400);
const PHASES: [(&str, u64); 4] = [("well", 10), ("stall, first 2 s", 2), ("stall, after", 20), ("back", 20)];

/// Somebody on loopback who answers, or not.
#[derive(Clone)]
struct Service {
    stalls: Arc<AtomicBool>,
    open: Arc<AtomicUsize>,
    port: u16,
}

impl Service {
    async fn saying(body: &'static str) -> Fallible<Service> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let service = Service { stalls: Arc::default(), open: Arc::default(), port: listener.local_addr()?.port() };
        let served = service.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = served.clone();
                tokio::spawn(async move {
                    service.open.fetch_add(1, Ordering::Relaxed);
                    // Whoever asked may hang up; that is no trouble of this side.
                    let _ = service.serve(stream, body).await;
                    service.open.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        Ok(service)
    }

    async fn serve(&self, mut stream: TcpStream, body: &str) -> std::io::Result<()> {
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let (mut head, mut buffer) = (Vec::new(), [0; 2048]);
        loop {
            let count = stream.read(&mut buffer).await?;
            if count == 0 {
                return Ok(());
            }
            head.extend_from_slice(buffer.get(..count).unwrap_or_default());
            if !head.ends_with(b"\r\n\r\n") {
                continue;
            }
            head.clear();
            if self.stalls.load(Ordering::Relaxed) {
                // Until the other side hangs up.
                while stream.read(&mut buffer).await? > 0 {}
                return Ok(());
            }
            stream.write_all(answer.as_bytes()).await?;
        }
    }
}

/// A request that was answered: in which phase it began, whether it was an event, how long it took, its status.
struct Answered {
    phase: usize,
    event: bool,
    took: Duration,
    status: u16,
}

/// The gateway; ended with this program.
struct Gateway(Child);

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended already; there is nobody left to tell.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Gateway {
    /// Resident memory, in MiB.
    fn memory(&self) -> Fallible<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
    }
}

#[tokio::main]
async fn main() -> Fallible<()> {
    let mut arguments = std::env::args().skip(1);
    let program = fs::canonicalize(arguments.next().ok_or("usage: stall STEPWARD [--check]")?)?;
    let check = arguments.next().is_some_and(|it| it == "--check");
    let first = Service::saying(r#"{"score": 10}"#).await?;
    let second = Service::saying(r#"{"score": 20}"#).await?;
    let app = Service::saying("{}").await?;
    let folder = std::env::temp_dir().join(format!("stepward-stall-{}", std::process::id()));
    let port = free_port().await?;
    write_files(&folder, port, app.port, &[("first", first.port), ("second", second.port)])?;
    let run =
        Command::new(&program).arg("run").current_dir(&folder).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let gateway = Gateway(run);
    await_port(port).await?;

    let answered: Arc<Mutex<Vec<Answered>>> = Arc::default();
    let (mut begins, mut memory, mut most_open) = (Vec::new(), Vec::new(), 0);
    // Whoever is first in the process installs the provider; here nobody else does.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().pool_max_idle_per_host(64).no_proxy().build()?;
    let mut number = 0;
    for (phase, (_, seconds)) in PHASES.iter().enumerate() {
        first.stalls.store(phase == 1 || phase == 2, Ordering::Relaxed);
        begins.push(now_ms());
        let (start, mut largest) = (Instant::now(), 0.0f64);
        for tick in 0..(seconds * u64::from(RATE)) {
            tokio::time::sleep_until(start + Duration::from_secs_f64(tick as f64 / f64::from(RATE))).await;
            number += 1;
            for event in [true, false] {
                tokio::spawn(ask(client.clone(), port, number, event, phase, answered.clone()));
            }
            if tick % 30 == 0 {
                largest = largest.max(gateway.memory()?);
                most_open = most_open.max(first.open.load(Ordering::Relaxed));
            }
        }
        memory.push(largest);
    }
    begins.push(now_ms());
    tokio::time::sleep(BUDGET * 4).await;
    drop(gateway);
    let report =
        report(&answered.lock().unwrap_or_else(PoisonError::into_inner), &folder, &begins, &memory, most_open)?;
    fs::remove_dir_all(&folder)?;
    println!("{}", report.text);
    if check && !report.missed.is_empty() {
        eprintln!("missed: {}", report.missed.join("; "));
        std::process::exit(1);
    }
    Ok(())
}

async fn ask(
    client: reqwest::Client,
    port: u16,
    number: u32,
    event: bool,
    phase: usize,
    answered: Arc<Mutex<Vec<Answered>>>,
) {
    let path = if event { "event" } else { "other" };
    let address = format!("8.{}.{}.{}", number >> 16 & 255, number >> 8 & 255, number & 255);
    let began = Instant::now();
    let request = client.get(format!("http://127.0.0.1:{port}/{path}")).header("X-Forwarded-For", address);
    let status = match request.send().await {
        Ok(answer) => answer.status().as_u16(),
        Err(_) => 0,
    };
    let one = Answered { phase, event, took: began.elapsed(), status };
    answered.lock().unwrap_or_else(PoisonError::into_inner).push(one);
}

struct Report {
    text: String,
    missed: Vec<String>,
}

fn report(all: &[Answered], folder: &Path, begins: &[i64], memory: &[f64], most_open: usize) -> Fallible<Report> {
    let sources = sources(folder, begins)?;
    let mut text = format!(
        "{:<18} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}\n",
        "", "event p50", "p99", "max ms", "other p99", "2nd", "unknown", "MiB"
    );
    let (mut missed, mut other_before, mut quiet) = (Vec::new(), 0.0, 0.0);
    for (phase, (name, _)) in PHASES.iter().enumerate() {
        let took = |event: bool| {
            let mut list: Vec<f64> = all
                .iter()
                .filter(|it| it.phase == phase && it.event == event)
                .map(|it| it.took.as_secs_f64() * 1e3)
                .collect();
            list.sort_by(f64::total_cmp);
            list
        };
        let (event, other) = (took(true), took(false));
        let [first, second, unknown] = sources.get(phase).copied().unwrap_or_default();
        let share = |count: u32| 100.0 * f64::from(count) / f64::from((first + second + unknown).max(1));
        let size = memory.get(phase).copied().unwrap_or_default();
        writeln!(
            text,
            "{name:<18} {:>8.1} {:>8.1} {:>8.1} {:>9.1} {:>7.2}% {:>7.2}% {size:>8.1}",
            at(&event, 0.5),
            at(&event, 0.99),
            at(&event, 1.0),
            at(&other, 0.99),
            share(second),
            share(unknown),
        )?;
        match phase {
            0 => (other_before, quiet) = (at(&other, 0.99), size),
            2 => {
                let bars = [
                    (at(&event, 0.99) <= (BUDGET.as_millis() + 20) as f64, "p99 of the event"),
                    (share(second) >= 99.9, "served by the second vendor"),
                    (at(&other, 0.99) <= other_before * 1.5 + 2.0, "other traffic"),
                    (size - quiet <= 32.0, "memory"),
                ];
                missed.extend(bars.iter().filter(|(holds, _)| !holds).map(|(_, bar)| (*bar).to_string()));
            }
            _ => {}
        }
    }
    let lost = all.iter().filter(|it| it.status != 200).count();
    writeln!(
        text,
        "{} answers, {lost} of them not 200; at most {most_open} connections open to the vendor that stalls",
        all.len()
    )?;
    Ok(Report { text, missed })
}

/// How many decisions of each phase were made on the first vendor's word, the second's, nobody's.
fn sources(folder: &Path, begins: &[i64]) -> Fallible<Vec<[u32; 3]>> {
    let mut counts = vec![[0; 3]; PHASES.len()];
    for line in fs::read_to_string(folder.join("decisions.jsonl"))?.lines() {
        let line: serde_json::Value = serde_json::from_str(line)?;
        let time: jiff::Timestamp = line.get("time").and_then(|it| it.as_str()).ok_or("no time")?.parse()?;
        let phase = begins.iter().rposition(|begin| *begin <= time.as_millisecond());
        let source = line.pointer("/attributes/ip.risk_score/source").and_then(|it| it.as_str());
        let which = match source {
            Some("first") => 0,
            Some("second") => 1,
            Some(_) | None => 2,
        };
        if let Some(count) = phase.and_then(|it| counts.get_mut(it)).and_then(|it| it.get_mut(which)) {
            *count += 1;
        }
    }
    Ok(counts)
}

/// The value below which this share of a sorted list lies.
fn at(sorted: &[f64], share: f64) -> f64 {
    let index = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(index).copied().unwrap_or_default()
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| i64::try_from(it.as_millis()).unwrap_or(i64::MAX))
}

async fn free_port() -> Fallible<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port())
}

async fn await_port(port: u16) -> Fallible<()> {
    for _ in 0..200 {
        if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err("the gateway does not start".into())
}

fn write_files(folder: &Path, port: u16, app: u16, vendors: &[(&str, u16)]) -> Fallible<()> {
    let write = |name: &str, text: &str| -> Fallible<()> {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().ok_or("no folder")?)?;
        Ok(fs::write(path, text)?)
    };
    write(
        "stepward.yaml",
        &format!(
            "listen: [{{ address: 127.0.0.1:{port} }}]\n\
             trusted_proxies: [127.0.0.0/8]\n\
             upstreams: {{ app: {{ url: http://127.0.0.1:{app} }} }}\n\
             routes: [{{ upstream: app }}]\n\
             state: {{ store: embedded, path: state }}\n\
             policies: policies\n\
             connectors: connectors\n\
             decision_log: {{ file: decisions.jsonl }}\n"
        ),
    )?;
    let budget_ms = BUDGET.as_millis();
    write(
        "policies/event.yaml",
        &format!(
            "event: event\ncovers: [GET /event]\nbudget: {{ time: {budget_ms}ms, paid_calls: 0 }}\nwhen_unsure: block\n\
             otherwise: forward\nsteps:\n  - decide: network\n    rules:\n      - rule: risky\n        \
             when: ip.risk_score > 80\n        then: block\n"
        ),
    )?;
    let mut route = "capability: ip_reputation\nbreaker: { failures: 5, open_for: 10s }\nconnectors:\n".to_string();
    for (id, port) in vendors {
        writeln!(route, "  - {{ connector: {id}, timeout: 250ms }}")?;
        write(
            &format!("connectors/{id}/connector.yaml"),
            &format!(
                "connector: {id}\ncapability: ip_reputation\nnetwork: internal\ndata: {{ sends: [ip] }}\n\
                 inputs: {{ ip: {{ required: true }} }}\noperations:\n  lookup:\n    \
                 request: {{ method: GET, url: \"http://127.0.0.1:{port}/${{input.ip}}\" }}\n    timeout: 250ms\n    \
                 cache: {{ ttl: 1h }}\n    response: {{ map: {{ ip.risk_score: body.score }} }}\n"
            ),
        )?;
    }
    write("connectors/routes/ip_reputation.yaml", &route)
}
