//! Interactive demands: how a challenge is issued, shown, answered and left behind.
//!
//! The rest of the shell sees [`Challenges`] only. It never decides whether a proof is needed (`core` does) and never
//! forwards a request; it records proofs in the session and says what came of each answer. When the state store does
//! not answer, every function says so and nothing counts as proven.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use stepward_core::{
    decision::{self, Outcome, Reason},
    policy::Policy,
    session::{Method, required::Required},
};
use tokio::sync::Semaphore;

use crate::{
    arrival::{Arrival, Parked, Spooled, Withheld},
    clock::Clock,
    keys::Keys,
    locale::{Locale, Locales},
    mail::Mailer,
    render::Texts,
    reply::Reply,
    sessions::{SessionHandle, Sessions, record::Subject},
    settings,
    store::{AnyStore, Id, Stored},
    vendors::{Vendors, deeds::Live},
};

pub mod answer;
pub mod approval;
pub mod attempts;
pub mod authenticators;
pub mod begin;
pub mod captcha;
pub mod change;
pub mod code;
pub mod contacts;
pub mod email_code;
pub mod enrolment;
pub mod issued;
pub mod notice;
pub mod oidc;
pub mod origin;
pub mod page;
pub mod parking;
pub mod passkey;
pub mod pow;
pub mod problem;
pub mod recovery;
pub mod registrar;
pub mod serve;
pub mod show;
pub mod telephone;
pub mod totp;
pub mod verification;

/// Where everything of Stepward's own lives, on every host.
pub const PREFIX: &str = "/.stepward/";

/// Issues challenges and answers everything under [`PREFIX`] except the key set. One per process.
pub struct Challenges {
    keys: Arc<Keys>,
    store: Arc<AnyStore>,
    sessions: Sessions,
    clock: Clock,
    mailer: Option<Mailer>,
    passkeys: Option<passkey::Party>,
    approvers: Option<approval::Approvers>,
    telephone: telephone::Telephone,
    provider: Option<Arc<oidc::provider::Provider>>,
    verifying: verification::kept::Busy,
    writing: Arc<Semaphore>,
    locales: ArcSwap<Locales>,
    pages: page::Pages,
    /// The operator's messages and templates as they were last looked at, so that a mistake is told once.
    pages_seen: Mutex<Texts>,
    unsent: parking::unsent::Unsent,
    spool: Option<parking::spool::Spool>,
}

/// What a decision demands, with the request it was made for.
pub struct Demand<'a> {
    /// The request that is held.
    pub arrival: &'a Arrival,
    /// Its policy; parking limits and allowed origins are read from it.
    pub policy: &'a Policy,
    /// The challenge that was decided.
    pub challenge: &'a decision::Challenge,
    /// Id of the decision; its first eight characters are the reference that the user sees.
    pub decision_id: &'a str,
    /// Key of the message that says why, if the policy names one.
    pub tell: Option<&'a str>,
    /// Names and values that the proof is bound to, in the order they are shown.
    pub shown: Vec<(String, String)>,
    /// The session that has to prove it; made, and committed, by [`Challenges::begin`] if it is new.
    pub session: &'a mut SessionHandle,
    /// Whom the proof is about: the verified subject.
    pub subject: Option<&'a Subject>,
    /// Whom it is about where nobody is verified yet: the name that the request claims, and its account.
    pub claimed: Option<(Arc<str>, Id)>,
    /// The app's withheld answer (`apply: after_success`).
    pub withheld: Option<Withheld>,
    /// The id of the parked request that is being resumed: it is kept as it is, nothing is parked anew.
    pub resuming: Option<&'a str>,
    /// What the app asked for, where it was the app that asked.
    pub asked: Option<&'a Required>,
    /// What the decision has found out of the ways to meet it.
    pub ways: Option<&'a begin::Ways>,
}

/// What became of a demand.
#[derive(Debug)]
pub enum Begun {
    /// The client is asked: a page (303) or a problem document (401).
    Asked(Reply),
    /// It cannot be asked: [`Reason::CrossSite`], [`Reason::ChallengeImpossible`] or [`Reason::TransportInsecure`].
    /// Refuse with `block`.
    Refused(Reason),
    /// Wrong answers are spent for every method that could be used: apply this outcome ([`Reason::AttemptsSpent`]).
    Spent(Outcome),
}

/// What came of a request under [`PREFIX`].
#[derive(Debug)]
pub enum Served {
    /// Nothing that concerns a journey: a page, a file, an enrolment.
    Answer(Reply),
    /// A proof was given and is recorded in the session (already committed).
    Passed {
        /// The event that asked for it.
        event: Arc<str>,
        /// The decision that asked for it.
        decision_id: Arc<str>,
        /// How it was proven.
        method: Method,
        /// Whose proof it is; a device on which a proof of strength 2 or more was given is known for this account.
        account: Option<Id>,
        /// Sends the client on.
        reply: Reply,
    },
    /// A wrong answer was given and counted; the client may try again.
    Failed {
        /// The event that asked.
        event: Arc<str>,
        /// The decision that asked.
        decision_id: Arc<str>,
        /// What was tried.
        method: Method,
        /// Shows the page again.
        reply: Reply,
    },
    /// The last wrong answer was given: apply `on_fail` ([`Reason::AttemptsSpent`]) and answer with
    /// [`Challenges::refusal`]. The method is locked already; the parked request is dropped.
    Spent {
        /// The event that asked.
        event: Arc<str>,
        /// The decision that asked.
        decision_id: Arc<str>,
        /// What was tried.
        method: Method,
        /// What the policy says happens now.
        on_fail: Outcome,
        /// The account whose proof it would have been.
        account: Option<Id>,
    },
}

/// A refusal, as far as the client may know it.
#[derive(Clone, Debug)]
pub struct Refused<'a> {
    /// 400 to 503.
    pub status: http::StatusCode,
    /// The word for `Stepward-Outcome`: `block`, `throttle`, `lock_out`.
    pub outcome: decision::Verb,
    /// Why, for choosing a general text; signals are never named.
    pub reason: Reason,
    /// Key of the message that the policy wants told.
    pub tell: Option<&'a str>,
    /// Id of the decision.
    pub decision_id: &'a str,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
}

/// Why challenges cannot be run at all: told at start.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Messages do not parse or lack a key.
    #[error(transparent)]
    Locale(#[from] crate::locale::LocaleError),
    /// Mail settings cannot be used.
    #[error(transparent)]
    Mail(#[from] crate::mail::MailError),
    /// Passkeys cannot be used with these settings.
    #[error("passkeys: {0}")]
    Passkeys(String),
    /// Settings of the identity provider cannot be used.
    #[error("identity provider: {0}")]
    Provider(String),
    /// Templates cannot be used: every error, one line each, with its place.
    #[error("page templates: {}", .0.join("; "))]
    Page(Vec<String>),
}

impl Challenges {
    /// Ready to run with these settings; the mail server is not contacted yet.
    ///
    /// # Errors
    /// When messages, pages or mail settings cannot be used.
    pub fn new(
        pages: &settings::pages::Pages,
        mail: Option<&settings::Mail>,
        keys: Arc<Keys>,
        store: Arc<AnyStore>,
        sessions: Sessions,
        clock: Clock,
    ) -> Result<Self, Trouble> {
        let rules = settings::Phone::default();
        let telephone = telephone::Telephone::new(keys.clone(), store.clone(), clock.clone(), Live::none(), rules);
        Ok(Challenges {
            telephone,
            provider: None,
            verifying: verification::kept::Busy::default(),
            keys,
            store,
            sessions,
            mailer: mail.map(|mail| Mailer::new(mail, clock.clone())).transpose()?,
            passkeys: None,
            approvers: None,
            clock,
            writing: Arc::new(Semaphore::new(notice::WRITING_MAX)),
            locales: ArcSwap::from_pointee(Locales::load(&pages.language, pages.locales.as_deref())?),
            pages: page::Pages::new(pages)?,
            pages_seen: Mutex::new(page::seen::texts(pages)),
            unsent: parking::unsent::Unsent::default(),
            spool: None,
        })
    }

    /// The same, with passkeys.
    ///
    /// # Errors
    /// When the settings are none that browsers would follow.
    pub fn with_passkeys(self, passkeys: Option<&settings::Passkeys>) -> Result<Self, Trouble> {
        let party = passkeys.map(|it| passkey::Party::new(it, &self.pages.service)).transpose()?;
        Ok(Challenges { passkeys: party, ..self })
    }

    /// The same, with people who may approve what others ask for.
    pub fn with_approvers(self, approvals: Option<&settings::approvals::Approvals>) -> Self {
        Challenges { approvers: approvals.map(approval::Approvers::new), ..self }
    }

    /// For how long at most something that is begun by this method is open, in milliseconds; 0 where it is answered at once.
    fn longest_ms(&self, method: Method) -> i64 {
        match method {
            Method::Approval => self.approvers.as_ref().map_or(0, approval::Approvers::waits_ms),
            _ => i64::try_from(self.vendors().longest_ms(method)).unwrap_or(i64::MAX),
        }
    }

    /// The methods that can be run for a page on this host: passkeys stay with the domain that they were made for, and
    /// approvers confirm by passkey.
    pub fn runnable_at(&self, host: &str) -> BTreeSet<Method> {
        let has_passkeys = self.passkeys.as_ref().is_some_and(|party| party.serves(host));
        let mut methods = self.runnable();
        methods.retain(|method| !matches!(method, Method::Passkey | Method::Approval) || has_passkeys);
        methods
    }

    /// The same, which keep bodies too large for the store in files.
    pub fn with_spool(self, spool: Option<parking::spool::Spool>) -> Self {
        Challenges { spool, ..self }
    }

    /// The files of bodies that wait.
    pub fn spool(&self) -> Option<&parking::spool::Spool> {
        self.spool.as_ref()
    }

    /// The same, with vendors that carry codes to telephones and test for robots.
    pub fn with_vendors(self, live: Live, rules: settings::Phone) -> Self {
        let (keys, store, clock) = (self.keys.clone(), self.store.clone(), self.clock.clone());
        Challenges { telephone: telephone::Telephone::new(keys, store, clock, live, rules), ..self }
    }

    /// The same, with an identity provider at which users sign in anew. It is asked when it is first needed.
    ///
    /// # Errors
    /// When its secret cannot be read.
    pub fn with_provider(self, settings: Option<&settings::oidc::Oidc>) -> Result<Self, Trouble> {
        let provider = settings.map(|it| oidc::provider::Provider::new(it, self.clock.clone())).transpose();
        Ok(Challenges { provider: provider.map_err(Trouble::Provider)?.map(Arc::new), ..self })
    }

    /// The methods that this process can run: e-mail codes, passkeys and sign-ins at a provider only with their settings,
    /// what vendors have a part in only where
    /// a route names one.
    pub fn runnable(&self) -> BTreeSet<Method> {
        let mail = self.mailer.is_some().then_some(Method::EmailCode);
        let oidc = self.provider.is_some().then_some(Method::Oidc);
        let routed = self.vendors().methods();
        let passkeys = self.passkeys.is_some().then_some(Method::Passkey);
        let always = [Method::Totp, Method::RecoveryCode, Method::Pow];
        let approval = self.approvers.as_ref().and(self.passkeys.as_ref()).map(|_| Method::Approval);
        always.into_iter().chain(mail).chain(passkeys).chain(approval).chain(oidc).chain(routed).collect()
    }

    /// The vendors that are at work now.
    fn vendors(&self) -> Arc<Vendors> {
        self.telephone.live().now()
    }

    /// Reads the operator's messages and templates again. What cannot be used leaves the last good ones at work, and is
    /// logged. Blocks on the disk.
    pub fn reload_pages(&self, pages: &settings::pages::Pages) {
        let texts = page::seen::texts(pages);
        let mut seen = self.pages_seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == texts {
            return;
        }
        *seen = texts;
        match Locales::load(&pages.language, pages.locales.as_deref()) {
            Ok(locales) => self.locales.store(Arc::new(locales)),
            Err(error) => tracing::error!("the last good messages stay: {error}"),
        }
        if let Err(errors) = self.pages.reload() {
            tracing::error!("the last good page templates stay: {}", errors.join("; "));
        }
    }

    /// The language for a letter to somebody who is not at a browser, or may be somebody else.
    fn usual_locale(&self, tenant: &str) -> Arc<Locale> {
        self.locales.load().choose(tenant, None, None)
    }

    /// What is known of the ways to meet a challenge by these methods.
    ///
    /// # Errors
    /// When the state store does not answer.
    pub async fn ways(&self, asker: &begin::Asker<'_>, methods: &[Method]) -> Stored<begin::Ways> {
        begin::ways(self, asker, methods).await
    }

    /// Issues a challenge: parks the request or the withheld answer, mails a code where that comes first, and makes
    /// the reply. Cookies that belong to it are in the reply.
    ///
    /// # Errors
    /// When the state store does not answer; nothing was asked then.
    pub async fn begin(&self, demand: Demand<'_>) -> Stored<Begun> {
        begin::begin(self, demand).await
    }

    /// Reads what a request under [`PREFIX`] is about while its session is still being read: the challenge and, where an
    /// answer will be compared with it, what the account has set up that the request's ticket names. All of it stays
    /// sealed until it is known whose it is.
    ///
    /// # Errors
    /// When the state store does not answer.
    pub async fn look_ahead(&self, arrival: &Arrival, account: Option<Id>) -> Stored<answer::Ahead> {
        serve::look_ahead(self, arrival, account).await
    }

    /// Answers a request under [`PREFIX`] (the key set is journey's own). `subject` is the verified one, if any; `ahead` is
    /// what was read already. Cookies that belong to the answer are in it.
    ///
    /// # Errors
    /// When the state store does not answer; nothing was proven then.
    pub async fn serve(
        &self,
        arrival: &Arrival,
        session: &mut SessionHandle,
        subject: Option<&Subject>,
        ahead: answer::Ahead,
    ) -> Stored<Served> {
        serve::serve(self, arrival, session, subject, ahead).await
    }

    /// The answer to what a vendor sent by itself; `None` where the request is for another of our pages.
    pub async fn receive(&self, arrival: &Arrival) -> Option<Reply> {
        let is_inbound = arrival.request.path.starts_with(verification::inbound::PREFIX);
        if is_inbound { Some(verification::inbound::receive(self, arrival).await) } else { None }
    }

    /// Looks at what was parked under this id, without taking it. `None` where it is gone or someone else's: another
    /// session, subject, host or parking cookie, or a request from another site.
    ///
    /// # Errors
    /// When the state store does not answer.
    pub async fn peek(
        &self,
        arrival: &Arrival,
        session: &SessionHandle,
        subject: Option<&Subject>,
        id: &str,
    ) -> Stored<Option<Parked>> {
        parking::peek(self, arrival, session, subject, id).await
    }

    /// What was parked under this id, sealed, before anything is known of who asks; see [`Challenges::opened`].
    ///
    /// # Errors
    /// When the state store does not answer.
    pub async fn fetch(&self, id: &str) -> Stored<Option<Vec<u8>>> {
        parking::fetch(self, id).await
    }

    /// What was fetched, as [`Challenges::peek`] gives it.
    pub fn opened(
        &self,
        arrival: &Arrival,
        session: &SessionHandle,
        subject: Option<&Subject>,
        id: &str,
        sealed: &[u8],
    ) -> Option<Parked> {
        parking::opened(self, arrival, session, subject, id, sealed)
    }

    /// Takes what was parked: for exactly one caller, ever. `found` is what [`Challenges::opened`] gave for the same request.
    ///
    /// # Errors
    /// When the state store does not answer; nothing must be sent then, and whoever may have it can ask again.
    pub async fn take(
        &self,
        arrival: &Arrival,
        session: &SessionHandle,
        subject: Option<&Subject>,
        id: &str,
        found: Option<&Parked>,
    ) -> Stored<Option<Parked>> {
        parking::take(self, arrival, session, subject, id, found).await
    }

    /// Where the body of something parked is, as seen from this node.
    pub async fn whereabouts(&self, id: &str, parked: &Parked) -> parking::spool::Whereabouts {
        parking::whereabouts(self, id, parked).await
    }

    /// The body of a parked request that was taken, if it has a file: to be sent, once. `None` where it is not as it was.
    pub async fn unspool(
        &self,
        arrival: &Arrival,
        session: &SessionHandle,
        id: &str,
        spooled: Spooled,
    ) -> Option<parking::spool::Reader> {
        parking::unspool(self, arrival, session, id, spooled).await
    }

    /// The body of a parked request that lies in a file, for an event that reads it.
    pub async fn look_into(
        &self,
        arrival: &Arrival,
        session: &SessionHandle,
        id: &str,
        spooled: Spooled,
    ) -> Option<bytes::Bytes> {
        parking::look_into(self, arrival, session, id, spooled).await
    }

    /// Drops what was parked, after a refusal.
    ///
    /// # Errors
    /// When the state store does not answer; it then ends by its expiry.
    pub async fn discard(&self, id: &str) -> Stored<()> {
        parking::discard(self, id).await
    }

    /// The answer to a refused request: a page or a problem document (RFC 9457), by client kind.
    pub fn refusal(&self, arrival: &Arrival, refused: &Refused<'_>) -> Reply {
        problem::refusal(self, arrival, refused)
    }

    /// Sets up an authenticator app for an account without asking anyone: for administrators and the demo. Returns the
    /// secret, to be handed over once and forgotten.
    ///
    /// # Errors
    /// When the state store does not answer.
    pub async fn provision_totp(&self, tenant: &str, account: Id) -> Stored<Vec<u8>> {
        authenticators::provision_totp(self, tenant, account).await
    }

    /// A path with a sealed invitation: whoever is signed in as this account may set up a first method with it, once,
    /// within three days. For the admin API.
    pub fn invite(&self, tenant: &str, account: Id) -> String {
        enrolment::invite(self, tenant, account)
    }

    /// Addresses of accounts; see [`contacts::Contacts`].
    pub fn contacts(&self) -> contacts::Contacts<'_> {
        contacts::Contacts { challenges: self }
    }
}
