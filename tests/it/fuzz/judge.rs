//! The app behind the gateway: reads every request as any back end might, and knows what none of them may be given.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

#[path = "../../../core/tests/oracle/readers.rs"]
mod readers;

/// An app that judges.
pub(super) struct Judge {
    pub(super) address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    reached: AtomicU64,
    verdicts: Mutex<Vec<String>>,
}

impl Judge {
    pub(super) async fn start() -> Judge {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let judge = Judge { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let seen = judge.seen.clone();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(serve(tcp, seen.clone()));
            }
        });
        judge
    }

    /// How many requests came.
    pub(super) fn reached(&self) -> u64 {
        self.seen.reached.load(Ordering::Relaxed)
    }

    /// What should never have come, the first few.
    pub(super) fn verdicts(&self) -> Vec<String> {
        self.seen.verdicts.lock().unwrap().clone()
    }
}

async fn serve(mut tcp: TcpStream, seen: Arc<Seen>) {
    let mut got = Vec::with_capacity(4096);
    loop {
        let end = loop {
            if let Some(end) = got.windows(4).position(|it| it == b"\r\n\r\n") {
                break end + 4;
            }
            match tcp.read_buf(&mut got).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        };
        let head = String::from_utf8_lossy(&got[..end]).into_owned();
        got.drain(..end);
        let Some(body) = body(&mut tcp, &mut got, &head).await else { return };
        seen.reached.fetch_add(1, Ordering::Relaxed);
        if let Some(why) = verdict(&head, &body) {
            let mut verdicts = seen.verdicts.lock().unwrap();
            if verdicts.len() < 20 {
                verdicts.push(format!("{why}: {head:?} {:?}", String::from_utf8_lossy(&body)));
            }
        }
        let answer: &[u8] = match head.starts_with("HEAD ") {
            true => b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
            false => b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\napp",
        };
        if tcp.write_all(answer).await.is_err() {
            return;
        }
    }
}

/// The body as a strict server frames it; `None` where the gateway breaks off.
async fn body(tcp: &mut TcpStream, got: &mut Vec<u8>, head: &str) -> Option<Vec<u8>> {
    let lower = head.to_ascii_lowercase();
    if lower.contains("\r\ntransfer-encoding:") {
        let mut body = Vec::new();
        loop {
            let line = line(tcp, got).await?;
            let size = usize::from_str_radix(line.trim(), 16).ok()?;
            let piece = take(tcp, got, size + 2).await?;
            if size == 0 {
                return Some(body);
            }
            body.extend_from_slice(&piece[..size]);
        }
    }
    let length =
        lower.split("\r\ncontent-length:").nth(1).map_or(Some(0), |it| it.split("\r\n").next()?.trim().parse().ok());
    take(tcp, got, length?).await
}

async fn line(tcp: &mut TcpStream, got: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = got.windows(2).position(|it| it == b"\r\n") {
            let line = String::from_utf8_lossy(&got[..end]).into_owned();
            got.drain(..end + 2);
            return Some(line);
        }
        more(tcp, got).await?;
    }
}

async fn take(tcp: &mut TcpStream, got: &mut Vec<u8>, length: usize) -> Option<Vec<u8>> {
    while got.len() < length {
        more(tcp, got).await?;
    }
    Some(got.drain(..length).collect())
}

async fn more(tcp: &mut TcpStream, got: &mut Vec<u8>) -> Option<()> {
    tcp.read_buf(got).await.ok().filter(|read| *read > 0).map(|_| ())
}

/// Why this request should not have come.
fn verdict(head: &str, body: &[u8]) -> Option<String> {
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() || version != "HTTP/1.1" || !target.starts_with(['/', '*']) {
        return Some("a request line of more than one reading".into());
    }
    if target.contains("smuggled") {
        return Some("a body became a request".into());
    }
    let fields: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
    for (name, value) in &fields {
        let name = name.to_ascii_lowercase().replace(['_', '.'], "-");
        let value = value.trim();
        match &*name {
            _ if is_ours(&name) && (value.contains("spoof") || value.contains("6.6.6.6")) => {
                return Some(format!("`{name}` was spoofed"));
            }
            "x-original-url" | "x-rewrite-url" | "x-forwarded-uri" | "x-forwarded-path" | "x-forwarded-prefix" => {
                return Some(format!("`{name}` reached the app"));
            }
            "host" if !matches!(value.to_ascii_lowercase().trim_end_matches(['.']), "a.test" | "a.test:80") => {
                return Some(format!("host `{value}`"));
            }
            _ => {}
        }
    }
    let hosts = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("host")).count();
    let lengths = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).count();
    if hosts != 1 || lengths > 1 {
        return Some(format!("{hosts} hosts, {lengths} lengths"));
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let methods = methods(method, query, &fields, body);
    for (interpreter, read) in readers::INTERPRETERS {
        let resource = read(path);
        if let Some(what) = protected(&resource, &methods, query, body) {
            return Some(format!("{what} was reached by one who is {interpreter}"));
        }
    }
    None
}

fn protected(resource: &str, methods: &[String], query: &str, body: &[u8]) -> Option<&'static str> {
    let bare = resource.trim_end_matches('/');
    let is = |method: &str| methods.iter().any(|it| it == method);
    match bare {
        "/admin" => Some("/admin"),
        _ if resource.starts_with("/admin/") => Some("/admin/**"),
        "/transfer" if is("POST") => Some("POST /transfer"),
        "/pay" if is("POST") && is_large(query, body) => Some("POST /pay of a large sum"),
        _ => {
            let order = bare.strip_prefix("/orders/").is_some_and(|id| !id.is_empty() && !id.contains('/'));
            (order && is("DELETE")).then_some("DELETE /orders/{id}")
        }
    }
}

/// Names that an app believes because no client can send them.
fn is_ours(name: &str) -> bool {
    let families = ["stepward-", "x-forwarded-", "x-real-", "forwarded", "x-risk"];
    families.iter().any(|family| name.starts_with(family))
}

/// Its own method, and any that somebody takes a POST for.
fn methods(method: &str, query: &str, fields: &[(&str, &str)], body: &[u8]) -> Vec<String> {
    let mut methods = vec![method.to_ascii_uppercase()];
    let overrides = ["x-http-method-override", "x-http-method", "x-method-override"];
    let named = fields.iter().filter(|(name, _)| overrides.contains(&&*name.to_ascii_lowercase().replace('_', "-")));
    methods.extend(named.flat_map(|(_, value)| value.split(',').map(|it| it.trim().to_ascii_uppercase())));
    methods.extend(overrides_in(query, &['&', ';']));
    if method != "POST" {
        // Nobody looks for another method in the body of anything else.
        return methods;
    }
    let text = String::from_utf8_lossy(body);
    let is_read = fields.iter().any(|(name, value)| {
        let value = value.to_ascii_lowercase();
        name.eq_ignore_ascii_case("content-type") && ["json", "form"].iter().any(|it| value.contains(it))
    });
    let body =
        if is_read || !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) { &*text } else { "" };
    let is_form = fields
        .iter()
        .any(|(name, value)| name.eq_ignore_ascii_case("content-type") && value.to_ascii_lowercase().contains("form"));
    // Whoever is told that it is a form reads no JSON.
    let separators: &[char] = if is_form { &['&', ';'] } else { &['&', ';', ',', '{', '}'] };
    methods.extend(overrides_in(body, separators));
    methods
}

fn overrides_in(text: &str, separators: &[char]) -> Vec<String> {
    let parts = text.split(separators).map(|part| part.to_ascii_lowercase().replace(['"', ' '], ""));
    parts
        .filter_map(|part| {
            let named = ["_method=", ".method=", "_method:"].iter().find_map(|name| part.strip_prefix(name));
            named.map(str::to_ascii_uppercase)
        })
        .collect()
}

/// Whether anybody reads a sum of a hundred or more: some number behind the word in query or body, in any spelling.
fn is_large(query: &str, body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body).to_ascii_lowercase().replace("%61", "a").replace("\\u0061", "a");
    // A form's query is read before its body by some; beside JSON nobody looks there.
    let query = if text.trim_start_matches('\u{feff}').starts_with(['{', '[']) {
        String::new()
    } else {
        query.to_ascii_lowercase()
    };
    [query, text].iter().any(|text| {
        text.match_indices("amount").any(|(at, word)| {
            let rest = &text[at + word.len()..];
            let digits: String = rest
                .chars()
                .skip_while(|it| !it.is_ascii_digit())
                .take_while(|it| it.is_ascii_digit() || *it == 'e')
                .collect();
            digits.contains('e') || digits.len() > 2
        })
    })
}
