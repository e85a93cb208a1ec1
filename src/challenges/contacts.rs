//! Addresses of accounts, for codes. They are learnt only from what the app or its identity provider vouches for;
//! a challenged request never teaches one.
//!
//! The first address of an account can be used at once. One that comes later gets no code for 24 hours, and the ones
//! that were there before are told.

use fluent_bundle::FluentArgs;
use serde::{Deserialize, Serialize};

use crate::{
    challenges::Challenges,
    keys::Purpose,
    mail::Letter,
    store::{Drawer, Enrolment, Id, StateStore, Stored},
};

const NEW_FOR_MS: i64 = 24 * 60 * 60 * 1000;
/// Addresses kept for one account; one more takes the place of the oldest.
const ADDRESSES_MAX: usize = 8;

/// Addresses of accounts.
pub struct Contacts<'a> {
    pub(super) challenges: &'a Challenges,
}

/// One address.
pub struct Contact {
    /// Its id in the drawer.
    pub id: Id,
    /// When a code that was sent to it was last typed rightly.
    pub counter: u64,
    /// The address.
    pub address: String,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    address: String,
    learnt_ms: i64,
    usable_from_ms: i64,
}

impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Contact({})", data_encoding::HEXLOWER.encode(&self.id))
    }
}

impl Contacts<'_> {
    /// Takes in an e-mail address that the app vouches for: a verified claim, a trusted proxy's header, the admin API,
    /// or a fact marked `contact: email` once its event succeeded. Known ones stay as they are.
    ///
    /// # Errors
    /// When the state store does not answer.
    pub async fn learn(&self, tenant: &str, account: Id, address: &str) -> Stored<()> {
        let address = address.trim();
        let plausible = address.len() <= 254
            && address.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
        if !plausible || address.contains(|it: char| it.is_control() || it.is_whitespace()) {
            return Ok(());
        }
        let owner = data_encoding::HEXLOWER.encode(&account);
        let id = self.challenges.keys.pseudonym(tenant, "address", &format!("{owner} {}", address.to_lowercase()));
        let known = self.all(tenant, account).await?;
        if known.iter().any(|(entry, _)| entry.id == id) {
            return Ok(());
        }
        let now_ms = self.challenges.clock.now_ms();
        let usable_from_ms = if known.is_empty() { now_ms } else { now_ms + NEW_FOR_MS };
        let kept = Kept { address: address.to_string(), learnt_ms: now_ms, usable_from_ms };
        let plain = serde_json::to_vec(&kept).unwrap_or_default();
        let sealed = self.challenges.keys.seal(Purpose::Contact, tenant, &account, &plain);
        self.challenges.store.enrol(account, Drawer::Contacts, id, sealed).await?;
        self.tell(known.iter().map(|(_, kept)| kept.address.clone()));
        if let Some((oldest, _)) =
            known.iter().min_by_key(|(_, kept)| kept.learnt_ms).filter(|_| known.len() >= ADDRESSES_MAX)
        {
            self.challenges.store.retire(account, Drawer::Contacts, oldest.id).await?;
        }
        Ok(())
    }

    /// The address that codes go to: the newest that is not too new.
    ///
    /// # Errors
    /// When the state store does not answer.
    pub async fn primary(&self, tenant: &str, account: Id) -> Stored<Option<Contact>> {
        let now_ms = self.challenges.clock.now_ms();
        let all = self.all(tenant, account).await?.into_iter().filter(|(_, kept)| kept.usable_from_ms <= now_ms);
        let newest = all.max_by_key(|(_, kept)| kept.usable_from_ms);
        Ok(newest.map(|(entry, kept)| Contact { id: entry.id, counter: entry.counter, address: kept.address }))
    }

    async fn all(&self, tenant: &str, account: Id) -> Stored<Vec<(Enrolment, Kept)>> {
        let entries = self.challenges.store.enrolments(account, Drawer::Contacts).await?;
        let opened = entries.into_iter().filter_map(|entry| {
            let opened = self.challenges.keys.open(Purpose::Contact, tenant, &account, &entry.sealed).ok()?;
            Some((entry, serde_json::from_slice(&opened.plain).ok()?))
        });
        Ok(opened.collect())
    }

    /// Tells older addresses that there is a new one.
    fn tell(&self, addresses: impl Iterator<Item = String>) {
        let Some(mailer) = &self.challenges.mailer else { return };
        let locale = self.challenges.usual_locale(TENANT);
        let mut args = FluentArgs::new();
        args.set("service", self.challenges.pages.service.to_string());
        for to in addresses {
            let subject = locale.say("mail_address_subject", &args);
            mailer.send(Some(Letter { to, subject, body: locale.say("mail_address_body", &args) }));
        }
    }
}
