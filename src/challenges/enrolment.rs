//! What a signed-in user has set up, and setting up more, at `/.stepward/methods`.
//!
//! Whoever can add an authenticator can pass every challenge afterwards, so adding needs as much as using: a proof by an
//! existing one of the strongest kind that is set up, not older than five minutes; for the first, an administrator's
//! invitation or a login younger than five minutes on a known device. A code that is sent never enrols. Nothing here
//! tells what another account has.

use http::StatusCode;
use minijinja::{Value, context};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use stepward_core::session::Method;

use crate::{
    arrival::Arrival,
    challenges::{
        Challenges,
        authenticators::{self, Authenticator, Kept},
        begin,
        change::Change,
        issued::{self, Afterwards, Issued, OnFail},
        page, passkey, problem, show,
    },
    clock,
    keys::Purpose,
    locale::Locale,
    reply::Reply,
    sessions::{
        SessionHandle,
        cookies::{self, Scope},
        record::{Subject, VerifiedBy},
    },
    store::{Counted, Drawer, Id, Kind, Once, StateStore, Stored, backup},
};

pub(super) mod apps;
mod codes;
pub(super) mod passkeys;

const FRESH_MS: i64 = 5 * 60 * 1000;
const PENDING_MS: i64 = 10 * 60 * 1000;
const INVITED_MS: i64 = 72 * 60 * 60 * 1000;
const BASE: &str = "/.stepward/methods";

/// An administrator's invitation, sealed into its link.
#[derive(Serialize, Deserialize)]
struct Invitation {
    id: Id,
    account: Id,
    expires_ms: i64,
}

/// Who is at the page.
struct Visitor<'a> {
    challenges: &'a Challenges,
    arrival: &'a Arrival,
    session: &'a mut SessionHandle,
    subject: &'a Subject,
}

/// Whether something may be set up or removed.
enum May {
    Yes,
    /// Yes, once, by this invitation.
    Invited(Id, i64),
    /// After a proof by what is set up already.
    AfterProof,
    No,
}

/// Answers everything under `/.stepward/methods`.
pub async fn serve(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &mut SessionHandle,
    subject: Option<&Subject>,
    rest: &[&str],
) -> Stored<Reply> {
    let Some(subject) = subject else { return Ok(notice(challenges, arrival, StatusCode::FORBIDDEN, "enrol_sign_in")) };
    let mut visitor = Visitor { challenges, arrival, session, subject };
    let is_post = &*arrival.request.method == "POST";
    match (is_post, rest) {
        (false, []) => visitor.list().await,
        (true, ["passkey"]) => visitor.start_passkey().await,
        (false, ["passkey", word]) => visitor.show_passkey(word).await,
        (true, ["passkey", word]) => visitor.finish_passkey(word).await,
        (true, ["totp"]) => visitor.start_app().await,
        (false, ["totp", picture]) if picture.ends_with(".svg") => {
            visitor.picture(picture.trim_end_matches(".svg")).await
        }
        (false, ["totp", word]) => visitor.show_app(word).await,
        (true, ["totp", word]) => visitor.finish_app(word).await,
        (true, ["recovery"]) => visitor.renew_recovery().await,
        (false, ["recovery", word]) => visitor.recovery(word).await,
        (true, ["remove"]) => visitor.remove().await,
        _ => Ok(show::gone(challenges, arrival)),
    }
}

/// A link that lets this subject, once signed in, set up a first method within three days. An administrator hands it
/// over.
pub fn invite(challenges: &Challenges, tenant: &str, account: Id) -> String {
    let expires_ms = challenges.clock.now_ms() + INVITED_MS;
    let plain = serde_json::to_vec(&Invitation { id: clock::random_id(), account, expires_ms }).unwrap_or_default();
    let sealed = challenges.keys.seal(Purpose::Token, tenant, b"invitation", &plain);
    format!("{BASE}?invite={}", data_encoding::BASE64URL_NOPAD.encode(&sealed))
}

impl Visitor<'_> {
    async fn list(&mut self) -> Stored<Reply> {
        let locale = &problem::locale(self.challenges, self.arrival);
        let all = self.authenticators().await?;
        let authenticators: Vec<Value> = all.iter().filter_map(|it| entry(locale, it)).collect();
        let codes = all.iter().filter(|it| it.method() == Method::RecoveryCode).count();
        let recovery = (codes > 0).then(|| {
            let mut args = fluent_bundle::FluentArgs::new();
            args.set("left", codes);
            locale.say("method_recovery", &args)
        });
        let error = self.asks("e=passkey").then(|| locale.text("passkey_failed"));
        let content = context! {
            authenticators, recovery, error, passkeys => self.can_have_passkeys(), base => BASE, suffix => self.suffix(),
        };
        let title = locale.text("title_methods");
        Ok(self.challenges.pages.render(locale, StatusCode::OK, "methods.html", &title, content))
    }

    async fn remove(&mut self) -> Stored<Reply> {
        if let Some(reply) = self.refused().await? {
            return Ok(reply);
        }
        let fields = form_urlencoded::parse(self.arrival.body.as_deref().unwrap_or_default());
        let word = fields.into_iter().find(|(name, _)| name == "id").map(|(_, value)| value.into_owned());
        let id = word.as_deref().and_then(issued::id_of);
        let all = self.authenticators().await?;
        let named = all.iter().find(|it| Some(it.id) == id);
        if let Some(passkey) = named.and_then(|it| it.passkey()) {
            passkey::forget(self.challenges, self.tenant(), self.subject.account, passkey).await?;
        }
        if let Some(it) = named
            && self.challenges.store.retire(self.subject.account, Drawer::Authenticators, it.id).await?
        {
            self.changed(Change::Removed(it.method())).await?;
        }
        Ok(self.to(""))
    }

    /// Hears of every change to what an account has set up that is made here.
    async fn changed(&self, change: Change) -> Stored<()> {
        let request = &*self.arrival.id;
        match change {
            Change::Added(method) => tracing::info!(request, %method, "an authenticator was added"),
            Change::Renewed => tracing::info!(request, "recovery codes were handed out"),
            Change::Removed(method) => {
                tracing::info!(request, %method, "an authenticator was removed");
                // What stands on it is asked again.
                let account = Counted { kind: Kind::Account, id: self.subject.account };
                self.challenges.store.announce(account).await?;
            }
            // Only an operator does that, and not here.
            Change::Reset => {}
        }
        self.challenges.tell_of(self.tenant(), self.subject.account, change).await;
        Ok(())
    }

    /// What follows when an authenticator was added: recovery codes, where there are none yet.
    async fn added(&mut self, method: Method) -> Stored<Reply> {
        self.changed(Change::Added(method)).await?;
        match self.count(Method::RecoveryCode).await? {
            0 => self.hand_out_recovery().await,
            _ => Ok(self.to("")),
        }
    }

    /// The answer to who may not change anything now: a challenge first, or no.
    async fn refused(&mut self) -> Stored<Option<Reply>> {
        match self.may().await? {
            May::Yes | May::Invited(..) => Ok(None),
            May::No => Ok(Some(self.forbidden())),
            May::AfterProof => self.ask().await,
        }
    }

    async fn may(&mut self) -> Stored<May> {
        let now_ms = self.challenges.clock.now_ms();
        let account = self.subject.account;
        let all = self.authenticators().await?;
        if let Some(needed) = all.iter().map(|it| it.method().strength()).max() {
            let mut proofs = self.session.record.proofs_for(Some(account));
            let vouches = |it: Method| matches!(it, Method::Totp | Method::RecoveryCode | Method::Passkey);
            let is_enough = |it: Method| vouches(it) && it.strength() >= needed;
            let is_fresh = proofs.any(|proof| is_enough(proof.method) && now_ms - proof.at_ms <= FRESH_MS);
            return Ok(if is_fresh { May::Yes } else { May::AfterProof });
        }
        if let Some(invitation) = self.invitation().filter(|it| it.account == account && now_ms < it.expires_ms) {
            // One that is older than a backup that was put back may have been used since the backup.
            let restored_ms = backup::restored_at_ms(&*self.challenges.store).await?;
            if restored_ms.is_none_or(|at_ms| invitation.expires_ms - INVITED_MS > at_ms) {
                return Ok(May::Invited(invitation.id, invitation.expires_ms));
            }
        }
        let is_recent = self.subject.verified_by == VerifiedBy::Login && now_ms - self.subject.since_ms <= FRESH_MS;
        let device = cookies::read_device(&self.challenges.keys, now_ms, self.tenant(), &self.arrival.request);
        let Some(device) = device.filter(|_| is_recent) else { return Ok(May::No) };
        let known = self.challenges.store.enrolments(account, Drawer::Devices).await?;
        Ok(if known.iter().any(|it| it.id == device.id) { May::Yes } else { May::No })
    }

    /// Uses up the invitation that somebody came by; whether it was still good.
    async fn admit(&self, may: &May, id: Id) -> Stored<bool> {
        let now_ms = self.challenges.clock.now_ms();
        match may {
            May::Yes => Ok(true),
            May::Invited(invitation, expires_ms) => {
                let once = self.challenges.store.claim(now_ms, "invitation", *invitation, id, *expires_ms).await?;
                Ok(once == Once::First)
            }
            May::AfterProof | May::No => Ok(false),
        }
    }

    fn invitation(&self) -> Option<Invitation> {
        let query = self.arrival.request.query.as_deref()?;
        let (_, token) = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "invite")?;
        let sealed = data_encoding::BASE64URL_NOPAD.decode(token.as_bytes()).ok()?;
        let opened = self.challenges.keys.open(Purpose::Token, self.tenant(), b"invitation", &sealed).ok()?;
        serde_json::from_slice(&opened.plain).ok()
    }

    /// Asks for a proof by the strongest of what is set up, and comes back to the list.
    async fn ask(&mut self) -> Stored<Option<Reply>> {
        let methods = match self.count(Method::Passkey).await? {
            0 => vec![Method::Totp, Method::RecoveryCode],
            _ if self.can_have_passkeys() => vec![Method::Passkey],
            _ => return Ok(Some(self.forbidden())),
        };
        let now_ms = self.challenges.clock.now_ms();
        let id = issued::fresh_id();
        let issued = Issued {
            event: "change how you confirm".into(),
            decision_id: self.arrival.id.clone(),
            account: Some(self.subject.account),
            subject: Some(self.subject.name.clone()),
            is_verified: true,
            methods,
            bound_to: None,
            approval: None,
            shown: Vec::new(),
            numbers: Vec::new(),
            tell: None,
            attempts: 3,
            on_fail: OnFail::Block,
            enrol_allowed: false,
            issued_ms: now_ms,
            expires_ms: now_ms + PENDING_MS,
            parked_until_ms: 0,
            afterwards: Afterwards::Fetch { target: format!("{BASE}{}", self.suffix()) },
        };
        let Some(cookies) = self.keep_session().await? else { return Ok(Some(self.gone())) };
        issued::keep(self.challenges, self.arrival, self.session, &id, &issued).await?;
        Ok(Some(begin::with_cookies(problem::to_challenge(&id), cookies)))
    }

    async fn keep_session(&mut self) -> Stored<Option<Vec<String>>> {
        match Scope::of(&self.arrival.request) {
            Some(scope) => begin::keep_session(self.challenges, self.arrival, self.session, scope).await,
            None => Ok(None),
        }
    }

    /// Keeps what was begun, sealed for this session, and sends the browser to the page that goes on with it.
    async fn begun(&mut self, path: &str, tries: u32, pending: &impl Serialize) -> Stored<Reply> {
        let word = issued::fresh_id();
        let Some(id) = issued::id_of(&word) else { return Ok(self.gone()) };
        let plain = zeroize::Zeroizing::new(serde_json::to_vec(pending).unwrap_or_default());
        let owner = issued::owner(self.arrival, self.session, id);
        let sealed = self.challenges.keys.seal(Purpose::Authenticator, self.tenant(), &owner, &plain);
        let expires_ms = self.challenges.clock.now_ms() + PENDING_MS;
        let Some(cookies) = self.keep_session().await? else { return Ok(self.gone()) };
        self.challenges.store.issue_challenge(id, id, tries, sealed, expires_ms).await?;
        Ok(begin::with_cookies(self.to(&format!("/{path}/{word}")), cookies))
    }

    /// What was begun under this word, in this session.
    async fn pending<T: DeserializeOwned>(&self, word: &str) -> Stored<Option<T>> {
        let Some(id) = issued::id_of(word) else { return Ok(None) };
        let sealed = self.challenges.store.peek_challenge(self.challenges.clock.now_ms(), id, id).await?;
        let owner = issued::owner(self.arrival, self.session, id);
        Ok(sealed.and_then(|sealed| {
            let opened = self.challenges.keys.open(Purpose::Authenticator, self.tenant(), &owner, &sealed).ok()?;
            serde_json::from_slice(&opened.plain).ok()
        }))
    }

    async fn authenticators(&self) -> Stored<Vec<Authenticator>> {
        authenticators::all(self.challenges, self.tenant(), self.subject.account).await
    }

    async fn count(&self, method: Method) -> Stored<usize> {
        Ok(self.authenticators().await?.iter().filter(|it| it.method() == method).count())
    }

    fn can_have_passkeys(&self) -> bool {
        self.challenges.runnable_at(&self.arrival.request.host).contains(&Method::Passkey)
    }

    fn tenant(&self) -> &str {
        &self.arrival.route.tenant
    }

    /// Whom a set of codes belongs to until it was shown: this session, and this person, whoever else uses the browser.
    fn own(&self, id: Id) -> Vec<u8> {
        [&issued::owner(self.arrival, self.session, id)[..], &self.subject.account].concat()
    }

    /// Whether the address of this page says so.
    fn asks(&self, what: &str) -> bool {
        self.arrival.request.query.as_deref().is_some_and(|it| it.split('&').any(|it| it == what))
    }

    /// What has to stay in every address: the language, and the invitation.
    fn suffix(&self) -> String {
        let mut kept = form_urlencoded::Serializer::new(String::new());
        let query = self.arrival.request.query.as_deref().unwrap_or_default();
        kept.extend_pairs(
            form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "lang" || name == "invite"),
        );
        let kept = kept.finish();
        if kept.is_empty() { kept } else { format!("?{kept}") }
    }

    fn to(&self, path: &str) -> Reply {
        page::harden(Reply::see_other(&format!("{BASE}{path}{}", self.suffix())))
    }

    /// The same page again, and what went wrong.
    fn again(&self, path: &str, error: &str) -> Reply {
        let joint = if self.suffix().is_empty() { '?' } else { '&' };
        page::harden(Reply::see_other(&format!("{BASE}{path}{}{joint}e={error}", self.suffix())))
    }

    fn forbidden(&self) -> Reply {
        notice(self.challenges, self.arrival, StatusCode::FORBIDDEN, "enrol_refused")
    }

    fn gone(&self) -> Reply {
        show::gone(self.challenges, self.arrival)
    }
}

/// An authenticator as the list shows it; recovery codes are one line of their own.
fn entry(locale: &Locale, it: &Authenticator) -> Option<Value> {
    let mut args = fluent_bundle::FluentArgs::new();
    args.set("date", page::date(locale, it.added_ms()));
    let (label, remove) = match &it.kept {
        Kept::Passkey { label, .. } if label.is_empty() => ("method_passkey", "remove_passkey"),
        Kept::Passkey { label, .. } => {
            // Its direction is its own.
            args.set("label", format!("\u{2068}{label}\u{2069}"));
            ("method_passkey_named", "remove_passkey_named")
        }
        Kept::Totp { .. } => ("method_totp", "remove_totp"),
        Kept::Recovery { .. } => return None,
    };
    let (label, remove) = (locale.say(label, &args), locale.say(remove, &args));
    Some(context! { label, remove, id => data_encoding::BASE64URL_NOPAD.encode(&it.id) })
}

/// A page that says one thing.
pub(super) fn notice(challenges: &Challenges, arrival: &Arrival, status: StatusCode, key: &str) -> Reply {
    let locale = &problem::locale(challenges, arrival);
    let content = context! { text => locale.text(key), home => problem::say(challenges, locale, "back_to_service") };
    challenges.pages.render(locale, status, "notice.html", &locale.text("title_methods"), content)
}
