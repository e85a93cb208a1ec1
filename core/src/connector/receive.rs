//! What a vendor sends by itself: whether it comes from the vendor, whether it is new enough, and what it says.
//!
//! Pure: bytes, secrets and the time are given. Until something vouches for a message nothing of it is read, and why it was
//! refused says nothing about what it held. Whether it came before is the caller's to say, by [`Received::event`].

use std::{borrow::Cow, sync::Arc};

use ::hmac::{Hmac, KeyInit as _, Mac as _};
use data_encoding::HEXLOWER_PERMISSIVE;

use crate::connector::{
    Named, Operation,
    answer::{Interpreted, Reply},
    auth::hmac,
    document::auth::{Encoding, HmacAlgorithm, KeyEncoding},
    local::Means,
    mapping::{Expression, Scope, data::Data, text},
    secret,
    template::{Name, Piece, Place, Template},
};

/// Signatures in one header that are looked at; a vendor that changes its key sends two.
const CANDIDATES_MAX: usize = 8;

/// A message as it came in.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its path.
    pub path: &'a str,
    /// Its header fields.
    pub headers: &'a [(Arc<str>, String)],
    /// Its body.
    pub body: &'a [u8],
}

/// A message that something vouches for.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// The same when the vendor sends it again.
    pub event: Arc<str>,
    /// The reference of what was begun, as `start` kept it; none where it does not say.
    pub reference: Option<Arc<str>>,
    /// What it means and says.
    pub answer: Interpreted,
}

/// Why a message is not read. The words hold nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The connector takes no messages.
    Unexpected,
    /// There is no signature, name or token.
    Unsigned,
    /// It is not the right one.
    Forged,
    /// It was sent too long ago, or later than now.
    Late,
}

impl Refused {
    /// The word for logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Refused::Unexpected => "unexpected",
            Refused::Unsigned => "unsigned",
            Refused::Forged => "forged",
            Refused::Late => "late",
        }
    }
}

/// A compiled `receive`.
#[derive(Debug)]
pub(crate) struct Receiving {
    pub(crate) verify: Verify,
    pub(crate) reference: Expression,
    pub(crate) event: Option<Expression>,
}

/// A compiled `verify`.
#[derive(Debug)]
pub(crate) enum Verify {
    Hmac(Box<Signed>),
    Basic { username: Template, password: Template },
    Token { header: Arc<str>, value: Template },
}

/// A keyed hash that a message carries.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) header: Arc<str>,
    /// The header is a list, and this name in it is a signature.
    pub(crate) field: Option<Arc<str>>,
    pub(crate) prefix: String,
    pub(crate) algorithm: HmacAlgorithm,
    pub(crate) key: Template,
    pub(crate) key_encoding: KeyEncoding,
    pub(crate) encoding: Encoding,
    pub(crate) string_to_sign: Template,
    pub(crate) timestamp: Option<Stamp>,
}

/// When a message says it was sent.
#[derive(Debug)]
pub(crate) struct Stamp {
    pub(crate) place: StampPlace,
    pub(crate) is_ms: bool,
    pub(crate) tolerance_ms: i64,
}

/// Where it says so.
#[derive(Debug)]
pub(crate) enum StampPlace {
    Header(Arc<str>),
    Field(Arc<str>),
}

impl Operation {
    /// Whether it waits for what the vendor sends.
    pub fn receives(&self) -> bool {
        self.receiving().is_some()
    }

    fn receiving(&self) -> Option<&Receiving> {
        match &self.means {
            Means::Receive(receiving) => Some(receiving),
            Means::Request(_) | Means::Local(_) => None,
        }
    }

    /// Reads a message, if it comes from the vendor and is new enough at `now_ms`. `secrets` are the connector's own.
    ///
    /// # Errors
    /// [`Refused`] where nothing vouches for it; nothing of its body was read then.
    pub fn receive(&self, message: &Message<'_>, secrets: &Named, now_ms: i64) -> Result<Received, Refused> {
        let receiving = self.receiving().ok_or(Refused::Unexpected)?;
        receiving.verify.check(message, secrets, now_ms)?;
        let reply = Reply { status: 200, headers: message.headers, body: message.body };
        let nothing = || Data::Map(Vec::new());
        let asking = Scope::asking(nothing(), &self.asking.config, nothing(), now_ms);
        let scope = self.answer.scope(&reply, asking.clone());
        let told = |expression: &Expression| expression.plain_text(&scope).filter(|it| !it.is_empty()).map(Arc::from);
        let event = receiving.event.as_ref().and_then(told);
        let digest = || text::sha256_hex(message.body).into();
        Ok(Received {
            event: event.unwrap_or_else(digest),
            reference: told(&receiving.reference),
            answer: self.answer.interpret(&reply, asking),
        })
    }
}

impl Verify {
    fn check(&self, message: &Message<'_>, secrets: &Named, now_ms: i64) -> Result<(), Refused> {
        let own = |template: &Template| fill(template, secrets).ok_or(Refused::Forged);
        let same = |one: &str, other: &str| if same(one, other) { Ok(()) } else { Err(Refused::Forged) };
        match self {
            Verify::Hmac(signed) => signed.check(message, secrets, now_ms),
            Verify::Basic { username, password } => {
                let expected = text::base64(format!("{}:{}", own(username)?, own(password)?).as_bytes());
                let given = message.header("authorization").ok_or(Refused::Unsigned)?;
                let (scheme, given) = given.split_once(' ').ok_or(Refused::Unsigned)?;
                if !scheme.eq_ignore_ascii_case("basic") {
                    return Err(Refused::Unsigned);
                }
                same(given.trim(), &expected)
            }
            Verify::Token { header, value } => {
                let expected = own(value)?;
                same(message.header(header).ok_or(Refused::Unsigned)?, &expected)
            }
        }
    }
}

impl Signed {
    fn check(&self, message: &Message<'_>, secrets: &Named, now_ms: i64) -> Result<(), Refused> {
        let header = message.header(&self.header).ok_or(Refused::Unsigned)?;
        let sent = match &self.timestamp {
            None => None,
            Some(stamp) => Some(stamp.read(message, header).ok_or(Refused::Unsigned)?),
        };
        let key = fill(&self.key, secrets).ok_or(Refused::Forged)?;
        let key = match self.key_encoding {
            KeyEncoding::Text => Some(key.into_bytes()),
            KeyEncoding::Hex => HEXLOWER_PERMISSIVE.decode(key.as_bytes()).ok(),
            KeyEncoding::Base64 => text::base64_bytes(&key),
        };
        let value = |name: &Name| match name {
            Name::Request(piece) => piece_of(message, sent, piece),
            _ => None,
        };
        let text = self.string_to_sign.fill(&value, Place::Plain).map_err(|_| Refused::Unsigned)?;
        let hash = key.and_then(|key| hmac::hash(self.algorithm, &key, text.as_bytes())).ok_or(Refused::Forged)?;
        let candidates = match &self.field {
            Some(field) => fields(header).filter(|(name, _)| *name == &**field).map(|(_, value)| value).collect(),
            None => vec![header],
        };
        let is_good = |candidate: &&str| self.decoded(candidate).is_some_and(|it| same_bytes(&it, &hash));
        if !candidates.iter().take(CANDIDATES_MAX).any(is_good) {
            return Err(if candidates.is_empty() { Refused::Unsigned } else { Refused::Forged });
        }
        // Only what is signed says when it was sent.
        match self.timestamp.as_ref().zip(sent) {
            Some((stamp, sent)) if !stamp.is_near(sent, now_ms) => Err(Refused::Late),
            Some(_) | None => Ok(()),
        }
    }

    fn decoded(&self, candidate: &str) -> Option<Vec<u8>> {
        let written = candidate.trim().strip_prefix(self.prefix.as_str())?;
        match self.encoding {
            Encoding::Hex => HEXLOWER_PERMISSIVE.decode(written.as_bytes()).ok(),
            Encoding::Base64 => text::base64_bytes(written),
        }
    }
}

impl Stamp {
    fn read<'m>(&self, message: &Message<'m>, header: &'m str) -> Option<&'m str> {
        match &self.place {
            StampPlace::Header(name) => message.header(name),
            StampPlace::Field(name) => fields(header).find(|(it, _)| *it == &**name).map(|(_, value)| value),
        }
    }

    fn is_near(&self, sent: &str, now_ms: i64) -> bool {
        let Ok(sent) = sent.trim().parse::<i64>() else { return false };
        let sent_ms = if self.is_ms { sent } else { sent.saturating_mul(1000) };
        now_ms.saturating_sub(sent_ms).saturating_abs() <= self.tolerance_ms
    }
}

impl<'a> Message<'a> {
    /// A header field, if it is there exactly once: of two nobody knows which was signed.
    fn header(&self, name: &str) -> Option<&'a str> {
        let mut found = self.headers.iter().filter(|(it, _)| it.eq_ignore_ascii_case(name));
        let (first, second) = (found.next(), found.next());
        first.filter(|_| second.is_none()).map(|(_, value)| value.as_str())
    }
}

/// The parts of a header such as `t=1,v1=a,v1=b`, or of several such lists divided by spaces.
fn fields(header: &str) -> impl Iterator<Item = (&str, &str)> {
    header.split([',', ' ']).filter_map(|part| part.trim().split_once('='))
}

/// A part of the message; `None` where it is no text.
fn piece_of<'m>(message: &Message<'m>, sent: Option<&'m str>, piece: &Piece) -> Option<Cow<'m, str>> {
    let found = match piece {
        Piece::Method => message.method,
        Piece::Path => message.path,
        Piece::Body => std::str::from_utf8(message.body).ok()?,
        Piece::Header(name) => message.header(name)?,
        Piece::Timestamp => sent?,
        Piece::Host | Piece::Query | Piece::PathQuery | Piece::Params => return None,
    };
    Some(Cow::Borrowed(found))
}

fn fill(template: &Template, secrets: &Named) -> Option<String> {
    template.fill(&|name| secret(name, secrets), Place::Plain).ok().filter(|it| !it.is_empty())
}

fn same(one: &str, other: &str) -> bool {
    same_bytes(one.as_bytes(), other.as_bytes())
}

/// Compares in constant time, whatever the lengths.
fn same_bytes(one: &[u8], other: &[u8]) -> bool {
    // A fixed key does: only the time that comparing takes matters here.
    let hashed = |bytes: &[u8]| Hmac::<sha2::Sha256>::new_from_slice(b"same").map(|hmac| hmac.chain_update(bytes));
    match (hashed(one), hashed(other)) {
        (Ok(one), Ok(other)) => one.verify_slice(&other.finalize().into_bytes()).is_ok(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
