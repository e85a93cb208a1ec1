//! The demo's post office: a receiver of mail by SMTP (RFC 5321) that keeps the last messages in memory for a page.
//! It speaks to this machine only and never relays.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

const KEPT_MAX: usize = 50;
const MESSAGE_BYTES_MAX: usize = 256 * 1024;
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// One received message.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Letter {
    /// Who it is for.
    pub to: String,
    /// Its subject line.
    pub subject: String,
    /// Its text.
    pub text: String,
}

/// The letters, newest first.
#[derive(Clone, Debug, Default)]
pub struct Mailbox(Arc<Mutex<VecDeque<Letter>>>);

impl Mailbox {
    /// What has arrived, newest first.
    pub fn letters(&self) -> Vec<Letter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn keep(&self, letter: Letter) {
        let mut letters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        letters.push_front(letter);
        letters.truncate(KEPT_MAX);
    }

    /// Receives mail until the listener is dropped.
    pub async fn serve(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let mailbox = self.clone();
            tokio::spawn(async move {
                // A sender that breaks off loses its own message and nobody else's.
                let _ = mailbox.converse(stream).await;
            });
        }
    }

    async fn converse(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        say(&mut stream, "220 tiny bank post office").await?;
        let mut recipients: Vec<String> = Vec::new();
        while let Some(line) = hear(&mut stream).await? {
            let command = line.to_ascii_uppercase();
            if command.starts_with("EHLO") || command.starts_with("HELO") {
                say(&mut stream, "250 hello").await?;
            } else if command.starts_with("MAIL FROM:") || command == "NOOP" || command == "RSET" {
                recipients.clear();
                say(&mut stream, "250 ok").await?;
            } else if command.starts_with("RCPT TO:") {
                recipients.push(address(&line));
                say(&mut stream, "250 ok").await?;
            } else if command == "DATA" {
                say(&mut stream, "354 end with a dot").await?;
                let Some((subject, text)) = message(&mut stream).await? else { return Ok(()) };
                for to in recipients.drain(..) {
                    self.keep(Letter { to, subject: subject.clone(), text: text.clone() });
                }
                say(&mut stream, "250 kept").await?;
            } else if command == "QUIT" {
                return say(&mut stream, "221 bye").await;
            } else {
                say(&mut stream, "502 not known here").await?;
            }
        }
        Ok(())
    }
}

async fn say(stream: &mut BufReader<TcpStream>, line: &str) -> std::io::Result<()> {
    stream.write_all(format!("{line}\r\n").as_bytes()).await
}

async fn hear(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    let mut bounded = stream.take(MESSAGE_BYTES_MAX as u64);
    let read = tokio::time::timeout(SILENCE_MAX, bounded.read_until(b'\n', &mut line));
    let heard = read.await.map_err(|_| std::io::ErrorKind::TimedOut)??;
    Ok((heard > 0).then(|| String::from_utf8_lossy(&line).trim_end().to_string()))
}

fn address(line: &str) -> String {
    line.split_once(':').map_or("", |(_, rest)| rest).trim().trim_matches(['<', '>']).to_string()
}

/// Subject and text of a message; `None` when it is too long or breaks off.
async fn message(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<(String, String)>> {
    let (mut subject, mut text, mut in_header, mut base64) = (String::new(), String::new(), true, false);
    loop {
        let Some(line) = hear(stream).await? else { return Ok(None) };
        if line == "." {
            return Ok(Some((subject, readable(&text, base64))));
        }
        if text.len() + line.len() > MESSAGE_BYTES_MAX {
            return Ok(None);
        }
        let line = line.strip_prefix('.').unwrap_or(&line);
        match in_header {
            true if line.is_empty() => in_header = false,
            true => {
                let lower = line.to_ascii_lowercase();
                if lower.starts_with("subject:") {
                    subject = line.get(8..).unwrap_or("").trim().to_string();
                }
                base64 |= lower.starts_with("content-transfer-encoding:") && lower.contains("base64");
            }
            false => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
}

/// Undoes the transfer encoding that mailers choose for text with letters beyond ASCII.
fn readable(text: &str, base64: bool) -> String {
    if base64 {
        let compact: String = text.split_whitespace().collect();
        if let Ok(bytes) = data_encoding::BASE64.decode(compact.as_bytes()) {
            return String::from_utf8_lossy(&bytes).into_owned();
        }
    }
    text.replace("=\n", "").replace("=3D", "=")
}
