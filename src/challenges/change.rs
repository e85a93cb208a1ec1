//! Letters that tell an owner that what is set up for the account has changed.
//!
//! Whoever adds an authenticator can pass for its owner afterwards, so the owner hears of it at the address that codes go
//! to, in the service's own language. Nothing waits for a letter and nothing depends on one; three an hour for one kind of
//! change are enough to notice. Neither names nor addresses are logged.

use std::time::Duration;

use fluent_bundle::FluentArgs;
use stepward_core::session::Method;

use crate::{
    challenges::{Challenges, notice::LETTERS_MAX, page},
    mail::Letter,
    store::{Begin, Counted, Id, Kind, Meter, Shape, StateStore, Stored, Touch},
};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// What became of what an account has set up.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// An authenticator was set up.
    Added(Method),
    /// One was taken away.
    Removed(Method),
    /// Recovery codes were handed out, and the old ones are void.
    Renewed,
    /// An operator took everything away.
    Reset,
}

impl Change {
    /// The message that says it.
    fn key(self) -> &'static str {
        match self {
            Change::Added(_) => "mail_methods_added",
            Change::Removed(_) => "mail_methods_removed",
            Change::Renewed => "mail_methods_renewed",
            Change::Reset => "mail_methods_reset",
        }
    }
}

impl Challenges {
    /// Writes to the owner, if mail can be sent and an address is known. That it cannot be counted is logged and no more.
    pub(super) async fn tell_of(&self, tenant: &str, account: Id, change: Change) {
        if let Err(error) = self.write_of(tenant, account, change).await {
            tracing::warn!(%error, change = change.key(), "a letter about a change of methods was not sent");
        }
    }

    async fn write_of(&self, tenant: &str, account: Id, change: Change) -> Stored<()> {
        let Some(mailer) = &self.mailer else { return Ok(()) };
        let Some(contact) = self.contacts().primary(tenant, account).await? else { return Ok(()) };
        let about = format!("{} {}", data_encoding::HEXLOWER.encode(&account), change.key());
        let who = Counted { kind: Kind::Account, id: self.keys.pseudonym(tenant, "notice", &about) };
        let name = self.keys.pseudonym("", "notices", "methods");
        let name = name.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
        let meter = Meter { name, window: HOUR, shape: Shape::Exact { keep: 8 } };
        let meters = [(who, meter, Touch::Hit)];
        let now_ms = self.clock.now_ms();
        let standing = self.store.begin(now_ms, Begin { meters: &meters, ..Begin::default() }).await?;
        if standing.counts.first().is_some_and(|count| *count <= LETTERS_MAX) {
            mailer.send(Some(self.letter_of(tenant, contact.address, change, now_ms)));
        }
        Ok(())
    }

    fn letter_of(&self, tenant: &str, to: String, change: Change, now_ms: i64) -> Letter {
        let locale = &self.usual_locale(tenant);
        let mut args = FluentArgs::new();
        args.set("service", self.pages.service.to_string());
        if let Change::Added(method) | Change::Removed(method) = change {
            args.set("method", locale.text(&format!("way_{}", method.name())));
        }
        let body = format!(
            "{}\n\n  {}\n\n{}\n",
            locale.say(change.key(), &args),
            page::moment(locale, now_ms),
            locale.say("mail_notice_end", &args),
        );
        Letter { to, subject: locale.say("mail_methods_subject", &args), body }
    }
}
