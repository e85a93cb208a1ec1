//! Letters that tell a subject what became of a request (`notify: subject`).
//!
//! They go to the address that codes go to, in the service's own language, for whoever sent the request may be somebody
//! else. Nothing waits for them, so how long a request takes tells nobody whether there is an address; a decision never
//! depends on one. Letters are few: what is above [`LETTERS_MAX`] is dropped, as is what no store can count or no server
//! takes. Neither names nor addresses are logged.

use std::{sync::Arc, time::Duration};

use fluent_bundle::FluentArgs;

use crate::{
    challenges::{Challenges, page, problem},
    locale::Locale,
    mail::{Letter, Mailer},
    store::{Begin, Counted, Id, Kind, Meter, Shape, StateStore, Stored, Touch},
};

/// Letters an hour for one account about the same event with the same end.
pub const LETTERS_MAX: u64 = 3;
const HOUR: Duration = Duration::from_secs(60 * 60);
/// Letters being written at once; more are dropped.
pub(super) const WRITING_MAX: usize = 64;

/// What became of a request, as far as its subject is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    /// It went on to the app.
    PassedOn,
    /// A proof was asked for.
    Asked,
    /// It went no further.
    Refused,
}

/// What a subject is told of.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The tenant.
    pub tenant: Arc<str>,
    /// The verified subject's account.
    pub account: Id,
    /// The event.
    pub event: Arc<str>,
    /// What became of it.
    pub became: Became,
    /// Id of the decision; its first eight characters are the reference.
    pub decision_id: Arc<str>,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
}

impl Challenges {
    /// Writes to the subject in the background, if mail can be sent and an address is known.
    pub fn notify(self: &Arc<Self>, notice: Notice) {
        let Some(mailer) = self.mailer.clone() else { return };
        let Ok(place) = self.writing.clone().try_acquire_owned() else {
            tracing::warn!(limit = WRITING_MAX, event = %notice.event, "too many letters at once; a notice was not sent");
            return;
        };
        let challenges = self.clone();
        tokio::spawn(async move {
            if let Err(error) = challenges.write(&mailer, &notice).await {
                tracing::warn!(%error, event = %notice.event, "a notice was not sent");
            }
            drop(place);
        });
    }

    async fn write(&self, mailer: &Mailer, notice: &Notice) -> Stored<()> {
        let Some(contact) = self.contacts().primary(&notice.tenant, notice.account).await? else { return Ok(()) };
        let meters = [(self.counted(notice), self.meter(), Touch::Hit)];
        let standing = self.store.begin(self.clock.now_ms(), Begin { meters: &meters, ..Begin::default() }).await?;
        if standing.counts.first().is_some_and(|count| *count <= LETTERS_MAX) {
            mailer.send(Some(self.notice_letter(&self.usual_locale(&notice.tenant), contact.address, notice)));
        }
        Ok(())
    }

    /// By event and end, so that many letters about one thing do not keep back another.
    fn counted(&self, notice: &Notice) -> Counted {
        let account = data_encoding::HEXLOWER.encode(&notice.account);
        let about = format!("{account} {} {}", notice.became.key(), notice.event);
        Counted { kind: Kind::Account, id: self.keys.pseudonym(&notice.tenant, "notice", &about) }
    }

    fn meter(&self) -> Meter {
        let name = self.keys.pseudonym("", "notices", "hour");
        let name = name.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
        Meter { name, window: HOUR, shape: Shape::Exact { keep: 8 } }
    }

    fn notice_letter(&self, locale: &Locale, to: String, notice: &Notice) -> Letter {
        let mut args = FluentArgs::new();
        args.set("service", self.pages.service.to_string());
        let reference: String = notice.decision_id.chars().take(8).collect();
        let body = format!(
            "{}\n\n  {}\n  {}\n\n{}\n\n{}\n\n{}: {reference}\n",
            locale.say("mail_notice_intro", &args),
            problem::event_name(locale, &notice.event),
            page::moment(locale, notice.at_ms),
            locale.say(notice.became.key(), &args),
            locale.say("mail_notice_end", &args),
            locale.text("reference"),
        );
        Letter { to, subject: locale.say("mail_notice_subject", &args), body }
    }
}

impl Became {
    /// The message that says it.
    fn key(self) -> &'static str {
        match self {
            Became::PassedOn => "mail_notice_passed_on",
            Became::Asked => "mail_notice_asked",
            Became::Refused => "mail_notice_refused",
        }
    }
}
