//! A large upload waits for a proof and goes on, while the whole process, client and app included, grows by little.
//! `UPLOAD_MIB=100` for the figure that the documents tell; a build that is not optimised takes minutes to seal as much.

use std::{
    fs,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::stream;
use http::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    uploads::world::{MIB, UPLOAD, ada, files, send},
    world::{LOGIN, World},
};

const BODY_MIB: usize = 32;
const PIECE_BYTES: usize = 64 << 10;
const GROWTH_KIB_MAX: u64 = 16 << 10;

/// In a process of its own, so that no other test's memory is counted.
#[test]
fn a_large_upload_waits_and_goes_on_in_sixteen_mebibytes_of_memory() {
    let me = std::env::current_exe().unwrap();
    let told = Command::new(me)
        .args(["--exact", "uploads::memory::alone", "--ignored", "--nocapture", "--test-threads=1"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&told.stdout);
    println!("{}", text.lines().find(|line| line.starts_with("grew by")).unwrap_or_default());
    assert!(text.contains("1 passed"), "{text}");
    assert!(told.status.success(), "{text}\n{}", String::from_utf8_lossy(&told.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run in a process of its own by the test above"]
async fn alone() {
    let seen = Arc::new(AtomicU64::new(0));
    let app = thirsty(seen.clone()).await;
    let upstreams = format!("upstreams: {{ app: {{ url: \"http://{app}\" }} }}");
    let town = World::new().policy(LOGIN).policy(UPLOAD).settings(&upstreams).start().await;
    let (mut ada, secret) = ada(&town).await;
    // Whatever is made once is made now.
    let small = send(&mut ada, "/upload", vec![1; 2 * MIB]).await;
    let resume = town.prove(&mut ada, &small, &secret).await;
    assert_eq!(ada.post(&resume, &[]).await.status, StatusCode::OK);
    town.wait_ms(6 * 60_000);

    let pieces = std::env::var("UPLOAD_MIB").map_or(BODY_MIB, |mib| mib.parse().unwrap()) * MIB / PIECE_BYTES;
    let before = resident("VmRSS");
    fs::write("/proc/self/clear_refs", "5").unwrap();
    seen.store(0, Ordering::Relaxed);
    let body = (0..pieces).map(|at| Ok::<_, std::io::Error>(vec![at as u8; PIECE_BYTES]));
    let asked = send(&mut ada, "/upload", reqwest::Body::wrap_stream(stream::iter(body))).await;
    assert_eq!(files(&town).len(), 1, "{} {}", asked.status, asked.text);
    let kept = resident("VmHWM");
    let resume = town.prove(&mut ada, &asked, &secret).await;
    let done = ada.post(&resume, &[]).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text);
    let sent = resident("VmHWM");
    let expected: u64 = (0..pieces).map(|at| PIECE_BYTES as u64 * (1 + u64::from(at as u8))).sum();
    assert_eq!(seen.load(Ordering::Relaxed), expected, "the app was sent all of it");
    println!("grew by {} KiB while it was kept, {} KiB in all", kept - before.min(kept), sent - before.min(sent));
    assert!(sent.saturating_sub(before) <= GROWTH_KIB_MAX, "{before} KiB before, {sent} KiB at most");
}

/// An app that answers every login and drinks every body: the sum of its bytes and its length.
async fn thirsty(seen: Arc<AtomicU64>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let seen = seen.clone();
            tokio::spawn(async move {
                while let Some(head) = head(&mut tcp).await {
                    let length = head
                        .split("content-length: ")
                        .nth(1)
                        .map_or(0, |it| it.split("\r\n").next().unwrap().parse().unwrap());
                    drink(&mut tcp, length, &seen).await;
                    let answer: &[u8] = match head.starts_with("post /login") {
                        true => b"HTTP/1.1 303 See Other\r\nLocation: /\r\nSet-Cookie: sid=ada; Path=/\r\nContent-Length: 0\r\n\r\n",
                        false => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                    };
                    if tcp.write_all(answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

async fn head(tcp: &mut tokio::net::TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(tcp.read_u8().await.ok()?);
    }
    Some(String::from_utf8_lossy(&bytes).to_ascii_lowercase())
}

async fn drink(tcp: &mut tokio::net::TcpStream, length: usize, seen: &AtomicU64) {
    let mut left = length;
    let mut buffer = vec![0; PIECE_BYTES];
    while left > 0 {
        let most = left.min(PIECE_BYTES);
        let Ok(read @ 1..) = tcp.read(&mut buffer[..most]).await else { return };
        let sum: u64 = buffer[..read].iter().map(|byte| 1 + u64::from(*byte)).sum();
        seen.fetch_add(sum, Ordering::Relaxed);
        left -= read;
    }
}

/// A line of `/proc/self/status`, in KiB.
fn resident(what: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
