//! Sends an attack and reads what the gateway answers: a status, nothing, or silence.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::fuzz::grammar::Attack;

/// What came back.
#[derive(Debug)]
pub(super) enum Answer {
    /// An answer.
    Status(u16),
    /// The connection was closed, or the stream reset.
    Closed,
    /// The gateway waits for more.
    Waiting,
}

/// Sends on the open connection where there is one and the framing was left alone; keeps it where it may be used again.
pub(super) async fn send(
    address: SocketAddr,
    open: &mut Option<TcpStream>,
    attack: &Attack,
    patience: Duration,
) -> Answer {
    match attack {
        Attack::Http1 { bytes, whole } => {
            let mut tcp = match open.take().filter(|_| *whole) {
                Some(tcp) => tcp,
                None => dial(address).await,
            };
            let answered = timeout(patience, exchange(&mut tcp, bytes)).await;
            match answered {
                Err(_) => Answer::Waiting,
                Ok(None) => Answer::Closed,
                Ok(Some((status, reusable))) => {
                    *open = Some(tcp).filter(|_| *whole && reusable);
                    Answer::Status(status)
                }
            }
        }
        Attack::Http2 { fields, body } => {
            let mut tcp = dial(address).await;
            match timeout(patience, over_http2(&mut tcp, fields, body)).await {
                Err(_) => Answer::Waiting,
                Ok(None) => Answer::Closed,
                Ok(Some(status)) => Answer::Status(status),
            }
        }
    }
}

async fn dial(address: SocketAddr) -> TcpStream {
    let tcp = TcpStream::connect(address).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    tcp
}

/// Status of the first final answer, and whether the connection is in a state to be used again.
async fn exchange(tcp: &mut TcpStream, bytes: &[u8]) -> Option<(u16, bool)> {
    tcp.write_all(bytes).await.ok()?;
    let mut got = Vec::with_capacity(1024);
    loop {
        let end = loop {
            if let Some(end) = got.windows(4).position(|it| it == b"\r\n\r\n") {
                break end + 4;
            }
            if tcp.read_buf(&mut got).await.ok()? == 0 {
                return None;
            }
        };
        let head = String::from_utf8_lossy(&got[..end]).to_ascii_lowercase();
        let status: u16 = head.split(' ').nth(1)?.parse().ok()?;
        got.drain(..end);
        if (100..200).contains(&status) && status != 101 {
            continue;
        }
        let length: Option<usize> =
            head.split("\r\ncontent-length: ").nth(1).and_then(|it| it.split("\r\n").next()?.parse().ok());
        let reusable = length.is_some() && !head.contains("connection: close") && !bytes.starts_with(b"HEAD");
        while reusable && got.len() < length.unwrap_or(0) {
            if tcp.read_buf(&mut got).await.ok()? == 0 {
                return Some((status, false));
            }
        }
        return Some((status, reusable && got.len() == length.unwrap_or(0)));
    }
}

/// Frames by hand, header fields as literals without Huffman coding (RFC 7541 §6.2.2): what no library would send.
async fn over_http2(tcp: &mut TcpStream, fields: &[(Vec<u8>, Vec<u8>)], body: &[u8]) -> Option<u16> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        text(&mut block, name);
        text(&mut block, value);
    }
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    frame(&mut bytes, 4, 0, 0, &[]);
    let ends = if body.is_empty() { 1 } else { 0 };
    frame(&mut bytes, 1, 4 | ends, 1, &block);
    if !body.is_empty() {
        frame(&mut bytes, 0, 1, 1, body);
    }
    tcp.write_all(&bytes).await.ok()?;
    loop {
        let mut head = [0; 9];
        tcp.read_exact(&mut head).await.ok()?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        tcp.read_exact(&mut payload).await.ok()?;
        match head[3] {
            1 => return Some(status_of(&payload)),
            3 | 7 => return None,
            _ => {}
        }
    }
}

fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u8, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    bytes.extend_from_slice(&length[1..]);
    bytes.extend_from_slice(&[kind, flags, 0, 0, 0, stream]);
    bytes.extend_from_slice(payload);
}

/// A string literal; its length by RFC 7541 §5.1.
fn text(block: &mut Vec<u8>, text: &[u8]) {
    let length = text.len();
    if length < 127 {
        block.push(u8::try_from(length).unwrap());
    } else {
        block.push(127);
        let mut rest = length - 127;
        while rest >= 128 {
            block.push(u8::try_from(rest % 128).unwrap() | 128);
            rest /= 128;
        }
        block.push(u8::try_from(rest).unwrap());
    }
    block.extend_from_slice(text);
}

/// The status that an answer's header block begins with: from the static table, or anything else of 4xx.
fn status_of(block: &[u8]) -> u16 {
    match block.first() {
        Some(0x88) => 200,
        Some(0x89) => 204,
        Some(0x8a) => 206,
        Some(0x8b) => 304,
        Some(0x8c) => 400,
        Some(0x8d) => 404,
        Some(0x8e) => 500,
        // A literal with the name of `:status`, as h2 writes 502 and its like: the digits are Huffman coded, and the
        // first of them is all that matters. `5` is 0b011011, `4` is 0b011010, `2` is 0b00010.
        Some(_) => match block.get(2).map(|byte| byte >> 2) {
            Some(0b01_1011) => 599,
            _ => 499,
        },
        None => 499,
    }
}
