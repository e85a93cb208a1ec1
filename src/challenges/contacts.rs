//! Addresses of accounts, for codes: mailboxes and telephones. They are learnt only from what the app or its identity
//! provider vouches for; a challenged request never teaches one.
//!
//! The first address of its kind can be used at once. One that comes later gets no code for 24 hours, and the ones that
//! were there before are told. Addresses are sealed at rest and never logged.

use fluent_bundle::FluentArgs;
use serde::{Deserialize, Serialize};
use stepward_core::session::Method;

use crate::{
    challenges::{Challenges, telephone::Message},
    keys::Purpose,
    mail::Letter,
    store::{Drawer, Enrolment, Id, StateStore, Stored},
};

const NEW_FOR_MS: i64 = 24 * 60 * 60 * 1000;
/// Addresses of one kind kept for one account; one more takes the place of the oldest.
const ADDRESSES_MAX: usize = 8;

/// Addresses of accounts.
pub struct Contacts<'a> {
    pub(super) challenges: &'a Challenges,
}

/// What kind of address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// A mailbox.
    #[default]
    Mail,
    /// A telephone.
    Phone,
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
    #[serde(default)]
    reach: Reach,
    learnt_ms: i64,
    usable_from_ms: i64,
}

impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Contact({})", data_encoding::HEXLOWER.encode(&self.id))
    }
}

impl Reach {
    /// Where a code by this method goes; `None` for methods without one.
    pub fn of(method: Method) -> Option<Reach> {
        match method {
            Method::EmailCode => Some(Reach::Mail),
            Method::SmsCode | Method::VoiceCode => Some(Reach::Phone),
            Method::Passkey
            | Method::Totp
            | Method::Push
            | Method::RecoveryCode
            | Method::Pow
            | Method::Captcha
            | Method::Oidc
            | Method::IdDocument
            | Method::Approval => None,
        }
    }

    /// The one spelling of an address, if it is one.
    fn canonical(self, written: &str) -> Option<String> {
        let address = written.trim();
        match self {
            Reach::Mail => {
                let plausible = address.len() <= 254
                    && address.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
                let is_clean = !address.contains(|it: char| it.is_control() || it.is_whitespace());
                (plausible && is_clean).then(|| address.to_string())
            }
            Reach::Phone => is_e164(address).then(|| address.to_string()),
        }
    }

    /// What its ids are made of; that of mailboxes is older than telephones are here.
    fn about(self) -> &'static str {
        match self {
            Reach::Mail => "address",
            Reach::Phone => "phone",
        }
    }
}

/// Whether it is a telephone number as ITU-T E.164 has it: `+`, a country, at least seven digits and at most fifteen.
pub fn is_e164(written: &str) -> bool {
    written.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|it| it.is_ascii_digit())
    })
}

impl Contacts<'_> {
    /// Takes in an e-mail address that the app vouches for: a verified claim, a trusted proxy's header, the admin API,
    /// or a fact marked `contact: email` once its event succeeded. Known ones stay as they are.
    ///
    /// # Errors
    /// When the state store does not answer.
    pub async fn learn(&self, tenant: &str, account: Id, address: &str) -> Stored<()> {
        self.learn_of(Reach::Mail, tenant, account, address).await
    }

    /// The same for an address of any kind; a telephone number is one only as E.164 has it.
    ///
    /// # Errors
    /// When the state store does not answer.
    pub async fn learn_of(&self, reach: Reach, tenant: &str, account: Id, address: &str) -> Stored<()> {
        let Some(address) = reach.canonical(address) else { return Ok(()) };
        let owner = data_encoding::HEXLOWER.encode(&account);
        let about = format!("{owner} {}", address.to_lowercase());
        let id = self.challenges.keys.pseudonym(tenant, reach.about(), &about);
        let (known, others): (Vec<_>, Vec<_>) =
            self.all(tenant, account).await?.into_iter().partition(|(_, kept)| kept.reach == reach);
        if known.iter().any(|(entry, _)| entry.id == id) {
            return Ok(());
        }
        let now_ms = self.challenges.clock.now_ms();
        let usable_from_ms = if known.is_empty() { now_ms } else { now_ms + NEW_FOR_MS };
        let kept = Kept { address, reach, learnt_ms: now_ms, usable_from_ms };
        let plain = serde_json::to_vec(&kept).unwrap_or_default();
        let sealed = self.challenges.keys.seal(Purpose::Contact, tenant, &account, &plain);
        self.challenges.store.enrol(account, Drawer::Contacts, id, sealed).await?;
        if !known.is_empty() {
            // A number that is taken over cannot be warned alone: it may be the owner's no more.
            let also = others.iter().filter(|(_, kept)| reach == Reach::Phone && kept.reach == Reach::Mail);
            known.iter().chain(also).for_each(|(_, kept)| self.tell(tenant, reach, kept));
        }
        if let Some((oldest, _)) =
            known.iter().min_by_key(|(_, kept)| kept.learnt_ms).filter(|_| known.len() >= ADDRESSES_MAX)
        {
            self.challenges.store.retire(account, Drawer::Contacts, oldest.id).await?;
        }
        Ok(())
    }

    /// The address that mail goes to: the newest that is not too new.
    ///
    /// # Errors
    /// When the state store does not answer.
    pub async fn primary(&self, tenant: &str, account: Id) -> Stored<Option<Contact>> {
        self.primary_of(Reach::Mail, tenant, account).await
    }

    /// The address of a kind that codes go to: the newest that is not too new.
    ///
    /// # Errors
    /// When the state store does not answer.
    pub async fn primary_of(&self, reach: Reach, tenant: &str, account: Id) -> Stored<Option<Contact>> {
        let usable = self.usable(tenant, account).await?.into_iter().filter(|(_, kept)| kept.reach == reach);
        let newest = usable.max_by_key(|(_, kept)| kept.usable_from_ms);
        Ok(newest.map(|(entry, kept)| Contact { id: entry.id, counter: entry.counter, address: kept.address }))
    }

    /// The address of a kind that codes go to; and of all addresses that codes may go to the newest, and a number that is
    /// another after each right code.
    pub(super) async fn targets(
        &self,
        reach: Option<Reach>,
        tenant: &str,
        account: Id,
    ) -> Stored<(Option<Contact>, Option<(Id, u64)>)> {
        let usable = self.usable(tenant, account).await?;
        let since = usable.iter().fold(0, |sum: u64, (entry, _)| sum.wrapping_add(entry.counter));
        let newest = usable.iter().max_by_key(|(_, kept)| kept.usable_from_ms).map(|(entry, _)| (entry.id, since));
        let of_kind = usable.into_iter().filter(|(_, kept)| Some(kept.reach) == reach);
        let primary = of_kind.max_by_key(|(_, kept)| kept.usable_from_ms);
        let primary = primary.map(|(it, kept)| Contact { id: it.id, counter: it.counter, address: kept.address });
        Ok((primary, newest))
    }

    /// Whether there is an address of this kind, however new.
    pub(super) async fn has(&self, reach: Reach, tenant: &str, account: Id) -> Stored<bool> {
        Ok(self.all(tenant, account).await?.iter().any(|(_, kept)| kept.reach == reach))
    }

    async fn usable(&self, tenant: &str, account: Id) -> Stored<Vec<(Enrolment, Kept)>> {
        let now_ms = self.challenges.clock.now_ms();
        let mut all = self.all(tenant, account).await?;
        all.retain(|(_, kept)| kept.usable_from_ms <= now_ms);
        Ok(all)
    }

    async fn all(&self, tenant: &str, account: Id) -> Stored<Vec<(Enrolment, Kept)>> {
        let entries = self.challenges.store.enrolments(account, Drawer::Contacts).await?;
        let opened = entries.into_iter().filter_map(|entry| {
            let opened = self.challenges.keys.open(Purpose::Contact, tenant, &account, &entry.sealed).ok()?;
            Some((entry, serde_json::from_slice(&opened.plain).ok()?))
        });
        Ok(opened.collect())
    }

    /// Tells an older address that there is a new one of this kind.
    fn tell(&self, tenant: &str, new: Reach, older: &Kept) {
        let locale = &self.challenges.usual_locale(tenant);
        let mut args = FluentArgs::new();
        args.set("service", self.challenges.pages.service.to_string());
        let (subject, body) = match new {
            Reach::Mail => ("mail_address_subject", "mail_address_body"),
            Reach::Phone => ("mail_phone_subject", "mail_phone_body"),
        };
        let body = locale.say(body, &args);
        match older.reach {
            Reach::Mail => {
                let letter = Letter { to: older.address.clone(), subject: locale.say(subject, &args), body };
                if let Some(mailer) = &self.challenges.mailer {
                    mailer.send(Some(letter));
                }
            }
            Reach::Phone => {
                let message = Message::notice(tenant, older.address.clone(), locale, body);
                self.challenges.telephone.send(Some(message));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_one_only_as_e_164_has_it() {
        for (written, is_one) in [
            ("+447700900123", true),
            ("+1242000", true),
            ("447700900123", false),
            ("+044770090", false),
            ("+44 7700 900123", false),
            ("+4477009001234567", false),
            ("+44770x", false),
            ("+", false),
            ("", false),
            ("+٤٤٧٧٠٠٩٠٠", false),
        ] {
            assert_eq!(is_e164(written), is_one, "{written:?}");
        }
    }
}
