//! Codes that are sent: by e-mail, as a text or spoken. They show control of a mailbox, which lifts nothing (NIST SP
//! 800-63B §5.1.3.1), or of a telephone number, which is a restricted proof (§5.1.3.3).
//!
//! Six digits from the operating system's randomness, good for ten minutes, three tries and one use. Each message has a
//! code of its own and only the newest by its method counts. Everything happens alike whether or not there is an account
//! with an address: a code is made, kept, counted and expected; only the message is missing. No code is ever logged.

use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use stepward_core::session::Method;
use subtle::ConstantTimeEq;

use crate::{
    challenges::{
        Challenges,
        attempts::{Aim, Lane},
        contacts::{Contact, Reach},
        issued::Issued,
    },
    clock,
    keys::Purpose,
    locale::Locale,
    store::{Attempt, Drawer, Id, Once, StateStore, Stored},
};

const GOOD_FOR_MS: i64 = 10 * 60 * 1000;
const TRIES: u32 = 3;
/// Between two messages by one method of one challenge.
pub const COOLDOWN_MS: i64 = 30 * 1000;
/// Messages by one method for one challenge.
const LETTERS_MAX: u32 = 5;

#[derive(Serialize, Deserialize)]
struct Code {
    digits: String,
    sent_ms: i64,
}

/// What became of the wish for a code.
#[derive(Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is on its way, if there is an address.
    Yes,
    /// Not now: so many seconds have to pass.
    Wait(i64),
}

/// How it stands with who carries a code since it was made; the same whether or not there is an address. Of telephones
/// nothing is said: only what was sent to somebody could tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Post {
    /// Nothing bad is known of it.
    Working,
    /// It did not answer: the code was not sent.
    Silent,
}

/// What a code that is typed is compared with.
pub(super) struct Expected {
    /// The newest code of the challenge.
    number: Option<u32>,
    /// Where it went.
    contact: Option<Contact>,
    /// What is guessed at.
    pub(super) aim: Aim,
}

/// The challenge a code belongs to.
pub struct Asked<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// The host on which it is asked.
    pub host: &'a str,
    /// How it is answered.
    pub method: Method,
    /// The challenge's id.
    pub id: Id,
    /// The challenge.
    pub issued: &'a Issued,
    /// Whose tries and messages count.
    pub lane: &'a Lane,
}

impl Challenges {
    /// Makes a code and sends it.
    pub(super) async fn send_code(&self, asked: &Asked<'_>, locale: &Locale) -> Stored<Sent> {
        let now_ms = self.clock.now_ms();
        let last = self.newest_code(asked).await?;
        if let Some((_, code)) = &last
            && now_ms < code.sent_ms + COOLDOWN_MS
        {
            return Ok(Sent::Wait((code.sent_ms + COOLDOWN_MS - now_ms + 999) / 1000));
        }
        let number = last.map_or(0, |(number, _)| number + 1);
        if number >= LETTERS_MAX || !self.count_mail(asked.lane).await? {
            return Ok(Sent::Wait((asked.issued.expires_ms - now_ms).max(0) / 1000));
        }
        let code_id = self.code_id(asked, number);
        let expires_ms = (now_ms + GOOD_FOR_MS).min(asked.issued.expires_ms);
        if self.store.claim(now_ms, "letter", code_id, clock::random_id(), expires_ms).await? == Once::Replay {
            return Ok(Sent::Wait(COOLDOWN_MS / 1000));
        }
        let digits = random_digits();
        let plain = serde_json::to_vec(&Code { digits: digits.clone(), sent_ms: now_ms }).unwrap_or_default();
        let sealed = self.keys.seal(Purpose::Challenge, asked.tenant, &code_id, &plain);
        self.store.issue_challenge(asked.id, code_id, TRIES, sealed, expires_ms).await?;
        let contact = self.code_contact(asked).await?;
        match (Reach::of(asked.method), &self.mailer) {
            (Some(Reach::Mail), Some(mailer)) => {
                mailer.send(contact.map(|contact| self.letter(asked.issued, locale, contact.address, &digits)));
            }
            (Some(Reach::Phone), _) => {
                self.telephone.send(contact.map(|contact| self.message(asked, locale, contact.address, &digits)));
            }
            (Some(Reach::Mail), None) | (None, _) => {}
        }
        Ok(Sent::Yes)
    }

    /// What became of the newest code of this challenge; `None` where none has been made.
    pub(super) async fn code_is_out(&self, asked: &Asked<'_>) -> Stored<Option<Post>> {
        let newest = self.newest_code(asked).await?;
        let mailer = self.mailer.as_ref().filter(|_| asked.method == Method::EmailCode);
        Ok(newest.map(|(_, code)| match mailer.is_some_and(|it| it.is_silent_since(code.sent_ms)) {
            true => Post::Silent,
            false => Post::Working,
        }))
    }

    /// What a code that is typed is compared with. The addresses that codes go to are what is guessed at, all of them
    /// together; of all codes only the newest counts.
    pub(super) async fn expected(&self, asked: &Asked<'_>) -> Stored<Expected> {
        let targets = async {
            match asked.issued.account {
                Some(account) => self.contacts().targets(Reach::of(asked.method), asked.tenant, account).await,
                None => Ok((None, None)),
            }
        };
        let (newest_code, (contact, newest)) = tokio::try_join!(self.newest_code(asked), targets)?;
        let (newest, since) = newest.unzip();
        let aim = Aim { newest, since: since.unwrap_or(0), at_once: 1 };
        Ok(Expected { number: newest_code.map(|(number, _)| number), contact, aim })
    }

    /// Whether this is the newest code; if so it is spent.
    pub(super) async fn check_code(&self, asked: &Asked<'_>, expected: &Expected, digits: &str) -> Stored<bool> {
        let Some(number) = expected.number else { return Ok(false) };
        let now_ms = self.clock.now_ms();
        let code_id = self.code_id(asked, number);
        let Attempt::Granted { sealed, .. } = self.store.attempt_challenge(now_ms, asked.id, code_id).await? else {
            return Ok(false);
        };
        let Some(code) = self.open_code(asked, code_id, &sealed) else { return Ok(false) };
        let right = bool::from(code.digits.as_bytes().ct_eq(digits.as_bytes()));
        // Without an address nobody can have read the code; guessing it right is no proof either.
        let Some(contact) = expected.contact.as_ref().filter(|_| right) else { return Ok(false) };
        let first = self.store.spend_challenge(now_ms, asked.id, code_id, clock::random_id()).await? == Once::First;
        if let Some(account) = asked.issued.account.filter(|_| first) {
            self.store.advance(account, Drawer::Contacts, contact.id, now_ms.unsigned_abs()).await?;
        }
        Ok(first)
    }

    /// Looks for all that there may be, at once.
    async fn newest_code(&self, asked: &Asked<'_>) -> Stored<Option<(u32, Code)>> {
        let now_ms = self.clock.now_ms();
        let find = async |number| {
            let code_id = self.code_id(asked, number);
            let sealed = self.store.peek_challenge(now_ms, asked.id, code_id).await?;
            Ok(sealed.and_then(|sealed| self.open_code(asked, code_id, &sealed)).map(|code| (number, code)))
        };
        let found = try_join_all((0..LETTERS_MAX).map(find)).await?;
        Ok(found.into_iter().flatten().max_by_key(|(number, _)| *number))
    }

    fn open_code(&self, asked: &Asked<'_>, code_id: Id, sealed: &[u8]) -> Option<Code> {
        let opened = self.keys.open(Purpose::Challenge, asked.tenant, &code_id, sealed).ok()?;
        serde_json::from_slice(&opened.plain).ok()
    }

    async fn code_contact(&self, asked: &Asked<'_>) -> Stored<Option<Contact>> {
        match (asked.issued.account, Reach::of(asked.method)) {
            (Some(account), Some(reach)) => self.contacts().primary_of(reach, asked.tenant, account).await,
            (None, _) | (_, None) => Ok(None),
        }
    }

    fn code_id(&self, asked: &Asked<'_>, number: u32) -> Id {
        let challenge = data_encoding::HEXLOWER.encode(&asked.id);
        self.keys.pseudonym(asked.tenant, asked.method.name(), &format!("{challenge} {number}"))
    }
}

/// The beginning of a value from a request, so that it cannot pretend to be another line of the message.
pub(super) fn one_line(value: &str, chars_max: usize) -> String {
    value.chars().map(|it| if it.is_control() { ' ' } else { it }).take(chars_max).collect()
}

/// Six digits, each of the million equally likely.
fn random_digits() -> String {
    loop {
        let number = u32::from_be_bytes(clock::random_bytes());
        // 4,294 whole millions fit into 32 bits; what is above them would favour small codes.
        if number < 4_294_000_000 {
            return format!("{:06}", number % 1_000_000);
        }
    }
}
