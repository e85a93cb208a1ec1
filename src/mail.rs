//! Mail over SMTP. It sends plain text, waits at most ten seconds for a server and never logs what it sends:
//! neither addresses nor codes. What cannot be sent is told once, as a warning, and the user asks again.
//!
//! Whether the server answers is remembered, so that pages can say so. It is learned in the same way whether or not
//! there was a letter to send, and never from what the server says about one recipient: it tells nothing of accounts.

use std::{
    env, fs,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::authentication::Credentials,
};
use tokio::sync::Semaphore;

use crate::{
    clock::Clock,
    settings::{Mail, Secret},
};

/// Letters on their way at once; more than that are dropped, for a flood is no reason to run out of sockets.
const SENDING_MAX: usize = 64;
const SEND_WAIT: Duration = Duration::from_secs(10);

/// Why mail settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The server's URL.
    #[error("`mail.smtp` is not an SMTP URL such as `smtp://127.0.0.1:25` or `smtps://mail.example.com:465`")]
    Server,
    /// The sender.
    #[error("`mail.from` is not an e-mail address")]
    From,
    /// The password.
    #[error("the password of `mail.login` cannot be read from {0:?}")]
    Password(Secret),
}

/// Sends letters in the background.
#[derive(Clone)]
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    sending: Arc<Semaphore>,
    clock: Clock,
    /// When the server last did not answer; 0 once it has answered again.
    silent_ms: Arc<AtomicI64>,
}

/// One letter.
pub struct Letter {
    /// Recipient.
    pub to: String,
    /// Subject line.
    pub subject: String,
    /// Plain text.
    pub body: String,
}

impl Mailer {
    /// Ready to send; the server is not contacted yet. TLS is used where the server offers it, and insisted on where a
    /// password would travel to another machine.
    ///
    /// # Errors
    /// When the settings cannot be used.
    pub fn new(mail: &Mail, clock: Clock) -> Result<Self, MailError> {
        let from = mail.from.parse().map_err(|_| MailError::From)?;
        let mut builder =
            AsyncSmtpTransport::<Tokio1Executor>::from_url(&with_tls(mail)).map_err(|_| MailError::Server)?;
        if let Some((name, password)) = &mail.login {
            let password = reveal(password).ok_or_else(|| MailError::Password(password.clone()))?;
            builder = builder.credentials(Credentials::new(name.to_string(), password));
        }
        let transport = builder.timeout(Some(SEND_WAIT)).build();
        let sending = Arc::new(Semaphore::new(SENDING_MAX));
        Ok(Mailer { transport, from, sending, clock, silent_ms: Arc::default() })
    }

    /// Sends in the background: how long it takes must not tell anyone whether there was anything to send. Without a
    /// letter the server is only asked whether it is there.
    pub fn send(&self, letter: Option<Letter>) {
        let Ok(place) = self.sending.clone().try_acquire_owned() else {
            tracing::warn!(limit = SENDING_MAX, "too many letters under way; one was not sent");
            self.note(false);
            return;
        };
        let mailer = self.clone();
        tokio::spawn(async move {
            let sent = match letter {
                Some(letter) => mailer.deliver(letter).await,
                None => Err(Trouble::Refused("there is no letter")),
            };
            match sent {
                Ok(()) => mailer.note(true),
                Err(Trouble::Silent(trouble)) => {
                    tracing::warn!(trouble, "a letter could not be sent");
                    mailer.note(false);
                }
                Err(Trouble::Refused(trouble)) => {
                    tracing::debug!(trouble, "a letter was not sent");
                    let is_there = tokio::time::timeout(SEND_WAIT * 2, mailer.transport.test_connection()).await;
                    mailer.note(matches!(is_there, Ok(Ok(true))));
                }
            }
            drop(place);
        });
    }

    /// Whether the server has not answered since this moment, or has not yet been heard of again.
    pub fn is_silent_since(&self, since_ms: i64) -> bool {
        let silent_ms = self.silent_ms.load(Ordering::Relaxed);
        silent_ms != 0 && silent_ms >= since_ms
    }

    fn note(&self, answers: bool) {
        self.silent_ms.store(if answers { 0 } else { self.clock.now_ms() }, Ordering::Relaxed);
    }

    /// Sends and waits for the server's answer. The error names the stage, never the recipient.
    async fn deliver(&self, letter: Letter) -> Result<(), Trouble> {
        let to = letter.to.parse().map_err(|_| Trouble::Refused("the address is not one"))?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(letter.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(letter.body)
            .map_err(|_| Trouble::Refused("the letter cannot be written"))?;
        let sent = tokio::time::timeout(SEND_WAIT * 2, self.transport.send(message)).await;
        match sent {
            Err(_) => Err(Trouble::Silent("the mail server took too long")),
            Ok(Err(error)) if error.is_permanent() => {
                tracing::warn!("the mail server refused a letter for good");
                Err(Trouble::Refused("refused for good"))
            }
            Ok(Err(error)) if error.is_transient() => {
                tracing::warn!("the mail server refused a letter for now");
                Err(Trouble::Refused("refused for now"))
            }
            Ok(Err(_)) => Err(Trouble::Silent("the mail server could not be reached or understood")),
            Ok(Ok(_)) => Ok(()),
        }
    }
}

/// Why a letter was not sent.
enum Trouble {
    /// The server does not answer: nobody's letters are sent.
    Silent(&'static str),
    /// This letter was not taken, or there was none: the server may be well.
    Refused(&'static str),
}

/// `smtp://` says nothing about TLS; this does.
fn with_tls(mail: &Mail) -> String {
    let local = ["127.0.0.1", "localhost", "[::1]"].iter().any(|host| {
        let rest = mail.smtp.strip_prefix("smtp://").and_then(|it| it.strip_prefix(host));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
    });
    if !mail.smtp.starts_with("smtp://") || mail.smtp.contains("tls=") {
        return mail.smtp.to_string();
    }
    let tls = if mail.login.is_some() && !local { "required" } else { "opportunistic" };
    format!("{}?tls={tls}", mail.smtp)
}

fn reveal(secret: &Secret) -> Option<String> {
    match secret {
        Secret::Env(name) => env::var(&**name).ok(),
        Secret::File(path) => fs::read_to_string(path).ok().map(|it| it.trim_end_matches(['\r', '\n']).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(smtp: &str, login: bool) -> Mail {
        let login = login.then(|| ("ada".into(), Secret::Env("STEPWARD_NO_SUCH".into())));
        Mail { smtp: smtp.into(), login, from: "Bank <no-reply@bank.example>".into() }
    }

    #[test]
    fn a_password_travels_only_inside_tls() {
        let cases = [
            ("smtp://mail.example:25", false, "smtp://mail.example:25?tls=opportunistic"),
            ("smtp://mail.example:25", true, "smtp://mail.example:25?tls=required"),
            ("smtp://127.0.0.1:25", true, "smtp://127.0.0.1:25?tls=opportunistic"),
            ("smtp://localhost.evil.example:25", true, "smtp://localhost.evil.example:25?tls=required"),
            ("smtps://mail.example:465", true, "smtps://mail.example:465"),
        ];
        for (url, login, expected) in cases {
            assert_eq!(with_tls(&mail(url, login)), expected);
        }
    }

    #[test]
    fn settings_that_cannot_be_used_are_told_apart_without_secrets() {
        assert!(Mailer::new(&mail("smtp://127.0.0.1:25", false), Clock::System).is_ok());
        assert!(matches!(Mailer::new(&mail("http://127.0.0.1", false), Clock::System), Err(MailError::Server)));
        assert!(matches!(Mailer::new(&mail("smtp://127.0.0.1:25", true), Clock::System), Err(MailError::Password(_))));
        let nobody = Mail { from: "nobody".into(), ..mail("smtp://127.0.0.1:25", false) };
        assert!(matches!(Mailer::new(&nobody, Clock::System), Err(MailError::From)));
    }
}
