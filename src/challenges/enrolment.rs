//! What a signed-in user has set up, and setting up more, at `/.stepward/methods`.
//!
//! Whoever can add an authenticator can pass every challenge afterwards, so adding needs as much as using: a proof by
//! an existing one, not older than five minutes; for the first, an administrator's invitation or a login younger than
//! five minutes on a known device. An e-mailed code never enrols. Nothing here tells what another account has.

use std::sync::Arc;

use http::StatusCode;
use minijinja::{Value, context};
use serde::{Deserialize, Serialize};
use stepward_core::session::Method;

use crate::{
    arrival::Arrival,
    challenges::{
        Challenges,
        answer::Answer,
        authenticators, begin,
        issued::{self, Afterwards, Issued, OnFail},
        page, problem, recovery, show, totp,
    },
    clock,
    keys::Purpose,
    reply::Reply,
    sessions::{
        SessionHandle,
        cookies::{self, Scope},
        record::{Subject, VerifiedBy},
    },
    store::{Attempt, Counted, Drawer, Id, Kind, Once, StateStore, Stored, backup},
};

const FRESH_MS: i64 = 5 * 60 * 1000;
const PENDING_MS: i64 = 10 * 60 * 1000;
const PENDING_TRIES: u32 = 10;
const INVITED_MS: i64 = 72 * 60 * 60 * 1000;
/// Apps of one account: every answer is compared with all of them, so each makes guessing easier.
const APPS_MAX: usize = 5;
const BASE: &str = "/.stepward/methods";

/// A secret that was shown and waits for its first code.
#[derive(Serialize, Deserialize)]
struct Pending {
    account: Id,
    secret: Vec<u8>,
}

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
        (true, ["totp"]) => visitor.start().await,
        (false, ["totp", picture]) if picture.ends_with(".svg") => {
            visitor.picture(picture.trim_end_matches(".svg")).await
        }
        (false, ["totp", word]) => visitor.show(word).await,
        (true, ["totp", word]) => visitor.finish(word).await,
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
        let locale = problem::locale(self.challenges, self.arrival);
        let all = self.authenticators().await?;
        let apps = all.iter().filter(|it| it.is_totp()).map(|it| {
            let mut args = fluent_bundle::FluentArgs::new();
            args.set("date", page::date(locale, it.added_ms()));
            let (label, remove) = (locale.say("method_totp", &args), locale.say("remove_totp", &args));
            context! { label, remove, id => data_encoding::BASE64URL_NOPAD.encode(&it.id) }
        });
        let codes = all.iter().filter(|it| !it.is_totp()).count();
        let recovery = (codes > 0).then(|| {
            let mut args = fluent_bundle::FluentArgs::new();
            args.set("left", codes);
            locale.say("method_recovery", &args)
        });
        let apps: Vec<Value> = apps.collect();
        let content = context! { authenticators => apps, recovery, base => BASE, suffix => self.suffix() };
        let title = locale.text("title_methods");
        Ok(self.challenges.pages.render(locale, StatusCode::OK, "methods.html", &title, content))
    }

    /// Makes a secret and sends the browser to the page that shows it.
    async fn start(&mut self) -> Stored<Reply> {
        if let Some(reply) = self.refused().await? {
            return Ok(reply);
        }
        if self.has_enough_apps().await? {
            return Ok(notice(self.challenges, self.arrival, StatusCode::FORBIDDEN, "enrol_refused"));
        }
        let word = issued::fresh_id();
        let Some(id) = issued::id_of(&word) else { return Ok(self.gone()) };
        let secret: [u8; totp::SECRET_BYTES] = clock::random_bytes();
        let pending = Pending { account: self.subject.account, secret: secret.to_vec() };
        let plain = zeroize::Zeroizing::new(serde_json::to_vec(&pending).unwrap_or_default());
        let owner = issued::owner(self.arrival, self.session, id);
        let sealed = self.challenges.keys.seal(Purpose::Authenticator, self.tenant(), &owner, &plain);
        let expires_ms = self.challenges.clock.now_ms() + PENDING_MS;
        let Some(cookies) = self.keep_session().await? else { return Ok(self.gone()) };
        self.challenges.store.issue_challenge(id, id, PENDING_TRIES, sealed, expires_ms).await?;
        Ok(begin::with_cookies(self.to(&format!("/totp/{word}")), cookies))
    }

    async fn show(&mut self, word: &str) -> Stored<Reply> {
        let Some(pending) = self.pending(word).await? else { return Ok(self.gone()) };
        let locale = problem::locale(self.challenges, self.arrival);
        let is_wrong = self.arrival.request.query.as_deref().is_some_and(|it| it.split('&').any(|it| it == "e=wrong"));
        let content = context! {
            picture => format!("{BASE}/totp/{word}.svg"), key => totp::key(&pending.secret),
            action => format!("{BASE}/totp/{word}{}", self.suffix()), error => is_wrong.then(|| locale.text("wrong")),
        };
        let title = locale.text("title_add_totp");
        Ok(self.challenges.pages.render(locale, StatusCode::OK, "enrol.html", &title, content))
    }

    async fn picture(&mut self, word: &str) -> Stored<Reply> {
        let Some(pending) = self.pending(word).await? else { return Ok(self.gone()) };
        let address = totp::address(&pending.secret, &self.challenges.pages.service, &self.subject.name);
        Ok(address.and_then(|it| totp::picture(&it)).map_or_else(|| self.gone(), page::picture))
    }

    /// Takes the first code: the app is set up when it is right.
    async fn finish(&mut self, word: &str) -> Stored<Reply> {
        let (Some(pending), Some(id)) = (self.pending(word).await?, issued::id_of(word)) else {
            return Ok(self.gone());
        };
        let may = self.may().await?;
        if matches!(may, May::No | May::AfterProof) {
            return Ok(self.refused().await?.unwrap_or_else(|| self.gone()));
        }
        if self.has_enough_apps().await? {
            return Ok(notice(self.challenges, self.arrival, StatusCode::FORBIDDEN, "enrol_refused"));
        }
        let now_ms = self.challenges.clock.now_ms();
        let Attempt::Granted { .. } = self.challenges.store.attempt_challenge(now_ms, id, id).await? else {
            return Ok(self.gone());
        };
        let code = totp::digits(&Answer::read(self.arrival).code);
        let Some(step) = code.and_then(|code| totp::step_of(&pending.secret, &code, now_ms)) else {
            let joint = if self.suffix().is_empty() { '?' } else { '&' };
            return Ok(page::harden(Reply::see_other(&format!("{BASE}/totp/{word}{}{joint}e=wrong", self.suffix()))));
        };
        if let May::Invited(invitation, expires_ms) = may {
            let once = self.challenges.store.claim(now_ms, "invitation", invitation, id, expires_ms).await?;
            if once == Once::Replay {
                return Ok(notice(self.challenges, self.arrival, StatusCode::FORBIDDEN, "enrol_refused"));
            }
        }
        if self.challenges.store.spend_challenge(now_ms, id, id, clock::random_id()).await? == Once::Replay {
            return Ok(self.gone());
        }
        let account = self.subject.account;
        let has_recovery = self.authenticators().await?.iter().any(|it| !it.is_totp());
        let kept = authenticators::Kept::Totp { secret: pending.secret, added_ms: now_ms };
        authenticators::add(self.challenges, self.tenant(), account, id, &kept).await?;
        // The code that was just typed is a used one.
        self.challenges.store.advance(account, Drawer::Authenticators, id, step).await?;
        match has_recovery {
            true => Ok(self.to("")),
            false => self.hand_out_recovery().await,
        }
    }

    async fn renew_recovery(&mut self) -> Stored<Reply> {
        match self.refused().await? {
            Some(reply) => Ok(reply),
            None => self.hand_out_recovery().await,
        }
    }

    /// Makes new codes and sends the browser to the page that shows them, once.
    async fn hand_out_recovery(&mut self) -> Stored<Reply> {
        let codes = recovery::renew(self.challenges, self.tenant(), self.subject.account).await?;
        let word = issued::fresh_id();
        let Some(id) = issued::id_of(&word) else { return Ok(self.gone()) };
        let plain = zeroize::Zeroizing::new(serde_json::to_vec(&codes).unwrap_or_default());
        let sealed = self.challenges.keys.seal(Purpose::Authenticator, self.tenant(), &self.own(id), &plain);
        let expires_ms = self.challenges.clock.now_ms() + PENDING_MS;
        self.challenges.store.park(id, id, sealed, expires_ms).await?;
        Ok(self.to(&format!("/recovery/{word}")))
    }

    async fn recovery(&mut self, word: &str) -> Stored<Reply> {
        let Some(id) = issued::id_of(word) else { return Ok(self.gone()) };
        let owner = self.own(id);
        let now_ms = self.challenges.clock.now_ms();
        let open = |sealed: Vec<u8>| {
            let opened = self.challenges.keys.open(Purpose::Authenticator, self.tenant(), &owner, &sealed).ok()?;
            serde_json::from_slice::<Vec<String>>(&opened.plain).ok()
        };
        // Only its own browser may use the one time up.
        if self.challenges.store.peek_parked(now_ms, id, id).await?.and_then(open).is_none() {
            return Ok(self.gone());
        }
        let taken = self.challenges.store.take_parked(now_ms, id, id, clock::random_id()).await?;
        let Some(codes) = taken.and_then(open) else { return Ok(self.gone()) };
        let locale = problem::locale(self.challenges, self.arrival);
        let content = context! { codes, next => format!("{BASE}{}", self.suffix()) };
        let title = locale.text("title_recovery");
        Ok(self.challenges.pages.render(locale, StatusCode::OK, "recovery.html", &title, content))
    }

    async fn remove(&mut self) -> Stored<Reply> {
        if let Some(reply) = self.refused().await? {
            return Ok(reply);
        }
        let fields = form_urlencoded::parse(self.arrival.body.as_deref().unwrap_or_default());
        let word = fields.into_iter().find(|(name, _)| name == "id").map(|(_, value)| value.into_owned());
        if let Some(id) = word.as_deref().and_then(issued::id_of) {
            let account = self.subject.account;
            if self.challenges.store.retire(account, Drawer::Authenticators, id).await? {
                // What stands on it is asked again.
                self.challenges.store.announce(Counted { kind: Kind::Account, id: account }).await?;
            }
        }
        Ok(self.to(""))
    }

    /// The answer to who may not change anything now: a challenge first, or no.
    async fn refused(&mut self) -> Stored<Option<Reply>> {
        match self.may().await? {
            May::Yes | May::Invited(..) => Ok(None),
            May::No => Ok(Some(notice(self.challenges, self.arrival, StatusCode::FORBIDDEN, "enrol_refused"))),
            May::AfterProof => self.ask().await.map(Some),
        }
    }

    async fn may(&mut self) -> Stored<May> {
        let now_ms = self.challenges.clock.now_ms();
        let account = self.subject.account;
        if !self.authenticators().await?.is_empty() {
            let mut proofs = self.session.record.proofs_for(Some(account));
            let is_strong = |method: Method| matches!(method, Method::Totp | Method::RecoveryCode | Method::Passkey);
            let is_fresh = proofs.any(|proof| is_strong(proof.method) && now_ms - proof.at_ms <= FRESH_MS);
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

    fn invitation(&self) -> Option<Invitation> {
        let query = self.arrival.request.query.as_deref()?;
        let (_, token) = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "invite")?;
        let sealed = data_encoding::BASE64URL_NOPAD.decode(token.as_bytes()).ok()?;
        let opened = self.challenges.keys.open(Purpose::Token, self.tenant(), b"invitation", &sealed).ok()?;
        serde_json::from_slice(&opened.plain).ok()
    }

    /// Asks for a proof by what is set up, and comes back to the list.
    async fn ask(&mut self) -> Stored<Reply> {
        let now_ms = self.challenges.clock.now_ms();
        let id = issued::fresh_id();
        let issued = Issued {
            event: Arc::from("change how you confirm"),
            decision_id: self.arrival.id.clone(),
            account: Some(self.subject.account),
            subject: Some(self.subject.name.clone()),
            methods: vec![Method::Totp, Method::RecoveryCode],
            bound_to: None,
            shown: Vec::new(),
            tell: None,
            attempts: 3,
            on_fail: OnFail::Block,
            enrol_allowed: false,
            issued_ms: now_ms,
            expires_ms: now_ms + PENDING_MS,
            afterwards: Afterwards::Fetch { target: format!("{BASE}{}", self.suffix()) },
        };
        let Some(cookies) = self.keep_session().await? else { return Ok(self.gone()) };
        issued::keep(self.challenges, self.arrival, self.session, &id, &issued).await?;
        Ok(begin::with_cookies(problem::to_challenge(&id), cookies))
    }

    async fn keep_session(&mut self) -> Stored<Option<Vec<String>>> {
        match Scope::of(&self.arrival.request) {
            Some(scope) => begin::keep_session(self.challenges, self.arrival, self.session, scope).await,
            None => Ok(None),
        }
    }

    async fn pending(&self, word: &str) -> Stored<Option<Pending>> {
        let Some(id) = issued::id_of(word) else { return Ok(None) };
        let sealed = self.challenges.store.peek_challenge(self.challenges.clock.now_ms(), id, id).await?;
        let owner = issued::owner(self.arrival, self.session, id);
        let pending = sealed.and_then(|sealed| {
            let opened = self.challenges.keys.open(Purpose::Authenticator, self.tenant(), &owner, &sealed).ok()?;
            serde_json::from_slice::<Pending>(&opened.plain).ok()
        });
        Ok(pending.filter(|it| it.account == self.subject.account))
    }

    async fn authenticators(&self) -> Stored<Vec<authenticators::Authenticator>> {
        authenticators::all(self.challenges, self.tenant(), self.subject.account).await
    }

    async fn has_enough_apps(&self) -> Stored<bool> {
        Ok(self.authenticators().await?.iter().filter(|it| it.is_totp()).count() >= APPS_MAX)
    }

    fn tenant(&self) -> &str {
        &self.arrival.route.tenant
    }

    /// Whom a set of codes belongs to until it was shown: this session, and this person, whoever else uses the browser.
    fn own(&self, id: Id) -> Vec<u8> {
        [&issued::owner(self.arrival, self.session, id)[..], &self.subject.account].concat()
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

    fn gone(&self) -> Reply {
        show::gone(self.challenges, self.arrival)
    }
}

fn notice(challenges: &Challenges, arrival: &Arrival, status: StatusCode, key: &str) -> Reply {
    let locale = problem::locale(challenges, arrival);
    let content = context! { text => locale.text(key), home => problem::say(challenges, locale, "back_to_service") };
    challenges.pages.render(locale, status, "notice.html", &locale.text("title_methods"), content)
}
