//! Codes and notices to telephones, by whichever vendor of the route `otp` takes them.
//!
//! Sending goes on in the background, so that how long an answer takes tells nobody whether there is a number. Before
//! anything is sent the number is looked at and counted: one that the settings do not allow, or one too many to the same
//! number, to its range or in all, is not sent, and the page says nothing of it. That bounds what somebody can earn who
//! asks for codes to numbers that pay for being called. What cannot be counted is not sent. Neither numbers nor codes are
//! logged.
//!
//! A code by telephone is a restricted authenticator (NIST SP 800-63B §5.1.3.3): numbers are ported and SIMs swapped.

use std::{sync::Arc, time::Duration};

use fluent_bundle::FluentArgs;
use stepward_core::session::Method;
use tokio::sync::Semaphore;

use crate::{
    challenges::{Challenges, code::Asked, problem},
    clock::Clock,
    keys::Keys,
    locale::Locale,
    settings,
    store::{AnyStore, Begin, Counted, Id, Kind, Meter, Shape, StateStore, Stored, Touch},
    vendors::deeds::{Carried, Live},
};

/// Messages on their way at once; more are dropped.
const SENDING_MAX: usize = 64;
const HOUR: Duration = Duration::from_secs(60 * 60);
/// So many digits at the end of a number tell it from the others of its range.
const RANGE_DIGITS: usize = 4;
/// Longest value of a request that a message repeats, in characters.
const SHOWN_MAX: usize = 40;

/// Sends messages in the background.
#[derive(Clone)]
pub struct Telephone {
    keys: Arc<Keys>,
    store: Arc<AnyStore>,
    clock: Clock,
    live: Live,
    rules: settings::Phone,
    sending: Arc<Semaphore>,
}

/// How a message comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channel {
    Sms,
    Voice,
}

/// One message.
pub struct Message {
    tenant: Arc<str>,
    number: String,
    channel: Channel,
    /// The digits, for vendors that write the text themselves.
    code: Option<String>,
    text: String,
    locale: String,
}

/// Why a message was not sent, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    NotAllowed,
    OfNumber,
    OfRange,
    OfAll,
}

impl Message {
    /// A text that is no code.
    pub fn notice(tenant: &str, number: String, locale: &Locale, text: String) -> Self {
        Message { tenant: tenant.into(), number, channel: Channel::Sms, code: None, text, locale: locale.tag.clone() }
    }
}

impl Telephone {
    /// Ready to send by whatever connectors are at work.
    pub fn new(keys: Arc<Keys>, store: Arc<AnyStore>, clock: Clock, live: Live, rules: settings::Phone) -> Self {
        Telephone { keys, store, clock, live, rules, sending: Arc::new(Semaphore::new(SENDING_MAX)) }
    }

    /// The connectors that are at work.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// Sends in the background; without a message nothing happens there.
    pub fn send(&self, message: Option<Message>) {
        let Ok(place) = self.sending.clone().try_acquire_owned() else {
            tracing::warn!(limit = SENDING_MAX, "too many messages under way; one was not sent");
            return;
        };
        let telephone = self.clone();
        tokio::spawn(async move {
            if let Some(message) = message {
                telephone.deliver(&message).await;
            }
            drop(place);
        });
    }

    async fn deliver(&self, message: &Message) {
        match self.counted(message).await {
            Ok(None) => {}
            Ok(Some(why)) => {
                tracing::warn!(why = why.name(), "a message to a telephone was not sent");
                return;
            }
            Err(error) => {
                tracing::warn!(%error, "a message to a telephone could not be counted and was not sent");
                return;
            }
        }
        let channel = match message.channel {
            Channel::Sms => "sms",
            Channel::Voice => "voice",
        };
        let named = [
            ("phone", Some(message.number.as_str())),
            ("message", Some(message.text.as_str())),
            ("code", message.code.as_deref()),
            ("channel", Some(channel)),
            ("locale", Some(message.locale.as_str())),
        ];
        let inputs: Vec<(Arc<str>, Arc<str>)> =
            named.into_iter().filter_map(|(name, value)| Some((name.into(), value?.into()))).collect();
        match self.live.now().carry(&message.tenant, &inputs).await {
            Carried::Taken => {}
            Carried::Refused => tracing::info!("a vendor does not send to a number"),
            Carried::Nobody => tracing::warn!("no vendor took a message to a telephone"),
        }
    }

    /// Whether it may be sent: `None`; else why not.
    async fn counted(&self, message: &Message) -> Stored<Option<Kept>> {
        let is_allowed = |prefixes: &Arc<[Arc<str>]>| prefixes.iter().any(|it| message.number.starts_with(&**it));
        if !self.rules.prefixes.as_ref().is_none_or(is_allowed) {
            return Ok(Some(Kept::NotAllowed));
        }
        let range = message.number.get(..message.number.len().saturating_sub(RANGE_DIGITS)).unwrap_or_default();
        let per_number = u64::from(self.rules.per_number);
        let bounds = [
            (Kept::OfNumber, message.number.as_str(), per_number, Shape::Exact { keep: self.rules.per_number + 1 }),
            (Kept::OfRange, range, self.rules.per_range, Shape::Buckets),
            (Kept::OfAll, "", self.rules.in_total, Shape::Buckets),
        ];
        // One after the other: what is not sent to a number must not use up what others have.
        for (bound, about, limit, shape) in bounds {
            let id = self.keys.pseudonym(&message.tenant, bound.name(), about);
            let meter = Meter { name: name(&self.keys, bound.name()), window: HOUR, shape };
            let meters = [(Counted { kind: Kind::Account, id }, meter, Touch::Hit)];
            let standing = self.store.begin(self.clock.now_ms(), Begin { meters: &meters, ..Begin::default() }).await?;
            if standing.counts.first().is_none_or(|count| *count > limit) {
                return Ok(Some(bound));
            }
        }
        Ok(None)
    }
}

fn name(keys: &Keys, what: &str) -> u64 {
    let id: Id = keys.pseudonym("", "messages", what);
    id.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

impl Kept {
    fn name(self) -> &'static str {
        match self {
            Kept::NotAllowed => "number not among phone.prefixes",
            Kept::OfNumber => "phone.per_number is reached",
            Kept::OfRange => "phone.per_range is reached",
            Kept::OfAll => "phone.in_total is reached",
        }
    }
}

impl Challenges {
    /// What a telephone is told: who asks, the code, and what it confirms; for a text, the line by which browsers know
    /// whose code it is (<https://wicg.github.io/sms-one-time-codes/>).
    pub(super) fn message(&self, asked: &Asked<'_>, locale: &Locale, number: String, digits: &str) -> Message {
        let mut args = FluentArgs::new();
        args.set("service", self.pages.service.to_string());
        let shown = asked.issued.shown.iter().map(|(name, value)| {
            format!("{}: {}. ", problem::fact_name(locale, name), super::code::one_line(value, SHOWN_MAX))
        });
        let shown: String = shown.collect();
        let (channel, text) = match asked.method {
            Method::VoiceCode => {
                let spoken: Vec<String> = digits.chars().map(String::from).collect();
                args.set("code", spoken.join(", "));
                (Channel::Voice, format!("{shown}{}", locale.say("voice_message", &args)))
            }
            _ => {
                args.set("code", digits.to_string());
                (Channel::Sms, format!("{} {shown}\n\n@{} #{digits}", locale.say("sms_message", &args), asked.host))
            }
        };
        let code = Some(digits.to_string());
        Message { tenant: asked.tenant.into(), number, channel, code, text, locale: locale.tag.clone() }
    }
}
