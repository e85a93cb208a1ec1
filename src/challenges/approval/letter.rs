//! Letters to those who may approve: that something waits, which event it is, and where to look.
//!
//! The address in a letter comes from the settings, never from the request. Nothing waits for a letter and nothing depends
//! on one; somebody who is asked very often is not written to each time. Neither names nor addresses are logged.

use std::time::Duration;

use fluent_bundle::FluentArgs;

use crate::{
    arrival::Arrival,
    challenges::{
        Challenges,
        approval::{Wanted, desk},
        page, problem,
    },
    locale::Locale,
    mail::Letter,
    store::{Begin, Counted, Id, Kind, Meter, Shape, StateStore, Stored, Touch},
};

/// Letters an hour to one approver.
const LETTERS_MAX: u64 = 20;
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Writes to everybody who may approve it, has an address, and was not written to very often.
pub(super) async fn tell(challenges: &Challenges, arrival: &Arrival, id: Id, wanted: &Wanted) {
    if let Err(error) = write(challenges, arrival, id, wanted).await {
        tracing::warn!(%error, decision = &*wanted.decision_id, "letters to approvers were not sent");
    }
}

async fn write(challenges: &Challenges, arrival: &Arrival, id: Id, wanted: &Wanted) -> Stored<()> {
    let Some(mailer) = &challenges.mailer else { return Ok(()) };
    let host = arrival.request.header("host").unwrap_or(&arrival.request.host);
    let origin = challenges.passkeys.as_ref().and_then(|party| party.origin_of(host));
    let Some(origin) = origin else { return Ok(()) };
    let tenant = &*arrival.route.tenant;
    let approvers = challenges.approvers(tenant, &wanted.group, wanted.requester);
    let contacts = challenges.contacts();
    let reached = approvers.iter().map(|account| async { (*account, contacts.primary(tenant, *account).await) });
    let mut letters = Vec::new();
    let place = format!("{origin}{}", desk::address(id));
    for (account, contact) in futures_util::future::join_all(reached).await {
        if let Some(contact) = contact? {
            letters.push((counted(challenges, tenant, account), contact.address));
        }
    }
    let meters: Vec<_> = letters.iter().map(|(who, _)| (*who, meter(challenges), Touch::Hit)).collect();
    let standing = challenges.store.begin(challenges.clock.now_ms(), Begin { meters: &meters, ..Begin::default() });
    let counts = standing.await?.counts;
    let locale = &challenges.usual_locale(tenant);
    for ((_, to), _) in letters.into_iter().zip(counts).filter(|(_, count)| *count <= LETTERS_MAX) {
        mailer.send(Some(letter(challenges, locale, to, &place, wanted)));
    }
    Ok(())
}

fn counted(challenges: &Challenges, tenant: &str, account: Id) -> Counted {
    let about = format!("{} approval", data_encoding::HEXLOWER.encode(&account));
    Counted { kind: Kind::Account, id: challenges.keys.pseudonym(tenant, "notice", &about) }
}

fn meter(challenges: &Challenges) -> Meter {
    let name = challenges.keys.pseudonym("", "notices", "approvals");
    let name = name.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
    Meter { name, window: HOUR, shape: Shape::Exact { keep: 32 } }
}

fn letter(challenges: &Challenges, locale: &Locale, to: String, place: &str, wanted: &Wanted) -> Letter {
    let mut args = FluentArgs::new();
    args.set("service", challenges.pages.service.to_string());
    let body = format!(
        "{}\n\n  {}\n  {}\n\n{}\n\n  {place}\n",
        locale.say("mail_approval_intro", &args),
        problem::event_name(locale, &wanted.event),
        page::moment(locale, wanted.asked_ms),
        locale.say("mail_approval_end", &args),
    );
    Letter { to, subject: locale.say("mail_approval_subject", &args), body }
}
