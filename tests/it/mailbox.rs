//! A small real mail server (RFC 5321): it takes letters over a socket and keeps them for the test to read.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// A letter as it came.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) to: String,
    pub(crate) text: String,
}

/// Where letters arrive.
#[derive(Clone)]
pub(crate) struct Mailbox {
    pub(crate) address: SocketAddr,
    letters: Arc<Mutex<Vec<Letter>>>,
}

impl Mailbox {
    pub(crate) async fn open() -> Self {
        Mailbox::at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// At this address, where perhaps nobody answered before.
    pub(crate) async fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let mailbox = Mailbox { address: listener.local_addr().unwrap(), letters: Arc::default() };
        let letters = mailbox.letters.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let letters = letters.clone();
                tokio::spawn(async move {
                    // A client that hangs up in the middle has sent nothing.
                    let _ = converse(stream, letters).await;
                });
            }
        });
        mailbox
    }

    pub(crate) fn letters(&self) -> Vec<Letter> {
        self.letters.lock().unwrap().clone()
    }

    /// Waits until so many letters are there; fails the test after five seconds.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Letter> {
        for _ in 0..500 {
            let letters = self.letters();
            if letters.len() >= count {
                return letters;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{count} letters expected, {} came", self.letters().len());
    }

    /// The code in the letter that came last.
    pub(crate) async fn code(&self, count: usize) -> String {
        let letters = self.wait_for(count).await;
        code_in(&letters.last().unwrap().text)
    }
}

/// The line of a letter that is six digits.
pub(crate) fn code_in(text: &str) -> String {
    let is_code = |line: &&str| line.len() == 6 && line.bytes().all(|it| it.is_ascii_digit());
    text.lines().map(str::trim).find(is_code).unwrap().to_string()
}

async fn converse(stream: TcpStream, letters: Arc<Mutex<Vec<Letter>>>) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    writer.write_all(b"220 mailbox.test ESMTP\r\n").await?;
    let mut to = String::new();
    while let Some(line) = lines.next_line().await? {
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => writer.write_all(b"250-mailbox.test\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n").await?,
            "HELO" | "MAIL" | "RSET" | "NOOP" => writer.write_all(b"250 OK\r\n").await?,
            "RCPT" => {
                to = line.split(['<', '>']).nth(1).unwrap_or_default().to_string();
                writer.write_all(b"250 OK\r\n").await?;
            }
            "DATA" => {
                writer.write_all(b"354 go on\r\n").await?;
                let mut raw = Vec::new();
                while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                    raw.push(line.strip_prefix("..").map_or(line.clone(), |rest| format!(".{rest}")));
                }
                letters.lock().unwrap().push(Letter { to: to.clone(), text: plain(&raw) });
                writer.write_all(b"250 kept\r\n").await?;
            }
            "QUIT" => return writer.write_all(b"221 bye\r\n").await,
            _ => writer.write_all(b"502 not here\r\n").await?,
        }
    }
    Ok(())
}

/// The letter with its body decoded (RFC 2045: base64 and quoted-printable).
fn plain(raw: &[String]) -> String {
    let split = raw.iter().position(String::is_empty).unwrap_or(raw.len());
    let (head, body) = raw.split_at(split);
    let head = head.join("\n");
    let encoding = head.to_lowercase();
    let body = if encoding.contains("content-transfer-encoding: base64") {
        let joined: String = body.concat();
        String::from_utf8(data_encoding::BASE64.decode(joined.as_bytes()).unwrap()).unwrap()
    } else if encoding.contains("content-transfer-encoding: quoted-printable") {
        unquoted(&body.join("\n"))
    } else {
        body.join("\n")
    };
    format!("{head}\n\n{body}")
}

fn unquoted(text: &str) -> String {
    let text = text.replace("=\n", "");
    let bytes = text.as_bytes();
    let mut plain = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'=').and_then(|it| u8::from_str_radix(it, 16).ok());
        match hex {
            Some(byte) => {
                plain.push(byte);
                at += 3;
            }
            None => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(plain).unwrap()
}
